/** Prepares Node for the test files: bundles, and a display. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { bundleForNode } from "./bundle.ts";
import { environment, output, root } from "./processes.ts";

/** Files that load sources while they run; those run through tsx. */
const FROM_SOURCES = [
  "tests/tooling/copies.test.ts",
  "tests/tooling/examples.test.ts",
  "tests/tooling/libraries.test.ts",
  "tests/tooling/training.test.ts",
];

/** How Node runs test files. */
export interface NodeSetting {
  readonly env: Record<string, string>;
  /** The arguments that name a file. */
  readonly program: (file: string) => readonly string[];
}

/** Bundles the test files into a folder, and opens a display. */
export async function openNode(
  files: readonly string[],
  folder: string,
): Promise<NodeSetting & { close(): void }> {
  await bundleForNode(files.filter((file) => !FROM_SOURCES.includes(file)), folder);
  const program = (file: string) =>
    FROM_SOURCES.includes(file)
      ? ["--import", "tsx", file]
      : ["--enable-source-maps", join(folder, file.replace(/\.ts$/, ".js"))];
  return { ...await openDisplay(), program };
}

/** An X display for the backend headlessgl, or the one that there is; none if none is available. */
async function openDisplay(): Promise<{ env: Record<string, string>; close(): void }> {
  const none = { env: {}, close: () => {} };
  if (environment.DISPLAY || !existsSync(join(root, "node_modules", "gl"))) return none;
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
