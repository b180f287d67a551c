/** Copies between the host and a WebGPU device. */
import { type Buffer, COPY_DST, COPY_SRC, MAP_READ, MAP_WRITE, type MemoryContext } from "./webgpu_buffers.ts";

type Device = MemoryContext["device"];

// The numbers of GPUMapMode.
const READ = 1, WRITE = 2;

/** Idle buffers that are kept for the next copies in each direction: making one takes longer than copying into it. */
const KEPT = 4;

/** Reads arrays through buffers that the host can map. */
export class Reading {
  readonly #device: Device;
  readonly #idle: Buffer[] = [];

  constructor(device: Device) {
    this.#device = device;
  }

  async read(from: Buffer): Promise<Float32Array> {
    const { size } = from;
    const staging = this.#take(size);
    try {
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, staging, 0, size);
      this.#device.queue.submit([encoder.finish()]);
      await staging.mapAsync(READ);
      const values = new Float32Array(staging.getMappedRange().slice(0, size));
      staging.unmap();
      this.#keep(staging);
      return values;
    } catch (error) {
      staging.destroy();
      throw error;
    }
  }

  #take(size: number): Buffer {
    const best = smallestFor(size, this.#idle);
    if (best === undefined) return this.#device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    this.#idle.splice(this.#idle.indexOf(best), 1);
    return best;
  }

  #keep(buffer: Buffer): void {
    this.#idle.push(buffer);
    if (this.#idle.length > KEPT) this.#idle.shift()!.destroy();
  }
}

/** Up to so many bytes the queue's own copy is fastest. Beyond, it makes a buffer for them at each call. */
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
  readonly #idle: Mapped[] = [];

  constructor(device: Device) {
    this.#device = device;
  }

  /** Copies values into a buffer. */
  async send(values: Float32Array, to: Buffer): Promise<void> {
    const { queue } = this.#device;
    const { byteLength } = values;
    if (byteLength <= DIRECT) return queue.writeBuffer(to, 0, values);
    const buffer = await this.#take(byteLength);
    new Float32Array(buffer.getMappedRange(0, byteLength)).set(values);
    buffer.unmap();
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, to, 0, byteLength);
    queue.submit([encoder.finish()]);
    this.#keep(buffer);
  }

  /** Takes the smallest idle buffer that is large enough, if it is not much too large; it is mapped. */
  async #take(bytes: number): Promise<Buffer> {
    const best = smallestFor(bytes, this.#idle.map(({ buffer }) => buffer));
    if (best !== undefined) {
      const [{ ready }] = this.#idle.splice(this.#idle.findIndex(({ buffer }) => buffer === best), 1);
      if (await ready) return best;
      best.destroy();
    }
    return this.#device.createBuffer({ size: bytes, usage: MAP_WRITE | COPY_SRC, mappedAtCreation: true });
  }

  #keep(buffer: Buffer): void {
    const ready = buffer.mapAsync(WRITE).then(() => true, () => false);
    this.#idle.push({ buffer, ready });
    if (this.#idle.length > KEPT) this.#idle.shift()!.buffer.destroy();
  }
}

/** The smallest buffer that holds so many bytes, if it is not much too large. */
function smallestFor(bytes: number, buffers: readonly Buffer[]): Buffer | undefined {
  const fits = buffers.filter(({ size }) => size >= bytes && size <= 2 * bytes + 4096);
  return fits.length === 0 ? undefined : fits.reduce((a, b) => (b.size < a.size ? b : a));
}
