/** How exactly a device computes an op, from the records of the op and the backend. */
import type { Backend } from "../../core/backends/backend.ts";
import { backendNamed, backends } from "../../core/backends/list.ts";
import type { Accuracy } from "../../core/op.ts";
import type { DType } from "../../core/tensor.ts";

/** Whether results are the same on every device, given inputs that float32 holds. */
export function isExact(accuracy: Accuracy = "composite", dtype: DType): boolean {
  if (dtype !== "float" || accuracy === "exact") return true;
  return typeof accuracy !== "string" && backends.every((backend) => ulpsOn(accuracy, backend) === 0);
}

/** The units in the last place of the result on a backend. */
function ulpsOn(accuracy: Exclude<Accuracy, string>, backend: Backend): number {
  const { ulps } = backend.dialect.functions[accuracy.function];
  if (ulps !== undefined) return ulps;
  throw new Error(`tolerances: ${backend.name} does not state how exact the scalar function "${accuracy.function}" is`);
}

/** How far results of a device may be from the oracle's. */
export interface Tolerance {
  /** In units of 2^-23 of the reference value. */
  readonly ulps: number;
  /** The reference of the units if the value itself is smaller: none, the same op on magnitudes, or numbers about 1. */
  readonly floor: "none" | "magnitudes" | "one";
}

/** The tolerance of an op or composite on a backend. */
export function toleranceOf(accuracy: Accuracy = "composite", dtype: DType, backend: string): Tolerance {
  if (isExact(accuracy, dtype)) return { ulps: 0, floor: "none" };
  if (typeof accuracy !== "string") return { ulps: ulpsOn(accuracy, backendNamed(backend)), floor: "none" };
  return accuracy === "sum" ? { ulps: 4, floor: "magnitudes" } : { ulps: 8, floor: "one" };
}
