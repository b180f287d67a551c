/** gpu.js, as far as it is used; the only file that imports it. */
import type { GPU as GpuJs } from "gpu.js";
import { importGpuJs } from "../runtime.ts";

/** The parts of gpu.js 2.24 that are used here; its declarations lack pipelines. */
export interface GpuModule {
  GPU: new (settings: { mode: string }) => Gpu;
  WebGPUContext: { acquire(): Promise<unknown> };
  WebGPUBufferResult: new (settings: Record<"buffer" | "output" | "context" | "kernel", unknown>) => { delete(): void };
  input(values: Float32Array, size: number[]): unknown;
}
export interface Gpu {
  readonly context: unknown;
  /** All kernels that it has created. */
  readonly kernels: unknown[];
  createKernel(source: string, settings: Record<string, unknown>): Kernel;
  createPipeline(fn: (...args: unknown[]) => unknown, settings: { threads: boolean }): Pipeline;
  destroy(): Promise<void> | void;
}
/** The object behind the function that is a kernel. */
export interface GpuKernel {
  functionBuilder?: unknown;
  /** On GL the vertices that it draws, once it is compiled. */
  buffer?: unknown;
}
export interface Kernel {
  (...args: unknown[]): unknown;
  readonly kernel: GpuKernel;
  destroy(): void;
}
export interface Pipeline {
  (...args: unknown[]): Promise<unknown>;
  readonly executorKind: string;
  /** Why the kernels run one by one; `null` if they were compiled into one module, and before the first call. */
  readonly fallbackReason: string | null;
  readonly backend: string | null;
  /** `null` before the first call. */
  readonly plan: {
    readonly kernels: readonly { readonly clone: Kernel }[];
    /** The kernels that write, and those that upload arguments, if the executor is the generic one. */
    readonly genericClones: ReadonlyMap<string, Kernel>;
  } | null;
  destroy(): Promise<void>;
  /** The object behind the function. The names that begin with an underscore are gpu.js's own; a later version may lack them. */
  readonly pipeline: {
    plan: Pipeline["plan"];
    _executor?: { readonly pool?: WorkerPool | null; readonly _entry?: { readonly id: string } | null } | false;
    _buildPlan?(): Pipeline["plan"];
    /** Compiles the plan for arguments. */
    _prepareExecutor?(args: readonly unknown[]): Promise<void> | void;
  };
}
/** The threads of a pipeline. It starts them when they are first needed, and replaces those that died. */
export interface WorkerPool {
  workers: Worker[];
  /** Lets them forget a pipeline. */
  release(pipeline: string): void;
}
export interface Worker {
  /** Ends it. */
  die(reason: Error): void;
}

/** Imports gpu.js. */
export async function loadGpuJs(): Promise<GpuModule> {
  const module = (await importGpuJs(() => import("gpu.js"))) as unknown as GpuModule & {
    default?: GpuModule & typeof GpuJs;
  };
  return module.GPU ? module : module.default!;
}
