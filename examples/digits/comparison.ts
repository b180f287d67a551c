/** Compares detections with the digits of a scene, and the variants with each other. */
import type { Scene } from "./scenes.ts";
import type { Detection, TestResult } from "./train.ts";

/**
 * Detections with at least this score are looked at, and right if they overlap a digit by at least this IoU. Hard negatives are three times
 * as many as positives, which makes scores low.
 */
export const SCORE = 0.3;
const IOU = 0.5;

/** A scene's detections, held against its digits. */
export interface Findings {
  /** Detections of a digit with the right label, the first one of each. */
  readonly right: readonly Detection[];
  /** All others. */
  readonly wrong: readonly Detection[];
  /** The digits that no detection is right about, as indices. */
  readonly missed: readonly number[];
}

/** A scene on which variants differ. */
export interface Difference {
  readonly scene: number;
  /** For each variant, what it gets wrong: detections and missed digits. */
  readonly mistakes: readonly number[];
}

/** Holds the detections of a scene, by falling score, against its digits. */
export function compare(detections: readonly Detection[], { truths }: Scene): Findings {
  const right: Detection[] = [];
  const wrong: Detection[] = [];
  const open = new Set(truths.keys());
  for (const detection of detections.filter(({ score }) => score >= SCORE)) {
    const found = [...open].find((i) => {
      const { label, box: [cx, cy, w, h] } = truths[i];
      return label === detection.label && iou(detection.box, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]) >= IOU;
    });
    if (found === undefined) {
      wrong.push(detection);
    } else {
      right.push(detection);
      open.delete(found);
    }
  }
  return { right, wrong, missed: [...open] };
}

/** Findings of all scenes together: the share of digits found, and of detections that are right. */
export function rates(result: TestResult, scenes: readonly Scene[]): { recall: number; precision: number } {
  const all = scenes.map((scene, i) => compare(result.detections[i], scene));
  const count = (of: (findings: Findings) => number) => all.reduce((n, findings) => n + of(findings), 0);
  const right = count((f) => f.right.length);
  return {
    recall: right / (right + count((f) => f.missed.length)),
    precision: right / (right + count((f) => f.wrong.length)),
  };
}

/** The mistakes of each variant in each scene; the scenes with the largest differences first. */
export function differences(results: readonly TestResult[], scenes: readonly Scene[]): Difference[] {
  return scenes
    .map((scene, i) => ({
      scene: i,
      mistakes: results.map(({ detections }) => {
        const { wrong, missed } = compare(detections[i], scene);
        return wrong.length + missed.length;
      }),
    }))
    .sort((a, b) => spread(b.mistakes) - spread(a.mistakes));
}

/** The largest of some numbers less the smallest. */
export function spread(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values);
}

type Corners = readonly [x1: number, y1: number, x2: number, y2: number];

function iou(a: Corners, b: Corners): number {
  const side = (k: 0 | 1) => Math.max(0, Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k]));
  const area = ([x1, y1, x2, y2]: Corners) => (x2 - x1) * (y2 - y1);
  const common = side(0) * side(1);
  return common / (area(a) + area(b) - common);
}
