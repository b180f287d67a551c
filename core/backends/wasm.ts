/** WebAssembly of our own, rendered from the loop form: SIMD, one memory for all plans, threads where they can share it. */
import { needsOfPolicy, RUNTIMES } from "../runtime.ts";
import type { Backend } from "./backend.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import { common, type Dialect } from "./dialect.ts";
import type { ScalarFunctions } from "./functions.ts";
import { LANE_ULPS } from "./wasm/lane_ulps.ts";
import { hasMultiplyAdd } from "./wasm/multiply_add.ts";

/** The functions by their accuracy in lanes. */
const functions: ScalarFunctions = Object.fromEntries(
  Object.entries(common.functions).map(([name, { write, ulps }]) => [name, { write, ulps: LANE_ULPS[name] ?? ulps }]),
);

/** The backend for engines with fused multiply-add or without; asked when the first plan is made, rather than when the library is loaded. */
export function wasmWith(multiplyAdd: () => boolean): Backend {
  const dialect: Dialect = {
    ...common,
    name: "wasm",
    functions,
    flat: true,
    exactIndex: 2 ** 31 - 1,
    get multiplyAdd() {
      return multiplyAdd();
    },
  };
  return {
    name: "wasm",
    computesOn: "host",
    runsIn: RUNTIMES,
    needs: (runtime) => needsOfPolicy(runtime, "'wasm-unsafe-eval'"),
    dialect,
    forms: true,
    loops: true,
    routines: ["order", "scatter", "scatterOnto"],
    text: async (plan, step) => (await import("./wasm/plan.ts")).stepText(plan, step, multiplyAdd()),
    costs: {
      ...hostCosts,
      tiled: true,
      // Elements at computed positions are read one by one: in a product of matrices, gathered ones took four times as long as all else.
      gather: 8,
      // Kernels are written by this package alone: another one takes a tenth of what it takes gpu.js, by the times of first calls and of kernels
      // of small losses, to which both more and less were worse.
      launch: 200_000,
      start: 30_000,
    },
    limits: { ...commonLimits, name: "wasm", arguments: Infinity, iterations: Infinity },
    accuracy: "polynomials",
    arrays: Float32Array,
    // Loaded when it is opened: what writes and runs WebAssembly is nearly half of the library.
    driver: async () => (await import("./wasm/driver.ts")).openWasm(undefined, undefined, multiplyAdd()),
  };
}

export const wasm: Backend = wasmWith(hasMultiplyAdd);
