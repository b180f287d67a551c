/** Slopes on which several neighbouring steps agree. */
import { ANALYTIC_ROUNDINGS } from "./precision.ts";
import type { Ladder } from "./ladder.ts";

/** The value that slopes approach as steps get shorter. */
export interface Plateau {
  readonly value: number;
  readonly estimate: number;
  /** The shortest of its steps. */
  readonly step: number;
}

const NOTHING: Plateau = { value: NaN, estimate: Infinity, step: 0 };
/** Where the function is smooth, the gap between its one-sided slopes falls at least by this factor from step to step. */
export const CLOSES = 0.75;
/** A plateau is seen, if not decided, where its estimate is below this fraction of its value. */
const VISIBLE = 0.25;

/** A shorter step refutes a plateau by more than this many times its rounding, a shorter plateau by that many estimates. */
const REFUTES = 2;

/** Differences that fall by the factor of smooth functions but for this one do so as higher powers vanish. */
const SLOW = 2;

/** A slope as the steps of a ladder show it. */
export interface Slope {
  /** The best plateau that no shorter step contradicts. */
  readonly best: Plateau;
  /** The best one among those that are visible and that a shorter step contradicts. */
  readonly refuted: Plateau | null;
}

/** The gap between the one-sided slopes. */
function gapAt({ up, down }: Ladder, k: number): number {
  return Math.abs(up[k] - down[k]);
}

/** The plateau of three neighbouring steps; their errors are powers of the step from `order` on, in steps of `order`. */
function plateauAt(
  slopes: Float64Array,
  j: number,
  { ladder, epsilon, order }: Omit<Reader, "longest"> & { readonly order: 1 | 2 },
): Plateau | null {
  const [a, b, c] = [slopes[j - 2], slopes[j - 1], slopes[j]];
  if (!Number.isFinite(a + b + c)) return null;
  if (order === 2 && gapAt(ladder, j) > CLOSES * gapAt(ladder, j - 1) + ladder.noise[j]) return null;
  const factor = ladder.precision.ratio ** order;
  const coarse = (factor * b - a) / (factor - 1);
  const value = (factor * c - b) / (factor - 1);
  // The change by extrapolation, a part of what it removed, the remainder if slopes approach their value more slowly than
  // those of a smooth function, and the rounding that was magnified.
  const estimate = (order === 1 ? 2 : 1) * Math.abs(value - coarse) + Math.abs(c - b) / (order === 1 ? 20 : 50) +
    leftAfter([a, b, c], factor, ladder.noise[j]) +
    (order === 1 ? 3 : 2) * ladder.noise[j] + ANALYTIC_ROUNDINGS * epsilon * Math.abs(value);
  return { value, estimate, step: ladder.step[j] };
}

/**
 * How far slopes are from their limit if their differences go on to fall as they do (Aitken), as those of a power of the
 * step; 0 if they fall by the factor of smooth functions, or may be rounding.
 */
function leftAfter([a, b, c]: readonly [number, number, number], factor: number, noise: number): number {
  const [before, last] = [Math.abs(b - a), Math.abs(c - b)];
  if (last <= SLOW * before / factor || last >= before || last <= noise) return 0;
  return last * last / (before - last);
}

/** Whether a step shorter than those of the plateau at `j` excludes its value: between `low` and `high`, but for rounding. */
function isRefuted({ value, estimate }: Plateau, j: number, ladder: Ladder, sides: readonly Float64Array[]): boolean {
  for (let k = j + 1; k < ladder.length; k++) {
    let low = Infinity, high = -Infinity;
    for (const slopes of sides) {
      low = Math.min(low, slopes[k]);
      high = Math.max(high, slopes[k]);
    }
    const slack = REFUTES * ladder.noise[k] + estimate;
    if (value < low - slack || value > high + slack) return true;
  }
  return false;
}

/** How to read the slopes of a ladder. */
export interface Reader {
  readonly ladder: Ladder;
  readonly epsilon: number;
  /** The longest step of a plateau. */
  readonly longest: number;
}

function slopeOf(
  slopes: Float64Array,
  sides: readonly Float64Array[],
  { order, ...reader }: Reader & { readonly order: 1 | 2 },
): Slope {
  const { ladder, longest } = reader;
  const stands: Plateau[] = [];
  let best = NOTHING;
  let refuted: Plateau | null = null;
  // The shortest steps first: they have the last word.
  for (let j = ladder.length - 1; j >= 2; j--) {
    const plateau = ladder.step[j] <= longest ? plateauAt(slopes, j, { ...reader, order }) : null;
    if (!plateau) continue;
    const { value, estimate } = plateau;
    const isApart = (shorter: Plateau) => Math.abs(value - shorter.value) > REFUTES * (estimate + shorter.estimate);
    if (!stands.some(isApart) && !isRefuted(plateau, j, ladder, sides)) {
      stands.push(plateau);
      if (estimate < best.estimate) best = plateau;
    } else if (estimate <= VISIBLE * Math.abs(value) && estimate < (refuted?.estimate ?? Infinity)) refuted = plateau;
  }
  return { best, refuted };
}

/** The derivative if the function is smooth: central differences, whose errors are even powers of the step. */
export function centralSlope(reader: Reader): Slope {
  const { up, down, central } = reader.ladder;
  return slopeOf(central, [up, down], { ...reader, order: 2 });
}

/** The derivative to one side. */
export function sideSlope(reader: Reader, side: "up" | "down"): Slope {
  const slopes = reader.ladder[side];
  return slopeOf(slopes, [slopes], { ...reader, order: 1 });
}

/** For this many of the shortest steps, slopes that grow without bound must do so steadily. */
const STEADY = 8;

/**
 * Whether slopes to a side grow without bound as steps get shorter, and with which sign: as a negative power of the
 * step, or as its logarithm. A jump, whose slopes grow like the inverse of the step, does not count.
 */
export function divergence(ladder: Ladder, side: "up" | "down"): -1 | 0 | 1 {
  const slopes = ladder[side];
  const from = ladder.length - STEADY;
  if (from < 2) return 0;
  let previous = slopes[from - 1] - slopes[from - 2];
  const growth = (slopes[from] - slopes[from - 1]) / previous;
  if (!(growth > 0.98 && growth < 0.97 * ladder.precision.ratio)) return 0;
  for (let k = from; k < ladder.length; k++) {
    const increment = slopes[k] - slopes[k - 1];
    if (!(Math.abs(increment / previous - growth) <= 0.02 * growth)) return 0;
    if (!(Math.abs(increment) > ladder.rounding[k])) return 0;
    previous = increment;
  }
  return previous > 0 ? 1 : -1;
}
