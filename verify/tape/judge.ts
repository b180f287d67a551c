/** Judges a gradient on the tape by dual numbers, and asks differences where these cannot say. */
import { largestOf } from "../arrays.ts";
import type { Differences, Judged, Line, VariableResult } from "../differences/numeric.ts";
import { scaleOf } from "../differences/numeric.ts";
import type { Verdict, Witness } from "../report/report.ts";
import { along, unit } from "./directions.ts";
import type { Direction, Duals } from "./duals.ts";
import { limitsAlong } from "./edges.ts";
import type { TapeProblem } from "./problem.ts";
import type { Position } from "./search.ts";

/** Both witnesses agree with the tape to this fraction of the derivative, unless rounding is worse. */
const AGREE = 2e-11;
/** Rounding of a sum, in units of its terms. */
export const ROUNDING = 64 * 2 ** -52;
/** How many times the measured noise of rounding a difference may be. */
const NOISES = 8;
/** A derivative is decided if its error is below this fraction of itself, of the largest of its variable, or of the terms it cancels from. */
const RESOLUTION = 1e-4;
const FRACTION = 1e-8;
const ZERO = 1e-10;
/** Derivatives up to this many times the rounding of the function over a unit of its input cannot be seen in its values. */
const LOST = 16;
/** For how many elements of a variable the noise of their own dual numbers is measured; that of the gradient stands for the others. */
const MEASURED = 64;
/** From this many elements on, derivatives are computed for all together, and so is their noise if more than some are off. */
const MANY = 64;
const SOME = 8;
/** The most elements that are looked at along each of them because their derivatives, computed together, differ from the tape's. */
const REFINED = 128;
/** How many wrong elements of a variable differences are asked about, those not counted that they find right. */
const CONFIRMED = 8;

/** Another witness's derivative with respect to an element. */
export interface Second {
  readonly witness: Witness;
  readonly numeric: number;
  readonly estimate: number;
}

/** The results for the elements of a variable. */
export interface TapeResult extends VariableResult {
  readonly witnesses: Witness[];
  readonly second: Map<number, Second>;
}

/** A result before anything is judged. */
function untested(analytic: Float64Array): TapeResult {
  const { length } = analytic;
  return {
    analytic: analytic.slice(),
    numeric: new Float64Array(length).fill(NaN),
    estimate: new Float64Array(length).fill(Infinity),
    verdicts: new Array<Verdict>(length).fill("untested"),
    witnesses: new Array<Witness>(length).fill("duals"),
    second: new Map(),
  };
}

/** The error that is allowed without a closer look. */
export function tolerance(analytic: number, numeric: number, size: number): number {
  return AGREE * Math.max(Math.abs(analytic), Math.abs(numeric)) + ROUNDING * size;
}

/** The judge's observations beside its verdicts. */
export interface Remarks {
  /** Elements whose derivative is infinite. */
  readonly infinite: Position[];
  /** Elements about which the witnesses disagree, and which one the evidence supports. */
  readonly disputed: Position[];
}

/** Judges the gradient at the point at which the problem was settled last. */
export class TapeJudge {
  readonly problem: TapeProblem;
  readonly differences: Differences;
  readonly duals: Duals;
  readonly remarks: Remarks = { infinite: [], disputed: [] };

  constructor(problem: TapeProblem, differences: Differences, duals: Duals) {
    this.problem = problem;
    this.differences = differences;
    this.duals = duals;
  }

  /** Judges some elements of a variable; the others are untested. */
  elements(variable: number, which: ArrayLike<number>): TapeResult {
    const result = untested(this.differences.analytic[variable]);
    const together = which.length >= MANY ? this.duals.all() : null;
    if (!together) this.#decide(variable, result, this.#compareEach(variable, result, which), false);
    else {
      const off: number[] = [];
      for (let n = 0; n < which.length; n++) {
        const i = which[n];
        const value = together[variable][i];
        if (!this.#compare(result, i, value, Math.abs(value))) off.push(i);
      }
      const open = [...this.#compareEach(variable, result, off.slice(0, REFINED)), ...off.slice(REFINED)];
      this.#decide(variable, result, open, open.length > SOME);
    }
    return result;
  }

  /** Compares elements with the derivatives along each of them, and returns those that are not the same at first sight. */
  #compareEach(variable: number, result: TapeResult, which: ArrayLike<number>): number[] {
    const open: number[] = [];
    this.duals.each(variable, which, (i, { value, size }) => {
      if (!this.#compare(result, i, value, size)) open.push(i);
    });
    return open;
  }

  #compare({ analytic, numeric, estimate, verdicts }: TapeResult, i: number, value: number, size: number): boolean {
    numeric[i] = value;
    estimate[i] = tolerance(analytic[i], value, size);
    // The tolerance of an infinite derivative is infinite, too.
    const same = Number.isFinite(analytic[i]) && Math.abs(analytic[i] - value) <= estimate[i];
    if (same) verdicts[i] = "ok";
    return same;
  }

  /**
   * Judges elements on which the tape and the duals do not agree at first sight.
   *
   * @param many whether the noise of their derivatives is measured for all together.
   */
  #decide(variable: number, result: TapeResult, open: readonly number[], many: boolean): void {
    if (open.length === 0) return;
    const { analytic, numeric, verdicts } = result;
    const usual = largestOf(numeric);
    const scale = scaleOf(this.problem.variables[variable]);
    const noiseOf = (i: number, n: number) => {
      if (many) return this.duals.noises()[variable][i];
      return n < MEASURED ? this.duals.noise(unit(this.problem.variables, [variable, i])) : 0;
    };
    let confirmed = 0;
    open.forEach((i, n) => {
      const line = this.differences.element(variable, i, scale);
      if (!Number.isFinite(analytic[i]) || !Number.isFinite(numeric[i])) {
        return this.#notFinite(variable, i, { line, result });
      }
      verdicts[i] = this.#rounded(variable, i, { result, usual, line, noise: () => noiseOf(i, n) });
      if (verdicts[i] !== "wrong" || confirmed === CONFIRMED) return;
      this.#confirm(variable, i, { line, result });
      // Where differences find nothing wrong, duals may be off at all others, too.
      if (verdicts[i] === "wrong") confirmed++;
    });
  }

  /** Whether rounding explains a difference. */
  #rounded(
    variable: number,
    i: number,
    { result, usual, line, noise }: { result: TapeResult; usual: number; line: Line; noise: () => number },
  ): Verdict {
    const { analytic, numeric, estimate } = result;
    const own = this.problem.noise.elements[variable][i];
    const error = Math.abs(analytic[i] - numeric[i]);
    estimate[i] += NOISES * own;
    // Even if the duals were off by far more than the gradient is.
    if (error > estimate[i]) estimate[i] += NOISES * noise();
    // A function that is flat as it is computed, because it saturates, may well have a derivative below its last digit. It is nothing beside
    // the others then, unless they are lost as well.
    const lost = this.problem.epsilon * (this.differences.total / line.size);
    if (numeric[i] === 0 && error <= (usual > LOST * lost ? Math.min(lost, FRACTION * usual) : lost)) return "noise";
    if (error > estimate[i]) return "wrong";
    const size = Math.max(Math.abs(analytic[i]), Math.abs(numeric[i]));
    // Both come from the same values, rounded in the same way: they may agree although all digits of both are lost.
    if (error <= RESOLUTION * size) return "ok";
    return this.#decided(estimate[i], size, usual, line.size) ? "ok" : "noise";
  }

  #decided(estimate: number, derivative: number, usual: number, size: number): boolean {
    return estimate <= Math.max(RESOLUTION * derivative, FRACTION * usual) ||
      (derivative <= estimate && estimate <= ZERO * (this.differences.total / size));
  }

  /** Asks differences about an element that the duals call wrong. Where they support the tape firmly, nobody can say. */
  #confirm(variable: number, i: number, { line, result }: { line: Line; result: TapeResult }): void {
    const { numeric, estimate, verdict } = this.differences.judge(line);
    const { analytic } = result;
    // At a tie of operands of which one has no derivative, as a length at 0, duals know no more than the other.
    if (verdict === "kink" && this.#isBlind(variable, i)) {
      result.witnesses[i] = "differences";
      [result.numeric[i], result.estimate[i], result.verdicts[i]] = [numeric, estimate, verdict];
      return;
    }
    result.second.set(i, { witness: "differences", numeric, estimate });
    if (verdict !== "ok") return;
    const apart = Math.abs(result.numeric[i] - analytic[i]);
    // Differences see fewer digits: they contradict the duals only if they could have seen the error.
    if (!(estimate < apart / 4)) return;
    result.verdicts[i] = "noise";
    this.remarks.disputed.push([variable, i]);
  }

  /** Whether duals do not know the slopes on both sides of an element. */
  #isBlind(variable: number, i: number): boolean {
    const direction = unit(this.problem.variables, [variable, i]);
    return this.duals.mayDepend(direction) && this.duals.oneSided(direction).some(({ value }) => Number.isNaN(value));
  }

  /**
   * Judges an element whose gradient, or whose dual derivative, is not finite. A gradient that is not finite is never right; it is wrong
   * where the function has a finite slope.
   */
  #notFinite(variable: number, i: number, { line, result }: { line: Line; result: TapeResult }): void {
    const { analytic, numeric, estimate, verdicts } = result;
    const limits = limitsAlong(this.problem, [[[variable, i], 1]], line.size);
    const infinite = limits.filter((l) => l.kind === "infinite");
    const finite = limits.filter((l) => l.kind === "finite");
    result.witnesses[i] = "differences";
    if (infinite.length > 0) {
      numeric[i] = infinite[0].value;
      this.remarks.infinite.push([variable, i]);
      // The wrong infinity is wrong; everything else is beyond comparison.
      const opposite = Math.abs(analytic[i]) === Infinity && infinite.every(({ value }) => value !== analytic[i]);
      verdicts[i] = opposite ? "wrong" : "noise";
      return;
    }
    if (!Number.isFinite(analytic[i])) {
      if (finite.length > 0) [numeric[i], estimate[i]] = [finite[0].value, finite[0].error];
      verdicts[i] = finite.length > 0 ? "wrong" : "noise";
      return;
    }
    const judged = this.differences.judge(line);
    [numeric[i], estimate[i], verdicts[i]] = [judged.numeric, judged.estimate, judged.verdict];
  }

  /** Judges the derivative along a direction. */
  direction(direction: Direction): Judged {
    const { value: analytic, terms, usual } = along(this.differences.analytic, direction);
    const { value: numeric, size } = this.duals.along(direction);
    const judged = (verdict: Verdict, estimate: number): Judged => ({ analytic, numeric, estimate, verdict });
    let estimate = tolerance(analytic, numeric, size + terms);
    const error = Math.abs(analytic - numeric);
    if (!Number.isFinite(error)) return judged("noise", Infinity);
    if (error <= estimate) return judged("ok", estimate);
    estimate += NOISES * (this.problem.noise.along(direction) + this.duals.noise(direction));
    if (error > estimate) return judged("wrong", estimate);
    const largest = Math.max(Math.abs(analytic), Math.abs(numeric));
    const decided = error <= RESOLUTION * largest || this.#decided(estimate, largest, usual, 1);
    return judged(decided ? "ok" : "noise", estimate);
  }
}
