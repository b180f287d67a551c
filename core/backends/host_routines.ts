/** Routines as plain JavaScript, with the tangents and the adjoints of those whose result moves with an array. */
import type { OrderRoutine, Routine, ScatterRoutine } from "../routine.ts";

/** Adds up two numbers, as the kernels beside it do. */
export type Addition = (a: number, b: number) => number;

type Arrays = readonly Float64Array[];

/** Fills the first array from the others. */
export function runRoutine(routine: Routine, [out, ...arrays]: Arrays, sum: Addition): void {
  if (routine.name === "order") return order(routine, out, arrays);
  out.fill(0);
  scatter(routine, arrays, 1, (place, update) => (out[place] = sum(out[place], arrays[1]?.[update] ?? 1)));
}

/** The number of the array with which the result moves; `null` if it is a whole number, which does not. */
export function movingArgument(routine: Routine): number | null {
  return routine.name !== "order" && !routine.isCounting ? 1 : null;
}

/** Computes the tangents of the result, each of this many numbers, from those of the array with which it moves. */
export function tangentsOfRoutine(
  routine: Routine,
  { arrays, from, to, width }: {
    readonly arrays: Arrays;
    readonly from: Float64Array;
    readonly to: Float64Array;
    readonly width: number;
  },
  sum: Addition,
): void {
  to.fill(0);
  if (routine.name === "order") return;
  scatter(routine, arrays, width, (place, update) => (to[place] = sum(to[place], from[update])));
}

/** Adds the adjoints of the result to those of the array with which it moves. */
export function adjointsOfRoutine(
  routine: Routine,
  { arrays, from, to }: { readonly arrays: Arrays; readonly from: Float64Array; readonly to: Float64Array },
  sum: Addition,
): void {
  if (routine.name === "order") return;
  scatter(routine, arrays, 1, (place, update) => (to[update] = sum(to[update], from[place])));
}

/**
 * Visits the updates in their order, with the places that they are meant for.
 *
 * @param width how many numbers an element has.
 */
function scatter(
  { outer, places, inner, updates, isSharedOuter, isSharedInner }: ScatterRoutine,
  [indices]: Arrays,
  width: number,
  visit: (place: number, update: number) => void,
): void {
  const columns = isSharedInner ? 1 : inner;
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < updates; j++) {
      const first = ((isSharedOuter ? 0 : o * updates) + j) * columns;
      for (let i = 0; i < inner; i++) {
        const place = indices[first + (isSharedInner ? 0 : i)];
        if (!(place >= 0 && place < places)) continue;
        const [to, from] = [((o * places + place) * inner + i) * width, ((o * updates + j) * inner + i) * width];
        for (let k = 0; k < width; k++) visit(to + k, from + k);
      }
    }
  }
}

function order({ rows, length, keep, result, descending }: OrderRoutine, out: Float64Array, arrays: Arrays): void {
  const [x, counts] = arrays;
  if (result === "ranks") out.fill(keep);
  if (result === "mask") out.fill(0);
  for (let row = 0; row < rows; row++) {
    const start = row * length;
    const places = inOrder(x.subarray(start, start + length), descending);
    const many = result === "mask" ? counts[row] : keep;
    for (let i = 0; i < length && i < many; i++) {
      if (result === "places") out[row * keep + i] = places[i];
      else out[start + places[i]] = result === "mask" ? 1 : i;
    }
  }
}

/** The places of elements in order: runs that are in order are merged two by two. */
function inOrder(x: Float64Array, descending: boolean): Uint32Array {
  const n = x.length;
  let from = Uint32Array.from({ length: n }, (_, i) => i);
  let to = new Uint32Array(n);
  for (let run = 1; run < n; run *= 2) {
    for (let begin = 0; begin < n; begin += 2 * run) {
      const [middle, end] = [Math.min(begin + run, n), Math.min(begin + 2 * run, n)];
      let [left, right] = [begin, middle];
      for (let i = begin; i < end; i++) {
        const isLeft = right === end || (left < middle && comesFirst(x[from[left]], x[from[right]], descending));
        to[i] = from[isLeft ? left++ : right++];
      }
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Whether `a` comes before `b`, or is equal to it. */
function comesFirst(a: number, b: number, descending: boolean): boolean {
  return descending ? a >= b || Number.isNaN(a) : a <= b || Number.isNaN(b);
}
