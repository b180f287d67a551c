/**
 * Decisions that lie exactly on their edge: the smallest move takes them the other way, so the derivative with decisions held is that of
 * one side alone. The function with its decisions taken anew, one side at a time, is what can be compared.
 */
import type { Differences } from "../differences/numeric.ts";
import { scaleOf, sizeOf } from "../differences/numeric.ts";
import type { Direction } from "./duals.ts";
import type { TapeProblem } from "./problem.ts";
import { involved, type Position, positionsOf } from "./search.ts";
import { type Limit, limitOf } from "./slopes.ts";

/** A move that takes only decisions on their edge the other way, relative to the size of an element. */
const NEAREST = 2 ** -40;
/** How far a gradient may lie outside the slopes on both sides, relative to them: differences see no more digits. */
const SLACK = 1e-4;

/** The outcome for an element some of whose decisions are on their edge. */
export interface Edge {
  readonly at: Position;
  readonly limits: readonly [behind: Limit, ahead: Limit];
  /** Whether the gradient lies between the slopes on both sides; `null` if the function jumps, or no slope can be seen. */
  readonly holds: boolean | null;
  /** The nearest slope. */
  readonly numeric: number;
}

/** Moves elements by a multiple of their directions, and back. */
function mover(problem: TapeProblem, elements: readonly Position[], direction: Direction) {
  const here = elements.map(([k, i]) => problem.variables[k][i]);
  return {
    by: (t: number) => elements.forEach(([k, i], n) => (problem.variables[k][i] = here[n] + t * direction[k][i])),
    back: () => elements.forEach(([k, i], n) => (problem.variables[k][i] = here[n])),
  };
}

/** How far each element moves to flip what is on its edge. */
function sizesOf(problem: TapeProblem): Float64Array[] {
  return problem.variables.map((values) => {
    const scale = scaleOf(values);
    return values.map((x) => sizeOf(x, scale));
  });
}

/**
 * The elements of which a decision lies on its edge, at most `limit`, each judged by the slopes on both sides.
 */
export function edgesOf(problem: TapeProblem, differences: Differences, random: () => number, limit: number): Edge[] {
  const sizes = sizesOf(problem);
  const signed = sizes.map((own) => own.map((size) => (random() < 0.5 ? -size : size)));
  const touches = (group: readonly Position[]) => {
    const { by, back } = mover(problem, group, signed);
    return [NEAREST, -NEAREST].some((t) => problem.flips(() => by(t), back) > 0);
  };
  const { analytic } = differences;
  return involved(positionsOf(problem.variables), touches, limit).map((at) =>
    edgeOf(problem, at, { size: sizes[at[0]][at[1]], analytic: analytic[at[0]][at[1]] })
  );
}

/** The change of the weighted sum with all decisions taken anew. */
function changeOf(problem: TapeProblem, here: readonly Float64Array[]): { by: number; mass: number } {
  let by = 0, mass = 0;
  problem.free().forEach((values, k) => {
    const weights = problem.weights[k];
    for (let i = 0; i < values.length; i++) {
      if (values[i] === here[k][i]) continue;
      by += weights[i] * (values[i] - here[k][i]);
      mass += Math.abs(weights[i]) * Math.max(Math.abs(values[i]), Math.abs(here[k][i]));
    }
  });
  return { by, mass };
}

function edgeOf(problem: TapeProblem, at: Position, { size, analytic }: { size: number; analytic: number }): Edge {
  const unit = problem.variables.map(({ length }) => new Float64Array(length));
  unit[at[0]][at[1]] = 1;
  const { by, back } = mover(problem, [at], unit);
  const here = problem.free().map((values) => values.slice());
  const changeAt = (t: number) => {
    by(t);
    return changeOf(problem, here);
  };
  const limits: [Limit, Limit] = [limitOf(changeAt, -size), limitOf(changeAt, size)];
  back();
  const values = limits.flatMap((l) => (l.kind === "finite" ? [l] : []));
  if (values.length < 2) return { at, limits, holds: null, numeric: values[0]?.value ?? NaN };
  const [a, b] = values;
  const slack = a.error + b.error + SLACK * Math.max(Math.abs(a.value), Math.abs(b.value));
  const holds = analytic >= Math.min(a.value, b.value) - slack && analytic <= Math.max(a.value, b.value) + slack;
  const nearest = Math.abs(analytic - a.value) <= Math.abs(analytic - b.value) ? a.value : b.value;
  return { at, limits, holds, numeric: nearest };
}
