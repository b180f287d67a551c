/** The gamma function: its logarithm, and the derivatives of that. */
import type { Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import { whole } from "../core/options.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, sub } from "./arithmetic.ts";
import { less } from "./comparison.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { type OpFunction, structured } from "./define/op.ts";
import { lowered, type Unary, unary } from "./define/scalar.ts";
import { cos, log, round, sin } from "./functions.ts";
import { where } from "./selection.ts";

/** The Bernoulli numbers B2, B4, ... */
const BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510];

/** Euler's constant. */
const EULER = 0.5772156649015329;

/** ζ(k) - 1: the first terms of the sum, and the rest by Euler and Maclaurin. */
function zetaLessOne(k: number): number {
  const from = 40;
  let sum = from ** (1 - k) / (k - 1) + from ** -k / 2 + (k * from ** (-k - 1)) / 12 -
    (k * (k + 1) * (k + 2) * from ** (-k - 3)) / 720 +
    (k * (k + 1) * (k + 2) * (k + 3) * (k + 4) * from ** (-k - 5)) / 30240;
  for (let n = from - 1; n > 1; n--) sum += n ** -k;
  return sum;
}

/** By Taylor's series about 2, whose coefficients are values of the zeta function, by Stirling's series, and by reflection. */
function lgammaReference(x: number): number {
  if (x < 0) {
    if (Number.isInteger(x) || x === -Infinity) return Infinity;
    return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * (x - Math.round(x))))) - lgammaReference(1 - x);
  }
  if (x === Infinity) return Infinity;
  if (x > 30) {
    return (x - 0.5) * (Math.log(x) - 1) + (Math.log(2 * Math.PI) - 1) / 2 + 1 / (12 * x) - 1 / (360 * x ** 3) +
      1 / (1260 * x ** 5) - 1 / (1680 * x ** 7);
  }
  const t = x - Math.round(x);
  let sum = 0;
  for (let k = 40; k > 1; k--) sum += (zetaLessOne(k) * (-t) ** k) / k;
  sum += (1 - EULER) * t;
  let product = 1;
  for (let k = 2; k < Math.round(x); k++) product *= k + t;
  if (product > 1) sum += Math.log(product);
  if (Math.round(x) < 2) sum -= Math.log1p(t);
  return Math.round(x) < 1 ? sum - Math.log(x) : sum;
}

/**
 * The logarithm of the size of the gamma function, always `float`: infinite at 0 and at negative whole numbers. The derivative is
 * {@link digamma}.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { exp, lgamma, round, tensor } from "gpugrad";
 *
 * // The logarithm of a factorial.
 * assert.deepEqual(await round(exp(lgamma(tensor([1, 2, 5])))).toArray(), [1, 1, 24]);
 * ```
 */
export const lgamma: Unary = /* @__PURE__ */ unary("lgamma", {
  cost: 150,
  vjp: ({ inputs: [x] }) => digamma(x),
  requires: "its input must not be 0 or a negative whole number",
  domain: { min: 0.2, max: 9 },
  reference: lgammaReference,
});

/** A tensor to a power from 1. */
function power(x: Tensor, exponent: number): Tensor {
  if (exponent === 1) return x;
  const half = power(x, Math.floor(exponent / 2));
  const even = mul(half, half);
  return exponent % 2 === 0 ? even : mul(even, x);
}

/** n! / m!, whole numbers from m to n. */
function factorials(n: number, m = 0): number {
  let product = 1;
  for (let k = m + 1; k <= n; k++) product *= k;
  return product;
}

/**
 * A derivative of digamma for arguments from 0: what its recurrence passes, and the sum of Euler and Maclaurin at a larger argument, all
 * whose terms of note have one sign.
 */
function positivePolygamma(order: number, y: Tensor): Tensor {
  const steps = 8 + order;
  const inverses = Array.from({ length: steps }, (_, k) => div(1, add(y, k)));
  const over = div(1, add(y, steps));
  const square = mul(over, over);
  // B2k / (2k)! times the derivative of that order of 1 / z, over the first power of 1 / z.
  const coefficients = BERNOULLI.map((b, i) => {
    const k = 2 * (i + 1);
    return order === 0 ? -b / k : (b / factorials(k)) * factorials(order + k - 1, order);
  });
  const series = coefficients.reduceRight<Tensor | number>((sum, c) => add(mul(sum, square), c), 0);
  if (order === 0) {
    const passed = inverses.reduce((a, b) => add(a, b));
    return sub(add(sub(log(add(y, steps)), mul(over, 0.5)), mul(series, square)), passed);
  }
  const passed = inverses.map((inverse) => power(inverse, order + 1)).reduce((a, b) => add(a, b));
  const tail = mul(power(over, order), add(1 / order, mul(over, add(0.5, mul(over, series)))));
  return mul(add(passed, tail), (order % 2 === 0 ? -1 : 1) * factorials(order));
}

/** The coefficients, the highest power first, of the derivative of an order of the cotangent as a polynomial in the cotangent. */
function cotangentPolynomial(order: number): number[] {
  let rising = [0, 1];
  for (let k = 0; k < order; k++) {
    const next = new Array<number>(rising.length + 1).fill(0);
    rising.forEach((c, i) => {
      if (i === 0) return;
      next[i - 1] -= i * c;
      next[i + 1] -= i * c;
    });
    rising = next;
  }
  return rising.reverse();
}

/** A derivative of digamma. Below 0 by reflection: digamma(x) = digamma(1 - x) - pi cot(pi x). */
function polygammaOf(order: number, x: Tensor): Tensor {
  const isBelow = less(x, 0);
  const positive = positivePolygamma(order, where(isBelow, sub(1, x), x));
  const angle = mul(sub(x, round(x)), Math.PI);
  const cotangent = div(cos(angle), sin(angle));
  const [leading, ...others] = cotangentPolynomial(order);
  const polynomial = others.reduce<Tensor | number>((sum, c) => add(mul(sum, cotangent), c), leading);
  const reflected = sub(mul(positive, order % 2 === 0 ? 1 : -1), mul(polynomial, Math.PI ** (order + 1)));
  return where(isBelow, reflected, positive);
}

/** By the recurrence and the series, as plain numbers, at an argument three times as large. */
function polygammaReference(order: number, x: number): number {
  const steps = 30;
  const z = x + steps;
  const s = order + 1;
  const b = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66];
  if (order === 0) {
    let sum = Math.log(z) - 0.5 / z;
    b.forEach((bernoulli, i) => (sum -= bernoulli / (2 * (i + 1)) / z ** (2 * (i + 1))));
    for (let k = steps - 1; k >= 0; k--) sum -= 1 / (x + k);
    return sum;
  }
  let sum = z ** (1 - s) / order + 0.5 * z ** -s;
  let rising = s;
  let factorial = 2;
  b.forEach((bernoulli, i) => {
    const k = 2 * (i + 1);
    sum += ((bernoulli / factorial) * rising) / z ** (s + k - 1);
    rising *= (s + k - 1) * (s + k);
    factorial *= (k + 1) * (k + 2);
  });
  for (let k = steps - 1; k >= 0; k--) sum += (x + k) ** -s;
  for (let k = 2; k <= order; k++) sum *= k;
  return order % 2 === 0 ? -sum : sum;
}

const poles = "its input must not be 0 or a negative whole number";

/**
 * The derivative of {@link lgamma}, always `float`: infinite at 0 and at negative whole numbers. Its own derivatives are those of
 * {@link polygamma}.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { digamma, tensor } from "gpugrad";
 *
 * // Minus Euler's constant.
 * assert.ok(Math.abs(await digamma(tensor(1)).item() + 0.5772157) < 1e-6);
 * ```
 */
export const digamma: Unary = /* @__PURE__ */ lowered("digamma", {
  lower: (x) => polygammaOf(0, x),
  vjp: ({ inputs: [x] }) => polygamma(1, x),
  requires: poles,
  domain: { min: 0.2, max: 9 },
  reference: (x) => polygammaReference(0, x),
});

/** Orders whose factorials float32 holds. */
const orderKind = /* @__PURE__ */ whole(0, 30);

/**
 * A derivative of {@link digamma}, always `float`: infinite at 0 and at negative whole numbers. It is differentiable to any order up to 30.
 *
 * @param order which derivative, from 0, which is digamma itself, to 30.
 * @param x any shape.
 * @returns the shape of `x`.
 * @throws if the order is not a whole number from 0 to 30.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { polygamma, tensor } from "gpugrad";
 *
 * assert.ok(Math.abs(await polygamma(1, tensor(1)).item() - Math.PI ** 2 / 6) < 1e-6);
 * ```
 */
export const polygamma: OpFunction<(order: number, x: TensorLike) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "polygamma",
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: { kind: "lowered", lower: ([x], { order }) => polygammaOf(order, x) },
    vjp: [({ times, inputs: [x], attributes: { order } }) => times(() => polygamma(order + 1, x))],
    requires: poles,
    domain: (draw) => ({
      inputs: [{ shape: draw.shape(), min: 0.5, max: 9 }],
      attributes: { order: draw.pick([1, 2, 3]) },
    }),
    parameters: ["x"],
    reference: ([x], { order }) => polygammaReference(order, x),
  } satisfies Op<{ readonly order: number }>,
  "polygamma(order, x)",
  (op, call) =>
    function polygamma(order, x) {
      call.check(arguments);
      if (!orderKind.accepts(order)) throw call.wrong("order", orderKind.expected, order);
      const input = asTensor(call, "x", x);
      return order === 0 ? digamma(input) : record(op, [input], { order });
    },
);
