/** Logarithms. */
import { type Code, op, type Value } from "../code.ts";
import { anyTrue, Bits, type LaneFunction, Lanes, ONE, SIGN } from "./arithmetic.ts";

/** The bits of the smallest normal number, and how many positive normal numbers there are. */
const SMALLEST = 0x00800000;
const NORMALS = 0x7f000000;
/** The bits of 2 / 3. */
const TWO_THIRDS = 0x3f2aaaab;
const EXPONENT = 0x1ff << 23;

/** Lanes that are not positive, normal and finite. */
export function isOdd(code: Code, x: Value): Value {
  const bits = new Bits(code);
  return bits.atLeastUnsigned(bits.sub(x, SMALLEST), NORMALS);
}

/** A positive, normal number is 2^exponent times one from 2/3 to 4/3, of which `rest` is the distance from 1. */
export interface Split {
  readonly exponent: Value;
  /** 2^exponent as a factor of the bits. */
  readonly shift: Value;
  readonly rest: Value;
}

export function split(code: Code, x: Value): Split {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const above = f.bind(bits.sub(x, TWO_THIRDS));
  const shift = f.bind(bits.and(above, EXPONENT));
  return {
    exponent: op("f32x4.convert_i32x4_s", bits.right(above, 23)),
    shift,
    rest: f.bind(f.sub(bits.sub(x, shift), 1)),
  };
}

/** Infinity where it is the argument, elsewhere NaN. */
function infinityOrNaN(code: Code, x: Value): Value {
  const f = new Lanes(code);
  return new Bits(code).select(f.equal(x, Infinity), x, f.number(NaN));
}

/** A logarithm from a split number. Numbers that are not normal are rare, but take several instructions. */
function logarithm(code: Code, x: Value, normal: (exponent: Value, rest: Value) => Value): Value {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const { exponent, rest } = split(code, x);
  const result = code.variable("v128", normal(f.bind(exponent), rest));
  code.if(anyTrue(isOdd(code, x)), () => {
    const scaled = split(code, f.bind(f.mul(x, 2 ** 24)));
    const small = normal(f.bind(f.sub(scaled.exponent, 24)), scaled.rest);
    const positive = f.bind(bits.select(f.less(x, 2 ** -126), small, result));
    const outside = bits.select(f.equal(x, 0), f.number(-Infinity), infinityOrNaN(code, x));
    const isInside = bits.and(f.greater(x, 0), f.less(x, Infinity));
    code.set(result, bits.select(isInside, positive, outside));
  });
  return result;
}

/** (log(1 + d) - d + d^2 / 2) / d^3 for d up to 1/3; off by 2^-28 of the logarithm. */
const LOG = [
  0.3333321511745453,
  -0.2499980479478836,
  0.20010444521903992,
  -0.1668017953634262,
  0.1400534063577652,
  -0.12188378721475601,
  0.13986708223819733,
  -0.12874287366867065,
];
/** ln 2 in two parts: products of the first with exponents are exact. */
const LN2 = [0.693359375, -2.12194440054690583e-4];

/** exponent ln 2 + log(1 + d + low), where `low` is less than the last place of d. */
function natural(code: Code, exponent: Value, d: Value, low?: Value): Value {
  const f = new Lanes(code);
  const square = f.bind(f.mul(d, d));
  const cubic = f.mul(f.mul(f.polynomial(d, LOG, square), d), square);
  const part = f.add(f.sub(cubic, f.mul(square, 0.5)), f.mul(exponent, LN2[1]));
  return f.add(f.mul(exponent, LN2[0]), f.add(d, low ? f.add(part, low) : part));
}

/** As in Cephes' logf, with the polynomial of a narrower interval. */
export const log: LaneFunction = (code, [x]) =>
  logarithm(code, code.bind(x), (exponent, rest) => natural(code, exponent, rest));

/** (log2(1 + d) - d log2(e)) / d^2 for d up to 1/3; off by 2^-28 of the logarithm. */
const LOG2 = [
  -0.7213475108146667,
  0.4808967113494873,
  -0.3606715202331543,
  0.28868651390075684,
  -0.24063245952129364,
  0.2020983248949051,
  -0.17593878507614136,
  0.20159517228603363,
  -0.1854461133480072,
];
/** log2(e) in two parts: products of the first with numbers of twelve bits are exact. */
const LOG2E = [1.4423828125, Math.LOG2E - 1.4423828125];

/** Powers of 2 have whole logarithms, since the rest is 0. */
export const log2: LaneFunction = (code, [x]) => {
  const f = new Lanes(code);
  return logarithm(code, code.bind(x), (exponent, d) => {
    const high = f.bind(new Bits(code).and(d, -1 << 12));
    const square = f.bind(f.mul(d, d));
    const curved = f.mul(f.polynomial(d, LOG2, square), square);
    const low = f.add(f.add(curved, f.mul(d, LOG2E[1])), f.mul(f.sub(d, high), LOG2E[0]));
    const main = f.bind(f.mul(high, LOG2E[0]));
    const kept = f.bind(low);
    const sum = f.bind(f.add(main, kept));
    // Between 4/3 and 3/2 the whole part cancels much of the rest, and what that was rounded by counts.
    return f.add(f.add(exponent, sum), f.sub(kept, f.sub(sum, main)));
  });
};

/** The logarithm of the rounded sum, with what the sum lost (Knuth's two-sum) added to the rest. */
export const log1p: LaneFunction = (code, operands) => {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const x = code.bind(operands[0]);
  const sum = f.bind(f.add(x, 1));
  const away = f.bind(f.sub(sum, 1));
  const lost = f.add(f.sub(1, f.sub(sum, away)), f.sub(x, away));
  const { exponent, shift, rest } = split(code, sum);
  const more = f.bind(f.mul(lost, bits.max(bits.sub(ONE, shift), 0)));
  const d = f.bind(f.add(rest, more));
  const low = f.sub(more, f.sub(d, rest));
  // The sign is lost by -0.
  const value = natural(code, f.bind(exponent), d, f.mul(low, f.sub(1, d)));
  const result = code.variable("v128", bits.or(value, bits.and(x, SIGN)));
  code.if(anyTrue(isOdd(code, sum)), () => {
    const isInside = bits.and(f.greater(sum, 0), f.less(sum, Infinity));
    const outside = bits.select(f.equal(x, -1), f.number(-Infinity), infinityOrNaN(code, x));
    code.set(result, bits.select(isInside, result, outside));
  });
  return result;
};
