/** Binary search in kernels, and places that are known to lie on an axis. */
import { constant } from "../core/affine.ts";
import type { GatherKernel, Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import type { Tensor } from "../core/tensor.ts";
import { full } from "./creation.ts";

/** Reads along an axis at positions of the shape of the result. */
export const gatherKernel: GatherKernel<{ readonly axis: number }> = {
  kind: "gather",
  position: (out) => [...out],
  source: (out, position, { axis }, source) =>
    out.map((i, a) => (a === axis ? position : source[a] === 1 ? constant(0) : i)),
  axis: ({ axis }) => axis,
};

const searchOp: Op<{ readonly axis: number; readonly most: number }> = {
  name: "search",
  infer: ([holds], { axis }) => ({ shape: holds.shape.toSpliced(axis, 1), dtype: "int" }),
  kernel: { kind: "search", axis: ({ axis }) => axis, most: ({ most }) => most },
  vjp: null,
};

/** The part of an axis that is searched. */
export interface SearchRange {
  /** Its start, of a shape that broadcasts to the result; default 0. */
  readonly from?: Tensor;
  /** Its end, exclusive; default the length of the axis. */
  readonly to?: Tensor;
  /** The most elements it can have, default the length of the axis. */
  readonly most?: number;
}

const place = (value: number) => full([], value, { dtype: "int" });

/**
 * The first place along the last axis at which a condition does not hold; the end of the range if it holds everywhere. In the range it
 * must hold up to some place and nowhere after it. It is computed in the loop that searches, at the logarithm of the places, and also at the
 * end of the range, where its result does not count.
 */
export function firstUnmet(holds: Tensor, { from, to, most }: SearchRange = {}): Tensor {
  const length = holds.shape[holds.shape.length - 1];
  const ends = [from ?? place(0), to ?? place(length)];
  return record(searchOp, [holds, ...ends], { axis: holds.shape.length - 1, most: most ?? length });
}

const placeOp: Op<{ readonly length: number; readonly known: boolean }> = {
  name: "place",
  infer: ([x]) => ({ shape: x.shape, dtype: "int" }),
  kernel: {
    kind: "elementwise",
    expression: ([x], { length, known }, { call, literal }) =>
      known ? call("held", x) : call("from0", call("upTo", x, literal(length - 1))),
    cost: 1,
    bound: ({ length }) => length,
  },
  vjp: null,
};

/** The nearest places on an axis of this length, at which `gather` reads without looking whether they are there. */
export function placesOn(x: Tensor, length: number): Tensor {
  return record(placeOp, [x], { length, known: false });
}

/** Places that lie on an axis of this length by the way in which they are computed. */
export function knownPlaces(x: Tensor, length: number): Tensor {
  return record(placeOp, [x], { length, known: true });
}

const readOp: Op<{ readonly axis: number }> = {
  name: "read",
  infer: ([x, places]) => ({ shape: places.shape, dtype: x.dtype }),
  kernel: gatherKernel,
  vjp: null,
};

/** The elements at known places along an axis, default the last; x has length 1 wherever it is to be repeated. No derivative. */
export function readAt(x: Tensor, places: Tensor, axis: number = x.shape.length - 1): Tensor {
  return record(readOp, [x, knownPlaces(places, x.shape[axis])], { axis });
}
