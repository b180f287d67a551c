/**
 * A running error bound for the rounding of a tape's computations. Each rounded value is off by a few units in its last
 * place, and its adjoint, the derivative of the result by that value, says how the error propagates.
 */
import type { BoundPlan } from "../../core/backends/float64.ts";
import { Program } from "../../core/program.ts";
import { accuracyOf, opOf } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import type { Tensor } from "../../core/tensor.ts";
import { abs, add } from "../../ops/arithmetic.ts";
import { grad, type GradOptions } from "../../ops/grad.ts";
import { prepare } from "./oracle.ts";
import { isExact } from "./tolerances.ts";

/** Rounding errors of a value, in units of its precision: functions and sums have several. */
const ROUNDINGS = 4;

/** The gradients of the sum of `<weight, output>`; zeros for entries without influence. */
export function gradientsOf(
  outputs: readonly Tensor[],
  entries: readonly Tensor[],
  weights: readonly Tensor[],
  options: GradOptions = { allowUnused: true },
): Tensor[] {
  return outputs
    .map((y, k) => grad(y, entries, weights[k], options))
    .reduce((a, b) => a.map((g, i) => add(g, b[i])));
}

/** A rounded value: the size of the rounded number, and the effect of its error on the result. */
interface Term {
  readonly size: Tensor;
  readonly adjoint: Tensor;
}

/** The rounded values among entries, including those within composite ops; exact ones are left out. */
function termsOf(entries: readonly Tensor[], adjoints: readonly Tensor[]): Term[] {
  return entries.flatMap((entry, k): Term[] => {
    const op = opOf(entry);
    const { kernel } = op;
    const accuracy = accuracyOf(op);
    if (isExact(accuracy, entry.dtype) || kernel.kind === "leaf") return [];
    const { inputs, attributes } = entry;
    if (kernel.kind === "lowered") {
      const lowered = kernel.lower(inputs, attributes);
      const inner = new Program([lowered], { given: new Set(inputs) }).entries.filter(({ dtype }) => dtype === "float");
      return termsOf(inner, gradientsOf([lowered], inner, [adjoints[k]]));
    }
    // Sums round what they have added up so far, which may be more than what comes out.
    const size = accuracy === "sum"
      ? record(op, inputs.map((t) => (t.dtype === "float" ? abs(t) : t)), attributes)
      : entry;
    return [{ size, adjoint: adjoints[k] }];
  });
}

/** A weighted sum of outputs, and what is rounded on the way to it. */
export interface WeightedSum {
  /** The terms of the sum. */
  readonly outputs: readonly Tensor[];
  /** Leaves whose values may change. */
  readonly weights: readonly Tensor[];
  /** The entries that are rounded on the way. */
  readonly entries: readonly Tensor[];
}

/** The rounding of a weighted sum of outputs, at the current values of its leaves. */
export class Rounding {
  readonly #sizes: BoundPlan;
  readonly #adjoints: BoundPlan;
  readonly #epsilon: number;
  /** At the point: each value's error as far as it reaches the result, and whether a move may change it. */
  readonly #errors: readonly Float64Array[];
  readonly #touched: readonly Uint8Array[];

  /**
   * @param given arrays that replace entries.
   * @throws if a rule fails.
   */
  constructor(
    { outputs, weights, entries }: WeightedSum,
    given: ReadonlyMap<Tensor, Float64Array>,
    epsilon: number,
  ) {
    const terms = termsOf(entries, gradientsOf(outputs, entries, weights));
    this.#sizes = prepare(terms.map(({ size }) => size), given);
    this.#adjoints = prepare(terms.map(({ adjoint }) => adjoint), given);
    this.#epsilon = ROUNDINGS * epsilon;
    this.#errors = this.#sizes.results.map(({ length }) => new Float64Array(length));
    this.#touched = this.#sizes.results.map(({ length }) => new Uint8Array(length));
  }

  /** Makes the current values the point, and returns the bound there. */
  settle(): number {
    const sizes = this.#sizes.run();
    const adjoints = this.#adjoints.run();
    let total = 0;
    this.#errors.forEach((errors, k) => {
      for (let i = 0; i < errors.length; i++) {
        errors[i] = Math.abs(adjoints[k][i] * sizes[k][i]);
        // Branches that are not taken may hold anything.
        if (!(errors[i] < Infinity)) errors[i] = 0;
        total += errors[i];
      }
    });
    return this.#epsilon * total;
  }

  /**
   * The bound on the change that a move away from the point can cause. Rounding may swallow a change at any value, so
   * the entries that depend on a variable are found by making it NaN, which nothing swallows; all others are the same
   * before and after.
   */
  moved(variables: readonly Float64Array[], move: () => void): number {
    const here = variables.map((values) => values.slice());
    move();
    const there = variables.map((values) => values.slice());
    variables.forEach((values, k) => {
      for (let i = 0; i < values.length; i++) if (values[i] !== here[k][i]) values[i] = NaN;
    });
    this.#sizes.run().forEach((sizes, k) => {
      const touched = this.#touched[k];
      for (let i = 0; i < sizes.length; i++) touched[i] = sizes[i] !== sizes[i] ? 1 : 0;
    });
    variables.forEach((values, k) => values.set(there[k]));
    const adjoints = this.#adjoints.results;
    let total = 0;
    this.#sizes.run().forEach((sizes, k) => {
      const [touched, errors, adjoint] = [this.#touched[k], this.#errors[k], adjoints[k]];
      for (let i = 0; i < sizes.length; i++) {
        if (touched[i] === 0 || adjoint[i] === 0) continue;
        const error = Math.abs(adjoint[i] * sizes[i]);
        total += error < Infinity ? Math.max(error, errors[i]) : errors[i];
      }
    });
    return this.#epsilon * total;
  }
}
