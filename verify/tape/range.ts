/** Overflow and underflow in float32. */
import type { Tensor, Values } from "../../core/tensor.ts";
import { elementText } from "../inputs.ts";
import { numberText } from "../report/advice.ts";
import { compute, historyOf } from "./oracle.ts";

/** Numbers of this size and above are infinite in float32. */
const OVERFLOW = (2 - 2 ** -24) * 2 ** 127;
/** The smallest normal float32: a device may take anything smaller for 0. */
const UNDERFLOW = 2 ** -126;

/** Whether a finite number is infinite in float32. */
export function overflows(x: number): boolean {
  return Number.isFinite(x) && Math.abs(x) >= OVERFLOW;
}

/** Whether a number other than 0 may be 0 in float32. */
export function underflows(x: number): boolean {
  return x !== 0 && Math.abs(x) < UNDERFLOW;
}

/** Why a result is not finite on a device although it is on the oracle. */
export interface Cause {
  /** Whether it is the range of float32 rather than its precision. */
  readonly range: boolean;
  /** In words, after "because". */
  readonly why: string;
  /** The entry of the tape where it begins. */
  readonly entry: Tensor;
}

/** A float entry in words: `exp[0]`, or `input x[0]` of a leaf. */
function place(entry: Tensor, i: number): string {
  return elementText(entry.inputs.length > 0 ? entry.op.name : "an input", i, entry.shape);
}

/**
 * Finds the first entry with a value that is not finite on a device although it is on the oracle, and what makes it so,
 * given that the device computes each entry as the oracle does from the same inputs.
 *
 * @param history the entries, inputs first.
 * @param values the device's values of these.
 * @returns `null` if there is none: a device may keep more digits where it need not store a value.
 */
export function causeOf(history: readonly Tensor[], values: readonly Values[]): Cause | null {
  const right = compute(history);
  for (const [k, entry] of history.entries()) {
    const i = values[k].findIndex((x, j) => !Number.isFinite(x) && Number.isFinite(right[k][j]));
    if (i < 0) continue;
    if (overflows(right[k][i])) {
      const why = `${place(entry, i)} overflows: it is ${numberText(right[k][i], 3)}, and float32 ends at 3.4e+38`;
      return { range: true, why, entry };
    }
    const before = new Set(historyOf([entry]));
    for (const [k, origin] of history.entries()) {
      const j = before.has(origin) ? values[k].findIndex((x, j) => x === 0 && underflows(right[k][j])) : -1;
      if (j < 0) continue;
      const why = `${place(origin, j)} underflows: it is ${numberText(right[k][j], 3)}, and float32 begins at 1.2e-38`;
      return { range: true, why, entry: origin };
    }
    const why = `${place(entry, i)} is ${values[k][i]} once its inputs are rounded to float32, and ${
      numberText(right[k][i], 3)
    } without rounding`;
    return { range: false, why, entry };
  }
  return null;
}
