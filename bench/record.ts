/**
 * The measurements of the documents: runs the bench, keeps what it found in docs/performance.json, and writes the tables of README.md
 * and docs/performance.md from it. The machine should have nothing else to do.
 *
 *   npm run bench:record                measure, then write the tables
 *   npm run bench:record -- --no-run    write the tables from the JSON that is there
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { writePart } from "../scripts/generated.ts";
import { root, run } from "../scripts/processes.ts";
import { mediansPart, ratiosPart } from "./harness/markdown.ts";
import { RECORD, type Report } from "./harness/report.ts";

const { values: { run: measures } } = parseArgs({
  options: { run: { type: "boolean", default: true } },
  allowNegative: true,
});
process.chdir(root);
if (measures) {
  // Threads as the machine has them: the tables compare one device, and PyTorch at its fastest.
  const selection = ["loss", "losses", "ops", "--quick", "--threads", "2", "--mode", "resident,read", "--json", RECORD];
  const { problem } = await run(process.execPath, ["--import", "tsx", "bench/main.ts", ...selection], {
    minutes: 30,
    live: true,
  });
  if (problem !== null) throw new Error(`the bench: ${problem}`);
}
const report = JSON.parse(readFileSync(join(root, RECORD), "utf8")) as Report;
writePart("README.md", "npm run bench:record", ratiosPart(report));
writePart("docs/performance.md", "npm run bench:record", mediansPart(report));
