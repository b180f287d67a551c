/** Findings about a gradient besides the verdicts, and how results are noted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  kinkFindings,
  markFindings,
  missingFindings,
  tieFindings,
  type Words,
} from "../../verify/differences/findings.ts";
import { Differences } from "../../verify/differences/numeric.ts";
import type { Differentiated, Judged, Problem } from "../../verify/differences/problem.ts";
import { isWrong, note, offOf, untested } from "../../verify/differences/results.ts";
import { randomFrom } from "../../verify/random.ts";

const words: Words = { name: (k) => "xyz"[k], element: (k, i) => `${"xyz"[k]}[${i}]` };

const judged = (verdict: Judged["verdict"], rest: Partial<Judged> = {}): Judged => ({
  analytic: 1,
  numeric: 2,
  estimate: 0.5,
  verdict,
  ...rest,
});

/** Results of elements that have been noted, `untested` where none is given. */
function resultsOf(
  gradient: readonly (readonly number[])[],
  noted: readonly [number, number, Judged][],
): Differentiated[] {
  const results = untested(gradient.map((list) => Float64Array.from(list)));
  for (const [k, i, one] of noted) note(results, [k, i], one);
  return results;
}

test("a result is noted in its place, with what is known of it, and the last note counts", () => {
  const results = resultsOf([[3, 4], [5]], [
    [0, 1, judged("kink", { bend: -2, mark: "infinite" })],
    [1, 0, judged("noise", { mark: "edge", bend: 1 })],
    [1, 0, judged("ok")],
  ]);
  assert.deepEqual(results.map(({ verdicts }) => verdicts), [["untested", "kink"], ["ok"]]);
  assert.deepEqual(results.map(({ analytic }) => [...analytic]), [[3, 4], [5]]);
  assert.deepEqual(results.map(({ numeric }) => [...numeric]), [[NaN, 2], [2]]);
  assert.deepEqual(results.map(({ estimate }) => [...estimate]), [[Infinity, 0.5], [0.5]]);
  assert.deepEqual(results.map(({ marks }) => [...marks]), [[[1, "infinite"]], []]);
  assert.deepEqual(results.map(({ bends }) => [...bends]), [[[1, -2]], []]);
  assert.equal(offOf(judged("ok", { analytic: -1 })), 3);
});

test("a gradient is wrong if an element, a direction or a finding is", () => {
  const none = {
    elements: [null, ...resultsOf([[1]], [[0, 0, judged("noise")]])],
    directions: [judged("kink")],
    findings: [],
  };
  assert.equal(isWrong(none), false);
  assert.equal(isWrong({ ...none, elements: [null, ...resultsOf([[1]], [[0, 0, judged("wrong")]])] }), true);
  assert.equal(isWrong({ ...none, directions: [judged("ok"), judged("wrong")] }), true);
  const finding = (severity: "error" | "warning") => [{ check: "ties", severity, message: "" }];
  assert.equal(isWrong({ ...none, findings: finding("error") }), true);
  assert.equal(isWrong({ ...none, findings: finding("warning") }), false);
});

test("infinite derivatives, ends of domains and staircases are named", () => {
  const edge = judged("noise", { mark: "edge" });
  const findings = markFindings([
    null,
    ...resultsOf([[], [1, 1, 1, 1, 1, 1]], [
      [1, 0, judged("ok", { mark: "infinite" })],
      [1, 1, edge],
      [1, 2, judged("noise", { mark: "staircase" })],
      [1, 3, judged("wrong", { mark: "staircase" })],
      [1, 4, judged("noise", { mark: "infinite", numeric: NaN })],
    ]).slice(1),
  ], words);
  assert.deepEqual(findings, [
    {
      check: "infinite",
      severity: "warning",
      message:
        "the derivative with respect to y[0], y[4] is infinite: the slopes grow without bound as steps get shorter",
    },
    {
      check: "domain",
      severity: "warning",
      message: "the function is not finite a short step away from y[1], y[4]: they lie at the end of its domain",
    },
    {
      check: "staircase",
      severity: "warning",
      message: "the function is a staircase along y[2]: its steps may be the rounding of terms that cancel, or the " +
        "function's own, and then the derivative is 0 between them",
    },
  ]);
  const many = resultsOf([[1, 1, 1, 1, 1, 1]], [0, 1, 2, 3, 4, 5].map((i) => [0, i, edge]));
  assert.match(markFindings(many, words)[0].message, /from x\[0\], x\[1\], x\[2\], x\[3\] and 2 more: they lie/);
  const one = resultsOf([[1]], [[0, 0, edge]]);
  assert.match(markFindings(one, words)[0].message, /from x\[0\]: it lies/);
  const two = resultsOf([[1, 1]], [0, 1].map((i) => [0, i, judged("noise", { mark: "staircase" })]));
  assert.match(markFindings(two, words)[0].message, /along x\[0\], x\[1\]: their steps/);
  assert.deepEqual(markFindings([null], words), []);
});

test("an input without a gradient is named if the function depends on it", () => {
  const wrong = judged("wrong");
  const missing = (gradient: number[], verdict: Judged) =>
    missingFindings([null, ...resultsOf([[], gradient], [[1, 1, verdict]]).slice(1)], words);
  assert.deepEqual(missing([0, 0], wrong), [{
    check: "missing gradient",
    severity: "error",
    message: "your gradient with respect to y is 0 everywhere, although the function depends on it",
  }]);
  assert.deepEqual(missing([0, 0], judged("noise")), []);
  assert.deepEqual(missing([1, 0], wrong), []);
});

/** A problem of one variable and one output. */
function problemOf(
  x: readonly number[],
  f: (x: Float64Array) => number,
  gradient: (x: Float64Array) => number[],
): Problem {
  const variables = [Float64Array.from(x)];
  return {
    variables,
    weights: [Float64Array.of(1)],
    epsilon: 2 ** -52,
    terms: null,
    round: (t) => t,
    settle: () => [Float64Array.from(gradient(variables[0]))],
    evaluate: () => [Float64Array.of(f(variables[0]))],
    rounding: (move) => (move(), null),
    gradientRounding: () => null,
  };
}

const step = (x: number, at0: number) => (x > 0 ? 1 : x < 0 ? 0 : at0);

test("on a kink the gradient is said to be between the one-sided derivatives, and beside it right or wrong", () => {
  const relus = (x: Float64Array) => x.reduce((sum, v) => sum + Math.max(0, v), 0);
  const findingsOf = (gradient: (x: Float64Array) => number[], x: number[]) => {
    const differences = new Differences(problemOf(x, relus, gradient));
    return kinkFindings(differences, [differences.elements(0)], words, { random: randomFrom(1), attempts: 3 });
  };
  const right = (x: Float64Array) => [...x].map((v) => step(v, 0.5));
  assert.deepEqual(findingsOf(right, [0, 1]), [{
    check: "kink",
    severity: "info",
    message:
      "x[0] lies on a kink: your gradient is between the one-sided derivatives there; a short step aside it is " +
      "the derivative",
  }]);
  assert.match(
    findingsOf(right, [0, 0, 1])[0].message,
    /^x\[0\], x\[1\] lie on a kink: .*; a short step aside, at 2 of them, it is/,
  );
  assert.deepEqual(findingsOf(right, [2, 1]), []);
  // Beside the kink this one is what it should be at the kink alone.
  const wrong = findingsOf((x) => [...x].map((v) => (Math.abs(v) < 1 ? 0.5 : step(v, 0))), [0, 2]);
  assert.deepEqual(wrong.map(({ severity }) => severity), ["info", "error"]);
  assert.match(wrong[0].message, /one-sided derivatives there$/);
  assert.match(
    wrong[1].message,
    /^beside the kink at x\[0\], where it is 0\.\d+, the derivative is (0\.9+\d*|1(\.0+\d*)?), but your gradient is 0\.5$/,
  );
});

test("a gradient that is right for each of two equal elements and wrong for both is wrong at a tie", () => {
  const largest = (x: Float64Array) => Math.max(...x);
  const all = (x: Float64Array) => [...x].map((v) => (v === Math.max(...x) ? 1 : 0));
  const findingsOf = (gradient: (x: Float64Array) => number[]) => {
    const differences = new Differences(problemOf([1, 1, 0.25], largest, gradient));
    return tieFindings(differences, [differences.elements(0)], words, randomFrom(1));
  };
  const [finding, ...others] = findingsOf(all);
  assert.deepEqual(others, []);
  assert.equal(finding.check, "ties");
  assert.equal(finding.severity, "error");
  assert.match(
    finding.message,
    /^x\[0\], x\[1\] are tied; when they move together, by 1, 1, the derivative is (1|0\.9+\d*|1\.0+\d*), but your gradient gives 2$/,
  );
  assert.deepEqual(findingsOf((x) => all(x).map((g) => g / 2)), []);
});
