/** The script of a thread: it computes units of kernels together with the thread that calls them. */
import { HOST } from "./assembler.ts";

/** Words at the beginning of the memory, in which threads tell one another how far they are. */
export const WORDS = {
  /** The number of the current job; 0 if there is none. */
  job: 0,
  /** How many of its shared kernels have begun. */
  step: 2,
  /** How many threads wait for the next one. */
  sleeping: 3,
  /** Not 0 if a kernel failed in a thread. */
  failed: 4,
  /** For each thread a {@link STATE}. */
  states: 16,
  /** Two for each shared kernel: the next unit, and how many units are done. */
  kernels: 64,
} as const;

/** What a thread is doing. It says so in memory, since a program that never ends a task hears no message. */
export const STATE = { starting: 0, resting: 1, working: 2 } as const;

/** How many threads there can be beside the calling one. */
export const MOST_OTHERS = WORDS.kernels - WORDS.states;

/** How many shared kernels a job can have: as many as there is room for. */
export const MOST_SHARED = (65_536 / 4 - WORDS.kernels) / 2;

/** A kernel that threads share. */
export interface SharedKernel {
  readonly name: string;
  readonly units: number;
  /** How many units a thread takes at a time. */
  readonly grain: number;
  readonly addresses: number;
}

/** Memory of the threads' own: that of the calling one comes first. */
export interface Scratch {
  readonly address: number;
  /** The bytes of each. */
  readonly bytes: number;
}

/** A message to a thread. */
export type Message =
  | { readonly kind: "memory"; readonly memory: WebAssembly.Memory; readonly thread: number }
  | { readonly kind: "load"; readonly id: number; readonly module: WebAssembly.Module }
  | { readonly kind: "unload"; readonly id: number }
  | {
    readonly kind: "run";
    readonly job: number;
    readonly id: number;
    readonly kernels: readonly SharedKernel[];
    readonly scratch: Scratch;
  };

/** The script; `port` and `hear` are those of `startThread`. Threads spin for a moment before they sleep, since kernels are short. */
export const SCRIPT = `
const W = ${JSON.stringify(WORDS)};
const STATE = ${JSON.stringify(STATE)};
const SPINS = 3000;
const instances = new Map();
let memory, words, state, own;
function awaitStep(index, job) {
  for (let spins = 0;; spins++) {
    if (Atomics.load(words, W.job) !== job) return false;
    const step = Atomics.load(words, W.step);
    if (step > index) return true;
    if (spins < SPINS) continue;
    Atomics.add(words, W.sleeping, 1);
    if (Atomics.load(words, W.job) === job) Atomics.wait(words, W.step, step, 1000);
    Atomics.sub(words, W.sleeping, 1);
    spins = 0;
  }
}
function work({ job, id, kernels, scratch }) {
  const mine = scratch.address + own * scratch.bytes;
  for (let k = 0; k < kernels.length; k++) {
    if (!awaitStep(k, job)) return;
    const { name, units, grain, addresses } = kernels[k];
    const next = W.kernels + 2 * k;
    for (;;) {
      const from = Atomics.add(words, next, grain);
      if (from >= units) break;
      const to = Math.min(units, from + grain);
      try {
        instances.get(id).exports[name](from, to, addresses, mine);
      } catch (error) {
        Atomics.store(words, W.failed, 1);
        port.postMessage({ kind: "failed", job, error: String(error && error.message || error) });
      }
      Atomics.add(words, next + 1, to - from);
      Atomics.notify(words, next + 1);
    }
  }
}
hear((message) => {
  switch (message.kind) {
    case "memory":
      memory = message.memory;
      words = new Int32Array(memory.buffer);
      state = W.states + message.thread;
      own = 1 + message.thread;
      Atomics.store(words, state, STATE.resting);
      return port.postMessage({ kind: "ready" });
    case "load":
      return instances.set(message.id, new WebAssembly.Instance(message.module, { ${HOST}: { memory } }));
    case "unload":
      return instances.delete(message.id);
    case "run":
      Atomics.store(words, state, STATE.working);
      try {
        work(message);
      } finally {
        Atomics.store(words, state, STATE.resting);
        Atomics.notify(words, state);
      }
  }
});
`;
