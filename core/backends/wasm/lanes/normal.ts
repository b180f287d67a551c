/** The error function. */
import { Bits, type LaneFunction, Lanes, SIGN } from "./arithmetic.ts";
import { expOfNegative } from "./exponentials.ts";

/** erf(x) / x - 1 in powers of x^2 for x up to 0.93; off by 2^-30. */
const NEAR = [
  0.12837916612625122,
  -0.3761262893676758,
  0.11283625662326813,
  -0.02685573138296604,
  0.005192405078560114,
  -0.0008049769676290452,
  7.996649947017431e-5,
];
/** log(1 - erf(x)) for x from 0.91 to 4, from where on erf is 1; 1 less its exponential is off by 2^-34. */
const FAR = [
  0.00017197457782458514,
  -1.1295018196105957,
  -0.6333735585212708,
  -0.10825061053037643,
  0.025100287050008774,
  -0.004163774661719799,
  0.00043295687646605074,
  -2.0964949726476334e-5,
];
const FROM = 0.92;

/** Near 0 a polynomial, beyond 1 less an exponential of one, as in the article by W. J. Cody that `erf` of the other backends follows. */
export const erf: LaneFunction = (code, [argument]) => {
  const f = new Lanes(code);
  const bits = new Bits(code);
  const x = code.bind(argument);
  const square = f.bind(f.mul(x, x));
  const near = f.add(f.mul(f.polynomial(square, NEAR), x), x);
  const size = f.bind(f.atMost(f.abs(x), 4));
  const far = f.sub(1, expOfNegative(code, [f.bind(f.polynomial(size, FAR))]));
  return bits.select(f.less(size, FROM), near, bits.or(far, bits.and(x, SIGN)));
};
