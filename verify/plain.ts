/** Checks of functions outside the tape, with hand-written gradients. */
import { describe } from "../core/options.ts";
import { sameValues } from "./arrays.ts";
import { elementText, type Input } from "./inputs.ts";
import { GradientErrors } from "./differences/gradient_errors.ts";
import { type JudgedAll, judgeGradient, type JudgeOptions } from "./differences/judge.ts";
import { Differences, type Problem } from "./differences/numeric.ts";
import { randomFrom } from "./random.ts";
import type { Finding } from "./report/report.ts";
import { messageOf, UsageError } from "./usage.ts";

/** The precision that a plain function computes in. */
export type PlainPrecision = "float32" | "float64";

/** The arguments of a plain function: one array per input, row-major, in its own precision. */
export type PlainArrays = readonly (Float32Array | Float64Array)[];

/**
 * A function from arrays to a number, and its gradient: from the same arrays to one array per input. It is checked in
 * first order. To check a Hessian-vector product, check it as the gradient of the product of gradient and vector:
 *
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { gradcheck } from "gpugrad/verify";
 *
 * type Arrays = readonly ArrayLike<number>[];
 * const gradient = ([x]: Arrays) => [Array.from(x, (v) => 3 * v ** 2)];
 * const product = ([x]: Arrays, v: number[]) => [Array.from(x, (a, i) => 6 * a * v[i])];
 *
 * const v = [1, -2];
 * const report = await gradcheck({
 *   value: (arrays) => gradient(arrays)[0].reduce((sum, g, i) => sum + g * v[i], 0),
 *   gradient: (arrays) => product(arrays, v),
 * }, [[0.5, 2]]);
 * assert.equal(report.verdict, "ok");
 * ```
 */
export interface PlainFunction {
  /** Returns the value at arrays. */
  value(arrays: PlainArrays, context?: unknown): number;
  /** Returns the gradient with respect to each array, as long as the array. */
  gradient(arrays: PlainArrays, context?: unknown): readonly ArrayLike<number>[];
}

/** Whether a value is a plain function with its gradient. */
export function isPlain(f: unknown): f is PlainFunction {
  const { value, gradient } = (f ?? {}) as Partial<PlainFunction>;
  return typeof value === "function" && typeof gradient === "function";
}

/** How a plain function computes. */
export interface PlainOptions {
  readonly precision: PlainPrecision;
  /** How exact the gradient claims to be, relative to itself; default as exact as its rounding allows. */
  readonly tolerance?: number;
}

/** A plain function as a numeric problem: in terms of its float inputs, with the others held. */
class PlainProblem implements Problem {
  readonly variables: readonly Float64Array[];
  /** Which inputs the variables are. */
  readonly floats: readonly number[];
  /** The message of the first error that `value` or `gradient` threw at a point that values were moved to; `null` if none. */
  failure: string | null = null;
  readonly weights = [Float64Array.of(1)];
  readonly epsilon: number;
  readonly terms = null;
  readonly #f: PlainFunction;
  readonly #values: readonly Float64Array[];
  readonly #single: boolean;
  readonly #tolerance: number;
  /** The gradient at the point, and the errors of its elements, measured on first use. */
  #gradient: readonly Float64Array[] = [];
  #errors: GradientErrors | null = null;

  constructor(f: PlainFunction, inputs: readonly Input[], { precision, tolerance = 0 }: PlainOptions) {
    this.#f = f;
    this.#single = precision === "float32";
    this.#tolerance = tolerance;
    this.epsilon = this.#single ? 2 ** -23 : 2 ** -52;
    this.#values = inputs.map(({ values }) => (this.#single ? Float64Array.from(values, Math.fround) : values.slice()));
    this.floats = [...inputs.keys()].filter((i) => inputs[i].dtype === "float");
    this.variables = this.floats.map((i) => this.#values[i]);
  }

  round(x: number): number {
    return this.#single ? Math.fround(x) : x;
  }

  /** Copies, so that writes to the arguments do not reach the next call. */
  arrays(): (Float32Array | Float64Array)[] {
    return this.#values.map((values) => (this.#single ? Float32Array.from(values) : values.slice()));
  }

  settle(): readonly Float64Array[] {
    this.#errors = null;
    return this.#gradient = this.gradient();
  }

  /** The gradient at the current values, as copies; not a number where that throws. */
  readonly gradient = (): readonly Float64Array[] => {
    const gradients = this.#tried("gradient", () => this.#f.gradient(this.arrays()), []);
    return this.floats.map((i, k) => {
      const given = gradients[i] ?? [];
      const copy = new Float64Array(this.variables[k].length);
      for (let j = 0; j < copy.length; j++) copy[j] = given[j] ?? NaN;
      return copy;
    });
  };

  /** The value; not a number where the function throws, which is outside its domain. */
  evaluate(): readonly Float64Array[] {
    return [Float64Array.of(this.#tried("value", () => this.#f.value(this.arrays()), NaN))];
  }

  #tried<T>(name: string, f: () => T, otherwise: T): T {
    try {
      return f();
    } catch (error) {
      this.failure ??= `${name} throws at a point nearby: ${messageOf(error)}`;
      return otherwise;
    }
  }

  rounding(move: () => void): null {
    move();
    return null;
  }

  gradientRounding(weights: readonly Float64Array[], kink: boolean): number {
    this.#errors ??= new GradientErrors(this, this.#gradient, this.gradient, this.#tolerance);
    return this.#errors.of(weights, kink);
  }
}

/** Calls a function of the caller, and attributes its exceptions to it. */
function call<T>(name: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    throw new UsageError(`gradcheck: ${name} throws: ${messageOf(error)}`);
  }
}

/** Whether arrays hold the same numbers. */
function sameArrays(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): boolean {
  return a.every((values, k) => sameValues(values, b[k]));
}

/** How often the value is computed again, to see whether it stays. */
const REPEATS = 3;

/** Calls a plain function and checks the results' types, before anything is compared. */
function tryOut(
  f: PlainFunction,
  problem: PlainProblem,
  inputs: readonly Input[],
): { findings: Finding[]; usable: boolean } {
  const findings: Finding[] = [];
  const given = problem.arrays();
  const value = call("value", () => f.value(given)) as unknown;
  if (typeof (value as { then?: unknown } | null)?.then === "function") {
    throw new UsageError("gradcheck: value must return a number synchronously (in tfjs, with dataSync), got a promise");
  }
  if (typeof value !== "number") {
    throw new UsageError(`gradcheck: value must return a number, got ${describe(value)}`);
  }
  const first = call("gradient", () => f.gradient(given)) as unknown;
  // As copies: the function may return the same arrays each time.
  const gradients = Array.isArray(first) ? first.map((g) => (g?.length === undefined ? g : Array.from(g))) : first;
  if (!Array.isArray(gradients) || gradients.length !== inputs.length) {
    throw new UsageError(
      `gradcheck: gradient must return an array of ${inputs.length} arrays, one per input, got ${
        Array.isArray(gradients) ? `${gradients.length}` : `a ${typeof gradients}`
      }`,
    );
  }
  if (!sameArrays(given, problem.arrays())) {
    findings.push({ check: "mutation", severity: "error", message: "the function writes to its arguments" });
  }
  inputs.forEach(({ name, values, dtype }, k) => {
    if (dtype !== "float") return;
    const length = (gradients[k] as ArrayLike<number> | null)?.length;
    if (length === values.length) return;
    const message = `the gradient of ${name} has ${length ?? "no"} elements, expected ${values.length}`;
    findings.push({ check: "shape", severity: "error", message });
  });
  const repeated = Array.from({ length: REPEATS }, () => call("value", () => f.value(problem.arrays())))
    .find((again) => !Object.is(again, value));
  const usable = !findings.some(({ check }) => check === "shape");
  if (repeated !== undefined) {
    const message = `the function returns ${value} and then ${repeated} for the same arrays`;
    findings.push({ check: "determinism", severity: "error", message });
    return { findings, usable: false };
  }
  const isFloat = (_: unknown, i: number) => inputs[i].dtype === "float";
  const again = call("gradient", () => f.gradient(problem.arrays()));
  if (usable && !sameArrays(gradients.filter(isFloat), again.filter(isFloat))) {
    findings.push({
      check: "determinism",
      severity: "error",
      message: "the gradient is not deterministic: it differs between two calls",
    });
  }
  if (!Number.isFinite(value)) {
    findings.push({ check: "non-finite", severity: "warning", message: `the function returns ${value}` });
    return { findings, usable: false };
  }
  return { findings, usable };
}

/** Examines a plain function at a point; `judged` is `null` if there was nothing to compare. */
export function examinePlain(
  f: PlainFunction,
  inputs: readonly Input[],
  options: JudgeOptions & PlainOptions & { readonly seed: number },
): { findings: Finding[]; judged: JudgedAll | null } {
  const problem = new PlainProblem(f, inputs, options);
  const { floats } = problem;
  const { findings, usable } = tryOut(f, problem, inputs);
  if (!usable) return { findings, judged: null };
  const judged = judgeGradient(
    new Differences(problem),
    {
      name: (k) => inputs[floats[k]].name,
      element: (k, i) => elementText(inputs[floats[k]].name, i, inputs[floats[k]].shape),
    },
    randomFrom(options.seed),
    options,
  );
  if (problem.failure !== null) {
    const message = `${problem.failure}; such points are taken to be outside of the function's domain`;
    findings.push({ check: "domain", severity: "warning", message });
  }
  const elements = inputs.map((_, i) => judged.elements[floats.indexOf(i)] ?? null);
  return { findings: [...findings, ...judged.findings], judged: { ...judged, elements } };
}
