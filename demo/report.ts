/** Formats the figures as text, the same for the terminal and the page. */
import type { Device } from "../mod.ts";
import type { DetectionSummary } from "./detections.ts";
import { type CheckedElement, type CheckSummary, FLOOR, TOLERANCE } from "./gradient_check.ts";
import { type Decisions, type Evaluation, norm } from "./objective.ts";

/** Rows of cells, headed by the first row. */
export type Table = readonly (readonly string[])[];

/** One row of the table of photographs. */
export interface LossRow {
  readonly name: string;
  readonly faces: number;
  readonly decisions: readonly Decisions[];
  readonly evaluation: Evaluation;
}

/** Milliseconds of the first call, which compiles, and of later calls: the median and the number of calls. */
export interface Timing {
  readonly first: number;
  readonly next: number;
  readonly calls: number;
}

/** The table of losses, components and gradient norms. */
export function lossTable(rows: readonly LossRow[], componentNames: readonly string[]): Table {
  const total = (decisions: readonly Decisions[], of: (d: Decisions) => number) =>
    String(decisions.reduce((n, d) => n + of(d), 0));
  return [
    ["photograph", "faces", "positives", "mined", ...componentNames, "|d locations|", "|d logits|"],
    ...rows.map(({ name, faces, decisions, evaluation }) => [
      name,
      String(faces),
      total(decisions, (d) => d.positives.length),
      total(decisions, (d) => d.mined.length),
      ...evaluation.components.map((v) => v.toFixed(4)),
      norm(evaluation.dLocations).toFixed(4),
      norm(evaluation.dLogits).toFixed(4),
    ]),
  ];
}

/** The table of detections at several stages. */
export function detectionTable(stages: readonly (readonly [string, DetectionSummary])[]): Table {
  return [
    ["predictions", "detections", "faces found", "false alarms", "mean IoU"],
    ...stages.map(([name, s]) => [
      name,
      String(s.detections),
      `${s.found} of ${s.faces}`,
      String(s.falseAlarms),
      s.meanIou.toFixed(3),
    ]),
  ];
}

/** The table of the elements with the largest differences. */
export function worstTable({ worstOracle, worstDevice }: CheckSummary, device: Device): Table {
  const row = (title: string, e: CheckedElement, tape: number, error: number) => [
    title,
    `${e.photograph} ${e.prediction}[${e.row}, ${e.box}]`,
    tape.toExponential(9),
    e.numeric.toExponential(9),
    error.toExponential(1),
  ];
  return [
    ["worst", "element", "the tape's", "numeric", "relative difference"],
    row("tape on float64", worstOracle, worstOracle.oracle, worstOracle.oracleError),
    row(`tape on ${device.name}`, worstDevice, worstDevice.device, worstDevice.deviceError),
  ];
}

/** The results of the check, in sentences. */
export function checkSentences(check: CheckSummary): string[] {
  const elements = check.counting + check.idle + check.flipped;
  return [
    `${elements} elements of both predictions against central differences on the float64 oracle: ${check.passed} agree, ${check.failed} do not (to ${TOLERANCE.oracle} in float64 and ${TOLERANCE.device} on the device, relative to the numeric value or to ${FLOOR} of the photograph's largest gradient).`,
    `${check.counting} take part in the loss. ${check.idle} do not, and ${check.idleZero} of these have exactly 0 for all three: oracle, device and central difference.`,
    check.flipped === 0
      ? "No step changed which backgrounds are mined; matching does not depend on predictions."
      : `${check.flipped} steps changed which backgrounds are mined; these elements are not counted as agreeing.`,
  ];
}

/** The device that was used, in words. */
export function deviceSentence({ name, backend, executor, fallbackReason }: Device): string {
  const reason = fallbackReason === null ? "" : ` (nothing faster: ${fallbackReason})`;
  return `device ${name}, backend ${backend}, executor ${executor}${reason}`;
}

/** The time taken by loss and gradients. */
export function timingSentence({ first, next, calls }: Timing): string {
  return `loss and both gradients of all photographs: first call ${first.toFixed(0)} ms, next calls ${
    next.toFixed(1)
  } ms (median of ${calls})`;
}

/** Formats a table as lines of text: the first column left-aligned, the others right-aligned. */
export function textTable(table: Table): string {
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  return table.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ")
  ).join("\n");
}
