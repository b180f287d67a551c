/** Arithmetic. Integers stay `int` except in quotients, and booleans count as 0 and 1. */
import { type Binary, binary, DIVISION, type Unary, unary } from "./define/scalar.ts";
import { arithmetic } from "./define/dtype.ts";

/**
 * The sum, `a + b`. Integers stay `int`; booleans count as 0 and 1.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { add, tensor } from "gpugrad";
 *
 * assert.deepEqual(await add(tensor([1, 2]), 0.5).toArray(), [1.5, 2.5]);
 * ```
 */
export const add: Binary = /* @__PURE__ */ binary("add", {
  dtype: arithmetic,
  pullback: [({ cotangent }) => cotangent, ({ cotangent }) => cotangent],
  reference: (a, b) => a + b,
});

/**
 * The difference, `a - b`. Integers stay `int`; booleans count as 0 and 1.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sub, tensor } from "gpugrad";
 *
 * assert.deepEqual(await sub(5, tensor([1, 2])).toArray(), [4, 3]);
 * ```
 */
export const sub: Binary = /* @__PURE__ */ binary("sub", {
  dtype: arithmetic,
  pullback: [({ cotangent }) => cotangent, ({ cotangent }) => neg(cotangent)],
  reference: (a, b) => a - b,
});

/**
 * The product, `a * b`. Integers stay `int`; booleans count as 0 and 1.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { mul, tensor } from "gpugrad";
 *
 * assert.deepEqual(await mul(tensor([[1], [2]]), tensor([3, 4])).toArray(), [[3, 4], [6, 8]]);
 * ```
 */
export const mul: Binary = /* @__PURE__ */ binary("mul", {
  dtype: arithmetic,
  vjp: [({ inputs: [, b] }) => b, ({ inputs: [a] }) => a],
  reference: (a, b) => a * b,
});

/**
 * The quotient, `a / b`, always `float`: 1 / 0 is infinite, 0 / 0 is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { div, tensor } from "gpugrad";
 *
 * assert.deepEqual(await div(tensor([1, 2]), 4).toArray(), [0.25, 0.5]);
 * ```
 */
export const div: Binary = /* @__PURE__ */ binary("div", {
  cost: DIVISION,
  vjp: [({ inputs: [, b] }) => div(1, b), ({ inputs: [, b], output }) => neg(div(output, b))],
  requires: "its divisor must not be 0",
  domain: [{}, { min: 0.2, max: 3 }],
  reference: (a, b) => a / b,
});

/**
 * The negative, `-x`. Integers stay `int`; booleans count as 0 and 1.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { neg, tensor } from "gpugrad";
 *
 * assert.deepEqual(await neg(tensor([1, -2])).toArray(), [-1, 2]);
 * ```
 */
export const neg: Unary = /* @__PURE__ */ unary("neg", {
  dtype: arithmetic,
  pullback: ({ cotangent }) => neg(cotangent),
  reference: (x) => -x,
});

/**
 * The square, `x * x`. Integers stay `int`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { square, tensor } from "gpugrad";
 *
 * assert.deepEqual(await square(tensor([-3, 2])).toArray(), [9, 4]);
 * ```
 */
export const square: Unary = /* @__PURE__ */ unary("square", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("mul", x, x),
  accuracy: { function: "mul" },
  vjp: ({ inputs: [x] }) => mul(x, 2),
  reference: (x) => x * x,
});

/**
 * The absolute value. Integers stay `int`. The derivative at 0 is 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { abs, grad, sum, tensor } from "gpugrad";
 *
 * const x = tensor([-1.5, 0]);
 * assert.deepEqual(await abs(x).toArray(), [1.5, 0]);
 * assert.deepEqual(await grad(sum(abs(x)), x).toArray(), [-1, 0]);
 * ```
 */
export const abs: Unary = /* @__PURE__ */ unary("abs", {
  dtype: arithmetic,
  vjp: ({ inputs: [x] }) => sign(x),
  domain: { avoid: [0] },
  reference: Math.abs,
});

/**
 * The sign: 1, -1 or 0; NaN stays NaN. It has no derivative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sign, tensor } from "gpugrad";
 *
 * assert.deepEqual(await sign(tensor([-3, 0, 5])).toArray(), [-1, 0, 1]);
 * ```
 */
export const sign: Unary = /* @__PURE__ */ unary("sign", {
  dtype: arithmetic,
  vjp: null,
  domain: { avoid: [0] },
  reference: Math.sign,
});
