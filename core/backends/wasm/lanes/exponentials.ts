/** The exponential function and what is made of it. */
import type { Code, Value } from "../code.ts";
import { f64x2, i32, op } from "../code.ts";
import { anyTrue, Bits, both, doubles, type LaneFunction, Lanes, ONE, SIGN, singles } from "./arithmetic.ts";

/** Added to a float32 of at most 2^22, it leaves the nearest whole number in the lowest bits. */
const WHOLE = 1.5 * 2 ** 23;
/** The same for doubles. */
const WHOLE_DOUBLE = 1.5 * 2 ** 52;

/** ln 2 in two parts (Cody and Waite): products of the first with whole numbers up to 2^8 are exact. */
const LN2 = [0.693359375, -2.12194440054690583e-4];

/** (e^r - 1 - r) / r^2 for r up to ln(2) / 2; off by 2^-28 of e^r. */
const EXP = [0.4999999403953552, 0.16666516661643982, 0.04166810214519501, 0.00836919341236353, 0.0013838927261531353];

/** e^x as e^r 2^n: e^r, and n in the lowest bits. */
function reduced(code: Code, x: Value): { power: Value; n: Value } {
  const f = new Lanes(code);
  const n = f.bind(f.add(f.mul(x, Math.LOG2E), WHOLE));
  const whole = f.bind(f.sub(n, WHOLE));
  const r = f.bind(f.sub(f.sub(x, f.mul(whole, LN2[0])), f.mul(whole, LN2[1])));
  const square = f.bind(f.mul(r, r));
  const power = f.add(f.add(f.mul(f.polynomial(r, EXP, square), square), r), 1);
  return { power, n };
}

/** 2^n times a number next to 1, in two halves, so that subnormal results are rounded once and the largest do not overflow. */
function scaled(code: Code, power: Value, n: Value): Value {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const exponent = code.bind(bits.left(n, 23));
  const half = code.bind(bits.and(bits.right(exponent, 1), 0x1ff << 23));
  return f.mul(f.mul(power, bits.add(half, ONE)), bits.add(bits.sub(exponent, half), ONE));
}

/** Up to this size of x, e^x is a normal number. */
const NORMAL = 87.3;

/** As in Cephes' expf. The power of 2 is added to the exponent, unless results may be subnormal or infinite. */
export const exp: LaneFunction = (code, [argument]) => {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const x = code.bind(argument);
  const { power, n } = reduced(code, x);
  const size = code.bind(power);
  const result = code.variable("v128", bits.add(size, bits.left(n, 23)));
  code.if(anyTrue(bits.not(f.less(f.abs(x), NORMAL))), () => {
    const bounded = reduced(code, f.bind(f.clamp(x, -104, 89)));
    code.set(result, scaled(code, bounded.power, bounded.n));
  });
  return result;
};

/** e^x for x up to 0: no result overflows, so one power of 2, larger by a constant, is enough. */
export const expOfNegative: LaneFunction = (code, [x]) => {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const { power, n } = reduced(code, f.bind(f.notBelow(x, -104)));
  const scale = bits.add(bits.left(n, 23), (127 + 64) << 23);
  return f.mul(f.mul(power, scale), 2 ** -64);
};

/** 1 / (1 + e^-x) from e = e^-|x|, which does not overflow: 1 / (1 + e), or e / (1 + e) below 0. */
export const sigmoid: LaneFunction = (code, [x]) => {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const e = f.bind(expOfNegative(code, [bits.or(x, SIGN)]));
  // Both are less themselves times the smaller of the two, which counts little where the result is small.
  const larger = f.bind(bits.select(f.less(x, 0), e, f.number(1)));
  return f.sub(larger, f.mul(larger, f.div(e, f.add(e, 1))));
};

/** (2^r - 1) / r for r up to 1/2; off by 2^-32. */
const EXP2 = [
  0.6931471805815718,
  0.24022650920051367,
  0.055504107275819836,
  0.009618057037055571,
  0.0013333669466993128,
  0.00015461329880442237,
  1.5252715748561433e-05,
];
/** The same, off by 2^-26, which is 2^-28 of 2^r. */
const EXP2_SHORT = [
  0.693147187926676,
  0.24022649794850112,
  0.05550357433690271,
  0.009618237512476457,
  0.0013390735455991586,
  0.00015403506755694678,
];

/** 2^y of two doubles as 2^n (1 + rest). y must lie between -1022 and 1023. */
function reducedDouble(code: Code, y: Value, coefficients: readonly number[]): { scale: Value; rest: Value } {
  const d = new Lanes(code, "f64x2");
  const n = d.bind(d.add(y, WHOLE_DOUBLE));
  const r = d.bind(d.sub(y, d.sub(n, WHOLE_DOUBLE)));
  const scale = code.bind(op("i64x2.add", op("i64x2.shl", n, i32(52)), code.keep(f64x2(1))));
  return { scale, rest: d.mul(r, d.polynomial(r, coefficients)) };
}

/** 2^y of two doubles, off by 2^-28. */
export function exp2Double(code: Code, y: Value): Value {
  const d = new Lanes(code, "f64x2");
  const { scale, rest } = reducedDouble(code, y, EXP2_SHORT);
  return d.add(scale, d.mul(scale, rest));
}

/** e^(factor x) - 1 of each two doubles. x must be bounded. */
function expm1Double(code: Code, x: Value, factor: number): Value {
  const d = new Lanes(code, "f64x2");
  const { scale, rest } = reducedDouble(code, d.bind(d.mul(x, factor * Math.LOG2E)), EXP2);
  return d.add(d.sub(scale, 1), d.mul(scale, rest));
}

/** In doubles: 2^n - 1 is exact, and 0 where the result is small. Its sign is that of x, also at -0. */
export const expm1: LaneFunction = (code, [x]) => {
  const bits = new Bits(code);
  const halves = doubles(code, new Lanes(code).clamp(x, -104, 89));
  return bits.or(singles(...both(halves, (half) => expm1Double(code, half, 1))), bits.and(x, SIGN));
};

/** e / (e + 2) with e = expm1(2 x), in doubles. */
export const tanh: LaneFunction = (code, [x]) => {
  const bits = new Bits(code);
  const d = new Lanes(code, "f64x2");
  const halves = doubles(code, new Lanes(code).clamp(x, -10, 10));
  const ratios = both(halves, (half) => {
    const e = d.bind(expm1Double(code, half, 2));
    return d.div(e, d.add(e, 2));
  });
  return bits.or(singles(...ratios), bits.and(x, SIGN));
};
