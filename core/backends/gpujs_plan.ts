/** A plan as one pipeline of gpu.js: forward and backward together, with nothing read back in between. */
import { DeviceLostError } from "../device.ts";
import type { Plan, Source, Step } from "../plan/plan.ts";
import { threadsWork, whileWorkersStart } from "../runtime.ts";
import { sizeOf } from "../shape.ts";
import type { Values } from "../entry.ts";
import type { Backend, CompiledPlan } from "./backend.ts";
import { asFloat32 } from "./arrays.ts";
import { flat, unsampled } from "./gpujs_arrays.ts";
import type { Gpu, GpuModule, Kernel, Pipeline } from "./gpujs.ts";
import type { Workers } from "./gpujs_workers.ts";
import type { Platform } from "./platform.ts";
import { renderFunction } from "./render.ts";

/** gpu.js at work on a device, from when it is opened until it is lost or disposed of. */
export interface Session {
  readonly gpujs: GpuModule;
  readonly backend: Backend;
  readonly gpu: Gpu;
  readonly platform: Platform;
  readonly workers: Workers;
  /** The pipeline that ran last. */
  last: Pipeline | null;
  /** Runs a call, after the others if calls must not overlap. */
  inTurn<T>(run: () => Promise<T>): Promise<T>;
}

/** Whether the requested device ran a pipeline; gpu.js may silently switch to another one. */
export function isItself({ platform }: Session, pipeline: Pipeline): boolean {
  return pipeline.backend === platform.reportedAs;
}

export class GpuJsPlan implements CompiledPlan {
  readonly #plan: Plan;
  readonly #session: Session;
  readonly #kernels: readonly Kernel[];
  /** The kernel of each step: steps that compute the same of other arrays share one, which gpu.js reads once. */
  readonly #kernelOf: readonly Kernel[];
  /** The leaves that kernels read; they are the arguments of the pipeline. */
  readonly #leaves: readonly number[];
  /** The steps that are results; they are the results of the pipeline. */
  readonly #results: readonly number[];
  readonly bytes: number;
  /** `null` if there is no kernel to run. */
  readonly #pipeline: Pipeline | null;
  #hasRun = false;

  constructor(plan: Plan, session: Session) {
    this.#plan = plan;
    this.#session = session;
    this.#leaves = indicesFrom("leaf", plan.steps.flatMap(({ args }) => args)).sort((a, b) => a - b);
    this.#results = indicesFrom("step", plan.results);
    const kernels = new Map<string, Kernel>();
    this.#kernelOf = plan.steps.map((step) => {
      const source = renderFunction(step.kernel);
      const key = JSON.stringify([source, step.kernel.extent, step.args.map((arg) => this.#extentOf(arg))]);
      let kernel = kernels.get(key);
      if (!kernel) kernels.set(key, kernel = this.#createKernel(step, source));
      return kernel;
    });
    this.#kernels = [...kernels.values()];
    this.#pipeline = plan.steps.length > 0 ? this.#createPipeline() : null;
    const elements = plan.steps.reduce((n, { shape }) => n + sizeOf(shape), 0) +
      this.#leaves.reduce((n, i) => n + plan.leaves[i].size, 0);
    this.bytes = session.platform.bytesPerElement * elements;
  }

  async run(leaves: readonly Values[]): Promise<Values[]> {
    const computed = await this.#session.inTurn(() => this.#execute(leaves));
    return this.#plan.results.map((result) => {
      if (result.from === "leaf") return leaves[result.index];
      if (result.from === "empty") return new Float32Array(0);
      return flat(computed[this.#results.indexOf(result.index)], sizeOf(this.#plan.steps[result.index].shape));
    });
  }

  async dispose(): Promise<void> {
    const { kernels: clones = [], genericClones } = this.#pipeline?.plan ?? {};
    const all = [...this.#kernels, ...clones.map(({ clone }) => clone), ...genericClones?.values() ?? []];
    if (this.#pipeline) this.#session.workers.leave(this.#pipeline);
    await this.#pipeline?.destroy();
    // gpu.js keeps each kernel that it created until it is destroyed, and those of the cpu for ever.
    for (const kernel of this.#kernels) kernel.destroy();
    const { kernels: known } = this.#session.gpu;
    for (const { kernel } of all) {
      const at = known.indexOf(kernel);
      if (at >= 0) known.splice(at, 1);
    }
  }

  /** The extent of an array: kernels are compiled for those of their arguments. */
  #extentOf(source: Source): readonly number[] {
    if (source.from === "empty") return [0];
    return source.from === "leaf"
      ? this.#plan.leaves[source.index].extent
      : this.#plan.steps[source.index].kernel.extent;
  }

  #createKernel({ kernel }: Step, source: string): Kernel {
    const { gpu, backend: { dialect, limits } } = this.#session;
    return gpu.createKernel(source, {
      output: [...kernel.extent],
      precision: "single",
      asyncMode: true,
      loopMaxIterations: limits.iterations,
      // It would divide whole numbers as integers, for which 1 / 0 is 0; indices already allow for inexact quotients.
      fixIntegerDivisionAccuracy: false,
      constants: Object.fromEntries(kernel.tables.map((name) => [name, dialect.tables[name]])),
    });
  }

  #createPipeline(): Pipeline {
    const { gpu, backend: { dialect } } = this.#session;
    const orchestrate = (...handles: unknown[]): unknown => {
      const outputs: unknown[] = [];
      this.#plan.steps.forEach(({ args, kernel }, i) => {
        const arrays = args.map((source) =>
          source.from === "leaf"
            ? handles[this.#leaves.indexOf(source.index)]
            : outputs[(source as { index: number }).index]
        );
        outputs.push(this.#kernelOf[i](...arrays, ...kernel.opaque.map((name) => dialect.opaque[name])));
      });
      return this.#results.map((i) => outputs[i]);
    };
    Object.defineProperty(orchestrate, "length", { value: this.#leaves.length });
    return gpu.createPipeline(orchestrate, { threads: threadsWork() });
  }

  /** The arrays of the pipeline's results, in the form that gpu.js returns them in. */
  async #execute(leaves: readonly Values[]): Promise<unknown[]> {
    const pipeline = this.#pipeline;
    if (!pipeline || this.#results.length === 0) return [];
    await this.#throwIfLost();
    const results = await this.#call(pipeline, this.#arguments(leaves));
    // A lost context computes on without an error, and returns zeros.
    await this.#throwIfLost();
    this.#session.last = pipeline;
    this.#throwIfElsewhere(pipeline);
    this.#hasRun = true;
    dropSyntaxTrees(pipeline);
    return results;
  }

  #arguments(leaves: readonly Values[]): unknown[] {
    const { gpujs } = this.#session;
    return this.#leaves.map((i) => gpujs.input(unsampled(asFloat32(leaves[i])), [...this.#plan.leaves[i].extent]));
  }

  /** Calls the pipeline. An error says which device failed, or that it was lost. */
  async #call(pipeline: Pipeline, args: readonly unknown[]): Promise<unknown[]> {
    const { platform, workers, backend: { name } } = this.#session;
    const call = () =>
      whileWorkersStart(async () => {
        if (platform.threaded) await workers.prepare(pipeline, args);
        return await pipeline(...args) as unknown[];
      });
    try {
      return await (this.#hasRun ? call() : platform.first(call));
    } catch (error) {
      await this.#throwIfLost(error);
      throw new Error(`${name} (${platform.description}) failed: ${(error as Error)?.message ?? error}`, {
        cause: error,
      });
    }
  }

  /** @param error the failure of a call, which may be due to the loss. */
  async #throwIfLost(error?: unknown): Promise<void> {
    const { platform, backend: { name } } = this.#session;
    const why = await platform.lost(error);
    if (why) throw new DeviceLostError(`${name}: ${why}`, error === undefined ? undefined : { cause: error });
  }

  #throwIfElsewhere(pipeline: Pipeline): void {
    if (isItself(this.#session, pipeline)) return;
    const { platform, backend: { name } } = this.#session;
    throw new Error(
      `${name} (${platform.description}) cannot run this plan: gpu.js took ${pipeline.backend} instead` +
        (pipeline.fallbackReason === null ? "" : ` (${pipeline.fallbackReason})`),
    );
  }
}

/** The different indices of the sources from leaves or from steps. */
function indicesFrom(from: "leaf" | "step", sources: readonly Source[]): number[] {
  return [...new Set(sources.flatMap((source) => source.from === from ? [source.index] : []))];
}

/**
 * Frees the syntax trees of kernels that are compiled to WebAssembly: megabytes for a large plan, which the garbage collector would walk
 * through each time. gpu.js rebuilds them if it compiles again.
 */
function dropSyntaxTrees(pipeline: Pipeline): void {
  if (!pipeline.executorKind.startsWith("fused")) return;
  for (const { clone } of pipeline.plan!.kernels) clone.kernel.functionBuilder = null;
}
