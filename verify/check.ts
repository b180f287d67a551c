/** Checks that a module exports for the command line. */
import type fc from "fast-check";
import { Signature } from "../core/options.ts";
import type { TensorFunction } from "./gradcheck.ts";
import type { InputLike } from "./inputs.ts";
import type { PlainFunction } from "./plain.ts";
import {
  checkSubject,
  propertyKinds,
  type PropertyOptions,
  type PropertyRun,
  runProperty,
  RUNS,
  type Sample,
} from "./property.ts";
import type { CheckReport } from "./report/report.ts";
import { UsageError } from "./usage.ts";

/** Marks the result of {@link check}; the same in all copies of this package. */
const CHECK = Symbol.for("gpugrad.check");

/** Options of {@link check}: those of {@link checkProperty}, except those set on the command line. */
export type CheckOptions = Omit<PropertyOptions, "seed" | "path">;

const { seed: _seed, path: _path, ...checkKinds } = propertyKinds;
const checkCall = new Signature<CheckOptions>("check(f, arbitrary, options)", checkKinds, UsageError);

/** A function with inputs to check it at, made by {@link check}. */
export interface Check {
  /** The function. */
  readonly f: TensorFunction | PlainFunction;
  /** Generates its inputs. */
  readonly arbitrary: fc.Arbitrary<readonly InputLike[] | Sample>;
  /** How it is checked. */
  readonly options: CheckOptions;
}

/**
 * Declares a check for `gpugrad check FILE`: a function and an arbitrary that generates its inputs. A file exports one
 * or more.
 *
 * @param f the function to check, as for {@link checkProperty}.
 * @param arbitrary generates arrays of inputs, as {@link tensors} does, or `{ inputs, context }`.
 * @param options the number of runs, the order, the mode and so on; options of the command line take precedence.
 * @throws UsageError if the call cannot be carried out.
 *
 * @example
 * ```ts
 * import { square, sum } from "gpugrad";
 * import { check, tensors } from "gpugrad/verify";
 *
 * export const sumOfSquares = check((x) => sum(square(x)), tensors([[2, 3]]), { runs: 20, order: 2 });
 * ```
 */
export function check(
  f: TensorFunction | PlainFunction,
  arbitrary: fc.Arbitrary<readonly InputLike[] | Sample>,
  options: CheckOptions = {},
): Check {
  checkCall.check(arguments);
  checkSubject(checkCall, f, arbitrary);
  // With its engine attached: the command may come from another copy of this package than the file under check, and
  // only the file's own copy recognises its tensors.
  return { f, arbitrary, options, [CHECK]: runProperty } as Check;
}

/** Whether a value was made by {@link check}. */
export function isCheck(value: unknown): value is Check {
  return typeof value === "object" && value !== null && CHECK in value;
}

/** Options that the command line adds to a check, or sets in place of its own. */
export interface GivenOptions {
  readonly order?: 1 | 2;
  readonly mode?: "full" | "fast";
  readonly device?: string;
}

/** Which runs of a check, and with which options. */
export interface CheckRun extends GivenOptions {
  readonly name: string;
  readonly seed: number;
  readonly path?: string;
}

/** The options of a check as plain data, with its number of runs, and with the options of the command line. */
export function optionsOf(
  { options }: Check,
  given: GivenOptions & { readonly runs?: number },
): Record<string, unknown> & { runs: number } {
  const { device, ...rest } = { runs: RUNS, ...options, ...defined(given) };
  return { ...rest, ...(device === undefined ? {} : { device: typeof device === "string" ? device : device.name }) };
}

/** Runs a check. An error that prevents it goes into the report. */
export async function runCheck(
  check: Check,
  run: CheckRun,
  how: Omit<PropertyRun, "reportErrors">,
): Promise<CheckReport> {
  const { f, arbitrary, options: { runs: _runs, ...options }, [CHECK]: engine } = check as Check & {
    readonly [CHECK]: typeof runProperty;
  };
  return await engine(f, arbitrary, { ...options, ...defined(run) } as PropertyOptions, { ...how, reportErrors: true });
}

/** Without options that are undefined, which would hide others. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
