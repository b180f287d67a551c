/** An X display for the backend headlessgl. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { environment, output, root } from "./processes.ts";

/** The addon gl, if `npm run setup:gl` has built it. */
export const GL: string = join(root, "scripts", "gl", "addon", "node_modules", "gl");

/** An X display for the backend headlessgl, or the one that there is; none if none is available. */
export async function openDisplay(): Promise<{ env: Record<string, string>; close(): void }> {
  const none = { env: {}, close: () => {} };
  if (environment.DISPLAY || !existsSync(GL)) return none;
  if ("missing" in output("xvfb-run", ["--help"])) return none;
  // The display ends with the program that it was opened for, which ends with its input.
  const program = 'echo "$DISPLAY $XAUTHORITY"; exec cat';
  const holder: ChildProcessByStdio<Writable, Readable, null> = spawn("xvfb-run", ["-a", "sh", "-c", program], {
    env: environment,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const close = () => holder.stdin.end();
  for await (const line of createInterface({ input: holder.stdout })) {
    const [DISPLAY, XAUTHORITY] = line.split(" ");
    return { env: { DISPLAY, XAUTHORITY }, close };
  }
  return none;
}
