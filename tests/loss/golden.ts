// Comparison with a file of expected values; `about` in golden/ssd.json describes its fields.
import assert from "node:assert/strict";
import { DefaultBoxes, type DefaultBoxesConfig } from "../../mod.ts";
import { runtime } from "../../core/runtime.ts";
import { isSampled } from "../support/cells.ts";
import { devicesUnderTest, type DeviceUnderTest } from "../support/devices.ts";
import { predictions } from "./golden/predictions.mjs";
import { decide, evaluate, inSingle, iou, mine, type Scene } from "./reference.ts";
import { allClose, close, type Run, runLoss } from "./support.ts";
import { rowsOf } from "./scenes.ts";

interface Gradient {
  nonzero: number;
  sum: number;
  absSum: number;
  sqSum: number;
  samples: number[][];
}

interface Values {
  total: number;
  smoothL1: number;
  confidence: number;
}

interface Record extends Values {
  anchors: number;
  positives: number[];
  matches: number[][][];
  classified: number[];
  gradLoc: Gradient;
  gradLogits: Gradient;
}

interface GoldenCase {
  name: string;
  defaultBoxes: DefaultBoxesConfig;
  batch: number;
  numClasses: number;
  alpha: number;
  iouThreshold: number;
  negPosRatio: number;
  seed: number;
  locScale: number;
  logitScale: number;
  targets: number[][];
  sameDecisions: boolean;
  float64: Record;
  float32: Values | Record;
}

/** Relative to the value. */
const TOLERANCE = { double: 1e-9, single: 2e-5 };

export const devices: readonly DeviceUnderTest[] = await devicesUnderTest();

/**
 * Name, options and body of a test for each case of a file on each device; Deno files a test under the module that declares it.
 *
 * @param tried default all devices.
 * @param sample the cases that are enough where not everything is tried; of these, the last two where few are, and the last one where least is.
 */
export function goldenTests(file: { cases: GoldenCase[] }, sample: readonly string[], tried = devices) {
  return tried.flatMap((under) => {
    // In Node, plan.test.ts compares a batch of that size on GPUs with cpu.
    const few = under.gpu && runtime() === "node" ? sample.slice(-2, -1) : sample.slice(-2);
    const some = { full: sample, some: sample, few, least: sample.slice(-1) }[under.extent];
    return file.cases.filter(({ name }) => !isSampled(under.extent) || some.includes(name)).map((expected) =>
      [...under.on(`${expected.name} is as recorded`), () => compare(expected, under)] as const
    );
  });
}

async function compare(expected: GoldenCase, { device, single, gpu }: DeviceUnderTest): Promise<void> {
  const { batch, numClasses, seed } = expected;
  const boxes = new DefaultBoxes(expected.defaultBoxes);
  assert.equal(boxes.count, expected.float64.anchors);
  const n = boxes.count;
  const scene: Scene = {
    ...expected,
    boxes: rowsOf(boxes),
    scaleXy: boxes.scaleXy,
    scaleWh: boxes.scaleWh,
    locations: predictions(seed, batch * 4 * n, expected.locScale),
    logits: predictions(seed + 1, batch * (numClasses + 1) * n, expected.logitScale),
  };
  const run = await runLoss(scene, device, boxes);

  const decided = single && !expected.sameDecisions ? expected.float32 as Record : expected.float64;
  const matches = run.label.map((labels) => labels.map((c, i) => [i, c]).filter(([, c]) => c > 0));
  if (gpu && JSON.stringify(matches) !== JSON.stringify(decided.matches)) return compareOtherwise(scene, run);
  assert.deepEqual(matches, decided.matches, "matches");
  assert.deepEqual(matches.map((m) => m.length), decided.positives, "positives");
  assert.deepEqual(classified(run.gradLogits, batch, numClasses + 1, n), decided.classified, "classified");

  const tolerance = single ? TOLERANCE.single : TOLERANCE.double;
  const values = single ? expected.float32 : expected.float64;
  close(run.total, values.total, tolerance, "total");
  close(run.components[0], values.smoothL1, tolerance, "smooth_l1");
  close(run.components[1], values.confidence, tolerance, "closs");
  close(run.components[2], run.total, tolerance, "the component Loss");
  compareGradient(run.gradLocations, decided.gradLoc, tolerance, "gradient of the locations");
  compareGradient(run.gradLogits, decided.gradLogits, tolerance, "gradient of the logits");
  // The smallest softmax that is not 0 differs between float32 implementations.
  assert.equal(run.gradLocations.filter((x) => x !== 0).length, decided.gradLoc.nonzero, "nonzero of the locations");
  if (!single) {
    assert.equal(run.gradLogits.filter((x) => x !== 0).length, decided.gradLogits.nonzero, "nonzero of the logits");
  }
}

/**
 * A GPU may round quotients and fuse products differently, and so decide a tie differently. The decision must concern a
 * tie, and the values must be those of its decisions.
 */
function compareOtherwise(scene: Scene, run: Run): void {
  decide(inSingle(scene), { single: true }).forEach(({ target }, image) => {
    const rows = new Set([...target, ...run.target[image]]);
    for (const row of rows) {
      if (row < 0) continue;
      const overlap = (chosen: readonly number[]) =>
        chosen.flatMap((r, i) => (r === row ? [iou(scene.targets[row].slice(2), scene.boxes[i])] : [])).sort();
      allClose(overlap(run.target[image]), overlap(target), 1e-6, `overlaps of target ${row}, decided otherwise`);
    }
  });
  const seen = inSingle(scene);
  const decisions = run.target.map((target, image) => {
    const label = run.label[image];
    const mined = mine(seen, image, label, Math.fround);
    return { target, label, weight: label.map((c, i) => (c > 0 ? 1 : 0) + mined[i]) };
  });
  const values = evaluate(seen, decisions);
  close(run.total, values.total, TOLERANCE.single, "total");
  close(run.components[0], values.smoothL1, TOLERANCE.single, "smooth_l1");
  close(run.components[1], values.closs, TOLERANCE.single, "closs");
  allClose(
    run.gradLocations,
    values.gradLocations,
    { relative: TOLERANCE.single, scale: largest(values.gradLocations) },
    "gradient of the locations",
  );
  allClose(
    run.gradLogits,
    values.gradLogits,
    { relative: TOLERANCE.single, scale: largest(values.gradLogits) },
    "gradient of the logits",
  );
}

function largest(values: Float64Array): number {
  return values.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
}

/** The number of default boxes of each image with a gradient in any class. */
function classified(gradient: Float64Array, batch: number, classes: number, n: number): number[] {
  return Array.from({ length: batch }, (_, image) => {
    let count = 0;
    for (let i = 0; i < n; i++) {
      let any = false;
      for (let c = 0; c < classes; c++) if (gradient[(image * classes + c) * n + i] !== 0) any = true;
      if (any) count++;
    }
    return count;
  });
}

function compareGradient(gradient: Float64Array, expected: Gradient, tolerance: number, what: string): void {
  const sum = gradient.reduce((s, x) => s + x, 0);
  const absSum = gradient.reduce((s, x) => s + Math.abs(x), 0);
  const sqSum = gradient.reduce((s, x) => s + x * x, 0);
  // Terms of both signs cancel in the sum, so its error is measured relative to their magnitude.
  close(sum, expected.sum, { relative: tolerance, scale: expected.absSum }, `sum of the ${what}`);
  close(absSum, expected.absSum, tolerance, `sum of magnitudes of the ${what}`);
  close(sqSum, expected.sqSum, tolerance, `sum of squares of the ${what}`);
  // In float32 a difference keeps the rounding of its operands: small samples are compared at the scale of the others.
  const largest = expected.samples.reduce((m, [, x]) => Math.max(m, Math.abs(x)), 0);
  const scale = tolerance < 1e-8 ? 0 : largest;
  for (const [at, value] of expected.samples) {
    close(gradient[at], value, { relative: tolerance, scale }, `${what} at ${at}`);
  }
}
