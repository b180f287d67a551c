/** Parts of documents that programs write: what stands between two comments, which name the command. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./processes.ts";

const END = "<!-- end of what is measured -->";

/** The text before the part that a command writes, the part, and the text after it. */
function splitAt(path: string, text: string, command: string): [before: string, part: string, after: string] {
  const start = `<!-- measured by ${command} -->`;
  const from = text.indexOf(start), to = text.indexOf(END, from);
  if (from < 0 || to < 0) throw new Error(`${path} lacks the lines ${start} and ${END}`);
  return [text.slice(0, from + start.length), text.slice(from + start.length, to), text.slice(to)];
}

/** The part of a document that a command writes. */
export function generatedPart(path: string, command: string): string {
  return splitAt(path, readFileSync(join(root, path), "utf8"), command)[1].trim();
}

/** Replaces the part of a document that a command writes. */
export function writePart(path: string, command: string, part: string): void {
  const [before, , after] = splitAt(path, readFileSync(join(root, path), "utf8"), command);
  writeFileSync(join(root, path), `${before}\n\n${part}\n\n${after}`);
}

/** A table in Markdown as `deno fmt` leaves it. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map((row) => row[i].length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
