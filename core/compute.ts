/** The await point: find or compile the plan, leaves in, values out. */
import type { Device } from "./device.ts";
import type { DeviceChoice, RealizeOptions } from "./device_names.ts";
import { chosenDevice, runOn } from "./devices.ts";
import { debugLevel, watched } from "./debug.ts";
import { beginComputation, type Entry, type Values } from "./entry.ts";
import { movedFrom, noteStarts, releasePast } from "./past.ts";
import { hasValue, Program, throwIfGone } from "./program.ts";
import { stateOf } from "./state.ts";
import { Value } from "./value.ts";
import { Variants } from "./variants.ts";

/**
 * Computes entries on a device, with the state that they start from. Their values stay where they are computed.
 *
 * @returns the device.
 */
export async function settle(tensors: readonly Entry[], options: RealizeOptions = {}): Promise<Device> {
  // Entries that are recorded while the device opens are recorded after this computation.
  const begins = tensors.some((t) => t.held === null);
  if (begins) beginComputation();
  const device = await chosenDevice(options.device);
  const missing = missingOn(device, tensors);
  if (missing.length > 0) {
    if (!begins) beginComputation();
    await releasePast();
    const program = new Program(missing, { on: device.name, keep: stateOf, variants: variantsOf(device) });
    noteStarts(program.leaves, program.entries);
    const leaves: Value[] = program.take((leaf) => valueFor(leaf, device), (numbers) => new Value(numbers));
    const values = await execute(device, options.device, program, leaves);
    program.outputs.forEach((entry, i) => entry.setValue(values[i], device.name));
  }
  for (const t of tensors) {
    const value = t.valueOn(device.name);
    if (value && value !== t.held) t.setValue(value, device.name);
  }
  return device;
}

function missingOn(device: Device, tensors: readonly Entry[]): Entry[] {
  return [...new Set(tensors)].filter((t) => !hasValue(t, device.name) && !takeMoved(t, device.name));
}

/**
 * Computes entries on a device, with the state that they start from, and reads them.
 *
 * @returns the values, float64 on the oracle and float32 elsewhere.
 */
export async function compute(tensors: readonly Entry[], options: RealizeOptions = {}): Promise<Values[]> {
  const device = await settle(tensors, options);
  const values = await device.read(tensors.map((t) => present(t.held, t)));
  return values.map((value) => inPrecision(value, device));
}

/** Computes an entry on a device, and copies its value into an array. */
export async function computeInto<T extends Values>(entry: Entry, into: T, options?: RealizeOptions): Promise<T> {
  const device = await settle([entry], options);
  await device.readInto(present(entry.held, entry), into);
  return into;
}

/** Runs a program on the chosen device and reports it if debugging is on. The values that it starts from stay until it is done. */
export async function execute(
  device: Device,
  choice: DeviceChoice | undefined,
  program: Program,
  values: readonly Value[],
): Promise<Value[]> {
  for (const value of values) value.use();
  try {
    const level = debugLevel();
    if (level === 0) return await runOn(device, choice, program, values);
    return await watched(level, { device, program, values }, (planned) => runOn(device, choice, planned, values));
  } finally {
    for (const value of values) value.unuse();
  }
}

/** Takes over the value of the entry that an entry only repeats, if it has been computed. */
function takeMoved(entry: Entry, device: string): boolean {
  const source = movedFrom(entry);
  const value = source.valueOn(device);
  if (!value) return false;
  entry.setValue(value, source.isPast ? null : source.computedOn);
  return true;
}

/** Returns the value that serves a device. */
export function valueFor(leaf: Entry, device: Device): Value {
  const source = movedFrom(leaf);
  return present(source.valueOn(device.name), source);
}

function present(value: Value | null, entry: Entry): Value {
  if (value) return value;
  throwIfGone(entry);
  throw new Error(
    "realize: an input of a function under compile(), or of the step of scan(), has no value; read the results instead",
  );
}

const variants = new WeakMap<Device, Variants>();

/** Returns the record of numbers that change on a device, which decides how plans are compiled. */
function variantsOf(device: Device): Variants {
  let known = variants.get(device);
  if (!known) variants.set(device, known = new Variants());
  return known;
}

/** The values in the precision of the device: float64 on the oracle, float32 elsewhere. */
function inPrecision(values: Values, { record: { arrays } }: Device): Values {
  return values instanceof arrays ? values : arrays.from(values);
}
