/** How default boxes are matched to targets, given their overlaps. */
import { boolean, nullable, numberIn, Signature } from "../core/options.ts";
import type { Tensor } from "../core/tensor.ts";
import { equal, greater, greaterEqual, logicalAnd, logicalNot, logicalOr } from "../ops/comparison.ts";
import { arange, full } from "../ops/creation.ts";
import { gather } from "../ops/indexing.ts";
import { squeeze, unsqueeze } from "../ops/movement.ts";
import { argmax, max } from "../ops/reduce.ts";
import { maximum, where } from "../ops/selection.ts";
import type { DefaultBoxes } from "./default_boxes.ts";

/** The inputs of a {@link Matching}; `g` counts the targets of an image, padded, `a` default boxes. */
export interface MatchingContext {
  /** The intersection over union of each target with each default box, -1 for padding; float, `[batch, g, a]`. */
  readonly iou: Tensor;
  /** Whether there is a target rather than padding; bool, `[batch, g]`. */
  readonly valid: Tensor;
  /** The targets: cx, cy, w, h relative to the image, a unit square for padding; float, `[batch, 4, g]`. */
  readonly boxes: Tensor;
  /** The default boxes, a of them. */
  readonly defaultBoxes: DefaultBoxes;
}

/** The result of a {@link Matching}. */
export interface MatchingResult {
  /** The index of the target, from 0 to `g - 1`, any of these if there is none; int, `[batch, a]`. */
  readonly target: Tensor;
  /** Whether the default box has a target; bool, `[batch, a]`. */
  readonly positive: Tensor;
  /** Whether the default box counts neither as positive nor as negative; bool, `[batch, a]`. Default none does. */
  readonly ignored?: Tensor;
}

/** Which default boxes are matched to which targets. */
export type Matching = (context: MatchingContext) => MatchingResult;

/** Options of {@link bestOverlap}. */
export interface BestOverlapOptions {
  /** A default box is positive if its IoU with its best target is above this; default 0.5. */
  readonly threshold?: number;
  /** Whether an IoU that equals the threshold is enough; default false. */
  readonly inclusive?: boolean;
  /** A target claims its best default box only from this IoU on; default 0: in any case. */
  readonly minimumForced?: number;
  /** A default box that is not positive is ignored, rather than negative, from this IoU on; default none is. */
  readonly ignoreFrom?: number;
}

const bestOverlapCall = new Signature<BestOverlapOptions>("terms.bestOverlap(options)", {
  threshold: numberIn(0, 1),
  inclusive: boolean,
  minimumForced: numberIn(0, 1),
  ignoreFrom: numberIn(0, 1),
});

/** Each default box's best target, and its overlap with it. */
function bestOf(iou: Tensor): { target: Tensor; overlap: Tensor } {
  const target = argmax(iou, 1); // [batch, a]
  return { target, overlap: squeeze(gather(iou, unsqueeze(target, 1), 1), 1) };
}

/** The result, given the index of the target of each default box, -1 for none. */
function resultOf(matched: Tensor): MatchingResult {
  return { target: maximum(matched, 0), positive: greaterEqual(matched, 0) };
}

/**
 * Matches each default box to the target that it overlaps most, if by more than the threshold, and each target's best default box to that
 * target in any case: the reference's matching. Ties of overlap go to the lowest index. If two targets share a best default box, the
 * later target gets it.
 *
 * @param options `threshold`, default 0.5; `inclusive`: whether an equal IoU is enough; `minimumForced`: the least IoU with which a target
 * claims its best default box; `ignoreFrom`: the IoU from which default boxes are ignored rather than negative.
 *
 * @example
 * ```ts
 * import { DefaultBoxes, SSDLoss, terms } from "gpugrad";
 *
 * const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
 * new SSDLoss(boxes, { matching: terms.bestOverlap({ threshold: 0.5, ignoreFrom: 0.4 }) });
 * ```
 */
export function bestOverlap(options?: BestOverlapOptions): Matching {
  bestOverlapCall.check(arguments);
  const { threshold = 0.5, inclusive = false, minimumForced = 0, ignoreFrom } = options ?? {};
  if (ignoreFrom !== undefined && ignoreFrom > threshold) {
    throw bestOverlapCall.error(`expected ignoreFrom to be at most the threshold, ${threshold}, got ${ignoreFrom}`);
  }
  const enough = inclusive ? greaterEqual : greater;
  return function bestOverlap({ iou, valid }) {
    const [, slots, count] = iou.shape;
    const best = bestOf(iou);
    const byOverlap = where(enough(best.overlap, threshold), best.target, -1);

    const bestBox = argmax(iou, 2); // [batch, g]
    const isBestBox = equal(unsqueeze(bestBox, 2), arange(count)); // [batch, g, a]
    const claims = minimumForced > 0 ? logicalAnd(valid, greaterEqual(max(iou, 2), minimumForced)) : valid;
    const forces = logicalAnd(isBestBox, unsqueeze(claims, 2));
    const forced = max(where(forces, unsqueeze(arange(slots), 1), -1), 1); // [batch, a]
    const result = resultOf(where(greaterEqual(forced, 0), forced, byOverlap));
    if (ignoreFrom === undefined) return result;
    return { ...result, ignored: logicalAnd(logicalNot(result.positive), greaterEqual(best.overlap, ignoreFrom)) };
  };
}

/** Options of {@link bipartite}. */
export interface BipartiteOptions {
  /** The other default boxes are matched, too, if their IoU with their best target is above this; default `null`: they are not. */
  readonly threshold?: number | null;
}

const bipartiteCall = new Signature<BipartiteOptions>("terms.bipartite(options)", {
  threshold: nullable(numberIn(0, 1)),
});

/**
 * Matches one to one, greedily: the pair of largest overlap first, then the largest among the rest, and so on, so that each target gets a
 * default box of its own (the bipartite matching of Caffe's SSD). Ties go to the first target and its lowest default box. It is recorded
 * as one step for each target of the image that has most, up to the next power of two.
 *
 * @param options `threshold`: above which IoU other default boxes are matched besides; default `null`, none.
 *
 * @example
 * ```ts
 * import { DefaultBoxes, SSDLoss, terms } from "gpugrad";
 *
 * const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
 * new SSDLoss(boxes, { matching: terms.bipartite({ threshold: 0.5 }) });
 * ```
 */
export function bipartite(options?: BipartiteOptions): Matching {
  bipartiteCall.check(arguments);
  const { threshold = null } = options ?? {};
  return function bipartite({ iou }) {
    const [batch, slots, count] = iou.shape;
    const [targets, boxes] = [arange(slots), arange(count)];
    let left = iou;
    let matched: Tensor = full([batch, count], -1, { dtype: "int" });
    for (let step = 0; step < slots; step++) {
      const largest = max(left, 2); // [batch, g]
      const target = argmax(largest, 1, { keepDims: true }); // [batch, 1]
      const box = gather(argmax(left, 2), target, 1); // [batch, 1]
      // Padding has an overlap of -1, and what is taken one of -2.
      const found = greaterEqual(gather(largest, target, 1), 0);
      const own = equal(boxes, box); // [batch, a]
      matched = where(logicalAnd(found, own), target, matched);
      left = where(logicalOr(unsqueeze(equal(targets, target), 2), unsqueeze(own, 1)), -2, left);
    }
    if (threshold === null) return resultOf(matched);
    const best = bestOf(iou);
    const byOverlap = where(greater(best.overlap, threshold), best.target, -1);
    return resultOf(where(greaterEqual(matched, 0), matched, byOverlap));
  };
}
