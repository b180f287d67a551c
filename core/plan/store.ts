/** The policy that decides which values get arrays; all others are computed in the kernels that need them. */
import { constant, type Index, variable } from "../affine.ts";
import type { KernelOf } from "../kernel.ts";
import {
  type Block,
  blockFor,
  broadcastIndex,
  elementIndex,
  isInside,
  movedIndex,
  movedShare,
  stepsOf,
  threadIndex,
  tripsOf,
} from "./access.ts";
import { type Costs, type Limits, mostArguments, Work } from "./costs.ts";
import { Dominators } from "./dominators.ts";
import type { Graph } from "./graph.ts";
import type { Node } from "./node.ts";

/** Counters of the policy's work, for tests of its growth. */
export interface Effort {
  /** The number of passes over the graph. */
  rounds: number;
  /** The demands on values, in all rounds. */
  demands: number;
}

/** Options of {@link chooseStored}. */
export interface ChoosingOptions {
  /** Returns the number of constant tables that the kernel of a value reads, if known; default 0. */
  readonly tablesOf?: (root: Node) => number;
  /** Counts the work. */
  readonly effort?: Effort;
}

/**
 * Chooses the values that get arrays, leaves included.
 *
 * The graph is visited from the outputs to the leaves. A value that gets an array is computed by a kernel, which demands elements of
 * its inputs. An input either has an array, which the kernel reads, or is computed in the kernel too and demands elements of its
 * inputs in turn. When a value is reached all demands on it are known, and so is how often it would be computed. Kernels that then read too
 * many arrays or loop too long are cut and the graph is visited again. Kernels get smaller with each round.
 */
export function chooseStored(graph: Graph, costs: Costs, limits: Limits, options: ChoosingOptions = {}): Set<Node> {
  const { tablesOf = () => 0, effort } = options;
  const required = requiredOf(graph, costs);
  const dominators = new Dominators(graph);
  for (;;) {
    const round = new Round({ graph, dominators, required, costs, limits });
    round.run();
    if (effort) {
      effort.rounds++;
      effort.demands += round.demands;
    }
    const before = required.size;
    for (const kernel of round.kernels) {
      const most = mostArguments(limits, tablesOf(kernel.root));
      if (kernel.args.size > most) cutArguments(kernel, most, costs, required);
      cutLoops(kernel, limits.iterations, required);
      cutChains([...kernel.values].reverse(), costs.longestChain, required);
    }
    if (required.size === before) return round.stored;
  }
}

/** Chains that are this many times too long are cut at once, so that no round goes through kernels that are far too large. */
const FAR_TOO_LONG = 4;

/** The values that have arrays regardless of cost: leaves, outputs, stages of reductions, routines, and some links of very long chains. */
function requiredOf({ nodes, outputs }: Graph, { longestChain }: Costs): Set<Node> {
  const required = new Set(
    nodes.filter((node) => node.kernel.kind === "leaf" || node.kernel.kind === "routine" || node.isStage),
  );
  for (const node of outputs) if (node.size > 0) required.add(node);
  cutChains(nodes, FAR_TOO_LONG * longestChain, required);
  return required;
}

/** A kernel as far as deciding needs to know it. */
class Draft {
  readonly root: Node;
  /** The arrays that it reads. */
  readonly args = new Set<Node>();
  /** The values that it computes, inputs last. */
  readonly values: Node[] = [];
  /** How many copies of values its text has, and the cost of all of them. */
  copies = 0;
  text = 0;
  /** The loop iterations of one thread, by the reductions that they belong to. */
  readonly iterations = new Map<Node, number>();
  readonly #places = new Map<string, Place>();
  readonly #positions = new Map<string, string>();
  #names = 0;

  constructor(root: Node) {
    this.root = root;
  }

  place(index: readonly Index[]): Place {
    let key = "";
    for (const { key: part } of index) key += `${part},`;
    let place = this.#places.get(key);
    if (!place) this.#places.set(key, place = new Place(index, key));
    return place;
  }

  /** A variable's name. */
  name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** The name of a position that is read: the same for the same one. */
  positionName(node: Node, { key }: Place): string {
    const id = `${node.order}:${key}`;
    let name = this.#positions.get(id);
    if (name === undefined) this.#positions.set(id, name = this.name("v"));
    return name;
  }
}

/** An element of values at an index; there is one for each index in a kernel. */
class Place {
  readonly index: readonly Index[];
  readonly key: string;
  /** How many loops deep it is known. */
  readonly depth: number;
  constructor(index: readonly Index[], key: string) {
    this.index = index;
    this.key = key;
    this.depth = index.reduce((deepest, i) => Math.max(deepest, i.depth), 0);
  }
}

/** A block of a kernel and how often it occurs. */
interface Scope extends Block<Scope> {
  /** How often it is run in all threads together. */
  readonly times: number;
  /** How many copies of it there are in the text: loops are unrolled. */
  readonly copies: number;
}

function branchIn(scope: Scope, share = 1): Scope {
  const { depth, times, copies } = scope;
  return { parent: scope, depth, times: times * share, copies, isBranch: true };
}

/** An element of a value that a kernel needs somewhere. */
interface Demand {
  readonly kernel: Draft;
  readonly place: Place;
  readonly scope: Scope;
}

/** The input of a round. */
interface Given {
  readonly graph: Graph;
  readonly dominators: Dominators;
  /** The values that have arrays in any case. */
  readonly required: ReadonlySet<Node>;
  readonly costs: Costs;
  readonly limits: Limits;
}

/** One pass over the graph. */
class Round {
  readonly stored = new Set<Node>();
  readonly kernels: Draft[] = [];
  demands = 0;
  readonly #graph: Graph;
  readonly #dominators: Dominators;
  readonly #required: ReadonlySet<Node>;
  readonly #costs: Costs;
  readonly #limits: Limits;
  /** Work where, among the values not decided on yet, only those that must have an array have one. */
  readonly #work: Work;
  /** How many values have to be written down for each value alone. */
  readonly #own: Int32Array;
  /** By the order of the value. */
  readonly #demands: (Demand[] | undefined)[];
  /** By the order of the value, how often it is computed without an array as far as its demands are known, repetitions included. */
  readonly #evaluations: Float64Array;
  readonly #copies: Float64Array;

  constructor({ graph, dominators, required, costs, limits }: Given) {
    this.#graph = graph;
    this.#dominators = dominators;
    this.#required = required;
    this.#costs = costs;
    this.#limits = limits;
    this.#work = new Work(required, costs);
    this.#own = dominators.countOwn(graph.nodes, (node) => !required.has(node));
    this.#demands = new Array(graph.nodes.length);
    this.#evaluations = new Float64Array(graph.nodes.length);
    this.#copies = new Float64Array(graph.nodes.length);
    for (const node of required) if (node.kernel.kind === "leaf") this.stored.add(node);
  }

  run(): void {
    const outputs = new Set(this.#graph.outputs);
    for (let i = this.#graph.nodes.length - 1; i >= 0; i--) {
      const node = this.#graph.nodes[i];
      const demands = distinct(this.#demands[i] ?? []);
      this.#demands[i] = undefined;
      if (demands.length === 0 && !(outputs.has(node) && node.size > 0)) continue;
      this.demands += demands.length;
      if (node.kernel.kind === "leaf" || this.#decide(node, demands)) this.#store(node, demands);
      else this.#fuse(node, demands);
    }
  }

  /** The value has an array, which those that need it read. */
  #store(node: Node, demands: readonly Demand[]): void {
    for (const { kernel } of demands) kernel.args.add(node);
    if (node.kernel.kind === "leaf") return;
    this.stored.add(node);
    const kernel = new Draft(node);
    this.kernels.push(kernel);
    const place = kernel.place(
      threadIndex(node.shape, this.#limits, (k, length) => variable("xyz"[k], 0, length - 1, 0)),
    );
    this.#propagate(node, {
      kernel,
      place,
      scope: { parent: null, depth: 0, times: node.size, copies: 1, isBranch: false },
    });
  }

  /** The value is computed by the kernels that need it. */
  #fuse(node: Node, demands: readonly Demand[]): void {
    for (const demand of demands) {
      const { kernel, scope } = demand;
      if (kernel.values.at(-1) !== node) kernel.values.push(node);
      if (isWork(node)) {
        kernel.copies += scope.copies;
        kernel.text += scope.copies * textOf(node);
      }
      this.#propagate(node, demand);
    }
  }

  // Deciding

  #decide(node: Node, demands: readonly Demand[]): boolean {
    if (this.#required.has(node)) return true;
    if (demands.some(({ scope }) => scope.depth > 0) && this.#work.needsThreads(node)) return true;
    // A movement only rewrites indices: its input is decided on instead.
    if (!isWork(node)) return false;
    return this.#isTooMuch(node, demands) || this.#isWorth(node, usesOf(demands));
  }

  /**
   * Whether a kernel would become too large. Values computed in a branch are not known outside it, so a chain of branches can repeat
   * its beginning exponentially often.
   */
  #isTooMuch(node: Node, demands: readonly Demand[]): boolean {
    const { mostValues, mostText } = this.#costs;
    const own = textOf(node);
    const copies = new Map<Draft, number>();
    for (const { kernel, scope } of demands) {
      const sum = (copies.get(kernel) ?? 0) + scope.copies;
      if (kernel.copies + sum > mostValues || kernel.text + sum * own > mostText) return true;
      copies.set(kernel, sum);
    }
    return false;
  }

  /**
   * Whether storing and reading a value costs less than computing it this often, in as many places. An input may be worth an array
   * itself; then only the rest of the cost counts.
   */
  #isWorth(node: Node, { evaluations, copies }: Uses, known = new Map<Node, boolean>()): boolean {
    if (!isWork(node)) return false;
    const { write, read, beside, wouldBe, launch, copy } = this.#costs;
    const text = (copies - 1) * this.#own[node.order] * copy;
    const array = node.size * write + evaluations * read + launch;
    const saved = evaluations - node.size;
    // Without an array it is computed only where it is needed.
    if (saved <= 0) return text > array && text + saved * this.#work.costOf(node) > array;
    const most = (array - text) / saved;
    if (most < 0) return true;
    if (!this.#work.isAbove(node, most)) return false;
    const readCost = (input: Node, times: number): number | null => {
      if (this.#required.has(input)) return beside;
      // An input that serves only this value gets an array in its place only if the input is smaller.
      if (input.size >= node.size && this.#dominators.isFor(input, node)) return null;
      let worth = known.get(input);
      if (worth === undefined) {
        const uses = {
          evaluations: Math.max(evaluations * times, this.#evaluations[input.order]),
          copies: Math.max(copies, this.#copies[input.order]),
        };
        known.set(input, worth = this.#isWorth(input, uses, known));
      }
      return worth ? wouldBe : null;
    };
    return this.#work.isAbove(node, most, readCost);
  }

  // Demands

  #demand(node: Node, kernel: Draft, place: Place, from: Scope): void {
    const list = this.#demands[node.order];
    const scope = blockFor(place.depth, from);
    const demand = { kernel, place, scope };
    this.#evaluations[node.order] += scope.times;
    this.#copies[node.order] += scope.copies;
    if (list) list.push(demand);
    else this.#demands[node.order] = [demand];
  }

  /** Demands the elements of inputs that an element needs. */
  #propagate(node: Node, demand: Demand): void {
    const { kernel } = node;
    switch (kernel.kind) {
      case "elementwise":
        return this.#elementwise(node, kernel, demand);
      case "movement":
        return this.#movement(node, kernel, demand);
      case "gather":
        return this.#gather(node, kernel, demand);
      case "reduce":
        return this.#reduce(node, kernel, demand);
      case "search":
        return this.#search(node, kernel, demand);
      case "routine":
        // Its inputs have arrays.
        for (const input of node.inputs) demand.kernel.args.add(input);
        return;
      case "position":
      case "leaf":
        return;
      default:
        return kernel satisfies never;
    }
  }

  #elementwise(node: Node, { choice }: KernelOf<"elementwise">, { kernel, place, scope }: Demand): void {
    const lazy = choice !== undefined && this.#work.isLazy(node);
    node.inputs.forEach((input, i) => {
      const index = broadcastIndex(input.shape, place.index);
      const at = index === place.index ? place : kernel.place(index);
      this.#demand(input, kernel, at, lazy && i === choice.taken ? branchIn(scope) : scope);
    });
  }

  #movement(node: Node, movement: KernelOf<"movement">, { kernel, place, scope }: Demand): void {
    const offset = (of: Node): Index => {
      const nowhere = kernel.place([]);
      this.#demand(of, kernel, nowhere, scope);
      return variable(kernel.positionName(of, nowhere), 0, of.bound! - 1, 0);
    };
    const moved = movedIndex(node, movement, place.index, offset);
    if (!moved) return;
    const at = kernel.place(moved.source);
    this.#demand(
      node.inputs[0],
      kernel,
      at,
      moved.bounds.length === 0 ? scope : branchIn(scope, movedShare(node)),
    );
  }

  #gather(node: Node, gather: KernelOf<"gather">, { kernel, place, scope }: Demand): void {
    const [source, positions] = node.inputs;
    const axis = gather.axis(node.attributes);
    const where = kernel.place(gather.position(place.index, node.attributes, source.shape));
    this.#demand(positions, kernel, where, scope);
    const at = variable(kernel.positionName(positions, where), 0, source.shape[axis] - 1, where.depth);
    const from = kernel.place(gather.source(place.index, at, node.attributes, source.shape));
    this.#demand(source, kernel, from, isInside(node, axis) ? scope : branchIn(scope));
  }

  /** The elements that a search looks at are one demand. */
  #search(node: Node, search: KernelOf<"search">, { kernel, place, scope }: Demand): void {
    const [input, ...ends] = node.inputs;
    for (const end of ends) this.#demand(end, kernel, kernel.place(broadcastIndex(end.shape, place.index)), scope);
    const axis = search.axis(node.attributes);
    const trips = stepsOf(node, search);
    kernel.iterations.set(node, (kernel.iterations.get(node) ?? 0) + (scope.times / kernel.root.size) * trips);
    const depth = scope.depth + 1;
    const body: Scope = { parent: scope, depth, times: scope.times * trips, copies: scope.copies, isBranch: false };
    const at = variable(kernel.name("i"), 0, input.shape[axis] - 1, depth);
    this.#demand(input, kernel, kernel.place(place.index.toSpliced(axis, 0, at)), body);
  }

  /** All elements of a loop are one demand, except in a loop so short that it is written out. */
  #reduce(node: Node, reduce: KernelOf<"reduce">, { kernel, place, scope }: Demand): void {
    const [input] = node.inputs;
    const axes = reduce.axes(node.attributes);
    const last = axes.length - 1;
    const length = axes.length === 0 ? 1 : input.shape[axes[last]];
    const isSingle = reduce.position || this.#work.isTiled(input, axes);
    const width = isSingle ? 1 : this.#work.accumulators(input, length);
    const reduced = input.shape.map((_, axis) => axes.includes(axis));
    const element = (at: readonly Index[], inside: Scope): void => {
      this.#demand(input, kernel, kernel.place(elementIndex(reduced, at, place.index)), inside);
    };
    const open = (axis: number, at: readonly Index[], inside: Scope): void => {
      if (axis > last) return element(at, inside);
      const size = input.shape[axes[axis]];
      const trips = axis < last ? size : tripsOf(size, width);
      if (trips === 0) {
        for (let u = 0; u < size; u++) open(axis + 1, [...at, constant(u)], inside);
        return;
      }
      const iterations = (inside.times / kernel.root.size) * trips;
      kernel.iterations.set(node, (kernel.iterations.get(node) ?? 0) + iterations);
      const copies = axis < last ? 1 : width + (size % width);
      const body: Scope = {
        parent: inside,
        depth: inside.depth + 1,
        times: inside.times * size,
        copies: inside.copies * copies,
        isBranch: false,
      };
      open(axis + 1, [...at, variable(kernel.name("i"), 0, size - 1, body.depth)], body);
    };
    open(0, [], scope);
  }
}

/** Whether a value is computed, and may have an array, rather than read from somewhere else or a part of a sum. */
function isWork({ kernel, isUnrounded }: Node): boolean {
  return kernel.kind !== "movement" && kernel.kind !== "position" && !isUnrounded;
}

/** The cost of a copy of a value in the text of a kernel. */
function textOf({ kernel }: Node): number {
  return kernel.kind === "elementwise" ? kernel.cost : 1;
}

/** How often a value is computed if it has no array. */
interface Uses {
  readonly evaluations: number;
  /** The places in kernels where that is written down. */
  readonly copies: number;
}

function usesOf(demands: readonly Demand[]): Uses {
  let [evaluations, copies] = [0, 0];
  for (const { scope } of demands) {
    evaluations += scope.times;
    copies += scope.copies;
  }
  return { evaluations, copies };
}

/** Demands without those that others meet: for the same element, in the same scope or one around it. */
function distinct(demands: readonly Demand[]): readonly Demand[] {
  if (demands.length < 2) return demands;
  const byPlace = new Map<Place, Map<Scope, Demand>>();
  for (const demand of demands) {
    const scopes = byPlace.get(demand.place);
    if (!scopes) byPlace.set(demand.place, new Map([[demand.scope, demand]]));
    else if (!scopes.has(demand.scope)) scopes.set(demand.scope, demand);
  }
  const kept: Demand[] = [];
  for (const scopes of byPlace.values()) {
    for (const [scope, demand] of scopes) {
      let around = scopes.size > 1 ? scope.parent : null;
      while (around && !scopes.has(around)) around = around.parent;
      if (!around) kept.push(demand);
    }
  }
  return kept;
}

/** Walks from the arrays to the root. If a value would read too many arrays, one of the values below it gets an array. */
function cutArguments(kernel: Draft, most: number, costs: Costs, cuts: Set<Node>): void {
  const values = [...kernel.values].reverse().concat(kernel.root);
  const reads = new Map<Node, ReadonlySet<Node>>();
  const isRead = (node: Node) => cuts.has(node) || kernel.args.has(node);
  for (let i = 0; i < values.length; i++) {
    const node = values[i];
    const own = new Set<Node>();
    for (const input of node.inputs) {
      if (isRead(input)) own.add(input);
      else for (const array of reads.get(input) ?? []) own.add(array);
    }
    reads.set(node, own);
    if (own.size <= most) continue;
    const cut = bestCut(node, { reads, isRead, most, costs });
    if (!cut) continue;
    cuts.add(cut);
    // All that is made of it reads fewer arrays now.
    while (values[i] !== cut) i--;
  }
}

/** Facts about a kernel that reads too many arrays. */
interface Cutting {
  /** For each value that is not read from an array, the arrays that it reads. */
  readonly reads: ReadonlyMap<Node, ReadonlySet<Node>>;
  readonly isRead: (node: Node) => boolean;
  readonly most: number;
  readonly costs: Costs;
}

/** The candidates that are compared. */
const CANDIDATES = 16;

/** Chooses the value that gets an array so that another one reads few enough: the cheapest that suffices, else the one that saves most. */
function bestCut(node: Node, cutting: Cutting): Node | null {
  const { reads, isRead, most, costs } = cutting;
  const readBy = (value: Node) => reads.get(value)?.size ?? 0;
  const candidates = [...computedBelow(node, cutting)]
    .filter((value) => isWork(value) && readBy(value) >= 2 && readBy(value) <= most)
    .sort((a, b) => readBy(b) - readBy(a) || a.size - b.size || a.order - b.order);
  let best: { value: Node; left: number; cost: number } | null = null;
  for (const value of candidates.slice(0, CANDIDATES)) {
    const left = readsWithout(node, value, cutting);
    // Small arrays all cost the same.
    const cost = Math.max(costs.launch, value.size * (costs.write + costs.read));
    const better = !best || Math.max(left, most) - Math.max(best.left, most) || cost - best.cost || left - best.left;
    if (better === true || better < 0) best = { value, left, cost };
  }
  if (best && best.left < readBy(node)) return best.value;
  // They read the same arrays: as soon as all inputs have arrays there are few.
  return node.inputs.filter((input) => !isRead(input) && readBy(input) > 1)
    .reduce<Node | null>((a, b) => (a && readBy(a) >= readBy(b) ? a : b), null);
}

/** The values that a value is computed from. */
function computedBelow(node: Node, { reads, isRead }: Cutting, without?: Node): Set<Node> {
  const below = new Set([node]);
  for (const value of below) {
    for (const input of value.inputs) if (input !== without && !isRead(input) && reads.has(input)) below.add(input);
  }
  below.delete(node);
  return below;
}

/** How many arrays a value reads if another one gets an array. */
function readsWithout(node: Node, cut: Node, cutting: Cutting): number {
  const arrays = new Set([cut]);
  for (const value of [node, ...computedBelow(node, cutting, cut)]) {
    for (const input of value.inputs) if (cutting.isRead(input)) arrays.add(input);
  }
  return arrays.size;
}

/** If a thread loops too long, the reductions with most iterations inside it get arrays. */
function cutLoops(kernel: Draft, most: number, cuts: Set<Node>): void {
  let total = 0;
  for (const iterations of kernel.iterations.values()) total += iterations;
  if (total <= most) return;
  const inner = [...kernel.iterations].filter(([node]) => node !== kernel.root).sort(([, a], [, b]) => b - a);
  for (const [node, iterations] of inner) {
    if (total <= most) return;
    cuts.add(node);
    total -= iterations;
  }
}

/** Cuts chains of values that are too long, in topological order, at a small value. */
function cutChains(values: readonly Node[], longest: number, cuts: Set<Node>): void {
  const chains = new Map<Node, number>();
  const chainOf = (node: Node) => (cuts.has(node) ? 0 : chains.get(node) ?? 0);
  for (let i = 0; i < values.length; i++) {
    const node = values[i];
    const chain = 1 + Math.max(0, ...node.inputs.map(chainOf));
    chains.set(node, chain);
    if (chain <= longest || cuts.has(node)) continue;
    const cut = smallestBelow(node, chainOf, longest / 2);
    cuts.add(cut);
    // The chains above it start again from here.
    while (values[i] !== cut) i--;
  }
}

/** The smallest value of the longest chain below one, as long as that chain is. */
function smallestBelow(node: Node, chainOf: (node: Node) => number, shortest: number): Node {
  let best: Node | null = null;
  for (let at = node; chainOf(at) > shortest;) {
    at = at.inputs.reduce((a, b) => (chainOf(b) > chainOf(a) ? b : a));
    if (isWork(at) && (!best || at.size < best.size)) best = at;
  }
  return best ?? node;
}
