import assert from "node:assert/strict";
import { test } from "node:test";
import { DefaultBoxes, grad, inspect, SSDLoss, type Tensor, tensor, useDevice } from "../../mod.ts";
import { backendNamed } from "../../core/backends/list.ts";
import { bring } from "../support/bring.ts";
import { runtime } from "../../core/runtime.ts";
import { isSampled } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { largestOf } from "../ops/compare.ts";
import { predictions } from "./golden/predictions.mjs";
import { devicesOfLoss } from "./support.ts";

const ssd300 = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
const tiny = new DefaultBoxes({ figSize: 300, featSizes: [3, 1], scales: [90, 200, 280], aspectRatios: [[2], [2]] });

/** Predictions that were drawn before: batches have millions, which most tests only plan with. */
const drawn = new Map<string, Float32Array>();

function predicted(seed: number, shape: readonly number[], scale: number): Tensor {
  const key = `${seed} ${shape} ${scale}`;
  let values = drawn.get(key);
  if (!values) drawn.set(key, values = predictions(seed, shape.reduce((a, b) => a * b, 1), scale));
  return tensor(values, [...shape], { copy: false });
}

/** Loss, components and both gradients for a given number of targets in each image. */
function record(
  boxes: DefaultBoxes,
  { batch, numClasses, each, seed = 1 }: { batch: number; numClasses: number; each: number; seed?: number },
): Tensor[] {
  const n = boxes.count;
  const locations = predicted(seed, [batch, 4, n], 2);
  const logits = predicted(seed + 1, [batch, numClasses + 1, n], 6);
  const place = predictions(seed + 2, batch * each * 2, 0.8);
  const targets = Array.from({ length: batch * each }, (_, i) => {
    return [Math.floor(i / each), i % numClasses, 0.5 + place[2 * i], 0.5 + place[2 * i + 1], 0.3, 0.2];
  });
  const { loss, components } = new SSDLoss(boxes).forward([locations, logits], targets);
  return [loss, components, ...grad(loss, [locations, logits])];
}

/** Loss, components and both gradients of a batch of SSD300, on cpu, which decides in float32, unlike the oracle. */
async function ofReference(batch: number): Promise<ArrayLike<number>[]> {
  const results = record(ssd300, { batch, numClasses: 80, each: 8 });
  await bring(results, { device: "cpu" });
  return results.map((t) => t.value!.slice());
}

/** The expected values, by the size of the batch. */
const references = new Map<number, Promise<ArrayLike<number>[]>>();

for (const { device, on, gpu, extent } of await devicesUnderTest()) {
  if (gpu || device === "webasm" || device === "wasm") {
    // A plan of so many boxes takes the software drivers that stand in for GPUs seconds to compile.
    const why = gpu && runtime() !== "node" && isSampled(extent)
      ? "golden values have a plan of as many boxes"
      : undefined;
    const batch = isSampled(extent) && extent !== "some" ? 2 : 8;
    test(...on(`a batch of ${batch} images of SSD300 fits, and agrees with cpu`, why), async () => {
      const results = record(ssd300, { batch, numClasses: 80, each: 8 });
      await bring(results, { device });
      if (!references.has(batch)) references.set(batch, ofReference(batch));
      (await references.get(batch)!).forEach((expected, i) => {
        const value = results[i].value!;
        const allowed = 2e-5 * largestOf(expected);
        for (let k = 0; k < expected.length; k++) {
          if (Math.abs(value[k] - expected[k]) <= allowed) continue;
          assert.fail(`result ${i}: element ${k} is ${value[k]}, expected ${expected[k]}`);
        }
      });
      await (await useDevice(device)).dispose();
      await useDevice("auto");
    });
  }

  test(...on("the loss and both gradients form one plan of few kernels, within the limits of the device"), async () => {
    for (const [boxes, batch, classes, each] of [[ssd300, 8, 80, 8], [ssd300, 2, 20, 40], [tiny, 1, 1, 1]] as const) {
      const { steps } = await inspect(record(boxes, { batch, numClasses: classes, each }), { device });
      const shown = steps.map((s) => `${s.name} [${s.shape}] of ${s.args.length}`).join("\n");
      // GPUs have threads for long counts in two stages. The README has these numbers.
      const most = device === "wasm" || device === "float64" ? 26 : gpu ? 34 : 30;
      assert.ok(steps.length <= most, `${steps.length} kernels\n${shown}`);
      for (const step of steps) {
        assert.ok(
          step.args.length <= backendNamed(device).limits.arguments,
          `${step.name} has ${step.args.length} arguments\n${step.source}`,
        );
        assert.ok(step.iterations <= 65535, `${step.name} loops ${step.iterations} times\n${step.source}`);
      }
    }
  });
}

for (const { device, on, gpu, extent } of await devicesOfLoss()) {
  // Which plans are the same is decided before any is compiled, which takes GPUs seconds.
  const why = gpu && isSampled(extent) ? "decided on the host; npm run sweep tries it" : undefined;
  test(...on("other values, and other numbers of targets up to a power of two, compile nothing", why), async () => {
    const used = await useDevice(device);
    await bring(record(tiny, { batch: 2, numClasses: 3, each: 3 }));
    const compiled = used.compiled;
    for (const [each, seed] of [[3, 7], [4, 8], [3, 9]]) {
      await bring(record(tiny, { batch: 2, numClasses: 3, each, seed }));
    }
    assert.equal(used.compiled, compiled);
    await bring(record(tiny, { batch: 2, numClasses: 3, each: 5 }));
    assert.equal(used.compiled, compiled + 1);
    await useDevice("auto");
  });
}
