/**
 * Runs the SSD loss on a real network's predictions for real photographs: loss, components and gradients, a check of
 * the gradients against finite differences, and gradient descent on the loss. Prints a report and writes
 * `demo/out/index.html`.
 */
import { useDevice } from "../mod.ts";
import { descend, shifted } from "./descent.ts";
import { detect, summarise as summariseDetections } from "./detections.ts";
import { checkGradients, summarise as summariseCheck } from "./gradient_check.ts";
import { loadNetwork } from "./network.ts";
import { batchOf, decide, evaluate, objectiveFor } from "./objective.ts";
import { writePage } from "./page.ts";
import { loadPhotographs } from "./photographs.ts";
import { seconds, withProgress } from "./progress.ts";
import {
  checkSentences,
  detectionTable,
  deviceSentence,
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

async function main(): Promise<void> {
  const started = performance.now();
  const photographs = await loadPhotographs();
  const network = await loadNetwork();
  const outputs = await withProgress(`Network (${network.backend})`, photographs, ({ pixels }) => network.run(pixels));

  const device = await useDevice("auto");
  const objective = objectiveFor(network);
  const { criterion, boxes } = objective;
  const batch = batchOf(photographs, outputs);
  const [evaluation, first] = await timed(() => evaluate(objective, batch));
  const times = await withProgress(
    "Loss and gradients",
    Array.from({ length: CALLS }),
    async () => (await timed(() => evaluate(objective, batch)))[1],
  );
  const timing: Timing = { first, next: times.sort((a, b) => a - b)[CALLS / 2], calls: CALLS };
  const decisions = await decide(objective, batch, evaluation);
  // Determined now, because it is the executor of the last plan.
  const deviceText = deviceSentence(device);

  const alone = await withProgress("Each photograph by itself", photographs, async (photograph, i) => {
    const own = batchOf([photograph], [outputs[i]]);
    const result = await evaluate(objective, own);
    return {
      name: photograph.name,
      batch: own,
      evaluation: result,
      decisions: (await decide(objective, own, result))[0],
    };
  });
  const mean = alone.reduce((sum, { evaluation: { loss } }) => sum + loss, 0) / alone.length;
  if (!(Math.abs(mean - evaluation.loss) <= BATCH_TOLERANCE * Math.abs(mean))) {
    throw new Error(`the batch's loss is ${evaluation.loss}, but the mean of the photographs' losses is ${mean}`);
  }
  const losses = lossTable([
    ...alone.map(({ name, evaluation, decisions }, i) => ({
      name,
      faces: photographs[i].faces.length,
      decisions: [decisions],
      evaluation,
    })),
    { name: "batch", faces: batch.targets.length, decisions, evaluation },
  ], criterion.componentNames);

  const check = summariseCheck(await checkGradients(objective, alone));
  const start = shifted(batch);
  const descent = await descend(objective, start, decisions);
  const stages = ["of the network", "after the shift", `after ${descent.losses.length - 1} steps`];
  const comparisons = await Promise.all([batch, start, descent.end].map((b) => detect(objective, b, photographs)));
  const detections = detectionTable(comparisons.map((c, i) => [stages[i], summariseDetections(c)] as const));
  const falling = descent.losses.map(({ loss }) => loss);

  console.log(`\n${textTable(losses)}`);
  console.log(`\n${deviceText}\n${timingSentence(timing)}`);
  console.log(`\n${checkSentences(check).join("\n")}\n${textTable(worstTable(check, device))}`);
  console.log(
    `\nGradient descent, the loss at every fifth step: ${everyFifth(falling).map((v) => v.toFixed(3)).join(" ")}`,
  );
  console.log(textTable(detections));

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
  });
  console.log(`\n${file}, ${seconds(performance.now() - started)} in all`);

  await device.dispose();
  if (check.failed > 0 || check.idleZero < check.idle) throw new Error("gradients disagree with finite differences");
}

function everyFifth(values: readonly number[]): number[] {
  return values.filter((_, i) => i % 5 === 0);
}

// Caught here, because tfjs rethrows uncaught exceptions with its whole source.
await main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
