/** Evidence for a gradient against that of steps: verdicts that are taken back. */
import { lineThrough, type Moves, type Position } from "./line.ts";
import { isBetweenBranches, isBetweenNeighbours } from "./neighbours.ts";
import type { Differences, Judged } from "./numeric.ts";
import { scaleOf, sizeOf } from "./precision.ts";
import type { Differentiated } from "./problem.ts";
import { isWrong, offOf } from "./results.ts";

/** The most elements, and directions, for which slopes are looked at from points around. */
const FEW = 64;

/** Takes back verdicts on elements at whose point the function has no derivative, and the gradient is right by convention. */
export function allowConventions(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  random: () => number,
): void {
  let left = FEW;
  elements.forEach((result, k) => {
    if (!result) return;
    const { analytic, numeric, verdicts, bends } = result;
    const scale = scaleOf(differences.problem.variables[k]);
    for (let i = 0; i < verdicts.length && left > 0; i++) {
      if (verdicts[i] !== "wrong" || !Number.isFinite(analytic[i])) continue;
      left--;
      const bend = bends.get(i);
      const lineHere = () => differences.element(k, i, scale);
      const excluded = { lineHere, analytic: analytic[i], numeric: numeric[i], bend };
      const isBetween = bend === undefined ? isBetweenBranches : isBetweenNeighbours;
      if (isBetween(differences, excluded, random)) verdicts[i] = "kink";
    }
  });
}

/** Rounding may be this many times what is seen of it. */
const UNSEEN = 8;

/**
 * Takes back verdicts on derivatives so small that all they do is lost in the rounding that others show: what is added
 * to a large number and lost there leaves a function that is smooth, and has another derivative.
 */
export function allowRounding(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  directions: readonly Judged[],
): Judged[] {
  if (!isWrong({ elements, directions, findings: [] })) return [...directions];
  const { variables } = differences.problem;
  const scales = variables.map(scaleOf);
  const telling = mostTelling(differences, (k, i) => elements[k]?.verdicts[i] !== "wrong");
  const rounding = telling ? differences.roundingAlong(differences.element(...telling, scales[telling[0]])) : 0;
  elements.forEach((result, k) =>
    result?.verdicts.forEach((verdict, i) => {
      const off = Math.abs(result.analytic[i] - result.numeric[i]);
      if (verdict !== "wrong" || !(off * Math.max(scales[k], 1) <= UNSEEN * rounding)) return;
      result.verdicts[i] = "noise";
      result.marks.set(i, "staircase");
    })
  );
  return directions.map((judged) =>
    judged.verdict === "wrong" && offOf(judged) <= UNSEEN * rounding
      ? { ...judged, verdict: "noise", mark: "staircase" }
      : judged
  );
}

/** The element that has the largest effect on the function, among those that may be taken; `null` if none has any. */
function mostTelling(
  { problem, analytic }: Differences,
  mayTake: (variable: number, index: number) => boolean,
): Position | null {
  let most: Position | null = null, largest = 0;
  problem.variables.forEach((values, k) => {
    const scale = scaleOf(values);
    for (let i = 0; i < values.length; i++) {
      const effect = Math.abs(analytic[k][i]) * sizeOf(values[i], scale);
      if (!(effect > largest && effect < Infinity) || !mayTake(k, i)) continue;
      most = [k, i];
      largest = effect;
    }
  });
  return most;
}

/**
 * Judges directions that failed once more, past the elements that are not decided: those on kinks, and all others of the
 * same values, because of several kinks that act at once a direction tells nothing; and those that are noise. Where branches meet that no
 * element shows, the gradient along a direction may be that of one of them.
 */
export function judgedAgain(
  differences: Differences,
  along: readonly Moves[],
  directions: readonly Judged[],
  { elements, random }: { elements: readonly (Differentiated | null)[]; random: () => number },
): Judged[] {
  const { problem } = differences;
  const kinks = problem.variables.map((values, k) =>
    new Set(values.filter((_, i) => elements[k]?.verdicts[i] === "kink"))
  );
  const isOpen = (k: number, i: number) =>
    kinks[k].has(problem.variables[k][i]) || elements[k]?.verdicts[i] === "noise";
  const isAnyOpen = problem.variables.some((values, k) => values.some((_, i) => isOpen(k, i)));
  return directions.map((judged, d) => {
    if (judged.verdict === "ok") return judged;
    if (!isAnyOpen) return allowBranches(differences, along[d], judged, random);
    const past = along[d].map((by, k) => by.map((x, i) => (isOpen(k, i) ? 0 : x)));
    return past.some((by) => by.some((x) => x !== 0))
      ? allowBranches(differences, past, differences.judgeClosely(lineThrough(problem, past)), random)
      : { ...judged, verdict: judged.verdict === "wrong" ? "noise" : judged.verdict };
  });
}

/** Takes back a verdict on a direction along which the gradient is that of a branch. */
function allowBranches(differences: Differences, moves: Moves, judged: Judged, random: () => number): Judged {
  if (judged.verdict !== "wrong") return judged;
  const excluded = { ...judged, lineHere: () => lineThrough(differences.problem, moves) };
  return isBetweenBranches(differences, excluded, random) ? { ...judged, verdict: "kink" } : judged;
}
