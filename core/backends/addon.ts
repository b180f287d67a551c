/** WebGPU for runtimes that lack it: the package `webgpu`. */
import { builtin, type Runtime, runtime } from "../runtime.ts";

/** The exports of the package that are used here. */
export interface WebGpuAddon {
  create(options: string[]): unknown;
}

/** Runtimes without built-in WebGPU. */
const WITHOUT_WEBGPU: readonly Runtime[] = ["node", "bun"];

/** Imports the package from where it lies: bundlers do not follow that, and would fail where it is not installed. */
async function importAddon(): Promise<WebGpuAddon> {
  type Modules = { createRequire(from: string): { resolve(name: string): string } };
  type Urls = { pathToFileURL(path: string): URL };
  const { createRequire } = builtin<Modules>("node:module");
  const { pathToFileURL } = builtin<Urls>("node:url");
  try {
    const { href } = pathToFileURL(createRequire(import.meta.url).resolve("webgpu"));
    return await import(/* @vite-ignore */ `file://${href.slice("file://".length)}`);
  } catch (error) {
    throw isMissing(error) ? new Error("it is not installed", { cause: error }) : error;
  }
}

/** Whether an import failed because there is no such package, rather than because it does not load. */
function isMissing(error: unknown): boolean {
  return /^(ERR_)?MODULE_NOT_FOUND$/.test(String((error as { code?: unknown } | null)?.code));
}

/**
 * Returns a function that calls others with WebGPU at `navigator.gpu`, where gpu.js looks for it. If the runtime has no WebGPU, the
 * package replaces it during the call. The function rejects if the package does not load; the next call tries again.
 */
export function webGpuFrom(load: () => Promise<WebGpuAddon>): <T>(call: () => T | Promise<T>) => Promise<T> {
  let created: Promise<unknown> | null = null;
  /** Calls under way that see the package, and how to take it away after the last of them. */
  let calls = 0;
  let remove = () => {};
  return async (call) => {
    const { navigator } = globalThis as { navigator?: { gpu?: unknown } };
    if ((calls === 0 && navigator?.gpu) || !WITHOUT_WEBGPU.includes(runtime())) return await call();
    let gpu: unknown;
    try {
      gpu = await (created ??= load().then((module) => module.create([])));
    } catch (error) {
      created = null;
      throw new Error(`cannot load the package "webgpu": ${firstLine(error)}`, { cause: error });
    }
    if (calls++ === 0) remove = putAtNavigator(gpu);
    try {
      return await call();
    } finally {
      if (--calls === 0) remove();
    }
  };
}

/** Calls with WebGPU at `navigator.gpu`; see {@link webGpuFrom}. */
export const withWebGpu = webGpuFrom(importAddon);

/** Puts an object at `navigator.gpu`; returns a function that undoes it. The rest of `navigator` stays visible. */
function putAtNavigator(gpu: unknown): () => void {
  const globals = globalThis as { navigator?: object };
  const { navigator } = globals;
  if (navigator) {
    Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true, writable: true });
    return () => Reflect.deleteProperty(navigator, "gpu");
  }
  Object.defineProperty(globals, "navigator", { value: { gpu }, configurable: true, writable: true });
  return () => Reflect.deleteProperty(globals, "navigator");
}

function firstLine(error: unknown): string {
  return String((error as Error)?.message ?? error).split("\n")[0];
}
