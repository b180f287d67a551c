/** Functions as problems for finite differences, without anything between. */
import { elementLine, type Line } from "../../verify/differences/line.ts";
import { Ladder } from "../../verify/differences/ladder.ts";
import { precisionOf, scaleOf } from "../../verify/differences/precision.ts";
import type { Problem } from "../../verify/differences/problem.ts";
import { Sums } from "../../verify/differences/sums.ts";

type Values = readonly ArrayLike<number>[];

/** A function of arrays with its gradient, and what is known of both. */
export interface Known {
  readonly f: (x: readonly Float64Array[]) => number;
  readonly gradient?: (x: readonly Float64Array[]) => Values;
  readonly at: Values;
  readonly single?: boolean;
  readonly terms?: number;
  readonly rounding?: number;
  readonly gradientRounding?: number;
  /** Whether the gradient is only known at the point. */
  readonly isRecorded?: boolean;
}

/** The problem of a function at a point. */
export function problemOf({ f, gradient, at, single = false, terms, isRecorded, ...known }: Known): Problem {
  const variables = at.map((values) => Float64Array.from(values));
  const slopes = () => (gradient?.(variables) ?? variables.map((x) => x.map(() => 0))).map((g) => Float64Array.from(g));
  return {
    variables,
    weights: [Float64Array.of(1)],
    epsilon: single ? 2 ** -23 : 2 ** -52,
    terms: terms ?? null,
    round: single ? Math.fround : (x) => x,
    settle: slopes,
    ...(isRecorded ? {} : { gradient: slopes }),
    evaluate: () => [Float64Array.of(f(variables))],
    rounding: (move) => {
      move();
      return known.rounding ?? null;
    },
    gradientRounding: () => known.gradientRounding ?? null,
  };
}

/** A function of one number with its derivative. */
export interface Curve extends Omit<Known, "f" | "gradient" | "at"> {
  readonly f: (x: number) => number;
  readonly slope?: (x: number) => number;
}

/** The problem of a function of one number. */
export function curveAt({ f, slope = () => 0, ...known }: Curve, x: number): Problem {
  return problemOf({ ...known, f: ([[v]]) => f(v), gradient: ([[v]]) => [[slope(v)]], at: [[x]] });
}

/** The first element's line, and the sums along it. */
export function alongFirst(problem: Problem): { line: Line; sums: Sums } {
  const sums = new Sums(problem);
  sums.settle();
  return { line: elementLine(problem, [0, 0], scaleOf(problem.variables[0])), sums };
}

/** The ladder of the first element. */
export function ladderOf(problem: Problem): { line: Line; sums: Sums; ladder: Ladder } {
  const along = alongFirst(problem);
  const ladder = new Ladder(precisionOf(problem.epsilon));
  ladder.climb(along.line, along.sums);
  return { ...along, ladder };
}

/** A number between -1 and 1 that each number has, and that its neighbours do not share. */
export function hashOf(x: number): number {
  const [low, high] = new Uint32Array(Float64Array.of(x).buffer);
  let h = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
  return ((h ^ (h >>> 13)) >>> 0) / 2 ** 31 - 1;
}
