/**
 * Derivatives by finite differences, each with an estimate of its own error.
 *
 * An element is first tested with a few steps: central differences, extrapolated (Richardson), one-sided slopes, and one
 * step that is much shorter. If these disagree with each other or with the analytic derivative, a ladder of steps over
 * many orders of magnitude is computed. It is read without regard to the analytic derivative: a value counts if three
 * neighbouring steps agree (a plateau) and no shorter step contradicts them, never because a single step matches the
 * expected value.
 *
 * Where only the outputs are known, fits see what steps do not: an error in digits that rounding hides from each of them.
 */
import type { Verdict } from "../report/report.ts";
import { AGREE, FirstLook } from "./first_look.ts";
import { APART_FROM_FIT, fitAlong, Fits, type Fitted, type Fitting } from "./fitted.ts";
import { firstChange, jumpWithin, natureOf } from "./jump.ts";
import { Ladder } from "./ladder.ts";
import { elementLine, type Line, lineThrough, movesBySize, movesTogether, type Position } from "./line.ts";
import { type Precision, precisionOf, scaleOf, sizeOf } from "./precision.ts";
import type { Differentiated, Judged, Mark, Problem, VariableResult } from "./problem.ts";
import { judgedOf, readFully, roundingAlong, verdictOf } from "./reading.ts";
import { Steadiness } from "./steady.ts";
import { Sums } from "./sums.ts";

export type { Fitted, Judged, Line, Position, Problem, VariableResult };
export { scaleOf, sizeOf };

/** The growth factor of the steps that search for any change. */
const FAR = 256;

/** Differentiates a problem numerically at a point. */
export class Differences {
  readonly problem: Problem;
  /** The analytic derivative at the point. */
  analytic: Float64Array[] = [];
  readonly #precision: Precision;
  readonly #sums: Sums;
  readonly #ladder: Ladder;
  readonly #first: FirstLook;
  readonly #steadiness: Steadiness;
  readonly #fits: Fits;

  constructor(problem: Problem) {
    this.problem = problem;
    this.#precision = precisionOf(problem.epsilon);
    this.#sums = new Sums(problem);
    this.#ladder = new Ladder(this.#precision);
    this.#first = new FirstLook(this.#sums, this.#precision);
    this.#steadiness = new Steadiness(this.#sums);
    this.#fits = new Fits(this.#sums);
    this.settle();
  }

  /** Makes the current values the point. */
  settle(): void {
    this.analytic = this.problem.settle().map((values) => values.slice());
    this.#sums.settle();
  }

  /** The outputs at the point. */
  get outputs(): readonly Float64Array[] {
    return this.#sums.outputs;
  }

  /** The size of the terms of the weighted sum at the point, or of the numbers they are computed from. */
  get total(): number {
    return this.#sums.total;
  }

  /** The size of the terms that made up the last change, or of all terms if nothing changed. */
  get mass(): number {
    return this.#sums.mass;
  }

  /** The change of the weighted sum after a move; the caller moves the values back. */
  changeAt(line: Line, t: number): number {
    return this.#sums.changeAt(line, t);
  }

  /** The line of one element. */
  element(variable: number, index: number, scale: number): Line {
    return elementLine(this.problem, [variable, index], scale);
  }

  /** A random direction through all variables: each element moves by its own size, up or down. */
  direction(random: () => number): Line {
    return lineThrough(this.problem, movesBySize(this.problem, random));
  }

  /** The line along which some elements move together, all by the same amount. */
  together(elements: readonly Position[]): Line {
    const { moves, size } = movesTogether(this.problem, elements);
    return lineThrough(this.problem, moves, size);
  }

  /** Whether an error is small enough to confirm a derivative of this size. */
  #decided(estimate: number, derivative: number, { line, usual, far }: Surroundings): boolean {
    const { resolution, together, fraction, zero, flat } = this.#precision;
    if (line.moving === "several") return estimate <= together * usual || (usual === 0 && estimate <= flat * far);
    if (estimate <= resolution * derivative) return true;
    if (this.problem.terms !== null) {
      return estimate <= fraction * Math.max(usual, far) ||
        (derivative <= estimate && estimate <= zero * (this.total / line.size));
    }
    // Without known terms, only a derivative of 0 can be confirmed by others beside which it is nothing.
    return derivative === 0 && estimate <= Math.max(fraction * usual, flat * far);
  }

  /** Judges the derivative along a line from a ladder of steps. `usual` is the size of the neighbouring derivatives. */
  #ponder(line: Line, analytic: number, usual: number): Judged {
    const ladder = this.#ladder;
    ladder.climb(line, this.#sums);
    const full = readFully(line, this.#sums, ladder, analytic);
    const surroundings = { line, usual, far: ladder.longest() };
    const decides = (estimate: number) => this.#decided(estimate, Math.abs(analytic), surroundings);
    const found = verdictOf(analytic, full, { ladder, decides, line });
    const judged = judgedOf(analytic, full, found.verdict);
    if (found.verdict !== "wrong" && found.verdict !== "noise") return judged;
    const isPlain = judged.bend === undefined && !full.reading.infinite && full.others.length === 0;
    const isAsked = isPlain && line.moving !== "tied" && !(found.verdict === "wrong" && this.#steadiness.isKnown);
    const fitted = isAsked ? this.#ponderFit(line, analytic, decides) : null;
    if (fitted) return fitted;
    if (found.verdict !== "wrong") return judged;
    if (!ladder.moved && !ladder.known && (this.#isTiny(line, analytic) || this.#isSwallowed(line, analytic))) {
      return { ...judged, verdict: "noise", estimate: Infinity, mark: "staircase" };
    }
    const doubted = this.#doubt(judged, found.off, line, decides);
    if (doubted.verdict !== "wrong" || this.#isSteadyWithin(line, judged, full.reading.up.step)) return doubted;
    return { ...judged, verdict: "noise" };
  }

  /** Judges the derivative along a line by a fit, if one decides. */
  #ponderFit(line: Line, analytic: number, decides: (estimate: number) => boolean): Judged | null {
    const goal = this.#precision.goal * Math.abs(analytic);
    const fitted = this.#fits.afford((points) => this.fit(line, { points, goal, sure: true }));
    if (fitted === null) return null;
    const { numeric, estimate, off } = fitted;
    if (off <= estimate) return decides(estimate) ? { analytic, numeric, estimate, verdict: "ok" } : null;
    if (!(off > APART_FROM_FIT * estimate)) return null;
    const judged: Judged = { analytic, numeric, estimate, verdict: "wrong" };
    const doubted = this.#doubt(judged, off - APART_FROM_FIT * estimate, line, decides);
    return doubted.verdict === "wrong" && !this.#steadiness.holds(line, fitted) ? null : doubted;
  }

  /** Reconsiders a derivative that a fit finds wrong, in view of its own errors and of jumps further away. */
  judgedByFit(line: Line, fitted: Fitted): Judged {
    const { analytic, numeric, estimate, off } = fitted;
    const judged: Judged = { analytic, numeric, estimate, verdict: "wrong" };
    const ladder = this.#ladder;
    ladder.climb(line, this.#sums);
    if (readFully(line, this.#sums, ladder, analytic).others.length > 0) {
      return { ...judged, verdict: "noise" };
    }
    const doubted = this.#doubt(judged, off - APART_FROM_FIT * estimate, line, () => true);
    return doubted.verdict === "wrong" && !this.#steadiness.holds(line, fitted)
      ? { ...judged, verdict: "noise" }
      : doubted;
  }

  /** How often the outputs were computed. */
  get calls(): number {
    return this.#sums.calls;
  }

  /** The error of a derivative, relative to itself, that fits aim at. */
  get goal(): number {
    return this.#precision.goal;
  }

  /**
   * Judges the derivative along a line by a fit, but for the errors of the analytic one itself; `null` if the
   * function is not smooth around the point, or more than its outputs is known.
   */
  fit(line: Line, how: Fitting): Fitted | null {
    const analytic = line.along(this.analytic);
    const isOpaque = this.problem.terms === null && Number.isFinite(analytic);
    const fitted = isOpaque ? fitAlong(analytic, line, this.#sums, how) : null;
    line.move(0);
    return fitted;
  }

  /** Whether the analytic derivative is steady as far as steps are needed to see that it is off. */
  #isSteadyWithin(line: Line, { analytic, numeric, bend }: Judged, plateau: number): boolean {
    const off = Math.abs(analytic - numeric);
    const distance = this.#ladder.shortestAgainst(analytic) || plateau;
    if (bend !== undefined || !Number.isFinite(off) || distance === 0) return true;
    return this.#steadiness.holds(line, { analytic, off, distance });
  }

  /** Whether all that a derivative does is lost in the rounding of numbers around 1, or of the outputs. */
  #isTiny(line: Line, analytic: number): boolean {
    return Math.abs(analytic) * Math.max(line.size, line.reach, 1) <= this.problem.epsilon * Math.max(1, this.total);
  }

  /** Whether a function that no step changes does change far away, by jumps that may be the rounding of large numbers. */
  #isSwallowed(line: Line, analytic: number): boolean {
    const sums = this.#sums;
    const surroundings = { values: 0, size: line.size, total: sums.total, epsilon: this.problem.epsilon };
    for (let step = FAR * line.size; step < FAR ** 8 * line.size; step *= FAR) {
      sums.changed = false;
      sums.changeAt(line, step);
      if (!sums.changed) continue;
      // Where changes are swallowed, the jump is no smaller than what the derivative adds up to until there.
      const first = firstChange(line, sums, step);
      const isLarge = first.change < Infinity && first.change >= Math.abs(analytic) * first.distance / 2;
      const jump = isLarge ? first.change : jumpWithin(line, sums, step, 0);
      return jump > 0 && natureOf(jump, surroundings) !== "own";
    }
    line.move(0);
    return false;
  }

  /** Before calling a derivative wrong by `off`, tests whether its own errors explain that. */
  #doubt(judged: Judged, off: number, line: Line, decides: (estimate: number) => boolean): Judged {
    const isKink = judged.bend !== undefined;
    const error = this.problem.gradientRounding(line.weights(), isKink || line.moving === "tied");
    if (error === null || !(off <= error) || off === Infinity) return judged;
    const estimate = judged.estimate + error;
    return { ...judged, estimate, verdict: isKink ? "kink" : decides(estimate) ? "ok" : "noise" };
  }

  /** Judges the derivative along a line. */
  judge(line: Line): Judged {
    const analytic = line.along(this.analytic);
    const usual = line.usual(this.analytic);
    if (this.#first.agrees(line, analytic) && this.#decidedAtFirst(analytic, line, usual)) {
      return { analytic, numeric: this.#first.numeric, estimate: this.#first.estimate, verdict: "ok" };
    }
    return this.#ponder(line, analytic, usual);
  }

  /** Judges the derivative along a line by the first steps alone: right, or open. */
  glance(line: Line): Judged {
    const analytic = line.along(this.analytic);
    const agrees = this.#first.agrees(line, analytic) &&
      this.#decidedAtFirst(analytic, line, line.usual(this.analytic));
    return {
      analytic,
      numeric: this.#first.numeric,
      estimate: this.#first.estimate,
      verdict: agrees ? "ok" : "untested",
    };
  }

  /** Judges the derivative along a line by all its steps, even if the first ones would do. */
  judgeClosely(line: Line): Judged {
    return this.#ponder(line, line.along(this.analytic), line.usual(this.analytic));
  }

  /** The largest jump of the function along a line that can only be rounding; 0 if none is found. */
  roundingAlong(line: Line): number {
    this.#ladder.climb(line, this.#sums);
    return roundingAlong(line, this.#sums, this.#ladder);
  }

  /** Whether the first steps decide. */
  #decidedAtFirst(analytic: number, line: Line, usual: number): boolean {
    const [numeric, estimate] = [this.#first.numeric, this.#first.estimate];
    const isFlat = numeric === 0 && estimate === 0;
    return isFlat || this.#decided(estimate, Math.max(Math.abs(analytic), Math.abs(numeric)), { line, usual, far: 0 });
  }

  /** Judges the derivative with respect to each element of a variable. */
  elements(variable: number): Differentiated {
    const values = this.problem.variables[variable];
    const scale = scaleOf(values);
    const analytic = this.analytic[variable].slice();
    const numeric = new Float64Array(values.length);
    const estimate = new Float64Array(values.length);
    const agree = new Uint8Array(values.length);
    const marks = new Map<number, Mark>();
    const bends = new Map<number, number>();
    let usual = 0;
    for (let i = 0; i < values.length; i++) {
      agree[i] = this.#first.agrees(this.element(variable, i, scale), analytic[i]) ? 1 : 0;
      numeric[i] = this.#first.numeric;
      estimate[i] = this.#first.estimate;
      if (estimate[i] <= AGREE * Math.abs(numeric[i])) usual = Math.max(usual, Math.abs(numeric[i]));
    }
    const verdicts = Array.from(values, (_, i): Verdict => {
      const line = this.element(variable, i, scale);
      this.#first.numeric = numeric[i];
      this.#first.estimate = estimate[i];
      if (agree[i] && this.#decidedAtFirst(analytic[i], line, usual)) return "ok";
      const judged = this.#ponder(line, analytic[i], usual);
      numeric[i] = judged.numeric;
      estimate[i] = judged.estimate;
      if (judged.mark) marks.set(i, judged.mark);
      if (judged.bend !== undefined) bends.set(i, judged.bend);
      return judged.verdict;
    });
    return { analytic, numeric, estimate, verdicts, marks, bends };
  }
}

/** The surroundings of a derivative. */
interface Surroundings {
  readonly line: Line;
  /** The size of the neighbouring derivatives. */
  readonly usual: number;
  /** The slope that the longest step sees. */
  readonly far: number;
}
