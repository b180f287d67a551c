/**
 * Progress of a command: a bar on a terminal, plain lines elsewhere. Both go to stderr, so that stdout has only
 * results.
 */
import cliProgress from "cli-progress";
import process from "node:process";
import { plural } from "../verify/report/advice.ts";

/** Displays progress. */
export interface Progress {
  /** Shows the name of the current check. */
  start(name: string, runs: number): void;
  /** Counts completed runs. */
  add(runs: number): void;
  /** Marks the current check as done; runs that were not needed count as completed. */
  end(): void;
  /** Restores the terminal. */
  stop(): void;
}

/** Starts displaying progress towards a number of runs. */
export function showProgress(total: number): Progress {
  return process.stderr.isTTY ? bar(total) : lines();
}

function bar(total: number): Progress {
  const bar = new cliProgress.SingleBar({
    format: "{bar} {value}/{total} runs  {duration_formatted}  {name}",
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
  }, cliProgress.Presets.shades_classic);
  let end = 0;
  let value = 0;
  bar.start(total, 0, { name: "" });
  const update = (to: number, name?: string) => bar.update(value = to, name === undefined ? {} : { name });
  return {
    start: (name, runs) => (end = value + runs, update(value, name)),
    add: (runs) => update(Math.min(end, value + runs)),
    end: () => update(end),
    stop: () => bar.stop(),
  };
}

function lines(): Progress {
  let name = "";
  let started = 0;
  let done = 0;
  return {
    start: (of) => {
      [name, started, done] = [of, performance.now(), 0];
    },
    add: (runs) => done += runs,
    end: () => console.error(`${name}: ${plural(done, "run")}, ${((performance.now() - started) / 1000).toFixed(1)} s`),
    stop: () => {},
  };
}
