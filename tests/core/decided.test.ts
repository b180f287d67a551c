import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decided, type Range, simplified } from "../../core/plan/decided.ts";
import { build, type Expression, type Local } from "../../core/expression.ts";
import { inspect, stack, sum, tensor, where } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";

const NAMES = ["less", "lessEqual", "greater", "greaterEqual", "equal", "notEqual"];
const locals = Array.from({ length: 3 }, (_, id): Local => ({ kind: "local", id, role: "value" }));

/** Compares numbers, and combines conditions, as JavaScript does. */
function evaluate(expression: Expression, values: readonly number[]): number | boolean {
  if (expression.kind === "local") return values[expression.id];
  if (expression.kind === "literal") return expression.value;
  assert.equal(expression.kind, "call");
  const { name, args } = expression as Extract<Expression, { kind: "call" }>;
  const [a, b] = args.map((arg) => evaluate(arg, values)) as number[];
  const results: Record<string, () => boolean> = {
    less: () => a < b,
    lessEqual: () => a <= b,
    greater: () => a > b,
    greaterEqual: () => a >= b,
    equal: () => a === b,
    notEqual: () => a !== b,
    and: () => Boolean(a && b),
    or: () => Boolean(a || b),
    not: () => !a,
    holds: () => a > 0.5,
  };
  return results[name]();
}

const few = fc.integer({ min: -2, max: 2 });
const operand: fc.Arbitrary<Expression> = fc.oneof(
  fc.constantFrom(...locals),
  fc.oneof(few, fc.constantFrom(NaN, Infinity, -0)).map(build.literal),
);
const { condition } = fc.letrec<{ condition: Expression }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(fc.constantFrom(...NAMES), operand, operand).map(([name, a, b]) => build.call(name, a, b)),
    few.map((value) => build.call("holds", build.literal(value))),
    tie("condition").map((a) => build.call("not", a)),
    fc.tuple(fc.constantFrom("and", "or"), tie("condition"), tie("condition")).map(([name, a, b]) =>
      build.call(name, a, b)
    ),
  ),
}));

test("a condition that is decided has that value, and a simplified one its own, wherever in their ranges numbers are", () =>
  checkProperty(
    fc.record({
      condition,
      ranges: fc.array(fc.option(fc.tuple(few, few)), { minLength: 3, maxLength: 3 }),
      within: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
    }),
    ({ condition, ranges, within }) => {
      const known = ranges.map((range): Range | undefined => {
        return range === null ? undefined : { min: Math.min(...range), max: Math.max(...range) };
      });
      const values = known.map((range, i) => range ? range.min + Math.round(within[i] * (range.max - range.min)) : NaN);
      const rangeOf = ({ id }: Local) => known[id];
      const value = evaluate(condition, values);
      const found = decided(condition, rangeOf);
      if (found !== null) assert.equal(value, found);
      assert.equal(evaluate(simplified(condition, rangeOf), values), value);
    },
    { runs: 300 },
  ));

test("a sum over stacked tensors reads each of them once, without a test", async () => {
  const parts = [tensor([1, 2, 3]), tensor([4, 5, 6]), tensor([7, 8, 9])];
  const { steps: [{ loops }] } = await inspect(sum(where([true, false, true], stack(parts), 0), 0), {
    device: "float64",
  });
  assert.equal(loops.match(/= a\d\[/g)?.length, 4);
  assert.doesNotMatch(loops, /less|\n +if/);
});
