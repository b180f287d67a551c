import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  DefaultBoxes,
  detect,
  type Detected,
  type DetectOptions,
  meanAveragePrecision,
  tensor,
  zeros,
} from "../../mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { allClose } from "./support.ts";
import { rowsOf } from "./scenes.ts";

const defaultBoxes = new DefaultBoxes({
  figSize: 100,
  featSizes: [3, 1],
  scales: [30, 60, 90],
  aspectRatios: [[2], []],
});
const n = defaultBoxes.count;
const CLASSES = 3;

interface Found {
  box: number[];
  score: number;
  label: number;
}

function iou(a: readonly number[], b: readonly number[]): number {
  const [w, h] = [0, 1].map((k) => Math.max(0, Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k])));
  const area = (box: readonly number[]) => (box[2] - box[0]) * (box[3] - box[1]);
  return w * h / (area(a) + area(b) - w * h);
}

/** The detections of one image, from locations `[4][n]` and logits `[classes + 1][n]`. */
function plainDetect(
  locations: number[][],
  logits: number[][],
  options: Required<Omit<DetectOptions, "device">>,
): Found[] {
  const all = rowsOf(defaultBoxes).flatMap(([cx, cy, w, h], i) => {
    const [x, y] = [cx + locations[0][i] * 0.1 * w, cy + locations[1][i] * 0.1 * h];
    const [width, height] = [w * Math.exp(locations[2][i] * 0.2), h * Math.exp(locations[3][i] * 0.2)];
    const corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
    const box = options.clip ? corners.map((c) => Math.min(1, Math.max(0, c))) : corners;
    const total = logits.reduce((sum, row) => sum + Math.exp(row[i]), 0);
    return logits.slice(1).map((row, label) => ({ box, score: Math.exp(row[i]) / total, label }));
  });
  const kept: Found[] = [];
  for (let label = 0; label < CLASSES; label++) {
    let left = all.filter((d) => d.label === label && d.score > options.scoreThreshold)
      .sort((a, b) => b.score - a.score).slice(0, options.perClass);
    while (left.length > 0) {
      const [best] = left;
      kept.push(best);
      left = left.filter((d) => d !== best && !(iou(best.box, d.box) > options.iouThreshold));
    }
  }
  return kept.sort((a, b) => b.score - a.score).slice(0, options.perImage);
}

const numbers = (size: number, most: number) =>
  fc.array(fc.double({ min: -most, max: most, noNaN: true }), { minLength: size, maxLength: size });
const table = (rows: number, most: number) => fc.array(numbers(n, most), { minLength: rows, maxLength: rows });
/** No two scores tie, which rounding would decide. */
const apart = (rows: number[][]) => rows.map((row, c) => row.map((x, i) => x + Math.sin(12.9898 * i + 78.233 * c) / 4));
const image = fc.record({ locations: table(4, 3), logits: table(CLASSES + 1, 4).map(apart) });
const settings = fc.constantFrom(
  { scoreThreshold: 0.01, iouThreshold: 0.45, perClass: 400, perImage: 200, clip: true },
  { scoreThreshold: 0.2, iouThreshold: 0, perClass: 5, perImage: 200, clip: false },
  { scoreThreshold: 0, iouThreshold: 0.8, perClass: 400, perImage: 7, clip: true },
);

for (const { device, on, extent, single } of await devicesUnderTest()) {
  test(...on("detections are those of a plain loop"), async () => {
    await checkProperty(fc.tuple(image, image, settings), async ([first, second, options]) => {
      const images = [first, second];
      const predictions = [tensor(images.map((i) => i.locations)), tensor(images.map((i) => i.logits))] as const;
      const found = await detect(predictions, defaultBoxes, { ...options, device });
      assert.equal(found.length, 2);
      found.forEach(({ boxes, scores, labels }: Detected, k) => {
        const expected = plainDetect(images[k].locations, images[k].logits, options);
        // In single precision, scores and overlaps that nearly tie may be decided otherwise.
        if (single && expected.length !== labels.length) {
          return assert.ok(Math.abs(expected.length - labels.length) <= 2);
        }
        const tolerance = { relative: single ? 1e-4 : 1e-12, scale: 1 };
        allClose(scores, expected.map((d) => d.score), tolerance, "scores");
        if (single) return;
        assert.deepEqual([...labels], expected.map((d) => d.label));
        allClose(boxes, expected.flatMap((d) => d.box), tolerance, "boxes");
      });
    }, { runs: 25, extent });
  });
}

test("perfect predictions have an mAP of 1, as rows of targets say it [float64]", async () => {
  const cells = [1, 4, 30];
  const boxes = rowsOf(defaultBoxes);
  const logits = Array.from(
    { length: CLASSES + 1 },
    (_, label) => boxes.map((_, i) => (cells.includes(i) === (label === 2) && (label === 0 || label === 2) ? 9 : -9)),
  );
  const found = await detect([zeros([1, 4, n]), tensor([logits])], defaultBoxes, {
    device: "float64",
    scoreThreshold: 0.5,
    clip: false,
  });
  assert.deepEqual([...found[0].labels], [1, 1, 1]);
  const { map } = await meanAveragePrecision(found, cells.map((i) => [0, 1, ...boxes[i]]));
  assert.ok(Math.abs(map - 1) < 1e-12);
});

test("NaN in predictions is an error [float64]", async () => {
  const logits = Array.from({ length: CLASSES + 1 }, () => Array.from({ length: n }, (_, i) => (i === 5 ? NaN : 0)));
  await assert.rejects(
    detect([zeros([1, 4, n]), tensor([logits])], defaultBoxes, { device: "float64" }),
    /^Error: detect: expected logits to be numbers, got NaN at box 5 of image 0$/,
  );
});
