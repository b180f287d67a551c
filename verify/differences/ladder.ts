/** Slopes to both sides of a point for steps over many orders of magnitude. */
import type { Line } from "./line.ts";
import { type Precision, ROUNDINGS } from "./precision.ts";
import type { Sums } from "./sums.ts";

const LONGEST = 48;
/** For this many pairs of the shortest steps, slopes differ by rounding alone. */
const SHORTEST = 3;
/**
 * A function is nothing but noise if the shortest steps see this part of all that any step sees, and this many times
 * the rounding that the outputs tell of.
 */
const DROWNED = 0.05;
const BEYOND_ROUNDING = 1024;
const STEEPER = 8;
/** The bound on rounding is this many times the rounding seen in those steps. */
const UNSEEN = 3;

/** The slopes along a line, longest steps first. Its arrays are written again by each climb. */
export class Ladder {
  readonly precision: Precision;
  readonly step = new Float64Array(LONGEST);
  /** The slopes upward and downward, and their mean; not finite where the function is not. */
  readonly up = new Float64Array(LONGEST);
  readonly down = new Float64Array(LONGEST);
  readonly central = new Float64Array(LONGEST);
  /** The largest error that rounding may add to a slope, as far as the outputs tell... */
  readonly rounding = new Float64Array(LONGEST);
  /** ...and as far as is known. */
  readonly noise = new Float64Array(LONGEST);
  /** The number of steps. */
  length = 0;
  /** Whether any step changed an output. */
  moved = false;
  /** The rounding seen in the shortest steps. */
  seen = 0;
  /** Whether rounding is bounded, rather than estimated from the outputs. */
  known = false;

  constructor(precision: Precision) {
    this.precision = precision;
  }

  /** Computes the slopes along a line and leaves the values at the point. */
  climb(line: Line, sums: Sums): void {
    const { shortest, ratio } = this.precision;
    const { epsilon } = sums.problem;
    const known = sums.problem.rounding(() => line.move(line.size / 64));
    this.known = known !== null;
    const rounding = known !== null && Number.isFinite(known) ? known : 0;
    // An element that is 0 beside large ones may have any size.
    const bottom = (line.grain === 0 ? Math.min(line.size, 1) : line.size) * shortest;
    // Functions of tiny numbers mostly change on the scale of 1, where rounding matters less.
    const top = Math.min(Math.max(line.size, line.reach, 1) / ratio, bottom * ratio ** (LONGEST - 1));
    this.length = 0;
    this.moved = false;
    for (let step = top; step >= bottom && this.length < LONGEST; step /= ratio) {
      const k = this.length++;
      sums.changed = false;
      const up = line.move(step), changeUp = sums.change();
      let { mass } = sums;
      const down = line.move(-step), changeDown = sums.change();
      if (!(mass >= sums.mass)) mass = sums.mass;
      this.moved ||= sums.changed;
      this.step[k] = step;
      this.up[k] = changeUp / up;
      this.down[k] = changeDown / down;
      this.central[k] = (changeUp - changeDown) / (up - down);
      this.rounding[k] = (ROUNDINGS * epsilon * (Number.isFinite(mass) ? mass : sums.total) + rounding) / step;
      this.noise[k] = this.rounding[k];
    }
    line.move(0);
    this.seen = this.#seen();
    this.raise(UNSEEN * this.seen);
  }

  /** Takes account of rounding of this size in the function's values. */
  raise(rounding: number): void {
    for (let k = 0; k < this.length; k++) this.noise[k] = Math.max(this.noise[k], rounding / this.step[k]);
  }

  /**
   * Whether the function is nothing but noise, or chaos, of which long steps see only what is left on average, while the
   * shortest ones see slopes of the size of this derivative.
   */
  isDrowned(derivative: number): boolean {
    if (this.length === 0) return false;
    const last = this.length - 1;
    const noise = this.noise[last] * this.step[last];
    let largest = 0, steepest = 0;
    for (let k = 0; k < this.length; k++) {
      const slope = Math.max(Math.abs(this.up[k]), Math.abs(this.down[k]));
      if (!(slope < Infinity)) continue;
      largest = Math.max(largest, this.step[k] * slope);
      if (k >= last - SHORTEST) steepest = Math.max(steepest, slope);
    }
    return Math.abs(derivative) <= STEEPER * steepest && noise >= DROWNED * largest &&
      noise >= BEYOND_ROUNDING * this.rounding[last] * this.step[last];
  }

  /** The shortest step that sees slopes that exclude a derivative; 0 if none does. */
  shortestAgainst(derivative: number): number {
    for (let k = this.length - 1; k >= 0; k--) {
      const [low, high] = [Math.min(this.up[k], this.down[k]), Math.max(this.up[k], this.down[k])];
      if (derivative < low - 2 * this.noise[k] || derivative > high + 2 * this.noise[k]) return this.step[k];
    }
    return 0;
  }

  /** The size of the slope that the longest step sees. */
  longest(): number {
    for (let k = 0; k < this.length; k++) {
      const slope = Math.max(Math.abs(this.up[k]), Math.abs(this.down[k]));
      if (Number.isFinite(slope)) return slope;
    }
    return 0;
  }

  /**
   * The rounding observed in the shortest steps, which may exceed the estimate from the outputs. It is taken from each
   * side alone, so that a kink does not count.
   */
  #seen(): number {
    let seen = 0;
    for (const slopes of [this.up, this.down]) {
      let last = -1, pairs = 0;
      for (let k = this.length - 1; k >= 0 && pairs < SHORTEST; k--) {
        if (!Number.isFinite(slopes[k])) continue;
        if (last >= 0) {
          seen = Math.max(seen, Math.abs(slopes[k] - slopes[last]) * this.step[last]);
          pairs++;
        }
        last = k;
      }
    }
    return seen;
  }
}
