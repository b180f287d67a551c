/** The results of a check as a report. */
import type { Judged, VariableResult } from "./differences/numeric.ts";
import { indexOf, type Input } from "./inputs.ts";
import type { Asked } from "./options.ts";
import { VERDICTS } from "./report/advice.ts";
import type {
  ElementReport,
  Finding,
  GradcheckReport,
  InputReport,
  TapeEntryReport,
  Verdict,
  Witness,
} from "./report/report.ts";
import type { Second } from "./tape/judge.ts";

function countsOf(verdicts: Iterable<Verdict>): Record<Verdict, number> {
  const counts = Object.fromEntries(VERDICTS.map((v) => [v, 0])) as Record<Verdict, number>;
  for (const verdict of verdicts) counts[verdict]++;
  return counts;
}

/** The results of one order, of a function on the tape or of a plain one. */
interface Results {
  readonly elements: readonly (VariableResult & Partial<Evidence> | null)[];
  readonly directions: readonly Judged[];
  /** The source of the numeric derivatives along directions, for a function on the tape. */
  readonly witness?: Witness;
}

/** The sources of the numeric derivatives of a variable. */
interface Evidence {
  readonly witnesses: readonly Witness[];
  readonly second: ReadonlyMap<number, Second>;
}

/** The part of an element report that witnesses add. */
interface Said {
  witness?: Witness;
  second?: Second;
}

/** No reports. */
const NONE: readonly never[] = [];

/** The results of one order as element reports; elements that were not looked at have none. */
export function elementReports(
  order: 1 | 2,
  { elements, directions, witness }: Results,
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
  return [
    ...directions.map((judged, i) => ({ ...report(-1, [i], judged), ...(witness ? { witness } : {}) })),
    ...elements.flatMap((result, k) =>
      result
        ? result.verdicts.flatMap((verdict, i): ElementReport | readonly never[] => {
          if (verdict === "untested") return NONE;
          const { analytic, numeric, estimate, witnesses, second } = result;
          const judged = { analytic: analytic[i], numeric: numeric[i], estimate: estimate[i], verdict };
          // There may be many: copies take time.
          const element: ElementReport & Said = report(positions[k], indexOf(i, shapes[k]), judged);
          const also = second?.get(i);
          if (witnesses) element.witness = witnesses[i];
          if (also) element.second = also;
          return element;
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
export function inputReport(
  { name, shape, dtype, values }: Pick<Input, "name" | "shape" | "dtype"> & { readonly values: ArrayLike<number> },
  result: VariableResult | null,
): InputReport {
  const elements = dtype === "float" ? values.length : 0;
  const verdicts = result?.verdicts ?? new Array<Verdict>(elements).fill("untested");
  const relative = result
    ? verdicts.map((verdict, i) => {
      if (verdict === "untested") return null;
      return relativeError({ error: Math.abs(result.analytic[i] - result.numeric[i]), estimate: result.estimate[i] });
    })
    : new Array<null>(elements).fill(null);
  const counts = result ? countsOf(verdicts) : { ...countsOf([]), untested: elements };
  const plain = new Array<number>(values.length);
  for (let i = 0; i < plain.length; i++) plain[i] = values[i];
  return { name, shape, counts, relative, verdicts, values: plain, dtype };
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
  readonly asked: Asked;
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

/**
 * Whether more elements cannot be decided than are right or hold.
 *
 * @param spoken the number of elements that were not looked at, if directions through all are right: in fast mode only those are looked at
 * that are odd.
 */
function isMostlyNoise(elements: readonly ElementReport[], spoken: number): boolean {
  const counts = countsOf(elements.map(({ verdict }) => verdict));
  return counts.noise > counts.ok + counts.kink + spoken;
}

/** How far from the witness an element may be that cannot be decided, relative to the largest derivative. */
const FAR = 1e-2;

/**
 * Whether an element that cannot be decided is far from what the witness says, which may be off by as much as the
 * largest derivative; where it may be off by more, it says nothing.
 */
function isDoubtful(elements: readonly ElementReport[]): boolean {
  const open = elements.filter(({ verdict, estimate }) => verdict === "noise" && estimate < Infinity);
  if (open.length === 0) return false;
  let largest = 0;
  for (const { analytic, numeric } of elements) {
    const size = Math.max(Math.abs(analytic), Math.abs(numeric));
    if (size > largest && size < Infinity) largest = size;
  }
  return open.some(({ error, estimate }) => error > FAR * largest && estimate <= largest);
}

/** Whether all that was decided is 0, and a derivative that is not was left open: then nothing is known of the gradient. */
function isKnownAtZerosAlone(elements: readonly ElementReport[]): boolean {
  const isNone = ({ verdict, analytic, numeric }: ElementReport) =>
    verdict === "noise" || (analytic === 0 && numeric === 0);
  return elements.every(isNone) && elements.some(({ verdict, analytic }) => verdict === "noise" && analytic !== 0);
}

/** Findings that leave a question open although nothing is wrong. */
const UNSETTLING: ReadonlySet<string> = new Set(["read back", "infinite", "disputed"]);

/** A gradient without elements is not wrong, and properties draw empty arrays among others; who gave one by mistake should read this. */
const NOTHING_TO_COMPARE: Finding = {
  check: "empty",
  severity: "warning",
  message: "nothing was compared: the inputs have no element to differentiate with respect to",
};

export function reportOf(parts: Parts): GradcheckReport {
  const { asked, device, inputs, elements, untested, findings, blocked, margin, tape } = parts;
  const { name, started, options: { mode, order, seed, worst } } = asked;
  const counts = countsOf(elements.map(({ verdict }) => verdict));
  counts.untested += untested;
  const wrong = counts.wrong > 0 ||
    findings.some(({ severity, check }) => severity === "error" && check !== "determinism");
  const directions = elements.filter(({ input }) => input < 0);
  const spoken = directions.length > 0 && directions.every(({ verdict }) => verdict === "ok") ? untested : 0;
  const isEmpty = elements.length + untested === 0;
  // A derivative that is NaN or infinite is never right, even if rounding leaves nothing to compare it with.
  const unsettled = blocked || (counts.ok + counts.kink === 0 && !isEmpty) ||
    isMostlyNoise(elements.filter(({ input }) => input >= 0), spoken) || isMostlyNoise(elements, spoken) ||
    isDoubtful(elements) || isKnownAtZerosAlone(elements) ||
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
    findings: isEmpty && !blocked ? [...findings, NOTHING_TO_COMPARE] : findings,
    margin,
    tape,
    milliseconds: performance.now() - started,
  };
}
