/** Differences between Node, Deno, Bun and browsers. */

/** The runtimes. */
export const RUNTIMES = ["node", "deno", "bun", "browser"] as const;
export type Runtime = typeof RUNTIMES[number];

/** The runtime that this program runs in. */
export function runtime(): Runtime {
  const globals = globalThis as { Deno?: unknown; Bun?: unknown; process?: { versions?: { node?: string } } };
  if (globals.Deno !== undefined) return "deno";
  if (globals.Bun !== undefined) return "bun";
  return globals.process?.versions?.node ? "node" : "browser";
}

/** Returns an environment variable; `null` if it is not set or may not be read. Never prompts for a permission. */
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
 * Runs a function that may start workers. gpu.js revokes the address of a worker's source as soon as it has made the worker, as it may in browsers;
 * Bun looks it up later. On Bun revoking waits until the function has finished.
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

/** Whether gpu.js's thread pool works here; otherwise plans run on the calling thread. */
export function threadsWork(): boolean {
  return runtime() !== "browser" || (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true;
}
