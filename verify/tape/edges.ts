/**
 * Decisions that lie exactly on their edge: the smallest move takes them the other way, so the derivative with decisions held is that of
 * one side alone. The function with its decisions taken anew, one side at a time, is what can be compared.
 */
import type { Differences } from "../differences/numeric.ts";
import { sign, sizesOf } from "./directions.ts";
import type { TapeProblem } from "./problem.ts";
import { eachPart, type Group, involved, type Position } from "./search.ts";
import { type Limit, limitOf } from "./slopes.ts";

/** A move that takes only decisions on their edge the other way, relative to the size of an element. */
const NEAREST = 2 ** -50;
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

/** Moves the elements of a group by a multiple of their sizes while something is done. */
function moved<T>(
  { variables }: TapeProblem,
  group: Group,
  by: { sizes: readonly Float64Array[]; t: number },
  act: () => T,
): T {
  const here: Float64Array[] = [];
  eachPart(variables, group, (k, from, to) => {
    here.push(variables[k].slice(from, to));
    for (let i = from; i < to; i++) variables[k][i] += by.t * by.sizes[k][i];
  });
  const result = act();
  let n = 0;
  eachPart(variables, group, (k, from) => variables[k].set(here[n++], from));
  return result;
}

/** The elements of which a decision lies on its edge, at most `limit`. */
export function elementsOnEdge(problem: TapeProblem, random: () => number, limit: number): Position[] {
  if (!problem.mayBeOnEdge) return [];
  const sizes = sizesOf(problem.variables);
  // All by different amounts: elements that are compared with each other would stay equal.
  const signed = sizes.map((own) => {
    const moves = new Float64Array(own.length);
    for (let i = 0; i < moves.length; i++) moves[i] = sign(random) * (1 + random()) * own[i];
    return moves;
  });
  const touches = (group: Group) =>
    [NEAREST, -NEAREST].some((t) => moved(problem, group, { sizes: signed, t }, () => problem.flips()));
  return involved(problem.variables, touches, limit);
}

/** Judges elements of which a decision lies on its edge by the slopes on both sides. */
export function edgesAt(problem: TapeProblem, { analytic }: Differences, positions: readonly Position[]): Edge[] {
  if (positions.length === 0) return [];
  const sizes = sizesOf(problem.variables);
  return positions.map((at) => edgeOf(problem, at, { size: sizes[at[0]][at[1]], analytic: analytic[at[0]][at[1]] }));
}

/** The change of the weighted sum with all decisions taken anew. Where nothing changes, rounding may hide a change of any term. */
function changeOf(problem: TapeProblem, here: readonly Float64Array[]): { by: number; mass: number } {
  let by = 0, mass = 0, total = 0;
  problem.free().forEach((values, k) => {
    const weights = problem.weights[k];
    for (let i = 0; i < values.length; i++) {
      const term = Math.abs(weights[i]) * Math.max(Math.abs(values[i]), Math.abs(here[k][i]));
      total += term;
      if (values[i] === here[k][i]) continue;
      by += weights[i] * (values[i] - here[k][i]);
      mass += term;
    }
  });
  return { by, mass: mass || total };
}

/** The limits of the slopes on both sides of the point along a direction, with all decisions taken anew. */
export function limitsAlong(
  problem: TapeProblem,
  moves: Moves,
  size: number,
): readonly [behind: Limit, ahead: Limit] {
  const { variables } = problem;
  const places = moves.map(([[k, i]]) => variables[k][i]);
  const move = (t: number) => moves.forEach(([[k, i], by], n) => (variables[k][i] = places[n] + t * by));
  const here = problem.free().map((outputs) => outputs.slice());
  const changeAt = (t: number) => {
    move(t);
    return changeOf(problem, here);
  };
  const limits = [limitOf(changeAt, -size), limitOf(changeAt, size)] as const;
  move(0);
  return limits;
}

type Finite = Extract<Limit, { kind: "finite" }>;

/** Whether a number lies between two slopes, as far as differences can tell. */
function isBetween(x: number, a: Finite, b: Finite): boolean {
  const slack = a.error + b.error + SLACK * Math.max(Math.abs(a.value), Math.abs(b.value));
  return x >= Math.min(a.value, b.value) - slack && x <= Math.max(a.value, b.value) + slack;
}

/** How many random directions are tried. */
const DIRECTIONS = 8;

/** A direction along which a gradient lies outside the slopes on both sides. */
export interface Outside {
  readonly value: number;
  readonly slopes: readonly [number, number];
}

/** Elements that move together, each by so much. */
export type Moves = readonly (readonly [at: Position, by: number])[];

/**
 * Looks for a direction along which a gradient that holds by each element alone lies outside the slopes on both sides: at the tip of a
 * cone, as the length of a vector has at 0, elements alone do not tell.
 *
 * @param isNearby whether a gradient along a direction is that of a point nearby, or a mean of such: then it holds, too.
 */
export function outsideTogether(
  problem: TapeProblem,
  elements: readonly (readonly [at: Position, gradient: number, size: number])[],
  random: () => number,
  isNearby: (moves: Moves, value: number) => boolean,
): Outside | null {
  for (let n = 0; n < DIRECTIONS; n++) {
    const moves = elements.map(([at, gradient, size]) => {
      // Every other time as the gradient points: there it is furthest outside.
      const side = n % 2 === 0 ? Math.sign(gradient) || 1 : sign(random);
      return [at, side * (0.5 + random()) * size] as const;
    });
    const [a, b] = limitsAlong(problem, moves, 1);
    if (a.kind !== "finite" || b.kind !== "finite") continue;
    const value = moves.reduce((sum, [, by], i) => sum + by * elements[i][1], 0);
    if (!isBetween(value, a, b) && !isNearby(moves, value)) return { value, slopes: [a.value, b.value] };
  }
  return null;
}

function edgeOf(problem: TapeProblem, at: Position, { size, analytic }: { size: number; analytic: number }): Edge {
  const limits = limitsAlong(problem, [[at, 1]], size);
  const slopes = limits.flatMap((l) => (l.kind === "finite" ? [l] : []));
  if (slopes.length < 2) return { at, limits, holds: null, numeric: slopes[0]?.value ?? NaN };
  const [a, b] = slopes;
  const holds = isBetween(analytic, a, b);
  const nearest = Math.abs(analytic - a.value) <= Math.abs(analytic - b.value) ? a.value : b.value;
  return { at, limits, holds, numeric: nearest };
}
