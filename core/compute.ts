/** The await point: find or compile the plan, leaves in, values out. */
import { type Device, DeviceLostError } from "./device.ts";
import type { DeviceChoice, RealizeOptions } from "./device_names.ts";
import { chosenDevice, runOn } from "./devices.ts";
import { debugLevel, watched } from "./debug.ts";
import { beginComputation, type Entry, type Values } from "./entry.ts";
import { movedFrom, noteStarts, releasePast } from "./past.ts";
import { hasValue, inOrderOfTape, Program, sharing, throwIfGone } from "./program.ts";
import { stateOf } from "./state.ts";
import { Together } from "./together.ts";
import { Value } from "./value.ts";
import { Variants } from "./variants.ts";

/** What one call asks for. */
interface Request {
  readonly entries: readonly Entry[];
  readonly choice: DeviceChoice | undefined;
  /** The computation that began with the call; `null` if every entry had a value then, perhaps on another device. */
  readonly began: number | null;
}

/** The values of its entries, kept for it until it has used them; `null` for an input of a function under `compile()`, which has none. */
type Answer = readonly (Value | null)[];

/** The only way from entries to values: calls of one tick are computed together. */
const together = new Together<Device, Request, Answer>({
  async group(device, requests) {
    beginning = null;
    await releasePast();
    return sharing(requests, ({ entries }) => missingOn(device, entries), device.name);
  },
  answer: computeAll,
  isFinal: (error) => error instanceof DeviceLostError,
});

/** The computation that the calls of this tick begin; `null` before the first of them. */
let beginning: number | null = null;

/**
 * Computes entries on a device, with the state that they start from. Their values stay where they are computed. Calls of one tick whose
 * computations share an entry are one computation, as if all of them were one call.
 */
export function settle(tensors: readonly Entry[], options?: RealizeOptions): Promise<Device> {
  return withValues(tensors, options, (device) => device);
}

/** Computes entries as {@link settle} does, and keeps their values while something uses them, whatever becomes of the entries meanwhile. */
async function withValues<T>(
  tensors: readonly Entry[],
  options: RealizeOptions = {},
  use: (device: Device, values: Answer) => T | Promise<T>,
): Promise<T> {
  // Entries that are recorded while the device opens are recorded after this computation.
  const began = tensors.some((t) => t.held === null) ? beginning ??= beginComputation() : null;
  const device = await chosenDevice(options.device);
  const values = missingOn(device, tensors).length === 0
    ? keptValues(tensors, device)
    : await together.ask(device, { entries: tensors, choice: options.device, began });
  try {
    return await use(device, values);
  } finally {
    for (const value of values) value?.unuse();
  }
}

/** Computes what the requests of a group need. */
async function computeAll(device: Device, requests: readonly Request[]): Promise<Answer[]> {
  const missing = missingOn(device, requests.flatMap(({ entries }) => entries));
  if (missing.length > 0) {
    const began = Math.min(...requests.map((request) => request.began ?? Infinity));
    const before = began < Infinity ? began : beginComputation();
    const program = new Program(missing, {
      on: device.name,
      keep: (outputs, entries) => stateOf(outputs, entries, before),
      variants: variantsOf(device),
    });
    noteStarts(program.leaves, program.entries);
    const leaves: Value[] = program.take((leaf) => valueFor(leaf, device), (numbers) => new Value(numbers));
    // If "auto" chose the device for one of them, it chooses again once the device is lost.
    const { choice } = requests.find((request) => request.choice === undefined || request.choice === "auto") ??
      requests[0];
    const values = await execute(device, choice, program, leaves);
    program.outputs.forEach((entry, i) => entry.setValue(values[i], device.name));
  }
  return requests.map(({ entries }) => keptValues(entries, device));
}

/** Returns the values of entries on a device, which become the current ones. They stay until they are told that they are not used any more. */
function keptValues(entries: readonly Entry[], device: Device): Answer {
  return entries.map((t) => {
    const value = t.valueOn(device.name);
    if (value && value !== t.held) t.setValue(value, device.name);
    value?.use();
    return value;
  });
}

/** The entries without a value, in the order of the tape. */
function missingOn(device: Device, tensors: readonly Entry[]): Entry[] {
  return inOrderOfTape([...new Set(tensors)].filter((t) => !hasValue(t, device.name) && !takeMoved(t, device.name)));
}

/**
 * Computes entries on a device, with the state that they start from, and reads them.
 *
 * @returns the values, float64 on the oracle and float32 elsewhere.
 */
export function compute(tensors: readonly Entry[], options?: RealizeOptions): Promise<Values[]> {
  return withValues(tensors, options, async (device, values) => {
    const read = await device.read(values.map((value, i) => present(value, tensors[i])));
    return read.map((value) => inPrecision(value, device));
  });
}

/** Computes an entry on a device, and copies its value into an array. */
export function computeInto<T extends Values>(entry: Entry, into: T, options?: RealizeOptions): Promise<T> {
  return withValues([entry], options, (device, [value]) => device.readInto(present(value, entry), into));
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
