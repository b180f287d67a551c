/** Tests whether boxes are centre and size relative to the image. */

/** How far outside the image a box may lie, to allow for rounding. */
const MARGIN = 0.01;
/** How many times as large as the image a box may be. */
const LARGEST = 2;
/** The share of its width or height by which a box may stick out when all boxes read as corners. */
const STICKS_OUT = 0.25;

/**
 * Says why a box cannot be relative to the image (it lies outside, or is more than twice as large), or returns `null`
 * if it can. A target that overlaps nothing would still claim a default box, with a location target that is far off.
 */
export function misplaced(cx: number, cy: number, w: number, h: number): string | null {
  const outside = Math.abs(cx - 0.5) - w / 2 > 0.5 + MARGIN || Math.abs(cy - 0.5) - h / 2 > 0.5 + MARGIN;
  if (!outside && w <= LARGEST && h <= LARGEST) return null;
  const pixels = [cx, cy, w, h].some((x) => Math.abs(x) > LARGEST)
    ? "; it looks like pixels: divide cx and w by the width of the image, cy and h by its height"
    : "";
  const what = outside ? "lies wholly outside the image" : `is more than ${LARGEST} times as large as the image`;
  return `[${[cx, cy, w, h].join(", ")}] as [cx, cy, w, h], which ${what}${pixels}`;
}

/**
 * Detects corners given as centre and size. A single such box may just be a box that the border cuts. So boxes look
 * like corners if all of them read as corners within the image and one of them, as centre and size, has more than a
 * quarter of its width or height outside. Boxes that lie within the image, or stick out by less than that, are never
 * reported.
 */
export class CornerWatch {
  #all = true;
  #first: number | null = null;

  /** Takes in one box. */
  add(row: number, [cx, cy, w, h]: readonly [cx: number, cy: number, w: number, h: number]): void {
    this.#all &&= cx >= 0 && cy >= 0 && cx < w && cy < h && w <= 1 + MARGIN && h <= 1 + MARGIN;
    if (this.#first === null && Math.max(outsideOf(cx, w), outsideOf(cy, h)) > STICKS_OUT) this.#first = row;
  }

  /** The first row that sticks out too far, if all rows read as corners. */
  get corners(): number | null {
    return this.#all ? this.#first : null;
  }
}

/** The share of a length that lies outside [0, 1] on one side. */
function outsideOf(centre: number, length: number): number {
  return Math.max(length / 2 - centre, centre + length / 2 - 1) / length;
}
