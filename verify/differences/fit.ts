/**
 * Derivatives by fits: a polynomial through many values along a line, in terms of Chebyshev polynomials. Where a function
 * is smooth on the scale of its window, the coefficients fall to the level of rounding, and what is above it gives the
 * derivative. Rounding averages out over the values, so that more of them see more digits.
 */
import { expand, leftBy, meanSquare, nodesOf, slopeAt, TERMS, UPPER, valueAt } from "./chebyshev.ts";
import type { Line } from "./line.ts";
import type { Sums } from "./sums.ts";

/** A derivative by a fit. */
export interface Fit {
  readonly value: number;
  readonly estimate: number;
  /** How far the values that it was fitted to lie apart from the point, at most. */
  readonly window: number;
}

/** Coefficients from here on must be rounding. */
const RESOLVED = 17;
/** The number of values from which a window is sought. */
export const FEWEST = 64;
/** A coefficient is above rounding if it is this many times its standard deviation. */
const ABOVE = 4;
/**
 * The mean squares of coefficients that are rounding, in units of what the values show of it: of the first few, of the
 * lower ones and of the upper ones. Kinks and jumps leave more to the lower ones.
 */
const FIRST = 4;
const WHITE = { first: 4, lower: 3, upper: 2.5 };
/**
 * Where a function is smooth, coefficients fall faster than any power of their degree: from half the last degree to the
 * last one at least by this factor. Kinks, of the function or of its slope, leave powers of two and of three.
 */
const FALL = 12;
const LOW = 3;
/** What is taken for rounding is at most so many times the rounding of the largest value, and more for many elements. */
const TRUSTED = 3;
const TRUSTED_EACH = 0.5;
/** Values must take this many roundings, or they are steps rather than a curve. */
const LEVELS = 16;
/** The largest number of windows, and the ratio between them. */
const WINDOWS = 9;
const NARROWER = 4;
/** A derivative stands if narrower windows, up to this many, agree with it as far as they can see: these at least. */
const SCALES = 8;
const FEWEST_SCALES = 2;
/** Close to the point, values must be those of the fit, up to this many standard deviations. */
const CLOSE = 8;
/** The ratio of the distances at which that is tried, and how many times. */
const CLOSER = 1 / 32;
const TIMES = 4;

/** Values along a line, and their expansion in Chebyshev polynomials. */
interface Series {
  readonly window: number;
  readonly coefficients: Float64Array;
  /** The standard deviation of a value, and that of a coefficient. */
  readonly deviation: number;
  readonly uncertainty: number;
  /** The degree of the last coefficient above rounding. */
  readonly degree: number;
}

/** The values of a function along a line, at Chebyshev points; `null` if one is not finite. */
function valuesOf(
  line: Line,
  sums: Sums,
  window: number,
  points: number,
): { values: Float64Array; mass: number } | null {
  const nodes = nodesOf(points);
  const values = new Float64Array(points), beside = new Float64Array(points);
  let mass = 0;
  for (let j = 0; j < points; j++) {
    const t = window * nodes[j];
    beside[j] = (line.move(t) - t) / window;
    values[j] = sums.change();
    if (!Number.isFinite(values[j])) return null;
    mass = Math.max(mass, sums.mass);
  }
  // Moves are rounded: to first order, that is taken back.
  const coefficients = expand(values);
  for (let j = 0; j < points; j++) {
    if (beside[j] !== 0) values[j] -= slopeAt(coefficients, UPPER, nodes[j]) * beside[j];
  }
  return { values, mass };
}

/** Whether coefficients fall as those of a smooth function do. */
function fallsFast(coefficients: Float64Array, degree: number): boolean {
  if (degree <= LOW) return true;
  for (let k = Math.ceil(degree / 2); k < degree; k++) {
    if (Math.abs(coefficients[k]) >= FALL * Math.abs(coefficients[degree])) return true;
  }
  return false;
}

/** Expands a function along a line; `null` if it is not finite, or not smooth on this scale. */
function seriesOf(line: Line, sums: Sums, window: number, points: number): Series | null {
  const along = valuesOf(line, sums, window, points);
  if (!along) return null;
  const { values, mass } = along;
  const nodes = nodesOf(points);
  const coefficients = expand(values);
  let least = Infinity, largest = -Infinity;
  for (let j = 0; j < points; j++) {
    least = Math.min(least, values[j]);
    largest = Math.max(largest, values[j]);
  }
  const { epsilon, variables } = sums.problem;
  const deviation = Math.max(leftBy(values, coefficients), (epsilon * mass) / 8);
  const uncertainty = deviation * Math.sqrt(2 / points);
  let degree = TERMS - 1;
  while (degree > 0 && Math.abs(coefficients[degree]) <= ABOVE * uncertainty) degree--;
  if (degree >= RESOLVED || !fallsFast(coefficients, degree)) return null;
  const isAbove = (from: number, to: number, times: number) =>
    meanSquare(coefficients, from, to) > times * uncertainty ** 2;
  const rest = degree + 1;
  if (
    isAbove(rest, rest + FIRST, WHITE.first) || isAbove(rest, UPPER, WHITE.lower) || isAbove(UPPER, TERMS, WHITE.upper)
  ) return null;
  let steepest = 0;
  for (let j = 0; j < points; j++) {
    steepest = Math.max(steepest, Math.abs(slopeAt(coefficients, degree, nodes[j])));
  }
  const rounding = epsilon * Math.max(mass, (steepest / window) * line.size);
  const elements = variables.reduce((sum, { length }) => sum + length, 0);
  if (deviation > (TRUSTED + TRUSTED_EACH * Math.sqrt(elements)) * rounding) return null;
  const isFlat = !(largest - least > LEVELS * epsilon * mass);
  return { window, coefficients, deviation, uncertainty: isFlat ? Infinity : uncertainty, degree };
}

/** The derivative at the point. */
function derivativeOf({ window, coefficients, uncertainty, degree }: Series): Fit {
  const last = degree | 1;
  let value = 0, squares = 0;
  for (let k = 1; k <= last; k += 2) {
    value += (k % 4 === 1 ? k : -k) * coefficients[k];
    squares += k * k;
  }
  return {
    value: value / window,
    // Rounding, and the first term that was left out.
    estimate: ((2 * Math.sqrt(squares) + last + 2) * uncertainty) / window + 4 * 2 ** -52 * Math.abs(value / window),
    window,
  };
}

/** Whether values close to the point are those of an expansion, on scales that its own values do not see. */
function isCloseBy({ window, coefficients, deviation, degree }: Series, line: Line, sums: Sums): boolean {
  let share = CLOSER;
  for (let time = 0; time < TIMES; time++, share *= CLOSER) {
    for (const t of [window * share, -window * share]) {
      const moved = line.move(t);
      if (moved === 0) break;
      const off = sums.change() - valueAt(coefficients, degree, moved / window);
      if (!(Math.abs(off) <= CLOSE * deviation)) return false;
    }
  }
  return true;
}

/** The widest window, up to the given one, in which a function is smooth; 0 if there is none. */
export function windowOf(line: Line, sums: Sums, widest: number): number {
  const isSmooth = (window: number) => (seriesOf(line, sums, window, FEWEST)?.uncertainty ?? Infinity) < Infinity;
  let window = widest;
  for (let k = 0; k < WINDOWS; k++, window /= NARROWER) {
    if (isSmooth(window)) return k > 0 && isSmooth(2 * window) ? 2 * window : window;
  }
  return 0;
}

/** The derivative along a line from so many values within a window; `null` if the function is not smooth there. */
export function fitWithin(line: Line, sums: Sums, window: number, points: number): Fit | null {
  const series = seriesOf(line, sums, window, points);
  return series && isCloseBy(series, line, sums) ? derivativeOf(series) : null;
}

/**
 * Whether what a fit says of a derivative, right or wrong, holds on all scales: narrower windows see neither another
 * slope than the fit, nor, if that excludes the derivative, one that could be it, as far as rounding lets them see. What
 * oscillates within a wide window is rounding to it.
 */
export function standsOnAllScales(
  derivative: number,
  fit: Fit,
  line: Line,
  { sums, points }: { readonly sums: Sums; readonly points: number },
): boolean {
  const off = Math.abs(derivative - fit.value);
  const isExcluded = off > fit.estimate;
  const visible = (isExcluded ? off : Math.abs(fit.value)) / 2;
  let { window } = fit;
  // Of small numbers, a window that is wider than they are says less.
  const fewest = FEWEST_SCALES + Math.max(0, Math.log2(window / line.size) / 2);
  for (let k = 0; k < SCALES; k++) {
    window /= 2;
    const narrow = fitWithin(line, sums, window, points);
    if (!narrow) return false;
    if (k >= fewest && narrow.estimate > visible) break;
    if (Math.abs(narrow.value - fit.value) > narrow.estimate + fit.estimate) return false;
    if (isExcluded && Math.abs(narrow.value - derivative) <= narrow.estimate) return false;
  }
  return true;
}
