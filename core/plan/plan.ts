/** From the tape to a plan: the graph, the values that get arrays, and a kernel for each of them. */
import type { Dialect } from "../backends/dialect.ts";
import { type KernelText, render } from "../backends/render.ts";
import type { Entry } from "../entry.ts";
import { type Costs, type Limits, mostArguments, Work } from "./costs.ts";
import { describe, type Layout, type LoopForm, type LoopKernel } from "./form.ts";
import { buildGraph, type Graph, type Numbers } from "./graph.ts";
import { extentOf, lowerToLoops } from "./loops.ts";
import { sizeOf } from "../shape.ts";
import type { Node } from "./node.ts";
import { chooseStored } from "./store.ts";

/** The origin of a step's argument or a plan's result. */
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
  /** The loop form, if the target keeps it. */
  readonly form?: LoopForm;
  /** The loop form as text, if {@link PlanOptions.describe} asked for it. */
  readonly loops?: string;
}

/** Everything a device needs to compute results from leaves. Holds no values. */
export interface Plan {
  readonly leaves: readonly {
    readonly shape: readonly number[];
    readonly extent: readonly number[];
    readonly size: number;
  }[];
  readonly steps: readonly Step[];
  readonly results: readonly Source[];
}

/** Returns the number of elements of an argument or a result of a plan. */
export function sizeOfSource(plan: Plan, source: Source): number {
  if (source.from === "empty") return 0;
  return source.from === "leaf" ? plan.leaves[source.index].size : sizeOf(plan.steps[source.index].shape);
}

/** A backend as the planner sees it. */
export interface Target {
  readonly dialect: Dialect;
  readonly costs: Costs;
  readonly limits: Limits;
  /** Whether steps keep their loop form, so that they can be rendered again in other ways. Default false: it takes more memory than text. */
  readonly forms?: boolean;
  /** What it compiles for a step, for people to read; by default the text of the kernel. */
  readonly text?: (plan: Plan, step: Step) => string;
}

/** How a target lays arrays and threads out. */
export function layoutOf({ dialect: { name, flat, exactIndex }, limits: { extents } }: Target): Layout {
  return { name, flat, exactIndex, extents };
}

/** Options of {@link makePlan}. */
export interface PlanOptions {
  /** Numbers that are read from an array instead of compiled in. */
  readonly numbers?: Numbers;
  /** Whether the steps also have their loop form as text, for people. Default false. */
  readonly describe?: boolean;
}

/** A kernel as loops and as text. */
interface Written {
  readonly loops: LoopKernel;
  readonly text: KernelText;
}

/** Plans how to compute `outputs` from `leaves`, the entries that have a value. */
export function makePlan(
  outputs: readonly Entry[],
  leaves: readonly Entry[],
  target: Target,
  options: PlanOptions = {},
): Plan {
  const { costs, limits } = target;
  const graph = buildGraph(outputs, leaves, { costs, limits, numbers: options.numbers });
  const tables = new Map<Node, number>();
  for (;;) {
    const stored = chooseStored(graph, costs, limits, { tablesOf: (root) => tables.get(root) ?? 0 });
    const kernels = writeKernels(graph, new Work(stored, costs), target);
    // The tables that a kernel reads are known only once it is written. If one takes the place of an array, the choice is made again.
    const before = tables.size;
    for (const [root, kernel] of kernels) {
      const count = kernel.text.tables.length;
      if (kernel.loops.args.length > mostArguments(limits, count) && count > (tables.get(root) ?? 0)) {
        tables.set(root, count);
      }
    }
    if (tables.size > before) continue;
    for (const [root, kernel] of kernels) checkLimits(root, kernel, limits);
    return assemble(graph, kernels, target, options);
  }
}

/** Returns the plan in which these values, leaves and outputs included, have arrays. Limits are not checked. */
export function planWith(graph: Graph, work: Work, target: Target): Plan {
  return assemble(graph, writeKernels(graph, work, target), target);
}

function writeKernels(graph: Graph, work: Work, target: Target): Map<Node, Written> {
  const layout = layoutOf(target);
  const kernels = new Map<Node, Written>();
  for (const node of graph.nodes) {
    if (!work.stored.has(node) || node.kernel.kind === "leaf") continue;
    const loops = lowerToLoops(node, work, layout);
    kernels.set(node, { loops, text: render(loops, target.dialect) });
  }
  return neededKernels(graph, kernels);
}

/** Returns the kernels that outputs need, in topological order. Once kernels are written, an array may turn out to be unread. */
function neededKernels({ nodes, outputs }: Graph, kernels: ReadonlyMap<Node, Written>): Map<Node, Written> {
  const needed = new Set(outputs);
  for (const node of needed) for (const arg of kernels.get(node)?.loops.args ?? []) needed.add(arg);
  return new Map(nodes.flatMap((node) => {
    const kernel = needed.has(node) ? kernels.get(node) : undefined;
    return kernel ? [[node, kernel]] : [];
  }));
}

/** Throws if a kernel exceeds the limits although it was cut. */
function checkLimits(root: Node, { loops: { args, iterations }, text: { tables } }: Written, limits: Limits): void {
  const most = mostArguments(limits, tables.length);
  if (args.length > most) {
    throw new Error(`plan: the kernel of "${root.name}" reads ${args.length} arrays, at most ${most} can be bound`);
  }
  if (iterations <= limits.iterations) return;
  throw new Error(
    `plan: "${root.name}" of shape [${root.shape.join(", ")}] takes ${iterations} loop iterations a thread, ` +
      `at most ${limits.iterations} are safe`,
  );
}

function formOf({ extent, threads, body, result }: LoopKernel): LoopForm {
  return { extent, threads, body, result };
}

function assemble(
  graph: Graph,
  kernels: ReadonlyMap<Node, Written>,
  target: Target,
  options: Pick<PlanOptions, "describe"> = {},
): Plan {
  const stepOf = new Map([...kernels.keys()].map((node, index) => [node, index]));
  const leafOf = new Map(graph.leaves.map((node, index) => [node, index]));
  const source = (node: Node): Source => {
    const step = stepOf.get(node);
    if (step !== undefined) return { from: "step", index: step };
    const leaf = leafOf.get(node);
    return leaf === undefined ? { from: "empty" } : { from: "leaf", index: leaf };
  };
  return {
    leaves: graph.leaves.map((node) => ({
      shape: node.shape,
      extent: extentOf(node.shape, target.limits),
      size: node.size,
    })),
    steps: [...kernels].map(([node, kernel]) => ({
      name: node.name,
      shape: node.shape,
      kernel: kernel.text,
      args: kernel.loops.args.map(source),
      ...(target.forms ? { form: formOf(kernel.loops) } : {}),
      ...(options.describe ? { loops: describe(kernel.loops) } : {}),
    })),
    results: graph.outputs.map(source),
  };
}
