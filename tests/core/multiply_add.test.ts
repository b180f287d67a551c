/** Fused multiply-add on `wasm`: sums add products without rounding them where the engine can, and alike wherever they are computed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wasmWith } from "../../core/backends/wasm.ts";
import { openWasm } from "../../core/backends/wasm/driver.ts";
import { fuses, hasMultiplyAdd, isWanted } from "../../core/backends/wasm/multiply_add.ts";
import { Device } from "../../core/device.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { Program } from "../../core/program.ts";
import {
  add,
  equal,
  greater,
  matmul,
  mul,
  realize,
  reshape,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  transpose,
  unsqueeze,
  where,
} from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import { skip } from "../support/skip.ts";

const words = new BigInt64Array(1);
const double = new Float64Array(words.buffer);

/** a * b + c, rounded once to float32: the sum in doubles, whose product is exact, rounded to odd before it is rounded to float32. */
function fused(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const away = sum - product;
  const lost = (product - (sum - away)) + (c - away);
  double[0] = sum;
  if (lost !== 0 && (words[0] & 1n) === 0n) words[0] += lost > 0 === sum > 0 ? 1n : -1n;
  return Math.fround(double[0]);
}

const rounded = (a: number, b: number, c: number): number => Math.fround(Math.fround(a * b) + c);

/** Numbers with all digits that float32 has. */
function numbers(size: number, seed: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233) * 4);
}

/** Computes on a device of its own. */
async function valuesOf(multiplyAdd: boolean, outputs: readonly Tensor[], threads = 1): Promise<Float32Array[]> {
  const device = new Device(wasmWith(() => multiplyAdd), openWasm(threads, undefined, multiplyAdd));
  try {
    await realize(outputs, { device });
    return await Promise.all(outputs.map(async (output) => Float32Array.from(await output.data({ device }))));
  } finally {
    await device.dispose();
  }
}

test("the engine is asked unless the switch is 0", () => {
  for (const off of [0, "0", false]) assert.equal(isWanted(off), false);
  for (const on of [undefined, null, 1, "1", true]) assert.equal(isWanted(on), true);
  assert.equal(hasMultiplyAdd() && !fuses(), false);
});

for (const multiplyAdd of [false, true]) {
  const kind = multiplyAdd ? "with fused multiply-add" : "without fused multiply-add";
  const named = (name: string) => `${name}, ${kind} [wasm]`;
  if (multiplyAdd && !fuses()) {
    test(...skip(named("products are added, and functions computed"), "the engine has none"), () => {});
    continue;
  }
  const step = multiplyAdd ? fused : rounded;

  test(named("products of matrices are those of a plain loop to the last bit, whatever their sizes"), async () => {
    const extent = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 31, 40);
    const drawn = fc.record({
      rows: extent,
      columns: extent,
      length: fc.constantFrom(5, 6, 37, 128),
      isTurned: fc.boolean(),
      seed: fc.nat(100),
    });
    await checkProperty(drawn, async ({ rows, columns, length, isTurned, seed }) => {
      const [x, y] = [numbers(rows * length, seed), numbers(columns * length, seed + 1)];
      const right = isTurned ? transpose(tensor(y, [columns, length])) : tensor(y, [length, columns]);
      const [values] = await valuesOf(multiplyAdd, [matmul(tensor(x, [rows, length]), right)]);
      const at = (k: number, j: number) => y[isTurned ? j * length + k : k * columns + j];
      values.forEach((value, element) => {
        const [i, j] = [Math.floor(element / columns), element % columns];
        let total = 0;
        for (let k = 0; k < length; k++) total = step(x[i * length + k], at(k, j), total);
        assert.equal(value, total, `element ${i}, ${j}`);
      });
    }, { runs: 15 });
  });

  test(named("a sum of products is the same number in all places of a kernel"), async () => {
    const x = tensor(numbers(4 * 9, 3), [4, 9]);
    const products = mul(unsqueeze(x, 1), unsqueeze(tanh(x), 2));
    const sums = sum(products, 1);
    const equals = where(equal(unsqueeze(sums, 1), unsqueeze(sums, 2)), 1, 0);
    // Behind a condition the choice of the products is decided, so that the sum is one of bare products.
    const [mask, other] = [greater(tensor(numbers(9, 4), [9, 1]), 0), tensor(numbers(63, 5), [9, 7])];
    const chosen = sum(where(mask, mul(other, tanh(other)), 0), 1, { keepDims: true });
    const difference = mul(sub(where(mask, chosen, 0), chosen), where(mask, 1, 0));
    const { leaves } = new Program([difference]);
    assert.equal(makePlan([difference], leaves, wasmWith(() => multiplyAdd)).steps.length, 1);
    const [same, none] = await valuesOf(multiplyAdd, [equals, difference]);
    for (let b = 0; b < 4; b++) for (let i = 0; i < 9; i++) assert.equal(same[b * 81 + i * 10], 1);
    assert.deepEqual([...none].map(Math.abs), Array(9).fill(0));
  });

  test(named("a sum of products is the same number beside the products themselves, which are rounded"), async () => {
    const [a, b, c] = [1, 2, 3].map((seed) => numbers(37, seed));
    const [x, y, z] = [a, b, c].map((values) => tensor(values));
    const product = mul(x, y);
    const together = [product, sum(product), sum(reshape(product, [37, 1])), add(product, z), sum(product, [], {})];
    const [kept, total, moved, added, same] = await valuesOf(multiplyAdd, together);
    const expected = a.reduce((sum, x, i) => step(x, b[i], sum), 0);
    assert.deepEqual(
      [...total, ...moved, ...(await valuesOf(multiplyAdd, [sum(mul(x, y))]))[0]],
      Array(3).fill(expected),
    );
    kept.forEach((value, i) => assert.equal(value, Math.fround(a[i] * b[i])));
    same.forEach((value, i) => assert.equal(value, kept[i]));
    // Only sums add products unrounded: elsewhere arithmetic is as it is written.
    added.forEach((value, i) => assert.equal(value, rounded(a[i], b[i], c[i])));
  });
}
