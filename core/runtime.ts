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

/** Resolves with the next turn of the event loop, in which the runtime delivers its news. */
export function nextTurn(): Promise<void> {
  const { setImmediate: soon } = globalThis as { setImmediate?: (run: () => void) => unknown };
  return new Promise((done) => {
    if (soon) return void soon(done);
    if (runtime() !== "browser") return void setTimeout(done, 0);
    // Timers of a page wait 4 ms.
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });
}

/** The requirement of a backend on a page's policy; `null` in other runtimes, which have none. */
export function needsOfPolicy(runtime: Runtime, allowed: string): string | null {
  return runtime === "browser" ? `it needs a page whose Content-Security-Policy, if any, allows ${allowed}` : null;
}

/** @throws if functions cannot be made of text, which pages can forbid. */
export function assertFunctionsOfText(): void {
  try {
    new Function("");
  } catch (error) {
    throw new Error("the page's Content-Security-Policy forbids making functions from text", { cause: error });
  }
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

/** A thread that runs a script of its own. It does not keep the process alive. */
export interface Thread {
  send(message: unknown): void;
  end(): void;
}

/** Receives the messages of a thread. */
export interface ThreadListener {
  message(message: unknown): void;
  /** It ended, or never started. */
  failed(error: Error): void;
}

/** The worker of a browser, or of `node:worker_threads`. */
interface AnyWorker {
  postMessage(message: unknown): void;
  terminate(): unknown;
  unref?(): void;
  on?(event: string, listener: (value: never) => void): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: string; preventDefault?(): void }) => void) | null;
}

/** Returns a module of Node, which Deno and Bun have as well. It is not imported, since bundlers for browsers would look for it. */
export function builtin<T>(name: string): T {
  const { process } = globalThis as unknown as { process: { getBuiltinModule(name: string): T } };
  return process.getBuiltinModule(name);
}

/**
 * Starts a thread with the source of a classic script, whose messages go through `port`: `port.postMessage(...)` and `hear(listener)`.
 * Rejects if there can be none.
 */
export function startThread(source: string, listener: ThreadListener): Promise<Thread> {
  return new Promise((done) => done(threadOf(source, listener)));
}

function threadOf(source: string, listener: ThreadListener): Thread {
  const inBrowser = runtime() === "browser";
  const port = inBrowser
    ? "const port = self; const hear = (listener) => (self.onmessage = ({ data }) => listener(data));"
    : 'const port = require("node:worker_threads").parentPort; const hear = (listener) => port.on("message", listener);';
  const script = `"use strict"; ${port}\n${source}`;
  const worker = inBrowser ? browserWorker(script) : nodeWorker(script);
  const failed = (error: unknown) => listener.failed(error instanceof Error ? error : new Error(String(error)));
  if (worker.on) {
    worker.on("message", (message: unknown) => listener.message(message));
    worker.on("error", failed);
    worker.on("exit", (code: unknown) => failed(`a thread ended with code ${code}`));
    worker.unref?.();
  } else {
    worker.onmessage = ({ data }) => listener.message(data);
    worker.onerror = (event) => {
      event.preventDefault?.();
      failed(event.message ?? "a worker did not start");
    };
  }
  return { send: (message) => worker.postMessage(message), end: () => void worker.terminate() };
}

function browserWorker(script: string): AnyWorker {
  const { Worker } = globalThis as unknown as { Worker: new (url: string) => AnyWorker };
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    return new Worker(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

function nodeWorker(script: string): AnyWorker {
  type Threads = { Worker: new (script: string, options: { eval: boolean }) => AnyWorker };
  return new (builtin<Threads>("node:worker_threads").Worker)(script, { eval: true });
}

/** How many threads run at a time. */
export function availableCores(): number {
  const { navigator } = globalThis as { navigator?: { hardwareConcurrency?: number } };
  if (runtime() === "browser") return navigator?.hardwareConcurrency ?? 1;
  const os = builtin<{ availableParallelism?(): number; cpus(): unknown[] }>("node:os");
  return os.availableParallelism?.() ?? os.cpus().length;
}

/** Whether threads can share memory and wait here; otherwise plans run on the calling thread. */
export function threadsWork(): boolean {
  return runtime() !== "browser" || (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true;
}
