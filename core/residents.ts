/** The values that a device holds. Nobody has to dispose of them. */
import type { DeviceArray, Value } from "./value.ts";

/** The values on a device, the least recently used first. Arrays of values that the program dropped are freed. */
export class Residents {
  readonly #held = new Map<DeviceArray, WeakRef<Value>>();
  readonly #dropped = new FinalizationRegistry<DeviceArray>((array) => this.#free(array));
  #bytes = 0;

  /** The bytes that they take together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many there are. */
  get count(): number {
    return this.#held.size;
  }

  /** Notes that a value is used, which makes it the last to go. */
  touch(array: DeviceArray, value: Value): void {
    const known = this.#held.get(array);
    if (known) this.#held.delete(array);
    else {
      this.#bytes += array.bytes;
      this.#dropped.register(value, array, array);
      array.whenFreed = () => this.#forget(array);
    }
    this.#held.set(array, known ?? new WeakRef(value));
  }

  /** Moves the least recently used values to the host until the others fit. */
  async trim(most: number): Promise<void> {
    if (this.#bytes <= most) return;
    for (const [array, value] of [...this.#held]) {
      if (this.#bytes <= most) return;
      const kept = array.lives ? value.deref() : undefined;
      if (kept) await kept.leave();
      this.#free(array);
    }
  }

  #free(array: DeviceArray): void {
    this.#forget(array);
    array.free();
  }

  #forget(array: DeviceArray): void {
    if (!this.#held.delete(array)) return;
    this.#bytes -= array.bytes;
    this.#dropped.unregister(array);
  }
}
