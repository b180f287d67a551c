/**
 * The measurements of the documents: runs the bench, keeps what it found in docs/performance.json, and writes the tables of README.md
 * and docs/performance.md from it. The machine should have nothing else to do.
 *
 *   npm run bench:record                measure, then write the tables
 *   npm run bench:record -- --no-run    write the tables from the JSON that is there
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { writePart } from "../scripts/generated.ts";
import { root, run } from "../scripts/processes.ts";
import { mediansPart, ratiosPart } from "./harness/markdown.ts";
import { RECORD, type Report } from "./harness/report.ts";

const COMMAND = "npm run bench:record";

/** Losses as users write them, whose gradients are read, and ops, whose results other ops take. */
const SELECTIONS = [
  ["loss", "--mode", "resident,read"],
  ["losses", "--mode", "read"],
  ["ops", "--mode", "resident"],
] as const;

const { values: { run: measures } } = parseArgs({
  options: { run: { type: "boolean", default: true } },
  allowNegative: true,
});
process.chdir(root);
if (measures) writeFileSync(RECORD, `${JSON.stringify(await measured(), null, 2)}\n`);
const report = JSON.parse(readFileSync(RECORD, "utf8")) as Report;
writePart("README.md", COMMAND, ratiosPart(report));
writePart("docs/performance.md", COMMAND, mediansPart(report));

/** Measures everything that the documents show, as one report; the contestants are the same in each run. */
async function measured(): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "gpugrad-record-"));
  try {
    const reports: Report[] = [];
    for (const selection of SELECTIONS) {
      const file = join(folder, `${reports.length}.json`);
      // On two threads, which every machine has: the tables compare one device.
      const args = ["--import", "tsx", "bench/main.ts", ...selection, "--quick", "--threads", "2", "--json", file];
      const { problem } = await run(process.execPath, args, { minutes: 30, live: true });
      if (problem !== null) throw new Error(`the bench of ${selection[0]}: ${problem}`);
      reports.push(JSON.parse(readFileSync(file, "utf8")) as Report);
    }
    return { ...reports[0], rows: reports.flatMap(({ rows }) => rows) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
