/** The oracle over dual numbers: its values are the oracle's, its tangents those of the tape's gradient and of differences. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { backendNamed } from "../../core/backends/list.ts";
import { compileAdjoint } from "../../core/backends/adjoint.ts";
import { compileDual } from "../../core/backends/dual.ts";
import { compileForHost, float64 } from "../../core/backends/float64.ts";
import { Program } from "../../core/program.ts";
import {
  abs,
  add,
  clamp,
  concat,
  DefaultBoxes,
  div,
  exp,
  grad,
  greater,
  greaterEqual,
  max,
  maximum,
  min,
  minimum,
  mul,
  neg,
  prod,
  relu,
  round,
  sin,
  SSDLoss,
  sub,
  sum,
  type Tensor,
  tensor,
  where,
} from "../../mod.ts";
import { fillSigned, randomFrom } from "../../verify/random.ts";
import { caseOf, describeCase, inputsFrom, leavesOf } from "../ops/draw.ts";
import { describeProgram, programs, record, tensorsOf } from "../ops/programs.ts";
import { registry } from "../ops/registry.ts";
import { type Along, boundDualOf, dualOf, randomAlong, tangentOf, valueOf } from "../support/duals.ts";
import { checkProperty } from "../support/property.ts";

/** The values of outputs on the oracle, if leaves are elsewhere by a multiple of their direction. */
function oracleAt(outputs: readonly Tensor[], along: Along = new Map(), t = 0): readonly Float64Array[] {
  const program = new Program(outputs);
  const arrays = program.leaves.map((leaf) =>
    valueOf(leaf).map((x, i) => t === 0 ? x : x + t * (along.get(leaf)?.[i] ?? 0))
  );
  return compileForHost(program.plan(float64)).bind(arrays).run();
}

const opposite = (along: Along): Along => new Map([...along].map(([leaf, v]) => [leaf, v.map((x) => -x)]));

/** One lane of a direction. */
const laneOf = (values: Float64Array, lane: number, lanes: number) => values.filter((_, i) => i % lanes === lane);

function assertIdentical(actual: Float64Array, expected: Float64Array, what: string): void {
  assert.equal(actual.length, expected.length, what);
  const at = actual.findIndex((x, i) => !Object.is(x, expected[i]));
  assert.equal(at, -1, `${what}: element ${at} is ${actual[at]}, expected ${expected[at]}`);
}

/** A dot product, and the sum of the sizes of its terms. */
function dot(a: ArrayLike<number>, b: ArrayLike<number>): { sum: number; terms: number } {
  let [sum, terms] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    sum += a[i] * b[i];
    terms += Math.abs(a[i] * b[i]);
  }
  return { sum, terms };
}

/**
 * Asserts that the tangents of outputs are those of the tape's gradient, both multiplied with random weights. The gradient's terms may cancel.
 */
function assertGradient(outputs: readonly Tensor[], along: Along, random: () => number, what: string): void {
  const moving = [...along.keys()];
  const { values, tangents } = dualOf(outputs, along);
  const weights = outputs.map(({ size }) => fillSigned(new Float64Array(size), random));
  const gradients = outputs.flatMap((y, k) => grad(y, moving, tensor(weights[k], [...y.shape]), { allowUnused: true }));
  const expected = oracleAt(gradients).map((g, i) => dot(g, along.get(moving[i % moving.length])!));
  const actual = tangents.map((t, k) => t ? dot(t, weights[k]) : { sum: 0, terms: 0 });
  const slope = (t: number) =>
    oracleAt(outputs, along, t).map((y, k) => dot(y, weights[k]).sum).reduce((a, b) => a + b);
  const total = (parts: readonly { sum: number; terms: number }[]) => ({
    sum: parts.reduce((s, part) => s + part.sum, 0),
    terms: parts.reduce((s, part) => s + part.terms, 0),
  });
  const [tape, dual] = [total(expected), total(actual)];
  const terms = tape.terms + dual.terms;
  assert.ok(Math.abs(tape.sum - dual.sum) <= 1e-10 * terms + 1e-13, `${dual.sum}, the tape's ${tape.sum}: ${what}`);
  if (values.some((y) => !y.every(Number.isFinite))) return;
  // The third powers of the step cancel; what is left is much less than they were.
  const [coarse, fine] = [2 ** -9, 2 ** -10].map((h) => (slope(h) - slope(-h)) / (2 * h));
  const difference = fine + (fine - coarse) / 3;
  const size = terms + values.reduce((s, y, k) => s + dot(y, weights[k]).terms, 0);
  const allowed = 1e-9 * size + 1e-9 + 0.01 * Math.abs(fine - coarse);
  assert.ok(Math.abs(difference - dual.sum) <= allowed, `${dual.sum}, by differences ${difference}: ${what}`);
}

for (const entry of registry().values()) {
  test(
    `tangents of ${entry.name} are those of the tape's gradient and of differences [float64]`,
    async () => {
      await checkProperty(caseOf(entry), (drawn) => {
        const leaves = leavesOf(drawn);
        const output = entry.apply(inputsFrom(drawn, leaves), drawn.attributes);
        const random = randomFrom(drawn.seed);
        const along = randomAlong(leaves, random);
        const what = describeCase(drawn);
        const { values: [value], tangents: [tangent] } = dualOf([output], along);
        assertIdentical(value, oracleAt([output])[0], what);
        if (entry.differentiable) assertGradient([output], along, random, what);
        else assert.ok(tangent === null || tangent.every((t) => t === 0), what);
      }, { runs: 6 });
    },
  );
}

test(
  "tangents of programs, and of their gradients, are those of the tape's gradients [float64]",
  async () => {
    await checkProperty(programs("smooth", 8), (program) => {
      const random = randomFrom(program.seed);
      const leaves = tensorsOf(program);
      const outputs = record(program, leaves);
      const what = describeProgram(program);
      assertGradient(outputs, randomAlong(leaves, random), random, what);
      const cotangents = outputs.map(({ shape, size }) =>
        tensor(fillSigned(new Float64Array(size), random), [...shape])
      );
      const gradients = outputs.flatMap((y, k) => grad(y, leaves, cotangents[k], { allowUnused: true }));
      assertGradient(gradients, randomAlong([...leaves, ...cotangents], random), random, `gradients of ${what}`);
    }, { runs: 8 });
  },
);

test("the SSD loss along a random direction [float64]", () => {
  const random = randomFrom(5);
  const defaultBoxes = new DefaultBoxes({
    figSize: 300,
    featSizes: [3, 2, 1],
    scales: [60, 150, 210, 290],
    aspectRatios: [[2], [2], [2]],
  });
  const { count } = defaultBoxes;
  const predicted = [4, 5].map((channels) =>
    tensor(Float64Array.from({ length: channels * count }, () => random() * 4 - 2), [1, channels, count])
  );
  const targets = [[0, 1, 0.4, 0.45, 0.5, 0.4], [0, 2, 0.7, 0.6, 0.3, 0.5]];
  const { loss } = new SSDLoss(defaultBoxes).forward([predicted[0], predicted[1]], targets);
  const along = randomAlong(predicted, random);
  const gradients = grad(loss, predicted);
  const parts = oracleAt(gradients).map((g, i) => dot(g, along.get(predicted[i])!));
  const [expected, terms] = [parts[0].sum + parts[1].sum, parts[0].terms + parts[1].terms];
  const { values, tangents } = dualOf([loss, ...gradients], along);
  assertIdentical(values[0], oracleAt([loss, ...gradients])[0], "loss");
  assert.ok(Math.abs(tangents[0]![0] - expected) <= 1e-14 * terms, `${tangents[0]![0]}, expected ${expected}`);
  assertGradient(gradients, along, random, "gradient");
});

// Directions

test("several directions at once are the same as one after the other, bit for bit [float64]", async () => {
  await checkProperty(programs("exact", 10), (program) => {
    const random = randomFrom(program.seed);
    const leaves = tensorsOf(program);
    const outputs = record(program, leaves);
    for (const ties of ["branch", "ahead"] as const) {
      const along = randomAlong(leaves, random, 3);
      const all = dualOf(outputs, along, { lanes: 3, ties });
      for (let lane = 0; lane < 3; lane++) {
        const single = new Map([...along].map(([leaf, v]) => [leaf, laneOf(v, lane, 3)]));
        const one = dualOf(outputs, single, { ties });
        one.tangents.forEach((t, k) => {
          assertIdentical(one.values[k], all.values[k], describeProgram(program));
          if (t) assertIdentical(laneOf(all.tangents[k]!, lane, 3), t, describeProgram(program));
          else assert.equal(all.tangents[k], null);
        });
      }
    }
  }, { runs: 6 });
});

/** A kernel that is too long for many directions at once. */
function longKernel(x: Tensor): Tensor {
  let y = x;
  for (let i = 0; i < 20; i++) y = sin(mul(y, add(y, x)));
  return y;
}

test("a kernel that is too long takes some directions at a time [float64]", () => {
  const lanes = 64;
  const x = tensor([0.3, 1.2, -0.7]);
  const along = randomAlong([x], randomFrom(1), lanes);
  const { values: [value], tangents: [tangent] } = dualOf([longKernel(x)], along, { lanes });
  assertIdentical(value, oracleAt([longKernel(x)])[0], "value");
  for (const lane of [0, 1, 31, 32, 63]) {
    const single = new Map([[x, laneOf(along.get(x)!, lane, lanes)]]);
    assertIdentical(laneOf(tangent!, lane, lanes), tangentOf(longKernel(x), single), `lane ${lane}`);
  }
  const program = new Program([longKernel(x)]);
  const bytes = (lanes: number) => compileDual(program.plan(float64), { moving: [true], lanes }).bytes;
  assert.ok(bytes(64) < 1.2 * bytes(32), `${bytes(64)} bytes`);
  assert.ok(bytes(32) > 1.6 * bytes(16), `${bytes(32)} bytes`);
});

test("a bound plan reads the current contents of its arrays, and only those that move have tangents [float64]", () => {
  const [x, w] = [tensor([1, 2]), tensor([3, 4])];
  const program = new Program([mul(x, w), w, x, sum(w)]);
  const [values, along] = [Float64Array.of(1, 2), Float64Array.of(1, 1)];
  const at = program.leaves.indexOf(x);
  const pick = <T>(moved: T, other: T) => program.leaves.map((_, i) => i === at ? moved : other);
  const bound = compileDual(program.plan(float64), { moving: pick(true, false) })
    .bind(pick(values, Float64Array.of(3, 4)), pick<Float64Array | null>(along, null));
  bound.run();
  assert.deepEqual(bound.tangents.map((t) => t && [...t]), [[3, 4], null, [1, 1], null]);
  values.set([5, 6]);
  along.set([0, 10]);
  bound.run();
  assert.deepEqual([...bound.results[0]], [15, 24]);
  assert.deepEqual([...bound.tangents[0]!], [0, 40]);
});

test("what is wrong with a call is said", () => {
  const program = new Program([sin(tensor([1, 2]))]);
  const plan = program.plan(float64);
  assert.throws(() => compileDual(plan, { moving: [] }), /moving has 0 elements, expected one for each of 1 leaves/);
  assert.throws(() => compileDual(plan, { moving: [true], lanes: 0 }), /expected a number of lanes, got 0/);
  assert.throws(
    () => compileDual(plan, { moving: [true], lanes: 2, ties: "hull" }),
    /expected 1 lane with ties as hull/,
  );
  const { bind } = compileDual(plan, { moving: [true], lanes: 2 });
  const values = [Float64Array.of(1, 2)];
  assert.throws(() => bind(values, [Float64Array.of(1, 2)]), /expected 4 numbers as the tangents of leaf 0, got 2/);
  assert.throws(() => bind(values, [null]), /expected 4 numbers as the tangents of leaf 0, got none/);
  assert.throws(() => compileDual(program.plan(backendNamed("cpu")), { moving: [true] }), /no loop form/);
});

// Ties

const leaf = (...values: number[]): Tensor => tensor(values);

/** Functions at a tie, a direction for each leaf, and their slopes ahead of and behind the point, and the hull. */
const tied: Record<
  string,
  { make(x: Tensor, y: Tensor): Tensor; ahead: number; behind: number; hull: [number, number] }
> = {
  // x = 1 along 2, y = 1 along -3.
  "maximum": { make: maximum, ahead: 2, behind: -3, hull: [-3, 2] },
  "minimum": { make: minimum, ahead: -3, behind: 2, hull: [-3, 2] },
  "abs": { make: (x, y) => abs(sub(x, y)), ahead: 5, behind: -5, hull: [-5, 5] },
  "relu": { make: (x, y) => relu(sub(y, x)), ahead: 0, behind: -5, hull: [-5, 0] },
  "clamp on its lower bound": { make: (x) => clamp(x, 1, 3), ahead: 2, behind: 0, hull: [0, 2] },
  "clamp on its upper bound": { make: (x) => clamp(x, 0, 1), ahead: 0, behind: 2, hull: [0, 2] },
  "max over an axis": {
    make: (x, y) => max(add(mul(x, [1, 0, 1]), mul(y, [0, 1, 0]))),
    ahead: 2,
    behind: -3,
    hull: [-3, 2],
  },
  "min over an axis": {
    make: (x, y) => min(add(mul(x, [1, 0, 1]), mul(y, [0, 1, 0]))),
    ahead: -3,
    behind: 2,
    hull: [-3, 2],
  },
  "a product": {
    make: (x, y) => prod(mul([1, 1, 1], sub(maximum(x, y), 2))),
    ahead: 6,
    behind: -9,
    hull: [-9, 6],
  },
  "nested": { make: (x, y) => sub(relu(sub(x, y)), maximum(x, y)), ahead: 3, behind: 3, hull: [-2, 8] },
  "times a negative number": { make: (x, y) => mul(maximum(x, y), -2), ahead: -4, behind: 6, hull: [-4, 6] },
  "divided by a negative number": { make: (x, y) => div(maximum(x, y), -2), ahead: -1, behind: 1.5, hull: [-1, 1.5] },
  "no tie": { make: (x, y) => maximum(mul(x, 2), y), ahead: 4, behind: 4, hull: [4, 4] },
  "a choice is held": { make: (x, y) => where(greaterEqual(x, y), mul(x, x), y), ahead: 4, behind: 4, hull: [4, 4] },
};

for (const [name, { make, ahead, behind, hull }] of Object.entries(tied)) {
  test(`slopes at a tie: ${name} [float64]`, () => {
    const [x, y] = [leaf(1), leaf(1)];
    const along = new Map([[x, Float64Array.of(2)], [y, Float64Array.of(-3)]]);
    const output = make(x, y);
    const slope = (ties: "ahead" | "branch", v: Along) => tangentOf(output, v, { ties })[0];
    assert.equal(slope("ahead", along), ahead);
    assert.equal(0 - slope("ahead", opposite(along)), behind);
    const ends = new Map([...along].map(([t, [v]]) => [t, Float64Array.of(v, v)]));
    const [low, high] = tangentOf(output, ends, { ties: "hull" });
    assert.deepEqual([low + 0, high + 0], hull);
    const taken = slope("branch", along);
    assert.ok(low <= taken && taken <= high, `${taken} of [${low}, ${high}]`);
    assert.equal(dualOf([output], along).tied, low < high);
  });
}

/** A function that is linear between kinks, as the numbers of its steps: each is computed from two values before it. */
const piecewise = fc.array(fc.tuple(fc.nat(7), fc.nat(30), fc.nat(30)), { minLength: 1, maxLength: 8 });

function piecewiseOf(steps: readonly (readonly [number, number, number])[], leaves: readonly Tensor[]): Tensor {
  const values = [...leaves];
  for (const [op, i, k] of steps) {
    const [a, b] = [i, k].map((at) => values[at % values.length]);
    const step = [
      () => maximum(a, b),
      () => minimum(a, b),
      () => abs(a),
      () => relu(a),
      () => sub(a, b),
      () => add(max(a, 0, { keepDims: true }), b),
      () => sub(min(b, 0, { keepDims: true }), a),
      () => clamp(neg(a), -1, 1),
    ][op];
    values.push(step());
  }
  return sum(values.at(-1)!);
}

const small = fc.array(fc.integer({ min: -1, max: 1 }), { minLength: 3, maxLength: 3 });

test("ahead is the one-sided slope, exactly, and hull contains every slope [float64]", async () => {
  await checkProperty(fc.tuple(piecewise, small, small, small, small), ([steps, x, y, dx, dy]) => {
    const leaves = [leaf(...x), leaf(...y)];
    const output = piecewiseOf(steps, leaves);
    const along = new Map([dx, dy].map((v, i) => [leaves[i], Float64Array.from(v)]));
    // Powers of two: no kink is nearer, and nothing is rounded.
    const oneSided = (t: number) => 0 + (oracleAt([output], along, t)[0][0] - oracleAt([output])[0][0]) / t;
    const slope = (ties: "ahead" | "branch", v: Along) => tangentOf(output, v, { ties })[0];
    const [ahead, behind] = [0 + slope("ahead", along), 0 - slope("ahead", opposite(along))];
    assert.equal(ahead, oneSided(2 ** -20));
    assert.equal(behind, oneSided(-(2 ** -20)));
    const ends = new Map([...along].map(([t, v]) => [t, Float64Array.from({ length: 6 }, (_, i) => v[i >> 1])]));
    const [low, high] = dualOf([output], ends, { ties: "hull" }).tangents[0] ?? [0, 0];
    const gradients = oracleAt(grad(output, leaves, undefined, { allowUnused: true }));
    const tape = gradients.reduce((total, g, i) => total + dot(g, along.get(leaves[i])!).sum, 0);
    for (const taken of [ahead, behind, slope("branch", along), tape]) {
      assert.ok(low - 1e-12 <= taken && taken <= high + 1e-12, `${taken} of [${low}, ${high}]`);
    }
  }, { runs: 15 });
});

test(
  "where nothing ties whose tangents differ, all ways of taking ties agree, bit for bit [float64]",
  async () => {
    let [drawn, free] = [0, 0];
    await checkProperty(fc.tuple(piecewise, small, small, small, small), ([steps, x, y, dx, dy]) => {
      const leaves = [leaf(...x), leaf(...y)];
      const output = piecewiseOf(steps, leaves);
      const along = new Map([dx, dy].map((v, i) => [leaves[i], Float64Array.from(v)]));
      drawn++;
      if (dualOf([output], along).tied) return;
      free++;
      const slope = (ties: "ahead" | "branch", v: Along) => 0 + tangentOf(output, v, { ties })[0];
      const taken = slope("branch", along);
      assert.equal(slope("ahead", along), taken);
      assert.equal(0 - slope("ahead", opposite(along)), taken);
      for (const towards of [[1, 0, -1, 0, 1, -1], [-1, 2, 0, 1, -2, 3]]) {
        const both = new Map([...along].map(([t, v], k) => [
          t,
          Float64Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? towards[3 * k + (i >> 1)] : v[i >> 1])),
        ]));
        assert.equal(0 + (dualOf([output], both, { lanes: 2, ties: "first" }).tangents[0]?.[1] ?? 0), taken);
      }
      const ends = new Map([...along].map(([t, v]) => [t, Float64Array.from({ length: 6 }, (_, i) => v[i >> 1])]));
      const [low, high] = dualOf([output], ends, { ties: "hull" }).tangents[0] ?? [0, 0];
      assert.deepEqual([low + 0, high + 0], [taken, taken]);
    }, { runs: 25 });
    // The share of a few points says nothing.
    if (drawn >= 20) assert.ok(5 * free >= drawn && free < drawn, `${free} of ${drawn} points without ties`);
  },
);

test("at a tie each direction decides for itself [float64]", () => {
  const [x, y] = [leaf(1, 1), leaf(1, 1)];
  const along = new Map([[x, Float64Array.of(1, 2, 3, 4)], [y, Float64Array.of(0, 5, 6, 0)]]);
  assert.deepEqual([...tangentOf(maximum(x, y), along, { lanes: 2, ties: "ahead" })], [1, 5, 6, 4]);
});

test(
  "first is the derivative at a point next to this one, where the first direction leads [float64]",
  async () => {
    const decider = fc.array(fc.integer({ min: -64, max: 64 }), { minLength: 3, maxLength: 3 });
    let [drawn, compared] = [0, 0];
    await checkProperty(
      fc.tuple(piecewise, small, small, decider, decider, small, small),
      ([steps, x, y, ...moves]) => {
        drawn++;
        const leaves = [leaf(...x), leaf(...y)];
        const output = piecewiseOf(steps, leaves);
        const [towards, along] = [moves.slice(0, 2), moves.slice(2)].map((pair) =>
          new Map(pair.map((v, i) => [leaves[i], Float64Array.from(v)]))
        );
        const both = new Map(
          leaves.map((t, i) => [t, Float64Array.from({ length: 6 }, (_, n) => moves[2 * (n % 2) + i][n >> 1])]),
        );
        // The point next to this one, and a move from there that is shorter by far; nothing is rounded.
        const nearby = leaves.map((t) => leaf(...t.value!.map((value, i) => value + 2 ** -12 * towards.get(t)![i])));
        const near = piecewiseOf(steps, nearby);
        const there = new Map(nearby.map((t, i) => [t, along.get(leaves[i])!]));
        const [ahead, behind] = [2 ** -24, -(2 ** -24)].map((t) =>
          0 + (oracleAt([near], there, t)[0][0] - oracleAt([near])[0][0]) / t
        );
        // The directions may still tie there.
        if (ahead !== behind) return;
        compared++;
        const [, derivative] = dualOf([output], both, { lanes: 2, ties: "first" }).tangents[0] ?? [0, 0];
        assert.equal(derivative + 0, ahead);
      },
      { runs: 25 },
    );
    assert.ok(2 * compared >= drawn, `${compared} of ${drawn} points without ties`);
  },
);

test("apart takes each tie by itself: all as the first operand, none, or some [float64]", () => {
  const [x, y] = [leaf(1, 2, 3), leaf(1, 2, 3)];
  const along = new Map([[x, Float64Array.of(1, 10, 100)], [y, Float64Array.of(0, 0, 0)]]);
  const taken = (output: Tensor, share: number, seed = 1) => {
    const bound = boundDualOf([output], along, { ties: "apart" });
    bound.takeApart(randomFrom(seed), share);
    bound.run();
    return [...bound.tangents[0]!].map((t) => t + 0);
  };
  for (const f of [maximum, minimum]) {
    assert.deepEqual(taken(f(x, y), 1), [1, 10, 100]);
    assert.deepEqual(taken(f(x, y), 0), [0, 0, 0]);
  }
  assert.deepEqual([taken(abs(sub(x, y)), 1), taken(abs(sub(x, y)), 0)], [[1, 10, 100], [-1, -10, -100]]);
  // Each way in which three ties can be taken, and twice the same number in two ways.
  const ways = new Set(Array.from({ length: 200 }, (_, n) => taken(maximum(x, y), 0.5, n).join()));
  assert.equal(ways.size, 8);
  const twice = Array.from({ length: 50 }, (_, n) => taken(sub(maximum(x, y), maximum(y, x)), 0.5, n)[0]);
  assert.deepEqual([...new Set(twice)].sort((a, b) => a - b), [-1, 0, 1]);
  // Where nothing ties, as ever.
  assert.deepEqual(taken(maximum(x, sub(y, 1)), 0), [1, 10, 100]);
});

test("a plan says whether anything that moves can tie [float64]", () => {
  const [x, w] = [leaf(1), leaf(2)];
  const tiesOf = (output: Tensor) => {
    const program = new Program([output]);
    return compileDual(program.plan(float64), { moving: program.leaves.map((t) => t === x) }).ties;
  };
  assert.deepEqual([maximum(x, w), abs(x), max(concat([x, w]), 0)].map(tiesOf), [true, true, true]);
  assert.deepEqual([exp(x), mul(x, abs(w)), where(greater(x, w), x, w)].map(tiesOf), [false, false, false]);
});

test("the hull of a smooth function is its derivative twice [float64]", async () => {
  await checkProperty(programs("smooth", 8), (program) => {
    const leaves = tensorsOf(program);
    const outputs = record(program, leaves);
    const along = randomAlong(leaves, randomFrom(program.seed));
    const ends = new Map(
      [...along].map(([t, v]) => [t, Float64Array.from({ length: 2 * v.length }, (_, i) => v[i >> 1])]),
    );
    const { tangents } = dualOf(outputs, along);
    dualOf(outputs, ends, { ties: "hull" }).tangents.forEach((hull, k) => {
      if (!hull) return assert.equal(tangents[k], null);
      for (const end of [0, 1]) {
        laneOf(hull, end, 2).forEach((t, i) => assert.equal(t, tangents[k]![i], describeProgram(program)));
      }
    });
  }, { runs: 10 });
});

// Jitter

test("jitter of size 0 changes nothing [float64]", async () => {
  await checkProperty(programs("smooth", 8), (program) => {
    const leaves = tensorsOf(program);
    const outputs = record(program, leaves);
    const along = randomAlong(leaves, randomFrom(program.seed), 2);
    const plain = dualOf(outputs, along, { lanes: 2 });
    const jittered = dualOf(outputs, along, { lanes: 2, jitter: () => 0 });
    const { leaves: all } = new Program(outputs);
    const host = compileForHost(new Program(outputs).plan(float64), { jitter: () => 0 }).bind(all.map(valueOf)).run();
    plain.values.forEach((value, k) => {
      assertIdentical(jittered.values[k], value, describeProgram(program));
      assertIdentical(host[k], value, describeProgram(program));
      assert.equal(jittered.tangents[k] === null, plain.tangents[k] === null);
      if (plain.tangents[k]) assertIdentical(jittered.tangents[k]!, plain.tangents[k], describeProgram(program));
    });
  }, { runs: 10 });
});

test(
  "kernels over duals, adjoints and jittered numbers are a few times as long as the oracle's, and no more [float64]",
  () => {
    for (const entry of registry().values()) {
      // Empty results need no kernel.
      const output = fc.sample(caseOf(entry), { numRuns: 30, seed: 1 })
        .map((drawn) => entry.apply(inputsFrom(drawn, leavesOf(drawn)), drawn.attributes))
        .find(({ size }) => size > 0)!;
      const program = new Program([output]);
      const plan = program.plan(float64);
      const moving = program.leaves.map(({ dtype }) => dtype === "float");
      const jitter = () => 0;
      const most = 8 * compileForHost(plan).bytes + 2000;
      const compiled = {
        jittered: compileForHost(plan, { jitter }),
        duals: compileDual(plan, { moving, jitter }),
        intervals: compileDual(plan, { moving, ties: "hull" }),
        adjoints: compileAdjoint(plan, { moving, jitter }),
      };
      for (const [kind, { bytes }] of Object.entries(compiled)) {
        assert.ok(bytes <= most, `${entry.name}: ${kind} take ${bytes} bytes, expected at most ${most}`);
      }
    }
  },
);

/** The value of a tensor with jitter. */
function jitteredValue(output: Tensor, jitter: () => number): number {
  const program = new Program([output]);
  return compileForHost(program.plan(float64), { jitter }).bind(program.leaves.map(valueOf)).run()[0][0];
}

test("jitter moves each result of arithmetic by its share, and no more [float64]", () => {
  const x = tensor(Float64Array.from({ length: 100 }, (_, i) => 0.1 + i / 7));
  const [total, size] = [oracleAt([sum(x)])[0][0], 1e-6];
  // All sums grow: each element goes through at most as many sums as there are.
  const grown = jitteredValue(sum(x), () => size) / total - 1;
  assert.ok(grown > 10 * size && grown < 101 * size, `${grown}`);
  const random = randomFrom(3);
  const deviations = Array.from({ length: 50 }, () => jitteredValue(sum(x), () => size * (random() - 0.5)) / total - 1);
  const spread = Math.sqrt(deviations.reduce((s, d) => s + d * d, 0) / 50);
  assert.ok(spread > size / 10 && spread < 10 * size, `${spread}`);
  const near = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual / expected - 1) < 1e-13, `${actual}, ${expected}`);
  near(jitteredValue(mul(leaf(0.3), leaf(0.7)), () => 0.5), 0.3 * 0.7 * 1.5);
  near(jitteredValue(div(leaf(0.3), leaf(0.7)), () => 0.5), 0.3 / 0.7 * 1.5);
  near(jitteredValue(sin(leaf(0.3)), () => 0.5), Math.sin(0.3) * 1.5);
});

test("jitter leaves alone what is exact [float64]", () => {
  const half = () => 0.5;
  const whole = leaf(1, 2, 5, 7);
  assert.equal(jitteredValue(sum(mul(whole, add(whole, 3))), half), 4 + 10 + 40 + 70);
  assert.equal(jitteredValue(sub(leaf(3), leaf(5)), half), -2);
  for (const exact of [max(leaf(0.1, 0.3)), abs(leaf(-0.3)), neg(leaf(0.3)), relu(leaf(0.3)), round(leaf(4.5))]) {
    assert.equal(jitteredValue(exact, half), oracleAt([exact])[0][0]);
  }
  assert.equal(jitteredValue(mul(leaf(0), leaf(0.3)), half), 0);
});

test("jitter moves tangents, too: coefficients, products and sums [float64]", () => {
  const [x, y] = [leaf(0.3), leaf(0.7)];
  const along = new Map([[x, Float64Array.of(2)], [y, Float64Array.of(4)]]);
  const tangent = (output: Tensor) => tangentOf(output, along, { jitter: () => 0.5 })[0];
  const near = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual / expected - 1) < 1e-13, `${actual}, ${expected}`);
  near(tangent(mul(x, y)), (0.7 * 2 * 1.5 + 0.3 * 4 * 1.5) * 1.5);
  near(tangent(sin(x)), Math.cos(0.3) * 1.5 * 2 * 1.5);
  near(tangent(add(x, y)), 6 * 1.5);
  near(tangent(maximum(x, y)), 4);
  near(tangent(mul(x, 0.25)), 0.25 * 2 * 1.5);
});
