/** Copies between the host and a WebGPU device. */
import { type Buffer, COPY_DST, COPY_SRC, MAP_READ, MAP_WRITE, type MemoryContext } from "./webgpu_buffers.ts";

type Device = MemoryContext["device"];

// The numbers of GPUMapMode.
const READ = 1, WRITE = 2;

/** Idle buffers that are kept for the next copies in each direction: making one takes longer than copying into it. */
const KEPT = 4;

/** Buffers that wait for the next copy. Each comes with what its owner notes of it. */
class Idle<T extends { readonly buffer: Buffer }> {
  readonly #waiting: T[] = [];

  /** Takes the smallest that is large enough, if it is not much too large. */
  take(bytes: number): T | undefined {
    const fits = this.#waiting.filter(({ buffer: { size } }) => size >= bytes && size <= 2 * bytes + 4096);
    if (fits.length === 0) return undefined;
    const best = fits.reduce((a, b) => (b.buffer.size < a.buffer.size ? b : a));
    this.#waiting.splice(this.#waiting.indexOf(best), 1);
    return best;
  }

  keep(one: T): void {
    this.#waiting.push(one);
    if (this.#waiting.length > KEPT) this.#waiting.shift()!.buffer.destroy();
  }
}

/** Copies the beginning of a buffer. */
function copy(device: Device, from: Buffer, to: Buffer, bytes: number): void {
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
  device.queue.submit([encoder.finish()]);
}

/** Reads arrays through buffers that the host can map. */
export class Reading {
  readonly #device: Device;
  readonly #idle = new Idle<{ readonly buffer: Buffer }>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** Copies a buffer into an array of its length, or into a new one. */
  async read(from: Buffer, into?: Float32Array): Promise<Float32Array> {
    const { size } = from;
    const buffer = this.#idle.take(size)?.buffer ??
      this.#device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    try {
      copy(this.#device, from, buffer, size);
      await buffer.mapAsync(READ);
      const mapped = buffer.getMappedRange(0, size);
      if (into) into.set(new Float32Array(mapped, 0, into.length));
      const values = into ?? new Float32Array(mapped.slice(0));
      buffer.unmap();
      this.#idle.keep({ buffer });
      return values;
    } catch (error) {
      buffer.destroy();
      throw error;
    }
  }
}

/** Up to this many bytes the queue's own copy is fastest. Beyond, it makes a buffer for them at each call. */
const DIRECT = 1 << 18;

/** A buffer that the host writes to, and when it can. */
interface Mapped {
  readonly buffer: Buffer;
  /** Resolves once the device has read what was written last; to `false` if it cannot be used any more. */
  readonly ready: Promise<boolean>;
}

/** Sends arrays through buffers that stay mapped between calls: writing to a new one is slow, since its pages are. */
export class Sending {
  readonly #device: Device;
  readonly #idle = new Idle<Mapped>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** Copies values into a buffer. */
  async send(values: Float32Array, to: Buffer): Promise<void> {
    const { byteLength } = values;
    if (byteLength <= DIRECT) return this.#device.queue.writeBuffer(to, 0, values);
    const buffer = await this.#mapped(byteLength);
    new Float32Array(buffer.getMappedRange(0, byteLength)).set(values);
    buffer.unmap();
    copy(this.#device, buffer, to, byteLength);
    this.#idle.keep({ buffer, ready: buffer.mapAsync(WRITE).then(() => true, () => false) });
  }

  /** A buffer with room for this many bytes that the host can write to. */
  async #mapped(bytes: number): Promise<Buffer> {
    const idle = this.#idle.take(bytes);
    if (idle && await idle.ready) return idle.buffer;
    idle?.buffer.destroy();
    return this.#device.createBuffer({ size: bytes, usage: MAP_WRITE | COPY_SRC, mappedAtCreation: true });
  }
}
