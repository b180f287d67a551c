/** Derivatives from a few steps, and where these see too little. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FirstLook } from "../../verify/differences/first_look.ts";
import { precisionOf } from "../../verify/differences/precision.ts";
import { alongFirst, type Curve, curveAt } from "./problem.ts";

/** Judges a claim by the first steps. */
function look(curve: Curve, x: number, claim: number) {
  const problem = curveAt(curve, x);
  const { line, sums } = alongFirst(problem);
  const first = new FirstLook(sums, precisionOf(problem.epsilon));
  const agrees = first.agrees(line, claim);
  assert.equal(problem.variables[0][0], x);
  return { agrees, numeric: first.numeric, estimate: first.estimate, calls: sums.calls };
}

test("a few steps see the derivative of a smooth function to within a small error [float64]", () => {
  const curves: [Curve, (x: number) => number][] = [
    [{ f: Math.exp }, Math.exp],
    [{ f: Math.sin, terms: 2 }, Math.cos],
    [{ f: (x) => x ** 3 }, (x) => 3 * x ** 2],
    [{ f: (x) => 1 / x }, (x) => -1 / x ** 2],
    [{ f: (x) => Math.fround(x * x), single: true }, (x) => 2 * x],
    [{ f: (x) => Math.fround(Math.exp(x)), single: true }, Math.exp],
  ];
  for (const [curve, slope] of curves) {
    for (const x of [0.7, -1.3, 2.5].map((v) => (curve.single ? Math.fround(v) : v))) {
      const right = slope(x);
      const { agrees, numeric, estimate, calls } = look(curve, x, right);
      assert.equal(agrees, true, `${curve.f} at ${x}`);
      assert.ok(Math.abs(numeric - right) <= estimate, `${numeric} +- ${estimate}, ${right} is right`);
      assert.ok(estimate <= (curve.single ? 1e-3 : 1e-7) * Math.max(1, Math.abs(right)), `${estimate} of ${right}`);
      assert.equal(calls, curve.single ? 6 : curve.terms ? 4 : 5);
      for (const sign of [1, -1]) {
        assert.equal(look(curve, x, numeric + 0.9 * sign * estimate).agrees, true);
        assert.equal(look(curve, x, numeric + 1.1 * sign * estimate).agrees, false);
      }
      assert.equal(look(curve, x, NaN).agrees, false);
    }
  }
});

test("a function that no step changes has the slope 0, and may have a tiny one [float64]", () => {
  const flat = look({ f: () => 7 }, 1, 0);
  assert.deepEqual([flat.agrees, flat.numeric, flat.estimate], [true, 0, 0]);
  assert.equal(look({ f: () => 7 }, 1, 1e-6).agrees, false);
  const tiny = look({ f: () => 7 }, 1, 1e-14);
  assert.equal(tiny.agrees, true);
  assert.ok(tiny.estimate >= 1e-14, `${tiny.estimate}`);
  // One that changes has been seen to, whatever its slope.
  const even = look({ f: (x) => (x - 1) ** 2 }, 1, 0);
  assert.equal(even.agrees, true);
  assert.ok(even.estimate > 0, "an estimate");
});

test("kinks at the point or within the steps, ends of a domain and ripples need another look [float64]", () => {
  const h = 2 ** -14;
  const open: [string, Curve, number][] = [
    ["abs", { f: (x) => Math.abs(x - 1) }, 0],
    ["relu", { f: (x) => Math.max(0, x - 1) }, 0.5],
    ["a kink between the steps", { f: (x) => Math.abs(x - 1 - 1.5 * h) }, -1],
    ["a kink within the steps", { f: (x) => Math.abs(x - 1 + 0.5 * h) }, 1],
    ["an end above", { f: (x) => (x > 1 + 0.5 * h ? NaN : x) }, 1],
    ["an end below", { f: (x) => (x < 1 - 1.5 * h ? NaN : x) }, 1],
    ["an oscillation", { f: (x) => Math.sin(1e4 * (x - 1)) }, 1e4],
    ["a ripple between the steps", { f: (x) => x + Math.sin(2 * Math.PI / h * (x - 1)) * h }, 1],
    ["a jump at the point", { f: (x) => x + (x > 1 ? 1e-3 : 0) }, 1],
  ];
  for (const [name, curve, claim] of open) assert.equal(look(curve, 1, claim).agrees, false, name);
  // Beyond the steps, nothing is in their way.
  assert.equal(look({ f: (x) => Math.abs(x - 1 - 2.5 * h) }, 1, -1).agrees, true);
  // A ripple is a decision that is held, where the terms are known: then there is no other scale.
  assert.equal(look({ ...open[7][1], terms: 1 }, 1, 1).agrees, true);
  // A curve is no ripple.
  assert.equal(look({ f: (x) => 100 * (x - 1) ** 2 + x }, 1, 1).agrees, true);
});

test("slopes that differ more than those of a smooth function are not extrapolated [float64]", () => {
  // By a hundredth for each step: sin(k h) / (k h) is off by (k h)^2 / 6.
  const h = 2 ** -14;
  const sine = (kh: number): Curve => ({ f: (x) => Math.sin(kh / h * (x - 1)) });
  assert.equal(look(sine(0.1), 1, 0.1 / h).agrees, true);
  assert.equal(look(sine(0.3), 1, 0.3 / h).agrees, false);
  // In float32 the steps are three, and the error that of two extrapolations.
  const single: Curve = { f: (x) => Math.fround(Math.sin(x)), single: true };
  assert.equal(look(single, 1, Math.cos(1)).agrees, true);
  assert.equal(look(single, 1, 1.002 * Math.cos(1)).agrees, false);
});
