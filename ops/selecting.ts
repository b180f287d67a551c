/** Which elements are the largest of their row: the last axis. Exactly, and without sorting where the axis is not long. */
import type { Tensor } from "../core/tensor.ts";
import { add, neg, sub } from "./arithmetic.ts";
import { equal, greater, less, logicalAnd, logicalNot, logicalOr } from "./comparison.ts";
import { arange } from "./creation.ts";
import { ceil } from "./functions.ts";
import { gather } from "./indexing.ts";
import { mergeSorted } from "./merging.ts";
import { broadcastTo, pad, reshape, slice, squeeze, unsqueeze } from "./movement.ts";
import { argmax, sum } from "./reduce.ts";
import { placesOn, readAt } from "./searching.ts";
import { where } from "./selection.ts";

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

/** Axes up to this long are ranked by counting all pairs. */
export const SHORT_AXIS = 256;
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

/** Whether each element is among the `k` largest of its row; `k` is `[..., 1]`. */
export function selected(x: Tensor, k: Tensor): Tensor {
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
  const { places } = mergeSorted(x, true);
  const border = placesOn(sub(ceil(k), 1), n);
  const at = readAt(places, broadcastTo(border, [...x.shape.slice(0, -1), 1]));
  const order = orderOf(x, true);
  const key = readAt(order.keys, at);
  const place = readAt(broadcastTo(order.places, x.shape), at);
  return logicalAnd(greater(k, 0), logicalNot(precedes([key, place], [order.keys, order.places], true)));
}
