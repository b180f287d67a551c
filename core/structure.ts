/** The structure that computations share if they differ only in values: ops, attributes, shapes, dtypes and topology, as text. */
import type { Entry, TapeOp } from "./entry.ts";
import type { Attributes } from "./kernel.ts";

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
export function numbersOf({ op: { kernel }, dtype }: Entry): readonly string[] {
  if (kernel.kind === "elementwise" && kernel.numbers) return kernel.numbers;
  return kernel.kind === "position" && kernel.constant && dtype !== "bool" ? [kernel.constant] : NO_NUMBERS;
}

/** A structure without its numbers, in text, and the numbers, in the order in which the text leaves them out. */
export interface Structure {
  readonly text: string;
  readonly numbers: readonly number[];
  /** The entry and the attribute of each number. */
  readonly places: readonly { readonly entry: Entry; readonly name: string }[];
}

/** Writes down a computation, with numbers apart; never a leaf's values. */
export function structureOf(
  entries: readonly Entry[],
  leaves: readonly Entry[],
  outputs: readonly Entry[],
): Structure {
  const orders = new Map<Entry, number>();
  const numbers: number[] = [];
  const places: { entry: Entry; name: string }[] = [];
  let text = "";
  for (const leaf of leaves) {
    orders.set(leaf, orders.size);
    text += `${leaf.shape.join("x")}${leaf.dtype[0]};`;
  }
  for (const entry of entries) {
    orders.set(entry, orders.size);
    const { kernel } = entry.op;
    const names = numbersOf(entry);
    text += opId(entry.op);
    if (names.length === 0) text += attributeText(entry.attributes);
    else {
      for (const name in entry.attributes) {
        if (names.includes(name)) {
          numbers.push(entry.attributes[name] as number);
          places.push({ entry, name });
        } else if (name !== "dtype" || kernel.kind !== "position") {
          // Whether a constant is an int or a float shows in how it is used: 1 and 0.5 are one structure.
          text += `${name}:${attributeText(entry.attributes[name])},`;
        }
      }
    }
    for (const input of entry.inputs) {
      text += `,${orders.get(input)}`;
      // The ops that a composite stands for may depend on dtypes.
      if (kernel.kind === "lowered") text += input.dtype[0];
    }
    text += ";";
  }
  for (const output of outputs) text += `>${orders.get(output)}`;
  return { text, numbers, places };
}
