/**
 * A function on the tape as a numeric problem: entries without derivative are held, and the plan of the rest runs
 * repeatedly.
 */
import { asFloat64, type BoundPlan, type HostPlan } from "../../core/backends/float64.ts";
import { isComparison, opOf } from "../../core/op.ts";
import { broadcastShapes, type Shape, stridesOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { tensor } from "../../ops/creation.ts";
import { flows } from "../../ops/grad.ts";
import { leafOf } from "../inputs.ts";
import { type Problem, scaleOf, sizeOf } from "../differences/numeric.ts";
import { historyOf, layoutOf, prepare, programFor, Recent } from "./oracle.ts";
import { randomFrom } from "../random.ts";
import { Rounding, type WeightedSum } from "./rounding.ts";

/** The relative size of moves that distinguish decisions, which do not change, from values. */
const NUDGE = 2 ** -20;
/**
 * The second move is smaller by this factor: the change of a value shrinks with it, that of a flipped decision does
 * not.
 */
const NUDGES_APART = 16;

/** How the entries of a tape depend on variables. */
export interface Roles {
  /** The entries that depend on a variable, variables included. */
  readonly dependent: ReadonlySet<Tensor>;
  /** Those of them that change with it; the others are decisions. */
  readonly moving: ReadonlySet<Tensor>;
  /** Whether this was found from values rather than from the structure alone. */
  readonly tried: boolean;
}

/** Moves each variable by a random fraction of its elements' sizes, and returns a function that undoes it. */
function nudge(variables: readonly Tensor[], by: number): () => void {
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
function isCut(entry: Tensor, moving: ReadonlySet<Tensor>): boolean {
  return entry.inputs.every((input, k) => !moving.has(input) || !flows(entry, k));
}

/**
 * Finds the decisions. Entries of dtype int and bool are decisions. A float entry that passes no gradient on is a
 * decision if small moves leave it unchanged, as with `round` and `sign`; if it changes, its derivative is missing, and
 * it must not be held.
 */
export function rolesOf(history: readonly Tensor[], variables: readonly Tensor[]): Roles {
  const dependent = new Set<Tensor>(variables);
  for (const entry of history) if (entry.inputs.some((input) => dependent.has(input))) dependent.add(entry);

  const find = (held: ReadonlySet<Tensor>): { moving: Set<Tensor>; doubtful: Tensor[] } => {
    const moving = new Set<Tensor>(variables);
    const doubtful: Tensor[] = [];
    for (const entry of history) {
      if (entry.dtype !== "float" || held.has(entry) || !entry.inputs.some((input) => moving.has(input))) continue;
      moving.add(entry);
      // An entry that only rearranges values changes with them; all others are tried out.
      if (isCut(entry, moving) && opOf(entry).kernel.kind !== "movement") doubtful.push(entry);
    }
    return { moving, doubtful };
  };
  const { moving, doubtful } = find(new Set());
  if (doubtful.length === 0) return { dependent, moving, tried: false };

  const { run } = prepare(doubtful, new Map());
  const snapshot = () => run().map((values) => values.slice());
  const at = snapshot();
  const [far, near] = [NUDGE, NUDGE / NUDGES_APART].map((by) => {
    const undo = nudge(variables, by);
    const values = snapshot();
    undo();
    return values;
  });
  const held = new Set(doubtful.filter((_, k) => {
    for (let i = 0; i < at[k].length; i++) {
      const change = Math.abs(near[k][i] - at[k][i]);
      if (change > 0 && change < Math.abs(far[k][i] - at[k][i]) / 2) return false;
    }
    return true;
  }));
  return { dependent, moving: find(held).moving, tried: true };
}

/** A function's outputs and analytic derivatives on the tape. */
export interface TapeFunction {
  /** The entries that the outputs are computed from, inputs first. */
  readonly history: readonly Tensor[];
  /** Outputs of dtype float. */
  readonly outputs: readonly Tensor[];
  /** The leaves that it is differentiated by. */
  readonly variables: readonly Tensor[];
  /** Further leaves of the gradients whose values change between calls. */
  readonly cotangents: readonly Tensor[];
  /** The weights of the outputs. */
  readonly weights: readonly Float64Array[];
  /** The gradients of the weighted sum by the variables, as entries of the same tape. */
  readonly gradients: readonly Tensor[];
}

/** A program whose leaves are identified by their positions in a layout. */
interface PlacedProgram {
  readonly plan: HostPlan;
  readonly leaves: readonly number[];
}

/**
 * How to compute a function with its decisions held, shared by all tapes of a structure. Entries are identified by
 * position.
 */
interface Analysis {
  readonly moving: readonly number[];
  /** Inputs of moving entries that do not depend on any variable; computed once. */
  readonly constants: readonly number[];
  readonly computeConstants: PlacedProgram;
  /** Inputs of moving entries that depend on variables without moving with them; computed at each point. */
  readonly decisions: readonly number[];
  /** Pairs of numbers whose comparison decides something: positions among the entries computed with the decisions. */
  readonly pairs: readonly (readonly [number, number])[];
  /** The shapes of those numbers. */
  readonly shapes: readonly Shape[];
  readonly decide: PlacedProgram;
  readonly compute: PlacedProgram;
  readonly differentiate: PlacedProgram;
  /** Whether the analysis holds for this structure, whatever the values. */
  readonly structural: boolean;
}

const analyses = new Recent<Analysis>();

function analyse(fn: TapeFunction, places: readonly Tensor[]): Analysis {
  const { outputs, gradients, variables, cotangents, history } = fn;
  const { dependent, moving, tried } = rolesOf(history, variables);
  const constants = new Set(outputs.filter((t) => t.inputs.length > 0 && !dependent.has(t)));
  const changing = new Set<Tensor>([...variables, ...cotangents]);
  for (const entry of historyOf([...outputs, ...gradients])) {
    if (!entry.inputs.some((input) => changing.has(input))) continue;
    changing.add(entry);
    for (const input of entry.inputs) if (!changing.has(input) && input.inputs.length > 0) constants.add(input);
  }
  const isDecision = (t: Tensor) => dependent.has(t) && !moving.has(t);
  const decisions = new Set(outputs.filter(isDecision));
  for (const entry of history) {
    if (!moving.has(entry)) continue;
    for (const input of entry.inputs) if (isDecision(input)) decisions.add(input);
  }
  const pairs = comparedBy([...decisions], history, moving);
  const operands = [...new Set(pairs.flat())];

  const numbers = new Map(places.map((t, i) => [t, i]));
  // A variable without influence has no position.
  const placesOf = (tensors: Iterable<Tensor>) => [...tensors].flatMap((t) => numbers.get(t) ?? []);
  const given = new Set<Tensor>();
  const program = (wanted: readonly Tensor[]): PlacedProgram => {
    const { plan, leaves } = programFor(wanted, given);
    return { plan, leaves: placesOf(leaves) };
  };
  const computeConstants = program([...constants]);
  constants.forEach((t) => given.add(t));
  const decide = program([...decisions, ...operands]);
  decisions.forEach((t) => given.add(t));
  return {
    moving: placesOf(moving),
    constants: placesOf(constants),
    computeConstants,
    decisions: placesOf(decisions),
    pairs: pairs.map(([a, b]) => [operands.indexOf(a), operands.indexOf(b)]),
    shapes: operands.map(({ shape }) => shape),
    decide,
    compute: program(outputs),
    differentiate: program(gradients),
    structural: !tried,
  };
}

/** A bound on rounding, the leaves that weight the sum, and whether it is up to date for the current point. */
interface Bound {
  readonly rounding: Rounding | null;
  readonly weights: readonly Tensor[];
  settled: boolean;
}

/** A function on the tape with its decisions held. */
export class TapeProblem implements Problem {
  readonly variables: readonly Float64Array[];
  readonly weights: readonly Float64Array[];
  readonly epsilon = 2 ** -52;
  readonly terms: number;
  readonly #fn: TapeFunction;
  readonly #places: readonly Tensor[];
  readonly #analysis: Analysis;
  /** The arrays that replace constants and decisions, by position. */
  readonly #given = new Map<number, Float64Array>();
  readonly #decide: BoundPlan;
  readonly #compute: BoundPlan;
  readonly #differentiate: BoundPlan;
  readonly #comparisons: readonly Comparison[];
  /** The rounding of the function and of its gradient, prepared on first use. */
  #function: Bound | null = null;
  #gradient: Bound | null = null;

  constructor(fn: TapeFunction, terms: number) {
    this.#fn = fn;
    this.terms = terms;
    this.variables = fn.variables.map((t) => t.value as Float64Array);
    this.weights = fn.weights;
    const { places, key } = layoutOf([...fn.outputs, ...fn.gradients]);
    this.#places = places;
    const leaves = [...fn.variables, ...fn.cotangents].map((t) => places.indexOf(t));
    const analysis = analyses.get(
      `${key}|${fn.outputs.length}|${leaves}`,
      () => analyse(fn, places),
      (a) => a.structural,
    );
    this.#analysis = analysis;

    const constants = this.#bind(analysis.computeConstants);
    constants.run();
    analysis.constants.forEach((place, i) => this.#given.set(place, constants.results[i]));
    this.#decide = this.#bind(analysis.decide);
    analysis.decisions.forEach((place, i) => this.#given.set(place, this.#decide.results[i]));
    this.#compute = this.#bind(analysis.compute);
    this.#differentiate = this.#bind(analysis.differentiate);
    this.#comparisons = this.#compare(analysis);
  }

  #bind({ plan, leaves }: PlacedProgram): BoundPlan {
    return plan.bind(leaves.map((place) => this.#given.get(place) ?? asFloat64(this.#places[place].value!)));
  }

  /** Takes the decisions once with all values slightly moved, to detect comparisons of a number with itself. */
  #compare({ pairs, decisions, shapes }: Analysis): Comparison[] {
    if (pairs.length === 0) return [];
    const undo = nudge(this.#fn.variables, NUDGE);
    const here = this.#decide.run().slice(decisions.length);
    // Before the move is undone, because an operand may be a variable itself.
    const moved = here.map((values) => values.slice());
    undo();
    return pairs.map(([a, b]) => ({
      shapes: [shapes[a], shapes[b]],
      values: [here[a], here[b]],
      moved: [moved[a], moved[b]],
    }));
  }

  round(x: number): number {
    return x;
  }

  /** The shape of a variable. */
  shapeOf(variable: number): readonly number[] {
    return this.#fn.variables[variable].shape;
  }

  settle(): readonly Float64Array[] {
    this.#decide.run();
    if (this.#function) this.#function.settled = false;
    return this.#differentiate.run();
  }

  /** The gradients for the current cotangents, at the point of the last {@link settle}. */
  gradients(): readonly Float64Array[] {
    return this.#differentiate.run();
  }

  evaluate(): readonly Float64Array[] {
    return this.#compute.run();
  }

  rounding(move: () => void): number | null {
    const { outputs, variables, weights } = this.#fn;
    this.#function ??= this.#roundingOf(() => {
      const entries = this.#analysis.moving.map((place) => this.#places[place]).filter((t) => !variables.includes(t));
      return { outputs, weights: outputs.map((t, k) => tensor(weights[k], t.shape)), entries };
    });
    const { rounding } = this.#function;
    if (rounding && !this.#function.settled) rounding.settle();
    this.#function.settled = true;
    if (rounding) return rounding.moved(this.variables, move);
    move();
    return null;
  }

  gradientRounding(weights: readonly Float64Array[]): number | null {
    const { gradients, variables, cotangents } = this.#fn;
    this.#gradient ??= this.#roundingOf(() => {
      const changing = new Set<Tensor>([...variables, ...cotangents]);
      const history = historyOf(gradients).filter((t) =>
        t.inputs.some((input) => changing.has(input)) && changing.add(t)
      );
      const entries = history.filter((t) => t.dtype === "float" && !this.#given.has(this.#places.indexOf(t)));
      return {
        outputs: gradients,
        weights: gradients.map((t) => leafOf({ ...t, values: new Float64Array(t.size) })),
        entries,
      };
    });
    const { rounding, weights: leaves } = this.#gradient;
    leaves.forEach((t, k) => (t.value as Float64Array).set(weights[k]));
    return rounding?.settle() ?? null;
  }

  /** Prepares a bound; its part is `null` if a rule fails. */
  #roundingOf(
    of: () => WeightedSum,
  ): Bound {
    const sum = of();
    const { weights } = sum;
    const given = new Map([...this.#given].map(([place, values]) => [this.#places[place], values]));
    try {
      return { rounding: new Rounding(sum, given, this.epsilon), weights, settled: false };
    } catch {
      return { rounding: null, weights, settled: false };
    }
  }

  /** The relative distance of the nearest comparison from its other result; `null` if there is no comparison. */
  margin(): number | null {
    const margin = this.#comparisons.reduce((least, comparison) => Math.min(least, marginOf(comparison)), Infinity);
    return margin === Infinity ? null : margin;
  }
}

/** The operands of a comparison: their values at the current point, and with all values slightly moved. */
interface Comparison {
  readonly shapes: readonly [Shape, Shape];
  readonly values: readonly [Float64Array, Float64Array];
  readonly moved: readonly [Float64Array, Float64Array];
}

/** The operands of the comparisons that decisions are made of, as far as they move; each pair once. */
function comparedBy(
  decisions: readonly Tensor[],
  history: readonly Tensor[],
  moving: ReadonlySet<Tensor>,
): (readonly [Tensor, Tensor])[] {
  const pairs = new Map<string, readonly [Tensor, Tensor]>();
  const needed = new Set(decisions);
  for (let i = history.length - 1; i >= 0; i--) {
    const entry = history[i];
    if (!needed.has(entry)) continue;
    for (const input of entry.inputs) needed.add(input);
    const [a, b] = entry.inputs;
    if (!isComparison(opOf(entry)) || a === b || !(moving.has(a) || moving.has(b))) continue;
    pairs.set(`${a.id},${b.id}`, [a, b]);
  }
  return [...pairs.values()];
}

/** For each element of the common shape, the position of the operand's element. */
function stridesWithin(shape: Shape, common: Shape): number[] {
  const strides = stridesOf(shape);
  const offset = common.length - shape.length;
  return common.map((_, axis) => (axis < offset || shape[axis - offset] === 1 ? 0 : strides[axis - offset]));
}

/** The smallest relative distance between compared numbers that move; a number compared with itself never flips. */
function marginOf({ shapes, values: [va, vb], moved: [ma, mb] }: Comparison): number {
  const common = broadcastShapes(shapes)!;
  const [sa, sb] = shapes.map((shape) => stridesWithin(shape, common));
  const last = common.length - 1;
  let margin = Infinity;
  /** Compares along the last axis: the inner loop. */
  const row = (i: number, j: number): void => {
    const [stepA, stepB, count] = last < 0 ? [0, 0, 1] : [sa[last], sb[last], common[last]];
    for (let n = 0; n < count; n++, i += stepA, j += stepB) {
      const a = va[i], b = vb[j];
      const distance = Math.abs(a - b);
      const size = Math.max(Math.abs(a), Math.abs(b));
      // Most are far apart and need no division.
      if ((distance >= margin * size && size > 0) || a - b === ma[i] - mb[j]) continue;
      margin = size === 0 ? 0 : distance / size;
    }
  };
  const visit = (axis: number, i: number, j: number): void => {
    if (axis >= last) return row(i, j);
    for (let n = 0; n < common[axis]; n++) visit(axis + 1, i + n * sa[axis], j + n * sb[axis]);
  };
  visit(0, 0, 0);
  return margin;
}
