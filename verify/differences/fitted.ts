/** Judging a derivative by fits. */
import { expectedAlong } from "./expected.ts";
import { FEWEST, type Fit, fitWithin, standsOnAllScales, windowOf } from "./fit.ts";
import type { Line } from "./line.ts";
import type { Judged } from "./problem.ts";
import { APART } from "./steady.ts";
import type { Sums } from "./sums.ts";

/** A derivative is wrong if it is off by this many estimates of a fit; up to one, it agrees. */
export const APART_FROM_FIT = 2;

/** A derivative that a fit excludes is excluded by windows narrower by this factor, too. */
const NARROWEST = 4;

/** How closely a line is fitted. */
export interface Fitting {
  /** The most values of one fit. */
  readonly points: number;
  /** An error that need not be smaller. */
  readonly goal: number;
  /** The widest window, default the element's size or that of its variable. */
  readonly widest?: number;
  /** Whether narrower windows are looked at even if the derivative agrees, default false. */
  readonly sure?: boolean;
}

/** A derivative judged by a fit, but for the errors of its own. */
export interface Fitted extends Judged {
  /** The window of the fit. */
  readonly window: number;
  /** By how much the derivative is off. */
  readonly off: number;
  /** The distance from which it is seen to be off. */
  readonly distance: number;
  /** Whether it is that of a gradient that is smooth within the window, and that the values were compared with. */
  readonly isSteady: boolean;
}

/** Judges the derivative along a line by a fit; `null` if the function is not smooth around the point. */
export function fitAlong(analytic: number, line: Line, sums: Sums, how: Fitting): Fitted | null {
  const { points, goal, widest = Math.max(line.size, line.reach), sure = false } = how;
  const window = windowOf(line, sums, widest);
  if (window === 0) return null;
  let fit = fitWithin(line, sums, { window, points: FEWEST });
  let count = FEWEST;
  if (!fit || sure || isOpen(analytic, fit, goal)) {
    const expected = expectedAlong(line, sums, window);
    if (expected) fit = closer(fit, fitWithin(line, sums, { window, points: count, expected }));
    while ((!fit || isOpen(analytic, fit, goal)) && count < points) {
      // So many more values bring the error down to the goal.
      const needed = FEWEST * 2 ** Math.ceil(2 * Math.log2(Math.max(2, fit ? fit.estimate / goal : 0)));
      count = count === FEWEST ? Math.min(needed, points) : points;
      fit = closer(fit, fitWithin(line, sums, { window, points: count, expected }));
    }
  }
  if (!fit) return null;
  const off = Math.abs(analytic - fit.value);
  const verdict = off <= fit.estimate ? "ok" : off > APART_FROM_FIT * fit.estimate ? "wrong" : "noise";
  const isSteady = fit.expected !== null && Math.abs(analytic - fit.expected.slopeAt(0)) <= APART * off;
  if (sure || verdict !== "ok") {
    if (!standsOnAllScales({ derivative: analytic, fit, points: count, isSteady }, line, sums)) return null;
  }
  return {
    analytic,
    numeric: fit.value,
    estimate: fit.estimate,
    verdict,
    window,
    off,
    distance: fit.window / NARROWEST,
    isSteady,
  };
}

/** The fit with the smaller error. */
function closer(fit: Fit | null, other: Fit | null): Fit | null {
  return !fit || (other && other.estimate <= fit.estimate) ? other : fit;
}

/** Whether more values may tell more. */
function isOpen(analytic: number, { value, estimate }: Fit, goal: number): boolean {
  const off = Math.abs(analytic - value);
  return estimate > goal || (off > estimate && off <= 2 * APART_FROM_FIT * estimate);
}

/** The fewest and the most values of the fit of a single line, and how many fits of as many values it takes to be sure. */
const FEWEST_POINTS = 64;
const POINTS = 512;
const FITS = 10;
/** Fits of single lines may take this part of all other calls... */
const SHARE = 0.2;
/** ...but at least this many, or this many when each element counts. */
const LEAST_CALLS = 2e4;
const LEAST_WORK = 1e7;

/** Fits of single lines, which take no more than a share of all calls. */
export class Fits {
  readonly #sums: Sums;
  #calls = 0;

  constructor(sums: Sums) {
    this.#sums = sums;
  }

  /** How many values the fit of a line may have. */
  #points(): number {
    const { problem, calls } = this.#sums;
    const total = problem.variables.reduce((sum, { length }) => sum + length, 0);
    const least = Math.min(LEAST_CALLS, LEAST_WORK / total);
    const left = Math.max(SHARE * (calls - this.#calls), least) - this.#calls;
    return Math.min(POINTS, 2 ** Math.floor(Math.log2(Math.max(1, left / FITS))));
  }

  /** Makes a fit with as many values as there may be; `null` if these are too few. */
  afford(fit: (points: number) => Fitted | null): Fitted | null {
    const points = this.#points();
    if (points < FEWEST_POINTS) return null;
    const before = this.#sums.calls;
    const fitted = fit(points);
    this.#calls += this.#sums.calls - before;
    return fitted;
  }
}
