/** Splits long reductions into stages, so that there are enough threads and no thread loops too long. */
import { add, type Index, scale } from "../affine.ts";
import type { ElementwiseKernel, GatherKernel, MovementKernel, ReduceKernel } from "../kernel.ts";
import { dropAxes, sizeOf } from "../shape.ts";
import { MIN_ROW } from "./access.ts";
import type { Costs, Limits } from "./costs.ts";
import { Node } from "./node.ts";

/** The costs and limits that decide where reductions are split. */
export type Splitting = Pick<Costs, "fewResults" | "enoughThreads" | "longReduction"> & Pick<Limits, "iterations">;

/** Inserts an expression at an axis. */
function insert(index: readonly Index[], axis: number, value: Index): Index[] {
  return [...index.slice(0, axis), value, ...index.slice(axis)];
}

/** Views an axis of length n as [rows, columns], row-major. */
function splitAxis(input: Node, axis: number, [rows, columns]: readonly [number, number], fill: number): Node {
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
  return new Node("split", kernel, [input], { shape });
}

/** Views [.., rows, columns, ..] as one axis again. */
function read(source: Node, positions: Node, axis: number): Node {
  const kernel: GatherKernel = {
    kind: "gather",
    position: (out) => [...out],
    source: (out, position) => insert(out, axis, position),
    axis: () => axis,
  };
  return new Node("read", kernel, [source, positions], { shape: positions.shape });
}

/** A reduction and how it is named. */
interface Reduction {
  readonly name: string;
  readonly kernel: ReduceKernel;
  /** Whether another one follows. */
  readonly isStage?: boolean;
}

function reduceNode({ name, kernel }: Reduction, input: Node, axes: readonly number[], isStage = false): Node {
  return new Node(name, { ...kernel, axes: () => axes }, [input], {
    shape: dropAxes(input.shape, axes),
    attributes: { axes },
    isStage,
  });
}

/** Returns the divisor of n from `least` on that is nearest to a wish, or the wish itself if no divisor is near. */
function nearDivisor(n: number, wish: number, least: number): number {
  let best = 0;
  for (let d = least; d * 2 <= n; d++) {
    if (n % d === 0 && (best === 0 || Math.abs(Math.log(d / wish)) < Math.abs(Math.log(best / wish)))) best = d;
  }
  return best >= wish / 4 && best <= wish * 4 ? best : wish;
}

/** Parts of fewer elements than two would leave as many to reduce. */
const SHORTEST = 4;

/** A reduction that is split. */
interface Split {
  /** How many results it has, and how many elements each of them combines. */
  readonly results: number;
  readonly length: number;
  readonly splitting: Splitting;
}

/**
 * The axis of a reduction that is divided, and into how many parts: the last one, along which neighbours read neighbouring elements, if that
 * makes enough threads, and otherwise the longest.
 */
function partsOf(input: Node, axes: readonly number[], split: Split): { axis: number; parts: number } {
  const { results, length, splitting: { fewResults, iterations } } = split;
  const longest = axes.reduce((a, b) => (input.shape[b] > input.shape[a] ? b : a));
  const parts = partsAlong(input, axes, longest, split);
  const last = input.shape.length - 1;
  if (longest === last || !axes.includes(last) || input.shape[last] < MIN_ROW) return { axis: longest, parts };
  const partsOfLast = partsAlong(input, axes, last, split);
  const isEnough = results * partsOfLast >= fewResults && length <= partsOfLast * longestLoop(iterations);
  return isEnough || partsOfLast >= parts ? { axis: last, parts: partsOfLast } : { axis: longest, parts };
}

function partsAlong(
  { shape }: Node,
  axes: readonly number[],
  axis: number,
  { results, length, splitting: { enoughThreads, iterations } }: Split,
): number {
  const n = shape[axis];
  const threads = Math.max(2, Math.ceil(enoughThreads / results), Math.ceil(length / longestLoop(iterations)));
  // Neighbours in a row read neighbouring elements, which those that share a row with other results do not.
  const isInner = results > 1 && shape.every((_, a) => a <= axis || axes.includes(a));
  const most = Math.max(2, Math.floor(n / 16), isInner ? Math.min(n, MIN_ROW, Math.floor(length / 16)) : 0);
  const isRow = isInner && most >= MIN_ROW;
  return nearDivisor(n, Math.min(Math.max(threads, isRow ? MIN_ROW : 2), most), isRow ? MIN_ROW : 2);
}

/** A loop takes at most half of the iterations of a thread, so that a kernel has room for another loop. */
function longestLoop(iterations: number): number {
  return Math.ceil(iterations / 2);
}

/** Builds a reduction, in stages if it is long and has few results. */
export function reduction(op: Reduction, input: Node, axes: readonly number[], splitting: Splitting): Node {
  const { fewResults, longReduction, iterations } = splitting;
  const { kernel } = op;
  const results = sizeOf(dropAxes(input.shape, axes));
  const length = sizeOf(axes.map((a) => input.shape[a]));
  const split = length >= SHORTEST &&
    ((length >= longReduction && results < fewResults) || length > longestLoop(iterations));
  if (!split || (kernel.position && axes.length > 1)) return reduceNode(op, input, axes, op.isStage);

  const { axis, parts } = partsOf(input, axes, { results, length, splitting });
  const n = input.shape[axis];
  const each = Math.ceil(n / parts);
  if (axes.length > 1 && each * (length / n) > longestLoop(iterations)) {
    // One axis does not make enough parts, or none that are even enough: it goes first.
    const left = axes.filter((a) => a !== axis).map((a) => (a > axis ? a - 1 : a));
    return reduction(op, reduction({ ...op, isStage: true }, input, [axis], splitting), left, splitting);
  }
  const later = axes.filter((a) => a !== axis);
  const shift = (a: number) => (a > axis ? a + 1 : a);
  if (!kernel.position) {
    // Neighbouring threads take neighbouring elements: the parts interleave.
    const view = splitAxis(input, axis, [each, parts], kernel.identity);
    const partial = reduceNode(op, view, [axis, ...later.map(shift)].sort((a, b) => a - b), true);
    return reduction(op, partial, [axis - later.filter((a) => a < axis).length], splitting);
  }
  // The lowest position among equals wins, so the parts follow each other.
  const view = splitAxis(input, axis, [parts, each], kernel.identity);
  const within = reduceNode(op, view, [axis + 1], true);
  const best = read(view, within, axis + 1);
  const part = reduction(op, best, [axis], splitting);
  return joinPosition(part, read(within, part, axis), each, n);
}

/** part * each + position within the part, below n. */
function joinPosition(part: Node, within: Node, each: number, n: number): Node {
  const kernel: ElementwiseKernel = {
    kind: "elementwise",
    expression: ([a, b], _, lower) => lower.call("position", a, lower.literal(each), b),
    cost: 2,
  };
  return new Node("position", kernel, [part, within], { shape: part.shape, bound: n });
}
