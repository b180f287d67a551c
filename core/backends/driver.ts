/** Limits of what gpu.js computes with, what drivers refuse, and whether they are still there. */
import type { Plan, Source } from "../plan/plan.ts";
import { sizeOf } from "../shape.ts";

/** What a mode of gpu.js needs beside a `GPU`: its limits, and whether it is still there. */
export interface Driver {
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

/** The one WebGPU device that all of gpu.js shares. */
export interface WebGpuContext {
  readonly adapter: { readonly info?: Readonly<Record<"vendor" | "architecture" | "description", string>> };
  readonly device: {
    readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
    readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
    pushErrorScope(kind: "out-of-memory" | "validation"): void;
    popErrorScope(): Promise<{ readonly message: string } | null>;
  };
}
/** Plans on the host: memory is all that they can lack. */
export function hostDriver(mode: string): Driver {
  return {
    description: mode === "webasm" ? "WebAssembly" : "JavaScript",
    bytesPerElement: 4,
    exclusive: false,
    check(plan) {
      if (mode !== "webasm") return;
      // Kernels can have memories of their own; what one of them reads and writes cannot be divided.
      for (const { name, shape, args } of plan.steps) {
        const read = args.map((source) => sizeOfSource(plan, source));
        const bytes = 4 * read.reduce((sum, size) => sum + size, sizeOf(shape));
        if (bytes > WASM_BYTES) {
          throw new Error(
            `webasm: the kernel of "${name}" of shape [${
              shape.join(", ")
            }] reads and writes ${bytes} bytes, but WebAssembly ` +
              `addresses at most ${WASM_BYTES}`,
          );
        }
      }
    },
    first: (run) => run(),
    lost: () => Promise.resolve(null),
  };
}

/** What a 32-bit WebAssembly memory can hold. */
const WASM_BYTES = 2 ** 32;

function sizeOfSource(plan: Plan, source: Source): number {
  if (source.from === "empty") return 0;
  return source.from === "leaf" ? plan.leaves[source.index].size : sizeOf(plan.steps[source.index].shape);
}

/** The arrays of a plan. */
function arraysOf(plan: Plan): { name: string; shape: readonly number[]; size: number }[] {
  return [
    ...plan.leaves.map(({ shape, size }, i) => ({ name: `leaf ${i}`, shape, size })),
    ...plan.steps.map(({ name, shape }) => ({ name: `"${name}"`, shape, size: sizeOf(shape) })),
  ];
}

export function webGpuDriver({ adapter, device }: WebGpuContext): Driver {
  const { vendor, architecture, description } = adapter.info ?? {};
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const most = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const name = description || [vendor, architecture].filter(Boolean).join(" ") || "an adapter without a name";
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

export function glDriver(context: () => unknown, mode: string): Driver {
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
