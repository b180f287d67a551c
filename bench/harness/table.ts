/** Tables for a terminal. */
import Table from "cli-table3";
import type { Entrant } from "./contestant.ts";
import type { Outcome } from "./turns.ts";

/** A number with three digits that count. */
export function short(x: number): string {
  if (x >= 100) return x.toFixed(0);
  return x >= 10 ? x.toFixed(1) : x.toPrecision(2);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, i) => i === 0 ? "left" : "right"),
  });
  made.push(...rows.map((row) => [...row]));
  return made.toString();
}

/** A row's contestants, one a line: median, quartiles, shortest, processor's time, and how often gpugrad's time fits. */
export function outcomesTable(outcomes: readonly Outcome[], entrants: readonly Entrant[]): string {
  const ours = entrants.filter(({ kind }) => kind === "gpugrad");
  const medianOf = (label: string) => {
    const found = outcomes.find((one) => one.label === label);
    return found && "median" in found ? found.median : null;
  };
  const head = ["", "median, ms", "quartiles", "min", "CPU", "calls", ...ours.map(({ label }) => `${label} /`)];
  return table(
    head,
    outcomes.filter((one) => "median" in one).map((one) => {
      const ratios = ours.map(({ label }) => {
        const own = medianOf(label);
        return own === null || label === one.label ? "" : (own / one.median).toFixed(2);
      });
      const { median, lower, upper, min, cpu, samples } = one;
      return [
        one.label,
        short(median),
        `${short(lower)}–${short(upper)}`,
        short(min),
        cpu === null ? "" : short(cpu),
        `${samples}`,
        ...ratios,
      ];
    }),
  );
}

/** Why contestants did not take part in a row. */
export function refusalLines(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap((one) => "cannot" in one ? [`${one.label}: ${one.cannot.split("\n")[0].slice(0, 160)}`] : []);
}
