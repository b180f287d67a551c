/**
 * The errors of a gradient of which only the values are known, measured: how much it jumps where the inputs move by a
 * few units in their last place. Where the function is smooth, only rounding does that.
 */
import { randomFrom } from "../random.ts";
import { ANALYTIC_ROUNDINGS, lowestBit, scaleOf, sizeOf } from "./precision.ts";
import type { Problem } from "./problem.ts";

/** The number of points on each ray. */
const MOVES = 4;
/** The error of an element, in units of the largest difference seen among that many values. */
const JUMPS = 4;
/** A gradient is not expected to be more exact than this, relative to itself: methods that iterate stop somewhere. */
const EXACT = 2 ** -24;
/** In the same way for one computed in float32. */
const SINGLE = ANALYTIC_ROUNDINGS * 2 ** -24;
/** Numbers that are multiples of one that is this coarse beside them are not taken for what cancellation left. */
const COARSEST = 2 ** -5;
/** How far inputs move, relative to themselves, to see of what numbers a gradient is a multiple. */
const FARTHER = 2 ** -8;
/** Errors of many elements are added as if their signs were random, at this many standard deviations. */
const DEVIATIONS = 3;

/** The errors of a gradient at a point. */
export class GradientErrors {
  readonly #gradient: readonly Float64Array[];
  readonly #relative: number;
  readonly #jumps: readonly Float64Array[];

  /**
   * @param gradient its values at the point, which the problem's variables are at.
   * @param compute computes it at the current values of the variables.
   * @param tolerance how exact it claims to be, relative to itself; 0 for no claim.
   */
  constructor(
    problem: Pick<Problem, "variables" | "epsilon" | "round">,
    gradient: readonly Float64Array[],
    compute: () => readonly ArrayLike<number>[],
    tolerance: number,
  ) {
    this.#gradient = gradient;
    const isSingle = problem.epsilon > 2 ** -52 || isRoundedToSingle(gradient);
    this.#relative = Math.max(tolerance, isSingle ? SINGLE : EXACT);
    this.#jumps = jumpsOf(problem, compute, isSingle ? 2 ** -23 : 2 ** -52);
    const grains = grainsOf(problem, compute);
    this.#jumps.forEach((jumps, k) => {
      for (let i = 0; i < jumps.length; i++) {
        const grain = grains[k][i];
        if (grain <= COARSEST * Math.abs(gradient[k][i])) jumps[i] = Math.max(jumps[i], grain);
      }
    });
  }

  /** The error of a weighted sum of the elements; at a kink, without their jumps, which are the derivative's own. */
  of(weights: readonly Float64Array[], kink: boolean): number {
    let sum = 0, squares = 0, count = 0, first = 0;
    weights.forEach((list, k) => {
      const gradient = this.#gradient[k], jumps = this.#jumps[k];
      for (let i = 0; i < list.length; i++) {
        if (list[i] === 0) continue;
        const error = Math.abs(list[i]) * (this.#relative * Math.abs(gradient[i]) + (kink ? 0 : JUMPS * jumps[i]));
        sum += list[i] * gradient[i];
        squares += error * error;
        first = error;
        count++;
      }
    });
    return count === 1 ? first : DEVIATIONS * Math.sqrt(squares) + this.#relative * Math.abs(sum);
  }
}

/**
 * By how much each element differs among points on a ray that are a few units in the last place away, on either of two opposite rays: on
 * one, all elements stay on the same sides of kinks that meet at the point, whichever elements these belong to; from one to the other, the
 * gradient may jump. The point itself does not count, where a wrong gradient may be an exception.
 */
function jumpsOf(
  problem: Pick<Problem, "variables" | "round">,
  compute: () => readonly ArrayLike<number>[],
  unit: number,
): Float64Array[] {
  const random = randomFrom(1);
  const { variables } = problem;
  const here = variables.map((values) => values.slice());
  const empty = (fill: number) => variables.map(({ length }) => new Float64Array(length).fill(fill));
  // Whole numbers of units, so that points are on the ray after they were rounded.
  const by = here.map((values) => {
    const scale = scaleOf(values);
    return values.map((x) => (random() < 0.5 ? -1 : 1) * (1 + Math.floor(3 * random())) * unit * sizeOf(x, scale));
  });
  const jumps = empty(0);
  for (const sign of [1, -1]) {
    const least = empty(Infinity), largest = empty(-Infinity);
    for (let move = 1; move <= MOVES; move++) {
      variables.forEach((values, k) => {
        for (let i = 0; i < values.length; i++) values[i] = problem.round(here[k][i] + sign * move * by[k][i]);
      });
      compute().forEach((gradient, k) => {
        for (let i = 0; i < gradient.length; i++) {
          least[k][i] = Math.min(least[k][i], gradient[i]);
          largest[k][i] = Math.max(largest[k][i], gradient[i]);
        }
      });
    }
    jumps.forEach((own, k) => {
      for (let i = 0; i < own.length; i++) {
        const seen = largest[k][i] - least[k][i];
        if (seen > own[i] && seen < Infinity) own[i] = seen;
      }
    });
  }
  variables.forEach((values, k) => values.set(here[k]));
  return jumps;
}

/**
 * The number that the values of each element at points around are multiples of: where large terms cancel, the digits of
 * what is left end early. 0 where it does not vary, as the slopes of lines.
 */
function grainsOf(
  problem: Pick<Problem, "variables" | "round">,
  compute: () => readonly ArrayLike<number>[],
): Float64Array[] {
  const random = randomFrom(2);
  const { variables } = problem;
  const here = variables.map((values) => values.slice());
  const seen: Float64Array[][] = [];
  for (let move = 0; move < 2 * MOVES; move++) {
    variables.forEach((values, k) => {
      const scale = scaleOf(here[k]);
      for (let i = 0; i < values.length; i++) {
        const by = FARTHER * (2 * random() - 1) * sizeOf(here[k][i], scale);
        values[i] = problem.round(here[k][i] + by);
      }
    });
    seen.push(compute().map((gradient) => Float64Array.from(gradient)));
  }
  variables.forEach((values, k) => values.set(here[k]));
  return variables.map(({ length }, k) =>
    Float64Array.from({ length }, (_, i) => {
      const values = seen.map((gradient) => gradient[k][i]);
      return new Set(values).size > MOVES ? values.reduce((least, x) => Math.min(least, lowestBit(x)), Infinity) : 0;
    })
  );
}

const single = new Float32Array(1);
const bits = new Int32Array(single.buffer);

/** Whether all values are numbers of float32, and not only because they are short. */
function isRoundedToSingle(gradient: readonly Float64Array[]): boolean {
  let isLong = false;
  for (const values of gradient) {
    for (let i = 0; i < values.length; i++) {
      single[0] = values[i];
      if (!Object.is(single[0], values[i])) return false;
      // The lower half of its digits.
      isLong ||= (bits[0] & 0xfff) !== 0;
    }
  }
  return isLong;
}
