/** Hyperbolic functions beyond the tangent, and their inverses. */
import type { Tensor } from "../core/tensor.ts";
import { abs, add, div, mul, neg, square, sub } from "./arithmetic.ts";
import { greater, less } from "./comparison.ts";
import { lowered, type Unary } from "./define/scalar.ts";
import { exp, expm1, log, log1p, sqrt } from "./functions.ts";
import { hypot } from "./roots.ts";
import { where } from "./selection.ts";

/** From here on, asinh(x) and acosh(x) are log(2 x) to the last digit, and squares may be infinite. */
const FAR = 2 ** 30;

const farAway = (x: Tensor): Tensor => add(log(x), Math.LN2);

/**
 * The hyperbolic sine, `(exp(x) - exp(-x)) / 2`, always `float`; accurate near 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sinh, tensor } from "gpugrad";
 *
 * assert.equal(await sinh(tensor(0)).item(), 0);
 * ```
 */
export const sinh: Unary = /* @__PURE__ */ lowered("sinh", {
  // Halves, because their exponentials do not overflow before the result does. Halves of the smallest numbers would be 0 in shaders.
  lower: (x) => {
    const [up, down] = [mul(x, 0.5), mul(x, -0.5)];
    const away = mul(mul(sub(expm1(up), expm1(down)), 0.5), add(exp(up), exp(down)));
    return where(less(abs(x), 1e-4), mul(x, add(1, div(square(x), 6))), away);
  },
  vjp: ({ inputs: [x] }) => cosh(x),
  reference: Math.sinh,
});

/**
 * The hyperbolic cosine, `(exp(x) + exp(-x)) / 2`, always `float`. The loss `log(cosh(x))` overflows for large x;
 * `x + softplus(-2 x) - log(2)` does not.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { cosh, tensor } from "gpugrad";
 *
 * assert.equal(await cosh(tensor(0)).item(), 1);
 * ```
 */
export const cosh: Unary = /* @__PURE__ */ lowered("cosh", {
  lower: (x) => {
    const [up, down] = [exp(mul(x, 0.5)), exp(mul(x, -0.5))];
    return add(mul(mul(up, 0.5), up), mul(mul(down, 0.5), down));
  },
  vjp: ({ inputs: [x] }) => sinh(x),
  reference: Math.cosh,
});

/**
 * The inverse of {@link sinh}, `log(x + sqrt(x^2 + 1))`, always `float`; accurate near 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { asinh, tensor } from "gpugrad";
 *
 * assert.equal(await asinh(tensor(0)).item(), 0);
 * ```
 */
export const asinh: Unary = /* @__PURE__ */ lowered("asinh", {
  lower: (x) => {
    const isNegative = less(x, 0);
    const size = where(isNegative, neg(x), x);
    const squared = square(size);
    const near = log1p(add(size, div(squared, add(1, sqrt(add(1, squared))))));
    const result = where(greater(size, FAR), farAway(size), near);
    return where(isNegative, neg(result), result);
  },
  vjp: ({ inputs: [x] }) => div(1, hypot(x, 1)),
  reference: Math.asinh,
});

/**
 * The inverse of {@link cosh} that is not negative, `log(x + sqrt(x^2 - 1))`, always `float`; NaN below 1. The derivative at 1 is infinite.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { acosh, tensor } from "gpugrad";
 *
 * assert.equal(await acosh(tensor(1)).item(), 0);
 * ```
 */
export const acosh: Unary = /* @__PURE__ */ lowered("acosh", {
  lower: (x) => {
    const above = sub(x, 1);
    const near = log1p(add(above, mul(sqrt(above), sqrt(add(above, 2)))));
    return where(greater(x, FAR), farAway(x), near);
  },
  vjp: ({ inputs: [x] }) => div(1, mul(sqrt(sub(x, 1)), sqrt(add(x, 1)))),
  requires: "its input must not be below 1",
  domain: { min: 1.2, max: 5 },
  reference: Math.acosh,
});

/**
 * The inverse of `tanh`, `log((1 + x) / (1 - x)) / 2`, always `float`; accurate near 0, infinite at -1 and 1, NaN beyond.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { atanh, tensor } from "gpugrad";
 *
 * assert.equal(await atanh(tensor(0)).item(), 0);
 * ```
 */
export const atanh: Unary = /* @__PURE__ */ lowered("atanh", {
  lower: (x) => mul(sub(log1p(x), log1p(neg(x))), 0.5),
  vjp: ({ inputs: [x] }) => div(1, mul(sub(1, x), add(1, x))),
  requires: "its input must be between -1 and 1",
  domain: { min: -0.9, max: 0.9 },
  reference: Math.atanh,
});
