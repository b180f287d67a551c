/** Shapes, strides and broadcasting: pure functions. */

/** The sizes of a tensor's axes, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** The number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (let i = 0; i < shape.length; i++) size *= shape[i];
  return size;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/** Whether two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A shape as text: `[2, 3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Returns the shape that several shapes broadcast to by NumPy's rule; `null` if they do not broadcast. */
export function broadcastShapes(shapes: readonly Shape[]): number[] | null {
  if (shapes.length === 2 && sameShape(shapes[0], shapes[1])) return shapes[0].slice();
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const offset = rank - shape.length;
    for (let i = 0; i < shape.length; i++) {
      const n = shape[i];
      if (n === 1) continue;
      if (out[offset + i] !== 1 && out[offset + i] !== n) return null;
      out[offset + i] = n;
    }
  }
  return out;
}

/** The axes over which `from` was repeated to become `to`: `added` have no counterpart, `stretched` had size 1. */
export function broadcastAxes(from: Shape, to: Shape): { added: number[]; stretched: number[] } {
  const offset = to.length - from.length;
  const added = Array.from({ length: offset }, (_, i) => i);
  const stretched: number[] = [];
  for (let i = 0; i < from.length; i++) if (from[i] === 1 && to[offset + i] !== 1) stretched.push(offset + i);
  return { added, stretched };
}

/** Returns an axis counted from the front; `null` if it does not exist. */
export function normalizeAxis(axis: number, rank: number): number | null {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) return null;
  // Not -0, which attributes tell from 0.
  return axis < 0 ? axis + rank : axis + 0;
}

/** The shape without some axes. */
export function dropAxes(shape: Shape, axes: readonly number[]): number[] {
  return shape.filter((_, i) => !axes.includes(i));
}
