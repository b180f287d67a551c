/**
 * Targets: checked, grouped by image and padded, so that images with different numbers of objects fit into one tensor.
 */
import { Signature, whole } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { tensor } from "../ops/creation.ts";
import { cast } from "../ops/cast.ts";
import { greaterEqual } from "../ops/comparison.ts";
import { slice, squeeze } from "../ops/movement.ts";
import { CornerWatch, misplaced } from "./placement.ts";
import { readRows, type Rows } from "./rows.ts";

/**
 * The objects of a batch, one row each: `[image, label, cx, cy, w, h]`. `image` is the index within the batch, `label`
 * counts from 0 (background is not a label), and the box is relative to the image. A computed tensor `[n, 6]`, a typed
 * array of `6 n` numbers, `n` rows, or what {@link padTargets} makes of one of these.
 */
export type Targets = Rows;

/** Targets grouped by image: `g` counts an image's targets in row order, padded to the same number for all images. */
export interface GroupedTargets {
  /** The row among the given targets, -1 for padding; int, shape `[batch, g]`. */
  readonly row: Tensor;
  /** Whether the slot holds a target rather than padding; bool, shape `[batch, g]`. */
  readonly valid: Tensor;
  /** The label, 0 for padding; int, shape `[batch, g]`. */
  readonly label: Tensor;
  /** cx, cy, w, h relative to the image, a unit square for padding; float, shape `[batch, 4, g]`. */
  readonly boxes: Tensor;
}

const COLUMNS = 6;
/** More than any batch has: a larger index means something else, such as the image's number in its data set. */
export const MOST_IMAGES = 65_536;
/** The warnings already given: each is given once per process. */
const told = new Set<string>();
/**
 * The rows of the padded leaf: row, label, cx, cy, w, h. One leaf rather than three, because kernels can bind few
 * arrays.
 */
const PADDING = [-1, 0, 0, 0, 1, 1];

/** The number of rows of targets. */
export function countRows(caller: string, targets: Targets): number {
  return readRows(caller, "targets", targets, COLUMNS).count;
}

/** The number of images that the targets refer to: the highest image index plus 1, at least 1. */
export function imagesOf(caller: string, targets: Targets): number {
  if (arePadded(targets)) return targets.shape[0];
  const { data, count } = readRows(caller, "targets", targets, COLUMNS);
  let images = 1;
  for (let i = 0; i < count; i++) {
    const image = imageOf(caller, data, i);
    if (image >= MOST_IMAGES) {
      fail(caller, `the image index within the batch to be below ${MOST_IMAGES}`, image, i);
    }
    images = Math.max(images, image + 1);
  }
  return images;
}

/** Options of {@link padTargets}. */
export interface PadTargetsOptions {
  /** The number of images, up to 65,536; default the highest image index plus 1, at least 1. */
  readonly batch?: number;
  /** The number of classes, background not included; labels must be below it. Default: they may have any value. */
  readonly classes?: number;
  /** The smallest number of targets of an image that there is room for, default 1. */
  readonly slots?: number;
}

const padCall = new Signature<PadTargetsOptions>("padTargets(targets, options)", {
  batch: whole(1, MOST_IMAGES),
  classes: whole(1),
  slots: whole(1, 65_536),
});

/**
 * Checks targets on the host, groups them by image and pads them, so that a function under {@link compile} can take them as an input: a
 * loss computes the same from rows and from what this makes of them. Rows of images outside the batch are ignored, with one warning per
 * process.
 *
 * @param targets rows `[image, label, cx, cy, w, h]`, boxes relative to the image.
 * @returns a float tensor `[batch, 6, g]`; along the second axis the row among `targets` (-1 for padding), label, cx, cy, w, h. `g` is
 * the largest number of targets of an image, or `slots` if there are fewer, rounded up to a power of two, so that few different shapes
 * occur.
 * @throws if a target is invalid, naming its row.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { compile, DefaultBoxes, grad, padTargets, SSDLoss, zeros } from "gpugrad";
 *
 * const boxes = new DefaultBoxes({ figSize: 300, featSizes: [3, 1], scales: [90, 200, 280], aspectRatios: [[2], [2]] });
 * const criterion = new SSDLoss(boxes);
 * const step = compile((locations, logits, targets) => {
 *   const { loss } = criterion.forward([locations, logits], targets);
 *   return [loss, ...grad(loss, [locations, logits])];
 * });
 * const locations = zeros([1, 4, boxes.count]);
 * const logits = zeros([1, 3, boxes.count]);
 * for (const target of [[0, 1, 0.5, 0.5, 0.4, 0.3], [0, 0, 0.4, 0.6, 0.5, 0.5]]) { // one recording for both
 *   const targets = padTargets([target], { batch: 1, classes: 2 });
 *   assert.deepEqual(targets.shape, [1, 6, 1]);
 *   const [loss] = await step(locations, logits, targets);
 *   assert.equal(await loss.item(), await criterion.forward([locations, logits], [target]).loss.item());
 * }
 * ```
 */
export function padTargets(targets: Targets, options: PadTargetsOptions = {}): Tensor {
  padCall.check(arguments);
  const { batch = imagesOf(padCall.name, targets), classes = null, slots = 1 } = options;
  return padded(padCall.name, targets, { batch, numClasses: classes, slots });
}

/** Whether targets are what {@link padTargets} returns. */
export function arePadded(targets: Targets): targets is Tensor {
  return targets instanceof Tensor && targets.shape.length === 3;
}

/**
 * Returns targets grouped by image. Rows are checked; what {@link padTargets} returned was checked there.
 *
 * @param numClasses exclusive upper bound of the labels; `null` if the number of classes is unknown.
 */
export function groupTargets(
  caller: string,
  targets: Targets,
  batch: number,
  numClasses: number | null,
): GroupedTargets {
  const leaf = arePadded(targets)
    ? paddedOrThrow(caller, targets, batch)
    : padded(caller, targets, { batch, numClasses, slots: 1 });
  const row = squeeze(slice(leaf, [null, [0, 1], null]), 1);
  return {
    row: cast(row, "int"),
    valid: greaterEqual(row, 0),
    label: cast(squeeze(slice(leaf, [null, [1, 2], null]), 1), "int"),
    boxes: slice(leaf, [null, [2, 6], null]),
  };
}

function paddedOrThrow(caller: string, targets: Tensor, batch: number): Tensor {
  const { shape, dtype } = targets;
  if (shape[0] === batch && shape[1] === COLUMNS && shape[2] > 0 && dtype === "float") return targets;
  throw new Error(
    `${caller}: expected padded targets of shape [${batch}, ${COLUMNS}, g] and dtype float, as padTargets returns them for ` +
      `${batch === 1 ? "1 image" : `${batch} images`}, got ${formatShape(shape)} of dtype ${dtype}`,
  );
}

/** Checks targets, groups them by image and pads them. Rows of images outside the batch and boxes that look like corners are warned about. */
function padded(
  caller: string,
  targets: Targets,
  { batch, numClasses, slots: least }: { batch: number; numClasses: number | null; slots: number },
): Tensor {
  const { data, count } = readRows(caller, "targets", targets, COLUMNS);
  const watch = new CornerWatch();
  const rowsOf = Array.from({ length: batch }, (): number[] => []);
  for (let i = 0; i < count; i++) {
    const image = imageOf(caller, data, i);
    if (image < 0 || image >= batch) {
      warnOfOtherImages(caller, i, image, batch);
      continue;
    }
    checkTarget(caller, data, i, numClasses);
    const at = i * COLUMNS;
    watch.add(i, [data[at + 2], data[at + 3], data[at + 4], data[at + 5]]);
    rowsOf[image].push(i);
  }
  if (watch.corners !== null) warnOfCorners(caller, data, watch.corners);

  const most = rowsOf.reduce((n, rows) => Math.max(n, rows.length), least);
  // A power of two, so that batches with similar numbers of targets share a plan.
  const slots = 2 ** Math.ceil(Math.log2(most));
  const values = new Float64Array(batch * COLUMNS * slots);
  rowsOf.forEach((rows, image) => {
    for (let k = 0; k < COLUMNS; k++) {
      const at = (image * COLUMNS + k) * slots;
      values.fill(PADDING[k], at, at + slots);
      rows.forEach((row, g) => (values[at + g] = k === 0 ? row : data[row * COLUMNS + k]));
    }
  });
  return tensor(values, [batch, COLUMNS, slots], { copy: false });
}

function imageOf(caller: string, data: ArrayLike<number>, row: number): number {
  const image = data[row * COLUMNS];
  if (!Number.isInteger(image)) fail(caller, "the image index to be a whole number", image, row);
  return image;
}

function checkTarget(caller: string, data: ArrayLike<number>, row: number, numClasses: number | null): void {
  const at = row * COLUMNS;
  const label = data[at + 1];
  if (!Number.isInteger(label)) fail(caller, "the label to be a whole number", label, row);
  if (label < 0) fail(caller, "the label to be 0 or above", label, row);
  if (numClasses !== null && label >= numClasses) {
    fail(caller, `the label to be below ${numClasses}, the number of classes of the logits`, label, row);
  }
  // A number that float32 rounds to 0 or infinity would act on a device as 0 or infinity does.
  for (const [name, k] of [["cx", 2], ["cy", 3]] as const) {
    if (!Number.isFinite(Math.fround(data[at + k]))) fail(caller, `${name} to be finite`, data[at + k], row);
  }
  for (const [name, k] of [["w", 4], ["h", 5]] as const) {
    const size = Math.fround(data[at + k]);
    if (!Number.isFinite(size) || size <= 0) fail(caller, `${name} to be finite and above 0`, data[at + k], row);
  }
  const problem = misplaced(data[at + 2], data[at + 3], data[at + 4], data[at + 5]);
  if (problem) {
    throw new Error(`${caller}: expected boxes relative to the image, got row ${row} of targets, ${problem}`);
  }
}

/** A warning rather than an error, because a single box that the border cuts may read as corners too. */
function warnOfCorners(caller: string, data: ArrayLike<number>, row: number): void {
  const box = [2, 3, 4, 5].map((k) => data[row * COLUMNS + k]).join(", ");
  warnOnce(
    "corners",
    `${caller}: expected targets as boxes [cx, cy, w, h], but all of these read as corners [x1, y1, x2, y2]; as centre and size, ` +
      `[${box}] in row ${row} has more than a quarter of its width or height outside the image. ` +
      "To convert corners: cx = (x1 + x2) / 2, cy = (y1 + y2) / 2, w = x2 - x1, h = y2 - y1. Shown once per process.",
  );
}

function warnOfOtherImages(caller: string, row: number, image: number, batch: number): void {
  warnOnce(
    "images",
    `${caller}: ignored row ${row} of targets and all others like it: it is of image ${image}, outside the batch of ${batch}. ` +
      "Image indices count from 0. Shown once per process.",
  );
}

function warnOnce(subject: string, text: string): void {
  if (told.has(subject)) return;
  told.add(subject);
  console.warn(text);
}

function fail(caller: string, expected: string, given: number, row: number): never {
  throw new Error(`${caller}: expected ${expected}, got ${given} in row ${row} of targets`);
}
