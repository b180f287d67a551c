/**
 * Times gpugrad beside PyTorch, TensorFlow.js, jax-js, js-pytorch, plain JavaScript and the limit of copying, in turns.
 *
 *   npm run bench -- [loss] [losses] [ops] [options]
 *
 * `npm run bench -- --help` lists the options; docs/bench.md says what is measured.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { entrants } from "./harness/entrants.ts";
import { chosenRows, HELP, readOptions } from "./harness/options.ts";
import { commit, machine, type Report, type ReportRow } from "./harness/report.ts";
import { nameOf, Shared } from "./harness/row.ts";
import { outcomesTable } from "./harness/table.ts";
import { measureRow } from "./harness/turns.ts";

const options = readOptions(process.argv.slice(2));
if (options.help) {
  console.log(HELP);
  process.exit(0);
}

const folder = await mkdtemp(join(tmpdir(), "gpugrad-bench-"));
const contestants = entrants({ ...options, folder });
try {
  const about = await Promise.all(contestants.map(async (contestant) => {
    const { label, kind, script, threads } = contestant;
    return { label, kind, script, threads, ...await contestant.about() };
  }));
  for (const one of about) {
    console.log(`${one.label}: ${"cannot" in one ? one.cannot : `${one.version}; ${one.configuration}`}`);
  }
  const shared = new Shared(folder);
  const rows: ReportRow[] = [];
  for (const row of chosenRows(options)) {
    const measured = await measureRow(row, contestants, shared, options.effort);
    console.log(`\n${nameOf(row)}`);
    for (const mismatch of measured.mismatches) console.log(`  WRONG, not timed: ${mismatch}`);
    console.log(outcomesTable(measured.outcomes, contestants));
    if (measured.mismatches.length > 0) process.exitCode = 1;
    const { subject: { group, name }, sizes, mode } = row;
    rows.push({ name: nameOf(row), group, subject: name, sizes, mode, ...measured });
  }
  const report: Report = {
    format: 1,
    date: new Date().toISOString(),
    commit: commit(),
    quick: options.quick,
    machine: machine(),
    entrants: about,
    rows,
    growth: [],
  };
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  await Promise.all(contestants.map((contestant) => contestant.stop()));
  await rm(folder, { recursive: true });
}
