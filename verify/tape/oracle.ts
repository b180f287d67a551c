/** Plans on the oracle, run synchronously and repeatedly: over numbers, and over dual numbers. */
import { type AdjointOptions, type AdjointPlan, compileAdjoint } from "../../core/backends/adjoint.ts";
import { compileDual, type DualOptions, type DualPlan } from "../../core/backends/dual.ts";
import { asFloat64, type BoundPlan, compileForHost, float64, type HostPlan } from "../../core/backends/float64.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { Program } from "../../core/program.ts";
import type { Tensor } from "../../core/tensor.ts";

/**
 * The number of plans kept: the checks of a generated input need a handful, and inputs of the same shapes share them.
 */
const KEPT = 256;

/** A cache of recent values. */
export class Recent<T> {
  readonly #kept = new Map<string, T>();

  /** Returns the value for a key, making it if it is missing. `worth` says whether to keep it. */
  get(key: string, make: () => T, worth: (value: T) => boolean = () => true): T {
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const value = make();
    if (worth(value)) this.#kept.set(key, value);
    // The oldest goes first: keys are long, and reordering them on each use would cost more than the occasional
    // rebuild.
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return value;
  }
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
  jittered(jitter: () => number): HostPlan {
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

const plans = new Recent<OraclePlan>();

/** A tape as a list: the leaves, and the entries computed from them, inputs first. */
export interface Layout {
  readonly places: readonly Tensor[];
  /** Equal for tapes of the same structure and dtypes, whatever their values. */
  readonly key: string;
}

/** Lays out the entries that the outputs are computed from. */
export function layoutOf(outputs: readonly Tensor[]): Layout {
  const { entries, leaves, key } = new Program(outputs);
  const places = [...leaves, ...entries];
  return { places, key: `${key}|${places.map((t) => t.dtype[0]).join("")}` };
}

/** A planned program, and the entries that it starts from. */
export interface OracleProgram {
  readonly plan: OraclePlan;
  readonly leaves: readonly Tensor[];
}

/** Plans the computation of `outputs` from leaves and from `given` entries, whatever those are computed from. */
export function programFor(outputs: readonly Tensor[], given: { has(entry: Tensor): boolean }): OracleProgram {
  const program = new Program(outputs, { given });
  return { plan: plans.get(program.key, () => new OraclePlan(program.plan(float64))), leaves: program.leaves };
}

/**
 * Prepares the computation of `outputs` from the arrays of leaves and of `given` entries; their contents are read at
 * each run.
 */
export function prepare(outputs: readonly Tensor[], given: ReadonlyMap<Tensor, Float64Array>): BoundPlan {
  const { plan, leaves } = programFor(outputs, given);
  return plan.numbers.bind(leaves.map((leaf) => given.get(leaf) ?? asFloat64(leaf.value!)));
}

/** Computes entries once, into new arrays. */
export function compute(outputs: readonly Tensor[]): Float64Array[] {
  return prepare(outputs, new Map()).run().map((values) => values.slice());
}

/** The entries that outputs are computed from, outputs included, inputs first. */
export function historyOf(outputs: readonly Tensor[]): Tensor[] {
  const seen = new Set(outputs);
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const entry of seen) for (const input of entry.inputs) seen.add(input);
  return [...seen].sort((a, b) => a.id - b.id);
}
