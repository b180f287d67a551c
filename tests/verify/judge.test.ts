/** Whole gradients: what is looked at in either mode, and what becomes of what is found. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeFinely } from "../../verify/differences/fine.ts";
import { type JudgedAll, judgeGradient } from "../../verify/differences/judge.ts";
import { Differences } from "../../verify/differences/numeric.ts";
import { isWrong } from "../../verify/differences/results.ts";
import { randomFrom } from "../../verify/random.ts";
import { type Known, problemOf } from "./problem.ts";

const words = { name: (k: number) => `x${k}`, element: (k: number, i: number) => `x${k}[${i}]` };

/** A gradient as judged, the elements that are wrong, and how often the function was called. */
function judge(known: Known, mode: "full" | "fast", seed = 1): JudgedAll & { wrong: string[]; calls: number } {
  const problem = problemOf(known);
  const differences = new Differences(problem);
  const judged = judgeGradient(differences, words, randomFrom(seed), { mode, directions: 2, resamples: 3 });
  assert.deepEqual(problem.variables.map((x) => [...x]), known.at.map((x) => Array.from(x)));
  const wrong = judged.elements.flatMap((result, k) =>
    (result?.verdicts ?? []).flatMap((verdict, i) => (verdict === "wrong" ? [words.element(k, i)] : []))
  );
  return { ...judged, wrong, calls: differences.calls };
}

/** A sum of sines of all elements, with the gradient off by factors. */
function sines(lengths: readonly number[], factors: Readonly<Record<string, number>> = {}): Known {
  const at = lengths.map((length, k) => Float64Array.from({ length }, (_, i) => 0.2 + ((7 * i + 3 * k) % 11) / 10));
  const sum = (x: Float64Array) => {
    let total = 0;
    for (let i = 0; i < x.length; i++) total += Math.sin(x[i]);
    return total;
  };
  return {
    at,
    f: (x) => x.reduce((total, values) => total + sum(values), 0),
    gradient: (x) =>
      x.map((values, k) => {
        const g = values.map(Math.cos);
        for (const [name, factor] of Object.entries(factors)) {
          const [variable, i] = name.split(" ").map(Number);
          if (variable === k) g[i] *= factor;
        }
        return g;
      }),
  };
}

/** A sum of sines in float32, with the gradient off by factors. */
function single(factors: Readonly<Record<string, number>>, length = 12): Known {
  const { f, gradient, at } = sines([length], factors);
  return {
    at: at.map((x) => Array.from(x, Math.fround)),
    f: (x) => Math.fround(f(x)),
    gradient: (x) => gradient!(x).map((g) => Float32Array.from(g)),
    single: true,
    gradientRounding: 1e-7,
  };
}

const checks = ({ findings }: JudgedAll) => findings.map(({ check, severity }) => `${check} ${severity}`);

test("in full mode each element has its own verdict, and in fast mode few directions speak for all [float64]", () => {
  const full = judge(sines([3, 0, 2]), "full");
  assert.deepEqual(full.elements.map((result) => result?.verdicts), [["ok", "ok", "ok"], [], ["ok", "ok"]]);
  assert.deepEqual([full.directions, isWrong(full)], [[], false]);
  const fast = judge(sines([3, 0, 2]), "fast");
  assert.deepEqual(fast.elements, [null, null, null]);
  assert.deepEqual(fast.directions.map(({ verdict }) => verdict), ["ok", "ok", "ok", "ok"]);
  assert.equal(isWrong(fast), false);
  assert.deepEqual([checks(full), checks(fast)], [["taylor info"], ["taylor info"]]);
  // A line has no remainder that could fall.
  const line = judge({ f: ([x]) => x[0] + 2 * x[1], gradient: () => [[1, 2]], at: [[1, 2]] }, "full");
  assert.deepEqual([line.wrong, line.findings], [[], []]);
  const none = judge(sines([0, 0]), "full");
  assert.deepEqual([none.elements, none.directions, none.findings], [[null, null], [], []]);
});

test("wrong elements are named in either mode, where a direction failed all of them are looked at [float64]", () => {
  for (const mode of ["full", "fast"] as const) {
    const one = judge(sines([4, 3], { "1 2": 1.5 }), mode);
    assert.deepEqual(one.wrong, ["x1[2]"]);
    assert.equal(one.elements[0]!.verdicts.every((verdict) => verdict === "ok"), true);
    assert.equal(checks(one).includes("taylor error"), true);
    assert.equal(one.directions.some(({ verdict }) => verdict === "wrong"), mode === "fast");
    for (const strange of [NaN, Infinity]) {
      const judged = judge(sines([4, 3], { "0 1": strange }), mode);
      assert.deepEqual(judged.wrong, ["x0[1]"]);
      // Directions leave it out.
      assert.equal(judged.directions.every(({ verdict }) => verdict === "ok"), true);
    }
    const flat = judge(sines([2, 2], { "0 0": 0, "0 1": 0 }), mode);
    assert.deepEqual(flat.wrong, ["x0[0]", "x0[1]"]);
    assert.equal(checks(flat).includes("missing gradient error"), true);
  }
});

test("among many elements only those are looked at that may be wrong [float64]", () => {
  const many = judge(sines([700, 900], { "1 431": 1.1, "0 5": 0.5 }), "fast");
  assert.deepEqual(many.wrong, ["x0[5]", "x1[431]"]);
  const looked = many.elements.flatMap((result) => result!.verdicts.filter((verdict) => verdict !== "untested"));
  assert.ok(looked.length < 100, `${looked.length}`);
  const strange = judge(sines([700, 900], { "1 431": NaN }), "fast");
  assert.deepEqual(strange.wrong, ["x1[431]"]);
  // Of elements that are not numbers, the first few.
  const nan = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`1 ${i}`, NaN]));
  assert.deepEqual(judge(sines([700, 900], nan), "fast").wrong, Array.from({ length: 64 }, (_, i) => `x1[${i}]`));
  const right = judge(sines([700, 900]), "fast");
  assert.deepEqual([right.elements, right.wrong], [[null, null], []]);
});

test("kinks make directions fail, which tell nothing then, and are found among many elements [float64]", () => {
  const relus = (length: number, zeros: readonly number[], slope: number): Known => ({
    at: [Float64Array.from({ length }, (_, i) => (zeros.includes(i) ? 0 : 0.3 + (i % 7) / 8))],
    f: ([x]) => {
      let total = 0;
      for (let i = 0; i < x.length; i++) total += Math.max(0, x[i]);
      return total;
    },
    gradient: ([x]) => [x.map((v) => (v > 0 ? 1 : v === 0 ? slope : 0))],
  });
  for (const length of [8, 1500]) {
    const zeros = [3, length - 2];
    const right = judge(relus(length, zeros, 0), "fast");
    assert.equal(isWrong(right), false);
    const verdicts = right.elements[0]!.verdicts;
    assert.deepEqual(zeros.map((i) => verdicts[i]), ["kink", "kink"]);
    assert.equal(checks(right).includes("kink info"), true);
    // Kinks are left by short steps.
    assert.equal(right.findings.some(({ message }) => message.includes("a short step aside")), true);
    assert.equal(right.directions.every(({ verdict }) => verdict === "ok"), true);
    // Kinks show in a few steps.
    if (length === 1500) assert.ok(right.calls < 2500, `${right.calls}`);
    assert.deepEqual(judge(relus(length, zeros, 2), "fast").wrong, zeros.map((i) => `x0[${i}]`));
  }
  // Where no element is left to move, a direction stays what it is, and is left out if each element speaks for itself.
  const all = (length: number) => judge(relus(length, [...Array(length).keys()], 0.5), "fast");
  assert.deepEqual([all(8).elements[0]!.verdicts, all(8).directions], [new Array(8).fill("kink"), []]);
  assert.deepEqual(all(1500).directions.map(({ verdict }) => verdict), new Array(4).fill("kink"));
});

test("errors that steps lose in rounding are found by fits, of single elements and along directions [float64]", () => {
  const fine = (known: Known) => {
    const differences = new Differences(problemOf(known));
    const elements = [differences.elements(0)];
    assert.equal(elements[0].verdicts.includes("wrong"), false);
    return judgeFinely(differences, elements, { random: randomFrom(2), mode: "full" });
  };
  assert.deepEqual(fine(single({})), { elements: [], directions: [] });
  const { elements, directions } = fine(single({ "0 7": 1.0003 }));
  assert.deepEqual([elements.map(({ at }) => at), directions], [[[0, 7]], []]);
  assert.equal(elements[0].judged.verdict, "wrong");
  // The same through all that there is, in either mode.
  for (const mode of ["full", "fast"] as const) {
    assert.deepEqual(judge(single({ "0 7": 1.0003 }), mode).wrong, ["x0[7]"]);
    assert.equal(isWrong(judge(single({}), mode)), false);
  }
  // Terms that are known leave nothing to be seen by fits.
  assert.deepEqual(fine({ ...single({ "0 7": 1.0003 }), terms: 12 }), { elements: [], directions: [] });
});

test("what is marked, on a kink or not a number is no concern of fits [float64]", () => {
  const differences = new Differences(problemOf(sines([6])));
  const wrong = sines([6], { "0 2": 1.01 });
  const off = new Differences(problemOf(wrong));
  const right = () => ({ ...differences.elements(0), analytic: off.analytic[0].slice() });
  const found = (change: (result: ReturnType<typeof right>) => void) => {
    const result = right();
    change(result);
    return judgeFinely(off, [result], { random: randomFrom(2), mode: "fast" }).elements.map(({ at }) => at);
  };
  assert.deepEqual(found(() => {}), [[0, 2]]);
  assert.deepEqual(found((result) => result.marks.set(2, "staircase")), []);
  assert.deepEqual(found((result) => result.bends.set(2, 1)), []);
  assert.deepEqual(found((result) => result.verdicts[2] = "wrong"), []);
  assert.deepEqual(found((result) => result.verdicts[2] = "untested"), [[0, 2]]);
  assert.deepEqual(found((result) => result.verdicts[2] = "noise"), [[0, 2]]);
});

test("an error of all elements alike is found along a direction, though no element shows it by itself [float64]", () => {
  const all = (factor: number) =>
    single(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`0 ${i}`, factor])), 30);
  const fine = (factor: number, verdict?: "noise") => {
    const differences = new Differences(problemOf(all(factor)));
    const [result] = [differences.elements(0)];
    if (verdict) result.verdicts[3] = verdict;
    return judgeFinely(differences, [result], { random: randomFrom(2), mode: "full" });
  };
  const { elements, directions } = fine(1 + 3e-7);
  assert.deepEqual(elements, []);
  assert.deepEqual(directions.map(({ verdict }) => verdict), ["wrong"]);
  const [{ analytic, numeric, estimate }] = directions;
  assert.ok(Math.abs(numeric * (1 + 3e-7) - analytic) <= estimate && analytic - numeric > 2 * estimate);
  assert.deepEqual(fine(1), { elements: [], directions: [] });
  // Where noise moves as well, a direction speaks against nobody.
  assert.deepEqual(fine(1 + 3e-7, "noise"), { elements: [], directions: [] });
  assert.equal(isWrong(judge(all(1 + 1e-6), "full")), true);
});

test("an error of a tiny element is found where it moves by the scale of the others [float64]", () => {
  const found = (factor: number) => {
    const differences = new Differences(problemOf({
      at: [Array.from({ length: 8 }, (_, i) => Math.fround(i === 3 ? 1e-7 : 0.5 + i / 10))],
      f: ([x]) => Math.fround(Array.from(x, Math.sin).reduce((a, b) => a + b)),
      gradient: ([x]) => [Float32Array.from(x, (v, i) => Math.cos(v) * (i === 3 ? factor : 1))],
      single: true,
      gradientRounding: 1e-7,
    }));
    const elements = [differences.elements(0)];
    assert.deepEqual(elements[0].verdicts, new Array(8).fill("ok"));
    return judgeFinely(differences, elements, { random: randomFrom(2), mode: "full" });
  };
  assert.deepEqual(found(1), { elements: [], directions: [] });
  const { elements, directions } = found(1.0001);
  assert.deepEqual([elements.map(({ at }) => at), directions], [[[0, 3]], []]);
});

test("fits cost what their mode and the number of elements allow, and nothing where that is too little [float64]", () => {
  const callsOf = (length: number, mode: "full" | "fast") => {
    const differences = new Differences(problemOf(single({}, length)));
    assert.deepEqual(judgeFinely(differences, [null], { random: randomFrom(2), mode }), {
      elements: [],
      directions: [],
    });
    return differences.calls;
  };
  assert.ok(callsOf(300, "full") > 1.2 * callsOf(300, "fast"));
  // All but one of many elements are flat: cheap to call.
  const length = 4000;
  const differences = new Differences(problemOf({
    at: [new Float64Array(length).fill(0.7)],
    f: ([x]) => Math.fround(Math.sin(x[0])),
    gradient: ([x]) => [Float32Array.from({ length }, (_, i) => (i === 0 ? Math.cos(x[0]) : 0))],
    single: true,
    gradientRounding: 1e-7,
  }));
  const spend = () => {
    const before = differences.calls;
    judgeFinely(differences, [null], { random: randomFrom(2), mode: "full" });
    return differences.calls - before;
  };
  assert.equal(spend(), 0);
  while (differences.calls < 4000) differences.glance(differences.element(0, 0, 1));
  const spent = spend();
  assert.ok(spent > 0 && spent <= 0.2 * 4100, `${spent}`);
});

test("fast mode moves along as many directions as it is told, all of them different [float64]", () => {
  const options = { mode: "fast", directions: 6, resamples: 3 } as const;
  const judged = judgeGradient(new Differences(problemOf(sines([9, 4]))), words, randomFrom(1), options);
  assert.equal(new Set(judged.directions.map(({ analytic }) => analytic)).size, 12);
});
