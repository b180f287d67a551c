/**
 * How long does gradcheck take compared with PyTorch's on the same problem? The SSD loss of two images, 56 default
 * boxes and 4 class logits: 896 inputs. Both run alternately in this program, on one core each; only the ratios are
 * meaningful.
 *
 *   npx tsx bench/gradcheck.ts [--rounds 5] [--python /usr/bin/python3]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DefaultBoxes, SSDLoss, type Tensor, tensor, useDevice } from "../mod.ts";
import { gradcheck, type GradcheckOptions } from "../verify/mod.ts";
import { randomFrom } from "../verify/random.ts";
import { median } from "./harness/statistics.ts";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, python: { type: "string", default: "/usr/bin/python3" } },
});
const rounds = Number(options.rounds);
const [batch, classes] = [2, 3];

const random = randomFrom(12);
const defaultBoxes = new DefaultBoxes({
  figSize: 300,
  featSizes: [3, 2, 1],
  scales: [60, 150, 210, 290],
  aspectRatios: [[2], [2], [2]],
});
const boxes = defaultBoxes.count;
const loc = Float64Array.from({ length: batch * 4 * boxes }, () => random() * 2 - 1);
const logits = Float64Array.from({ length: batch * (classes + 1) * boxes }, () => random() * 6 - 3);
const targets = [[0, 1, 0.4, 0.45, 0.5, 0.4], [0, 2, 0.7, 0.6, 0.3, 0.5], [1, 0, 0.5, 0.5, 0.6, 0.6]];

/** PyTorch in a separate process, which waits while gpugrad runs. */
class Torch {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  constructor(directory: string) {
    const script = fileURLToPath(new URL("./gradcheck.py", import.meta.url));
    this.#process = spawn(options.python, [script, directory], { stdio: ["pipe", "pipe", "inherit"] });
    this.#process.on("error", () => {});
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }
  async read<T>(): Promise<T | null> {
    const { value, done } = await this.#lines.next();
    return done ? null : JSON.parse(value) as T;
  }
  async run(kind: string): Promise<number> {
    this.#process.stdin!.write(`${kind}\n`);
    const { ms, passed } = (await this.read<{ ms: number; passed: boolean }>())!;
    if (!passed) throw new Error(`PyTorch's check ${kind} does not pass`);
    return ms;
  }
  stop(): void {
    this.#process.stdin?.end();
  }
}

// The check runs on the oracle; no other device is compared, because PyTorch compares none.
await useDevice("float64");
const criterion = new SSDLoss(defaultBoxes);
const f = (locations: Tensor, scores: Tensor) => criterion.forward([locations, scores], targets).loss;
const inputs = [tensor(loc, [batch, 4, boxes]), tensor(logits, [batch, classes + 1, boxes])];

/** The kinds of checks, their repetitions per round, and the target ratio. */
const kinds: Record<string, { options: GradcheckOptions; times: number; goal: number }> = {
  full: { options: { mode: "full" }, times: 3, goal: 20 },
  fast: { options: { mode: "fast" }, times: 40, goal: 3 },
  second: { options: { mode: "full", order: 2 }, times: 3, goal: 10 },
};

async function check(kind: string): Promise<number> {
  const report = await gradcheck(f, inputs, kinds[kind].options);
  if (report.verdict !== "ok") throw new Error(`the check ${kind} says ${report.verdict}`);
  return report.milliseconds;
}

const directory = await mkdtemp(join(tmpdir(), "gpugrad-bench-"));
try {
  const cxcywh = [...await defaultBoxes.cxcywh.data()];
  const problem = { batch, boxes, loc: [...loc], logits: [...logits], defaultBoxes: cxcywh, targets };
  await writeFile(join(directory, "problem.json"), JSON.stringify(problem));
  const torch = new Torch(directory);
  const reference = await torch.read<{ version: string; loss: number }>();
  console.log(
    `SSD loss ${await f(inputs[0], inputs[1]).item()}: ${boxes} default boxes, ${loc.length + logits.length} inputs`,
  );
  if (reference) console.log(`PyTorch ${reference.version}: loss ${reference.loss}`);
  else console.log(`PyTorch is not installed for ${options.python}: gpugrad alone is timed`);

  const first: Record<string, number> = {};
  for (const kind of Object.keys(kinds)) {
    first[kind] = await check(kind);
    // Warm up until the engine has compiled the hot code.
    for (const end = performance.now() + 2000; performance.now() < end;) await check(kind);
    if (reference) await torch.run(kind);
  }
  const ours: Record<string, number[]> = {}, theirs: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [kind, { times }] of Object.entries(kinds)) {
      for (let i = 0; i < times; i++) (ours[kind] ??= []).push(await check(kind));
      if (reference) {
        for (let i = 0; i < Math.ceil(times / 3); i++) (theirs[kind] ??= []).push(await torch.run(kind));
      }
    }
  }
  torch.stop();
  for (const [kind, { goal }] of Object.entries(kinds)) {
    const own = median(ours[kind]);
    const line = `${kind.padEnd(6)} gpugrad ${own.toFixed(2)} ms (the first ${first[kind].toFixed(0)})`;
    if (!reference) console.log(line);
    else {
      const other = median(theirs[kind]);
      console.log(`${line}, PyTorch ${other.toFixed(1)} ms: ${(other / own).toFixed(1)} times faster, target ${goal}`);
    }
  }
} finally {
  await rm(directory, { recursive: true });
}
