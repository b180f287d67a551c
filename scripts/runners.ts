/** Runs test files under Node, Deno and Bun, each in a process of its own. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { findChromium } from "./browser.ts";
import { readReport } from "./junit.ts";
import { type NodeSetting, openNode } from "./node.ts";
import { environment, output, root, run } from "./processes.ts";
import type { Outcome, Suite, TestOptions } from "./results.ts";

export type Runner = "node" | "deno" | "bun";

/** The version of a runtime, or the reason why it cannot be used. */
export function versionOf(runtime: Runner): { version: string } | { missing: string } {
  if (runtime === "node") return { version: process.versions.node };
  const answer = output(runtime, ["--version"]);
  if ("missing" in answer) return answer;
  return { version: answer.text.match(/\d+\.\d+\.\d+\S*/)?.[0] ?? "" };
}

interface Order {
  /** Where the report goes. */
  readonly report: string;
  /** Where Node's readable report goes. */
  readonly shown: string;
  /** Only run tests whose names match. */
  readonly pattern: string | undefined;
  readonly soak: boolean;
}

/** The command with which a runtime runs a test file and reports on it. For Node, the file is given as a program. */
function commandOf(runtime: Runner, file: string | readonly string[], order: Order): [string, string[]] {
  const { report, shown, pattern, soak } = order;
  switch (runtime) {
    case "node":
      return [process.execPath, [
        ...(soak ? ["--expose-gc"] : []),
        ...["--test-reporter=spec", `--test-reporter-destination=${soak ? "stdout" : shown}`],
        ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
        ...(pattern === undefined ? [] : [`--test-name-pattern=${pattern}`]),
        ...file,
      ]];
    case "deno":
      return ["deno", [
        ...["test", "--allow-all", "--no-check", "--reporter=dot", `--junit-path=${report}`],
        ...(soak ? ["--v8-flags=--expose-gc"] : []),
        ...(pattern === undefined ? [] : [`--filter=/${pattern}/`]),
        ...[file].flat(),
      ]];
    case "bun":
      return ["bun", [
        ...["test", `--timeout=${soak ? 86_400_000 : 120_000}`, "--dots"],
        ...["--reporter=junit", `--reporter-outfile=${report}`],
        ...(pattern === undefined ? [] : [`--test-name-pattern=${pattern}`]),
        `./${file}`,
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

/** A runtime whose tests each run in a process of their own. */
class Processes implements Suite {
  readonly label: string;
  readonly #runtime: Runner;
  readonly #options: TestOptions;
  /** An empty folder for reports. */
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  /** How Node is told to run a file. */
  readonly #program: ((file: string) => readonly string[]) | undefined;

  constructor(
    runtime: Runner,
    options: TestOptions,
    own: Readonly<{ label: string; folder: string; env: Record<string, string> } & Partial<NodeSetting>>,
  ) {
    this.label = own.label;
    this.#runtime = runtime;
    this.#options = options;
    this.#folder = own.folder;
    this.#env = own.env;
    this.#program = own.program;
  }

  /** Runs a file, and once more if a driver ended the process after its tests: such a crash as a process ends is none of a test's. */
  async runFile(file: string): Promise<Outcome> {
    const first = await this.#run(file);
    if (!first.crashed) return first;
    const second = await this.#run(file);
    const note = `${first.problems[0]}; it was run again\n`;
    return { ...second, text: note + second.text };
  }

  async #run(file: string): Promise<Outcome & { crashed?: boolean }> {
    const { name, minutes, soak } = this.#options;
    const report = join(this.#folder, `${file.replaceAll("/", "-")}.xml`);
    const shown = `${report}.txt`;
    const pattern = name?.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&");
    const command = commandOf(this.#runtime, this.#program?.(file) ?? file, { report, shown, pattern, soak });
    const { problem, text } = await run(...command, { minutes, env: this.#env, live: soak });
    const { results, unreported } = readReport(this.#runtime, report, [file], root);
    if (results.some(({ status }) => status === "failed")) {
      const failures = existsSync(shown) ? readFileSync(shown, "utf8").replace(/^[^]*failing tests:\n/, "") : "";
      return { results, problems: [], text: text + failures };
    }
    // Files without a test of that name report none.
    const missing = name === undefined && (unreported.length > 0 || results.length === 0);
    if (missing) return { results, problems: [`${file} did not load or has no test`], text };
    const ended = problem === null || (name !== undefined && results.length === 0);
    return ended ? { results, problems: [], text: "" } : {
      results,
      problems: [`${file} ${problem} although no test failed`],
      text,
      // A file that takes too long is ended by a signal, too.
      crashed: /ended by SIG(?:ABRT|SEGV|BUS|ILL|FPE)/.test(problem),
    };
  }
}

/** Prepares a runtime for test files; `close` ends what was started for it. */
export async function openRunner(
  runtime: Runner,
  files: readonly string[],
  options: TestOptions,
): Promise<{ missing: string } | { suite: Suite; close(): void }> {
  const version = versionOf(runtime);
  if ("missing" in version) return version;
  mkdirSync(".cache", { recursive: true });
  const folder = mkdtempSync(join(".cache", "report-"));
  const node = runtime === "node" ? await openNode(files, join(folder, "node")) : undefined;
  const suite = new Processes(runtime, options, {
    label: `${runtime} ${version.version}`,
    folder,
    env: { ...vulkan(runtime, folder), ...node?.env },
    program: node?.program,
  });
  return {
    suite,
    close: () => {
      node?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
