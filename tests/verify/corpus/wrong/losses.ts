/** Losses with a wrong gradient. */
import {
  abs,
  add,
  arange,
  atan,
  binaryCrossEntropyWithLogits,
  clamp,
  crossEntropy,
  detach,
  div,
  equal,
  exp,
  greater,
  iouMatrix,
  less,
  log,
  logSoftmax,
  maximum,
  mean,
  minimum,
  mul,
  neg,
  oneHot,
  pow,
  relu,
  sigmoid,
  sign,
  slice,
  smoothL1,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  where,
} from "../../../../mod.ts";
import { both, type Case, listed, matrix, positive, ruled, vector } from "../case.ts";

const LABELS = tensor([2, 0], undefined, { dtype: "int" });
const truth = tensor([1, 0, 1, 0.3, 0]);
const targets = oneHot(LABELS, 3);
const probability = [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]];

const regression = listed("the rule of a loss for numbers", ["wrong"], {
  "a mean squared error divides by the size of the batch": {
    f: ruled(
      (x, t) => mean(square(sub(x, t))),
      ({ cotangent, inputs: [x, t] }) => mul(cotangent, div(mul(2, sub(x, t)), x.shape[0])),
      null,
    ),
    inputs: [matrix, tensor([[1, 2, 3], [4, 5, 6]], undefined, { dtype: "int" })],
  },
  "smooth L1 compares signed differences with its threshold": {
    source: "BobMcDear/attorch#13",
    f: ruled(
      (x) => smoothL1(x, 0, { reduction: "none" }),
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(less(x, 1), x, 1)),
    ),
    inputs: [[-3, -0.5, 0.5, 3]],
    checks: both,
  },
  "smooth L1 forgets its beta": {
    source: "pytorch/pytorch#17447",
    f: ruled(
      (x) => smoothL1(x, 0, { beta: 0.5, reduction: "none" }),
      ({ cotangent, inputs: [x] }) => mul(cotangent, clamp(x, -1, 1)),
    ),
    inputs: [[-3, -0.2, 0.7, 3]],
  },
  "huber's linear part has a slope of 1": {
    f: ruled(
      (x) => where(less(abs(x), 2), mul(0.5, square(x)), mul(2, sub(abs(x), 1))),
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(less(abs(x), 2), x, sign(x))),
    ),
    inputs: [[-3, -0.2, 0.7, 3]],
  },
  "log cosh has the slope of cosh": {
    f: ruled(
      (x) => log(mul(0.5, add(exp(x), exp(neg(x))))),
      ({ cotangent, inputs: [x] }) => mul(cotangent, mul(0.5, sub(exp(x), exp(neg(x))))),
    ),
    inputs: [vector],
  },
  "a quantile's lower branch has the wrong sign": {
    f: ruled(
      (x) => maximum(mul(0.9, x), mul(-0.1, x)),
      ({ cotangent, inputs: [x] }) => mul(cotangent, where(greater(x, 0), 0.9, 0.1)),
    ),
    inputs: [vector],
  },
  "a Poisson loss without the gradient of its rate": {
    f: ruled((x, t) => sub(exp(x), mul(t, x)), ({ cotangent, inputs: [, t] }) => neg(mul(cotangent, t)), null),
    inputs: [vector, positive],
  },
  "a Gaussian loss without the half of its variance": {
    f: ruled(
      (x, v) => mul(0.5, add(log(v), div(square(x), v))),
      ({ cotangent, inputs: [x, v] }) => mul(cotangent, div(x, v)),
      ({ cotangent, inputs: [x, v] }) => mul(cotangent, sub(div(1, v), mul(0.5, div(square(x), square(v))))),
    ),
    inputs: [vector, positive],
  },
  "a cosine similarity with a length held": {
    f: (x, y) => div(sum(mul(x, y)), mul(detach(sqrt(sum(square(x)))), sqrt(sum(square(y))))),
    inputs: [vector, positive],
    checks: both,
  },
  "a triplet loss pulls the negative example": {
    f: ruled(
      (a, p, n) => relu(add(0.5, sub(sum(square(sub(a, p))), sum(square(sub(a, n)))))),
      ({ cotangent, inputs: [, p, n] }) => mul(cotangent, mul(2, sub(n, p))),
      ({ cotangent, inputs: [a, p] }) => mul(cotangent, mul(2, sub(p, a))),
      ({ cotangent, inputs: [a, , n] }) => mul(cotangent, mul(2, sub(n, a))),
    ),
    inputs: [[0.3, 0.1], [1, 2], [0.5, 0.2]],
  },
  "a contrastive margin without its chain factor": {
    f: ruled(
      (d) => square(relu(sub(1, d))),
      ({ cotangent, inputs: [d] }) => mul(cotangent, mul(2, relu(sub(1, d)))),
    ),
    inputs: [[0.3, 0.8, 2]],
  },
});

const classification = listed("the rule of a loss for classes", ["wrong"], {
  "a sum of cross entropies divides by the size of the batch": {
    source: "paiml/aprender#2182",
    f: (x) =>
      ruled(
        (x, labels) => crossEntropy(x, labels, { axis: 1, reduction: "sum" }),
        ({ cotangent, inputs: [x] }) => mul(cotangent, div(sub(softmax(x, 1), targets), 2)),
        null,
      )(x, LABELS),
    inputs: [matrix],
    checks: both,
  },
  "a cross entropy for each row takes the first row's cotangent": {
    source: "paiml/aprender#2182",
    f: (x) =>
      ruled(
        (x, labels) => crossEntropy(x, labels, { axis: 1, reduction: "none" }),
        ({ cotangent, inputs: [x] }) => mul(slice(cotangent, [0]), sub(softmax(x, 1), targets)),
        null,
      )(x, LABELS),
    inputs: [matrix],
  },
  "smoothed labels have the gradient of hard ones": {
    f: (x) => {
      const smooth = add(mul(0.9, targets), 0.1 / 3);
      return ruled(
        (x, t) => neg(sum(mul(t, logSoftmax(x, 1)))),
        ({ cotangent, inputs: [x] }) => mul(cotangent, sub(softmax(x, 1), targets)),
        null,
      )(x, smooth);
    },
    inputs: [matrix],
  },
  "a label that is ignored still gets a gradient": {
    f: (x) =>
      ruled(
        (x, t) => neg(sum(mul(slice(t, [0]), slice(logSoftmax(x, 1), [0])))),
        ({ cotangent, inputs: [x, t] }) => mul(cotangent, sub(softmax(x, 1), t)),
        null,
      )(x, targets),
    inputs: [matrix],
  },
  "the gradient is put at the next label": {
    f: (x) =>
      ruled(
        (x, t) => neg(sum(mul(t, logSoftmax(x, 1)))),
        ({ cotangent, inputs: [x] }) => mul(cotangent, sub(softmax(x, 1), tensor([[0, 1, 0], [0, 1, 0]]))),
        null,
      )(x, targets),
    inputs: [matrix],
  },
  "a binary cross entropy ignores the weight of its positives": {
    f: (x) =>
      ruled(
        (x, t) => add(mul(3, mul(t, log(add(1, exp(neg(x)))))), mul(sub(1, t), log(add(1, exp(x))))),
        ({ cotangent, inputs: [x, t] }) => mul(cotangent, sub(sigmoid(x), t)),
        null,
      )(x, truth),
    inputs: [vector],
  },
  "a binary cross entropy takes logits for probabilities": {
    f: (x) =>
      ruled(
        (x, t) => binaryCrossEntropyWithLogits(x, t, { reduction: "sum" }),
        ({ cotangent, inputs: [x, t] }) => mul(cotangent, sub(x, t)),
        null,
      )(x, truth),
    inputs: [vector],
  },
  "a focal loss without the derivative of its focus": {
    f: (x) => {
      const p = sigmoid(x);
      return neg(mul(pow(sub(1, detach(p)), 2), log(p)));
    },
    inputs: [vector],
    checks: both,
  },
  "a focal loss with a gamma that is off by one": {
    f: ruled((x) => neg(mul(square(sub(1, sigmoid(x))), log(sigmoid(x)))), ({ cotangent, inputs: [x] }) => {
      const p = sigmoid(x);
      const q = sub(1, p);
      return mul(cotangent, sub(mul(mul(3, mul(p, square(q))), log(p)), pow(q, 3)));
    }),
    inputs: [vector],
  },
  "a divergence lacks its constant term": {
    f: ruled(
      (p, q) => sum(mul(p, sub(log(p), log(q)))),
      ({ cotangent, inputs: [p, q] }) => mul(cotangent, sub(log(p), log(q))),
      ({ cotangent, inputs: [p, q] }) => neg(mul(cotangent, div(p, q))),
    ),
    inputs: [[0.2, 0.3, 0.5], [0.4, 0.4, 0.2]],
  },
  "a divergence's target gets no gradient": {
    f: ruled(
      (p, q) => sum(mul(p, sub(log(p), log(q)))),
      null,
      ({ cotangent, inputs: [p, q] }) => neg(mul(cotangent, div(p, q))),
    ),
    inputs: [[0.2, 0.3, 0.5], [0.4, 0.4, 0.2]],
  },
  "a dice loss with its denominator held": {
    f: (x) => sub(1, div(mul(2, sum(mul(sigmoid(x), truth))), add(detach(sum(sigmoid(x))), sum(truth)))),
    inputs: [vector],
  },
  "a temperature that is held": {
    f: (x, t) => neg(mean(mul(targets, logSoftmax(div(x, detach(t)), 1)))),
    inputs: [matrix, 2],
  },
  "a temperature that is forgotten in the gradient": {
    f: ruled(
      (x) => softmax(div(x, 2), 1),
      ({ cotangent, output }) => mul(output, sub(cotangent, sum(mul(cotangent, output), 1, { keepDims: true }))),
    ),
    inputs: [matrix],
  },
  "a perplexity without its outer derivative": {
    f: ruled((x) => exp(mean(neg(log(x)))), ({ cotangent, inputs: [x] }) => neg(div(cotangent, mul(x, x.size)))),
    inputs: [probability],
  },
  "an entropy without the term of its logarithm": {
    f: ruled((p) => neg(sum(mul(p, log(p)))), ({ cotangent, inputs: [p] }) => neg(mul(cotangent, log(p)))),
    inputs: [probability],
  },
});

/** Intersection and union of two boxes, as corners. */
const corners = (box: Tensor) => [0, 1, 2, 3].map((i) => slice(box, [i]));
const area = (box: Tensor) => {
  const [x1, y1, x2, y2] = corners(box);
  return mul(sub(x2, x1), sub(y2, y1));
};
const overlap = (a: Tensor, b: Tensor) => {
  const [[ax1, ay1, ax2, ay2], [bx1, by1, bx2, by2]] = [corners(a), corners(b)];
  return mul(relu(sub(minimum(ax2, bx2), maximum(ax1, bx1))), relu(sub(minimum(ay2, by2), maximum(ay1, by1))));
};
const union = (a: Tensor, b: Tensor) => sub(add(area(a), area(b)), overlap(a, b));
const hull = (a: Tensor, b: Tensor) => {
  const [[ax1, ay1, ax2, ay2], [bx1, by1, bx2, by2]] = [corners(a), corners(b)];
  return mul(sub(maximum(ax2, bx2), minimum(ax1, bx1)), sub(maximum(ay2, by2), minimum(ay1, by1)));
};
const aspect = (box: Tensor) => {
  const [x1, y1, x2, y2] = corners(box);
  return atan(div(sub(x2, x1), sub(y2, y1)));
};
const unevenness = (a: Tensor, b: Tensor) => mul(4 / Math.PI ** 2, square(sub(aspect(a), aspect(b))));
const boxes = [[0.1, 0.2, 1.3, 1], [0.4, 0.3, 1.5, 1.4]];
const apart = [[0, 0, 1, 1.5], [2, 3, 4, 4]];

const overlaps = listed("the gradient of a box loss", ["wrong"], {
  "the union is held": { f: (a, b) => div(overlap(a, b), detach(union(a, b))), inputs: boxes, checks: both },
  "the overlap is held within the union": {
    f: (a, b) => div(overlap(a, b), sub(add(area(a), area(b)), detach(overlap(a, b)))),
    inputs: boxes,
  },
  "the enclosing box is held": {
    f: (a, b) => sub(div(overlap(a, b), union(a, b)), sub(1, div(union(a, b), detach(hull(a, b))))),
    inputs: boxes,
  },
  "the enclosing term counts twice for boxes apart": {
    source: "AlexeyAB/darknet#8891",
    f: ruled(
      (a, b) => sub(1, div(union(a, b), hull(a, b))),
      ({ cotangent, inputs: [a, b] }) => {
        const [u, c] = [union(a, b), hull(a, b)];
        const sizes = (box: Tensor) => {
          const [x1, y1, x2, y2] = corners(box);
          return [sub(x2, x1), sub(y2, y1)];
        };
        const [w, h] = sizes(a);
        const [[x1, y1], [x2, y2]] = [corners(a).slice(0, 2), corners(b).slice(2)];
        const byArea = mul(tensor([-1, 0, 1, 0]), h);
        const byHull = mul(tensor([-1, 0, 0, 0]), sub(y2, y1));
        const both = add(byArea, mul(tensor([0, -1, 0, 1]), w));
        const whole = add(byHull, mul(tensor([0, -1, 0, 0]), sub(x2, x1)));
        return mul(cotangent, mul(2, div(sub(mul(u, whole), mul(c, both)), square(c))));
      },
      null,
    ),
    inputs: apart,
  },
  "the trade-off of an aspect ratio is detached, not held": {
    source: "open-mmlab/mmdetection#5818, Zzh-tju/DIoU-SSD-pytorch#19",
    f: (a, b) => {
      const [iou, v] = [div(overlap(a, b), union(a, b)), unevenness(a, b)];
      const alpha = detach(div(v, add(sub(1, iou), v)));
      return sub(iou, mul(alpha, v));
    },
    inputs: boxes,
  },
  "a box of centre and size, without the halves of its size": {
    source: "generalized-iou/g-darknet#19",
    f: (box, other) => {
      const toCorners = ruled(
        (box) => {
          const [x, y, w, h] = corners(box);
          const [dx, dy] = [mul(0.5, w), mul(0.5, h)];
          const at = (i: number, value: Tensor) => mul(value, where(equal(arange(4), i), 1, 0));
          return add(add(at(0, sub(x, dx)), at(1, sub(y, dy))), add(at(2, add(x, dx)), at(3, add(y, dy))));
        },
        ({ cotangent }) => {
          const [l, t, r, b] = corners(cotangent);
          const at = (i: number, value: Tensor) => mul(value, where(equal(arange(4), i), 1, 0));
          return add(add(at(0, add(l, r)), at(1, add(t, b))), add(at(2, sub(r, l)), at(3, sub(b, t))));
        },
      );
      return div(overlap(toCorners(box), other), union(toCorners(box), other));
    },
    inputs: [[0.7, 0.6, 1.2, 0.8], boxes[1]],
  },
  "an overlap is not cut off at 0": {
    f: ruled(
      (a, b) => overlap(a, b),
      ({ cotangent, inputs: [a, b] }) => {
        const [, , ax2, ay2] = corners(a);
        const [bx1, by1] = corners(b);
        return mul(cotangent, add(mul(tensor([0, 0, 1, 0]), sub(ay2, by1)), mul(tensor([0, 0, 0, 1]), sub(ax2, bx1))));
      },
      null,
    ),
    inputs: apart,
  },
  "a distance of centres without the 2 of its square": {
    f: ruled(
      (a, b) => sum(square(sub(a, b))),
      ({ cotangent, inputs: [a, b] }) => mul(cotangent, sub(a, b)),
      ({ cotangent, inputs: [a, b] }) => mul(cotangent, mul(2, sub(b, a))),
    ),
    inputs: [[0.7, 0.6], [0.95, 0.85]],
  },
  "a matrix of overlaps whose second boxes get no gradient": {
    f: (a, b) => iouMatrix(a, detach(b)),
    inputs: [[boxes[0], apart[0]], [boxes[1]]],
  },
  "a matching weight that is detached": {
    f: (a, b) => mul(detach(div(overlap(a, b), union(a, b))), tanh(sum(square(sub(a, b))))),
    inputs: boxes,
  },
});

export const losses: readonly Case[] = [regression, classification, overlaps].flat();
