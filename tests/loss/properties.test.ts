import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HardMiningCrossEntropyLoss, SSDLoss, type Tensor, tensor, useDevice } from "../../mod.ts";
import { checkGradients, checkProperty } from "../support/property.ts";
import { decide, evaluate, hardMiningLoss, inSingle, miningMargin } from "./reference.ts";
import { type DrawnScene, scenes } from "./scenes.ts";
import { allClose, close, devicesOfLoss, optionsOf, runLoss } from "./support.ts";

/**
 * The tolerance relative to values or to 1, and the difference of cross-entropies below which rounding may rank them.
 */
const SETTINGS = {
  double: { tolerance: 1e-10, margin: 1e-12 },
  single: { tolerance: 2e-5, margin: 1e-4 },
};

for (const { device, on, single, extent } of await devicesOfLoss()) {
  const { tolerance, margin } = single ? SETTINGS.single : SETTINGS.double;
  const runs = 20;

  test(...on("matching, mining, both parts, the total and the gradients agree with the reference"), async () => {
    await checkProperty(scenes, async (scene) => {
      const run = await runLoss(scene, device, scene.defaultBoxes);
      const seen = single ? inSingle(scene) : scene;
      const decisions = decide(seen, { single });
      const expected = evaluate(seen, decisions);
      assert.deepEqual(run.target, decisions.map((d) => d.target), "target");
      assert.deepEqual(run.label, decisions.map((d) => d.label), "label");
      assert.deepEqual(run.positive, decisions.map((d) => d.target.map((row) => row >= 0)), "positive");
      close(run.components[0], expected.smoothL1, { relative: tolerance, scale: 1 }, "smooth_l1");
      close(run.components[2], run.total, tolerance, "the component Loss");
      allClose(
        run.gradLocations,
        expected.gradLocations,
        { relative: tolerance, scale: 1 },
        "gradient of the locations",
      );
      // If rounding decides which default box is mined, either is right.
      if (decisions.some((d, image) => miningMargin(seen, image, d) < margin)) return;
      close(run.components[1], expected.closs, { relative: tolerance, scale: 1 }, "closs");
      close(run.total, expected.total, { relative: tolerance, scale: 1 }, "total");
      allClose(run.gradLogits, expected.gradLogits, { relative: tolerance, scale: 1 }, "gradient of the logits");
    }, { runs, extent });
  });

  test(...on("hard mining cross-entropy of each image agrees with the reference, whatever the labels"), async () => {
    const drawn = scenes.chain((scene) => {
      const label = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(scene.numClasses));
      const count = scene.batch * scene.boxes.length;
      return fc.tuple(fc.constant(scene), fc.array(label, { minLength: count, maxLength: count }));
    });
    await checkProperty(drawn, async ([scene, labels]) => {
      const { batch, numClasses, negPosRatio } = scene;
      const n = scene.boxes.length;
      const seen = single ? inSingle(scene) : scene;
      const closs = new HardMiningCrossEntropyLoss({ negPosRatio }).forward(
        tensor(Float64Array.from(scene.logits), [batch, numClasses + 1, n]),
        tensor(Int32Array.from(labels), [batch, n]),
      );
      assert.deepEqual(closs.shape, [batch]);
      const actual = await closs.data({ device });
      for (let image = 0; image < batch; image++) {
        const own = labels.slice(image * n, image * n + n);
        const expected = hardMiningLoss(seen, image, own, { single });
        if (expected.margin > margin) {
          close(actual[image], expected.closs, { relative: tolerance, scale: 1 }, `image ${image}`);
        }
      }
    }, { runs: Math.ceil(runs / 3), extent });
  });
}

/** Predictions as inputs of a check, their scene as its context. */
const predicted = scenes.map((scene) => {
  const { batch, numClasses, locations, logits, defaultBoxes: { count } } = scene;
  return {
    inputs: [
      { values: Float64Array.from(locations), shape: [batch, 4, count], dtype: "float" as const },
      {
        values: Float64Array.from(logits),
        shape: [batch, numClasses + 1, count],
        dtype: "float" as const,
      },
    ],
    context: scene,
  };
});

const losses = {
  SSDLoss: (locations: Tensor, logits: Tensor, scene: DrawnScene) =>
    new SSDLoss(scene.defaultBoxes, optionsOf(scene)).forward([locations, logits], scene.targets).loss,
  HardMiningCrossEntropyLoss: (_: Tensor, logits: Tensor, scene: DrawnScene) => {
    const { label } = new SSDLoss(scene.defaultBoxes, optionsOf(scene)).matchDefaultBoxes(scene.targets, scene.batch);
    return new HardMiningCrossEntropyLoss({ negPosRatio: scene.negPosRatio }).forward(logits, label);
  },
};

await useDevice("float64");

/** A check of the loss looks along every edge of a decision, which takes half a second at the first order. */
const CHECKS = { SSDLoss: { 1: 3, 2: 1 }, HardMiningCrossEntropyLoss: { 1: 2, 2: 1 } };

for (const [name, loss] of Object.entries(losses)) {
  for (const order of [1, 2] as const) {
    test(
      `derivative ${order} of ${name} agrees with differences at frozen decisions [float64]`,
      async () => {
        await checkGradients(loss, predicted, { runs: CHECKS[name as keyof typeof losses][order], order, name });
      },
    );
  }
}
