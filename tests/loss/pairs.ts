// Plain loops over numbers for losses of pairs of boxes, written from the papers' formulas, and boxes to try them on.
import fc from "fast-check";
import type { IouLossKind } from "../../mod.ts";

/** Added to divisors. */
const EPSILON = 1e-7;

/** The loss of two boxes given by corners. */
export function plainIouLoss(a: readonly number[], b: readonly number[], kind: IouLossKind, alpha = 3): number {
  const [w, h, wb, hb] = [a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1]];
  const overlap = [0, 1].map((k) => Math.max(0, Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k])));
  const intersection = overlap[0] * overlap[1];
  const union = w * h + wb * hb - intersection;
  const iou = intersection / (Math.max(union, 0) + EPSILON);
  const [cw, ch] = [0, 1].map((k) => Math.max(a[k + 2], b[k + 2]) - Math.min(a[k], b[k]));
  const [dx, dy] = [0, 1].map((k) => (b[k] + b[k + 2]) / 2 - (a[k] + a[k + 2]) / 2);
  const distance = (dx ** 2 + dy ** 2) / (cw ** 2 + ch ** 2 + EPSILON);
  if (kind === "iou") return 1 - iou;
  if (kind === "alphaIou") return 1 - iou ** alpha;
  if (kind === "giou") return 1 - iou + (cw * ch - union) / (cw * ch + EPSILON || EPSILON);
  if (kind === "diou") return 1 - iou + distance;
  if (kind === "eiou") {
    return 1 - iou + distance + (w - wb) ** 2 / (cw ** 2 + EPSILON) + (h - hb) ** 2 / (ch ** 2 + EPSILON);
  }
  if (kind === "siou") {
    // The paper takes the angle from the arcsine, which loses half the digits near 1.
    const lambda = dx === 0 && dy === 0
      ? 0
      : 1 - 2 * Math.sin(Math.atan2(Math.abs(dy), Math.abs(dx)) - Math.PI / 4) ** 2;
    const gamma = 2 - lambda;
    const rho = [dx ** 2 / (cw ** 2 + EPSILON), dy ** 2 / (ch ** 2 + EPSILON)];
    const omega = [[w, wb], [h, hb]].map(([p, q]) => {
      return p === 0 && q === 0 ? 0 : Math.abs(p - q) / Math.max(Math.abs(p), Math.abs(q));
    });
    const delta = rho.reduce((sum, r) => sum + 1 - Math.exp(-gamma * r), 0);
    const shape = omega.reduce((sum, o) => sum + (1 - Math.exp(-o)) ** 4, 0);
    return 1 - iou + (delta + shape) / 2;
  }
  const v = 4 / Math.PI ** 2 * (slope(wb, hb) - slope(w, h)) ** 2;
  const weight = kind === "gatedCiou" && iou < 0.5 ? 0 : v / (Math.max(0, 1 - iou) + v + EPSILON);
  return 1 - iou + distance + weight * v;
}

/** atan(w / h), 0 for a point. */
const slope = (
  w: number,
  h: number,
) => (w === 0 && h === 0 ? 0 : h === 0 ? Math.sign(w) * Math.PI / 2 : Math.atan(w / h));

const whole = fc.integer({ min: 0, max: 6 });
const size = fc.integer({ min: 0, max: 4 });
const anywhere = (min: number, max: number) => fc.double({ min, max, noNaN: true });

/** Boxes on a grid, which touch, nest and coincide, some without area. */
const gridBox = fc.tuple(whole, whole, size, size).map(([x, y, w, h]) => [x, y, x + w, y + h]);
/** Boxes with an area. */
export const plainBox = fc.tuple(anywhere(0, 6), anywhere(0, 6), anywhere(0.1, 4), anywhere(0.1, 4))
  .map(([x, y, w, h]) => [x, y, x + w, y + h]);
/** Boxes with their corners in any order. */
const invertedBox = fc.tuple(whole, whole, whole, whole).map((box) => [...box]);

/** Boxes with an area on the same grid. */
const wholeBox = gridBox.map(([x1, y1, x2, y2]) => [x1, y1, x2 + 1, y2 + 1]);

/** Kinds of two boxes with areas: anywhere, on a grid, where edges and centres often agree, and equal ones. */
export const tiedPairs: readonly fc.Arbitrary<[number[], number[]]>[] = [
  fc.tuple(plainBox, plainBox),
  fc.tuple(wholeBox, wholeBox),
  wholeBox.map((box): [number[], number[]] => [box, [...box]]),
];

/** Two boxes that lie in any way to each other. */
export const pairs = fc.oneof(
  fc.tuple(plainBox, plainBox),
  fc.tuple(gridBox, gridBox),
  fc.tuple(invertedBox, gridBox),
  fc.tuple(invertedBox, invertedBox),
  plainBox.map((box): [number[], number[]] => [box, [...box]]),
);
