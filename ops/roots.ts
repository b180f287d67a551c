/** Roots beyond the square root. */
import type { Tensor } from "../core/tensor.ts";
import { abs, add, div, mul, neg, square, sub } from "./arithmetic.ts";
import { equal, greater, less, logicalAnd, logicalOr } from "./comparison.ts";
import { type Binary, lowered, loweredPair, type Unary } from "./define/scalar.ts";
import { pow, sqrt } from "./functions.ts";
import { hold } from "./grad.ts";
import { where } from "./selection.ts";

/** The power is off by some units where a shader computes it, and a third is rounded. One step of Newton's makes up for both. */
function cubeRoot(x: Tensor): Tensor {
  const isNegative = less(x, 0);
  const size = where(isNegative, neg(x), x);
  const power = pow(size, 1 / 3);
  const nearer = sub(power, div(sub(power, div(size, square(power))), 3));
  const root = where(logicalAnd(greater(power, 0), less(power, Infinity)), nearer, power);
  return where(isNegative, neg(root), root);
}

/**
 * The cube root, of negative numbers, too; always `float`. The derivative at 0 is infinite.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { cbrt, tensor } from "gpugrad";
 *
 * assert.ok(Math.abs(await cbrt(tensor(-27)).item() + 3) < 1e-6);
 * ```
 */
export const cbrt: Unary = /* @__PURE__ */ lowered("cbrt", {
  lower: cubeRoot,
  vjp: ({ output }) => div(1 / 3, square(output)),
  domain: { avoid: [0] },
  reference: Math.cbrt,
});

/**
 * A factor, a power of 2, that makes a size a divisor for every GPU: many multiply by the reciprocal, and that of a number beyond 2^126 they
 * take for 0.
 */
export const divisible = (size: Tensor): Tensor => where(greater(size, 2 ** 118), 2 ** -8, 1);

/** The root of the sum of squares, of parts of the larger one. */
function distance(a: Tensor, b: Tensor): Tensor {
  const [p, q] = [abs(a), abs(b)];
  // The value does not depend on what is divided by, so neither does the derivative. A decision has no kink where both are equal.
  const unit = hold(where(less(p, q), q, p));
  const factor = divisible(unit);
  const part = (x: Tensor): Tensor => square(div(mul(x, factor), mul(unit, factor)));
  const root = mul(unit, sqrt(add(part(a), part(b))));
  // Infinity beside NaN is infinite.
  const isInfinite = logicalOr(equal(p, Infinity), equal(q, Infinity));
  return where(isInfinite, Infinity, where(equal(add(p, q), 0), 0, root));
}

/** A coordinate over the distance; 0 where that is 0. */
function share(coordinate: Tensor, distance: Tensor): Tensor {
  const factor = divisible(distance);
  return where(equal(distance, 0), 0, div(mul(coordinate, factor), mul(distance, factor)));
}

/**
 * `sqrt(a^2 + b^2)`, computed without overflow, always `float`. The derivatives are 0 where both are 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { hypot, tensor } from "gpugrad";
 *
 * assert.deepEqual(await hypot(tensor([3, 0]), tensor([4, 0])).toArray(), [5, 0]);
 * ```
 */
export const hypot: Binary = /* @__PURE__ */ loweredPair("hypot", {
  lower: distance,
  vjp: [
    ({ inputs: [a], output }) => share(a, output),
    ({ inputs: [, b], output }) => share(b, output),
  ],
  domain: [{ avoid: [0] }, { avoid: [0] }],
  reference: Math.hypot,
});
