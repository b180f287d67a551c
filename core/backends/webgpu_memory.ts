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

class BufferArray implements GpuArray {
  readonly device = "webgpu";
  readonly bytes: number;
  readonly handle: BufferHandle;
  readonly #context: MemoryContext;
  #freed = false;

  constructor(handle: BufferHandle, context: MemoryContext) {
    this.handle = handle;
    this.bytes = handle.buffer.size;
    this.#context = context;
  }

  get lives(): boolean {
    return !this.#freed && !this.#context.isLost;
  }

  async read(): Promise<Float32Array> {
    const { device } = this.#context;
    if (!this.lives) throw this.#lost();
    const staging = device.createBuffer({ size: this.bytes, usage: MAP_READ | COPY_DST });
    try {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(this.handle.buffer, 0, staging, 0, this.bytes);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(1);
      return new Float32Array(staging.getMappedRange().slice(0));
    } catch (error) {
      throw this.#context.isLost ? this.#lost(error) : error;
    } finally {
      staging.destroy();
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
  const handleOf = (buffer: Buffer, output: readonly number[]) =>
    new WebGPUBufferResult({ buffer, output, context, kernel: null }) as BufferHandle;
  return {
    upload(values) {
      const size = Math.max(4, values.byteLength);
      const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST, mappedAtCreation: true });
      new Float32Array(buffer.getMappedRange()).set(values);
      buffer.unmap();
      return new BufferArray(handleOf(buffer, [values.length]), context);
    },
    adopt: (handle) => new BufferArray(handle as BufferHandle, context),
    handle: (array, extent) => handleOf((array as BufferArray).handle.buffer, extent),
    owns: (result) => result instanceof WebGPUBufferResult,
    idle: () => device.queue.onSubmittedWorkDone(),
  };
}
