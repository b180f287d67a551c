/** Reports as JSON and back, in the format of `report.schema.json`. */
import { describe, Signature } from "../../core/options.ts";
import { type GradcheckReport, reportOrThrow, type RunReport } from "./report.ts";
import { UsageError } from "../usage.ts";

const reportJsonCall = new Signature("reportJson(report)", undefined, UsageError);
const parseReportCall = new Signature("parseReport(text)", undefined, UsageError);

/** Numbers that JSON lacks, by their spelling. */
const SPECIAL: ReadonlyMap<string, number> = new Map([["NaN", NaN], ["Infinity", Infinity], ["-Infinity", -Infinity]]);
/** The fields that hold numbers which may not be finite. */
const NUMERIC = new Set(["analytic", "numeric", "error", "estimate", "margin", "relative"]);

/**
 * Formats a report as JSON text that conforms to `report.schema.json`. Numbers that JSON lacks are written as `"NaN"`,
 * `"Infinity"` and `"-Infinity"`.
 *
 * @param report a report of one check or of a run.
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
  const plain = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  // Arrays of numbers and of words go on one line each; only the layout has line breaks, never a string.
  return JSON.stringify(report, plain, 2)
    .replace(/\[\n[^[\]{}]*?\n\s*\]/g, (list) => list.replace(/\n\s*/g, " ").replace(/^\[ | \]$/g, (c) => c.trim()));
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
  const isNumeric = (name: string, holder: unknown) =>
    NUMERIC.has(name) || (Array.isArray(holder) && /^\d+$/.test(name));
  let value: unknown;
  try {
    value = JSON.parse(text, function (name, value) {
      return typeof value === "string" && isNumeric(name, this) ? SPECIAL.get(value) ?? value : value;
    });
  } catch (error) {
    throw new Error(`not a report: not JSON (${(error as Error).message})`);
  }
  const run = value as Partial<RunReport> | null;
  if (typeof run !== "object" || run === null || !Array.isArray(run.checks)) {
    throw new Error("not a report of gpugrad check: it has no list of checks");
  }
  if (run.version !== 1) throw new Error(`not a report: expected version 1, got ${describe(run.version)}`);
  return run as RunReport;
}
