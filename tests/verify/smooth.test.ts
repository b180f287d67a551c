/** The part of an expansion that is a smooth function, and the part that is rounding or the steps that rounding leaves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodesOf, slopeAt, valueAt } from "../../verify/differences/chebyshev.ts";
import { expansionOf, smoothButForSteps, smoothOf } from "../../verify/differences/smooth.ts";
import { randomFrom } from "../../verify/random.ts";
import { checkProperty } from "../support/property.ts";

const POINTS = 512;
/** Polynomials by their coefficients in Chebyshev polynomials, which fall. */
const curves = fc.array(fc.integer({ min: -64, max: 64 }), { minLength: 1, maxLength: 6 })
  .map((list) => Float64Array.from(list, (c, k) => c / 8 ** k));
const curveAt = (curve: Float64Array, x: number) => valueAt(curve, curve.length - 1, x);
const drawn = fc.record({
  curve: curves,
  seed: fc.nat(1e6),
  size: fc.integer({ min: -8, max: 0 }).map((n) => 10 ** n),
});

test("a curve under rounding is smooth, and its coefficients are known to within their uncertainty [float64]", async () => {
  let rejected = 0, all = 0;
  await checkProperty(drawn, ({ curve, seed, size }) => {
    const random = randomFrom(seed);
    const values = nodesOf(POINTS).map((x) => curveAt(curve, x) + size * (2 * random() - 1));
    const smooth = smoothOf(expansionOf(values, 0));
    all++;
    if (!smooth) {
      rejected++;
      return;
    }
    assert.ok(smooth.deviation > size / 3 && smooth.deviation < size, `${smooth.deviation} of ${size}`);
    assert.ok(smooth.degree < curve.length + 5);
    smooth.coefficients.forEach((c, k) => {
      const off = Math.abs(c - (curve[k] ?? 0));
      assert.ok(off <= 6 * smooth.uncertainty, `${off} of ${smooth.uncertainty}`);
    });
  });
  // Rounding looks rough by chance.
  assert.ok(rejected <= 3 + all / 10, `${rejected} of ${all} were rejected`);
});

test("a curve with steps is smooth but for these, which bound what they add to its slope [float64]", async () => {
  await checkProperty(drawn, ({ curve, seed, size }) => {
    const random = randomFrom(seed);
    const steps = Array.from({ length: 4 }, () => ({ at: 2 * random() - 1, by: size * (2 * random() - 1) }));
    const stepsAt = (x: number) => steps.reduce((sum, { at, by }) => sum + (x > at ? by : 0), 0);
    const small = Math.max(...steps.map(({ by }) => Math.abs(by))) / 64;
    const values = nodesOf(POINTS).map((x) => curveAt(curve, x) + stepsAt(x) + small * (2 * random() - 1));
    const expansion = expansionOf(values, 0);
    assert.equal(smoothOf(expansion), null);
    const smooth = smoothButForSteps(expansion, 8 * size);
    // Where steps are as large as the curve, they may hide it.
    if (!smooth) return;
    const last = smooth.degree | 1;
    const slope = slopeAt(smooth.coefficients, last, 0);
    const off = Math.abs(slope - (curve.length > 1 ? slopeAt(curve, curve.length - 1, 0) : 0));
    const most = 2 * ((last + 3) / 2) * smooth.steps + 64 * last * smooth.uncertainty;
    assert.ok(off <= most, `${off} of ${most}`);
    assert.equal(smoothButForSteps(expansion, smooth.steps / 2), null);
  });
});

test("a kink, a jump and an oscillation are not smooth [float64]", () => {
  const rough: readonly ((x: number) => number)[] = [
    (x) => Math.abs(x - 0.1),
    (x) => Math.sign(x + 0.2),
    (x) => Math.sin(40 * x),
    (x) => Math.abs(x) * x,
  ];
  for (const f of rough) {
    const expansion = expansionOf(nodesOf(POINTS).map(f), 1e-12);
    assert.equal(smoothOf(expansion), null);
    assert.equal(smoothButForSteps(expansion, 1e-6), null);
  }
});
