/** The calls of a run, and where their arrays are: worked out before the first of them, so that loops cost no more than their kernels. */
import { leavesRead, sourceName, unread } from "../../plan/lifetimes.ts";
import { interleaved, type LoopStep, type Plan, sizeOfSource, type Source, type Step } from "../../plan/plan.ts";
import { sizeOf } from "../../shape.ts";
import { columnsOf, type Group, groupsOf } from "./groups.ts";
import type { Memory } from "./memory.ts";
import { type Siblings, siblingsOf } from "./siblings.ts";
import type { KernelCall } from "./team.ts";
import type { Scratch } from "./team_script.ts";

/** A kernel that is compiled. */
export interface Kernel extends Omit<KernelCall, "addresses"> {
  /** How many elements of memory of its own a thread takes for it. */
  readonly scratch: number;
  /** How many elements of memory all its units together work in. */
  readonly workspace: number;
}

/** Makes the kernels of plans. */
export interface Kernels {
  /** The kernel of a step: one whose units are parts of columns, if it is in a group, or that computes its siblings as well. */
  step(plan: Plan, index: number): Kernel;
  /** One that runs others part by part. */
  group(members: readonly { readonly kernel: Kernel; readonly words: number }[]): Kernel;
  /** One that copies an array, sets it to 0, or adds up two. */
  plain(what: Plain, size: number): Kernel;
}

export type Plain = "copy" | "zero" | "add";

/** A plan with its kernels, and with what nothing reads after each of its steps and loops. */
export interface Prepared {
  readonly plan: Plan;
  readonly items: readonly Item[];
  /** The leaves that are read. */
  readonly leaves: readonly number[];
  /** How many addresses its calls take. */
  readonly words: number;
  /** The most elements of memory of its own that a thread takes. */
  readonly scratch: number;
}

type Item = PreparedStep | PreparedLoop | PreparedGroup | PreparedSiblings;

/** Kernels that run together, part by part. */
interface PreparedGroup {
  readonly kind: "group";
  readonly members: readonly PreparedStep[];
  readonly kernel: Kernel;
  readonly last: readonly Source[];
}

/** Steps that one kernel computes. */
interface PreparedSiblings {
  readonly kind: "siblings";
  readonly steps: readonly PreparedStep[];
  readonly kernel: Kernel;
  readonly args: readonly Source[];
  readonly last: readonly Source[];
}

interface PreparedStep {
  readonly kind: "step";
  readonly index: number;
  readonly kernel: Kernel;
  readonly size: number;
  /** Whether the threads have parts of it in memory of their own: there is no array. */
  readonly isOwn: boolean;
  readonly args: readonly Source[];
  readonly last: readonly Source[];
}

interface PreparedLoop {
  readonly kind: "loop";
  readonly index: number;
  readonly loop: LoopStep;
  readonly body: Prepared;
  readonly sizes: readonly number[];
  /** For each result what the kernels are called that keep it, and the step of the body that writes it where it is kept, if one can. */
  readonly keep: readonly Keep[];
  readonly last: readonly Source[];
}

type Keep =
  | { readonly as: "last" }
  | { readonly as: "stacked"; readonly row: number; readonly step: number | null; readonly copy: Kernel }
  | { readonly as: "summed"; readonly size: number; readonly zero: Kernel; readonly add: Kernel };

/** Prepares a plan. */
export function prepare(plan: Plan, kernels: Kernels): Prepared {
  const { steps, loops = [] } = plan;
  const last = unread(plan);
  const groups = groupsOf(plan);
  const prepared = [
    ...steps.map((step, index): PreparedStep => ({
      kind: "step",
      index,
      kernel: kernels.step(plan, index),
      size: sizeOf(step.shape),
      isOwn: typeof columnsOf(groups, index)?.out === "number",
      args: step.args,
      last: last.steps[index],
    })),
    ...loops.map((loop, index): PreparedLoop => prepareLoop(loop, index, { kernels, last: last.loops[index] })),
  ];
  const inOrder = interleaved(prepared.slice(0, steps.length), prepared.slice(steps.length), loops);
  const items = withSiblings(grouped(inOrder, groups, kernels), siblingsOf(plan));
  return {
    plan,
    items,
    leaves: leavesRead(plan),
    words: items.reduce((sum, item) => sum + wordsOf(item), 0),
    scratch: items.reduce((most, item) => Math.max(most, (item.kind === "loop" ? item.body : item.kernel).scratch), 0),
  };
}

/** Puts the steps of groups together. */
function grouped(items: readonly (PreparedStep | PreparedLoop)[], groups: readonly Group[], kernels: Kernels): Item[] {
  const all: Item[] = [...items];
  for (const { first, count } of groups) {
    const at = all.findIndex((item) => item.kind === "step" && item.index === first);
    // No loop runs between them.
    const members = all.slice(at, at + count) as PreparedStep[];
    const kernel = kernels.group(members.map((member) => ({ kernel: member.kernel, words: wordsOf(member) })));
    all.splice(at, count, { kind: "group", members, kernel, last: members.flatMap(({ last }) => last) });
  }
  return all;
}

/** Puts siblings together, where the first of them is. */
function withSiblings(items: readonly Item[], found: readonly Siblings[]): Item[] {
  const all = [...items];
  for (const { steps, args } of found) {
    const placeOf = (index: number) => all.findIndex((item) => item.kind === "step" && item.index === index);
    const members = steps.map((index) => all[placeOf(index)] as PreparedStep);
    const [{ kernel, last }, ...others] = members;
    all[placeOf(steps[0])] = { kind: "siblings", steps: members, kernel, args, last };
    for (const { index, last } of others) {
      const at = placeOf(index);
      // Others may read until here what it reads last.
      all[at - 1] = { ...all[at - 1], last: [...all[at - 1].last, ...last] };
      all.splice(at, 1);
    }
  }
  return all;
}

function wordsOf(item: Item): number {
  if (item.kind === "siblings") return item.steps.length + item.args.length;
  if (item.kind === "group") return item.members.reduce((sum, member) => sum + wordsOf(member), 0);
  if (item.kind === "step") return 1 + item.args.length + (item.kernel.workspace > 0 ? 1 : 0);
  return item.loop.count * (item.body.words + 3 * item.keep.length) + item.keep.length;
}

function prepareLoop(
  loop: LoopStep,
  index: number,
  { kernels, last }: { readonly kernels: Kernels; readonly last: readonly Source[] },
): PreparedLoop {
  const { body, count, results, shapes } = loop;
  const sizes = shapes.map(sizeOf);
  const placed = new Set<number>();
  const keep = results.map(({ as, of }, k): Keep => {
    const size = sizes[k];
    if (as === "last") return { as };
    if (as === "summed") return { as, size, zero: kernels.plain("zero", size), add: kernels.plain("add", size) };
    const source = body.results[of];
    const step = source.from === "step" && !placed.has(source.index) ? source.index : null;
    if (step !== null) placed.add(step);
    return { as, row: size / count, step, copy: kernels.plain("copy", size / count) };
  });
  return { kind: "loop", index, loop, body: prepare(body, kernels), sizes, keep, last };
}

/** An allocation, which is freed once nobody uses it. */
interface Block {
  readonly address: number;
  readonly size: number;
  users: number;
}

/** An array in the memory. */
export interface Slot {
  readonly address: number;
  readonly size: number;
  /** The allocation that it is, or a part of; `null` if somebody else sees to it. */
  readonly of: Block | null;
}

const NOTHING: Slot = { address: 0, size: 0, of: null };

/** The arrays of a plan, or of one time of a body. */
interface Frame {
  readonly leaves: readonly Slot[];
  readonly steps: Slot[];
  readonly loops: (readonly Slot[])[];
  /** Arrays of steps that are there already. */
  readonly placed: ReadonlyMap<number, Slot>;
}

/** The calls of one run, in order, and the arrays that they use. */
export class Schedule {
  readonly calls: KernelCall[] = [];
  readonly #memory: Memory;
  readonly #blocks = new Set<Block>();
  /** The addresses that the calls take, and where they are to be written. */
  readonly #words: number[] = [];
  readonly #table: Block;
  /** Memory of the threads' own. */
  readonly scratch: Scratch;
  #frame: Frame | null = null;

  /** @param threads how many may compute. */
  constructor(memory: Memory, { words, scratch }: Prepared, threads: number) {
    this.#memory = memory;
    this.#table = this.#allocate(words).of!;
    this.scratch = { address: scratch === 0 ? 0 : this.#allocate(scratch * threads).address, bytes: 4 * scratch };
  }

  /** Copies values into the memory. */
  send(values: Float32Array): Slot {
    return this.#own(this.#memory.send(values), values.length);
  }

  /**
   * Adds the calls of a plan.
   *
   * @param leaves those that are read, by their numbers.
   * @param keep whether all arrays keep what is in them, so that each call can be repeated.
   * @returns for each step and loop, in their order, how many calls there are when it is done.
   */
  add(prepared: Prepared, leaves: readonly Slot[], keep = false): number[] {
    const frame: Frame = { leaves, steps: [], loops: [], placed: new Map() };
    this.#frame = frame;
    return prepared.items.map((item) => {
      this.#item(item, frame, keep ? null : item.last);
      return this.calls.length;
    });
  }

  /** Writes the addresses that the calls take. No array may be allocated between this and the calls. */
  commit(): void {
    const { address } = this.#table;
    new Uint32Array(this.#memory.memory.buffer, address, this.#words.length).set(this.#words);
  }

  /** Returns the number of the first call that takes an array in this part of the memory, or a row of it; 0 if none does. */
  firstToRead(address: number, size: number): number {
    const word = this.#words.findIndex((own) => own >= address && own < address + 4 * size);
    const after = this.calls.findIndex(({ addresses }) => addresses > this.#table.address + 4 * word);
    return word < 0 ? 0 : (after < 0 ? this.calls.length : after) - 1;
  }

  /** Returns the slot of a result. */
  find(source: Source): Slot {
    return find(source, this.#frame!);
  }

  /** Hands an array over, which is no longer freed with the others: a copy, if it is not there for itself. */
  adopt({ address, size, of }: Slot): number {
    if (of && of.users === 1 && of.size === size && this.#blocks.delete(of)) return address;
    const copy = this.#memory.allocate(size);
    this.#memory.floats.copyWithin(copy / 4, address / 4, address / 4 + size);
    return copy;
  }

  /** Frees all arrays. */
  end(): void {
    for (const { address, size } of this.#blocks) this.#memory.free(address, size);
    this.#blocks.clear();
  }

  #allocate(size: number): Slot {
    return this.#own(this.#memory.allocate(size), size);
  }

  #own(address: number, size: number): Slot {
    const block: Block = { address, size, users: 1 };
    this.#blocks.add(block);
    return { address, size, of: block };
  }

  #release({ of }: Slot): void {
    if (!of || --of.users > 0 || !this.#blocks.delete(of)) return;
    this.#memory.free(of.address, of.size);
  }

  #call(kernel: Kernel, slots: readonly Slot[]): void {
    const { name, units, weight } = kernel;
    this.calls.push({ name, units, weight, addresses: this.#table.address + 4 * this.#words.length });
    for (const { address } of slots) this.#words.push(address);
  }

  #item(item: Item, frame: Frame, last: readonly Source[] | null): void {
    if (item.kind === "group") {
      const calls = this.calls.length;
      for (const member of item.members) this.#item(member, frame, null);
      // One call in place of those of all members, whose addresses follow one another. Kernels that are timed run alone.
      if (last) {
        const { name, units, weight } = item.kernel;
        const [{ addresses }] = this.calls.splice(calls);
        this.calls.push({ name, units, weight, addresses });
      }
    } else if (item.kind === "siblings") {
      const slots = item.steps.map((step) => this.#slotOf(step, frame));
      this.#call(item.kernel, [...slots, ...item.args.map((source) => find(source, frame))]);
    } else if (item.kind === "step") {
      const slot = this.#slotOf(item, frame);
      const { workspace } = item.kernel;
      const room = workspace > 0 ? [this.#allocate(workspace)] : [];
      this.#call(item.kernel, [slot, ...item.args.map((source) => find(source, frame)), ...room]);
      // Calls run in order: what is allocated from here on is written after this one.
      if (last) { for (const own of room) this.#release(own); }
    } else frame.loops[item.index] = this.#loop(item, frame);
    if (last) { for (const source of last) this.#release(find(source, frame)); }
  }

  /** The array of a step that begins. */
  #slotOf({ index, size, isOwn }: PreparedStep, frame: Frame): Slot {
    return frame.steps[index] = frame.placed.get(index) ?? (isOwn ? NOTHING : this.#allocate(size));
  }

  #loop({ loop, body, sizes, keep }: PreparedLoop, outside: Frame): Slot[] {
    const { count, reverse, args } = loop;
    const sources = args.map(({ source }) => find(source, outside));
    const made = keep.map((kept, k): Slot => {
      if (kept.as === "last") return NOTHING;
      const slot = this.#allocate(sizes[k]);
      if (kept.as === "summed") this.#call(kept.zero, [slot]);
      return slot;
    });
    /** Results of the body before, as long as carries need them. */
    let before: Slot[] = [];
    let leaves: Slot[] = sources;
    for (let t = 0; t < count; t++) {
      const place = reverse ? count - 1 - t : t;
      const now = args.map(({ as }, i) => as === "row" ? rowOf(sources[i], place, count) : leaves[i]);
      const { frame, owned } = this.#time(body, now, this.#placed(keep, made, place));
      const returned = body.plan.results.map((source) => find(source, frame));
      keep.forEach((kept, k) => {
        made[k] = this.#keep(kept, made[k], { returned: returned[loop.results[k].of], place, isLast: t === count - 1 });
      });
      leaves = args.map((arg, i) => arg.as === "carry" ? returned[arg.next] : sources[i]);
      // Arrays that hold a carry, whole or as a part, live on.
      const next = args.flatMap((arg, i) => arg.as === "carry" ? [share(leaves[i])] : []);
      for (const slot of [...before, ...owned]) this.#release(slot);
      before = next;
    }
    for (const slot of before) this.#release(slot);
    return made;
  }

  /** Calls the body once. Returns its arrays and those among its results that have to be released. */
  #time(
    body: Prepared,
    leaves: readonly Slot[],
    placed: ReadonlyMap<number, Slot>,
  ): { frame: Frame; owned: Slot[] } {
    const frame: Frame = { leaves, steps: [], loops: [], placed };
    for (const item of body.items) {
      // The leaves are those of the loop.
      this.#item(item, frame, item.last.filter(({ from }) => from !== "leaf"));
    }
    const made = new Map<string, Slot>();
    for (const source of body.plan.results) {
      if (source.from === "step" || source.from === "loop") made.set(sourceName(source), find(source, frame));
    }
    return { frame, owned: [...made.values()] };
  }

  /** Rows of results, where steps of the body write them. */
  #placed(keep: readonly Keep[], made: readonly Slot[], place: number): Map<number, Slot> {
    return new Map(
      keep.flatMap((kept, k) =>
        kept.as === "stacked" && kept.step !== null
          ? [[kept.step, share(partOf(made[k], place, kept.row))] as const]
          : []
      ),
    );
  }

  #keep(
    kept: Keep,
    made: Slot,
    { returned, place, isLast }: { readonly returned: Slot; readonly place: number; readonly isLast: boolean },
  ): Slot {
    if (kept.as === "last") return isLast ? share(returned) : made;
    if (kept.as === "stacked") {
      if (kept.step === null) this.#call(kept.copy, [partOf(made, place, kept.row), returned]);
      return made;
    }
    // A new array: blocks of threads overlap, so a kernel does not write where it reads.
    const sum = this.#allocate(kept.size);
    this.#call(kept.add, [sum, made, returned]);
    this.#release(made);
    return sum;
  }
}

/** An array without elements is never read. */
function find(source: Source, { leaves, steps, loops }: Frame): Slot {
  switch (source.from) {
    case "leaf":
      return leaves[source.index] ?? NOTHING;
    case "step":
      return steps[source.index];
    case "loop":
      return loops[source.index][source.result];
    case "empty":
      return NOTHING;
    default:
      return source satisfies never;
  }
}

/** Notes one more user of an array. */
function share(slot: Slot): Slot {
  if (slot.of) slot.of.users++;
  return slot;
}

function rowOf(slot: Slot, place: number, count: number): Slot {
  return partOf(slot, place, slot.size / count);
}

function partOf({ address, of }: Slot, place: number, size: number): Slot {
  return { address: address + 4 * place * size, size, of };
}

/** The sizes of the arrays that a step reads. */
export function sizesOf(plan: Plan, { args }: Pick<Step, "args">): number[] {
  return args.map((source) => sizeOfSource(plan, source));
}
