/** Shows the tape, the plan and the kernels behind a tensor, and how long they take. */
import { valueFor } from "./compute.ts";
import type { Device } from "./device.ts";
import { type RealizeOptions, realizeOptions } from "./device_names.ts";
import { chosenDevice } from "./devices.ts";
import type { Values } from "./entry.ts";
import { boolean, type Declared, Signature } from "./options.ts";
import { type LoopStep, type Plan, sizeOfSource, type Source, type Step, type Target } from "./plan/plan.ts";
import {
  argumentText,
  bytesText,
  kernelText,
  millisecondsText,
  planText,
  sourceText,
  table,
  timesText,
} from "./plan_text.ts";
import { type Profile, profile } from "./profile.ts";
import { inOrderOfTape, Program } from "./program.ts";
import { tensorsOrThrow } from "./record.ts";
import { formatShape, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";
import { Value } from "./value.ts";

/** Options of {@link inspect}. */
export interface InspectOptions extends RealizeOptions {
  /** Whether to run the plan and take the time of its kernels. Default false: nothing is computed. */
  readonly time?: boolean;
}

/** One kernel of a plan, as {@link inspect} shows it. */
export interface InspectedStep {
  /** The op whose result the kernel stores; ops that are fused into it have no separate step. */
  readonly name: string;
  /** The shape of the result. */
  readonly shape: readonly number[];
  /** The arrays that it reads: `leaf 0`, `step 3`. */
  readonly args: readonly string[];
  /** Loop iterations of one thread. */
  readonly iterations: number;
  /** The loop form as pseudo-code: the kernel before it is written for the device. */
  readonly loops: string;
  /** The function that gpu.js compiles. */
  readonly source: string;
  /** How long it takes; `null` without `time`. */
  readonly time: StepTime | null;
}

/** A loop of a plan, as {@link inspect} shows it: a plan of its own, which runs several times. */
export interface InspectedLoop {
  /** The op: `scan`. */
  readonly name: string;
  /** How often it runs. */
  readonly count: number;
  /** Whether it begins with the last rows. */
  readonly reverse: boolean;
  /** The arrays that it reads: `leaf 0`, `rows of step 3`, `leaf 1 at first`. */
  readonly args: readonly string[];
  /** The shapes of its results. */
  readonly shapes: readonly (readonly number[])[];
  /** The kernels of its body. They have no time of their own. */
  readonly steps: readonly InspectedStep[];
  /** The loops of its body. */
  readonly loops: readonly InspectedLoop[];
  /** How long it takes with all repetitions, copies of its arrays included; `null` without `time`. */
  readonly time: StepTime | null;
}

/** How long a kernel takes, and the sizes of its arrays. */
export interface StepTime {
  /**
   * On `float64` the time of the kernel's function, repeated until a clock can tell. Other devices run all kernels of a plan as one pipeline.
   * There each kernel also runs alone, and this is the shortest time of five such calls, less that of calls that copy the same
   * arrays in and out and compute nothing. On `wasm`, kernels that share large arrays take less time together than alone, and
   * reductions that one kernel computes have equal parts of its time. `null` if there is a {@link StepTime.reason}.
   */
  readonly milliseconds: number | null;
  /** Why the milliseconds are not known; `null` if they are. */
  readonly reason: string | null;
  /** The bytes of the arrays that it reads. */
  readonly bytesIn: number;
  /** The bytes of its result. */
  readonly bytesOut: number;
}

/** How long a call of a whole plan takes. */
export interface PlanTime {
  /** The median of five calls of the compiled plan, copies in and out included. */
  readonly milliseconds: number;
  /** The bytes of the leaves. */
  readonly bytesIn: number;
  /** The bytes of the results. */
  readonly bytesOut: number;
}

/** The result of {@link inspect}. */
export interface Inspection {
  /** One line per entry: number, op, inputs, shape, dtype. */
  readonly tape: string;
  /** One line per kernel; with `time`, a table. */
  readonly plan: string;
  /** The kernels in the order in which they run, all in one pipeline. */
  readonly steps: readonly InspectedStep[];
  /** The loops that run between them, on devices that have loops. */
  readonly loops: readonly InspectedLoop[];
  /** How long the plan takes; `null` without `time`. */
  readonly time: PlanTime | null;
  /** The tape, the plan, and each kernel's loop form and source. */
  toString(): string;
}

const inspectCall = new Signature(
  "inspect(outputs, options)",
  {
    ...realizeOptions,
    time: boolean,
  } satisfies Declared<InspectOptions>,
);

/**
 * Shows how tensors are computed: the tape's entries, the plan's steps and each kernel's source, and with `time` the milliseconds of each
 * kernel and the bytes that go in and come out. Without `time` nothing is computed, and values are never kept.
 *
 * @param outputs one or several tensors; entries that are computed already are shown as if they were not.
 * @param options the device to plan for, and whether to take times.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { add, exp, inspect, tensor } from "gpugrad";
 *
 * const shown = await inspect(add(exp(tensor([1, 2])), 1));
 * assert.equal(shown.steps.length, 1); // exp and add are fused into one kernel
 * console.log(shown.toString());
 *
 * const timed = await inspect(exp(tensor([1, 2])), { device: "float64", time: true });
 * console.log(timed.plan); // a table
 * assert.ok(timed.steps[0].time!.milliseconds! > 0);
 * assert.equal(timed.time!.bytesIn, 16); // two doubles
 * ```
 */
export async function inspect(outputs: Tensor | readonly Tensor[], options?: InspectOptions): Promise<Inspection> {
  inspectCall.check(arguments);
  const wanted = outputs instanceof Tensor ? [outputs] : tensorsOrThrow(inspectCall, "outputs", outputs);
  const device = await chosenDevice(options?.device);
  const program = new Program(inOrderOfTape(wanted));
  const plan = program.plan(device.target, { describe: true });
  const profiled = options?.time ? await profile(device, plan, await leavesOf(program, device)) : null;
  const { steps, loops } = await inspected(plan, { profiled, target: device.target });
  const time = profiled && planTime(plan, profiled);
  const tape = tapeText(program);
  const text = time ? timeTable({ steps, loops }, time) : planText(plan);
  const results = wanted.map((t) => sourceText(plan.results[program.outputs.indexOf(t)])).join(", ");
  return {
    tape,
    plan: text,
    steps,
    loops,
    time,
    toString: () =>
      `tape\n${tape}\n\nplan for ${device.name}, results ${results}\n${text}\n\n` +
      kernelTexts({ steps, loops }).join("\n\n"),
  };
}

/** The arguments of a plan, on the host. */
function leavesOf(program: Program<Tensor>, device: Device): Promise<Values[]> {
  return device.read(program.take((leaf) => valueFor(leaf, device), (numbers) => new Value(numbers)));
}

/** The kernels and loops of a plan. */
type Inspected = Pick<Inspection, "steps" | "loops">;

/** How a plan is shown. */
interface Inspecting {
  readonly profiled: Profile | null;
  readonly target: Target;
}

async function inspected(plan: Plan, how: Inspecting): Promise<Inspected> {
  const { profiled, target } = how;
  const { steps, loops = [] } = plan;
  return {
    steps: await Promise.all(steps.map(async (step, i) => ({
      name: step.name,
      shape: step.shape,
      args: step.args.map(sourceText),
      iterations: step.kernel.iterations,
      loops: step.loops!,
      source: await kernelText(plan, step, target),
      time: profiled && stepTime(plan, [step.args, [step.shape]], i, profiled),
    }))),
    loops: await Promise.all(loops.map((loop, i) => inspectedLoop(plan, loop, steps.length + i, how))),
  };
}

async function inspectedLoop(
  plan: Plan,
  loop: LoopStep,
  index: number,
  { profiled, target }: Inspecting,
): Promise<InspectedLoop> {
  const { name, count, reverse, args, shapes, body } = loop;
  const sources = args.map(({ source }) => source);
  return {
    name,
    count,
    reverse,
    args: args.map(argumentText),
    shapes,
    ...await inspected(body, { profiled: null, target }),
    time: profiled && stepTime(plan, [sources, shapes], index, profiled),
  };
}

/** @param within the loop that the kernels belong to. */
function kernelTexts({ steps, loops }: Inspected, within = ""): string[] {
  return [
    ...steps.map((s, i) => `${within}step ${i}: ${s.name}\n${s.loops}\n\n${s.source}`),
    ...loops.flatMap((loop, i) => kernelTexts(loop, `${within}loop ${i}, `)),
  ];
}

function tapeText({ leaves, entries }: Program<Tensor>): string {
  const all = [...leaves, ...entries];
  const numbers = new Map(all.map((t, i) => [t, i]));
  return all.map((t) => {
    // Results of a loop that nothing needs are not computed.
    const inputs = t.inputs.map((x) => numbers.has(x) ? `%${numbers.get(x)}` : "_");
    const attributes = Object.entries(t.attributes).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    return `%${numbers.get(t)} = ${t.op.name}(${[...inputs, ...attributes].join(", ")}): ${t.dtype} ${
      formatShape(t.shape)
    }`;
  }).join("\n");
}

function elementsOf(plan: Plan, sources: readonly Source[]): number {
  return sources.reduce((sum, source) => sum + sizeOfSource(plan, source), 0);
}

/** @param arrays those that a step reads, and the shapes of those that it writes. */
function stepTime(
  plan: Plan,
  [args, shapes]: readonly [args: readonly Source[], shapes: readonly Step["shape"][]],
  index: number,
  { kernels, bytesPerNumber }: Profile,
): StepTime {
  const time = kernels[index];
  return {
    milliseconds: "milliseconds" in time ? time.milliseconds : null,
    reason: "reason" in time ? time.reason : null,
    bytesIn: bytesPerNumber * elementsOf(plan, args),
    bytesOut: bytesPerNumber * shapes.reduce((sum, shape) => sum + sizeOf(shape), 0),
  };
}

function planTime(plan: Plan, { milliseconds, bytesPerNumber }: Profile): PlanTime {
  return {
    milliseconds,
    bytesIn: bytesPerNumber * plan.leaves.reduce((sum, { size }) => sum + size, 0),
    bytesOut: bytesPerNumber * elementsOf(plan, plan.results),
  };
}

/** A table of the kernels and the loops, and under it the whole call and why a time is missing. */
function timeTable({ steps, loops }: Inspected, whole: PlanTime): string {
  const timeCells = ({ milliseconds, bytesIn, bytesOut }: StepTime) => [
    milliseconds === null ? "-" : millisecondsText(milliseconds),
    bytesText(bytesIn),
    bytesText(bytesOut),
  ];
  const rows = [
    ...steps.map(({ name, shape, args, iterations, time }, i) => [
      String(i),
      name,
      formatShape(shape),
      args.join(", "),
      String(iterations),
      ...timeCells(time!),
    ]),
    ...loops.map(({ name, shapes, args, time, ...loop }, i) => [
      `loop ${i}`,
      name,
      shapes.map(formatShape).join(", "),
      args.join(", "),
      timesText(loop),
      ...timeCells(time!),
    ]),
  ];
  const columns = [
    { title: "step", numeric: true },
    { title: "kernel" },
    { title: "shape" },
    { title: "reads" },
    { title: "iterations", numeric: true },
    { title: "ms", numeric: true },
    { title: "in", numeric: true },
    { title: "out", numeric: true },
  ];
  const untimed = steps.flatMap(({ time }, i) =>
    time!.reason === null ? [] : [`step ${i} has no time: it ${time!.reason}`]
  );
  const call = `a call takes ${millisecondsText(whole.milliseconds)} ms, ${bytesText(whole.bytesIn)} in, ${
    bytesText(whole.bytesOut)
  } out`;
  return [table(columns, rows), call, ...untimed].join("\n");
}
