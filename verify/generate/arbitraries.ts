/** fast-check arbitraries for the inputs of gradient checks. They shrink to small shapes and simple numbers. */
import fc from "fast-check";
import type { Draw } from "../../core/op.ts";
import {
  arrayOf,
  boolean,
  callable,
  finite,
  isShape,
  type Kind,
  kind,
  numberIn,
  oneOf,
  shapeKind,
  Signature,
  whole,
} from "../../core/options.ts";
import type { DType } from "../../core/tensor.ts";
import { bounded, isArbitrary } from "./bounded.ts";
import type { TensorData } from "../inputs.ts";
import { randomFrom } from "../random.ts";
import { UsageError } from "../usage.ts";

/**
 * Sizes of axes and ranks; likelier ones are repeated, the simplest come first, because fast-check shrinks towards the
 * front.
 */
const AXES = [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 0];
const RANKS = [1, 1, 2, 2, 3, 3, 4, 0];
/** Numbers between two bounds are multiples of this fraction of their distance, so that they shrink in few steps. */
const CELLS = 4096;
/** The number of values that are drawn one by one, so that they shrink. */
const DRAWN = 32;
/** Distinct numbers get this many cells each, so that neighbours stay apart. */
const CELLS_EACH = 8;

/** Bounds of generated shapes. */
export interface ShapeOptions {
  /** The lowest rank, default 0. */
  readonly minRank?: number;
  /** The highest rank, default 3. */
  readonly maxRank?: number;
  /** The shortest axis, default 0: empty axes are where rules go wrong. */
  readonly minAxis?: number;
  /** The longest axis, default 5. */
  readonly maxAxis?: number;
}

/** The domain and dtype of generated tensors. */
export interface TensorOptions {
  /** The smallest value, default -3. */
  readonly min?: number;
  /** The largest value, default 3. */
  readonly max?: number;
  /** Values to stay away from, such as kinks and the ends of a domain. */
  readonly avoid?: readonly number[];
  /** The distance to keep from them, default 0.05. */
  readonly clearance?: number;
  /** Whether all values must differ, by a margin and across all tensors, so that there are no ties; default false. */
  readonly distinct?: boolean;
  /** The dtype, default `"float"`. */
  readonly dtype?: DType;
}

/** Throws if an argument is not of its kind. */
function requireKind<T>(call: Signature, name: string, expected: Kind<T>, value: unknown): void {
  if (!expected.accepts(value)) throw call.wrong(name, expected.expected, value);
}

/** Throws if a minimum exceeds its maximum, which leaves nothing in between. */
function requireOrder(call: Signature, bounds: Readonly<Record<string, number>>): void {
  const [[least, low], [most, high]] = Object.entries(bounds);
  if (low > high) throw call.error(`expected ${least} <= ${most}, got ${low} and ${high}`);
}

const shapeKinds = { minRank: whole(0), maxRank: whole(0), minAxis: whole(0), maxAxis: whole(0) };
const shapesCall = new Signature<ShapeOptions>("shapes(options)", shapeKinds, UsageError);
const broadcastableCall = new Signature<ShapeOptions>("broadcastableShapes(count, options)", shapeKinds, UsageError);
const tensorsCall = new Signature<TensorOptions>("tensors(of, options)", {
  min: finite,
  max: finite,
  avoid: arrayOf(finite, "numbers"),
  clearance: numberIn(0, Infinity),
  distinct: boolean,
  dtype: oneOf("float", "int", "bool"),
}, UsageError);
const permutationsCall = new Signature("permutations(length)", undefined, UsageError);
const indicesCall = new Signature("indices(shape, below)", undefined, UsageError);
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
const drawFromCall = new Signature("drawFrom(g)", undefined, UsageError);
const shapesKind = kind("an array of shapes, such as [[2, 3]], or an arbitrary of them", "[[2, 3]]", (v) => {
  return isArbitrary(v) || Array.isArray(v) && !Array.from(v).some((shape) => !isShape(shape));
});

function sizesWithin(all: readonly number[], min: number, max: number): fc.Arbitrary<number> {
  const sizes = all.filter((n) => n >= min && n <= max);
  return sizes.length > 0 ? fc.nat(sizes.length - 1).map((i) => sizes[i]) : fc.integer({ min, max });
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/**
 * Generates shapes, including axes of length 1 and 0.
 *
 * @param options bounds of rank and axes.
 * @param options bounds of rank and axes.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { shapes } from "gpugrad/verify";
 *
 * fc.assert(fc.property(shapes({ maxRank: 2 }), (shape) => assert.ok(shape.length <= 2)));
 * ```
 */
export function shapes(options: ShapeOptions = {}): fc.Arbitrary<number[]> {
  shapesCall.check(arguments);
  return shapesWithin(shapesCall, options);
}

function shapesWithin(call: Signature, options: ShapeOptions): fc.Arbitrary<number[]> {
  const { minRank = 0, maxRank = Math.max(3, minRank), minAxis = 0, maxAxis = Math.max(5, minAxis) } = options;
  requireOrder(call, { minRank, maxRank });
  requireOrder(call, { minAxis, maxAxis });
  // The number of axes drawn does not depend on the rank, so that rank and axes shrink independently.
  const axes = fc.array(sizesWithin(AXES, minAxis, maxAxis), { minLength: maxRank, maxLength: maxRank });
  return fc.tuple(sizesWithin(RANKS, minRank, maxRank), axes).map(([rank, drawn]) => drawn.slice(0, rank));
}

/**
 * Generates shapes that broadcast together by NumPy's rules.
 *
 * @param count the number of shapes.
 * @param options bounds of the broadcast shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { add, zeros } from "gpugrad";
 * import { broadcastableShapes } from "gpugrad/verify";
 *
 * fc.assert(fc.property(broadcastableShapes(2), ([a, b]) => assert.ok(add(zeros(a), zeros(b)))));
 * ```
 */
export function broadcastableShapes(count: number, options: ShapeOptions = {}): fc.Arbitrary<number[][]> {
  broadcastableCall.check(arguments);
  requireKind(broadcastableCall, "count", whole(0), count);
  const { minRank = 0, maxRank = Math.max(3, minRank) } = options;
  const one = fc.record({
    drop: sizesWithin([0, 0, 0, 1, 2], 0, 2),
    ones: fc.array(fc.constantFrom(false, false, true), { minLength: maxRank, maxLength: maxRank }),
  });
  return fc.tuple(shapesWithin(broadcastableCall, options), fc.array(one, { minLength: count, maxLength: count })).map((
    [full, each],
  ) => each.map(({ drop, ones }) => full.map((n, axis) => (ones[axis] ? 1 : n)).slice(drop)));
}

/** Supplies values for a number of elements that is only known later. */
type Supply = (count: number) => number[];

/**
 * Generates values within a domain. The first ones are drawn independently of the shape, so that shape and values
 * shrink independently; if more are needed, all come from a seed.
 */
function supplyOf(options: TensorOptions): fc.Arbitrary<Supply> {
  const { dtype = "float", avoid = [], clearance = 0.05, distinct = false } = options;
  const [lowest, highest] = dtype === "bool" ? [0, 1] : [-3, 3];
  const { min = lowest, max = highest } = options;
  requireOrder(tensorsCall, { min, max });
  // The number that everything shrinks to: 0, or the bound nearest to it.
  const [least, most] = dtype === "float" ? [min, max] : [Math.ceil(min), Math.floor(max)];
  const origin = Math.min(most, Math.max(least, 0));
  const allowed = (x: number) => x >= min && x <= max && avoid.every((a) => Math.abs(x - a) >= clearance);
  /** The allowed values among a number of cells, and the one nearest to the origin. */
  const divide = (wanted: number): { values: number[]; nearest: number } => {
    const width = dtype === "float" ? (most - least) / wanted : 1;
    if (width === 0) return { values: [least].filter(allowed), nearest: 0 };
    const below = Math.floor((origin - least) / width), above = Math.floor((most - origin) / width);
    const values: number[] = [];
    let nearest = 0;
    for (let cell = -below; cell <= above; cell++) {
      const x = Math.fround(origin + cell * width);
      if (!allowed(x)) continue;
      if (values.length > 0 && Math.abs(x - origin) < Math.abs(values[nearest] - origin)) nearest = values.length;
      values.push(x);
    }
    return { values, nearest };
  };
  const { values, nearest } = divide(distinct ? CELLS_EACH * DRAWN : CELLS);
  if (values.length === 0) {
    throw new UsageError(
      `tensors: there is nothing to draw: no ${dtype} between ${min} and ${max}` +
        (avoid.length > 0 ? ` is at least ${clearance} away from ${avoid.join(", ")}` : ""),
    );
  }
  // Counted from the value nearest to the origin, so that elements shrink towards it.
  const element = fc.integer({ min: -nearest, max: values.length - 1 - nearest }).map((i) => values[nearest + i]);
  const length = distinct ? Math.min(DRAWN, values.length) : DRAWN;
  const lengths = { minLength: length, maxLength: length };
  const drawn = distinct ? fc.uniqueArray(element, lengths) : fc.array(element, lengths);

  const seeded = (count: number, random: () => number): number[] => {
    if (!distinct) return Array.from({ length: count }, () => values[Math.floor(random() * values.length)]);
    for (let each = CELLS_EACH; each < CELLS; each *= 2) {
      const all = divide(each * count).values;
      if (all.length < count) continue;
      for (let i = 0; i < count; i++) {
        const j = i + Math.floor(random() * (all.length - i));
        [all[i], all[j]] = [all[j], all[i]];
      }
      return all.slice(0, count);
    }
    throw new UsageError(`tensors: there are no ${count} distinct values between ${min} and ${max}`);
  };
  return fc.tuple(drawn, fc.noShrink(fc.nat()))
    .map(([first, seed]) => (count) => count <= first.length ? first.slice(0, count) : seeded(count, randomFrom(seed)));
}

/**
 * Generates tensors of given shapes within a domain, as plain data: the inputs of one call. All values are exact in
 * float32.
 *
 * @param of the shapes, one per tensor, or an arbitrary of them.
 * @param options the domain: one for all tensors, or an array with one per tensor.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { div, log, sum } from "gpugrad";
 * import { broadcastableShapes, checkProperty, tensors } from "gpugrad/verify";
 *
 * const positive = tensors(broadcastableShapes(2), { min: 0.25, max: 4 });
 * const report = await checkProperty((x, y) => sum(div(log(x), y)), positive, { runs: 10 });
 * assert.equal(report.verdict, "ok");
 * ```
 */
export function tensors(
  of: readonly (readonly number[])[] | fc.Arbitrary<readonly (readonly number[])[]>,
  options: TensorOptions | readonly TensorOptions[] = {},
): fc.Arbitrary<TensorData[]> {
  if (!Array.isArray(options)) tensorsCall.check(arguments);
  else for (const each of options) tensorsCall.options(each ?? null);
  requireKind(tensorsCall, "of", shapesKind, of);
  // An arbitrary of another copy of fast-check is wrapped to have the methods of this one.
  const all = isArbitrary(of)
    ? bounded(of as fc.Arbitrary<readonly (readonly number[])[]>, "tensors")
    : fc.constant(of as readonly (readonly number[])[]);
  if (!Array.isArray(options)) {
    const same = options as TensorOptions;
    // One supply for all, so that distinct values are distinct across tensors.
    return fc.tuple(all, supplyOf(same)).map(([list, supply]) => {
      const sizes = list.map(sizeOf);
      const values = supply(sizes.reduce((a, b) => a + b, 0));
      let at = 0;
      return list.map((shape, i) => ({
        shape,
        values: values.slice(at, at += sizes[i]),
        dtype: same.dtype ?? "float",
      }));
    });
  }
  const each = options as readonly TensorOptions[];
  return fc.tuple(all, fc.tuple(...each.map(supplyOf))).map(([list, supplies]) => {
    if (list.length !== each.length) {
      throw new UsageError(`tensors: expected options for each of the ${list.length} tensors, got ${each.length}`);
    }
    return list.map((shape, i) => ({ shape, values: supplies[i](sizeOf(shape)), dtype: each[i].dtype ?? "float" }));
  });
}

/**
 * Generates permutations of the numbers below `length`.
 *
 * @param length the number of elements.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { permutations } from "gpugrad/verify";
 *
 * fc.assert(fc.property(permutations(3), (p) => assert.deepEqual([...p].sort(), [0, 1, 2])));
 * ```
 */
export function permutations(length: number): fc.Arbitrary<number[]> {
  permutationsCall.check(arguments);
  requireKind(permutationsCall, "length", whole(0, 2 ** 24), length);
  const all = Array.from({ length }, (_, i) => i);
  return fc.shuffledSubarray(all, { minLength: length, maxLength: length });
}

/**
 * Generates tensors of indices, as plain data of dtype int.
 *
 * @param shape the shape of the tensor.
 * @param below exclusive upper bound of the indices, which start at 0.
 * @param below the indices are whole numbers from 0 below this.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { indices } from "gpugrad/verify";
 *
 * fc.assert(fc.property(indices([4], 3), ({ values }) => assert.ok(Array.from(values).every((i) => i < 3))));
 * ```
 */
export function indices(shape: readonly number[], below: number): fc.Arbitrary<TensorData> {
  indicesCall.check(arguments);
  requireKind(indicesCall, "shape", shapeKind, shape);
  requireKind(indicesCall, "below", whole(1, 2 ** 24), below);
  return supplyOf({ dtype: "int", min: 0, max: below - 1 })
    .map((supply) => ({ shape, values: supply(sizeOf(shape)), dtype: "int" }));
}

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
  const duplicates = fc.tuple(box, fc.integer({ min: 2, max: Math.max(2, most) }))
    .map(([one, count]) => Array.from({ length: count }, () => one));
  const crowd = fc.tuple(box, fc.array(grid(-0.05, 0.05), { minLength: 2, maxLength: Math.max(2, most) }))
    .map(([[cx, cy, w, h], shifts]) => shifts.map((d, i) => within([cx + d, cy - d, w * (1 + d), h * (1 + i / 64)])));
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 4, arbitrary: fc.array(box, { minLength: 1, maxLength: most }) },
    { weight: 1, arbitrary: duplicates },
    { weight: 1, arbitrary: crowd },
  );
}

/**
 * Generates scenes for detection losses: images without targets, duplicates, crowds, boxes that overlap nothing, rows
 * in any order.
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
  return fc.tuple(fc.integer({ min: 1, max: images }), fc.integer({ min: 1, max: mostClasses })).chain(
    ([batch, classes]) => {
      const rows = (image: number) =>
        boxesOfImage(boxes).chain((drawn) =>
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
  readonly figSize: number;
  readonly featSizes: readonly number[];
  readonly scales: readonly number[];
  readonly aspectRatios: readonly (readonly number[])[];
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
      featSizes: fc.uniqueArray(fc.integer({ min: 1, max: cells }), { minLength: levels, maxLength: levels })
        .map((sizes) => sizes.sort((a, b) => b - a)),
      scales: fc.uniqueArray(fc.integer({ min: 2, max: 14 }), { minLength: levels + 1, maxLength: levels + 1 })
        .map((steps) => steps.sort((a, b) => a - b).map((n) => n * 20)),
      aspectRatios: fc.array(fc.constantFrom([2], [2, 3], []), { minLength: levels, maxLength: levels }),
      order: fc.constantFrom("size-major" as const, "cell-major" as const),
    })
  );
}

/**
 * Lets fast-check make the random choices of an op's record, so that they shrink.
 *
 * @param g the value that `fc.gen()` generates.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { drawFrom } from "gpugrad/verify";
 *
 * const shape = fc.gen().map((g) => drawFrom(g).shape({ maxRank: 2 }));
 * fc.assert(fc.property(shape, (drawn) => assert.ok(drawn.length <= 2)));
 * ```
 */
export function drawFrom(g: fc.GeneratorValue): Draw {
  drawFromCall.check(arguments);
  requireKind(drawFromCall, "g", callable, g);
  const int = (min: number, max: number): number => g(fc.integer, { min, max });
  return {
    int,
    bool: () => g(fc.boolean),
    pick: (values) => values[int(0, values.length - 1)],
    shape: (options) => g(shapes, options),
    broadcastable: (count) => g(broadcastableShapes, count),
  };
}
