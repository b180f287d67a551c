/** Questions about arrays of numbers. Loops, since they are asked of every input of every check. */

/** Whether two arrays hold the same numbers, NaN and the sign of 0 included. */
export function sameValues(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return a.length === b.length;
}

/** Where the first number that is not finite stands, -1 where there is none. */
export function notFiniteAt(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}

/** The largest magnitude among the numbers that are finite, 0 where there is none. */
export function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (size > largest && size < Infinity) largest = size;
  }
  return largest;
}
