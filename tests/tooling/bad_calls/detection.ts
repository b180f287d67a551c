/** Bad calls of the losses that stand alone and of the functions of boxes, exports of `mod.ts` from `loss/`. */
import * as g from "../../../mod.ts";
import { type Callable, options, other, type Parameter, type Row, rows, rowsOf, tensorLike } from "./rows.ts";

const { zeros } = g;
// deno-lint-ignore no-explicit-any
const any = (value: unknown) => value as any;

const boxes = [[0, 0, 1, 1], [1, 1, 3, 4]];
const lossOptions = (more: Record<string, readonly unknown[]> = {}, near: Record<string, string> = {}) =>
  options({ reduction: "sum" }, { reduction: [true, "avg", null], ...more }, { reduce: "reduction", ...near });
const exponent = [-1, NaN, "2", null, Infinity];

const format = (name: string) =>
  other(name, "cxcywh", ["undefined", undefined], ["null", null], ['"yxyx"', "yxyx"], ["{}", {}], ["1", 1]);
const codingOptions = options({ format: "cxcywh" }, {
  format: ["yxyx", null],
  scaleXy: [0, -1, NaN, "0.1"],
  scaleWh: [0, null],
});

const boxRows = other(
  "boxes",
  boxes,
  ["undefined", undefined],
  ["null", null],
  ["1", 1],
  ['"boxes"', "boxes"],
  ["{}", {}],
  ["a row with NaN", [[0, 0, 1, NaN], [0, 0, 1, 1]]],
  ['a row with "1"', [[0, 0, 1, "1"], [0, 0, 1, 1]]],
);
const perBox = (name: string, good: readonly number[]): Parameter => {
  const parameter = other(
    name,
    good,
    ["undefined", undefined],
    ["null", null],
    ["1", 1],
    ['"1, 2"', "1, 2"],
    ["{ length: 2 }", { length: 2 }],
    ["() => 1", () => 1],
  );
  const element = new RegExp(`^expected ${name}\\[1\\] to be a (whole )?number, got `);
  return {
    good,
    bad: [
      ...parameter.bad,
      ["[1, NaN]", [1, NaN], element],
      ['[1, "2"]', [1, "2"], element],
      ["[1]", [1], new RegExp(`^expected ${name} to have a number for each of the 2 boxes, got 1`)],
      ["zeros([2, 1])", zeros([2, 1]), new RegExp(`^expected ${name} of shape \\[2\\], got \\[2, 1\\]`)],
    ],
  };
};
const share = other("iouThreshold", 0.5, ["undefined", undefined], ["null", null], ["2", 2], ["NaN", NaN], [
  '"0.5"',
  "0.5",
]);

type Declared = readonly [fn: Callable, parameters: readonly Parameter[]];

const logits = tensorLike("logits");
const targets = tensorLike("targets", 1);

const three = g.DefaultBoxes.from([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.5, 0.5, 1, 1]]);
const found = [{ boxes, scores: [0.5, 0.75], labels: [0, 1] }];
const truths = [{ boxes, labels: [0, 1] }];
const evaluate = (more: object, objects: object = {}) =>
  any(g.meanAveragePrecision)([{ ...found[0], ...more }], [{ ...truths[0], ...objects }]);

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
  convertBoxes: [g.convertBoxes, [tensorLike("boxes", boxes), format("from"), format("to")]],
  encode: [g.encode, [tensorLike("boxes", boxes), tensorLike("anchors", boxes), codingOptions]],
  decode: [g.decode, [tensorLike("locations", boxes), tensorLike("anchors", boxes), codingOptions]],
  nms: [g.nms, [boxRows, perBox("scores", [0.5, 0.75]), share]],
  batchedNms: [g.batchedNms, [boxRows, perBox("scores", [0.5, 0.75]), perBox("classes", [0, 1]), share]],
  detect: [g.detect, [
    other(
      "predictions",
      [zeros([1, 4, 3]), zeros([1, 3, 3])],
      ["undefined", undefined],
      ["null", null],
      ["1", 1],
      ["a tensor", zeros([1, 4, 3])],
      ["one tensor", [zeros([1, 4, 3])]],
      ["arrays", [[[0]], [[0]]]],
    ),
    other("defaultBoxes", three, ["undefined", undefined], ["null", null], ["a tensor", zeros([3, 4])], ["{}", {}]),
    options({ perImage: 2 }, {
      scoreThreshold: [-1, 2, NaN, "0.5"],
      iouThreshold: [2, null],
      perClass: [0, 1.5],
      perImage: [0, "3"],
      clip: [1],
      device: ["gpu", null],
    }, { devices: "device" }),
  ]],
  padTargets: [g.padTargets, [
    other(
      "targets",
      [[0, 1, 0.5, 0.5, 0.4, 0.3]],
      ["undefined", undefined],
      ["null", null],
      ["1", 1],
      ["{}", {}],
    ),
    options({ batch: 1 }, { batch: [0, 1.5, "1", null], classes: [0, -1, "3"], slots: [0, 2.5, 1e9] }),
  ]],
  meanAveragePrecision: [g.meanAveragePrecision, [
    other("detections", found, ["undefined", undefined], ["null", null], ["1", 1], ["{}", {}], [
      "a tensor",
      zeros([1]),
    ]),
    other("truths", truths, ["undefined", undefined], ["null", null], ["1", 1], ["{}", {}]),
    options({ definition: "voc" }, {
      thresholds: [0.5, [2], ["0.5"], null],
      definition: ["VOC", 1],
      format: ["yxyx"],
      inclusive: [1],
      imageSize: [640, [640], [640, 0]],
    }, { threshold: "thresholds" }),
  ]],
  dice: [g.dice, [
    tensorLike("probabilities"),
    targets,
    lossOptions({ axis: ["0", 0.5, null, [0.5]], smooth: exponent, squared: [1, null] }, { axes: "axis" }),
  ]],
  tversky: [g.tversky, [
    tensorLike("probabilities"),
    targets,
    lossOptions({ axis: ["0", null], alpha: exponent, beta: exponent, smooth: exponent }),
  ]],
  lovaszHinge: [g.lovaszHinge, [logits, targets, lossOptions({ axis: ["0", null] })]],
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
      "alpha of another kind",
      () => g.iouLoss(boxes, boxes, { kind: "giou", alpha: 2 }),
      /expected alpha with the kind "alphaIou" only/,
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
  ...(["dice", "tversky", "lovaszHinge"] as const).flatMap((name) =>
    rows(
      name,
      ["shapes", () =>
        g[name](zeros([2]), zeros([3])), /expected .* and targets to broadcast together, got shapes \[2\]/],
      ["no axis", () =>
        g[name](zeros([2, 3]), 0, { axis: 2 }), /expected an axis of shape \[2, 3\], got 2/],
      ["an axis twice", () =>
        g[name](zeros([2, 3]), 0, { axis: [1, -1] }), /expected each axis once, got \[1, -1\]/],
    )
  ),
  ...(["encode", "decode"] as const).flatMap((name) =>
    rows(
      name,
      ["rows of five", () => g[name](boxes, zeros([2, 5])), /expected anchors of shape \[\.\.\., 4\], got \[2, 5\]/],
      [
        "2 and 3 boxes",
        () => g[name](zeros([2, 4]), zeros([3, 4])),
        /expected .* and anchors to broadcast together, got shapes \[2, 4\] and \[3, 4\]/,
      ],
    )
  ),
  ...rows(
    "nms",
    ["rows of five", () => g.nms(zeros([2, 5]), [1, 2], 0.5), /expected boxes of shape \[n, 4\], got \[2, 5\]/],
    [
      "rows of three",
      () => g.nms([[0, 0, 1]], [1], 0.5),
      /expected boxes to have 4 numbers in each row, got 3 in row 0/,
    ],
  ),
  ...rows("batchedNms", [
    "half a class",
    () => g.batchedNms(boxes, [1, 2], [0, 0.5], 0.5),
    /expected classes\[1\] to be a whole number, got 0.5/,
  ]),
  ...rows(
    "padTargets",
    ["padded targets", () => g.padTargets(zeros([1, 6, 1])), /expected targets of shape \[n, 6\], got \[1, 6, 1\]/],
    ["one row", () => any(g.padTargets)([0, 1, 0.5, 0.5, 0.4, 0.3]), /expected targets to have 6 numbers in each row/],
  ),
  ...rows(
    "detect",
    [
      "another number of boxes",
      () => g.detect([zeros([1, 4, 2]), zeros([1, 3, 2])], three),
      /expected axis 2 of locations to be 3, the number of default boxes, got 2 in shape \[1, 4, 2\]/,
    ],
    [
      "swapped",
      () => g.detect([zeros([1, 3, 3]), zeros([1, 4, 3])], three),
      /are the predictions \[logits, locations\]\?/,
    ],
  ),
  ...rows(
    "meanAveragePrecision",
    ["null as an image", () => any(g.meanAveragePrecision)([null], truths), /expected detections\[0\] to be { boxes/],
    ["null as truths", () => any(g.meanAveragePrecision)(found, [null]), /expected truths\[0\] to be { boxes/],
    ["no truths", () => g.meanAveragePrecision(found, []), /expected truths for each of the 1 images, got 0/],
    [
      "no scores",
      () => evaluate({ scores: undefined }),
      /expected detections\[0\]\.scores to be a tensor, .*, got undefined/,
    ],
    [
      "a score",
      () => evaluate({ scores: [1] }),
      /expected detections\[0\]\.scores to have a number for each of the 2 boxes, got 1/,
    ],
    [
      "NaN as score",
      () => evaluate({ scores: [1, NaN] }),
      /expected detections\[0\]\.scores\[1\] to be a number, got NaN/,
    ],
    [
      "half a label",
      () => evaluate({}, { labels: [0, 0.5] }),
      /expected truths\[0\]\.labels\[1\] to be a whole number, got 0\.5/,
    ],
    [
      "NaN as corner",
      () => evaluate({ boxes: [[0, 0, 1, NaN]] }),
      /expected detections\[0\]\.boxes to be numbers, got NaN in row 0/,
    ],
    [
      "crowd",
      () => evaluate({}, { crowd: [true] }),
      /expected truths\[0\]\.crowd to have a number for each of the 2 objects, got 1/,
    ],
    [
      "rows of another image",
      () => g.meanAveragePrecision(found, [[1, 0, 0.5, 0.5, 1, 1]]),
      /from 0 to 0, got 1 in row 0/,
    ],
    [
      "rows of five",
      () => g.meanAveragePrecision(found, [[0, 0, 0.5, 0.5, 1]]),
      /expected truths to have 6 numbers in each row/,
    ],
  ),
  ...rows(
    "convertBoxes",
    ["rows of five", () => g.convertBoxes(zeros([2, 5]), "xyxy", "xyxy"), /expected boxes of shape \[\.\.\., 4\], got/],
    ["booleans", () => g.convertBoxes([true, true, true, true], "xyxy", "xywh"), /expected boxes to be numbers/],
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
