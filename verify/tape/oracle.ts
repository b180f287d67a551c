/** Plans on the oracle, run synchronously and repeatedly: over numbers, and over dual numbers. */
import { type AdjointOptions, type AdjointPlan, compileAdjoint } from "../../core/backends/adjoint.ts";
import { compileDual, type DualOptions, type DualPlan } from "../../core/backends/dual.ts";
import { asFloat64, type BoundPlan, compileForHost, float64, type HostPlan } from "../../core/backends/float64.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { Program } from "../../core/program.ts";
import { formatShape } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { UsageError } from "../usage.ts";
import { flatten } from "./flatten.ts";

/**
 * The number of plans kept: the checks of a generated input need a handful, and inputs of the same shapes share them.
 */
const KEPT = 256;

/** Recent plans, by the keys of their programs. */
const plans = new Map<string, OraclePlan>();

/** Returns the plan of a program. */
function planOf(program: Program): OraclePlan {
  const { key } = program;
  let plan = plans.get(key);
  if (plan) return plan;
  plans.set(key, plan = new OraclePlan(program.plan(float64)));
  // The oldest goes first: keys are long, and reordering them on each use would cost more than the occasional rebuild.
  if (plans.size > KEPT) plans.delete(plans.keys().next().value!);
  return plan;
}

/** A plan of the oracle in the forms that checks need, each compiled on first use. */
export class OraclePlan {
  readonly #plan: Plan;
  readonly #forms = new Map<string, HostPlan | DualPlan | AdjointPlan>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  #form<T extends HostPlan | DualPlan | AdjointPlan>(key: string, make: () => T): T {
    let form = this.#forms.get(key);
    if (!form) this.#forms.set(key, form = make());
    return form as T;
  }

  /** The plan over numbers. */
  get numbers(): HostPlan {
    return this.#form("numbers", () => compileForHost(this.#plan));
  }

  /** The plan over numbers, each rounding of which is off by a random error of this relative size. */
  jittered(jitter: (x: number) => number): HostPlan {
    return this.#form("jittered", () => compileForHost(this.#plan, { jitter }));
  }

  /**
   * The plan over dual numbers.
   *
   * @throws NoDual if the derivative of a scalar function is not known.
   */
  dual(options: DualOptions): DualPlan {
    const { moving, ties = "branch", lanes = 1, jitter } = options;
    const key = [ties, lanes, jitter ? "jittered" : "", moving.map(Number).join("")].join();
    return this.#form(key, () => compileDual(this.#plan, options));
  }

  /**
   * The plan backwards, from results to leaves.
   *
   * @throws NoDual if the derivative of a scalar function is not known.
   */
  adjoint(options: AdjointOptions): AdjointPlan {
    const { moving, jitter } = options;
    const key = ["adjoint", jitter ? "jittered" : "", moving.map(Number).join("")].join();
    return this.#form(key, () => compileAdjoint(this.#plan, options));
  }
}

/** A planned program, and the entries that it starts from. */
export interface OracleProgram {
  readonly plan: OraclePlan;
  readonly leaves: readonly Tensor[];
}

/** Plans the computation of `outputs` from leaves and from `given` entries, whatever those are computed from. */
export function programFor(outputs: readonly Tensor[], given: { has(entry: Tensor): boolean }): OracleProgram {
  const program = new Program(outputs, { given });
  return { plan: planOf(program), leaves: program.leaves };
}

/** The value of an entry that a computation starts from. Throws if the host does not have it: a check runs plans without waiting. */
export function valueOf(leaf: Tensor): Float64Array {
  if (leaf.value) return asFloat64(leaf.value);
  throw new UsageError(
    `gradcheck: a rule uses a tensor of shape ${
      formatShape(leaf.shape)
    } whose value the host does not have: await its data() first`,
  );
}

/**
 * Prepares the computation of `outputs` from the arrays of leaves and of `given` entries; their contents are read at
 * each run.
 *
 * @param jitter puts a random error in place of each rounding; default none.
 */
export function prepare(
  outputs: readonly Tensor[],
  given: ReadonlyMap<Tensor, Float64Array>,
  jitter?: (x: number) => number,
): BoundPlan {
  const { plan, leaves } = programFor(outputs, given);
  const form = jitter ? plan.jittered(jitter) : plan.numbers;
  return form.bind(leaves.map((leaf) => given.get(leaf) ?? valueOf(leaf)));
}

/** Computes entries once, into new arrays. */
export function compute(outputs: readonly Tensor[]): Float64Array[] {
  return prepare(outputs, new Map()).run().map((values) => values.slice());
}

/** The entries that outputs are computed from, outputs included, inputs first; loops are flattened. */
export function historyOf(outputs: readonly Tensor[]): Tensor[] {
  const seen = new Set(flatten(outputs));
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const entry of seen) for (const input of entry.inputs) seen.add(input);
  return [...seen].sort((a, b) => a.id - b.id);
}
