/** Formats a comparison: each change once, with its places, then the number of changed kernels of each target. */
import { styleText } from "node:util";
import type { Change, Comparison, Place } from "./compare.ts";

/** Options of the report. */
export interface ReportOptions {
  readonly colours: boolean;
  /** Shows all changes and all cases. */
  readonly verbose: boolean;
}

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

/** The most changes and cases shown without `verbose`. */
const MOST_CHANGES = 40;
const MOST_CASES = 6;
/** The most lines of a difference shown without `verbose`. */
const MOST_LINES = 60;

/** Formats a comparison. */
export function reportText({ tallies, changes }: Comparison, { colours, verbose }: ReportOptions): string {
  const paint: Paint = colours ? styleText : (_, text) => text;
  const shown = verbose ? changes : changes.slice(0, MOST_CHANGES);
  const parts = shown.map((change) => changeText(change, paint, verbose));
  const rest = changes.length - shown.length;
  if (rest > 0) {
    parts.push(`... and ${rest} further changes: --verbose shows them, --only and --target narrow them down\n`);
  }
  const width = Math.max(0, ...[...tallies.keys()].map((target) => target.length));
  for (const [target, tally] of tallies) {
    const name = `${target}:`.padEnd(width + 1);
    parts.push(
      `${name} ${tally.same} kernels the same, ${tally.changed} changed, ${tally.new} new, ${tally.gone} gone`,
    );
  }
  return parts.join("\n");
}

function changeText({ kind, subject, hunks, note, places }: Change, paint: Paint, verbose: boolean): string {
  const names = new Set(places.map(({ name }) => name));
  const count = subject === "case" ? `${names.size} cases` : `${places.length} ${subject}s of ${names.size} cases`;
  const [first] = places;
  const lines = hunks.flatMap(({ header, lines }) => [header, ...lines]);
  const shown = verbose ? lines : lines.slice(0, MOST_LINES);
  const rest = lines.length - shown.length;
  return [
    paint("bold", `${kind}: ${plural(count)}${note && `: ${note}`}`),
    `in ${placesText(places, verbose ? Infinity : MOST_CASES)}`,
    ...(hunks.length > 0 ? [`${first.name} [${first.target}]${first.label && `: ${first.label}`}`] : []),
    ...shown.map((line) => lineText(line, paint)),
    ...(rest > 0 ? [`... and ${rest} further lines`] : []),
    "",
  ].join("\n");
}

const STYLES: Readonly<Record<string, Style>> = { "+": "green", "-": "red", "@": "cyan" };

function lineText(line: string, paint: Paint): string {
  return line[0] in STYLES ? paint(STYLES[line[0]], line) : line;
}

/** A count of one has no plural. */
function plural(text: string): string {
  return text.replace(/\b1 (\w+)s\b/g, "1 $1");
}

/** The cases, with their targets in brackets. */
function placesText(places: readonly Place[], most: number): string {
  const targets = new Map<string, Set<string>>();
  for (const { name, target } of places) {
    if (!targets.has(name)) targets.set(name, new Set());
    targets.get(name)!.add(target);
  }
  const texts = [...targets].slice(0, most).map(([name, set]) => `${name} [${[...set].join(" ")}]`);
  if (targets.size > most) texts.push(`and ${targets.size - most} more`);
  return texts.join(", ");
}
