/** The await point: find or compile the plan, leaves in, values out. */
import { Device } from "./device.ts";
import { float64Backend } from "./device_float64.ts";
import { gpuBackend } from "./device_gpu.ts";
import { makePlan, type Plan } from "./plan.ts";
import { attributeText, leafOp, opId } from "./op.ts";
import { type DeviceChoice, provideRealizer, type RealizeOptions, Tensor, type Values } from "./tensor.ts";

/** The names of devices, the fastest first; `useDevice("auto")` takes the first that works. */
const DEVICE_NAMES = ["webasm", "cpu", "float64"] as const;

const devices = new Map<string, Promise<Device>>();
let current: Promise<Device> | null = null;

/** Multiplies, adds up and takes an exponential: what a device must get right to be used at all. */
const PROBE = { leaves: [Float32Array.of(1, 2, 3, 4)], expected: 14 };

async function openDevice(name: string): Promise<Device> {
  const device = new Device(name, name === "float64" ? float64Backend() : await gpuBackend(name));
  await probe(device);
  return device;
}

/** Runs a kernel and compares its result: a backend that cannot run must not be found out later. */
async function probe(device: Device): Promise<void> {
  const probePlan: Plan = {
    leaves: [{ shape: [4], extent: [4], size: 4 }],
    steps: [{
      name: "probe",
      shape: [1],
      kernel: {
        parameters: ["a0"],
        lines: ["let s = 0.0;", "for (let i = 0; i < 4; i++) {", `s = s + a0[i];`, "}"],
        result: "s + 4.0",
        extent: [1],
        iterations: 4,
        tables: [],
      },
      args: [{ from: "leaf", index: 0 }],
    }],
    results: [{ from: "step", index: 0 }],
  };
  const [result] = await device.run("probe", () => probePlan, PROBE.leaves);
  if (result[0] !== PROBE.expected) {
    throw new Error(`useDevice: "${device.name}" computes ${result[0]} where ${PROBE.expected} is right`);
  }
  if (device.backend !== device.name) {
    throw new Error(`useDevice: "${device.name}" does not run here: gpu.js took "${device.backend}" instead`);
  }
  device.compiled = 0;
}

function deviceNamed(name: string): Promise<Device> {
  if (!(DEVICE_NAMES as readonly string[]).includes(name)) {
    return Promise.reject(
      new Error(`useDevice: expected "auto", ${DEVICE_NAMES.map((n) => `"${n}"`).join(", ")}, got "${name}"`),
    );
  }
  let device = devices.get(name);
  if (!device) {
    device = openDevice(name);
    devices.set(name, device);
    // A failed start is tried again when it is asked for again.
    device.catch(() => devices.delete(name));
  }
  return device;
}

async function fastestDevice(): Promise<Device> {
  const reasons: string[] = [];
  for (const name of DEVICE_NAMES) {
    try {
      return await deviceNamed(name);
    } catch (error) {
      reasons.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new Error(`useDevice: no device works (${reasons.join("; ")})`);
}

/**
 * Makes a device the default for everything that computes, and gives it.
 *
 * @param name `"auto"` (the fastest that works: a kernel is run to find out), `"webasm"` (float32, SIMD and threads), `"cpu"`
 * (float32, plain JavaScript) or `"float64"` (the oracle: the same kernels in doubles).
 * @throws where the device does not work here, with the reason.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { div, tensor, useDevice } from "gpugrad";
 *
 * const device = await useDevice("float64");
 * assert.equal(device.backend, "float64");
 * assert.equal(await div(tensor(1), 3).item(), 1 / 3);
 * await useDevice("auto");
 * ```
 */
export function useDevice(name: string): Promise<Device> {
  const device = name === "auto" ? fastestDevice() : deviceNamed(name);
  const previous = current;
  current = device;
  device.catch(() => {
    if (current === device) current = previous;
  });
  return device;
}

/**
 * The devices, the fastest first, each with whether it works here and why not.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { availableDevices } from "gpugrad";
 *
 * const names = (await availableDevices()).filter((d) => d.available).map((d) => d.name);
 * assert.ok(names.includes("float64"));
 * ```
 */
export function availableDevices(): Promise<{ name: string; available: boolean; reason?: string }[]> {
  return Promise.all(DEVICE_NAMES.map(async (name) => {
    try {
      await deviceNamed(name);
      return { name, available: true };
    } catch (error) {
      return { name, available: false, reason: (error as Error).message };
    }
  }));
}

/** The device of a choice; the default without one. */
export function chosenDevice(choice?: DeviceChoice): Promise<Device> {
  if (choice instanceof Device) return Promise.resolve(choice);
  if (choice === undefined) return current ?? useDevice("auto");
  const name = typeof choice === "string" ? choice : choice.name;
  return name === "auto" ? fastestDevice() : deviceNamed(name);
}

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
    const values = await device.run(key, () => makePlan(outputs, leaves, device.target), leaves.map(valueOf));
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
  for (const t of tensors) {
    if (!(t instanceof Tensor)) {
      throw new Error(`realize: expected an array of tensors, got an element of type ${typeof t}`);
    }
  }
  await compute(tensors, options);
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
  const recordings = new Map<string, Recording>();
  return async (...inputs) => {
    inputs.forEach((t, i) => {
      if (!(t instanceof Tensor)) throw new Error(`compile: expected argument ${i} to be a tensor, got ${typeof t}`);
    });
    const device = await chosenDevice(options.device);
    await compute(inputs, { device });
    const signature = `${device.name};${inputs.map((t) => `${t.dtype}${t.shape.join("x")}`).join(";")}`;
    let recording = recordings.get(signature);
    if (!recording) recordings.set(signature, recording = recordCall(fn, inputs, device));
    const { leaves, inputOf, outputs, key, plan, single } = recording;
    const values = await device.run(
      key,
      plan,
      leaves.map((leaf, i) => valueOf(inputOf[i] < 0 ? leaf : inputs[inputOf[i]])),
    );
    const results = outputs.map((t, i) => new Tensor(leafOp, [], {}, t.shape, t.dtype, values[i]));
    return (single ? results[0] : results) as unknown as R;
  };
}

function recordCall(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  device: Device,
): Recording {
  const placeholders = inputs.map((t) => new Tensor(leafOp, [], {}, t.shape, t.dtype));
  const result = fn(...placeholders);
  const single = result instanceof Tensor;
  const outputs: readonly Tensor[] = single ? [result] : result;
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
