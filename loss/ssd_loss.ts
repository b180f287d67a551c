/** The loss of SSD object detectors. */
import { describe, numberIn, Signature, whole } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { smoothL1 } from "../ops/losses.ts";
import { add, div, mul, sub } from "../ops/arithmetic.ts";
import { maximum, where } from "../ops/selection.ts";
import { detach } from "../ops/grad.ts";
import { stack, unsqueeze } from "../ops/movement.ts";
import { mean, sum } from "../ops/reduce.ts";
import { DefaultBoxes } from "./default_boxes.ts";
import { boxesOfMatched, classesOf, matchTargets, ofMatched } from "./matching.ts";
import { countPositives, minedCrossEntropy } from "./mining.ts";
import { groupTargets, imagesOf, MOST_IMAGES, type Targets } from "./targets.ts";

/** Options of {@link SSDLoss}. */
export interface SSDLossOptions {
  /** Weight of classification, default 1; localisation has the weight `2 - alpha`. */
  readonly alpha?: number;
  /** A default box is positive if its IoU with a target is above this, default 0.5. */
  readonly iouThreshold?: number;
  /** The number of negatives mined per positive, default 3. */
  readonly negPosRatio?: number;
}

/**
 * A network's predictions: locations `[batch, 4, boxes]` and logits `[batch, classes + 1, boxes]`; or a pair of
 * anything and these two, the form that networks return in validation mode.
 */
export type Predictions = readonly [locations: Tensor, logits: Tensor] | readonly [unknown, readonly [Tensor, Tensor]];

/** The result of {@link SSDLoss.forward}. */
export interface SSDLossResult {
  /** The total loss, a scalar: minimise this. */
  readonly loss: Tensor;
  /**
   * The means over images of `smooth_l1` and `closs` (per-image sums, not normalised), and the total; without gradient.
   */
  readonly components: Tensor;
}

/** The result of {@link SSDLoss.matchDefaultBoxes}; each tensor has the shape `[batch, boxes]`. */
export interface DefaultBoxMatches {
  /** The row of the matched target, -1 if the default box is not matched; int. */
  readonly target: Tensor;
  /** The class: the target's label + 1, or 0 for background; int. */
  readonly label: Tensor;
  /** Whether the default box is matched; bool. */
  readonly positive: Tensor;
}

const constructorCall = new Signature<SSDLossOptions>("new SSDLoss(defaultBoxes, options)", {
  alpha: numberIn(0, 2),
  iouThreshold: numberIn(0, 1),
  negPosRatio: numberIn(0, Infinity),
});
const forwardCall = new Signature("SSDLoss.forward(predictions, targets)");
const matchCall = new Signature("SSDLoss.matchDefaultBoxes(targets, batch)");
const batchKind = whole(1, MOST_IMAGES);
/** Larger results, half a gigabyte each of rows and of classes, are refused rather than allocated. */
const MOST_MATCHES = 2 ** 27;

/**
 * The SSD loss (Liu et al., 2016), computed as in super-gradients' `SSDLoss`: default boxes are matched to targets by
 * IoU, localisation is smooth L1 (beta 1) over the matched boxes, classification is {@link HardMiningCrossEntropyLoss}.
 * Each image contributes `((2 - alpha) * smooth_l1 + alpha * closs) / positives`, or 0 if it has no positives; the loss
 * is the mean over images.
 *
 * Only the grouping of targets runs on the host. Matching, mining, the loss and its gradients form one plan.
 * Predictions for default boxes that do not count cannot make the loss or a gradient NaN, whatever their values.
 *
 * @throws if an option is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { DefaultBoxes, grad, realize, SSDLoss, tensor, zeros } from "gpugrad";
 *
 * const boxes = new DefaultBoxes({ figSize: 300, featSizes: [3, 1], scales: [90, 200, 280], aspectRatios: [[2], [2]] });
 * const criterion = new SSDLoss(boxes, { alpha: 1, iouThreshold: 0.5, negPosRatio: 3 });
 * const locations = zeros([1, 4, boxes.count]);
 * const logits = zeros([1, 3, boxes.count]); // background and two classes
 * const targets = [[0, 1, 0.5, 0.5, 0.4, 0.3]]; // image, label, cx, cy, w, h
 * const { loss, components } = criterion.forward([locations, logits], targets);
 * const [dLocations, dLogits] = grad(loss, [locations, logits]);
 * await realize([loss, components, dLocations, dLogits]); // one plan
 * const [, , total] = await components.data();
 * assert.equal(total, await loss.item());
 * ```
 */
export class SSDLoss {
  /** The names of the components, in order. */
  readonly componentNames: readonly ["smooth_l1", "closs", "Loss"] = ["smooth_l1", "closs", "Loss"];
  /** The boxes that predictions are relative to. */
  readonly defaultBoxes: DefaultBoxes;
  /** Weight of classification; localisation has the weight `2 - alpha`. */
  readonly alpha: number;
  /** A default box is positive if its IoU with a target is above this. */
  readonly iouThreshold: number;
  /** The number of negatives mined per positive. */
  readonly negPosRatio: number;

  constructor(defaultBoxes: DefaultBoxes, options?: SSDLossOptions) {
    constructorCall.check(arguments);
    const { alpha = 1, iouThreshold = 0.5, negPosRatio = 3 } = options ?? {};
    if (!(defaultBoxes instanceof DefaultBoxes)) {
      const copy = (defaultBoxes as unknown)?.constructor?.name === "DefaultBoxes";
      throw constructorCall.wrong(
        "defaultBoxes",
        copy ? "DefaultBoxes of the same copy of gpugrad" : "DefaultBoxes, made by new DefaultBoxes(layout)",
        defaultBoxes,
      );
    }
    this.defaultBoxes = defaultBoxes;
    this.alpha = alpha;
    this.iouThreshold = iouThreshold;
    this.negPosRatio = negPosRatio;
  }

  /**
   * Computes the loss of a batch.
   *
   * @param predictions locations, float, `[batch, 4, boxes]`, encoded as by {@link DefaultBoxes.encode}, and logits,
   * float, `[batch, classes + 1, boxes]`, class 0 being the background; or a pair of anything and these two.
   * @param targets rows `[image, label, cx, cy, w, h]`, boxes relative to the image. An empty list is valid. Two mistakes
   * log a warning, once per process: rows of images outside the batch, which are ignored; and boxes that look like
   * corners, that is, all read as corners and one has, as centre and size, more than a quarter of its width or height
   * outside the image.
   * @returns the loss, a scalar, and its components, shape `[3]`, in the order of {@link SSDLoss.componentNames}, without
   * gradient.
   * @throws if predictions have the wrong shape, naming the axis, or a target is invalid, naming its row. A box is invalid
   * if it lies outside the image by more than a hundredth of it or is more than twice as large (pixels).
   */
  forward(predictions: Predictions, targets: Targets): SSDLossResult {
    forwardCall.check(arguments);
    const [locations, logits] = this.#unpack(predictions);
    const [batch, classes] = logits.shape;
    const grouped = groupTargets(forwardCall.name, targets, batch, classes - 1);
    const matches = matchTargets(grouped, this.defaultBoxes, this.iouThreshold);
    const { positive } = matches;
    const positives = countPositives(positive); // [batch]

    const wanted = this.defaultBoxes.encode(boxesOfMatched(grouped, matches));
    const difference = where(unsqueeze(positive, 1), sub(locations, wanted), 0); // [batch, 4, boxes]
    const localisation = sum(smoothL1(difference, 0, { reduction: "none" }), [1, 2]); // [batch]
    const label = classesOf(grouped, matches);
    const classification = minedCrossEntropy(logits, label, { positive, positives, ratio: this.negPosRatio }); // [batch]

    const weighted = add(mul(localisation, 2 - this.alpha), mul(classification, this.alpha));
    // An image without positives has nothing to divide: both of its parts are 0.
    const loss = mean(div(weighted, maximum(positives, 1)));
    return { loss, components: detach(stack([mean(localisation), mean(classification), loss], 0)) };
  }

  /**
   * Returns the target that each default box is matched to.
   *
   * @param targets rows `[image, label, cx, cy, w, h]`, boxes relative to the image.
   * @param batch the number of images, up to 65,536; default the highest image index plus 1, at least 1.
   * @returns row of the target, class and whether there is a match, for each image and default box: `[batch, boxes]`.
   * @throws if a target is invalid, naming its row.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { DefaultBoxes, SSDLoss } from "gpugrad";
   *
   * const boxes = DefaultBoxes.from([[0.3, 0.3, 0.4, 0.4], [0.7, 0.7, 0.4, 0.4]]);
   * const { target, label } = new SSDLoss(boxes).matchDefaultBoxes([[0, 5, 0.7, 0.68, 0.4, 0.4]]);
   * assert.deepEqual(await target.toArray(), [[-1, 0]]);
   * assert.deepEqual(await label.toArray(), [[0, 6]]);
   * ```
   */
  matchDefaultBoxes(targets: Targets, batch?: number): DefaultBoxMatches {
    matchCall.check(arguments);
    if (batch !== undefined && !batchKind.accepts(batch)) throw matchCall.wrong("batch", batchKind.expected, batch);
    const images = batch ?? imagesOf(matchCall.name, targets);
    if (images * this.defaultBoxes.count > MOST_MATCHES) {
      throw matchCall.error(
        `expected at most ${MOST_MATCHES} matches, got ${images} images of ${this.defaultBoxes.count} default boxes`,
      );
    }
    const grouped = groupTargets(matchCall.name, targets, images, null);
    const matches = matchTargets(grouped, this.defaultBoxes, this.iouThreshold);
    return {
      target: where(matches.positive, ofMatched(grouped.row, matches), -1),
      label: classesOf(grouped, matches),
      positive: matches.positive,
    };
  }

  /** Unpacks and checks locations and logits. */
  #unpack(predictions: Predictions): readonly [Tensor, Tensor] {
    const nested = Array.isArray(predictions) && Array.isArray(predictions[1]);
    const pair = (nested ? predictions[1] : predictions) as readonly [Tensor, Tensor];
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((t) => t instanceof Tensor)) {
      throw forwardCall.error(
        "expected predictions to be [locations, logits] or [anything, [locations, logits]], both tensors, got " +
          describe(predictions),
      );
    }
    const [locations, logits] = pair;
    this.#check("locations", locations, "[batch, 4, boxes]");
    this.#check("logits", logits, "[batch, classes + 1, boxes]");
    checkAxes(locations, logits);
    return pair;
  }

  #check(name: string, { shape, dtype }: Tensor, layout: string): void {
    const { count } = this.defaultBoxes;
    if (dtype !== "float") throw forwardCall.error(`expected ${name} of dtype float, got ${dtype}`);
    if (shape.length !== 3) throw forwardCall.error(`expected ${name} of shape ${layout}, got ${formatShape(shape)}`);
    if (shape[2] === count) return;
    const turned = shape[1] === count ? `; for [batch, boxes, ...] write transpose(${name}, [0, 2, 1])` : "";
    throw forwardCall.error(
      `expected axis 2 of ${name} to be ${count}, the number of default boxes, got ${shape[2]} in shape ${
        formatShape(shape)
      }${turned}`,
    );
  }
}

/** Checks all axes but the last. */
function checkAxes({ shape: locations }: Tensor, { shape: logits }: Tensor): void {
  if (locations[1] !== 4) {
    const swapped = logits[1] === 4 ? "; are the predictions [logits, locations]?" : "";
    throw forwardCall.error(
      `expected axis 1 of locations to be 4, got ${locations[1]} in shape ${formatShape(locations)}${swapped}`,
    );
  }
  if (logits[1] < 2) {
    throw forwardCall.error(
      `expected axis 1 of logits to be classes + 1, at least 2, got ${logits[1]} in shape ${formatShape(logits)}`,
    );
  }
  if (logits[0] !== locations[0] || logits[0] < 1) {
    throw forwardCall.error(
      `expected axis 0 of locations and logits to be the same batch, at least 1, got ${locations[0]} and ${logits[0]}`,
    );
  }
}
