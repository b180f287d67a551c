/** Cutting tensors apart, and repeating them. */
import type { Entry } from "../core/op.ts";
import { axisOrThrow } from "../core/record.ts";
import { arrayOf, either, whole } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction } from "./define/op.ts";
import { broadcastTo, reshape, slice } from "./movement.ts";

const wholeFrom0 = /* @__PURE__ */ whole(0);
const partsKind = /* @__PURE__ */ either(whole(1), /* @__PURE__ */ arrayOf(wholeFrom0, "sizes, whole numbers from 0"));
const countsKind = /* @__PURE__ */ either(wholeFrom0, /* @__PURE__ */ arrayOf(wholeFrom0, "whole numbers from 0"));

/** The sizes of parts of an axis, and which of them is meant. */
type Parts = { readonly sizes: readonly number[]; readonly axis: number; readonly part: number };

/**
 * Cuts a tensor into parts along an axis. A number says how many equal parts, as in NumPy and JAX; in PyTorch it is the size of each.
 *
 * @param x any dtype, at least one axis.
 * @param parts how many equal parts, or the size of each part.
 * @param axis the axis, default 0.
 * @returns the parts in order.
 * @throws if the axis has no such parts.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { split, tensor } from "gpugrad";
 *
 * const [a, b] = split(tensor([1, 2, 3, 4]), 2);
 * assert.deepEqual([await a.toArray(), await b.toArray()], [[1, 2], [3, 4]]);
 * assert.deepEqual(split(tensor([1, 2, 3, 4]), [1, 3]).map((t) => t.size), [1, 3]);
 * ```
 */
export const split: CompositeFunction<
  (x: TensorLike, parts: number | readonly number[], axis?: number) => Tensor[]
> = /* @__PURE__ */ composite(
  {
    name: "split",
    apply: ([x], { sizes, axis, part }) => split(x, sizes, axis)[part],
    differentiable: true,
    domain: (draw) => {
      const shape = draw.shape({ minRank: 1 });
      const axis = draw.int(0, shape.length - 1);
      const first = draw.int(0, shape[axis]);
      const sizes = [first, shape[axis] - first];
      return { inputs: [{ shape }], attributes: { sizes, axis, part: draw.int(0, 1) } };
    },
    accuracy: "exact",
  } satisfies Entry<Parts>,
  "split(x, parts, axis)",
  (call) =>
    function split(x, parts, axis = 0) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      if (!partsKind.accepts(parts)) throw call.wrong("parts", partsKind.expected, parts);
      const at = axisOrThrow(call, input.shape, axis);
      const n = input.shape[at];
      const sizes = typeof parts === "number" ? new Array<number>(parts).fill(n / parts) : parts;
      if (sizes.some((size) => !Number.isInteger(size)) || sizes.reduce((a, b) => a + b, 0) !== n) {
        const what = typeof parts === "number" ? "a number of equal parts" : "sizes that add up to";
        const of = typeof parts === "number" ? ` of ${n} (axis ${at} of ${formatShape(input.shape)})` : ` ${n}`;
        throw call.error(`expected ${what}${of}, got ${typeof parts === "number" ? parts : formatShape(parts)}`);
      }
      let start = 0;
      return sizes.map((size) => {
        const from = start;
        start += size;
        return slice(input, input.shape.map((_, a) => (a === at ? [from, from + size] as const : null)));
      });
    },
);

/** How often each axis is repeated. */
type Repeats = { readonly counts: readonly number[] };

/**
 * Repeats a tensor along its axes, as a whole, by NumPy's rule: counts beyond the axes add axes in front, and axes without one stay.
 *
 * @param x any dtype.
 * @param counts how often along each of the last axes; a number for the last alone.
 * @throws if a count is not a whole number from 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, tile } from "gpugrad";
 *
 * assert.deepEqual(await tile(tensor([1, 2]), 2).toArray(), [1, 2, 1, 2]);
 * assert.deepEqual(await tile(tensor([1, 2]), [2, 1]).toArray(), [[1, 2], [1, 2]]);
 * ```
 */
export const tile: CompositeFunction<(x: TensorLike, counts: number | readonly number[]) => Tensor> =
  /* @__PURE__ */ composite(
    {
      name: "tile",
      apply: ([x], { counts }) => tile(x, counts),
      differentiable: true,
      domain: (draw) => {
        const shape = draw.shape({ maxRank: 2 });
        const counts = Array.from({ length: draw.int(0, 3) }, () => draw.int(0, 3));
        return { inputs: [{ shape }], attributes: { counts } };
      },
      accuracy: "exact",
    } satisfies Entry<Repeats>,
    "tile(x, counts)",
    (call) =>
      function tile(x, counts) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        if (!countsKind.accepts(counts)) throw call.wrong("counts", countsKind.expected, counts);
        const given = typeof counts === "number" ? [counts] : counts;
        const rank = Math.max(given.length, input.shape.length);
        const padded = (list: readonly number[]) => [...new Array<number>(rank - list.length).fill(1), ...list];
        const [sizes, repeats] = [padded(input.shape), padded(given)];
        // Each axis gets one of its repetitions before it; both become one axis again.
        const spread = broadcastTo(
          reshape(input, sizes.flatMap((n) => [1, n])),
          sizes.flatMap((n, a) => [repeats[a], n]),
        );
        return reshape(spread, sizes.map((n, a) => repeats[a] * n));
      },
  );
