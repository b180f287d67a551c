/**
 * Signs of life: a bar on a terminal, plain lines elsewhere. Both go to stderr, so that stdout has only results. A check
 * may compute for long without a word from the worker; the time goes on all the same.
 */
import process from "node:process";
import { plural } from "../verify/report/advice.ts";
import type { Step } from "./messages.ts";

/** Displays progress. */
export interface Progress {
  /** Shows the name of the current check, and how many runs it will take. */
  start(name: string, runs: number): void;
  /** Shows how far it is. */
  step(step: Step): void;
  /** Marks the current check as done; runs that were not needed count as completed. */
  end(runs: number): void;
  /** Restores the terminal. */
  stop(): void;
}

/** Starts displaying progress towards a number of runs. */
export async function showProgress(total: number): Promise<Progress> {
  return process.stderr.isTTY ? await bar(total) : lines();
}

/** Describes the phase of a check in words. */
function busy({ phase, runs, shrinks }: Step, total: number): string {
  switch (phase) {
    case "checking":
      return `${runs} of ${plural(total, "run")}`;
    case "shrinking":
      return `wrong, shrinking: ${plural(shrinks, "smaller input")} tried`;
    case "locating":
      return "wrong, looking for the entry of the tape";
  }
}

async function bar(total: number): Promise<Progress> {
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: "{bar} {value}/{total} runs  {duration_formatted}  {name}",
    hideCursor: true,
    clearOnComplete: true,
    stream: process.stderr,
  }, cliProgress.Presets.shades_classic);
  let [start, end, of] = [0, 0, ""];
  bar.start(total, 0, { name: "" });
  return {
    start: (name, runs) => {
      [start, end, of] = [end, end + runs, name];
      bar.update(start, { name });
    },
    step: (step) => {
      const name = step.phase === "checking" ? of : `${of}: ${busy(step, end - start)}`;
      bar.update(Math.min(end, start + step.runs), { name });
    },
    end: () => bar.update(end),
    stop: () => bar.stop(),
  };
}

/** The first line about what goes on comes after this many seconds. */
const FIRST = 2;
/** How often the time is looked at, in milliseconds. */
const TICK = 250;

/** When the next line comes: lines get rarer, to one a minute. */
function nextAfter(seconds: number): number {
  return Math.min(1.5 * seconds, seconds + 60);
}

function lines(): Progress {
  let [name, total, started, next] = ["", 0, 0, 0];
  let latest: Step | null = null;
  const seconds = () => (performance.now() - started) / 1000;
  const line = (what: string) => console.error(`${name}: ${what}, ${seconds().toFixed(1)} s`);
  const timer = setInterval(() => {
    if (name === "" || seconds() < next) return;
    next = nextAfter(seconds());
    line(latest ? busy(latest, total) : "started");
  }, TICK);
  return {
    start: (...of) => {
      [name, total] = of;
      [started, next, latest] = [performance.now(), FIRST, null];
    },
    step: (step) => {
      latest = step;
    },
    end: (runs) => {
      line(plural(runs, "run"));
      name = "";
    },
    stop: () => clearInterval(timer),
  };
}

/** Shows that a file is being loaded, if that takes long. Returns how to end it. */
export function showLoading(file: string): () => void {
  const started = performance.now();
  let next = FIRST;
  const timer = setInterval(() => {
    const seconds = (performance.now() - started) / 1000;
    if (seconds < next) return;
    next = nextAfter(seconds);
    console.error(`${file}: loading, ${seconds.toFixed(1)} s`);
  }, TICK);
  return () => clearInterval(timer);
}
