/** Elements that are taken at most once: where each of them went is known, so the gradient reads it there and searches nothing. */
import type { Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import type { Tensor } from "../core/tensor.ts";
import { less } from "./comparison.ts";
import { zeros } from "./creation.ts";
import { placesOn, readAt } from "./searching.ts";
import { where } from "./selection.ts";

type AxisAttribute = { readonly axis: number };

/** Whether an element was taken, by the place to which it went: at or beyond the end for none. */
const wasTaken = (to: Tensor, taken: number) => less(to, taken);

const pickOp: Op<AxisAttribute> = {
  name: "pick",
  infer: ([x, from]) => ({ shape: from.shape, dtype: x.dtype }),
  kernel: { kind: "lowered", lower: ([x, from], { axis }) => readAt(x, placesOn(from, x.shape[axis]), axis) },
  vjp: [
    ({ cotangent, inputs: [, from, to], attributes }) => record(unpickOp, [cotangent, to, from], attributes),
    null,
    null,
  ],
  selects: [({ inputs: [, from, to], attributes: { axis } }) => wasTaken(to, from.shape[axis]), null, null],
  accuracy: "exact",
};

/** The other way: 0 where nothing was taken. */
const unpickOp: Op<AxisAttribute> = {
  name: "unpick",
  infer: ([x, to]) => ({ shape: to.shape, dtype: x.dtype }),
  kernel: {
    kind: "lowered",
    lower: ([x, to], { axis }) => {
      const taken = x.shape[axis];
      if (taken === to.shape[axis]) return readAt(x, placesOn(to, taken), axis);
      return taken === 0 ? zeros(to.shape) : where(wasTaken(to, taken), readAt(x, placesOn(to, taken), axis), 0);
    },
  },
  vjp: [
    ({ cotangent, inputs: [, to, from], attributes }) => record(pickOp, [cotangent, from, to], attributes),
    null,
    null,
  ],
  accuracy: "exact",
};

/** The destinations of elements that were taken along an axis, each at most once. */
export interface Taken {
  /** For each that was taken, where it was; `int`. */
  readonly from: Tensor;
  /** For each that there was, the place to which it went; at or beyond the end for none. */
  readonly to: Tensor;
  readonly axis: number;
}

/** Returns what is at the places of taken elements to where they were, and 0 for all others. */
export function unpick(x: Tensor, { from, to, axis }: Taken): Tensor {
  return record(unpickOp, [x, to, from], { axis });
}

/** Whether each element was taken. */
export function isTaken({ from, to, axis }: Taken): Tensor {
  return wasTaken(to, from.shape[axis]);
}
