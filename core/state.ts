/** State: what was recorded before a computation and is needed by what was recorded after it. */
import type { Entry } from "./entry.ts";

/** Values with at most this many elements are kept without second thoughts. */
const SMALL = 4096;
/** A larger one that was computed already on the way to a result is computed again this often before it is kept. */
const PASSES = 2;
/** State is kept across this many computations at most: a sum that was added up for long and is read at last is one plan with one result. */
const ACROSS = 32;

/**
 * The entries whose values are kept when `outputs` are computed, so that no computation repeats those before it.
 *
 * A loop that never reads its parameters records each step on top of the one before. What was recorded before an earlier computation
 * and is needed now, by what was recorded after it, is therefore kept. There is one exception: large values that were computed already
 * on the way to a result, and do not continue state. These are the activations behind a loss that was read before its gradient was
 * recorded. Reading them back would cost more than computing them once more, which is all that is needed.
 *
 * @param entries what is needed and has no value, inputs first.
 */
export function stateOf(outputs: readonly Entry[], entries: readonly Entry[]): Entry[] {
  const needed = new Set(entries);
  const crossed = crossedIn(entries, needed);
  if (crossed.size === 0) {
    for (const entry of entries) entry.passedOver ??= 0;
    return [];
  }
  const known = new Set(outputs);
  const state: Entry[] = [];
  /** What continues state: it is made, across a computation, of what that computed or should have kept. */
  const continuing = new Set<Entry>();
  for (const entry of entries) {
    const continues = (input: Entry) =>
      input.isState ? input.recordedAfter !== entry.recordedAfter : needed.has(input) && !known.has(input) &&
        (continuing.has(input) || (input.recordedAfter !== entry.recordedAfter && !isFree(input)));
    if (entry.inputs.some(continues)) continuing.add(entry);
    if (!crossed.has(entry) || known.has(entry)) continue;
    const times = entry.passedOver;
    if (times === null || times >= PASSES || entry.size <= SMALL || continuing.has(entry)) {
      known.add(entry);
      entry.isState = true;
      state.push(entry);
    } else entry.passedOver = times + 1;
  }
  notePasses(outputs, entries, known);
  return state;
}

/** What is recorded before a computation and needed after it, among entries. */
function crossedIn(entries: readonly Entry[], needed: ReadonlySet<Entry>): Set<Entry> {
  const crossed = new Set<Entry>();
  const epochs = [...new Set(entries.map((t) => t.recordedAfter))];
  const oldest = epochs.length > ACROSS ? epochs.sort((a, b) => b - a)[ACROSS] : -Infinity;
  const cross = (entry: Entry): void => {
    const source = sourceOf(entry);
    if (needed.has(source) && source.op.kernel.kind !== "position") crossed.add(source);
  };
  for (const entry of entries) {
    if (entry.recordedAfter <= oldest) continue;
    // What was made of it may be needed by a later computation alone.
    if (entry.outlives) cross(entry);
    for (const input of entry.inputs) {
      if (needed.has(input) && input.recordedAfter !== entry.recordedAfter) cross(input);
    }
  }
  return crossed;
}

/** Takes note of what is computed on the way to outputs other than state. */
function notePasses(outputs: readonly Entry[], entries: readonly Entry[], known: ReadonlySet<Entry>): void {
  const reached = new Set(outputs);
  for (let i = entries.length - 1; i >= 0; i--) {
    if (!reached.has(entries[i])) continue;
    for (const input of entries[i].inputs) if (!known.has(input)) reached.add(input);
    entries[i].passedOver ??= 0;
  }
}

/** Whether an entry costs nothing but the indices that it changes. */
function isFree(entry: Entry): boolean {
  const { kind } = entry.op.kernel;
  return kind === "movement" || kind === "position";
}

/** What is kept in place of an entry: of what only moves elements, repeats or pads them, that from which it does so. */
function sourceOf(entry: Entry): Entry {
  let source = entry;
  while (source.op.kernel.kind === "movement" && source.size >= source.inputs[0].size) source = source.inputs[0];
  return source;
}
