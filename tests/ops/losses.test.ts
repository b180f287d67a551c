/** Losses with their options, compared with PyTorch, whose numbers golden/losses.py wrote down, and at their edges. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  dice,
  gaussianFocalLoss,
  grad,
  huber,
  inspect,
  iouLoss,
  logSumExp,
  lovaszHinge,
  mul,
  qualityFocalLoss,
  sigmoidFocalLoss,
  smoothL1,
  stack,
  sum,
  type Tensor,
  tensor,
  tversky,
  varifocalLoss,
  zeros,
} from "../../mod.ts";
import { broadcastableShapes } from "../../verify/mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { isSampled, sampleOf } from "../support/cells.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose, largestOf } from "./compare.ts";
import golden from "./golden/losses.json" with { type: "json" };
import type { Plain } from "./reference.ts";

type Loss = (a: Tensor, b: Tensor, options: object) => Tensor;

const losses: Record<string, Loss> = { binaryCrossEntropyWithLogits, crossEntropy, huber, smoothL1 };

const read = ({ shape, data }: Plain, dtype: "float" | "int" = "float") => tensor([...data], shape, { dtype });

for (const { device, on, single, gpu, extent } of await devicesUnderTest()) {
  for (const [name, loss] of Object.entries(losses)) {
    const all = golden.cases.filter((each) => each.loss === name);
    // A plan of all options at once takes the drivers that stand in for GPUs in browsers minutes.
    const cases = gpu && isSampled(extent) ? all.slice(0, 1) : sampleOf(extent, all);
    test(...on(`${name} with its options is PyTorch's, values and gradients`), async () => {
      assert.ok(cases.length > 0);
      for (const { inputs, options, cotangent, value, gradients } of cases) {
        const labels = name === "crossEntropy" ? "int" : "float";
        const [a, b] = [read(inputs[0]), read(inputs[1], labels)];
        const y = loss(a, b, options);
        const found = grad(y, labels === "int" ? [a] : [a, b], read(cotangent));
        await bring([y, ...found], { device });
        [value, ...gradients].forEach((expected, i) => {
          const t = [y, ...found][i];
          assert.deepEqual(t.shape, expected.shape);
          const allowed = (single ? 1e-5 : 1e-13) * Math.max(1, largestOf(expected.data));
          assertClose(t.value!, expected.data, () => allowed, `${name} ${JSON.stringify(options)}, result ${i}`);
        });
      }
    });
  }
}

test("elements that are ignored have no loss and no gradient, whatever their logits are [float64]", async () => {
  const device = "float64";
  const x = tensor([[NaN, Infinity], [0, 0], [1, -Infinity]]);
  for (const reduction of ["mean", "sum"] as const) {
    for (const labelSmoothing of [0, 0.5]) {
      const y = crossEntropy(x, [-7, 1, -7], { ignoreIndex: -7, reduction, labelSmoothing });
      const slope = grad(y, x);
      await bring([y, slope], { device });
      assertClose(y.value!, [Math.LN2], () => 1e-15, "the loss");
      const toward = (1 - labelSmoothing) / 2;
      assertClose(slope.value!, [0, 0, toward, -toward, 0, 0], () => 1e-15, "the gradient");
    }
  }
  const none = crossEntropy(tensor([[1, 2]]), [5], { ignoreIndex: 5 });
  assert.equal(await none.item({ device }), NaN);
  assert.equal(await crossEntropy(tensor([[1, 2]]), [5], { ignoreIndex: 5, reduction: "sum" }).item({ device }), 0);
});

test("weights of losses are tensors, and have gradients [float64]", async () => {
  const device = "float64";
  const w = tensor([2, 4]);
  const y = crossEntropy(tensor([[0, 0], [0, 0], [0, 0]]), [0, 1, 1], { weight: w, reduction: "sum" });
  const slope = grad(mul(y, 1 / Math.LN2), w);
  assertClose(await slope.data({ device }), [1, 2], () => 1e-15, "the gradient with respect to the weights");
});

/** Losses of predictions and targets that broadcast, by what they are called with. */
const paired: Record<string, (a: Tensor, b: Tensor) => Tensor> = {
  smoothL1: (a, b) => smoothL1(a, b, { reduction: "none" }),
  huber: (a, b) => huber(a, b, { reduction: "none" }),
  binaryCrossEntropyWithLogits: (a, b) => binaryCrossEntropyWithLogits(a, b, { reduction: "none" }),
  sigmoidFocalLoss: (a, b) => sigmoidFocalLoss(a, b, { reduction: "none" }),
  gaussianFocalLoss: (a, b) => gaussianFocalLoss(a, b, { reduction: "none" }),
  qualityFocalLoss: (a, b) => qualityFocalLoss(a, b, { reduction: "none" }),
  varifocalLoss: (a, b) => varifocalLoss(a, b, { reduction: "none" }),
  dice,
  tversky,
  lovaszHinge,
  iouLoss: (a, b) => iouLoss(stack([a, a, a, a], -1), stack([b, b, b, b], -1), { reduction: "none" }),
};

test("predictions and targets of other ranks never pair each with each unnoticed [float64]", async () => {
  const shapes = broadcastableShapes(2, { minAxis: 1, maxAxis: 3, maxRank: 3, minRank: 1 });
  await checkProperty(shapes, ([a, b]) => {
    const rank = Math.max(a.length, b.length);
    const axes = Array.from({ length: rank }, (_, i) => [a, b].map((s) => s[s.length - rank + i] ?? 1));
    const lower = a.length < b.length ? 0 : 1;
    const each = a.length !== b.length && axes.some((sizes) => sizes[lower] > sizes[1 - lower]);
    for (const [name, loss] of Object.entries(paired)) {
      const call = () => loss(zeros([...a]), zeros([...b]));
      if (each) assert.throws(call, /of as many axes, or of one shape that the other broadcasts to/, name);
      else call();
    }
  });
});

test("the gradient of a smoothed cross-entropy computes one exponential for each element", async () => {
  const logits = zeros([8, 81, 8732]);
  const loss = crossEntropy(logits, zeros([8, 8732], { dtype: "int" }), { axis: 1, labelSmoothing: 0.1 });
  const { steps } = await inspect(grad(loss, [logits]), { device: "float64" });
  const { loops } = steps.find(({ shape }) => shape.length === 3)!;
  assert.equal(loops.match(/exp\(/g)?.length, 1, loops);
});

test("minus infinities alone pass no gradient on through a log-sum-exp, and NaN through a cross-entropy", async () => {
  const x = tensor([[-Infinity, -Infinity], [0, 0]]);
  const [through] = grad(sum(logSumExp(x, 1)), [x]);
  assert.deepEqual(await through.toArray(), [[0, 0], [0.5, 0.5]]);
  const [crossed] = grad(crossEntropy(x, tensor([0, 0], undefined, { dtype: "int" }), { reduction: "sum" }), [x]);
  assert.deepEqual(await crossed.toArray(), [[NaN, NaN], [-0.5, 0.5]]);
});
