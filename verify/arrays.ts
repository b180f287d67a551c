/** Helpers for arrays of numbers and plain data. Plain loops, because they run on every input of every check. */

/** Whether two arrays hold the same numbers, including NaN and the sign of 0. */
export function sameValues(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return a.length === b.length;
}

/** The position of the first number that is not finite, or -1. */
export function notFiniteAt(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}

/** The largest magnitude of the finite numbers, 0 if there are none. */
export function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (size > largest && size < Infinity) largest = size;
  }
  return largest;
}

/** Whether two attributes are equal plain data. */
export function sameData(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!sameData(a[i], b[i])) return false;
    return true;
  }
  const first = a as Record<string, unknown>, second = b as Record<string, unknown>;
  let keys = 0;
  for (const key in first) {
    if (!sameData(first[key], second[key])) return false;
    keys++;
  }
  for (const _ in second) keys--;
  return keys === 0;
}
