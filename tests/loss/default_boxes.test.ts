import assert from "node:assert/strict";
import { test } from "node:test";
import { DefaultBoxes, type DefaultBoxesPreset, tensor } from "../../mod.ts";
import { rowsOf } from "./scenes.ts";
import { allClose } from "./support.ts";

const COUNTS: { [preset in DefaultBoxesPreset]: number } = {
  "ssd300-voc": 8732,
  "ssd300-coco": 8732,
  "ssd512-voc": 24564,
  "ssd512-coco": 24564,
  "ssdlite320": 3234,
  "super-gradients-320-stride16": 3234,
  "super-gradients-320-stride8": 9602,
  "super-gradients-300-stride16": 3000,
  "super-gradients-300-stride8": 8744,
  "super-gradients-256": 6132,
};

test("presets have as many boxes as their networks predict, all within [0, 1]", () => {
  assert.deepEqual(Object.keys(DefaultBoxes.presets).sort(), Object.keys(COUNTS).sort());
  for (const [name, count] of Object.entries(COUNTS)) {
    const boxes = new DefaultBoxes(DefaultBoxes.presets[name as DefaultBoxesPreset]);
    assert.equal(boxes.count, count, name);
    assert.deepEqual(boxes.cxcywh.shape, [count, 4]);
    assert.deepEqual(boxes.xyxy.shape, [count, 4]);
    assert.ok(boxes.cxcywh.value!.every((x) => x >= 0 && x <= 1));
  }
});

const layout = { figSize: 100, featSizes: [2, 1], scales: [10, 40, 90], aspectRatios: [[4], []] };
// Level 0: sides 10, sqrt(10 * 40) = 20, and 20 by 5, 5 by 20; level 1: 40 and sqrt(40 * 90) = 60.
const sizes = [[0.1, 0.1], [0.2, 0.2], [0.2, 0.05], [0.05, 0.2]];
const centres = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]];
const last = [[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.6, 0.6]];

test("a level lists one size after the other, each in row-major order", () => {
  const boxes = new DefaultBoxes(layout);
  const expected = [...sizes.flatMap(([w, h]) => centres.map(([cx, cy]) => [cx, cy, w, h])), ...last];
  allClose(rowsOf(boxes).flat(), expected.flat(), 1e-15, "cxcywh");
});

test("cell-major lists one cell after the other, each with all sizes", () => {
  const boxes = new DefaultBoxes({ ...layout, order: "cell-major" });
  const expected = [...centres.flatMap(([cx, cy]) => sizes.map(([w, h]) => [cx, cy, w, h])), ...last];
  allClose(rowsOf(boxes).flat(), expected.flat(), 1e-15, "cxcywh");
});

test("steps place centres as Caffe does", () => {
  const boxes = new DefaultBoxes({ ...layout, steps: [40, 100] });
  assert.deepEqual(rowsOf(boxes).slice(0, 2).map(([cx]) => cx), [0.2, 0.6]);
});

test("centre and size are clamped, corners are not", () => {
  const boxes = new DefaultBoxes({ ...layout, scales: [10, 40, 1000], steps: [100, 100] });
  const rows = rowsOf(boxes);
  assert.deepEqual(rows[1].slice(0, 2), [1, 0.5]);
  assert.deepEqual(rows[rows.length - 1], [0.5, 0.5, 1, 1]);
  const corners = boxes.xyxy.value!.subarray(4, 8);
  allClose(corners, [0.95, 0.45, 1.05, 0.55], 1e-15, "xyxy");
});

test("a network's own boxes are used unchanged, in any form", () => {
  const rows = [[-0.1, 0.5, 1.5, 0.25], [0.5, 0.5, 0.1, 0.1]];
  for (const form of [rows, Float64Array.from(rows.flat()), tensor(rows)]) {
    const boxes = DefaultBoxes.from(form, { scaleXy: 1, scaleWh: 0.5 });
    assert.deepEqual(rowsOf(boxes), rows);
    assert.equal(boxes.scaleXy, 1);
    assert.equal(boxes.scaleWh, 0.5);
  }
});

test("decode inverts encode [float64]", async () => {
  const boxes = new DefaultBoxes(layout);
  const n = boxes.count;
  const drawn = Float64Array.from({ length: 2 * 4 * n }, (_, i) => 0.1 + 0.8 * ((i * 7919) % 101) / 101);
  const there = await boxes.decode(boxes.encode(tensor(drawn, [2, 4, n]))).data({ device: "float64" });
  allClose(there, drawn, 1e-12, "box");
});
