/** Right gradients of smooth functions on which checkers stumble: saturation, chaos, cancellation, sizes, empty axes. */
import {
  abs,
  add,
  atan,
  binaryCrossEntropyWithLogits,
  broadcastTo,
  concat,
  cos,
  crossEntropy,
  div,
  erf,
  exp,
  expm1,
  flip,
  gather,
  grad,
  iouMatrix,
  log,
  log1p,
  logSigmoid,
  logSoftmax,
  logSumExp,
  matmul,
  max,
  mean,
  mul,
  neg,
  pad,
  pow,
  prod,
  reshape,
  scatterAdd,
  sigmoid,
  sin,
  slice,
  softmax,
  softplus,
  sqrt,
  square,
  stack,
  sub,
  sum,
  take,
  tanh,
  type Tensor,
  tensor,
  transpose,
  unsqueeze,
} from "../../../../mod.ts";
import {
  both,
  type Case,
  every,
  fast,
  listed,
  matrix,
  numbers,
  positive,
  second,
  seeds,
  square3,
  vector,
} from "../case.ts";

const ok = ["ok"] as const;
const settled = ["ok", "undecided"] as const;
const centred = (x: Tensor) => sub(x, mean(x));
const at = (x: Tensor, ...index: number[]) => slice(x, index);
const repeat = (times: number, step: (x: Tensor) => Tensor) => (x: Tensor) => {
  for (let i = 0; i < times; i++) x = step(x);
  return x;
};

const saturated = listed("saturation", ok, {
  "softmax of logits beyond 30": { f: (x) => softmax(x), inputs: [[35, -35, 0]], checks: every },
  "softmax of logits of 100": { f: (x) => softmax(x), inputs: [[100, 0, -100]], checks: every },
  "softmax of equal logits": { f: (x) => softmax(x), inputs: [[3, 3, 3]], checks: every },
  "the logarithm of softmax of logits of 100": { f: (x) => logSoftmax(x), inputs: [[100, 0, -100]], checks: every },
  "the logarithm of softmax of logits of 1000": {
    source: "clab/dynet#218",
    f: (x) => logSoftmax(x),
    inputs: [[1000, 0, -1000]],
    checks: every,
  },
  "a sum of exponentials of 1000": { f: (x) => logSumExp(x), inputs: [[1000, 999, -1000]], checks: every },
  "the entropy of a softmax": {
    f: (x) => {
      const l = logSoftmax(x);
      return neg(sum(mul(exp(l), l)));
    },
    inputs: [[20, 0, -20]],
    checks: every,
  },
  "the entropy of a saturated softmax": {
    f: (x) => {
      const l = logSoftmax(x);
      return neg(sum(mul(exp(l), l)));
    },
    inputs: [[60, 0, -60]],
    checks: every,
    accepts: settled,
    because: "along directions nothing but rounding is left",
  },
  "a cross entropy of sure logits": {
    f: (x) => crossEntropy(x, [0, 2], { axis: 1 }),
    inputs: [[[40, -3, 2], [50, 0, -50]]],
    checks: every,
  },
  "a cross entropy of sure logits that are wrong": {
    f: (x) => crossEntropy(x, [1, 0], { axis: 1 }),
    inputs: [[[40, -3, 2], [-50, 0, 50]]],
    checks: every,
  },
  "softplus at both ends": { f: (x) => softplus(x), inputs: [[50, -50, 0, 800, -800]], checks: every },
  "a sigmoid's tail": {
    source: "jax-ml/jax#40342",
    f: (x) => sigmoid(x),
    inputs: [[40, -40, 0]],
    checks: every,
    accepts: settled,
    because: "the derivative at 40 is below what 1 - sigmoid(x) can show",
  },
  "the logarithm of a sigmoid at both ends": { f: (x) => logSigmoid(x), inputs: [[40, -40, 800, -800]], checks: every },
  "a tangent's tail": {
    source: "jax-ml/jax#40315",
    f: (x) => tanh(x),
    inputs: [[15, -15, 0.1]],
    checks: every,
    accepts: settled,
    because: "the derivative at 15 is below what 1 - tanh(x)^2 can show",
  },
  "a flat tangent": { f: (x) => tanh(x), inputs: [[400, -400, 0.1]], checks: every },
  "binary cross entropies of logits of 100": {
    f: (x) => binaryCrossEntropyWithLogits(x, [1, 0, 1, 0.5]),
    inputs: [[100, 100, -100, 30]],
    checks: every,
  },
  "an error function's tail": { f: (x) => erf(x), inputs: [[5, -6, 0.1]], checks: every },
  "an error function that is 1 in doubles": { f: (x) => erf(x), inputs: [[-9, -6.1, 6.1, 9]], checks: every },
  "gelu where the error function is 1 in doubles": {
    f: (x) => mul(mul(0.5, x), add(1, erf(div(x, Math.SQRT2)))),
    inputs: [[-9, -6.1, 6.1, 9]],
    checks: every,
  },
  "exponentials of -50 and 50": { f: (x) => exp(x), inputs: [[-50, 50, 0]], checks: every },
  "a bell's tail": { f: (x) => exp(neg(square(x))), inputs: [[6, 8, 0.5]], checks: every },
  "a focal loss of sure predictions": {
    f: (x) => neg(mul(square(sub(1, sigmoid(x))), logSigmoid(x))),
    inputs: [[10, -10, 0]],
    checks: every,
  },
  "a logarithm of small probabilities": { f: (x) => log(add(softmax(x), 1e-12)), inputs: [[30, 0, -3]], checks: every },
  "swish and gelu far out": {
    f: (x) => concat([mul(x, sigmoid(x)), mul(mul(0.5, x), add(1, erf(div(x, Math.SQRT2))))]),
    inputs: [[-12, 12, 0]],
    checks: every,
  },
});

const wild = listed("chaos and fast oscillation", settled, {
  "the logistic map 40 times": {
    f: repeat(40, (x) => mul(mul(3.9, x), sub(1, x))),
    inputs: [[0.3, 0.41, 0.77]],
    checks: both,
    because: "differences see nothing, and duals say that the gradient is right",
  },
  "the logistic map 20 times, at order 2": {
    f: repeat(20, (x) => mul(mul(3.7, x), sub(1, x))),
    inputs: [[0.3, 0.41]],
    checks: second,
    because: "rounding grows a millionfold",
  },
  "a small fast sine": {
    f: (x) => add(x, div(sin(mul(1e6, x)), 1e6)),
    inputs: [[0.3, 1.1, -0.7]],
    checks: both,
    because: "the derivative turns within any step",
  },
  "a sine of 1e4 x": {
    f: (x) => sin(mul(1e4, x)),
    inputs: [[0.3, 1.1, -0.7]],
    checks: both,
    because: "the derivative turns within any step",
  },
  "the Henon map 15 times": {
    f: (x, y) => {
      for (let i = 0; i < 15; i++) [x, y] = [add(sub(1, mul(1.4, square(x))), y), mul(0.3, x)];
      return add(x, y);
    },
    inputs: [[0.1, 0.2], [0.3, 0.1]],
    checks: both,
    because: "rounding grows a thousandfold",
  },
  "a sine of an exponential": {
    f: (x) => sin(exp(x)),
    inputs: [[5, 7, -1]],
    checks: both,
    because: "the derivative turns within any step",
  },
  "a pole 1e-6 away": {
    f: (x) => div(1, sub(x, 1)),
    inputs: [[1 + 1e-6, 2]],
    checks: both,
    because: "the step has to be shorter than the distance",
  },
  "a pendulum of 30 steps": {
    f: (x, v) => {
      for (let i = 0; i < 30; i++) {
        v = sub(v, mul(0.1, sin(x)));
        x = add(x, mul(0.1, v));
      }
      return add(x, v);
    },
    inputs: [[1, 3.1], [0, 0.01]],
    checks: both,
    because: "close to its upper equilibrium a pendulum is unstable",
  },
  "Rastrigin's function": {
    f: (x) => sum(sub(square(x), mul(10, cos(mul(2 * Math.PI, x))))),
    inputs: [vector],
    checks: every,
    because: "many minima",
  },
});

const cancelling = listed("cancellation", settled, {
  "(1 - cos x) / x^2 at 1e-4": {
    f: (x) => div(sub(1, cos(x)), square(x)),
    inputs: [[1e-4, 1]],
    checks: both,
    because: "eight digits are left",
  },
  "(1 - cos x) / x^2 at 1e-6": {
    f: (x) => div(sub(1, cos(x)), square(x)),
    inputs: [[1e-6, 1]],
    checks: both,
    because: "four digits are left",
  },
  "(exp(x) - 1) / x at 1e-6": {
    f: (x) => div(sub(exp(x), 1), x),
    inputs: [[1e-6, 1]],
    checks: both,
    because: "ten digits are left",
  },
  "expm1(x) / x at 1e-9": {
    f: (x) => div(expm1(x), x),
    inputs: [[1e-9, 1]],
    checks: both,
    because: "the two terms of the derivative cancel",
  },
  "log(1 + x) at 1e-8": {
    f: (x) => log(add(1, x)),
    inputs: [[1e-8, 1]],
    checks: both,
    because: "eight digits are left",
  },
  "log1p at 1e-12": { f: (x) => log1p(x), inputs: [[1e-12, -1e-12, 1]], checks: every, because: "nothing cancels" },
  "the difference of two square roots at 1e8": {
    f: (x) => sub(sqrt(add(x, 1)), sqrt(x)),
    inputs: [[1e8, 2]],
    checks: both,
    because: "eight digits are left",
  },
  "a zero beside 1e12": {
    f: (x, y) => add(sum(x), sum(y)),
    inputs: [[1e12], [0, 1e-6]],
    checks: both,
    because: "the sum holds four digits of what is small",
  },
  "1e12 + x": { f: (x) => add(1e12, x), inputs: [[1, 2]], checks: both, because: "the sum holds four digits" },
  "1e12 + x^2": {
    f: (x) => add(1e12, square(x)),
    inputs: [[1.775, -0.3]],
    checks: both,
    because: "the sum holds four digits",
  },
  "1e16 added and taken off": {
    f: (x) => sub(add(x, 1e16), 1e16),
    inputs: [[1, 2.5]],
    checks: both,
    because: "nothing is left of x",
  },
  "a variance of numbers near 1e4, by squares": {
    f: (x) => sub(mean(square(x)), square(mean(x))),
    inputs: [[1e4, 1e4 + 1, 1e4 - 1]],
    checks: both,
    because: "eight digits are left",
  },
  "sin^2 + cos^2": {
    f: (x) => add(square(sin(x)), square(cos(x))),
    inputs: [vector],
    checks: every,
    because: "the derivative is 0, and what is computed is rounding",
  },
  "the sum of a softmax": {
    f: (x) => sum(softmax(x)),
    inputs: [vector],
    checks: every,
    because: "the derivative is 0, and what is computed is rounding",
  },
  "the sum of what is centred": {
    f: (x) => sum(centred(x)),
    inputs: [vector],
    checks: both,
    because: "the derivative is 0, and what is computed is rounding",
  },
  "x - x": { f: (x) => sub(x, x), inputs: [vector], checks: both, because: "the derivative is 0" },
  "x times 0": { f: (x) => mul(x, 0), inputs: [vector], checks: both, because: "the derivative is 0" },
  "exp(x) exp(-x)": {
    f: (x) => mul(exp(x), exp(neg(x))),
    inputs: [[0.3, 10, -20]],
    checks: every,
    because: "the derivative is 0, and what is computed is rounding",
  },
  "a thin triangle's area": {
    f: (x) => {
      const [a, b, c] = [0, 1, 2].map((i) => at(x, i));
      const s = mul(0.5, add(add(a, b), c));
      return sqrt(mul(mul(s, sub(s, a)), mul(sub(s, b), sub(s, c))));
    },
    inputs: [[1, 1, 1e-4]],
    because: "half of the digits cancel",
  },
  "a small root of a quadratic": {
    f: (x) => {
      const [a, b, c] = [0, 1, 2].map((i) => at(x, i));
      return div(sub(sqrt(sub(square(b), mul(4, mul(a, c)))), b), mul(2, a));
    },
    inputs: [[1, 1e5, 1]],
    because: "ten digits cancel",
  },
  "a distance of points that are close": {
    f: (x, y) => sqrt(sum(square(sub(x, y)))),
    inputs: [[1, 2], [1 + 1e-7, 2 - 1e-7]],
    checks: both,
    because: "the curvature is 1e7",
  },
  "the great circle between close points": {
    f: (x) => {
      const [p, q, l] = [0, 1, 2].map((i) => at(x, i));
      const h = add(square(sin(mul(0.5, sub(p, q)))), mul(mul(cos(p), cos(q)), square(sin(mul(0.5, l)))));
      return mul(2, atan(sqrt(div(h, sub(1, h)))));
    },
    inputs: [[0.5, 0.5 + 1e-6, 1e-6]],
    because: "the curvature is 1e6",
  },
});

const determinant3 = (m: Tensor) => {
  const e = (i: number, j: number) => at(m, i, j);
  const minor = (a: number, b: number) => sub(mul(e(1, a), e(2, b)), mul(e(1, b), e(2, a)));
  return add(sub(mul(e(0, 0), minor(1, 2)), mul(e(0, 1), minor(0, 2))), mul(e(0, 2), minor(0, 1)));
};
const hilbert = [1, 2, 3].map((i) => [0, 1, 2].map((j) => 1 / (i + j)));
const spd = [[2, 0.3], [0.3, 1]];

const algebra = listed("linear algebra", ok, {
  "a determinant": { f: determinant3, inputs: [square3], checks: every },
  "the determinant of a Hilbert matrix": {
    f: determinant3,
    inputs: [hilbert],
    checks: both,
    accepts: settled,
    because: "it is 1e-4 of its terms",
  },
  "a determinant that is 0": { f: determinant3, inputs: [[[1, 2, 3], [2, 4, 6], [0, 1, 5]]], checks: both },
  "the logarithm of a determinant": { f: (m) => log(abs(determinant3(m))), inputs: [square3], checks: every },
  "an inverse by cofactors": {
    f: (m) => {
      const [a, b, c, d] = [at(m, 0, 0), at(m, 0, 1), at(m, 1, 0), at(m, 1, 1)];
      return div(stack([d, neg(b), neg(c), a]), sub(mul(a, d), mul(b, c)));
    },
    inputs: [[[1, 2], [3, 4.5]]],
    checks: every,
  },
  "an inverse that is nearly singular": {
    f: (m) => {
      const [a, b, c, d] = [at(m, 0, 0), at(m, 0, 1), at(m, 1, 0), at(m, 1, 1)];
      return div(stack([d, neg(b), neg(c), a]), sub(mul(a, d), mul(b, c)));
    },
    inputs: [[[1, 2], [2, 4 + 1e-5]]],
    accepts: settled,
    because: "the step has to be shorter than the distance to the singular one",
  },
  "a quadratic form": { f: (x) => sum(mul(x, matmul(tensor(square3), x))), inputs: [[0.7, -1.3, 2.1]], checks: every },
  "a product of three matrices": {
    f: (a, b) => matmul(matmul(a, b), transpose(a)),
    inputs: [matrix, square3],
    checks: every,
  },
  "a batch of products with a shared matrix": {
    f: (a, b) => matmul(a, b),
    inputs: [[matrix, matrix], square3],
    checks: every,
  },
  "the greatest eigenvalue, by 10 steps": {
    f: (m) => {
      let x = tensor([1, 0.5]);
      for (let i = 0; i < 10; i++) {
        x = matmul(m, x);
        x = div(x, sqrt(sum(square(x))));
      }
      return sum(mul(x, matmul(m, x)));
    },
    inputs: [spd],
    checks: both,
  },
  "a square root by Newton's method": {
    f: (x) => {
      let y = add(x, 0);
      for (let i = 0; i < 6; i++) y = mul(0.5, add(y, div(x, y)));
      return y;
    },
    inputs: [positive],
    checks: every,
  },
  "a balanced matrix, by five rounds": {
    f: (x) => {
      let m = exp(x);
      for (let i = 0; i < 5; i++) {
        m = div(m, sum(m, 1, { keepDims: true }));
        m = div(m, sum(m, 0, { keepDims: true }));
      }
      return m;
    },
    inputs: [matrix],
    checks: both,
  },
  "a Cholesky factor": {
    f: (m) => {
      const a = sqrt(at(m, 0, 0));
      const b = div(at(m, 1, 0), a);
      return stack([a, b, sqrt(sub(at(m, 1, 1), square(b)))]);
    },
    inputs: [spd],
    checks: every,
  },
  "attention": {
    f: (q, k, v) => matmul(softmax(div(matmul(q, transpose(k)), Math.sqrt(3)), 1), v),
    inputs: [matrix, [[1, 0.5, -1], [0.3, 2, 0.2]], [[0.1, 1], [2, -1]]],
    checks: every,
  },
});

const scaled = listed("sizes from 1e-8 to 1e8 and beyond", ok, {
  ...Object.fromEntries([1e-30, 1e-8, 1e-4, 1e4, 1e8, 1e30].flatMap((size) => [
    [`squares of numbers of ${size}`, { f: (x: Tensor) => sum(square(x)), inputs: [[size, -2 * size]], checks: every }],
    [`reciprocals of numbers of ${size}`, { f: (x: Tensor) => div(1, x), inputs: [[size, -2 * size]], checks: every }],
    [`logarithms of numbers of ${size}`, { f: (x: Tensor) => log(x), inputs: [[size, 2 * size]], checks: every }],
    [`roots of numbers of ${size}`, { f: (x: Tensor) => sqrt(x), inputs: [[size, 2 * size]], checks: every }],
  ])),
  "squares of numbers of all sizes": { f: (x) => sum(square(x)), inputs: [[1e-8, 1e-4, 1, 1e4, 1e8]], checks: both },
  "a product of numbers of all sizes": { f: (x) => prod(x), inputs: [[1e-8, 1e-4, 1, 1e4, 1e8]], checks: both },
  "weights of all sizes": {
    f: (x) => sum(mul(exp(x), tensor([1e-8, 1e-4, 1, 1e4, 1e8]))),
    inputs: [vector],
    checks: both,
  },
  "exponentials of small multiples": { f: (x) => exp(mul(1e-8, x)), inputs: [[1e8, -3e7, 1]], checks: every },
  "a small power near 0": { f: (x) => pow(x, 0.3), inputs: [[1e-10, 1]], checks: both },
  "1e-8 beside 1, squared": { f: (x) => mul(x, x), inputs: [[1e-8, 1]], checks: both },
  "results of 1e-20": { f: (x) => mul(1e-20, sin(x)), inputs: [vector], checks: every },
  "results of 1e20": { f: (x) => mul(1e20, sin(x)), inputs: [vector], checks: every },
  "an exponential of 1e-12": { f: (x) => exp(x), inputs: [[1e-12, -1e-15, 0]], checks: every },
  "a cubic at 0": { f: (x) => pow(x, 3), inputs: [[0, 1e-5, -1]], checks: both },
  "results of 1e-310": { f: (x) => mul(1e-310, x), inputs: [vector], checks: both },
  "a bell of 39": { f: (x) => exp(mul(-0.5, square(x))), inputs: [[39, 38, 1]], checks: both },
  "a length of 1e-160": { f: (x) => sqrt(sum(square(x))), inputs: [[3e-160, 4e-160]], checks: seeds(3, both) },
  "float32 numbers": { f: (x) => mul(sin(x), exp(x)), inputs: [Float32Array.from([0.1, 0.7, 2.3])], checks: every },
});

const one = [[0.7]];
const extents = listed("empty axes, single elements and many", ok, {
  "a sum over an empty axis, with something else": {
    f: (x, y) => add(sum(x), sum(square(y))),
    inputs: [{ shape: [0, 3], values: [] }, vector],
    checks: both,
  },
  "an empty batch beside a weight": {
    f: (x, w) => [matmul(x, w), square(w)],
    inputs: [{ shape: [0, 3], values: [] }, square3],
    checks: both,
  },
  "a concatenation with nothing": {
    f: (x, y) => exp(concat([x, y])),
    inputs: [{ shape: [0], values: [] }, vector],
    checks: both,
  },
  "a mean of one element": { f: (x) => mean(square(x), 1), inputs: [one], checks: every },
  "a softmax of one class": { f: (x) => softmax(x, 1), inputs: [one], checks: every },
  "a sum of one exponential": { f: (x) => logSumExp(x, 1), inputs: [one], checks: every },
  "the greatest of one": { f: (x) => max(mul(x, x), 1), inputs: [one], checks: every },
  "a cross entropy of one class": { f: (x) => crossEntropy(x, [0], { axis: 1 }), inputs: [one], checks: every },
  "a number": { f: (x) => mul(x, exp(x)), inputs: [0.7], checks: every },
  "a table of one row": { f: (x) => matmul(x, transpose(x)), inputs: [[[0.7, -1.3, 2.1]]], checks: every },
  "axes of length 1 everywhere": { f: (x, y) => mul(x, y), inputs: [[[[0.7]]], [[1], [2]]], checks: every },
  "a sum of 3000 exponentials": {
    f: (x) => sum(exp(x)),
    inputs: [numbers(3000, (random) => 2 * random() - 1)],
    checks: fast,
  },
  "a mean of 5000 squares": {
    f: (x) => mean(square(x)),
    inputs: [numbers(5000, (random) => 2 * random() - 1)],
    checks: fast,
  },
  "a logarithm of a sum of 2000 exponentials": {
    f: (x) => logSumExp(x),
    inputs: [numbers(2000, (random) => 6 * random())],
    checks: fast,
  },
  "sines of 1000 numbers": { f: (x) => sin(mul(30, x)), inputs: [numbers(1000, (random) => random())], checks: fast },
  "relus of 4000 numbers": {
    f: (x) => sum(mul(x, softplus(x))),
    inputs: [numbers(4000, (random) => 4 * random() - 2)],
    checks: fast,
  },
  "a product of 40 numbers": { f: (x) => prod(x), inputs: [numbers(40, (random) => 0.5 + random())], checks: both },
});

const INDICES = tensor([1, 1, 0, 3], undefined, { dtype: "int" });
const moved = listed("movements and lookups", ok, {
  "equal indices": { f: (x) => square(take(x, INDICES)), inputs: [vector], checks: every },
  "additions at equal indices": {
    f: (x, y) => square(scatterAdd(x, INDICES, y, 0)),
    inputs: [vector, [1, 2, 3, 4]],
    checks: every,
  },
  "a lookup along rows": {
    f: (x) => gather(exp(x), tensor([[2], [0], [1]], undefined, { dtype: "int" }), 1),
    inputs: [square3],
    checks: every,
  },
  "padding, flips and strides": {
    f: (x) => slice(flip(pad(square(x), [[2, 1]])), [[0, 8, 2]]),
    inputs: [vector],
    checks: every,
  },
  "transposition after transposition": {
    f: (x) => exp(transpose(reshape(transpose(x), [2, 3]))),
    inputs: [matrix],
    checks: every,
  },
  "broadcasts of all inputs": {
    f: (x, y, z) => mul(add(unsqueeze(x, 1), y), z),
    inputs: [[1, 2, 3], [0.5, -1], 2],
    checks: every,
  },
  "an input that is used many times": {
    f: (x) => add(mul(x, sum(x)), mul(max(x), sub(x, mean(x)))),
    inputs: [vector],
    checks: every,
  },
  "several outputs": { f: (x, y) => [mul(x, y), sum(exp(x)), y], inputs: [vector, positive], checks: every },
  "an output that is its input": { f: (x) => x, inputs: [vector], checks: both },
  "a running sum": {
    f: (x) =>
      sum(
        mul(broadcastTo(x, [5, 5]), tensor([0, 1, 2, 3, 4].map((i) => [0, 1, 2, 3, 4].map((j) => j <= i ? 1 : 0)))),
        1,
      ),
    inputs: [vector],
    checks: every,
  },
  "a number without influence": { f: (x, y) => add(exp(x), mul(0, sum(y))), inputs: [vector, positive], checks: both },
  "a product with a factor of 0": { f: (x) => prod(x), inputs: [[2, 0, 3]], checks: every },
  "a product with two factors of 0": {
    source: "pytorch/pytorch#106789",
    f: (x) => prod(x),
    inputs: [[2, 3, 0, 0]],
    checks: every,
  },
  "a product of zeros": { f: (x) => prod(x), inputs: [[0, 0, 0]], checks: every },
  "powers of 0": { f: (x) => pow(x, 2), inputs: [[0, 1]], checks: every },
  "powers of negative numbers": { f: (x) => pow(x, 3), inputs: [[-2, 1.5, -0.1]], checks: every },
  "exponents of a base of 0": { f: (x) => pow(0, x), inputs: [[2, 0.5]], checks: both },
  "exponents": { f: (x, y) => pow(x, y), inputs: [positive, [2, -1, 0.5, 3, 0]], checks: every },
  "a square root of a square": { f: (x) => sqrt(square(x)), inputs: [[0.7, -1.3]], checks: every },
});

const norms = listed("normalisation and similarity", ok, {
  "a layer norm": {
    f: (x) => div(centred(x), sqrt(add(mean(square(centred(x))), 1e-5))),
    inputs: [vector],
    checks: every,
  },
  "a layer norm of nearly equal numbers": {
    f: (x) => div(centred(x), sqrt(add(mean(square(centred(x))), 1e-5))),
    inputs: [[1, 1 + 1e-6, 1 - 1e-6]],
    checks: both,
  },
  "a batch norm": {
    f: (x) => {
      const d = sub(x, mean(x, 0, { keepDims: true }));
      return div(d, sqrt(add(mean(square(d), 0, { keepDims: true }), 1e-3)));
    },
    inputs: [square3],
    checks: every,
  },
  "a standard deviation": { f: (x) => sqrt(mean(square(centred(x)))), inputs: [vector], checks: every },
  "a standard deviation of numbers 1e-6 apart": {
    f: (x) => sqrt(mean(square(centred(x)))),
    inputs: [[1, 1 + 1e-6, 1 - 2e-6]],
    checks: both,
    accepts: settled,
    because: "six digits cancel",
  },
  "a length": { f: (x) => sqrt(sum(square(x))), inputs: [[3e-5, 4e-5]], checks: every },
  "a cosine similarity of parallel vectors": {
    f: (x, y) => div(sum(mul(x, y)), mul(sqrt(sum(square(x))), sqrt(sum(square(y))))),
    inputs: [[1, 2, 3], [2, 4, 6]],
    checks: both,
  },
  "a divergence of equal distributions": {
    f: (p, q) => sum(mul(p, sub(log(p), log(q)))),
    inputs: [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]],
    checks: every,
  },
  "a Gaussian likelihood": {
    f: (x, v) => mul(0.5, add(log(v), div(square(x), v))),
    inputs: [vector, positive],
    checks: every,
  },
  "a Poisson loss": { f: (x, t) => sum(sub(exp(x), mul(t, x))), inputs: [vector, positive], checks: every },
  "a dice loss": {
    f: (x) => sub(1, div(mul(2, sum(mul(sigmoid(x), tensor([1, 0, 1, 0, 1])))), add(sum(sigmoid(x)), 3))),
    inputs: [vector],
    checks: every,
  },
  "log cosh": { f: (x) => log(mul(0.5, add(exp(x), exp(neg(x))))), inputs: [vector], checks: every },
  "giou of boxes that overlap, at order 2": {
    f: (a, b) => iouMatrix(a, b, { kind: "giou" }),
    inputs: [[[0, 0, 1, 1]], [[0.3, 0.2, 1.4, 1.1]]],
    checks: every,
  },
  "a polynomial of degree 8": {
    f: (x) => {
      let y = add(mul(0, x), 1);
      for (let i = 8; i >= 0; i--) y = add(mul(y, x), i % 3 - 1);
      return y;
    },
    inputs: [vector],
    checks: every,
  },
  "Rosenbrock's function at its minimum": {
    f: (x) => add(square(sub(1, at(x, 0))), mul(100, square(sub(at(x, 1), square(at(x, 0)))))),
    inputs: [[1, 1]],
    checks: every,
  },
  "Beale's function": {
    f: (x) => {
      const [a, b] = [at(x, 0), at(x, 1)];
      const term = (c: number, n: number) => square(add(c, mul(a, sub(pow(b, n), 1))));
      return add(add(term(1.5, 1), term(2.25, 2)), term(2.625, 3));
    },
    inputs: [[0.5, -1.2]],
    checks: every,
  },
  "a Fourier transform's magnitude": {
    f: (x) => {
      const angles = tensor([0, 1, 2, 3, 4].map((k) => [0, 1, 2, 3, 4].map((n) => 2 * Math.PI * k * n / 5)));
      return sqrt(add(square(matmul(cos(angles), x)), square(matmul(sin(angles), x))));
    },
    inputs: [vector],
    checks: every,
  },
});

const nested = listed("gradients within the function", ok, {
  "a penalty on the gradient": { f: (x) => sum(square(grad(sum(pow(x, 3)), x))), inputs: [vector], checks: every },
  "a product with the Hessian": {
    f: (x, v) => grad(sum(mul(grad(sum(exp(mul(x, sum(x)))), x), v)), x),
    inputs: [[0.1, 0.2], [1, -1]],
    checks: both,
  },
  "a step of gradient descent": {
    f: (x) => {
      const y = sub(x, mul(0.1, grad(sum(square(sin(x))), x)));
      return sum(square(sin(y)));
    },
    inputs: [vector],
    checks: every,
  },
});

export const smooth: readonly Case[] = [
  saturated,
  wild,
  cancelling,
  algebra,
  scaled,
  extents,
  moved,
  norms,
  nested,
].flat();
