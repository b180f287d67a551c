/** The results of judging a whole gradient. */
import type { Finding } from "../report/report.ts";
import type { Position } from "./line.ts";
import type { Differentiated, Judged, VariableResult } from "./problem.ts";

/** The result of comparing an analytic gradient with finite differences. */
export interface JudgedAll {
  readonly elements: readonly (Differentiated | null)[];
  readonly directions: readonly Judged[];
  readonly findings: readonly Finding[];
}

/** Whether anything is wrong. */
export function isWrong(
  { elements, directions, findings }: {
    readonly elements: readonly (VariableResult | null)[];
    readonly directions: readonly Judged[];
    readonly findings: readonly Finding[];
  },
): boolean {
  return findings.some(({ severity }) => severity === "error") ||
    directions.some(({ verdict }) => verdict === "wrong") ||
    elements.some((e) => e?.verdicts.includes("wrong"));
}

/** By how much a derivative is off. */
export function offOf({ analytic, numeric }: Judged): number {
  return Math.abs(analytic - numeric);
}

/** Results of elements none of which has been examined. */
export function untested(gradient: readonly Float64Array[]): Differentiated[] {
  return gradient.map((analytic) => ({
    analytic: analytic.slice(),
    numeric: new Float64Array(analytic.length).fill(NaN),
    estimate: new Float64Array(analytic.length).fill(Infinity),
    verdicts: new Array(analytic.length).fill("untested"),
    marks: new Map(),
    bends: new Map(),
  }));
}

/** Notes the result of an element. */
export function note(results: readonly Differentiated[], [k, i]: Position, judged: Judged): void {
  const { numeric, estimate, verdict, mark, bend } = judged;
  const result = results[k];
  result.numeric[i] = numeric;
  result.estimate[i] = estimate;
  result.verdicts[i] = verdict;
  if (mark) result.marks.set(i, mark);
  else result.marks.delete(i);
  if (bend !== undefined) result.bends.set(i, bend);
  else result.bends.delete(i);
}
