/** The results of a run, as JSON. */
import { spawnSync } from "node:child_process";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import process from "node:process";
import { root } from "../../scripts/processes.ts";
import type { Sizes } from "../cases/case.ts";
import type { Entrant } from "./contestant.ts";
import type { Outcome } from "./turns.ts";

/** The file with the run that the documents show. */
export const RECORD = "docs/performance.json";

/** One row as it was measured. */
export interface ReportRow {
  readonly name: string;
  readonly group: string;
  readonly subject: string;
  readonly sizes: Sizes;
  readonly mode: string;
  readonly outcomes: readonly Outcome[];
  readonly mismatches: readonly string[];
}

/** How a time grows with a size. */
export interface Growth {
  readonly subject: string;
  readonly by: string;
  readonly label: string;
  readonly points: readonly (readonly [size: number, milliseconds: number])[];
  readonly exponent: number;
}

export interface ReportEntrant extends Entrant {
  readonly version?: string;
  readonly configuration?: string;
  readonly cannot?: string;
}

export interface Report {
  readonly format: 1;
  readonly date: string;
  readonly commit: string | null;
  /** Whether it was measured with few samples. */
  readonly quick: boolean;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly entrants: readonly ReportEntrant[];
  readonly rows: readonly ReportRow[];
  readonly growth: readonly Growth[];
  readonly memory: readonly object[];
}

/** Returns the properties of this machine that affect timings; none that identifies it. */
export function machine(): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    gigabytes: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  };
}

/** The commit of the sources, with `+` if they have changed since. */
export function commit(): string | null {
  const git = (...args: string[]) => spawnSync("git", args, { cwd: root, encoding: "utf8" });
  const { status, stdout } = git("rev-parse", "--short", "HEAD");
  if (status !== 0) return null;
  return `${stdout.trim()}${git("status", "--porcelain").stdout.trim() === "" ? "" : "+"}`;
}
