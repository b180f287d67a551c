/**
 * Times gpugrad beside PyTorch, TensorFlow.js, jax-js, js-pytorch, plain JavaScript and the limit of copying, in turns.
 *
 *   npm run bench -- [loss] [losses] [ops] [growth] [memory] [options]
 *
 * `npm run bench -- --help` lists the options; bench/README.md says what is measured and how.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { openDisplay } from "../scripts/display.ts";
import { vulkan } from "../scripts/runners.ts";
import { changesText } from "./harness/changes.ts";
import type { Contestant } from "./harness/contestant.ts";
import { entrants } from "./harness/entrants.ts";
import { growing, growthOf, growthText, rowsOf } from "./harness/growth.ts";
import { chosenRows, HELP, type Options, readOptions } from "./harness/options.ts";
import { Pages } from "./harness/page.ts";
import { commit, type Growth, machine, type Report, type ReportRow } from "./harness/report.ts";
import { nameOf, type Row, Shared, takesPart } from "./harness/row.ts";
import { summaryOf } from "./harness/summary.ts";
import { outcomesTable, refusalLines } from "./harness/table.ts";
import { type Measured, measureRow } from "./harness/turns.ts";
import { measureMemory } from "./memory.ts";

/** Measures a row and prints it. */
async function measured(
  row: Row,
  contestants: readonly Contestant[],
  { shared, effort }: Measuring,
): Promise<Measured> {
  const found = await measureRow(row, contestants.filter(({ kind }) => takesPart(row, kind)), shared, effort);
  console.log(`\n${nameOf(row)}`);
  for (const mismatch of found.mismatches) console.log(`  WRONG, not timed: ${mismatch}`);
  console.log(outcomesTable(found.outcomes, contestants));
  for (const line of refusalLines(found.outcomes)) console.log(`  ${line}`);
  if (found.mismatches.length > 0) process.exitCode = 1;
  return found;
}

interface Measuring {
  readonly shared: Shared;
  readonly effort: Options["effort"];
}

function reportRow(row: Row, found: Measured): ReportRow {
  const { subject: { group, name }, sizes, mode } = row;
  return { name: nameOf(row), group, subject: name, sizes, mode, ...found };
}

async function measureGrowth(contestants: readonly Contestant[], quick: boolean, how: Measuring): Promise<Growth[]> {
  // PyTorch, beside it, shows whether times grow at a size in any implementation.
  const some = contestants.filter(({ kind, label }) => kind === "gpugrad" || label.startsWith("PyTorch"));
  const all: Growth[] = [];
  for (const subject of growing(quick)) {
    const found: Measured[] = [];
    for (const row of rowsOf(subject)) found.push(await measured(row, some, how));
    all.push(...growthOf(subject, found));
  }
  console.log(`\nHow times grow\n${growthText(all)}`);
  return all;
}

async function run(options: Options, contestants: readonly Contestant[], folder: string): Promise<Report> {
  const { groups, quick, effort } = options;
  const about = await Promise.all(contestants.map(async (contestant) => {
    const { label, kind, script, threads } = contestant;
    return { label, kind, script, threads, ...await contestant.about() };
  }));
  for (const one of about) {
    console.log(`${one.label}: ${"cannot" in one ? one.cannot : `${one.version}; ${one.configuration}`}`);
  }
  const how: Measuring = { shared: new Shared(folder), effort };
  const rows: ReportRow[] = [];
  for (const row of chosenRows(options)) rows.push(reportRow(row, await measured(row, contestants, how)));
  const growth = groups.includes("growth") ? await measureGrowth(contestants, quick, how) : [];
  for (const own of contestants.filter(({ kind }) => kind === "gpugrad")) {
    console.log(`\n${summaryOf(own, rows, contestants)}`);
  }
  const date = new Date().toISOString();
  return { format: 1, date, commit: commit(), quick, machine: machine(), entrants: about, rows, growth, memory: [] };
}

const options = readOptions(process.argv.slice(2));
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const before = options.compare === undefined ? null : JSON.parse(readFileSync(options.compare, "utf8")) as Report;
const folder = await mkdtemp(join(tmpdir(), "gpugrad-bench-"));
const pages = new Pages(folder);
const timesAny = options.groups.some((group) => group !== "memory");
const display = options.devices.includes("headlessgl") ? await openDisplay() : null;
const env = (runtime: string, device: string) => ({
  ...(device === "headlessgl" ? display?.env : {}),
  ...(device === "webgpu" && runtime !== "deno" ? vulkan(runtime as "node" | "bun", folder) : {}),
});
const contestants = timesAny ? entrants({ ...options, folder, pages, env }) : [];
try {
  const timed = await run(options, contestants, folder);
  const memory = options.groups.includes("memory") ? await measureMemory(options.batches) : [];
  const report: Report = { ...timed, memory };
  if (before !== null) console.log(`\n${changesText(before, report)}`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  await Promise.all(contestants.map((contestant) => contestant.stop()));
  await pages.close();
  display?.close();
  await rm(folder, { recursive: true });
}
// Threads of devices may still wait.
process.exit();
