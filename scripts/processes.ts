/** Programs started by `npm test`, each in its own process group, so that its children end with it. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The folder of the project, with a trailing slash. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** The environment of all programs, in which those installed by npm are found first. */
export const environment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  DENO_NO_UPDATE_CHECK: "1",
  ...(process.stdout.isTTY ? {} : { NO_COLOR: "1" }),
};

const running = new Set<ChildProcess>();

/** Sends a signal to a program and its children. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, name);
  } catch {
    // It has ended, or there are no process groups on this system.
    child.kill(name);
  }
}

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    for (const child of running) signal(child, name);
    process.exit(1);
  });
}

/** Starts a program that this one talks to. It ends with this one. */
export function start(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcessWithoutNullStreams {
  const child = spawn(command, args, { env: { ...environment, ...env }, detached: true });
  running.add(child);
  child.once("close", () => running.delete(child));
  return child;
}

/** Ends a program and its children at once. */
export function end(child: ChildProcess): void {
  signal(child, "SIGKILL");
}

export interface RunOptions {
  /** The time after which the command is considered hung. */
  readonly minutes: number;
  /** Additional environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its output is printed as it comes, rather than collected. */
  readonly live?: boolean;
}

/** How a command ended. */
export interface Ending {
  /** `null` if it succeeded. */
  readonly problem: string | null;
  readonly seconds: number;
  /** Its output; empty if that was printed as it came. */
  readonly text: string;
}

/** Runs a command. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<Ending> {
  const { minutes, env = {}, live = false } = options;
  const begin = performance.now();
  const child = spawn(command, args, {
    env: { ...environment, ...env },
    stdio: live ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
    detached: true,
  });
  running.add(child);
  const parts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (part) => parts.push(part));
  let late = false;
  const timers: ReturnType<typeof setTimeout>[] = [];
  if (Number.isFinite(minutes)) {
    timers.push(setTimeout(() => {
      late = true;
      signal(child, "SIGTERM");
      timers.push(setTimeout(() => signal(child, "SIGKILL"), 5000));
    }, minutes * 60_000));
  }
  const problem = await new Promise<string | null>((done) => {
    child.on("error", (error) => done(`could not be started: ${error.message}`));
    child.on("close", (code, signal) => {
      if (late) done(`was stopped after ${minutes} minutes`);
      else done(code === 0 ? null : code === null ? `was ended by ${signal}` : `exited with code ${code}`);
    });
  });
  running.delete(child);
  timers.forEach(clearTimeout);
  return { problem, seconds: (performance.now() - begin) / 1000, text: parts.join("") };
}

/** Whether a program can be started, determined by a harmless invocation. */
export function output(command: string, args: string[]): { text: string } | { missing: string } {
  const { error, status, stdout, stderr } = spawnSync(command, args, { env: environment, encoding: "utf8" });
  if (error) return { missing: `${command} is not installed` };
  if (status === 0) return { text: stdout };
  return { missing: `${command} does not start: ${(stderr + stdout).trim().split("\n")[0]}` };
}
