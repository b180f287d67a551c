/** Runs test files under Node, Deno and Bun. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { findChromium } from "./browser.ts";
import { bundleTests, type NodeBundle } from "./bundle.ts";
import { GL, openDisplay } from "./display.ts";
import { isAlone, Pooled } from "./kept.ts";
import { environment, output } from "./processes.ts";
import { type Outcome, type Result, resultOf, type Suite, type TestOptions } from "./results.ts";
import { turnOf } from "./turns.ts";
import { Worker, type WorkerCommand } from "./workers.ts";

export type Runner = "node" | "deno" | "bun";

/** The version of a runtime, or the reason why it cannot be used. */
export function versionOf(runtime: Runner): { version: string } | { missing: string } {
  if (runtime === "node") return { version: process.versions.node };
  const answer = output(runtime, ["--version"]);
  if ("missing" in answer) return answer;
  return { version: answer.text.match(/\d+\.\d+\.\d+\S*/)?.[0] ?? "" };
}

/** The arguments with which a runtime runs a program. */
function argumentsOf(runtime: Runner, program: string, soak: boolean): string[] {
  switch (runtime) {
    case "node":
      return [...(soak ? ["--expose-gc"] : []), program];
    case "deno":
      return ["run", "--allow-all", "--no-check", ...(soak ? ["--v8-flags=--expose-gc"] : []), program];
    case "bun":
      return [program];
  }
}

/**
 * Wraps a command with an X display for the backend headlessgl; unchanged if there already is one, or none is
 * available.
 */
export function onDisplay(command: string, args: string[]): [string, string[]] {
  if (environment.DISPLAY || !existsSync(GL)) return [command, args];
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

/** After this many files, or above so much memory, a process is replaced by a new one. In Bun, workers start more slowly each time. */
const FILES_PER_PROCESS: Readonly<Record<Runner, number>> = { node: 40, deno: 40, bun: 8 };
const MEGABYTES = 1500;

/** A runtime whose tests run in processes that are kept for the next file. */
class Processes implements Suite {
  readonly label: string;
  readonly #runtime: Runner;
  readonly #files: number;
  readonly #options: TestOptions;
  readonly #bundle: NodeBundle;
  readonly #workers: Pooled<Worker>;

  /** @param own the runtime and its name. */
  constructor(
    own: { readonly runtime: Runner; readonly label: string },
    bundle: NodeBundle,
    command: Omit<WorkerCommand, "live">,
    options: TestOptions,
  ) {
    this.label = own.label;
    this.#runtime = own.runtime;
    this.#files = FILES_PER_PROCESS[own.runtime];
    this.#options = options;
    this.#bundle = bundle;
    this.#workers = new Pooled(() => new Worker({ ...command, live: options.soak }));
  }

  /**
   * Runs a file. If the process ends between tests, by a driver of which an earlier file may have left something, the file is run once
   * more, in a process of its own.
   */
  async runFile(file: string): Promise<Outcome> {
    const problem = this.#bundle.problems.get(file);
    if (problem !== undefined) {
      return { results: [], problems: [`${file} cannot be bundled: ${problem}`], text: "", cpu: 0 };
    }
    const first = await this.#run(file, isAlone(file));
    if (!first.crashed) return first;
    const second = await this.#run(file, true);
    return { ...second, text: `${first.problems[0]}; it was run again\n${second.text}` };
  }

  async #run(file: string, alone: boolean): Promise<Outcome & { crashed: boolean }> {
    const { name, minutes } = this.#options;
    const results: Result[] = [];
    const problems: string[] = [];
    const shown: string[] = [];
    const worker = await this.#workers.take(alone);
    const module = this.#bundle.addressOf(file);
    const turn = turnOf(this.#runtime, file, this.#options);
    const ending = await worker.run({ module, name: name ?? "", ending: "", turn }, minutes, (said) => {
      if ("problem" in said) {
        problems.push(`${file}: ${firstLine(said.problem)}`);
        shown.push(this.#bundle.readable(said.problem));
      } else if ("ended" in said) {
        const { name, status, detail } = said.ended;
        results.push(resultOf(said.ended));
        if (status === "failed") shown.push(`${file}: ${name}\n${this.#bundle.readable(detail)}`);
      }
    });
    const { problem, gone, at } = ending;
    if (problem !== null) {
      const where = at === "" ? file : `${file}, in "${at}"`;
      problems.push(`${where}: ${gone ? "the process" : "did not load:"} ${firstLine(problem)}`);
      if (!gone) shown.push(this.#bundle.readable(problem));
      // Files without a test of that name report none.
    } else if (name === undefined && results.length === 0) problems.push(`${file} has no test`);
    const isWorn = worker.files >= this.#files || worker.megabytes > MEGABYTES;
    if (gone || alone || isWorn) await this.#workers.end(worker);
    else this.#workers.giveBack(worker);
    const failed = problems.length > 0 || results.some(({ status }) => status === "failed");
    const crashed = gone && at === "" && problems.length === 1 &&
      /ended by SIG(?:ABRT|SEGV|BUS|ILL|FPE)/.test(problem!);
    const text = failed ? [...shown, ending.text].filter(Boolean).join("\n\n") : "";
    return { results, problems, text, cpu: ending.cpu, crashed };
  }

  close(): Promise<void> {
    return this.#workers.endAll();
  }
}

function firstLine(text: string): string {
  return text.split("\n")[0].slice(0, 160);
}

/** The bundles of test files, by their names: the runtimes share them. */
const bundles = new Map<string, Promise<NodeBundle>>();

function bundleOf(files: readonly string[], folder: string): Promise<NodeBundle> {
  const key = files.join();
  let known = bundles.get(key);
  if (!known) bundles.set(key, known = bundleTests(files, join(folder, "modules")));
  return known;
}

/** Prepares a runtime for test files; `close` ends what was started for it. */
export async function openRunner(
  runtime: Runner,
  files: readonly string[],
  options: TestOptions,
): Promise<{ missing: string } | { suite: Suite; close(): Promise<void> }> {
  const version = versionOf(runtime);
  if ("missing" in version) return version;
  mkdirSync(".cache", { recursive: true });
  const folder = mkdtempSync(join(".cache", "tests-"));
  const bundle = await bundleOf(files, folder);
  const display = runtime === "node" ? await openDisplay() : undefined;
  const own = { runtime, label: `${runtime} ${version.version}` };
  const suite = new Processes(own, bundle, {
    command: runtime === "node" ? process.execPath : runtime,
    args: argumentsOf(runtime, bundle.worker, options.soak),
    env: { ...vulkan(runtime, folder), ...display?.env },
  }, options);
  return {
    suite,
    close: async () => {
      await suite.close();
      display?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
