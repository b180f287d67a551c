/**
 * How does the time of SSDLoss, forward and both gradients, compare with PyTorch's for the same definition? SSD300, 80
 * classes, batch 8, eight targets per image. Both run alternately in this program; only the ratio is meaningful.
 *
 *   npm run bench -- ssd_loss [--device wasm] [--rounds 10] [--batch 8] [--threads 2] [--torch-device cpu] [--read] [--python /usr/bin/python3]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Program } from "../core/program.ts";
import { DefaultBoxes, inspect, realize, useDevice } from "../mod.ts";
import { classes, median, perImage, Problem } from "./ssd_problem.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "wasm" },
    rounds: { type: "string", default: "10" },
    batch: { type: "string", default: "8" },
    threads: { type: "string", default: "2" },
    "torch-device": { type: "string", default: "cpu" },
    read: { type: "boolean", default: false },
    python: { type: "string", default: "/usr/bin/python3" },
  },
});
const rounds = Number(options.rounds);
const batch = Number(options.batch);

const defaultBoxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
const boxes = defaultBoxes.count;

/** PyTorch in a separate process, which waits while gpugrad runs. */
class Torch {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  constructor(directory: string) {
    const script = fileURLToPath(new URL("./ssd_loss.py", import.meta.url));
    const copies = options.read ? "read" : "stay";
    this.#process = spawn(options.python, [script, directory, options.threads, options["torch-device"], copies], {
      stdio: ["pipe", "pipe", "inherit"],
    });
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
const problem = new Problem(defaultBoxes, batch);
const record = () => problem.record();

/**
 * One call. Predictions and gradients stay on the device if it has a memory of its own, as in PyTorch, and only the loss is read; with
 * `--read`, predictions are new to the device in each call, and gradients are read too.
 */
async function step(): Promise<number> {
  const start = performance.now();
  if (options.read) problem.renew();
  const [total, ...others] = record();
  await realize([total, ...others]);
  await total.item();
  if (options.read) await Promise.all(others.map((t) => t.data({ copy: false })));
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
    loc: problem.loc,
    logits: problem.logits,
    default_boxes: Float32Array.from(await defaultBoxes.cxcywh.data()),
    targets: Float32Array.from(problem.targets.flat()),
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
    const place = options["torch-device"] === "cpu" ? `${options.threads} threads` : options["torch-device"];
    console.log(`PyTorch, ${place}: median ${median(theirs).toFixed(1)} ms`);
    console.log(`ratio gpugrad / PyTorch: ${(median(ours) / median(theirs)).toFixed(2)}`);
  }
  console.log(`recording and key lookup: median ${median(recording).toFixed(3)} ms`);
} finally {
  await rm(directory, { recursive: true });
}

/** The cost of a call other than computing: recording forward and backward, and looking up the plan. */
function recordingTime(): number {
  const start = performance.now();
  const outputs = record();
  void new Program(outputs, { on: device.name }).key;
  return performance.now() - start;
}
