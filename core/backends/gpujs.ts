/** A plan as one gpu.js pipeline; the only file that imports gpu.js. */
import type { GPU as GpuJs } from "gpu.js";
import { type Backend, type CompiledPlan, DeviceLostError } from "../device.ts";
import { type Driver, glDriver, hostDriver, type WebGpuContext, webGpuDriver } from "./driver.ts";
import { kernelFunction } from "../plan/loops.ts";
import { limitsOf } from "./budgets.ts";
import { targetFor } from "./dialect.ts";
import type { Plan, Source } from "../plan/plan.ts";
import { importGpuJs, threadsWork, whileWorkersStart, withWebGpu } from "../runtime.ts";
import { sizeOf } from "../shape.ts";
import type { Values } from "../tensor.ts";

/** The parts of gpu.js 2.24 that are used here; its own declarations lack pipelines. */
interface Pipeline {
  (...args: unknown[]): Promise<unknown>;
  readonly executorKind: string;
  readonly fallbackReason: string | null;
  readonly backend: string | null;
  /** `null` before the first call. */
  readonly plan: {
    readonly kernels: readonly { readonly clone: Kernel }[];
    /** The kernels that write, and those that upload arguments, where the executor is the generic one. */
    readonly genericClones: ReadonlyMap<string, Kernel>;
  } | null;
  destroy(): Promise<void>;
}
interface Kernel {
  (...args: unknown[]): unknown;
  readonly kernel: { functionBuilder?: unknown };
  destroy(): void;
}
interface Gpu {
  readonly context: unknown;
  /** All kernels that it has created. */
  readonly kernels: unknown[];
  createKernel(source: string, settings: Record<string, unknown>): Kernel;
  createPipeline(fn: (...args: unknown[]) => unknown, settings: { threads: boolean }): Pipeline;
  destroy(): Promise<void> | void;
}
interface GpuModule {
  GPU: new (settings: { mode: string }) => Gpu;
  WebGPUContext: { acquire(): Promise<WebGpuContext> };
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
  const target = targetFor(mode);
  let gpu!: Gpu;
  let driver!: Driver;
  let last: Pipeline | null = null;
  let queue: Promise<unknown> = Promise.resolve();

  async function open(): Promise<void> {
    const context = mode === "webgpu" ? await acquire(gpujs) : null;
    gpu = context ? await withWebGpu(() => new gpujs.GPU({ mode })) : new gpujs.GPU({ mode });
    driver = context
      ? webGpuDriver(context)
      : target.extents.length === 0
      ? glDriver(() => gpu.context, mode)
      : hostDriver(mode);
    last = null;
  }

  /** One plan is one pipeline: forward and backward together, with nothing read back in between. */
  function compile(plan: Plan): CompiledPlan {
    driver.check(plan);
    const own = gpu;
    const used = [...new Set(plan.steps.flatMap((s) => s.args).filter((a) => a.from === "leaf").map((a) => a.index))]
      .sort((a, b) => a - b);
    const wanted = [...new Set(plan.results.filter((r) => r.from === "step").map((r) => r.index))];
    const kernels = plan.steps.map((step) =>
      own.createKernel(kernelFunction(step.kernel), {
        output: [...step.kernel.extent],
        precision: "single",
        asyncMode: true,
        loopMaxIterations: limitsOf(target).iterations,
        // It would divide whole numbers as integers, for which 1 / 0 is 0; indices allow for inexact quotients themselves.
        fixIntegerDivisionAccuracy: false,
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
            ...step.kernel.opaque.map((name) => target.opaque[name]),
          ),
        );
      });
      return wanted.map((i) => outputs[i]);
    };
    Object.defineProperty(orchestrate, "length", { value: used.length });
    const pipeline = plan.steps.length > 0 ? own.createPipeline(orchestrate, { threads: threadsWork() }) : null;
    const arrays = driver.bytesPerElement *
      (plan.steps.reduce((n, s) => n + sizeOf(s.shape), 0) + used.reduce((n, i) => n + plan.leaves[i].size, 0));
    let ran = false;

    async function execute(leaves: readonly Values[]): Promise<unknown[]> {
      if (!pipeline || wanted.length === 0) return [];
      const gone = await driver.lost();
      if (gone) throw new DeviceLostError(`${mode}: ${gone}`);
      const args = used.map((i) => gpujs.input(unsampled(asFloat32(leaves[i])), [...plan.leaves[i].extent]));
      const call = () => whileWorkersStart(() => pipeline(...args)) as Promise<unknown[]>;
      let results: unknown[];
      try {
        results = await (ran ? call() : driver.first(call));
      } catch (error) {
        const why = await driver.lost(error);
        if (why) throw new DeviceLostError(`${mode}: ${why}`, { cause: error });
        throw new Error(`${mode} (${driver.description}) failed: ${(error as Error)?.message ?? error}`, {
          cause: error,
        });
      }
      // A lost context computes on without an error, and gives zeros.
      const why = await driver.lost();
      if (why) throw new DeviceLostError(`${mode}: ${why}`);
      last = pipeline;
      if (!isItself(pipeline, mode)) {
        throw new Error(
          `${mode} (${driver.description}) cannot run this plan: gpu.js took ${pipeline.backend} instead` +
            (pipeline.fallbackReason === null ? "" : ` (${pipeline.fallbackReason})`),
        );
      }
      ran = true;
      dropSyntaxTrees(pipeline);
      return results;
    }

    return {
      get bytes() {
        return arrays + (pipeline?.executorKind === "fused-threaded" ? POOL_BYTES : 0);
      },
      async run(leaves) {
        const computed = await (driver.exclusive ? inTurn(() => execute(leaves)) : execute(leaves));
        return plan.results.map((result: Source) => {
          if (result.from === "leaf") return leaves[result.index];
          if (result.from === "empty") return new Float32Array(0);
          return flat(computed[wanted.indexOf(result.index)], sizeOf(plan.steps[result.index].shape));
        });
      },
      async dispose() {
        const { kernels: clones = [], genericClones } = pipeline?.plan ?? {};
        const all = [...kernels, ...clones.map(({ clone }) => clone), ...genericClones?.values() ?? []];
        await pipeline?.destroy();
        // gpu.js keeps each kernel that it created until it is told, and those of the cpu for ever.
        for (const kernel of kernels) kernel.destroy();
        for (const { kernel } of all) {
          const at = own.kernels.indexOf(kernel);
          if (at >= 0) own.kernels.splice(at, 1);
        }
      },
    };
  }

  /** Runs one after the other. */
  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = queue.then(run);
    queue = turn.catch(() => {});
    return turn;
  }

  await open();
  return {
    target,
    backend: () => (last && !isItself(last, mode) ? last.backend ?? mode : mode),
    executor: () => last?.executorKind ?? null,
    fallbackReason: () => last?.fallbackReason ?? null,
    description: () => driver.description,
    compile,
    async reopen() {
      await Promise.resolve(gpu.destroy()).catch(() => {});
      await open();
    },
    async dispose() {
      await gpu.destroy();
      await open();
    },
  };
}

function acquire({ WebGPUContext }: GpuModule): Promise<WebGpuContext> {
  return withWebGpu(async () => {
    const { gpu } = (globalThis as { navigator?: { gpu?: unknown } }).navigator ?? {};
    if (!gpu) throw new Error("there is no navigator.gpu");
    try {
      return await WebGPUContext.acquire();
    } catch (error) {
      // gpu.js adds advice that is not true any more.
      if (!/no adapter is available/.test((error as Error).message)) throw error;
      throw new Error("there is no WebGPU adapter", { cause: error });
    }
  });
}

/** Whether what ran a pipeline is the mode that was asked for; gpu.js calls all of WebGL `gpu`. */
function isItself(pipeline: Pipeline, mode: string): boolean {
  return pipeline.backend === mode || (pipeline.backend === "gpu" && /gl2?$/.test(mode));
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
  for (const { clone } of pipeline.plan!.kernels) clone.kernel.functionBuilder = null;
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
