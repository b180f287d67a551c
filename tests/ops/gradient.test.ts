import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Op, record, registry } from "../../core/op.ts";
import { add, detach, exp, flip, mul, neg, sum, type Tensor, transpose, useDevice } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import { caseOf, describeCase, inputsFrom } from "./draw.ts";
import { gradientProblems, type LeafPoint } from "./numeric.ts";

await useDevice("float64");

for (const entry of registry().values()) {
  if (!entry.differentiable) continue;
  for (const order of [1, 2] as const) {
    test(`derivative ${order} of ${entry.name} agrees with differences [float64]`, async () => {
      await checkProperty(caseOf(entry), async (drawn) => {
        const problems = await gradientProblems(
          (leaves) => entry.apply(inputsFrom(drawn, leaves), drawn.attributes),
          drawn.inputs.map(({ leaf, dtype }) => ({ ...leaf, dtype })),
          drawn.seed,
          order,
        );
        // The mean of nothing has no derivative.
        fc.pre(problems !== null);
        assert.deepEqual(problems, [], describeCase(drawn));
      }, { runs: order === 1 ? 20 : 12 });
    });
  }
}

/** An op that is not registered, with a rule to try out. */
function planted(
  expression: (x: string, call: (name: string, x: string) => string) => string,
  vjp: NonNullable<Op["vjp"]>,
): (leaves: readonly Tensor[]) => Tensor {
  const op: Op = {
    name: "planted",
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: {
      kind: "elementwise",
      cost: 10,
      expression: ([x], _, lower) => expression(x, (name, arg) => lower.call(name, arg)),
    },
    vjp,
  };
  return ([x]) => record(op, [x]);
}

const point: LeafPoint[] = [{ shape: [2, 3], values: [0.5, -0.75, 1.25, 2, -1.5, 0.25] }];
const cube: LeafPoint[] = [{ shape: [2, 2, 2], values: [0.5, -0.75, 1.25, 2, -1.5, 0.25, 1, -2] }];
const exponential = (vjp: NonNullable<Op["vjp"]>[0]) => planted((x, call) => call("exp", x), [vjp]);

/** A transposition by a permutation, with the permutation of its gradient to try out. */
function rotated(back: readonly number[]): (leaves: readonly Tensor[]) => Tensor {
  const op: Op = {
    name: "rotated",
    infer: ([x]) => ({ shape: [x.shape[1], x.shape[2], x.shape[0]], dtype: "float" }),
    kernel: { kind: "movement", source: (out) => [out[2], out[0], out[1]] },
    vjp: [({ cotangent }) => transpose(cotangent, [...back])],
  };
  return ([x]) => record(op, [x]);
}

const right: Record<string, [(leaves: readonly Tensor[]) => Tensor, LeafPoint[]]> = {
  "exp": [exponential(({ cotangent, output }) => mul(cotangent, output)), point],
  "a transposition": [rotated([2, 0, 1]), cube],
};

for (const [name, [apply, at]] of Object.entries(right)) {
  test(`the check passes a right rule: ${name} [float64]`, async () => {
    for (const order of [1, 2] as const) assert.deepEqual(await gradientProblems(apply, at, 1, order), []);
  });
}

/** Wrong rules, and the order at which each shows. */
const wrong: Record<string, [order: 1 | 2, (leaves: readonly Tensor[]) => Tensor, LeafPoint[]]> = {
  "a factor of 1.001": [1, exponential(({ cotangent, output }) => mul(mul(cotangent, output), 1.001)), point],
  "a sign": [1, exponential(({ cotangent, output }) => neg(mul(cotangent, output))), point],
  "a missing term": [
    1,
    // The derivative of x * exp(x) is exp(x) + x * exp(x).
    planted((x, call) => `(${x} * ${call("exp", x)})`, [({ cotangent, output }) => mul(cotangent, output)]),
    point,
  ],
  "a transposed axis": [1, rotated([1, 2, 0]), cube],
  "a cotangent that is ignored": [1, exponential(({ output }) => mul(output, 1)), point],
  "right for a cotangent of 1 only": [
    1,
    exponential(({ cotangent, output }) => mul(mul(cotangent, cotangent), output)),
    point,
  ],
  "a neighbour's element": [1, exponential(({ cotangent, output }) => mul(flip(cotangent, 1), output)), point],
  "a sum in place of elements": [1, exponential(({ cotangent, output }) => mul(output, sum(cotangent))), point],
  "no gradient": [1, ([x]) => exp(detach(x)), point],
  "right at order 1, constant at order 2": [
    2,
    exponential(({ cotangent, output }) => mul(cotangent, detach(output))),
    point,
  ],
  "right at order 1, a factor of 1.001 at order 2": [
    2,
    exponential(({ cotangent, output }) => mul(cotangent, add(mul(output, 1.001), mul(detach(output), -0.001)))),
    point,
  ],
};

for (const [name, [order, apply, at]] of Object.entries(wrong)) {
  test(`the check catches a wrong rule: ${name} [float64]`, async () => {
    if (order === 2) assert.deepEqual(await gradientProblems(apply, at, 1, 1), []);
    assert.notDeepEqual(await gradientProblems(apply, at, 1, order), []);
  });
}
