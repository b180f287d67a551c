/**
 * `npm test`: the checks, then the tests under Node, Deno and Bun, then one summary of what ran, what failed, and what was
 * skipped and why. tests/README.md says how test files are written so that this can be told.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { delimiter, join, relative, resolve } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { XMLParser } from "fast-xml-parser";

const usage = `Usage: npm test -- [options]

  --only <what>   checks, node, deno or bun; can be repeated
  --files <path>  a test file, or a folder of them; can be repeated
  --name <text>   tests with this in their names
  --runs <n>      multiplies the number of runs of every property, and draws new inputs each time
  --help          print this text

GPUGRAD_REQUIRE=float64,cpu  fails where a runtime is missing or has run no test on one of these backends.`;

const parts = ["checks", "node", "deno", "bun"] as const;
type Part = typeof parts[number];
type Runtime = Exclude<Part, "checks">;

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [...parts] },
    files: { type: "string", multiple: true, default: ["tests"] },
    name: { type: "string" },
    runs: { type: "string" },
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

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);
const required = (process.env.GPUGRAD_REQUIRE ?? "").split(",").map((name) => name.trim()).filter((name) =>
  name !== ""
);
/** Minutes after which a runner is taken to hang. */
const patience = options.runs === undefined ? 15 : Infinity;
const environment = {
  ...process.env,
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  DENO_JOBS: "2",
  DENO_NO_UPDATE_CHECK: "1",
  // The same inputs each time, so that a change is judged by what it changes; a sweep looks for new ones.
  ...(options.runs === undefined ? { GPUGRAD_SEED: process.env.GPUGRAD_SEED ?? "1" } : { GPUGRAD_RUNS: options.runs }),
  ...(process.stdout.isTTY ? {} : { NO_COLOR: "1" }),
};

/** Passes output on, with the dots that Deno writes on lines of their own joined into lines. */
async function joinDots(output: Readable): Promise<void> {
  let inDots = false;
  for await (const line of createInterface({ input: output })) {
    const isDot = /^[.,!]$/.test(line);
    if (inDots && !isDot) process.stdout.write("\n");
    process.stdout.write(isDot ? line : `${line}\n`);
    inDots = isDot;
  }
}

/** Runs a command with its output on the terminal. */
async function run(command: string, args: string[]): Promise<{ problem: string | null; seconds: number }> {
  const shown = [command === process.execPath ? "node" : command, ...args.slice(0, 3)].join(" ");
  console.log(`\n> ${shown}${args.length > 3 ? " ..." : ""}`);
  const start = performance.now();
  const dotted = command === "deno" && args[0] === "test";
  const child = spawn(command, args, { env: environment, stdio: ["ignore", dotted ? "pipe" : "inherit", "inherit"] });
  const output = child.stdout ? joinDots(child.stdout) : undefined;
  let late = false;
  const timer = Number.isFinite(patience)
    ? setTimeout(() => (late = true, child.kill("SIGKILL")), patience * 60_000)
    : undefined;
  const problem = await new Promise<string | null>((done) => {
    child.on("error", (error) => done(`could not be started: ${error.message}`));
    child.on("close", (code, signal) => {
      if (late) done(`was stopped after ${patience} minutes`);
      else done(code === 0 ? null : code === null ? `was ended by ${signal}` : `exited with code ${code}`);
    });
  });
  await output;
  clearTimeout(timer);
  return { problem, seconds: (performance.now() - start) / 1000 };
}

/** The version of a runtime, or why it cannot be used. */
function versionOf(runtime: Runtime): { version: string } | { missing: string } {
  if (runtime === "node") return { version: process.versions.node };
  const { error, status, stdout, stderr } = spawnSync(runtime, ["--version"], { env: environment, encoding: "utf8" });
  if (error) return { missing: `${runtime} is not installed` };
  const text = stdout.match(/\d+\.\d+\.\d+\S*/)?.[0];
  if (status === 0 && text) return { version: text };
  return { missing: `${runtime} does not start: ${(stderr + stdout).trim().split("\n")[0]}` };
}

/** The test files under the paths that were asked for. */
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

/** What one test came to. */
interface Result {
  name: string;
  /** The backend that the name ends with, `exp agrees with the oracle [webasm]`; empty where there is none. */
  backend: string;
  status: "passed" | "failed" | "skipped";
  /** Why it was skipped, or the first line of the failure. */
  detail: string;
}

interface Case {
  "@name": string;
  failure?: Detail | Detail[];
  error?: Detail | Detail[];
  skipped?: Detail | Detail[];
}
type Detail = string | { "@message"?: string; "#text"?: string };
interface Suite {
  "@name"?: string;
  testsuite?: Suite[];
  testcase?: Case[];
}

/** Reads the report of a runner: the tests, and the files that are missing from it. */
function readReport(runtime: Runtime, path: string): { results: Result[]; unreported: string[] } {
  if (!existsSync(path)) return { results: [], unreported: files };
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
    parseAttributeValue: false,
    htmlEntities: true,
    isArray: (name) => name === "testsuite" || name === "testcase",
  });
  const results: Result[] = [];
  const visit = (suite: Suite, above: string[]): void => {
    for (const test of suite.testcase ?? []) results.push(readCase(test, above));
    for (const inner of suite.testsuite ?? []) visit(inner, [...above, inner["@name"] ?? ""]);
  };
  const { testsuites } = parser.parse(readFileSync(path, "utf8")) as { testsuites?: Suite | "" };
  if (!testsuites) return { results: [], unreported: files };
  // Deno and Bun wrap each file in a suite and leave out files that do not load. Node has no such suites, and reports those files
  // as failed tests.
  const suites = testsuites.testsuite ?? [];
  const reported = new Set(suites.map((suite) => (suite["@name"] ?? "").replace(/^\.\//, "")));
  if (runtime === "node") visit(testsuites, []);
  else for (const file of suites) visit(file, []);
  // Deno also lists each `describe` as a test of its own.
  const groups = new Set<string>();
  for (const { name } of results) {
    for (let at = name.indexOf(" > "); at >= 0; at = name.indexOf(" > ", at + 1)) groups.add(name.slice(0, at));
  }
  return {
    results: results.filter(({ name, status }) => status === "failed" || !groups.has(name)),
    unreported: runtime === "node" || options.name !== undefined ? [] : files.filter((file) => !reported.has(file)),
  };
}

function readCase(test: Case, above: string[]): Result {
  const name = [...above, test["@name"].replace(root, "")].join(" > ");
  // skip() of tests/support/skip.ts puts the reason into the name, since only Node's report carries it.
  const [, , backend = "", reason = ""] = name.match(/^(.*?)(?: \[(\w+)\])?(?: \(skipped: (.*)\))?$/s) ?? [];
  const failure = test.failure ?? test.error;
  if (failure !== undefined) {
    return { name, backend, status: "failed", detail: textOf(failure).split("\n")[0].slice(0, 160) };
  }
  if (test.skipped === undefined) return { name, backend, status: "passed", detail: "" };
  const given = textOf(test.skipped);
  return { name, backend, status: "skipped", detail: given && given !== "true" ? given : reason };
}

function textOf(detail: Detail | Detail[]): string {
  const one = Array.isArray(detail) ? detail[0] : detail;
  return (typeof one === "string" ? one : one["@message"] ?? one["#text"] ?? "").trim();
}

/** Columns, padded. */
function table(rows: string[][]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i])).join("  ")}`.trimEnd()).join("\n");
}

const failures: string[] = [];
const counted = new Map<string, Runtime[]>();
const skips = new Map<string, Map<string, number>>();
let passed = 0, skipped = 0;

/** Notes that something did not run, and why. */
function noteSkip(reason: string, where: string): void {
  skipped++;
  const places = skips.get(reason) ?? new Map<string, number>();
  skips.set(reason, places.set(where, (places.get(where) ?? 0) + 1));
}

const checks: [string, string, string[]][] = [
  ["deno fmt", "deno", ["fmt", "--check"]],
  ["deno lint", "deno", ["lint"]],
  ["deno check", "deno", ["check"]],
  ["tsc", "tsc", []],
  ["dependency-cruiser", "depcruise", ["."]],
];
const checkRows: string[][] = [];
const testRows: string[][] = [];

if (options.only.includes("checks")) {
  const deno = versionOf("deno");
  for (const [name, command, args] of checks) {
    if (command === "deno" && "missing" in deno) {
      if (required.length === 0) noteSkip(deno.missing, name);
      else failures.push(`${name}: ${deno.missing}`);
      checkRows.push([name, required.length === 0 ? "skipped" : "failed", ""]);
      continue;
    }
    const { problem, seconds } = await run(command, args);
    if (problem === null) passed++;
    else failures.push(`${name}: ${problem}; see its output above`);
    checkRows.push([name, problem === null ? "passed" : "failed", `${seconds.toFixed(1)} s`]);
  }
}

const files = testFiles();
mkdirSync(".cache", { recursive: true });
const reports = mkdtempSync(join(".cache", "reports-"));
/** `--name` as a regular expression. */
const pattern = options.name?.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&");
/** How each runtime runs the test files and reports on them. */
const runners: Record<Runtime, (report: string) => [string, string[]]> = {
  node: (report) => [process.execPath, [
    ...["--test", "--import", "tsx", "--test-concurrency=2"],
    ...["--test-reporter=dot", "--test-reporter-destination=stdout"],
    ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
    ...(pattern === undefined ? [] : [`--test-name-pattern=${pattern}`]),
    ...files,
  ]],
  deno: (report) => ["deno", [
    ...["test", "--allow-all", "--no-check", "--parallel", "--reporter=dot", `--junit-path=${report}`],
    ...(pattern === undefined ? [] : [`--filter=/${pattern}/`]),
    ...files,
  ]],
  bun: (report) => ["bun", [
    ...["test", "--timeout=120000", "--parallel=2", "--dots", "--reporter=junit", `--reporter-outfile=${report}`],
    ...(pattern === undefined ? [] : [`--test-name-pattern=${pattern}`]),
    ...files.map((file) => `./${file}`),
  ]],
};
/** Node's report is the one that says why a test was skipped; a test of the same name was skipped for the same reason. */
const reasons = new Map<string, string>();

for (const runtime of ["node", "deno", "bun"] as const) {
  if (!options.only.includes(runtime)) continue;
  const version = versionOf(runtime);
  if ("missing" in version) {
    if (required.length === 0) noteSkip(version.missing, `all tests under ${runtime}`);
    else failures.push(`${runtime}: ${version.missing}`);
    testRows.push([runtime, "", "", "", required.length === 0 ? "not run" : "missing", ""]);
    continue;
  }
  if (files.length === 0) {
    failures.push(`${runtime}: no test file in ${options.files.join(", ")}`);
    continue;
  }
  const report = join(reports, `${runtime}.xml`);
  const { problem, seconds } = await run(...runners[runtime](report));
  const { results, unreported } = readReport(runtime, report);
  const counts = new Map<string, Record<Result["status"], number>>();
  for (const { name, backend, status, detail } of results) {
    const count = counts.get(backend) ?? { passed: 0, failed: 0, skipped: 0 };
    counts.set(backend, count);
    count[status]++;
    if (status === "passed") {
      passed++;
      // Tests that count what others found say so in their names.
      if (/^\d+ of \d+ /.test(name)) counted.set(name, [...(counted.get(name) ?? []), runtime]);
    } else if (status === "failed") failures.push(`${runtime}: ${name}${detail && `: ${detail}`}`);
    else {
      if (detail && !reasons.has(name)) reasons.set(name, detail);
      noteSkip(detail || reasons.get(name) || `${name}: no reason given`, runtime);
    }
  }
  for (const file of unreported) failures.push(`${runtime}: ${file} did not load or has no test; see the output above`);
  if (results.length === 0) failures.push(`${runtime}: no test was reported`);
  else if (problem !== null && unreported.length === 0 && !results.some(({ status }) => status === "failed")) {
    failures.push(`${runtime}: the runner ${problem} although no test failed; see its output above`);
  }
  for (const backend of required) {
    const count = counts.get(backend);
    if (!count || count.passed + count.failed === 0) {
      failures.push(`${runtime}: no test ran on ${backend}, which is required`);
    }
  }
  const label = [`${runtime} ${version.version}`, `${seconds.toFixed(1)} s`];
  for (const [backend, count] of [...counts].sort(([a], [b]) => a < b ? -1 : 1)) {
    const [name, time] = label.splice(0);
    const cells = [backend || "no backend", count.passed, count.failed, count.skipped].map(String);
    testRows.push([name ?? "", ...cells, time ?? ""]);
  }
  if (counts.size === 0) testRows.push([label[0], "", "0", "0", "0", label[1]]);
}
rmSync(reports, { recursive: true, force: true });

console.log("\nSummary");
if (checkRows.length > 0) console.log(`\n${table([["check", "", ""], ...checkRows])}`);
if (testRows.length > 0) {
  console.log(`\n${table([["runtime", "backend", "passed", "failed", "skipped", ""], ...testRows])}`);
}
if (counted.size > 0) {
  console.log(`\nCounted\n${[...counted].map(([name, where]) => `  ${name} (${where.join(", ")})`).join("\n")}`);
}
if (skips.size > 0) {
  console.log("\nSkipped");
  for (const [reason, places] of skips) {
    console.log(`  ${reason} (${[...places].map(([where, n]) => n === 1 ? where : `${where}: ${n}`).join(", ")})`);
  }
}
if (failures.length > 0) console.log(`\nFailed\n${failures.map((line) => `  ${line}`).join("\n")}`);
console.log(`\n${passed} passed, ${failures.length} failed, ${skipped} skipped`);
process.exitCode = failures.length > 0 ? 1 : 0;
