/** Targets that are not centre and size relative to the image: which are refused, and that valid ones never are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DefaultBoxes, SSDLoss } from "../../mod.ts";
import { CornerWatch } from "../../loss/placement.ts";
import { checkProperty } from "../support/property.ts";

const criterion = new SSDLoss(DefaultBoxes.from([[0.5, 0.5, 1, 1]]));
type Box = readonly number[];
const match = (boxes: readonly Box[]) => criterion.matchDefaultBoxes(boxes.map((box) => [0, 0, ...box]));

/** The warnings logged while a function runs. */
async function warningsOf(run: () => unknown): Promise<string[]> {
  const said: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => said.push(text);
  try {
    await run();
  } finally {
    console.warn = warn;
  }
  return said;
}

const unit = (min: number, max: number) => fc.double({ min, max, noNaN: true });
/** x1 < x2 within the image. */
const span = fc.tuple(unit(0, 0.99), unit(0.01, 1)).map(([from, part]) => [from, from + (1 - from) * part]);
/** Corners of a box within the image. */
const corners = fc.tuple(span, span).map(([[x1, x2], [y1, y2]]) => [x1, y1, x2, y2]);
const centred = ([x1, y1, x2, y2]: Box) => [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1];
const boxes = (box: fc.Arbitrary<Box>) => fc.array(box, { minLength: 1, maxLength: 12 });

/** At most a quarter of the width and of the height sticks out on each side. */
const border = fc.tuple(unit(0.01, 1.5), unit(0.01, 1.5), unit(0, 1), unit(0, 1)).map(([w, h, x, y]) => {
  const centre = (length: number, at: number) => length / 4 + at * (1 - length / 2);
  return [centre(w, x), centre(h, y), w, h];
});

test("no box within the image is refused, and none that sticks out by less than a quarter", async () => {
  const any = boxes(fc.oneof(corners.map(centred), border));
  await checkProperty(any, (drawn) => assert.ok(match(drawn)), { runs: 300 });
});

test("a box that the border cuts is accepted along with one that does not read as corners", async () => {
  const cut = fc.tuple(unit(0, 1), unit(0, 1), unit(0.01, 2), unit(0.01, 2));
  const flat = [0.7, 0.7, 0.2, 0.2];
  await checkProperty(boxes(cut), (drawn) => assert.ok(match([...drawn, flat])), { runs: 200 });
});

test("corners log a warning if one of them reads as a box that sticks out by more than a quarter", async () => {
  // x1 < x2 / 4 or x1 > 1 - x2 / 4: near the left, or small and near the right.
  const telling = fc.tuple(unit(0.1, 1), unit(0, 0.24), span, fc.boolean()).map(([x2, part, [y1, y2], turned]) =>
    turned ? [y1, part * x2, y2, x2] : [part * x2, y1, x2, y2]
  );
  const cornersOf = (drawn: readonly Box[]) => {
    const watch = new CornerWatch();
    drawn.forEach(([cx, cy, w, h], row) => watch.add(row, [cx, cy, w, h]));
    return watch.corners;
  };
  await checkProperty(fc.tuple(boxes(corners), telling), ([drawn, one]) => {
    assert.notEqual(cornersOf([...drawn, one]), null);
    assert.equal(cornersOf([...drawn, one].map(centred)), null);
  }, { runs: 200 });
  const said = await warningsOf(() => {
    for (let i = 0; i < 2; i++) match([[0.5, 0.5, 0.9, 0.9], [0.05, 0.1, 0.9, 0.8]]);
  });
  assert.equal(said.length, 1);
  assert.match(
    said[0],
    /SSDLoss.matchDefaultBoxes: .* all of these read as corners .* \[0\.05, 0\.1, 0\.9, 0\.8\] in row 1 has more/,
  );
});

test("boxes in pixels are refused, with their row", async () => {
  const pixels = fc.tuple(corners, unit(300, 4000), unit(300, 4000))
    .map(([box, width, height]) => centred(box).map((x, k) => x * (k % 2 === 0 ? width : height)))
    .filter(([cx, cy, w, h]) => w > 2 || h > 2 || cx - w / 2 > 1.01 || cy - h / 2 > 1.01);
  await checkProperty(pixels, (box) => {
    assert.throws(
      () => match([[0.5, 0.5, 0.5, 0.5], box]),
      /expected boxes relative to the image, got row 1 of targets, .* it looks like pixels/,
    );
  }, { runs: 200 });
});

test("a box outside the image is refused on each side, but not if it may be there by rounding", () => {
  for (const [cx, cy] of [[-0.2, 0.5], [1.2, 0.5], [0.5, -0.2], [0.5, 1.2]]) {
    assert.throws(
      () => match([[cx, cy, 0.2, 0.2]]),
      /row 0 of targets, \[.*\] as \[cx, cy, w, h\], which lies wholly outside/,
    );
  }
  assert.ok(match([[1.005, 0.5, 0.001, 0.5]]));
  assert.throws(
    () => match([[0.5, 0.5, 2.1, 1]]),
    /which is more than 2 times as large as the image; it looks like pixels/,
  );
});

test("default boxes in pixels are refused, with their row", () => {
  assert.throws(
    () => DefaultBoxes.from([[0.5, 0.5, 1, 1], [150, 150, 30, 30]]),
    /DefaultBoxes.from: expected boxes relative to the image, got row 1 of cxcywh, .* it looks like pixels/,
  );
});

test("an impossible image index is refused before anything is allocated", () => {
  const at = (image: number) => () => criterion.matchDefaultBoxes([[image, 0, 0.5, 0.5, 0.5, 0.5]]);
  assert.throws(at(1e9), /expected the image index within the batch to be below 65536, got 1000000000 in row 0/);
  assert.throws(at(65536), /below 65536, got 65536 in row 0/);
  assert.deepEqual(at(65535)().target.shape, [65536, 1]);
  const many = new SSDLoss(new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]));
  assert.throws(
    () => many.matchDefaultBoxes([], 65536),
    /expected at most 134217728 matches, got 65536 images of 8732 default boxes/,
  );
});

test("rows of images outside the batch log one warning, naming the first", async () => {
  const said = await warningsOf(() => {
    const box = [0, 0.5, 0.5, 0.5, 0.5];
    for (let i = 0; i < 3; i++) criterion.matchDefaultBoxes([[0, ...box], [1, ...box], [2, ...box]], 1);
    criterion.matchDefaultBoxes([[-1, ...box]], 1);
  });
  assert.deepEqual(said, [
    "SSDLoss.matchDefaultBoxes: ignored row 1 of targets and all others like it: it is of image 1, outside the batch of 1. " +
    "Image indices count from 0. Shown once per process.",
  ]);
});
