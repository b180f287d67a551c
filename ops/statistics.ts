/** How elements vary along axes. */
import type { LocalContext, Op } from "../core/op.ts";
import { axesOrThrow, record } from "../core/record.ts";
import { boolean, type Declared, numberIn } from "../core/options.ts";
import { dropAxes, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { div, mul, square, sub } from "./arithmetic.ts";
import { equal } from "./comparison.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { type OpFunction, structured } from "./define/op.ts";
import { type Axes, keptShape, type ReduceOptions, restore } from "./define/reduction.ts";
import { sqrt } from "./functions.ts";
import { detach } from "./grad.ts";
import { reshape, slice } from "./movement.ts";
import { mean, sum } from "./reduce.ts";
import { where } from "./selection.ts";

/** Options of {@link variance} and {@link standardDeviation}. */
export interface VarianceOptions extends ReduceOptions {
  /** By how much the divisor is less than the number of elements: 0 (default, as in NumPy and JAX) or 1 (PyTorch's default). */
  readonly correction?: number;
}

const varianceKinds: Declared<VarianceOptions> = {
  keepDims: boolean,
  correction: /* @__PURE__ */ numberIn(0, Infinity),
};

/** The axes, and by how much the divisor is less than the number of elements. */
type Spread = { readonly axes: readonly number[]; readonly correction: number };

function divisor(x: Tensor, { axes, correction }: Spread): number {
  return Math.max(0, sizeOf(axes.map((a) => x.shape[a])) - correction);
}

/** The deviations from the mean. They are those of the differences from the first element, too, and exactly 0 where all are equal. */
function deviations(x: Tensor, { axes }: Spread): Tensor {
  const first = slice(x, x.shape.map((_, a) => (axes.includes(a) ? [0, 1] as const : null)));
  const shifted = sub(x, detach(first));
  return sub(shifted, mean(shifted, axes, { keepDims: true }));
}

/** The mean first, then the squares of the deviations: the mean of squares would cancel. */
function spread(x: Tensor, attributes: Spread): Tensor {
  return div(sum(square(deviations(x, attributes)), attributes.axes), divisor(x, attributes));
}

function varianceOp(
  name: string,
  lower: (x: Tensor, attributes: Spread) => Tensor,
  derivative: (context: LocalContext<Spread>) => Tensor,
): Op<Spread> {
  return {
    name,
    infer: ([x], { axes }) => ({ shape: dropAxes(x.shape, axes), dtype: "float" }),
    kernel: { kind: "lowered", lower: ([x], attributes) => lower(x, attributes) },
    vjp: [
      (context) => context.times(() => derivative(context), (c) => restore(c, context.inputs[0], context.attributes)),
    ],
    domain: (draw) => {
      // A single element does not vary.
      const shape = draw.shape({ minRank: 1, minAxis: 2 });
      const first = draw.int(0, shape.length - 1);
      const axes = shape.flatMap((_, a) => (a === first || draw.bool() ? [a] : []));
      return { inputs: [{ shape, distinct: true }], attributes: { axes, correction: draw.pick([0, 0, 1, 0.5]) } };
    },
  };
}

function varianceFunction(
  op: Op<Spread>,
): OpFunction<(x: TensorLike, axis?: Axes, options?: VarianceOptions) => Tensor> {
  return structured(
    op,
    [`${op.name}(x, axis, options)`, varianceKinds],
    (op, call) =>
      function (x: TensorLike, axis?: Axes, options?: VarianceOptions): Tensor {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const axes = axesOrThrow(call, input.shape, axis);
        const result = record(op, [input], { axes, correction: options?.correction ?? 0 });
        return options?.keepDims ? reshape(result, keptShape(input.shape, axes)) : result;
      },
  );
}

/**
 * The variance over axes, always `float`: the mean of the squared deviations from the mean, in two passes. NaN where the divisor is 0.
 *
 * @param x any shape. Nested arrays stand for a tensor.
 * @param axis the axis or axes to reduce, default all.
 * @param options `correction`: by how much the divisor is less than the number of elements, default 0; 1 for the unbiased estimate.
 * `keepDims`: whether reduced axes stay, with length 1; default false.
 * @returns the shape of `x` without the reduced axes.
 * @throws if an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, variance } from "gpugrad";
 *
 * assert.equal(await variance(tensor([1, 2, 3, 6])).item(), 3.5);
 * assert.deepEqual(await variance(tensor([[1, 3], [5, 5]]), 1, { correction: 1 }).toArray(), [2, 0]);
 * ```
 */
export const variance: OpFunction<(x: TensorLike, axis?: Axes, options?: VarianceOptions) => Tensor> =
  /* @__PURE__ */ varianceFunction(
    /* @__PURE__ */ varianceOp(
      "variance",
      spread,
      ({ inputs: [x], attributes }) => mul(deviations(x, attributes), 2 / divisor(x, attributes)),
    ),
  );

/**
 * The standard deviation over axes, always `float`: the root of the {@link variance}. The gradient at equal elements, where there is none,
 * is 0.
 *
 * @param x any shape. Nested arrays stand for a tensor.
 * @param axis the axis or axes to reduce, default all.
 * @param options as those of {@link variance}.
 * @returns the shape of `x` without the reduced axes.
 * @throws if an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { standardDeviation, tensor } from "gpugrad";
 *
 * assert.equal(await standardDeviation(tensor([1, 3, 5, 7]), 0).item(), Math.fround(Math.sqrt(5)));
 * ```
 */
export const standardDeviation: OpFunction<(x: TensorLike, axis?: Axes, options?: VarianceOptions) => Tensor> =
  /* @__PURE__ */ varianceFunction(
    /* @__PURE__ */ varianceOp(
      "standardDeviation",
      (x, attributes) => sqrt(spread(x, attributes)),
      ({ inputs: [x], output, attributes }) => {
        const deviation = restore(output, x, attributes);
        const slope = div(deviations(x, attributes), mul(deviation, divisor(x, attributes)));
        return where(equal(deviation, 0), 0, slope);
      },
    ),
  );
