/** A plan as one module of WebAssembly over the memory of the device. */
import type { Values } from "../../entry.ts";
import { type Plan, sizeOfSource, type Source, type Step } from "../../plan/plan.ts";
import { sizeOf } from "../../shape.ts";
import { asFloat32 } from "../arrays.ts";
import type { CompiledPlan } from "../backend.ts";
import { assemble } from "./assembler.ts";
import { writeKernel, type WrittenKernel } from "./kernel.ts";
import type { Memory } from "./memory.ts";
import type { CompiledModule, Team } from "./team.ts";
import { codeText } from "./text.ts";

/** What the plans of a device share. */
export interface Shared {
  readonly memory: Memory;
  readonly team: Team;
  /** Runs a call after those before it: they use the same threads. */
  inTurn<T>(run: () => Promise<T>): Promise<T>;
}

/** A kernel of a plan that is compiled. */
interface Kernel {
  readonly name: string;
  readonly units: number;
  readonly weight: number;
}

/** An array in the memory. */
interface Allocation {
  readonly address: number;
  readonly size: number;
}

function sizesOf(plan: Plan, { args }: Step): number[] {
  return args.map((source) => sizeOfSource(plan, source));
}

function write(plan: Plan, step: Step, name: string): WrittenKernel {
  if (!step.form) throw new Error(`wasm: the step "${step.name}" has no loop form`);
  return writeKernel(name, step.form, { sizes: sizesOf(plan, step), iterations: step.kernel.iterations });
}

/** Returns the kernel of a step in the text format of WebAssembly. */
export function stepText(plan: Plan, step: Step): string {
  return codeText(write(plan, step, step.name).code);
}

/** JSON has no NaN, no infinity and no -0. */
function numberKey(value: unknown): unknown {
  if (typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0))) return value;
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Compiles the kernels of a plan, equal ones once. */
function compileKernels(plan: Plan, { memory, team }: Shared): { module: CompiledModule; kernels: Kernel[] } {
  const known = new Map<string, Kernel>();
  const written: WrittenKernel[] = [];
  const kernels = plan.steps.map((step) => {
    const key = JSON.stringify([step.form, sizesOf(plan, step)], (_, value: unknown) => numberKey(value));
    let kernel = known.get(key);
    if (!kernel) {
      const made = write(plan, step, `k${written.length}`);
      written.push(made);
      known.set(key, kernel = { name: made.code.name, units: made.units, weight: made.weight });
    }
    return kernel;
  });
  const bytes = assemble({
    memory: { initial: 1, maximum: memory.maximum, shared: memory.shared },
    imports: [],
    functions: written.map(({ code }) => code),
  });
  return { module: team.load(bytes), kernels };
}

/** For each step the arrays that nothing reads after it: `leaf 0`, `step 3`. */
function lastReads(plan: Plan): string[][] {
  const last = new Map<string, number>();
  const note = (source: Source, at: number) => {
    if (source.from !== "empty") last.set(nameOf(source), at);
  };
  plan.steps.forEach(({ args }, i) => {
    note({ from: "step", index: i }, i);
    for (const source of args) note(source, i);
  });
  for (const source of plan.results) note(source, Infinity);
  const after = plan.steps.map((): string[] => []);
  for (const [name, at] of last) if (at < after.length) after[at].push(name);
  return after;
}

function nameOf(source: Source & { readonly index: number }): string {
  return `${source.from} ${source.index}`;
}

export class WasmPlan implements CompiledPlan {
  readonly bytes: number;
  readonly #plan: Plan;
  readonly #shared: Shared;
  readonly #kernels: readonly Kernel[];
  readonly #module: CompiledModule;
  readonly #lastReads: readonly (readonly string[])[];
  /** The leaves that kernels read. */
  readonly #leaves: readonly number[];

  constructor(plan: Plan, shared: Shared) {
    this.#plan = plan;
    this.#shared = shared;
    const { module, kernels } = compileKernels(plan, shared);
    this.#kernels = kernels;
    this.#module = module;
    this.#lastReads = lastReads(plan);
    const read = plan.steps.flatMap(({ args }) => args.flatMap((arg) => (arg.from === "leaf" ? [arg.index] : [])));
    this.#leaves = [...new Set(read)];
    this.bytes = module.bytes;
  }

  run(leaves: readonly Values[]): Promise<Values[]> {
    return this.#shared.inTurn(async () => {
      const { team } = this.#shared;
      const arrays = new Arrays(this.#shared.memory, leaves);
      try {
        this.#open(arrays);
        const calls = this.#kernels.map((kernel, i) => ({ ...kernel, addresses: this.#place(i, arrays) }));
        await team.run(this.#module, calls);
        return this.#plan.results.map((source) => arrays.receive(source));
      } finally {
        arrays.freeAll();
      }
    });
  }

  profile(leaves: readonly Values[]): number[] {
    const { team, memory } = this.#shared;
    const arrays = new Arrays(memory, leaves);
    try {
      this.#open(arrays);
      return this.#kernels.map((kernel, i) => {
        const addresses = this.#place(i, arrays, false);
        return Math.min(...[0, 1, 2].map(() => team.time(this.#module, { ...kernel, addresses })));
      });
    } finally {
      arrays.freeAll();
    }
  }

  dispose(): void {
    this.#shared.team.unload(this.#module);
  }

  #open(arrays: Arrays): void {
    arrays.reserve(this.#plan.steps.reduce((sum, { args }) => sum + 1 + args.length, 0));
    for (const i of this.#leaves) arrays.send(i);
  }

  /** Returns the address of the addresses that a step takes, and frees what nothing reads after it. */
  #place(index: number, arrays: Arrays, reuse = true): number {
    const { args, shape } = this.#plan.steps[index];
    arrays.allocate(`step ${index}`, sizeOf(shape));
    const addresses = arrays.table(
      [{ from: "step", index } as const, ...args].map((source) => arrays.addressOf(source)),
    );
    if (reuse) { for (const name of this.#lastReads[index]) arrays.free(name); }
    return addresses;
  }
}

/** The arrays of one run. */
class Arrays {
  readonly #memory: Memory;
  readonly #leaves: readonly Values[];
  readonly #held = new Map<string, Allocation>();
  /** The addresses that steps take, and how many are written. They must outlive all arrays, since all are written before the first step. */
  #table: Allocation | null = null;
  #written = 0;

  constructor(memory: Memory, leaves: readonly Values[]) {
    this.#memory = memory;
    this.#leaves = leaves;
  }

  allocate(name: string, size: number): number {
    const address = this.#memory.allocate(size);
    this.#held.set(name, { address, size });
    return address;
  }

  /** Copies a leaf into the memory. */
  send(index: number): void {
    const values = asFloat32(this.#leaves[index]);
    const address = this.allocate(`leaf ${index}`, values.length);
    this.#memory.floats.set(values, address / 4);
  }

  addressOf(source: Source): number {
    // An array without elements is never read.
    return source.from === "empty" ? 0 : this.#held.get(nameOf(source))!.address;
  }

  /** Returns the values of a result, which the host has if it is a leaf. */
  receive(source: Source): Values {
    if (source.from === "leaf") return this.#leaves[source.index];
    if (source.from === "empty") return new Float32Array(0);
    const { address, size } = this.#held.get(nameOf(source))!;
    const values = new Float32Array(size);
    values.set(this.#memory.floats.subarray(address / 4, address / 4 + size));
    return values;
  }

  /** Makes room for as many addresses. */
  reserve(count: number): void {
    this.#table = { address: this.#memory.allocate(count), size: count };
  }

  /** Writes addresses into the memory and returns where they are. */
  table(addresses: readonly number[]): number {
    const start = this.#table!.address + 4 * this.#written;
    this.#written += addresses.length;
    new Uint32Array(this.#memory.memory.buffer, start, addresses.length).set(addresses);
    return start;
  }

  free(name: string): void {
    const held = this.#held.get(name);
    if (!held) return;
    this.#held.delete(name);
    this.#memory.free(held.address, held.size);
  }

  freeAll(): void {
    for (const name of [...this.#held.keys()]) this.free(name);
    if (this.#table) this.#memory.free(this.#table.address, this.#table.size);
    this.#table = null;
  }
}
