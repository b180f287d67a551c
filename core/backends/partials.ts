/**
 * Derivatives of the scalar functions in `functions.ts`, written once and apart from the rules of ops, so that the two can be compared.
 */
import type { Code, Name, Writer } from "./functions.ts";

/** The derivative with respect to an argument: the factor of its tangent. */
export type Coefficient = 1 | -1 | { readonly times: Code } | { readonly over: Code };

/** A call of a scalar function. */
export interface Called {
  readonly args: readonly Code[];
  readonly result: Name;
  readonly writer: Writer;
}

/** How the tangent of a call follows from those of its arguments. */
export type Rule =
  /** It is 0 wherever there is one: the result is a condition, a position or constant between jumps. */
  | { readonly kind: "constant" }
  /** The sum of coefficients times tangents; a coefficient for each argument. */
  | { readonly kind: "smooth"; readonly coefficients: readonly ((call: Called) => Coefficient)[] }
  /** The derivative of the second argument if the first, a condition, holds, and of the third if not. */
  | { readonly kind: "choice" }
  /** The derivative of the operand that is the result. */
  | { readonly kind: "extreme"; readonly of: "max" | "min" }
  /** The derivative of the argument, with its sign. */
  | { readonly kind: "size" };

type Derivative = (call: Called) => Coefficient;

function smooth(...coefficients: Derivative[]): Rule {
  return { kind: "smooth", coefficients };
}

const one: Derivative = () => 1;
/** Whether a function is the sum of two arguments: their values do not matter to derivatives. */
export function isSum(rule: Rule): boolean {
  return rule.kind === "smooth" && rule.coefficients.length === 2 && rule.coefficients.every((by) => by === one);
}

const minusOne: Derivative = () => -1;
const first: Derivative = ({ args: [a] }) => ({ times: a });
const second: Derivative = ({ args: [, b] }) => ({ times: b });

/** `scale e / (1 + e)^2` for `e = exp(-rate |x|)`: 1 - tanh^2 and s (1 - s) would lose the significant digits where they are small. */
function bell(scale: number, rate: number): Rule {
  return smooth(({ args: [x], writer }) => {
    const e = writer.bind(`Math.exp(-${rate}.0 * Math.abs(${x}))`);
    const sum = writer.bind(`1.0 + ${e}`);
    return { times: `(${scale}.0 * ${e} / (${sum} * ${sum}))` };
  });
}

/** By the base, which may be negative or 0; for the exponent 0 the power is constant. */
const powByBase: Derivative = ({ args: [a, b] }) => ({
  times: `(${b} === 0.0 ? 0.0 : ${b} * Math.pow(${a}, ${b} - 1.0))`,
});

/** By the exponent: 0 where the power is 0 and stays so, NaN for a negative base, of which only whole powers exist. */
const powByExponent: Derivative = ({ args: [a], result }) => ({
  times: `(${result} === 0.0 && ${a} >= 0.0 ? 0.0 : ${result} * Math.log(${a}))`,
});

/** The digamma function: its recurrence up to an argument of 12 or more, and there the series; below 0 by reflection. */
const digamma: Derivative = ({ args: [x], writer }) => {
  const y = writer.bind(`(${x} < 0.0 ? 1.0 - ${x} : ${x})`);
  const z = writer.bind(`${y} + 12.0`);
  const q = writer.bind(`1.0 / (${z} * ${z})`);
  const passed = Array.from({ length: 12 }, (_, k) => `1.0 / (${y} + ${k}.0)`).join(" + ");
  const series = [1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12].reduce(
    (sum, c) => `(${sum} * ${q} + ${c})`,
    "(-691.0 / 32760.0)",
  );
  const above = writer.bind(`Math.log(${z}) - 0.5 / ${z} - ${q} * ${series} - (${passed})`);
  const turn = writer.bind(`${Math.PI} * (${x} - Math.floor(${x} + 0.5))`);
  return { times: `(${x} < 0.0 ? ${above} - ${Math.PI} * Math.cos(${turn}) / Math.sin(${turn}) : ${above})` };
};

const smoothRules: Record<string, Rule> = {
  neg: smooth(minusOne),
  add: smooth(one, one),
  sub: smooth(one, minusOne),
  mul: smooth(second, first),
  div: smooth(({ args: [, b] }) => ({ over: b }), ({ args: [, b], result }) => ({ times: `(-${result} / ${b})` })),
  sqrt: smooth(({ result }) => ({ times: `(0.5 / ${result})` })),
  exp: smooth(({ result }) => ({ times: result })),
  log: smooth(({ args: [x] }) => ({ over: x })),
  log2: smooth(({ args: [x] }) => ({ over: `(${Math.LN2} * ${x})` })),
  log1p: smooth(({ args: [x] }) => ({ over: `(1.0 + ${x})` })),
  expm1: smooth(({ args: [x] }) => ({ times: `Math.exp(${x})` })),
  sin: smooth(({ args: [x] }) => ({ times: `Math.cos(${x})` })),
  cos: smooth(({ args: [x] }) => ({ times: `(-Math.sin(${x}))` })),
  tanh: bell(4, 2),
  sigmoid: bell(1, 1),
  // The derivative of the function, not of its approximation, which is constant from 6 on.
  erf: smooth(({ args: [x] }) => ({ times: `(${2 / Math.sqrt(Math.PI)} * Math.exp(-(${x} * ${x})))` })),
  lgamma: smooth(digamma),
  atan: smooth(({ args: [x] }) => ({ over: `(1.0 + ${x} * ${x})` })),
  pow: smooth(powByBase, powByExponent),
  // The steps and the results of reductions.
  sum: smooth(one, one),
  product: smooth(second, first),
  total: smooth(one),
};

/** Functions whose results are conditions, truth values, positions, whole numbers or held. */
const constants = [
  ...["sign", "floor", "ceil", "trunc", "roundHalfEven"],
  ...["equal", "notEqual", "less", "lessEqual", "greater", "greaterEqual", "above", "below"],
  ...["and", "or", "not", "anyOf", "allOf", "truth", "holds", "isPosition", "position", "asNumber"],
  ...["middle", "next", "upTo", "from0"],
  // A held value counts as a constant here, too.
  "held",
];

/** The rules by the names of the functions. */
export const rules: Readonly<Record<string, Rule>> = {
  ...smoothRules,
  ...Object.fromEntries(constants.map((name): [string, Rule] => [name, { kind: "constant" }])),
  select: { kind: "choice" },
  max: { kind: "extreme", of: "max" },
  min: { kind: "extreme", of: "min" },
  abs: { kind: "size" },
};
