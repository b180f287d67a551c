/** Reports in words, shared by the terminal and the HTML page. */
import type {
  CheckReport,
  ElementReport,
  GradcheckReport,
  RunReport,
  TapeEntryReport,
  Verdict,
  Witness,
} from "./report.ts";

/** The verdicts, worst first: the order in which they are listed. */
export const VERDICTS: readonly Verdict[] = ["wrong", "noise", "kink", "untested", "ok"];

/** The meanings of the verdicts on an element, for legends: each completes the sentence "the element ...". */
export const MEANINGS: Readonly<Record<Verdict, string>> = {
  ok: "agrees with the witness",
  wrong: "differs from the witness by more than the errors of both explain",
  kink: "has no derivative: the one-sided slopes differ, and the gradient lies between them",
  noise: "cannot be decided: the error of the witness is too large beside the derivative",
  untested: "was not examined, and does not count as passed",
};

/** The witnesses in words. */
const WITNESSES: Readonly<Record<Witness, string>> = { duals: "dual numbers", differences: "differences" };

/** The witness of an element, in words. */
export function witnessText({ witness = "differences" }: Pick<ElementReport, "witness">): string {
  return WITNESSES[witness];
}

/** The heading of a column of witnesses' numbers: their common name. */
export function witnessHeading(elements: readonly ElementReport[]): string {
  const names = new Set(elements.map(witnessText));
  return names.size === 1 ? [...names][0] : "witness";
}

/**
 * The result of the second witness of an element, in words; `null` if it was not asked, or if it agrees and there is nothing to
 * explain.
 */
export function secondText({ numeric, estimate, verdict, second }: ElementReport): string | null {
  if (!second) return null;
  const says = `${witnessText(second)}: ${numberText(second.numeric)} ± ${numberText(second.estimate, 2)}`;
  // Not written as <=, so that NaN disagrees.
  if (!(Math.abs(numeric - second.numeric) <= estimate + second.estimate)) return `${says}, which disagrees`;
  return verdict === "ok" ? null : `${says}, which agrees`;
}

/** Whether the report is of a plain function, which has no tape. */
export function isPlain({ tape }: Pick<GradcheckReport, "tape">): boolean {
  return tape.length === 0;
}

/** Formats a number: short if it is round, otherwise with the given number of significant digits. */
export function numberText(value: number, digits = 6): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(digits - 1) : value.toPrecision(digits);
  // Trailing zeros carry no information.
  return text.replace(/(\.\d*?)0+(e|$)/, "$1$2").replace(/\.(e|$)/, "$1");
}

/** Both numbers of an element, with enough digits to see the difference, at least six. */
export function pairText({ analytic, numeric }: ElementReport): [string, string] {
  const size = Math.max(Math.abs(analytic), Math.abs(numeric));
  const difference = Math.abs(analytic - numeric);
  const needed = difference > 0 && Number.isFinite(size) ? Math.ceil(Math.log10(size / difference)) + 3 : 6;
  const digits = Math.min(17, Math.max(6, needed));
  return [numberText(analytic, digits), numberText(numeric, digits)];
}

/** `3 elements`, `1 element`. */
export function plural(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** Formats a shape: `[2, 3]`. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Formats the place of an element: `logits[0, 3]`, or the number of a direction through all inputs. */
export function placeText({ input, index }: ElementReport, { inputs }: GradcheckReport): string {
  if (input < 0) return `direction ${index.join(", ")} through all inputs`;
  return `${inputs[input]?.name ?? `input ${input}`}${index.length > 0 ? shapeText(index) : ""}`;
}

/** Formats an entry of the tape: `%12 = mul [2, 3]`. */
export function entryText({ id, op, shape }: TapeEntryReport): string {
  return `%${id} = ${op} ${shapeText(shape)}`;
}

/** The total of the counts. */
export function totalOf(counts: Readonly<Record<Verdict, number>>): number {
  return VERDICTS.reduce((sum, verdict) => sum + counts[verdict], 0);
}

/** Counts in words: `21 ok, 3 wrong of 24`. Untested elements are always mentioned. */
export function countsText(counts: Readonly<Record<Verdict, number>>): string {
  const parts = [...VERDICTS].reverse().filter((v) => counts[v] > 0 || v === "ok").map((v) => `${counts[v]} ${v}`);
  return `${parts.join(", ")} of ${totalOf(counts)}`;
}

/** The verdict of a report as a sentence. */
export function headline(report: GradcheckReport): string {
  const { counts, findings, mode } = report;
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const tested = totalOf(counts) - counts.untested;
  const elements = mode === "fast" ? "derivative" : "element";
  if (report.verdict === "wrong") {
    const parts = [
      ...(counts.wrong > 0 ? [`${plural(counts.wrong, elements)} of ${tested} tested`] : []),
      ...(errors > 0 ? [plural(errors, "finding")] : []),
    ];
    return `The gradient is wrong${parts.length > 0 ? `: ${parts.join(" and ")}` : ""}.`;
  }
  if (report.verdict === "undecided") {
    if (tested === 0) return "Undecided: nothing was tested.";
    return `Undecided: nothing is wrong, but only ${counts.ok} of ${totalOf(counts)} could be confirmed.`;
  }
  const right = `The gradient is right at ${counts.ok === 1 ? "the one" : `all ${counts.ok}`}`;
  if (counts.noise + counts.untested > 0) {
    return `Nothing is wrong; ${counts.ok} of ${totalOf(counts)} are right, the others are undecided or untested.`;
  }
  return counts.kink === 0
    ? `${right} tested.`
    : `${right} with a derivative, and holds at ${plural(counts.kink, "kink")}.`;
}

/** Formats a duration. */
export function durationText(milliseconds: number): string {
  return milliseconds < 1000 ? `${numberText(milliseconds, 3)} ms` : `${numberText(milliseconds / 1000, 3)} s`;
}

/** The facts about a check other than its verdict. In a run the seed is that of the run. */
export function facts(report: GradcheckReport, inRun = false): string[] {
  const { mode, order, seed, device, margin, worst, milliseconds } = report;
  const oracle = device === null ? "float64 oracle alone" : `float64 oracle and ${device}`;
  const decisions = margin === null ? "no frozen decisions" : `nearest decision ${numberText(margin, 3)} from flipping`;
  const dual = worst.some(({ witness }) => witness === "duals");
  return [
    mode === "full" ? "every element" : "random directions first",
    order === 1 ? "first order" : "first and second order",
    dual ? "against dual numbers" : "against finite differences",
    ...(isPlain(report) ? [] : [oracle]),
    ...(inRun ? [] : [`seed ${seed}`]),
    ...(isPlain(report) ? [] : [decisions]),
    durationText(milliseconds),
  ];
}

/** The first entry of the tape at which the gradient is wrong, if one is marked. */
export function suspectOf({ tape }: GradcheckReport): TapeEntryReport | undefined {
  return tape.find(({ suspect }) => suspect);
}

/** The factor by which all wrong elements are off, if they share one: -1 is a wrong sign. */
function commonFactor(wrong: readonly ElementReport[]): number | null {
  const ratios = wrong.map(({ analytic, numeric }) => analytic / numeric);
  if (ratios.length < 2 || !ratios.every(Number.isFinite) || ratios[0] === 0) return null;
  const same = ratios.every((r) => Math.abs(r - ratios[0]) <= 1e-4 * Math.abs(ratios[0] - 1));
  return same ? ratios[0] : null;
}

/** Patterns that the wrong elements share, as sentences. */
function patterns(wrong: readonly ElementReport[], plain: boolean): string[] {
  if (wrong.length === 0) return [];
  const sentences: string[] = [];
  const factor = commonFactor(wrong);
  const gradient = plain ? "Your gradient" : "The tape's gradient";
  if (wrong.some(({ analytic }) => !Number.isFinite(analytic))) {
    sentences.push(
      `${gradient} is not finite: look for a division by zero or the logarithm of zero.`,
    );
  } else if (wrong.every(({ analytic, numeric }) => analytic === 0 && numeric !== 0)) {
    sentences.push(
      `${gradient} is 0 at each of the worst elements: ${
        plain ? "" : "no gradient reaches them, or "
      }a term is missing.`,
    );
  } else if (factor !== null && Math.abs(factor + 1) < 1e-4) {
    sentences.push("Each of the worst elements has the wrong sign.");
  } else if (factor !== null) {
    sentences.push(
      `Each of the worst elements is ${numberText(factor, 4)} times the expected value: look for a factor.`,
    );
  }
  if (wrong.every(({ order }) => order === 2)) {
    sentences.push("Only the second order is wrong: the vjp is right, but its own gradient is not.");
  }
  return sentences;
}

/** The next steps, as sentences; empty if there is nothing to do. */
export function advice(report: GradcheckReport): string[] {
  const { counts, findings, worst, mode } = report;
  const plain = isPlain(report);
  const wrong = worst.filter(({ verdict }) => verdict === "wrong");
  const suspect = suspectOf(report);
  const sentences = patterns(wrong, plain);
  if (suspect) {
    sentences.push(
      suspect.op === "detach"
        ? `The value changes through entry ${
          entryText(suspect)
        }, but the gradient stops there: if that is meant, hold() in place of detach says so.`
        : `The gradient first goes wrong at entry ${entryText(suspect)}: check the vjp of ${suspect.op}.`,
    );
  } else if (wrong.length > 0) {
    const place = placeText(wrong[0], report);
    sentences.push(
      plain
        ? `Start at ${place}: trace your gradient of this element.`
        : `No single entry of the tape is the suspect. Start at ${place}, and check parts of the function separately.`,
    );
  }
  for (const { check, entry } of findings.filter(({ severity }) => severity === "error")) {
    const at = entry === undefined ? "" : ` (entry %${entry})`;
    // The elements say the same in more detail.
    if (check === "taylor" && wrong.length > 0) continue;
    const known = plain ? PLAIN_ADVICE[check] ?? FINDING_ADVICE[check] : FINDING_ADVICE[check];
    sentences.push(known ? `${known}${at}.` : `Look into the finding "${check}"${at}.`);
  }
  if (counts.kink > 0) {
    sentences.push(
      `${
        plural(counts.kink, "element lies", "elements lie")
      } on a kink: there is no derivative, and the gradient lies between the one-sided slopes.`,
    );
  }
  if (counts.noise > 0) {
    sentences.push(
      `${
        plural(counts.noise, "element")
      } cannot be decided in this precision: scale the inputs or the outputs closer to 1${
        plain ? ", or compute in float64" : ""
      }.`,
    );
  }
  if (counts.untested > 0) {
    sentences.push(
      `${plural(counts.untested, "element was", "elements were")} not tested${
        mode === "fast" ? ': mode "full" tests every element' : ""
      }.`,
    );
  }
  return [...new Set(sentences)];
}

/** Advice on each kind of error, without a full stop. */
const FINDING_ADVICE: Readonly<Record<string, string>> = {
  "shape": "Give each gradient the shape of its input: undo broadcasting in the rule by summing",
  "dtype": "Give each gradient the dtype float",
  "determinism": "Make the function deterministic: pass its randomness as an input",
  "mutation": "Leave the inputs as they are: copy an array before writing to it",
  "zero cotangent":
    "Make the rule linear in its cotangent: write the products as times(() => derivative), and do not divide by anything computed from the cotangent",
  "linearity": "Use the cotangent as a factor of every term of the rule: a vector-Jacobian product is linear in it",
  "read back":
    "Compute with the tensor instead of the value that was read; where the value is meant to be constant, hold(x) says so",
  "one-hot cotangent": "Look at what the rule does for outputs one by one: it mixes them up, or leaves some out",
  "beside a kink":
    "Check the rule on both sides of the kink: at the kink itself only the slopes on both sides bound it",
  "missing gradient": "Keep the input on the tape: a detach, a cast or reading its value back cuts it off",
  "ties":
    "Split the gradient among equal elements so that their shares add up to it, or assign all of it to one of them",
  "non-finite": "Keep the value finite: clamp the operand, or choose the branch with where",
  "domain": "Keep the inputs of the op within its domain: choose the arbitrary's bounds or clamp",
  "device": "Compare the op's kernel on this device with the oracle's, and its tolerance",
  "taylor": "The gradient and the function do not belong together: compare their formulas",
};

/** The advice that replaces it for plain functions. */
const PLAIN_ADVICE: Readonly<Record<string, string>> = {
  "shape": "Return one number of each gradient for each element of its input",
  "missing gradient": "Add what is missing: your gradient of this input is 0 everywhere, and your value depends on it",
  "non-finite": "Keep your value finite at the inputs of the check, or choose bounds for them",
  "domain": "Keep the inputs within the domain of your function: choose the arbitrary's bounds",
};

/** The options of the command that replay a failure. */
export function replayOptions({ seed, path }: NonNullable<CheckReport["replay"]>): string[] {
  // With an equals sign, because seeds may be negative.
  return [`--seed=${seed}`, "--path", path];
}

/** The command that replays a check's report, as it was started before; `null` if there is nothing to replay. */
export function replayCommand(run: Pick<RunReport, "file" | "command" | "options">, check: CheckReport): string | null {
  const { name, replay, report, error, verdict } = check;
  if (!replay || verdict === "ok") return null;
  const { order, mode, device, timeout } = run.options?.given ?? {};
  const onDevice = report?.findings.some(({ check, severity }) => check === "device" && severity === "error");
  const option = (name: string, value: unknown) => (value === undefined || value === null ? [] : [name, String(value)]);
  const options = [
    ...option("--order", order ?? (report?.order === 2 ? 2 : undefined)),
    ...option("--mode", mode),
    // The default device may be another one elsewhere.
    ...option("--device", device ?? (onDevice ? report?.device : undefined)),
    ...(error === null ? [] : option("--timeout", timeout)),
  ];
  const words = ["check", run.file, "--only", name, ...replayOptions(replay), ...options];
  return [run.command ?? "npx gpugrad", ...words.map(quoted)].join(" ");
}

/** Quotes an argument for the shell. */
export function quoted(argument: string): string {
  return /^[\w./:@%+=,\\-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
