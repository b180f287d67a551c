/** The expected changes of values if a gradient is right, and fits of the difference. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { expectedAlong } from "../../verify/differences/expected.ts";
import { fitWithin } from "../../verify/differences/fit.ts";
import { APART_FROM_FIT } from "../../verify/differences/fitted.ts";
import { elementLine } from "../../verify/differences/line.ts";
import { ANALYTIC_ROUNDINGS } from "../../verify/differences/precision.ts";
import type { Problem } from "../../verify/differences/problem.ts";
import { Sums } from "../../verify/differences/sums.ts";
import { checkProperty } from "../support/property.ts";

const f32 = Math.fround;
const functions = [
  { name: "exp", f: Math.exp, slope: Math.exp },
  { name: "sin", f: Math.sin, slope: Math.cos },
  { name: "square", f: (x: number) => x * x, slope: (x: number) => 2 * x },
] as const;

/** A sum of a function of each element in float32, with the gradient off by a factor. */
function problemOf(values: readonly number[], { f, slope }: (typeof functions)[number], factor: number): Problem {
  const x = Float64Array.from(values, f32);
  const gradient = () => [x.map((v) => f32(factor * slope(v)))];
  return {
    variables: [x],
    weights: [Float64Array.of(1)],
    epsilon: 2 ** -23,
    terms: null,
    round: f32,
    settle: gradient,
    gradient,
    evaluate: () => [Float64Array.of(x.reduce((sum, v) => f32(sum + f32(f(v))), 0))],
    rounding: () => null,
    gradientRounding: () => null,
  };
}

const drawn = fc.record({
  values: fc.array(fc.integer({ min: -1000, max: 1000 }).map((n) => n / 999), { minLength: 2, maxLength: 20 }),
  which: fc.constantFrom(...functions),
  factor: fc.constantFrom(1, 1.0001, 0.99, 2, -1),
});

test("the integral of a gradient along a line is the change of its function [float64]", async () => {
  await checkProperty(drawn, ({ values, which, factor }) => {
    const problem = problemOf(values, which, factor);
    const sums = new Sums(problem);
    sums.settle();
    const line = elementLine(problem, [0, 0], 1);
    const expected = expectedAlong(line, sums, 0.5);
    assert.ok(expected);
    assert.equal(sums.calls, 64);
    const here = problem.variables[0][0];
    for (const t of [-0.5, -0.1, 0, 0.25, 0.5]) {
      const change = factor * (which.f(here + t) - which.f(here));
      assert.ok(
        Math.abs(expected.changeAt(t) - change) <= 1e-7 * Math.abs(factor),
        `${expected.changeAt(t)}, ${change}`,
      );
      const slope = factor * which.slope(here + t);
      assert.ok(Math.abs(expected.slopeAt(t) - slope) <= 2e-6 * Math.abs(factor), `${expected.slopeAt(t)}, ${slope}`);
    }
  });
});

test("a fit of what is not expected sees the derivative to within its estimate, a smaller one [float64]", async () => {
  let closer = 0, all = 0;
  await checkProperty(drawn, ({ values, which, factor }) => {
    const problem = problemOf(values, which, factor);
    const sums = new Sums(problem);
    sums.settle();
    const line = elementLine(problem, [0, 0], 1);
    const here = problem.variables[0][0];
    const expected = expectedAlong(line, sums, 0.5);
    const fit = fitWithin(line, sums, { window: 0.5, points: 512, expected });
    line.move(0);
    const plain = fitWithin(line, sums, { window: 0.5, points: 512 });
    if (!fit) return;
    const off = Math.abs(fit.value - which.slope(here));
    // As a derivative is judged: sums round alike at neighbouring points, which no number of values averages out.
    const most = APART_FROM_FIT * fit.estimate + ANALYTIC_ROUNDINGS * 2 ** -24 * Math.max(1, Math.abs(fit.value));
    assert.ok(off <= most, `${off} of ${most}`);
    all++;
    if (Math.abs(factor - 1) < 0.1 && fit.estimate <= (plain?.estimate ?? Infinity)) closer++;
  });
  assert.ok(all > 0 && closer >= all / 3, `${closer} of ${all}`);
});

test("nothing is expected where a gradient is not smooth, not finite or not known [float64]", () => {
  const { settle, ...problem } = problemOf([0.1, 1], functions[0], 1);
  const gradients: readonly (Problem["gradient"])[] = [
    () => [problem.variables[0].map((v) => (v > 0.2 ? 1 : 0))],
    () => [problem.variables[0].map((v) => Math.sqrt(v))],
    undefined,
  ];
  for (const gradient of gradients) {
    const sums = new Sums({ ...problem, settle, gradient });
    sums.settle();
    assert.equal(expectedAlong(elementLine(problem as Problem, [0, 0], 1), sums, 0.5), null);
  }
});
