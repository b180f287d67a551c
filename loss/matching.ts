/** Matching of default boxes to targets. */
import type { Tensor } from "../core/tensor.ts";
import { arange } from "../ops/creation.ts";
import { add } from "../ops/arithmetic.ts";
import { equal, greater, greaterEqual, logicalAnd } from "../ops/comparison.ts";
import { maximum, where } from "../ops/selection.ts";
import { gather } from "../ops/indexing.ts";
import { broadcastTo, slice, squeeze, unsqueeze } from "../ops/movement.ts";
import { argmax, max } from "../ops/reduce.ts";
import { type Corners, cornersOf, iouOfCorners } from "./boxes.ts";
import type { DefaultBoxes } from "./default_boxes.ts";
import type { GroupedTargets } from "./targets.ts";

/** The result of matching; `a` counts default boxes. */
export interface Matches {
  /** The index of the target within its image's group, 0 if there is none; int, shape `[batch, a]`. */
  readonly target: Tensor;
  /** Whether the default box has a target; bool, shape `[batch, a]`. */
  readonly positive: Tensor;
}

/**
 * Matches each default box to the target that it overlaps most, if by more than the threshold, and each target's best
 * default box to that target in any case. Ties of overlap go to the lowest index. If two targets share a best default
 * box, the later target gets it.
 */
export function matchTargets(targets: GroupedTargets, defaultBoxes: DefaultBoxes, iouThreshold: number): Matches {
  const { valid, boxes } = targets;
  const count = defaultBoxes.count;
  const slots = valid.shape[1];

  const overlap = iouOfCorners(targetCorners(boxes), defaultCorners(defaultBoxes)); // [batch, g, a]
  const iou = where(unsqueeze(valid, 2), overlap, -1);
  const bestTarget = argmax(iou, 1); // [batch, a]
  const bestIou = squeeze(gather(iou, unsqueeze(bestTarget, 1), 1), 1);
  const byOverlap = where(greater(bestIou, iouThreshold), bestTarget, -1);

  const bestBox = argmax(iou, 2); // [batch, g]
  const isBestBox = equal(unsqueeze(bestBox, 2), arange(count)); // [batch, g, a]
  const forces = logicalAnd(isBestBox, unsqueeze(valid, 2));
  const forced = max(where(forces, unsqueeze(arange(slots), 1), -1), 1); // [batch, a]

  const matched = where(greaterEqual(forced, 0), forced, byOverlap);
  return { target: maximum(matched, 0), positive: greaterEqual(matched, 0) };
}

/** The values of the matched targets: gathers `[batch, g]` into `[batch, a]`. */
export function ofMatched(values: Tensor, matches: Matches): Tensor {
  return gather(values, matches.target, 1);
}

/** The boxes of the matched targets: cx, cy, w, h, shape `[batch, 4, a]`. */
export function boxesOfMatched(targets: GroupedTargets, { target }: Matches): Tensor {
  const [batch, count] = target.shape;
  return gather(targets.boxes, broadcastTo(unsqueeze(target, 1), [batch, 4, count]), 2);
}

/** The class of each default box: its target's label + 1, or 0 for background; int, shape `[batch, a]`. */
export function classesOf(targets: GroupedTargets, matches: Matches): Tensor {
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
