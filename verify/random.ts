/** Seeded random numbers. */

/** A generator of random numbers in [0, 1) (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A random seed. */
export function anySeed(): number {
  return Math.floor(Math.random() * 0x80000000);
}

/**
 * Fills an array with signed numbers of different sizes between 0.5 and 1.5. A sum weighted with ones would hide terms
 * that cancel and rules that are right for 1 alone. The numbers have few bits, so that float32 represents them and
 * small multiples of them exactly.
 */
export function fillSigned(values: Float64Array, random: () => number): Float64Array {
  for (let i = 0; i < values.length; i++) {
    values[i] = (random() < 0.5 ? -1 : 1) * (0.5 + Math.floor(random() * 1024) / 1024);
  }
  return values;
}
