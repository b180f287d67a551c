/** Plans on the oracle, run synchronously and repeatedly. */
import { asFloat64, type BoundPlan, compileForHost, float64, type HostPlan } from "../../core/backends/float64.ts";
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

const plans = new Recent<HostPlan>();

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

/** A compiled program, and the entries that it starts from. */
export interface HostProgram {
  readonly plan: HostPlan;
  readonly leaves: readonly Tensor[];
}

/** Compiles the computation of `outputs` from leaves and from `given` entries, whatever those are computed from. */
export function programFor(outputs: readonly Tensor[], given: { has(entry: Tensor): boolean }): HostProgram {
  const program = new Program(outputs, { given });
  return { plan: plans.get(program.key, () => compileForHost(program.plan(float64))), leaves: program.leaves };
}

/**
 * Prepares the computation of `outputs` from the arrays of leaves and of `given` entries; their contents are read at
 * each run.
 */
export function prepare(outputs: readonly Tensor[], given: ReadonlyMap<Tensor, Float64Array>): BoundPlan {
  const { plan, leaves } = programFor(outputs, given);
  return plan.bind(leaves.map((leaf) => given.get(leaf) ?? asFloat64(leaf.value!)));
}

/** Computes entries once, into new arrays. */
export function compute(outputs: readonly Tensor[]): Float64Array[] {
  return prepare(outputs, new Map()).run().map((values) => values.slice());
}

/** The entries that outputs are computed from, outputs included, inputs first. */
export function historyOf(outputs: readonly Tensor[]): Tensor[] {
  const { entries, leaves } = new Program(outputs);
  return [...leaves, ...entries].sort((a, b) => a.id - b.id);
}
