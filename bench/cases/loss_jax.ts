/** The whole SSD loss as users of jax-js would write it: all images at once. */
import { PER_IMAGE, type Sizes } from "./case.ts";

type Jax = typeof import("@jax-js/jax");
type JaxArray = import("@jax-js/jax").numpy.Array;

/** The overlap of targets `[batch, targets, 6]` with default boxes `[boxes, 4]`. */
function overlaps({ numpy: np }: Jax, targets: JaxArray, defaults: JaxArray): JaxArray {
  const [ax, ay, aw, ah] = [2, 3, 4, 5].map((k) => targets.ref.slice([], [], k).reshape([-1, PER_IMAGE, 1]));
  const [bx, by, bw, bh] = [0, 1, 2, 3].map((k) => defaults.ref.slice([], k).reshape([1, 1, -1]));
  targets.dispose();
  defaults.dispose();
  const along = (a: JaxArray, size: JaxArray, b: JaxArray, other: JaxArray) => {
    const high = np.minimum(a.ref.add(size.ref.mul(0.5)), b.ref.add(other.ref.mul(0.5)));
    return np.maximum(high.sub(np.maximum(a.sub(size.mul(0.5)), b.sub(other.mul(0.5)))), 0);
  };
  const areas = aw.ref.mul(ah.ref).add(bw.ref.mul(bh.ref));
  const both = along(ax, aw, bx, bw).mul(along(ay, ah, by, bh));
  return both.ref.div(areas.sub(both).add(1e-9));
}

/** For each default box whether it is positive, and the row `[image, label, box]` of its target. */
function match(jax: Jax, targets: JaxArray, defaults: JaxArray): { positive: JaxArray; rows: JaxArray } {
  const { numpy: np, nn } = jax;
  const boxes = defaults.shape[0];
  const iou = overlaps(jax, targets.ref, defaults);
  const taken = nn.oneHot(np.argmax(iou.ref, 2), boxes);
  const claim = np.max(taken.mul(np.arange(1, PER_IMAGE + 1).reshape([1, PER_IMAGE, 1])), 1).astype(np.int32);
  const forced = np.greater(claim.ref, 0);
  const target = np.where(forced.ref, claim.sub(1), np.argmax(iou.ref, 1));
  const positive = np.greater(np.max(iou, 1), 0.5).add(forced);
  const rows = np.takeAlongAxis(targets, target.reshape([-1, boxes, 1]), 1);
  return { positive, rows };
}

/** Returns the target locations: `[batch, 4, boxes]`. */
function encode({ numpy: np }: Jax, rows: JaxArray, defaults: JaxArray): JaxArray {
  const part = (from: number) => rows.ref.slice([], [], [from, from + 2]).transpose([0, 2, 1]);
  const of = (from: number) => defaults.ref.slice([], [from, from + 2]).transpose();
  return np.concatenate([part(2).sub(of(0)).div(of(2)).div(0.1), np.log(part(4).div(of(2))).div(0.2)], 1);
}

/** The hardest negatives, three for each positive. */
function hardest({ numpy: np }: Jax, entropy: JaxArray, positive: JaxArray, count: JaxArray): JaxArray {
  const boxes = entropy.shape[1];
  const negative = np.where(positive, 0, entropy);
  const sorted = np.sort(negative.ref, 1);
  const first = np.maximum(count.mul(-3).add(boxes), 0).astype(np.int32).reshape([-1, 1]);
  return np.greaterEqual(negative, np.takeAlongAxis(sorted, first, 1));
}

export const lossOfJax =
  (jax: Jax, { batch, classes }: Sizes) => ([loc, logits, defaults, flat]: readonly JaxArray[]): JaxArray => {
    const { numpy: np, nn, lax } = jax;
    const { positive, rows } = match(jax, flat.reshape([batch, PER_IMAGE, 6]), defaults.ref);
    const off = np.abs(loc.sub(encode(jax, rows.ref, defaults)));
    const smooth = np.sum(np.where(np.less(off.ref, 1), np.square(off.ref).mul(0.5), off.ref.sub(0.5)), 1);
    const mask = positive.ref.astype(np.float32);
    const label = rows.slice([], [], 1).add(1).mul(mask.ref).astype(np.int32);
    const wanted = nn.oneHot(label, classes + 1).transpose([0, 2, 1]);
    const entropy = np.sum(nn.logSoftmax(logits, 1).mul(wanted), 1).neg();
    const count = np.sum(mask.ref, 1);
    const hard = hardest(jax, lax.stopGradient(entropy.ref), positive, count.ref);
    const each = np.sum(smooth.mul(mask.ref).add(entropy.mul(mask.add(hard.astype(np.float32)))), 1);
    return np.mean(each.mul(np.greater(count.ref, 0).astype(np.float32)).div(np.maximum(count, 1e-6)));
  };
