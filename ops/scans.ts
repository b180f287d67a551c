/** Running sums and products along an axis. */
import type { Case, Draw, Entry, Op } from "../core/op.ts";
import { axisOrThrow, record } from "../core/record.ts";
import { boolean, type Signature } from "../core/options.ts";
import type { Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { lessEqual } from "./comparison.ts";
import { arange, asTensor, type TensorLike } from "./creation.ts";
import { arithmetic } from "./define/dtype.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { broadcastTo, flip, pad, reshape, slice, stack, transpose, unsqueeze } from "./movement.ts";
import { logSumExp, prod, sum } from "./reduce.ts";
import { where } from "./selection.ts";

/** Options of {@link cumsum}, {@link cumprod} and {@link logCumSumExp}. */
export interface CumulativeOptions {
  /** Whether each element is combined with all after it instead of all before it; default false. */
  readonly reverse?: boolean;
}

/** One axis, and from which end. */
type ScanAttributes = { readonly axis: number; readonly reverse: boolean };

/** How elements are combined. */
interface Combination {
  /** The result over nothing. */
  readonly identity: number;
  /** The running results along the last axis, of at most {@link BLOCK} elements. */
  within(x: Tensor): Tensor;
  /** The result over two neighbouring parts. */
  combine(before: Tensor, after: Tensor): Tensor;
}

/**
 * The length of axes along which elements are combined with all those before them at once, in parallel. Longer axes are cut into blocks of
 * this length: each block by itself, then the blocks before it as one element each. So the work grows with the length and not with its
 * square, and rounding with the number of levels.
 */
const BLOCK = 16;

/** Running results along the last axis. */
function running(x: Tensor, how: Combination): Tensor {
  const n = x.shape[x.shape.length - 1];
  if (n <= BLOCK) return how.within(x);
  const outer = x.shape.slice(0, -1);
  const count = Math.ceil(n / BLOCK);
  const filled = pad(x, padding(outer, 0, count * BLOCK - n), how.identity);
  const blocks = running(reshape(filled, [...outer, count, BLOCK]), how);
  const totals = slice(blocks, [...outer.map(() => null), [0, count - 1], BLOCK - 1]);
  const before = pad(running(totals, how), padding(outer, 1, 0), how.identity);
  const all = reshape(how.combine(unsqueeze(before, -1), blocks), [...outer, count * BLOCK]);
  return slice(all, [...outer.map(() => null), [0, n]]);
}

/** Each element reduces all those before it. */
function reducing(identity: number, reduce: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return (x) => {
    const places = arange(x.shape[x.shape.length - 1]);
    return reduce(where(lessEqual(places, unsqueeze(places, 1)), unsqueeze(x, -2), identity));
  };
}

/**
 * Running products by doubling: each element times the one 1 place before it, then 2, 4 and so on. The gradient of a product of n factors is n
 * products of n - 1, so that of reducing would cost the square of what the products cost; here it is that of a few multiplications.
 */
function doubling(x: Tensor): Tensor {
  const outer = x.shape.slice(0, -1);
  const n = x.shape[outer.length];
  // A product even of one factor, whose second derivative is 0 rather than an error that only this length has.
  if (n === 1) return prod(unsqueeze(x, -1), -1);
  for (let step = 1; step < n; step *= 2) {
    const before = slice(x, [...outer.map(() => null), [0, n - step]]);
    x = mul(x, pad(before, padding(outer, step, 0), 1));
  }
  return x;
}

/** No padding but along the last axis. */
function padding(outer: Shape, before: number, after: number): [number, number][] {
  return [...outer.map((): [number, number] => [0, 0]), [before, after]];
}

/** Running results along any axis. */
function along(x: Tensor, { axis, reverse }: ScanAttributes, how: Combination): Tensor {
  if (x.size === 0) return x;
  if (reverse) return flip(along(flip(x, axis), { axis, reverse: false }, how), axis);
  const order = [...x.shape.map((_, a) => a).filter((a) => a !== axis), axis];
  return transpose(running(transpose(x, order), how), order.map((_, a) => order.indexOf(a)));
}

const sums: Combination = { identity: 0, within: /* @__PURE__ */ reducing(0, (x) => sum(x, -1)), combine: add };
const products: Combination = { identity: 1, within: doubling, combine: mul };
const exponentials: Combination = {
  identity: -Infinity,
  within: /* @__PURE__ */ reducing(-Infinity, (x) => logSumExp(x, -1)),
  combine: (before, after) => logSumExp(stack([broadcastTo(before, after.shape), after]), 0),
};

const scanCase = (draw: Draw): Case<ScanAttributes> => {
  // Now and then longer than a block.
  const shape = draw.int(0, 3) > 0 ? draw.shape({ minRank: 1 }) : [draw.int(1, 2), draw.int(17, 40)];
  return { inputs: [{ shape }], attributes: { axis: draw.int(0, shape.length - 1), reverse: draw.int(0, 1) > 0 } };
};

/** The tensor of a call, and what it asks for. */
function given(
  call: Signature<CumulativeOptions>,
  x: unknown,
  axis: unknown,
  { reverse = false }: CumulativeOptions = {},
): { input: Tensor; attributes: ScanAttributes } {
  const input = asTensor(call, "x", x);
  return { input, attributes: { axis: axisOrThrow(call, input.shape, axis), reverse } };
}

/**
 * The running sum along an axis: each element and all before it. The sum of `int` or `bool` is `int`.
 *
 * @param x any dtype, at least one axis.
 * @param axis the axis, default the last.
 * @param options `reverse`: whether each element is combined with all after it instead; default false.
 * @returns the shape of `x`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { cumsum, tensor } from "gpugrad";
 *
 * assert.deepEqual(await cumsum(tensor([[1, 2, 3], [4, 5, 6]]), 1).toArray(), [[1, 3, 6], [4, 9, 15]]);
 * assert.deepEqual(await cumsum([1, 2, 3], 0, { reverse: true }).toArray(), [6, 5, 3]);
 * ```
 */
export const cumsum: OpFunction<(x: TensorLike, axis?: number, options?: CumulativeOptions) => Tensor> =
  /* @__PURE__ */ structured(
    {
      name: "cumsum",
      infer: ([x]) => ({ shape: x.shape, dtype: arithmetic([x.dtype], "cumsum") }),
      kernel: {
        kind: "lowered",
        lower: ([x], attributes) => along(cast(x, arithmetic([x.dtype], "cumsum")), attributes, sums),
      },
      vjp: [({ cotangent, attributes: { axis, reverse } }) => cumsum(cotangent, axis, { reverse: !reverse })],
      domain: scanCase,
      accuracy: "sum",
    } satisfies Op<ScanAttributes>,
    ["cumsum(x, axis, options)", { reverse: boolean }],
    (op, call) =>
      function cumsum(x, axis = -1, options) {
        call.check(arguments);
        const { input, attributes } = given(call, x, axis, options);
        return record(op, [input], attributes);
      },
  );

/**
 * The running product along an axis: each element and all before it. The product of `int` or `bool` is `int`. The gradient is exact even if
 * elements are 0.
 *
 * @param x any dtype, at least one axis.
 * @param axis the axis, default the last.
 * @param options `reverse`: whether each element is combined with all after it instead; default false.
 * @returns the shape of `x`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { cumprod, grad, sum, tensor } from "gpugrad";
 *
 * const x = tensor([2, 0, 5]);
 * assert.deepEqual(await cumprod(x).toArray(), [2, 0, 0]);
 * assert.deepEqual(await grad(sum(cumprod(x)), x).toArray(), [1, 12, 0]);
 * ```
 */
export const cumprod: CompositeFunction<
  (x: TensorLike, axis?: number, options?: CumulativeOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "cumprod",
    apply: ([x], { axis, ...options }) => cumprod(x, axis, options),
    differentiable: true,
    domain: scanCase,
    accuracy: "sum",
  } satisfies Entry<ScanAttributes>,
  ["cumprod(x, axis, options)", { reverse: boolean }],
  (call) =>
    function cumprod(x, axis = -1, options) {
      call.check(arguments);
      const { input, attributes } = given(call, x, axis, options);
      return along(input.dtype === "bool" ? cast(input, "int") : input, attributes, products);
    },
);

/**
 * The logarithm of the running sum of exponentials along an axis, computed without overflow, always `float`.
 *
 * @param x any dtype, at least one axis.
 * @param axis the axis, default the last.
 * @param options `reverse`: whether each element is combined with all after it instead; default false.
 * @returns the shape of `x`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logCumSumExp, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logCumSumExp(tensor([0, 1000, -1000])).toArray(), [0, 1000, 1000]);
 * ```
 */
export const logCumSumExp: CompositeFunction<
  (x: TensorLike, axis?: number, options?: CumulativeOptions) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "logCumSumExp",
    apply: ([x], { axis, ...options }) => logCumSumExp(x, axis, options),
    differentiable: true,
    domain: scanCase,
  } satisfies Entry<ScanAttributes>,
  ["logCumSumExp(x, axis, options)", { reverse: boolean }],
  (call) =>
    function logCumSumExp(x, axis = -1, options) {
      call.check(arguments);
      const { input, attributes } = given(call, x, axis, options);
      return along(cast(input, "float"), attributes, exponentials);
    },
);
