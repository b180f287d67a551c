/** The numeric derivatives: their accuracy, and the validity of their error estimates. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  Differences,
  type Judged,
  type Line,
  type Problem,
  scaleOf,
  sizeOf,
} from "../../verify/differences/numeric.ts";
import { lineThrough } from "../../verify/differences/line.ts";
import { checkProperty } from "../support/property.ts";
import { curveAt, hashOf, type Known, problemOf as knownAt } from "./problem.ts";

/** A function of one number, with its claimed derivative. */
interface Curve {
  readonly f: (x: number) => number;
  readonly slope: (x: number) => number;
  /** The rounding of the function beyond that of its value, if known. */
  readonly rounding?: number;
  /** The size of what the function is computed from, where it is known. */
  readonly terms?: number;
  readonly single?: boolean;
}

/** The problem of a curve at a point. Its arrays are written again by each call, as a compiled plan's are. */
function problemOf(
  { f, slope, rounding, terms, single = false }: Curve,
  at: number,
): Problem & { evaluations: number } {
  const variables = [Float64Array.of(at)];
  const [outputs, slopes] = [new Float64Array(1), new Float64Array(1)];
  return {
    variables,
    weights: [Float64Array.of(1)],
    epsilon: single ? 2 ** -23 : 2 ** -52,
    terms: terms ?? null,
    round: single ? Math.fround : (x) => x,
    settle: () => {
      slopes[0] = slope(variables[0][0]);
      return [slopes];
    },
    evaluations: 0,
    evaluate() {
      this.evaluations++;
      outputs[0] = f(variables[0][0]);
      return [outputs];
    },
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
  test(
    `the derivative of ${name} is right to within its estimate, and the estimate is small [float64]`,
    async () => {
      await checkProperty(numbers, (x) => {
        const { numeric, estimate, verdict } = judge(curve, x);
        const right = curve.slope(x);
        assert.equal(verdict, "ok", `${numeric} +- ${estimate}, ${right} is right`);
        assert.ok(Math.abs(numeric - right) <= estimate);
        assert.ok(estimate <= 1e-4 * Math.max(1, Math.abs(right)), `${estimate} is not small relative to ${right}`);
      }, { runs: 100 });
    },
  );

  test(`a derivative of ${name} that is off by a thousandth is wrong [float64]`, async () => {
    const off = { ...curve, slope: (x: number) => 1.001 * curve.slope(x) };
    await checkProperty(numbers, (x) => {
      // For a slope of 0, a thousandth is 0 too.
      fc.pre(Math.abs(curve.slope(x)) > 1e-3);
      assert.equal(judge(off, x).verdict, "wrong");
    }, { runs: 100 });
  });
}

test("powers are right over 16 orders of magnitude [float64]", async () => {
  const magnitude = fc.integer({ min: -80, max: 80 }).map((n) => 10 ** (n / 10));
  await checkProperty(fc.tuple(magnitude, fc.constantFrom(-2, -1, 0.5, 2, 3)), ([x, power]) => {
    const slope = (t: number) => power * t ** (power - 1);
    const { numeric, estimate, verdict } = judge({ f: (t) => t ** power, slope }, x);
    assert.equal(verdict, "ok", `${numeric} +- ${estimate}, ${slope(x)} is right`);
  }, { runs: 100 });
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

test(
  "an infinite or undefined derivative is wrong if the function is smooth, undecided at the end of its domain [float64]",
  () => {
    assert.equal(judge({ f: (x) => x * x, slope: () => NaN }, 2).verdict, "wrong");
    assert.equal(judge({ f: (x) => x * x, slope: () => Infinity }, 2).verdict, "wrong");
    assert.equal(judge({ f: Math.sqrt, slope: () => Infinity }, 0).verdict, "noise");
  },
);

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

test("where the first steps decide, no more are taken [float64]", async () => {
  const point = fc.integer({ min: 600, max: 1400 }).map((n) => n / 1024);
  for (const name of ["sin", "exp", "cube", "atan", "a line"]) {
    await checkProperty(point, (x) => {
      const problem = problemOf(curves[name], x);
      const { verdicts, numeric, estimate } = new Differences(problem).elements(0);
      assert.deepEqual(verdicts, ["ok"]);
      // One at the point, two steps to either side, and a much shorter one.
      assert.equal(problem.evaluations, 6, name);
      const right = curves[name].slope(x);
      assert.ok(Math.abs(numeric[0] - right) <= estimate[0]);
      assert.ok(estimate[0] <= 1e-6 * Math.abs(right), `${estimate[0]} beside ${right}`);
      assert.equal(problem.variables[0][0], x, "the value is back");
    }, { runs: 50 });
  }
});

test(
  "sizes are powers of two: of the largest value, of an element, or of its variable [float64]",
  async () => {
    const value = fc.oneof(numbers, fc.integer({ min: -1020, max: 1020 }).map((n) => 1.5 * 2 ** n), fc.constant(0));
    const below = (x: number) => {
      let power = 1;
      while (power > Math.abs(x)) power /= 2;
      while (power * 2 <= Math.abs(x)) power *= 2;
      return power;
    };
    await checkProperty(fc.array(value, { minLength: 1, maxLength: 5 }), (values) => {
      const largest = Math.max(...values.map(Math.abs));
      assert.equal(scaleOf(Float64Array.from(values)), largest === 0 ? 1 : below(largest));
      for (const x of values) assert.equal(sizeOf(x, 8), x === 0 ? 8 : below(x));
    });
    for (const x of [NaN, Infinity, -Infinity]) assert.equal(sizeOf(x, 8), 8);
    // A number without an exponent of its own has the smallest one.
    assert.equal(sizeOf(-(2 ** -1070), 8), 2 ** -1022);
  },
);

test(
  "a derivative of 0 is right where the terms cancel to it, as far as their rounding lets see [float64]",
  () => {
    const cancels: Curve = { f: (x) => (1e6 + Math.sin(x)) - 1e6 - Math.sin(x), slope: () => 0, rounding: 1e-9 };
    assert.equal(judge(cancels, 0.7).verdict, "noise");
    assert.equal(judge({ ...cancels, terms: 2e6 }, 0.7).verdict, "ok");
    // Known too badly beside the terms, or not known to be 0.
    assert.equal(judge({ ...cancels, terms: 2e6, rounding: 1e-2 }, 0.7).verdict, "noise");
    const slight: Curve = { f: (x) => 1e-6 * x, slope: () => 0, rounding: 1e-15, terms: 1e6 };
    assert.equal(judge(slight, 0.7).verdict, "wrong");
  },
);

/** A problem that is linear in several variables, with several weighted outputs: `outputs = matrix * values`, all in a row. */
const linear = fc.record({
  values: fc.array(fc.array(numbers, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
  weights: fc.array(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 2,
  }),
  seed: fc.nat(1000),
  terms: fc.constantFrom(null, 0, 1e9),
});

interface Linear extends Problem {
  /** The weighted sum, and the sizes of its terms, by a plain loop. */
  sums(): { sum: number; sizes: number };
}

function linearProblem(
  { values, weights, seed, terms }: typeof linear extends fc.Arbitrary<infer T> ? T : never,
): Linear {
  const variables = values.map((list) => Float64Array.from(list));
  const factor = (k: number, i: number, v: number, j: number) => ((seed + 7 * k + 3 * i + 5 * v + 2 * j) % 11) - 5;
  const each = (visit: (k: number, i: number, v: number, j: number) => void) =>
    weights.forEach((list, k) =>
      list.forEach((_, i) => variables.forEach((x, v) => x.forEach((_, j) => visit(k, i, v, j))))
    );
  const outputs = () => {
    const y = weights.map((list) => new Float64Array(list.length));
    each((k, i, v, j) => y[k][i] += factor(k, i, v, j) * variables[v][j]);
    return y;
  };
  return {
    variables,
    weights: weights.map((list) => Float64Array.from(list)),
    epsilon: 2 ** -52,
    terms,
    round: (x) => x,
    settle: () => {
      const gradient = variables.map((x) => new Float64Array(x.length));
      each((k, i, v, j) => gradient[v][j] += weights[k][i] * factor(k, i, v, j));
      return gradient;
    },
    evaluate: outputs,
    rounding: (move) => {
      move();
      return null;
    },
    gradientRounding: () => null,
    sums: () => {
      let [sum, sizes] = [0, 0];
      outputs().forEach((y, k) =>
        y.forEach((value, i) => {
          sum += weights[k][i] * value;
          sizes += Math.abs(weights[k][i] * value);
        })
      );
      return { sum, sizes };
    },
  };
}

test("sums, terms and changes along a line are those of plain loops [float64]", async () => {
  await checkProperty(linear, (drawn) => {
    const problem = linearProblem(drawn);
    const differences = new Differences(problem);
    const near = (actual: number, expected: number, size: number) =>
      assert.ok(Math.abs(actual - expected) <= 1e-12 * size, `${actual}, expected ${expected}`);
    const { sum, sizes } = problem.sums();
    near(differences.total, Math.max(sizes, drawn.terms ?? 0), differences.total);
    const before = problem.evaluate().map((y) => [...y]);
    assert.deepEqual(differences.outputs.map((y) => [...y]), before);

    let turn = drawn.seed;
    const line = differences.direction(() => (turn = (turn * 137 + 41) % 1009) / 1009);
    const there = differences.changeAt(line, 0.5);
    const moved = problem.sums();
    near(there, moved.sum - sum, sizes + moved.sizes);
    let mass = 0;
    problem.evaluate().forEach((y, k) =>
      y.forEach((value, i) => {
        const weight = Math.abs(problem.weights[k][i]);
        if (value !== before[k][i]) mass += weight * Math.max(Math.abs(value), Math.abs(before[k][i]));
      })
    );
    const changed = problem.evaluate().some((y, k) => y.some((value, i) => value !== before[k][i]));
    near(differences.mass, changed ? mass : sizes, sizes + moved.sizes);
    line.move(0);
    assert.deepEqual(problem.variables.map((x) => [...x]), drawn.values.map((list) => list.map((x) => x)));
  });
});

test(
  "a line moves by its weights, and its derivative is the sum of their products with a gradient [float64]",
  async () => {
    await checkProperty(linear, (drawn) => {
      const problem = linearProblem(drawn);
      const differences = new Differences(problem);
      const elements = drawn.values.flatMap((list, v) => list.map((_, j) => [v, j] as const));
      const some = elements.filter((_, i) => i % 2 === 0);
      let turn = drawn.seed;
      const lines: [Line, (v: number, j: number) => boolean][] = [
        [differences.direction(() => (turn = (turn * 137 + 41) % 1009) / 1009), () => true],
        [differences.together(some), (v, j) => some.some(([a, b]) => a === v && b === j)],
      ];
      const scale = scaleOf(problem.variables[0]);
      lines.push([differences.element(0, 0, scale), (v, j) => v === 0 && j === 0]);
      for (const [line, isMoved] of lines) {
        const weights = line.weights();
        let [along, squares] = [0, 0];
        elements.forEach(([v, j]) => {
          assert.equal(weights[v][j] !== 0, isMoved(v, j));
          along += differences.analytic[v][j] * weights[v][j];
          squares += (differences.analytic[v][j] * weights[v][j]) ** 2;
        });
        assert.ok(Math.abs(line.along(differences.analytic) - along) <= 1e-12 * Math.sqrt(squares));
        if (line !== lines[2][0]) {
          assert.ok(Math.abs(line.usual(differences.analytic) - Math.sqrt(squares)) <= 1e-12 * Math.sqrt(squares));
        }
        line.move(0.25);
        elements.forEach(([v, j]) => assert.equal(problem.variables[v][j], drawn.values[v][j] + 0.25 * weights[v][j]));
        line.move(0);
      }
      assert.equal(
        lines[1][0].size,
        Math.max(...some.map(([v, j]) => sizeOf(drawn.values[v][j], scaleOf(problem.variables[v])))),
      );
      for (const [v, j] of elements) {
        const step = Math.abs(lines[0][0].weights()[v][j]) / sizeOf(drawn.values[v][j], scaleOf(problem.variables[v]));
        assert.ok(1 <= step && step < 2, String(step));
      }
    });
  },
);

test("a kink is not taken for smooth because derivatives beside it are large [float64]", () => {
  const variables = [Float64Array.of(2, 1)];
  const problem: Problem = {
    ...problemOf(curves["a line"], 0),
    variables,
    settle: () => [Float64Array.of(5, 0)],
    evaluate: () => [Float64Array.of(5 * variables[0][0] + Math.abs(variables[0][1] - 1))],
  };
  assert.deepEqual(new Differences(problem).elements(0).verdicts, ["ok", "kink"]);
});

test(
  "the derivative at the point stays, whatever the problem writes into its arrays later [float64]",
  () => {
    const problem = problemOf(curves.cube, 2);
    const differences = new Differences(problem);
    problem.variables[0][0] = 5;
    problem.settle();
    problem.evaluate();
    assert.deepEqual([differences.analytic, differences.outputs], [[Float64Array.of(12)], [Float64Array.of(8)]]);
  },
);

/** The verdict on the first element. */
const verdictAt = (known: Known): string => new Differences(knownAt(known)).elements(0).verdicts[0];
/** The verdict on a claimed derivative of a function of one number that is the same around. */
const claimed = (f: (x: number) => number, at: number, claim: number, rest: Partial<Known> = {}): string =>
  verdictAt({ f: ([[x]]) => f(x), gradient: () => [[claim]], at: [[at]], ...rest });

test("a derivative that rounding leaves no trace of is noise, one that would show is wrong [float64]", () => {
  // Numbers around 1, large values and small ones, and an element that may move far.
  assert.deepEqual([1e-17, 1e-10].map((g) => claimed(() => 1, 0.7, g)), ["noise", "wrong"]);
  assert.deepEqual([1e-11, 1e-4].map((g) => claimed(() => 1e6, 0.7, g)), ["noise", "wrong"]);
  assert.deepEqual([1e-17, 1e-10].map((g) => claimed(() => 1e-9, 0.7, g)), ["noise", "wrong"]);
  assert.deepEqual([1e-22, 1e-14].map((g) => claimed(() => 1, 1e5, g)), ["noise", "wrong"]);
  assert.deepEqual([1e-22, 1e-12].map((g) => claimed(() => 1, 0, g, { at: [[0, 1e5]], gradient: () => [[g, 0]] })), [
    "noise",
    "wrong",
  ]);
  // Where rounding is known, it left a trace, or there is none.
  assert.equal(claimed(() => 1, 0.7, 1e-10, { rounding: 1e-30 }), "wrong");
});

test("what large numbers swallow shows in jumps far away, which a function of its own steps has, too [float64]", () => {
  const stairs = (size: number) => (x: number) => Math.round(x / size) * size;
  // Steps up to a few times the element are the function's, wider ones those of what swallowed them.
  assert.deepEqual([0, 1].map((g) => claimed(stairs(2), 0.7, g)), ["ok", "wrong"]);
  for (const size of [64, 1e4, 1e9]) {
    assert.deepEqual([0, 1].map((g) => claimed(stairs(size), 0.7, g)), ["ok", "noise"], `${size}`);
    assert.deepEqual([0, 1].map((g) => claimed((x) => stairs(size)(-x), 0.7, g)), ["ok", "noise"], `${size}`);
  }
  const marked = new Differences(curveAt({ f: stairs(64), slope: () => 1 }, 0.7)).elements(0);
  assert.deepEqual([[...marked.marks], [...marked.bends]], [[[0, "staircase"]], []]);
  // Beyond the first jump it may change by anything.
  assert.equal(claimed((x) => (x < 100 ? 0 : 10 + 300 * (x - 100)), 0.7, 0.01), "noise");
  // One that changes without a jump, wherever it does, swallows nothing.
  assert.equal(claimed((x) => Math.max(0, x - 100), 0.7, 1), "wrong");
});

test("what a derivative is off by may be its own error, if that is known to be as large [float64]", () => {
  const off = (by: number, gradientRounding: number, rest: Partial<Known> = {}) =>
    claimed(Math.sin, 0.7, Math.cos(0.7) * (1 + by), { gradientRounding, isRecorded: true, ...rest });
  assert.deepEqual([1e-5, -1e-5].map((by) => off(by, 2e-5)), ["ok", "ok"]);
  assert.deepEqual([1e-5, -1e-5].map((by) => off(by, 5e-6)), ["wrong", "wrong"]);
  // An error that leaves too few digits decides nothing.
  assert.equal(off(1e-2, 2e-2), "noise");
  const kink = (slope: number, gradientRounding: number) =>
    claimed((x) => Math.abs(x - 1), 1, slope, { gradientRounding, isRecorded: true });
  assert.deepEqual([1.01, -1.01].map((slope) => kink(slope, 0.02)), ["kink", "kink"]);
  assert.deepEqual([1.03, -1.03].map((slope) => kink(slope, 0.02)), ["wrong", "wrong"]);
  // A problem knows which of its errors a kink leaves.
  const jumping = (f: (x: number) => number, slope: number) => {
    const problem = curveAt({ f, slope: () => slope, isRecorded: true }, 1);
    const differences = new Differences({ ...problem, gradientRounding: (_, isKink) => (isKink ? 0 : 0.02) });
    return differences.elements(0).verdicts[0];
  };
  assert.deepEqual([jumping((x) => 100 * x, 100.01), jumping((x) => 100 * x, 100.03)], ["noise", "wrong"]);
  assert.equal(jumping((x) => Math.abs(x - 1), 1.01), "wrong");
  // No error excuses what is not a number.
  assert.equal(claimed(Math.sin, 0.7, NaN, { gradientRounding: Infinity }), "wrong");
});

test("a gradient that is off and not steady around the point may be right beside what values show [float64]", () => {
  const around = (slope: (x: number) => number, isRecorded = false) =>
    new Differences(curveAt({ f: Math.sin, slope, isRecorded }, 0.7)).elements(0).verdicts[0];
  assert.equal(around((x) => 1.01 * Math.cos(x)), "wrong");
  const rough = (x: number) => Math.cos(x) + 0.01 * hashOf(x);
  assert.equal(around(rough), "noise");
  assert.equal(around(rough, true), "wrong");
  // At the point alone it is an exception.
  assert.equal(around((x) => (x === 0.7 ? 0.5 : Math.cos(x))), "wrong");
});

test("fits decide what steps cannot: right ones, and wrong ones that are steady [float64]", () => {
  const single = (factor: number, shift = 2): Known => ({
    f: ([[x]]) => Math.fround(Math.fround(0.01 * Math.sin(x)) + shift),
    gradient: ([[x]]) => [[factor * 0.01 * Math.cos(x)]],
    at: [[0.75]],
    single: true,
  });
  assert.equal(verdictAt(single(1)), "ok");
  for (const factor of [1.01, 0.97, -1]) assert.equal(verdictAt(single(factor)), "wrong", `${factor}`);
  // Where terms are known, there is no more to see.
  assert.notEqual(verdictAt({ ...single(1.001), terms: 2 }), "wrong");
});

test("a glance is right or open, a closer look is taken even where a glance would do [float64]", () => {
  const at = (factor: number) => {
    const problem = curveAt({ f: Math.sin, slope: (x) => factor * Math.cos(x) }, 0.7);
    const differences = new Differences(problem);
    return { differences, line: differences.element(0, 0, 0.5) };
  };
  const right = at(1), wrong = at(1.1);
  const glance = right.differences.glance(right.line);
  assert.equal(glance.verdict, "ok");
  assert.equal(glance.analytic, Math.cos(0.7));
  assert.ok(Math.abs(glance.numeric - Math.cos(0.7)) <= glance.estimate, `${glance.numeric}`);
  const calls = right.differences.calls;
  assert.equal(calls <= 6, true);
  assert.equal(right.differences.judge(right.line).verdict, "ok");
  assert.equal(right.differences.calls, 2 * calls);
  assert.equal(right.differences.judgeClosely(right.line).verdict, "ok");
  assert.equal(right.differences.calls > 8 * calls, true);
  assert.equal(wrong.differences.glance(wrong.line).verdict, "untested");
  assert.equal(wrong.differences.judge(wrong.line).verdict, "wrong");
});

test("a small derivative counts beside large ones as far as it can be seen [float64]", () => {
  // 1e6 x hides digits of what y does: its error is small beside the other's slope, not beside its own.
  const two = (slope: number, terms?: number): string[] =>
    new Differences(knownAt({
      f: ([[x, y]]) => 1e6 * x + 1e-3 * y,
      gradient: () => [[1e6, slope]],
      at: [[1, 3]],
      ...(terms === undefined ? {} : { terms }),
    })).elements(0).verdicts;
  assert.deepEqual(two(1e-3), ["ok", "ok"]);
  assert.deepEqual(two(1.1e-3), ["ok", "wrong"]);
  const hidden = (terms?: number): string[] =>
    new Differences(knownAt({
      f: ([[x, y]]) => 1e9 * x + 1e-9 * y,
      gradient: () => [[1e9, 1e-9]],
      at: [[1, 3]],
      ...(terms === undefined ? {} : { terms, rounding: 1e-6 }),
    })).elements(0).verdicts;
  assert.deepEqual([hidden(), hidden(1e9)].map((list) => list[1] === "wrong"), [false, false]);
  assert.equal(hidden(1e9)[1], "ok");
});

test("along several elements a derivative is known if it is beside what they usually add up to [float64]", () => {
  // The slopes cancel, and large values hide what is left of them, up to a part of each.
  const along = (shift: number, claims: readonly number[], moves: readonly number[] = [1, -1]) => {
    const problem = knownAt({
      f: ([[x, y]]) => shift + Math.sin(x) + Math.sin(y),
      gradient: () => [claims],
      at: [[0.7, 0.7]],
      isRecorded: true,
    });
    const differences = new Differences(problem);
    return differences.judgeClosely(lineThrough(problem, [Float64Array.from(moves)])).verdict;
  };
  const slope = Math.cos(0.7);
  assert.deepEqual([1, 1e4].map((shift) => along(shift, [slope, slope])), ["ok", "ok"]);
  assert.equal(along(1e12, [slope, slope]), "noise");
  assert.deepEqual([1, 1e4].map((shift) => along(shift, [slope, 1.01 * slope])), ["wrong", "wrong"]);
  // Slopes of 0 are known beside what far steps see.
  assert.equal(along(1, [0, 0]), "ok");
  assert.equal(along(1, [0, 0], [1, 1]), "wrong");
});
