/** Draws boxes over photographs, the colour scale and the loss curve as SVG. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Box } from "./photographs.ts";

/** The width of a drawing over a photograph, in its own units. */
const WIDTH = 960;

/** Colours of the layers; they differ in lightness and line style as well as in hue. */
export const COLOURS = {
  truth: "#7CFC5A",
  matched: "#4CC9FF",
  mined: "#FF5CB8",
  detection: "#FFE14D",
  loss: "#4a86dc",
};
/**
 * The colours of gradient magnitudes, from small to large, on a dark background: without the scheme's darkest colours.
 */
const GRADIENT_COLOURS = { type: "log" as const, scheme: "plasma" as const, range: [0.25, 1], clamp: true };

/** One box, its title, and its value on the colour scale. */
export interface Shape {
  readonly box: Box;
  readonly title: string;
  readonly value?: number;
}

/** One layer: boxes drawn in the same style. */
export interface Layer {
  /** The name by which the page shows and hides the layer. */
  readonly name: string;
  readonly boxes: readonly Shape[];
  /** The colour, or the domain of the colour scale for `value`. */
  readonly stroke: string | readonly [number, number];
  readonly strokeWidth: number;
  readonly dashes?: string;
}

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** Draws layers of boxes over a photograph of the given extent. */
export function overlay([width, height]: readonly [number, number], layers: readonly Layer[]): string {
  const domain = layers.map((l) => l.stroke).find((s) => typeof s !== "string");
  return svg({
    width: WIDTH,
    height: Math.round(WIDTH * height / width),
    margin: 0,
    x: { domain: [0, width], axis: null },
    y: { domain: [height, 0], axis: null },
    color: domain ? { ...GRADIENT_COLOURS, domain: [...domain] } : { type: "identity" },
    marks: layers.flatMap((layer) => {
      const look = {
        x1: ({ box: [cx, , w] }: Shape) => cx - w / 2,
        x2: ({ box: [cx, , w] }: Shape) => cx + w / 2,
        y1: ({ box: [, cy, , h] }: Shape) => cy - h / 2,
        y2: ({ box: [, cy, , h] }: Shape) => cy + h / 2,
        fill: "none",
        strokeDasharray: layer.dashes,
        className: layer.name,
      };
      return [
        // A dark outline, so that lines are visible on any photograph.
        Plot.rect(layer.boxes, { ...look, stroke: "black", strokeOpacity: 0.4, strokeWidth: layer.strokeWidth + 2 }),
        Plot.rect(layer.boxes, {
          ...look,
          stroke: typeof layer.stroke === "string" ? layer.stroke : "value",
          strokeWidth: layer.strokeWidth,
          pointerEvents: "stroke",
          title: "title",
        }),
      ];
    }),
  });
}

/** Draws the colour scale of gradients, a strip of colours over an axis. */
export function gradientLegend([low, high]: readonly [number, number]): string {
  const steps = 120;
  const at = (i: number) => low * (high / low) ** (i / steps);
  return svg({
    width: 320,
    height: 34,
    marginTop: 0,
    marginBottom: 20,
    marginLeft: 10,
    marginRight: 10,
    x: { type: "log", domain: [low, high], label: null, ticks: 3, tickFormat: "~g", tickSize: 4 },
    color: { ...GRADIENT_COLOURS, domain: [low, high] },
    marks: [
      Plot.rectY(Array.from({ length: steps }, (_, i) => i), {
        x1: at,
        x2: (i: number) => at(i + 1.2),
        y: 1,
        fill: (i: number) => at(i + 0.5),
      }),
    ],
    y: { axis: null },
  });
}

/** Draws the loss after each step, on a logarithmic axis. */
export function lossChart(losses: readonly number[]): string {
  const points = losses.map((loss, step) => ({ step, loss }));
  return svg({
    width: 620,
    height: 300,
    marginLeft: 50,
    marginBottom: 40,
    marginTop: 26,
    x: { label: "step", ticks: 8 },
    y: { type: "log", label: "loss", grid: true, ticks: 5, tickFormat: "~g" },
    marks: [
      Plot.line(points, { x: "step", y: "loss", stroke: COLOURS.loss, strokeWidth: 2 }),
      Plot.dot(points, { x: "step", y: "loss", fill: COLOURS.loss, r: 2.5 }),
      ...[points[0], points[points.length - 1]].map((point, i) =>
        Plot.text([point], {
          x: "step",
          y: "loss",
          text: [point.loss.toPrecision(3)],
          textAnchor: i === 0 ? "start" : "end",
          dx: i === 0 ? 8 : 0,
          dy: i === 0 ? 0 : -12,
          fontWeight: "bold",
        })
      ),
    ],
  });
}

function svg(options: Plot.PlotOptions): string {
  const figure = Plot.plot({ ...options, document: document as unknown as Document });
  figure.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return figure.outerHTML;
}
