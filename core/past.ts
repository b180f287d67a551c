/**
 * Lets go of the past. What a value was made of is needed for two things: to compute it again, and to differentiate it by something
 * in there. A value that later computations started from is state: once it is old it is not computed again, and what it was made of
 * stays only as long as the program can reach both the value and something that it was made of.
 */
import { opOf } from "./op.ts";
import { computationsBegun, Lineage, type Tensor } from "./tensor.ts";

/** A value that a computation started from becomes the past after this many further computations. */
const RECENT = 8;

/** Values that will be the past, the oldest first, each with the computation that first started from it. */
const recent: { readonly entry: Tensor; readonly computation: number }[] = [];
const noted = new WeakSet<Tensor>();

/** Notes that a computation starts from the values of these entries. */
export function noteStarts(entries: Iterable<Tensor>): void {
  for (const entry of entries) {
    if (entry.inputs.length === 0 || noted.has(entry)) continue;
    noted.add(entry);
    recent.push({ entry, computation: computationsBegun() });
  }
}

/** Makes the past of what is old enough; by the order of the program alone, so that results never depend on the garbage collector. */
export function releasePast(): void {
  while (recent.length > 0 && recent[0].computation + RECENT <= computationsBegun()) release(recent.shift()!.entry);
}

function release(entry: Tensor): void {
  const moved = movedFrom(entry);
  if (entry.value === null && moved !== entry) entry.value = moved.value;
  if (entry.value === null) return;
  // Where no gradient passes nobody can ask for one.
  if (opOf(entry).vjp === null) entry.forget();
  else entry.forget(new Lineage(entry), ancestorsOf(entry));
}

/** The entry whose value an entry has, unchanged. */
export function movedFrom(entry: Tensor): Tensor {
  for (let t = entry;; t = t.inputs[0]) {
    const { kernel } = opOf(t);
    if (t.value !== null || kernel.kind !== "movement" || !kernel.identity || t.inputs.length === 0) return t;
  }
}

/** What an entry is made of, down to leaves and to what is the past already. */
function ancestorsOf(entry: Tensor): Set<Tensor> {
  const ancestors = new Set(entry.inputs);
  for (const ancestor of ancestors) {
    if (!ancestor.isPast) ancestor.inputs.forEach((input) => ancestors.add(input));
  }
  return ancestors;
}
