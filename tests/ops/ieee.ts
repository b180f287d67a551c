/** Expressions over special numbers: as tensors, and as plain numbers rounded after each operation. */
import fc from "fast-check";
import {
  add,
  broadcastTo,
  div,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  mean,
  minimum,
  mul,
  neg,
  notEqual,
  square,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
  where,
} from "../../mod.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Infinities and NaN, zeros, numbers whose products vanish or overflow, ordinary numbers; each with its negative. */
const special = [nan, ...[0, inf, 2 ** -60, 2 ** 80, 1, 3, 0.1].flatMap((x) => [x, -x])];
const size = special.length ** 2;
const names = ["x", "y", "z"] as const;
type Variable = (typeof names)[number];

/** Every pair of special numbers, with a third one. */
const columns: Readonly<Record<Variable, Float32Array>> = {
  x: Float32Array.from({ length: size }, (_, i) => special[i % special.length]),
  y: Float32Array.from({ length: size }, (_, i) => special[Math.floor(i / special.length)]),
  z: Float32Array.from({ length: size }, (_, i) => special[(7 * i + Math.floor(i / 31)) % special.length]),
};

const comparisons = {
  less: [less, (a: number, b: number) => a < b],
  lessEqual: [lessEqual, (a: number, b: number) => a <= b],
  greater: [greater, (a: number, b: number) => a > b],
  greaterEqual: [greaterEqual, (a: number, b: number) => a >= b],
  equal: [equal, (a: number, b: number) => a === b],
  notEqual: [notEqual, (a: number, b: number) => a !== b],
} as const;

/** Computed in doubles; rounding the double result of two float32 operands again yields the float32 result. */
const operations = {
  add: [add, (a: number, b: number) => a + b],
  sub: [sub, (a: number, b: number) => a - b],
  mul: [mul, (a: number, b: number) => a * b],
  div: [div, (a: number, b: number) => a / b],
  maximum: [maximum, Math.max],
  minimum: [minimum, Math.min],
  sum: [(a: Operand, b: Operand) => sum(column(a, b), 0), (a: number, b: number) => 0 + a + b],
  mean: [
    (a: Operand, b: Operand) => mean(column(a, b), 0),
    (a: number, b: number) => (0 + a + b) / 2,
  ],
} as const;

type Operand = Tensor | number;
type Binary = keyof typeof operations;
type Comparison = keyof typeof comparisons;

/** A variable, a number in the call, a number in a tensor, or an operation. */
export type Expression =
  | Variable
  | number
  | readonly ["tensor", number]
  | readonly ["neg" | "square", Expression]
  | readonly [Binary, Expression, Expression]
  | readonly ["where", Condition, Expression, Expression];
type Condition =
  | readonly [Comparison, Expression, Expression]
  | readonly ["not", Condition]
  | readonly ["and" | "or", Condition, Condition];

function full(x: Operand): Tensor {
  return broadcastTo(typeof x === "number" ? tensor([x]) : x, [size]);
}

function column(a: Operand, b: Operand): Tensor {
  return stack([full(a), full(b)]);
}

const leaves = Object.fromEntries(names.map((name) => [name, tensor(columns[name])])) as Record<Variable, Tensor>;

function condition(c: Condition): Tensor {
  switch (c[0]) {
    case "not":
      return logicalNot(condition(c[1]));
    case "and":
      return logicalAnd(condition(c[1]), condition(c[2]));
    case "or":
      return logicalOr(condition(c[1]), condition(c[2]));
    default:
      return comparisons[c[0]][0](full(operand(c[1])), operand(c[2]));
  }
}

function operand(e: Expression): Operand {
  if (typeof e === "number") return e;
  if (typeof e === "string") return leaves[e];
  switch (e[0]) {
    case "tensor":
      return tensor([e[1]]);
    case "neg":
      return neg(operand(e[1]));
    case "square":
      return square(operand(e[1]));
    case "where":
      return where(condition(e[1]), operand(e[2]), operand(e[3]));
    default: {
      const [a, b] = [operand(e[1]), operand(e[2])];
      // An op takes at least one tensor.
      return operations[e[0]][0](typeof a === "number" && typeof b === "number" ? tensor([a]) : a, b);
    }
  }
}

/** An expression as a tensor with one element per row of special numbers. */
export function tensorOf(e: Expression): Tensor {
  return full(operand(e));
}

/** Bounds of a value, equal if every operation is exact; null if nothing can be said. */
type Range = readonly [low: number, high: number] | null;

/** The arithmetic of a device. */
export interface Rules {
  round(x: number): number;
  /** The error allowed for quotients, in units in the last place. */
  readonly quotient: number;
}

const SMALLEST_NORMAL = 2 ** -126;

function rounded(values: readonly number[], rules: Rules, slack = 0): Range {
  const single = values.map(rules.round);
  // Subnormals may be flushed to 0.
  if (single.some((v) => v !== 0 && Math.abs(v) < SMALLEST_NORMAL)) return null;
  if (single.every(Number.isNaN)) return [nan, nan];
  if (single.some(Number.isNaN)) return null;
  if (single.every((v) => Object.is(v, single[0])) && (single[0] === 0 || Math.abs(single[0]) === inf || slack === 0)) {
    return [single[0], single[0]];
  }
  const off = slack * 2 ** -23;
  const range = [
    Math.min(...single.map((v) => v - Math.abs(v) * off)),
    Math.max(...single.map((v) => v + Math.abs(v) * off)),
  ];
  // Results that may overflow or not, or have either sign, are not followed further.
  return range[1] >= 2 ** 127 || range[0] <= -(2 ** 127) || range[0] * range[1] <= 0 ? null : [range[0], range[1]];
}

function truth(c: Condition, row: number, rules: Rules): boolean | null {
  switch (c[0]) {
    case "not": {
      const inner = truth(c[1], row, rules);
      return inner === null ? null : !inner;
    }
    case "and":
    case "or": {
      const [a, b] = [truth(c[1], row, rules), truth(c[2], row, rules)];
      return a === null || b === null ? null : c[0] === "and" ? a && b : a || b;
    }
    default: {
      const [a, b] = [rangeOf(c[1], row, rules), rangeOf(c[2], row, rules)];
      if (!a || !b) return null;
      const points = (a[0] === a[1] || Number.isNaN(a[0])) && (b[0] === b[1] || Number.isNaN(b[0]));
      return points || a[1] < b[0] || b[1] < a[0] ? comparisons[c[0]][1](a[0], b[0]) : null;
    }
  }
}

function isZero(range: Range): boolean {
  return range !== null && range[0] === 0;
}

/** The expected result of an expression in a row. */
export function rangeOf(e: Expression, row: number, rules: Rules): Range {
  if (typeof e === "number") return rounded([e], rules);
  if (typeof e === "string") return rounded([columns[e][row]], rules);
  switch (e[0]) {
    case "tensor":
      return rounded([e[1]], rules);
    case "neg": {
      const x = rangeOf(e[1], row, rules);
      return x && rounded([-x[1], -x[0]], rules);
    }
    case "square": {
      const x = rangeOf(e[1], row, rules);
      return x && rounded([x[0] ** 2, x[1] ** 2], rules);
    }
    case "where": {
      const holds = truth(e[1], row, rules);
      return holds === null ? null : rangeOf(holds ? e[2] : e[3], row, rules);
    }
    default: {
      const [a, b] = [rangeOf(e[1], row, rules), rangeOf(e[2], row, rules)];
      // The order of 0 and -0, and whether a sum starts from 0, are left open.
      if (e[0] !== "add" && e[0] !== "sub" && e[0] !== "mul" && e[0] !== "div" && isZero(a) && isZero(b)) return null;
      if (!a || !b) return null;
      const compute = operations[e[0]][1];
      return rounded(a.flatMap((u) => b.map((v) => compute(u, v))), rules, e[0] === "div" ? rules.quotient : 0);
    }
  }
}

/** The rows with a wrong result, in words. */
export function differences(e: Expression, actual: ArrayLike<number>, rules: Rules): string[] {
  const found: string[] = [];
  for (let row = 0; row < size; row++) {
    const range = rangeOf(e, row, rules);
    if (!range) continue;
    const [low, high] = range;
    if (low === high || Number.isNaN(low) ? Object.is(actual[row], low) : actual[row] >= low && actual[row] <= high) {
      continue;
    }
    const at = names.map((name) => `${name} = ${text(columns[name][row])}`).join(", ");
    found.push(
      `${describe(e)} is ${text(actual[row])}, expected ${text(low)}${low < high ? ` to ${high}` : ""} (${at})`,
    );
  }
  return found;
}

function text(x: number): string {
  return Object.is(x, -0) ? "-0" : String(x);
}

/** Formats an expression. */
export function describe(e: Expression | Condition): string {
  if (typeof e === "number") return text(e);
  if (typeof e === "string") return e;
  const [op, ...args] = e;
  return `${op}(${(args as Expression[]).map(describe).join(", ")})`;
}

/** Numbers that compilers have rules for, and one that vanishes next to terms that cancel. */
const numbers = [0, -0, 1, -1, 2, 0.5, 1e-9, 3, inf, nan];

/** Random expressions. */
export const expressions: fc.Arbitrary<Expression> = fc.letrec<{ value: Expression; truth: Condition }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 4, arbitrary: fc.constantFrom(...names) },
    { weight: 2, arbitrary: fc.constantFrom(...numbers) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("tensor" as const), fc.constantFrom(...numbers)) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom("neg" as const, "square" as const), tie("value")) },
    {
      weight: 8,
      arbitrary: fc.tuple(fc.constantFrom(...Object.keys(operations) as Binary[]), tie("value"), tie("value")),
    },
    { weight: 1, arbitrary: fc.tuple(fc.constant("where" as const), tie("truth"), tie("value"), tie("value")) },
  ),
  truth: fc.oneof(
    { maxDepth: 2 },
    fc.tuple(fc.constantFrom(...Object.keys(comparisons) as Comparison[]), tie("value"), tie("value")),
    fc.tuple(fc.constant("not" as const), tie("truth")),
    fc.tuple(fc.constantFrom("and" as const, "or" as const), tie("truth"), tie("truth")),
  ),
})).value;

const difference: Expression = ["sub", "x", "y"];
const compared: readonly Condition[] = (Object.keys(comparisons) as Comparison[]).map((op) => [op, "x", "y"]);
const negated = compared.map((c): Condition => ["not", c]);

/** Expressions that compilers rewrite if they treat floats as real numbers. */
export const rewritten: readonly Expression[] = [
  ...(Object.keys(operations) as Binary[]).flatMap((
    op,
  ): Expression[] => [[op, "x", "y"], [op, "x", "x"], [op, "x", 0]]),
  ...(["add", "sub", "mul", "div"] as const).flatMap((op): Expression[] => [
    [op, 0, "x"],
    [op, "x", ["tensor", 0]],
    ...[-0, 1, inf, nan].flatMap((n): Expression[] => [[op, "x", n], [op, n, "x"]]),
  ]),
  ["neg", "x"],
  ["square", "x"],
  ["neg", ["neg", "x"]],
  ["add", "x", ["neg", "x"]],
  ["add", ["neg", "x"], "x"],
  ["sub", "x", ["neg", "y"]],
  ["neg", difference],
  ["add", ["add", "x", "y"], 1e-9],
  ["add", 1e-9, ["add", "x", "y"]],
  ["add", difference, 1e-9],
  ["sub", ["add", "x", 1e-9], "y"],
  ["add", ["add", "x", 3], -3],
  ["sub", ["add", "x", "y"], "x"],
  ["add", ["sub", "x", "y"], "y"],
  ["sub", "x", ["add", "x", "y"]],
  ["add", ["add", "x", 1], ["add", "y", 1e-9]],
  ["mul", ["mul", "x", 3], "y"],
  ["mul", ["mul", "x", 2 ** 80], 2 ** -80],
  ["mul", ["mul", "x", "y"], ["mul", "z", 2]],
  ["mul", ["div", "x", "y"], "y"],
  ["div", ["mul", "x", "y"], "y"],
  ["mul", "x", ["div", 1, "x"]],
  ["mul", "y", ["div", "x", "x"]],
  ["div", ["div", "x", "y"], "z"],
  ["div", "x", ["div", "y", "z"]],
  ["div", 1, ["div", 1, "x"]],
  ["add", ["mul", "x", "y"], ["mul", "x", "z"]],
  ["sub", ["mul", "x", "y"], ["mul", "x", "y"]],
  ["add", ["mul", "x", "y"], "z"],
  ["sub", ["square", "x"], ["mul", "x", "x"]],
  ["mul", "x", ["sub", "y", "y"]],
  ["mul", ["sub", "x", "x"], 0],
  ["add", ["mul", ["sub", 1, "x"], "y"], ["mul", "x", "z"]],
  ["add", "y", ["mul", "x", ["sub", "z", "y"]]],
  ["sub", ["add", ["square", "x"], ["square", "y"]], ["mul", ["mul", 2, "x"], "y"]],
  ["div", ["mul", "x", 0], ["mul", "y", 0]],
  ["sum", ["neg", "x"], "x"],
  ["maximum", ["sub", "x", "x"], 0],
  ["maximum", ["minimum", "x", "y"], "z"],
  ...[...compared, ...negated].flatMap((c): Expression[] => [["where", c, 1, 0], ["where", c, "x", "y"]]),
  ["where", ["and", negated[0], negated[2]], 1, 0],
  ["where", ["or", negated[1], ["equal", "x", "x"]], "z", 0],
  ["where", ["not", ["or", compared[0], compared[3]]], 1, 0],
  ["where", ["equal", difference, 0], 1, ["div", "x", difference]],
  ["where", ["less", "x", ["add", "x", "y"]], 1, 0],
  ["where", ["less", ["neg", "x"], ["neg", "y"]], 1, 0],
  ["where", ["equal", difference, 0], 1, 0],
  ["where", ["greater", ["square", "x"], 0], 1, 0],
  ["where", ["greaterEqual", ["square", "x"], 0], 1, 0],
  ["where", ["less", ["maximum", "x", 0], 0], 1, 0],
];
