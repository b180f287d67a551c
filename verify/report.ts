/** What a gradient check finds: plain data, the same for the terminal, JSON and HTML. */
import type { Signature } from "../core/options.ts";

/**
 * What is known of one element of a gradient.
 *
 * - `ok`: the tape's value and the numeric one agree within the numeric one's own error estimate and a floor.
 * - `wrong`: they do not.
 * - `kink`: the function has no derivative there; one-sided slopes disagree, also after resampling.
 * - `noise`: this precision cannot decide.
 * - `untested`: not looked at; never counted as passed.
 */
export type Verdict = "ok" | "wrong" | "kink" | "noise" | "untested";

/** One element of one input, or one direction through all inputs in fast mode. */
export interface ElementReport {
  /** Which input, by position; -1 for a direction through all of them. */
  readonly input: number;
  /** The element's index in the input; the direction's number for a direction. */
  readonly index: readonly number[];
  /** The order of the derivative: 1, or 2 for the gradient of the gradient. */
  readonly order: 1 | 2;
  /** The derivative of the cotangent-weighted sum of outputs by the tape. */
  readonly analytic: number;
  /** The same by finite differences. */
  readonly numeric: number;
  /** `|analytic - numeric|`. */
  readonly error: number;
  /** What the finite differences say of their own error. */
  readonly estimate: number;
  readonly verdict: Verdict;
}

/** One input: its elements' errors as arrays, for pictures, and where it stands. */
export interface InputReport {
  readonly name: string;
  readonly shape: readonly number[];
  /** Counts by verdict over the elements, for the highest order checked. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** The error of each element divided by what is allowed, row-major; `null` where untested, infinite or NaN where it is no number. */
  readonly relative: readonly (number | null)[];
  /** The verdict of each element, row-major. Without it pictures know only those of the worst elements. */
  readonly verdicts?: readonly Verdict[];
}

/** Anything else that a check looks at: shapes, dtypes, determinism, linearity, devices, the Taylor test. */
export interface Finding {
  /** Which check: `shape`, `dtype`, `determinism`, `mutation`, `zero cotangent`, `linearity`, `missing gradient`, `non-finite`, `domain`, `ties`, `kink`, `device`, `taylor`, `search`. */
  readonly check: string;
  /** `warning` for what cannot be decided or is unusual and not wrong. */
  readonly severity: "error" | "warning" | "info";
  /** What was found, in a sentence that names inputs, indices and numbers. */
  readonly message: string;
  /** The entry of the tape that it is about, if one. */
  readonly entry?: number;
}

/** An entry of the tape, for the diagram. */
export interface TapeEntryReport {
  readonly id: number;
  readonly op: string;
  readonly inputs: readonly number[];
  readonly shape: readonly number[];
  readonly dtype: string;
  /** The name of the input that it is, for leaves. */
  readonly input?: string;
  /** Whether the gradient departs here first: the rule of this entry's op is the suspect. */
  readonly suspect?: boolean;
}

/** What `gradcheck` gives. */
export interface GradcheckReport {
  /** The version of this structure; see `report.schema.json`. */
  readonly version: 1;
  readonly name: string;
  /** `wrong` where any element or finding is; `undecided` where nothing is wrong but something could not be checked at all; else `ok`. */
  readonly verdict: "ok" | "wrong" | "undecided";
  readonly mode: "full" | "fast";
  readonly order: 1 | 2;
  readonly seed: number;
  /** The device that the gradients were compared on besides the oracle, if any. */
  readonly device: string | null;
  readonly inputs: readonly InputReport[];
  /** Counts by verdict over all elements and orders. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** The worst elements, the worst first. */
  readonly worst: readonly ElementReport[];
  readonly findings: readonly Finding[];
  /** How far the nearest frozen decision is from flipping, `null` where there is none. */
  readonly margin: number | null;
  readonly tape: readonly TapeEntryReport[];
  readonly milliseconds: number;
}

/** A run of the command line, or of several shards merged: one report a checked function. */
export interface RunReport {
  readonly version: 1;
  readonly file: string;
  readonly seed: number;
  readonly shard: { readonly index: number; readonly count: number } | null;
  readonly checks: readonly CheckReport[];
}

/** A checked function: how many generated inputs, and the first failing one, shrunk. */
export interface CheckReport {
  readonly name: string;
  readonly verdict: "ok" | "wrong" | "undecided";
  readonly runs: number;
  /** Counts by verdict over all runs. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** The report of the shrunk failure, or of the last run. */
  readonly report: GradcheckReport | null;
  /** What replays the failure. */
  readonly replay: { readonly seed: number; readonly path: string } | null;
  /** Why it could not be checked. */
  readonly error: string | null;
  /** The blocks of runs that shards share out, in order; with them the reports of shards merge into that of one run. */
  readonly blocks?: readonly BlockReport[];
}

/** A block of runs: what one shard does at a time. */
export interface BlockReport {
  /** Its place among all blocks of the check. */
  readonly index: number;
  readonly verdict: "ok" | "wrong" | "undecided";
  readonly runs: number;
  readonly counts: Readonly<Record<Verdict, number>>;
}

/** What a report is of, in the words of an error: what a caller of the functions that write reports has to pass. */
const REPORTS = {
  check: "a report of gradcheck",
  run: "a report of gpugrad check, with its list of checks",
  any: "a report of gradcheck or of gpugrad check",
} as const;

/** Throws where an argument is not a report of a kind. */
export function reportOrThrow(call: Signature, name: string, report: unknown, of: keyof typeof REPORTS): void {
  const { verdict, counts, inputs, checks } = (report ?? {}) as Partial<GradcheckReport & RunReport>;
  const isCheck = typeof verdict === "string" && Array.isArray(inputs) && typeof counts === "object";
  const isRun = Array.isArray(checks);
  if (of === "run" ? isRun : of === "check" ? isCheck : isCheck || isRun) return;
  throw call.wrong(name, REPORTS[of], report);
}
