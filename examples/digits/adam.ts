/** Adam (Kingma and Ba, 2015, arXiv:1412.6980), on arrays: all that it remembers can be stored and read back. */

/** What Adam remembers: for each array of the weights, running means of the gradient and of its square. */
export interface Moments {
  readonly first: readonly Float32Array[];
  readonly second: readonly Float32Array[];
}

const DECAY = { first: 0.9, second: 0.999 };
const EPSILON = 1e-8;

/** Moments to begin with. */
export function noMoments(weights: readonly Float32Array[]): Moments {
  const zeros = () => weights.map((w) => new Float32Array(w.length));
  return { first: zeros(), second: zeros() };
}

/** One step of Adam, in place. */
export function adamStep(
  weights: readonly Float32Array[],
  gradients: readonly Float32Array[],
  { first, second }: Moments,
  { step, rate }: { readonly step: number; readonly rate: number },
): void {
  const bias = { first: 1 - DECAY.first ** (step + 1), second: 1 - DECAY.second ** (step + 1) };
  weights.forEach((w, k) => {
    const [g, m, v] = [gradients[k], first[k], second[k]];
    for (let i = 0; i < w.length; i++) {
      m[i] = DECAY.first * m[i] + (1 - DECAY.first) * g[i];
      v[i] = DECAY.second * v[i] + (1 - DECAY.second) * g[i] * g[i];
      w[i] -= rate * (m[i] / bias.first) / (Math.sqrt(v[i] / bias.second) + EPSILON);
    }
  });
}

/** Scales gradients in place so that their norm, over all arrays, is at most `most`. Returns the norm before. */
export function clipNorm(gradients: readonly Float32Array[], most: number): number {
  let squares = 0;
  for (const g of gradients) for (let i = 0; i < g.length; i++) squares += g[i] * g[i];
  const norm = Math.sqrt(squares);
  if (norm > most) { for (const g of gradients) for (let i = 0; i < g.length; i++) g[i] *= most / norm; }
  return norm;
}
