/** The oracle: a plan's kernels as plain JavaScript over Float64Arrays. */
import type { Backend, CompiledPlan } from "../device.ts";
import { renderLoop } from "./render.ts";
import { targetFor } from "./dialect.ts";
import type { Plan, Source } from "../plan/plan.ts";
import { sizeOf } from "../shape.ts";
import type { Values } from "../tensor.ts";

type Kernel = (out: Float64Array, ...args: Float64Array[]) => void;

/** A plan that the host runs, without waiting for anything. */
export interface HostPlan {
  /** Memory that its code takes, in bytes. */
  readonly bytes: number;
  /** Fixes the arrays that it reads. What is bound separately shares nothing. */
  bind(leaves: readonly Float64Array[]): BoundPlan;
}

/** A plan with the arrays that it reads. */
export interface BoundPlan {
  /** The arrays that results go to, the same at each run; empty of meaning before the first one. */
  readonly results: readonly Float64Array[];
  /** Computes the results from what the arrays hold now, and gives them. */
  run(): readonly Float64Array[];
}

/** Executes plans on the host in float64. */
export function float64Backend(): Backend {
  return {
    target: float64Target,
    backend: () => "float64",
    executor: () => "host",
    fallbackReason: () => null,
    description: () => "JavaScript",
    compile,
    reopen: () => Promise.resolve(),
    dispose: () => {},
  };
}

/** How kernels are written for the oracle. */
export const float64Target = targetFor("float64");

/** Turns a plan for {@link float64Target} into functions. */
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
    dispose: () => {},
  };
}

/** Binds; where memory is refused, says how much. */
function bound(plan: Plan, bind: () => BoundPlan): BoundPlan {
  try {
    return bind();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const bytes = plan.steps.reduce((sum, { shape }) => sum + 8 * sizeOf(shape), 0);
    throw new Error(`float64: out of memory: the arrays of this plan take ${bytes} bytes`, { cause: error });
  }
}

/** The values in float64; converted where they are not. */
export function asFloat64(values: Values): Float64Array {
  return values instanceof Float64Array ? values : Float64Array.from(values);
}
