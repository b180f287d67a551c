/** Runs checks one after the other, each as far as it gets. */
import { type Block, NOTHING } from "../verify/blocks.ts";
import type { CheckReport } from "../verify/report/report.ts";
import type { Given, Step } from "./messages.ts";
import { type Progress, showProgress } from "./progress.ts";
import type { Session, Unanswered } from "./session.ts";

/** The settings shared by all checks. */
export interface Request {
  readonly file: string;
  readonly given: Given;
  readonly seed: number;
  /** The input to replay. */
  readonly path: string | null;
  /** The most time per check, in milliseconds. */
  readonly limit: number;
}

/** A check and its blocks of runs; `null` for a replay. */
export interface Part {
  readonly name: string;
  readonly blocks: readonly Block[] | null;
}

/** The number of inputs of a part. */
function runsOf({ blocks }: Part): number {
  return blocks?.reduce((sum, { runs }) => sum + runs, 0) ?? 1;
}

/** The time that loading may take in addition, in milliseconds: the runtime and the libraries are started, too. */
export const LOADING = 30_000;

/** Runs all checks; what follows an interruption is reported as not run. */
export async function runAll(session: Session, parts: readonly Part[], request: Request): Promise<CheckReport[]> {
  const progress = await showProgress(parts.reduce((sum, part) => sum + runsOf(part), 0));
  const reports: CheckReport[] = [];
  try {
    for (const part of parts) {
      if (session.interrupted) {
        reports.push(unfinished(part, {}, "was not run: interrupted"));
        continue;
      }
      progress.start(part.name, runsOf(part));
      const report = await runOne(session, part, request, progress);
      reports.push(report);
      progress.end(report.runs);
    }
  } finally {
    progress.stop();
  }
  return reports;
}

async function runOne(session: Session, part: Part, request: Request, progress: Progress): Promise<CheckReport> {
  const { file, given, seed, path, limit } = request;
  const started = performance.now();
  let far: Far = {};
  const watch = (step: Step) => {
    far = { step, report: step.report ?? far.report };
    progress.step(step);
  };
  // A worker that had to be ended is replaced by a new one, which loads the file again.
  let outcome = session.running ? null : await session.load(file, given, limit + LOADING);
  if (outcome === null || outcome.kind === "loaded") {
    const { order, mode, device } = given;
    const run = { name: part.name, seed, order, mode, device, path: path ?? undefined };
    const ended = await session.run(run, part.blocks, limit, watch);
    if (ended.kind === "report") return ended.report;
    outcome = ended;
  }
  const report = unfinished(part, far, reasonOf(outcome, limit));
  // The input at which the check was interrupted is of no interest.
  const replay = report.verdict === "wrong" || outcome.kind !== "interrupted" ? replayOf(report, far, seed) : null;
  return { ...report, replay, milliseconds: performance.now() - started };
}

/** Why a request was not answered, after its subject. */
export function reasonOf(outcome: Unanswered, limit: number): string {
  switch (outcome.kind) {
    case "timeout":
      return `timed out after ${limit / 1000} s`;
    case "interrupted":
      return "was interrupted";
    case "ended":
      return `ended the process that it ran in (${outcome.reason})`;
    case "failed":
      return `could not be checked because of an error in gpugrad: ${outcome.stack}`;
    case "refused":
      return outcome.message;
  }
}

/** How far a check got: its last step, and its last report. */
interface Far {
  readonly step?: Step;
  readonly report?: CheckReport;
}

/** The report of a check that did not get to its end: what it found is true all the same. */
function unfinished(part: Part, { step, report }: Far, why: string): CheckReport {
  const { name, blocks } = part;
  if (step && report?.verdict === "wrong") {
    const error = step.phase === "shrinking"
      ? `${why} while the failure was shrunk: there may be a smaller one`
      : `${why} while the entry of the tape was looked for`;
    return { ...report, error: `${name} ${error}` };
  }
  const index = Number(step?.path.split(":")[0] ?? blocks?.[0].index ?? 0);
  return {
    ...NOTHING,
    blocks: [{ index, verdict: "undecided", ...NOTHING }],
    ...report,
    name,
    verdict: "undecided",
    // The report of an input that is right would not say why.
    report: report?.report?.verdict === "undecided" ? report.report : null,
    replay: null,
    error: `${name} ${why}${step ? `, in run ${step.runs + 1} of ${runsOf(part)}` : ""}`,
  };
}

/** Returns where to replay an unfinished check: its failure, or the input that it did not get past. */
function replayOf({ verdict, replay }: CheckReport, { step }: Far, seed: number): CheckReport["replay"] {
  return verdict === "wrong" ? replay : step ? { seed, path: step.path } : null;
}
