/** Reports as text, JSON and pages: the public functions, which check their arguments before `report/` formats plain data. */
import { callable, kind, Signature, whole } from "../core/options.ts";
import { mergeRuns as merge } from "./blocks.ts";
import { reportHtml as pageOf } from "./report/html.ts";
import { parseReport as parse, reportJson as jsonOf } from "./report/json.ts";
import type { GradcheckReport, RunReport } from "./report/report.ts";
import { reportText as textOf, runText as textOfRun, type TextOptions } from "./report/text.ts";
import { UsageError } from "./usage.ts";

const textKinds = {
  style: callable,
  worst: whole(0),
  values: kind<number>("a whole number from 0, or Infinity", "100", (v) => v === Infinity || whole(0).accepts(v)),
};
const reportTextCall = new Signature<TextOptions>("reportText(report, options)", textKinds, UsageError);
const runTextCall = new Signature<TextOptions>("runText(run, options)", textKinds, UsageError);
const reportHtmlCall = new Signature("reportHtml(report)", undefined, UsageError);
const reportJsonCall = new Signature("reportJson(report)", undefined, UsageError);
const parseReportCall = new Signature("parseReport(text)", undefined, UsageError);
const mergeRunsCall = new Signature("mergeRuns(shards)", undefined, UsageError);

/** The kinds of reports, in the words of an error message. */
const REPORTS = {
  check: "a report of gradcheck",
  run: "a report of gpugrad check, with its list of checks",
  any: "a report of gradcheck or of gpugrad check",
} as const;

/** Throws if an argument is not a report of the given kind. */
function reportOrThrow(call: Signature, name: string, report: unknown, of: keyof typeof REPORTS): void {
  const { verdict, counts, inputs, checks } = (report ?? {}) as Partial<GradcheckReport & RunReport>;
  const isCheck = typeof verdict === "string" && Array.isArray(inputs) && typeof counts === "object";
  const isRun = Array.isArray(checks);
  if (of === "run" ? isRun : of === "check" ? isCheck : isCheck || isRun) return;
  throw call.wrong(name, REPORTS[of], report);
}

/**
 * Formats a report as text: the verdict, the worst elements with both numbers, the findings and what to do next.
 *
 * @param report the report of `gradcheck`.
 * @param options colours, and how many elements to list.
 * @throws UsageError if an argument is not as described.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { square, sum, tensor } from "gpugrad";
 * import { gradcheck, reportText } from "gpugrad/verify";
 *
 * const report = await gradcheck((x) => sum(square(x)), [tensor([1, 2, 3])]);
 * assert.match(reportText(report), /3 ok of 3/);
 * ```
 */
export function reportText(report: GradcheckReport, options: TextOptions = {}): string {
  reportTextCall.check(arguments);
  reportOrThrow(reportTextCall, "report", report, "check");
  return textOf(report, options);
}

/**
 * Formats a run of several checks as text: a line per check, the report of each that is not right, and the command that
 * replays it.
 *
 * @param run the report of `gpugrad check` or `gpugrad merge`.
 * @param options colours, and how many elements to list.
 * @throws UsageError if an argument is not as described.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { runText } from "gpugrad/verify";
 *
 * assert.match(runText({ version: 1, file: "checks.ts", seed: 1, shard: null, checks: [] }), /no check/);
 * ```
 */
export function runText(run: RunReport, options: TextOptions = {}): string {
  runTextCall.check(arguments);
  reportOrThrow(runTextCall, "run", run, "run");
  return textOfRun(run, options);
}

/**
 * Formats the report of one check or of a run as an HTML page: the verdict and what to do next, a heat map of each
 * input's errors, the worst elements, the findings, and a diagram of the tape that marks the first entry at which the
 * gradient is wrong. The libraries that draw are loaded by the first call.
 *
 * @param report the report of `gradcheck`, `gpugrad check` or `gpugrad merge`.
 * @returns the page, which refers to no external resource.
 * @throws UsageError if the argument is not a report.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { square, sum, tensor } from "gpugrad";
 * import { gradcheck, reportHtml } from "gpugrad/verify";
 *
 * const report = await gradcheck((x) => sum(square(x)), [tensor([1, 2, 3])]);
 * assert.match(await reportHtml(report), /^<!doctype html>/);
 * ```
 */
export async function reportHtml(report: GradcheckReport | RunReport): Promise<string> {
  reportHtmlCall.check(arguments);
  reportOrThrow(reportHtmlCall, "report", report, "any");
  return await pageOf(report);
}

/**
 * Formats a report as JSON text that conforms to `report.schema.json`. Numbers that JSON lacks are written as `"NaN"`,
 * `"Infinity"` and `"-Infinity"`.
 *
 * @param report a report of one check or of a run.
 * @throws UsageError if the argument is not a report.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { parseReport, reportJson } from "gpugrad/verify";
 *
 * const run = { version: 1, file: "checks.ts", seed: 1, shard: null, checks: [] } as const;
 * assert.deepEqual(parseReport(reportJson(run)), run);
 * ```
 */
export function reportJson(report: GradcheckReport | RunReport): string {
  reportJsonCall.check(arguments);
  reportOrThrow(reportJsonCall, "report", report, "any");
  return jsonOf(report);
}

/**
 * Parses the JSON text of a run's report.
 *
 * @param text the output of {@link reportJson} for a run.
 * @throws if the text is not such a report; the message says why.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { parseReport } from "gpugrad/verify";
 *
 * assert.throws(() => parseReport("{}"), /not a report/);
 * ```
 */
export function parseReport(text: string): RunReport {
  parseReportCall.check(arguments);
  if (typeof text !== "string") throw parseReportCall.wrong("text", "the text of a report", text);
  return parse(text);
}

/**
 * Merges the reports of all shards of a run into the report that a single run would have produced.
 *
 * @param shards the reports written by `gpugrad check --shard i/n --json`, one for each `i`, in any order.
 * @throws if they are not all the shards of one run; the message says what is missing or differs.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { mergeRuns } from "gpugrad/verify";
 *
 * const shard = (index: number) =>
 *   ({ version: 1, file: "checks.js", seed: 1, shard: { index, count: 2 }, checks: [] }) as const;
 * assert.equal(mergeRuns([shard(2), shard(1)]).shard, null);
 * assert.throws(() => mergeRuns([shard(1)]), /shard 2 of 2 is missing/);
 * ```
 */
export function mergeRuns(shards: readonly RunReport[]): RunReport {
  mergeRunsCall.check(arguments);
  if (!Array.isArray(shards)) throw mergeRunsCall.wrong("shards", "an array of reports of runs", shards);
  Array.from(shards, (run, i) => reportOrThrow(mergeRunsCall, `shards[${i}]`, run, "run"));
  return merge(shards);
}
