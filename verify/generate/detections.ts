/** Arbitraries of what detection losses take: scenes and layouts of default boxes. */
import fc from "fast-check";
import { Signature, whole } from "../../core/options.ts";
import { UsageError } from "../usage.ts";
import { sizes } from "./sizes.ts";
import { permutations } from "./tensors.ts";

const scenesCall = new Signature<SceneOptions>("detectionScenes(options)", {
  images: whole(1),
  classes: whole(1),
  boxes: whole(1),
}, UsageError);
const layoutsCall = new Signature<{ readonly cells?: number }>(
  "defaultBoxLayouts(options)",
  { cells: whole(1) },
  UsageError,
);

/** Numbers of images, classes and cells that are drawn most; the simplest come first. */
const FEW = [1, 1, 2, 2, 3, 3, 4];
/** The most boxes of a scene, unless one image may have more. */
const MOST_BOXES = 256;

/** The targets of a batch of images, for a detection loss. */
export interface DetectionScene {
  /** The number of images. */
  readonly batch: number;
  /** The number of classes, not counting the background. */
  readonly classes: number;
  /** Rows `[image, label, cx, cy, w, h]`, relative to the image, in any order. */
  readonly targets: readonly (readonly number[])[];
}

/** Bounds of generated detection scenes. */
export interface SceneOptions {
  /** The most images, default 3. */
  readonly images?: number;
  /** The most classes, default 4. */
  readonly classes?: number;
  /** The most boxes per image, default 5. */
  readonly boxes?: number;
}

/** A multiple of 1/64: small sums and products of these are exact, so that overlaps tie. */
const grid = (min: number, max: number) =>
  fc.integer({ min: Math.ceil(min * 64), max: Math.floor(max * 64) }).map((n) => n / 64);

/** Moves a box so that at most a quarter of its width and of its height sticks out of the image on a side. */
const within = ([cx, cy, w, h]: readonly number[]): readonly number[] => {
  const inside = (centre: number, length: number) => Math.min(1 - length / 4, Math.max(length / 4, centre));
  return [inside(cx, w), inside(cy, h), w, h];
};

const box = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(grid(0.05, 0.95), grid(0.05, 0.95), grid(1 / 64, 0.9), grid(1 / 64, 0.9)).map(within),
  },
  // Just outside the image, within the margin allowed for rounding: overlaps next to nothing.
  { weight: 1, arbitrary: fc.constant([-0.004, -0.004, 0.004, 0.004]) },
);

/** Generates the boxes of one image: none, some, one repeated, or many close together. */
function boxesOfImage(most: number): fc.Arbitrary<readonly (readonly number[])[]> {
  const counts = sizes([1, 2, 2, 3, 3, 4, 5], 1, most);
  const some = counts.chain((count) => fc.array(box, { minLength: count, maxLength: count }));
  const kinds = [{ weight: 1, arbitrary: fc.constant<readonly (readonly number[])[]>([]) }, {
    weight: 4,
    arbitrary: some,
  }];
  if (most < 2) return fc.oneof(...kinds);
  const several = sizes([2, 2, 3, 3, 4, 5], 2, most);
  const duplicates = fc.tuple(box, several).map(([one, count]) => Array.from({ length: count }, () => one));
  const shifts = several.chain((count) => fc.array(grid(-0.05, 0.05), { minLength: count, maxLength: count }));
  const crowd = fc.tuple(box, shifts)
    .map(([[cx, cy, w, h], shifts]) =>
      shifts.map((d, i) => within([cx + d, cy - d, w * (1 + d), h * (1 + (i % 8) / 64)]))
    );
  return fc.oneof(...kinds, { weight: 1, arbitrary: duplicates }, { weight: 1, arbitrary: crowd });
}

/**
 * Generates scenes for detection losses: images without targets, duplicates, crowds, boxes that overlap nothing, rows
 * in any order. Small scenes are the likeliest, and the bounds are tried on purpose. A scene has at most 256 boxes, or
 * as many as one image may have: many images have fewer each.
 *
 * @param options bounds of the scene's size.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { detectionScenes } from "gpugrad/verify";
 *
 * fc.assert(fc.property(detectionScenes(), ({ batch, targets }) => assert.ok(targets.every(([image]) => image < batch))));
 * ```
 */
export function detectionScenes(options: SceneOptions = {}): fc.Arbitrary<DetectionScene> {
  scenesCall.check(arguments);
  const { images = 3, classes: mostClasses = 4, boxes = 5 } = options;
  return fc.tuple(sizes(FEW, 1, images), sizes(FEW, 1, mostClasses)).chain(
    ([batch, classes]) => {
      const each = Math.min(boxes, Math.max(1, Math.floor(Math.max(MOST_BOXES, boxes) / batch)));
      const rows = (image: number) =>
        boxesOfImage(each).chain((drawn) =>
          fc.array(fc.nat(classes - 1), { minLength: drawn.length, maxLength: drawn.length })
            .map((labels) => drawn.map((one, i) => [image, labels[i], ...one]))
        );
      return fc.tuple(...Array.from({ length: batch }, (_, image) => rows(image)))
        .chain((perImage) => fc.tuple(fc.constant(perImage.flat()), permutations(perImage.flat().length)))
        .map(([all, order]) => ({ batch, classes, targets: order.map((i) => all[i]) }));
    },
  );
}

/** A layout of default boxes, as accepted by the constructor of `DefaultBoxes`. */
export interface DefaultBoxLayout {
  /** The side of the image, in pixels. */
  readonly figSize: number;
  /** The side of each feature map, in cells. */
  readonly featSizes: readonly number[];
  /** See `scales` of {@link DefaultBoxesConfig}. */
  readonly scales: readonly number[];
  /** See `aspectRatios` of {@link DefaultBoxesConfig}. */
  readonly aspectRatios: readonly (readonly number[])[];
  /** The order of the boxes of a feature map. */
  readonly order: "size-major" | "cell-major";
}

/**
 * Generates layouts of default boxes: one to three levels, with grids that get coarser and boxes that get larger.
 *
 * @param options `cells`: the most cells a side of the finest grid, default 4.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { DefaultBoxes } from "gpugrad";
 * import { defaultBoxLayouts } from "gpugrad/verify";
 *
 * fc.assert(fc.property(defaultBoxLayouts(), (layout) => assert.ok(new DefaultBoxes(layout).count > 0)));
 * ```
 */
export function defaultBoxLayouts(options: { readonly cells?: number } = {}): fc.Arbitrary<DefaultBoxLayout> {
  layoutsCall.check(arguments);
  const { cells = 4 } = options;
  return fc.integer({ min: 1, max: Math.min(3, cells) }).chain((levels) =>
    fc.record({
      figSize: fc.constantFrom(300, 320),
      featSizes: fc.uniqueArray(sizes(FEW, 1, cells), { minLength: levels, maxLength: levels })
        .map((sizes) => sizes.sort((a, b) => b - a)),
      scales: fc.uniqueArray(fc.integer({ min: 2, max: 14 }), { minLength: levels + 1, maxLength: levels + 1 })
        .map((steps) => steps.sort((a, b) => a - b).map((n) => n * 20)),
      aspectRatios: fc.array(fc.constantFrom([2], [2, 3], []), { minLength: levels, maxLength: levels }),
      order: fc.constantFrom("size-major" as const, "cell-major" as const),
    })
  );
}
