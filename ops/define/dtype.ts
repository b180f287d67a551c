/** Which dtypes the results of ops have. */
import type { DType } from "../../core/tensor.ts";

/** The dtype of a result, from those of the inputs. Throws if an input has another one than the op takes. */
export type DTypeRule = (dtypes: readonly DType[], op: string) => DType;

/** bool < int < float. */
export const promoted: DTypeRule = (dtypes) =>
  dtypes.includes("float") ? "float" : dtypes.includes("int") ? "int" : "bool";

/** Arithmetic counts booleans as 0 and 1. */
export const arithmetic: DTypeRule = (dtypes) => (dtypes.includes("float") ? "float" : "int");

/** Always `float`. */
export const float: DTypeRule = () => "float";

/** Always `bool`. */
export const truth: DTypeRule = () => "bool";

/** The hint that errors about truth values end with. */
export const COMPARE = "; compare it, as greater(x, 0) does";

/** Logic takes truth values only: whether 0.5 counts as true is for the program to say, with a comparison. */
export const logical: DTypeRule = (dtypes, op) => {
  dtypes.forEach((dtype, i) => {
    if (dtype !== "bool") throw new Error(`${op}: expected dtype bool for argument ${i}, got ${dtype}${COMPARE}`);
  });
  return "bool";
};
