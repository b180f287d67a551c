/**
 * Many calls over changing shapes: results agree with the oracle, and memory stays flat. `npm test` makes a few calls,
 * too few to judge memory; `npm run soak` makes 10,000 on each device.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { grad, HardMiningCrossEntropyLoss, mean, smoothL1, type Tensor, tensor, useDevice } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { randomFrom } from "../../verify/random.ts";
import { type Extent, isSampled } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { catchContexts } from "../support/gpujs.ts";
import { type Census, growth, startCensus } from "./census.ts";

const SOAK = Number(process.env.GPUGRAD_SOAK ?? 0);
/** The total number of memory samples. */
const SAMPLES = 40;
/** How many calls `npm test` makes. */
const CALLS: Readonly<Record<Extent, number>> = { full: 20, some: 5, few: 2, least: 1 };
/** One in this many calls, and the last one, is compared with the oracle. */
const COMPARE_EACH = 10;
/** The tolerance relative to the largest result. */
const TOLERANCE = 1e-4;
/** The number of shapes in use at a time; one in this many calls replaces a shape by a new one. */
const SHAPES = 12;
const NEW_EACH = 10;
/**
 * The number of plans that the device keeps: fewer than there are shapes, so that plans are freed and recompiled too.
 */
const PLANS = 10;

interface Shape {
  readonly batch: number;
  readonly classes: number;
  readonly boxes: number;
}

/** Draws a shape, occasionally one large enough for threads. */
function drawShape(random: () => number): Shape {
  const draw = (most: number) => 1 + Math.floor(random() * most);
  return { batch: draw(3), classes: 1 + draw(5), boxes: random() < 0.1 ? 4096 + draw(2) * 512 : draw(8) * 8 };
}

/** Two losses with their gradients. */
function record({ batch, classes, boxes }: Shape, random: () => number): Tensor[] {
  const values = (shape: number[]) =>
    tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 4 - 2), shape);
  const logits = values([batch, classes, boxes]);
  const locations = values([batch, 4, boxes]);
  const labels = tensor(
    Int32Array.from({ length: batch * boxes }, () => (random() < 0.2 ? Math.floor(random() * classes) : 0)),
    [batch, boxes],
  );
  const confidence = mean(new HardMiningCrossEntropyLoss().forward(logits, labels));
  const localisation = smoothL1(locations, values([batch, 4, boxes]));
  return [confidence, localisation, grad(confidence, logits), grad(localisation, locations)];
}

function assertAgrees(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    if (Math.abs(actual[i] - expected[i]) <= TOLERANCE * scale) continue;
    assert.fail(`${what}: element ${i} is ${actual[i]}, the oracle's is ${expected[i]}`);
  }
}

const contexts = await catchContexts();

for (const { device: name, on, single, gpu, extent } of await devicesUnderTest()) {
  if (!single) continue;
  // A software driver compiles each shape for seconds.
  const why = gpu && SOAK === 0 && isSampled(extent) ? "on the host; npm run soak tries all" : undefined;
  const calls = SOAK || (isSampled(extent) ? CALLS[extent] : CALLS.full);
  const flat = SOAK > 0 ? " and hold memory flat" : "";
  test(...on(`${calls} calls over changing shapes are correct${flat}`, why), async () => {
    const device = await useDevice(name);
    const oracle = await useDevice("float64");
    await useDevice(name);
    const census = await startCensus(name, contexts);
    device.cachePlans = PLANS;
    const random = randomFrom(1);
    const shapes = Array.from({ length: SHAPES }, () => drawShape(random));
    const samples: Census[] = [];
    const before = device.compiled;
    const start = performance.now();
    for (let call = 1; call <= calls; call++) {
      if (call % NEW_EACH === 0) shapes[Math.floor(random() * SHAPES)] = drawShape(random);
      const results = record(shapes[Math.floor(random() * SHAPES)], random);
      await bring(results, { device });
      if (call % COMPARE_EACH === 0 || call === calls) {
        const values = results.map((t) => t.value!.slice());
        await bring(results, { device: oracle });
        results.forEach((t, i) => assertAgrees(values[i], t.value!, `call ${call}, result ${i} of [${t.shape}]`));
        await oracle.dispose();
      }
      if (SOAK > 0 && call % Math.ceil(calls / SAMPLES) === 0) {
        samples.push({ ...await census(), plans: device.cached.plans });
      }
    }
    if (SOAK === 0) return;
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.log(`${name}: ${calls} calls, ${device.compiled - before} plans compiled, ${seconds} s`);
    const shown = (sample: Census) => Object.entries(sample).map(([kind, n]) => `${n} ${kind}`).join(", ");
    for (const i of [0, samples.length >> 1, samples.length - 1]) console.log(`  ${shown(samples[i])}`);
    assert.deepEqual(growth(samples), []);
  });
}
