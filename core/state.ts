/** State: what was recorded before a computation and is needed by what was recorded after it. */
import { opOf } from "./op.ts";
import type { Tensor } from "./tensor.ts";

/** How far an entry without a value has come: computed on the way to something else, and passed over as state once. */
const COMPUTED = 1;
const PASSED_OVER = 2;
const seen = new WeakMap<Tensor, typeof COMPUTED | typeof PASSED_OVER>();

/**
 * The entries whose values are kept when `outputs` are computed, so that no computation repeats those before it.
 *
 * A loop that never reads its parameters records each step on top of the one before. What the newest entries need of what was recorded
 * before an earlier computation is therefore kept. There is one exception: what was computed before on the way to something else, and
 * needs nothing of the kind itself, can be computed once more. These are the activations behind a loss that was read before its
 * gradient was recorded: large, and needed once. Should it be needed by a third computation, it is kept.
 *
 * @param entries what is needed and has no value, inputs first.
 */
export function stateOf(outputs: readonly Tensor[], entries: readonly Tensor[]): Tensor[] {
  const needed = new Set(entries);
  const crossed = crossedBy(outputs, entries, needed);
  const known = new Set(outputs);
  const state: Tensor[] = [];
  /** What cannot be computed without what was recorded before an earlier computation. */
  const deep = new Set<Tensor>();
  for (const entry of entries) {
    const reaches = (input: Tensor) =>
      needed.has(input) && !known.has(input) &&
      (deep.has(input) || (input.recordedAfter !== entry.recordedAfter && !isFree(input)));
    if (entry.inputs.some(reaches)) deep.add(entry);
    const before = seen.get(entry);
    if (crossed.has(entry) && !known.has(entry) && (before !== COMPUTED || deep.has(entry))) {
      known.add(entry);
      state.push(entry);
    } else if (before !== PASSED_OVER) {
      seen.set(entry, crossed.has(entry) ? PASSED_OVER : COMPUTED);
    }
  }
  return state;
}

/** Going from outputs to what they are made of: where what was recorded after a computation first meets what was recorded before it. */
function crossedBy(outputs: readonly Tensor[], entries: readonly Tensor[], needed: ReadonlySet<Tensor>): Set<Tensor> {
  const reached = new Set(outputs);
  const crossed = new Set<Tensor>();
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i];
    if (!reached.has(entry)) continue;
    for (const input of entry.inputs) {
      if (!needed.has(input)) continue;
      if (input.recordedAfter === entry.recordedAfter) reached.add(input);
      else {
        const source = sourceOf(input);
        if (needed.has(source) && opOf(source).kernel.kind !== "position") crossed.add(source);
      }
    }
  }
  return crossed;
}

/** Whether an entry costs nothing but the indices that it changes. */
function isFree(entry: Tensor): boolean {
  const { kind } = opOf(entry).kernel;
  return kind === "movement" || kind === "position";
}

/** What is kept in place of an entry: of what only moves elements, repeats or pads them, that from which it does so. */
function sourceOf(entry: Tensor): Tensor {
  let source = entry;
  while (opOf(source).kernel.kind === "movement" && source.size >= source.inputs[0].size) source = source.inputs[0];
  return source;
}
