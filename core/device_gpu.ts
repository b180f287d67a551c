/** A plan as one gpu.js pipeline; the only file that imports gpu.js. */
import type { GPU as GpuJs } from "gpu.js";
import type { Backend, CompiledPlan } from "./device.ts";
import { kernelFunction } from "./emit.ts";
import { targetFor } from "./lower.ts";
import { MAX_ITERATIONS, type Plan, type Source } from "./plan.ts";
import { importGpuJs, threadsWork } from "./runtime.ts";
import { sizeOf } from "./shape.ts";
import type { Values } from "./tensor.ts";

/** The parts of gpu.js 2.24 that are used here; its own declarations lack pipelines. */
interface Pipeline {
  (...args: unknown[]): Promise<unknown>;
  readonly executorKind: string;
  readonly fallbackReason: string | null;
  readonly backend: string | null;
  readonly plan: {
    readonly kernels: readonly { readonly clone: { readonly kernel: { functionBuilder?: unknown } } }[];
  };
  destroy(): Promise<void>;
}
interface Kernel {
  (...args: unknown[]): unknown;
  destroy(): void;
}
interface Gpu {
  createKernel(source: string, settings: Record<string, unknown>): Kernel;
  createPipeline(fn: (...args: unknown[]) => unknown, settings: { threads: boolean }): Pipeline;
  destroy(): Promise<void> | void;
}
interface GpuModule {
  GPU: new (settings: { mode: string }) => Gpu;
  input(values: Float32Array, size: number[]): unknown;
}

/** What the worker pool of a threaded pipeline holds, roughly: each has workers of its own. */
const POOL_BYTES = 32 << 20;

async function loadGpuJs(): Promise<GpuModule> {
  const module = (await importGpuJs(() => import("gpu.js"))) as unknown as GpuModule & {
    default?: GpuModule & typeof GpuJs;
  };
  return module.GPU ? module : module.default!;
}

/** Executes plans with gpu.js in the given mode. */
export async function gpuBackend(mode: string): Promise<Backend> {
  const gpujs = await loadGpuJs();
  let gpu = new gpujs.GPU({ mode });
  let last: Pipeline | null = null;
  const target = targetFor(mode);

  /** One plan is one pipeline: forward and backward together, with nothing read back in between. */
  function compile(plan: Plan): CompiledPlan {
    const used = [...new Set(plan.steps.flatMap((s) => s.args).filter((a) => a.from === "leaf").map((a) => a.index))]
      .sort((a, b) => a - b);
    const wanted = [...new Set(plan.results.filter((r) => r.from === "step").map((r) => r.index))];
    const kernels = plan.steps.map((step) =>
      gpu.createKernel(kernelFunction(step.kernel), {
        output: [...step.kernel.extent],
        precision: "single",
        asyncMode: true,
        loopMaxIterations: MAX_ITERATIONS,
        constants: Object.fromEntries(step.kernel.tables.map((name) => [name, target.tables[name]])),
      })
    );
    const orchestrate = (...handles: unknown[]): unknown => {
      const outputs: unknown[] = [];
      plan.steps.forEach((step, i) => {
        outputs.push(
          kernels[i](
            ...step.args.map((
              a,
            ) => (a.from === "leaf" ? handles[used.indexOf(a.index)] : outputs[(a as { index: number }).index])),
          ),
        );
      });
      return wanted.map((i) => outputs[i]);
    };
    Object.defineProperty(orchestrate, "length", { value: used.length });
    const pipeline = plan.steps.length > 0 ? gpu.createPipeline(orchestrate, { threads: threadsWork() }) : null;
    const arrays = 4 *
      (plan.steps.reduce((n, s) => n + sizeOf(s.shape), 0) + used.reduce((n, i) => n + plan.leaves[i].size, 0));

    return {
      get bytes() {
        return arrays + (pipeline?.executorKind === "fused-threaded" ? POOL_BYTES : 0);
      },
      async run(leaves) {
        const args = used.map((i) => gpujs.input(unsampled(asFloat32(leaves[i])), [...plan.leaves[i].extent]));
        const computed = pipeline && wanted.length > 0 ? ((await pipeline(...args)) as unknown[]) : [];
        if (pipeline) dropSyntaxTrees(pipeline);
        last = pipeline;
        return plan.results.map((result: Source) => {
          if (result.from === "leaf") return leaves[result.index];
          if (result.from === "empty") return new Float32Array(0);
          return flat(computed[wanted.indexOf(result.index)], sizeOf(plan.steps[result.index].shape));
        });
      },
      async dispose() {
        await pipeline?.destroy();
        // gpu.js keeps each kernel that it created until it is told.
        for (const kernel of kernels) kernel.destroy();
      },
    };
  }

  return {
    target,
    backend: () => last?.backend ?? mode,
    executor: () => last?.executorKind ?? null,
    fallbackReason: () => last?.fallbackReason ?? null,
    compile,
    async dispose() {
      await gpu.destroy();
      gpu = new gpujs.GPU({ mode });
      last = null;
    },
  };
}

/**
 * A view that gpu.js takes as it is. A pipeline copies its arguments when it is called, since the caller might change them before they
 * are used; it spares what has a `toArray`, as its own results do. A tensor's values never change, so the copy would be for nothing:
 * for the logits of a batch it is tens of megabytes, which the garbage collector then has to free.
 */
function unsampled(values: Float32Array): Float32Array {
  return Object.assign(values.subarray(), { toArray: () => values });
}

/**
 * Frees the syntax trees of kernels that are compiled to WebAssembly: megabytes for a large plan, which the garbage collector would walk
 * through each time. gpu.js makes them anew should it compile again.
 */
function dropSyntaxTrees(pipeline: Pipeline): void {
  if (!pipeline.executorKind.startsWith("fused")) return;
  for (const { clone } of pipeline.plan.kernels) clone.kernel.functionBuilder = null;
}

const singles = new WeakMap<Values, Float32Array>();

/** The values as float32; converted once. */
function asFloat32(values: Values): Float32Array {
  if (values instanceof Float32Array) return values;
  let single = singles.get(values);
  if (!single) singles.set(values, single = Float32Array.from(values));
  return single;
}

/** A result of gpu.js as one array: nested rows are views of one buffer where the executor is fused, arrays of their own elsewhere. */
function flat(result: unknown, size: number): Float32Array {
  if (result instanceof Float32Array) return result;
  let first = result;
  while (Array.isArray(first)) first = first[0];
  const row = first as Float32Array;
  if (row.length !== size && row.byteOffset === 0 && row.buffer.byteLength === size * 4) {
    return new Float32Array(row.buffer as ArrayBuffer);
  }
  const out = new Float32Array(size);
  let at = 0;
  const copy = (part: unknown): void => {
    if (Array.isArray(part)) part.forEach(copy);
    else {
      out.set(part as Float32Array, at);
      at += (part as Float32Array).length;
    }
  };
  copy(result);
  return out;
}
