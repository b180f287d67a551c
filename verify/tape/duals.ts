/**
 * Derivatives by dual numbers: the first witness. The function's kernels run over values with tangents (Clifford 1873; Griewank and
 * Walther, "Evaluating Derivatives", chapter 3), so a derivative along a direction is exact to rounding and owes nothing to the rules
 * that the tape's gradient comes from.
 */
import type { Ties } from "../../core/backends/dual.ts";
import { randomFrom } from "../random.ts";
import { deviations } from "./jitter.ts";
import type { Tangents, TapeProblem } from "./problem.ts";

/** A derivative of the weighted sum of outputs along a direction. */
export interface Slope {
  readonly value: number;
  /** The size of the terms that it is the sum of. */
  readonly size: number;
}

/** An interval that holds the derivative whichever way ties are taken. */
export interface Hull {
  readonly low: number;
  readonly high: number;
  /** The size of the terms. */
  readonly size: number;
}

/** How many elements are differentiated in one run: more share the values, and take longer to compile. */
function lanesFor(count: number): number {
  return count < 4 ? 1 : count < 256 ? 4 : 8;
}

/** From this many elements on, the noise of all is measured together. */
const MANY = 64;

/** The only element that moves among many; `null` if several do, or if there are few. */
function onlyIn(direction: Direction): readonly [variable: number, index: number] | null {
  if (direction.reduce((sum, { length }) => sum + length, 0) < MANY) return null;
  let only: readonly [number, number] | null = null;
  for (const [k, moves] of direction.entries()) {
    for (let i = 0; i < moves.length; i++) {
      if (moves[i] === 0) continue;
      if (only) return null;
      only = [k, i];
    }
  }
  return only;
}

/** A direction: how far each element of each variable moves. */
export type Direction = readonly Float64Array[];

/** A derivative along a direction at a point. */
interface Derivative {
  readonly direction: Direction;
  readonly point: number;
  readonly slope: Slope;
  /** Whether operands tie whose tangents differ. */
  readonly tied: boolean;
}

/** How many directions must agree with the derivatives with respect to all elements, and by how many roundings of the terms they may differ. */
const AGREEING = 2;
const ROUNDINGS = 64;

/** The derivatives of a function on the tape by dual numbers, at the point of the problem's last `settle`. */
export class Duals {
  readonly #problem: TapeProblem;
  readonly #one: Tangents;
  /** The last derivative along a direction: several judges ask for the same one. */
  #last: Derivative | null = null;
  /** The derivatives with respect to all elements, and their noise, at a point. */
  #all: { readonly point: number; readonly gradient: readonly Float64Array[] | null } | null = null;
  #noises: { readonly point: number; readonly elements: readonly Float64Array[] } | null = null;

  private constructor(problem: TapeProblem, one: Tangents) {
    this.#problem = problem;
    this.#one = one;
  }

  /** Returns `null` if the function uses a scalar function whose derivative is not known. */
  static of(problem: TapeProblem): Duals | null {
    const one = problem.tangents("branch", 1);
    return one && new Duals(problem, one);
  }

  /** Whether any operands could tie. */
  get hasTies(): boolean {
    return this.#one.ties;
  }

  #tangents(ties: Ties, lanes: number, jittered = false): Tangents {
    return this.#problem.tangents(ties, lanes, jittered)!;
  }

  /** The weighted sum of the tangents in one lane. */
  #sum({ plan, lanes }: Tangents, lane: number): Slope {
    let value = 0, size = 0;
    // No closure, which would keep the sums on the heap.
    for (let k = 0; k < plan.tangents.length; k++) {
      const tangents = plan.tangents[k], weights = this.#problem.weights[k];
      if (!tangents) continue;
      for (let i = 0, at = lane; i < weights.length; i++, at += lanes) {
        const term = weights[i] * tangents[at];
        value += term;
        size += Math.abs(term);
      }
    }
    return { value, size };
  }

  /** The derivative along a direction; the branch that was taken decides at kinks. */
  along(direction: Direction): Slope {
    return this.#along(direction).slope;
  }

  /** Whether the derivative along a direction could depend on how ties are taken: operands tie whose tangents differ. */
  mayDepend(direction: Direction): boolean {
    return this.hasTies && this.#along(direction).tied;
  }

  #along(direction: Direction): Derivative {
    const { point } = this.#problem;
    if (this.#last?.direction === direction && this.#last.point === point) return this.#last;
    this.#seed(this.#one, direction);
    this.#one.plan.run();
    // An output that is a variable has the variable's own tangents: they are read before they are cleared.
    const slope = this.#sum(this.#one, 0);
    this.#clear(this.#one);
    return this.#last = { direction, point, slope, tied: this.#one.plan.tied };
  }

  /** The tangents of the outputs along a direction. */
  outputsAlong(direction: Direction): readonly (Float64Array | null)[] {
    this.#seed(this.#one, direction);
    this.#one.plan.run();
    const tangents = this.#one.plan.tangents.map((t) => t?.slice() ?? null);
    this.#clear(this.#one);
    return tangents;
  }

  /** The derivatives along a direction, and along its opposite with the sign changed: the one-sided slopes. */
  oneSided(direction: Direction): readonly [behind: Slope, ahead: Slope] {
    const tangents = this.#tangents("ahead", 2);
    this.#seed(tangents, direction, [1, -1]);
    tangents.plan.run();
    const [ahead, opposite] = [this.#sum(tangents, 0), this.#sum(tangents, 1)];
    this.#clear(tangents);
    return [{ value: -opposite.value, size: opposite.size }, ahead];
  }

  /** The derivative along a direction on the branch that lies towards another one, which says how ties are taken. */
  branch(towards: Direction, direction: Direction): Slope {
    const tangents = this.#tangents("first", 2);
    const pairs = tangents.variables;
    pairs.forEach((seeds, k) => {
      const [first, second] = [towards[k], direction[k]];
      for (let i = 0; i < second.length; i++) {
        seeds[2 * i] = first[i];
        seeds[2 * i + 1] = second[i];
      }
    });
    tangents.plan.run();
    const slope = this.#sum(tangents, 1);
    pairs.forEach((seeds) => seeds.fill(0));
    return slope;
  }

  /** The derivative along a direction with each tie taken by itself, at random: this share of them as the first operand. */
  apart(direction: Direction, share: number, random: () => number): Slope {
    const tangents = this.#tangents("apart", 1);
    this.#seed(tangents, direction);
    tangents.plan.takeApart(random, share);
    tangents.plan.run();
    const slope = this.#sum(tangents, 0);
    this.#clear(tangents);
    return slope;
  }

  /** An interval that holds the derivative along a direction for all ways of taking ties. */
  hull(direction: Direction): Hull {
    const tangents = this.#tangents("hull", 1);
    this.#seed(tangents, direction, [1, 1]);
    tangents.plan.run();
    let low = 0, high = 0, size = 0;
    for (let k = 0; k < tangents.plan.tangents.length; k++) {
      const ends = tangents.plan.tangents[k];
      if (!ends) continue;
      const weights = this.#problem.weights[k];
      for (let i = 0; i < weights.length; i++) {
        const a = weights[i] * ends[2 * i], b = weights[i] * ends[2 * i + 1];
        low += Math.min(a, b);
        high += Math.max(a, b);
        size += Math.max(Math.abs(a), Math.abs(b));
      }
    }
    this.#clear(tangents);
    return { low, high, size };
  }

  /** The derivatives with respect to some elements of a variable, each handed to `visit`. */
  each(variable: number, elements: ArrayLike<number>, visit: (element: number, slope: Slope) => void): void {
    if (elements.length === 0) return;
    const lanes = lanesFor(elements.length);
    const tangents = this.#tangents("branch", lanes);
    const seeds = tangents.variables[variable];
    for (let from = 0; from < elements.length; from += lanes) {
      const count = Math.min(lanes, elements.length - from);
      for (let lane = 0; lane < count; lane++) seeds[elements[from + lane] * lanes + lane] = 1;
      tangents.plan.run();
      for (let lane = 0; lane < count; lane++) visit(elements[from + lane], this.#sum(tangents, lane));
      for (let lane = 0; lane < count; lane++) seeds[elements[from + lane] * lanes + lane] = 0;
    }
  }

  /**
   * The derivatives with respect to all elements from one run backwards, if they agree with dual numbers along random directions (Freivalds, 1977);
   * `null` if they do not.
   */
  all(): readonly Float64Array[] | null {
    const { point } = this.#problem;
    if (this.#all?.point === point) return this.#all.gradient;
    const gradient = this.#problem.backwards().run().map((values) => values.slice());
    const random = randomFrom(gradient.length);
    // Each element contributes alike; and where the derivative is 0, nothing else may move that could hide another one.
    const alike = (g: number) => (Number.isFinite(g) && g !== 0 ? 1 / Math.abs(g) : 0);
    const zeros = (g: number) => (g === 0 ? 1 : 0);
    const agrees = [...new Array<typeof alike>(AGREEING).fill(alike), zeros].every((size) =>
      this.#agrees(gradient, size, random)
    );
    this.#all = { point, gradient: agrees ? gradient : null };
    return this.#all.gradient;
  }

  #agrees(gradient: readonly Float64Array[], sizeOf: (g: number) => number, random: () => number): boolean {
    let sum = 0, terms = 0, moves = false;
    const direction = gradient.map((values) => {
      const own = new Float64Array(values.length);
      for (let i = 0; i < own.length; i++) {
        const size = sizeOf(values[i]);
        if (size === 0) continue;
        moves = true;
        own[i] = (random() < 0.5 ? -1 : 1) * (0.5 + random()) * size;
        sum += values[i] * own[i];
        terms += Math.abs(values[i] * own[i]);
      }
      return own;
    });
    if (!moves) return true;
    const { value, size } = this.along(direction);
    return Math.abs(value - sum) <= ROUNDINGS * 2 ** -52 * (terms + size);
  }

  /** How much rounding moves each of the derivatives with respect to all elements. */
  noises(): readonly Float64Array[] {
    const { point } = this.#problem;
    if (this.#noises?.point !== point) {
      this.#noises = { point, elements: deviations(this.#problem.backwards(true), this.#problem.backwards().run()) };
    }
    return this.#noises.elements;
  }

  /** How much rounding moves the derivative along a direction. */
  noise(direction: Direction): number {
    const only = onlyIn(direction);
    if (only) return Math.abs(direction[only[0]][only[1]]) * this.noises()[only[0]][only[1]];
    const exact = this.along(direction).value;
    const tangents = this.#tangents("branch", 1, true);
    this.#seed(tangents, direction);
    const result = Float64Array.of(0);
    const run = () => {
      tangents.plan.run();
      result[0] = this.#sum(tangents, 0).value;
      return [result];
    };
    const [[largest]] = deviations({ run }, [[exact]]);
    this.#clear(tangents);
    return largest;
  }

  #seed({ variables, lanes }: Tangents, direction: Direction, factors: readonly number[] = [1]): void {
    direction.forEach((moves, k) => {
      const seeds = variables[k];
      for (let i = 0; i < moves.length; i++) {
        if (moves[i] !== 0) {
          for (let lane = 0; lane < lanes; lane++) seeds[i * lanes + lane] = factors[lane] * moves[i];
        }
      }
    });
  }

  #clear({ variables }: Tangents): void {
    for (const tangents of variables) tangents.fill(0);
  }
}
