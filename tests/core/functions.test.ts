/**
 * The scalar functions as each backend writes them: their text, run as JavaScript, has the values of plain arithmetic. Those that a single
 * op brings along are tested with the op.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { backends } from "../../core/backends/list.ts";
import { render, renderFunction } from "../../core/backends/render.ts";
import type { Dialect } from "../../core/backends/dialect.ts";
import type { Expression } from "../../core/expression.ts";
import { checkProperty } from "../support/property.ts";

type Value = number | boolean;

/** A scalar function by its definition, with the arguments that it is tried on. */
interface Case {
  readonly f: (...args: number[]) => Value;
  /** Each takes one number; those of conditions take whether a number is above one half. */
  readonly args: readonly fc.Arbitrary<number>[];
  readonly conditions?: readonly number[];
}

/** `erf` by the series of positive terms `2^n x^(2n + 1) / (2n + 1)!!`, and beyond 2 by the continued fraction of its complement. */
function erf(x: number): number {
  const decay = Math.exp(-x * x) / Math.sqrt(Math.PI);
  const size = Math.abs(x);
  if (size > 2) {
    let fraction = size;
    for (let n = 120; n > 0; n--) fraction = size + n / 2 / fraction;
    return Math.sign(x) * (1 - (size < 30 ? decay / fraction : 0));
  }
  let [sum, term] = [0, x];
  for (let n = 0; Math.abs(term) > 1e-20 * Math.abs(sum); n++) {
    sum += term;
    term *= 2 * x * x / (2 * n + 3);
  }
  return Number.isNaN(x) ? NaN : 2 * decay * sum;
}

function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

const special = [NaN, Infinity, -Infinity, 0, -0];
/** Numbers of many sizes that float32 holds, up to a bound. */
const upTo = (most: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.tuple(fc.constantFrom(-1, 1), fc.double({ min: -20, max: Math.log2(most), noNaN: true })).map(([sign, power]) =>
      Math.fround(sign * 2 ** power)
    ),
    fc.integer({ min: -Math.min(most, 6), max: Math.min(most, 6) }).map((n) => n / 2),
  );
const any = fc.oneof({ weight: 3, arbitrary: upTo(1000) }, fc.constantFrom(...special));
const size = any.map(Math.abs);
const digit = fc.integer({ min: 0, max: 3 });
const truth = fc.constantFrom(0, 1);

const one = (f: (x: number) => Value, x: fc.Arbitrary<number> = any): Case => ({ f, args: [x] });
const two = (f: (x: number, y: number) => Value, x = any, y = x): Case => ({ f, args: [x, y] });

const cases: Readonly<Record<string, Case>> = {
  add: two((x, y) => x + y),
  sub: two((x, y) => x - y),
  mul: two((x, y) => x * y),
  div: two((x, y) => x / y),
  max: two(Math.max),
  min: two(Math.min),
  sum: two((x, y) => x + y),
  product: two((x, y) => x * y),
  sqrt: one(Math.sqrt, size),
  abs: one(Math.abs),
  neg: one((x) => -x),
  sign: one(Math.sign),
  floor: one(Math.floor),
  ceil: one(Math.ceil),
  trunc: one(Math.trunc),
  // The sign of 0 is lost.
  roundHalfEven: one((x) => roundHalfEven(x) + 0),
  exp: one(Math.exp, fc.oneof(upTo(80), fc.constantFrom(...special))),
  expm1: one(Math.expm1, fc.oneof(upTo(80), fc.constantFrom(...special))),
  log: one(Math.log),
  log2: one(Math.log2),
  log1p: one(Math.log1p),
  sin: one(Math.sin),
  cos: one(Math.cos),
  atan: one(Math.atan),
  tanh: one(Math.tanh),
  sigmoid: one((x) => 1 / (1 + Math.exp(-x)), upTo(80)),
  erf: one(erf),
  // Shaders lose the sign of 0.
  pow: two((x, y) => x ** y + 0, any.map((x) => x + 0), fc.oneof(upTo(4), fc.integer({ min: -4, max: 4 }))),
  equal: two((x, y) => x === y),
  notEqual: two((x, y) => x !== y),
  less: two((x, y) => x < y),
  lessEqual: two((x, y) => x <= y),
  greater: two((x, y) => x > y),
  greaterEqual: two((x, y) => x >= y),
  above: two((x, y) => x > y),
  below: two((x, y) => x < y),
  and: { ...two((x, y) => x > 0.5 && y > 0.5, truth), conditions: [0, 1] },
  or: { ...two((x, y) => x > 0.5 || y > 0.5, truth), conditions: [0, 1] },
  not: { ...one((x) => x <= 0.5, truth), conditions: [0] },
  truth: { ...one((x) => x, truth), conditions: [0] },
  select: { f: (c, x, y) => (c ? x : y), args: [truth, any, any], conditions: [0] },
  anyOf: two(Math.max, truth),
  allOf: two(Math.min, truth),
  holds: one((x) => x > 0.5, truth),
  position: { f: (part, each, within) => part * each + within, args: [digit, digit, digit] },
  isPosition: two((x, n) => x >= 0 && x < n, any, digit),
  asNumber: one((x) => x, digit),
  middle: two((low, high) => Math.floor((low + high) / 2), digit),
  next: one((x) => x + 1, digit),
  upTo: two((x, last) => (x < last ? x : last)),
  from0: one((x) => (x > 0 ? x : 0)),
  held: one((x) => x),
  total: one((x) => x),
};

/** A function's text in a dialect, as a JavaScript function of numbers. */
function written(name: string, { f, args, conditions = [] }: Case, dialect: Dialect): (values: number[]) => number {
  const call = (name: string, ...args: Expression[]): Expression => ({ kind: "call", name, args });
  const at = [{ base: 0, terms: [] }];
  const reads = args.map((_, argument): Expression => {
    const read: Expression = { kind: "read", argument, at };
    return conditions.includes(argument) ? call("holds", read) : read;
  });
  const value = call(name, ...reads);
  const isCondition = typeof f(...args.map(() => 1)) === "boolean";
  const text = render(
    { extent: [1], threads: [], body: [], result: isCondition ? call("truth", value) : value, args, iterations: 0 },
    dialect,
  );
  for (const table of text.tables) assert.ok(Object.hasOwn(dialect.tables, table));
  const run = new Function(`return ${renderFunction(text)}`)() as (...args: unknown[]) => number;
  const opaque = text.opaque.map((name) => dialect.opaque[name]);
  return (values) => run.call({ constants: dialect.tables }, ...values.map((x) => [x]), ...opaque);
}

/** Numbers that are subnormal in float32 may be 0 in a shader. */
const SUBNORMAL = 2 ** -126;

function assertRight(actual: number, expected: number, { ulps = 0, double = false, shader = false }): void {
  if (double ? Object.is(actual, expected) : Object.is(Math.fround(actual), Math.fround(expected))) return;
  const unit = double ? 2 ** -52 : 2 ** -23;
  const allowed = Math.max(ulps, 0.5) * unit * Math.abs(expected) + SUBNORMAL;
  assert.ok(Math.abs(actual - expected) <= allowed && Number.isFinite(expected), `${actual}, ${expected} is right`);
  if (expected === 0 && ulps === 0 && !shader) {
    assert.ok(Object.is(actual, expected), `${actual}, ${expected} is right`);
  }
}

for (const [name, one] of Object.entries(cases)) {
  test(`${name} has the value of its definition as every backend writes it`, async () => {
    const all = backends.map(({ dialect }) => ({ dialect, run: written(name, one, dialect) }));
    await checkProperty(fc.tuple(...one.args), (values) => {
      const expected = Number(one.f(...values));
      for (const { dialect: { functions, double, shader, name: backend }, run } of all) {
        try {
          assertRight(run(values), expected, { ulps: functions[name].ulps, double, shader });
        } catch (error) {
          throw new Error(`${backend}: ${name}(${values.join(", ")})`, { cause: error });
        }
      }
    }, { runs: 200 });
  });
}
