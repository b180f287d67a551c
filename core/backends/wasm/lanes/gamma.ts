/** The logarithm of the gamma function. */
import { type Code, f64x2, i32, i32x4, op, type Value } from "../code.ts";
import { LGAMMA_NEAR, STIRLING } from "../../functions.ts";
import { anyTrue, Bits, both, doubles, type LaneFunction, Lanes, singles } from "./arithmetic.ts";

const WHOLE_DOUBLE = 1.5 * 2 ** 52;
const TWO_THIRDS = 2 / 3;
/** The bits of the exponent of a double, in two words. */
const EXPONENT = i32x4(0, -1 << 20, 0, -1 << 20);

/** log(m) / s in powers of s^2, where s = (m - 1) / (m + 1), for m from 2/3 to 4/3; off by 2^-52. */
const LOG = [
  1.9999999999999998,
  0.6666666666671213,
  0.3999999998353443,
  0.2857143106851052,
  0.22222029409797162,
  0.18190059581021653,
  0.15187269703601988,
  0.1579133212478863,
];
/** sin(pi a) / a in powers of a^2 for a up to 1/2; off by 2^-50. */
const SINE = [
  3.1415926535897913,
  -5.167712780049271,
  2.550164039832896,
  -0.5992645281873891,
  0.08214587189761577,
  -0.0073703249653428084,
  0.00046587452841525634,
  -2.100634506933536e-05,
];

/** The logarithm of positive doubles. */
function log(code: Code, x: Value): Value {
  const d = new Lanes(code, "f64x2");
  const above = code.bind(op("i64x2.sub", x, code.keep(f64x2(TWO_THIRDS))));
  const exponent = op("i64x2.add", op("i64x2.shr_s", above, i32(52)), code.keep(f64x2(WHOLE_DOUBLE)));
  const near = code.bind(op("i64x2.sub", x, op("v128.and", above, code.keep(EXPONENT))));
  const s = d.bind(d.div(d.sub(near, 1), d.add(near, 1)));
  const rest = d.mul(d.polynomial(d.bind(d.mul(s, s)), LOG), s);
  return d.add(d.mul(d.sub(exponent, WHOLE_DOUBLE), Math.LN2), rest);
}

/** log(gamma(y)) of doubles above 0. As in `functions.ts`, but with one logarithm. */
function positive(code: Code, y: Value): Value {
  const d = new Lanes(code, "f64x2");
  const bits = new Bits(code);
  const from = 8;
  const inside = d.bind(d.atMost(y, from));
  const n = d.bind(d.floor(d.add(inside, 0.5)));
  const t = d.bind(d.sub(inside, n));
  let product = d.number(1);
  for (let k = 2; k < from; k++) {
    product = d.bind(d.mul(product, bits.select(d.greater(n, k), d.add(t, k), d.number(1))));
  }
  // Below 1.5 gamma is that of a larger number divided by y, below 0.5 also by 1 + y.
  const isBelow = d.bind(d.less(n, 2));
  const divisor = d.mul(bits.select(d.less(n, 1), d.add(y, 1), d.number(1)), y);
  const isFar = d.bind(d.atLeast(y, from));
  const z = d.bind(d.notBelow(y, from));
  const logged = d.bind(log(code, bits.select(isFar, z, bits.select(isBelow, divisor, product))));
  const near = d.add(
    d.mul(d.polynomial(t, LGAMMA_NEAR.toReversed()), t),
    bits.select(isBelow, d.neg(logged), logged),
  );
  const over = d.bind(d.div(1, z));
  const series = d.mul(d.polynomial(d.bind(d.mul(over, over)), STIRLING.toReversed()), over);
  const main = d.mul(d.sub(z, 0.5), d.sub(logged, 1));
  return bits.select(isFar, d.add(main, d.add(series, Math.log(2 * Math.PI) / 2 - 0.5)), near);
}

/** Below 0 by reflection: gamma(x) gamma(1 - x) = pi / sin(pi x). In doubles, since that cancels next to the zeros. */
export const lgamma: LaneFunction = (code, [argument]) => {
  const f = new Lanes(code);
  const d = new Lanes(code, "f64x2");
  const bits = new Bits(code);
  const x = code.bind(argument);
  const halves = doubles(code, x);
  const sizes = both(halves, (x) => code.bind(bits.select(d.less(x, 0), d.sub(1, x), x)));
  const values = both(sizes, (y) => code.variable("v128", positive(code, y)));
  const isNegative = code.bind(f.less(x, 0));
  code.if(anyTrue(isNegative), () =>
    both(halves, (x, which) => {
      const away = d.bind(d.sub(x, op("f64x2.nearest", x)));
      const sine = d.abs(d.mul(d.polynomial(d.bind(d.mul(away, away)), SINE), away));
      const reflected = d.sub(d.sub(Math.log(Math.PI), log(code, d.bind(sine))), values[which]);
      code.set(values[which], bits.select(d.less(x, 0), reflected, values[which]));
    }));
  // 0 and negative whole numbers, among them all that are large.
  const isPole = bits.and(f.equal(f.floor(x), x), f.atLeast(0, x));
  const value = bits.select(isPole, f.number(Infinity), singles(...values));
  const size = f.bind(f.abs(x));
  return bits.select(f.less(size, Infinity), value, size);
};
