/** The options and the results of an examination. */
import type { Judged } from "../differences/numeric.ts";
import type { Finding, Witness } from "../report/report.ts";
import type { TapeResult } from "./judge.ts";

/** Options of an examination. */
export interface ExamineOptions {
  readonly mode: "full" | "fast";
  readonly seed: number;
  readonly directions: number;
  readonly resamples: number;
}

/** The results by element and by direction, and the findings. */
export interface JudgedAll {
  /** The results per variable; `null` if its elements were not examined. */
  readonly elements: readonly (TapeResult | null)[];
  /** The results along directions through all variables. */
  readonly directions: readonly Judged[];
  /** The source of the numeric derivatives along directions. */
  readonly witness: Witness;
  readonly findings: readonly Finding[];
  /** Whether the derivative depends on how ties are taken, so that there is none at the point, or one that dual numbers cannot tell. */
  readonly tie: boolean;
}
