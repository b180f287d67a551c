/** The summary at the end of `npm test`: tests that ran, failures, and skipped tests with reasons. */
import type { Result } from "./results.ts";

/** Formats padded columns. */
function table(rows: string[][]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i])).join("  ")}`.trimEnd()).join("\n");
}

/** Wall time and the processor's. */
const TIMES = ["in tests", "CPU", "in files", "CPU"];

function secondsOf(cpu: number): string {
  return cpu > 0 ? `${cpu.toFixed(1)} s` : "";
}

export class Report {
  readonly failures: string[] = [];
  /** How long everything took. */
  seconds = 0;
  #passed = 0;
  #skipped = 0;
  readonly #checkRows: string[][] = [];
  readonly #testRows: string[][] = [];
  readonly #skips = new Map<string, Map<string, number>>();
  readonly #counted = new Map<string, string[]>();
  readonly #left = new Map<string, string[]>();
  readonly #times: [seconds: number, test: string][] = [];

  /** Records something that did not run, and why. */
  skip(reason: string, where: string): void {
    this.#skipped++;
    const places = this.#skips.get(reason) ?? new Map<string, number>();
    this.#skips.set(reason, places.set(where, (places.get(where) ?? 0) + 1));
  }

  /** Records files that a runtime does not run. */
  leaveOut(what: string, files: readonly string[]): void {
    this.#left.set(what, [...files]);
  }

  /** Records a check: passed, or failed with a problem. */
  check(name: string, problem: string | null, seconds: number): void {
    if (problem === null) this.#passed++;
    else this.failures.push(`${name}: ${problem}; see its output above`);
    this.#checkRows.push([name, problem === null ? "passed" : "failed", `${seconds.toFixed(1)} s`]);
  }

  /** Records a check whose program is missing. */
  missingCheck(name: string, reason: string, isFailure: boolean): void {
    if (isFailure) this.failures.push(`${name}: ${reason}`);
    else this.skip(reason, name);
    this.#checkRows.push([name, isFailure ? "failed" : "skipped", ""]);
  }

  /** Records a missing runtime. */
  missingRuntime(runtime: string, reason: string, isFailure: boolean): void {
    if (isFailure) this.failures.push(`${runtime}: ${reason}`);
    else this.skip(reason, `all tests under ${runtime}`);
    this.#testRows.push([runtime, "", "", "", isFailure ? "missing" : "not run", "", "", "", ""]);
  }

  /**
   * Records the tests of a runtime.
   *
   * @param run.label the name in the table, with the version.
   * @param run.seconds how long its files took, which run side by side.
   * @param run.cpu the processor's time of its processes; 0 if it is unknown.
   * @param run.required the backends that tests must have run on.
   */
  tests(
    runtime: string,
    results: readonly Result[],
    { label, seconds, cpu, required }: { label: string; seconds: number; cpu: number; required: readonly string[] },
  ): void {
    const counts = new Map<string, Record<Result["status"] | "seconds" | "cpu", number>>();
    for (const { name, backend, status, detail, seconds, cpu } of results) {
      const count = counts.get(backend) ?? { passed: 0, failed: 0, skipped: 0, seconds: 0, cpu: 0 };
      counts.set(backend, count);
      count[status]++;
      count.seconds += seconds;
      count.cpu += cpu;
      this.#times.push([cpu || seconds, `${runtime}: ${name}`]);
      if (status === "passed") {
        this.#passed++;
        // Tests that count the findings of others say so in their names.
        if (/^\d+ of \d+ /.test(name)) this.#counted.set(name, [...(this.#counted.get(name) ?? []), runtime]);
      } else if (status === "failed") this.failures.push(`${runtime}: ${name}${detail && `: ${detail}`}`);
      else this.skip(detail || `${name}: no reason given`, runtime);
    }
    for (const backend of required) {
      const count = counts.get(backend);
      if (!count || count.passed + count.failed === 0) {
        this.failures.push(`${runtime}: no test ran on ${backend}, which is required`);
      }
    }
    const ends = [label, `${seconds.toFixed(1)} s`, secondsOf(cpu)];
    for (const [backend, count] of [...counts].sort(([a], [b]) => a < b ? -1 : 1)) {
      const [name = "", files = "", ofFiles = ""] = ends.splice(0);
      const cells = [backend || "no backend", count.passed, count.failed, count.skipped].map(String);
      const times = [`${count.seconds.toFixed(1)} s`, secondsOf(count.cpu), files, ofFiles];
      this.#testRows.push([name, ...cells, ...times]);
    }
    if (counts.size === 0) this.#testRows.push([ends[0], "", "0", "0", "0", "", "", ends[1], ends[2]]);
  }

  /** Prints the summary, with this many of the tests that took longest by the processor's time. */
  print(slowest: number): void {
    console.log("\nSummary");
    if (this.#checkRows.length > 0) console.log(`\n${table([["check", "", ""], ...this.#checkRows])}`);
    if (this.#testRows.length > 0) {
      console.log(
        `\n${table([["runtime", "backend", "passed", "failed", "skipped", ...TIMES], ...this.#testRows])}`,
      );
    }
    if (slowest > 0) {
      const lines = this.#times.sort(([a], [b]) => b - a).slice(0, slowest).map(([seconds, test]) => [
        `${seconds.toFixed(1)} s`,
        test,
      ]);
      console.log(`\nSlowest\n${table([["", ""], ...lines])}`);
    }
    if (this.#counted.size > 0) {
      const lines = [...this.#counted].map(([name, where]) => `  ${name} (${where.join(", ")})`);
      console.log(`\nCounted\n${lines.join("\n")}`);
    }
    if (this.#left.size > 0) {
      const lines = [...this.#left].map(([what, files]) => `  ${what}: ${files.join(", ")}`);
      console.log(`\nLeft out\n${lines.join("\n")}`);
    }
    if (this.#skips.size > 0) {
      console.log("\nSkipped");
      for (const [reason, places] of this.#skips) {
        console.log(`  ${reason} (${[...places].map(([where, n]) => n === 1 ? where : `${where}: ${n}`).join(", ")})`);
      }
    }
    if (this.failures.length > 0) console.log(`\nFailed\n${this.failures.map((line) => `  ${line}`).join("\n")}`);
    console.log(
      `\n${this.#passed} passed, ${this.failures.length} failed, ${this.#skipped} skipped, in ${
        this.seconds.toFixed(0)
      } s`,
    );
  }
}
