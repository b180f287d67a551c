// Generated detection scenes: default boxes, targets and predictions. There are few layouts, so that few plans are
// compiled.
import fc from "fast-check";
import { DefaultBoxes } from "../../mod.ts";
import { predictions } from "./golden/predictions.mjs";
import type { Scene } from "./reference.ts";

/** A set of default boxes with the settings of the loss. */
interface Setting {
  boxes: DefaultBoxes;
  batch: number;
  numClasses: number;
  alpha: number;
  iouThreshold: number;
  negPosRatio: number;
}

const small = new DefaultBoxes({
  figSize: 300,
  featSizes: [3, 2],
  scales: [90, 160, 250],
  aspectRatios: [[2], [2, 3]],
});
const cellMajor = new DefaultBoxes({
  figSize: 320,
  featSizes: [4, 1],
  scales: [64, 160, 288],
  aspectRatios: [[2], [2]],
  order: "cell-major",
});
/** Fewer boxes than targets; the last two are identical. */
const few = DefaultBoxes.from([[0.25, 0.5, 0.5, 1], [0.75, 0.5, 0.25, 0.5], [0.75, 0.5, 0.25, 0.5]]);

const SETTINGS: readonly Setting[] = [
  { boxes: small, batch: 3, numClasses: 3, alpha: 1, iouThreshold: 0.5, negPosRatio: 3 },
  { boxes: cellMajor, batch: 2, numClasses: 1, alpha: 0.25, iouThreshold: 0.25, negPosRatio: 2.5 },
  { boxes: few, batch: 2, numClasses: 4, alpha: 1.5, iouThreshold: 0.5, negPosRatio: 1 },
  { boxes: small, batch: 1, numClasses: 2, alpha: 1, iouThreshold: 0.125, negPosRatio: 0.5 },
];

/** A multiple of 1/64: small sums and products of these are exact, so overlaps tie. */
const gridNumber = (min: number, max: number) =>
  fc.integer({ min: Math.ceil(min * 64), max: Math.floor(max * 64) }).map((n) => n / 64);

const anyBox = fc.tuple(
  fc.double({ min: 0.05, max: 0.95, noNaN: true }),
  fc.double({ min: 0.05, max: 0.95, noNaN: true }),
  fc.double({ min: 0.02, max: 0.9, noNaN: true }),
  fc.double({ min: 0.02, max: 0.9, noNaN: true }),
);
const gridBox = fc.tuple(gridNumber(0, 1), gridNumber(0, 1), gridNumber(1 / 64, 1), gridNumber(1 / 64, 1));
/** Inside several default boxes of one size: their overlaps tie except for rounding. */
const tinyBox = fc.tuple(
  gridNumber(0.25, 0.75),
  gridNumber(0.25, 0.75),
  gridNumber(1 / 64, 1 / 16),
  gridNumber(1 / 64, 1 / 16),
);
/** Just outside the image, within the margin allowed for rounding: overlaps next to nothing. */
const farBox: fc.Arbitrary<number[]> = fc.constant([-0.004, -0.004, 0.004, 0.004]);

/** At most a quarter of the width and of the height sticks out of the image on a side, which is never reported. */
const within = ([cx, cy, w, h]: number[]): number[] => {
  const inside = (centre: number, length: number) => Math.min(1 - length / 4, Math.max(length / 4, centre));
  return [inside(cx, w), inside(cy, h), w, h];
};

/** The boxes of one image. */
function boxesOfImage(defaults: readonly number[][]): fc.Arbitrary<number[][]> {
  const defaultBox = fc.nat(defaults.length - 1).map((i) => defaults[i].slice());
  const one: fc.Arbitrary<number[]> = fc.oneof(
    anyBox.map(within),
    gridBox.map(within),
    tinyBox,
    defaultBox.map(within),
    farBox,
  );
  const duplicates = fc.tuple(one, fc.integer({ min: 2, max: 4 })).map(([box, n]) =>
    Array.from({ length: n }, () => box)
  );
  const crowd = fc.tuple(
    anyBox,
    fc.array(fc.double({ min: -0.02, max: 0.02, noNaN: true }), { minLength: 3, maxLength: 7 }),
  )
    .map(([[cx, cy, w, h], shifts]) => shifts.map((d, i) => within([cx + d, cy - d, w * (1 + d), h * (1 + i / 50)])));
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant<number[][]>([]) },
    { weight: 4, arbitrary: fc.array(one, { minLength: 1, maxLength: 4 }) },
    { weight: 1, arbitrary: duplicates },
    { weight: 1, arbitrary: crowd },
    { weight: 1, arbitrary: fc.tuple(duplicates, fc.array(one, { maxLength: 3 })).map(([a, b]) => [...a, ...b]) },
  );
}

/** Logits: all different, with repeated columns (so that cross-entropies tie), all equal, or far apart. */
function logitsOf(classes: number, boxes: number, batch: number): fc.Arbitrary<Float32Array> {
  const seed = fc.integer({ min: 1, max: 1e6 });
  return fc.tuple(seed, fc.constantFrom("any", "any", "columns", "equal", "large")).map(([s, kind]) => {
    const values = predictions(s, batch * classes * boxes, kind === "large" ? 160 : 6);
    if (kind === "equal") values.fill(values[0]);
    if (kind === "columns") {
      for (let row = 0; row < batch * classes; row++) {
        for (let i = 4; i < boxes; i++) values[row * boxes + i] = values[row * boxes + (i * 7) % 4];
      }
    }
    return values;
  });
}

/** A scene, with the default boxes as made by gpugrad. */
export interface DrawnScene extends Scene {
  defaultBoxes: DefaultBoxes;
}

/** cx, cy, w, h of each default box. */
export function rowsOf(boxes: DefaultBoxes): number[][] {
  const values = boxes.cxcywh.value!;
  return Array.from({ length: boxes.count }, (_, i) => [...values.subarray(4 * i, 4 * i + 4)]);
}

/** Scenes: images without targets, duplicates, crowds, more targets than default boxes, ties, rows in any order. */
export const scenes: fc.Arbitrary<DrawnScene> = fc.constantFrom(...SETTINGS).chain((setting) => {
  const { boxes: defaultBoxes, batch, numClasses } = setting;
  const boxes = rowsOf(defaultBoxes);
  const label = fc.nat(numClasses - 1);
  const image = (b: number) =>
    boxesOfImage(boxes).chain((drawn) =>
      fc.tuple(...drawn.map((box) => label.map((l) => [b, l, ...box]))) as fc.Arbitrary<number[][]>
    );
  const rows = fc.tuple(...Array.from({ length: batch }, (_, b) => image(b))).map((images) => images.flat());
  const shuffled = fc.tuple(rows, fc.boolean(), fc.integer({ min: 1, max: 1e6 })).map(([all, shuffle, seed]) => {
    // Targets of different images may alternate; a row of an image outside the batch is ignored.
    if (!shuffle) return all;
    const keys = predictions(seed, all.length, 1);
    const order = all.map((_, i) => i).sort((i, j) => keys[i] - keys[j]);
    return [...order.map((i) => all[i]), [batch + 1, 0, 0.5, 0.5, 0.5, 0.5]];
  });
  return fc.record({
    targets: shuffled,
    locations: fc.integer({ min: 1, max: 1e6 }).map((seed) => predictions(seed, batch * 4 * boxes.length, 4)),
    logits: logitsOf(numClasses + 1, boxes.length, batch),
  }).map((drawn) => ({
    ...drawn,
    defaultBoxes,
    boxes,
    scaleXy: defaultBoxes.scaleXy,
    scaleWh: defaultBoxes.scaleWh,
    batch,
    numClasses,
    alpha: setting.alpha,
    iouThreshold: setting.iouThreshold,
    negPosRatio: setting.negPosRatio,
  }));
});
