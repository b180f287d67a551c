/** Products of matrices. */
import { broadcastShapes, formatShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction } from "./define/op.ts";
import { squeeze, transpose, unsqueeze } from "./movement.ts";
import { sum } from "./reduce.ts";

/**
 * The matrix product, by NumPy's rules: operands of two axes are matrices, of one axis vectors, of more axes stacks of matrices whose
 * leading axes broadcast.
 *
 * @param a float, `[..., m, k]` or `[k]`.
 * @param b float, `[..., k, n]` or `[k]`.
 * @throws if the inner sizes differ, or an operand is a scalar.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { matmul, tensor } from "gpugrad";
 *
 * const c = matmul(tensor([[1, 2], [3, 4]]), tensor([[1], [10]]));
 * assert.deepEqual(await c.toArray(), [[21], [43]]);
 * ```
 */
export const matmul: CompositeFunction<(a: TensorLike, b: TensorLike) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "matmul",
    apply: ([a, b]) => matmul(a, b),
    differentiable: true,
    domain: (draw) => {
      const [m, k, n] = [draw.int(0, 3), draw.int(0, 3), draw.int(0, 3)];
      const [batchA, batchB] = draw.broadcastable(2).map((s) => s.slice(-1));
      const a = draw.int(0, 3) === 0 ? [k] : [...batchA, m, k];
      const b = draw.int(0, 3) === 0 ? [k] : [...batchB, k, n];
      return { inputs: [{ shape: a }, { shape: b }] };
    },
    accuracy: "sum",
  },
  "matmul(a, b)",
  (call) =>
    function matmul(a, b) {
      call.check(arguments);
      const [x, y] = [asTensor(call, "a", a), asTensor(call, "b", b)];
      const shapes = `${formatShape(x.shape)} and ${formatShape(y.shape)}`;
      if (x.shape.length === 0 || y.shape.length === 0) {
        throw call.error(`expected at least one axis each, got ${shapes}`);
      }
      const left = x.shape.length === 1 ? unsqueeze(x, 0) : x;
      const right = y.shape.length === 1 ? unsqueeze(y, 1) : y;
      const inner = left.shape[left.shape.length - 1];
      const fits = inner === right.shape[right.shape.length - 2] &&
        broadcastShapes([left.shape.slice(0, -2), right.shape.slice(0, -2)]) !== null;
      if (!fits) throw call.error(`expected [..., m, k] and [..., k, n], got ${shapes}`);
      // [..., m, 1, k] times [..., 1, n, k], summed over k: one kernel.
      let product = sum(mul(unsqueeze(left, -2), unsqueeze(swapLast(right), -3)), -1);
      if (x.shape.length === 1) product = squeeze(product, -2);
      if (y.shape.length === 1) product = squeeze(product, -1);
      return product;
    },
);

/** Exchanges the last two axes. */
function swapLast(x: Tensor): Tensor {
  const order = x.shape.map((_, i) => i);
  const rank = order.length;
  [order[rank - 2], order[rank - 1]] = [rank - 1, rank - 2];
  return transpose(x, order);
}
