/**
 * Sorting by merging. Kernels cannot write to arbitrary places, so each place of a merged run finds its element: how many elements before it
 * come from the first of the two runs is found by binary search (merge path: Odeh, Green, Mwassi, Shmueli, Birk, "Merge Path - Parallel Merging
 * Made Simple", 2012). Stable: of equals the one with the lower index comes first, and NaN counts as the largest number.
 */
import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { equal, greaterEqual, less, lessEqual, logicalAnd, logicalNot, logicalOr, notEqual } from "./comparison.ts";
import { arange, zeros } from "./creation.ts";
import { broadcastTo, reshape, slice, squeeze, unsqueeze } from "./movement.ts";
import { max, min, sum } from "./reduce.ts";
import { firstUnmet, knownPlaces, readAt, type SearchRange } from "./searching.ts";
import { maximum, minimum, where } from "./selection.ts";

/** Elements along the last axis, sorted, and the places that they had. */
export interface Sorted {
  readonly keys: Tensor;
  readonly places: Tensor;
}

/** Runs up to this long are sorted by counting, for each element, those that come before it. */
export const SHORT_RUN = 32;

/** How keys are ordered. */
interface Order {
  readonly descending: boolean;
  /** Whether there can be NaN, the largest number. */
  readonly hasNaN: boolean;
}

/** Whether keys `a` come before keys `b`, or are equal to them. */
function comesFirst(a: Tensor, b: Tensor, { descending, hasNaN }: Order): Tensor {
  const ordered = descending ? greaterEqual(a, b) : lessEqual(a, b);
  if (!hasNaN) return ordered;
  const largest = descending ? a : b;
  return logicalOr(ordered, notEqual(largest, largest));
}

/** 0, 1, ... along an axis of a rank, times a step. */
function counting(length: number, axis: number, rank: number, step = 1): Tensor {
  return reshape(arange(0, length * step, step), Array.from({ length: rank }, (_, a) => (a === axis ? length : 1)));
}

/** The order of the elements along the last axis, by counting. */
function orderOfShort(x: Tensor, order: Order): Tensor {
  const n = x.shape[x.shape.length - 1];
  const [here, other] = [unsqueeze(x, -1), unsqueeze(x, -2)];
  // One of any two elements comes before the other: of equal ones, that with the lower index.
  const isLower = less(arange(n), unsqueeze(arange(n), 1));
  const isBefore = where(isLower, comesFirst(other, here, order), logicalNot(comesFirst(here, other, order)));
  const ranks = sum(where(isBefore, 1, 0), -1);
  return sum(where(equal(unsqueeze(ranks, -2), unsqueeze(arange(n), 1)), arange(n), 0), -1);
}

/** Sorted runs of one length that follow each other along the last axis, `[rows, runs * length]`, and how they are ordered. */
interface Runs extends Sorted, Order {
  readonly length: number;
}

/** Each two neighbouring runs, of `length` elements each, as the merge of a pair sees them: `[rows, pairs, 1, 2 * length]`. */
interface Pairs extends Order {
  readonly keys: Tensor;
  readonly length: number;
}

/** How many of the first `count` elements of a merged pair are of its first run, `[rows, pairs, counts]`. */
function takenFromFirst({ keys, length, ...order }: Pairs, counts: Tensor, range: SearchRange): Tensor {
  // If these many are of the first run, the last one of the second is here.
  const last = sub(add(unsqueeze(counts, -1), length - 1), arange(2 * length));
  return firstUnmet(comesFirst(keys, readAt(keys, last), order), range);
}

/** One count in this many is searched among all, and those between two of them among at most 2^3 - 1. */
const STRIDE = 15;

/** 0, `step`, 2 * `step` and so on along the last axis, but at most a number. */
function steps(many: number, step: number, most: number): Tensor {
  const progression = arange(0, many * step, step);
  return (many - 1) * step <= most ? progression : minimum(progression, most);
}

/** How many of the first k * `stride` elements of each merged pair are of its first run, for k from 0. */
function splits(pairs: Pairs, stride: number, many: number): Tensor {
  const { length, keys: { shape: [rows, count] } } = pairs;
  const all = 2 * length;
  const counts = broadcastTo(steps(many, stride, all), [rows, count, many]);
  if (many <= 2 * STRIDE) {
    return takenFromFirst(pairs, counts, {
      from: maximum(sub(counts, length), 0),
      to: minimum(counts, length),
      most: length,
    });
  }
  const blocks = Math.ceil(many / STRIDE);
  const ends = splits(pairs, stride * STRIDE, blocks + 1);
  const endCounts = steps(blocks + 1, stride * STRIDE, all);
  // The k-th end of the block that each count lies in.
  const endOf = (x: Tensor, k: number) => {
    const outer = x.shape.slice(0, -1);
    const repeated = broadcastTo(unsqueeze(slice(x, [...outer.map(() => null), [k, k + blocks]]), -1), [
      ...outer,
      blocks,
      STRIDE,
    ]);
    return slice(reshape(repeated, [...outer, blocks * STRIDE]), [...outer.map(() => null), [0, many]]);
  };
  // Between two known splits neither run gives fewer elements than at the first one, or more than at the second.
  return takenFromFirst(pairs, counts, {
    from: maximum(endOf(ends, 0), add(sub(counts, endOf(endCounts, 1)), endOf(ends, 1))),
    to: minimum(endOf(ends, 1), add(sub(counts, endOf(endCounts, 0)), endOf(ends, 0))),
    most: Math.floor(stride * STRIDE / 2),
  });
}

/** Merges each two neighbouring runs, and of each result keeps the first elements. */
function merge({ keys, places, length, ...order }: Runs, keep: number): Runs {
  const [rows, n] = keys.shape;
  const both = 2 * length;
  const [pairs, kept] = [n / both, Math.min(both, keep)];
  const sides = reshape(keys, [rows, pairs, 1, both]);
  const fromA = splits({ keys: sides, length, ...order }, 1, kept);
  const fromB = sub(arange(kept), fromA);
  const next = (place: Tensor) => readAt(squeeze(sides, 2), place);
  const nextB = add(fromB, length);
  const isA = logicalOr(
    greaterEqual(fromB, length),
    logicalAnd(less(fromA, length), comesFirst(next(fromA), next(minimum(nextB, both - 1)), order)),
  );
  const source = reshape(add(where(isA, fromA, nextB), counting(pairs, 1, 3, both)), [rows, pairs * kept]);
  return { keys: readAt(keys, source), places: readAt(places, source), length: kept, ...order };
}

/** Pads the last axis. No branch: elements of the padding read one that there is. */
function padTo(x: Tensor, length: number, fill: number): Tensor {
  const [rows, n] = x.shape;
  if (n === length) return x;
  const place = arange(length);
  return where(less(place, n), readAt(x, broadcastTo(minimum(place, n - 1), [rows, length])), fill);
}

/** A key that sorts after all numbers, or equals the last ones. */
function lastKey({ descending, hasNaN }: Order): number {
  return descending ? -Infinity : hasNaN ? NaN : Infinity;
}

/** Sorts rows by merging, and keeps the first elements of each. */
function sortRows(x: Tensor, descending: boolean, keep: number): Sorted {
  const [rows, n] = x.shape;
  const order = { descending, hasNaN: x.dtype === "float" };
  const doublings = Math.max(0, Math.ceil(Math.log2(n / SHORT_RUN)));
  const runs = 2 ** doublings;
  const length = Math.ceil(n / runs);
  // The padding has higher indices, so that it stays behind equals.
  const filled = padTo(x, runs * length, lastKey(order));
  const first = orderOfShort(reshape(filled, [rows, runs, length]), order);
  const source = reshape(add(first, counting(runs, 1, 3, length)), [rows, runs * length]);
  let all: Runs = { keys: readAt(filled, source), places: source, length, ...order };
  for (let i = 0; i < doublings; i++) all = merge(all, keep);
  const front = (y: Tensor) => slice(y, [null, [0, keep]]);
  return { keys: front(all.keys), places: front(all.places) };
}

/** Blocks of fewer elements do not save as much as it takes to choose among them. */
const SMALL_BLOCK = 4;

/**
 * The first elements of each row. They lie in at most as many blocks: those whose own first elements come first. So few elements are
 * sorted, if few are kept.
 */
function firstOfRows(x: Tensor, descending: boolean, keep: number): Sorted {
  const [rows, n] = x.shape;
  const size = Math.floor(Math.sqrt(n / Math.max(1, keep)));
  // NaN, the last of them, would hide numbers from their minimum.
  const hidden = !descending && x.dtype === "float";
  if (size < SMALL_BLOCK || keep === 0 || hidden) return sortRows(x, descending, keep);
  const blocks = Math.ceil(n / size);
  const fill = lastKey({ descending, hasNaN: x.dtype === "float" });
  const filled = reshape(padTo(x, blocks * size, fill), [rows, blocks, size]);
  const chosen = firstOfRows(descending ? max(filled, 2) : min(filled, 2), descending, keep);
  // In the order of their indices, by which equals are ordered.
  const inOrder = sortRows(chosen.places, false, keep).keys;
  const candidates = reshape(add(mul(unsqueeze(inOrder, 2), size), arange(size)), [rows, keep * size]);
  const { keys, places } = firstOfRows(readAt(reshape(filled, [rows, blocks * size]), candidates), descending, keep);
  return { keys, places: readAt(candidates, places) };
}

/** Rows of a tensor along its last axis. */
function rowsOf(x: Tensor): Tensor {
  return reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape[x.shape.length - 1]]);
}

/** Sorts along the last axis, and keeps the first elements; default all. */
export function mergeSorted(x: Tensor, descending: boolean, keep: number = x.shape[x.shape.length - 1]): Sorted {
  const n = x.shape[x.shape.length - 1];
  const shape = x.shape.with(-1, keep);
  if (sizeOf(shape) === 0) return { keys: zeros(shape, { dtype: x.dtype }), places: zeros(shape, { dtype: "int" }) };
  const { keys, places } = firstOfRows(rowsOf(x), descending, keep);
  return { keys: reshape(keys, shape), places: reshape(knownPlaces(places, n), shape) };
}

/** For each element along the last axis, how many of the first ones after sorting come before it. */
export function placeAmong({ keys, places }: Sorted, x: Tensor, descending: boolean): Tensor {
  const n = x.shape[x.shape.length - 1];
  const order = { descending, hasNaN: x.dtype === "float" };
  const [own, other, place] = [unsqueeze(x, -1), unsqueeze(keys, -2), unsqueeze(places, -2)];
  const isLower = less(place, unsqueeze(arange(n), 1));
  return firstUnmet(where(isLower, comesFirst(other, own, order), logicalNot(comesFirst(own, other, order))));
}
