/** How long a call takes that waits for nothing. */

/** Clocks are coarse: a call is repeated until this many milliseconds have passed. */
const LONG_ENOUGH = 1;
/** The number of repetitions. The shortest counts: the others were interrupted or not yet optimised. */
const TIMES = 3;

/** Returns the milliseconds of a call. */
export function millisecondsOf(call: () => void): number {
  let best = Infinity;
  for (let i = 0; i < TIMES; i++) {
    for (let repeats = 1;; repeats *= 2) {
      const start = performance.now();
      for (let k = 0; k < repeats; k++) call();
      const elapsed = performance.now() - start;
      if (elapsed < LONG_ENOUGH) continue;
      best = Math.min(best, elapsed / repeats);
      break;
    }
  }
  return best;
}
