/** Kernels in WebAssembly: the loop form, for blocks of neighbouring threads at a time. */
import type { Expression, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import { type Block, Code, extract, i32, load, op, select, type Value, type Variable } from "./code.ts";
import { BYTES, Indices, type Read } from "./indices.ts";
import { LANES, type Operand } from "./operands.ts";
import { Scalars } from "./scalars.ts";
import { isHarmless, type Locals, localsOf, weightOfBody } from "./varying.ts";

/** A kernel as WebAssembly. */
export interface WrittenKernel {
  /**
   * Takes the first unit of work, the end of the units, and the address of the addresses of its arrays: the result first, and last memory to
   * work in, if it needs some.
   */
  readonly code: Code;
  /** How many units there are. No two write the same element. */
  readonly units: number;
  /** About how many instructions a unit takes. */
  readonly weight: number;
  /** Words of memory that it needs to work in, all units together. Default none. */
  readonly scratch?: number;
}

/** Blocks of four vectors: chains of operations overlap, and each cache line is read once. */
const WIDEST = 4;
/** A block's code is at most about so many instructions long. */
const LONGEST = 400;
/** A unit takes at least so many instructions, if a row has them. */
const UNIT = 20_000;

/** A variable of a kernel that assignments change. */
interface Changing {
  readonly operand: Operand;
  /** The masks that were in force where it was declared. */
  readonly depth: number;
}

/** Writes the body of a kernel for blocks of `width` vectors. */
class Body {
  readonly #to: Scalars;
  readonly #form: LoopForm;
  readonly #locals: Locals;
  readonly #indices: Indices;
  readonly #operands = new Map<number, Operand>();
  readonly #changing = new Map<number, Changing>();
  /** The threads that run the current statements; `null` if all of them do. */
  readonly #masks: Operand[] = [];

  constructor(to: Scalars, form: LoopForm, locals: Locals, arrays: ReadonlyArray<{ address: Value; size: number }>) {
    this.#to = to;
    this.#form = form;
    this.#locals = locals;
    this.#indices = new Indices(to, arrays, (local) => this.#operandOf(local));
  }

  /** @param x the first thread along x of the block, where there are several; otherwise the only one. */
  write(coordinates: readonly Operand[], narrow: number | null): Operand {
    const { threads, body, result } = this.#form;
    const [x] = threads;
    const varies = x !== undefined && this.#locals.varies(x);
    threads.forEach((thread, axis) => this.#operands.set(thread.id, coordinates[axis]));
    this.#indices.threads = { local: varies ? x : null, first: varies ? coordinates[0] : null, narrow };
    if (varies && narrow !== null) this.#operands.set(x.id, this.#indices.narrow(narrow));
    this.#block(body);
    return this.#to.bind(this.#to.number(this.#expression(result)));
  }

  #operandOf({ id }: Local): Operand {
    const operand = this.#operands.get(id);
    if (!operand) throw new Error(`wasm: local ${id} is used before it is declared`);
    return operand;
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
        return this.#loop(statement);
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
    const { operand, depth } = this.#changing.get(local.id)!;
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

  #loop({ counter, end, step, body }: Statement & { kind: "loop" }): void {
    const { code } = this.#to;
    if (end <= 0) return;
    const i = code.variable("i32", i32(0));
    code.loop(() => {
      // A name for the counter that does not change within a turn.
      const fixed = code.bind(i);
      this.#operands.set(counter.id, this.#to.scalar("whole", fixed));
      this.#block(body);
      code.set(i, op("i32.add", fixed, i32(step)));
      return op("i32.lt_s", i, i32(end));
    });
  }

  #branch({ conditions, body }: Statement & { kind: "branch" }): void {
    const to = this.#to;
    const tests = conditions.map((condition) => this.#condition(condition));
    const whole = to.all(tests.filter(({ varies }) => !varies));
    const divided = to.all(tests.filter(({ varies }) => varies));
    const inside = divided ? () => this.#divided(divided, body) : () => this.#block(body);
    if (whole) to.code.if(whole.parts[0], inside);
    else inside();
  }

  /** Statements that some threads of the block run. */
  #divided(condition: Operand, body: readonly Statement[]): void {
    const to = this.#to;
    const around = this.#masks.at(-1);
    const mask = to.bind(around ? to.both(around, condition) : condition);
    const inside = () => {
      this.#masks.push(mask);
      this.#block(body);
      this.#masks.pop();
    };
    if (isHarmless(body)) return inside();
    const any = mask.parts.reduce((a, b) => op("v128.or", a, b));
    to.code.if(op("v128.any_true", any), inside);
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
      case "read":
        return indices.read(expression.argument, expression.at[0], this.#masks.length > 0);
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

/** The reads of statements, without those of statements inside them. */
function readsOf(body: readonly Statement[]): Read[] {
  return body.flatMap((statement) => {
    if (statement.kind === "constant" || statement.kind === "loop" || statement.kind === "branch") return [];
    return readsOfExpression(statement.value);
  });
}

function readsOfExpression(expression: Expression): Read[] {
  if (expression.kind === "read") return [expression];
  return expression.kind === "call" ? expression.args.flatMap(readsOfExpression) : [];
}

/** How the threads of a kernel are spread over rows, units and blocks. */
interface Layout {
  /** Threads in a row, and the rows. */
  readonly nx: number;
  readonly ny: number;
  readonly rows: number;
  /** Threads of a row that a unit takes. */
  readonly chunk: number;
  readonly chunks: number;
  /** Vectors in a block. */
  readonly width: number;
  /** About how many instructions a vector takes. */
  readonly weight: number;
}

/** A row of threads, known in a block. */
interface Row {
  readonly row: Value;
  readonly y: Value;
  readonly z: Value;
  readonly home: Block;
}

function layoutOf(form: LoopForm, iterations: number): Layout {
  const [nx, ny = 1, nz = 1] = form.extent;
  const size = Math.max(1, weightOfBody(form.body));
  const weight = size + size * iterations / 4;
  let width = WIDEST;
  while (width > 1 && (width * size > LONGEST || width * LANES > nx)) width /= 2;
  const block = LANES * width;
  const perRow = weight * nx / LANES;
  const chunks = perRow < 2 * UNIT ? 1 : Math.min(Math.floor(perRow / UNIT), Math.max(1, Math.floor(nx / (4 * block))));
  const chunk = Math.ceil(nx / chunks / block) * block;
  return { nx, ny, rows: ny * nz, chunk, chunks: Math.ceil(nx / chunk), width, weight };
}

/**
 * Writes a kernel.
 *
 * @param name of the function.
 * @param sizes of the arrays that it reads.
 * @param iterations of a thread.
 */
export function writeKernel(
  name: string,
  form: LoopForm,
  { sizes, iterations }: { readonly sizes: readonly number[]; readonly iterations: number },
): WrittenKernel {
  const code = new Code(name, ["i32", "i32", "i32"]);
  const [from, to, addresses] = code.parameters;
  const layout = layoutOf(form, iterations);
  const { nx, ny, rows, chunk, chunks, weight } = layout;
  const out = code.bind(load("i32.load", addresses));
  const arrays = sizes.map((size, i) => ({ size, address: code.bind(load("i32.load", addresses, BYTES * (i + 1))) }));
  const locals = localsOf(form, nx === 1);
  /** Writes a block of threads that begins at `x`. */
  const block = (vectors: number, x: Value, { y, z, row, home }: Row): void => {
    const scalars = new Scalars(code, vectors);
    const body = new Body(scalars, form, locals, arrays);
    const narrow = nx > 1 && nx < LANES ? nx : null;
    const coordinates = [scalars.scalar("whole", x), ...[y, z].map((value) => scalars.scalar("whole", value, home))];
    const result = body.write(coordinates, narrow);
    const element = op("i32.add", op("i32.mul", row, i32(nx)), x);
    const address = code.bind(op("i32.add", out, op("i32.shl", element, i32(2))));
    storeAll(scalars, address, result, nx);
  };
  code.count(from, to, 1, (unit) => {
    const row = code.bind(chunks === 1 ? unit : op("i32.div_u", unit, i32(chunks)));
    const z = code.bind(ny === rows ? i32(0) : op("i32.div_u", row, i32(ny)));
    const y = code.bind(ny === rows ? row : op("i32.sub", row, op("i32.mul", z, i32(ny))));
    const place: Row = { row, y, z, home: code.block };
    if (nx <= LANES) return block(1, i32(0), place);
    const start = chunks === 1
      ? i32(0)
      : op("i32.mul", op("i32.sub", unit, op("i32.mul", row, i32(chunks))), i32(chunk));
    blocks(code, { layout, start: code.bind(start) }, (vectors, x) => block(vectors, x, place));
  });
  return { code, units: rows * chunks, weight: weight * Math.min(chunk, nx) / LANES };
}

/** Loops over the blocks of a row: wide ones, and narrower ones for the rest. The last one may overlap the one before. */
function blocks(
  code: Code,
  { layout: { nx, chunk, chunks, width }, start }: { readonly layout: Layout; readonly start: Value },
  write: (vectors: number, x: Value) => void,
): void {
  const wide = LANES * width;
  const end = chunks === 1 ? i32(nx) : code.bind(minimum(code, op("i32.add", start, i32(chunk)), nx));
  const rest = nx % wide;
  // Where little is computed twice, one loop does for all.
  const isOne = rest === 0 || width === 1 || (nx > 8 * wide);
  const x = code.variable("i32", start);
  const loop = (vectors: number, last: number): void => {
    code.loop(() => {
      const at = last < nx ? code.bind(minimum(code, x, last)) : code.bind(x);
      write(vectors, at);
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

function storeAll(to: Scalars, address: Value, result: Operand, nx: number): void {
  const { code } = to;
  if (nx === 1) return code.store("f32.store", address, result.parts[0]);
  if (nx < LANES) {
    const vector = code.bind(to.vector(result, 0));
    for (let lane = 0; lane < nx; lane++) {
      code.store("f32.store", address, extract("f32x4", vector, lane), BYTES * lane);
    }
    return;
  }
  for (let u = 0; u < to.width; u++) code.store("v128.store", address, to.vector(result, u), LANES * BYTES * u);
}
