/** The worker threads of a device, which its plans share. */
import type { Pipeline, Worker, WorkerPool } from "./gpujs.ts";

/**
 * gpu.js starts threads for each pipeline. Here pipelines pass them on: a thread takes longer to start than a plan of ten kernels to compile,
 * and takes megabytes. Threads wait for one another inside a pipeline, so no two pipelines may run at a time.
 */
export class Workers {
  /** One array for all pools, so that a thread that one of them replaces is replaced for all. */
  readonly #workers: Worker[] = [];

  /** Compiles a pipeline for arguments and gives it the threads before it would start its own. Calls must not overlap. */
  async prepare(pipeline: Pipeline, args: readonly unknown[]): Promise<void> {
    const inner = pipeline.pipeline;
    // If gpu.js has changed, it starts threads for each pipeline.
    if (inner.plan || !inner._buildPlan || !inner._prepareExecutor) return;
    inner.plan = inner._buildPlan();
    await inner._prepareExecutor(args);
    const pool = poolOf(pipeline);
    if (pool) pool.workers = this.#workers;
  }

  /** Takes the threads from a pipeline, which would end them. It must not be running. */
  leave(pipeline: Pipeline): void {
    const pool = poolOf(pipeline);
    if (pool?.workers !== this.#workers) return;
    const { _executor: executor } = pipeline.pipeline;
    if (executor && executor._entry) pool.release(executor._entry.id);
    pool.workers = [];
  }

  /** Ends the threads. */
  end(): void {
    for (const worker of this.#workers.splice(0)) worker.die(new Error("the device was disposed of"));
  }
}

function poolOf({ pipeline: { _executor: executor } }: Pipeline): WorkerPool | null {
  const pool = executor ? executor.pool : null;
  return pool && Array.isArray(pool.workers) ? pool : null;
}
