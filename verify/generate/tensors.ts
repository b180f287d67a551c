/** Arbitraries of tensors, as plain data. */
import fc from "fast-check";
import { isShape, kind, shapeKind, Signature, whole } from "../../core/options.ts";
import type { TensorData } from "../inputs.ts";
import { UsageError } from "../usage.ts";
import { requireKind } from "./arguments.ts";
import { bounded, isArbitrary } from "./bounded.ts";
import { sizeOf } from "./shapes.ts";
import { supplyOf, type TensorOptions, valueKinds } from "./values.ts";

const tensorsCall = new Signature<TensorOptions>("tensors(of, options)", valueKinds, UsageError);
const permutationsCall = new Signature("permutations(length)", undefined, UsageError);
const indicesCall = new Signature("indices(shape, below)", undefined, UsageError);
const shapesKind = kind("an array of shapes, such as [[2, 3]], or an arbitrary of them", "[[2, 3]]", (v) => {
  return isArbitrary(v) || Array.isArray(v) && !Array.from(v).some((shape) => !isShape(shape));
});

/**
 * Generates tensors of given shapes within a domain, as plain data: the inputs of one call. All values are exact in
 * float32. Some are whole numbers, where kinks and ties often are, unless values are to be distinct.
 *
 * @param of the shapes, one per tensor, or an arbitrary of them.
 * @param options the domain: one for all tensors, or an array with one per tensor.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { div, log, sum } from "gpugrad";
 * import { broadcastableShapes, checkProperty, tensors } from "gpugrad/verify";
 *
 * const positive = tensors(broadcastableShapes(2), { min: 0.25, max: 4 });
 * const report = await checkProperty((x, y) => sum(div(log(x), y)), positive, { runs: 10 });
 * assert.equal(report.verdict, "ok");
 * ```
 */
export function tensors(
  of: readonly (readonly number[])[] | fc.Arbitrary<readonly (readonly number[])[]>,
  options: TensorOptions | readonly TensorOptions[] = {},
): fc.Arbitrary<TensorData[]> {
  if (!Array.isArray(options)) tensorsCall.check(arguments);
  else for (const each of options) tensorsCall.options(each ?? null);
  requireKind(tensorsCall, "of", shapesKind, of);
  // An arbitrary of another copy of fast-check is wrapped to have the methods of this one.
  const all = isArbitrary(of)
    ? bounded(of as fc.Arbitrary<readonly (readonly number[])[]>, "tensors")
    : fc.constant(of as readonly (readonly number[])[]);
  if (!Array.isArray(options)) {
    const same = options as TensorOptions;
    // One supply for all, so that distinct values are distinct across tensors.
    return fc.tuple(all, supplyOf(tensorsCall, same)).map(([list, supply]) => {
      const sizes = list.map(sizeOf);
      const values = supply(sizes.reduce((a, b) => a + b, 0));
      let at = 0;
      return list.map((shape, i) => ({
        shape,
        values: values.slice(at, at += sizes[i]),
        dtype: same.dtype ?? "float",
      }));
    });
  }
  const each = options as readonly TensorOptions[];
  return fc.tuple(all, fc.tuple(...each.map((one) => supplyOf(tensorsCall, one)))).map(([list, supplies]) => {
    if (list.length !== each.length) {
      throw new UsageError(`tensors: expected options for each of the ${list.length} tensors, got ${each.length}`);
    }
    return list.map((shape, i) => ({ shape, values: supplies[i](sizeOf(shape)), dtype: each[i].dtype ?? "float" }));
  });
}

/**
 * Generates permutations of the numbers below `length`.
 *
 * @param length the number of elements.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { permutations } from "gpugrad/verify";
 *
 * fc.assert(fc.property(permutations(3), (p) => assert.deepEqual([...p].sort(), [0, 1, 2])));
 * ```
 */
export function permutations(length: number): fc.Arbitrary<number[]> {
  permutationsCall.check(arguments);
  requireKind(permutationsCall, "length", whole(0, 2 ** 24), length);
  const all = Array.from({ length }, (_, i) => i);
  return fc.shuffledSubarray(all, { minLength: length, maxLength: length });
}

/**
 * Generates tensors of indices, as plain data of dtype int.
 *
 * @param shape the shape of the tensor.
 * @param below the indices are whole numbers from 0 below this.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { indices } from "gpugrad/verify";
 *
 * fc.assert(fc.property(indices([4], 3), ({ values }) => assert.ok(Array.from(values).every((i) => i < 3))));
 * ```
 */
export function indices(shape: readonly number[], below: number): fc.Arbitrary<TensorData> {
  indicesCall.check(arguments);
  requireKind(indicesCall, "shape", shapeKind, shape);
  requireKind(indicesCall, "below", whole(1, 2 ** 24), below);
  return supplyOf(indicesCall, { dtype: "int", min: 0, max: below - 1 })
    .map((supply) => ({ shape, values: supply(sizeOf(shape)), dtype: "int" }));
}
