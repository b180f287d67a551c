/** Ops made of ops: they record several entries and, but for one, have no rule of their own. */
import type { Case, Draw, Op } from "../core/op.ts";
import { axisOrThrow, broadcastOrThrow, record } from "../core/record.ts";
import { defineOp, register } from "../core/registry.ts";
import { numberIn, oneOf, Signature, whole } from "../core/options.ts";
import { broadcastShapes, formatShape, sameShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { arange, asIndices, asTensor, type TensorLike } from "./creation.ts";
import { abs, add, div, equal, exp, less, log1p, mul, neg, relu, sigmoid, sub, where } from "./elementwise.ts";
import { detach } from "./grad.ts";
import { checkIndices, gather } from "./indexing.ts";
import { reshape, squeeze, transpose, unsqueeze } from "./movement.ts";
import { logSumExp, max, mean, sum } from "./reduce.ts";

/** What becomes of the losses of single elements. */
export type Reduction = "none" | "mean" | "sum";

const reduction = oneOf("none", "mean", "sum");

function reduceLoss(losses: Tensor, reduction: Reduction): Tensor {
  return reduction === "none" ? losses : reduction === "mean" ? mean(losses) : sum(losses);
}

const softmaxCall = new Signature("softmax(x, axis)");

/**
 * `exp(x) / sum(exp(x))` along an axis, computed without overflow.
 *
 * @param x float, at least one axis.
 * @param axis the axis, the last unless told.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { softmax, tensor } from "gpugrad";
 *
 * assert.deepEqual(await softmax(tensor([1000, 1000])).toArray(), [0.5, 0.5]);
 * ```
 */
export function softmax(x: TensorLike, axis = -1): Tensor {
  softmaxCall.check(arguments);
  const input = asTensor(softmaxCall, "x", x);
  const at = axisOrThrow(softmaxCall, input.shape, axis);
  if (input.size === 0) return exp(input);
  // Not exp(logSoftmax(x)): a logarithm near 1000 has lost what tells 0.5 from 0.49998. Shifting all by one number changes nothing.
  const shifted = exp(sub(input, detach(max(input, at, { keepDims: true }))));
  return div(shifted, sum(shifted, at, { keepDims: true }));
}

const logSoftmaxCall = new Signature("logSoftmax(x, axis)");

/**
 * The logarithm of {@link softmax}, exact where the softmax itself would round to 0.
 *
 * @param x float, at least one axis.
 * @param axis the axis, the last unless told.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logSoftmax, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logSoftmax(tensor([0, -1000])).toArray(), [0, -1000]);
 * ```
 */
export function logSoftmax(x: TensorLike, axis = -1): Tensor {
  logSoftmaxCall.check(arguments);
  const input = asTensor(logSoftmaxCall, "x", x);
  return sub(input, logSumExp(input, axisOrThrow(logSoftmaxCall, input.shape, axis), { keepDims: true }));
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** The axis of the classes: 1 unless told, as in PyTorch, or 0 where the logits have one axis. */
  readonly axis?: number;
  /** What becomes of the losses: their mean unless told. */
  readonly reduction?: Reduction;
}

const crossEntropyCall = new Signature<CrossEntropyOptions>("crossEntropy(logits, labels, options)", {
  axis: whole(),
  reduction,
});

/**
 * Cross-entropy between logits and labels: minus the logarithm of the softmax at the label, in nats.
 *
 * @param logits float; one axis counts the classes.
 * @param labels int, the shape of the logits without that axis.
 * @throws on a label that is known and out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { crossEntropy, tensor } from "gpugrad";
 *
 * const labels = tensor([1], [1], { dtype: "int" });
 * assert.equal(await crossEntropy(tensor([[0, 1000]]), labels).item(), 0);
 * assert.equal(await crossEntropy(tensor([[1000, 0]]), labels).item(), 1000);
 * ```
 */
export function crossEntropy(logits: TensorLike, labels: TensorLike, options?: CrossEntropyOptions): Tensor {
  crossEntropyCall.check(arguments);
  const scores = asTensor(crossEntropyCall, "logits", logits);
  const classes = asIndices(crossEntropyCall, "labels", labels);
  const { axis = scores.shape.length > 1 ? 1 : 0, reduction = "mean" } = options ?? {};
  const at = axisOrThrow(crossEntropyCall, scores.shape, axis);
  const expected = scores.shape.filter((_, i) => i !== at);
  if (!sameShape(classes.shape, expected)) {
    throw crossEntropyCall.error(
      `expected labels of shape ${formatShape(expected)} (the logits without axis ${at}), got ${
        formatShape(classes.shape)
      }`,
    );
  }
  return reduceLoss(record(softmaxCrossEntropyOp, [scores, classes], { axis: at }), reduction);
}

/** Logits and labels within their classes. */
function labelled(draw: Draw): Case {
  const shape = draw.shape({ minRank: 1, minAxis: 1 });
  const axis = draw.int(0, shape.length - 1);
  const labels = shape.filter((_, i) => i !== axis);
  return {
    inputs: [{ shape }, { shape: labels, dtype: "int", min: 0, max: shape[axis] - 1 }],
    attributes: { axis },
  };
}

/**
 * The losses of single elements. The rule of its parts would do; this one is a single product, so that where a cotangent is 0, as
 * hard mining leaves most of them, nothing is computed.
 */
const softmaxCrossEntropyOp: Op = defineOp({
  name: "softmaxCrossEntropy",
  infer: ([logits, labels], { axis }) => {
    checkIndices("crossEntropy", labels, logits.shape[axis as number], "labels");
    return { shape: labels.shape, dtype: "float" };
  },
  kernel: {
    kind: "lowered",
    lower: ([logits, labels], attributes) => {
      const axis = attributes.axis as number;
      return sub(logSumExp(logits, axis), squeeze(gather(logits, unsqueeze(labels, axis), axis), axis));
    },
  },
  vjp: [
    ({ times, inputs: [logits, labels], attributes }) => {
      const axis = attributes.axis as number;
      const factor = () => {
        const classes = reshape(arange(logits.shape[axis]), logits.shape.map((n, a) => (a === axis ? n : 1)));
        const softmaxed = exp(sub(logits, logSumExp(logits, axis, { keepDims: true })));
        return sub(softmaxed, where(equal(unsqueeze(labels, axis), classes), 1, 0));
      };
      return times(factor, (cotangent) => unsqueeze(cotangent, axis));
    },
    null,
  ],
  domain: labelled,
});

/** Options of {@link smoothL1}. */
export interface SmoothL1Options {
  /** Where the parabola becomes a line, 1 unless told; 0 gives the absolute difference. */
  readonly beta?: number;
  /** What becomes of the losses: their mean unless told. */
  readonly reduction?: Reduction;
}

const smoothL1Call = new Signature<SmoothL1Options>("smoothL1(prediction, target, options)", {
  beta: numberIn(0, Infinity),
  reduction,
});

/**
 * Smooth L1 (Girshick, Fast R-CNN, 2015): `0.5 d^2 / beta` where the difference d is below beta, `|d| - 0.5 beta` elsewhere.
 * Its second derivative jumps at beta; there the line's counts.
 *
 * @param prediction float.
 * @param target float, broadcast with the prediction.
 * @throws on a negative beta.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { smoothL1, tensor } from "gpugrad";
 *
 * const losses = smoothL1(tensor([0.5, 3]), 0, { reduction: "none" });
 * assert.deepEqual(await losses.toArray(), [0.125, 2.5]);
 * ```
 */
export function smoothL1(prediction: TensorLike, target: TensorLike, options?: SmoothL1Options): Tensor {
  smoothL1Call.check(arguments);
  const { beta = 1, reduction = "mean" } = options ?? {};
  const pair = [
    asTensor(smoothL1Call, "prediction", prediction),
    asTensor(smoothL1Call, "target", target),
  ] as const;
  broadcastOrThrow("smoothL1", pair);
  const difference = sub(...pair);
  const distance = abs(difference);
  const losses = beta === 0
    ? distance
    : where(less(distance, beta), mul(mul(difference, difference), 0.5 / beta), sub(distance, 0.5 * beta));
  return reduceLoss(losses, reduction);
}

/** log(1 + exp(x)) where neither branch overflows. The rule of its parts would have two kinks at 0 that cancel in the value alone. */
const softplusOp: Op = defineOp({
  name: "softplus",
  infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
  kernel: { kind: "lowered", lower: ([x]) => add(relu(x), log1p(exp(neg(abs(x))))) },
  vjp: [({ times, inputs: [x] }) => times(() => sigmoid(x))],
  domain: (draw) => ({ inputs: [{ shape: draw.shape() }] }),
});

const softplusCall = new Signature("softplus(x)");

/**
 * `log(1 + exp(x))`, computed without overflow, always `float`: 0 far below 0, x far above. Its derivative is {@link sigmoid}.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, softplus, sum, tensor } from "gpugrad";
 *
 * const x = tensor([-1000, 0, 1000]);
 * assert.deepEqual(await grad(sum(softplus(x)), x).toArray(), [0, 0.5, 1]);
 * ```
 */
export function softplus(x: TensorLike): Tensor {
  softplusCall.check(arguments);
  return record(softplusOp, [asTensor(softplusCall, "x", x)]);
}

const logSigmoidCall = new Signature("logSigmoid(x)");

/**
 * The logarithm of {@link sigmoid}, exact where the sigmoid itself would round to 0, always `float`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logSigmoid, tensor } from "gpugrad";
 *
 * assert.equal(await logSigmoid(tensor(-1000)).item(), -1000);
 * ```
 */
export function logSigmoid(x: TensorLike): Tensor {
  logSigmoidCall.check(arguments);
  return neg(softplus(neg(asTensor(logSigmoidCall, "x", x))));
}

/** Options of {@link binaryCrossEntropyWithLogits}. */
interface BinaryCrossEntropyOptions {
  readonly reduction?: Reduction;
}

const binaryCrossEntropyCall = new Signature<BinaryCrossEntropyOptions>(
  "binaryCrossEntropyWithLogits(logits, targets, options)",
  { reduction },
);

/**
 * Binary cross-entropy of `sigmoid(logits)` against targets in [0, 1], computed without overflow, in nats.
 *
 * @param logits float.
 * @param targets float, broadcast with the logits.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { binaryCrossEntropyWithLogits, tensor } from "gpugrad";
 *
 * const losses = binaryCrossEntropyWithLogits(tensor([1000, -1000]), tensor([0, 0]), { reduction: "none" });
 * assert.deepEqual(await losses.toArray(), [1000, 0]);
 * ```
 */
export function binaryCrossEntropyWithLogits(
  logits: TensorLike,
  targets: TensorLike,
  options?: { readonly reduction?: Reduction },
): Tensor {
  binaryCrossEntropyCall.check(arguments);
  const x = asTensor(binaryCrossEntropyCall, "logits", logits);
  const t = asTensor(binaryCrossEntropyCall, "targets", targets);
  broadcastOrThrow("binaryCrossEntropyWithLogits", [x, t]);
  return reduceLoss(sub(softplus(x), mul(x, t)), options?.reduction ?? "mean");
}

const matmulCall = new Signature("matmul(a, b)");

/**
 * The matrix product, by NumPy's rule: of two axes each the product of matrices, of one axis a vector, of more a stack of
 * matrices whose leading axes broadcast.
 *
 * @param a float, `[..., m, k]` or `[k]`.
 * @param b float, `[..., k, n]` or `[k]`.
 * @throws where the inner sizes differ, or one is a scalar.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { matmul, tensor } from "gpugrad";
 *
 * const c = matmul(tensor([[1, 2], [3, 4]]), tensor([[1], [10]]));
 * assert.deepEqual(await c.toArray(), [[21], [43]]);
 * ```
 */
export function matmul(a: TensorLike, b: TensorLike): Tensor {
  matmulCall.check(arguments);
  const [x, y] = [asTensor(matmulCall, "a", a), asTensor(matmulCall, "b", b)];
  const shapes = `${formatShape(x.shape)} and ${formatShape(y.shape)}`;
  if (x.shape.length === 0 || y.shape.length === 0) {
    throw matmulCall.error(`expected at least one axis each, got ${shapes}`);
  }
  const left = x.shape.length === 1 ? unsqueeze(x, 0) : x;
  const right = y.shape.length === 1 ? unsqueeze(y, 1) : y;
  const inner = left.shape[left.shape.length - 1];
  const fits = inner === right.shape[right.shape.length - 2] &&
    broadcastShapes([left.shape.slice(0, -2), right.shape.slice(0, -2)]) !== null;
  if (!fits) throw matmulCall.error(`expected [..., m, k] and [..., k, n], got ${shapes}`);
  // [..., m, 1, k] times [..., 1, n, k], summed over k: one kernel.
  let product = sum(mul(unsqueeze(left, -2), unsqueeze(swapLast(right), -3)), -1);
  if (x.shape.length === 1) product = squeeze(product, -2);
  if (y.shape.length === 1) product = squeeze(product, -1);
  return product;
}

function swapLast(x: Tensor): Tensor {
  const order = x.shape.map((_, i) => i);
  const rank = order.length;
  [order[rank - 2], order[rank - 1]] = [rank - 1, rank - 2];
  return transpose(x, order);
}

const alongAxis = (draw: Draw): Case => {
  const shape = draw.shape({ minRank: 1, minAxis: 1 });
  return { inputs: [{ shape }], attributes: { axis: draw.int(-shape.length, shape.length - 1) } };
};

for (const [name, fn] of Object.entries({ softmax, logSoftmax })) {
  register({ name, apply: ([x], { axis }) => fn(x, axis as number), differentiable: true, domain: alongAxis });
}

const reductions = ["none", "mean", "sum"] as const;

/** The mean of nothing is NaN, which has no derivative. */
function drawReduction(draw: Draw, shapes: readonly (readonly number[])[]): Reduction {
  return draw.pick(shapes.some((s) => s.includes(0)) ? ["none", "sum"] as const : reductions);
}

register({
  name: "crossEntropy",
  apply: ([logits, labels], attributes) => crossEntropy(logits, labels, attributes as CrossEntropyOptions),
  differentiable: true,
  domain: (draw) => {
    const { inputs, attributes } = labelled(draw);
    return { inputs, attributes: { ...attributes, reduction: draw.pick(reductions) } };
  },
});

register({
  name: "logSigmoid",
  apply: ([x]) => logSigmoid(x),
  differentiable: true,
  domain: (draw) => ({ inputs: [{ shape: draw.shape() }] }),
});

register({
  name: "smoothL1",
  apply: ([x, y], attributes) => smoothL1(x, y, attributes as SmoothL1Options),
  differentiable: true,
  domain: (draw) => {
    const [a, b] = draw.broadcastable(2);
    // Differences of 2 to 4 keep clear of every beta and of 0.
    return {
      inputs: [{ shape: a, min: 2, max: 3 }, { shape: b, min: -1, max: 0 }],
      attributes: { beta: draw.pick([0, 0.5, 1.5, 5]), reduction: drawReduction(draw, [a, b]) },
    };
  },
});

register({
  name: "binaryCrossEntropyWithLogits",
  apply: ([x, t], attributes) => binaryCrossEntropyWithLogits(x, t, attributes as { reduction: Reduction }),
  differentiable: true,
  domain: (draw) => {
    const [a, b] = draw.broadcastable(2);
    return {
      inputs: [{ shape: a }, { shape: b, min: 0, max: 1 }],
      attributes: { reduction: drawReduction(draw, [a, b]) },
    };
  },
});

register({
  name: "matmul",
  apply: ([a, b]) => matmul(a, b),
  differentiable: true,
  domain: (draw) => {
    const [m, k, n] = [draw.int(0, 3), draw.int(0, 3), draw.int(0, 3)];
    const [batchA, batchB] = draw.broadcastable(2).map((s) => s.slice(-1));
    const a = draw.int(0, 3) === 0 ? [k] : [...batchA, m, k];
    const b = draw.int(0, 3) === 0 ? [k] : [...batchB, k, n];
    return { inputs: [{ shape: a }, { shape: b }] };
  },
});
