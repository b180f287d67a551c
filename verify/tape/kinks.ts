/**
 * Kinks: points at which operands of a maximum, a minimum or an absolute value tie. Dual numbers give the slopes on both sides exactly,
 * and an interval that holds the derivative however each tie is taken.
 */
import type { Direction, Duals, Slope } from "./duals.ts";
import { ROUNDING, tolerance } from "./judge.ts";
import { involved, type Position, restricted } from "./search.ts";

/** One-sided slopes must differ by this fraction of their terms to count, unless rounding is worse. */
const APART = 1e-9;
const NOISES = 16;
/** Random directions along which tied elements move together. */
const DIRECTIONS = 8;
/** The most elements that move together in one of them. */
const TOGETHER = 4;

/** A point at which ties matter. */
export class Kinks {
  readonly #duals: Duals;
  readonly #direction: Direction;
  readonly #analytic: readonly Float64Array[];
  #matter: boolean | null = null;

  /**
   * @param direction moves each element by an amount that makes its share visible.
   * @param analytic the gradient on the tape.
   */
  constructor(duals: Duals, direction: Direction, analytic: readonly Float64Array[]) {
    this.#duals = duals;
    this.#direction = direction;
    this.#analytic = analytic;
  }

  /** Whether the slopes on both sides seem to differ: rounding, which takes longer to measure, may still explain it. */
  #seemApart([behind, ahead]: readonly [Slope, Slope]): boolean {
    return Math.abs(ahead.value - behind.value) > APART * (ahead.size + behind.size);
  }

  /** The slopes on both sides along a direction; `null` if they are the same. */
  sides(direction: Direction): readonly [behind: Slope, ahead: Slope] | null {
    const sides = this.#duals.oneSided(direction);
    if (!this.#seemApart(sides)) return null;
    const [behind, ahead] = sides;
    const gap = Math.abs(ahead.value - behind.value);
    return gap > APART * (ahead.size + behind.size) + NOISES * this.#duals.noise(direction) ? sides : null;
  }

  /** Whether ties make any difference to the derivative. */
  get matter(): boolean {
    return this.#matter ??= this.#duals.hasTies && this.sides(this.#direction) !== null;
  }

  /** The elements that lie on a kink, at most `limit`. */
  elements(limit: number): Position[] {
    if (!this.matter) return [];
    return involved(this.#direction, (group) => {
      const direction = restricted(this.#direction, group);
      return group.to - group.from > 1
        ? this.#seemApart(this.#duals.oneSided(direction))
        : this.sides(direction) !== null;
    }, limit);
  }

  /** The sum of the gradient along a direction. */
  #along(direction: Direction): { value: number; size: number } {
    let value = 0, size = 0;
    this.#analytic.forEach((gradient, k) => {
      for (let i = 0; i < gradient.length; i++) {
        if (direction[k][i] === 0) continue;
        value += gradient[i] * direction[k][i];
        size += Math.abs(gradient[i] * direction[k][i]);
      }
    });
    return { value, size };
  }

  /** Whether the gradient along a direction is that of some way of taking the ties, to rounding; with the two ends. */
  holds(direction: Direction): { holds: boolean; value: number; low: number; high: number } {
    const { low, high, size } = this.#duals.hull(direction);
    const { value, size: terms } = this.#along(direction);
    const slack = tolerance(Math.max(Math.abs(low), Math.abs(high)), value, size + terms) + NOISES * ROUNDING * size;
    // An interval without ends says nothing.
    const holds = Number.isNaN(low + high) || (value >= low - slack && value <= high + slack);
    return { holds, value, low, high };
  }

  /**
   * A move of some of these elements together along which the gradient is that of no way of taking the ties: errors at ties only show
   * when the elements move together.
   */
  broken(
    elements: readonly Position[],
    random: () => number,
  ): { moved: Position[]; value: number; low: number; high: number } | null {
    if (elements.length < 2) return null;
    for (let n = 0; n < DIRECTIONS; n++) {
      const start = Math.floor(random() * elements.length);
      const count = Math.min(elements.length, n % 2 === 0 ? elements.length : TOGETHER);
      const moved = Array.from({ length: count }, (_, j) => elements[(start + j) % elements.length]);
      const direction = this.#analytic.map(({ length }) => new Float64Array(length));
      // Every other time in the same sense: then tied elements stay close together.
      for (const [k, i] of moved) direction[k][i] = (n % 4 < 2 || random() < 0.5 ? 1 : -1) * (0.5 + random());
      const { holds, ...rest } = this.holds(direction);
      if (!holds) return { moved, ...rest };
    }
    return null;
  }
}
