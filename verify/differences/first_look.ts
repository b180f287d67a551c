/** The first look at a derivative: a few steps, and one that is much shorter. */
import type { Line } from "./line.ts";
import { ANALYTIC_ROUNDINGS, type Precision, ROUNDINGS } from "./precision.ts";
import { CLOSES } from "./plateau.ts";
import type { Sums } from "./sums.ts";

/** Central differences with two steps must agree to this relative tolerance before they are extrapolated. */
export const AGREE = 0.01;

/** Tests derivatives with few steps. The result of the last test is kept: there are too many for an object each. */
export class FirstLook {
  /** The derivative as the last test saw it, and the error of that. */
  numeric = 0;
  estimate = 0;
  readonly #sums: Sums;
  readonly #precision: Precision;

  constructor(sums: Sums, precision: Precision) {
    this.#sums = sums;
    this.#precision = precision;
  }

  /**
   * Returns whether a few steps along a line agree with a derivative, and sets `numeric` and `estimate`.
   */
  agrees(line: Line, analytic: number): boolean {
    const sums = this.#sums;
    const { step, steps } = this.#precision;
    const h = step * line.size;
    sums.changed = false;
    let mass = 0, gap = 0, gapBefore = 0;
    /** The central differences of the last steps, the shortest one last. */
    let a = 0, b = 0, c = 0;
    for (let k = steps - 1; k >= 0; k--) {
      const up = line.move(h * 2 ** k), changeUp = sums.change();
      mass = Math.max(mass, sums.mass);
      const down = line.move(-h * 2 ** k), changeDown = sums.change();
      mass = Math.max(mass, sums.mass);
      gapBefore = gap;
      gap = Math.abs(changeUp / up - changeDown / down);
      [a, b, c] = [b, c, (changeUp - changeDown) / (up - down)];
    }
    if (!sums.changed && analytic === 0) {
      line.move(0);
      this.numeric = this.estimate = 0;
      return true;
    }
    const noise = (ROUNDINGS * this.#sums.problem.epsilon * mass) / h;
    const spread = Math.abs(c - b);
    const numeric = (4 * c - b) / 3;
    const error = steps === 2 ? spread : Math.abs(numeric - (4 * b - a) / 3) / 2 + spread / 50;
    this.numeric = numeric;
    this.estimate = error + noise + ANALYTIC_ROUNDINGS * this.#sums.problem.epsilon * Math.abs(numeric);
    // If the function is smooth here, the gap between its one-sided slopes halves with the step.
    const agrees = Math.abs(analytic - numeric) <= this.estimate &&
      spread <= AGREE * steps * Math.abs(numeric) + noise &&
      gap <= CLOSES * gapBefore + noise &&
      this.#looksTheSame(line, mass, gap / step);
    line.move(0);
    return agrees;
  }

  /** Whether a much shorter step sees the slope that the first ones saw, where the function curves by that much. */
  #looksTheSame(line: Line, mass: number, curvature: number): boolean {
    const { short } = this.#precision;
    // Where the terms are known, decisions are held: there is no other scale.
    if (short === null || this.#sums.problem.terms !== null) return true;
    const moved = line.move(short * line.size);
    const slope = this.#sums.change() / moved;
    const noise = (ROUNDINGS * this.#sums.problem.epsilon * mass) / Math.abs(moved);
    return Math.abs(slope - this.numeric) <= noise + this.estimate + short * curvature;
  }
}
