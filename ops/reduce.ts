/** Reductions over one axis, several or all. */
import type { Case, Draw, InputSpec, Op, ReduceKernel, Vjp } from "../core/op.ts";
import { axesOrThrow, axisOrThrow, record } from "../core/record.ts";
import { defineOp, register } from "../core/registry.ts";
import { boolean, Signature } from "../core/options.ts";
import { dropAxes, formatShape, type Shape, sizeOf } from "../core/shape.ts";
import type { Attributes, DType, Tensor } from "../core/tensor.ts";
import { arange, asTensor, full, type TensorLike } from "./creation.ts";
import { abs, add, cast, div, equal, exp, greater, less, log, logicalNot, sub, where } from "./elementwise.ts";
import { broadcastTo, reshape, slice, transpose, unsqueeze } from "./movement.ts";

/** One axis or several; all where there is none. */
export type Axes = number | readonly number[];

/** Options of reductions. */
export interface ReduceOptions {
  /** Whether reduced axes stay, with length 1. */
  readonly keepDims?: boolean;
}

/** How the reductions are called. */
function callOf(name: string): Signature<ReduceOptions> {
  return new Signature(`${name}(x, axis, options)`, { keepDims: boolean });
}

/** The shape with the reduced axes as 1. */
function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((n, i) => (axes.includes(i) ? 1 : n));
}

/** A reduced tensor with the reduced axes back, of length 1. */
function restore(reduced: Tensor, x: Tensor, attributes: Attributes): Tensor {
  return reshape(reduced, keptShape(x.shape, attributes.axes as number[]));
}

/** The extreme of nothing does not exist. */
function refuseEmpty(op: string, x: Tensor, axes: readonly number[]): void {
  const empty = axes.find((axis) => x.shape[axis] === 0);
  if (empty !== undefined) {
    throw new Error(
      `${op}: expected at least one element along axis ${empty} of shape ${formatShape(x.shape)}, got none`,
    );
  }
}

function reduceCase(draw: Draw, minAxis: number, input: Omit<InputSpec, "shape">): Case {
  const shape = draw.shape({ minAxis });
  return { inputs: [{ shape, ...input }], attributes: { axes: shape.flatMap((_, i) => (draw.bool() ? [i] : [])) } };
}

interface Spec {
  readonly dtype: (dtype: DType) => DType;
  readonly kernel: Omit<ReduceKernel, "kind">;
  readonly nonEmpty?: boolean;
  readonly vjp: Vjp | null;
  readonly selects?: NonNullable<Op["selects"]>[number];
  readonly input?: Omit<InputSpec, "shape">;
}

function reduction(name: string, { dtype, kernel, nonEmpty, vjp, selects, input }: Spec): Op {
  return defineOp({
    name,
    infer: ([x], attributes) => {
      const axes = attributes.axes as number[];
      if (nonEmpty) refuseEmpty(name, x, axes);
      return { shape: dropAxes(x.shape, axes), dtype: dtype(x.dtype) };
    },
    kernel: { kind: "reduce", ...kernel },
    vjp: vjp && [vjp],
    ...(selects ? { selects: [selects] } : {}),
    domain: (draw) => reduceCase(draw, nonEmpty ? 1 : 0, input ?? {}),
  });
}

/** Records a reduction, and puts the axes back where they are to stay. */
function reduce(op: Op, x: Tensor, axes: readonly number[], options: ReduceOptions = {}): Tensor {
  const result = record(op, [x], { axes });
  return options.keepDims ? reshape(result, keptShape(x.shape, axes)) : result;
}

const arithmetic = (dtype: DType): DType => (dtype === "float" ? "float" : "int");
const truth = (): DType => "bool";

const sumOp = reduction("sum", {
  dtype: arithmetic,
  kernel: { identity: 0, combine: (a, x, lower) => lower.call("sum", a, x) },
  vjp: ({ cotangent, inputs: [x], attributes }) => broadcastTo(restore(cotangent, x, attributes), x.shape),
});

const sumCall = callOf("sum");

/**
 * The sum; 0 over nothing. `int` and `bool` give `int`.
 *
 * @param x any shape.
 * @param axis the axis or axes to sum over; all unless told.
 * @param options `keepDims` leaves them in the shape, with length 1.
 * @throws where an axis does not exist or is named twice.
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
export function sum(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
  sumCall.check(arguments);
  const input = asTensor(sumCall, "x", x);
  return reduce(sumOp, input, axesOrThrow(sumCall, input.shape, axis), options);
}

const meanCall = callOf("mean");

/**
 * The mean, always `float`; NaN over nothing.
 *
 * @param x any shape.
 * @param axis the axis or axes; all unless told.
 * @param options `keepDims` leaves them in the shape, with length 1.
 * @throws where an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { mean, tensor } from "gpugrad";
 *
 * assert.deepEqual(await mean(tensor([[1, 2], [3, 6]]), 0).toArray(), [2, 4]);
 * ```
 */
export function mean(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
  meanCall.check(arguments);
  const input = asTensor(meanCall, "x", x);
  const axes = axesOrThrow(meanCall, input.shape, axis);
  return div(reduce(sumOp, input, axes, options), sizeOf(axes.map((a) => input.shape[a])));
}

const prodOp = reduction("prod", {
  dtype: arithmetic,
  kernel: { identity: 1, combine: (a, x, lower) => lower.call("product", a, x) },
  vjp: ({ times, inputs: [x], attributes }) =>
    times(() => productOfOthers(x, attributes.axes as number[]), (cotangent) => restore(cotangent, x, attributes)),
});

/**
 * For each element the product of all others, as a product again: a quotient would fail where elements are 0. Each is a product
 * over the axes with the element itself as 1, so the cost grows with the square of their length.
 */
function productOfOthers(x: Tensor, axes: readonly number[]): Tensor {
  const kept = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const order = [...kept, ...axes];
  const n = sizeOf(axes.map((a) => x.shape[a]));
  const moved = transpose(x, order);
  const rows = reshape(moved, [...kept.map((a) => x.shape[a]), 1, n]);
  const itself = equal(unsqueeze(arange(n), 1), arange(n));
  const others = record(prodOp, [where(itself, 1, rows)], { axes: [kept.length + 1] });
  return transpose(reshape(others, moved.shape), order.map((_, a) => order.indexOf(a)));
}

const prodCall = callOf("prod");

/**
 * The product; 1 over nothing. `int` and `bool` give `int`. The gradient is exact where elements are 0; it costs the square of the
 * number of factors.
 *
 * @param x any shape.
 * @param axis the axis or axes; all unless told.
 * @param options `keepDims` leaves them in the shape, with length 1.
 * @throws where an axis does not exist or is named twice.
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
export function prod(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
  prodCall.check(arguments);
  const input = asTensor(prodCall, "x", x);
  return reduce(prodOp, input, axesOrThrow(prodCall, input.shape, axis), options);
}

/** Elements that are the extreme share the gradient evenly. */
const shareTies: Vjp = ({ times, inputs: [x], output, attributes }) => {
  const taken = cast(equal(x, restore(output, x, attributes)), "float");
  const share = () => div(taken, restore(record(sumOp, [taken], attributes), x, attributes));
  return times(share, (cotangent) => restore(cotangent, x, attributes));
};

const maxOp = reduction("max", {
  dtype: arithmetic,
  kernel: { identity: -Infinity, combine: (a, x, lower) => lower.call("max", a, x) },
  nonEmpty: true,
  vjp: shareTies,
  selects: ({ inputs: [x], output, attributes }) => logicalNot(less(x, restore(output, x, attributes))),
  input: { distinct: true },
});

const maxCall = callOf("max");

/**
 * The largest element; NaN where there is one. Equal elements share the gradient evenly.
 *
 * @param x any shape.
 * @param axis the axis or axes; all unless told.
 * @param options `keepDims` leaves them in the shape, with length 1.
 * @throws where an axis does not exist, is named twice or is empty.
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
export function max(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
  maxCall.check(arguments);
  const input = asTensor(maxCall, "x", x);
  return reduce(maxOp, input, axesOrThrow(maxCall, input.shape, axis), options);
}

const minOp = reduction("min", {
  dtype: arithmetic,
  kernel: { identity: Infinity, combine: (a, x, lower) => lower.call("min", a, x) },
  nonEmpty: true,
  vjp: shareTies,
  selects: ({ inputs: [x], output, attributes }) => logicalNot(greater(x, restore(output, x, attributes))),
  input: { distinct: true },
});

const minCall = callOf("min");

/**
 * The smallest element; NaN where there is one. Equal elements share the gradient evenly.
 *
 * @param x any shape.
 * @param axis the axis or axes; all unless told.
 * @param options `keepDims` leaves them in the shape, with length 1.
 * @throws where an axis does not exist, is named twice or is empty.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { min, tensor } from "gpugrad";
 *
 * assert.deepEqual(await min(tensor([[4, 2], [3, 5]]), 1).toArray(), [2, 3]);
 * ```
 */
export function min(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
  minCall.check(arguments);
  const input = asTensor(minCall, "x", x);
  return reduce(minOp, input, axesOrThrow(minCall, input.shape, axis), options);
}

const anyOp = reduction("any", {
  dtype: truth,
  kernel: { identity: 0, combine: (a, x, lower) => lower.call("anyOf", a, x) },
  vjp: null,
  input: { dtype: "bool" },
});

const allOp = reduction("all", {
  dtype: truth,
  kernel: { identity: 1, combine: (a, x, lower) => lower.call("allOf", a, x) },
  vjp: null,
  input: { dtype: "bool" },
});

function truthOf(call: Signature, x: TensorLike): Tensor {
  const input = asTensor(call, "x", x);
  if (input.dtype !== "bool") throw call.error(`expected dtype bool, got ${input.dtype}`);
  return input;
}

const anyCall = callOf("any");

/**
 * Whether an element is true; false over nothing. It has no derivative.
 *
 * @param x of dtype bool.
 * @param axis the axis or axes; all unless told.
 * @param options `keepDims` leaves them in the shape, with length 1.
 * @throws where the dtype is not bool, an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { any, tensor } from "gpugrad";
 *
 * assert.deepEqual(await any(tensor([[true, false], [false, false]]), 1).toArray(), [true, false]);
 * ```
 */
export function any(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
  anyCall.check(arguments);
  const input = truthOf(anyCall, x);
  return reduce(anyOp, input, axesOrThrow(anyCall, input.shape, axis), options);
}

const allCall = callOf("all");

/**
 * Whether every element is true; true over nothing. It has no derivative.
 *
 * @param x of dtype bool.
 * @param axis the axis or axes; all unless told.
 * @param options `keepDims` leaves them in the shape, with length 1.
 * @throws where the dtype is not bool, an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { all, tensor } from "gpugrad";
 *
 * assert.deepEqual(await all(tensor([[true, false], [true, true]]), 1).toArray(), [false, true]);
 * ```
 */
export function all(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
  allCall.check(arguments);
  const input = truthOf(allCall, x);
  return reduce(allOp, input, axesOrThrow(allCall, input.shape, axis), options);
}

/** The position of an extreme: NaN, the first one, where there is one. */
function positionOp(name: string, better: "above" | "below", worst: number): Op {
  const inner = (combine: ReduceKernel["combine"]): Op => ({
    name,
    infer: ([x], { axes }) => ({ shape: dropAxes(x.shape, axes as number[]), dtype: "int" }),
    kernel: { kind: "reduce", identity: worst, position: true, combine },
    vjp: null,
  });
  const whole = inner((a, x, lower) => lower.call(better, x, a));
  // Shader compilers may turn a comparison around, so that it holds where either is NaN: what decides is whether each equals itself.
  const float = inner((a, x, lower) => {
    const isBetter = lower.call("or", lower.call(better, x, a), lower.call("notEqual", x, x));
    return lower.call("and", isBetter, lower.call("equal", a, a));
  });
  return defineOp({
    name,
    infer: ([x], attributes) => {
      const axes = attributes.axes as number[];
      refuseEmpty(name, x, axes);
      return { shape: dropAxes(x.shape, axes), dtype: "int" };
    },
    kernel: {
      kind: "lowered",
      lower: ([x], attributes) => record(x.dtype === "float" ? float : whole, [x], attributes),
    },
    vjp: null,
    domain: (draw) => {
      const shape = draw.shape({ minAxis: 1 });
      const axes = shape.map((_, i) => i);
      return {
        inputs: [{ shape, distinct: true }],
        attributes: { axes: shape.length > 0 && draw.bool() ? [draw.pick(axes)] : axes },
      };
    },
  });
}

/** A position counts along one axis, or in row-major order along all. */
function oneOrAll(call: Signature, x: Tensor, axis: number | undefined): number[] {
  return axis === undefined ? axesOrThrow(call, x.shape, axis) : [axisOrThrow(call, x.shape, axis)];
}

const argmaxOp = positionOp("argmax", "above", -Infinity);
const argminOp = positionOp("argmin", "below", Infinity);

const argmaxCall = callOf("argmax");

/**
 * The position of the largest element, the lowest among equals; NaN counts as larger than infinity. It has no derivative.
 *
 * @param x any shape.
 * @param axis the axis; the position in row-major order unless told.
 * @param options `keepDims` leaves the axis in the shape, with length 1.
 * @returns int.
 * @throws where the axis does not exist or is empty.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { argmax, tensor } from "gpugrad";
 *
 * assert.deepEqual(await argmax(tensor([[1, 3, 3], [4, 0, 0]]), 1).toArray(), [1, 0]);
 * ```
 */
export function argmax(x: TensorLike, axis?: number, options?: ReduceOptions): Tensor {
  argmaxCall.check(arguments);
  const input = asTensor(argmaxCall, "x", x);
  return reduce(argmaxOp, input, oneOrAll(argmaxCall, input, axis), options);
}

const argminCall = callOf("argmin");

/**
 * The position of the smallest element, the lowest among equals; NaN is taken before all others, as in NumPy. It has no derivative.
 *
 * @param x any shape.
 * @param axis the axis; the position in row-major order unless told.
 * @param options `keepDims` leaves the axis in the shape, with length 1.
 * @returns int.
 * @throws where the axis does not exist or is empty.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { argmin, tensor } from "gpugrad";
 *
 * assert.equal(await argmin(tensor([[2, 1], [1, 4]])).item(), 1);
 * ```
 */
export function argmin(x: TensorLike, axis?: number, options?: ReduceOptions): Tensor {
  argminCall.check(arguments);
  const input = asTensor(argminCall, "x", x);
  return reduce(argminOp, input, oneOrAll(argminCall, input, axis), options);
}

/** A sum of exponentials, relative to the first element, up to which float32 rounds no more than about the last place of the elements. */
const FAR_ABOVE = 1e4;

const logSumExpOp: Op = defineOp({
  name: "logSumExp",
  infer: ([x], { axes }) => ({ shape: dropAxes(x.shape, axes as number[]), dtype: "float" }),
  kernel: {
    kind: "lowered",
    lower: ([x], attributes) => {
      const axes = attributes.axes as number[];
      const shape = dropAxes(x.shape, axes);
      if (axes.some((axis) => x.shape[axis] === 0)) return full(shape, -Infinity);
      const kept = keptShape(x.shape, axes);
      const sumExp = (shift: Tensor) => record(sumOp, [exp(sub(x, reshape(shift, kept)))], { axes });
      // Relative to the first element there is no largest one to look for: the elements are read once. That is as exact as long as
      // no element is far above the first; elsewhere, the usual way.
      const first = reshape(slice(x, x.shape.map((_, a) => (axes.includes(a) ? [0, 1] as const : null))), shape);
      const quick = sumExp(first);
      const largest = record(maxOp, [x], { axes });
      // An infinite maximum would be subtracted from itself.
      const shift = where(less(abs(largest), Infinity), largest, 0);
      const careful = add(log(sumExp(shift)), shift);
      return where(logicalNot(less(quick, FAR_ABOVE)), careful, add(log(quick), first));
    },
  },
  // The softmax.
  vjp: [
    ({ times, inputs: [x], output, attributes }) => {
      // Nothing but minus infinities has no influence, rather than a softmax of infinity less infinity.
      const shift = () => where(equal(output, -Infinity), 0, output);
      const move = (t: Tensor) => restore(t, x, attributes);
      return times(() => exp(sub(x, move(shift()))), move);
    },
  ],
  domain: (draw) => reduceCase(draw, 0, {}),
});

const logSumExpCall = callOf("logSumExp");

/**
 * The logarithm of the sum of exponentials, computed without overflow, always `float`; -Infinity over nothing.
 *
 * @param x any shape.
 * @param axis the axis or axes; all unless told.
 * @param options `keepDims` leaves them in the shape, with length 1.
 * @throws where an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logSumExp, tensor } from "gpugrad";
 *
 * assert.equal(await logSumExp(tensor([1000, -1000])).item(), 1000);
 * ```
 */
export function logSumExp(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
  logSumExpCall.check(arguments);
  const input = asTensor(logSumExpCall, "x", x);
  return reduce(logSumExpOp, input, axesOrThrow(logSumExpCall, input.shape, axis), options);
}

register({
  name: "mean",
  apply: ([x], { axes }) => mean(x, axes as number[]),
  differentiable: true,
  domain: (draw) => reduceCase(draw, 1, {}),
});
