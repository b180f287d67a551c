/** The options of a check. */
import { type DeviceChoice, realizeOptions } from "../core/device_names.ts";
import { arrayOf, boolean, type Declared, kind, oneOf, string, whole } from "../core/options.ts";
import type { Input } from "./inputs.ts";
import type { PlainPrecision } from "./plain.ts";
import { anySeed } from "./random.ts";
import type { ExamineOptions } from "./tape/judged.ts";

/** Options of {@link gradcheck}. */
export interface GradcheckOptions {
  /** The name of the function in the report, default its own name. */
  readonly name?: string;
  /** The names of the inputs in the report, default the function's parameter names. */
  readonly names?: readonly string[];
  /**
   * `full` tests each element; `fast` tests a few random directions, and each element if one fails. Default: by size.
   */
  readonly mode?: "full" | "fast";
  /**
   * The order of the derivative, default 1; 2 also differentiates the gradient, which is not possible for a plain
   * function.
   */
  readonly order?: 1 | 2;
  /** The seed of cotangents and directions, default random. */
  readonly seed?: number;
  /** The device to compare with the oracle, default the current one; `"float64"` for none. */
  readonly device?: DeviceChoice;
  /** The number of random directions in fast mode, default 2. */
  readonly directions?: number;
  /** How many times an element on a kink is moved off it, default 3. */
  readonly resamples?: number;
  /** How many of the worst elements the report lists, default 10. */
  readonly worst?: number;
  /** Whether to locate the entry of the tape whose rule is wrong, default true. */
  readonly locate?: boolean;
  /** The precision that a plain function computes in, default `"float64"`. */
  readonly precision?: PlainPrecision;
  /**
   * How exact the gradient of a plain function claims to be, relative to itself: 1e-6 for one that an iterative solver
   * computes to six digits. Default as exact as its own rounding allows, which is measured.
   */
  readonly tolerance?: number;
}

/** The kinds of the options; those of {@link checkProperty} and {@link check} include them. */
export const gradcheckKinds: Declared<GradcheckOptions> = {
  name: string,
  names: arrayOf(string, "strings"),
  mode: oneOf("full", "fast"),
  order: kind<1 | 2>("1 or 2", "2", (v) => v === 1 || v === 2),
  seed: whole(),
  device: realizeOptions.device,
  directions: whole(1),
  resamples: whole(0),
  worst: whole(0),
  locate: boolean,
  precision: oneOf("float32", "float64"),
  tolerance: kind<number>("a number from 0 to 1", "1e-6", (v) => typeof v === "number" && v >= 0 && v <= 1),
};

/** Inputs with more elements than this are checked in fast mode. */
const FULL_ELEMENTS = 1024;

/** The options with their defaults. */
export interface ResolvedOptions extends ExamineOptions {
  readonly order: 1 | 2;
  readonly worst: number;
  readonly locate: boolean;
}

/** Fills in the defaults; the mode depends on the size of the inputs. */
export function resolve(options: GradcheckOptions, inputs: readonly Input[]): ResolvedOptions {
  const { order = 1, seed = anySeed(), directions = 2, resamples = 3, worst = 10, locate = true } = options;
  const total = inputs.reduce((sum, { values, dtype }) => sum + (dtype === "float" ? values.length : 0), 0);
  const mode = options.mode ?? (total <= FULL_ELEMENTS ? "full" : "fast");
  return { mode, order, seed, directions, resamples, worst, locate };
}

/** A check as it was asked for, and when. */
export interface Asked {
  readonly name: string;
  readonly options: ResolvedOptions;
  readonly started: number;
}
