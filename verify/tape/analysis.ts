/** How to compute a function on the tape with its decisions held: planned once for all tapes of a structure. */
import type { Shape } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { decidedBy } from "./margins.ts";
import { type OraclePlan, programFor } from "./oracle.ts";
import { rolesOf } from "./roles.ts";
import { type Layout, layoutOf, Structures } from "./structures.ts";

/** A function's outputs and analytic derivatives on the tape. */
export interface TapeFunction {
  /** The entries that the outputs are computed from, inputs first. */
  readonly history: readonly Tensor[];
  /** Outputs of dtype float. */
  readonly outputs: readonly Tensor[];
  /** The leaves that it is differentiated with respect to. */
  readonly variables: readonly Tensor[];
  /** Further leaves of the gradients whose values change between calls. */
  readonly cotangents: readonly Tensor[];
  /** The weights of the outputs. */
  readonly weights: readonly Float64Array[];
  /** The gradients of the weighted sum by the variables, as entries of the same tape. */
  readonly gradients: readonly Tensor[];
  /** Entries that count as constants, besides those that the function holds itself. */
  readonly held: ReadonlySet<Tensor>;
}

/** A plan whose leaves are identified by their positions in a layout. */
export interface PlacedPlan {
  readonly plan: OraclePlan;
  readonly leaves: readonly number[];
}

/** Entries are identified by their positions, so that all tapes of a structure share this. */
export interface Analysis {
  readonly moving: readonly number[];
  /** Inputs of moving entries that do not depend on any variable; computed once. */
  readonly constants: readonly number[];
  readonly computeConstants: PlacedPlan;
  /** Inputs of moving entries that depend on variables without moving with them; computed at each point. */
  readonly decisions: readonly number[];
  /** Those of them that are held on purpose, or made of what is: they move, but count as constants. */
  readonly held: readonly number[];
  /** Numbers that move and whose comparison decides something. */
  readonly operands: readonly number[];
  readonly shapes: readonly Shape[];
  /** Which of them are compared. */
  readonly pairs: readonly (readonly [number, number])[];
  /** Whether anything but these comparisons decides. */
  readonly steps: boolean;
  readonly computeOperands: PlacedPlan;
  /** The plan of the decisions, from the operands. */
  readonly decide: PlacedPlan;
  readonly compute: PlacedPlan;
  readonly differentiate: PlacedPlan;
  /** Whether the analysis holds for this structure, whatever the values. */
  readonly structural: boolean;
}

const analyses = new Structures<Analysis>();

/** The analysis of a function, and the entries that its positions stand for. */
export function analysisOf(fn: TapeFunction): { analysis: Analysis; places: readonly Tensor[] } {
  const { outputs, gradients, variables, cotangents, held } = fn;
  const layout = layoutOf([...outputs, ...gradients], fn.history);
  const { places, positions } = layout;
  const at = (tensors: Iterable<Tensor>) => Array.from(tensors, (t) => positions.get(t) ?? -1).join();
  const name = [outputs, gradients, variables, cotangents, held].map(at).join(" ");
  const analysis = analyses.get(layout, name, () => analyse(fn, layout), (a) => a.structural);
  return { analysis, places };
}

/** Entries that do not change with the variables, but that entries which do are computed from. */
function constantsOf(fn: TapeFunction, places: readonly Tensor[], dependent: ReadonlySet<Tensor>): Set<Tensor> {
  const { outputs, variables, cotangents } = fn;
  const constants = new Set(outputs.filter((t) => t.inputs.length > 0 && !dependent.has(t)));
  const changing = new Set<Tensor>([...variables, ...cotangents]);
  for (const entry of places) {
    if (!entry.inputs.some((input) => changing.has(input))) continue;
    changing.add(entry);
    for (const input of entry.inputs) if (!changing.has(input) && input.inputs.length > 0) constants.add(input);
  }
  return constants;
}

function analyse(fn: TapeFunction, { places, positions }: Layout<Tensor>): Analysis {
  const { outputs, gradients, variables, history } = fn;
  const { dependent, moving, free, tried } = rolesOf(history, variables, fn.held);
  const constants = constantsOf(fn, places, dependent);
  const isDecision = (t: Tensor) => dependent.has(t) && !moving.has(t);
  const decisions = new Set(outputs.filter(isDecision));
  for (const entry of history) {
    if (!moving.has(entry)) continue;
    for (const input of entry.inputs) if (isDecision(input)) decisions.add(input);
  }
  const { pairs, steps } = decidedBy([...decisions], history, moving);
  const operands = [...new Set(pairs.flat())];

  // A variable without influence has no position.
  const placesOf = (tensors: Iterable<Tensor>) => [...tensors].flatMap((t) => positions.get(t) ?? []);
  const given = new Set<Tensor>();
  const program = (wanted: readonly Tensor[]): PlacedPlan => {
    const { plan, leaves } = programFor(wanted, given);
    return { plan, leaves: placesOf(leaves) };
  };
  const computeConstants = program([...constants]);
  constants.forEach((t) => given.add(t));
  const computeOperands = program(operands);
  const known = operands.filter((t) => !given.has(t) && !decisions.has(t));
  known.forEach((t) => given.add(t));
  const decide = program([...decisions]);
  known.forEach((t) => given.delete(t));
  decisions.forEach((t) => given.add(t));
  return {
    moving: placesOf(moving),
    constants: placesOf(constants),
    computeConstants,
    decisions: placesOf(decisions),
    held: placesOf([...decisions].filter((t) => free.has(t))),
    operands: placesOf(operands),
    shapes: operands.map(({ shape }) => shape),
    pairs: pairs.map(([a, b]) => [operands.indexOf(a), operands.indexOf(b)]),
    steps,
    computeOperands,
    decide,
    compute: program(outputs),
    differentiate: program(gradients),
    structural: !tried,
  };
}
