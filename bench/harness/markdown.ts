/** The results of a run, as the tables of the README and of docs/performance.md. */
import { markdownTable } from "../../scripts/generated.ts";
import type { Entrant } from "./contestant.ts";
import type { Report, ReportEntrant, ReportRow } from "./report.ts";
import { geometricMean } from "./statistics.ts";
import { fastest, rivals } from "./summary.ts";
import { short } from "./table.ts";

/** The title of each group, in the order of the documents. */
const GROUPS: Readonly<Record<string, string>> = {
  loss: "The SSD loss with both gradients",
  losses: "Other losses with their gradients",
  ops: "Ops",
};

const MODES: Readonly<Record<string, string>> = {
  resident: "inputs and results stay on the device",
  read: "new inputs, results read",
  recording: "recording alone",
};

/** The rows of a group in a mode. */
interface Series {
  readonly group: string;
  readonly mode: string;
  readonly rows: readonly ReportRow[];
}

function seriesOf({ rows }: Report): Series[] {
  return Object.keys(GROUPS).flatMap((group) =>
    Object.keys(MODES).flatMap((mode): Series[] => {
      const found = rows.filter((row) => row.group === group && row.mode === mode);
      return found.length > 0 ? [{ group, mode, rows: found }] : [];
    })
  );
}

/** The device of gpugrad that was measured. Throws if there are several: a table compares one with the others. */
function ownOf({ entrants }: Report): ReportEntrant {
  const own = entrants.filter(({ kind }) => kind === "gpugrad");
  if (own.length !== 1) {
    throw new Error(`expected one device of gpugrad, got ${own.map(({ label }) => label).join("; ") || "none"}`);
  }
  return own[0];
}

/** Describes the machine and the date of a run in a sentence. */
function whereOf({ machine: { cpu, cores, system }, date, commit, quick }: Report): string {
  const at = commit === null ? "" : `, commit ${commit}`;
  return `${date.slice(0, 10)}${at}, on ${cores} cores of ${cpu} (${system})${quick ? ", with few samples" : ""}`;
}

/** How often gpugrad's median fits into that of the fastest of some others, for the rows that both have. */
function ratiosTo(
  report: Report,
  rows: readonly ReportRow[],
  among: readonly Entrant[],
): [row: ReportRow, ratio: number][] {
  const own = ownOf(report);
  return rows.flatMap((row): [ReportRow, number][] => {
    const ours = fastest(row, [own]), theirs = fastest(row, among);
    return ours && theirs ? [[row, ours.median / theirs.median]] : [];
  });
}

/** Ratios as a cell: one for each batch, or the geometric mean with the least and the most. */
function ratiosCell({ group }: Series, ratios: readonly [row: ReportRow, ratio: number][]): string {
  if (ratios.length === 0) return "";
  if (group === "loss") return ratios.map(([, ratio]) => short(ratio)).join(", ");
  const sorted = [...ratios].sort(([, a], [, b]) => a - b);
  const named = ([{ subject }, ratio]: [ReportRow, number]) => `${short(ratio)} (${subject})`;
  return `${short(geometricMean(ratios.map(([, ratio]) => ratio)))}; ${named(sorted[0])} to ${named(sorted.at(-1)!)}`;
}

function measurementOf({ group, mode, rows }: Series): string {
  const names = new Set(rows.map(({ subject }) => subject));
  const what = group === "loss"
    ? `SSD loss and gradients, batches ${rows.map(({ sizes }) => sizes.batch).join(", ")}`
    : `${names.size} ${group === "ops" ? "ops" : "losses and gradients"}: geometric mean; least to most`;
  return `${what}; ${MODES[mode]}`;
}

/** The README's table: ratios of medians to PyTorch's and to the best JavaScript library's. */
export function ratiosPart(report: Report): string {
  const own = ownOf(report);
  const [torch, script] = rivals(own, report.entrants);
  const rows = seriesOf(report).filter(({ mode }) => mode !== "recording").map((series) => [
    measurementOf(series),
    ...[torch, script].map(([, among]) => ratiosCell(series, ratiosTo(report, series.rows, among))),
  ]);
  return [
    `Ratios of medians, side by side, of ${whereOf(report)}; below 1, gpugrad (${own.label}) is faster.`,
    markdownTable(["measurement", "/ PyTorch", "/ best JavaScript library"], rows),
  ].join("\n\n");
}

/** The medians of a series, a column for each contestant that has any. */
function mediansTable({ entrants }: Report, { rows }: Series): string {
  const labels = entrants.map(({ label }) => label).filter((label) => rows.some((row) => cellOf(row, label) !== ""));
  return markdownTable(["", ...labels], rows.map((row) => [row.name, ...labels.map((label) => cellOf(row, label))]));
}

function cellOf({ outcomes }: ReportRow, label: string): string {
  const found = outcomes.find((outcome) => outcome.label === label);
  return found && "median" in found ? short(found.median) : "";
}

/** The tables of docs/performance.md: medians in milliseconds, of all contestants. */
export function mediansPart(report: Report): string {
  const present = report.entrants.filter(({ cannot }) => cannot === undefined);
  return [
    `Medians in milliseconds of ${whereOf(report)}.`,
    markdownTable(
      ["contestant", "version", "configuration"],
      present.map(({ label, version = "", configuration = "" }) => [label, version, configuration]),
    ),
    ...seriesOf(report).flatMap((series, i, all) => [
      ...(all[i - 1]?.group === series.group ? [] : [`## ${GROUPS[series.group]}`]),
      `${MODES[series.mode][0].toUpperCase()}${MODES[series.mode].slice(1)}:`,
      mediansTable(report, series),
    ]),
  ].join("\n\n");
}
