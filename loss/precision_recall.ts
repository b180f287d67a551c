/** Curves of precision over recall for one class, from overlaps, by the definitions of COCO and of VOC. */
import { byFallingScore } from "./host.ts";

/** The objects of one class in one image, and the detections by decreasing score. */
export interface Group {
  readonly scores: Float64Array;
  /** The IoU of each detection with each object, row by row; with crowds, the share of the detection that lies within. */
  readonly overlaps: Float64Array;
  readonly areas: Float64Array;
  readonly truthAreas: Float64Array;
  readonly crowd: readonly boolean[];
  readonly difficult: readonly boolean[];
}

/** The figures for objects of some sizes. */
interface Part {
  /** The number of objects to find. */
  readonly truths: number;
  /** Average precision and last recall for each threshold. */
  readonly ap: readonly number[];
  readonly recall: readonly number[];
}

/** The figures for one class. */
export interface Curve extends Part {
  /** The recall for each threshold, with at most 1, 10 and 100 detections an image; empty for VOC. */
  readonly recalls: readonly (readonly number[])[];
  /** For small, medium and large objects; empty for VOC. */
  readonly byArea: readonly Part[];
}

/** A detection is right, wrong, or does not count. */
type Outcome = 1 | 0 | -1;

/** Areas in square pixels, both ends included. */
type Range = readonly [least: number, most: number];
const EVERY_AREA: Range = [0, 1e10];
const AREAS: readonly Range[] = [[0, 32 ** 2], [32 ** 2, 96 ** 2], [96 ** 2, 1e10]];
/** COCO's limits of detections of a class in an image. */
const LIMITS = [1, 10, 100] as const;
const MOST = 100;

/** The mean; NaN of nothing. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/** All detections by decreasing score: the image that each is of, and its place there. */
function ordered(groups: readonly Group[], most: number): { image: number; place: number }[] {
  const places = groups.flatMap(({ scores }, image) =>
    Array.from(scores.subarray(0, most), (_, place) => ({ image, place }))
  );
  const scores = Float64Array.from(places, ({ image, place }) => groups[image].scores[place]);
  return Array.from(byFallingScore(scores), (i) => places[i]);
}

/** Recall and precision after each detection that counts. */
function curveOf(outcomes: Iterable<Outcome>, truths: number): { recall: number[]; precision: number[] } {
  const recall: number[] = [];
  const precision: number[] = [];
  let [right, wrong] = [0, 0];
  for (const outcome of outcomes) {
    if (outcome === 1) right++;
    else if (outcome === 0) wrong++;
    recall.push(right / truths);
    precision.push(right === 0 ? 0 : right / (right + wrong));
  }
  // The best precision at this recall or a higher one.
  for (let i = precision.length - 2; i >= 0; i--) precision[i] = Math.max(precision[i], precision[i + 1]);
  return { recall, precision };
}

/** The mean of the precision at evenly spaced recalls; 0 beyond the last one. */
function sampled({ recall, precision }: ReturnType<typeof curveOf>, recalls: readonly number[]): number {
  let at = 0;
  let sum = 0;
  for (const wanted of recalls) {
    while (at < recall.length && recall[at] < wanted) at++;
    if (at === recall.length) break;
    sum += precision[at];
  }
  return sum / recalls.length;
}

// As pycocotools rounds them.
const RECALLS = Array.from({ length: 101 }, (_, i) => (i === 100 ? 1 : i * 0.01));
const ELEVEN = Array.from({ length: 11 }, (_, i) => i / 10);

/** A group, and which of its objects do not count; `order` has those that do first. */
interface Sorted {
  readonly group: Group;
  readonly ignored: readonly boolean[];
  readonly order: readonly number[];
}

/** Which objects do not count: crowds, and those of other sizes. */
function sorted(group: Group, [least, most]: Range): Sorted {
  const ignored = group.crowd.map((is, g) => is || group.truthAreas[g] < least || group.truthAreas[g] > most);
  const order = [...ignored.keys()].sort((a, b) => Number(ignored[a]) - Number(ignored[b]) || a - b);
  return { group, ignored, order };
}

/**
 * Matches detections of an image by decreasing score. Each takes the object that it overlaps most, the last among equals, of those that
 * nothing took before; one that does not count only if there is no other.
 */
function matched({ group, ignored, order }: Sorted, [least, most]: Range, threshold: number): Outcome[] {
  const { overlaps, areas, crowd } = group;
  const count = crowd.length;
  const taken = new Array<boolean>(count).fill(false);
  return Array.from({ length: Math.min(MOST, areas.length) }, (_, d): Outcome => {
    let best = Math.min(threshold, 1 - 1e-10);
    let match = -1;
    for (const g of order) {
      if (taken[g] && !crowd[g]) continue;
      if (match >= 0 && !ignored[match] && ignored[g]) break;
      const overlap = overlaps[d * count + g];
      if (overlap < best) continue;
      best = overlap;
      match = g;
    }
    if (match < 0) return areas[d] < least || areas[d] > most ? -1 : 0;
    taken[match] = true;
    return ignored[match] ? -1 : 1;
  });
}

/** The curve of a class as COCO defines it. */
export function cocoClass(groups: readonly Group[], thresholds: readonly number[]): Curve {
  const order = ordered(groups, MOST);
  const recalls: number[][] = LIMITS.map(() => []);
  const part = (range: Range, each: (outcomes: Outcome[][], truths: number) => void): Part => {
    const all = groups.map((group) => sorted(group, range));
    const truths = all.reduce((sum, { ignored }) => sum + ignored.filter((is) => !is).length, 0);
    const [ap, recall]: number[][] = [[], []];
    if (truths === 0) return { truths, ap, recall };
    // In images without objects, which are most, the threshold does not matter.
    const empty = all.map((one) => (one.ignored.length === 0 ? matched(one, range, 1) : null));
    for (const threshold of thresholds) {
      const outcomes = all.map((one, i) => empty[i] ?? matched(one, range, threshold));
      const curve = curveOf(order.map(({ image, place }) => outcomes[image][place]), truths);
      ap.push(sampled(curve, RECALLS));
      recall.push(curve.recall[curve.recall.length - 1] ?? 0);
      each(outcomes.filter((_, i) => !empty[i]), truths);
    }
    return { truths, ap, recall };
  };
  const whole = part(EVERY_AREA, (outcomes, truths) =>
    LIMITS.forEach((limit, k) => {
      const right = outcomes.reduce((sum, those) => sum + those.slice(0, limit).filter((o) => o === 1).length, 0);
      recalls[k].push(right / truths);
    }));
  return { ...whole, recalls, byArea: AREAS.map((range) => part(range, () => {})) };
}

/** The curve of a class as VOC defines it, read at eleven recalls or whole. */
export function vocClass(groups: readonly Group[], thresholds: readonly number[], eleven: boolean): Curve {
  const order = ordered(groups, Infinity);
  const truths = groups.reduce((sum, { difficult }) => sum + difficult.filter((is) => !is).length, 0);
  const [ap, recall]: number[][] = [[], []];
  for (const threshold of thresholds) {
    const found = groups.map(({ difficult }) => difficult.map(() => false));
    const outcomes = order.map(({ image, place }): Outcome => {
      const { overlaps, difficult } = groups[image];
      const row = overlaps.subarray(place * difficult.length, (place + 1) * difficult.length);
      const best = row.reduce((at, overlap, g) => (at < 0 || overlap > row[at] ? g : at), -1);
      if (best < 0 || row[best] < threshold || row[best] === 0) return 0;
      if (difficult[best]) return -1;
      if (found[image][best]) return 0;
      found[image][best] = true;
      return 1;
    });
    // A detection that does not count is no point of the curve.
    const curve = curveOf(outcomes.filter((outcome) => outcome >= 0), truths);
    ap.push(eleven ? sampled(curve, ELEVEN) : area(curve));
    recall.push(curve.recall[curve.recall.length - 1] ?? 0);
  }
  return { truths, ap, recall, recalls: [], byArea: [] };
}

/** The area under a curve. */
function area({ recall, precision }: ReturnType<typeof curveOf>): number {
  return recall.reduce((sum, r, i) => sum + (r - (recall[i - 1] ?? 0)) * precision[i], 0);
}
