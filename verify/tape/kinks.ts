/**
 * Kinks: points at which operands of a maximum, a minimum or an absolute value tie. Dual numbers give the slopes on both sides exactly,
 * an interval that holds the derivative however each tie is taken, and those of the branches that meet in the point.
 */
import { Branches, type Spread } from "./branches.ts";
import { along } from "./directions.ts";
import type { Direction, Duals, Slope } from "./duals.ts";
import { ROUNDING, tolerance } from "./judge.ts";
import type { TapeProblem } from "./problem.ts";
import { type Group, involved, type Position, restricted } from "./search.ts";

/** One-sided slopes must differ by this fraction of their terms to count, unless rounding is worse. */
const APART = 1e-11;
const NOISES = 16;
/** Beyond this fraction of the terms rounding is no excuse: at a tie it takes the other side, which looks like noise. */
const PLAIN = 1e-3;
/** How many branches are tried, at first and in all, and how many if few elements are tied: so many that all are seen. */
const BRANCHES = { first: 16, many: 64, few: 256 };
/** The most elements whose branches are all seen. */
const FEW = 4;
/** Random directions along which tied elements move together. */
const DIRECTIONS = 8;
/** The most elements that move together in one of them. */
const TOGETHER = 4;

/** The position of a gradient along a direction. */
export interface Placed {
  /**
   * Between the slopes on both sides, or between those of branches that meet in the point; unknown if it is between none that were found,
   * but there may be others, or each tie by itself may hold.
   */
  readonly place: "sides" | "branches" | "outside" | "unknown";
  /** The gradient along the direction. */
  readonly value: number;
  /** The slopes between which it lies or should lie, and their error. */
  readonly low: number;
  readonly high: number;
  readonly slack: number;
  /** Whether there is a derivative and it is another one because ties were taken in different ways: each by itself may hold. */
  readonly mixed: boolean;
}

/** A point and its derivatives. */
interface Point {
  readonly problem: TapeProblem;
  readonly duals: Duals;
  /** The gradient on the tape. */
  readonly analytic: readonly Float64Array[];
  /** The elements of which a decision lies on its edge. */
  readonly onEdge: readonly Position[];
}

/** A point at which ties may matter. */
export class Kinks {
  readonly #point: Point;
  readonly #duals: Duals;
  readonly #direction: Direction;
  readonly #branches: Branches;
  /** A direction that has nothing to do with others, to take ties of more than two numbers in a third way. */
  #other: Direction | null = null;
  #tie: boolean | null = null;
  readonly #found = new Map<number, readonly Position[]>();

  /** @param direction moves each element by an amount that makes its share visible. */
  constructor(point: Point, direction: Direction, random: () => number) {
    this.#point = point;
    this.#duals = point.duals;
    this.#direction = direction;
    this.#branches = new Branches(point.problem, point.duals, random);
  }

  #towards(): Direction {
    return this.#other ??= this.#branches.random();
  }

  /** Whether two slopes along a direction differ, by more than rounding if that is measured. */
  #differ(direction: Direction, one: Slope, other: Slope, measured: boolean): boolean {
    const apart = Math.abs(one.value - other.value), sizes = one.size + other.size, least = APART * sizes;
    if (!(apart > least) || !measured || apart > PLAIN * sizes) return apart > least;
    return apart > least + NOISES * this.#duals.noise(direction);
  }

  /** Whether the slopes on both sides differ. */
  #bends(direction: Direction, measured: boolean): boolean {
    if (!this.#duals.mayDepend(direction)) return false;
    const [behind, ahead] = this.#duals.oneSided(direction);
    return this.#differ(direction, behind, ahead, measured);
  }

  /** Whether slopes along a direction differ with the way in which ties are taken. */
  #depends(direction: Direction, measured: boolean): boolean {
    if (!this.#duals.mayDepend(direction)) return false;
    const [behind, ahead] = this.#duals.oneSided(direction);
    if (this.#differ(direction, behind, ahead, measured)) return true;
    // Ties that cancel on both sides, or of more than two numbers.
    const taken = this.#duals.along(direction);
    return this.#differ(direction, ahead, taken, measured) ||
      this.#differ(direction, this.#duals.branch(this.#towards(), direction), taken, measured);
  }

  /** Whether ties make any difference to the derivative. */
  get tie(): boolean {
    return this.#tie ??= this.#directions().some((direction) => this.#depends(direction, true));
  }

  /**
   * The direction in which all elements move, and one in which those do whose gradient is 0, as it often is on kinks: beside others they
   * may not be seen.
   */
  #directions(): Direction[] {
    const { analytic } = this.#point;
    const idle = this.#direction.map((moves, k) => moves.map((by, i) => (analytic[k][i] === 0 ? by : 0)));
    return idle.some((moves) => moves.some((by) => by !== 0)) ? [this.#direction, idle] : [this.#direction];
  }

  /** Whether ties or decisions make a difference. */
  get matter(): boolean {
    return this.#point.onEdge.length > 0 || this.tie;
  }

  /** Whether the derivative with respect to an element depends on ties. */
  has(unit: Direction): boolean {
    return this.#depends(unit, true);
  }

  /** The elements whose derivatives depend on how ties are taken, at most `limit`. */
  elements(limit: number): readonly Position[] {
    if (!this.tie) return [];
    const known = this.#found.get(limit);
    if (known) return known;
    const found: Position[] = [];
    const search = (direction: Direction, test: (group: Direction, measured: boolean) => boolean): void => {
      if (found.length === limit) return;
      const others = direction.map((moves) => moves.slice());
      for (const [k, i] of found) others[k][i] = 0;
      const touches = (group: Group) => test(restricted(others, group), group.to - group.from === 1);
      found.push(...involved(others, touches, limit - found.length));
    };
    for (const direction of this.#directions()) {
      search(direction, (group, measured) => this.#bends(group, measured));
      search(direction, (group, measured) => this.#depends(group, measured));
    }
    this.#found.set(limit, found);
    return found;
  }

  /**
   * Where the gradient along a direction lies. It is outside if no way of taking each tie by itself explains it, or if there is a
   * derivative: the slopes of all branches are the same, and so few elements are tied that all were seen.
   */
  place(direction: Direction): Placed {
    const { analytic, onEdge } = this.#point;
    const { value, terms } = along(analytic, direction);
    const [behind, ahead] = onEdge.length > 0 ? this.#branches.sides(direction) : this.#duals.oneSided(direction);
    const sides = { low: Math.min(behind.value, ahead.value), high: Math.max(behind.value, ahead.value) };
    const size = behind.size + ahead.size + terms;
    let slack = tolerance(sides.low, sides.high, size) + NOISES * ROUNDING * size;
    const isIn = ({ low, high }: Spread) => value >= low - slack && value <= high + slack;
    const placed = (place: Placed["place"], { low, high }: Spread, mixed = false): Placed => ({
      place,
      value,
      low,
      high,
      slack,
      mixed,
    });
    if (isIn(sides)) return placed("sides", sides);
    if (!Number.isFinite(value + slack)) return placed("unknown", sides);
    const soon = this.#branches.spread(direction, BRANCHES.first, isIn);
    if (isIn(soon)) return placed("branches", soon);
    // Measured only where something is off.
    const noise = NOISES * (this.#point.problem.noise.along(direction) + this.#duals.noise(direction));
    // More than all terms are is no other side.
    const isTaken = sides.high - sides.low > PLAIN * size && noise <= NOISES * size;
    slack += isTaken ? Math.min(noise, PLAIN * size) : noise;
    if (isIn(sides)) return placed("sides", sides);
    // With decisions taken the other way there are slopes that the interval does not hold.
    const hull = onEdge.length === 0 ? this.#duals.hull(direction) : null;
    if (hull && Math.max(hull.low - value, value - hull.high) > slack + NOISES * ROUNDING * hull.size) {
      return placed("outside", hull);
    }
    const few = new Set([...onEdge, ...this.elements(FEW + 1)].map(String)).size <= FEW;
    const tries = few ? BRANCHES.few : BRANCHES.many;
    const found = this.#branches.spread(direction, tries, isIn);
    const spread = { low: Math.min(sides.low, found.low), high: Math.max(sides.high, found.high) };
    if (isIn(spread)) return placed("branches", spread);
    if (!few || !Number.isFinite(spread.high)) return placed("unknown", spread);
    // Ties that belong together, each taken in a way that is right by itself: wrong if there is a derivative.
    if (isIn(this.#branches.spreadApart(direction, tries, isIn))) {
      return spread.high - spread.low <= 2 * slack ? placed("outside", spread, true) : placed("unknown", spread);
    }
    return placed("outside", spread);
  }

  /**
   * A move of some of these elements together along which the gradient is that of no way of taking the ties: errors at ties only show
   * when the elements move together.
   */
  broken(
    elements: readonly Position[],
    random: () => number,
  ): (Placed & { moved: Position[] }) | null {
    if (elements.length < 2) return null;
    for (let n = 0; n < DIRECTIONS; n++) {
      const start = Math.floor(random() * elements.length);
      const count = Math.min(elements.length, n % 2 === 0 ? elements.length : TOGETHER);
      const moved = Array.from({ length: count }, (_, j) => elements[(start + j) % elements.length]);
      const direction = this.#point.analytic.map(({ length }) => new Float64Array(length));
      // Every other time in the same sense: then tied elements stay close together.
      for (const [k, i] of moved) direction[k][i] = (n % 4 < 2 || random() < 0.5 ? 1 : -1) * (0.5 + random());
      const placed = this.place(direction);
      // In the order of the variables, for messages.
      if (placed.place === "outside") return { ...placed, moved: moved.sort(([k, i], [l, j]) => k - l || i - j) };
    }
    return null;
  }
}
