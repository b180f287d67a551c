/** Locates the first entry of a tape at which something goes wrong. */
import { opOf } from "../../core/op.ts";
import { attributeText, opId } from "../../core/structure.ts";
import { dependenciesOf, resultNumber } from "../../core/loop.ts";
import { record } from "../../core/record.ts";
import type { Tensor } from "../../core/tensor.ts";
import { examine, type Examined, examineSecond } from "./examine.ts";
import type { ExamineOptions } from "./judged.ts";
import { elementText, leafOf } from "../inputs.ts";
import { valueAlone } from "./custom.ts";
import { flatten } from "./flatten.ts";
import { compute, historyOf } from "./oracle.ts";
import { isWrong } from "../differences/results.ts";
import type { Finding } from "../report/report.ts";
import type { Recording } from "./recording.ts";
import { isCut, rolesOf } from "./roles.ts";

/** The most entries that are examined alone, because a tape can be long. One entry of each kind comes first. */
const MOST_ENTRIES = 400;
/** Entries with more elements than this are examined along directions. */
const FEW_ELEMENTS = 64;
/** The most cuts that are undone one by one. */
const MOST_CUTS = 16;

/** The values of entries at the point. */
function valuesAt(entries: readonly Tensor[]): Map<Tensor, Float64Array> {
  return new Map(compute(entries).map((values, i) => [entries[i], values]));
}

/** Records an entry alone, on leaves with the values of its inputs. */
function alone(entry: Tensor, values: ReadonlyMap<Tensor, Float64Array>): { leaves: Tensor[]; output: Tensor } {
  const op = opOf(entry);
  // The first input of a user's function is its value, made of the others.
  const inputs = op.custom ? entry.inputs.slice(1) : entry.inputs;
  const leaves = inputs.map((input) => leafOf({ values: values.get(input)!, shape: input.shape, dtype: input.dtype }));
  const own = op.custom ? [valueAlone(entry, leaves), ...leaves] : leaves;
  return { leaves, output: record(op, own, entry.attributes) };
}

/** The result of a search for the entry with a wrong rule. */
export interface Departure {
  readonly suspect: Tensor | null;
  /** The number of entries examined; `candidates` is the total. */
  readonly examined: number;
  readonly candidates: number;
  /** Whether no entry is wrong by itself but the rule of a loop is, which combines those of its entries. */
  readonly loop: boolean;
}

/** The entries through whose values the outputs depend on the variables; decisions are not among them. */
function between(outputs: readonly Tensor[], moving: ReadonlySet<Tensor>): Tensor[] {
  const found = new Set(outputs.filter((t) => moving.has(t)));
  for (const entry of found) for (const input of entry.inputs) if (moving.has(input)) found.add(input);
  return [...found].filter((t) => t.inputs.length > 0).sort((a, b) => a.id - b.id);
}

/** Sorts entries so that one of each kind (op, attributes, shapes) comes first. */
function eachKindFirst(entries: readonly Tensor[]): Tensor[] {
  const kinds = new Set<string>();
  const [first, others]: [Tensor[], Tensor[]] = [[], []];
  for (const entry of entries) {
    const { op, attributes, shape, inputs } = entry;
    const kind = [opId(op), attributeText(attributes), shape, ...inputs.map((t) => t.shape)].join(";");
    (kinds.has(kind) ? others : first).push(entry);
    kinds.add(kind);
  }
  return [...first, ...others];
}

/** A gradient that is wrong, and how to examine it again. */
export interface WrongGradient {
  readonly recording: Recording;
  readonly order: 1 | 2;
  /** The leaves whose gradient is wrong. */
  readonly variables: readonly Tensor[];
}

/** Whether the gradient is wrong if some entries are held. */
function isWrongHolding(
  { recording, order }: WrongGradient,
  held: ReadonlySet<Tensor>,
  options: ExamineOptions,
): boolean {
  const first = examine(recording, { ...options, resamples: 0 }, held);
  if (isWrong(first) || order === 1) return isWrong(first);
  return !first.blocked && isWrong(examineSecond(first, { ...options, resamples: 0 }, held));
}

/**
 * The first of those cuts that make the gradient wrong. A cut is undone by holding the entry, as the gradient does: where that mends
 * nothing, it is harmless (as the `detach` of a maximum within a softmax is). Returns `null` if no cut is to blame.
 */
function guiltyCut(wrong: WrongGradient, cuts: readonly Tensor[], options: ExamineOptions): Tensor | null {
  if (cuts.length === 0 || isWrongHolding(wrong, new Set(cuts), options)) return null;
  let needed = [...cuts];
  for (const cut of cuts.slice(0, MOST_CUTS)) {
    if (needed.length === 1) break;
    const without = needed.filter((t) => t !== cut);
    if (!isWrongHolding(wrong, new Set(without), options)) needed = without;
  }
  return needed[0];
}

/**
 * Searches for an entry whose rule is wrong by itself, or that cuts off what it should pass on, by examining alone each entry through
 * which the outputs depend on the variables.
 */
export function findDeparture(wrong: WrongGradient, options: ExamineOptions): Departure {
  const { recording, order, variables } = wrong;
  const outputs = flatten(recording.outputs);
  const { moving } = rolesOf(historyOf(outputs), variables);
  const all = between(outputs, moving);
  const cut = guiltyCut(wrong, all.filter((entry) => isCut(entry, moving)), options);
  if (cut) return { suspect: cut, examined: all.length, candidates: all.length, loop: false };
  const whole = all.filter((entry) => !isCut(entry, moving));
  const candidates = whole.length;
  const entries = (candidates > MOST_ENTRIES ? eachKindFirst(whole) : whole).slice(0, MOST_ENTRIES);
  const values = valuesAt([...new Set(entries.flatMap((t) => t.inputs))]);
  const at = entries.findIndex((entry) => isOff(entry, values, order, options));
  const loop = at < 0 && loopsOf(recording.outputs).some((entry) => isLoopOff(entry, order, options));
  return { suspect: entries[at] ?? null, examined: at < 0 ? entries.length : at + 1, candidates, loop };
}

/** The results of loops that outputs are computed from, by the loop. */
function loopsOf(outputs: readonly Tensor[]): Tensor[][] {
  const seen = new Set(outputs);
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const entry of seen) for (const input of dependenciesOf(entry)) seen.add(input);
  const loops = new Map<Tensor, Tensor[]>();
  for (const entry of seen) {
    if (resultNumber(entry) === null || entry.dtype !== "float") continue;
    const [loop] = entry.inputs;
    loops.set(loop, [...loops.get(loop) ?? [], entry]);
  }
  return [...loops.values()];
}

/** Whether the rule of a loop is wrong by itself, at the values of its inputs. */
function isLoopOff(results: readonly Tensor[], order: 1 | 2, options: ExamineOptions): boolean {
  const [{ inputs: [loop] }] = results;
  const values = valuesAt([...new Set(loop.inputs)]);
  const { leaves, output } = alone(loop, values);
  return isAnyOff(leaves, results.map((entry) => record(opOf(entry), [output], entry.attributes)), order, options);
}

/** Whether the rule of an entry is wrong by itself, at the values of its inputs. */
function isOff(
  entry: Tensor,
  values: ReadonlyMap<Tensor, Float64Array>,
  order: 1 | 2,
  options: ExamineOptions,
): boolean {
  const { leaves, output } = alone(entry, values);
  return isAnyOff(leaves, [output], order, options);
}

/** Whether the gradient of outputs by leaves is wrong. */
function isAnyOff(
  leaves: readonly Tensor[],
  outputs: readonly Tensor[],
  order: 1 | 2,
  options: ExamineOptions,
): boolean {
  const few = leaves.every(({ size }) => size <= FEW_ELEMENTS);
  const own: ExamineOptions = { ...options, mode: few ? "full" : "fast", resamples: 0 };
  const recording = {
    leaves,
    names: leaves.map((_, i) => `input ${i}`),
    outputs,
    history: historyOf(outputs),
  };
  const first = examine(recording, own);
  if (isWrong(first)) return true;
  return order === 2 && !first.blocked && first.gradients.length > 0 && isWrong(examineSecond(first, own));
}

/** The entry at which values that are not finite arise, and the message about it. */
export interface Origin {
  readonly entry: Tensor;
  readonly check: "non-finite" | "domain";
  readonly message: string;
}

/** Follows values that are not finite back to their origin; `null` if all are finite. */
export function originOf(recorded: readonly Tensor[], what: string): Origin | null {
  const outputs = flatten(recorded);
  const values = valuesAt(historyOf(outputs));
  const place = (t: Tensor) => values.get(t)!.findIndex((x) => !Number.isFinite(x));
  let entry = outputs.find((t) => place(t) >= 0);
  if (!entry) return null;
  for (;;) {
    const cause: Tensor | undefined = entry.inputs.find((t) => t.inputs.length > 0 && place(t) >= 0);
    if (!cause) break;
    entry = cause;
  }
  const at = place(entry);
  const { name } = entry.op;
  const inputs = entry.inputs.map((t) => {
    const own = values.get(t)!;
    const value = own.length === entry.size ? own[at] : own.length === 1 ? own[0] : null;
    return value === null ? `a ${t.op.name} of shape [${t.shape.join(", ")}]` : String(value);
  });
  const value = values.get(entry)![at];
  const { requires } = opOf(entry);
  const message = `${what} not finite: it arises in ${elementText(name, at, entry.shape)} = ${value}` +
    (inputs.length > 0 ? `, from ${inputs.join(" and ")}` : "") + (requires ? `; ${requires}` : "");
  return { entry, check: requires ? "domain" : "non-finite", message };
}

/** The finding for outputs or gradients that are not finite; `null` if all are finite. */
export function nonFiniteFinding(
  { finite, gradients, names }: Examined,
  outputs: readonly Tensor[],
  idOf: (entry: Tensor) => number | undefined,
  second: boolean,
): Finding | null {
  if (finite) return null;
  const origin = originOf(outputs, second ? "the gradient is" : "the function is") ?? gradients.reduce<Origin | null>(
    (found, g, k) => found ?? originOf([g], `the ${second ? "second derivative" : "gradient"} by ${names[k]} is`),
    null,
  );
  if (!origin) return null;
  const entry = idOf(origin.entry);
  const { check, message } = origin;
  return { check, severity: "warning", message, ...(entry === undefined ? {} : { entry }) };
}
