import assert from "node:assert/strict";
import { test } from "node:test";
import type { Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import {
  add,
  arange,
  argmax,
  binaryCrossEntropyWithLogits,
  broadcastTo,
  cast,
  clamp,
  concat,
  crossEntropy,
  detach,
  div,
  exp,
  flip,
  full,
  gather,
  grad,
  greater,
  inspect,
  logicalAnd,
  matmul,
  max,
  mul,
  oneHot,
  ones,
  pad,
  random,
  rank,
  realize,
  reshape,
  scatterAdd,
  slice,
  smoothL1,
  softmax,
  sort,
  sqrt,
  squeeze,
  stack,
  sum,
  take,
  Tensor,
  tensor,
  topK,
  transpose,
  unsqueeze,
  useDevice,
  where,
  zeros,
} from "../../mod.ts";
import { extentOf, sampleOf } from "../support/cells.ts";

const device = await useDevice("float64");
const x = tensor([[1, 2, 3], [4, 5, 6]]);

/** The number of entries recorded for an entry, itself included. */
function entriesOf(...outputs: Tensor[]): Set<Tensor> {
  const seen = new Set<Tensor>(outputs);
  for (const entry of seen) for (const input of entry.inputs) seen.add(input);
  return seen;
}

test("recording computes nothing", () => {
  const compiled = device.compiled;
  const w = tensor([[1, 2], [3, 4], [5, 6]]);
  const y = softmax(matmul(exp(x), w), 1);
  const loss = sum(mul(y, where(greater(y, 0.5), 1, 2)));
  const dx = grad(loss, x);
  for (const entry of entriesOf(loss, dx)) if (entry.inputs.length > 0) assert.equal(entry.value, null);
  assert.equal(device.compiled, compiled);
});

test("an entry knows its op, inputs, shape, dtype and size", () => {
  const y = greater(x, tensor([2, 2, 2]));
  assert.equal(y.op.name, "greater");
  assert.equal(y.inputs[0], x);
  assert.deepEqual([...y.shape], [2, 3]);
  assert.equal(y.dtype, "bool");
  assert.equal(y.size, 6);
  assert.equal(y.requiresGrad, false);
  assert.equal(y.id > x.id, true);
});

test("toString shows an entry and computes nothing", async () => {
  const y = add(x, 1);
  assert.match(String(y), /^Tensor\(\[2, 3\], float, add\)$/);
  assert.equal(y.value, null);
  await realize([y]);
  assert.match(String(y), /\[2, 3, 4, 5, 6, 7\]/);
  assert.match(String(tensor(2, [], { requiresGrad: true })), /requiresGrad/);
  assert.match(String(arange(3)), /int/);
  const long = tensor(Array.from({ length: 100 }, (_, i) => i));
  assert.match(String(long), /\[0, 1, 2, 3, 4, 5, \.\.\.\]/);
  const inspected = (y as unknown as Record<symbol, () => string>)[Symbol.for("nodejs.util.inspect.custom")]();
  assert.equal(inspected, String(y));
});

test("tensors are created from numbers, booleans, nested and typed arrays", async () => {
  assert.deepEqual([...tensor(3).shape], []);
  assert.deepEqual([...tensor([]).shape], [0]);
  assert.deepEqual([...tensor([[], []]).shape], [2, 0]);
  assert.deepEqual([...tensor([[[1], [2]]]).shape], [1, 2, 1]);
  assert.deepEqual([...tensor(new Float32Array(6), [2, 3]).shape], [2, 3]);
  assert.equal(tensor([1.5]).dtype, "float");
  assert.equal(tensor([1, 2]).dtype, "float");
  assert.equal(tensor([true, false]).dtype, "bool");
  assert.equal(tensor(true).dtype, "bool");
  assert.equal(tensor(new Int32Array([1])).dtype, "int");
  assert.equal(tensor(new Uint8Array([1])).dtype, "int");
  assert.equal(tensor([1, 0], [2], { dtype: "bool" }).dtype, "bool");
  assert.equal(tensor([1, 0], [2], { dtype: "int" }).dtype, "int");
  assert.deepEqual(await tensor([[true], [false]]).toArray(), [[true], [false]]);
});

test("values are copied when a tensor is created and when it is read", async () => {
  const data = new Float32Array([1, 2]);
  const t = tensor(data);
  data[0] = 9;
  const read = await t.data();
  assert.deepEqual([...read], [1, 2]);
  read[1] = 9;
  assert.deepEqual([...await t.data()], [1, 2]);
  const y = add(t, 1);
  (await y.data())[0] = 9;
  assert.deepEqual([...await y.data()], [2, 3]);
});

test("a tensor's shape cannot be changed, and the caller's array of a shape stays the caller's", async () => {
  const makers: Record<string, (shape: number[]) => Tensor> = {
    tensor: (shape) => tensor([1, 2, 3, 4, 5, 6], shape),
    zeros,
    full: (shape) => full(shape, 1),
    reshape: (shape) => reshape([1, 2, 3, 4, 5, 6], shape),
    broadcastTo: (shape) => broadcastTo([[1], [2]], shape),
    normal: (shape) => random.normal(1, shape),
  };
  for (const [name, make] of Object.entries(makers)) {
    const shape = [2, 3];
    const t = make(shape);
    const both = add(t, t);
    shape.reverse();
    assert.deepEqual(shape, [3, 2], name);
    for (const held of [t.shape, both.shape]) {
      assert.deepEqual(held, [2, 3], name);
      assert.throws(() => (held as number[]).reverse(), TypeError, name);
      assert.throws(() => (held as number[]).push(1), TypeError, name);
    }
    assert.equal((await both.toArray() as number[][]).length, 2, name);
  }
});

test("what a tensor is cannot be assigned", () => {
  const x = tensor([1, 2, 3, 4]);
  for (const t of [x, add(x, 1)]) {
    for (
      const [name, value] of Object.entries({ shape: [2, 2], dtype: "int", requiresGrad: true, value: [1], inputs: [] })
    ) {
      assert.throws(() => Object.assign(t, { [name]: value }), TypeError, name);
    }
    assert.deepEqual([t.shape, t.dtype, t.requiresGrad], [[4], "float", false]);
  }
});

test("a tensor is no array of its elements: what iterates throws, rather than find none", () => {
  const x = tensor([1, 2]) as unknown as Iterable<number>;
  const message =
    /^TypeError: tensor: the elements of Tensor\(\[2\], float, leaf, \[1, 2\]\) cannot be iterated over; await x\.data\(\)/;
  assert.throws(() => Array.from(x), message);
  assert.throws(() => new Float32Array(x), message);
  assert.throws(() => Float64Array.from(x), message);
  assert.throws(() => [...x], message);
  assert.throws(() => new Set(x), message);
});

test("arrays are copied, in and out, unless a call says otherwise", async () => {
  const given = new Float64Array([1, 2]);
  const [copied, kept] = [tensor(given), tensor(given, [2, 1], { copy: false })];
  assert.equal(await kept.data({ copy: false }), given);
  assert.notEqual(await kept.data(), given);
  given[0] = 5;
  assert.deepEqual(await copied.toArray(), [1, 2]);
  assert.deepEqual(await kept.toArray(), [[5], [2]]);
  const results = mul(copied, 2);
  assert.equal(await results.data({ copy: false }), await results.data({ copy: false }));
  assert.notEqual(await results.data(), await results.data());
  // Data stored in another type than it was given in is copied all the same.
  const whole = new Int32Array([1, 2]);
  const ints = tensor(whole, [2], { copy: false });
  whole[0] = 7;
  assert.deepEqual(await ints.toArray(), [1, 2]);
});

test("the dtype decides which array data() returns", async () => {
  assert.ok(await tensor([1.5]).data() instanceof Float64Array, "float on the oracle");
  assert.ok(await tensor([1.5]).data({ device: "cpu" }) instanceof Float32Array, "float on a device");
  assert.ok(await arange(3).data() instanceof Int32Array, "int");
  assert.ok(await greater(x, 2).data() instanceof Uint8Array, "bool");
});

test("item returns the only element, toArray nested arrays", async () => {
  assert.equal(await sum(x).item(), 21);
  assert.equal(await tensor([[7]]).item(), 7);
  await assert.rejects(x.item(), /item: expected a tensor with one element, got shape \[2, 3\] with 6/);
  await assert.rejects(tensor([]).item(), /with 0/);
  assert.deepEqual(await x.toArray(), [[1, 2, 3], [4, 5, 6]]);
  assert.equal(await sum(x).toArray(), 21);
  assert.deepEqual(await zeros([2, 0]).toArray(), [[], []]);
  assert.deepEqual(await full([2], true).toArray(), [true, true]);
});

test("constants and progressions", async () => {
  assert.deepEqual(await zeros([2, 2]).toArray(), [[0, 0], [0, 0]]);
  assert.deepEqual(await ones([3]).toArray(), [1, 1, 1]);
  assert.deepEqual(await full([2], -2.5).toArray(), [-2.5, -2.5]);
  assert.deepEqual(await arange(4).toArray(), [0, 1, 2, 3]);
  assert.deepEqual(await arange(2, 8, 3).toArray(), [2, 5]);
  assert.deepEqual(await arange(3, 0, -1).toArray(), [3, 2, 1]);
  assert.deepEqual(await arange(0, 1, 0.25).toArray(), [0, 0.25, 0.5, 0.75]);
  assert.deepEqual([...arange(3, 3).shape], [0]);
  for (const t of [full([], NaN), full([], -Infinity), full([], -0)]) {
    const { value } = t.attributes as { value: number };
    assert.ok(Object.is(await t.item(), value) || value === 0, `full of ${value}`);
  }
});

/**
 * Calls that must be refused immediately. Each message names the op, the argument or its shape or axis, and the value
 * received; `says` lists what the message must contain.
 */
const refused: [what: string, call: () => unknown, says: RegExp[]][] = [
  ["add: axes that do not fit, of different ranks", () => add(x, tensor([1, 2])), [/^add: /, /\[2, 3\]/, /\[2\]/]],
  ["div: axes that do not fit", () => div(tensor([[1], [2]]), tensor([[1], [2], [3]])), [
    /^div: /,
    /\[2, 1\]/,
    /\[3, 1\]/,
  ]],
  ["where: a branch that does not fit", () => where(greater(x, 1), x, tensor([1, 2])), [/^where: /, /\[2\]/]],
  ["where: a condition that is no bool", () => where(x, x, x), [/^where: /, /bool/, /float/]],
  ["logicalAnd: a float", () => logicalAnd(x, greater(x, 1)), [/^logicalAnd: /, /bool/, /float/]],
  ["sum: an axis that does not exist", () => sum(x, 2), [/^sum: /, /axis/, /2/, /\[2, 3\]/]],
  ["sum: an axis given twice", () => sum(x, [0, 0]), [/^sum: /, /0/]],
  ["sum: an axis given twice, once from the end", () => sum(x, [0, -2]), [/^sum: /]],
  ["max: an axis that is not whole", () => max(x, 0.5), [/^max: /, /0\.5/]],
  ["max: nothing", () => max(tensor([])), [/^max: /, /\[0\]/]],
  ["argmax: an empty axis", () => argmax(zeros([3, 0]), 1), [/^argmax: /, /\[3, 0\]/]],
  ["reshape: another size", () => reshape(x, [4]), [/^reshape: /, /6/, /\[4\]/]],
  ["reshape: two open axes", () => reshape(x, [-1, -1]), [/^reshape: /, /-1/]],
  ["reshape: an open axis that does not divide the size", () => reshape(x, [-1, 4]), [
    /^reshape: /,
    /\[2, 3\]/,
    /-1, 4/,
  ]],
  ["transpose: too few axes", () => transpose(x, [0]), [/^transpose: /, /\[0\]/]],
  ["transpose: an axis given twice", () => transpose(x, [0, 0]), [/^transpose: /, /\[0, 0\]/]],
  ["broadcastTo: an axis that does not fit", () => broadcastTo(x, [3, 3]), [/^broadcastTo: /, /\[2, 3\]/, /\[3, 3\]/]],
  ["broadcastTo: fewer axes", () => broadcastTo(x, [3]), [/^broadcastTo: /, /\[2, 3\]/, /\[3\]/]],
  ["slice: more ranges than axes", () => slice(x, [[0, 1], null, null]), [/^slice: /, /3/, /\[2, 3\]/]],
  ["slice: a step of 0", () => slice(x, [[0, 2, 0]]), [/^slice: /, /step/, /0/]],
  ["concat: shapes that differ elsewhere", () => concat([x, tensor([[1, 2]])], 0), [
    /^concat: /,
    /\[2, 3\]/,
    /\[1, 2\]/,
  ]],
  ["concat: nothing", () => concat([], 0), [/^concat: /]],
  ["stack: different shapes", () => stack([x, tensor([1])], 0), [/^stack: /, /\[2, 3\]/, /\[1\]/]],
  ["pad: too few pairs", () => pad(x, [[1, 1]], 0), [/^pad: /, /\[2, 3\]/]],
  ["pad: a negative width", () => pad(x, [[-1, 0], [0, 0]], 0), [/^pad: /, /-1/]],
  ["flip: an axis that does not exist", () => flip(x, 2), [/^flip: /, /2/, /\[2, 3\]/]],
  ["squeeze: an axis that is not 1", () => squeeze(x, 0), [/^squeeze: /, /0/, /\[2, 3\]/]],
  ["unsqueeze: a place that does not exist", () => unsqueeze(x, 4), [/^unsqueeze: /, /4/, /\[2, 3\]/]],
  ["cast: an unknown dtype", () => cast(x, "double" as "float"), [/^cast: /, /double/]],
  ["gather: indices that are no ints", () => gather(x, tensor([[0.5, 1, 1]]), 0), [/^gather: /, /int/, /float/]],
  ["gather: indices of another rank", () => gather(x, tensor(new Int32Array([0])), 0), [
    /^gather: /,
    /\[2, 3\]/,
    /\[1\]/,
  ]],
  ["take: indices that are no ints", () => take(x, tensor([0.5])), [/^take: /, /int/, /float/]],
  ["take: an index out of range", () => take(x, tensor(new Int32Array([2]))), [/^take: /, /2/]],
  ["oneHot: indices that are no ints", () => oneHot(tensor([1.5]), 3), [/^oneHot: /, /int/, /float/]],
  ["oneHot: a depth that is not whole", () => oneHot(arange(3), 0.5), [/^oneHot: /, /depth/, /0\.5/]],
  ["scatterAdd: indices of another rank", () => scatterAdd(x, tensor(new Int32Array([0])), x, 0), [/^scatterAdd: /]],
  ["sort: a scalar", () => sort(tensor(1), 0), [/^sort: /, /\[\]/]],
  ["rank: an axis that does not exist", () => rank(x, 5), [/^rank: /, /5/]],
  ["topK: more than there are", () => topK(x, 4, 1), [/^topK: /, /k/, /4/, /3/]],
  ["matmul: axes that do not fit", () => matmul(x, x), [/^matmul: /, /\[2, 3\]/]],
  ["matmul: a scalar", () => matmul(tensor(1), x), [/^matmul: /, /\[\]/]],
  ["softmax: an axis that does not exist", () => softmax(x, 3), [/^softmax: /, /3/]],
  ["clamp: bounds in the wrong order", () => clamp(x, 2, 1), [/^clamp: /, /2/, /1/]],
  ["crossEntropy: labels that are no ints", () => crossEntropy(x, tensor([0.5, 1])), [
    /^crossEntropy: /,
    /int/,
    /float/,
  ]],
  ["crossEntropy: labels of another shape", () => crossEntropy(x, tensor(new Int32Array([0, 1, 2]))), [
    /^crossEntropy: /,
    /\[2\]/,
    /\[3\]/,
  ]],
  ["smoothL1: a negative beta", () => smoothL1(x, x, { beta: -1 }), [/^smoothL1: /, /beta/, /-1/]],
  ["smoothL1: a target that does not fit", () => smoothL1(x, tensor([1, 2])), [/^smoothL1: /, /\[2, 3\]/, /\[2\]/]],
  ["smoothL1: an unknown reduction", () => smoothL1(x, x, { reduction: "avg" as "mean" }), [
    /^smoothL1: /,
    /reduction/,
    /avg/,
  ]],
  ["binaryCrossEntropyWithLogits: targets that do not fit", () => binaryCrossEntropyWithLogits(x, tensor([1, 2])), [
    /^binaryCrossEntropyWithLogits: /,
    /\[2, 3\]/,
    /\[2\]/,
  ]],
  ["sqrt: a string", () => sqrt("four" as unknown as Tensor), [/^sqrt: /, /x to be a tensor/, /"four"/]],
  ["sqrt: undefined", () => sqrt(undefined as unknown as Tensor), [/^sqrt: /, /undefined/]],
  ["tensor: ragged nesting", () => tensor([[1], [2, 3]]), [/^tensor: /, /2 elements/]],
  ["tensor: data of another size than the shape", () => tensor([1, 2, 3], [2]), [/^tensor: /, /\[2\]/, /3/]],
  ["tensor: a negative axis", () => tensor([1], [-1]), [/^tensor: /, /-1/]],
  ["tensor: a fraction as an int", () => tensor([0.5], [1], { dtype: "int" }), [/^tensor: /, /0\.5/, /int/]],
  ["tensor: 2 as a bool", () => tensor([2], [1], { dtype: "bool" }), [/^tensor: /, /2/, /bool/]],
  ["tensor: an int beyond 2^24", () => tensor([2 ** 24 + 2], [1], { dtype: "int" }), [/^tensor: /, /2\^24/]],
  ["tensor: a string", () => tensor(["a"] as unknown as number[]), [/^tensor: /, /"a" as data\[0\]/]],
  ["tensor: an int that requires a gradient", () => tensor([1], [1], { dtype: "int", requiresGrad: true }), [
    /^tensor: /,
    /requiresGrad/,
    /int/,
  ]],
  ["arange: a step of 0", () => arange(0, 5, 0), [/^arange: /, /step/, /0/]],
  ["full: an axis that is not whole", () => full([1.5], 0), [/^full: /, /1\.5/]],
];

for (const [what, call, says] of refused) {
  test(`refused immediately: ${what}`, () => {
    assert.throws(call, (error: Error) => {
      for (const pattern of says) assert.match(error.message, pattern);
      return true;
    });
  });
}

test("realize refuses values that are not tensors", async () => {
  await assert.rejects(realize([1 as unknown as Tensor]), /realize: expected tensors\[0\] to be a tensor, .*, got 1/);
});

/** The number of entries that a walk visits, by counting reads of `inputs`. */
function countReads(entries: Iterable<Tensor>, during: () => void): number {
  let reads = 0;
  for (const entry of entries) {
    const { inputs } = entry;
    Object.defineProperty(entry, "inputs", { configurable: true, get: () => (reads++, inputs) });
  }
  during();
  return reads;
}

/** How often the planner queries the ops of a graph. */
let asked = 0;

/** Addition and multiplication that count how often their kernels are queried for cost or expression. */
function counted(name: string, scalar: string, vjp: Op["vjp"]): (a: Tensor, b: Tensor) => Tensor {
  const op: Op = {
    name,
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: {
      kind: "elementwise",
      get cost() {
        asked++;
        return 1;
      },
      expression: ([a, b], _, { call }) => {
        asked++;
        return call(scalar, a, b);
      },
    },
    vjp,
  };
  return (a, b) => record(op, [a, b]);
}

const plus = counted("plus", "add", [({ cotangent }) => cotangent, ({ cotangent }) => cotangent]);
const times = counted("times", "mul", [
  ({ cotangent, inputs: [, b] }) => times(cotangent, b),
  ({ cotangent, inputs: [a] }) => times(cotangent, a),
]);

const graphs: Record<string, (n: number) => Tensor> = {
  "a chain": (n) => {
    let y: Tensor = tensor([1, 2]);
    const one = ones([2]);
    for (let i = 0; i < n; i++) y = plus(y, one);
    return y;
  },
  "a sum of leaves": (n) => {
    let y: Tensor = tensor([1, 2]);
    for (let i = 0; i < n / 2; i++) y = plus(y, tensor([i, 1]));
    return y;
  },
  "one entry used over and over": (n) => {
    const shared = exp(tensor([0, 0]));
    let y: Tensor = shared;
    for (let i = 0; i < n; i++) y = times(y, shared);
    return y;
  },
  "entries that are used twice": (n) => {
    let y: Tensor = tensor([1e-3, 0]);
    const half = full([2], 0.5);
    // Each entry doubles the number of paths from end to start: a walk along paths never ends.
    for (let i = 0; i < n; i++) y = times(plus(y, y), half);
    return y;
  },
};

/** The first leaf on the tape of an entry. */
function firstLeaf(y: Tensor): Tensor {
  return [...entriesOf(y)].filter((t) => t.op.name === "leaf").reduce((a, b) => (a.id < b.id ? a : b));
}

for (const [name, build] of sampleOf(extentOf(), Object.entries(graphs))) {
  // Any recursion into the chain would overflow the stack; the others, whose plans take seconds, are deep enough to find what is not linear.
  const count = name === "a chain" ? 10_000 : 4_000;
  test(`${name} of ${count} entries is computed and differentiated [float64]`, async () => {
    const y = build(count);
    assert.equal(entriesOf(y).size >= count, true);
    const dx = grad(sum(y), firstLeaf(y));
    await realize([y, dx]);
    const values = [...y.value!, ...dx.value!];
    assert.ok(values.every(Number.isFinite), String(values));
    if (name === "a chain") assert.deepEqual([...y.value!], [count + 1, count + 2]);
    if (name === "entries that are used twice") assert.deepEqual([...dx.value!], [1, 1]);
    if (name === "one entry used over and over") assert.deepEqual([...dx.value!], [count + 1, count + 1]);
  });

  test(`walking ${name} takes linear time`, () => {
    const work = (n: number): number => {
      const loss = sum(build(n));
      const entries = entriesOf(loss);
      const leaf = firstLeaf(loss);
      return countReads(entries, () => grad(loss, leaf)) / entries.size;
    };
    const [half, whole] = [work(2_500), work(5_000)];
    assert.ok(whole < 1.2 * half, `${half.toFixed(1)} and ${whole.toFixed(1)} reads an entry`);
  });

  for (const part of ["the value", "the gradient", "both"]) {
    test(`planning ${part} of ${name} takes linear time`, async () => {
      const work = async (n: number): Promise<number> => {
        const y = build(n);
        const dx = grad(sum(y), firstLeaf(y));
        asked = 0;
        await inspect(part === "both" ? [y, dx] : part === "the value" ? y : dx);
        return asked / n;
      };
      const [half, whole] = [await work(750), await work(1_500)];
      assert.ok(whole < 1.3 * half + 1, `ops are asked ${half.toFixed(1)} and ${whole.toFixed(1)} times an entry`);
    });
  }
}

test("recording takes linear time", () => {
  let touched = 0;
  // Counts all reads and writes of its properties.
  const watched = (entry: Tensor): Tensor => {
    for (const key of ["inputs", ...Object.keys(entry)]) {
      let value = Reflect.get(entry, key);
      Object.defineProperty(entry, key, {
        configurable: true,
        enumerable: true,
        get: () => (touched++, value),
        set: (given) => (touched++, value = given),
      });
    }
    return entry;
  };
  const work = (n: number): number => {
    const start = watched(tensor([1, 2]));
    touched = 0;
    let y = start;
    for (let i = 0; i < n; i++) y = watched(plus(y, start));
    return touched;
  };
  const half = work(1_000);
  assert.ok(half > 0);
  assert.equal(work(2_000), 2 * half);
});

test("an entry computed once is not computed again [float64]", async () => {
  const y = exp(tensor([1, 2]));
  await realize([y]);
  const { value } = y;
  await realize([y]);
  assert.equal(y.value, value);
  const compiled = device.compiled;
  await y.data();
  assert.equal(device.compiled, compiled);
  assert.equal(detach(y) instanceof Tensor, true);
});
