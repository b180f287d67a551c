/** The await point: find or compile the plan, leaves in, values out. */
import type { Device } from "./device.ts";
import { chosenDevice, runOn } from "./devices.ts";
import { makePlan, type Plan } from "./plan.ts";
import { attributeText, leafOp, opId, tensorsOrThrow } from "./op.ts";
import { describe, Signature } from "./options.ts";
import { provideRealizer, type RealizeOptions, realizeOptions, Tensor, type Values } from "./tensor.ts";

/** Whether an entry's value can be taken as it is on a device. */
function hasValue(entry: Tensor, device: string): boolean {
  if (entry.op === leafOp) return true;
  return entry.value !== null && (entry.computedOn === null || entry.computedOn === device);
}

/**
 * The entries that outputs need and that have no value yet, inputs first, and the leaves that they start from. Entries in `given`
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
  const byId = (a: Tensor, b: Tensor) => a.id - b.id;
  return { entries: entries.sort(byId), leaves: leaves.sort(byId) };
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

/** Computes tensors on a device and stores their values. */
async function compute(tensors: readonly Tensor[], options: RealizeOptions = {}): Promise<Values[]> {
  const device = await chosenDevice(options.device);
  const outputs = [...new Set(tensors)].filter((t) => !hasValue(t, device.name));
  if (outputs.length > 0) {
    const { entries, leaves } = neededEntries(outputs, device.name);
    const key = structuralKey(entries, leaves, outputs);
    const plan = () => makePlan(outputs, leaves, device.target);
    const values = await runOn(device, options.device, key, plan, leaves.map(valueOf));
    outputs.forEach((tensor, i) => {
      tensor.value = values[i];
      tensor.computedOn = device.name;
    });
  }
  return tensors.map((t) => inPrecision(valueOf(t), device.name));
}

function valueOf(leaf: Tensor): Values {
  if (leaf.value) return leaf.value;
  throw new Error("realize: an input of a function under compile() has no value; read the function's results instead");
}

/** The values in the precision of the device: float64 on the oracle, float32 elsewhere. */
function inPrecision(values: Values, device: string): Values {
  if (device === "float64") return values instanceof Float64Array ? values : Float64Array.from(values);
  return values instanceof Float32Array ? values : Float32Array.from(values);
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
      leaves.map((leaf, i) => valueOf(inputOf[i] < 0 ? leaf : inputs[inputOf[i]])),
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
