/** Reports computations on the console if `GPUGRAD_DEBUG` is set. */
import type { Device } from "./device.ts";
import { bytesText, kernelText, millisecondsText, planText, timesText } from "./plan_text.ts";
import type { Plan, Target } from "./plan/plan.ts";
import type { Program } from "./program.ts";
import { environmentVariable, printDebug } from "./runtime.ts";
import type { Value } from "./value.ts";

const VARIABLE = "GPUGRAD_DEBUG";

let fromEnvironment: unknown;

/**
 * Returns the level of detail: 0 nothing, 1 each computation and its time, 2 also its plan, 3 also the loop form of its kernels, 4 also
 * their text. The global `GPUGRAD_DEBUG` may change at any time and takes precedence over the environment variable, which is read once.
 */
export function debugLevel(): number {
  const wanted = (globalThis as Record<string, unknown>)[VARIABLE] ??
    (fromEnvironment ??= environmentVariable(VARIABLE) ?? 0);
  // `true` and strings, such as those of the environment, are levels too.
  const level = Number(wanted);
  return level > 0 ? Math.min(4, Math.floor(level)) : 0;
}

/** A computation as it is about to run. */
export interface Computation {
  readonly device: Device;
  readonly program: Program;
  readonly values: readonly Value[];
}

/** Plans whose summaries are remembered: a device keeps as many. */
const REMEMBERED = 256;

/** A plan that was shown, and at which level. */
interface Shown {
  readonly plan: Plan;
  readonly level: number;
}

/** The plans that were shown lately, by device and key. */
const shown = new WeakMap<Device, Map<string, Shown>>();

/** Runs a computation and reports it. */
export async function watched(
  level: number,
  { device, program, values }: Computation,
  run: (program: Pick<Program, "key" | "plan">) => Promise<Value[]>,
): Promise<Value[]> {
  const { key } = program;
  const wanted = { describe: level >= 3 };
  let planning = 0;
  let planned: Plan | null = null;
  const toSend = values.filter((value) => !value.arrayOn(device.name));
  const start = performance.now();
  const results = await run({
    key,
    plan(target) {
      const from = performance.now();
      planned = program.plan(target, wanted);
      planning += performance.now() - from;
      return planned;
    },
  });
  const whole = performance.now() - start;
  const known = shownOn(device);
  const before = known.get(key);
  // Plans of lower levels have no loop forms.
  const remembered = before && (level < 3 || before.level >= 3) ? before.plan : null;
  const plan: Plan = planned ?? remembered ?? program.plan(device.target, wanted);
  // Once: the plan of a key stays the same.
  const isNews = planned !== null || level > (before?.level ?? 0);
  known.delete(key);
  known.set(key, { plan, level: Math.max(level, before?.level ?? 0) });
  if (known.size > REMEMBERED) known.delete(known.keys().next().value!);
  const { BYTES_PER_ELEMENT } = device.record.arrays;
  // Values that stay on the device are neither sent nor read.
  const bytes = (arrays: readonly Value[]) =>
    bytesText(BYTES_PER_ELEMENT * arrays.reduce((n, { host }) => n + (host?.length ?? 0), 0));
  const origin = planned ? `planned in ${millisecondsText(planning)} ms and compiled` : "compiled before";
  // One message, so that computations that overlap do not mix.
  printDebug([
    `gpugrad: ${device.name} took ${millisecondsText(whole)} ms for ${kernelsText(plan)}, ${origin}; ` +
    `${bytes(toSend)} in, ${bytes(results)} out; plan ${hashOf(key)}`,
    ...(isNews ? await detailsOf(plan, level, device.target) : []),
  ].join("\n"));
  return results;
}

function shownOn(device: Device): Map<string, Shown> {
  let known = shown.get(device);
  if (!known) shown.set(device, known = new Map());
  return known;
}

/** At most this many kernels are listed by name; the others are only counted. */
const LISTED = 5;

function kernelsText({ steps, loops = [] }: Plan): string {
  const repeated = loops.map((loop) => ` and ${timesText(loop)} (${kernelsText(loop.body)})`).join("");
  if (steps.length === 0) return `no kernel${repeated}`;
  const names = steps.slice(0, LISTED).map(({ name }) => name);
  return `${steps.length} ${steps.length === 1 ? "kernel" : "kernels"} (${names.join(", ")}${
    steps.length > LISTED ? ", ..." : ""
  })${repeated}`;
}

async function detailsOf(plan: Plan, level: number, target: Target): Promise<string[]> {
  if (level < 2) return [];
  const parts = [planText(plan)];
  if (level >= 3) parts.push(...await kernelTexts(plan, { level, target }));
  return parts.map((part) => part.replace(/^/gm, "  "));
}

/** @param within the loop that the kernels belong to. */
async function kernelTexts(
  plan: Plan,
  how: { readonly level: number; readonly target: Target },
  within = "",
): Promise<string[]> {
  const texts: string[] = [];
  for (const [i, step] of plan.steps.entries()) {
    const title = `${within}step ${i}, ${step.name}`;
    texts.push(`${title}: loops\n${step.loops}`);
    if (how.level >= 4) texts.push(`${title}: text\n${await kernelText(plan, step, how.target)}`);
  }
  for (const [i, { body }] of (plan.loops ?? []).entries()) {
    texts.push(...await kernelTexts(body, how, `${within}loop ${i}, `));
  }
  return texts;
}

/** Returns eight characters that name a key (FNV-1a). */
function hashOf(key: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
