/**
 * Runs the SSD loss on a real network's predictions for real photographs: loss, components and gradients, a check of
 * the gradients against finite differences, and gradient descent on the loss. Prints a report and writes
 * `demo/out/index.html`. `--device NAME` chooses the device, default the fastest.
 */
import { parseArgs } from "node:util";
import { useDevice } from "../mod.ts";
import { descend, shifted } from "./descent.ts";
import { detect, summarise as summariseDetections } from "./detections.ts";
import { checkGradients, summarise as summariseCheck } from "./gradient_check.ts";
import { code, insidesOfDevices } from "./insides.ts";
import { loadNetwork, type RawOutput } from "./network.ts";
import { type Batch, batchOf, decide, evaluate, type Evaluation, type Objective, objectiveFor } from "./objective.ts";
import { writePage } from "./page.ts";
import { loadPhotographs, type Photograph } from "./photographs.ts";
import { seconds, withProgress } from "./progress.ts";
import {
  checkSentences,
  detectionTable,
  deviceSentence,
  type LossRow,
  lossTable,
  textTable,
  type Timing,
  timingSentence,
  worstTable,
} from "./report.ts";

/** The number of calls timed after the first. */
const CALLS = 20;
/** The tolerance, relative, between the batch's loss and the mean of the photographs' losses: both are float32 sums. */
const BATCH_TOLERANCE = 1e-5;

async function timed<T>(run: () => Promise<T>): Promise<[T, number]> {
  const started = performance.now();
  const result = await run();
  return [result, performance.now() - started];
}

/** Throws where the loss of a batch is not the mean of its photographs' losses. */
function requireMean(loss: number, losses: readonly number[]): void {
  const mean = losses.reduce((sum, x) => sum + x, 0) / losses.length;
  if (Math.abs(mean - loss) <= BATCH_TOLERANCE * Math.abs(mean)) return;
  throw new Error(`the batch's loss is ${loss}, but the mean of the photographs' losses ${mean}`);
}

/** The loss and gradients of a batch, and the times of this call and of those that follow. */
async function evaluateTimed(objective: Objective, batch: Batch): Promise<{ evaluation: Evaluation; timing: Timing }> {
  const [evaluation, first] = await timed(() => evaluate(objective, batch));
  const times = await withProgress(
    "Loss and gradients",
    Array.from({ length: CALLS }),
    async () => (await timed(() => evaluate(objective, batch)))[1],
  );
  return { evaluation, timing: { first, next: times.sort((a, b) => a - b)[CALLS / 2], calls: CALLS } };
}

/** The loss of one photograph, its gradients and decisions. */
async function evaluateAlone(objective: Objective, photograph: Photograph, output: RawOutput) {
  const batch = batchOf([photograph], [output]);
  const evaluation = await evaluate(objective, batch);
  const [decisions] = await decide(objective, batch, evaluation);
  return { name: photograph.name, batch, evaluation, decisions };
}

/** The rows of the table of losses that are about single photographs. */
function rowsOf(
  photographs: readonly Photograph[],
  alone: readonly Awaited<ReturnType<typeof evaluateAlone>>[],
): LossRow[] {
  return alone.map(({ name, evaluation, decisions }, i) => ({
    name,
    faces: photographs[i].faces.length,
    decisions: [decisions],
    evaluation,
  }));
}

async function main(): Promise<void> {
  const { values: { device: choice = "auto" } } = parseArgs({ options: { device: { type: "string" } } });
  const started = performance.now();
  const photographs = await loadPhotographs();
  const network = await loadNetwork();
  const outputs = await withProgress(`Network (${network.backend})`, photographs, ({ pixels }) => network.run(pixels));

  const device = await useDevice(choice);
  const objective = objectiveFor(network);
  const { criterion, boxes } = objective;
  const batch = batchOf(photographs, outputs);
  const { evaluation, timing } = await evaluateTimed(objective, batch);
  const decisions = await decide(objective, batch, evaluation);
  // Determined now, because it is the executor of the last plan.
  const deviceText = deviceSentence(device);

  const alone = await withProgress(
    "Each photograph by itself",
    photographs,
    (photograph, i) => evaluateAlone(objective, photograph, outputs[i]),
  );
  requireMean(evaluation.loss, alone.map(({ evaluation: { loss } }) => loss));
  const losses = lossTable(
    [...rowsOf(photographs, alone), { name: "batch", faces: batch.targets.length, decisions, evaluation }],
    criterion.componentNames,
  );

  const check = summariseCheck(await checkGradients(objective, alone));
  const start = shifted(batch);
  const descent = await descend(objective, start, decisions);
  const stages = ["of the network", "after the shift", `after ${descent.losses.length - 1} steps`];
  const comparisons = await Promise.all([batch, start, descent.end].map((b) => detect(objective, b, photographs)));
  const detections = detectionTable(comparisons.map((c, i) => [stages[i], summariseDetections(c)] as const));
  const falling = descent.losses.map(({ loss }) => loss);

  print([
    textTable(losses),
    `${deviceText}\n${timingSentence(timing)}`,
    `${checkSentences(check).join("\n")}\n${textTable(worstTable(check, device))}`,
    `Gradient descent, the loss at every fifth step: ${everyFifth(falling).map((v) => v.toFixed(3)).join(" ")}\n${
      textTable(detections)
    }`,
  ]);

  const file = writePage({
    results: photographs.map((photograph, i) => ({
      photograph,
      evaluation: alone[i].evaluation,
      decisions: alone[i].decisions,
      comparisons: comparisons.map((c) => c[i]),
    })),
    defaultBoxes: network.defaultBoxes,
    losses,
    facts: [`${boxes.count} default boxes; ${deviceText}`, timingSentence(timing)],
    check: { sentences: checkSentences(check), worst: worstTable(check, device) },
    detections,
    stages: stages.map((s) => `Detections ${s}`),
    descent: falling,
    code: code(),
    devices: await insidesOfDevices(objective, batch, device.name),
  });
  console.log(`\n${file}, ${seconds(performance.now() - started)} in all`);

  await device.dispose();
  if (check.failed > 0 || check.idleZero < check.idle) throw new Error("gradients disagree with finite differences");
}

function print(parts: readonly string[]): void {
  for (const part of parts) console.log(`\n${part}`);
}

function everyFifth(values: readonly number[]): number[] {
  return values.filter((_, i) => i % 5 === 0);
}

// Caught here, because tfjs rethrows uncaught exceptions with its whole source.
await main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
