/** Arrays in the memory of a WebGPU device. */
import { DeviceLostError } from "../device.ts";
import type { GpuArray, GpuMemory, Handle } from "./platform.ts";
import type { GpuModule } from "./gpujs.ts";

/** The parts of WebGPU's buffers and devices that are used here. */
interface Buffer {
  readonly size: number;
  mapAsync(mode: number): Promise<void>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
  destroy(): void;
}
interface Encoder {
  copyBufferToBuffer(from: Buffer, at: number, to: Buffer, toAt: number, bytes: number): void;
  finish(): unknown;
}

/** The device that all of gpu.js shares, with what gpu.js notes of it. */
export interface MemoryContext {
  readonly isLost: boolean;
  readonly device: {
    createBuffer(descriptor: { size: number; usage: number; mappedAtCreation?: boolean }): Buffer;
    createCommandEncoder(): Encoder;
    readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
    readonly queue: {
      submit(commands: readonly unknown[]): void;
      onSubmittedWorkDone(): Promise<void>;
    };
  };
}

/** The handle of gpu.js, which counts how many share its buffer. */
export interface BufferHandle extends Handle {
  readonly buffer: Buffer;
}

// The numbers of GPUBufferUsage and GPUMapMode.
const MAP_READ = 0x1, COPY_SRC = 0x4, COPY_DST = 0x8, STORAGE = 0x80;

/** How long the news that a device is lost may take after a call has failed. */
const GRACE_MS = 50;

/** Waits for the news that a device is lost, which comes after the failure of a call. */
export async function newsOfLoss({ lost }: Pick<MemoryContext["device"], "lost">): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([lost, new Promise((done) => (timer = setTimeout(done, GRACE_MS)))]);
  clearTimeout(timer);
}

/** Bytes of freed buffers that are kept for the next kernels. */
const POOLED = 1 << 28;

/**
 * Makes a device give out buffers that were destroyed, in place of new ones of the same size and usage: kernels write a new array at each
 * launch, and on a fast GPU making its buffer takes most of the time. What a buffer holds does not matter, since kernels write every
 * element, and commands run in the order in which they are submitted, so those that still read it come first.
 */
export function reuseBuffers(device: MemoryContext["device"]): void {
  if (reusing.has(device)) return;
  reusing.add(device);
  const idle = new Map<number, Set<Buffer>>();
  let bytes = 0;
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const { size, usage, mappedAtCreation } = descriptor;
    if (usage !== (STORAGE | COPY_SRC) || mappedAtCreation) return create(descriptor);
    const known = idle.get(size);
    for (const buffer of known ?? []) {
      known!.delete(buffer);
      bytes -= size;
      return buffer;
    }
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      const others = idle.get(size) ?? new Set();
      if (others.has(buffer)) return;
      if (bytes + size > POOLED) return destroy();
      idle.set(size, others.add(buffer));
      bytes += size;
    };
    return buffer;
  };
}

/** Devices that reuse buffers. */
const reusing = new WeakSet<MemoryContext["device"]>();

/** Idle buffers that are kept for the next reads: making one takes longer than copying into it. */
const KEPT = 4;

/** The buffers through which arrays are read. */
class Staging {
  readonly #device: MemoryContext["device"];
  readonly #idle: Buffer[] = [];

  constructor(device: MemoryContext["device"]) {
    this.#device = device;
  }

  async read(from: Buffer): Promise<Float32Array> {
    const { size } = from;
    const staging = this.#take(size);
    try {
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, staging, 0, size);
      this.#device.queue.submit([encoder.finish()]);
      await staging.mapAsync(1);
      const values = new Float32Array(staging.getMappedRange().slice(0, size));
      staging.unmap();
      this.#keep(staging);
      return values;
    } catch (error) {
      staging.destroy();
      throw error;
    }
  }

  /** Takes the smallest idle buffer that is large enough, if it is not much too large. */
  #take(size: number): Buffer {
    const fits = this.#idle.filter((buffer) => buffer.size >= size && buffer.size <= 2 * size + 4096);
    if (fits.length === 0) return this.#device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    const best = fits.reduce((a, b) => (b.size < a.size ? b : a));
    this.#idle.splice(this.#idle.indexOf(best), 1);
    return best;
  }

  #keep(buffer: Buffer): void {
    this.#idle.push(buffer);
    if (this.#idle.length > KEPT) this.#idle.shift()!.destroy();
  }
}

class BufferArray implements GpuArray {
  readonly device = "webgpu";
  readonly bytes: number;
  readonly handle: BufferHandle;
  readonly #context: MemoryContext;
  readonly #staging: Staging;
  #freed = false;

  constructor(handle: BufferHandle, context: MemoryContext, staging: Staging) {
    this.handle = handle;
    this.bytes = handle.buffer.size;
    this.#context = context;
    this.#staging = staging;
  }

  get lives(): boolean {
    return !this.#freed && !this.#context.isLost;
  }

  async read(): Promise<Float32Array> {
    if (!this.lives) throw this.#lost();
    try {
      return await this.#staging.read(this.handle.buffer);
    } catch (error) {
      await newsOfLoss(this.#context.device);
      throw this.#context.isLost ? this.#lost(error) : error;
    }
  }

  #lost(cause?: unknown): Error {
    return new DeviceLostError("webgpu: the device was lost, and with it a value that only it had", { cause });
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.handle.delete();
  }
}

/** The memory of the device that gpu.js has opened. */
export function memoryOf({ WebGPUBufferResult }: GpuModule, context: MemoryContext): GpuMemory {
  const { device } = context;
  const staging = new Staging(device);
  reuseBuffers(device);
  const handleOf = (buffer: Buffer, output: readonly number[]) =>
    new WebGPUBufferResult({ buffer, output, context, kernel: null }) as BufferHandle;
  return {
    upload(values) {
      const size = Math.max(4, values.byteLength);
      const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST, mappedAtCreation: true });
      new Float32Array(buffer.getMappedRange()).set(values);
      buffer.unmap();
      return new BufferArray(handleOf(buffer, [values.length]), context, staging);
    },
    adopt: (handle) => new BufferArray(handle as BufferHandle, context, staging),
    handle: (array, extent) => handleOf((array as BufferArray).handle.buffer, extent),
    owns: (result) => result instanceof WebGPUBufferResult,
    idle: () => device.queue.onSubmittedWorkDone(),
  };
}
