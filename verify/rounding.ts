/**
 * How much rounding may add to numbers that a tape computes: a running error bound. Each value that is rounded is off by a few units in
 * its last place, and the derivative of the result by that value, its adjoint, says what becomes of it.
 */
import type { BoundPlan } from "../core/backends/float64.ts";
import { neededEntries } from "../core/realize.ts";
import { accuracyOf, opOf } from "../core/op.ts";
import { record } from "../core/record.ts";
import type { Tensor } from "../core/tensor.ts";
import { abs, add } from "../ops/arithmetic.ts";
import { grad, type GradOptions } from "../ops/grad.ts";
import { prepare } from "./oracle.ts";
import { isExact } from "./tolerances.ts";

/** Rounding errors of a value, in units of its precision: functions and sums have several. */
const ROUNDINGS = 4;

/** The gradients of the sum of `<weight, output>`; zeros where an entry has no influence. */
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

/** A value that is rounded: the size of what is rounded, and what an error of it adds to the result. */
interface Term {
  readonly size: Tensor;
  readonly adjoint: Tensor;
}

/** The rounded values among entries, with those within composite ops; exact ones are none. */
function termsOf(entries: readonly Tensor[], adjoints: readonly Tensor[]): Term[] {
  return entries.flatMap((entry, k): Term[] => {
    const op = opOf(entry);
    const { kernel } = op;
    const accuracy = accuracyOf(op);
    if (isExact(accuracy, entry.dtype) || kernel.kind === "leaf") return [];
    const { inputs, attributes } = entry;
    if (kernel.kind === "lowered") {
      const lowered = kernel.lower(inputs, attributes);
      const inner = neededEntries([lowered], "", new Set(inputs)).entries.filter(({ dtype }) => dtype === "float");
      return termsOf(inner, gradientsOf([lowered], inner, [adjoints[k]]));
    }
    // Sums round what they have added up so far, which may be more than what comes out.
    const size = accuracy === "sum"
      ? record(op, inputs.map((t) => (t.dtype === "float" ? abs(t) : t)), attributes)
      : entry;
    return [{ size, adjoint: adjoints[k] }];
  });
}

/** The rounding of a weighted sum of outputs, at the values that its leaves hold. */
export class Rounding {
  readonly #sizes: BoundPlan;
  readonly #adjoints: BoundPlan;
  readonly #epsilon: number;
  /** At the point: the errors of single values as far as they reach the result, and which of them a move may change. */
  readonly #errors: readonly Float64Array[];
  readonly #touched: readonly Uint8Array[];

  /**
   * @param outputs what is summed up.
   * @param weights leaves; their values may change.
   * @param entries what is rounded on the way.
   * @param given arrays that stand for entries.
   * @throws where a rule fails.
   */
  constructor(
    outputs: readonly Tensor[],
    weights: readonly Tensor[],
    entries: readonly Tensor[],
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

  /** Makes the present values the point, and gives the bound there. */
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
   * The bound for what a move away from the point can change. Rounding may swallow a change at any value, so what depends on a variable
   * is found by making it NaN, which nothing swallows; everything else is the same before and after.
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
