/** Draws a loss and its gradient, side by side, as SVG. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** One line of both panels. */
export interface Curve {
  readonly name: string;
  /** By argument; NaN leaves a gap. */
  readonly losses: readonly number[];
  readonly gradients: readonly number[];
}

/** The contents of a picture. */
export interface Figure {
  /** The name of its file, without extension. */
  readonly name: string;
  /** The argument, with its unit. */
  readonly argument: string;
  /** The variable of the gradient, with its unit. */
  readonly gradient: string;
  /** The unit of the loss, "" if it has none. */
  readonly unit: string;
  /** Described to those who cannot see it. */
  readonly description: string;
  readonly x: readonly number[];
  /** One to four. */
  readonly curves: readonly Curve[];
}

const WIDTH = 776;
const PANEL = { width: 372, height: 242, top: 34 };

/**
 * Apart in hue, lightness and dashes, on a background of their own: a picture has the same colours on light and on dark pages. The first is
 * that of what the variant is compared with.
 */
const STYLES = [
  { stroke: "#5b6470", dash: "5 3" },
  { stroke: "#1f5fbf", dash: "" },
  { stroke: "#c4530b", dash: "9 4" },
  { stroke: "#14806a", dash: "2 3" },
] as const;
const COLOURS = { card: "#fbfbfc", border: "#c9ced6", text: "#1f2430", zero: "#9aa2ad" };

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** One panel: curves over the argument. */
function panel({ x, curves, argument }: Figure, values: "losses" | "gradients", label: string): string {
  const lines = curves.map((curve, i) => ({
    ...STYLES[i],
    points: x.map((at, k) => ({ x: at, y: curve[values][k] })),
  }));
  const figure = Plot.plot({
    document: document as unknown as Document,
    width: PANEL.width,
    height: PANEL.height,
    marginLeft: 46,
    marginRight: 12,
    marginTop: 24,
    marginBottom: 44,
    x: { label: argument, labelAnchor: "center", labelArrow: "none", labelOffset: 36, ticks: 6 },
    y: { label, labelArrow: "none", grid: true, ticks: 5, nice: true },
    marks: [
      Plot.ruleY([0], { stroke: COLOURS.zero }),
      // Those with dashes last, so that they can be seen over a curve that they equal.
      ...lines.toSorted((a, b) => a.dash.length - b.dash.length).map(({ points, stroke, dash }) =>
        Plot.lineY(points, { x: "x", y: "y", stroke, strokeWidth: 2, strokeDasharray: dash || undefined })
      ),
    ],
  });
  return figure.innerHTML.replace(/<style>.*?<\/style>/s, "");
}

/** The names of the curves, in a row. */
function legend(curves: readonly Curve[]): string {
  let at = 20;
  return curves.map(({ name }, i) => {
    const { stroke, dash } = STYLES[i];
    const dashes = dash ? ` stroke-dasharray="${dash}"` : "";
    const entry = `<path d="M${at},19h26" stroke="${stroke}" stroke-width="2"${dashes}/>` +
      `<text x="${at + 32}" y="23" font-size="12" text-anchor="start">${escaped(name)}</text>`;
    at += 54 + Math.round(name.length * 6.4);
    return entry;
  }).join("");
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** Lines without the points that lie on them to a tenth of a pixel. */
function shortened(svg: string): string {
  return svg.replace(/ d="M([-\d.,]+(?:L[-\d.,]+)+)"/g, (_, path: string) => {
    const points = path.split("L").map((point) => point.split(",").map(Number));
    const kept = [0];
    for (let end = 1; end < points.length - 1; end++) {
      if (!isStraight(points, kept[kept.length - 1], end + 1)) kept.push(end);
    }
    const numbers = [...kept, points.length - 1].map((i) => points[i].join(","));
    return ` d="M${numbers.join("L")}"`;
  });
}

/** Positions to a tenth of a pixel. */
function rounded(svg: string): string {
  return svg.replace(
    / (?:[xyd][12]?|transform)="[^"]*"/g,
    (attribute) => attribute.replace(/\d+\.\d+/g, (n) => String(Number(Number(n).toFixed(1)))),
  );
}

/** Whether all points between two are on the line between them. */
function isStraight(points: readonly number[][], from: number, to: number): boolean {
  const [[x0, y0], [x1, y1]] = [points[from], points[to]];
  const length = Math.hypot(x1 - x0, y1 - y0);
  return points.slice(from + 1, to).every(([x, y]) =>
    Math.abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) <= 0.1 * length
  );
}

/** The picture, a document of its own. */
export function draw(figure: Figure): string {
  const unit = figure.unit && ` (${figure.unit})`;
  const right = WIDTH - PANEL.width - 6;
  const height = PANEL.top + PANEL.height;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" ` +
    `height="${height}" fill="none" role="img">` +
    `<title>${escaped(figure.description)}</title>` +
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${
      height - 1
    }" rx="6" fill="${COLOURS.card}" stroke="${COLOURS.border}"/>` +
    `<g fill="${COLOURS.text}" color="${COLOURS.text}" font-family="system-ui, sans-serif" font-size="11" ` +
    `text-anchor="middle">` +
    legend(figure.curves) +
    `<g transform="translate(10,${PANEL.top})">${panel(figure, "losses", `loss${unit}`)}</g>` +
    `<g transform="translate(${right},${PANEL.top})">${
      panel(figure, "gradients", `gradient with respect to ${figure.gradient}`)
    }</g></g></svg>\n`;
  return rounded(shortened(svg)).replaceAll("><", ">\n<");
}
