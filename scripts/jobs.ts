/** The jobs of `npm test`: each check, and each test file in each runtime, on one pool. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { filesOfBrowsers, openChromium, runsUnisolated } from "./browser.ts";
import { Pool, Times } from "./pool.ts";
import { environment, root, run } from "./processes.ts";
import { Report } from "./report.ts";
import { requiredIn, type Requirement, type Runtime } from "./requirements.ts";
import type { Result, Suite, TestOptions } from "./results.ts";
import { openRunner, type Runner, versionOf } from "./runners.ts";
import { filesOf } from "./turns.ts";

/** Name, command and arguments. */
const CHECKS: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  // The compiler of TypeScript 7, native and several times as fast; what reads sources uses the API of TypeScript 6, which 7 lacks.
  ["tsc", "node", ["node_modules/typescript-7/bin/tsc"]],
  // The modules that Deno's users get; tsc checks all the rest.
  ["deno check", "deno", ["check", "--quiet", "mod.ts", "core", "ops", "loss", "optim", "verify", "bin"]],
  ["dependency-cruiser", "depcruise", ["."]],
  ["oxlint", "oxlint", []],
  ["deno lint", "deno", ["lint"]],
  ["deno fmt", "deno", ["fmt", "--check"]],
];

/** Jobs that take long. They have to start early in a fresh clone, too, where no times are known. */
const LONG = [
  "dependency-cruiser",
  "tests/core/limits.test.ts",
  "tests/core/residents.test.ts",
  "tests/core/state.test.ts",
  "tests/loss/boxes.test.ts",
  "tests/loss/golden.test.ts",
  "tests/loss/iou_loss.test.ts",
  "tests/loss/plan.test.ts",
  "tests/loss/properties.test.ts",
  "tests/ops/accuracy.test.ts",
  "tests/ops/devices.test.ts",
  "tests/ops/gradient.test.ts",
  "tests/tooling/api.test.ts",
  "tests/tooling/bench.test.ts",
  "tests/tooling/consumers.test.ts",
  "tests/tooling/examples.test.ts",
  "tests/tooling/first_steps.test.ts",
  "tests/tooling/jsr.test.ts",
  "tests/tooling/parallel.test.ts",
  "tests/tooling/playground.test.ts",
  "tests/tooling/programs.test.ts",
  "tests/tooling/replay.test.ts",
  "tests/tooling/types.test.ts",
  "tests/verify/cli.test.ts",
  "tests/verify/corpus/corpus.test.ts",
  "tests/verify/plain_cases.test.ts",
];

/** A fresh clone's guess of how long a job takes, in seconds. */
function guess(name: string): number {
  if (name.endsWith(START)) return 1000;
  return LONG.some((long) => name.endsWith(` ${long}`)) ? 20 : 2;
}

/** The end of the name of a job that other jobs wait for. */
const START = " starts";

/** The tests of a runtime, as far as they have ended. */
class Gathered {
  readonly results: Result[] = [];
  /** The time of all its jobs together, and the processor's time of their processes. */
  seconds = 0;
  cpu = 0;
}

export class Jobs {
  readonly report: Report = new Report();
  readonly #options: TestOptions;
  readonly #requirements: readonly Requirement[];
  readonly #times: Times;
  readonly #pool: Pool;
  /** Functions to call once all jobs have ended, first to last. */
  readonly #atEnd: (() => void | Promise<void>)[] = [];

  constructor(options: TestOptions, requirements: readonly Requirement[]) {
    this.#options = options;
    this.#requirements = requirements;
    this.#times = new Times(join(root, ".cache", "test-times.json"), guess);
    // One more than there are cores, since jobs also wait: for processes, workers and devices. A soak measures memory, so it runs alone.
    this.#pool = new Pool(options.soak ? 1 : Math.min(availableParallelism(), 4) + 1, this.#times);
  }

  /** If anything is required, so are all the programs that could run it. */
  get #strict(): boolean {
    return this.#requirements.length > 0;
  }

  addChecks(): void {
    for (const [name, command, args] of CHECKS) {
      const deno = command === "deno" ? versionOf("deno") : { version: "" };
      if ("missing" in deno) {
        this.report.missingCheck(name, deno.missing, this.#strict);
        continue;
      }
      this.#pool.add({
        name: `check ${name}`,
        run: async () => {
          const { problem, seconds, text } = await run(command, args, { minutes: 15 });
          this.report.check(name, problem, seconds);
          tell(`check ${name}`, problem ?? "passed", { seconds, cpu: 0 }, problem === null ? "" : text);
        },
      });
    }
  }

  addRuntime(runtime: Runtime, files: readonly string[]): void {
    this.#pool.add({
      name: `${runtime}${START}`,
      run: async () => {
        // One that does not start must not cost the summary of the others.
        try {
          await (runtime === "chromium" ? this.#addChromium(files) : this.#addRunner(runtime, files));
        } catch (error) {
          const { stack, message } = error as Error;
          console.error(stack);
          this.report.failures.push(`${runtime}: ${message.split("\n")[0]}; see its output above`);
        }
      },
    });
  }

  /** Runs all jobs. */
  async run(): Promise<void> {
    const start = performance.now();
    try {
      await this.#pool.run();
    } finally {
      for (const end of this.#atEnd) await end();
    }
    // A run of some tests tells nothing of how long a file takes.
    if (this.#options.name === undefined && !this.#options.soak) this.#times.save();
    this.report.seconds = (performance.now() - start) / 1000;
  }

  async #addRunner(runtime: Runner, given: readonly string[]): Promise<void> {
    const { chosen: files, left } = filesOf(runtime, given);
    for (const [reason, those] of left) this.report.leaveOut(`not in ${runtime}, ${reason}`, those);
    if (files.length === 0) return;
    // All files, whose bundle runtimes share.
    const opened = await openRunner(runtime, given, this.#options);
    if ("missing" in opened) return this.report.missingRuntime(runtime, opened.missing, this.#strict);
    this.#atEnd.push(() => opened.close());
    const gathered = new Gathered();
    for (const file of files) this.#addFile(runtime, { suite: opened.suite, file, gathered });
    this.#reportAtEnd(runtime, opened.suite, gathered);
  }

  async #addChromium(files: readonly string[]): Promise<void> {
    const { chosen, left } = filesOfBrowsers(files);
    for (const [reason, those] of left) this.report.leaveOut(`not in Chromium, ${reason}`, those);
    if (chosen.length === 0) return;
    const given = Object.entries(environment).filter(([name]) => /^GPUGRAD_(SEED|PATH|RUNS|SOAK)$/.test(name));
    const opened = await openChromium(chosen, { ...this.#options, env: Object.fromEntries(given) });
    if ("missing" in opened) return this.report.missingRuntime("chromium", opened.missing, this.#strict);
    this.#atEnd.push(() => opened.close());
    console.log(`${opened.isolated.label}\n${opened.graphics}`);
    this.report.leaveOut(
      "not in pages that are not isolated, where webasm runs the same kernels on one thread",
      chosen.filter((file) => !runsUnisolated(file)),
    );
    const isolated = new Gathered();
    const plain = new Gathered();
    for (const file of chosen) {
      this.#addFile("chromium", {
        suite: opened.isolated,
        file,
        gathered: isolated,
        then: (results) => {
          if (!runsUnisolated(file)) return;
          if (!results.some(({ backend, status }) => backend === "webasm" && status !== "skipped")) return;
          this.#addFile("chromium, not isolated", { suite: opened.plain, file, gathered: plain });
        },
      });
    }
    this.#reportAtEnd("chromium", opened.isolated, isolated);
    this.#reportAtEnd("chromium, not isolated", opened.plain, plain);
  }

  /** Adds a job for a file; `then` gets its results. */
  #addFile(
    runtime: string,
    { suite, file, gathered, then }: {
      suite: Suite;
      file: string;
      gathered: Gathered;
      then?: (results: readonly Result[]) => void;
    },
  ): void {
    const name = `${runtime} ${file}`;
    this.#pool.add({
      name,
      run: async () => {
        const start = performance.now();
        const { results, problems, text, cpu } = await suite.runFile(file);
        const seconds = (performance.now() - start) / 1000;
        gathered.results.push(...results);
        gathered.seconds += seconds;
        gathered.cpu += cpu;
        const named = problems.map((problem) => `${runtime}: ${problem}`);
        this.report.failures.push(...named);
        tell(name, countsOf(results), { seconds, cpu }, [...named, text].filter(Boolean).join("\n"));
        then?.(results);
      },
    });
  }

  #reportAtEnd(runtime: string, { label, only }: Suite, gathered: Gathered): void {
    this.#atEnd.push(() => {
      const { results, seconds, cpu } = gathered;
      const known = runtime.split(",")[0] as Runtime;
      const required = requiredIn(known, this.#requirements).filter((backend) =>
        only === undefined || backend === only
      );
      if (results.length === 0 && only === undefined) this.report.failures.push(`${runtime}: no test was reported`);
      if (results.length > 0) this.report.tests(runtime, results, { label, seconds, cpu, required });
    });
  }
}

function countsOf(results: readonly Result[]): string {
  return (["passed", "failed", "skipped"] as const).flatMap((wanted) => {
    const count = results.filter(({ status }) => status === wanted).length;
    return count === 0 ? [] : [`${count} ${wanted}`];
  }).join(", ");
}

/** Prints that a job has ended, and its failures in full. */
function tell(name: string, outcome: string, { seconds, cpu }: { seconds: number; cpu: number }, text: string): void {
  const ofCpu = cpu > 0 ? `${cpu.toFixed(1)} s` : "";
  const line = `${seconds.toFixed(1).padStart(7)} s  ${ofCpu.padStart(7)}  ${name.padEnd(62)}  ${outcome}`;
  console.log(text === "" ? line : `${line}\n\n${text.trimEnd()}\n`);
}
