/** One-sided slopes at shorter and shorter steps, and where they lead. */

/** The limit of the slopes on one side of a point. */
export type Limit =
  | { readonly kind: "finite"; readonly value: number; readonly error: number }
  /** They grow without limit, but the function is continuous. */
  | { readonly kind: "infinite"; readonly value: number }
  /** The function jumps. */
  | { readonly kind: "jump" }
  /** The function is not finite there. */
  | { readonly kind: "outside" }
  | { readonly kind: "unknown" };

/** The ratio between steps, and how many there are. */
const RATIO = 4;
const STEPS = 18;
const FIRST = 2 ** -6;
/** Slopes must agree to this fraction of themselves. */
const AGREE = 1e-3;
/** How many rounding errors of the terms a change may hold. */
const ROUNDINGS = 16;

/** A change of a function, and the size of the terms that it is the difference of. */
export interface Change {
  readonly by: number;
  readonly mass: number;
}

/**
 * Follows the slopes of a function on one side of a point.
 *
 * @param changeAt the change of the function after a move by a signed distance.
 * @param size the unit of the steps; a negative one looks at the other side.
 */
export function limitOf(changeAt: (distance: number) => Change, size: number): Limit {
  const slopes: { slope: number; change: number; noise: number }[] = [];
  for (let j = 0, step = FIRST * size; j < STEPS; j++, step /= RATIO) {
    const { by, mass } = changeAt(step);
    if (!Number.isFinite(by)) {
      // Only far from the point, perhaps.
      slopes.length = 0;
      continue;
    }
    slopes.push({ slope: by / step, change: Math.abs(by), noise: ROUNDINGS * 2 ** -52 * mass / Math.abs(step) });
  }
  if (slopes.length < 4) return { kind: "outside" };
  return diverging(slopes) ?? settled(slopes) ?? { kind: "unknown" };
}

type Slopes = readonly { readonly slope: number; readonly change: number; readonly noise: number }[];

/** Whether the slopes keep growing: with the change left as it is (a jump), or with a change that falls more slowly than the step. */
function diverging(slopes: Slopes): Limit | null {
  const clear = slopes.filter(({ slope, noise }) => Math.abs(slope) > ROUNDINGS * noise);
  const last = clear.slice(-6);
  if (last.length < 4) return null;
  const growth = last.slice(1).map(({ slope }, i) => slope / last[i].slope);
  if (growth.every((g) => g > RATIO * 0.98 && g < RATIO * 1.02)) return { kind: "jump" };
  if (growth.every((g) => g > 1.2 && g < RATIO * 0.98)) {
    return { kind: "infinite", value: last[0].slope > 0 ? Infinity : -Infinity };
  }
  return null;
}

/** The value on which neighbouring slopes agree best, and that no shorter step contradicts. */
function settled(slopes: Slopes): Limit | null {
  // If the function is flat at every step, no slopes can agree; the noise of the longest step bounds the slope.
  if (slopes.every(({ change }) => change === 0)) {
    return { kind: "finite", value: 0, error: slopes[0].noise };
  }
  const usual = Math.max(...slopes.map(({ slope }) => Math.abs(slope)));
  const found = slopes.slice(1).map((b, j) => {
    const a = slopes[j];
    // A smooth function's slopes approach their limit by a step's share: extrapolate.
    const value = b.slope + (b.slope - a.slope) / (RATIO - 1);
    return { value, error: Math.abs(b.slope - a.slope) + a.noise + b.noise, at: j + 1 };
  });
  const firm = found.filter(({ value, error }) => error <= Math.max(AGREE * Math.abs(value), 1e-6 * usual));
  firm.sort((a, b) => a.error - b.error);
  const best = firm.find(({ value, error, at }) =>
    slopes.slice(at + 1).every(({ slope, noise }) => Math.abs(slope - value) <= 2 * error + 2 * noise)
  );
  return best ? { kind: "finite", value: best.value, error: best.error } : null;
}
