/** How long each kernel of a plan takes on a device. */
import type { Device } from "./device.ts";
import type { Values } from "./entry.ts";
import {
  inOrder,
  isLoop,
  type LoopStep,
  type Plan,
  shapeOfSource,
  type Source,
  type Step,
  type Target,
} from "./plan/plan.ts";
import { sizeOf } from "./shape.ts";

/** The time of a kernel, or the reason why it has none. */
export type KernelTime = { readonly milliseconds: number } | { readonly reason: string };

/** The time of a plan on a device. */
export interface Profile {
  /** The median of a few calls of the whole plan, copies in and out included. */
  readonly milliseconds: number;
  /** The bytes of a number, on the device. */
  readonly bytesPerNumber: number;
  /** By step, and after them by loop. */
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
    const computed = results[plan.results.findIndex(({ from }) => from === "step" || from === "loop")];
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
 * Times each step as a separate plan, on the arrays that it reads in the whole plan. From the time of such a call that of another
 * is subtracted, whose arrays are the same and whose kernel does nothing: copies and the launch are in both.
 */
async function oneByOne(device: Device, plan: Plan, leaves: readonly Values[]): Promise<KernelTime[]> {
  const { steps, loops = [] } = plan;
  const arrays: Arrays = { leaves, steps: [], loops: [] };
  const idle = new Map<string, number[]>();
  const times = new Map<Step | LoopStep, KernelTime>();
  for (const step of inOrder(plan)) {
    const sources = isLoop(step) ? step.args.map(({ source }) => source) : step.args;
    const values = sources.map((source) => arrayOf(source, arrays));
    const call = (alone: Plan) => device.withPlan(alone, (compiled) => timed(() => compiled.run(values)));
    if (isLoop(step)) {
      const { results, times: all } = await call(loopAlone(plan, step));
      arrays.loops.push(results);
      times.set(step, { milliseconds: all[0] });
      continue;
    }
    const { results, times: all } = await call(alone(plan, step, step.kernel));
    arrays.steps.push(results[0]);
    const like = `${step.args.map((source) => `${leafOf(plan, source).extent};`)}>${step.kernel.extent}`;
    let without = idle.get(like);
    if (!without) {
      idle.set(like, without = (await call(alone(plan, step, idleKernel(plan, step, device.target)))).times);
    }
    times.set(step, difference(all, without));
  }
  return [...steps, ...loops].map((step) => times.get(step)!);
}

/** The arrays of a plan as far as they are computed. */
interface Arrays {
  readonly leaves: readonly Values[];
  readonly steps: Values[];
  readonly loops: Values[][];
}

/** Subtracts the best of sorted times, since interruptions only add to them, if the best is worse than most without the kernel. */
function difference(times: readonly number[], without: readonly number[]): KernelTime {
  if (!(times[0] > without[CALLS >> 1])) return { reason: "cannot be told from copying its arrays" };
  return { milliseconds: times[0] - without[0] };
}

function arrayOf(source: Source, { leaves, steps, loops }: Arrays): Values {
  if (source.from === "empty") return new Float32Array(0);
  if (source.from === "loop") return loops[source.index][source.result];
  return source.from === "leaf" ? leaves[source.index] : steps[source.index];
}

/** Returns the argument of a step as a leaf. */
function leafOf(plan: Plan, source: Source): Plan["leaves"][number] {
  if (source.from === "leaf") return plan.leaves[source.index];
  const shape = shapeOfSource(plan, source);
  const size = sizeOf(shape);
  return { shape, extent: source.from === "step" ? plan.steps[source.index].kernel.extent : [size], size };
}

/** Returns a plan of one loop. */
function loopAlone(plan: Plan, loop: LoopStep): Plan {
  return {
    leaves: loop.args.map(({ source }) => leafOf(plan, source)),
    steps: [],
    loops: [{ ...loop, before: 0, args: loop.args.map((arg, index) => ({ ...arg, source: { from: "leaf", index } })) }],
    results: loop.results.map((_, result) => ({ from: "loop", index: 0, result })),
  };
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
