/** The judge of plain functions. */
import { elementText } from "../inputs.ts";
import {
  type Differences,
  type Judged,
  type Line,
  scaleOf,
  sizeOf,
  type VariableResult,
} from "../differences/numeric.ts";
import type { Finding } from "../report/report.ts";
import { type ExamineOptions, isWrong } from "./judged.ts";

const RESAMPLED = 64;
const TAYLOR_STEPS = [2 ** -5, 2 ** -6, 2 ** -7, 2 ** -8];
const TAYLOR_CLEAR = 64;

/** The result of comparing an analytic gradient with finite differences. */
export interface JudgedAll {
  readonly elements: (VariableResult | null)[];
  readonly directions: Judged[];
  readonly findings: Finding[];
}

/** How messages refer to the variables. */
export interface Described {
  readonly names: readonly string[];
  readonly shapes: readonly (readonly number[])[];
  /** Why no gradient reaches a variable. */
  whyNoGradient(variable: number): string;
}

/** The place of an element. */
type Position = readonly [variable: number, index: number];

/**
 * Compares an analytic gradient with finite differences: along directions, element by element, at ties, and by the
 * Taylor test.
 */
export function judgeAll(
  differences: Differences,
  described: Described,
  random: () => number,
  options: ExamineOptions,
): JudgedAll {
  const { variables } = differences.problem;
  const findings: Finding[] = [];
  const directions: Judged[] = [];
  if (variables.every(({ length }) => length === 0)) {
    return { elements: variables.map(() => null), directions, findings };
  }
  const line = differences.direction(random);
  const taylor = taylorRate(differences, line);
  if (options.mode === "fast") {
    directions.push(differences.judge(line));
    while (directions.length < options.directions) directions.push(differences.judge(differences.direction(random)));
  }
  const look = options.mode === "full" || directions.some(({ verdict }) => verdict !== "ok");
  const elements = variables.map((_, k) => (look ? differences.elements(k) : null));
  if (look) {
    for (const { judged, elements: moved } of tied(differences, elements)) {
      directions.push(judged);
      if (judged.verdict !== "wrong") continue;
      const shown = listed(moved, described);
      findings.push({
        check: "ties",
        severity: "error",
        message: `${shown} are equal; when they move together the derivative is ${judged.numeric}, ` +
          `but the gradient is ${judged.analytic}`,
      });
    }
    const moved = resample(differences, elements, random, options.resamples);
    findings.push(...placeFindings(moved, elements, described));
  }
  elements.forEach((result, k) => {
    if (!result || !result.verdicts.includes("wrong") || result.analytic.some((x) => x !== 0)) return;
    findings.push({
      check: "missing gradient",
      severity: "error",
      message: `no gradient reaches ${described.names[k]}, although the function depends on it: ${
        described.whyNoGradient(k)
      }`,
    });
  });
  if (taylor !== null) findings.push(taylorFinding(taylor, isWrong({ elements, directions, findings })));
  return { elements, directions, findings };
}

/** Findings on elements on kinks, which were judged at a nearby point, and on elements at the end of a domain. */
function placeFindings(
  moved: readonly Position[],
  elements: readonly (VariableResult | null)[],
  described: Described,
): Finding[] {
  const findings: Finding[] = [];
  if (moved.length > 0) {
    const message =
      `${listed(moved, described)} ${moved.length === 1 ? "lies on a kink and was" : "lie on kinks and were"} ` +
      "judged at a nearby point";
    findings.push({ check: "kink", severity: "info", message });
  }
  const edges = elements.flatMap((result, k) =>
    result ? [...result.numeric.keys()].filter((i) => Number.isNaN(result.numeric[i])).map((i) => [k, i] as const) : []
  );
  if (edges.length > 0) {
    const message = `the function is not finite a short step away from ${listed(edges, described)}: ` +
      `${edges.length === 1 ? "it lies" : "they lie"} at the end of its domain`;
    findings.push({ check: "domain", severity: "warning", message });
  }
  return findings;
}

export function taylorFinding(rate: number, wrong: boolean): Finding {
  const failed = rate < 1.5;
  const found = `the remainder of the first-order Taylor expansion falls with the power ${rate.toFixed(2)} of the step`;
  const hint = wrong ? "" : "; a nearby kink has the same effect";
  return {
    check: "taylor",
    severity: !failed ? "info" : wrong ? "error" : "warning",
    message: failed ? `${found}, that of a right gradient falls with the power 2${hint}` : found,
  };
}

/** Formats elements as text, the first few by name. */
function listed(elements: readonly Position[], { names, shapes }: Described): string {
  const shown = elements.slice(0, 4).map(([k, i]) => elementText(names[k], i, shapes[k]));
  return shown.join(", ") + (elements.length > shown.length ? ` and ${elements.length - shown.length} more` : "");
}

/**
 * The power of the step with which the remainder of the first-order Taylor expansion falls; `null` if the remainder is
 * only rounding.
 */
export function taylorRate(differences: Differences, line: Line): number | null {
  const slope = line.along(differences.analytic);
  const { epsilon } = differences.problem;
  const rates: number[] = [];
  let previous: number | null = null;
  for (const t of TAYLOR_STEPS) {
    const remainder = Math.abs(differences.changeAt(line, t) - t * slope);
    const clear = remainder > TAYLOR_CLEAR * epsilon * (differences.mass + Math.abs(t * slope));
    if (previous !== null && clear) rates.push(Math.log2(previous / remainder));
    previous = clear ? remainder : null;
  }
  line.move(0);
  // Short steps are more telling than long ones.
  const last = rates.at(-1);
  return last === undefined || !rates.every(Number.isFinite) ? null : last;
}

/**
 * At a tie there is no derivative by one of the tied elements, but there is one along which they move together. Errors
 * at ties only show there.
 */
function tied(
  differences: Differences,
  elements: readonly (VariableResult | null)[],
): { judged: Judged; elements: [variable: number, index: number][] }[] {
  const groups = new Map<number, [number, number][]>();
  elements.forEach((result, k) =>
    result?.verdicts.forEach((verdict, i) => {
      if (verdict !== "kink") return;
      const value = differences.problem.variables[k][i];
      groups.set(value, [...(groups.get(value) ?? []), [k, i]]);
    })
  );
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => ({ judged: differences.judge(differences.together(group)), elements: group }))
    .filter(({ judged }) => judged.verdict === "ok" || judged.verdict === "wrong");
}

/**
 * Moves elements off kinks, one at a time, and judges them where a derivative may exist. Returns the elements that it
 * judged.
 */
function resample(
  differences: Differences,
  elements: readonly (VariableResult | null)[],
  random: () => number,
  attempts: number,
): [variable: number, index: number][] {
  let left = RESAMPLED;
  let moved = false;
  const judgedBeside: [number, number][] = [];
  elements.forEach((result, k) => {
    if (!result) return;
    const values = differences.problem.variables[k];
    const scale = scaleOf(values);
    result.verdicts.forEach((verdict, i) => {
      // A NaN at the point itself is not excused by a neighbour that is a number.
      if (verdict !== "kink" || !Number.isFinite(result.analytic[i]) || left-- <= 0) return;
      const here = values[i];
      for (let attempt = 0; attempt < attempts && result.verdicts[i] === "kink"; attempt++) {
        const beside = here + (random() < 0.5 ? -1 : 1) * sizeOf(here, scale) * (0.05 + 0.1 * random());
        values[i] = differences.problem.round(beside);
        moved = true;
        differences.settle();
        const judged = differences.judge(differences.element(k, i, scale));
        if (judged.verdict === "kink" || judged.verdict === "noise") continue;
        result.analytic[i] = judged.analytic;
        result.numeric[i] = judged.numeric;
        result.estimate[i] = judged.estimate;
        result.verdicts[i] = judged.verdict;
        judgedBeside.push([k, i]);
      }
      values[i] = here;
    });
  });
  if (moved) differences.settle();
  return judgedBeside;
}
