// Targets that are grouped beforehand, so that a function under compile() takes new ones in each call.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compile, grad, padTargets, realize, SSDLoss, type Tensor, tensor, useDevice } from "../../mod.ts";
import { isSampled } from "../support/cells.ts";
import { checkProperty } from "../support/property.ts";
import { DefaultBoxes } from "../../loss/default_boxes.ts";
import { devicesOfLoss } from "./support.ts";

const boxes = new DefaultBoxes({ figSize: 300, featSizes: [3, 1], scales: [90, 200, 280], aspectRatios: [[2], [2]] });
const criterion = new SSDLoss(boxes);
const BATCH = 2;
const CLASSES = 3;

const part = fc.integer({ min: 1, max: 999 }).map((n) => n / 1000);
const row = fc.tuple(fc.nat(BATCH - 1), fc.nat(CLASSES - 1), part, part, part, part).map((t) => [...t]);
/** The targets of several calls; how many an image has changes from call to call. */
const calls = fc.array(fc.array(row, { maxLength: 9 }), { minLength: 3, maxLength: 5 });
/** Two calls with few targets: a GPU's driver takes a second to compile the plan of a number of slots. */
const two = fc.array(fc.array(row, { minLength: 4, maxLength: 4 }), { minLength: 2, maxLength: 2 });

/** Numbers in [-2, 2), the same for each call of the same number. */
function predictions(call: number, shape: readonly number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, (_, i) => ((i * 37 + call * 101) % 64) / 16 - 2), shape);
}

function lossAndGradients(locations: Tensor, logits: Tensor, targets: Tensor | number[][]): Tensor[] {
  const { loss, components } = criterion.forward([locations, logits], targets);
  return [loss, components, ...grad(loss, [locations, logits])];
}

for (const { device, on, gpu, extent } of await devicesOfLoss()) {
  test(...on("a compiled loss takes new targets, padded, and computes what it does from rows"), async () => {
    const opened = await useDevice(device);
    let recorded = 0;
    const step = compile((locations, logits, targets) => {
      recorded++;
      return lossAndGradients(locations, logits, targets);
    }, { device });
    /** How many calls there were with each number of slots. */
    const slots = new Map<number, number>();
    await checkProperty(gpu && isSampled(extent) ? two : calls, async (drawn) => {
      for (const [call, rows] of drawn.entries()) {
        const leaves = [[BATCH, 4, boxes.count], [BATCH, CLASSES + 1, boxes.count]].map((s) => predictions(call, s));
        const padded = padTargets(rows, { batch: BATCH, classes: CLASSES });
        const most = Math.max(1, ...[0, 1].map((image) => rows.filter((t) => t[0] === image).length));
        assert.ok(
          padded.shape[2] >= most && padded.shape[2] < 2 * most && Number.isInteger(Math.log2(padded.shape[2])),
        );
        slots.set(padded.shape[2], (slots.get(padded.shape[2]) ?? 0) + 1);
        const results = await step(leaves[0], leaves[1], padded);
        const { compiled } = opened;
        const expected = lossAndGradients(leaves[0], leaves[1], rows);
        await realize(expected, { device });
        // The same plan, so the same bits.
        assert.equal(opened.compiled, compiled);
        for (const [i, t] of expected.entries()) assert.deepEqual(await results[i].data(), await t.data({ device }));
      }
    }, { runs: 2, extent });
    // At the first call with a number of slots, and at the second, fourth, eighth to see that nothing has changed.
    const recordings = [...slots.values()].reduce((sum, times) => sum + 1 + Math.floor(Math.log2(times)), 0);
    assert.equal(recorded, recordings, "recorded at the first call, and at some later ones");
    await useDevice("auto");
  });
}

test("padded targets have room for as many as asked, and padding changes nothing", async () => {
  await useDevice("float64");
  const rows = [[1, 2, 0.5, 0.5, 0.4, 0.3]];
  const leaves = [predictions(0, [BATCH, 4, boxes.count]), predictions(0, [BATCH, CLASSES + 1, boxes.count])];
  const of = (targets: Tensor | number[][]) => criterion.forward([leaves[0], leaves[1]], targets).loss.item();
  const expected = await of(rows);
  for (const [slots, shape] of [[1, 1], [2, 2], [3, 4], [8, 8]]) {
    const padded = padTargets(rows, { batch: BATCH, slots });
    assert.deepEqual(padded.shape, [BATCH, 6, shape]);
    assert.equal(await of(padded), expected);
  }
  assert.deepEqual(padTargets(rows).shape, [2, 6, 1]);
  assert.deepEqual(
    await criterion.matchDefaultBoxes(padTargets(rows)).label.toArray(),
    await criterion.matchDefaultBoxes(rows).label.toArray(),
  );
});

test("what is wrong with targets is said where they are padded", () => {
  assert.throws(() => padTargets([[0, 3, 0.5, 0.5, 0.2, 0.2]], { classes: 3 }), /padTargets: expected the label to be/);
  assert.throws(() => padTargets([[0, 0, 150, 150, 20, 20]]), /padTargets: expected boxes relative to the image/);
  const padded = padTargets([[0, 0, 0.5, 0.5, 0.2, 0.2]], { batch: 3 });
  const leaves = [predictions(0, [BATCH, 4, boxes.count]), predictions(0, [BATCH, CLASSES + 1, boxes.count])] as const;
  assert.throws(
    () => criterion.forward(leaves, padded),
    /SSDLoss.forward: expected padded targets of shape \[2, 6, g\] .* for 2 images, got \[3, 6, 1\]/,
  );
  assert.throws(
    () => criterion.forward(leaves, padTargets([], { batch: BATCH }), { targetWeights: [] }),
    /expected targets as rows along with targetWeights/,
  );
});
