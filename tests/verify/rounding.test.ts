/** Rounding bounds: they hold, and they only count what a move can change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add, exp, logSumExp, mul, sub, sum, type Tensor, tensor, useDevice } from "../../mod.ts";
import { compute, historyOf } from "../../verify/tape/oracle.ts";
import { Rounding } from "../../verify/tape/rounding.ts";
import { checkProperty } from "../support/property.ts";

await useDevice("float64");
const EPSILON = 2 ** -52;

function leaf(values: readonly number[], shape = [values.length]): Tensor {
  return tensor(Float64Array.from(values), shape);
}

/** The bound of the sum of an output's elements. */
function roundingOf(output: Tensor): Rounding {
  const entries = historyOf([output]).filter((t) => t.dtype === "float" && t.inputs.length > 0);
  const weights = [leaf(new Array(output.size).fill(1), [...output.shape])];
  return new Rounding({ outputs: [output], weights, entries }, new Map(), EPSILON);
}

/** The bound on what moving one element of a leaf can change. */
function movedBy(rounding: Rounding, x: Tensor, at: number): number {
  rounding.settle();
  const values = x.value as Float64Array;
  const here = values[at];
  const bound = rounding.moved([values], () => values[at] += 0.25);
  values[at] = here;
  return bound;
}

test(
  "the error of a small number after adding and subtracting a large one is within the bound [float64]",
  async () => {
    await checkProperty(
      fc.tuple(fc.integer({ min: 0, max: 15 }), fc.double({ min: -1, max: 1, noNaN: true })),
      (drawn) => {
        const [digits, small] = drawn;
        const large = 10 ** digits;
        const output = sub(add(leaf([small]), large), large);
        const error = Math.abs(compute([output])[0][0] - small);
        const bound = roundingOf(output).settle();
        assert.ok(error <= bound, `${error} > ${bound}`);
        assert.ok(bound <= 16 * EPSILON * (large + 1), String(bound));
      },
    );
  },
);

test("composite ops are decomposed: a logarithm of a sum that is nearly 1 [float64]", async () => {
  // log(exp(0) + exp(-d)) is log1p(exp(-d)); adding to 1 loses everything below its last place.
  await checkProperty(fc.double({ min: 1, max: 60, noNaN: true }), (d) => {
    const output = logSumExp(leaf([0, -d]));
    const error = Math.abs(compute([output])[0][0] - Math.log1p(Math.exp(-d)));
    const bound = roundingOf(output).settle();
    assert.ok(error <= bound && bound < 64 * EPSILON, `${error}, ${bound}`);
  });
});

test("sums count their terms, not the result [float64]", () => {
  const cancelling = roundingOf(sum(leaf([1e8, -1e8, 1]))).settle();
  assert.ok(cancelling >= EPSILON * 2e8 && cancelling < 16 * EPSILON * 2e8, String(cancelling));
});

test(
  "only entries that depend on the moved element count, even if rounding swallows its change [float64]",
  () => {
    const x = leaf([1, 2, 1e9]);
    const output = exp(mul(x, [1, 1, 1e-9]));
    const rounding = roundingOf(output);
    const [first, second, third] = [0, 1, 2].map((at) => movedBy(rounding, x, at));
    assert.ok(second > first && first > third / 2, [first, second, third].join());
    assert.ok(first + second + third < 3 * rounding.settle());

    // 1e20 + x is 1e20 for any x; its rounding counts anyway.
    const small = leaf([1]);
    assert.ok(movedBy(roundingOf(sub(add(small, 1e20), 1e20)), small, 0) >= EPSILON * 1e20);
    // Entries computed from another element do not count.
    const pair = leaf([1, 1]);
    const apart = sub(add(pair, [0, 1e20]), [0, 1e20]);
    assert.ok(movedBy(roundingOf(apart), pair, 0) < 64 * EPSILON);
  },
);
