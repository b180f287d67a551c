/** The threads of the device: modules are loaded into all of them, and the units of kernels shared out. */
import { availableCores, runtime, startThread, type Thread, threadsWork } from "../../runtime.ts";
import { type Arrival, Arrivals } from "./arrivals.ts";
import { HOST } from "./assembler.ts";
import type { Memory } from "./memory.ts";
import {
  type Message,
  MOST_OTHERS,
  MOST_SHARED,
  type Scratch,
  SCRIPT,
  type SharedKernel,
  STATE,
  WORDS,
} from "./team_script.ts";

/** A module that every thread has. */
export interface CompiledModule {
  /** The memory that its code takes. */
  readonly bytes: number;
  /** Names it to other threads. */
  readonly id: number;
  readonly compiled: WebAssembly.Module | Promise<WebAssembly.Module>;
}

/** A kernel with its arrays. */
export interface KernelCall {
  /** The function. */
  readonly name: string;
  readonly units: number;
  /** About how many instructions a unit takes. */
  readonly weight: number;
  /** The address of the addresses of its arrays. */
  readonly addresses: number;
}

/** Runs some units of a kernel. */
type Run = (from: number, to: number, addresses: number) => void;

/** What kernels work in. */
export interface Surroundings {
  /** For as many threads as there can be. */
  readonly scratch: Scratch;
  /** Arrays that are copied to the memory before the calls that read them. Default none. */
  readonly arrivals?: readonly Arrival[];
}

type KernelFunction = (from: number, to: number, addresses: number, scratch: number) => void;

/** More threads do not pay: they share the memory's bandwidth. */
const MOST_THREADS = 32;
/** A kernel that takes fewer instructions than this is computed by the calling thread alone: waking others would take as long. */
const WORTH_SHARING = 200_000;
/** A thread takes about this many instructions at a time. */
const GRAIN = 60_000;
/** How often a thread looks before it sleeps. */
const SPINS = 3000;
/** Milliseconds after which the calling thread lets others of its program run, so that it hears of threads that died. */
const PATIENCE = 100;
/** Compiled code takes about this many times the bytes of a module. */
const CODE_PER_BYTE = 10;

/** How many threads there are to be, the calling one included. */
export function threadsWanted(): number {
  return threadsWork() ? Math.min(MOST_THREADS, availableCores()) : 1;
}

/** Why there is one thread here; `null` if there can be several. */
export function whyAlone(): string | null {
  return threadsWork() ? null : "the page is not cross-origin isolated, so threads cannot share memory";
}

/** A thread with what it has been told. */
interface Member {
  readonly thread: Thread;
  /** The word of its state. */
  readonly state: number;
  readonly modules: Set<number>;
}

export class Team {
  readonly #memory: Memory;
  /** How many threads are to be started, the calling one not included. */
  readonly #others: number;
  readonly #words: Int32Array;
  readonly #startThread: typeof startThread;
  #members: Member[] = [];
  #starting: Promise<void> | null = null;
  #problem: string | null = null;
  readonly #instances = new Map<number, WebAssembly.Instance>();
  #modules = 0;
  #jobs = 0;
  /** The error of another thread during a job. */
  #error: string | null = null;
  #last = 1;

  /**
   * @param threads how many compute, the calling one included.
   * @param start starts one.
   */
  constructor(memory: Memory, threads: number, start: typeof startThread = startThread) {
    this.#memory = memory;
    this.#startThread = start;
    this.#others = memory.shared ? Math.min(threads - 1, MOST_OTHERS) : 0;
    this.#words = new Int32Array(memory.memory.buffer, 0, WORDS.kernels + 2 * MOST_SHARED);
  }

  /** How many threads took part in the last call. */
  get threads(): number {
    return this.#last;
  }

  /** Why there are fewer threads than wanted; `null` if there are not. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Compiles a module. */
  load(bytes: Uint8Array<ArrayBuffer>): CompiledModule {
    // Browsers refuse to compile all but small modules while a page waits.
    const compiled = runtime() === "browser" ? WebAssembly.compile(bytes) : new WebAssembly.Module(bytes);
    return { bytes: CODE_PER_BYTE * bytes.length, id: this.#modules++, compiled };
  }

  unload({ id }: CompiledModule): void {
    this.#instances.delete(id);
    for (const { thread, modules } of this.#members) if (modules.delete(id)) this.#send(thread, { kind: "unload", id });
  }

  /** Starts the other threads, unless they are started already. Calls do not wait for them. */
  start(): Promise<void> {
    return this.#starting ??= this.#startAll();
  }

  async #startAll(): Promise<void> {
    await Promise.all(Array.from({ length: this.#others }, async (_, i) => {
      try {
        await this.#startOne(i);
      } catch (error) {
        this.#problem = `a thread could not be started: ${(error as Error).message}`;
      }
    }));
  }

  #startOne(index: number): Promise<void> {
    const state = WORDS.states + index;
    // An earlier thread may have been there.
    Atomics.store(this.#words, state, STATE.starting);
    return new Promise((resolve, reject) => {
      let member: Member | null = null;
      this.#startThread(SCRIPT, {
        message: (message) => {
          const { kind, error } = message as { kind: "ready" | "failed"; error?: string };
          if (kind === "failed") this.#error = error!;
          resolve();
        },
        failed: (error) => {
          this.#problem ??= `a thread ended: ${error.message}`;
          if (member) this.#lose(member);
          reject(error);
        },
      }).then((thread) => {
        member = { thread, state, modules: new Set() };
        this.#members.push(member);
        this.#send(thread, { kind: "memory", memory: this.#memory.memory, thread: index });
      }, reject);
    });
  }

  #lose(member: Member): void {
    this.#members = this.#members.filter((other) => other !== member);
    // Units that it had taken will never be done.
    if (this.#isThere(member)) this.#error ??= "a thread ended";
  }

  #isThere({ state }: Member): boolean {
    return Atomics.load(this.#words, state) !== STATE.starting;
  }

  #send(thread: Thread, message: Message): void {
    thread.send(message);
  }

  /** Ends the other threads. */
  end(): void {
    for (const { thread } of this.#members.splice(0)) thread.end();
  }

  /** How many threads there can be, the calling one included. */
  get most(): number {
    return 1 + this.#others;
  }

  /** Runs kernels one after the other. Calls must not overlap. */
  async run(
    module: CompiledModule,
    calls: readonly KernelCall[],
    { scratch, arrivals: expected = [] }: Surroundings,
  ): Promise<void> {
    const { exports } = await this.#instance(module);
    const arrivals = new Arrivals(this.#memory, expected);
    const shared = this.#others > 0 ? calls.filter(isWorthSharing).slice(0, MOST_SHARED) : [];
    if (shared.length > 0) void this.start();
    const members = shared.length > 0 ? this.#members.filter((member) => this.#isThere(member)) : [];
    this.#last = 1 + members.length;
    if (members.length === 0) {
      arrivals.complete(calls.length);
      for (const { name, units, addresses } of calls) {
        (exports[name] as KernelFunction)(0, units, addresses, scratch.address);
      }
      return;
    }
    const kernels = shared.map(({ name, units, weight, addresses }): SharedKernel => {
      const atOnce = Math.max(1, Math.ceil(GRAIN / weight));
      return { name, units, addresses, grain: Math.min(atOnce, Math.max(1, Math.ceil(units / (4 * this.#last)))) };
    });
    await this.#begin(members, module, { kernels, scratch });
    try {
      let k = 0;
      for (const [i, call] of calls.entries()) {
        arrivals.complete(i);
        const kernel = exports[call.name] as KernelFunction;
        if (call === shared[k]) {
          const run: Run = (from, to, addresses) => kernel(from, to, addresses, scratch.address);
          await this.#share(k, kernels[k++], { run, arrivals });
        } else kernel(0, call.units, call.addresses, scratch.address);
      }
    } finally {
      await this.#finish();
    }
  }

  /** Runs a kernel on this thread alone. */
  runAlone(module: CompiledModule, { name, units, addresses }: KernelCall, scratch: Scratch): void {
    const instance = this.#instances.get(module.id);
    if (!instance) throw new Error("wasm: a plan is profiled after it has run");
    (instance.exports[name] as KernelFunction)(0, units, addresses, scratch.address);
  }

  async #instance({ id, compiled }: CompiledModule): Promise<WebAssembly.Instance> {
    let instance = this.#instances.get(id);
    if (!instance) {
      const imports = { [HOST]: { memory: this.#memory.memory } };
      // A page may not make an instance of a large module while it waits.
      instance = runtime() === "browser"
        ? await WebAssembly.instantiate(await compiled, imports)
        : new WebAssembly.Instance(await compiled, imports);
      this.#instances.set(id, instance);
    }
    return instance;
  }

  async #begin(
    members: readonly Member[],
    module: CompiledModule,
    { kernels, scratch }: { readonly kernels: readonly SharedKernel[]; readonly scratch: Scratch },
  ): Promise<void> {
    const words = this.#words;
    const { id } = module;
    const compiled = await module.compiled;
    await this.#rest();
    this.#error = null;
    words.fill(0, WORDS.kernels, WORDS.kernels + 2 * kernels.length);
    Atomics.store(words, WORDS.failed, 0);
    Atomics.store(words, WORDS.step, 0);
    const job = this.#jobs = this.#jobs % 1_000_000_000 + 1;
    Atomics.store(words, WORDS.job, job);
    for (const { thread, modules } of members) {
      if (!modules.has(id)) {
        modules.add(id);
        this.#send(thread, { kind: "load", id, module: compiled });
      }
      this.#send(thread, { kind: "run", job, id, kernels, scratch });
    }
  }

  async #share(
    k: number,
    { units, grain, addresses }: SharedKernel,
    { run, arrivals }: { readonly run: Run; readonly arrivals: Arrivals },
  ): Promise<void> {
    const words = this.#words;
    const next = WORDS.kernels + 2 * k;
    Atomics.store(words, WORDS.step, k + 1);
    if (Atomics.load(words, WORDS.sleeping) > 0) Atomics.notify(words, WORDS.step);
    let own = 0;
    for (;;) {
      // Nobody else can copy these: units are left to the others meanwhile.
      if (Atomics.load(words, next + 1) < units && arrivals.next()) continue;
      const from = Atomics.add(words, next, grain);
      if (from >= units) break;
      const to = Math.min(units, from + grain);
      run(from, to, addresses);
      own += to - from;
    }
    Atomics.add(words, next + 1, own);
    await this.#until(next + 1, (done) => done >= units);
    if (Atomics.load(words, WORDS.failed) !== 0) {
      // The message says what it was.
      await pause();
      throw new Error(`wasm: a kernel failed in a thread: ${this.#error ?? "it does not say why"}`);
    }
  }

  async #finish(): Promise<void> {
    const words = this.#words;
    Atomics.store(words, WORDS.job, 0);
    Atomics.notify(words, WORDS.step);
    await this.#rest();
  }

  /** Waits until no thread is at work; those that ended are not. */
  async #rest(): Promise<void> {
    for (const member of [...this.#members]) {
      await this.#until(member.state, (state) => state !== STATE.working || !this.#members.includes(member));
    }
  }

  /** Waits until a word has a value that will do. Throws if a thread ended meanwhile. */
  async #until(word: number, holds: (value: number) => boolean): Promise<void> {
    const words = this.#words;
    for (let spins = 0; spins < SPINS; spins++) if (holds(Atomics.load(words, word))) return;
    for (;;) {
      const value = Atomics.load(words, word);
      if (holds(value)) return;
      if (canWait() && Atomics.wait(words, word, value, PATIENCE) !== "timed-out") continue;
      await pause();
      if (this.#error !== null) throw new Error(`wasm: ${this.#error}`);
    }
  }
}

function isWorthSharing({ units, weight }: KernelCall): boolean {
  return units > 1 && units * weight >= WORTH_SHARING;
}

/** Whether this thread may sleep: that of a page may not. */
function canWait(): boolean {
  return runtime() !== "browser" || typeof (globalThis as { window?: unknown }).window === "undefined";
}

/** Lets other parts of the program run. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
