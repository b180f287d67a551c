/** Reports as text for a terminal. */
import {
  advice,
  countsText,
  facts,
  headline,
  numberText,
  pairText,
  placeText,
  plural,
  replayCommand,
  shapeText,
} from "./advice.ts";
import type { GradcheckReport, RunReport, Verdict } from "./report.ts";

/** The text styles in use, all known to `styleText` of `node:util`. */
export type TextStyle = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Options of {@link reportText} and {@link runText}. */
export interface TextOptions {
  /** Styles a piece of text, as `styleText` of `node:util` does; default plain text. */
  readonly style?: (style: TextStyle, text: string) => string;
  /** The most elements to list, default 10. */
  readonly worst?: number;
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

/** Formats a report as text: the verdict, the worst elements with both numbers, the findings and what to do next. */
export function reportText(report: GradcheckReport, options: TextOptions = {}): string {
  const style = options.style ?? ((_, text) => text);
  const lines = [
    `${style(STYLES[report.verdict], style("bold", report.verdict))}  ${style("bold", report.name)}`,
    `  ${headline(report)}`,
    `  ${countsText(report.counts)}`,
    style("dim", `  ${facts(report).join("; ")}`),
  ];
  for (const { name, shape, counts } of report.inputs) {
    lines.push(style("dim", `  input ${name} ${shapeText(shape)}: ${countsText(counts)}`));
  }
  const open = report.worst.filter(({ verdict }) => verdict !== "ok");
  // If some elements are not right, those that are right are of no interest.
  const shown = (open.length > 0 ? open : report.worst).slice(0, options.worst ?? 10);
  if (shown.length > 0) {
    const [heading, ...rows] = columns([
      ["element", "order", "gradient", "numeric", "error", "estimate", "verdict"],
      ...shown.map((e) => [
        placeText(e, report),
        String(e.order),
        ...pairText(e),
        numberText(e.error, 3),
        numberText(e.estimate, 3),
        e.verdict,
      ]),
    ], 1);
    lines.push("", style("dim", `  ${heading}`));
    rows.forEach((row, i) => {
      const { verdict } = shown[i];
      lines.push(`  ${row.slice(0, -verdict.length)}${style(STYLES[verdict], verdict)}`);
    });
    const more = report.counts.wrong - shown.filter(({ verdict }) => verdict === "wrong").length;
    if (more > 0) lines.push(style("dim", `  and ${more} more that ${more === 1 ? "is" : "are"} wrong`));
  }
  if (report.findings.length > 0) {
    lines.push("");
    for (const { severity, check, message, entry } of report.findings) {
      const at = entry === undefined ? "" : ` (entry %${entry})`;
      lines.push(`  ${style(STYLES[severity], `${severity}: ${check}`)}: ${message}${at}`);
    }
  }
  const next = advice(report);
  if (next.length > 0) lines.push("", style("bold", "  Next:"), ...next.map((sentence) => `  - ${sentence}`));
  return lines.join("\n");
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
    const { name, verdict, runs, counts, error, report } = check;
    const failed = verdict !== "ok";
    lines.push(
      `${style(STYLES[verdict], verdict.padEnd(9))}  ${style("bold", name)}  ${plural(runs, "run")}: ${
        countsText(counts)
      }`,
    );
    if (!failed) continue;
    if (error !== null) lines.push(...error.split("\n").map((line) => `  ${line}`));
    if (report) lines.push("", ...reportText(report, options).split("\n").map((line) => line && `  ${line}`));
    const replay = replayCommand(run.file, check);
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
