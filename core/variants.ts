/** Computations that differ only in numbers: a number that changes from call to call becomes an argument. */
import type { Structure } from "./loop.ts";

/** The numbers of a structure, as seen so far. */
interface Seen {
  /** The numbers of the first call; those that never changed are compiled in. */
  readonly first: readonly number[];
  /** The positions of the numbers that have changed, ascending. */
  changing: readonly number[];
}

/** Structures whose numbers are remembered. */
const REMEMBERED = 1024;

/** Remembers the numbers of structures, and which of them change. */
export class Variants {
  readonly #seen = new Map<string, Seen>();

  /** Returns the positions of the numbers of this structure that have changed so far, those of this call included. */
  changing({ text, numbers }: Structure): readonly number[] {
    const seen = this.#seen.get(text) ?? { first: numbers, changing: [] };
    const changes = (i: number) => seen.changing.includes(i) || !Object.is(numbers[i], seen.first[i]);
    const changing = [...numbers.keys()].filter(changes);
    if (changing.length > seen.changing.length) seen.changing = changing;
    // The least recently used goes.
    this.#seen.delete(text);
    this.#seen.set(text, seen);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
    return seen.changing;
  }
}
