/** Compares a device with the oracle: values and gradients in float32, and where they diverge. */
import type { Device } from "../../core/device.ts";
import { accuracyOf, opOf } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import { Program } from "../../core/program.ts";
import type { Tensor, Values } from "../../core/tensor.ts";
import { numberText } from "../report/advice.ts";
import { largestOf } from "../arrays.ts";
import { elementText, leafOf } from "../inputs.ts";
import { flatten } from "./flatten.ts";
import { compute, historyOf } from "./oracle.ts";
import { type Cause, causeOf, overflows, underflows } from "./range.ts";
import type { Finding } from "../report/report.ts";
import { Rounding } from "./rounding.ts";
import { toleranceOf } from "./tolerances.ts";

/** The distance between 1 and the next float32. */
const ULP = 2 ** -23;
/** Half the smallest float32: the finest resolution. */
const SMALLEST = 2 ** -150;
/**
 * Results of a whole tape may be off by this, relative to their largest element, before its entries are compared one by
 * one.
 */
const OFF = 32;
/** The number of elements examined alone if a result is further off. */
const FURTHEST = 64;
/** A decision whose margin is below this may fall the other way in float32. */
const NEAR = 1e-5;

/** Computes entries on a device, twice: the values must be the same. */
async function computeOn(device: Device, outputs: readonly Tensor[]): Promise<[Values[], Values[]]> {
  const program = new Program(outputs);
  const leaves: Values[] = program.take((t) => t.value!, (numbers) => numbers);
  const run = async () => (await device.run(program, leaves)).map((v) => v.slice());
  return [await run(), await run()];
}

function same(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** Whether a device's number is what the range of float32 makes of the oracle's. */
function inRange(a: number, e: number): boolean {
  return overflows(e) ? a === Math.fround(e) : a === 0 && underflows(e);
}

/**
 * The error of values in units in the last place of the largest expected one; infinite if only one of the two is
 * finite.
 */
function ulpsOff(actual: Values, expected: Float64Array): number {
  const unit = ULP * largestOf(expected);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    if (same(actual[i], expected[i]) || inRange(actual[i], expected[i])) continue;
    const off = (Math.abs(actual[i] - expected[i]) - SMALLEST) / unit;
    worst = Math.max(worst, Number.isNaN(off) ? Infinity : off);
  }
  return worst;
}

/** Outputs and gradients to compare. The leaves must hold numbers that float32 can represent. */
export interface Compared {
  readonly outputs: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  /** The names of the variables of the gradients. */
  readonly names: readonly string[];
  /** The number of an entry of the tape in the report. */
  readonly idOf: (entry: Tensor) => number | undefined;
}

/** A result in words. */
function resultText(i: number, { outputs, names }: Compared): string {
  if (i >= outputs.length) return `the gradient of ${names[i - outputs.length]}`;
  return outputs.length === 1 ? "the output" : `output ${i}`;
}

/**
 * Compares outputs and gradients on a device with the oracle.
 *
 * @param margin the relative distance of the nearest decision from falling the other way; `null` if there is none.
 */
export async function compareDevice(device: Device, compared: Compared, margin: number | null): Promise<Finding[]> {
  const wanted = [...compared.outputs, ...compared.gradients];
  const [actual, again] = await computeOn(device, wanted);
  const findings: Finding[] = [];
  for (const [i, values] of actual.entries()) {
    const at = values.findIndex((x, j) => !same(x, again[i][j]));
    if (at < 0) continue;
    findings.push({
      check: "determinism",
      severity: "error",
      message: `${resultText(i, compared)} is ${values[at]} and then ${again[i][at]} at ${
        elementText("", at, wanted[i].shape)
      } on ${device.name}: not deterministic`,
    });
  }
  return [...findings, await deviceFinding(device, compared, actual, margin)];
}

/** How far the values of a device are from those of the oracle, and why. */
async function deviceFinding(
  device: Device,
  compared: Compared,
  actual: readonly Values[],
  margin: number | null,
): Promise<Finding> {
  const wanted = [...compared.outputs, ...compared.gradients];
  const expected = compute(wanted);
  const off = actual.map((values, i) => ulpsOff(values, expected[i]));
  const worst = off.reduce((a, b, i) => (b > off[a] ? i : a), 0);
  const allowed = OFF + 4 * Math.sqrt(historyOf(wanted).length);
  const worstText = `${resultText(worst, compared)} on ${device.name}`;
  const text = `${worstText} is within ${numberText(off[worst], 2)} units in the last place of its ` +
    "largest element";
  if (!(off[worst] > allowed)) {
    const range = rangeText(actual, expected, compared);
    if (range?.overflow) return { check: "device", severity: "warning", message: `${range.text} on ${device.name}` };
    const message = `${text}, and everything else is closer${range === null ? "" : `; ${range.text}`}`;
    return { check: "device", severity: "info", message };
  }
  const history = historyOf(wanted);
  const [values] = await computeOn(device, history);
  const culprit = firstOff(device, history, values);
  if (culprit) return findingAt("error", culprit.message, compared, culprit.entry);
  const cause = causeOf(history, values);
  const lost = lostElement(actual, expected);
  if (lost) return lostFinding(lost, { device, compared, cause });
  if (off.every((units, i) => units <= allowed || isCancellation(wanted[i], actual[i], expected[i]))) {
    const message = `${worstText} is as close as float32 allows: it results from cancellation, and its error is ` +
      "no larger than the rounding of the terms";
    return { check: "device", severity: "info", message };
  }
  const why = cause?.range
    ? cause.why
    : margin !== null && margin < NEAR
    ? "a decision is so close to flipping that float32 may take it the other way"
    : "float32 rounding is amplified";
  return {
    check: "device",
    severity: "warning",
    message: `${text}; each entry of the tape is within its own tolerance: ${why}`,
  };
}

/** A finding at an entry of the tape, if the report has it. */
function findingAt(severity: Finding["severity"], message: string, { idOf }: Compared, at?: Tensor): Finding {
  const entry = at && idOf(at);
  return { check: "device", severity, message, ...(entry === undefined ? {} : { entry }) };
}

/** Describes results that are infinite or 0 only because of the range of float32; `null` if there are none. */
function rangeText(
  actual: readonly Values[],
  expected: readonly Float64Array[],
  compared: Compared,
): { overflow: boolean; text: string } | null {
  let text: string | null = null;
  for (const [k, values] of expected.entries()) {
    const over = values.findIndex(overflows);
    const name = resultText(k, compared);
    if (over >= 0) {
      return { overflow: true, text: `${name} overflows float32: it is ${numberText(values[over], 3)}, and infinite` };
    }
    const under = values.findIndex((e, i) => actual[k][i] === 0 && underflows(e));
    if (under >= 0) text ??= `${name} underflows float32: it is ${numberText(values[under], 3)} on the oracle, and 0`;
  }
  return text === null ? null : { overflow: false, text };
}

/** An element of a result that is finite on only one of the two. */
interface Lost {
  readonly result: number;
  readonly place: number;
  readonly actual: number;
  readonly expected: number;
}

/** The first element that is finite on only one of the two, NaN first; `null` if there is none. */
function lostElement(actual: readonly Values[], expected: readonly Float64Array[]): Lost | null {
  let lost: Lost | null = null;
  for (const [result, values] of expected.entries()) {
    for (const [place, e] of values.entries()) {
      const a = actual[result][place];
      if (Number.isFinite(a) === Number.isFinite(e) || inRange(a, e)) continue;
      if (Number.isNaN(a)) return { result, place, actual: a, expected: e };
      lost ??= { result, place, actual: a, expected: e };
    }
  }
  return lost;
}

/**
 * The finding on an element that is finite on only one of the two. An infinity may be what the range of float32 makes of a
 * large number; NaN is always an error.
 */
function lostFinding(
  { result, place, actual, expected }: Lost,
  { device, compared, cause }: { device: Device; compared: Compared; cause: Cause | null },
): Finding {
  const { shape } = [...compared.outputs, ...compared.gradients][result];
  const where = elementText(resultText(result, compared), place, shape);
  const message = `${where} is ${actual} on ${device.name}, and ${numberText(expected, 6)} on the oracle` +
    (cause === null ? "" : `: ${cause.why}`);
  const severity = cause?.range && !Number.isNaN(actual) ? "warning" : "error";
  return findingAt(severity, message, compared, cause?.entry);
}

/** Whether an entry has the values of its input and passes no gradient on, as `detach` does. */
function isDetached(entry: Tensor): boolean {
  const { kernel, vjp } = opOf(entry);
  return kernel.kind === "movement" && kernel.identity === true && vjp === null;
}

/** The same tape in which errors pass through `detach`, as values do. */
function attached(output: Tensor): Tensor {
  const copies = new Map<Tensor, Tensor>();
  const copyOf = (t: Tensor) => copies.get(t) ?? t;
  for (const entry of historyOf([output])) {
    if (isDetached(entry)) copies.set(entry, copyOf(entry.inputs[0]));
    else if (entry.inputs.some((t) => copies.has(t))) {
      copies.set(entry, record(opOf(entry), entry.inputs.map(copyOf), entry.attributes));
    }
  }
  return copyOf(output);
}

/**
 * Whether the elements that are furthest off are so by no more than the rounding of the numbers that they are computed
 * from. Units in the last place do not apply to these elements: they are small because those numbers cancel.
 */
function isCancellation(output: Tensor, actual: Values, expected: Float64Array): boolean {
  const errorOf = (i: number) => same(actual[i], expected[i]) ? 0 : Math.abs(actual[i] - expected[i]) - SMALLEST;
  const weight = leafOf({ values: new Float64Array(output.size), shape: output.shape, dtype: "float" });
  const whole = attached(flatten([output])[0]);
  const entries = historyOf([whole]).filter((t) => t.dtype === "float" && t.inputs.length > 0);
  let rounding: Rounding;
  try {
    rounding = new Rounding({ outputs: [whole], weights: [weight], entries }, new Map(), ULP);
  } catch {
    return false;
  }
  const furthest = [...expected.keys()].sort((a, b) => errorOf(b) - errorOf(a)).slice(0, FURTHEST);
  return furthest.every((i) => {
    weight.value![i] = 1;
    const bound = rounding.settle();
    weight.value![i] = 0;
    return errorOf(i) <= bound;
  });
}

/** The first entry that a device computes differently from the oracle, given the same inputs. */
function firstOff(
  device: Device,
  history: readonly Tensor[],
  values: readonly Values[],
): { entry: Tensor; message: string } | null {
  const valueOf = new Map(history.map((t, i) => [t, values[i]]));
  for (const entry of history) {
    if (entry.inputs.length === 0) continue;
    const { name } = entry.op;
    const given = (change: (x: number) => number) => {
      const leaves = entry.inputs.map((t) =>
        leafOf({
          values: Float64Array.from(valueOf.get(t)!, t.dtype === "float" ? change : (x) => x),
          shape: t.shape,
          dtype: t.dtype,
        })
      );
      return compute([record(opOf(entry), leaves, entry.attributes)])[0];
    };
    const actual = valueOf.get(entry)!;
    const expected = given((x) => x);
    const { ulps, floor } = toleranceOf(accuracyOf(opOf(entry)), entry.dtype, device.backend);
    const least = floor === "magnitudes"
      ? largestOf(given(Math.abs))
      : floor === "one"
      ? Math.max(...entry.inputs.map((t) => largestOf(valueOf.get(t)!)))
      : 0;
    for (let i = 0; i < expected.length; i++) {
      const [a, e] = [actual[i], expected[i]];
      if (same(a, e) || same(a, Math.fround(e)) || inRange(a, e)) continue;
      if (Math.abs(a - e) <= ulps * ULP * Math.max(Math.abs(e), least) + (ulps > 0 ? SMALLEST : 0)) continue;
      const message = `${
        elementText(name, i, entry.shape)
      } is ${a} on ${device.name}, and ${e} on the oracle for the same inputs`;
      return { entry, message };
    }
  }
  return null;
}
