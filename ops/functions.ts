/** Scalar functions: powers and roots, exponentials and logarithms, circular and hyperbolic functions, rounding. */
import { record } from "../core/record.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, neg, square, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal, greaterEqual, logicalAnd } from "./comparison.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { arithmetic } from "./define/dtype.ts";
import { structured } from "./define/op.ts";
import {
  type Binary,
  binaryOp,
  CALL,
  DIVISION,
  EXPONENTIAL,
  lowered,
  ROOT,
  type Unary,
  unary,
} from "./define/scalar.ts";
import { where } from "./selection.ts";

/**
 * `a` to the power of `b`, always `float`. A negative base with an exponent that is not whole results in NaN. If the exponent is the number 2,
 * the result is a {@link square}.
 *
 * The derivative with respect to the base is 0 where the exponent is 0. The derivative with respect to the exponent is 0 where the base is 0 and the
 * exponent is not negative, and NaN where the base is negative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { pow, tensor } from "gpugrad";
 *
 * const x = tensor([1, 2, 3]);
 * assert.deepEqual(await pow(x, 2).toArray(), [1, 4, 9]);
 * ```
 */
export const pow: Binary = /* @__PURE__ */ structured(
  /* @__PURE__ */ binaryOp("pow", {
    cost: CALL,
    vjp: [
      // b * a^(b - 1) is 0 * Infinity at a = 0, b = 0, where the power is constant in a.
      ({ inputs: [a, b] }) => where(logicalAnd(equal(a, 0), equal(b, 0)), 0, mul(b, pow(a, sub(b, 1)))),
      ({ inputs: [a, b], output }) => where(logicalAnd(equal(a, 0), greaterEqual(b, 0)), 0, mul(output, log(a))),
    ],
    requires: "a negative base needs a whole exponent, and 0 one that is not negative",
    domain: [{ min: 0.2, max: 3 }, {}],
    reference: Math.pow,
  }),
  "pow(a, b)",
  (op, call) =>
    function pow(a: TensorLike, b: TensorLike): Tensor {
      call.check(arguments);
      // Squares are common, and a product is exact and cheap.
      if (b === 2) return cast(square(asTensor(call, "a", a)), "float");
      return record(op, [asTensor(call, "a", a), asTensor(call, "b", b)]);
    },
);

/**
 * The square root, always `float`; NaN below 0. The derivative at 0 is infinite.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sqrt, tensor } from "gpugrad";
 *
 * assert.deepEqual(await sqrt(tensor([4, 9])).toArray(), [2, 3]);
 * ```
 */
export const sqrt: Unary = /* @__PURE__ */ unary("sqrt", {
  cost: ROOT,
  vjp: ({ output }) => div(0.5, output),
  requires: "its input must not be below 0",
  domain: { min: 0.2, max: 3 },
  reference: Math.sqrt,
});

/**
 * The exponential, always `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { exp, tensor } from "gpugrad";
 *
 * assert.equal(await exp(tensor(0)).item(), 1);
 * ```
 */
export const exp: Unary = /* @__PURE__ */ unary("exp", {
  cost: EXPONENTIAL,
  vjp: ({ output }) => output,
  reference: Math.exp,
});

/**
 * `exp(x) - 1`, always `float`; accurate near 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { expm1, tensor } from "gpugrad";
 *
 * assert.equal(await expm1(tensor(0)).item(), 0);
 * ```
 */
export const expm1: Unary = /* @__PURE__ */ unary("expm1", {
  cost: CALL,
  vjp: ({ inputs: [x] }) => exp(x),
  reference: Math.expm1,
});

/**
 * The natural logarithm, always `float`: -Infinity at 0, NaN below.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { log, tensor } from "gpugrad";
 *
 * assert.equal(await log(tensor(1)).item(), 0);
 * ```
 */
export const log: Unary = /* @__PURE__ */ unary("log", {
  cost: CALL,
  vjp: ({ inputs: [x] }) => div(1, x),
  requires: "its input must be above 0",
  domain: { min: 0.2, max: 3 },
  reference: Math.log,
});

/**
 * The logarithm to the base 2, always `float`: -Infinity at 0, NaN below. The logarithm of a power of 2 is a whole number.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { log2, tensor } from "gpugrad";
 *
 * assert.deepEqual(await log2(tensor([0.25, 8])).toArray(), [-2, 3]);
 * ```
 */
export const log2: Unary = /* @__PURE__ */ unary("log2", {
  cost: CALL,
  vjp: ({ inputs: [x] }) => div(1 / Math.LN2, x),
  requires: "its input must be above 0",
  domain: { min: 0.2, max: 3 },
  reference: Math.log2,
});

/**
 * The logarithm to the base 10, always `float`: -Infinity at 0, NaN below. The logarithm of a power of 10 may be off by a rounding.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { log10, tensor } from "gpugrad";
 *
 * assert.ok(Math.abs(await log10(tensor(1000)).item() - 3) < 1e-6);
 * ```
 */
export const log10: Unary = /* @__PURE__ */ lowered("log10", {
  lower: (x) => div(log(x), Math.LN10),
  vjp: ({ inputs: [x] }) => div(1 / Math.LN10, x),
  requires: "its input must be above 0",
  domain: { min: 0.2, max: 3 },
  reference: Math.log10,
});

/**
 * `log(1 + x)`, always `float`; accurate near 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { log1p, tensor } from "gpugrad";
 *
 * assert.equal(await log1p(tensor(0)).item(), 0);
 * ```
 */
export const log1p: Unary = /* @__PURE__ */ unary("log1p", {
  cost: CALL,
  vjp: ({ inputs: [x] }) => div(1, add(1, x)),
  requires: "its input must be above -1",
  domain: { min: -0.7, max: 3 },
  reference: Math.log1p,
});

/**
 * The sine of an angle in radians, always `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sin, tensor } from "gpugrad";
 *
 * assert.equal(await sin(tensor(0)).item(), 0);
 * ```
 */
export const sin: Unary = /* @__PURE__ */ unary("sin", {
  cost: CALL,
  vjp: ({ inputs: [x] }) => cos(x),
  reference: Math.sin,
});

/**
 * The cosine of an angle in radians, always `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { cos, tensor } from "gpugrad";
 *
 * assert.equal(await cos(tensor(0)).item(), 1);
 * ```
 */
export const cos: Unary = /* @__PURE__ */ unary("cos", {
  cost: CALL,
  vjp: ({ inputs: [x] }) => neg(sin(x)),
  reference: Math.cos,
});

/**
 * The angle in radians, between -pi / 2 and pi / 2, whose tangent is `x`, always `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { atan, tensor } from "gpugrad";
 *
 * assert.equal(await atan(tensor(0)).item(), 0);
 * ```
 */
export const atan: Unary = /* @__PURE__ */ unary("atan", {
  cost: CALL,
  vjp: ({ inputs: [x] }) => div(1, add(1, square(x))),
  reference: Math.atan,
});

/**
 * The hyperbolic tangent, always `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tanh, tensor } from "gpugrad";
 *
 * assert.equal(await tanh(tensor(0)).item(), 0);
 * ```
 */
export const tanh: Unary = /* @__PURE__ */ unary("tanh", {
  cost: CALL,
  vjp: ({ output }) => sub(1, square(output)),
  reference: Math.tanh,
});

/**
 * The logistic function, `1 / (1 + exp(-x))`, always `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sigmoid, tensor } from "gpugrad";
 *
 * assert.equal(await sigmoid(tensor(0)).item(), 0.5);
 * ```
 */
export const sigmoid: Unary = /* @__PURE__ */ unary("sigmoid", {
  cost: EXPONENTIAL,
  vjp: ({ output }) => mul(output, sub(1, output)),
  reference: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
});

/** The error function by its series, all of whose terms have one sign, and far from 0 by the continued fraction of its complement. */
function erfReference(x: number): number {
  if (Math.abs(x) > 3) {
    const size = Math.abs(x);
    let fraction = size;
    for (let k = 60; k > 0; k--) fraction = size + k / 2 / fraction;
    return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / fraction);
  }
  let [term, sum] = [x, x];
  for (let n = 1; n < 100; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/**
 * The error function, `2 / sqrt(pi)` times the integral of `exp(-t^2)` from 0 to `x`, always `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { erf, tensor } from "gpugrad";
 *
 * assert.deepEqual(await erf(tensor([-Infinity, 0, Infinity])).toArray(), [-1, 0, 1]);
 * ```
 */
export const erf: Unary = /* @__PURE__ */ unary("erf", {
  cost: 70,
  vjp: ({ inputs: [x] }) => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI)),
  reference: erfReference,
});

/**
 * The largest whole number that is not above `x`. The dtype stays. It has no derivative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { floor, tensor } from "gpugrad";
 *
 * assert.deepEqual(await floor(tensor([1.7, -1.2])).toArray(), [1, -2]);
 * ```
 */
export const floor: Unary = /* @__PURE__ */ unary("floor", {
  dtype: arithmetic,
  vjp: null,
  domain: { avoid: [-3, -2, -1, 0, 1, 2, 3] },
  reference: Math.floor,
});

/**
 * The smallest whole number that is not below `x`. The dtype stays. It has no derivative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { ceil, tensor } from "gpugrad";
 *
 * assert.deepEqual(await ceil(tensor([1.2, 2])).toArray(), [2, 2]);
 * ```
 */
export const ceil: Unary = /* @__PURE__ */ unary("ceil", {
  dtype: arithmetic,
  vjp: null,
  domain: { avoid: [-3, -2, -1, 0, 1, 2, 3] },
  reference: Math.ceil,
});

/**
 * The whole number next to `x` towards 0: `x` without its fraction. The dtype stays. It has no derivative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, trunc } from "gpugrad";
 *
 * assert.deepEqual(await trunc(tensor([1.7, -1.7])).toArray(), [1, -1]);
 * ```
 */
export const trunc: Unary = /* @__PURE__ */ unary("trunc", {
  dtype: arithmetic,
  vjp: null,
  domain: { avoid: [-3, -2, -1, 0, 1, 2, 3] },
  reference: Math.trunc,
});

/**
 * The nearest whole number; halves go to the even neighbour. The dtype stays. It has no derivative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { round, tensor } from "gpugrad";
 *
 * assert.deepEqual(await round(tensor([0.5, 1.5, 2.4])).toArray(), [0, 2, 2]);
 * ```
 */
export const round: Unary = /* @__PURE__ */ unary("round", {
  dtype: arithmetic,
  call: "roundHalfEven",
  cost: DIVISION,
  vjp: null,
  domain: { avoid: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5] },
  reference: roundHalfEven,
});

/** The nearest whole number, the even one of two. */
function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const fraction = x - low;
  return fraction > 0.5 || (fraction === 0.5 && low % 2 !== 0) ? low + 1 : low;
}
