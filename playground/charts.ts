/** The charts: loss and gradient along a parameter, and the loss of a descent. */
import * as Plot from "@observablehq/plot";
import type { Sweep } from "./engine/protocol.ts";

/** Replaces the chart in a figure. */
function put(place: HTMLElement, options: Plot.PlotOptions, label: string): void {
  const width = Math.max(280, Math.round(place.clientWidth || 560));
  const chart = Plot.plot({
    width,
    height: 130,
    marginLeft: 48,
    marginRight: 14,
    marginTop: 20,
    marginBottom: 24,
    ariaLabel: label,
    style: { fontSize: "11.5px" },
    ...options,
  });
  place.replaceChildren(chart);
}

const finite = (values: readonly number[]): { readonly i: number; readonly value: number }[] =>
  values.map((value, i) => ({ i, value })).filter(({ value }) => Number.isFinite(value));

/** Draws a curve of a sweep, and where the parameter is. */
export function drawAlong(
  place: HTMLElement,
  { at, values, now, label, colour }: {
    readonly at: Sweep["at"];
    readonly values: readonly number[];
    readonly now: number;
    readonly label: string;
    readonly colour: string;
  },
): void {
  const points = finite(values);
  put(place, {
    x: { domain: [at[0], at[at.length - 1]], label: null, ticks: 6 },
    y: {
      label,
      ...(isFlat(points) ? { domain: [points[0].value - 1, points[0].value + 1] } : { nice: true }),
      grid: true,
      ticks: 4,
      tickFormat: "~g",
    },
    marks: [
      Plot.ruleX([now], { stroke: "currentColor", strokeDasharray: "3 3", strokeOpacity: 0.7 }),
      Plot.lineY(points, { x: ({ i }) => at[i], y: "value", stroke: colour, strokeWidth: 2 }),
      Plot.dot(nearest(points, at, now), { x: ({ i }) => at[i], y: "value", r: 4, fill: colour }),
    ],
  }, label);
}

const isFlat = (points: ReturnType<typeof finite>): boolean =>
  points.length > 0 && points.every(({ value }) => Math.abs(value - points[0].value) <= 1e-6 * Math.abs(value));

function nearest(points: ReturnType<typeof finite>, at: readonly number[], now: number): ReturnType<typeof finite> {
  const distance = ({ i }: { readonly i: number }) => Math.abs(at[i] - now);
  const best = points.reduce<typeof points[number] | null>((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
  return best ? [best] : [];
}

/** Draws the losses of a descent. */
export function drawDescent(place: HTMLElement, losses: readonly number[], colour: string): void {
  const points = finite(losses);
  const positive = points.every(({ value }) => value > 0);
  put(place, {
    height: 110,
    x: { domain: [0, Math.max(10, losses.length - 1)], label: null, ticks: 6, tickFormat: "d" },
    y: { type: positive ? "log" : "linear", label: "loss by step", grid: true, ticks: 3, tickFormat: "~g" },
    marks: [
      Plot.lineY(points, { x: "i", y: "value", stroke: colour, strokeWidth: 2 }),
      Plot.dot(points.slice(-1), { x: "i", y: "value", r: 3.5, fill: colour }),
    ],
  }, "loss by step");
}
