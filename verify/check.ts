/** What a module exports for the command line to check. */
import type fc from "fast-check";
import { Signature } from "../core/options.ts";
import type { TensorFunction } from "./gradcheck.ts";
import type { InputLike } from "./inputs.ts";
import type { PlainFunction } from "./plain.ts";
import { checkProperty, checkSubject, propertyKinds, type PropertyOptions, type Sample } from "./property.ts";
import type { CheckReport } from "./report.ts";
import { messageOf, UsageError } from "./usage.ts";

/** Marks what {@link check} gives; the same in all copies of this package. */
const CHECK = Symbol.for("gpugrad.check");

/** Options of {@link check}: those of {@link checkProperty}, except what the command line says. */
export type CheckOptions = Omit<PropertyOptions, "seed" | "path">;

const { seed: _seed, path: _path, ...checkKinds } = propertyKinds;
const checkCall = new Signature<CheckOptions>("check(f, arbitrary, options)", checkKinds, UsageError);

/** A function with inputs to check it at, as {@link check} gives it. */
export interface Check {
  readonly f: TensorFunction | PlainFunction;
  readonly arbitrary: fc.Arbitrary<readonly InputLike[] | Sample>;
  readonly options: CheckOptions;
}

/**
 * Declares what `gpugrad check FILE` checks: a function and an arbitrary that generates its inputs. A file exports one or several.
 *
 * @param f as {@link checkProperty} takes it.
 * @param arbitrary generates arrays of inputs, such as {@link tensors} does, or `{ inputs, context }`.
 * @param options the number of runs, the order, the mode: what the command line does not say otherwise.
 * @throws UsageError where the call cannot be carried out.
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
  // With the engine beside it: the command may come from another copy of this package than the file that it checks, whose tensors
  // only the file's own copy knows.
  return { f, arbitrary, options, [CHECK]: checkProperty } as Check;
}

/** Whether something is what {@link check} gives. */
export function isCheck(value: unknown): value is Check {
  return typeof value === "object" && value !== null && CHECK in value;
}

/** What the command line adds to a check. */
export interface CheckRunOptions {
  readonly name: string;
  readonly seed: number;
  readonly runs: number;
  readonly order?: 1 | 2;
  readonly device?: string;
  readonly path?: string;
}

/** Runs a check. What keeps it from being checked is a part of the report. */
export async function runCheck(check: Check, run: CheckRunOptions): Promise<CheckReport> {
  const { f, arbitrary, options, [CHECK]: engine } = check as Check & { readonly [CHECK]: typeof checkProperty };
  const given = Object.fromEntries(Object.entries(run).filter(([, value]) => value !== undefined));
  try {
    return await engine(f, arbitrary, { ...options, ...given });
  } catch (error) {
    return {
      name: run.name,
      verdict: "undecided",
      runs: 0,
      counts: { ok: 0, wrong: 0, kink: 0, noise: 0, untested: 0 },
      report: null,
      replay: null,
      error: messageOf(error),
    };
  }
}
