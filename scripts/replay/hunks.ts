/** Differences between two texts of a kernel that show what changed, and not that later variables are renumbered. */
import { diffArrays, structuredPatch } from "diff";

/** A part of a unified diff: lines that begin with a space, `-` or `+`. */
export interface Hunk {
  readonly header: string;
  readonly lines: readonly string[];
}

/** A variable of a kernel: a letter and a number. */
const VARIABLE = /\b(?:old_)?[a-z]\d+\b/g;
/** A declaration of a variable: in a statement, or as a parameter. */
const DECLARATION = /(?:\b(?:const|let) |^)([a-z]\d+) = /gm;
/** A whole number that is not part of a name or a decimal fraction: sizes, strides and bounds. */
const WHOLE = /(?<![\w.])\d+(?![\w.])/g;
const VARIABLE_OR_WHOLE = new RegExp(`${VARIABLE.source}|${WHOLE.source}`, "g");

/** The difference between two texts. */
export interface Difference {
  readonly hunks: readonly Hunk[];
  /** Whether the texts differ only in the names of variables. */
  readonly namesAlone: boolean;
}

/** The unified diff of two texts, in the names of the second if more than names changed. */
export function difference(before: string, after: string): Difference {
  const hunks = hunksBetween(renamed(before, after), after);
  if (hunks.length > 0) return { hunks, namesAlone: false };
  return { hunks: hunksBetween(before, after), namesAlone: true };
}

/** The unified diff of two texts; "" is a text without lines. */
export function hunksBetween(before: string, after: string): Hunk[] {
  const { hunks } = structuredPatch("", "", ended(before), ended(after), undefined, undefined, { context: 3 });
  return hunks.map(({ oldStart, oldLines, newStart, newLines, lines }) => ({
    header: `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`,
    lines,
  }));
}

function ended(text: string): string {
  return text === "" ? "" : `${text}\n`;
}

/** Renames the variables of a text to their counterparts in another text. */
function renamed(before: string, after: string): string {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const [old, now] of counterparts(before.split("\n"), after.split("\n"))) {
    const [from, to] = [declared(old), declared(now)];
    // A replacement with more or fewer variables has no counterparts.
    if (from.length !== to.length) continue;
    from.forEach((name, i) => {
      if (taken.has(to[i]) || name[0] !== to[i][0]) return;
      names.set(name, to[i]);
      taken.add(to[i]);
    });
  }
  const used = new Set(declared(after));
  return before.replace(VARIABLE, (name) => names.get(name) ?? (used.has(name) ? `old_${name}` : name));
}

/** Pieces of two texts that are the same but for the names of variables, and pieces that replace others. */
function* counterparts(before: readonly string[], after: readonly string[]): Generator<readonly [string, string]> {
  const masked = (line: string) => line.replace(VARIABLE, (name) => name[0]);
  let i = 0, k = 0;
  let removed = 0;
  for (const change of diffArrays(before.map(masked), after.map(masked))) {
    const { count } = change;
    if (change.added) {
      yield [before.slice(i - removed, i).join("\n"), after.slice(k, k + count).join("\n")];
    } else if (!change.removed) {
      yield [before.slice(i, i + count).join("\n"), after.slice(k, k + count).join("\n")];
    }
    removed = change.removed ? count : 0;
    if (!change.added) i += count;
    if (!change.removed) k += count;
  }
}

function declared(text: string): string[] {
  return [...text.matchAll(DECLARATION)].map(([, name]) => name);
}

/**
 * Normalises a change, regardless of variable names, sizes and repetition: equal for equal changes.
 */
export function shapeOf(hunks: readonly Hunk[]): string {
  const shapes = new Set(hunks.flatMap(({ lines }) => replacements(lines)).map(shapeOfLines));
  return [...shapes].sort().join("\n");
}

/** The lines of each replacement: line by line if the counts match, otherwise as a block. */
function replacements(lines: readonly string[]): string[][] {
  const found: string[][] = [];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i].startsWith(" ")) continue;
    const start = i;
    while (i < lines.length && !lines[i].startsWith(" ")) i++;
    const together = lines.slice(start, i);
    const half = together.length / 2;
    const even = Number.isInteger(half) && together.every((line, k) => line.startsWith(k < half ? "-" : "+"));
    if (even) { for (let k = 0; k < half; k++) found.push([together[k], together[k + half]]); }
    else found.push(together);
  }
  return found;
}

function shapeOfLines(lines: readonly string[]): string {
  const seen = new Map<string, number>();
  const number = (token: string) => {
    if (!seen.has(token)) seen.set(token, seen.size);
    return seen.get(token)!;
  };
  return lines.map((line) => line[0] + line.slice(1).trim())
    .map((line) =>
      line.replace(VARIABLE_OR_WHOLE, (token) => `${/\d/.test(token[0]) ? "" : token[0]}#${number(token)}`)
    ).join("\n");
}
