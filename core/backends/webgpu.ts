/** gpu.js on WebGPU. */
import type { Plan } from "../plan/plan.ts";
import { nextTurn, type Runtime, runtime } from "../runtime.ts";
import { withWebGpu } from "./addon.ts";
import type { Backend } from "./backend.ts";
import { type Dialect, shader } from "./dialect.ts";
import { selectedLogic } from "./functions.ts";
import type { GpuModule } from "./gpujs.ts";
import { openGpuJs } from "./gpujs_driver.ts";
import { commonLimits, shaderCosts } from "./budgets.ts";
import { arraysOf, type GpuMemory, type Opener, type Platform } from "./platform.ts";
import type { MemoryContext } from "./webgpu_buffers.ts";
import { memoryOf, newsOfLoss } from "./webgpu_memory.ts";

const dialect: Dialect = { ...shader, name: "webgpu", functions: { ...shader.functions, ...selectedLogic } };

export const webgpu: Backend = {
  name: "webgpu",
  computesOn: "gpu",
  runsIn: ["browser", "deno", "node", "bun"],
  needs,
  dialect,
  costs: shaderCosts,
  limits: {
    ...commonLimits,
    name: "webgpu",
    tablesAreArguments: true,
    // Workgroups of 8 by 8 by 1, of which WebGPU guarantees 65,535 along each axis.
    extents: [8 * 65535, 8 * 65535, 65535],
  },
  accuracy: "shader",
  arrays: Float32Array,
  driver: () => openGpuJs(webgpu, open),
};

function needs(runtime: Runtime): string {
  switch (runtime) {
    case "deno":
      return "it needs a Vulkan driver, Metal or Direct3D 12 (mesa-vulkan-drivers has one that needs no GPU)";
    case "node":
    case "bun":
      return 'it needs the optional package "webgpu" (`npm install webgpu@^0.6.2`) and a Vulkan driver, Metal or Direct3D 12';
    case "browser":
      return "it needs a browser that has WebGPU, and a page that is served over https or from localhost";
  }
}

/** The one WebGPU device that all of gpu.js shares. */
interface Context extends MemoryContext {
  readonly adapter: { readonly info?: Readonly<Record<"vendor" | "architecture" | "description", string>> };
  readonly device: MemoryContext["device"] & {
    readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
    pushErrorScope(kind: "out-of-memory" | "validation"): void;
    popErrorScope(): Promise<{ readonly message: string } | null>;
  };
}

const open: Opener = async (gpujs, mode) => {
  const context = await acquire(gpujs);
  return {
    gpu: await withWebGpu(() => new gpujs.GPU({ mode })),
    platform: new WebGpu(mode, context, memoryOf(gpujs, context)),
  };
};

function acquire({ WebGPUContext }: GpuModule): Promise<Context> {
  return withWebGpu(async () => {
    const { gpu } = (globalThis as { navigator?: { gpu?: unknown } }).navigator ?? {};
    if (!gpu) throw new Error("there is no navigator.gpu");
    try {
      return await WebGPUContext.acquire() as Context;
    } catch (error) {
      // gpu.js adds advice that is not true any more.
      if (!/no adapter is available/.test((error as Error).message)) throw error;
      throw new Error("there is no WebGPU adapter", { cause: error });
    }
  });
}

class WebGpu implements Platform {
  readonly description: string;
  readonly reportedAs: string;
  readonly bytesPerElement = 4;
  readonly exclusive = true;
  readonly threaded = false;
  readonly memory: GpuMemory;
  readonly #device: Context["device"];
  #gone: string | null = null;

  constructor(mode: string, { adapter, device }: Context, memory: GpuMemory) {
    const { vendor, architecture, description } = adapter.info ?? {};
    this.description = description || [vendor, architecture].filter(Boolean).join(" ") || "an adapter without a name";
    this.reportedAs = mode;
    this.#device = device;
    this.memory = memory;
    device.lost.then(({ reason, message }) => {
      this.#gone = `the device was lost (${[reason, message].filter(Boolean).join(": ")})`;
    });
  }

  check(plan: Plan): void {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#device.limits;
    const most = Math.min(maxStorageBufferBindingSize, maxBufferSize);
    for (const { name, shape, size } of arraysOf(plan)) {
      if (4 * size <= most) continue;
      throw new Error(
        `webgpu: ${name} of shape [${shape.join(", ")}] needs ${
          4 * size
        } bytes, but ${this.description} binds at most ` +
          `${most} (the smaller of maxStorageBufferBindingSize and maxBufferSize)`,
      );
    }
  }

  /** Errors while buffers are made are only logged otherwise, and the results would be zeros. */
  async guarded<T>(run: () => Promise<T>): Promise<T> {
    this.#device.pushErrorScope("validation");
    this.#device.pushErrorScope("out-of-memory");
    const result = await run().then((value) => ({ value }), (error: unknown) => ({ error }));
    const refused = await this.#refusal();
    if ("error" in result) {
      if (!refused) throw result.error;
      throw new Error(`${(result.error as Error).message} (${refused})`, { cause: result.error });
    }
    if (refused) throw new Error(refused);
    return result.value;
  }

  /** The errors of the innermost two scopes, in words. */
  async #refusal(): Promise<string | null> {
    const scopes = [this.#device.popErrorScope(), this.#device.popErrorScope()];
    const [memory, validation] = await Promise.all(scopes).catch(() => []);
    if (memory) return `out of memory: ${memory.message}`;
    return validation ? `the driver refused a call: ${validation.message}` : null;
  }

  async lost(error?: unknown): Promise<string | null> {
    if (this.#gone !== null) return this.#gone;
    if (error !== undefined) await newsOfLoss(this.#device);
    // Deno computes on without an error, and tells of the loss with the next turn of its event loop.
    else if (runtime() === "deno") await nextTurn();
    return this.#gone;
  }
}
