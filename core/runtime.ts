/** What differs between Node, Deno, Bun and browsers. */

/** The names of runtimes. */
export type Runtime = "node" | "deno" | "bun" | "browser";

/** The runtime that this program runs in. */
export function runtime(): Runtime {
  const globals = globalThis as { Deno?: unknown; Bun?: unknown; process?: { versions?: { node?: string } } };
  if (globals.Deno !== undefined) return "deno";
  if (globals.Bun !== undefined) return "bun";
  return globals.process?.versions?.node ? "node" : "browser";
}

/** Returns an environment variable; `null` where there is none, or none may be read. Never asks for a permission. */
export function environmentVariable(variable: string): string | null {
  type Environment = Readonly<Record<string, string | undefined>>;
  const { Deno: deno, process } = globalThis as {
    Deno?: {
      permissions?: { querySync?(wanted: { name: "env"; variable: string }): { state: string } };
      env: { get(name: string): string | undefined };
    };
    process?: { env?: Environment };
  };
  if (deno === undefined) return process?.env?.[variable] ?? null;
  const state = deno.permissions?.querySync?.({ name: "env", variable }).state;
  return state === "granted" ? deno.env.get(variable) ?? null : null;
}

/** Prints a message for who debugs a program: on the standard error stream, so that output stays as it is; in browsers in the console. */
export function printDebug(text: string): void {
  if (runtime() === "browser") console.log(text);
  else console.error(text);
}

/**
 * Imports gpu.js with the globals that its choice of worker needs. gpu.js decides by `typeof Worker` once, when it is loaded: in
 * Deno, whose Worker refuses the classic blob workers that gpu.js makes, it must not see one, so that it takes node:worker_threads.
 */
export async function importGpuJs<T>(load: () => Promise<T>): Promise<T> {
  if (runtime() !== "deno") return await load();
  const globals = globalThis as { Worker?: unknown };
  const hidden = Object.getOwnPropertyDescriptor(globals, "Worker");
  if (!hidden?.configurable) return await load();
  Reflect.deleteProperty(globals, "Worker");
  try {
    return await load();
  } finally {
    Object.defineProperty(globals, "Worker", hidden);
  }
}

/**
 * Runs what may start workers. gpu.js revokes the address of a worker's source as soon as it has made the worker, as it may in browsers;
 * Bun looks it up later. There revoking waits until what was called is done.
 */
export async function whileWorkersStart<T>(call: () => Promise<T>): Promise<T> {
  if (runtime() !== "bun") return await call();
  const revoke = URL.revokeObjectURL;
  const put = (fn: typeof revoke) => (URL.revokeObjectURL = fn);
  if (waiting++ === 0) {
    original = revoke;
    put((url) => void revoked.push(url));
  }
  try {
    return await call();
  } finally {
    if (--waiting === 0) {
      put(original!);
      for (const url of revoked.splice(0)) original!(url);
    }
  }
}

let waiting = 0;
let original: typeof URL.revokeObjectURL | null = null;
const revoked: string[] = [];

/** What a WebGPU implementation outside of browsers exports. */
interface WebGpuAddon {
  create(options: string[]): unknown;
}

/** By a name that bundlers do not follow. */
const ADDON: string = "webgpu";

let addon: Promise<unknown> | null = null;

/**
 * Calls with WebGPU at `navigator.gpu`, where gpu.js looks for it. Node has none of its own; there the addon that comes with gpu.js
 * stands in for the time of the call.
 *
 * @throws where the addon cannot be loaded on this system.
 */
export async function withWebGpu<T>(
  call: () => T | Promise<T>,
  load: () => Promise<WebGpuAddon> = () => import(ADDON),
): Promise<T> {
  const globals = globalThis as { navigator?: { gpu?: unknown } };
  if (globals.navigator?.gpu || runtime() !== "node") return await call();
  addon ??= load().then((module) => module.create([]));
  let gpu: unknown;
  try {
    gpu = await addon;
  } catch (error) {
    addon = null;
    throw new Error(`cannot load the package "webgpu": ${firstLine(error)}`, { cause: error });
  }
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true, writable: true });
  try {
    return await call();
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globals.navigator;
  }
}

function firstLine(error: unknown): string {
  return String((error as Error)?.message ?? error).split("\n")[0];
}

/** Whether gpu.js's thread pool works here; where it does not, plans run on the calling thread. */
export function threadsWork(): boolean {
  return runtime() !== "browser" || (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true;
}

/** Where devices that do not run everywhere run. */
const HOMES: Readonly<Record<string, readonly Runtime[]>> = {
  webgpu: ["browser", "deno", "node"],
  webgl2: ["browser"],
  webgl: ["browser"],
  headlessgl: ["node"],
};

/** The runtimes that can have a device of this name; all where it says nothing. */
export function homesOf(device: string): readonly Runtime[] | null {
  return HOMES[device] ?? null;
}

/** What a device needs of the system, as advice to who misses it. */
export function needsOf(device: string): string | null {
  if (device === "headlessgl") {
    return 'it needs the optional package "gl", which npm builds where libxi-dev, libxext-dev, libx11-dev, libgl1-mesa-dev and ' +
      "pkg-config are installed, and an X display (`xvfb-run -a` gives one)";
  }
  if (device !== "webgpu") return null;
  switch (runtime()) {
    case "deno":
      return "it needs a Vulkan driver, Metal or Direct3D 12 (mesa-vulkan-drivers has one that needs no GPU)";
    case "node":
      return "the package comes with gpu.js, and needs a system that is new enough for it";
    default:
      return "it needs a browser that has WebGPU, and a page that is served over https or from localhost";
  }
}
