/** The pictures of docs/variants.md. */
import { classWeights, focal, generalisedCrossEntropy, labelSmoothing } from "./classification.ts";
import type { Figure } from "./draw.ts";
import { balancedL1, boxIou, smoothL1Beta, straightThrough, wasserstein } from "./localisation.ts";
import { bipartite, ignoreBand, mining } from "./selection.ts";

/** Their folder, relative to the project. */
export const FOLDER = "docs/figures";

/** Functions that compute each picture's data, to be called while the device is `float64`; in the order of the page. */
export const figures: readonly (() => Promise<Figure>)[] = [
  focal,
  labelSmoothing,
  classWeights,
  generalisedCrossEntropy,
  smoothL1Beta,
  balancedL1,
  boxIou,
  wasserstein,
  mining,
  ignoreBand,
  bipartite,
  straightThrough,
];
