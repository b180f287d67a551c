/** Costs and limits that backends share. */
import type { Costs, Limits } from "../plan/costs.ts";
import { EXACT_IN_SINGLE } from "./dialect.ts";

/**
 * Chosen by measurement on WebAssembly with SIMD and two threads; lanes are loaded one by one there. Compiling a value takes some 100 µs,
 * once; software drivers of GPUs take more than twice as long for a kernel of twice the size.
 */
export const hostCosts: Costs = {
  write: 2,
  read: 4,
  beside: 1,
  wouldBe: 2,
  launch: 2_000_000,
  copy: 20_000,
  longestChain: 64,
  mostValues: 500,
  mostText: 8000,
  longInner: 8,
  muchGuarded: 30_000,
  fewResults: 512,
  enoughThreads: 4096,
  longReduction: 512,
  lazy: 12,
  longCondition: 6,
  wait: 2,
  unrolled: 40,
};

/** Costs of shaders. Operands of comparisons are hidden from their compilers, which costs work, so conditions are repeated less. */
export const shaderCosts: Costs = { ...hostCosts, longCondition: 3 };

/** Limits of gpu.js on every device. */
export const commonLimits: Omit<Limits, "name"> = {
  // Seven arrays and the output are the eight storage buffers that WebGPU guarantees.
  arguments: 7,
  tablesAreArguments: false,
  // Some drivers silently end longer loops.
  iterations: 65_535,
  exactValue: EXACT_IN_SINGLE,
  extents: [Infinity, Infinity, Infinity],
};
