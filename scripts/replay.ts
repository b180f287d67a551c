/**
 * `npm run replay`: plans every case of the registry, the SSD loss and generated programs for every target, without a
 * device, and writes the kernel texts, or compares them with those of another commit. Used to review changes of the
 * compiler.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkOut, ReplayError } from "./replay/checkout.ts";
import { compare } from "./replay/compare.ts";
import type { Dump, Filter } from "./replay/dump.ts";
import { reportText } from "./replay/report.ts";
import { TARGETS } from "./replay/tree.ts";

const usage = `Usage: npm run replay -- [options]

Writes the kernels of all cases to a folder; with --against, compares them with those of another commit.

  --against <rev>   a commit, or a folder with another checkout; exits with 1 if a kernel differs
  --only <case>     a part of a case's name, or a glob: op/log1p, 'op/*/0/gradient', ssd, 'program/exact/*/value'
  --target <name>   ${TARGETS.join(", ")}; can be repeated
  --out <folder>    the output folder, a file per case; default .cache/replay, or none with --against
  --verbose         show all changes, and all cases of each
  --help            print this text`;

const root = fileURLToPath(new URL("..", import.meta.url));
const running = new Set<ChildProcess>();
const leftovers: (() => void)[] = [];

function cleanUp(): void {
  for (const remove of leftovers.splice(0)) remove();
}

process.on("exit", cleanUp);
// If the pager was closed, there is nothing left to do.
process.stdout.on("error", () => process.exit(2));
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    for (const child of running) child.kill("SIGKILL");
    process.exit(130);
  });
}

function options() {
  try {
    return parseArgs({
      options: {
        against: { type: "string" },
        only: { type: "string" },
        target: { type: "string", multiple: true, default: [...TARGETS] },
        out: { type: "string" },
        verbose: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new ReplayError((error as Error).message);
  }
}

/** The kernels of the sources in a folder, planned in a separate process. */
async function dumpOf(folder: string, temporary: string, filter: Filter): Promise<Dump> {
  const to = join(mkdtempSync(join(temporary, "dump-")), "dump.json");
  const script = join(root, "scripts/replay/dump_process.ts");
  const args = ["--import", "tsx", script, resolve(folder), to, JSON.stringify(filter)];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  running.add(child);
  const code = await new Promise<number | null>((done, fail) => {
    child.on("error", fail);
    child.on("close", done);
  });
  running.delete(child);
  if (code !== 0) throw new ReplayError(`cannot replay the sources in ${folder}: see above`);
  return JSON.parse(readFileSync(to, "utf8"));
}

/** Writes a file per case, with the kernels of all targets. */
function write(dump: Dump, folder: string): void {
  for (const [name, targets] of Object.entries(dump)) {
    const path = join(folder, `${name}.txt`);
    mkdirSync(dirname(path), { recursive: true });
    const sections = Object.entries(targets).flatMap(([target, texts]) =>
      Object.entries(texts).map(([label, text]) => `[${target}] ${label}\n${text}\n`)
    );
    writeFileSync(path, sections.join("\n"));
  }
}

/** A one-line summary of the replay. */
function summary(dump: Dump, start: number): string {
  const plans = Object.values(dump).flatMap((targets) => Object.values(targets));
  const kernels = plans.reduce(
    (sum, texts) => sum + (texts.error === undefined ? Object.keys(texts).length - 1 : 0),
    0,
  );
  const failed = plans.filter((texts) => texts.error !== undefined).length;
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  return `${Object.keys(dump).length} cases, ${kernels} kernels${
    failed ? `, ${failed} without a plan` : ""
  }, ${seconds} s`;
}

async function main(): Promise<number> {
  const { against, only, target: targets, out, verbose, help } = options();
  if (help) {
    console.log(usage);
    return 0;
  }
  for (const target of targets) {
    if (!TARGETS.includes(target)) {
      throw new ReplayError(`--target: expected one of ${TARGETS.join(", ")}, got ${JSON.stringify(target)}`);
    }
  }
  const start = performance.now();
  const temporary = mkdtempSync(join(tmpdir(), "gpugrad-replay-"));
  leftovers.push(() => rmSync(temporary, { recursive: true, force: true }));
  const other = against === undefined ? null : checkOut(root, against);
  if (other) leftovers.push(other.remove);
  const [after, before] = await Promise.all(
    [root, ...(other ? [other.folder] : [])].map((folder) => dumpOf(folder, temporary, { only, targets })),
  );
  if (Object.keys(after).length === 0 && Object.keys(before ?? {}).length === 0) {
    throw new ReplayError(`--only: no case is called ${JSON.stringify(only)}`);
  }
  if (!other) {
    const ours = join(root, ".cache", "replay");
    if (out === undefined) rmSync(ours, { recursive: true, force: true });
    const folder = out ?? ours;
    write(after, folder);
    console.log(`${summary(after, start)}; written to ${folder}`);
    return 0;
  }
  if (out !== undefined) {
    write(before, join(out, "before"));
    write(after, join(out, "after"));
  }
  const comparison = compare(before, after);
  const colours = process.stdout.isTTY && !process.env.NO_COLOR;
  console.log(reportText(comparison, { colours, verbose }));
  const outcome = comparison.changes.length === 0 ? "nothing changed" : `${comparison.changes.length} kinds of change`;
  console.log(`against ${other.label}: ${outcome}; ${summary(after, start)}`);
  return comparison.changes.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof ReplayError ? `replay: ${error.message}` : error);
  process.exitCode = 2;
}
