/** Bounds on kernels. */
import { MAX_ITERATIONS } from "../plan/plan.ts";
import type { Target } from "./dialect.ts";

/** What a kernel cannot exceed. */
export interface Limits {
  /** Arrays that one kernel can read. */
  readonly arguments: number;
  /** Whether constant tables count among them. */
  readonly tablesAreArguments: boolean;
  /** Loop iterations of one thread. */
  readonly iterations: number;
  /** Indices are exact up to here. */
  readonly exactIndex: number;
  /** Whole numbers that are stored as values are exact up to here. */
  readonly exactValue: number;
  /** The most threads along x, y and z; empty where all threads lie along x. */
  readonly extents: readonly number[];
}

/** The limits of a backend with this dialect. */
export function limitsOf({ maxArguments, tablesAreArguments, exactIndex, exactValue, extents }: Target): Limits {
  return {
    arguments: maxArguments,
    tablesAreArguments,
    iterations: MAX_ITERATIONS,
    exactIndex,
    exactValue,
    extents,
  };
}
