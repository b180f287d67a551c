/** Circular functions beyond the sine and the cosine, and their inverses. */
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, neg, square, sub } from "./arithmetic.ts";
import { equal, greater, less, logicalAnd } from "./comparison.ts";
import { type Binary, lowered, loweredPair, type Unary } from "./define/scalar.ts";
import { atan, cos, sin, sqrt } from "./functions.ts";
import { divisible, hypot } from "./roots.ts";
import { where } from "./selection.ts";

/** The cosine of the angle whose sine is x; not sqrt(1 - x^2), which would lose the significant digits next to 1. */
const cosineOf = (x: Tensor): Tensor => sqrt(mul(sub(1, x), add(1, x)));

/**
 * The tangent of an angle in radians, always `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tan, tensor } from "gpugrad";
 *
 * assert.equal(await tan(tensor(0)).item(), 0);
 * ```
 */
export const tan: Unary = /* @__PURE__ */ lowered("tan", {
  lower: (x) => div(sin(x), cos(x)),
  vjp: ({ output }) => add(1, square(output)),
  domain: { min: -1.2, max: 1.2 },
  reference: Math.tan,
});

/**
 * The angle in radians, between -pi / 2 and pi / 2, whose sine is `x`, always `float`; NaN beyond -1 and 1. The derivative at -1 and 1 is
 * infinite.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { asin, tensor } from "gpugrad";
 *
 * assert.equal(await asin(tensor(0)).item(), 0);
 * ```
 */
export const asin: Unary = /* @__PURE__ */ lowered("asin", {
  lower: (x) => atan(div(x, cosineOf(x))),
  vjp: ({ inputs: [x] }) => div(1, cosineOf(x)),
  requires: "its input must be from -1 to 1",
  domain: { min: -0.9, max: 0.9 },
  reference: Math.asin,
});

/**
 * The angle in radians, between 0 and pi, whose cosine is `x`, always `float`; NaN beyond -1 and 1. The derivative at -1 and 1 is infinite.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { acos, tensor } from "gpugrad";
 *
 * assert.equal(await acos(tensor(1)).item(), 0);
 * ```
 */
export const acos: Unary = /* @__PURE__ */ lowered("acos", {
  // By half the angle, whose tangent is exact next to 1.
  lower: (x) => mul(2, atan(sqrt(div(sub(1, x), add(1, x))))),
  vjp: ({ inputs: [x] }) => div(-1, cosineOf(x)),
  requires: "its input must be from -1 to 1",
  domain: { min: -0.9, max: 0.9 },
  reference: Math.acos,
});

/** The angle of a point, of the smaller coordinate over the larger. Decisions, not sizes, choose: it is smooth across the diagonals. */
function angle(y: Tensor, x: Tensor): Tensor {
  const [isLow, isLeft] = [less(y, 0), less(x, 0)];
  const [up, aside] = [where(isLow, neg(y), y), where(isLeft, neg(x), x)];
  const isSteep = greater(up, aside);
  const [part, whole] = [where(isSteep, aside, up), where(isSteep, up, aside)];
  // Both may be infinite, or 0.
  const factor = divisible(whole);
  const quotient = div(mul(part, factor), mul(whole, factor));
  const ratio = where(logicalAnd(equal(part, Infinity), equal(whole, Infinity)), 1, quotient);
  const within = atan(where(equal(add(part, whole), 0), 0, ratio));
  const quarter = where(isSteep, sub(Math.PI / 2, within), within);
  const half = where(isLeft, sub(Math.PI, quarter), quarter);
  return where(isLow, neg(half), half);
}

/** The derivative of the angle by one coordinate, which is the other over the square of the distance; 0 where that is 0. */
function turn(other: Tensor, y: Tensor, x: Tensor): Tensor {
  const distance = hypot(y, x);
  return where(equal(distance, 0), 0, div(div(other, distance), distance));
}

/**
 * The angle in radians, between -pi and pi, of the point (x, y), always `float`: the arc tangent of y / x in the right quadrant. -0 counts
 * as 0. The derivatives are 0 where both are 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { atan2, tensor } from "gpugrad";
 *
 * assert.deepEqual(await atan2(tensor([0, 0]), tensor([1, 0])).toArray(), [0, 0]);
 * assert.ok(Math.abs(await atan2(1, -1).item() - 0.75 * Math.PI) < 1e-6);
 * ```
 */
export const atan2: Binary = /* @__PURE__ */ loweredPair("atan2", {
  parameters: ["y", "x"],
  lower: angle,
  vjp: [
    ({ inputs: [y, x] }) => turn(x, y, x),
    ({ inputs: [y, x] }) => neg(turn(y, y, x)),
  ],
  domain: [{ avoid: [0] }, { avoid: [0] }],
  reference: Math.atan2,
});
