/** How far decisions are from falling the other way. */
import { isComparison, opOf } from "../../core/op.ts";
import { broadcastShapes, type Shape, stridesOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";

/** The operands of a comparison: their values at the current point, and with all values slightly moved. */
export interface Comparison {
  readonly shapes: readonly [Shape, Shape];
  readonly values: readonly [Float64Array, Float64Array];
  readonly moved: readonly [Float64Array, Float64Array];
}

/** The entries that decisions are computed from, themselves included, outputs first. */
function madeOf(decisions: readonly Tensor[], history: readonly Tensor[]): Tensor[] {
  const needed = new Set(decisions);
  const found: Tensor[] = [];
  for (let i = history.length - 1; i >= 0; i--) {
    const entry = history[i];
    if (!needed.has(entry)) continue;
    found.push(entry);
    for (const input of entry.inputs) needed.add(input);
  }
  return found;
}

/** The numbers that decisions depend on. */
export interface Decided {
  /** The operands of comparisons, as far as they move; each pair once. */
  readonly pairs: readonly (readonly [Tensor, Tensor])[];
  /** Whether anything but comparisons decides: rounding, a sign, a cast. */
  readonly steps: boolean;
}

/** Finds what decides: where numbers that move are compared, or end. */
export function decidedBy(
  decisions: readonly Tensor[],
  history: readonly Tensor[],
  moving: ReadonlySet<Tensor>,
): Decided {
  const pairs = new Map<string, readonly [Tensor, Tensor]>();
  let steps = false;
  for (const entry of madeOf(decisions, history)) {
    const [a, b] = entry.inputs;
    if (moving.has(entry) || !entry.inputs.some((input) => moving.has(input))) continue;
    if (!isComparison(opOf(entry))) steps = true;
    else if (a !== b) pairs.set(`${a.id},${b.id}`, [a, b]);
  }
  return { pairs: [...pairs.values()], steps };
}

/** For each element of the common shape, the position of the operand's element. */
function stridesWithin(shape: Shape, common: Shape): number[] {
  const strides = stridesOf(shape);
  const offset = common.length - shape.length;
  return common.map((_, axis) => (axis < offset || shape[axis - offset] === 1 ? 0 : strides[axis - offset]));
}

/** The operands of a comparison along one axis: where they start, and how far apart their elements are. */
interface Row {
  readonly at: readonly [number, number];
  readonly steps: readonly [number, number];
  readonly count: number;
}

/** The smallest relative distance within a row, if it is below `margin`; otherwise that. The inner loop. */
function marginWithin(
  { values: [va, vb], moved: [ma, mb] }: Comparison,
  { at, steps, count }: Row,
  margin: number,
): number {
  let [i, j] = at;
  const [stepA, stepB] = steps;
  for (let n = 0; n < count; n++, i += stepA, j += stepB) {
    const a = va[i], b = vb[j];
    const distance = Math.abs(a - b);
    const sizeA = Math.abs(a), sizeB = Math.abs(b);
    const size = sizeA > sizeB ? sizeA : sizeB;
    // Most are far apart and need no division.
    if ((distance >= margin * size && size > 0) || a - b === ma[i] - mb[j]) continue;
    margin = size === 0 ? 0 : distance / size;
  }
  return margin;
}

/** The smallest relative distance between compared numbers that move; a number compared with itself never flips. */
export function marginOf(comparison: Comparison): number {
  const { shapes } = comparison;
  const common = broadcastShapes(shapes)!;
  const [sa, sb] = shapes.map((shape) => stridesWithin(shape, common));
  const last = common.length - 1;
  if (last < 0) return marginWithin(comparison, { at: [0, 0], steps: [0, 0], count: 1 }, Infinity);
  const steps = [sa[last], sb[last]] as const;
  let margin = Infinity;
  const visit = (axis: number, i: number, j: number): void => {
    if (axis === last) margin = marginWithin(comparison, { at: [i, j], steps, count: common[axis] }, margin);
    else for (let n = 0; n < common[axis]; n++) visit(axis + 1, i + n * sa[axis], j + n * sb[axis]);
  };
  visit(0, 0, 0);
  return margin;
}
