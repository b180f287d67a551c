/** Runs the test files under Node, each in its own process, from bundles. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { bundleForNode } from "./bundle.ts";
import { readReport } from "./junit.ts";
import { announce, environment, execute, output, root } from "./processes.ts";
import type { Outcome } from "./results.ts";

/** Files that load sources while they run; those run through tsx. */
const FROM_SOURCES = [
  "tests/tooling/copies.test.ts",
  "tests/tooling/examples.test.ts",
  "tests/tooling/libraries.test.ts",
];

/** Files that take long are started first, so that no process works alone at the end. */
const LONG = [
  "tests/loss/properties.test.ts",
  "tests/tooling/first_steps.test.ts",
  "tests/verify/cli.test.ts",
  "tests/verify/plain_cases.test.ts",
  "tests/verify/corpus/corpus.test.ts",
  "tests/ops/devices.test.ts",
  "tests/tooling/examples.test.ts",
  "tests/loss/golden.test.ts",
  "tests/ops/gradient.test.ts",
];

/** How many processes run at once. */
const LANES = 2;

export interface NodeOptions {
  /** Only run tests whose names match. */
  readonly pattern: string | undefined;
  /** The time after which a file is considered hung. */
  readonly minutes: number;
  readonly soak: boolean;
  /** An empty folder for reports. */
  readonly folder: string;
  /** Additional environment variables. */
  readonly env: Readonly<Record<string, string>>;
}

/** Runs test files. */
export async function runInNode(files: readonly string[], options: NodeOptions): Promise<Outcome> {
  const started = performance.now();
  announce(["node", "tests/**/*.test.ts"]);
  const bundled = files.filter((file) => !FROM_SOURCES.includes(file));
  const bundles = join(options.folder, "node");
  await bundleForNode(bundled, bundles);
  const display = await openDisplay();
  const outcome: Outcome = { results: [], problems: [], seconds: 0 };
  try {
    const queue = [...LONG.filter((file) => files.includes(file)), ...files.filter((file) => !LONG.includes(file))];
    const env = { ...options.env, ...display.env };
    await Promise.all(Array.from({ length: LANES }, async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const program = bundled.includes(file)
          ? ["--enable-source-maps", join(bundles, file.replace(/\.ts$/, ".js"))]
          : ["--import", "tsx", file];
        const { results, problems } = await runFile(file, program, { ...options, env });
        outcome.results.push(...results);
        outcome.problems.push(...problems);
        process.stdout.write(
          results.map(({ status }) => ({ passed: ".", failed: "X", skipped: "," })[status]).join(""),
        );
      }
    }));
  } finally {
    process.stdout.write("\n");
    display.close();
  }
  return { ...outcome, seconds: (performance.now() - started) / 1000 };
}

async function runFile(
  file: string,
  program: readonly string[],
  { pattern, minutes, soak, folder, env }: NodeOptions,
): Promise<Pick<Outcome, "results" | "problems">> {
  const report = join(folder, `${file.replaceAll("/", "-")}.xml`);
  const shown = `${report}.txt`;
  const { problem } = await execute(
    process.execPath,
    [
      ...(soak ? ["--expose-gc"] : []),
      ...["--test-reporter=spec", `--test-reporter-destination=${soak ? "stdout" : shown}`],
      ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
      ...(pattern === undefined ? [] : [`--test-name-pattern=${pattern}`]),
      ...program,
    ],
    minutes,
    env,
  );
  const { results } = readReport("node", report, [file], root);
  if (results.some(({ status }) => status === "failed")) {
    if (!soak) console.log(`\n${file}\n${readFileSync(shown, "utf8").replace(/^[^]*failing tests:\n/, "")}`);
    return { results, problems: [] };
  }
  if (problem !== null) {
    return { results, problems: [`${file} ${problem} although no test failed; see its output above`] };
  }
  // Files without a test of that name report none.
  if (results.length === 0 && pattern === undefined) return { results, problems: [`${file} has no test`] };
  return { results, problems: [] };
}

/** An X display for the backend headlessgl, or the one that there is; none if none is available. */
async function openDisplay(): Promise<{ env: Record<string, string>; close(): void }> {
  const none = { env: {}, close: () => {} };
  if (environment.DISPLAY || !existsSync(join(root, "node_modules", "gl"))) return none;
  if ("missing" in output("xvfb-run", ["--help"])) return none;
  // The display ends with the program that it was opened for, which ends with its input.
  const program = 'echo "$DISPLAY $XAUTHORITY"; exec cat';
  const holder: ChildProcessByStdio<Writable, Readable, null> = spawn("xvfb-run", ["-a", "sh", "-c", program], {
    env: environment,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const close = () => holder.stdin.end();
  for await (const line of createInterface({ input: holder.stdout })) {
    const [DISPLAY, XAUTHORITY] = line.split(" ");
    return { env: { DISPLAY, XAUTHORITY }, close };
  }
  return none;
}
