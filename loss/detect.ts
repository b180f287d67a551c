/** From a network's predictions to detections. */
import { type RealizeOptions, realizeOptions } from "../core/device_names.ts";
import { boolean, numberIn, Signature, whole } from "../core/options.ts";
import { realize } from "../core/realize.ts";
import type { Values } from "../core/tensor.ts";
import { softmax } from "../ops/activations.ts";
import { checkedDefaultBoxes, type DefaultBoxes } from "./default_boxes.ts";
import { byFallingScore } from "./host.ts";
import { suppressed } from "./nms.ts";
import { type Predictions, unpackPredictions } from "./predictions.ts";

/** Options of {@link detect}. */
export interface DetectOptions extends RealizeOptions {
  /** The score that a detection must exceed, default 0.01. */
  readonly scoreThreshold?: number;
  /** The largest IoU of two detections of a class, default 0.45. */
  readonly iouThreshold?: number;
  /** How many boxes of a class are considered, those with the highest scores; default 400. */
  readonly perClass?: number;
  /** How many detections of an image are returned, those with the highest scores; default 200. */
  readonly perImage?: number;
  /** Whether boxes are cut at the border of the image, default true. */
  readonly clip?: boolean;
}

/** The detections in one image, by decreasing score. */
export interface Detected {
  /** Corners `[x1, y1, x2, y2]` relative to the image, four numbers for each detection. */
  readonly boxes: Float64Array;
  /** The probability of the class. */
  readonly scores: Float64Array;
  /** From 0, without the background. */
  readonly labels: Int32Array;
}

const call = new Signature<DetectOptions>("detect(predictions, defaultBoxes, options)", {
  ...realizeOptions,
  scoreThreshold: numberIn(0, 1),
  iouThreshold: numberIn(0, 1),
  perClass: whole(1),
  perImage: whole(1),
  clip: boolean,
});

/** The predictions of one image: probabilities `[classes + 1, count]`, and centres and sizes `[4, count]`. */
interface Predicted {
  readonly scores: Values;
  readonly boxes: Values;
  readonly count: number;
}

/** The best boxes of each class whose score exceeds the threshold: class 1 first, each by decreasing score. */
function candidates({ scores, count }: Predicted, threshold: number, most: number): { box: number; label: number }[] {
  const chosen: { box: number; label: number }[] = [];
  for (let label = 0; (label + 2) * count <= scores.length; label++) {
    const own = scores.subarray((label + 1) * count, (label + 2) * count);
    const above: number[] = [];
    for (let i = 0; i < count; i++) if (own[i] > threshold) above.push(i);
    const order = byFallingScore(Float64Array.from(above, (i) => own[i]));
    for (const k of order.subarray(0, most)) chosen.push({ box: above[k], label });
  }
  return chosen;
}

/** The corners of a box. */
function cornersAt({ boxes, count }: Predicted, box: number, clip: boolean): number[] {
  return [-1, -1, 1, 1].map((side, k) => {
    const axis = k % 2;
    const edge = boxes[axis * count + box] + side * boxes[(axis + 2) * count + box] / 2;
    return clip ? Math.min(1, Math.max(0, edge)) : edge;
  });
}

function detected(predicted: Predicted, options: DetectOptions): Detected {
  const { scoreThreshold = 0.01, iouThreshold = 0.45, perClass = 400, perImage = 200, clip = true } = options;
  const chosen = candidates(predicted, scoreThreshold, perClass);
  const scores = Float64Array.from(chosen, ({ box, label }) => predicted.scores[(label + 1) * predicted.count + box]);
  const boxes = Float64Array.from(chosen.flatMap(({ box }) => cornersAt(predicted, box, clip)));
  const kept = suppressed(boxes, byFallingScore(scores), (i) => chosen[i].label, iouThreshold).subarray(0, perImage);
  return {
    boxes: Float64Array.from([...kept].flatMap((i) => [...boxes.subarray(4 * i, 4 * i + 4)])),
    scores: Float64Array.from(kept, (i) => scores[i]),
    labels: kept.map((i) => chosen[i].label),
  };
}

/**
 * Detections from a network's predictions: boxes are decoded, and for each class but the background those with the highest probabilities go
 * through non-maximum suppression (Liu et al., 2016). The defaults are the paper's and torchvision's.
 *
 * @param predictions locations, float, `[batch, 4, boxes]`, and logits, float, `[batch, classes + 1, boxes]`, class 0 being the background;
 * or a pair of anything and these two. The arguments of {@link SSDLoss}.
 * @param defaultBoxes the boxes that locations are relative to.
 * @param options thresholds and limits, and the device that decodes.
 * @returns for each image its detections, of all classes, by decreasing score: an argument of {@link meanAveragePrecision}.
 * @throws if predictions have the wrong shape or are NaN, or an option is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { DefaultBoxes, detect, tensor, zeros } from "gpugrad";
 *
 * const boxes = DefaultBoxes.from([[0.25, 0.5, 0.5, 1], [0.3, 0.5, 0.5, 1], [0.75, 0.5, 0.5, 1]]);
 * const logits = tensor([[[0, 0, 0], [2, 3, -9]]]); // background and one class
 * const [image] = await detect([zeros([1, 4, 3]), logits], boxes);
 * assert.deepEqual([...image.labels], [0]); // the first box overlaps the second, the third is background
 * assert.ok(Math.abs(image.boxes[0] - 0.05) < 1e-6);
 * ```
 */
export async function detect(
  predictions: Predictions,
  defaultBoxes: DefaultBoxes,
  options: DetectOptions = {},
): Promise<Detected[]> {
  call.check(arguments);
  checkedDefaultBoxes(call, defaultBoxes);
  const { count } = defaultBoxes;
  const [locations, logits] = unpackPredictions(call, predictions, count);
  const scores = softmax(logits, 1);
  const boxes = defaultBoxes.decode(locations);
  const { device } = options;
  const on = device === undefined ? {} : { device };
  await realize([scores, boxes], on);
  const [allScores, allBoxes] = await Promise.all(
    [scores, boxes].map((t) => t.data({ ...on, copy: false })),
  ) as Values[];
  const [batch, classes] = logits.shape;
  return Array.from({ length: batch }, (_, image) => {
    const predicted = {
      scores: allScores.subarray(image * classes * count, (image + 1) * classes * count),
      boxes: allBoxes.subarray(4 * image * count, 4 * (image + 1) * count),
      count,
    };
    for (const [name, values] of [["logits", predicted.scores], ["locations", predicted.boxes]] as const) {
      const at = values.findIndex(Number.isNaN);
      if (at >= 0) throw call.error(`expected ${name} to be numbers, got NaN at box ${at % count} of image ${image}`);
    }
    return detected(predicted, options);
  });
}
