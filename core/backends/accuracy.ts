/** How exactly each kind of backend computes the scalar functions, in units in the last place of the result. */

/** A kind of backend, by how it computes: JavaScript in doubles, WebAssembly in float32, or a GPU. */
export type BackendKind = "host" | "webasm" | "shader";

/** Units in the last place (2^-23 of the result), by kind of backend. */
export type Ulps = Readonly<Record<BackendKind, number>>;

/** The kind of a backend. */
export function kindOf(backend: string): BackendKind {
  return backend === "webasm" ? "webasm" : backend === "cpu" || backend === "float64" ? "host" : "shader";
}

const same = (ulps: number): Ulps => ({ host: ulps, webasm: ulps, shader: ulps });

/** Nothing is rounded. */
const EXACT = /* @__PURE__ */ same(0);
/** Float32 arithmetic rounds once, to the nearest number. */
const ROUNDED = /* @__PURE__ */ same(0.5);
/** The host computes functions in doubles and rounds once. */
const onHost = (host: number, shader: number, webasm = host): Ulps => ({ host, webasm, shader });

/**
 * WGSL allows 2.5 units for a division and more for a square root, and drivers differ in their logarithms. `exp` is a polynomial, on
 * WebAssembly too; `sigmoid`, `expm1` and `tanh` of shaders are made of it. `pow` of shaders is made of `exp` and `log`: its figure holds for
 * exponents to 4. `npm run accuracy` measures how much of each is used.
 */
const functions: Readonly<Record<string, Ulps>> = {
  abs: EXACT,
  ceil: EXACT,
  floor: EXACT,
  max: EXACT,
  min: EXACT,
  neg: EXACT,
  roundHalfEven: EXACT,
  select: EXACT,
  sign: EXACT,
  trunc: EXACT,
  add: ROUNDED,
  sub: ROUNDED,
  mul: ROUNDED,
  div: /* @__PURE__ */ onHost(0.5, 2.5),
  sqrt: /* @__PURE__ */ onHost(0.5, 3),
  exp: /* @__PURE__ */ onHost(1, 2, 1.5),
  expm1: /* @__PURE__ */ onHost(1, 4),
  log: /* @__PURE__ */ onHost(1, 4),
  log1p: /* @__PURE__ */ onHost(1, 4),
  sin: /* @__PURE__ */ onHost(1, 3),
  cos: /* @__PURE__ */ onHost(1, 3),
  atan: /* @__PURE__ */ onHost(1, 4),
  tanh: /* @__PURE__ */ onHost(1, 5),
  sigmoid: /* @__PURE__ */ onHost(2, 5),
  pow: /* @__PURE__ */ onHost(1, 16),
};

/** Returns how exactly a scalar function is computed. Throws if no accuracy is stated. */
export function ulpsOf(fn: string): Ulps {
  if (Object.hasOwn(functions, fn)) return functions[fn];
  throw new Error(`accuracy: there is no accuracy of the scalar function "${fn}" in core/backends/accuracy.ts`);
}
