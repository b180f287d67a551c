/** gpu.js on WebAssembly, with SIMD and threads. */
import { type Plan, sizeOfSource } from "../plan/plan.ts";
import { needsOfPolicy, RUNTIMES } from "../runtime.ts";
import { sizeOf } from "../shape.ts";
import type { Backend } from "./backend.ts";
import { common, type Dialect } from "./dialect.ts";
import { webAssemblyFunctions } from "./functions.ts";
import { openGpuJs } from "./gpujs_driver.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import { openHost } from "./platform.ts";

const dialect: Dialect = { ...common, name: "webasm", functions: { ...common.functions, ...webAssemblyFunctions } };

export const webasm: Backend = {
  name: "webasm",
  computesOn: "host",
  runsIn: RUNTIMES,
  needs: (runtime) => needsOfPolicy(runtime, "'wasm-unsafe-eval', and workers from blob: if it is isolated"),
  dialect,
  costs: hostCosts,
  limits: { ...commonLimits, name: "webasm" },
  accuracy: "polynomials",
  arrays: Float32Array,
  driver: () => openGpuJs(webasm, openHost("WebAssembly", { threaded: true, check: checkMemory })),
};

/** The capacity of a 32-bit WebAssembly memory. */
const MEMORY_BYTES = 2 ** 32;

/** Kernels can have separate memories; the arrays that one kernel reads and writes must share one. */
function checkMemory(plan: Plan): void {
  for (const { name, shape, args } of plan.steps) {
    const read = args.map((source) => sizeOfSource(plan, source));
    const bytes = 4 * read.reduce((sum, size) => sum + size, sizeOf(shape));
    if (bytes <= MEMORY_BYTES) continue;
    throw new Error(
      `webasm: the kernel of "${name}" of shape [${
        shape.join(", ")
      }] reads and writes ${bytes} bytes, but WebAssembly ` +
        `addresses at most ${MEMORY_BYTES}`,
    );
  }
}
