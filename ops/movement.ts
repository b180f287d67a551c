/** Ops that rearrange: they only rewrite indices, so they cost nothing when they are fused. */
import { add, constant, flatten, scale, unflatten } from "../core/affine.ts";
import type { Case, Draw, Entry, Op } from "../core/op.ts";
import { axesOrThrow, axisOrThrow, record, shapeOrThrow } from "../core/record.ts";
import { describe, isShape, type Signature } from "../core/options.ts";
import { broadcastShapes, formatShape, normalizeAxis, sameShape, type Shape, sizeOf } from "../core/shape.ts";
import { type DType, Tensor } from "../core/tensor.ts";
import { cast } from "./cast.ts";
import { less } from "./comparison.ts";
import { arange, asTensor, checkCountable, full, isCountable, type TensorLike } from "./creation.ts";
import { promoted } from "./define/dtype.ts";
import { composite, type CompositeFunction, type OpFunction, structured } from "./define/op.ts";
import { where } from "./selection.ts";

/** Splits n into factors, so that reshapes and views of any size can be drawn. */
function factors(draw: Draw, n: number): number[] {
  const shape: number[] = [];
  let rest = n;
  while (rest > 1) {
    const divisors = [...Array(rest).keys()].map((i) => i + 1).filter((d) => d > 1 && rest % d === 0);
    const d = draw.pick(divisors);
    shape.push(d);
    rest /= d;
  }
  if (draw.bool()) shape.splice(draw.int(0, shape.length), 0, 1);
  return shape;
}

/** A shape to reach. */
type TargetShape = { readonly shape: Shape };

/**
 * The same elements in another shape, in row-major order.
 *
 * @param x any dtype.
 * @param shape the new shape; one axis may be -1 and takes up the remaining elements.
 * @throws if the sizes differ.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { reshape, tensor } from "gpugrad";
 *
 * assert.deepEqual(await reshape(tensor([1, 2, 3, 4]), [2, -1]).toArray(), [[1, 2], [3, 4]]);
 * ```
 */
export const reshape: OpFunction<(x: TensorLike, shape: Shape) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "reshape",
    infer: ([x], { shape }) => ({ shape, dtype: x.dtype }),
    kernel: {
      kind: "movement",
      source: (out, _, input, output) => unflatten(flatten(out, output), input),
      keepsOrder: true,
    },
    vjp: [({ cotangent, inputs: [x] }) => reshape(cotangent, x.shape)],
    domain: (draw) => {
      const shape = draw.shape();
      const size = sizeOf(shape);
      return { inputs: [{ shape }], attributes: { shape: size === 0 ? [...shape, 2] : factors(draw, size) } };
    },
  } satisfies Op<TargetShape>,
  "reshape(x, shape)",
  (op, call) =>
    function reshape(x, shape) {
      if (typeof shape === "number") throw call.unwrapped(arguments, 1, "an array of whole numbers");
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const open = Array.isArray(shape) ? shape.indexOf(-1) : -1;
      if (open >= 0 && open !== shape.lastIndexOf(-1)) {
        throw call.error(`expected at most one -1, the axis that is left over, got [${shape.join(", ")}]`);
      }
      const given = shapeOrThrow(call, open < 0 ? shape : shape.map((n, i) => (i === open ? 0 : n)));
      const target = open < 0 ? given : given.with(open, input.size / sizeOf(given.filter((_, i) => i !== open)));
      if (sizeOf(target) !== input.size || (open >= 0 && !Number.isInteger(target[open]))) {
        throw call.error(
          `expected a shape of ${input.size} elements (x is ${formatShape(input.shape)}), got ${formatShape(shape)}`,
        );
      }
      return sameShape(target, input.shape) ? input : record(op, [input], { shape: target });
    },
);

/**
 * Reorders the axes.
 *
 * @param x any dtype.
 * @param order for each axis of the result, the axis of `x` that it is; default reversed.
 * @throws if the order is not a permutation of the axes.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, transpose } from "gpugrad";
 *
 * assert.deepEqual(await transpose(tensor([[1, 2], [3, 4]])).toArray(), [[1, 3], [2, 4]]);
 * ```
 */
export const transpose: OpFunction<
  (x: TensorLike, order?: readonly number[]) => Tensor
> = /* @__PURE__ */ structured(
  {
    name: "transpose",
    infer: ([x], { order }) => ({ shape: order.map((a) => x.shape[a]), dtype: x.dtype }),
    kernel: {
      kind: "movement",
      source: (out, { order }, input) => input.map((_, a) => out[order.indexOf(a)]),
    },
    vjp: [({ cotangent, attributes: { order } }) => transpose(cotangent, order.map((_, a) => order.indexOf(a)))],
    domain: (draw) => {
      const shape = draw.shape();
      const left = shape.map((_, a) => a);
      const order: number[] = [];
      while (left.length > 0) order.push(...left.splice(draw.int(0, left.length - 1), 1));
      return { inputs: [{ shape }], attributes: { order } };
    },
  } satisfies Op<{ readonly order: readonly number[] }>,
  "transpose(x, order)",
  (op, call) =>
    function transpose(x, order) {
      if (typeof order === "number") throw call.unwrapped(arguments, 1, "an array with each axis once");
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const { shape } = input;
      if (order !== undefined && !Array.isArray(order)) {
        throw call.wrong("order", "an array with each axis once", order);
      }
      const axes = Array.from(
        order ?? shape.map((_, a) => shape.length - 1 - a),
        (a, i) => axisOrThrow(call, shape, a, `order[${i}]`),
      );
      if (axes.length !== shape.length || new Set(axes).size !== shape.length) {
        throw call.error(`expected each axis of shape ${formatShape(shape)} once, got ${formatShape(axes)}`);
      }
      return axes.every((a, i) => a === i) ? input : record(op, [input], { order: axes });
    },
);

/**
 * Broadcasts to a shape by NumPy's rule: repeats axes of size 1 and adds axes in front.
 *
 * @param x any dtype.
 * @param shape the shape to reach.
 * @throws if `x` does not broadcast to it.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { broadcastTo, tensor } from "gpugrad";
 *
 * assert.deepEqual(await broadcastTo(tensor([1, 2]), [2, 2]).toArray(), [[1, 2], [1, 2]]);
 * ```
 */
export const broadcastTo: OpFunction<(x: TensorLike, shape: Shape) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "broadcastTo",
    infer: ([x], { shape }) => ({ shape, dtype: x.dtype }),
    kernel: {
      kind: "movement",
      source: (out, _, input) => {
        const added = out.length - input.length;
        return input.map((n, a) => (n === 1 ? constant(0) : out[a + added]));
      },
    },
    vjp: [({ cotangent }) => cotangent],
    domain: (draw) => {
      const [a, b] = draw.broadcastable(2);
      return { inputs: [{ shape: a }], attributes: { shape: broadcastShapes([a, b])! } };
    },
  } satisfies Op<TargetShape>,
  "broadcastTo(x, shape)",
  (op, call) =>
    function broadcastTo(x, shape) {
      if (typeof shape === "number") throw call.unwrapped(arguments, 1, "an array of whole numbers from 0");
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const target = shapeOrThrow(call, shape);
      const common = broadcastShapes([input.shape, target]);
      if (!common || !sameShape(common, target)) {
        throw call.error(
          `expected a shape that ${formatShape(input.shape)} broadcasts to, got ${formatShape(target)}`,
        );
      }
      return sameShape(target, input.shape) ? input : record(op, [input], { shape: target });
    },
);

/** A part of a tensor: for each axis its start, step and length. */
export type Strides = {
  readonly starts: readonly number[];
  readonly steps: readonly number[];
  readonly counts: readonly number[];
};

/** A part of an axis: `[start, end, step?]` by Python's rules, an index, which removes the axis, or `null` for all of it. */
export type Range = readonly [start: number | null, end: number | null, step?: number] | number | null;

/**
 * A part of a tensor, by Python's rules: negative numbers count from the end, bounds are clamped, and a step may be negative. Where
 * ranges begin may change from call to call; other lengths or steps are compiled anew.
 *
 * @param x any dtype.
 * @param ranges one entry per axis; axes without one stay whole.
 * @throws if there are more entries than axes, a step is 0, or an index is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { slice, tensor } from "gpugrad";
 *
 * const x = tensor([[1, 2, 3], [4, 5, 6]]);
 * assert.deepEqual(await slice(x, [null, [1, 3]]).toArray(), [[2, 3], [5, 6]]);
 * assert.deepEqual(await slice(x, [-1, [null, null, -1]]).toArray(), [6, 5, 4]);
 * ```
 */
export const slice: OpFunction<(x: TensorLike, ranges: readonly Range[]) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "slice",
    infer: ([x], { counts }) => ({ shape: counts, dtype: x.dtype }),
    kernel: {
      kind: "movement",
      source: (out, { starts, steps }) => out.map((i, a) => add(scale(i, steps[a]), constant(starts[a]))),
      offsets: {
        of: (attributes) => attributes.starts.map((start, a) => start - firstOf(attributes, a)),
        at: (attributes, offsets) => ({ ...attributes, starts: offsets.map((o, a) => o + firstOf(attributes, a)) }),
        most: ({ steps, counts }, shape) => shape.map((n, a) => n - (counts[a] - 1) * Math.abs(steps[a]) - 1),
      },
    },
    vjp: [({ cotangent, inputs: [x], attributes }) => unslice(cotangent, x.shape, attributes)],
    selects: [
      ({ inputs: [x], attributes }) => unslice(full(attributes.counts, 1, { dtype: "bool" }), x.shape, attributes),
    ],
    domain: (draw) => {
      const shape = draw.shape();
      const counts = shape.map((n) => (n === 0 ? 0 : draw.int(0, n)));
      const steps = shape.map((n, a) => (counts[a] > 1 ? draw.int(1, Math.floor((n - 1) / (counts[a] - 1))) : 1));
      const starts = shape.map((n, a) => (counts[a] === 0 ? 0 : draw.int(0, n - 1 - (counts[a] - 1) * steps[a])));
      const backward = shape.map(() => draw.bool());
      return {
        inputs: [{ shape }],
        attributes: {
          counts,
          steps: steps.map((s, a) => (backward[a] ? -s : s)),
          starts: starts.map((s, a) => (backward[a] && counts[a] > 0 ? s + (counts[a] - 1) * steps[a] : s)),
        },
      };
    },
  } satisfies Op<Strides>,
  "slice(x, ranges)",
  (op, call) =>
    function slice(x, ranges) {
      if (typeof ranges === "number") throw bareRange(call, arguments);
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const { shape } = input;
      if (!Array.isArray(ranges)) throw call.wrong("ranges", "an array with one entry an axis", ranges);
      if (ranges.length > shape.length) {
        const isRange = ranges.length <= 3 && ranges.every((bound) => bound === null || typeof bound === "number");
        const meant = isRange ? `; write slice(x, [[${ranges.join(", ")}]]) for a range of one axis` : "";
        throw call.error(
          `expected at most ${shape.length} ranges for shape ${formatShape(shape)}, got ${ranges.length}${meant}`,
        );
      }
      const parts = shape.map((n, axis) => partOf(call, axis < ranges.length ? ranges[axis] : null, n, axis));
      const whole = parts.every((p, a) => p.start === 0 && p.step === 1 && p.count === shape[a]);
      const part = whole ? input : record(op, [input], {
        starts: parts.map((p) => p.start),
        steps: parts.map((p) => p.step),
        counts: parts.map((p) => p.count),
      });
      const kept = part.shape.filter((_, a) => typeof ranges[a] !== "number");
      return kept.length === part.shape.length ? part : reshape(part, kept);
    },
);

/** The start of a slice that contains the first element of the axis: the last of its elements, if it goes backwards. */
function firstOf({ steps, counts }: Strides, axis: number): number {
  return steps[axis] < 0 ? (1 - counts[axis]) * steps[axis] : 0;
}

/** Puts the elements of a slice back where they came from, among zeros. */
export function unslice(x: Tensor, shape: Shape, { starts, steps, counts }: Strides): Tensor {
  if (sizeOf(counts) === 0) return full(shape, 0, { dtype: x.dtype });
  let spread = flipAxes(x, steps.map((s) => s < 0));
  const widths = steps.map(Math.abs);
  const lengths = counts.map((c, a) => (c - 1) * widths[a] + 1);
  widths.forEach((width, a) => {
    if (width === 1 || counts[a] === 1) return;
    // Each element is followed by width - 1 zeros, the last one by none.
    const cells = unsqueeze(spread, a + 1);
    const padded = pad(cells, cells.shape.map((_, b) => (b === a + 1 ? [0, width - 1] : [0, 0])));
    const merged = reshape(padded, [...spread.shape.slice(0, a), counts[a] * width, ...spread.shape.slice(a + 1)]);
    spread = slice(merged, merged.shape.map((_, b) => (b === a ? [0, lengths[a]] : null)));
  });
  const lows = starts.map((s, a) => (steps[a] < 0 ? s - (lengths[a] - 1) : s));
  return pad(spread, shape.map((n, a) => [lows[a], n - lows[a] - lengths[a]] as const));
}

function flipAxes(x: Tensor, flips: readonly boolean[]): Tensor {
  if (!flips.some(Boolean)) return x;
  return record(slice.op, [x], {
    starts: x.shape.map((n, a) => (flips[a] ? Math.max(0, n - 1) : 0)),
    steps: x.shape.map((_, a) => (flips[a] ? -1 : 1)),
    counts: x.shape.slice(),
  });
}

/** The error for numbers in place of the ranges: two are the bounds of a range, as of a slice of an array. */
function bareRange(call: Signature, args: ArrayLike<unknown>): Error {
  const { 1: start, 2: end } = args;
  if (typeof end !== "number") return call.unwrapped(args, 1, "an array with one entry an axis");
  const meant = `[[${describe(start)}, ${describe(end)}]]`;
  return call.error(`expected ranges to be an array with one entry an axis, got ${start}; write slice(x, ${meant})`);
}

/** Returns the start, step and length of a range of an axis of length `n`. */
function partOf(
  call: Signature,
  range: Range,
  n: number,
  axis: number,
): { start: number; step: number; count: number } {
  if (range === null) return { start: 0, step: 1, count: n };
  if (typeof range === "number") {
    if (!Number.isInteger(range) || range < -n || range >= n) {
      const indices = n === 0 ? "no index" : `an index from ${-n} to ${n - 1}`;
      throw call.error(`expected ${indices} for axis ${axis}, got ${range}`);
    }
    return { start: range < 0 ? range + n : range + 0, step: 1, count: 1 };
  }
  if (!Array.isArray(range) || range.length < 2 || range.length > 3) {
    throw call.wrong(`ranges[${axis}]`, "[start, end], [start, end, step], an index or null", range);
  }
  const [from, to, step = 1] = range;
  if (!Number.isInteger(step) || step === 0) {
    throw call.error(`expected a whole step other than 0 for axis ${axis}, got ${describe(step)}`);
  }
  for (const bound of [from, to]) {
    if (bound !== null && !Number.isInteger(bound)) {
      throw call.error(`expected whole bounds or null for axis ${axis}, got ${describe(bound)}`);
    }
  }
  const [lowest, highest] = step > 0 ? [0, n] : [-1, n - 1];
  const place = (i: number) => Math.min(highest, Math.max(lowest, i < 0 ? i + n : i + 0));
  const start = from === null ? (step > 0 ? 0 : n - 1) : place(from);
  const end = to === null ? (step > 0 ? n : -1) : place(to);
  const count = Math.max(0, Math.ceil((end - start) / step));
  return { start: count === 0 ? 0 : start, step: count > 1 ? step : 1, count };
}

/** How many elements to add to each axis, and their value. */
type Padding = { readonly before: readonly number[]; readonly after: readonly number[]; readonly value: number };

/** For each axis, how many elements to add before and after it. */
export type Widths = readonly (readonly [before: number, after: number])[];

/**
 * Pads a tensor with a value.
 *
 * @param x any dtype.
 * @param widths for each axis, how many elements to add before and after it.
 * @param value the value to pad with, default 0.
 * @throws if a width is not a whole number from 0, or the dtype cannot hold the value.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { pad, tensor } from "gpugrad";
 *
 * assert.deepEqual(await pad(tensor([1, 2]), [[1, 2]], 9).toArray(), [9, 1, 2, 9, 9]);
 * ```
 */
export const pad: OpFunction<(x: TensorLike, widths: Widths, value?: number | boolean) => Tensor> =
  /* @__PURE__ */ structured(
    {
      name: "pad",
      infer: ([x], { before, after }) => ({
        shape: x.shape.map((n, a) => n + before[a] + after[a]),
        dtype: x.dtype,
      }),
      kernel: {
        kind: "movement",
        source: (out, { before }) => out.map((i, a) => add(i, constant(-before[a]))),
        fill: ({ value }) => value,
        offsets: {
          of: ({ after }) => after,
          at: ({ before, after, value }, offsets) => ({
            before: before.map((n, a) => n + after[a] - offsets[a]),
            after: offsets,
            value,
          }),
          most: ({ before, after }) => before.map((n, a) => n + after[a]),
        },
      },
      vjp: [
        ({ cotangent, inputs: [x], attributes: { before } }) =>
          slice(cotangent, x.shape.map((n, a) => [before[a], before[a] + n] as const)),
      ],
      domain: (draw) => {
        const shape = draw.shape({ minAxis: 1 });
        return {
          inputs: [{ shape }],
          attributes: {
            before: shape.map(() => draw.int(0, 2)),
            after: shape.map(() => draw.int(0, 2)),
            value: draw.pick([0, 1.5, -2]),
          },
        };
      },
    } satisfies Op<Padding>,
    "pad(x, widths, value)",
    (op, call) =>
      function pad(x, widths, value = 0) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const { shape, dtype } = input;
        if (!Array.isArray(widths)) throw call.wrong("widths", "an array with [before, after] for each axis", widths);
        Array.from(widths, (pair, axis) => {
          if (!isShape(pair) || pair.length !== 2) {
            throw call.wrong(`widths[${axis}]`, "[before, after], whole numbers from 0", pair);
          }
        });
        if (widths.length !== shape.length) {
          throw call.error(`expected ${shape.length} pairs for shape ${formatShape(shape)}, got ${widths.length}`);
        }
        const before = widths.map(([n]) => n + 0);
        const after = widths.map(([, n]) => n + 0);
        const fill = paddingOf(call, value, dtype);
        if ([...before, ...after].every((n) => n === 0)) return input;
        if (input.size === 0) return full(shape.map((n, a) => n + before[a] + after[a]), fill, { dtype });
        return record(op, [input], { before, after, value: fill });
      },
  );

/** The number that a tensor of a dtype is padded with. */
function paddingOf(call: Signature, value: number | boolean, dtype: DType): number {
  const fill = typeof value === "boolean" ? Number(value) : value;
  if (typeof value === "boolean" ? dtype === "bool" : typeof value === "number") {
    if (dtype === "float" || (dtype === "bool" ? fill === 0 || fill === 1 : isCountable(fill))) return fill + 0;
  }
  const expected = {
    float: "a number",
    int: "a whole number of at most 2^24 for dtype int",
    bool: "a boolean, 0 or 1 for dtype bool",
  };
  throw call.wrong("value", expected[dtype], value);
}

/** One axis of a tensor. */
type AxisAttribute = { readonly axis: number };

const oneAxis = (draw: Draw): Case<AxisAttribute> => {
  const shape = draw.shape({ minRank: 1 });
  return { inputs: [{ shape }], attributes: { axis: draw.int(-shape.length, shape.length - 1) } };
};

/**
 * Reverses the order of elements along one or several axes.
 *
 * @param x any dtype.
 * @param axis the axis or axes, default all.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { flip, tensor } from "gpugrad";
 *
 * assert.deepEqual(await flip(tensor([1, 2, 3]), 0).toArray(), [3, 2, 1]);
 * ```
 */
export const flip: CompositeFunction<(x: TensorLike, axis?: number | readonly number[]) => Tensor> =
  /* @__PURE__ */ composite(
    {
      name: "flip",
      apply: ([x], { axis }) => flip(x, axis),
      differentiable: true,
      domain: oneAxis,
      accuracy: "exact",
    } satisfies Entry<AxisAttribute>,
    "flip(x, axis)",
    (call) =>
      function flip(x, axis) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const flipped = axesOrThrow(call, input.shape, axis);
        return flipAxes(input, input.shape.map((_, a) => flipped.includes(a)));
      },
  );

/**
 * Removes axes of size 1.
 *
 * @param x any dtype.
 * @param axis the axis or axes, default all of size 1.
 * @throws if an axis has another size.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { squeeze, zeros } from "gpugrad";
 *
 * assert.deepEqual(squeeze(zeros([1, 3, 1])).shape, [3]);
 * assert.deepEqual(squeeze(zeros([1, 3, 1]), 0).shape, [3, 1]);
 * ```
 */
export const squeeze: CompositeFunction<(x: TensorLike, axis?: number | readonly number[]) => Tensor> =
  /* @__PURE__ */ composite(
    {
      name: "squeeze",
      apply: ([x], { axis }) => squeeze(x, axis),
      differentiable: true,
      domain: (draw) => {
        const shape = draw.shape({ minRank: 1 });
        const axis = draw.int(0, shape.length - 1);
        shape[axis] = 1;
        return { inputs: [{ shape }], attributes: { axis } };
      },
      accuracy: "exact",
    } satisfies Entry<AxisAttribute>,
    "squeeze(x, axis)",
    (call) =>
      function squeeze(x, axis) {
        call.check(arguments);
        const input = asTensor(call, "x", x);
        const { shape } = input;
        const given = axesOrThrow(call, shape, axis);
        const axes = axis === undefined ? given.filter((a) => shape[a] === 1) : given;
        for (const a of axes) {
          if (shape[a] !== 1) {
            throw call.error(`expected axis ${a} of shape ${formatShape(shape)} to have size 1`);
          }
        }
        return reshape(input, shape.filter((_, a) => !axes.includes(a)));
      },
  );

/**
 * Adds an axis of size 1.
 *
 * @param x any dtype.
 * @param axis its position in the result; negative numbers count from the end.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { unsqueeze, zeros } from "gpugrad";
 *
 * assert.deepEqual(unsqueeze(zeros([3]), 0).shape, [1, 3]);
 * assert.deepEqual(unsqueeze(zeros([3]), -1).shape, [3, 1]);
 * ```
 */
export const unsqueeze: CompositeFunction<(x: TensorLike, axis: number) => Tensor> = /* @__PURE__ */ composite(
  {
    name: "unsqueeze",
    apply: ([x], { axis }) => unsqueeze(x, axis),
    differentiable: true,
    domain: (draw) => {
      const shape = draw.shape();
      return { inputs: [{ shape }], attributes: { axis: draw.int(-shape.length - 1, shape.length) } };
    },
    accuracy: "exact",
  } satisfies Entry<AxisAttribute>,
  "unsqueeze(x, axis)",
  (call) =>
    function unsqueeze(x, axis) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      const at = newAxisOrThrow(call, input.shape, axis, "x");
      return reshape(input, [...input.shape.slice(0, at), 1, ...input.shape.slice(at)]);
    },
);

/** The position of a new axis in the result. */
function newAxisOrThrow(call: Signature, shape: Shape, axis: unknown, what: string): number {
  if (!Number.isInteger(axis)) throw call.wrong("axis", "a whole number", axis);
  const at = normalizeAxis(axis as number, shape.length + 1);
  if (at !== null) return at;
  throw call.error(`expected an axis from 0 to ${shape.length} (${what} is ${formatShape(shape)}), got ${axis}`);
}

/** The tensors that an array stands for. */
function asTensors(call: Signature, tensors: unknown, args: IArguments): Tensor[] {
  if (tensors instanceof Tensor) throw call.unwrapped(args, 0, "an array of tensors");
  call.check(args);
  if (!Array.isArray(tensors)) throw call.wrong("tensors", "an array of tensors", tensors);
  if (tensors.length === 0) throw call.error("expected at least one tensor, got none");
  return Array.from(tensors, (t, i) => asTensor(call, `tensors[${i}]`, t));
}

/**
 * Concatenates tensors along an axis.
 *
 * @param tensors at least one; their shapes agree outside of the axis, and their dtypes are promoted.
 * @param axis the axis, default 0.
 * @throws if there are no tensors, or the shapes do not fit.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { concat, tensor } from "gpugrad";
 *
 * assert.deepEqual(await concat([tensor([1, 2]), tensor([3])]).toArray(), [1, 2, 3]);
 * ```
 */
export const concat: CompositeFunction<(tensors: readonly TensorLike[], axis?: number) => Tensor> =
  /* @__PURE__ */ composite(
    {
      name: "concat",
      apply: (tensors, { axis }) => concat(tensors, axis),
      differentiable: true,
      domain: (draw) => {
        const shape = draw.shape({ minRank: 1 });
        const axis = draw.int(0, shape.length - 1);
        const inputs = Array.from({ length: draw.int(1, 4) }, () => ({
          shape: shape.map((n, a) => (a === axis ? draw.int(0, 3) : n)),
        }));
        return { inputs, attributes: { axis } };
      },
      accuracy: "exact",
    } satisfies Entry<AxisAttribute>,
    "concat(tensors, axis)",
    (call) =>
      function concat(tensors, axis = 0) {
        const given = asTensors(call, tensors, arguments);
        const [first] = given;
        const at = axisOrThrow(call, first.shape, axis);
        given.forEach((t, i) => {
          if (t.shape.length === first.shape.length && t.shape.every((n, a) => a === at || n === first.shape[a])) {
            return;
          }
          throw call.error(
            `expected shapes that agree outside of axis ${at}, got ${formatShape(first.shape)} and, for tensor ${i}, ${
              formatShape(t.shape)
            }`,
          );
        });
        return joined(call, given, at);
      },
  );

/** Joins tensors along an axis outside of which their shapes agree. */
function joined(call: Signature, given: readonly Tensor[], at: number): Tensor {
  const [first] = given;
  const dtype = promoted(given.map((t) => t.dtype), "concat");
  const parts = given.filter((t) => t.shape[at] > 0).map((t) => cast(t, dtype));
  if (parts.length === 0) return cast(first, dtype);
  if (parts.length === 1) return parts[0];
  const length = parts.reduce((sum, t) => sum + t.shape[at], 0);
  checkCountable(call, length, `an axis ${at}`);
  let some = parts;
  while (some.length > 1) some = groupsOf(some).map((group) => joinFew(group, at));
  return some[0];
}

/**
 * As many arrays as any kernel can read. If more are joined, each is copied into the array of its group rather than into one
 * array for all.
 */
const GROUP = 6;

/** Groups neighbours, as evenly as possible. */
function groupsOf<T>(items: readonly T[]): T[][] {
  const count = Math.ceil(items.length / GROUP);
  const start = (i: number) => Math.floor((i * items.length) / count);
  return Array.from({ length: count }, (_, i) => items.slice(start(i), start(i + 1)));
}

/** Joins along an axis: each part is padded to the length of all, and selected at its position. */
function joinFew(parts: readonly Tensor[], axis: number): Tensor {
  const ends: number[] = [];
  for (const t of parts) ends.push((ends.at(-1) ?? 0) + t.shape[axis]);
  const length = ends[ends.length - 1];
  const position = reshape(arange(length), parts[0].shape.map((_, a) => (a === axis ? length : 1)));
  const padded = parts.map((t, i) =>
    pad(t, t.shape.map((n, a) => (a === axis ? [ends[i] - n, length - ends[i]] as const : [0, 0] as const)))
  );
  // Halving keeps the choice short for many parts.
  const join = (low: number, high: number): Tensor => {
    if (high - low === 1) return padded[low];
    const middle = (low + high) >> 1;
    return where(less(position, ends[middle - 1]), join(low, middle), join(middle, high));
  };
  return join(0, parts.length);
}

/**
 * Stacks tensors of one shape along a new axis.
 *
 * @param tensors at least one.
 * @param axis the position of the new axis in the result, default 0.
 * @throws if there are no tensors, or the shapes differ.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { stack, tensor } from "gpugrad";
 *
 * assert.deepEqual(await stack([tensor([1, 2]), tensor([3, 4])], 1).toArray(), [[1, 3], [2, 4]]);
 * ```
 */
export const stack: CompositeFunction<(tensors: readonly TensorLike[], axis?: number) => Tensor> =
  /* @__PURE__ */ composite(
    {
      name: "stack",
      apply: (tensors, { axis }) => stack(tensors, axis),
      differentiable: true,
      domain: (draw) => {
        const shape = draw.shape();
        const inputs = Array.from({ length: draw.int(1, 4) }, () => ({ shape }));
        return { inputs, attributes: { axis: draw.int(-shape.length - 1, shape.length) } };
      },
      accuracy: "exact",
    } satisfies Entry<AxisAttribute>,
    "stack(tensors, axis)",
    (call) =>
      function stack(tensors, axis = 0) {
        const given = asTensors(call, tensors, arguments);
        const [{ shape }] = given;
        given.forEach((t, i) => {
          if (sameShape(t.shape, shape)) return;
          throw call.error(
            `expected one shape, got ${formatShape(shape)} and, for tensor ${i}, ${formatShape(t.shape)}`,
          );
        });
        const at = newAxisOrThrow(call, shape, axis, "each tensor");
        return concat(given.map((t) => unsqueeze(t, at)), at);
      },
  );

/** A tensor with an axis moved to the end, and the way back. */
export function lastAxis(x: Tensor, axis: number): { moved: Tensor; back: (y: Tensor) => Tensor } {
  const rank = x.shape.length;
  if (axis === rank - 1) return { moved: x, back: (y) => y };
  const order = [...Array(rank).keys()].filter((a) => a !== axis);
  order.push(axis);
  const inverse = order.map((_, a) => order.indexOf(a));
  return { moved: transpose(x, order), back: (y) => transpose(y, inverse) };
}
