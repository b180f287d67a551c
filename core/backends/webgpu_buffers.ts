/** Buffers of a WebGPU device. */

/** The parts of WebGPU's buffers and devices that are used here. */
export interface Buffer {
  readonly size: number;
  mapAsync(mode: number): Promise<void>;
  getMappedRange(offset?: number, size?: number): ArrayBuffer;
  unmap(): void;
  destroy(): void;
}
export interface Encoder {
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
      writeBuffer(to: Buffer, at: number, values: Float32Array): void;
      onSubmittedWorkDone(): Promise<void>;
    };
  };
}

// The numbers of GPUBufferUsage.
export const MAP_READ = 0x1, MAP_WRITE = 0x2, COPY_SRC = 0x4, COPY_DST = 0x8, STORAGE = 0x80;

/** Bytes of freed buffers that are kept for the next kernels. */
const POOLED = 1 << 28;

/** The usages of buffers that are given out again: results of kernels, and what is sent to them. */
const REUSED: readonly number[] = [STORAGE | COPY_SRC, STORAGE | COPY_SRC | COPY_DST];

/**
 * Makes a device give out buffers that were destroyed, in place of new ones of the same size and usage: kernels write a new array at each
 * launch, and on a fast GPU making its buffer takes most of the time. The contents of a buffer do not matter, since kernels and copies write
 * every element, and commands run in the order in which they are submitted, so those that still read it come first.
 */
export function reuseBuffers(device: MemoryContext["device"]): void {
  if (reusing.has(device)) return;
  reusing.add(device);
  const idle = new Map<string, Set<Buffer>>();
  let bytes = 0;
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const { size, usage, mappedAtCreation } = descriptor;
    if (!REUSED.includes(usage) || mappedAtCreation) return create(descriptor);
    const kind = `${size} ${usage}`;
    const known = idle.get(kind);
    for (const buffer of known ?? []) {
      known!.delete(buffer);
      bytes -= size;
      return buffer;
    }
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      const others = idle.get(kind) ?? new Set();
      if (others.has(buffer)) return;
      if (bytes + size > POOLED) return destroy();
      idle.set(kind, others.add(buffer));
      bytes += size;
    };
    return buffer;
  };
}

/** Devices that reuse buffers. */
const reusing = new WeakSet<MemoryContext["device"]>();
