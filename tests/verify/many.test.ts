/** Functions of many elements, whose derivatives are computed together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  abs,
  add,
  exp,
  greater,
  log,
  matmul,
  mul,
  prod,
  relu,
  softmax,
  sort,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  useDevice,
  where,
} from "../../mod.ts";
import { gradcheck, type GradcheckOptions, reportText } from "../../verify/mod.ts";
import { randomFrom } from "../../verify/random.ts";
import { Duals } from "../../verify/tape/duals.ts";
import type { TapeProblem } from "../../verify/tape/problem.ts";
import { exponential } from "./support.ts";

await useDevice("float64");

const random = randomFrom(11);

function numbers(count: number, scale = 1): Float64Array {
  return Float64Array.from({ length: count }, () => scale * (2 * random() - 1));
}

const weights = tensor(numbers(200));

const full: GradcheckOptions = { mode: "full", seed: 1 };

const right: Record<string, readonly [f: (...x: Tensor[]) => Tensor, at: readonly Tensor[]]> = {
  "exponentials": [exp, [tensor(numbers(3000))]],
  "a sum": [(x) => sum(mul(exp(x), x)), [tensor(numbers(3000))]],
  "a product of matrices": [(a, b) => sum(square(matmul(a, b))), [
    tensor(numbers(400), [20, 20]),
    tensor(numbers(400), [20, 20]),
  ]],
  "a softmax": [(x) => softmax(x, -1), [tensor(numbers(900, 4), [30, 30])]],
  "a cross-entropy": [(x, t) => sum(mul(t, log(softmax(x, -1)))), [
    tensor(numbers(800, 4), [80, 10]),
    tensor(numbers(800), [80, 10]),
  ]],
  "a sorted list": [(x) => mul(sort(x, 0), weights), [tensor(numbers(200))]],
  "products": [(x) => prod(x, 1), [tensor(numbers(600).map((x) => x + 2), [100, 6])]],
  "kinks that none is on": [(x) => add(relu(x), abs(sub(x, 0.5))), [tensor(numbers(500))]],
};
for (const [name, [f, at]] of Object.entries(right)) {
  test(`every one of many derivatives is right: ${name} [float64]`, async () => {
    const report = await gradcheck(f, at, full);
    assert.equal(report.verdict, "ok", reportText(report));
    assert.equal(report.counts.ok, at.reduce((count, { size }) => count + size, 0), reportText(report));
  });
}

test("one of many derivatives that is off by 1e-9 is found, and so are all of them [float64]", async () => {
  const at = tensor(numbers(2000));
  const one = new Float64Array(2000);
  one[1234] = 1;
  const off = (where: Tensor) =>
    exponential(({ cotangent, output }) => mul(mul(cotangent, output), add(1, mul(1e-9, where))));
  const found = await gradcheck((x: Tensor) => sum(off(tensor(one))(x)), [at], full);
  assert.deepEqual([found.counts.wrong, found.worst[0].index], [1, [1234]], reportText(found));
  const all = await gradcheck((x: Tensor) => sum(off(tensor(1))(x)), [at], full);
  assert.equal(all.counts.wrong, 2000, reportText(all));
});

test("many zeros of relu are kinks that hold, among others that are none [float64]", async () => {
  const at = numbers(1000).map((x, i) => (i % 3 === 0 ? 0 : x));
  const report = await gradcheck((x: Tensor) => sum(relu(x)), [tensor(at)], full);
  assert.equal(report.verdict, "ok", reportText(report));
  assert.equal(report.counts.kink, 334);
});

test("elements that were not looked at are counted, and have no report [float64]", async () => {
  // Only a decision on its edge is looked at by itself.
  const at = numbers(1000).map((x, i) => (i === 17 ? 0 : x));
  const bent = (x: Tensor) => sum(where(greater(x, 0), x, mul(0.5, x)));
  const report = await gradcheck(bent, [tensor(at)], { mode: "fast", seed: 1 });
  assert.equal(report.counts.untested, 999);
  assert.ok(report.worst.every(({ verdict }) => verdict !== "untested"));
  assert.equal(report.inputs[0].counts.untested, 999);
});

/** A sum of multiples of elements, with a derivative computed backwards that may be another. */
function linear(factors: Float64Array, backwards: Float64Array): Duals {
  const tangents = new Float64Array(factors.length);
  const along = new Float64Array(1);
  const run = () => {
    along[0] = factors.reduce((total, factor, i) => total + factor * tangents[i], 0);
  };
  const problem = {
    weights: [Float64Array.of(1)],
    point: 1,
    tangents: () => ({ plan: { results: [], tangents: [along], run }, variables: [tangents], lanes: 1, ties: false }),
    backwards: () => ({ run: () => [backwards] }),
  };
  return Duals.of(problem as unknown as TapeProblem)!;
}

test("derivatives computed together count only if they agree with those along random directions", () => {
  // Many sizes, so that none can hide.
  const factors = numbers(1000).map((x, i) => x * 10 ** (i % 12 - 6));
  assert.deepEqual(linear(factors, factors).all(), [factors]);
  for (const at of [0, 11, 500, 999]) {
    for (const error of [1e-8, -1, 1]) {
      const wrong = factors.map((x, i) => (i === at ? x * (1 + error) : x));
      assert.equal(linear(factors, wrong).all(), null, `element ${at}, off by ${error}`);
    }
  }
  const exchanged = factors.slice();
  [exchanged[3], exchanged[4]] = [factors[4], factors[3]];
  assert.equal(linear(factors, exchanged).all(), null);
});
