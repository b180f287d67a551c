/** Random directions through all elements. */
import { largestOf } from "../arrays.ts";
import { scaleOf, sizeOf } from "../differences/numeric.ts";
import type { Direction } from "./duals.ts";

/** The arrays that a direction goes through. */
interface Point {
  readonly variables: readonly Float64Array[];
  /** The gradient. Elements whose gradient is not finite stay. */
  readonly analytic: readonly Float64Array[];
}

function sign(random: () => number): number {
  return random() < 0.5 ? -1 : 1;
}

/**
 * Returns a random direction along which each element contributes alike, so that none hides behind the others: elements move in inverse
 * proportion to their gradient.
 */
export function equalised({ variables, analytic }: Point, random: () => number): Direction {
  const largest = Math.max(0, ...analytic.map(largestOf));
  return analytic.map((gradient, k) =>
    gradient.map((g) => {
      if (!Number.isFinite(g)) return 0;
      const size = Math.abs(g) || largest || scaleOf(variables[k]);
      return sign(random) * (0.5 + random()) / size;
    })
  );
}

/** Returns a random direction along which each element moves by its own size. */
export function ownSizes({ variables, analytic }: Point, random: () => number): Direction {
  return variables.map((values, k) => {
    const scale = scaleOf(values);
    return values.map((x, i) => Number.isFinite(analytic[k][i]) ? sign(random) * (1 + random()) * sizeOf(x, scale) : 0);
  });
}

/** Returns how far an element may move to a point nearby. */
export function aside(x: number, scale: number, random: () => number): number {
  return sign(random) * sizeOf(x, scale) * (0.05 + 0.1 * random());
}
