/**
 * How small an error does a gradient check find? For each mode, precision and size, the smallest relative error of a
 * gradient that is found in each of 20 trials, of three functions: of all elements, and of one element alone. Writes the
 * table into docs/verifying.md.
 *
 *   npm run bench:thresholds                                   measure everything, in about half an hour
 *   npm run bench:thresholds -- --trials 5 --only "float32" --dry-run   fewer trials, some rows; prints the table
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import { cos, exp, logSumExp, mul, sin, softmax, sum, type Tensor, tensor, useDevice } from "../mod.ts";
import { root } from "../scripts/processes.ts";
import { gradcheck, type GradcheckOptions, type PlainFunction } from "../verify/mod.ts";
import { randomFrom } from "../verify/random.ts";

const { values: options } = parseArgs({
  options: {
    trials: { type: "string", default: "20" },
    only: { type: "string", default: "" },
    "dry-run": { type: "boolean" },
  },
});
const trials = Number(options.trials);

/** The sum of what a function makes of its input, and its derivative. */
interface Subject {
  readonly tape: (x: Tensor) => Tensor;
  readonly slope: (x: Tensor) => Tensor;
  /** The same for plain numbers, each operation rounded. */
  readonly value: (x: ArrayLike<number>, round: Round) => number;
  readonly derivative: (x: ArrayLike<number>) => Float64Array;
}
type Round = (x: number) => number;

/** The sum of a function of each element. */
function elementwise(
  tape: Subject["tape"],
  slope: Subject["slope"],
  f: (x: number) => number,
  derivative: (x: number) => number,
): Subject {
  return {
    tape: (x) => sum(tape(x)),
    slope,
    value: (x, round) => {
      let total = 0;
      for (let i = 0; i < x.length; i++) total = round(total + round(f(x[i])));
      return total;
    },
    derivative: (x) => Float64Array.from(x, derivative),
  };
}

const subjects: readonly Subject[] = [
  elementwise(exp, exp, Math.exp, Math.exp),
  elementwise(sin, cos, Math.sin, Math.cos),
  {
    tape: (x) => logSumExp(x),
    slope: (x) => softmax(x),
    value: (x, round) => {
      let total = 0;
      for (let i = 0; i < x.length; i++) total = round(total + round(Math.exp(x[i])));
      return round(Math.log(total));
    },
    derivative: (x) => {
      const exponentials = Float64Array.from(x, Math.exp);
      const total = exponentials.reduce((a, b) => a + b, 0);
      return exponentials.map((e) => e / total);
    },
  },
];

/** A function on the tape whose derivative is multiplied by factors. */
function onTape({ tape, slope }: Subject, factors: Float64Array): (x: Tensor) => Tensor {
  const op: Op = {
    name: "planted",
    infer: () => ({ shape: [], dtype: "float" }),
    kernel: { kind: "lowered", lower: ([x]) => tape(x) },
    vjp: [({ cotangent, inputs: [x, factors] }) => mul(cotangent, mul(slope(x), factors)), null],
  };
  return (x) => record(op, [x, tensor(factors)]);
}

/** The same as a plain function. */
function asPlain({ value, derivative }: Subject, factors: Float64Array, round: Round): PlainFunction {
  return {
    value: ([x]) => value(x, round),
    gradient: ([x]) => [derivative(x).map((d, i) => round(d * factors[i]))],
  };
}

/** The smallest errors that are tried, from the largest on. */
const ERRORS = Array.from({ length: 15 }, (_, k) => [10 ** -k, 3.16 * 10 ** -(k + 1)]).flat().slice(2);

/** A row of the table. */
interface Row {
  readonly where: "on the tape" | "plain, float64" | "plain, float32";
  readonly mode: "full" | "fast";
  readonly size: number;
}

/** Whether an error of one element or of all is found in a trial. */
async function isFound(row: Row, subject: Subject, error: number, { trial, alone }: Trial): Promise<boolean> {
  const random = randomFrom(1000 * trial + row.size);
  const x = Float64Array.from({ length: row.size }, () => Math.fround(2 * random() - 1));
  const at = Math.floor(random() * row.size);
  const factors = Float64Array.from(x, (_, i) => (!alone || i === at ? 1 + error : 1));
  const { where, mode } = row;
  const single = where === "plain, float32";
  const f = where === "on the tape"
    ? onTape(subject, factors)
    : asPlain(subject, factors, single ? Math.fround : Number);
  const how: GradcheckOptions = { mode, seed: trial, locate: false, device: "float64", worst: 0 };
  const { verdict } = await gradcheck(f, [x], single ? { ...how, precision: "float32" } : how);
  return verdict === "wrong";
}
interface Trial {
  readonly trial: number;
  /** Whether one element alone is wrong. */
  readonly alone: boolean;
}

/** Whether an error is found in each of some trials, of each function. */
async function isAlwaysFound(row: Row, error: number, alone: boolean, count: number): Promise<boolean> {
  for (let trial = 1; trial <= count; trial++) {
    for (const subject of subjects) if (!await isFound(row, subject, error, { trial, alone })) return false;
  }
  return true;
}

/** The smallest error that is always found, as text: sought with few trials, and from there on with all of them. */
async function threshold(row: Row, alone: boolean): Promise<string> {
  let k = 0;
  while (k < ERRORS.length && await isAlwaysFound(row, ERRORS[k], alone, Math.min(2, trials))) k++;
  while (--k >= 0) if (await isAlwaysFound(row, ERRORS[k], alone, trials)) return ERRORS[k].toExponential(0);
  return `above ${ERRORS[0]}`;
}

/** How many right gradients are called wrong. */
async function falseAlarms(row: Row): Promise<number> {
  let count = 0;
  for (let trial = 1; trial <= trials; trial++) {
    for (const subject of subjects) if (await isFound(row, subject, 0, { trial, alone: false })) count++;
  }
  return count;
}

const rows: Row[] = [
  ...([10, 100, 1000].map((size) => ({ where: "on the tape", mode: "full", size }) as const)),
  ...([10, 100, 1000].map((size) => ({ where: "on the tape", mode: "fast", size }) as const)),
  ...([10, 100].map((size) => ({ where: "plain, float64", mode: "full", size }) as const)),
  ...([10, 100].map((size) => ({ where: "plain, float64", mode: "fast", size }) as const)),
  ...([10, 100].map((size) => ({ where: "plain, float32", mode: "full", size }) as const)),
  ...([10, 100].map((size) => ({ where: "plain, float32", mode: "fast", size }) as const)),
];

await useDevice("float64");
const lines = [
  "| function       | mode   | inputs | all elements | one element | right ones called wrong |",
  "| -------------- | ------ | ------ | ------------ | ----------- | ----------------------- |",
];
console.log(lines.join("\n"));
for (const row of rows) {
  const { where, mode, size } = row;
  if (!`${where} ${mode} ${size}`.includes(options.only)) continue;
  const [all, one] = [await threshold(row, false), await threshold(row, true)];
  const alarms = `${await falseAlarms(row)} of ${trials * subjects.length}`;
  const cells = [where.padEnd(14), `\`${mode}\``, size.toLocaleString("en").padEnd(6), all.padEnd(12), one.padEnd(11)];
  lines.push(`| ${[...cells, alarms.padEnd(23)].join(" | ")} |`);
  console.log(lines.at(-1));
}

const [start, end] = ["<!-- measured by npm run bench:thresholds -->", "<!-- end of what is measured -->"];
if (!options["dry-run"]) {
  const path = join(root, "docs", "verifying.md");
  const text = readFileSync(path, "utf8");
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path} lacks the comments that enclose the table`);
  writeFileSync(path, `${text.slice(0, from + start.length)}\n\n${lines.join("\n")}\n\n${text.slice(to)}`);
  console.log(`\nwritten to ${path}`);
}
process.exitCode = 0;
