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

/** Whether gpu.js's thread pool works here; where it does not, plans run on the calling thread. */
export function threadsWork(): boolean {
  switch (runtime()) {
    case "node":
    case "deno":
      return true;
    case "bun":
      // Bun looks a blob worker up after gpu.js has revoked its address.
      return false;
    case "browser":
      return (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true;
  }
}
