/** Turns predictions into detections, and compares them with the faces. */
import { createRequire } from "node:module";
import type * as TF from "@tensorflow/tfjs";
import { iouMatrix, realize, slice, softmax, squeeze, tensor } from "../mod.ts";
import { FACE_ROW, LOGIT_ROWS } from "./network.ts";
import type { Batch, Objective } from "./objective.ts";
import type { Box, Photograph } from "./photographs.ts";

const tf = createRequire(import.meta.url)("@tensorflow/tfjs") as typeof TF;

/** A detection needs a softmax score, as used by the loss, above this. */
const SCORE_THRESHOLD = 0.5;
/**
 * Of two detections with a larger overlap, the one with the higher score is kept; a face is found by an overlap of at
 * least this.
 */
const IOU_THRESHOLD = 0.5;
const MAX_DETECTIONS = 1000;

/** One detection. */
export interface Detection {
  readonly box: Box;
  readonly score: number;
}

/** A photograph's detections compared with its faces. */
export interface Comparison {
  readonly detections: readonly Detection[];
  /** For each face, the IoU of the detection that overlaps it most, 0 if there is none. */
  readonly faceIou: readonly number[];
  /** The number of detections that do not overlap any face enough. */
  readonly falseAlarms: number;
}

/** Detects faces in every photograph of a batch, and compares the detections with the marked faces. */
export async function detect(
  { boxes }: Objective,
  { images, locations, logits }: Batch,
  photographs: readonly Photograph[],
): Promise<Comparison[]> {
  const { count } = boxes;
  const decoded = boxes.decode(tensor(locations, [images, 4, count]));
  const probabilities = softmax(tensor(logits, [images, LOGIT_ROWS, count]), 1);
  const scores = squeeze(slice(probabilities, [null, [FACE_ROW, FACE_ROW + 1], null]), 1);
  await realize([decoded, scores]);
  const boxData = await decoded.data();
  const scoreData = await scores.data();
  return await Promise.all(photographs.map(async ({ faces }, image) => {
    const candidates: Detection[] = [];
    for (let i = 0; i < count; i++) {
      const score = scoreData[image * count + i];
      if (!(score > SCORE_THRESHOLD)) continue;
      const part = (k: number) => boxData[(image * 4 + k) * count + i];
      candidates.push({ box: [part(0), part(1), part(2), part(3)], score });
    }
    return await compare(await withoutDuplicates(candidates), faces);
  }));
}

/** Greedy non-maximum suppression. */
async function withoutDuplicates(candidates: readonly Detection[]): Promise<Detection[]> {
  if (candidates.length === 0) return [];
  const corners = candidates.map(({ box: [cx, cy, w, h] }) => [cy - h / 2, cx - w / 2, cy + h / 2, cx + w / 2]);
  const kept = await tf.image.nonMaxSuppressionAsync(
    tf.tensor2d(corners),
    candidates.map((c) => c.score),
    MAX_DETECTIONS,
    IOU_THRESHOLD,
  );
  return Array.from(await kept.data(), (i) => candidates[i]);
}

async function compare(detections: readonly Detection[], faces: readonly Box[]): Promise<Comparison> {
  if (detections.length === 0) return { detections, faceIou: faces.map(() => 0), falseAlarms: 0 };
  const overlaps = iouMatrix(tensor(faces), tensor(detections.map((d) => d.box)), { format: "cxcywh" });
  const iou = await overlaps.toArray({ device: "float64" }) as number[][];
  return {
    detections,
    faceIou: iou.map((row) => Math.max(...row)),
    falseAlarms: detections.filter((_, i) => iou.every((row) => row[i] < IOU_THRESHOLD)).length,
  };
}

/** A summary of the detections of several photographs. */
export interface DetectionSummary {
  readonly detections: number;
  readonly faces: number;
  readonly found: number;
  readonly falseAlarms: number;
  /** The mean over all faces of the IoU of the best detection, 0 for a face without any. */
  readonly meanIou: number;
}

export function summarise(comparisons: readonly Comparison[]): DetectionSummary {
  const iou = comparisons.flatMap((c) => c.faceIou);
  return {
    detections: comparisons.reduce((n, c) => n + c.detections.length, 0),
    faces: iou.length,
    found: iou.filter((v) => v >= IOU_THRESHOLD).length,
    falseAlarms: comparisons.reduce((n, c) => n + c.falseAlarms, 0),
    meanIou: iou.reduce((a, b) => a + b, 0) / iou.length,
  };
}
