/** Directions through elements, and derivatives along them. */
import { largestOf } from "../arrays.ts";
import { scaleOf, sizeOf } from "../differences/numeric.ts";
import type { Direction } from "./duals.ts";
import type { Position } from "./search.ts";

/** The arrays that a direction goes through. */
interface Point {
  readonly variables: readonly Float64Array[];
  /** The gradient. Elements whose gradient is not finite stay. */
  readonly analytic: readonly Float64Array[];
}

/** Returns a random sign. */
export function sign(random: () => number): number {
  return random() < 0.5 ? -1 : 1;
}

/** Returns how far each element moves if it moves by its own size. */
export function sizesOf(variables: readonly Float64Array[]): Float64Array[] {
  return variables.map((values) => {
    const scale = scaleOf(values);
    const sizes = new Float64Array(values.length);
    for (let i = 0; i < sizes.length; i++) sizes[i] = sizeOf(values[i], scale);
    return sizes;
  });
}

/**
 * Returns a random direction along which each element contributes alike, so that none hides behind the others: elements move in inverse
 * proportion to their gradient.
 */
export function equalised({ variables, analytic }: Point, random: () => number): Direction {
  const largest = Math.max(0, ...analytic.map(largestOf));
  return analytic.map((gradient, k) => {
    const moves = new Float64Array(gradient.length);
    const otherwise = largest || scaleOf(variables[k]);
    for (let i = 0; i < moves.length; i++) {
      if (!Number.isFinite(gradient[i])) continue;
      moves[i] = sign(random) * (0.5 + random()) / (Math.abs(gradient[i]) || otherwise);
    }
    return moves;
  });
}

/** Returns a random direction along which each element moves by its own size. */
export function ownSizes({ variables, analytic }: Point, random: () => number): Direction {
  return variables.map((values, k) => {
    const scale = scaleOf(values);
    const moves = new Float64Array(values.length);
    for (let i = 0; i < moves.length; i++) {
      if (Number.isFinite(analytic[k][i])) moves[i] = sign(random) * (1 + random()) * sizeOf(values[i], scale);
    }
    return moves;
  });
}

/** Returns how far an element may move to a point nearby. */
export function aside(x: number, scale: number, random: () => number): number {
  return sign(random) * sizeOf(x, scale) * (0.05 + 0.1 * random());
}

/** Returns the direction in which one element moves. */
export function unit(variables: readonly Float64Array[], [variable, index]: Position): Direction {
  const direction = variables.map(({ length }) => new Float64Array(length));
  direction[variable][index] = 1;
  return direction;
}

/** A derivative along a direction, as the sum of a gradient's terms. */
export interface Along {
  readonly value: number;
  /** The sizes of the terms, and the size of their sum if they had random signs. */
  readonly terms: number;
  readonly usual: number;
}

/** Returns the derivative along a direction; elements that stay have no part in it. */
export function along(gradient: readonly Float64Array[], direction: Direction): Along {
  let value = 0, terms = 0, squares = 0;
  for (let k = 0; k < gradient.length; k++) {
    const own = gradient[k], moves = direction[k];
    for (let i = 0; i < own.length; i++) {
      if (moves[i] === 0) continue;
      const term = own[i] * moves[i];
      value += term;
      terms += Math.abs(term);
      squares += term * term;
    }
  }
  return { value, terms, usual: Math.sqrt(squares) };
}
