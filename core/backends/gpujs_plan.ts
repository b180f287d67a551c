/** A plan as one pipeline of gpu.js: forward and backward together, with nothing read back in between. */
import { indicesFrom, leavesRead } from "../plan/lifetimes.ts";
import type { Plan } from "../plan/plan.ts";
import { threadsWork, whileWorkersStart } from "../runtime.ts";
import { sizeOf } from "../shape.ts";
import type { Values } from "../entry.ts";
import type { CompiledPlan } from "./backend.ts";
import { asFloat32 } from "./arrays.ts";
import { flat, unsampled } from "./gpujs_arrays.ts";
import type { Pipeline } from "./gpujs.ts";
import { PlanKernels } from "./gpujs_kernels.ts";
import { calling, type Session, throwIfElsewhere, throwIfLost } from "./gpujs_session.ts";

export class GpuJsPlan implements CompiledPlan {
  readonly #plan: Plan;
  readonly #session: Session;
  readonly #kernels: PlanKernels;
  /** The leaves that kernels read; they are the arguments of the pipeline. */
  readonly #leaves: readonly number[];
  /** The steps that are results; they are the results of the pipeline. */
  readonly #results: readonly number[];
  readonly bytes: number;
  /** `null` if there is no kernel to run. */
  readonly #pipeline: Pipeline | null;

  constructor(plan: Plan, session: Session) {
    this.#plan = plan;
    this.#session = session;
    this.#leaves = leavesRead(plan).sort((a, b) => a - b);
    this.#results = indicesFrom("step", plan.results);
    this.#kernels = new PlanKernels(plan, session);
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
    if (this.#pipeline) this.#session.workers.leave(this.#pipeline);
    const made = [
      ...clones.map(({ clone }) => clone.kernel),
      ...[...genericClones?.values() ?? []].map(({ kernel }) => kernel),
    ];
    this.#session.platform.ending?.(made);
    await this.#pipeline?.destroy();
    this.#kernels.dispose(made);
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
        outputs.push(this.#kernels.of[i](...arrays, ...kernel.opaque.map((name) => dialect.opaque[name])));
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
    await throwIfLost(this.#session);
    const results = await this.#call(pipeline, this.#arguments(leaves));
    // A lost context computes on without an error, and returns zeros.
    await throwIfLost(this.#session);
    this.#session.last = pipeline;
    throwIfElsewhere(this.#session, pipeline);
    dropSyntaxTrees(pipeline);
    return results;
  }

  #arguments(leaves: readonly Values[]): unknown[] {
    const { gpujs } = this.#session;
    return this.#leaves.map((i) => gpujs.input(unsampled(asFloat32(leaves[i])), [...this.#plan.leaves[i].extent]));
  }

  #call(pipeline: Pipeline, args: readonly unknown[]): Promise<unknown[]> {
    const { platform, workers } = this.#session;
    const call = () =>
      whileWorkersStart(async () => {
        if (platform.threaded) await workers.prepare(pipeline, args);
        return await pipeline(...args) as unknown[];
      });
    return calling(this.#session, () => platform.guarded(call));
  }
}

/**
 * Frees the syntax trees of kernels that are compiled to WebAssembly: megabytes for a large plan, which the garbage collector would walk
 * through each time. gpu.js rebuilds them if it compiles again.
 */
function dropSyntaxTrees(pipeline: Pipeline): void {
  if (pipeline.fallbackReason !== null) return;
  for (const { clone } of pipeline.plan!.kernels) clone.kernel.functionBuilder = null;
}
