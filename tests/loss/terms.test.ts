// Variants of the SSD loss: every switch against plain loops, their gradients, and parts that users write.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  abs,
  arange,
  argmin,
  type Classification,
  DefaultBoxes,
  equal,
  grad,
  greater,
  hold,
  iouLoss,
  logicalNot,
  type Matching,
  mul,
  oneHot,
  qualityFocalLoss,
  slice,
  square,
  SSDLoss,
  type SSDLossOptions,
  sub,
  sum,
  type Tensor,
  tensor,
  terms,
  transpose,
  unsqueeze,
  useDevice,
  where,
  zeros,
} from "../../mod.ts";
import { assertGradients } from "../../verify/mod.ts";
import { checkProperty } from "../support/property.ts";
import { predictions } from "./golden/predictions.mjs";
import type { Scene } from "./reference.ts";
import { type DrawnScene, scenes } from "./scenes.ts";
import { close, devicesOfLoss } from "./support.ts";
import { lossOf, optionsOf, targetWeight, type Variant, variants } from "./variants.ts";

const tensorsOf = ({ batch, numClasses, boxes, locations, logits }: Scene) =>
  [
    tensor(Float64Array.from(locations), [batch, 4, boxes.length]),
    tensor(Float64Array.from(logits), [batch, numClasses + 1, boxes.length]),
  ] as const;

/** The loss of a variant, as a tensor. */
function lossFor(variant: Variant, scene: DrawnScene, predicted: readonly [Tensor, Tensor]): Tensor {
  const criterion = new SSDLoss(scene.defaultBoxes, optionsOf(variant, scene));
  const targetWeights = variant.targetWeights ? scene.targets.map((_, row) => targetWeight(row)) : undefined;
  return criterion.forward(predicted, scene.targets, { targetWeights }).loss;
}

for (const { device, on, extent, single } of await devicesOfLoss()) {
  // In float32, rounding decides which of two overlaps or losses is larger.
  if (single) continue;
  test(...on("every combination of switches agrees with plain loops"), async () => {
    await useDevice(device);
    await checkProperty(fc.tuple(variants, scenes), async ([variant, scene]) => {
      const loss = await lossFor(variant, scene, tensorsOf(scene)).item({ device });
      close(loss, lossOf(variant, scene), { relative: 1e-9, scale: 1e-6 }, "the loss");
    }, { runs: 30, extent });
  });
}

test("gradients of variants are right [float64]", async () => {
  const boxes = DefaultBoxes.from([[0.25, 0.5, 0.5, 1], [0.75, 0.5, 0.25, 0.5], [0.7, 0.45, 0.3, 0.4], [
    0.5,
    0.5,
    0.9,
    0.9,
  ]]);
  const targets = [[0, 1, 0.3, 0.5, 0.5, 0.8], [0, 0, 0.7, 0.5, 0.25, 0.5], [1, 1, 0.5, 0.55, 0.8, 0.8]];
  const inputs = [tensor(predictions(3, 2 * 4 * 4, 2), [2, 4, 4]), tensor(predictions(4, 2 * 3 * 4, 4), [2, 3, 4])];
  const options: SSDLossOptions[] = [
    { localisation: terms.boxIou({ kind: "ciou" }), classification: terms.focal(), mining: terms.allNegatives() },
    {
      matching: terms.bipartite(),
      classification: terms.focal({ activation: "sigmoid" }),
      normaliser: "batchPositives",
    },
    { matching: terms.bestOverlap({ ignoreFrom: 0.2 }), classification: terms.crossEntropy({ labelSmoothing: 0.1 }) },
  ];
  for (const own of options) {
    const criterion = new SSDLoss(boxes, own);
    const f = (locations: Tensor, logits: Tensor) => criterion.forward([locations, logits], targets).loss;
    await assertGradients(f, inputs, { order: 2, device: "float64" });
  }
});

const boxes = DefaultBoxes.from([[0.3, 0.3, 0.4, 0.4], [0.7, 0.7, 0.4, 0.4], [0.7, 0.3, 0.2, 0.2]]);
const targets = [[0, 0, 0.3, 0.3, 0.4, 0.4]];
const locations = tensor(predictions(1, 12, 2), [1, 4, 3]);
const logits = tensor(predictions(2, 6, 2), [1, 2, 3]);

test("parts can be functions of one's own, and components have their names", async () => {
  const criterion = new SSDLoss(boxes, {
    matching: ({ iou }) => ({ target: zeros([1, 3], { dtype: "int" }), positive: greater(sum(iou, 1), 0.9) }),
    localisation: function manhattan({ locations, wanted }) {
      return abs(sub(locations, wanted));
    },
    classification: ({ logits, label }) => sum(square(mul(logits, label)), 1),
    mining: ({ positive }) => logicalNot(positive),
    normaliser: ({ losses, positives }) => mul(sum(losses), sum(positives)),
    weights: { classification: 0 },
  });
  assert.deepEqual(criterion.componentNames, ["manhattan", "classification", "Loss"]);
  const { loss, components } = criterion.forward([locations, logits], targets);
  const expected = [0, 1, 2, 3].reduce((total, k) => total + Math.abs(locations.value![3 * k]), 0);
  close(await loss.item({ device: "float64" }), expected, 1e-6, "the loss");
  close((await components.data({ device: "float64" }))[0], expected, 1e-6, "the component");
  assert.deepEqual(new SSDLoss(boxes, { localisation: terms.boxIou() }).componentNames, ["giou", "closs", "Loss"]);
});

test("classification can depend on how well a box is located, and matching on more than the overlap", async () => {
  // Li et al., arXiv:2006.04388: the target of the true class is the IoU of the predicted box.
  const quality: Classification = ({ logits, label, positive, decoded, boxes }) => {
    const last = (t: Tensor) => transpose(t, [0, 2, 1]);
    const iou = sub(1, iouLoss(last(decoded), last(boxes), { format: "cxcywh", reduction: "none" }));
    const wanted = mul(last(oneHot(label, 2)), unsqueeze(where(positive, hold(iou), 0), 1));
    return sum(slice(qualityFocalLoss(logits, wanted, { reduction: "none" }), [null, [1, 2]]), 1);
  };
  // The default box whose centre is nearest.
  const nearest: Matching = ({ boxes, defaultBoxes }) => {
    const offset = sub(
      unsqueeze(slice(boxes, [null, [0, 2]]), 3),
      unsqueeze(slice(defaultBoxes.components, [[0, 2]]), 1),
    );
    const best = argmin(sum(square(offset), 1), 2); // [batch, g]
    return { target: zeros([1, 3], { dtype: "int" }), positive: equal(best, arange(3)) };
  };
  const criterion = new SSDLoss(boxes, { classification: quality, matching: nearest, mining: terms.allNegatives() });
  const { positive } = criterion.matchDefaultBoxes([[0, 0, 0.68, 0.32, 0.1, 0.1]]);
  assert.deepEqual(await positive.toArray({ device: "float64" }), [[false, false, true]]);
  const f = (l: Tensor, c: Tensor) => criterion.forward([l, c], targets).loss;
  await assertGradients(f, [locations, logits], { device: "float64" });
});

test("what is not matched cannot make a variant NaN", async () => {
  const spoiled = tensor([...locations.value!].map((x, i) => (i % 3 === 0 ? x : NaN)), [1, 4, 3]);
  for (
    const localisation of [
      terms.boxIou({ kind: "siou" }),
      terms.smoothL1(),
      ({ locations }: { locations: Tensor }) => square(locations),
    ]
  ) {
    const { loss } = new SSDLoss(boxes, { localisation }).forward([spoiled, logits], targets);
    const slope = grad(loss, spoiled);
    assert.ok(Number.isFinite(await loss.item({ device: "float64" })));
    assert.ok([...await slope.data({ device: "float64" })].every(Number.isFinite));
  }
});

test("the defaults are the reference's parts", async () => {
  const device = "float64";
  const plain = new SSDLoss(boxes, { alpha: 0.5, iouThreshold: 0.25, negPosRatio: 1 });
  const composed = new SSDLoss(boxes, {
    matching: terms.bestOverlap({ threshold: 0.25 }),
    localisation: terms.smoothL1({ beta: 1 }),
    classification: terms.crossEntropy(),
    mining: terms.hardest({ ratio: 1 }),
    normaliser: "imagePositives",
    withoutPositives: "nothing",
    weights: { localisation: 1.5, classification: 0.5 },
  });
  const [a, b] = [plain, composed].map((c) => c.forward([locations, logits], targets).loss);
  assert.equal(await a.item({ device }), await b.item({ device }));
});

test("parts that return something else, and options that say the same, are refused", () => {
  const run = (options: object, ...more: object[]) => () =>
    new SSDLoss(boxes, options as SSDLossOptions).forward([locations, logits], targets, ...more);
  const says: [() => unknown, RegExp][] = [
    [
      run({ iouThreshold: 0.5, matching: terms.bipartite() }),
      /^Error: SSDLoss: expected iouThreshold or matching, got both/,
    ],
    [run({ negPosRatio: 3, mining: terms.allNegatives() }), /expected negPosRatio or mining, got both/],
    [run({ alpha: 1, weights: {} }), /expected alpha or weights, got both/],
    [
      run({ localisation: "giou" }),
      /expected localisation to be a function, as terms\.smoothL1\(\) returns, got "giou"/,
    ],
    [run({ normaliser: "mean" }), /expected normaliser to be "imagePositives", .* or a function, got "mean"/],
    [run({ weights: { location: 1 } }), /expected weights to be \{ localisation, classification \}/],
    [
      run({ localisation: () => 1 }),
      /SSDLoss.forward: expected localisation to return a tensor of dtype float and shape \[1, 4, 3\] or \[1, 3\], got 1/,
    ],
    [run({ localisation: ({ locations }: { locations: Tensor }) => sum(locations) }), /got float \[\]/],
    [
      run({ classification: ({ label }: { label: Tensor }) => label }),
      /expected classification to return .* float .*, got int/,
    ],
    [
      run({ mining: ({ losses }: { losses: Tensor }) => losses }),
      /expected mining to return a tensor of dtype bool .* got float/,
    ],
    [
      run({ normaliser: ({ losses }: { losses: Tensor }) => losses }),
      /expected normaliser to return .* shape \[\], got float \[1\]/,
    ],
    [run({ matching: () => null }), /expected matching to return \{ target, positive \}, got null/],
    [run({ matching: () => ({ target: logits }) }), /expected matching, as target, to return .* int/],
    [run({}, { targetWeights: [1, 2] }), /expected targetWeights to have one number for each of 1 rows, got 2/],
    [run({}, { targetWeights: [-1] }), /expected targetWeights to be an array of finite numbers from 0/],
    [
      () => terms.bestOverlap({ threshold: 0.3, ignoreFrom: 0.4 }),
      /expected ignoreFrom to be at most the threshold, 0.3, got 0.4/,
    ],
    [() => terms.focal({ alpha: 2 }), /^Error: terms\.focal: expected alpha to be a number from 0 to 1, or -1, got 2/],
    [() => terms.hardest({ scope: "all" as "image" }), /expected scope to be "image" or "batch", got "all"/],
    [() => terms.smoothL1({ beta: -1 }), /expected beta to be/],
    [() => terms.boxIou({ kind: "piou" as "iou" }), /expected kind to be/],
    [
      () => terms.boxIou({ kind: "giou", alpha: 2 }),
      /^Error: terms\.boxIou: expected alpha with the kind "alphaIou" only, got it with "giou"$/,
    ],
    [() => terms.crossEntropy({ labelSmoothing: 2 }), /expected labelSmoothing to be a number from 0 to 1, got 2/],
    [() => terms.bipartite({ threshold: 2 }), /expected threshold to be a number from 0 to 1 or null, got 2/],
    [() => (terms.allNegatives as (x: number) => void)(1), /expected no arguments/],
  ];
  for (const [call, message] of says) assert.throws(call, message);
});
