/** How long each kernel of a plan takes on a device. */
import type { Device } from "./device.ts";
import type { Values } from "./entry.ts";
import type { Plan, Source, Step, Target } from "./plan/plan.ts";
import { sizeOf } from "./shape.ts";

/** The time of a kernel, or the reason why it has none. */
export type KernelTime = { readonly milliseconds: number } | { readonly reason: string };

/** The time of a plan on a device. */
export interface Profile {
  /** The median of a few calls of the whole plan, copies in and out included. */
  readonly milliseconds: number;
  /** The bytes of a number, on the device. */
  readonly bytesPerNumber: number;
  /** By step. */
  readonly kernels: readonly KernelTime[];
}

/** Calls that are timed, after one that is not. */
const CALLS = 5;

/**
 * Runs a plan and takes its time, then that of its kernels. If the backend cannot tell its kernels apart, as when it runs all of them in
 * one pipeline, each runs once more as a separate plan.
 */
export function profile(device: Device, plan: Plan, leaves: readonly Values[]): Promise<Profile> {
  return device.withPlan(plan, async (compiled) => {
    const { results, times } = await timed(() => compiled.run(leaves));
    const milliseconds = times[CALLS >> 1];
    // A result that is a leaf is as the host has it.
    const computed = results[plan.results.findIndex(({ from }) => from === "step")];
    const bytesPerNumber = computed?.BYTES_PER_ELEMENT ?? Float32Array.BYTES_PER_ELEMENT;
    const kernels = (await compiled.profile?.(leaves))?.map((ms) => ({ milliseconds: ms })) ??
      await oneByOne(device, plan, leaves);
    return { milliseconds, bytesPerNumber, kernels };
  });
}

/** Runs something once, and then several times by the clock. */
async function timed(run: () => Promise<Values[]>): Promise<{ results: Values[]; times: number[] }> {
  const results = await run();
  const times: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return { results, times: times.sort((a, b) => a - b) };
}

/**
 * Times each step as a separate plan, on the arrays that it reads in the whole plan. Of the time of such a call the time of another one
 * is subtracted, whose arrays are the same and whose kernel does nothing: copies and the launch are in both.
 */
async function oneByOne(device: Device, plan: Plan, leaves: readonly Values[]): Promise<KernelTime[]> {
  const arrays: Values[] = [];
  const idle = new Map<string, number[]>();
  const kernels: KernelTime[] = [];
  for (const step of plan.steps) {
    const values = step.args.map((source) => arrayOf(source, leaves, arrays));
    const call = (kernel: Step["kernel"]) =>
      device.withPlan(alone(plan, step, kernel), (compiled) => timed(() => compiled.run(values)));
    const { results, times } = await call(step.kernel);
    arrays.push(results[0]);
    const like = `${step.args.map((source) => `${leafOf(plan, source).extent};`)}>${step.kernel.extent}`;
    let without = idle.get(like);
    if (!without) idle.set(like, without = (await call(idleKernel(plan, step, device.target))).times);
    kernels.push(difference(times, without));
  }
  return kernels;
}

/** Subtracts the best of sorted times, since interruptions only add to them, if the best is worse than most without the kernel. */
function difference(times: readonly number[], without: readonly number[]): KernelTime {
  if (!(times[0] > without[CALLS >> 1])) return { reason: "cannot be told from copying its arrays" };
  return { milliseconds: times[0] - without[0] };
}

function arrayOf(source: Source, leaves: readonly Values[], steps: readonly Values[]): Values {
  if (source.from === "empty") return new Float32Array(0);
  return source.from === "leaf" ? leaves[source.index] : steps[source.index];
}

/** Returns the argument of a step as a leaf. */
function leafOf(plan: Plan, source: Source): Plan["leaves"][number] {
  if (source.from === "empty") return { shape: [0], extent: [0], size: 0 };
  if (source.from === "leaf") return plan.leaves[source.index];
  const { shape, kernel: { extent } } = plan.steps[source.index];
  return { shape, extent, size: sizeOf(shape) };
}

/** Returns a plan of one step, with its kernel replaced. */
function alone(plan: Plan, { name, shape, args }: Step, kernel: Step["kernel"]): Plan {
  return {
    leaves: args.map((source) => leafOf(plan, source)),
    steps: [{ name, shape, kernel, args: args.map((_, index) => ({ from: "leaf", index })) }],
    results: [{ from: "step", index: 0 }],
  };
}

/** Reads one element of each argument, so that all are sent, and writes the same number everywhere. */
function idleKernel(plan: Plan, { args, kernel }: Step, { dialect: { flat } }: Target): Step["kernel"] {
  const { parameters, extent } = kernel;
  const first = (k: number) => `${parameters[k]}${flat ? "[0]" : "[0]".repeat(leafOf(plan, args[k]).extent.length)}`;
  return {
    parameters,
    lines: [],
    result: args.map((_, k) => first(k)).join(" + ") || "0.0",
    extent,
    iterations: 0,
    tables: [],
    opaque: [],
  };
}
