/**
 * Plain functions, `{ value, gradient }`, on which checkers by finite differences stumble: gradients that are wrong and
 * must not be called right, and gradients that are right and must not be called wrong.
 */
import type { GradcheckOptions, PlainArrays } from "../../verify/mod.ts";

/** A planted case. */
export interface PlainCase {
  readonly name: string;
  /** The difficulty. */
  readonly kind: string;
  /** A known bug that it is modelled on. */
  readonly source?: string;
  readonly value: (arrays: PlainArrays) => number;
  readonly gradient: (arrays: PlainArrays) => readonly ArrayLike<number>[];
  /** Inputs, or a function of random numbers that draws them. */
  readonly inputs: Inputs | ((random: () => number) => Inputs);
  readonly options?: GradcheckOptions;
  /** The modes to check it in, default both. */
  readonly modes?: readonly ("full" | "fast")[];
  readonly expected: "wrong" | "not wrong" | "ok" | "undecided";
}

type Inputs = readonly ArrayLike<number>[];
type Map1 = (x: number, i: number) => number;
type Map1Of = (x: ArrayLike<number>) => Map1;

const sum = (x: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i];
  return total;
};
/** A loop, since checks call it millions of times and `Float64Array.from` takes ten times as long. */
const map = (x: ArrayLike<number>, f: Map1): Float64Array => {
  const y = new Float64Array(x.length);
  for (let i = 0; i < y.length; i++) y[i] = f(x[i], i);
  return y;
};
const max = (x: ArrayLike<number>): number => {
  let most = -Infinity;
  for (let i = 0; i < x.length; i++) most = Math.max(most, x[i]);
  return most;
};
const f32 = Math.fround;

/** Normal random numbers, times a size. */
const normal = (n: number, size = 1) => (random: () => number): Inputs => [
  Float64Array.from(
    { length: n },
    () => size * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  ),
];
/** Random numbers between bounds. */
const uniform = (n: number, low: number, high: number) => (random: () => number): Inputs => [
  Float64Array.from({ length: n }, () => low + (high - low) * random()),
];
/** Random numbers of sizes between powers of ten, of both signs. */
const sizes = (n: number, low: number, high: number) => (random: () => number): Inputs => [
  Float64Array.from({ length: n }, () => (random() < 0.5 ? -1 : 1) * 10 ** (low + (high - low) * random())),
];

/** The sum of a function of each element, with a derivative per element. */
function elementwise(f: Map1, slope: Map1): Pick<PlainCase, "value" | "gradient"> {
  const value = ([x]: PlainArrays): number => {
    let total = 0;
    for (let i = 0; i < x.length; i++) total += f(x[i], i);
    return total;
  };
  return { value, gradient: ([x]) => [map(x, slope)] };
}

/** The same in float32: each operation rounded. */
function elementwise32(f: Map1, slope: Map1): Pick<PlainCase, "value" | "gradient"> {
  return {
    value: ([x]) => {
      let total = 0;
      for (let i = 0; i < x.length; i++) total = f32(total + f32(f(x[i], i)));
      return total;
    },
    gradient: ([x]) => [Float32Array.from(x, slope)],
  };
}

/** Multiplies one element of a derivative. */
const offAt = (at: number, factor: number, slope: Map1): Map1 => (x, i) => (i === at ? factor : 1) * slope(x, i);

const softmax = (x: ArrayLike<number>): Float64Array => {
  const m = max(x);
  const e = map(x, (v) => Math.exp(v - m));
  const total = sum(e);
  return e.map((v) => v / total);
};
const logSumExp = (x: ArrayLike<number>): number => {
  const m = max(x);
  return m + Math.log(sum(map(x, (v) => Math.exp(v - m))));
};
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const relu = (x: number) => Math.max(0, x);
const clamp = (x: number) => Math.min(1, Math.max(-1, x));
const huber = (x: number) => (Math.abs(x) < 1 ? x * x / 2 : Math.abs(x) - 0.5);
/** The places of numbers in their order, equal ones in that of their places. */
const orderOf = (x: ArrayLike<number>) => Array.from(x, (_, i) => i).sort((i, j) => x[i] - x[j]);
const median = ([x]: PlainArrays) => x[orderOf(x)[x.length >> 1]];
const isMedian = (x: ArrayLike<number>, i: number) => orderOf(x)[x.length >> 1] === i;
const norm = (x: ArrayLike<number>) => Math.sqrt(sum(map(x, (v) => v * v)));

/** The overlap of two boxes, each with its left, top, right and bottom, over their union. */
function iou([a, b]: PlainArrays): number {
  const side = (k: number) => relu(Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k]));
  const both = side(0) * side(1);
  const area = (x: ArrayLike<number>) => (x[2] - x[0]) * (x[3] - x[1]);
  return both / (area(a) + area(b) - both);
}

/** Its gradient; where coordinates are equal, the first box has it. */
function iouGradient([a, b]: PlainArrays): Float64Array[] {
  const side = (k: number) => relu(Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k]));
  const [w, h] = [side(0), side(1)];
  const area = (x: ArrayLike<number>) => (x[2] - x[0]) * (x[3] - x[1]);
  const both = w * h, union = area(a) + area(b) - both;
  return [a, b].map((x, which) => {
    const other = which === 0 ? b : a;
    const has = (k: number, sign: number) => sign * (x[k] - other[k]) > 0 || (x[k] === other[k] && which === 0) ? 1 : 0;
    const open = w > 0 && h > 0 ? 1 : 0;
    return Float64Array.from([0, 1, 2, 3], (k) => {
      const across = k % 2 === 0 ? h : w;
      const dBoth = open * across * (k < 2 ? -has(k, 1) : has(k, -1));
      const dArea = (k < 2 ? -1 : 1) * (k % 2 === 0 ? x[3] - x[1] : x[2] - x[0]);
      return dBoth / union - both * (dArea - dBoth) / union ** 2;
    });
  });
}

/** The determinant by cofactors along the first row; a minor of the last rows, which several of them share, is computed once. */
function determinant(m: ArrayLike<number>, n: number): number {
  const minors = new Float64Array(2 ** n).fill(1);
  for (let columns = 1; columns < 2 ** n; columns++) {
    let [row, total, sign] = [n, 0, 1];
    for (let j = 0; j < n; j++) row -= columns >> j & 1;
    for (let j = 0; j < n; j++) {
      if ((columns >> j & 1) === 0) continue;
      total += sign * m[row * n + j] * minors[columns ^ 1 << j];
      sign = -sign;
    }
    minors[columns] = total;
  }
  return minors[2 ** n - 1];
}
function minor(m: ArrayLike<number>, n: number, row: number, column: number): number[] {
  const rest: number[] = [];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) if (i !== row && j !== column) rest.push(m[i * n + j]);
  }
  return rest;
}
/** The cofactors of all elements. */
const cofactors = (m: ArrayLike<number>, n: number) =>
  Float64Array.from(
    { length: n * n },
    (_, k) => {
      const [i, j] = [Math.floor(k / n), k % n];
      return ((i + j) % 2 === 0 ? 1 : -1) * determinant(minor(m, n, i, j), n - 1);
    },
  );
const hilbert = (n: number) => Float64Array.from({ length: n * n }, (_, k) => 1 / (Math.floor(k / n) + k % n + 1));

/** The logistic map, iterated, and its derivative along the way. */
function logistic(x: number, times: number): [value: number, slope: number] {
  let slope = 1;
  for (let i = 0; i < times; i++) [x, slope] = [4 * x * (1 - x), slope * 4 * (1 - 2 * x)];
  return [x, slope];
}

/** The root of x = cos(a x), iterated until steps are short, and its derivative by the implicit function theorem. */
function fixedPoint(a: number, tolerance: number): [root: number, slope: number] {
  let x = 0.7;
  for (let i = 0; i < 1000; i++) {
    const next = Math.cos(a * x);
    const step = Math.abs(next - x);
    x = next;
    if (step < tolerance) break;
  }
  return [x, -x * Math.sin(a * x) / (1 + a * Math.sin(a * x))];
}

/** Layer normalisation, weighted so that its gradient is not 0. */
function normalised(x: ArrayLike<number>): { y: Float64Array; deviation: number } {
  const mean = sum(x) / x.length;
  const deviation = Math.sqrt(sum(map(x, (v) => (v - mean) ** 2)) / x.length + 1e-5);
  return { y: map(x, (v) => (v - mean) / deviation), deviation };
}
const weightOf = (i: number) => Math.sin(3 * i + 1);

/** Gradients that are wrong. */
export const wrongPlain: readonly PlainCase[] = [
  // Factors, signs, terms and places.
  {
    name: "a factor of 1.001",
    kind: "factor",
    ...elementwise(Math.exp, (x) => 1.001 * Math.exp(x)),
    inputs: normal(6),
    expected: "wrong",
  },
  {
    name: "a factor of 1 + 1e-6",
    kind: "factor",
    ...elementwise(Math.sin, (x) => (1 + 1e-6) * Math.cos(x)),
    inputs: normal(6),
    expected: "wrong",
  },
  {
    name: "the sign of one element",
    kind: "sign",
    ...elementwise((x) => x ** 3, offAt(4, -1, (x) => 3 * x * x)),
    inputs: normal(40),
    expected: "wrong",
  },
  {
    name: "softmax without its diagonal",
    kind: "missing term",
    source: "softmax backward written as -p_i p_j for all i, j",
    value: ([x]) => softmax(x)[0],
    gradient: ([x]) => {
      const p = softmax(x);
      return [p.map((v) => -p[0] * v)];
    },
    inputs: normal(5),
    expected: "wrong",
  },
  {
    name: "cross-entropy divided by the batch once too often",
    kind: "factor",
    value: ([x]) => (logSumExp(x) - x[1]) / 4,
    gradient: ([x]) => [softmax(x).map((p, i) => (p - (i === 1 ? 1 : 0)) / 16)],
    inputs: normal(4),
    expected: "wrong",
  },
  {
    name: "layer normalisation with the deviation held",
    kind: "missing term",
    source: "layer norm backward that forgets the path through the variance",
    value: ([x]) => sum(normalised(x).y.map((v, i) => v * weightOf(i))),
    gradient: ([x]) => {
      const { deviation } = normalised(x);
      const mean = sum(map(x, (_, i) => weightOf(i))) / x.length;
      return [map(x, (_, i) => (weightOf(i) - mean) / deviation)];
    },
    inputs: normal(7),
    expected: "wrong",
  },
  {
    name: "a transposed Jacobian",
    kind: "transposed",
    value: ([x]) => x[0] * x[1] + 2 * x[1] * x[2] + 3 * x[2] * x[0],
    gradient: ([x]) => [[x[1] + 2 * x[2], x[0] + 3 * x[2], 2 * x[1] + 3 * x[0]]],
    inputs: normal(3),
    expected: "wrong",
  },
  {
    name: "the neighbour's element",
    kind: "index",
    ...elementwise(Math.exp, Math.exp),
    gradient: ([x]) => [map(x, (_, i) => Math.exp(x[Math.max(0, i - 1)]))],
    inputs: normal(9),
    expected: "wrong",
  },
  {
    name: "no gradient for the second input",
    kind: "missing gradient",
    value: ([x, y]) => sum(map(x, (v, i) => v * y[i])),
    gradient: ([x, y]) => [Float64Array.from(y), map(x, () => 0)],
    inputs: (random) => [...normal(4)(random), ...normal(4)(random)],
    expected: "wrong",
  },
  {
    name: "relu that lets everything through",
    kind: "flat",
    ...elementwise(relu, () => 1),
    inputs: [[-1, 2, -3]],
    expected: "wrong",
  },
  {
    name: "a constant with a gradient",
    kind: "flat",
    value: () => 7,
    gradient: ([x]) => [map(x, () => 1e-3)],
    inputs: normal(3),
    expected: "wrong",
  },
  {
    name: "tan with the derivative of tanh",
    kind: "sign",
    ...elementwise(Math.tan, (x) => 1 - Math.tan(x) ** 2),
    inputs: uniform(4, 0.2, 1.2),
    expected: "wrong",
  },
  {
    name: "sigmoid in place of its derivative's product",
    kind: "missing term",
    ...elementwise(sigmoid, (x) => sigmoid(x)),
    inputs: normal(5),
    expected: "wrong",
  },
  {
    name: "GELU by tanh with the derivative of the exact one",
    kind: "approximation",
    source: "approximate='tanh' paired with the backward of approximate='none'",
    ...elementwise(
      (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
      (x) => 1 / (1 + Math.exp(-1.702 * x)) + 1.702 * x * sigmoid(1.702 * x) * (1 - sigmoid(1.702 * x)),
    ),
    inputs: normal(5),
    expected: "wrong",
  },
  {
    name: "a mean over all elements taken for a sum",
    kind: "factor",
    value: ([x]) => sum(map(x, (v) => v * v)) / x.length,
    gradient: ([x]) => [map(x, (v) => 2 * v)],
    inputs: normal(50),
    expected: "wrong",
  },
  // Gradients that are not numbers.
  {
    name: "NaN where 0 times infinity was computed",
    kind: "not a number",
    source: "where(x > 0, sqrt(x), 0) in most frameworks",
    ...elementwise((x) => (x > 0 ? Math.sqrt(x) : 0), (x) => (x > 0 ? 1 : 0) * (0.5 / Math.sqrt(x))),
    inputs: [[-1, 4, 2]],
    expected: "wrong",
  },
  {
    name: "NaN in one element of many",
    kind: "not a number",
    ...elementwise((x) => x * x, (x, i) => (i === 1717 ? NaN : 2 * x)),
    inputs: normal(3000),
    modes: ["fast"],
    expected: "wrong",
  },
  {
    name: "infinity where the derivative is finite",
    kind: "not a number",
    ...elementwise((x) => x * x, (x) => 2 * x * x / (x * x) * (x / Math.abs(x)) / (x > 1 ? 0 : 1)),
    inputs: [[1.5, 0.5]],
    expected: "wrong",
  },
  {
    name: "the norm at 0, as 0 / 0",
    kind: "not a number",
    source: "torch.norm and tf.norm at zeros",
    value: ([x]) => norm(x),
    gradient: ([x]) => [map(x, (v) => v / norm(x))],
    inputs: [[0, 0, 0]],
    expected: "wrong",
  },
  {
    name: "sinc at 0, as 0 / 0",
    kind: "not a number",
    ...elementwise(
      (x) => (x === 0 ? 1 : Math.sin(x) / x),
      (x) => (x * Math.cos(x) - Math.sin(x)) / (x * x),
    ),
    inputs: [[0, 1]],
    expected: "wrong",
  },
  {
    name: "negative infinity for a slope of plus infinity",
    kind: "not a number",
    ...elementwise(Math.cbrt, (x) => (x === 0 ? -Infinity : Math.cbrt(x) / (3 * x))),
    inputs: [[0, 1]],
    expected: "wrong",
  },
  // At kinks.
  {
    name: "a slope of 5 for relu at 0",
    kind: "kink",
    ...elementwise(relu, (x) => (x > 0 ? 1 : x === 0 ? 5 : 0)),
    inputs: [[0, 1, -1]],
    expected: "wrong",
  },
  {
    name: "a slope of -0.1 for relu at 0",
    kind: "kink",
    ...elementwise(relu, (x) => (x > 0 ? 1 : x === 0 ? -0.1 : 0)),
    inputs: [[0, 1, -1]],
    expected: "wrong",
  },
  {
    name: "relu at 0 among 10,000 others, with a slope of 2",
    kind: "kink",
    ...elementwise(relu, (x) => (x > 0 ? 1 : x === 0 ? 2 : 0)),
    inputs: (random) => [normal(10000)(random)[0]].map((x) => map(x, (v, i) => (i === 4567 ? 0 : v))),
    modes: ["fast"],
    expected: "wrong",
  },
  {
    name: "a hinge with the wrong sign exactly on its margin",
    kind: "kink",
    ...elementwise((x) => relu(1 - x), (x) => (x < 1 ? -1 : x === 1 ? 1 : 0)),
    inputs: [[1, 0, 2]],
    expected: "wrong",
  },
  {
    name: "abs with a slope of 2 at 0",
    kind: "kink",
    ...elementwise(Math.abs, (x) => (x === 0 ? 2 : Math.sign(x))),
    inputs: [[0]],
    expected: "wrong",
  },
  {
    name: "Huber with the wrong slope where its parts meet",
    kind: "exception",
    ...elementwise(huber, (x) => (Math.abs(x) < 1 ? x : Math.abs(x) === 1 ? 0 : Math.sign(x))),
    inputs: [[1, 0.5, -1]],
    expected: "wrong",
  },
  {
    name: "an exception at 0 in a smooth function",
    kind: "exception",
    ...elementwise((x) => Math.expm1(x), (x) => (x === 0 ? 0 : Math.exp(x))),
    inputs: [[0, 1]],
    expected: "wrong",
  },
  {
    name: "relu(x) - relu(-x), which is x, with a slope of 0",
    kind: "exception",
    source: "Griewank's and Kakade's example of automatic differentiation gone wrong",
    ...elementwise((x) => relu(x) - relu(-x), (x) => (x > 0 ? 1 : 0) + (x < 0 ? 1 : 0)),
    inputs: [[0, 1]],
    expected: "wrong",
  },
  {
    name: "min(x, log(1 + x^2)) and the length beside it: the kinks cancel, the gradients by convention do not",
    kind: "exception",
    value: ([[x]]) => Math.min(x, Math.log1p(x * x)) + Math.hypot(Math.min(x, Math.log1p(x * x)), Math.log1p(x * x)),
    gradient: ([[x]]) => {
      const [low, high] = [Math.min(x, Math.log1p(x * x)), Math.log1p(x * x)];
      const slopes = [2 * x / (1 + x * x), x <= high ? 1 : 2 * x / (1 + x * x)];
      const length = Math.hypot(low, high);
      return [[slopes[1] + (length === 0 ? 0 : (low * slopes[1] + high * slopes[0]) / length)]];
    },
    inputs: [[0]],
    expected: "wrong",
  },
  {
    name: "clamp inside its bounds, without a gradient",
    kind: "kink beside",
    ...elementwise(clamp, (x) => (Math.abs(x) < 0.9999 ? 1 : 0)),
    inputs: [[0.99995, 0.5]],
    expected: "wrong",
  },
  {
    name: "clamp beyond its bounds, with a gradient",
    kind: "kink beside",
    ...elementwise(clamp, (x) => (Math.abs(x) < 1.0001 ? 1 : 0)),
    inputs: [[1.00001, 0.5]],
    expected: "wrong",
  },
  {
    name: "leaky relu with the other slope below 0, beside it",
    kind: "kink beside",
    ...elementwise((x) => (x > 0 ? x : 0.1 * x), () => 1),
    inputs: [[-1e-7, 2]],
    expected: "wrong",
  },
  {
    name: "a wrong slope beside a kink that is met",
    kind: "kink beside",
    ...elementwise(relu, (x) => (x > 0 ? 1.5 : 0)),
    inputs: [[0]],
    expected: "wrong",
  },
  {
    name: "a derivative of 1e-24 with the other sign, beside one of 0",
    kind: "sign",
    value: ([x]) => 0.7 + 1e-24 * x[1],
    gradient: () => [[0, -1e-24]],
    inputs: [[-3, 2]],
    expected: "undecided",
  },
  // Equal numbers that the median does not move with one by one.
  ...Object.entries<Map1Of>({
    "nothing to any of them": () => () => 0,
    "everything to each": (x) => (v) => (v === median([Float64Array.from(x)]) ? 1 : 0),
    "all of it twice": (x) => (_, i) => (isMedian(x, i) ? 2 : 0),
  }).map(([name, slope]): PlainCase => ({
    name: `a median of equal numbers that gives ${name}`,
    kind: "tie",
    value: median,
    gradient: ([x]) => [map(x, slope(x))],
    inputs: [[0.3, 0.3, 0.3, 0.3, 0.3, 2]],
    expected: "wrong",
  })),
  // At ties.
  {
    name: "a maximum that gives everything to each of two equals",
    kind: "tie",
    source: "tfjs max, and topk backward with equal values",
    value: ([x]) => max(x),
    gradient: ([x]) => [map(x, (v) => (v === max(x) ? 1 : 0))],
    inputs: [[1, 3, 3, 2]],
    expected: "wrong",
  },
  {
    name: "max(2x, y) that gives everything to both",
    kind: "tie",
    value: ([x, y]) => Math.max(2 * x[0], y[0]),
    gradient: ([x, y]) => [[2 * x[0] >= y[0] ? 2 : 0], [y[0] >= 2 * x[0] ? 1 : 0]],
    inputs: [[1.5], [3]],
    expected: "wrong",
  },
  {
    name: "max(x, y + 1) that gives everything to both",
    kind: "tie",
    value: ([x, y]) => Math.max(x[0], y[0] + 1),
    gradient: ([x, y]) => [[x[0] >= y[0] + 1 ? 1 : 0], [y[0] + 1 >= x[0] ? 1 : 0]],
    inputs: [[1.75], [0.75]],
    expected: "wrong",
  },
  {
    name: "max(x, y) that gives nothing to either",
    kind: "tie",
    value: ([x, y]) => Math.max(x[0], y[0]),
    gradient: ([x, y]) => [[x[0] > y[0] ? 1 : 0], [y[0] > x[0] ? 1 : 0]],
    inputs: [[2], [2]],
    expected: "wrong",
  },
  {
    name: "min(x, y, z) that gives everything to all three",
    kind: "tie",
    value: ([x]) => Math.min(...Array.from(x)),
    gradient: ([x]) => [map(x, (v) => (v === Math.min(...Array.from(x)) ? 1 : 0))],
    inputs: [[-1, -1, -1, 4]],
    expected: "wrong",
  },
  {
    name: "a maximum of products, tied, with both shares",
    kind: "tie",
    value: ([x]) => Math.max(x[0] * x[1], x[2] + x[3]),
    gradient: ([x]) => {
      const [a, b] = [x[0] * x[1], x[2] + x[3]];
      const left = a >= b ? 1 : 0, right = b >= a ? 1 : 0;
      return [[left * x[1], left * x[0], right, right]];
    },
    inputs: [[2, 3, 4, 2]],
    expected: "wrong",
  },
  {
    name: "|x - y| at x = y, with a gradient of 1 for both",
    kind: "tie",
    value: ([x]) => Math.abs(x[0] - x[1]),
    gradient: ([x]) => [[x[0] >= x[1] ? 1 : -1, x[0] > x[1] ? -1 : 1]],
    inputs: [[0.7, 0.7]],
    expected: "wrong",
  },
  // Estimates, noise and scales.
  {
    name: "exp doubled at 1e-12",
    kind: "estimate",
    ...elementwise(Math.exp, (x) => 2 * Math.exp(x)),
    inputs: [[1e-12]],
    expected: "wrong",
  },
  {
    name: "exp doubled at 1e-12, beside others",
    kind: "estimate",
    ...elementwise(Math.exp, offAt(1, 2, Math.exp)),
    inputs: [[1, 1e-12, -2]],
    expected: "wrong",
  },
  {
    name: "1e12 + x squared, with ten times the gradient",
    kind: "estimate",
    value: ([x]) => 1e12 + x[0] ** 2,
    gradient: ([x]) => [[20 * x[0]]],
    inputs: [[1.775]],
    expected: "wrong",
  },
  {
    name: "1e9 + sin x, doubled",
    kind: "estimate",
    value: ([x]) => 1e9 + Math.sin(x[0]),
    gradient: ([x]) => [[2 * Math.cos(x[0])]],
    inputs: uniform(1, -1, 1),
    expected: "wrong",
  },
  {
    name: "(1e10 + x^2) - 1e10, ten times too steep",
    kind: "estimate",
    value: ([x]) => (1e10 + x[0] ** 2) - 1e10,
    gradient: ([x]) => [[20 * x[0]]],
    inputs: [[1.2]],
    expected: "wrong",
  },
  {
    name: "(1 - cos x) / x^2 at 1e-3, doubled",
    kind: "estimate",
    ...elementwise((x) => (1 - Math.cos(x)) / x ** 2, (x) => -x / 6),
    inputs: [[1e-3]],
    expected: "wrong",
  },
  {
    name: "a small derivative among large ones, doubled",
    kind: "estimate",
    value: ([x]) => 1e6 * x[0] + 1e-3 * x[1] ** 2,
    gradient: ([x]) => [[1e6, 4e-3 * x[1]]],
    inputs: [[1, 3]],
    modes: ["full"],
    expected: "wrong",
  },
  ...[1e-8, 1e-4, 1e4, 1e8].map((size): PlainCase => ({
    name: `cubes at ${size}, off by a thousandth`,
    kind: "scale",
    ...elementwise((x) => x ** 3, (x) => 3.003 * x ** 2),
    inputs: [[size, -2 * size, 3 * size]],
    expected: "wrong",
  })),
  {
    name: "a saturated softmax, with the gradient of another class",
    kind: "scale",
    value: ([x]) => logSumExp(x) - x[0],
    gradient: ([x]) => [softmax(x).map((p, i) => p - (i === 1 ? 1 : 0))],
    inputs: [[40, 0, -40]],
    expected: "wrong",
  },
  // Float32.
  {
    name: "a sum of 100 exponentials in float32, one of them doubled",
    kind: "float32",
    ...elementwise32((x) => f32(Math.exp(x)), offAt(37, 2, Math.exp)),
    inputs: uniform(100, -1, 1),
    options: { precision: "float32" },
    expected: "wrong",
  },
  {
    name: "a sum of 100 exponentials in float32, all doubled",
    kind: "float32",
    ...elementwise32((x) => f32(Math.exp(x)), (x) => 2 * Math.exp(x)),
    inputs: normal(100),
    options: { precision: "float32" },
    expected: "wrong",
  },
  {
    name: "a hundredth in float32",
    kind: "float32",
    ...elementwise32((x) => f32(x * x), (x) => 2.02 * x),
    inputs: uniform(5, 0.5, 2),
    options: { precision: "float32" },
    expected: "wrong",
  },
  ...[10, 100].flatMap((n) =>
    ([
      ["exponentials", Math.exp, Math.exp],
      ["sines", Math.sin, Math.cos],
    ] as const).map(([what, f, slope]): PlainCase => ({
      name: `a sum of ${n} ${what} in float32, one of them off by 1e-4`,
      kind: "float32",
      ...elementwise32((x) => f32(f(x)), offAt(7, 1 + 1e-4, slope)),
      inputs: uniform(n, -1, 1),
      options: { precision: "float32" },
      expected: "wrong",
    }))
  ),
  {
    name: "log-sum-exp of 100 in float32, one element off by 1e-4",
    kind: "float32",
    value: ([x]) => f32(logSumExp(x)),
    gradient: ([x]) => [Float32Array.from(softmax(x), (p, i) => (i === 7 ? 1 + 1e-4 : 1) * p)],
    inputs: uniform(100, -1, 1),
    options: { precision: "float32" },
    expected: "wrong",
  },
  {
    name: "relu in float32 with a slope of 3 at 0",
    kind: "float32",
    ...elementwise32(relu, (x) => (x > 0 ? 1 : x === 0 ? 3 : 0)),
    inputs: [[0, 1]],
    options: { precision: "float32" },
    expected: "wrong",
  },
  {
    name: "NaN in float32",
    kind: "float32",
    ...elementwise32((x) => f32(x * x), (x) => 2 * x * x / (x === 0.5 ? 0 * x : x) * 0),
    inputs: [[0.5, 1]],
    options: { precision: "float32" },
    expected: "wrong",
  },
  // Staircases and other scales.
  {
    name: "rounding with a straight-through gradient",
    kind: "staircase",
    source: "a straight-through estimator, passed off as a gradient",
    ...elementwise(Math.round, () => 1),
    inputs: uniform(4, -3, 3),
    expected: "wrong",
  },
  {
    name: "a quantiser of 8 steps with a straight-through gradient",
    kind: "staircase",
    ...elementwise((x) => Math.round(8 * x) / 8, () => 1),
    inputs: uniform(4, -3, 3),
    expected: "wrong",
  },
  {
    name: "a quantiser of 255 steps with a straight-through gradient",
    kind: "staircase",
    ...elementwise((x) => Math.round(255 * x) / 255, () => 1),
    inputs: uniform(3, 0, 1),
    expected: "wrong",
  },
  {
    name: "a quantised square with a straight-through gradient",
    kind: "staircase",
    ...elementwise((x) => (Math.round(50 * x) / 50) ** 2, (x) => 2 * Math.round(50 * x) / 50),
    inputs: uniform(3, 0.2, 1),
    expected: "wrong",
  },
  {
    name: "floor with a slope of 1",
    kind: "staircase",
    ...elementwise(Math.floor, () => 1),
    inputs: [[0.3, 2.7, -1.2]],
    expected: "wrong",
  },
  {
    name: "a ripple on a line, ignored",
    kind: "oscillation",
    ...elementwise((x) => x + Math.sin(1e6 * x) / 1e6, () => 1),
    inputs: [[0.3, 0.7]],
    expected: "wrong",
  },
  {
    name: "a ripple on a line, finer yet, ignored",
    kind: "oscillation",
    ...elementwise((x) => x + Math.sin(1e8 * x) / 1e8, () => 1),
    inputs: [[0.3, 0.7]],
    expected: "wrong",
  },
  // Fast mode.
  {
    name: "one of 3,000 elements of many sizes, off by a hundredth",
    kind: "fast mode",
    ...elementwise((x) => x * x, offAt(1234, 1.01, (x) => 2 * x)),
    inputs: sizes(3000, -3, 1),
    modes: ["fast"],
    expected: "wrong",
  },
  {
    name: "one of 3,000 small elements, doubled",
    kind: "fast mode",
    ...elementwise((x) => x * x, offAt(1234, 2, (x) => 2 * x)),
    inputs: (random) => [map(sizes(3000, -3, 1)(random)[0], (x, i) => (i === 1234 ? 1e-3 : x))],
    modes: ["fast"],
    expected: "wrong",
  },
  {
    name: "sin(30 x), one of 1,000 elements off by 1e-4",
    kind: "fast mode",
    ...elementwise((x) => Math.sin(30 * x), offAt(500, 1 + 1e-4, (x) => 30 * Math.cos(30 * x))),
    inputs: (random) => [map(normal(1000)(random)[0], (x, i) => (i === 500 ? 0.42 : x))],
    modes: ["fast"],
    expected: "wrong",
  },
  {
    name: "one of 10,000 elements without a gradient",
    kind: "fast mode",
    ...elementwise(Math.sin, offAt(9999, 0, Math.cos)),
    inputs: (random) => [map(normal(10000)(random)[0], (x, i) => (i === 9999 ? 0.5 : x))],
    modes: ["fast"],
    expected: "wrong",
  },
  {
    name: "errors of opposite sign that cancel for moves of one sign",
    kind: "fast mode",
    ...elementwise(Math.exp, (x, i) => Math.exp(x) + (i % 2 === 0 ? 1e-3 : -1e-3)),
    inputs: [new Float64Array(400).fill(0.5)],
    modes: ["fast"],
    expected: "wrong",
  },
  {
    name: "the gradient of the second input among many of the first",
    kind: "fast mode",
    value: ([x, y]) => sum(map(x, (v) => v * v)) * y[0],
    gradient: ([x, y]) => [map(x, (v) => 2 * v * y[0]), [0.99 * sum(map(x, (v) => v * v))]],
    inputs: (random) => [...normal(2000)(random), [0.7]],
    modes: ["fast"],
    expected: "wrong",
  },
];

/** Gradients that are right, of functions that are hard to judge. */
export const rightPlain: readonly PlainCase[] = [
  // Next to kinks.
  {
    name: "a maximum, 1e-8 from a tie",
    kind: "kink beside",
    value: ([x]) => max(x),
    gradient: ([x]) => [map(x, (v) => (v === max(x) ? 1 : 0))],
    inputs: [[1, 1 + 1e-8, 0]],
    expected: "ok",
  },
  ...[1e-4, 1e-7, 1e-10, 1e-13].map((by): PlainCase => ({
    name: `clamp ${by} beyond its bound`,
    kind: "kink beside",
    ...elementwise(clamp, (x) => (Math.abs(x) <= 1 ? 1 : 0)),
    inputs: [[1 + by, 0.5, -1 - by]],
    expected: by >= 1e-10 ? "ok" : "not wrong",
  })),
  ...[1e-4, 1e-7, 1e-10, 1e-13].map((by): PlainCase => ({
    name: `a hinge ${by} from its margin`,
    kind: "kink beside",
    ...elementwise((x) => relu(1 - x), (x) => (x < 1 ? -1 : 0)),
    inputs: [[1 - by, 1 + by, 3]],
    expected: "not wrong",
  })),
  {
    name: "neighbouring numbers in a maximum",
    kind: "kink beside",
    value: ([x]) => max(x),
    gradient: ([x]) => [map(x, (v) => (v === max(x) ? 1 : 0))],
    inputs: [[1, 1 + 2 ** -52, 1 - 2 ** -53, 0.5]],
    expected: "not wrong",
  },
  {
    name: "neighbouring float32 numbers in a maximum",
    kind: "kink beside",
    value: ([x]) => max(x),
    gradient: ([x]) => [map(x, (v) => (v === max(x) ? 1 : 0))],
    inputs: [[1, 1 + 2 ** -23, 1 - 2 ** -24, 0.5]],
    options: { precision: "float32" },
    expected: "not wrong",
  },
  {
    name: "neighbouring float32 numbers in a hinge",
    kind: "kink beside",
    ...elementwise32((x) => relu(f32(1 - x)), (x) => (x < 1 ? -1 : 0)),
    inputs: [[1 - 2 ** -24, 1 + 2 ** -23, 1 - 2 ** -20, 3]],
    options: { precision: "float32" },
    expected: "not wrong",
  },
  {
    name: "the overlap of boxes that almost touch",
    kind: "kink beside",
    value: iou,
    gradient: iouGradient,
    inputs: [[0, 0, 1, 1], [1 - 1e-8, 0.2, 2, 1.3]],
    expected: "not wrong",
  },
  {
    name: "the overlap of boxes with an edge 1e-9 apart",
    kind: "kink beside",
    value: iou,
    gradient: iouGradient,
    inputs: [[0.1, 0.2, 0.8, 0.9], [0.1 + 1e-9, 0.3, 0.7, 0.9 - 1e-9]],
    expected: "not wrong",
  },
  {
    name: "the overlap of random boxes",
    kind: "kink beside",
    value: iou,
    gradient: iouGradient,
    inputs: (random) =>
      [0, 1].map(() => {
        const [x, y] = [random(), random()];
        return [x, y, x + 0.3 + random(), y + 0.3 + random()];
      }),
    expected: "ok",
  },
  {
    name: "sorting, with values close to each other",
    kind: "kink beside",
    value: ([x]) => sum([...x].sort((a, b) => a - b).map((v, i) => v * i * i)),
    gradient: ([x]) => {
      const order = [...x.keys()].sort((a, b) => x[a] - x[b]);
      const g = new Float64Array(x.length);
      order.forEach((at, i) => g[at] = i * i);
      return [g];
    },
    inputs: (random) => [map(normal(20)(random)[0], (v) => Math.round(v * 4) / 4 + 1e-9 * random())],
    expected: "not wrong",
  },
  {
    name: "leaky relu 1e-9 from 0",
    kind: "kink beside",
    ...elementwise((x) => (x > 0 ? x : 0.1 * x), (x) => (x > 0 ? 1 : 0.1)),
    inputs: [[1e-9, -1e-9, 1, -1]],
    expected: "ok",
  },
  // At kinks and ties.
  {
    name: "relu at 0, with 0",
    kind: "kink",
    ...elementwise(relu, (x) => (x > 0 ? 1 : 0)),
    inputs: [[0, 1, -2]],
    expected: "ok",
  },
  {
    name: "relu at 0, with 1",
    kind: "kink",
    ...elementwise(relu, (x) => (x >= 0 ? 1 : 0)),
    inputs: [[0, 1, -2]],
    expected: "ok",
  },
  {
    name: "abs at 0, with 1",
    kind: "kink",
    source: "jnp.abs",
    ...elementwise(Math.abs, (x) => (x >= 0 ? 1 : -1)),
    inputs: [[0, 1, 0, -2]],
    expected: "ok",
  },
  {
    name: "relu of many zeros of opposite effects",
    kind: "kink",
    ...elementwise((x, i) => (i % 2 === 0 ? 1 : -1) * relu(x), (x, i) => (x > 0 ? (i % 2 === 0 ? 1 : -1) : 0)),
    inputs: (random) => [map(normal(60)(random)[0], (v) => (random() < 0.4 ? 0 : v))],
    expected: "not wrong",
  },
  {
    name: "|x| - |y| at 0, each with 1",
    kind: "kink",
    value: ([x]) => Math.abs(x[0]) - Math.abs(x[1]) + x[2],
    gradient: ([x]) => [[x[0] >= 0 ? 1 : -1, x[1] >= 0 ? -1 : 1, 1]],
    inputs: [[0, 0, 1]],
    expected: "ok",
  },
  {
    name: "a two-layer network with a dead unit on its kink",
    kind: "kink",
    value: ([x]) => relu(x[0] - x[1]) * 2 - relu(x[1] - 0.5) + x[0] ** 2,
    gradient: ([x]) => [[
      2 * (x[0] > x[1] ? 1 : 0) + 2 * x[0],
      -2 * (x[0] > x[1] ? 1 : 0) - (x[1] > 0.5 ? 1 : 0),
    ]],
    inputs: [[0.5, 0.5]],
    expected: "not wrong",
  },
  {
    name: "a maximum of equals, shared",
    kind: "tie",
    value: ([x]) => max(x),
    gradient: ([x]) => {
      const [m, n] = [max(x), [...x].filter((v) => v === max(x)).length];
      return [map(x, (v) => (v === m ? 1 / n : 0))];
    },
    inputs: [[3, 3, 3, 1]],
    expected: "ok",
  },
  {
    name: "a maximum of equals, to the first",
    kind: "tie",
    value: ([x]) => max(x),
    gradient: ([x]) => [map(x, (_, i) => (i === [...x].indexOf(max(x)) ? 1 : 0))],
    inputs: [[3, 3, 3, 1]],
    expected: "ok",
  },
  {
    name: "max(2x, y) at a tie, to the left",
    kind: "tie",
    value: ([x, y]) => Math.max(2 * x[0], y[0]) + x[1],
    gradient: ([x, y]) => [[2 * x[0] >= y[0] ? 2 : 0, 1], [2 * x[0] >= y[0] ? 0 : 1]],
    inputs: [[1.5, 1], [3]],
    expected: "ok",
  },
  {
    name: "differences of maxima that are tied, to the first of each",
    kind: "tie",
    value: ([x]) => Math.max(x[0], x[1]) - Math.max(x[0], x[2]) + x[3],
    gradient: ([x]) => [[
      (x[0] >= x[1] ? 1 : 0) - (x[0] >= x[2] ? 1 : 0),
      x[0] >= x[1] ? 0 : 1,
      x[0] >= x[2] ? 0 : -1,
      1,
    ]],
    inputs: [[1, 1, 1, 2]],
    expected: "not wrong",
  },
  {
    name: "the overlap of a box with itself",
    kind: "tie",
    value: iou,
    gradient: iouGradient,
    inputs: [[0, 0, 1, 2], [0, 0, 1, 2]],
    expected: "not wrong",
  },
  // Equal numbers that the median does not move with one by one.
  ...Object.entries<Map1Of>({
    "everything to one of them": (x) => (_, i) => (isMedian(x, i) ? 1 : 0),
    "a share to each": (x) => (v) => (v === median([Float64Array.from(x)]) ? 1 / 5 : 0),
  }).flatMap(([name, slope]) =>
    (["float64", "float32"] as const).map((precision): PlainCase => ({
      name: `a median of equal numbers that gives ${name}, in ${precision}`,
      kind: "tie",
      value: median,
      gradient: ([x]) => [map(x, slope(x))],
      inputs: [[0.3, 0.3, 0.3, 0.3, 0.3, 2]],
      options: { precision },
      expected: "ok",
    }))
  ),
  {
    name: "a sorted vector with equal numbers, weighted up and down",
    kind: "tie",
    value: ([x]) => orderOf(x).reduce((total, i, k) => total + [0.02, 130, 0.01, -3, 0.2, 70][k] * x[i], 0),
    gradient: ([x]) => [map(x, (_, i) => [0.02, 130, 0.01, -3, 0.2, 70][orderOf(x).indexOf(i)])],
    inputs: [[1, -1, -2, -2, -1, -1]],
    expected: "not wrong",
  },
  {
    name: "a cross entropy of the second of three least numbers",
    kind: "tie",
    value: ([x]) => logSumExp(x) - x[orderOf(x)[1]],
    gradient: ([x]) => [map(softmax(x), (p, i) => p - (orderOf(x)[1] === i ? 1 : 0))],
    inputs: [[-1.2, -1.2, -1.2, 2.5]],
    expected: "ok",
  },
  {
    name: "total variation of an image with flat parts",
    kind: "tie",
    value: ([x]) => sum(map(x, (v, i) => (i === 0 ? 0 : Math.abs(v - x[i - 1])))),
    gradient: ([x]) => [
      map(x, (v, i) => (i === 0 ? 0 : Math.sign(v - x[i - 1])) - (i === x.length - 1 ? 0 : Math.sign(x[i + 1] - v))),
    ],
    inputs: [[1, 1, 2, 2, 2, 0, 3]],
    expected: "not wrong",
  },
  {
    name: "a norm at 0, with 0",
    kind: "kink",
    value: ([x, y]) => norm(x) + y[0] ** 2,
    gradient: ([x, y]) => [map(x, (v) => (norm(x) === 0 ? 0 : v / norm(x))), [2 * y[0]]],
    inputs: [[0, 0, 0], [1]],
    expected: "ok",
  },
  {
    name: "floor at whole numbers",
    kind: "kink",
    ...elementwise((x) => Math.floor(x) + x * x, (x) => 2 * x),
    inputs: [[1, 2.5, -3]],
    expected: "not wrong",
  },
  // Infinite slopes.
  {
    name: "a cube root at 0",
    kind: "infinite",
    ...elementwise(Math.cbrt, (x) => (x === 0 ? Infinity : Math.cbrt(x) / (3 * x))),
    inputs: [[0, 1, -8]],
    expected: "undecided",
  },
  {
    name: "a square root at 0",
    kind: "infinite",
    ...elementwise(Math.sqrt, (x) => 0.5 / Math.sqrt(x)),
    inputs: [[0, 4]],
    expected: "undecided",
  },
  {
    name: "x log |x| at 0",
    kind: "infinite",
    ...elementwise((x) => (x === 0 ? 0 : x * Math.log(Math.abs(x))), (x) => Math.log(Math.abs(x)) + 1),
    inputs: [[0, 1]],
    expected: "undecided",
  },
  {
    name: "a power of 1.5 at the end of its domain",
    kind: "edge",
    ...elementwise((x) => x ** 1.5, (x) => 1.5 * Math.sqrt(x)),
    inputs: [[0, 4]],
    expected: "not wrong",
  },
  {
    name: "square roots close to 0",
    kind: "edge",
    ...elementwise(Math.sqrt, (x) => 0.5 / Math.sqrt(x)),
    inputs: [[1e-12, 1e-300, 1e-6, 1]],
    expected: "ok",
  },
  // Saturation.
  {
    name: "softmax of large logits",
    kind: "saturation",
    value: ([x]) => softmax(x)[1],
    gradient: ([x]) => {
      const p = softmax(x);
      return [p.map((v, i) => p[1] * ((i === 1 ? 1 : 0) - v))];
    },
    inputs: normal(5, 30),
    expected: "not wrong",
  },
  {
    name: "the entropy of a sure softmax",
    kind: "saturation",
    value: ([x]) => -sum(softmax(x).map((p) => (p === 0 ? 0 : p * Math.log(p)))),
    gradient: ([x]) => {
      const p = softmax(x);
      const entropy = -sum(p.map((v) => (v === 0 ? 0 : v * Math.log(v))));
      return [p.map((v) => (v === 0 ? 0 : -v * (Math.log(v) + entropy)))];
    },
    inputs: normal(6, 20),
    expected: "not wrong",
  },
  {
    name: "log-sum-exp of large numbers",
    kind: "saturation",
    value: ([x]) => logSumExp(x),
    gradient: ([x]) => [softmax(x)],
    inputs: [[1000, 999, 900, 998.5]],
    expected: "ok",
  },
  {
    name: "sigmoids, saturated",
    kind: "saturation",
    ...elementwise(sigmoid, (x) => sigmoid(x) * (1 - sigmoid(x))),
    inputs: [[-40, 40, 0.3, 700, -700, 20]],
    expected: "ok",
  },
  {
    name: "tanh, saturated",
    kind: "saturation",
    ...elementwise(Math.tanh, (x) => 1 - Math.tanh(x) ** 2),
    inputs: [[-30, 30, 10, 0.1, 18]],
    expected: "ok",
  },
  {
    name: "softplus of large numbers",
    kind: "saturation",
    ...elementwise((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), sigmoid),
    inputs: [[500, -500, 30, -30, 0]],
    expected: "ok",
  },
  {
    name: "binary cross-entropy of sure predictions",
    kind: "saturation",
    ...elementwise(
      (x, i) => Math.max(x, 0) - x * (i % 2) + Math.log1p(Math.exp(-Math.abs(x))),
      (x, i) => sigmoid(x) - (i % 2),
    ),
    inputs: normal(8, 25),
    expected: "not wrong",
  },
  // Chaos, oscillations and staircases.
  {
    name: "the logistic map, 40 times",
    kind: "chaos",
    ...elementwise((x) => logistic(x, 40)[0], (x) => logistic(x, 40)[1]),
    inputs: uniform(3, 0.05, 0.95),
    expected: "not wrong",
  },
  {
    name: "the logistic map, 20 times",
    kind: "chaos",
    ...elementwise((x) => logistic(x, 20)[0], (x) => logistic(x, 20)[1]),
    inputs: uniform(3, 0.05, 0.95),
    expected: "not wrong",
  },
  {
    name: "a ripple on a line",
    kind: "oscillation",
    ...elementwise((x) => x + Math.sin(1e6 * x) / 1e6, (x) => 1 + Math.cos(1e6 * x)),
    inputs: uniform(4, -2, 2),
    expected: "not wrong",
  },
  {
    name: "sin(1e4 x)",
    kind: "oscillation",
    ...elementwise((x) => Math.sin(1e4 * x), (x) => 1e4 * Math.cos(1e4 * x)),
    inputs: uniform(4, -2, 2),
    expected: "ok",
  },
  {
    name: "sin(1 / x) close to 0",
    kind: "oscillation",
    ...elementwise((x) => Math.sin(1 / x), (x) => -Math.cos(1 / x) / x ** 2),
    inputs: [[1e-3, 0.01, -2e-4]],
    expected: "ok",
  },
  {
    name: "rounding, with 0",
    kind: "staircase",
    ...elementwise(Math.round, () => 0),
    inputs: uniform(4, -3, 3),
    expected: "ok",
  },
  {
    name: "a quantiser of 8 steps, with 0",
    kind: "staircase",
    ...elementwise((x) => Math.round(8 * x) / 8, () => 0),
    inputs: uniform(4, -3, 3),
    expected: "ok",
  },
  {
    name: "a quantiser of 255 steps, with 0",
    kind: "staircase",
    ...elementwise((x) => Math.round(255 * x) / 255, () => 0),
    inputs: uniform(4, 0, 1),
    expected: "not wrong",
  },
  {
    name: "a quantiser of 1e5 steps, with 0",
    kind: "staircase",
    ...elementwise((x) => Math.round(1e5 * x) / 1e5, () => 0),
    inputs: uniform(4, 0.1, 1),
    expected: "not wrong",
  },
  {
    name: "a quantiser exactly on its jump, with 0",
    kind: "staircase",
    ...elementwise((x) => Math.round(x) + 3 * x, () => 3),
    inputs: [[0.5, 1.5, 0.2]],
    expected: "not wrong",
  },
  // Cancellation.
  ...[1e-2, 1e-3, 1e-4, 1e-5].map((x): PlainCase => ({
    name: `(1 - cos x) / x^2 at ${x}`,
    kind: "cancellation",
    ...elementwise(
      (x) => (1 - Math.cos(x)) / x ** 2,
      (x) => -x / 12 + x ** 3 / 180,
    ),
    inputs: [[x]],
    expected: "not wrong",
  })),
  {
    name: "a zero beside 1e12",
    kind: "cancellation",
    value: ([x]) => sum(x),
    gradient: ([x]) => [map(x, () => 1)],
    inputs: [[1e12, 0, 1]],
    expected: "not wrong",
  },
  {
    name: "the square of a zero beside 1e12",
    kind: "cancellation",
    value: ([x]) => sum(map(x, (v) => v * v)),
    gradient: ([x]) => [map(x, (v) => 2 * v)],
    inputs: [[1e12, 0]],
    expected: "not wrong",
  },
  ...[1e8, 1e10, 1e12].map((large): PlainCase => ({
    name: `${large} added and taken away`,
    kind: "cancellation",
    ...elementwise((x) => (large + x) - large, () => 1),
    inputs: [[0.3, 1, -2.7]],
    expected: "not wrong",
  })),
  {
    name: "1e12 + x squared",
    kind: "cancellation",
    value: ([x]) => 1e12 + x[0] ** 2,
    gradient: ([x]) => [[2 * x[0]]],
    inputs: uniform(1, 0.5, 3),
    expected: "not wrong",
  },
  {
    name: "a variance as a difference of squares",
    kind: "cancellation",
    value: ([x]) => sum(map(x, (v) => v * v)) / x.length - (sum(x) / x.length) ** 2,
    gradient: ([x]) => {
      const mean = sum(x) / x.length;
      return [map(x, (v) => 2 * (v - mean) / x.length)];
    },
    inputs: (random) => [map(uniform(5, 0, 1)(random)[0], (v) => v + 1e4)],
    expected: "not wrong",
  },
  {
    name: "exp(x) - 1 - x close to 0",
    kind: "cancellation",
    ...elementwise((x) => Math.exp(x) - 1 - x, (x) => Math.expm1(x)),
    inputs: [[1e-6, 1e-3, 1e-9]],
    expected: "not wrong",
  },
  {
    name: "the roots of a quadratic, by the formula that cancels",
    kind: "cancellation",
    value: ([x]) => -x[0] + Math.sqrt(x[0] * x[0] - x[1]),
    gradient: ([x]) => {
      const root = Math.sqrt(x[0] * x[0] - x[1]);
      return [[-1 + x[0] / root, -0.5 / root]];
    },
    inputs: [[1e5, 1]],
    expected: "not wrong",
  },
  // Scales.
  {
    name: "squares from 1e-8 to 1e8",
    kind: "scale",
    ...elementwise((x) => x * x, (x) => 2 * x),
    inputs: [[1e-8, -1e-4, 1, -3e4, 1e8]],
    expected: "not wrong",
  },
  {
    name: "logarithms from 1e-8 to 1e8",
    kind: "scale",
    ...elementwise((x) => Math.log(x), (x) => 1 / x),
    inputs: [[1e-8, 1e-4, 1, 3e4, 1e8]],
    expected: "ok",
  },
  {
    name: "a product of tiny and huge numbers",
    kind: "scale",
    value: ([x]) => x[0] ** 2 * x[1],
    gradient: ([x]) => [[2 * x[0] * x[1], x[0] ** 2]],
    inputs: [[1e-6, 1e6]],
    expected: "ok",
  },
  {
    name: "exponentials that span 100 orders of magnitude",
    kind: "scale",
    ...elementwise((x) => Math.exp(x), (x) => Math.exp(x)),
    inputs: [[-100, -1, 0, 1, 100]],
    expected: "not wrong",
  },
  ...[1e-8, 1e-4, 1e4, 1e8].map((size): PlainCase => ({
    name: `cubes at ${size}`,
    kind: "scale",
    ...elementwise((x) => x ** 3, (x) => 3 * x ** 2),
    inputs: [[size, -2 * size, 3 * size]],
    expected: "ok",
  })),
  // The rounding of the gradient itself.
  ...[4, 5, 6].map((n): PlainCase => ({
    name: `the determinant of the Hilbert matrix of ${n} rows`,
    kind: "gradient rounding",
    value: ([x]) => determinant(x, n),
    gradient: ([x]) => [cofactors(x, n)],
    inputs: [hilbert(n)],
    modes: n === 6 ? ["fast"] : ["full", "fast"],
    expected: "not wrong",
  })),
  {
    name: "a gradient in float32 of a value in float64",
    kind: "gradient rounding",
    value: ([x]) => sum(map(x, (v) => Math.exp(v) * Math.sin(v))),
    gradient: ([x]) => [Float32Array.from(x, (v) => Math.exp(v) * (Math.sin(v) + Math.cos(v)))],
    inputs: normal(10),
    expected: "ok",
  },
  {
    name: "a gradient computed in float32, with cancellation",
    kind: "gradient rounding",
    value: ([x]) => sum(map(x, (v) => v - Math.sin(v))),
    gradient: ([x]) => [Float32Array.from(x, (v) => f32(1 - f32(Math.cos(v))))],
    inputs: uniform(6, 0.01, 0.5),
    expected: "not wrong",
  },
  {
    name: "layer normalisation with a gradient in float32",
    kind: "gradient rounding",
    value: ([x]) => sum(normalised(x).y.map((v, i) => v * weightOf(i))),
    gradient: ([x]) => {
      const { y, deviation } = normalised(x);
      const w = map(x, (_, i) => weightOf(i));
      const mean = sum(w) / w.length, along = sum(w.map((v, i) => v * y[i])) / w.length;
      return [Float32Array.from(w, (v, i) => (v - mean - y[i] * along) / deviation)];
    },
    inputs: normal(12),
    expected: "not wrong",
  },
  {
    name: "a fixed point, iterated to 1e-12",
    kind: "gradient rounding",
    ...elementwise((a) => fixedPoint(a, 1e-12)[0], (a) => fixedPoint(a, 1e-12)[1]),
    inputs: uniform(3, 0.5, 1.2),
    expected: "not wrong",
  },
  {
    name: "a fixed point, iterated to 1e-6, with a tolerance of 1e-4",
    kind: "gradient rounding",
    ...elementwise((a) => fixedPoint(a, 1e-6)[0], (a) => fixedPoint(a, 1e-6)[1]),
    inputs: uniform(3, 0.5, 1.2),
    options: { tolerance: 1e-4 },
    expected: "not wrong",
  },
  {
    name: "a square root by Newton's iterations, differentiated through them",
    kind: "gradient rounding",
    ...elementwise((x) => {
      let y = x;
      for (let i = 0; i < 20; i++) y = (y + x / y) / 2;
      return y;
    }, (x) => 0.5 / Math.sqrt(x)),
    inputs: uniform(4, 0.5, 20),
    expected: "ok",
  },
  {
    name: "a gradient by complex steps of 1e-9",
    kind: "gradient rounding",
    source: "gradients by differences of the function itself",
    ...elementwise((x) => Math.exp(x), (x) => (Math.exp(x + 1e-5) - Math.exp(x - 1e-5)) / 2e-5),
    inputs: normal(4),
    options: { tolerance: 1e-8 },
    expected: "ok",
  },
  // Float32.
  {
    name: "a sum of 100 exponentials in float32",
    kind: "float32",
    ...elementwise32((x) => f32(Math.exp(x)), Math.exp),
    inputs: normal(100),
    options: { precision: "float32" },
    expected: "not wrong",
  },
  {
    name: "products in float32",
    kind: "float32",
    value: ([x]) => f32(f32(x[0] * x[0]) * x[1]),
    gradient: ([x]) => [[2 * x[0] * x[1], x[0] ** 2]],
    inputs: uniform(2, 0.3, 2),
    options: { precision: "float32" },
    expected: "ok",
  },
  {
    name: "1e6 added and taken away in float32",
    kind: "float32",
    value: ([x]) => f32(f32(x[0] + 1e6) - 1e6),
    gradient: () => [[1]],
    inputs: uniform(1, 0.1, 3),
    options: { precision: "float32" },
    expected: "not wrong",
  },
  {
    name: "log-sum-exp in float32",
    kind: "float32",
    value: ([x]) => f32(logSumExp(x)),
    gradient: ([x]) => [softmax(x)],
    inputs: normal(6, 5),
    options: { precision: "float32" },
    expected: "not wrong",
  },
  {
    name: "exponentials in float32, lost beside one that is added and taken away",
    kind: "float32",
    value: ([[x, y, large]]) => {
      const [a, b, c] = [x, y, large].map((v) => f32(Math.exp(Math.min(30, v))));
      return f32(f32(f32(a + b) + c) - c);
    },
    gradient: ([[x, y]]) => [Float32Array.of(Math.exp(x), Math.exp(y), 0)],
    inputs: [[-1, 0.17645257711410522, 27.851625442504883]],
    options: { precision: "float32" },
    expected: "not wrong",
  },
  // Its partial sums cross powers of two, so that their rounding jumps.
  {
    name: "a sum of 100 sines in float32",
    kind: "float32",
    ...elementwise32((x) => f32(Math.sin(x)), Math.cos),
    inputs: uniform(100, -1, 1),
    options: { precision: "float32" },
    expected: "ok",
  },
  // Along directions of even effects the first moves by less than its last place, and the window is narrow.
  {
    name: "a fast oscillation in float32 beside a small slope",
    kind: "float32",
    value: ([[x, y]]) => {
      const t = f32(sigmoid(y)), s = f32(Math.sin(105.23296939209104 * x));
      const cube = f32(s * s * s), both = f32(t * cube), all = f32(cube + both);
      return [x, y, t, s, cube, both, all, f32(all - y)].reduce((sum, v) => f32(sum + v), 0);
    },
    gradient: ([[x, y]]) => {
      const t = sigmoid(y), s = Math.sin(105.23296939209104 * x);
      const slope = 105.23296939209104 * Math.cos(105.23296939209104 * x);
      return [Float32Array.of(1 + slope * (1 + 9 * s * s * (1 + t)), t * (1 - t) * (1 + 3 * s * s * s))];
    },
    inputs: [[-1.4215586185455322, -0.5461788773536682]],
    options: { precision: "float32" },
    expected: "not wrong",
  },
  {
    name: "exponentials in float32 of an approximation whose error is smooth",
    kind: "float32",
    ...elementwise32((x) => f32(Math.exp(x) * (1 + 2e-7 * Math.sin(3 * x))), Math.exp),
    inputs: uniform(10, -2, 2),
    options: { precision: "float32" },
    expected: "ok",
  },
  {
    name: "relu in float32 at 0 and beside",
    kind: "float32",
    ...elementwise32(relu, (x) => (x > 0 ? 1 : 0)),
    inputs: [[0, 1, 1e-30, -1e-30, -2]],
    options: { precision: "float32" },
    expected: "ok",
  },
  {
    name: "a value in float32 that nobody mentions",
    kind: "float32",
    ...elementwise32((x) => f32(x * x), (x) => 2 * x),
    inputs: uniform(5, 0.3, 2),
    expected: "not wrong",
  },
  {
    name: "a square in float32 at sizes from 1e-6 to 1e6",
    kind: "float32",
    ...elementwise32((x) => f32(x * x), (x) => 2 * x),
    inputs: sizes(6, -6, 6),
    options: { precision: "float32" },
    expected: "not wrong",
  },
  // Fast mode.
  {
    name: "20,000 sines",
    kind: "fast mode",
    ...elementwise(Math.sin, Math.cos),
    inputs: normal(20000),
    modes: ["fast"],
    expected: "ok",
  },
  {
    name: "relu of 30,000 elements, some of them 0",
    kind: "fast mode",
    ...elementwise(relu, (x) => (x > 0 ? 1 : 0)),
    inputs: (random) => [map(normal(30000)(random)[0], (v, i) => (i % 997 === 0 ? 0 : v))],
    modes: ["fast"],
    expected: "ok",
  },
  {
    name: "3,000 squares of many sizes",
    kind: "fast mode",
    ...elementwise((x) => x * x, (x) => 2 * x),
    inputs: sizes(3000, -8, 8),
    modes: ["fast"],
    expected: "not wrong",
  },
  // A large term changes by a few roundings alone, which no number of values averages out.
  ...[[2e-6, 4e-7, 7e-7], [-1.41e-6, -8.97e-7, 9.66e-7]].map((x): PlainCase => ({
    name: `a term of 400 that hardly moves, at ${x[0]}`,
    kind: "fast mode",
    value: ([x]) =>
      6 * x[2] + Math.exp(1.8 + x[0] + Math.hypot(x[1], x[2], 0.1)) - 0.34 * Math.hypot(403, Math.sin(0.6 + x[2])),
    gradient: ([x]) => {
      const r = Math.hypot(x[1], x[2], 0.1), u = Math.exp(1.8 + x[0] + r), s = Math.sin(0.6 + x[2]);
      return [[u, u * x[1] / r, 6 + u * x[2] / r - 0.34 * s * Math.cos(0.6 + x[2]) / Math.hypot(403, s)]];
    },
    inputs: [x],
    modes: ["fast"],
    expected: "not wrong",
  })),
  {
    name: "sin(30 x) of 3,000 elements",
    kind: "fast mode",
    ...elementwise((x) => Math.sin(30 * x), (x) => 30 * Math.cos(30 * x)),
    inputs: normal(3000),
    modes: ["fast"],
    expected: "ok",
  },
  {
    name: "maxima over pairs of 4,000 elements, close to each other",
    kind: "fast mode",
    value: ([x]) => {
      let total = 0;
      for (let i = 0; i < x.length; i += 2) total += Math.max(x[i], x[i + 1]);
      return total;
    },
    gradient: ([x]) => [map(x, (v, i) => (v > x[i ^ 1] || (v === x[i ^ 1] && i % 2 === 0) ? 1 : 0))],
    inputs: (random) => [map(normal(4000)(random)[0], (v) => Math.round(v * 50) / 50)],
    modes: ["fast"],
    expected: "not wrong",
  },
];
