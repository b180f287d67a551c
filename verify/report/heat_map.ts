/** Heat maps of inputs: each element's error as a colour. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { numberText, plural, shapeText, VERDICTS } from "./advice.ts";
import type { ElementReport, InputReport, Verdict } from "./report.ts";

/** The largest map; beyond this, a cell stands for several elements. */
const MOST = { columns: 112, rows: 64 };
/** A long vector is broken into rows of this length. */
const ROW = 56;
/** The width of a picture without its margins, and the range of cell sizes. */
const WIDTH = 900;
const CELL = { least: 6, most: 20, marked: 9 };
/** The thresholds between colours, as errors relative to tolerance. The middle one is the limit. */
const THRESHOLDS = [1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];

/**
 * The colours of errors from small to large, each for a light and a dark background: blues are within tolerance,
 * oranges are not.
 */
export const HEAT: readonly (readonly [string, string])[] = [
  ["#e4eef8", "#1c2c40"],
  ["#bdd6ec", "#24476b"],
  ["#8ebadf", "#336a9d"],
  ["#5a95c9", "#5596d4"],
  ["#ffc27a", "#a8500f"],
  ["#f08c2e", "#dd7a1e"],
  ["#c4530b", "#ffab57"],
  ["#7a2604", "#ffe2bd"],
];

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** The two-dimensional layout of an input. */
interface Fold {
  readonly rows: number;
  readonly columns: number;
  /** The row-major positions of the one or more elements that a cell stands for. */
  elements(row: number, column: number): number[];
  /** Labels of the two directions. */
  readonly across: string;
  readonly down: string;
  /** Ticks: the cell and its label. */
  readonly columnTicks: ReadonlyMap<number, string>;
  readonly rowTicks: ReadonlyMap<number, string>;
  /** Columns or rows before which a line separates one index of the outer axes from the next. */
  readonly separators: { readonly columns: readonly number[]; readonly rows: readonly number[] };
  /** The most elements that a cell stands for. */
  readonly pooled: number;
}

/** About ten or fewer evenly spaced numbers below a count. */
function ticksOf(count: number, text: (i: number) => string): Map<number, string> {
  const step = [1, 2, 5, 10, 20, 25, 50, 100].find((s) => count / s <= 12) ?? Math.ceil(count / 10);
  const found = new Map<number, string>();
  for (let i = 0; i < count; i += step) found.set(i, text(i));
  return found;
}

/** Drops ticks that are too close together to be read at the given cell size. */
function thinned(ticks: ReadonlyMap<number, string>, size: number): Map<number, string> {
  let last = -Infinity;
  return new Map([...ticks].filter(([i]) => (i - last) * size >= 12 && (last = i, true)));
}

/** The index of a row-major position. */
export function indexAt(position: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(position % shape[axis]);
    position = Math.floor(position / shape[axis]);
  }
  return index;
}

/**
 * Lays out a shape: the last axis across and all others down, or the other way round if that would be tall and thin.
 */
function fold(shape: readonly number[]): Fold {
  const size = shape.reduce((a, b) => a * b, 1);
  const vector = shape.length < 2;
  // A long vector is broken into rows, as text is.
  const last = vector ? Math.min(size, Math.max(ROW, Math.ceil(size / MOST.rows))) : shape[shape.length - 1];
  const outer = Math.ceil(size / last);
  const turned = !vector && outer > 3 * last && outer > 24;
  const [cellsAcross, cellsDown] = turned ? [outer, last] : [last, outer];
  const across = Math.ceil(cellsAcross / MOST.columns);
  const down = Math.ceil(cellsDown / MOST.rows);
  const columns = Math.ceil(cellsAcross / across);
  const rows = Math.ceil(cellsDown / down);
  const group = shape.length > 2 ? shape[shape.length - 2] : 0;
  const outerBlock = turned ? across : down;
  const starts = group > 1 && outerBlock === 1
    ? Array.from({ length: Math.ceil(outer / group) - 1 }, (_, i) => (i + 1) * group)
    : [];
  const outerTicks = (): Map<number, string> => {
    const cells = Math.ceil(outer / outerBlock);
    const text = (i: number) => {
      if (vector) return String(i * outerBlock * last);
      const index = indexAt(i * outerBlock, shape.slice(0, -1));
      return index.length === 1 ? String(index[0]) : shapeText(index);
    };
    if (vector && outer === 1) return new Map();
    if (starts.length === 0 || starts.length > 12) return ticksOf(cells, text);
    return new Map([0, ...starts].map((i) => [i, text(i)]));
  };
  const innerTicks = () =>
    ticksOf(Math.ceil(last / (turned ? down : across)), (i) => String(i * (turned ? down : across)));
  const outerName = vector
    ? outer > 1 ? "index of the row's first element" : ""
    : shape.length === 2
    ? "axis 0"
    : `axes ${shape.slice(0, -1).map((_, i) => i).join(", ")}`;
  const innerName = shape.length === 0
    ? ""
    : vector
    ? outer > 1 ? "index within the row" : "index"
    : `axis ${shape.length - 1}`;
  return {
    rows,
    columns,
    across: turned ? outerName : innerName,
    down: turned ? innerName : outerName,
    columnTicks: turned ? outerTicks() : innerTicks(),
    rowTicks: turned ? innerTicks() : outerTicks(),
    separators: { columns: turned ? starts : [], rows: turned ? [] : starts },
    pooled: across * down,
    elements: (row, column) => {
      const found: number[] = [];
      for (let r = row * down; r < Math.min((row + 1) * down, cellsDown); r++) {
        for (let c = column * across; c < Math.min((column + 1) * across, cellsAcross); c++) {
          const position = turned ? c * last + r : r * last + c;
          if (position < size) found.push(position);
        }
      }
      return found;
    },
  };
}

/** The verdict of each element, as far as it is known. */
function verdictsOf(input: InputReport, position: number, worst: readonly ElementReport[]): Verdict[] {
  if (input.verdicts) return [...input.verdicts];
  const verdicts = input.relative.map((r): Verdict => r === null ? "untested" : r <= 1 ? "ok" : "wrong");
  const strides = input.shape.map((_, axis) => input.shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  for (const { input: of, index, verdict } of worst) {
    if (of === position) verdicts[index.reduce((sum, i, axis) => sum + i * strides[axis], 0)] = verdict;
  }
  return verdicts;
}

/** The colours of a cell and of its mark, as CSS values. */
function cellColours(relative: number | null, verdict: Verdict, marked: boolean): { fill: string; mark: string } {
  if (verdict === "untested") return { fill: "url(#untested)", mark: "" };
  // If there is nothing to compare with, the size of the difference means nothing.
  if (verdict === "kink" || verdict === "noise") {
    return { fill: marked ? "var(--page)" : `var(--${verdict})`, mark: `var(--${verdict})` };
  }
  const over = THRESHOLDS.findIndex((limit) => relative !== null && relative <= limit);
  const size = over < 0 ? THRESHOLDS.length : over;
  // An element that is wrong for a reason other than its size, such as NaN, is not coloured as within tolerance.
  const bin = verdict === "wrong" ? Math.max(size, HEAT.length / 2) : size;
  return { fill: `var(--heat-${bin})`, mark: bin < HEAT.length - 2 ? "var(--text)" : "var(--card)" };
}

/** Marks on cells, so that no verdict relies on colour alone. */
const SYMBOLS: Readonly<Partial<Record<Verdict, "times" | "triangle" | "asterisk">>> = {
  wrong: "times",
  kink: "triangle",
  noise: "asterisk",
};

/** One drawn cell. */
interface Cell {
  readonly row: number;
  readonly column: number;
  readonly verdict: Verdict;
  readonly fill: string;
  readonly mark: string;
  readonly title: string;
}

/** A picture and its caption. */
export interface HeatMap {
  readonly svg: string;
  readonly caption: string;
}

/** The cells of a map, each coloured for the worst of its elements. */
function cellsOf(input: InputReport, verdicts: readonly Verdict[], layout: Fold, marked: boolean): Cell[] {
  const cells: Cell[] = [];
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.columns; column++) {
      const elements = layout.elements(row, column);
      if (elements.length === 0) continue;
      // The worst of the elements that the cell stands for.
      const rank = (i: number) => VERDICTS.indexOf(verdicts[i]);
      const error = (i: number) => {
        const relative = input.relative[i];
        return relative === null || Number.isNaN(relative) ? Infinity : relative;
      };
      const at = elements.reduce((a, b) => rank(b) < rank(a) || (rank(b) === rank(a) && error(b) > error(a)) ? b : a);
      const verdict = verdicts[at];
      const relative = input.relative[at];
      const place = shapeText(indexAt(at, input.shape));
      const amount = relative === null ? "" : `, error ${numberText(relative, 3)} of the tolerance`;
      const others = elements.length > 1 ? ` (the worst of ${elements.length} elements)` : "";
      cells.push({
        row,
        column,
        verdict,
        ...cellColours(relative, verdict, marked),
        title: `${input.name}${place}: ${verdict}${amount}${others}`,
      });
    }
  }
  return cells;
}

/** The marks on cells of a size. */
function symbolsOn(cells: readonly Cell[], size: number): Plot.Markish[] {
  return VERDICTS.filter((v) => SYMBOLS[v]).map((verdict) =>
    Plot.dot(cells.filter((c) => c.verdict === verdict), {
      x: (d) => d.column + 0.5,
      y: (d) => d.row + 0.5,
      symbol: SYMBOLS[verdict],
      r: Math.min(5, size / 4),
      stroke: "mark",
      strokeWidth: 1.6,
      pointerEvents: "none",
    })
  );
}

/** The errors of an input as a picture, `null` where there is nothing to draw. */
export function heatMap(input: InputReport, position: number, worst: readonly ElementReport[]): HeatMap | null {
  const verdicts = verdictsOf(input, position, worst);
  if (verdicts.every((verdict) => verdict === "untested")) return null;
  const layout = fold(input.shape);
  const size = Math.max(CELL.least, Math.min(CELL.most, Math.floor(WIDTH / layout.columns)));
  const cells = cellsOf(input, verdicts, layout, size >= CELL.marked);
  const margins = { marginLeft: 72, marginRight: 16, marginTop: 8, marginBottom: 36 };
  const axis = (ticks: ReadonlyMap<number, string>) => ({
    ticks: [...ticks.keys()].map((i) => i + 0.5),
    tickFormat: (at: number) => ticks.get(at - 0.5) ?? "",
    tickSize: 3,
  });
  const figure = Plot.plot({
    document: document as unknown as Document,
    ...margins,
    width: Math.max(160, layout.columns * size + margins.marginLeft + margins.marginRight),
    // Not stretched, so that cells stay square even if the labels need more width than the cells.
    inset: 0,
    height: layout.rows * size + margins.marginTop + margins.marginBottom,
    x: { domain: [0, Math.max(layout.columns, (160 - 88) / size)], axis: null },
    y: { domain: [layout.rows, 0], axis: null },
    color: { type: "identity" },
    marks: [
      Plot.rect(cells, {
        x1: "column",
        x2: (d) => d.column + 1,
        y1: "row",
        y2: (d) => d.row + 1,
        fill: "fill",
        inset: size > 8 ? 0.5 : 0,
        title: "title",
      }),
      ...(size >= CELL.marked ? symbolsOn(cells, size) : []),
      Plot.ruleY(layout.separators.rows, { stroke: "currentColor", strokeWidth: 1 }),
      Plot.ruleX(layout.separators.columns, { stroke: "currentColor", strokeWidth: 1 }),
      Plot.axisX({ anchor: "bottom", label: layout.across, labelArrow: "none", ...axis(layout.columnTicks) }),
      Plot.axisY({
        anchor: "left",
        label: layout.down,
        labelAnchor: "center",
        labelArrow: "none",
        ...axis(thinned(layout.rowTicks, size)),
      }),
    ],
  });
  const caption = layout.pooled > 1
    ? `Each cell shows the worst of up to ${plural(layout.pooled, "neighbouring element")}.`
    : "";
  return { svg: figure.outerHTML, caption };
}

/** The colour scale, with its unit. */
export function heatLegend(): string {
  // The type declarations lack the option for the document.
  const options = {
    document: document as unknown as Document,
    color: { type: "threshold" as const, domain: THRESHOLDS, range: HEAT.map((_, i) => `var(--heat-${i})`) },
    label: "error relative to the tolerance (1 is the limit)",
    tickFormat: (limit: number) => String(limit),
    width: 420,
  };
  return Plot.legend(options).outerHTML;
}
