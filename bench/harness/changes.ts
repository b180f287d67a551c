/** The changes between two runs. */
import type { Report } from "./report.ts";
import { short, table } from "./table.ts";

/** One contestant's times in one row of both runs. */
export interface Change {
  readonly row: string;
  readonly label: string;
  readonly before: number;
  readonly after: number;
  /** Whether the middle halves of the times do not overlap. */
  readonly clear: boolean;
}

export function changesOf(before: Report, after: Report): Change[] {
  return after.rows.flatMap(({ name, outcomes }) => {
    const earlier = before.rows.find((row) => row.name === name)?.outcomes ?? [];
    return outcomes.flatMap((now): Change[] => {
      const then = earlier.find(({ label }) => label === now.label);
      if (!then || !("median" in then) || !("median" in now)) return [];
      const clear = now.lower > then.upper || now.upper < then.lower;
      return [{ row: name, label: now.label, before: then.median, after: now.median, clear }];
    });
  });
}

/** A table of what clearly changed by 5 % or more, and what is not in both. */
export function changesText(before: Report, after: Report): string {
  const all = changesOf(before, after);
  const changed = all.filter(({ before, after, clear }) => clear && Math.abs(Math.log(after / before)) > 0.05)
    .sort((a, b) => b.after / b.before - a.after / a.before);
  const lines = changed.map(({ row, label, before, after }) => [
    row,
    label,
    short(before),
    short(after),
    (after / before).toFixed(2),
  ]);
  const missing = before.rows.filter(({ name }) => !after.rows.some((row) => row.name === name));
  return [
    `Compared with ${before.date}${before.commit === null ? "" : `, commit ${before.commit}`}: ` +
    `${changed.length} of ${all.length} times changed by more than 5 % and their spread`,
    ...(lines.length === 0 ? [] : [table(["row", "", "before, ms", "after, ms", "after / before"], lines)]),
    ...(missing.length === 0 ? [] : [`not measured this time: ${missing.map(({ name }) => name).join("; ")}`]),
    ...(sameMachine(before, after) ? [] : ["the machines or the runtimes differ"]),
  ].join("\n");
}

const sameMachine = (a: Report, b: Report): boolean => JSON.stringify(a.machine) === JSON.stringify(b.machine);
