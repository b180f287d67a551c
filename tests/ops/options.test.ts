/**
 * Arguments of the public functions beyond those drawn from the registry: options, defaults, axes from the end,
 * numbers, dtypes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  all,
  any,
  arange,
  argmax,
  argsort,
  broadcastTo,
  cast,
  clamp,
  concat,
  crossEntropy,
  div,
  equal,
  exp,
  flip,
  full,
  greater,
  logSoftmax,
  logSumExp,
  matmul,
  max,
  maximum,
  mean,
  min,
  mul,
  neg,
  pad,
  pow,
  prod,
  rank,
  reshape,
  scatterAdd,
  slice,
  smoothL1,
  softmax,
  sort,
  square,
  squeeze,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
  topK,
  topKMask,
  transpose,
  unsqueeze,
  useDevice,
  where,
} from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose } from "./compare.ts";

await useDevice("float64");

const x = tensor([[1, 5, 2], [4, 3, 6]]);
const ints = (...values: number[]) => tensor(new Int32Array(values));
const same = async (actual: Tensor, expected: unknown, message?: string) =>
  assert.deepEqual(await actual.toArray(), expected, message);

test("reductions take one axis, several, or all, from the front or the end [float64]", async () => {
  await same(sum(x, 0), [5, 8, 8]);
  await same(sum(x, -1), [8, 13]);
  await same(sum(x, [0, 1]), 21);
  await same(sum(x, [-1, 0]), 21);
  await same(sum(x), 21);
  await same(sum(x, []), [[1, 5, 2], [4, 3, 6]]);
  await same(sum(tensor(3)), 3);
  await same(mean(x, -2), [2.5, 4, 4]);
});

test("keepDims keeps the reduced axes with length 1 [float64]", async () => {
  const keep = { keepDims: true };
  await same(sum(x, 1, keep), [[8], [13]]);
  await same(sum(x, undefined, keep), [[21]]);
  await same(mean(x, 0, keep), [[2.5, 4, 4]]);
  await same(max(x, -1, keep), [[5], [6]]);
  await same(min(x, 0, keep), [[1, 3, 2]]);
  await same(prod(x, 1, keep), [[10], [72]]);
  await same(argmax(x, 1, keep), [[1], [2]]);
  await same(any(greater(x, 5), 1, keep), [[false], [true]]);
  await same(all(greater(x, 0), 0, keep), [[true, true, true]]);
  assert.deepEqual([...logSumExp(x, 0, keep).shape], [1, 3]);
});

test("argmax without an axis counts positions in row-major order [float64]", async () => {
  await same(argmax(x), 5);
  await same(argmax(x, 0), [1, 0, 1]);
  await same(argmax(x, -1), [1, 2]);
});

test("reductions of an empty array return the identity [float64]", async () => {
  const empty = tensor([], [2, 0]);
  await same(sum(empty, 1), [0, 0]);
  await same(prod(empty, 1), [1, 1]);
  await same(mean(empty, 1), [NaN, NaN]);
  await same(logSumExp(empty, 1), [-Infinity, -Infinity]);
  await same(any(cast(empty, "bool"), 1), [false, false]);
  await same(all(cast(empty, "bool"), 1), [true, true]);
  await same(max(empty, 0), []);
});

/** Python's slice of a list. */
function pythonSlice<T>(list: readonly T[], start: number | null, end: number | null, step: number): T[] {
  const n = list.length;
  const clip = (i: number, low: number, high: number) => Math.min(high, Math.max(low, i < 0 ? i + n : i));
  const out: T[] = [];
  if (step > 0) {
    const stop = end === null ? n : clip(end, 0, n);
    for (let i = start === null ? 0 : clip(start, 0, n); i < stop; i += step) out.push(list[i]);
  } else {
    const stop = end === null ? -1 : clip(end, -1, n - 1);
    for (let i = start === null ? n - 1 : clip(start, -1, n - 1); i > stop; i += step) out.push(list[i]);
  }
  return out;
}

test("slice accepts bounds, steps and indices as in Python [float64]", async () => {
  const bound = fc.option(fc.integer({ min: -8, max: 8 }));
  const step = fc.integer({ min: -3, max: 3 }).filter((s) => s !== 0);
  await checkProperty(fc.tuple(fc.integer({ min: 0, max: 6 }), bound, bound, step), async ([n, start, end, by]) => {
    const list = Array.from({ length: n }, (_, i) => i);
    await same(slice(tensor(list, [n]), [[start, end, by]]), pythonSlice(list, start, end, by));
  }, { runs: 200 });
  await same(slice(x, [1]), [4, 3, 6]);
  await same(slice(x, [null, -1]), [2, 6]);
  await same(slice(x, [0, 1]), 5);
  await same(slice(x, [[0, 1], 2]), [2]);
  await same(slice(x, []), [[1, 5, 2], [4, 3, 6]]);
  await same(slice(x, [null, [null, null, -1]]), [[2, 5, 1], [6, 3, 4]]);
});

test("the defaults of movement ops [float64]", async () => {
  await same(transpose(x), [[1, 4], [5, 3], [2, 6]]);
  await same(transpose(x, [-1, -2]), [[1, 4], [5, 3], [2, 6]]);
  await same(flip(x), [[6, 3, 4], [2, 5, 1]]);
  await same(flip(x, [-1]), [[2, 5, 1], [6, 3, 4]]);
  await same(reshape(x, [-1]), [1, 5, 2, 4, 3, 6]);
  await same(reshape(x, [3, -1]), [[1, 5], [2, 4], [3, 6]]);
  await same(squeeze(tensor([[[7], [8]]])), [7, 8]);
  await same(squeeze(tensor([[[7], [8]]]), [-1, 0]), [7, 8]);
  await same(squeeze(tensor([[[7], [8]]]), -1), [[7, 8]]);
  await same(unsqueeze(tensor([7, 8]), -1), [[7], [8]]);
  await same(pad(tensor([1]), [[1, 2]]), [0, 1, 0, 0]);
  await same(pad(tensor([1]), [[0, 1]], -Infinity), [1, -Infinity]);
  await same(concat([x, x]), [[1, 5, 2], [4, 3, 6], [1, 5, 2], [4, 3, 6]]);
  await same(concat([x, tensor([[7], [8]])], -1), [[1, 5, 2, 7], [4, 3, 6, 8]]);
  await same(stack([tensor([1, 2]), tensor([3, 4])], -1), [[1, 3], [2, 4]]);
  await same(broadcastTo(tensor(1), [2, 2]), [[1, 1], [1, 1]]);
});

test("ordering defaults to the last axis [float64]", async () => {
  await same(sort(x), [[1, 2, 5], [3, 4, 6]]);
  await same(sort(x, 0, { descending: true }), [[4, 5, 6], [1, 3, 2]]);
  await same(argsort(x), [[0, 2, 1], [1, 0, 2]]);
  await same(rank(x, -2), [[0, 1, 0], [1, 0, 1]]);
  await same(topKMask(x, 1), [[false, true, false], [false, false, true]]);
  const { values, indices } = topK(x, 2);
  await same(values, [[5, 2], [6, 4]]);
  await same(indices, [[1, 2], [2, 0]]);
  const column = topK(x, 1, 0);
  await same(column.values, [[4, 5, 6]]);
  await same(column.indices, [[1, 0, 1]]);
});

test("order is stable: the lower index first among equals, ascending and descending [float64]", async () => {
  const ties = tensor([2, 1, 2, 1, 2]);
  await same(argsort(ties), [1, 3, 0, 2, 4]);
  await same(argsort(ties, 0, { descending: true }), [0, 2, 4, 1, 3]);
  await same(rank(ties), [2, 0, 3, 1, 4]);
  await same(topK(ties, 2).indices, [0, 2]);
  await same(topKMask(ties, 2), [true, false, true, false, false]);
});

test("topKMask accepts a tensor of counts, one per row [float64]", async () => {
  await same(topKMask(x, tensor(new Int32Array([0, 2]), [2, 1])), [[false, false, false], [true, false, true]]);
  const wide = tensor(Array.from({ length: 600 }, (_, i) => (i * 7) % 300), [2, 300]);
  const mask = topKMask(wide, tensor(new Int32Array([3, 299]), [2, 1]));
  await same(sum(cast(mask, "int"), 1), [3, 299]);
});

test("losses: their defaults and reductions [float64]", async () => {
  const labels = ints(2, 0);
  const near = async (t: Tensor, expected: number[]) => assertClose(await t.data(), expected, () => 1e-12, "loss");
  const rows = [[1, 5, 2], [4, 3, 6]].map((row, i) => {
    const total = row.reduce((s, v) => s + Math.exp(v), 0);
    return Math.log(total) - row[[2, 0][i]];
  });
  await near(crossEntropy(x, labels), [(rows[0] + rows[1]) / 2]);
  await near(crossEntropy(x, labels, { reduction: "sum" }), [rows[0] + rows[1]]);
  await near(crossEntropy(x, labels, { reduction: "none" }), rows);
  await near(crossEntropy(transpose(x), labels, { axis: 0, reduction: "none" }), rows);
  await near(crossEntropy(tensor([1, 5, 2]), tensor(2, [], { dtype: "int" })), [rows[0]]);
  await near(smoothL1(tensor([0, 0, 0]), tensor([0.5, 1, 3])), [(0.125 + 0.5 + 2.5) / 3]);
  await near(smoothL1(tensor([3, 1]), 1, { beta: 4, reduction: "none" }), [0.5, 0]);
  await near(smoothL1(tensor([3, -1]), 1, { beta: 0, reduction: "sum" }), [4]);
  await near(sum(softmax(x), 1), [1, 1]);
  await near(sub(logSoftmax(x, 0), add(x, neg(logSumExp(x, 0)))), [0, 0, 0, 0, 0, 0]);
});

test("matmul multiplies matrices, vectors and batches [float64]", async () => {
  const w = tensor([[1, 0], [0, 1], [2, 2]]);
  await same(matmul(x, w), [[5, 9], [16, 15]]);
  await same(matmul(x, tensor([1, 1, 1])), [8, 13]);
  await same(matmul(tensor([1, 2]), x), [9, 11, 14]);
  await same(matmul(tensor([1, 2]), tensor([3, 4])), 11);
  await same(matmul(stack([x, x], 0), w), [[[5, 9], [16, 15]], [[5, 9], [16, 15]]]);
});

test("numbers, booleans and nested arrays are accepted as tensors [float64]", async () => {
  await same(add(1, x), [[2, 6, 3], [5, 4, 7]]);
  await same(sub(10, [1, 2]), [9, 8]);
  await same(mul([[1], [2]], [1, 2, 3]), [[1, 2, 3], [2, 4, 6]]);
  await same(where(true, [1, 2], 3), [1, 2]);
  await same(where([true, false], 1, 2), [1, 2]);
  await same(maximum(2, [1, 2, 3]), [2, 2, 3]);
  await same(clamp(x, 2, 4), [[2, 4, 2], [4, 3, 4]]);
  await same(clamp(x, 2), [[2, 5, 2], [4, 3, 6]]);
  await same(clamp(x, undefined, 4), [[1, 4, 2], [4, 3, 4]]);
  await same(scatterAdd(tensor([1, 1]), ints(1, 1), 2, 0), [1, 5]);
});

test("the result dtype of each combination of dtypes [float64]", () => {
  const [f, i, b] = [tensor([1.5, 2]), ints(3, 4), tensor([true, false])];
  const table: [Tensor, string][] = [
    [add(i, i), "int"],
    [add(i, f), "float"],
    [add(b, b), "int"],
    [add(i, 1), "int"],
    [add(i, 1.5), "float"],
    [add(f, 1), "float"],
    [div(i, i), "float"],
    [exp(i), "float"],
    [pow(i, i), "float"],
    [pow(i, 2), "float"],
    [neg(i), "int"],
    [square(i), "int"],
    [maximum(i, i), "int"],
    [equal(i, f), "bool"],
    [where(b, i, i), "int"],
    [where(b, i, f), "float"],
    [where(b, b, b), "bool"],
    [sum(i), "int"],
    [sum(b), "int"],
    [mean(i), "float"],
    [max(i), "int"],
    [argmax(f), "int"],
    [any(b), "bool"],
    [clamp(i, 0, 5), "int"],
    [clamp(i, 0, 5.5), "float"],
    [concat([i, b]), "int"],
    [concat([i, f]), "float"],
    [stack([b, b]), "bool"],
    [reshape(b, [2, 1]), "bool"],
    [sort(i), "int"],
    [topK(i, 1).values, "int"],
    [topK(f, 1).indices, "int"],
    [rank(f), "int"],
    [topKMask(f, 1), "bool"],
    [cast(f, "int"), "int"],
    [cast(i, "bool"), "bool"],
    [arange(3), "int"],
    [arange(0, 1, 0.5), "float"],
    [full([1], true), "bool"],
  ];
  table.forEach(([t, dtype], n) => assert.equal(t.dtype, dtype, `row ${n}, made by "${t.op.name}"`));
});

test("casts truncate towards zero, and nonzero values are true [float64]", async () => {
  assert.deepEqual([...await cast(tensor([-1.7, -0.2, 0.2, 1.7]), "int").data()], [-1, 0, 0, 1]);
  await same(cast(tensor([-0.5, 0, 2]), "bool"), [true, false, true]);
  await same(cast(tensor([true, false]), "float"), [1, 0]);
  const f = tensor([1]);
  assert.equal(cast(f, "float"), f);
});
