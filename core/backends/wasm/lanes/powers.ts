/** Powers. */
import type { Code, Value } from "../code.ts";
import { anyTrue, Bits, both, doubles, type LaneFunction, Lanes, SIGN, singles } from "./arithmetic.ts";
import { exp2Double } from "./exponentials.ts";
import { isOdd, split } from "./logarithms.ts";

/** log2(m) / s in powers of s^2, where s = (m - 1) / (m + 1), for m from 2/3 to 4/3; off by 2^-42. */
const LOG2 = [
  2.8853900817774214,
  0.9617966948312466,
  0.5770777541818506,
  0.412226288500433,
  0.31928129783641535,
  0.29087312883684585,
];

/** The logarithm to base 2 of the size of each base, in doubles, as whole numbers and the rests that are to be added to them. */
function splitSize(code: Code, size: Value): { exponent: Value; rest: Value } {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const normal = split(code, size);
  const exponent = code.variable("v128", normal.exponent);
  const rest = code.variable("v128", normal.rest);
  code.if(anyTrue(isOdd(code, size)), () => {
    const scaled = split(code, f.bind(f.mul(size, 2 ** 24)));
    const isSmall = code.bind(f.less(size, 2 ** -126));
    // 0, infinity and NaN have the logarithm of that size, or NaN.
    const outside = bits.select(f.equal(size, 0), f.number(-Infinity), size);
    const isInside = code.bind(bits.and(f.greater(size, 0), f.less(size, Infinity)));
    const inside = bits.select(isSmall, f.sub(scaled.exponent, 24), exponent);
    code.set(exponent, bits.select(isInside, inside, outside));
    code.set(rest, bits.and(bits.select(isSmall, scaled.rest, rest), isInside));
  });
  return { exponent, rest };
}

/** Gives powers of negative bases their sign, and NaN where the exponent is not whole. */
function signed(code: Code, size: Value, base: Value, exponent: Value): Value {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const half = code.bind(f.mul(exponent, 0.5));
  const isWhole = code.bind(f.equal(f.floor(exponent), exponent));
  const isOdd = bits.and(isWhole, f.differ(f.floor(half), half));
  const power = bits.xor(size, bits.and(bits.and(base, isOdd), SIGN));
  const isFinite = bits.and(f.less(base, 0), f.greater(base, -Infinity));
  return bits.select(bits.without(isFinite, isWhole), f.number(NaN), power);
}

/** 2^(exponent * log2(base)) in doubles, as `Math.pow`: 1 and -1 to an infinite power are NaN. */
export const pow: LaneFunction = (code, operands) => {
  const [base, exponent] = operands.map((x) => code.bind(x));
  const f = new Lanes(code);
  const d = new Lanes(code, "f64x2");
  const bits = new Bits(code);
  const split = splitSize(code, code.bind(f.abs(base)));
  const [wholes, rests, exponents] = [split.exponent, split.rest, exponent].map((x) => doubles(code, x));
  const powers = both(exponents, (y, which) => {
    const rest = rests[which];
    const s = d.bind(d.div(rest, d.add(rest, 2)));
    const log = d.add(d.mul(d.polynomial(d.bind(d.mul(s, s)), LOG2), s), wholes[which]);
    return exp2Double(code, d.bind(d.clamp(d.mul(y, log), -160, 160)));
  });
  const result = code.variable("v128", bits.select(f.equal(exponent, 0), f.number(1), singles(...powers)));
  code.if(anyTrue(bits.and(base, SIGN)), () => code.set(result, signed(code, result, base, exponent)));
  return result;
};
