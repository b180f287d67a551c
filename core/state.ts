/** State: entries recorded before a computation and needed by entries recorded after it. */
import type { Entry } from "./entry.ts";

/** Values with at most this many elements are always kept. */
const SMALL = 4096;
/** A larger one that was computed already on the way to a result is computed again this often before it is kept. */
const PASSES = 2;
/** What is kept because it is computed over and over has at most this many elements, 256 MiB in float32. */
const REPEATED = 2 ** 26;
/** State is kept across at most this many computations: a sum that was added up for long and is read at last is one plan with one result. */
const ACROSS = 32;

/**
 * The entries whose values are kept when `outputs` are computed, so that no computation repeats those before it.
 *
 * A loop that never reads its parameters records each step on top of the one before. An entry recorded before an earlier
 * computation and needed by entries recorded after it is therefore kept. Large values that were already computed on the way to a result
 * and do not continue state are the exception. They are the activations behind a loss that was read before its gradient was recorded.
 * Reading them back would cost more than computing them once more.
 *
 * @param entries the entries that are needed and have no value, inputs first.
 * @param computation the number of the computation that computes them.
 */
export function stateOf(outputs: readonly Entry[], entries: readonly Entry[], computation: number): Entry[] {
  setBack(entries, computation);
  if (areOfOneTime(entries) && entries.every(({ passedOver }) => passedOver === null)) {
    for (const entry of entries) entry.passedOver = 0;
    return [];
  }
  const needed = new Set(entries);
  const crossed = crossedIn(needed);
  const known = new Set(outputs);
  const state: Entry[] = [];
  /** Entries that continue state: they use, across a computation, a value that it computed or should have kept. */
  const continuing = new Set<Entry>();
  let repeated = 0;
  for (const entry of entries) {
    const continues = (input: Entry) =>
      input.isState ? input.recordedAfter !== entry.recordedAfter : needed.has(input) && !known.has(input) &&
        (continuing.has(input) || (input.recordedAfter !== entry.recordedAfter && !isFree(input)));
    if (entry.inputs.some(continues)) continuing.add(entry);
    if (known.has(entry)) continue;
    if (!crossed.has(entry)) {
      if (!isRepeated(entry) || repeated + entry.size > REPEATED) continue;
      repeated += entry.size;
      known.add(entry);
      state.push(entry);
      continue;
    }
    // The rows of a loop are computed with its other results, which were needed, even if they were not kept.
    const times = entry.passedOver ?? (entry.op.kernel.kind === "result" ? entry.inputs[0].passedOver : null);
    if (times === null || times >= PASSES || entry.size <= SMALL || continuing.has(entry)) {
      known.add(entry);
      entry.isState = true;
      state.push(entry);
    } else entry.passedOver = times + 1;
  }
  notePasses(outputs, entries, { known, crossed });
  return state;
}

/**
 * Whether an entry is computed over and over on the way to results that are read one after the other, as the gradients of a network may be. It
 * is kept then if it is more than scalar functions of what it is made of, which cost no more than reading it would.
 */
function isRepeated({ passedOver, op: { kernel: { kind } } }: Entry): boolean {
  if (passedOver === null || passedOver < PASSES) return false;
  return kind !== "elementwise" && kind !== "movement" && kind !== "position" && kind !== "repeat";
}

/** Whether no computation began while the entries were recorded, nor before others were made of them: most computations. */
function areOfOneTime(entries: readonly Entry[]): boolean {
  for (const { laterUses, recordedAfter } of entries) {
    if (laterUses > 0 || recordedAfter !== entries[0].recordedAfter) return false;
  }
  return true;
}

/** Returns the entries that were recorded before a computation and are needed after it. */
function crossedIn(needed: ReadonlySet<Entry>): Set<Entry> {
  const crossed = new Set<Entry>();
  const epochs = [...new Set(Array.from(needed, (t) => t.recordedAfter))];
  const oldest = epochs.length > ACROSS ? epochs.sort((a, b) => b - a)[ACROSS] : -Infinity;
  const cross = (entry: Entry): void => {
    const source = sourceOf(entry);
    const { kind } = source.op.kernel;
    // A loop has no value of its own.
    if (needed.has(source) && kind !== "position" && kind !== "repeat") crossed.add(source);
  };
  for (const entry of needed) {
    if (entry.recordedAfter <= oldest) continue;
    // Only a later computation may need the entries made of it.
    if (entry.laterUses > 0) cross(entry);
    for (const input of entry.inputs) {
      if (needed.has(input) && input.recordedAfter !== entry.recordedAfter) cross(input);
    }
  }
  return crossed;
}

/**
 * Entries that were recorded between the first call of a tick and the last, and that are computed together with what was there before, count as
 * recorded before the computation: `[loss.item(), grad(loss, w).data()]` is as if both had been recorded and then read.
 */
function setBack(entries: readonly Entry[], computation: number): void {
  // From the outputs inwards: an input is set back after it was compared.
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i];
    if (entry.recordedAfter < computation) continue;
    noteUses(entry, -1);
    entry.recordedAfter = computation - 1;
  }
}

/** Notes that an entry is recorded, and which of its inputs are of an earlier time. */
export function noteRecorded(entry: Entry): void {
  noteUses(entry, 1);
}

/**
 * Counts the uses of inputs that were recorded before an earlier computation. Entries that only move values have those of their source, which
 * may be computed when the entry itself is not, as what an optimiser detaches.
 */
function noteUses({ inputs, recordedAfter }: Entry, change: 1 | -1): void {
  for (const input of inputs) {
    if (input.recordedAfter === recordedAfter) continue;
    const source = sourceOf(input);
    for (const used of source === input ? [input] : [input, source]) {
      used.laterUses = Math.max(0, used.laterUses + change);
    }
  }
}

/** Records entries that are no part of the program, of inputs that are. */
export function recordApart<T>(inputs: readonly Entry[], record: () => T): T {
  const parts = [...new Set(inputs.flatMap((input) => [input, sourceOf(input)]))];
  const uses = parts.map(({ laterUses }) => laterUses);
  try {
    return record();
  } finally {
    parts.forEach((entry, i) => (entry.laterUses = uses[i]));
  }
}

/** Notes the entries that are computed on the way to outputs other than state. */
function notePasses(
  outputs: readonly Entry[],
  entries: readonly Entry[],
  { known, crossed }: { readonly known: ReadonlySet<Entry>; readonly crossed: ReadonlySet<Entry> },
): void {
  const reached = new Set(outputs);
  for (let i = entries.length - 1; i >= 0; i--) {
    if (!reached.has(entries[i])) continue;
    for (const input of entries[i].inputs) if (!known.has(input)) reached.add(input);
    const { passedOver } = entries[i];
    entries[i].passedOver = passedOver === null ? 0 : passedOver + (crossed.has(entries[i]) ? 0 : 1);
  }
}

/** Whether an entry costs only the computation of indices. */
function isFree(entry: Entry): boolean {
  const { kind } = entry.op.kernel;
  return kind === "movement" || kind === "position";
}

/** Returns the entry to keep in place of another: the source, if ops only move, repeat or pad its elements. */
function sourceOf(entry: Entry): Entry {
  let source = entry;
  while (source.op.kernel.kind === "movement" && source.size >= source.inputs[0].size) source = source.inputs[0];
  return source;
}
