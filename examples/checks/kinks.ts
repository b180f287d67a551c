/**
 * Functions without a derivative at some points. An element on a kink is moved off it and checked there; if moving is
 * disabled or does not help, the element is counted as a kink, neither right nor wrong:
 *
 *     gpugrad check examples/checks/kinks.ts --html kinks.html
 */
import fc from "fast-check";
import { abs, max, mean, mul, relu, sub, sum, type Tensor } from "gpugrad";
import { check, tensors } from "gpugrad/verify";

/** Rows of whole numbers: any fast-check arbitrary that generates a list of inputs works. */
const wholeNumbers = (rows: number, columns: number) =>
  fc.array(fc.array(fc.integer({ min: -1, max: 2 }), { minLength: columns, maxLength: columns }), {
    minLength: rows,
    maxLength: rows,
  }).map((x) => [x]);

/** The hinge loss, with a kink where a score equals the margin. */
function hinge(scores: Tensor, labels: Tensor): Tensor {
  return mean(relu(sub(1, mul(scores, labels))));
}

export const hingeLoss = check(hinge, tensors([[2, 3], [2, 3]]));

/** Many of the numbers are 0, where the absolute value has its kink, and are kept there. */
export const absoluteError = check((x: Tensor) => sum(abs(x)), wholeNumbers(1, 4), { resamples: 0 });

/** Equal values: which of them is the maximum is a decision, and the point where it flips is a kink. */
export const greatest = check((x: Tensor) => sum(max(x, 1)), wholeNumbers(2, 4), { resamples: 0 });
