/** The oracle: a plan's kernels as plain JavaScript over Float64Arrays. */
import type { Plan, Source } from "../plan/plan.ts";
import { RUNTIMES } from "../runtime.ts";
import { sizeOf } from "../shape.ts";
import type { Values } from "../entry.ts";
import type { Backend, CompiledPlan, Driver } from "./backend.ts";
import { common, type Dialect } from "./dialect.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import { renderLoop } from "./render.ts";

type Kernel = (out: Float64Array, ...args: Float64Array[]) => void;

/** A plan that the host runs, without waiting for anything. */
export interface HostPlan {
  /** Memory that its code takes, in bytes. */
  readonly bytes: number;
  /** Fixes the arrays that it reads. Separate bindings share nothing. */
  bind(leaves: readonly Float64Array[]): BoundPlan;
}

/** A plan with the arrays that it reads. */
export interface BoundPlan {
  /** The arrays that results go to, the same at each run; empty of meaning before the first one. */
  readonly results: readonly Float64Array[];
  /** Computes the results from the current contents of the arrays and returns them. */
  run(): readonly Float64Array[];
  /** Runs kernel by kernel, each several times, and returns the milliseconds of each. */
  profile(): number[];
}

const dialect: Dialect = {
  ...common,
  name: "float64",
  thread: ["x", "y", "z"],
  double: true,
  flat: true,
  exactIndex: Number.MAX_SAFE_INTEGER,
};

export const float64: Backend = {
  name: "float64",
  computesOn: "host",
  runsIn: RUNTIMES,
  needs: () => null,
  dialect,
  costs: hostCosts,
  limits: { ...commonLimits, name: "float64", exactValue: Number.MAX_SAFE_INTEGER },
  accuracy: "host double",
  arrays: Float64Array,
  driver: () => Promise.resolve(driver),
};

const driver: Driver = {
  backend: () => "float64",
  executor: () => "host",
  fallbackReason: () => null,
  description: () => "JavaScript",
  compile,
  reopen: () => Promise.resolve(),
  dispose: () => {},
};

/** Turns a plan for {@link float64} into functions. */
export function compileForHost(plan: Plan): HostPlan {
  const kernels = plan.steps.map((step) => {
    const { parameters, body } = renderLoop(step.kernel);
    return new Function(...parameters, body) as Kernel;
  });
  return {
    bytes: plan.steps.reduce((bytes, step) => bytes + 2 * step.kernel.lines.join("").length, 0),
    bind(leaves) {
      const outputs = plan.steps.map((step) => new Float64Array(sizeOf(step.shape)));
      const get = (source: Source): Float64Array =>
        source.from === "leaf"
          ? leaves[source.index]
          : source.from === "step"
          ? outputs[source.index]
          : new Float64Array(0);
      const calls = plan.steps.map((step, i) => [outputs[i], ...step.args.map(get)] as const);
      const results = plan.results.map(get);
      return {
        results,
        run: () => {
          for (let i = 0; i < kernels.length; i++) kernels[i](...calls[i]);
          return results;
        },
        profile: () => kernels.map((kernel, i) => millisecondsOf(() => kernel(...calls[i]))),
      };
    },
  };
}

function compile(plan: Plan): CompiledPlan {
  const { bytes, bind } = compileForHost(plan);
  return {
    bytes,
    run(leaves) {
      const values = leaves.map(asFloat64);
      return Promise.resolve([...bound(plan, () => bind(values)).run()]);
    },
    profile: (leaves) => bound(plan, () => bind(leaves.map(asFloat64))).profile(),
    dispose: () => {},
  };
}

/** Clocks are coarse: a call is repeated until so many milliseconds have passed. */
const LONG_ENOUGH = 1;
/** The number of repetitions. The shortest counts: the others were interrupted or not yet optimised. */
const TIMES = 3;

/** Returns the milliseconds of a call. */
function millisecondsOf(call: () => void): number {
  let best = Infinity;
  for (let i = 0; i < TIMES; i++) {
    for (let repeats = 1;; repeats *= 2) {
      const start = performance.now();
      for (let k = 0; k < repeats; k++) call();
      const elapsed = performance.now() - start;
      if (elapsed < LONG_ENOUGH) continue;
      best = Math.min(best, elapsed / repeats);
      break;
    }
  }
  return best;
}

/** Binds a plan. If memory is refused, the error states how much was requested. */
function bound(plan: Plan, bind: () => BoundPlan): BoundPlan {
  try {
    return bind();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const bytes = plan.steps.reduce((sum, { shape }) => sum + 8 * sizeOf(shape), 0);
    throw new Error(`float64: out of memory: the arrays of this plan take ${bytes} bytes`, { cause: error });
  }
}

/** Returns the values as float64, converted if necessary. */
export function asFloat64(values: Values): Float64Array {
  return values instanceof Float64Array ? values : Float64Array.from(values);
}
