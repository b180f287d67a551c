/** Arbitraries of shapes. */
import fc from "fast-check";
import { Signature, whole } from "../../core/options.ts";
import { UsageError } from "../usage.ts";
import { requireKind, requireOrder } from "./arguments.ts";
import { sizes } from "./sizes.ts";

/** Axes and ranks that are drawn most; likelier ones are repeated, the simplest come first. */
const AXES = [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 0];
const RANKS = [1, 1, 2, 2, 3, 3, 4, 0];
/** The most elements of a shape, unless its bounds take more. */
const MOST_ELEMENTS = 512;

/** Bounds of generated shapes. */
export interface ShapeOptions {
  /** The lowest rank, default 0. */
  readonly minRank?: number;
  /** The highest rank, default 3. */
  readonly maxRank?: number;
  /** The shortest axis, default 0: empty axes are where rules go wrong. */
  readonly minAxis?: number;
  /** The longest axis, default 9: errors begin at the eighth element and after it. */
  readonly maxAxis?: number;
}

const kinds = { minRank: whole(0), maxRank: whole(0), minAxis: whole(0), maxAxis: whole(0) };
const shapesCall = new Signature<ShapeOptions>("shapes(options)", kinds, UsageError);
const broadcastableCall = new Signature<ShapeOptions>("broadcastableShapes(count, options)", kinds, UsageError);

/** The bounds that hold for given options. */
function boundsOf({ minRank = 0, minAxis = 0, ...most }: ShapeOptions): Required<ShapeOptions> {
  const { maxRank = Math.max(3, minRank), maxAxis = Math.max(9, minAxis) } = most;
  return { minRank, maxRank, minAxis, maxAxis };
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/**
 * Shortens axes of a shape that has too many elements, the later ones first. Empty axes count as one element: what is
 * computed from the others may not have them.
 *
 * @param first the axis that keeps its length.
 */
function affordable(
  shape: readonly number[],
  first: number,
  { minAxis, maxAxis }: Required<ShapeOptions>,
): number[] {
  const least = Math.max(1, minAxis);
  const result = [...shape];
  let most = Math.max(MOST_ELEMENTS, maxAxis * least ** (shape.length - 1));
  // The least size of the axes that are still to come.
  let rest = least ** shape.length;
  for (let i = 0; i < shape.length; i++) {
    const axis = (first + i) % shape.length;
    rest /= least;
    result[axis] = Math.min(result[axis], Math.max(least, Math.floor(most / rest)));
    most /= Math.max(1, result[axis]);
  }
  return result;
}

/**
 * Generates shapes, including axes of length 0 and 1. Small axes are the likeliest; the bounds, powers of two and their
 * neighbours are tried on purpose. A long axis makes others shorter: a shape has at most 512 elements, or as many as one
 * axis of length `maxAxis` takes while the others have their least.
 *
 * @param options bounds of rank and axes.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { shapes } from "gpugrad/verify";
 *
 * fc.assert(fc.property(shapes({ maxRank: 2 }), (shape) => assert.ok(shape.length <= 2)));
 * ```
 */
export function shapes(options: ShapeOptions = {}): fc.Arbitrary<number[]> {
  shapesCall.check(arguments);
  return shapesWithin(shapesCall, boundsOf(options));
}

/**
 * So many values of an arbitrary. Unlike `fc.array`, which shrinks its elements once, in order, it shrinks an element again
 * when others have become simpler.
 */
function several<T>(count: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.tuple(...new Array<fc.Arbitrary<T>>(count).fill(arbitrary));
}

function shapesWithin(call: Signature, bounds: Required<ShapeOptions>): fc.Arbitrary<number[]> {
  const { minRank, maxRank, minAxis, maxAxis } = bounds;
  requireOrder(call, { minRank, maxRank });
  requireOrder(call, { minAxis, maxAxis });
  // The number of axes drawn does not depend on the rank, so that rank and axes shrink independently.
  const axes = several(maxRank, sizes(AXES, minAxis, maxAxis));
  return fc.tuple(sizes(RANKS, minRank, maxRank), axes, fc.nat(Math.max(0, maxRank - 1)))
    .map(([rank, drawn, first]) => affordable(drawn.slice(0, rank), first, bounds));
}

/**
 * Generates shapes that broadcast together by NumPy's rules.
 *
 * @param count the number of shapes.
 * @param options bounds of the shape that they broadcast to, which is drawn as by {@link shapes}.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { add, zeros } from "gpugrad";
 * import { broadcastableShapes } from "gpugrad/verify";
 *
 * fc.assert(fc.property(broadcastableShapes(2), ([a, b]) => assert.ok(add(zeros(a), zeros(b)))));
 * ```
 */
export function broadcastableShapes(count: number, options: ShapeOptions = {}): fc.Arbitrary<number[][]> {
  broadcastableCall.check(arguments);
  requireKind(broadcastableCall, "count", whole(0), count);
  const bounds = boundsOf(options);
  const { maxRank } = bounds;
  const one = fc.record({
    drop: sizes([0, 0, 0, 1, 2], 0, maxRank),
    ones: several(maxRank, fc.constantFrom(false, false, true)),
  });
  // For each axis the shape that has it, so that all together broadcast to the drawn one.
  const owners = several(maxRank, fc.nat(Math.max(0, count - 1)));
  return fc.tuple(shapesWithin(broadcastableCall, bounds), several(count, one), owners).map(([full, each, owners]) =>
    each.map(({ drop, ones }, k) => {
      const owned = full.findIndex((_, axis) => owners[axis] === k);
      const from = Math.min(drop, owned < 0 ? full.length : owned);
      return full.map((n, axis) => (ones[axis] && owners[axis] !== k ? 1 : n)).slice(from);
    })
  );
}
