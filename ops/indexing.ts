/** Reading and writing at positions that are values of a tensor. */
import { constant } from "../core/affine.ts";
import { type Case, type Draw, leafOp, type Op, opOf, type VjpContext } from "../core/op.ts";
import { axisOrThrow, record } from "../core/record.ts";
import { defineOp, register } from "../core/registry.ts";
import { Signature, whole } from "../core/options.ts";
import { broadcastShapes, formatShape, sameShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { arange, asIndices, asTensor, checkCountable, type TensorLike, zeros } from "./creation.ts";
import { add, cast, equal, notEqual, where } from "./elementwise.ts";
import { broadcastTo, reshape, unsqueeze } from "./movement.ts";
import { sum } from "./reduce.ts";

/** The leaf whose elements, all of them, a tensor of indices shows: through reshapes and broadcasts, not through slices. */
function shownLeaf(indices: Tensor): Tensor | null {
  let t = indices;
  while (t.op !== leafOp) {
    const { kernel } = opOf(t);
    if (kernel.kind !== "movement" || kernel.fill || t.size < t.inputs[0].size) return null;
    t = t.inputs[0];
  }
  return t;
}

/** Refuses indices that are known to lie outside. What the device computes is not known: there the result is NaN. */
export function checkIndices(op: string, indices: Tensor, size: number, parameter = "indices"): void {
  if (indices.dtype !== "int") throw new Error(`${op}: expected ${parameter} of dtype int, got ${indices.dtype}`);
  if (indices.size === 0) return;
  if (size === 0) {
    throw new Error(
      `${op}: expected no ${parameter} into an axis of length 0, got shape ${formatShape(indices.shape)}`,
    );
  }
  shownLeaf(indices)?.value?.forEach((v, i) => {
    if (v < 0 || v >= size) {
      throw new Error(`${op}: expected ${parameter} from 0 to ${size - 1}, got ${v} at position ${i}`);
    }
  });
}

/** Adds up where a gather read what; where x was repeated, each copy gets its own sum, and the walk adds them up. */
function ungather(
  updates: TensorLike,
  { inputs: [x, indices], attributes }: Pick<VjpContext, "inputs" | "attributes">,
): Tensor {
  const axis = attributes.axis as number;
  const shape = indices.shape.map((n, a) => (a === axis ? x.shape[a] : n));
  return scatterAdd(zeros(shape), indices, updates, axis);
}

const gatherOp: Op = defineOp({
  name: "gather",
  infer: ([x, indices], attributes) => {
    const axis = attributes.axis as number;
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
  kernel: {
    kind: "gather",
    position: (out) => [...out],
    source: (out, position, { axis }, source) =>
      out.map((i, a) => (a === axis ? position : source[a] === 1 ? constant(0) : i)),
    axis: ({ axis }) => axis as number,
  },
  vjp: [(context) => ungather(context.cotangent, context), null],
  selects: [(context) => notEqual(ungather(1, context), 0), null],
  domain: (draw) => {
    const shape = draw.shape({ minRank: 1, minAxis: 1 });
    const axis = draw.int(0, shape.length - 1);
    const indices = shape.map((n, a) => (a === axis ? draw.int(0, 4) : n));
    return {
      inputs: [{ shape }, { shape: indices, dtype: "int", min: 0, max: shape[axis] - 1 }],
      attributes: { axis },
    };
  },
});

const gatherCall = new Signature("gather(x, indices, axis)");

/**
 * The elements at given places along an axis, one for each index; like PyTorch's `gather`.
 *
 * @param x any dtype.
 * @param indices int, of x's rank; other axes have x's sizes, or x has size 1 there and is repeated.
 * @param axis the axis that indices count along.
 * @returns the shape of the indices. A gradient adds up where an element was taken several times.
 * @throws on shapes that do not fit, and on an index that is known and lies outside; one that the device computes gives NaN.
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
export function gather(x: TensorLike, indices: TensorLike, axis: number): Tensor {
  gatherCall.check(arguments);
  const input = asTensor(gatherCall, "x", x);
  const at = asIndices(gatherCall, "indices", indices);
  return record(gatherOp, [input, at], { axis: axisOrThrow(gatherCall, input.shape, axis) });
}

/** Adds up where a take read what. */
function untake(updates: TensorLike, { inputs: [x, indices] }: Pick<VjpContext, "inputs">): Tensor {
  const rest = x.shape.slice(1);
  const flat = [indices.size, ...rest];
  const rows = broadcastTo(reshape(indices, [indices.size, ...rest.map(() => 1)]), flat);
  const amounts = updates instanceof Tensor ? reshape(updates, flat) : updates;
  return scatterAdd(zeros(x.shape), rows, amounts, 0);
}

const takeOp: Op = defineOp({
  name: "take",
  infer: ([x, indices]) => {
    if (x.shape.length === 0) throw new Error("take: expected x to have at least one axis, got a scalar");
    checkIndices("take", indices, x.shape[0]);
    return { shape: [...indices.shape, ...x.shape.slice(1)], dtype: x.dtype };
  },
  kernel: {
    kind: "gather",
    position: (out, _, source) => out.slice(0, out.length - source.length + 1),
    source: (out, position, _, source) => [position, ...out.slice(out.length - source.length + 1)],
    axis: () => 0,
  },
  vjp: [(context) => untake(context.cotangent, context), null],
  selects: [(context) => notEqual(untake(1, context), 0), null],
  domain: (draw) => {
    const shape = draw.shape({ minRank: 1, minAxis: 1 });
    const indices = draw.shape({ maxRank: 2 });
    return { inputs: [{ shape }, { shape: indices, dtype: "int", min: 0, max: shape[0] - 1 }] };
  },
});

const takeCall = new Signature("take(x, indices)");

/**
 * The rows at given indices.
 *
 * @param x any dtype, at least one axis.
 * @param indices int, any shape.
 * @returns shape `[...indices.shape, ...x.shape.slice(1)]`.
 * @throws on an index that is known and lies outside; one that the device computes gives NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { take, tensor } from "gpugrad";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assert.deepEqual(await take(x, tensor([1, 1], [2], { dtype: "int" })).toArray(), [[3, 4], [3, 4]]);
 * ```
 */
export function take(x: TensorLike, indices: TensorLike): Tensor {
  takeCall.check(arguments);
  return record(takeOp, [asTensor(takeCall, "x", x), asIndices(takeCall, "indices", indices)]);
}

const scatterAddOp: Op = defineOp({
  name: "scatterAdd",
  infer: ([base, indices, updates], attributes) => {
    const axis = attributes.axis as number;
    const fits = base.shape.length === indices.shape.length &&
      base.shape.every((n, a) => a === axis || n === indices.shape[a]);
    if (!fits) {
      throw new Error(
        `scatterAdd: expected indices of the base's rank, with its sizes outside of axis ${axis}, got ${
          formatShape(indices.shape)
        } for a base of shape ${formatShape(base.shape)}`,
      );
    }
    const common = broadcastShapes([updates.shape, indices.shape]);
    if (!common || !sameShape(common, indices.shape)) {
      throw new Error(
        `scatterAdd: expected updates that broadcast to the indices' shape ${formatShape(indices.shape)}, got ${
          formatShape(updates.shape)
        }`,
      );
    }
    checkIndices("scatterAdd", indices, base.shape[axis]);
    return { shape: base.shape, dtype: base.dtype === "float" || updates.dtype === "float" ? "float" : "int" };
  },
  kernel: {
    kind: "lowered",
    // Kernels cannot write where they like: each element looks for the updates that are meant for it.
    lower: ([base, indices, updates], attributes) => {
      const axis = attributes.axis as number;
      const own = base.shape.map((n, a) => (a === axis ? n : 1));
      const position = unsqueeze(reshape(arange(base.shape[axis]), own), axis + 1);
      const meant = equal(unsqueeze(indices, axis), position);
      const amount = unsqueeze(broadcastTo(updates, indices.shape), axis);
      return add(base, sum(where(meant, amount, 0), axis + 1));
    },
  },
  vjp: [
    ({ cotangent }) => cotangent,
    null,
    ({ cotangent, inputs: [, indices], attributes }) => gather(cotangent, indices, attributes.axis as number),
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
});

const scatterAddCall = new Signature("scatterAdd(base, indices, updates, axis)");

/**
 * Adds updates to a base at given places along an axis; what meets at one place is added up. Like PyTorch's `scatter_add`, but
 * the base is left as it is. Each element looks through all updates of its row, so the cost is their product.
 *
 * @param base float or int.
 * @param indices int, of the base's rank, with its sizes outside of the axis.
 * @param updates broadcast to the shape of the indices.
 * @param axis the axis that indices count along.
 * @returns the shape of the base.
 * @throws on shapes that do not fit, and on an index that is known and lies outside; one that the device computes adds nothing.
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
export function scatterAdd(base: TensorLike, indices: TensorLike, updates: TensorLike, axis: number): Tensor {
  scatterAddCall.check(arguments);
  const onto = asTensor(scatterAddCall, "base", base);
  const at = asIndices(scatterAddCall, "indices", indices);
  const amount = asTensor(scatterAddCall, "updates", updates);
  const along = axisOrThrow(scatterAddCall, onto.shape, axis);
  checkCountable(scatterAddCall, onto.shape[along], `an axis ${along}`);
  return record(scatterAddOp, [onto, at, amount], { axis: along });
}

const wholeFrom0 = whole(0);
const oneHotCall = new Signature("oneHot(indices, depth)");

/**
 * Ones where the last axis counts to the index, zeros elsewhere.
 *
 * @param indices int, any shape.
 * @param depth the length of the new last axis.
 * @returns float, shape `[...indices.shape, depth]`. No derivative.
 * @throws on an index that is known and lies outside; one that the device computes gives zeros alone.
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
export function oneHot(indices: TensorLike, depth: number): Tensor {
  oneHotCall.check(arguments);
  const at = asIndices(oneHotCall, "indices", indices);
  if (!wholeFrom0.accepts(depth)) throw oneHotCall.wrong("depth", wholeFrom0.expected, depth);
  checkCountable(oneHotCall, depth, "a depth");
  checkIndices("oneHot", at, depth);
  return cast(equal(unsqueeze(at, -1), arange(depth)), "float");
}

register({
  name: "oneHot",
  apply: ([indices], { depth }) => oneHot(indices, depth as number),
  differentiable: false,
  domain: (draw: Draw): Case => {
    const depth = draw.int(1, 4);
    return {
      inputs: [{ shape: draw.shape({ maxRank: 2 }), dtype: "int", min: 0, max: depth - 1 }],
      attributes: { depth },
    };
  },
});
