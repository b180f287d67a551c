/** The family of the focal loss: binary cross-entropies, weighted by how wrong a prediction is. All take logits. */
import { formatShape, sameShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { kind, numberIn, Signature } from "../core/options.ts";
import { cast } from "../ops/cast.ts";
import { logSoftmax, softplus } from "../ops/activations.ts";
import { reduced, type Reduction, reduction } from "../ops/losses.ts";
import type { TensorLike } from "../ops/creation.ts";
import { abs, add, mul, neg, square, sub } from "../ops/arithmetic.ts";
import { equal, greater } from "../ops/comparison.ts";
import { floor, pow, sigmoid } from "../ops/functions.ts";
import { gather } from "../ops/indexing.ts";
import { squeeze, unsqueeze } from "../ops/movement.ts";
import { clamp, where } from "../ops/selection.ts";
import { logitsAndTargets, numbers } from "./arguments.ts";

/** Options of {@link sigmoidFocalLoss}. */
export interface SigmoidFocalLossOptions {
  /** The weight of targets of 1, in [0, 1]; those of 0 have the weight `1 - alpha`. Default 0.25; -1 for no weights. */
  readonly alpha?: number;
  /** The exponent of how wrong a prediction is, default 2. At 0 the loss is the weighted cross-entropy. */
  readonly gamma?: number;
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** Options of {@link qualityFocalLoss}. */
export interface QualityFocalLossOptions {
  /** The exponent of the distance from the quality, default 2. */
  readonly beta?: number;
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** Options of {@link varifocalLoss}. */
export interface VarifocalLossOptions {
  /** The weight of targets of 0, default 0.75. */
  readonly alpha?: number;
  /** The exponent of their probability, default 2. */
  readonly gamma?: number;
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** Options of {@link distributionFocalLoss}. */
export interface DistributionFocalLossOptions {
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** Options of {@link gaussianFocalLoss}. */
export interface GaussianFocalLossOptions {
  /** The exponent of how wrong a prediction is, default 2. */
  readonly alpha?: number;
  /** The exponent of the distance of a target from 1, default 4. */
  readonly beta?: number;
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

const exponent = numberIn(0, Infinity);
const share = kind<number>(
  "a number from 0 to 1, or -1 for no weights",
  "0.25",
  (v) => v === -1 || typeof v === "number" && v >= 0 && v <= 1,
);
const sigmoidFocalLossCall = new Signature<SigmoidFocalLossOptions>("sigmoidFocalLoss(logits, targets, options)", {
  alpha: share,
  gamma: exponent,
  reduction,
});
const qualityFocalLossCall = new Signature<QualityFocalLossOptions>("qualityFocalLoss(logits, targets, options)", {
  beta: exponent,
  reduction,
});
const varifocalLossCall = new Signature<VarifocalLossOptions>("varifocalLoss(logits, targets, options)", {
  alpha: numberIn(0, Infinity),
  gamma: exponent,
  reduction,
});
const distributionFocalLossCall = new Signature<DistributionFocalLossOptions>(
  "distributionFocalLoss(logits, targets, options)",
  { reduction },
);
const gaussianFocalLossCall = new Signature<GaussianFocalLossOptions>("gaussianFocalLoss(logits, targets, options)", {
  alpha: exponent,
  beta: exponent,
  reduction,
});

/** The binary cross-entropy, to full precision where the prediction is right: each sum has at most one small term. */
function crossEntropyOf(x: Tensor, t: Tensor): Tensor {
  return add(mul(t, softplus(neg(x))), mul(sub(1, t), softplus(x)));
}

/** A power of something from 0 up. Where it is 0 it has no gradient, rather than an infinite one of exponents below 1. */
function powerOf(x: Tensor, exponent: number): Tensor {
  if (exponent === 2) return square(x);
  return exponent === 1 ? x : where(equal(x, 0), exponent === 0 ? 1 : 0, pow(x, exponent));
}

/**
 * The focal loss of independent binary decisions (Lin et al., 2017, arXiv:1708.02002): the cross-entropy times
 * `(1 - p) ** gamma`, `p` being the probability that the prediction gives to the target. As torchvision's `sigmoid_focal_loss`, but for the
 * default reduction; gradients stay finite where a probability rounds to 0 or 1.
 *
 * @param logits float, any shape.
 * @param targets 0 or 1, or numbers between them; `float`, `int` or `bool`, of the logits' shape, or one of the two broadcasts to the other.
 * @param options `alpha` and `gamma` as in the paper, and how the losses are reduced. The paper divides the sum by the number of positives.
 * @throws if neither shape broadcasts to the other, an option is out of range, or targets are class indices.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sigmoidFocalLoss, tensor } from "gpugrad";
 *
 * const losses = sigmoidFocalLoss(tensor([0, 0]), tensor([1, 0]), { alpha: 0.25, gamma: 2, reduction: "none" });
 * const [positive, negative] = await losses.data();
 * assert.ok(Math.abs(positive - 0.25 * 0.25 * Math.LN2) < 1e-6);
 * assert.ok(Math.abs(negative - 3 * positive) < 1e-6);
 * ```
 */
export function sigmoidFocalLoss(logits: TensorLike, targets: TensorLike, options?: SigmoidFocalLossOptions): Tensor {
  sigmoidFocalLossCall.check(arguments);
  const { alpha = 0.25, gamma = 2, reduction } = options ?? {};
  const [x, t] = logitsAndTargets(sigmoidFocalLossCall, logits, targets);
  const others = sub(1, t);
  // 1 - p, without the cancellation of p near 1.
  const wrong = add(mul(t, sigmoid(neg(x))), mul(others, sigmoid(x)));
  const losses = mul(crossEntropyOf(x, t), powerOf(wrong, gamma));
  const weighted = alpha < 0 ? losses : mul(add(mul(t, alpha), mul(others, 1 - alpha)), losses);
  return reduced(weighted, reduction);
}

/**
 * The quality focal loss (Li et al., 2020, arXiv:2006.04388): the cross-entropy against a quality between 0 and 1, such as the IoU of a
 * predicted box, times the distance between probability and quality to the power of `beta`.
 *
 * @param logits float, any shape.
 * @param targets qualities from 0 to 1, 0 for other classes and background; of the logits' shape, or one of the two
 *   broadcasts to the other.
 * @param options `beta` as in the paper, and how the losses are reduced. The paper divides the sum by the number of positives.
 * @throws if neither shape broadcasts to the other, an option is out of range, or targets are class indices.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { qualityFocalLoss, tensor } from "gpugrad";
 *
 * const [met, missed] = await qualityFocalLoss(tensor([0, 0]), tensor([0.5, 1]), { reduction: "none" }).data();
 * assert.equal(met, 0);
 * assert.ok(Math.abs(missed - 0.25 * Math.LN2) < 1e-6);
 * ```
 */
export function qualityFocalLoss(logits: TensorLike, targets: TensorLike, options?: QualityFocalLossOptions): Tensor {
  qualityFocalLossCall.check(arguments);
  const { beta = 2, reduction } = options ?? {};
  const [x, t] = logitsAndTargets(qualityFocalLossCall, logits, targets);
  // The target less the probability, without cancellation at targets of 0 and 1.
  const distance = sub(mul(t, sigmoid(neg(x))), mul(sub(1, t), sigmoid(x)));
  const weight = beta === 2 ? square(distance) : powerOf(abs(distance), beta);
  return reduced(mul(weight, crossEntropyOf(x, t)), reduction);
}

/**
 * The varifocal loss (Zhang et al., 2021, arXiv:2008.13367): the cross-entropy against an IoU, weighted by the target where it is above 0, and
 * by `alpha * p ** gamma` where it is 0, `p` being the predicted probability.
 *
 * @param logits float, any shape.
 * @param targets the IoU of positives from 0 to 1, 0 for negatives; of the logits' shape, or one of the
 *   two broadcasts to the other.
 * @param options `alpha` and `gamma` as in the paper, and how the losses are reduced. The paper divides the sum by the number of positives.
 * @throws if neither shape broadcasts to the other, an option is out of range, or targets are class indices.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, varifocalLoss } from "gpugrad";
 *
 * const [positive, negative] = await varifocalLoss(tensor([0, 0]), tensor([0.8, 0]), { reduction: "none" }).data();
 * assert.ok(Math.abs(positive - 0.8 * Math.LN2) < 1e-6);
 * assert.ok(Math.abs(negative - 0.75 * 0.25 * Math.LN2) < 1e-6);
 * ```
 */
export function varifocalLoss(logits: TensorLike, targets: TensorLike, options?: VarifocalLossOptions): Tensor {
  varifocalLossCall.check(arguments);
  const { alpha = 0.75, gamma = 2, reduction } = options ?? {};
  const [x, t] = logitsAndTargets(varifocalLossCall, logits, targets);
  const positive = mul(t, crossEntropyOf(x, t));
  const negative = mul(mul(powerOf(sigmoid(x), gamma), alpha), softplus(x));
  return reduced(where(greater(t, 0), positive, negative), reduction);
}

/**
 * The distribution focal loss (Li et al., 2020, arXiv:2006.04388): the cross-entropy between a distribution over the numbers 0, 1, ... and
 * the two numbers around the target, weighted so that their mean is the target.
 *
 * @param logits float, shape `[..., bins]`, at least two bins.
 * @param targets numbers from 0 to `bins - 1`, shape `[...]`.
 * @param options how the losses are reduced.
 * @returns a scalar, or without reduction the shape of the targets.
 * @throws if the shapes do not fit, there are fewer than two bins, or a target whose value is known is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { distributionFocalLoss, tensor } from "gpugrad";
 *
 * const logits = tensor([[-1000, Math.log(3), 0, -1000]]); // 3/4 for 1, 1/4 for 2
 * const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25));
 * assert.ok(Math.abs(await distributionFocalLoss(logits, [1.25]).item() - entropy) < 1e-5);
 * ```
 */
export function distributionFocalLoss(
  logits: TensorLike,
  targets: TensorLike,
  options?: DistributionFocalLossOptions,
): Tensor {
  const call = distributionFocalLossCall;
  call.check(arguments);
  const x = numbers(call, "logits", logits);
  const t = numbers(call, "targets", targets);
  const axis = x.shape.length - 1;
  const bins = x.shape[axis];
  if (axis < 0 || bins < 2) {
    throw call.error(`expected logits of shape [..., bins] with at least two bins, got ${formatShape(x.shape)}`);
  }
  if (!sameShape(t.shape, x.shape.slice(0, axis))) {
    throw call.error(
      `expected targets of shape ${formatShape(x.shape.slice(0, axis))} (the logits without the last axis), got ${
        formatShape(t.shape)
      }`,
    );
  }
  const wrong = t.value?.find((value) => !(value >= 0 && value <= bins - 1));
  if (wrong !== undefined) throw call.error(`expected targets from 0 to ${bins - 1} (bins - 1), got ${wrong}`);
  // The last number is the upper neighbour of the last interval.
  const left = clamp(floor(t), 0, bins - 2);
  const logs = logSoftmax(x, axis);
  const at = (index: Tensor) => squeeze(gather(logs, cast(unsqueeze(index, axis), "int"), axis), axis);
  const right = add(left, 1);
  return reduced(neg(add(mul(sub(right, t), at(left)), mul(sub(t, left), at(right)))), options?.reduction);
}

/**
 * The focal loss of heat maps (Law and Deng, 2018, arXiv:1808.01244; also CenterNet): a target of 1 is an object, and around it targets fall
 * off as a Gaussian, which makes predictions there count less: by `(1 - target) ** beta`.
 *
 * @param logits float, any shape.
 * @param targets from 0 to 1, exactly 1 at objects; of the logits' shape, or one of the two broadcasts to the other.
 * @param options `alpha` and `beta` as in the paper, and how the losses are reduced. The paper divides the sum by the number of objects.
 * @throws if neither shape broadcasts to the other, an option is out of range, or targets are class indices.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { gaussianFocalLoss, tensor } from "gpugrad";
 *
 * const [object, near] = await gaussianFocalLoss(tensor([0, 0]), tensor([1, 0.5]), { reduction: "none" }).data();
 * assert.ok(Math.abs(object - 0.25 * Math.LN2) < 1e-6);
 * assert.ok(Math.abs(near - object / 16) < 1e-6);
 * ```
 */
export function gaussianFocalLoss(logits: TensorLike, targets: TensorLike, options?: GaussianFocalLossOptions): Tensor {
  gaussianFocalLossCall.check(arguments);
  const { alpha = 2, beta = 4, reduction } = options ?? {};
  const [x, t] = logitsAndTargets(gaussianFocalLossCall, logits, targets);
  const object = mul(powerOf(sigmoid(neg(x)), alpha), softplus(neg(x)));
  const other = mul(mul(powerOf(sub(1, t), beta), powerOf(sigmoid(x), alpha)), softplus(x));
  return reduced(where(equal(t, 1), object, other), reduction);
}
