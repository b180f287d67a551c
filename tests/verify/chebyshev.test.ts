/** Expansions in Chebyshev polynomials, compared with polynomials written out in powers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  expand,
  integrate,
  isRough,
  leftBy,
  meanOf,
  meanSquare,
  nodesOf,
  slopeAt,
  TERMS,
  UPPER,
  valueAt,
} from "../../verify/differences/chebyshev.ts";
import { checkProperty } from "../support/property.ts";

/** A polynomial by its coefficients, the lowest power first. */
const polynomials = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 9 });
const points = fc.constantFrom(64, 101, 128);
const inside = fc.integer({ min: -64, max: 64 }).map((n) => n / 64);

const at = (powers: readonly number[], x: number) => powers.reduceRight((sum, c) => sum * x + c, 0);
const derivative = (powers: readonly number[]) => powers.slice(1).map((c, k) => c * (k + 1));
const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) <= 1e-10, `${actual}, expected ${expected}`);
const valuesOf = (f: (x: number) => number, count: number) => nodesOf(count).map(f);

test("an expansion has the values, the slopes and the mean of the polynomial that it is made of [float64]", async () => {
  await checkProperty(fc.tuple(polynomials, points, inside), ([powers, count, x]) => {
    const coefficients = expand(valuesOf((t) => at(powers, t), count));
    assert.equal(coefficients.length, TERMS);
    for (const degree of [powers.length - 1, TERMS - 1]) {
      near(valueAt(coefficients, degree, x), at(powers, x));
      near(slopeAt(coefficients, degree, x), at(derivative(powers), x));
    }
    // Odd powers have the mean 0.
    near(meanOf(coefficients), powers.reduce((sum, c, k) => sum + (k % 2 === 0 ? c / (k + 1) : 0), 0));
  });
});

test("the coefficients are those of cosines, up to a degree [float64]", async () => {
  await checkProperty(fc.tuple(fc.integer({ min: 0, max: TERMS - 1 }), points, inside), ([k, count, x]) => {
    const coefficients = expand(valuesOf((t) => Math.cos(k * Math.acos(t)), count));
    coefficients.forEach((c, j) => near(c, j === k ? 1 : 0));
    near(valueAt(coefficients, k, x), Math.cos(k * Math.acos(x)));
    if (k > 0) near(valueAt(coefficients, k - 1, x), 0);
  });
});

test("the derivative of an integral is what was integrated, up to a degree [float64]", async () => {
  await checkProperty(fc.tuple(polynomials, fc.nat(10), inside), ([powers, degree, x]) => {
    const coefficients = expand(valuesOf((t) => at(powers, t), 64));
    const integral = integrate(coefficients, degree);
    assert.equal(integral.length, degree + 2);
    near(slopeAt(integral, degree + 1, x), valueAt(coefficients, degree, x));
  });
});

test("the points lie between -1 and 1, each once, on both sides alike [float64]", async () => {
  await checkProperty(points, (count) => {
    const nodes = [...nodesOf(2 * (count >> 1))].sort((a, b) => a - b);
    nodes.forEach((x, i) => {
      assert.ok(-1 < x && x < 1 && x !== 0 && (i === 0 || x > nodes[i - 1]));
      near(x, -nodes[nodes.length - 1 - i]);
    });
  });
});

test("what an expansion leaves, and its upper coefficients, tell what is rough [float64]", async () => {
  const size = fc.integer({ min: -10, max: 3 }).map((n) => 10 ** n);
  await checkProperty(fc.tuple(polynomials, points, size, fc.boolean()), ([powers, count, size, isHigh]) => {
    // A cosine among the upper terms, or above all of them.
    const degree = isHigh ? TERMS + 5 : UPPER + 2;
    const values = valuesOf((x) => at(powers, x) + size * Math.cos(degree * Math.acos(x)), count);
    const coefficients = expand(values);
    const deviation = Math.sqrt(values.length / 2 / (values.length - TERMS)) * size;
    const left = leftBy(values, coefficients);
    const upper = Math.sqrt(meanSquare(coefficients, UPPER, TERMS) * (TERMS - UPPER));
    const close = (x: number, y: number) => assert.ok(Math.abs(x - y) <= 1e-6 * size + 1e-12, `${x}, expected ${y}`);
    close(left, isHigh ? deviation : 0);
    close(upper, isHigh ? 0 : size);
    const rough = isHigh ? deviation : size;
    assert.equal(isRough(values, coefficients, 2 * rough + 1e-10), false);
    assert.equal(isRough(values, coefficients, rough / 2), true);
  });
});

test("mean squares are of the coefficients from one place to before another [float64]", () => {
  assert.equal(meanSquare(Float64Array.of(9, 1, 2, 3, 9), 1, 4), 14 / 3);
});
