/** From a graph to steps: what gets an array of its own, and what is computed where it is needed. */
import { emitKernel, extentOf, type KernelSource, type KernelText } from "./emit.ts";
import { buildGraph, type Graph, type Node } from "./graph.ts";
import type { Target } from "./lower.ts";
import type { Tensor } from "./tensor.ts";

/** Where a step's argument or a plan's result comes from. */
export type Source =
  | { readonly from: "leaf"; readonly index: number }
  | { readonly from: "step"; readonly index: number }
  /** An array without elements. */
  | { readonly from: "empty" };

/** One kernel of a plan. */
export interface Step {
  readonly name: string;
  readonly shape: readonly number[];
  /** The text of the kernel; its parameters are bound to `args`. */
  readonly kernel: KernelText;
  readonly args: readonly Source[];
}

/** What a device needs to compute results from leaves; holds no values. */
export interface Plan {
  readonly leaves: readonly {
    readonly shape: readonly number[];
    readonly extent: readonly number[];
    readonly size: number;
  }[];
  readonly steps: readonly Step[];
  readonly results: readonly Source[];
}

/** Seven arrays and the output are the eight storage buffers that WebGPU guarantees. */
export const MAX_ARGUMENTS = 7;
/** The loop iterations of one thread; more, and some drivers end it silently. */
export const MAX_ITERATIONS = 65535;
/** What starting a kernel costs, in additions. */
const LAUNCH = 4000;
/** A reduction of at least this many elements does not run inside another one's loop: it would take its threads away. */
const LONG_INNER = 8;

class Planner {
  readonly #graph: Graph;
  readonly #target: Target;
  readonly #kernels = new Map<Node, KernelSource>();
  /** The kernels that evaluate a value. */
  readonly #users = new Map<Node, Set<Node>>();
  /** The node that is being decided about: later ones are decided, earlier ones are not. */
  #at = 0;

  constructor(graph: Graph, target: Target) {
    this.#graph = graph;
    this.#target = target;
  }

  /** Goes from results to leaves, so that all uses of a value are known when it is decided about. */
  run(): Map<Node, KernelSource> {
    for (const node of this.#graph.outputs) if (node.size > 0) node.array = true;
    for (let i = this.#graph.nodes.length - 1; i >= 0; i--) {
      const node = this.#graph.nodes[i];
      this.#at = i;
      if (node.kernel.kind === "leaf" || node.size === 0) continue;
      if (!this.#needed(node)) continue;
      if (!node.array && this.#deservesArray(node)) this.#giveArray(node);
      if (node.array) this.#emit(node);
    }
    return this.#reached();
  }

  /** The kernels that results need: an array can lose its last reader when another one is added. */
  #reached(): Map<Node, KernelSource> {
    const reached = new Map<Node, KernelSource>();
    const stack = [...this.#graph.outputs];
    while (stack.length > 0) {
      const node = stack.pop()!;
      const kernel = this.#kernels.get(node);
      if (!kernel || reached.has(node)) continue;
      reached.set(node, kernel);
      stack.push(...kernel.args);
    }
    return reached;
  }

  #needed(node: Node): boolean {
    return (this.#users.get(node)?.size ?? 0) > 0 || this.#graph.outputs.includes(node);
  }

  #deservesArray(node: Node): boolean {
    // A movement only rewrites indices: what it reads is decided on instead.
    if (node.kernel.kind === "movement" || node.kernel.kind === "position") return false;
    let evaluations = 0;
    let inLoop = false;
    for (const user of this.#users.get(node)!) {
      const use = this.#kernels.get(user)!.evaluations.get(node)!;
      evaluations += use.count;
      if (use.depth > 0) inLoop = true;
    }
    if (node.kernel.kind === "reduce" && inLoop && node.inputs[0].size >= LONG_INNER * node.size) return true;
    if (evaluations <= node.size) return false;
    const repeated = (evaluations - node.size) * node.cost;
    return repeated > node.size * 2 + evaluations * 1.5 + LAUNCH;
  }

  /** The value gets an array; what evaluated it so far reads it instead. */
  #giveArray(node: Node): void {
    node.array = true;
    for (const user of [...(this.#users.get(node) ?? [])]) this.#emit(user);
    if (node.order > this.#at) this.#emit(node);
  }

  #emit(root: Node): void {
    for (const node of this.#kernels.get(root)?.evaluations.keys() ?? []) this.#users.get(node)?.delete(root);
    const kernel = emitKernel(root, this.#target);
    this.#kernels.set(root, kernel);
    for (const node of kernel.evaluations.keys()) {
      if (node === root) continue;
      let users = this.#users.get(node);
      if (!users) this.#users.set(node, users = new Set());
      users.add(root);
    }
    if (kernel.args.length > MAX_ARGUMENTS) this.#cutArguments(root, kernel);
    else if (kernel.iterations > MAX_ITERATIONS) this.#cutLoops(root, kernel);
  }

  /** Gives an array to the part that reads most of a kernel's arguments. */
  #cutArguments(root: Node, kernel: KernelSource): void {
    const reads = new Map<Node, Set<Node>>();
    let best: Node | null = null;
    for (const node of [...kernel.evaluations.keys()].sort((a, b) => a.order - b.order)) {
      if (node.array && node !== root) {
        reads.set(node, new Set([node]));
        continue;
      }
      const set = new Set<Node>();
      for (const input of node.inputs) for (const array of reads.get(input) ?? []) set.add(array);
      reads.set(node, set);
      if (node === root || node.kernel.kind === "movement" || set.size < 2 || set.size > MAX_ARGUMENTS) continue;
      const most = best ? reads.get(best)!.size : 0;
      if (!best || set.size > most || (set.size === most && node.size < best.size)) best = node;
    }
    if (!best) {
      throw new Error(
        `plan: the kernel of "${root.name}" reads ${kernel.args.length} arrays, at most ${MAX_ARGUMENTS} can be bound`,
      );
    }
    this.#giveArray(best);
  }

  /** Gives an array to the reduction inside a kernel that loops most. */
  #cutLoops(root: Node, kernel: KernelSource): void {
    const inner = [...kernel.evaluations.keys()].filter((n) => n !== root && !n.array && n.kernel.kind === "reduce");
    if (inner.length === 0) {
      throw new Error(
        `plan: "${root.name}" of shape [${
          root.shape.join(", ")
        }] takes ${kernel.iterations} loop iterations a thread, ` +
          `at most ${MAX_ITERATIONS} are safe`,
      );
    }
    const trips = (n: Node) => n.inputs[0].size / n.size;
    this.#giveArray(inner.reduce((a, b) => (trips(b) > trips(a) ? b : a)));
  }
}

/** Plans how to compute `outputs`, given the entries that have a value. */
export function makePlan(outputs: readonly Tensor[], leaves: readonly Tensor[], target: Target): Plan {
  const graph = buildGraph(outputs, leaves);
  const kernels = new Planner(graph, target).run();
  const roots = [...kernels.keys()].sort((a, b) => a.order - b.order);
  const stepOf = new Map(roots.map((node, index) => [node, index]));
  const leafOf = new Map(graph.leaves.map((node, index) => [node, index]));
  const source = (node: Node): Source => {
    const step = stepOf.get(node);
    if (step !== undefined) return { from: "step", index: step };
    const leaf = leafOf.get(node);
    return leaf === undefined ? { from: "empty" } : { from: "leaf", index: leaf };
  };
  return {
    leaves: graph.leaves.map((node) => ({ shape: node.shape, extent: extentOf(node.shape), size: node.size })),
    steps: roots.map((node) => {
      const kernel = kernels.get(node)!;
      return {
        name: node.name,
        shape: node.shape,
        kernel: textOf(kernel),
        args: kernel.args.map(source),
      };
    }),
    results: graph.outputs.map(source),
  };
}

/** A kernel without the graph that it was made from, which can go. */
function textOf({ parameters, lines, result, extent, iterations, tables }: KernelSource): KernelText {
  return { parameters, lines, result, extent, iterations, tables };
}
