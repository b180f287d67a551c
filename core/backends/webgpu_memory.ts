/** Arrays in the memory of a WebGPU device. */
import { DeviceLostError } from "../device.ts";
import type { GpuArray, GpuMemory, Handle } from "./platform.ts";
import type { GpuModule } from "./gpujs.ts";
import { type Buffer, COPY_DST, COPY_SRC, type MemoryContext, reuseBuffers, STORAGE } from "./webgpu_buffers.ts";
import { Reading, Sending } from "./webgpu_transfers.ts";
import { Weights } from "./weights.ts";

/** The handle of gpu.js, which counts how many share its buffer. */
export interface BufferHandle extends Handle {
  readonly buffer: Buffer;
}

/** How long the news that a device is lost may take after a call has failed. */
const GRACE_MS = 50;

/** Waits for the news that a device is lost, which comes after the failure of a call. */
export async function newsOfLoss({ lost }: Pick<MemoryContext["device"], "lost">): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([lost, new Promise((done) => (timer = setTimeout(done, GRACE_MS)))]);
  clearTimeout(timer);
}

/** State shared by the arrays of a device. */
interface Shared {
  readonly context: MemoryContext;
  readonly reading: Reading;
  readonly weights: Weights;
}

class BufferArray implements GpuArray {
  readonly device = "webgpu";
  readonly bytes: number;
  readonly handle: BufferHandle;
  whenFreed?: () => void;
  readonly #shared: Shared;
  #freed = false;

  constructor(handle: BufferHandle, shared: Shared) {
    this.handle = handle;
    this.bytes = handle.buffer.size;
    this.#shared = shared;
    shared.weights.add(this.bytes);
    shared.weights.settle();
  }

  get lives(): boolean {
    return !this.#freed && !this.#shared.context.isLost;
  }

  async read(into?: Float32Array): Promise<Float32Array> {
    if (!this.lives) throw this.#lost();
    const { context, reading } = this.#shared;
    try {
      return await reading.read(this.handle.buffer, into);
    } catch (error) {
      await newsOfLoss(context.device);
      throw context.isLost ? this.#lost(error) : error;
    }
  }

  #lost(cause?: unknown): Error {
    return new DeviceLostError("webgpu: the device was lost, and with it a value that only it had", { cause });
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#shared.weights.add(-this.bytes);
    this.handle.delete();
    this.whenFreed?.();
  }
}

/** The memory of the device that gpu.js has opened. */
export function memoryOf({ WebGPUBufferResult }: GpuModule, context: MemoryContext): GpuMemory {
  const { device } = context;
  const shared: Shared = { context, reading: new Reading(device), weights: new Weights() };
  const sending = new Sending(device);
  reuseBuffers(device);
  const handleOf = (buffer: Buffer, output: readonly number[]) =>
    new WebGPUBufferResult({ buffer, output, context, kernel: null }) as BufferHandle;
  return {
    async upload(values) {
      const size = Math.max(4, values.byteLength);
      const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
      await sending.send(values, buffer);
      return new BufferArray(handleOf(buffer, [values.length]), shared);
    },
    adopt: (handle) => new BufferArray(handle as BufferHandle, shared),
    handle: (array, extent) => handleOf((array as BufferArray).handle.buffer, extent),
    owns: (result) => result instanceof WebGPUBufferResult,
    idle: () => device.queue.onSubmittedWorkDone(),
  };
}
