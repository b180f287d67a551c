/** Tensors that follow from positions alone. */
import type { Entry } from "../core/op.ts";
import { whole } from "../core/options.ts";
import type { Shape } from "../core/shape.ts";
import type { DType, Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal, less } from "./comparison.ts";
import { arange, checkCountable, type CreationOptions, dtypeKind, full } from "./creation.ts";
import { composite, type CompositeFunction } from "./define/op.ts";
import { unsqueeze } from "./movement.ts";
import { where } from "./selection.ts";

const wholeFrom0 = /* @__PURE__ */ whole(0);

/** The numbers between two ends. */
type Line = { readonly start: number; readonly end: number; readonly count: number };

/**
 * Numbers at even distances between two ends, both of which are among them, in one dimension. Each half is counted from its own end, so the
 * ends are exact. Nothing is stored.
 *
 * @param start the first number.
 * @param end the last number; if there is only one, it is the start.
 * @param count how many, from 0.
 * @returns float, shape `[count]`.
 * @throws if an end is not finite, or the count is not a whole number from 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { linspace } from "gpugrad";
 *
 * assert.deepEqual(await linspace(0, 1, 5).toArray(), [0, 0.25, 0.5, 0.75, 1]);
 * ```
 */
export const linspace: CompositeFunction<(start: number, end: number, count: number) => Tensor> =
  /* @__PURE__ */ composite(
    {
      name: "linspace",
      apply: (_, { start, end, count }) => linspace(start, end, count),
      differentiable: false,
      domain: (draw) => ({
        inputs: [],
        attributes: { start: draw.pick([0, -1.5, 2]), end: draw.pick([1, 1.75, -4]), count: draw.int(0, 9) },
      }),
    } satisfies Entry<Line>,
    "linspace(start, end, count)",
    (call) =>
      function linspace(start, end, count) {
        call.check(arguments);
        if (!Number.isFinite(start)) throw call.wrong("start", "a finite number", start);
        if (!Number.isFinite(end)) throw call.wrong("end", "a finite number", end);
        if (!wholeFrom0.accepts(count)) throw call.wrong("count", wholeFrom0.expected, count);
        checkCountable(call, count, "a count");
        if (count < 2) return full([count], start);
        const step = (end - start) / (count - 1);
        const index = arange(count);
        const fromEnd = sub(end, mul(sub(count - 1, index), step));
        return where(less(index, count / 2), add(start, mul(index, step)), fromEnd);
      },
  );

/** A shape and a dtype. */
type Identity = { readonly shape: Shape; readonly dtype: DType };

/**
 * A matrix with ones on its diagonal and zeros elsewhere. Nothing is stored.
 *
 * @param rows how many rows.
 * @param columns how many columns, default as many as rows.
 * @param options `dtype`: default `float`.
 * @throws if a size is not a whole number from 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { eye } from "gpugrad";
 *
 * assert.deepEqual(await eye(2).toArray(), [[1, 0], [0, 1]]);
 * assert.deepEqual(await eye(1, 3, { dtype: "int" }).toArray(), [[1, 0, 0]]);
 * ```
 */
export const eye: CompositeFunction<
  (rows: number, columns?: number, options?: CreationOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "eye",
    apply: (_, { shape: [rows, columns], dtype }) => eye(rows, columns, { dtype }),
    differentiable: false,
    domain: (draw) => ({
      inputs: [],
      attributes: { shape: [draw.int(0, 4), draw.int(0, 4)], dtype: draw.pick(["float", "int", "bool"]) },
    }),
    accuracy: "exact",
  } satisfies Entry<Identity>,
  ["eye(rows, columns, options)", { dtype: dtypeKind }],
  (call) =>
    function eye(rows, columns = rows, options) {
      call.check(arguments);
      if (!wholeFrom0.accepts(rows)) throw call.wrong("rows", wholeFrom0.expected, rows);
      if (!wholeFrom0.accepts(columns)) throw call.wrong("columns", wholeFrom0.expected, columns);
      checkCountable(call, Math.max(rows, columns), "axes");
      return cast(equal(unsqueeze(arange(rows), 1), arange(columns)), options?.dtype ?? "float");
    },
);
