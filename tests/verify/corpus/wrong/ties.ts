/** Gradients that are wrong where the function has no derivative, or a decision is on its edge. */
import {
  abs,
  add,
  argmax,
  argmin,
  binaryCrossEntropyWithLogits,
  cast,
  clamp,
  detach,
  div,
  equal,
  exp,
  expm1,
  gather,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logSumExp,
  max,
  maximum,
  mean,
  min,
  mul,
  neg,
  notEqual,
  pow,
  relu,
  sign,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  unsqueeze,
  where,
} from "../../../../mod.ts";
import { both, type Case, full, listed, ruled, seeds } from "../case.ts";

/** The greater of two numbers; if they are equal, each gets this share of the gradient. */
const greaterOf = (first: number, other = first) =>
  ruled(
    maximum,
    ({ cotangent, inputs: [a, b] }) => mul(cotangent, where(greater(a, b), 1, where(equal(a, b), first, 0))),
    ({ cotangent, inputs: [a, b] }) => mul(cotangent, where(less(a, b), 1, where(equal(a, b), other, 0))),
  );

/** The greatest element; elements that are equal to it get this share of the gradient each. */
const greatest = (share: (x: Tensor, count: Tensor) => Tensor) =>
  ruled((x) => max(x), ({ cotangent, inputs: [x], output }) => {
    const chosen = equal(x, output);
    return mul(cotangent, where(chosen, share(x, sum(cast(chosen, "float"))), 0));
  });

const ties = listed("a tie", ["wrong"], {
  "each of two equal numbers gets everything": {
    source: "microsoft/onnxruntime#7217",
    f: greaterOf(1),
    inputs: [[1, 2, 3], [1, 5, 3]],
    checks: seeds(3, both.slice(0, 1)),
  },
  "neither of two equal numbers gets anything": { f: greaterOf(0), inputs: [[1, 2, 3], [1, 5, 3]] },
  "two equal numbers get 0.7 each": { f: greaterOf(0.7), inputs: [[1, 2, 3], [1, 5, 3]] },
  "one of two equal numbers gets twice the gradient": { f: greaterOf(2, -1), inputs: [[1, 2, 3], [1, 5, 3]] },
  "2 x and y are equal, and each gets everything": {
    f: (x, y) => greaterOf(1)(mul(2, x), y),
    inputs: [[1, 2], [2, 4]],
  },
  "x and y + 1 are equal, and each gets everything": {
    f: (x, y) => greaterOf(1)(x, add(y, 1)),
    inputs: [[1, 2], [0, 1]],
  },
  "x squared and y are equal, and each gets everything": {
    f: (x, y) => greaterOf(1)(square(x), y),
    inputs: [[1.5, 2], [2.25, 4]],
  },
  "a number is compared with itself, and counted twice": { f: (x) => greaterOf(1)(x, x), inputs: [[1, 2]] },
  "each of the greatest elements gets everything": {
    source: "sahandsafizadeh/qeep#101",
    f: greatest(() => tensor(1)),
    inputs: [[1, 3, 3, 2]],
    checks: seeds(3, both.slice(0, 1)),
  },
  "the greatest elements share as if all were equal": {
    f: greatest((x) => tensor(1 / x.size)),
    inputs: [[1, 3, 3, 2]],
  },
  "the greatest elements share by their number less one": {
    f: greatest((_, count) => div(1, maximum(1, sub(count, 1)))),
    inputs: [[3, 3, 3, 2]],
  },
  "the least elements get everything each": {
    f: (x) => neg(greatest(() => tensor(1))(neg(x))),
    inputs: [[1, 3, 1, 2]],
  },
  "all elements are equal, and each gets everything": { f: greatest(() => tensor(1)), inputs: [[2, 2, 2, 2, 2]] },
  "two functions of one element are equal, and each gets everything": {
    f: (x) => greaterOf(1)(mul(2, x), add(x, 1)),
    inputs: [[1, 3]],
  },
  "a distance of two equal numbers pulls both the same way": {
    f: ruled(
      (a, b) => abs(sub(a, b)),
      ({ cotangent, inputs: [a, b] }) => mul(cotangent, where(greaterEqual(a, b), 1, -1)),
      ({ cotangent, inputs: [a, b] }) => mul(cotangent, where(greaterEqual(b, a), 1, -1)),
    ),
    inputs: [[1, 2], [1, 3]],
  },
});

/** Ties that belong together, taken in different ways: the gradient is that of no point nearby. */
const together = listed("ties that are taken in different ways", ["wrong"], {
  "the first of equal numbers is both the greatest and the least": {
    f: (x) => add(gather(x, argmax(x, 0, { keepDims: true }), 0), gather(x, argmin(x, 0, { keepDims: true }), 0)),
    inputs: [[1, 1]],
    checks: both,
  },
  "a number as the difference of what is above 0 and below": {
    f: (x) => sub(relu(x), relu(neg(x))),
    inputs: [[0, 1]],
    checks: both,
  },
  "many numbers as differences of what is above 0 and below": {
    f: (x) => sub(relu(x), relu(neg(x))),
    inputs: [new Float64Array(20)],
    checks: both,
  },
  "one of several elements is off, beside a decision on its edge": {
    f: (x) => {
      const spoiled = ruled((x) => mul(x, 1), ({ cotangent, inputs: [x] }) => where(equal(x, 3), 0, cotangent));
      return where(greater(x, 0), spoiled(x), mul(0.5, x));
    },
    inputs: [[0, 1, 3, -1]],
    checks: both,
  },
  "a small error among equal numbers": {
    f: (x) => {
      const e = ruled(exp, ({ cotangent, output }) => mul(cotangent, mul(output, 1 + 1e-6)));
      const y = e(mul(x, x));
      return mul(y, min(y));
    },
    inputs: [[1, -1, 1]],
    checks: seeds(3, both),
  },
  "many zeros that replace values": {
    f: (x) => where(equal(x, 0), 0, x),
    inputs: [new Float64Array(20)],
    checks: both,
  },
});

/** A clamp whose slope at its bounds is 1.2. */
const steep = ruled(
  (x) => clamp(x, -1, 1),
  ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(abs(x), 1), 1.2, where(less(abs(x), 1), 1, 0))),
);
const kinks = listed("a kink", ["wrong"], {
  "relu has a slope of 5 at 0": {
    f: ruled(relu, ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, 0), 5, where(greater(x, 0), 1, 0)))),
    inputs: [[0, 1, -1]],
    checks: both,
  },
  "relu has a slope of -1 at 0": {
    f: ruled(relu, ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, 0), -1, where(greater(x, 0), 1, 0)))),
    inputs: [[0, 1, -1]],
  },
  "relu has a slope of 1.01 at 0": {
    f: ruled(
      relu,
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, 0), 1.01, where(greater(x, 0), 1, 0))),
    ),
    inputs: [[0, 1, -1]],
  },
  "the absolute value has a slope of 2 at 0": {
    f: ruled(abs, ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, 0), 2, sign(x)))),
    inputs: [[0, 1, -1]],
  },
  "a hinge has the wrong sign on its margin": {
    f: ruled(
      (x) => relu(sub(1, x)),
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(less(x, 1), -1, where(equal(x, 1), 1, 0))),
    ),
    inputs: [[1, 0.5, 2]],
    checks: both,
  },
  "a clamp has a slope of 3 at its bound": {
    f: ruled(
      (x) => clamp(x, -1, 1),
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(abs(x), 1), 3, where(less(abs(x), 1), 1, 0))),
    ),
    inputs: [[1, 0.5, -1, 2]],
  },
  // What comes after it uses its number several times, so that bounds on the derivative are far apart.
  "a clamp has a slope of 1.2 at its bound, of which the logarithm of a sum of exponentials is taken": {
    f: (x) => logSumExp(steep(x)),
    inputs: [[1, 0.5]],
    checks: both,
  },
  "a clamp has a slope of 1.2 at its bound, of which binary cross entropies are taken": {
    f: (x) => binaryCrossEntropyWithLogits(steep(x), [0, 1, 1]),
    inputs: [[1, 0.5, -1]],
    checks: both,
  },
  "a clamp passes everything on": {
    f: ruled((x) => clamp(x, -1, 1), ({ cotangent }) => mul(cotangent, 1)),
    inputs: [[2, 0.5]],
  },
  "a clamp lacks its upper bound": {
    f: ruled((x) => clamp(x, -1, 1), ({ cotangent, inputs: [x] }) => where(greater(x, -1), cotangent, 0)),
    inputs: [[2, 0.5, -3]],
    checks: both,
  },
  "a clamp passes what is outside alone": {
    f: ruled((x) => clamp(x, -1, 1), ({ cotangent, inputs: [x] }) => where(less(abs(x), 1), 0, cotangent)),
    inputs: [[2, 0.5, -3]],
  },
  "soft shrinkage has a slope outside those beside its threshold": {
    f: ruled(
      (x) => mul(sign(x), relu(sub(abs(x), 0.5))),
      ({ cotangent, inputs: [x] }) =>
        mul(cotangent, where(equal(abs(x), 0.5), -0.5, where(greater(abs(x), 0.5), 1, 0))),
    ),
    inputs: [[0.5, 1, 0.2]],
  },
  "a square hinge, whose derivative is 0 on the margin, has a slope there": {
    f: ruled(
      (x) => square(relu(sub(1, x))),
      ({ cotangent, inputs: [x] }) =>
        mul(cotangent, where(lessEqual(x, 1), sub(mul(2, sub(x, 1)), where(equal(x, 1), 1, 0)), 0)),
    ),
    inputs: [[1, 0.5, 2]],
  },
  "beside a kink: the slope of the other side, 1e-9 away": {
    f: ruled(relu, ({ cotangent, inputs: [x] }) => where(greater(x, -1e-6), cotangent, 0)),
    inputs: [[-1e-9, 1]],
  },
  "beside a tie: the lesser of two numbers 1e-9 apart": {
    f: ruled(
      maximum,
      ({ cotangent, inputs: [a, b] }) => where(greater(a, sub(b, 1e-6)), cotangent, 0),
      ({ cotangent, inputs: [a, b] }) => where(greater(a, sub(b, 1e-6)), 0, cotangent),
    ),
    inputs: [[1], [1 + 1e-9]],
  },
  "beside a tie: the greatest of numbers 1e-9 apart shares": {
    f: ruled((x) => max(x), ({ cotangent, inputs: [x], output }) => {
      const near = greater(x, sub(output, 1e-6));
      return mul(cotangent, div(cast(near, "float"), sum(cast(near, "float"))));
    }),
    inputs: [[1, 1 + 1e-9, 0]],
  },
  "a network of kinks with one slope": {
    f: (x) => {
      const bent = ruled(relu, ({ cotangent, inputs: [x] }) => where(greater(x, 0), mul(1.001, cotangent), 0));
      return sum(bent(add(unsqueeze(x, 1), tensor([0.1, -0.2, 0.3]))));
    },
    inputs: [[0.7, -0.1, 0.2]],
    checks: both,
  },
});

const edges = listed("a decision exactly on its edge", ["wrong"], {
  "a quotient is replaced where it is 0 / 0, by its limit alone": {
    f: (x) => where(equal(x, 0), 1, div(expm1(x), x)),
    inputs: [[0, 1]],
    checks: both,
  },
  "a quotient of differences is replaced where they are 0": {
    f: (x, y) => where(equal(x, y), 0, div(square(sub(x, y)), sub(x, y))),
    inputs: [[1, 2], [1, 3]],
    checks: both,
  },
  "a number is replaced where it is 0": { f: (x) => where(equal(x, 0), 0, x), inputs: [[0, 1]], checks: full },
  "a square is replaced where its argument is 2": { f: (x) => where(equal(x, 2), 4, square(x)), inputs: [[2, 1]] },
  "an exponential is replaced where its argument is 0": { f: (x) => where(equal(x, 0), 1, exp(x)), inputs: [[0, 1]] },
  "numbers are kept where they differ from 1": { f: (x) => where(notEqual(x, 1), pow(x, 3), 1), inputs: [[1, 2]] },
  "a product with what is equal": {
    f: (x, y) => where(equal(x, y), mul(x, x), mul(x, y)),
    inputs: [[2, 1], [2, 3]],
  },
  "a mean over the elements that equal the least one": {
    f: (x) => mean(where(equal(x, detach(min(x))), x, detach(x))),
    inputs: [[1, 2, 3]],
  },
});

export const tiesAndKinks: readonly Case[] = [ties, together, kinks, edges].flat();
