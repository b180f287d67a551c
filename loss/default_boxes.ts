/** Default boxes (anchors, priors): the fixed boxes that an SSD network's predictions are relative to. */
import { describe, kind, numberAbove, oneOf, Signature } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { asTensor, tensor, type TensorLike } from "../ops/creation.ts";
import { concat } from "../ops/movement.ts";
import { decoded, encoded, halvesOf } from "./coding.ts";
import { misplaced } from "./placement.ts";
import { readRows, type Rows } from "./rows.ts";

/**
 * The order of default boxes within a level: all cells for one size, then for the next (super-gradients, NVIDIA), or
 * all sizes for one cell, then for the next (torchvision, amdegroot and most others). It must match the network's
 * heads.
 */
export type DefaultBoxOrder = "size-major" | "cell-major";

/** The layout of {@link DefaultBoxes}. */
export interface DefaultBoxesConfig {
  /** The side of the square input image, in pixels. */
  readonly figSize: number;
  /** For each level, the side of its square grid, in cells. */
  readonly featSizes: readonly number[];
  /**
   * For each level, the side of its smallest square box, plus one entry for the last level's geometric mean, in pixels.
   */
  readonly scales: readonly number[];
  /** For each level, its aspect ratios; each adds a wide box and a tall box. */
  readonly aspectRatios: readonly (readonly number[])[];
  /** Divisor of the centre's location targets, default 0.1. */
  readonly scaleXy?: number;
  /** Divisor of the size's location targets, default 0.2. */
  readonly scaleWh?: number;
  /** The order within a level, default `"size-major"`. */
  readonly order?: DefaultBoxOrder;
  /**
   * For each level, the distance between neighbouring centres in pixels, as in Caffe; default `figSize` divided by the
   * side of the level's grid.
   */
  readonly steps?: readonly number[];
}

/** The names of {@link DefaultBoxes.presets}. */
export type DefaultBoxesPreset =
  | "ssd300-voc"
  | "ssd300-coco"
  | "ssd512-voc"
  | "ssd512-coco"
  | "ssdlite320"
  | "super-gradients-320-stride16"
  | "super-gradients-320-stride8"
  | "super-gradients-300-stride16"
  | "super-gradients-300-stride8"
  | "super-gradients-256";

const FIRST_AND_LAST_NARROW = [[2], [2, 3], [2, 3], [2, 3], [2], [2]];
const ALL_WIDE = [[2, 3], [2, 3], [2, 3], [2, 3], [2, 3], [2, 3]];
const SSD512_RATIOS = [[2], [2, 3], [2, 3], [2, 3], [2, 3], [2], [2]];
const SCALES_300 = [21, 45, 99, 153, 207, 261, 315];
const SCALES_320 = [22, 48, 106, 163, 221, 278, 336];

const PRESETS: Readonly<Record<DefaultBoxesPreset, DefaultBoxesConfig>> = {
  "ssd300-voc": {
    figSize: 300,
    featSizes: [38, 19, 10, 5, 3, 1],
    scales: [30, 60, 111, 162, 213, 264, 315],
    aspectRatios: FIRST_AND_LAST_NARROW,
  },
  "ssd300-coco": {
    figSize: 300,
    featSizes: [38, 19, 10, 5, 3, 1],
    scales: SCALES_300,
    aspectRatios: FIRST_AND_LAST_NARROW,
  },
  "ssd512-voc": {
    figSize: 512,
    featSizes: [64, 32, 16, 8, 4, 2, 1],
    scales: [35.84, 76.8, 153.6, 230.4, 307.2, 384, 460.8, 537.6],
    aspectRatios: SSD512_RATIOS,
  },
  "ssd512-coco": {
    figSize: 512,
    featSizes: [64, 32, 16, 8, 4, 2, 1],
    scales: [20.48, 51.2, 133.12, 215.04, 296.96, 378.88, 460.8, 542.72],
    aspectRatios: SSD512_RATIOS,
  },
  "ssdlite320": {
    figSize: 320,
    featSizes: [20, 10, 5, 3, 2, 1],
    scales: [64, 112, 160, 208, 256, 304, 320],
    aspectRatios: ALL_WIDE,
  },
  "super-gradients-320-stride16": {
    figSize: 320,
    featSizes: [20, 10, 5, 3, 2, 1],
    scales: SCALES_320,
    aspectRatios: ALL_WIDE,
  },
  "super-gradients-320-stride8": {
    figSize: 320,
    featSizes: [40, 20, 10, 5, 3, 2],
    scales: SCALES_320,
    aspectRatios: FIRST_AND_LAST_NARROW,
  },
  "super-gradients-300-stride16": {
    figSize: 300,
    featSizes: [19, 10, 5, 3, 2, 1],
    scales: SCALES_300,
    aspectRatios: ALL_WIDE,
  },
  "super-gradients-300-stride8": {
    figSize: 300,
    featSizes: [38, 19, 10, 5, 3, 2],
    scales: SCALES_300,
    aspectRatios: FIRST_AND_LAST_NARROW,
  },
  "super-gradients-256": {
    figSize: 256,
    featSizes: [32, 16, 8, 4, 2, 1],
    scales: [18, 38, 84, 131, 177, 223, 269],
    aspectRatios: FIRST_AND_LAST_NARROW,
  },
};

/** Divisors of location targets. */
interface Scales {
  readonly scaleXy?: number;
  readonly scaleWh?: number;
}

/** The other form of the constructor's argument: see {@link DefaultBoxes.from}. */
class OwnBoxes {
  constructor(readonly cxcywh: Float64Array, readonly scales: Scales) {}
}

const scaleKinds = { scaleXy: numberAbove(0), scaleWh: numberAbove(0) };
/** The finest grid allowed: a layout with more cells would not fit into memory. */
const MOST_CELLS = 1024;
/** The elements are checked one by one, so that an error can say which one is wrong. */
const numbers = kind<readonly number[]>("an array of numbers", "[30, 60]", Array.isArray);
const constructorCall = new Signature<DefaultBoxesConfig>("new DefaultBoxes(config)", {
  ...scaleKinds,
  figSize: numberAbove(0),
  featSizes: numbers,
  scales: numbers,
  aspectRatios: kind<readonly (readonly number[])[]>("an array of arrays of numbers", "[[2], [2, 3]]", (value) => {
    return Array.isArray(value) && !Array.from(value).some((ratios) => !Array.isArray(ratios));
  }),
  order: oneOf("size-major", "cell-major"),
  steps: numbers,
});
const fromCall = new Signature<Scales>("DefaultBoxes.from(cxcywh, options)", scaleKinds);
const methodCalls = {
  encode: new Signature("DefaultBoxes.encode(boxes)"),
  decode: new Signature("DefaultBoxes.decode(locations)"),
};

/**
 * The default boxes of an SSD network. On a grid with `f` cells a side, level `i` has squares of side `scales[i]` and
 * `sqrt(scales[i] * scales[i + 1])`, and for each aspect ratio `r` two boxes with the area of the smaller square: one
 * `r` times as wide as high, one `r` times as high as wide. All are relative to the image (divided by `figSize`). Boxes
 * are centred on the cells, row by row. The four numbers cx, cy, w, h are clamped to [0, 1]; the corners are not.
 * Computed in float64 as in super-gradients' `DefaultBoxes` (Liu et al., 2016).
 *
 * @throws if the lists do not fit together or a size is not positive.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { DefaultBoxes } from "gpugrad";
 *
 * const boxes = new DefaultBoxes({ figSize: 300, featSizes: [2, 1], scales: [90, 150, 240], aspectRatios: [[2], []] });
 * assert.equal(boxes.count, 4 * 4 + 2);
 * assert.deepEqual(boxes.cxcywh.shape, [18, 4]);
 * assert.equal(new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]).count, 8732);
 * ```
 */
export class DefaultBoxes {
  /** Common layouts; all are size-major and centre their boxes on the grid. */
  static readonly presets: Readonly<Record<DefaultBoxesPreset, DefaultBoxesConfig>> = PRESETS;

  /** The number of default boxes. */
  readonly count: number;
  /** Centre and size relative to the image, float, shape `[count, 4]`. */
  readonly cxcywh: Tensor;
  /** Corners relative to the image, float, shape `[count, 4]`. */
  readonly xyxy: Tensor;
  /** {@link DefaultBoxes.cxcywh} transposed to `[4, count]`, the layout that kernels read. */
  readonly components: Tensor;
  /** Divisor of the centre's location targets. */
  readonly scaleXy: number;
  /** Divisor of the size's location targets. */
  readonly scaleWh: number;

  /** Lays the boxes out. @throws if the layout is inconsistent, with the field. */
  constructor(config: DefaultBoxesConfig | OwnBoxes) {
    const own = config instanceof OwnBoxes;
    if (!own) checkConfig(arguments, config);
    const boxes = own ? config.cxcywh : layOut(config);
    const { scaleXy = 0.1, scaleWh = 0.2 } = own ? config.scales : config;
    this.scaleXy = scaleXy;
    this.scaleWh = scaleWh;
    const count = this.count = boxes.length / 4;
    const components = new Float64Array(boxes.length);
    const corners = new Float64Array(boxes.length);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < 4; k++) components[k * count + i] = boxes[4 * i + k];
      for (let k = 0; k < 2; k++) {
        corners[4 * i + k] = boxes[4 * i + k] - boxes[4 * i + k + 2] / 2;
        corners[4 * i + k + 2] = boxes[4 * i + k] + boxes[4 * i + k + 2] / 2;
      }
    }
    this.cxcywh = tensor(boxes, [count, 4]);
    this.xyxy = tensor(corners, [count, 4]);
    this.components = tensor(components, [4, count]);
  }

  /**
   * Makes default boxes from a network's own list.
   *
   * @param cxcywh centre and size of each box relative to the image, in the order of the network's heads: a computed
   * tensor `[n, 4]`, `n` rows, or a typed array of `4 n` numbers. Nothing is clamped.
   * @param options `scaleXy` and `scaleWh`, the "variances" of the network's encoding: default 0.1 and 0.2.
   * @throws if a number is not finite, a size is not positive, or a box cannot be relative to the image, that is, it
   * lies outside by more than a hundredth of the image or is more than twice as large. The message names the row.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { DefaultBoxes } from "gpugrad";
   *
   * const boxes = DefaultBoxes.from([[0.5, 0.5, 1, 1], [0.5, 0.5, 0.4, 0.2]], { scaleXy: 0.1, scaleWh: 0.2 });
   * assert.equal(boxes.count, 2);
   * ```
   */
  static from(
    cxcywh: Rows,
    options?: { readonly scaleXy?: number; readonly scaleWh?: number },
  ): DefaultBoxes {
    fromCall.check(arguments);
    const { data, count } = readRows("DefaultBoxes.from", "cxcywh", cxcywh, 4);
    if (count === 0) throw new Error("DefaultBoxes.from: expected cxcywh to have at least one row, got none");
    for (let i = 0; i < count; i++) {
      ["cx", "cy", "w", "h"].forEach((name, k) => {
        const value = data[4 * i + k];
        const fits = k < 2 ? Number.isFinite(value) : Number.isFinite(value) && Math.fround(value) > 0;
        if (!fits) {
          const expected = k < 2 ? "a finite number" : "a finite number above 0";
          throw new Error(`DefaultBoxes.from: expected ${name} to be ${expected}, got ${value} in row ${i} of cxcywh`);
        }
      });
      const problem = misplaced(data[4 * i], data[4 * i + 1], data[4 * i + 2], data[4 * i + 3]);
      if (problem) throw fromCall.error(`expected boxes relative to the image, got row ${i} of cxcywh, ${problem}`);
    }
    return new DefaultBoxes(new OwnBoxes(Float64Array.from(data), options ?? {}));
  }

  /**
   * Encodes boxes relative to the image as location targets: the offset of the centre from the default box's in units
   * of its size, divided by `scaleXy`, and the logarithm of the ratio of sizes, divided by `scaleWh`.
   *
   * @param boxes centre and size relative to the image, float, shape `[..., 4, count]`.
   * @returns location targets of the same shape.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { DefaultBoxes, tensor } from "gpugrad";
   *
   * const boxes = DefaultBoxes.from([[0.5, 0.5, 0.5, 0.5]]);
   * const encoded = await boxes.encode(tensor([[0.55], [0.5], [0.5], [0.5]])).data();
   * assert.ok(Math.abs(encoded[0] - 1) < 1e-5); // a tenth of the default box's width to the right
   * assert.equal(encoded[3], 0);
   * ```
   */
  encode(boxes: TensorLike): Tensor {
    methodCalls.encode.check(arguments);
    const given = this.#read("encode", "boxes", boxes);
    return concat([...encoded(halvesOf(given, given.shape.length - 2), halvesOf(this.components, 0), this)], -2);
  }

  /**
   * Decodes location predictions into boxes: the inverse of {@link DefaultBoxes.encode}.
   *
   * @param locations location predictions, float, shape `[..., 4, count]`.
   * @returns centre and size relative to the image, of the same shape.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { DefaultBoxes, zeros } from "gpugrad";
   *
   * const boxes = DefaultBoxes.from([[0.5, 0.5, 0.5, 0.25]]);
   * assert.deepEqual(await boxes.decode(zeros([4, 1])).toArray(), [[0.5], [0.5], [0.5], [0.25]]);
   * ```
   */
  decode(locations: TensorLike): Tensor {
    methodCalls.decode.check(arguments);
    const given = this.#read("decode", "locations", locations);
    return concat([...decoded(halvesOf(given, given.shape.length - 2), halvesOf(this.components, 0), this)], -2);
  }

  /** Checks an argument of `encode` or `decode`. */
  #read(method: "encode" | "decode", name: string, argument: TensorLike): Tensor {
    const call = methodCalls[method];
    const t = asTensor(call, name, argument);
    const { shape, dtype } = t;
    const rank = shape.length;
    if (rank < 2 || shape[rank - 2] !== 4 || shape[rank - 1] !== this.count) {
      const turned = rank >= 2 && shape[rank - 1] === 4 && shape[rank - 2] === this.count
        ? "; the four numbers come before the boxes: transpose the last two axes"
        : "";
      throw call.error(`expected ${name} of shape [..., 4, ${this.count}], got ${formatShape(shape)}${turned}`);
    }
    if (dtype === "bool") throw call.error(`expected ${name} to be numbers, got a tensor of dtype bool`);
    return t;
  }
}

/** Throws if an argument is anything else than default boxes of this copy of the package. */
export function checkedDefaultBoxes(call: Signature, defaultBoxes: unknown): void {
  if (defaultBoxes instanceof DefaultBoxes) return;
  const copy = (defaultBoxes as { constructor?: { name?: string } } | null)?.constructor?.name === "DefaultBoxes";
  throw call.wrong(
    "defaultBoxes",
    copy ? "DefaultBoxes of the same copy of gpugrad" : "DefaultBoxes, made by new DefaultBoxes(layout)",
    defaultBoxes,
  );
}

/** Checks the arguments of the constructor. */
function checkConfig(args: ArrayLike<unknown>, config: unknown): void {
  if (typeof config === "string" && Object.hasOwn(PRESETS, config)) {
    const name = JSON.stringify(config);
    throw constructorCall.error(
      `expected a layout, got ${name}; write new DefaultBoxes(DefaultBoxes.presets[${name}])`,
    );
  }
  if (typeof config === "object" && config !== null && "cxcywh" in config) {
    throw constructorCall.error("expected a layout, got boxes; write DefaultBoxes.from(cxcywh, options)");
  }
  if (config === undefined) {
    throw constructorCall.wrong("config", "a layout, such as one of DefaultBoxes.presets", config);
  }
  constructorCall.check(args);
  for (const name of ["figSize", "featSizes", "scales", "aspectRatios"] as const) {
    if ((config as Partial<DefaultBoxesConfig>)[name] === undefined) {
      throw constructorCall.error(`expected config to have ${name}, which is missing`);
    }
  }
}

/** cx, cy, w, h of each box of a layout. */
function layOut(config: DefaultBoxesConfig): Float64Array {
  const { figSize, featSizes, scales, aspectRatios, order = "size-major", steps } = config;
  const levels = featSizes.length;
  if (levels === 0) throw new Error("DefaultBoxes: expected featSizes to have at least one level, got none");
  checkList("scales", scales, levels + 1, "one more than featSizes");
  checkList("aspectRatios", aspectRatios, levels, "as many as featSizes");
  if (steps) checkList("steps", steps, levels, "as many as featSizes");
  Array.from(featSizes, (n, i) => {
    if (!Number.isInteger(n) || n < 1 || n > MOST_CELLS) {
      throw new Error(
        `DefaultBoxes: expected featSizes[${i}] to be a whole number from 1 to ${MOST_CELLS}, got ${describe(n)}`,
      );
    }
  });
  Array.from(scales, (s, i) => checkPositive(`scales[${i}]`, s));
  Array.from(aspectRatios, (ratios, i) => Array.from(ratios, (r, j) => checkPositive(`aspectRatios[${i}][${j}]`, r)));
  if (steps) Array.from(steps, (s, i) => checkPositive(`steps[${i}]`, s));

  const out: number[] = [];
  const clamp = (x: number) => Math.min(1, Math.max(0, x));
  featSizes.forEach((cells, level) => {
    const scale = scales[level];
    const mean = Math.sqrt(scale * scales[level + 1]);
    const sizes = [[scale, scale], [mean, mean]];
    for (const ratio of aspectRatios[level]) {
      const long = scale * Math.sqrt(ratio);
      const short = scale / Math.sqrt(ratio);
      sizes.push([long, short], [short, long]);
    }
    const centre = (at: number) => steps ? (at + 0.5) * steps[level] / figSize : (at + 0.5) / cells;
    const push = (i: number, j: number, [w, h]: number[]) =>
      out.push(clamp(centre(j)), clamp(centre(i)), clamp(w / figSize), clamp(h / figSize));
    if (order === "size-major") {
      for (const size of sizes) for (let i = 0; i < cells; i++) for (let j = 0; j < cells; j++) push(i, j, size);
    } else {
      for (let i = 0; i < cells; i++) for (let j = 0; j < cells; j++) for (const size of sizes) push(i, j, size);
    }
  });
  return Float64Array.from(out);
}

function checkPositive(name: string, value: number): void {
  if (!(value > 0) || !Number.isFinite(value)) {
    throw new Error(`DefaultBoxes: expected ${name} to be a finite number above 0, got ${describe(value)}`);
  }
}

function checkList(name: string, list: readonly unknown[], length: number, reason: string): void {
  if (list.length !== length) {
    throw new Error(`DefaultBoxes: expected ${name} to have ${length} entries (${reason}), got ${list.length}`);
  }
}
