import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dice, grad, lovaszHinge, sum, type Tensor, tensor, tversky, useDevice, zeros } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkGradients, checkProperty } from "../support/property.ts";
import { allClose, close } from "./support.ts";

const each = { reduction: "none" } as const;
const PIXELS = 6;

await useDevice("float64");

/** The area under the Jaccard loss of the errors above a threshold, as the paper defines the Lovász extension. */
function plainLovasz(logits: readonly number[], inside: readonly boolean[]): number {
  const errors = logits.map((x, i) => Math.max(0, 1 - (inside[i] ? x : -x)));
  const levels = [...new Set([0, ...errors])].sort((a, b) => a - b);
  let area = 0;
  for (let k = 1; k < levels.length; k++) {
    // The pixels that are wrong at any threshold between these two levels.
    const wrong = errors.map((e) => e >= levels[k]);
    const intersection = inside.filter((in_, i) => in_ && !wrong[i]).length;
    const union = inside.filter((in_, i) => in_ || wrong[i]).length;
    area += (levels[k] - levels[k - 1]) * (1 - intersection / union);
  }
  return area;
}

function plainTversky(
  p: readonly number[],
  t: readonly number[],
  { alpha, beta, smooth }: { alpha: number; beta: number; smooth: number },
): number {
  let [hit, falsePositive, falseNegative] = [0, 0, 0];
  p.forEach((x, i) => {
    hit += x * t[i];
    falsePositive += x * (1 - t[i]);
    falseNegative += (1 - x) * t[i];
  });
  return 1 - (hit + smooth) / (hit + alpha * falsePositive + beta * falseNegative + smooth);
}

function plainDice(p: readonly number[], t: readonly number[], smooth: number, power: number): number {
  const total = (values: readonly number[]) => values.reduce((s, x) => s + x ** power, 0);
  return 1 - (2 * p.reduce((s, x, i) => s + x * t[i], 0) + smooth) / (total(p) + total(t) + smooth);
}

const row = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: PIXELS, maxLength: PIXELS });
/** Two rows: masks, some empty. */
const masks = <T>(each: fc.Arbitrary<T>) => fc.array(row(each), { minLength: 2, maxLength: 2 });
// Halves, so that errors tie and lie on the hinge.
const logit = fc.oneof(fc.integer({ min: -6, max: 6 }).map((k) => k / 2), fc.double({ min: -3, max: 3, noNaN: true }));
const inside = fc.oneof(masks(fc.boolean()), masks(fc.constant(false)), masks(fc.constant(true)));
const probability = fc.integer({ min: 0, max: 64 }).map((k) => k / 64);

for (const { device, on, extent } of await devicesUnderTest()) {
  const tolerance = { relative: device === "float64" ? 1e-12 : 1e-5, scale: 1 };

  test(...on("losses of masks are their papers' formulas"), async () => {
    await checkProperty(fc.tuple(masks(probability), inside, masks(logit)), async ([p, t, x]) => {
      const whole = t.map((mask) => mask.map(Number));
      const losses = [
        dice(tensor(p), tensor(whole), { smooth: 0.5, ...each }),
        dice(tensor(p), tensor(t), { squared: true, ...each }),
        tversky(tensor(p), tensor(t), { alpha: 0.25, beta: 0.75, smooth: 2, ...each }),
        lovaszHinge(tensor(x), tensor(t), each),
      ];
      await bring(losses, { device });
      const expected = [
        p.map((mask, i) => plainDice(mask, whole[i], 0.5, 1)),
        p.map((mask, i) => plainDice(mask, whole[i], 1, 2)),
        p.map((mask, i) => plainTversky(mask, whole[i], { alpha: 0.25, beta: 0.75, smooth: 2 })),
        x.map((mask, i) => plainLovasz(mask, t[i])),
      ];
      const names = ["dice", "dice, squared", "tversky", "lovaszHinge"];
      losses.forEach(({ value }, i) => allClose(value!, expected[i], tolerance, names[i]));
    }, { runs: 30, extent });
  });
}

test("axes say what makes up a mask [float64]", async () => {
  const rows = [[[1, 0.5], [0, 1]], [[0, 1], [1, 0.25]]];
  const [p, t] = [tensor(rows), tensor([[[1, 0], [1, 1]], [[0, 0], [1, 1]]])];
  for (const loss of [dice, tversky, lovaszHinge]) {
    assert.deepEqual(loss(p, t, each).shape, [2]);
    assert.deepEqual(loss(p, t, { axis: [0, 2], ...each }).shape, [2]);
    // The middle one of three axes.
    const apart = loss(p, t, { axis: 1, ...each });
    assert.deepEqual(apart.shape, [2, 2]);
    const single = loss(tensor([0.5, 1]), tensor([0, 1])); // the last mask of the first row
    close((await apart.data())[1], await single.item(), 1e-12, loss.name);
    close(await loss(p, t).item(), [...await loss(p, t, each).data()].reduce((s, x) => s + x / 2, 0), 1e-12, "mean");
  }
});

/** Predictions as inputs of a check, masks as its context. */
const checked = (values: fc.Arbitrary<number[][]>) =>
  fc.tuple(values, inside).map(([x, t]) => ({ inputs: [{ shape: [2, PIXELS], values: x.flat() }], context: t }));

for (
  const [name, loss, values] of [
    ["dice", (x: Tensor, t: boolean[][]) => dice(x, t, { squared: true, ...each }), masks(probability)],
    ["tversky", (x: Tensor, t: boolean[][]) => tversky(x, t, each), masks(probability)],
    ["lovaszHinge", (x: Tensor, t: boolean[][]) => lovaszHinge(x, t, each), masks(logit)],
  ] as const
) {
  test(`derivatives of ${name} to the second order are right, at kinks and ties as well [float64]`, async () => {
    await checkGradients(loss, checked(values), { runs: 2, order: 2, mode: "fast", name });
  });
}

test("dice and tversky of empty masks are 0 and differentiable [float64]", async () => {
  for (const loss of [dice, tversky]) {
    const p = zeros([1, 4]);
    assert.equal(await loss(p, zeros([1, 4])).item(), 0);
    assert.ok([...await grad(sum(loss(p, zeros([1, 4]))), p).data()].every(Number.isFinite));
  }
});
