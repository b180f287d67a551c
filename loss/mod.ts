/**
 * Losses alone: boxes, matching, mining, the SSD loss and its terms, and general losses. Everything here is exported by the
 * main entry point as well.
 *
 * @module
 */
export {
  type BinaryCrossEntropyOptions,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  type CrossEntropyOptions,
  huber,
  type HuberOptions,
  type Reduction,
  smoothL1,
  type SmoothL1Options,
} from "../ops/losses.ts";
export { type BoxFormat, type IouKind, iouMatrix, type IouOptions } from "./boxes.ts";
export { type BoxCodingOptions, convertBoxes, decode, encode } from "./coding.ts";
export {
  DefaultBoxes,
  type DefaultBoxesConfig,
  type DefaultBoxesPreset,
  type DefaultBoxOrder,
} from "./default_boxes.ts";
export {
  distributionFocalLoss,
  type DistributionFocalLossOptions,
  gaussianFocalLoss,
  type GaussianFocalLossOptions,
  qualityFocalLoss,
  type QualityFocalLossOptions,
  sigmoidFocalLoss,
  type SigmoidFocalLossOptions,
  varifocalLoss,
  type VarifocalLossOptions,
} from "./focal.ts";
export { iouLoss, type IouLossKind, type IouLossOptions } from "./iou_loss.ts";
export { dice, type DiceOptions, lovaszHinge, type LovaszHingeOptions, tversky, type TverskyOptions } from "./masks.ts";
export {
  type ClassAveragePrecision,
  type Detections,
  type MeanAveragePrecision,
  meanAveragePrecision,
  type MeanAveragePrecisionOptions,
  type Truths,
} from "./average_precision.ts";
export { batchedNms, nms } from "./nms.ts";
export type { Numbers } from "./host.ts";
export { detect, type Detected, type DetectOptions } from "./detect.ts";
export { HardMiningCrossEntropyLoss, type HardMiningOptions } from "./mining.ts";
/** Terms of the SSD loss: classification, localisation, mining, matching, normalisers. */
export * as terms from "./terms.ts";
export type { Matching, MatchingContext, MatchingResult } from "./matchers.ts";
export type {
  Classification,
  ClassificationContext,
  LabelledLogits,
  Localisation,
  LocalisationContext,
  Mining,
  MiningContext,
  Normaliser,
  NormaliserContext,
} from "./terms.ts";
export {
  type ComponentWeights,
  type DefaultBoxMatches,
  type ForwardOptions,
  SSDLoss,
  type SSDLossOptions,
  type SSDLossResult,
} from "./ssd_loss.ts";
export type { Predictions } from "./predictions.ts";
export type { Rows } from "./rows.ts";
export { padTargets, type PadTargetsOptions, type Targets } from "./targets.ts";
