/**
 * The order of the elements along the last axis: ops that a backend computes by a routine if it has one, and that are made of merges
 * everywhere else. NaN is the largest number, and of equals the one at the lower place comes first.
 */
import type { Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import type { OrderRoutine } from "../core/routine.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mergeSorted, placeAmong, type Sorted } from "./merging.ts";
import { readAt } from "./searching.ts";
import { selected } from "./selecting.ts";

/** How many elements count, from the first, and whether the largest is the first. */
type FirstAttributes = { readonly keep: number; readonly descending: boolean };

/** Rows up to this long are ordered by a few comparisons in the kernels that need them. */
const FEW = 8;

/** Returns a rule for a routine that orders rows, if they are long enough. */
const routineFor =
  (result: OrderRoutine["result"]) => ([shape]: readonly Shape[], { keep, descending }: FirstAttributes) => {
    const length = shape[shape.length - 1];
    const rows = sizeOf(shape.slice(0, -1));
    if (length <= FEW || rows === 0 || keep === 0) return null;
    return { name: "order", result, rows, length, keep, descending } as const;
  };

const placesOp: Op<FirstAttributes> = {
  name: "sortedPlaces",
  infer: ([x], { keep }) => ({ shape: x.shape.with(-1, keep), dtype: "int" }),
  kernel: {
    kind: "lowered",
    lower: ([x], { keep, descending }) => mergeSorted(x, descending, keep).places,
    routine: /* @__PURE__ */ routineFor("places"),
  },
  vjp: null,
};

const ranksOp: Op<FirstAttributes> = {
  name: "ranks",
  infer: ([x]) => ({ shape: x.shape, dtype: "int" }),
  kernel: {
    kind: "lowered",
    lower: ([x], { keep, descending }) => placeAmong(mergeSorted(x, descending, keep), x, descending),
    routine: /* @__PURE__ */ routineFor("ranks"),
  },
  vjp: null,
};

const maskOp: Op = {
  name: "firstMask",
  infer: ([x]) => ({ shape: x.shape, dtype: "bool" }),
  kernel: {
    kind: "lowered",
    lower: ([x, k]) => selected(x, k),
    routine: (shapes) => routineFor("mask")(shapes, { keep: shapes[0][shapes[0].length - 1], descending: true }),
  },
  vjp: null,
};

/** Sorts along the last axis, and keeps the first elements; default all. */
export function sorted(x: Tensor, descending: boolean, keep: number = x.shape[x.shape.length - 1]): Sorted {
  const places = record(placesOp, [x], { keep, descending });
  return { keys: readAt(x, places), places };
}

/** For each element along the last axis how many come before it, but `keep` for all that are not among the first. */
export function ranks(x: Tensor, descending: boolean, keep: number = x.shape[x.shape.length - 1]): Tensor {
  return record(ranksOp, [x], { keep, descending });
}

/**
 * Whether each element along the last axis is among the largest.
 *
 * @param k how many these are, `[..., 1]`.
 */
export function largestMask(x: Tensor, k: Tensor): Tensor {
  return record(maskOp, [x, k], {});
}
