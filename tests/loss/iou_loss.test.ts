import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { grad, iouLoss, type IouLossKind, sum, type Tensor, tensor, useDevice, zeros } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { isSampled } from "../support/cells.ts";
import { checkGradients, checkProperty } from "../support/property.ts";
import golden from "./golden/torchvision.json" with { type: "json" };
import { pairs, plainBox, plainIouLoss, tiedPairs } from "./pairs.ts";
import { allClose, close, devicesOfLoss } from "./support.ts";

const KINDS: readonly IouLossKind[] = ["iou", "giou", "diou", "ciou", "gatedCiou", "eiou", "siou", "alphaIou"];
const each = { reduction: "none" } as const;

await useDevice("float64");

/** Compares with recorded numbers; `null` is where torchvision is not finite, and gpugrad is. */
function asRecorded(actual: ArrayLike<number>, expected: readonly (number | null)[], what: string): void {
  assert.equal(actual.length, expected.length, what);
  expected.forEach((e, i) => {
    if (e === null) assert.ok(Number.isFinite(actual[i]), `${what}[${i}] is ${actual[i]}`);
    else close(actual[i], e, { relative: 1e-9, scale: 1 }, `${what}[${i}]`);
  });
}

test("values and gradients are those of torchvision [float64]", async () => {
  const all = golden.boxLosses;
  const [a, b] = [tensor(all.flatMap((boxes) => boxes.a)), tensor(all.flatMap((boxes) => boxes.b))];
  for (const kind of ["iou", "giou", "diou", "ciou"] as const) {
    const losses = iouLoss(a, b, { kind, ...each });
    const gradients = grad(sum(losses), [a, b]);
    await bring([losses, ...gradients]);
    let row = 0;
    for (const { name, kinds, ...boxes } of all) {
      const { values, gradA, gradB } = kinds[kind];
      const next = row + boxes.a.length;
      asRecorded(losses.value!.subarray(row, next), values, `${kind} of ${name} boxes`);
      asRecorded(gradients[0].value!.subarray(4 * row, 4 * next), gradA.flat(), `${kind} of ${name} boxes, by a`);
      asRecorded(gradients[1].value!.subarray(4 * row, 4 * next), gradB.flat(), `${kind} of ${name} boxes, by b`);
      row = next;
    }
  }
});

const formats = {
  xyxy: (box: readonly number[]) => [...box],
  xywh: ([x1, y1, x2, y2]: readonly number[]) => [x1, y1, x2 - x1, y2 - y1],
  cxcywh: ([x1, y1, x2, y2]: readonly number[]) => [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1],
};

// SwiftShader takes minutes to compile these gradients on GL; headlessgl runs the same shaders.
for (const { device, on, extent } of await devicesOfLoss()) {
  const tolerance = { relative: device === "float64" ? 1e-11 : 1e-4, scale: 1 };
  const some = { minLength: 6, maxLength: 6 };
  // These have the parts of the others; GPUs take long to compile each.
  const sample = extent === "some" ? ["gatedCiou", "siou"] as const : ["gatedCiou"] as const;

  test(
    ...on("every kind is its paper's formula, finite for points and inverted boxes, and so is its gradient"),
    async () => {
      await checkProperty(
        fc.tuple(fc.array(fc.tuple(plainBox, plainBox), some), fc.array(pairs, some)),
        async (drawn) => {
          const boxes = drawn.flat();
          const [a, b] = [0, 1].map((k) => tensor(boxes.map((pair) => pair[k])));
          for (const kind of isSampled(extent) ? sample : KINDS) {
            const losses = iouLoss(a, b, { kind, ...each });
            const gradients = grad(sum(losses), [a, b]);
            await bring([losses, ...gradients], { device });
            assert.ok([losses, ...gradients].every(({ value }) => value!.every(Number.isFinite)), kind);
            // In single precision, areas of boxes that are inverted or points cancel.
            const compared = device === "float64" ? boxes : drawn[0];
            const expected = compared.map(([p, q]) => plainIouLoss(p, q, kind));
            allClose(losses.value!.subarray(0, compared.length), expected, tolerance, kind);
          }
        },
        { runs: 15, extent },
      );
    },
  );
}

test("boxes are given in any format [float64]", async () => {
  await checkProperty(fc.tuple(fc.constantFrom("xyxy", "xywh", "cxcywh"), pairs), async ([format, [p, q]]) => {
    const loss = iouLoss([formats[format](p)], [formats[format](q)], { kind: "diou", format });
    close(await loss.item(), plainIouLoss(p, q, "diou"), { relative: 1e-11, scale: 1 }, format);
  }, { runs: 20 });
});

/** Two boxes of a kind as the inputs of a check. */
const inputs = tiedPairs.map((pair) => pair.map((both) => both.map((box) => ({ shape: [1, 4], values: box }))));

// The others are parts of these.
for (const [i, kind] of (["giou", "ciou", "gatedCiou", "eiou", "siou", "alphaIou"] as const).entries()) {
  test(
    `derivatives of ${kind} to the second order are right, at kinks and ties as well [float64]`,
    async () => {
      const loss = (a: Tensor, b: Tensor) => iouLoss(a, b, { kind, ...each });
      const how = { runs: 1, mode: "fast", name: kind } as const;
      for (const pair of inputs) await checkGradients(loss, pair, { ...how, order: 1 });
      // The second order takes half a second, so that losses, which have most parts in common, begin with different pairs.
      const next = inputs.map((_, k) => inputs[(k + i) % inputs.length]);
      await checkGradients(loss, fc.oneof(...next), { ...how, order: 2 });
    },
  );
}

test("the exponent of alphaIou is an option, also below 1 [float64]", async () => {
  await checkProperty(fc.tuple(pairs, fc.constantFrom(0.5, 1, 2, 4.5)), async ([[p, q], alpha]) => {
    const a = tensor([p]);
    const loss = iouLoss(a, [q], { kind: "alphaIou", alpha });
    close(await loss.item(), plainIouLoss(p, q, "alphaIou", alpha), { relative: 1e-11, scale: 1 }, `alpha ${alpha}`);
    const second = grad(sum(grad(loss, a)), a, undefined, { allowUnused: true });
    assert.ok([...await second.data()].every(Number.isFinite));
  }, { runs: 20 });
});

test("boxes broadcast, and the mean over no boxes is 0 [float64]", async () => {
  const one = tensor([0, 0, 2, 2]);
  const several = zeros([3, 2, 4]);
  assert.deepEqual(iouLoss(one, several, each).shape, [3, 2]);
  assert.deepEqual(iouLoss(one, one, each).shape, []);
  const none = zeros([0, 4]);
  assert.equal(await iouLoss(none, none).item(), 0);
  assert.deepEqual(iouLoss(none, none, each).shape, [0]);
});

test("NaN shows [float64]", async () => {
  for (const kind of KINDS) {
    assert.ok(Number.isNaN(await iouLoss([[NaN, 0, 1, 1]], [[0, 0, 1, 1]], { kind }).item()), kind);
  }
});
