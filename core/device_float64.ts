/** The oracle: a plan's kernels as plain JavaScript over Float64Arrays. */
import type { Backend, CompiledPlan } from "./device.ts";
import { kernelLoop } from "./emit.ts";
import { targetFor } from "./lower.ts";
import type { Plan, Source } from "./plan.ts";
import { sizeOf } from "./shape.ts";
import type { Values } from "./tensor.ts";

type Kernel = (out: Float64Array, ...args: Float64Array[]) => void;

/** Executes plans on the host in float64. */
export function float64Backend(): Backend {
  return {
    target: targetFor("float64"),
    backend: "float64",
    executor: () => "host",
    fallbackReason: () => null,
    compile,
    dispose: () => {},
  };
}

function compile(plan: Plan): CompiledPlan {
  const kernels = plan.steps.map((step) => {
    const { parameters, body } = kernelLoop(step.kernel);
    return new Function(...parameters, body) as Kernel;
  });
  const sizes = plan.steps.map((step) => sizeOf(step.shape));
  return {
    bytes: plan.steps.reduce((bytes, step) => bytes + 2 * step.kernel.lines.join("").length, 0),
    run: (leaves) => {
      const inputs = leaves.map(asFloat64);
      const outputs: Float64Array[] = [];
      const get = (source: Source): Float64Array =>
        source.from === "leaf"
          ? inputs[source.index]
          : source.from === "step"
          ? outputs[source.index]
          : new Float64Array(0);
      plan.steps.forEach((step, i) => {
        const out = new Float64Array(sizes[i]);
        kernels[i](out, ...step.args.map(get));
        outputs.push(out);
      });
      return Promise.resolve(plan.results.map(get));
    },
    dispose: () => {},
  };
}

function asFloat64(values: Values): Float64Array {
  return values instanceof Float64Array ? values : Float64Array.from(values);
}
