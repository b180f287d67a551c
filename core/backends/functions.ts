/** Scalar functions as source. Functions that a backend lacks or computes badly are composed of others that it has. */

/** The name of a variable: it can be repeated as it is. */
export class Name {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/** Source of a number or a condition. */
export type Code = string | Name;

/** A number hidden from compilers that treat floats as real numbers: a value, or a second occurrence of it. */
export type Hidden = "value" | "operand";

/** Writes the parts of a function; statements that it needs come before the expression that it returns. */
export interface Writer {
  /** A call of a scalar function. */
  call(name: string, ...args: Code[]): Code;
  /** Names an expression that is needed several times; a name stays as it is. */
  bind(code: Code): Name;
  /** Names a step of a long expression where the compiler takes long for nested ones; elsewhere leaves it as it is. */
  step(code: Code): Code;
  /** Rounds a result of arithmetic to the stored precision if the backend computes in a higher one. */
  round(code: Code): Code;
  /** A number as source text. */
  literal(value: number): Code;
  /** The same number, hidden from compilers that treat floats as real numbers. */
  hide(code: Code, as?: Hidden): Code;
  /** 2^(index - 155), from the table {@link numbers}. */
  power(index: Code): Code;
}

/** Writes a call of a function. */
export type Write = (args: readonly Code[], writer: Writer) => Code;

/** A scalar function as a backend writes it. */
export interface ScalarFunction {
  readonly write: Write;
  /** How exact it is, in units in the last place (2^-23 of the result); absent for parts of kernels that are not ops by themselves. */
  readonly ulps?: number;
}

/** Functions by their names. */
export type ScalarFunctions = Readonly<Record<string, ScalarFunction>>;

function functionsOf(writes: Readonly<Record<string, Write>>, ulps?: number): ScalarFunctions {
  return Object.fromEntries(Object.entries(writes).map(([name, write]) => [name, { write, ulps }]));
}

const sign: Write = ([x]) => `(${x} > 0.0 ? 1.0 : (${x} < 0.0 ? -1.0 : ${x}))`;

/** Ties go to the even neighbour. The fraction is exact, unlike `x + 0.5`; that of an infinity is NaN, and not compared as a tie. */
const roundHalfEven: Write = ([x], w) => {
  const low = w.bind(`Math.floor(${x})`);
  const fraction = w.bind(`(${x} - ${low})`);
  const half = w.bind(`Math.floor((${low} * 0.5))`);
  const odd = `(${low} - 2.0 * ${half})`;
  return `(${low} + (${fraction} > 0.5 ? 1.0 : (${fraction} === 0.5 ? ${odd} : 0.0)))`;
};

const sigmoid: Write = ([x], w) => {
  const e = w.bind(w.call("exp", `(-${x})`));
  const denominator = w.bind(w.round(`(1.0 + ${e})`));
  return computed(`(1.0 / ${denominator})`, w);
};

/** `Math.max` and `Math.min` of JavaScript: NaN if either is NaN. */
const extremes: Record<string, Write> = Object.fromEntries(
  ["max", "min"].map((name) => [name, ([a, b]) => `Math.${name}(${a}, ${b})`]),
);

/** `Math.NAME(x)`. */
function math(name: string): Write {
  return (args, w) => computed(`Math.${name}(${args.join(", ")})`, w);
}

/** The result of one operation, rounded if the backend computes in a higher precision, and kept separate from other operations. */
const computed = (code: Code, w: Writer): Code => w.hide(w.round(code));

/** Arithmetic. Operands are results, elements of arrays or constants, of which compilers know nothing; but x - x can be recognised. */
const arithmetic: Record<string, Write> = {
  add: ([a, b], w) => computed(`(${a} + ${b})`, w),
  sub: ([a, b], w) => computed(`(${w.hide(a, "operand")} - ${b})`, w),
  mul: ([a, b], w) => computed(`(${a} * ${b})`, w),
  div: ([a, b], w) => computed(`(${w.hide(a, "operand")} / ${b})`, w),
  sqrt: math("sqrt"),
};

const comparisons: Record<string, Write> = Object.fromEntries(
  Object.entries({ equal: "===", less: "<", lessEqual: "<=", greater: ">", greaterEqual: ">=" }).map((
    [name, operator],
  ): [string, Write] => [name, ([a, b], w) => `(${w.hide(a, "operand")} ${operator} ${b})`]),
);

/** Functions of truth values. `anyOf` and `allOf` take them as numbers. */
const logic: Record<string, Write> = {
  and: ([a, b]) => `(${a} && ${b})`,
  or: ([a, b]) => `(${a} || ${b})`,
  not: ([x]) => `(!${x})`,
  notEqual: (args, w) => `!${w.call("equal", ...args)}`,
  anyOf: ([a, b]) => `Math.max(${a}, ${b})`,
  allOf: ([a, b]) => `Math.min(${a}, ${b})`,
};

/** The steps of reductions: the sum of a whole loop is hidden, not each step of it. */
const steps: Record<string, Write> = {
  sum: ([a, x], w) => w.round(`(${a} + ${x})`),
  product: ([a, x], w) => w.round(`(${a} * ${x})`),
  above: ([a, b]) => `${a} > ${b}`,
  below: ([a, b]) => `${a} < ${b}`,
  position: ([part, each, within]) => `(${part} * ${each} + ${within})`,
};

/** Functions that stand between numbers, conditions and positions. */
const conversions: Record<string, Write> = {
  /** A condition as a number. */
  truth: ([condition], w) => w.hide(`(${condition} ? 1.0 : 0.0)`),
  /** A number as a condition. */
  holds: ([x]) => `(${x} > 0.5)`,
  /** Whether a number is a position along an axis. */
  isPosition: ([x, size], w) => w.call("and", `${x} >= 0.0`, `${x} < ${size}`),
  /** A position, which may be an integer of the kernel language, as a number. */
  asNumber: ([position]) => `${position} + 0.0`,
  /** The place halfway between two, the lower of two such. The sum of places near the largest whole number would not be exact. */
  middle: ([low, high]) => `(${low} + Math.floor((${high} - ${low}) * 0.5))`,
  /** A place, but at most the last one. */
  upTo: ([place, last], w) => {
    const known = w.bind(place);
    return `(${known} < ${last} ? ${known} : ${last})`;
  },
  /** A place, but at least the first one; also where it is NaN. */
  from0: ([place], w) => {
    const known = w.bind(place);
    return `(${known} > 0.0 ? ${known} : 0.0)`;
  },
  next: ([place]) => `(${place} + 1.0)`,
  /** A number that counts as a constant in derivatives. */
  held: ([x]) => x,
  /** The result of a loop. */
  total: ([x], w) => w.hide(x),
};

/** Functions whose results are an operand, its size, its negative or a whole number. */
const selecting: Record<string, Write> = {
  ...extremes,
  abs: ([x]) => `Math.abs(${x})`,
  neg: ([x], w) => w.hide(`(-${x})`),
  sign,
  select: ([condition, a, b]) => `(${condition} ? ${a} : ${b})`,
  floor: ([x]) => `Math.floor(${x})`,
  ceil: ([x]) => `Math.ceil(${x})`,
  trunc: ([x]) => `(${x} < 0.0 ? Math.ceil(${x}) : Math.floor(${x}))`,
  roundHalfEven,
};

/** Functions of JavaScript, which computes them in doubles. */
const transcendental: Record<string, Write> = Object.fromEntries(
  ["exp", "log", "log2", "log1p", "expm1", "sin", "cos", "tanh", "atan", "pow"].map((name) => [name, math(name)]),
);

/** Coefficients of the numerators and denominators, the highest power first; that of the denominators is 1 and left out. */
const ERF_NEAR = {
  above: [
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
  ],
  below: [2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3],
};
const ERF_FAR = {
  above: [
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
  ],
  below: [
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
  ],
};

/** A polynomial by Horner's rule: `start`, times `x` plus each coefficient in turn. */
function horner(start: Code, x: Name, coefficients: readonly number[], w: Writer): Code {
  return coefficients.reduce((sum, c) => w.step(w.call("add", w.step(w.call("mul", sum, x)), w.literal(c))), start);
}

type Ratio = typeof ERF_NEAR;

/** The quotient of two polynomials. */
function ratio(x: Name, { above: [leading, ...above], below: [first, ...below] }: Ratio, w: Writer): Code {
  const numerator = horner(w.literal(leading), x, above, w);
  return w.call("div", numerator, horner(w.call("add", x, w.literal(first)), x, below, w));
}

/**
 * The error function: by W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969), as
 * `x * R(x^2)` below 0.5, and as 1 less the complement `exp(-x^2) * R(x)` elsewhere. The second one is Cody's up to 4; beyond, the
 * complement is so small that its error does not matter, and from 6 on the result is 1. The error is below 5e-16 in doubles.
 */
const erf: Write = (args, w) => {
  const x = w.bind(args[0]);
  const size = w.bind(w.call("abs", x));
  const near = w.call("mul", x, ratio(w.bind(w.call("mul", x, x)), ERF_NEAR, w));
  const bounded = w.bind(w.call("min", size, w.literal(6)));
  const decay = w.call("exp", w.call("neg", w.call("mul", bounded, bounded)));
  const complement = w.call("mul", decay, ratio(bounded, ERF_FAR, w));
  const far = w.call("mul", w.call("sign", x), w.call("sub", w.literal(1), complement));
  return w.call("select", w.call("less", size, w.literal(0.5)), near, far);
};

/** log(gamma(2 + t)) / t for t from -0.5 to 0.5, by interpolation in Chebyshev points; off by 6e-19. */
export const LGAMMA_NEAR = [
  2.7475390051909663e-7,
  -5.811277768921246e-7,
  9.242852225162277e-7,
  -1.9743106888421067e-6,
  4.3828545383846665e-6,
  -9.45628851510172e-6,
  2.050601970174762e-5,
  -4.4923727564247656e-5,
  9.945761692157133e-5,
  -2.2315497746292723e-4,
  5.096695196526673e-4,
  -1.1927539009983087e-3,
  2.890510330865901e-3,
  -7.385551028935545e-3,
  2.058080842778338e-2,
  -6.735230105319563e-2,
  3.224670334241132e-1,
  4.2278433509846713e-1,
];
/** Stirling's series in the powers of 1 / z^2, the highest first. */
export const STIRLING = [-3617 / 122400, 1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12];
/** Below, the logarithm of gamma is that of a number near 2, and of a product. */
const STIRLING_FROM = 8;

/** Calls whose results get names: SwiftShader does not finish compiling expressions that are nested as deeply as these. */
function namedCalls(w: Writer): (name: string, ...args: (Code | number)[]) => Name {
  return (name, ...args) => w.bind(w.call(name, ...args.map((x) => (typeof x === "number" ? w.literal(x) : x))));
}

/** log(gamma(y)) for y from 0. */
function positiveLgamma(y: Name, w: Writer): Name {
  const call = namedCalls(w);
  const isBelow = (x: Code, bound: number) => w.call("less", x, w.literal(bound));
  const polynomial = ([leading, ...others]: readonly number[], x: Name) => horner(w.literal(leading), x, others, w);
  const inside = call("min", y, STIRLING_FROM);
  const n = call("floor", call("add", inside, 0.5));
  const t = call("sub", inside, n);
  let product: Code = w.literal(1);
  for (let k = 2; k < STIRLING_FROM; k++) {
    product = call("mul", product, call("select", w.call("less", w.literal(k), n), call("add", t, k), 1));
  }
  const z = call("max", y, STIRLING_FROM);
  const nearest = call("select", isBelow(n, 0.5), y, product);
  const log = call("log", call("select", isBelow(y, STIRLING_FROM), nearest, z));
  const minusLog1p = call("neg", call("log1p", t));
  const least = call("select", isBelow(n, 0.5), call("sub", minusLog1p, log), minusLog1p);
  const rest = call("select", isBelow(n, 1.5), least, log);
  const near = call("add", call("mul", t, polynomial(LGAMMA_NEAR, t)), rest);
  const over = call("div", 1, z);
  const series = call("mul", over, polynomial(STIRLING, call("mul", over, over)));
  // Not z log z - z: infinity less infinity is NaN.
  const main = call("mul", call("sub", z, 0.5), call("sub", log, 1));
  const far = call("add", main, call("add", series, Math.log(2 * Math.PI) / 2 - 0.5));
  return call("select", isBelow(y, STIRLING_FROM), near, far);
}

/** The logarithm of the size of gamma. Below 0 by reflection: gamma(x) gamma(1 - x) = pi / sin(pi x). */
const lgamma: Write = (args, w) => {
  const call = namedCalls(w);
  const x = w.bind(args[0]);
  const isNegative = w.call("less", x, w.literal(0));
  const y = call("select", isNegative, call("sub", 1, x), x);
  const positive = positiveLgamma(y, w);
  // Beyond 2^52, and so at minus infinity, all numbers are whole.
  const isFar = w.call("less", x, w.literal(-(2 ** 52)));
  const away = call("select", isFar, 0, call("sub", x, call("roundHalfEven", x)));
  const sine = call("abs", call("sin", call("mul", away, Math.PI)));
  const reflected = call("sub", call("sub", Math.log(Math.PI), call("log", sine)), positive);
  const below = call("select", w.call("equal", sine, w.literal(0)), Infinity, reflected);
  return call("select", isNegative, below, positive);
};

/** Functions as JavaScript has them; the result is rounded once unless it is composed of several. */
export const base: ScalarFunctions = {
  ...functionsOf(selecting, 0),
  ...functionsOf(arithmetic, 0.5),
  ...functionsOf(transcendental, 1),
  ...functionsOf({ sigmoid }, 2),
  ...functionsOf({ erf }, 3),
  ...functionsOf({ lgamma }, 5),
  ...functionsOf({ ...comparisons, ...logic, ...steps, ...conversions }),
};

/**
 * NaN, the infinities, and 2^(i - 155) from i = 3: every power that a float32 can hold, subnormals included, and one below; -0. One
 * table, since WebGPU counts tables among the arrays that a kernel reads.
 */
export const numbers: Float32Array = Float32Array.of(
  NaN,
  Infinity,
  -Infinity,
  ...Array.from({ length: 281 }, (_, i) => 2 ** (i - 152)),
  -0,
);

/** Indices in the table of numbers that shader compilers refuse, round, or strip of the sign of 0. */
export function inTable(value: number): number | null {
  if (Number.isFinite(value) && !Object.is(value, -0)) return null;
  return numbers.findIndex((x) => Object.is(x, value));
}

/**
 * exp as a polynomial. Calls out of WebAssembly take one lane at a time, some 30 ns each; this is vectorised. Shaders promise less of
 * exp the larger its argument is. The
 * argument is reduced by ln 2 in two parts (Cody and Waite), the coefficients are those of Cephes' expf.
 */
const expPolynomial: Write = ([x], w) => {
  const { n, p } = reduceExp(x, w);
  // Twice the polynomial times 2^(n - 1) keeps results near the largest float finite.
  return `(${p} + ${p}) * ${w.power(`${n} + 154.0`)}`;
};

/** Functions that WebAssembly would have to call the host for. */
export const webAssemblyFunctions: ScalarFunctions = functionsOf({ exp: expPolynomial }, 1.5);

/** exp(x) as 2^n times a polynomial. */
function reduceExp(x: Code, w: Writer): { n: Name; p: Name } {
  // Comparisons, not Math.min and Math.max, whose rules for NaN take WebAssembly several instructions; NaN passes both.
  const low = w.bind(`(${x} > 89.0 ? 89.0 : ${x})`);
  const c = w.bind(`(${low} < -104.0 ? -104.0 : ${low})`);
  const n = w.bind(`Math.floor(${c} * 1.44269504 + 0.5)`);
  const r = w.bind(`${c} - ${n} * 0.693359375 + ${n} * 2.12194440e-4`);
  const q = w.bind(`${r} * ${r}`);
  const p = w.bind(
    `1.0 + ${r} + ${q} * ((5.0000001201e-1 + 1.6666665459e-1 * ${r}) + ${q} * ((4.1665795894e-2 + 8.3334519073e-3 * ${r}) + ${q} * (1.3981999507e-3 + 1.9875691500e-4 * ${r})))`,
  );
  return { n, p };
}

/** Whether a shader's number is not NaN, which does not equal itself. */
const isNumber = (x: Code, w: Writer): Code => w.call("equal", x, x);

const between = (x: Code, low: string, high: string, w: Writer): Code =>
  w.call("and", `${x} > ${low}`, `${x} < ${high}`);

/** `Math.max` and `Math.min` of shaders ignore NaN. */
const shaderExtreme = (before: string): Write => (args, w) => {
  const [a, b] = args.map((arg) => w.bind(arg));
  // Drivers turn a comparison around, so NaN is sorted out first.
  const [isA, isB] = [a, b].map((x) => isNumber(x, w));
  return `(!${isA} ? ${a} : (!${isB} ? ${b} : (${a} ${before} ${b} ? ${a} : ${b})))`;
};

/** log(1 + d) for d from -0.3 to 0.45, by the series of 2 artanh(d / (2 + d)). */
const logNearOne = (d: Code, w: Writer): Code => {
  // Twice s: s itself would be subnormal, and 0 in shaders, where d is nearly so.
  const t = w.bind(`((${d} + ${d}) / (2.0 + ${d}))`);
  const q = w.bind(`(0.25 * ${t} * ${t})`);
  return w.bind(
    `${t} + ${t} * ${q} * (0.333333333 + ${q} * (0.2 + ${q} * (0.142857143 + ${q} * (0.111111111 + ${q} * (0.0909090909 + ${q} * 0.0769230769)))))`,
  );
};

/** log with the correct values at 0, below 0, at infinity and for NaN; drivers return numbers there. */
const wholeLog = (x: Code, w: Writer): Code => {
  const isFinite = w.call("and", `${x} > 0.0`, `${x} <= 3.4028234663852886e38`);
  const inside = w.bind(`(${isFinite} ? ${x} : 1.0)`);
  const [nan, inf, low] = [NaN, Infinity, -Infinity].map((value) => w.literal(value));
  const outside = w.bind(`(${x} > 0.0 ? ${inf} : (${x} === 0.0 ? ${low} : ${nan}))`);
  const tiny = w.bind(`(${inside} < 1.1754943508222875e-38 ? 1.0 : 0.0)`);
  const log = w.bind(`(Math.log(${inside} * (1.0 + ${tiny} * 16777215.0)) - ${tiny} * 16.635532333438686)`);
  return w.bind(`(${inside} === ${x} ? ${log} : ${outside})`);
};

/** log1p: near 0 the sum 1 + x would lose the significant digits. */
const log1pSeries: Write = ([x], w) => {
  const near = w.bind(`(${between(x, "-0.3", "0.45", w)} ? ${x} : 0.0)`);
  const sum = w.bind(`(1.0 + ${x})`);
  return `(${near} === ${x} ? ${logNearOne(near, w)} : ${wholeLog(sum, w)})`;
};

/** log: shaders promise an absolute error around 1, where the result is small. */
const logSeries: Write = ([x], w) => {
  const away = w.bind(`(${x} - 1.0)`);
  const near = w.bind(`(${between(away, "-0.3", "0.45", w)} ? ${away} : 0.0)`);
  return `(${near} === ${away} ? ${logNearOne(near, w)} : ${wholeLog(x, w)})`;
};

/** log2 by log; powers of 2 are compared with those of the table, so that their logarithms are whole. */
const log2ByLog: Write = (args, w) => {
  const x = w.bind(args[0]);
  const l = w.bind(`(${w.call("log", x)} * 1.44269504)`);
  const n = w.bind(`Math.floor((${between(l, "-150.0", "128.5", w)} ? ${l} : 0.0) + 0.5)`);
  return `(${w.power(`${n} + 155.0`)} === ${x} ? ${n} : ${l})`;
};

/** atan as in Cephes' atanf: shaders promise 4096 units in the last place. The argument is reduced by tan(pi / 8) and tan(3 pi / 8). */
const atanPolynomial: Write = ([x], w) => {
  const size = w.bind(`Math.abs(${x})`);
  const far = w.bind(`(${size} > 2.414213562 ? 1.0 : 0.0)`);
  const isMiddle = w.call("and", `${size} > 0.4142135624`, `${size} <= 2.414213562`);
  const middle = w.bind(`(${isMiddle} ? 1.0 : 0.0)`);
  const start = w.bind(`${far} * 1.5707963268 + ${middle} * 0.7853981634`);
  const t = w.bind(
    `(${far} > 0.5 ? -1.0 / ${size} : (${middle} > 0.5 ? (${size} - 1.0) / (${size} + 1.0) : ${size}))`,
  );
  const q = w.bind(`(${t} * ${t})`);
  const p = w.bind(
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
const circular = (quarter: number): Write => ([x], w) => {
  const n = w.bind(`Math.floor((Math.abs(${x}) < 102000.0 ? ${x} : ${w.literal(NaN)}) * 0.6366197724 + 0.5)`);
  const r = w.bind(HALF_PI.reduce((rest, part) => `(${rest} - ${n} * ${part})`, x));
  const q = w.bind(`(${r} * ${r})`);
  const s = w.bind(`((-1.9515295891e-4 * ${q} + 8.3321608736e-3) * ${q} - 1.6666654611e-1) * ${q} * ${r} + ${r}`);
  const c = w.bind(
    `((2.443315711809948e-5 * ${q} - 1.388731625493765e-3) * ${q} + 4.166664568298827e-2) * ${q} * ${q} - 0.5 * ${q} + 1.0`,
  );
  const k = w.bind(`${n} + ${quarter}.0`);
  const turns = w.bind(`Math.floor(${k} * 0.25)`);
  const quadrant = w.bind(`${k} - 4.0 * ${turns}`);
  const isOdd = w.call("or", `${quadrant} === 1.0`, `${quadrant} === 3.0`);
  const size = w.bind(`(${isOdd} ? ${c} : ${s})`);
  return `(${quadrant} > 1.5 ? -${size} : ${size})`;
};

/** exp(x) - 1, by Taylor's series near 0, where the difference would lose the significant digits. */
const expm1Series: Write = ([x], w) => {
  const near = w.bind(`(${between(x, "-0.5", "0.5", w)} ? ${x} : 0.0)`);
  const series = w.bind(
    `${near} + ${near} * ${near} * (0.5 + ${near} * (0.166666667 + ${near} * (0.0416666667 + ${near} * (8.33333333e-3 + ${near} * (1.38888889e-3 + ${near} * (1.98412698e-4 + ${near} * 2.48015873e-5))))))`,
  );
  const e = w.bind(w.call("exp", x));
  return `(${near} === ${x} ? ${series} : ${e} - 1.0)`;
};

/** tanh by expm1 of the size, which is bounded: shaders' own tanh divides infinities. */
const tanhByExpm1: Write = ([x], w) => {
  const size = w.bind(`Math.abs(${x})`);
  const twice = w.bind(`(${size} < 10.0 ? 2.0 * ${size} : 20.0)`);
  const e = w.bind(w.call("expm1", twice));
  const t = w.bind(`(${e} / (${e} + 2.0))`);
  return `(${isNumber(x, w)} ? (${x} < 0.0 ? -${t} : ${t}) : ${x})`;
};

/**
 * pow of shaders is undefined for negative bases: the sign is that of whole, odd exponents. The size is made of exp and log, as the
 * drivers' is, but of those here, which are exact next to base 1.
 */
const signedPow: Write = ([a, b], w) => {
  const log = w.bind(w.call("log", w.bind(`Math.abs(${a})`)));
  const power = w.bind(w.call("exp", w.bind(`(${b} * ${log})`)));
  const size = w.bind(`(${b} === 0.0 ? 1.0 : ${power})`);
  const whole = w.bind(`Math.floor(${b})`);
  const half = w.bind(`Math.floor(${whole} * 0.5)`);
  const odd = w.bind(`(${whole} - 2.0 * ${half})`);
  // Only of -Infinity are there other powers.
  const other = w.bind(`(${a} < -3.4028234663852886e38 ? ${size} : ${w.literal(NaN)})`);
  const negative = w.bind(`(${whole} === ${b} ? (${odd} > 0.5 ? -${size} : ${size}) : ${other})`);
  const zero = w.bind(
    `(${b} < 0.0 ? ${w.literal(Infinity)} : (${b} === 0.0 ? 1.0 : 0.0))`,
  );
  const known = w.bind(`(${a} === 0.0 ? ${zero} : (${a} < 0.0 ? ${negative} : ${size}))`);
  const [isA, isB] = [a, b].map((x) => isNumber(x, w));
  return `(${isB} ? (${w.call("or", isA, `${b} === 0.0`)} ? ${known} : ${a}) : ${b})`;
};

/** exp as the polynomial, but without subnormal powers, which shaders flush to 0, and with NaN, for which comparisons are turned around. */
const shaderExp: Write = (args, w) => {
  const x = w.bind(args[0]);
  const { n, p } = reduceExp(x, w);
  const one = w.bind(`(${n} > 0.0 ? 1.0 : 0.0)`);
  const e = w.bind(`(${p} + ${one} * ${p}) * ${w.power(`${n} - ${one} + 155.0`)}`);
  return `(${isNumber(x, w)} ? ${e} : ${x})`;
};

/**
 * Functions that shaders compute differently, or less exactly: WGSL allows 2.5 units for a division and more for a square root, and
 * drivers differ in their logarithms. The figure of `pow` holds for exponents to 4. `npm run accuracy` measures how much of each is used.
 */
export const shaderFunctions: ScalarFunctions = {
  max: { write: shaderExtreme(">"), ulps: 0 },
  min: { write: shaderExtreme("<"), ulps: 0 },
  div: { ...base.div, ulps: 2.5 },
  sqrt: { ...base.sqrt, ulps: 3 },
  exp: { write: shaderExp, ulps: 2 },
  sigmoid: { ...base.sigmoid, ulps: 5 },
  erf: { ...base.erf, ulps: 5 },
  lgamma: { ...base.lgamma, ulps: 8 },
  log: { write: logSeries, ulps: 4 },
  log2: { write: log2ByLog, ulps: 6 },
  log1p: { write: log1pSeries, ulps: 4 },
  expm1: { write: expm1Series, ulps: 4 },
  sin: { write: circular(0), ulps: 3 },
  cos: { write: circular(1), ulps: 3 },
  atan: { write: atanPolynomial, ulps: 4 },
  tanh: { write: tanhByExpm1, ulps: 5 },
  pow: { write: signedPow, ulps: 16 },
};

/**
 * Conditions without jumps. `&&` and `||` of WGSL are control flow, and SwiftShader goes through all paths of a loop: with each of them
 * a kernel takes twice as long to compile.
 */
export const selectedLogic: ScalarFunctions = functionsOf({
  and: ([a, b]) => `(${a} ? ${b} : false)`,
  or: ([a, b]) => `(${a} ? true : ${b})`,
});
