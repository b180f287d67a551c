/**
 * Releases the past. The inputs of a value are needed to compute it again and to differentiate it by one of its ancestors. A value from
 * which later computations started is state. Once it is old it is not computed again, and its inputs are kept only as long as the
 * program can reach both the value and one of its ancestors.
 */
import { computationsBegun, type Entry, hasRule, type TapeOp } from "./entry.ts";
import { nextTurn } from "./runtime.ts";

/** A value that a computation started from becomes the past after this many further computations. */
const RECENT = 8;

/**
 * A program that computes and awaits may go on without ever ending a task, and until it does, nothing that a weak reference was made to is
 * collected. So a task is ended after this many computations.
 */
const TURN_AFTER = 16;
let sinceTurn = 0;

/**
 * A value that will be the past. It is not held, and neither is what was computed from it: nobody can ask for the gradient of what the program
 * has dropped, and a batch of predictions would stay for eight computations.
 */
interface Start {
  readonly entry: WeakRef<Entry>;
  /** The computation that first started from it. */
  readonly computation: number;
  /** The entries that were computed from it. */
  readonly consumers: WeakRef<Entry>[];
}

/** The oldest first. */
const recent = new Set<Start>();
const startOf = new WeakMap<Entry, Start>();

/** The op of the copy that replaces an entry of the past: it has the same value and passes all gradients on. */
const stateOp: TapeOp = {
  name: "state",
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  kernel: { kind: "movement", source: (out) => [...out], identity: true },
  vjp: [({ cotangent }: { readonly cotangent: unknown }) => cotangent],
};

/** How many run that look at a tape which has to stay as it is. */
let keepers = 0;

/**
 * Runs a function during which nothing becomes the past: a tape that it recorded stays as it was recorded, however often values are
 * computed meanwhile. Values that are old enough are released by the first computation afterwards.
 */
export async function keepingTape<T>(run: () => Promise<T>): Promise<T> {
  keepers++;
  try {
    return await run();
  } finally {
    keepers--;
  }
}

/** Notes that `entries` are computed from the values of `leaves`. */
export function noteStarts(leaves: readonly Entry[], entries: readonly Entry[]): void {
  for (const entry of [...leaves, ...entries.filter((t) => movedFrom(t) !== t)]) {
    if (entry.inputs.length === 0 || entry.isPast || entry.isStart) continue;
    entry.isStart = true;
    const start: Start = { entry: new WeakRef(entry), computation: computationsBegun(), consumers: [] };
    startOf.set(entry, start);
    recent.add(start);
  }
  for (const entry of entries) {
    let known: WeakRef<Entry> | null = null;
    for (const input of entry.inputs) {
      if (input.isStart) startOf.get(input)!.consumers.push(known ??= new WeakRef(entry));
    }
  }
}

/**
 * Turns values that are old enough into the past. The fate of a value that the program can reach depends only on the order of the program,
 * never on the garbage collector. A value that only a device has is first copied to the host, since it could no longer be computed again if
 * the device were lost.
 */
export async function releasePast(): Promise<void> {
  if (keepers > 0) return;
  if (++sinceTurn >= TURN_AFTER) {
    sinceTurn = 0;
    await nextTurn();
  }
  const age = ({ computation }: Start) => computationsBegun() - computation;
  const copies: Promise<unknown>[] = [];
  for (const start of recent) {
    if (age(start) < RECENT / 2) break;
    const held = start.entry.deref()?.held;
    if (!held || held.host) continue;
    // It is copied in good time, so that nobody has to wait for it. If that fails, it is lost and will be computed again.
    const copy = held.read().catch(() => {});
    if (age(start) >= RECENT) copies.push(copy);
  }
  if (copies.length > 0) await Promise.all(copies);
  for (const start of recent) {
    if (age(start) < RECENT) return;
    recent.delete(start);
    release(start);
  }
}

function release(start: Start): void {
  const entry = start.entry.deref();
  if (entry === undefined) return;
  startOf.delete(entry);
  entry.isStart = false;
  const value = entry.held ?? movedFrom(entry).held;
  if (value === null) return;
  if (value !== entry.held) entry.setValue(value, entry.computedOn);
  if (entry.op.vjp === null && !hasRule(entry.op, 0)) {
    // No gradient passes, so none can be requested.
    entry.forget();
    return;
  }
  entry.release(ancestorsOf(entry));
  entry.standIn(stateOp, start.consumers.flatMap((consumer) => consumer.deref() ?? []));
}

/** Returns the entry whose value an entry repeats unchanged. */
export function movedFrom(entry: Entry): Entry {
  for (let t = entry;; t = t.inputs[0]) {
    const { kernel } = t.op;
    if (t.held !== null || kernel.kind !== "movement" || !kernel.identity || t.inputs.length === 0) return t;
  }
}

/** Returns the ancestors of an entry, down to leaves and to entries that are the past already. */
function ancestorsOf(entry: Entry): Set<Entry> {
  const ancestors = new Set(entry.inputs);
  for (const ancestor of ancestors) {
    if (!ancestor.isPast || ancestor.op === stateOp) ancestor.inputs.forEach((input) => ancestors.add(input));
  }
  return ancestors;
}
