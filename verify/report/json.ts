/** Reports as JSON and back, in the format of `report.schema.json`. */
import type { GradcheckReport, RunReport } from "./report.ts";

/** Numbers that JSON lacks, by their spelling. */
const SPECIAL: ReadonlyMap<string, number> = new Map([["NaN", NaN], ["Infinity", Infinity], ["-Infinity", -Infinity]]);
/** The fields that hold numbers which may not be finite. */
const NUMERIC = new Set(["analytic", "numeric", "error", "estimate", "margin", "relative"]);

/** Stands for -0, which JSON has and `JSON.stringify` has not. */
const MINUS_ZERO = "\0-0";

/** Formats a report as JSON text; numbers that JSON lacks are written as strings. */
export function reportJson(report: GradcheckReport | RunReport): string {
  const plain = (_: string, value: unknown) =>
    typeof value !== "number"
      ? value
      : Object.is(value, -0)
      ? MINUS_ZERO
      : Number.isFinite(value)
      ? value
      : String(value);
  // Arrays of numbers and of words go on one line each; only the layout has line breaks, never a string.
  return JSON.stringify(report, plain, 2)
    .replaceAll(JSON.stringify(MINUS_ZERO), "-0")
    .replace(/\[\n[^[\]{}]*?\n\s*\]/g, (list) => list.replace(/\n\s*/g, " ").replace(/^\[ | \]$/g, (c) => c.trim()));
}

/** Parses the JSON text of a run's report, or throws and says why it is none. */
export function parseReport(text: string): RunReport {
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
  if (run.version !== 1) {
    throw new Error(`not a report: expected version 1, got ${JSON.stringify(run.version) ?? "none"}`);
  }
  return run as RunReport;
}
