/** Trigonometric functions and the arctangent. */
import { type Code, extract, f64, i32, op, replace, select, shuffle, type Value, type Variable } from "../code.ts";
import { anyTrue, Bits, both, doubles, type LaneFunction, Lanes, SIGN, singles } from "./arithmetic.ts";

const WHOLE_DOUBLE = 1.5 * 2 ** 52;
/** pi in two parts: products of the first, of 33 bits, with whole numbers and halves up to 2^20 are exact. */
const PI = [3.1415926534682512, 1.2154201013012385e-10];
/** From here on, arguments are reduced by {@link reduceFar}. */
const FAR = 2 ** 20;
const FAR_BITS = 0x49800000;
const INFINITY_BITS = 0x7f800000;

/** (sin(r) / r - 1) / r^2 in powers of r^2 for r up to pi / 2; off by less than a tenth of its last place in float32. */
const SIN = [-0.16666659399962605, 0.008333060118746238, -0.00019809109990637686, 2.60468063547941e-06];

/**
 * An angle as half turns and a rest of at most a quarter of a turn, in doubles. The half turns are whole, or halves ahead of whole ones, which
 * are counted in the lowest bit.
 */
interface Angle {
  readonly turns: Variable;
  readonly rests: readonly [Variable, Variable];
}

/** By Cody and Waite, in doubles. */
function reduce(code: Code, x: Value, ahead: 0 | 1): Angle {
  const d = new Lanes(code, "f64x2");
  // One more where they are half a turn ahead, for the sign of the cosine.
  const whole = WHOLE_DOUBLE + ahead;
  const parts = both(doubles(code, x), (half) => {
    const all = d.mul(half, 1 / Math.PI);
    const n = d.bind(d.add(ahead ? d.sub(all, 0.5) : all, whole));
    const nearest = d.sub(n, whole);
    const turns = d.bind(ahead ? d.add(nearest, 0.5) : nearest);
    const rest = d.sub(d.sub(half, d.mul(turns, PI[0])), d.mul(turns, PI[1]));
    return { n, rest: code.variable("v128", rest) };
  });
  const turns = code.variable("v128", shuffle(parts[0].n, parts[1].n, [0, 2, 4, 6]));
  const angle: Angle = { turns, rests: [parts[0].rest, parts[1].rest] };
  code.if(anyTrue(new Lanes(code).atLeast(new Lanes(code).abs(x), FAR)), () => reduceFar(code, x, ahead, angle));
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
 * The quarter turns of a number from {@link FAR}, given its bits, in units of 2^-62, without whole turns. By Payne and Hanek: the product of
 * the mantissa with those bits of 2 / pi that stand for less than four quarter turns, and are not this many places behind that they do not
 * matter.
 */
function quartersOf(code: Code, word: Value): Value {
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
  return op("i64.add", op("i64.mul", mantissa, high), carried);
}

/** Half turns as {@link Angle} has them: the lowest bit of their number, and the rest in units of 2^-64. */
function turnsOf(code: Code, quarters: Value, ahead: 0 | 1): { count: Value; rest: Value } {
  const quarter = (n: number) => op("i64.shl", wide(i32(n)), wide(i32(62)));
  const turns = code.bind(ahead ? op("i64.sub", quarters, quarter(1)) : quarters);
  // The nearest number of half turns; one more if they are half a turn ahead.
  const count = op("i64.shr_u", op("i64.add", turns, quarter(1 + 2 * ahead)), wide(i32(63)));
  return { count: op("i32.wrap_i64", count), rest: op("i64.shl", turns, wide(i32(1))) };
}

/** Corrects the lanes whose numbers are finite and large, one after the other: each takes its turn as the first lane. */
function reduceFar(code: Code, x: Value, ahead: 0 | 1, { turns, rests: [low, high] }: Angle): void {
  const numbers = code.variable("v128", x);
  code.count(i32(0), i32(4), 1, () => {
    const word = code.bind(extract("i32x4", numbers, 0));
    const size = code.bind(op("i32.and", word, i32(0x7fffffff)));
    const isFar = op("i32.lt_u", op("i32.sub", size, i32(FAR_BITS)), i32(INFINITY_BITS - FAR_BITS));
    code.if(isFar, () => {
      const { count, rest } = turnsOf(code, code.bind(quartersOf(code, word)), ahead);
      code.set(turns, replace("i32x4", turns, 0, count));
      const angle = code.bind(op("f64.mul", op("f64.convert_i64_s", rest), f64(Math.PI / 2 ** 64)));
      // The cosine is that of the size.
      const signed = ahead ? angle : select(op("i32.lt_s", word, i32(0)), op("f64.neg", angle), angle);
      code.set(low, replace("f64x2", low, 0, signed));
    });
    code.set(numbers, shuffle(numbers, numbers, [1, 2, 3, 0]));
    code.set(turns, shuffle(turns, turns, [1, 2, 3, 0]));
    const first = code.bind(shuffle(low, high, [2, 3, 4, 5]));
    code.set(high, shuffle(high, low, [2, 3, 4, 5]));
    code.set(low, first);
  });
}

/** sin, or cos, which is a quarter turn ahead: the sine of the rest, rounded once, with its sign turned by each half turn. */
function circular(ahead: 0 | 1): LaneFunction {
  return (code, [x]) => {
    const d = new Lanes(code, "f64x2");
    const bits = new Bits(code);
    const { turns, rests } = reduce(code, code.bind(x), ahead);
    const sines = both(rests, (rest) => {
      const r = d.bind(rest);
      const square = d.bind(d.mul(r, r));
      return d.mul(d.add(d.mul(d.horner(square, SIN), square), 1), r);
    });
    return bits.xor(singles(...sines), bits.left(turns, 31));
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
