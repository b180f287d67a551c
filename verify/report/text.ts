/** Reports as text for a terminal. */
import {
  advice,
  countsText,
  durationText,
  facts,
  headline,
  MEANINGS,
  numberText,
  pairText,
  placeText,
  plural,
  replayCommand,
  secondText,
  shapeText,
  VERDICTS,
  witnessHeading,
  witnessText,
} from "./advice.ts";
import type { CheckReport, ElementReport, GradcheckReport, RunReport, Verdict } from "./report.ts";
import { callText } from "./values.ts";

/** The text styles in use, all known to `styleText` of `node:util`. */
export type TextStyle = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Options of {@link reportText} and {@link runText}. */
export interface TextOptions {
  /** Styles a piece of text, as `styleText` of `node:util` does; default plain text. */
  readonly style?: (style: TextStyle, text: string) => string;
  /** The most elements to list, default 10. */
  readonly worst?: number;
  /** The most values to list of each input of a check that is not right, default 32; `Infinity` for all. */
  readonly values?: number;
}

const STYLES: Readonly<Record<Verdict | "undecided" | "error" | "warning" | "info", TextStyle>> = {
  ok: "green",
  wrong: "red",
  undecided: "yellow",
  kink: "cyan",
  noise: "yellow",
  untested: "dim",
  error: "red",
  warning: "yellow",
  info: "dim",
};

/** Aligns columns: the first `left` to the left, the others to the right. */
function columns(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row.map((cell, i) => i < left || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))
      .join("  ").trimEnd()
  );
}

/** A function that styles text, or leaves it plain. */
type Style = NonNullable<TextOptions["style"]>;

/** The most values that are listed of an input. */
const VALUES = 32;

/** Formats a report as text: the verdict, the worst elements with both numbers, the findings and what to do next. */
export function reportText(report: GradcheckReport, options: TextOptions = {}): string {
  return linesOf(report, options, false).join("\n");
}

function linesOf(report: GradcheckReport, options: TextOptions, inRun: boolean): string[] {
  const style = options.style ?? ((_, text) => text);
  const lines = [
    `${style(STYLES[report.verdict], style("bold", report.verdict))}  ${style("bold", report.name)}`,
    `  ${headline(report)}`,
    `  ${countsText(report.counts)}`,
    style("dim", `  ${facts(report, inRun).join("; ")}`),
  ];
  for (const { name, shape, counts } of report.inputs) {
    lines.push(style("dim", `  input ${name} ${shapeText(shape)}: ${countsText(counts)}`));
  }
  lines.push(...worstLines(report, options.worst ?? 10, style));
  if (report.findings.length > 0) {
    lines.push("");
    for (const { severity, check, message, entry } of report.findings) {
      const at = entry === undefined ? "" : ` (entry %${entry})`;
      lines.push(`  ${style(STYLES[severity], `${severity}: ${check}`)}: ${message}${at}`);
    }
  }
  const next = advice(report);
  if (next.length > 0) lines.push("", style("bold", "  Next:"), ...next.map((sentence) => `  - ${sentence}`));
  const where = inRun ? "--json and --html write them" : "reportJson and reportHtml have them";
  const call = report.verdict === "ok" ? null : callText(report, options.values ?? VALUES, where);
  if (call) lines.push("", style("bold", "  To copy into a test:"), ...call.map((line) => `    ${line}`));
  return lines;
}

/** The worst elements as a table, with a legend of what is not obvious. */
function worstLines(report: GradcheckReport, most: number, style: Style): string[] {
  const open = report.worst.filter(({ verdict }) => verdict !== "ok");
  // If some elements are not right, those that are right are of no interest.
  const shown = (open.length > 0 ? open : report.worst).slice(0, most);
  if (shown.length === 0) return [];
  const heading = witnessHeading(shown);
  const by = (text: string) => (heading === "witness" ? [text] : []);
  const [titles, ...rows] = columns([
    ["element", "order", "gradient", heading, ...by("by"), "error", "estimate", "verdict"],
    ...shown.map((e) => [
      placeText(e, report),
      String(e.order),
      ...pairText(e),
      ...by(witnessText(e)),
      numberText(e.error, 3),
      numberText(e.estimate, 3),
      e.verdict,
    ]),
  ], 1);
  const lines = ["", style("dim", `  ${titles}`)];
  rows.forEach((row, i) => {
    const { verdict } = shown[i];
    lines.push(`  ${row.slice(0, -verdict.length)}${style(STYLES[verdict], verdict)}`);
    const second = secondText(shown[i]);
    if (second !== null) lines.push(style("dim", `    ${second}`));
  });
  const more = report.counts.wrong - shown.filter(({ verdict }) => verdict === "wrong").length;
  if (more > 0) lines.push(style("dim", `  and ${more} more that ${more === 1 ? "is" : "are"} wrong`));
  return [...lines, ...legend(shown).map((line) => style("dim", `  ${line}`))];
}

/** The meanings of the verdicts that are shown. */
function legend(shown: readonly ElementReport[]): string[] {
  return VERDICTS.filter((v) => v !== "ok" && shown.some(({ verdict }) => verdict === v)).map((v) =>
    `${v}: ${MEANINGS[v]}`
  );
}

/**
 * Formats a run of several checks as text: a line per check, the report of each that is not right, and the command that
 * replays it.
 */
export function runText(run: RunReport, options: TextOptions = {}): string {
  const style = options.style ?? ((_, text) => text);
  const { checks, shard } = run;
  const lines: string[] = [];
  for (const check of checks) {
    lines.push(checkLine(check, style));
    if (check.verdict === "ok") continue;
    const { error, report } = check;
    if (error !== null) lines.push(...error.split("\n").map((line) => `  ${line}`));
    if (report && report.verdict !== "ok") {
      lines.push(
        "",
        ...linesOf(report, options, true).map((line) => line && `  ${line}`),
      );
    }
    const replay = replayCommand(run, check);
    if (replay !== null) lines.push("", `  Replay: ${replay}`);
    lines.push("");
  }
  const of = (verdict: string) => checks.filter((check) => check.verdict === verdict).length;
  const total = checks.length === 0
    ? "no check"
    : `${plural(checks.length, "check")}: ${of("ok")} ok, ${of("wrong")} wrong, ${of("undecided")} undecided`;
  const part = shard ? `; shard ${shard.index} of ${shard.count}: not all runs` : "";
  lines.push(`${run.file}: ${total} (seed ${run.seed}${part})`);
  return lines.join("\n");
}

/** A check in one line. */
function checkLine({ name, verdict, runs, undecided, counts, milliseconds }: CheckReport, style: Style): string {
  const open = undecided ? ` (${undecided} undecided)` : "";
  const time = milliseconds === undefined ? "" : `, ${durationText(milliseconds)}`;
  return `${style(STYLES[verdict], verdict.padEnd(9))}  ${style("bold", name)}  ${plural(runs, "run")}${open}: ${
    countsText(counts)
  }${time}`;
}
