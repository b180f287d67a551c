/** The training of `examples/digits`: that it can be interrupted, and the gradients of its network. Under Node, which it is written for. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type * as TF from "@tensorflow/tfjs";
import { skip } from "../support/skip.ts";

const elsewhere = "Deno" in globalThis || "Bun" in globalThis ? "an example for Node" : undefined;
const load = async () => ({
  ...await import("../../examples/digits/checkpoint.ts"),
  ...await import("../../examples/digits/network.ts"),
  ...await import("../../examples/digits/scenes.ts"),
  ...await import("../../examples/digits/train.ts"),
});

/** As small as can be: two scenes in a step, and few channels. */
const SMALL = {
  seed: 3,
  steps: 5,
  batch: 2,
  rate: 1e-2,
  blocks: [[2], [3], [3], [4, 4], [4]],
  tests: 2,
  testScenes: 3,
  device: "float64",
} as const;

test(...skip("a training that was interrupted ends with the numbers of one that was not", elsewhere), async () => {
  const { readCheckpoint, startNetwork, Training, writeCheckpoint } = await load();
  await startNetwork();
  const folder = mkdtempSync(join(tmpdir(), "digits-"));
  try {
    const file = join(folder, "reference.json");
    const origin = { variant: "reference", settings: SMALL };
    assert.equal(readCheckpoint(file, origin), undefined);

    const whole = new Training("reference", SMALL);
    while (!whole.done) await whole.step();
    const begun = new Training("reference", SMALL);
    for (let i = 0; i < 3; i++) {
      await begun.step();
      writeCheckpoint(file, origin, await begun.snapshot());
    }
    const rest = new Training("reference", SMALL, readCheckpoint(file, origin));
    assert.equal(rest.progress.step, 3);
    while (!rest.done) await rest.step();

    const { progress: { seconds: _, ...expected }, ...after } = await whole.snapshot();
    const { progress: { seconds: __, ...actual }, ...resumed } = await rest.snapshot();
    assert.deepEqual(actual, expected);
    assert.deepEqual(resumed, after);
    assert.deepEqual(expected.tests.map(({ step }) => step), [3, 5]);
    assert.notDeepEqual(expected.losses[4], expected.losses[3]);

    assert.deepEqual(readdirSync(folder), ["reference.json"], "nothing temporary should be left");
    const other = { ...origin, settings: { ...SMALL, seed: 4 } };
    assert.throws(() => readCheckpoint(file, other), /is of another training: .*--fresh/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test(
  ...skip("the gradients of a convolution are those of a function that is linear in each argument", elsewhere),
  async () => {
    const { convolve, startNetwork } = await load();
    await startNetwork();
    const tf = createRequire(import.meta.url)("@tensorflow/tfjs") as typeof TF;
    const [shape, filters] = [[2, 5, 7, 3], [3, 3, 3, 4]] as const;
    const draw = (shape: readonly number[], seed: number) =>
      tf.randomNormal(shape as [number, number, number, number], 0, 1, "float32", seed) as TF.Tensor4D;
    const [x, w, factors] = [draw(shape, 1), draw(filters, 2), draw([2, 5, 7, 4], 3)];
    const dot = (a: TF.Tensor, b: TF.Tensor) => tf.sum(tf.mul(a, b)).dataSync()[0];
    const value = (x: TF.Tensor4D, w: TF.Tensor4D) => dot(convolve(x, w), factors);
    const [dx, dw] = tf.grads((x, w) => convolve(x as TF.Tensor4D, w as TF.Tensor4D))([x, w], factors);
    const close = (actual: number, expected: number) =>
      assert.ok(Math.abs(actual - expected) < 1e-3, `${actual}, not ${expected}`);
    for (let seed = 4; seed < 10; seed++) {
      const [byX, byW] = [draw(shape, seed), draw(filters, seed + 10)];
      close(dot(dx, byX), value(byX, w));
      close(dot(dw, byW), value(x, byW));
    }
  },
);

test(
  ...skip("the network's gradients are those of its predictions, for each array of the weights", elsewhere),
  async () => {
    const { Network, PARTS, Scenes, startNetwork } = await load();
    await startNetwork();
    const network = new Network(SMALL.blocks);
    const scenes = new Scenes(5).many("training", 0, 2);
    const weights = network.initialWeights(7);
    const size = scenes.length * PARTS * network.defaultBoxes.count;
    const factors = Float32Array.from({ length: size }, (_, i) => Math.sin(3 * i));
    const value = (all: readonly Float32Array[]) =>
      network.predict(all, scenes).reduce((sum, prediction, i) => sum + prediction * factors[i], 0);
    const gradients = network.gradients(weights, scenes, factors);
    for (const [k, gradient] of gradients.entries()) {
      // Along the gradient itself, its norm is the slope, but for the kinks that are passed.
      const norm = Math.hypot(...gradient);
      const moved = (by: number) => weights.map((w, i) => (i === k ? w.map((v, j) => v + by * gradient[j] / norm) : w));
      const step = 1e-4;
      const slope = (value(moved(step)) - value(moved(-step))) / (2 * step);
      assert.ok(Math.abs(slope - norm) <= 0.05 * norm, `array ${k}: slope ${slope}, norm of the gradient ${norm}`);
    }
  },
);

test(...skip("scenes are the same each time, and tests show no digit that was trained with", elsewhere), async () => {
  const { Scenes, SIDE } = await load();
  const [a, b] = [new Scenes(1), new Scenes(1)];
  b.many("training", 0, 3);
  assert.deepEqual(a.at("training", 5), b.at("training", 5), "a scene depends on its number alone");
  assert.notDeepEqual(a.at("training", 5), a.at("test", 5));
  assert.notDeepEqual(a.at("training", 5), new Scenes(2).at("training", 5));
  for (const { pixels, truths } of a.many("test", 0, 20)) {
    assert.ok(truths.length > 0);
    for (const { box: [cx, cy, w, h] } of truths) {
      const [x1, y1, x2, y2] = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2].map((v) => v * SIDE);
      assert.ok(x1 >= 0 && y1 >= 0 && x2 <= SIDE && y2 <= SIDE);
      const inside = pixels.filter((_, i) => {
        const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
        return x >= x1 && x < x2 && y >= y1 && y < y2;
      });
      assert.ok(Math.max(...inside) > 0.4, "a box has ink in it");
    }
  }
});
