/** Measures the accuracy of this runtime's devices, as plain data. Runs in every runtime. */
import { float64 } from "../../core/backends/float64.ts";
import { backendNamed } from "../../core/backends/list.ts";
import type { Accuracy } from "../../core/op.ts";
import { availableDevices, realize, type Tensor, tensor, useDevice } from "../../mod.ts";
import {
  composites,
  exactFunctions,
  LARGEST,
  type Measured,
  roundedFunctions,
  type Sample,
  SMALLEST_NORMAL,
  type Special,
  specials,
} from "./functions.ts";

/** The accuracy of results from one range of inputs. */
export interface Figures {
  readonly range: string;
  readonly beyond: boolean;
  readonly count: number;
  /** The largest error and the root mean square, in units in the last place of the exact result. */
  readonly largest: number;
  readonly usual: number;
  /** The largest error in units of 2^-23 of the right result, as accuracies are stated. */
  readonly relative: number;
  readonly absolute: number;
  /** The inputs of the largest error, the actual and the exact result. */
  readonly worst: readonly string[];
  /** The number of results that differ by more than rounding: finite when they should not be, or vice versa. */
  readonly wrong: number;
  /** The number of these that are NaN. */
  readonly nan: number;
  readonly wrongAt: readonly string[];
  /** Subnormal results, which are not included in the figures above. */
  readonly subnormal: { readonly kept: number; readonly flushed: number; readonly wrong: number };
}

export interface FunctionFigures {
  readonly name: string;
  readonly group: "exact" | "rounded" | "composite";
  readonly accuracy: Accuracy | null;
  readonly byRange: boolean;
  readonly oscillates: boolean;
  readonly overflows: boolean;
  readonly ranges: readonly Figures[];
}

export interface DeviceFigures {
  readonly device: string;
  readonly description: string;
  readonly executor: string | null;
  readonly functions: readonly FunctionFigures[];
  /** Actual and expected results of special cases. */
  readonly specials: readonly { readonly name: string; readonly got: string[]; readonly expected: string[] }[];
}

export interface RuntimeFigures {
  readonly devices: readonly DeviceFigures[];
  readonly missing: readonly { readonly device: string; readonly reason: string }[];
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/** The distance between neighbouring float32 numbers at the magnitude of a number. */
export function ulpOf(x: number): number {
  double[0] = x;
  const exponent = ((halves[1] >>> 20) & 0x7ff) - 1023;
  return 2 ** (Math.max(exponent, -126) - 23);
}

/** Results this close to the limits of float32 may fall on either side. */
const MARGIN = 2 ** -18;
/** A subnormal result counts as kept if its error is at most this fraction of it, or a few of the smallest numbers. */
const KEPT = 2 ** -10;
const KEPT_STEPS = 8;

/** Formats a number so that 0 and -0 differ. */
export function text(x: number): string {
  return Object.is(x, -0) ? "-0" : String(x);
}

/** Whether a subnormal result was kept or flushed to 0, or is wrong. */
function fateOf(actual: number, expected: number): "kept" | "flushed" | "wrong" {
  if (actual === 0) return "flushed";
  return Math.abs(actual - expected) <= Math.abs(expected) * KEPT + KEPT_STEPS * 2 ** -149 ? "kept" : "wrong";
}

function figuresOf(
  { width, sums, least = 0 }: Measured,
  { range, beyond, inputs }: Sample,
  actual: Float32Array,
  expected: Float64Array,
): Figures {
  let [largest, relative, absolute, wrong, nan, squares, errors] = [0, 0, 0, 0, 0, 0, 0];
  let worst: string[] = [];
  let wrongAt: string[] = [];
  const subnormal = { kept: 0, flushed: 0, wrong: 0 };
  const perResult = inputs[0].length / expected.length;
  const inputsOf = (i: number) => {
    const at = Math.floor(i * perResult / width) * width;
    return inputs.map((x) => [...x.subarray(at, at + width)]);
  };
  const sizeOfInputs = (i: number) => Math.max(...inputsOf(i).flat().map(Math.abs));
  const describe = (i: number) => [...inputsOf(i).map((x) => x.join(" ")), text(actual[i]), text(expected[i])];
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i], expected[i]];
    const size = Math.abs(e);
    if (!sums && Math.fround(e) !== 0 && size < SMALLEST_NORMAL * (a === 0 ? 1 + MARGIN : 1)) {
      subnormal[fateOf(a, e)]++;
      continue;
    }
    if (a === e || (Number.isNaN(a) && Number.isNaN(e))) {
      if (Number.isFinite(e)) errors++;
      continue;
    }
    const overflow = Math.sign(e) * Infinity;
    if (size > LARGEST * (1 - MARGIN) && (a === overflow || (size < LARGEST * (1 + MARGIN) && a * e > 0))) continue;
    const off = Math.abs(a - e);
    if (!Number.isFinite(off) || !Number.isFinite(Math.fround(e))) {
      if (wrong++ === 0) wrongAt = describe(i);
      if (Number.isNaN(a)) nan++;
      continue;
    }
    const unit = sums ? Math.max(size, 1, sizeOfInputs(i)) : size;
    const ulps = off / ulpOf(unit);
    errors++;
    squares += ulps ** 2;
    absolute = Math.max(absolute, off);
    relative = Math.max(relative, off / (2 ** -23 * Math.max(unit, least, SMALLEST_NORMAL)));
    if (ulps > largest) {
      largest = ulps;
      worst = describe(i);
    }
  }
  const usual = errors > 0 ? Math.sqrt(squares / errors) : 0;
  const count = expected.length;
  return { range, beyond, count, largest, usual, relative, absolute, worst, wrong, nan, wrongAt, subnormal };
}

/** Measures one function on one device, with all ranges in one plan. */
export async function measureFunction(device: string, measured: Measured, points: number): Promise<Figures[]> {
  return (await measureFunctions(device, [measured], points))[0];
}

/** Measures functions on one device, all of them in one plan. */
export async function measureFunctions(
  device: string,
  functions: readonly Measured[],
  points: number,
  wanted: (sample: Sample) => boolean = () => true,
): Promise<Figures[][]> {
  const recorded = functions.map((measured) => {
    const samples = measured.samples(points).filter(wanted);
    const inputs = samples[0].inputs.map((_, i) => joined(samples.map((sample) => sample.inputs[i])));
    const leaves = inputs.map((x) =>
      tensor(x, measured.width > 1 ? [x.length / measured.width, measured.width] : [x.length])
    );
    return { measured, samples, y: measured.apply(...leaves) };
  });
  const values = await valuesOn(device, recorded.map(({ y }) => y));
  return recorded.map(({ measured, samples }, k) => {
    const expected = samples.map((sample) => measured.reference(sample.inputs));
    let at = 0;
    return samples.map((sample, i) => {
      const part = values[k].subarray(at, at += expected[i].length);
      return figuresOf(measured, sample, part, expected[i]);
    });
  });
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

async function valuesOn(device: string, tensors: readonly Tensor[]): Promise<Float32Array[]> {
  await realize(tensors, { device });
  return Promise.all(tensors.map(async (y) => Float32Array.from(await y.held!.read())));
}

/** Computes special cases on a device, all of them in one plan. */
export async function measureSpecials(device: string, all: readonly Special[]): Promise<number[][]> {
  return (await valuesOn(device, all.map((special) => special.apply()))).map((values) => [...values]);
}

/** Measures every device of this runtime except the oracle. */
export async function measure(points: number): Promise<RuntimeFigures> {
  const devices: DeviceFigures[] = [];
  const missing: { device: string; reason: string }[] = [];
  for (const { name, available, reason = "" } of await availableDevices()) {
    if (backendNamed(name) === float64) continue;
    if (!available) missing.push({ device: name, reason });
    else devices.push(await measureDevice(name, points));
  }
  return { devices, missing };
}

async function measureDevice(name: string, points: number): Promise<DeviceFigures> {
  const functions: FunctionFigures[] = [];
  const groups = { exact: exactFunctions, rounded: roundedFunctions, composite: composites };
  for (const [group, members] of Object.entries(groups)) {
    for (const measured of members) {
      functions.push({
        name: measured.name,
        group: group as keyof typeof groups,
        accuracy: measured.accuracy,
        byRange: measured.byRange ?? false,
        oscillates: measured.oscillates ?? false,
        overflows: measured.overflows ?? false,
        ranges: await measureFunction(name, measured, points),
      });
    }
  }
  const results = await measureSpecials(name, specials);
  const cases = specials.map(({ name, expected }, i) => {
    return { name, got: results[i].map(text), expected: expected.map((x) => text(Math.fround(x))) };
  });
  const device = await useDevice(name);
  const { description, executor } = device;
  await device.dispose();
  return { device: name, description, executor, functions, specials: cases };
}
