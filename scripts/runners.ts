/** Runs the test files under Node, Deno and Bun. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { findChromium } from "./browser.ts";
import { readReport } from "./junit.ts";
import { runInNode } from "./node.ts";
import { environment, output, root, run } from "./processes.ts";
import type { Outcome } from "./results.ts";

export type Runner = "node" | "deno" | "bun";

/** The version of a runtime, or the reason why it cannot be used. */
export function versionOf(runtime: Runner): { version: string } | { missing: string } {
  if (runtime === "node") return { version: process.versions.node };
  const answer = output(runtime, ["--version"]);
  if ("missing" in answer) return answer;
  return { version: answer.text.match(/\d+\.\d+\.\d+\S*/)?.[0] ?? "" };
}

/** The command with which a runtime runs the test files and reports on them. */
function commandOf(
  runtime: "deno" | "bun",
  files: readonly string[],
  { report, pattern, soak }: { report: string; pattern: string | undefined; soak: boolean },
): [string, string[]] {
  switch (runtime) {
    case "deno":
      return ["deno", [
        ...["test", "--allow-all", "--no-check", "--parallel", "--reporter=dot", `--junit-path=${report}`],
        ...(soak ? ["--v8-flags=--expose-gc"] : []),
        ...(pattern === undefined ? [] : [`--filter=/${pattern}/`]),
        ...files,
      ]];
    case "bun":
      return ["bun", [
        ...["test", `--timeout=${soak ? 86_400_000 : 120_000}`, "--parallel=2", "--dots"],
        ...["--reporter=junit", `--reporter-outfile=${report}`],
        ...(pattern === undefined ? [] : [`--test-name-pattern=${pattern}`]),
        ...files.map((file) => `./${file}`),
      ]];
  }
}

/**
 * Wraps a command with an X display for the backend headlessgl; unchanged if there already is one, or none is
 * available.
 */
export function onDisplay(command: string, args: string[]): [string, string[]] {
  if (environment.DISPLAY || !existsSync(join(root, "node_modules", "gl"))) return [command, args];
  if ("missing" in output("xvfb-run", ["--help"])) return [command, args];
  return ["xvfb-run", ["-a", command, ...args]];
}

/** Device nodes of a GPU. */
const GPU_NODES = ["/dev/dri", "/dev/nvidia0"];

/**
 * Environment variables for the package `webgpu`, which Node and Bun use: without a GPU, they select Chromium's SwiftShader. Empty
 * if the environment already names a Vulkan driver. Deno has its own WebGPU, which finds Mesa's driver.
 *
 * @param folder an empty folder; the Vulkan loader requires one.
 */
export function vulkan(runtime: Runner, folder: string): Record<string, string> {
  if (runtime === "deno" || environment.VK_DRIVER_FILES || environment.VK_ICD_FILENAMES) return {};
  if (GPU_NODES.some((node) => existsSync(node))) return {};
  const chromium = findChromium();
  if ("missing" in chromium) return {};
  // Debian's `chromium` is a script that runs the program in /usr/lib/chromium.
  const driver = [dirname(realpathSync(chromium.path)), "/usr/lib/chromium"]
    .map((place) => join(place, "vk_swiftshader_icd.json")).find((file) => existsSync(file));
  if (!driver) return {};
  return {
    VK_DRIVER_FILES: driver,
    VK_ICD_FILENAMES: driver,
    XDG_RUNTIME_DIR: environment.XDG_RUNTIME_DIR || resolve(folder),
  };
}

/**
 * Runs test files.
 *
 * @param name only run tests whose names contain this.
 * @param minutes the time after which the runner is considered hung.
 * @param soak whether tests may trigger garbage collection and take their time.
 */
export async function runTests(
  runtime: Runner,
  files: readonly string[],
  { name, minutes, soak }: { name?: string; minutes: number; soak: boolean },
): Promise<Outcome> {
  mkdirSync(".cache", { recursive: true });
  const folder = mkdtempSync(join(".cache", "report-"));
  try {
    const path = join(folder, `${runtime}.xml`);
    const pattern = name?.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&");
    const env = vulkan(runtime, folder);
    if (runtime === "node") return await runInNode(files, { pattern, minutes, soak, folder, env });
    const { problem, seconds } = await run(
      ...commandOf(runtime, files, { report: path, pattern, soak }),
      minutes,
      env,
    );
    const { results, unreported } = readReport(runtime, path, files, root);
    const problems: string[] = [];
    // Files without a test of that name are not reported.
    if (name === undefined) {
      for (const file of unreported) problems.push(`${file} did not load or has no test; see the output above`);
    }
    if (results.length === 0) problems.push("no test was reported");
    else if (problem !== null && problems.length === 0 && !results.some(({ status }) => status === "failed")) {
      problems.push(`the runner ${problem} although no test failed; see its output above`);
    }
    return { results, problems, seconds };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
