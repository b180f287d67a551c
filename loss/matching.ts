/** Matching of default boxes to targets. */
import type { Tensor } from "../core/tensor.ts";
import { add } from "../ops/arithmetic.ts";
import { where } from "../ops/selection.ts";
import { gather } from "../ops/indexing.ts";
import { broadcastTo, slice, squeeze, unsqueeze } from "../ops/movement.ts";
import { type Corners, cornersOf, iouOfCorners } from "./boxes.ts";
import type { DefaultBoxes } from "./default_boxes.ts";
import type { Matching, MatchingResult } from "./matchers.ts";
import type { GroupedTargets } from "./targets.ts";

/** Matches the default boxes of each image to its targets. */
export function matchTargets(targets: GroupedTargets, defaultBoxes: DefaultBoxes, matching: Matching): MatchingResult {
  const { valid, boxes } = targets;
  const overlap = iouOfCorners(targetCorners(boxes), defaultCorners(defaultBoxes)); // [batch, g, a]
  return matching({ iou: where(unsqueeze(valid, 2), overlap, -1), valid, boxes, defaultBoxes });
}

/** The values of the matched targets: gathers `[batch, g]` into `[batch, a]`. */
export function ofMatched(values: Tensor, matches: MatchingResult): Tensor {
  return gather(values, matches.target, 1);
}

/** The boxes of the matched targets: cx, cy, w, h, shape `[batch, 4, a]`. */
export function boxesOfMatched(targets: GroupedTargets, { target }: MatchingResult): Tensor {
  const [batch, count] = target.shape;
  return gather(targets.boxes, broadcastTo(unsqueeze(target, 1), [batch, 4, count]), 2);
}

/** The class of each default box: its target's label + 1, or 0 for background; int, shape `[batch, a]`. */
export function classesOf(targets: GroupedTargets, matches: MatchingResult): Tensor {
  return where(matches.positive, add(ofMatched(targets.label, matches), 1), 0);
}

/** Corners of targets, `[batch, g, 1]` each, from boxes `[batch, 4, g]`. */
function targetCorners(boxes: Tensor): Corners {
  const part = (k: number) => unsqueeze(squeeze(slice(boxes, [null, [k, k + 1], null]), 1), 2);
  return cornersOf(part(0), part(1), part(2), part(3));
}

/** Corners of default boxes, `[1, a]` each. */
function defaultCorners({ components }: DefaultBoxes): Corners {
  const part = (k: number) => slice(components, [[k, k + 1], null]);
  return cornersOf(part(0), part(1), part(2), part(3));
}
