/** From a graph to steps: what gets an array of its own, and what is computed where it is needed. */
import { extentOf, KernelTooLarge, LOOP_COSTS, type LoopCosts, lowerToLoops } from "./loops.ts";
import { costOf, type Stored } from "./costs.ts";
import type { LoopKernel } from "./form.ts";
import { buildGraph, type Graph, type Numbers } from "./graph.ts";
import type { Node } from "./node.ts";
import type { Target } from "../backends/dialect.ts";
import type { Entry } from "../entry.ts";
import { type KernelText, render } from "../backends/render.ts";

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

/** The loop iterations of one thread; more, and some drivers end it silently. */
export const MAX_ITERATIONS = 65535;
/** What storing a value costs, in additions: writing it, and reading it each time; lanes are loaded one by one. */
const WRITE = 2;
const READ = 4;
/** What reading an array costs beside other work. */
const BESIDE = 1;
/** What reading a value costs that would get an array itself: one or two operations on top do not deserve one too. */
const WOULD_BE = READ / 2;
/** What another kernel costs, in additions that the device could have done meanwhile. */
const LAUNCH = 2_000_000;
/** The values that have arrays so far. */
const STORED: Stored = { has: (node) => node.array };

class Planner {
  readonly #graph: Graph;
  readonly #target: Target;
  readonly #kernels = new Map<Node, LoopKernel>();
  readonly #texts = new Map<LoopKernel, KernelText>();
  readonly #costs: LoopCosts;
  /** The kernels that evaluate a value. */
  readonly #users = new Map<Node, Set<Node>>();
  /** The node that is being decided about: later ones are decided, earlier ones are not. */
  #at = 0;

  constructor(graph: Graph, target: Target) {
    this.#graph = graph;
    this.#target = target;
    this.#costs = { ...LOOP_COSTS, longCondition: target.longCondition };
  }

  /** Goes from results to leaves, so that all uses of a value are known when it is decided about. */
  run(): Map<Node, LoopKernel> {
    for (const node of this.#graph.outputs) if (node.size > 0) node.array = true;
    for (let i = this.#graph.nodes.length - 1; i >= 0; i--) {
      const node = this.#graph.nodes[i];
      this.#at = i;
      if (node.kernel.kind === "leaf" || node.size === 0) continue;
      if (!this.#needed(node)) continue;
      if (!node.array && this.#deservesArray(node)) this.#giveArray(node);
      if (node.array) this.#emit(node);
    }
    this.#keepLimits();
    return this.#reached();
  }

  /** The kernels that results need: an array can lose its last reader when another one is added. */
  #reached(): Map<Node, LoopKernel> {
    const reached = new Map<Node, LoopKernel>();
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
    return this.#worthArray(node, this.#evaluations(node));
  }

  /** How often a value is evaluated, as far as kernels are written; infinitely often where a kernel must read it. */
  #evaluations(node: Node): number {
    let evaluations = 0;
    for (const user of this.#users.get(node) ?? []) {
      const kernel = this.#kernels.get(user)!;
      if (kernel.args.includes(node)) return Infinity;
      evaluations += kernel.evaluations.get(node)!;
    }
    return evaluations;
  }

  /**
   * Whether storing and reading a value costs less than computing it this often. What it is made of may be worth an array itself;
   * then its own cost is only what is left.
   */
  #worthArray(node: Node, evaluations: number, known = new Map<Node, boolean>()): boolean {
    // A movement only rewrites indices: what it reads is decided on instead.
    if (node.kernel.kind === "movement" || node.kernel.kind === "position") return false;
    if (evaluations === Infinity) return true;
    if (evaluations <= node.size) return false;
    const readCost = (input: Node): number | null => {
      if (input.array) return BESIDE;
      let worth = known.get(input);
      if (worth === undefined) {
        worth = this.#worthArray(input, Math.max(evaluations, this.#evaluations(input)), known);
        known.set(input, worth);
      }
      return worth ? WOULD_BE : null;
    };
    return (evaluations - node.size) * costOf(node, readCost, STORED) > node.size * WRITE + evaluations * READ + LAUNCH;
  }

  /** The value gets an array; what evaluated it so far reads it instead. */
  #giveArray(node: Node): void {
    node.array = true;
    for (const user of [...(this.#users.get(node) ?? [])]) this.#emit(user);
    if (node.order > this.#at) this.#emit(node);
  }

  #emit(root: Node): void {
    for (const node of this.#kernels.get(root)?.evaluations.keys() ?? []) this.#users.get(node)?.delete(root);
    const kernel = this.#write(root);
    this.#kernels.set(root, kernel);
    // What is decided on already can turn out to be read when a kernel is written again.
    for (const node of kernel.args) if (!node.array && node.order > this.#at) this.#giveArray(node);
    for (const node of kernel.evaluations.keys()) {
      if (node === root) continue;
      let users = this.#users.get(node);
      if (!users) this.#users.set(node, users = new Set());
      users.add(root);
    }
  }

  /** Writes a kernel; what makes it too large gets an array. */
  #write(root: Node): LoopKernel {
    for (;;) {
      try {
        return lowerToLoops(root, STORED, this.#target, this.#costs);
      } catch (error) {
        if (!(error instanceof KernelTooLarge)) throw error;
        this.#giveArray(error.repeated);
      }
    }
  }

  /** Cuts kernels that read too many arrays or loop too long; only now, since every array that was decided on changed both. */
  #keepLimits(): void {
    this.#at = -1;
    for (let root: Node | undefined; (root = this.#beyondLimits());) {
      const kernel = this.#kernels.get(root)!;
      if (kernel.args.length > this.#most(kernel)) this.#cutArguments(root, kernel);
      else this.#cutLoops(root, kernel);
    }
  }

  #beyondLimits(): Node | undefined {
    const { tables, maxArguments } = this.#target;
    // Only where it matters is a kernel written to see which tables it reads.
    const always = maxArguments - Object.keys(tables).length;
    for (const [root, kernel] of this.#kernels) {
      const { length } = kernel.args;
      if ((length > always && length > this.#most(kernel)) || kernel.iterations > MAX_ITERATIONS) return root;
    }
    return undefined;
  }

  #text(kernel: LoopKernel): KernelText {
    let text = this.#texts.get(kernel);
    if (!text) this.#texts.set(kernel, text = render(kernel, this.#target));
    return text;
  }

  /** The most arrays that a kernel can read. */
  #most(kernel: LoopKernel): number {
    const { maxArguments, tablesAreArguments } = this.#target;
    return maxArguments - (tablesAreArguments ? this.#text(kernel).tables.length : 0);
  }

  /** Gives an array to the part that reads most of a kernel's arguments. */
  #cutArguments(root: Node, kernel: LoopKernel): void {
    const most = this.#most(kernel);
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
      if (node === root || node.kernel.kind === "movement" || set.size < 2 || set.size > most) continue;
      const before = best ? reads.get(best)!.size : 0;
      if (!best || set.size > before || (set.size === before && node.size < best.size)) best = node;
    }
    if (!best) {
      throw new Error(
        `plan: the kernel of "${root.name}" reads ${kernel.args.length} arrays, at most ${most} can be bound`,
      );
    }
    this.#giveArray(best);
  }

  /** Gives an array to the reduction inside a kernel that loops most. */
  #cutLoops(root: Node, kernel: LoopKernel): void {
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

/** Plans how to compute `outputs`, given the entries that have a value, and the numbers that are not to be compiled in. */
export function makePlan(
  outputs: readonly Entry[],
  leaves: readonly Entry[],
  target: Target,
  numbers?: Numbers,
): Plan {
  const graph = buildGraph(outputs, leaves, target, numbers);
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
    leaves: graph.leaves.map((node) => ({ shape: node.shape, extent: extentOf(node.shape, target), size: node.size })),
    steps: roots.map((node) => {
      const kernel = kernels.get(node)!;
      return {
        name: node.name,
        shape: node.shape,
        kernel: render(kernel, target),
        args: kernel.args.map(source),
      };
    }),
    results: graph.outputs.map(source),
  };
}
