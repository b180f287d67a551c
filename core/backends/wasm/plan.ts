/** A plan as one module of WebAssembly over the memory of the device. */
import type { Values } from "../../entry.ts";
import { lastReads, leavesRead } from "../../plan/lifetimes.ts";
import { type Plan, sizeOfSource, type Source, type Step } from "../../plan/plan.ts";
import type { Residents } from "../../residents.ts";
import { sizeOf } from "../../shape.ts";
import { attributeText } from "../../structure.ts";
import { Value } from "../../value.ts";
import { asFloat32 } from "../arrays.ts";
import type { CompiledPlan } from "../backend.ts";
import { millisecondsOf } from "../timing.ts";
import { assemble } from "./assembler.ts";
import { writeKernel, type WrittenKernel } from "./kernel.ts";
import { type Memory, MemoryArray, OutOfMemory } from "./memory.ts";
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

/** Compiles the kernels of a plan, equal ones once. */
function compileKernels(plan: Plan, { memory, team }: Shared): { module: CompiledModule; kernels: Kernel[] } {
  const known = new Map<string, Kernel>();
  const written: WrittenKernel[] = [];
  const kernels = plan.steps.map((step) => {
    const key = attributeText([step.form, sizesOf(plan, step)]);
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

/** A source that names an array. */
type Named = Exclude<Source, { readonly from: "empty" }>;

function nameOf(source: Named): string {
  return `${source.from} ${source.index}`;
}

export class WasmPlan implements CompiledPlan {
  readonly bytes: number;
  readonly #plan: Plan;
  readonly #shared: Shared;
  readonly #kernels: readonly Kernel[];
  readonly #module: CompiledModule;
  /** For each step the arrays that nothing reads after it. */
  readonly #lastReads: readonly (readonly Named[])[];
  /** The leaves that kernels read. */
  readonly #leaves: readonly number[];

  constructor(plan: Plan, shared: Shared) {
    this.#plan = plan;
    this.#shared = shared;
    const { module, kernels } = compileKernels(plan, shared);
    this.#kernels = kernels;
    this.#module = module;
    const [leaves, steps] = [lastReads("leaf", plan), lastReads("step", plan)];
    this.#lastReads = plan.steps.map((_, i) => [
      ...leaves[i].map((index): Named => ({ from: "leaf", index })),
      ...steps[i].map((index): Named => ({ from: "step", index })),
    ]);
    this.#leaves = leavesRead(plan);
    this.bytes = module.bytes;
  }

  run(leaves: readonly Values[]): Promise<Values[]> {
    return this.#compute(
      (arrays) => this.#send(leaves, arrays),
      (source, arrays) => source.from === "leaf" ? leaves[source.index] : arrays.read(source),
    );
  }

  async runHere(leaves: readonly Value[], residents: Residents): Promise<Value[]> {
    let results: Value[];
    try {
      results = await this.#computeHere(leaves);
    } catch (error) {
      if (!(error instanceof OutOfMemory)) throw error;
      // Values that wait to be read, or for the garbage collector, make room.
      await residents.trim(0);
      results = await this.#computeHere(leaves);
    }
    await this.#shared.memory.collect();
    return results;
  }

  async #computeHere(leaves: readonly Value[]): Promise<Value[]> {
    const { memory } = this.#shared;
    const borrowed: MemoryArray[] = [];
    const made = new Map<string, Value>();
    try {
      return await this.#compute(async (arrays) => {
        for (const i of this.#leaves) {
          const array = await here(leaves[i], memory);
          array.hold();
          borrowed.push(array);
          arrays.borrow({ from: "leaf", index: i }, array.address);
        }
      }, (source, arrays) => {
        if (source.from === "leaf") return leaves[source.index];
        if (source.from === "empty") return new Value(new Float32Array(0));
        let value = made.get(nameOf(source));
        if (!value) made.set(nameOf(source), value = new Value(null, arrays.adopt(source)));
        return value;
      });
    } finally {
      for (const array of borrowed) array.unhold();
    }
  }

  /**
   * Runs the kernels.
   *
   * @param open provides the leaves that kernels read.
   * @param close returns a result, before all arrays that no one has adopted are freed.
   */
  #compute<T>(
    open: (arrays: Arrays) => void | Promise<void>,
    close: (source: Source, arrays: Arrays) => T,
  ): Promise<T[]> {
    const { memory, team, inTurn } = this.#shared;
    return inTurn(async () => {
      const arrays = new Arrays(memory);
      try {
        this.#reserve(arrays);
        await open(arrays);
        const calls = this.#kernels.map((kernel, i) => ({ ...kernel, addresses: this.#place(i, arrays) }));
        await team.run(this.#module, calls);
        return this.#plan.results.map((source) => close(source, arrays));
      } finally {
        arrays.freeAll();
      }
    });
  }

  profile(leaves: readonly Values[]): number[] {
    const { team, memory } = this.#shared;
    const arrays = new Arrays(memory);
    try {
      this.#reserve(arrays);
      this.#send(leaves, arrays);
      return this.#kernels.map((kernel, i) => {
        const addresses = this.#place(i, arrays, false);
        return millisecondsOf(() => team.runAlone(this.#module, { ...kernel, addresses }));
      });
    } finally {
      arrays.freeAll();
    }
  }

  dispose(): void {
    this.#shared.team.unload(this.#module);
  }

  #reserve(arrays: Arrays): void {
    arrays.reserve(this.#plan.steps.reduce((sum, { args }) => sum + 1 + args.length, 0));
  }

  #send(leaves: readonly Values[], arrays: Arrays): void {
    for (const i of this.#leaves) arrays.send({ from: "leaf", index: i }, asFloat32(leaves[i]));
  }

  /** Returns the address of the addresses that a step takes, and frees what nothing reads after it. */
  #place(index: number, arrays: Arrays, reuse = true): number {
    const { args, shape } = this.#plan.steps[index];
    const result = { from: "step", index } as const;
    arrays.allocate(result, sizeOf(shape));
    const addresses = arrays.table([result, ...args].map((source) => arrays.addressOf(source)));
    if (reuse) { for (const source of this.#lastReads[index]) arrays.free(nameOf(source)); }
    return addresses;
  }
}

/** Returns the array of a value in the memory, to which it is sent unless it is there. */
async function here(value: Value, memory: Memory): Promise<MemoryArray> {
  const known = value.arrayOn("wasm");
  if (known instanceof MemoryArray && known.memory === memory) return known;
  const values = asFloat32(await value.read());
  const array = new MemoryArray(memory, memory.send(values), values.length);
  value.place(array);
  return array;
}

/** The arrays of one run. */
class Arrays {
  readonly #memory: Memory;
  readonly #held = new Map<string, Allocation>();
  /** Addresses of arrays that are not freed here. */
  readonly #borrowed = new Map<string, number>();
  /** The addresses that steps take, and how many are written. They must outlive all arrays, since all are written before the first step. */
  #table: Allocation | null = null;
  #written = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  allocate(source: Named, size: number): void {
    this.#held.set(nameOf(source), { address: this.#memory.allocate(size), size });
  }

  /** Copies values into the memory. */
  send(source: Named, values: Float32Array): void {
    this.#held.set(nameOf(source), { address: this.#memory.send(values), size: values.length });
  }

  borrow(source: Named, address: number): void {
    this.#borrowed.set(nameOf(source), address);
  }

  addressOf(source: Source): number {
    // An array without elements is never read.
    if (source.from === "empty") return 0;
    const name = nameOf(source);
    return this.#borrowed.get(name) ?? this.#held.get(name)!.address;
  }

  /** Copies a result to the host. */
  read(source: Source): Values {
    if (source.from === "empty") return new Float32Array(0);
    const { address, size } = this.#held.get(nameOf(source))!;
    return this.#memory.read(address, size);
  }

  /** Hands a result over, which stays in the memory. */
  adopt(source: Named): MemoryArray {
    const name = nameOf(source);
    const { address, size } = this.#held.get(name)!;
    this.#held.delete(name);
    return new MemoryArray(this.#memory, address, size);
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
