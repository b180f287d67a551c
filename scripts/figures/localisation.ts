/** The pictures of variants of localisation. */
import {
  customVjp,
  DefaultBoxes,
  div,
  elementwise,
  exp,
  type Localisation,
  mul,
  neg,
  norm,
  reshape,
  round,
  smoothL1 as smoothL1Loss,
  squeeze,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
  terms,
} from "../../mod.ts";
import { curve, spaced } from "./curves.ts";
import type { Curve, Figure } from "./draw.ts";

const differences = spaced(-3, 3, [-1, -1 / 9, -0.02, -0.01, 0.01, 0.02, 1 / 9, 1]);
const ofDifference = {
  argument: "difference of a coordinate (units of the encoding)",
  gradient: "the difference",
  unit: "",
  x: differences,
};

/** Returns the context that a term is given for boxes as cx, cy, w, h. */
function contextOf(boxes: Tensor, target: readonly number[]): Parameters<Localisation>[0] {
  const [, , count] = boxes.shape;
  const defaultBoxes = DefaultBoxes.from(Array.from({ length: count }, () => [0.5, 0.5, 0.2, 0.2]));
  const all = tensor(target.flatMap((v) => Array(count).fill(v)), [1, 4, count]);
  return {
    locations: defaultBoxes.encode(boxes),
    wanted: defaultBoxes.encode(all),
    decoded: boxes,
    boxes: all,
    positive: tensor(new Uint8Array(count).fill(1), [1, count], { dtype: "bool" }),
    defaultBoxes,
  };
}

/** The loss of predictions that are a difference away from what they should be, in one coordinate. */
function ofOneCoordinate(term: Localisation): (x: Tensor) => Tensor {
  return (x) => {
    const still = mul(x, 0);
    const locations = stack([x, still, still, still], 0);
    const context = contextOf(
      tensor([0.5, 0.5, 0.2, 0.2].flatMap((v) => Array(x.shape[0]).fill(v)), [
        1,
        4,
        x.shape[0],
      ]),
      [0.5, 0.5, 0.2, 0.2],
    );
    const losses = term({ ...context, locations: reshape(locations, [1, 4, x.shape[0]]) });
    return losses.shape.length === 3 ? squeeze(sum(losses, 1), 0) : squeeze(losses, 0);
  };
}

export async function smoothL1Beta(): Promise<Figure> {
  const at = (name: string, beta: number): Promise<Curve> =>
    curve(name, differences, ofOneCoordinate(terms.smoothL1({ beta })));
  return {
    ...ofDifference,
    name: "smooth-l1-beta",
    description: "Smooth L1 and its gradient over the difference of a coordinate, for several beta",
    curves: [await at("beta = 1, the reference", 1), await at("beta = 1/9", 1 / 9), await at("beta = 3", 3)],
  };
}

export async function balancedL1(): Promise<Figure> {
  const balancedL1 = elementwise((x, y, alpha, gamma) => {
    const [d, b] = [Math.abs(x - y), Math.expm1(gamma / alpha)];
    return d < 1 ? alpha / b * (b * d + 1) * Math.log1p(b * d) - alpha * d : gamma * d + gamma / b - alpha;
  });
  const at = (name: string, alpha: number): Promise<Curve> =>
    curve(name, differences, ofOneCoordinate(({ locations, wanted }) => balancedL1(locations, wanted, alpha, 1.5)));
  return {
    ...ofDifference,
    name: "balanced-l1",
    description: "Balanced L1 and its gradient over the difference of a coordinate",
    curves: [
      await curve("1.5 smooth L1", differences, (x) => mul(1.5, smoothL1Loss(x, 0, { reduction: "none" }))),
      await at("alpha = 0.5, the paper's", 0.5),
      await at("alpha = 0.2", 0.2),
    ],
  };
}

/** Predictions of a size that a number moves to the right, beside a target in the middle; all relative to the image. */
function moved(term: Localisation, [w, h]: readonly [number, number], target: readonly number[], unit: number) {
  return (x: Tensor): Tensor => {
    const constant = (v: number) => tensor(Array(x.shape[0]).fill(v));
    const cx = sub(target[0], mul(x, -unit));
    const boxes = reshape(stack([cx, constant(target[1]), constant(w), constant(h)], 0), [1, 4, x.shape[0]]);
    return squeeze(term(contextOf(boxes, target)), 0);
  };
}

export async function boxIou(): Promise<Figure> {
  const x = spaced(-2, 2, [-1, 0, 1]);
  const target = [0.5, 0.5, 0.2, 0.2];
  const at = (name: string, kind: "iou" | "giou" | "ciou" | "alphaIou"): Promise<Curve> =>
    curve(name, x, moved(terms.boxIou({ kind }), [0.2, 0.14], target, 0.2));
  return {
    x,
    name: "box-iou",
    argument: "offset of the centre (widths of the box)",
    gradient: "the offset (1 / width)",
    unit: "",
    description: "IoU losses and their gradients over the offset of a box that is not as high as its target",
    curves: [
      await at("1 - IoU", "iou"),
      await at("GIoU", "giou"),
      await at("CIoU", "ciou"),
      await at("alpha-IoU (alpha = 3)", "alphaIou"),
    ],
  };
}

export async function wasserstein(): Promise<Figure> {
  const x = spaced(-32, 32, [0]);
  const wasserstein: Localisation = ({ decoded, boxes }) => {
    const difference = mul(sub(decoded, boxes), [[1], [1], [0.5], [0.5]]); // of centres, and of half the sizes
    return sub(1, exp(neg(div(norm(difference, 1), 12.8 / 300))));
  };
  const at = (name: string, term: Localisation, pixels: number): Promise<Curve> => {
    const size = pixels / 300;
    return curve(name, x, moved(term, [size, size], [0.5, 0.5, size, size], 1 / 300));
  };
  const giou = terms.boxIou({ kind: "giou" });
  return {
    x,
    name: "wasserstein",
    argument: "offset of the centre (pixels of 300)",
    gradient: "the offset (1 / pixel)",
    unit: "",
    description: "GIoU and Wasserstein losses of small boxes, and their gradients, over the offset of the centre",
    curves: [
      await at("GIoU, 8 x 8 pixels", giou, 8),
      await at("Wasserstein, any size", wasserstein, 8),
      await at("GIoU, 32 x 32 pixels", giou, 32),
    ],
  };
}

export async function straightThrough(): Promise<Figure> {
  const steps = 2;
  const quantise = customVjp(
    (x: Tensor) => div(round(mul(x, steps)), steps),
    ({ cotangent }) => cotangent,
    { surrogate: true },
  );
  const x = spaced(-3, 3, Array.from({ length: 12 }, (_, k) => k / 2 - 2.75));
  const loss = (y: Tensor) => smoothL1Loss(y, 0.75, { reduction: "none" });
  return {
    x,
    name: "straight-through",
    argument: "predicted coordinate, before rounding",
    gradient: "the coordinate",
    unit: "",
    description: "Smooth L1 of a rounded coordinate, and its gradient: 0 by rounding, or passed straight through",
    curves: [
      await curve("not rounded", x, loss),
      await curve("straight through", x, (y) => loss(quantise(y))),
      await curve("rounded", x, (y) => loss(div(round(mul(y, steps)), steps))),
    ],
  };
}
