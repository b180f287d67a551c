/** Values in the precision of a backend. */
import type { Values } from "../entry.ts";

const singles = new WeakMap<Values, Float32Array>();

/** Returns the values as float32, converted once. */
export function asFloat32(values: Values): Float32Array {
  if (values instanceof Float32Array) return values;
  let single = singles.get(values);
  if (!single) singles.set(values, single = Float32Array.from(values));
  return single;
}
