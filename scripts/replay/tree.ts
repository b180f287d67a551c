/**
 * The part of the replay that touches the compiler's internals, so that it can be applied to another commit. If an
 * internal function moves or changes, its new form is added here next to the old one, so that commits before the change
 * can still be replayed.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { backends } from "../../core/backends/list.ts";
import type { Entry } from "../../core/op.ts";
import type { Plan, Source, Target } from "../../core/plan/plan.ts";
import type { Tensor } from "../../mod.ts";

/** The API that cases are recorded with: the public one. */
export type Api = typeof import("../../mod.ts");

/** The targets, in reporting order. */
export const TARGETS: readonly string[] = backends.map(({ name }) => name).reverse();

/** A version of the compiler. */
export interface Tree {
  readonly api: Api;
  /** The registry. */
  readonly ops: ReadonlyMap<string, Entry>;
  /** Plans for a target given by name; needs no device. */
  plan(outputs: readonly Tensor[], target: string): Plan;
}

/** An internal function of a commit, found under one of the names that it has had. */
async function find<T>(folder: string, what: string, places: readonly (readonly [string, string])[]): Promise<T> {
  for (const [file, name] of places) {
    const path = join(folder, file);
    if (!existsSync(path)) continue;
    const found = (await import(pathToFileURL(path).href))[name];
    if (found !== undefined) return found as T;
  }
  const known = places.map(([file, name]) => `${name} of ${file}`).join(", ");
  throw new Error(`replay: cannot find ${what} in ${folder}; scripts/replay/tree.ts knows it as ${known}`);
}

/** Loads the compiler and the ops in a folder. */
export async function loadTree(folder: string): Promise<Tree> {
  const mod = join(folder, "mod.ts");
  if (!existsSync(mod)) throw new Error(`replay: there is no mod.ts in ${folder}`);
  const api = await import(pathToFileURL(mod).href) as Api;
  const registry = await find<() => ReadonlyMap<string, Entry>>(folder, "the registry", [
    ["tests/ops/registry.ts", "registry"],
    ["core/registry.ts", "registry"],
    ["core/op.ts", "registry"],
  ]);
  const plan = await findPlanner(folder);
  return { api, ops: registry(), plan };
}

async function findPlanner(folder: string): Promise<Tree["plan"]> {
  type Backends = typeof import("../../core/backends/list.ts");
  const found = await find<Backends["backendNamed"] | ((name: string) => Target)>(folder, "the targets", [
    ["core/backends/list.ts", "backendNamed"],
    ["core/backends/dialect.ts", "targetFor"],
    ["core/lower.ts", "targetFor"],
  ]);
  const targetFor = (name: string): Target => {
    const target = found(name);
    // The planner takes a backend's record since that has costs; before, its dialect.
    return "dialect" in target && !("costs" in target) ? target["dialect"] : target;
  };
  if (existsSync(join(folder, "core/program.ts"))) {
    type Programs = typeof import("../../core/program.ts");
    const { Program } = await import(pathToFileURL(join(folder, "core/program.ts")).href) as Programs;
    return (outputs, target) => new Program(outputs).plan(targetFor(target));
  }
  type NeededEntries = (outputs: readonly Tensor[], device: string) => { leaves: readonly Tensor[] };
  const neededEntries = await find<NeededEntries>(folder, "the leaves of a plan", [
    ["core/realize.ts", "neededEntries"],
  ]);
  type Planning = typeof import("../../core/plan/plan.ts");
  const makePlan = await find<Planning["makePlan"]>(folder, "the planner", [
    ["core/plan/plan.ts", "makePlan"],
    ["core/plan.ts", "makePlan"],
  ]);
  // No device is called "", so only leaves count as computed.
  return (outputs, target) => makePlan(outputs, neededEntries(outputs, "").leaves, targetFor(target));
}

/**
 * The text of each kernel of a plan by label, and under `plan` its leaves, its order and its results. A loop has the texts of its body,
 * with its own label before theirs.
 */
export function textsOf(plan: Plan): Record<string, string> {
  const labels = labelsOf(plan.steps.map(({ name, shape }) => `${name} [${shape.join(", ")}]`));
  const loops = plan.loops ?? [];
  const loopLabels = labelsOf(loops.map(({ name, count }) => `${name} ${count} times`));
  const sourceText = (source: Source): string => {
    if (source.from === "empty") return "empty";
    if (source.from === "loop") return `${loopLabels[source.index]}, result ${source.result}`;
    return source.from === "step" ? labels[source.index] : `leaf ${source.index}`;
  };
  const texts: Record<string, string> = {};
  loops.forEach(({ before, reverse, args, results, body }, i) => {
    for (const [label, text] of Object.entries(textsOf(body))) texts[`${loopLabels[i]}: ${label}`] = text;
    texts[loopLabels[i]] = [
      `before step ${before}${reverse ? ", backwards" : ""}`,
      ...args.map((arg) => `argument: ${arg.as} ${sourceText(arg.source)}`),
      ...results.map(({ as, of }) => `result: ${as} ${of}`),
    ].join("\n");
  });
  plan.steps.forEach(({ kernel, args }, i) => {
    const { extent, iterations, tables, parameters, lines, result } = kernel;
    texts[labels[i]] = [
      `extent ${extent.join(", ")}`,
      `${iterations} iterations a thread`,
      ...tables.map((name) => `table ${name}`),
      ...parameters.map((name, k) => `${name} = ${sourceText(args[k])}`),
      ...indented([...lines.map((line) => line.trimStart()), `return ${result};`]),
    ].join("\n");
  });
  texts.plan = [
    ...plan.leaves.map(({ shape, extent }, i) => `leaf ${i}: [${shape.join(", ")}], extent ${extent.join(", ")}`),
    ...labels.map((label) => `step: ${label}`),
    ...plan.results.map((source) => `result: ${sourceText(source)}`),
  ].join("\n");
  return texts;
}

/** Stable names, which stay the same when a kernel is added elsewhere: duplicates are numbered. */
function labelsOf(names: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name} #${count}`;
  });
}

function indented(lines: readonly string[]): string[] {
  let level = 1;
  return lines.map((line) => {
    if (line.startsWith("}")) level--;
    const text = `${"  ".repeat(level)}${line}`;
    if (line.endsWith("{")) level++;
    return text;
  });
}
