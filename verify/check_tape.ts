/** Checks a function on the tape: record, examine, locate, compare, report. */
import type { Device } from "../core/device.ts";
import type { Tensor } from "../core/tensor.ts";
import { notFiniteAt } from "./arrays.ts";
import { isWrong } from "./differences/results.ts";
import type { Input } from "./inputs.ts";
import type { Asked, ResolvedOptions } from "./options.ts";
import { randomFrom } from "./random.ts";
import type { ElementReport, Finding, GradcheckReport, InputReport, TapeEntryReport } from "./report/report.ts";
import { elementReports, inputReport, reportOf } from "./summary.ts";
import { compareDevice } from "./tape/device.ts";
import { cotangentsFor, examine, type Examined, examineSecond } from "./tape/examine.ts";
import { type Again, callAgain, readBack } from "./tape/readback.ts";
import { recordCall, type Recording, recordingOf, STALE, type TensorFunction } from "./tape/recording.ts";
import { gradientsOf } from "./tape/rounding.ts";
import { findDeparture, nonFiniteFinding } from "./tape/suspects.ts";

/** Looks up an entry's number in the report. */
type IdOf = (entry: Tensor) => number | undefined;

function tapeOf(recording: Recording): { entries: Tensor[]; idOf: IdOf } {
  const { leaves, history } = recording;
  const entries = [...leaves.filter((t) => !history.includes(t)), ...history];
  const ids = new Map<Tensor, number>();
  for (const entry of entries) ids.set(entry, ids.size);
  return { entries, idOf: (t) => ids.get(t) };
}

/** The reasons why there is nothing to examine, found without computing. */
function obstacles(inputs: readonly Input[], { random, stale }: Again): Finding[] {
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
  if (stale) {
    findings.push({
      check: "read back",
      severity: "error",
      message: `called again, the function does not depend on its inputs: ${STALE}`,
    });
  }
  if (random !== null) {
    findings.push({ check: "determinism", severity: "error", message: `the function is not deterministic: ${random}` });
  }
  return findings;
}

/** The function as it was recorded, and what was found by calling it. */
interface Recorded {
  readonly recording: Recording;
  readonly again: Again;
  /** Why there is nothing to examine. */
  readonly stopped: readonly Finding[];
  readonly findings: readonly Finding[];
}

async function recordTape(f: TensorFunction, inputs: readonly Input[], { seed }: ResolvedOptions): Promise<Recorded> {
  const call = await recordCall(f, inputs);
  const recording = recordingOf(call, inputs);
  const again = await callAgain(f, inputs, recording, randomFrom(seed + 2));
  const stopped = obstacles(inputs, again);
  const written = call.mutated.map((input): Finding => ({
    check: "mutation",
    severity: "error",
    message: `the function writes to the values of ${input}`,
  }));
  return { recording, again, stopped, findings: [...written, ...stopped] };
}

/** Examines the orders of the derivative that were asked for, the second one only if the first is right. */
function examineOrders(recording: Recording, options: ResolvedOptions): Examined[] {
  const first = examine(recording, options);
  return options.order === 1 || first.blocked || isWrong(first) ? [first] : [first, examineSecond(first, options)];
}

/** Checks the gradient of a function on the tape, on the oracle and on a device. */
export async function checkTape(
  f: TensorFunction,
  inputs: readonly Input[],
  asked: Asked,
  device: Device | null,
): Promise<GradcheckReport> {
  const { options } = asked;
  const { recording, again, stopped, findings: recorded } = await recordTape(f, inputs, options);
  const { entries, idOf } = tapeOf(recording);
  const orders = stopped.length > 0 ? [] : examineOrders(recording, options);
  const blocked = stopped.length > 0 || orders[0].blocked;
  const findings = [...recorded];
  if (again.readsBack && !blocked) findings.push(...await readBackFindings(f, inputs, { recording, orders, again }));
  findings.push(...uninfluential(recording, orders));
  addFindings(findings, recording, orders, idOf);
  const { suspect, finding } = departure(recording, orders, options);
  if (finding) findings.push(finding);
  if (device && !blocked) {
    const compared = await atSinglePrecision(f, inputs, { recording, idOf }, options);
    const { names, margin } = orders[0];
    if (compared) findings.push(...await compareDevice(device, { ...compared, names }, margin));
  }
  const margins = orders.flatMap(({ margin }) => margin ?? []);
  return reportOf({
    asked,
    device: device?.name ?? null,
    ...elementsOf(inputs, recording, orders, options),
    findings,
    blocked: stopped.length > 0 || orders.some((order) => order.blocked),
    margin: margins.length > 0 ? Math.min(...margins) : null,
    tape: entries.map((t, id) => entryReport(t, id, recording, { idOf, suspect })),
  });
}

/** The findings about values that the function reads back. */
async function readBackFindings(
  f: TensorFunction,
  inputs: readonly Input[],
  { recording, orders, again }: { recording: Recording; orders: readonly Examined[]; again: Again },
): Promise<Finding[]> {
  const { variables, cotangents, problem } = orders[0];
  const derivatives = new Map(problem?.gradients().map((g, k) => [variables[k], g]));
  const finding = await readBack(f, inputs, {
    recording,
    weights: cotangents.map((t) => t.value!),
    gradients: recording.leaves.map((t) => derivatives.get(t) ?? null),
    order: orders.length === 2 ? 2 : 1,
  }, again);
  return finding ? [finding] : [];
}

type Writable<T> = { -readonly [key in keyof T]: T[key] };

function entryReport(
  t: Tensor,
  id: number,
  { leaves, names }: Recording,
  { idOf, suspect }: { idOf: IdOf; suspect: Tensor | null },
): TapeEntryReport {
  const inputs = t.inputs.map((input) => idOf(input)!);
  const entry: Writable<TapeEntryReport> = { id, op: t.op.name, inputs, shape: t.shape, dtype: t.dtype };
  const at = inputs.length === 0 ? leaves.indexOf(t) : -1;
  if (at >= 0) entry.input = names[at];
  if (t === suspect) entry.suspect = true;
  return entry;
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
  if (search.loop) {
    const message = "no entry of the tape is wrong by itself, but the rule of a loop is, which puts theirs together";
    return { suspect: null, finding: { check: "search", severity: "info", message } };
  }
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

/** The results of each element, by input, and how many elements were not examined. */
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
  return leaves.flatMap((t, i): Finding[] =>
    t.dtype !== "float" || t.size === 0 || history.includes(t) ? [] : [{
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
