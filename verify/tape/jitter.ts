/**
 * How much rounding moves a result, measured: the kernels run again with a random error in place of each rounding (Parker,
 * "Monte Carlo Arithmetic", 1997). Unlike a bound from adjoints it asks no rule of differentiation.
 */
import type { BoundPlan } from "../../core/backends/float64.ts";
import { randomFrom } from "../random.ts";

/** The size of a random error, relative to what is rounded: twice the largest that rounding makes. */
const SIZE = 2 ** -52;
/** How often the kernels run: the largest of so many deviations is rarely below half the usual one. */
const RUNS = 6;

const SEED = 0x5eed;
let random = randomFrom(SEED);

/** A random relative error of a rounding. */
export function jitter(): number {
  return SIZE * (2 * random() - 1);
}

/** The largest deviations of results from `exact` over some runs. */
export function deviations(plan: Pick<BoundPlan, "run">, exact: readonly ArrayLike<number>[]): Float64Array[] {
  // The same errors in each check, so that a check can be repeated.
  random = randomFrom(SEED);
  const largest = exact.map(({ length }) => new Float64Array(length));
  for (let run = 0; run < RUNS; run++) {
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
  /** Of each element of each variable. */
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
