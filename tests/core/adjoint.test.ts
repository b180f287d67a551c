/** Dual numbers transposed: the derivatives with respect to all elements together are those along each of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BoundAdjoint, compileAdjoint } from "../../core/backends/adjoint.ts";
import { type BoundDual, compileDual } from "../../core/backends/dual.ts";
import { float64 } from "../../core/backends/float64.ts";
import { Program } from "../../core/program.ts";
import { argmax, exp, gather, grad, max, mul, prod, softmax, sub, sum, type Tensor, tensor, where } from "../../mod.ts";
import { greater } from "../../mod.ts";
import { fillSigned, randomFrom } from "../../verify/random.ts";
import { caseOf, describeCase, inputsFrom, leavesOf } from "../ops/draw.ts";
import { describeProgram, programs, record, tensorsOf } from "../ops/programs.ts";
import { registry } from "../ops/registry.ts";
import { valueOf } from "../support/duals.ts";
import { checkProperty } from "../support/property.ts";

interface Both {
  readonly leaves: readonly Tensor[];
  readonly adjoint: BoundAdjoint;
  readonly dual: BoundDual;
  readonly tangents: readonly (Float64Array | null)[];
}

/** Adjoints and duals of the same plan. */
function bothOf(outputs: readonly Tensor[]): Both {
  const program = new Program(outputs);
  const { leaves } = program;
  const plan = program.plan(float64);
  const moving = leaves.map(({ dtype }) => dtype === "float");
  const tangents = leaves.map(({ size }, i) => moving[i] ? new Float64Array(size) : null);
  return {
    leaves,
    adjoint: compileAdjoint(plan, { moving }).bind(leaves.map(valueOf)),
    dual: compileDual(plan, { moving }).bind(leaves.map(valueOf), tangents),
    tangents,
  };
}

/** The elements that are looked at one by one; more are looked at along a direction. */
const FEW = 24;

/** Asserts that adjoints are the derivatives along elements, or along a direction where there are many. */
function assertTransposed(outputs: readonly Tensor[], random: () => number, what: string): void {
  const { adjoint, dual, tangents } = bothOf(outputs);
  const weights = outputs.map(({ size }) => fillSigned(new Float64Array(size), random));
  adjoint.run(weights);
  // Terms may cancel on the way.
  const floor = 1e-13 * weights.reduce((sum, own) => own.reduce((s, w) => s + Math.abs(w), sum), 0);
  /** The derivative of the weighted sum along the tangents, and the size of its terms. */
  const along = () => {
    dual.run();
    let slope = 0, terms = 0;
    dual.tangents.forEach((t, k) =>
      t?.forEach((x, i) => {
        slope += weights[k][i] * x;
        terms += Math.abs(weights[k][i] * x);
      })
    );
    return { slope, terms };
  };
  const compare = (actual: number, size: number, place: string) => {
    const { slope, terms } = along();
    if (!Number.isFinite(slope)) return;
    const allowed = 1e-12 * (size + terms) + floor;
    assert.ok(Math.abs(actual - slope) <= allowed, `${actual}, expected ${slope} by ${place}: ${what}`);
  };
  dual.run();
  dual.results.forEach((values, k) => assert.deepEqual(adjoint.results[k], values, what));
  tangents.forEach((t, leaf) => {
    const adjoints = adjoint.adjoints[leaf];
    assert.equal(adjoints === null, t === null, what);
    if (!t || !adjoints) return;
    for (let i = 0; i < Math.min(t.length, FEW); i++) {
      t[i] = 1;
      compare(adjoints[i], Math.abs(adjoints[i]), `element ${i} of leaf ${leaf}`);
      t[i] = 0;
    }
  });
  let sum = 0, size = 0;
  tangents.forEach((t, leaf) => {
    if (!t) return;
    fillSigned(t, random);
    t.forEach((x, i) => {
      sum += x * adjoint.adjoints[leaf]![i];
      size += Math.abs(x * adjoint.adjoints[leaf]![i]);
    });
  });
  compare(sum, size, "a direction");
}

for (const entry of registry().values()) {
  test(`adjoints of ${entry.name} are those of dual numbers [float64]`, async () => {
    await checkProperty(caseOf(entry, { ties: true }), (drawn) => {
      const leaves = leavesOf(drawn);
      const output = entry.apply(inputsFrom(drawn, leaves), drawn.attributes);
      assertTransposed([output], randomFrom(drawn.seed), describeCase(drawn));
    }, { runs: 4 });
  });
}

for (const kind of ["smooth", "exact"] as const) {
  test(
    `adjoints of ${kind} programs, and of their gradients, are those of dual numbers [float64]`,
    async () => {
      await checkProperty(programs(kind, 8), (program) => {
        const random = randomFrom(program.seed);
        const leaves = tensorsOf(program);
        const outputs = record(program, leaves);
        const what = describeProgram(program);
        assertTransposed(outputs, random, what);
        const floats = outputs.filter(({ dtype }) => dtype === "float");
        const cotangents = floats.map(({ shape, size }) =>
          tensor(fillSigned(new Float64Array(size), random), [...shape])
        );
        const gradients = floats.flatMap((y, k) => grad(y, leaves, cotangents[k], { allowUnused: true }));
        assertTransposed(gradients, random, `gradients of ${what}`);
      }, { runs: 8 });
    },
  );
}

test("adjoints within one kernel: loops in loops, choices, products and positions [float64]", () => {
  const random = randomFrom(7);
  const x = tensor(fillSigned(new Float64Array(5 * 7), random), [5, 7]);
  const y = tensor(fillSigned(new Float64Array(7), random), [7]);
  const scaled = mul(x, y);
  assertTransposed(
    [
      prod(sum(scaled, 1)),
      sum(prod(scaled, 1)),
      sum(max(mul(scaled, scaled), 0)),
      sum(where(greater(x, 0), exp(sub(x, max(x, 1, { keepDims: true }))), prod(scaled, 1, { keepDims: true }))),
      sum(softmax(sum(exp(scaled), 0), 0)),
      gather(y, argmax(scaled, 1), 0),
      mul(sum(x), prod(y)),
    ],
    random,
    "one kernel",
  );
});

test("an adjoint of 0 passes nothing on, and a bound plan reads the current contents of its arrays [float64]", () => {
  const x = tensor([0, 4]);
  const { adjoint: { adjoints: [adjoints], run }, leaves } = bothOf([mul(x, x), exp(x)]);
  assert.equal(leaves.length, 1);
  run([Float64Array.of(0, 1), Float64Array.of(0, 0)]);
  assert.deepEqual([...adjoints!], [0, 8]);
  run([Float64Array.of(1, 0), Float64Array.of(1, 0)]);
  assert.deepEqual([...adjoints!], [1, 0]);
});

test("an output that is a leaf, or does not move, has its own weights or none [float64]", () => {
  const [x, n] = [tensor([1, 2]), tensor([3, 4])];
  const program = new Program([x, mul(n, n), mul(x, n)]);
  const moving = program.leaves.map((leaf) => leaf === x);
  const { adjoints, run } = compileAdjoint(program.plan(float64), { moving }).bind(program.leaves.map(valueOf));
  run([Float64Array.of(10, 20), Float64Array.of(1, 1), Float64Array.of(1, 2)]);
  assert.deepEqual([...adjoints[program.leaves.indexOf(x)]!], [13, 28]);
  assert.equal(adjoints[program.leaves.indexOf(n)], null);
  assert.throws(
    () => compileAdjoint(program.plan(float64), { moving: [] }),
    /moving has 0 elements, expected one for each of 2 leaves/,
  );
});
