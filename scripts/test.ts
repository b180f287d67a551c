/**
 * `npm test`: runs the checks, then the tests under Node, Deno, Bun and Chromium, and prints a summary of what ran,
 * failed, and was skipped and why. tests/README.md describes how to write test files for this.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runInChromium } from "./browser.ts";
import { environment, root, run } from "./processes.ts";
import { Report } from "./report.ts";
import { parseRequirements, requiredIn, type Requirement, RUNTIMES } from "./requirements.ts";
import { type Runner, runTests, versionOf } from "./runners.ts";

const parts = ["checks", ...RUNTIMES] as const;
const usage = `Usage: npm test -- [options]

  --only <what>   ${parts.slice(0, -1).join(", ")} or ${parts.at(-1)}; can be repeated
  --files <path>  a test file, or a folder of them; can be repeated
  --name <text>   only tests whose names contain this
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
/** Minutes after which a runner, or a file in a browser, is considered hung. */
const [runnerMinutes, pageMinutes] = options.runs ?? options.soak ? [Infinity, Infinity] : [30, 30];
/** If anything is required, so are all the programs that could run it. */
const strict = requirements.length > 0;
const report = new Report();

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

/** Name, command and arguments; those that take long come first. */
const checks: [string, string, string[]][] = [
  ["tsc", "tsc", []],
  // What Deno's users get; tsc checks all the rest.
  ["deno check", "deno", ["check", "--quiet", "mod.ts", "core", "ops", "loss", "verify", "bin"]],
  ["dependency-cruiser", "depcruise", ["."]],
  ["oxlint", "oxlint", []],
  ["deno lint", "deno", ["lint"]],
  ["deno fmt", "deno", ["fmt", "--check"]],
];

async function runChecks(): Promise<void> {
  const deno = versionOf("deno");
  const queue = [...checks];
  // Each works on one core, most of the time.
  await Promise.all([1, 2].map(async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [name, command, args] = next;
      if (command === "deno" && "missing" in deno) report.missingCheck(name, deno.missing, strict);
      else {
        const { problem, seconds } = await run(command, args, 15);
        report.check(name, problem, seconds);
      }
    }
  }));
}

async function runRuntime(runtime: Runner, files: readonly string[]): Promise<void> {
  const version = versionOf(runtime);
  if ("missing" in version) return report.missingRuntime(runtime, version.missing, strict);
  const { results, problems, seconds } = await runTests(runtime, files, {
    name: options.name,
    minutes: runnerMinutes,
    soak: options.soak !== undefined,
  });
  for (const problem of problems) report.failures.push(`${runtime}: ${problem}`);
  const label = `${runtime} ${version.version}`;
  report.tests(runtime, results, { label, seconds, required: requiredIn(runtime, requirements) });
}

async function runBrowser(files: readonly string[]): Promise<void> {
  const outcome = await runInChromium(files, {
    name: options.name,
    minutes: pageMinutes,
    soak: options.soak !== undefined,
    env: Object.fromEntries(
      Object.entries(environment).filter(([name]) => /^GPUGRAD_(SEED|PATH|RUNS|SOAK)$/.test(name)),
    ),
  });
  if ("missing" in outcome) return report.missingRuntime("chromium", outcome.missing, strict);
  for (const [reason, left] of outcome.left) report.leaveOut(`not in Chromium, ${reason}`, left);
  const required = requiredIn("chromium", requirements);
  for (const { label, only, results, problems, seconds } of outcome.pages) {
    for (const problem of problems) report.failures.push(`${label}: ${problem}`);
    report.tests(label, results, {
      label: label.replace("chromium", `chromium ${outcome.version}`),
      seconds,
      required: only === undefined ? required : required.filter((backend) => backend === only),
    });
  }
}

if (options.only.includes("checks")) await runChecks();
const runtimes = RUNTIMES.filter((runtime) => options.only.includes(runtime));
const files = testFiles();
if (files.length === 0) {
  for (const runtime of runtimes) report.failures.push(`${runtime}: no test file in ${options.files.join(", ")}`);
} else {
  for (const runtime of runtimes) {
    if (runtime === "chromium") {
      // A browser that does not start must not cost the summary of the other runs.
      await runBrowser(files).catch((error: Error) => {
        console.error(error.stack);
        report.failures.push(`chromium: ${error.message.split("\n")[0]}; see its output above`);
      });
    } else await runRuntime(runtime, files);
  }
}
report.print(Number(options.slowest));
process.exitCode = report.failures.length > 0 ? 1 : 0;
