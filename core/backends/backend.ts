/** A backend as one record. Backends of a family share a file; `list.ts` has them all. */
import type { Plan, Target } from "../plan/plan.ts";
import type { Runtime } from "../runtime.ts";
import type { Values } from "../entry.ts";
import type { Residents } from "../residents.ts";
import type { Value } from "../value.ts";

/** How a backend computes, which decides how exact its results are. */
export type Accuracy =
  /** JavaScript in doubles throughout. */
  | "host double"
  /** JavaScript's functions in doubles, each result rounded to float32. */
  | "host"
  /** float32 on the host, with `exp` as a polynomial. */
  | "polynomials"
  /** float32 on a GPU: polynomials, and the precision of the driver's division and logarithm. */
  | "shader";

/** All that is known of a backend. */
export interface Backend extends Target {
  /** The name of the device, and the mode of gpu.js if gpu.js executes it. */
  readonly name: string;
  /** The hardware that computes. `auto` compares the first GPU that works with the first host that works. */
  readonly computesOn: "gpu" | "host";
  /** The runtimes that can have it. */
  readonly runsIn: readonly Runtime[];
  /** Returns advice for a runtime in which it does not work; `null` if it needs nothing. */
  readonly needs: (runtime: Runtime) => string | null;
  readonly accuracy: Accuracy;
  /** The arrays that hold its values. */
  readonly arrays: Float32ArrayConstructor | Float64ArrayConstructor;
  /** Opens it. Rejects if it does not work here. */
  readonly driver: () => Promise<Driver>;
}

/** An open backend: compiles and executes plans. */
export interface Driver {
  /** Returns the mode that actually executed the last plan, or before the first plan the expected mode. */
  backend(): string;
  /** Returns how plans are executed; `null` before the first run. */
  executor(): string | null;
  /** Returns why a faster executor was declined; `null` if none was. */
  fallbackReason(): string | null;
  /** Returns the hardware or engine in words: the adapter or renderer of a GPU. */
  description(): string;
  /** @throws if the plan exceeds the limits of the device. */
  compile(plan: Plan): CompiledPlan;
  /** Reopens a lost device; all plans compiled before are gone. */
  reopen(): Promise<void>;
  dispose(): void | Promise<void>;
}

/** A plan that a device has prepared. */
export interface CompiledPlan {
  /** Device and host memory that it holds, in bytes. */
  readonly bytes: number;
  /** Computes the results, in new arrays. */
  run(leaves: readonly Values[]): Promise<Values[]>;
  /**
   * Computes the results where the values are; absent if it has no memory of its own.
   *
   * @param residents what the device holds, which can make room.
   */
  runHere?(leaves: readonly Value[], residents: Residents): Promise<Value[]>;
  /** Runs its kernels one after the other and returns the milliseconds of each, and of each loop after them; absent if they only run together. */
  profile?(leaves: readonly Values[]): number[] | Promise<number[]>;
  /** Frees all its memory. */
  dispose(): void | Promise<void>;
}
