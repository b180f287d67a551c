/** The tape: an op, its inputs, and, once computed, a value. */
import type { Attributes, Kernel } from "./kernel.ts";
import { Lineage, Lineages } from "./lineage.ts";
import { type Shape, sizeOf } from "./shape.ts";
import { Value, type Values } from "./value.ts";

/**
 * The type of a tensor's elements. All three are stored as floating-point numbers (float32 on devices, float64 on the oracle), so
 * integers are exact up to 2^24: beyond that, results of a device (a sum, a product) are rounded to float32. The dtype determines which
 * ops accept a tensor and which array `data()` returns.
 */
export type DType = "float" | "int" | "bool";

export type { Values } from "./value.ts";

/** The part of an op that the tape and the compiler need; see `op.ts` for the rest. */
export interface TapeOp {
  /** The op's name. */
  readonly name: string;
  /** @internal Returns the output's shape and dtype. Throws if the inputs do not fit. */
  infer(inputs: readonly Entry[], attributes: Attributes): { shape: Shape; dtype: DType };
  /** @internal How it is computed. */
  readonly kernel: Kernel<Entry>;
  /** @internal One rule per input, `null` for an input without derivative; `null` for an op without any. */
  readonly vjp: readonly unknown[] | null;
  /** @internal The rule of an op whose results are differentiated together. */
  readonly pull?: unknown;
}

/** Whether an op has a rule for an input. The results of a loop have that of the loop. */
export function hasRule(op: TapeOp, input: number): boolean {
  const { vjp, pull, kernel } = op;
  return pull !== undefined || kernel.kind === "result" || vjp?.[input] != null;
}

/** The op of entries without inputs, whose value the host holds. */
export const leafOp: TapeOp = {
  name: "leaf",
  infer: () => {
    throw new Error("leaf: made by tensor(), not recorded");
  },
  kernel: { kind: "leaf" },
  vjp: null,
};

let nextId = 1;
let computations = 0;

let walks = 0;

/** Begins a walk over the tape and returns its number, for {@link Entry.walk}. It ends before anything else can begin one. */
export function beginWalk(): number {
  return ++walks;
}

/** Tells the tape that a computation begins: entries recorded from now on are recorded after it. Returns its number. */
export function beginComputation(): number {
  return ++computations;
}

/** Returns how many computations have begun. */
export function computationsBegun(): number {
  return computations;
}

const NOTHING: readonly never[] = [];

/** The inputs of an entry that has become the past. */
interface Past<T> {
  readonly inputs: WeakRef<readonly T[]>;
  /** Holds the inputs while this entry and one of the keys live: the lineage, and thus an ancestor. */
  readonly held: WeakMap<object, readonly T[]>;
  readonly lineage: WeakRef<Lineage>;
}

/** Whether a dtype can hold a value: an `Int32Array` or a `Uint8Array` would convert it to another number. */
export function holds(dtype: DType, value: number): boolean {
  return dtype === "float" || (dtype === "int" ? value === (value | 0) : value === 0 || value === 1);
}

/** The output of an op, as it is recorded. */
export interface Output {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Default `null`: not computed. */
  readonly value?: Values | Value | null;
  /** Default false. */
  readonly requiresGrad?: boolean;
  /** Default `requiresGrad`. */
  readonly tracked?: boolean;
}

/**
 * An entry of the tape: an op, its inputs and attributes, a shape and a dtype, and, once computed, a value. The compiler knows
 * only entries; programs hold `Tensor`s, which are entries that can be read. All inputs of an entry are of the same class as it.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { exp, tensor } from "gpugrad";
 *
 * const x = tensor([0, 1]);
 * const y = exp(x);
 * assert.equal(y.op.name, "exp");
 * assert.deepEqual(y.inputs, [x]);
 * assert.equal(y.value, null); // not computed yet
 * ```
 */
export class Entry {
  /** Position on the tape: inputs have lower numbers than the entries made of them. */
  readonly id: number = nextId++;
  /** The op that makes this entry. */
  readonly op: TapeOp;
  /** The parameters of the op other than its inputs. */
  readonly attributes: Attributes;
  /** The number of elements. */
  readonly size: number;
  /** Whether a gradient can flow from here to a tensor made with `requiresGrad`. */
  readonly tracked: boolean;
  /** @internal Whether a loop is among the entries that it is made of, or is itself one. */
  readonly hasLoop: boolean;
  /** @internal How many computations had begun when this was recorded, without one that computed it together with what was there before. */
  recordedAfter: number = computations;
  /** @internal How often entries use it that were recorded after a later computation; it is state then. */
  laterUses = 0;
  /** @internal Whether its value was kept as state. */
  isState = false;
  /** @internal Once it was computed on the way to a result: how often it was passed over as state since. */
  passedOver: number | null = null;
  /** @internal Whether a computation started from it of late, so that it will be the past. */
  isStart = false;
  /** @internal The last walk that came here: a mark is found faster than an element of a set, and tapes are walked at each call. */
  walk = 0;
  /** @internal What that walk noted. */
  place = 0;
  /** @internal The device that computed the value; `null` for a leaf, whose value holds on every device. */
  computedOn: string | null = null;
  // What programs may try to assign, as other libraries let them, has no setter: the assignment throws.
  readonly #shape: Shape;
  readonly #dtype: DType;
  readonly #requiresGrad: boolean;
  #value: Value | null;
  #inputs: readonly this[];
  /** `null` until it becomes the past; "forgotten" once it has no inputs left. */
  #past: Past<this> | "forgotten" | null = null;
  /** The lineages of entries of the past that are made of this. */
  #lineages: Lineages | null = null;
  /** Values that other devices computed. */
  #elsewhere: Map<string, Value> | null = null;
  /** Whether it is a leaf whose value was let go. */
  #discarded = false;

  /** @internal Functions record entries. */
  constructor(op: TapeOp, inputs: readonly Entry[], attributes: Attributes, output: Output) {
    const { shape, dtype, value = null, requiresGrad = false, tracked = requiresGrad } = output;
    this.op = op;
    this.#inputs = inputs as readonly this[];
    this.attributes = attributes;
    // Programs hold shapes, and tensors share them: one that was changed would belong to other elements.
    this.#shape = Object.freeze(shape);
    this.#dtype = dtype;
    this.size = sizeOf(shape);
    this.#value = value === null || value instanceof Value ? value : new Value(value);
    this.#value?.own();
    this.#requiresGrad = requiresGrad;
    let hasLoop = op.kernel.kind === "repeat";
    for (let k = 0; k < inputs.length; k++) hasLoop ||= inputs[k].hasLoop;
    this.hasLoop = hasLoop;
    this.tracked = tracked;
  }

  /** The sizes of the axes, outermost first. */
  get shape(): Shape {
    return this.#shape;
  }

  /** The type of its elements. */
  get dtype(): DType {
    return this.#dtype;
  }

  /** Whether `backward` adds to the gradient of this entry. */
  get requiresGrad(): boolean {
    return this.#requiresGrad;
  }

  /** The value, if the host has it: `null` before it is computed, and while it is only on a device. Read it with `data()`. */
  get value(): Values | null {
    return this.#value?.host ?? null;
  }

  /** @internal The value, wherever it is; `null` before it is computed, and if it was lost with its device. */
  get held(): Value | null {
    return this.#value?.isLost ? null : this.#value;
  }

  /**
   * The entries it is made of. State that is the past has no inputs once none of its ancestors can be reached, since no program can then
   * ask for a gradient with respect to one.
   */
  get inputs(): readonly this[] {
    if (this.#past === null) return this.#inputs;
    return this.#past === "forgotten" ? NOTHING : this.#past.inputs.deref() ?? NOTHING;
  }

  /** @internal Whether it is the past: its value serves every device, like that of a leaf, and its inputs may be released. */
  get isPast(): boolean {
    return this.#past !== null;
  }

  /** @internal Whether its value was let go, and no program can compute it again. */
  get isGone(): boolean {
    return this.#value === null && (this.#discarded || (this.#past !== null && this.inputs.length === 0));
  }

  /** @internal Forgets its inputs: from now on it is a leaf with its current value. */
  forget(): void {
    this.#past = "forgotten";
    this.#inputs = NOTHING;
    this.#leaveElsewhere();
  }

  /** Lets its values go. If they are needed again they are computed again; those of a leaf cannot be. */
  discard(): void {
    this.#leaveElsewhere();
    this.#value?.disown();
    this.#value = null;
    this.#discarded = this.op === leafOp;
  }

  #leaveElsewhere(): void {
    for (const value of this.#elsewhere?.values() ?? []) value.disown();
    this.#elsewhere = null;
  }

  /** @internal Holds its inputs only as long as one of its ancestors is alive. */
  release(ancestors: Iterable<Entry>): void {
    const lineage = new Lineage(this);
    for (const ancestor of ancestors) {
      (ancestor.#lineages ??= new Lineages()).add(lineage);
      if (ancestor.#past && ancestor.#past !== "forgotten") ancestor.#past.lineage.deref()?.later.add(lineage);
    }
    this.#hold([...this.#inputs], lineage, [lineage]);
  }

  #hold(inputs: readonly this[], lineage: Lineage, keys: readonly object[]): void {
    this.#inputs = NOTHING;
    this.#leaveElsewhere();
    this.#past = {
      inputs: new WeakRef(inputs),
      held: new WeakMap(keys.map((key) => [key, inputs])),
      lineage: new WeakRef(lineage),
    };
  }

  /**
   * @internal Makes `consumers` of an entry that was released read a copy of its value instead. The tape then holds the copy; only the program may
   * still hold the entry. The entry remains the input of the copy while it, or an ancestor of it, is alive.
   */
  standIn(op: TapeOp, consumers: Iterable<Entry>): void {
    const lineage = (this.#past as Past<this>).lineage.deref()!;
    const { shape, dtype, held: value, tracked } = this;
    // A copy of the same class: if the entry is a tensor, programs may reach the copy as the input of another tensor.
    const copy = new (this.constructor as typeof Entry)(op, [this], {}, { shape, dtype, value, tracked }) as this;
    // On the tape it comes right after the entry.
    Object.assign(copy, { id: this.id + 0.5, recordedAfter: this.recordedAfter, computedOn: this.computedOn });
    copy.#hold([this], lineage, [lineage, this]);
    for (const consumer of consumers) consumer.#replace(this, copy);
  }

  /** Replaces an input by another entry. */
  #replace(input: Entry, by: Entry): void {
    const replaced = (t: this) => (t === input ? by as this : t);
    if (this.#past === null) this.#inputs = this.#inputs.map(replaced);
    else {
      // The same array, since the past holds it.
      const inputs = this.inputs as this[];
      inputs.forEach((t, k) => (inputs[k] = replaced(t)));
    }
  }

  /** @internal Returns the value that serves a device; `null` if the device has to compute it. */
  valueOn(device: string): Value | null {
    if (this.computedOn === null || this.computedOn === device || this.#past !== null) return this.held;
    const value = this.#elsewhere?.get(device);
    return value && !value.isLost ? value : null;
  }

  /** @internal Makes a value that a device computed the current one, and keeps that of another device. */
  setValue(value: Value, device: string | null): void {
    value.own();
    const before = this.#value;
    if (before !== null && this.computedOn !== null && this.computedOn !== device) {
      const elsewhere = this.#elsewhere ??= new Map<string, Value>();
      elsewhere.get(this.computedOn)?.disown();
      elsewhere.set(this.computedOn, before);
    } else before?.disown();
    this.#value = value;
    this.computedOn = device;
  }
}
