/** `gpugrad merge`: merges the reports of shards into one. */
import { readFile } from "node:fs/promises";
import { mergeRuns } from "../verify/blocks.ts";
import { parseReport } from "../verify/report/json.ts";
import type { RunReport } from "../verify/report/report.ts";
import { output, requireWritable } from "./output.ts";
import { CommandError, parse } from "./arguments.ts";

const help = `Usage: gpugrad merge REPORT.json... [options]

Merges the reports written by 'gpugrad check FILE --seed S --shard i/n --json REPORT.json' on several
machines, one for each i from 1 to n, into the report of a single run.

Options:
  --json FILE  write the merged report as JSON
  --html FILE  write it as an HTML page
  -h, --help   print this text

Exit code: 0 all right, 1 a gradient is wrong, 2 something could not be checked.`;

/** Runs the command and returns the exit code. */
export async function merge(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { json: { type: "string" }, html: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (positionals.length === 0) {
    throw new CommandError("merge: expected reports to merge: gpugrad merge REPORT.json...");
  }
  await requireWritable(values, positionals);
  const runs = await Promise.all(positionals.map(read));
  let merged: RunReport;
  try {
    merged = mergeRuns(runs);
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
  return await output(merged, values);
}

async function read(path: string): Promise<RunReport> {
  try {
    return parseReport(await readFile(path, "utf8"));
  } catch (error) {
    throw new CommandError(`${path}: ${(error as Error).message}`);
  }
}
