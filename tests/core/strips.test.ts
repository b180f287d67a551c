/** Strips on `wasm`: loops from row to row, each turn of which runs for many blocks of threads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wasm } from "../../core/backends/wasm.ts";
import { chooseJam } from "../../core/backends/wasm/jam.ts";
import { stripsOf } from "../../core/backends/wasm/strips.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { Program } from "../../core/program.ts";
import {
  add,
  argmax,
  greater,
  logSumExp,
  max,
  mul,
  sub,
  sum,
  type Tensor,
  tensor,
  unsqueeze,
  where,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { checkProperty } from "../support/property.ts";

/** Whole numbers from -3 to 3, in no order. */
const whole = (shape: readonly number[], seed: number): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, (_, i) => (i * 31 + (i % 101) * seed) % 7 - 3), shape);
};

/** Enough work for a loop not to wait for memory. All of it is exact for such numbers. */
function polynomial(x: Tensor): Tensor {
  let y: Tensor = add(x, 2);
  for (const c of [1, -2, 1, 3]) y = add(mul(sub(y, mul(x, c)), c), sub(x, c));
  return y;
}
function polynomialOf(x: number): number {
  let y = x + 2;
  for (const c of [1, -2, 1, 3]) y = (y - x * c) * c + (x - c);
  return y;
}

/** How many kernels run in strips. */
function stripped(outputs: readonly Tensor[]): number {
  const { leaves } = new Program(outputs);
  return makePlan(outputs, leaves, wasm).steps.filter(({ form }) => form && !chooseJam(form) && stripsOf(form)).length;
}

const drawn = fc.record({
  batch: fc.constantFrom(1, 2, 3),
  rows: fc.constantFrom(32, 35, 41, 64),
  columns: fc.constantFrom(256, 257, 300, 1023, 1024, 1025, 1100),
});

test("sums, maxima, positions, masks and what follows them are those of plain loops [wasm]", async () => {
  await checkProperty(drawn, async ({ batch, rows, columns }) => {
    const x = whole([batch, rows, columns], 5);
    const [y, mask] = [whole([batch, columns], 3), whole([rows, 1], 2)];
    const masked = sum(where(greater(mask, 0), polynomial(sub(x, 1)), 1), 1);
    const results = [
      sum(polynomial(x), 1),
      add(mul(masked, y), sum(polynomial(mul(x, unsqueeze(y, 1))), 1)),
      argmax(polynomial(x), 1),
      sum(polynomial(x), [0, 1]),
    ];
    // One by one: together they would share what they compute.
    for (const result of results) {
      assert.equal(stripped([result]), 1);
      await bring([result], { device: "wasm" });
    }
    const [all, own, masks] = [x, y, mask].map((t) => t.value!);
    const column = (b: number, j: number) => Array.from({ length: rows }, (_, i) => all[(b * rows + i) * columns + j]);
    const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const each = (of: (values: readonly number[], at: number) => number) =>
      Array.from({ length: batch * columns }, (_, k) => of(column(Math.floor(k / columns), k % columns), k));
    const sums = each((values) => total(values.map(polynomialOf)));
    const expected = [
      sums,
      each((values, k) => {
        const parts = values.map((v, i) => masks[i] > 0 ? polynomialOf(v - 1) : 1);
        return total(parts) * own[k] + total(values.map((v) => polynomialOf(v * own[k])));
      }),
      each((values) => {
        const of = values.map(polynomialOf);
        return of.indexOf(Math.max(...of));
      }),
      Array.from({ length: columns }, (_, j) => total(Array.from({ length: batch }, (_, b) => sums[b * columns + j]))),
    ];
    // Zeros have no sign here.
    results.forEach((result, i) =>
      assert.deepEqual([...result.value!].map((v) => v + 0), expected[i].map((v) => v + 0))
    );
  }, { runs: 6 });
});

test("an element has the same bits in every strip, block and row [wasm]", async () => {
  await checkProperty(drawn, async ({ batch, rows, columns }) => {
    const numbers = Float32Array.from({ length: rows }, (_, i) => Math.sin(i * 1.7) * 3);
    const all = Float32Array.from(
      { length: batch * rows * columns },
      (_, k) => numbers[Math.floor(k / columns) % rows],
    );
    const result = logSumExp(tensor(all, [batch, rows, columns]), 1);
    assert.equal(stripped([result]), 1);
    await bring([result], { device: "wasm" });
    assert.equal(new Set(result.value).size, 1);
  }, { runs: 4 });
});

test("kernels that wait for memory, read few rows or short ones run block by block", () => {
  for (const [x, isStripped] of [[[2, 40, 300], true], [[2, 31, 300], false], [[2, 40, 255], false]] as const) {
    assert.equal(stripped([sum(polynomial(whole(x, 1)), 1)]), isStripped ? 1 : 0, `${x}`);
    assert.equal(stripped([max(whole(x, 1), 1)]), 0);
  }
  assert.equal(stripped([sum(polynomial(whole([300, 40], 1)), 1)]), 0);
});
