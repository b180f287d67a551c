/** Order along an axis: ranks, sorting, selection. All are stable: the lower index first among equals, and NaN as the largest. */
import type { Case, Draw, Entry, Op } from "../core/op.ts";
import { axisOrThrow, record } from "../core/record.ts";
import { boolean, type Declared, type Signature } from "../core/options.ts";
import { broadcastShapes, formatShape, sameShape } from "../core/shape.ts";
import type { DType, Tensor } from "../core/tensor.ts";
import { asTensor, checkCountable, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { SHORT_RUN } from "./merging.ts";
import { broadcastTo, lastAxis } from "./movement.ts";
import { isTaken, type Taken, unpick } from "./picking.ts";
import { SHORT_AXIS } from "./selecting.ts";
import { largestMask, ranks, sorted } from "./sorting.ts";

/** Options of {@link rank}, {@link argsort} and {@link sort}. */
export interface OrderOptions {
  /** Whether the largest comes first; default false. */
  readonly descending?: boolean;
}

/** The kinds of {@link OrderOptions}. */
const orderKinds: Declared<OrderOptions> = { descending: boolean };

/** A function that orders the elements along an axis. */
export type Ordering = OpFunction<(x: TensorLike, axis?: number, options?: OrderOptions) => Tensor>;

/** An axis, and whether the largest comes first. */
export type OrderAttributes = { readonly axis: number; readonly descending: boolean };

/** A number of elements along an axis. */
export type CountAttributes = { readonly k: number; readonly axis: number };

/** An axis that is counted along, from the front. */
function orderedAxis(call: Signature, x: Tensor, axis: unknown): number {
  const at = axisOrThrow(call, x.shape, axis);
  checkCountable(call, x.shape[at], `an axis ${at}`);
  return at;
}

/** A case of a function that orders. */
const orderCase = (draw: Draw): Case<OrderAttributes> => {
  // Now and then longer than a run that is sorted by counting.
  const shape = draw.int(0, 3) > 0
    ? draw.shape({ minRank: 1, maxRank: 3, maxAxis: 6 })
    : [draw.int(1, 2), draw.int(SHORT_RUN + 1, 3 * SHORT_RUN)];
  return {
    // Few different values, so that ties are common.
    inputs: [{ shape, dtype: draw.pick(["float", "int"] as const), min: -2, max: 2 }],
    attributes: { axis: draw.int(0, shape.length - 1), descending: draw.bool() },
  };
};

/** An op that orders along an axis: its name, its result along the last one, and its record. */
interface OrderingSpec extends Pick<Op<OrderAttributes>, "vjp" | "domain" | "accuracy"> {
  readonly name: string;
  readonly dtype: (x: Tensor) => DType;
  readonly along: (x: Tensor, descending: boolean) => Tensor;
}

function ordering({ name, dtype, along, ...facts }: OrderingSpec): Ordering {
  return structured(
    {
      name,
      infer: ([x]) => ({ shape: x.shape, dtype: dtype(x) }),
      kernel: {
        kind: "lowered",
        lower: ([x], { axis, descending }) => {
          const { moved, back } = lastAxis(x, axis);
          return back(along(moved, descending));
        },
      },
      ...facts,
    },
    [`${name}(x, axis, options)`, orderKinds],
    (op, call) =>
      function (x: TensorLike, axis = -1, options?: OrderOptions): Tensor {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const along = orderedAxis(call, input, axis);
        return record(op, [input], { axis: along, descending: options?.descending ?? false });
      },
  );
}

/**
 * Ranks the elements along an axis: how many of them come before each one. {@link topKMask} is faster if only membership counts.
 *
 * @param x any dtype, at least one axis.
 * @param axis the axis, default the last.
 * @returns `int` from 0, the shape of `x`. It has no derivative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { rank, tensor } from "gpugrad";
 *
 * assert.deepEqual(await rank(tensor([3, 1, 3, 2])).toArray(), [2, 0, 3, 1]);
 * assert.deepEqual(await rank(tensor([3, 1, 3, 2]), 0, { descending: true }).toArray(), [0, 3, 1, 2]);
 * ```
 */
export const rank: Ordering = /* @__PURE__ */ ordering({
  name: "rank",
  dtype: () => "int",
  along: (x, descending) => ranks(x, descending),
  vjp: null,
  domain: orderCase,
});

/**
 * The indices that sort along an axis.
 *
 * @param x any dtype, at least one axis.
 * @param axis the axis, default the last.
 * @returns `int`, the shape of `x`. It has no derivative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { argsort, tensor } from "gpugrad";
 *
 * assert.deepEqual(await argsort(tensor([3, 1, 3, 2])).toArray(), [1, 3, 0, 2]);
 * ```
 */
export const argsort: Ordering = /* @__PURE__ */ ordering({
  name: "argsort",
  dtype: () => "int",
  along: (x, descending) => sorted(x, descending).places,
  vjp: null,
  domain: orderCase,
});

/**
 * Sorts the elements along an axis. The gradient is returned to the original positions.
 *
 * @param x any dtype, at least one axis.
 * @param axis the axis, default the last.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sort, tensor } from "gpugrad";
 *
 * assert.deepEqual(await sort(tensor([3, 1, 2]), 0, { descending: true }).toArray(), [3, 2, 1]);
 * ```
 */
export const sort: Ordering = /* @__PURE__ */ ordering({
  name: "sort",
  dtype: ({ dtype }) => dtype,
  along: (x, descending) => sorted(x, descending).keys,
  vjp: [
    ({ cotangent, inputs: [x], attributes: { axis, descending } }) =>
      unpick(cotangent, { from: argsort(x, axis, { descending }), to: rank(x, axis, { descending }), axis }),
  ],
  domain: (draw) => {
    const shape = draw.shape({ minRank: 1, maxRank: 3, maxAxis: 6 });
    return {
      inputs: [{ shape, distinct: true }],
      attributes: { axis: draw.int(0, shape.length - 1), descending: draw.bool() },
    };
  },
  accuracy: "exact",
});

/**
 * The `k` largest elements along an axis, the largest first, and their indices.
 *
 * @param x any dtype, at least one axis.
 * @param k how many, from 0 to the length of the axis.
 * @param axis the axis, default the last.
 * @returns values of the dtype of `x` and `int` indices; the axis has length `k`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, topK } from "gpugrad";
 *
 * const { values, indices } = topK(tensor([1, 5, 5, 2]), 3);
 * assert.deepEqual(await values.toArray(), [5, 5, 2]);
 * assert.deepEqual(await indices.toArray(), [1, 2, 3]);
 * ```
 */
export const topK: OpFunction<
  (x: TensorLike, k: number, axis?: number) => { values: Tensor; indices: Tensor }
> = /* @__PURE__ */ structured(
  {
    name: "topK",
    infer: ([x], { k, axis }) => ({ shape: x.shape.with(axis, k), dtype: x.dtype }),
    kernel: { kind: "lowered", lower: ([x], attributes) => topAlong(x, attributes, (x, k) => sorted(x, true, k).keys) },
    vjp: [({ cotangent, inputs: [x], attributes }) => unpick(cotangent, taken(x, attributes))],
    selects: [({ inputs: [x], attributes }) => isTaken(taken(x, attributes))],
    domain: (draw) => {
      const shape = draw.shape({ minRank: 1, maxRank: 3, maxAxis: 6 });
      const axis = draw.int(0, shape.length - 1);
      return { inputs: [{ shape, distinct: true }], attributes: { axis, k: draw.int(0, shape[axis]) } };
    },
    accuracy: "exact",
  } satisfies Op<CountAttributes>,
  "topK(x, k, axis)",
  (op, call) =>
    function topK(x, k, axis = -1) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const at = orderedAxis(call, input, axis);
      const n = input.shape[at];
      if (!Number.isInteger(k) || k < 0 || k > n) {
        throw call.wrong("k", `a whole number from 0 to ${n} (axis ${at})`, k);
      }
      const attributes = { k: k + 0, axis: at };
      return { values: record(op, [input], attributes), indices: record(topIndicesOp, [input], attributes) };
    },
);

/** Something of the `k` largest elements along an axis. */
function topAlong(x: Tensor, { k, axis }: CountAttributes, of: (x: Tensor, k: number) => Tensor): Tensor {
  const { moved, back } = lastAxis(x, axis);
  return back(of(moved, k));
}

/** The indices of the largest elements. */
const topIndicesOp: Op<CountAttributes> = {
  name: "topKIndices",
  infer: ([x], { k, axis }) => ({ shape: x.shape.with(axis, k), dtype: "int" }),
  kernel: { kind: "lowered", lower: ([x], attributes) => topAlong(x, attributes, (x, k) => sorted(x, true, k).places) },
  vjp: null,
};

/** For each element how many of the largest come before it. */
const topPlacesOp: Op<CountAttributes> = {
  name: "topKPlaces",
  infer: ([x]) => ({ shape: x.shape, dtype: "int" }),
  kernel: { kind: "lowered", lower: ([x], attributes) => topAlong(x, attributes, (x, k) => ranks(x, true, k)) },
  vjp: null,
};

function taken(x: Tensor, attributes: CountAttributes): Taken {
  const { axis } = attributes;
  return { from: record(topIndicesOp, [x], attributes), to: record(topPlacesOp, [x], attributes), axis };
}

/**
 * Marks the `k` largest elements along an axis, as hard mining does: exactly. The lower index is taken first among
 * equals, and NaN counts as the largest. It is cheaper than sorting.
 *
 * @param x any dtype, at least one axis.
 * @param k how many: a number, or a tensor that broadcasts to `x` with the axis of length 1, so that each row has a separate one. At most 0
 * selects none, at least the length of the axis all.
 * @param axis the axis, default the last.
 * @returns `bool`, the shape of `x`. It has no derivative.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, topKMask } from "gpugrad";
 *
 * const x = tensor([[4, 1, 4, 4], [1, 2, 3, 4]]);
 * const k = tensor([[2], [1]]);
 * assert.deepEqual(await topKMask(x, k).toArray(), [[true, false, true, false], [false, false, false, true]]);
 * ```
 */
export const topKMask: CompositeFunction<(x: TensorLike, k: TensorLike, axis?: number) => Tensor> =
  /* @__PURE__ */ composite(
    {
      name: "topKMask",
      apply: ([x], { k, axis }) => topKMask(x, k, axis),
      differentiable: false,
      domain: (draw) => {
        const shape = draw.shape({ minRank: 1, maxRank: 2, maxAxis: 5 });
        const axis = draw.int(0, shape.length - 1);
        // Now and then an axis that is not ranked by counting all pairs.
        if (draw.int(0, 3) === 0) shape[axis] = draw.int(SHORT_AXIS + 1, 2 * SHORT_AXIS);
        return {
          inputs: [{ shape, dtype: draw.pick(["float", "int"] as const), min: -2, max: 2 }],
          attributes: { axis, k: draw.int(-1, shape[axis] + 1) },
        };
      },
    } satisfies Entry<CountAttributes>,
    "topKMask(x, k, axis)",
    (call) =>
      function topKMask(x, k, axis = -1) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const at = orderedAxis(call, input, axis);
        if (typeof k === "number" && !Number.isInteger(k) && Math.abs(k) !== Infinity) {
          throw call.wrong("k", "a whole number, or a tensor of them", k);
        }
        const wanted = asTensor(call, "k", k);
        const each = input.shape.map((n, a) => (a === at ? 1 : n));
        const common = broadcastShapes([wanted.shape, each]);
        if (!common || !sameShape(common, each)) {
          throw call.error(
            `expected k to broadcast to ${formatShape(each)}, got shape ${formatShape(wanted.shape)}`,
          );
        }
        const { moved, back } = lastAxis(input, at);
        return back(largestMask(moved, lastAxis(broadcastTo(wanted, each), at).moved));
      },
  );
