/** Gradient checks at generated inputs. */
import type fc from "fast-check";
import { type Declared, describe, kind, Signature, whole } from "../core/options.ts";
import { ARBITRARY, isArbitrary } from "./generate/bounded.ts";
import { type Block, blocksOf, runBlocks } from "./blocks.ts";
import { checkAt, gradcheckKinds, type GradcheckOptions, type TensorFunction } from "./gradcheck.ts";
import { type InputLike, parameterNames } from "./inputs.ts";
import { isPlain, type PlainFunction } from "./plain.ts";
import { plural, replayOptions } from "./report/advice.ts";
import { anySeed } from "./random.ts";
import type { CheckReport } from "./report/report.ts";
import { reportText } from "./report/text.ts";
import { type Phase, Trial } from "./trial.ts";
import { messageOf, UsageError } from "./usage.ts";

/** A generated call: the inputs of differentiation and an optional context. */
export interface Sample {
  /** The inputs, one for each argument that is differentiated. */
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
  /** The input to start from: the path of a report's `replay`, used with its seed. A failure is shrunk as before. */
  readonly path?: string;
}

/** A path: the block of runs, the input within it, and the steps of shrinking from there. */
const PATH = /^\d+(:\d+)+$/;

/** The number of inputs of a check that sets none. */
export const RUNS = 100;

/** The kinds of the options. */
export const propertyKinds: Declared<PropertyOptions> = {
  ...gradcheckKinds,
  runs: whole(1),
  path: kind<string>(
    'the path of a replay, such as "0:3"',
    '"0:3"',
    (v) => typeof v === "string" && PATH.test(v),
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
  if (!("context" in sample)) return f;
  const { context } = sample;
  if (typeof f === "function") return (...tensors) => f(...tensors, context);
  return { value: (arrays) => f.value(arrays, context), gradient: (arrays) => f.gradient(arrays, context) };
}

/**
 * Checks the gradient of a function at generated inputs, as {@link gradcheck} does at one. A failure is shrunk: the
 * report is of the simplest input found at which the gradient is wrong, and `replay` reproduces it directly. The same
 * seed produces the same report, times apart.
 *
 * The verdict is `wrong` if the gradient is wrong at any input, otherwise `undecided` if most of the runs decided
 * nothing, or if most of the elements were left without a verdict.
 *
 * @param f takes tensors, followed by a context if the arbitrary generates one; or a plain function with its gradient,
 * both of which take the context after the arrays.
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
  return await runProperty(f, arbitrary, options);
}

/** How far a check is, for a display. */
export interface Progress {
  readonly phase: Phase;
  /** The number of completed runs, and of inputs tried since one failed. */
  readonly runs: number;
  readonly shrinks: number;
  /** The path of the input that is being checked, or of the failure that is being shrunk. */
  readonly path: string;
  /** The report so far, made on demand. */
  report(): CheckReport;
}

/** How {@link runProperty} runs a check. */
export interface PropertyRun {
  /** The blocks to run, default those of all runs. */
  readonly blocks?: readonly Block[];
  /** Called before each input. */
  readonly watch?: (progress: Progress) => void;
  /** Whether an error that prevents the check goes into the report rather than being thrown, default false. */
  readonly reportErrors?: boolean;
}

/** Implements {@link checkProperty} for callers that have checked the arguments, the command among them. */
export async function runProperty(
  f: TensorFunction | PlainFunction,
  arbitrary: fc.Arbitrary<readonly InputLike[] | Sample>,
  options: PropertyOptions,
  { blocks, watch = () => {}, reportErrors = false }: PropertyRun = {},
): Promise<CheckReport> {
  const { path, runs = path === undefined ? RUNS : 1, seed = anySeed(), ...rest } = options;
  const name = options.name ?? ((typeof f === "function" ? f.name : f.value.name) || "function");
  // From the function as it was given: with a context bound it hides its parameters.
  const fixed = { ...rest, name, names: rest.names ?? parameterNames(f) };
  const [first, ...start] = (path ?? "").split(":").map(Number);
  const wanted = path === undefined ? blocks ?? blocksOf(runs) : [{ index: first, runs }];
  let before = 0;
  return await runBlocks(name, wanted, async (block, soFar) => {
    const trial = new Trial(
      name,
      arbitrary,
      async (generated, directions, { locate }) => {
        const sample = asSample(generated);
        const located = locate ? {} : { locate };
        return await checkAt("gradcheck", bound(f, sample), sample.inputs, { ...fixed, ...located, seed: directions });
      },
      { seed, block, start },
    );
    trial.watch = (phase) =>
      watch({
        phase,
        runs: before + trial.runs,
        shrinks: trial.shrinks,
        path: trial.path,
        report: () => soFar(trial.report()),
      });
    try {
      return await trial.run();
    } catch (error) {
      if (!reportErrors) throw error;
      return { ...trial.report(), verdict: "undecided", error: messageOf(error) };
    } finally {
      before += trial.runs;
    }
  });
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
  const { report, replay, runs, undecided, verdict } = check;
  const after = `${verdict} after ${plural(runs, "run")}${undecided ? `, ${undecided} of which decided nothing` : ""}`;
  const again = replay
    ? `\n\nReplay: { seed: ${replay.seed}, path: ${JSON.stringify(replay.path)} }, on the command line ${
      replayOptions(replay).join(" ")
    }`
    : "";
  throw new Error(`${check.name}: ${after}\n${report ? reportText(report) : ""}${again}`);
}
