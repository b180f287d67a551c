/** Computing several tensors at once, and functions that are recorded once. */
import { execute, settle, valueFor } from "./compute.ts";
import { type RealizeOptions, realizeOptions } from "./device_names.ts";
import { chosenDevice } from "./devices.ts";
import { Entry, leafOp } from "./entry.ts";
import { describeResult, isPlain, Signature } from "./options.ts";
import { Program } from "./program.ts";
import { tensorsOrThrow } from "./record.ts";
import { differenceOf, type Recorded } from "./recorded_again.ts";
import { Tensor } from "./tensor.ts";

const realizeCall = new Signature("realize(tensors, options)", realizeOptions);

/**
 * The tensors of a structure. Numbers in objects, such as the number of steps in the state of an optimiser, have nothing to compute.
 */
function tensorsIn(path: string, value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return Array.from(value).flatMap((part, i) => tensorsIn(`${path}[${i}]`, part));
  if (typeof value !== "object" || value === null || !isPlain(value)) {
    throw realizeCall.wrong(path, "a tensor, or an array or object of tensors", value);
  }
  return Object.entries(value).flatMap(([name, part]) =>
    typeof part === "number" ? [] : tensorsIn(`${path}.${name}`, part)
  );
}

/**
 * Computes several tensors in one plan, so that shared entries are computed once, and reads none. The tensors keep their values, which stay on
 * the device until they are read.
 *
 * @param tensors an array of the tensors to compute, or of arrays and plain objects of them, such as the parameters of a network; entries
 * that already have a value cost nothing, and numbers in objects are passed over.
 * @throws if a part is anything else.
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
export async function realize(tensors: readonly object[], options?: RealizeOptions): Promise<void> {
  if (tensors instanceof Tensor) throw realizeCall.unwrapped(arguments, 0, "an array of tensors");
  realizeCall.check(arguments);
  if (!Array.isArray(tensors)) throw realizeCall.wrong("tensors", "an array of tensors", tensors);
  await settle(tensorsIn("tensors", tensors), options);
}

/** A function of tensors that {@link compile} has recorded. */
export type Compiled<R extends Tensor | readonly Tensor[]> = (...inputs: Tensor[]) => Promise<R>;

/** A recording of a compiled function for one signature. */
interface Recording {
  readonly recorded: Recorded;
  readonly program: Program<Tensor>;
  /** For each leaf the input that it stands for, -1 for a tensor that the function captured. */
  readonly inputOf: readonly number[];
  calls: number;
  /** Whether the function recorded something else when it was last recorded again. */
  isStale: boolean;
}

/** At most this many calls run between two that record the function again, to see whether it is still the same. */
const CHECKED_EVERY = 256;

const compileCall = new Signature("compile(fn, options)", realizeOptions);

/**
 * Records a function of tensors once for each signature of shapes and dtypes; later calls bind the inputs and run the plan,
 * without recording. The results are leaves: gradients belong inside the function. Numbers and tensors that
 * the function captures stay what they were at the first call: pass what changes as an input. The function is recorded again at the 2nd, 4th,
 * 8th and so on up to the 256th call with a signature, then at every 256th, and the call fails if it does not record the same, as do those
 * after it.
 *
 * @param fn takes tensors and returns one or several; it must not depend on values. It may run at any call, so it should have no side effects.
 * @throws from a call, before anything is computed, if a number or tensor that `fn` captures is found to have changed.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { compile, grad, mul, square, sum, tensor } from "gpugrad";
 *
 * const slope = compile((x) => grad(sum(square(x)), x));
 * assert.deepEqual(await (await slope(tensor([1, 2]))).toArray(), [2, 4]);
 * assert.deepEqual(await (await slope(tensor([3, 4]))).toArray(), [6, 8]);
 *
 * let rate = 0.5;
 * const scaled = compile((x) => mul(x, rate)); // captures rate: compile((x, rate) => mul(x, rate)) would take it
 * await scaled(tensor([1]));
 * rate = 0.25;
 * await assert.rejects(scaled(tensor([1])), /uses 0.25 where it used 0.5/);
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
    const signature = `${device.name};${inputs.map((t) => `${t.dtype}${t.shape.join("x")}`).join(";")}`;
    let recording = recordings.get(signature);
    if (recording) await throwIfStale(fn, recording);
    await settle(inputs, { device });
    recording ??= recordings.get(signature);
    if (!recording) recordings.set(signature, recording = recordCall(fn, inputs, device.name));
    const { program, inputOf, recorded: { single } } = recording;
    // Captured values may have been disposed of, or lost with their device, since the function was recorded.
    await settle(program.leaves.filter((_, i) => inputOf[i] < 0), { device });
    const values = await execute(
      device,
      options.device,
      program,
      program.leaves.map((leaf, i) => valueFor(inputOf[i] < 0 ? leaf : inputs[inputOf[i]], device)),
    );
    // No tape leads to the results, so they could not be computed again if a GPU were lost.
    if (device.record.computesOn !== "host") await device.read(values);
    const results = program.outputs.map(({ shape, dtype }, i) =>
      new Tensor(leafOp, [], {}, { shape, dtype, value: values[i] })
    );
    return (single ? results[0] : results) as unknown as R;
  };
}

/** Returns the results of a compiled function that did not return a single tensor. */
function resultsOrThrow(result: unknown): readonly Tensor[] {
  if (Array.isArray(result)) return tensorsOrThrow(compileCall, "fn(...)", result);
  throw compileCall.error(`expected fn to return a tensor or an array of tensors, got ${describeResult(result)}`);
}

type Recordable = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

function recordCall(fn: Recordable, inputs: readonly Tensor[], device: string): Recording {
  const recorded = recordOf(fn, inputs);
  const program = new Program<Tensor>(recorded.outputs, { on: device });
  const inputOf = program.leaves.map((leaf) => recorded.inputs.indexOf(leaf));
  return { recorded, program, inputOf, calls: 1, isStale: false };
}

function recordOf(fn: Recordable, like: readonly Entry[]): Recorded & { readonly outputs: readonly Tensor[] } {
  const from = new Entry(leafOp, [], {}, { shape: [], dtype: "float" }).id;
  const inputs = like.map(({ shape, dtype }) => new Tensor(leafOp, [], {}, { shape, dtype }));
  const result = fn(...inputs);
  const single = result instanceof Tensor;
  return { inputs, outputs: single ? [result] : resultsOrThrow(result), single, from };
}

/**
 * Records the function again at the 2nd, 4th, 8th and so on up to the 256th call, then at every 256th. A function that has changed is recorded
 * at each call from then on: none runs what is out of date.
 *
 * @throws if it does not record the same.
 */
async function throwIfStale(fn: Recordable, recording: Recording): Promise<void> {
  const calls = ++recording.calls;
  const isDue = calls < CHECKED_EVERY ? Number.isInteger(Math.log2(calls)) : calls % CHECKED_EVERY === 0;
  if (!isDue && !recording.isStale) return;
  const name = fn.name || "fn";
  recording.isStale = true;
  let again: Recorded;
  try {
    again = recordOf(fn, recording.recorded.inputs);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const message = `${name} threw when it was recorded again to see whether what it captures has changed: ${text}`;
    throw Object.assign(compileCall.error(message), { cause: error });
  }
  const difference = await differenceOf(recording.recorded, again);
  recording.isStale = difference !== null;
  if (difference === null) return;
  throw compileCall.error(
    `expected ${name} to record what it recorded at its first call with these shapes, but ${difference}; pass what changes as an argument, ` +
      "a number as a tensor, or compile the function once it is final",
  );
}
