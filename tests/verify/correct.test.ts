/** Functions with correct gradients that are hard for finite differences: none may be called wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  abs,
  add,
  clamp,
  cos,
  crossEntropy,
  DefaultBoxes,
  div,
  exp,
  floor,
  gather,
  HardMiningCrossEntropyLoss,
  log,
  logSumExp,
  max,
  maximum,
  mean,
  min,
  mul,
  pow,
  prod,
  relu,
  round,
  sigmoid,
  sin,
  smoothL1,
  softmax,
  sort,
  sqrt,
  square,
  SSDLoss,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  topK,
  useDevice,
  where,
  zeros,
} from "../../mod.ts";
import { gradcheck, type GradcheckOptions, type InputLike, reportText, type TensorFunction } from "../../verify/mod.ts";
import type { PlainFunction } from "../../verify/mod.ts";
import { extentOf, sampleOf } from "../support/cells.ts";

await useDevice("float64");

interface Right {
  readonly f: TensorFunction | PlainFunction;
  readonly at: readonly InputLike[];
  readonly options?: GradcheckOptions;
  /** The number of elements that may be called noise, if rounding leaves nothing to see. */
  readonly noise?: number;
  /** Whether elements lie on a kink of the function or of its gradient: there is no derivative there. */
  readonly kinks?: true;
}

const scales = [1e-8, -1e-4, 1, -3e4, 1e8];
const centred = (x: Tensor) => sub(x, mean(x));

const right: Readonly<Record<string, Right>> = {
  "abs at 0": { f: (x) => abs(x), at: [[-1, 0, 2]], kinks: true },
  "abs of zeros": { f: (x) => sum(abs(x)), at: [[0, 0, 0]], kinks: true },
  "relu at 0": { f: (x) => relu(x), at: [[-1, 0, 2]], kinks: true },
  "max of equal elements": { f: (x) => max(x), at: [[1, 3, 3, 2]], kinks: true },
  "min over rows with ties": { f: (x) => min(x, 1), at: [[[1, 1, 3], [0, 0, 0]]], kinks: true },
  "maximum of equal tensors": { f: (x, y) => maximum(x, y), at: [[1, 2, 3], [1, 2, 4]], kinks: true },
  "clamp on its bounds": { f: (x) => clamp(x, -1, 2), at: [[-1, 0.5, 2, 3]], kinks: true },
  "smooth L1 at the jump of its second derivative": {
    f: (x) => smoothL1(x, 0, { reduction: "sum" }),
    at: [[-1, 0, 1, 2]],
    kinks: true,
  },
  "kinks close to 0": { f: (x) => abs(x), at: [[1e-7, -1e-9, 1]] },
  "kinks close to 1": { f: (x) => abs(sub(x, 1)), at: [[1 + 1e-9, 1 - 1e-6, 1]], kinks: true },
  "kinks that cancel": { f: (x) => sub(abs(x), abs(x)), at: [[0, 1]] },
  "squares from 1e-8 to 1e8": { f: (x) => square(x), at: [scales] },
  "a sum of squares from 1e-8 to 1e8": { f: (x) => sum(square(x)), at: [scales] },
  "cubes of tiny numbers": { f: (x) => pow(x, 3), at: [[1e-8, 2e-8, 3e-8]] },
  "logarithms from 1e-8 to 1e8": { f: (x) => log(x), at: [scales.map(Math.abs)] },
  "quotients of tiny and huge numbers": { f: (x, y) => div(x, y), at: [scales, [1e8, 1e-8, 3, 1e-4, 1e4]] },
  "exponentials that span 100 orders of magnitude": { f: (x) => exp(x), at: [[-100, -1, 0, 1, 100]] },
  "a large constant added and taken away": { f: (x) => sub(add(x, 1e8), 1e8), at: [[0.3, 1, -2]] },
  "a larger one": { f: (x) => sub(add(x, 1e12), 1e12), at: [[0.3, 1, -2]], noise: 3 },
  "1 - cos x, relative to x squared": {
    f: (x) => div(sub(1, cos(x)), square(x)),
    at: [[0.01, 0.1, 1]],
    noise: 2,
  },
  "a variance as a difference of squares": {
    f: (x) => sub(mean(square(x)), square(mean(x))),
    at: [[1e4 + 0.1, 1e4 + 0.7, 1e4 - 0.4]],
  },
  "a variance from the mean": { f: (x) => mean(square(centred(x))), at: [[1e6 + 0.1, 1e6 + 0.7, 1e6 - 0.4]] },
  "a sine of large angles": { f: (x) => sin(x), at: [[1e8, -1e5, 1e3]] },
  "fast oscillation": { f: (x) => sin(mul(x, 1e4)), at: [[1, 2, -0.5]] },
  "a square root near 0": { f: (x) => sqrt(x), at: [[1e-12, 1e-6, 1]] },
  "a square root at 0": { f: (x) => sqrt(x), at: [[0, 1]], options: { order: 1 }, noise: 1 },
  "powers at 0": { f: (x) => pow(x, 3), at: [[0, 1, -1]] },
  "saturated sigmoids": { f: (x) => sigmoid(x), at: [[-40, 40, 0, 700]] },
  "saturated tanh": { f: (x) => tanh(x), at: [[-30, 30, 10, 0]] },
  "softmax of far apart logits": { f: (x) => softmax(x), at: [[30, -30, 0, 5]], noise: 12 },
  "log-sum-exp of large numbers": { f: (x) => logSumExp(x), at: [[1000, 999, 900]] },
  "cross-entropy of a sure class": {
    f: (x) => crossEntropy(x, tensor(new Int32Array([0, 1]))),
    at: [[[50, 0, -50], [0, 1, 2]]],
  },
  "cross-entropies that round off all but the surest class": {
    f: (x) => crossEntropy(x, tensor(new Int32Array([1, 2])), { reduction: "none" }),
    at: [[[-30.31356990858305, 1.4721358308617927, -12.329648045878756, -18.683013930208645], [
      -10.105442946207893,
      -10.561696405187154,
      19.10572428432838,
      0.4667992986693,
    ]]],
    noise: 12,
  },
  "hard mining of certain classes, with an input without influence": {
    f: (x, _) =>
      new HardMiningCrossEntropyLoss({ negPosRatio: 3 }).forward(x, tensor(new Int32Array([1, 0, 0, 0]), [1, 4])),
    at: [[[[90, 1, 40, -35], [0, 13, 61, 0], [1, 50, 0, 2]]], [7]],
    noise: 4,
  },
  "a product with zeros": { f: (x) => prod(x), at: [[0, 2, 3, 0]] },
  "rounding held": { f: (x) => mul(x, round(x)), at: [[0.4, 1.6, -2.5]], noise: 1, kinks: true },
  "steps held": { f: (x) => mul(square(x), floor(x)), at: [[0.4, 1, -2.5]], noise: 1, kinks: true },
  "a branch that is NaN": { f: (x) => where(tensor([true, false]), sqrt(x), 0), at: [[4, -1]] },
  "sorting": { f: (x) => sort(x), at: [[3, 1, 2, 10]] },
  "the largest few": { f: (x) => topK(x, 2).values, at: [[3, 1, 2, 10]] },
  "taking elements twice": { f: (x) => gather(x, tensor(new Int32Array([0, 0, 2])), 0), at: [[3, 1, 2]] },
  "a constant function": { f: (x) => add(mul(x, 0), 3), at: [[1, 2]] },
  "an empty input": { f: (x, y) => add(sum(x), y), at: [zeros([0, 3]), [1, 2]] },
  "axes of one element": { f: (x) => softmax(x, 1), at: [[[1], [2]]] },
  "whole numbers among the inputs": { f: (x, i) => gather(x, i, 0), at: [[3, 1, 2], new Int32Array([2, 0])] },
  "several outputs": { f: (x) => [exp(x), sum(square(x)), round(x)], at: [[0.1, 0.7]] },
  "hard mining": {
    f: (x) =>
      new HardMiningCrossEntropyLoss({ negPosRatio: 1 }).forward(x, tensor(new Int32Array([1, 0, 0, 0]), [1, 4])),
    at: [[[[0, 1, 2, 3], [0, 3, 1, 0]]]],
  },
  "the SSD loss": {
    f: (locations, logits) => {
      const boxes = DefaultBoxes.from([[0.3, 0.3, 0.4, 0.4], [0.7, 0.7, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9]]);
      return new SSDLoss(boxes).forward([locations, logits], [[0, 0, 0.3, 0.3, 0.4, 0.5]]).loss;
    },
    at: [[[[1, 0, 0], [0.1, 0, 0], [0, 0.2, 0], [0, 0, 3]]], [[[0, 1, 2], [1, 0, 0.5]]]],
    kinks: true,
  },
  "a plain function": {
    f: { value: ([x]) => x[0] ** 2 * x[1], gradient: ([x]) => [[2 * x[0] * x[1], x[0] ** 2]] },
    at: [[1e-6, 1e6]],
    options: { order: 1 },
  },
  "a plain function in float32": {
    f: {
      value: ([x]) => Math.fround(Math.fround(x[0] * x[0]) * x[1]),
      gradient: ([x]) => [[2 * x[0] * x[1], x[0] ** 2]],
    },
    at: [[1.7, 0.3]],
    options: { order: 1, precision: "float32" },
  },
  "a plain function in float32 that cancels": {
    f: {
      value: ([x]) => Math.fround(Math.fround(x[0] + 1e6) - Math.fround(1e6)),
      gradient: () => [[1]],
    },
    at: [[0.7]],
    options: { order: 1, precision: "float32" },
    noise: 1,
  },
};

let passed = 0;
const tried = sampleOf(extentOf(), Object.entries(right));
for (const [name, { f, at, options, noise = 0, kinks = false }] of tried) {
  test(`not called wrong: ${name} [float64]`, async () => {
    for (const seed of [1, 2, 3]) {
      const report = await gradcheck(f, at, { order: 2, ...options, seed, name });
      const { ok, noise: lost, kink, ...rest } = report.counts;
      assert.notEqual(report.verdict, "wrong", reportText(report));
      assert.deepEqual(rest, { wrong: 0, untested: 0 }, reportText(report));
      assert.equal(kink > 0, kinks, reportText(report));
      assert.ok(lost <= noise && ok + noise + kink > 0, reportText(report));
    }
    passed++;
  });
}

// The summary shows tests whose names begin with counts.
const count = Object.keys(right).length;
if (tried.length === count) {
  test(`${count} of ${count} correct functions are not called wrong`, () => {
    assert.equal(passed, count);
  });
}
