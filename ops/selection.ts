/** Ops that select among values. An input that was not selected has no influence on the result, nor on a gradient. */
import type { Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal, greater, greaterEqual, less, lessEqual, logicalAnd, logicalNot, logicalOr } from "./comparison.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { arithmetic, COMPARE, promoted } from "./define/dtype.ts";
import { type OpFunction, structured } from "./define/op.ts";
import { type Binary, binary, scalarOp, type Unary, unary } from "./define/scalar.ts";

/**
 * Selects `a` where the condition holds and `b` elsewhere. The branch that is not taken never reaches the gradient: not even an infinite or
 * undefined derivative in it.
 *
 * @param condition `bool`; the three shapes broadcast together.
 * @param a the values where the condition holds.
 * @param b the values elsewhere. The result has the larger dtype of `a` and `b`.
 * @throws if the shapes do not broadcast together, or the condition is not `bool`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, greater, sqrt, sum, tensor, where } from "gpugrad";
 *
 * const x = tensor([-1, 4]);
 * const root = where(greater(x, 0), sqrt(x), 0);
 * assert.deepEqual(await root.toArray(), [0, 2]);
 * assert.deepEqual(await grad(sum(root), x).toArray(), [0, 0.25]);
 * ```
 */
export const where: OpFunction<(condition: TensorLike, a: TensorLike, b: TensorLike) => Tensor> =
  /* @__PURE__ */ structured(
    /* @__PURE__ */ scalarOp("where", {
      parameters: ["condition", "a", "b"],
      dtype: ([condition, ...branches], name) => {
        if (condition !== "bool") {
          throw new Error(`${name}: expected dtype bool for the condition, got ${condition}${COMPARE}`);
        }
        return promoted(branches, name);
      },
      call: "select",
      takes: ["condition", "number", "number"],
      choice: { taken: 1, otherwise: 2 },
      vjp: [
        null,
        ({ cotangent, inputs: [condition] }) => where(condition, cotangent, 0),
        ({ cotangent, inputs: [condition] }) => where(condition, 0, cotangent),
      ],
      selects: [null, ({ inputs: [condition] }) => condition, ({ inputs: [condition] }) => logicalNot(condition)],
      domain: [{ dtype: "bool" }, {}, {}],
      reference: ([condition, a, b]) => (condition !== 0 ? a : b),
    }),
    "where(condition, a, b)",
    (op, call) =>
      function where(condition, a, b) {
        call.check(arguments);
        return record(op, [
          asTensor(call, "condition", condition),
          asTensor(call, "a", a),
          asTensor(call, "b", b),
        ]);
      },
  );

/** The gradient of the one of two that was taken: all of it, half of it if they are equal, none. */
function shareTies(cotangent: Tensor, tied: Tensor, lost: Tensor): Tensor {
  return where(lost, 0, where(tied, mul(cotangent, 0.5), cotangent));
}

/**
 * The larger of two; NaN if either is NaN. Equal elements share the gradient evenly.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, maximum, sum, tensor } from "gpugrad";
 *
 * const x = tensor([1, 2]);
 * assert.deepEqual(await maximum(x, [2, 2]).toArray(), [2, 2]);
 * assert.deepEqual(await grad(sum(maximum(x, [2, 2])), x).toArray(), [0, 0.5]);
 * ```
 */
export const maximum: Binary = /* @__PURE__ */ binary("maximum", {
  dtype: arithmetic,
  call: "max",
  pullback: [
    ({ cotangent, inputs: [a, b] }) => shareTies(cotangent, equal(a, b), less(a, b)),
    ({ cotangent, inputs: [a, b] }) => shareTies(cotangent, equal(a, b), less(b, a)),
  ],
  selects: [({ inputs: [a, b] }) => logicalNot(less(a, b)), ({ inputs: [a, b] }) => logicalNot(less(b, a))],
  domain: [{ distinct: true }, { distinct: true }],
  reference: Math.max,
});

/**
 * The smaller of two; NaN if either is NaN. Equal elements share the gradient evenly.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, minimum, sum, tensor } from "gpugrad";
 *
 * const x = tensor([1, 2]);
 * assert.deepEqual(await minimum(x, [2, 2]).toArray(), [1, 2]);
 * assert.deepEqual(await grad(sum(minimum(x, [2, 2])), x).toArray(), [1, 0.5]);
 * ```
 */
export const minimum: Binary = /* @__PURE__ */ binary("minimum", {
  dtype: arithmetic,
  call: "min",
  pullback: [
    ({ cotangent, inputs: [a, b] }) => shareTies(cotangent, equal(a, b), greater(a, b)),
    ({ cotangent, inputs: [a, b] }) => shareTies(cotangent, equal(a, b), greater(b, a)),
  ],
  selects: [({ inputs: [a, b] }) => logicalNot(greater(a, b)), ({ inputs: [a, b] }) => logicalNot(greater(b, a))],
  domain: [{ distinct: true }, { distinct: true }],
  reference: Math.min,
});

/**
 * The rectified linear unit, `max(x, 0)`. The derivative at 0 is 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { relu, tensor } from "gpugrad";
 *
 * assert.deepEqual(await relu(tensor([-1, 2])).toArray(), [0, 2]);
 * ```
 */
export const relu: Unary = /* @__PURE__ */ unary("relu", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("max", x, lower.literal(0)),
  accuracy: "exact",
  pullback: ({ cotangent, inputs: [x] }) => where(lessEqual(x, 0), 0, cotangent),
  // At 0 the input is selected, and its gradient is 0 by convention.
  selects: ({ inputs: [x] }) => logicalNot(less(x, 0)),
  domain: { avoid: [0] },
  reference: (x) => Math.max(x, 0),
});

/** Bounds, infinite for none. */
type Bounds = { readonly min: number; readonly max: number };

/**
 * Limits values to a range. The derivative is 1 inside and on the bounds, 0 outside.
 *
 * @param x any shape; an `int` becomes `float` if a bound is not whole.
 * @param min the lower bound, default -Infinity.
 * @param max the upper bound, default Infinity.
 * @throws if a bound is not a number, or the bounds are out of order. {@link minimum} and {@link maximum} take tensors.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { clamp, tensor } from "gpugrad";
 *
 * assert.deepEqual(await clamp(tensor([-2, 0.5, 9]), 0, 1).toArray(), [0, 0.5, 1]);
 * ```
 */
export const clamp: OpFunction<(x: TensorLike, min?: number, max?: number) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "clamp",
    infer: ([x]) => ({ shape: x.shape, dtype: arithmetic([x.dtype], "clamp") }),
    kernel: {
      kind: "elementwise",
      expression: ([x, least, most], { min, max }, lower) => {
        const low = min === -Infinity ? x : lower.call("max", x, least);
        return max === Infinity ? low : lower.call("min", low, most);
      },
      numbers: ["min", "max"],
      cost: 2,
    },
    vjp: [
      ({ cotangent, inputs: [x], attributes: { min, max } }) =>
        where(logicalAnd(greaterEqual(x, min), lessEqual(x, max)), cotangent, 0),
    ],
    selects: [
      ({ inputs: [x], attributes: { min, max } }) => logicalNot(logicalOr(less(x, min), greater(x, max))),
    ],
    domain: (draw) => ({
      inputs: draw.broadcastable(1).map((shape) => ({ shape, avoid: [-1, 1.5] })),
      attributes: { min: -1, max: 1.5 },
    }),
    accuracy: "exact",
    reference: ([x], { min, max }) => Math.min(Math.max(x, min), max),
  } satisfies Op<Bounds>,
  "clamp(x, min, max)",
  (op, call) =>
    function clamp(x, min = -Infinity, max = Infinity) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      if (typeof min !== "number") throw call.wrong("min", "a number, -Infinity for none", min);
      if (typeof max !== "number") throw call.wrong("max", "a number, Infinity for none", max);
      if (!(min <= max)) throw call.error(`expected min <= max, got ${min} and ${max}`);
      const whole = [min, max].every((bound) => Number.isInteger(bound) || Math.abs(bound) === Infinity);
      return record(op, [whole ? input : cast(input, "float")], { min, max });
    },
);
