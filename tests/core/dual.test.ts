/** The oracle over dual numbers: its values are the oracle's, its tangents those of the tape's gradient and of differences. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileDual, type DualOptions } from "../../core/backends/dual.ts";
import { compileForHost, float64 } from "../../core/backends/float64.ts";
import { Program } from "../../core/program.ts";
import { grad, type Tensor, tensor } from "../../mod.ts";
import { fillSigned, randomFrom } from "../../verify/random.ts";
import { assertSame } from "../ops/compare.ts";
import { caseOf, describeCase, inputsFrom, leavesOf } from "../ops/draw.ts";
import { registry } from "../ops/registry.ts";
import { checkProperty } from "../support/property.ts";

/** Values and tangents of outputs, along a direction through some of their leaves. */
function dualOf(
  outputs: readonly Tensor[],
  along: ReadonlyMap<Tensor, Float64Array>,
  options: Omit<DualOptions, "moving"> = {},
): { values: readonly Float64Array[]; tangents: readonly (Float64Array | null)[] } {
  const program = new Program(outputs);
  const { leaves } = program;
  const dual = compileDual(program.plan(float64), { ...options, moving: leaves.map((leaf) => along.has(leaf)) });
  const bound = dual.bind(valuesOf(leaves), leaves.map((leaf) => along.get(leaf) ?? null));
  bound.run();
  return { values: bound.results, tangents: bound.tangents };
}

function valuesOf(tensors: readonly Tensor[]): Float64Array[] {
  return tensors.map((t) => Float64Array.from(t.value!));
}

/** The values of outputs on the oracle. */
function oracleOf(outputs: readonly Tensor[]): readonly Float64Array[] {
  const program = new Program(outputs);
  return compileForHost(program.plan(float64)).bind(valuesOf(program.leaves)).run();
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): { sum: number; terms: number } {
  let [sum, terms] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    sum += a[i] * b[i];
    terms += Math.abs(a[i] * b[i]);
  }
  return { sum, terms };
}

for (const entry of registry().values()) {
  test(`tangents of ${entry.name} are those of the tape's gradient [float64]`, async () => {
    await checkProperty(caseOf(entry), (drawn) => {
      const leaves = leavesOf(drawn);
      const output = entry.apply(inputsFrom(drawn, leaves), drawn.attributes);
      const random = randomFrom(drawn.seed);
      const along = new Map(
        leaves.filter((t) => t.dtype === "float").map((leaf) => {
          return [leaf, fillSigned(new Float64Array(leaf.size), random)];
        }),
      );
      const { values: [value], tangents: [tangent] } = dualOf([output], along);
      assertSame(value, oracleOf([output])[0], describeCase(drawn));
      if (!entry.differentiable) {
        assert.ok(tangent === null || tangent.every((t) => t === 0), describeCase(drawn));
        return;
      }
      const moving = [...along.keys()];
      const weight = fillSigned(new Float64Array(output.size), random);
      const gradients = oracleOf(grad(output, moving, tensor(weight, [...output.shape]), { allowUnused: true }));
      const [expected, actual] = [gradients.map((g, i) => dot(g, along.get(moving[i])!)), dot(tangent ?? [], weight)];
      const sum = expected.reduce((total, part) => total + part.sum, 0);
      const terms = expected.reduce((total, part) => total + part.terms, actual.terms);
      assert.ok(
        Math.abs(actual.sum - sum) <= 1e-10 * terms + 1e-13,
        `${actual.sum}, expected ${sum}: ${describeCase(drawn)}`,
      );
    }, { runs: 20 });
  });
}
