/** Elements on kinks: which of them act together, and what a gradient may be there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { allowConventions, allowRounding, judgedAgain } from "../../verify/differences/allowances.ts";
import { groupsOf, judgeBeside, judgeTie, judgeTogether, kinksOf } from "../../verify/differences/kinks.ts";
import { elementLine } from "../../verify/differences/line.ts";
import { isBetweenBranches, isBetweenNeighbours, outsideOf } from "../../verify/differences/neighbours.ts";
import { Differences, type Judged } from "../../verify/differences/numeric.ts";
import { scaleOf } from "../../verify/differences/precision.ts";
import type { Differentiated } from "../../verify/differences/problem.ts";
import { randomFrom } from "../../verify/random.ts";
import { hashOf, type Known, problemOf } from "./problem.ts";

const differencesOf = (known: Known) => new Differences(problemOf(known));
const resultsOf = (differences: Differences) => differences.problem.variables.map((_, k) => differences.elements(k));
/** The derivative of the first element, which its slopes exclude. */
const excluded = (
  { problem }: Differences,
  analytic: number,
  { numeric = 0, bend }: { numeric?: number; bend?: number },
) => ({
  lineHere: () => elementLine(problem, [0, 0], scaleOf(problem.variables[0])),
  analytic,
  numeric,
  bend,
});
const max = (x: ArrayLike<number>) => Math.max(...Array.from(x));
const relu = (x: number) => Math.max(0, x);
const indices = (kinks: readonly { at: readonly [number, number] }[]) => kinks.map(({ at }) => at.join(" "));

test("kinks of which one leaves its place as another one moves are tied, others are not [float64]", () => {
  const groups = (f: Known["f"], at: Known["at"], single = false) => {
    const rounded: Known["f"] = single ? (x) => Math.fround(f(x)) : f;
    const differences = differencesOf({ f: rounded, at, single });
    const results = resultsOf(differences);
    // Slopes of 0 are on no side of these kinks, but kinks they are.
    const kinks = results.flatMap(({ bends }, k) => [...bends].map(([i, bend]) => ({ at: [k, i] as const, bend })));
    const found = groupsOf(differences, kinks).map(indices);
    assert.deepEqual(differences.problem.variables.map((x) => [...x]), at.map((x) => [...Array.from(x)]));
    return found;
  };
  for (const single of [false, true]) {
    assert.deepEqual(groups(([x]) => max(x), [[3, 3, 1]], single), [["0 0", "0 1"]]);
    assert.deepEqual(groups(([x]) => max(x), [[3, 3, 3]], single), [["0 0", "0 1", "0 2"]]);
    assert.deepEqual(groups(([x, y]) => Math.max(x[0], y[1]), [[2], [1, 2]], single), [["0 0", "1 1"]]);
    assert.deepEqual(groups(([x]) => Math.abs(x[0]) + Math.abs(x[1]), [[0, 0]], single), []);
    assert.deepEqual(groups(([x]) => x[0] * x[0] + x[1], [[1, 1]], single), []);
  }
  assert.deepEqual(
    groups(([x]) => Math.max(x[0], x[2]) - Math.min(x[1], x[3]), [[1, 2, 1, 2]]),
    [["0 0", "0 2"], ["0 1", "0 3"]],
  );
  // Through one between them, and of an element that is 0.
  assert.deepEqual(
    groups(([x]) => Math.abs(x[0] - x[1]) + Math.abs(x[1] - x[2]), [[1, 1, 1]]),
    [["0 0", "0 1", "0 2"]],
  );
  assert.deepEqual(groups(([x]) => Math.max(x[0], x[1]), [[0, 0, 5]]), [["0 0", "0 1"]]);
  // Slopes that both sides have are no bend.
  assert.deepEqual(groups(([x]) => Math.max(x[0], x[1]) + 10 * (x[0] + x[1]), [[3, 3]]), [["0 0", "0 1"]]);
  assert.deepEqual(groups(([x]) => Math.min(x[0], x[1]) - 10 * (x[0] + x[1]), [[3, 3]]), [["0 0", "0 1"]]);
  // A bend that hardly changes is its own.
  assert.deepEqual(groups(([x]) => Math.abs(x[0]) * (1 + x[1] ** 2) + Math.abs(x[1]), [[0, 0]]), []);
});

test("at a tie a gradient is that of a way to take it, or a mean of these, in all directions [float64]", () => {
  const tie = (f: Known["f"], slopes: readonly number[], at: readonly number[]) => {
    const differences = differencesOf({ f, at: [at], gradient: () => [slopes] });
    const { bends } = differences.elements(0);
    const kinks = [...bends].map(([i, bend]) => ({ at: [0, i] as const, bend }));
    return judgeTie(differences, kinks, randomFrom(5));
  };
  const larger: Known["f"] = ([x]) => Math.max(x[0], x[1]);
  for (const slopes of [[1, 0], [0, 1], [0.5, 0.5], [0.9, 0.1]]) assert.equal(tie(larger, slopes, [2, 2]), null);
  const both = tie(larger, [1, 1], [2, 2])!;
  assert.deepEqual([both.elements, both.moves], [[[0, 0], [0, 1]], [1, 1]]);
  assert.equal(both.judged.analytic, 2);
  for (const slopes of [[0, 0], [0.6, 0.6], [0.4, 0.4]]) {
    assert.notEqual(tie(larger, slopes, [2, 2]), null, `${slopes}`);
  }
  const smaller: Known["f"] = ([x]) => Math.min(x[0], x[1]);
  assert.equal(tie(smaller, [0.3, 0.7], [2, 2]), null);
  assert.notEqual(tie(smaller, [1, 1], [2, 2]), null);
  // Right where both move alike, and wrong where one moves further.
  const weighted: Known["f"] = ([x]) => Math.max(2 * x[0], x[1]);
  assert.equal(tie(weighted, [1, 0.5], [1.5, 3]), null);
  const skewed = tie(weighted, [1, 0.2], [1.5, 3])!;
  assert.equal(skewed.judged.verdict, "wrong");
  assert.notDeepEqual(skewed.moves, [1, 1]);
  // At kinks of opposite sense, gradients that are right by convention may add up to anything.
  assert.equal(tie(([x]) => Math.max(x[0], x[1]) - Math.abs(x[2] - 2), [1, 1, 5], [2, 2, 2]), null);
  assert.equal(tie(([x]) => Math.max(x[0], x[1]) - 2 * relu(x[0] + x[1] - 4), [3, 3], [2, 2]), null);
});

test("a gradient outside the slopes of its own may be that of a point nearby, and no other [float64]", () => {
  for (const single of [false, true]) {
    // The slopes with respect to x are 0, 1 at the point, and -1, 0, 1 and 2 around it.
    const f: Known["f"] = ([[x, y]]) => 2 * relu(x + y) - relu(x - y);
    const between = (slope: number, at: readonly number[] = [0, 0]) => {
      const differences = differencesOf({ f, at: [at], single, gradient: () => [[slope, 0]] });
      const is = isBetweenNeighbours(differences, excluded(differences, slope, { bend: 1 }), randomFrom(3));
      assert.deepEqual([...differences.problem.variables[0]], at);
      return is;
    };
    for (const slope of [-1, 0, 1, 2]) assert.equal(between(slope), true, `${slope}`);
    for (const slope of [-1.1, 2.1, NaN, Infinity]) assert.equal(between(slope), false, `${slope}`);
    // Away from the kinks there is one slope.
    assert.equal(between(1, [1, 0.5]), true);
    for (const slope of [0.9, 1.1]) assert.equal(between(slope, [1, 0.5]), false);
  }
  // A kink that rounding hides shows nothing.
  const hidden = differencesOf({ f: ([[x]]) => 1e12 + relu(x), at: [[0]], gradient: () => [[0.5]] });
  assert.equal(isBetweenNeighbours(hidden, excluded(hidden, 0.5, { bend: 1e-9 }), randomFrom(3)), false);
});

test("by how much a derivative is outside: beyond both slopes of a kink [float64]", () => {
  assert.equal(outsideOf({ analytic: 3, numeric: 1 }), 2);
  assert.equal(outsideOf({ analytic: 3, numeric: 1, bend: 2 }), 1);
  assert.equal(outsideOf({ analytic: -3, numeric: 1, bend: -2 }), 3);
  assert.equal(outsideOf({ analytic: 1.5, numeric: 1, bend: 2 }), 0);
});

test("branches meet where slopes around stay apart: a curve's do not, nor does rounding's, nor what is far away [float64]", () => {
  const is = (
    f: Known["f"],
    slope: number,
    at: readonly number[],
    known: Partial<Known & { numeric: number }> = {},
  ) => {
    const { numeric = 0, ...more } = known;
    const differences = differencesOf({ ...more, f, at: [at], gradient: () => [at.map(() => slope)] });
    const found = isBetweenBranches(differences, excluded(differences, slope, { numeric }), randomFrom(3));
    assert.deepEqual([...differences.problem.variables[0]], at);
    return found;
  };
  const median: Known["f"] = ([x]) => [...x].sort((a, b) => a - b)[x.length >> 1];
  for (const single of [false, true]) {
    // Alone, none of the equal numbers moves the median; each branch is the median's derivative with respect to one of them.
    for (const at of [[1, 1, 1], [0, 0, 0, 0, 0], [2, 2, 2, 2, 5], new Array<number>(41).fill(-3)]) {
      for (const slope of [1, 0.5, 1 / at.length]) assert.equal(is(median, slope, at, { single }), true, `${slope}`);
      for (const slope of [1.5, -0.5, NaN, Infinity]) {
        assert.equal(is(median, slope, at, { single }), false, `${slope}`);
      }
    }
    // Where they differ, it has one.
    assert.equal(is(median, 1, [1, 1.25, 1.5], { single }), false);
    assert.equal(is(([x]) => x[0] * x[1], 0.5, [1, 0], { single }), false);
    assert.equal(is(([x]) => Math.sin(1000 * x[0]) + x[1], 2, [1, 1], { single, numeric: 562.379 }), false);
  }
  assert.equal(is(([x]) => (1 - Math.cos(x[0])) / x[0] ** 2, -1.7e-4, [1e-3], { numeric: -8.3e-5 }), false);
  assert.equal(is(median, 0, [1, 1, 1]), false, "nothing is off");
});

test("elements that show nothing alone are judged together: all, those that are equal, or at random [float64]", () => {
  const together = (f: Known["f"], slopes: readonly number[], at: readonly number[]) => {
    const differences = differencesOf({ f, at: [at], gradient: () => [slopes] });
    const wrong = judgeTogether(differences, [null], randomFrom(3));
    assert.deepEqual([...differences.problem.variables[0]], at);
    return wrong && wrong.elements.map(([, i]) => i);
  };
  const median: Known["f"] = ([x]) => [...x].sort((a, b) => a - b)[x.length >> 1];
  for (const slopes of [[1, 0, 0], [0, 0, 1], [0.5, 0.25, 0.25]]) {
    assert.equal(together(median, slopes, [1, 1, 1]), null);
  }
  for (const slopes of [[0, 0, 0], [1, 1, 1], [0, 1, 0.5]]) {
    assert.deepEqual(together(median, slopes, [1, 1, 1]), [0, 1, 2], `${slopes}`);
  }
  // What moves with all of them has no part in the median of those that are equal.
  const centred: Known["f"] = ([x]) => median([x.slice(0, 3)]) - x[3];
  assert.deepEqual(together(centred, [0, 0, 0, 0], [1, 1, 1, 5]), [0, 1, 2]);
  assert.equal(together(centred, [0, 1, 0, -1], [1, 1, 1, 5]), null);
  // Opposite numbers are never tied where all move by the same.
  const opposite: Known["f"] = ([x]) => median([Float64Array.of(x[0], -x[1], 2 * x[0] - 2)]);
  assert.equal(together(opposite, [1, 0], [2, -2]), null);
  assert.deepEqual(together(opposite, [3, -2], [2, -2]), [0, 1]);
  assert.equal(together(median, [7], [1]), null, "one moves alone");
});

test("conventions take back what is wrong at kinks alone, where the gradient is that of a point nearby [float64]", () => {
  const judged = (slope: number) => {
    const f: Known["f"] = ([[x, y]]) => 2 * relu(x + y) - relu(x - y) + Math.abs(y) * 20;
    const differences = differencesOf({ f, at: [[0, 0]], gradient: () => [[slope, 0]] });
    const elements = [null, ...resultsOf(differences)].slice(1) as Differentiated[];
    const before = elements[0].verdicts[0];
    allowConventions(differences, [...elements, null], randomFrom(3));
    return [before, elements[0].verdicts[0]];
  };
  assert.deepEqual(judged(0.5), ["kink", "kink"]);
  assert.deepEqual(judged(2), ["wrong", "kink"]);
  assert.deepEqual(judged(3), ["wrong", "wrong"]);
  assert.deepEqual(judged(Infinity), ["wrong", "wrong"]);
});

test("beside kinks a gradient is right or wrong as anywhere, and the point is as before [float64]", () => {
  const beside = (gradient: Known["gradient"], attempts = 3, count = 2) => {
    const at = [0, 0, 1].slice(0, count + 1);
    const differences = differencesOf({ f: ([x]) => x.reduce((sum, v) => sum + relu(v), 0), at: [at], gradient });
    const kinks = at.flatMap((x, i) => (x === 0 ? [{ at: [0, i] as const, bend: 1 }] : []));
    const found = judgeBeside(differences, kinks, randomFrom(3), attempts);
    assert.deepEqual([...differences.problem.variables[0]], at);
    assert.deepEqual(differences.analytic, [Float64Array.from(gradient!([Float64Array.from(at)])[0])]);
    return found;
  };
  const right: Known["gradient"] = ([x]) => [x.map((v) => (v > 0 ? 1 : 0))];
  assert.deepEqual(beside(right), { right: [[0, 0], [0, 1]], wrong: [] });
  assert.deepEqual(beside(right, 0), { right: [], wrong: [] });
  // Wrong above, or below; at one of them.
  for (const sign of [1, -1]) {
    const wrong = beside(([x]) => [x.map((v, i) => (i === 1 && sign * v > 0 ? 0.5 : v > 0 ? 1 : 0))]);
    assert.deepEqual(wrong.right, [[0, 0]]);
    assert.deepEqual(wrong.wrong.map(({ at }) => at), [[0, 1]]);
    const { value, judged } = wrong.wrong[0];
    assert.ok(sign * value >= 0.05 && sign * value <= 0.15, `${value}`);
    assert.equal(judged.analytic, 0.5);
  }
});

test("what is noise beside a kink, however far, is neither right nor wrong [float64]", () => {
  const differences = differencesOf({
    f: ([[x]]) => Math.max(0, x) + (x === 0 ? 0 : hashOf(x)),
    at: [[0]],
    gradient: ([[x]]) => [[x > 0 ? 1 : 0]],
  });
  const kink = { at: [0, 0] as const, bend: 1 };
  assert.deepEqual(judgeBeside(differences, [kink], randomFrom(3), 2), { right: [], wrong: [] });
});

test("elements on kinks are those that are said to be, with their bends", () => {
  const differences = differencesOf({
    f: ([x]) => Math.abs(x[0]) - 3 * Math.abs(x[1]) + x[2],
    at: [[0, 0, 1]],
    gradient: () => [[0, 5, 1]],
  });
  const [kink, ...others] = kinksOf([null, ...resultsOf(differences)]);
  assert.deepEqual(others, []);
  assert.deepEqual(kink.at, [1, 0]);
  assert.ok(Math.abs(kink.bend - 2) < 1e-9, `${kink.bend}`);
});

test("a derivative whose effect is lost in what others round away is noise, a larger one wrong [float64]", () => {
  // The contribution of x is lost where it is added to the large number, as y shows.
  const of = (slope: number, wrong = 1): [Differentiated, Judged[]] => {
    const differences = differencesOf({
      f: ([[x, y]]) => (2 ** 30 + y + slope * x) - 2 ** 30,
      at: [[1, 3]],
      gradient: () => [[slope * wrong, 1]],
    });
    const result = differences.elements(0);
    result.verdicts[0] = "wrong";
    result.numeric[0] = 0;
    result.marks.clear();
    const direction: Judged = { analytic: slope, numeric: 0, estimate: 0, verdict: "wrong" };
    const directions = allowRounding(differences, [result], [direction, { ...direction, verdict: "ok" }]);
    return [result, directions];
  };
  const [lost, directions] = of(1e-7);
  assert.deepEqual([lost.verdicts[0], lost.marks.get(0)], ["noise", "staircase"]);
  assert.deepEqual(directions.map(({ verdict, mark }) => [verdict, mark]), [["noise", "staircase"], ["ok", undefined]]);
  const [seen, others] = of(1e-3);
  assert.deepEqual([seen.verdicts[0], seen.marks.get(0)], ["wrong", undefined]);
  assert.equal(others[0].verdict, "wrong");
});

test("directions are judged again past elements on kinks and past noise [float64]", () => {
  const along = [[Float64Array.of(1, 1, 1)], [Float64Array.of(1, 0, 0)]];
  const differences = differencesOf({
    f: ([[x, y, z]]) => Math.abs(x) + y * y + z,
    at: [[0, 1, 1]],
    gradient: () => [[0, 2, 1]],
  });
  const result = differences.elements(0);
  assert.deepEqual(result.verdicts, ["kink", "ok", "ok"]);
  const judged = (verdict: Judged["verdict"]): Judged => ({ analytic: 9, numeric: 1, estimate: 0, verdict });
  const again = (verdict: Judged["verdict"], elements: (Differentiated | null)[]) =>
    judgedAgain(differences, along, [judged(verdict), judged(verdict)], { elements, random: randomFrom(3) }).map((
      one,
    ) => one.verdict);
  assert.deepEqual(again("wrong", [result]), ["ok", "noise"]);
  assert.deepEqual(again("kink", [result]), ["ok", "kink"]);
  assert.deepEqual(again("ok", [result]), ["ok", "ok"]);
  // Where all is known, they stand.
  const known = { ...result, verdicts: ["ok", "ok", "ok"] as Judged["verdict"][], bends: new Map() };
  assert.deepEqual(again("wrong", [known]), ["wrong", "wrong"]);
  assert.deepEqual(again("wrong", [null]), ["wrong", "wrong"]);
  const noisy = { ...known, verdicts: ["noise", "ok", "ok"] as Judged["verdict"][] };
  assert.deepEqual(again("wrong", [noisy]), ["ok", "noise"]);
});
