/** Costs and limits that backends share. */
import type { Costs, Limits } from "../plan/costs.ts";
import { EXACT_IN_SINGLE } from "../kernel.ts";

/**
 * Costs of WebAssembly with SIMD and threads, by measurement on two cores; lanes are loaded one by one there. Plain JavaScript takes them too:
 * `cpu` and the oracle serve to compute the same plans.
 */
export const hostCosts: Costs = {
  // Measured on kernels that copy, add and compute polynomials.
  write: 2,
  read: 4,
  beside: 1,
  wouldBe: 2,
  gather: 1,
  // A kernel takes about 2 ms to compile, once, and a barrier in each call; a value some 100 µs, once.
  launch: 2_000_000,
  start: 4000,
  copy: 20_000,
  // gpu.js compiles recursively, and software drivers of GPUs take more than twice as long for a kernel of twice the size.
  longestChain: 64,
  mostValues: 500,
  mostText: 8000,
  longInner: 8,
  muchGuarded: 30_000,
  // gpu.js starts another thread for every 4096 results.
  fewResults: 512,
  enoughThreads: 4096,
  longReduction: 512,
  // A branch is taken lane by lane.
  lazy: 12,
  longCondition: 6,
  // Additions start in each cycle and take several.
  wait: 2,
  unrolled: 40,
  tiled: false,
};

/**
 * Costs of shaders. They were not fitted to any GPU: where they differ from the host's, the structure of GPUs demands it, and the rest is the
 * host's. Arithmetic is cheaper there next to memory, launches and compilation, so these plans rather have too many arrays than too few.
 */
export const shaderCosts: Costs = {
  ...hostCosts,
  // An integrated GPU runs about this many threads at a time (Intel's Xe: 96 units of 7 threads of 16 lanes), a large one ten times as many
  // (NVIDIA's H100: 132 units of 2048); one thread alone takes as long for its loop as all of them. As on the host, an eighth of them is few.
  fewResults: 2048,
  enoughThreads: 16_384,
  // Operands of comparisons are hidden from their compilers, which costs work.
  longCondition: 3,
};

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
