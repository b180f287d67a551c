/**
 * Whether a gradient is steady along a line: features that are lost in the rounding of a function's values show in a
 * gradient that is right, and then a fit of the values cannot speak against it.
 */
import { expand, isRough, meanOf, nodesOf, valueAt } from "./chebyshev.ts";
import type { Line } from "./line.ts";
import type { Sums } from "./sums.ts";

/** The number of points at which the gradient is computed. */
export const GRADIENTS = 64;
/** The gradient may leave a smooth curve by this part of the difference in question, and by this one at the point. */
const ROUGH = 0.1;
const APART = 0.25;
/** An exception at the point alone is seen from so many roundings away. */
const BESIDE = 4;

/** By how much a derivative is off, as seen from so far away. */
export interface Off {
  readonly analytic: number;
  readonly off: number;
  readonly distance: number;
}

/** The slope between two points, at a distance to either side. */
function secant(line: Line, sums: Sums, distance: number): number {
  const up = line.move(distance), changeUp = sums.change();
  const down = line.move(-distance), changeDown = sums.change();
  return (changeUp - changeDown) / (up - down);
}

/**
 * Whether a gradient that is off, as values from a distance say, shows nothing within it that explains that: neither is
 * it rough, nor does it add up to what the values change by. An exception at the point alone does not count.
 */
export function isSteady(line: Line, sums: Sums, { analytic, off, distance }: Off): boolean {
  const { gradient, epsilon } = sums.problem;
  if (!gradient) return true;
  const slopeAt = (t: number) => {
    line.move(t);
    return line.along(gradient());
  };
  const slopes = Float64Array.from(nodesOf(GRADIENTS), (x) => slopeAt(distance * x));
  const beside = [1, -1].map((sign) => slopeAt(sign * BESIDE * Math.max(line.grain, epsilon * line.size)));
  const slope = secant(line, sums, distance);
  line.move(0);
  if (!slopes.every(Number.isFinite)) return false;
  const coefficients = expand(slopes);
  if (isRough(slopes, coefficients, ROUGH * off)) return false;
  const here = valueAt(coefficients, coefficients.length - 1, 0);
  const isOn = (x: number) => Math.abs(x - here) <= APART * off;
  return isOn(analytic) ? Math.abs(meanOf(coefficients) - slope) > APART * off : beside.every(isOn);
}
