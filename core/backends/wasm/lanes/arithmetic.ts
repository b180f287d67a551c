/** Arithmetic on lanes, written shortly: operands may be numbers, which become constants of the function. */
import { type Code, f32x4, f64x2, i32, i32x4, op, shuffle, type Value } from "../code.ts";

/** Writes a function of vectors of four float32. */
export type LaneFunction = (code: Code, operands: readonly Value[]) => Value;

/** A value, or a number in each lane. */
export type Term = Value | number;

/** Instructions on four float32 (`f32x4`) or two doubles (`f64x2`). */
export class Lanes {
  readonly #code: Code;
  readonly #shape: "f32x4" | "f64x2";

  constructor(code: Code, shape: "f32x4" | "f64x2" = "f32x4") {
    this.#code = code;
    this.#shape = shape;
  }

  /** A number in each lane. */
  number(x: Term): Value {
    if (typeof x !== "number") return x;
    return this.#code.keep(this.#shape === "f32x4" ? f32x4(x) : f64x2(x));
  }

  bind(x: Value): Value {
    return this.#code.bind(x);
  }

  /** A product with a term added, in one instruction; `null` if it is none or the engine has no such instruction. */
  #fused(name: string, product: Term, term: Term): Value | null {
    if (!this.#code.multiplyAdd || typeof product === "number" || product.kind !== "operation") return null;
    return product.name === `${this.#shape}.mul` ? this.#float(name, ...product.args, term) : null;
  }

  #float(name: string, ...operands: Term[]): Value {
    return op(`${this.#shape}.${name}`, ...operands.map((x) => this.number(x)));
  }

  /**
   * The sum. A product that is made where it is added, and has no name, is not rounded if the engine has fused multiply-add; a product that
   * has to be rounded is bound first.
   */
  add = (a: Term, b: Term): Value =>
    this.#fused("relaxed_madd", a, b) ?? this.#fused("relaxed_madd", b, a) ?? this.#float("add", a, b);
  /** The difference; a product that is subtracted is one that is added, in this. */
  sub = (a: Term, b: Term): Value => this.#fused("relaxed_nmadd", b, a) ?? this.#float("sub", a, b);
  mul = (a: Term, b: Term): Value => this.#float("mul", a, b);
  div = (a: Term, b: Term): Value => this.#float("div", a, b);
  abs = (a: Term): Value => this.#float("abs", a);
  neg = (a: Term): Value => this.#float("neg", a);
  less = (a: Term, b: Term): Value => this.#float("lt", a, b);
  greater = (a: Term, b: Term): Value => this.#float("gt", a, b);
  atLeast = (a: Term, b: Term): Value => this.#float("ge", a, b);
  equal = (a: Term, b: Term): Value => this.#float("eq", a, b);
  differ = (a: Term, b: Term): Value => this.#float("ne", a, b);
  floor = (a: Term): Value => this.#float("floor", a);

  /** The smaller of the two; `x` if it is NaN. One instruction, as `min` is not. */
  atMost(x: Value, bound: number): Value {
    return this.#float("pmin", x, bound);
  }

  /** The larger of the two; `x` if it is NaN. */
  notBelow(x: Value, bound: number): Value {
    return this.#float("pmax", x, bound);
  }

  /** `x` between two bounds; NaN stays. */
  clamp(x: Value, low: number, high: number): Value {
    return this.notBelow(this.atMost(x, high), low);
  }

  /**
   * A polynomial, the coefficient of the constant first, of a bound `x`: odd and even powers by Horner's rule in its square, which may be
   * given, so that the two overlap.
   */
  polynomial(x: Value, coefficients: readonly number[], square?: Value): Value {
    if (coefficients.length < 5) return this.horner(x, coefficients);
    const step = square ?? this.bind(this.mul(x, x));
    const [even, odd] = [0, 1].map((first) => this.horner(step, coefficients.filter((_, i) => i % 2 === first)));
    return this.add(this.mul(odd, x), even);
  }

  /** A polynomial by Horner's rule. Where all coefficients are large it is more exact. */
  horner(x: Value, coefficients: readonly number[]): Value {
    return this.number(coefficients.reduceRight<Term>((sum, c) => sum === 0 ? c : this.add(this.mul(sum, x), c), 0));
  }
}

/** Instructions on the bits of four lanes as whole numbers. */
export class Bits {
  readonly #code: Code;

  constructor(code: Code) {
    this.#code = code;
  }

  number(x: Term): Value {
    return typeof x === "number" ? this.#code.keep(i32x4(x)) : x;
  }

  #do(name: string, ...operands: Term[]): Value {
    return op(name, ...operands.map((x) => this.number(x)));
  }

  add = (a: Term, b: Term): Value => this.#do("i32x4.add", a, b);
  sub = (a: Term, b: Term): Value => this.#do("i32x4.sub", a, b);
  and = (a: Term, b: Term): Value => this.#do("v128.and", a, b);
  /** `a` without the bits of `b`. */
  without = (a: Term, b: Term): Value => this.#do("v128.andnot", a, b);
  or = (a: Term, b: Term): Value => this.#do("v128.or", a, b);
  xor = (a: Term, b: Term): Value => this.#do("v128.xor", a, b);
  not = (a: Term): Value => this.#do("v128.not", a);
  atLeastUnsigned = (a: Term, b: Term): Value => this.#do("i32x4.ge_u", a, b);
  /** The larger of the two. */
  max = (a: Term, b: Term): Value => this.#do("i32x4.max_s", a, b);
  left = (a: Value, by: number): Value => op("i32x4.shl", a, i32(by));
  right = (a: Value, by: number): Value => op("i32x4.shr_s", a, i32(by));

  /** `a` where the mask has ones, else `b`. */
  select(mask: Value, a: Term, b: Term): Value {
    return op("v128.bitselect", this.number(a), this.number(b), mask);
  }
}

/** The bit of the sign. */
export const SIGN = -0x80000000;
/** The bits of 1. */
export const ONE = 0x3f800000;

export const anyTrue = (mask: Value): Value => op("v128.any_true", mask);

/** The lower two lanes and the upper two as doubles. */
export function doubles(code: Code, x: Value): readonly [Value, Value] {
  const whole = code.bind(x);
  return [
    code.bind(op("f64x2.promote_low_f32x4", whole)),
    code.bind(op("f64x2.promote_low_f32x4", shuffle(whole, whole, [2, 3, 2, 3]))),
  ];
}

/** Four lanes of float32 from two and two doubles. */
export function singles(low: Value, high: Value): Value {
  return shuffle(op("f32x4.demote_f64x2_zero", low), op("f32x4.demote_f64x2_zero", high), [0, 1, 4, 5]);
}

/** The same for both halves. */
export function both<T>(halves: readonly [Value, Value], f: (half: Value, which: 0 | 1) => T): readonly [T, T] {
  return [f(halves[0], 0), f(halves[1], 1)];
}
