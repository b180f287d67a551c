/** Errors that hide: behind the cotangents in use, the state of a program, precision, and points where one looks away. */
import {
  abs,
  add,
  arange,
  cast,
  ceil,
  clamp,
  concat,
  cos,
  detach,
  div,
  equal,
  exp,
  floor,
  greater,
  hold,
  less,
  log,
  logSumExp,
  matmul,
  max,
  mean,
  minimum,
  mul,
  neg,
  pow,
  realize,
  relu,
  round,
  sigmoid,
  sign,
  sin,
  slice,
  softmax,
  sort,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  where,
} from "../../../../mod.ts";
import {
  both,
  type Case,
  fast,
  full,
  listed,
  matrix,
  numbers,
  positive,
  ruled,
  second,
  seeds,
  square3,
  vector,
} from "../case.ts";

/** Rounds to this many bits, as a narrower float does. */
const bits = (x: Tensor, count: number) => {
  const unit = pow(2, sub(floor(div(log(add(abs(x), 1e-300)), Math.LN2)), count - 1));
  return mul(round(div(x, unit)), unit);
};
/** The exponential whose rule changes its cotangent. */
const changed = (change: (g: Tensor) => Tensor) =>
  ruled(exp, ({ cotangent, output }) => mul(change(cotangent), output));

const narrow = listed("a cotangent in fewer bits, or changed by its size", ["wrong"], {
  "float16": { f: changed((g) => bits(g, 11)), inputs: [vector], checks: both },
  "bfloat16": { f: changed((g) => bits(g, 8)), inputs: [vector], checks: both },
  "bfloat16, after the product": {
    f: ruled(exp, ({ cotangent, output }) => bits(mul(cotangent, output), 8)),
    inputs: [vector],
    checks: both,
  },
  "float32": { f: changed((g) => bits(g, 24)), inputs: [vector], checks: both },
  "doubled if all are equal": {
    f: changed((g) => where(equal(max(g), neg(max(neg(g)))), mul(2, g), g)),
    inputs: [vector],
    checks: both,
  },
  "its norm clipped at 100": {
    f: changed((g) => mul(g, minimum(1, div(100, sqrt(add(sum(square(g)), 1e-300)))))),
    inputs: [vector],
    checks: both,
  },
  "the greatest alone": { f: changed((g) => where(equal(abs(g), max(abs(g))), g, 0)), inputs: [vector], checks: both },
  "the mean of all": { f: changed((g) => add(mul(0, g), mean(g))), inputs: [vector], checks: both },
  "sorted": { f: changed((g) => sort(g)), inputs: [vector] },
  "raised to a power a little above 1": {
    f: changed((g) => mul(sign(g), pow(abs(g), 1.001))),
    inputs: [vector],
    checks: both,
  },
  "its sine": { f: changed((g) => sin(g)), inputs: [vector] },
  "reversed if it is negative on the whole": {
    f: changed((g) => mul(g, where(less(sum(g), 0), -1, 1))),
    inputs: [vector],
    checks: both,
  },
  "doubled if it is above 1000": {
    f: changed((g) => where(greater(abs(g), 1000), mul(2, g), g)),
    inputs: [vector],
    checks: both,
  },
  "doubled if it is a single 1": {
    f: changed((g) => where(equal(sum(abs(g)), max(abs(g))), mul(2, g), g)),
    inputs: [vector],
  },
  "divided by itself where it is 0": { f: changed((g) => mul(g, div(g, g))), inputs: [vector] },
});

let recordings = 0;
let remembered: Tensor | null = null;
const state = listed("a gradient that depends on the state of the program", ["wrong", "undecided"], {
  "right when it is recorded first": {
    source: "bshillingford/autobw.torch#7",
    f: ruled(exp, ({ cotangent, output }) => mul(mul(cotangent, output), recordings++ === 0 ? 1 : 2)),
    inputs: [vector],
    because: "the gradient changes from call to call",
  },
  "random": {
    f: ruled(exp, ({ cotangent, output }) => mul(mul(cotangent, output), 0.5 + Math.random())),
    inputs: [vector],
    checks: both,
    because: "the gradient changes from call to call",
  },
  "the first cotangent is kept": {
    f: ruled(exp, ({ cotangent, output }) => mul(remembered ??= detach(cotangent), output)),
    inputs: [vector],
    because: "the gradient changes from call to call",
  },
  "an input that is written to": {
    f: (x: Tensor) => {
      x.value![0] += 1;
      return exp(x);
    },
    inputs: [vector],
    because: "the value that is checked is not the one that was given",
  },
});

const off = (factor: number) => ({ cotangent, output }: { cotangent: Tensor; output: Tensor }) =>
  mul(mul(cotangent, output), factor);
const small = listed("a small error in a larger function", ["wrong"], {
  "1e-9 of the weights of a softmax": {
    f: ruled((x) => logSumExp(x), ({ cotangent, inputs: [x] }) => mul(mul(cotangent, softmax(x)), 1 + 1e-9)),
    inputs: [vector],
  },
  "1e-9 of a factor of a product of matrices": {
    f: ruled(
      matmul,
      ({ cotangent, inputs: [, b] }) => mul(matmul(cotangent, transpose(b)), 1 + 1e-9),
      ({ cotangent, inputs: [a] }) => matmul(transpose(a), cotangent),
    ),
    inputs: [matrix, square3],
  },
  "1e-9 within a network": {
    f: (x) => sum(sigmoid(matmul(ruled(exp, off(1 + 1e-9))(matmul(tensor(square3), transpose(x))), tensor(matrix)))),
    inputs: [matrix],
  },
  "1e-8 of one term of a hundred": {
    f: (x) => sum(concat([exp(slice(x, [[0, 99]])), ruled(exp, off(1 + 1e-8))(slice(x, [[99, 100]]))])),
    inputs: [numbers(100, (random) => random())],
  },
  "1e-6 at order 2, along directions": {
    f: ruled(exp, ({ cotangent, output }) => mul(cotangent, add(mul(output, 1 + 1e-6), mul(detach(output), -1e-6)))),
    inputs: [numbers(50, (random) => random())],
    checks: [{ mode: "fast", order: 2 }],
  },
  "1e-7 of an input far from 0": {
    f: ruled(sin, ({ cotangent, inputs: [x] }) => mul(mul(cotangent, cos(x)), 1 + 1e-7)),
    inputs: [[1e4, -3e5]],
  },
  "1e-7 of a derivative of 1e-20": {
    f: (x) => mul(1e-20, ruled(exp, off(1 + 1e-7))(x)),
    inputs: [vector],
    checks: both,
  },
  "a doubled derivative where the value is 1e-12": {
    f: ruled(exp, ({ cotangent, inputs: [x], output }) => mul(mul(cotangent, output), where(less(x, -20), 2, 1))),
    inputs: [[0.3, -27.6, 1]],
    checks: seeds(3, full),
  },
  "a doubled derivative of one input of 3000 of many sizes, along directions": {
    f: ruled(
      square,
      ({ cotangent, inputs: [x] }) => mul(mul(cotangent, mul(2, x)), where(equal(arange(3000), 777), 2, 1)),
    ),
    inputs: [numbers(3000, (random) => 10 ** (8 * random() - 4))],
    checks: seeds(2, fast),
  },
  "one element of 1000 has another sign, along directions": {
    f: ruled(sin, ({ cotangent, inputs: [x] }) => mul(mul(cotangent, cos(x)), where(equal(arange(1000), 999), -1, 1))),
    inputs: [numbers(1000, (random) => random())],
    checks: seeds(2, fast),
  },
  "two elements of 1000 are swapped, along directions": {
    f: ruled(exp, ({ cotangent, output }) => {
      const g = mul(cotangent, output);
      const i = arange(1000);
      const [a, b] = [slice(g, [10]), slice(g, [500])];
      return where(equal(i, 10), b, where(equal(i, 500), a, g));
    }),
    inputs: [numbers(1000, (random) => random())],
    checks: seeds(2, fast),
  },
  "an error that averages out over many directions": {
    f: ruled(
      (x) => sum(exp(x)),
      ({ cotangent, inputs: [x] }) =>
        mul(cotangent, add(exp(x), mul(1e-5, sub(1, mul(2, sub(arange(200), mul(2, floor(div(arange(200), 2))))))))),
    ),
    inputs: [numbers(200, (random) => random())],
    checks: seeds(2, fast),
  },
});

/** The length of a vector, with a gradient at 0. */
const lengthAt0 = (...slope: number[]) =>
  ruled((x) => sqrt(sum(square(x))), ({ cotangent, inputs: [x], output }) => {
    const given = where(equal(arange(2), 0), slope[0], slope[1]);
    return mul(cotangent, where(equal(output, 0), given, div(x, add(output, where(equal(output, 0), 1, 0)))));
  });
/** A rule of relu that adds to one element's slope. */
const sloped = (count: number, at: number, by: number) =>
  ruled(
    relu,
    ({ cotangent, inputs: [x] }) =>
      mul(cotangent, add(cast(greater(x, 0), "float"), mul(by, cast(equal(arange(count), at), "float")))),
  );
/** Kinks, and one element beside them whose rule is off. */
const beside = (scale: number) =>
  ruled(
    (x) => concat([relu(slice(x, [[0, 200]])), mul(scale, exp(slice(x, [[200, 201]])))]),
    ({ cotangent, inputs: [x], output }) =>
      concat([
        mul(slice(cotangent, [[0, 200]]), cast(greater(slice(x, [[0, 200]]), 0), "float")),
        mul(1.01, mul(slice(cotangent, [[200, 201]]), slice(output, [[200, 201]]))),
      ]),
  );
const crowd = Float64Array.from({ length: 201 }, (_, i) => (i < 200 ? 0 : 1));
const crowded = listed("an error among many kinks", ["wrong"], {
  "one slope of 5 among 100 at 0": { f: sloped(100, 57, 5), inputs: [new Float64Array(100)], checks: both },
  "one slope of 5 among 1500 at 0": { f: sloped(1500, 557, 5), inputs: [new Float64Array(1500)], checks: fast },
  "1% of one that lies on none": { f: beside(1), inputs: [crowd], checks: seeds(2, both) },
  "1% of one that lies on none and is small": { f: beside(1e-6), inputs: [crowd], checks: seeds(2, both) },
  "a kink where a sum is rounded": {
    f: ruled(
      (x) => clamp(add(mul(0.2, x), 0.5), 0, 1),
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, 2.5), -0.2, where(less(abs(x), 2.5), 0.2, 0))),
    ),
    inputs: [[2.5, 0, 4]],
    checks: seeds(4, both),
  },
});

const beyond = listed("a derivative of a flat part beside others", ["wrong"], {
  "1e-5 in place of 0, beside 1e12": {
    f: ruled((x) => add(1e12, relu(x)), ({ cotangent, inputs: [x] }) => mul(cotangent, where(greater(x, 0), 1, 1e-5))),
    inputs: [[-1, 2, 3]],
    checks: both,
  },
});

const corners = listed("a slope at a point without derivative", ["wrong"], {
  "a length's at 0, 5 in each direction": { f: lengthAt0(5, 5), inputs: [[0, 0]] },
  "a length's at 0, 1 in each direction": { f: lengthAt0(1, 1), inputs: [[0, 0]], checks: seeds(3, full) },
  "a length's at 0, within bounds by element alone": {
    f: lengthAt0(0.9, -0.9),
    inputs: [[0, 0]],
    checks: seeds(3, full),
  },
  "three equal numbers with shares of 1, 1 and -1": {
    f: ruled(
      (x) => max(x),
      ({ cotangent, inputs: [x], output }) =>
        mul(cotangent, where(equal(x, output), where(less(arange(4), 2), 1, -1), 0)),
    ),
    inputs: [[3, 3, 3, 1]],
  },
  "three equal numbers with shares of a half": {
    f: ruled((x) => max(x), ({ cotangent, inputs: [x], output }) => mul(cotangent, where(equal(x, output), 0.5, 0))),
    inputs: [[3, 3, 3, 1]],
  },
  "two equal numbers with shares of 1 and a half": {
    f: ruled(
      (x) => max(x),
      ({ cotangent, inputs: [x], output }) =>
        mul(cotangent, where(equal(x, output), where(equal(arange(3), 0), 1, 0.5), 0)),
    ),
    inputs: [[3, 3, 1]],
  },
  "the greatest of sums, whose terms tie": {
    f: (x) => {
      const greatest = ruled(
        (x) => max(x),
        ({ cotangent, inputs: [x], output }) => mul(cotangent, where(equal(x, output), 1, 0)),
      );
      return greatest(matmul(x, tensor([[1, 2, 0], [2, 1, 0]])));
    },
    inputs: [[[1, 1]]],
  },
  "an l1 norm's at 0, 3 in each direction": {
    f: ruled((x) => sum(abs(x)), ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, 0), 3, sign(x)))),
    inputs: [[0, 0, 1]],
    checks: both,
  },
  "a median's of equal numbers, everything to each": {
    f: ruled(
      (x) => slice(sort(x), [1]),
      ({ cotangent, inputs: [x], output }) => mul(cotangent, where(equal(x, output), 1, 0)),
    ),
    inputs: [[1, 1, 0]],
  },
  "a network's of dead units, alive in the gradient": {
    f: ruled((x) => relu(neg(square(x))), ({ cotangent, inputs: [x] }) => mul(cotangent, add(1, x))),
    inputs: [[0, 0.5]],
  },
  "a distance's of equal points": {
    f: ruled(
      (a, b) => abs(sub(a, b)),
      ({ cotangent, inputs: [a, b] }) => mul(cotangent, where(equal(a, b), 2, sign(sub(a, b)))),
      ({ cotangent, inputs: [a, b] }) => mul(cotangent, where(equal(a, b), -2, sign(sub(b, a)))),
    ),
    inputs: [[1, 2], [1, 3]],
  },
});

const decided = listed("an error behind a decision", ["wrong"], {
  "the branch that was taken is wrong": {
    f: (x) => where(greater(x, 0), ruled(exp, off(1.001))(x), x),
    inputs: [vector],
    checks: both,
  },
  "the chosen elements' weights": {
    f: (x) =>
      sum(
        where(greater(x, mean(x)), ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(1.999, x)))(x), 0),
      ),
    inputs: [vector],
  },
  "a remainder without gradient": {
    f: ruled((x) => sub(x, floor(x)), ({ cotangent }) => mul(cotangent, 0)),
    inputs: [vector],
    checks: both,
  },
  "a ceiling that passes gradients": { f: ruled(ceil, ({ cotangent }) => mul(cotangent, 1)), inputs: [vector] },
  "held and detached at once": { f: (x) => mul(hold(x), detach(exp(x))), inputs: [vector] },
  "something else than what is held is wrong": {
    f: (x) => mul(hold(exp(x)), ruled(sin, ({ cotangent, inputs: [x] }) => mul(cotangent, sin(x)))(x)),
    inputs: [vector],
    checks: both,
  },
});

const more = listed("a value that is read back in another way", ["wrong"], {
  "after realize": {
    f: async (x: Tensor) => {
      const y = exp(x);
      await realize([y]);
      return mul(x, tensor(Float64Array.from(y.value!)));
    },
    inputs: [vector],
  },
  "everything": { f: async (x: Tensor) => tensor(await exp(x).data()), inputs: [vector] },
  "a part of an input": {
    f: async (x: Tensor) => {
      const [first] = await x.data();
      return add(sum(square(slice(x, [[1, 5]]))), first * first);
    },
    inputs: [vector],
    checks: both,
  },
  "by a small weight": { f: async (x: Tensor) => mul(x, 1 + 1e-4 * await sum(x).item()), inputs: [vector] },
  "of one input of many": {
    f: async (x: Tensor) => {
      const all = await x.data();
      return mul(exp(x), Math.cos(all[123]));
    },
    inputs: [numbers(200, (random) => random())],
    checks: both,
  },
  "of a gradient": {
    f: async (x: Tensor, y: Tensor) => add(mul(x, y), mul(await mean(y).item(), x)),
    inputs: [vector, positive],
  },
  "as text": {
    f: async (x: Tensor) => {
      await realize([x]);
      return mul(x, Number.parseFloat(JSON.parse(`[${[...x.value!].join()}]`)[0]));
    },
    inputs: [vector],
  },
});

/** The exponential, off by a hundredth where a condition on its argument holds. */
const offWhere = (condition: (x: Tensor) => Tensor) =>
  ruled(
    exp,
    ({ cotangent, inputs: [x], output }) => mul(cotangent, where(condition(x), mul(1.01, output), output)),
  );
const computed = listed("an error where computed numbers are exact", ["wrong"], {
  "equal to a whole number": {
    f: (x) => offWhere((y) => equal(y, round(y)))(mul(3, exp(x))),
    inputs: [[0, 0.5, -1]],
    checks: both,
  },
  "between their floor and ceiling": {
    f: (x) =>
      ruled(exp, ({ cotangent, inputs: [y], output }) => mul(cotangent, mul(output, sub(ceil(y), floor(y)))))(
        mul(2, exp(x)),
      ),
    inputs: [[0, 0.5, -1]],
    checks: both,
  },
  "equal to each other": {
    f: (x) => offWhere((y) => equal(y, max(y)))(sin(mul(2, x))),
    inputs: [[0.5, 0.5, 1.5]],
    checks: both,
  },
});

const around = listed("a gradient that is right at the point alone, at order 2", ["wrong"], {
  "a square's rule is off by a tenth, at 0": {
    f: ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(2.2, x))),
    inputs: [[0, 0, 0]],
    checks: second,
  },
  "a square's rule is 0 within a thousandth of 0": {
    f: ruled(square, ({ cotangent, inputs: [x] }) => where(less(abs(x), 1e-3), 0, mul(cotangent, mul(2, x)))),
    inputs: [[0, 1.3, -0.7]],
    checks: second,
  },
  "the same beside others": {
    f: ruled(square, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(x, where(less(x, 0.5), 2.2, 2)))),
    inputs: [[0, 1, 2]],
    checks: second,
  },
  "a squared error without its 2, where nothing is off": {
    f: (x, y) => mean(ruled(square, ({ cotangent, inputs: [d] }) => mul(cotangent, d))(sub(x, y))),
    inputs: [vector, vector],
    checks: second,
  },
  "a cosine's rule is off by 1e-4, at its top": {
    f: ruled(cos, ({ cotangent, inputs: [x] }) => mul(cotangent, mul(-1.0001, sin(x)))),
    inputs: [[0, 1e-9]],
    checks: second,
  },
  "an exponential's rule misses a product of x": {
    f: ruled(
      (x) => mul(exp(x), sub(1, x)),
      ({ cotangent, inputs: [x], output }) => mul(cotangent, mul(output, mul(-0.9, x))),
    ),
    inputs: [[0, 0]],
    checks: second,
  },
});

export const hidden: readonly Case[] = [computed, around, narrow, state, small, crowded, beyond, corners, decided, more]
  .flat();
