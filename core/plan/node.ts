/** A value of a plan's graph. */
import type { Attributes, Kernel } from "../kernel.ts";
import { type Shape, sizeOf } from "../shape.ts";

/** A value of the graph. */
export class Node {
  /** Position in topological order. */
  order = -1;
  /** Whether it has an array of its own: a leaf, or a step's output. */
  array: boolean;
  readonly size: number;
  /** Length of the longest chain of values that may be fused into it. */
  readonly chain: number;
  /** For values known to be whole and in `[0, bound)`: the bound. */
  readonly bound: number | null;
  readonly name: string;
  readonly kernel: Kernel;
  readonly inputs: readonly Node[];
  readonly attributes: Attributes;
  readonly shape: Shape;

  constructor(
    name: string,
    kernel: Kernel,
    inputs: readonly Node[],
    attributes: Attributes,
    shape: Shape,
    stage = false,
  ) {
    this.name = name;
    this.kernel = kernel;
    this.inputs = inputs;
    this.attributes = attributes;
    this.shape = shape;
    this.size = sizeOf(shape);
    const chain = 1 + Math.max(0, ...inputs.map((n) => (n.array ? 0 : n.chain)));
    const stored = stage || (kernel.kind === "movement" && kernel.stored === true);
    this.array = kernel.kind === "leaf" || stored || chain > LONGEST_CHAIN;
    this.chain = chain > LONGEST_CHAIN ? 0 : chain;
    this.bound = boundOf(this);
  }
}

/** Kernels are written and compiled recursively: a longer chain of fused values is cut. */
const LONGEST_CHAIN = 64;

function boundOf(node: Node): number | null {
  const { kernel } = node;
  if (kernel.kind === "reduce" && kernel.position) {
    return sizeOf(kernel.axes(node.attributes).map((a) => node.inputs[0].shape[a]));
  }
  if (kernel.kind === "movement" && !kernel.fill) return node.inputs[0].bound;
  if (kernel.kind === "gather") return node.inputs[0].bound;
  return null;
}
