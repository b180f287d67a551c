/** Kernels in WebAssembly: the loop form, in units that threads take, blocks of neighbouring threads at a time. */
import type { Statement } from "../../plan/form.ts";
import { type Block, Code, extract, i32, load, op, select, shuffle, type Value } from "./code.ts";
import { Body, type Panel } from "./body.ts";
import { BYTES, columnsOf } from "./indices.ts";
import { type Joint, resultsOf } from "./joint.ts";
import { LANES, type Operand } from "./operands.ts";
import { type Columns, rowsOf, withOwn } from "./own.ts";
import { residuesOf } from "./residues.ts";
import { Scalars } from "./scalars.ts";
import type { Strips } from "./strips.ts";
import { type Kernel, type Layout, layoutOf, type Options, tileOf } from "./tile.ts";
import { localsOf } from "./varying.ts";

/** A kernel as WebAssembly. */
export interface WrittenKernel {
  /**
   * Takes the first unit of work, the end of the units, the address of the addresses of its arrays, results first and its workspace last,
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

/** The place of a tile: its first row's coordinates, known in a block. */
interface Place {
  readonly y: Value;
  readonly z: Value;
  readonly home: Block;
}

/** Writes a kernel. */
class Writer {
  readonly code: Code;
  readonly layout: Layout;
  #kernel: Kernel;
  readonly #columns: Columns | undefined;
  /** Where the result is in memory of the thread's own, if it is there. */
  #own: Value | null = null;
  readonly #form: Joint;
  readonly #outs: readonly Value[];
  readonly #ny: number;
  /** How many elements of a row of the result a thread computes. */
  readonly #columnsOfRow: number;

  constructor(name: string, given: Joint, options: Options) {
    const rows = given.others || options.columns ? null : residuesOf(given);
    const form = rows ?? given;
    this.#columnsOfRow = rows ? resultsOf(rows).length : 1;
    const code = this.code = new Code(name, ["i32", "i32", "i32", "i32"], null, options.multiplyAdd);
    const [, , addresses] = code.parameters;
    const address = (i: number) => code.bind(load("i32.load", addresses, BYTES * i));
    this.#outs = resultsOf(given).map((_, i) => address(i));
    const arrays = options.sizes.map((size, i) => ({ size, address: address(this.#outs.length + i) }));
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
    if (this.#columnsOfRow > 1) {
      const bytes = op("i32.mul", element, i32(BYTES * this.#columnsOfRow));
      return storeRows(scalars, code.bind(op("i32.add", this.#outs[0], bytes)), results);
    }
    const outs = this.#outs.map((out) => code.bind(op("i32.add", this.#own ?? out, op("i32.shl", element, i32(2)))));
    const distance = BYTES * nx * (this.#kernel.form.axis === 2 ? this.#ny : 1);
    results.forEach((result, k) => {
      const to = outs.length > 1 ? { address: outs[k], offset: 0 } : { address: outs[0], offset: distance * k };
      storeAll(scalars, to, result, nx);
    });
  }
}

/**
 * Writes a kernel.
 *
 * @param name of the function.
 */
export function writeKernel(name: string, form: Joint, options: Options): WrittenKernel {
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

/** Stores rows, one for each thread, of which the columns are known. */
function storeRows(to: Scalars, address: Value, columns: readonly Operand[]): void {
  const { code } = to;
  const wide = columns.length;
  for (let u = 0; u < to.width; u++) {
    const vectors = columns.map((column) => code.bind(to.vector(column, u)));
    const place = (row: number, column: number) => BYTES * (wide * (LANES * u + row) + column);
    if (wide % LANES === 0) {
      for (let first = 0; first < wide; first += LANES) {
        columnsOf(code, vectors.slice(first, first + LANES)).forEach((vector, row) => {
          code.store("v128.store", address, vector, place(row, first));
        });
      }
    } else if (wide === 2) {
      code.store("v128.store", address, shuffle(vectors[0], vectors[1], [0, 4, 1, 5]), place(0, 0));
      code.store("v128.store", address, shuffle(vectors[0], vectors[1], [2, 6, 3, 7]), place(2, 0));
    } else {
      for (let row = 0; row < LANES; row++) {
        vectors.forEach((vector, column) => {
          code.store("f32.store", address, extract("f32x4", vector, row), place(row, column));
        });
      }
    }
  }
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
