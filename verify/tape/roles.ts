/** Which entries of a tape move with the variables, and which are decisions, taken once and held. */
import { accuracyOf, opOf } from "../../core/op.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flows } from "../../ops/grad.ts";
import { scaleOf, sizeOf } from "../differences/numeric.ts";
import { randomFrom } from "../random.ts";
import { prepare } from "./oracle.ts";
import { isExact } from "./tolerances.ts";

/** The relative size of moves that distinguish decisions, which do not change, from values. */
export const NUDGE = 2 ** -20;
/**
 * The second move is smaller by this factor: the change of a value shrinks with it, that of a flipped decision does
 * not.
 */
const NUDGES_APART = 16;

/** How the entries of a tape depend on variables. */
export interface Roles {
  /** The entries that depend on a variable, variables included. */
  readonly dependent: ReadonlySet<Tensor>;
  /** Those of them that change with it; the others are decisions, or held on purpose. */
  readonly moving: ReadonlySet<Tensor>;
  /** Those that would change if nothing was held on purpose. */
  readonly free: ReadonlySet<Tensor>;
  /** Whether this was found from values rather than from the structure alone. */
  readonly tried: boolean;
}

/** Moves each variable by a random fraction of its elements' sizes, and returns a function that undoes it. */
export function nudge(variables: readonly Tensor[], by: number): () => void {
  const random = randomFrom(1);
  const before = variables.map((t) => (t.value as Float64Array).slice());
  variables.forEach((t) => {
    const values = t.value as Float64Array;
    const scale = scaleOf(values);
    for (let i = 0; i < values.length; i++) values[i] += by * (random() * 2 - 1) * sizeOf(values[i], scale);
  });
  return () => variables.forEach((t, k) => (t.value as Float64Array).set(before[k]));
}

/** Whether the entry passes no gradient on to the variables, although its value is a number that depends on them. */
export function isCut(entry: Tensor, moving: ReadonlySet<Tensor>): boolean {
  return entry.inputs.every((input, k) => !moving.has(input) || !flows(entry, k));
}

/** Whether an entry is a decision by its structure: no float, or an exact float that passes nothing on, as a sign or a whole number. */
function decides(entry: Tensor): boolean {
  if (entry.inputs.length === 0) return false;
  if (entry.dtype !== "float") return true;
  const op = opOf(entry);
  const isExactly = isExact(accuracyOf(op), entry.dtype) && op.kernel.kind !== "movement" && !op.holds;
  return isExactly && entry.inputs.every((_, k) => !flows(entry, k));
}

/** The decisions that outputs are computed from, as far as `given` entries do not stand for them: those that numbers are made of. */
export function choicesOf(outputs: readonly Tensor[], given: { has(entry: Tensor): boolean }): Tensor[] {
  const choices = new Set<Tensor>();
  const seen = new Set(outputs);
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const entry of seen) {
    if (given.has(entry)) continue;
    if (decides(entry)) choices.add(entry);
    else for (const input of entry.inputs) seen.add(input);
  }
  return [...choices];
}

/**
 * Finds the decisions. Entries of dtype int and bool are decisions. A float entry that passes no gradient on is a
 * decision if small moves leave it unchanged, as with `round` and `sign`; if it changes, its derivative is missing, and
 * it must not be held unless the function says so, by `hold`.
 *
 * @param constant entries that are held besides.
 */
export function rolesOf(
  history: readonly Tensor[],
  variables: readonly Tensor[],
  constant: ReadonlySet<Tensor> = new Set(),
): Roles {
  const dependent = new Set<Tensor>(variables);
  for (const entry of history) if (entry.inputs.some((input) => dependent.has(input))) dependent.add(entry);

  const isHeld = (entry: Tensor) => constant.has(entry) || opOf(entry).holds === true;
  const holds = history.some(isHeld);
  const find = (decided: ReadonlySet<Tensor>, free: boolean): { moving: Set<Tensor>; doubtful: Tensor[] } => {
    const moving = new Set<Tensor>(variables);
    const doubtful: Tensor[] = [];
    for (const entry of history) {
      if (entry.dtype !== "float" || decided.has(entry) || (!free && isHeld(entry))) continue;
      if (!entry.inputs.some((input) => moving.has(input))) continue;
      moving.add(entry);
      // Held values pass no gradient on, and an entry that only rearranges values changes with them; all others are tried out.
      if (isCut(entry, moving) && opOf(entry).kernel.kind !== "movement" && !isHeld(entry)) doubtful.push(entry);
    }
    return { moving, doubtful };
  };
  const { moving: all, doubtful } = find(new Set(), true);
  const decided = decidedAmong(doubtful, variables);
  const { moving } = find(decided, false);
  const free = !holds ? moving : decided.size === 0 ? all : find(decided, true).moving;
  return { dependent, moving, free, tried: doubtful.length > 0 };
}

/** The entries that small moves leave unchanged. */
function decidedAmong(doubtful: readonly Tensor[], variables: readonly Tensor[]): Set<Tensor> {
  if (doubtful.length === 0) return new Set();
  const { run } = prepare(doubtful, new Map());
  const snapshot = () => run().map((values) => values.slice());
  const at = snapshot();
  const [far, near] = [NUDGE, NUDGE / NUDGES_APART].map((by) => {
    const undo = nudge(variables, by);
    const values = snapshot();
    undo();
    return values;
  });
  return new Set(doubtful.filter((_, k) => {
    for (let i = 0; i < at[k].length; i++) {
      const change = Math.abs(near[k][i] - at[k][i]);
      if (change > 0 && change < Math.abs(far[k][i] - at[k][i]) / 2) return false;
    }
    return true;
  }));
}
