/** Boxes of the page: layout of the default boxes, and encoding. Plain numbers, since drawing does not wait for a device. */

/** Centre and size relative to the image. */
export type Box = readonly [cx: number, cy: number, w: number, h: number];

/** A truth: a box and the label of its class, from 0. */
export interface Truth {
  readonly label: number;
  readonly box: Box;
}

/** Divisors of encoded centres and sizes, the defaults of `DefaultBoxes`. */
export const SCALE_XY = 0.1, SCALE_WH = 0.2;

/** The grids of the default boxes: cells per side, and widths and heights of the boxes of a cell. */
const LEVELS: readonly (readonly [cells: number, sizes: readonly (readonly [w: number, h: number])[]])[] = [
  [8, [[0.16, 0.16], [0.12, 0.23]]],
  [4, [[0.32, 0.32], [0.23, 0.45], [0.45, 0.23]]],
  [2, [[0.6, 0.6], [0.42, 0.85], [0.85, 0.42]]],
];

/** The default boxes, level by level and row by row. */
export const DEFAULT_BOXES: readonly Box[] = LEVELS.flatMap(([cells, sizes]) =>
  Array.from({ length: cells * cells }, (_, i) => [(i % cells + 0.5) / cells, (Math.floor(i / cells) + 0.5) / cells])
    .flatMap(([cx, cy]) => sizes.map(([w, h]): Box => [cx, cy, w, h]))
);

/** The location, relative to a default box, whose decoded box is this one. */
export function encode([cx, cy, w, h]: Box, [ax, ay, aw, ah]: Box): Box {
  return [
    (cx - ax) / aw / SCALE_XY,
    (cy - ay) / ah / SCALE_XY,
    Math.log(w / aw) / SCALE_WH,
    Math.log(h / ah) / SCALE_WH,
  ];
}

const SMALLEST = 0.02;
const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

/** The box within the image, and not too small to be seen. */
export function placed([cx, cy, w, h]: Box): Box {
  const size = [clamp(w, SMALLEST, 1), clamp(h, SMALLEST, 1)];
  return [clamp(cx, size[0] / 2, 1 - size[0] / 2), clamp(cy, size[1] / 2, 1 - size[1] / 2), size[0], size[1]];
}

/** The box moved by a part of the image, or with its lower right corner moved. */
export function dragged([cx, cy, w, h]: Box, [dx, dy]: readonly [number, number], corner: boolean): Box {
  if (!corner) return [cx + dx, cy + dy, w, h];
  const [newW, newH] = [Math.max(w + dx, SMALLEST), Math.max(h + dy, SMALLEST)];
  return [cx + (newW - w) / 2, cy + (newH - h) / 2, newW, newH];
}
