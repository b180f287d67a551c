/** Executes plans with gpu.js. */
import type { Plan } from "../plan/plan.ts";
import type { Backend, CompiledPlan, Driver } from "./backend.ts";
import { type GpuModule, loadGpuJs } from "./gpujs.ts";
import { GpuJsChain } from "./gpujs_chain.ts";
import { GpuJsPlan } from "./gpujs_plan.ts";
import { isItself, type Ran, type Session } from "./gpujs_session.ts";
import { Workers } from "./gpujs_workers.ts";
import type { Opener } from "./platform.ts";
import { Turns } from "./turns.ts";

/** Opens a backend that gpu.js executes. */
export async function openGpuJs(backend: Backend, open: Opener): Promise<Driver> {
  const driver = new GpuJsDriver(await loadGpuJs(), backend, open);
  await driver.open();
  return driver;
}

class GpuJsDriver implements Driver {
  readonly #gpujs: GpuModule;
  readonly #backend: Backend;
  readonly #open: Opener;
  /** Outlives sessions: the device is the same. */
  readonly #turns = new Turns();
  #session!: Session;

  constructor(gpujs: GpuModule, backend: Backend, open: Opener) {
    this.#gpujs = gpujs;
    this.#backend = backend;
    this.#open = open;
  }

  /** Starts a session with nothing compiled. */
  async open(): Promise<void> {
    const { gpu, platform } = await this.#open(this.#gpujs, this.#backend.name);
    this.#session = {
      gpujs: this.#gpujs,
      backend: this.#backend,
      gpu,
      platform,
      workers: new Workers(),
      last: null,
      inTurn: (run) => platform.exclusive ? this.#turns.take(run) : run(),
    };
  }

  get #last(): Ran | null {
    return this.#session.last;
  }

  backend(): string {
    const last = this.#last;
    return last && !isItself(this.#session, last) && last.backend || this.#backend.name;
  }

  executor(): string | null {
    return this.#last?.executorKind ?? null;
  }

  fallbackReason(): string | null {
    return this.#last?.fallbackReason ?? null;
  }

  description(): string {
    return this.#session.platform.description;
  }

  compile(plan: Plan): CompiledPlan {
    const { platform } = this.#session;
    platform.check(plan);
    return platform.memory ? new GpuJsChain(plan, this.#session, platform.memory) : new GpuJsPlan(plan, this.#session);
  }

  async reopen(): Promise<void> {
    this.#session.workers.end();
    await Promise.resolve(this.#session.gpu.destroy()).catch(() => {});
    await this.open();
  }

  async dispose(): Promise<void> {
    this.#session.workers.end();
    await this.#session.gpu.destroy();
    await this.open();
  }
}
