/** The whole SSD loss as users of TensorFlow.js would write it: all images at once, boxes before classes. */
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { PER_IMAGE, type Sizes } from "./case.ts";

type Tf = typeof import("@tensorflow/tfjs");

/** The overlap of targets `[batch, targets, 4]` with default boxes `[boxes, 4]`. */
function overlaps(tf: Tf, wanted: Tensor, defaults: Tensor): Tensor3D {
  const [ax, ay, aw, ah] = tf.split(wanted, 4, 2);
  const [bx, by, bw, bh] = tf.split(tf.reshape(tf.transpose(defaults), [4, 1, 1, -1]), 4, 0).map((part) =>
    tf.squeeze(part, [0])
  );
  const along = (a: Tensor, size: Tensor, b: Tensor, other: Tensor) => {
    const high = tf.minimum(tf.add(a, tf.div(size, 2)), tf.add(b, tf.div(other, 2)));
    return tf.relu(tf.sub(high, tf.maximum(tf.sub(a, tf.div(size, 2)), tf.sub(b, tf.div(other, 2)))));
  };
  const both = tf.mul(along(ax, aw, bx, bw), along(ay, ah, by, bh));
  const areas = tf.add(tf.mul(aw, ah), tf.mul(bw, bh));
  return tf.div(both, tf.add(tf.sub(areas, both), 1e-9));
}

/** For each default box whether it is positive, and the row `[image, label, box]` of its target. */
function match(tf: Tf, targets: Tensor, defaults: Tensor): { positive: Tensor2D; rows: Tensor3D } {
  const boxes = defaults.shape[0];
  const iou = overlaps(tf, tf.slice(targets, [0, 0, 2]), defaults);
  const taken = tf.oneHot(tf.argMax(iou, 2) as Tensor2D, boxes);
  const claim = tf.max(tf.mul(taken, tf.reshape(tf.range(1, PER_IMAGE + 1, 1, "int32"), [1, PER_IMAGE, 1])), 1);
  const forced = tf.greater(claim, 0);
  const target = tf.where(forced, tf.sub(claim, 1), tf.cast(tf.argMax(iou, 1), "float32")) as Tensor2D;
  // Its gather of several images at once takes the rows of the first image.
  const hot = tf.cast(tf.oneHot(tf.cast(target, "int32"), PER_IMAGE), "float32");
  return {
    positive: tf.logicalOr(forced, tf.greater(tf.max(iou, 1), 0.5)) as Tensor2D,
    rows: tf.matMul(hot as Tensor3D, targets as Tensor3D),
  };
}

/** Returns the target locations: `[batch, boxes, 4]`. */
function encode(tf: Tf, rows: Tensor3D, defaults: Tensor): Tensor {
  const center = tf.slice(rows, [0, 0, 2], [-1, -1, 2]), size = tf.slice(rows, [0, 0, 4], [-1, -1, 2]);
  const at = tf.slice(defaults, [0, 0], [-1, 2]), extent = tf.slice(defaults, [0, 2], [-1, 2]);
  return tf.concat([tf.div(tf.div(tf.sub(center, at), extent), 0.1), tf.div(tf.log(tf.div(size, extent)), 0.2)], 2);
}

/** The hardest negatives, three for each positive. */
function hardest(tf: Tf, entropy: Tensor, positive: Tensor, count: Tensor): Tensor {
  const boxes = entropy.shape[1]!;
  const choose = (losses: Tensor) => {
    const negative = tf.where(positive, tf.zerosLike(losses), losses);
    const last = tf.sub(tf.minimum(tf.mul(count, 3), boxes), 1);
    const hot = tf.oneHot(tf.cast(last, "int32") as Tensor1D, boxes);
    const threshold = tf.sum(tf.mul(tf.topk(negative, boxes).values, hot), 1, true);
    return tf.cast(tf.greaterEqual(negative, threshold), "float32");
  };
  // Which are the hardest has no derivative.
  const chosen = tf.customGrad((losses) => ({
    value: choose(losses as Tensor),
    gradFunc: (dy: Tensor) => tf.zerosLike(dy),
  }));
  return chosen(entropy);
}

export const lossOfTfjs =
  (tf: Tf, { batch, classes }: Sizes) => ([loc, logits, defaults, flat]: readonly Tensor[]): Tensor => {
    const { positive, rows, encoded } = tf.tidy(() => {
      const found = match(tf, tf.reshape(flat, [batch, PER_IMAGE, 6]), defaults);
      return { ...found, encoded: encode(tf, found.rows, defaults) };
    });
    const huber = tf.losses.huberLoss(encoded, loc, undefined, 1, tf.Reduction.NONE);
    const smooth = tf.sum(huber, 2);
    const label = tf.mul(
      tf.cast(positive, "float32"),
      tf.add(tf.squeeze(tf.slice(rows, [0, 0, 1], [-1, -1, 1]), [2]), 1),
    );
    const wanted = tf.oneHot(tf.cast(label, "int32") as Tensor1D, classes + 1);
    const entropy = tf.losses.softmaxCrossEntropy(wanted, logits, undefined, 0, tf.Reduction.NONE);
    const mask = tf.cast(positive, "float32"), count = tf.sum(mask, 1);
    const chosen = tf.add(mask, hardest(tf, entropy, positive, count));
    const each = tf.sum(tf.add(tf.mul(smooth, mask), tf.mul(entropy, chosen)), 1);
    return tf.mean(tf.div(tf.mul(each, tf.cast(tf.greater(count, 0), "float32")), tf.maximum(count, 1e-6)));
  };
