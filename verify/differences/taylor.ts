/** The Taylor test: the remainder of the first-order expansion falls with the square of the step. */
import type { Finding } from "../report/report.ts";
import type { Line } from "./line.ts";
import type { Differences } from "./numeric.ts";

/** Steps of the test, relative to each element. */
const STEPS = [2 ** -5, 2 ** -6, 2 ** -7, 2 ** -8];
/** A remainder must exceed rounding by this factor to show its rate. */
const CLEAR = 64;
/** The power of the step from which on the remainder falls fast enough. */
const FAST_ENOUGH = 1.5;

/**
 * The power of the step with which the remainder of the first-order Taylor expansion falls; `null` if the remainder is
 * only rounding.
 */
export function taylorRate(differences: Differences, line: Line): number | null {
  const slope = line.along(differences.analytic);
  const { epsilon } = differences.problem;
  const rates: number[] = [];
  let previous: number | null = null;
  for (const t of STEPS) {
    const remainder = Math.abs(differences.changeAt(line, t) - t * slope);
    const clear = remainder > CLEAR * epsilon * (differences.mass + Math.abs(t * slope));
    if (previous !== null && clear) rates.push(Math.log2(previous / remainder));
    previous = clear ? remainder : null;
  }
  line.move(0);
  // Short steps are more telling than long ones.
  const last = rates.at(-1);
  return last === undefined || !rates.every(Number.isFinite) ? null : last;
}

/** Whether the remainder falls too slowly for a right gradient of a smooth function. */
export function isTooSlow(rate: number | null): boolean {
  return rate !== null && rate < FAST_ENOUGH;
}

/** Returns the finding of the test. */
export function taylorFinding(rate: number, wrong: boolean): Finding {
  const failed = isTooSlow(rate);
  const found = `the remainder of the first-order Taylor expansion falls with the power ${rate.toFixed(2)} of the step`;
  const hint = wrong ? "" : "; a nearby kink has the same effect";
  return {
    check: "taylor",
    severity: !failed ? "info" : wrong ? "error" : "warning",
    message: failed ? `${found}, that of a right gradient falls with the power 2${hint}` : found,
  };
}
