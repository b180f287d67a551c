/**
 * The branches of a function that meet at a point: its ties and its decisions taken as they are at points next to it. The derivatives of
 * the branches, and their means, are all that a gradient can be where there is no derivative (Clarke, "Optimization and Nonsmooth
 * Analysis", 1983, theorem 2.5.1).
 */
import { sameValues } from "../arrays.ts";
import { sign, sizesOf } from "./directions.ts";
import type { Direction, Duals, Slope } from "./duals.ts";
import type { TapeProblem } from "./problem.ts";

/** How far away the points are, relative to the size of an element: only what lies on its edge is decided differently there. */
const NEAR = 2 ** -36;
/** How much less the elements move that hardly do. */
const STILL = 2 ** -8;
/** At how many points decisions are taken that are combined. */
const POINTS = 8;

/** The slopes of branches along a direction. */
export interface Spread {
  readonly low: number;
  readonly high: number;
}

type Decisions = readonly Float64Array[];

function collect(tries: number, enough: (spread: Spread) => boolean, slopeOf: (n: number) => number): Spread {
  let low = Infinity, high = -Infinity;
  for (let n = 0; n < tries && !enough({ low, high }); n++) {
    const slope = slopeOf(n);
    low = Math.min(low, slope);
    high = Math.max(high, slope);
  }
  return { low, high };
}

/** The branches that meet at the point of the problem's last `settle`. */
export class Branches {
  readonly #problem: TapeProblem;
  readonly #duals: Duals;
  readonly #random: () => number;
  /** Computed on first use. */
  #sizes: Direction | null = null;

  constructor(problem: TapeProblem, duals: Duals, random: () => number) {
    this.#problem = problem;
    this.#duals = duals;
    this.#random = random;
  }

  get #ownSizes(): Direction {
    return this.#sizes ??= sizesOf(this.#problem.variables);
  }

  /** The decisions that are taken at a point nearby. */
  #decisions(towards: Direction): Decisions {
    let near = Infinity;
    const sizes = this.#ownSizes;
    towards.forEach((moves, k) =>
      moves.forEach((by, i) => by !== 0 && (near = Math.min(near, NEAR * sizes[k][i] / Math.abs(by))))
    );
    return this.#problem.decisionsAfter(towards.map((moves) => moves.map((by) => (by === 0 ? 0 : near * by))));
  }

  /** The slope along a direction on the branch that lies towards another one. */
  slope(towards: Direction, direction: Direction, decisions = this.#decisions(towards)): Slope {
    return this.#problem.deciding(decisions, () => this.#duals.branch(towards, direction));
  }

  /** The slopes on both sides, with ties and decisions taken as they are there. */
  sides(direction: Direction): readonly [behind: Slope, ahead: Slope] {
    const opposite = direction.map((moves) => moves.map((by) => -by));
    return [this.slope(opposite, direction), this.slope(direction, direction)];
  }

  /** Collects the slopes of branches along a direction until they are enough, or this many were tried. */
  spread(direction: Direction, tries: number, enough: (spread: Spread) => boolean): Spread {
    return collect(tries, enough, (n) => this.slope(this.#towards(direction, n), direction).value);
  }

  /**
   * The same with ties and decisions taken each by itself, so that they need not lead to any point; but each is taken as it is at some
   * point nearby.
   */
  spreadApart(direction: Direction, tries: number, enough: (spread: Spread) => boolean): Spread {
    const points = Array.from({ length: POINTS }, (_, n) => this.#decisions(this.#towards(direction, n)));
    const here = this.#problem.decisions.map((values) => values.slice());
    const possible = here.map((values, k) => points.some((decisions) => sameValues(decisions[k], values)));
    return collect(tries, enough, (n) => {
      const decisions = here.map((values, k) =>
        possible[k] && (n % 2 === 0 || this.#random() < 0.5) ? values : points[Math.floor(this.#random() * POINTS)][k]
      );
      // All as the first operand, all as the second, and shares of them: that is how rules go.
      const share = n < 2 ? n : this.#random();
      return this.#problem.deciding(decisions, () => this.#duals.apart(direction, share, this.#random)).value;
    });
  }

  /** A random direction, in which each element moves by its own size. */
  random(): Direction {
    return this.#moves(() => sign(this.#random) * (0.5 + this.#random()));
  }

  #moves(by: (k: number, i: number) => number): Float64Array[] {
    return this.#ownSizes.map((sizes, k) => sizes.map((size, i) => size * by(k, i)));
  }

  /**
   * The way to the branch that is tried as the n-th: first where the gradients of frameworks come from, which take equal numbers in order;
   * then at random, with the elements of the direction moving first, last or together with the others.
   */
  #towards(direction: Direction, n: number): Direction {
    const count = direction.reduce((sum, { length }) => sum + length, 0);
    if (n < 2) {
      let at = 0;
      return this.#moves(() => (n === 0 ? 1 : -1) * ++at / count);
    }
    const share = (moves: boolean) => (n % 3 === 0 || (n % 3 === 1) === moves ? 1 : STILL);
    return this.#moves((k, i) => sign(this.#random) * (0.5 + this.#random()) * share(direction[k][i] !== 0));
  }
}
