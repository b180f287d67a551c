/** Functions with a rule that a user wrote, by `customVjp`, under a check. */
import { opOf } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import type { Tensor } from "../../core/tensor.ts";
import { historyOf } from "./oracle.ts";

/** Records entries again, with others in place of some; `history` has inputs first. */
function recordAgain(
  history: readonly Tensor[],
  replaced: Map<Tensor, Tensor>,
  finish: (entry: Tensor) => Tensor = (entry) => entry,
): void {
  for (const entry of history) {
    if (replaced.has(entry)) continue;
    const inputs = entry.inputs.map((input) => replaced.get(input) ?? input);
    const again = inputs.some((input, k) => input !== entry.inputs[k])
      ? record(opOf(entry), inputs, entry.attributes)
      : entry;
    const finished = finish(again);
    if (finished !== entry) replaced.set(entry, finished);
  }
}

/** Outputs with those functions whose derivative is meant to differ from that of their value replaced by what is meant. */
export interface AsMeant {
  readonly outputs: readonly Tensor[];
  /** The entries that they are made of, inputs first. */
  readonly history: readonly Tensor[];
  /** The names of the functions. */
  readonly surrogates: readonly string[];
}

/** Replaces the functions whose derivative is meant to differ from that of their value. */
export function asMeant(outputs: readonly Tensor[], history: readonly Tensor[]): AsMeant {
  const surrogates = new Set<string>();
  for (const { op } of history.filter((entry) => opOf(entry).custom?.meant)) surrogates.add(op.name);
  if (surrogates.size === 0) return { outputs, history, surrogates: [] };
  const replaced = new Map<Tensor, Tensor>();
  recordAgain(history, replaced, (entry) => opOf(entry).custom?.meant?.(entry) ?? entry);
  const meant = outputs.map((t) => replaced.get(t) ?? t);
  return { outputs: meant, history: historyOf(meant), surrogates: [...surrogates] };
}

/** Records the value of a user's function alone, on leaves in place of its inputs. */
export function valueAlone(entry: Tensor, leaves: readonly Tensor[]): Tensor {
  const [value, ...inputs] = entry.inputs;
  const replaced = new Map(inputs.map((input, k) => [input, leaves[k]]));
  recordAgain(historyOf([value]), replaced);
  return replaced.get(value) ?? value;
}
