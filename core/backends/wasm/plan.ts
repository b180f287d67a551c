/** A plan as one module of WebAssembly over the memory of the device. */
import type { Values } from "../../entry.ts";
import type { Expression, Local } from "../../expression.ts";
import type { LoopForm } from "../../plan/form.ts";
import { sourceName } from "../../plan/lifetimes.ts";
import type { Plan, Source, Step } from "../../plan/plan.ts";
import type { Residents } from "../../residents.ts";
import { attributeText } from "../../structure.ts";
import { Value } from "../../value.ts";
import { asFloat32 } from "../arrays.ts";
import type { CompiledPlan } from "../backend.ts";
import { millisecondsOf } from "../timing.ts";
import { FEWEST_ELEMENTS } from "./arrivals.ts";
import { assemble } from "./assembler.ts";
import { columnsOf, groupsOf } from "./groups.ts";
import { writeGroup, writeKernel, type WrittenKernel } from "./kernel.ts";
import type { Columns } from "./own.ts";
import { writeOrder } from "./order.ts";
import { writeScatter } from "./scatter.ts";
import { type Memory, MemoryArray, OutOfMemory } from "./memory.ts";
import { type Siblings, siblingsWith } from "./siblings.ts";
import { type Kernel, type Plain, prepare, type Prepared, Schedule, sizesOf, type Slot } from "./schedule.ts";
import type { CompiledModule, KernelCall, Team } from "./team.ts";
import { codeText } from "./text.ts";

/** The state that the plans of a device share. */
export interface Shared {
  readonly memory: Memory;
  readonly team: Team;
  /** Whether kernels take fused multiply-add, as their loop forms do. */
  readonly multiplyAdd: boolean;
  /** Runs a call after those before it: they use the same threads. */
  inTurn<T>(run: () => Promise<T>): Promise<T>;
}

/** How a step is written. */
interface WriteOptions extends How {
  readonly name: string;
  readonly multiplyAdd: boolean;
}

function write(plan: Plan, step: Step, { name, multiplyAdd, siblings, columns }: WriteOptions): WrittenKernel {
  const { routine } = step;
  if (siblings) {
    const { form, iterations } = siblings;
    return writeKernel(name, form, { sizes: sizesOf(plan, siblings), iterations, multiplyAdd });
  }
  if (routine) return routine.name === "order" ? writeOrder(name, routine) : writeScatter(name, routine);
  if (!step.form) throw new Error(`wasm: the step "${step.name}" has no loop form`);
  return writeKernel(name, step.form, {
    sizes: sizesOf(plan, step),
    iterations: step.kernel.iterations,
    columns,
    multiplyAdd,
  });
}

/** How a step is computed: with others by one kernel, or with a part of the columns at a time. */
interface How {
  readonly siblings?: Siblings;
  readonly columns?: Columns;
}

function howOf(plan: Plan, index: number): How {
  return { siblings: siblingsWith(plan, index), columns: columnsOf(groupsOf(plan), index) };
}

/** Returns the kernel of a step in the text format of WebAssembly. */
export function stepText(plan: Plan, step: Step, multiplyAdd: boolean): string {
  const how = howOf(plan, plan.steps.indexOf(step));
  return codeText(write(plan, step, { ...how, name: step.name, multiplyAdd }).code);
}

/** The loop form of a kernel that no plan has. */
function plainForm(what: Plain, size: number): LoopForm {
  const x: Local = { kind: "local", id: 0, role: "thread" };
  const read = (argument: number): Expression => {
    return { kind: "read", argument, at: [{ base: 0, terms: [{ local: x, coefficient: 1 }] }] };
  };
  const results: Record<Plain, Expression> = {
    copy: read(0),
    zero: { kind: "literal", value: 0 },
    add: { kind: "call", name: "add", args: [read(0), read(1)] },
  };
  return { extent: [size], threads: [x], body: [], result: results[what] };
}

const READS: Record<Plain, number> = { zero: 0, copy: 1, add: 2 };

/** A kernel that is written, and what it was written from. */
interface Known {
  readonly source: readonly unknown[];
  /** The source as text, once another has to be compared with it. */
  text: string | null;
  readonly kernel: Kernel;
}

function kernelOf({ code, units, weight, scratch = 0, workspace = 0 }: WrittenKernel): Kernel {
  return { name: code.name, units, weight, scratch, workspace };
}

/** The kernels of a plan and of the bodies of its loops, equal ones once. */
class Written {
  readonly all: WrittenKernel[] = [];
  /** By their sizes. Few have the same, and the text of a form takes a tenth of the time that it takes to write a kernel. */
  readonly #known = new Map<string, Known[]>();
  readonly #multiplyAdd: boolean;

  constructor({ multiplyAdd }: Pick<Shared, "multiplyAdd">) {
    this.#multiplyAdd = multiplyAdd;
  }

  step(plan: Plan, index: number): Kernel {
    const step = plan.steps[index];
    const how = howOf(plan, index);
    const sizes = sizesOf(plan, how.siblings ?? step);
    const { kernel: { iterations } } = step;
    const form = how.siblings?.form ?? step.form;
    const rough = `${form?.extent} ${form?.body.length} ${sizes} ${iterations} ${how.columns?.width}`;
    const multiplyAdd = this.#multiplyAdd;
    return this.#once(
      rough,
      [step.routine ?? form, sizes, how.columns],
      (name) => write(plan, step, { ...how, name, multiplyAdd }),
    );
  }

  group(members: readonly { readonly kernel: Kernel; readonly words: number }[]): Kernel {
    const written = writeGroup(
      `k${this.all.length}`,
      members.map(({ kernel: { name }, words }) => {
        return { ...this.all.find(({ code }) => code.name === name)!, words };
      }),
    );
    this.all.push(written);
    return kernelOf(written);
  }

  plain(what: Plain, size: number): Kernel {
    const sizes = Array.from({ length: READS[what] }, () => size);
    const write = (name: string) => writeKernel(name, plainForm(what, size), { sizes, iterations: 0 });
    return this.#once(`${what} ${size}`, [what, size], write);
  }

  #once(rough: string, source: readonly unknown[], write: (name: string) => WrittenKernel): Kernel {
    const alike = this.#known.get(rough) ?? [];
    const text = alike.length === 0 ? null : attributeText(source);
    for (const known of alike) if ((known.text ??= attributeText(known.source)) === text) return known.kernel;
    const written = write(`k${this.all.length}`);
    const kernel = kernelOf(written);
    this.all.push(written);
    this.#known.set(rough, [...alike, { source, text, kernel }]);
    return kernel;
  }
}

/** Compiles the kernels of a plan. */
function compileKernels(plan: Plan, shared: Shared): { module: CompiledModule; prepared: Prepared } {
  const { memory, team } = shared;
  const written = new Written(shared);
  const prepared = prepare(plan, written);
  const bytes = assemble({
    memory: { initial: 1, maximum: memory.maximum, shared: memory.shared },
    imports: [],
    functions: written.all.map(({ code }) => code),
  });
  return { module: team.load(bytes), prepared };
}

/** An array whose elements are to be copied to the memory. */
interface Coming {
  readonly values: Float32Array;
  readonly array: MemoryArray;
}

/** The leaves of a run. */
interface Leaves {
  readonly slots: Slot[];
  readonly coming: readonly Coming[];
}

export class WasmPlan implements CompiledPlan {
  readonly bytes: number;
  readonly #shared: Shared;
  readonly #prepared: Prepared;
  readonly #module: CompiledModule;

  constructor(plan: Plan, shared: Shared) {
    this.#shared = shared;
    const { module, prepared } = compileKernels(plan, shared);
    this.#prepared = prepared;
    this.#module = module;
    this.bytes = module.bytes;
  }

  run(leaves: readonly Values[]): Promise<Values[]> {
    const { memory } = this.#shared;
    return this.#compute(
      (schedule) => Promise.resolve({ slots: this.#send(leaves, schedule), coming: [] }),
      (source, schedule) => {
        if (source.from === "leaf") return leaves[source.index];
        const { address, size } = schedule.find(source);
        return size === 0 ? new Float32Array(0) : memory.read(address, size);
      },
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
    /** Arrays that are copied to the memory while the plan runs. */
    const coming = new Map<Value, Coming>();
    try {
      const results = await this.#compute(async () => {
        memory.begin();
        const slots: Slot[] = [];
        const take = (i: number, array: MemoryArray): void => {
          array.hold();
          borrowed.push(array);
          slots[i] = { address: array.address, size: array.bytes / 4, of: null };
        };
        // Those that are here first: others might be sent to their places.
        const missing = this.#prepared.leaves.filter((i) => {
          const array = arrayOf(leaves[i], memory);
          if (array) take(i, array);
          return array === null;
        });
        for (const i of missing) {
          const values = asFloat32(await leaves[i].read());
          // Nothing else may happen between its arrival and its use: it could be freed.
          const array = arrayOf(leaves[i], memory) ?? coming.get(leaves[i])?.array;
          if (array) take(i, array);
          else if (values.length < FEWEST_ELEMENTS) take(i, send(values, leaves[i], memory));
          else {
            const room = new MemoryArray(memory, memory.allocate(values.length), values.length);
            coming.set(leaves[i], { values, array: room });
            take(i, room);
          }
        }
        return { slots, coming: [...coming.values()] };
      }, (source, schedule) => {
        if (source.from === "leaf") return leaves[source.index];
        if (source.from === "empty") return new Value(new Float32Array(0));
        const name = sourceName(source);
        let value = made.get(name);
        if (!value) {
          const slot = schedule.find(source);
          made.set(name, value = new Value(null, new MemoryArray(memory, schedule.adopt(slot), slot.size)));
        }
        return value;
      });
      for (const [value, { array }] of coming) value.place(array);
      coming.clear();
      return results;
    } finally {
      // Not all of it may be there.
      for (const { array } of coming.values()) array.free();
      for (const array of borrowed) array.unhold();
    }
  }

  /**
   * Runs the kernels.
   *
   * @param open provides the leaves that are read, by their numbers, and those among them that are on their way.
   * @param close returns a result, before all arrays that no one has adopted are freed.
   */
  #compute<T>(
    open: (schedule: Schedule) => Promise<Leaves>,
    close: (source: Source, schedule: Schedule) => T,
  ): Promise<T[]> {
    const { memory, team, inTurn } = this.#shared;
    return inTurn(async () => {
      const schedule = new Schedule(memory, this.#prepared, team.most);
      try {
        const { slots, coming } = await open(schedule);
        schedule.add(this.#prepared, slots);
        schedule.commit();
        const arrivals = coming.map(({ values, array: { address } }) => {
          return { values, address, before: schedule.firstToRead(address, values.length) };
        });
        await team.run(this.#module, schedule.calls, { scratch: schedule.scratch, arrivals });
        return this.#prepared.plan.results.map((source) => close(source, schedule));
      } finally {
        schedule.end();
      }
    });
  }

  profile(leaves: readonly Values[]): number[] {
    const { team, memory } = this.#shared;
    const { plan: { steps }, items } = this.#prepared;
    const schedule = new Schedule(memory, this.#prepared, 1);
    try {
      const ends = schedule.add(this.#prepared, this.#send(leaves, schedule), true);
      schedule.commit();
      const times: number[] = [];
      const timed = (calls: readonly KernelCall[]): number =>
        millisecondsOf(() => {
          for (const call of calls) team.runAlone(this.#module, call, schedule.scratch);
        });
      items.forEach((item, i) => {
        const calls = schedule.calls.slice(ends[i - 1] ?? 0, ends[i]);
        if (item.kind === "siblings") {
          const time = timed(calls) / item.steps.length;
          for (const { index } of item.steps) times[index] = time;
        } else if (item.kind === "group") item.members.forEach(({ index }, k) => times[index] = timed([calls[k]]));
        else times[item.kind === "step" ? item.index : steps.length + item.index] = timed(calls);
      });
      return times;
    } finally {
      schedule.end();
    }
  }

  dispose(): void {
    this.#shared.team.unload(this.#module);
  }

  #send(leaves: readonly Values[], schedule: Schedule): Slot[] {
    const slots: Slot[] = [];
    for (const i of this.#prepared.leaves) slots[i] = schedule.send(asFloat32(leaves[i]));
    return slots;
  }
}

/** Returns the array of a value in the memory; `null` if it is not there. */
function arrayOf(value: Value, memory: Memory): MemoryArray | null {
  const array = value.arrayOn("wasm");
  return array instanceof MemoryArray && array.memory === memory ? array : null;
}

/** Sends a value to the memory. */
function send(values: Float32Array, value: Value, memory: Memory): MemoryArray {
  const array = new MemoryArray(memory, memory.send(values), values.length);
  value.place(array);
  return array;
}
