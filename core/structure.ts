/** The structure that computations share if they differ only in values: ops, attributes, shapes, dtypes and topology, as text. */
import { beginWalk, type Entry, type TapeOp } from "./entry.ts";
import { type Attributes, EXACT_IN_SINGLE, numberFrom, type Offsets } from "./kernel.ts";
import { Loop, loopOf, type LoopParts, type Structure } from "./loop.ts";

const opIds = new WeakMap<TapeOp, number>();
let nextOpId = 1;

/** Returns a number for an op: names alone do not tell apart two ops that a program defines. */
export function opId(op: TapeOp): number {
  let id = opIds.get(op);
  if (id === undefined) opIds.set(op, id = nextOpId++);
  return id;
}

/** Returns attributes as text, the same for the same values. */
export function attributeText(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value)) return `[${value.map(attributeText).join(",")}]`;
  if (value !== null && typeof value === "object") {
    let text = "{";
    for (const key in value) text += `${key}:${attributeText((value as Attributes)[key])},`;
    return `${text}}`;
  }
  return String(value);
}

const NO_NUMBERS: readonly string[] = [];

/** Returns the attributes of an entry that are numbers and may change from call to call. Truth values belong to the structure. */
export function numbersOf({ op, dtype, attributes }: Entry): readonly string[] {
  const { kernel } = op;
  if (kernel.kind === "elementwise" && kernel.numbers) return kernel.numbers;
  if (kernel.kind !== "position") return NO_NUMBERS;
  if (kernel.constant) return dtype === "bool" ? NO_NUMBERS : [kernel.constant];
  // A larger start and its distance from an element would each be rounded.
  return kernel.start && Math.abs(numberFrom(attributes[kernel.start])) <= EXACT_IN_SINGLE
    ? [kernel.start]
    : NO_NUMBERS;
}

/** Returns for each axis of its input whether the offset of a movement may change from call to call; `null` if none may. */
export function offsetsThatChange({ op: { kernel }, inputs, attributes }: Entry): readonly boolean[] | null {
  if (kernel.kind !== "movement" || !kernel.offsets) return null;
  const most = kernel.offsets.most(attributes, inputs[0].shape);
  const changes = most.map((n) => n > 0 && n < EXACT_IN_SINGLE);
  return changes.includes(true) ? changes : null;
}

/** The attributes of a movement without the offsets that are read. */
export function withoutOffsets(
  { of, at }: Offsets,
  attributes: Attributes,
  read: (axis: number) => boolean,
): Attributes {
  return at(attributes, of(attributes).map((offset, axis) => read(axis) ? 0 : offset));
}

/** Writes down a computation, with numbers apart; never a leaf's values. */
export function structureOf(
  entries: readonly Entry[],
  leaves: readonly Entry[],
  outputs: readonly Entry[],
): Structure {
  const walk = beginWalk();
  let order = 0;
  const numbers: number[] = [];
  const places: { entry: Entry; name: string }[] = [];
  let text = "";
  for (const leaf of leaves) {
    leaf.walk = walk;
    leaf.place = order++;
    text += `${leaf.shape.join("x")}${leaf.dtype[0]};`;
  }
  for (const entry of entries) {
    const { op, attributes, inputs } = entry;
    entry.walk = walk;
    entry.place = order++;
    const { kernel } = op;
    const names = numbersOf(entry);
    const changing = offsetsThatChange(entry);
    text += opId(op);
    const loop = loopOf(entry);
    if (loop) {
      // The inputs that nothing needs are not among the entries; the results that are needed are.
      const { structure, parts: { count, reverse } } = loop;
      text += `{${structure.text}}${count}${reverse ? "r" : ""}`;
      numbers.push(...structure.numbers);
      places.push(...structure.places);
    } else if (changing && kernel.kind === "movement") {
      const offsets = kernel.offsets!.of(attributes);
      text += attributeText(withoutOffsets(kernel.offsets!, attributes, (axis) => changing[axis]));
      for (let axis = 0; axis < offsets.length; axis++) {
        if (!changing[axis]) continue;
        numbers.push(offsets[axis]);
        places.push({ entry, name: String(axis) });
      }
    } else if (names.length === 0) text += attributeText(attributes);
    else {
      for (const name in attributes) {
        if (names.includes(name)) {
          numbers.push(numberFrom(attributes[name]));
          places.push({ entry, name });
        } else if (name !== "dtype" || kernel.kind !== "position") {
          // Whether a constant is an int or a float shows in how it is used: 1 and 0.5 are one structure.
          text += `${name}:${attributeText(attributes[name])},`;
        }
      }
    }
    for (const input of inputs) {
      text += input.walk === walk ? `,${input.place}` : ",-";
      // The ops that a composite stands for may depend on dtypes.
      if (kernel.kind === "lowered") text += input.dtype[0];
    }
    text += ";";
  }
  for (const output of outputs) text += `>${output.place}`;
  return { text, numbers, places };
}

/** The entries that outputs are computed from, the outputs included and leaves left out, inputs first. */
function entriesOf<T extends Entry>(outputs: readonly T[], leaves: ReadonlySet<T>): T[] {
  const seen = new Set<T>(outputs);
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const entry of seen) if (!leaves.has(entry)) { for (const input of entry.inputs) seen.add(input); }
  return [...seen].filter((entry) => !leaves.has(entry)).sort((a, b) => a.id - b.id);
}

/** Makes a loop of a part of the tape that needs nothing but its arguments. */
export function loopFrom<T extends Entry>(parts: LoopParts<T>): Loop<T> {
  const leaves = [...parts.carries, ...parts.rows, ...parts.captured];
  const returned = [...parts.next, ...parts.stacked, ...parts.summed];
  const entries = entriesOf(returned, new Set(leaves));
  const structure = structureOf(entries, leaves, returned);
  const { carries, rows, stacked, count, reverse } = parts;
  const text = `${[carries, rows, stacked].map(({ length }) => length)};${structure.text}`;
  const key = `${text}|${structure.numbers.map(attributeText)}|${count}${reverse ? "r" : ""}`;
  return new Loop(parts, entries, { ...structure, text }, key);
}
