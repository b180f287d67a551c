/** Scalar functions as source: what backends lack or compute badly is made of what they have. */

/** Emits a `const` for a piece of source and gives its name. */
export type Bind = (code: string) => string;

/** What functions are written with. */
export interface Writer {
  /** A call of a scalar function; what it needs several times is bound to names. */
  call(name: string, args: readonly string[], bind: Bind): string;
  /** Rounds a result of arithmetic to the stored precision where the backend computes in a higher one. */
  round(code: string): string;
  /** A number as source text. */
  literal(value: number): string;
  /** A number of which a compiler that takes floats for real numbers knows nothing; the same for it where code and choice are. */
  hide(code: string, choice?: "value" | "operand"): string;
}

/** Writes a call of a function. */
export type ScalarFunction = (args: readonly string[], bind: Bind, target: Writer) => string;

const sign: ScalarFunction = ([x]) => `(${x} > 0.0 ? 1.0 : (${x} < 0.0 ? -1.0 : ${x}))`;

/** Ties go to the even neighbour. The fraction is exact, unlike `x + 0.5`. */
const roundHalfEven: ScalarFunction = ([x], bind, target) => {
  const low = bind(`Math.floor(${x})`);
  const fraction = bind(`(${x} - ${low})`);
  const half = bind(`Math.floor(${target.round(`(${low} * 0.5)`)})`);
  const odd = `(${low} - 2.0 * ${half})`;
  return `(${low} + (${fraction} > 0.5 ? 1.0 : (${fraction} < 0.5 ? 0.0 : ${odd})))`;
};

const sigmoid: ScalarFunction = ([x], bind, target) => {
  const e = bind(target.call("exp", [`(-${x})`], bind));
  const denominator = bind(target.round(`(1.0 + ${e})`));
  return computed(`(1.0 / ${denominator})`, target);
};

/** `Math.max` and `Math.min` of JavaScript: NaN where either is NaN. */
const extremes: Record<string, ScalarFunction> = Object.fromEntries(
  ["max", "min"].map((name) => [name, ([a, b]) => `Math.${name}(${a}, ${b})`]),
);

/** `Math.NAME(x)`. */
function math(name: string): ScalarFunction {
  return (args, _bind, target) => computed(`Math.${name}(${args.join(", ")})`, target);
}

/** The result of one operation: rounded where the backend computes in a higher precision, and not to be merged with another operation. */
const computed = (code: string, target: Writer): string => target.hide(target.round(code));

/** Arithmetic. Operands are results, elements of arrays or constants, of which compilers know nothing; but x - x can be recognised. */
const arithmetic: Record<string, ScalarFunction> = {
  add: ([a, b], _bind, target) => computed(`(${a} + ${b})`, target),
  sub: ([a, b], _bind, target) => computed(`(${target.hide(a, "operand")} - ${b})`, target),
  mul: ([a, b], _bind, target) => computed(`(${a} * ${b})`, target),
  div: ([a, b], _bind, target) => computed(`(${target.hide(a, "operand")} / ${b})`, target),
  neg: ([x], _bind, target) => target.hide(`(-${x})`),
};

const comparisons: Record<string, ScalarFunction> = Object.fromEntries(
  Object.entries({ equal: "===", less: "<", lessEqual: "<=", greater: ">", greaterEqual: ">=" }).map((
    [name, operator],
  ): [string, ScalarFunction] => [name, ([a, b], _bind, target) => `(${target.hide(a, "operand")} ${operator} ${b})`]),
);

/** Functions of truth values. `anyOf` and `allOf` take them as numbers. */
const logic: Record<string, ScalarFunction> = {
  and: ([a, b]) => `(${a} && ${b})`,
  or: ([a, b]) => `(${a} || ${b})`,
  not: ([x]) => `(!${x})`,
  select: ([condition, a, b]) => `(${condition} ? ${a} : ${b})`,
  notEqual: (args, bind, target) => `!${target.call("equal", args, bind)}`,
  anyOf: ([a, b]) => `Math.max(${a}, ${b})`,
  allOf: ([a, b]) => `Math.min(${a}, ${b})`,
};

/** The steps of reductions: the sum of a whole loop is hidden, not each step of it. */
const steps: Record<string, ScalarFunction> = {
  sum: ([a, x], _bind, target) => target.round(`(${a} + ${x})`),
  product: ([a, x], _bind, target) => target.round(`(${a} * ${x})`),
  above: ([a, b]) => `${a} > ${b}`,
  below: ([a, b]) => `${a} < ${b}`,
  position: ([part, each, within]) => `(${part} * ${each} + ${within})`,
};

/** Functions as JavaScript has them. */
export const base: Record<string, ScalarFunction> = {
  ...arithmetic,
  ...comparisons,
  ...logic,
  ...steps,
  abs: ([x]) => `Math.abs(${x})`,
  floor: ([x]) => `Math.floor(${x})`,
  ceil: ([x]) => `Math.ceil(${x})`,
  trunc: ([x]) => `(${x} < 0.0 ? Math.ceil(${x}) : Math.floor(${x}))`,
  sign,
  roundHalfEven,
  sigmoid,
  ...extremes,
  ...Object.fromEntries(
    ["exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tanh", "atan", "pow"].map((name) => [name, math(name)]),
  ),
};

/**
 * NaN, the infinities, and 2^(i - 155) from i = 3: every power that a float32 can hold, subnormals included, and one below; -0. One
 * table, since WebGPU counts tables among the arrays that a kernel reads.
 */
export const numbers = Float32Array.of(
  NaN,
  Infinity,
  -Infinity,
  ...Array.from({ length: 281 }, (_, i) => 2 ** (i - 152)),
  -0,
);

/** Where a number is in the table that shader compilers would not take as it is: they refuse it, round it, or lose the sign of a 0. */
export function inTable(value: number): number | null {
  if (Number.isFinite(value) && !Object.is(value, -0)) return null;
  return numbers.findIndex((x) => Object.is(x, value));
}

/**
 * exp as a polynomial. Calls out of WebAssembly take one lane at a time, some 30 ns each; this is vectorised. Shaders promise less of
 * exp the larger its argument is. The
 * argument is reduced by ln 2 in two parts (Cody and Waite), the coefficients are those of Cephes' expf.
 */
export const expPolynomial: ScalarFunction = ([x], bind) => {
  const { n, p } = reduceExp(x, bind);
  // Twice the polynomial times 2^(n - 1) keeps results near the largest float finite.
  return `(${p} + ${p}) * this.constants.numbers[${n} + 154.0]`;
};

/** exp(x) as 2^n times a polynomial. */
function reduceExp(x: string, bind: Bind): { n: string; p: string } {
  // Comparisons, not Math.min and Math.max, whose rules for NaN take WebAssembly several instructions; NaN passes both.
  const low = bind(`(${x} > 89.0 ? 89.0 : ${x})`);
  const c = bind(`(${low} < -104.0 ? -104.0 : ${low})`);
  const n = bind(`Math.floor(${c} * 1.44269504 + 0.5)`);
  const r = bind(`${c} - ${n} * 0.693359375 + ${n} * 2.12194440e-4`);
  const q = bind(`${r} * ${r}`);
  const p = bind(
    `1.0 + ${r} + ${q} * ((5.0000001201e-1 + 1.6666665459e-1 * ${r}) + ${q} * ((4.1665795894e-2 + 8.3334519073e-3 * ${r}) + ${q} * (1.3981999507e-3 + 1.9875691500e-4 * ${r})))`,
  );
  return { n, p };
}

/** Whether a shader's number is not NaN, which equals nothing, itself included. */
const isNumber = (x: string, bind: Bind, target: Writer): string => target.call("equal", [x, x], bind);

/** `Math.max` and `Math.min` of shaders ignore NaN. */
const shaderExtreme = (before: string): ScalarFunction => (args, bind, target) => {
  const [a, b] = args.map((arg) => bind(arg));
  // Drivers turn a comparison around, so NaN is sorted out first.
  const [isA, isB] = [a, b].map((x) => isNumber(x, bind, target));
  return `(!${isA} ? ${a} : (!${isB} ? ${b} : (${a} ${before} ${b} ? ${a} : ${b})))`;
};

/** log(1 + d) for d from -0.3 to 0.45, by the series of 2 artanh(d / (2 + d)). */
const logNearOne = (d: string, bind: Bind): string => {
  // Twice s: s itself would be subnormal, and 0 in shaders, where d is nearly so.
  const t = bind(`((${d} + ${d}) / (2.0 + ${d}))`);
  const q = bind(`(0.25 * ${t} * ${t})`);
  return bind(
    `${t} + ${t} * ${q} * (0.333333333 + ${q} * (0.2 + ${q} * (0.142857143 + ${q} * (0.111111111 + ${q} * (0.0909090909 + ${q} * 0.0769230769)))))`,
  );
};

/** log with its values at 0, below, at infinity and of NaN, where drivers give numbers. */
const wholeLog = (x: string, bind: Bind, target: Writer): string => {
  const inside = bind(`(${x} > 0.0 && ${x} <= 3.4028234663852886e38 ? ${x} : 1.0)`);
  const [nan, inf, low] = [NaN, Infinity, -Infinity].map((value) => target.literal(value));
  const outside = bind(`(${x} > 0.0 ? ${inf} : (${x} === 0.0 ? ${low} : ${nan}))`);
  const tiny = bind(`(${inside} < 1.1754943508222875e-38 ? 1.0 : 0.0)`);
  const log = bind(`(Math.log(${inside} * (1.0 + ${tiny} * 16777215.0)) - ${tiny} * 16.635532333438686)`);
  return bind(`(${inside} === ${x} ? ${log} : ${outside})`);
};

/** log1p: near 0 the sum 1 + x would lose what matters. */
const log1pSeries: ScalarFunction = ([x], bind, target) => {
  const near = bind(`(${x} > -0.3 && ${x} < 0.45 ? ${x} : 0.0)`);
  const sum = bind(`(1.0 + ${x})`);
  return `(${near} === ${x} ? ${logNearOne(near, bind)} : ${wholeLog(sum, bind, target)})`;
};

/** log: shaders promise an absolute error around 1, where the result is small. */
const logSeries: ScalarFunction = ([x], bind, target) => {
  const away = bind(`(${x} - 1.0)`);
  const near = bind(`(${away} > -0.3 && ${away} < 0.45 ? ${away} : 0.0)`);
  return `(${near} === ${away} ? ${logNearOne(near, bind)} : ${wholeLog(x, bind, target)})`;
};

/** atan as in Cephes' atanf: shaders promise 4096 units in the last place. The argument is reduced by tan(pi / 8) and tan(3 pi / 8). */
const atanPolynomial: ScalarFunction = ([x], bind) => {
  const size = bind(`Math.abs(${x})`);
  const far = bind(`(${size} > 2.414213562 ? 1.0 : 0.0)`);
  const middle = bind(`(${size} > 0.4142135624 && ${size} <= 2.414213562 ? 1.0 : 0.0)`);
  const start = bind(`${far} * 1.5707963268 + ${middle} * 0.7853981634`);
  const t = bind(
    `(${far} > 0.5 ? -1.0 / ${size} : (${middle} > 0.5 ? (${size} - 1.0) / (${size} + 1.0) : ${size}))`,
  );
  const q = bind(`(${t} * ${t})`);
  const p = bind(
    `(((8.05374449538e-2 * ${q} - 1.38776856032e-1) * ${q} + 1.99777106478e-1) * ${q} - 3.33329491539e-1) * ${q} * ${t} + ${t}`,
  );
  return `(${x} < 0.0 ? -(${start} + ${p}) : ${start} + ${p})`;
};

/** pi / 2 in parts of eight bits each, but for the last. */
const HALF_PI = [1.5703125, 4.825592041015625e-4, 1.2665987014770508e-6, 9.895302355289459e-10, 2.5632829192545614e-12];

/**
 * sin and cos as in Cephes' sinf: shaders promise an absolute error of 2^-11. The argument is reduced by pi / 2 in parts of eight bits,
 * whose products with n are exact up to n = 2^16. Beyond that the result is NaN: a number there would mean nothing.
 */
const circular = (quarter: number): ScalarFunction => ([x], bind, target) => {
  const n = bind(`Math.floor((Math.abs(${x}) < 102000.0 ? ${x} : ${target.literal(NaN)}) * 0.6366197724 + 0.5)`);
  const r = bind(HALF_PI.reduce((rest, part) => `(${rest} - ${n} * ${part})`, x));
  const q = bind(`(${r} * ${r})`);
  const s = bind(`((-1.9515295891e-4 * ${q} + 8.3321608736e-3) * ${q} - 1.6666654611e-1) * ${q} * ${r} + ${r}`);
  const c = bind(
    `((2.443315711809948e-5 * ${q} - 1.388731625493765e-3) * ${q} + 4.166664568298827e-2) * ${q} * ${q} - 0.5 * ${q} + 1.0`,
  );
  const k = bind(`${n} + ${quarter}.0`);
  const turns = bind(`Math.floor(${k} * 0.25)`);
  const quadrant = bind(`${k} - 4.0 * ${turns}`);
  const size = bind(`(${quadrant} === 1.0 || ${quadrant} === 3.0 ? ${c} : ${s})`);
  return `(${quadrant} > 1.5 ? -${size} : ${size})`;
};

/** exp(x) - 1, by Taylor's series near 0, where the difference would lose what matters. */
const expm1Series: ScalarFunction = ([x], bind, target) => {
  const near = bind(`(${x} > -0.5 && ${x} < 0.5 ? ${x} : 0.0)`);
  const series = bind(
    `${near} + ${near} * ${near} * (0.5 + ${near} * (0.166666667 + ${near} * (0.0416666667 + ${near} * (8.33333333e-3 + ${near} * (1.38888889e-3 + ${near} * (1.98412698e-4 + ${near} * 2.48015873e-5))))))`,
  );
  const e = bind(target.call("exp", [x], bind));
  return `(${near} === ${x} ? ${series} : ${e} - 1.0)`;
};

/** tanh by expm1 of the size, which is bounded: shaders' own tanh divides infinities. */
const tanhByExpm1: ScalarFunction = ([x], bind, target) => {
  const size = bind(`Math.abs(${x})`);
  const twice = bind(`(${size} < 10.0 ? 2.0 * ${size} : 20.0)`);
  const e = bind(target.call("expm1", [twice], bind));
  const t = bind(`(${e} / (${e} + 2.0))`);
  return `(${isNumber(x, bind, target)} ? (${x} < 0.0 ? -${t} : ${t}) : ${x})`;
};

/**
 * pow of shaders is undefined for negative bases: the sign is that of whole, odd exponents. The size is made of exp and log, as the
 * drivers' is, but of those here, which are exact next to base 1.
 */
const signedPow: ScalarFunction = ([a, b], bind, target) => {
  const log = bind(target.call("log", [bind(`Math.abs(${a})`)], bind));
  const power = bind(target.call("exp", [bind(`(${b} * ${log})`)], bind));
  const size = bind(`(${b} === 0.0 ? 1.0 : ${power})`);
  const whole = bind(`Math.floor(${b})`);
  const half = bind(`Math.floor(${whole} * 0.5)`);
  const odd = bind(`(${whole} - 2.0 * ${half})`);
  const negative = bind(`(${whole} === ${b} ? (${odd} > 0.5 ? -${size} : ${size}) : ${target.literal(NaN)})`);
  const zero = bind(
    `(${b} < 0.0 ? ${target.literal(Infinity)} : (${b} === 0.0 ? 1.0 : 0.0))`,
  );
  const known = bind(`(${a} === 0.0 ? ${zero} : (${a} < 0.0 ? ${negative} : ${size}))`);
  const [isA, isB] = [a, b].map((x) => isNumber(x, bind, target));
  return `(${isB} ? (${isA} || ${b} === 0.0 ? ${known} : ${a}) : ${b})`;
};

/** exp as the polynomial, but without subnormal powers, which shaders flush to 0, and with NaN, for which comparisons are turned around. */
const shaderExp: ScalarFunction = (args, bind, target) => {
  const x = bind(args[0]);
  const { n, p } = reduceExp(x, bind);
  const one = bind(`(${n} > 0.0 ? 1.0 : 0.0)`);
  const e = bind(`(${p} + ${one} * ${p}) * this.constants.numbers[${n} - ${one} + 155.0]`);
  return `(${isNumber(x, bind, target)} ? ${e} : ${x})`;
};

/** What shaders compute differently, or not accurately. */
export const shaderFunctions: Record<string, ScalarFunction> = {
  exp: shaderExp,
  max: shaderExtreme(">"),
  min: shaderExtreme("<"),
  log: logSeries,
  sin: circular(0),
  cos: circular(1),
  log1p: log1pSeries,
  atan: atanPolynomial,
  expm1: expm1Series,
  tanh: tanhByExpm1,
  pow: signedPow,
};
