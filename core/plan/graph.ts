/** The part of the tape that a plan computes, in primitive kernels: composites lowered, long reductions split into stages. */
import { constant } from "../affine.ts";
import type { Target } from "../backends/dialect.ts";
import { attributeText, numbersOf, opId } from "../structure.ts";
import { type Shape, sizeOf } from "../shape.ts";
import type { Entry } from "../entry.ts";
import { Node } from "./node.ts";
import { reduction } from "./reductions.ts";

/** The graph of a plan. */
export interface Graph {
  /** In topological order. */
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

/** Translates the entries that must be computed; `leaves` are those that have a value. */
export function buildGraph(
  outputs: readonly Entry[],
  leaves: readonly Entry[],
  target: Target,
  numbers?: Numbers,
): Graph {
  const known = new Map<Entry, Node>();
  for (const leaf of leaves) known.set(leaf, new Node("leaf", { kind: "leaf" }, [], {}, leaf.shape));
  const leafNodes = leaves.map((t) => known.get(t)!);

  const serials = new Map<Node, number>();
  const equals = new Map<string, Node>();
  /** The same op on the same values is the same value. */
  const translate = (tensor: Entry): Node => {
    const inputs = tensor.inputs.map((t) => known.get(t)!);
    const serial = inputs.map((node) => {
      if (!serials.has(node)) serials.set(node, serials.size);
      return serials.get(node);
    });
    // Numbers that are equal now may not be so in the next call.
    const apart = numbers?.slots.has(tensor) ? `#${tensor.id}` : "";
    const key = `${opId(tensor.op)}${attributeText(tensor.attributes)}${serial.join(",")}${apart}`;
    let node = equals.get(key);
    if (!node) equals.set(key, node = makeNode(tensor, inputs));
    return node;
  };

  /** An element of the array of numbers, everywhere in a shape. */
  const numberNode = (slot: number, shape: Shape): Node =>
    new Node("number", { kind: "movement", source: () => [constant(slot)] }, [known.get(numbers!.array)!], {}, shape);

  const makeNode = (tensor: Entry, inputs: readonly Node[]): Node => {
    const { op } = tensor;
    const slots = numbers?.slots.get(tensor);
    if (slots && op.kernel.kind === "position") return numberNode([...slots.values()][0], tensor.shape);
    if (slots) {
      const rest = Object.entries(tensor.attributes).filter(([name]) => !slots.has(name));
      const read = numbersOf(tensor).flatMap((name) => slots.has(name) ? [numberNode(slots.get(name)!, [])] : []);
      return new Node(op.name, op.kernel, [...inputs, ...read], Object.fromEntries(rest), tensor.shape);
    }
    if (op.kernel.kind === "reduce") {
      const axes = op.kernel.axes(tensor.attributes);
      if (inputs[0].size === 0) return filled(tensor.shape, op.kernel.identity);
      if (op.kernel.position) refuseInexact(op.name, inputs[0].shape, axes, target);
      return reduction(op.name, op.kernel, inputs[0], axes);
    }
    return new Node(op.name, op.kernel, inputs, tensor.attributes, tensor.shape);
  };

  const visit = (root: Entry): void => {
    const stack: Entry[] = [root];
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
      const { kernel } = tensor.op;
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
