/** The accuracy of each op on each backend. */
import type { DType } from "../core/tensor.ts";

/** Ops whose float results are elements of their inputs, or whole numbers: exact. */
const EXACT = new Set([
  ..."neg abs sign relu floor ceil round clamp minimum maximum where cast".split(" "),
  ..."max min reshape transpose broadcastTo slice concat stack pad flip squeeze unsqueeze".split(" "),
  ..."gather take oneHot sort topK topKMask".split(" "),
]);

/** Ops that float32 arithmetic rounds once, to the nearest number. */
const ROUNDED = new Set("add sub mul div sqrt square".split(" "));

/** Tolerances of approximated functions, in units in the last place of the result. */
const FUNCTIONS: Readonly<Record<string, number>> = {
  exp: 1,
  log: 1,
  log1p: 1,
  expm1: 1,
  sin: 1,
  cos: 1,
  atan: 1,
  tanh: 1,
  sigmoid: 2,
  pow: 1,
};

/**
 * Shaders: WGSL allows 2.5 units for a division and more for a square root, and drivers differ in their logarithms. exp
 * is a polynomial, on which sigmoid, expm1 and tanh are built. pow is built on exp and log; its tolerance is for
 * exponents up to 4. `npm run accuracy` reports how much of each is used.
 */
const SHADERS: Readonly<Record<string, number>> = {
  div: 2.5,
  sqrt: 3,
  exp: 2,
  sigmoid: 5,
  log: 4,
  log1p: 4,
  expm1: 4,
  sin: 3,
  cos: 3,
  atan: 4,
  tanh: 5,
  pow: 16,
};

/** Backends that are less exact: GPUs and polynomials. The host computes functions in doubles and rounds once. */
const BACKENDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  cpu: {},
  webasm: { exp: 1.5 },
  webgpu: SHADERS,
  webgl2: SHADERS,
  webgl: SHADERS,
  headlessgl: SHADERS,
};

/** Sums of products: the error is relative to the sum of the magnitudes. */
const SUMS = new Set("sum mean prod matmul scatterAdd".split(" "));

/** Whether results are the same on every device, given inputs that float32 represents exactly. */
export function isExact(name: string, dtype: DType): boolean {
  return dtype !== "float" || EXACT.has(name);
}

/** Whether an op accumulates, so that it rounds partial sums as well as its result. */
export function isSum(name: string): boolean {
  return SUMS.has(name);
}

/** How far results of a device may differ from the oracle's. */
export interface Tolerance {
  /** In units of 2^-23 of the reference value. */
  readonly ulps: number;
  /** What the units are relative to if the value itself is smaller: nothing, the same op on magnitudes, or 1. */
  readonly floor: "none" | "magnitudes" | "one";
}

/** The tolerance of an op on a backend. */
export function toleranceOf(name: string, dtype: DType, backend: string): Tolerance {
  if (isExact(name, dtype)) return { ulps: 0, floor: "none" };
  const usual = ROUNDED.has(name) ? 0.5 : FUNCTIONS[name];
  if (usual !== undefined) return { ulps: (BACKENDS[backend] ?? SHADERS)[name] ?? usual, floor: "none" };
  if (SUMS.has(name)) return { ulps: 4, floor: "magnitudes" };
  return { ulps: 8, floor: "one" };
}
