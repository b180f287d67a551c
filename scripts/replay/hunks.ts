/** The difference between two texts of a kernel, so that one sees what changed and not that later variables are numbered otherwise. */
import { diffArrays, structuredPatch } from "diff";

/** A part of a unified diff: lines that begin with a space, `-` or `+`. */
export interface Hunk {
  readonly header: string;
  readonly lines: readonly string[];
}

/** A variable of a kernel: a letter and a number. */
const VARIABLE = /\b(?:old_)?[a-z]\d+\b/g;
/** Where a variable is declared: in a statement, or as a parameter. */
const DECLARATION = /(?:\b(?:const|let) |^)([a-z]\d+) = /gm;
/** A whole number that is part of no name and no decimal fraction: sizes, strides and bounds. */
const WHOLE = /(?<![\w.])\d+(?![\w.])/g;
const VARIABLE_OR_WHOLE = new RegExp(`${VARIABLE.source}|${WHOLE.source}`, "g");

/** How two texts differ. */
export interface Difference {
  readonly hunks: readonly Hunk[];
  /** Whether the texts are the same but for the names of variables. */
  readonly namesAlone: boolean;
}

/** The unified diff of two texts, in the names of the second one where more than names changed. */
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

/** A text with its variables named as the lines of another text name them that are the same but for such names. */
function renamed(before: string, after: string): string {
  const masked = (line: string) => line.replace(VARIABLE, (name) => name[0]);
  const [old, now] = [before.split("\n"), after.split("\n")];
  const names = new Map<string, string>();
  let i = 0, k = 0;
  for (const { added, removed, count } of diffArrays(old.map(masked), now.map(masked))) {
    if (!added && !removed) {
      for (let line = 0; line < count; line++) {
        const [from, to] = [declared(old[i + line]), declared(now[k + line])];
        from.forEach((name, at) => names.set(name, to[at]));
      }
    }
    if (!added) i += count;
    if (!removed) k += count;
  }
  const taken = new Set(declared(after));
  return before.replace(VARIABLE, (name) => names.get(name) ?? (taken.has(name) ? `old_${name}` : name));
}

function declared(text: string): string[] {
  return [...text.matchAll(DECLARATION)].map(([, name]) => name);
}

/** What changed, whatever variables are called and whatever sizes there are: the same for the same change. */
export function shapeOf(hunks: readonly Hunk[]): string {
  const seen = new Map<string, number>();
  const number = (token: string) => {
    if (!seen.has(token)) seen.set(token, seen.size);
    return seen.get(token)!;
  };
  return hunks.flatMap(({ lines }) => lines.filter((line) => !line.startsWith(" ")))
    .map((line) =>
      line.replace(VARIABLE_OR_WHOLE, (token) => `${/\d/.test(token[0]) ? "" : token[0]}#${number(token)}`)
    )
    .join("\n");
}
