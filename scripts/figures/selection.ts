/** The pictures of variants of matching and mining: of losses in which one number moves and what is selected changes. */
import { DefaultBoxes, grad, slice, SSDLoss, type SSDLossOptions, tensor, terms, zeros } from "../../mod.ts";
import { curveByPoint, type Point, spaced } from "./curves.ts";
import type { Curve, Figure } from "./draw.ts";

/** The loss of logits of one class, `[images][boxes]`, that of the background being 0, and its derivative with respect to one of them. */
function byLogit(
  criterion: SSDLoss,
  scores: readonly (readonly number[])[],
  targets: readonly (readonly number[])[],
  [image, box]: readonly [number, number],
): Point {
  const logits = tensor(scores.map((row) => [row.map(() => 0), [...row]]));
  const { loss } = criterion.forward([zeros([scores.length, 4, scores[0].length]), logits], targets);
  return { loss, slope: slice(grad(loss, logits), [image, 1, box]) };
}

/** An image with one object, and one without, whose first default box is more and more mistaken for an object. */
export async function mining(): Promise<Figure> {
  const x = spaced(-5, 4, [-3, -2], 37);
  const row = Array.from({ length: 8 }, (_, i) => [(i + 0.5) / 8, 0.5, 1 / 8, 1 / 8]);
  const at = (name: string, options: SSDLossOptions): Promise<Curve> => {
    const criterion = new SSDLoss(DefaultBoxes.from(row), { normaliser: "batchPositives", ...options });
    const withObject = [2, -1, -1.5, -2, -2.5, -3, -3.5, -4];
    return curveByPoint(name, x, (score) => {
      const without = [score, -2, -3, -3, -3, -3, -3, -3];
      return byLogit(criterion, [withObject, without], [[0, 0, ...row[0]]], [1, 0]);
    });
  };
  const withoutPositives = "negatives";
  return {
    x,
    name: "mining",
    argument: "logit of an object, in an image without any (nats)",
    gradient: "that logit",
    unit: "nats",
    description: "The loss and its gradient over the logit of a default box in an image without objects",
    curves: [
      await at("reference", {}),
      await at("minimum 2", { mining: terms.hardest({ minimum: 2 }), withoutPositives }),
      await at("batch-wide", { mining: terms.hardest({ scope: "batch" }), withoutPositives }),
      await at("all negatives", { mining: terms.allNegatives(), withoutPositives }),
    ],
  };
}

/** Default boxes without an object, so many that mining never needs a positive, and logits that are right. */
const elsewhere = Array.from({ length: 8 }, (_, i) => [(i + 0.5) / 8, 0.95, 0.05, 0.05]);
const easy = elsewhere.map(() => -20);

/** A default box that overlaps its target more and more. Another one is the target's own. */
export async function ignoreBand(): Promise<Figure> {
  const target = [0.4, 0.5, 0.3, 0.3];
  // The IoU of two equal boxes that are d widths apart is (1 - d) / (1 + d).
  const x = spaced(0.2, 0.8, [0.4, 0.5], 13);
  const boxAt = (iou: number) => [0.4 + 0.3 * (1 - iou) / (1 + iou), 0.5, 0.3, 0.3];
  const at = (name: string, options: SSDLossOptions): Promise<Curve> =>
    curveByPoint(name, x, (iou) => {
      const boxes = DefaultBoxes.from([target, boxAt(iou), ...elsewhere]);
      const criterion = new SSDLoss(boxes, { weights: { localisation: 0 }, normaliser: "none", ...options });
      return byLogit(criterion, [[20, -1, ...easy]], [[0, 0, ...target]], [0, 1]);
    });
  return {
    x,
    name: "ignore-band",
    argument: "IoU of the default box with the object",
    gradient: "its logit",
    unit: "nats",
    description: "The loss of classification of a default box, and its gradient, over the IoU with the object",
    curves: [
      await at("reference: above 0.5", {}),
      await at("0.4 to 0.5 ignored", { matching: terms.bestOverlap({ threshold: 0.5, ignoreFrom: 0.4 }) }),
    ],
  };
}

/** An object that approaches another one until both overlap the same default box most. */
export async function bipartite(): Promise<Figure> {
  const x = spaced(0.35, 0.65, [0.5], 13);
  const boxes = DefaultBoxes.from([[0.3, 0.5, 0.3, 0.3], [0.7, 0.5, 0.3, 0.3], ...elsewhere]);
  const at = (name: string, options: SSDLossOptions): Promise<Curve> => {
    const criterion = new SSDLoss(boxes, { weights: { localisation: 0 }, normaliser: "none", ...options });
    return curveByPoint(
      name,
      x,
      (cx) => byLogit(criterion, [[1, -1, ...easy]], [[0, 0, 0.32, 0.5, 0.3, 0.3], [0, 0, cx, 0.5, 0.3, 0.3]], [0, 1]),
    );
  };
  return {
    x,
    name: "bipartite",
    argument: "centre of the second object (widths of the image)",
    gradient: "the second box's logit",
    unit: "nats",
    description: "The loss of classification of two default boxes, and its gradient, over the place of an object",
    curves: [await at("reference", {}), await at("bipartite", { matching: terms.bipartite({ threshold: 0.5 }) })],
  };
}
