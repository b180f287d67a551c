/** The loss of SSD object detectors. */
import { formatShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { smoothL1 } from "../ops/composite.ts";
import { add, div, maximum, mul, sub, where } from "../ops/elementwise.ts";
import { detach } from "../ops/grad.ts";
import { stack, unsqueeze } from "../ops/movement.ts";
import { mean, sum } from "../ops/reduce.ts";
import { DefaultBoxes } from "./default_boxes.ts";
import { boxesOfMatched, classesOf, matchTargets, ofMatched } from "./matching.ts";
import { countPositives, minedCrossEntropy } from "./mining.ts";
import { groupTargets, imagesOf, type Targets } from "./targets.ts";

/** Options of {@link SSDLoss}. */
export interface SSDLossOptions {
  /** Weight of classification, 1 unless told; localisation has `2 - alpha`. */
  readonly alpha?: number;
  /** A default box whose IoU with a target is above this is positive, 0.5 unless told. */
  readonly iouThreshold?: number;
  /** How many backgrounds are mined for each positive, 3 unless told. */
  readonly negPosRatio?: number;
}

/**
 * What a network predicts: locations `[batch, 4, boxes]` and logits `[batch, classes + 1, boxes]`; or anything and that pair, as
 * networks give in validation mode.
 */
export type Predictions = readonly [locations: Tensor, logits: Tensor] | readonly [unknown, readonly [Tensor, Tensor]];

/** What {@link SSDLoss.forward} gives. */
export interface SSDLossResult {
  /** The total, a scalar: minimise this. */
  readonly loss: Tensor;
  /** The means of `smooth_l1` and `closs` over the images (sums over an image, not normalised) and the total; no gradient. */
  readonly components: Tensor;
}

/** What {@link SSDLoss.matchDefaultBoxes} gives, each of shape `[batch, boxes]`. */
export interface DefaultBoxMatches {
  /** The row of the targets that the default box is matched to, -1 where it is matched to none; int. */
  readonly target: Tensor;
  /** The class: the target's label and 1, 0 for background; int. */
  readonly label: Tensor;
  /** Whether the default box is matched; bool. */
  readonly positive: Tensor;
}

/**
 * The SSD loss (Liu et al., 2016), as super-gradients' `SSDLoss` computes it: default boxes are matched to targets by IoU,
 * localisation is smooth L1 (beta 1) over the matched ones, classification is {@link HardMiningCrossEntropyLoss}. An image adds
 * `((2 - alpha) * smooth_l1 + alpha * closs) / positives`, or 0 where it has no positives; the loss is the mean over all images.
 *
 * Only the grouping of targets happens on the host. Matching, mining, the loss and its gradients are one plan. Predictions of
 * default boxes that do not count cannot make the loss or a gradient NaN, whatever they are.
 *
 * @throws where an option is out of range.
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
  /** The names of the components, in their order. */
  readonly componentNames: readonly ["smooth_l1", "closs", "Loss"] = ["smooth_l1", "closs", "Loss"];
  /** What predictions are relative to. */
  readonly defaultBoxes: DefaultBoxes;
  /** Weight of classification; localisation has `2 - alpha`. */
  readonly alpha: number;
  /** A default box whose IoU with a target is above this is positive. */
  readonly iouThreshold: number;
  /** How many backgrounds are mined for each positive. */
  readonly negPosRatio: number;

  constructor(defaultBoxes: DefaultBoxes, options: SSDLossOptions = {}) {
    const { alpha = 1, iouThreshold = 0.5, negPosRatio = 3 } = options;
    if (!(defaultBoxes instanceof DefaultBoxes)) {
      throw new Error(`SSDLoss: expected defaultBoxes to be DefaultBoxes, got ${typeof defaultBoxes}`);
    }
    if (!Number.isFinite(alpha)) throw new Error(`SSDLoss: expected alpha to be a finite number, got ${alpha}`);
    if (!(iouThreshold >= 0)) throw new Error(`SSDLoss: expected iouThreshold to be 0 or above, got ${iouThreshold}`);
    if (!(negPosRatio >= 0) || !Number.isFinite(negPosRatio)) {
      throw new Error(`SSDLoss: expected negPosRatio to be a finite number, 0 or above, got ${negPosRatio}`);
    }
    this.defaultBoxes = defaultBoxes;
    this.alpha = alpha;
    this.iouThreshold = iouThreshold;
    this.negPosRatio = negPosRatio;
  }

  /**
   * The loss of a batch.
   *
   * @param predictions locations, float, `[batch, 4, boxes]`, in the encoding of {@link DefaultBoxes.encode}, and logits, float,
   * `[batch, classes + 1, boxes]`, class 0 being the background; or anything and that pair.
   * @param targets rows `[image, label, cx, cy, w, h]`, boxes relative to the image; rows of images outside the batch are ignored,
   * and no rows at all is a valid batch.
   * @returns the loss, a scalar, and its components, shape `[3]`, in the order of {@link SSDLoss.componentNames}, without gradient.
   * @throws where predictions are of the wrong shape, naming the axis, and where a target is not valid, naming its row.
   */
  forward(predictions: Predictions, targets: Targets): SSDLossResult {
    const [locations, logits] = this.#unpack(predictions);
    const [batch, classes] = logits.shape;
    const grouped = groupTargets("SSDLoss.forward", targets, batch, classes - 1);
    const matches = matchTargets(grouped, this.defaultBoxes, this.iouThreshold);
    const { positive } = matches;
    const positives = countPositives(positive); // [batch]

    const wanted = this.defaultBoxes.encode(boxesOfMatched(grouped, matches));
    const difference = where(unsqueeze(positive, 1), sub(locations, wanted), 0); // [batch, 4, boxes]
    const localisation = sum(smoothL1(difference, 0, { reduction: "none" }), [1, 2]); // [batch]
    const label = classesOf(grouped, matches);
    const classification = minedCrossEntropy(logits, label, positive, positives, this.negPosRatio); // [batch]

    const weighted = add(mul(localisation, 2 - this.alpha), mul(classification, this.alpha));
    // An image without positives has nothing to divide: both of its parts are 0.
    const loss = mean(div(weighted, maximum(positives, 1)));
    return { loss, components: detach(stack([mean(localisation), mean(classification), loss], 0)) };
  }

  /**
   * Which target each default box is matched to.
   *
   * @param targets rows `[image, label, cx, cy, w, h]`, boxes relative to the image.
   * @param batch the number of images; the highest image index and one more, at least 1, unless told.
   * @returns row of the target, class and whether there is a match, for each image and default box: `[batch, boxes]`.
   * @throws where a target is not valid, naming its row.
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
    const caller = "SSDLoss.matchDefaultBoxes";
    if (batch !== undefined && (!Number.isInteger(batch) || batch < 1)) {
      throw new Error(`${caller}: expected batch to be a whole number above 0, got ${batch}`);
    }
    const grouped = groupTargets(caller, targets, batch ?? imagesOf(caller, targets), null);
    const matches = matchTargets(grouped, this.defaultBoxes, this.iouThreshold);
    return {
      target: where(matches.positive, ofMatched(grouped.row, matches), -1),
      label: classesOf(grouped, matches),
      positive: matches.positive,
    };
  }

  /** Locations and logits, checked. */
  #unpack(predictions: Predictions): readonly [Tensor, Tensor] {
    const caller = "SSDLoss.forward";
    const nested = Array.isArray(predictions) && Array.isArray(predictions[1]);
    const pair = (nested ? predictions[1] : predictions) as readonly [Tensor, Tensor];
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((t) => t instanceof Tensor)) {
      throw new Error(
        `${caller}: expected predictions to be [locations, logits] or [anything, [locations, logits]], both tensors`,
      );
    }
    const [locations, logits] = pair;
    const { count } = this.defaultBoxes;
    const check = (name: string, { shape, dtype }: Tensor, layout: string): void => {
      if (dtype !== "float") throw new Error(`${caller}: expected ${name} of dtype float, got ${dtype}`);
      if (shape.length !== 3) {
        throw new Error(`${caller}: expected ${name} of shape ${layout}, got ${formatShape(shape)}`);
      }
      if (shape[2] !== count) {
        throw new Error(
          `${caller}: expected axis 2 of ${name} to be ${count}, the number of default boxes, got ${
            shape[2]
          } in shape ${formatShape(shape)}`,
        );
      }
    };
    check("locations", locations, "[batch, 4, boxes]");
    check("logits", logits, "[batch, classes + 1, boxes]");
    if (locations.shape[1] !== 4) {
      throw new Error(
        `${caller}: expected axis 1 of locations to be 4, got ${locations.shape[1]} in shape ${
          formatShape(locations.shape)
        }`,
      );
    }
    if (logits.shape[1] < 2) {
      throw new Error(
        `${caller}: expected axis 1 of logits to be classes + 1, at least 2, got ${logits.shape[1]} in shape ${
          formatShape(logits.shape)
        }`,
      );
    }
    if (logits.shape[0] !== locations.shape[0] || logits.shape[0] < 1) {
      throw new Error(
        `${caller}: expected axis 0 of locations and logits to be the same batch, at least 1, got ${
          locations.shape[0]
        } and ${logits.shape[0]}`,
      );
    }
    return pair;
  }
}
