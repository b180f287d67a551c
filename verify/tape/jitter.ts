/**
 * How much rounding moves a result, measured: the kernels run again with a random error in place of each rounding (Parker,
 * "Monte Carlo Arithmetic", 1997). Unlike a bound from adjoints it asks no rule of differentiation.
 */
import type { BoundPlan } from "../../core/backends/float64.ts";

/** The size of a random error, relative to what is rounded: twice the largest that rounding makes. */
const SIZE = 2 ** -52;
/** How often the kernels run: the largest of this many deviations is rarely below half the usual one. */
const RUNS = 6;

const number = new Float64Array(1);
const bits = new Uint32Array(number.buffer);
let salt = 0;

/**
 * A random relative error of a rounding. It follows from the number that is rounded, as that of a real rounding does: what was equal stays
 * equal, and ties are not broken.
 */
export function jitter(x: number): number {
  number[0] = x;
  // Two rounds of a multiplicative hash; the sign of a number does not change the size of its error.
  let hash = Math.imul(bits[0] ^ salt, 0x9e3779b1) ^ Math.imul(bits[1] & 0x7fffffff, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
  return SIZE * ((hash ^ (hash >>> 13)) / 2 ** 31);
}

/** The largest deviations of results from `exact` over some runs. */
export function deviations(plan: Pick<BoundPlan, "run">, exact: readonly ArrayLike<number>[]): Float64Array[] {
  const largest = exact.map(({ length }) => new Float64Array(length));
  for (let run = 0; run < RUNS; run++) {
    // The same errors in each check, so that a check can be repeated.
    salt = Math.imul(run + 1, 0x27d4eb2f);
    plan.run().forEach((values, k) => {
      for (let i = 0; i < values.length; i++) {
        const off = Math.abs(values[i] - exact[k][i]);
        // A random error can leave the domain of a function: that is no measure.
        if (off > largest[k][i] && off < Infinity) largest[k][i] = off;
      }
    });
  }
  return largest;
}

/** The rounding noise of a gradient at a point. */
export class GradientNoise {
  /** The noise of each element of each variable. */
  readonly elements: readonly Float64Array[];

  constructor(jittered: BoundPlan, exact: readonly Float64Array[]) {
    this.elements = deviations(jittered, exact);
  }

  /** The noise of a weighted sum of the elements, if all were off in the same direction. */
  along(weights: readonly Float64Array[]): number {
    let sum = 0;
    for (let k = 0; k < this.elements.length; k++) {
      const noise = this.elements[k], own = weights[k];
      for (let i = 0; i < noise.length; i++) if (own[i] !== 0) sum += Math.abs(own[i]) * noise[i];
    }
    return sum;
  }
}
