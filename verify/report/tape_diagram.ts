/** The tape as a diagram: inputs at the top, outputs at the bottom. */
import { Graph, layout } from "@dagrejs/dagre";
import { entryText, plural, shapeText } from "./advice.ts";
import { escape } from "./escape.ts";
import type { TapeEntryReport } from "./report.ts";

/** The longest tape drawn whole; of a longer one, only this many entries around the one that matters are drawn. */
const MOST = { whole: 48, part: 24 };
/** The width of a character and the height of a line in labels, and the padding around them. */
const TEXT = { character: 7.3, line: 16, x: 12, y: 8 };

/** A diagram and its caption. */
export interface TapeDiagram {
  readonly svg: string;
  readonly caption: string;
}

/** The ids of the entries that an entry depends on, transitively. */
function upstream(from: TapeEntryReport, byId: ReadonlyMap<number, TapeEntryReport>): Set<number> {
  const found = new Set<number>();
  const stack = [...from.inputs];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    stack.push(...(byId.get(id)?.inputs ?? []));
  }
  return found;
}

/** The entries nearest to the given ones, counted along edges in either direction. */
function around(centre: readonly number[], inputs: ReadonlyMap<number, readonly number[]>, most: number): Set<number> {
  const neighbours = new Map<number, number[]>([...inputs.keys()].map((id) => [id, []]));
  for (const [id, list] of inputs) {
    for (const other of list) {
      neighbours.get(id)!.push(other);
      neighbours.get(other)!.push(id);
    }
  }
  const found = new Set(centre.slice(0, most));
  // The set grows during iteration, so that the nearest come first.
  for (const id of found) {
    for (const other of neighbours.get(id)!) {
      if (found.size >= most) return found;
      found.add(other);
    }
  }
  return found;
}

/** The part of a tape that is drawn. */
interface Part {
  /** The entries that could be drawn; constants would be half of the diagram without being informative. */
  readonly drawable: readonly TapeEntryReport[];
  /** The inputs of each of them. */
  readonly inputs: ReadonlyMap<number, readonly number[]>;
  readonly outputs: readonly TapeEntryReport[];
  readonly suspect: TapeEntryReport | undefined;
  /** The entries that a wrong gradient reaches. */
  readonly affected: ReadonlySet<number>;
  /** The entries that are drawn. */
  readonly shown: ReadonlySet<number>;
}

function partOf(tape: readonly TapeEntryReport[]): Part {
  const byId = new Map(tape.map((entry) => [entry.id, entry]));
  const isConstant = (e: TapeEntryReport) => e.inputs.length === 0 && e.input === undefined;
  const drawable = tape.filter((e) => !isConstant(e) || tape.length === 1);
  const inputs = new Map(drawable.map((e) => [e.id, e.inputs.filter((id) => drawable.some((d) => d.id === id))]));
  const used = new Set([...inputs.values()].flat());
  const suspect = tape.find((e) => e.suspect);
  const outputs = drawable.filter(({ id }) => !used.has(id));
  const centre = suspect ? [suspect.id] : outputs.map(({ id }) => id);
  const shown = drawable.length <= MOST.whole ? new Set(inputs.keys()) : around(centre, inputs, MOST.part);
  return { drawable, inputs, outputs, suspect, affected: suspect ? upstream(suspect, byId) : new Set(), shown };
}

/** A graph that is laid out, with what its nodes and edges show. */
class Drawing {
  readonly #graph = new Graph();
  readonly #nodes = new Map<string, { lines: readonly string[]; kind: string; title: string }>();
  readonly #edges: { from: string; to: string; kind: string }[] = [];

  constructor() {
    this.#graph.setGraph({ rankdir: "TB", nodesep: 18, ranksep: 30, marginx: 12, marginy: 12 });
    this.#graph.setDefaultEdgeLabel(() => ({}));
  }

  addNode(id: string, lines: readonly string[], kind: string, title: string): void {
    this.#nodes.set(id, { lines, kind, title });
    this.#graph.setNode(id, {
      width: Math.max(...lines.map((line) => line.length)) * TEXT.character + 2 * TEXT.x,
      height: lines.length * TEXT.line + 2 * TEXT.y,
    });
  }

  addEdge(from: string, to: string, kind: string): void {
    if (this.#graph.hasEdge(from, to)) return;
    this.#graph.setEdge(from, to, {});
    this.#edges.push({ from, to, kind });
  }

  /** The drawing as SVG. */
  svg(prefix: string): string {
    layout(this.#graph);
    const { width, height } = this.#graph.graph() as { width: number; height: number };
    const paths = this.#edges.map(({ from, to, kind }) => {
      const { points } = this.#graph.edge(from, to) as { points: { x: number; y: number }[] };
      return `<path class="${kind}" d="${curve(points)}" marker-end="url(#${prefix}-arrow${
        kind === "affected" ? "-affected" : ""
      })"/>`;
    });
    const boxes = [...this.#nodes.keys()].map((id) => this.#box(id, prefix));
    const arrow = (name: string) =>
      `<marker id="${prefix}-${name}" class="${name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker>`;
    return `<svg class="tape" xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(width)}" height="${
      Math.ceil(height)
    }" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" role="img" aria-label="The tape"><defs>${arrow("arrow")}${
      arrow("arrow-affected")
    }</defs><g class="edges">${paths.join("")}</g>${boxes.join("")}</svg>`;
  }

  #box(id: string, prefix: string): string {
    const { lines, kind, title } = this.#nodes.get(id)!;
    const { x, y, width, height } = this.#graph.node(id) as { x: number; y: number; width: number; height: number };
    const text = lines.map((line, i) => {
      const dy = (i - (lines.length - 1) / 2) * TEXT.line;
      return `<text y="${round(dy)}"${i === 0 ? ' class="op"' : ""}>${escape(line)}</text>`;
    });
    const anchor = kind.startsWith("suspect") ? ` id="${prefix}-suspect"` : "";
    return `<g class="node ${kind}"${anchor} transform="translate(${round(x)} ${round(y)})"><title>${
      escape(title)
    }</title>` +
      `<rect x="${round(-width / 2)}" y="${round(-height / 2)}" width="${round(width)}" height="${round(height)}" rx="${
        kind.startsWith("input") ? 16 : 4
      }"/>${text.join("")}</g>`;
  }
}

/** Adds the entries that are drawn. */
function addEntries(drawing: Drawing, { drawable, outputs, affected, shown }: Part): void {
  for (const entry of drawable) {
    if (!shown.has(entry.id)) continue;
    const kind = entry.suspect
      ? "suspect"
      : entry.input !== undefined
      ? "input"
      : outputs.includes(entry)
      ? "output"
      : "entry";
    const lines = [entry.input ?? entry.op, `%${entry.id} ${shapeText(entry.shape)}`];
    if (entry.suspect) lines.push("first wrong here");
    const inputText = entry.inputs.map((i) => `%${i}`).join(", ");
    const title = `${entryText(entry)} ${entry.dtype}${inputText && ` of ${inputText}`}`;
    drawing.addNode(String(entry.id), lines, affected.has(entry.id) ? `${kind} affected` : kind, title);
  }
}

/** Adds the edges between them, and to how many entries others lead. */
function addEdges(drawing: Drawing, { inputs, suspect, affected, shown }: Part): void {
  const hiddenUsers = new Map<number, number>();
  for (const [id, list] of inputs) {
    const hidden = list.filter((other) => !shown.has(other)).length;
    for (const other of list) {
      if (shown.has(id) && shown.has(other)) {
        const reached = affected.has(other) && (affected.has(id) || id === suspect?.id);
        drawing.addEdge(String(other), String(id), reached ? "affected" : "");
      } else if (shown.has(other)) hiddenUsers.set(other, (hiddenUsers.get(other) ?? 0) + 1);
    }
    if (shown.has(id) && hidden > 0) {
      drawing.addNode(`above ${id}`, [`+${hidden}`], "hidden", `${plural(hidden, "entry", "entries")} not drawn`);
      drawing.addEdge(`above ${id}`, String(id), "hidden");
    }
  }
  for (const [id, hidden] of hiddenUsers) {
    drawing.addNode(`below ${id}`, [`+${hidden}`], "hidden", `${plural(hidden, "entry", "entries")} not drawn`);
    drawing.addEdge(String(id), `below ${id}`, "hidden");
  }
}

/** Draws a tape; `prefix` keeps the ids of several drawings on a page apart. */
export function tapeDiagram(tape: readonly TapeEntryReport[], prefix: string): TapeDiagram | null {
  if (tape.length === 0) return null;
  const part = partOf(tape);
  const drawing = new Drawing();
  addEntries(drawing, part);
  addEdges(drawing, part);
  return { svg: drawing.svg(prefix), caption: captionOf(tape.length, part) };
}

function captionOf(total: number, { drawable, shown, suspect }: Part): string {
  const constants = total - drawable.length;
  const parts = [`The tape has ${plural(total, "entry", "entries")}.`];
  if (constants > 0) parts.push(`${plural(constants, "constant is", "constants are")} not drawn.`);
  if (shown.size < drawable.length) {
    parts.push(
      `Only the ${shown.size} nearest to ${
        suspect ? "the suspect" : "the outputs"
      } are drawn, +n stands for the others; the list below is complete.`,
    );
  }
  return parts.join(" ");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/**
 * A smooth curve through the points of an edge: straight to the middle of the first segment, then bent at each point.
 */
function curve(points: readonly { x: number; y: number }[]): string {
  const at = ({ x, y }: { x: number; y: number }) => `${round(x)} ${round(y)}`;
  const middle = (i: number) => ({ x: (points[i].x + points[i + 1].x) / 2, y: (points[i].y + points[i + 1].y) / 2 });
  let path = `M${at(points[0])}`;
  for (let i = 1; i < points.length - 1; i++) {
    path += `${i === 1 ? `L${at(middle(0))}` : ""}Q${at(points[i])} ${at(middle(i))}`;
  }
  return `${path}L${at(points[points.length - 1])}`;
}
