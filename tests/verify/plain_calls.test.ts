/** How plain functions are called, and what becomes of functions that do not behave. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gradcheck, type PlainArrays } from "../../verify/mod.ts";

const squares = ([x]: PlainArrays): number => Array.from(x).reduce((sum, v) => sum + v * v, 0);
const doubles = ([x]: PlainArrays): number[] => Array.from(x, (v) => 2 * v);

for (const mode of ["full", "fast"] as const) {
  test(`only float inputs of a plain function are differentiated, ${mode} mode [float64]`, async () => {
    const index = { shape: [2], values: [1, 0], dtype: "int" as const };
    const value = ([x, at]: PlainArrays) => {
      assert.ok(at.every(Number.isInteger), "an index that has moved");
      return x[at[0]] ** 2 + 3 * x[at[1]];
    };
    for (const held of [null, [], [7, 7]]) {
      const gradient = (factor: number) => ([x, at]: PlainArrays) => {
        const g = [0, 0];
        g[at[0]] += 2 * factor * x[at[0]];
        g[at[1]] += 3;
        return [g, held as number[]];
      };
      const right = await gradcheck({ value, gradient: gradient(1) }, [[0.5, 2], index], { mode, seed: 1 });
      assert.equal(right.verdict, "ok");
      assert.deepEqual(right.inputs.map(({ verdicts }) => verdicts?.length), [2, 0]);
      const wrong = await gradcheck({ value, gradient: gradient(1.1) }, [[0.5, 2], index], { mode, seed: 1 });
      assert.equal(wrong.verdict, "wrong");
    }
  });

  test(
    `a plain function that throws beyond its domain is judged within it, ${mode} mode [float64]`,
    async () => {
      const value = ([x]: PlainArrays) => {
        if (x[0] > 1) throw new RangeError("too large");
        return x[0] ** 3;
      };
      for (const [factor, verdict] of [[3, "ok"], [3.1, "wrong"]] as const) {
        const gradient = ([x]: PlainArrays) => [[factor * x[0] ** 2]];
        const report = await gradcheck({ value, gradient }, [[0.99]], { mode, seed: 1 });
        assert.equal(report.verdict, verdict);
        assert.ok(
          report.findings.some(({ check, message }) =>
            check === "domain" && /value throws at a point nearby: too large/.test(message)
          ),
        );
      }
    },
  );

  test(
    `a gradient that is returned in the same array each time is read at its own point, ${mode} mode [float64]`,
    async () => {
      const array = new Float64Array(2);
      const reused = (factor: number) => (arrays: PlainArrays) => {
        doubles(arrays).forEach((v, i) => array[i] = factor * v);
        return [array];
      };
      assert.equal((await gradcheck({ value: squares, gradient: reused(1) }, [[1, 2]], { mode })).verdict, "ok");
      assert.equal((await gradcheck({ value: squares, gradient: reused(1.01) }, [[1, 2]], { mode })).verdict, "wrong");
      // Each call differs from the last, in the same array.
      let calls = 0;
      const drifting = (arrays: PlainArrays) => {
        doubles(arrays).forEach((v, i) => array[i] = v + calls * 1e-9);
        calls++;
        return [array];
      };
      const report = await gradcheck({ value: squares, gradient: drifting }, [[1, 2]], { mode });
      assert.ok(report.findings.some(({ check, severity }) => check === "determinism" && severity === "error"));
      assert.notEqual(report.verdict, "ok");
    },
  );
}

test("a value that changes now and then is not deterministic [float64]", async () => {
  let calls = 0;
  const value = (arrays: PlainArrays) => squares(arrays) + (++calls % 4 === 0 ? 1e-3 : 0);
  const report = await gradcheck({ value, gradient: (arrays) => [doubles(arrays)] }, [[1, 2]]);
  assert.equal(report.verdict, "undecided");
  assert.ok(report.findings.some(({ check }) => check === "determinism"));
});

test("a value that writes to its arguments is found [float64]", async () => {
  const value = ([x]: PlainArrays) => {
    (x as Float64Array).sort();
    return x[0] + 2 * x[1];
  };
  const gradient = ([x]: PlainArrays) => [x[0] <= x[1] ? [1, 2] : [2, 1]];
  const report = await gradcheck({ value, gradient }, [[3, 1]]);
  assert.equal(report.verdict, "wrong");
  assert.ok(report.findings.some(({ check }) => check === "mutation"));
});

test("a gradient of another length is found, not read beyond its end [float64]", async () => {
  for (const length of [0, 1, 3]) {
    const gradient = ([x]: PlainArrays) => [Array.from({ length }, (_, i) => 2 * (x[i] ?? 0))];
    const report = await gradcheck({ value: squares, gradient }, [[1, 2]]);
    assert.equal(report.verdict, "wrong");
    assert.ok(report.findings.some(({ check }) => check === "shape"));
  }
});

test("a value that is not a number beside the point is never silently right [float64]", async () => {
  const report = await gradcheck({
    value: ([x]) => (x[0] === 2 ? 4 : NaN),
    gradient: () => [[4]],
  }, [[2]]);
  assert.equal(report.verdict, "undecided");
});

/** Sums of exponentials in float32, each operation rounded. */
const f32 = Math.fround;
function exponentials([x]: PlainArrays): number {
  let total = 0;
  for (let i = 0; i < x.length; i++) total = f32(total + f32(Math.exp(x[i])));
  return total;
}

test("in float32, errors are found that each step alone loses in rounding [float64]", async () => {
  const x = Float64Array.from({ length: 10 }, (_, i) => f32(0.6 + 0.037 * i * (i % 2 === 0 ? 1 : -1)));
  for (const [error, verdict] of [[0, "ok"], [1e-3, "wrong"]] as const) {
    for (const isAlone of [true, false]) {
      const gradient = ([x]: PlainArrays) => [
        Float32Array.from(x, (v, i) => Math.exp(v) * (!isAlone || i === 4 ? 1 + error : 1)),
      ];
      const report = await gradcheck({ value: exponentials, gradient }, [x], {
        precision: "float32",
        mode: "full",
        seed: 3,
      });
      assert.equal(report.verdict, verdict, `${error} ${isAlone}`);
    }
  }
});
