/**
 * `npm run mutate -- <target>`: changes the source in small ways, one at a time, and runs the target's tests on each. A change that no
 * test notices has survived: a test is missing there, or the change has no effect. Results are kept in .cache/mutation, and a second
 * run tries again only what was changed since.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Stryker } from "@stryker-mutator/core";
import type { SampleOptions } from "./mutate/plugins.ts";
import type { BundleOptions } from "./mutate/runner.ts";
import { root } from "./processes.ts";

interface Target {
  /** The files to change. */
  readonly mutate: readonly string[];
  /** The test files to run, the most telling first. */
  readonly tests: readonly string[];
  /** Which of their tests to leave out: those that take seconds. Every change runs all that are left, until one fails. */
  readonly skip?: string;
  /** The device of those tests that run on each, if there are any. */
  readonly device?: string;
  /** The share of a property's inputs that is tried. */
  readonly runs: number;
}

const targets: Record<string, Target> = {
  affine: { mutate: ["core/affine.ts"], tests: ["tests/core/affine.test.ts"], runs: 0.25 },
  compiler: {
    mutate: ["core/plan/**/*.ts", "core/backends/{render,dialect,functions}.ts"],
    tests: [
      ...["functions", "access", "dominators", "reductions", "loops", "plan", "store", "tiles"].map((name) =>
        `core/${name}`
      ),
      ...["routines", "arguments", "loop", "order", "gamma"].map((name) => `ops/${name}`),
    ].map((name) => `tests/${name}.test.ts`),
    skip:
      "twice the steps|for V8 to optimize|written down once|of [0-9]{4,} elements|40000|2500|a stack and its|parts of what|" +
      "however they are reached",
    device: "float64",
    runs: 0.05,
  },
  numeric: {
    mutate: ["verify/differences/**/*.ts"],
    tests: [
      ...["ladder", "reading", "gradient_errors", "kinks", "first_look", "chebyshev", "line", "smooth", "expected"],
      ...["search", "findings", "fit", "judge", "numeric", "plain_calls", "plain_cases"],
    ].map((name) => `tests/verify/${name}.test.ts`),
    skip:
      "Hilbert|[0-9],000 |large logits|layer normalisation|float32 of a value|saturation|many of the first|same array",
    runs: 0.05,
  },
};
/** All tests of the target as one file, in the copy of the project whose source is changed. */
const BUNDLE = ".bundles/tests.mjs";
const names = Object.keys(targets);
const usage = `Usage: npm run mutate -- <${names.join(" | ")}> [options]

  --mutate <path>    a file, or lines of it as in core/affine.ts:20-40, instead of all of the target; can be repeated
  --sample <n>       tries n changes, drawn at random from all
  --seed <text>      draws others, default 1
  --concurrency <n>  how many tests run side by side; default 1
  --force            tries everything again
  --help             prints this text`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mutate: { type: "string", multiple: true },
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
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
const { mutate, tests, skip = null, device, runs } = targets[name];
// The same inputs each time: a change is judged by what it changes.
process.env.GPUGRAD_SEED ??= "1";
// Most changes show in the first inputs. Try survivors again with GPUGRAD_RUNS=1, as many inputs as npm test draws.
process.env.GPUGRAD_RUNS ??= String(runs);
if (device !== undefined) process.env.GPUGRAD_DEVICE ??= device;
const results = join(".cache", "mutation");
mkdirSync(results, { recursive: true });
const { sample, seed } = options;
const known = sample === undefined ? name : `${name}-${sample}-${seed}`;
const incrementalFile = join(results, `${known}.json`);
forgetSurvivors();

/** Whether a change makes the program run for ever. Stryker says so if iterations exceeded their limit, and not if a change was merely slow. */
function isEndless({ statusReason }: { readonly statusReason?: string }): boolean {
  return statusReason?.startsWith("Hit limit reached") ?? false;
}

/**
 * Bundles hide from Stryker which tests have changed. Where any has, what survived may not survive now; what was found before is taken
 * to be found still. Mutants that took too long may have had to wait for other work, and are tried again in any case.
 */
function forgetSurvivors(): void {
  const state = createHash("sha256").update(`${process.env.GPUGRAD_RUNS} ${process.env.GPUGRAD_SEED}`);
  for (const path of tests) state.update(readFileSync(path));
  const digest = state.digest("hex");
  const stateFile = join(results, `${known}.tests`);
  const isSame = existsSync(stateFile) && readFileSync(stateFile, "utf8") === digest;
  writeFileSync(stateFile, digest);
  if (!existsSync(incrementalFile)) return;
  const report = JSON.parse(readFileSync(incrementalFile, "utf8")) as {
    files: Record<string, { mutants: { status: string; statusReason?: string }[] }>;
  };
  const isOpen = ["Survived", "NoCoverage"];
  for (const file of Object.values(report.files)) {
    file.mutants = file.mutants.filter((mutant) =>
      mutant.status === "Timeout" ? isEndless(mutant) : isSame || !isOpen.includes(mutant.status)
    );
  }
  writeFileSync(incrementalFile, JSON.stringify(report));
}

const settings: ConstructorParameters<typeof Stryker>[0] & BundleOptions & Partial<SampleOptions> = {
  mutate: options.mutate ?? [...mutate],
  plugins: [fileURLToPath(new URL("mutate/plugins.ts", import.meta.url))],
  checkers: sample === undefined ? [] : ["sample"],
  ...(sample === undefined ? {} : { sample: { size: Number(sample), seed } }),
  // The plugins are in TypeScript.
  checkerNodeArgs: ["--import", "tsx"],
  testRunnerNodeArgs: ["--import", "tsx"],
  testRunner: "bundle",
  bundle: { file: BUNDLE, skip },
  buildCommand: `node --import tsx scripts/mutate/bundle.ts ${[BUNDLE, ...tests].join(" ")}`,
  coverageAnalysis: "perTest",
  // Each change leaves its copy of the program in memory.
  maxTestRunnerReuse: 100,
  timeoutFactor: 2,
  timeoutMS: 10_000,
  concurrency: Number(options.concurrency),
  incremental: true,
  incrementalFile,
  force: options.force,
  tempDirName: join(results, `${known}-files`),
  ignorePatterns: [".cache", "demo/out", "docs/api", "dist"],
  reporters: ["clear-text", "progress-append-only", "html"],
  clearTextReporter: { allowColor: process.stdout.isTTY, logTests: false },
  htmlReporter: { fileName: join(results, `${known}.html`) },
};
const mutants = await new Stryker(settings).runMutationTest();
const withStatus = (...among: readonly string[]) => mutants.filter(({ status }) => among.includes(status));
const ended = withStatus("Timeout");
const late = ended.filter((mutant) => !isEndless(mutant));
const found = withStatus("Killed").length + ended.length - late.length;
console.log(scoreText(found, found + withStatus("Survived", "NoCoverage").length));
if (late.length > 0) {
  console.log(
    `${late.length} more were ended by their time limit, which counts as neither; another run tries them again:`,
  );
  for (const { fileName, location: { start } } of late) {
    console.log(`  ${relative(root, fileName)}:${start.line + 1}:${start.column + 1}`);
  }
}

/** The share of changes that tests found; of a sample, with Wilson's interval. */
function scoreText(found: number, tried: number): string {
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  const score = `${name}: ${found} of ${tried} changes found, ${percent(found / tried)}`;
  if (sample === undefined) return score;
  const z = 1.96;
  const [share, spread] = [found / tried, z * z / tried];
  const middle = (share + spread / 2) / (1 + spread);
  const half = Math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread);
  return `${score} (95 %: ${percent(middle - half)} to ${percent(middle + half)}), of ${mutants.length}`;
}
