/**
 * Derivatives by fits: a polynomial through many values along a line, in terms of Chebyshev polynomials. Where a function
 * is smooth on the scale of its window, the coefficients fall to the level of rounding, and what is above it gives the
 * derivative. Rounding averages out over the values, so that more of them see more digits.
 */
import { expand, nodesOf, slopeAt, UPPER, valueAt } from "./chebyshev.ts";
import type { Expected } from "./expected.ts";
import type { Line } from "./line.ts";
import { precisionOf } from "./precision.ts";
import { expansionOf, type Smooth, smoothButForSteps, smoothOf } from "./smooth.ts";
import type { Sums } from "./sums.ts";

/** A derivative by a fit. */
export interface Fit {
  readonly value: number;
  readonly estimate: number;
  /** The largest distance from the point of the values that it was fitted to. */
  readonly window: number;
  /** The expected change, if the values were compared with one. */
  readonly expected: Expected | null;
}

/** The number of values from which a window is sought. */
export const FEWEST = 64;
/** Deviations taken for rounding are at most this many times the rounding of the largest value, and more for many elements. */
const TRUSTED = 3;
const TRUSTED_EACH = 0.5;
/** Steps of at most this many roundings may be the rounding of a sum, where a gradient is smooth. */
const STEPS = 8;
/** Values, and those of the elements, must take this many roundings, or they are steps rather than a curve. */
const LEVELS = 16;
/** The largest number of windows, and the ratio between them. */
const WINDOWS = 9;
const NARROWER = 4;
/** A derivative stands if narrower windows, up to this many, agree with it as far as they can see: at least the numbers below. */
const SCALES = 8;
const FEWEST_SCALES = 2;
const FEWEST_IF_STEADY = 1;
/** Close to the point, values must be those of the fit, up to this many standard deviations. */
const CLOSE = 8;
/** The ratio of the distances at which that is tried, and how many times. */
const CLOSER = 1 / 32;
const TIMES = 4;

/** The window and the number of values of a fit along a line. */
export interface Sampling {
  readonly window: number;
  readonly points: number;
  /** The expected change of the values if the gradient is right: then only the difference from it is fitted. */
  readonly expected?: Expected | null;
}

/** Values along a line, but for what is expected of them, and their expansion in Chebyshev polynomials. */
interface Series extends Smooth {
  readonly window: number;
  readonly expected: Expected | null;
  /** An error of all values alike, which no number of them averages out. */
  readonly shared: number;
}

/** The values of a function along a line, at Chebyshev points. */
interface Values {
  readonly values: Float64Array;
  /** How far they lie apart. */
  readonly range: number;
  /** The size of the terms that they are the sum of. */
  readonly mass: number;
}

/** Computes values along a line, but for what is expected; `null` if one is not finite. */
function valuesOf(line: Line, sums: Sums, { window, points, expected }: Sampling): Values | null {
  const nodes = nodesOf(points);
  const values = new Float64Array(points), beside = new Float64Array(points);
  let mass = 0, least = Infinity, largest = -Infinity;
  for (let j = 0; j < points; j++) {
    const t = window * nodes[j];
    const moved = line.move(t), change = sums.change();
    if (!Number.isFinite(change)) return null;
    beside[j] = (moved - t) / window;
    values[j] = change - (expected?.changeAt(moved) ?? 0);
    mass = Math.max(mass, sums.mass);
    least = Math.min(least, change);
    largest = Math.max(largest, change);
  }
  // Moves are rounded: to first order, that is taken back.
  const coefficients = expand(values);
  for (let j = 0; j < points; j++) {
    if (beside[j] !== 0) values[j] -= slopeAt(coefficients, UPPER, nodes[j]) * beside[j];
  }
  return { values, range: largest - least, mass };
}

/** Expands a function along a line; `null` if it is not finite, or not smooth on this scale. */
function seriesOf(line: Line, sums: Sums, sampling: Sampling): Series | null {
  const { window, points, expected = null } = sampling;
  const along = valuesOf(line, sums, sampling);
  if (!along) return null;
  const { epsilon, variables } = sums.problem;
  const { range, mass } = along;
  const expansion = expansionOf(along.values, (epsilon * mass) / 8);
  const smooth = smoothOf(expansion) ?? (expected && smoothButForSteps(expansion, STEPS * epsilon * mass));
  if (!smooth) return null;
  const { coefficients, deviation, uncertainty, degree } = smooth;
  const nodes = nodesOf(points);
  let steepest = 0;
  for (let j = 0; j < points; j++) {
    const slope = slopeAt(coefficients, degree, nodes[j]) / window + (expected?.slopeAt(window * nodes[j]) ?? 0);
    steepest = Math.max(steepest, Math.abs(slope));
  }
  const rounding = epsilon * Math.max(mass, steepest * line.size);
  const elements = variables.reduce((sum, { length }) => sum + length, 0);
  if (deviation > (TRUSTED + TRUSTED_EACH * Math.sqrt(elements)) * rounding) return null;
  const isFlat = !(range > LEVELS * epsilon * mass);
  return {
    ...smooth,
    window,
    expected,
    shared: precisionOf(epsilon).shared * epsilon * mass,
    uncertainty: isFlat ? Infinity : uncertainty,
  };
}

/** The derivative at the point. */
function derivativeOf({ window, expected, coefficients, uncertainty, steps, shared, degree }: Series): Fit {
  const last = degree | 1;
  let value = 0, squares = 0;
  for (let k = 1; k <= last; k += 2) {
    value += (k % 4 === 1 ? k : -k) * coefficients[k];
    squares += k * k;
  }
  value = value / window + (expected?.slopeAt(0) ?? 0);
  // Rounding, and the first term that was left out.
  const white = (2 * Math.sqrt(squares) + last + 2) * uncertainty;
  const rounding = Math.max(shared, white + ((last + 3) / 2) * steps) / window;
  const estimate = rounding + (expected?.uncertainty ?? 0) + 4 * 2 ** -52 * Math.abs(value);
  return { value, estimate, window, expected };
}

/** Whether values close to the point are those of an expansion, on scales that its own values do not see. */
function isCloseBy({ window, expected, coefficients, deviation, degree }: Series, line: Line, sums: Sums): boolean {
  let share = CLOSER;
  for (let time = 0; time < TIMES; time++, share *= CLOSER) {
    for (const t of [window * share, -window * share]) {
      const moved = line.move(t);
      if (moved === 0) break;
      const change = sums.change() - (expected?.changeAt(moved) ?? 0);
      if (!(Math.abs(change - valueAt(coefficients, degree, moved / window)) <= CLOSE * deviation)) return false;
    }
  }
  return true;
}

/** Whether a window is too narrow for all elements to move by what the line says. */
function isTooNarrow(window: number, line: Line): boolean {
  return window < LEVELS * line.lost();
}

/** The widest window, up to the given one, in which a function is smooth; 0 if there is none. */
export function windowOf(line: Line, sums: Sums, widest: number): number {
  const isSmooth = (window: number) =>
    (seriesOf(line, sums, { window, points: FEWEST })?.uncertainty ?? Infinity) < Infinity;
  let window = widest;
  for (let k = 0; k < WINDOWS && !isTooNarrow(window, line); k++, window /= NARROWER) {
    if (isSmooth(window)) return k > 0 && isSmooth(2 * window) ? 2 * window : window;
  }
  return 0;
}

/** The derivative along a line from values within a window; `null` if the function is not smooth there. */
export function fitWithin(line: Line, sums: Sums, sampling: Sampling): Fit | null {
  const series = seriesOf(line, sums, sampling);
  return series && isCloseBy(series, line, sums) ? derivativeOf(series) : null;
}

/** A derivative judged by a fit, and whether it is that of a smooth gradient. */
export interface Claim {
  readonly derivative: number;
  readonly fit: Fit;
  /** The number of values it was fitted to. */
  readonly points: number;
  readonly isSteady: boolean;
}

/**
 * Whether what a fit says of a derivative, right or wrong, holds on all scales: narrower windows see neither another
 * slope than the fit, nor, if that excludes the derivative, one that could be it, as far as rounding lets them see. What
 * oscillates within a wide window is rounding to it.
 */
export function standsOnAllScales({ derivative, fit, points, isSteady }: Claim, line: Line, sums: Sums): boolean {
  const off = Math.abs(derivative - fit.value);
  const isExcluded = off > fit.estimate;
  const visible = (isExcluded ? off : Math.abs(fit.value)) / 2;
  const { expected } = fit;
  let { window } = fit;
  // A window wider than the element says less, unless the gradient is smooth within it.
  const fewest = isSteady ? FEWEST_IF_STEADY : FEWEST_SCALES + Math.max(0, Math.log2(window / line.size) / 2);
  for (let k = 0; k < SCALES; k++) {
    window /= 2;
    if (isTooNarrow(window, line)) return k >= fewest;
    const narrowed = (count: number) => fitWithin(line, sums, { window, points: count, expected });
    // Rounding may look rough by chance.
    const narrow = narrowed(points) ?? narrowed(2 * points);
    if (!narrow) return false;
    if (k >= fewest && narrow.estimate > visible) break;
    if (Math.abs(narrow.value - fit.value) > narrow.estimate + fit.estimate + (isExcluded ? off / 8 : 0)) return false;
    if (isExcluded && Math.abs(narrow.value - derivative) <= narrow.estimate) return false;
  }
  return true;
}
