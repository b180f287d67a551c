/** Whether boxes can be what they are taken for: centre and size, relative to the image. */

/** How far outside of the image a box may lie by rounding. */
const MARGIN = 0.01;
/** How many times as large as the image a box may be. */
const LARGEST = 2;
/** The part of its width or height by which a box may stick out where all boxes read as corners. */
const STICKS_OUT = 0.25;

/**
 * Why a box cannot be relative to the image: it lies outside, or is more than twice as large. `null` where it can. A target that
 * overlaps nothing would still take a default box, with a location target that is far off.
 */
export function misplaced(cx: number, cy: number, w: number, h: number): string | null {
  const outside = Math.abs(cx - 0.5) - w / 2 > 0.5 + MARGIN || Math.abs(cy - 0.5) - h / 2 > 0.5 + MARGIN;
  if (!outside && w <= LARGEST && h <= LARGEST) return null;
  const pixels = [cx, cy, w, h].some((x) => Math.abs(x) > LARGEST)
    ? "; it looks like pixels: divide cx and w by the width of the image, cy and h by its height"
    : "";
  const what = outside ? "lies wholly outside of the image" : `is more than ${LARGEST} times as large as the image`;
  return `[${[cx, cy, w, h].join(", ")}] as [cx, cy, w, h], which ${what}${pixels}`;
}

/**
 * Finds corners that are given as centre and size. One such box by itself is a box that sticks out of the image, if that. So boxes
 * look like corners where all read as corners within the image and one, as centre and size, has more than a quarter of its width
 * or its height outside. Boxes that lie within the image, or stick out by less than that, never are.
 */
export class CornerWatch {
  #all = true;
  #first: number | null = null;

  /** Looks at a box. */
  add(row: number, [cx, cy, w, h]: readonly [cx: number, cy: number, w: number, h: number]): void {
    this.#all &&= cx >= 0 && cy >= 0 && cx < w && cy < h && w <= 1 + MARGIN && h <= 1 + MARGIN;
    if (this.#first === null && Math.max(outsideOf(cx, w), outsideOf(cy, h)) > STICKS_OUT) this.#first = row;
  }

  /** The first row that sticks out too far where all rows read as corners. */
  get corners(): number | null {
    return this.#all ? this.#first : null;
  }
}

/** The part of a length that is outside of [0, 1] on one side. */
function outsideOf(centre: number, length: number): number {
  return Math.max(length / 2 - centre, centre + length / 2 - 1) / length;
}
