/** Gradients of products and running products, by definition and by what they cost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cumprod, grad, inspect, mul, prod, random, slice, sum, type Tensor, tensor, useDevice } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose } from "./compare.ts";

await useDevice("float64");

const near = (actual: ArrayLike<number>, expected: ArrayLike<number>, what = "") =>
  assertClose(actual, expected, (e) => 1e-11 * Math.max(1, Math.abs(e)), what);

/** A row, in part 0, and what its results and the gradient's elements are weighted with. */
const rows = fc.gen().map((g) => {
  // Few lengths, since each has a plan of its own: of one block, of several, and of blocks of blocks.
  const n = g(fc.constantFrom, 1, 2, 7, 17, 100, 150);
  const zeros = g(fc.integer, { min: 0, max: 3 });
  const numbers = () => Array.from({ length: n }, () => g(fc.integer, { min: -8, max: 8 }) / 8);
  const row = numbers().map((x) => Math.fround(1 + 0.3 * x));
  for (let i = 0; i < zeros; i++) row[g(fc.integer, { min: 0, max: n - 1 })] = 0;
  return { row, weights: numbers(), direction: numbers(), reverse: g(fc.boolean) };
});

const productOf = (factors: readonly number[]) => factors.reduce((a, b) => a * b, 1);

/** The derivative of a product along a direction of each of `along`, by each element besides. */
function derivatives(row: readonly number[], direction: readonly number[]): { first: number[]; second: number[] } {
  const without = (...left: number[]) => productOf(row.map((x, i) => (left.includes(i) ? 1 : x)));
  const first = row.map((_, i) => without(i));
  if (row.length > 24) return { first, second: [] };
  const second = row.map((_, i) =>
    row.reduce((total, _, k) => (k === i ? total : total + direction[k] * without(i, k)), 0)
  );
  return { first, second };
}

test("gradients of prod and cumprod are sums of products without an element, at both orders [float64]", async () => {
  await checkProperty(rows, async ({ row, weights, direction, reverse }) => {
    const x = tensor(row);
    const order = (values: readonly number[]) => (reverse ? [...values].reverse() : values);
    const [given, weighted, moving] = [order(row), order(weights), order(direction)];
    const running = row.map(() => [0, 0]);
    // The running products as such: for each the derivatives of the product up to there.
    given.forEach((_, end) => {
      const { first, second } = derivatives(given.slice(0, end + 1), moving);
      first.forEach((d, i) => (running[i][0] += weighted[end] * d));
      second.forEach((d, i) => (running[i][1] += weighted[end] * d));
    });
    const whole = derivatives(row, direction);
    const expected = {
      prod: [whole.first, whole.second],
      cumprod: [order(running.map(([first]) => first)), order(running.map(([, second]) => second))],
    };
    const values = { prod: prod(x), cumprod: sum(mul(cumprod(x, 0, { reverse }), weights)) };
    for (const name of ["prod", "cumprod"] as const) {
      const slope = grad(values[name], x);
      near(await slope.data(), expected[name][0], name);
      if (row.length <= 24) near(await grad(sum(mul(slope, direction)), x).data(), expected[name][1], `${name}, again`);
    }
  }, { runs: 20 });
});

test("an infinite factor reaches no gradient of products that were selected before it [float64]", async () => {
  const x = tensor([2, 3, Infinity, 5]);
  near(await grad(sum(slice(cumprod(x), [[0, 2]])), x).data(), [4, 2, 0, 0]);
});

test("gradients of prod and cumprod take work that grows with the length", async () => {
  const work = async (f: (x: Tensor) => Tensor, n: number) => {
    const x = random.normal(1, [n]);
    const { steps } = await inspect([grad(f(x), x)], { device: "cpu" });
    return steps.reduce(
      (total, { shape, iterations }) => total + shape.reduce((a, b) => a * b, 1) * Math.max(1, iterations),
      0,
    );
  };
  for (const f of [(x: Tensor) => prod(x), (x: Tensor) => sum(cumprod(x))]) {
    assert.ok(await work(f, 400) < 100 * 400);
  }
});
