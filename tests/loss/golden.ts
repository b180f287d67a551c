// Comparison with a file of expected values; golden/ssd.json says in `about` what its fields mean.
import assert from "node:assert/strict";
import { DefaultBoxes, type DefaultBoxesConfig } from "../../mod.ts";
import { predictions } from "./golden/predictions.mjs";
import { close, type DeviceName, DEVICES, runLoss } from "./support.ts";
import { rowsOf } from "./scenes.ts";

interface Gradient {
  nonzero: number;
  sum: number;
  absSum: number;
  sqSum: number;
  samples: [index: number, value: number][];
}

interface Values {
  total: number;
  smoothL1: number;
  confidence: number;
}

interface Record extends Values {
  anchors: number;
  positives: number[];
  matches: [box: number, label: number][][];
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

/** Relative to the value; 1e-9 in float64. */
const TOLERANCE: { [device in DeviceName]: number } = { float64: 1e-9, webasm: 2e-5, cpu: 2e-5 };

/** Name and body of a test for each case of a file on each device; Deno files a test under the module that declares it. */
export function goldenTests(file: { cases: GoldenCase[] }): [name: string, body: () => Promise<void>][] {
  return file.cases.flatMap((expected) =>
    DEVICES.map((device): [string, () => Promise<void>] => [
      `${expected.name} is as recorded [${device}]`,
      () => compare(expected, device),
    ])
  );
}

async function compare(expected: GoldenCase, device: DeviceName): Promise<void> {
  const { batch, numClasses, seed } = expected;
  const boxes = new DefaultBoxes(expected.defaultBoxes);
  assert.equal(boxes.count, expected.float64.anchors);
  const n = boxes.count;
  const run = await runLoss(
    {
      ...expected,
      boxes: rowsOf(boxes),
      scaleXy: boxes.scaleXy,
      scaleWh: boxes.scaleWh,
      locations: predictions(seed, batch * 4 * n, expected.locScale),
      logits: predictions(seed + 1, batch * (numClasses + 1) * n, expected.logitScale),
    },
    device,
    boxes,
  );

  const single = device !== "float64";
  const decided = single && !expected.sameDecisions ? expected.float32 as Record : expected.float64;
  const matches = run.label.map((labels) => labels.map((c, i) => [i, c]).filter(([, c]) => c > 0));
  assert.deepEqual(matches, decided.matches, "matches");
  assert.deepEqual(matches.map((m) => m.length), decided.positives, "positives");
  assert.deepEqual(classified(run.gradLogits, batch, numClasses + 1, n), decided.classified, "classified");

  const tolerance = TOLERANCE[device];
  const values = single ? expected.float32 : expected.float64;
  close(run.total, values.total, tolerance, "total");
  close(run.components[0], values.smoothL1, tolerance, "smooth_l1");
  close(run.components[1], values.confidence, tolerance, "closs");
  close(run.components[2], run.total, tolerance, "the component Loss");
  compareGradient(run.gradLocations, decided.gradLoc, tolerance, "gradient of the locations");
  compareGradient(run.gradLogits, decided.gradLogits, tolerance, "gradient of the logits");
  // How small a softmax can be before it is 0 differs between float32 implementations.
  assert.equal(run.gradLocations.filter((x) => x !== 0).length, decided.gradLoc.nonzero, "nonzero of the locations");
  if (!single) {
    assert.equal(run.gradLogits.filter((x) => x !== 0).length, decided.gradLogits.nonzero, "nonzero of the logits");
  }
}

/** How many default boxes of each image have a gradient in any class. */
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
  // Terms of both signs cancel in the sum: its error is measured by theirs.
  close(sum, expected.sum, tolerance, `sum of the ${what}`, expected.absSum);
  close(absSum, expected.absSum, tolerance, `sum of magnitudes of the ${what}`);
  close(sqSum, expected.sqSum, tolerance, `sum of squares of the ${what}`);
  // In float32 a difference keeps the rounding of what it is made of: small samples are compared at the scale of the others.
  const largest = expected.samples.reduce((m, [, x]) => Math.max(m, Math.abs(x)), 0);
  const scale = tolerance < 1e-8 ? 0 : largest;
  for (const [at, value] of expected.samples) close(gradient[at], value, tolerance, `${what} at ${at}`, scale);
}
