/** Traps that other gradient checkers fell into, one or more tests each. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import {
  broadcastTo,
  exp,
  flip,
  mul,
  reshape,
  sin,
  slice,
  softmax,
  square,
  sum,
  type Tensor,
  transpose,
  useDevice,
} from "../../mod.ts";
import { checkProperty, gradcheck, type GradcheckReport, reportText, shapes, tensors } from "../../verify/mod.ts";
import { exponential } from "./support.ts";
import { plantFunction } from "../support/functions.ts";

await useDevice("float64");

/** A factor of 1 + by at one element of many. */
const offAt = (length: number, at: number, by: number) =>
  exponential(({ cotangent, output }) =>
    mul(mul(cotangent, output), Array.from({ length }, (_, i) => (i === at ? 1 + by : 1)))
  );
const spread = (length: number) => Float64Array.from({ length }, (_, i) => Math.sin(i));

function wrongOf({ worst }: GradcheckReport): (readonly number[])[] {
  return worst.filter(({ verdict, input }) => verdict === "wrong" && input >= 0).map(({ index }) => index);
}

describe("a tolerance that grows with the size of an array", () => {
  for (const length of [10, 1000, 5000]) {
    test(`one element of ${length} is off by a thousandth [float64]`, async () => {
      const at = length - 3;
      for (const mode of ["full", "fast"] as const) {
        const report = await gradcheck(offAt(length, at, 1e-3), [spread(length)], { mode, seed: 1, locate: false });
        assert.deepEqual(wrongOf(report), [[at]], `${mode}\n${reportText(report)}`);
      }
    });
  }

  test("the tolerance of an element does not depend on the number of elements [float64]", async () => {
    const estimateAt = async (length: number) => {
      const { worst } = await gradcheck((x) => sin(x), [new Float64Array(length).fill(0.7)], {
        mode: "full",
        seed: 1,
        worst: length,
      });
      return Math.max(...worst.map(({ estimate }) => estimate));
    };
    assert.ok(await estimateAt(3000) < 4 * await estimateAt(10));
  });
});

describe("a fast mode that overlooks errors", () => {
  test("a small derivative among large ones is still tested [float64]", async () => {
    // A hundredth of a derivative that is a hundredth of the others: 1e-6 of the change along a direction.
    const weights = Array.from({ length: 500 }, (_, i) => (i === 250 ? 0.1 : 10));
    const f = (x: Tensor) => sum(mul(offAt(500, 250, 1e-2)(x), weights));
    const report = await gradcheck(f, [spread(500)], { mode: "fast", seed: 1, locate: false });
    assert.deepEqual(wrongOf(report), [[250]], reportText(report));
  });

  test("errors that cancel along a direction of ones do not cancel along its own [float64]", async () => {
    const signs = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 1 : -1));
    const f = exponential(({ cotangent, output }) => mul(cotangent, mul(output, signs)));
    const flipped = await gradcheck(f, [new Float64Array(200)], { mode: "fast", seed: 1, locate: false });
    assert.equal(flipped.verdict, "wrong");
  });

  test("another seed draws other directions, the same one the same [float64]", async () => {
    // The sum of the elements: its derivative along a direction is the sum of the moves, whatever the cotangent.
    const along = async (seed: number) => {
      const { worst } = await gradcheck((x) => sum(x), [new Float64Array(50).fill(1)], { mode: "fast", seed });
      return worst.filter(({ input }) => input < 0).map(({ analytic }) => Math.abs(analytic));
    };
    const [first, again, other] = [await along(1), await along(1), await along(2)];
    assert.deepEqual(first, again);
    assert.notDeepEqual(first, other);
    assert.equal(new Set(first).size, first.length, "its directions differ from each other");
  });
});

describe("NaN mistaken for a number", () => {
  for (const value of [NaN, Infinity, -Infinity]) {
    test(`a derivative of ${value} is not accepted as right [float64]`, async () => {
      const f = exponential(({ cotangent, output }) => mul(mul(cotangent, output), [1, value]));
      const { verdict, worst: [worst] } = await gradcheck(f, [[0.5, 1]], { seed: 1, locate: false });
      assert.deepEqual([verdict, worst.index, worst.verdict], ["wrong", [1], "wrong"]);
    });
  }

  test("NaN on a device is not the oracle's infinity [cpu]", async () => {
    // At 0.
    const quotient = plantFunction(([x]) => `(1.0 / ${x})`, ([x]) => `(${x} / ${x})`);
    const inverse: Op = {
      name: "inverse",
      infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
      kernel: { kind: "elementwise", cost: 1, expression: ([x], _, { call }) => call(quotient, x) },
      vjp: null,
    };
    const f = exponential(({ cotangent, inputs: [x] }) => mul(cotangent, record(inverse, [x])));
    const report = await gradcheck(f, [[0, 1]], { device: "cpu", seed: 1, locate: false });
    const finding = report.findings.find(({ check, severity }) => check === "device" && severity === "error");
    assert.match(finding?.message ?? "", /NaN on cpu, and -?Infinity on the oracle/, reportText(report));
  });
});

describe("a step that fits one scale only", () => {
  for (const size of [1e-8, 1e-4, 1, 1e4, 1e8]) {
    test(
      `a thousandth is detected at inputs of ${size}, and nothing if everything is right [float64]`,
      async () => {
        const f = (rule: Op["vjp"]) => {
          const op: Op = {
            name: "planted",
            infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
            kernel: { kind: "elementwise", cost: 1, expression: ([x], _, { call }) => call("mul", x, x) },
            vjp: rule,
          };
          return (x: Tensor) => record(op, [x]);
        };
        const at = [[size, -2 * size, 3 * size]];
        const right = await gradcheck(f([({ cotangent, inputs: [x] }) => mul(cotangent, mul(2, x))]), at, { seed: 1 });
        assert.deepEqual([right.verdict, right.counts.ok], ["ok", 3], reportText(right));
        const wrong = await gradcheck(f([({ cotangent, inputs: [x] }) => mul(cotangent, mul(2.002, x))]), at, {
          seed: 1,
        });
        assert.deepEqual([wrong.verdict, wrong.counts.wrong], ["wrong", 3], reportText(wrong));
      },
    );
  }
});

describe("shapes that nobody tried", () => {
  // Views: the function reads its input in an order other than that in memory.
  const views: Record<string, (x: Tensor) => Tensor> = {
    "transposed": (x) => sum(softmax(transpose(x), 0), 1),
    "flipped and sliced": (x) => exp(slice(flip(x, 1), [null, [0, Math.ceil(x.shape[1] / 2)]])),
    "broadcast and reshaped": (x) => square(reshape(broadcastTo(x, [2, ...x.shape]), [2 * x.shape[0] * x.shape[1]])),
  };
  for (const [name, f] of Object.entries(views)) {
    test(`${name}, axes of 0 and 1 among them [float64]`, async () => {
      const matrices = tensors(shapes({ minRank: 2, maxRank: 2 }).map((shape) => [shape]));
      const { verdict, counts, report } = await checkProperty(f, matrices, { runs: 40, seed: 1, order: 2 });
      assert.equal(verdict, "ok", report ? reportText(report) : "");
      assert.equal(counts.wrong, 0);
    });

    test(`${name}, with a rule that ignores the order of elements [float64]`, async () => {
      const mixed = exponential(({ cotangent, output }) =>
        output.shape.length === 2
          ? mul(cotangent, reshape(transpose(output), output.shape))
          : mul(cotangent, flip(output, 0))
      );
      const matrices = tensors(shapes({ minRank: 2, maxRank: 2, minAxis: 1 }).map((shape) => [shape]));
      assert.equal((await checkProperty((x) => f(mixed(x)), matrices, { seed: 1, locate: false })).verdict, "wrong");
    });
  }
});
