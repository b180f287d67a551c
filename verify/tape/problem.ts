/**
 * A function on the tape as a numeric problem: entries without derivative are held, and the plans of the rest run
 * repeatedly, over numbers and over dual numbers.
 */
import { type BoundDual, type DualOptions, NoDual, type Ties } from "../../core/backends/dual.ts";
import type { BoundPlan } from "../../core/backends/float64.ts";
import type { Tensor } from "../../core/tensor.ts";
import { tensor } from "../../ops/creation.ts";
import { sameValues } from "../arrays.ts";
import type { Problem } from "../differences/numeric.ts";
import { type Analysis, analysisOf, type PlacedPlan, type TapeFunction } from "./analysis.ts";
import { GradientNoise, jitter } from "./jitter.ts";
import { type Comparison, marginOf } from "./margins.ts";
import { prepare, valueOf } from "./oracle.ts";
import { choicesOf, NUDGE, nudge } from "./roles.ts";
import { Rounding } from "./rounding.ts";

/** A plan over dual numbers with the arrays that it reads. */
export interface Tangents {
  readonly plan: BoundDual;
  /** The tangents of each variable, `lanes` per element; zeros between runs. */
  readonly variables: readonly Float64Array[];
  readonly lanes: number;
  /** Whether the tangents depend on how ties are taken. */
  readonly ties: boolean;
}

/** A plan that computes the derivatives of the weighted sum by all elements of all variables in one run. */
export interface Backwards {
  /** The derivatives at the current values; the same arrays at each run. */
  run(): readonly Float64Array[];
}

/** A bound on rounding; `null` if a rule fails. */
interface Bound {
  readonly rounding: Rounding | null;
  /** Whether it is up to date for the current point. */
  settled: boolean;
}

/** The plan of a gradient in which roundings are off, and that of the decisions within its rules; `null` if there are none. */
interface Noisy {
  readonly choose: BoundPlan | null;
  readonly differentiate: BoundPlan;
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
  readonly #computeOperands: BoundPlan;
  readonly #decide: BoundPlan;
  readonly #compute: BoundPlan;
  readonly #differentiate: BoundPlan;
  readonly #comparisons: readonly Comparison[];
  readonly #tangents = new Map<string, Tangents>();
  readonly #backwards = new Map<string, Backwards>();
  /** Counts the points at which it was settled. */
  #point = 0;
  /** Prepared on first use. */
  #rounding: Bound | null = null;
  #noise: GradientNoise | null = null;
  #noisy: Noisy | null = null;
  #margin: number | null = null;
  #free: BoundPlan | null = null;
  /** The decisions at the point, kept where they are compared with others. */
  #decided: readonly Float64Array[] | null = null;

  constructor(fn: TapeFunction, terms: number) {
    this.#fn = fn;
    this.terms = terms;
    this.variables = fn.variables.map((t) => t.value as Float64Array);
    this.weights = fn.weights;
    const { analysis, places } = analysisOf(fn);
    this.#places = places;
    this.#analysis = analysis;

    const constants = this.#bind(analysis.computeConstants);
    constants.run();
    analysis.constants.forEach((place, i) => this.#given.set(place, constants.results[i]));
    this.#computeOperands = this.#bind(analysis.computeOperands);
    const operands = new Map(analysis.operands.map((place, i) => [place, this.#computeOperands.results[i]]));
    this.#decide = this.#bind(analysis.decide, operands);
    analysis.decisions.forEach((place, i) => this.#given.set(place, this.#decide.results[i]));
    this.#compute = this.#bind(analysis.compute);
    this.#differentiate = this.#bind(analysis.differentiate);
    this.#comparisons = this.#compare(analysis);
  }

  #arrays({ leaves }: PlacedPlan, also?: ReadonlyMap<number, Float64Array>): Float64Array[] {
    return leaves.map((place) => this.#given.get(place) ?? also?.get(place) ?? valueOf(this.#places[place]));
  }

  #bind(placed: PlacedPlan, also?: ReadonlyMap<number, Float64Array>): BoundPlan {
    return placed.plan.numbers.bind(this.#arrays(placed, also));
  }

  /** Takes all decisions at the current values. */
  #decideHere(): void {
    this.#computeOperands.run();
    this.#decide.run();
  }

  /** Computes what is compared once with all values slightly moved, to detect comparisons of a number with itself. */
  #compare({ pairs, shapes }: Analysis): Comparison[] {
    if (pairs.length === 0) return [];
    const undo = nudge(this.#fn.variables, NUDGE);
    const here = this.#computeOperands.run();
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

  /** Identifies the point of the last {@link settle}. */
  get point(): number {
    return this.#point;
  }

  settle(): readonly Float64Array[] {
    this.#point++;
    this.#decideHere();
    if (this.#rounding) this.#rounding.settled = false;
    this.#noise = null;
    this.#margin = null;
    this.#decided = null;
    return this.#differentiate.run();
  }

  /** The gradients for the current cotangents, at the point of the last {@link settle}. */
  gradients(): readonly Float64Array[] {
    return this.#differentiate.run();
  }

  evaluate(): readonly Float64Array[] {
    return this.#compute.run();
  }

  /** The outputs at the current values, with all decisions taken there; what is held on purpose stays. */
  free(): readonly Float64Array[] {
    const { held } = this.#analysis;
    this.#free ??= prepare(
      this.#fn.outputs,
      new Map(held.map((place) => [this.#places[place], this.#given.get(place)!])),
    );
    return this.#free.run();
  }

  /** Whether there are decisions that moves could take the other way. */
  get decides(): boolean {
    return this.#analysis.decisions.length > this.#analysis.held.length;
  }

  /** Whether a decision may lie exactly on its edge. */
  get mayBeOnEdge(): boolean {
    return this.decides && (this.#analysis.steps || this.margin() === 0);
  }

  /** Whether any decision would be taken differently at the current values than at the point of the last {@link settle}. */
  flips(): boolean {
    const { decisions, held } = this.#analysis;
    const { results } = this.#decide;
    this.#decided ??= results.map((values) => values.slice());
    this.#decideHere();
    const flips = results.some((values, k) => !held.includes(decisions[k]) && !sameValues(values, this.#decided![k]));
    results.forEach((values, k) => values.set(this.#decided![k]));
    return flips;
  }

  /** The decisions as they are taken at the point. */
  get decisions(): readonly Float64Array[] {
    return this.#decide.results;
  }

  /** The decisions as they are taken after a move. Values held on purpose move, but count as constants. */
  decisionsAfter(move: readonly Float64Array[]): readonly Float64Array[] {
    if (!this.decides) return this.decisions;
    const here = this.variables.map((values) => values.slice());
    const taken = this.#decide.results.map((values) => values.slice());
    this.variables.forEach((values, k) => values.forEach((x, i) => (values[i] = x + move[k][i])));
    this.#decideHere();
    const { decisions, held } = this.#analysis;
    const after = decisions.map((place, k) => (held.includes(place) ? taken : this.#decide.results)[k].slice());
    this.variables.forEach((values, k) => values.set(here[k]));
    taken.forEach((values, k) => this.#decide.results[k].set(values));
    return after;
  }

  /** Does something with other decisions in place of those that are taken at the point. */
  deciding<T>(decisions: readonly Float64Array[], act: () => T): T {
    const taken = this.decisions.map((values) => values.slice());
    const replace = (by: readonly Float64Array[]) => this.decisions.forEach((values, k) => values.set(by[k]));
    replace(decisions);
    const result = act();
    replace(taken);
    return result;
  }

  /** The plan over dual numbers; `null` if the derivative of a scalar function is not known. */
  tangents(ties: Ties, lanes: number, jittered = false): Tangents | null {
    const key = `${ties} ${lanes} ${jittered}`;
    const known = this.#tangents.get(key);
    if (known) return known;
    const { compute } = this.#analysis;
    const moving = compute.leaves.map((place) => this.#fn.variables.includes(this.#places[place]));
    const options: DualOptions = { moving, ties, lanes, ...(jittered ? { jitter } : {}) };
    try {
      const plan = compute.plan.dual(options);
      // Two numbers, the ends of an interval, in place of one.
      const width = ties === "hull" ? 2 : lanes;
      const variables = this.variables.map(({ length }) => new Float64Array(length * width));
      const own = new Map(this.#fn.variables.map((t, k) => [t, variables[k]]));
      const tangents = compute.leaves.map((place) => own.get(this.#places[place]) ?? null);
      const bound = { plan: plan.bind(this.#arrays(compute), tangents), variables, lanes: width, ties: plan.ties };
      this.#tangents.set(key, bound);
      return bound;
    } catch (error) {
      if (error instanceof NoDual) return null;
      throw error;
    }
  }

  /** The plan backwards, for functions that have a plan over dual numbers. */
  backwards(jittered = false): Backwards {
    const key = jittered ? "jittered" : "exact";
    const known = this.#backwards.get(key);
    if (known) return known;
    const { compute } = this.#analysis;
    const moving = compute.leaves.map((place) => this.#fn.variables.includes(this.#places[place]));
    const plan = compute.plan.adjoint({ moving, ...(jittered ? { jitter } : {}) }).bind(this.#arrays(compute));
    const adjoints = new Map(compute.leaves.map((place, i) => [this.#places[place], plan.adjoints[i]]));
    // A variable without influence has no part in the plan.
    const variables = this.#fn.variables.map((t, k) => adjoints.get(t) ?? new Float64Array(this.variables[k].length));
    const bound: Backwards = {
      run: () => {
        plan.run(this.weights);
        return variables;
      },
    };
    this.#backwards.set(key, bound);
    return bound;
  }

  rounding(move: () => void): number | null {
    this.#rounding ??= this.#boundOnRounding();
    const { rounding, settled } = this.#rounding;
    if (rounding && !settled) rounding.settle();
    this.#rounding.settled = true;
    if (rounding) return rounding.moved(this.variables, move);
    move();
    return null;
  }

  #boundOnRounding(): Bound {
    const { outputs, variables, weights } = this.#fn;
    const entries = this.#analysis.moving.map((place) => this.#places[place]).filter((t) => !variables.includes(t));
    const given = this.#givenEntries();
    try {
      const weighted = { outputs, weights: outputs.map((t, k) => tensor(weights[k], t.shape)), entries };
      return { rounding: new Rounding(weighted, given, this.epsilon), settled: false };
    } catch {
      return { rounding: null, settled: false };
    }
  }

  /** How much rounding moves each element of the gradient, at the point of the last {@link settle}. */
  get noise(): GradientNoise {
    if (this.#noise) return this.#noise;
    this.#noisy ??= this.#withChoicesHeld();
    this.#noisy.choose?.run();
    return this.#noise = new GradientNoise(this.#noisy.differentiate, this.#differentiate.run());
  }

  /**
   * The gradient with its roundings off by random errors, which leave decisions within its rules as they are: a rule that is wrong where
   * computed numbers are equal, say, would look like noise otherwise.
   */
  #withChoicesHeld(): Noisy {
    const { gradients } = this.#fn;
    const given = this.#givenEntries();
    const choices = choicesOf(gradients, given);
    const choose = choices.length > 0 ? prepare(choices, given) : null;
    choices.forEach((t, k) => given.set(t, choose!.results[k]));
    return { choose, differentiate: prepare(gradients, given, jitter) };
  }

  /** The arrays of entries that computations start from, by the entries. */
  #givenEntries(): Map<Tensor, Float64Array> {
    return new Map([...this.#given].map(([place, values]) => [this.#places[place], values]));
  }

  gradientRounding(weights: readonly Float64Array[]): number {
    return this.noise.along(weights);
  }

  /** The relative distance of the nearest comparison from its other result; `null` if there is no comparison. */
  margin(): number | null {
    this.#margin ??= this.#comparisons.reduce((least, comparison) => Math.min(least, marginOf(comparison)), Infinity);
    return this.#margin === Infinity ? null : this.#margin;
  }
}
