/** The derivatives of the scalar functions, one call at a time, compared with differences of the oracle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileDual, NoDual } from "../../core/backends/dual.ts";
import { compileForHost, float64 } from "../../core/backends/float64.ts";
import { base } from "../../core/backends/functions.ts";
import { rules } from "../../core/backends/partials.ts";
import { render } from "../../core/backends/render.ts";
import type { Expression, Local } from "../../core/expression.ts";
import type { LoopForm, Statement } from "../../core/plan/form.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { checkProperty } from "../support/property.ts";

const local = (id: number, role: Local["role"] = "value"): Local => ({ kind: "local", id, role });

/** A plan of one element that reads leaves of one element into the locals from 1 on. */
function kernelOf(count: number, statements: readonly Statement[], result: Expression): Plan {
  const at = [{ base: 0, terms: [] }];
  const args = Array.from({ length: count }, (_, argument): Expression => ({ kind: "read", argument, at }));
  const form: LoopForm = {
    extent: [1],
    threads: [local(0, "thread")],
    body: [...args.map((value, i): Statement => ({ kind: "const", local: local(i + 1), value })), ...statements],
    result,
  };
  const known = result.kind !== "call" || Object.hasOwn(base, result.name) ? form : { ...form, result: local(1) };
  const kernel = render({ ...known, args, iterations: 0 }, float64.dialect);
  return {
    leaves: args.map(() => ({ shape: [1], extent: [1], size: 1 })),
    steps: [{ name: "kernel", shape: [1], kernel, args: args.map((_, index) => ({ from: "leaf", index })), form }],
    results: [{ from: "step", index: 0 }],
  };
}

/** A plan of one call, whose arguments are leaves. */
function planOf(name: string, count: number): Plan {
  const args = Array.from({ length: count }, (_, i) => local(i + 1));
  return kernelOf(count, [], { kind: "call", name, args });
}

/** The value of a call, and its derivative along a direction; `null` for arguments that are held. */
function derivative(name: string, args: readonly number[], along: readonly (number | null)[]): number {
  const dual = compileDual(planOf(name, args.length), { moving: along.map((v) => v !== null) });
  const arrays = args.map((x) => Float64Array.of(x));
  const bound = dual.bind(arrays, along.map((v) => v === null ? null : Float64Array.of(v)));
  bound.run();
  assert.equal(bound.results[0][0], valueOf(name, args));
  return bound.tangents[0]?.[0] ?? 0;
}

function valueOf(name: string, args: readonly number[]): number {
  return compileForHost(planOf(name, args.length)).bind(args.map((x) => Float64Array.of(x))).run()[0][0];
}

/** The derivative of a smooth function at 0 by differences over three steps, which leave an error of the sixth power. */
function slope(f: (t: number) => number, h: number): number {
  const central = (t: number) => (f(t) - f(-t)) / (2 * t);
  const [a, b, c] = [h, h / 2, h / 4].map(central);
  return (64 * c - 20 * b + a) / 45;
}

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const signed = fc.oneof(between(-4, -0.4), between(0.4, 4));

/** Arguments of the smooth functions, apart from where they end. */
const domains: Record<string, fc.Arbitrary<number>[]> = {
  neg: [signed],
  add: [signed, signed],
  sub: [signed, signed],
  mul: [signed, signed],
  div: [signed, signed],
  sqrt: [between(0.2, 9)],
  exp: [signed],
  log: [between(0.2, 9)],
  log2: [between(0.2, 9)],
  log1p: [between(-0.8, 9)],
  expm1: [between(-4, 4)],
  sin: [between(-9, 9)],
  cos: [between(-9, 9)],
  tanh: [between(-4, 4)],
  sigmoid: [between(-9, 9)],
  atan: [between(-9, 9)],
  erf: [between(-4, 4)],
  lgamma: [fc.oneof(between(0.2, 20), between(-1.8, -1.2))],
  pow: [between(0.4, 4), signed],
  sum: [signed, signed],
  product: [signed, signed],
  total: [signed],
};

test("every scalar function has a rule, and no other has one; all smooth ones are tested", () => {
  assert.deepEqual(Object.keys(rules).sort(), Object.keys(base).sort());
  const smooth = Object.entries(rules).flatMap(([name, { kind }]) => kind === "smooth" ? [name] : []);
  assert.deepEqual(smooth.sort(), Object.keys(domains).sort());
});

for (const [name, domain] of Object.entries(domains)) {
  test(`the derivative of ${name} agrees with differences [float64]`, async () => {
    await checkProperty(
      fc.tuple(fc.tuple(...domain), fc.tuple(...domain.map(() => between(-1, 1)))),
      ([args, along]) => {
        const expected = slope((t) => valueOf(name, args.map((x, i) => x + t * along[i])), 0.01);
        const actual = derivative(name, args, along);
        const size = Math.max(1, Math.abs(valueOf(name, args)), Math.abs(expected));
        assert.ok(Math.abs(actual - expected) <= 1e-8 * size, `${actual}, expected ${expected}`);
        // Held arguments are those that move by 0.
        const held = along.map((v, i) => i === 0 ? v : null);
        const still = along.map((v, i) => i === 0 ? v : 0);
        assert.equal(0 + derivative(name, args, held), 0 + derivative(name, args, still));
      },
      { runs: 30 },
    );
  });
}

test("derivatives keep their digits where functions saturate, and near zero [float64]", () => {
  const near = (name: string, x: number, expected: number) => {
    const actual = derivative(name, [x], [1]);
    assert.ok(Math.abs(actual - expected) <= 4e-15 * expected, `${name} at ${x}: ${actual}, expected ${expected}`);
  };
  for (const x of [1e-300, 1e-9, 0.3, 2, 9, 18, 40, 300]) {
    for (const signedX of [x, -x]) {
      near("tanh", signedX, (1 / Math.cosh(x)) ** 2);
      near("sigmoid", signedX, (0.5 / Math.cosh(x / 2)) ** 2);
      near("expm1", signedX, Math.exp(signedX));
      near("erf", signedX, (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x));
    }
  }
  for (const x of [1e-300, 1e-17, 1e-9, 0.1]) near("log1p", x, 1 / (1 + x));
  assert.equal(derivative("tanh", [800], [1]), 0);
  assert.equal(derivative("sigmoid", [-800], [1]), 0);
  assert.equal(derivative("atan", [1e200], [1]), 0);
});

const pi = Math.PI;

/** A call, a direction, in which `null` holds an argument, and the derivative. */
const points: readonly [string, readonly number[], readonly (number | null)[], number][] = [
  ["sqrt", [0], [1], Infinity],
  ["sqrt", [0], [0], NaN],
  ["log", [0], [1], Infinity],
  ["div", [1, 0], [1, null], Infinity],
  ["pow", [-2, 3], [1, null], 12],
  ["pow", [-2, 3], [1, 0], NaN],
  ["pow", [-2, -1], [1, null], -0.25],
  ["pow", [0, 1], [1, null], 1],
  ["pow", [0, 2], [1, null], 0],
  ["pow", [0, 0], [1, null], 0],
  ["pow", [-3, 0], [1, null], 0],
  ["pow", [0, 0.5], [1, null], Infinity],
  ["pow", [0, 2], [null, 1], 0],
  ["pow", [0, 2], [1, 1], 0],
  ["pow", [2, 3], [null, 1], 8 * Math.LN2],
  ["select", [1, 2, 3], [null, 5, 7], 5],
  ["select", [0, 2, 3], [null, 5, 7], 7],
  ["select", [0, 2, 3], [null, NaN, 7], 7],
  ["max", [1, 2], [5, 7], 7],
  ["min", [1, 2], [5, 7], 5],
  ["min", [1, 2], [5, NaN], 5],
  ["max", [1, 2], [5, null], 0],
  ["abs", [-3], [5], -5],
  ["abs", [3], [5], 5],
  ["sin", [pi / 3], [2], 2 * Math.cos(pi / 3)],
  ["floor", [1.5], [1], 0],
  ["roundHalfEven", [1.5], [1], 0],
  ["sign", [0], [1], 0],
  ["asNumber", [2], [1], 0],
  ["held", [2], [1], 0],
  ["middle", [2, 6], [1, 1], 0],
  ["next", [2], [1], 0],
  ["upTo", [2, 6], [1, 0], 0],
  ["from0", [2], [1], 0],
];

test("derivatives at special points [float64]", () => {
  for (const [name, args, along, expected] of points) {
    assert.equal(derivative(name, args, along), expected, `${name}(${args}) along (${along})`);
  }
});

test("a function without a rule is refused by name [float64]", () => {
  assert.throws(() => compileDual(planOf("mystery", 1), { moving: [true] }), (error: Error) => {
    assert.ok(error instanceof NoDual);
    assert.match(error.message, /the derivative of "mystery" is not known/);
    return true;
  });
  // It has none to know where nothing moves.
  compileDual(planOf("mystery", 1), { moving: [false] });
});

test("what is computed from an accumulator moves, although the accumulator starts with a number [float64]", () => {
  const [x, s, v] = [local(1), local(2, "accumulator"), local(3)];
  const call = (name: string, ...args: Expression[]): Expression => ({ kind: "call", name, args });
  const body: Statement[] = [
    { kind: "const", local: v, value: call("mul", s, s) },
    { kind: "assign", local: s, value: call("add", v, x) },
  ];
  const plan = kernelOf(1, [
    { kind: "let", local: s, value: { kind: "literal", value: 0 } },
    { kind: "loop", counter: local(4, "counter"), end: 3, step: 1, body },
  ], s);
  const bound = compileDual(plan, { moving: [true] }).bind([Float64Array.of(3)], [Float64Array.of(1)]);
  bound.run();
  // (x^2 + x)^2 + x
  assert.equal(bound.results[0][0], 147);
  assert.equal(bound.tangents[0]![0], 2 * 12 * 7 + 1);
});

test("the ends of an interval change together [float64]", () => {
  const [x, s] = [local(1), local(2, "accumulator")];
  const value: Expression = { kind: "call", name: "sub", args: [x, s] };
  const plan = kernelOf(1, [
    { kind: "let", local: s, value: { kind: "literal", value: 0 } },
    { kind: "loop", counter: local(3, "counter"), end: 2, step: 1, body: [{ kind: "assign", local: s, value }] },
  ], s);
  const bound = compileDual(plan, { moving: [true], ties: "hull" }).bind([Float64Array.of(3)], [Float64Array.of(1, 2)]);
  bound.run();
  assert.deepEqual([...bound.tangents[0]!], [1 - 2, 2 - 1]);
});
