/** The part of the tape that a plan computes, as values with primitive kernels; long reductions are split into stages. */
import { constant } from "../affine.ts";
import type { Entry } from "../entry.ts";
import type { PrimitiveKernel } from "../kernel.ts";
import { formatShape, type Shape, sizeOf } from "../shape.ts";
import { attributeText, numbersOf, opId } from "../structure.ts";
import type { Costs, Limits } from "./costs.ts";
import { Node } from "./node.ts";
import { reduction, type Splitting } from "./reductions.ts";

/** The graph of a plan. */
export interface Graph {
  /** In topological order, without those that no output needs. */
  readonly nodes: readonly Node[];
  readonly outputs: readonly Node[];
  /** The tape's entries that the leaves stand for, in the order of the plan's arguments. */
  readonly leaves: readonly Node[];
}

/** Numbers that are read from an array rather than compiled in. */
export interface Numbers {
  /** The array, one of the leaves. */
  readonly array: Entry;
  /** For an entry the places in the array of those of its attributes that are read there. */
  readonly slots: ReadonlyMap<Entry, ReadonlyMap<string, number>>;
}

/** An entry of the tape that is computed by a kernel. */
interface PrimitiveEntry {
  readonly entry: Entry;
  readonly kernel: PrimitiveKernel;
}

/** The entries that outputs need, composites expanded. */
export interface Expanded {
  /** Inputs first, without leaves. */
  readonly entries: readonly PrimitiveEntry[];
  /** Returns the entry that computes an entry: the entry itself, or the expansion of a composite. */
  of(entry: Entry): Entry;
}

/** Expands composites and stops at entries that have a value. */
export function expand(outputs: readonly Entry[], leaves: readonly Entry[]): Expanded {
  const entries: PrimitiveEntry[] = [];
  const done = new Set(leaves);
  const expansions = new Map<Entry, Entry>();
  const stack = [...outputs].reverse();
  while (stack.length > 0) {
    const entry = stack[stack.length - 1];
    const { kernel } = entry.op;
    if (done.has(entry)) {
      stack.pop();
      continue;
    }
    const needed = kernel.kind === "lowered" && entry.inputs.every((input) => done.has(input))
      ? [expansions.get(entry) ?? kernel.lower(entry.inputs, entry.attributes)]
      : entry.inputs;
    if (kernel.kind === "lowered" && needed !== entry.inputs) expansions.set(entry, needed[0]);
    const waiting = needed.filter((input) => !done.has(input));
    if (waiting.length > 0) {
      stack.push(...waiting);
      continue;
    }
    if (kernel.kind === "leaf") throw hiddenLeaf(entry, stack.findLast((below) => expansions.has(below)));
    if (kernel.kind !== "lowered") entries.push({ entry, kernel });
    done.add(entry);
    stack.pop();
  }
  const of = (entry: Entry): Entry => {
    let at = entry;
    for (let next; (next = expansions.get(at));) at = next;
    return at;
  };
  return { entries, of };
}

/** The values of a tensor are no part of a plan: one that only the expansion of a composite names would not be among its arguments. */
function hiddenLeaf({ shape }: Entry, composite: Entry | undefined): Error {
  return new Error(
    `plan: the kernel of "${composite?.op.name}" reads a tensor with values, of shape ${
      formatShape(shape)
    }, that is not ` +
      "among its inputs; make it an input of the op, or build it from numbers, full() or arange()",
  );
}

/** Builds the graph of the values that outputs need; `leaves` are the entries that have a value. */
export function buildGraph(
  outputs: readonly Entry[],
  leaves: readonly Entry[],
  { costs, limits, numbers }: { costs: Costs; limits: Limits; numbers?: Numbers },
): Graph {
  const expanded = expand(outputs, leaves);
  const builder = new GraphBuilder(leaves, { ...costs, iterations: limits.iterations }, limits, numbers);
  for (const { entry, kernel } of expanded.entries) builder.add(entry, kernel, entry.inputs.map(expanded.of));
  const results = outputs.map((entry) => builder.nodeOf(expanded.of(entry)));
  return { nodes: topological(results), outputs: results, leaves: leaves.map((entry) => builder.nodeOf(entry)) };
}

class GraphBuilder {
  readonly #known = new Map<Entry, Node>();
  readonly #serials = new Map<Node, number>();
  readonly #equals = new Map<string, Node>();
  readonly #splitting: Splitting;
  readonly #limits: Limits;
  readonly #numbers: Numbers | undefined;

  constructor(leaves: readonly Entry[], splitting: Splitting, limits: Limits, numbers: Numbers | undefined) {
    this.#splitting = splitting;
    this.#limits = limits;
    this.#numbers = numbers;
    for (const leaf of leaves) this.#known.set(leaf, new Node("leaf", { kind: "leaf" }, [], { shape: leaf.shape }));
  }

  nodeOf(entry: Entry): Node {
    return this.#known.get(entry)!;
  }

  /** Adds an entry whose inputs were added before. The same op on the same values is the same node. */
  add(entry: Entry, kernel: PrimitiveKernel, inputs: readonly Entry[]): void {
    const values = inputs.map((input) => this.nodeOf(input));
    // Numbers that are equal now may not be so in the next call.
    const apart = this.#numbers?.slots.has(entry) ? `#${entry.id}` : "";
    const serials = values.map((node) => this.#serial(node));
    const key = `${opId(entry.op)}${attributeText(entry.attributes)}${serials.join()}${apart}`;
    let node = this.#equals.get(key);
    if (!node) this.#equals.set(key, node = this.#make(entry, kernel, values));
    this.#known.set(entry, node);
  }

  #serial(node: Node): number {
    let serial = this.#serials.get(node);
    if (serial === undefined) this.#serials.set(node, serial = this.#serials.size);
    return serial;
  }

  #make(entry: Entry, kernel: PrimitiveKernel, inputs: readonly Node[]): Node {
    const { attributes, shape } = entry;
    const { name } = entry.op;
    const slots = this.#numbers?.slots.get(entry);
    if (slots && kernel.kind === "position") return this.#number([...slots.values()][0], shape);
    if (slots) {
      const rest = Object.entries(attributes).filter(([key]) => !slots.has(key));
      const read = numbersOf(entry).flatMap((key) => slots.has(key) ? [this.#number(slots.get(key)!, [])] : []);
      return new Node(name, kernel, [...inputs, ...read], { shape, attributes: Object.fromEntries(rest) });
    }
    const [input] = inputs;
    if (kernel.kind === "search") {
      if (input.size === 0) return filled(shape, 0);
      refuseInexact(name, input.shape, [kernel.axis(attributes)], this.#limits);
    }
    if (kernel.kind !== "reduce") return new Node(name, kernel, inputs, { shape, attributes });
    const axes = kernel.axes(attributes);
    if (input.size === 0) return filled(shape, kernel.identity);
    if (kernel.position) refuseInexact(name, input.shape, axes, this.#limits);
    return reduction({ name, kernel }, input, axes, this.#splitting);
  }

  /** An element of the array of numbers, everywhere in a shape. */
  #number(slot: number, shape: Shape): Node {
    const array = this.nodeOf(this.#numbers!.array);
    return new Node("number", { kind: "movement", source: () => [constant(slot)] }, [array], { shape });
  }
}

/** A position is a value; a device that cannot store it would round it. */
function refuseInexact(
  name: string,
  shape: Shape,
  axes: readonly number[],
  { exactValue, name: device }: Limits,
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
  return new Node("full", { kind: "position", progression }, [], { shape });
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
