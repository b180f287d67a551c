/** Values of entries: on the host, on a device, or both. */

/** How values are stored. */
export type Values = Float32Array | Float64Array;

/** An array in the memory of a device. */
export interface DeviceArray {
  /** The name of the device. */
  readonly device: string;
  readonly bytes: number;
  /** Whether it still has its contents: it loses them with its device, or when it is freed. */
  readonly lives: boolean;
  /** Is told when it is freed. */
  whenFreed?: () => void;
  /**
   * Copies it to the host, into an array of its length if there is one. Rejects if its contents are lost.
   *
   * @returns that array, or a new one.
   */
  read(into?: Float32Array): Promise<Float32Array>;
  /**
   * Notes that the host has its elements: its device may free it whenever it wants.
   *
   * @param again whether they were sent before, so that they are likely to be needed once more.
   */
  spare?(again: boolean): void;
  free(): void;
}

/**
 * The value of an entry, which never changes. Entries that only repeat or reshape the elements of another one share its value. A value
 * stays where it was computed until it is read, and is then in both places, so that neither has to ask the other again.
 */
export class Value {
  #host: Values | null;
  #array: DeviceArray | null;
  #reading: Promise<Values> | null = null;
  #placed = false;
  #owners = 0;
  /** Whether the last entry that had it has let it go. */
  #dropped = false;
  /** Computations under way that start from it. */
  #users = 0;

  constructor(host: Values | null, array: DeviceArray | null = null) {
    this.#host = host;
    this.#array = array;
  }

  /** The elements, if the host has them. */
  get host(): Values | null {
    return this.#host;
  }

  /** Whether it was only on a device that is lost. */
  get isLost(): boolean {
    return this.#host === null && !this.#array?.lives;
  }

  /** Returns the array on a device; `null` if the device does not have it. */
  arrayOn(device: string): DeviceArray | null {
    return this.#array?.device === device && this.#array.lives ? this.#array : null;
  }

  /** Copies it to the host, once. Rejects if it was only on a device that is lost. */
  read(): Promise<Values> {
    if (this.#host) return Promise.resolve(this.#host);
    return this.#reading ??= this.#array!.read().then(
      (values) => {
        this.#host = values;
        this.#array?.spare?.(false);
        this.#freeIfUnused();
        return values;
      },
      (error: unknown) => {
        this.#reading = null;
        throw error;
      },
    );
  }

  /** Copies it into an array, and nowhere else. Rejects as {@link Value.read} does. */
  async readInto<T extends Values>(into: T): Promise<T> {
    // A copy that is under way is not made twice.
    const host = this.#host ?? await this.#reading;
    if (host) into.set(host);
    else if (into instanceof Float32Array) await this.#array!.read(into);
    else into.set(await this.#array!.read());
    return into;
  }

  /** Takes an array with its elements, in place of one on another device. The host must have them too. */
  place(array: DeviceArray): void {
    this.#array?.free();
    this.#array = array;
    array.spare?.(this.#placed);
    this.#placed = true;
  }

  /** Frees the memory that it takes on a device, after moving it to the host. */
  async leave(): Promise<void> {
    await this.read();
    this.#array?.free();
    this.#array = null;
  }

  /** Notes that one more entry has it. */
  own(): void {
    this.#owners++;
    this.#dropped = false;
  }

  /**
   * Notes that an entry that had it has it no longer. The memory that it takes on a device is freed with the last one, once no computation uses
   * it. Entries that the garbage collector finds say nothing.
   */
  disown(): void {
    this.#dropped = --this.#owners === 0;
    this.#freeIfUnused();
  }

  /** Keeps it for a computation until {@link Value.unuse}. */
  use(): void {
    this.#users++;
  }

  unuse(): void {
    this.#users--;
    this.#freeIfUnused();
  }

  #freeIfUnused(): void {
    const isRead = this.#reading === null || this.#host !== null;
    if (this.#dropped && this.#users === 0 && isRead) this.#array?.free();
  }
}
