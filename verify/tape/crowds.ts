/** Fast mode at points with so many kinks that not all can be looked at, and what directions leave open. */
import { scaleOf, sizeOf } from "../differences/numeric.ts";
import { randomFrom } from "../random.ts";
import type { Judgement } from "./judgement.ts";
import type { TapeProblem } from "./problem.ts";
import type { Position } from "./search.ts";

/** The most elements of ties that are judged in fast mode, those that are furthest off first. */
const SUSPECTS = 64;
/** A move, relative to the size of an element, that leaves a kink, and the least relative change of a gradient that says so. */
const MOVE = 2 ** -36;
const CHANGE = 1e-6;

/** The gradient on the tape at a point close by; for opposite distances the points are opposite. */
function gradientsNear(problem: TapeProblem, by: number): Float64Array[] {
  const { variables } = problem;
  const random = randomFrom(variables.length);
  const here = variables.map((values) => values.slice());
  variables.forEach((values, k) => {
    const scale = scaleOf(here[k]);
    for (let i = 0; i < values.length; i++) {
      values[i] += (random() < 0.5 ? -by : by) * (0.5 + random()) * sizeOf(values[i], scale);
    }
  });
  const gradients = problem.gradients().map((g) => g.slice());
  variables.forEach((values, k) => values.set(here[k]));
  return gradients;
}

/**
 * Of the elements that are wrong so far and seem to lie on kinks, leaves all but the worst untested: looking at the slopes on both sides of
 * each would take too long.
 */
export function leaveKinks({ elements, problem }: Judgement, wrong: readonly Position[]): void {
  if (wrong.length <= SUSPECTS) return;
  const [there, back] = [MOVE, -MOVE].map((by) => gradientsNear(problem, by));
  const jumps = ([k, i]: Position) =>
    Math.abs(there[k][i] - back[k][i]) > CHANGE * Math.max(Math.abs(there[k][i]), Math.abs(back[k][i]));
  const off = ([k, i]: Position) => Math.abs(elements[k]!.analytic[i] - elements[k]!.numeric[i]);
  const kinked = wrong.filter(jumps).sort((a, b) => off(b) - off(a));
  for (const [k, i] of kinked.slice(SUSPECTS)) elements[k]!.verdicts[i] = "untested";
}

/** Forgets what directions could not tell where each element did, and is right. */
export function settleDirections({ elements, directions, findings }: Judgement): void {
  const told = elements.every((result) =>
    result !== null && !result.verdicts.includes("wrong") && !result.verdicts.includes("untested")
  );
  if (!told || findings.some(({ severity }) => severity === "error")) return;
  const firm = directions.filter(({ verdict }) => verdict === "ok" || verdict === "kink");
  directions.splice(0, directions.length, ...firm);
}
