/**
 * Which tests a runtime runs. Node runs all; each of the others has another engine for the same program, and runs a third of those on the
 * host: with other tests in each, so that Node and one more runtime run each test, and each runtime runs each test of several devices.
 */
import { backends } from "../core/backends/list.ts";
import type { Turn } from "../tests/support/runner/turn.ts";
import type { Runtime } from "./requirements.ts";
import type { TestOptions } from "./results.ts";

/** Files that every runtime runs in full: they are about what runtimes have of their own. */
const EVERYWHERE: readonly (readonly [path: string, reason: string])[] = [
  ["tests/core/auto.test.ts", "devices are chosen, and lost, otherwise in each"],
  ["tests/core/debug.test.ts", "output differs"],
  ["tests/core/lanes.test.ts", "some engines have fused multiply-add"],
  ["tests/core/multiply_add.test.ts", "some engines have it"],
  ["tests/core/faults.test.ts", "workers and devices end otherwise in each"],
  ["tests/core/residents.test.ts", "memory is freed by each one's collector"],
  ["tests/core/runtime.test.ts", "it tells them apart"],
  ["tests/soak/", "each has a collector of its own"],
  ["tests/support/", "what tests build on"],
  ["tests/tooling/", "files, processes and modules differ"],
  ["tests/verify/cli.test.ts", "processes differ"],
];

/** Files about programs that only Node runs: the project's own, those of other packages, and the package before a runtime has it. */
const ONLY_NODE: readonly string[] = [
  "api",
  "bench",
  "bundle",
  "consumers",
  "digits",
  "elementwise_compilers",
  "figures",
  "first_steps",
  "jsr",
  "package",
  "parallel",
  "playground",
  "replay",
  "runners",
  "training",
  "types",
].map((name) => `tests/tooling/${name}.test.ts`);

/** The files that a runtime of the command line runs, and the others by the reason why it does not. */
export function filesOf(runtime: Runtime, files: readonly string[]): { chosen: string[]; left: Map<string, string[]> } {
  const left = runtime === "node" ? [] : files.filter((file) => ONLY_NODE.includes(file));
  const chosen = files.filter((file) => !left.includes(file));
  return { chosen, left: new Map(left.length > 0 ? [["they are about programs of Node", left]] : []) };
}

const OTHERS: readonly Runtime[] = ["deno", "bun", "chromium"];

const HOSTS = backends.filter(({ computesOn }) => computesOn === "host").map(({ name }) => name);

/** A runtime's turn, `null` if it runs all tests of a file. */
export function turnOf(runtime: Runtime, file: string, { name, all }: Pick<TestOptions, "name" | "all">): Turn | null {
  const own = OTHERS.indexOf(runtime);
  if (own < 0 || all || name !== undefined || EVERYWHERE.some(([path]) => file.startsWith(path))) return null;
  return { own, of: OTHERS.length, hosts: HOSTS };
}
