/** Progress of the demo: a bar on a terminal, otherwise a line at every quarter. */
import cliProgress from "cli-progress";

/** Runs a step for each item and displays progress. */
export async function withProgress<T, R>(
  label: string,
  items: readonly T[],
  step: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const total = items.length;
  const started = performance.now();
  const bar = process.stdout.isTTY
    ? new cliProgress.SingleBar(
      { format: `${label} {bar} {value}/{total}  {duration_formatted}`, hideCursor: true },
      cliProgress.Presets.shades_classic,
    )
    : null;
  bar?.start(total, 0);
  if (!bar) console.log(`${label}: ${total} to do`);
  try {
    const results: R[] = [];
    for (const [i, item] of items.entries()) {
      results.push(await step(item, i));
      bar?.update(i + 1);
      const quarter = (n: number) => Math.floor((4 * n) / total);
      if (!bar && quarter(i + 1) > quarter(i)) {
        console.log(`${label}: ${i + 1}/${total}, ${seconds(performance.now() - started)}`);
      }
    }
    return results;
  } finally {
    bar?.stop();
  }
}

/** Formats milliseconds as seconds. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
