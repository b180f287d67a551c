/** A summary of all rows: how often gpugrad's time fits into PyTorch's, the best JavaScript peer's and the limit. */
import type { Entrant } from "./contestant.ts";
import type { ReportRow } from "./report.ts";
import { geometricMean } from "./statistics.ts";
import { short, table } from "./table.ts";

/** The fastest of some contestants in a row. */
export function fastest(row: ReportRow, among: readonly Entrant[]): { label: string; median: number } | null {
  let best: { label: string; median: number } | null = null;
  for (const outcome of row.outcomes) {
    if (!("median" in outcome) || !among.some(({ label }) => label === outcome.label)) continue;
    if (best === null || outcome.median < best.median) best = { label: outcome.label, median: outcome.median };
  }
  return best;
}

/** Peers that gpugrad's device is compared with: PyTorch on as many threads, any JavaScript library, and the limit. */
export function rivals(
  own: Entrant,
  entrants: readonly Entrant[],
): readonly (readonly [name: string, among: readonly Entrant[]])[] {
  const most = Math.max(1, ...entrants.map(({ threads }) => threads ?? 1));
  const threads = own.threads ?? most;
  return [
    ["PyTorch", entrants.filter((one) => /^PyTorch/.test(one.label) && (one.threads ?? threads) === threads)],
    ["best JavaScript", entrants.filter((one) => one.script && (one.threads ?? 1) <= threads)],
    ["limit", entrants.filter(({ kind }) => kind === "limit")],
  ];
}

/** A line for each row with the ratios of one device of gpugrad, and their geometric means by group. */
export function summaryOf(own: Entrant, rows: readonly ReportRow[], entrants: readonly Entrant[]): string {
  const against = rivals(own, entrants);
  const ratios = new Map<string, number[]>();
  const lines: string[][] = [];
  for (const row of rows) {
    const ours = fastest(row, [own]);
    if (ours === null) continue;
    const cells = against.map(([name, among]) => {
      const best = fastest(row, among);
      if (best === null) return "";
      const ratio = ours.median / best.median, key = `${row.group}, ${row.mode}: ${name}`;
      ratios.set(key, [...ratios.get(key) ?? [], ratio]);
      return `${ratio.toFixed(2)}${among.length > 1 ? ` (${best.label})` : ""}`;
    });
    lines.push([row.name, short(ours.median), ...cells]);
  }
  if (lines.length === 0) return "";
  const head = [own.label, "ms", ...against.map(([name]) => `/ ${name}`)];
  const means = [...ratios].filter(([, all]) => all.length > 1)
    .map(([key, all]) => `  geometric mean of ${all.length} ratios, ${key} ${geometricMean(all).toFixed(2)}`);
  return [table(head, lines), ...means].join("\n");
}
