/**
 * `npm run mutate -- <target>`: changes the source in small ways, one at a time, and runs the target's tests on each. A change that no
 * test notices has survived: a test is missing there, or the change has no effect. Results are kept in .cache/mutation, and a second
 * run tries again only what was changed since.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Stryker } from "@stryker-mutator/core";
import { root } from "./processes.ts";

interface Target {
  /** The files to change. */
  readonly mutate: readonly string[];
  /** The test files to run, the most telling first. */
  readonly tests: readonly string[];
  /** Which of their tests to run; all where there is none. */
  readonly pattern?: string;
}

const targets: Record<string, Target> = {
  affine: { mutate: ["core/affine.ts"], tests: ["tests/core/affine.test.ts"] },
  compiler: {
    mutate: ["core/plan/**/*.ts", "core/backends/{render,dialect,functions}.ts"],
    tests: ["tests/core/plan.test.ts", "tests/ops/forward.test.ts", "tests/ops/programs.test.ts"],
    // Kernels are what counts, and two devices without a driver run them.
    pattern: String.raw`^(?!.*\[)|\[(float64|cpu)\]`,
  },
  numeric: {
    mutate: ["verify/differences/**/*.ts"],
    tests: ["tests/verify/numeric.test.ts", "tests/verify/plain_cases.test.ts"],
  },
};
/** Where the bundled tests are, in the copy of the project whose source is changed. */
const BUNDLES = ".bundles";
const names = Object.keys(targets);
const usage = `Usage: npm run mutate -- <${names.join(" | ")}> [options]

  --mutate <path>    a file, or lines of it as in core/affine.ts:20-40, instead of all of the target; can be repeated
  --concurrency <n>  how many tests run side by side; default 1
  --force            tries everything again
  --help             prints this text`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mutate: { type: "string", multiple: true },
    concurrency: { type: "string", default: "1" },
    force: { type: "boolean", default: false },
    help: { type: "boolean" },
  },
});
const [name] = positionals;
if (options.help) {
  console.log(usage);
  process.exit(0);
}
if (positionals.length !== 1 || !Object.hasOwn(targets, name)) {
  console.error(`Expected one target of ${names.join(", ")}, got ${JSON.stringify(positionals.join(" "))}\n\n${usage}`);
  process.exit(2);
}

process.chdir(root);
// The same inputs each time: a change is judged by what it changes.
process.env.GPUGRAD_SEED ??= "1";
// Each property runs some hundred times. Most changes show in the first inputs, so fewer do; what survives is judged by npm test's.
process.env.GPUGRAD_RUNS ??= "0.25";
const { mutate, tests, pattern } = targets[name];
const results = join(".cache", "mutation");
mkdirSync(results, { recursive: true });
// Bundles hide from Stryker which tests have changed. Where any has, what survived may not survive now.
const state = createHash("sha256");
for (const path of tests) state.update(readFileSync(path));
const settings: ConstructorParameters<typeof Stryker>[0] & { tap: Record<string, unknown> } = {
  mutate: options.mutate ?? [...mutate],
  plugins: ["@stryker-mutator/tap-runner"],
  testRunner: "tap",
  tap: {
    testFiles: tests.map((path) => join(BUNDLES, path.replace(/ts$/, "mjs"))),
    nodeArgs: [
      "--require",
      "{{hookFile}}",
      "--test-reporter=tap",
      ...(pattern === undefined ? [] : [`--test-name-pattern=${pattern}`]),
      "{{testFile}}",
    ],
    forceBail: true,
  },
  // One file for each test file starts in a quarter of the time that loading all its sources takes.
  buildCommand: [
    ...[
      "esbuild",
      ...tests,
      "--bundle",
      "--platform=node",
      "--format=esm",
      "--packages=external",
      "--log-level=warning",
    ],
    ...["--outbase=.", `--outdir=${BUNDLES}`, "--out-extension:.js=.mjs"],
  ].join(" "),
  coverageAnalysis: "perTest",
  // A machine that is busy with other work must not pass for a test that found something.
  timeoutFactor: 3,
  timeoutMS: 20_000,
  concurrency: Number(options.concurrency),
  incremental: true,
  incrementalFile: join(results, `${name}-${state.digest("hex").slice(0, 8)}.json`),
  force: options.force,
  tempDirName: join(results, `${name}-files`),
  ignorePatterns: [".cache", "demo/out", "docs/api", "dist"],
  reporters: ["clear-text", "progress-append-only", "html"],
  clearTextReporter: { allowColor: process.stdout.isTTY, logTests: false },
  htmlReporter: { fileName: join(results, `${name}.html`) },
};
await new Stryker(settings).runMutationTest();
