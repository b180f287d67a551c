/** Tensors from nothing but host values: leaves, constants and progressions. */
import { constant } from "../core/affine.ts";
import { leafOp, type Op } from "../core/op.ts";
import { record, shapeOrThrow } from "../core/record.ts";
import { boolean, describe, type Kind, kind, oneOf, Signature } from "../core/options.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { type DType, Tensor, type Values } from "../core/tensor.ts";
import { type OpFunction, structured } from "./define/op.ts";

/** Typed arrays that {@link tensor} accepts. */
export type TypedData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  // Not every runtime has the class.
  | (ArrayLike<number> & { readonly [Symbol.toStringTag]: "Float16Array" });

/** Nested arrays of numbers or booleans; typed arrays can be rows. */
export type NestedData = number | boolean | TypedData | readonly NestedData[];

/** A tensor, or the data of one: numbers and nested arrays stand for tensors in calls of ops. */
export type TensorLike = Tensor | NestedData;

/** Integers are stored as floating-point numbers; float32 skips some beyond this. */
export const LARGEST_INT = 2 ** 24;

/** Whether this number can be an `int` that is part of the structure or held by a leaf. */
export function isCountable(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= LARGEST_INT;
}

const dtype = /* @__PURE__ */ oneOf("float", "int", "bool");

/** A dtype, as an option. */
export const dtypeKind: Kind<DType> = dtype;

/** Throws if something is not a dtype. */
export function checkDType(call: Signature, given: unknown): void {
  if (!dtype.accepts(given)) throw call.wrong("dtype", dtype.expected, given);
}

interface Flat {
  readonly values: ArrayLike<number>;
  readonly shape: number[];
  readonly dtype: DType;
}

/** Whether something is a typed array. */
export function isTyped(data: unknown): data is TypedData {
  return ArrayBuffer.isView(data) && !(data instanceof DataView);
}

/** By its tag, not by its class: Float16Array does not exist everywhere, and a frame has separate classes. */
function tagOf(data: TypedData): string {
  return data[Symbol.toStringTag];
}

function isFloat(data: TypedData): boolean {
  return tagOf(data).startsWith("Float");
}

/** Reads numbers or booleans, all nested as deeply as the first one. Errors name the element: `data[1][0]`. */
function flatten(call: Signature, parameter: string, data: unknown): Flat {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level) || isTyped(level); level = level[0]) {
    shape.push(level.length);
    if (isTyped(level) || level.length === 0) break;
  }
  if (isTyped(data)) {
    checkTyped(call, parameter, data);
    return { values: data, shape, dtype: isFloat(data) ? "float" : "int" };
  }
  const values: number[] = [];
  let kind = "";
  // Typed arrays of integers alone are integers.
  let whole = true;
  const path: number[] = [];
  const at = () => `${parameter}${path.map((i) => `[${i}]`).join("")}`;
  const visit = (level: unknown, axis: number): void => {
    if (axis === shape.length) {
      const type = typeof level;
      if (Array.isArray(level) || isTyped(level)) {
        throw call.error(`expected nesting of depth ${shape.length} everywhere, got an array as ${at()}`);
      }
      if (type !== "number" && type !== "boolean") {
        const tensors = level instanceof Tensor ? "; stack() joins tensors" : "";
        throw call.error(`expected numbers or booleans, got ${describe(level)} as ${at()}${tensors}`);
      }
      if (kind === "") kind = type;
      if (type !== kind) throw call.error(`expected every element to be a ${kind}, got ${describe(level)} as ${at()}`);
      whole = false;
      values.push(Number(level));
      return;
    }
    const array = Array.isArray(level) || isTyped(level);
    if (!array || level.length !== shape[axis]) {
      const given = array ? `${level.length} elements` : describe(level);
      throw call.error(`expected an array of ${shape[axis]} elements as ${at()}, as before it, got ${given}`);
    }
    if (isTyped(level) && axis === shape.length - 1) {
      checkTyped(call, at(), level);
      if (kind === "boolean") throw call.error(`expected every element to be a boolean, got numbers as ${at()}`);
      kind = "number";
      whole &&= !isFloat(level);
      for (let i = 0; i < level.length; i++) values.push(level[i]);
      return;
    }
    for (let i = 0; i < level.length; i++) {
      path.push(i);
      visit(level[i], axis + 1);
      path.pop();
    }
  };
  visit(data, 0);
  return { values, shape, dtype: kind === "boolean" ? "bool" : kind === "number" && whole ? "int" : "float" };
}

function checkTyped(call: Signature, parameter: string, data: TypedData): void {
  if (tagOf(data).startsWith("Big")) {
    throw call.error(`expected numbers, got a typed array of bigints as ${parameter}`);
  }
}

function checkValues(call: Signature, values: ArrayLike<number>, dtype: DType): void {
  if (dtype === "float") return;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (dtype === "bool" && v !== 0 && v !== 1) {
      throw call.error(`expected booleans, 0 or 1 for dtype bool, got ${v} at position ${i}`);
    }
    if (dtype === "int" && !isCountable(v)) {
      throw call.error(`expected whole numbers of at most 2^24 for dtype int, got ${v} at position ${i}`);
    }
  }
}

/** A leaf that holds values, which are copied unless they may be kept. */
function leaf(call: Signature, { values, shape, dtype }: Flat, { requiresGrad = false, copy = true } = {}): Tensor {
  checkValues(call, values, dtype);
  const kept = !copy && (values instanceof Float32Array || values instanceof Float64Array);
  const held: Values = kept ? values : values instanceof Float32Array ? values.slice() : Float64Array.from(values);
  return new Tensor(leafOp, [], {}, { shape, dtype, value: held, requiresGrad });
}

/** Options of {@link tensor}. */
export interface TensorOptions {
  /** The dtype, default inferred from the data. */
  readonly dtype?: DType;
  /** Whether `backward` accumulates a gradient for it; `float` only. Default false. */
  readonly requiresGrad?: boolean;
  /**
   * Whether the values are copied, default true. A `Float32Array` or `Float64Array` that is not copied must not change afterwards; all
   * other data is always copied.
   */
  readonly copy?: boolean;
}

const tensorCall = /* @__PURE__ */ new Signature<TensorOptions>("tensor(data, shape, options)", {
  dtype,
  requiresGrad: boolean,
  copy: boolean,
});

/**
 * Makes a tensor from values of the host, which are copied by default. A plan that was compiled for one tensor serves every other one of its shape
 * and dtype, so numbers that change from call to call belong here.
 *
 * @param data a number, a boolean, a typed array, or nested arrays of them.
 * @param shape the shape, default that of the nesting; the sizes must agree.
 * @param options `dtype`: default `bool` for booleans, `int` for typed arrays of integers, `float` for everything else. `requiresGrad`:
 * whether `backward` accumulates its gradient, default false. `copy`: whether the values are copied, default true; a `Float32Array` or
 * `Float64Array` that is not must not change afterwards.
 * @throws if the nesting is ragged, the shape has another size, or the dtype cannot hold a value (`int` goes to 2^24).
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor } from "gpugrad";
 *
 * const x = tensor([[1, 2, 3], [4, 5, 6]]);
 * assert.deepEqual(x.shape, [2, 3]);
 * assert.equal(tensor(new Int32Array([1, 2])).dtype, "int");
 * assert.deepEqual(await tensor([1, 2, 3, 4], [2, 2]).toArray(), [[1, 2], [3, 4]]);
 * assert.throws(() => tensor([[1], [2, 3]]), /expected an array of 1 elements/);
 * ```
 */
export function tensor(data: NestedData, shape?: Shape, options?: TensorOptions): Tensor {
  tensorCall.check(arguments);
  if (typeof data !== "number" && typeof data !== "boolean" && !Array.isArray(data) && !isTyped(data)) {
    throw tensorCall.wrong("data", "a number, a boolean, a typed array or nested arrays of them", data);
  }
  const flat = flatten(tensorCall, "data", data);
  const given = shape === undefined ? flat.shape : shapeOrThrow(tensorCall, shape);
  if (sizeOf(given) !== flat.values.length) {
    throw tensorCall.error(
      `expected ${sizeOf(given)} elements for shape ${formatShape(given)}, got ${flat.values.length}`,
    );
  }
  const dtype = options?.dtype ?? flat.dtype;
  const requiresGrad = options?.requiresGrad ?? false;
  if (requiresGrad && dtype !== "float") throw tensorCall.error(`expected dtype float with requiresGrad, got ${dtype}`);
  return leaf(tensorCall, { values: flat.values, shape: given, dtype }, { requiresGrad, copy: options?.copy });
}

/** Options of {@link full}, {@link zeros}, {@link ones} and {@link arange}. */
export interface CreationOptions {
  /** The dtype of the result. */
  readonly dtype?: DType;
}

/** Attributes of a constant. */
type Constant = { readonly value: number; readonly shape: Shape; readonly dtype: DType };

/**
 * A tensor of equal elements. Nothing is stored: the value becomes part of the kernels, or an argument if it changes from call to call.
 *
 * @param shape the shape.
 * @param value the value of each element.
 * @param options `dtype`: default `bool` for a boolean and `float` for a number.
 * @throws if the dtype cannot hold the value, or `shape` is not a shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { full } from "gpugrad";
 *
 * assert.deepEqual(await full([2, 2], 7).toArray(), [[7, 7], [7, 7]]);
 * assert.equal(full([2], true).dtype, "bool");
 * ```
 */
export const full: OpFunction<
  (shape: Shape, value: number | boolean, options?: CreationOptions) => Tensor
> = /* @__PURE__ */ structured(
  {
    name: "full",
    infer: (_, { shape, dtype }) => ({ shape, dtype }),
    kernel: {
      kind: "position",
      progression: (_, { value }) => ({ start: value, step: 0, index: constant(0) }),
      constant: "value",
    },
    vjp: null,
  } satisfies Op<Constant>,
  ["full(shape, value, options)", { dtype }],
  (_, call) =>
    function full(shape, value, options) {
      call.check(arguments);
      return filled(call, shape, value, options?.dtype ?? (typeof value === "boolean" ? "bool" : "float"));
    },
);

/** A constant that is part of the structure. */
function constantTensor(shape: Shape, value: number, dtype: DType): Tensor {
  return record(full.op, [], { value, shape, dtype });
}

/** A constant, for the function that was called. */
function filled(call: Signature, shape: Shape, value: number | boolean, dtype: DType): Tensor {
  const checked = shapeOrThrow(call, shape);
  if (typeof value !== "number" && typeof value !== "boolean") {
    throw call.wrong("value", "a number or a boolean", value);
  }
  checkValues(call, [Number(value)], dtype);
  return constantTensor(checked, Number(value), dtype);
}

const zerosCall = /* @__PURE__ */ new Signature<CreationOptions>("zeros(shape, options)", { dtype });

/**
 * A tensor of zeros. See {@link full}.
 *
 * @param shape the shape.
 * @param options `dtype`: default `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { zeros } from "gpugrad";
 *
 * assert.deepEqual(await zeros([2]).toArray(), [0, 0]);
 * ```
 */
export function zeros(shape: Shape, options?: CreationOptions): Tensor {
  if (typeof shape === "number") throw zerosCall.unwrapped(arguments, 0, "an array of whole numbers from 0");
  zerosCall.check(arguments);
  return filled(zerosCall, shape, 0, options?.dtype ?? "float");
}

const onesCall = /* @__PURE__ */ new Signature<CreationOptions>("ones(shape, options)", { dtype });

/**
 * A tensor of ones. See {@link full}.
 *
 * @param shape the shape.
 * @param options `dtype`: default `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { ones } from "gpugrad";
 *
 * assert.deepEqual(await ones([1, 2], { dtype: "int" }).toArray(), [[1, 1]]);
 * ```
 */
export function ones(shape: Shape, options?: CreationOptions): Tensor {
  if (typeof shape === "number") throw onesCall.unwrapped(arguments, 0, "an array of whole numbers from 0");
  onesCall.check(arguments);
  return filled(onesCall, shape, 1, options?.dtype ?? "float");
}

const zerosLikeCall = /* @__PURE__ */ new Signature<CreationOptions>("zerosLike(x, options)", { dtype });

/**
 * Zeros of the shape and dtype of a tensor. See {@link full}.
 *
 * @param x any shape; its values do not matter.
 * @param options `dtype`: default that of `x`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, zerosLike } from "gpugrad";
 *
 * assert.deepEqual(await zerosLike(tensor([[1, 2]])).toArray(), [[0, 0]]);
 * ```
 */
export function zerosLike(x: TensorLike, options?: CreationOptions): Tensor {
  zerosLikeCall.check(arguments);
  const like = asTensor(zerosLikeCall, "x", x);
  return constantTensor(like.shape, 0, options?.dtype ?? like.dtype);
}

const onesLikeCall = /* @__PURE__ */ new Signature<CreationOptions>("onesLike(x, options)", { dtype });

/**
 * Ones of the shape and dtype of a tensor. See {@link full}.
 *
 * @param x any shape; its values do not matter.
 * @param options `dtype`: default that of `x`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { onesLike, tensor } from "gpugrad";
 *
 * assert.deepEqual(await onesLike(tensor([[true, false]])).toArray(), [[true, true]]);
 * ```
 */
export function onesLike(x: TensorLike, options?: CreationOptions): Tensor {
  onesLikeCall.check(arguments);
  const like = asTensor(onesLikeCall, "x", x);
  return constantTensor(like.shape, 1, options?.dtype ?? like.dtype);
}

/** Attributes of a progression. */
type Progression = { readonly start: number; readonly step: number; readonly length: number; readonly dtype: DType };

/**
 * The numbers `start`, `start + step`, ... up to but excluding `end`, in one dimension. With one argument, from 0 up to it. Nothing is
 * stored.
 *
 * @param start the first number; the end if it is the only argument.
 * @param end the end of the range, excluded.
 * @param step the difference, negative to count down; default 1.
 * @param options `dtype`: default `int` if `start` and `step` are whole, `float` otherwise.
 * @throws if the step is 0, a number is not finite, or integers go beyond 2^24.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { arange } from "gpugrad";
 *
 * assert.deepEqual(await arange(3).toArray(), [0, 1, 2]);
 * assert.deepEqual(await arange(1, 0, -0.25).toArray(), [1, 0.75, 0.5, 0.25]);
 * ```
 */
export const arange: OpFunction<
  (start: number, end?: number, step?: number, options?: CreationOptions) => Tensor
> = /* @__PURE__ */ structured(
  {
    name: "arange",
    infer: (_, { length, dtype }) => ({ shape: [length], dtype }),
    kernel: { kind: "position", progression: ([index], { start, step }) => ({ start, step, index }), start: "start" },
    vjp: null,
  } satisfies Op<Progression>,
  ["arange(start, end, step, options)", { dtype }],
  (op, call) =>
    function arange(start, end, step = 1, options) {
      call.check(arguments);
      if (!Number.isFinite(start)) throw call.wrong("start", "a finite number", start);
      if (end !== undefined && !Number.isFinite(end)) throw call.wrong("end", "a finite number", end);
      if (!Number.isFinite(step) || step === 0) throw call.wrong("step", "a finite number other than 0", step);
      const [from, to] = end === undefined ? [0, start] : [start + 0, end];
      const whole = [from, step].every(Number.isInteger);
      const dtype = options?.dtype ?? (whole ? "int" : "float");
      const length = Math.max(0, Math.ceil((to - from) / step));
      if (dtype === "bool") throw call.error("expected dtype float or int, got bool");
      if (dtype === "int" && !whole) throw call.error(`expected whole numbers for dtype int, got ${from}, ${step}`);
      if (dtype === "int" && Math.max(Math.abs(from), Math.abs(from + step * (length - 1))) > LARGEST_INT) {
        throw call.error(`expected whole numbers of at most 2^24, got ${from} to ${to}`);
      }
      return record(op, [], { start: from, step, length, dtype });
    },
);

/** Throws if an axis is so long that float32 cannot count along it. */
export function checkCountable(call: Signature, length: number, what: string): void {
  if (length <= LARGEST_INT) return;
  throw call.error(`expected ${what} of at most 2^24 elements, since positions beyond are not exact, got ${length}`);
}

/**
 * The tensor that an argument of a function stands for. A number becomes a constant that is part of the structure. It is weakly typed:
 * a whole number is an `int`, so an `int` operand stays `int` and a `float` operand `float`.
 */
export function asTensor(call: Signature, parameter: string, x: unknown): Tensor {
  if (x instanceof Tensor) return x;
  if (typeof x === "number") {
    return constantTensor([], x, isCountable(x) ? "int" : "float");
  }
  if (typeof x === "boolean") return constantTensor([], Number(x), "bool");
  if (Array.isArray(x) || isTyped(x)) return leaf(call, flatten(call, parameter, x));
  if (x === null) {
    throw call.error(
      `expected ${parameter} to be a tensor, a number, a boolean or nested arrays, got null; if it is grad of a tensor, backward ` +
        "reached no leaf there: a tensor that ops made becomes a leaf by detach(x, { requiresGrad: true })",
    );
  }
  throw call.wrong(parameter, "a tensor, a number, a boolean or nested arrays", x);
}

/** The kind of an option that accepts a tensor. */
export const tensorKind: Kind<TensorLike> = /* @__PURE__ */ kind(
  "a tensor, a number, a boolean or nested arrays",
  "[1, 2]",
  (x) => x instanceof Tensor || typeof x === "number" || typeof x === "boolean" || Array.isArray(x) || isTyped(x),
);

/** The tensor of indices that an argument stands for: numbers are `int` here. */
export function asIndices(call: Signature, parameter: string, x: unknown): Tensor {
  if (!Array.isArray(x) && typeof x !== "number") return asTensor(call, parameter, x);
  const flat = flatten(call, parameter, x);
  return flat.dtype === "bool" ? leaf(call, flat) : leaf(call, { ...flat, dtype: "int" });
}
