/** The classification part of the SSD loss: cross-entropy over the positives and the hardest negatives. */
import { tensorOrThrow } from "../core/record.ts";
import { numberIn, Signature } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "../ops/arithmetic.ts";
import { cast } from "../ops/cast.ts";
import { greater } from "../ops/comparison.ts";
import { where } from "../ops/selection.ts";
import { detach } from "../ops/grad.ts";
import { sum } from "../ops/reduce.ts";
import { crossEntropy, hardest } from "./terms.ts";

/** Options of {@link HardMiningCrossEntropyLoss}. */
export interface HardMiningOptions {
  /** The number of negatives mined per positive, default 3; need not be whole. */
  readonly negPosRatio?: number;
}

const constructorCall = new Signature<HardMiningOptions>("new HardMiningCrossEntropyLoss(options)", {
  negPosRatio: numberIn(0, Infinity),
});
const forwardCall = new Signature("HardMiningCrossEntropyLoss.forward(logits, labels)");

/**
 * Cross-entropy with hard negative mining. Per image, it counts the positives and the negatives (background boxes) with
 * the highest cross-entropy, `negPosRatio` per positive. Follows super-gradients' `HardMiningCrossEntropyLoss`; ties go
 * to the lower index.
 *
 * The cross-entropy of positives is set to 0, all default boxes of the image are ranked by it, and the ranks below
 * `min(negPosRatio * positives, boxes)` are selected. If more are wanted than there are negatives, positives are
 * selected as well and count twice. NaN ranks highest, so it shows in the loss; a default box that does not count
 * cannot make the loss or a gradient NaN.
 *
 * @throws if `negPosRatio` is negative or not finite.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { HardMiningCrossEntropyLoss, tensor } from "gpugrad";
 *
 * const criterion = new HardMiningCrossEntropyLoss({ negPosRatio: 1 });
 * const logits = tensor([[[0, 0, 0], [0, 3, 1]]]); // one image, background and one class, three default boxes
 * const labels = tensor([[1, 0, 0]], undefined, { dtype: "int" });
 * const closs = await criterion.forward(logits, labels).item();
 * // The positive, and the second box, which is harder than the third.
 * assert.ok(Math.abs(closs - (Math.log(2) + Math.log(1 + Math.exp(3)))) < 1e-5);
 * ```
 */
export class HardMiningCrossEntropyLoss {
  /** The number of negatives mined per positive. */
  readonly negPosRatio: number;

  /** Makes the loss; see the class for its options. */
  constructor(options?: HardMiningOptions) {
    constructorCall.check(arguments);
    this.negPosRatio = options?.negPosRatio ?? 3;
  }

  /**
   * Returns the sum of the selected cross-entropies for each image.
   *
   * @param logits float, shape `[batch, classes + 1, boxes]`; class 0 is the background.
   * @param labels int, shape `[batch, boxes]`, from 0 to `classes`.
   * @returns float, shape `[batch]`, in nats; not divided by the number of positives.
   * @throws if the shapes do not fit, or if labels whose values are known are not whole or out of range.
   */
  forward(logits: Tensor, labels: Tensor): Tensor {
    forwardCall.check(arguments);
    checkArguments(logits, labels);
    const positive = greater(labels, 0);
    const context = { logits, label: labels, positive };
    const losses = crossEntropy()(context);
    const mining = hardest({ ratio: this.negPosRatio });
    const positives = countPositives(positive);
    return minedSum(losses, positive, mining({ ...context, losses: detach(losses), positives, ignored: null }));
  }
}

/** The number of positive default boxes of each image; float, shape `[batch]`. */
export function countPositives(positive: Tensor): Tensor {
  return sum(cast(positive, "float"), 1);
}

/** The positives' losses of classification and those of what was mined, summed for each image; `[batch]`. */
export function minedSum(losses: Tensor, positive: Tensor, selected: Tensor): Tensor {
  return sum(add(where(positive, losses, 0), where(selected, losses, 0)), 1);
}

function checkArguments(logits: Tensor, labels: Tensor): void {
  tensorOrThrow(forwardCall, "logits", logits);
  tensorOrThrow(forwardCall, "labels", labels);
  if (logits.dtype !== "float") throw forwardCall.error(`expected logits of dtype float, got ${logits.dtype}`);
  if (logits.shape.length !== 3 || logits.shape[1] < 2) {
    throw forwardCall.error(
      `expected logits of shape [batch, classes + 1, boxes] with at least one class, got ${formatShape(logits.shape)}`,
    );
  }
  const [batch, classes, boxes] = logits.shape;
  if (!sameShape(labels.shape, [batch, boxes])) {
    const turned = sameShape(labels.shape, [batch, classes])
      ? "; are the logits [batch, boxes, classes + 1]? Then transpose(logits, [0, 2, 1])"
      : "";
    throw forwardCall.error(
      `expected labels of shape [${batch}, ${boxes}] (batch and boxes of the logits), got ${
        formatShape(labels.shape)
      }${turned}`,
    );
  }
  if (labels.dtype !== "int") throw forwardCall.error(`expected labels of dtype int, got ${labels.dtype}`);
  labels.value?.forEach((label, i) => {
    if (Number.isInteger(label) && label >= 0 && label < classes) return;
    throw forwardCall.error(
      `expected labels to be whole numbers from 0 to ${classes - 1}, got ${label} in row ${
        Math.floor(i / boxes)
      }, column ${i % boxes}`,
    );
  });
}
