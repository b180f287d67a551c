/** The precisions that functions compute in, and the sizes of steps. */
import { largestOf } from "../arrays.ts";

/** The resolution of a floating-point precision. All steps are relative to the element. */
export interface Precision {
  /** The shortest of the first steps; each other one is twice as long. */
  readonly step: number;
  /** How many they are. */
  readonly steps: 2 | 3;
  /** A step that tells whether the function looks the same at another scale; `null` if rounding leaves nothing to see. */
  readonly short: number | null;
  /** The shortest step of the ladder, and the ratio between its neighbouring steps. */
  readonly shortest: number;
  readonly ratio: 2 | 4;
  /** A derivative is decided if it is known to this fraction of itself... */
  readonly resolution: number;
  /** ...or along several elements, to this fraction of what they usually add up to... */
  readonly together: number;
  /** ...or to this fraction of the typical derivative of its variable, where its terms are known... */
  readonly fraction: number;
  /** ...or if it is 0 as far as can be seen, to this fraction of the sum's terms relative to the element... */
  readonly zero: number;
  /** ...or if the given one is 0, to this fraction of the slopes that longer steps see. */
  readonly flat: number;
  /** The error of a derivative, relative to itself, that fits aim at. */
  readonly goal: number;
  /**
   * Values may all be off by this many roundings of the largest one, as those of approximations are, or of terms that change by a few
   * roundings alone. No number of values averages that out; in float32 the digits that are left are too few to give these away.
   */
  readonly shared: number;
}

const DOUBLE: Precision = {
  step: 2 ** -14,
  steps: 2,
  short: 2 ** -30,
  shortest: 2 ** -44,
  ratio: 4,
  resolution: 1e-4,
  together: 1e-6,
  fraction: 1e-8,
  zero: 1e-10,
  flat: 1e-3,
  goal: 1e-8,
  shared: 1 / 2,
};
const SINGLE: Precision = {
  step: 2 ** -4,
  steps: 3,
  short: null,
  shortest: 2 ** -20,
  ratio: 2,
  resolution: 2e-2,
  together: 1e-2,
  fraction: 1e-4,
  zero: 0,
  flat: 5e-2,
  goal: 1e-5,
  shared: 1 / 16,
};

/** The precision in which 1 and the next number are `epsilon` apart. */
export function precisionOf(epsilon: number): Precision {
  return epsilon > 1e-10 ? SINGLE : DOUBLE;
}

/** Rounding errors of a weighted sum, in units of `epsilon` times its largest terms. */
export const ROUNDINGS = 8;
/** Rounding errors of the analytic derivative, in units of `epsilon` times itself. */
export const ANALYTIC_ROUNDINGS = 64;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
/** Which half of a double holds the exponent. */
const high = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** The largest power of two not larger than a number, for steps that add without rounding: its exponent alone. */
export function powerBelow(x: number): number {
  double[0] = x;
  words[high] &= 0x7ff00000;
  words[1 - high] = 0;
  // Subnormal numbers, which have no exponent, are replaced by the smallest normal one.
  return double[0] || 2 ** -1022;
}

/** The value of a number's lowest bit: the largest power of two that it is a multiple of. Infinite for 0. */
export function lowestBit(x: number): number {
  if (x === 0 || !Number.isFinite(x)) return Infinity;
  double[0] = x;
  const [upper, lower] = [words[high], words[1 - high]];
  const exponent = (upper >>> 20) & 0x7ff;
  const zerosIn = (word: number) => 31 - Math.clz32(word & -word);
  const zeros = lower !== 0 ? zerosIn(lower) : 32 + zerosIn((upper & 0xfffff) | 0x100000);
  return 2 ** (exponent - 1075 + zeros);
}

/** The scale of a variable's values: the largest magnitude, or 1 if all are 0. */
export function scaleOf(values: Float64Array): number {
  const largest = largestOf(values);
  return largest > 0 ? powerBelow(largest) : 1;
}

/** The unit of an element's steps: its own size, or its variable's scale if it is 0. */
export function sizeOf(x: number, scale: number): number {
  return x === 0 || !Number.isFinite(x) ? scale : powerBelow(x);
}
