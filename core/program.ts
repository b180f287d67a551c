/** The step between tensors and a plan: the entries a computation starts from, those it computes and its key. */
import { beginWalk, Entry, leafOp } from "./entry.ts";
import { movedFrom } from "./past.ts";
import { makePlan, type Plan, type PlanOptions, type Target } from "./plan/plan.ts";
import { dependenciesOf, resultNumber, type Structure } from "./loop.ts";
import { formatShape } from "./shape.ts";
import { structureOf } from "./structure.ts";
import { keyOf, type Variants } from "./variants.ts";

/** How a {@link Program} is made. */
export interface ProgramOptions<T extends Entry> {
  /** The device whose values are taken as they are. Without one only leaves have a value, and all else is computed. */
  readonly on?: string;
  /** Entries that count as leaves, regardless of their inputs. */
  readonly given?: { has(entry: T): boolean };
  /** Chooses further outputs among the entries that are computed. */
  readonly keep?: (outputs: readonly T[], entries: readonly T[]) => readonly T[];
  /** Tells which numbers change from call to call and thus become an argument. Without it all are compiled in. */
  readonly variants?: Variants;
}

/** Whether an entry is a start of computations: its value can be taken as it is. */
export function hasValue(entry: Entry, device?: string): boolean {
  // A leaf without a value is an input of a function under compile().
  if (entry.op === leafOp) return true;
  if (device === undefined) return entry.isPast && entry.inputs.length === 0;
  return entry.valueOn(device) !== null;
}

/** @throws if a value is needed that the program has disposed of, and that cannot be computed again. */
export function throwIfGone(entry: Entry): void {
  if (!entry.isGone) return;
  throw new Error(
    `dispose: a tensor of shape ${
      formatShape(entry.shape)
    }, made by "${entry.op.name}", was disposed of, but its value is needed and cannot be ` +
      "computed again; dispose of it once all that is computed from it has been awaited",
  );
}

/** Results in the order of the tape: in which order they are asked for is no part of the structure. */
export function inOrderOfTape<T extends Entry>(outputs: readonly T[]): T[] {
  return [...outputs].sort((a, b) => a.id - b.id);
}

/** How far a computation goes back. */
type Starts<T extends Entry> = Pick<ProgramOptions<T>, "on" | "given">;

function isStart<T extends Entry>(entry: T, { on, given }: Starts<T>): boolean {
  return given?.has(entry) || hasValue(entry, on) || repeats(entry, on);
}

/** Whether an entry repeats one that has a value, as what an optimiser detaches: a loop then starts from it as from a leaf. */
function repeats(entry: Entry, device: string | undefined): boolean {
  if (device === undefined) return false;
  const source = movedFrom(entry);
  // An input of a function under compile() has no value yet.
  return source !== entry && source.valueOn(device) !== null;
}

/** A computation: the same object for the device that runs it, for those who look at its plan, and for the checker. */
export class Program<T extends Entry = Entry> {
  /** The requested entries, and those that are also kept. */
  readonly outputs: readonly T[];
  /** The entries that are computed, inputs first. */
  readonly entries: readonly T[];
  /** The entries that it starts from, in the order of their use: in which order they were made is no part of the structure. */
  readonly leaves: readonly T[];
  readonly #variants: Variants | undefined;
  #named: { readonly structure: Structure; readonly changing: readonly number[]; readonly key: string } | null = null;

  constructor(outputs: readonly T[], options: ProgramOptions<T> = {}) {
    const { entries, leaves } = reach(outputs, options);
    this.outputs = options.keep ? [...outputs, ...options.keep(outputs, entries)] : outputs;
    this.entries = entries;
    this.leaves = leaves;
    this.#variants = options.variants;
  }

  /** Names its plan: the same for computations that differ in the values of leaves, and of arguments, alone. */
  get key(): string {
    return this.#name().key;
  }

  /** Plans it for a target; with `describe`, the steps of the plan have their loop form as text. */
  plan(target: Target, { describe }: Pick<PlanOptions, "describe"> = {}): Plan {
    const { structure: { places }, changing } = this.#name();
    if (changing.length === 0) return makePlan(this.outputs, this.leaves, target, { describe });
    const array = new Entry(leafOp, [], {}, { shape: [changing.length], dtype: "float" });
    const slots = new Map<Entry, Map<string, number>>();
    changing.forEach((i, slot) => {
      const { entry, name } = places[i];
      if (!slots.has(entry)) slots.set(entry, new Map());
      slots.get(entry)!.set(name, slot);
    });
    return makePlan(this.outputs, [...this.leaves, array], target, { numbers: { array, slots }, describe });
  }

  /**
   * Returns the arguments of its plan: the values of the leaves and, if numbers are arguments, one more array with them.
   *
   * @param numbersAs how that array is passed.
   */
  take<V>(valueOf: (leaf: T) => V, numbersAs: (numbers: Float64Array) => V): V[] {
    const { structure: { numbers }, changing } = this.#name();
    const values = this.leaves.map(valueOf);
    if (changing.length > 0) values.push(numbersAs(Float64Array.from(changing, (i) => numbers[i])));
    return values;
  }

  #name() {
    if (this.#named) return this.#named;
    const structure = structureOf(this.entries, this.leaves, this.outputs);
    const { changing, key } = this.#variants?.of(structure) ?? { changing: [], key: keyOf(structure, []) };
    return this.#named = { structure, changing, key };
  }
}

/** Returns the loop that an entry is a result of. */
function loopBehind<T extends Entry>(entry: T): T | null {
  return resultNumber(entry) === null ? null : entry.inputs[0];
}

/** The marks that a walk to the starts of a computation leaves on entries. */
const COMPUTED = 0, UNUSED = 1, USED = 2;

/** Goes from outputs back to entries that have a value. */
function reach<T extends Entry>(
  outputs: readonly T[],
  starts: Starts<T>,
): { entries: T[]; leaves: T[] } {
  const entries: T[] = [];
  const leaves: T[] = [];
  const walk = beginWalk();
  const stack: T[] = [...outputs];
  while (stack.length > 0) {
    const entry = stack.pop()!;
    if (entry.walk === walk) continue;
    entry.walk = walk;
    if (isStart(entry, starts)) {
      entry.place = UNUSED;
      leaves.push(entry);
      continue;
    }
    throwIfGone(entry);
    entry.place = COMPUTED;
    entries.push(entry);
    for (const input of dependenciesOf(entry)) if (input.walk !== walk) stack.push(input);
    const loop = loopBehind(entry);
    if (loop && loop.walk !== walk) {
      loop.walk = walk;
      loop.place = COMPUTED;
      entries.push(loop);
    }
  }
  // Found nearly from the last to the first.
  entries.reverse().sort((a, b) => a.id - b.id);
  const used: T[] = [];
  for (const entry of entries) {
    for (const input of entry.inputs) {
      if (input.walk !== walk || input.place !== UNUSED) continue;
      input.place = USED;
      used.push(input);
    }
  }
  if (used.length === leaves.length) return { entries, leaves: used };
  return { entries, leaves: [...used, ...leaves.filter(({ place }) => place === UNUSED).sort((a, b) => a.id - b.id)] };
}

/**
 * Sorts requests into groups, in the order of the first of each: those whose computations share an entry are together. Others are not,
 * since a plan of both would serve no other pair.
 *
 * @param outputsOf the entries that a request needs and that have no value.
 */
export function sharing<R>(requests: readonly R[], outputsOf: (request: R) => readonly Entry[], on: string): R[][] {
  if (requests.length === 1) return [[...requests]];
  // A forest: each request names one before it in its group, or itself.
  const before = requests.map((_, i) => i);
  const first = (i: number): number => {
    while (before[i] !== i) i = before[i] = before[before[i]];
    return i;
  };
  const join = (i: number, k: number) => {
    const [a, b] = [first(i), first(k)];
    before[Math.max(a, b)] = Math.min(a, b);
  };
  const outputs = requests.map(outputsOf);
  const walk = beginWalk();
  /** Whether an entry has to be computed and no request came here before. */
  const isNew = (entry: Entry, request: number): boolean => {
    if (entry.walk === walk) {
      if (entry.place >= 0) join(entry.place, request);
      return false;
    }
    entry.walk = walk;
    entry.place = isStart(entry, { on }) ? -1 : request;
    return entry.place >= 0;
  };
  for (let i = 0; i < requests.length; i++) {
    const stack = [...outputs[i]];
    while (stack.length > 0) {
      const entry = stack.pop()!;
      if (!isNew(entry, i)) continue;
      for (const input of dependenciesOf(entry)) stack.push(input);
      const loop = loopBehind(entry);
      if (loop) isNew(loop, i);
    }
  }
  const groups = new Map<number, R[]>();
  requests.forEach((request, i) => {
    const group = groups.get(first(i));
    if (group) group.push(request);
    else groups.set(first(i), [request]);
  });
  return [...groups.values()];
}
