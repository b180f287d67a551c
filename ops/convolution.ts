/** Convolution and pooling: sums and maxima over windows, which are index arithmetic alone. */
import { add as addIndex, scale } from "../core/affine.ts";
import type { Entry, Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import { arrayOf, boolean, type Declared, either, type Kind, type Signature, whole } from "../core/options.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { asTensor, ones, tensorKind, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { pad, reshape, unslice } from "./movement.ts";
import { max, sum } from "./reduce.ts";

/** Windows along an axis: the size of each, the distance between neighbours, and the distance between the elements of one. */
type Windows = { readonly axis: number; readonly size: number; readonly stride: number; readonly dilation: number };

/** How many windows fit into a length, 0 if none does. */
function countOf(length: number, { size, stride, dilation }: Omit<Windows, "axis">): number {
  return Math.max(0, Math.floor((length - dilation * (size - 1) - 1) / stride) + 1);
}

/** All windows along an axis. The axis counts them, and a new last axis their elements. */
export const windows: OpFunction<(x: Tensor, attributes: Windows) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "windows",
    infer: ([x], attributes) => {
      const { axis, size } = attributes;
      return { shape: [...x.shape.with(axis, countOf(x.shape[axis], attributes)), size], dtype: x.dtype };
    },
    kernel: {
      kind: "movement",
      source: (out, { axis, stride, dilation }) => {
        const within = out[out.length - 1];
        return out.slice(0, -1).map((i, a) => a === axis ? addIndex(scale(i, stride), scale(within, dilation)) : i);
      },
    },
    vjp: [({ cotangent, inputs: [x], attributes }) => unwindows(cotangent, x.shape, attributes)],
    domain: (draw) => {
      const shape = draw.shape({ minRank: 1, minAxis: 1, maxAxis: 6 });
      const axis = draw.int(0, shape.length - 1);
      const size = draw.int(1, shape[axis]);
      const most = size === 1 ? 3 : Math.floor((shape[axis] - 1) / (size - 1));
      return {
        inputs: [{ shape }],
        attributes: { axis, size, stride: draw.int(1, 3), dilation: draw.int(1, Math.max(1, most)) },
      };
    },
  } satisfies Op<Windows>,
  "windows(x, attributes)",
  (op) => (x, attributes) => record(op, [x], attributes),
);

/** Adds up the elements of windows where they came from. */
function unwindows(x: Tensor, shape: Shape, { axis, size, stride, dilation }: Windows): Tensor {
  const place = [...shape, size];
  const starts = unslice(x, place, {
    starts: place.map(() => 0),
    steps: place.map((_, a) => (a === axis ? stride : 1)),
    counts: x.shape,
  });
  return sum(shifted(starts, { axis, by: dilation }), -1);
}

/** An axis, and how far elements move along it for each step along the last axis. */
type Shift = { readonly axis: number; readonly by: number };

/** Moves elements along an axis, each as far as its position on the last axis says, and fills with 0. */
export const shifted: OpFunction<(x: Tensor, attributes: Shift) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "shifted",
    infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
    kernel: {
      kind: "movement",
      source: (out, { axis, by }) => out.map((i, a) => (a === axis ? addIndex(i, scale(out[out.length - 1], -by)) : i)),
      fill: () => 0,
    },
    vjp: [({ cotangent, attributes: { axis, by } }) => shifted(cotangent, { axis, by: -by })],
    domain: (draw) => {
      const shape = draw.shape({ minRank: 2, minAxis: 1 });
      return { inputs: [{ shape }], attributes: { axis: draw.int(0, shape.length - 2), by: draw.int(-2, 2) } };
    },
  } satisfies Op<Shift>,
  "shifted(x, attributes)",
  (op) => (x, attributes) => record(op, [x], attributes),
);

/** One number for both axes, or one for each: rows, columns. */
export type Pair = number | readonly [rows: number, columns: number];

function pairKind(least: number): Kind<Pair> {
  const one = whole(least);
  const two = arrayOf(one, `two whole numbers from ${least}`);
  const pair: Kind<Pair> = { ...two, accepts: (v): v is Pair => two.accepts(v) && v.length === 2 } as Kind<Pair>;
  return either(one, pair);
}

const pairFrom1 = /* @__PURE__ */ pairKind(1);
const pairFrom0 = /* @__PURE__ */ pairKind(0);

const both = (pair: Pair): readonly [number, number] => typeof pair === "number" ? [pair, pair] : pair;

/** Windows over the last two axes. */
interface Windows2d {
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** What surrounds the image. */
  readonly border: number;
}

/** The windows of an image, `[..., h, w]`: `[..., rows, columns, size, size]`. Throws if none fits. */
function windows2d(call: Signature, x: Tensor, { size, stride, padding, dilation, border }: Windows2d): Tensor {
  const rank = x.shape.length;
  const padded = pad(
    x,
    x.shape.map((_, a) => {
      const by = a < rank - 2 ? 0 : padding[a - (rank - 2)];
      return [by, by] as const;
    }),
    border,
  );
  for (const i of [0, 1]) {
    const [reach, length] = [dilation[i] * (size[i] - 1) + 1, padded.shape[rank - 2 + i]];
    if (reach > length) {
      throw call.error(
        `expected windows of at most ${length} ${i === 0 ? "rows" : "columns"} (x is ${formatShape(x.shape)}${
          padding[i] > 0 ? `, padded by ${padding[i]}` : ""
        }), got ${reach}`,
      );
    }
  }
  const along = (t: Tensor, i: 0 | 1) =>
    windows(t, { axis: rank - 2 + i, size: size[i], stride: stride[i], dilation: dilation[i] });
  return along(along(padded, 0), 1);
}

/** Options of {@link conv2d}. */
export interface Conv2dOptions {
  /** A number for each output channel, which is added; default none. */
  readonly bias?: TensorLike;
  /** The distance between neighbouring windows, default 1. */
  readonly stride?: Pair;
  /** How many zeros surround the image, default 0. */
  readonly padding?: Pair;
  /** The distance between the elements of a window, default 1. */
  readonly dilation?: Pair;
  /** Into how many groups the channels are divided, each with its own filters; default 1. */
  readonly groups?: number;
}

/** The options that are no tensors. */
type Conv2dAttributes = {
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly groups: number;
};

const convKinds: Declared<Conv2dOptions> = {
  bias: tensorKind,
  stride: pairFrom1,
  padding: pairFrom0,
  dilation: pairFrom1,
  groups: /* @__PURE__ */ whole(1),
};

/**
 * The two-dimensional convolution of images with filters, as PyTorch has it: without turning the filters around. Each element of the result
 * reads its whole window, so this is for small filters, as of structural similarity or edges.
 *
 * @param x float, `[images, channels, height, width]`, or one image without the first axis.
 * @param weight float, `[outputs, channels / groups, rows, columns]`.
 * @param options `bias`: `[outputs]`. `stride`, `dilation`: default 1. `padding`: how many zeros surround the image, default 0. `groups`:
 * default 1. A pair has one number for rows and one for columns.
 * @returns float, `[images, outputs, rows, columns]`, or without the first axis.
 * @throws if the channels do not fit, or no window does.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { conv2d, tensor } from "gpugrad";
 *
 * const image = tensor([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]);
 * const edges = tensor([[[[1, -1]]]]);
 * assert.deepEqual(await conv2d(image, edges).toArray(), [[[-1, -1], [-1, -1], [-1, -1]]]);
 * ```
 */
export const conv2d: CompositeFunction<
  (x: TensorLike, weight: TensorLike, options?: Conv2dOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "conv2d",
    apply: ([x, weight, bias], attributes) => conv2d(x, weight, { ...attributes, bias }),
    differentiable: true,
    domain: (draw) => {
      const groups = draw.int(1, 2);
      const [channels, outputs] = [groups * draw.int(1, 2), groups * draw.int(1, 2)];
      const [rows, columns] = [draw.int(1, 2), draw.int(1, 3)];
      const image = [channels, draw.int(3, 4), draw.int(5, 6)];
      const bias = draw.bool() ? [{ shape: [outputs] }] : [];
      return {
        inputs: [
          { shape: draw.bool() ? [draw.int(1, 2), ...image] : image },
          { shape: [outputs, channels / groups, rows, columns] },
          ...bias,
        ],
        attributes: {
          stride: draw.pick([1, 2, [1, 2]]),
          padding: draw.pick([0, 1, [0, 2]]),
          dilation: draw.pick([1, [1, 2]]),
          groups,
        },
      };
    },
    accuracy: "sum",
  } satisfies Entry<Conv2dAttributes>,
  ["conv2d(x, weight, options)", convKinds],
  (call) =>
    function conv2d(x, weight, options) {
      call.check(arguments);
      const [images, filters] = [asTensor(call, "x", x), asTensor(call, "weight", weight)];
      const { bias, stride = 1, padding = 0, dilation = 1, groups = 1 } = options ?? {};
      const [outputs, each, ...size] = filters.shape;
      const channels = images.shape[images.shape.length - 3];
      const fits = (images.shape.length === 3 || images.shape.length === 4) && size.length === 2 &&
        outputs % groups === 0 && each * groups === channels && sizeOf(size) > 0;
      if (!fits) {
        throw call.error(
          `expected x [..., channels, height, width] and weight [outputs, channels / groups, rows, columns]${
            groups > 1 ? ` with ${groups} groups` : ""
          }, got ${formatShape(images.shape)} and ${formatShape(filters.shape)}`,
        );
      }
      const outer = images.shape.slice(0, -3);
      const grouped = reshape(images, [...outer, groups, 1, each, ...images.shape.slice(-2)]);
      const parts = windows2d(call, grouped, {
        size: [size[0], size[1]],
        stride: both(stride),
        padding: both(padding),
        dilation: both(dilation),
        border: 0,
      });
      const [rows, columns] = parts.shape.slice(-4, -2);
      const own = reshape(filters, [groups, outputs / groups, each, 1, 1, ...size]);
      const result = reshape(sum(mul(parts, own), [-5, -2, -1]), [...outer, outputs, rows, columns]);
      if (bias === undefined) return result;
      const added = asTensor(call, "bias", bias);
      if (added.shape.length !== 1 || added.shape[0] !== outputs) {
        throw call.error(`expected a bias for each of ${outputs} outputs, got shape ${formatShape(added.shape)}`);
      }
      return add(result, reshape(added, [outputs, 1, 1]));
    },
);

/** Options of {@link avgPool2d}. */
export interface AvgPool2dOptions {
  /** The distance between neighbouring windows, default their size. */
  readonly stride?: Pair;
  /** How many zeros surround the image, at most half the size of a window; default 0. */
  readonly padding?: Pair;
  /** Whether the zeros around the image count as elements of the mean, default true. */
  readonly countIncludePad?: boolean;
}

/** The windows of a maximum. */
type MaxPool2dAttributes = { readonly size: Pair; readonly stride: Pair; readonly padding: Pair };

/** The windows of a mean, and whether the padding counts. */
type AvgPool2dAttributes = MaxPool2dAttributes & { readonly countIncludePad: boolean };

const avgPoolKinds: Declared<AvgPool2dOptions> = { stride: pairFrom1, padding: pairFrom0, countIncludePad: boolean };

/** The windows of a pooling, `[..., rows, columns, size, size]`. Throws if none fits, or the padding is more than half a window. */
function pooled(call: Signature, x: Tensor, { size, stride = size, padding = 0, border }: {
  readonly size: Pair;
  readonly stride?: Pair;
  readonly padding?: Pair;
  readonly border: number;
}): Tensor {
  if (!pairFrom1.accepts(size)) throw call.wrong("size", pairFrom1.expected, size);
  if (x.shape.length < 2) throw call.error(`expected x [..., height, width], got ${formatShape(x.shape)}`);
  const each = both(size);
  both(padding).forEach((by, i) => {
    if (2 * by <= each[i]) return;
    throw call.error(`expected a padding of at most half a window, ${Math.floor(each[i] / 2)}, got ${by}`);
  });
  return windows2d(call, x, { size: each, stride: both(stride), padding: both(padding), dilation: [1, 1], border });
}

/**
 * The means of windows of images, as PyTorch has them.
 *
 * @param x float, `[..., height, width]`.
 * @param size the rows and columns of a window.
 * @param options `stride`: default the size. `padding`: how many zeros surround the image, default 0. `countIncludePad`: whether they count,
 * default true. A pair has one number for rows and one for columns.
 * @returns float, `[..., rows, columns]`.
 * @throws if no window fits, or the padding is more than half a window.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { avgPool2d, tensor } from "gpugrad";
 *
 * const image = tensor([[1, 2, 3, 4], [5, 6, 7, 8]]);
 * assert.deepEqual(await avgPool2d(image, 2).toArray(), [[3.5, 5.5]]);
 * ```
 */
export const avgPool2d: CompositeFunction<
  (x: TensorLike, size: Pair, options?: AvgPool2dOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "avgPool2d",
    apply: ([x], { size, ...options }) => avgPool2d(x, size, options),
    differentiable: true,
    domain: (draw) => ({
      inputs: [{ shape: [...draw.shape({ maxRank: 1 }), draw.int(3, 4), draw.int(3, 5)] }],
      attributes: {
        size: draw.pick([2, [3, 2]]),
        stride: draw.pick([1, 2, [2, 1]]),
        padding: draw.pick([0, 1, [0, 1]]),
        countIncludePad: draw.bool(),
      },
    }),
    accuracy: "sum",
  } satisfies Entry<AvgPool2dAttributes>,
  ["avgPool2d(x, size, options)", avgPoolKinds],
  (call) =>
    function avgPool2d(x, size, options) {
      call.check(arguments);
      const { countIncludePad = true, ...how } = options ?? {};
      const total = (t: Tensor) => sum(pooled(call, t, { size, ...how, border: 0 }), [-2, -1]);
      const input = asTensor(call, "x", x);
      const sums = total(input);
      return div(sums, countIncludePad ? sizeOf(both(size)) : total(ones(input.shape.slice(-2))));
    },
);

/** Options of {@link maxPool2d}. */
export interface MaxPool2dOptions {
  /** The distance between neighbouring windows, default their size. */
  readonly stride?: Pair;
  /** By how much windows reach beyond the image, at most half their size; default 0. */
  readonly padding?: Pair;
}

const maxPoolKinds: Declared<MaxPool2dOptions> = { stride: pairFrom1, padding: pairFrom0 };

/**
 * The largest elements of windows of images; NaN where there is one. Equal elements share the gradient evenly, as in {@link max}, where
 * PyTorch gives it to the first.
 *
 * @param x float, `[..., height, width]`.
 * @param size the rows and columns of a window.
 * @param options `stride`: default the size. `padding`: by how much windows reach beyond the image, where there is nothing larger than
 * -infinity; default 0. A pair has one number for rows and one for columns.
 * @returns float, `[..., rows, columns]`.
 * @throws if no window fits, or the padding is more than half a window.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { maxPool2d, tensor } from "gpugrad";
 *
 * const image = tensor([[1, 2, 3, 4], [5, 8, 7, 6]]);
 * assert.deepEqual(await maxPool2d(image, 2).toArray(), [[8, 7]]);
 * assert.deepEqual(await maxPool2d(image, [1, 3], { stride: 1, padding: [0, 1] }).toArray(), [[2, 3, 4, 4], [8, 8, 8, 7]]);
 * ```
 */
export const maxPool2d: CompositeFunction<
  (x: TensorLike, size: Pair, options?: MaxPool2dOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "maxPool2d",
    apply: ([x], { size, ...options }) => maxPool2d(x, size, options),
    differentiable: true,
    domain: (draw) => ({
      inputs: [{ shape: [...draw.shape({ maxRank: 1 }), draw.int(3, 4), draw.int(3, 5)], distinct: true }],
      attributes: {
        size: draw.pick([2, [3, 2]]),
        stride: draw.pick([1, 2, [2, 1]]),
        padding: draw.pick([0, 1, [0, 1]]),
      },
    }),
    accuracy: "exact",
  } satisfies Entry<MaxPool2dAttributes>,
  ["maxPool2d(x, size, options)", maxPoolKinds],
  (call) =>
    function maxPool2d(x, size, options) {
      call.check(arguments);
      const input = cast(asTensor(call, "x", x), "float");
      return max(pooled(call, input, { size, ...options, border: -Infinity }), [-2, -1]);
    },
);
