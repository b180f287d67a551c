/** How the garbage collector hears of values that it does not see. */

/** Values are made known in parts of this many bytes: more than allocators keep for later. */
const PART = (1 << 25) + (1 << 16);

/**
 * About as many bytes on the host as values take in the memory of a module or of a GPU. The garbage collector does not see these: without
 * a weight it would let the values of hundreds of calls pile up before it looks for those that are dropped. None of the bytes is ever
 * touched, so they take no memory, and arrays of this size come from the system as they are needed, so that nobody clears them.
 */
export class Weights {
  readonly #parts: ArrayBuffer[] = [];
  #bytes = 0;

  /** Notes that values take this many more bytes, or fewer. It weighs with the next {@link Weights.settle}. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Lets the collector know, between computations: what one makes and its reader has freed at once never counts. */
  settle(): void {
    while (this.#parts.length * PART > this.#bytes + PART) this.#parts.pop();
    while (this.#parts.length * PART < this.#bytes) this.#parts.push(new ArrayBuffer(PART));
  }
}
