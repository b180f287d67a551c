/** Costs and limits of a backend's kernels, and the cost of computing a value. Costs are in additions. */
import { type Rows, spread, stepsOf } from "./access.ts";
import type { Node } from "./node.ts";

/** Costs that decide which values get arrays and how kernels loop and branch. */
export interface Costs {
  /** Writing an element of an array. */
  readonly write: number;
  /** Reading an element that is computed elsewhere. */
  readonly read: number;
  /** Reading an array in a value that also computes something. */
  readonly beside: number;
  /** Reading a value that would get an array itself: one or two more operations do not justify a second array. */
  readonly wouldBe: number;
  /** Reading an element at a position that is computed: it is compared with bounds, and neighbours are read one by one. */
  readonly gather: number;
  /** Launching another kernel, in additions that the device could have computed meanwhile. */
  readonly launch: number;
  /** The part of a launch that recurs in each call. */
  readonly start: number;
  /** Another copy of a value in the text of kernels, which has to be compiled. */
  readonly copy: number;
  /** Kernels are written and compiled recursively: a longer chain of fused values is cut. */
  readonly longestChain: number;
  /** The values that one kernel computes, repetitions in branches and unrolled loops included. */
  readonly mostValues: number;
  /** The cost of these values together: a costly function takes many times the text of an addition. */
  readonly mostText: number;
  /** A reduction of at least this many elements does not run inside another one's loop: it gets separate threads. */
  readonly longInner: number;
  /** Nor does a branch that guards at least this much work, which would be wasted if the value behind it got an array instead. */
  readonly muchGuarded: number;
  /** A result with fewer elements than this leaves threads idle: a long reduction into it is split. */
  readonly fewResults: number;
  /** The threads that a split aims at. */
  readonly enoughThreads: number;
  /** Reductions shorter than this are not worth a stage. */
  readonly longReduction: number;
  /** A branch around something cheaper than this costs more than it saves. */
  readonly lazy: number;
  /** Conditions with more operands than this are computed once rather than repeated. */
  readonly longCondition: number;
  /** Waiting for the accumulator of a loop. */
  readonly wait: number;
  /** A loop's element that costs more than this takes longer than its accumulator has to wait. */
  readonly unrolled: number;
  /**
   * Whether threads along outer axes whose elements share what they read run together. Each then has one accumulator: the others run while
   * it waits, and need the registers.
   */
  readonly tiled: boolean;
}

/** The costs of a plan that runs this often: its kernels are compiled once, and started each time. */
export function repeated(costs: Costs, times: number): Costs {
  const { launch, copy, start } = costs;
  return { ...costs, launch: start + (launch - start) / times, copy: copy / times };
}

/** Limits of a backend's kernels. */
export interface Limits {
  /** The backend, as errors name it. */
  readonly name: string;
  /** The arrays that one kernel can read. */
  readonly arguments: number;
  /** Whether constant tables count among them. */
  readonly tablesAreArguments: boolean;
  /** The loop iterations of one thread. */
  readonly iterations: number;
  /** Whole numbers that are stored as values are exact up to here. */
  readonly exactValue: number;
  /** The most threads along x, y and z; a shape that does not fit is laid out along x alone. */
  readonly extents: readonly number[];
}

/** Returns how many arrays a kernel can read in addition to its tables. */
export function mostArguments(limits: Limits, tables: number): number {
  return limits.arguments - (limits.tablesAreArguments ? tables : 0);
}

const ANY_EXTENT = [Infinity, Infinity, Infinity];

/** Rows of at least this many threads fill vectors well enough. */
const VECTORS = 8;

/** The values that have arrays. */
export interface Stored {
  has(node: Node): boolean;
}

/** Returns the cost of reading a value that is needed this often; `null` if the value is computed. */
export type ReadCost = (node: Node, times: number) => number | null;

/** A cost is followed through at most this many values, which bounds its time; no kernel computes as many. */
const MOST_FOLLOWED = 1500;

/** How a cost is counted. */
interface Counting {
  readonly readCost: ReadCost;
  /** Values that are there already. */
  readonly seen: Set<Node>;
  /** Whether values that branches guard count. */
  readonly withGuarded: boolean;
}

/**
 * The cost of computing values, given those that have arrays. A value that is needed several times is computed once, so a cost cannot be
 * added up from those of the inputs: it takes a walk over all values below. Most questions are whether a cost is above some limit. They
 * are answered by a bound that can be added up, or by a walk that ends at the limit.
 */
export class Work {
  readonly stored: Stored;
  readonly costs: Costs;
  readonly #plain = new Map<Node, number>();
  readonly #guarded = new Map<Node, number>();
  readonly #guardedAlone = new Map<Node, number>();
  /** Lower and upper bounds on costs. */
  readonly #reached = new Map<Node, number>();
  readonly #bounds = new Map<Node, number>();
  readonly #lazy = new Map<Node, boolean>();
  readonly #tiled = new Map<Node, Map<string, boolean>>();
  readonly #readArrays: ReadCost = (node) => (this.stored.has(node) ? 1 : null);

  constructor(stored: Stored, costs: Costs) {
    this.stored = stored;
    this.costs = costs;
  }

  /** Whether a choice computes enough in its branch to justify one. */
  isLazy(node: Node): boolean {
    let lazy = this.#lazy.get(node);
    if (lazy === undefined) this.#lazy.set(node, lazy = this.#guardsMore(node, this.costs.lazy, true));
    return lazy;
  }

  /** Whether a value is too much work to be computed inside a loop and should have separate threads. */
  needsThreads(node: Node): boolean {
    if (node.kernel.kind === "reduce") return node.inputs[0].size >= this.costs.longInner * node.size;
    return this.#guardsMore(node, this.costs.muchGuarded, false);
  }

  /**
   * How many accumulators the loop of a reduction gets: a chain of dependent operations is bound by latency, and many at once run out of
   * registers. Three are best if they leave no remainder. Their copies of the element have to be compiled, so there have to be enough
   * elements. A few elements need no loop.
   *
   * A sum is rounded as its accumulators are, so the number depends on nothing but the reduction. Where a value is computed in two places,
   * as where an element is compared with all of its row to find its rank, it then has the same bits in both: it would else be above itself.
   *
   * @param length how many elements the loop goes through.
   */
  accumulators(element: Node, length: number): number {
    if (length <= 4) return Math.max(1, length);
    const { wait, copy, unrolled } = this.costs;
    if (!this.stored.has(element) && this.isAbove(element, unrolled)) return 1;
    const cost = this.stored.has(element) ? 1 : this.costOf(element);
    const width = [3, 4, 5, 2].find((width) => length % width === 0) ?? 3;
    // The cost of an element stands for the number of its values.
    return element.size * wait > (width - 1 + length % width) * cost * copy ? width : 1;
  }

  /**
   * Whether the threads of a reduction run together because they share parts of their elements: an operand is repeated along an axis that
   * is not among those of x.
   *
   * @param axes those that are reduced.
   */
  isTiled(element: Node, axes: readonly number[]): boolean {
    if (!this.costs.tiled) return false;
    let known = this.#tiled.get(element);
    if (!known) this.#tiled.set(element, known = new Map());
    const key = axes.join();
    let tiled = known.get(key);
    if (tiled === undefined) known.set(key, tiled = this.#sharesOperands(element, axes));
    return tiled;
  }

  #sharesOperands(element: Node, axes: readonly number[]): boolean {
    const kept = element.shape.flatMap((_, axis) => axes.includes(axis) ? [] : [axis]);
    const [, ...outer] = spread(kept.map((axis) => element.shape[axis]), ANY_EXTENT, "short");
    const shared = outer.flat().map((k) => kept[k]).filter((axis) => element.shape[axis] > 1);
    const seen = new Set([element]);
    for (const node of seen) {
      if (seen.size > MOST_FOLLOWED) break;
      if (node !== element && this.stored.has(node)) continue;
      // The axes of other values are not those of the element.
      if (node.kernel.kind !== "elementwise") continue;
      for (const input of node.inputs) {
        const missing = element.shape.length - input.shape.length;
        const isRepeated = (axis: number) => axis >= missing && input.shape[axis - missing] === 1;
        if (input.size > 1 && shared.some(isRepeated) && !this.#isPosition(input)) return true;
        seen.add(input);
      }
    }
    return false;
  }

  /** Whether a value follows from the positions of elements alone: nothing is read for it that threads could share. */
  #isPosition(node: Node): boolean {
    const seen = new Set([node]);
    for (const { kernel, inputs } of seen) {
      if (seen.size > MOST_FOLLOWED || (kernel.kind !== "position" && inputs.length === 0)) return false;
      if (kernel.kind !== "position" && kernel.kind !== "elementwise" && kernel.kind !== "movement") return false;
      for (const input of inputs) seen.add(input);
    }
    return true;
  }

  /** How long the rows of a kernel's threads are, or can be if that spares it divisions. */
  rowsFor(root: Node): readonly Rows[] {
    if (!this.costs.tiled) return ["long"];
    const seen = new Set([root]);
    for (const node of seen) {
      if (seen.size > MOST_FOLLOWED) break;
      if (node !== root && this.stored.has(node)) continue;
      const { kernel, inputs } = node;
      if (kernel.kind === "reduce" && !kernel.position && this.isTiled(inputs[0], kernel.axes(node.attributes))) {
        return ["short"];
      }
      for (const input of inputs) seen.add(input);
    }
    return (root.shape.at(-1) ?? 1) >= VECTORS ? ["long", "short"] : ["long"];
  }

  /** Returns the rough cost of evaluating one element, in additions. Arrays are read and all other values are computed. */
  costOf(node: Node): number {
    let cost = this.#plain.get(node);
    if (cost === undefined) {
      cost = this.#count(node, { readCost: this.#readArrays, seen: new Set(), withGuarded: true });
      this.#plain.set(node, cost);
    }
    return cost;
  }

  /**
   * Whether {@link costOf} is above a limit.
   *
   * @param readCost the cost of reading a value; by default arrays are read and all other values are computed.
   */
  isAbove(node: Node, most: number, readCost?: ReadCost): boolean {
    if (readCost) return this.#count(node, { readCost, seen: new Set(), withGuarded: true }, { most }) > most;
    const known = this.#plain.get(node);
    if (known !== undefined) return known > most;
    if ((this.#reached.get(node) ?? 0) > most) return true;
    if (this.#bound(node) <= most) return false;
    const cost = this.#count(node, { readCost: this.#readArrays, seen: new Set(), withGuarded: true }, { most });
    if (cost <= most) this.#plain.set(node, cost);
    else this.#reached.set(node, cost);
    return cost > most;
  }

  /** The cost if a value were computed again for each value that needs it: at least `costOf`. */
  #bound(node: Node): number {
    let bound = this.#bounds.get(node);
    if (bound !== undefined) return bound;
    const { inputs } = node;
    let below = 0;
    for (const input of inputs) below += this.stored.has(input) ? 1 : this.#bound(input);
    bound = isLoop(node) ? (1 + below) * tripsOf(node) : this.#ownCost(node) + below;
    this.#bounds.set(node, bound);
    return bound;
  }

  /** The input that a choice computes in a branch, unless it is read from an array. */
  #guardedInput({ kernel, inputs }: Node): Node | null {
    if (kernel.kind !== "elementwise" || !kernel.choice) return null;
    const guarded = inputs[kernel.choice.taken];
    return this.stored.has(guarded) ? null : guarded;
  }

  /** Whether the values that a choice computes only in its branch cost more than a limit. */
  #guardsMore(node: Node, most: number, withGuarded: boolean): boolean {
    const guarded = this.#guardedInput(node);
    if (!guarded || this.#bound(guarded) <= most) return false;
    return this.#guardedCost(node, withGuarded, most) > most;
  }

  /** Returns the cost of the values that a choice computes only in its branch; 0 for other values. Above `most` it need not be exact. */
  #guardedCost(node: Node, withGuarded: boolean, most = Infinity): number {
    const guarded = this.#guardedInput(node);
    if (!guarded) return 0;
    const known = withGuarded ? this.#guarded : this.#guardedAlone;
    let cost = known.get(node);
    if (cost === undefined) {
      const seen = this.#neededBy(node.inputs.filter((input) => input !== guarded));
      cost = this.#count(guarded, { readCost: this.#readArrays, seen, withGuarded }, { most });
      if (cost <= most) known.set(node, cost);
    }
    return cost;
  }

  /** The values that others need, down to those that have arrays. */
  #neededBy(nodes: readonly Node[]): Set<Node> {
    const seen = new Set(nodes);
    for (const node of seen) {
      if (seen.size > MOST_FOLLOWED) break;
      if (!this.stored.has(node)) { for (const input of node.inputs) seen.add(input); }
    }
    return seen;
  }

  /** The cost of a value alone; that of a reduction is for each element. */
  #ownCost({ kernel }: Node): number {
    return kernel.kind === "elementwise" ? kernel.cost : kernel.kind === "gather" ? this.costs.gather : 0;
  }

  /** @param most the count may end above it. */
  #count(
    node: Node,
    counting: Counting,
    { times = 1, most = Infinity }: { times?: number; most?: number } = {},
  ): number {
    const { readCost, seen, withGuarded } = counting;
    if (seen.has(node)) return 0;
    seen.add(node);
    let cost = 0;
    let followed = 0;
    const stack = [node];
    while (stack.length > 0 && followed++ < MOST_FOLLOWED && cost <= most) {
      const top = stack.pop()!;
      const { inputs } = top;
      if (isLoop(top)) {
        const [input, ...others] = inputs;
        for (const other of others) {
          if (!seen.has(other)) cost += readCost(other, times) ?? this.#count(other, counting);
        }
        const trips = tripsOf(top);
        const inner = { times: times * trips, most: (most - cost) / trips };
        cost += (1 + (readCost(input, inner.times) ?? this.#count(input, counting, inner))) * trips;
        continue;
      }
      cost += this.#ownCost(top);
      // Guarded values count in full: if one got an array, it would also be computed where it is not needed.
      const guarded = this.#guardedInput(top);
      if (guarded && withGuarded) cost += this.#guardedCost(top, true);
      for (const input of inputs) {
        if (cost > most) break;
        if (input === guarded || seen.has(input)) continue;
        seen.add(input);
        const read = readCost(input, times);
        if (read === null) stack.push(input);
        else cost += read;
      }
    }
    return cost;
  }
}

/** Whether a value is computed from several elements of its input, one after the other. */
function isLoop({ kernel }: Node): boolean {
  return kernel.kind === "reduce" || kernel.kind === "search";
}

/** How many elements a reduction combines, or a search looks at. */
function tripsOf(node: Node): number {
  const { kernel, inputs: [input], size } = node;
  if (kernel.kind === "search") return stepsOf(node, kernel);
  return Math.max(1, input.size / Math.max(1, size));
}
