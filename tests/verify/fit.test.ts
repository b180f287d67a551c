/** Derivatives by fits, what they see that steps do not, and what a gradient says to them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { expectedAlong } from "../../verify/differences/expected.ts";
import { type Fit, fitWithin, standsOnAllScales, windowOf } from "../../verify/differences/fit.ts";
import { fitAlong, Fits, type Fitted } from "../../verify/differences/fitted.ts";
import { lineThrough } from "../../verify/differences/line.ts";
import { Steadiness } from "../../verify/differences/steady.ts";
import { Sums } from "../../verify/differences/sums.ts";
import { alongFirst, type Curve, curveAt, hashOf, problemOf } from "./problem.ts";

const f32 = Math.fround;
/** Functions with their derivatives, in doubles and in float32. */
const curves: Curve[] = [
  { f: Math.exp, slope: Math.exp },
  { f: Math.sin, slope: Math.cos },
  { f: (x) => x ** 3, slope: (x) => 3 * x ** 2 },
  { f: (x) => f32(Math.exp(x)), slope: Math.exp, single: true },
  { f: (x) => f32(Math.sin(x)), slope: Math.cos, single: true },
];

const WINDOW = 0.25;

function fitted(curve: Curve, x: number, points: number, isCompared = false): Fit | null {
  const { line, sums } = alongFirst(curveAt(curve, x));
  const expected = isCompared ? expectedAlong(line, sums, WINDOW) : null;
  return fitWithin(line, sums, { window: WINDOW, points, expected });
}

test("a fit sees a derivative to within its estimate, and more digits of it with more values [float64]", () => {
  let seen = 0, closer = 0;
  for (const curve of curves) {
    for (const x of [0.6, -0.35, 0.11].map(curve.single ? f32 : Number)) {
      const right = curve.slope!(x);
      const rounding = curve.single ? 2 ** -24 : 2 ** -53;
      const [few, many] = [64, 1024].map((points) => {
        const fit = fitted(curve, x, points);
        if (!fit) return NaN;
        // As far as a derivative is called wrong by.
        assert.ok(Math.abs(fit.value - right) <= 2 * fit.estimate, `${fit.value} +- ${fit.estimate}, not ${right}`);
        assert.ok(fit.estimate <= 400 * rounding * Math.max(1, Math.abs(right)), `${fit.estimate}`);
        assert.deepEqual([fit.window, fit.expected], [WINDOW, null]);
        return fit.estimate;
      });
      if (few + many > 0) seen++;
      if (many < few / 1.5) closer++;
    }
  }
  // Rounding looks rough by chance, and what all values share is not averaged out.
  assert.ok(seen >= 8 && closer >= 5, `${seen} of 15, ${closer} closer`);
});

test("compared with a gradient, a fit sees the derivative whether that is right or wrong [float64]", () => {
  for (const curve of curves) {
    const x = curve.single ? f32(0.6) : 0.6;
    for (const factor of [1, 1.001, 0.5, -1]) {
      const claimed: Curve = { ...curve, slope: (x) => factor * curve.slope!(x) };
      const fit = fitted(claimed, x, 512, true) ?? fitted(claimed, x, 1024, true);
      assert.ok(fit, "a fit");
      const right = curve.slope!(x);
      assert.ok(Math.abs(fit.value - right) <= fit.estimate, `${fit.value} +- ${fit.estimate}, ${right} is right`);
      assert.ok(fit.estimate <= (curve.single ? 1e-5 : 1e-13) * 4, `${fit.estimate}`);
      assert.notEqual(fit.expected, null);
    }
  }
});

test("what is not finite, not smooth, noisy or flat in a window has no fit there [float64]", () => {
  const none: [string, Curve][] = [
    ["an end", { f: (x) => (x > 0.7 ? NaN : x) }],
    ["a kink", { f: (x) => Math.abs(x - 0.65) }],
    ["a jump", { f: (x) => x + (x > 0.65 ? 1e-3 : 0) }],
    ["an oscillation", { f: (x) => Math.sin(300 * x) }],
    ["noise", { f: (x) => x + 1e-8 * hashOf(x) }],
    ["noise of some roundings", { f: (x) => x + 2e-14 * hashOf(x) }],
    // Between the points, and only close to this one.
    ["a bump", { f: (x) => x + (Math.abs(x - 0.6) < 0.25 / 60 && x !== 0.6 ? 1e-6 : 0) }],
    ["a narrow bump", { f: (x) => x + (Math.abs(x - 0.6) < 1e-6 && x !== 0.6 ? 1e-6 : 0) }],
    ["a bump below", { f: (x) => x + (x < 0.6 && x > 0.5999 ? 1e-6 : 0) }],
    ["a bump above", { f: (x) => x + (x > 0.6 && x < 0.6001 ? 1e-6 : 0) }],
  ];
  for (const [name, curve] of none) assert.equal(fitted(curve, 0.6, 512), null, name);
  // A value at the point that is an exception moves all differences, and so none.
  const fit = fitted({ f: (x) => (x === 0.6 ? 5 : x) }, 0.6, 512);
  assert.ok(fit === null || Math.abs(fit.value - 1) <= fit.estimate, "an exception");
  // Values of few levels are steps.
  assert.equal(fitted({ f: (x) => 1e15 + x }, 0.6, 512)?.estimate ?? Infinity, Infinity);
  assert.equal(fitted({ f: () => 1 }, 0.6, 512)?.estimate ?? Infinity, Infinity);
});

test("the widest window is that in which a function is smooth, down to where a line loses its elements [float64]", () => {
  const windowFor = (f: (x: number) => number, widest = 1) => {
    const { line, sums } = alongFirst(curveAt({ f }, 0.6));
    return windowOf(line, sums, widest);
  };
  assert.equal(windowFor(Math.sin), 1);
  assert.equal(windowFor(Math.sin, 0.25), 0.25);
  for (const distance of [0.3, 1e-2, 1e-3]) {
    for (const sign of [1, -1]) {
      const window = windowFor((x) => Math.abs(x - 0.6 - sign * distance));
      assert.ok(window <= distance && window >= distance / 4, `${window} beside a kink ${distance} away`);
    }
  }
  for (const k of [50, 1000]) {
    const window = windowFor((x) => Math.sin(k * x));
    assert.ok(window * k <= 25 && window * k >= 0.3, `${window} of sin ${k} x`);
  }
  assert.equal(windowFor((x) => Math.abs(x - 0.6)), 0);
  assert.equal(windowFor(hashOf), 0);
  assert.equal(windowFor(() => 3), 0);
  // Where an element moves by next to nothing, only wide windows move it.
  const windowAlong = (tiny: number, kink: number) => {
    const problem = problemOf({ f: ([[x, y]]) => Math.abs(x - 1 - kink) + y, at: [[1, 1]] });
    const sums = new Sums(problem);
    sums.settle();
    return windowOf(lineThrough(problem, [Float64Array.of(1, tiny)]), sums, 1);
  };
  assert.equal(windowAlong(2 ** -8, 2 ** -9) > 2 ** -12, true);
  assert.equal(windowAlong(2 ** -44, 2 ** -9), 0);
  assert.equal(windowAlong(2 ** -44, 0.3) > 2 ** -4, true);
});

test("what a fit says stands if narrower windows say the same [float64]", () => {
  const stands = (curve: Curve, claim: number, isSteady = false) => {
    const { line, sums } = alongFirst(curveAt(curve, 0.6));
    const fit = fitWithin(line, sums, { window: 0.5, points: 512 });
    assert.ok(fit, "a fit");
    return standsOnAllScales({ derivative: claim, fit, points: 512, isSteady }, line, sums);
  };
  const right = Math.cos(0.6);
  for (const claim of [right, 1.001 * right, (1 + 1e-9) * right, 0, -1]) {
    for (const isSteady of [false, true]) assert.equal(stands({ f: Math.sin }, claim, isSteady), true, `${claim}`);
  }
  // If a fit is off, they tell whether it speaks for a derivative or against it.
  const { line: plain, sums: values } = alongFirst(curveAt({ f: Math.sin }, 0.6));
  const off: Fit = { value: 0.9 * right, estimate: 1e-9, window: 0.5, expected: null };
  for (const claim of [0.9 * right, right, 0.5]) {
    for (const isSteady of [false, true]) {
      const stands = standsOnAllScales({ derivative: claim, fit: off, points: 64, isSteady }, plain, values);
      // Far from both, a tenth more or less makes no difference.
      assert.equal(stands, claim === 0.5 && Math.abs(claim - off.value) / 8 > 0.1 * right, `${claim}`);
    }
  }
  // A feature beside the point, that the points of a wide window miss and narrower ones see.
  const narrow = (x: number) => 1e-4 * Math.exp(-(((x - 0.6) / 2e-3) ** 2)) * Math.sin((x - 0.6) / 1e-3);
  const { line, sums } = alongFirst(curveAt({ f: (x) => Math.sin(x) + narrow(x) }, 0.6));
  const wide = alongFirst(curveAt({ f: Math.sin }, 0.6));
  const fit = fitWithin(wide.line, wide.sums, { window: 0.5, points: 512 })!;
  for (const claim of [right, 1.1 * right, right + 0.1]) {
    assert.equal(standsOnAllScales({ derivative: claim, fit, points: 512, isSteady: false }, line, sums), false);
  }
});

/** Judges a claim by fits. */
function along(curve: Curve, x: number, factor: number, rest: Partial<Parameters<typeof fitAlong>[3]> = {}) {
  const { line, sums } = alongFirst(curveAt({ ...curve, slope: (x) => factor * curve.slope!(x) }, x));
  const claim = factor * curve.slope!(x);
  const fit = fitAlong(claim, line, sums, { points: 512, goal: 0, ...rest });
  return { fit, calls: sums.calls };
}

test("fits find errors of eight digits in doubles and of five in float32, and none where there are none [float64]", () => {
  for (const curve of curves) {
    const x = curve.single ? f32(0.6) : 0.6;
    const right = along(curve, x, 1).fit!;
    assert.equal(right.verdict, "ok");
    for (const error of curve.single ? [3e-5, -1e-3] : [1e-12, -1e-8]) {
      const { analytic, numeric, estimate, verdict, off, window, distance, isSteady } = along(curve, x, 1 + error).fit!;
      assert.equal(verdict, "wrong", `${error}`);
      assert.equal(analytic, (1 + error) * curve.slope!(x));
      assert.equal(off, Math.abs(analytic - numeric));
      assert.ok(off > 2 * estimate, `${off} of ${estimate}`);
      assert.equal(distance, window / 4);
      if (curve.single) assert.equal(isSteady, true);
    }
  }
});

test("as many values are fitted as the goal asks for, and none where nothing is smooth [float64]", () => {
  const [exp, , , single] = curves;
  // Few are enough for a goal that is met, more are sought for one that is not.
  const few = along(exp, 0.6, 1, { goal: 1 });
  assert.equal(few.fit!.verdict, "ok");
  const many = along(single, f32(0.6), 1, { goal: 1e-12 });
  assert.ok(few.calls < 300 && many.calls > 600, `${few.calls} and ${many.calls}`);
  // To be sure takes a look at narrower windows.
  const sure = along(exp, 0.6, 1, { goal: 1, sure: true });
  assert.ok(sure.calls > 2 * few.calls, `${sure.calls}`);
  assert.equal(sure.fit!.verdict, "ok");
  assert.equal(along(exp, 0.6, 1, { widest: 0.01 }).fit!.window <= 0.01, true);
  assert.equal(along({ f: (x) => Math.abs(x - 0.6), slope: () => 0 }, 0.6, 1).fit, null);
});

test("fits take no more than a share of all calls, but for some that are always allowed [float64]", () => {
  const fitsOf = (elements: number, calls: number) => {
    const problem = problemOf({ f: () => 0, at: [new Float64Array(elements)] });
    const sums = new Sums(problem);
    sums.calls = calls;
    const fits = new Fits(sums);
    const spend = (cost: number) => {
      let points = 0;
      fits.afford((most) => {
        points = most;
        sums.calls += cost;
        return null as Fitted | null;
      });
      return points;
    };
    return spend;
  };
  const one = fitsOf(1, 0);
  assert.equal(one(10_000), 512);
  // Ten fits of that size must fit into what is left: ten thousand of twenty.
  assert.equal(one(8_000), 512);
  assert.equal(one(1_500), 128);
  assert.equal(one(0), 0);
  // A fifth of what else was called, if that is more.
  const busy = fitsOf(1, 500_000);
  assert.equal(busy(90_000), 512);
  assert.equal(busy(9_500), 512);
  assert.equal(busy(0), 0);
  // Each element counts where there are many.
  assert.equal(fitsOf(10_000, 0)(0), 64);
  assert.equal(fitsOf(20_000, 0)(0), 0);
});

test("a gradient that is off is steady unless it is rough, adds up, or is not finite [float64]", () => {
  const sine = (x: number) => Math.sin(x);
  const steady = (slope: (x: number) => number, off: number, f = sine, distance = 0.125) => {
    const { line, sums } = alongFirst(curveAt({ f, slope }, 0.6));
    const { variables: [x] } = sums.problem;
    const holds = new Steadiness(sums).holds(line, { analytic: slope(0.6), off, distance });
    assert.deepEqual([...x], [0.6]);
    return holds;
  };
  const right = Math.cos(0.6);
  // Wrong by a factor, or a term, all around.
  assert.equal(steady((x) => 1.01 * Math.cos(x), 0.01 * right), true);
  assert.equal(steady((x) => Math.cos(x) + 1e-6, 1e-6), true);
  assert.equal(steady(() => 0, right), true);
  // Right all around, so that its mean is what values change by: they must be off.
  assert.equal(steady(Math.cos, 0.01), false);
  // It jumps, bends or oscillates by as much as is in question.
  assert.equal(steady((x) => Math.cos(x) + (x > 0.61 ? 0.03 : 0), 0.01), false);
  assert.equal(steady((x) => Math.cos(x) + 0.01 * Math.sin(1e3 * x), 0.01), false);
  assert.equal(steady((x) => 1.01 * Math.cos(x) + 1e-4 * Math.sin(1e3 * x), 0.01), true);
  assert.equal(steady((x) => (x > 0.61 ? NaN : 1.01 * Math.cos(x)), 0.01), false);
  assert.equal(steady((x) => (x < 0.59 ? Infinity : 1.01 * Math.cos(x)), 0.01), false);
  // At the point alone it is an exception, but not if it is one all around it.
  assert.equal(steady((x) => Math.cos(x) + (x === 0.6 ? 0.5 : 0), 0.5), true);
  assert.equal(steady((x) => Math.cos(x) + (Math.abs(x - 0.6) < 1e-9 ? 0.5 : 0), 0.5), false);
  assert.equal(steady((x) => Math.cos(x) + (x > 0.6 && x < 0.6 + 1e-9 ? 0.5 : x === 0.6 ? 0.5 : 0), 0.5), false);
  assert.equal(steady((x) => Math.cos(x) + (x < 0.6 && x > 0.6 - 1e-9 ? 0.5 : x === 0.6 ? 0.5 : 0), 0.5), false);
});

test("a gradient that was steady four times, or is known to be, is not computed again [float64]", () => {
  const steadiness = (size: number, isRecorded = false) => {
    const gradient = ([x]: readonly Float64Array[]) => [x.map(() => 5)];
    const problem = problemOf({
      f: ([[x]]) => Math.sin(x),
      gradient,
      at: [new Float64Array(size).fill(0.6)],
      isRecorded,
    });
    let computed = 0;
    const counted = problem.gradient && (() => (computed++, problem.gradient!()));
    const { line, sums } = alongFirst({ ...problem, gradient: counted });
    const steady = new Steadiness(sums);
    const holds = (isSteady?: boolean) =>
      steady.holds(line, { analytic: 5, off: 4, distance: 0.1, ...(isSteady === undefined ? {} : { isSteady }) });
    return { steady, holds, computed: () => computed };
  };
  const { steady, holds, computed } = steadiness(1);
  for (let time = 0; time < 4; time++) {
    assert.equal(steady.isKnown, false);
    assert.equal(holds(), true);
  }
  const before = computed();
  assert.ok(before >= 4 * 64, `${before}`);
  assert.equal(steady.isKnown, true);
  assert.equal(holds(), true);
  assert.equal(computed(), before);
  const known = steadiness(1);
  assert.equal(known.holds(true), true);
  assert.equal(known.computed(), 0);
  // For a large one once is enough, and twice in between.
  const large = steadiness(20_000);
  large.holds(true);
  assert.equal(large.steady.isKnown, true);
  const middle = steadiness(3_000);
  middle.holds(true);
  middle.holds(true);
  assert.equal(middle.steady.isKnown, false);
  middle.holds(true);
  assert.equal(middle.steady.isKnown, true);
  // One that is only known at the point cannot be unsteady.
  const recorded = steadiness(1, true);
  assert.equal(recorded.holds(), true);
});
