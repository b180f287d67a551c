/** Computations that differ only in numbers: a number that changes from call to call becomes an argument. */
import type { Structure } from "./loop.ts";
import { attributeText } from "./structure.ts";

/** The numbers of a structure, as seen so far. */
interface Seen {
  /** The numbers of the first call; those that never changed are compiled in. */
  readonly first: readonly number[];
  /** The positions of the numbers that have changed, ascending. */
  changing: readonly number[];
  /** The name of the plan in which these are arguments. */
  key: string;
}

/** Structures whose numbers are remembered. */
const REMEMBERED = 1024;

/** A structure with the numbers that are compiled in. */
export function keyOf({ text, numbers }: Structure, changing: readonly number[]): string {
  let key = `${text}|`, next = 0;
  for (let i = 0; i < numbers.length; i++) {
    const isArgument = i === changing[next];
    if (isArgument) next++;
    key += isArgument ? "#," : `${attributeText(numbers[i])},`;
  }
  return key;
}

/** Remembers the numbers of structures, and which of them change. */
export class Variants {
  readonly #seen = new Map<string, Seen>();

  /** Returns the positions of the numbers of this structure that have changed so far, those of this call included, and the name of its plan. */
  of(structure: Structure): Pick<Seen, "changing" | "key"> {
    const { text, numbers } = structure;
    const seen = this.#seen.get(text) ?? { first: numbers, changing: [], key: keyOf(structure, []) };
    const { first } = seen;
    let next = 0, isNew = false;
    for (let i = 0; i < numbers.length; i++) {
      if (i === seen.changing[next]) next++;
      else isNew ||= !Object.is(numbers[i], first[i]);
    }
    if (isNew) {
      const known = new Set(seen.changing);
      seen.changing = [...numbers.keys()].filter((i) => known.has(i) || !Object.is(numbers[i], first[i]));
      seen.key = keyOf(structure, seen.changing);
    }
    // The least recently used goes.
    this.#seen.delete(text);
    this.#seen.set(text, seen);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
    return seen;
  }
}
