/** Neighbouring elements that one thread reads, on `wasm`: several threads read them as rows, of which lanes are columns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add, max, mul, slice, sum, tensor } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { checkProperty } from "../support/property.ts";

/** Rows of whole numbers, whose sums are exact in any order. */
const rows = fc.tuple(fc.integer({ min: 1, max: 23 }), fc.integer({ min: 1, max: 21 })).chain(([count, length]) =>
  fc.array(fc.array(fc.integer({ min: -99, max: 99 }), { minLength: length, maxLength: length }), {
    minLength: count,
    maxLength: count,
  })
);

test("sums and maxima of rows are those of their elements [wasm]", async () => {
  await checkProperty(rows, async (all) => {
    const x = tensor(all);
    const [sums, most] = [sum(x, 1), max(x, 1)];
    await bring([sums, most], { device: "wasm" });
    assert.deepEqual([...sums.value!], all.map((row) => row.reduce((a, b) => a + b, 0)));
    assert.deepEqual([...most.value!], all.map((row) => Math.max(...row)));
  }, { runs: 25 });
});

test("elements of rows that are taken apart stay apart [wasm]", async () => {
  await checkProperty(fc.tuple(rows, fc.nat(), fc.integer({ min: 2, max: 5 })), async ([all, at, count]) => {
    const length = all[0].length;
    const taken = Array.from({ length: count }, (_, i) => (at + i) % length);
    const x = tensor(all);
    const weighted = taken.map((column, i) => mul(slice(x, [null, [column, column + 1]]), 10 ** i));
    const total = weighted.reduce((a, b) => add(a, b));
    await bring([total], { device: "wasm" });
    const expected = all.map((row) => taken.reduce((sum, column, i) => sum + row[column] * 10 ** i, 0));
    assert.deepEqual([...total.value!], expected);
  }, { runs: 25 });
});
