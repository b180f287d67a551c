/**
 * How does the time of SSDLoss, forward and both gradients, compare with PyTorch's for the same definition? SSD300, 80
 * classes, batch 8, eight targets per image. Both run alternately in this program; only the ratio is meaningful.
 *
 *   npm run bench -- ssd_loss [--device webasm] [--rounds 10] [--batch 8] [--threads 2] [--python /usr/bin/python3]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { neededEntries, structuralKey } from "../core/realize.ts";
import { DefaultBoxes, grad, inspect, realize, SSDLoss, tensor, useDevice } from "../mod.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "webasm" },
    rounds: { type: "string", default: "10" },
    batch: { type: "string", default: "8" },
    threads: { type: "string", default: "2" },
    python: { type: "string", default: "/usr/bin/python3" },
  },
});
const rounds = Number(options.rounds);
const batch = Number(options.batch);
const classes = 80;
const perImage = 8;

/** A generator of the same numbers in each run. */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1];
}

const random = generator(1);
const defaultBoxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
const boxes = defaultBoxes.count;
const loc = Float32Array.from({ length: batch * 4 * boxes }, () => random() - 0.5);
const logits = Float32Array.from({ length: batch * (classes + 1) * boxes }, () => random() * 4 - 2);
const targets: number[][] = [];
for (let image = 0; image < batch; image++) {
  for (let g = 0; g < perImage; g++) {
    const w = 0.05 + random() * 0.4, h = 0.05 + random() * 0.4;
    const row = [image, Math.floor(random() * classes), w / 2 + random() * (1 - w), h / 2 + random() * (1 - h), w, h];
    targets.push(row.map(Math.fround));
  }
}

/** PyTorch in a separate process, which waits while gpugrad runs. */
class Torch {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  constructor(directory: string) {
    const script = fileURLToPath(new URL("./ssd_loss.py", import.meta.url));
    this.#process = spawn(options.python, [script, directory, options.threads], { stdio: ["pipe", "pipe", "inherit"] });
    this.#process.on("error", () => {});
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }
  async read<T>(): Promise<T | null> {
    const { value, done } = await this.#lines.next();
    return done ? null : JSON.parse(value) as T;
  }
  run(times: number): Promise<number[] | null> {
    this.#process.stdin!.write(`${times}\n`);
    return this.read<number[]>();
  }
  stop(): void {
    this.#process.stdin?.end();
  }
}

const device = await useDevice(options.device);
const loss = new SSDLoss(defaultBoxes, { alpha: 1, iouThreshold: 0.5, negPosRatio: 3 });

/** As for PyTorch, the predictions are tensors before timing starts. */
const leaves = { l: tensor(loc, [batch, 4, boxes]), c: tensor(logits, [batch, classes + 1, boxes]) };

function record() {
  const { l, c } = leaves;
  const { loss: total, components } = loss.forward([l, c], targets);
  const [dl, dc] = grad(total, [l, c]);
  return [total, dl, dc, components] as const;
}

async function step(): Promise<number> {
  const start = performance.now();
  await realize(record());
  return performance.now() - start;
}

const shown = await inspect(record());
const [total, gradLoc, gradLogits] = record();
const firstStart = performance.now();
await realize([total, gradLoc, gradLogits]);
const first = performance.now() - firstStart;
const absSum = (values: ArrayLike<number>) =>
  Array.prototype.reduce.call(values, (s, v) => (s as number) + Math.abs(v as number), 0) as number;

const directory = await mkdtemp(join(tmpdir(), "gpugrad-bench-"));
try {
  await writeFile(join(directory, "problem.json"), JSON.stringify({ batch, classes, boxes }));
  const files = {
    loc,
    logits,
    default_boxes: Float32Array.from(await defaultBoxes.cxcywh.data()),
    targets: Float32Array.from(targets.flat()),
  };
  for (const [name, values] of Object.entries(files)) {
    await writeFile(join(directory, `${name}.f32`), new Uint8Array(values.buffer));
  }
  const torch = new Torch(directory);
  const reference = await torch.read<{ version: string; total: number; gradLoc: number; gradLogits: number }>();

  console.log(
    `SSD300, ${classes} classes, batch ${batch}, ${perImage} targets an image; ${device}; ${shown.steps.length} kernels in one pipeline`,
  );
  console.log(
    `gpugrad: loss ${await total.item()}, |grad loc| ${absSum(await gradLoc.data())}, |grad logits| ${
      absSum(await gradLogits.data())
    }; first call ${first.toFixed(0)} ms`,
  );
  if (reference) {
    console.log(
      `PyTorch ${reference.version}: loss ${reference.total}, |grad loc| ${reference.gradLoc}, |grad logits| ${reference.gradLogits}`,
    );
  } else {
    console.log(`PyTorch is not installed for ${options.python}: gpugrad alone is timed`);
  }

  for (let i = 0; i < 3; i++) await step();
  if (reference) await torch.run(3);
  const ours: number[] = [], theirs: number[] = [], recording: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 3; i++) ours.push(await step());
    if (reference) theirs.push(...(await torch.run(3))!);
    for (let i = 0; i < 5; i++) recording.push(recordingTime());
  }
  torch.stop();
  console.log(`gpugrad on ${device.backend} (${device.executor}): median ${median(ours).toFixed(1)} ms`);
  if (reference) {
    console.log(`PyTorch, ${options.threads} threads: median ${median(theirs).toFixed(1)} ms`);
    console.log(`ratio gpugrad / PyTorch: ${(median(ours) / median(theirs)).toFixed(2)}`);
  }
  console.log(`recording and key lookup: median ${median(recording).toFixed(3)} ms`);
} finally {
  await rm(directory, { recursive: true });
}

/** The cost of a call other than computing: recording forward and backward, and looking up the plan. */
function recordingTime(): number {
  const start = performance.now();
  const { loss: y, components } = loss.forward([leaves.l, leaves.c], targets);
  const outputs = [y, components, ...grad(y, [leaves.l, leaves.c])];
  const needed = neededEntries(outputs, device.name);
  structuralKey(needed.entries, needed.leaves, outputs);
  return performance.now() - start;
}
