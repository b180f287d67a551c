/** Bad calls of the losses that stand alone and of the functions of boxes, exports of `mod.ts` from `loss/`. */
import * as g from "../../../mod.ts";
import { type Callable, options, type Parameter, type Row, rows, rowsOf, tensorLike } from "./rows.ts";

const { zeros } = g;
// deno-lint-ignore no-explicit-any
const any = (value: unknown) => value as any;

const boxes = [[0, 0, 1, 1], [1, 1, 3, 4]];
const lossOptions = (more: Record<string, readonly unknown[]> = {}, near: Record<string, string> = {}) =>
  options({ reduction: "sum" }, { reduction: [true, "avg", null], ...more }, { reduce: "reduction", ...near });
const exponent = [-1, NaN, "2", null, Infinity];

type Declared = readonly [fn: Callable, parameters: readonly Parameter[]];

const logits = tensorLike("logits");
const targets = tensorLike("targets", 1);

/** Each function with its parameters; a good call uses the good value of each. */
export const detectionSignatures: Record<string, Declared> = {
  iouLoss: [g.iouLoss, [
    tensorLike("a", boxes),
    tensorLike("b", boxes),
    lossOptions({ kind: ["IoU", "eIoU", 1, null], format: ["yxyx", null], alpha: [0, -1, NaN, "3"] }, {
      formats: "format",
    }),
  ]],
  sigmoidFocalLoss: [g.sigmoidFocalLoss, [
    logits,
    targets,
    lossOptions({ alpha: [2, -0.5, NaN, "0.25", null], gamma: exponent }),
  ]],
  qualityFocalLoss: [g.qualityFocalLoss, [logits, targets, lossOptions({ beta: exponent })]],
  varifocalLoss: [g.varifocalLoss, [logits, targets, lossOptions({ alpha: exponent, gamma: exponent })]],
  gaussianFocalLoss: [g.gaussianFocalLoss, [logits, targets, lossOptions({ alpha: exponent, beta: exponent })]],
  distributionFocalLoss: [g.distributionFocalLoss, [logits, tensorLike("targets", [0, 1.5]), lossOptions()]],
};

const special: Row[] = [
  ...rows(
    "iouLoss",
    ["rows of five", () => g.iouLoss(zeros([2, 5]), zeros([2, 5])), /expected a of shape \[\.\.\., 4\], got \[2, 5\]/],
    ["a number", () => g.iouLoss(boxes, 3), /expected b of shape \[\.\.\., 4\], got \[\]/],
    ["booleans", () => g.iouLoss([[true, true, true, true]], boxes), /expected a to be numbers, got .* bool/],
    [
      "2 and 3 boxes",
      () => g.iouLoss(zeros([2, 4]), zeros([3, 4])),
      /expected a and b to broadcast together, got shapes \[2, 4\] and \[3, 4\]/,
    ],
    [
      "a kind in place of options",
      () => g.iouLoss(boxes, boxes, any("giou")),
      /write iouLoss\(a, b, \{ kind: "giou" \}\)/,
    ],
  ),
  ...(["sigmoidFocalLoss", "qualityFocalLoss", "varifocalLoss", "gaussianFocalLoss"] as const).flatMap((name) =>
    rows(
      name,
      ["shapes", () =>
        g[name](zeros([2]), zeros([3])), /expected logits and targets to broadcast together, got shapes \[2\]/],
      ["booleans as logits", () =>
        g[name]([true], [1]), /expected logits to be numbers, got a tensor of dtype bool/],
      [
        "class indices",
        () =>
          g[name](zeros([3, 5]), g.tensor([[0], [3], [4]], [3, 1], { dtype: "int" })),
        /expected targets from 0 to 1, one for each logit, got the whole number 3; oneHot/,
      ],
    )
  ),
  ...rows(
    "distributionFocalLoss",
    ["one bin", () => g.distributionFocalLoss(zeros([2, 1]), zeros([2])), /with at least two bins, got \[2, 1\]/],
    ["a scalar", () => g.distributionFocalLoss(3, 1), /expected logits of shape \[\.\.\., bins\].*, got \[\]/],
    ["one target", () => g.distributionFocalLoss(zeros([2, 3]), 1), /expected targets of shape \[2\] .*, got \[\]/],
    [
      "beyond the bins",
      () => g.distributionFocalLoss(zeros([1, 3]), [2.5]),
      /expected targets from 0 to 2 \(bins - 1\), got 2.5/,
    ],
    ["NaN", () => g.distributionFocalLoss(zeros([1, 3]), [NaN]), /expected targets from 0 to 2 \(bins - 1\), got NaN/],
  ),
];

export const detectionRows: Row[] = [
  ...Object.entries(detectionSignatures).flatMap(([name, [fn, parameters]]) => rowsOf(name, fn, parameters)),
  ...special,
];
