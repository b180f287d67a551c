/** The part of the tape that a plan computes, as values with primitive kernels; long reductions are split into stages. */
import { constant } from "../affine.ts";
import type { Entry } from "../entry.ts";
import type { KernelOf, PrimitiveKernel, ResultKernel, RoutineKernel, Unrolled } from "../kernel.ts";
import { dependenciesOf, type Loop, loopOf, repeatOf, resultNumber } from "../loop.ts";
import type { Routine } from "../routine.ts";
import { formatShape, type Shape, sizeOf } from "../shape.ts";
import { recordApart } from "../state.ts";
import { attributeText, numbersOf, opId, withoutOffsets } from "../structure.ts";
import type { Costs, Limits } from "./costs.ts";
import { Node } from "./node.ts";
import { isSum, Products } from "./products.ts";
import { reduction, type Splitting } from "./reductions.ts";

/** The graph of a plan. */
export interface Graph {
  /** In topological order, without those that no output needs. */
  readonly nodes: readonly Node[];
  /** The values that need arrays: those that were asked for, and the inputs of loops and routines. */
  readonly outputs: readonly Node[];
  /** The tape's entries that the leaves stand for, in the order of the plan's arguments. */
  readonly leaves: readonly Node[];
  /** In the order in which they run. Default none. */
  readonly loops?: readonly LoopNode[];
}

/** A loop of a graph. Its results are read like leaves. */
export interface LoopNode {
  readonly name: string;
  readonly loop: Loop;
  /** The inputs that are needed, by their numbers. */
  readonly inputs: ReadonlyMap<number, Node>;
  /** The results that are needed, by their numbers. */
  readonly results: ReadonlyMap<number, Node>;
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
  readonly kernel: PrimitiveKernel | ResultKernel;
}

/** The entries that outputs need, composites expanded. */
export interface Expanded {
  /** Inputs first, without leaves and loops; the results of loops come after what they need. */
  readonly entries: readonly PrimitiveEntry[];
  /** Returns the entry that computes an entry: the entry itself, or the expansion of a composite or a loop. */
  of(entry: Entry): Entry;
}

/** How entries are expanded. */
export interface Expansion {
  /** Whether loops stay. Default false: their results are unrolled. */
  readonly loops?: boolean;
  /** The routines that there are: ops with one of them are not expanded. Default none. */
  readonly routines?: readonly Routine["name"][];
  /** Is told of the copies of entries that unrolling makes. */
  readonly copied?: (from: Entry, to: Entry) => void;
}

/** Expands composites and stops at entries that have a value. */
export function expand(outputs: readonly Entry[], leaves: readonly Entry[], options: Expansion = {}): Expanded {
  const entries: PrimitiveEntry[] = [];
  const done = new Set(leaves);
  const expansions = new Expansions(options);
  const stack = [...outputs].reverse();
  while (stack.length > 0) {
    const entry = stack[stack.length - 1];
    if (done.has(entry)) {
      stack.pop();
      continue;
    }
    const inputs = dependenciesOf(entry);
    const expands = expansions.expands(entry);
    const needed = expands && inputs.every((input) => done.has(input)) ? [expansions.make(entry)] : inputs;
    const waiting = needed.filter((input) => !done.has(input));
    if (waiting.length > 0) {
      stack.push(...waiting);
      continue;
    }
    const kernel = expansions.routine(entry) ?? entry.op.kernel;
    if (kernel.kind === "leaf") throw hiddenLeaf(entry, stack.findLast((below) => expansions.has(below)));
    if (!expands && kernel.kind !== "lowered" && kernel.kind !== "repeat") entries.push({ entry, kernel });
    done.add(entry);
    stack.pop();
  }
  return { entries, of: (entry) => expansions.of(entry) };
}

/** The ops that composites and unrolled loops stand for. */
class Expansions {
  readonly #options: Expansion;
  readonly #known = new Map<Entry, Entry>();
  readonly #unrolled = new Map<Entry, Unrolled<Entry>>();

  constructor(options: Expansion) {
    this.#options = options;
  }

  expands(entry: Entry): boolean {
    const { kernel } = entry.op;
    if (kernel.kind === "lowered") return this.routine(entry) === null;
    return kernel.kind === "result" && !this.#options.loops;
  }

  /** The routine that computes an entry instead of the ops that it stands for; `null` if there is none. */
  routine({ op: { kernel }, inputs, attributes }: Entry): RoutineKernel | null {
    const { routines = [] } = this.#options;
    if (routines.length === 0 || kernel.kind !== "lowered") return null;
    const routine = kernel.routine?.(inputs.map(({ shape }) => shape), attributes) ?? null;
    return routine && routines.includes(routine.name) ? { kind: "routine", routine } : null;
  }

  has(entry: Entry): boolean {
    return this.#known.has(entry);
  }

  make(entry: Entry): Entry {
    let known = this.#known.get(entry);
    if (known) return known;
    const { kernel } = entry.op;
    known = kernel.kind === "lowered"
      ? recordApart(entry.inputs, () => kernel.lower(entry.inputs, entry.attributes))
      : this.#unroll(entry.inputs[0]).result(resultNumber(entry)!);
    this.#known.set(entry, known);
    return known;
  }

  of(entry: Entry): Entry {
    let at = entry;
    for (let next; (next = this.#known.get(at));) at = next;
    return at;
  }

  #unroll(loop: Entry): Unrolled<Entry> {
    let unrolled = this.#unrolled.get(loop);
    if (unrolled) return unrolled;
    const { inputs } = loop;
    unrolled = recordApart(inputs, () =>
      repeatOf(loop)!.unroll(loop, {
        input: (k) => inputs[k],
        rows: (k) => {
          const number = resultNumber(inputs[k]);
          // Where a result of another loop is read row by row, nothing has to join the rows.
          return number === null ? null : this.#unrolled.get(inputs[k].inputs[0])?.rows(number) ?? null;
        },
        copied: this.#options.copied,
      }));
    this.#unrolled.set(loop, unrolled);
    return unrolled;
  }
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

/** The target and options of a graph. */
interface Building extends Pick<Expansion, "loops" | "routines"> {
  readonly costs: Costs;
  readonly limits: Limits;
  readonly numbers?: Numbers;
  /** Whether sums add products without rounding them. Default false. */
  readonly multiplyAdd?: boolean;
}

/** Builds the graph of the values that outputs need; `leaves` are the entries that have a value. */
export function buildGraph(
  outputs: readonly Entry[],
  leaves: readonly Entry[],
  { costs, limits, numbers, loops, routines, multiplyAdd }: Building,
): Graph {
  // Copies of an entry whose numbers are read from an array read them from there, too.
  const slots = new Map(numbers?.slots);
  const copied = (from: Entry, to: Entry): void => {
    const own = slots.get(from);
    if (own) slots.set(to, own);
  };
  const expanded = expand(outputs, leaves, { loops, routines, copied });
  const given = numbers && { ...numbers, slots };
  const splitting = { ...costs, iterations: limits.iterations };
  const builder = new GraphBuilder(leaves, { splitting, limits, numbers: given, multiplyAdd });
  for (const { entry, kernel } of expanded.entries) {
    if (kernel.kind === "result") builder.addResult(entry, expanded.of);
    else builder.add(entry, kernel, entry.inputs.map((input) => expanded.of(input)));
  }
  const results = asComputed(outputs.map((entry) => builder.nodeOf(expanded.of(entry))));
  const nodes = topological(results);
  // A reduction over nothing is constant: it needs no input.
  const needed = builder.loops.flatMap((loop): LoopNode[] => {
    const own = new Map([...loop.results].filter(([, node]) => node.order >= 0));
    return own.size === 0 ? [] : [{ ...loop, results: own }];
  });
  // A loop may be reached before another one that makes an input for one of its further results.
  needed.sort((a, b) => firstOf(a) - firstOf(b));
  return {
    nodes,
    outputs: [
      ...results,
      ...needed.flatMap(({ inputs }) => [...inputs.values()]),
      ...nodes.flatMap(({ kernel, inputs }) => kernel.kind === "routine" ? inputs : []),
    ],
    leaves: leaves.map((entry) => builder.nodeOf(entry)),
    loops: needed,
  };
}

/** The place of the first result of a loop in topological order, by when all its inputs are computed. */
export function firstOf({ results }: LoopNode): number {
  return Math.min(...[...results.values()].map(({ order }) => order));
}

/** A loop while its graph is built. */
interface BuiltLoop extends LoopNode {
  readonly inputs: Map<number, Node>;
  readonly results: Map<number, Node>;
  /** The inputs of every result: the loop runs once all are known. */
  readonly needed: Node[];
}

const sumKernel: KernelOf<"elementwise"> = {
  kind: "elementwise",
  expression: ([a, b], _, build) => build.call("add", a, b),
  cost: 1,
};

class GraphBuilder {
  readonly #known = new Map<Entry, Node>();
  readonly #serials = new Map<Node, number>();
  readonly #equals = new Map<string, Node>();
  readonly #splitting: Splitting;
  readonly #limits: Limits;
  readonly #numbers: Numbers | undefined;
  readonly #loops = new Map<Entry, BuiltLoop>();
  readonly #products: Products | null;

  constructor(
    leaves: readonly Entry[],
    { splitting, limits, numbers, multiplyAdd }: Omit<Building, "costs"> & { readonly splitting: Splitting },
  ) {
    this.#splitting = splitting;
    this.#limits = limits;
    this.#numbers = numbers;
    this.#products = multiplyAdd ? new Products() : null;
    for (const leaf of leaves) this.#known.set(leaf, new Node("leaf", { kind: "leaf" }, [], { shape: leaf.shape }));
  }

  nodeOf(entry: Entry): Node {
    return this.#known.get(entry)!;
  }

  /** Adds an entry whose inputs were added before. The same op on the same values is the same node. */
  add(entry: Entry, kernel: PrimitiveKernel, inputs: readonly Entry[]): void {
    const values = inputs.map((input) => this.nodeOf(input));
    // Numbers that are equal now may not be so in the next call.
    const slots = this.#numbers?.slots.get(entry);
    const apart = slots ? `#${[...slots.values()]}` : "";
    const serials = values.map((node) => this.#serial(node));
    const key = `${opId(entry.op)}${attributeText(entry.attributes)}${serials.join()}${apart}`;
    let node = this.#equals.get(key);
    if (!node) this.#equals.set(key, node = this.#make(entry, kernel, values));
    this.#known.set(entry, node);
  }

  get loops(): readonly BuiltLoop[] {
    return [...this.#loops.values()];
  }

  /** Adds a result of a loop, all of whose inputs that it needs were added before. */
  addResult(entry: Entry, of: (entry: Entry) => Entry): void {
    const [from] = entry.inputs;
    let known = this.#loops.get(from);
    if (!known) {
      known = { name: from.op.name, loop: loopOf(from)!, inputs: new Map(), results: new Map(), needed: [] };
      this.#loops.set(from, known);
    }
    const { loop, inputs, results, needed } = known;
    const number = resultNumber(entry)!;
    for (const k of loop.needs(number)) {
      if (inputs.has(k)) continue;
      const node = unmoved(this.nodeOf(of(from.inputs[k])));
      inputs.set(k, node);
      needed.push(node);
    }
    const node = results.get(number) ?? new Node(from.op.name, { kind: "leaf" }, needed, { shape: entry.shape });
    results.set(number, node);
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
    if (slots && kernel.kind === "position") {
      const number = this.#number([...slots.values()][0], shape);
      if (kernel.constant) return number;
      const progression = new Node(name, kernel, [], { shape, attributes: { ...attributes, [kernel.start!]: 0 } });
      return new Node("add", sumKernel, [number, progression], { shape });
    }
    if (slots && kernel.kind === "movement") return this.#moved(entry, kernel, inputs[0], slots);
    if (slots) {
      const rest = Object.entries(attributes).filter(([key]) => !slots.has(key));
      const read = numbersOf(entry).flatMap((key) => slots.has(key) ? [this.#number(slots.get(key)!, [])] : []);
      return new Node(name, kernel, [...inputs, ...read], { shape, attributes: Object.fromEntries(rest) });
    }
    if (kernel.kind === "routine") {
      const { routine } = kernel;
      const given = inputs.map(unmoved);
      if (routine.name !== "scatterOnto" || !isZero(given[0])) {
        return new Node(name, kernel, given, { shape, attributes });
      }
      const alone = { kind: "routine", routine: { ...routine, name: "scatter" } } as const;
      return new Node(name, alone, given.slice(1), { shape, attributes });
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
    const elements = this.#products && isSum(kernel) ? this.#products.of(input) : input;
    return reduction({ name, kernel }, elements, axes, this.#splitting);
  }

  /** A movement some of whose offsets are read. */
  #moved(entry: Entry, kernel: KernelOf<"movement">, input: Node, slots: ReadonlyMap<string, number>): Node {
    const { op, shape } = entry;
    const { most } = kernel.offsets!;
    const along = [...slots.keys()].map(Number);
    const attributes = withoutOffsets(kernel.offsets!, entry.attributes, (axis) => along.includes(axis));
    const largest = most(attributes, input.shape);
    const read = along.map((axis) => this.#number(slots.get(String(axis))!, [], largest[axis] + 1));
    return new Node(op.name, { ...kernel, along }, [input, ...read], { shape, attributes });
  }

  /** An element of the array of numbers, everywhere in a shape. */
  #number(slot: number, shape: Shape, bound?: number): Node {
    const array = this.nodeOf(this.#numbers!.array);
    return new Node("number", { kind: "movement", source: () => [constant(slot)] }, [array], { shape, bound });
  }
}

/**
 * The value whose array has the same elements in the same order. Its kernel has the threads that suit its shape, where one over the moved
 * shape would divide each index.
 */
function unmoved(node: Node): Node {
  let at = node;
  while (at.kernel.kind === "movement" && (at.kernel.identity || at.kernel.keepsOrder)) at = at.inputs[0];
  return at;
}

/** In place of values that repeat others those others, if each is computed and result of one alone: results have an array each. */
function asComputed(results: readonly Node[]): Node[] {
  const taken = new Set(results);
  return results.map((node) => {
    const source = unmoved(node);
    if (source.kernel.kind === "leaf" || taken.has(source)) return node;
    taken.add(source);
    return source;
  });
}

/** Whether a value is 0 everywhere, and not only in this call. */
function isZero({ kernel, attributes }: Node): boolean {
  return kernel.kind === "position" && kernel.constant !== undefined && Object.is(attributes[kernel.constant], 0);
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
