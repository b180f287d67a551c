/** Tapes without loops: checks look at entries, so a loop is replaced by as many copies of its body as it runs. */
import type { Unrolled } from "../../core/kernel.ts";
import { dependenciesOf, repeatOf, resultNumber } from "../../core/loop.ts";
import { opOf } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import type { Tensor } from "../../core/tensor.ts";

/** The replacement of each entry, the same at every request. */
const flat = new WeakMap<Tensor, Tensor>();
const unrolled = new WeakMap<Tensor, Unrolled<Tensor>>();

/** Returns outputs that are computed, entry by entry, without loops: themselves, if they are so already. */
export function flatten(outputs: readonly Tensor[]): Tensor[] {
  if (!outputs.some((t) => t.hasLoop)) return [...outputs];
  const seen = new Set(outputs);
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const entry of seen) if (!flat.has(entry)) { for (const input of dependenciesOf(entry)) seen.add(input); }
  for (const entry of [...seen].sort((a, b) => a.id - b.id)) if (!flat.has(entry)) flat.set(entry, flattened(entry));
  return outputs.map((t) => flat.get(t)!);
}

/** Replaces an entry whose inputs were replaced before. */
function flattened(entry: Tensor): Tensor {
  const number = resultNumber(entry);
  // The copies of a body may have loops of their own.
  if (number !== null) return flatten([unroll(entry.inputs[0]).result(number)])[0];
  const inputs = entry.inputs.map((input) => flat.get(input)!);
  if (inputs.every((input, k) => input === entry.inputs[k])) return entry;
  const again = record(opOf(entry), inputs, entry.attributes);
  flat.set(again, again);
  return again;
}

function unroll(entry: Tensor): Unrolled<Tensor> {
  let known = unrolled.get(entry);
  if (known) return known;
  const { inputs } = entry;
  known = repeatOf(entry)!.unroll(entry, {
    // Inputs that no result needs were not replaced; nothing is computed from them.
    input: (k) => flat.get(inputs[k]) ?? inputs[k],
    rows: (k) => {
      const number = resultNumber(inputs[k]);
      return number === null ? null : unrolled.get(inputs[k].inputs[0])?.rows(number) ?? null;
    },
  });
  unrolled.set(entry, known);
  return known;
}
