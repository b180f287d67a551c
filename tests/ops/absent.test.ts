/**
 * Absent versus zero. A branch that was not selected has no influence: no derivative in it, infinite or undefined,
 * reaches a gradient of any order, and nothing is computed for it. A cotangent that was computed masks nothing: IEEE
 * arithmetic decides.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import {
  abs,
  add,
  atan,
  binaryCrossEntropyWithLogits,
  broadcastTo,
  clamp,
  concat,
  cos,
  div,
  exp,
  flip,
  gather,
  grad,
  greater,
  log,
  log1p,
  logSigmoid,
  logSumExp,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  neg,
  pad,
  prod,
  realize,
  relu,
  reshape,
  sigmoid,
  slice,
  softplus,
  sort,
  sqrt,
  square,
  sub,
  sum,
  take,
  tanh,
  type Tensor,
  tensor,
  topK,
  transpose,
  unsqueeze,
  where,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose, assertSame } from "./compare.ts";
import { plantFunction } from "../support/functions.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** A function with its value and its derivative, from input and output, according to its rule. */
interface Link {
  readonly op: (x: Tensor) => Tensor;
  readonly value: (x: number) => number;
  readonly slope: (x: number, y: number) => number;
}

const links: Record<string, Link> = {
  neg: { op: neg, value: (x) => -x, slope: () => -1 },
  exp: { op: exp, value: Math.exp, slope: (_, y) => y },
  log: { op: log, value: Math.log, slope: (x) => 1 / x },
  log1p: { op: log1p, value: Math.log1p, slope: (x) => 1 / (1 + x) },
  sqrt: { op: sqrt, value: Math.sqrt, slope: (_, y) => 0.5 / y },
  square: { op: square, value: (x) => x * x, slope: (x) => 2 * x },
  reciprocal: { op: (x) => div(1, x), value: (x) => 1 / x, slope: (x, y) => -(y / x) },
  atan: { op: atan, value: Math.atan, slope: (x) => 1 / (1 + x * x) },
  tanh: { op: tanh, value: Math.tanh, slope: (_, y) => 1 - y * y },
  sigmoid: { op: sigmoid, value: (x) => 1 / (1 + Math.exp(-x)), slope: (_, y) => y * (1 - y) },
  cos: { op: cos, value: Math.cos, slope: (x) => -Math.sin(x) },
  abs: { op: abs, value: Math.abs, slope: (x) => Math.sign(x) },
  "times 0": { op: (x) => mul(x, 0), value: (x) => x * 0, slope: () => 0 },
};

/** Movement ops that keep a vector's elements, in another shape or order. */
const movements: Record<string, (x: Tensor) => Tensor> = {
  nothing: (x) => x,
  reshape: (x) => reshape(x, [1, ...x.shape, 1]),
  transpose: (x) => transpose(x),
  flip: (x) => flip(x),
  unsqueeze: (x) => unsqueeze(x, 0),
  broadcast: (x) => broadcastTo(x, [2, ...x.shape]),
  "slice of pad": (x) => {
    const padded = pad(x, x.shape.map(() => [1, 2] as const));
    return slice(padded, padded.shape.map((n) => [0, n - 1] as const));
  },
  concat: (x) => concat([x, x], 0),
  "sum of copies": (x) => sum(broadcastTo(x, [3, ...x.shape]), 0),
};

const points = [0, -0, 1e-300, 1e-9, 0.5, 1, -1, 2, 750, -750, 1e200, inf, -inf, nan];
const name = fc.constantFrom(...Object.keys(links));
const movement = fc.constantFrom(...Object.keys(movements));

test("derivatives of chains multiply by IEEE rules, including infinities and NaN [float64]", async () => {
  const arbitrary = fc.record({ chain: fc.array(name, { minLength: 1, maxLength: 5 }), x: fc.constantFrom(...points) });
  await checkProperty(arbitrary, async ({ chain, x }) => {
    const trace = [x];
    for (const link of chain) trace.push(links[link].value(trace.at(-1)!));
    let expected = 1;
    for (let i = chain.length - 1; i >= 0; i--) expected *= links[chain[i]].slope(trace[i], trace[i + 1]);
    const leaf = tensor([x]);
    const y = chain.reduce((t, link) => links[link].op(t), leaf);
    const slope = grad(sum(y), leaf);
    await realize([slope], { device: "float64" });
    assertClose(slope.value!, [expected], (e) => 1e-12 * Math.abs(e), `${chain.join(", ")} at ${x}`);
  }, { runs: 150 });
});

/** A chain of functions with movement ops between them. */
function chained(x: Tensor, chain: readonly string[], moves: readonly string[]): Tensor {
  return chain.reduce((t, link, i) => links[link].op(movements[moves[i % moves.length]](t)), x);
}

test("where blocks the branch it does not take, whatever it contains, at orders 1 to 3 [float64]", async () => {
  const arbitrary = fc.record({
    chain: fc.array(name, { minLength: 1, maxLength: 3 }),
    moves: fc.array(movement, { minLength: 1, maxLength: 3 }),
    outer: fc.array(movement, { maxLength: 2 }),
    x: fc.array(fc.constantFrom(...points), { minLength: 2, maxLength: 3 }),
    swapped: fc.boolean(),
  });
  await checkProperty(arbitrary, async ({ chain, moves, outer, x, swapped }) => {
    const leaf = tensor(x);
    const inner = chained(leaf, chain, moves);
    const no = tensor(false);
    const chosen = swapped ? where(greater(1, 0), square(sum(mul(leaf, 0))), inner) : where(no, inner, 7);
    let y = outer.reduce((t, move) => movements[move](t), where(no, chosen, mul(sum(where(no, leaf, 2)), 3)));
    y = add(sum(y), sum(where(no, inner, 1)));
    const gradients: Tensor[] = [];
    for (let order = 0; order < 3; order++) {
      y = sum(grad(y, leaf, undefined, { allowUnused: true }));
      gradients.push(y);
    }
    await realize(gradients, { device: "float64" });
    gradients.forEach((g, i) => assertSame(g.value!, [0], `order ${i + 1}`));
  }, { runs: 25 });
});

test("where leaves the branch it takes unchanged, at orders 1 and 2 [float64]", async () => {
  const arbitrary = fc.record({
    chain: fc.array(name, { minLength: 1, maxLength: 3 }),
    moves: fc.array(movement, { minLength: 1, maxLength: 2 }),
    x: fc.constantFrom(...points),
  });
  await checkProperty(arbitrary, async ({ chain, moves, x }) => {
    const leaf = tensor([x, 0.5]);
    const free = chained(leaf, chain, moves);
    const first = [free, where(tensor(true), free, sqrt(sum(leaf)))].map((y) => grad(sum(y), leaf));
    const second = first.map((g) => grad(sum(g), leaf, undefined, { allowUnused: true }));
    await realize([...first, ...second], { device: "float64" });
    for (const [plain, guarded] of [first, second]) {
      assertClose(guarded.value!, Array.from(plain.value!), (e) => 1e-12 * Math.abs(e), `${chain} at ${x}`);
    }
  }, { runs: 50 });
});

/** Programs in which a derivative meets a zero: the gradient with respect to the first input, on the oracle and in float32. */
const met: Record<string, { f: (...x: Tensor[]) => Tensor; at: number[][]; expected: number[] }> = {
  // Computed zeros: NaN, as in PyTorch.
  "1 / (1 / x) at 0": { f: (x) => div(1, div(1, x)), at: [[0, 2]], expected: [nan, 1] },
  "the harmonic mean at 0": {
    f: (a, b) => div(1, add(div(1, a), div(1, b))),
    at: [[0, 1], [3, 1]],
    expected: [nan, 0.25],
  },
  "square(sqrt(x)) at 0": { f: (x) => square(sqrt(x)), at: [[0, 4]], expected: [nan, 1] },
  "log(1 + exp(-x)) by its parts, overflowed": {
    f: (x) => log1p(exp(neg(x))),
    at: [[-1000, 0]],
    expected: [nan, -0.5],
  },
  "atan(w / h) by h at 0": { f: (h) => atan(div(2, h)), at: [[0, 2]], expected: [nan, -0.25] },
  "0 * log(x) at 0": { f: (x) => mul(log(x), 0), at: [[0, 1]], expected: [nan, 0] },
  // A convention at a kink is a computed zero too.
  "relu(sqrt(x)) at 0": { f: (x) => relu(sqrt(x)), at: [[0, 4]], expected: [nan, 0.25] },
  "abs(sqrt(x)) at 0": { f: (x) => abs(sqrt(x)), at: [[0, 4]], expected: [nan, 0.25] },
  // Infinite derivatives remain visible.
  "sqrt(x) at 0": { f: sqrt, at: [[0, 4]], expected: [inf, 0.25] },
  // Elements that were not selected are absent.
  "relu(log(x)) at 0": { f: (x) => relu(log(x)), at: [[0, Math.E]], expected: [0, 1 / Math.E] },
  "clamp(1 / x) at 0": { f: (x) => clamp(div(1, x), -3, 3), at: [[0, 2]], expected: [0, -0.25] },
  "maximum(log(x), -5) at 0": { f: (x) => maximum(log(x), -5), at: [[0, 2]], expected: [0, 0.5] },
  "minimum(1 / x, 9) at 0": { f: (x) => minimum(div(1, x), 9), at: [[0, 2]], expected: [0, -0.25] },
  "max of log(x) with a 0": { f: (x) => max(log(x)), at: [[0, 2]], expected: [0, 0.5] },
  "min of 1 / x with a 0": { f: (x) => min(div(1, x)), at: [[0, 2]], expected: [0, -0.25] },
  "a slice of sqrt(x) without the 0": { f: (x) => slice(sqrt(x), [1]), at: [[0, 4]], expected: [0, 0.25] },
  "every other element of sqrt(x)": {
    f: (x) => slice(sqrt(x), [[1, null, 2]]),
    at: [[0, 4, 0]],
    expected: [0, 0.25, 0],
  },
  "a column of a table": {
    f: (x) => slice(reshape(sqrt(x), [2, 2]), [null, 1]),
    at: [[0, 4, 0, 1]],
    expected: [0, 0.25, 0, 0.5],
  },
  "take of sqrt(x) without the 0": {
    f: (x) => take(sqrt(x), tensor(new Int32Array([1, 1]))),
    at: [[0, 4]],
    expected: [0, 0.5],
  },
  "gather of sqrt(x) without the 0": {
    f: (x) => gather(sqrt(x), tensor(new Int32Array([1])), 0),
    at: [[0, 4]],
    expected: [0, 0.25],
  },
  "topK of sqrt(x) without the 0": { f: (x) => topK(sqrt(x), 1).values, at: [[0, 4]], expected: [0, 0.25] },
  "the largest of sorted log(x)": { f: (x) => slice(sort(log(x)), [-1]), at: [[0, 2]], expected: [0, 0.5] },
  // Softmaxes in which nothing counts.
  "logSumExp of only minus infinities": { f: (x) => logSumExp(x), at: [[-inf, -inf]], expected: [0, 0] },
  "logSumExp of masked rows": {
    f: (x) => logSumExp(where(tensor([false, true]), x, -inf)),
    at: [[5, 5]],
    expected: [0, 1],
  },
  // Stable formulas learn from the worst sample.
  "softplus far out": { f: softplus, at: [[-1000, -90, 0, 90, 1000]], expected: [0, 8.194012623990515e-40, 0.5, 1, 1] },
  "logSigmoid far out": {
    f: logSigmoid,
    at: [[-1000, -90, 0, 90, 1000]],
    expected: [1, 1, 0.5, 8.194012623990515e-40, 0],
  },
  "binary cross-entropy of wrong logits": {
    f: (x) => binaryCrossEntropyWithLogits(x, [1, 0], { reduction: "none" }),
    at: [[-1000, 1000]],
    expected: [-1, 1],
  },
  "the product of others, with zeros": { f: (x) => prod(x), at: [[0, 3, 0]], expected: [0, 0, 0] },
  "the mean of squared differences": { f: (x, y) => mean(square(sub(x, y))), at: [[1, 5], [1, 2]], expected: [0, 3] },
};

for (const { device, on, single } of await devicesUnderTest()) {
  test(...on("computed zeros and absent elements"), async () => {
    const slopes = Object.entries(met).map(([what, { f, at, expected }]) => {
      const leaves = at.map((values) => tensor(values));
      return { what, expected, slope: grad(sum(f(...leaves)), leaves[0]) };
    });
    await bring(slopes.map(({ slope }) => slope), { device });
    for (const { what, expected, slope } of slopes) {
      // Shaders flush subnormals.
      const tolerance = (e: number) => (single ? 1e-5 * Math.abs(e) + 1e-37 : 1e-12 * Math.abs(e));
      assertClose(slope.value!, expected, tolerance, `${what} on ${device}`);
    }
  });
}

// Skipped work

const counter = globalThis as { evaluated?: number; countEvaluation?: () => number };
const countedIdentity = plantFunction(([x]) => `(${x} + globalThis.countEvaluation())`);

/**
 * The identity, with the cost of a call, which counts its evaluations per element; its derivative is of the same kind.
 */
function counting(label: string): (x: Tensor) => Tensor {
  const op: Op = {
    name: label,
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: {
      kind: "elementwise",
      expression: ([x], _, { call }) => call(countedIdentity, x),
      cost: 30,
    },
    vjp: [({ times, inputs: [x] }) => times(() => counted(x))],
  };
  const counted = (x: Tensor): Tensor => record(op, [x]);
  return counted;
}

test("derivatives are computed only where a condition selects, through movement, broadcasting and sums [float64]", async () => {
  counter.countEvaluation = () => {
    counter.evaluated = (counter.evaluated ?? 0) + 1;
    return 0;
  };
  const f = counting("counted identity");
  const mask = tensor([true, false, false, true, false, false, false, false]);
  const x = tensor([1, 2, 3, 4, 5, 6, 7, 8]);
  const y = f(x);
  const programs: Record<string, () => Tensor> = {
    "where": () => where(mask, f(x), 0),
    "where, swapped": () => where(greater(x, 4), 0, where(mask, f(x), 0)),
    "reshaped": () => where(reshape(mask, [2, 4]), reshape(f(x), [2, 4]), 0),
    "transposed": () => where(transpose(reshape(mask, [2, 4])), transpose(reshape(f(x), [2, 4])), 0),
    "a sum of rows": () => where(mask, sum(unsqueeze(f(x), 1), 1), 0),
    "broadcast": () => where(mask, add(f(x), tensor([[1], [2]])), 0),
    "two branches": () => add(where(mask, y, 0), where(mask, neg(y), 1)),
  };
  for (const [what, program] of Object.entries(programs)) {
    const slope = grad(sum(program()), x);
    counter.evaluated = 0;
    await realize([slope], { device: "float64" });
    assert.equal(counter.evaluated, 2, what);
  }
  // Without a condition, every element is computed.
  const free = grad(sum(mul(f(x), tensor([1, 0, 0, 1, 0, 0, 0, 0]))), x);
  counter.evaluated = 0;
  await realize([free], { device: "float64" });
  assert.equal(counter.evaluated, 8, "no condition");
});
