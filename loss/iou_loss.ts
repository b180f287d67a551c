/** Losses of pairs of boxes by their overlap. */
import type { Tensor } from "../core/tensor.ts";
import { type Kind, numberAbove, oneOf, Signature } from "../core/options.ts";
import { cast } from "../ops/cast.ts";
import { pairedShape, reduced, type Reduction, reduction } from "../ops/losses.ts";
import type { TensorLike } from "../ops/creation.ts";
import { abs, add, div, mul, neg, square, sub } from "../ops/arithmetic.ts";
import { equal, less, lessEqual, logicalOr } from "../ops/comparison.ts";
import { exp, expm1, pow } from "../ops/functions.ts";
import { hold } from "../ops/grad.ts";
import { sum } from "../ops/reduce.ts";
import { clamp, maximum, minimum, where } from "../ops/selection.ts";
import { boxesAlong, type BoxFormat, boxFormat, type Corners, cornersFrom, partsOfLast, slant } from "./boxes.ts";

/**
 * A loss of two boxes by their overlap, `IoU` being intersection over union. Losses that share a name in the literature are told apart by their papers.
 *
 * - `iou`: 1 - IoU.
 * - `giou`: adds the share of the smallest enclosing box that neither covers (Rezatofighi et al., 2019, arXiv:1902.09630).
 * - `diou`: adds to `iou` the squared distance of the centres over the squared diagonal of the enclosing box (Zheng et al., 2020,
 *   arXiv:1911.08287).
 * - `ciou`: adds to `diou` a term for the ratios of width to height, whose weight counts as a constant in the gradient (the same paper).
 * - `gatedCiou`: the same, with the term from an IoU of 0.5 only (Zheng et al., 2021, arXiv:2005.03572, also named CIoU).
 * - `eiou`: adds to `diou` the squared differences of widths and heights over those of the enclosing box (the efficient IoU of Zhang et al.,
 *   2021, arXiv:2101.08158; not the extended IoU of Peng and Yu, 2021).
 * - `siou`: distance of the centres, weighted by its angle, and differences of shape (Gevorgyan, 2022, arXiv:2205.12740; theta is 4).
 * - `alphaIou`: 1 - IoU ** alpha (He et al., 2021, arXiv:2110.13675).
 */
export type IouLossKind = "iou" | "giou" | "diou" | "ciou" | "gatedCiou" | "eiou" | "siou" | "alphaIou";

/** Options of {@link iouLoss}. */
export interface IouLossOptions {
  /** The measure, default `"iou"`. */
  readonly kind?: IouLossKind;
  /** The format of both arguments, default `"xyxy"`. */
  readonly format?: BoxFormat;
  /** The exponent of `alphaIou`, default 3. */
  readonly alpha?: number;
  /** How the losses are reduced, default `mean`. */
  readonly reduction?: Reduction;
}

/** The option of a measure. */
export const iouLossKind: Kind<IouLossKind> = oneOf(
  "iou",
  "giou",
  "diou",
  "ciou",
  "gatedCiou",
  "eiou",
  "siou",
  "alphaIou",
);

const iouLossCall = new Signature<IouLossOptions>("iouLoss(a, b, options)", {
  kind: iouLossKind,
  format: boxFormat,
  alpha: numberAbove(0),
  reduction,
});

/** Added to divisors, as in torchvision. */
const EPSILON = 1e-7;

/** Pairs of boxes, measured. */
interface Pair {
  readonly iou: Tensor;
  readonly union: Tensor;
  /** Widths and heights of the first boxes, the second ones, and those that enclose both. */
  readonly sizes: readonly [w: Tensor, h: Tensor];
  readonly otherSizes: readonly [w: Tensor, h: Tensor];
  readonly enclosing: readonly [w: Tensor, h: Tensor];
  /** From the centre of the first to that of the second. */
  readonly offset: readonly [dx: Tensor, dy: Tensor];
}

function measured(a: Corners, b: Corners): Pair {
  const overlapW = sub(minimum(a.x2, b.x2), maximum(a.x1, b.x1));
  const overlapH = sub(minimum(a.y2, b.y2), maximum(a.y1, b.y1));
  const sizes = [sub(a.x2, a.x1), sub(a.y2, a.y1)] as const;
  const otherSizes = [sub(b.x2, b.x1), sub(b.y2, b.y1)] as const;
  // Boxes that touch do not overlap, so they have no gradient: torchvision's convention. NaN is not apart from anything.
  const apart = logicalOr(lessEqual(overlapW, 0), lessEqual(overlapH, 0));
  const intersection = where(apart, 0, mul(overlapW, overlapH));
  const union = sub(add(mul(...sizes), mul(...otherSizes)), intersection);
  return {
    // Inverted boxes have areas below 0, and overlap nothing.
    iou: div(intersection, add(clamp(union, 0), EPSILON)),
    union,
    sizes,
    otherSizes,
    enclosing: [sub(maximum(a.x2, b.x2), minimum(a.x1, b.x1)), sub(maximum(a.y2, b.y2), minimum(a.y1, b.y1))],
    offset: [
      div(sub(add(b.x1, b.x2), add(a.x1, a.x2)), 2),
      div(sub(add(b.y1, b.y2), add(a.y1, a.y2)), 2),
    ],
  };
}

const sumOfSquares = ([x, y]: readonly [Tensor, Tensor]): Tensor => add(square(x), square(y));

/** The share of the enclosing box that neither box covers. */
function uncovered({ enclosing, union }: Pair): Tensor {
  const area = mul(...enclosing);
  // Two boxes inverted along one axis can have an area that cancels the epsilon.
  const divisor = add(area, EPSILON);
  return div(sub(area, union), where(equal(divisor, 0), EPSILON, divisor));
}

/** The squared distance of the centres in units of the enclosing box's diagonal. */
function apartness({ enclosing, offset }: Pair): Tensor {
  return div(sumOfSquares(offset), add(sumOfSquares(enclosing), EPSILON));
}

/** The term of CIoU for the ratios of width to height. The papers take its weight for a constant. */
function slanted({ iou, sizes, otherSizes }: Pair, gated: boolean): Tensor {
  const aspect = mul(square(sub(slant(...otherSizes), slant(...sizes))), 4 / Math.PI ** 2);
  // By rounding alone, an IoU can be above 1.
  const weight = div(aspect, add(clamp(sub(1, iou), 0), add(aspect, EPSILON)));
  return mul(hold(gated ? where(less(iou, 0.5), 0, weight) : weight), aspect);
}

/** Squared differences of widths and heights, each in units of the enclosing box. */
function resized({ sizes, otherSizes, enclosing }: Pair): Tensor {
  const along = (k: 0 | 1) => div(square(sub(sizes[k], otherSizes[k])), add(square(enclosing[k]), EPSILON));
  return add(along(0), along(1));
}

/** Throws if an exponent is given to a kind that has none. */
export function alphaOrThrow(call: Signature, kind: IouLossKind, alpha: number | undefined): void {
  if (alpha === undefined || kind === "alphaIou") return;
  throw call.error(`expected alpha with the kind "alphaIou" only, got it with "${kind}"`);
}

/** Half the sum of SIoU's costs of distance and of shape. */
function shifted({ sizes, otherSizes, enclosing, offset }: Pair): Tensor {
  const [dx, dy] = offset;
  const length = sumOfSquares(offset);
  // The angle's cost, 1 - 2 sin(arcsin(x) - pi / 4) ** 2, is the sine of twice the angle.
  const angle = where(equal(length, 0), 0, div(mul(abs(mul(dx, dy)), 2), length));
  const rate = sub(angle, 2);
  const distance = (k: 0 | 1) => neg(expm1(mul(rate, div(square(offset[k]), add(square(enclosing[k]), EPSILON)))));
  const shape = (k: 0 | 1) => {
    const larger = maximum(abs(sizes[k]), abs(otherSizes[k]));
    const difference = where(equal(larger, 0), 0, div(abs(sub(sizes[k], otherSizes[k])), larger));
    return square(square(sub(1, exp(neg(difference)))));
  };
  return div(add(add(distance(0), distance(1)), add(shape(0), shape(1))), 2);
}

function lossOf(pair: Pair, kind: IouLossKind, alpha: number): Tensor {
  const { iou } = pair;
  const loss = sub(1, iou);
  switch (kind) {
    case "iou":
      return loss;
    case "giou":
      return add(loss, uncovered(pair));
    case "diou":
      return add(loss, apartness(pair));
    case "ciou":
    case "gatedCiou":
      return add(add(loss, apartness(pair)), slanted(pair, kind === "gatedCiou"));
    case "eiou":
      return add(add(loss, apartness(pair)), resized(pair));
    case "siou":
      return add(loss, shifted(pair));
    case "alphaIou":
      // Boxes that do not overlap have no gradient, rather than the infinite one of a power below 1.
      return sub(1, where(equal(iou, 0), 0, pow(iou, alpha)));
  }
}

/**
 * The loss of each box of `a` against the box of `b` at the same place, by their overlap: 0 if they are equal, 1 or more if they do not
 * overlap. 1e-7 is added to divisors, as in torchvision, whose `generalized_box_iou_loss`, `distance_box_iou_loss` and
 * `complete_box_iou_loss` are the kinds `giou`, `diou` and `ciou`. The loss and its gradient are finite for all finite boxes that do not
 * overflow, points and inverted ones included.
 *
 * @param a boxes, float, shape `[..., 4]`, in any unit of length that is large beside 1e-7.
 * @param b boxes in the same unit, of the shape of `a`, or one of the two broadcasts to the other.
 * @param options the measure, the format of both arguments, and how the losses are reduced. The mean over no boxes is 0.
 * @returns a scalar, or without reduction the shape of the boxes without their last axis.
 * @throws if the last axis is not 4, neither shape broadcasts to the other, or an option is unknown or of another kind.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, iouLoss, tensor } from "gpugrad";
 *
 * const a = tensor([[0, 0, 2, 2], [0, 0, 2, 2]]);
 * const b = tensor([[0, 0, 2, 2], [4, 0, 6, 2]]);
 * const [same, none] = await iouLoss(a, b, { kind: "giou", reduction: "none" }).data();
 * assert.ok(Math.abs(same) < 1e-6);
 * assert.ok(Math.abs(none - (1 + 1 / 3)) < 1e-6); // a third of the enclosing box is between them
 * assert.deepEqual(grad(iouLoss(a, b), a).shape, [2, 4]);
 * ```
 */
export function iouLoss(a: TensorLike, b: TensorLike, options?: IouLossOptions): Tensor {
  iouLossCall.check(arguments);
  const { kind = "iou", format = "xyxy", alpha, reduction } = options ?? {};
  alphaOrThrow(iouLossCall, kind, alpha);
  const first = cast(boxesAlong(iouLossCall, "a", a), "float");
  const second = cast(boxesAlong(iouLossCall, "b", b), "float");
  pairedShape(iouLossCall, { a: first, b: second });
  const pair = measured(cornersFrom(partsOfLast(first), format), cornersFrom(partsOfLast(second), format));
  const losses = lossOf(pair, kind, alpha ?? 3);
  return losses.size === 0 && reduction !== "none" ? sum(losses) : reduced(losses, reduction);
}
