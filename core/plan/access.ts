/** Which elements of its inputs an element needs: rules shared by the choice of arrays and by lowering. */
import { add, constant, type Index, resolved, unflatten, within } from "../affine.ts";
import type { KernelOf } from "../kernel.ts";
import { type Shape, sizeOf } from "../shape.ts";
import type { Node } from "./node.ts";

/** Rows shorter than this are put together with the axis before them, so that short axes do not starve the lanes. */
export const MIN_ROW = 64;

/** Rows as short as this fill a vector. */
const MIN_SHORT_ROW = 4;

/** Whether rows of threads have to be long, or whether short ones will do, since threads of several rows run together. */
export type Rows = "long" | "short";

/** How the axes of a shape are spread over x, y and z: `[[axes of x], [axes of y], [axes of z]]`. */
export function spread(shape: Shape, extents: readonly number[], rows: Rows = "long"): number[][] {
  const all = shape.map((_, i) => i);
  let first = shape.length;
  let row = 1;
  const least = rows === "long" ? MIN_ROW : MIN_SHORT_ROW;
  while (first > 0 && row < least) row *= shape[--first];
  const groups = [all.slice(first)];
  if (first > 0) groups.push([first - 1]);
  if (first > 1) groups.push(all.slice(0, first - 1));
  const fits = groups.every((axes, k) => sizeOf(axes.map((a) => shape[a])) <= (extents[k] ?? 0));
  return fits ? groups : [all];
}

/**
 * The element that a thread computes.
 *
 * @param coordinate returns the coordinate x, y or z, by its number, which counts up to a length.
 */
export function threadIndex(
  shape: Shape,
  { extents, rows = "long" }: { readonly extents: readonly number[]; readonly rows?: Rows },
  coordinate: (k: number, length: number) => Index,
): Index[] {
  const index = new Array<Index>(shape.length);
  spread(shape, extents, rows).forEach((axes, k) => {
    const sizes = axes.map((a) => shape[a]);
    unflatten(coordinate(k, sizeOf(sizes)), sizes).forEach((part, i) => (index[axes[i]] = part));
  });
  return index;
}

/** A block of a kernel: the body of a thread, a loop or a branch. */
export interface Block<B> {
  readonly parent: B | null;
  /** The number of loops around it. */
  readonly depth: number;
  /** Whether it is a branch, whose values are not visible outside. */
  readonly isBranch: boolean;
}

/** The outermost block at or around `from` in which everything of this depth is known. */
export function blockFor<B extends Block<B>>(depth: number, from: B): B {
  let block = from;
  while (!block.isBranch && block.depth > depth && block.parent) block = block.parent;
  return block;
}

/**
 * The element that a reduction reads.
 *
 * @param reduced for each axis of the input whether it is reduced.
 * @param at the indices along the reduced axes.
 * @param kept the indices along the others.
 */
export function elementIndex(reduced: readonly boolean[], at: readonly Index[], kept: readonly Index[]): Index[] {
  let [nextReduced, nextKept] = [0, 0];
  return reduced.map((isReduced) => (isReduced ? at[nextReduced++] : kept[nextKept++]));
}

/** Returns the index at which an input of an elementwise op is read. Axes of length 1 are broadcast. */
export function broadcastIndex(shape: Shape, index: readonly Index[]): readonly Index[] {
  const missing = index.length - shape.length;
  if (missing === 0 && shape.every((n, axis) => n !== 1 || isZero(index[axis]))) return index;
  return shape.map((n, axis) => (n === 1 ? constant(0) : index[axis + missing]));
}

function isZero({ base, terms }: Index): boolean {
  return base === 0 && terms.length === 0;
}

/** A bound of the input that an index may be beyond, and so has to be compared with. */
export interface Bound {
  readonly axis: number;
  readonly of: Index;
  readonly low: boolean;
  readonly high: boolean;
}

/**
 * Returns the index at which the input of a movement is read, where the bounds that are to be checked hold, and these bounds with what they
 * bound; `null` if the input is never read.
 *
 * @param offset returns the value of an offset that is read, one of the inputs.
 */
export function movedIndex(
  node: Node,
  kernel: KernelOf<"movement">,
  index: readonly Index[],
  offset: (of: Node) => Index,
): { readonly source: readonly Index[]; readonly bounds: readonly Bound[] } | null {
  const { shape } = node.inputs[0];
  const source = [...kernel.source(index, node.attributes, shape, node.shape)];
  kernel.along?.forEach((axis, i) => (source[axis] = add(source[axis], offset(node.inputs[1 + i]))));
  const bounds: Bound[] = [];
  for (let axis = 0; axis < source.length; axis++) {
    const size = shape[axis];
    const of = source[axis];
    if (of.min >= 0 && of.max < size) continue;
    // Terms whose bounds were narrowed before may have cancelled out.
    const plain = resolved(of);
    const [min, max] = [Math.max(of.min, plain.min), Math.min(of.max, plain.max)];
    if (max < 0 || min >= size) return null;
    if (min >= 0 && max < size) source[axis] = plain.min >= 0 && plain.max < size ? plain : within(of, size);
    else {
      bounds.push({ axis, of, low: min < 0, high: max >= size });
      source[axis] = within(of, size);
    }
  }
  return { source, bounds };
}

/** Returns the fraction of a movement's elements that come from its input. */
export function movedShare({ inputs: [input], size }: Node): number {
  return Math.min(1, input.size / size);
}

/** Returns the steps that a search takes, which finds one of `most` + 1 places. */
export function stepsOf({ attributes }: Node, kernel: KernelOf<"search">): number {
  return Math.ceil(Math.log2(kernel.most(attributes) + 1));
}

/** Whether a gather's positions are known to lie inside its source and need no check. */
export function isInside({ inputs: [source, positions] }: Node, axis: number): boolean {
  return positions.bound !== null && positions.bound <= source.shape[axis];
}

/** Returns the trips of the loop over an axis with this many accumulators; 0 if a single trip would do, which needs no loop. */
export function tripsOf(length: number, width: number): number {
  const trips = Math.floor(length / width);
  return trips > 1 ? trips : 0;
}

/** A sum of sums of parts: which axis of the reduced ones the parts divide, and into how many elements at a time. */
export interface Parts {
  readonly axis: number;
  readonly length: number;
}

/** Parts have about this many elements: rounding errors grow with the length of a part and with the number of parts. */
const PART = 128;

/**
 * Returns the parts in which one accumulator sums a reduction, or `null` if there is one part.
 *
 * @param sizes the lengths of the reduced axes.
 */
export function partsOf(sizes: readonly number[]): Parts | null {
  let axis = sizes.length - 1;
  let inner = 1;
  while (axis > 0 && inner * sizes[axis] <= PART) inner *= sizes[axis--];
  const most = Math.max(1, Math.floor(2 * PART / inner));
  const size = sizes[axis];
  if (axis === 0 && size <= most) return null;
  const wanted = Math.max(1, Math.floor(PART / inner));
  // A length that leaves no remainder needs no second loop.
  const lengths = Array.from({ length: Math.min(most, size) }, (_, i) => i + 1).filter((length) =>
    length >= wanted / 2 && size % length === 0
  );
  const length = lengths.findLast((length) => length <= wanted) ?? lengths[0];
  if (length !== undefined) return { axis, length };
  return { axis, length: wanted };
}
