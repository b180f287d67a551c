/** How ops are defined that combine the elements along some axes. */
import type {
  Accuracy,
  Case,
  Draw,
  Entry,
  Kernel,
  LoweredKernel,
  Op,
  ReduceKernel,
  Selects,
  ValueSpec,
  Vjp,
} from "../../core/op.ts";
import { axesOrThrow, record } from "../../core/record.ts";
import { boolean } from "../../core/options.ts";
import { dropAxes, formatShape, type Shape } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { asTensor, type TensorLike } from "../creation.ts";
import { reshape } from "../movement.ts";
import { COMPARE, type DTypeRule, truth } from "./dtype.ts";
import { type Call, composite, type CompositeFunction, structured } from "./op.ts";

/** One axis or several; negative numbers count from the end. */
export type Axes = number | readonly number[];

/** Options of reductions. */
export interface ReduceOptions {
  /** Whether reduced axes stay, with length 1; default false. */
  readonly keepDims?: boolean;
}

/** The axes that are reduced, sorted. */
export type ReduceAttributes = { readonly axes: readonly number[] };

/** A function that reduces one axis, several or all. */
export interface AxesReduction {
  /**
   * @param x any shape. Nested arrays stand for a tensor.
   * @param axis the axis or axes to reduce, default all.
   * @param options `keepDims`: whether reduced axes stay, with length 1; default false.
   * @returns the shape of `x` without the reduced axes.
   * @throws if an axis does not exist or is named twice.
   */
  (x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor;
  /** @internal */
  readonly op: Op;
}

/** The shape with the reduced axes as 1. */
export function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((n, i) => (axes.includes(i) ? 1 : n));
}

/** A reduced tensor with the reduced axes back, of length 1. */
export function restore(reduced: Tensor, x: Tensor, { axes }: ReduceAttributes): Tensor {
  return reshape(reduced, keptShape(x.shape, axes));
}

/** Throws if there is no element along one of the axes: an empty set has no extreme. */
function refuseEmpty(op: string, x: Tensor, axes: readonly number[]): void {
  const empty = axes.find((axis) => x.shape[axis] === 0);
  if (empty === undefined) return;
  throw new Error(
    `${op}: expected at least one element along axis ${empty} of shape ${formatShape(x.shape)}, got none`,
  );
}

/** A case of a reduction over some axes. */
export function reduceCase(draw: Draw, minAxis: number, values: ValueSpec): Case<ReduceAttributes> {
  const shape = draw.shape({ minAxis });
  return { inputs: [{ shape, ...values }], attributes: { axes: shape.flatMap((_, i) => (draw.bool() ? [i] : [])) } };
}

/** How a reduction is computed: by combining elements, or as other ops. */
type Computed =
  | (Pick<ReduceKernel, "identity" | "combine" | "position"> & { readonly lower?: undefined })
  | { readonly lower: LoweredKernel<ReduceAttributes>["lower"] };

function kernelOf(computed: Computed): Kernel<ReduceAttributes> {
  if (computed.lower) return { kind: "lowered", lower: computed.lower };
  const { identity, combine, position } = computed;
  return { kind: "reduce", axes: ({ axes }) => axes, identity, combine, position };
}

/** A reduction. */
type ReductionSpec = Computed & {
  readonly dtype: DTypeRule;
  /** Whether there must be an element along each axis; default false. */
  readonly nonEmpty?: boolean;
  readonly vjp: Vjp<ReduceAttributes> | null;
  readonly selects?: Selects<ReduceAttributes>;
  /** The values it is tested on, default from -3 to 3. */
  readonly domain?: ValueSpec;
  readonly accuracy?: Accuracy;
};

/** The record of a reduction. */
function reductionOp(name: string, spec: ReductionSpec): Op<ReduceAttributes> {
  const { dtype, nonEmpty = false, vjp, selects, domain = {}, accuracy } = spec;
  return {
    name,
    infer: ([x], { axes }) => {
      if (nonEmpty) refuseEmpty(name, x, axes);
      return { shape: dropAxes(x.shape, axes), dtype: dtype([x.dtype], name) };
    },
    kernel: kernelOf(spec),
    vjp: vjp && [vjp],
    selects: selects && [selects],
    domain: (draw) => reduceCase(draw, nonEmpty ? 1 : 0, domain),
    accuracy,
  };
}

/** How reductions are called. */
function callOf(name: string): Call<ReduceOptions> {
  return [`${name}(x, axis, options)`, { keepDims: boolean }];
}

/** Records a reduction, with the reduced axes of length 1 if they are to stay. */
function reduce(op: Op<ReduceAttributes>, x: Tensor, axes: readonly number[], options?: ReduceOptions): Tensor {
  const result = record(op, [x], { axes });
  return options?.keepDims ? reshape(result, keptShape(x.shape, axes)) : result;
}

/** Defines a reduction of one axis, several or all. */
export function reduction(name: string, spec: ReductionSpec): AxesReduction {
  return structured(
    reductionOp(name, spec),
    callOf(name),
    (op, call) =>
      function (x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        return reduce(op, input, axesOrThrow(call, input.shape, axis), options);
      },
  );
}

/** Defines a reduction of truth values to one of them. */
export function logicalReduction(
  name: string,
  identity: number,
  combine: ReduceKernel["combine"],
): AxesReduction {
  const op = reductionOp(name, { dtype: truth, identity, combine, vjp: null, domain: { dtype: "bool" } });
  return structured(
    op,
    callOf(name),
    (op, call) =>
      function (x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        if (input.dtype !== "bool") throw call.error(`expected dtype bool, got ${input.dtype}${COMPARE}`);
        return reduce(op, input, axesOrThrow(call, input.shape, axis), options);
      },
  );
}

/** Defines a reduction made of others, whose function takes the same arguments. */
export function compositeReduction(
  name: string,
  accuracy: Accuracy,
  make: (x: Tensor, axes: readonly number[], options?: ReduceOptions) => Tensor,
): CompositeFunction<(x: TensorLike, axis?: Axes, options?: ReduceOptions) => Tensor> {
  return composite(
    {
      name,
      apply: ([x], { axes }) => make(x, axes),
      differentiable: true,
      domain: (draw) => reduceCase(draw, 1, {}),
      accuracy,
    } satisfies Entry<ReduceAttributes>,
    callOf(name),
    (call) =>
      function (x, axis, options) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        return make(input, axesOrThrow(call, input.shape, axis), options);
      },
  );
}

/** Defines the position of an extreme: that of the first NaN, if there is one. */
export function position(name: string, better: "above" | "below", worst: number): AxesReduction {
  const inner = (combine: ReduceKernel["combine"]): Op<ReduceAttributes> => ({
    name,
    infer: ([x], { axes }) => ({ shape: dropAxes(x.shape, axes), dtype: "int" }),
    kernel: kernelOf({ identity: worst, position: true, combine }),
    vjp: null,
  });
  const whole = inner((a, x, lower) => lower.call(better, x, a));
  // Shader compilers may turn a comparison around, so that it holds if either is NaN. The test is therefore whether each equals itself.
  const float = inner((a, x, lower) => {
    const isBetter = lower.call("or", lower.call(better, x, a), lower.call("notEqual", x, x));
    return lower.call("and", isBetter, lower.call("equal", a, a));
  });
  const op: Op<ReduceAttributes> = {
    ...reductionOp(name, {
      dtype: () => "int",
      lower: ([x], attributes) => record(x.dtype === "float" ? float : whole, [x], attributes),
      nonEmpty: true,
      vjp: null,
    }),
    domain: (draw) => {
      const shape = draw.shape({ minAxis: 1 });
      const axes = shape.flatMap((_, i) => (draw.bool() ? [i] : []));
      return { inputs: [{ shape, distinct: true }], attributes: { axes } };
    },
  };
  return structured(
    op,
    callOf(name),
    (op, call) =>
      function (x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        return reduce(op, input, axesOrThrow(call, input.shape, axis), options);
      },
  );
}
