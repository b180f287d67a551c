/** Progress of a training: a bar on a terminal, otherwise a line at every quarter. */
import cliProgress from "cli-progress";
import type { Progress } from "./train.ts";

/** Displays how far a training has come. */
export interface ProgressDisplay {
  update(progress: Progress): void;
  stop(): void;
}

/** Begins to display the progress of a training of a variant, which may have begun before. */
export function displayProgress(variant: string, steps: number, begun: Progress): ProgressDisplay {
  const label = variant.padEnd(14);
  if (!process.stdout.isTTY) {
    let quarter = Math.floor(4 * begun.step / steps);
    console.log(`${label} ${begun.step} of ${steps} steps done`);
    return {
      update(progress) {
        const now = Math.floor(4 * progress.step / steps);
        if (now > quarter) console.log(`${label} step ${progress.step}/${steps}  ${state(progress)}`);
        quarter = now;
      },
      stop() {},
    };
  }
  const format = `${label} {bar} {value}/{total}  {state}  {eta_formatted} left`;
  const bar = new cliProgress.SingleBar({ format, hideCursor: true }, cliProgress.Presets.shades_classic);
  bar.start(steps, begun.step, { state: state(begun) });
  return {
    update: (progress) => bar.update(progress.step, { state: state(progress) }),
    stop: () => bar.stop(),
  };
}

/** The last loss and the last test. */
function state({ losses, tests }: Progress): string {
  const loss = losses.length === 0 ? "–" : losses[losses.length - 1][2].toFixed(3);
  const map = tests.length === 0 ? "–" : tests[tests.length - 1].map50.toFixed(3);
  return `loss ${loss}  mAP at 0.5 ${map}`;
}
