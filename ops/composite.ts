/** Losses and other functions made of ops: they record several entries and mostly have no rules of their own. */
import type { Case, Draw } from "../core/op.ts";
import { axisOrThrow, broadcastOrThrow, record } from "../core/record.ts";
import { numberIn, oneOf, whole } from "../core/options.ts";
import { broadcastShapes, formatShape, sameShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { abs, add, div, mul, neg, sub } from "./arithmetic.ts";
import { equal, less } from "./comparison.ts";
import { arange, asIndices, asTensor, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { lowered, type Unary } from "./define/scalar.ts";
import { exp, log1p, sigmoid } from "./functions.ts";
import { detach } from "./grad.ts";
import { checkIndices, gather } from "./indexing.ts";
import { reshape, squeeze, transpose, unsqueeze } from "./movement.ts";
import { logSumExp, max, mean, sum } from "./reduce.ts";
import { relu, where } from "./selection.ts";

/** How the losses of single elements are reduced. */
export type Reduction = "none" | "mean" | "sum";

const reduction = /* @__PURE__ */ oneOf("none", "mean", "sum");

function reduceLoss(losses: Tensor, reduction: Reduction): Tensor {
  return reduction === "none" ? losses : reduction === "mean" ? mean(losses) : sum(losses);
}

/** One axis. */
type AxisAttribute = { readonly axis: number };

const alongAxis = (draw: Draw): Case<AxisAttribute> => {
  const shape = draw.shape({ minRank: 1, minAxis: 1 });
  return { inputs: [{ shape }], attributes: { axis: draw.int(-shape.length, shape.length - 1) } };
};

/**
 * `exp(x) / sum(exp(x))` along an axis, computed without overflow.
 *
 * @param x float, at least one axis.
 * @param axis the axis, default the last.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { softmax, tensor } from "gpugrad";
 *
 * assert.deepEqual(await softmax(tensor([1000, 1000])).toArray(), [0.5, 0.5]);
 * ```
 */
export const softmax: CompositeFunction<(x: TensorLike, axis?: number) => Tensor, AxisAttribute> =
  /* @__PURE__ */ composite(
    {
      name: "softmax",
      apply: ([x], { axis }) => softmax(x, axis),
      differentiable: true,
      domain: alongAxis,
    },
    "softmax(x, axis)",
    (call) =>
      function softmax(x, axis = -1) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const at = axisOrThrow(call, input.shape, axis);
        if (input.size === 0) return exp(input);
        // Not exp(logSoftmax(x)): a logarithm near 1000 cannot distinguish 0.5 from 0.49998. Shifting all elements alike changes nothing.
        const shifted = exp(sub(input, detach(max(input, at, { keepDims: true }))));
        return div(shifted, sum(shifted, at, { keepDims: true }));
      },
  );

/**
 * The logarithm of {@link softmax}, exact even where the softmax would round to 0.
 *
 * @param x float, at least one axis.
 * @param axis the axis, default the last.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logSoftmax, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logSoftmax(tensor([0, -1000])).toArray(), [0, -1000]);
 * ```
 */
export const logSoftmax: CompositeFunction<(x: TensorLike, axis?: number) => Tensor, AxisAttribute> =
  /* @__PURE__ */ composite(
    {
      name: "logSoftmax",
      apply: ([x], { axis }) => logSoftmax(x, axis),
      differentiable: true,
      domain: alongAxis,
    },
    "logSoftmax(x, axis)",
    (call) =>
      function logSoftmax(x, axis = -1) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        return sub(input, logSumExp(input, axisOrThrow(call, input.shape, axis), { keepDims: true }));
      },
  );

const reductions = ["none", "mean", "sum"] as const;

/** The mean of nothing is NaN, which has no derivative. */
function drawReduction(draw: Draw, shapes: readonly (readonly number[])[]): Reduction {
  return draw.pick(shapes.some((s) => s.includes(0)) ? ["none", "sum"] as const : reductions);
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** The axis of the classes, default 1 as in PyTorch, or 0 if the logits have a single axis. */
  readonly axis?: number;
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** Logits and labels within their classes. */
function labelled(draw: Draw): Case<AxisAttribute> {
  const shape = draw.shape({ minRank: 1, minAxis: 1 });
  const axis = draw.int(0, shape.length - 1);
  const labels = shape.filter((_, i) => i !== axis);
  return {
    inputs: [{ shape }, { shape: labels, dtype: "int", min: 0, max: shape[axis] - 1 }],
    attributes: { axis },
  };
}

/**
 * The cross-entropy of single elements. The rules of its parts would suffice, but this rule is a single product, so nothing is computed where
 * a cotangent is absent; after hard mining most are.
 */
export const softmaxCrossEntropy: OpFunction<(logits: Tensor, labels: Tensor, axis: number) => Tensor, AxisAttribute> =
  /* @__PURE__ */ structured(
    {
      name: "softmaxCrossEntropy",
      infer: ([logits, labels], { axis }) => {
        checkIndices("crossEntropy", labels, logits.shape[axis], "labels");
        return { shape: labels.shape, dtype: "float" };
      },
      kernel: {
        kind: "lowered",
        lower: ([logits, labels], attributes) => {
          const axis = attributes.axis;
          return sub(logSumExp(logits, axis), squeeze(gather(logits, unsqueeze(labels, axis), axis), axis));
        },
      },
      vjp: [
        ({ times, inputs: [logits, labels], attributes }) => {
          const axis = attributes.axis;
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
    },
    "softmaxCrossEntropy(logits, labels, axis)",
    (op) => (logits, labels, axis) => record(op, [logits, labels], { axis }),
  );

/** An axis, and how the losses are reduced. */
type CrossEntropyAttributes = { readonly axis: number; readonly reduction: Reduction };

const crossEntropyKinds = { axis: /* @__PURE__ */ whole(), reduction };

/**
 * The cross-entropy between logits and labels, in nats: minus the logarithm of the softmax at the label.
 *
 * @param logits `float`; one axis counts the classes.
 * @param labels `int`, the shape of the logits without that axis.
 * @throws if a known label is out of range.
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
export const crossEntropy: CompositeFunction<
  (logits: TensorLike, labels: TensorLike, options?: CrossEntropyOptions) => Tensor,
  CrossEntropyAttributes
> = /* @__PURE__ */ composite(
  {
    name: "crossEntropy",
    apply: ([logits, labels], attributes) => crossEntropy(logits, labels, attributes),
    differentiable: true,
    domain: (draw) => {
      const { inputs, attributes } = labelled(draw);
      return { inputs, attributes: { axis: attributes!.axis, reduction: draw.pick(reductions) } };
    },
  },
  ["crossEntropy(logits, labels, options)", crossEntropyKinds],
  (call) =>
    function crossEntropy(logits, labels, options) {
      call.check(arguments);
      const scores = asTensor(call, "logits", logits);
      const classes = asIndices(call, "labels", labels);
      const { axis = scores.shape.length > 1 ? 1 : 0, reduction = "mean" } = options ?? {};
      const at = axisOrThrow(call, scores.shape, axis);
      const expected = scores.shape.filter((_, i) => i !== at);
      if (!sameShape(classes.shape, expected)) {
        throw call.error(
          `expected labels of shape ${formatShape(expected)} (the logits without axis ${at}), got ${
            formatShape(classes.shape)
          }`,
        );
      }
      return reduceLoss(softmaxCrossEntropy(scores, classes, at), reduction);
    },
);

/** Options of {@link smoothL1}. */
export interface SmoothL1Options {
  /** The difference at which the parabola becomes a line, default 1. At 0 the loss is the absolute difference. */
  readonly beta?: number;
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** The end of the parabola, and how the losses are reduced. */
type SmoothL1Attributes = { readonly beta: number; readonly reduction: Reduction };

const smoothL1Kinds = { beta: /* @__PURE__ */ numberIn(0, Infinity), reduction };

/**
 * The smooth L1 loss (Girshick, Fast R-CNN, 2015): `0.5 d^2 / beta` if the difference `d` is below beta, else `|d| - 0.5 beta`.
 * Its second derivative jumps at beta; there it is that of the line.
 *
 * @param prediction float.
 * @param target float, broadcast with the prediction.
 * @throws if beta is negative, or the shapes do not broadcast together.
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
export const smoothL1: CompositeFunction<
  (prediction: TensorLike, target: TensorLike, options?: SmoothL1Options) => Tensor,
  SmoothL1Attributes
> = /* @__PURE__ */ composite(
  {
    name: "smoothL1",
    apply: ([x, y], attributes) => smoothL1(x, y, attributes),
    differentiable: true,
    domain: (draw) => {
      const [a, b] = draw.broadcastable(2);
      // Differences of 2 to 4 keep clear of every beta and of 0.
      return {
        inputs: [{ shape: a, min: 2, max: 3 }, { shape: b, min: -1, max: 0 }],
        attributes: { beta: draw.pick([0, 0.5, 1.5, 5]), reduction: drawReduction(draw, [a, b]) },
      };
    },
  },
  ["smoothL1(prediction, target, options)", smoothL1Kinds],
  (call) =>
    function smoothL1(prediction, target, options) {
      call.check(arguments);
      const { beta = 1, reduction = "mean" } = options ?? {};
      const pair = [
        asTensor(call, "prediction", prediction),
        asTensor(call, "target", target),
      ] as const;
      broadcastOrThrow("smoothL1", pair);
      const difference = sub(...pair);
      const distance = abs(difference);
      const losses = beta === 0
        ? distance
        : where(less(distance, beta), mul(mul(difference, difference), 0.5 / beta), sub(distance, 0.5 * beta));
      return reduceLoss(losses, reduction);
    },
);

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
export const softplus: Unary = /* @__PURE__ */ lowered("softplus", {
  lower: (x) => add(relu(x), log1p(exp(neg(abs(x))))),
  // The rule of its parts would have two kinks at 0 that cancel in the value alone.
  vjp: ({ inputs: [x] }) => sigmoid(x),
  reference: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
});

/**
 * The logarithm of {@link sigmoid}, exact even where the sigmoid would round to 0, always `float`.
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
export const logSigmoid: CompositeFunction<(x: TensorLike) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "logSigmoid",
    apply: ([x]) => logSigmoid(x),
    differentiable: true,
    domain: (draw) => ({ inputs: [{ shape: draw.shape() }] }),
    parameters: ["x"],
    reference: ([x]) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))),
  },
  "logSigmoid(x)",
  (call) =>
    function logSigmoid(x) {
      call.check(arguments);
      return neg(softplus(neg(asTensor(call, "x", x))));
    },
);

/** Options of {@link binaryCrossEntropyWithLogits}. */
export interface BinaryCrossEntropyOptions {
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** How losses are reduced. */
type ReductionAttribute = { readonly reduction: Reduction };

/**
 * The binary cross-entropy of `sigmoid(logits)` against targets in [0, 1], computed without overflow, in nats.
 *
 * @param logits float.
 * @param targets float, broadcast with the logits.
 * @throws if the shapes do not broadcast together.
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
export const binaryCrossEntropyWithLogits: CompositeFunction<
  (logits: TensorLike, targets: TensorLike, options?: BinaryCrossEntropyOptions) => Tensor,
  ReductionAttribute
> = /* @__PURE__ */ composite(
  {
    name: "binaryCrossEntropyWithLogits",
    apply: ([x, t], attributes) => binaryCrossEntropyWithLogits(x, t, attributes),
    differentiable: true,
    domain: (draw) => {
      const [a, b] = draw.broadcastable(2);
      return {
        inputs: [{ shape: a }, { shape: b, min: 0, max: 1 }],
        attributes: { reduction: drawReduction(draw, [a, b]) },
      };
    },
  },
  ["binaryCrossEntropyWithLogits(logits, targets, options)", { reduction }],
  (call) =>
    function binaryCrossEntropyWithLogits(logits, targets, options) {
      call.check(arguments);
      const x = asTensor(call, "logits", logits);
      const t = asTensor(call, "targets", targets);
      broadcastOrThrow("binaryCrossEntropyWithLogits", [x, t]);
      return reduceLoss(sub(softplus(x), mul(x, t)), options?.reduction ?? "mean");
    },
);

/**
 * The matrix product, by NumPy's rules: operands of two axes are matrices, of one axis vectors, of more axes stacks of matrices whose
 * leading axes broadcast.
 *
 * @param a float, `[..., m, k]` or `[k]`.
 * @param b float, `[..., k, n]` or `[k]`.
 * @throws if the inner sizes differ, or an operand is a scalar.
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
export const matmul: CompositeFunction<(a: TensorLike, b: TensorLike) => Tensor> = /* @__PURE__ */ composite(
  {
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
    accuracy: "sum",
  },
  "matmul(a, b)",
  (call) =>
    function matmul(a, b) {
      call.check(arguments);
      const [x, y] = [asTensor(call, "a", a), asTensor(call, "b", b)];
      const shapes = `${formatShape(x.shape)} and ${formatShape(y.shape)}`;
      if (x.shape.length === 0 || y.shape.length === 0) {
        throw call.error(`expected at least one axis each, got ${shapes}`);
      }
      const left = x.shape.length === 1 ? unsqueeze(x, 0) : x;
      const right = y.shape.length === 1 ? unsqueeze(y, 1) : y;
      const inner = left.shape[left.shape.length - 1];
      const fits = inner === right.shape[right.shape.length - 2] &&
        broadcastShapes([left.shape.slice(0, -2), right.shape.slice(0, -2)]) !== null;
      if (!fits) throw call.error(`expected [..., m, k] and [..., k, n], got ${shapes}`);
      // [..., m, 1, k] times [..., 1, n, k], summed over k: one kernel.
      let product = sum(mul(unsqueeze(left, -2), unsqueeze(swapLast(right), -3)), -1);
      if (x.shape.length === 1) product = squeeze(product, -2);
      if (y.shape.length === 1) product = squeeze(product, -1);
      return product;
    },
);

/** Exchanges the last two axes. */
function swapLast(x: Tensor): Tensor {
  const order = x.shape.map((_, i) => i);
  const rank = order.length;
  [order[rank - 2], order[rank - 1]] = [rank - 1, rank - 2];
  return transpose(x, order);
}
