/** The part of the tape that a plan computes, in primitive kernels: composites lowered, long reductions split into stages. */
import { add, constant, type Index, scale } from "./affine.ts";
import {
  attributeText,
  type GatherKernel,
  type Kernel,
  type MovementKernel,
  opId,
  opOf,
  type ReduceKernel,
} from "./op.ts";
import type { Target } from "./lower.ts";
import { dropAxes, type Shape, sizeOf } from "./shape.ts";
import type { Attributes, Tensor } from "./tensor.ts";

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
/** A result with fewer elements than this leaves threads idle: a long reduction into it is split. */
const FEW_RESULTS = 512;
/** The threads that a split aims at. */
const ENOUGH_THREADS = 4096;
/** Reductions shorter than this are not worth a stage. */
const LONG_REDUCTION = 512;
/** No loop is longer: some drivers end a thread's loops, silently, after 65,535 iterations. */
const LONGEST_LOOP = 32768;

/** The input that a lazy value computes in a branch, unless it is read from an array. */
function guardedInput({ kernel, inputs }: Node): Node | null {
  if (kernel.kind !== "elementwise" || !kernel.lazy) return null;
  const guarded = inputs[kernel.lazy.when];
  return guarded.array ? null : guarded;
}

/** The values that others need, down to what has an array. */
function neededBy(nodes: readonly Node[]): Set<Node> {
  const seen = new Set(nodes);
  for (const node of seen) if (!node.array) node.inputs.forEach((input) => seen.add(input));
  return seen;
}

/** The cost of what a lazy value computes in its branch and nowhere else, 0 for other values. */
export function guardedCost(node: Node, withGuarded: boolean): number {
  const guarded = guardedInput(node);
  if (!guarded) return 0;
  const elsewhere = neededBy(node.inputs.filter((input) => input !== guarded));
  return costOf(guarded, (n) => (n.array ? 1 : null), elsewhere, withGuarded);
}

/**
 * Rough cost of evaluating one element, in additions; what is needed several times is computed once.
 *
 * @param readCost what reading a value costs, `null` where it is computed.
 * @param seen values that are there already.
 * @param withGuarded whether what branches guard counts.
 */
export function costOf(
  node: Node,
  readCost: (node: Node) => number | null,
  seen: Set<Node> = new Set(),
  withGuarded = true,
): number {
  if (seen.has(node)) return 0;
  seen.add(node);
  let cost = 0;
  const stack = [node];
  while (stack.length > 0) {
    const top = stack.pop()!;
    const { kernel, inputs, size } = top;
    if (kernel.kind === "reduce") {
      const [input] = inputs;
      const each = 1 + (readCost(input) ?? costOf(input, readCost, seen, withGuarded));
      cost += each * Math.max(1, input.size / Math.max(1, size));
      continue;
    }
    cost += kernel.kind === "elementwise" ? kernel.cost : kernel.kind === "gather" ? 1 : 0;
    // What is guarded counts in full: if it got an array, it would be computed for nothing.
    const guarded = guardedInput(top);
    if (guarded && withGuarded) cost += guardedCost(top, true);
    for (const input of inputs) {
      if (input === guarded || seen.has(input)) continue;
      seen.add(input);
      const read = readCost(input);
      if (read === null) stack.push(input);
      else cost += read;
    }
  }
  return cost;
}

function boundOf(node: Node): number | null {
  const { kernel } = node;
  if (kernel.kind === "reduce" && kernel.position) {
    return sizeOf((node.attributes.axes as number[]).map((a) => node.inputs[0].shape[a]));
  }
  if (kernel.kind === "movement" && !kernel.fill) return node.inputs[0].bound;
  if (kernel.kind === "gather") return node.inputs[0].bound;
  return null;
}

/** Inserts an expression at an axis. */
function insert(index: readonly Index[], axis: number, value: Index): Index[] {
  return [...index.slice(0, axis), value, ...index.slice(axis)];
}

/** Views an axis of length n as [rows, columns], row-major. */
function splitAxis(input: Node, axis: number, rows: number, columns: number, fill: number): Node {
  const exact = rows * columns === input.shape[axis];
  const kernel: MovementKernel = {
    kind: "movement",
    source: (out) => {
      const at = add(scale(out[axis], columns), out[axis + 1]);
      return [...out.slice(0, axis), at, ...out.slice(axis + 2)];
    },
    ...(exact ? {} : { fill: () => fill }),
  };
  const shape = [...input.shape.slice(0, axis), rows, columns, ...input.shape.slice(axis + 1)];
  return new Node("split", kernel, [input], {}, shape);
}

/** Views [.., rows, columns, ..] as one axis again. */
function read(source: Node, positions: Node, axis: number): Node {
  const kernel: GatherKernel = {
    kind: "gather",
    position: (out) => [...out],
    source: (out, position) => insert(out, axis, position),
    axis: () => axis,
  };
  return new Node("read", kernel, [source, positions], {}, positions.shape);
}

function reduceNode(name: string, kernel: ReduceKernel, input: Node, axes: readonly number[], stage: boolean): Node {
  return new Node(name, kernel, [input], { axes }, dropAxes(input.shape, axes), stage);
}

/** The divisor of n that is nearest to a wish, or the wish itself where all are far from it. */
function nearDivisor(n: number, wish: number): number {
  let best = 0;
  for (let d = 2; d * 2 <= n; d++) {
    if (n % d === 0 && (best === 0 || Math.abs(Math.log(d / wish)) < Math.abs(Math.log(best / wish)))) best = d;
  }
  return best >= wish / 4 && best <= wish * 4 ? best : wish;
}

/** A reduction, in stages where it is long and its results are few. */
function reduction(name: string, kernel: ReduceKernel, input: Node, axes: readonly number[]): Node {
  const shape = dropAxes(input.shape, axes);
  const results = sizeOf(shape);
  const length = sizeOf(axes.map((a) => input.shape[a]));
  const split = (length >= LONG_REDUCTION && results < FEW_RESULTS) || length > LONGEST_LOOP;
  if (!split || (kernel.position && axes.length > 1)) return reduceNode(name, kernel, input, axes, false);

  const axis = axes.reduce((a, b) => (input.shape[b] > input.shape[a] ? b : a));
  const n = input.shape[axis];
  const threads = Math.max(2, Math.ceil(ENOUGH_THREADS / results), Math.ceil(length / LONGEST_LOOP));
  const parts = nearDivisor(n, Math.min(threads, Math.max(2, Math.floor(n / 16))));
  const each = Math.ceil(n / parts);
  const later = axes.filter((a) => a !== axis);
  const shift = (a: number) => (a > axis ? a + 1 : a);
  if (!kernel.position) {
    // Neighbouring threads take neighbouring elements: the parts interleave.
    const view = splitAxis(input, axis, each, parts, kernel.identity);
    const partial = reduceNode(name, kernel, view, [axis, ...later.map(shift)].sort((a, b) => a - b), true);
    return reduction(name, kernel, partial, [axis - later.filter((a) => a < axis).length]);
  }
  // The lowest position among equals wins, so the parts follow each other.
  const view = splitAxis(input, axis, parts, each, kernel.identity);
  const within = reduceNode(name, kernel, view, [axis + 1], true);
  const best = read(view, within, axis + 1);
  const part = reduction(name, kernel, best, [axis]);
  return joinPosition(part, read(within, part, axis), each, n);
}

/** part * each + position within the part. */
function joinPosition(part: Node, within: Node, each: number, n: number): Node {
  const node = new Node(
    "position",
    {
      kind: "elementwise",
      expression: ([a, b], _, lower) => `(${a} * ${lower.literal(each)} + ${b})`,
      cost: 2,
    },
    [part, within],
    {},
    part.shape,
  );
  Object.defineProperty(node, "bound", { value: n });
  return node;
}

/** The graph of a plan. */
export interface Graph {
  /** In topological order. */
  readonly nodes: readonly Node[];
  readonly outputs: readonly Node[];
  /** The tape's entries that the leaves stand for, in the order of the plan's arguments. */
  readonly leaves: readonly Node[];
}

/** Translates the entries that must be computed; `leaves` are those that have a value. */
export function buildGraph(outputs: readonly Tensor[], leaves: readonly Tensor[], target: Target): Graph {
  const known = new Map<Tensor, Node>();
  for (const leaf of leaves) known.set(leaf, new Node("leaf", { kind: "leaf" }, [], {}, leaf.shape));
  const leafNodes = leaves.map((t) => known.get(t)!);

  const serials = new Map<Node, number>();
  const equals = new Map<string, Node>();
  /** The same op on the same values is the same value. */
  const translate = (tensor: Tensor): Node => {
    const inputs = tensor.inputs.map((t) => known.get(t)!);
    const numbers = inputs.map((node) => {
      if (!serials.has(node)) serials.set(node, serials.size);
      return serials.get(node);
    });
    const key = `${opId(tensor.op)}${attributeText(tensor.attributes)}${numbers.join(",")}`;
    let node = equals.get(key);
    if (!node) equals.set(key, node = makeNode(tensor, inputs));
    return node;
  };

  const makeNode = (tensor: Tensor, inputs: readonly Node[]): Node => {
    const op = opOf(tensor);
    if (op.kernel.kind === "reduce") {
      const axes = tensor.attributes.axes as readonly number[];
      if (inputs[0].size === 0) return filled(tensor.shape, op.kernel.identity);
      if (op.kernel.position) refuseInexact(op.name, inputs[0].shape, axes, target);
      return reduction(op.name, op.kernel, inputs[0], axes);
    }
    return new Node(op.name, op.kernel, inputs, tensor.attributes, tensor.shape);
  };

  const visit = (root: Tensor): void => {
    const stack: Tensor[] = [root];
    while (stack.length > 0) {
      const tensor = stack[stack.length - 1];
      if (known.has(tensor)) {
        stack.pop();
        continue;
      }
      const waiting = tensor.inputs.filter((t) => !known.has(t));
      if (waiting.length > 0) {
        stack.push(...waiting);
        continue;
      }
      const { kernel } = opOf(tensor);
      if (kernel.kind === "lowered") {
        const lowered = kernel.lower(tensor.inputs, tensor.attributes);
        visit(lowered);
        known.set(tensor, known.get(lowered)!);
      } else {
        known.set(tensor, translate(tensor));
      }
      stack.pop();
    }
  };
  outputs.forEach(visit);

  const results = outputs.map((t) => known.get(t)!);
  return { nodes: topological(results), outputs: results, leaves: leafNodes };
}

/** A position is a value: one that the device cannot store would be another one. */
function refuseInexact(
  name: string,
  shape: Shape,
  axes: readonly number[],
  { exactValue, name: device }: Target,
): void {
  const length = sizeOf(axes.map((a) => shape[a]));
  // Positions count from 0.
  if (length - 1 <= exactValue) return;
  throw new Error(
    `${name}: expected at most ${exactValue + 1} elements along axes [${axes.join(", ")}] of shape [${
      shape.join(", ")
    }], since ${device} stores positions as float32, got ${length}; split the tensor, or use the device "float64"`,
  );
}

function filled(shape: Shape, value: number): Node {
  const progression = () => ({ start: value, step: 0, index: constant(0) });
  return new Node("full", { kind: "position", progression }, [], {}, shape);
}

/** Numbers the nodes that results need, inputs first. */
function topological(results: readonly Node[]): Node[] {
  const nodes: Node[] = [];
  const stack = [...results];
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    if (node.order >= 0) {
      stack.pop();
      continue;
    }
    const waiting = node.inputs.filter((n) => n.order < 0);
    if (waiting.length > 0) {
      stack.push(...waiting);
      continue;
    }
    node.order = nodes.push(node) - 1;
    stack.pop();
  }
  return nodes;
}
