/** Non-maximum suppression, on the host. */
import { numberIn, Signature } from "../core/options.ts";
import { byFallingScore, type Numbers, readBoxes, readNumbers } from "./host.ts";
import type { Rows } from "./rows.ts";

const nmsCall = new Signature("nms(boxes, scores, iouThreshold)");
const batchedNmsCall = new Signature("batchedNms(boxes, scores, classes, iouThreshold)");
const threshold = numberIn(0, 1);

/** Boxes that were kept, as corners and areas, in arrays that grow. */
class Kept {
  #corners = new Float64Array(5 * 16);
  #count = 0;

  /**
   * Keeps a box of a list, unless one that was kept before overlaps it too much. The order of operations is torchvision's, so that rounding
   * decides as there; an overlap of NaN, of boxes without area, suppresses nothing.
   */
  keeps(boxes: Float64Array, index: number, iouThreshold: number): boolean {
    const at = 4 * index;
    const x1 = boxes[at], y1 = boxes[at + 1], x2 = boxes[at + 2], y2 = boxes[at + 3];
    const area = (x2 - x1) * (y2 - y1);
    const kept = this.#corners;
    const end = 5 * this.#count;
    for (let k = 0; k < end; k += 5) {
      const w = Math.min(x2, kept[k + 2]) - Math.max(x1, kept[k]);
      const h = Math.min(y2, kept[k + 3]) - Math.max(y1, kept[k + 1]);
      const intersection = Math.max(0, w) * Math.max(0, h);
      if (intersection / (kept[k + 4] + area - intersection) > iouThreshold) return false;
    }
    this.#add(x1, y1, x2, y2, area);
    return true;
  }

  #add(...box: readonly [x1: number, y1: number, x2: number, y2: number, area: number]): void {
    if (5 * this.#count === this.#corners.length) {
      const larger = new Float64Array(2 * this.#corners.length);
      larger.set(this.#corners);
      this.#corners = larger;
    }
    this.#corners.set(box, 5 * this.#count++);
  }
}

/** Suppression among boxes of the same class; `order` lists boxes by decreasing score. */
export function suppressed(
  boxes: Float64Array,
  order: Int32Array,
  classOf: (index: number) => number,
  iouThreshold: number,
): Int32Array {
  const kept = new Map<number, Kept>();
  return order.filter((index) => {
    const own = classOf(index);
    let those = kept.get(own);
    if (!those) kept.set(own, those = new Kept());
    return those.keeps(boxes, index, iouThreshold);
  });
}

function checkThreshold(call: Signature, value: unknown): void {
  if (!threshold.accepts(value)) throw call.wrong("iouThreshold", threshold.expected, value);
}

/**
 * Non-maximum suppression: of boxes that overlap, the one with the highest score. Boxes are visited by decreasing score, the lower index first
 * among equals, and kept unless their IoU with one that was kept is above the threshold, as in torchvision's `nms`. Computed in float64 on
 * the host.
 *
 * @param boxes corners `[x1, y1, x2, y2]`: a tensor `[n, 4]`, `n` rows, or a typed array of `4 n` numbers.
 * @param scores `n` numbers.
 * @param iouThreshold the largest IoU, from 0 to 1, of two boxes that are both kept.
 * @returns the indices of the kept boxes, by decreasing score.
 * @throws if there is not a score for each box, or a number is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { nms } from "gpugrad";
 *
 * const boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]];
 * assert.deepEqual([...await nms(boxes, [0.6, 0.9, 0.7], 0.5)], [1, 2]);
 * ```
 */
export async function nms(boxes: Rows, scores: Numbers, iouThreshold: number): Promise<Int32Array> {
  nmsCall.check(arguments);
  const corners = await readBoxes(nmsCall, "boxes", boxes);
  const numbers = await readNumbers(nmsCall, "scores", scores, { count: corners.length / 4, of: "boxes" });
  checkThreshold(nmsCall, iouThreshold);
  return suppressed(corners, byFallingScore(numbers), () => 0, iouThreshold);
}

/**
 * Non-maximum suppression among boxes of the same class, as {@link nms} does it; as torchvision's `batched_nms`, without the rounding of its
 * offsets.
 *
 * @param boxes corners `[x1, y1, x2, y2]`: a tensor `[n, 4]`, `n` rows, or a typed array of `4 n` numbers.
 * @param scores `n` numbers.
 * @param classes `n` whole numbers. Boxes of different classes, or images, do not suppress each other.
 * @param iouThreshold the largest IoU, from 0 to 1, of two boxes of a class that are both kept.
 * @returns the indices of the kept boxes of all classes, by decreasing score.
 * @throws if there is not a score and a class for each box, or a number is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { batchedNms } from "gpugrad";
 *
 * const boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10]];
 * assert.deepEqual([...await batchedNms(boxes, [0.6, 0.9, 0.7], [0, 0, 1], 0.5)], [1, 2]);
 * ```
 */
export async function batchedNms(
  boxes: Rows,
  scores: Numbers,
  classes: Numbers,
  iouThreshold: number,
): Promise<Int32Array> {
  batchedNmsCall.check(arguments);
  const corners = await readBoxes(batchedNmsCall, "boxes", boxes);
  const each = { count: corners.length / 4, of: "boxes" };
  const numbers = await readNumbers(batchedNmsCall, "scores", scores, each);
  const own = await readNumbers(batchedNmsCall, "classes", classes, { ...each, whole: true });
  checkThreshold(batchedNmsCall, iouThreshold);
  return suppressed(corners, byFallingScore(numbers), (index) => own[index], iouThreshold);
}
