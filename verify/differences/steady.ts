/**
 * Whether a gradient is steady along a line: features that are lost in the rounding of a function's values show in a
 * gradient that is right, and then a fit of the values cannot speak against it.
 */
import { expand, isRough, meanOf, nodesOf, valueAt } from "./chebyshev.ts";
import type { Line } from "./line.ts";
import type { Sums } from "./sums.ts";

/** The number of points at which the gradient is computed. */
const GRADIENTS = 64;
/** The gradient may leave a smooth curve by this part of the difference in question, and by this one at the point. */
const ROUGH = 0.1;
export const APART = 0.25;
/** An exception at the point alone is seen from this many roundings away. */
const BESIDE = 4;

/** A derivative that is wrong and steady this many times need not be computed at further points. */
const ENOUGH = 4;
/** The same for large gradients: this many elements are computed for that, if more than once. */
const WORK = 5e5;

/** By how much a derivative is off, as seen from so far away. */
export interface Off {
  readonly analytic: number;
  readonly off: number;
  readonly distance: number;
  /** Whether that is known already. */
  readonly isSteady?: boolean;
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
function isSteady(line: Line, sums: Sums, { analytic, off, distance }: Off): boolean {
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

/** Tells whether a gradient is steady; where it has been several times, it is taken to be. */
export class Steadiness {
  readonly #sums: Sums;
  #times = 0;

  constructor(sums: Sums) {
    this.#sums = sums;
  }

  /** Whether nothing more needs to be computed. */
  get isKnown(): boolean {
    const total = this.#sums.problem.variables.reduce((sum, { length }) => sum + length, 0);
    return this.#times >= Math.max(1, Math.min(ENOUGH, WORK / (GRADIENTS * total)));
  }

  holds(line: Line, off: Off): boolean {
    if (this.isKnown) return true;
    const steady = off.isSteady || isSteady(line, this.#sums, off);
    if (steady) this.#times++;
    return steady;
  }
}
