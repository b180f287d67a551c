/** A backend as one record. Those of a family share a file; `list.ts` has them all. */
import type { Plan, Target } from "../plan/plan.ts";
import type { Runtime } from "../runtime.ts";
import type { Values } from "../entry.ts";

/** How a backend computes, which decides how exact its results are. */
export type Accuracy =
  /** JavaScript in doubles throughout. */
  | "host double"
  /** JavaScript's functions in doubles, each result rounded to float32. */
  | "host"
  /** float32 on the host, with `exp` as a polynomial. */
  | "polynomials"
  /** float32 on a GPU: polynomials, and whatever precision the driver's division and logarithm have. */
  | "shader";

/** Units in the last place (2^-23 of the result), by how a backend computes; the oracle computes as the host does, in doubles. */
export type Ulps = Readonly<Record<Exclude<Accuracy, "host double">, number>>;

/** All that is known of a backend. */
export interface Backend extends Target {
  /** Names the device, and the mode of gpu.js where that executes it. */
  readonly name: string;
  /** Where it computes. `auto` compares the first GPU that works with the first host that works. */
  readonly computesOn: "gpu" | "host";
  /** The runtimes that can have it. */
  readonly runsIn: readonly Runtime[];
  /** Advice for a runtime where it does not work; `null` where it needs nothing. */
  readonly needs: (runtime: Runtime) => string | null;
  readonly accuracy: Accuracy;
  /** The arrays that hold its values. */
  readonly arrays: Float32ArrayConstructor | Float64ArrayConstructor;
  /** Opens it. Rejects where it does not work here. */
  readonly driver: () => Promise<Driver>;
}

/** An open backend: compiles and executes plans. */
export interface Driver {
  /** What really executed the last plan; before the first, what is expected to. */
  backend(): string;
  /** How plans are executed, as far as plans that ran have shown. */
  executor(): string | null;
  /** Why a faster executor was declined; `null` where it was not. */
  fallbackReason(): string | null;
  /** What computes, in words: the adapter or renderer of a GPU. */
  description(): string;
  /** @throws where the plan is beyond the limits of the device. */
  compile(plan: Plan): CompiledPlan;
  /** Starts anew after the device was lost; all plans compiled before are gone. */
  reopen(): Promise<void>;
  dispose(): void | Promise<void>;
}

/** A plan that a device has prepared. */
export interface CompiledPlan {
  /** Device and host memory that it holds, in bytes. */
  readonly bytes: number;
  /** Computes the results, in new arrays. */
  run(leaves: readonly Values[]): Promise<Values[]>;
  /** Runs its kernels one after the other and returns the milliseconds of each; absent if they only run together. */
  profile?(leaves: readonly Values[]): number[];
  /** Frees all that it holds. */
  dispose(): void | Promise<void>;
}
