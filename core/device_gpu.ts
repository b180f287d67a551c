/** A plan as one gpu.js pipeline; the only file that imports gpu.js. */
import type { GPU as GpuJs } from "gpu.js";
import { type Backend, type CompiledPlan, DeviceLostError } from "./device.ts";
import { kernelFunction } from "./emit.ts";
import { targetFor } from "./lower.ts";
import { MAX_ITERATIONS, type Plan, type Source } from "./plan.ts";
import { importGpuJs, threadsWork, whileWorkersStart, withWebGpu } from "./runtime.ts";
import { sizeOf } from "./shape.ts";
import type { Values } from "./tensor.ts";

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
/** The one WebGPU device that all of gpu.js shares. */
interface WebGpuContext {
  readonly adapter: { readonly info?: { readonly vendor: string; readonly description: string } };
  readonly device: {
    readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
    readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
    pushErrorScope(kind: "out-of-memory" | "validation"): void;
    popErrorScope(): Promise<{ readonly message: string } | null>;
  };
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

/** What a mode of gpu.js needs beside a `GPU`: its limits, and whether it is still there. */
interface Driver {
  /** What computes, in words. */
  readonly description: string;
  readonly bytesPerElement: number;
  /** Whether calls must not overlap: they share one context and its state. */
  readonly exclusive: boolean;
  /** @throws where a plan cannot run, with the limit. */
  check(plan: Plan): void;
  /** Runs a pipeline for the first time, and reports what the driver would only log. */
  first<T>(run: () => Promise<T>): Promise<T>;
  /** Why the device can compute no more; `null` where it can. */
  lost(error?: unknown): Promise<string | null>;
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
        loopMaxIterations: MAX_ITERATIONS,
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
    const { gpu } = (globalThis as { navigator?: { gpu?: { requestAdapter(): Promise<unknown> } } }).navigator ?? {};
    if (!gpu) throw new Error("there is no navigator.gpu");
    if (!(await gpu.requestAdapter())) throw new Error("there is no WebGPU adapter");
    return await WebGPUContext.acquire();
  });
}

/** Whether what ran a pipeline is the mode that was asked for; gpu.js calls all of WebGL `gpu`. */
function isItself(pipeline: Pipeline, mode: string): boolean {
  return pipeline.backend === mode || (pipeline.backend === "gpu" && /gl2?$/.test(mode));
}

/** Plans on the host: memory is all that they can lack. */
function hostDriver(mode: string): Driver {
  return {
    description: mode === "webasm" ? "WebAssembly" : "JavaScript",
    bytesPerElement: 4,
    exclusive: false,
    check(plan) {
      if (mode !== "webasm") return;
      const total = 4 * arraysOf(plan).reduce((sum, { size }) => sum + size, 0);
      if (total > WASM_BYTES) {
        throw new Error(
          `webasm: this plan needs ${total} bytes for all of its arrays, but WebAssembly addresses at most ${WASM_BYTES}; ` +
            `use smaller batches`,
        );
      }
    },
    first: (run) => run(),
    lost: () => Promise.resolve(null),
  };
}

/** What a 32-bit WebAssembly memory can hold. */
const WASM_BYTES = 2 ** 32;

/** The arrays of a plan. */
function arraysOf(plan: Plan): { name: string; shape: readonly number[]; size: number }[] {
  return [
    ...plan.leaves.map(({ shape, size }, i) => ({ name: `leaf ${i}`, shape, size })),
    ...plan.steps.map(({ name, shape }) => ({ name: `"${name}"`, shape, size: sizeOf(shape) })),
  ];
}

function webGpuDriver({ adapter, device }: WebGpuContext): Driver {
  const { vendor, description } = adapter.info ?? { vendor: "", description: "" };
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const most = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const name = description || vendor || "an adapter without a name";
  let gone: string | null = null;
  device.lost.then((
    { reason, message },
  ) => (gone = `the device was lost (${[reason, message].filter(Boolean).join(": ")})`));
  return {
    description: name,
    bytesPerElement: 4,
    exclusive: true,
    check(plan) {
      for (const { name: array, shape, size } of arraysOf(plan)) {
        if (4 * size > most) {
          throw new Error(
            `webgpu: ${array} of shape [${shape.join(", ")}] needs ${
              4 * size
            } bytes, but ${name} binds at most ${most} ` +
              `(the smaller of maxStorageBufferBindingSize and maxBufferSize)`,
          );
        }
      }
      const results = new Set(plan.results.filter((r) => r.from === "step").map((r) => r.index));
      const staged = [...results].reduce((sum, i) => sum + 4 * sizeOf(plan.steps[i].shape), 0);
      if (staged > maxBufferSize) {
        throw new Error(
          `webgpu: the results of this plan take ${staged} bytes together, but ${name} reads back at most ${maxBufferSize} ` +
            `(maxBufferSize); compute fewer at once`,
        );
      }
    },
    async first(run) {
      // What is refused while buffers are made is only logged otherwise, and the results would be zeros.
      device.pushErrorScope("validation");
      device.pushErrorScope("out-of-memory");
      const result = await run().then((value) => ({ value }), (error: unknown) => ({ error }));
      const errors = await Promise.all([device.popErrorScope(), device.popErrorScope()]).catch(() => []);
      const [memory, validation] = errors;
      const refused = memory
        ? `out of memory: ${memory.message}`
        : validation && `the driver refused a call: ${validation.message}`;
      if ("error" in result) {
        if (!refused) throw result.error;
        throw new Error(`${(result.error as Error).message} (${refused})`, { cause: result.error });
      }
      if (refused) throw new Error(refused);
      return result.value;
    },
    async lost(error) {
      // The failure of a call arrives before the reason for it.
      if (error !== undefined && gone === null) await Promise.race([device.lost, pause(GRACE_MS)]);
      return gone;
    },
  };
}

/** How long the news that a device is lost may take after a call has failed. */
const GRACE_MS = 50;

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** The parts of WebGL that are used here. */
interface Gl {
  readonly MAX_TEXTURE_SIZE: number;
  readonly RENDERER: number;
  getParameter(name: number): unknown;
  getExtension(name: string): { readonly UNMASKED_RENDERER_WEBGL: number } | null;
  getError(): number;
  isContextLost(): boolean;
}

function glDriver(context: () => unknown, mode: string): Driver {
  const gl = () => context() as Gl | null;
  let name: string | null = null;
  let size = 0;
  const look = (): Gl | null => {
    const now = gl();
    if (now && name === null && !isLost(now)) {
      const info = now.getExtension("WEBGL_debug_renderer_info");
      name = String(now.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? now.RENDERER));
      size = now.getParameter(now.MAX_TEXTURE_SIZE) as number;
    }
    return now;
  };
  return {
    get description() {
      look();
      return name ?? "no context yet";
    },
    // A texel holds one number in four channels.
    bytesPerElement: 16,
    exclusive: true,
    check(plan) {
      look();
      const most = Math.min(size > 0 ? size ** 2 : Infinity, GL_ELEMENTS);
      for (const { name: array, shape, size: elements } of arraysOf(plan)) {
        if (elements > most) {
          throw new Error(
            `${mode}: ${array} of shape [${
              shape.join(", ")
            }] has ${elements} elements, but at most ${most} can be addressed ` +
              (most === GL_ELEMENTS
                ? "(indices are floats there)"
                : `(textures of ${name} are at most ${size} wide and high)`),
          );
        }
      }
    },
    async first(run) {
      firstError(gl());
      const result = await run();
      const error = firstError(gl());
      // What is refused while textures are made is only noted otherwise, and the results would be zeros.
      if (error !== 0) throw new Error(GL_ERRORS[error] ?? `GL error ${error}`);
      return result;
    },
    lost: () => Promise.resolve(isLost(gl()) ? "the context was lost" : null),
  };
}

/** Whether a context is gone. The addon's contexts never say that they are lost, but throw. */
function isLost(gl: Gl | null): boolean {
  if (!gl) return false;
  try {
    return gl.isContextLost() || gl.getParameter(gl.MAX_TEXTURE_SIZE) === null;
  } catch {
    return true;
  }
}

/** The first error that a context has noted; takes note of them all. */
function firstError(gl: Gl | null): number {
  const first = gl?.getError() ?? 0;
  // One of each kind at most, and a lost context notes another one each time.
  for (let i = 0; i < 8 && first !== 0 && gl!.getError() !== 0; i++);
  return first;
}

const GL_ERRORS: Readonly<Record<number, string>> = {
  0x0500: "the driver refused a call: invalid enum",
  0x0501: "the driver refused a call: invalid value",
  0x0502: "the driver refused a call: invalid operation",
  0x0505: "out of memory",
  0x0506: "the driver refused a call: incomplete framebuffer",
};

/** Positions in textures are computed in floats. */
const GL_ELEMENTS = 2 ** 24;

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
