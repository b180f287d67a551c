/** The results of judging a whole gradient. */
import type { Finding } from "../report/report.ts";
import type { Differentiated, Judged } from "./problem.ts";

/** The result of comparing an analytic gradient with finite differences. */
export interface JudgedAll {
  readonly elements: readonly (Differentiated | null)[];
  readonly directions: readonly Judged[];
  readonly findings: readonly Finding[];
}

/** Whether anything is wrong. */
export function isWrong({ elements, directions, findings }: JudgedAll): boolean {
  return findings.some(({ severity }) => severity === "error") ||
    directions.some(({ verdict }) => verdict === "wrong") ||
    elements.some((e) => e?.verdicts.includes("wrong"));
}

/** By how much a derivative is off. */
export function offOf({ analytic, numeric }: Judged): number {
  return Math.abs(analytic - numeric);
}
