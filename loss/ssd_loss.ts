/** The loss of SSD object detectors. */
import { callable, either, kind, numberIn, oneOf, Signature, whole } from "../core/options.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul } from "../ops/arithmetic.ts";
import { greater, greaterEqual } from "../ops/comparison.ts";
import { tensor } from "../ops/creation.ts";
import { detach } from "../ops/grad.ts";
import { take } from "../ops/indexing.ts";
import { stack, unsqueeze } from "../ops/movement.ts";
import { mean, sum } from "../ops/reduce.ts";
import { maximum, where } from "../ops/selection.ts";
import { checkedDefaultBoxes, type DefaultBoxes } from "./default_boxes.ts";
import { bestOverlap, type Matching, type MatchingResult } from "./matchers.ts";
import { boxesOfMatched, classesOf, matchTargets, ofMatched } from "./matching.ts";
import { countPositives, minedSum } from "./mining.ts";
import { checkMatches, checkPart } from "./parts.ts";
import { type Predictions, unpackPredictions } from "./predictions.ts";
import {
  arePadded,
  countRows,
  type GroupedTargets,
  groupTargets,
  imagesOf,
  MOST_IMAGES,
  type Targets,
} from "./targets.ts";
import {
  type Classification,
  type ClassificationContext,
  crossEntropy,
  hardest,
  type Localisation,
  type LocalisationContext,
  type Mining,
  type MiningContext,
  type Normaliser,
  smoothL1,
} from "./terms.ts";

/** Weights of the two components of {@link SSDLoss}. */
export interface ComponentWeights {
  /** Default 1. */
  readonly localisation?: number;
  /** Default 1. */
  readonly classification?: number;
}

/** Options of {@link SSDLoss}. Each part of the loss can be replaced, by one of {@link terms} or by a function of one's own. */
export interface SSDLossOptions {
  /** Weight of classification, default 1; localisation has the weight `2 - alpha`. */
  readonly alpha?: number;
  /** A default box is positive if its IoU with a target is above this, default 0.5. For other rules see `matching`. */
  readonly iouThreshold?: number;
  /** The number of negatives mined per positive, default 3. For other rules see `mining`. */
  readonly negPosRatio?: number;
  /** Which default boxes are matched to which targets; default `terms.bestOverlap({ threshold: iouThreshold })`. */
  readonly matching?: Matching;
  /** The loss of locations; default `terms.smoothL1()`. */
  readonly localisation?: Localisation;
  /** The loss of classification; default `terms.crossEntropy()`. */
  readonly classification?: Classification;
  /** Which negatives count in classification; default `terms.hardest({ ratio: negPosRatio })`. */
  readonly mining?: Mining;
  /** How the losses of images become one number; default `"imagePositives"`. */
  readonly normaliser?: Normaliser;
  /**
   * The contribution of an image without positives: `"nothing"`, the default, or the loss of the `"negatives"` that were mined, of which there are
   * some if `mining` selects them regardless of positives.
   */
  readonly withoutPositives?: "nothing" | "negatives";
  /** Weights of the two components, in place of `alpha`. */
  readonly weights?: ComponentWeights;
}

/** Options of {@link SSDLoss.forward}. */
export interface ForwardOptions {
  /**
   * A weight for each row of the targets: of its default boxes' locations and classification, not of what they count. Padded targets
   * have no rows to weigh.
   */
  readonly targetWeights?: ArrayLike<number>;
}

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

const part = <F>(name: string) =>
  kind<F>(`a function, as terms.${name}() returns`, `terms.${name}()`, callable.accepts);
const weight = numberIn(0, Infinity);
const constructorCall = new Signature<SSDLossOptions>("new SSDLoss(defaultBoxes, options)", {
  alpha: numberIn(0, 2),
  iouThreshold: numberIn(0, 1),
  negPosRatio: numberIn(0, Infinity),
  matching: part<Matching>("bestOverlap"),
  localisation: part<Localisation>("smoothL1"),
  classification: part<Classification>("crossEntropy"),
  mining: part<Mining>("hardest"),
  normaliser: either(oneOf("imagePositives", "batchPositives", "images", "none"), callable),
  withoutPositives: oneOf("nothing", "negatives"),
  weights: kind("{ localisation, classification }, numbers from 0", "{ localisation: 1 }", isWeights),
});
const forwardCall = new Signature<ForwardOptions>("SSDLoss.forward(predictions, targets, options)", {
  targetWeights: kind("an array of finite numbers from 0", "[1, 2]", isNumbers),
});
const matchCall = new Signature("SSDLoss.matchDefaultBoxes(targets, batch)");
const batchKind = whole(1, MOST_IMAGES);

function isWeights(value: unknown): boolean {
  return typeof value === "object" && value !== null &&
    Object.entries(value).every(([name, number]) =>
      ["localisation", "classification"].includes(name) && (number === undefined || weight.accepts(number))
    );
}

function isNumbers(value: unknown): boolean {
  const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  return isArray && Array.from(value as unknown as ArrayLike<unknown>).every((x) => weight.accepts(x));
}

/** Larger results, half a gigabyte each of rows and of classes, are refused rather than allocated. */
const MOST_MATCHES = 2 ** 27;

/**
 * The SSD loss (Liu et al., 2016). By default it is that of super-gradients' `SSDLoss`: default boxes are matched to targets by
 * IoU, localisation is smooth L1 (beta 1) over the matched boxes, classification is {@link HardMiningCrossEntropyLoss}.
 * Each image contributes `((2 - alpha) * smooth_l1 + alpha * closs) / positives`, or 0 if it has no positives; the loss
 * is the mean over images. Every part can be replaced by another one of {@link terms}, or by a function of tensors of one's own.
 *
 * Only the grouping of targets runs on the host. Matching, mining, the loss and its gradients form one plan.
 * Predictions for default boxes that do not count cannot make the loss or a gradient NaN, whatever their values.
 *
 * @throws if an option is out of range, or two options say the same.
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
  /** The names of the components, in order: those of the two losses, by default `smooth_l1` and `closs`, and `Loss`. */
  readonly componentNames: readonly [localisation: string, classification: string, total: "Loss"];
  /** The boxes that predictions are relative to. */
  readonly defaultBoxes: DefaultBoxes;
  /** Weight of classification; localisation has the weight `2 - alpha`. */
  readonly alpha: number;
  /** A default box is positive if its IoU with a target is above this; without effect if `matching` was given. */
  readonly iouThreshold: number;
  /** The number of negatives mined per positive; without effect if `mining` was given. */
  readonly negPosRatio: number;
  readonly #parts: Parts;

  /** Makes the loss of predictions for these default boxes; see the class for its options. */
  constructor(defaultBoxes: DefaultBoxes, options?: SSDLossOptions) {
    constructorCall.check(arguments);
    const { alpha = 1, iouThreshold = 0.5, negPosRatio = 3 } = options ?? {};
    checkOnce(options ?? {});
    checkedDefaultBoxes(constructorCall, defaultBoxes);
    this.defaultBoxes = defaultBoxes;
    this.alpha = alpha;
    this.iouThreshold = iouThreshold;
    this.negPosRatio = negPosRatio;
    this.#parts = {
      matching: options?.matching ?? bestOverlap({ threshold: iouThreshold }),
      localisation: options?.localisation ?? smoothL1(),
      classification: options?.classification ?? crossEntropy(),
      mining: options?.mining ?? hardest({ ratio: negPosRatio }),
      normaliser: options?.normaliser ?? "imagePositives",
      // The default mining selects nothing in an image without positives.
      dropsEmpty: options?.mining !== undefined && options.withoutPositives !== "negatives",
      weights: options?.weights
        ? [options.weights.localisation ?? 1, options.weights.classification ?? 1]
        : [2 - alpha, alpha],
    };
    const { localisation, classification } = this.#parts;
    this.componentNames = [localisation.name || "localisation", classification.name || "classification", "Loss"];
  }

  /**
   * Computes the loss of a batch.
   *
   * @param predictions locations, float, `[batch, 4, boxes]`, encoded as by {@link DefaultBoxes.encode}, and logits,
   * float, `[batch, classes + 1, boxes]`, class 0 being the background; or a pair of anything and these two.
   * @param targets rows `[image, label, cx, cy, w, h]`, boxes relative to the image. An empty list is valid. Two mistakes
   * log a warning, once per process: rows of images outside the batch, which are ignored; and boxes that look like
   * corners, that is, all read as corners and one has, as centre and size, more than a quarter of its width or height
   * outside the image. Under {@link compile} pass what {@link padTargets} returns.
   * @param options `targetWeights`: a weight for each row of the targets, from 0; default 1.
   * @returns the loss, a scalar, and its components, shape `[3]`, in the order of {@link SSDLoss.componentNames}, without
   * gradient.
   * @throws if predictions have the wrong shape, naming the axis, or a target is invalid, naming its row. A box is invalid
   * if it lies outside the image by more than a hundredth of it or is more than twice as large (pixels).
   */
  forward(predictions: Predictions, targets: Targets, options: ForwardOptions = {}): SSDLossResult {
    forwardCall.check(arguments);
    const [locations, logits] = unpackPredictions(forwardCall, predictions, this.defaultBoxes.count);
    const [batch, classes] = logits.shape;
    const grouped = groupTargets(forwardCall.name, targets, batch, classes - 1);
    const matches = matchTargets(grouped, this.defaultBoxes, this.#parts.matching);
    checkMatches(forwardCall, matches, [batch, this.defaultBoxes.count]);
    const weight = weightsOfMatched(options.targetWeights, targets, grouped, matches);
    const positives = countPositives(matches.positive); // [batch]

    const context = this.#contextOf([locations, logits], grouped, matches);
    const localisation = this.#localise(context, weight); // [batch]
    const classification = this.#classify(context, { positives, ignored: matches.ignored ?? null }, weight);

    const [own, other] = this.#parts.weights;
    const weighted = add(mul(localisation, own), mul(classification, other));
    const loss = this.#normalise(
      this.#parts.dropsEmpty ? where(greater(positives, 0), weighted, 0) : weighted,
      positives,
    );
    return { loss, components: detach(stack([mean(localisation), mean(classification), loss], 0)) };
  }

  /** The inputs of the two losses. */
  #contextOf(
    [locations, logits]: readonly [Tensor, Tensor],
    grouped: GroupedTargets,
    matches: MatchingResult,
  ): ClassificationContext {
    const { defaultBoxes } = this;
    const boxes = boxesOfMatched(grouped, matches);
    return {
      locations,
      logits,
      boxes,
      label: classesOf(grouped, matches),
      positive: matches.positive,
      defaultBoxes,
      // Recorded for those who ask.
      get wanted() {
        return defaultBoxes.encode(boxes);
      },
      get decoded() {
        return defaultBoxes.decode(locations);
      },
    };
  }

  /** The sum of the losses of an image's matched locations. */
  #localise(context: LocalisationContext, weight: Tensor | null): Tensor {
    const { localisation } = this.#parts;
    const losses = localisation(context);
    const { locations: { shape: [batch] }, positive, defaultBoxes: { count } } = context;
    const shapes = [[batch, 4, count], [batch, count]];
    const each = checkPart(forwardCall, "localisation", losses, { shapes }).shape.length === 3;
    const spread = (t: Tensor) => (each ? unsqueeze(t, 1) : t);
    const weighted = weight ? mul(losses, spread(weight)) : losses;
    return sum(localisation.masked ? weighted : where(spread(positive), weighted, 0), each ? [1, 2] : 1);
  }

  /** The sum of the losses of an image's positives and mined negatives. */
  #classify(
    context: ClassificationContext,
    counts: Pick<MiningContext, "positives" | "ignored">,
    weight: Tensor | null,
  ): Tensor {
    const { logits, label, positive } = context;
    const shapes = [label.shape];
    const losses = checkPart(forwardCall, "classification", this.#parts.classification(context), { shapes });
    const mined = this.#parts.mining({ logits, label, positive, losses: detach(losses), ...counts });
    const selected = checkPart(forwardCall, "mining", mined, { shapes, dtype: "bool" });
    return minedSum(weight ? where(positive, mul(losses, weight), losses) : losses, positive, selected);
  }

  #normalise(losses: Tensor, positives: Tensor): Tensor {
    const { normaliser } = this.#parts;
    switch (normaliser) {
      // An image without positives has nothing to divide by.
      case "imagePositives":
        return mean(div(losses, maximum(positives, 1)));
      case "batchPositives":
        return div(sum(losses), maximum(sum(positives), 1));
      case "images":
        return mean(losses);
      case "none":
        return sum(losses);
      default:
        return checkPart(forwardCall, "normaliser", normaliser({ losses, positives }), { shapes: [[]] });
    }
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
    const matches = matchTargets(grouped, this.defaultBoxes, this.#parts.matching);
    return {
      target: where(matches.positive, ofMatched(grouped.row, matches), -1),
      label: classesOf(grouped, matches),
      positive: matches.positive,
    };
  }
}

/** The parts of a loss. */
interface Parts {
  readonly matching: Matching;
  readonly localisation: Localisation;
  readonly classification: Classification;
  readonly mining: Mining;
  readonly normaliser: Normaliser;
  /** Whether images without positives may have losses, which do not count. */
  readonly dropsEmpty: boolean;
  /** The weights of localisation and classification. */
  readonly weights: readonly [number, number];
}

/** Throws if two options say the same. */
function checkOnce(options: SSDLossOptions): void {
  const pairs = [["iouThreshold", "matching"], ["negPosRatio", "mining"], ["alpha", "weights"]] as const;
  for (const [short, long] of pairs) {
    if (options[short] !== undefined && options[long] !== undefined) {
      throw constructorCall.error(`expected ${short} or ${long}, got both; ${long} says what ${short} would`);
    }
  }
}

/** The weight of each default box's target, `[batch, a]`; `null` if all are 1. */
function weightsOfMatched(
  weights: ArrayLike<number> | undefined,
  targets: Targets,
  { row }: GroupedTargets,
  matches: MatchingResult,
): Tensor | null {
  if (!weights) return null;
  if (arePadded(targets)) {
    throw forwardCall.error(
      "expected targets as rows along with targetWeights, got padded targets, which have no rows",
    );
  }
  const rows = countRows(forwardCall.name, targets);
  if (weights.length !== rows) {
    throw forwardCall.error(
      `expected targetWeights to have one number for each of ${rows} rows, got ${weights.length}`,
    );
  }
  // One more, for padding.
  const all = tensor(Float64Array.from({ length: rows + 1 }, (_, i) => weights[i] ?? 0));
  return ofMatched(take(all, where(greaterEqual(row, 0), row, rows)), matches);
}
