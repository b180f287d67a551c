/**
 * Wrong gradients, each with a mistake that is easy to overlook:
 *
 *     gpugrad check examples/checks/wrong.ts --html wrong.html
 *
 * reports which elements of which inputs are wrong and by how much, and exits with code 1.
 */
import { detach, exp, log, mean, mul, neg, sigmoid, sub, type Tensor } from "gpugrad";
import { check, type PlainArrays, shapes, tensors } from "gpugrad/verify";

/** The focal loss of positives: the weight is held constant, so this is no longer the gradient of the loss. */
function focal(scores: Tensor): Tensor {
  const probability = sigmoid(scores);
  const weight = detach(sub(1, probability));
  return mean(mul(mul(weight, weight), neg(log(probability))));
}

export const focalLoss = check(focal, tensors(shapes({ minAxis: 1 }).map((shape) => [shape])));

/** A right one among them: only wrong gradients are reported as wrong. */
export const exponential = check((x: Tensor) => mean(exp(x)), tensors([[3, 2]]), { runs: 20 });

/** The mean of squared errors as a function of plain arrays, with a hand-written gradient that lacks a factor of 2. */
const meanSquaredError = {
  value([prediction, target]: PlainArrays): number {
    let sum = 0;
    for (let i = 0; i < prediction.length; i++) sum += (prediction[i] - target[i]) ** 2;
    return sum / prediction.length;
  },
  gradient([prediction, target]: PlainArrays): number[][] {
    const slopes = Array.from(prediction, (p, i) => (p - target[i]) / prediction.length);
    return [slopes, slopes.map((slope) => -slope)];
  },
};

export const handWritten = check(meanSquaredError, tensors([[6], [6]]), { names: ["prediction", "target"] });
