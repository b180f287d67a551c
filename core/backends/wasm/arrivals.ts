/** Arrays that the calling thread copies to the memory piece by piece, while other threads compute what does not read them. */
import type { Memory } from "./memory.ts";

/** An array on its way to the memory. */
export interface Arrival {
  readonly values: Float32Array;
  /** Its place in the memory. */
  readonly address: number;
  /** The number of the first call that reads it. */
  readonly before: number;
}

/** Arrays with fewer elements are copied in less time than it takes to see to them later. */
export const FEWEST_ELEMENTS = 2 ** 16;
/** Elements that are copied at a time: some microseconds, after which a kernel may be done and the next one begin. */
const PIECE = 2 ** 14;

/** Copies arrays in the order in which calls need them. */
export class Arrivals {
  readonly #memory: Memory;
  /** Those that are not there in full, the one that is needed first in front. */
  readonly #waiting: Arrival[];
  /** How many elements of the first one are there. */
  #copied = 0;

  constructor(memory: Memory, arrivals: readonly Arrival[]) {
    this.#memory = memory;
    this.#waiting = [...arrivals].sort((a, b) => a.before - b.before);
  }

  /** Copies the next piece. Returns whether there was one. */
  next(): boolean {
    const [first] = this.#waiting;
    if (!first) return false;
    const { values, address } = first;
    const end = Math.min(values.length, this.#copied + PIECE);
    this.#memory.write(address + 4 * this.#copied, values.subarray(this.#copied, end));
    this.#copied = end;
    if (end === values.length) {
      this.#waiting.shift();
      this.#copied = 0;
    }
    return true;
  }

  /** Copies all that a call reads. */
  complete(call: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0].before <= call) this.next();
  }
}
