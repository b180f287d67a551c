/** A process that runs test files one after the other, as scripts/workers.ts tells it to on its input. */
import { readFileSync, writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { describeError } from "./node_test.ts";
import { type Message, type Orders, runFile } from "./run.ts";

/** The messages of a process: about a test, about an error outside of tests, or that a file has ended, and why it did not load. */
export type Said = Message | { problem: string } | { done: string | null; megabytes: number; cpu: number };

/** The beginning of a line that is a message to `npm test`; all other output is of tests. */
export const MARK = "\u0001gpugrad ";

function say(said: Said): void {
  // At once, so that a driver that crashes next does not take it along. A line of a test can be open.
  let rest = new TextEncoder().encode(`\n${MARK}${JSON.stringify(said)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    }
  }
}

process.on("uncaughtException", (error) => say({ problem: `uncaught ${describeError(error)}` }));
process.on("unhandledRejection", (error) => say({ problem: `unhandled rejection: ${describeError(error)}` }));

/** The processor's time that this process has had, and on Linux the programs that it started and that have ended, in seconds. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + cpuOfPrograms();
}

/** The time of programs that have ended, of which Linux counts hundredths of a second; 0 elsewhere. */
function cpuOfPrograms(): number {
  if (process.platform !== "linux") return 0;
  const status = readFileSync("/proc/self/stat", "latin1");
  // After the name, which may have blanks: the state is the 3rd field, the times of children are the 16th and 17th.
  const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** The environment that each file starts with. */
const environment = { ...process.env };

/** Whether it has run a file; the first one's time includes the start of the process. */
let told = false;

for await (const line of createInterface({ input: process.stdin })) {
  const before = told ? cpu() : 0;
  told = true;
  const error = await runFile(JSON.parse(line) as Orders, say, cpu);
  // Errors outside of tests are reported before the file has ended.
  await new Promise((done) => setTimeout(done, 0));
  for (const name of Object.keys(process.env)) {
    if (!(name in environment)) delete process.env[name];
  }
  Object.assign(process.env, environment);
  say({ done: error, megabytes: process.memoryUsage().rss / 2 ** 20, cpu: cpu() - before });
}
process.exit(0);
