/** Variants of the loss that can be trained with: each is the reference but for what it says. */
import { type DefaultBoxes, SSDLoss, type SSDLossOptions, terms } from "../../mod.ts";

/** A variant of the loss. */
export interface Variant {
  /** Its change to the loss, in a few words. */
  readonly title: string;
  readonly options: () => SSDLossOptions;
}

/** By name, as in `--variants`. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  reference: { title: "smooth L1; cross-entropy over the hardest negatives", options: () => ({}) },
  focal: {
    title: "focal loss over all negatives",
    options: () => ({ classification: terms.focal(), mining: terms.allNegatives(), normaliser: "batchPositives" }),
  },
  giou: { title: "localisation by GIoU", options: () => ({ localisation: terms.boxIou({ kind: "giou" }) }) },
  ciou: { title: "localisation by CIoU", options: () => ({ localisation: terms.boxIou({ kind: "ciou" }) }) },
  smoothing: {
    title: "labels smoothed by 0.1",
    options: () => ({ classification: terms.crossEntropy({ labelSmoothing: 0.1 }) }),
  },
  everyNegative: { title: "no mining: every negative counts", options: () => ({ mining: terms.allNegatives() }) },
  oneToOne: {
    title: "each digit matched to its best default box only",
    options: () => ({ matching: terms.bipartite() }),
  },
};

/** The loss of a variant. */
export function lossOf(variant: string, defaultBoxes: DefaultBoxes): SSDLoss {
  return new SSDLoss(defaultBoxes, VARIANTS[variant].options());
}
