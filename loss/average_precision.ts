/** Mean average precision of detections, by the definitions of COCO and of VOC, on the host. */
import { arrayOf, boolean, describe, kind, numberIn, oneOf, Signature } from "../core/options.ts";
import { Tensor } from "../core/tensor.ts";
import { type BoxFormat, boxFormat } from "./boxes.ts";
import { byFallingScore, type Numbers, readBoxes, readNumbers } from "./host.ts";
import { cocoClass, type Curve, type Group, meanOf, vocClass } from "./precision_recall.ts";
import { readRows, type Rows } from "./rows.ts";

/** The detections in one image. */
export interface Detections {
  /** A box for each detection. */
  readonly boxes: Rows;
  /** A score for each, highest first or in any order. */
  readonly scores: Numbers;
  /** A whole number for each. */
  readonly labels: Numbers;
}

/** The objects in one image. */
export interface Truths {
  /** A box for each object. */
  readonly boxes: Rows;
  /** A whole number for each. */
  readonly labels: Numbers;
  /** COCO's `iscrowd`: which boxes are of many objects. They need not be found, and any number of detections may lie in them. */
  readonly crowd?: Numbers | readonly boolean[];
  /** VOC's `difficult`: which objects need not be found. */
  readonly difficult?: Numbers | readonly boolean[];
  /** COCO's `area` of each object in square pixels, default that of its box. */
  readonly areas?: Numbers;
}

/** Options of {@link meanAveragePrecision}. */
export interface MeanAveragePrecisionOptions {
  /** The IoU from which a detection can be right; default 0.5, 0.55, ..., 0.95 for COCO and 0.5 for VOC. */
  readonly thresholds?: readonly number[];
  /** `coco` (default), `voc` (all points of the curve, from 2010 on) or `voc2007` (11 points). */
  readonly definition?: "coco" | "voc" | "voc2007";
  /** The format of all boxes, default `"xyxy"`. Rows of targets are `cxcywh` all the same. */
  readonly format?: BoxFormat;
  /** Whether corners are the last pixels of a box, as in VOC's annotations, so that it is one wider and higher; default false. */
  readonly inclusive?: boolean;
  /** Width and height of the images in pixels, if boxes are relative to them; default `[1, 1]`. Only COCO's areas depend on it. */
  readonly imageSize?: readonly [width: number, height: number];
}

/** The average precision of one class. */
export interface ClassAveragePrecision {
  /** The class. */
  readonly label: number;
  /** The number of objects that should be found. */
  readonly truths: number;
  /** The mean over the thresholds. */
  readonly ap: number;
  /** For each threshold. */
  readonly byThreshold: readonly number[];
}

/** The result of {@link meanAveragePrecision}. A mean of nothing is NaN. */
export interface MeanAveragePrecision {
  /** The mean over thresholds and classes with objects to find. */
  readonly map: number;
  /** The thresholds of the IoU. */
  readonly thresholds: readonly number[];
  /** The mean over classes for each threshold. */
  readonly byThreshold: readonly number[];
  /** Each class with objects to find, by label. */
  readonly byClass: readonly ClassAveragePrecision[];
  /** COCO's means over objects of up to 32 and 96 pixels squared, and larger ones; `null` for VOC. */
  readonly byArea: { readonly small: number; readonly medium: number; readonly large: number } | null;
  /** COCO's mean recall with 1, 10 and 100 detections an image, and by area with 100; `null` for VOC. */
  readonly recall:
    | Readonly<Record<"top1" | "top10" | "top100" | "small" | "medium" | "large", number>>
    | null;
}

const call = new Signature<MeanAveragePrecisionOptions>("meanAveragePrecision(detections, truths, options)", {
  thresholds: arrayOf(numberIn(0, 1), "numbers from 0 to 1"),
  definition: oneOf("coco", "voc", "voc2007"),
  format: boxFormat,
  inclusive: boolean,
  imageSize: kind<readonly [number, number]>(
    "two finite numbers above 0",
    "[640, 480]",
    (v) => Array.isArray(v) && v.length === 2 && v.every((side) => Number.isFinite(side) && side > 0),
  ),
});

/** An image that has been read, with boxes as corners. */
interface Image {
  readonly boxes: Float64Array;
  readonly labels: Float64Array;
  readonly scores: Float64Array;
  readonly truths: Float64Array;
  readonly truthLabels: Float64Array;
  readonly crowd: Float64Array;
  readonly difficult: Float64Array;
  readonly areas: Float64Array | null;
}

/** How boxes are given. */
interface Layout {
  readonly format: BoxFormat;
  /** Added to the right and lower edges. */
  readonly wider: 0 | 1;
}

/** Boxes as corners. */
function corners(boxes: Float64Array, { format, wider }: Layout): Float64Array {
  return boxes.map((x, i) => {
    const k = i % 4;
    if (format === "xyxy") return k < 2 ? x : x + wider;
    if (format === "xywh") return k < 2 ? x : boxes[i - 2] + x + wider;
    return k < 2 ? x - boxes[i + 2] / 2 : boxes[i - 2] + x / 2 + wider;
  });
}

/** A flag for each of some objects, 0 by default. */
async function readFlags(name: string, flags: unknown, count: number): Promise<Float64Array> {
  if (flags === undefined) return new Float64Array(count);
  const numbers = Array.isArray(flags) ? flags.map((flag) => (typeof flag === "boolean" ? Number(flag) : flag)) : flags;
  return await readNumbers(call, name, numbers, { count, of: "objects", whole: true });
}

async function readImage(at: number, found: Detections, truth: Truths, layout: Layout): Promise<Image> {
  const detection = `detections[${at}]`;
  const object = `truths[${at}]`;
  if (typeof found !== "object" || found === null) throw call.wrong(detection, "{ boxes, scores, labels }", found);
  if (typeof truth !== "object" || truth === null) throw call.wrong(object, "{ boxes, labels }", truth);
  const boxes = await readBoxes(call, `${detection}.boxes`, found.boxes);
  const truths = await readBoxes(call, `${object}.boxes`, truth.boxes);
  const each = { count: boxes.length / 4, of: "boxes" };
  const every = { count: truths.length / 4, of: "boxes" };
  return {
    boxes: corners(boxes, layout),
    scores: await readNumbers(call, `${detection}.scores`, found.scores, each),
    labels: await readNumbers(call, `${detection}.labels`, found.labels, { ...each, whole: true }),
    truths: corners(truths, layout),
    truthLabels: await readNumbers(call, `${object}.labels`, truth.labels, { ...every, whole: true }),
    crowd: await readFlags(`${object}.crowd`, truth.crowd, every.count),
    difficult: await readFlags(`${object}.difficult`, truth.difficult, every.count),
    areas: truth.areas === undefined ? null : await readNumbers(call, `${object}.areas`, truth.areas, every),
  };
}

/** Whether truths are rows `[image, label, cx, cy, w, h]`. */
function areRows(truths: unknown): truths is Rows {
  if (truths instanceof Tensor || ArrayBuffer.isView(truths)) return true;
  return Array.isArray(truths) && truths.length > 0 && (Array.isArray(truths[0]) || ArrayBuffer.isView(truths[0]));
}

/** Rows of targets as the truths of each image, in some format. */
function truthsOfRows(rows: Rows, images: number, format: BoxFormat): Truths[] {
  const { data, count } = readRows(call.name, "truths", rows, 6);
  const truths = Array.from({ length: images }, () => ({ boxes: [] as number[][], labels: [] as number[] }));
  for (let i = 0; i < count; i++) {
    const [image, label, cx, cy, w, h] = Array.from({ length: 6 }, (_, k) => data[6 * i + k]);
    if (!Number.isInteger(image) || image < 0 || image >= images) {
      throw call.error(`expected images of truths from 0 to ${images - 1}, got ${image} in row ${i}`);
    }
    const [x, y] = [cx - w / 2, cy - h / 2];
    const box = { xyxy: [x, y, cx + w / 2, cy + h / 2], xywh: [x, y, w, h], cxcywh: [cx, cy, w, h] }[format];
    truths[image].boxes.push(box);
    truths[image].labels.push(label);
  }
  return truths;
}

const areaOf = (boxes: Float64Array, i: number) =>
  (boxes[4 * i + 2] - boxes[4 * i]) * (boxes[4 * i + 3] - boxes[4 * i + 1]);

/** The overlap of a detection with an object; with a crowd, the share of the detection that lies within. */
function overlap({ boxes, truths, crowd }: Image, d: number, g: number): number {
  const w = Math.min(boxes[4 * d + 2], truths[4 * g + 2]) - Math.max(boxes[4 * d], truths[4 * g]);
  const h = Math.min(boxes[4 * d + 3], truths[4 * g + 3]) - Math.max(boxes[4 * d + 1], truths[4 * g + 1]);
  if (!(w > 0 && h > 0)) return 0;
  const area = areaOf(boxes, d);
  return w * h / (crowd[g] ? area : area + areaOf(truths, g) - w * h);
}

/** Groups indices by their label. */
function placesBy(labels: Float64Array, order: Iterable<number>): Map<number, number[]> {
  const places = new Map<number, number[]>();
  for (const i of order) {
    const those = places.get(labels[i]);
    if (those) those.push(i);
    else places.set(labels[i], [i]);
  }
  return places;
}

/** Groups images by class: for each label, the images that have it. */
function groupsOf(images: readonly Image[], pixels: number): Map<number, Group[]> {
  const groups = new Map<number, Group[]>();
  for (const image of images) {
    const detected = placesBy(image.labels, byFallingScore(image.scores));
    const there = placesBy(image.truthLabels, image.truthLabels.keys());
    for (const label of new Set([...there.keys(), ...detected.keys()])) {
      const [ds, gs] = [detected.get(label) ?? [], there.get(label) ?? []];
      const group: Group = {
        scores: Float64Array.from(ds, (d) => image.scores[d]),
        overlaps: Float64Array.from(ds.flatMap((d) => gs.map((g) => overlap(image, d, g)))),
        areas: Float64Array.from(ds, (d) => areaOf(image.boxes, d) * pixels),
        truthAreas: Float64Array.from(gs, (g) => image.areas?.[g] ?? areaOf(image.truths, g) * pixels),
        crowd: gs.map((g) => image.crowd[g] !== 0),
        difficult: gs.map((g) => image.difficult[g] !== 0),
      };
      const those = groups.get(label);
      if (those) those.push(group);
      else groups.set(label, [group]);
    }
  }
  return groups;
}

/** COCO's thresholds, rounded as its implementation rounds them. */
const cocoThresholds = () => Array.from({ length: 10 }, (_, i) => (i === 9 ? 0.95 : 0.5 + i * ((0.95 - 0.5) / 9)));

/**
 * Mean average precision: for each class the area under the curve of precision over recall, as detections of all images are taken by
 * falling score, averaged over thresholds of the IoU and over classes that have objects to find.
 *
 * - `coco` follows `pycocotools`: an object goes to the detection with the highest score that overlaps it enough, which takes the object
 *   that it overlaps most; at most 100 detections of a class count in an image; precision is read at 101 recalls.
 * - `voc` and `voc2007` follow the development kit: a detection counts for the object that it overlaps most, and is wrong if that one was
 *   detected before. Its boxes are `inclusive`.
 *
 * @param detections for each image, boxes, scores and labels: the result of {@link detect}, for example.
 * @param truths the objects of each image; or all of them as rows `[image, label, cx, cy, w, h]`, the targets of {@link SSDLoss}.
 * @param options the definition, the thresholds, and the format and unit of the boxes.
 * @throws if there are not truths for each image, a list has another length than its boxes, a number is NaN, or an option is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { meanAveragePrecision } from "gpugrad";
 *
 * const detections = [{ boxes: [[0, 0, 10, 10], [50, 50, 60, 60]], scores: [0.9, 0.8], labels: [1, 1] }];
 * const truths = [{ boxes: [[0, 0, 10, 8]], labels: [1] }];
 * const { map } = await meanAveragePrecision(detections, truths, { thresholds: [0.5, 0.9] });
 * assert.equal(map, 0.5); // an IoU of 0.8: found at the first threshold, missed at the second
 * ```
 */
export async function meanAveragePrecision(
  detections: readonly Detections[],
  truths: readonly Truths[] | Rows,
  options?: MeanAveragePrecisionOptions,
): Promise<MeanAveragePrecision> {
  call.check(arguments);
  const { definition = "coco", format = "xyxy", imageSize: [width, height] = [1, 1] } = options ?? {};
  const coco = definition === "coco";
  const thresholds = [...options?.thresholds ?? (coco ? cocoThresholds() : [0.5])];
  if (!Array.isArray(detections)) {
    throw call.wrong("detections", "an array with { boxes, scores, labels } for each image", detections);
  }
  const all = areRows(truths) ? truthsOfRows(truths, detections.length, format) : truths as readonly Truths[];
  if (!Array.isArray(all)) {
    throw call.wrong("truths", "an array with { boxes, labels } for each image, or rows", truths);
  }
  if (all.length !== detections.length) {
    throw call.error(`expected truths for each of the ${detections.length} images, got ${describe(all.length)}`);
  }
  const images: Image[] = [];
  const layout = { format, wider: options?.inclusive ? 1 : 0 } as const;
  for (const [i, found] of detections.entries()) images.push(await readImage(i, found, all[i], layout));
  const groups = [...groupsOf(images, width * height)].sort(([a], [b]) => a - b);
  const curves = groups.map(([label, own]) => ({
    label,
    curve: coco ? cocoClass(own, thresholds) : vocClass(own, thresholds, definition === "voc2007"),
  })).filter(({ curve }) => curve.truths > 0 || curve.byArea.some(({ truths }) => truths > 0));
  return summary(curves, thresholds, coco);
}

/** The means over classes. */
function summary(
  curves: readonly { readonly label: number; readonly curve: Curve }[],
  thresholds: readonly number[],
  coco: boolean,
): MeanAveragePrecision {
  const counted = curves.filter(({ curve }) => curve.truths > 0);
  const byArea = (of: "ap" | "recall", k: number) =>
    meanOf(curves.flatMap(({ curve: { byArea } }) => (byArea[k].truths > 0 ? byArea[k][of] : [])));
  const recallAt = (k: number) => meanOf(counted.flatMap(({ curve }) => curve.recalls[k]));
  return {
    map: meanOf(counted.flatMap(({ curve }) => curve.ap)),
    thresholds,
    byThreshold: thresholds.map((_, t) => meanOf(counted.map(({ curve }) => curve.ap[t]))),
    byClass: counted.map(({ label, curve: { truths, ap } }) => ({ label, truths, ap: meanOf(ap), byThreshold: ap })),
    byArea: coco ? { small: byArea("ap", 0), medium: byArea("ap", 1), large: byArea("ap", 2) } : null,
    recall: coco
      ? {
        top1: recallAt(0),
        top10: recallAt(1),
        top100: recallAt(2),
        small: byArea("recall", 0),
        medium: byArea("recall", 1),
        large: byArea("recall", 2),
      }
      : null,
  };
}
