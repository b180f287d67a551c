/** Indices and reads of a kernel: whole numbers as sums, and elements of arrays at them. */
import type { Expression, Linear, Local } from "../../expression.ts";
import {
  type Block,
  type Code,
  extract,
  f32x4,
  f64x2,
  i32,
  i32x4,
  load,
  loadLane,
  op,
  shuffle,
  type Value,
} from "./code.ts";
import { LANES, type Operand } from "./operands.ts";
import type { Scalars } from "./scalars.ts";

/** The bytes of an element, and their logarithm. */
export const BYTES = 4;
const SHIFT = 2;

/** A read. */
export type Read = Expression & { readonly kind: "read" };

/** An array that a kernel reads. */
export interface ArrayArgument {
  /** The address of its first element. */
  readonly address: Value;
  /** The number of its elements. */
  readonly size: number;
}

/** The threads of a block. */
export interface ThreadBlock {
  /** The coordinate that varies within the block; `null` if none does. */
  readonly local: Local | null;
  /** A thread along x, as an operand that does not vary, and by how much the first one of the block is ahead of it. */
  readonly first: Operand | null;
  readonly ahead: number;
  /** Whether the threads are not all different: fewer than a vector has lanes. */
  readonly narrow: number | null;
}

/** Up to here, halves are exact in float32 and products with a reciprocal are near enough. */
const DIVIDED_IN_SINGLE = 2 ** 21;

/** A part of an index that does not vary. */
interface Term {
  readonly operand: Operand;
  readonly coefficient: number;
  /** Whether it is known not to be negative. */
  readonly counts: boolean;
}

/** Writes indices and reads. */
export class Indices {
  readonly #to: Scalars;
  readonly #args: readonly ArrayArgument[];
  readonly #operandOf: (local: Local) => Operand;
  #block: ThreadBlock = { local: null, first: null, ahead: 0, narrow: null };
  /** Whole numbers of locals that are numbers. */
  readonly #wholes = new Map<Value, Operand>();
  /** Reads of neighbours by one thread in the statements that are being written, by the first one's index. */
  #rows: ReadonlyMap<string, number> = new Map();
  /** The elements of rows that have been read, in the blocks in which they are known. */
  readonly #columns = new Map<Block, Map<string, readonly Operand[]>>();
  /** Sums that have been bound, in the blocks in which they are known. */
  #sums = new Map<Block, Map<string, Value>>();

  constructor(to: Scalars, args: readonly ArrayArgument[], operandOf: (local: Local) => Operand) {
    this.#to = to;
    this.#args = args;
    this.#operandOf = operandOf;
  }

  /** The same for one of the vectors of the block. */
  ofVector(u: number, to: Scalars, operandOf: (local: Local) => Operand): Indices {
    const one = new Indices(to, this.#args, operandOf);
    one.#sums = this.#sums;
    one.#block = { ...this.#block, ahead: this.#block.ahead + LANES * u };
    return one;
  }

  /** The threads of the block that is being written. */
  set threads(block: ThreadBlock) {
    this.#block = block;
  }

  /** Writes statements, one after the other, with these reads in them. */
  together(reads: readonly Read[], write: () => void): void {
    const around = this.#rows;
    this.#rows = rowsOf(reads);
    write();
    this.#rows = around;
  }

  /** A local as a whole number. */
  #whole(local: Local): Operand {
    const operand = this.#operandOf(local);
    if (operand.kind === "whole") return operand;
    const [first] = operand.parts;
    const isFixed = first.kind === "variable" && first.fixed;
    const known = isFixed ? this.#wholes.get(first) : undefined;
    if (known) return known;
    const { code } = this.#to;
    const whole = this.#to.whole(operand);
    const home = isFixed ? operand.home : code.block;
    const bound = { ...whole, parts: whole.parts.map((part) => code.bind(part, home)), home };
    if (isFixed) this.#wholes.set(first, bound);
    return bound;
  }

  /** Splits an index into the first thread's x, other terms that vary, and those that do not. */
  #split({ base, terms }: Linear): {
    readonly base: number;
    readonly x: number;
    readonly varying: readonly Term[];
    readonly uniform: readonly Term[];
    readonly isComputed: boolean;
  } {
    const varying: Term[] = [];
    const uniform: Term[] = [];
    let [first, x] = [base, 0];
    let isComputed = false;
    for (const { local, coefficient } of terms) {
      if (local === this.#block.local && this.#block.first && this.#block.narrow === null) {
        x = coefficient;
        first += coefficient * this.#block.ahead;
        uniform.push({ operand: this.#block.first, coefficient, counts: coefficient > 0 });
        continue;
      }
      isComputed ||= this.#operandOf(local).kind !== "whole";
      const operand = this.#whole(local);
      const counts = coefficient > 0 && (local.role === "thread" || local.role === "counter");
      (operand.varies ? varying : uniform).push({ operand, coefficient, counts });
    }
    return { base: first, x, varying, uniform, isComputed };
  }

  /** A sum of terms that do not vary. Parts that are known in outer blocks are computed there, once for all sums that share them. */
  #sum(start: Value | null, base: number, terms: readonly Term[]): Value {
    const { code } = this.#to;
    const sorted = [...terms].sort((a, b) => a.operand.home.depth - b.operand.home.depth);
    let sum: Value | null = start;
    let key = start ? keyOf(start) : "";
    sorted.forEach(({ operand: { parts: [value], home }, coefficient }, i) => {
      const own = keyOf(value);
      key = key === null || own === null ? null : `${key}+${coefficient}*${own}`;
      const next = sorted[i + 1]?.operand.home.depth ?? code.block.depth;
      const product = times(value, coefficient);
      const added: Value = sum ? op("i32.add", sum, product) : product;
      if (next === home.depth || key === null) {
        sum = added;
        return;
      }
      let known = this.#sums.get(home);
      if (!known) this.#sums.set(home, known = new Map());
      let bound = known.get(key);
      if (!bound) known.set(key, bound = code.bind(added, home));
      sum = bound;
    });
    if (!sum) return i32(base);
    return base === 0 ? sum : op("i32.add", sum, i32(base));
  }

  /** An index. */
  linear(linear: Linear): Operand {
    const { base, x, varying, uniform } = this.#split(linear);
    const sum = this.#sum(null, base, uniform);
    const to = this.#to;
    if (x === 0 && varying.length === 0) return to.scalar("whole", sum);
    const first = to.code.bind(op("i32x4.splat", sum));
    return to.lanes("whole", (u) => {
      let total: Value = first;
      if (x !== 0) {
        total = op("i32x4.add", total, to.code.keep(i32x4(...[0, 1, 2, 3].map((lane) => x * (LANES * u + lane)))));
      }
      for (const { operand, coefficient } of varying) {
        total = op("i32x4.add", total, this.#timesVector(operand.parts[u], coefficient));
      }
      return total;
    });
  }

  #timesVector(vector: Value, coefficient: number): Value {
    if (coefficient === 1) return vector;
    const shift = Math.log2(coefficient);
    if (Number.isInteger(shift)) return op("i32x4.shl", vector, i32(shift));
    return op("i32x4.mul", vector, this.#to.code.keep(i32x4(coefficient)));
  }

  /** `floor(of / by)`, where `of` is at most `most`. */
  quotient(of: Linear, by: number, most: number): Operand {
    const to = this.#to;
    const { code } = to;
    const shift = Math.log2(by);
    const value = to.bind(this.linear(of));
    if (Number.isInteger(shift)) {
      return to.apply(
        "whole",
        [value],
        (x) => op("i32x4.shr_s", x, i32(shift)),
        (x) => op("i32.shr_s", x, i32(shift)),
      );
    }
    return to.apply(
      "whole",
      [value],
      (x) => {
        if (most < DIVIDED_IN_SINGLE) {
          const middle = op("f32x4.add", op("f32x4.convert_i32x4_s", x), code.keep(f32x4(0.5)));
          const quotient = op("f32x4.mul", middle, code.keep(f32x4(1 / by)));
          return op("i32x4.trunc_sat_f32x4_s", op("f32x4.floor", quotient));
        }
        const half = (x: Value): Value => {
          const middle = op("f64x2.add", op("f64x2.convert_low_i32x4_s", x), code.keep(f64x2(0.5)));
          const quotient = op("f64x2.mul", middle, code.keep(f64x2(1 / by)));
          return op("i32x4.trunc_sat_f64x2_s_zero", op("f64x2.floor", quotient));
        };
        return shuffle(half(x), half(shuffle(x, x, [2, 3, 2, 3])), [0, 1, 4, 5]);
      },
      (x) => {
        const quotient = code.bind(op("i32.div_s", x, i32(by)));
        const rest = op("i32.sub", x, op("i32.mul", quotient, i32(by)));
        return op("i32.add", quotient, op("i32.shr_s", rest, i32(31)));
      },
    );
  }

  /** `of - by * quotient`. */
  remainder(of: Linear, by: number, quotient: Linear): Operand {
    return this.#to.apply(
      "whole",
      [this.linear(of), this.linear(quotient)],
      (x, q) => op("i32x4.sub", x, this.#timesVector(q, by)),
      (x, q) => op("i32.sub", x, times(q, by)),
    );
  }

  /** Whether a whole number is at least 0, if `low`, and below `end`, unless it is `null`. */
  within(of: Linear, low: boolean, end: number | null): Operand {
    const to = this.#to;
    const value = this.linear(of);
    if (end === null) {
      return to.apply(
        "condition",
        [value],
        (x) => op("i32x4.ge_s", x, to.code.keep(i32x4(0))),
        (x) => op("i32.ge_s", x, i32(0)),
      );
    }
    // Negative numbers are large without their sign.
    const name = low ? "lt_u" : "lt_s";
    return to.apply(
      "condition",
      [value],
      (x) => op(`i32x4.${name}`, x, to.code.keep(i32x4(end))),
      (x) => op(`i32.${name}`, x, i32(end)),
    );
  }

  /**
   * A scalar that is not 0 only if {@link within} holds for all threads of the block; `null` if their whole numbers are not at constant
   * distances, or reach over more than what they have to be within.
   */
  allWithin({ of, low, end }: Expression & { readonly kind: "within" }): Value | null {
    const { base, x, varying, uniform } = this.#split(of);
    if (x === 0 || varying.length > 0) return null;
    const span = Math.abs(x) * (LANES * this.#to.width - 1);
    const lowest = this.#sum(null, Math.min(base, base + x * (LANES * this.#to.width - 1)), uniform);
    if (end === null) return op("i32.ge_s", lowest, i32(0));
    if (end <= span) return null;
    return op(low ? "i32.lt_u" : "i32.lt_s", lowest, i32(end - span));
  }

  /**
   * An element of an argument.
   *
   * @param masked whether some threads of the block do not need it, whose indices may lie outside.
   */
  read(argument: number, at: Linear, masked: boolean): Operand {
    const to = this.#to;
    const array = this.#args[argument];
    const { base, x, varying, uniform, isComputed } = this.#split(at);
    if (varying.length > 0) return this.#gather(array, at, masked || isComputed);
    if (isComputed) return this.#computed(array, at, x);
    const isFixed = uniform.every(({ operand }) => keyOf(operand.parts[0]) !== null);
    const first = x > 1 && !masked && isFixed ? this.#rows.get(keyOfRead(argument, at, at.base)) : undefined;
    if (first !== undefined) return this.#transposed(argument, { ...at, base: first }, x)[at.base - first];
    const [offset, rest] = offsetOf(base, uniform);
    const address = to.code.bind(this.#sum(array.address, BYTES * rest, uniform.map(inBytes)));
    if (x === 0) return to.loaded(address, offset);
    if (x === 1) return to.lanes("number", (u) => load("v128.load", address, offset + BYTES * LANES * u));
    // Lanes are a constant distance apart.
    if (masked) return this.#gather(array, at, true);
    const step = BYTES * x;
    if (step > 0) return to.lanes("number", (u) => fourAt(address, (lane) => offset + step * (LANES * u + lane)));
    const last = LANES * to.width - 1;
    const lowest = to.code.bind(op("i32.add", address, i32(step * last)));
    return to.lanes("number", (u) => fourAt(lowest, (lane) => offset - step * (last - LANES * u - lane)));
  }

  /** The addresses of the vectors that the block has in a panel: one behind the other, as the places are. */
  place(panel: Value, { base, terms }: Linear): { readonly address: Value; readonly offset: number } {
    const to = this.#to;
    const bytes = BYTES * LANES * to.width;
    const uniform = terms.map(({ local, coefficient }): Term => {
      return { operand: this.#whole(local), coefficient: bytes * coefficient, counts: true };
    });
    return { address: to.code.bind(this.#sum(panel, 0, uniform)), offset: bytes * base };
  }

  /** An element of a panel. */
  packed(panel: Value, at: Linear): Operand {
    const { address, offset } = this.place(panel, at);
    return this.#to.lanes("number", (u) => load("v128.load", address, offset + BYTES * LANES * u));
  }

  /**
   * Up to four neighbouring elements of each thread, which are a constant distance from those of the next thread. Where fewer are needed,
   * what is behind the array may be read.
   */
  #transposed(argument: number, at: Linear, x: number): readonly Operand[] {
    const to = this.#to;
    const { code } = to;
    let known = this.#columns.get(code.block);
    if (!known) this.#columns.set(code.block, known = new Map());
    const key = keyOfRead(argument, at, at.base);
    const before = known.get(key);
    if (before) return before;
    const { base, uniform } = this.#split(at);
    const [offset, rest] = offsetOf(base, uniform);
    const address = code.bind(this.#sum(this.#args[argument].address, BYTES * rest, uniform.map(inBytes)));
    const vectors = Array.from({ length: to.width }, (_, u) => {
      const row = (lane: number) => load("v128.load", address, offset + BYTES * x * (LANES * u + lane));
      return columnsOf(code, [0, 1, 2, 3].map((lane) => code.bind(row(lane))));
    });
    const columns = [0, 1, 2, 3].map((column) => to.lanes("number", (u) => vectors[u][column]));
    known.set(key, columns);
    return columns;
  }

  /** An element at an index that does not vary but was computed, and may lie outside where it is not needed. */
  #computed(array: ArrayArgument, at: Linear, x: number): Operand {
    if (x !== 0) return this.#gather(array, at, true);
    const to = this.#to;
    const { base, uniform } = this.#split(at);
    const index = to.code.bind(this.#sum(null, base, uniform));
    const inside = op("i32.mul", index, op("i32.lt_u", index, i32(array.size)));
    return to.scalar("number", load("f32.load", op("i32.add", array.address, op("i32.shl", inside, i32(SHIFT)))));
  }

  /** Elements wherever they are. */
  #gather(array: ArrayArgument, at: Linear, clamped: boolean): Operand {
    const to = this.#to;
    const { code } = to;
    const index = this.linear(at);
    return to.lanes("number", (u) => {
      const inside = clamped
        ? op("i32x4.min_u", index.parts[u], code.keep(i32x4(Math.max(0, array.size - 1))))
        : index.parts[u];
      const address = to.vector(to.scalar("whole", array.address, code.root), u);
      const addresses = code.bind(op("i32x4.add", op("i32x4.shl", inside, i32(SHIFT)), address));
      let vector = load("v128.load32_zero", extract("i32x4", addresses, 0));
      for (let lane = 1; lane < LANES; lane++) vector = loadLane(extract("i32x4", addresses, lane), vector, lane);
      return vector;
    });
  }

  /** The coordinates of threads that are fewer than the lanes; the last one stands for those that are missing. */
  narrow(count: number): Operand {
    const to = this.#to;
    return to.lanes("whole", () => to.code.keep(i32x4(...[0, 1, 2, 3].map((lane) => Math.min(lane, count - 1)))));
  }
}

/** A read without the number that is added to its index, and that number. */
function keyOfRead(argument: number, { terms }: Linear, base: number): string {
  return `${argument}:${terms.map(({ local, coefficient }) => `${coefficient}*${local.id}`).join("+")}+${base}`;
}

/** For reads of neighbours, up to four together, the number that is added to the first one's index. */
function rowsOf(reads: readonly Read[]): ReadonlyMap<string, number> {
  const keys = new Set(reads.map(({ argument, at: [at] }) => keyOfRead(argument, at, at.base)));
  const rows = new Map<string, number>();
  for (const { argument, at: [at] } of [...reads].sort((a, b) => a.at[0].base - b.at[0].base)) {
    const key = (more: number) => keyOfRead(argument, at, at.base + more);
    if (rows.has(key(0)) || !keys.has(key(1))) continue;
    for (let more = 0; more < LANES && keys.has(key(more)); more++) rows.set(key(more), at.base);
  }
  return rows;
}

/** The columns of four rows. */
export function columnsOf(code: Code, [a, b, c, d]: readonly Value[]): readonly Value[] {
  const [low, high] = [[0, 4, 1, 5], [2, 6, 3, 7]];
  const pairs = [low, high].map((lanes) => [shuffle(a, c, lanes), shuffle(b, d, lanes)].map((pair) => code.bind(pair)));
  return pairs.flatMap(([even, odd]) => [low, high].map((lanes) => code.bind(shuffle(even, odd, lanes))));
}

/** Four elements at constant distances. */
function fourAt(address: Value, offset: (lane: number) => number): Value {
  let vector = load("v128.load32_zero", address, offset(0));
  for (let lane = 1; lane < LANES; lane++) vector = loadLane(address, vector, lane, offset(lane));
  return vector;
}

function times(value: Value, coefficient: number): Value {
  if (value.kind === "number") return i32(value.value * coefficient);
  if (coefficient === 1) return value;
  const shift = Math.log2(coefficient);
  if (Number.isInteger(shift)) return op("i32.shl", value, i32(shift));
  return op("i32.mul", value, i32(coefficient));
}

function inBytes(term: Term): Term {
  return { ...term, coefficient: BYTES * term.coefficient };
}

/** The bytes that a load adds to its address, and the elements that are added before: an address must not be below 0. */
function offsetOf(base: number, terms: readonly Term[]): [offset: number, rest: number] {
  return base > 0 && terms.every(({ counts }) => counts) ? [BYTES * base, 0] : [0, base];
}

/** A name for a value that never changes; `null` for one that may. */
function keyOf(value: Value): string | null {
  if (value.kind === "number") return String(value.value);
  return value.kind === "variable" && value.fixed ? `$${value.index}` : null;
}
