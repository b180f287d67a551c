/** Reading a ladder: from the slopes to a verdict. */
import type { Verdict } from "../report/report.ts";
import { jumpBeside, jumpFarAway, natureOf } from "./jump.ts";
import type { Ladder } from "./ladder.ts";
import type { Line } from "./line.ts";
import { centralSlope, divergence, type Plateau, type Reader, sideSlope } from "./plateau.ts";
import { ROUNDINGS } from "./precision.ts";
import type { Judged } from "./problem.ts";
import type { Sums } from "./sums.ts";

/** A derivative is wrong if it is off by this many estimates; up to one, it agrees. */
export const APART = 4;
/** A gap between the one-sided slopes must exceed their estimates by this factor to be a kink. */
const GAP = 8;

/** The derivative as a ladder shows it: it lies between `low` and `high`, up to `estimate`. */
export interface Reading {
  readonly low: number;
  readonly high: number;
  readonly estimate: number;
  /** By how much the slope increases from below to above, where that is more than nothing. */
  readonly bend: number;
  /** The slopes that the shortest steps see to either side. */
  readonly up: Plateau;
  readonly down: Plateau;
  /** Whether longer steps clearly see another derivative. */
  readonly contradicted: boolean;
  /** Whether the function is not finite on one side, or on both. */
  readonly edge: boolean;
  readonly infinite: boolean;
}

/** Whether the function is finite on a side, however short the step. */
function reaches(slopes: Float64Array, { length }: Ladder): boolean {
  for (let k = Math.max(0, length - 3); k < length; k++) if (!Number.isFinite(slopes[k])) return false;
  return length > 0;
}

/** The derivative if the slope to one side, or to both, grows without bound; `null` otherwise. */
function unbounded(ladder: Ladder, up: Plateau, down: Plateau): Reading | null {
  const [above, below] = [divergence(ladder, "up"), divergence(ladder, "down")];
  if (above === 0 && below === 0) return null;
  const ends = [
    above !== 0 ? above * Infinity : reaches(ladder.up, ladder) ? up.value : below * Infinity,
    below !== 0 ? below * Infinity : reaches(ladder.down, ladder) ? down.value : above * Infinity,
  ];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const estimate = above === 0 ? up.estimate : below === 0 ? down.estimate : 0;
  const edge = !reaches(ladder.up, ladder) || !reaches(ladder.down, ladder);
  return { low, high, estimate, bend: ends[0] - ends[1] || 0, up, down, contradicted: false, edge, infinite: true };
}

/** Reads the derivative off the ladder. */
export function read(reader: Reader): Reading {
  const { ladder } = reader;
  const above = sideSlope(reader, "up");
  const below = sideSlope(reader, "down");
  const [up, down] = [above.best, below.best];
  const infinite = unbounded(ladder, up, down);
  if (infinite) return infinite;
  const [isAbove, isBelow] = [reaches(ladder.up, ladder), reaches(ladder.down, ladder)];
  if (!isAbove || !isBelow) {
    const side = isAbove ? above : isBelow ? below : null;
    const { value, estimate } = side?.best ?? { value: NaN, estimate: Infinity };
    const contradicted = side !== null && side.refuted !== null;
    return { low: value, high: value, estimate, bend: 0, up, down, contradicted, edge: true, infinite: false };
  }
  if (Math.abs(up.value - down.value) > GAP * (up.estimate + down.estimate)) {
    return {
      low: Math.min(up.value, down.value),
      high: Math.max(up.value, down.value),
      estimate: Math.max(up.estimate, down.estimate),
      bend: up.value - down.value,
      up,
      down,
      contradicted: above.refuted !== null || below.refuted !== null,
      edge: false,
      infinite: false,
    };
  }
  const { best, refuted } = centralSlope(reader);
  return {
    low: best.value,
    high: best.value,
    estimate: best.estimate,
    bend: 0,
    up: best,
    down: best,
    contradicted: refuted !== null && Math.abs(refuted.value - best.value) > refuted.estimate + best.estimate,
    edge: false,
    infinite: false,
  };
}

/** The distance of a number from an interval; NaN for NaN. */
export function distanceFrom(x: number, low: number, high: number): number {
  return x >= low && x <= high ? 0 : x < low ? low - x : x - high;
}

/** A ladder read until its staircases are accounted for. */
export interface FullReading {
  readonly reading: Reading;
  /** The same from steps no longer than the element, or than 1: others may see nothing of what is near. */
  readonly near: Reading;
  /** The readings before rounding was found to be larger, which may be the derivative after all. */
  readonly others: readonly Reading[];
  /** Whether the steps of a staircase are so fine that they can only be rounding. */
  readonly rounded: boolean;
}

/** The most times that a larger rounding is looked for. */
const ROUNDS = 3;

/** The longest step that is near: the element's own size, or 1, on the scale of which functions of tiny numbers change. */
function nearBy({ grain, size }: Line): number {
  return grain === 0 ? 1 : Math.max(size, 1);
}

/** Reads a ladder. Where short and long steps contradict each other, looks for the jumps of a staircase. */
export function readFully(line: Line, sums: Sums, ladder: Ladder, analytic: number): FullReading {
  const { epsilon } = sums.problem;
  const others: Reading[] = [];
  let rounded = true;
  let reading = read({ ladder, epsilon, longest: Infinity });
  for (let round = 0; round < ROUNDS && !ladder.known && !reading.infinite; round++) {
    const isOff = distanceFrom(analytic, reading.low, reading.high) > reading.estimate;
    if (!(reading.contradicted || isOff)) break;
    const surroundings = {
      values: contribution(ladder),
      size: line.grain === 0 ? 0 : line.size,
      total: sums.total,
      epsilon,
    };
    const jump = largestJump(jumpBeside, line, sums, { ladder, reading });
    const nature = natureOf(jump, surroundings);
    if (jump === 0 || nature === "own") break;
    rounded &&= nature === "rounding";
    others.push(reading);
    ladder.raise(2 * jump);
    reading = read({ ladder, epsilon, longest: Infinity });
  }
  const longest = nearBy(line);
  const near = ladder.length > 0 && ladder.step[0] > longest ? read({ ladder, epsilon, longest }) : reading;
  return { reading, near, others, rounded };
}

/** The largest jump along a line that can only be rounding, as far as bisection from a few steps tells; 0 if there is none. */
export function roundingAlong(line: Line, sums: Sums, ladder: Ladder): number {
  const { epsilon } = sums.problem;
  const reading = read({ ladder, epsilon, longest: Infinity });
  const surroundings = { values: contribution(ladder), size: line.size, total: sums.total, epsilon };
  let largest = 0;
  for (const find of [jumpBeside, jumpFarAway]) {
    const jump = largestJump(find, line, sums, { ladder, reading });
    if (natureOf(jump, surroundings) === "rounding") largest = Math.max(largest, jump);
  }
  return largest;
}

/** The larger of the jumps to both sides. */
function largestJump(
  find: typeof jumpBeside,
  line: Line,
  sums: Sums,
  { ladder, reading }: { ladder: Ladder; reading: Reading },
): number {
  let largest = 0;
  for (const side of ["up", "down"] as const) {
    const { value: slope, estimate } = reading[side];
    if (Number.isFinite(slope)) largest = Math.max(largest, find(line, sums, ladder, { side, slope, estimate }));
  }
  return largest;
}

/** By how much the sum changes if the values are moved by their own size, as far as the longest step tells. */
function contribution({ up, down, step, precision, length }: Ladder): number {
  for (let k = 0; k < length; k++) {
    const slope = Math.max(Math.abs(up[k]), Math.abs(down[k]));
    if (Number.isFinite(slope)) return slope * step[k] * precision.ratio;
  }
  return 0;
}

/** Whether an estimate is small enough to confirm a derivative. */
export type Decides = (estimate: number) => boolean;

/** Whether a derivative is off by many estimates. */
function isFar(analytic: number, { low, high, estimate }: Reading): boolean {
  return !(distanceFrom(analytic, low, high) <= APART * estimate);
}

/** The verdict where the slopes grow without bound: there is no finite derivative to compare with. */
function atInfinity(analytic: number, reading: Reading): Verdict {
  const { low, high, edge } = reading;
  if (low === high) return analytic === -low ? "wrong" : edge ? "noise" : "kink";
  // A cusp takes any value.
  return isFar(analytic, reading) ? "wrong" : "kink";
}

/**
 * Whether a step shorter than those of a reading sees a derivative rather than the reading, if rounding is no more than
 * it seems: that may be an oscillation that shorter steps cannot resolve.
 */
function isSupported(analytic: number, { low, high, estimate, up, down }: Reading, ladder: Ladder): boolean {
  const shortest = Math.max(up.step, down.step);
  for (let k = 0; k < ladder.length; k++) {
    // A step that changes nothing may have been swallowed by rounding.
    if (!(ladder.step[k] < shortest) || (ladder.up[k] === 0 && ladder.down[k] === 0)) continue;
    const noise = ladder.rounding[k] / ROUNDINGS + ladder.seen / ladder.step[k];
    const ends = [Math.min(ladder.up[k], ladder.down[k]), Math.max(ladder.up[k], ladder.down[k])] as const;
    const excludes = ends[0] > high + estimate + noise || ends[1] < low - estimate - noise;
    if (excludes && APART * noise < distanceFrom(analytic, low, high) && distanceFrom(analytic, ...ends) <= noise) {
      return true;
    }
  }
  return false;
}

/** A verdict, and by how much a derivative is wrong: errors of its own that are larger would explain it. */
export interface Found {
  readonly verdict: Verdict;
  readonly off: number;
}

/** The verdict on a derivative from what a ladder says. */
export function verdictOf(
  analytic: number,
  { reading, near, others, rounded }: FullReading,
  { ladder, decides, line }: { ladder: Ladder; decides: Decides; line: Line },
): Found {
  const { low, high, estimate, bend, infinite } = reading;
  const found = (verdict: Verdict, off = Infinity): Found => ({
    verdict: verdict === "wrong" && (ladder.isDrowned(analytic) || isSupported(analytic, near, ladder))
      ? "noise"
      : verdict,
    off,
  });
  if (infinite) return found(atInfinity(analytic, reading));
  // Where several elements move, kinks of opposite sense may act at once, and their gradients add up to anything.
  if (bend !== 0 && (line.moving === "several" || !isFar(analytic, reading))) return found("kink");
  if (bend === 0 && Math.abs(analytic - low) <= estimate) return found(rounded && decides(estimate) ? "ok" : "noise");
  const all = [reading, near, ...others];
  if (Number.isFinite(near.low + near.high + near.estimate) && all.every((r) => isFar(analytic, r))) {
    return found("wrong", distanceFrom(analytic, low, high) - APART * estimate);
  }
  return found("noise");
}

/** A derivative as judged from what a ladder says. */
export function judgedOf(analytic: number, { reading, others }: FullReading, verdict: Verdict): Judged {
  const { low, high, estimate, bend, edge, infinite } = reading;
  const mark = others.length > 0 ? "staircase" : infinite ? "infinite" : edge ? "edge" : undefined;
  const half = (high - low) / 2;
  const isBounded = Number.isFinite(half);
  return {
    analytic,
    // At the end of a domain there is no derivative, not even an infinite one.
    numeric: infinite && edge ? NaN : isBounded ? low + half : Number.isFinite(low) ? high : low,
    estimate: isBounded ? half + estimate : estimate,
    verdict,
    ...(mark ? { mark } : {}),
    ...(bend !== 0 ? { bend } : {}),
  };
}
