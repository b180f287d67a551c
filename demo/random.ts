/** Seeded random numbers. */

/**
 * A generator of uniform numbers in [0, 1) (a linear congruential generator with the constants of Numerical Recipes).
 */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Picks distinct elements of a list, or all of them if it is short. */
export function pick<T>(from: readonly T[], count: number, random: () => number): T[] {
  const pool = [...from];
  const picked: T[] = [];
  while (picked.length < count && pool.length > 0) picked.push(...pool.splice(Math.floor(random() * pool.length), 1));
  return picked;
}
