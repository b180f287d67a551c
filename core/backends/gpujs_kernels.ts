/** The kernels of a plan, made by gpu.js. */
import type { Plan, Source, Step } from "../plan/plan.ts";
import type { Kernel } from "./gpujs.ts";
import type { Session } from "./gpujs_session.ts";
import { renderFunction } from "./render.ts";

/** The kernels of a plan. Steps that compute the same of other arrays share one, which gpu.js reads once. */
export class PlanKernels {
  readonly all: readonly Kernel[];
  /** The kernel of each step. */
  readonly of: readonly Kernel[];
  readonly #session: Session;

  /** @param settings of gpu.js, in addition to those that all kernels need. */
  constructor(plan: Plan, session: Session, settings: Readonly<Record<string, unknown>> = {}) {
    this.#session = session;
    const kernels = new Map<string, Kernel>();
    this.of = plan.steps.map((step) => {
      const source = renderFunction(step.kernel);
      const key = JSON.stringify([source, step.kernel.extent, step.args.map((arg) => extentOf(plan, arg))]);
      let kernel = kernels.get(key);
      if (!kernel) kernels.set(key, kernel = this.#create(step, source, settings));
      return kernel;
    });
    this.all = [...kernels.values()];
  }

  #create({ kernel }: Step, source: string, settings: Readonly<Record<string, unknown>>): Kernel {
    const { gpu, backend: { dialect, limits } } = this.#session;
    return gpu.createKernel(source, {
      output: [...kernel.extent],
      precision: "single",
      asyncMode: true,
      loopMaxIterations: limits.iterations,
      // It would divide whole numbers as integers, for which 1 / 0 is 0; indices already allow for inexact quotients.
      fixIntegerDivisionAccuracy: false,
      constants: Object.fromEntries(kernel.tables.map((name) => [name, dialect.tables[name]])),
      ...settings,
    });
  }

  /**
   * Frees them: gpu.js keeps each kernel that it created until it is destroyed, and those of the cpu for ever.
   *
   * @param also further kernels that gpu.js has made of them.
   */
  dispose(also: readonly unknown[] = []): void {
    for (const kernel of this.all) kernel.destroy();
    const { kernels: known } = this.#session.gpu;
    for (const kernel of [...this.all.map(({ kernel }) => kernel), ...also]) {
      const at = known.indexOf(kernel);
      if (at >= 0) known.splice(at, 1);
    }
  }
}

/** The extent of an array: kernels are compiled for those of their arguments. */
function extentOf(plan: Plan, source: Source): readonly number[] {
  if (source.from === "empty") return [0];
  return source.from === "leaf" ? plan.leaves[source.index].extent : plan.steps[source.index].kernel.extent;
}
