/** Lines through a point, along which values move. */
import type { Problem } from "./problem.ts";
import { powerBelow, scaleOf, sizeOf } from "./precision.ts";

/** A line through the point. */
export interface Line {
  /** The unit of the step sizes. */
  readonly size: number;
  /** How far values may be moved to see effects beyond the scale of their own size. */
  readonly reach: number;
  /** The distance between neighbouring numbers at the point; 0 if all lengths can be moved. */
  readonly grain: number;
  /**
   * Whether one element moves alone, or `several`, so that several kinks may act at once, or several that are `tied` in
   * one kink.
   */
  readonly moving: "alone" | "several" | "tied";
  /** Moves the values by `t` along the line and returns the distance moved after rounding. */
  move(t: number): number;
  /** The distance below which rounding keeps an element where it is, though the others move; 0 if none moves by less. */
  lost(): number;
  /** The directional derivative along the line for a given gradient. */
  along(gradient: readonly Float64Array[]): number;
  /** The weights of that derivative's terms. */
  weights(): readonly Float64Array[];
  /** The same if the terms had random signs: the typical size of a sum in which they may cancel. */
  usual(gradient: readonly Float64Array[]): number;
}

/** The place of an element. */
export type Position = readonly [variable: number, index: number];

/** The line of one element. */
export function elementLine(problem: Problem, [variable, index]: Position, scale: number): Line {
  const values = problem.variables[variable];
  const here = values[index];
  const size = sizeOf(here, scale);
  return {
    size,
    reach: scale,
    grain: here === 0 ? 0 : size * problem.epsilon,
    moving: "alone",
    move: (t) => {
      values[index] = problem.round(here + t);
      return values[index] - here;
    },
    // The distance it moves is known.
    lost: () => 0,
    along: (gradient) => gradient[variable][index],
    weights: () =>
      problem.variables.map(({ length }, k) => {
        const weights = new Float64Array(length);
        if (k === variable) weights[index] = 1;
        return weights;
      }),
    usual: () => 0,
  };
}

/** How far each element moves for a step of 1. */
export type Moves = readonly Float64Array[];

/** The elements that may move: all of them, or those from one place to another, counted through all variables. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A sign and three more bits, so that a move adds to the value without rounding. */
function signedBits(random: () => number): number {
  const bits = Math.floor(random() * 16);
  return (bits < 8 ? -1 : 1) * (1 + (bits & 7) / 8);
}

/** Random moves in which each element moves by its own size, up or down. */
export function movesBySize({ variables }: Problem, random: () => number): Moves {
  return variables.map((values) => {
    const scale = scaleOf(values);
    const by = new Float64Array(values.length);
    for (let i = 0; i < by.length; i++) by[i] = signedBits(random) * sizeOf(values[i], scale);
    return by;
  });
}

/** Random moves in which each element moves by the scale of its variable, up or down. */
export function movesByScale({ variables }: Problem, random: () => number): Moves {
  return variables.map((values) => {
    const scale = scaleOf(values);
    return values.map(() => signedBits(random) * scale);
  });
}

/** Random moves up a gradient, so that all contributions add up. */
export function movesUphill(problem: Problem, gradient: readonly Float64Array[], random: () => number): Moves {
  return movesBySize(problem, random).map((by, k) => by.map((x, i) => (x * gradient[k][i] < 0 ? -x : x)));
}

/** How moves even out the effects of elements. */
export interface Evenness {
  /** The part of the elements, those with the smallest effects, that move by all of their size. */
  readonly quantile: number;
  /** The smallest effect that rounding leaves to be seen; larger ones are not reduced below it. */
  readonly least: number;
}

/**
 * Random moves in which the elements contribute evenly to the derivative, so that small ones are not drowned: each by
 * at most its own size, and by less where its derivative times its size is large.
 */
export function movesByEffect(
  { variables, epsilon }: Problem,
  gradient: readonly Float64Array[],
  { quantile, least }: Evenness,
  random: () => number,
): Moves {
  const effects = variables.map((values, k) => {
    const scale = scaleOf(values);
    return values.map((x, i) => Math.abs(gradient[k][i]) * sizeOf(x, scale));
  });
  const sorted = new Float64Array(effects.reduce((sum, { length }) => sum + length, 0));
  let count = 0;
  for (const list of effects) {
    for (let i = 0; i < list.length; i++) if (list[i] > 0 && list[i] < Infinity) sorted[count++] = list[i];
  }
  const even = Math.max(least, sorted.subarray(0, count).sort()[Math.floor(quantile * (count - 1))] ?? Infinity);
  return variables.map((values, k) => {
    const scale = scaleOf(values);
    return values.map((x, i) => {
      // Shorter moves would be lost in the rounding of the element.
      const share = effects[k][i] > even ? powerBelow(Math.max(even / effects[k][i], Math.sqrt(epsilon))) : 1;
      return signedBits(random) * sizeOf(x, scale) * share;
    });
  });
}

/** Moves of some elements by the same amount. */
export function movesTogether({ variables }: Problem, elements: readonly Position[]): { moves: Moves; size: number } {
  const moves = variables.map((values) => new Float64Array(values.length));
  let size = 0;
  for (const [variable, index] of elements) {
    const values = variables[variable];
    size = Math.max(size, sizeOf(values[index], scaleOf(values)));
    moves[variable][index] = 1;
  }
  return { moves, size };
}

/** The line along which values move by multiples of the given moves. */
export function lineThrough(problem: Problem, moves: Moves, size = 1, range: Range = { from: 0, to: Infinity }): Line {
  const { variables } = problem;
  const here = variables.map((values) => values.slice());
  const spans: { by: Float64Array; from: number; to: number }[] = [];
  let before = 0;
  for (const by of moves) {
    const clip = (place: number) => Math.min(by.length, Math.max(0, place - before));
    spans.push({ by, from: clip(range.from), to: clip(range.to) });
    before += by.length;
  }
  return {
    size,
    reach: size,
    grain: size * problem.epsilon,
    moving: "several",
    move: (t) => {
      for (let k = 0; k < spans.length; k++) {
        const { by, from, to } = spans[k];
        const values = variables[k], start = here[k];
        for (let i = from; i < to; i++) {
          values[i] = by[i] === 0 || t === 0 ? start[i] : problem.round(start[i] + t * by[i]);
        }
      }
      return t;
    },
    lost: () => {
      let lost = 0;
      for (let k = 0; k < spans.length; k++) {
        const { by, from, to } = spans[k], start = here[k];
        for (let i = from; i < to; i++) {
          if (by[i] !== 0) lost = Math.max(lost, (problem.epsilon * Math.abs(start[i])) / Math.abs(by[i]));
        }
      }
      return lost;
    },
    along: (gradient) => {
      let sum = 0;
      // No closure, which would keep the sum on the heap.
      for (let k = 0; k < spans.length; k++) {
        const { by, from, to } = spans[k], own = gradient[k];
        for (let i = from; i < to; i++) if (by[i] !== 0) sum += own[i] * by[i];
      }
      return sum;
    },
    weights: () =>
      spans.map(({ by, from, to }) =>
        from === 0 && to === by.length ? by : by.map((x, i) => (i >= from && i < to ? x : 0))
      ),
    usual: (gradient) => {
      let squares = 0;
      for (let k = 0; k < spans.length; k++) {
        const { by, from, to } = spans[k], own = gradient[k];
        for (let i = from; i < to; i++) if (by[i] !== 0) squares += (own[i] * by[i]) ** 2;
      }
      return Math.sqrt(squares);
    },
  };
}
