/** Shows what lies between a tensor and its value: the tape, the plan, the kernels. */
import { renderFunction } from "./backends/render.ts";
import { makePlan, type Source } from "./plan/plan.ts";
import { chosenDevice } from "./devices.ts";
import { tensorsOrThrow } from "./record.ts";
import { Signature } from "./options.ts";
import { neededEntries } from "./realize.ts";
import { formatShape } from "./shape.ts";
import { type RealizeOptions, realizeOptions, Tensor } from "./tensor.ts";

/** One kernel of a plan, as {@link inspect} shows it. */
export interface InspectedStep {
  /** The op whose result the kernel stores; what is fused into it has no step of its own. */
  readonly name: string;
  /** The shape of what it stores. */
  readonly shape: readonly number[];
  /** What it reads: `leaf 0`, `step 3`. */
  readonly args: readonly string[];
  /** Loop iterations of one thread. */
  readonly iterations: number;
  /** The function that gpu.js compiles. */
  readonly source: string;
}

/** What {@link inspect} gives. */
export interface Inspection {
  /** One line an entry: number, op, inputs, shape, dtype. */
  readonly tape: string;
  /** One line a kernel. */
  readonly plan: string;
  /** The kernels in the order in which they run, all in one pipeline. */
  readonly steps: readonly InspectedStep[];
  /** Tape, plan and sources. */
  toString(): string;
}

function sourceText(source: Source): string {
  return source.from === "empty" ? "empty" : `${source.from} ${source.index}`;
}

const inspectCall = new Signature("inspect(outputs, options)", realizeOptions);

/**
 * Shows how tensors are computed, without computing them: the tape's entries, the plan's steps and each kernel's source.
 *
 * @param outputs one or several tensors; entries that are computed already are shown as if they were not.
 * @param options the device to plan for.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { add, exp, inspect, tensor } from "gpugrad";
 *
 * const shown = await inspect(add(exp(tensor([1, 2])), 1));
 * assert.equal(shown.steps.length, 1); // exp and add are fused into one kernel
 * console.log(shown.toString());
 * ```
 */
export async function inspect(outputs: Tensor | readonly Tensor[], options?: RealizeOptions): Promise<Inspection> {
  inspectCall.check(arguments);
  const wanted = outputs instanceof Tensor ? [outputs] : tensorsOrThrow(inspectCall, "outputs", outputs);
  const device = await chosenDevice(options?.device);
  // No device has this name, so only leaves count as computed.
  const { entries, leaves } = neededEntries(wanted, "");
  const made = makePlan(wanted, leaves, device.target);
  const numbers = new Map([...leaves, ...entries].map((t, i) => [t, i]));
  const tape = [...leaves, ...entries].map((t) => {
    const inputs = t.inputs.map((x) => `%${numbers.get(x)}`);
    const attributes = Object.entries(t.attributes).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    return `%${numbers.get(t)} = ${t.op.name}(${[...inputs, ...attributes].join(", ")}): ${t.dtype} ${
      formatShape(t.shape)
    }`;
  }).join("\n");
  const steps = made.steps.map((step): InspectedStep => ({
    name: step.name,
    shape: step.shape,
    args: step.args.map(sourceText),
    iterations: step.kernel.iterations,
    source: renderFunction(step.kernel),
  }));
  const plan = steps.map((s, i) =>
    `step ${i}: ${s.name} ${formatShape(s.shape)} from ${
      s.args.join(", ") || "nothing"
    }, ${s.iterations} iterations a thread`
  ).join("\n");
  return {
    tape,
    plan,
    steps,
    toString: () =>
      `tape\n${tape}\n\nplan for ${device.name}, results ${made.results.map(sourceText).join(", ")}\n${plan}\n\n` +
      steps.map((s, i) => `step ${i}: ${s.name}\n${s.source}`).join("\n\n"),
  };
}
