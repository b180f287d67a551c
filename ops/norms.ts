/** Sizes of vectors: norms, and what is made of them. */
import type { Entry, LocalContext, Op } from "../core/op.ts";
import { axesOrThrow, broadcastOrThrow, record } from "../core/record.ts";
import { boolean, type Declared, type Kind, kind, numberAbove, numberIn } from "../core/options.ts";
import { dropAxes } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { abs, add, div, mul, sign, square, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal, greater, less, logicalAnd } from "./comparison.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { type Axes, keptShape, type ReduceAttributes, type ReduceOptions, restore } from "./define/reduction.ts";
import { pow, sqrt } from "./functions.ts";
import { reshape } from "./movement.ts";
import { max, sum } from "./reduce.ts";
import { clamp, where } from "./selection.ts";

/** Options of {@link norm}. */
export interface NormOptions extends ReduceOptions {
  /** The exponent, above 0: default 2; `Infinity` for the largest size. */
  readonly p?: number;
}

const exponent: Kind<number> = /* @__PURE__ */ kind(
  "a number above 0, or Infinity",
  "1",
  (p) => p === Infinity || numberAbove(0).accepts(p),
);

const normKinds: Declared<NormOptions> = { keepDims: boolean, p: exponent };

/** Which axes are reduced, and the exponent. */
type NormAttributes = ReduceAttributes & { readonly p: number };

/** The p-th root of the sum of p-th powers, for exponents other than 1 and 2: relative to the largest, whose power may overflow. */
function rootOfPowers(x: Tensor, { axes, p }: NormAttributes): Tensor {
  const size = abs(x);
  const largest = max(size, axes, { keepDims: true });
  const usual = logicalAnd(greater(largest, 0), less(largest, Infinity));
  const scale = where(usual, largest, 1);
  const root = pow(sum(pow(div(size, scale), p), axes), 1 / p);
  const flat = (t: Tensor) => reshape(t, root.shape);
  return where(flat(usual), mul(flat(scale), root), flat(largest));
}

/** The derivative of a norm; each p-th power is relative to the norm. 0 where there is none: at a vector of zeros. */
function slopeOf({ inputs: [x], output, attributes }: LocalContext<NormAttributes>): Tensor {
  const { p } = attributes;
  const size = restore(output, x, attributes);
  if (p === 2) return where(equal(size, 0), 0, div(x, size));
  return where(equal(x, 0), 0, mul(sign(x), pow(div(abs(x), size), p - 1)));
}

/**
 * The p-norm over axes, always `float`: the p-th root of the sum of p-th powers of sizes, as of one vector. The gradient of a vector of zeros,
 * where there is none, is 0.
 *
 * @param x any shape. Nested arrays stand for a tensor.
 * @param axis the axis or axes to reduce, default all.
 * @param options `p`: the exponent, above 0; default 2, `Infinity` for the largest size. `keepDims`: whether reduced axes stay, with length
 * 1; default false.
 * @returns the shape of `x` without the reduced axes.
 * @throws if an axis does not exist or is named twice, or the exponent is not above 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { norm, tensor } from "gpugrad";
 *
 * assert.equal(await norm(tensor([3, -4])).item(), 5);
 * assert.deepEqual(await norm(tensor([[3, -4], [1, 1]]), 1, { p: 1 }).toArray(), [7, 2]);
 * ```
 */
export const norm: OpFunction<(x: TensorLike, axis?: Axes, options?: NormOptions) => Tensor> =
  /* @__PURE__ */ structured(
    {
      name: "norm",
      infer: ([x], { axes }) => ({ shape: dropAxes(x.shape, axes), dtype: "float" }),
      kernel: {
        kind: "lowered",
        lower: ([x], attributes) =>
          attributes.p === 2 ? sqrt(sum(square(x), attributes.axes)) : rootOfPowers(x, attributes),
      },
      vjp: [
        (context) => context.times(() => slopeOf(context), (c) => restore(c, context.inputs[0], context.attributes)),
      ],
      domain: (draw) => {
        const shape = draw.shape({ minAxis: 1 });
        const axes = shape.flatMap((_, i) => (draw.bool() ? [i] : []));
        return { inputs: [{ shape, avoid: [0] }], attributes: { axes, p: draw.pick([2, 2, 3, 2.5, 0.5]) } };
      },
    } satisfies Op<NormAttributes>,
    ["norm(x, axis, options)", normKinds],
    (op, call) =>
      function norm(x, axis, options) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const axes = axesOrThrow(call, input.shape, axis);
        const { p = 2, keepDims = false } = options ?? {};
        if (p === Infinity) return max(abs(input), axes, { keepDims });
        if (p === 1 || axes.some((a) => input.shape[a] === 0)) {
          return sum(abs(cast(input, "float")), axes, { keepDims });
        }
        const result = record(op, [input], { axes, p });
        return keepDims ? reshape(result, keptShape(input.shape, axes)) : result;
      },
  );

/** Options of {@link normalize}. */
export interface NormalizeOptions {
  /** The exponent of the norm, above 0: default 2. */
  readonly p?: number;
  /** The least divisor, default 1e-12. */
  readonly eps?: number;
}

/** The axes, the exponent, and the least divisor. */
type NormalizeAttributes = { readonly axis: Axes; readonly p: number; readonly eps: number };

const leastKind = /* @__PURE__ */ numberIn(0, Infinity);

/**
 * Divides vectors by their {@link norm}, or by eps if that is larger. In PyTorch the default axis is 1.
 *
 * @param x float, at least one axis.
 * @param axis the axis or axes along which the vectors lie, default the last.
 * @param options `p`: the exponent of the norm, default 2. `eps`: the least divisor, default 1e-12.
 * @throws if an axis does not exist or is named twice.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { normalize, tensor } from "gpugrad";
 *
 * assert.deepEqual(await normalize(tensor([[3, 4], [0, 0]]), 1, { p: Infinity }).toArray(), [[0.75, 1], [0, 0]]);
 * ```
 */
export const normalize: CompositeFunction<
  (x: TensorLike, axis?: Axes, options?: NormalizeOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "normalize",
    apply: ([x], { axis, ...options }) => normalize(x, axis, options),
    differentiable: true,
    domain: (draw) => {
      const shape = draw.shape({ minRank: 1, minAxis: 1 });
      const axis = draw.int(-shape.length, shape.length - 1);
      return {
        inputs: [{ shape, min: 0.2 }],
        attributes: { axis, p: draw.pick([1, 2, 3]), eps: draw.pick([1e-12, 50]) },
      };
    },
  } satisfies Entry<NormalizeAttributes>,
  ["normalize(x, axis, options)", { p: exponent, eps: leastKind }],
  (call) =>
    function normalize(x, axis = -1, options) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const axes = axesOrThrow(call, input.shape, axis);
      const { p = 2, eps = 1e-12 } = options ?? {};
      return div(input, clamp(norm(input, axes, { p, keepDims: true }), eps));
    },
);

/** Options of {@link pairwiseDistance}. */
export interface PairwiseDistanceOptions {
  /** The exponent of the norm, above 0: default 2. */
  readonly p?: number;
  /** The number added to each difference, default 1e-6 as in PyTorch: it keeps the distance of equal vectors away from 0. */
  readonly eps?: number;
  /** Whether the last axis stays, with length 1; default false. */
  readonly keepDims?: boolean;
}

/** The exponent, and what is added to differences. */
type DistanceAttributes = { readonly p: number; readonly eps: number };

const distanceKinds: Declared<PairwiseDistanceOptions> = { p: exponent, eps: leastKind, keepDims: boolean };

/**
 * The distances between the vectors along the last axis, pair by pair: the {@link norm} of `a - b + eps`. The distances of all pairs are
 * `pairwiseDistance(unsqueeze(a, -2), unsqueeze(b, -3))`.
 *
 * @param a float, at least one axis.
 * @param b float, broadcast with `a`.
 * @param options `p`: the exponent of the norm, default 2. `eps`: default 1e-6. `keepDims`: whether the last axis stays; default false.
 * @returns the shape that both broadcast to, without its last axis.
 * @throws if the shapes do not broadcast together, or both are scalars.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { pairwiseDistance, tensor, unsqueeze } from "gpugrad";
 *
 * const d = pairwiseDistance(tensor([[0, 0], [1, 1]]), [3, 4], { p: 1, eps: 0 });
 * assert.deepEqual(await d.toArray(), [7, 5]);
 * const x = tensor([[0, 0], [3, 4]]);
 * assert.deepEqual(await pairwiseDistance(unsqueeze(x, -2), unsqueeze(x, -3), { eps: 0 }).toArray(), [[0, 5], [5, 0]]);
 * ```
 */
export const pairwiseDistance: CompositeFunction<
  (a: TensorLike, b: TensorLike, options?: PairwiseDistanceOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "pairwiseDistance",
    apply: ([a, b], attributes) => pairwiseDistance(a, b, attributes),
    differentiable: true,
    domain: (draw) => {
      const [a, b] = draw.broadcastable(2).map((shape) => [...shape, 3]);
      return {
        inputs: [{ shape: a, min: 1 }, { shape: b, max: 0.5 }],
        attributes: { p: draw.pick([1, 2, 3]), eps: draw.pick([0, 1e-6]) },
      };
    },
  } satisfies Entry<DistanceAttributes>,
  ["pairwiseDistance(a, b, options)", distanceKinds],
  (call) =>
    function pairwiseDistance(a, b, options) {
      call.check(arguments);
      const pair = [asTensor(call, "a", a), asTensor(call, "b", b)] as const;
      if (broadcastOrThrow("pairwiseDistance", pair).length === 0) {
        throw call.error("expected at least one axis, got [] and []");
      }
      const { p = 2, eps = 1e-6, keepDims = false } = options ?? {};
      const difference = sub(...pair);
      return norm(eps === 0 ? difference : add(difference, eps), -1, { p, keepDims });
    },
);
