/** Which numbers are none, or infinite. */
import type { Tensor } from "../core/tensor.ts";
import { abs } from "./arithmetic.ts";
import { less, notEqual } from "./comparison.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction } from "./define/op.ts";

/**
 * Whether an element is NaN. It has no derivative.
 *
 * @param x any shape.
 * @returns `bool`, the shape of `x`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { isNaN, tensor } from "gpugrad";
 *
 * assert.deepEqual(await isNaN(tensor([NaN, 1, Infinity])).toArray(), [true, false, false]);
 * ```
 */
export const isNaN: CompositeFunction<(x: TensorLike) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "isNaN",
    apply: ([x]) => isNaN(x),
    differentiable: false,
    domain: (draw) => ({ inputs: [{ shape: draw.shape() }] }),
    parameters: ["x"],
    reference: ([x]) => Number(Number.isNaN(x)),
  },
  "isNaN(x)",
  (call) =>
    function isNaN(x) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      return notEqual(input, input);
    },
);

/**
 * Whether an element is neither infinite nor NaN. It has no derivative.
 *
 * @param x any shape.
 * @returns `bool`, the shape of `x`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { isFinite, tensor } from "gpugrad";
 *
 * assert.deepEqual(await isFinite(tensor([NaN, 1, -Infinity])).toArray(), [false, true, false]);
 * ```
 */
export const isFinite: CompositeFunction<(x: TensorLike) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "isFinite",
    apply: ([x]) => isFinite(x),
    differentiable: false,
    domain: (draw) => ({ inputs: [{ shape: draw.shape() }] }),
    parameters: ["x"],
    reference: ([x]) => Number(Number.isFinite(x)),
  },
  "isFinite(x)",
  (call) =>
    function isFinite(x) {
      call.check(arguments);
      return less(abs(asTensor(call, "x", x)), Infinity);
    },
);
