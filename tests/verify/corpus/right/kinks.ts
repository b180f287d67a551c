/** Right gradients on kinks and next to them, at ties, and of functions that decide. */
import {
  abs,
  add,
  arange,
  argmax,
  cast,
  clamp,
  concat,
  DefaultBoxes,
  div,
  equal,
  exp,
  floor,
  gather,
  greater,
  greaterEqual,
  HardMiningCrossEntropyLoss,
  iouMatrix,
  less,
  log,
  matmul,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  neg,
  norm,
  normalize,
  oneHot,
  pow,
  relu,
  reshape,
  round,
  sigmoid,
  sign,
  sin,
  slice,
  smoothL1,
  sort,
  sqrt,
  square,
  SSDLoss,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  topK,
  topKMask,
  transpose,
  unsqueeze,
  where,
} from "../../../../mod.ts";
import {
  type Body,
  both,
  type Case,
  every,
  fast,
  full,
  listed,
  numbers,
  ruled,
  second,
  seeds,
  vector,
} from "../case.ts";

const ok = ["ok"] as const;
/** At a kink there is no derivative to confirm. */
const settled = ["ok", "undecided"] as const;
const kinked = "there is no derivative at the kink itself; the gradient lies between the slopes beside it";
const nearby = "there is no derivative; the gradient is one of points nearby, or a mean of such";
const f32 = Math.fround;
/** The float32 after a number. */
const next = (x: number) => f32(x * (1 + 2 ** -23));

/** A function at several points: next to a kink on either side. */
function at(points: Readonly<Record<string, Body["inputs"]>>, body: Omit<Body, "inputs">): Record<string, Body> {
  return Object.fromEntries(Object.entries(points).map(([name, inputs]) => [name, { ...body, inputs }]));
}

const greatest = (x: Tensor) => max(x);
const clipped = (x: Tensor) => clamp(x, -1, 1);
const hinge = (x: Tensor) => relu(sub(1, x));
const robust = (x: Tensor) => smoothL1(x, 0, { beta: 1, reduction: "none" });

const beside = listed("next to a kink", ok, {
  ...at({
    "the greatest of [1, 1 + 1e-8, 0]": [[1, 1 + 1e-8, 0]],
    "the greatest of [1, 1 + 1e-12, 0]": [[1, 1 + 1e-12, 0]],
    "the greatest of neighbouring doubles": [[1, 1 + 2 ** -52, 0]],
    "the greatest of neighbouring float32 numbers": [[1, next(1), 0]],
    "the greatest of four numbers 1e-7 apart": [[3, 3 + 1e-7, 3 - 1e-7, 3 + 2e-7]],
    "the greatest of numbers of 1e8 that are 1 apart": [[1e8, 1e8 + 1, 0]],
  }, { source: "zplizzi/tensorflow-fast-rcnn#12", f: greatest, checks: both }),
  ...at({
    "a clamp 1e-7 beyond its bound": [[1 + 1e-7, 0.5]],
    "a clamp 1e-7 within its bound": [[1 - 1e-7, 0.5]],
    "a clamp one unit in the last place beyond": [[1 + 2 ** -52, -1 - 2 ** -52]],
    "a clamp one float32 within": [[f32(1 - 2 ** -24), -f32(1 - 2 ** -24)]],
  }, { f: clipped, checks: both }),
  ...at({
    "relu of 1e-9": [[1e-9, 1]],
    "relu of -1e-9": [[-1e-9, 1]],
    "relu of the least numbers": [[5e-324, -5e-324, 1]],
  }, { f: relu, checks: both }),
  ...at({
    "the absolute value of 1e-10": [[1e-10, 1]],
    "the absolute value of -1e-10": [[-1e-10, 1]],
    "the absolute value of 1e-300": [[1e-300, 1]],
  }, { f: abs }),
  ...at({
    "a hinge 1e-9 inside its margin": [[1 - 1e-9, 2]],
    "a hinge 1e-9 outside its margin": [[1 + 1e-9, 2]],
  }, { f: hinge, checks: both }),
  ...at({
    "smooth L1 1e-9 below beta": [[1 - 1e-9, -1 + 1e-9]],
    "smooth L1 1e-9 above beta": [[1 + 1e-9, -1 - 1e-9]],
  }, { f: robust, checks: second }),
  "smooth L1 at beta, where its slope is the same on both sides": { f: robust, inputs: [[1, -1]], checks: both },
  "two numbers 1e-8 apart": { f: maximum, inputs: [[1, 2], [1 + 1e-8, 2 - 1e-8]], checks: both },
  "the lesser of x and 1 / x beside 1": { f: (x) => minimum(x, div(1, x)), inputs: [[1 + 1e-9, 1 - 1e-9]] },
  "a staircase 1e-9 above a step": { f: (x) => add(floor(x), x), inputs: [[1 + 1e-9, 2.5]], checks: both },
  "a staircase 1e-9 below a step": { f: (x) => add(floor(x), x), inputs: [[1 - 1e-9, 2.5]], checks: both },
  "a staircase 1e-13 below a step": {
    f: (x) => mul(floor(x), sub(x, floor(x))),
    inputs: [[1 - 1e-13, 2.5]],
    checks: both,
  },
  "a sorted vector of neighbouring doubles": {
    f: (x) => mul(sort(x), tensor([1, 5, -2])),
    inputs: [[1 + 2 ** -52, 1, 1 + 2 ** -51]],
    checks: both,
  },
  "a threshold at 1e-12": { f: (x) => where(greater(x, 1e-12), mul(3, x), x), inputs: [[1.5e-12, 0.5e-12, 1]] },
  "a sorted vector of numbers 1e-9 apart": {
    f: (x) => mul(sort(x), tensor([1, 2, 3])),
    inputs: [[1, 1 - 1e-9, 1 + 1e-9]],
    checks: both,
  },
  "the two greatest of numbers 1e-9 apart": { f: (x) => topK(x, 2).values, inputs: [[1, 1 - 1e-9, 1 + 1e-9, 0]] },
  "a maximum over windows whose elements are 1e-8 apart": {
    f: (x) => max(reshape(x, [3, 2]), 1),
    inputs: [[1, 1 + 1e-8, 2, 2 - 1e-8, 0, 1e-8]],
  },
  "a network of relus with sums of 1e-10": {
    f: (x) => {
      const hidden = relu(matmul(x, tensor([[1, -1, 0.5], [-1, 1, 2]])));
      return sum(mul(hidden, tensor([1, -2, 3])));
    },
    inputs: [[[1, 1 + 1e-10]]],
    checks: both,
  },
  "elements of many sizes beside a kink": {
    f: relu,
    inputs: [Float64Array.from({ length: 40 }, (_, i) => (i % 2 ? -1 : 1) * 10 ** (-i / 2))],
    checks: both,
  },
});

const onKinks = listed("on a kink", settled, {
  ...at({ "relu at 0": [[0, 1, -1]], "relu of zeros": [[0, 0, 0]] }, { f: relu, checks: both, because: kinked }),
  "relu of 1100 zeros": { f: relu, inputs: [new Float64Array(1100)], because: kinked },
  ...at({ "the absolute value at 0": [[0, 1, -1]] }, { f: abs, checks: both, because: kinked }),
  ...at({ "a clamp at its bounds": [[1, -1, 0.5]] }, { f: clipped, checks: both, because: kinked }),
  ...at({ "a hinge on its margin": [[1, 0, 2]] }, { f: hinge, checks: both, because: kinked }),
  ...at({
    "the greatest of equal numbers": [[3, 3, 1]],
    "the greatest where all are equal": [[2, 2, 2, 2, 2]],
    "the greatest of zeros": [[0, 0]],
  }, { f: greatest, checks: seeds(3, both), because: kinked }),
  "the least of equal numbers": { f: (x) => min(x), inputs: [[3, 1, 1]], checks: both, because: kinked },
  "the greater of equal numbers": { f: maximum, inputs: [[1, 2, 3], [1, 2, 0]], checks: both, because: kinked },
  "the lesser of equal numbers": { f: minimum, inputs: [[1, 2, 3], [1, 2, 9]], checks: both, because: kinked },
  "the greater of 2 x and y, equal": { f: (x, y) => maximum(mul(2, x), y), inputs: [[1, 2], [2, 5]], because: kinked },
  "the greater of x and y + 1, equal": {
    f: (x, y) => maximum(x, add(y, 1)),
    inputs: [[1, 2], [0, 0]],
    because: kinked,
  },
  "a number compared with itself": { f: (x) => maximum(x, x), inputs: [[1, -2]], because: "the two are one function" },
  "the greatest magnitude, of x and -x": {
    f: (x) => max(concat([x, neg(x)])),
    inputs: [[1, -1, 0.5]],
    because: kinked,
  },
  "the sum of magnitudes of zeros": { f: (x) => sum(abs(x)), inputs: [[0, 0, 1]], because: kinked },
  "leaky relu at 0": {
    f: (x) => where(greater(x, 0), x, mul(0.01, x)),
    inputs: [[0, 1, -1]],
    because: kinked,
  },
  "smooth L1's second derivative at beta": { f: robust, inputs: [[1, -1, 0.3]], checks: second, because: kinked },
  "a square of a relu at 0, at order 2": {
    f: (x) => square(relu(x)),
    inputs: [[0, 1, -1]],
    checks: second,
    because: kinked,
  },
  "the corners of a box that lies along the axes": {
    source: "kornia/kornia#4184",
    f: (x) => concat([min(x, 0), max(x, 0)]),
    inputs: [[[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]],
    because: kinked,
  },
  "the lesser of x and 1 / x at 1": { f: (x) => minimum(x, div(1, x)), inputs: [[1, 2]], because: kinked },
  "a sorted vector of equal numbers": {
    f: (x) => mul(sort(x), tensor([1, 2, 3])),
    inputs: [[1, 1, 0]],
    because: kinked,
  },
  "the greatest and the least of two equal numbers, added": {
    f: (x) => add(max(x), min(x)),
    inputs: [[1, 1]],
    checks: seeds(3, both),
    because: "it is the sum of both; the slopes of its terms differ",
  },
  "the greatest and the least of three equal numbers, added": {
    f: (x) => add(max(x), min(x)),
    inputs: [[1, 1, 1]],
    checks: seeds(3, both),
    because: nearby,
  },
  "a greatest of numbers and the least of others": {
    f: (x, y) => add(maximum(x, add(y, 1)), minimum(x, add(y, 1))),
    inputs: [[1, 2], [0, 1]],
    checks: both,
    because: "it is the sum of both; the slopes of its terms differ",
  },
  ...at({ "a median of three equal numbers": [[1, 1, 1]], "a median of 51 equal numbers": [new Float64Array(51)] }, {
    f: (x) => slice(sort(x), [x.size >> 1]),
    because: nearby,
  }),
  "a range of 20 equal numbers, squared": {
    f: (x) => square(sub(max(x), min(x))),
    inputs: [new Float64Array(20).fill(1)],
    checks: [...both, ...second],
    because: nearby,
  },
  "equal numbers, sorted and weighted": {
    f: (x) => mul(sort(x), tensor([1, -2, 3, 1])),
    inputs: [[2, 1, 1, 2]],
    checks: seeds(2, both),
    because: nearby,
  },
  "the ends of three equal numbers, sorted": {
    f: (x) => mul(sort(x), tensor([1, 0, 1])),
    inputs: [[1, 1, 1]],
    because: nearby,
  },
  "a median of equal numbers": { f: (x) => slice(sort(x), [1]), inputs: [[1, 1, 0]], because: kinked },
  "a dead network": {
    f: (x) => sum(relu(matmul(x, tensor([[1, -1], [-1, 1]])))),
    inputs: [[[0, 0]]],
    because: kinked,
  },
  "a network at a tie of its units": {
    f: (x) => max(matmul(x, tensor([[1, -1, 0.5], [-1, 1, 2]]))),
    inputs: [[[1, 2]]],
    because: kinked,
  },
  "a soft threshold on its threshold": {
    f: (x) => mul(sign(x), relu(sub(abs(x), 0.5))),
    inputs: [[0.5, -0.5, 1]],
    because: kinked,
  },
  "a quantile loss at its quantile": {
    f: (x) => maximum(mul(0.9, x), mul(-0.1, x)),
    inputs: [[0, 1, -1]],
    because: kinked,
  },
  "a branch of square roots at 0": {
    f: (x) => where(greater(x, 0), sqrt(x), 0),
    inputs: [[0, 1, -1]],
    because: "the slope is infinite on one side and 0 on the other",
  },
  "a ramp between a sine and its bound": {
    f: (x) => maximum(sin(x), 0),
    inputs: [[0, 1, -1]],
    because: kinked,
  },
});

/** The derivative at a point without one, as other frameworks have it. */
const chosen = (value: (x: Tensor) => Tensor, edge: number, slope: number, otherwise: (x: Tensor) => Tensor) =>
  ruled(value, ({ cotangent, inputs: [x] }) => mul(cotangent, where(equal(x, edge), slope, otherwise(x))));
const firstOf = (first: number) =>
  ruled(
    maximum,
    ({ cotangent, inputs: [a, b] }) => mul(cotangent, where(greater(a, b), 1, where(equal(a, b), first, 0))),
    ({ cotangent, inputs: [a, b] }) => mul(cotangent, where(less(a, b), 1, where(equal(a, b), 1 - first, 0))),
  );
/** The length of a vector, with a gradient at 0. */
const lengthAt0 = (x: number, y: number) =>
  ruled((x) => sqrt(sum(square(x))), ({ cotangent, inputs: [v], output }) => {
    const isZero = equal(output, 0);
    return mul(cotangent, where(isZero, where(equal(arange(2), 0), x, y), div(v, where(isZero, 1, output))));
  });
const conventions = listed("a slope that other frameworks choose", settled, {
  "relu at 0: 1": { f: chosen(relu, 0, 1, (x) => where(greater(x, 0), 1, 0)), inputs: [[0, 1, -1]], because: kinked },
  "relu at 0: a half": {
    f: chosen(relu, 0, 0.5, (x) => where(greater(x, 0), 1, 0)),
    inputs: [[0, 1, -1]],
    because: kinked,
  },
  "the absolute value at 0: 1": { f: chosen(abs, 0, 1, sign), inputs: [[0, 1, -1]], because: kinked },
  "the absolute value at 0: -1": { f: chosen(abs, 0, -1, sign), inputs: [[0, 1, -1]], because: kinked },
  "a clamp at its bound: a half": {
    f: chosen((x) => clamp(x, -9, 1), 1, 0.5, (x) => where(less(x, 1), 1, 0)),
    inputs: [[1, 0.5, 2]],
    because: kinked,
  },
  "two equal numbers: the first one": { f: firstOf(1), inputs: [[1, 2, 3], [1, 5, 3]], because: kinked },
  "two equal numbers: the second one": { f: firstOf(0), inputs: [[1, 2, 3], [1, 5, 3]], because: kinked },
  "two equal numbers: 0.3 and 0.7": { f: firstOf(0.3), inputs: [[1, 2, 3], [1, 5, 3]], because: kinked },
  "the greatest: the first of equal ones": {
    f: ruled((x) => max(x), ({ cotangent, inputs: [x] }) => mul(cotangent, oneHot(argmax(x), 4))),
    inputs: [[1, 3, 3, 3]],
    because: kinked,
  },
  "a length at 0: 0": { f: lengthAt0(0, 0), inputs: [[0, 0]], because: kinked },
  "a length at 0: 0.6 and -0.6": { f: lengthAt0(0.6, -0.6), inputs: [[0, 0]], because: kinked },
});

const boxes = (rows: number[][]) => rows;
const unit = [0, 0, 1, 1];
const overlap = (kind: "iou" | "giou" | "diou" | "ciou") => (a: Tensor, b: Tensor) => iouMatrix(a, b, { kind });
const pairs: Readonly<Record<string, [number[], readonly string[]]>> = {
  "overlap": [[0.3, 0.2, 1.4, 1.1], ok],
  "barely overlap": [[1 - 1e-8, 0.2, 1.8, 1.1], ok],
  "barely miss": [[1 + 1e-8, 0.2, 1.8, 1.1], ok],
  "are apart": [[2, 3, 4, 4], ok],
  "touch": [[1, 0.2, 2, 0.9], settled],
  "touch at a corner": [[1, 1, 2, 2], settled],
  "are the same": [unit, settled],
  "share an edge from within": [[0, 0.2, 0.5, 0.7], settled],
  "contain each other": [[0.2, 0.3, 0.6, 0.8], ok],
};
const overlaps = Object.entries(pairs).flatMap(([name, [box, accepts]]) =>
  listed("boxes", accepts as Case["accepts"], {
    ...Object.fromEntries((["iou", "giou", "diou"] as const).map((kind) => [`${kind} of boxes that ${name}`, {
      f: overlap(kind),
      inputs: [boxes([unit]), boxes([box])],
      checks: kind === "iou" ? both : full,
      because: accepts.length > 1 ? kinked : undefined,
    }])),
  })
);

const anchors = new DefaultBoxes({
  figSize: 300,
  featSizes: [2, 1],
  scales: [60, 150, 240],
  aspectRatios: [[2], [2]],
});
const logits = numbers(2 * 3 * 6, (random) => 4 * random() - 2, 3);
const labels = tensor([[1, 0, 0, 2, 0, 0], [0, 0, 1, 0, 0, 0]], undefined, { dtype: "int" });

const decisions = listed("decisions", ok, {
  "hard negatives mined": {
    f: (x) => new HardMiningCrossEntropyLoss().forward(x, labels),
    inputs: [{ shape: [2, 3, 6], values: logits }],
    checks: both,
  },
  "hard negatives mined among losses 1e-9 apart": {
    f: (x) => new HardMiningCrossEntropyLoss({ negPosRatio: 1 }).forward(x, labels),
    inputs: [{ shape: [2, 3, 6], values: logits.map((x, i) => (i % 6 > 3 ? 0.5 + i * 1e-9 : x)) }],
  },
  "boxes matched and mined": {
    f: (locations, classes) =>
      new SSDLoss(anchors).forward([locations, classes], [[0, 1, 0.4, 0.5, 0.3, 0.3], [1, 0, 0.6, 0.6, 0.5, 0.2]]).loss,
    inputs: [
      { shape: [2, 4, anchors.count], values: numbers(8 * anchors.count, (random) => 0.4 * random() - 0.2, 5) },
      { shape: [2, 3, anchors.count], values: numbers(6 * anchors.count, (random) => 2 * random() - 1, 6) },
    ],
    checks: both,
  },
  "the most likely class": {
    f: (x) => sum(mul(x, oneHot(argmax(x, 1), 3))),
    inputs: [[[0.1, 0.9, 0.3], [2, 1, 0]]],
    checks: both,
  },
  "the best match of each box": {
    f: (a, b) => {
      const overlaps = iouMatrix(a, b);
      return gather(overlaps, unsqueeze(argmax(overlaps, 1), 1), 1);
    },
    inputs: [[[0, 0, 1, 1], [1, 1, 3, 2]], [[0.2, 0.1, 1, 1.2], [1.5, 0.8, 2.5, 2.2]]],
  },
  "the three hardest losses": { f: (x) => sum(mul(exp(x), topKMask(x, 3))), inputs: [vector], checks: both },
  "the elements above the mean": {
    f: (x) => sum(where(greater(x, mean(x)), square(x), x)),
    inputs: [vector],
    checks: both,
  },
  "a step in the weight": { f: (x) => mul(cast(greater(x, 0.5), "float"), x), inputs: [vector] },
  "a whole number of turns taken off": { f: (x) => sub(x, floor(x)), inputs: [vector], checks: both },
  "a number rounded to quarters": {
    f: (x) => div(round(mul(x, 4)), 4),
    inputs: [vector],
    because: "a staircase, whose gradient is 0",
    checks: both,
  },
  "a number rounded to thousandths": { f: (x) => div(round(mul(x, 1000)), 1000), inputs: [[0.7003, -1.3001]] },
  "a sign times its number": { f: (x) => mul(sign(x), x), inputs: [vector] },
  "counting what is positive": { f: (x) => sum(cast(greater(x, 0), "float")), inputs: [vector] },
  "an integer part as a factor": { f: (x) => mul(floor(x), x), inputs: [vector] },
  "a chain of three conditions": {
    f: (x) => where(less(x, 0), square(x), where(less(x, 1), pow(x, 3), log(x))),
    inputs: [vector.concat(3)],
    checks: both,
  },
  "a clamp that is never reached": { f: (x) => clamp(x, -100, 100), inputs: [vector], checks: every },
  "ordering by another input": {
    f: (x, y) => {
      const first = greaterEqual(x, y);
      return where(first, mul(x, y), add(x, y));
    },
    inputs: [vector, [0.5, 0.5, 0.5, 0.5, 0.5]],
  },
});

const untaken = listed("a branch that was not taken", ok, {
  "square roots of negative numbers": { f: (x) => where(greater(x, 0), sqrt(x), 0), inputs: [[1, -1]], checks: both },
  "logarithms of negative numbers": { f: (x) => where(greater(x, 0), log(x), x), inputs: [[1, -1]], checks: both },
  "a relu of a logarithm": { f: (x) => relu(log(x)), inputs: [[0.5, 2]], checks: both },
  "a clamp of a pole": {
    f: (x) => clamp(div(1, x), -3, 3),
    inputs: [[0, 1, 0.01]],
    because: "the value beside the pole is the bound; on either side another",
    accepts: settled,
  },
  "a quotient by 0 that is not selected": {
    f: (x) => where(equal(x, 0), 1, div(sin(x), where(equal(x, 0), 1, x))),
    inputs: [[0, 1, -2]],
    accepts: settled,
    because: "the decision is on its edge, which is reported; the derivative at 0 is 0 by symmetry",
  },
  "the greatest of logarithms of 0": {
    f: (x) => max(log(x)),
    inputs: [[0, 2, 1]],
    accepts: settled,
    because: "the function ends at 0",
  },
  "a maximum with infinity": { f: (x) => minimum(x, Infinity), inputs: [vector] },
  "an overflow in the other branch": { f: (x) => where(less(x, 700), sigmoid(x), exp(mul(0, x))), inputs: [[1, 800]] },
});

const slight = listed("a kink that hides", ok, {
  "beside what does far more": {
    f: (x) => sum(mul(abs(x), tensor([1e-9, 1, 1, 1]))),
    inputs: [[0, 1, 2, 3]],
    checks: seeds(2, [...both, ...second]),
  },
  "beside what does more, on a slope of its own": {
    f: (x) => sum(mul(add(x, mul(1e-10, abs(x))), numbers(40, (random) => random() - 0.5))),
    inputs: [numbers(40, () => 0).map((_, i) => (i % 8 === 0 ? 0 : i))],
    checks: both,
  },
  "a tie with what is as steep as a length at 0": {
    f: (x) => minimum(0, div(x, add(0.1, norm(x)))),
    inputs: [new Float64Array(12)],
    checks: seeds(2, both),
  },
  "equal numbers, sorted, beside a length at 0": {
    f: (x) => div(sort(x), add(1, norm(x))),
    inputs: [[0, 0, 0, 0]],
    checks: seeds(4, both),
  },
  "the greatest of saturated tangents": { f: (x) => max(tanh(x)), inputs: [[50.3, 49.8, 51]], checks: both },
  "directions that cancel, with a decision on its edge": {
    f: (x) => {
      const y = mul(x, sum(mul(x, cast(greater(x, 0), "float"))));
      return log(add(1, sum(square(normalize(matmul(y, matmul(transpose(y), y)))))));
    },
    inputs: [[[-1.5, 1, -0.5, -1, 0.5], [-2, 0, 0.5, 2, 0.5]]],
    checks: both,
  },
  "dead units of which the length is taken": {
    f: (x) => add(x, div(relu(x), add(0.1, norm(relu(x))))),
    inputs: [[0, 0]],
    checks: seeds(4, both),
  },
});

const fewJumps = listed("elements that jump, along directions", ok, {
  "half of a few": { f: (x) => mul(x, sub(x, floor(x))), inputs: [[1, 2, 0.3, 0.4, -0.6]], checks: fast },
  "ten among a hundred": {
    f: (x) => exp(sub(x, floor(x))),
    inputs: [numbers(100, (random) => random()).map((x, i) => (i % 10 === 0 ? i : x))],
    checks: fast,
  },
});

export const kinks: readonly Case[] = [slight, fewJumps, beside, onKinks, conventions, overlaps, decisions, untaken]
  .flat();
