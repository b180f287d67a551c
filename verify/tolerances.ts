/** How exactly a device computes an op, from what the op's record says of its accuracy. */
import { kindOf, type Ulps, ulpsOf } from "../core/backends/accuracy.ts";
import type { Accuracy } from "../core/op.ts";
import type { DType } from "../core/tensor.ts";

/** Whether results are the same on every device, given inputs that float32 holds. */
export function isExact(accuracy: Accuracy | undefined, dtype: DType): boolean {
  return dtype !== "float" || accuracy === "exact" ||
    Object.values(unitsOf(accuracy) ?? { all: 1 }).every((n) => n === 0);
}

/** The units in the last place of the result, by kind of backend; `null` if its accuracy is not relative to the result. */
function unitsOf(accuracy: Accuracy = "composite"): Ulps | null {
  if (typeof accuracy === "string") return null;
  return "ulps" in accuracy ? accuracy.ulps : ulpsOf(accuracy.function);
}

/** How far results of a device may be from the oracle's. */
export interface Tolerance {
  /** In units of 2^-23 of the reference value. */
  readonly ulps: number;
  /** What the units are relative to if the value itself is smaller: nothing, the same op on magnitudes, or numbers about 1. */
  readonly floor: "none" | "magnitudes" | "one";
}

/** The tolerance of an op or composite on a backend. */
export function toleranceOf(accuracy: Accuracy | undefined, dtype: DType, backend: string): Tolerance {
  if (isExact(accuracy, dtype)) return { ulps: 0, floor: "none" };
  const units = unitsOf(accuracy);
  if (units) return { ulps: units[kindOf(backend)], floor: "none" };
  return accuracy === "sum" ? { ulps: 4, floor: "magnitudes" } : { ulps: 8, floor: "one" };
}
