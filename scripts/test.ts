/**
 * `npm test`: runs the checks, then the tests under Node, Deno, Bun and Chromium, and prints a summary of what ran,
 * failed, and was skipped and why. tests/README.md describes how to write test files for this.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Jobs } from "./jobs.ts";
import { environment, root } from "./processes.ts";
import { parseRequirements, type Requirement, RUNTIMES } from "./requirements.ts";

const parts = ["checks", ...RUNTIMES] as const;
const usage = `Usage: npm test -- [options]

  --only <what>   ${parts.slice(0, -1).join(", ")} or ${parts.at(-1)}; can be repeated
  --files <path>  a test file, or a folder of them; can be repeated
  --name <text>   only tests whose names contain this
  --all           every runtime runs all tests; default: the others share those that need no GPU
  --runs <n>      multiplies the number of runs of every property, and draws new inputs each time
  --soak <calls>  makes this many calls on each device and requires flat memory; only tests/soak
  --slowest <n>   lists this many of the slowest tests
  --help          print this text

GPUGRAD_REQUIRE=cpu,node:headlessgl  fails if a runtime is missing or ran no test on cpu, or Node ran none on headlessgl.
CHROMIUM=/opt/chromium/chrome        the browser to use.
CHROMIUM_FLAGS=--use-angle=vulkan    extra flags for it.`;

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [...parts] },
    files: { type: "string", multiple: true, default: ["tests"] },
    name: { type: "string" },
    runs: { type: "string" },
    soak: { type: "string" },
    all: { type: "boolean", default: false },
    slowest: { type: "string", default: "0" },
    help: { type: "boolean" },
  },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}
for (const only of options.only) {
  if (!(parts as readonly string[]).includes(only)) {
    console.error(`Cannot run only ${JSON.stringify(only)}: --only must be one of ${parts.join(", ")}`);
    process.exit(2);
  }
}
let requirements: Requirement[];
try {
  requirements = parseRequirements(process.env.GPUGRAD_REQUIRE ?? "");
} catch (error) {
  console.error((error as Error).message);
  process.exit(2);
}

process.chdir(root);
// The same inputs each time, so that results only depend on the change; a sweep looks for new ones.
if (options.runs === undefined) environment.GPUGRAD_SEED ??= "1";
else environment.GPUGRAD_RUNS = options.runs;
if (options.soak !== undefined) {
  environment.GPUGRAD_SOAK = options.soak;
  options.files = ["tests/soak"];
}
/** The test files under the given paths. */
function testFiles(): string[] {
  const found = new Set<string>();
  for (const path of options.files) {
    if (!existsSync(path)) continue;
    const entries = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: "utf8" }).map((entry) => join(path, entry))
      : [path];
    for (const entry of entries) {
      if (entry.endsWith(".test.ts")) found.add(relative(root, resolve(entry)).replaceAll("\\", "/"));
    }
  }
  return [...found].sort();
}

const files = testFiles();
const jobs = new Jobs({
  name: options.name,
  minutes: options.runs ?? options.soak ? Infinity : 15,
  soak: options.soak !== undefined,
  all: options.all || options.runs !== undefined || options.soak !== undefined,
}, requirements);
if (options.only.includes("checks")) jobs.addChecks();
for (const runtime of RUNTIMES.filter((runtime) => options.only.includes(runtime))) {
  if (files.length === 0) jobs.report.failures.push(`${runtime}: no test file in ${options.files.join(", ")}`);
  else jobs.addRuntime(runtime, files);
}
await jobs.run();
jobs.report.print(Number(options.slowest));
process.exitCode = jobs.report.failures.length > 0 ? 1 : 0;
