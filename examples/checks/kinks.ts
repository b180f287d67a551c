/**
 * Functions that have no derivative at some points. An element that lies on a kink is moved away from it and checked there; where that is
 * not allowed, or does not help, it is counted as a kink, neither as right nor as wrong:
 *
 *     gpugrad check examples/checks/kinks.ts --html kinks.html
 */
import fc from "fast-check";
import { abs, max, mean, mul, relu, sub, sum, type Tensor } from "gpugrad";
import { check, tensors } from "gpugrad/verify";

/** Rows of whole numbers: any arbitrary of fast-check that gives a list of inputs will do. */
const wholeNumbers = (rows: number, columns: number) =>
  fc.array(fc.array(fc.integer({ min: -1, max: 2 }), { minLength: columns, maxLength: columns }), {
    minLength: rows,
    maxLength: rows,
  }).map((x) => [x]);

/** The hinge loss: a kink where a score is just as large as asked for. */
function hinge(scores: Tensor, labels: Tensor): Tensor {
  return mean(relu(sub(1, mul(scores, labels))));
}

export const hingeLoss = check(hinge, tensors([[2, 3], [2, 3]]));

/** Many of the numbers are 0, where the absolute value has its kink. They stay there. */
export const absoluteError = check((x: Tensor) => sum(abs(x)), wholeNumbers(1, 4), { resamples: 0 });

/** Equal values: which of them is the greatest is a decision, and where it is about to change is a kink. */
export const greatest = check((x: Tensor) => sum(max(x, 1)), wholeNumbers(2, 4), { resamples: 0 });
