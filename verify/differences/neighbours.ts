/**
 * Slopes at points around. Where a function has no derivative, its gradient may be that of a point nearby, or a mean of such (Clarke,
 * "Optimization and Nonsmooth Analysis", 1983, theorem 2.5.1), even if it lies outside the slopes that the point itself shows.
 */
import type { Line } from "./line.ts";
import type { Differences, Judged } from "./numeric.ts";
import { randomFrom } from "../random.ts";
import { ROUNDINGS, scaleOf, sizeOf } from "./precision.ts";

/** How far all elements move, the step that sees the slope there, both relative to elements, and by how much either is shortened. */
interface Distances {
  readonly nearby: number;
  readonly step: number;
  /** Kinks may be close together. */
  readonly nearer: readonly number[];
  /** Short enough to tell branches from a curve. */
  readonly branches: readonly number[];
}

const DOUBLE: Distances = {
  nearby: 2 ** -10,
  step: 2 ** -24,
  nearer: [1, 2 ** -10, 2 ** -20],
  branches: [1, 2 ** -5, 2 ** -10, 2 ** -15, 2 ** -20],
};
/** Rounding leaves little to see of points that are nearer. */
const SINGLE: Distances = { nearby: 2 ** -6, step: 2 ** -12, nearer: [1], branches: [8, 2, 1 / 2] };

/** At how many points of each distance slopes are taken, and at how many before it is known whether they are apart. */
const POINTS = 32;
const FIRST = 8;
/** From how many of them lines are followed. */
const FOLLOWED = 4;
/** Slopes with more rounding than this part of what they should tell do not count. */
const MUDDY = 0.1;
/** The slopes of a smooth function draw together as the points do; those of branches keep at least this part of their distance. */
const KEPT = 0.5;
/** Slopes that are less than this part of what is off apart do not explain it. */
const TELLING = 0.25;

/** A derivative along a line that the slopes of its point exclude. */
export interface Excluded extends Pick<Judged, "analytic" | "numeric" | "bend"> {
  /** Returns the line through the values where they are. */
  readonly lineHere: () => Line;
}

/** By how much a derivative lies outside the slopes on both sides of a line. */
export function outsideOf({ analytic, numeric, bend = 0 }: Pick<Judged, "analytic" | "numeric" | "bend">): number {
  return Math.max(0, Math.abs(analytic - numeric) - Math.abs(bend) / 2);
}

/** The slopes at some points. */
interface Around {
  readonly low: number;
  readonly high: number;
}

/** Where the points lie, and how much rounding their slopes may have. */
interface Where {
  readonly nearby: number;
  readonly step: number;
  readonly points: number;
  readonly most: number;
  /** Where the same number of points lies in the same directions, nearer or further. */
  readonly seed: number;
}

/**
 * How far elements move to a point, as a share of the largest move: at the first two in their order, up and down. Many functions take equal
 * numbers in their order, so that is where their gradients come from.
 */
function shareOf(point: number, n: number, count: number, random: () => number): number {
  return point < 2 ? (point === 0 ? 1 : -1) * (n + 1) / count : 2 * random() - 1;
}

/** The slope along a line over a part of it, and the rounding of that. */
interface Slope {
  readonly value: number;
  readonly noise: number;
}

/** A point on a line, and the change of the function up to there. */
interface Place {
  readonly t: number;
  readonly change: number;
  readonly mass: number;
}

function placeAt(differences: Differences, line: Line, t: number): Place {
  const moved = line.move(t);
  return { t: moved, change: differences.changeAt(line, moved), mass: differences.mass };
}

function slopeBetween({ problem }: Differences, a: Place, b: Place): Slope {
  const length = b.t - a.t;
  return {
    value: (b.change - a.change) / length,
    noise: 2 * ROUNDINGS * problem.epsilon * Math.max(a.mass, b.mass) / length,
  };
}

/** The steepest slope to be found on a line this far to either side, up or down: by halves, the steeper one each time. */
function steepest(
  differences: Differences,
  line: Line,
  { reach, step, sign }: { reach: number; step: number; sign: number },
): Slope {
  let from = placeAt(differences, line, -reach), to = placeAt(differences, line, reach);
  while (to.t - from.t > 4 * step) {
    const middle = placeAt(differences, line, (from.t + to.t) / 2);
    const below = slopeBetween(differences, from, middle), above = slopeBetween(differences, middle, to);
    if (sign * (above.value - below.value) > 0) from = middle;
    else to = middle;
  }
  return slopeBetween(differences, from, to);
}

/**
 * The slopes along a line at points around. From the first few of them the line is followed: among many equal numbers, the median moves with
 * one of them only while it passes the middle of the others.
 */
function slopesAround(
  differences: Differences,
  lineHere: () => Line,
  { nearby, step, points, most, seed }: Where,
): Around {
  const { problem } = differences;
  const { variables } = problem;
  const random = randomFrom(seed);
  const here = variables.map((values) => values.slice());
  const count = here.reduce((sum, { length }) => sum + length, 0);
  const { size } = lineHere();
  let low = Infinity, high = -Infinity;
  const see = ({ value, noise }: Slope) => {
    if (!(noise <= most)) return;
    low = Math.min(low, value - noise);
    high = Math.max(high, value + noise);
  };
  for (let point = 0; point < points; point++) {
    let n = 0;
    variables.forEach((values, k) => {
      const scale = scaleOf(here[k]);
      for (let i = 0; i < values.length; i++) {
        values[i] = problem.round(here[k][i] + nearby * shareOf(point, n++, count, random) * sizeOf(here[k][i], scale));
      }
    });
    const line = lineHere();
    see(slopeBetween(differences, placeAt(differences, line, -step * size), placeAt(differences, line, step * size)));
    if (point >= FOLLOWED) continue;
    for (const sign of [1, -1]) see(steepest(differences, line, { reach: nearby * size, step: step * size, sign }));
  }
  variables.forEach((values, k) => values.set(here[k]));
  return { low, high };
}

function seedFrom(random: () => number): number {
  return Math.floor(random() * 2 ** 31);
}

function distancesOf({ problem }: Differences): Distances {
  return problem.epsilon > 1e-10 ? SINGLE : DOUBLE;
}

/** Whether a number is between slopes at points this far away. */
function isBetween(x: number, { low, high }: Around, nearby: number): boolean {
  const slack = nearby * (Math.abs(low) + Math.abs(high));
  return x >= low - slack && x <= high + slack;
}

/**
 * Whether a derivative outside the one-sided slopes of a line with a kink is between the slopes at points around: several kinks may act at
 * once, each with a slope that is right by itself.
 */
export function isBetweenNeighbours(
  differences: Differences,
  { lineHere, analytic, bend = 0 }: Excluded,
  random: () => number,
): boolean {
  const { nearby, step, nearer } = distancesOf(differences);
  const seed = seedFrom(random);
  let low = Infinity, high = -Infinity;
  for (const part of nearer) {
    const where = { nearby: part * nearby, step: part * step, points: POINTS, most: MUDDY * Math.abs(bend), seed };
    const around = slopesAround(differences, lineHere, where);
    low = Math.min(low, around.low);
    high = Math.max(high, around.high);
  }
  return isBetween(analytic, { low, high }, nearby);
}

/** Whether a line looks the same from this far as it does at its point: beyond that, slopes of points around tell of something else. */
function looksTheSame(
  differences: Differences,
  { lineHere, numeric, bend = 0 }: Excluded,
  distance: number,
  most: number,
): boolean {
  const line = lineHere();
  const same = [1, -1].every((side) => {
    const { t, change } = placeAt(differences, line, side * distance * line.size);
    return Math.abs(change / t - (numeric + side * bend / 2)) <= most;
  });
  line.move(0);
  return same;
}

/**
 * Whether a derivative is between the slopes of branches that meet at the point, of which its line need not show any: among three equal
 * numbers, the median does not move with any one of them. Branches are told from a curve by slopes that stay apart as the points get nearer.
 */
export function isBetweenBranches(differences: Differences, excluded: Excluded, random: () => number): boolean {
  const { lineHere, analytic } = excluded;
  const off = outsideOf(excluded);
  if (!(off > 0 && off < Infinity)) return false;
  const { nearby, step, branches } = distancesOf(differences);
  const seed = seedFrom(random);
  let apart = 0, seen = 0, is = false;
  for (const part of branches) {
    const distance = part * nearby;
    if (!looksTheSame(differences, excluded, distance, TELLING * off)) continue;
    const where = { nearby: distance, step: part * step, most: MUDDY * Math.max(off, apart), seed };
    const first = slopesAround(differences, lineHere, { ...where, points: FIRST });
    // Nearer points only have more rounding.
    if (first.low > first.high) break;
    const spread = first.high - first.low;
    if (spread < TELLING * off || spread < KEPT * apart) return false;
    // Rounding that is not that of the values grows as steps get shorter.
    if (seen > 0 && spread * KEPT > apart) break;
    apart = spread;
    seen++;
    const all = slopesAround(differences, lineHere, { ...where, most: MUDDY * off, points: POINTS });
    if (all.low <= all.high) is = isBetween(analytic, all, distance);
  }
  // One distance alone tells nothing.
  return is && seen > 1;
}
