/** The await point: find or compile the plan, leaves in, values out. */
import type { Device } from "./device.ts";
import { chosenDevice, runOn } from "./devices.ts";
import { movedFrom, noteStarts, releasePast } from "./past.ts";
import { makePlan, type Plan } from "./plan/plan.ts";
import { attributeText, leafOp, opId } from "./op.ts";
import { tensorsOrThrow } from "./record.ts";
import { describe, Signature } from "./options.ts";
import { stateOf } from "./state.ts";
import {
  beginComputation,
  provideRealizer,
  type RealizeOptions,
  realizeOptions,
  Tensor,
  type Values,
} from "./tensor.ts";
import { variantOf } from "./variants.ts";

/** Whether an entry's value can be taken as it is on a device; `""` stands for none, on which only leaves have one. */
function hasValue(entry: Tensor, device: string): boolean {
  if (entry.op === leafOp) return true;
  if (device === "") return entry.isPast && entry.inputs.length === 0;
  return entry.valueOn(device) !== null;
}

/**
 * The entries that outputs need and that have no value yet, inputs first, and the leaves that they start from, in the order of their use. Entries in `given`
 * are taken for leaves, whatever they are made of.
 */
export function neededEntries(
  outputs: readonly Tensor[],
  device: string,
  given?: { has(entry: Tensor): boolean },
): { entries: Tensor[]; leaves: Tensor[] } {
  const entries: Tensor[] = [];
  const leaves: Tensor[] = [];
  const seen = new Set<Tensor>();
  const stack: Tensor[] = [...outputs];
  while (stack.length > 0) {
    const entry = stack.pop()!;
    if (seen.has(entry)) continue;
    seen.add(entry);
    if (given?.has(entry) || hasValue(entry, device)) leaves.push(entry);
    else {
      entries.push(entry);
      for (const input of entry.inputs) stack.push(input);
    }
  }
  entries.sort((a, b) => a.id - b.id);
  // In the order in which they are used: in which order a program made them is no part of the structure.
  const starts = new Set(leaves);
  const used = new Set(entries.flatMap((entry) => entry.inputs.filter((input) => starts.has(input))));
  return { entries, leaves: [...used, ...leaves.filter((leaf) => !used.has(leaf)).sort((a, b) => a.id - b.id)] };
}

/** The structural key: op, attributes, shapes, dtypes and topology; never a leaf's values. */
export function structuralKey(
  entries: readonly Tensor[],
  leaves: readonly Tensor[],
  outputs: readonly Tensor[],
): string {
  const numbers = new Map<Tensor, number>();
  let key = "";
  for (const leaf of leaves) {
    numbers.set(leaf, numbers.size);
    key += `${leaf.shape.join("x")}${leaf.dtype[0]};`;
  }
  for (const entry of entries) {
    numbers.set(entry, numbers.size);
    key += `${opId(entry.op)}${attributeText(entry.attributes)}`;
    for (const input of entry.inputs) key += `,${numbers.get(input)}`;
    key += ";";
  }
  for (const output of outputs) key += `>${numbers.get(output)}`;
  return key;
}

/** Computes tensors on a device, with the state that they start from, and stores their values. */
async function compute(tensors: readonly Tensor[], options: RealizeOptions = {}): Promise<Values[]> {
  // What is recorded while the device opens is recorded after this computation.
  const begins = tensors.some((t) => t.value === null);
  if (begins) beginComputation();
  const device = await chosenDevice(options.device);
  const missing = [...new Set(tensors)].filter((t) => !hasValue(t, device.name) && !takeMoved(t, device.name));
  if (missing.length > 0) {
    if (!begins) beginComputation();
    releasePast();
    const { entries, leaves } = neededEntries(missing, device.name);
    const outputs = [...missing, ...stateOf(missing, entries)];
    noteStarts(leaves, entries);
    const { key, plan, numbers } = variantOf(device, entries, leaves, outputs);
    const values = await runOn(device, options.device, key, plan, [
      ...leaves.map((t) => valueOf(t, device)),
      ...numbers,
    ]);
    outputs.forEach((tensor, i) => tensor.setValue(values[i], device.name));
  }
  for (const t of tensors) {
    const value = t.valueOn(device.name);
    if (value && value !== t.value) t.setValue(value, device.name);
  }
  return tensors.map((t) => inPrecision(valueOf(t), device));
}

/** Takes the value of what an entry only repeats, where that is there. */
function takeMoved(entry: Tensor, device: string): boolean {
  const source = movedFrom(entry);
  const value = source.valueOn(device);
  if (!value) return false;
  entry.setValue(value, source.isPast ? null : source.computedOn);
  return true;
}

function valueOf(leaf: Tensor, device?: Device): Values {
  const value = device ? leaf.valueOn(device.name) : leaf.value;
  if (value) return value;
  throw new Error("realize: an input of a function under compile() has no value; read the function's results instead");
}

/** The values in the precision of the device: float64 on the oracle, float32 elsewhere. */
function inPrecision(values: Values, { record: { arrays } }: Device): Values {
  return values instanceof arrays ? values : arrays.from(values);
}

provideRealizer(compute);

const realizeCall = new Signature("realize(tensors, options)", realizeOptions);

/**
 * Computes several tensors in one plan, so that what they share is computed once. Their values stay with them.
 *
 * @param tensors what to compute; entries that have a value already cost nothing.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { exp, grad, realize, tensor } from "gpugrad";
 *
 * const x = tensor([0, 1]);
 * const y = exp(x);
 * const dx = grad(y, x, tensor([1, 1]));
 * await realize([y, dx]); // one plan, forward and backward
 * assert.deepEqual(await y.data(), await dx.data());
 * ```
 */
export async function realize(tensors: readonly Tensor[], options?: RealizeOptions): Promise<void> {
  if (tensors instanceof Tensor) throw realizeCall.unwrapped(arguments, 0, "an array of tensors");
  realizeCall.check(arguments);
  await compute(tensorsOrThrow(realizeCall, "tensors", tensors), options);
}

/** A function of tensors that {@link compile} has recorded. */
export type Compiled<R extends Tensor | readonly Tensor[]> = (...inputs: Tensor[]) => Promise<R>;

/** A recording of a compiled function for one signature. */
interface Recording {
  readonly key: string;
  readonly single: boolean;
  readonly outputs: readonly Tensor[];
  readonly leaves: readonly Tensor[];
  readonly plan: () => Plan;
  /** For each leaf the input that it stands for, -1 for a tensor that the function captured. */
  readonly inputOf: readonly number[];
}

const compileCall = new Signature("compile(fn, options)", realizeOptions);

/**
 * Records a function of tensors once for each signature of shapes and dtypes; later calls bind the inputs and run the plan,
 * without recording. The results are leaves: gradients belong inside the function.
 *
 * @param fn takes tensors and gives one or several; it must not depend on values.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { compile, grad, square, sum, tensor } from "gpugrad";
 *
 * const slope = compile((x) => grad(sum(square(x)), x));
 * assert.deepEqual(await (await slope(tensor([1, 2]))).toArray(), [2, 4]);
 * assert.deepEqual(await (await slope(tensor([3, 4]))).toArray(), [6, 8]);
 * ```
 */
export function compile<R extends Tensor | readonly Tensor[]>(
  fn: (...inputs: Tensor[]) => R,
  options: RealizeOptions = {},
): Compiled<R> {
  compileCall.check(arguments);
  if (typeof fn !== "function") throw compileCall.wrong("fn", "a function of tensors", fn);
  const recordings = new Map<string, Recording>();
  return async (...inputs) => {
    tensorsOrThrow(compileCall, "arguments", inputs);
    const device = await chosenDevice(options.device);
    await compute(inputs, { device });
    const signature = `${device.name};${inputs.map((t) => `${t.dtype}${t.shape.join("x")}`).join(";")}`;
    let recording = recordings.get(signature);
    if (!recording) recordings.set(signature, recording = recordCall(fn, inputs, device));
    const { leaves, inputOf, outputs, key, plan, single } = recording;
    const values = await runOn(
      device,
      options.device,
      key,
      plan,
      leaves.map((leaf, i) => valueOf(inputOf[i] < 0 ? leaf : inputs[inputOf[i]], device)),
    );
    const results = outputs.map((t, i) => new Tensor(leafOp, [], {}, t.shape, t.dtype, values[i]));
    return (single ? results[0] : results) as unknown as R;
  };
}

/** What a compiled function gives, where it is not one tensor. */
function resultsOrThrow(result: unknown): readonly Tensor[] {
  if (Array.isArray(result)) return tensorsOrThrow(compileCall, "what fn gives", result);
  const advice = result instanceof Promise ? "; fn is recorded, not run: it cannot be async, nor read values" : "";
  throw compileCall.error(`expected fn to give a tensor or an array of tensors, got ${describe(result)}${advice}`);
}

function recordCall(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  device: Device,
): Recording {
  const placeholders = inputs.map((t) => new Tensor(leafOp, [], {}, t.shape, t.dtype));
  const result = fn(...placeholders);
  const single = result instanceof Tensor;
  const outputs: readonly Tensor[] = single ? [result] : resultsOrThrow(result);
  const { entries, leaves } = neededEntries(outputs, device.name);
  return {
    key: structuralKey(entries, leaves, outputs),
    single,
    outputs,
    leaves,
    inputOf: leaves.map((leaf) => placeholders.indexOf(leaf)),
    plan: () => makePlan(outputs, leaves, device.target),
  };
}
