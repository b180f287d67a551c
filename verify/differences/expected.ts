/**
 * The expected change of values along a line if the gradient is right: the integral of its slopes. Where values differ from that
 * by a curve, the gradient is wrong; and that curve, a small one, has few coefficients above rounding, so that a fit of
 * it sees more digits of the derivative than a fit of the values.
 */
import { integrate, nodesOf, slopeAt, valueAt } from "./chebyshev.ts";
import type { Line } from "./line.ts";
import { expansionOf, type Smooth, smoothButForSteps, smoothOf } from "./smooth.ts";
import type { Sums } from "./sums.ts";

/** The number of points at which the gradient is computed. */
const GRADIENTS = 64;
/** Steps of at most this many roundings may be rounding. */
const STEPS = 8;

/** The expected change of values along a line. */
export class Expected {
  readonly #window: number;
  /** An expansion of the change, and its degree. */
  readonly #changes: Float64Array;
  readonly #degree: number;
  readonly #origin: number;
  /** How uncertain slopes are. */
  readonly uncertainty: number;

  constructor({ coefficients, degree, uncertainty, steps }: Smooth, window: number) {
    this.#window = window;
    this.#degree = degree + 1;
    this.#changes = integrate(coefficients, degree);
    this.#origin = valueAt(this.#changes, this.#degree, 0);
    this.uncertainty = 2 * Math.sqrt(this.#degree) * uncertainty + steps;
  }

  /** The change at a distance. */
  changeAt(t: number): number {
    return this.#window * (valueAt(this.#changes, this.#degree, t / this.#window) - this.#origin);
  }

  /** The slope at a distance. */
  slopeAt(t: number): number {
    return slopeAt(this.#changes, this.#degree, t / this.#window);
  }
}

/** Returns the expected change of values within a window; `null` if the gradient is not smooth there. */
export function expectedAlong(line: Line, sums: Sums, window: number): Expected | null {
  if (!sums.problem.gradient) return null;
  let steepest = 0;
  const slopes = Float64Array.from(nodesOf(GRADIENTS), (x) => {
    line.move(window * x);
    const slope = sums.slope(line);
    steepest = Math.max(steepest, Math.abs(slope));
    return slope;
  });
  line.move(0);
  if (!Number.isFinite(steepest)) return null;
  const rounding = sums.problem.epsilon * steepest;
  const expansion = expansionOf(slopes, rounding / 8);
  const smooth = smoothOf(expansion) ?? smoothButForSteps(expansion, STEPS * rounding);
  return smooth && new Expected(smooth, window);
}
