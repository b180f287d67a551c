/**
 * Values of a smooth function: their coefficients in Chebyshev polynomials fall to the level of rounding, and what lies
 * above it is the function.
 */
import { expand, leftBy, meanSquare, TERMS, UPPER } from "./chebyshev.ts";

/** Coefficients from here on must be rounding. */
const RESOLVED = 17;
/** A coefficient is above rounding if it is this many times its standard deviation. */
const ABOVE = 4;
/**
 * The mean squares of coefficients that are rounding, in units of what the values show of it: of the first few, of the
 * lower ones and of the upper ones. Kinks and jumps leave more to the lower ones.
 */
const FIRST = 4;
const WHITE = { first: 4, lower: 3, upper: 2.5 };
/** Where the first ones are larger than that, this many of them may belong to the function. */
const MORE = 4;
/**
 * Where a function is smooth, coefficients fall faster than any power of their degree: from half the last degree to the
 * last one by at least this factor. Kinks, of the function or of its slope, leave powers of two and of three.
 */
const FALL = 12;
const LOW = 3;

/** If values have small steps, coefficients from here on show how large these are, and the function ends below. */
const STEPS = 8;
/** Steps add no more to a coefficient than this many times what they are seen to add. */
const STEEP = 2;

/** The expansion of the values of a smooth function. */
export interface Smooth {
  readonly coefficients: Float64Array;
  /** The standard deviation of a value, and that of a coefficient. */
  readonly deviation: number;
  readonly uncertainty: number;
  /** The most that steps may add to each coefficient, times its degree. */
  readonly steps: number;
  /** The degree of the last coefficient that is not rounding. */
  readonly degree: number;
}

/** Whether coefficients fall as those of a smooth function do. */
function fallsFast(coefficients: Float64Array, degree: number): boolean {
  if (degree <= LOW) return true;
  for (let k = Math.ceil(degree / 2); k < degree; k++) {
    if (Math.abs(coefficients[k]) >= FALL * Math.abs(coefficients[degree])) return true;
  }
  return false;
}

/** An expansion, and how uncertain it is. */
type Expansion = Pick<Smooth, "coefficients" | "deviation" | "uncertainty">;

/** Expands values at Chebyshev points, whose rounding is at least so large. */
export function expansionOf(values: Float64Array, rounding: number): Expansion {
  const coefficients = expand(values);
  const deviation = Math.max(leftBy(values, coefficients), rounding);
  return { coefficients, deviation, uncertainty: deviation * Math.sqrt(2 / values.length) };
}

/** An expansion as that of a smooth function; `null` if it is not one. */
export function smoothOf(expansion: Expansion): Smooth | null {
  const { coefficients, uncertainty } = expansion;
  let last = TERMS - 1;
  while (last > 0 && Math.abs(coefficients[last]) <= ABOVE * uncertainty) last--;
  if (last >= RESOLVED || !fallsFast(coefficients, last)) return null;
  const isAbove = (from: number, to: number, times: number) =>
    meanSquare(coefficients, from, to) > times * uncertainty ** 2;
  if (isAbove(UPPER, TERMS, WHITE.upper)) return null;
  for (let degree = last; degree <= Math.min(last + MORE, RESOLVED - 1); degree++) {
    const rest = degree + 1;
    if (isAbove(rest, rest + FIRST, WHITE.first) || isAbove(rest, UPPER, WHITE.lower)) continue;
    return { ...expansion, degree, steps: 0 };
  }
  return null;
}

/**
 * An expansion as that of a smooth function with steps, which leave coefficients that fall with their degree: as the
 * rounding of a sum does where its terms cross powers of two. `null` if the steps are larger than this.
 */
export function smoothButForSteps(expansion: Expansion, largest: number): Smooth | null {
  const { coefficients, uncertainty } = expansion;
  let squares = 0;
  for (let k = STEPS; k < UPPER; k++) squares += (k * coefficients[k]) ** 2;
  const steps = STEEP * Math.sqrt(squares / (UPPER - STEPS));
  if (!(steps <= largest)) return null;
  let degree = UPPER - 1;
  while (degree > 0 && Math.abs(coefficients[degree]) <= Math.max(ABOVE * uncertainty, (STEEP * steps) / degree)) {
    degree--;
  }
  return degree < STEPS && fallsFast(coefficients, degree) ? { ...expansion, degree, steps } : null;
}
