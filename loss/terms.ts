/**
 * The parts that the SSD loss is made of. Each is a function of tensors, so a part can be replaced by one of these or by one's own:
 * which default boxes match which targets, the two losses, and which negatives count.
 */
import { boolean, kind, numberAbove, numberIn, oneOf, Signature } from "../core/options.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul, sub } from "../ops/arithmetic.ts";
import { logSoftmax } from "../ops/activations.ts";
import { cast } from "../ops/cast.ts";
import { logicalAnd, logicalNot, logicalOr } from "../ops/comparison.ts";
import { type NestedData, zeros } from "../ops/creation.ts";
import { ceil, exp, pow } from "../ops/functions.ts";
import { detach } from "../ops/grad.ts";
import { gather, oneHot } from "../ops/indexing.ts";
import { crossEntropy as crossEntropyLoss, smoothL1 as smoothL1Loss } from "../ops/losses.ts";
import { reshape, slice, squeeze, transpose, unsqueeze } from "../ops/movement.ts";
import { topKMask } from "../ops/ordering.ts";
import { sum } from "../ops/reduce.ts";
import { maximum, minimum, where } from "../ops/selection.ts";
import type { DefaultBoxes } from "./default_boxes.ts";
import { sigmoidFocalLoss } from "./focal.ts";
import { alphaOrThrow, iouLoss, type IouLossKind, iouLossKind } from "./iou_loss.ts";

export { bestOverlap, type BestOverlapOptions, bipartite, type BipartiteOptions } from "./matchers.ts";
export type { Matching, MatchingContext, MatchingResult } from "./matchers.ts";

/** The inputs of a {@link Localisation}; `a` counts default boxes. */
export interface LocalisationContext {
  /** The predictions, float, `[batch, 4, a]`, encoded. */
  readonly locations: Tensor;
  /** The matched targets, encoded: what the predictions should be; float, `[batch, 4, a]`. Arbitrary where `positive` is false. */
  readonly wanted: Tensor;
  /** The predictions, decoded: cx, cy, w, h relative to the image; float, `[batch, 4, a]`. */
  readonly decoded: Tensor;
  /** The matched targets: cx, cy, w, h relative to the image; float, `[batch, 4, a]`. */
  readonly boxes: Tensor;
  /** Whether a default box is matched; bool, `[batch, a]`. */
  readonly positive: Tensor;
  /** The default boxes, a of them. */
  readonly defaultBoxes: DefaultBoxes;
}

/**
 * The loss of locations: float, `[batch, a]`, or `[batch, 4, a]` where each coordinate has its own. Only matched default boxes count; at
 * all others it may have any value, NaN included.
 */
export interface Localisation {
  (context: LocalisationContext): Tensor;
  /** Whether the result is 0 wherever `positive` is false, so that nothing has to be left out; default false. */
  readonly masked?: boolean;
}

/** Logits of default boxes and their classes. */
export interface LabelledLogits {
  /** float, `[batch, classes + 1, a]`; class 0 is the background. */
  readonly logits: Tensor;
  /** The class of each default box, 0 for background; int, `[batch, a]`. */
  readonly label: Tensor;
  /** Whether a default box is matched; bool, `[batch, a]`. */
  readonly positive: Tensor;
}

/**
 * The inputs of a {@link Classification}: for losses whose target depends on how well a box is located, such as the quality focal
 * loss, that of locations, too.
 */
export interface ClassificationContext extends LabelledLogits, LocalisationContext {}

/** The loss of classification of each default box: float, `[batch, a]`. */
export type Classification = (context: ClassificationContext) => Tensor;

/** The inputs of a {@link Mining}. */
export interface MiningContext extends LabelledLogits {
  /** The losses of classification, without gradient; float, `[batch, a]`. */
  readonly losses: Tensor;
  /** The number of matched default boxes of each image; float, `[batch]`. */
  readonly positives: Tensor;
  /** Whether a default box counts neither as positive nor as negative; bool, `[batch, a]`, or `null` if there is none. */
  readonly ignored: Tensor | null;
}

/**
 * Which default boxes count in classification besides the positives: bool, `[batch, a]`. A positive that is selected counts twice, as in
 * the reference.
 */
export type Mining = (context: MiningContext) => Tensor;

/** Gives a part the name that its component has in the result. */
function named<F extends (context: never) => Tensor>(name: string, part: F): F {
  Object.defineProperty(part, "name", { value: name, configurable: true });
  return part;
}

/** Options of {@link smoothL1}. */
export interface SmoothL1TermOptions {
  /** The difference at which the loss turns from quadratic to linear, in units of the encoding; default 1. */
  readonly beta?: number;
}

const smoothL1Call = new Signature<SmoothL1TermOptions>("terms.smoothL1(options)", { beta: numberIn(0, Infinity) });

/**
 * Smooth L1 of the encoded coordinates, summed over the four: the reference's localisation.
 *
 * @param options `beta`: where the loss turns from quadratic to linear, default 1.
 *
 * @example
 * ```ts
 * import { DefaultBoxes, SSDLoss, terms } from "gpugrad";
 *
 * const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
 * new SSDLoss(boxes, { localisation: terms.smoothL1({ beta: 1 / 9 }) });
 * ```
 */
export function smoothL1(options?: SmoothL1TermOptions): Localisation {
  smoothL1Call.check(arguments);
  const { beta = 1 } = options ?? {};
  const term = ({ locations, wanted, positive }: LocalisationContext) => {
    const difference = where(unsqueeze(positive, 1), sub(locations, wanted), 0);
    return smoothL1Loss(difference, 0, { beta, reduction: "none" });
  };
  return Object.assign(named("smooth_l1", term), { masked: true });
}

/** Options of {@link boxIou}. */
export interface BoxIouTermOptions {
  /** The measure, default `"giou"`; see {@link IouLossKind}. */
  readonly kind?: IouLossKind;
  /** The exponent of `alphaIou`, default 3. */
  readonly alpha?: number;
}

const boxIouCall = new Signature<BoxIouTermOptions>("terms.boxIou(options)", {
  kind: iouLossKind,
  alpha: numberAbove(0),
});

/**
 * The loss of overlap of decoded boxes: {@link iouLoss} of each matched default box.
 *
 * @param options `kind`: the measure, default `"giou"`; `alpha`: the exponent of `alphaIou`.
 * @throws if `alpha` comes with another kind than `alphaIou`.
 *
 * @example
 * ```ts
 * import { DefaultBoxes, SSDLoss, terms } from "gpugrad";
 *
 * const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
 * const criterion = new SSDLoss(boxes, { localisation: terms.boxIou({ kind: "ciou" }) });
 * console.log(criterion.componentNames); // ["ciou", "closs", "Loss"]
 * ```
 */
export function boxIou(options?: BoxIouTermOptions): Localisation {
  boxIouCall.check(arguments);
  const { kind = "giou", alpha } = options ?? {};
  alphaOrThrow(boxIouCall, kind, alpha);
  return named(kind, ({ decoded, boxes }) => {
    const last = (t: Tensor) => transpose(t, [0, 2, 1]);
    return iouLoss(last(decoded), last(boxes), { kind, alpha, format: "cxcywh", reduction: "none" });
  });
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyTermOptions {
  /** A weight for each class, the background first. */
  readonly weight?: Tensor | NestedData;
  /** The share of probability that is spread over all classes, from 0 to 1; default 0. */
  readonly labelSmoothing?: number;
}

const crossEntropyCall = new Signature<CrossEntropyTermOptions>("terms.crossEntropy(options)", {
  weight: kind("numbers, one for each class", "[1, 2]", (v) => v !== null),
  labelSmoothing: numberIn(0, 1),
});

/**
 * The cross-entropy of each default box, in nats: the reference's classification.
 *
 * @param options `weight`: for each class, the background first; `labelSmoothing`: the share of probability that is spread over all
 * classes, default 0.
 *
 * @example
 * ```ts
 * import { DefaultBoxes, SSDLoss, terms } from "gpugrad";
 *
 * const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
 * new SSDLoss(boxes, { classification: terms.crossEntropy({ labelSmoothing: 0.1 }) });
 * ```
 */
export function crossEntropy(options?: CrossEntropyTermOptions): (context: LabelledLogits) => Tensor {
  crossEntropyCall.check(arguments);
  return named(
    "closs",
    ({ logits, label }: LabelledLogits) => crossEntropyLoss(logits, label, { ...options, axis: 1, reduction: "none" }),
  );
}

/** Options of {@link focal}. */
export interface FocalTermOptions {
  /** The exponent of how wrong a prediction is, default 2. */
  readonly gamma?: number;
  /** The weight of positives; that of negatives is `1 - alpha`. Default 0.25; -1 for no weights. */
  readonly alpha?: number;
  /**
   * `"softmax"`, the default: one distribution over the classes and the background, as the reference has it. `"sigmoid"`: a decision for
   * each class, as in the paper; the background's logit has no influence.
   */
  readonly activation?: "softmax" | "sigmoid";
}

const focalCall = new Signature<FocalTermOptions>("terms.focal(options)", {
  gamma: numberIn(0, Infinity),
  alpha: kind("a number from 0 to 1, or -1", "1", (v) => v === -1 || numberIn(0, 1).accepts(v)),
  activation: oneOf("softmax", "sigmoid"),
});

/**
 * The focal loss of each default box (Lin et al., 2017, arXiv:1708.02002), in nats: cross-entropy with the factor
 * `alpha_t (1 - p_t) ** gamma`. It is usually taken of {@link allNegatives}, and the loss divided by the positives of the batch.
 *
 * @param options `gamma`, default 2; `alpha`, default 0.25; `activation`: `"softmax"` or `"sigmoid"`.
 *
 * @example
 * ```ts
 * import { DefaultBoxes, SSDLoss, terms } from "gpugrad";
 *
 * const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
 * const classification = terms.focal({ gamma: 2, alpha: 0.25, activation: "sigmoid" });
 * new SSDLoss(boxes, { classification, mining: terms.allNegatives(), normaliser: "batchPositives" });
 * ```
 */
export function focal(options?: FocalTermOptions): (context: LabelledLogits) => Tensor {
  focalCall.check(arguments);
  const { gamma = 2, alpha = 0.25, activation = "softmax" } = options ?? {};
  if (activation === "sigmoid") {
    return named("focal", ({ logits, label }: LabelledLogits) => {
      const classes = logits.shape[1] - 1;
      const own = slice(logits, [null, [1, classes + 1], null]);
      const wanted = slice(oneHot(label, classes + 1), [null, null, [1, classes + 1]]);
      return sum(sigmoidFocalLoss(own, transpose(wanted, [0, 2, 1]), { alpha, gamma, reduction: "none" }), 1);
    });
  }
  return named("focal", ({ logits, label, positive }: LabelledLogits) => {
    const logP = squeeze(gather(logSoftmax(logits, 1), unsqueeze(label, 1), 1), 1);
    const losses = mul(pow(maximum(sub(1, exp(logP)), 0), gamma), sub(0, logP));
    return alpha < 0 ? losses : mul(losses, where(positive, alpha, 1 - alpha));
  });
}

/** Options of {@link hardest}. */
export interface HardestOptions {
  /** The number of negatives per positive, default 3; need not be whole. */
  readonly ratio?: number;
  /** The smallest number of negatives of each image (of the batch with `scope: "batch"`); default 0. */
  readonly minimum?: number;
  /**
   * By what default boxes are ranked: `"loss"`, that of classification, the default; or `"background"`, `-log p(background)`, whatever
   * the loss is.
   */
  readonly score?: "loss" | "background";
  /** Whether the hardest of each image are selected, the default, or those of the whole batch. */
  readonly scope?: "image" | "batch";
  /** Whether a positive counts once even if more negatives are wanted than there are; default false, as in the reference. */
  readonly countPositivesOnce?: boolean;
}

const hardestCall = new Signature<HardestOptions>("terms.hardest(options)", {
  ratio: numberIn(0, Infinity),
  minimum: numberIn(0, Infinity),
  score: oneOf("loss", "background"),
  scope: oneOf("image", "batch"),
  countPositivesOnce: boolean,
});

/**
 * Selects the hardest negatives, `ratio` for each positive: the reference's mining (Liu et al., 2016, arXiv:1512.02325). Scores of
 * positives are set to 0 and all default boxes ranked, the lower index first among equals; if more are wanted than there are negatives,
 * positives are selected, too.
 *
 * @param options `ratio`, default 3; `minimum`, default 0; `score`, default `"loss"`; `scope`, default `"image"`; `countPositivesOnce`,
 * default false.
 *
 * @example
 * ```ts
 * import { DefaultBoxes, SSDLoss, terms } from "gpugrad";
 *
 * const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
 * new SSDLoss(boxes, { mining: terms.hardest({ ratio: 3, minimum: 16 }), withoutPositives: "negatives" });
 * ```
 */
export function hardest(options?: HardestOptions): Mining {
  hardestCall.check(arguments);
  const { ratio = 3, minimum = 0, score = "loss", scope = "image", countPositivesOnce = false } = options ?? {};
  return named("hardest", ({ logits, losses, positive, positives, ignored }) => {
    const [batch, count] = losses.shape;
    const scores = score === "loss" ? losses : detach(backgroundLoss(logits));
    const ranked = where(positive, 0, scores);
    const candidates = ignored ? where(ignored, -Infinity, ranked) : ranked;
    const perImage = scope === "image";
    const rows = perImage ? candidates : reshape(candidates, [1, batch * count]);
    const wanted = mul(perImage ? positives : sum(positives, 0, { keepDims: true }), ratio);
    const most = topKMask(rows, unsqueeze(wholeUpTo(atLeast(wanted, minimum), rows.shape[1]), 1), 1);
    let selected = perImage ? most : reshape(most, [batch, count]);
    if (ignored) selected = logicalAnd(selected, logicalNot(ignored));
    return countPositivesOnce ? logicalAnd(selected, logicalNot(positive)) : selected;
  });
}

const atLeast = (wanted: Tensor, least: number): Tensor => (least > 0 ? maximum(wanted, least) : wanted);

/** How many ranks are below a number: rounding up is exact, since a rank, being whole, is below 2.5 when it is below 3. */
function wholeUpTo(wanted: Tensor, most: number): Tensor {
  return cast(ceil(minimum(wanted, most)), "int");
}

/** -log p(background) of each default box. */
function backgroundLoss(logits: Tensor): Tensor {
  const [batch, , count] = logits.shape;
  return crossEntropyLoss(logits, zeros([batch, count], { dtype: "int" }), { axis: 1, reduction: "none" });
}

const allNegativesCall = new Signature("terms.allNegatives()");

/**
 * Selects all negatives, as losses do that weigh them by how wrong they are, such as {@link focal}.
 *
 * @example
 * ```ts
 * import { DefaultBoxes, SSDLoss, terms } from "gpugrad";
 *
 * const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
 * new SSDLoss(boxes, { classification: terms.focal(), mining: terms.allNegatives() });
 * ```
 */
export function allNegatives(): Mining {
  allNegativesCall.check(arguments);
  return named(
    "allNegatives",
    ({ positive, ignored }) => logicalNot(ignored ? logicalOr(positive, ignored) : positive),
  );
}

/** The inputs of a {@link Normaliser}. */
export interface NormaliserContext {
  /** The weighted loss of each image; float, `[batch]`. */
  readonly losses: Tensor;
  /** The number of matched default boxes of each image; float, `[batch]`. */
  readonly positives: Tensor;
}

/**
 * How the losses of images become one number.
 *
 * - `imagePositives`: each image's is divided by its positives, then their mean: the reference.
 * - `batchPositives`: their sum, divided by the positives of the batch, at least 1.
 * - `images`: their mean.
 * - `none`: their sum.
 */
export type Normaliser =
  | "imagePositives"
  | "batchPositives"
  | "images"
  | "none"
  | ((context: NormaliserContext) => Tensor);
