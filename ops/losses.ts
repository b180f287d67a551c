/** Losses: elements compared with their targets, and reduced. */
import type { Case, Draw, Entry, InputSpec, Op } from "../core/op.ts";
import { axisOrThrow, record } from "../core/record.ts";
import { type Kind, numberAbove, numberIn, oneOf, type Signature, whole } from "../core/options.ts";
import { broadcastShapes, formatShape, sameShape, type Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { softplus } from "./activations.ts";
import { abs, add, div, mul, neg, sub } from "./arithmetic.ts";
import { equal, less, notEqual } from "./comparison.ts";
import { arange, asIndices, asTensor, tensorKind, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { exp } from "./functions.ts";
import { checkIndices, gather, take } from "./indexing.ts";
import { reshape, squeeze, unsqueeze } from "./movement.ts";
import { logSumExp, mean, sum } from "./reduce.ts";
import { where } from "./selection.ts";

/** How the losses of single elements are reduced. */
export type Reduction = "none" | "mean" | "sum";

const reductions = ["none", "mean", "sum"] as const;

/** The option `reduction`. */
export const reduction: Kind<Reduction> = /* @__PURE__ */ oneOf(...reductions);

/** Reduces the losses of single elements, by default to their mean. */
export function reduced(losses: Tensor, how: Reduction = "mean"): Tensor {
  return how === "none" ? losses : how === "mean" ? mean(losses) : sum(losses);
}

/**
 * The shape of the losses of predictions and their targets, which broadcast. If their ranks differ, the one of the higher rank must have
 * the shape of the losses: predictions `[n, 1]` and targets `[n]` would pair each with each, which is hardly ever meant and gives a loss that looks right.
 *
 * @param pair the two tensors by the names of their parameters.
 */
export function pairedShape(call: Signature, pair: Readonly<Record<string, Tensor>>): Shape {
  const [a, b] = Object.values(pair).map(({ shape }) => shape);
  const names = Object.keys(pair).join(" and ");
  const common = broadcastShapes([a, b]);
  if (!common) {
    throw call.error(`expected ${names} to broadcast together, got shapes ${formatShape(a)} and ${formatShape(b)}`);
  }
  if (a.length === b.length || sameShape(common, a.length > b.length ? a : b)) return common;
  throw call.error(
    `expected ${names} of as many axes, or of one shape that the other broadcasts to, got ${formatShape(a)} and ${
      formatShape(b)
    }, whose losses would be ${
      formatShape(common)
    }; squeeze(x, axis) removes an axis of 1, unsqueeze(x, axis) adds one`,
  );
}

/** Throws if targets of binary decisions are class indices, where their values are known. */
export function refuseClasses(call: Signature, targets: Tensor): void {
  const wrong = targets.dtype === "int" ? targets.value?.find((value) => value !== 0 && value !== 1) : undefined;
  if (wrong === undefined) return;
  throw call.error(
    `expected targets from 0 to 1, one for each logit, got the whole number ${wrong}; oneHot(indices, classes) makes targets of class indices`,
  );
}

/** Shapes of predictions and targets. */
function drawPair(draw: Draw): readonly (readonly number[])[] {
  const [a, b] = draw.broadcastable(2);
  if (a.length === b.length) return [a, b];
  const common = broadcastShapes([a, b])!;
  return a.length > b.length ? [common, b] : [a, common];
}

/** One axis. */
type AxisAttribute = { readonly axis: number };

/** The mean of nothing is NaN, which has no derivative. */
function drawReduction(draw: Draw, shapes: readonly (readonly number[])[]): Reduction {
  return draw.pick(shapes.some((s) => s.includes(0)) ? ["none", "sum"] as const : reductions);
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /** The axis of the classes, default 1 as in PyTorch, or 0 if the logits have a single axis. */
  readonly axis?: number;
  /** How the losses are reduced, default `mean`: their sum, divided by the sum of the weights at the labels that count. */
  readonly reduction?: Reduction;
  /** A weight for each class, default 1. */
  readonly weight?: TensorLike;
  /** How much of each label is spread over all classes evenly, from 0 to 1; default 0. */
  readonly labelSmoothing?: number;
  /** The label of elements that do not count: their loss and its gradient are 0. Default none; PyTorch's is -100. */
  readonly ignoreIndex?: number;
}

/** Throws if a known label is out of range, but for the one that is ignored. */
function checkLabels(labels: Tensor, classes: number, ignored?: number): void {
  const advice = (label: number) => ignored === undefined ? `; ignoreIndex: ${label} leaves it out` : "";
  checkIndices("crossEntropy", labels, classes, { parameter: "labels", ignored, advice });
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
export const softmaxCrossEntropy: OpFunction<(logits: Tensor, labels: Tensor, axis: number) => Tensor> =
  /* @__PURE__ */ structured(
    {
      name: "softmaxCrossEntropy",
      infer: ([logits, labels], { axis }) => {
        checkLabels(labels, logits.shape[axis]);
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
    } satisfies Op<AxisAttribute>,
    "softmaxCrossEntropy(logits, labels, axis)",
    (op) => (logits, labels, axis) => record(op, [logits, labels], { axis }),
  );

/** The options of the cross-entropy that are no tensors. */
type CrossEntropyAttributes = {
  readonly axis: number;
  readonly reduction: Reduction;
  readonly labelSmoothing: number;
  readonly ignoreIndex?: number;
};

const crossEntropyKinds = {
  axis: /* @__PURE__ */ whole(),
  reduction,
  weight: tensorKind,
  labelSmoothing: /* @__PURE__ */ numberIn(0, 1),
  ignoreIndex: /* @__PURE__ */ whole(-(2 ** 24), 2 ** 24),
};

/** Logits and labels, with weights or without, some of the labels ignored or none. */
function crossEntropyCase(draw: Draw): Case<CrossEntropyAttributes> {
  const { inputs, attributes } = labelled(draw);
  const [logits, labels] = inputs;
  const { axis } = attributes!;
  const weight: InputSpec[] = draw.bool() ? [{ shape: [logits.shape[axis]], min: 0.25, max: 2 }] : [];
  const labelSmoothing = draw.pick([0, 0, 0.25]);
  // The mean of nothing but ignored elements would be NaN.
  if (draw.int(0, 2) > 0) {
    const attributes = { axis, reduction: draw.pick(reductions), labelSmoothing };
    return { inputs: [logits, labels, ...weight], attributes };
  }
  const ignoreIndex = draw.pick([-1, 0]);
  return {
    inputs: [logits, { ...labels, min: Math.min(0, ignoreIndex) }, ...weight],
    attributes: { axis, reduction: draw.pick(["none", "sum"]), labelSmoothing, ignoreIndex },
  };
}

/**
 * The cross-entropy between logits and labels, in nats: minus the logarithm of the softmax at the label. Its options are those of PyTorch.
 *
 * @param logits `float`; one axis counts the classes.
 * @param labels `int`, the shape of the logits without that axis.
 * @throws if a known label is out of range, or there is not one weight for each class.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { crossEntropy, tensor } from "gpugrad";
 *
 * const labels = tensor([1], [1], { dtype: "int" });
 * assert.equal(await crossEntropy(tensor([[0, 1000]]), labels).item(), 0);
 * assert.equal(await crossEntropy(tensor([[1000, 0]]), labels).item(), 1000);
 *
 * const some = crossEntropy(tensor([[8, 0], [0, 0]]), [0, -100], { ignoreIndex: -100, weight: [2, 1], reduction: "none" });
 * assert.equal((await some.data())[1], 0);
 * ```
 */
export const crossEntropy: CompositeFunction<
  (logits: TensorLike, labels: TensorLike, options?: CrossEntropyOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "crossEntropy",
    apply: ([logits, labels, weight], attributes) => crossEntropy(logits, labels, { ...attributes, weight }),
    differentiable: true,
    domain: crossEntropyCase,
  } satisfies Entry<CrossEntropyAttributes>,
  ["crossEntropy(logits, labels, options)", crossEntropyKinds],
  (call) =>
    function crossEntropy(logits, labels, options) {
      call.check(arguments);
      const scores = asTensor(call, "logits", logits);
      const classes = asIndices(call, "labels", labels);
      const { axis = scores.shape.length > 1 ? 1 : 0, reduction = "mean", labelSmoothing = 0, ignoreIndex } = options ??
        {};
      const at = axisOrThrow(call, scores.shape, axis);
      const expected = scores.shape.filter((_, i) => i !== at);
      if (!sameShape(classes.shape, expected)) {
        throw call.error(
          `expected labels of shape ${formatShape(expected)} (the logits without axis ${at}), got ${
            formatShape(classes.shape)
          }`,
        );
      }
      const weight = options?.weight === undefined ? null : classWeights(call, options.weight, scores.shape[at]);
      const given = { scores, axis: at, weight, labelSmoothing };
      if (ignoreIndex === undefined) {
        const losses = labelLosses(classes, given);
        if (reduction !== "mean" || !weight) return reduced(losses, reduction);
        return div(sum(losses), sum(take(weight, classes)));
      }
      checkLabels(classes, scores.shape[at], ignoreIndex);
      const kept = notEqual(classes, ignoreIndex);
      const known = where(kept, classes, 0);
      const losses = where(kept, labelLosses(known, given), 0);
      if (reduction !== "mean") return reduced(losses, reduction);
      return div(sum(losses), sum(where(kept, weight ? take(weight, known) : 1, 0)));
    },
);

/** The weights of this many classes. */
function classWeights(call: Signature, given: TensorLike, classes: number): Tensor {
  const weight = asTensor(call, "weight", given);
  if (sameShape(weight.shape, [classes])) return weight;
  throw call.error(`expected a weight for each of ${classes} classes, got shape ${formatShape(weight.shape)}`);
}

/** The parts of the losses of labels. */
interface LabelLosses {
  readonly scores: Tensor;
  readonly axis: number;
  readonly weight: Tensor | null;
  readonly labelSmoothing: number;
}

/** The loss of each element. A smoothed label is a mean over the classes, in which each has its own weight. */
function labelLosses(labels: Tensor, { scores, axis, weight, labelSmoothing }: LabelLosses): Tensor {
  const plain = softmaxCrossEntropy(scores, labels, axis);
  const losses = weight ? mul(take(weight, labels), plain) : plain;
  if (labelSmoothing === 0) return losses;
  const each = sub(logSumExp(scores, axis, { keepDims: true }), scores);
  const own = weight && reshape(weight, scores.shape.map((n, i) => (i === axis ? n : 1)));
  const spread = mean(own ? mul(own, each) : each, axis);
  return add(mul(losses, 1 - labelSmoothing), mul(spread, labelSmoothing));
}

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
 * @param target float, of the prediction's shape, or one of the two broadcasts to the other.
 * @throws if beta is negative, or neither shape broadcasts to the other.
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
  (prediction: TensorLike, target: TensorLike, options?: SmoothL1Options) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "smoothL1",
    apply: ([x, y], attributes) => smoothL1(x, y, attributes),
    differentiable: true,
    domain: (draw) => {
      const [a, b] = drawPair(draw);
      // Differences of 2 to 4 keep clear of every beta and of 0.
      return {
        inputs: [{ shape: a, min: 2, max: 3 }, { shape: b, min: -1, max: 0 }],
        attributes: { beta: draw.pick([0, 0.5, 1.5, 5]), reduction: drawReduction(draw, [a, b]) },
      };
    },
  } satisfies Entry<SmoothL1Attributes>,
  ["smoothL1(prediction, target, options)", smoothL1Kinds],
  (call) =>
    function smoothL1(prediction, target, options) {
      call.check(arguments);
      const { beta = 1, reduction = "mean" } = options ?? {};
      const pair = [asTensor(call, "prediction", prediction), asTensor(call, "target", target)] as const;
      pairedShape(call, { prediction: pair[0], target: pair[1] });
      const difference = sub(...pair);
      const distance = abs(difference);
      const losses = beta === 0
        ? distance
        : where(less(distance, beta), mul(mul(difference, difference), 0.5 / beta), sub(distance, 0.5 * beta));
      return reduced(losses, reduction);
    },
);

/** Options of {@link huber}. */
export interface HuberOptions {
  /** The difference at which the parabola becomes a line, above 0; default 1. */
  readonly delta?: number;
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** The end of the parabola, and how the losses are reduced. */
type HuberAttributes = { readonly delta: number; readonly reduction: Reduction };

const huberKinds = { delta: /* @__PURE__ */ numberAbove(0), reduction };

/**
 * The Huber loss (Huber, Robust Estimation of a Location Parameter, 1964): `0.5 d^2` if the difference `d` is below delta, else
 * `delta (|d| - 0.5 delta)`. It is delta times {@link smoothL1} with the same beta. Its second derivative jumps at delta; there it is that
 * of the line.
 *
 * @param prediction float.
 * @param target float, of the prediction's shape, or one of the two broadcasts to the other.
 * @throws if delta is not above 0, or neither shape broadcasts to the other.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { huber, tensor } from "gpugrad";
 *
 * const losses = huber(tensor([1, 5]), 0, { delta: 2, reduction: "none" });
 * assert.deepEqual(await losses.toArray(), [0.5, 8]);
 * ```
 */
export const huber: CompositeFunction<
  (prediction: TensorLike, target: TensorLike, options?: HuberOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "huber",
    apply: ([x, y], attributes) => huber(x, y, attributes),
    differentiable: true,
    domain: (draw) => {
      const [a, b] = drawPair(draw);
      // Differences of 2 to 4 keep clear of every delta.
      return {
        inputs: [{ shape: a, min: 2, max: 3 }, { shape: b, min: -1, max: 0 }],
        attributes: { delta: draw.pick([0.5, 1.5, 5]), reduction: drawReduction(draw, [a, b]) },
      };
    },
  } satisfies Entry<HuberAttributes>,
  ["huber(prediction, target, options)", huberKinds],
  (call) =>
    function huber(prediction, target, options) {
      call.check(arguments);
      const { delta = 1, reduction = "mean" } = options ?? {};
      const pair = [asTensor(call, "prediction", prediction), asTensor(call, "target", target)] as const;
      pairedShape(call, { prediction: pair[0], target: pair[1] });
      const difference = sub(...pair);
      const distance = abs(difference);
      const line = mul(sub(distance, 0.5 * delta), delta);
      return reduced(where(less(distance, delta), mul(mul(difference, difference), 0.5), line), reduction);
    },
);

/** Options of {@link binaryCrossEntropyWithLogits}. */
export interface BinaryCrossEntropyOptions {
  /** How the losses are reduced, default `mean`: their sum, divided by how many there are, also if they have weights. */
  readonly reduction?: Reduction;
  /** A factor of each loss, broadcast to the losses; default 1. */
  readonly weight?: TensorLike;
  /** A factor of the part of each loss that belongs to targets of 1, broadcast to the losses; default 1. Above 1 it favours recall. */
  readonly posWeight?: TensorLike;
}

/** Which weights follow the logits and targets, and how losses are reduced. */
type BinaryCrossEntropyAttributes = {
  readonly reduction: Reduction;
  readonly weights: readonly ("weight" | "posWeight")[];
};

/**
 * The binary cross-entropy of `sigmoid(logits)` against targets in [0, 1], computed without overflow, in nats. Its options are those of
 * PyTorch.
 *
 * @param logits float.
 * @param targets float, of the logits' shape, or one of the two broadcasts to the other.
 * @throws if neither shape broadcasts to the other, a weight does not broadcast to theirs, or targets are class indices.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { binaryCrossEntropyWithLogits, tensor } from "gpugrad";
 *
 * const logits = tensor([1000, -1000]);
 * const losses = binaryCrossEntropyWithLogits(logits, [0, 0], { reduction: "none" });
 * assert.deepEqual(await losses.toArray(), [1000, 0]);
 *
 * const missed = binaryCrossEntropyWithLogits(logits, [1, 1], { posWeight: 3, reduction: "none" });
 * assert.deepEqual(await missed.toArray(), [0, 3000]);
 * ```
 */
export const binaryCrossEntropyWithLogits: CompositeFunction<
  (logits: TensorLike, targets: TensorLike, options?: BinaryCrossEntropyOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "binaryCrossEntropyWithLogits",
    apply: ([x, t, ...factors], { reduction, weights }) => {
      const named = Object.fromEntries(weights.map((name, i) => [name, factors[i]]));
      return binaryCrossEntropyWithLogits(x, t, { reduction, ...named });
    },
    differentiable: true,
    domain: (draw) => {
      const [a, b] = drawPair(draw);
      const common = broadcastShapes([a, b])!;
      const weights = (["weight", "posWeight"] as const).filter(() => draw.bool());
      const factors = weights.map(() => ({ shape: draw.bool() ? common : common.slice(-1), min: 0.25, max: 3 }));
      return {
        inputs: [{ shape: a }, { shape: b, min: 0, max: 1 }, ...factors],
        attributes: { reduction: drawReduction(draw, [a, b]), weights },
      };
    },
  } satisfies Entry<BinaryCrossEntropyAttributes>,
  [
    "binaryCrossEntropyWithLogits(logits, targets, options)",
    { reduction, weight: tensorKind, posWeight: tensorKind },
  ],
  (call) =>
    function binaryCrossEntropyWithLogits(logits, targets, options) {
      call.check(arguments);
      const x = asTensor(call, "logits", logits);
      const t = asTensor(call, "targets", targets);
      const shape = pairedShape(call, { logits: x, targets: t });
      refuseClasses(call, t);
      const { weight, posWeight, reduction = "mean" } = options ?? {};
      const factor = (name: string, given: TensorLike) => {
        const w = asTensor(call, name, given);
        const common = broadcastShapes([w.shape, shape]);
        if (common && sameShape(common, shape)) return w;
        throw call.error(
          `expected ${name} to broadcast to ${formatShape(shape)}, the shape of the losses, got ${
            formatShape(w.shape)
          }`,
        );
      };
      const losses = posWeight === undefined
        ? sub(softplus(x), mul(x, t))
        : add(mul(sub(1, t), softplus(x)), mul(mul(factor("posWeight", posWeight), t), softplus(neg(x))));
      return reduced(weight === undefined ? losses : mul(losses, factor("weight", weight)), reduction);
    },
);
