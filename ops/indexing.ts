/** Reading and writing at positions that are values of a tensor. */
import type { Values } from "../core/entry.ts";
import { type Entry, leafOp, type Op, opOf, type VjpContext } from "../core/op.ts";
import { axisOrThrow, record } from "../core/record.ts";
import { whole } from "../core/options.ts";
import { broadcastShapes, formatShape, sameShape, type Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal } from "./comparison.ts";
import { arange, asIndices, asTensor, checkCountable, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { broadcastTo, reshape, unsqueeze } from "./movement.ts";
import { occursAt, type Places, scatterOnto, sharedOrWhole, sumAtKernel } from "./scattering.ts";
import { gatherKernel } from "./searching.ts";

/** The leaf of which a tensor of indices shows all elements: through reshapes and broadcasts, not through slices. */
function shownLeaf(indices: Tensor): Tensor | null {
  let t = indices;
  while (t.op !== leafOp) {
    const { kernel } = opOf(t);
    if (kernel.kind !== "movement" || kernel.fill || t.size < t.inputs[0].size) return null;
    t = t.inputs[0];
  }
  return t;
}

/** The lowest and the highest of values that never change, by the value that does not count. */
const extremes = /* @__PURE__ */ new WeakMap<Values, Map<number | undefined, readonly [low: number, high: number]>>();

/** Whether values lie from 0 to below a size: losses are called with the same targets again and again. */
function isBelow(values: Values, size: number, ignored: number | undefined): boolean {
  let known = extremes.get(values);
  if (!known) extremes.set(values, known = new Map());
  let found = known.get(ignored);
  if (!found) {
    let [low, high] = [0, 0];
    for (const v of values) {
      if (v === ignored) continue;
      if (v < low) low = v;
      if (v > high) high = v;
    }
    known.set(ignored, found = [low, high]);
  }
  return found[0] >= 0 && found[1] < size;
}

/** The name of the indices in errors, and the one that is valid though out of range. */
export interface IndexCheck {
  /** Default `indices`. */
  readonly parameter?: string;
  /** An index that stands for none. */
  readonly ignored?: number;
  /** Returns the hint that an error about an index ends with. */
  readonly advice?: (index: number) => string;
}

/** Throws if a known index is out of range. Indices that the device computes are not known: there the result is NaN. */
export function checkIndices(
  op: string,
  indices: Tensor,
  size: number,
  { parameter = "indices", ignored, advice = () => "" }: IndexCheck = {},
): void {
  if (indices.dtype !== "int") {
    throw new Error(
      `${op}: expected ${parameter} of dtype int, got ${indices.dtype}; make them by tensor(data, shape, { dtype: "int" }), or convert ` +
        'them by cast(x, "int")',
    );
  }
  if (indices.size === 0) return;
  if (size === 0) {
    throw new Error(
      `${op}: expected no ${parameter} into an axis of length 0, got shape ${formatShape(indices.shape)}`,
    );
  }
  const values = shownLeaf(indices)?.value;
  if (!values || isBelow(values, size, ignored)) return;
  values.forEach((v, i) => {
    if ((v < 0 || v >= size) && v !== ignored) {
      throw new Error(`${op}: expected ${parameter} from 0 to ${size - 1}, got ${v} at position ${i}${advice(v)}`);
    }
  });
}

/** The axis of the first input that indices count along. */
type AxisAttribute = { readonly axis: number };

/** Whether there is an index of each place along an axis. */
const occursOp: Op<AxisAttribute & { readonly length: number }> = {
  name: "occurs",
  infer: ([indices], { axis, length }) => ({ shape: indices.shape.with(axis, length), dtype: "bool" }),
  kernel: {
    kind: "lowered",
    lower: ([indices], { axis, length }) => occursAt(indices, { shape: indices.shape.with(axis, length), axis }),
  },
  vjp: null,
};

/** Reads where updates were added. */
function readBack(cotangent: Tensor, indices: Tensor, axis: number): Tensor {
  if (indices.size === indices.shape[axis]) return take(cotangent, reshape(indices, [indices.size]), axis);
  return gather(cotangent, broadcastTo(indices, cotangent.shape.with(axis, indices.shape[axis])), axis);
}

/** The sums of updates at indices: both in the shape of the result but for the axis, or indices shared along those before or after it. */
const sumAtOp: Op<{ readonly shape: Shape; readonly axis: number }> = {
  name: "sumAt",
  infer: ([, updates], { shape }) => ({ shape, dtype: updates.dtype === "float" ? "float" : "int" }),
  kernel: sumAtKernel,
  vjp: [null, ({ cotangent, inputs: [indices], attributes: { axis } }) => readBack(cotangent, indices, axis)],
  accuracy: "sum",
};

/**
 * The sums of the updates at each place.
 *
 * @param indices with axes of length 1 where all places have the same.
 * @param updates broadcast to the shape of the places but for the axis, along which they have the length of the indices.
 */
function sumAt(indices: Tensor, updates: Tensor, { shape, axis }: Places): Tensor {
  const amounts = broadcastTo(updates, shape.with(axis, indices.shape[axis]));
  return record(sumAtOp, [sharedOrWhole(indices, shape, axis), amounts], { shape, axis });
}

type Gathered = Pick<VjpContext<AxisAttribute>, "inputs" | "attributes">;

/** Adds updates where a gather read its elements. If `x` was broadcast, each copy gets a separate sum, and the walk adds them up. */
function ungather(updates: Tensor, { inputs: [x, indices], attributes: { axis } }: Gathered): Tensor {
  return sumAt(indices, updates, { shape: indices.shape.with(axis, x.shape[axis]), axis });
}

/** Whether each element of `x` was read. */
function wasRead(x: Tensor, indices: Tensor, axis: number): Tensor {
  return record(occursOp, [indices], { axis, length: x.shape[axis] });
}

/**
 * Gathers the elements at given indices along an axis, like PyTorch's `gather`.
 *
 * @param x any dtype.
 * @param indices `int`, of the rank of `x`; other axes have the sizes of `x`, or `x` has size 1 there and is repeated.
 * @param axis the axis that indices count along.
 * @returns the shape of the indices. Gradients of an element that was taken several times add up.
 * @throws if the shapes do not fit, or a known index is out of range; at one that the device computes, the result is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { gather, tensor } from "gpugrad";
 *
 * const x = tensor([[1, 2, 3], [4, 5, 6]]);
 * const last = tensor([[2], [0]], undefined, { dtype: "int" });
 * assert.deepEqual(await gather(x, last, 1).toArray(), [[3], [4]]);
 * ```
 */
export const gather: OpFunction<(x: TensorLike, indices: TensorLike, axis: number) => Tensor> =
  /* @__PURE__ */ structured(
    {
      name: "gather",
      infer: ([x, indices], { axis }) => {
        const fits = x.shape.length === indices.shape.length &&
          x.shape.every((n, a) => a === axis || n === 1 || n === indices.shape[a]);
        if (!fits) {
          throw new Error(
            `gather: expected indices of x's rank, with x's sizes outside of axis ${axis}, got ${
              formatShape(indices.shape)
            } for x of shape ${formatShape(x.shape)}`,
          );
        }
        checkIndices("gather", indices, x.shape[axis]);
        return { shape: indices.shape, dtype: x.dtype };
      },
      kernel: gatherKernel,
      vjp: [(context) => ungather(context.cotangent, context), null],
      selects: [({ inputs: [x, indices], attributes: { axis } }) => wasRead(x, indices, axis), null],
      requires: "its indices must lie within the axis",
      domain: (draw) => {
        const shape = draw.shape({ minRank: 1, minAxis: 1 });
        const axis = draw.int(0, shape.length - 1);
        const indices = shape.map((n, a) => (a === axis ? draw.int(0, 4) : n));
        return {
          inputs: [{ shape }, { shape: indices, dtype: "int", min: 0, max: shape[axis] - 1 }],
          attributes: { axis },
        };
      },
    } satisfies Op<AxisAttribute>,
    "gather(x, indices, axis)",
    (op, call) =>
      function gather(x, indices, axis) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const at = asIndices(call, "indices", indices);
        return record(op, [input, at], { axis: axisOrThrow(call, input.shape, axis) });
      },
  );

/** Indices as those of a gather, with which all that lies beside the axis is read. */
function alongAxis(indices: Tensor, rank: number, axis: number): Tensor {
  return reshape(indices, Array.from({ length: rank }, (_, a) => (a === axis ? indices.size : 1)));
}

/** Adds updates where a take read its elements. */
function untake(updates: Tensor, { inputs: [x, indices], attributes: { axis } }: Gathered): Tensor {
  const amounts = reshape(updates, x.shape.with(axis, indices.size));
  return sumAt(alongAxis(indices, x.shape.length, axis), amounts, { shape: x.shape, axis });
}

/**
 * Takes the parts at given indices along an axis, like NumPy's `take`.
 *
 * @param x any dtype, at least one axis.
 * @param indices int, any shape.
 * @param axis the axis that indices count along, default 0.
 * @returns the shape of `x` with that of the indices in place of the axis. Gradients of an element that was taken several times add up.
 * @throws if a known index is out of range; at one that the device computes, the result is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { take, tensor } from "gpugrad";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assert.deepEqual(await take(x, [1, 1]).toArray(), [[3, 4], [3, 4]]);
 * assert.deepEqual(await take(x, [[1], [0]], 1).toArray(), [[[2], [1]], [[4], [3]]]);
 * ```
 */
export const take: OpFunction<(x: TensorLike, indices: TensorLike, axis?: number) => Tensor> =
  /* @__PURE__ */ structured(
    {
      name: "take",
      infer: ([x, indices], { axis }) => {
        checkIndices("take", indices, x.shape[axis]);
        return { shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype };
      },
      kernel: {
        kind: "gather",
        position: (out, { axis }, source) => out.slice(axis, out.length - source.length + 1 + axis),
        source: (out, position, { axis }, source) => [
          ...out.slice(0, axis),
          position,
          ...out.slice(out.length - source.length + 1 + axis),
        ],
        axis: ({ axis }) => axis,
      },
      vjp: [(context) => untake(context.cotangent, context), null],
      selects: [
        ({ inputs: [x, indices], attributes: { axis } }) => wasRead(x, alongAxis(indices, x.shape.length, axis), axis),
        null,
      ],
      requires: "its indices must lie within the axis",
      domain: (draw) => {
        const shape = draw.shape({ minRank: 1, minAxis: 1 });
        const axis = draw.int(0, shape.length - 1);
        const indices = draw.shape({ maxRank: 2 });
        return {
          inputs: [{ shape }, { shape: indices, dtype: "int", min: 0, max: shape[axis] - 1 }],
          attributes: { axis },
        };
      },
    } satisfies Op<AxisAttribute>,
    "take(x, indices, axis)",
    (op, call) =>
      function take(x, indices, axis = 0) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const at = asIndices(call, "indices", indices);
        if (input.shape.length === 0) throw call.error("expected x to have at least one axis, got a scalar");
        return record(op, [input, at], { axis: axisOrThrow(call, input.shape, axis) });
      },
  );

/**
 * Adds updates to a copy of a base at given indices along an axis, like PyTorch's `scatter_add`; updates at the same index add up. The time grows
 * with indices plus results. Equal calls on a device have equal bits, however many threads it has.
 *
 * @param base float or int.
 * @param indices `int`, of the rank of the base, with its sizes outside of the axis, or 1 where the same indices serve all.
 * @param updates broadcast to the shape of the base, but for the axis, which has the length of the indices.
 * @param axis the axis that indices count along.
 * @returns the shape of the base.
 * @throws if the shapes do not fit, or a known index is out of range; at one that the device computes, nothing is added.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { scatterAdd, tensor, zeros } from "gpugrad";
 *
 * const at = tensor([2, 0, 2], [3], { dtype: "int" });
 * assert.deepEqual(await scatterAdd(zeros([4]), at, tensor([1, 10, 100]), 0).toArray(), [10, 0, 101, 0]);
 * ```
 */
export const scatterAdd: OpFunction<
  (base: TensorLike, indices: TensorLike, updates: TensorLike, axis: number) => Tensor
> = /* @__PURE__ */ structured(
  {
    name: "scatterAdd",
    infer: ([base, indices, updates], { axis }) => {
      const fits = base.shape.length === indices.shape.length &&
        base.shape.every((n, a) => a === axis || n === indices.shape[a] || indices.shape[a] === 1);
      if (!fits) {
        throw new Error(
          `scatterAdd: expected indices of the base's rank, with its sizes outside of axis ${axis}, or 1, got ${
            formatShape(indices.shape)
          } for a base of shape ${formatShape(base.shape)}`,
        );
      }
      const all = base.shape.with(axis, indices.shape[axis]);
      const common = broadcastShapes([updates.shape, all]);
      if (!common || !sameShape(common, all)) {
        throw new Error(
          `scatterAdd: expected updates that broadcast to shape ${formatShape(all)}, got ${formatShape(updates.shape)}`,
        );
      }
      checkIndices("scatterAdd", indices, base.shape[axis]);
      return { shape: base.shape, dtype: base.dtype === "float" || updates.dtype === "float" ? "float" : "int" };
    },
    kernel: {
      kind: "lowered",
      lower: ([base, indices, updates], { axis }) => add(base, sumAt(indices, updates, { shape: base.shape, axis })),
      routine: scatterOnto,
    },
    vjp: [
      ({ cotangent }) => cotangent,
      null,
      ({ cotangent, inputs: [, indices], attributes: { axis } }) => readBack(cotangent, indices, axis),
    ],
    domain: (draw) => {
      const shape = draw.shape({ minRank: 1, minAxis: 1 });
      const axis = draw.int(0, shape.length - 1);
      const indices = shape.map((n, a) => (a === axis ? draw.int(0, 4) : n));
      return {
        inputs: [{ shape }, { shape: indices, dtype: "int", min: 0, max: shape[axis] - 1 }, { shape: indices }],
        attributes: { axis },
      };
    },
    accuracy: "sum",
  } satisfies Op<AxisAttribute>,
  "scatterAdd(base, indices, updates, axis)",
  (op, call) =>
    function scatterAdd(base, indices, updates, axis) {
      call.check(arguments);
      const onto = asTensor(call, "base", base);
      const at = asIndices(call, "indices", indices);
      const amount = asTensor(call, "updates", updates);
      const along = axisOrThrow(call, onto.shape, axis);
      checkCountable(call, onto.shape[along], `an axis ${along}`);
      return record(op, [onto, at, amount], { axis: along });
    },
);

const wholeFrom0 = /* @__PURE__ */ whole(0);

/**
 * One-hot encodes indices: 1 at the index along a new last axis, 0 elsewhere.
 *
 * @param indices int, any shape.
 * @param depth the length of the new last axis.
 * @returns float, shape `[...indices.shape, depth]`. No derivative.
 * @throws if a known index is out of range; at one that the device computes, all elements are 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { oneHot, tensor } from "gpugrad";
 *
 * const classes = tensor([1, 0], [2], { dtype: "int" });
 * assert.deepEqual(await oneHot(classes, 3).toArray(), [[0, 1, 0], [1, 0, 0]]);
 * ```
 */
export const oneHot: CompositeFunction<(indices: TensorLike, depth: number) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "oneHot",
    apply: ([indices], { depth }) => oneHot(indices, depth),
    differentiable: false,
    domain: (draw) => {
      const depth = draw.int(1, 4);
      return {
        inputs: [{ shape: draw.shape({ maxRank: 2 }), dtype: "int", min: 0, max: depth - 1 }],
        attributes: { depth },
      };
    },
    accuracy: "exact",
  } satisfies Entry<{ readonly depth: number }>,
  "oneHot(indices, depth)",
  (call) =>
    function oneHot(indices, depth) {
      call.check(arguments);
      const at = asIndices(call, "indices", indices);
      if (!wholeFrom0.accepts(depth)) throw call.wrong("depth", wholeFrom0.expected, depth);
      checkCountable(call, depth, "a depth");
      checkIndices("oneHot", at, depth);
      return cast(equal(unsqueeze(at, -1), arange(depth)), "float");
    },
);
