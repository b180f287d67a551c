/** Comparison of arrays of numbers: exactly, or within a tolerance per element. */
import assert from "node:assert/strict";

/** Whether two numbers are the same; 0 equals -0, and NaN equals NaN. */
function same(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** Asserts that arrays agree element by element. Values that are not finite must agree exactly. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: (expected: number) => number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, `${what}: ${actual.length} elements, ${expected.length} expected`);
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i], expected[i]];
    if (same(a, b)) continue;
    const allowed = tolerance(b);
    if (Number.isFinite(b) && Math.abs(a - b) <= allowed) continue;
    assert.fail(
      `${what}: element ${i} is ${a}, expected ${b} (off by ${Math.abs(a - b)}, allowed ${allowed})\n` +
        `actual   ${shown(actual)}\nexpected ${shown(expected)}`,
    );
  }
}

/** Asserts that arrays are the same. */
export function assertSame(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assertClose(actual, expected, () => 0, what);
}

function shown(values: ArrayLike<number>): string {
  return `[${Array.from({ length: Math.min(values.length, 24) }, (_, i) => values[i]).join(", ")}${
    values.length > 24 ? ", ..." : ""
  }]`;
}

/** The largest magnitude among numbers. */
export function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) > largest) largest = Math.abs(values[i]);
  return largest;
}
