/** The gamma function's logarithm and its derivatives at arguments where they are known, and at poles. */
import { test } from "node:test";
import { digamma, grad, lgamma, polygamma, sum, type Tensor, tensor } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { assertClose, largestOf } from "./compare.ts";

const EULER = 0.5772156649015329;
const [pi, zeta3, inf] = [Math.PI, 1.2020569031595942, Infinity];
const wholes = [0, -1, -2, -100];

/** Values by their arguments. */
const known: Record<string, { f: (x: Tensor) => Tensor; at: number[]; expected: number[] }> = {
  lgamma: {
    f: lgamma,
    at: [0.5, 1, 2, 3, 10, -0.5, -1.5, ...wholes, inf, -inf, NaN],
    expected: [
      Math.log(pi) / 2,
      0,
      0,
      Math.LN2,
      Math.log(362880),
      Math.log(2 * Math.sqrt(pi)),
      Math.log((4 / 3) * Math.sqrt(pi)),
      ...wholes.map(() => inf),
      inf,
      inf,
      NaN,
    ],
  },
  digamma: {
    f: digamma,
    at: [0.5, 1, 2, 3, -0.5, inf],
    expected: [-EULER - 2 * Math.LN2, -EULER, 1 - EULER, 1.5 - EULER, 2 - EULER - 2 * Math.LN2, inf],
  },
  "polygamma of order 1": {
    f: (x) => polygamma(1, x),
    at: [0.5, 1, 2, -0.5, inf],
    expected: [pi ** 2 / 2, pi ** 2 / 6, pi ** 2 / 6 - 1, pi ** 2 / 2 + 4, 0],
  },
  "polygamma of order 2": {
    f: (x) => polygamma(2, x),
    at: [1, 0.5, -0.5],
    expected: [-2 * zeta3, -14 * zeta3, -14 * zeta3 + 16],
  },
  "polygamma of order 3": {
    f: (x) => polygamma(3, x),
    at: [1, 0.5, -0.5],
    expected: [pi ** 4 / 15, pi ** 4, pi ** 4 + 96],
  },
  "the third derivative of lgamma": {
    f: (x) => [1, 2, 3].reduce((y) => grad(sum(y), x), lgamma(x)),
    at: [1, 0.5, -0.5],
    expected: [-2 * zeta3, -14 * zeta3, -14 * zeta3 + 16],
  },
};

for (const { device, on, single } of await devicesUnderTest()) {
  test(...on("lgamma, digamma and polygamma have the values that are known, and their poles"), async () => {
    const results = Object.values(known).map(({ f, at }) => f(tensor(at)));
    await bring(results, { device });
    Object.entries(known).forEach(([name, { expected }], i) => {
      // Below 0, numbers as large as the largest here cancel.
      const largest = Math.max(1, largestOf(expected.filter(Number.isFinite)));
      assertClose(results[i].value!, expected, () => (single ? 1e-6 : 1e-14) * largest, name);
    });
  });
}
