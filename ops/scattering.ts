/**
 * Sums of updates at indices. A backend may have a routine for them; elsewhere kernels cannot write to arbitrary places, so each place finds its
 * updates. If there are many of both, the indices are sorted: then the updates of a place follow each other, binary search finds where, and a tree of pairwise sums adds up any part in as
 * many steps as its length has digits. So the cost grows with updates and places, and not with their product, however updates are spread.
 */
import type { LoweredKernel, Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import type { ScatterRoutine } from "../core/routine.ts";
import { sameShape, type Shape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { equal, greater, greaterEqual, less, logicalAnd } from "./comparison.ts";
import { arange } from "./creation.ts";
import { floor } from "./functions.ts";
import { mergeSorted } from "./merging.ts";
import { broadcastTo, lastAxis, reshape, slice, unsqueeze } from "./movement.ts";
import { sum } from "./reduce.ts";
import { firstUnmet, placesOn, readAt } from "./searching.ts";
import { minimum, where } from "./selection.ts";

/** The places of sums: a shape, and the axis that indices count along. */
export interface Places {
  readonly shape: Shape;
  readonly axis: number;
}

/** Whether looking through all updates at each place costs less than sorting, in additions. */
function isFew(indices: Tensor, { shape, axis }: Places): boolean {
  const places = sizeOf(shape);
  const updates = indices.shape[axis];
  const digits = Math.log2(Math.max(2, updates));
  const all = sizeOf(shape.with(axis, 1)) * updates;
  const sorting = indices.size * (80 + 30 * digits);
  const adding = 4 * all + places * (60 + 8 * digits);
  // Some three dozen kernels, which are to be launched.
  return 2 * places * updates <= sorting + adding + 2_000_000;
}

/** Whether each update, along an axis after the one of places, is meant for the place. */
function isMeant(indices: Tensor, { shape, axis }: Places): Tensor {
  const own = shape.map((n, a) => (a === axis ? n : 1));
  return equal(unsqueeze(indices, axis), unsqueeze(reshape(arange(shape[axis]), own), axis + 1));
}

/** The updates of each place in sorted order: the first one, and the one after the last. */
interface Segments {
  readonly start: Tensor;
  readonly end: Tensor;
  /** The positions of the updates before they were sorted. */
  readonly order: Tensor;
}

function segments(indices: Tensor, { shape, axis }: Places): Segments {
  const n = shape[axis];
  // Indices that are computed may be anything: those outside come last.
  const isInside = logicalAnd(greaterEqual(indices, 0), less(indices, n));
  const { moved, back } = lastAxis(where(isInside, indices, n), axis);
  const { keys, places } = mergeSorted(moved, false);
  const starts = firstUnmet(less(unsqueeze(keys, -2), unsqueeze(arange(n + 1), 1)));
  const part = (first: number) => back(slice(starts, [...starts.shape.slice(1).map(() => null), [first, first + n]]));
  return { start: part(0), end: part(1), order: back(places) };
}

/** Each update summed with its neighbour, these sums with their neighbours, and so on; lengths are powers of 2. */
function sumsOf(x: Tensor, axis: number): Tensor[] {
  const levels = [x];
  for (let level = x; level.shape[axis] > 1;) {
    const { shape } = level;
    const pairs = [...shape.slice(0, axis), shape[axis] / 2, 2, ...shape.slice(axis + 1)];
    levels.push(level = sum(reshape(level, pairs), axis + 1));
  }
  return levels;
}

/** Sums from `start` to `end` along an axis of the first of these levels. */
function sumBetween([level, ...above]: readonly Tensor[], start: Tensor, end: Tensor, axis: number): Tensor {
  const shape = broadcastShape(level.shape, start.shape, axis);
  const read = (place: Tensor) => readAt(level, broadcastTo(placesOn(place, level.shape[axis]), shape), axis);
  const half = (x: Tensor) => floor(mul(x, 0.5));
  const isOdd = (x: Tensor) => equal(sub(x, mul(half(x), 2)), 1);
  const isAny = less(start, end);
  // Elements whose neighbour is outside the range are added by themselves; the rest are whole pairs.
  const first = where(logicalAnd(isAny, isOdd(start)), read(start), 0);
  const last = where(logicalAnd(isAny, isOdd(end)), read(sub(end, 1)), 0);
  const own = add(first, last);
  if (above.length === 0) return own;
  const [from, to] = [half(add(start, 1)), half(end)];
  return add(own, where(less(from, to), sumBetween(above, from, to, axis), 0));
}

/** The shape of results: that of what is read, with the places along the axis. */
function broadcastShape(read: Shape, places: Shape, axis: number): number[] {
  return read.map((n, a) => (a === axis ? places[a] : n));
}

/** Indices that are shared along all axes before the axis, or along none, and the same for those after it. */
export function sharedOrWhole(indices: Tensor, shape: Shape, axis: number): Tensor {
  const isShared = (axes: Shape) => axes.every((n) => n === 1);
  const [before, after] = [indices.shape.slice(0, axis), indices.shape.slice(axis + 1)];
  return broadcastTo(indices, [
    ...(isShared(before) ? before : shape.slice(0, axis)),
    indices.shape[axis],
    ...(isShared(after) ? after : shape.slice(axis + 1)),
  ]);
}

/** The routine that adds up updates, or counts them; `null` where looking through all of them at each place takes no longer. */
function scatterRoutine(indices: Shape, { shape, axis }: Places, isCounting: boolean): ScatterRoutine | null {
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  const [places, updates] = [shape[axis], indices[axis]];
  const pairs = outer * places * inner * updates;
  // In additions of a fused loop, where single columns are read as vectors. The routine takes rows as vectors, and has to be launched.
  const each = inner >= 4 ? 1 : 8;
  if (pairs <= each * outer * inner * (places + updates) + 20_000) return null;
  const isShared = (axes: Shape) => sizeOf(axes) === 1;
  const [isSharedOuter, isSharedInner] = [isShared(indices.slice(0, axis)), isShared(indices.slice(axis + 1))];
  return { name: "scatter", outer, places, inner, updates, isSharedOuter, isSharedInner, isCounting };
}

/** The routine that adds updates to a base; `null` if none pays, or if indices or updates have to be brought to another shape first. */
export function scatterOnto(
  [base, indices, updates]: readonly Shape[],
  { axis }: { readonly axis: number },
): ScatterRoutine | null {
  const isShared = (shape: Shape, all: Shape) => sizeOf(shape) === 1 || sameShape(shape, all);
  const fits = sameShape(updates, base.with(axis, indices[axis])) &&
    isShared(indices.slice(0, axis), base.slice(0, axis)) && isShared(indices.slice(axis + 1), base.slice(axis + 1));
  const routine = fits ? scatterRoutine(indices, { shape: base, axis }, false) : null;
  return routine && { ...routine, name: "scatterOnto" };
}

/** Adds up the second input, updates, at the places that the first one, indices, names. */
export const sumAtKernel: LoweredKernel<{ readonly shape: Shape; readonly axis: number }> = {
  kind: "lowered",
  lower: ([indices, updates], at) => {
    if (!isFew(indices, at)) return sumSorted(indices, updates, at);
    return sum(where(isMeant(indices, at), unsqueeze(updates, at.axis), 0), at.axis + 1);
  },
  routine: ([indices], at) => scatterRoutine(indices, at, false),
};

/** How many indices there are of each place. */
const countAtOp: Op<{ readonly shape: Shape; readonly axis: number }> = {
  name: "countAt",
  infer: (_, { shape }) => ({ shape, dtype: "int" }),
  kernel: {
    kind: "lowered",
    lower: ([indices], at) => {
      if (isFew(indices, at)) return sum(where(isMeant(indices, at), 1, 0), at.axis + 1);
      const { start, end } = segments(indices, at);
      return sub(end, start);
    },
    routine: ([indices], at) => scatterRoutine(indices, at, true),
  },
  vjp: null,
};

/** The sums of the updates at each place, with the indices sorted, however few they are. */
export function sumSorted(indices: Tensor, updates: Tensor, at: Places): Tensor {
  const { axis } = at;
  const { start, end, order } = segments(indices, at);
  const many = updates.shape[axis];
  const length = 2 ** Math.ceil(Math.log2(many));
  const shape = updates.shape.with(axis, length);
  const own = updates.shape.map((_, a) => (a === axis ? length : 1));
  const place = reshape(arange(length), own);
  const source = readAt(order, broadcastTo(minimum(place, many - 1), order.shape.with(axis, length)), axis);
  const inOrder = where(less(place, many), readAt(updates, broadcastTo(source, shape), axis), 0);
  return sumBetween(sumsOf(inOrder, axis), start, end, axis);
}

/** Whether there is any index of each place. */
export function occursAt(indices: Tensor, at: Places): Tensor {
  return greater(record(countAtOp, [indices], { ...at }), 0);
}
