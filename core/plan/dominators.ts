/** Which values are needed for the sake of another one alone. */
import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";

/** The dominators of a graph: the values on all paths from a value to the outputs. */
export class Dominators {
  /** By the order of the value: the nearest value that all ways lead through, -1 for none. */
  readonly #nearest: Int32Array;
  /** A dominator further away, so that finding takes logarithmic time. */
  readonly #jump: Int32Array;
  /** How many dominators there are. */
  readonly #depth: Int32Array;

  constructor({ nodes, outputs }: Graph) {
    const unknown = -2;
    this.#nearest = new Int32Array(nodes.length).fill(unknown);
    this.#jump = new Int32Array(nodes.length);
    this.#depth = new Int32Array(nodes.length);
    for (const { order } of outputs) this.#nearest[order] = -1;
    for (let i = nodes.length - 1; i >= 0; i--) {
      const above = this.#nearest[i];
      this.#depth[i] = this.#depthOf(above) + 1;
      const far = this.#jumpOf(above);
      const isEven =
        this.#depthOf(above) - this.#depthOf(far) === this.#depthOf(far) - this.#depthOf(this.#jumpOf(far));
      this.#jump[i] = isEven ? this.#jumpOf(far) : above;
      for (const { order } of nodes[i].inputs) {
        this.#nearest[order] = this.#nearest[order] === unknown ? i : this.#common(this.#nearest[order], i);
      }
    }
  }

  /** Whether a value is needed for the sake of another one alone. */
  isFor(value: Node, other: Node): boolean {
    return value !== other && this.#at(value.order, this.#depth[other.order]) === other.order;
  }

  /**
   * Counts, by the order of each value, the values that are needed for its sake alone, itself included.
   *
   * @param isCounted whether a value counts; those that do not hide what is needed for their sake.
   */
  countOwn(nodes: readonly Node[], isCounted: (node: Node) => boolean): Int32Array {
    const own = new Int32Array(nodes.length);
    nodes.forEach((node, i) => {
      own[i] = isCounted(node) ? own[i] + 1 : 0;
      const above = this.#nearest[i];
      if (above >= 0) own[above] += own[i];
    });
    return own;
  }

  #depthOf(i: number): number {
    return i < 0 ? 0 : this.#depth[i];
  }

  #jumpOf(i: number): number {
    return i < 0 ? -1 : this.#jump[i];
  }

  /** The dominator of this depth, or the value itself if it is no deeper. */
  #at(i: number, depth: number): number {
    let at = i;
    while (this.#depthOf(at) > depth) at = this.#depthOf(this.#jump[at]) >= depth ? this.#jump[at] : this.#nearest[at];
    return at;
  }

  /** The nearest that all ways from two values lead through. */
  #common(a: number, b: number): number {
    const depth = Math.min(this.#depthOf(a), this.#depthOf(b));
    let [left, right] = [this.#at(a, depth), this.#at(b, depth)];
    while (left !== right) {
      const isApart = this.#jump[left] !== this.#jump[right];
      [left, right] = isApart ? [this.#jump[left], this.#jump[right]] : [this.#nearest[left], this.#nearest[right]];
    }
    return left;
  }
}
