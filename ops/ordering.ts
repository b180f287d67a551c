/** Order along an axis: ranks, sorting, selection. All are stable: the lower index first among equals, and NaN as the largest. */
import type { Case, Draw, Entry, Op } from "../core/op.ts";
import { axisOrThrow, record } from "../core/record.ts";
import { boolean, type Declared, type Signature } from "../core/options.ts";
import { broadcastShapes, formatShape, sameShape } from "../core/shape.ts";
import type { DType, Tensor } from "../core/tensor.ts";
import { add, neg, sub } from "./arithmetic.ts";
import { equal, greater, greaterEqual, less, logicalAnd, logicalNot, logicalOr } from "./comparison.ts";
import { arange, asTensor, checkCountable, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { gather } from "./indexing.ts";
import { placeAmong, SHORT_RUN, type Sorted, sorted } from "./merging.ts";
import { broadcastTo, lastAxis, pad, reshape, slice, squeeze, unsqueeze } from "./movement.ts";
import { isTaken, type Taken, unpick } from "./picking.ts";
import { argmax, sum } from "./reduce.ts";
import { placesOn, readAt } from "./searching.ts";
import { where } from "./selection.ts";

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

/**
 * How elements along the last axis are ordered: by keys, and among equal keys by places, each broadcasting to x. NaN has the key of infinity,
 * and a place beyond all others, so that it is the largest; among NaNs, as among equals, the lower index comes first.
 */
interface Order {
  readonly keys: Tensor;
  readonly places: Tensor;
  readonly descending: boolean;
}

function orderOf(x: Tensor, descending: boolean): Order {
  const n = x.shape[x.shape.length - 1];
  if (x.dtype !== "float") return { keys: x, places: arange(n), descending };
  const number = equal(x, x);
  // Places are whole numbers from -n to n - 1, so they are exact wherever indices are.
  const shift = descending ? where(number, 0, -n) : where(number, -n, 0);
  return { keys: where(number, x, Infinity), places: add(arange(n), shift), descending };
}

/** A key and its place. */
type Placed = readonly [key: Tensor, place: Tensor];

/** Whether key `a` at place `i` comes before key `b` at place `j`. */
function precedes([a, i]: Placed, [b, j]: Placed, descending: boolean): Tensor {
  const better = descending ? greater(a, b) : less(a, b);
  return logicalOr(better, logicalAnd(equal(a, b), less(i, j)));
}

function count(condition: Tensor, axis: number): Tensor {
  return sum(where(condition, 1, 0), axis);
}

/** How many elements come before each of those with these keys and places, both `[..., m]`. */
function countBefore({ keys, places, descending }: Order, key: Tensor, place: Tensor): Tensor {
  const [other, otherPlace] = [unsqueeze(keys, -2), unsqueeze(places, -2)];
  return count(precedes([other, otherPlace], [unsqueeze(key, -1), unsqueeze(place, -1)], descending), -1);
}

function rankLast(x: Tensor, descending: boolean): Tensor {
  const order = orderOf(x, descending);
  return countBefore(order, order.keys, broadcastTo(order.places, x.shape));
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
  along: (x, descending) => placeAmong(sorted(x, descending), x, descending),
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
    kernel: { kind: "lowered", lower: ([x], attributes) => topAlong(x, attributes, ({ keys }) => keys) },
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

/** Something of the largest elements along an axis. */
function topAlong(x: Tensor, { k, axis }: CountAttributes, of: (top: Sorted, x: Tensor) => Tensor): Tensor {
  const { moved, back } = lastAxis(x, axis);
  return back(of(sorted(moved, true, k), moved));
}

/** The indices of the largest elements. */
const topIndicesOp: Op<CountAttributes> = {
  name: "topKIndices",
  infer: ([x], { k, axis }) => ({ shape: x.shape.with(axis, k), dtype: "int" }),
  kernel: { kind: "lowered", lower: ([x], attributes) => topAlong(x, attributes, ({ places }) => places) },
  vjp: null,
};

/** For each element how many of the largest come before it. */
const topPlacesOp: Op<CountAttributes> = {
  name: "topKPlaces",
  infer: ([x]) => ({ shape: x.shape, dtype: "int" }),
  kernel: {
    kind: "lowered",
    lower: ([x], attributes) => topAlong(x, attributes, (top, x) => placeAmong(top, x, true)),
  },
  vjp: null,
};

function taken(x: Tensor, attributes: CountAttributes): Taken {
  const { axis } = attributes;
  return { from: record(topIndicesOp, [x], attributes), to: record(topPlacesOp, [x], attributes), axis };
}

/** Axes up to this long are ranked by counting all pairs. */
const SHORT_AXIS = 256;
/** Longer axes are sorted. */
const LONG_AXIS = 32_768;
/** How many elements of each row a pass of the selection ranks exactly. */
const CANDIDATES = 64;

/**
 * The knowledge of each row's order, as one array `[..., 2, 2]`: the keys, then the places, of the last element known to be selected and
 * the first known not to be. A place of -1 - n stands before all n elements, n after all.
 */
type Bracket = Tensor;

/** Part of a bracket: its keys or its places, of one side or of both. */
function part(bracket: Bracket, row: 0 | 1, side?: 0 | 1): Tensor {
  const outer = bracket.shape.slice(0, -2).map(() => null);
  return slice(bracket, [...outer, [row, row + 1], side === undefined ? null : [side, side + 1]]);
}

/** A side of a bracket, key and place each `[..., 1]`. */
function sideOf(bracket: Bracket, side: 0 | 1): Placed {
  return [squeeze(part(bracket, 0, side), -2), squeeze(part(bracket, 1, side), -2)];
}

/** Which elements stand after the selected side of a bracket, and which also before the other. */
function within({ keys, places }: Order, bracket: Bracket): { after: Tensor; undecided: Tensor } {
  const after = precedes(sideOf(bracket, 0), [keys, places], true);
  return { after, undecided: logicalAnd(after, precedes([keys, places], sideOf(bracket, 1), true)) };
}

/** The tightest bracket around the result among candidates, their keys and places each `[..., candidates]`, from the exact rank of each. */
function bracketOf(order: Order, k: Tensor, key: Tensor, place: Tensor): Bracket {
  const n = order.keys.shape[order.keys.shape.length - 1];
  // How far each candidate stands from the border: below 0 it is selected.
  const distance = sub(countBefore(order, key, broadcastTo(place, key.shape)), k);
  const wide = unsqueeze(distance, -2);
  const first = equal(arange(2), 0);
  const left = unsqueeze(first, 1);
  const score = where(equal(left, less(wide, 0)), where(left, wide, neg(wide)), -Infinity);
  const best = argmax(score, -1); // [..., 2]
  const found = equal(first, less(gather(distance, best, -1), 0));
  const isKey = unsqueeze(first, 1);
  const among = (x: Tensor) => unsqueeze(gather(x, best, -1), -2);
  return where(
    unsqueeze(found, -2),
    where(isKey, among(key), among(broadcastTo(place, key.shape))),
    where(isKey, where(first, Infinity, -Infinity), where(first, -1 - n, n)),
  );
}

/** The tighter of two brackets, on each side. */
function tighter(a: Bracket, b: Bracket): Bracket {
  const isLater = precedes([part(a, 0), part(a, 1)], [part(b, 0), part(b, 1)], true);
  return where(equal(equal(arange(2), 0), isLater), b, a);
}

/** A bracket from elements at even distances. */
function coarseBracket(order: Order, k: Tensor): Bracket {
  const n = order.keys.shape[order.keys.shape.length - 1];
  const step = Math.ceil(n / CANDIDATES);
  const some = (x: Tensor) =>
    slice(x, x.shape.map((_, axis) => (axis === x.shape.length - 1 ? [0, n, step] as const : null)));
  return bracketOf(order, k, some(order.keys), some(order.places));
}

/**
 * A bracket from the first undecided element in each residue class of indices modulo {@link CANDIDATES}. A class without one contributes
 * its first element: any element will do, but it narrows the bracket less.
 */
function fineBracket(order: Order, k: Tensor, undecided: Tensor): Bracket {
  const { shape } = order.keys;
  const last = shape.length - 1;
  const rows = Math.ceil(shape[last] / CANDIDATES);
  const padding = shape.map((n, axis) => [0, axis === last ? rows * CANDIDATES - n : 0] as const);
  const grid = (x: Tensor) => reshape(pad(x, padding), [...shape.slice(0, last), rows, CANDIDATES]);
  const row = unsqueeze(argmax(grid(where(undecided, 1, 0)), -2), -2);
  const pick = (x: Tensor) => squeeze(gather(grid(broadcastTo(x, shape)), row, -2), -2);
  return bracketOf(order, k, pick(order.keys), pick(order.places));
}

/** Whether each element is among the `k` largest of its row; rows are the last axis. */
function selected(x: Tensor, k: Tensor): Tensor {
  const n = x.shape[x.shape.length - 1];
  if (n <= SHORT_AXIS) return less(rankLast(x, true), k);
  if (n > LONG_AXIS) return selectedBySorting(x, k);
  const order = orderOf(x, true);
  const coarse = coarseBracket(order, k);
  const fine = tighter(coarse, fineBracket(order, k, within(order, coarse).undecided));
  const { after, undecided } = within(order, fine);
  const before = countBefore(order, order.keys, broadcastTo(order.places, x.shape));
  return where(undecided, less(before, k), logicalNot(after));
}

/** The same, by the last of the `k` in sorted order. */
function selectedBySorting(x: Tensor, k: Tensor): Tensor {
  const n = x.shape[x.shape.length - 1];
  const { places } = sorted(x, true);
  const border = placesOn(sub(k, 1), n);
  const at = readAt(places, broadcastTo(border, [...x.shape.slice(0, -1), 1]));
  const order = orderOf(x, true);
  const key = readAt(order.keys, at);
  const place = readAt(broadcastTo(order.places, x.shape), at);
  return logicalAnd(greaterEqual(k, 1), logicalNot(precedes([key, place], [order.keys, order.places], true)));
}

/**
 * Marks the `k` largest elements along an axis, as hard mining does: exactly. The lower index is taken first among
 * equals, and NaN counts as the largest. Some elements are ranked exactly, which brackets the border between selected and not; this is
 * done twice, and the few elements left in the bracket are ranked one by one. Axes beyond 32,768 are sorted.
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
        const many = wanted.shape.length === 0 ? wanted : lastAxis(broadcastTo(wanted, each), at).moved;
        return back(selected(moved, many));
      },
  );
