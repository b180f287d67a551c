/** Tensors: entries of the tape that can be read. */
import { compute, computeInto } from "./compute.ts";
import { type RealizeOptions, realizeOptions } from "./device_names.ts";
import { Entry, holds, type Values } from "./entry.ts";
import { boolean, describe, kind, Signature } from "./options.ts";
import { formatShape } from "./shape.ts";

export type { DType, Entry, TapeOp, Values } from "./entry.ts";
export type { Attributes } from "./kernel.ts";

/** The result of {@link Tensor.data}: float32 or float64 for `float`, `Int32Array` for `int`, `Uint8Array` for `bool`. */
export type DataArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** Nested arrays of numbers or booleans, as {@link Tensor.toArray} returns them. */
export type NestedArray = number | boolean | NestedArray[];

/** Options of {@link Tensor.data}. */
export interface DataOptions extends RealizeOptions {
  /** Whether the elements are copied, default true. An array that is not is the tensor's own and must not be changed. */
  readonly copy?: boolean;
  /**
   * An array that takes the elements, as many as the tensor has; default a new one. By dtype a `Float32Array` or `Float64Array`, an
   * `Int32Array` or a `Uint8Array`.
   */
  readonly into?: DataArray;
}

const array = kind<DataArray>("a typed array", "new Float32Array(2)", (v) => ArrayBuffer.isView(v));
const dataCall = new Signature<DataOptions>("data(options)", { ...realizeOptions, copy: boolean, into: array });
const disposeCall = new Signature("dispose()");
const itemCall = new Signature("item(options)", realizeOptions);
const toArrayCall = new Signature("toArray(options)", realizeOptions);

/**
 * An entry of the tape: an op, its inputs and attributes, a shape and a dtype, and, once computed, a value. Made by
 * {@link tensor} and by ops, never by hand. Its value is on the host or on a device; the garbage collector frees both.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { add, tensor } from "gpugrad";
 *
 * const x = add(tensor([1, 2, 3]), 1); // computes nothing
 * assert.deepEqual(x.shape, [3]);
 * assert.deepEqual(await x.toArray(), [2, 3, 4]); // computes
 * ```
 */
export class Tensor extends Entry {
  /** The gradient that `backward` has accumulated for this leaf. */
  grad: Tensor | null = null;

  /**
   * Computes the elements in row-major order, as a copy: float32 (float64 on the oracle), `Int32Array` or `Uint8Array` by dtype. With
   * `copy` false, elements of dtype `float` are in the tensor's own array, which must not be changed. With `into`, the elements are copied
   * into an array of the program's and it is returned: a loop that reads large values spares the system from making room for each.
   *
   * Calls made at a time are one computation, in which nothing is computed twice: `await Promise.all(gradients.map((g) => g.data()))`.
   * A loop that awaits each value before it asks for the next computes what they share several times; `realize` them first.
   *
   * @throws if the dtype cannot hold an element: an `int` that is NaN or does not fit 32 bits; if `into` is of another type or length.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { grad, mul, square, sum, tensor } from "gpugrad";
   *
   * const gradient = new Float32Array(2);
   * for (const step of [1, 2]) {
   *   await mul(tensor([10, 20]), step).data({ into: gradient });
   *   assert.deepEqual([...gradient], [10 * step, 20 * step]);
   * }
   *
   * const x = tensor([1, 2]);
   * const loss = sum(square(x));
   * const [total, slope] = await Promise.all([loss.item(), grad(loss, x).data()]); // one plan
   * assert.deepEqual([total, ...slope], [5, 2, 4]);
   * ```
   */
  async data(options?: DataOptions): Promise<DataArray> {
    dataCall.check(arguments);
    const into = options?.into;
    if (into) {
      this.#checkTakes(into, options);
      if (into instanceof Float32Array || into instanceof Float64Array) return await computeInto(this, into, options);
    }
    const values = await this.#compute(dataCall, options);
    if (into) {
      into.set(values);
      return into;
    }
    if (this.dtype === "int") return Int32Array.from(values);
    if (this.dtype === "bool") return Uint8Array.from(values);
    return options?.copy === false ? values : values.slice();
  }

  /**
   * Frees the memory of the tensor's value at once, which the garbage collector would do later: a loop that drops large values then takes
   * the same memory for each. The tensor remains on the tape, gradients can still pass through it, and what was computed from it keeps its
   * value. If its own value is needed again it is computed again. A value that cannot be computed again is gone: a leaf, and a result of
   * {@link compile}. Memory that other tensors share, as after `reshape`, is freed with the last of them.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { exp, tensor } from "gpugrad";
   *
   * const x = tensor([0]);
   * for (let i = 0; i < 3; i++) {
   *   const y = exp(x);
   *   assert.equal(await y.item(), 1);
   *   y.dispose();
   * }
   * ```
   */
  dispose(): void {
    disposeCall.check(arguments);
    this.discard();
  }

  /** Throws if an array cannot take the elements as they are. */
  #checkTakes(into: DataArray, { copy }: DataOptions): void {
    const { dtype, size } = this;
    const fits = dtype === "float"
      ? into instanceof Float32Array || into instanceof Float64Array
      : dtype === "int"
      ? into instanceof Int32Array
      : into instanceof Uint8Array;
    if (!fits || into.length !== size) {
      const type = dtype === "float"
        ? "a Float32Array or a Float64Array"
        : dtype === "int"
        ? "an Int32Array"
        : "a Uint8Array";
      throw dataCall.error(`expected into to be ${type} of length ${size} for dtype ${dtype}, got ${describe(into)}`);
    }
    if (copy === false) throw dataCall.error("expected either into, which takes a copy, or copy: false, got both");
  }

  /** Computes the only element. Throws if there are none or several, or if the dtype cannot hold it. */
  async item(options?: RealizeOptions): Promise<number> {
    itemCall.check(arguments);
    if (this.size !== 1) {
      throw itemCall.error(
        `expected a tensor with one element, got shape ${formatShape(this.shape)} with ${this.size}`,
      );
    }
    return this.#read((await this.#compute(itemCall, options))[0]);
  }

  /** Computes the elements as nested arrays (a number for a scalar, booleans for `bool`). Throws as {@link Tensor.data} does. */
  async toArray(options?: RealizeOptions): Promise<NestedArray> {
    toArrayCall.check(arguments);
    const values = await this.#compute(toArrayCall, options);
    const bool = this.dtype === "bool";
    let at = 0;
    const nest = (axis: number): NestedArray => {
      if (axis === this.shape.length) return bool ? values[at++] !== 0 : this.#read(values[at++]);
      return Array.from({ length: this.shape[axis] }, () => nest(axis + 1));
    };
    return nest(0);
  }

  /** An element as a number: integers have no -0. */
  #read(value: number): number {
    return this.dtype === "float" ? value : value + 0;
  }

  async #compute(call: Signature, options?: RealizeOptions): Promise<Values> {
    const [values] = await compute([this], options);
    if (this.dtype !== "float") this.#checkHeld(call, values);
    return values;
  }

  /** Throws if a value that is stored as a floating-point number is not valid for the dtype. */
  #checkHeld(call: Signature, values: Values): void {
    const { dtype } = this;
    for (let i = 0; i < values.length; i++) {
      if (holds(dtype, values[i])) continue;
      const expected = dtype === "int" ? "whole numbers of 32 bits for dtype int" : "0 or 1 for dtype bool";
      const place: number[] = [];
      for (let axis = this.shape.length - 1, rest = i; axis >= 0; axis--) {
        place.unshift(rest % this.shape[axis]);
        rest = Math.floor(rest / this.shape[axis]);
      }
      throw call.error(`expected ${expected}, got ${values[i]} at ${formatShape(place)}, made by "${this.op.name}"`);
    }
  }

  /**
   * A tensor is not a number: JavaScript would compute with its text. Throws if a number is required, as in `x > 2`, `x + 1` and
   * `Number(x)`. `${x}` is the text of {@link Tensor.toString}.
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new TypeError(
      `tensor: expected a number, got ${this.toString()}; await its value, await x.item() or await x.toArray(), ` +
        `or compute with ops: add(x, 1), greater(x, 2)`,
    );
  }

  /** @internal Throws where elements are asked for, as in `Array.from(x)`, which would otherwise be empty, and `[a, b] = x`. */
  [Symbol.iterator](): never {
    throw new TypeError(
      `tensor: the elements of ${this.toString()} cannot be iterated over; await x.data() or await x.toArray(), or take parts with ` +
        "ops: split(x, 2), slice(x, [0])",
    );
  }

  /** Throws in `JSON.stringify`, which cannot wait for the value. */
  toJSON(...key: unknown[]): string {
    // JSON.stringify passes the key. Printers of test frameworks pass nothing and need a text.
    if (key.length === 0) return this.toString();
    throw new TypeError(
      `tensor: JSON.stringify cannot wait for the value of ${this.toString()}; pass it await x.toArray() instead`,
    );
  }

  /** Describes the entry; computes nothing. */
  override toString(): string {
    let text = `Tensor(${formatShape(this.shape)}, ${this.dtype}, ${this.op.name}`;
    if (this.requiresGrad) text += ", requiresGrad";
    if (this.value) {
      const shown = Array.from(this.value.subarray(0, 6), (v) => {
        const number = Number(v.toPrecision(6));
        return holds(this.dtype, v) ? number : `${number} (not ${this.dtype})`;
      });
      text += `, [${shown.join(", ")}${this.size > 6 ? ", ..." : ""}]`;
    }
    return `${text})`;
  }

  /** Returns the text that Node's console prints. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}
