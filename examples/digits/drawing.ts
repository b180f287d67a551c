/** Draws scenes with their detections, and the curves, as SVG. Colours are those of the page, which has a dark and a light set. */
import * as Plot from "@observablehq/plot";
import { createCanvas } from "@napi-rs/canvas";
import { parseHTML } from "linkedom";
import { compare } from "./comparison.ts";
import { type Scene, SIDE } from "./scenes.ts";
import type { Detection } from "./train.ts";

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** A curve over steps. */
export interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

/** The definitions that {@link drawScene} refers to: each scene's pixels, once. */
export function sceneImages(scenes: ReadonlyMap<number, Scene>): string {
  const images = [...scenes].map(([number, scene]) =>
    `<image id="scene-${number}" width="${SIDE}" height="${SIDE}" href="${dataUri(scene)}"/>`
  );
  return `<svg width="0" height="0" class="definitions"><defs>${images.join("")}</defs></svg>`;
}

/** A scene with what was detected: right, wrong, and what was missed. */
export function drawScene(number: number, scene: Scene, detections: readonly Detection[], caption: string): string {
  const { right, wrong, missed } = compare(detections, scene);
  const found = (kind: string, { label, score, box: [x1, y1, x2, y2] }: Detection) => {
    const [x, y, width, height] = [x1, y1, x2 - x1, y2 - y1].map((v) => v * SIDE);
    const title = `${label}, score ${score.toFixed(2)}`;
    const text = `${label}<tspan class="score"> ${score.toFixed(2).replace(/^0/, "")}</tspan>`;
    return rectangle(kind, { x, y, width, height }, title, text);
  };
  const boxes = [
    ...missed.map((i) => {
      const { label, box: [cx, cy, w, h] } = scene.truths[i];
      const [x, y, width, height] = [cx - w / 2, cy - h / 2, w, h].map((v) => v * SIDE);
      return rectangle("missed", { x, y, width, height }, `a ${label} that was not found`, "");
    }),
    ...wrong.map((d) => found("wrong", d)),
    ...right.map((d) => found("right", d)),
  ];
  return `<figure><svg viewBox="0 0 ${SIDE} ${SIDE}" class="scene" role="img" aria-label="${caption}"><use href="#scene-${number}"/>${
    boxes.join("")
  }</svg><figcaption>${caption}</figcaption></figure>`;
}

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function rectangle(kind: string, { x, y, width, height }: Rectangle, title: string, label: string): string {
  const [at, top, w, h] = [x, y, width, height].map((v) => v.toFixed(1));
  // Above the box, or within it at the upper border.
  const baseline = y > 7 ? y - 0.8 : y + 6;
  return `<g class="${kind}"><title>${title}</title><rect x="${at}" y="${top}" width="${w}" height="${h}"/>${
    label === "" ? "" : `<text x="${at}" y="${baseline.toFixed(1)}">${label}</text>`
  }</g>`;
}

function dataUri({ pixels }: Scene): string {
  const canvas = createCanvas(SIDE, SIDE);
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  pixels.forEach((v, i) => image.data.set([255 * v, 255 * v, 255 * v, 255], 4 * i));
  context.putImageData(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** The losses of one training on a logarithmic axis: each step faint, and their running means. */
export function lossChart(curves: readonly Curve[], steps: number): string {
  const window = Math.max(1, Math.round(steps / 20));
  const positive = (points: Curve["points"]) => points.filter(({ value }) => value > 0);
  return svg({
    width: 400,
    height: 240,
    marginLeft: 44,
    marginRight: 12,
    x: { label: "step", domain: [0, steps], ticks: 5 },
    y: { type: "log", label: null, grid: true, ticks: 4, tickFormat: "~g" },
    color: { type: "identity" },
    marks: curves.flatMap(({ colour, points }) => [
      Plot.line(positive(points), { x: "step", y: "value", stroke: colour, strokeOpacity: 0.25, strokeWidth: 1 }),
      Plot.line(
        positive(points),
        Plot.windowY({ k: window, reduce: "mean", x: "step", y: "value", stroke: colour, strokeWidth: 2 }),
      ),
    ]),
  });
}

/** The mean average precision of each variant at its tests. */
export function precisionChart(curves: readonly Curve[], steps: number): string {
  return svg({
    width: 620,
    height: 300,
    marginLeft: 44,
    marginRight: 90,
    x: { label: "step", domain: [0, steps], ticks: 6 },
    y: { label: "mAP at 0.5", domain: [0, 1], grid: true, ticks: 5 },
    color: { type: "identity" },
    marks: [
      ...curves.flatMap(({ colour, points }) => [
        Plot.line(points, { x: "step", y: "value", stroke: colour, strokeWidth: 2 }),
        Plot.dot(points, { x: "step", y: "value", fill: colour, r: 3.5 }),
      ]),
      ...spreadLabels(curves).map(({ name, colour, at, step }) =>
        Plot.text([{ step, at }], { x: "step", y: "at", text: [name], fill: colour, textAnchor: "start", dx: 10 })
      ),
    ],
  });
}

/** The curves' names at their ends, moved apart so that they do not cover each other. */
function spreadLabels(curves: readonly Curve[]): { name: string; colour: string; at: number; step: number }[] {
  const apart = 0.055;
  let below = -Infinity;
  return curves
    .flatMap(({ name, colour, points }) => points.slice(-1).map(({ step, value }) => ({ name, colour, step, value })))
    .sort((a, b) => a.value - b.value)
    .map(({ value, ...label }) => {
      below = Math.max(value, below + apart);
      return { ...label, at: below };
    });
}

function svg(options: Plot.PlotOptions): string {
  const figure = Plot.plot({ ...options, document: document as unknown as Document });
  figure.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return figure.outerHTML;
}
