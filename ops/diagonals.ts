/** Diagonals of matrices. */
import type { Entry } from "../core/op.ts";
import { whole } from "../core/options.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction } from "./define/op.ts";
import { reshape, slice, unslice } from "./movement.ts";
import { sum } from "./reduce.ts";

const offsetKind = /* @__PURE__ */ whole();

/** Where the elements of a diagonal are among those of a matrix in row-major order: the first, the distance to the next, and how many. */
function placeOf([rows, columns]: readonly [number, number], offset: number) {
  const [down, right] = [Math.max(0, -offset), Math.max(0, offset)];
  const count = Math.max(0, Math.min(rows - down, columns - right));
  return { start: count === 0 ? 0 : down * columns + right, step: columns + 1, count };
}

/** The diagonals of matrices, `[..., rows, columns]`, as the last axis. */
export function diagonalOf(x: Tensor, offset = 0): Tensor {
  const [rows, columns] = x.shape.slice(-2);
  const outer = x.shape.slice(0, -2);
  const { start, step, count } = placeOf([rows, columns], offset);
  const flat = reshape(x, [...outer, rows * columns]);
  return slice(flat, [...outer.map(() => null), [start, start + count * step, step]]);
}

/** The square matrix that has a vector on a diagonal, and zeros elsewhere. */
function matrixOf(x: Tensor, offset: number): Tensor {
  const n = x.shape[0] + Math.abs(offset);
  const { start, step, count } = placeOf([n, n], offset);
  return reshape(unslice(x, [n * n], { starts: [start], steps: [step], counts: [count] }), [n, n]);
}

/** Which diagonal. */
type Offset = { readonly offset: number };

/**
 * The diagonal of a matrix, or the square matrix that has a vector on its diagonal and zeros elsewhere, as in NumPy. For the diagonals of a
 * stack of matrices, `einsum("...ii->...i", [x])`.
 *
 * @param x any dtype, `[rows, columns]` or `[n]`.
 * @param offset which diagonal: 0 (default) for the main one, 1 for the one above it, -1 for the one below.
 * @returns the elements of the diagonal, none if the matrix does not reach it; or a matrix of `n` and the offset's size a side.
 * @throws if `x` is neither a matrix nor a vector.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { diag, tensor } from "gpugrad";
 *
 * const x = tensor([[1, 2, 3], [4, 5, 6]]);
 * assert.deepEqual(await diag(x).toArray(), [1, 5]);
 * assert.deepEqual(await diag(x, 1).toArray(), [2, 6]);
 * assert.deepEqual(await diag([7, 8]).toArray(), [[7, 0], [0, 8]]);
 * ```
 */
export const diag: CompositeFunction<(x: TensorLike, offset?: number) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "diag",
    apply: ([x], { offset }) => diag(x, offset),
    differentiable: true,
    domain: (draw) => {
      const shape: Shape = draw.bool() ? [draw.int(0, 4)] : [draw.int(0, 4), draw.int(0, 4)];
      return { inputs: [{ shape }], attributes: { offset: draw.int(-2, 2) } };
    },
    accuracy: "exact",
  } satisfies Entry<Offset>,
  "diag(x, offset)",
  (call) =>
    function diag(x, offset = 0) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      if (!offsetKind.accepts(offset)) throw call.wrong("offset", offsetKind.expected, offset);
      if (input.shape.length === 1) return matrixOf(input, offset);
      if (input.shape.length === 2) return diagonalOf(input, offset);
      throw call.error(`expected x to be [rows, columns] or [n], got ${formatShape(input.shape)}`);
    },
);

/**
 * The sum of the diagonal of a matrix. For the traces of a stack of matrices, `einsum("...ii->...", [x])`. The trace of `int` or `bool` is
 * `int`.
 *
 * @param x any dtype, `[rows, columns]`.
 * @returns a scalar.
 * @throws if `x` is no matrix.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, tensor, trace } from "gpugrad";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assert.equal(await trace(x).item(), 5);
 * assert.deepEqual(await grad(trace(x), x).toArray(), [[1, 0], [0, 1]]);
 * ```
 */
export const trace: CompositeFunction<(x: TensorLike) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "trace",
    apply: ([x]) => trace(x),
    differentiable: true,
    domain: (draw) => ({ inputs: [{ shape: [draw.int(0, 4), draw.int(0, 4)] }] }),
    accuracy: "sum",
  },
  "trace(x)",
  (call) =>
    function trace(x) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      if (input.shape.length !== 2) {
        throw call.error(`expected x to be [rows, columns], got ${formatShape(input.shape)}`);
      }
      return sum(diagonalOf(input));
    },
);
