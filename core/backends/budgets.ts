/** What kernels cost on each backend, and what they cannot exceed. */
import type { Costs, Limits } from "../plan/costs.ts";
import type { Target } from "./dialect.ts";

/** Chosen by measurement on WebAssembly with SIMD and two threads; lanes are loaded one by one there. */
const webAssembly: Costs = {
  write: 2,
  read: 4,
  beside: 1,
  wouldBe: 2,
  launch: 2_000_000,
  longestChain: 64,
  mostValues: 1500,
  longInner: 8,
  muchGuarded: 30_000,
  fewResults: 512,
  enoughThreads: 4096,
  longReduction: 512,
  lazy: 12,
  unrolled: 40,
};

/** What kernels cost on a backend. */
export function costsOf(_name: string): Costs {
  return webAssembly;
}

/** Some drivers end a thread's loops, silently, after this many iterations. */
const SAFE_ITERATIONS = 65_535;

/** What kernels cannot exceed on a backend. */
export function limitsOf(target: Target): Limits {
  const { name, tablesAreArguments, exactIndex, exactValue, extents } = target;
  return {
    name,
    arguments: target.maxArguments,
    tablesAreArguments,
    iterations: SAFE_ITERATIONS,
    exactIndex,
    exactValue,
    extents,
  };
}
