import assert from "node:assert/strict";
import { test } from "node:test";
import { DefaultBoxes, SSDLoss } from "../../mod.ts";
import { iou } from "./reference.ts";
import { devicesOfLoss } from "./support.ts";

// Three default boxes; the last two are identical.
const rows = [[0.25, 0.5, 0.5, 1], [0.75, 0.5, 0.25, 0.5], [0.75, 0.5, 0.25, 0.5]];
const boxes = DefaultBoxes.from(rows);

/** Row of the target (-1 for none) and class of each default box, by image. */
async function match(targets: number[][], device: string, iouThreshold = 0.5, batch?: number) {
  const { target, label, positive } = new SSDLoss(boxes, { iouThreshold }).matchDefaultBoxes(targets, batch);
  const matched = await target.toArray({ device }) as number[][];
  assert.deepEqual(await positive.toArray({ device }), matched.map((row) => row.map((t) => t >= 0)));
  return { target: matched, label: await label.toArray({ device }) as number[][] };
}

for (const { device, on } of await devicesOfLoss()) {
  const r = device === "float64" ? (x: number) => x : Math.fround;

  test(...on("a target's best default box is matched, however small the overlap"), async () => {
    assert.deepEqual(await match([[0, 6, 0.1, 0.1, 0.01, 0.01]], device), {
      target: [[0, -1, -1]],
      label: [[7, 0, 0]],
    });
  });

  test(...on("a target that overlaps nothing takes default box 0"), async () => {
    assert.deepEqual((await match([[0, 0, 1.004, 1.004, 0.004, 0.004]], device)).target, [[0, -1, -1]]);
  });

  test(
    ...on("of equally good default boxes the first is forced, of equally good targets the first is best"),
    async () => {
      const twin = [0.75, 0.5, 0.25, 0.4];
      // Both targets force box 1, where the later one wins; box 2 is positive by overlap, with the earlier one.
      assert.deepEqual(await match([[0, 4, ...twin], [0, 5, ...twin]], device), {
        target: [[-1, 1, 0]],
        label: [[0, 6, 5]],
      });
    },
  );

  test(...on("if two targets share a best default box the later wins, and the other may end with none"), async () => {
    const near = [0, 1, 0.25, 0.5, 0.5, 0.9], nearer = [0, 2, 0.25, 0.5, 0.5, 0.95];
    assert.deepEqual((await match([near, nearer], device)).target, [[1, -1, -1]]);
    assert.deepEqual((await match([nearer, near], device)).target, [[1, -1, -1]]);
  });

  test(...on("a forced match beats a better overlap with another target"), async () => {
    // The second overlaps nothing, so it takes box 0, which the first one fits.
    assert.deepEqual((await match([[0, 0, ...rows[0]], [0, 0, 1.004, 1.004, 0.004, 0.004]], device)).target, [[
      1,
      -1,
      -1,
    ]]);
  });

  test(...on("an overlap equal to the threshold does not match, a larger one does"), async () => {
    // Box 1 is forced; whether box 2, which is identical, is matched too depends on the threshold.
    const box = [0.75, 0.5, 0.25, 0.375];
    const overlap = iou(box.map(r), rows[1].map(r), r);
    assert.deepEqual((await match([[0, 0, ...box]], device, overlap)).target, [[-1, 0, -1]]);
    assert.deepEqual((await match([[0, 0, ...box]], device, overlap - 1e-6)).target, [[-1, 0, 0]]);
  });

  test(...on("rows of images may alternate, and images may have none"), async () => {
    const targets = [[2, 0, ...rows[1]], [0, 1, ...rows[0]], [2, 2, ...rows[0]], [7, 3, ...rows[0]]];
    const { target, label } = await match(targets, device, 0.5, 4);
    assert.deepEqual(target, [[1, -1, -1], [-1, -1, -1], [2, 0, 0], [-1, -1, -1]]);
    assert.deepEqual(label, [[2, 0, 0], [0, 0, 0], [3, 1, 1], [0, 0, 0]]);
  });
}

test("the default batch size is the highest image index plus 1", () => {
  const criterion = new SSDLoss(boxes);
  assert.deepEqual(criterion.matchDefaultBoxes([[3, 0, ...rows[0]]]).target.shape, [4, 3]);
  assert.deepEqual(criterion.matchDefaultBoxes([]).target.shape, [1, 3]);
  assert.deepEqual(criterion.matchDefaultBoxes([[3, 0, ...rows[0]]], 2).target.shape, [2, 3]);
});
