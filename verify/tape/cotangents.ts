/** Properties of every vector-Jacobian product: determinism, and linearity in the cotangent. */
import type { Tensor } from "../../core/tensor.ts";
import { largestOf } from "../arrays.ts";
import { type Differences, scaleOf } from "../differences/numeric.ts";
import { elementText } from "../inputs.ts";
import { fillSigned } from "../random.ts";
import type { Finding } from "../report/report.ts";
import { along } from "./directions.ts";
import type { Direction, Duals } from "./duals.ts";
import type { TapeProblem } from "./problem.ts";

/** Tolerance of linearity relative to the terms, and to the largest gradient of the same variable. */
const LINEAR = 1e-9;
const LINEAR_LARGEST = 1e-12;
/** The same, in units of the measured noise of rounding, and of the rounding that values of this size cause in a derivative. */
const NOISES = 64;
const ROUNDINGS = 1024;
/** Smaller numbers have few digits. */
const LEAST = 2 ** -1022;
/** Cotangents are scaled by these: no powers of two, so that their last digits matter, too. */
const SCALES = [1e-6 / 3, -1e7 / 3];
/** How many outputs are looked at alone. */
const ONE_HOT = 2;

/** A function on the tape whose gradients can be computed for other cotangents. */
export interface Pullback {
  readonly problem: TapeProblem;
  readonly differences: Differences;
  readonly duals: Duals | null;
  readonly cotangents: readonly Tensor[];
  /** The names of the variables. */
  readonly names: readonly string[];
}

type Gradients = readonly Float64Array[];

/** Sets the cotangent of an output. */
type Fill = (cotangent: Float64Array, k: number) => void;

/** The gradients for cotangents of one's choice. */
class Cotangents {
  readonly #pullback: Pullback;
  readonly #arrays: readonly Float64Array[];
  readonly own: Gradients;

  constructor(pullback: Pullback) {
    this.#pullback = pullback;
    this.#arrays = pullback.cotangents.map((c) => c.value as Float64Array);
    this.own = this.#arrays.map((c) => c.slice());
  }

  gradientsFor(fill: Fill): Gradients {
    this.#arrays.forEach(fill);
    const gradients = this.#pullback.problem.gradients().map((g) => g.slice());
    this.#arrays.forEach((c, k) => c.set(this.own[k]));
    return gradients;
  }

  /** The gradients for multiples of the cotangents, and of others if there are any. */
  gradientsForSum(factor: number, others: Gradients | null = null, other = 0): Gradients {
    return this.gradientsFor((c, k) => {
      const own = this.own[k];
      if (!others) { for (let i = 0; i < c.length; i++) c[i] = factor * own[i]; }
      else for (let i = 0; i < c.length; i++) c[i] = factor * own[i] + other * others[k][i];
    });
  }
}

/** A multiple of gradients. */
type Term = readonly [factor: number, of: Gradients];

/** Compares a gradient with what linearity expects. Returns the first element that is off, in words, or `null`. */
type Compare = (
  actual: Gradients,
  expected: readonly [Term, Term?],
  say: (element: string, actual: number, expected: number) => string,
) => string | null;

/** @param scale what all gradients are multiples of. */
function comparerFor({ problem, differences, names }: Pullback, scale = 1): Compare {
  return (actual, [[factor, of], [factor2, of2] = [0, of]], say) => {
    for (let k = 0; k < actual.length; k++) {
      const values = actual[k], one = of[k], other = of2[k];
      for (let i = 0; i < values.length; i++) {
        const a = factor * one[i], b = factor2 === 0 ? 0 : factor2 * other[i];
        const size = Math.abs(a) + Math.abs(b);
        const off = Math.abs(values[i] - (a + b));
        // Where the gradient is not finite there is nothing to compare; that is found elsewhere.
        if (!(off > LINEAR * size) || off === Infinity) continue;
        // Measured only where something is off.
        const analytic = differences.analytic[k];
        const largest = Math.max(Math.abs(scale) * largestOf(analytic), largestOf(values));
        if (!(off > LINEAR * size + LINEAR_LARGEST * largest)) continue;
        const rounding = problem.epsilon * differences.total / scaleOf(problem.variables[k]);
        const own = Math.abs(analytic[i]);
        const times = own > 0 ? Math.max(Math.abs(scale), size / own) : Math.abs(scale);
        if (off <= times * (NOISES * problem.noise.elements[k][i] + ROUNDINGS * rounding) + LEAST) continue;
        return say(elementText(names[k], i, problem.shapeOf(k)), values[i], a + b);
      }
    }
    return null;
  };
}

/** Whether two arrays hold the same numbers; 0 and -0 are the same. */
function sameNumbers(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i] && !Object.is(a[i], b[i])) return false;
  return true;
}

function determinism({ problem, differences: { analytic }, names }: Pullback, again: Gradients): string | null {
  for (const [k, g] of analytic.entries()) {
    if (sameNumbers(g, again[k])) continue;
    const at = g.findIndex((x, i) => again[k][i] !== x && !Object.is(again[k][i], x));
    return `the gradient of ${elementText(names[k], at, problem.shapeOf(k))} is ${g[at]} and then ${again[k][at]}`;
  }
  return null;
}

function zeroCotangent({ problem, differences: { analytic }, names }: Pullback, zero: Gradients): string | null {
  for (const [k, g] of analytic.entries()) {
    // Zero times an infinite derivative is NaN, as in IEEE arithmetic.
    for (let at = 0; at < g.length; at++) {
      if (zero[k][at] === 0 || !Number.isFinite(g[at])) continue;
      const element = elementText(names[k], at, problem.shapeOf(k));
      return `for a cotangent of zeros the gradient of ${element} is ${zero[k][at]}, expected 0`;
    }
  }
  return null;
}

/** Whether the rule adds and scales with its cotangent, over cotangents of many sizes. */
function linearity(pullback: Pullback, cotangents: Cotangents, random: () => number): string | null {
  const { differences: { analytic } } = pullback;
  const other = cotangents.own.map((c) => fillSigned(new Float64Array(c.length), random));
  const second = cotangents.gradientsForSum(0, other, 1);
  const mixed = comparerFor(pullback)(
    cotangents.gradientsForSum(2, other, -3),
    [[2, analytic], [-3, second]],
    (element, actual, expected) =>
      `for the cotangent 2 u - 3 v the gradient of ${element} is ${actual}, expected ${expected} from those for u and v: not linear`,
  );
  if (mixed !== null) return mixed;
  // Sums have cotangents that are all the same, which some rules take for a case of its own.
  const ones = cotangents.own.map(({ length }) => new Float64Array(length).fill(1));
  const same = comparerFor(pullback)(
    cotangents.gradientsForSum(0, ones, 1),
    [[1, analytic], [1, cotangents.gradientsForSum(-1, ones, 1)]],
    (element, actual, expected) =>
      `for a cotangent of ones the gradient of ${element} is ${actual}, expected ${expected} from those for u and 1 - u: not linear`,
  );
  if (same !== null) return same;
  for (const scale of SCALES) {
    const scaled = comparerFor(pullback, scale)(
      cotangents.gradientsForSum(scale),
      [[scale, analytic]],
      (element, actual, expected) =>
        `for the cotangent ${scale} u the gradient of ${element} is ${actual}, expected ${expected}, ` +
        `${scale} times that for u: not linear`,
    );
    if (scaled !== null) return scaled;
  }
  return null;
}

/** Whether single outputs have the gradients that duals find for them. */
function oneHot(pullback: Pullback, cotangents: Cotangents, random: () => number): string | null {
  const { duals, problem, differences } = pullback;
  if (!duals) return null;
  const sizes = cotangents.own.map(({ length }) => length);
  const total = sizes.reduce((a, b) => a + b, 0);
  if (total < 2) return null;
  const direction: Direction = problem.variables.map((values) => fillSigned(new Float64Array(values.length), random));
  const tangents = duals.outputsAlong(direction);
  const noise = () => problem.noise.along(direction);
  for (let n = 0; n < Math.min(ONE_HOT, total); n++) {
    let at = Math.floor(random() * total), output = 0;
    while (at >= sizes[output]) at -= sizes[output++];
    const gradient = cotangents.gradientsFor((c, k) => {
      c.fill(0);
      if (k === output) c[at] = 1;
    });
    const { value: actual, terms } = along(gradient, direction);
    const expected = tangents[output]?.[at] ?? 0;
    const off = Math.abs(actual - expected);
    if (!(off > LINEAR * (terms + Math.abs(expected))) || off === Infinity) continue;
    if (off <= NOISES * noise() + ROUNDINGS * problem.epsilon * differences.total) continue;
    return `for a cotangent that is 1 at element ${at} of output ${output} and 0 elsewhere, the gradient along a direction is ${actual}, ` +
      `expected ${expected}`;
  }
  return null;
}

/**
 * Checks what a vector-Jacobian product must satisfy: a zero cotangent gives 0 if the derivative is finite, it is linear over cotangents
 * of many sizes, and it is deterministic.
 */
export function cotangentFindings(pullback: Pullback, random: () => number): Finding[] {
  const cotangents = new Cotangents(pullback);
  const again = cotangents.gradientsFor(() => {});
  const zero = cotangents.gradientsFor((c) => c.fill(0));
  const found: Readonly<Record<string, string | null>> = {
    "determinism": determinism(pullback, again),
    "zero cotangent": zeroCotangent(pullback, zero),
    "linearity": linearity(pullback, cotangents, random),
  };
  const findings = Object.entries(found).flatMap(([check, message]): Finding[] =>
    message === null ? [] : [{ check, severity: "error", message }]
  );
  return findings;
}

/**
 * Checks that single outputs have the gradients that duals find for them. On a kink there is no such gradient.
 */
export function oneHotFindings(pullback: Pullback, random: () => number): Finding[] {
  const message = oneHot(pullback, new Cotangents(pullback), random);
  return message === null ? [] : [{ check: "one-hot cotangent", severity: "error", message }];
}
