/** The ground that gpu.js computes on: a GPU through WebGPU or GL, or the host. */
import type { Plan } from "../plan/plan.ts";
import { sizeOf } from "../shape.ts";
import type { DeviceArray } from "../value.ts";
import type { Gpu, GpuKernel, GpuModule } from "./gpujs.ts";

/** A handle of gpu.js to an array on the GPU. Several can share one. */
export interface Handle {
  delete(): void;
}

/** An array in the memory of a GPU. */
export interface GpuArray extends DeviceArray {
  readonly handle: Handle;
}

/** The memory of a GPU, in which arrays stay between plans. */
export interface GpuMemory {
  /** Copies values to it. */
  upload(values: Float32Array): Promise<GpuArray>;
  /** Takes over the array that a kernel has written. */
  adopt(handle: Handle): GpuArray;
  /** Returns another handle to an array, for kernels that read it in this extent. */
  handle(array: GpuArray, extent: readonly number[]): Handle;
  /** Whether a kernel's result is in it. */
  owns(result: unknown): boolean;
  /** Waits until the GPU has nothing to do. */
  idle(): Promise<void>;
}

/** The layer under a `GPU` of gpu.js. */
export interface Platform {
  /** The hardware or engine, in words. */
  readonly description: string;
  /** The name that gpu.js has for it in pipelines that ran. */
  readonly reportedAs: string;
  readonly bytesPerElement: number;
  /** Whether calls must not overlap: they share a context and its state, or threads that wait for one another. */
  readonly exclusive: boolean;
  /** Whether plans run on worker threads, which they share. */
  readonly threaded: boolean;
  /** @throws if a plan cannot run, with the limit. */
  check(plan: Plan): void;
  /** The memory in which values can stay; `null` where each call copies its arguments and results. */
  readonly memory: GpuMemory | null;
  /** Makes a call, and reports errors that the driver would only note. */
  guarded<T>(run: () => Promise<T>): Promise<T>;
  /** Is told of kernels before they are destroyed, since those that stay may depend on what theirs left behind; absent if none does. */
  ending?(kernels: readonly GpuKernel[]): void;
  /** Why the device can no longer compute; `null` if it can. */
  lost(error?: unknown): Promise<string | null>;
}

/** Starts gpu.js in a mode. */
export type Opener = (gpujs: GpuModule, mode: string) => Promise<{ readonly gpu: Gpu; readonly platform: Platform }>;

/** An array of a plan, as errors name it. */
export interface NamedArray {
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
}

/** The arrays of a plan. */
export function arraysOf(plan: Plan): NamedArray[] {
  return [
    ...plan.leaves.map(({ shape, size }, i) => ({ name: `leaf ${i}`, shape, size })),
    ...plan.steps.map(({ name, shape }) => ({ name: `"${name}"`, shape, size: sizeOf(shape) })),
  ];
}

/** Opens the host. It is never lost, and adds no limits but those of `check`. */
export function openHost(
  description: string,
  { threaded = false, check = () => {} }: Partial<Pick<Platform, "threaded" | "check">> = {},
): Opener {
  return (gpujs, mode) =>
    Promise.resolve({
      gpu: new gpujs.GPU({ mode }),
      platform: {
        description,
        reportedAs: mode,
        bytesPerElement: 4,
        exclusive: threaded,
        threaded,
        check,
        memory: null,
        guarded: (run) => run(),
        lost: () => Promise.resolve(null),
      },
    });
}
