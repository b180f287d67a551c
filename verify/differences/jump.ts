/** Jumps of a function beside a point: where it is a staircase, slopes say one thing between the steps and another across them. */
import type { Ladder } from "./ladder.ts";
import type { Line } from "./line.ts";
import { ROUNDINGS } from "./precision.ts";
import type { Sums } from "./sums.ts";

/** The final interval, in units of the distance between neighbouring numbers. */
const FINAL = 4;
/** A change is a jump if an interval this much longer holds at most twice as much of it. */
const WIDER = 16;

/**
 * The size of the jump that makes the slope to a side differ from the one that shorter steps see; 0 if the function
 * gets from the one to the other without a jump.
 */
export function jumpBeside(line: Line, sums: Sums, ladder: Ladder, seen: Seen): number {
  const k = shortestContradiction(ladder, seen);
  return k < 0 ? 0 : jumpWithin(line, sums, seen.side === "up" ? ladder.step[k] : -ladder.step[k], seen.slope);
}

/** The slope that the shortest steps to a side see, and its error. */
export interface Seen {
  readonly side: "up" | "down";
  readonly slope: number;
  readonly estimate: number;
}

/** The largest jump, as far as bisection tells, by which the function leaves a slope between here and a step; or 0. */
export function jumpWithin(line: Line, sums: Sums, step: number, slope: number): number {
  const { epsilon } = sums.problem;
  const limit = FINAL * Math.max(line.grain, epsilon * Math.abs(step));
  const excess = (t: number) => {
    const moved = line.move(t);
    return sums.change() - slope * moved;
  };
  let [from, to] = [0, step];
  let [low, high] = [0, excess(to)];
  let rounding = ROUNDINGS * epsilon * sums.mass;
  /** The changes within the intervals so far, the shortest last. */
  const held = [Math.abs(high)];
  while (Math.abs(to - from) > limit) {
    const middle = (from + to) / 2;
    const here = excess(middle);
    rounding = Math.max(rounding, ROUNDINGS * epsilon * sums.mass);
    if (Math.abs(here - low) > Math.abs(high - here)) [to, high] = [middle, here];
    else [from, low] = [middle, here];
    held.push(Math.abs(high - low));
  }
  line.move(0);
  const size = held[held.length - 1];
  const wider = held[Math.max(0, held.length - 1 - Math.log2(WIDER))];
  return size > rounding && size >= wider / 2 ? size : 0;
}

/** How far from the point the outputs first change, on the way to a step that changes them, and by how much. */
export function firstChange(line: Line, sums: Sums, step: number): { distance: number; change: number } {
  const limit = FINAL * Math.max(line.grain, sums.problem.epsilon * Math.abs(step));
  let [from, to] = [0, step];
  let change = sums.changeAt(line, to);
  while (Math.abs(to - from) > limit) {
    const middle = (from + to) / 2;
    sums.changed = false;
    const here = sums.changeAt(line, middle);
    if (sums.changed) [to, change] = [middle, here];
    else from = middle;
  }
  line.move(0);
  return { distance: Math.abs(to), change: Math.abs(change) };
}

/**
 * The shortest step that sees another slope, beyond rounding and beyond what the function curves by; -1 if none does.
 */
function shortestContradiction(ladder: Ladder, { side, slope, estimate }: Seen): number {
  const slopes = ladder[side];
  let before = 0;
  for (let k = ladder.length - 1; k >= 0; k--) {
    const deviation = Math.abs(slopes[k] - slope);
    if (!Number.isFinite(deviation)) continue;
    if (deviation > ladder.noise[k] + estimate + ladder.precision.ratio ** 2 * before) return k;
    before = deviation;
  }
  return -1;
}

/** The longest step to a side at which the function is finite; 0 if there is none. */
function longestStep({ up, down, step, length }: Ladder, side: Seen["side"]): number {
  const slopes = side === "up" ? up : down;
  for (let k = 0; k < length; k++) if (Number.isFinite(slopes[k])) return side === "up" ? step[k] : -step[k];
  return 0;
}

/** The largest jump to a side, as far as bisection tells, by which the function leaves a slope up to the longest step. */
export function jumpFarAway(line: Line, sums: Sums, ladder: Ladder, { side, slope }: Seen): number {
  const step = longestStep(ladder, side);
  return step === 0 ? 0 : jumpWithin(line, sums, step, slope);
}

/** The surroundings of a jump. */
export interface Surroundings {
  /** The size of the values that the element contributes. */
  readonly values: number;
  /** The size of the element. */
  readonly size: number;
  /** The size of all values. */
  readonly total: number;
  readonly epsilon: number;
}

/**
 * The possible causes of a jump of this size: a step of the function itself (`own`), which is flat between its steps, or the
 * rounding of numbers that are larger than what is left of them (`rounding`); or either (`unclear`).
 */
export function natureOf(jump: number, surroundings: Surroundings): "own" | "rounding" | "unclear" {
  const { values, size, epsilon } = surroundings;
  // A step that is rounding comes from numbers 1 / epsilon times as large: where it is not small beside the values, more
  // digits are lost than one would work with. But a step many times as wide as its element was swallowed, rather.
  if (jump >= (epsilon > 1e-10 ? OWN_SINGLE : OWN) * Math.max(1, values)) {
    return jump <= SWALLOWED * Math.max(1, size, values) ? "own" : "unclear";
  }
  return jump <= largestRounding(surroundings) ? "rounding" : "unclear";
}
const OWN = 1e-3;
const OWN_SINGLE = 0.25;
const SWALLOWED = 4;

/** The largest jump that can only be rounding: no function has so fine steps. */
function largestRounding({ values, total }: Surroundings): number {
  return 2 ** -20 * Math.max(1, values, total);
}
