import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  distributionFocalLoss,
  gaussianFocalLoss,
  grad,
  qualityFocalLoss,
  sigmoidFocalLoss,
  sum,
  type Tensor,
  tensor,
  useDevice,
  varifocalLoss,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { isSampled } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkGradients, checkProperty } from "../support/property.ts";
import golden from "./golden/torchvision.json" with { type: "json" };
import { allClose } from "./support.ts";

const each = { reduction: "none" } as const;

await useDevice("float64");

test("sigmoidFocalLoss and its gradients are those of torchvision [float64]", async () => {
  const { logits, cases } = golden.focalLosses;
  for (const { alpha, gamma, target, values, gradient, gradientByTarget } of cases) {
    const x = tensor(logits);
    const t = tensor(logits.map(() => target));
    const losses = sigmoidFocalLoss(x, t, { alpha, gamma, ...each });
    const [byLogits, byTargets] = grad(sum(losses), [x, t]);
    await bring([losses, byLogits, byTargets]);
    const what = `alpha ${alpha}, gamma ${gamma}, target ${target}`;
    const tolerance = { relative: 1e-9, scale: 1e-5 };
    allClose(losses.value!, values, tolerance, what);
    allClose(byLogits.value!, gradient, tolerance, `${what}, by logits`);
    allClose(byTargets.value!, gradientByTarget, tolerance, `${what}, by targets`);
  }
});

/** The logarithms of the probability and of its complement. */
const logs = (x: number) => [-Math.log1p(Math.exp(-x)), -x - Math.log1p(Math.exp(-x))];
const probability = (x: number) => 1 / (1 + Math.exp(-x));

/** How the functions are called, and what they are by their papers, for one logit and one target. */
const functions: Record<string, {
  readonly loss: (x: Tensor, t: Tensor, exponents: readonly number[]) => Tensor;
  readonly plain: (x: number, t: number, exponents: readonly number[]) => number;
}> = {
  sigmoidFocalLoss: {
    loss: (x, t, [gamma]) => sigmoidFocalLoss(x, t, { alpha: 0.25, gamma, ...each }),
    plain: (x, t, [gamma]) => {
      const p = probability(x);
      const right = p * t + (1 - p) * (1 - t);
      return -(0.25 * t + 0.75 * (1 - t)) * (1 - right) ** gamma * (t * logs(x)[0] + (1 - t) * logs(x)[1]);
    },
  },
  qualityFocalLoss: {
    loss: (x, t, [beta]) => qualityFocalLoss(x, t, { beta, ...each }),
    plain: (x, t, [beta]) => -(Math.abs(t - probability(x)) ** beta) * ((1 - t) * logs(x)[1] + t * logs(x)[0]),
  },
  varifocalLoss: {
    loss: (x, t, [gamma]) => varifocalLoss(x, t, { alpha: 0.75, gamma, ...each }),
    plain: (x, t, [gamma]) =>
      t > 0 ? -t * (t * logs(x)[0] + (1 - t) * logs(x)[1]) : -0.75 * probability(x) ** gamma * logs(x)[1],
  },
  gaussianFocalLoss: {
    loss: (x, t, [alpha, beta]) => gaussianFocalLoss(x, t, { alpha, beta, ...each }),
    plain: (x, t, [alpha, beta]) => {
      const p = probability(x);
      return t === 1 ? -((1 - p) ** alpha) * logs(x)[0] : -((1 - t) ** beta) * p ** alpha * logs(x)[1];
    },
  },
};

const logit = fc.double({ min: -8, max: 8, noNaN: true });
const target = fc.oneof(fc.constantFrom(0, 1, 0.5), fc.integer({ min: 0, max: 1024 }).map((k) => k / 1024));
const some = { minLength: 5, maxLength: 5 };

for (const { device, on, extent } of await devicesUnderTest()) {
  const tolerance = device === "float64" ? { relative: 1e-11, scale: 1 } : { relative: 2e-5, scale: 1 };

  test(...on("focal losses are their papers' formulas"), async () => {
    const exponents = fc.constantFrom([2, 4], [1, 1], [0, 2], [0.5, 3]);
    await checkProperty(fc.tuple(fc.array(logit, some), fc.array(target, some), exponents), async ([x, t, powers]) => {
      const losses = Object.values(functions).map(({ loss }) => loss(tensor(x), tensor(t), powers));
      await bring(losses, { device });
      Object.entries(functions).forEach(([name, { plain }], i) => {
        const expected = x.map((logit, k) => plain(logit, t[k], powers));
        allClose(losses[i].value!, expected, tolerance, `${name}, exponents ${powers}`);
      });
    }, { runs: 20, extent });
  });

  test(...on("distributionFocalLoss is its paper's formula"), async () => {
    const bins = fc.array(fc.array(logit, some), { minLength: 3, maxLength: 3 });
    const numbers = fc.array(fc.oneof(fc.integer({ min: 0, max: 4 }), fc.double({ min: 0, max: 4, noNaN: true })), {
      minLength: 3,
      maxLength: 3,
    });
    await checkProperty(fc.tuple(bins, numbers), async ([logits, y]) => {
      const losses = distributionFocalLoss(tensor(logits), tensor(y), each);
      const expected = logits.map((row, i) => {
        const total = row.reduce((s, x) => s + Math.exp(x), 0);
        const low = Math.min(Math.floor(y[i]), 3);
        return -((low + 1 - y[i]) * Math.log(Math.exp(row[low]) / total) +
          (y[i] - low) * Math.log(Math.exp(row[low + 1]) / total));
      });
      allClose(await losses.data({ device }), expected, tolerance, `targets ${y}`);
    }, { runs: 20, extent });
  });

  test(...on("focal losses and gradients stay finite where probabilities round to 0 and 1"), async () => {
    const x = tensor([-2000, -120, -20, 20, 120, 2000, -2000, -120, -20, 20, 120, 2000]);
    const t = tensor([...Array(6).fill(0), ...Array(6).fill(1)]);
    // All raise to powers in the same way; GPUs take long to compile each.
    const some = Object.entries(functions).slice(0, isSampled(extent) ? 1 : undefined);
    const losses = some.map(([, { loss }]) => loss(x, t, [0.5, 0.5]));
    const gradients = losses.map((loss) => grad(sum(loss), x));
    await bring([...losses, ...gradients], { device });
    some.forEach(([name], i) => {
      for (const { value } of [losses[i], gradients[i]]) assert.ok(value!.every(Number.isFinite), `${name}: ${value}`);
      // A confident mistake costs as much as the logit says, times the weight.
      assert.ok([5, 6].every((k) => losses[i].value![k] > 100 && losses[i].value![k] <= 2000), name);
    });
  });
}

/** Logits as inputs of a check, and targets with ties and kinks as its context. */
const inputs = fc.tuple(fc.array(fc.oneof(fc.constant(0), logit), some), fc.array(target, some))
  .map(([x, t]) => ({ inputs: [{ shape: [5], values: x }], context: t }));

for (const [name, { loss }] of Object.entries(functions)) {
  test(`derivatives of ${name} to the second order are right [float64]`, async () => {
    for (const exponents of [[2, 4], [1.5, 1]]) {
      const bound = (x: Tensor, t: number[]) => loss(x, tensor(t), exponents);
      await checkGradients(bound, inputs, { runs: 2, order: 2, mode: "fast", name });
    }
  });
}

test("derivatives of distributionFocalLoss to the second order are right, by targets too [float64]", async () => {
  const drawn = fc.tuple(
    fc.array(logit, some),
    fc.oneof(fc.constantFrom(1, 2), fc.double({ min: 0.1, max: 3.9, noNaN: true })),
  )
    .map(([x, y]) => [{ shape: [1, 5], values: x }, { shape: [1], values: [y] }]);
  await checkGradients(distributionFocalLoss, drawn, { runs: 3, order: 2, mode: "fast" });
});

test("targets may be booleans, whole numbers or float, and are broadcast [float64]", async () => {
  const x = tensor([[-1, 2], [0.5, 3]]);
  const expected = await sigmoidFocalLoss(x, tensor([[1, 0], [1, 0]])).item();
  assert.equal(await sigmoidFocalLoss(x, [true, false]).item(), expected);
  assert.equal(await sigmoidFocalLoss(x, new Int32Array([1, 0])).item(), expected);
});
