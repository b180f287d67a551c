/** Values accepted for tensors, indices and axes; printing and reading tensors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  arange,
  argmax,
  backward,
  cast,
  concat,
  crossEntropy,
  exp,
  flip,
  gather,
  grad,
  matmul,
  mul,
  oneHot,
  pad,
  reshape,
  scatterAdd,
  slice,
  softmax,
  sort,
  square,
  squeeze,
  stack,
  sum,
  take,
  type Tensor,
  tensor,
  topK,
  topKMask,
  transpose,
  unsqueeze,
  useDevice,
  where,
  zeros,
} from "../../mod.ts";
import { checkProperty } from "../support/property.ts";

await useDevice("float64");

const same = async (actual: Tensor, expected: unknown) => assert.deepEqual(await actual.toArray(), expected);

test("arrays of numbers and typed arrays are accepted as tensors [float64]", async () => {
  await same(reshape([1, 2, 3, 4], [2, 2]), [[1, 2], [3, 4]]);
  await same(add(new Float32Array([1, 2]), [new Float64Array([10, 20])]), [[11, 22]]);
  await same(transpose([[1, 2]]), [[1], [2]]);
  await same(concat([[1, 2], tensor([3]), new Float32Array([4])]), [1, 2, 3, 4]);
  await same(stack([1, tensor(2)]), [1, 2]);
  await same(matmul([[1, 2]], [[3], [4]]), [[11]]);
  await same(slice([1, 2, 3], [[1, null]]), [2, 3]);
  await same(flip([1, 2]), [2, 1]);
  await same(squeeze([[1, 2]]), [1, 2]);
  await same(sort([3, 1, 2]), [1, 2, 3]);
  await same(topK([3, 1, 2], 1).values, [3]);
  await same(topKMask([[3, 1], [1, 2]], [[1], [1]]), [[true, false], [false, true]]);
  await same(softmax([5]), [1]);
  await same(pad([true], [[1, 0]], true), [true, true]);
  const x = tensor([1, 2]);
  await same(grad(square(x), x, [10, 1]), [20, 4]);
  await same(grad(sum(x), x, 3), [3, 3]);
});

test("numbers are ints if indices are expected [float64]", async () => {
  await same(take([5, 6, 7], [2, 0]), [7, 5]);
  await same(take([5, 6, 7], 1), 6);
  await same(gather([[1, 2]], [[1]], 1), [[2]]);
  await same(scatterAdd([0, 0], [1, 1], [3, 4], 0), [0, 7]);
  await same(oneHot([1, 0], 2), [[0, 1], [1, 0]]);
  assert.equal(await crossEntropy([[0, 1000]], [1]).item(), 0);
  await same(take([5, 6], []), []);
});

test("typed arrays are float or int by their class, alone and as rows [float64]", async () => {
  const { Float16Array: Half } = globalThis as unknown as { Float16Array?: { from(values: number[]): Float32Array } };
  const kinds = [
    Float32Array,
    Float64Array,
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
  ];
  for (const Kind of [...kinds, Uint32Array, ...(Half ? [Half] : [])]) {
    const values = (Kind as { from(values: number[]): Float32Array }).from([1, 2]);
    const dtype = /^Float/.test(values[Symbol.toStringTag]) ? "float" : "int";
    assert.equal(tensor(values).dtype, dtype, values[Symbol.toStringTag]);
    const rows = tensor([values, values, values]);
    assert.deepEqual([rows.shape, rows.dtype], [[3, 2], dtype]);
    await same(rows, [[1, 2], [1, 2], [1, 2]]);
    await same(tensor([[values]]), [[[1, 2]]]);
  }
  assert.equal(tensor([new Int8Array(2), new Float32Array(2)]).dtype, "float");
  assert.equal(tensor([new Int8Array(2), [1, 2]]).dtype, "float");
  assert.deepEqual(tensor([new Int8Array(0), new Int8Array(0)]).shape, [2, 0]);
});

test("half-precision arrays are recognised by their tag, even if the runtime lacks the class", () => {
  class Float16Array extends Uint16Array {
    override get [Symbol.toStringTag]() {
      return "Float16Array" as "Uint16Array";
    }
  }
  assert.equal(tensor(Float16Array.from([1, 2])).dtype, "float");
});

test("an axis of -0 is axis 0, in the structure too [float64]", async () => {
  const x = tensor([[1, 2], [3, 4]]);
  assert.deepEqual(sum(x, -0).attributes, sum(x, 0).attributes);
  assert.ok(Object.is((gather(x, [[0, 0]], -0).attributes as { axis: number }).axis, 0));
  assert.deepEqual(unsqueeze(x, -0).shape, [1, 2, 2]);
  assert.deepEqual(zeros([-0]).attributes.shape, [0]);
  await same(slice(x, [-0, [-0, 1]]), [1]);
  await same(arange(-0, 2), [0, 1]);
});

test("map and reduce of arrays accept ops directly [float64]", async () => {
  const xs = [tensor([1, 2]), tensor([3, 4])];
  await same(stack(xs.map(square)), [[1, 4], [9, 16]]);
  await same(xs.reduce(add), [4, 6]);
});

test("values that a dtype holds are read unchanged, by every reader [float64]", async () => {
  const values = fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 5 });
  await checkProperty(values, async (list) => {
    const x = cast(tensor(list), "int");
    assert.deepEqual(await x.data(), Int32Array.from(list));
    assert.deepEqual(await x.toArray(), list);
    assert.equal(await take(x, 0).item(), list[0]);
  }, { runs: 20 });
  assert.ok(Object.is(await cast(tensor(-0.5), "int").item(), 0));
  assert.ok(Object.is(await cast(tensor(-0.5), "int").toArray(), 0));
  assert.ok(Object.is(await tensor(-0).item(), -0));
});

test("values that a dtype cannot hold cannot be read, and are shown as they are [float64]", async () => {
  const number = fc.oneof(
    fc.double().filter((v) => Math.trunc(v) > 2 ** 31 - 1 || Math.trunc(v) < -(2 ** 31)),
    fc.constantFrom(NaN, Infinity, -Infinity, 2 ** 31, -(2 ** 31) - 1, 1e10),
  );
  const place = fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 4 }), number);
  await checkProperty(place, async ([before, after, bad]) => {
    if (!(Math.trunc(bad) > 2 ** 31 - 1 || Math.trunc(bad) < -(2 ** 31) || Number.isNaN(bad))) return;
    const x = cast(tensor([...Array(before).fill(1), bad, ...Array(after).fill(2)]), "int");
    const says = new RegExp(`got .* at \\[${before}\\], made by "cast"$`);
    await assert.rejects(x.data(), says);
    await assert.rejects(x.toArray(), says);
    await assert.rejects(reshape(slice(x, [[before, before + 1]]), []).item(), /got .* at \[\]/);
    assert.match(String(x), /\(not int\)/);
  }, { runs: 20 });
});

test("tensors can be printed", () => {
  const x = tensor([1, 2]);
  const text = "Tensor([2], float, leaf, [1, 2])";
  assert.equal(`${x}`, text);
  assert.equal(String(x), text);
  // Called by the consoles of Node and Bun.
  assert.equal((x as unknown as Record<symbol, () => string>)[Symbol.for("nodejs.util.inspect.custom")](), text);
  console.log({ x: [x] });
  assert.equal(fc.stringify([x]).includes("Tensor"), true);
  // Printers of test frameworks call it this way, and console.log must not throw.
  assert.equal(x.toJSON(), text);
  assert.throws(() => assert.deepEqual(x, tensor([1, 3])), assert.AssertionError);
  assert.notEqual(x, tensor([1, 2]));
});

test("positions are exact up to the last one that a device can store [float64]", async () => {
  const n = 2 ** 24 + 2;
  const last = pad([1], [[n - 1, 0]]);
  assert.equal(await argmax(last).item(), n - 1);
  assert.equal(await argmax(slice(last, [[1, null]])).item({ device: "cpu" }), 2 ** 24);
  await assert.rejects(argmax(last).item({ device: "cpu" }), /argmax: expected at most 16777217 elements/);
});

test("mixed arguments of numbers and tensors have gradients with respect to the tensors [float64]", async () => {
  const x = tensor([1, 2], [2], { requiresGrad: true });
  backward(sum(mul(where([true, false], x, [5, 6]), [3, 4])));
  await same(x.grad!, [3, 0]);
  await same(grad(sum(exp(concat([x, [0]]))), x, 0), [0, 0]);
});
