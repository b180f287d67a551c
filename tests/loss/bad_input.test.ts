import assert from "node:assert/strict";
import { test } from "node:test";
import {
  add,
  DefaultBoxes,
  HardMiningCrossEntropyLoss,
  iouMatrix,
  SSDLoss,
  type Targets,
  tensor,
  zeros,
} from "../../mod.ts";
import { devicesUnderTest } from "../support/devices.ts";

const boxes = DefaultBoxes.from([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.5, 0.5, 1, 1]]);
const criterion = new SSDLoss(boxes);
const good = [0, 1, 0.5, 0.5, 0.25, 0.25];
const forward = (targets: Targets) => criterion.forward([zeros([2, 4, 3]), zeros([2, 3, 3])], targets);

/** A target with one wrong column. */
const wrong = (column: number, value: number) => good.map((x, k) => (k === column ? value : x));

const rows: [what: string, row: number[], message: RegExp][] = [
  ["a width of 0", wrong(4, 0), /expected w to be finite and above 0, got 0 in row 1 of targets/],
  ["a negative height", wrong(5, -0.5), /expected h to be finite and above 0, got -0.5 in row 1/],
  ["a width that float32 rounds to 0", wrong(4, 1e-60), /expected w to be finite and above 0, got 1e-60 in row 1/],
  ["an infinite width", wrong(4, Infinity), /expected w to be finite and above 0, got Infinity in row 1/],
  ["a height that is NaN", wrong(5, NaN), /expected h to be finite and above 0, got NaN in row 1/],
  ["a centre that is NaN", wrong(2, NaN), /expected cx to be finite, got NaN in row 1/],
  ["an infinite centre", wrong(3, -Infinity), /expected cy to be finite, got -Infinity in row 1/],
  ["a label that is not whole", wrong(1, 0.999), /expected the label to be a whole number, got 0.999 in row 1/],
  ["a negative label", wrong(1, -1), /expected the label to be 0 or above, got -1 in row 1/],
  ["a label that is not a class", wrong(1, 2), /expected the label to be below 2, .* got 2 in row 1/],
  ["a label that is NaN", wrong(1, NaN), /expected the label to be a whole number, got NaN in row 1/],
  [
    "an image index that is not whole",
    wrong(0, 0.5),
    /expected the image index to be a whole number, got 0.5 in row 1/,
  ],
  ["an image index that is NaN", wrong(0, NaN), /expected the image index to be a whole number, got NaN in row 1/],
];

for (const [what, row, message] of rows) {
  test(`a target with ${what} is refused, with its row`, () => {
    assert.throws(() => forward([good, row]), message);
    assert.throws(() => forward(Float64Array.from([...good, ...row])), message);
    assert.throws(() => forward(tensor([good, row])), message);
  });
}

test("matchDefaultBoxes refuses the same targets as forward, but has no number of classes", () => {
  assert.throws(() => criterion.matchDefaultBoxes([wrong(4, 0)]), /matchDefaultBoxes: expected w .* row 0/);
  assert.throws(
    () => criterion.matchDefaultBoxes([good], 0),
    /expected batch to be a whole number from 1 to 65536, got 0/,
  );
  assert.deepEqual(criterion.matchDefaultBoxes([wrong(1, 1000)]).label.shape, [1, 3]);
});

test("rows of images outside the batch are ignored, whatever they contain", async () => {
  const { loss } = forward([[2, 99, NaN, 0, -1, 0], [-1, 0.5, 0, 0, 0, 0]]);
  assert.equal(await loss.item({ device: "float64" }), 0);
});

test("an empty list of targets is valid, in any form", async () => {
  for (const none of [[], new Float32Array(0), zeros([0, 6])]) {
    const { loss } = forward(none);
    assert.equal(await loss.item({ device: "float64" }), 0);
  }
});

test("targets of the wrong shape are refused", () => {
  assert.throws(
    () => forward([[0, 1, 0.5, 0.5, 0.25]]),
    /expected targets to have 6 numbers in each row, got 5 in row 0/,
  );
  assert.throws(() => forward(new Float32Array(7)), /expected targets to have a multiple of 6 numbers, got 7/);
  assert.throws(() => forward(zeros([2, 5])), /expected targets of shape \[n, 6\], got \[2, 5\]/);
  assert.throws(() => forward(zeros([6])), /expected targets of shape \[n, 6\], got \[6\]/);
  assert.throws(
    () => forward(3 as unknown as Targets),
    /expected targets to be a tensor, a typed array or an array of rows/,
  );
  assert.throws(() => forward([good.map(String)] as unknown as Targets), /got "0" in row 0, column 0/);
});

for (const { device, on } of await devicesUnderTest()) {
  test(...on("targets that the host does not know are refused, and accepted once they were read"), async () => {
    const targets = add(tensor([good]), 0);
    const refused = /expected targets to have a value that the host knows, .*: `await targets\.data\(\)` first/;
    assert.throws(() => forward(targets), refused);
    await targets.data({ device });
    assert.deepEqual(forward(targets).components.shape, [3]);
  });
}

const predictions: [what: string, locations: number[], logits: number[], message: RegExp][] = [
  ["too few boxes", [2, 4, 2], [2, 3, 3], /expected axis 2 of locations to be 3, the number of default boxes, got 2/],
  ["too many boxes", [2, 4, 3], [2, 3, 4], /expected axis 2 of logits to be 3, the number of default boxes, got 4/],
  ["no box coordinates", [2, 3, 3], [2, 3, 3], /expected axis 1 of locations to be 4, got 3/],
  ["no class", [2, 4, 3], [2, 1, 3], /expected axis 1 of logits to be classes \+ 1, at least 2, got 1/],
  ["two batches", [2, 4, 3], [1, 3, 3], /expected axis 0 of locations and logits to be the same batch, .* got 2 and 1/],
  ["no batch", [0, 4, 3], [0, 3, 3], /expected axis 0 .* at least 1, got 0 and 0/],
  ["boxes before coordinates", [2, 3, 4], [2, 3, 3], /expected axis 2 of locations to be 3/],
  ["a missing axis", [4, 3], [2, 3, 3], /expected locations of shape \[batch, 4, boxes\], got \[4, 3\]/],
];

for (const [what, locations, logits, message] of predictions) {
  test(`predictions with ${what} are refused, with the axis`, () => {
    assert.throws(() => criterion.forward([zeros(locations), zeros(logits)], [good]), message);
  });
}

test("predictions may be nested; anything else is refused", () => {
  const pair = [zeros([1, 4, 3]), zeros([1, 3, 3])] as const;
  assert.deepEqual(criterion.forward(["decoded boxes", pair], [good]).loss.shape, []);
  for (const other of [undefined, pair[0], [pair[0]], [pair[0], 1], [pair, pair[0]]]) {
    assert.throws(() => criterion.forward(other as never, [good]), /expected predictions to be \[locations, logits\]/);
  }
  const whole = zeros([1, 4, 3], { dtype: "int" });
  assert.throws(() => criterion.forward([whole, pair[1]], [good]), /expected locations of dtype float, got int/);
});

test("options out of range are refused", () => {
  assert.throws(() => new SSDLoss(boxes, { alpha: NaN }), /expected alpha to be a number from 0 to 2, got NaN/);
  assert.throws(
    () => new SSDLoss(boxes, { iouThreshold: -0.1 }),
    /expected iouThreshold to be a number from 0 to 1, got -0.1/,
  );
  assert.throws(() => new SSDLoss(boxes, { negPosRatio: -1 }), /SSDLoss: expected negPosRatio .* got -1/);
  assert.throws(() => new SSDLoss([] as never), /expected defaultBoxes to be DefaultBoxes, made by .*, got \[\]/);
  assert.throws(
    () => new HardMiningCrossEntropyLoss({ negPosRatio: Infinity }),
    /expected negPosRatio .* got Infinity/,
  );
});

test("labels of hard mining are checked if their values are known", () => {
  const mining = new HardMiningCrossEntropyLoss();
  const logits = zeros([2, 3, 2]);
  const labels = (values: number[]) => tensor(Int32Array.from(values), [2, 2]);
  assert.throws(() => mining.forward(logits, labels([0, 1, 2, 3])), /from 0 to 2, got 3 in row 1, column 1/);
  assert.throws(() => mining.forward(logits, labels([0, -1, 2, 0])), /from 0 to 2, got -1 in row 0, column 1/);
  assert.throws(() => mining.forward(logits, tensor([[0, 1], [0, 0.5]])), /expected labels of dtype int, got float/);
  assert.throws(() => mining.forward(logits, zeros([2, 3], { dtype: "int" })), /expected labels of shape \[2, 2\]/);
  assert.throws(() => mining.forward(zeros([3, 2]), labels([0, 0, 0, 0])), /expected logits of shape/);
});

test("layouts of default boxes that do not fit together are refused", () => {
  const layout = { figSize: 300, featSizes: [2, 1], scales: [30, 60, 90], aspectRatios: [[2], [2]] };
  const refused = (change: object, message: RegExp) =>
    assert.throws(() => new DefaultBoxes({ ...layout, ...change }), message);
  refused({ scales: [30, 60] }, /expected scales to have 3 entries .* got 2/);
  refused({ aspectRatios: [[2]] }, /expected aspectRatios to have 2 entries .* got 1/);
  refused({ steps: [1] }, /expected steps to have 2 entries .* got 1/);
  refused({ featSizes: [] }, /expected featSizes to have at least one level/);
  refused({ featSizes: [2, 1.5] }, /expected featSizes\[1\] to be a whole number from 1 to 1024, got 1.5/);
  refused({ figSize: 0 }, /expected figSize .* got 0/);
  refused({ scales: [30, -60, 90] }, /expected scales\[1\] .* got -60/);
  refused({ aspectRatios: [[2], [0]] }, /expected aspectRatios\[1\]\[0\] .* got 0/);
  refused({ scaleWh: NaN }, /expected scaleWh .* got NaN/);
  refused({ order: "row-major" }, /expected order to be "size-major" or "cell-major", got "row-major"/);
});

test("a network's own default boxes are checked, with the row", () => {
  assert.throws(
    () => DefaultBoxes.from([[0, 0, 1, 1], [0, 0, 0, 1]]),
    /expected w .* above 0, got 0 in row 1 of cxcywh/,
  );
  assert.throws(() => DefaultBoxes.from([[0, NaN, 1, 1]]), /expected cy to be a finite number, got NaN in row 0/);
  assert.throws(() => DefaultBoxes.from([]), /expected cxcywh to have at least one row/);
  assert.throws(() => DefaultBoxes.from(new Float32Array(6)), /a multiple of 4 numbers, got 6/);
  assert.throws(() => boxes.encode(zeros([4, 2])), /encode: expected boxes of shape \[\.\.\., 4, 3\], got \[4, 2\]/);
  assert.throws(() => boxes.decode(zeros([3, 3])), /decode: expected locations of shape/);
});

test("iouMatrix refuses wrong shapes, formats and kinds", () => {
  const a = zeros([2, 4]);
  assert.throws(() => iouMatrix(a, zeros([4])), /expected b of shape \[\.\.\., boxes, 4\], got \[4\]/);
  assert.throws(() => iouMatrix(zeros([2, 5]), a), /expected a of shape .* got \[2, 5\]/);
  assert.throws(
    () => iouMatrix(a, a, { format: "yxyx" as never }),
    /expected format to be "xyxy", "xywh" or "cxcywh", got "yxyx"/,
  );
  assert.throws(() => iouMatrix(a, a, { kind: "eiou" as never }), /expected kind to be "iou", .* got "eiou"/);
});
