/** Boxes in other forms: formats, and location targets relative to anchors. */
import type { Tensor } from "../core/tensor.ts";
import { numberAbove, Signature } from "../core/options.ts";
import { add, div, mul, sub } from "../ops/arithmetic.ts";
import type { TensorLike } from "../ops/creation.ts";
import { exp, log } from "../ops/functions.ts";
import { concat, slice } from "../ops/movement.ts";
import { boxesAlong, type BoxFormat, boxFormat } from "./boxes.ts";
import { broadcasting } from "./arguments.ts";

/** Options of {@link encode} and {@link decode}. */
export interface BoxCodingOptions {
  /** The format of the boxes and the anchors, default `"xyxy"`. */
  readonly format?: BoxFormat;
  /** Divisor of the centre's location targets, default 0.1. */
  readonly scaleXy?: number;
  /** Divisor of the size's location targets, default 0.2. */
  readonly scaleWh?: number;
}

const convertBoxesCall = new Signature("convertBoxes(boxes, from, to)");
const codingKinds = { format: boxFormat, scaleXy: numberAbove(0), scaleWh: numberAbove(0) };
const encodeCall = new Signature<BoxCodingOptions>("encode(boxes, anchors, options)", codingKinds);
const decodeCall = new Signature<BoxCodingOptions>("decode(locations, anchors, options)", codingKinds);

/** Divisors of location targets. */
interface Scales {
  readonly scaleXy?: number;
  readonly scaleWh?: number;
}

/** Two numbers of each box, as x and y or as width and height. */
type Halves = readonly [first: Tensor, second: Tensor];

/** Splits boxes along an axis of length 4. */
export function halvesOf(boxes: Tensor, axis: number): Halves {
  const half = (from: number) =>
    slice(boxes, boxes.shape.map((_, i): [number, number] | null => (i === axis ? [from, from + 2] : null)));
  return [half(0), half(2)];
}

/** Location targets, from the centres and sizes of boxes and of anchors; see {@link encode}. */
export function encoded([centre, size]: Halves, [anchorCentre, anchorSize]: Halves, scales: Scales): Halves {
  const { scaleXy = 0.1, scaleWh = 0.2 } = scales;
  return [div(div(sub(centre, anchorCentre), anchorSize), scaleXy), div(log(div(size, anchorSize)), scaleWh)];
}

/** Centres and sizes, from location targets and the centres and sizes of anchors; see {@link decode}. */
export function decoded([centre, size]: Halves, [anchorCentre, anchorSize]: Halves, scales: Scales): Halves {
  const { scaleXy = 0.1, scaleWh = 0.2 } = scales;
  return [add(mul(mul(centre, scaleXy), anchorSize), anchorCentre), mul(exp(mul(size, scaleWh)), anchorSize)];
}

/** From one format to another, each as two halves. */
function converted([p, q]: Halves, from: BoxFormat, to: BoxFormat): Halves {
  if (from === to) return [p, q];
  if (to === "xyxy") {
    const low = from === "xywh" ? p : sub(p, mul(q, 0.5));
    return [low, from === "xywh" ? add(p, q) : add(p, mul(q, 0.5))];
  }
  if (from === "xyxy") return [to === "xywh" ? p : mul(add(p, q), 0.5), sub(q, p)];
  return [to === "xywh" ? sub(p, mul(q, 0.5)) : add(p, mul(q, 0.5)), q];
}

/**
 * Boxes in another format: `xyxy` (two opposite corners), `xywh` (the top left corner and the size, as in COCO) or `cxcywh` (the centre and
 * the size). Differentiable.
 *
 * @param boxes float, shape `[..., 4]`, in any unit of length.
 * @param from the format that they have.
 * @param to the format of the result.
 * @returns the same shape.
 * @throws if the last axis is not 4, or a format is unknown.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { convertBoxes, tensor } from "gpugrad";
 *
 * const corners = tensor([[1, 2, 4, 8]]);
 * assert.deepEqual(await convertBoxes(corners, "xyxy", "cxcywh").toArray(), [[2.5, 5, 3, 6]]);
 * assert.deepEqual(await convertBoxes(corners, "xyxy", "xywh").toArray(), [[1, 2, 3, 6]]);
 * ```
 */
export function convertBoxes(boxes: TensorLike, from: BoxFormat, to: BoxFormat): Tensor {
  convertBoxesCall.check(arguments);
  const given = boxesAlong(convertBoxesCall, "boxes", boxes);
  for (const [name, format] of Object.entries({ from, to })) {
    if (!boxFormat.accepts(format)) throw convertBoxesCall.wrong(name, boxFormat.expected, format);
  }
  return from === to ? given : concat([...converted(halvesOf(given, given.shape.length - 1), from, to)], -1);
}

/** The centres and sizes of boxes of some format. */
function centred(boxes: Tensor, format: BoxFormat): Halves {
  return converted(halvesOf(boxes, boxes.shape.length - 1), format, "cxcywh");
}

/**
 * Encodes boxes as location targets relative to anchors: the offset of the centre in units of the anchor's size, divided by `scaleXy`, and
 * the logarithm of the ratio of sizes, divided by `scaleWh`. {@link DefaultBoxes.encode} does it for the default boxes of a network.
 *
 * @param boxes float, shape `[..., 4]`, in any unit of length, with sizes above 0.
 * @param anchors boxes in the same unit and format; broadcast with the boxes.
 * @param options the format of both, and the divisors ("variances").
 * @returns the shape that both broadcast to: dx, dy, log w, log h.
 * @throws if a last axis is not 4, the shapes do not broadcast together, or an option is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { encode, tensor } from "gpugrad";
 *
 * const anchors = tensor([[0, 0, 10, 10]]);
 * const locations = encode(tensor([[1, 0, 11, 10]]), anchors);
 * assert.deepEqual((await locations.data()).map(Math.round), new Float32Array([1, 0, 0, 0])); // a tenth of the width to the right
 * ```
 */
export function encode(boxes: TensorLike, anchors: TensorLike, options?: BoxCodingOptions): Tensor {
  encodeCall.check(arguments);
  const { format = "xyxy", ...scales } = options ?? {};
  const pair = { boxes: boxesAlong(encodeCall, "boxes", boxes), anchors: boxesAlong(encodeCall, "anchors", anchors) };
  broadcasting(encodeCall, pair);
  return concat([...encoded(centred(pair.boxes, format), centred(pair.anchors, format), scales)], -1);
}

/**
 * Decodes location predictions relative to anchors into boxes: the inverse of {@link encode}. {@link DefaultBoxes.decode} does it for the
 * default boxes of a network.
 *
 * @param locations float, shape `[..., 4]`.
 * @param anchors boxes in any unit of length; broadcast with the locations.
 * @param options the format of the anchors and of the result, and the divisors ("variances").
 * @returns boxes in the unit and format of the anchors, of the shape that both broadcast to.
 * @throws if a last axis is not 4, the shapes do not broadcast together, or an option is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { decode, tensor } from "gpugrad";
 *
 * const boxes = decode(tensor([[0, 5, 0, 0]]), tensor([[0, 0, 10, 10]]));
 * assert.deepEqual(await boxes.toArray(), [[0, 5, 10, 15]]);
 * ```
 */
export function decode(locations: TensorLike, anchors: TensorLike, options?: BoxCodingOptions): Tensor {
  decodeCall.check(arguments);
  const { format = "xyxy", ...scales } = options ?? {};
  const given = boxesAlong(decodeCall, "locations", locations);
  const fixed = boxesAlong(decodeCall, "anchors", anchors);
  broadcasting(decodeCall, { locations: given, anchors: fixed });
  const halves = decoded(halvesOf(given, given.shape.length - 1), centred(fixed, format), scales);
  return concat([...converted(halves, "cxcywh", format)], -1);
}
