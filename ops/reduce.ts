/** Reductions over one axis, several or all. */
import type { Vjp } from "../core/op.ts";
import { dropAxes, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { abs, add, div, mul, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal, greater, less, logicalNot } from "./comparison.ts";
import { arange, full, type TensorLike } from "./creation.ts";
import { arithmetic, float } from "./define/dtype.ts";
import type { CompositeFunction } from "./define/op.ts";
import {
  type Axes,
  type AxesReduction,
  compositeReduction,
  keptShape,
  logicalReduction,
  position,
  type ReduceAttributes,
  type ReduceOptions,
  reduction,
  restore,
} from "./define/reduction.ts";
import { exp, log } from "./functions.ts";
import { broadcastTo, pad, reshape, slice, transpose, unsqueeze } from "./movement.ts";
import { where } from "./selection.ts";

/**
 * The sum over axes; 0 over nothing. The sum of `int` or `bool` is `int`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sum, tensor } from "gpugrad";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assert.equal(await sum(x).item(), 10);
 * assert.deepEqual(await sum(x, 1, { keepDims: true }).toArray(), [[3], [7]]);
 * ```
 */
export const sum: AxesReduction = /* @__PURE__ */ reduction("sum", {
  dtype: arithmetic,
  identity: 0,
  combine: (a, x, lower) => lower.call("sum", a, x),
  vjp: ({ cotangent, inputs: [x], attributes }) => broadcastTo(restore(cotangent, x, attributes), x.shape),
  accuracy: "sum",
});

/**
 * The mean over axes, always `float`; NaN over nothing.
 *
 * @param x any shape. Nested arrays stand for a tensor.
 * @param axis the axis or axes to reduce, default all.
 * @param options `keepDims`: whether reduced axes stay, with length 1; default false.
 * @returns the shape of `x` without the reduced axes.
 * @throws if an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { mean, tensor } from "gpugrad";
 *
 * assert.deepEqual(await mean(tensor([[1, 2], [3, 6]]), 0).toArray(), [2, 4]);
 * ```
 */
export const mean: CompositeFunction<
  (x: TensorLike, axis?: Axes, options?: ReduceOptions) => Tensor
> = /* @__PURE__ */ compositeReduction(
  "mean",
  "sum",
  (x, axes, options) => div(sum(x, axes, options), sizeOf(axes.map((a) => x.shape[a]))),
);

/**
 * The product over axes; 1 over nothing. The product of `int` or `bool` is `int`. The gradient is exact even if elements are 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, prod, tensor } from "gpugrad";
 *
 * const x = tensor([2, 0, 5]);
 * assert.equal(await prod(x).item(), 0);
 * assert.deepEqual(await grad(prod(x), x).toArray(), [0, 10, 0]);
 * ```
 */
export const prod: AxesReduction = /* @__PURE__ */ reduction("prod", {
  dtype: arithmetic,
  identity: 1,
  combine: (a, x, lower) => lower.call("product", a, x),
  vjp: ({ times, inputs: [x], attributes }) =>
    times(() => productOfOthers(x, attributes.axes), (cotangent) => restore(cotangent, x, attributes)),
  accuracy: "sum",
});

/**
 * For each element the product of all others, as products again: a quotient would fail if elements are 0.
 */
function productOfOthers(x: Tensor, axes: readonly number[]): Tensor {
  const kept = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const order = [...kept, ...axes];
  const n = sizeOf(axes.map((a) => x.shape[a]));
  const moved = transpose(x, order);
  const others = othersInRows(reshape(moved, [...kept.map((a) => x.shape[a]), n]));
  return transpose(reshape(others, moved.shape), order.map((_, a) => order.indexOf(a)));
}

/** Rows up to this length have a product for each element, with the element itself as 1: the square of their length. */
const DIRECT = 128;

/** The length of the blocks of longer ones. */
const OTHERS = 16;

/** The products of others along the last axis: of longer rows those within blocks, times the others of the products of blocks. */
function othersInRows(x: Tensor): Tensor {
  const outer = x.shape.slice(0, -1);
  const n = x.shape[outer.length];
  if (n <= DIRECT) {
    const itself = equal(unsqueeze(arange(n), 1), arange(n));
    return prod(where(itself, 1, unsqueeze(x, -2)), outer.length + 1);
  }
  const count = Math.ceil(n / OTHERS);
  const filled = pad(x, [...outer.map((): [number, number] => [0, 0]), [0, count * OTHERS - n]], 1);
  const blocks = reshape(filled, [...outer, count, OTHERS]);
  const others = mul(othersInRows(blocks), unsqueeze(othersInRows(prod(blocks, outer.length + 1)), -1));
  return slice(reshape(others, [...outer, count * OTHERS]), [...outer.map(() => null), [0, n]]);
}

/** Elements that are the extreme share the gradient evenly. */
const shareTies: Vjp<ReduceAttributes> = ({ times, inputs: [x], output, attributes }) => {
  const taken = cast(equal(x, restore(output, x, attributes)), "float");
  const share = () => div(taken, restore(sum(taken, attributes.axes), x, attributes));
  return times(share, (cotangent) => restore(cotangent, x, attributes));
};

/**
 * The largest element along axes; NaN if there is one. Equal elements share the gradient evenly.
 *
 * @throws if an axis does not exist, is named twice or is empty.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, max, tensor } from "gpugrad";
 *
 * const x = tensor([1, 3, 3]);
 * assert.equal(await max(x).item(), 3);
 * assert.deepEqual(await grad(max(x), x).toArray(), [0, 0.5, 0.5]);
 * ```
 */
export const max: AxesReduction = /* @__PURE__ */ reduction("max", {
  dtype: arithmetic,
  identity: -Infinity,
  combine: (a, x, lower) => lower.call("max", a, x),
  nonEmpty: true,
  vjp: shareTies,
  selects: ({ inputs: [x], output, attributes }) => logicalNot(less(x, restore(output, x, attributes))),
  domain: { distinct: true },
  accuracy: "exact",
});

/**
 * The smallest element along axes; NaN if there is one. Equal elements share the gradient evenly.
 *
 * @throws if an axis does not exist, is named twice or is empty.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { min, tensor } from "gpugrad";
 *
 * assert.deepEqual(await min(tensor([[4, 2], [3, 5]]), 1).toArray(), [2, 3]);
 * ```
 */
export const min: AxesReduction = /* @__PURE__ */ reduction("min", {
  dtype: arithmetic,
  identity: Infinity,
  combine: (a, x, lower) => lower.call("min", a, x),
  nonEmpty: true,
  vjp: shareTies,
  selects: ({ inputs: [x], output, attributes }) => logicalNot(greater(x, restore(output, x, attributes))),
  domain: { distinct: true },
  accuracy: "exact",
});

/**
 * Whether at least one element along axes is true; false over nothing. It has no derivative.
 *
 * @throws if the dtype is not `bool`, or an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { any, tensor } from "gpugrad";
 *
 * assert.deepEqual(await any(tensor([[true, false], [false, false]]), 1).toArray(), [true, false]);
 * ```
 */
export const any: AxesReduction = /* @__PURE__ */ logicalReduction(
  "any",
  0,
  (a, x, lower) => lower.call("anyOf", a, x),
);

/**
 * Whether every element along axes is true; true over nothing. It has no derivative.
 *
 * @throws if the dtype is not `bool`, or an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { all, tensor } from "gpugrad";
 *
 * assert.deepEqual(await all(tensor([[true, false], [true, true]]), 1).toArray(), [false, true]);
 * ```
 */
export const all: AxesReduction = /* @__PURE__ */ logicalReduction(
  "all",
  1,
  (a, x, lower) => lower.call("allOf", a, x),
);

/**
 * The position of the largest element, the lowest among equals, as `int`; over several axes, in row-major order. NaN counts as larger than
 * infinity, as in NumPy. It has no derivative.
 *
 * @throws if an axis does not exist, is named twice or is empty.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { argmax, tensor } from "gpugrad";
 *
 * assert.deepEqual(await argmax(tensor([[1, 3, 3], [4, 0, 0]]), 1).toArray(), [1, 0]);
 * ```
 */
export const argmax: AxesReduction = /* @__PURE__ */ position("argmax", "above", -Infinity);

/**
 * The position of the smallest element, the lowest among equals, as `int`; over several axes, in row-major order. NaN is taken before
 * everything else, as in NumPy. It has no derivative.
 *
 * @throws if an axis does not exist, is named twice or is empty.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { argmin, tensor } from "gpugrad";
 *
 * assert.equal(await argmin(tensor([[2, 1], [1, 4]])).item(), 1);
 * ```
 */
export const argmin: AxesReduction = /* @__PURE__ */ position("argmin", "below", Infinity);

/** So many elements: among a few, one that is not far below the largest of all is likely, and to read them costs little. */
const FEW = 4;
/** A sum of exponentials, relative to the largest of the first few elements, up to which float32 rounds no more than about the last place of the elements. */
const FAR_ABOVE = 1e4;

/**
 * The logarithm of the sum of exponentials over axes, computed without overflow, always `float`; -Infinity over nothing.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logSumExp, tensor } from "gpugrad";
 *
 * assert.equal(await logSumExp(tensor([1000, -1000])).item(), 1000);
 * ```
 */
export const logSumExp: AxesReduction = /* @__PURE__ */ reduction("logSumExp", {
  dtype: float,
  lower: ([x], { axes }) => {
    const shape = dropAxes(x.shape, axes);
    if (axes.some((axis) => x.shape[axis] === 0)) return full(shape, -Infinity);
    const kept = keptShape(x.shape, axes);
    const sumExp = (shift: Tensor) => sum(exp(sub(x, reshape(shift, kept))), axes);
    // Relative to the largest of the first few elements there is no largest of all to look for: the elements are read once. That is as
    // exact as long as no element is far above; elsewhere, the usual way.
    const first = max(
      slice(x, x.shape.map((_, a) => (axes.includes(a) ? [0, a === axes.at(-1) ? FEW : 1] as const : null))),
      axes,
    );
    const quick = sumExp(first);
    const largest = max(x, axes);
    // An infinite maximum would be subtracted from itself.
    const shift = where(less(abs(largest), Infinity), largest, 0);
    const careful = add(log(sumExp(shift)), shift);
    return where(logicalNot(less(quick, FAR_ABOVE)), careful, add(log(quick), first));
  },
  // The softmax.
  vjp: ({ times, inputs: [x], output, attributes }) => {
    const move = (t: Tensor) => restore(t, x, attributes);
    // Nothing but minus infinities has no influence, rather than a softmax of infinity less infinity. The exponential is that of the
    // cross-entropy's rule, so that both together compute it once.
    const softmax = () => where(equal(move(output), -Infinity), 0, exp(sub(x, move(output))));
    return times(softmax, move);
  },
});
