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
  /** Copies it to the host. Rejects if its contents are lost. */
  read(): Promise<Float32Array>;
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
      (values) => this.#host = values,
      (error: unknown) => {
        this.#reading = null;
        throw error;
      },
    );
  }

  /** Takes an array with its elements, in place of one on another device. The host must have them too. */
  place(array: DeviceArray): void {
    this.#array?.free();
    this.#array = array;
  }

  /** Frees the memory that it takes on a device, after moving it to the host. */
  async leave(): Promise<void> {
    await this.read();
    this.#array?.free();
    this.#array = null;
  }
}
