/** Gradient checks at generated inputs. */
import fc from "fast-check";
import { type Declared, describe, kind, Signature, whole } from "../core/options.ts";
import { ARBITRARY, bounded, isArbitrary } from "./generate/bounded.ts";
import { checkAt, gradcheckKinds, type GradcheckOptions, type TensorFunction } from "./gradcheck.ts";
import { type InputLike, parameterNames } from "./inputs.ts";
import { isPlain, type PlainFunction } from "./plain.ts";
import { replayOptions } from "./report/advice.ts";
import { anySeed } from "./random.ts";
import type { CheckReport, GradcheckReport, Verdict } from "./report/report.ts";
import { reportText } from "./report/text.ts";
import { messageOf, UsageError } from "./usage.ts";

/** A generated call: the inputs of differentiation and an optional context. */
export interface Sample {
  readonly inputs: readonly InputLike[];
  /** Passed after the inputs: options, targets, or anything else generated with them. */
  readonly context?: unknown;
}

/** Options of {@link checkProperty}. */
export interface PropertyOptions extends Omit<GradcheckOptions, "seed"> {
  /** The number of inputs to generate, default 100, or 1 with a path. */
  readonly runs?: number;
  /** The seed of inputs, cotangents and directions, default random. */
  readonly seed?: number;
  /** The input to start from: the path of a failure's replay, used with its seed. It is shrunk as before. */
  readonly path?: string;
}

/** The kinds of the options. */
export const propertyKinds: Declared<PropertyOptions> = {
  ...gradcheckKinds,
  runs: whole(1),
  path: kind<string>(
    'a path such as "3" or "3:1:0"',
    '"3:1:0"',
    (v) => typeof v === "string" && /^\d+(:\d+)*$/.test(v),
  ),
};
const checkPropertyCall = new Signature<PropertyOptions>(
  "checkProperty(f, arbitrary, options)",
  propertyKinds,
  UsageError,
);
const assertPropertyCall = new Signature<PropertyOptions>(
  "assertProperty(f, arbitrary, options)",
  propertyKinds,
  UsageError,
);

/** Throws if `f` cannot be checked or `arbitrary` cannot generate inputs. */
export function checkSubject(call: Signature, f: unknown, arbitrary: unknown): void {
  if (typeof f !== "function" && !isPlain(f)) throw call.wrong("f", "a function or { value, gradient }", f);
  if (!isArbitrary(arbitrary)) throw call.wrong("arbitrary", ARBITRARY, arbitrary);
}

/** Seeds of cotangents and directions; they do not shrink. */
const directionSeeds = fc.noShrink(fc.integer({ min: 0, max: 0x7fffffff }));

function asSample(generated: unknown): Sample {
  if (Array.isArray(generated)) return { inputs: generated };
  if (typeof generated === "object" && generated !== null && Array.isArray((generated as Sample).inputs)) {
    return generated as Sample;
  }
  throw new UsageError(
    "checkProperty: the arbitrary must generate an array of inputs or { inputs, context }, got " +
      describe(generated),
  );
}

/** Binds the context to the function. */
function bound(f: TensorFunction | PlainFunction, sample: Sample): TensorFunction | PlainFunction {
  if (typeof f !== "function" || !("context" in sample)) return f;
  return (...tensors) => f(...tensors, sample.context);
}

/**
 * Checks the gradient of a function at generated inputs, as {@link gradcheck} does at one. A failure is shrunk: the
 * report is of the simplest input found at which the gradient is wrong, and `replay` reproduces it directly.
 *
 * @param f takes tensors, followed by a context if the arbitrary generates one; or a plain function with its gradient.
 * @param arbitrary generates arrays of inputs, as {@link tensors} does, or `{ inputs, context }`. A filter that rejects
 * everything is detected by the random numbers that it consumes; one on `fc.constant` consumes none and never returns.
 * @returns the report. A wrong gradient does not throw.
 * @throws UsageError if the function cannot be checked, or the arbitrary generates nothing.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { detach, mul, sum } from "gpugrad";
 * import { checkProperty, shapes, tensors } from "gpugrad/verify";
 *
 * const any = tensors(shapes().map((shape) => [shape]));
 * assert.equal((await checkProperty((x) => sum(mul(x, x)), any, { runs: 10 })).verdict, "ok");
 * const { verdict, replay } = await checkProperty((x) => sum(mul(detach(x), x)), any, { seed: 1 });
 * assert.equal(verdict, "wrong");
 * assert.equal(replay?.seed, 1);
 * ```
 */
export async function checkProperty(
  f: TensorFunction | PlainFunction,
  arbitrary: fc.Arbitrary<readonly InputLike[] | Sample>,
  options: PropertyOptions = {},
): Promise<CheckReport> {
  checkPropertyCall.check(arguments);
  checkSubject(checkPropertyCall, f, arbitrary);
  const { path, runs = path === undefined ? 100 : 1, seed = anySeed(), ...rest } = options;
  const name = options.name ?? ((typeof f === "function" ? f.name : f.value.name) || "function");
  const tally = new Tally();
  let failed = false;
  let mistake: unknown = null;
  const at = (generated: unknown, directions: number, more: Partial<GradcheckOptions> = {}) => {
    const sample = asSample(generated);
    return checkAt("gradcheck", bound(f, sample), sample.inputs, {
      ...rest,
      name,
      names: rest.names ?? namesOf(f),
      ...more,
      seed: directions,
    });
  };

  const property = fc.asyncProperty(
    bounded(arbitrary, "checkProperty"),
    directionSeeds,
    async (generated, directions) => {
      if (mistake !== null) return true;
      let report: GradcheckReport;
      try {
        report = await at(generated, directions, { locate: false });
      } catch (error) {
        rethrowPrecondition(error as Error);
        // Not a failure that shrinking could explain.
        mistake = error;
        return true;
      }
      const wrong = report.verdict === "wrong";
      if (!failed) tally.add(report);
      failed ||= wrong;
      return !wrong;
    },
  );
  const start = path === undefined ? {} : { path };
  const result = await drawn(() => fc.check(property, { numRuns: runs, seed, ...start }));
  if (mistake !== null) throw mistake;
  requireTried(result);
  const { runs: tried, counts, last } = tally;
  if (result.failed) {
    const [generated, directions] = result.counterexample!;
    const report = await at(generated, directions);
    const replay = { seed: result.seed, path: startOf(result.counterexamplePath ?? "", path) };
    return { name, verdict: "wrong", runs: tried, counts, report, replay, error: null };
  }
  const verdict = tried > 0 && tally.undecided < tried ? "ok" : "undecided";
  return { name, verdict, runs: tried, counts, report: last, replay: null, error: null };
}

/** The sum of the reports on a property's inputs. */
class Tally {
  readonly counts: Record<Verdict, number> = { ok: 0, wrong: 0, kink: 0, noise: 0, untested: 0 };
  runs = 0;
  undecided = 0;
  last: GradcheckReport | null = null;

  add(report: GradcheckReport): void {
    this.runs++;
    this.last = report;
    if (report.verdict === "undecided") this.undecided++;
    for (const [verdict, count] of Object.entries(report.counts)) this.counts[verdict as Verdict] += count;
  }
}

/** Rethrows the failure of fast-check's `pre` inside the function: this input does not count. */
function rethrowPrecondition({ cause }: Error): void {
  if (fc.PreconditionFailure.isFailure(cause)) throw cause;
}

/** Throws if nothing was checked. */
function requireTried<T>(result: fc.RunDetails<T>): void {
  if (!result.failed || result.counterexample !== null) return;
  throw new UsageError(
    `checkProperty: the arbitrary generates nothing to check: ${result.numSkips} inputs were rejected by a precondition`,
  );
}

/** Runs fast-check. Exceptions come from the arbitrary, because the property itself never throws. */
async function drawn<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`checkProperty: the arbitrary throws: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * The start of the path to a counterexample. The steps of shrinking follow it, up to a hundred; they can be left out,
 * because shrinking finds them again.
 */
function startOf(way: string, given = "0"): string {
  return way.split(":").slice(0, given.split(":").length).join(":");
}

/** The names of the inputs, read from the original function: the one with the context bound hides its parameters. */
function namesOf(f: TensorFunction | PlainFunction): readonly string[] {
  return parameterNames(typeof f === "function" ? f : f.value);
}

/**
 * Checks as {@link checkProperty} does, and throws if the gradient is not right: for test suites.
 *
 * @returns the report.
 * @throws with the report as text and the options that replay the failure.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { detach, exp, mul } from "gpugrad";
 * import { assertProperty, tensors } from "gpugrad/verify";
 *
 * await assertProperty((x) => exp(x), tensors([[2, 2]]), { runs: 5 });
 * await assert.rejects(assertProperty((x) => mul(detach(x), x), tensors([[3]])), /seed: .*, path: /);
 * ```
 */
export async function assertProperty(
  f: TensorFunction | PlainFunction,
  arbitrary: fc.Arbitrary<readonly InputLike[] | Sample>,
  options: PropertyOptions = {},
): Promise<CheckReport> {
  assertPropertyCall.check(arguments);
  checkSubject(assertPropertyCall, f, arbitrary);
  const check = await checkProperty(f, arbitrary, options);
  if (check.verdict === "ok") return check;
  const { report, replay, runs, verdict } = check;
  const after = `${verdict} after ${runs} ${runs === 1 ? "run" : "runs"}`;
  const again = replay
    ? `\n\nReplay: { seed: ${replay.seed}, path: ${JSON.stringify(replay.path)} }, on the command line ${
      replayOptions(replay).join(" ")
    }`
    : "";
  throw new Error(`${check.name}: ${after}\n${report ? reportText(report) : ""}${again}`);
}
