/** Losses of masks: how far a predicted region is from the true one, as a whole. */
import { arrayOf, boolean, either, numberIn, Signature, whole } from "../core/options.ts";
import { axesOrThrow } from "../core/record.ts";
import { dropAxes, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, square, sub } from "../ops/arithmetic.ts";
import { cast } from "../ops/cast.ts";
import { equal, greater } from "../ops/comparison.ts";
import { asTensor, type TensorLike } from "../ops/creation.ts";
import { gather } from "../ops/indexing.ts";
import { pairedShape, reduced, type Reduction, reduction } from "../ops/losses.ts";
import { broadcastTo, reshape, transpose } from "../ops/movement.ts";
import { argsort, rank } from "../ops/ordering.ts";
import { sum } from "../ops/reduce.ts";
import { cumsum } from "../ops/scans.ts";
import { relu, where } from "../ops/selection.ts";
import { numbers } from "./arguments.ts";

/** Options of {@link lovaszHinge}. */
export interface LovaszHingeOptions {
  /** The axis or axes that make up a mask, default all but the first, or the only one. */
  readonly axis?: number | readonly number[];
  /** How the losses of the masks are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** Options of {@link dice}. */
export interface DiceOptions extends LovaszHingeOptions {
  /** Added to both sides of the fraction, so that an empty mask can be met; default 1. */
  readonly smooth?: number;
  /** Whether the divisor has squares, as in V-Net (Milletari et al., 2016); default false. */
  readonly squared?: boolean;
}

/** Options of {@link tversky}. */
export interface TverskyOptions extends LovaszHingeOptions {
  /** The weight of false positives, default 0.3. */
  readonly alpha?: number;
  /** The weight of false negatives, default 0.7. */
  readonly beta?: number;
  /** Added to both sides of the fraction, so that an empty mask can be met; default 1. */
  readonly smooth?: number;
}

const fromZero = numberIn(0, Infinity);
const common = { axis: either(whole(), arrayOf(whole(), "them")), reduction };
const diceCall = new Signature<DiceOptions>("dice(probabilities, targets, options)", {
  ...common,
  smooth: fromZero,
  squared: boolean,
});
const tverskyCall = new Signature<TverskyOptions>("tversky(probabilities, targets, options)", {
  ...common,
  alpha: fromZero,
  beta: fromZero,
  smooth: fromZero,
});
const lovaszHingeCall = new Signature<LovaszHingeOptions>("lovaszHinge(logits, targets, options)", common);

/** Predictions and targets of one shape, as `float`, and the axes of a mask. */
function masks(
  call: Signature,
  predictions: Readonly<Record<string, TensorLike>>,
  targets: TensorLike,
  axis: number | readonly number[] | undefined,
): { p: Tensor; t: Tensor; axes: number[] } {
  const [[name, given]] = Object.entries(predictions);
  const p = numbers(call, name, given);
  const t = cast(asTensor(call, "targets", targets), "float");
  const shape = pairedShape(call, { [name]: p, targets: t });
  const all = shape.map((_, i) => i);
  const axes = axesOrThrow(call, shape, axis ?? (all.length > 1 ? all.slice(1) : all));
  return { p: broadcastTo(p, shape), t: broadcastTo(t, shape), axes };
}

/**
 * The Dice loss of masks, one less the Dice coefficient: `1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth)`, or with squares in the
 * divisor, `sum(p ** 2) + sum(t ** 2)` (Milletari et al., 2016, arXiv:1606.04797).
 *
 * @param probabilities float from 0 to 1, such as a {@link sigmoid}; by default `[masks, ...]`.
 * @param targets 0 or 1, or numbers between them; `float`, `int` or `bool`, of the probabilities' shape, or one of the two
 *   broadcasts to the other.
 * @param options which axes make up a mask, and how the losses of the masks are reduced.
 * @returns a scalar, or without reduction the shape without the axes of a mask.
 * @throws if neither shape broadcasts to the other, an axis does not exist, or an option is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { dice, tensor } from "gpugrad";
 *
 * const half = dice(tensor([[1, 1, 0, 0]]), [[0, 1, 1, 0]], { smooth: 0 });
 * assert.equal(await half.item(), 0.5);
 * ```
 */
export function dice(probabilities: TensorLike, targets: TensorLike, options?: DiceOptions): Tensor {
  diceCall.check(arguments);
  const { axis, smooth = 1, squared = false, reduction } = options ?? {};
  const { p, t, axes } = masks(diceCall, { probabilities }, targets, axis);
  const total = squared ? add(square(p), square(t)) : add(p, t);
  const coefficient = div(add(mul(sum(mul(p, t), axes), 2), smooth), add(sum(total, axes), smooth));
  return reduced(sub(1, coefficient), reduction);
}

/**
 * The Tversky loss of masks (Salehi et al., 2017, arXiv:1706.05721), which weighs false positives and false negatives:
 * `1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth)`. With both weights 0.5 it is the Dice loss with half the smoothing.
 *
 * @param probabilities float from 0 to 1, such as a {@link sigmoid}; by default `[masks, ...]`.
 * @param targets 0 or 1, or numbers between them; `float`, `int` or `bool`, of the probabilities' shape, or one of the two
 *   broadcasts to the other.
 * @param options the weights, which axes make up a mask, and how the losses of the masks are reduced.
 * @returns a scalar, or without reduction the shape without the axes of a mask.
 * @throws if neither shape broadcasts to the other, an axis does not exist, or an option is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, tversky } from "gpugrad";
 *
 * const weights = { alpha: 0.5, beta: 1, smooth: 0 };
 * const loss = tversky(tensor([[1, 1, 0, 0]]), [[0, 1, 1, 0]], weights); // one of each: TP, FP and FN
 * assert.ok(Math.abs(await loss.item() - 0.6) < 1e-6);
 * ```
 */
export function tversky(probabilities: TensorLike, targets: TensorLike, options?: TverskyOptions): Tensor {
  tverskyCall.check(arguments);
  const { axis, alpha = 0.3, beta = 0.7, smooth = 1, reduction } = options ?? {};
  const { p, t, axes } = masks(tverskyCall, { probabilities }, targets, axis);
  const hit = sum(mul(p, t), axes);
  const falsePositive = sum(mul(p, sub(1, t)), axes);
  const falseNegative = sum(mul(sub(1, p), t), axes);
  const divisor = add(hit, add(mul(falsePositive, alpha), mul(falseNegative, beta)));
  return reduced(sub(1, div(add(hit, smooth), add(divisor, smooth))), reduction);
}

/**
 * The Lovász hinge of masks (Berman et al., 2018, arXiv:1705.08790): a convex surrogate of one less the IoU of the pixels with logits above
 * 0. Hinge errors are weighted by what each adds to the Jaccard loss when they are taken by decreasing size; the lower index comes first among
 * equals.
 *
 * @param logits float; by default `[masks, ...]`.
 * @param targets 0 or 1, `float`, `int` or `bool`, of the logits' shape, or one of the two broadcasts to the other. They have no
 *   gradient.
 * @param options which axes make up a mask, and how the losses of the masks are reduced.
 * @returns a scalar, or without reduction the shape without the axes of a mask.
 * @throws if neither shape broadcasts to the other, or an axis does not exist.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { lovaszHinge, tensor } from "gpugrad";
 *
 * assert.equal(await lovaszHinge(tensor([[2, -2, 3]]), [[1, 0, 1]]).item(), 0);
 * assert.equal(await lovaszHinge(tensor([[2, -2, -1]]), [[1, 0, 1]]).item(), 1); // an error of 2, and half of the mask is missed
 * ```
 */
export function lovaszHinge(logits: TensorLike, targets: TensorLike, options?: LovaszHingeOptions): Tensor {
  lovaszHingeCall.check(arguments);
  const { axis, reduction } = options ?? {};
  const { p, t, axes } = masks(lovaszHingeCall, { logits }, targets, axis);
  const kept = dropAxes(p.shape, axes);
  const order = [...p.shape.keys()].sort((a, b) => Number(axes.includes(a)) - Number(axes.includes(b)) || a - b);
  const flat = (x: Tensor) => reshape(transpose(x, order), [...kept, sizeOf(axes.map((a) => p.shape[a]))]);
  const inside = flat(greater(t, 0.5));
  const x = flat(p);
  const errors = sub(1, where(inside, x, sub(0, x)));
  return reduced(sum(mul(relu(errors), jaccardSteps(errors, inside)), -1), reduction);
}

/** Returns how much each error adds to the Jaccard loss if errors are taken in order of decreasing size along the last axis. */
function jaccardSteps(errors: Tensor, inside: Tensor): Tensor {
  const before = rank(errors, -1, { descending: true });
  const size = sum(where(inside, 1, 0), -1, { keepDims: true });
  const last = errors.shape.length - 1;
  // The pixels of the mask that are taken so far.
  const inOrder = gather(where(inside, 1, 0), argsort(errors, -1, { descending: true }), last);
  const missed = gather(cumsum(inOrder, last), before, last);
  // The union of the mask and what was wrongly taken for it, of which the pixel itself is a part.
  const union = add(size, sub(add(before, 1), missed));
  const outside = div(sub(size, missed), mul(union, sub(union, 1)));
  // An empty mask is lost whole with its first error.
  return where(inside, div(1, union), where(equal(union, 1), where(equal(size, 0), 1, 0), outside));
}
