/** Processes in which Node, Deno and Bun run test files, one after the other: starting one, and opening its devices, takes longer than most files. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import type { Orders } from "../tests/support/runner/run.ts";
import type { Said } from "../tests/support/runner/worker.ts";
import type { Kept } from "./kept.ts";
import { end, start } from "./processes.ts";

/** The beginning of a line that is a message; see tests/support/runner/worker.ts. */
const MARK = "\u0001gpugrad ";

/** How a file ended in a process. */
export interface WorkerEnding {
  /** Why the file did not load or the process did not survive it; `null` if it ended. */
  readonly problem: string | null;
  /** Whether the process has ended. */
  readonly gone: boolean;
  /** The test at which it ended; empty outside of tests. */
  readonly at: string;
  /** The output other than messages. */
  readonly text: string;
  /** The processor's time, in seconds. */
  readonly cpu: number;
}

/** How a worker is started. */
export interface WorkerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Whether output is printed as it comes. */
  readonly live: boolean;
}

export class Worker implements Kept {
  /** How many files it has run. */
  files = 0;
  /** Its memory after the last file. */
  megabytes = 0;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #live: boolean;
  readonly #printed: string[] = [];
  #hear: (said: Said) => void = () => {};
  /** Why the process has ended. */
  #ended: string | null = null;
  #whenEnded: (reason: string) => void = () => {};

  constructor({ command, args, env, live }: WorkerCommand) {
    this.#live = live;
    const child = this.#child = start(command, args, env);
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith(MARK)) this.#hear(JSON.parse(line.slice(MARK.length)) as Said);
      // Each message begins on a line of its own, after what may be an empty one.
      else if (line !== "") this.#print(line);
    });
    createInterface({ input: child.stderr }).on("line", (line) => this.#print(line));
    const ended = (reason: string) => {
      this.#ended ??= reason;
      this.#whenEnded(this.#ended);
    };
    child.on("error", (error) => ended(`could not be started: ${error.message}`));
    child.on("close", (code, signal) => ended(code === null ? `was ended by ${signal}` : `exited with code ${code}`));
    // A process that has ended says so itself.
    child.stdin.on("error", () => {});
  }

  /** Runs a file. */
  async run(orders: Orders, minutes: number, hear: (said: Said) => void): Promise<WorkerEnding> {
    let [at, cpu] = ["", 0];
    let timer: ReturnType<typeof setTimeout> | undefined;
    this.files++;
    const problem = await new Promise<string | null>((done) => {
      this.#hear = (said) => {
        if ("started" in said) at = said.started;
        if ("ended" in said) at = "";
        if ("done" in said) {
          this.megabytes = said.megabytes;
          cpu = said.cpu;
          done(said.done);
        } else hear(said);
      };
      this.#whenEnded = done;
      if (this.#ended !== null) return done(this.#ended);
      if (Number.isFinite(minutes)) {
        timer = setTimeout(() => {
          this.#ended ??= `did not end within ${minutes} minutes`;
          end(this.#child);
        }, minutes * 60_000);
      }
      this.#child.stdin.write(`${JSON.stringify(orders)}\n`);
    });
    clearTimeout(timer);
    this.#hear = () => {};
    this.#whenEnded = () => {};
    return { problem, gone: this.#ended !== null, at, text: this.#printed.splice(0).join(""), cpu };
  }

  close(): void {
    end(this.#child);
  }

  #print(line: string): void {
    if (this.#live) console.log(line);
    else this.#printed.push(`${line}\n`);
  }
}
