/** Plans and kernels as text to read. */
import { renderFunction } from "./backends/render.ts";
import {
  inOrder,
  isLoop,
  type LoopArgument,
  type LoopStep,
  type Plan,
  type Source,
  type Step,
  type Target,
} from "./plan/plan.ts";
import { formatShape } from "./shape.ts";

/** Returns the origin of an argument or a result: `leaf 0`, `step 3`, `loop 0 result 1`. */
export function sourceText(source: Source): string {
  if (source.from === "empty") return "empty";
  return `${source.from} ${source.index}${source.from === "loop" ? ` result ${source.result}` : ""}`;
}

/** Returns the origin of an argument of a loop: `rows of leaf 0`. */
export function argumentText({ as, source }: LoopArgument): string {
  const text = sourceText(source);
  return as === "whole" ? text : as === "row" ? `rows of ${text}` : `${text} at first`;
}

/** Returns how a loop runs: `160 times`. */
export function timesText({ count, reverse }: Pick<LoopStep, "count" | "reverse">): string {
  return `${count} times${reverse ? ", backwards" : ""}`;
}

/** Returns one line per kernel, and those of the body of a loop indented under the line of the loop. */
export function planText(plan: Plan): string {
  const { steps, loops = [] } = plan;
  return inOrder(plan).map((step) => {
    if (isLoop(step)) return loopText(step, loops.indexOf(step));
    const { name, shape, args, kernel } = step;
    return `step ${steps.indexOf(step)}: ${name} ${formatShape(shape)} from ${fromText(args.map(sourceText))}, ` +
      `${kernel.iterations} iterations a thread`;
  }).join("\n");
}

function fromText(sources: readonly string[]): string {
  return sources.join(", ") || "nothing";
}

function loopText(loop: LoopStep, index: number): string {
  const { name, shapes, args, results, body } = loop;
  const made = results.map(({ as, of }, i) => `${formatShape(shapes[i])} ${as} ${sourceText(body.results[of])}`);
  const inner = planText(body).replace(/^(?=.)/gm, "  ");
  return `loop ${index}: ${name}, ${timesText(loop)}, makes ${made.join(", ")} from ${
    fromText(args.map(argumentText))
  }${inner === "" ? "" : `\n${inner}`}`;
}

/** Returns the text that the backend compiles. */
export async function kernelText(plan: Plan, step: Step, { text }: Target): Promise<string> {
  return text ? await text(plan, step) : renderFunction(step.kernel);
}

/** A column of a {@link table}. */
export interface Column {
  readonly title: string;
  /** Whether cells are numbers, which end in one line. */
  readonly numeric?: boolean;
}

/** Returns rows of cells as aligned columns, under their titles. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, c) => Math.max(...lines.map((cells) => cells[c].length)));
  return lines.map((cells) =>
    cells.map((cell, c) => (columns[c].numeric ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join("  ")
      .trimEnd()
  ).join("\n");
}

/** Returns a number of bytes with the unit that keeps it short: `512 B`, `1.5 kB`, `22 MB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 || value >= 99.5 ? value.toFixed(0) : value.toPrecision(2)} ${units[unit]}`;
}

/** Returns milliseconds with three digits after the point, and fewer the more there are before it. */
export function millisecondsText(milliseconds: number): string {
  if (milliseconds < 0.001) return milliseconds.toFixed(6);
  return milliseconds.toFixed(milliseconds >= 100 ? 0 : milliseconds >= 10 ? 1 : milliseconds >= 1 ? 2 : 3);
}
