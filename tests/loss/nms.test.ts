import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add, batchedNms, nms, tensor } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import golden from "./golden/torchvision.json" with { type: "json" };

test("nms and batchedNms keep what torchvision keeps, ties included", async () => {
  for (const { boxes, scores, classes, threshold, kept, keptByClass } of golden.nms) {
    assert.deepEqual([...await nms(boxes, scores, threshold)], kept);
    const byClass = [...await batchedNms(boxes, scores, classes, threshold)];
    assert.deepEqual(byClass.slice().sort((i, j) => i - j), keptByClass);
    assert.deepEqual(byClass.slice().sort((i, j) => scores[j] - scores[i] || i - j), byClass);
  }
});

/** Kept boxes by removing, from a list, all that overlap its best. */
function plainNms(boxes: readonly number[][], scores: readonly number[], classes: readonly number[], most: number) {
  const kept: number[] = [];
  let left = [...boxes.keys()];
  while (left.length > 0) {
    const best = left.reduce((a, b) => (scores[b] > scores[a] ? b : a));
    kept.push(best);
    left = left.filter((i) => i !== best && (classes[i] !== classes[best] || !(iou(boxes[best], boxes[i]) > most)));
  }
  return kept;
}

function iou(a: readonly number[], b: readonly number[]): number {
  const [w, h] = [0, 1].map((k) => Math.max(0, Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k])));
  const area = (box: readonly number[]) => (box[2] - box[0]) * (box[3] - box[1]);
  return w * h / (area(a) + area(b) - w * h);
}

const side = fc.integer({ min: 0, max: 9 });
const one = fc.record({
  box: fc.tuple(side, side, side, side).map(([x, y, w, h]) => [x, y, x + w, y + h]),
  score: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(Infinity, -Infinity)),
  label: fc.integer({ min: -1, max: 2 }),
});

test("nms and batchedNms agree with a plain loop, in every form of their arguments", async () => {
  const threshold = fc.constantFrom(0, 0.25, 0.5, 1 / 3, 1);
  await checkProperty(fc.tuple(fc.array(one, { maxLength: 40 }), threshold), async ([drawn, most]) => {
    const [boxes, scores, classes] = [drawn.map((d) => d.box), drawn.map((d) => d.score), drawn.map((d) => d.label)];
    const all = plainNms(boxes, scores, classes.map(() => 0), most);
    assert.deepEqual([...await nms(boxes, scores, most)], all);
    assert.deepEqual([...await nms(Float64Array.from(boxes.flat()), Float32Array.from(scores), most)], all);
    const expected = plainNms(boxes, scores, classes, most);
    assert.deepEqual([...await batchedNms(boxes, scores, Int32Array.from(classes), most)], expected);
    if (drawn.length === 0) return;
    // Tensors that are computed first.
    const later = add(tensor(boxes), 0);
    const byClass = await batchedNms(later, add(tensor(scores), 0), tensor(Int32Array.from(classes)), most);
    assert.deepEqual([...byClass], expected);
  }, { runs: 60 });
});

test("many boxes, of which hundreds are kept, are suppressed alike", async () => {
  const count = 1500;
  const boxes = Array.from({ length: count }, (_, i) => {
    const [x, y] = [(i * 7919) % 1000, (i * 104729) % 997];
    return [x, y, x + 40, y + 40];
  });
  const scores = boxes.map((_, i) => (i * 31) % 1000);
  const expected = plainNms(boxes, scores, scores.map(() => 0), 0.5);
  assert.ok(expected.length > 200, `${expected.length}`);
  assert.deepEqual([...await nms(boxes, scores, 0.5)], expected);
});
