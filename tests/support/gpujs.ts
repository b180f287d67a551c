/** Intercepts gpu.js's resources for tests of faults: contexts, the WebGPU device, workers. */
import process from "node:process";
import { withWebGpu } from "../../core/backends/addon.ts";
import { importGpuJs } from "../../core/runtime.ts";

export interface Context {
  createTexture(): unknown;
  deleteTexture(texture: unknown): void;
  texImage2D(...args: unknown[]): unknown;
  isContextLost(): boolean;
  getExtension(name: string): { loseContext?(): void; restoreContext?(): void; destroy?(): void } | null;
}
interface KernelClass {
  prototype: { initContext(): Context };
}
interface WebGpuDevice {
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
  createBuffer(descriptor: { size: number; mappedAtCreation?: boolean }): unknown;
  createCommandEncoder(): { copyBufferToBuffer(...args: unknown[]): void };
  readonly queue: { writeBuffer(to: unknown, at: number, values: ArrayBufferView): void };
  destroy(): void;
}
interface GpuJs {
  GPU: { prototype: { createKernel(source: unknown, settings: unknown): unknown } };
  WebGPUContext: { acquire(): Promise<{ device: WebGpuDevice }> };
  WebGLKernel: KernelClass;
  WebGL2Kernel: KernelClass;
  HeadlessGLKernel: KernelClass;
}

/** gpu.js itself. */
export async function gpuJs(): Promise<GpuJs> {
  const module = (await importGpuJs(() => import("gpu.js"))) as unknown as GpuJs & { default?: GpuJs };
  return module.WebGPUContext ? module : module.default!;
}

/** Counts the kernels that gpu.js creates during a call. */
export async function countKernels(call: () => Promise<unknown>): Promise<number> {
  const { GPU: { prototype } } = await gpuJs();
  const create = prototype.createKernel;
  let created = 0;
  prototype.createKernel = function (source, settings) {
    created++;
    return create.call(this, source, settings);
  };
  try {
    await call();
  } finally {
    prototype.createKernel = create;
  }
  return created;
}

/** gpu.js's GL kernel classes, by device. */
async function glKernels(): Promise<Map<string, KernelClass>> {
  const { WebGLKernel, WebGL2Kernel, HeadlessGLKernel } = await gpuJs();
  return new Map([["webgl", WebGLKernel], ["webgl2", WebGL2Kernel], ["headlessgl", HeadlessGLKernel]]);
}

/** Whether a device has GL contexts. */
export async function isGl(device: string): Promise<boolean> {
  return (await glKernels()).has(device);
}

/** Collects the GL contexts created from now on. */
export async function catchContexts(): Promise<Context[]> {
  const caught: Context[] = [];
  for (const { prototype } of (await glKernels()).values()) {
    if (!Object.hasOwn(prototype, "initContext")) continue;
    const make = prototype.initContext;
    prototype.initContext = function () {
      const context = make.call(this);
      caught.push(context);
      return context;
    };
  }
  return caught;
}

/** Makes a device lost: the WebGPU device, or the newest of the collected GL contexts. */
export async function takeAway(device: string, contexts: readonly Context[]): Promise<void> {
  if (device === "webgpu") return (await (await gpuJs()).WebGPUContext.acquire()).device.destroy();
  const context = contexts.at(-1)!;
  const lose = context.getExtension("WEBGL_lose_context");
  if (lose) lose.loseContext!();
  else context.getExtension("STACKGL_destroy_context")!.destroy!();
}

/** Keeps a device from restarting; returns a function that undoes it. */
export async function breakStart(device: string): Promise<() => void> {
  if (device === "webgpu") {
    const gpu = await withWebGpu(() => (navigator as unknown as { gpu: { requestAdapter(): Promise<unknown> } }).gpu);
    gpu.requestAdapter = () => Promise.resolve(null);
    return () => Reflect.deleteProperty(gpu, "requestAdapter");
  }
  const { prototype } = (await glKernels()).get(device)!;
  const make = prototype.initContext;
  prototype.initContext = () => {
    throw new Error("no context to be had");
  };
  return () => (prototype.initContext = make);
}

/** A class, as far as its replacement needs to know it. */
export type Constructor<T> = new (...args: unknown[]) => T;

/** A replacement of a class that reports each new instance. */
export function watching<T extends object>(original: Constructor<T>, made: (instance: T) => void): Constructor<T> {
  return new Proxy(original, {
    construct(target, args, newTarget) {
      const instance = Reflect.construct(target, args, newTarget) as T;
      made(instance);
      return instance;
    },
  });
}

export interface AnyWorker {
  postMessage(message: unknown): void;
  terminate(): unknown;
}

/** Reports the workers started from now on. */
export function watchWorkers(made: (worker: AnyWorker) => void): void {
  const globals = globalThis as { Worker?: Constructor<AnyWorker> };
  if (globals.Worker) globals.Worker = watching(globals.Worker, made);
  const threads = process.getBuiltinModule?.("worker_threads") as { Worker: Constructor<AnyWorker> } | undefined;
  if (threads) threads.Worker = watching(threads.Worker, made);
}
