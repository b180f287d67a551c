/** The numeric derivatives: their accuracy, and the validity of their error estimates. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Differences, type Judged, type Problem } from "../../verify/numeric.ts";
import { checkProperty } from "../support/property.ts";

/** A function of one number, with its claimed derivative. */
interface Curve {
  readonly f: (x: number) => number;
  readonly slope: (x: number) => number;
  /** The rounding of the function beyond that of its value, if known. */
  readonly rounding?: number;
  readonly single?: boolean;
}

function problemOf({ f, slope, rounding, single = false }: Curve, at: number): Problem {
  const variables = [Float64Array.of(at)];
  return {
    variables,
    weights: [Float64Array.of(1)],
    epsilon: single ? 2 ** -23 : 2 ** -52,
    terms: null,
    round: single ? Math.fround : (x) => x,
    settle: () => [Float64Array.of(slope(variables[0][0]))],
    evaluate: () => [Float64Array.of(f(variables[0][0]))],
    rounding: (move) => {
      move();
      return rounding ?? null;
    },
    gradientRounding: () => null,
  };
}

function judge(curve: Curve, at: number): Judged {
  const differences = new Differences(problemOf(curve, at));
  const { analytic: [analytic], numeric: [numeric], estimate: [estimate], verdicts: [verdict] } = differences.elements(
    0,
  );
  return { analytic, numeric, estimate, verdict };
}

/** Numbers of all sizes, 0 included. */
const numbers = fc.oneof(
  fc.integer({ min: -4096, max: 4096 }).map((n) => n / 1024),
  fc.tuple(fc.constantFrom(-1, 1), fc.integer({ min: -120, max: 6 })).map(([sign, n]) => sign * 10 ** (n / 10)),
);

const curves: Record<string, Curve> = {
  "sin": { f: Math.sin, slope: Math.cos },
  "exp": { f: Math.exp, slope: Math.exp },
  "cube": { f: (x) => x ** 3, slope: (x) => 3 * x ** 2 },
  "atan": { f: Math.atan, slope: (x) => 1 / (1 + x * x) },
  "a line": { f: (x) => 3 * x + 1, slope: () => 3 },
  "an oscillation": { f: (x) => Math.sin(50 * x), slope: (x) => 50 * Math.cos(50 * x) },
};

for (const [name, curve] of Object.entries(curves)) {
  test(`the derivative of ${name} is right to within its estimate, and the estimate is small [float64]`, async () => {
    await checkProperty(numbers, (x) => {
      const { numeric, estimate, verdict } = judge(curve, x);
      const right = curve.slope(x);
      assert.equal(verdict, "ok", `${numeric} +- ${estimate}, ${right} is right`);
      assert.ok(Math.abs(numeric - right) <= estimate);
      assert.ok(estimate <= 1e-4 * Math.max(1, Math.abs(right)), `${estimate} is not small relative to ${right}`);
    }, { runs: 200 });
  });

  test(`a derivative of ${name} that is off by a thousandth is wrong [float64]`, async () => {
    const off = { ...curve, slope: (x: number) => 1.001 * curve.slope(x) };
    await checkProperty(numbers, (x) => {
      // For a slope of 0, a thousandth is 0 too.
      fc.pre(Math.abs(curve.slope(x)) > 1e-3);
      assert.equal(judge(off, x).verdict, "wrong");
    }, { runs: 200 });
  });
}

test("powers are right over 16 orders of magnitude [float64]", async () => {
  const magnitude = fc.integer({ min: -80, max: 80 }).map((n) => 10 ** (n / 10));
  await checkProperty(fc.tuple(magnitude, fc.constantFrom(-2, -1, 0.5, 2, 3)), ([x, power]) => {
    const slope = (t: number) => power * t ** (power - 1);
    const { numeric, estimate, verdict } = judge({ f: (t) => t ** power, slope }, x);
    assert.equal(verdict, "ok", `${numeric} +- ${estimate}, ${slope(x)} is right`);
  }, { runs: 200 });
});

test("differences are divided by the actual step [float64]", () => {
  // 1/3 plus a power of two is rounded; the slope must not be.
  const { numeric } = judge({ f: (x) => x, slope: () => 1 }, 1 / 3);
  assert.ok(Math.abs(numeric - 1) < 1e-13, String(numeric));
});

test("a kink counts only at the point itself, however close it lies [float64]", () => {
  const hinge = (at: number): Curve => ({ f: (x) => Math.abs(x - at), slope: (x) => Math.sign(x - at) });
  assert.equal(judge(hinge(1), 1).verdict, "kink");
  assert.equal(judge(hinge(0), 0).verdict, "kink");
  for (const beside of [1e-3, 1e-6, 1e-9]) {
    assert.equal(judge({ ...hinge(1 - beside), rounding: 1e-16 }, 1).verdict, "ok", String(beside));
  }
});

test("a jump of the second derivative is not a kink in first order [float64]", () => {
  const f = (x: number) => (Math.abs(x) < 1 ? x * x / 2 : Math.abs(x) - 0.5);
  assert.equal(judge({ f, slope: (x) => Math.max(-1, Math.min(1, x)) }, 1).verdict, "ok");
});

test("a derivative hidden by rounding is noise, neither right nor wrong [float64]", () => {
  // A staircase with steps of 2^-10: no step shows a slope of 1 well, and short ones show none.
  const stairs = (x: number) => Math.round(x * 1024) / 1024 + 1e-3 * Math.sin(1e5 * x);
  for (const slope of [1, 0]) {
    assert.notEqual(judge({ f: stairs, slope: () => slope }, 0.3).verdict, "ok", String(slope));
  }
  const swallowed = judge({ f: (x) => (1e17 + x) - 1e17, slope: () => 1 }, 3);
  assert.equal(swallowed.verdict, "noise");
});

test("steps that agree by chance do not form a plateau [float64]", () => {
  // At steps of 2^-12 and 2^-11 times the size, the oscillation shows the slope 0; the real slope is its own.
  const k = Math.PI * 2 ** 13;
  const curve: Curve = { f: (x) => Math.sin(k * (x - 1)) / k, slope: () => 0, rounding: 2 ** -66 };
  assert.equal(judge(curve, 1).verdict, "wrong");
  assert.equal(judge({ ...curve, slope: (x) => Math.cos(k * (x - 1)) }, 1).verdict, "ok");
});

test("a function that does not depend on its variable has derivative 0 [float64]", () => {
  assert.equal(judge({ f: () => 7, slope: () => 0 }, 1).verdict, "ok");
  assert.equal(judge({ f: () => 7, slope: () => 1 }, 1).verdict, "wrong");
});

test("an infinite or undefined derivative is wrong if the function is smooth, undecided at the end of its domain [float64]", () => {
  assert.equal(judge({ f: (x) => x * x, slope: () => NaN }, 2).verdict, "wrong");
  assert.equal(judge({ f: (x) => x * x, slope: () => Infinity }, 2).verdict, "wrong");
  assert.equal(judge({ f: Math.sqrt, slope: () => Infinity }, 0).verdict, "noise");
});

test("float32 decides what it can [float64]", async () => {
  const square: Curve = { f: (x) => Math.fround(x * x), slope: (x) => 2 * x, single: true };
  await checkProperty(fc.integer({ min: 1, max: 1000 }), (n) => {
    const x = Math.fround(n / 100);
    assert.equal(judge(square, x).verdict, "ok");
    assert.equal(judge({ ...square, slope: (t) => 2.2 * t }, x).verdict, "wrong");
  });
  // A hundredth above float32's resolution at 1e6: nothing can be said about the slope.
  assert.equal(judge({ f: (x) => Math.fround(1e6 + x), slope: () => 1, single: true }, 0.01).verdict, "noise");
});
