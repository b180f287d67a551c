/** How the threads of a kernel are spread over units, tiles and blocks. */
import type { Expression, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import type { Value } from "./code.ts";
import { chooseJam, jammed } from "./jam.ts";
import { type Joint, resultsOf } from "./joint.ts";
import { LANES } from "./operands.ts";
import { type Columns, rowsOf } from "./own.ts";
import { type Panels, panelsOf } from "./panels.ts";
import { type Strips, stripsOf } from "./strips.ts";
import { isStreaming, type Locals, weightOfBody } from "./varying.ts";

/** Blocks of four vectors: chains of operations overlap, and each cache line is read once. */
const WIDEST = 4;
/** Blocks of several rows are narrower: all have accumulators. */
const NARROWER = 2;
/** A block's code is at most about this many instructions long. */
const LONGEST = 400;
/** A unit takes at least this many instructions, if a row has them. */
const UNIT = 20_000;

/** Panels have at most this many elements, for the second cache to hold them. */
const PANELS = 2 ** 16;
/** Threads along x that share panels: their rows stay in the first cache meanwhile. */
const PANEL_WIDTH = 128;
/** The number of rows that share panels if there are as many, and the smallest number. */
const PANEL_ROWS = 128;
const FEWEST_PANEL_ROWS = 16;
/** A kernel has at least this many units, if its panels allow and they are not too small. */
const FEWEST_UNITS = 8;

/** The statements that one block of threads runs: neighbours along x, in one row or several. */
export interface Tile {
  readonly threads: readonly Local[];
  readonly body: readonly Statement[];
  /** The elements of a thread, one for each row, or for each array. */
  readonly results: readonly Expression[];
  /** The axis along which rows are neighbours. */
  readonly axis: number;
  /** The reads that all rows have in common. */
  readonly panels: Panels;
  /** The phases of strips; `null` if blocks run one after the other. */
  readonly strips: Strips | null;
}

/** The context in which a kernel is written. */
export interface Kernel {
  readonly form: Tile;
  readonly locals: Locals;
  readonly arrays: ReadonlyArray<{ readonly address: Value; readonly size: number }>;
}

/** @param columns those of a unit in a group, whose rows along y may not be neighbours. */
export function tileOf(form: Joint, columns: Columns | undefined): Tile {
  const { threads, extent: [nx = 1], others } = form;
  const jam = nx >= LANES && !columns && !others ? chooseJam(form) : null;
  if (!jam) {
    const panels = { slots: 0, of: new Map() };
    const found = stripsOf(form);
    const strips = found && found.threads >= (columns?.width ?? 0) ? found : null;
    return { threads, body: form.body, results: resultsOf(form), axis: 1, panels, strips };
  }
  const { body, results } = jammed(form, jam);
  const across = threads.filter((_, axis) => axis > 0 && axis !== jam.axis);
  return { threads, body, results, axis: jam.axis, panels: panelsOf(body, threads[0], across), strips: null };
}

/** Units and blocks of a kernel, in numbers. */
export interface Layout {
  /** Threads along x, along the axis of the tile's rows, and along the third one. */
  readonly nx: number;
  readonly along: number;
  readonly across: number;
  /** Rows of a tile. */
  readonly rows: number;
  /** Rows that a unit takes, if there are as many, and how many units that makes; the last one takes those that are left as well. */
  readonly group: number;
  readonly groups: number;
  /** Threads of a row that a unit takes. */
  readonly chunk: number;
  readonly chunks: number;
  /** Vectors in a block. */
  readonly width: number;
  /** Whether a unit copies its panels. */
  readonly isPacked: boolean;
  /** About how many instructions a unit takes. */
  readonly weight: number;
}

export function layoutOf(
  form: Joint,
  { body, results, axis, panels, strips }: Tile,
  { iterations, columns }: Options,
): Layout {
  const [nx, ny = 1, nz = 1] = form.extent;
  const rows = form.others ? 1 : results.length;
  const size = Math.max(1, weightOfBody(body));
  const weight = size + size * iterations / 4;
  let width = results.length > 1 ? NARROWER : !strips && isStreaming(body) ? 1 : WIDEST;
  const [along, across] = axis === 2 ? [nz, ny] : [ny, nz];
  const tiles = across * Math.max(1, Math.floor(along / rows));
  // Few long threads, as those of a sum of everything, are spread over several units all the same.
  const wanted = Math.min(Math.ceil(FEWEST_UNITS / tiles), Math.floor(weight * nx / LANES / UNIT));
  while (width > 1 && (width * size > LONGEST || width * LANES * Math.max(1, wanted) > nx)) width /= 2;
  const block = LANES * width;
  const split =
    (columns === undefined ? panelLayout({ nx, along, across, rows, block }, panels) : columnLayout(form, columns)) ??
      { group: rows, chunk: filled(nx, block, strips?.threads ?? chunkOf(nx, block, weight, wanted)), isPacked: false };
  const { group, chunk } = split;
  return {
    nx,
    along,
    across,
    rows,
    ...split,
    groups: Math.max(1, Math.floor(along / group)),
    chunks: Math.ceil(nx / chunk),
    width,
    weight: weight * (group / rows) * Math.min(chunk, nx) / LANES,
  };
}

/** So many threads of a row for a unit, or fewer, that the last one has a block as well: it would reach into the unit before. */
function filled(nx: number, block: number, most: number): number {
  let chunk = most;
  while (nx > chunk && chunk > block && nx % chunk > 0 && nx % chunk < block) chunk -= block;
  return chunk;
}

/** How many threads of a row a unit takes: some blocks, unless there would be fewer units than are wanted. */
function chunkOf(nx: number, block: number, weight: number, wanted: number): number {
  const perTile = weight * nx / LANES;
  const chunks = Math.min(Math.floor(perTile / UNIT), Math.max(wanted, Math.floor(nx / (4 * block))));
  return Math.ceil(nx / Math.max(1, chunks) / block) * block;
}

/** The rows and threads of a row that share panels; `null` if copying them is not worth it. */
function panelLayout(
  { nx, along, across, rows, block }: Pick<Layout, "nx" | "along" | "across" | "rows"> & { readonly block: number },
  { slots }: Panels,
): Pick<Layout, "group" | "chunk" | "isPacked"> | null {
  if (slots === 0 || slots * block > PANELS || along < FEWEST_PANEL_ROWS) return null;
  const chunk = Math.min(Math.floor(Math.min(PANELS / slots, PANEL_WIDTH) / block), Math.ceil(nx / block)) * block;
  const chunks = Math.ceil(nx / chunk);
  let group = Math.floor(PANEL_ROWS / rows) * rows;
  while (group > FEWEST_PANEL_ROWS && across * chunks * Math.floor(along / group) < FEWEST_UNITS) {
    group = Math.ceil(group / 2 / rows) * rows;
  }
  return { group, chunk, isPacked: true };
}

/** A unit takes the threads of a part, of all rows. */
function columnLayout(form: LoopForm, columns: Columns): Pick<Layout, "group" | "chunk" | "isPacked"> {
  return { group: rowsOf(form, columns), chunk: columns.width, isPacked: false };
}

/** How a kernel is written. */
export interface Options {
  /** Of the arrays that it reads. */
  readonly sizes: readonly number[];
  /** Of a thread. */
  readonly iterations: number;
  /** Whether the engine has fused multiply-add; default false. */
  readonly multiplyAdd?: boolean;
  /** What a unit takes; by default what suits the kernel. */
  readonly columns?: Columns;
}
