/** Lines through a point, and the rate at which a remainder falls along them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  elementLine,
  lineThrough,
  type Moves,
  movesByEffect,
  movesByScale,
  movesBySize,
  movesTogether,
  movesUphill,
} from "../../verify/differences/line.ts";
import { Differences } from "../../verify/differences/numeric.ts";
import { lowestBit, scaleOf, sizeOf } from "../../verify/differences/precision.ts";
import type { Problem } from "../../verify/differences/problem.ts";
import { isTooSlow, taylorFinding, taylorRate } from "../../verify/differences/taylor.ts";
import { randomFrom } from "../../verify/random.ts";
import { checkProperty } from "../support/property.ts";

const value = fc.oneof(
  fc.integer({ min: -4096, max: 4096 }).map((n) => n / 1024),
  fc.tuple(fc.constantFrom(-1, 1), fc.integer({ min: -120, max: 60 })).map(([sign, n]) => sign * 10 ** (n / 10)),
);
const points = fc.array(fc.array(value, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 });

/** A problem at a point whose one output is a function of all its values. */
function problemAt(
  values: readonly (readonly number[])[],
  f: (x: readonly number[]) => number = () => 0,
  gradient: (x: readonly number[]) => readonly number[] = (x) => x.map(() => 0),
  round: (x: number) => number = (x) => x,
): Problem {
  const variables = values.map((list) => Float64Array.from(list));
  const all = () => variables.flatMap((list) => [...list]);
  return {
    variables,
    weights: [Float64Array.of(1)],
    epsilon: 2 ** -52,
    terms: null,
    round,
    settle: () => {
      const flat = [...gradient(all())];
      return variables.map(({ length }) => Float64Array.from(flat.splice(0, length)));
    },
    evaluate: () => [Float64Array.of(f(all()))],
    rounding: () => null,
    gradientRounding: () => null,
  };
}

const eachOf = (problem: Problem, moves: Moves, visit: (x: number, by: number, scale: number) => void): void =>
  problem.variables.forEach((list, k) => list.forEach((x, i) => visit(x, moves[k][i], scaleOf(list))));

test("moves are of one to two sizes, of few digits, up and down [float64]", async () => {
  await checkProperty(fc.tuple(points, fc.nat(1e6)), ([values, seed]) => {
    const problem = problemAt(values);
    const shares = new Set<number>();
    const check = (by: number, unit: number) => {
      shares.add(Math.sign(by));
      const share = Math.abs(by) / unit;
      assert.ok(share >= 1 && share < 2 && share * 8 % 1 === 0, `${share} sizes`);
    };
    const random = randomFrom(seed);
    for (let time = 0; time < 8; time++) {
      eachOf(problem, movesBySize(problem, random), (x, by, scale) => check(by, sizeOf(x, scale)));
      eachOf(problem, movesByScale(problem, random), (_, by, scale) => check(by, scale));
    }
    assert.deepEqual([...shares].sort(), [-1, 1]);
  });
});

test("moves up a gradient add up, and even ones hold large effects down to small ones [float64]", async () => {
  const drawn = fc.tuple(
    points,
    fc.array(value, { minLength: 12, maxLength: 12 }),
    fc.nat(1e6),
    fc.constantFrom(0, 0.1, 0.5, 1),
  );
  await checkProperty(drawn, ([values, slopes, seed, quantile]) => {
    const problem = problemAt(values);
    let next = 0;
    const gradient = problem.variables.map((list) => list.map(() => slopes[next++]));
    const uphill = movesUphill(problem, gradient, randomFrom(seed));
    const sized = movesBySize(problem, randomFrom(seed));
    uphill.forEach((by, k) =>
      by.forEach((x, i) => {
        assert.equal(Math.abs(x), Math.abs(sized[k][i]));
        assert.ok(x * gradient[k][i] >= 0);
        if (gradient[k][i] === 0) assert.equal(x, sized[k][i]);
      })
    );
    const effects = problem.variables.map((list, k) =>
      list.map((x, i) => Math.abs(gradient[k][i]) * sizeOf(x, scaleOf(list)))
    );
    const positive = effects.flatMap((list) => [...list]).filter((x) => x > 0).sort((a, b) => a - b);
    const least = 1e-6;
    const even = Math.max(least, positive[Math.floor(quantile * (positive.length - 1))] ?? Infinity);
    const moves = movesByEffect(problem, gradient, { quantile, least }, randomFrom(seed));
    problem.variables.forEach((list, k) =>
      list.forEach((x, i) => {
        const share = Math.abs(moves[k][i]) / sizeOf(x, scaleOf(list));
        assert.ok(share < 2 && share >= 2 ** -27, `${share}`);
        const effect = Math.abs(gradient[k][i] * moves[k][i]);
        if (effects[k][i] <= even) assert.ok(share >= 1);
        else if (share >= 2 ** -25) assert.ok(effect < 2 * even && effect >= even / 2, `${effect} beside ${even}`);
      })
    );
  });
});

test("a line of one element moves it alone, by what is left after rounding [float64]", async () => {
  await checkProperty(fc.tuple(points, value, fc.boolean()), ([values, t, isSingle]) => {
    const round = isSingle ? Math.fround : (x: number) => x;
    const problem = problemAt(values.map((list) => list.map(round)), undefined, undefined, round);
    const k = problem.variables.length - 1;
    const before = problem.variables.map((list) => [...list]);
    const here = before[k][0];
    const line = elementLine(problem, [k, 0], 8);
    assert.deepEqual([line.size, line.reach, line.moving], [sizeOf(here, 8), 8, "alone"]);
    assert.equal(line.grain, here === 0 ? 0 : sizeOf(here, 8) * 2 ** -52);
    assert.equal(line.move(t), round(here + t) - here);
    before[k][0] = round(here + t);
    assert.deepEqual(problem.variables.map((list) => [...list]), before);
    assert.equal(line.move(0), 0);
    assert.equal(problem.variables[k][0], here);
    assert.equal(line.lost(), 0);
    assert.equal(line.usual(problem.variables), 0);
    assert.equal(line.along(problem.variables), here);
    assert.deepEqual(
      line.weights().map((list) => [...list]),
      values.map((list, v) => list.map((_, i) => (v === k && i === 0 ? 1 : 0))),
    );
  });
});

test("a part of a line moves the elements of a range alone, counted through all variables [float64]", async () => {
  await checkProperty(fc.tuple(points, fc.nat(14), fc.nat(14), fc.nat(1e6)), ([values, a, b, seed]) => {
    const problem = problemAt(values);
    const [from, to] = [Math.min(a, b), Math.max(a, b)];
    const moves = movesBySize(problem, randomFrom(seed));
    const line = lineThrough(problem, moves, 4, { from, to });
    const isIn = (k: number, i: number) => {
      const place = values.slice(0, k).reduce((sum, { length }) => sum + length, 0) + i;
      return place >= from && place < to;
    };
    const expected = moves.map((by, k) => [...by].map((x, i) => (isIn(k, i) ? x : 0)));
    assert.deepEqual(line.weights().map((by) => [...by]), expected);
    assert.equal(line.move(0.5), 0.5);
    problem.variables.forEach((list, k) =>
      list.forEach((x, i) => assert.equal(x, values[k][i] + 0.5 * expected[k][i]))
    );
    line.move(0);
    assert.deepEqual(problem.variables.map((list) => [...list]), values.map((list) => [...list]));
    const flat = expected.flat();
    assert.equal(line.along(moves), flat.reduce((sum, x) => sum + x * x, 0));
    const usual = Math.sqrt(flat.reduce((sum, x) => sum + x ** 4, 0));
    assert.ok(Math.abs(line.usual(moves) - usual) <= 1e-12 * usual);
    assert.deepEqual([line.size, line.reach, line.grain, line.moving], [4, 4, 4 * 2 ** -52, "several"]);
  });
});

test("moves that are shorter than what a line loses leave an element where it is, longer ones move all [float64]", async () => {
  await checkProperty(fc.tuple(points, fc.nat(1e6), fc.boolean()), ([values, seed, isEven]) => {
    const problem = problemAt(values.map((list) => list.map((x) => x || 1)));
    const random = randomFrom(seed);
    const slopes = problem.variables.map((list) => list.map(() => 10 ** (6 * random())));
    const moves = isEven
      ? movesByEffect(problem, slopes, { quantile: 0, least: 0 }, random)
      : movesByScale(problem, random);
    const line = lineThrough(problem, moves);
    const before = problem.variables.map((list) => [...list]);
    const stay = (t: number) => {
      line.move(t);
      return problem.variables.some((list, k) => list.some((x, i) => x === before[k][i]));
    };
    assert.equal(stay(2 * line.lost()), false);
    assert.equal(stay(line.lost() / 8), true);
  });
});

test("elements that move together move by the same, in steps of the largest of them [float64]", () => {
  const problem = problemAt([[1, 0.25, 5], [0, 64]]);
  const { moves, size } = movesTogether(problem, [[0, 1], [1, 0]]);
  assert.deepEqual(moves.map((by) => [...by]), [[0, 1, 0], [1, 0]]);
  assert.equal(size, 64);
  assert.equal(movesTogether(problem, [[0, 2], [0, 0]]).size, 4);
});

test("the lowest bit of a number is the largest power of two that it is a multiple of [float64]", async () => {
  await checkProperty(
    fc.tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 31 }), fc.nat(2 ** 21), fc.integer({ min: -900, max: 900 })),
    ([a, b, power]) => {
      const whole = BigInt(a) * 2n ** 21n + BigInt(b);
      if (whole === 0n) return;
      const x = Number(whole) * 2 ** power;
      let bit = 0;
      while (whole % 2n ** BigInt(bit + 1) === 0n) bit++;
      assert.equal(lowestBit(x), 2 ** (bit + power));
    },
  );
  for (const x of [0, -0, NaN, Infinity, -Infinity]) assert.equal(lowestBit(x), Infinity);
});

test("a remainder falls with the square of the step if the gradient is right, and with the step itself if not [float64]", async () => {
  const cubic = (x: readonly number[]) => x.reduce((sum, v, i) => sum + (i + 1) * v * v + v ** 3, 0);
  const slopes = (x: readonly number[]) => x.map((v, i) => 2 * (i + 1) * v + 3 * v * v);
  const drawn = fc.array(fc.integer({ min: 600, max: 1400 }).map((n) => n / 1024), { minLength: 1, maxLength: 4 });
  await checkProperty(fc.tuple(drawn, fc.nat(1e6)), ([values, seed]) => {
    const rateOf = (f: typeof cubic, gradient: typeof slopes) => {
      const problem = problemAt([values], f, gradient);
      const rate = taylorRate(
        new Differences(problem),
        lineThrough(problem, movesUphill(problem, [Float64Array.from(values, () => 1)], randomFrom(seed))),
      );
      assert.deepEqual([...problem.variables[0]], values);
      return rate;
    };
    const right = rateOf(cubic, slopes)!;
    assert.ok(Math.abs(right - 2) < 0.1, `${right}`);
    assert.equal(isTooSlow(right), false);
    const wrong = rateOf(cubic, (x) => slopes(x).map((v) => 1.5 * v))!;
    assert.ok(Math.abs(wrong - 1) < 0.4, `${wrong}`);
    assert.equal(isTooSlow(wrong), true);
    // A line has no remainder but rounding.
    assert.equal(rateOf((x) => x.reduce((a, b) => a + b, 0), (x) => x.map(() => 1)), null);
    assert.equal(isTooSlow(null), false);
  });
});

test("the Taylor test says what it found, and how bad that is", () => {
  assert.deepEqual([2.004, 1.2].map((rate) => taylorFinding(rate, false).severity), ["info", "warning"]);
  assert.equal(taylorFinding(1.2, true).severity, "error");
  assert.match(taylorFinding(2.004, false).message, /falls with the power 2\.00 of the step$/);
  assert.match(
    taylorFinding(1.2, true).message,
    /power 1\.20 of the step, that of a right gradient falls with the power 2$/,
  );
  assert.match(taylorFinding(1.2, false).message, /a nearby kink has the same effect$/);
});
