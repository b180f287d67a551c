/** Kernels over rows of few columns on `wasm`, which are written for whole rows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wasm } from "../../core/backends/wasm.ts";
import { residuesOf } from "../../core/backends/wasm/residues.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { Program } from "../../core/program.ts";
import {
  add,
  arange,
  cbrt,
  concat,
  div,
  equal,
  exp,
  flip,
  greater,
  mul,
  pad,
  realize,
  reshape,
  round,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  where,
} from "../../mod.ts";
import { checkProperty } from "../support/property.ts";

/** Whole numbers from -3 to 3, in no order. */
function whole(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, (_, i) => (i * 31 + (i % 101) * seed) % 7 - 3), shape);
}

/** What makes `[batch, rows, columns]` of the same shape, where rows and columns are told apart. Numbers stay whole. */
const STEPS: readonly ((x: Tensor, first: Tensor) => Tensor)[] = [
  (x, first) => mul(sub(x, first), slice(first, columns(0, 1))),
  (x) => flip(x, 2),
  (x) => concat([slice(x, columns(1, null)), slice(x, columns(0, 1))], 2),
  (x) => pad(slice(x, columns(1, null)), [[0, 0], [0, 0], [1, 0]]),
  (x) => pad(slice(x, columns(0, -1)), [[0, 0], [0, 0], [0, 1]]),
  // What is costly is computed only where it is needed.
  (x, first) => where(greater(x, first), round(cbrt(mul(x, square(flip(x, 2))))), x),
  (x) => add(x, arange(x.shape.at(-1)!)),
  (x, first) => where(equal(slice(first, columns(0, 1)), arange(x.shape.at(-1)!)), sub(0, x), x),
  (x, first) => where(greater(x, first), slice(x, columns(-1, null)), first),
  (x) => sub(x, reshape(transpose(reshape(x, [-1, x.shape.at(-1)!])), x.shape)),
  // Parts of the columns, if there are as many.
  (x) => x.shape.at(-1)! % 2 > 0 ? x : mul(x, reshape(flip(reshape(x, [...x.shape.slice(0, -1), -1, 2]), -1), x.shape)),
  // Quotients of some kernels, which no other shape divides.
  (x) => reshape(flip(reshape(x, [x.shape[0], -1]), 1), x.shape),
];

function columns(from: number, to: number | null): [number, number | null][] {
  return [[0, null], [0, null], [from, to]];
}

test("rows of few columns have the values of the oracle [wasm]", async () => {
  const drawn = fc.record({
    shape: fc.tuple(
      fc.constantFrom(1, 3),
      fc.constantFrom(1, 4, 5, 17, 130),
      fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 12, 21),
    ),
    steps: fc.array(fc.nat(STEPS.length - 1), { minLength: 1, maxLength: 4 }),
  });
  await checkProperty(drawn, async ({ shape, steps }) => {
    const x = whole(shape, 5);
    const result = () => steps.reduce((value, step) => STEPS[step](value, x), x);
    const [actual, expected] = [result(), result()];
    const [a, b] = [await actual.data({ device: "wasm" }), await expected.data({ device: "float64" })];
    assert.equal(a.length, b.length);
    const wrong = a.findIndex((v, i) => v !== b[i]);
    assert.equal(wrong, -1, `element ${wrong}: ${a[wrong]}, not ${b[wrong]}`);
  }, { runs: 25 });
});

test("a row of few columns is computed at once, unless it is too long or has a loop", () => {
  const isWhole = (result: Tensor): boolean[] => {
    const { leaves } = new Program([result]);
    return makePlan([result], leaves, wasm).steps.map(({ form }) => residuesOf(form!) !== null);
  };
  const boxes = whole([1, 300, 4], 3);
  assert.deepEqual(isWhole(STEPS[2](boxes, boxes)), [true]);
  assert.deepEqual(isWhole(exp(STEPS[0](boxes, boxes))), [true]);
  assert.deepEqual(isWhole(exp(boxes)), [false], "no columns");
  const scores = whole([1, 300, 64], 3);
  assert.deepEqual(isWhole(div(1, exp(STEPS[0](scores, scores)))), [false], "too long");
  assert.deepEqual(isWhole(STEPS[1](whole([1, 300, 65], 3), boxes)), [false], "too wide");
  assert.deepEqual(isWhole(STEPS[1](whole([1, 3, 4], 3), boxes)), [false], "fewer rows than lanes");
  assert.ok(
    isWhole(sub(boxes, sum(exp(boxes), 2, { keepDims: true }))).includes(true),
    "beside a loop of another kernel",
  );
});

test("results of rows are those of all threads, in the order of the rows [wasm]", async () => {
  const rows = 10_000;
  for (const wide of [2, 3, 4]) {
    const [x, scale] = [whole([rows, wide], 3), whole([rows, 1], 5)];
    const result = add(mul(x, scale), arange(wide));
    await realize([result], { device: "wasm" });
    const [values, a, b] = [await result.data({ device: "wasm" }), await x.data(), await scale.data()];
    const wrong = values.findIndex((v, i) => v !== a[i] * b[Math.floor(i / wide)] + i % wide);
    assert.equal(wrong, -1, `${wide} columns, element ${wrong}`);
  }
});
