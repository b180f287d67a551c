/** From slopes to a verdict: kinks, edges, infinite slopes, staircases, and functions that no step resolves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { firstChange, jumpBeside, jumpFarAway, jumpWithin, natureOf } from "../../verify/differences/jump.ts";
import type { Line } from "../../verify/differences/line.ts";
import type { Judged } from "../../verify/differences/problem.ts";
import { distanceFrom, judgedOf, readFully, roundingAlong, verdictOf } from "../../verify/differences/reading.ts";
import { alongFirst, type Curve, curveAt, hashOf, ladderOf, problemOf } from "./problem.ts";

/** How a claim is judged, and from what. */
interface How {
  readonly moving?: Line["moving"];
  readonly decides?: (estimate: number) => boolean;
}

/** Judges a claimed derivative by a ladder. */
function judge(curve: Curve, x: number, analytic: number, how: How = {}): Judged & { off: number } {
  const { line, sums, ladder } = ladderOf(curveAt(curve, x));
  const full = readFully(line, sums, ladder, analytic);
  const { verdict, off } = verdictOf(analytic, full, {
    ladder,
    decides: how.decides ?? (() => true),
    line: { ...line, moving: how.moving ?? "alone" },
  });
  assert.equal(line.move(0), 0);
  return { ...judgedOf(analytic, full, verdict), off };
}

/** Checks verdicts on claims. */
function verdicts(curve: Curve, x: number, expected: Readonly<Record<string, readonly number[]>>, how?: How): void {
  for (const [verdict, claims] of Object.entries(expected)) {
    for (const claim of claims) assert.equal(judge(curve, x, claim, how).verdict, verdict, `${claim} at ${x}`);
  }
}

const near = (actual: number, expected: number, most: number) =>
  assert.ok(Math.abs(actual - expected) <= most, `${actual}, expected ${expected}`);

test("a smooth function's derivative is right, and what is off by more than rounding wrong [float64]", () => {
  const curves: [Curve, (x: number) => number][] = [
    [{ f: Math.exp }, Math.exp],
    [{ f: Math.sin }, Math.cos],
    [{ f: (x) => 1 / x }, (x) => -1 / x ** 2],
    [{ f: (x) => Math.fround(x * x), single: true }, (x) => 2 * x],
  ];
  for (const [curve, slope] of curves) {
    for (const x of [0.3, -1.7, 40]) {
      const at = curve.single ? Math.fround(x) : x;
      const right = slope(at);
      const { numeric, estimate, verdict, off, mark, bend } = judge(curve, at, right);
      assert.deepEqual([verdict, mark, bend], ["ok", undefined, undefined]);
      near(numeric, right, estimate);
      assert.ok(estimate <= (curve.single ? 1e-2 : 1e-7) * Math.abs(right), `${estimate}`);
      assert.equal(off, Infinity);
      // Between one estimate and four of them, nothing can be said.
      for (const sign of [1, -1]) {
        assert.equal(judge(curve, at, numeric + sign * 0.9 * estimate).verdict, "ok");
        assert.equal(judge(curve, at, numeric + sign * 3 * estimate).verdict, "noise");
        const wrong = judge(curve, at, numeric + sign * 5 * estimate);
        assert.equal(wrong.verdict, "wrong");
        near(wrong.off / estimate, 1, 1e-3);
      }
      assert.equal(judge(curve, at, right, { decides: (e) => e < estimate / 2 }).verdict, "noise");
      for (const claim of [NaN, Infinity, -Infinity]) assert.equal(judge(curve, at, claim).verdict, "wrong");
    }
  }
});

test("at a kink a derivative lies between the slopes of both sides, up to their errors [float64]", () => {
  const kinks: [Curve, number, number][] = [
    [{ f: (x) => Math.abs(x - 1) }, -1, 1],
    [{ f: (x) => -Math.abs(x - 1) }, 1, -1],
    [{ f: (x) => 3 * x + 1e-3 * Math.abs(x - 1) }, 2.999, 3.001],
    [{ f: (x) => (x > 1 ? Math.exp(x) - Math.E : 0) }, 0, Math.E],
    [{ f: (x) => Math.fround(Math.max(0, Math.fround(x - 1))), single: true }, 0, 1],
  ];
  for (const [curve, below, above] of kinks) {
    const [low, high] = [Math.min(below, above), Math.max(below, above)];
    const beyond = 0.05 * (high - low);
    verdicts(curve, 1, {
      kink: [low, high, (low + high) / 2],
      wrong: [low - beyond, high + beyond, NaN, Infinity, -Infinity],
    });
    const { numeric, estimate, bend, mark } = judge(curve, 1, low);
    assert.equal(mark, undefined);
    near(numeric, (low + high) / 2, beyond / 100);
    near(estimate, (high - low) / 2, beyond / 100);
    near(bend!, above - below, beyond / 100);
    // Where several elements move, kinks may act at once.
    verdicts(curve, 1, { kink: [low, low - beyond, high + beyond] }, { moving: "several" });
    near(judge(curve, 1, high + 3 * beyond).off, 3 * beyond, beyond / 10);
  }
  // A bend that rounding may be is none.
  const { bend } = judge({ f: (x) => x + 1e-14 * Math.abs(x - 1) }, 1, 1);
  assert.equal(bend, undefined);
});

test("where a function ends, the slope to the other side counts, and its end is told [float64]", () => {
  const right: Curve = { f: (x) => (x >= 1 ? x * x : NaN) }, left: Curve = { f: (x) => (x <= 1 ? x * x : NaN) };
  for (const curve of [right, left]) {
    verdicts(curve, 1, { ok: [2], wrong: [2.01, 1.99, NaN, Infinity] });
    verdicts(curve, 1, { noise: [2] }, { decides: () => false });
    const { numeric, estimate, mark, bend } = judge(curve, 1, 2);
    assert.deepEqual([mark, bend], ["edge", undefined]);
    near(numeric, 2, estimate);
    assert.ok(estimate < 1e-4, `${estimate}`);
  }
  const nowhere = judge({ f: (x) => (x === 1 ? 1 : NaN) }, 1, 2);
  assert.deepEqual([nowhere.verdict, nowhere.mark, nowhere.numeric, nowhere.estimate], [
    "noise",
    "edge",
    NaN,
    Infinity,
  ]);
  // One that ends only far away is known on both sides.
  assert.equal(judge({ f: (x) => (x < 1.001 ? x * x : NaN) }, 1, 2).mark, undefined);
  verdicts({ f: (x) => (x < 1.001 ? x * x : NaN) }, 1, { ok: [2], wrong: [2.01] });
  // So close that only a few steps see it.
  for (const [end, mark] of [[2 ** -39, undefined], [2 ** -41, "edge"], [2 ** -43, "edge"]] as const) {
    for (const sign of [1, -1]) {
      assert.equal(judge({ f: (x) => (sign * (x - 1) < end ? x : NaN) }, 1, 1).mark, mark, `${end}`);
    }
  }
});

test("slopes that grow without bound have an infinite derivative, or none [float64]", () => {
  const root = (x: number) => Math.sign(x) * Math.sqrt(Math.abs(x));
  const at = (f: (x: number) => number): Curve => ({ f: (x) => f(x - 1) });
  const both = judge(at(root), 1, Infinity);
  assert.deepEqual([both.verdict, both.mark, both.numeric, both.estimate], ["kink", "infinite", Infinity, 0]);
  verdicts(at(root), 1, { kink: [Infinity, 5, 0], wrong: [-Infinity] });
  verdicts(at((x) => -root(x)), 1, { kink: [-Infinity, 5], wrong: [Infinity] });
  assert.equal(judge(at((x) => -root(x)), 1, 0).numeric, -Infinity);
  const cusp = at((x) => Math.sqrt(Math.abs(x)));
  verdicts(cusp, 1, { kink: [-Infinity, 0, Infinity], wrong: [NaN] });
  assert.equal(judge(cusp, 1, 0).bend, Infinity);
  // At the end of a domain there is no derivative at all.
  for (const f of [Math.sqrt, (x: number) => Math.sqrt(-x)]) {
    const end = judge(at(f), 1, f(1) === 1 ? Infinity : -Infinity);
    assert.deepEqual([end.verdict, end.mark, end.numeric], ["noise", "infinite", NaN]);
    assert.equal(judge(at(f), 1, f(1) === 1 ? -Infinity : Infinity).verdict, "wrong");
  }
  // Infinite to one side, 2 to the other.
  const ends: [(x: number) => number, number, number[], number[], number][] = [
    [(x) => (x > 0 ? Math.sqrt(x) : 2 * x), Infinity, [2, 3, Infinity], [1, -Infinity, NaN], Infinity],
    [(x) => (x > 0 ? -Math.sqrt(x) : 2 * x), -Infinity, [2, 1, -Infinity], [3, Infinity, NaN], -Infinity],
    [(x) => (x < 0 ? -Math.sqrt(-x) : 2 * x), Infinity, [2, 3, Infinity], [1, -Infinity], -Infinity],
    [(x) => (x < 0 ? Math.sqrt(-x) : 2 * x), -Infinity, [2, 1, -Infinity], [3, Infinity], Infinity],
  ];
  for (const [f, numeric, kink, wrong, bend] of ends) {
    verdicts(at(f), 1, { kink, wrong });
    const judged = judge(at(f), 1, 2);
    assert.deepEqual([judged.numeric, judged.bend, judged.mark], [numeric, bend, "infinite"]);
    assert.ok(judged.estimate < 1e-3, `${judged.estimate}`);
  }
  assert.equal(judge({ f: (x) => x * Math.log(Math.abs(x)) || 0 }, 0, 0).numeric, -Infinity);
});

test("steps of a staircase are its own if they are large, and rounding if they are tiny [float64]", () => {
  const stairs = (size: number): Curve => ({ f: (x) => Math.round(x / size) * size });
  // A quantiser has the derivative 0 between its steps.
  for (const size of [1, 1 / 8, 1 / 300]) verdicts(stairs(size), 0.3 * Math.SQRT2, { ok: [0], wrong: [1, -1, 0.5] });
  // Finer ones cannot be told from rounding.
  for (const size of [1e-4, 2 ** -17]) {
    verdicts(stairs(size), 0.3 * Math.SQRT2, { noise: [0, 1], wrong: [2, -1, 0.5] });
    assert.equal(judge(stairs(size), 0.3 * Math.SQRT2, 1).mark, "staircase");
  }
  // The finest are the rounding of numbers that cancel.
  for (const size of [2 ** -22, 2 ** -30]) {
    verdicts(stairs(size), 0.3 * Math.SQRT2, { noise: [0], ok: [1], wrong: [2, -1] });
    near(judge(stairs(size), 0.3 * Math.SQRT2, 1).numeric, 1, 2e-2);
  }
  verdicts(stairs(2 ** -40), 0.3 * Math.SQRT2, { ok: [1], wrong: [0, 2, -1] });
  // A single jump far away belongs to the function, near or far.
  for (const at of [0.9, 1 + 1e-3, 1 - 1e-7]) {
    verdicts({ f: (x) => 3 * x + (x > at ? 0.5 : 0) }, 1, { ok: [3], wrong: [3.5, 2] });
  }
});

test("what swallows changes leaves smooth slopes to short steps, and speaks against no derivative [float64]", () => {
  // The exponent of the rounding is that of the large number, which short steps do not see.
  const swallowed = (large: number): Curve => ({ f: (x) => 2 * x + ((large + x) - large) });
  for (const large of [1e6, 1e9, 1e12]) {
    for (const x of [0.3, 1, -2.7]) {
      assert.notEqual(judge(swallowed(large), x, 3).verdict, "wrong", `${large} at ${x}`);
      assert.equal(judge(swallowed(large), x, 4).verdict, "wrong", `${large} at ${x}`);
    }
  }
});

test("an oscillation has the slope that steps shorter than it see [float64]", () => {
  for (const k of [1e3, 1e5, 1e6, 1e7]) {
    const ripple: Curve = { f: (x) => x + Math.sin(k * (x - 1)) / k };
    verdicts(ripple, 1, { ok: [2], wrong: [1, 0, 3] });
  }
  // One that no step resolves may be noise, which hides slopes no steeper than it is.
  const chaos: Curve = { f: (x) => x + hashOf(x) };
  verdicts(chaos, 1, { noise: [1, -5, 100] }, { decides: (estimate) => estimate < 0.1 });
});

test("rounding that is known leaves steps that are the function's own, however small [float64]", () => {
  for (const size of [2 ** -22, 2 ** -30, 1 / 8]) {
    const known: Curve = { f: (x) => Math.round(x / size) * size, rounding: 2 ** -52 };
    verdicts(known, 0.3 * Math.SQRT2, { ok: [0], wrong: [1, -1] });
  }
});

test("a step is small or large beside the values that its element contributes [float64]", () => {
  const stairs = (size: number): Curve => ({ f: (x) => 4096 * Math.round(x / size) * size });
  const x = 0.3 * Math.SQRT2;
  verdicts(stairs(1 / 300), x, { ok: [0], wrong: [4096] });
  // Steps of 4, as small a part of the values as 1e-3 of 1, and of 1e-3, which can only be rounding.
  verdicts(stairs(2 ** -10), x, { noise: [0, 4096], wrong: [-4096] });
  verdicts(stairs(2 ** -22), x, { noise: [0], ok: [4096], wrong: [8192] });
});

test("steps beside a kink are sought, too, if longer ones see other slopes [float64]", () => {
  const stairs = (x: number) => Math.round(x * 2 ** 17) / 2 ** 17;
  const curve: Curve = { f: (x) => Math.abs(x - 1) + stairs(x) };
  verdicts(curve, 1, { noise: [-1], kink: [0, 1], wrong: [3, -2] });
});

test("steps much longer than an element say nothing of what is near, where that is lost in rounding [float64]", () => {
  // Near 0 the slope is 1, and from afar it is 3; numbers of 1e16 leave nothing to be seen near.
  const bent = (x: number) => x + 2 * Math.sign(x) * Math.max(0, Math.abs(x) - 2 ** 10);
  const verdictAt = (at: number, claim: number) => {
    const { line, sums, ladder } = ladderOf(
      problemOf({ f: ([[x]]) => 1e16 + bent(x - at), at: [[at, 2 ** 24]] }),
    );
    const full = readFully(line, sums, ladder, claim);
    return verdictOf(claim, full, { ladder, decides: () => false, line }).verdict;
  };
  for (const at of [0, 0.5]) {
    assert.deepEqual([1, 3, 100].map((claim) => verdictAt(at, claim)), ["noise", "noise", "noise"]);
  }
  assert.equal(verdictAt(2 ** 24, 100), "wrong");
});

test("an oscillation that a short step resolves, though rounding might be larger, excuses its derivative [float64]", () => {
  const triangle = (t: number) => Math.abs(t - Math.floor(t) - 0.5);
  for (const [power, slope] of [[10, -8], [12, -5], [14, -4], [16, -2]]) {
    const k = 1.37 * 2 ** power, size = 2 ** slope / k;
    const x = Math.fround(0.3);
    const curve: Curve = { f: (t) => Math.fround(t - size * triangle(k * t)), single: true };
    const isRising = k * x - Math.floor(k * x) < 0.5;
    const right = 1 + (isRising ? 1 : -1) * 2 ** slope;
    assert.equal(judge(curve, x, right).verdict, "noise", `${power}`);
    verdicts(curve, x, { ok: [1], wrong: [1 + 4 * (right - 1), 1 - 2 * (right - 1), 0] });
  }
});

test("a derivative that slopes come ever closer to is not excluded, however slowly they do [float64]", () => {
  const curves: [(size: number) => number, number][] = [
    [(h) => h ** 0.1, 5],
    [(h) => h ** 0.25, 5],
    [(h) => h ** 0.5, 5],
    [(h) => 1 / (1 - Math.log(h)), 0],
    [(h) => 1 / (1 - Math.log(h)) ** 2, 0],
  ];
  for (const [size, slope] of curves) {
    for (const sign of [1, -1]) {
      for (const at of [0, 1]) {
        const part = (t: number) => (t === 0 ? 0 : sign * t * size(Math.abs(t)));
        verdicts({ f: (x) => slope * (x - at) + part(x - at) }, at, { wrong: [slope - 2 * sign, slope + 2 * sign] });
        const odd = judge({ f: (x) => slope * (x - at) + part(x - at) }, at, slope);
        const even = judge({ f: (x) => part(Math.abs(x - at)) }, at, 0);
        assert.notEqual(odd.verdict, "wrong", `${size} at ${at}`);
        assert.notEqual(even.verdict, "wrong", `${size} at ${at}`);
      }
    }
  }
});

test("distances from an interval are to its nearer end, and of no number they are none", () => {
  assert.deepEqual([1, 2, 3, 0, 5].map((x) => distanceFrom(x, 1, 3)), [0, 0, 0, 1, 2]);
  assert.equal(distanceFrom(NaN, 1, 3), NaN);
});

test("the largest jump between here and a step is found, with its size; what is steep is none [float64]", () => {
  const jumpOf = (f: (x: number) => number, step: number, slope = 0) => {
    const { line, sums } = alongFirst(curveAt({ f }, 1));
    const jump = jumpWithin(line, sums, step, slope);
    assert.equal(line.move(0), 0);
    return jump;
  };
  for (const [at, step] of [[1.1, 0.25], [1 + 1e-9, 0.25], [0.9, -0.25], [1 - 1e-12, -0.25], [50, 100]]) {
    for (const size of [0.5, -2, 1e-6]) {
      near(jumpOf((x) => 3 * x + (x > at ? size : 0), step, 3), Math.abs(size), 1e-3 * Math.abs(size));
    }
  }
  // The larger one of two, wherever it is.
  near(jumpOf((x) => (x > 1.1 ? 1 : 0) + (x > 1.2 ? 3 : 0), 0.25), 3, 1e-9);
  near(jumpOf((x) => (x > 1.1 ? 3 : 0) + (x > 1.2 ? 1 : 0), 0.25), 3, 1e-9);
  for (const f of [(x: number) => 5 * x, Math.exp, (x: number) => 1e6 * Math.max(0, x - 1.1)]) {
    assert.equal(jumpOf(f, 0.25), 0);
    assert.equal(jumpOf(f, -0.25), 0);
  }
  // A slope that is known is taken off, and what rounding does is no jump.
  assert.equal(jumpOf((x) => 1e6 + x, 0.25, 1), 0);
  assert.equal(jumpOf((x) => 1 + 2 ** -51 * hashOf(x), 0.25, 0), 0);
  assert.equal(jumpOf(() => 1, 0.25), 0);
});

test("jumps are sought beside the shortest step that sees another slope, or up to the longest [float64]", () => {
  const find = (f: (x: number) => number, side: "up" | "down", slope = 1) => {
    const { line, sums, ladder } = ladderOf(curveAt({ f }, 1));
    const seen = { side, slope, estimate: 1e-9 };
    return [jumpBeside(line, sums, ladder, seen), jumpFarAway(line, sums, ladder, seen)];
  };
  // A small one near, and a large one further away.
  const two = (x: number) => x + (Math.abs(x - 1) > 1e-6 ? 1e-3 : 0) + (Math.abs(x - 1) > 0.1 ? 0.5 : 0);
  for (const side of ["up", "down"] as const) {
    const [beside, far] = find(two, side);
    near(beside, 1e-3, 1e-6);
    near(far, 0.5, 1e-6);
    // A curve is none.
    assert.deepEqual(find(Math.exp, side, Math.E), [0, 0]);
    assert.deepEqual(find((x) => x, side), [0, 0]);
  }
  // Only the side that was asked for, and only where the function is finite.
  near(find((x) => x + (x > 1.01 ? 0.1 : 0), "up")[0], 0.1, 1e-6);
  assert.deepEqual(find((x) => x + (x > 1.01 ? 0.1 : 0), "down"), [0, 0]);
  near(find((x) => (x > 1.1 ? NaN : x + (x > 1.01 ? 0.1 : 0)), "up")[1], 0.1, 1e-6);
  near(find((x) => (x < 0.9 ? NaN : x + (x < 0.99 ? 0.1 : 0)), "down")[1], 0.1, 1e-6);
  assert.equal(find((x) => (x === 1 ? 1 : NaN), "up")[1], 0);
});

test("what first changes, and how far away, is found by halving [float64]", () => {
  const { line, sums } = alongFirst(curveAt({ f: (x) => (x > 1.125 ? 5 : 0) + (x > 30 ? 7 : 0) }, 1));
  const { distance, change } = firstChange(line, sums, 100);
  near(distance, 0.125, 1e-9);
  assert.equal(change, 5);
  assert.equal(line.move(0), 0);
  const down = alongFirst(curveAt({ f: (x) => (x < 0 ? -3 : 0) }, 1));
  assert.equal(firstChange(down.line, down.sums, -100).change, 3);
});

test("a jump's size tells what it can be, beside the values around it [float64]", () => {
  const nature = (jump: number, rest: Partial<Parameters<typeof natureOf>[1]> = {}) =>
    natureOf(jump, { values: 1, size: 1, total: 1, epsilon: 2 ** -52, ...rest });
  assert.deepEqual([2e-3, 0.5, 3.9].map((x) => nature(x)), ["own", "own", "own"]);
  assert.deepEqual([5, 1e6].map((x) => nature(x)), ["unclear", "unclear"]);
  assert.deepEqual([5e-4, 2e-6].map((x) => nature(x)), ["unclear", "unclear"]);
  assert.deepEqual([2 ** -21, 2 ** -40].map((x) => nature(x)), ["rounding", "rounding"]);
  // Beside large values, of the element or around it, or of wide elements.
  assert.equal(nature(0.5, { values: 1000 }), "unclear");
  assert.equal(nature(2, { values: 1000 }), "own");
  assert.equal(nature(3000, { values: 1000 }), "own");
  assert.equal(nature(20, { size: 10 }), "own");
  assert.equal(nature(50, { size: 10 }), "unclear");
  assert.equal(nature(2e-6, { total: 1000 }), "rounding");
  assert.equal(nature(2e-6, { values: 1000 }), "rounding");
  assert.equal(nature(0.1, { epsilon: 2 ** -23 }), "unclear");
  assert.equal(nature(0.3, { epsilon: 2 ** -23 }), "own");
});

test("the rounding along a line is the largest jump that can be nothing else [float64]", () => {
  const rounding = (f: (x: number) => number) => {
    const { line, sums, ladder } = ladderOf(curveAt({ f }, 1));
    return roundingAlong(line, sums, ladder);
  };
  for (const size of [2 ** -24, 2 ** -36]) near(rounding((x) => Math.round(x / size) * size) / size, 1, 0.05);
  assert.equal(rounding((x) => Math.round(8 * x) / 8), 0);
  assert.equal(rounding(Math.exp), 0);
  near(rounding((x) => x + (Math.abs(x - 1) > 0.1 ? 2 ** -22 : 0)), 2 ** -22, 1e-9);
});
