/** gpu.js on GL: WebGL in browsers, and the addon `gl` in Node. */
import type { Plan } from "../plan/plan.ts";
import type { Backend } from "./backend.ts";
import { type Dialect, textures } from "./dialect.ts";
import type { Gpu, GpuKernel, GpuModule } from "./gpujs.ts";
import { openGpuJs } from "./gpujs_driver.ts";
import { commonLimits, shaderCosts } from "./budgets.ts";
import { arraysOf, type Opener, type Platform } from "./platform.ts";

/** A backend whose kernels are shaders over textures. */
function overTextures({ name, runsIn, needs }: Pick<Backend, "name" | "runsIn" | "needs">): Backend {
  const dialect: Dialect = { ...textures, name };
  const backend: Backend = {
    name,
    computesOn: "gpu",
    runsIn,
    needs,
    dialect,
    costs: shaderCosts,
    limits: { ...commonLimits, name, extents: [] },
    accuracy: "shader",
    arrays: Float32Array,
    driver: () => openGpuJs(backend, open),
  };
  return backend;
}

export const webgl2: Backend = overTextures({ name: "webgl2", runsIn: ["browser"], needs: () => null });
export const webgl: Backend = overTextures({ name: "webgl", runsIn: ["browser"], needs: () => null });
export const headlessgl: Backend = overTextures({
  name: "headlessgl",
  runsIn: ["node"],
  needs: () =>
    'it needs the optional package "gl" (`npm install gl@^8.1.6`), which npm builds where libxi-dev, libxext-dev, libx11-dev, ' +
    "libgl1-mesa-dev and pkg-config are installed, and an X display (`xvfb-run -a` starts one)",
});

const open: Opener = async (gpujs, mode) => {
  const gpu = await opened(gpujs, mode);
  // There is no context before the first kernel.
  return { gpu, platform: new Gl(mode, () => gpu.context as Context | null) };
};

/** gpu.js tries what a mode needs, and of a failure says nothing but the mode. */
function opened(gpujs: GpuModule, mode: Parameters<Opener>[1]): Gpu {
  try {
    return new gpujs.GPU({ mode });
  } catch (error) {
    throw new Error("does not start here", { cause: error });
  }
}

/** The parts of WebGL that are used here. */
interface Context {
  readonly MAX_TEXTURE_SIZE: number;
  readonly RENDERER: number;
  readonly MAX_VERTEX_ATTRIBS: number;
  readonly VERTEX_ATTRIB_ARRAY_BUFFER_BINDING: number;
  getParameter(name: number): unknown;
  getExtension(name: string): { readonly UNMASKED_RENDERER_WEBGL: number } | null;
  getError(): number;
  isContextLost(): boolean;
  getVertexAttrib(index: number, name: number): unknown;
  deleteBuffer(buffer: unknown): void;
}

/** Positions in textures are computed in floats. */
const MOST_ELEMENTS = 2 ** 24;

class Gl implements Platform {
  /** gpu.js has one name for all of GL. */
  readonly reportedAs = "gpu";
  /** A texel holds one number in four channels. */
  readonly bytesPerElement = 16;
  readonly exclusive = true;
  readonly memory = null;
  readonly threaded = false;
  readonly #mode: string;
  readonly #context: () => Context | null;
  /** Buffers of kernels that are gone, while the context draws them. */
  readonly #vertices = new Set<unknown>();
  #renderer: { readonly name: string; readonly textureSize: number } | null = null;

  constructor(mode: string, context: () => Context | null) {
    this.#mode = mode;
    this.#context = context;
  }

  get description(): string {
    return this.#look()?.name ?? "no context yet";
  }

  check(plan: Plan): void {
    const renderer = this.#look();
    const most = Math.min(renderer ? renderer.textureSize ** 2 : Infinity, MOST_ELEMENTS);
    for (const { name, shape, size } of arraysOf(plan)) {
      if (size <= most) continue;
      const why = most === MOST_ELEMENTS
        ? "indices are floats there"
        : `textures of ${renderer!.name} are at most ${renderer!.textureSize} wide and high`;
      throw new Error(
        `${this.#mode}: ${name} of shape [${shape.join(", ")}] has ${size} elements, but at most ${most} can be ` +
          `addressed (${why})`,
      );
    }
  }

  /** Errors are only noted otherwise, and the results would be zeros, or those of an earlier call. */
  async guarded<T>(run: () => Promise<T>): Promise<T> {
    firstError(this.#context());
    const result = await run();
    const error = firstError(this.#context());
    if (error !== 0) throw new Error(ERRORS[error] ?? `GL error ${error}`);
    return result;
  }

  /**
   * Leaves the vertices that the context draws where they are. gpu.js binds them when it compiles a kernel, to a state that all kernels share:
   * once they are deleted, the kernels that stay draw nothing, and their textures keep what earlier calls left in them.
   */
  ending(kernels: readonly GpuKernel[]): void {
    const context = this.#context();
    if (!context || isLost(context)) return;
    const bound = boundBuffers(context);
    for (const kernel of kernels) {
      if (!bound.has(kernel.buffer)) continue;
      this.#vertices.add(kernel.buffer);
      kernel.buffer = null;
    }
    for (const buffer of this.#vertices) {
      if (bound.has(buffer)) continue;
      context.deleteBuffer(buffer);
      this.#vertices.delete(buffer);
    }
  }

  lost(): Promise<string | null> {
    return Promise.resolve(isLost(this.#context()) ? "the context was lost" : null);
  }

  /** The renderer, once a context can report it. */
  #look(): { readonly name: string; readonly textureSize: number } | null {
    const context = this.#context();
    if (context && !this.#renderer && !isLost(context)) {
      const info = context.getExtension("WEBGL_debug_renderer_info");
      this.#renderer = {
        name: String(context.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER)),
        textureSize: context.getParameter(context.MAX_TEXTURE_SIZE) as number,
      };
    }
    return this.#renderer;
  }
}

/** The buffers that vertices are read from. */
function boundBuffers(context: Context): Set<unknown> {
  const attributes = Array.from({ length: context.getParameter(context.MAX_VERTEX_ATTRIBS) as number }, (_, i) => i);
  const buffers = attributes.map((i) => context.getVertexAttrib(i, context.VERTEX_ATTRIB_ARRAY_BUFFER_BINDING));
  return new Set(buffers.filter((buffer) => buffer));
}

/** Whether a context is gone. The addon's contexts never say that they are lost, but throw. */
function isLost(context: Context | null): boolean {
  if (!context) return false;
  try {
    return context.isContextLost() || context.getParameter(context.MAX_TEXTURE_SIZE) === null;
  } catch {
    return true;
  }
}

/** The first error that a context has noted; clears them all. */
function firstError(context: Context | null): number {
  const first = context?.getError() ?? 0;
  // At most one of each kind; a lost context reports another one each time.
  for (let i = 0; i < 8 && first !== 0 && context!.getError() !== 0; i++);
  return first;
}

const ERRORS: Readonly<Record<number, string>> = {
  0x0500: "the driver refused a call: invalid enum",
  0x0501: "the driver refused a call: invalid value",
  0x0502: "the driver refused a call: invalid operation",
  0x0505: "out of memory",
  0x0506: "the driver refused a call: incomplete framebuffer",
};
