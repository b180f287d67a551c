/** Tiles on `wasm`: threads of several rows that run together, and panels of what they read alike. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wasm } from "../../core/backends/wasm.ts";
import { chooseJam, jammed } from "../../core/backends/wasm/jam.ts";
import { writeKernel } from "../../core/backends/wasm/kernel.ts";
import { panelsOf } from "../../core/backends/wasm/panels.ts";
import { codeText } from "../../core/backends/wasm/text.ts";
import { readsOf } from "../../core/backends/wasm/varying.ts";
import type { LoopForm, Statement } from "../../core/plan/form.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { Program } from "../../core/program.ts";
import {
  arange,
  conv2d,
  einsum,
  equal,
  exp,
  flip,
  greater,
  matmul,
  mul,
  sigmoid,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  unsqueeze,
  where,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { checkProperty } from "../support/property.ts";
import { MARGIN, placed } from "./own_memory.ts";

/** Few, primes, whole vectors and blocks, and one more and one less. */
const extent = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 16, 17, 21, 31, 40, 67);
const inner = fc.constantFrom(1, 2, 3, 5, 16, 37, 130, 257);

/** Whole numbers, whose products and sums are exact. */
const whole = (shape: readonly number[], seed: number): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, (_, i) => (i * 31 + seed * 17) % 13 - 6), shape);
};

/** For each of the elements of a stack of matrices the sum of what `element` returns. */
function sums(
  [batch, rows, columns, length]: readonly number[],
  element: (at: { b: number; i: number; j: number; k: number }) => number,
): number[] {
  const all: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let total = 0;
        for (let k = 0; k < length; k++) total += element({ b, i, j, k });
        all.push(total);
      }
    }
  }
  return all;
}

test("products of matrices of any size are those of plain loops: stacks, transposed, masked, distances [wasm]", async () => {
  const drawn = fc.record({
    batch: fc.constantFrom(1, 1, 2, 3),
    rows: extent,
    columns: extent,
    length: inner,
    isShared: fc.boolean(),
    isTurned: fc.boolean(),
  });
  await checkProperty(drawn, async ({ batch, rows, columns, length, isShared, isTurned }) => {
    const a = whole([batch, rows, length], 1);
    const b = whole(isTurned ? [columns, length] : [isShared ? 1 : batch, length, columns], 2);
    const mask = greater(whole([rows, columns], 3), 0);
    const right = isTurned ? transpose(b) : b;
    const product = matmul(a, right);
    const apart = sub(unsqueeze(a, 2), unsqueeze(isTurned ? b : transpose(b, [0, 2, 1]), -3));
    const results = [product, where(mask, product, 1), sum(square(apart), -1)];
    await bring(results, { device: "wasm" });
    const [x, y, m] = [a, b, whole([rows, columns], 3)].map((t) => t.value!);
    const left = ({ b, i, k }: { b: number; i: number; k: number }) => x[(b * rows + i) * length + k];
    const other = ({ b, j, k }: { b: number; j: number; k: number }) =>
      isTurned ? y[j * length + k] : y[((isShared ? 0 : b) * length + k) * columns + j];
    const sizes = [batch, rows, columns, length];
    const expected = sums(sizes, (at) => left(at) * other(at));
    assert.deepEqual([...results[0].value!].map((v) => v + 0), expected.map((v) => v + 0));
    assert.deepEqual(
      [...results[1].value!].map((v) => v + 0),
      expected.map((v, i) => m[i % (rows * columns)] > 0 ? v + 0 : 1),
    );
    assert.deepEqual([...results[2].value!], sums(sizes, (at) => (left(at) - other(at)) ** 2));
  }, { runs: 30 });
});

test("tiles along the third axis, with and without remainders, are those of plain loops [wasm]", async () => {
  const drawn = fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    from: fc.integer({ min: 1, max: 5 }),
    to: fc.constantFrom(1, 2, 3, 4, 6, 8),
    side: fc.constantFrom(4, 5, 8, 11),
  });
  await checkProperty(drawn, async ({ batch, from, to, side }) => {
    const [x, w, v] = [
      whole([batch, from, side, side], 1),
      whole([to, from, 3, 3], 2),
      whole([to, from], 3),
    ];
    const results = [conv2d(x, w, { padding: 1 }), einsum("oc,bchw->bohw", [v, x])];
    await bring(results, { device: "wasm" });
    const [image, kernel, mixed] = [x, w, v].map((t) => t.value!);
    const at = (b: number, c: number, h: number, k: number) =>
      h < 0 || k < 0 || h >= side || k >= side ? 0 : image[((b * from + c) * side + h) * side + k];
    interface Cell {
      readonly b: number;
      readonly o: number;
      readonly h: number;
      readonly k: number;
      readonly c: number;
    }
    const cells = (element: (cell: Cell) => number) =>
      sums(
        [batch * to, side, side, from],
        ({ b, i, j, k }) => element({ b: Math.floor(b / to), o: b % to, h: i, k: j, c: k }),
      );
    const window = cells(({ b, o, h, k, c }) => {
      let total = 0;
      for (let u = 0; u < 9; u++) {
        total += kernel[(o * from + c) * 9 + u] * at(b, c, h + Math.floor(u / 3) - 1, k + u % 3 - 1);
      }
      return total;
    });
    assert.deepEqual([...results[0].value!].map((v) => v + 0), window.map((v) => v + 0));
    const mixture = cells(({ b, o, h, k, c }) => mixed[o * from + c] * at(b, c, h, k));
    assert.deepEqual([...results[1].value!].map((v) => v + 0), mixture.map((v) => v + 0));
  }, { runs: 20 });
});

test("what only some columns need is that of plain loops, however they lie among vectors and rows [wasm]", async () => {
  const drawn = fc.record({
    stacks: fc.constantFrom(1, 2, 3),
    rows: extent,
    columns: extent,
    modulus: fc.constantFrom(1, 2, 5, 19, 1000),
    isOfRows: fc.boolean(),
    order: fc.constantFrom("as it is", "reversed", "transposed"),
  });
  await checkProperty(drawn, async ({ stacks, rows, columns, modulus, isOfRows, order }) => {
    const shape = [stacks, rows, columns];
    const chosen = tensor(
      Float32Array.from({ length: stacks * (isOfRows ? rows : 1) * columns }, (_, i) => i * 7 % modulus === 0 ? 1 : 0),
      [stacks, isOfRows ? rows : 1, columns],
    );
    const elements = whole(order === "transposed" ? [stacks, columns, rows] : shape, 1);
    const [weights, classes] = [2, 3].map((seed) => whole([stacks, 1, columns], seed));
    const ordered = order === "reversed"
      ? flip(elements, 2)
      : order === "transposed"
      ? transpose(elements, [0, 2, 1])
      : elements;
    const own = where(equal(classes, unsqueeze(arange(rows), 1)), 1, 0);
    // Another decision within the first.
    const value = where(greater(weights, 2), exp(mul(2, ordered)), mul(weights, sub(exp(ordered), own)));
    const result = where(greater(chosen, 0.5), value, ordered);
    await bring([result], { device: "wasm" });
    const [needs, x, w, k] = [chosen, elements, weights, classes].map((t) => t.value!);
    result.value!.forEach((actual, at) => {
      const [j, row] = [at % columns, Math.floor(at / columns)];
      const [b, i] = [Math.floor(row / rows), row % rows];
      const places = { "as it is": at, reversed: at + columns - 1 - 2 * j, transposed: (b * columns + j) * rows + i };
      const [y, column] = [x[places[order]], b * columns + j];
      const wanted = w[column] > 2 ? Math.exp(2 * y) : w[column] * (Math.exp(y) - (k[column] === i ? 1 : 0));
      const expected = needs[isOfRows ? at : column] ? wanted : y;
      const error = Math.abs(actual - expected);
      assert.ok(error <= 1e-6 * (1 + Math.abs(expected)) * 20, `[${b}, ${i}, ${j}] is ${actual}, not ${expected}`);
    });
  }, { runs: 25 });
});

test("an element has the same bits wherever it is among rows, columns and stacks [wasm]", async () => {
  const drawn = fc.record({ batch: fc.constantFrom(1, 3), rows: extent, columns: extent, length: inner });
  await checkProperty(drawn, async ({ batch, rows, columns, length }) => {
    // All rows are alike, and all columns.
    const numbers = Float32Array.from({ length }, (_, k) => Math.sin(k * 1.7) * 3);
    const row = (count: number) => {
      const all = new Float32Array(count * length);
      for (let i = 0; i < count; i++) all.set(numbers, i * length);
      return all;
    };
    const a = tensor(row(batch * rows), [batch, rows, length]);
    const b = tensor(row(columns), [columns, length]);
    const product = matmul(a, transpose(b));
    await bring([product], { device: "wasm" });
    assert.deepEqual([...new Set(product.value!)].length, 1);
  }, { runs: 25 });
});

test("a long sum has the error of its parts, not of its length [wasm]", async () => {
  const [rows, length] = [8, 1 << 15];
  const random = Float32Array.from({ length: rows * length }, (_, i) => 0.5 + Math.abs(Math.sin(i * 12.9898)) / 2);
  const a = tensor(random, [rows, length]);
  const product = matmul(a, transpose(a));
  await bring([product], { device: "wasm" });
  const expected = sums([1, rows, rows, length], ({ i, j, k }) => random[i * length + k] * random[j * length + k]);
  product.value!.forEach((v, i) => {
    // One after the other is off by some 1e-5.
    assert.ok(Math.abs(v / expected[i] - 1) < 2e-6, `${v} is ${v / expected[i] - 1} off`);
  });
});

test("units write different elements, all of the result and nothing else", async () => {
  const drawn = fc.record({
    batch: fc.constantFrom(1, 2, 3),
    rows: extent,
    columns: extent,
    length: inner,
    isStrip: fc.boolean(),
  });
  await checkProperty(drawn, ({ batch, rows, columns, length, isStrip }) => {
    const output = isStrip
      ? sum(sigmoid(whole([batch, 32, 250 + rows * columns], 1)), 1)
      : matmul(whole([batch, rows, length], 1), whole([length, columns], 2));
    const { leaves } = new Program([output]);
    const { steps: [step], leaves: arrays } = makePlan([output], leaves, wasm);
    const sizes = step.args.map(({ from, ...source }) =>
      from === "leaf" && "index" in source ? arrays[source.index].size : 0
    );
    const kernel = writeKernel("k", step.form!, { sizes, iterations: step.kernel.iterations });
    const { units, scratch = 0 } = kernel;
    const { size } = output;
    const { numbers, result: first, own, end, run } = placed(kernel, [size, ...sizes]);
    const written = new Set<number>();
    for (let unit = units - 1; unit >= 0; unit--) {
      // No element of the result is as large.
      numbers.fill(1e9, MARGIN / 2, first + size + MARGIN / 2).fill(1e9, own - MARGIN, own).fill(
        1e9,
        own + scratch,
        end,
      );
      run(unit, unit + 1);
      numbers.forEach((value, i) => {
        const isResult = i >= first && i < first + size;
        const isMargin = !isResult && (i >= MARGIN / 2 && i < first + size + MARGIN / 2);
        if (isMargin || (i >= own - MARGIN && i < own) || (i >= own + scratch && i < end)) assert.equal(value, 1e9);
        if (!isResult || value === 1e9) return;
        assert.ok(!written.has(i), `unit ${unit} writes element ${i - first} once more`);
        written.add(i);
      });
    }
    assert.equal(written.size, size);
  }, { runs: 15 });
});

function formOf(output: Tensor): LoopForm {
  const { leaves } = new Program([output]);
  const { steps } = makePlan([output], leaves, wasm);
  assert.equal(steps.length, 1);
  return steps[0].form!;
}

/** The reads of each argument in all loops. */
function readsIn(body: readonly Statement[]): number[] {
  const counts = [0, 0];
  const visit = (statements: readonly Statement[]): void => {
    for (const { argument } of readsOf(statements)) counts[argument]++;
    for (const statement of statements) {
      if (statement.kind === "loop" || statement.kind === "branch") visit(statement.body);
    }
  };
  visit(body);
  return counts;
}

test("long sums of few threads are divided into units, and short ones are not", () => {
  const unitsOf = (shape: readonly number[]) => {
    const output = sum(exp(whole(shape, 1)));
    const { leaves } = new Program([output]);
    const { steps: [{ form, kernel }] } = makePlan([output], leaves, wasm);
    return writeKernel("k", form!, { sizes: [whole(shape, 1).size], iterations: kernel.iterations }).units;
  };
  assert.deepEqual([[32, 256, 256], [512, 512], [1000]].map(unitsOf), [4, 8, 1]);
});

test("rows share what does not depend on them, along the axis where they share most", () => {
  const form = formOf(matmul(whole([64, 32], 1), whole([32, 48], 2)));
  const jam = chooseJam(form)!;
  assert.deepEqual(jam, { axis: 1, rows: 4 });
  const { body, results } = jammed(form, jam);
  assert.equal(results.length, 4);
  assert.deepEqual(readsIn(body), [4, 1]);
  assert.equal(panelsOf(body, form.threads[0], []).of.size, 1);
  // The image is read once for four kernels, whose number is a remainder of the third axis.
  const window = formOf(conv2d(whole([2, 3, 16, 16], 1), whole([8, 3, 3, 3], 2)));
  assert.deepEqual(chooseJam(window)?.axis, 2);
  assert.deepEqual(readsIn(jammed(window, chooseJam(window)!).body), [1, 4]);
});

test("rows that leave out the same columns do so together, and vectors by themselves", () => {
  const chosen = greater(whole([1, 70], 3), 0);
  const form = formOf(where(chosen, exp(sub(whole([8, 70], 1), whole([1, 70], 2))), 0));
  assert.deepEqual(chooseJam(form), { axis: 1, rows: 4 });
  const written = codeText(writeKernel("k", form, { sizes: [70, 560, 70], iterations: 0 }).code);
  const asked = written.match(/v128\.any_true \(local\.get/g) ?? [];
  // Each of the two vectors of a block.
  assert.equal(asked.length, 2, written);
  // Each row has columns of its own.
  assert.equal(chooseJam(formOf(where(greater(whole([8, 70], 3), 0), exp(whole([8, 70], 1)), 0))), null);
});

test("rows of a transposed array are read together, in vectors", () => {
  const form = formOf(mul(transpose(whole([70, 8], 1)), whole([8, 70], 2)));
  assert.deepEqual(chooseJam(form), { axis: 1, rows: 4 });
  const written = codeText(writeKernel("k", form, { sizes: [560, 560], iterations: 0 }).code);
  assert.doesNotMatch(written, /load32/);
  assert.match(written, /i8x16\.shuffle/);
});

test("kernels whose threads share nothing in loops run row by row", () => {
  assert.equal(chooseJam(formOf(sum(whole([8, 9, 70], 1), 1))), null);
  assert.equal(chooseJam(formOf(sub(whole([8, 70], 1), whole([1, 70], 2)))), null);
});
