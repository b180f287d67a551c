/** Long reductions in stages, so that they have enough threads, and no thread too long a loop. */
import { add, type Index, scale } from "../affine.ts";
import type { GatherKernel, MovementKernel, ReduceKernel } from "../kernel.ts";
import { dropAxes, sizeOf } from "../shape.ts";
import { Node } from "./node.ts";

/** A result with fewer elements than this leaves threads idle: a long reduction into it is split. */
const FEW_RESULTS = 512;
/** The threads that a split aims at. */
const ENOUGH_THREADS = 4096;
/** Reductions shorter than this are not worth a stage. */
const LONG_REDUCTION = 512;
/** No loop is longer: some drivers end a thread's loops, silently, after 65,535 iterations. */
const LONGEST_LOOP = 32768;

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
  return new Node(name, { ...kernel, axes: () => axes }, [input], { axes }, dropAxes(input.shape, axes), stage);
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
export function reduction(name: string, kernel: ReduceKernel, input: Node, axes: readonly number[]): Node {
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
      expression: ([a, b], _, lower) => lower.call("position", a, lower.literal(each), b),
      cost: 2,
    },
    [part, within],
    {},
    part.shape,
  );
  Object.defineProperty(node, "bound", { value: n });
  return node;
}
