/** The tape: each tensor is one entry. */
import { type Declared, kind, oneOf, Signature } from "./options.ts";
import { formatShape, type Shape, sizeOf } from "./shape.ts";

/**
 * What a tensor holds. All three are stored as floating-point numbers (float32 on devices, float64 on the oracle), so integers
 * are exact up to 2^24: beyond, what a device computes (a sum, a product) is rounded to what float32 holds. The dtype fixes what an
 * op accepts and which array {@link Tensor.data} gives.
 */
export type DType = "float" | "int" | "bool";

/** How values are stored. */
export type Values = Float32Array | Float64Array;

/** What {@link Tensor.data} gives: float32 or float64 for `float`, `Int32Array` for `int`, `Uint8Array` for `bool`. */
export type DataArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** Nested arrays of numbers or booleans, as {@link Tensor.toArray} gives them. */
export type NestedArray = number | boolean | NestedArray[];

/** Attributes of an entry: what an op needs to know besides its inputs. Plain data, since they are part of the structural key. */
export type Attributes = Readonly<Record<string, unknown>>;

/** Where a computation runs: a device's name or the device itself. */
export type DeviceChoice = string | { readonly name: string };

/** Options of everything that computes. */
export interface RealizeOptions {
  /** The device to compute on; the default is the one that `useDevice` chose. */
  readonly device?: DeviceChoice;
}

/** The devices that compute on a GPU, the most capable first. */
export const GPU_DEVICES = ["webgpu", "webgl2", "webgl", "headlessgl"] as const;
/** The devices that compute on the host, the fastest first. */
export const HOST_DEVICES = ["webasm", "cpu", "float64"] as const;
/** Every device, by name. */
export const DEVICE_NAMES = [...GPU_DEVICES, ...HOST_DEVICES] as const;

/** What names a device. */
export const deviceName = oneOf("auto", ...DEVICE_NAMES);

/** The options of everything that computes. */
export const realizeOptions: Declared<RealizeOptions> = {
  device: kind(
    `${deviceName.expected}, or a device of useDevice()`,
    '"cpu"',
    (v) => deviceName.accepts(typeof v === "object" && v !== null ? (v as { name?: unknown }).name : v),
  ),
};

/** The part of an op that the tape itself needs; see `op.ts` for the rest. */
export interface TapeOp {
  readonly name: string;
}

/** Computes tensors; `realize.ts` provides it, which stands above this file. */
type Realizer = (tensors: readonly Tensor[], options?: RealizeOptions) => Promise<Values[]>;
let realizer: Realizer | null = null;

/** Tells the tape how to compute; called once by `realize.ts`. */
export function provideRealizer(fn: Realizer): void {
  realizer = fn;
}

let nextId = 1;
let computations = 0;

/** Tells the tape that a computation begins: what is recorded from now on is recorded after it. */
export function beginComputation(): void {
  computations++;
}

/** How many computations have begun. */
export function computationsBegun(): number {
  return computations;
}

/**
 * Stands for an entry that is the past, for its ancestors: each of them holds it, so that it lives as long as one of them does. The entry
 * holds what it is made of for as long as this lives.
 */
export class Lineage {
  readonly #entry: WeakRef<Tensor>;
  /** The lineages of entries that are made of this one: what holds this one holds them, too. */
  readonly later = new Lineages();

  constructor(entry: Tensor) {
    this.#entry = new WeakRef(entry);
  }

  /** Whether the entry is still there. */
  get lives(): boolean {
    return this.#entry.deref() !== undefined;
  }
}

/** A list of lineages that those of entries which are gone leave, sooner or later. */
class Lineages {
  #list: Lineage[] = [];
  #limit = 16;

  add(lineage: Lineage): void {
    this.#list.push(lineage);
    if (this.#list.length <= this.#limit) return;
    this.#list = this.#list.filter(({ lives }) => lives);
    this.#limit = Math.max(16, 2 * this.#list.length);
  }
}

const NOTHING: readonly Tensor[] = [];

/** What an entry was made of, once it is the past. */
interface Past {
  readonly inputs: WeakRef<readonly Tensor[]>;
  /** Holds the inputs while this entry and one of the keys live: the lineage, and thus an ancestor. */
  readonly held: WeakMap<object, readonly Tensor[]>;
  readonly lineage: WeakRef<Lineage>;
}

const dataCall = new Signature("data(options)", realizeOptions);
const itemCall = new Signature("item(options)", realizeOptions);
const toArrayCall = new Signature("toArray(options)", realizeOptions);

/** Whether a dtype can hold a value: an `Int32Array` and a `Uint8Array` would make another number of it. */
function holds(dtype: DType, value: number): boolean {
  return dtype === "float" || (dtype === "int" ? value === (value | 0) : value === 0 || value === 1);
}

/**
 * An entry of the tape: an op, its inputs and attributes, a shape and a dtype, and, once computed, a value. Made by
 * {@link tensor} and by ops, never by hand. Its value is a host array, so the garbage collector frees tensors.
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
export class Tensor {
  /** Position on the tape: inputs have lower numbers than what is made of them. */
  readonly id: number = nextId++;
  /** The op that makes this entry. */
  readonly op: TapeOp;
  /** What else the op needs to know. */
  readonly attributes: Attributes;
  /** The sizes of the axes, outermost first. */
  readonly shape: Shape;
  /** What it holds. */
  readonly dtype: DType;
  /** The number of elements. */
  readonly size: number;
  /** Whether `backward` adds to {@link Tensor.grad} of this tensor. */
  readonly requiresGrad: boolean;
  /** Whether a gradient can flow from here to a tensor made with `requiresGrad`. */
  readonly tracked: boolean;
  /** How many computations had begun when this was recorded. */
  readonly recordedAfter: number = computations;
  /** Whether something was made of it that was recorded after a later computation: then it is state. */
  outlives = false;
  /** Whether its value was kept as state. */
  isState = false;
  /** Once it was computed on the way to a result: how often it was passed over as state since. */
  passedOver: number | null = null;
  /** What `backward` has added up for this leaf so far. */
  grad: Tensor | null = null;
  /** The value, `null` before it is computed. Read it with {@link Tensor.data}. */
  value: Values | null;
  /** The device that computed the value; `null` for a leaf, whose value holds on every device. */
  computedOn: string | null = null;
  #inputs: readonly Tensor[];
  /** `null` while it is made of its inputs as anything is; "forgotten" where it is made of nothing any more. */
  #past: Past | "forgotten" | null = null;
  /** The lineages of what is the past and made of this. */
  #lineages: Lineages | null = null;
  /** Values that other devices computed. */
  #elsewhere: Map<string, Values> | null = null;

  constructor(
    op: TapeOp,
    inputs: readonly Tensor[],
    attributes: Attributes,
    shape: Shape,
    dtype: DType,
    value: Values | null = null,
    requiresGrad = false,
    tracked = requiresGrad,
  ) {
    this.op = op;
    this.#inputs = inputs;
    this.attributes = attributes;
    this.shape = shape;
    this.dtype = dtype;
    this.size = sizeOf(shape);
    this.value = value;
    this.requiresGrad = requiresGrad;
    this.tracked = tracked;
  }

  /**
   * What it is made of. State that is the past is made of nothing any more where nothing that it was made of can be reached: then nobody can
   * ask for a gradient by it.
   */
  get inputs(): readonly Tensor[] {
    if (this.#past === null) return this.#inputs;
    return this.#past === "forgotten" ? NOTHING : this.#past.inputs.deref() ?? NOTHING;
  }

  /** Whether it is the past: its value serves every device, as that of a leaf does, and what it was made of may go. */
  get isPast(): boolean {
    return this.#past !== null;
  }

  /** Forgets what it is made of: it is a leaf from now on, with the value that it has. */
  forget(): void {
    this.#past = "forgotten";
    this.#inputs = NOTHING;
    this.#elsewhere = null;
  }

  /** Holds what it is made of only as long as one of its ancestors lives. */
  release(ancestors: Iterable<Tensor>): void {
    const lineage = new Lineage(this);
    for (const ancestor of ancestors) {
      (ancestor.#lineages ??= new Lineages()).add(lineage);
      if (ancestor.#past && ancestor.#past !== "forgotten") ancestor.#past.lineage.deref()?.later.add(lineage);
    }
    this.#hold([...this.#inputs], lineage, [lineage]);
  }

  #hold(inputs: readonly Tensor[], lineage: Lineage, keys: readonly object[]): void {
    this.#inputs = NOTHING;
    this.#elsewhere = null;
    this.#past = {
      inputs: new WeakRef(inputs),
      held: new WeakMap(keys.map((key) => [key, inputs])),
      lineage: new WeakRef(lineage),
    };
  }

  /**
   * Makes `consumers` of an entry that was released read a copy of its value instead. The tape then holds the copy, and the entry is held by
   * the program alone, or not at all. The copy is made of the entry for as long as that, or an ancestor of it, lives.
   */
  standIn(op: TapeOp, consumers: Iterable<Tensor>): void {
    const past = this.#past as Past;
    const copy = new Tensor(op, [this], {}, this.shape, this.dtype, this.value, false, this.tracked);
    // On the tape it comes right after the entry.
    Object.assign(copy, { id: this.id + 0.5, recordedAfter: this.recordedAfter, computedOn: this.computedOn });
    const lineage = past.lineage.deref()!;
    copy.#hold([this], lineage, [lineage, this]);
    const replaced = (input: Tensor) => input === this ? copy : input;
    for (const consumer of consumers) {
      if (consumer.#past === null) consumer.#inputs = consumer.#inputs.map(replaced);
      else {
        const inputs = consumer.inputs as Tensor[];
        inputs.forEach((input, k) => (inputs[k] = replaced(input)));
      }
    }
  }

  /** The value that serves a device, `null` where it has to compute it. */
  valueOn(device: string): Values | null {
    if (this.computedOn === null || this.computedOn === device || this.#past !== null) return this.value;
    return this.#elsewhere?.get(device) ?? null;
  }

  /** Makes a value that a device computed the current one; that of another device stays beside it. */
  setValue(value: Values, device: string | null): void {
    if (this.value !== null && this.computedOn !== null && this.computedOn !== device) {
      (this.#elsewhere ??= new Map()).set(this.computedOn, this.value);
    }
    this.value = value;
    this.computedOn = device;
  }

  /**
   * Computes the elements in row-major order, as a copy: float32 (float64 on the oracle), `Int32Array` or `Uint8Array` by dtype.
   *
   * @throws where the dtype cannot hold an element: an `int` that is NaN or does not fit 32 bits.
   */
  async data(options?: RealizeOptions): Promise<DataArray> {
    dataCall.check(arguments);
    const values = await this.#compute(dataCall, options);
    if (this.dtype === "int") return Int32Array.from(values);
    if (this.dtype === "bool") return Uint8Array.from(values);
    return values.slice();
  }

  /** Computes the only element. Throws where there are none or several, or the dtype cannot hold it. */
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
    if (!realizer) throw new Error("tensor: nothing that computes is loaded; import gpugrad through mod.ts");
    const [values] = await realizer([this], options);
    if (this.dtype !== "float") this.#checkHeld(call, values);
    return values;
  }

  /** What is stored as a floating-point number can be something that an integer is not. */
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
   * A tensor is no number: what JavaScript would compute with is its text. Throws where a number is asked for, as `x > 2`, `x + 1` and
   * `Number(x)` do; the text of `${x}` is that of {@link Tensor.toString}.
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new TypeError(
      `tensor: expected a number, got ${this.toString()}; await its value, await x.item() or await x.toArray(), ` +
        `or compute with ops: add(x, 1), greater(x, 2)`,
    );
  }

  /** Throws in `JSON.stringify`, which cannot wait for the value. */
  toJSON(...key: unknown[]): string {
    // JSON.stringify gives the key. Printers of test frameworks give nothing, and want to show something.
    if (key.length === 0) return this.toString();
    throw new TypeError(
      `tensor: JSON.stringify cannot wait for the value of ${this.toString()}; give it await x.toArray() instead`,
    );
  }

  /** Describes the entry; computes nothing. */
  toString(): string {
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

  /** What Node's console prints. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}
