/** Plans that differ in numbers alone: what changes from call to call becomes an argument. */
import type { Device } from "./device.ts";
import { makePlan, type Plan } from "./plan/plan.ts";
import { attributeText, leafOp, numbersOf, opId, opOf } from "./op.ts";
import { Tensor, type Values } from "./tensor.ts";

/** A structure without its numbers, in text, and the numbers, in the order in which the text leaves them out. */
interface Structure {
  readonly text: string;
  readonly numbers: readonly number[];
  /** The entry and the attribute that each number stands in. */
  readonly places: readonly { readonly entry: Tensor; readonly name: string }[];
}

/** Writes down op, attributes, shapes, dtypes and topology, with numbers apart; never a leaf's values. */
function structureOf(
  entries: readonly Tensor[],
  leaves: readonly Tensor[],
  outputs: readonly Tensor[],
): Structure {
  const orders = new Map<Tensor, number>();
  const numbers: number[] = [];
  const places: { entry: Tensor; name: string }[] = [];
  let text = "";
  for (const leaf of leaves) {
    orders.set(leaf, orders.size);
    text += `${leaf.shape.join("x")}${leaf.dtype[0]};`;
  }
  for (const entry of entries) {
    orders.set(entry, orders.size);
    const op = opOf(entry);
    const { kernel } = op;
    const names = numbersOf(entry);
    text += opId(op);
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
      // What a composite is lowered to may depend on dtypes.
      if (kernel.kind === "lowered") text += input.dtype[0];
    }
    text += ";";
  }
  for (const output of outputs) text += `>${orders.get(output)}`;
  return { text, numbers, places };
}

/** What is known of the numbers of a structure. */
interface Seen {
  /** Those of the first call; the ones that never changed are compiled in. */
  readonly first: readonly number[];
  /** The positions of those that were seen to change, ascending. */
  changing: readonly number[];
}

/** Structures that a device remembers the numbers of. */
const REMEMBERED = 1024;
const memories = new WeakMap<Device, Map<string, Seen>>();

/** What is known of a structure, this call's numbers included. */
function seenOf(device: Device, { text, numbers }: Structure): Seen {
  let memory = memories.get(device);
  if (!memory) memories.set(device, memory = new Map());
  const seen = memory.get(text) ?? { first: numbers, changing: [] };
  const changes = (i: number) => seen.changing.includes(i) || !Object.is(numbers[i], seen.first[i]);
  const changing = [...numbers.keys()].filter(changes);
  if (changing.length > seen.changing.length) seen.changing = changing;
  // The least recently used goes.
  memory.delete(text);
  memory.set(text, seen);
  if (memory.size > REMEMBERED) memory.delete(memory.keys().next().value!);
  return seen;
}

/** How a device computes something: the plan, its key, and the array of numbers that follows the leaves, if there is one. */
export interface Variant {
  readonly key: string;
  readonly plan: () => Plan;
  readonly numbers: readonly Values[];
}

/**
 * The plan for this structure. The first time its numbers are compiled in; those that are others the next time become elements of one
 * array, an argument more, for all calls that follow.
 */
export function variantOf(
  device: Device,
  entries: readonly Tensor[],
  leaves: readonly Tensor[],
  outputs: readonly Tensor[],
): Variant {
  const structure = structureOf(entries, leaves, outputs);
  const { numbers, places } = structure;
  const { changing } = seenOf(device, structure);
  const fixed = numbers.map((x, i) => (changing.includes(i) ? "#" : attributeText(x)));
  const key = `${structure.text}|${fixed.join()}`;
  if (changing.length === 0) return { key, plan: () => makePlan(outputs, leaves, device.target), numbers: [] };
  const values = Float64Array.from(changing, (i) => numbers[i]);
  const plan = () => {
    const array = new Tensor(leafOp, [], {}, [values.length], "float", values);
    const slots = new Map<Tensor, Map<string, number>>();
    changing.forEach((i, slot) => {
      const { entry, name } = places[i];
      if (!slots.has(entry)) slots.set(entry, new Map());
      slots.get(entry)!.set(name, slot);
    });
    return makePlan(outputs, [...leaves, array], device.target, { array, slots });
  };
  return { key, plan, numbers: [values] };
}
