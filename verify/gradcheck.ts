/** The gradient check: runs every test and collects the results in one report. */
import { float64 as oracle } from "../core/backends/float64.ts";
import type { Device } from "../core/device.ts";
import { chosenDevice } from "../core/devices.ts";
import { arrayOf, boolean, type Declared, describe, kind, oneOf, Signature, string, whole } from "../core/options.ts";
import { type DeviceChoice, realizeOptions } from "../core/device_names.ts";
import type { Tensor } from "../core/tensor.ts";
import { notFiniteAt } from "./arrays.ts";
import type { Judged, VariableResult } from "./differences/numeric.ts";
import { indexOf, type Input, type InputLike, readInputs } from "./inputs.ts";
import { examinePlain, isPlain, type PlainFunction, type PlainPrecision } from "./plain.ts";
import { anySeed, randomFrom } from "./random.ts";
import type {
  ElementReport,
  Finding,
  GradcheckReport,
  InputReport,
  TapeEntryReport,
  Verdict,
  Witness,
} from "./report/report.ts";
import { reportText } from "./report/text.ts";
import { compareDevice } from "./tape/device.ts";
import { cotangentsFor, examine, type Examined, examineSecond } from "./tape/examine.ts";
import { type ExamineOptions, isWrong } from "./tape/judged.ts";
import type { Second } from "./tape/judge.ts";
import { readBack } from "./tape/readback.ts";
import {
  type Call,
  difference,
  recordCall,
  type Recording,
  recordingOf,
  type TensorFunction,
} from "./tape/recording.ts";
import { gradientsOf } from "./tape/rounding.ts";
import { findDeparture, nonFiniteFinding } from "./tape/suspects.ts";
import { UsageError } from "./usage.ts";

export type { TensorFunction } from "./tape/recording.ts";

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
};
const gradcheckCall = new Signature<GradcheckOptions>("gradcheck(f, inputs, options)", gradcheckKinds, UsageError);
const assertCall = new Signature<GradcheckOptions>("assertGradients(f, inputs, options)", gradcheckKinds, UsageError);

/** Inputs with more elements than this are checked in fast mode. */
const FULL_ELEMENTS = 1024;
const VERDICTS: readonly Verdict[] = ["ok", "wrong", "kink", "noise", "untested"];

function countsOf(verdicts: Iterable<Verdict>): Record<Verdict, number> {
  const counts = Object.fromEntries(VERDICTS.map((v) => [v, 0])) as Record<Verdict, number>;
  for (const verdict of verdicts) counts[verdict]++;
  return counts;
}

/** Looks up an entry's number in the report. */
type IdOf = (entry: Tensor) => number | undefined;

function tapeOf(recording: Recording): { entries: Tensor[]; idOf: IdOf } {
  const used = new Set(recording.history);
  const entries = [...recording.leaves.filter((t) => !used.has(t)), ...recording.history];
  const ids = new Map(entries.map((t, i) => [t, i]));
  return { entries, idOf: (t) => ids.get(t) };
}

/** The results of one order, of a function on the tape or of a plain one. */
interface Results {
  readonly elements: readonly (VariableResult & Partial<Evidence> | null)[];
  readonly directions: readonly Judged[];
}

/** Where the numeric derivatives of a variable come from. */
interface Evidence {
  readonly witnesses: readonly Witness[];
  readonly second: ReadonlyMap<number, Second>;
}

/** The results of one order as element reports. */
function elementReports(
  order: 1 | 2,
  { elements, directions }: Results,
  shapes: readonly (readonly number[])[],
  positions: readonly number[],
): ElementReport[] {
  const report = (
    input: number,
    index: readonly number[],
    { analytic, numeric, estimate, verdict }: Judged,
  ): ElementReport => ({
    input,
    index,
    order,
    analytic,
    numeric,
    error: Math.abs(analytic - numeric),
    estimate,
    verdict,
  });
  const onTape = elements.some((result) => result?.witnesses) || elements.every((result) => result === null);
  return [
    ...directions.map((judged, i) => ({
      ...report(-1, [i], judged),
      ...(onTape ? { witness: "duals" as const } : {}),
    })),
    ...elements.flatMap((result, k) =>
      result
        ? result.verdicts.map((verdict, i): ElementReport => {
          const { analytic, numeric, estimate, witnesses, second } = result;
          const judged = { analytic: analytic[i], numeric: numeric[i], estimate: estimate[i], verdict };
          const also = second?.get(i);
          return {
            ...report(positions[k], indexOf(i, shapes[k]), judged),
            ...(witnesses ? { witness: witnesses[i] } : {}),
            ...(also ? { second: also } : {}),
          };
        })
        : []
    ),
  ];
}

/** The error of an element relative to its tolerance. */
function relativeError({ error, estimate }: Pick<ElementReport, "error" | "estimate">): number {
  return error === 0 ? 0 : error / estimate;
}

/** An input with its results; `null` if its elements were not examined. An input that is no float has none. */
function inputReport(
  { name, shape, dtype, values }: Pick<Input, "name" | "shape" | "dtype"> & { readonly values: ArrayLike<number> },
  result: VariableResult | null,
): InputReport {
  const elements = dtype === "float" ? values.length : 0;
  const verdicts = result?.verdicts ?? new Array<Verdict>(elements).fill("untested");
  const relative = verdicts.map((verdict, i) => {
    if (!result || verdict === "untested") return null;
    return relativeError({ error: Math.abs(result.analytic[i] - result.numeric[i]), estimate: result.estimate[i] });
  });
  return { name, shape, counts: countsOf(verdicts), relative, verdicts, values: Array.from(values), dtype };
}

/** The worst elements: wrong ones first, then by error relative to tolerance. */
function worstOf(elements: readonly ElementReport[], count: number): ElementReport[] {
  const rank: Readonly<Record<Verdict, number>> = { wrong: 0, noise: 1, kink: 2, untested: 3, ok: 4 };
  const keyed = elements.map((element) => {
    const size = relativeError(element);
    return { element, size: Number.isNaN(size) ? Infinity : size };
  });
  keyed.sort((a, b) => rank[a.element.verdict] - rank[b.element.verdict] || b.size - a.size);
  return keyed.slice(0, count).map(({ element }) => element);
}

/** The parts that make up a report. */
interface Parts {
  readonly name: string;
  readonly options: ResolvedOptions;
  readonly started: number;
  readonly device: string | null;
  readonly inputs: readonly InputReport[];
  readonly elements: readonly ElementReport[];
  /** The number of elements not examined, over all orders. */
  readonly untested: number;
  readonly findings: readonly Finding[];
  readonly blocked: boolean;
  readonly margin: number | null;
  readonly tape: readonly TapeEntryReport[];
}

/** Findings that leave a question open although nothing is wrong. */
const UNSETTLING: ReadonlySet<string> = new Set(["read back", "infinite", "witnesses"]);

function reportOf(parts: Parts): GradcheckReport {
  const { name, options, started, device, inputs, elements, untested, findings, blocked, margin, tape } = parts;
  const { mode, order, seed, worst } = options;
  const counts = countsOf(elements.map(({ verdict }) => verdict));
  counts.untested += untested;
  const wrong = counts.wrong > 0 ||
    findings.some(({ severity, check }) => severity === "error" && check !== "determinism");
  // A derivative that is NaN or infinite is never right, even if rounding leaves nothing to compare it with.
  const unsettled = blocked || (counts.ok + counts.kink === 0 && elements.length + untested > 0) ||
    counts.noise > counts.ok + counts.kink ||
    elements.some(({ analytic }) => !Number.isFinite(analytic)) ||
    findings.some(({ severity, check }) => severity === "error" || (severity === "warning" && UNSETTLING.has(check)));
  return {
    version: 1,
    name,
    verdict: wrong ? "wrong" : unsettled ? "undecided" : "ok",
    mode,
    order,
    seed,
    device,
    inputs,
    counts,
    worst: worstOf(elements, worst),
    findings,
    margin,
    tape,
    milliseconds: performance.now() - started,
  };
}

interface ResolvedOptions extends ExamineOptions {
  readonly order: 1 | 2;
  readonly worst: number;
  readonly locate: boolean;
}

function resolve(options: GradcheckOptions, inputs: readonly Input[]): ResolvedOptions {
  const { order = 1, seed = anySeed(), directions = 2, resamples = 3, worst = 10, locate = true } = options;
  const total = inputs.reduce((sum, { values, dtype }) => sum + (dtype === "float" ? values.length : 0), 0);
  const mode = options.mode ?? (total <= FULL_ELEMENTS ? "full" : "fast");
  return { mode, order, seed, directions, resamples, worst, locate };
}

/**
 * Checks the gradient of a function at a point. Compares it with finite differences on the float64 oracle, element by
 * element, judging each by the differences' own error estimate, and tests the other properties of a gradient: shape,
 * dtype, determinism, linearity in the cotangent.
 *
 * Decisions (comparisons, ranks, masks, rounding) are taken once at the point and held while inputs are perturbed.
 * Kinks are recognised and called neither wrong nor right. Elements that this precision cannot decide are reported as
 * `noise`, elements that were not examined as `untested`.
 *
 * @param f takes tensors and returns one or more; or `{ value, gradient }`, plain functions of arrays, for gradients
 * written by hand or in another library.
 * @param inputs one per argument: tensors, nested or typed arrays, or values generated by the arbitraries.
 * @returns the report. A wrong gradient does not throw.
 * @throws UsageError if the call cannot be carried out: the function throws, returns no tensor, or has no float input.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { exp, mul, sum } from "gpugrad";
 * import { gradcheck } from "gpugrad/verify";
 *
 * const report = await gradcheck((x, y) => sum(mul(x, exp(y))), [[1, 2], [0.5, -1]], { order: 2 });
 * assert.equal(report.verdict, "ok");
 *
 * const byHand = {
 *   value: ([x]: readonly ArrayLike<number>[]) => x[0] ** 3,
 *   gradient: ([x]: readonly ArrayLike<number>[]) => [[2 * x[0] ** 2]], // 3 is right
 * };
 * assert.equal((await gradcheck(byHand, [[2]])).verdict, "wrong");
 * ```
 */
export async function gradcheck(
  f: TensorFunction | PlainFunction,
  inputs: readonly InputLike[],
  options: GradcheckOptions = {},
): Promise<GradcheckReport> {
  gradcheckCall.check(arguments);
  return await checkAt("gradcheck", f, inputs, options);
}

/** Implements {@link gradcheck} for callers that have checked the options. */
export async function checkAt(
  caller: string,
  f: TensorFunction | PlainFunction,
  inputs: readonly InputLike[],
  options: GradcheckOptions,
): Promise<GradcheckReport> {
  const started = performance.now();
  const plain = isPlain(f);
  if (typeof f !== "function" && !plain) {
    throw new UsageError(`${caller}: expected f to be a function or { value, gradient }, got ${describe(f)}`);
  }
  const read = await readInputs(caller, f, inputs, options.names);
  const resolved = resolve(options, read);
  if (!read.some(({ dtype }) => dtype === "float")) {
    throw new UsageError("gradcheck: there is nothing to differentiate by: no input is of dtype float");
  }
  const name = options.name ?? ((plain ? f.value.name : f.name) || "function");
  return plain
    ? checkPlain(f, read, { name, options: resolved, started }, options.precision ?? "float64")
    : await checkTape(f, read, { name, options: resolved, started }, await deviceOf(options.device));
}

/** The device to compare with the oracle; `null` if it is the oracle itself. */
async function deviceOf(choice: DeviceChoice | undefined): Promise<Device | null> {
  const device = await chosenDevice(choice);
  return device.record === oracle ? null : device;
}

/** A check as it was asked for, and when. */
interface Asked {
  readonly name: string;
  readonly options: ResolvedOptions;
  readonly started: number;
}

function checkPlain(
  f: PlainFunction,
  inputs: readonly Input[],
  { name, options, started }: Asked,
  precision: PlainPrecision,
): GradcheckReport {
  if (options.order === 2) {
    throw new UsageError(
      "gradcheck: order 2 differentiates the gradient, which takes a function on the tape; { value, gradient } is checked in order 1",
    );
  }
  const { findings, judged } = examinePlain(f, inputs, precision, options);
  const elements = judged ? elementReports(1, judged, inputs.map(({ shape }) => shape), inputs.map((_, i) => i)) : [];
  return reportOf({
    name,
    options,
    started,
    device: null,
    inputs: inputs.map((input, i) => inputReport(input, judged?.elements[i] ?? null)),
    elements,
    untested: inputs.reduce((sum, { values }, i) => sum + (judged?.elements[i] ? 0 : values.length), 0),
    findings,
    blocked: judged === null,
    margin: null,
    tape: [],
  });
}

/** The reasons why there is nothing to examine, found without computing. */
function obstacles(inputs: readonly Input[], first: Call, second: Call): Finding[] {
  const findings: Finding[] = [];
  for (const { name, values } of inputs) {
    const at = notFiniteAt(values);
    if (at >= 0) {
      findings.push({
        check: "non-finite",
        severity: "warning",
        message: `${name} holds ${values[at]}: no point to differentiate at`,
      });
    }
  }
  const changed = difference(first, second);
  if (changed !== null) {
    findings.push({
      check: "determinism",
      severity: "error",
      message: `the function is not deterministic: ${changed}`,
    });
  }
  return findings;
}

async function checkTape(
  f: TensorFunction,
  inputs: readonly Input[],
  { name, options, started }: Asked,
  device: Device | null,
): Promise<GradcheckReport> {
  const call = await recordCall(f, inputs);
  const recording = recordingOf(call, inputs);
  const { entries, idOf } = tapeOf(recording);
  const findings: Finding[] = call.mutated.map((input) => ({
    check: "mutation",
    severity: "error",
    message: `the function writes to the values of ${input}`,
  }));
  const stopped = obstacles(inputs, call, await recordCall(f, inputs));
  findings.push(...stopped);

  const orders: Examined[] = [];
  if (stopped.length === 0) {
    const first = examine(recording, options);
    orders.push(first);
    if (!first.blocked) findings.push(...await readBackFindings(f, inputs, recording, options));
    if (options.order === 2 && !first.blocked && !isWrong(first)) orders.push(examineSecond(first, options));
  }
  findings.push(...uninfluential(recording, orders));
  addFindings(findings, recording, orders, idOf);
  const { suspect, finding } = departure(recording, orders, options);
  if (finding) findings.push(finding);
  if (device && orders.length > 0 && !orders[0].blocked) {
    const compared = await atSinglePrecision(f, inputs, { recording, idOf }, options);
    if (compared) {
      const { names, margin } = orders[0];
      findings.push(...await compareDevice(device, { ...compared, names }, margin));
    }
  }

  return reportOf({
    name,
    options,
    started,
    device: device?.name ?? null,
    ...elementsOf(inputs, recording, orders, options),
    findings,
    blocked: stopped.length > 0 || orders.some(({ blocked }) => blocked),
    margin: orders.reduce<number | null>(
      (least, { margin }) => margin === null ? least : least === null ? margin : Math.min(least, margin),
      null,
    ),
    tape: entries.map((t, id) => entryReport(t, id, recording, { idOf, suspect })),
  });
}

async function readBackFindings(
  f: TensorFunction,
  inputs: readonly Input[],
  recording: Recording,
  { seed }: ResolvedOptions,
): Promise<Finding[]> {
  const random = randomFrom(seed + 2);
  const weights = cotangentsFor(recording.outputs, random).map((t) => t.value!);
  const finding = await readBack(f, inputs, { recording, weights }, random);
  return finding ? [finding] : [];
}

function entryReport(
  t: Tensor,
  id: number,
  { leaves, names }: Recording,
  { idOf, suspect }: { idOf: IdOf; suspect: Tensor | null },
): TapeEntryReport {
  const at = leaves.indexOf(t);
  return {
    id,
    op: t.op.name,
    inputs: t.inputs.map((input) => idOf(input)!),
    shape: t.shape,
    dtype: t.dtype,
    ...(at >= 0 ? { input: names[at] } : {}),
    ...(t === suspect ? { suspect: true } : {}),
  };
}

/** Adds what was found of each order. */
function addFindings(findings: Finding[], { outputs }: Recording, orders: readonly Examined[], idOf: IdOf): void {
  for (const [i, examined] of orders.entries()) {
    const finding = nonFiniteFinding(examined, i === 0 ? outputs : orders[0].gradients, idOf, i === 1);
    if (finding && !findings.some(({ check }) => check === finding.check)) findings.push(finding);
    findings.push(...examined.findings.map((f) => (i === 1 ? { ...f, message: `second order: ${f.message}` } : f)));
  }
}

/** The entry at which a wrong gradient departs, and what there is to say where the search ended before all were examined. */
function departure(
  recording: Recording,
  orders: readonly Examined[],
  options: ResolvedOptions,
): { suspect: Tensor | null; finding: Finding | null } {
  const wrong = orders.findIndex(isWrong);
  if (wrong < 0 || !options.locate) return { suspect: null, finding: null };
  const search = findDeparture(
    { recording, order: wrong === 1 ? 2 : 1, variables: wrongVariables(orders, wrong) },
    options,
  );
  if (search.suspect || search.examined >= search.candidates) return { suspect: search.suspect, finding: null };
  return {
    suspect: null,
    finding: {
      check: "search",
      severity: "info",
      message:
        `${search.examined} of ${search.candidates} entries of the tape were examined alone, at least one of each kind, ` +
        "and none is wrong by itself; the search stopped at its limit",
    },
  };
}

/** What was found of each element, by input, and how many elements were not looked at. */
function elementsOf(
  inputs: readonly Input[],
  recording: Recording,
  orders: readonly Examined[],
  options: ResolvedOptions,
): { inputs: InputReport[]; elements: ElementReport[]; untested: number } {
  const last = orders.at(-1);
  const reported = new Map(last?.variables.map((t, k) => [t, last.elements[k]]));
  const extra = options.order === 2 && orders.length === 2 ? orders[0].cotangents : [];
  const floats = inputs.flatMap(({ dtype }, i) => (dtype === "float" ? [i] : []));
  const positions = [...floats, ...extra.map((_, k) => inputs.length + k)];
  const elements = orders.flatMap((examined, i) =>
    elementReports(i === 0 ? 1 : 2, examined, examined.variables.map(({ shape }) => shape), positions)
  );
  const total = floats.reduce((sum, i) => sum + inputs[i].values.length, 0);
  const wanted = options.order === 1 ? total : 2 * total + extra.reduce((sum, { size }) => sum + size, 0);
  const looked = elements.filter(({ input }) => input >= 0).length;
  return {
    inputs: [
      ...inputs.map((input, i) =>
        inputReport(input, orders.length === options.order ? reported.get(recording.leaves[i]) ?? null : null)
      ),
      ...extra.map(({ shape, dtype, value }, k) =>
        inputReport(
          { name: extra.length > 1 ? `cotangent ${k}` : "cotangent", shape, dtype, values: value! },
          reported.get(extra[k]) ?? null,
        )
      ),
    ],
    elements,
    untested: wanted - looked,
  };
}

/** The leaves whose gradient is wrong; all of them if it is not known which. */
function wrongVariables(orders: readonly Examined[], at: number): readonly Tensor[] {
  const { variables } = orders[0];
  const wrong = variables.filter((_, k) => orders[at].elements[k]?.verdicts.includes("wrong"));
  return wrong.length > 0 ? wrong : variables;
}

/** Reports inputs that no output depends on. */
function uninfluential({ leaves, names, history }: Recording, orders: readonly Examined[]): Finding[] {
  if (orders.length === 0) return [];
  const used = new Set(history);
  return leaves.flatMap((t, i): Finding[] =>
    t.dtype !== "float" || t.size === 0 || used.has(t) ? [] : [{
      check: "missing gradient",
      severity: "warning",
      message: `no output of the function depends on ${names[i]}; was its value read back, or another tensor used?`,
    }]
  );
}

/** The outputs and their gradients at the nearest point that float32 can represent, to compare a device with the oracle. */
async function atSinglePrecision(
  f: TensorFunction,
  inputs: readonly Input[],
  { recording, idOf }: { recording: Recording; idOf: IdOf },
  options: ResolvedOptions,
): Promise<{ outputs: readonly Tensor[]; gradients: readonly Tensor[]; idOf: IdOf } | null> {
  const exact = inputs.every(({ values }) => values.every((x) => Object.is(Math.fround(x), x)));
  let rounded = recording;
  if (!exact) {
    const near = inputs.map((input) => ({ ...input, values: Float64Array.from(input.values, Math.fround) }));
    rounded = recordingOf(await recordCall(f, near), near);
  }
  const variables = rounded.leaves.filter((t) => t.dtype === "float");
  const cotangents = cotangentsFor(rounded.outputs, randomFrom(options.seed));
  let gradients: Tensor[];
  try {
    gradients = gradientsOf(rounded.outputs, variables, cotangents);
  } catch {
    // Reported with the first order.
    return null;
  }
  return { outputs: rounded.outputs, gradients, idOf: exact ? idOf : tapeOf(rounded).idOf };
}

/**
 * Checks a gradient as {@link gradcheck} does, and throws if it is not right: for test suites.
 *
 * @returns the report.
 * @throws if the gradient is wrong or could not be checked, with the report as text.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { detach, mul, sum } from "gpugrad";
 * import { assertGradients } from "gpugrad/verify";
 *
 * await assertGradients((x) => sum(mul(x, x)), [[1, 2, 3]]);
 * await assert.rejects(assertGradients((x) => sum(mul(detach(x), x)), [[1, 2, 3]]), /wrong/);
 * ```
 */
export async function assertGradients(
  f: TensorFunction | PlainFunction,
  inputs: readonly InputLike[],
  options: GradcheckOptions = {},
): Promise<GradcheckReport> {
  assertCall.check(arguments);
  const report = await checkAt("assertGradients", f, inputs, options);
  if (report.verdict !== "ok") throw new Error(reportText(report));
  return report;
}
