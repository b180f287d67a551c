/** Programs started by `npm test`, each in its own process group, so that its children end with it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** The folder of the project, with a trailing slash. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** The environment of all programs, in which those installed by npm are found first. */
export const environment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  DENO_JOBS: "2",
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

/** Forwards output; joins the dots that Deno writes on separate lines. */
async function joinDots(output: Readable): Promise<void> {
  let inDots = false;
  for await (const line of createInterface({ input: output })) {
    const isDot = /^[.,!]$/.test(line);
    if (inDots && !isDot) process.stdout.write("\n");
    process.stdout.write(isDot ? line : `${line}\n`);
    inDots = isDot;
  }
}

/**
 * Runs a command with its output on the terminal, after a line that names it.
 *
 * @param minutes the time after which the command is considered hung.
 * @param env additional environment variables.
 */
export async function run(
  command: string,
  args: string[],
  minutes: number,
  env: Readonly<Record<string, string>> = {},
): Promise<{ problem: string | null; seconds: number }> {
  announce([command, ...args]);
  return await execute(command, args, minutes, env);
}

/** Prints the beginning of a command. */
export function announce(line: readonly string[]): void {
  const words = line.map((word) => word === process.execPath ? "node" : word);
  console.log(`\n> ${words.slice(0, 4).join(" ")}${words.length > 4 ? " ..." : ""}`);
}

/** {@link run} without a line that names the command. */
export async function execute(
  command: string,
  args: string[],
  minutes: number,
  env: Readonly<Record<string, string>> = {},
): Promise<{ problem: string | null; seconds: number }> {
  const start = performance.now();
  const dotted = command === "deno" && args[0] === "test";
  const child = spawn(command, args, {
    env: { ...environment, ...env },
    stdio: ["ignore", dotted ? "pipe" : "inherit", "inherit"],
    detached: true,
  });
  running.add(child);
  const output = child.stdout ? joinDots(child.stdout) : undefined;
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
  await output;
  running.delete(child);
  timers.forEach(clearTimeout);
  return { problem, seconds: (performance.now() - start) / 1000 };
}

/** Whether a program can be started, determined by a harmless invocation. */
export function output(command: string, args: string[]): { text: string } | { missing: string } {
  const { error, status, stdout, stderr } = spawnSync(command, args, { env: environment, encoding: "utf8" });
  if (error) return { missing: `${command} is not installed` };
  if (status === 0) return { text: stdout };
  return { missing: `${command} does not start: ${(stderr + stdout).trim().split("\n")[0]}` };
}
