/** Box formats and measures of overlap. */
import type { Tensor } from "../core/tensor.ts";
import { oneOf, Signature } from "../core/options.ts";
import { broadcastShapes, formatShape } from "../core/shape.ts";
import { asTensor, type TensorLike } from "../ops/creation.ts";
import { abs, add, div, mul, square, sub } from "../ops/arithmetic.ts";
import { equal, less, logicalAnd } from "../ops/comparison.ts";
import { atan } from "../ops/functions.ts";
import { clamp, maximum, minimum, where } from "../ops/selection.ts";
import { reshape, slice, squeeze } from "../ops/movement.ts";
import { hold } from "../ops/grad.ts";

/** The layout of a box's four numbers: two opposite corners, the top left corner and size (COCO), or centre and size. */
export type BoxFormat = "xyxy" | "xywh" | "cxcywh";

/** The option of a format. */
export const boxFormat = oneOf("xyxy", "xywh", "cxcywh");

/**
 * A measure of overlap. `iou`: intersection over union. `giou`: IoU minus the share of the smallest enclosing box that
 * neither box covers (Rezatofighi et al., 2019). `diou`: IoU minus the squared distance between the centres divided by
 * the enclosing box's squared diagonal (Zheng et al., 2020). `ciou`: DIoU minus a term for the aspect ratios, whose
 * weight is held constant in the gradient (same paper).
 */
export type IouKind = "iou" | "giou" | "diou" | "ciou";

/** Options of {@link iouMatrix}. */
export interface IouOptions {
  /** The format of both arguments, default `"xyxy"`. */
  readonly format?: BoxFormat;
  /** The measure, default `"iou"`. */
  readonly kind?: IouKind;
}

/** Boxes as four tensors that broadcast together: left, top, right and bottom edges. */
export interface Corners {
  readonly x1: Tensor;
  readonly y1: Tensor;
  readonly x2: Tensor;
  readonly y2: Tensor;
}

const iouMatrixCall = new Signature<IouOptions>("iouMatrix(a, b, options)", {
  format: boxFormat,
  kind: oneOf("iou", "giou", "diou", "ciou"),
});

/** Added to areas and squared lengths in denominators, so that boxes without area do not divide by 0. */
const EPSILON = 1e-9;

/** The corners of boxes given by centre and size. */
export function cornersOf(cx: Tensor, cy: Tensor, w: Tensor, h: Tensor): Corners {
  const halfW = mul(w, 0.5);
  const halfH = mul(h, 0.5);
  return { x1: sub(cx, halfW), y1: sub(cy, halfH), x2: add(cx, halfW), y2: add(cy, halfH) };
}

/** The corners of boxes given by four numbers of some format. */
export function cornersFrom([p, q, r, s]: readonly Tensor[], format: BoxFormat): Corners {
  if (format === "xyxy") return { x1: p, y1: q, x2: r, y2: s };
  return format === "xywh" ? { x1: p, y1: q, x2: add(p, r), y2: add(q, s) } : cornersOf(p, q, r, s);
}

/** The four numbers of boxes `[..., 4]`, each `[...]`. */
export function partsOfLast(boxes: Tensor): Tensor[] {
  const last = boxes.shape.length - 1;
  return [0, 1, 2, 3].map((k) =>
    squeeze(slice(boxes, boxes.shape.map((_, axis) => (axis === last ? [k, k + 1] as const : null))), last)
  );
}

/** A tensor of boxes, `[..., 4]`. */
export function boxesAlong(call: Signature, name: string, boxes: TensorLike): Tensor {
  const t = asTensor(call, name, boxes);
  const { shape, dtype } = t;
  if (shape.length < 1 || shape[shape.length - 1] !== 4) {
    throw call.error(`expected ${name} of shape [..., 4], got ${formatShape(shape)}`);
  }
  if (dtype === "bool") throw call.error(`expected ${name} to be numbers, got a tensor of dtype bool`);
  return t;
}

/**
 * The angle atan(w / h) of a box's diagonal. The quotient is taken in whichever direction is at most 1, so that the
 * angle of a box with zero height has a derivative with respect to its height; a point has the angle 0.
 */
export function slant(w: Tensor, h: Tensor): Tensor {
  const right = where(equal(less(w, 0), less(h, 0)), Math.PI / 2, -Math.PI / 2);
  const angle = where(less(abs(h), abs(w)), sub(right, atan(div(h, w))), atan(div(w, h)));
  return where(logicalAnd(equal(w, 0), equal(h, 0)), 0, angle);
}

/**
 * The overlap of boxes that broadcast together. Equal overlaps are common (a small box inside several of one size), and
 * rounding decides between them, so the order of operations must stay that of the reference.
 */
export function iouOfCorners(a: Corners, b: Corners, kind: IouKind = "iou"): Tensor {
  const overlapW = clamp(sub(minimum(a.x2, b.x2), maximum(a.x1, b.x1)), 0);
  const overlapH = clamp(sub(minimum(a.y2, b.y2), maximum(a.y1, b.y1)), 0);
  const intersection = mul(overlapW, overlapH);
  const widthA = sub(a.x2, a.x1);
  const heightA = sub(a.y2, a.y1);
  const widthB = sub(b.x2, b.x1);
  const heightB = sub(b.y2, b.y1);
  const areas = add(mul(widthA, heightA), mul(widthB, heightB));
  const union = add(sub(areas, intersection), EPSILON);
  const iou = div(intersection, union);
  if (kind === "iou") return iou;

  const enclosingW = sub(maximum(a.x2, b.x2), minimum(a.x1, b.x1));
  const enclosingH = sub(maximum(a.y2, b.y2), minimum(a.y1, b.y1));
  if (kind === "giou") {
    const enclosing = add(mul(enclosingW, enclosingH), EPSILON);
    return sub(iou, div(sub(enclosing, union), enclosing));
  }

  const diagonal = add(add(square(enclosingW), square(enclosingH)), EPSILON);
  const doubleDx = sub(add(b.x1, b.x2), add(a.x1, a.x2));
  const doubleDy = sub(add(b.y1, b.y2), add(a.y1, a.y2));
  const distance = div(div(add(square(doubleDx), square(doubleDy)), 4), diagonal);
  if (kind === "diou") return sub(iou, distance);

  const angles = sub(slant(widthB, heightB), slant(widthA, heightA));
  const aspect = mul(square(angles), 4 / Math.PI ** 2);
  // The paper's gradient holds the weight of the aspect term constant. The reference writes 1 + 1e-9 - IoU + aspect,
  // which is 0 for equal boxes in float32, because 1 + 1e-9 rounds to 1.
  const weight = hold(div(aspect, add(clamp(sub(1, iou), 0), add(aspect, EPSILON))));
  return sub(iou, add(distance, mul(aspect, weight)));
}

/** The four numbers of each box, each of shape `[..., n, 1]`, or `[..., 1, n]` as columns of a matrix. */
function partsOf(boxes: Tensor, format: BoxFormat, columns: boolean): Corners {
  const { shape } = boxes;
  const rank = shape.length;
  const n = shape[rank - 2];
  const part = (k: number): Tensor => {
    const ranges = shape.map((_, axis): [number, number] | null => (axis === rank - 1 ? [k, k + 1] : null));
    const one = slice(boxes, ranges);
    return columns ? reshape(one, [...shape.slice(0, rank - 2), 1, n]) : one;
  };
  const [p, q, r, s] = [part(0), part(1), part(2), part(3)];
  return cornersFrom([p, q, r, s], format);
}

/**
 * Computes the overlap of each box of `a` with each box of `b`. Differentiable. 1e-9 is added to areas and squared
 * diagonals in denominators, as in super-gradients' `calculate_bbox_iou_matrix`.
 *
 * @param a boxes, float, shape `[..., n, 4]`, in any unit of length.
 * @param b boxes in the same unit, shape `[..., m, 4]`; the axes before the last two broadcast.
 * @param options the format of both arguments and the measure.
 * @returns shape `[..., n, m]`, dimensionless: `iou` in [0, 1], the others down to -1 (`ciou` slightly below).
 * @throws if the last axis is not 4, the axes before the last two do not broadcast, or an option is unknown.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { iouMatrix, tensor } from "gpugrad";
 *
 * const a = tensor([[0, 0, 2, 2]]);
 * const b = tensor([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]]);
 * const [same, half, none] = await iouMatrix(a, b, { format: "xyxy" }).data();
 * assert.ok(Math.abs(same - 1) < 1e-6);
 * assert.ok(Math.abs(half - 1 / 3) < 1e-6);
 * assert.equal(none, 0);
 * ```
 */
export function iouMatrix(a: TensorLike, b: TensorLike, options?: IouOptions): Tensor {
  iouMatrixCall.check(arguments);
  const { format = "xyxy", kind = "iou" } = options ?? {};
  const first = boxesOrThrow("a", a);
  const second = boxesOrThrow("b", b);
  if (!broadcastShapes([first.shape.slice(0, -2), second.shape.slice(0, -2)])) {
    throw iouMatrixCall.error(
      `expected the axes of a and b before the last two to broadcast together, got ${formatShape(first.shape)} and ${
        formatShape(second.shape)
      }`,
    );
  }
  return iouOfCorners(partsOf(first, format, false), partsOf(second, format, true), kind);
}

function boxesOrThrow(name: string, boxes: TensorLike): Tensor {
  const t = asTensor(iouMatrixCall, name, boxes);
  const { shape, dtype } = t;
  if (shape.length < 2 || shape[shape.length - 1] !== 4) {
    throw iouMatrixCall.error(`expected ${name} of shape [..., boxes, 4], got ${formatShape(shape)}`);
  }
  if (dtype === "bool") throw iouMatrixCall.error(`expected ${name} to be numbers, got a tensor of dtype bool`);
  return t;
}
