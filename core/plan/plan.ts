/** From the tape to a plan: the graph, the values that get arrays, and a kernel for each of them. */
import type { Dialect } from "../backends/dialect.ts";
import { type KernelText, render, renderLater } from "../backends/render.ts";
import type { Entry } from "../entry.ts";
import { type Costs, type Limits, mostArguments, repeated, Work } from "./costs.ts";
import { describe, type Layout, type LoopForm, type LoopKernel } from "./form.ts";
import type { ResultKind } from "../loop.ts";
import { buildGraph, firstOf, type Graph, type LoopNode, type Numbers } from "./graph.ts";
import { extentOf, lowerToLoops } from "./loops.ts";
import { sizeOf } from "../shape.ts";
import { type Routine, routineText } from "../routine.ts";
import type { Node } from "./node.ts";
import { chooseStored } from "./store.ts";

/** The origin of a step's argument or a plan's result. */
export type Source =
  | { readonly from: "leaf"; readonly index: number }
  | { readonly from: "step"; readonly index: number }
  /** A result of a loop, by its place in the shapes of the loop. */
  | { readonly from: "loop"; readonly index: number; readonly result: number }
  /** An array without elements. */
  | { readonly from: "empty" };

/** One kernel of a plan. */
export interface Step {
  readonly name: string;
  readonly shape: readonly number[];
  /** The text of the kernel; its parameters are bound to `args`. */
  readonly kernel: KernelText;
  readonly args: readonly Source[];
  /** The routine that computes it instead of a kernel in loop form; the text of the kernel is then empty. */
  readonly routine?: Routine;
  /** The loop form, if the target keeps it. */
  readonly form?: LoopForm;
  /** The loop form as text, if {@link PlanOptions.describe} asked for it. */
  readonly loops?: string;
}

/**
 * A plan that runs several times, each time on what the time before left and on the next rows of arrays. A row is what remains of an array
 * along its first axis: the elements from `place * size` on, where `size` is that of the leaf. `place` counts from 0 upwards, or, if the
 * loop is reversed, from `count - 1` downwards.
 */
export interface LoopStep {
  readonly name: string;
  /** It runs before the step of this number, and after those before that one. Loops of the same number run in their order. */
  readonly before: number;
  /** How often the body runs: at least once. */
  readonly count: number;
  readonly reverse: boolean;
  readonly body: Plan;
  /** The sources of the body's leaves, in their order. */
  readonly args: readonly LoopArgument[];
  /** The shapes of the arrays that it makes. */
  readonly shapes: readonly (readonly number[])[];
  /** For each of these arrays which result of the body it comes from, and how. */
  readonly results: readonly LoopResult[];
}

/** The source of a leaf of the body. */
export type LoopArgument =
  /** The same array each time. */
  | { readonly as: "whole"; readonly source: Source }
  /** The row of an array at the place of this time. */
  | { readonly as: "row"; readonly source: Source }
  /** At first an array, then a result of the body, as it was the time before. */
  | { readonly as: "carry"; readonly source: Source; readonly next: number };

/** How a result of the loop derives from one of the body. */
export interface LoopResult {
  readonly of: number;
  /** Whether the array is that of the last time, has the result of each time as a row, or is the sum of all. */
  readonly as: ResultKind;
}

/** Everything a device needs to compute results from leaves. Holds no values. */
export interface Plan {
  readonly leaves: readonly {
    readonly shape: readonly number[];
    readonly extent: readonly number[];
    readonly size: number;
  }[];
  readonly steps: readonly Step[];
  /** Only for targets that run loops. Default none. */
  readonly loops?: readonly LoopStep[];
  readonly results: readonly Source[];
}

/** The steps and the loops of a plan in the order in which they run. */
export function inOrder({ steps, loops = [] }: Pick<Plan, "steps" | "loops">): (Step | LoopStep)[] {
  return interleaved<Step | LoopStep>(steps, loops, loops);
}

/**
 * Puts loops, or what stands for them, among kernels.
 *
 * @param places where each loop runs.
 */
export function interleaved<T>(
  kernels: readonly T[],
  loops: readonly T[],
  places: readonly Pick<LoopStep, "before">[],
): T[] {
  const at = Array.from({ length: kernels.length + 1 }, (): T[] => []);
  loops.forEach((loop, i) => at[places[i].before].push(loop));
  return at.flatMap((own, i) => [...own, ...kernels.slice(i, i + 1)]);
}

/** Whether it is a loop rather than a kernel. */
export function isLoop(step: Step | LoopStep): step is LoopStep {
  return "body" in step;
}

/** Returns the number of elements of an argument or a result of a plan. */
export function sizeOfSource(plan: Plan, source: Source): number {
  return source.from === "leaf" ? plan.leaves[source.index].size : sizeOf(shapeOfSource(plan, source));
}

/** Returns the shape of an argument or a result of a plan. */
export function shapeOfSource(plan: Plan, source: Source): readonly number[] {
  switch (source.from) {
    case "leaf":
      return plan.leaves[source.index].shape;
    case "step":
      return plan.steps[source.index].shape;
    case "loop":
      return plan.loops![source.index].shapes[source.result];
    case "empty":
      return [0];
    default:
      return source satisfies never;
  }
}

/** A backend as the planner sees it. */
export interface Target {
  readonly dialect: Dialect;
  readonly costs: Costs;
  readonly limits: Limits;
  /** Whether steps keep their loop form, so that they can be rendered again in other ways. Default false: it takes more memory than text. */
  readonly forms?: boolean;
  /** Returns the code it compiles for a step, for people to read; by default the text of the kernel. */
  readonly text?: (plan: Plan, step: Step) => Promise<string>;
  /** Whether its plans may have loops. Default false: loops are unrolled. */
  readonly loops?: boolean;
  /** The routines that it has. Default none: ops that have one are computed as the ops that they stand for. */
  readonly routines?: readonly Routine["name"][];
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

/** A kernel as loops and as text, or a routine. */
interface Written {
  /** The arrays that it reads. */
  readonly args: readonly Node[];
  readonly text: KernelText;
  /** `null` for a routine. */
  readonly loops: LoopKernel | null;
}

/** Plans how to compute `outputs` from `leaves`, the entries that have a value. */
export function makePlan(
  outputs: readonly Entry[],
  leaves: readonly Entry[],
  target: Target,
  options: PlanOptions = {},
): Plan {
  const { costs, limits, loops, routines, dialect: { multiplyAdd } } = target;
  const graph = buildGraph(outputs, leaves, { costs, limits, numbers: options.numbers, loops, routines, multiplyAdd });
  const tables = new Map<Node, number>();
  for (;;) {
    const stored = chooseStored(graph, costs, limits, { tablesOf: (root) => tables.get(root) ?? 0 });
    const kernels = writeKernels(graph, new Work(stored, costs), target);
    // The tables that a kernel reads are known only once it is written. If one takes the place of an array, the choice is made again.
    const before = tables.size;
    for (const [root, kernel] of kernels) {
      const count = tablesOf(kernel, limits);
      if (kernel.args.length > mostArguments(limits, count) && count > (tables.get(root) ?? 0)) {
        tables.set(root, count);
      }
    }
    if (tables.size > before) continue;
    for (const [root, kernel] of kernels) checkLimits(root, kernel, limits);
    const wanted = graph.outputs.slice(0, outputs.length);
    return assemble({ graph, kernels, wanted, loops: planLoops(graph, target, options) }, target, options);
  }
}

/** A loop whose body is planned. */
interface PlannedLoop {
  readonly node: LoopNode;
  readonly body: Plan;
}

/** Plans the bodies of loops, once for all the times that they run. */
function planLoops({ loops = [] }: Graph, target: Target, options: PlanOptions): PlannedLoop[] {
  return loops.map((node) => {
    const { loop, inputs, results } = node;
    const { carries } = loop.parts;
    const inner = new Set(loop.structure.places.map(({ entry }) => entry));
    const numbers = [...options.numbers?.slots.keys() ?? []].some((entry) => inner.has(entry))
      ? options.numbers
      : undefined;
    const args = [...inputs.keys()].sort((a, b) => a - b);
    const returned = loop.returned;
    const nexts = args.filter((k) => k < carries.length).map((k) => returned[k]);
    const own = [...results.keys()].filter((k) => k >= carries.length).map((k) => returned[k]);
    const leaves = [...args.map((k) => loop.arguments[k]), ...(numbers ? [numbers.array] : [])];
    const costs = repeated(target.costs, loop.parts.count);
    return { node, body: makePlan([...nexts, ...own], leaves, { ...target, costs }, { ...options, numbers }) };
  });
}

/** Returns the plan in which these values, leaves and outputs included, have arrays. Limits are not checked. */
export function planWith(graph: Graph, work: Work, target: Target): Plan {
  if (graph.loops && graph.loops.length > 0) throw new Error("plan: the values of a graph with loops cannot be chosen");
  return assemble({ graph, kernels: writeKernels(graph, work, target), wanted: graph.outputs, loops: [] }, target);
}

function writeKernels(graph: Graph, work: Work, target: Target): Map<Node, Written> {
  const layout = layoutOf(target);
  const kernels = new Map<Node, Written>();
  for (const node of graph.nodes) {
    if (!work.stored.has(node) || node.kernel.kind === "leaf") continue;
    if (node.kernel.kind === "routine") {
      kernels.set(node, { args: node.inputs, text: routineKernel(node, node.kernel.routine, target), loops: null });
      continue;
    }
    const loops = lowerToLoops(node, work, layout);
    const write = target.text ? renderLater : render;
    kernels.set(node, { args: loops.args, text: write(loops, target.dialect), loops });
  }
  return neededKernels(graph, kernels);
}

/** Stands for the text of a kernel where a routine computes. */
function routineKernel({ shape, inputs }: Node, routine: Routine, { limits }: Target): KernelText {
  return {
    parameters: inputs.map((_, i) => `a${i}`),
    lines: [`// ${routineText(routine)}`],
    result: "",
    extent: extentOf(shape, limits),
    iterations: 0,
    tables: [],
    opaque: [],
  };
}

/** Returns the kernels that outputs need, in topological order. Once kernels are written, an array may turn out to be unread. */
function neededKernels({ nodes, outputs }: Graph, kernels: ReadonlyMap<Node, Written>): Map<Node, Written> {
  const needed = new Set(outputs);
  for (const node of needed) for (const arg of kernels.get(node)?.args ?? []) needed.add(arg);
  return new Map(nodes.flatMap((node) => {
    const kernel = needed.has(node) ? kernels.get(node) : undefined;
    return kernel ? [[node, kernel]] : [];
  }));
}

/** How many tables a kernel reads that count as arguments. */
function tablesOf({ text }: Written, { tablesAreArguments }: Limits): number {
  return tablesAreArguments ? text.tables.length : 0;
}

/** Throws if a kernel exceeds the limits although it was cut. */
function checkLimits(root: Node, kernel: Written, limits: Limits): void {
  const { args, text: { iterations } } = kernel;
  const most = mostArguments(limits, tablesOf(kernel, limits));
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

/** The parts of a plan. */
interface Parts {
  readonly graph: Graph;
  readonly kernels: ReadonlyMap<Node, Written>;
  /** The results. */
  readonly wanted: readonly Node[];
  readonly loops: readonly PlannedLoop[];
}

function assemble(
  { graph, kernels, wanted, loops }: Parts,
  target: Target,
  options: Pick<PlanOptions, "describe"> = {},
): Plan {
  const sources = new Map<Node, Source>();
  graph.leaves.forEach((node, index) => sources.set(node, { from: "leaf", index }));
  [...kernels.keys()].forEach((node, index) => sources.set(node, { from: "step", index }));
  loops.forEach(({ node: { results } }, index) =>
    [...results.values()].forEach((node, result) => sources.set(node, { from: "loop", index, result }))
  );
  const source = (node: Node): Source => sources.get(node) ?? { from: "empty" };
  const orders = [...kernels.keys()].map(({ order }) => order);
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
      args: kernel.args.map(source),
      ...how(node, kernel, target.forms),
      ...(options.describe ? { loops: described(node, kernel) } : {}),
    })),
    ...(loops.length === 0 ? {} : {
      loops: loops.map((loop) => loopStep(loop, { source, orders, numbers: graph.leaves.length - 1 })),
    }),
    results: wanted.map(source),
  };
}

function how({ kernel }: Node, { loops }: Written, forms = false): Pick<Step, "form" | "routine"> {
  if (kernel.kind === "routine") return { routine: kernel.routine };
  return forms ? { form: formOf(loops!) } : {};
}

function described({ kernel }: Node, { loops }: Written): string {
  return kernel.kind === "routine" ? routineText(kernel.routine) : describe(loops!);
}

/** The plan around a loop. */
interface Surroundings {
  readonly source: (node: Node) => Source;
  /** The places of the kernels in topological order. */
  readonly orders: readonly number[];
  /** The leaf with the numbers that change from call to call, if there are any. */
  readonly numbers: number;
}

function loopStep({ node, body }: PlannedLoop, { source, orders, numbers }: Surroundings): LoopStep {
  const { name, loop, inputs, results } = node;
  const { carries, rows, count, reverse } = loop.parts;
  const needed = [...inputs.keys()].sort((a, b) => a - b);
  // The carries come first among the arguments and among what the body returns.
  const args = needed.map((k, i): LoopArgument => {
    const from = source(inputs.get(k)!);
    if (k < carries.length) return { as: "carry", source: from, next: i };
    return { as: k < carries.length + rows.length ? "row" : "whole", source: from };
  });
  if (body.leaves.length > args.length) args.push({ as: "whole", source: { from: "leaf", index: numbers } });
  let returned = needed.filter((k) => k < carries.length).length;
  const first = firstOf(node);
  return {
    name,
    before: orders.filter((order) => order < first).length,
    count,
    reverse,
    body,
    args,
    shapes: [...results.values()].map(({ shape }) => shape),
    results: [...results.keys()].map((k): LoopResult => {
      const as = loop.kindOf(k);
      return { as, of: as === "last" ? needed.indexOf(k) : returned++ };
    }),
  };
}
