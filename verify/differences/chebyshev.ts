/** Expansions in Chebyshev polynomials. */

/** The number of coefficients; of what is smooth, the upper ones, from here on, are rounding. */
export const TERMS = 44;
export const UPPER = 24;

/** The values of a cosine, by the number of points: multiples of a quarter turn divided by them. */
const cosines = new Map<number, Float64Array>();

function cosinesOf(points: number): Float64Array {
  let table = cosines.get(points);
  if (!table) {
    table = Float64Array.from({ length: 4 * points }, (_, m) => Math.cos((Math.PI * m) / (2 * points)));
    cosines.set(points, table);
  }
  return table;
}

/** The points at which values are taken, by their number. */
const nodes = new Map<number, Float64Array>();

/** The points at which values are taken, between -1 and 1; 0 is none of them. Not to be written to. */
export function nodesOf(points: number): Float64Array {
  let table = nodes.get(points);
  if (!table) nodes.set(points, table = cosinesOf(points).slice(0, 2 * points).filter((_, m) => m % 2 === 1));
  return table;
}

/** The coefficients of an expansion of values at Chebyshev points. */
export function expand(values: Float64Array): Float64Array {
  const points = values.length;
  const cosine = cosinesOf(points);
  return Float64Array.from({ length: TERMS }, (_, k) => {
    let sum = 0;
    // The place k (2 j + 1) in the table, all turns but the last taken off.
    const turn = 4 * points, step = (2 * k) % turn;
    for (let j = 0, place = k % turn; j < points; j++) {
      sum += values[j] * cosine[place];
      place += step;
      if (place >= turn) place -= turn;
    }
    return (sum * (k === 0 ? 1 : 2)) / points;
  });
}

/** An expansion at a number between -1 and 1, up to a degree. */
export function valueAt(coefficients: Float64Array, degree: number, x: number): number {
  let next = 0, afterNext = 0;
  for (let k = degree; k > 0; k--) [next, afterNext] = [coefficients[k] + 2 * x * next - afterNext, next];
  return coefficients[0] + x * next - afterNext;
}

/** Its derivative. */
export function slopeAt(coefficients: Float64Array, degree: number, x: number): number {
  let sum = 0, u = 1, before = 0;
  for (let k = 1; k <= degree; k++) {
    sum += k * coefficients[k] * u;
    [u, before] = [2 * x * u - before, u];
  }
  return sum;
}

/** The expansion of an integral of an expansion up to a degree, which is one more. */
export function integrate(coefficients: Float64Array, degree: number): Float64Array {
  const at = (k: number) => (k <= degree ? coefficients[k] : 0);
  return Float64Array.from({ length: degree + 2 }, (_, k) => {
    if (k === 0) return 0;
    return k === 1 ? at(0) - at(2) / 2 : (at(k - 1) - at(k + 1)) / (2 * k);
  });
}

/** The mean of an expansion between -1 and 1. */
export function meanOf(coefficients: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < coefficients.length; k += 2) sum += coefficients[k] / (1 - k * k);
  return sum;
}

/** The mean square of some coefficients. */
export function meanSquare(coefficients: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let k = from; k < to; k++) sum += coefficients[k] ** 2;
  return sum / (to - from);
}

/** Returns the standard deviation of the values from their expansion. */
export function leftBy(values: Float64Array, coefficients: Float64Array): number {
  const nodes = nodesOf(values.length);
  let squares = 0;
  for (let j = 0; j < values.length; j++) squares += (values[j] - valueAt(coefficients, TERMS - 1, nodes[j])) ** 2;
  return Math.sqrt(squares / (values.length - TERMS));
}

/** Whether values leave a smooth curve by more than this. */
export function isRough(values: Float64Array, coefficients: Float64Array, most: number): boolean {
  const upper = Math.sqrt(meanSquare(coefficients, UPPER, TERMS) * (TERMS - UPPER));
  return leftBy(values, coefficients) > most || upper > most;
}
