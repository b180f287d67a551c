/** Trigonometric functions and the arctangent. */
import { type Code, extract, f64, i32, op, replace, select, shuffle, type Value, type Variable } from "../code.ts";
import { anyTrue, Bits, both, doubles, type LaneFunction, Lanes, SIGN, singles } from "./arithmetic.ts";

const WHOLE_DOUBLE = 1.5 * 2 ** 52;
/** pi / 2 in two parts: products of the first, of 33 bits, with whole numbers up to 2^20 are exact. */
const HALF_PI = [1.5707963267341256, 6.077100506506192e-11];
/** From here on, arguments are reduced by {@link reduceFar}. */
const FAR = 2 ** 20;
const FAR_BITS = 0x49800000;
const INFINITY_BITS = 0x7f800000;

/** (sin(r) / r - 1) / r^2 and (cos(r) - 1) / r^2 in powers of r^2 for r up to pi / 4; off by 2^-37 and 2^-34. */
const SIN = [-0.1666666664077604, 0.008333329302391904, -0.00019839311477781493, 2.718114051792379e-06];
const COS = [-0.49999999694224284, 0.04166662032892856, -0.0013886680758503534, 2.4383483547487743e-05];

/** An angle as whole quarter turns, in the lowest two bits, and a rest of at most an eighth, in doubles. */
interface Angle {
  readonly quarters: Variable;
  readonly rests: readonly [Variable, Variable];
}

/** By Cody and Waite, in doubles. */
function reduce(code: Code, x: Value): Angle {
  const d = new Lanes(code, "f64x2");
  const parts = both(doubles(code, x), (half) => {
    const n = d.bind(d.add(d.mul(half, 2 / Math.PI), WHOLE_DOUBLE));
    const whole = d.bind(d.sub(n, WHOLE_DOUBLE));
    const rest = d.sub(d.sub(half, d.mul(whole, HALF_PI[0])), d.mul(whole, HALF_PI[1]));
    return { n, rest: code.variable("v128", rest) };
  });
  const quarters = code.variable("v128", shuffle(parts[0].n, parts[1].n, [0, 2, 4, 6]));
  const angle: Angle = { quarters, rests: [parts[0].rest, parts[1].rest] };
  code.if(anyTrue(new Lanes(code).atLeast(new Lanes(code).abs(x), FAR)), () => reduceFar(code, x, angle));
  return angle;
}

/** The first bits of 2 / pi, after eight that are 0. */
const TWO_OVER_PI = "00a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc5";
/** The exponent, as it is stored, for which the first of these bits stands for 2 quarter turns. */
const FIRST_EXPONENT = 144;

/** 64 bits of 2 / pi. */
function bitsOfTwoOverPi(which: number): Value {
  const [high, low] = [0, 8].map((at) => parseInt(TWO_OVER_PI.slice(16 * which + at, 16 * which + at + 8), 16));
  return op("i64.or", op("i64.shl", wide(i32(high)), wide(i32(32))), wide(i32(low)));
}

const wide = (x: Value): Value => op("i64.extend_i32_u", x);

/**
 * The quarter turns of a number from {@link FAR}, given its bits: whole ones, and the rest in units of 2^-64. By Payne and Hanek: the
 * product of the mantissa with those bits of 2 / pi that stand for less than four quarter turns, and are not this many places behind that
 * they do not matter.
 */
function turnsOf(code: Code, word: Value): { whole: Value; rest: Value } {
  const bits = (a: Value, by: number) => op("i32.shr_u", a, i32(by));
  const mantissa = code.bind(
    wide(op("i32.or", op("i32.and", word, i32(0x7fffff)), i32(0x800000))),
  );
  const from = code.bind(op("i32.sub", op("i32.and", bits(word, 23), i32(0xff)), i32(FIRST_EXPONENT)));
  const isLater = code.bind(op("i32.ge_s", from, i32(64)));
  const words = [0, 1, 2].map((k) => code.bind(select(isLater, bitsOfTwoOverPi(k + 1), bitsOfTwoOverPi(k))));
  const by = code.bind(wide(op("i32.and", from, i32(63))));
  const [high, low] = [0, 1].map((k) =>
    op(
      "i64.or",
      op("i64.shl", words[k], by),
      op("i64.shr_u", op("i64.shr_u", words[k + 1], wide(i32(1))), op("i64.sub", wide(i32(63)), by)),
    )
  );
  const carried = op("i64.shr_u", op("i64.mul", mantissa, op("i64.shr_u", low, wide(i32(32)))), wide(i32(32)));
  const product = code.bind(op("i64.add", op("i64.mul", mantissa, high), carried));
  const halves = op("i32.wrap_i64", op("i64.shr_u", product, wide(i32(61))));
  return {
    whole: bits(op("i32.add", halves, i32(1)), 1),
    rest: op("i64.shl", product, wide(i32(2))),
  };
}

/** Corrects the lanes whose numbers are finite and large, one after the other: each takes its turn as the first lane. */
function reduceFar(code: Code, x: Value, { quarters, rests: [low, high] }: Angle): void {
  const numbers = code.variable("v128", x);
  code.count(i32(0), i32(4), 1, () => {
    const word = code.bind(extract("i32x4", numbers, 0));
    const size = code.bind(op("i32.and", word, i32(0x7fffffff)));
    const isFar = op("i32.lt_u", op("i32.sub", size, i32(FAR_BITS)), i32(INFINITY_BITS - FAR_BITS));
    code.if(isFar, () => {
      const turns = turnsOf(code, word);
      const whole = code.bind(turns.whole);
      const isNegative = code.bind(op("i32.lt_s", word, i32(0)));
      code.set(quarters, replace("i32x4", quarters, 0, select(isNegative, op("i32.sub", i32(0), whole), whole)));
      const angle = code.bind(op("f64.mul", op("f64.convert_i64_s", turns.rest), f64(Math.PI / 2 ** 65)));
      code.set(low, replace("f64x2", low, 0, select(isNegative, op("f64.neg", angle), angle)));
    });
    code.set(numbers, shuffle(numbers, numbers, [1, 2, 3, 0]));
    code.set(quarters, shuffle(quarters, quarters, [1, 2, 3, 0]));
    const first = code.bind(shuffle(low, high, [2, 3, 4, 5]));
    code.set(high, shuffle(high, low, [2, 3, 4, 5]));
    code.set(low, first);
  });
}

/** sin or cos, which is a quarter turn ahead, with each rounded once before one is chosen. */
function circular(ahead: 0 | 1): LaneFunction {
  return (code, [x]) => {
    const d = new Lanes(code, "f64x2");
    const bits = new Bits(code);
    const { quarters, rests } = reduce(code, code.bind(x));
    const parts = both(rests, (rest) => {
      const r = d.bind(rest);
      const square = d.bind(d.mul(r, r));
      const sine = d.mul(d.add(d.mul(d.polynomial(square, SIN), square), 1), r);
      return { sine, cosine: d.add(d.mul(d.polynomial(square, COS), square), 1) };
    });
    const sine = singles(parts[0].sine, parts[1].sine);
    const cosine = singles(parts[0].cosine, parts[1].cosine);
    const quarter = code.bind(ahead ? bits.add(quarters, 1) : quarters);
    const isOdd = code.bind(bits.right(bits.left(quarter, 31), 31));
    const sign = bits.and(bits.left(quarter, 30), SIGN);
    return bits.xor(bits.select(isOdd, cosine, sine), sign);
  };
}

export const sin: LaneFunction = circular(0);
export const cos: LaneFunction = circular(1);

/** (atan(t) / t - 1) / t^2 in powers of t^2 for t up to 1; off by 2^-28. */
const ATAN = [
  -0.33333298563957214,
  0.1999853104352951,
  -0.14264051616191864,
  0.10951174795627594,
  -0.08400475233793259,
  0.05790654569864273,
  -0.031127002090215683,
  0.010887361131608486,
  -0.0017875476041808724,
];
/** pi / 2 in float32, and what it lacks. */
const QUARTER = [Math.fround(Math.PI / 2), Math.PI / 2 - Math.fround(Math.PI / 2)];

/** Beyond 1 by the arctangent of the inverse, which is that of the rest of a quarter turn. */
export const atan: LaneFunction = (code, [x]) => {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const size = f.bind(f.abs(x));
  const inverse = f.div(1, size);
  const isFar = f.bind(f.greater(size, 1));
  const t = f.bind(bits.select(isFar, inverse, size));
  const square = f.bind(f.mul(t, t));
  const near = f.bind(f.add(f.mul(f.mul(f.horner(square, ATAN), square), t), t));
  const far = f.add(f.sub(QUARTER[1], near), QUARTER[0]);
  return bits.or(bits.select(isFar, far, near), bits.and(x, SIGN));
};
