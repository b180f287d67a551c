import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { grad, HardMiningCrossEntropyLoss, realize, SSDLoss, tensor } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import { predictions } from "./golden/predictions.mjs";
import { decide, evaluate, hardMiningLoss, inSingle, miningMargin } from "./reference.ts";
import { type DrawnScene, scenes } from "./scenes.ts";
import { allClose, close, type DeviceName, DEVICES, runLoss } from "./support.ts";

/** Inputs, the tolerance relative to values or to 1, and how close two cross-entropies must be for rounding to rank them. */
const SETTINGS: { [device in DeviceName]: { runs: number; tolerance: number; margin: number } } = {
  float64: { runs: 150, tolerance: 1e-10, margin: 1e-12 },
  webasm: { runs: 60, tolerance: 2e-5, margin: 1e-4 },
  cpu: { runs: 60, tolerance: 2e-5, margin: 1e-4 },
};

for (const device of DEVICES) {
  const { runs, tolerance, margin } = SETTINGS[device];
  const single = device !== "float64";

  test(`matching, mining, both parts, the total and the gradients are the reference's [${device}]`, async () => {
    await checkProperty(scenes, async (scene) => {
      const run = await runLoss(scene, device, scene.defaultBoxes);
      const seen = single ? inSingle(scene) : scene;
      const decisions = decide(seen, { single });
      const expected = evaluate(seen, decisions);
      assert.deepEqual(run.target, decisions.map((d) => d.target), "target");
      assert.deepEqual(run.label, decisions.map((d) => d.label), "label");
      assert.deepEqual(run.positive, decisions.map((d) => d.target.map((row) => row >= 0)), "positive");
      close(run.components[0], expected.smoothL1, tolerance, "smooth_l1", 1);
      close(run.components[2], run.total, tolerance, "the component Loss");
      allClose(run.gradLocations, expected.gradLocations, tolerance, "gradient of the locations", 1);
      // Where rounding decides which default box is mined, either is right.
      if (decisions.some((d, image) => miningMargin(seen, image, d) < margin)) return;
      close(run.components[1], expected.closs, tolerance, "closs", 1);
      close(run.total, expected.total, tolerance, "total", 1);
      allClose(run.gradLogits, expected.gradLogits, tolerance, "gradient of the logits", 1);
    }, { runs });
  });

  test(`hard mining cross-entropy of each image is the reference's, whatever the labels [${device}]`, async () => {
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
        if (expected.margin > margin) close(actual[image], expected.closs, tolerance, `image ${image}`, 1);
      }
    }, { runs: Math.ceil(runs / 3) });
  });
}

/** The total as a function of the predictions, and its gradient: locations, then logits. */
async function total(scene: DrawnScene, predictions: Float64Array): Promise<{ value: number; gradient: Float64Array }> {
  const { batch, numClasses, defaultBoxes: { count } } = scene;
  const locations = tensor(predictions.slice(0, batch * 4 * count), [batch, 4, count]);
  const logits = tensor(predictions.slice(batch * 4 * count), [batch, numClasses + 1, count]);
  const { loss } = new SSDLoss(scene.defaultBoxes, scene).forward([locations, logits], scene.targets);
  const gradients = grad(loss, [locations, logits]);
  const device = "float64";
  await realize([loss, ...gradients], { device });
  return {
    value: await loss.item({ device }),
    gradient: Float64Array.of(...await gradients[0].data({ device }), ...await gradients[1].data({ device })),
  };
}

test("gradients agree with central differences at fixed decisions [float64]", async () => {
  const step = 1e-6;
  let compared = 0, skipped = 0;
  const drawn = fc.tuple(scenes, fc.integer({ min: 1, max: 1e6 }));
  await checkProperty(drawn, async ([scene, seed]) => {
    const point = Float64Array.of(...Array.from(scene.locations), ...Array.from(scene.logits));
    const split = scene.locations.length;
    const decisions = decide(scene);
    const { value, gradient } = await total(scene, point);

    const check = async (direction: Float64Array): Promise<void> => {
      const moved = (by: number) => point.map((x, i) => x + by * direction[i]);
      const held = [step, -step].every((by) => {
        const there = moved(by);
        const other = { ...scene, locations: there.subarray(0, split), logits: there.subarray(split) };
        return JSON.stringify(decide(other)) === JSON.stringify(decisions);
      });
      if (!held) return void skipped++;
      compared++;
      const numeric = ((await total(scene, moved(step))).value - (await total(scene, moved(-step))).value) / (2 * step);
      const analytic = gradient.reduce((sum, g, i) => sum + g * direction[i], 0);
      close(analytic, numeric, 2e-6, "directional derivative", 1 + value / 100);
    };

    const random = predictions(seed, point.length, 2);
    await check(point.map((_, i) => random[i]));
    // The elements that matter are few: a random one of them, and a random one of all.
    const nonzero = [...gradient.keys()].filter((i) => gradient[i] !== 0);
    for (const among of [nonzero, [...gradient.keys()]]) {
      if (among.length === 0) continue;
      const element = among[seed % among.length];
      await check(point.map((_, i) => (i === element ? 1 : 0)));
    }
  }, { runs: 60 });
  assert.ok(compared > skipped, `${compared} compared, ${skipped} skipped because a decision changed`);
});
