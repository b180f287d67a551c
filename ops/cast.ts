/** Changes of dtype. */
import type { Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import type { DType, Tensor } from "../core/tensor.ts";
import { notEqual } from "./comparison.ts";
import { asTensor, checkDType, type TensorLike } from "./creation.ts";
import { type OpFunction, structured } from "./define/op.ts";

/** A dtype, and whether fractions are to be cut off. */
type Target = { readonly dtype: DType; readonly truncate: boolean };

/**
 * Changes the dtype. A cast to the same dtype returns the tensor itself; all others have no derivative.
 *
 * @param x any shape.
 * @param dtype `int` cuts off the fraction; `bool` is true for elements other than 0.
 * @throws if the dtype is unknown.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { cast, tensor } from "gpugrad";
 *
 * assert.deepEqual(await cast(tensor([1.7, -1.7]), "int").toArray(), [1, -1]);
 * ```
 */
export const cast: OpFunction<(x: TensorLike, dtype: DType) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "cast",
    infer: ([x], { dtype }) => ({ shape: x.shape, dtype }),
    kernel: {
      kind: "elementwise",
      expression: ([x], { truncate }, lower) => (truncate ? lower.call("trunc", x) : x),
      cost: 1,
    },
    // A cast from float to float is not recorded, and every other one starts or ends at whole numbers.
    vjp: null,
    domain: (draw) => {
      const [from, to] = draw.pick([["bool", "int"], ["bool", "float"], ["int", "float"], ["float", "int"]] as const);
      return { inputs: [{ shape: draw.shape(), dtype: from }], attributes: { dtype: to, truncate: from === "float" } };
    },
    accuracy: "exact",
    reference: ([x], { dtype }) => (dtype === "int" ? Math.trunc(x) : dtype === "bool" ? Number(x !== 0) : x),
  } satisfies Op<Target>,
  "cast(x, dtype)",
  (op, call) =>
    function cast(x, dtype) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      checkDType(call, dtype);
      if (input.dtype === dtype) return input;
      if (dtype === "bool") return notEqual(input, 0);
      return record(op, [input], { dtype, truncate: input.dtype === "float" });
    },
);
