/** Functions of single numbers with a wrong derivative. */
import {
  abs,
  add,
  atan,
  cos,
  detach,
  div,
  equal,
  erf,
  exp,
  expm1,
  floor,
  full as filled,
  greater,
  less,
  log,
  log1p,
  logSigmoid,
  maximum,
  mul,
  neg,
  pow,
  relu,
  round,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  tanh,
  type Tensor,
  where,
} from "../../../../mod.ts";
import { both, type Case, every, listed, positive, ruled, seeds, vector } from "../case.ts";

const inverse = (x: Tensor) => div(1, x);
const hypot = (x: Tensor, y: Tensor) => sqrt(add(square(x), square(y)));
const angle = (y: Tensor, x: Tensor) => atan(div(y, x));

const rules = listed("the rule of a scalar function", ["wrong"], {
  "the sine's derivative is the sine": {
    source: "FluxML/Zygote.jl#1176",
    f: ruled(sin, ({ cotangent, inputs: [x] }) => mul(cotangent, sin(x))),
    inputs: [vector],
    checks: both,
  },
  "the cosine's sign": { f: ruled(cos, ({ cotangent, inputs: [x] }) => mul(cotangent, sin(x))), inputs: [vector] },
  "the logarithm's derivative divides by the output": {
    source: "karpathy/micrograd#100",
    f: ruled(log, ({ cotangent, output }) => div(cotangent, output)),
    inputs: [positive],
  },
  "the square root has the derivative of the square": {
    source: "tensorflow/swift#161",
    f: ruled(sqrt, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(2, x))),
    inputs: [positive],
  },
  "the square's derivative without the 2": {
    source: "SciSharp/TensorFlow.NET#303",
    f: ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, x)),
    inputs: [vector],
  },
  "the tangent's derivative does not square the output": {
    f: ruled(tanh, ({ cotangent, output }) => mul(cotangent, sub(1, output))),
    inputs: [vector],
  },
  "the sigmoid's derivative adds where it subtracts": {
    f: ruled(sigmoid, ({ cotangent, output }) => mul(cotangent, mul(output, add(1, output)))),
    inputs: [vector],
  },
  "the derivative of elu is the output below 0, without alpha": {
    source: "tensorflow/tfjs#7251",
    f: ruled(
      (x) => where(greater(x, 0), x, expm1(x)),
      ({ cotangent, inputs: [x], output }) => mul(cotangent, where(greater(x, 0), 1, output)),
    ),
    inputs: [vector],
  },
  "the reciprocal's sign": {
    f: ruled(inverse, ({ cotangent, output }) => mul(cotangent, square(output))),
    inputs: [vector],
  },
  "the arctangent's denominator": {
    f: ruled(atan, ({ cotangent, inputs: [x] }) => div(cotangent, sub(1, square(x)))),
    inputs: [vector],
  },
  "swish without its second term": {
    f: ruled((x) => mul(x, sigmoid(x)), ({ cotangent, inputs: [x] }) => mul(cotangent, sigmoid(x))),
    inputs: [vector],
  },
  "mish with the derivative of its outer function alone": {
    f: ruled((x) => mul(x, tanh(softplus(x))), ({ cotangent, inputs: [x] }) => mul(cotangent, tanh(softplus(x)))),
    inputs: [vector],
  },
  "the absolute value's derivative is 1": { f: ruled(abs, ({ cotangent }) => mul(cotangent, 1)), inputs: [vector] },
  "the sign of another number is taken as if the first were positive": {
    source: "chalk-lab/Mooncake.jl#1195",
    f: ruled((x, y) => mul(abs(x), sign(y)), ({ cotangent, inputs: [, y] }) => mul(cotangent, sign(y)), null),
    inputs: [[-5, 0.5], [3, -2]],
  },
  "the derivative of log1p is that of log": {
    f: ruled(log1p, ({ cotangent, inputs: [x] }) => div(cotangent, x)),
    inputs: [positive],
  },
  "the derivative of log1p is its slope from 0": {
    f: ruled(log1p, ({ cotangent, inputs: [x], output }) => mul(cotangent, div(output, x))),
    inputs: [[1e-5, -2e-5, 3e-6]],
  },
  "the derivative of expm1 is its output": {
    f: ruled(expm1, ({ cotangent, output }) => mul(cotangent, output)),
    inputs: [[1e-5, 0.3, -2]],
  },
  "the derivative of expm1 is linear": {
    f: ruled(expm1, ({ cotangent, inputs: [x] }) => mul(cotangent, add(1, x))),
    inputs: [[1e-4, -2e-4]],
  },
  "the error function's factor is half": {
    f: ruled(erf, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(1 / Math.sqrt(Math.PI), exp(neg(square(x)))))),
    inputs: [vector],
  },
  "gelu has the derivative of its approximation": {
    f: ruled((x) => mul(mul(0.5, x), add(1, erf(div(x, Math.SQRT2)))), ({ cotangent, inputs: [x] }) => {
      const t = tanh(mul(0.7978845608, add(x, mul(0.044715, pow(x, 3)))));
      const inner = mul(0.7978845608, add(1, mul(3 * 0.044715, square(x))));
      return mul(cotangent, add(mul(0.5, add(1, t)), mul(mul(0.5, x), mul(sub(1, square(t)), inner))));
    }),
    inputs: [vector],
  },
  "the logarithm of the sigmoid has the sigmoid's derivative": {
    f: ruled(logSigmoid, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(sigmoid(x), sub(1, sigmoid(x))))),
    inputs: [vector],
  },
  "a staircase that passes gradients straight through": {
    f: ruled((x) => round(mul(x, 4)), ({ cotangent }) => mul(cotangent, 4)),
    inputs: [vector],
    checks: both,
  },
  "a floor that passes gradients straight through": {
    f: (x) => mul(ruled(floor, ({ cotangent }) => mul(cotangent, 1))(x), x),
    inputs: [vector],
  },
  "another function's derivative: the cube's is that of the fourth power": {
    f: ruled((x) => pow(x, 3), ({ cotangent, inputs: [x] }) => mul(cotangent, mul(4, pow(x, 3)))),
    inputs: [vector],
  },
  "leaky relu has its slopes swapped": {
    f: ruled(
      (x) => where(greater(x, 0), x, mul(0.1, x)),
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(greater(x, 0), 0.1, 1)),
    ),
    inputs: [vector],
  },
  "leaky relu has the slope of relu below 0": {
    f: ruled(
      (x) => where(greater(x, 0), x, mul(0.01, x)),
      ({ cotangent, inputs: [x] }) => where(greater(x, 0), cotangent, 0),
    ),
    inputs: [vector],
  },
});

const twoInputs = listed("the rule of a function of two numbers", ["wrong"], {
  "the divisor's gradient does not square it": {
    f: ruled(
      div,
      ({ cotangent, inputs: [, b] }) => div(cotangent, b),
      ({ cotangent, inputs: [a, b] }) => neg(mul(cotangent, div(a, b))),
    ),
    inputs: [vector, positive],
  },
  "the gradients of a product are swapped": {
    f: ruled(
      mul,
      ({ cotangent, inputs: [a] }) => mul(cotangent, a),
      ({ cotangent, inputs: [, b] }) => mul(cotangent, b),
    ),
    inputs: [vector, positive],
    checks: both,
  },
  "the second operand of a difference gets the first one's sign": {
    f: ruled(sub, ({ cotangent }) => mul(cotangent, 1), ({ cotangent }) => mul(cotangent, 1)),
    inputs: [vector, positive],
  },
  "the gradient of a squared difference is its inputs": {
    source: "SciSharp/TensorFlow.NET#787",
    f: ruled((a, b) => square(sub(a, b)), ({ inputs: [a] }) => mul(a, 1), ({ inputs: [, b] }) => mul(b, 1)),
    inputs: [vector, positive],
  },
  "the exponent's gradient without the logarithm": {
    f: ruled(
      pow,
      ({ cotangent, inputs: [a, b], output }) => mul(cotangent, div(mul(b, output), a)),
      ({ cotangent, output }) => mul(cotangent, output),
    ),
    inputs: [positive, [2, 0.5, -1, 3, 1.5]],
  },
  "the base's gradient keeps the exponent": {
    f: ruled(
      pow,
      ({ cotangent, inputs: [, b], output }) => mul(cotangent, mul(b, output)),
      ({ cotangent, inputs: [a], output }) => mul(cotangent, mul(output, log(a))),
    ),
    inputs: [positive, [2, 0.5, -1, 3, 1.5]],
  },
  "the gradient of a negative base has the sign of a positive one": {
    source: "tensorflow/tfjs#346",
    f: ruled((x) => pow(x, 4), ({ cotangent, inputs: [x] }) => mul(cotangent, mul(4, pow(abs(x), 3)))),
    inputs: [vector],
  },
  "the angle's gradient has the wrong sign": {
    source: "EnzymeAD/Enzyme-JAX#2066",
    f: ruled(
      angle,
      ({ cotangent, inputs: [y, x] }) => neg(mul(cotangent, div(x, add(square(x), square(y))))),
      ({ cotangent, inputs: [y, x] }) => mul(cotangent, div(y, add(square(x), square(y)))),
    ),
    inputs: [vector, positive],
  },
  "the angle's gradients are swapped": {
    source: "getkeops/keops#155",
    f: ruled(
      angle,
      ({ cotangent, inputs: [y, x] }) => neg(mul(cotangent, div(y, add(square(x), square(y))))),
      ({ cotangent, inputs: [y, x] }) => mul(cotangent, div(x, add(square(x), square(y)))),
    ),
    inputs: [vector, positive],
  },
  "the hypotenuse's gradient is not divided by it": {
    f: ruled(
      hypot,
      ({ cotangent, inputs: [x] }) => mul(cotangent, x),
      ({ cotangent, inputs: [, y], output }) => mul(cotangent, div(y, output)),
    ),
    inputs: [vector, positive],
  },
  "prelu: the slope also gets the gradient of what is positive": {
    source: "tensorflow/tfjs#1072",
    f: ruled(
      (x, slope) => where(greater(x, 0), x, mul(slope, x)),
      ({ cotangent, inputs: [x, slope] }) => mul(cotangent, where(greater(x, 0), 1, slope)),
      ({ cotangent, inputs: [x] }) => mul(cotangent, x),
    ),
    inputs: [vector, [0.1, 0.2, 0.3, 0.25, 0.15]],
  },
  "an input that gets no gradient": {
    f: ruled((a, b) => mul(a, exp(b)), ({ cotangent, inputs: [, b] }) => mul(cotangent, exp(b)), null),
    inputs: [vector, positive],
    checks: both,
  },
  "an input's gradient is 0": {
    f: ruled(
      (a, b) => mul(a, exp(b)),
      ({ cotangent, inputs: [, b] }) => mul(cotangent, exp(b)),
      ({ cotangent }) => mul(cotangent, 0),
    ),
    inputs: [vector, positive],
    checks: both,
  },
});

const places = listed("a derivative that is wrong in places", ["wrong"], {
  "softplus at 0": {
    source: "jax-ml/jax#2107",
    f: ruled(softplus, ({ cotangent, inputs: [x] }) => where(equal(x, 0), 0, mul(cotangent, sigmoid(x)))),
    inputs: [[0, 1, -2]],
  },
  "the square at 0 exactly": {
    f: ruled(
      (x) => mul(x, exp(x)),
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, 0), 0, mul(add(1, x), exp(x)))),
    ),
    inputs: [[0, 1, -2]],
  },
  "numbers above 3 alone": {
    f: ruled(sin, ({ cotangent, inputs: [x] }) => mul(cotangent, where(greater(x, 3), 0, cos(x)))),
    inputs: [[1, 2, 2.9, 3.1]],
  },
  "negative numbers alone": {
    f: ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(2, abs(x)))),
    inputs: [[1, 2, -0.3, 4]],
  },
  "numbers below 1e-6 alone": {
    f: ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(where(less(abs(x), 1e-6), 4, 2), x))),
    inputs: [[1, 1e-12, 0.5]],
  },
  "an exponential doubled near 0": {
    f: ruled(expm1, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(where(less(x, 1e-9), 2, 1), exp(x)))),
    inputs: [[1e-12, 0.3]],
  },
  "what saturates is 0 too soon": {
    f: ruled(
      tanh,
      ({ cotangent, inputs: [x], output }) => mul(cotangent, where(greater(abs(x), 4), 0, sub(1, square(output)))),
    ),
    inputs: [[1, 5, -6]],
  },
  "the tail of the error function is cut": {
    f: ruled(
      erf,
      ({ cotangent, inputs: [x] }) =>
        mul(cotangent, where(greater(abs(x), 3), 0, mul(2 / Math.sqrt(Math.PI), exp(neg(square(x)))))),
    ),
    inputs: [[1, 3.5, -0.2]],
  },
  "a branch that is off by a constant where it was switched": {
    f: ruled(
      log1p,
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(less(abs(x), 1e-4), sub(1, mul(0.5, x)), div(1, add(1, x)))),
    ),
    inputs: [[5e-5, 0.5, -3e-5]],
  },
});

const NAN = Number.NaN;
const notFinite = listed("a derivative that is NaN or infinite where there is a finite one", ["wrong"], {
  "the tangent, saturated": {
    source: "jax-ml/jax#764",
    f: ruled(tanh, ({ cotangent, inputs: [x] }) => {
      const e = exp(mul(2, x));
      return mul(cotangent, div(mul(4, e), square(add(e, 1))));
    }),
    inputs: [[0.5, 400]],
    checks: both,
  },
  "the exponent's gradient at base 0": {
    source: "pytorch/pytorch#27134",
    f: ruled(
      pow,
      ({ cotangent, inputs: [a, b] }) => mul(cotangent, mul(b, pow(a, sub(b, 1)))),
      ({ cotangent, inputs: [a], output }) => mul(cotangent, mul(output, log(a))),
    ),
    inputs: [[0, 2], [1.5, 2]],
  },
  "the base's gradient at base 0": {
    source: "autodiff/autodiff#39, roystgnr/MetaPhysicL#49",
    f: ruled(
      (x) => pow(x, 3),
      ({ cotangent, inputs: [x], output }) => mul(cotangent, mul(3, div(output, x))),
    ),
    inputs: [[0, 2]],
  },
  "the power 0 at 0": {
    source: "jax-ml/jax#18450, johnhenry/mallory#74",
    f: ruled(
      (x) => pow(x, 0),
      ({ cotangent, inputs: [x] }) => mul(cotangent, mul(0, pow(x, -1))),
    ),
    inputs: [[0, 2]],
  },
  "the absolute value at 0": {
    f: ruled(abs, ({ cotangent, inputs: [x], output }) => mul(cotangent, div(x, output))),
    inputs: [[0, 2]],
  },
  "a saturated sigmoid": {
    f: ruled(sigmoid, ({ cotangent, inputs: [x] }) => {
      const e = exp(neg(x));
      return mul(cotangent, div(e, square(add(1, e))));
    }),
    inputs: [[-800, 1]],
  },
  "infinity in place of 1": {
    f: ruled((x) => mul(x, 1), ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, 0), Infinity, 1))),
    inputs: [[0, 2]],
  },
  "NaN in one element of many": {
    f: ruled(exp, ({ cotangent, inputs: [x], output }) => mul(cotangent, where(equal(x, 7), NAN, output))),
    inputs: [Array.from({ length: 60 }, (_, i) => (i === 41 ? 7 : i / 60))],
    checks: both,
  },
});

const singular = listed("NaN and infinity from right rules", ["wrong", "undecided"], {
  "the length of a vector of zeros": {
    source: "jax-ml/jax#3058",
    f: (x) => sqrt(sum(square(x))),
    inputs: [[0, 0]],
    checks: both,
    because: "there is no derivative, and the gradient is not a number: it may be called either, but not right",
  },
  "the square of a square root at 0": {
    f: (x) => square(sqrt(x)),
    inputs: [[0, 1]],
    because: "the function ends at 0, and the gradient is not a number",
  },
  "a cube root at 0": {
    f: (x) => pow(x, 1 / 3),
    inputs: [[0, 1]],
    because: "the derivative is infinite, which is said rather than called right",
  },
  "a square root at 0": {
    f: (x) => sqrt(x),
    inputs: [[0, 1]],
    because: "the derivative is infinite, which is said rather than called right",
  },
  "a distance from itself": {
    source: "stan-dev/math#3031",
    f: (x) => sqrt(sum(square(sub(x, x)))),
    inputs: [[1, 2]],
    because: "the function is constant, but its gradient is not a number",
  },
  "a standard deviation of equal numbers": {
    source: "pytorch/pytorch#9238",
    f: (x) => sqrt(sum(square(sub(x, div(sum(x), 3))))),
    inputs: [[2, 2, 2]],
    because: "there is no derivative, and the gradient is not a number",
  },
});

const notLinear = listed("a rule that is not linear in its cotangent", ["wrong"], {
  "clipped at 10": {
    f: ruled(
      exp,
      ({ cotangent, output }) => mul(where(greater(abs(cotangent), 10), mul(10, sign(cotangent)), cotangent), output),
    ),
    inputs: [vector],
    checks: both,
  },
  "flushed below 1e-4": {
    f: ruled(exp, ({ cotangent, output }) => mul(where(less(abs(cotangent), 1e-4), 0, cotangent), output)),
    inputs: [vector],
    checks: both,
  },
  "clipped at 1000 after the product": {
    f: ruled(exp, ({ cotangent, output }) => {
      const product = mul(cotangent, output);
      return where(greater(abs(product), 1000), mul(1000, sign(product)), product);
    }),
    inputs: [vector],
  },
  "rounded to multiples of 2^-10": {
    f: ruled(exp, ({ cotangent, output }) => mul(div(round(mul(cotangent, 1024)), 1024), output)),
    inputs: [vector],
  },
  "squared": {
    source: "apache/mxnet#14992",
    f: ruled(log, ({ cotangent, inputs: [x] }) => div(square(cotangent), x)),
    inputs: [positive],
  },
  "its sign alone": {
    f: ruled(exp, ({ cotangent, output }) => mul(sign(cotangent), output)),
    inputs: [vector],
  },
  "its magnitude": {
    f: ruled(exp, ({ cotangent, output }) => mul(abs(cotangent), output)),
    inputs: [vector],
  },
  "ignored": {
    source: "pytorch/pytorch#4355",
    f: ruled(
      (x) => div(x, sqrt(add(1, square(where(less(x, 0), x, 0))))),
      ({ inputs: [x] }) => pow(add(1, square(where(less(x, 0), x, 0))), -1.5),
    ),
    inputs: [vector],
    checks: both,
  },
  "with a constant added": {
    f: ruled(exp, ({ cotangent, output }) => add(mul(cotangent, output), 1e-5)),
    inputs: [vector],
  },
  "normalised by its largest element": {
    f: ruled(exp, ({ cotangent, output }) => div(mul(cotangent, output), add(1e-9, sum(abs(cotangent))))),
    inputs: [vector],
  },
  "divided by itself and multiplied again": {
    source: "ooples/AiDotNet.Tensors#87",
    f: ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, add(div(x, cotangent), x))),
    inputs: [vector],
  },
  "negative cotangents dropped, as relu drops inputs": {
    f: ruled(exp, ({ cotangent, output }) => mul(relu(cotangent), output)),
    inputs: [vector],
  },
});

const secondOrder = listed("a second derivative", ["wrong"], {
  "held in the rule of the exponential": {
    f: ruled(exp, ({ cotangent, output }) => mul(cotangent, detach(output))),
    inputs: [vector],
    checks: every.slice(0, 1),
  },
  "off by 1e-6 in the rule of the exponential": {
    f: ruled(exp, ({ cotangent, output }) => mul(cotangent, add(mul(output, 1 + 1e-6), mul(detach(output), -1e-6)))),
    inputs: [vector],
    checks: every.slice(0, 1),
  },
  "the hypotenuse's mixed derivatives are 0": {
    source: "autodiff/autodiff#243",
    f: ruled(
      hypot,
      ({ cotangent, inputs: [x], output }) => mul(cotangent, div(x, detach(output))),
      ({ cotangent, inputs: [, y], output }) => mul(cotangent, div(y, detach(output))),
    ),
    inputs: [[1, 2], [1, -0.5]],
    checks: every.slice(0, 1),
  },
  "the logarithm's uses the cotangent twice": {
    source: "apache/mxnet#14992",
    f: ruled(log, ({ cotangent, inputs: [x] }) =>
      mul(
        cotangent,
        ruled(inverse, ({ cotangent, inputs: [x] }) => neg(div(square(cotangent), square(x))))(x),
      )),
    inputs: [positive],
    checks: every.slice(0, 1),
  },
  "a factor of the sigmoid is held": {
    f: ruled(sigmoid, ({ cotangent, output }) => mul(cotangent, mul(output, sub(1, detach(output))))),
    inputs: [vector],
    checks: every.slice(0, 1),
  },
  "the cotangent is held": {
    f: ruled(sin, ({ cotangent, inputs: [x] }) => mul(detach(cotangent), cos(x))),
    inputs: [vector],
    checks: every.slice(0, 1),
  },
  "smoothed relu: the second derivative has the first one's width": {
    f: ruled(
      (x) => where(less(abs(x), 1), mul(0.5, square(x)), sub(abs(x), 0.5)),
      ({ cotangent, inputs: [x] }) =>
        mul(
          cotangent,
          ruled(
            (x) => where(less(abs(x), 1), x, sign(x)),
            ({ cotangent, inputs: [x] }) => where(less(abs(x), 2), cotangent, 0),
          )(x),
        ),
    ),
    inputs: [[0.3, 1.5, -0.2, -3]],
    checks: every.slice(0, 1),
  },
});

const sizes = listed("a small relative error", ["wrong"], {
  ...Object.fromEntries([1e-3, 1e-6, 1e-8, 1e-9, 1e-10].map((error) => [`${error} of an exponential`, {
    f: ruled(exp, ({ cotangent, output }) => mul(mul(cotangent, output), 1 + error)),
    inputs: [vector],
    checks: seeds(3, both.slice(0, 1)),
  }])),
  "1e-9 of a product of two functions": {
    f: (x) => mul(ruled(sin, ({ cotangent, inputs: [x] }) => mul(mul(cotangent, cos(x)), 1 + 1e-9))(x), exp(x)),
    inputs: [vector],
  },
  "1e-8 of an exponential, along directions": {
    f: ruled(exp, ({ cotangent, output }) => mul(mul(cotangent, output), 1 + 1e-8)),
    inputs: [vector],
    checks: seeds(3, both.slice(1)),
  },
  "a constant of six digits": {
    f: ruled(erf, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(1.12838, exp(neg(square(x)))))),
    inputs: [vector],
    checks: both,
  },
  "a constant in float32": {
    f: ruled((x) => mul(x, 0.1), ({ cotangent }) => mul(cotangent, Math.fround(0.1))),
    inputs: [vector],
  },
  "pi with four digits": {
    f: ruled(
      (x) => sin(mul(x, Math.PI)),
      ({ cotangent, inputs: [x] }) => mul(cotangent, mul(3.1416, cos(mul(x, Math.PI)))),
    ),
    inputs: [vector],
  },
});

const beside = listed("an error beside something larger", ["wrong"], {
  "ten times the gradient of a square beside 1e12": {
    f: (x) => add(1e12, ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(20, x)))(x)),
    inputs: [[1.775, -0.3]],
  },
  "a thousandth of a number near 1 beside one of 1e8": {
    f: (x, y) => add(sum(mul(y, y)), sum(ruled(exp, ({ cotangent, output }) => mul(cotangent, mul(1.001, output)))(x))),
    inputs: [[0.5, 0.2], [1e8, 1e7]],
  },
  "a doubled derivative of a number of 1e-8": {
    f: ruled((x) => maximum(square(x), filled([3], -1)), ({ cotangent, inputs: [x] }) => mul(cotangent, mul(4, x))),
    inputs: [[1e-8, 2e-8, -1e-8]],
  },
  "a doubled derivative of a number of 1e150": {
    f: ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(4, x))),
    inputs: [[1e150, -3e149]],
  },
});

export const scalars: readonly Case[] = [
  rules,
  twoInputs,
  places,
  notFinite,
  singular,
  notLinear,
  secondOrder,
  sizes,
  beside,
].flat();
