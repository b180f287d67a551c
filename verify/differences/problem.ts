/** The problems that finite differences are taken of, and their results. */
import type { Verdict } from "../report/report.ts";

/** A function at a point, as needed by finite differences. */
export interface Problem {
  /** The values of the variables, perturbed in place. */
  readonly variables: readonly Float64Array[];
  /** The weights of the outputs: the derivative is that of the weighted sum. */
  readonly weights: readonly Float64Array[];
  /** The distance from 1 to the next number in the function's precision. */
  readonly epsilon: number;
  /**
   * The size of the numbers that the outputs are computed from, which may be small by cancellation; `null` if unknown.
   */
  readonly terms: number | null;
  /** The nearest number that a variable can hold. */
  round(x: number): number;
  /**
   * Takes all decisions at the current values and returns the analytic derivative with respect to each variable; valid until the
   * next call.
   */
  settle(): readonly Float64Array[];
  /**
   * The analytic derivative at the current values, which need not be the point; valid until the next call. Absent where
   * that takes a new recording.
   */
  readonly gradient?: () => readonly Float64Array[];
  /** The outputs at the current values, with the decisions of the last {@link settle}; valid until the next call. */
  evaluate(): readonly Float64Array[];
  /**
   * A bound on those rounding errors of the weighted sum that change when `move` moves the values away from the point
   * of the last {@link settle}; `null` if only the outputs are known.
   */
  rounding(move: () => void): number | null;
  /**
   * A bound on the errors of a weighted sum of the analytic derivative at the point of the last {@link settle}; `null`
   * if only its values are known.
   *
   * @param kink whether the function has a kink there, so that the derivative jumps for other reasons than rounding.
   */
  gradientRounding(weights: readonly Float64Array[], kink: boolean): number | null;
}

/**
 * A property of a derivative besides its verdict.
 *
 * - `infinite`: the slopes grow beyond all bounds with shorter steps.
 * - `edge`: the function is not finite on one side of the point or on both, however short the step.
 * - `staircase`: the function has steps so small that they could be the rounding of terms that cancel.
 */
export type Mark = "infinite" | "edge" | "staircase";

/** A derivative with its verdict. */
export interface Judged {
  readonly analytic: number;
  /** The derivative by differences; at a kink, the middle of the one-sided ones. */
  readonly numeric: number;
  /** The error estimate of `numeric`; at a kink, it reaches to the one-sided derivatives. */
  readonly estimate: number;
  readonly verdict: Verdict;
  readonly mark?: Mark;
  /** At a kink, by how much the slope increases from one side of the point to the other: negative for a maximum. */
  readonly bend?: number;
}

/** The results for each element of a variable. */
export interface VariableResult {
  readonly analytic: Float64Array;
  readonly numeric: Float64Array;
  readonly estimate: Float64Array;
  readonly verdicts: Verdict[];
}

/** The results by differences, with all that they tell. */
export interface Differentiated extends VariableResult {
  /** Properties besides the verdicts, by element. */
  readonly marks: Map<number, Mark>;
  /** At kinks, by how much the slope increases, by element. */
  readonly bends: Map<number, number>;
}
