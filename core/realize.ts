/** Computing several tensors at once, and functions that are recorded once. */
import { execute, settle, valueFor } from "./compute.ts";
import { type RealizeOptions, realizeOptions } from "./device_names.ts";
import { chosenDevice } from "./devices.ts";
import { Entry, leafOp } from "./entry.ts";
import { describeResult, isPlain, Signature } from "./options.ts";
import { inOrderOfTape, Program } from "./program.ts";
import { differenceOf, type Recorded } from "./recorded_again.ts";
import { Tensor } from "./tensor.ts";
import { mapTensors, structureText, tensorsOf } from "./tree.ts";

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

/** A function that {@link compile} has recorded. */
export type Compiled<R extends object, A extends readonly object[] = Tensor[]> = (...inputs: A) => Promise<R>;

/** A recording of a compiled function for one signature. */
interface Recording {
  readonly recorded: Recorded;
  /** The arguments of the recorded call: stand-ins in the structure of the arguments. */
  readonly args: readonly object[];
  /** The structure that the function returned. */
  readonly result: object;
  readonly program: Program<Tensor>;
  /** For each tensor in `result`, in the order of the structure, its place among the outputs of the program. */
  readonly placeOf: readonly number[];
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
 * Records a function of tensors once for each signature of structures, shapes and dtypes; later calls bind the inputs and run the plan,
 * without recording. Inputs and results are tensors, or arrays and plain objects of them, nested, as parameters are kept in. The results are
 * leaves: gradients belong inside the function. Numbers and tensors that
 * the function captures stay what they were at the first call: pass what changes as an input. The function is recorded again at the 2nd, 4th,
 * 8th and so on up to the 256th call with a signature, then at every 256th, and the call fails if it does not record the same, as do those
 * after it.
 *
 * @param fn must not depend on values. It may run at any call, so it should have no side effects. The structures that it is given are copies.
 * @throws from a call, before anything is computed, if a part of an argument is no tensor, or a number or tensor that `fn` captures is found
 * to have changed.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { compile, grad, matmul, mean, mul, square, sub, sum, type Tensor, tensor, valueAndGrad } from "gpugrad";
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
 *
 * type Params = { weights: Tensor; bias: Tensor };
 * const loss = ({ weights, bias }: Params, x: Tensor) => mean(square(sub(matmul(x, weights), bias)));
 * const step = compile(valueAndGrad(loss)); // of parameters and x
 * const [value, slopes] = await step({ weights: tensor([[1], [2]]), bias: tensor([4]) }, tensor([[1, 0], [0, 1]]));
 * assert.deepEqual([await value.item(), await slopes.bias.toArray()], [6.5, [5]]);
 * ```
 */
export function compile<R extends object>(fn: (...inputs: Tensor[]) => R, options?: RealizeOptions): Compiled<R>;
/** Of a function that takes structures. */
export function compile<A extends readonly object[], R extends object>(
  fn: (...inputs: A) => R,
  options?: RealizeOptions,
): Compiled<R, A>;
export function compile<A extends readonly object[]>(
  fn: (...inputs: A) => object,
  options: RealizeOptions = {},
): Compiled<object, A> {
  compileCall.check(arguments);
  if (typeof fn !== "function") throw compileCall.wrong("fn", "a function of tensors", fn);
  const recordings = new Map<string, Recording>();
  return async (...given) => {
    // The program may change its structures while it waits.
    const args = copied("arguments", given);
    const inputs = tensorsOf(compileCall, "arguments", args);
    const device = await chosenDevice(options.device);
    const signature = `${device.name}: ${structureText(args, ({ dtype, shape }) => `${dtype} ${shape.join("x")}`)}`;
    let recording = recordings.get(signature);
    if (recording) await throwIfStale(fn as Recordable, recording);
    await settle(inputs, { device });
    recording ??= recordings.get(signature);
    if (!recording) recordings.set(signature, recording = recordCall(fn as Recordable, args, device.name));
    const { program, placeOf, inputOf, result } = recording;
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
    let at = 0;
    return mapTensors(
      compileCall,
      "fn(...)",
      result,
      ({ shape, dtype }) => new Tensor(leafOp, [], {}, { shape, dtype, value: values[placeOf[at++]] }),
    ) as object;
  };
}

type Recordable = (...args: readonly object[]) => object;

/** A call that was recorded, but not planned. */
interface RecordedCall extends Pick<Recording, "args" | "result"> {
  readonly recorded: Recorded & { readonly outputs: readonly Tensor[] };
}

function recordCall(fn: Recordable, args: readonly object[], device: string): Recording {
  const call = recordOf(fn, args);
  const { inputs, outputs } = call.recorded;
  const ordered = inOrderOfTape<Tensor>(outputs);
  const program = new Program<Tensor>(ordered, { on: device });
  // A tensor that is returned twice has two places, and two values.
  const places = new Map<Entry, number[]>();
  ordered.forEach((t, place) => places.set(t, [...places.get(t) ?? [], place]));
  const placeOf = outputs.map((t) => places.get(t)!.shift()!);
  const inputOf = program.leaves.map((leaf) => inputs.indexOf(leaf));
  return { ...call, program, placeOf, inputOf, calls: 1, isStale: false };
}

/** Returns a copy of a structure with the same tensors: the function may change what it was given, and later what it returned. */
function copied<T extends object>(path: string, tree: T): T {
  return mapTensors(compileCall, path, tree, (t) => t) as T;
}

/** Records a call with arguments of the structure, the shapes and the dtypes of these. */
function recordOf(fn: Recordable, like: readonly object[]): RecordedCall {
  const from = new Entry(leafOp, [], {}, { shape: [], dtype: "float" }).id;
  const inputs: Tensor[] = [];
  const args = mapTensors(compileCall, "arguments", like, ({ shape, dtype }) => {
    const input = new Tensor(leafOp, [], {}, { shape, dtype });
    inputs.push(input);
    return input;
  }) as object[];
  const returned: unknown = fn(...copied("arguments", args));
  // What it rejects with has nobody to wait for it.
  if (returned instanceof Promise) returned.catch(() => {});
  if (typeof returned !== "object" || returned === null || returned instanceof Promise) {
    throw compileCall.error(
      `expected fn to return a tensor, or an array or object of tensors, got ${describeResult(returned)}`,
    );
  }
  const outputs = tensorsOf(compileCall, "fn(...)", returned);
  const result = copied("fn(...)", returned);
  const text = structureText(result, () => "a tensor");
  return { args, result, recorded: { inputs, outputs, returned: text, from } };
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
    again = recordOf(fn, recording.args).recorded;
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
