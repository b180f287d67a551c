/** Kernels in WebAssembly: the loop form, for blocks of neighbouring threads at a time. */
import type { Expression, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import { type Block, Code, extract, i32, load, op, select, type Value, type Variable } from "./code.ts";
import { BYTES, Indices } from "./indices.ts";
import { chooseJam, hasLoop, jammed } from "./jam.ts";
import { LANES, oneOf, type Operand } from "./operands.ts";
import { type Columns, rowsOf, withOwn } from "./own.ts";
import { type Panels, panelsOf } from "./panels.ts";
import { Scalars } from "./scalars.ts";
import { type Phase, type Strips, stripsOf } from "./strips.ts";
import { isHarmless, isStreaming, type Locals, localsOf, readsOf, weightOfBody } from "./varying.ts";

/** A kernel as WebAssembly. */
export interface WrittenKernel {
  /**
   * Takes the first unit of work, the end of the units, the address of the addresses of its arrays, the result first and its workspace last,
   * and the address of memory of the thread's own.
   */
  readonly code: Code;
  /** How many units there are. No two write the same element. */
  readonly units: number;
  /** About how many instructions a unit takes. */
  readonly weight: number;
  /** How many elements of memory of its own a thread takes; default 0. */
  readonly scratch?: number;
  /** How many elements of memory all units together work in; default 0. */
  readonly workspace?: number;
}

/** Blocks of four vectors: chains of operations overlap, and each cache line is read once. */
const WIDEST = 4;
/** Blocks of several rows are narrower: all have accumulators. */
const NARROWER = 2;
/** A block's code is at most about this many instructions long. */
const LONGEST = 400;
/** A branch of at least this many instructions is taken for each vector by itself. */
const WORTH_ASKING = 20;
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

/** A variable of a kernel that assignments change. */
interface Changing {
  readonly operand: Operand;
  /** The masks that were in force where it was declared. */
  readonly depth: number;
}

/** The place of a block's elements among the panels. */
interface Panel {
  readonly of: Panels["of"];
  readonly address: Value;
}

/** A phase of a block. */
interface PhaseAt {
  readonly phase: Phase;
  readonly known: ReadonlyMap<number, Operand>;
  /** Of what is kept of the block. */
  readonly address: Value;
}

/** One of the vectors of a block. */
interface Vector {
  readonly of: Body;
  readonly u: number;
}

/** Writes the body of a kernel for blocks of `width` vectors. */
class Body {
  readonly #to: Scalars;
  readonly #kernel: Kernel;
  /** What is known before this is of this vector; `null` if this is for the whole block. */
  readonly #vector: Vector | null;
  readonly #indices: Indices;
  readonly #operands = new Map<number, Operand>();
  readonly #changing = new Map<number, Changing>();
  /** The threads that run the current statements; `null` if all of them do. */
  readonly #masks: Operand[] = [];
  /** The panel of copied elements; `null` if nothing was copied. */
  readonly #panel: Panel | null;

  constructor(to: Scalars, kernel: Kernel, panel: Panel | null, vector: Vector | null = null) {
    this.#to = to;
    this.#panel = panel;
    this.#kernel = kernel;
    this.#vector = vector;
    const operandOf = (local: Local) => this.#operandOf(local);
    this.#indices = vector
      ? vector.of.#indices.ofVector(vector.u, to, operandOf)
      : new Indices(to, kernel.arrays, operandOf);
    if (vector) this.#masks.push(...vector.of.#masks.map((mask) => oneOf(mask, vector.u)));
  }

  get #form(): Tile {
    return this.#kernel.form;
  }

  get #locals(): Locals {
    return this.#kernel.locals;
  }

  /**
   * Returns the results.
   *
   * @param coordinates of the first thread of the block.
   */
  write(coordinates: readonly Operand[], narrow: number | null): Operand[] {
    this.#begin(coordinates, narrow);
    this.#block(this.#form.body);
    return this.#results();
  }

  /** Copies what the block reads to its panel. */
  pack(coordinates: readonly Operand[], panel: Panel): void {
    this.#begin(coordinates, null);
    this.#pack(this.#form.body, panel);
  }

  /** Runs statements that do not vary. Returns what they declare. */
  share(coordinates: readonly Operand[], body: readonly Statement[]): ReadonlyMap<number, Operand> {
    this.#begin(coordinates, null);
    this.#block(body);
    return this.#operands;
  }

  /**
   * Runs a phase: takes what was kept of those before it and keeps what others take.
   *
   * @param known what does not vary, counters included.
   * @returns the results, if the phase is the last one.
   */
  phase(coordinates: readonly Operand[], { phase, known, address }: PhaseAt, isLast: boolean): Operand[] {
    const { code } = this.#to;
    const { slots, changing, threads } = this.#form.strips!;
    for (const [id, operand] of known) this.#operands.set(id, operand);
    this.#begin(coordinates, null);
    const place = (local: Local, u: number) => BYTES * (threads * slots.get(local)! + LANES * u);
    for (const local of phase.takes) {
      const operand = this.#to.lanes(this.#locals.kindOf(local), (u) => {
        const vector = load("v128.load", address, place(local, u));
        return changing.has(local) ? code.variable("v128", vector) : code.bind(vector);
      });
      this.#operands.set(local.id, operand);
      if (changing.has(local)) this.#changing.set(local.id, { operand, depth: 0 });
    }
    this.#block(phase.body);
    for (const local of phase.leaves) {
      const operand = this.#operandOf(local);
      for (let u = 0; u < this.#to.width; u++) {
        code.store("v128.store", address, this.#to.vector(operand, u), place(local, u));
      }
    }
    return isLast ? this.#results() : [];
  }

  #results(): Operand[] {
    return this.#form.results.map((result) => this.#to.bind(this.#to.number(this.#expression(result))));
  }

  #begin(coordinates: readonly Operand[], narrow: number | null): void {
    const { threads } = this.#form;
    const [x] = threads;
    const varies = x !== undefined && this.#locals.varies(x);
    threads.forEach((thread, axis) => this.#operands.set(thread.id, coordinates[axis]));
    this.#indices.threads = { local: varies ? x : null, first: varies ? coordinates[0] : null, ahead: 0, narrow };
    if (varies && narrow !== null) this.#operands.set(x.id, this.#indices.narrow(narrow));
  }

  #pack(body: readonly Statement[], panel: Panel): void {
    const to = this.#to;
    const reads = readsOf(body).filter((read) => panel.of.has(read));
    this.#indices.together(reads, () => {
      for (const read of reads) {
        const element = this.#indices.read(read.argument, read.at[0], false);
        const { address, offset } = this.#indices.place(panel.address, panel.of.get(read)!);
        element.parts.forEach((part, u) => to.code.store("v128.store", address, part, offset + BYTES * LANES * u));
      }
    });
    for (const statement of body) {
      if (statement.kind === "loop" && hasPanel(statement.body, panel)) {
        this.#loop(statement, () => this.#pack(statement.body, panel));
      }
    }
  }

  #operandOf(local: Local): Operand {
    const operand = this.#operands.get(local.id);
    if (operand) return operand;
    if (!this.#vector) throw new Error(`wasm: local ${local.id} is used before it is declared`);
    return oneOf(this.#vector.of.#operandOf(local), this.#vector.u);
  }

  #changingOf(local: Local): Changing {
    const changing = this.#changing.get(local.id);
    if (changing || !this.#vector) return changing!;
    const { operand, depth } = this.#vector.of.#changingOf(local);
    return { operand: oneOf(operand, this.#vector.u), depth };
  }

  #block(body: readonly Statement[]): void {
    this.#indices.together(readsOf(body), () => {
      for (const statement of body) this.#statement(statement);
    });
  }

  #statement(statement: Statement): void {
    const to = this.#to;
    switch (statement.kind) {
      case "constant":
        this.#operands.set(statement.local.id, to.literal(statement.value));
        return;
      case "const":
        this.#operands.set(statement.local.id, to.bind(this.#expression(statement.value)));
        return;
      case "let":
        return this.#declare(statement.local, statement.value);
      case "assign":
        return this.#assign(statement.local, this.#expression(statement.value));
      case "loop":
        return this.#loop(statement, () => this.#block(statement.body));
      case "branch":
        return this.#branch(statement);
      default:
        return statement satisfies never;
    }
  }

  #declare(local: Local, value: Expression): void {
    const to = this.#to;
    const kind = local.role === "position" ? "whole" : this.#locals.kindOf(value);
    const given = this.#expression(value);
    const initial = to.bind(kind === "whole" ? to.whole(given) : given);
    const varies = this.#locals.varies(local);
    const operand = varies
      ? to.lanes(kind, (u) => to.code.variable("v128", to.vector(initial, u)))
      : to.scalar(kind, to.code.variable(kind === "number" ? "f32" : "i32", initial.parts[0]));
    this.#operands.set(local.id, operand);
    this.#changing.set(local.id, { operand, depth: this.#masks.length });
  }

  #assign(local: Local, value: Expression | Operand): void {
    const to = this.#to;
    const { operand, depth } = this.#changingOf(local);
    const given = "parts" in value ? value : this.#expression(value);
    const assigned = operand.kind === "whole" ? to.whole(given) : operand.kind === "number" ? to.number(given) : given;
    const mask = this.#masks.length > depth ? this.#masks.at(-1)! : null;
    operand.parts.forEach((part, u) => {
      const variable = part as Variable;
      if (!operand.varies) return to.code.set(variable, assigned.parts[0]);
      const vector = to.vector(assigned, u);
      to.code.set(variable, mask ? op("v128.bitselect", vector, variable, to.vector(mask, u)) : vector);
    });
  }

  #loop({ counter, end, step }: Statement & { kind: "loop" }, write: () => void): void {
    const { code } = this.#to;
    if (end <= 0) return;
    const i = code.variable("i32", i32(0));
    code.loop(() => {
      // A name for the counter that does not change within a turn.
      const fixed = code.bind(i);
      this.#operands.set(counter.id, this.#to.scalar("whole", fixed));
      write();
      code.set(i, op("i32.add", fixed, i32(step)));
      return op("i32.lt_s", i, i32(end));
    });
  }

  #branch({ conditions, body }: Statement & { kind: "branch" }): void {
    const to = this.#to;
    const varying = conditions.filter((condition) => this.#locals.differs(condition));
    const whole = to.all(
      conditions.filter((condition) => !this.#locals.differs(condition)).map((condition) => this.#condition(condition)),
    );
    const inside = () => {
      if (varying.length === 0) return this.#block(body);
      const all = this.#masks.length === 0 && isStraight(body) ? this.#holdForAll(varying) : null;
      if (!all) return this.#divided(varying, body);
      to.code.if(all, () => this.#block(body), () => this.#divided(varying, body));
    };
    if (whole) to.code.if(whole.parts[0], inside);
    else inside();
  }

  /** A scalar that is not 0 only if conditions hold for all threads of the block: as where it is not at the border of an image. */
  #holdForAll(conditions: readonly Expression[]): Value | null {
    let all: Value | null = null;
    for (const condition of conditions) {
      const holds = condition.kind === "within" ? this.#indices.allWithin(condition) : null;
      if (!holds) return null;
      all = all ? op("i32.and", all, holds) : holds;
    }
    return all;
  }

  /** Statements that some threads of the block run. */
  #divided(conditions: readonly Expression[], body: readonly Statement[]): void {
    const to = this.#to;
    const condition = to.all(conditions.map((condition) => this.#condition(condition)))!;
    const around = this.#masks.at(-1);
    const mask = to.bind(around ? to.both(around, condition) : condition);
    const inside = () => {
      this.#masks.push(mask);
      if (to.width > 1 && !this.#panel && isWorthAsking(body)) this.#byVector(mask, body);
      else this.#block(body);
      this.#masks.pop();
    };
    if (isHarmless(body)) return inside();
    const any = mask.parts.reduce((a, b) => op("v128.or", a, b));
    to.code.if(op("v128.any_true", any), inside);
  }

  /** Statements for those vectors of the block in which some thread runs them. */
  #byVector(mask: Operand, body: readonly Statement[]): void {
    const { code } = this.#to;
    mask.parts.forEach((part, u) => {
      code.if(op("v128.any_true", part), () => {
        new Body(new Scalars(code, 1, this.#to), this.#kernel, null, { of: this, u }).#block(body);
      });
    });
  }

  #condition(expression: Expression): Operand {
    const operand = this.#expression(expression);
    return operand.kind === "condition" ? operand : this.#to.call("holds", operand);
  }

  #expression(expression: Expression): Operand {
    const to = this.#to;
    const indices = this.#indices;
    switch (expression.kind) {
      case "local":
        return this.#operandOf(expression);
      case "literal":
        return to.literal(expression.value);
      case "read": {
        const place = this.#panel?.of.get(expression);
        if (place) return indices.packed(this.#panel!.address, place);
        return indices.read(expression.argument, expression.at[0], this.#masks.length > 0);
      }
      case "index":
        return indices.linear(expression.of);
      case "quotient":
        return indices.quotient(expression.of, expression.by, expression.most);
      case "remainder":
        return indices.remainder(expression.of, expression.by, expression.quotient);
      case "within":
        return indices.within(expression.of, expression.low, expression.end);
      case "call":
        return to.call(expression.name, ...expression.args.map((arg) => this.#expression(arg)));
      default:
        return expression satisfies never;
    }
  }
}

/** Whether statements run one after the other. */
function isStraight(body: readonly Statement[]): boolean {
  return body.every(({ kind }) => kind !== "loop" && kind !== "branch");
}

/** Whether statements take so long that it pays to ask which vectors need them, and are not written for longer than they are. */
function isWorthAsking(body: readonly Statement[]): boolean {
  return !hasLoop(body) && weightOfBody(body) >= WORTH_ASKING;
}

/** Whether statements in loops read what was copied. */
function hasPanel(body: readonly Statement[], panel: Panel): boolean {
  return readsOf(body).some((read) => panel.of.has(read)) ||
    body.some((statement) => statement.kind === "loop" && hasPanel(statement.body, panel));
}

/** The statements that one block of threads runs: neighbours along x, in one row or several. */
interface Tile {
  readonly threads: readonly Local[];
  readonly body: readonly Statement[];
  /** The elements of a thread, one for each row. */
  readonly results: readonly Expression[];
  /** The axis along which rows are neighbours. */
  readonly axis: number;
  /** The reads that all rows have in common. */
  readonly panels: Panels;
  /** The phases of strips; `null` if blocks run one after the other. */
  readonly strips: Strips | null;
}

/** The context in which a kernel is written. */
interface Kernel {
  readonly form: Tile;
  readonly locals: Locals;
  readonly arrays: ReadonlyArray<{ readonly address: Value; readonly size: number }>;
}

/** @param columns those of a unit in a group, whose rows along y may not be neighbours. */
function tileOf(form: LoopForm, columns: Columns | undefined): Tile {
  const { threads, extent: [nx = 1] } = form;
  const jam = nx >= LANES && !columns ? chooseJam(form) : null;
  if (!jam) {
    const panels = { slots: 0, of: new Map() };
    const found = stripsOf(form);
    const strips = found && found.threads >= (columns?.width ?? 0) ? found : null;
    return { threads, body: form.body, results: [form.result], axis: 1, panels, strips };
  }
  const { body, results } = jammed(form, jam);
  const across = threads.filter((_, axis) => axis > 0 && axis !== jam.axis);
  return { threads, body, results, axis: jam.axis, panels: panelsOf(body, threads[0], across), strips: null };
}

/** How the threads of a kernel are spread over units, tiles and blocks. */
interface Layout {
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

function layoutOf(
  form: LoopForm,
  { body, results, axis, panels, strips }: Tile,
  { iterations, columns }: Options,
): Layout {
  const [nx, ny = 1, nz = 1] = form.extent;
  const rows = results.length;
  const size = Math.max(1, weightOfBody(body));
  const weight = size + size * iterations / 4;
  let width = rows > 1 ? NARROWER : !strips && isStreaming(body) ? 1 : WIDEST;
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

/** The place of a tile: its first row's coordinates, known in a block. */
interface Place {
  readonly y: Value;
  readonly z: Value;
  readonly home: Block;
}

/** A unit takes the threads of a part, of all rows. */
function columnLayout(form: LoopForm, columns: Columns): Pick<Layout, "group" | "chunk" | "isPacked"> {
  return { group: rowsOf(form, columns), chunk: columns.width, isPacked: false };
}

/** Writes a kernel. */
class Writer {
  readonly code: Code;
  readonly layout: Layout;
  #kernel: Kernel;
  readonly #columns: Columns | undefined;
  /** Where the result is in memory of the thread's own, if it is there. */
  #own: Value | null = null;
  readonly #form: LoopForm;
  readonly #out: Value;
  readonly #ny: number;

  constructor(name: string, form: LoopForm, options: Options) {
    const code = this.code = new Code(name, ["i32", "i32", "i32", "i32"]);
    const [, , addresses] = code.parameters;
    this.#out = code.bind(load("i32.load", addresses));
    const arrays = options.sizes.map((size, i) => {
      return { size, address: code.bind(load("i32.load", addresses, BYTES * (i + 1))) };
    });
    this.#columns = options.columns;
    this.#form = form;
    const { columns } = options;
    const tile = tileOf(columns ? withOwn(form, columns) : form, columns);
    this.layout = layoutOf(form, tile, options);
    const { nx } = this.layout;
    this.#ny = form.extent[1] ?? 1;
    this.#kernel = { form: tile, locals: localsOf(tile, nx === 1), arrays };
  }

  /** The elements of memory that a unit takes for its panels. */
  get scratch(): number {
    const { panels, strips } = this.#kernel.form;
    const own = this.#columns?.own ?? 0;
    if (strips) return own + strips.slots.size * strips.threads;
    if (own > 0) return own;
    return this.layout.isPacked ? panels.slots * this.layout.chunk : 0;
  }

  write(): void {
    const { code, layout } = this;
    const { chunk, chunks, groups } = layout;
    const [from, to] = code.parameters;
    code.count(from, to, 1, (unit) => {
      const [strip, column] = divided(code, unit, chunks);
      const [outer, group] = divided(code, strip, groups);
      const start = code.bind(column.kind === "number" ? column : op("i32.mul", column, i32(chunk)));
      if (this.#columns) this.#placeOwn(this.#columns, start);
      if (layout.isPacked) this.#pack(start, outer);
      tiles(code, layout, group, (at) => this.#tile(start, this.#place(at, outer)));
    });
  }

  /** Places the arrays of a unit that are the thread's own. */
  #placeOwn({ args, out }: Columns, start: Value): void {
    const arrays = this.#kernel.arrays.map((array, i) => {
      return args[i] === null ? array : { ...array, address: this.#ownAddress(args[i], start) };
    });
    this.#kernel = { ...this.#kernel, arrays };
    this.#own = out === null ? null : this.#ownAddress(out, start);
  }

  /** Where thread 0 of the first row would be in memory of the thread's own. */
  #ownAddress(place: number, start: Value): Value {
    const { code } = this;
    const [, , , scratch] = code.parameters;
    return code.bind(op("i32.sub", op("i32.add", scratch, i32(BYTES * place)), op("i32.shl", start, i32(2))));
  }

  #place(at: Value, outer: Value): Place {
    const [y, z] = this.#kernel.form.axis === 2 ? [outer, at] : [at, outer];
    return { y, z, home: this.code.block };
  }

  /** The first thread of a block, in the tile at a place. */
  #coordinates(scalars: Scalars, x: Value, { y, z, home }: Place): Operand[] {
    return [scalars.scalar("whole", x), ...[y, z].map((value) => scalars.scalar("whole", value, home))];
  }

  /** Returns a block's panel; panels of blocks are one behind the other. */
  #panel(start: Value, from: Value): Panel | null {
    if (!this.layout.isPacked) return null;
    const { code } = this;
    const [, , , scratch] = code.parameters;
    const { of, slots } = this.#kernel.form.panels;
    const threads = start.kind === "number" && start.value === 0 ? from : op("i32.sub", from, start);
    return { of, address: code.bind(op("i32.add", scratch, op("i32.mul", threads, i32(BYTES * slots)))) };
  }

  #pack(start: Value, outer: Value): void {
    const { code, layout } = this;
    const place = this.#place(i32(0), outer);
    blocks(code, { layout, start }, (vectors, x, from) => {
      const scalars = new Scalars(code, vectors);
      const body = new Body(scalars, this.#kernel, null);
      body.pack(this.#coordinates(scalars, x, place), this.#panel(start, from)!);
    });
  }

  #tile(start: Value, place: Place): void {
    const { code, layout } = this;
    if (layout.nx < LANES) return this.#block(1, { x: i32(0), panel: null }, place);
    const { strips } = this.#kernel.form;
    if (strips) return this.#strip(strips, start, place);
    blocks(code, { layout, start }, (vectors, x, from) => {
      this.#block(vectors, { x, panel: this.#panel(start, from) }, place);
    });
  }

  /** A strip of threads that begins at `start`. */
  #strip({ shared, phases }: Strips, start: Value, place: Place): void {
    const { code, layout } = this;
    const [, , , scratch] = code.parameters;
    const alone = new Scalars(code, 1);
    const known = new Map(new Body(alone, this.#kernel, null).share(this.#coordinates(alone, start, place), shared));
    // Where a block begins differs from one to the next.
    for (const { id } of this.#kernel.form.threads) known.delete(id);
    phases.forEach((phase, i) => {
      const isLast = i === phases.length - 1;
      if (phase.body.length === 0 && !isLast) return;
      nested(alone, phase.loops, known, (known) => {
        blocks(code, { layout, start }, (vectors, x, from) => {
          const scalars = new Scalars(code, vectors);
          const body = new Body(scalars, this.#kernel, null);
          const behind = op("i32.shl", op("i32.sub", from, start), i32(2));
          const kept = op("i32.add", scratch, i32(BYTES * (this.#columns?.own ?? 0)));
          const address = code.bind(op("i32.add", kept, behind));
          const results = body.phase(this.#coordinates(scalars, x, place), { phase, known, address }, isLast);
          if (isLast) this.#store(scalars, results, { x, place });
        });
      });
    });
  }

  /** A block of threads that begins at `x`. */
  #block(vectors: number, { x, panel }: { readonly x: Value; readonly panel: Panel | null }, place: Place): void {
    const { code, layout: { nx } } = this;
    const scalars = new Scalars(code, vectors);
    const body = new Body(scalars, this.#kernel, panel);
    const narrow = nx > 1 && nx < LANES ? nx : null;
    this.#store(scalars, body.write(this.#coordinates(scalars, x, place), narrow), { x, place });
  }

  #store(
    scalars: Scalars,
    results: readonly Operand[],
    { x, place }: { readonly x: Value; readonly place: Place },
  ): void {
    const { code, layout: { nx } } = this;
    const { y, z } = place;
    const row = op("i32.add", op("i32.mul", z, i32(this.#ny)), y);
    const element = this.#own
      ? op(
        "i32.add",
        op("i32.mul", rowsOf(this.#form, this.#columns!) === 1 ? i32(0) : y, i32(this.#columns!.width)),
        x,
      )
      : op("i32.add", op("i32.mul", row, i32(nx)), x);
    const address = code.bind(op("i32.add", this.#own ?? this.#out, op("i32.shl", element, i32(2))));
    const distance = BYTES * nx * (this.#kernel.form.axis === 2 ? this.#ny : 1);
    results.forEach((result, row) => storeAll(scalars, { address, offset: distance * row }, result, nx));
  }
}

/** How a kernel is written. */
interface Options {
  /** Of the arrays that it reads. */
  readonly sizes: readonly number[];
  /** Of a thread. */
  readonly iterations: number;
  /** What a unit takes; by default what suits the kernel. */
  readonly columns?: Columns;
}

/**
 * Writes a kernel.
 *
 * @param name of the function.
 */
export function writeKernel(name: string, form: LoopForm, options: Options): WrittenKernel {
  const writer = new Writer(name, form, options);
  writer.write();
  const { code, scratch, layout: { across, groups, chunks, weight } } = writer;
  return { code, scratch, units: across * groups * chunks, weight };
}

/** Writes a kernel that runs others, which have as many units, unit by unit. `words` is how many addresses each of them takes. */
export function writeGroup(
  name: string,
  members: readonly (WrittenKernel & { readonly words: number })[],
): WrittenKernel {
  const [{ units }] = members;
  if (members.some((member) => member.units !== units)) {
    throw new Error("wasm: kernels of a group differ in their units");
  }
  const code = new Code(name, ["i32", "i32", "i32", "i32"]);
  const [from, to, addresses, scratch] = code.parameters;
  code.count(from, to, 1, (unit) => {
    const next = code.bind(op("i32.add", unit, i32(1)));
    let before = 0;
    for (const { code: member, words } of members) {
      code.run(member, unit, next, op("i32.add", addresses, i32(BYTES * before)), scratch);
      before += words;
    }
  });
  const most = (of: (member: WrittenKernel) => number) => Math.max(...members.map(of));
  return {
    code,
    units,
    weight: members.reduce((sum, { weight }) => sum + weight, 0),
    scratch: most(({ scratch = 0 }) => scratch),
  };
}

/** A whole number divided: quotient and remainder. */
function divided(code: Code, value: Value, by: number): [quotient: Value, rest: Value] {
  if (by === 1) return [value, i32(0)];
  const quotient = code.bind(op("i32.div_u", value, i32(by)));
  return [quotient, code.bind(op("i32.sub", value, op("i32.mul", quotient, i32(by))))];
}

/** Writes loops around something. `known` are the operands that are known outside. */
function nested(
  scalars: Scalars,
  [loop, ...inner]: readonly (Statement & { kind: "loop" })[],
  known: ReadonlyMap<number, Operand>,
  write: (known: ReadonlyMap<number, Operand>) => void,
): void {
  if (!loop) return write(known);
  const { code } = scalars;
  code.count(i32(0), i32(loop.end), loop.step, (counter) => {
    const turn = scalars.scalar("whole", code.bind(counter));
    nested(scalars, inner, new Map([...known, [loop.counter.id, turn]]), write);
  });
}

/** Loops over the tiles of a unit. The last one may overlap the one before. */
function tiles(code: Code, { along, rows, group, groups }: Layout, number: Value, write: (at: Value) => void): void {
  const start = code.bind(group === 1 ? number : op("i32.mul", number, i32(group)));
  if (group === rows && along % rows === 0) return write(start);
  const next = op("i32.add", start, i32(group));
  const end = groups === 1 ? i32(along) : code.bind(select(op("i32.eq", number, i32(groups - 1)), i32(along), next));
  code.count(start, end, rows, (at) => write(code.bind(minimum(code, at, along - rows))));
}

/**
 * Loops over the blocks of a row: wide ones, and narrower ones for the rest.
 *
 * @param write takes the first thread, and where it would be if the last block did not overlap the one before.
 */
function blocks(
  code: Code,
  { layout: { nx, chunk, chunks, width }, start }: { readonly layout: Layout; readonly start: Value },
  write: (vectors: number, x: Value, from: Value) => void,
): void {
  if (nx === LANES) return write(1, start, start);
  const wide = LANES * width;
  const end = chunks === 1 ? i32(nx) : code.bind(minimum(code, op("i32.add", start, i32(chunk)), nx));
  const rest = nx % wide;
  // Where little is computed twice, one loop does for all.
  const isOne = rest === 0 || width === 1 || (nx > 8 * wide);
  const x = code.variable("i32", start);
  const loop = (vectors: number, last: number): void => {
    code.loop(() => {
      const from = code.bind(x);
      write(vectors, last < nx ? code.bind(minimum(code, from, last)) : from, from);
      code.set(x, op("i32.add", x, i32(LANES * vectors)));
      return vectors === width && !isOne ? op("i32.le_s", op("i32.add", x, i32(wide)), end) : op("i32.lt_s", x, end);
    });
  };
  if (isOne) return loop(width, nx - wide);
  if (nx >= wide) code.if(op("i32.le_s", op("i32.add", x, i32(wide)), end), () => loop(width, nx));
  code.if(op("i32.lt_s", x, end), () => loop(1, nx - LANES));
}

function minimum(code: Code, value: Value, most: number): Value {
  const bound = code.bind(value);
  return select(op("i32.lt_s", bound, i32(most)), bound, i32(most));
}

function storeAll(
  to: Scalars,
  { address, offset }: { readonly address: Value; readonly offset: number },
  result: Operand,
  nx: number,
): void {
  const { code } = to;
  if (nx === 1) return code.store("f32.store", address, result.parts[0], offset);
  if (nx < LANES) {
    const vector = code.bind(to.vector(result, 0));
    for (let lane = 0; lane < nx; lane++) {
      code.store("f32.store", address, extract("f32x4", vector, lane), offset + BYTES * lane);
    }
    return;
  }
  for (let u = 0; u < to.width; u++) {
    code.store("v128.store", address, to.vector(result, u), offset + LANES * BYTES * u);
  }
}
