/** The classification part of the SSD loss: cross-entropy over the positives and the hardest backgrounds. */
import { tensorOrThrow } from "../core/op.ts";
import { numberIn, Signature } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { crossEntropy } from "../ops/composite.ts";
import { add, cast, ceil, greater, minimum, mul, where } from "../ops/elementwise.ts";
import { detach } from "../ops/grad.ts";
import { unsqueeze } from "../ops/movement.ts";
import { topKMask } from "../ops/ordering.ts";
import { sum } from "../ops/reduce.ts";

/** Options of {@link HardMiningCrossEntropyLoss}. */
export interface HardMiningOptions {
  /** How many backgrounds are mined for each positive, 3 unless told; need not be whole. */
  readonly negPosRatio?: number;
}

const constructorCall = new Signature<HardMiningOptions>("new HardMiningCrossEntropyLoss(options)", {
  negPosRatio: numberIn(0, Infinity),
});
const forwardCall = new Signature("HardMiningCrossEntropyLoss.forward(logits, labels)");

/**
 * Cross-entropy with hard negative mining: an image's positives count, and its backgrounds with the highest cross-entropy,
 * `negPosRatio` for each positive. As super-gradients' `HardMiningCrossEntropyLoss`, with the lower index first among equals.
 *
 * The positives' values are set to 0, all default boxes of the image are ranked by value, and selected are the ranks below
 * `min(negPosRatio * positives, boxes)`. So where more is asked for than there are backgrounds, positives are selected too, and
 * count twice. NaN ranks highest, so it shows; a default box that does not count cannot make the loss or a gradient NaN.
 *
 * @throws where `negPosRatio` is negative or not finite.
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
  /** How many backgrounds are mined for each positive. */
  readonly negPosRatio: number;

  constructor(options?: HardMiningOptions) {
    constructorCall.check(arguments);
    this.negPosRatio = options?.negPosRatio ?? 3;
  }

  /**
   * The sum of the cross-entropies that count, for each image.
   *
   * @param logits float, shape `[batch, classes + 1, boxes]`; class 0 is the background.
   * @param labels int, shape `[batch, boxes]`, from 0 to `classes`.
   * @returns float, shape `[batch]`, in nats; not divided by the number of positives.
   * @throws where the shapes do not fit, or a label that is known already is not whole or out of range.
   */
  forward(logits: Tensor, labels: Tensor): Tensor {
    forwardCall.check(arguments);
    checkArguments(logits, labels);
    const positive = greater(labels, 0);
    return minedCrossEntropy(logits, labels, {
      positive,
      positives: countPositives(positive),
      ratio: this.negPosRatio,
    });
  }
}

/** How many default boxes of each image are positive, float, shape `[batch]`. */
export function countPositives(positive: Tensor): Tensor {
  return sum(cast(positive, "float"), 1);
}

/** The loss, for callers who know the positives already: bool `[batch, boxes]`, and their number `[batch]`. */
export function minedCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { positive, positives, ratio }: { positive: Tensor; positives: Tensor; ratio: number },
): Tensor {
  const losses = crossEntropy(logits, labels, { axis: 1, reduction: "none" }); // [batch, boxes]
  const selected = hardest(detach(losses), positive, mul(positives, ratio));
  return sum(add(where(positive, losses, 0), where(selected, losses, 0)), 1);
}

/** Marks as many default boxes of each image, `[batch]`, as are hardest when positives are taken for 0. */
function hardest(losses: Tensor, positive: Tensor, wanted: Tensor): Tensor {
  // A rank is below 2.5 where it is below 3.
  const whole = cast(ceil(minimum(wanted, losses.shape[1])), "int");
  return topKMask(where(positive, 0, losses), unsqueeze(whole, 1), 1);
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
