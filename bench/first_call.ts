/**
 * How long does the first call of SSDLoss with both gradients take, from recording to values, compared with later calls of the same
 * process? SSD300, 80 classes, batch 8. Each run is a new process, in which nothing is compiled or warm; only ratios are meaningful.
 *
 *   npm run bench:first [-- --device wasm] [--runs 5] [--batch 8] [--calls 15]
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { grad, realize, type Tensor, tensor, useDevice } from "../mod.ts";
import { randomFrom } from "../verify/random.ts";
import { loss } from "./cases/loss.ts";
import { median } from "./harness/statistics.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "wasm" },
    runs: { type: "string", default: "5" },
    batch: { type: "string", default: "8" },
    calls: { type: "string", default: "15" },
    /** Measures once, in this process. */
    once: { type: "boolean", default: false },
  },
});

/** Milliseconds. */
interface Times {
  record: number;
  plan: number;
  /** Compiling and the first run, which gpu.js does in one. */
  run: number;
  first: number;
  steady: number;
}

async function measure(): Promise<Times> {
  const device = await useDevice(options.device);
  const sizes = { ...loss.sizes[0], batch: Number(options.batch) };
  const inputs = await loss.inputs(sizes, randomFrom(1));
  const compute = loss.code.gpugrad(sizes);
  const leaves = inputs.slice(0, 2).map(({ data, shape }) => tensor(data, shape, { copy: false }));
  const record = () => {
    const value = compute(leaves, inputs) as Tensor;
    return [value, ...grad(value, leaves)];
  };
  let plan = 0;
  const { runHere } = device;
  device.runHere = (program, leaves) =>
    runHere.call(device, {
      key: program.key,
      plan(target) {
        const start = performance.now();
        const planned = program.plan(target);
        plan += performance.now() - start;
        return planned;
      },
    }, leaves);

  const start = performance.now();
  const outputs = record();
  const recorded = performance.now();
  await realize(outputs);
  await outputs[0].item();
  const end = performance.now();
  const first = end - start;

  const steady: number[] = [];
  for (let i = 0; i < Number(options.calls); i++) {
    const start = performance.now();
    const again = record();
    await realize(again);
    await again[0].item();
    steady.push(performance.now() - start);
  }
  return { record: recorded - start, plan, run: end - recorded - plan, first, steady: median(steady) };
}

if (options.once) console.log(JSON.stringify(await measure()));
else {
  const rows: string[][] = [["ms", "record", "plan", "compile, run", "first call", "later call", "ratio"]];
  const ratios: number[] = [];
  for (let i = 0; i < Number(options.runs); i++) {
    const args = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2), "--once"];
    const { status, stdout } = spawnSync(process.execPath, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (status !== 0) process.exit(1);
    const { record, plan, run, first, steady } = JSON.parse(stdout) as Times;
    ratios.push(first / steady);
    rows.push(["", ...[record, plan, run, first, steady].map((ms) => ms.toFixed(0)), (first / steady).toFixed(1)]);
  }
  for (const row of rows) console.log(row.map((cell) => cell.padStart(12)).join(""));
  console.log(`${options.device}: the first call takes ${median(ratios).toFixed(1)} times as long as a later one`);
}
