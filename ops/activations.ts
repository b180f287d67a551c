/** Activations: functions of logits. */
import type { Case, Draw, Entry } from "../core/op.ts";
import { oneOf } from "../core/options.ts";
import { axesOrThrow } from "../core/record.ts";
import type { Tensor } from "../core/tensor.ts";
import { abs, add, div, mul, neg, square, sub } from "./arithmetic.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction } from "./define/op.ts";
import type { Axes } from "./define/reduction.ts";
import { lowered, type Unary } from "./define/scalar.ts";
import { erf, exp, log1p, sigmoid, tanh } from "./functions.ts";
import { detach } from "./grad.ts";
import { logSumExp, max, sum } from "./reduce.ts";
import { relu } from "./selection.ts";

/** One axis or several. */
type AxisAttribute = { readonly axis: Axes };

const alongAxis = (draw: Draw): Case<AxisAttribute> => {
  const shape = draw.shape({ minRank: 1, minAxis: 1 });
  const axis = draw.int(-shape.length, shape.length - 1);
  const all = shape.map((_, a) => a);
  return { inputs: [{ shape }], attributes: { axis: draw.int(0, 3) > 0 ? axis : all } };
};

/**
 * `exp(x) / sum(exp(x))` along axes, computed without overflow.
 *
 * @param x float, at least one axis.
 * @param axis the axis or axes, default the last.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { softmax, tensor } from "gpugrad";
 *
 * assert.deepEqual(await softmax(tensor([1000, 1000])).toArray(), [0.5, 0.5]);
 * ```
 */
export const softmax: CompositeFunction<(x: TensorLike, axis?: Axes) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "softmax",
    apply: ([x], { axis }) => softmax(x, axis),
    differentiable: true,
    domain: alongAxis,
  } satisfies Entry<AxisAttribute>,
  "softmax(x, axis)",
  (call) =>
    function softmax(x, axis = -1) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const at = axesOrThrow(call, input.shape, axis);
      if (input.size === 0) return exp(input);
      // Not exp(logSoftmax(x)): a logarithm near 1000 cannot distinguish 0.5 from 0.49998. Shifting all elements alike changes nothing.
      const shifted = exp(sub(input, detach(max(input, at, { keepDims: true }))));
      return div(shifted, sum(shifted, at, { keepDims: true }));
    },
);

/**
 * The logarithm of {@link softmax}, exact even where the softmax would round to 0.
 *
 * @param x float, at least one axis.
 * @param axis the axis or axes, default the last.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logSoftmax, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logSoftmax(tensor([0, -1000])).toArray(), [0, -1000]);
 * ```
 */
export const logSoftmax: CompositeFunction<(x: TensorLike, axis?: Axes) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "logSoftmax",
    apply: ([x], { axis }) => logSoftmax(x, axis),
    differentiable: true,
    domain: alongAxis,
  } satisfies Entry<AxisAttribute>,
  "logSoftmax(x, axis)",
  (call) =>
    function logSoftmax(x, axis = -1) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      return sub(input, logSumExp(input, axesOrThrow(call, input.shape, axis), { keepDims: true }));
    },
);

/**
 * `log(1 + exp(x))`, computed without overflow, always `float`: 0 far below 0, x far above. Its derivative is {@link sigmoid}.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, softplus, sum, tensor } from "gpugrad";
 *
 * const x = tensor([-1000, 0, 1000]);
 * assert.deepEqual(await grad(sum(softplus(x)), x).toArray(), [0, 0.5, 1]);
 * ```
 */
export const softplus: Unary = /* @__PURE__ */ lowered("softplus", {
  lower: (x) => add(relu(x), log1p(exp(neg(abs(x))))),
  // The rule of its parts would have two kinks at 0 that cancel in the value alone.
  vjp: ({ inputs: [x] }) => sigmoid(x),
  reference: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
});

/**
 * The logarithm of {@link sigmoid}, exact even where the sigmoid would round to 0, always `float`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logSigmoid, tensor } from "gpugrad";
 *
 * assert.equal(await logSigmoid(tensor(-1000)).item(), -1000);
 * ```
 */
export const logSigmoid: CompositeFunction<(x: TensorLike) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "logSigmoid",
    apply: ([x]) => logSigmoid(x),
    differentiable: true,
    domain: (draw) => ({ inputs: [{ shape: draw.shape() }] }),
    parameters: ["x"],
    reference: ([x]) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))),
  },
  "logSigmoid(x)",
  (call) =>
    function logSigmoid(x) {
      call.check(arguments);
      return neg(softplus(neg(asTensor(call, "x", x))));
    },
);

/** Options of {@link gelu}. */
export interface GeluOptions {
  /** Default `none`, the exact function; `tanh` is the approximation of the paper, which many models were trained with. */
  readonly approximate?: "none" | "tanh";
}

/** Which of the two it is. */
type GeluAttributes = { readonly approximate: "none" | "tanh" };

/**
 * The Gaussian error linear unit (Hendrycks and Gimpel, 2016): `x` times the probability that a standard normal number is below it.
 *
 * @param x any shape.
 * @param options `approximate`: `none` (default) for `0.5 x (1 + erf(x / sqrt(2)))`, `tanh` for
 * `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
 * @returns float, the shape of `x`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { gelu, tensor } from "gpugrad";
 *
 * assert.deepEqual(await gelu(tensor([-20, 0, 20])).toArray(), [-0, 0, 20]);
 * ```
 */
export const gelu: CompositeFunction<(x: TensorLike, options?: GeluOptions) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "gelu",
    apply: ([x], attributes) => gelu(x, attributes),
    differentiable: true,
    domain: (draw) => ({
      inputs: [{ shape: draw.shape() }],
      attributes: { approximate: draw.pick(["none", "tanh"]) },
    }),
  } satisfies Entry<GeluAttributes>,
  ["gelu(x, options)", { approximate: /* @__PURE__ */ oneOf("none", "tanh") }],
  (call) =>
    function gelu(x, options) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const inner = options?.approximate === "tanh"
        ? tanh(mul(add(input, mul(mul(square(input), input), 0.044715)), Math.sqrt(2 / Math.PI)))
        : erf(mul(input, Math.SQRT1_2));
      return mul(mul(input, 0.5), add(1, inner));
    },
);
