/** Tensors from nothing but host values: leaves, constants and progressions. */
import { constant } from "../core/affine.ts";
import { leafOp, type Op, record } from "../core/op.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { type DType, Tensor, type Values } from "../core/tensor.ts";

/** Nested arrays of numbers or booleans. */
export type NestedData = number | boolean | readonly NestedData[];

/** Typed arrays that {@link tensor} takes. */
export type TypedData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array;

/** What stands for a tensor in a call of an op. */
export type TensorLike = Tensor | NestedData;

/** Integers are stored as floating-point numbers: beyond this float32 skips some. */
export const LARGEST_INT = 2 ** 24;

const DTYPES: readonly DType[] = ["float", "int", "bool"];

function checkDType(op: string, dtype: DType | undefined): void {
  if (dtype !== undefined && !DTYPES.includes(dtype)) {
    throw new Error(`${op}: expected dtype "float", "int" or "bool", got ${JSON.stringify(dtype)}`);
  }
}

/** Throws where something is not a shape. */
export function checkShape(op: string, shape: Shape): void {
  if (!Array.isArray(shape) || shape.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new Error(`${op}: expected a shape of whole numbers from 0, got ${JSON.stringify(shape)}`);
  }
}

interface Flat {
  readonly values: ArrayLike<number>;
  readonly shape: number[];
  readonly dtype: DType;
}

function isTyped(data: unknown): data is TypedData {
  return ArrayBuffer.isView(data) && !(data instanceof DataView);
}

function flattenTyped(data: TypedData): Flat {
  if (typeof (data as ArrayLike<unknown>)[0] === "bigint") {
    throw new Error("tensor: expected numbers, got a typed array of bigints");
  }
  const float = data instanceof Float32Array || data instanceof Float64Array;
  return { values: data, shape: [data.length], dtype: float ? "float" : "int" };
}

function flattenNested(data: NestedData): Flat {
  const shape: number[] = [];
  for (let level: NestedData = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  const values: number[] = [];
  let kind = "";
  const path: number[] = [];
  const at = () => (path.length === 0 ? "the top" : `[${path.join("][")}]`);
  const visit = (level: unknown, axis: number): void => {
    if (axis === shape.length) {
      const type = typeof level;
      if (Array.isArray(level)) {
        throw new Error(`tensor: expected nesting of depth ${shape.length} everywhere, got an array at ${at()}`);
      }
      if (type !== "number" && type !== "boolean") {
        throw new Error(`tensor: expected numbers or booleans, got ${level === null ? "null" : type} at ${at()}`);
      }
      if (kind === "") kind = type;
      if (type !== kind) throw new Error(`tensor: expected every element to be a ${kind}, got a ${type} at ${at()}`);
      values.push(Number(level));
      return;
    }
    if (!Array.isArray(level) || level.length !== shape[axis]) {
      const given = Array.isArray(level) ? `${level.length} elements` : `a ${typeof level}`;
      throw new Error(`tensor: expected an array of ${shape[axis]} elements at ${at()}, as before it, got ${given}`);
    }
    for (let i = 0; i < level.length; i++) {
      path.push(i);
      visit(level[i], axis + 1);
      path.pop();
    }
  };
  visit(data, 0);
  return { values, shape, dtype: kind === "boolean" ? "bool" : "float" };
}

function checkValues(values: ArrayLike<number>, dtype: DType): void {
  if (dtype === "float") return;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (dtype === "bool" && v !== 0 && v !== 1) {
      throw new Error(`tensor: expected booleans, 0 or 1 for dtype bool, got ${v} at position ${i}`);
    }
    if (dtype === "int" && (!Number.isInteger(v) || Math.abs(v) > LARGEST_INT)) {
      throw new Error(`tensor: expected whole numbers of at most 2^24 for dtype int, got ${v} at position ${i}`);
    }
  }
}

/** Options of {@link tensor}. */
export interface TensorOptions {
  /** What the tensor holds; inferred from the data unless told. */
  readonly dtype?: DType;
  /** Whether `backward` adds up a gradient for it; for `float` only. */
  readonly requiresGrad?: boolean;
}

/**
 * Makes a tensor from values that the host holds. The values are copied. A plan that was compiled for one tensor serves every
 * other of its shape and dtype: numbers that change from call to call belong here.
 *
 * @param data a number, a boolean, nested arrays of them, or a typed array.
 * @param shape the shape, if it is not that of the nesting; the sizes must agree.
 * @param options `dtype`: inferred unless told (booleans give `bool`, typed arrays of integers `int`, everything else `float`).
 * `requiresGrad`: whether `backward` adds up its gradient.
 * @throws on ragged nesting, on a shape of another size, on values that the dtype cannot hold (`int` goes to 2^24).
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
export function tensor(data: NestedData | TypedData, shape?: Shape, options: TensorOptions = {}): Tensor {
  const flat = isTyped(data) ? flattenTyped(data) : flattenNested(data);
  if (shape !== undefined) {
    checkShape("tensor", shape);
    if (sizeOf(shape) !== flat.values.length) {
      throw new Error(
        `tensor: expected ${sizeOf(shape)} elements for shape ${formatShape(shape)}, got ${flat.values.length}`,
      );
    }
  }
  checkDType("tensor", options.dtype);
  const dtype = options.dtype ?? flat.dtype;
  const requiresGrad = options.requiresGrad ?? false;
  if (requiresGrad && dtype !== "float") {
    throw new Error(`tensor: expected dtype float with requiresGrad, got ${dtype}`);
  }
  checkValues(flat.values, dtype);
  const values: Values = flat.values instanceof Float32Array ? flat.values.slice() : Float64Array.from(flat.values);
  return new Tensor(leafOp, [], {}, (shape ?? flat.shape).slice(), dtype, values, requiresGrad);
}

const fullOp: Op = {
  name: "full",
  infer: (_, { shape, dtype }) => ({ shape: shape as Shape, dtype: dtype as DType }),
  kernel: {
    kind: "position",
    progression: (_, { value }) => ({ start: value as number, step: 0, index: constant(0) }),
    constant: "value",
  },
  vjp: null,
};

/** A constant that is part of the structure. */
function constantTensor(shape: Shape, value: number, dtype: DType): Tensor {
  return record(fullOp, [], { value, shape, dtype });
}

/**
 * A tensor of equal elements. Nothing is stored: the value becomes part of the kernels, or an argument where it changes from call
 * to call.
 *
 * @param shape the shape.
 * @param value the value; a boolean gives dtype `bool`, a number `float` unless `options.dtype` tells otherwise.
 * @throws where the dtype cannot hold the value.
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
export function full(shape: Shape, value: number | boolean, options: { readonly dtype?: DType } = {}): Tensor {
  checkShape("full", shape);
  checkDType("full", options.dtype);
  const dtype = options.dtype ?? (typeof value === "boolean" ? "bool" : "float");
  if (dtype !== "float") checkValues([Number(value)], dtype);
  return constantTensor(shape.slice(), Number(value), dtype);
}

/**
 * A tensor of zeros, of dtype `float` unless told. See {@link full}.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { zeros } from "gpugrad";
 *
 * assert.deepEqual(await zeros([2]).toArray(), [0, 0]);
 * ```
 */
export function zeros(shape: Shape, options: { readonly dtype?: DType } = {}): Tensor {
  return full(shape, 0, { dtype: options.dtype ?? "float" });
}

/**
 * A tensor of ones, of dtype `float` unless told. See {@link full}.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { ones } from "gpugrad";
 *
 * assert.deepEqual(await ones([1, 2], { dtype: "int" }).toArray(), [[1, 1]]);
 * ```
 */
export function ones(shape: Shape, options: { readonly dtype?: DType } = {}): Tensor {
  return full(shape, 1, { dtype: options.dtype ?? "float" });
}

const arangeOp: Op = {
  name: "arange",
  infer: (_, { length, dtype }) => ({ shape: [length as number], dtype: dtype as DType }),
  kernel: {
    kind: "position",
    progression: ([index], { start, step }) => ({ start: start as number, step: step as number, index }),
  },
  vjp: null,
};

/**
 * The numbers `start`, `start + step`, ... before `end`, in one dimension. With one argument, 0 to below it. Nothing is stored.
 *
 * @param start the first number; the end where it is the only argument.
 * @param end where to stop; not included.
 * @param step the difference, negative to count down; default 1.
 * @param options `dtype`: `int` unless a number is not whole.
 * @throws on a step of 0, on numbers that are not finite, on integers beyond 2^24.
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
export function arange(start: number, end?: number, step = 1, options: { readonly dtype?: DType } = {}): Tensor {
  const [from, to] = end === undefined ? [0, start] : [start, end];
  if (![from, to, step].every(Number.isFinite) || step === 0) {
    throw new Error(`arange: expected finite numbers and a step other than 0, got ${from}, ${to}, ${step}`);
  }
  checkDType("arange", options.dtype);
  const whole = [from, step].every(Number.isInteger);
  const dtype = options.dtype ?? (whole ? "int" : "float");
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (dtype === "bool") throw new Error("arange: expected dtype float or int, got bool");
  if (dtype === "int" && !whole) throw new Error(`arange: expected whole numbers for dtype int, got ${from}, ${step}`);
  if (dtype === "int" && Math.max(Math.abs(from), Math.abs(from + step * (length - 1))) > LARGEST_INT) {
    throw new Error(`arange: expected whole numbers of at most 2^24, got ${from} to ${to}`);
  }
  return record(arangeOp, [], { start: from, step, length, dtype });
}

/**
 * The tensor that an argument of an op stands for. A number becomes a constant that is part of the structure; it is weakly
 * typed: a whole number is an `int`, so it leaves an `int` operand an `int` and a `float` operand a `float`.
 */
export function asTensor(x: TensorLike, op = "tensor"): Tensor {
  if (x instanceof Tensor) return x;
  if (typeof x === "number") {
    return constantTensor([], x, Number.isInteger(x) && Math.abs(x) <= LARGEST_INT ? "int" : "float");
  }
  if (typeof x === "boolean") return constantTensor([], Number(x), "bool");
  if (Array.isArray(x)) return tensor(x);
  const given = x === null ? "null" : (x as object)?.constructor?.name ?? typeof x;
  throw new Error(`${op}: expected a tensor, a number, a boolean or nested arrays, got ${given}`);
}
