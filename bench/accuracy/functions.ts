/**
 * The functions that are measured: every scalar op, against the reference of its record in float64, and a few composites. A new scalar op
 * is measured over the usual ranges without being named here.
 */
import {
  acos,
  acosh,
  add,
  asin,
  asinh,
  atan,
  atan2,
  atanh,
  binaryCrossEntropyWithLogits,
  cast,
  cbrt,
  clamp,
  cos,
  cosh,
  digamma,
  div,
  equal,
  exp,
  expm1,
  greater,
  greaterEqual,
  hypot,
  iouMatrix,
  less,
  lessEqual,
  lgamma,
  log,
  log10,
  log1p,
  log2,
  logicalNot,
  logSoftmax,
  logSumExp,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  neg,
  notEqual,
  polygamma,
  pow,
  relu,
  round,
  sigmoid,
  sin,
  sinh,
  smoothL1,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  tan,
  tanh,
  type Tensor,
  tensor,
  where,
} from "../../mod.ts";
import { type Accuracy, accuracyOf, type Op } from "../../core/op.ts";
import { modules, recordOf } from "../../tests/ops/registry.ts";
import { randomFrom } from "../../verify/random.ts";
import { isExact } from "../../verify/tape/tolerances.ts";

/** The largest finite float32, and the smallest that is not subnormal. */
export const LARGEST = (2 - 2 ** -23) * 2 ** 127;
export const SMALLEST_NORMAL = 2 ** -126;

/** Inputs from one range. */
export interface Sample {
  readonly range: string;
  readonly inputs: readonly Float32Array[];
  /** Whether the accuracy that the op's record states is not meant for this range. */
  readonly beyond: boolean;
}

/** A measured function. */
export interface Measured {
  readonly name: string;
  /** How exactly it is said to be computed; `null` for what is made of several ops. */
  readonly accuracy: Accuracy | null;
  /** For what is made of several ops: how exact it may be said to be in a range, in units of 2^-23 relative to the inputs or 1; default 8. */
  readonly units?: (range: string) => number;
  /** How many neighbouring inputs belong together. */
  readonly width: number;
  /** Whether results are sums that cancel: their errors are relative to the inputs, or 1, if those are larger. */
  readonly sums: boolean;
  /** Results nearer to 0 than this count as this large when they are compared with the tolerance; default 0. */
  readonly least?: number;
  /** Whether ranges differ so much that each gets a row of its own. */
  readonly byRange?: boolean;
  /** Whether it crosses 0 again and again, so that absolute errors are of interest. */
  readonly oscillates?: boolean;
  /** Whether an intermediate result overflows where the result would be subnormal. */
  readonly overflows?: boolean;
  apply(...inputs: Tensor[]): Tensor;
  reference(inputs: readonly Float32Array[]): Float64Array;
  samples(points: number): Sample[];
}

const bits = new Float32Array(1);
const words = new Uint32Array(bits.buffer);
function wordOf(x: number): number {
  bits[0] = x;
  return words[0];
}
function floatOf(word: number): number {
  words[0] = word;
  return bits[0];
}

/** Numbers between two bounds, distributed as densely as float32 numbers are; of both signs by default. */
function spread(from: number, to: number, points: number, { signs = true, seed = 1 } = {}): Float32Array {
  const random = randomFrom(seed);
  const [low, high] = [wordOf(from), wordOf(to)];
  return Float32Array.from({ length: points }, (_, i) => {
    const x = floatOf(Math.min(high, low + Math.floor(((i + random()) / points) * (high - low + 1))));
    return signs && i % 2 === 1 ? -x : x;
  });
}

/** Evenly distributed numbers between two bounds. */
function even(from: number, to: number, points: number, seed = 2): Float32Array {
  const random = randomFrom(seed);
  return Float32Array.from({ length: points }, (_, i) => from + ((i + random()) / points) * (to - from));
}

function shuffled(values: Float32Array, seed: number): Float32Array {
  const random = randomFrom(seed);
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values;
}

function joined(...parts: Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

type Ranges = Record<string, (points: number) => Float32Array | Float32Array[]>;

/** Marks a range to which no tolerance applies. */
const BEYOND = "!";

function samplesOf(ranges: Ranges): Measured["samples"] {
  return (points) =>
    Object.entries(ranges).map(([label, draw]) => {
      const drawn = draw(points);
      return {
        range: label.replace(BEYOND, ""),
        inputs: drawn instanceof Float32Array ? [drawn] : drawn,
        beyond: label.startsWith(BEYOND),
      };
    });
}

/** A function of the elements at one position. */
function elementwise(
  name: string,
  apply: Measured["apply"],
  reference: (x: number[]) => number,
  ranges: Ranges,
): Measured {
  return {
    name,
    accuracy: null,
    width: 1,
    sums: false,
    apply,
    reference: (inputs) => Float64Array.from(inputs[0], (_, i) => reference(inputs.map((x) => x[i]))),
    samples: samplesOf(ranges),
  };
}

const nearZero: Ranges = { "near 0": (n) => spread(SMALLEST_NORMAL, 0.5, n) };
const moderate: Ranges = { "to 20": (n) => even(-20, 20, n) };
const all: Ranges = { "all": (n) => spread(SMALLEST_NORMAL, LARGEST, n) };
const positive: Ranges = {
  "about 1": (n) => even(0.5, 2, n),
  "all": (n) => spread(SMALLEST_NORMAL, LARGEST, n, { signs: false }),
};
const pairs: Ranges = {
  "moderate": (n) => [even(-20, 20, n), shuffled(even(-20, 20, n, 3), 4)],
  "all": (n) => [spread(SMALLEST_NORMAL, LARGEST, n), shuffled(spread(SMALLEST_NORMAL, LARGEST, n, { seed: 3 }), 4)],
};

/** Numbers around multiples of a quarter turn, where sin and cos are nearly 0 or flat. */
function quarters(most: number, points: number): Float32Array {
  const count = Math.floor(Math.min(most / (Math.PI / 2), points / 4));
  return Float32Array.from({ length: 2 * count }, (_, i) => {
    const k = Math.max(1, Math.round((((i >> 1) + 1) / count) * (most / (Math.PI / 2))));
    return (i % 2 ? -k : k) * (Math.PI / 2);
  });
}
/** Near a multiple of pi, much of the remainder is the error of subtracting it. */
const NEAR_MULTIPLE = 2 ** -16;
const turns: Ranges = {
  ...nearZero,
  "to 10": (n) => joined(even(-10, 10, n), quarters(10, n)),
  "to 1,000": (n) => joined(even(-1000, 1000, n), quarters(1000, n)),
  "to 100,000": (n) => joined(even(-1e5, 1e5, n), quarters(1e5, n)),
  [`${BEYOND}from 102,000`]: (n) => spread(102_000, LARGEST, n),
};

/** Bases and exponents of powers from 2^-size to 2^size. The logarithms of the bases lie between two bounds. */
function powers(size: number, low: number, high: number, points: number): Float32Array[] {
  const random = randomFrom(size);
  const base = Float32Array.from(
    { length: points },
    (_, i) => 2 ** ((i % 2 ? -1 : 1) * (low + random() * (high - low))),
  );
  const exponent = Float32Array.from(base, (a) => ((random() * 2 - 1) * size) / (Math.log2(a) || 1));
  return [base, exponent];
}
function smallPowers(points: number): Float32Array[] {
  const random = randomFrom(7);
  const base = spread(0.125, 8, points);
  // Negative bases have whole exponents.
  return [base, Float32Array.from(base, (a) => a < 0 ? Math.floor(random() * 9) - 4 : random() * 8 - 4)];
}

/** A function of rows of eight. */
function rows(
  name: string,
  apply: Measured["apply"],
  reference: (row: number[]) => number[],
  { ranges, sums }: { ranges: Ranges; sums: boolean },
): Measured {
  const width = 8;
  return {
    name,
    accuracy: null,
    width,
    sums,
    apply,
    reference: ([x]) => {
      const out: number[] = [];
      for (let i = 0; i < x.length; i += width) out.push(...reference([...x.subarray(i, i + width)]));
      return Float64Array.from(out);
    },
    samples: samplesOf(ranges),
  };
}
const eight = (n: number) => 8 * Math.ceil(n / 8);
const scores: Ranges = {
  "to 2": (n) => shuffled(even(-2, 2, eight(n)), 5),
  "to 40": (n) => shuffled(even(-40, 40, eight(n)), 5),
};
function exactLogSumExp(row: number[]): number {
  const top = Math.max(...row);
  return top + Math.log(row.reduce((s, x) => s + Math.exp(x - top), 0));
}

/** The results of exp and its kin for these are neither 0 nor infinite. */
const exponents: Ranges = { "-104 to 89": (n) => even(-104, 89, n) };
const usual: Ranges = { ...nearZero, ...moderate, ...all };

/** How an op is measured. */
type Settings = Partial<Pick<Measured, "least" | "byRange" | "oscillates" | "overflows">> & { readonly ranges: Ranges };

/** Ops that are looked at elsewhere than others are: more closely, or where they are defined. */
const settings = new Map<unknown, Settings>([
  [round, { ranges: { "halves": (n) => Float32Array.from({ length: n }, (_, i) => (i - n / 2) / 2), ...usual } }],
  [div, {
    ranges: {
      "moderate": pairs.moderate,
      "all": (n) => [spread(2 ** -126, LARGEST, n), shuffled(spread(2 ** -126, 2 ** 126, n, { seed: 3 }), 4)],
      [`${BEYOND}divisors from 2^126`]: (n) => [
        shuffled(spread(2 ** 20, LARGEST, n, { seed: 3 }), 4),
        spread(2 ** 126, LARGEST, n),
      ],
    },
  }],
  [sqrt, { ranges: positive }],
  [log, { ranges: positive }],
  [lgamma, {
    byRange: true,
    ranges: {
      "near 0": (n) => spread(SMALLEST_NORMAL, 0.5, n, { signs: false }),
      "0.5 to 20": (n) => even(0.5, 20, n),
      "near 1 and 2": (n) => joined(even(1 - 2 ** -9, 1 + 2 ** -9, n), even(2 - 2 ** -9, 2 + 2 ** -9, n)),
      "all above 0": (n) => spread(SMALLEST_NORMAL, 2 ** 119, n, { signs: false }),
      [`${BEYOND}below 0`]: (n) => even(-20, 0, n),
    },
  }],
  [log2, {
    ranges: { ...positive, "powers of 2": () => Float32Array.from({ length: 254 }, (_, i) => 2 ** (i - 126)) },
  }],
  [log1p, {
    ranges: {
      "near 0": (n) => spread(2 ** -124, 0.5, n),
      "-1 to 1": (n) => even(-1, 1, n),
      "all": (n) => spread(2 ** -124, LARGEST, n, { signs: false }),
      "2^-126 to 2^-125": (n) => spread(SMALLEST_NORMAL, 2 ** -125, n),
    },
  }],
  [exp, { ranges: { ...usual, ...exponents } }],
  [expm1, { ranges: { ...usual, "-20 to 89": (n) => even(-20, 89, n) } }],
  [sigmoid, { ranges: { ...usual, ...exponents }, overflows: true }],
  [sin, { ranges: turns, least: NEAR_MULTIPLE, byRange: true, oscillates: true }],
  [cos, { ranges: turns, least: NEAR_MULTIPLE, byRange: true, oscillates: true }],
  [pow, {
    byRange: true,
    ranges: {
      "exponents to 4, bases from 1/8 to 8": smallPowers,
      [`${BEYOND}results to 2^±16, bases away from 1`]: (n) => powers(16, 1, 8, n),
      [`${BEYOND}results to 2^±126, bases away from 1`]: (n) => powers(126, 1, 8, n),
      "results to 2^±1, bases within 1% of 1": (n) => powers(1, 1e-4, 0.0144, n),
      [`${BEYOND}results to 2^±16, bases within 1% of 1`]: (n) => powers(16, 1e-4, 0.0144, n),
    },
  }],
]);

/** Whether an op computes numbers from the numbers at one position. */
function isScalar({ parameters, kernel }: Op): boolean {
  return parameters !== undefined && kernel.kind === "elementwise" && !kernel.takes && kernel.returns !== "condition";
}

/** Every scalar op. */
const scalars: readonly Measured[] = Object.values(modules).flatMap((exported) => Object.values(exported)).flatMap(
  (fn): Measured[] => {
    const op = recordOf(fn)?.op;
    if (!op || !isScalar(op)) return [];
    const { ranges = op.parameters!.length === 2 ? pairs : usual, ...others } = settings.get(fn) ?? {};
    const reference = (x: readonly number[]) => op.reference!(x, {});
    return [{ ...elementwise(op.name, fn, reference, ranges), accuracy: accuracyOf(op), ...others }];
  },
);
const exact = ({ accuracy }: Measured) => accuracy !== null && isExact(accuracy, "float");

/** Functions that must be right to the last bit. */
export const exactFunctions: readonly Measured[] = [
  ...scalars.filter(exact),
  {
    ...elementwise("clamp", (x) => clamp(x, -1.5, 2), ([x]) => Math.min(Math.max(x, -1.5), 2), usual),
    accuracy: accuracyOf(clamp.op),
  },
];

/** Functions that round. */
export const roundedFunctions: readonly Measured[] = scalars.filter((measured) => !exact(measured));

/** An op that is computed as others, against its reference. */
function lowered(fn: Measured["apply"] & { readonly op: Op }, ranges: Ranges): Measured {
  return elementwise(fn.op.name, fn, (x) => fn.op.reference!(x, {}), ranges);
}

const inside: Ranges = { ...nearZero, "-1 to 1": (n) => even(-1, 1, n) };

/** Circular and hyperbolic functions, roots and logarithms that are computed as others. */
const elementary: readonly Measured[] = [
  lowered(tan, { ...nearZero, "-1.5 to 1.5": (n) => even(-1.5, 1.5, n) }),
  lowered(asin, inside),
  lowered(acos, inside),
  lowered(atan2, pairs),
  lowered(sinh, { ...nearZero, "-89 to 89": (n) => even(-89, 89, n) }),
  lowered(cosh, { "-89 to 89": (n) => even(-89, 89, n) }),
  lowered(asinh, usual),
  lowered(acosh, { "from 1": (n) => spread(1, LARGEST, n, { signs: false }) }),
  lowered(atanh, inside),
  lowered(cbrt, usual),
  lowered(hypot, pairs),
  lowered(log10, positive),
];

const gammaArguments: Ranges = { "0.5 to 20": (n) => even(0.5, 20, n) };

/** Functions made of several ops. */
export const composites: readonly Measured[] = [
  ...elementary,
  {
    ...elementwise("digamma", digamma, ([x]) => digamma.op.reference!([x], {}), gammaArguments),
    sums: true,
  },
  elementwise(
    "polygamma, order 1",
    (x) => polygamma(1, x),
    ([x]) => polygamma.op.reference!([x], { order: 1 }),
    gammaArguments,
  ),
  {
    ...rows("logSumExp", (x) => logSumExp(x, 1), (row) => [exactLogSumExp(row)], { ranges: scores, sums: true }),
    accuracy: accuracyOf(logSumExp.op),
  },
  rows("logSoftmax", (x) => logSoftmax(x, 1), (row) => row.map((x) => x - exactLogSumExp(row)), {
    ranges: scores,
    sums: true,
  }),
  {
    ...rows(
      "softmax",
      (x) => softmax(x, 1),
      (row) => {
        const top = exactLogSumExp(row);
        return row.map((x) => Math.exp(x - top));
      },
      { ranges: scores, sums: false },
    ),
    // A softmax is off by as many units as its exponents, which are differences of its inputs.
    units: (range) => (range === "to 2" ? 8 : 80),
    byRange: true,
  },
  {
    ...elementwise(
      "binaryCrossEntropyWithLogits",
      (x, t) => binaryCrossEntropyWithLogits(x, t, { reduction: "none" }),
      ([x, t]) => (x < 0 ? Math.log1p(Math.exp(x)) : x + Math.log1p(Math.exp(-x))) - x * t,
      { "to 20": (n) => [even(-20, 20, n), shuffled(even(0, 1, n), 5)] },
    ),
    sums: true,
  },
  {
    ...elementwise(
      "smoothL1",
      (a, b) => smoothL1(a, b, { reduction: "none" }),
      ([a, b]) => Math.abs(a - b) < 1 ? 0.5 * (a - b) ** 2 : Math.abs(a - b) - 0.5,
      { "to 4": (n) => [even(-4, 4, n), shuffled(even(-4, 4, n), 5)] },
    ),
    sums: true,
  },
];

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** A special case: inputs and the result in JavaScript. */
export interface Special {
  readonly name: string;
  apply(): Tensor;
  readonly expected: readonly number[];
  /** Permitted alternatives: if subnormals are flushed to 0, or the sign of a 0 is lost. */
  readonly instead?: readonly (readonly number[])[];
  /** A permitted interval instead. */
  readonly between?: readonly [number, number];
  /** Whether the alternatives are permitted on all devices, not only on GPUs. */
  readonly everywhere?: boolean;
}

const TINY = 2 ** -140;
const odd = () => tensor([nan, -inf, -1, 0, 1, inf]);
const truth = (x: Tensor) => cast(x, "int");
/** Applies a function with one tensor as both operands. */
const itself = (f: (x: Tensor, y: Tensor) => Tensor) => {
  const x = odd();
  return f(x, x);
};

/** Special values. */
export const specials: readonly Special[] = [
  {
    name: "maximum with NaN",
    apply: () => maximum(tensor([nan, 1, nan]), tensor([1, nan, nan])),
    expected: [nan, nan, nan],
  },
  {
    name: "minimum with NaN",
    apply: () => minimum(tensor([nan, 1, nan]), tensor([1, nan, nan])),
    expected: [nan, nan, nan],
  },
  { name: "max over NaN", apply: () => max(tensor([1, nan, 3])), expected: [nan] },
  { name: "min over NaN", apply: () => min(tensor([1, nan, 3])), expected: [nan] },
  { name: "relu", apply: () => relu(odd()), expected: [nan, 0, 0, 0, 1, inf] },
  { name: "NaN = NaN", apply: () => truth(equal(odd(), odd())), expected: [0, 1, 1, 1, 1, 1] },
  { name: "NaN ≠ NaN", apply: () => truth(notEqual(odd(), odd())), expected: [1, 0, 0, 0, 0, 0] },
  { name: "<", apply: () => truth(less(odd(), 0)), expected: [0, 1, 1, 0, 0, 0] },
  { name: "≤", apply: () => truth(lessEqual(odd(), 0)), expected: [0, 1, 1, 1, 0, 0] },
  { name: ">", apply: () => truth(greater(odd(), 0)), expected: [0, 0, 0, 0, 1, 1] },
  { name: "≥", apply: () => truth(greaterEqual(odd(), 0)), expected: [0, 0, 0, 1, 1, 1] },
  { name: "exp", apply: () => exp(tensor([nan, -inf, -1000, 1000, inf])), expected: [nan, 0, 0, inf, inf] },
  { name: "expm1", apply: () => expm1(tensor([nan, -inf, -1000, 1000, inf])), expected: [nan, -1, -1, inf, inf] },
  { name: "log", apply: () => log(odd()), expected: [nan, nan, nan, -inf, 0, inf] },
  {
    name: "log1p",
    apply: () => log1p(tensor([nan, -inf, -2, -1, 0, inf])),
    expected: [nan, nan, nan, -inf, 0, inf],
  },
  { name: "sqrt", apply: () => sqrt(odd()), expected: [nan, nan, nan, 0, 1, inf] },
  { name: "sin", apply: () => sin(tensor([nan, -inf, inf])), expected: [nan, nan, nan] },
  { name: "cos", apply: () => cos(tensor([nan, -inf, inf])), expected: [nan, nan, nan] },
  {
    name: "atan",
    apply: () => atan(tensor([nan, -inf, inf])),
    expected: [nan, -Math.fround(Math.PI / 2), Math.fround(Math.PI / 2)],
  },
  { name: "tanh", apply: () => tanh(tensor([nan, -inf, -1000, 1000, inf])), expected: [nan, -1, -1, 1, 1] },
  { name: "sigmoid", apply: () => sigmoid(tensor([nan, -inf, -1000, 1000, inf])), expected: [nan, 0, 0, 1, 1] },
  {
    name: "pow",
    apply: () => pow(tensor([0, 0, -2, -2, -2, inf, -inf, nan, nan]), tensor([0, -1, 3, 2, 0.5, 2, 3, 0, 1])),
    expected: [1, inf, -8, 4, nan, inf, -inf, 1, nan],
  },
  {
    name: "pow of 1 and -1 to infinite exponents",
    apply: () => pow(tensor([1, 1, -1]), tensor([inf, -inf, inf])),
    expected: [nan, nan, nan],
    instead: [[inf, inf, inf]],
  },
  { name: "x / 0", apply: () => div(tensor([1, -1, 0, nan]), 0), expected: [inf, -inf, nan, nan] },
  {
    name: "x / 0, with 0 computed",
    apply: () => div(tensor([1, -1, 0, 1]), tensor([0, 0, 0, -0])),
    expected: [inf, -inf, nan, -inf],
  },
  { name: "x + y of infinities", apply: () => add(odd(), -inf), expected: [nan, -inf, -inf, -inf, -inf, nan] },
  { name: "x × 0", apply: () => mul(odd(), 0), expected: [nan, nan, -0, 0, 0, nan] },
  { name: "x × 0, with 0 computed", apply: () => mul(odd(), tensor([0])), expected: [nan, nan, -0, 0, 0, nan] },
  { name: "x - x", apply: () => sub(odd(), odd()), expected: [nan, nan, 0, 0, 0, nan] },
  { name: "x - x of one tensor", apply: () => itself(sub), expected: [nan, nan, 0, 0, 0, nan] },
  { name: "x + (-x)", apply: () => itself((x) => add(x, neg(x))), expected: [nan, nan, 0, 0, 0, nan] },
  { name: "x / x", apply: () => itself(div), expected: [nan, nan, 1, nan, 1, nan] },
  { name: "0 / x", apply: () => div(0, odd()), expected: [nan, -0, -0, nan, 0, 0] },
  { name: "x × y - x × y", apply: () => itself((x) => sub(square(x), mul(x, x))), expected: [nan, nan, 0, 0, 0, nan] },
  {
    name: "a + b + 1e-9 with a = -b",
    apply: () => add(add(tensor([3, 2 ** 80]), tensor([-3, -(2 ** 80)])), 1e-9),
    expected: [1e-9, 1e-9],
  },
  { name: "x + 2^24 - 2^24", apply: () => sub(add(tensor([0.25]), 2 ** 24), 2 ** 24), expected: [0] },
  { name: "x × 2^80 × 2^-80", apply: () => mul(mul(tensor([2 ** 80]), 2 ** 80), 2 ** -80), expected: [inf] },
  {
    name: "a × b - c, rounded twice",
    apply: () => sub(mul(tensor([1 + 2 ** -12]), tensor([1 + 2 ** -12])), tensor([1 + 2 ** -11])),
    expected: [0],
  },
  { name: "x × truth", apply: () => mul(odd(), greater(odd(), 0)), expected: [nan, nan, -0, 0, 1, inf] },
  { name: "not (x < 0)", apply: () => truth(logicalNot(less(odd(), 0))), expected: [1, 0, 0, 1, 1, 1] },
  {
    name: "minimum by where",
    apply: () => where(less(odd(), tensor([0])), odd(), tensor([0])),
    expected: [0, -inf, -1, 0, 0, 0],
  },
  { name: "mean of an empty array", apply: () => mean(tensor([], [0])), expected: [nan] },
  { name: "sum of infinities", apply: () => sum(tensor([[inf, -inf], [inf, 1]]), 1), expected: [nan, inf] },
  {
    name: "IoU with an inverted box",
    apply: () => iouMatrix(tensor([[0, 0, 0.5, 0.5]]), tensor([[0.5, 0, 0, 0.5]])),
    expected: [0],
  },
  {
    name: "overflow",
    apply: () => mul(tensor([LARGEST, -LARGEST]), tensor([2, 2])),
    expected: [inf, -inf],
  },
  { name: "-0 of neg", apply: () => neg(tensor([0])), expected: [-0] },
  { name: "-0 of a product", apply: () => mul(tensor([0]), tensor([-1])), expected: [-0] },
  { name: "-0 + 0", apply: () => add(tensor([-0]), tensor([0])), expected: [0] },
  { name: "sqrt(-0)", apply: () => sqrt(tensor([-0])), expected: [-0] },
  { name: "sin(-0)", apply: () => sin(tensor([-0])), expected: [-0], instead: [[0]] },
  { name: "atan(-0)", apply: () => atan(tensor([-0])), expected: [-0], instead: [[0]] },
  { name: "tanh(-0)", apply: () => tanh(tensor([-0])), expected: [-0], instead: [[0]] },
  { name: "expm1(-0)", apply: () => expm1(tensor([-0])), expected: [-0], instead: [[0]] },
  { name: "log1p(-0)", apply: () => log1p(tensor([-0])), expected: [-0], instead: [[0]] },
  {
    name: "round of -0.25 and -0",
    apply: () => round(tensor([-0.25, -0])),
    expected: [-0, -0],
    instead: [[0, 0]],
    everywhere: true,
  },
  { name: "-0 = 0", apply: () => truth(equal(tensor([-0, 0]), tensor([0, -0]))), expected: [1, 1] },
  {
    name: "halves round to even",
    apply: () => round(tensor([-2.5, -1.5, 0.5, 1.5, 2.5, 8388607.5])),
    expected: [-2, -2, 0, 2, 2, 8388608],
  },
  {
    name: "whole numbers to 2^24",
    apply: () => sub(add(tensor([2 ** 24 - 1, 1 - 2 ** 24]), tensor([1, -1])), tensor([1, 2])),
    expected: [2 ** 24 - 1, -(2 ** 24) - 2],
  },
  { name: "neg of a subnormal", apply: () => neg(tensor([TINY])), expected: [-TINY], instead: [[-0]] },
  { name: "a subnormal × 2^30", apply: () => mul(tensor([TINY]), 2 ** 30), expected: [2 ** -110], instead: [[0]] },
  { name: "a subnormal > 0", apply: () => truth(greater(tensor([TINY]), 0)), expected: [1], instead: [[0]] },
  { name: "a subnormal = 0", apply: () => truth(equal(tensor([TINY]), 0)), expected: [0], instead: [[1]] },
  {
    name: "2^-120 × 2^-20",
    apply: () => mul(tensor([2 ** -120]), tensor([2 ** -20])),
    expected: [TINY],
    instead: [[0]],
  },
  {
    name: "2^-126 + 2^-149 - 2^-126",
    apply: () => sub(tensor([2 ** -126 + 2 ** -149]), tensor([2 ** -126])),
    expected: [2 ** -149],
    instead: [[0]],
  },
  { name: "sqrt of a subnormal", apply: () => sqrt(tensor([TINY])), expected: [2 ** -70], instead: [[0]] },
  // Some drivers keep subnormals, but never read an exponent below that of the smallest normal number from them.
  {
    name: "log of a subnormal",
    apply: () => log(tensor([TINY])),
    expected: [-140 * Math.LN2],
    between: [-inf, -88],
  },
  {
    name: "1 / a subnormal",
    apply: () => div(tensor([1]), tensor([2 ** -127])),
    expected: [2 ** 127],
    instead: [[inf]],
  },
];
