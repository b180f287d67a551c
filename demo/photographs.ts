/** Loads the photographs, for the network and for the page, and the faces marked on them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createCanvas, type Image, loadImage } from "@napi-rs/canvas";
import { FACE_LABEL, INPUT_SIDE, packageFolder } from "./network.ts";

/** The longer side of a photograph on the page, in pixels. */
const PAGE_SIDE = 960;

/** cx, cy, w, h relative to the square that the photograph is placed in. */
export type Box = readonly [cx: number, cy: number, w: number, h: number];

/** One photograph. */
export interface Photograph {
  /** Its name, without the file's extension. */
  readonly name: string;
  /** Its width and height as fractions of the square, whose side is the longer of the two: 1 and at most 1. */
  readonly extent: readonly [width: number, height: number];
  /** RGB, 0 to 255, row-major: the photograph at the top left of the square, the rest black. */
  readonly pixels: Int32Array;
  /** The faces, marked by hand. */
  readonly faces: readonly Box[];
  /** The photograph as a JPEG file in a data URI. */
  readonly dataUri: string;
}

interface Marks {
  readonly photographs: readonly { readonly file: string; readonly faces: readonly Box[] }[];
}

/** Reads and decodes the photographs shipped with face-api. */
export function loadPhotographs(): Promise<Photograph[]> {
  const marks = JSON.parse(readFileSync(new URL("faces.json", import.meta.url), "utf8")) as Marks;
  const folder = join(packageFolder("@vladmandic/face-api"), "demo");
  return Promise.all(marks.photographs.map(async ({ file, faces }) => {
    const image = await loadImage(join(folder, file));
    const side = Math.max(image.width, image.height);
    const [width, height] = [image.width / side, image.height / side];
    return {
      name: file.replace(/\.\w+$/, ""),
      extent: [width, height] as const,
      pixels: squarePixels(image, width, height),
      faces: faces.map(([cx, cy, w, h]): Box => [cx * width, cy * height, w * width, h * height]),
      dataUri: pageImage(image, width, height),
    };
  }));
}

/** The faces of a batch of photographs as rows `[image, label, cx, cy, w, h]`. */
export function targetsOf(photographs: readonly Photograph[]): number[][] {
  return photographs.flatMap(({ faces }, image) => faces.map((face) => [image, FACE_LABEL, ...face]));
}

function squarePixels(image: Image, width: number, height: number): Int32Array {
  const canvas = createCanvas(INPUT_SIDE, INPUT_SIDE);
  const context = canvas.getContext("2d");
  context.fillStyle = "black";
  context.fillRect(0, 0, INPUT_SIDE, INPUT_SIDE);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, INPUT_SIDE * width, INPUT_SIDE * height);
  const { data } = context.getImageData(0, 0, INPUT_SIDE, INPUT_SIDE);
  const rgb = new Int32Array(INPUT_SIDE * INPUT_SIDE * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * 4 + i % 3];
  return rgb;
}

function pageImage(image: Image, width: number, height: number): string {
  const canvas = createCanvas(Math.round(PAGE_SIDE * width), Math.round(PAGE_SIDE * height));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.82);
}
