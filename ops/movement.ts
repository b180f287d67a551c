/** Ops that rearrange: they only rewrite indices, so they cost nothing where they are fused. */
import { add, constant, flatten, scale, unflatten } from "../core/affine.ts";
import { axisOrThrow, type Case, defineOp, type Draw, type Op, record, register } from "../core/op.ts";
import { broadcastShapes, formatShape, normalizeAxis, sameShape, type Shape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { arange, full } from "./creation.ts";
import { cast, less, where } from "./elementwise.ts";

const storedOp: Op = {
  name: "stored",
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  kernel: { kind: "movement", source: (out) => [...out], stored: true },
  vjp: [({ cotangent }) => cotangent],
};

/** The same values, computed once into an array: for a small result of much work that many elements read. */
export function stored(x: Tensor): Tensor {
  return record(storedOp, [x]);
}

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

const reshapeOp: Op = defineOp({
  name: "reshape",
  infer: ([x], { shape }) => ({ shape: shape as Shape, dtype: x.dtype }),
  kernel: { kind: "movement", source: (out, _, input, output) => unflatten(flatten(out, output), input) },
  vjp: [({ cotangent, inputs: [x] }) => reshape(cotangent, x.shape)],
  domain: (draw) => {
    const shape = draw.shape();
    const size = sizeOf(shape);
    return { inputs: [{ shape }], attributes: { shape: size === 0 ? [...shape, 2] : factors(draw, size) } };
  },
});

/**
 * The same elements in another shape, in row-major order.
 *
 * @param x any dtype.
 * @param shape the new shape; one axis may be -1 and gets what is left.
 * @throws where the sizes differ.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { reshape, tensor } from "gpugrad";
 *
 * assert.deepEqual(await reshape(tensor([1, 2, 3, 4]), [2, -1]).toArray(), [[1, 2], [3, 4]]);
 * ```
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const open = shape.indexOf(-1);
  let target = shape.slice();
  if (open >= 0) {
    const rest = sizeOf(shape.filter((_, i) => i !== open));
    target = shape.map((n, i) => (i === open ? x.size / rest : n));
  }
  if (target.some((n) => !Number.isInteger(n) || n < 0) || sizeOf(target) !== x.size) {
    throw new Error(
      `reshape: expected a shape of ${x.size} elements (x is ${formatShape(x.shape)}), got ${formatShape(shape)}`,
    );
  }
  return sameShape(target, x.shape) ? x : record(reshapeOp, [x], { shape: target });
}

const transposeOp: Op = defineOp({
  name: "transpose",
  infer: ([x], { order }) => ({ shape: (order as number[]).map((a) => x.shape[a]), dtype: x.dtype }),
  kernel: {
    kind: "movement",
    source: (out, { order }, input) => input.map((_, a) => out[(order as number[]).indexOf(a)]),
  },
  vjp: [({ cotangent, attributes }) => {
    const order = attributes.order as number[];
    return transpose(cotangent, order.map((_, a) => order.indexOf(a)));
  }],
  domain: (draw) => {
    const shape = draw.shape();
    const left = shape.map((_, a) => a);
    const order: number[] = [];
    while (left.length > 0) order.push(...left.splice(draw.int(0, left.length - 1), 1));
    return { inputs: [{ shape }], attributes: { order } };
  },
});

/**
 * Reorders the axes.
 *
 * @param x any dtype.
 * @param order for each axis of the result, the axis of x that it is; reversed unless given.
 * @throws where the order is not a permutation of the axes.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tensor, transpose } from "gpugrad";
 *
 * assert.deepEqual(await transpose(tensor([[1, 2], [3, 4]])).toArray(), [[1, 3], [2, 4]]);
 * ```
 */
export function transpose(x: Tensor, order?: readonly number[]): Tensor {
  const rank = x.shape.length;
  const axes = (order ?? x.shape.map((_, a) => rank - 1 - a)).map((a) => axisOrThrow("transpose", x.shape, a));
  if (axes.length !== rank || new Set(axes).size !== rank) {
    throw new Error(`transpose: expected each axis of shape ${formatShape(x.shape)} once, got ${formatShape(axes)}`);
  }
  return axes.every((a, i) => a === i) ? x : record(transposeOp, [x], { order: axes });
}

const broadcastToOp: Op = defineOp({
  name: "broadcastTo",
  infer: ([x], { shape }) => ({ shape: shape as Shape, dtype: x.dtype }),
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
});

/**
 * Repeats axes of size 1, and adds axes in front, by NumPy's rule.
 *
 * @param x any dtype.
 * @param shape the shape to reach.
 * @throws where x does not broadcast to it.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { broadcastTo, tensor } from "gpugrad";
 *
 * assert.deepEqual(await broadcastTo(tensor([1, 2]), [2, 2]).toArray(), [[1, 2], [1, 2]]);
 * ```
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  const common = broadcastShapes([x.shape, shape]);
  if (!common || !sameShape(common, shape)) {
    throw new Error(
      `broadcastTo: expected a shape that ${formatShape(x.shape)} broadcasts to, got ${formatShape(shape)}`,
    );
  }
  return sameShape(shape, x.shape) ? x : record(broadcastToOp, [x], { shape: shape.slice() });
}

interface Strides {
  readonly starts: readonly number[];
  readonly steps: readonly number[];
  readonly counts: readonly number[];
}

const sliceOp: Op = defineOp({
  name: "slice",
  infer: ([x], attributes) => ({ shape: (attributes as unknown as Strides).counts, dtype: x.dtype }),
  kernel: {
    kind: "movement",
    source: (out, attributes) => {
      const { starts, steps } = attributes as unknown as Strides;
      return out.map((i, a) => add(scale(i, steps[a]), constant(starts[a])));
    },
  },
  vjp: [({ cotangent, inputs: [x], attributes }) => unslice(cotangent, x.shape, attributes as unknown as Strides)],
  selects: [({ inputs: [x], attributes }) => {
    const strides = attributes as unknown as Strides;
    return unslice(full(strides.counts, 1, { dtype: "bool" }), x.shape, strides);
  }],
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
});

/** Puts the elements of a slice back to where they came from, among zeros. */
function unslice(x: Tensor, shape: Shape, { starts, steps, counts }: Strides): Tensor {
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
  return record(sliceOp, [x], {
    starts: x.shape.map((n, a) => (flips[a] ? Math.max(0, n - 1) : 0)),
    steps: x.shape.map((_, a) => (flips[a] ? -1 : 1)),
    counts: x.shape.slice(),
  });
}

/** A part of an axis: `[start, end, step?]` by Python's rules, an index (the axis goes), or `null` for all of it. */
export type Range = readonly [start: number | null, end: number | null, step?: number] | number | null;

/**
 * A part of a tensor, by Python's rules: negative numbers count from the end, bounds are clamped, a step may be negative.
 *
 * @param x any dtype.
 * @param ranges one entry an axis; axes without one stay whole.
 * @throws on more entries than axes, a step of 0, an index outside.
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
export function slice(x: Tensor, ranges: readonly Range[]): Tensor {
  if (ranges.length > x.shape.length) {
    throw new Error(
      `slice: expected at most ${x.shape.length} ranges for shape ${formatShape(x.shape)}, got ${ranges.length}`,
    );
  }
  const parts = x.shape.map((n, axis) => partOf(ranges[axis] ?? null, n, axis));
  const whole = parts.every((p, a) => p.start === 0 && p.step === 1 && p.count === x.shape[a]);
  const part = whole ? x : record(sliceOp, [x], {
    starts: parts.map((p) => p.start),
    steps: parts.map((p) => p.step),
    counts: parts.map((p) => p.count),
  });
  const kept = part.shape.filter((_, a) => typeof ranges[a] !== "number");
  return kept.length === part.shape.length ? part : reshape(part, kept);
}

function partOf(range: Range, n: number, axis: number): { start: number; step: number; count: number } {
  if (range === null) return { start: 0, step: 1, count: n };
  if (typeof range === "number") {
    if (!Number.isInteger(range) || range < -n || range >= n) {
      throw new Error(`slice: expected an index from ${-n} to ${n - 1} for axis ${axis}, got ${range}`);
    }
    return { start: range < 0 ? range + n : range, step: 1, count: 1 };
  }
  const [from, to, step = 1] = range;
  if (!Number.isInteger(step) || step === 0) {
    throw new Error(`slice: expected a whole step other than 0 for axis ${axis}, got ${step}`);
  }
  for (const bound of [from, to]) {
    if (bound !== null && !Number.isInteger(bound)) {
      throw new Error(`slice: expected whole bounds or null for axis ${axis}, got ${bound}`);
    }
  }
  const [lowest, highest] = step > 0 ? [0, n] : [-1, n - 1];
  const place = (i: number) => Math.min(highest, Math.max(lowest, i < 0 ? i + n : i));
  const start = from === null ? (step > 0 ? 0 : n - 1) : place(from);
  const end = to === null ? (step > 0 ? n : -1) : place(to);
  const count = Math.max(0, Math.ceil((end - start) / step));
  return { start: count === 0 ? 0 : start, step: count > 1 ? step : 1, count };
}

const padOp: Op = defineOp({
  name: "pad",
  infer: ([x], { before, after }) => ({
    shape: x.shape.map((n, a) => n + (before as number[])[a] + (after as number[])[a]),
    dtype: x.dtype,
  }),
  kernel: {
    kind: "movement",
    source: (out, { before }) => out.map((i, a) => add(i, constant(-(before as number[])[a]))),
    fill: ({ value }) => value as number,
  },
  vjp: [({ cotangent, inputs: [x], attributes }) => {
    const before = attributes.before as number[];
    return slice(cotangent, x.shape.map((n, a) => [before[a], before[a] + n] as const));
  }],
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
});

/**
 * Puts a value around a tensor.
 *
 * @param x any dtype.
 * @param widths for each axis how many elements to add before and after.
 * @param value what to add, 0 unless told.
 * @throws on widths that are not whole or below 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { pad, tensor } from "gpugrad";
 *
 * assert.deepEqual(await pad(tensor([1, 2]), [[1, 2]], 9).toArray(), [9, 1, 2, 9, 9]);
 * ```
 */
export function pad(x: Tensor, widths: readonly (readonly [before: number, after: number])[], value = 0): Tensor {
  if (widths.length !== x.shape.length) {
    throw new Error(`pad: expected ${x.shape.length} pairs for shape ${formatShape(x.shape)}, got ${widths.length}`);
  }
  widths.forEach((pair, axis) => {
    if (pair.some((n) => !Number.isInteger(n) || n < 0)) {
      throw new Error(`pad: expected whole widths from 0 for axis ${axis}, got ${pair.join(", ")}`);
    }
  });
  if (x.dtype !== "float" && !Number.isInteger(value)) {
    throw new Error(`pad: expected a whole value for dtype ${x.dtype}, got ${value}`);
  }
  const before = widths.map(([n]) => n);
  const after = widths.map(([, n]) => n);
  if ([...before, ...after].every((n) => n === 0)) return x;
  if (x.size === 0) return full(x.shape.map((n, a) => n + before[a] + after[a]), value, { dtype: x.dtype });
  return record(padOp, [x], { before, after, value });
}

/**
 * Reverses the order along one or several axes.
 *
 * @param x any dtype.
 * @param axis the axis or axes; all unless given.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { flip, tensor } from "gpugrad";
 *
 * assert.deepEqual(await flip(tensor([1, 2, 3]), 0).toArray(), [3, 2, 1]);
 * ```
 */
export function flip(x: Tensor, axis?: number | readonly number[]): Tensor {
  const axes = axis === undefined ? x.shape.map((_, a) => a) : typeof axis === "number" ? [axis] : axis;
  const flipped = axes.map((a) => axisOrThrow("flip", x.shape, a));
  return flipAxes(x, x.shape.map((_, a) => flipped.includes(a)));
}

/**
 * Removes axes of size 1.
 *
 * @param x any dtype.
 * @param axis the axis or axes; all of size 1 unless given.
 * @throws where an axis has another size.
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
export function squeeze(x: Tensor, axis?: number | readonly number[]): Tensor {
  const given = axis === undefined ? null : typeof axis === "number" ? [axis] : axis;
  const axes = given?.map((a) => axisOrThrow("squeeze", x.shape, a)) ??
    x.shape.map((_, a) => a).filter((a) => x.shape[a] === 1);
  for (const a of axes) {
    if (x.shape[a] !== 1) {
      throw new Error(`squeeze: expected axis ${a} of shape ${formatShape(x.shape)} to have size 1`);
    }
  }
  return reshape(x, x.shape.filter((_, a) => !axes.includes(a)));
}

/**
 * Adds an axis of size 1.
 *
 * @param x any dtype.
 * @param axis where it stands in the result; negative numbers count from the end.
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
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length + 1);
  if (at === null) {
    throw new Error(
      `unsqueeze: expected an axis from 0 to ${x.shape.length} (x is ${formatShape(x.shape)}), got ${axis}`,
    );
  }
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/**
 * Joins tensors along an axis.
 *
 * @param tensors at least one; sizes agree outside of the axis, dtypes are promoted.
 * @param axis the axis, 0 unless told.
 * @throws where there is nothing to join, or the shapes do not fit.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { concat, tensor } from "gpugrad";
 *
 * assert.deepEqual(await concat([tensor([1, 2]), tensor([3])]).toArray(), [1, 2, 3]);
 * ```
 */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  if (tensors.length === 0) throw new Error("concat: expected at least one tensor, got none");
  const [first] = tensors;
  const at = axisOrThrow("concat", first.shape, axis);
  tensors.forEach((t, i) => {
    if (t.shape.length === first.shape.length && t.shape.every((n, a) => a === at || n === first.shape[a])) return;
    throw new Error(
      `concat: expected shapes that agree outside of axis ${at}, got ${
        formatShape(first.shape)
      } and, for tensor ${i}, ${formatShape(t.shape)}`,
    );
  });
  const dtype = tensors.some((t) => t.dtype === "float")
    ? "float"
    : tensors.some((t) => t.dtype === "int")
    ? "int"
    : "bool";
  const parts = tensors.filter((t) => t.shape[at] > 0).map((t) => cast(t, dtype));
  if (parts.length === 0) return cast(first, dtype);
  const ends: number[] = [];
  for (const t of parts) ends.push((ends.at(-1) ?? 0) + t.shape[at]);
  const length = ends[ends.length - 1];
  const position = reshape(arange(length), first.shape.map((_, a) => (a === at ? length : 1)));
  const padded = parts.map((t, i) =>
    pad(t, t.shape.map((n, a) => (a === at ? [ends[i] - n, length - ends[i]] as const : [0, 0] as const)))
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
 * Joins tensors of one shape along a new axis.
 *
 * @param tensors at least one.
 * @param axis where the new axis stands in the result, 0 unless told.
 * @throws where there is nothing to join, or the shapes differ.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { stack, tensor } from "gpugrad";
 *
 * assert.deepEqual(await stack([tensor([1, 2]), tensor([3, 4])], 1).toArray(), [[1, 3], [2, 4]]);
 * ```
 */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  if (tensors.length === 0) throw new Error("stack: expected at least one tensor, got none");
  tensors.forEach((t, i) => {
    if (sameShape(t.shape, tensors[0].shape)) return;
    throw new Error(
      `stack: expected one shape, got ${formatShape(tensors[0].shape)} and, for tensor ${i}, ${formatShape(t.shape)}`,
    );
  });
  return concat(tensors.map((t) => unsqueeze(t, axis)), axis < 0 ? axis + tensors[0].shape.length + 1 : axis);
}

const oneAxis = (draw: Draw): Case => {
  const shape = draw.shape({ minRank: 1 });
  return { inputs: [{ shape }], attributes: { axis: draw.int(-shape.length, shape.length - 1) } };
};

register({
  name: "flip",
  apply: ([x], { axis }) => flip(x, axis as number),
  differentiable: true,
  domain: oneAxis,
});

register({
  name: "squeeze",
  apply: ([x], { axis }) => squeeze(x, axis as number),
  differentiable: true,
  domain: (draw) => {
    const shape = draw.shape({ minRank: 1 });
    const axis = draw.int(0, shape.length - 1);
    shape[axis] = 1;
    return { inputs: [{ shape }], attributes: { axis } };
  },
});

register({
  name: "unsqueeze",
  apply: ([x], { axis }) => unsqueeze(x, axis as number),
  differentiable: true,
  domain: (draw) => {
    const shape = draw.shape();
    return { inputs: [{ shape }], attributes: { axis: draw.int(-shape.length - 1, shape.length) } };
  },
});

register({
  name: "concat",
  apply: (tensors, { axis }) => concat(tensors, axis as number),
  differentiable: true,
  domain: (draw) => {
    const shape = draw.shape({ minRank: 1 });
    const axis = draw.int(0, shape.length - 1);
    const inputs = Array.from({ length: draw.int(1, 4) }, () => ({
      shape: shape.map((n, a) => (a === axis ? draw.int(0, 3) : n)),
    }));
    return { inputs, attributes: { axis } };
  },
});

register({
  name: "stack",
  apply: (tensors, { axis }) => stack(tensors, axis as number),
  differentiable: true,
  domain: (draw) => {
    const shape = draw.shape();
    const inputs = Array.from({ length: draw.int(1, 4) }, () => ({ shape }));
    return { inputs, attributes: { axis: draw.int(-shape.length - 1, shape.length) } };
  },
});
