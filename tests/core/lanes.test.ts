/** Functions in lanes have the values of their definitions, over all of float32, whatever the other lanes hold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkProperty } from "../support/property.ts";
import { type Case, cases, isRight, LARGEST } from "./lane_cases.ts";
import { inLanes } from "./lanes.ts";

const LENGTH = 256;
const exceptional = [NaN, Infinity, 0, 2 ** -149, 2 ** -126 - 2 ** -149, 2 ** -126, LARGEST];
/** Numbers at which functions switch methods or reach the end of their range, and numbers half of whose bits are 0. */
const ordinary = [1, 2, 3, 0.5, 1.5, 1 + 2 ** -23, 1 - 2 ** -24, 8, 10, 88.72283, 88.72284, 87.33655, 103.97208, 104];
const large = [2 ** 20 - 0.0625, 2 ** 20, 2 ** 23, 2 ** 24, 2 ** 24 + 2, 2 ** 31, 2 ** 32, 16367173 * 2 ** 72];
const special = [...exceptional, ...ordinary, ...large].flatMap((x) => [x, -x]).map(Math.fround);

/** Numbers of all exponents, of either sign, and such as programs have. */
const numbers = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((word) => new Float32Array(Int32Array.of(word).buffer)[0]),
  fc.double({ min: -20, max: 20, noNaN: true }).map(Math.fround),
  fc.double({ min: -1, max: 1, noNaN: true }).map((x) => Math.fround(1 + x ** 9)),
  fc.integer({ min: -100, max: 100 }).map((n) => Math.fround(n * Math.PI / 2)),
);
/** Exponents at which the power of a number is neither 0 nor infinite. */
const exponents = (x: number) => fc.double({ min: -150, max: 129, noNaN: true }).map((n) => n / Math.log2(Math.abs(x)));

const few = { minLength: LENGTH, maxLength: LENGTH };
const arguments_: readonly fc.Arbitrary<readonly (readonly number[])[]>[] = [
  fc.array(numbers.map((x) => [x]), few),
  fc.array(
    numbers.chain((x) =>
      fc.oneof(exponents(x), fc.integer({ min: -9, max: 9 }), numbers).map((y) => [x, Math.fround(y)])
    ),
    few,
  ),
];

/** The bits of results. All NaN are alike. */
const wordOf = (x: number): number => Number.isNaN(x) ? NaN : new Int32Array(Float32Array.of(x).buffer)[0];

function assertRight({ name, f, ulps }: Case, tuples: readonly (readonly number[])[], results: Float32Array): void {
  tuples.forEach(([x, y], i) => {
    const expected = f(x, y);
    const given = y === undefined ? x : `${x}, ${y}`;
    assert.ok(
      isRight(results[i], expected, ulps),
      `${name}(${given}) is ${results[i]}, ${expected} is right; ${ulps} units are allowed`,
    );
  });
}

for (const one of cases) {
  const { name, write, arity, isNegative } = one;
  const lanes = inLanes(write, { arity, length: LENGTH * 4 });
  const compute = (tuples: readonly (readonly number[])[]): Float32Array => {
    tuples.forEach((tuple, i) => tuple.forEach((x, operand) => (lanes.operands[operand][i] = x)));
    lanes.run(Math.ceil(tuples.length / 4));
    return lanes.results.slice(0, tuples.length);
  };
  const drawn = (tuples: readonly (readonly number[])[]) => isNegative ? tuples.map(([x]) => [-Math.abs(x)]) : tuples;

  test(`${name} in lanes has the value of its definition`, async () => {
    const pairs = drawn(special.flatMap((x) => arity === 1 ? [[x]] : special.map((y) => [x, y])));
    for (let i = 0; i < pairs.length; i += LENGTH) {
      const some = pairs.slice(i, i + LENGTH);
      assertRight(one, some, compute(some));
    }
    await checkProperty(
      arguments_[arity - 1].map(drawn),
      (tuples) => assertRight(one, tuples, compute(tuples)),
      { runs: 15 },
    );
  });

  test(`a lane of ${name} does not depend on the others`, async () => {
    const tuples = fc.tuple(
      arguments_[arity - 1].map(drawn),
      fc.array(fc.nat(), few),
      fc.array(fc.constantFrom(...special), few),
    );
    await checkProperty(tuples, ([all, order, odd]) => {
      const alone = compute(all);
      // Each among special numbers, and in another lane.
      const shift = order[0] % 4;
      const mixed = all.flatMap((tuple, i): (readonly number[])[] => {
        const others = Array.from(
          { length: 3 },
          (_, k) => drawn([tuple.map((_, j) => odd[(order[i] + k + j) % LENGTH])])[0],
        );
        return [...others.slice(0, (i + shift) % 4), tuple, ...others.slice((i + shift) % 4)];
      });
      const among = compute(mixed);
      assert.deepEqual(
        all.map((_, i) => wordOf(among[4 * i + (i + shift) % 4])),
        Array.from(alone, wordOf),
      );
    }, { runs: 4 });
  });
}
