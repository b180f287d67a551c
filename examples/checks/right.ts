/**
 * Losses whose gradients are right in first and second order:
 *
 *     gpugrad check examples/checks/right.ts --html right.html
 */
import { abs, add, exp, log1p, mean, mul, neg, smoothL1, softmax, sub, sum, type Tensor } from "gpugrad";
import { check, shapes, tensors } from "gpugrad/verify";

/** The logistic loss of scores, with labels of -1 and 1. */
function logistic(scores: Tensor, labels: Tensor): Tensor {
  return mean(log1p(exp(neg(mul(labels, scores)))));
}

/** The distance of two distributions: the smoothed sum of the differences of their probabilities. */
function distance(a: Tensor, b: Tensor): Tensor {
  return sum(smoothL1(softmax(a, -1), softmax(b, -1)));
}

/** Any shape, the same for both inputs. */
const pairs = shapes({ minRank: 1, minAxis: 1 }).map((shape) => [shape, shape]);

export const logisticLoss = check(logistic, tensors(pairs), { order: 2 });

// Inputs stay away from 0, where abs has a kink and there would be nothing to compare with.
export const weightedError = check(
  (prediction: Tensor, weight: Tensor) => sum(mul(abs(prediction), add(1, mul(weight, weight)))),
  tensors(pairs, { avoid: [0] }),
);

export const distributionDistance = check(
  (a: Tensor, b: Tensor) => add(distance(a, b), mean(sub(a, b))),
  tensors([[2, 4], [2, 4]]),
  { runs: 20 },
);
