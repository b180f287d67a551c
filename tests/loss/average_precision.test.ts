import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add, convertBoxes, meanAveragePrecision, tensor, useDevice } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import golden from "./golden/pycocotools.json" with { type: "json" };
import { allClose, close } from "./support.ts";

await useDevice("float64");

for (const { name, detections, truths, stats, byClass } of golden.scenes) {
  test(`COCO's numbers are those of pycocotools: ${name}`, async () => {
    const result = await meanAveragePrecision(detections, truths, { format: "xywh" });
    const { map, byThreshold, byArea, recall } = result;
    const [small, medium, large] = [byArea!.small, byArea!.medium, byArea!.large];
    const recalls = [recall!.top1, recall!.top10, recall!.top100, recall!.small, recall!.medium, recall!.large];
    const actual = [map, byThreshold[0], byThreshold[5], small, medium, large, ...recalls];
    allClose(actual.map((x) => (Number.isNaN(x) ? -1 : x)), stats, 1e-12, "stats");
    const expected = byClass.flatMap((ap, label) => (ap[0] >= 0 ? [{ label, ap }] : []));
    assert.deepEqual(result.byClass.map(({ label }) => label), expected.map(({ label }) => label));
    expected.forEach(({ label, ap }, i) => allClose(result.byClass[i].byThreshold, ap, 1e-12, `class ${label}`));
  });
}

/** The example of Padilla et al. (2020), "A survey on performance metrics for object-detection algorithms": seven images, one class. */
const detected = [
  [[0.88, 5, 67, 31, 48], [0.7, 119, 111, 40, 67], [0.8, 124, 9, 49, 67]],
  [[0.71, 64, 111, 64, 58], [0.54, 26, 140, 60, 47], [0.74, 19, 18, 43, 35]],
  [[0.18, 109, 15, 77, 39], [0.67, 86, 63, 46, 45], [0.38, 160, 62, 36, 53], [0.91, 105, 131, 47, 47], [
    0.44,
    18,
    148,
    40,
    44,
  ]],
  [[0.35, 83, 28, 28, 26], [0.78, 28, 68, 42, 67], [0.45, 87, 89, 25, 39], [0.14, 10, 155, 60, 26]],
  [[0.62, 50, 38, 28, 46], [0.44, 95, 11, 53, 28], [0.95, 29, 131, 72, 29], [0.23, 29, 163, 72, 29]],
  [[0.45, 43, 48, 74, 38], [0.84, 17, 155, 29, 35], [0.43, 95, 110, 25, 42]],
  [[0.48, 16, 20, 101, 88], [0.95, 33, 116, 37, 49]],
];
const there = [
  [[25, 16, 38, 56], [129, 123, 41, 62]],
  [[123, 11, 43, 55], [38, 132, 59, 45]],
  [[16, 14, 35, 48], [123, 30, 49, 44], [99, 139, 47, 47]],
  [[53, 42, 40, 52], [154, 43, 31, 34]],
  [[59, 31, 44, 51], [48, 128, 34, 52]],
  [[36, 89, 52, 76], [62, 58, 44, 67]],
  [[28, 31, 55, 63], [58, 67, 50, 58]],
];
const padilla = {
  detections: detected.map((rows) => ({
    boxes: rows.map((row) => row.slice(1)),
    scores: rows.map(([score]) => score),
    labels: rows.map(() => 0),
  })),
  truths: there.map((boxes) => ({ boxes, labels: boxes.map(() => 0) })),
};

test("VOC's numbers of a published example are 24.57 % whole and 26.84 % at eleven points", async () => {
  const { detections, truths } = padilla;
  const options = { format: "xywh", thresholds: [0.3], inclusive: true } as const;
  const whole = await meanAveragePrecision(detections, truths, { ...options, definition: "voc" });
  const eleven = await meanAveragePrecision(detections, truths, { ...options, definition: "voc2007" });
  close(whole.map, 0.2457, 5e-4, "all points");
  close(eleven.map, 0.2684, 5e-4, "eleven points");
  assert.equal(whole.byClass[0].truths, 15);
  assert.deepEqual([whole.byArea, whole.recall], [null, null]);
});

test("boxes come in any form, and rows of targets are truths", async () => {
  const expected = await meanAveragePrecision(padilla.detections, padilla.truths, { format: "xywh" });
  const later = {
    detections: padilla.detections.map(({ boxes, scores, labels }) => ({
      boxes: convertBoxes(tensor(boxes), "xywh", "xyxy"),
      scores: add(tensor(scores), 0),
      labels: Int32Array.from(labels),
    })),
    truths: padilla.truths.map(({ boxes, labels }) => ({
      boxes: Float64Array.from(boxes.flatMap(([x, y, w, h]) => [x, y, x + w, y + h])),
      labels: tensor(Int32Array.from(labels)),
    })),
  };
  assert.deepEqual(await meanAveragePrecision(later.detections, later.truths), expected);
  // Relative to images of 200 by 200 pixels.
  const rows = there.flatMap((boxes, image) =>
    boxes.map(([x, y, w, h]) => [image, 0, (x + w / 2) / 200, (y + h / 2) / 200, w / 200, h / 200])
  );
  const relative = padilla.detections.map(({ boxes, ...rest }) => ({
    boxes: boxes.map((box) => box.map((x) => x / 200)),
    ...rest,
  }));
  const result = await meanAveragePrecision(relative, rows, { format: "xywh", imageSize: [200, 200] });
  close(result.map, expected.map, 1e-12, "map");
  assert.deepEqual(Object.values(result.byArea!).map(Number.isNaN), [true, false, true]);
});

test("what need not be found does not count, found or not", async () => {
  const detections = [{ boxes: [[0, 0, 10, 10], [20, 0, 30, 10]], scores: [0.9, 0.8], labels: [0, 0] }];
  const truths = { boxes: [[0, 0, 10, 10], [20, 0, 30, 10], [50, 0, 60, 10]], labels: [0, 0, 0] };
  const of = async (more: object, definition: "voc" | "coco") =>
    (await meanAveragePrecision(detections, [{ ...truths, ...more }], { definition })).map;
  close(await of({}, "voc"), 2 / 3, 1e-12, "all");
  close(await of({ difficult: [true, false, true] }, "voc"), 1, 1e-12, "difficult");
  close(await of({ crowd: [true, false, true] }, "coco"), 1, 1e-12, "crowd");
  assert.ok(Number.isNaN(await of({ crowd: [1, 1, 1] }, "coco")));
  assert.ok(Number.isNaN((await meanAveragePrecision([], [])).map));
});

const box = fc.tuple(...[8, 8, 5, 5].map((max, k) => fc.integer({ min: k < 2 ? 0 : 1, max })))
  .map(([x, y, w, h]) => [x, y, x + w, y + h]);
const someBoxes = fc.array(box, { maxLength: 6 });

/** COCO's average precision of one class at one threshold, without areas or crowds: a cubic loop over recalls and cuts of the ranking. */
function plainAveragePrecision(
  detections: { box: number[]; score: number }[][],
  truths: number[][][],
  threshold: number,
) {
  const outcomes = detections.flatMap((found, image) => {
    const left = truths[image].map((box) => ({ box, taken: false }));
    return found.slice().sort((a, b) => b.score - a.score).map(({ box, score }) => {
      const free = left.filter(({ taken }) => !taken).map((truth) => ({ truth, iou: iou(box, truth.box) }));
      const best = free.reduce<(typeof free)[number] | null>((a, b) => (a && a.iou > b.iou ? a : b), null);
      const right = best !== null && best.iou >= Math.min(threshold, 1 - 1e-10);
      if (right) best.truth.taken = true;
      return { score, right };
    });
  }).sort((a, b) => b.score - a.score);
  const count = truths.flat().length;
  let sum = 0;
  for (let k = 0; k <= 100; k++) {
    let best = 0;
    outcomes.forEach((_, i) => {
      const right = outcomes.slice(0, i + 1).filter((o) => o.right).length;
      if (right / count >= (k === 100 ? 1 : k * 0.01)) best = Math.max(best, right / (i + 1));
    });
    sum += best;
  }
  return sum / 101;
}

function iou(a: readonly number[], b: readonly number[]): number {
  const [w, h] = [0, 1].map((k) => Math.max(0, Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k])));
  const area = (box: readonly number[]) => (box[2] - box[0]) * (box[3] - box[1]);
  return w * h / (area(a) + area(b) - w * h);
}

test("COCO's average precision agrees with a plain loop", async () => {
  const image = fc.record({
    found: fc.array(fc.record({ box, score: fc.integer({ min: 0, max: 9 }) }), { maxLength: 8 }),
    there: someBoxes,
  });
  const images = fc.array(image, { minLength: 1, maxLength: 4 });
  await checkProperty(fc.tuple(images, fc.constantFrom(0.25, 0.5, 2 / 3, 1)), async ([drawn, threshold]) => {
    const detections = drawn.map(({ found }) => ({
      boxes: found.map((d) => d.box),
      scores: found.map((d) => d.score),
      labels: found.map(() => 7),
    }));
    const truths = drawn.map(({ there }) => ({ boxes: there, labels: there.map(() => 7) }));
    const { map, byClass } = await meanAveragePrecision(detections, truths, { thresholds: [threshold] });
    if (drawn.every(({ there }) => there.length === 0)) return assert.deepEqual(byClass, []);
    const expected = plainAveragePrecision(drawn.map((d) => d.found), drawn.map((d) => d.there), threshold);
    close(map, expected, 1e-9, "average precision");
  }, { runs: 150 });
});
