import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { broadcastShapes } from "../../core/shape.ts";
import { DefaultBoxes, SSDLoss, zeros } from "../../mod.ts";
import {
  broadcastableShapes,
  defaultBoxLayouts,
  detectionScenes,
  drawFrom,
  indices,
  permutations,
  shapes,
  tensors,
} from "../../verify/mod.ts";
import { checkProperty } from "../support/property.ts";

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
/** Asserts that a predicate holds for some generated values. */
const some = <T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => boolean) =>
  assert.ok(fc.sample(arbitrary, { numRuns: 300, seed: 1 }).some(holds));

test("shapes keep their bounds; axes of 0 and 1 are among them", async () => {
  await checkProperty(shapes({ minRank: 1, maxRank: 2, minAxis: 1, maxAxis: 4 }), (shape) => {
    assert.ok(shape.length >= 1 && shape.length <= 2 && shape.every((n) => n >= 1 && n <= 4));
  });
  await checkProperty(shapes({ minRank: 6, maxRank: 6, minAxis: 7, maxAxis: 7 }), (shape) => {
    assert.deepEqual(shape, [7, 7, 7, 7, 7, 7]);
  });
  for (const n of [0, 1, 5]) some(shapes(), (shape) => shape.includes(n));
  some(shapes(), (shape) => shape.length === 0);
});

test("broadcastable shapes broadcast, and are not all equal", async () => {
  await checkProperty(broadcastableShapes(3), (list) => {
    assert.equal(list.length, 3);
    assert.ok(broadcastShapes(list));
  });
  some(broadcastableShapes(2), ([a, b]) => a.length !== b.length);
  some(broadcastableShapes(2), ([a, b]) => a.length === b.length && a.some((n, i) => n === 1 && b[i] > 1));
});

test("tensors stay within their domain, and are exact in float32", async () => {
  const domain = { min: -1, max: 4, avoid: [0, 2], clearance: 0.1 };
  await checkProperty(tensors(broadcastableShapes(2), domain), (list) => {
    for (const { shape, values, dtype } of list) {
      assert.equal(values.length, sizeOf(shape));
      assert.equal(dtype, "float");
      for (const x of Array.from(values)) {
        assert.ok(x >= -1 && x <= 4 && Math.abs(x) >= 0.1 && Math.abs(x - 2) >= 0.1 && Math.fround(x) === x, String(x));
      }
    }
  });
  // More elements than are drawn one by one.
  await checkProperty(tensors([[7, 9]], domain), ([{ values }]) => {
    assert.ok(Array.from(values).every((x) => x >= -1 && x <= 4 && Math.abs(x) >= 0.1 && Math.abs(x - 2) >= 0.1));
  });
});

test("distinct values keep a distance from each other, across all tensors", async () => {
  for (const shape of [[3], [5, 20]]) {
    await checkProperty(tensors([shape, shape], { distinct: true, min: 0, max: 1 }), (list) => {
      const all = list.flatMap(({ values }) => Array.from(values)).sort((a, b) => a - b);
      for (let i = 1; i < all.length; i++) assert.ok(all[i] - all[i - 1] > 1 / (16 * Math.max(32, all.length)));
    }, { runs: 30 });
  }
  assert.throws(
    () => fc.sample(tensors([[9]], { distinct: true, dtype: "int", min: 0, max: 3 })),
    /no 9 distinct values/,
  );
});

test("tensors accept a domain each, and other dtypes", async () => {
  const mixed = tensors([[2], [3], [2]], [{ min: 5, max: 6 }, { dtype: "int", min: 0, max: 3 }, { dtype: "bool" }]);
  await checkProperty(mixed, ([a, b, c]) => {
    assert.ok(Array.from(a.values).every((x) => x >= 5 && x <= 6));
    assert.ok(Array.from(b.values).every((x) => [0, 1, 2, 3].includes(x)));
    assert.ok(Array.from(c.values).every((x) => [0, 1].includes(x)));
    assert.deepEqual([a.dtype, b.dtype, c.dtype], ["float", "int", "bool"]);
  });
  assert.throws(() => tensors([[1]], { min: 2, max: 1 }), /expected min <= max, got 2 and 1/);
  assert.throws(
    () => tensors([[1]], { min: -1, max: 1, avoid: [0, 1], clearance: 2 }),
    /nothing to draw: no float between -1 and 1 is at least 2 away from 0, 1/,
  );
  assert.throws(() => tensors([[1]], { dtype: "int", min: 0.2, max: 0.8 }), /no int between 0.2 and 0.8/);
  assert.throws(() => indices([2], 0), /expected below to be a whole number from 1 to 16777216, got 0/);
  assert.throws(() => fc.sample(tensors([[1], [2]], [{}])), /options for each of the 2 tensors, got 1/);
});

test("a domain of few values is drawn without delay", async () => {
  const narrow = { min: -1, max: 1, avoid: [-1, 1], clearance: 0.9999 };
  await checkProperty(tensors([[40]], narrow), ([{ values }]) => {
    assert.ok(Array.from(values).every((x) => Math.abs(x) <= 2e-4));
  }, { runs: 20 });
});

test("tensors shrink to one simple number", () => {
  const any = tensors(shapes().map((shape) => [shape]));
  const { counterexample } = fc.check(fc.property(any, ([{ values }]) => values.length === 0), { seed: 1 });
  const [[{ shape, values }]] = counterexample!;
  assert.equal(sizeOf(shape), 1);
  assert.deepEqual(Array.from(values), [0]);
});

test("permutations and indices", async () => {
  await checkProperty(permutations(5), (p) => assert.deepEqual([...p].sort(), [0, 1, 2, 3, 4]));
  some(permutations(3), (p) => p[0] === 2);
  await checkProperty(indices([2, 3], 4), ({ shape, values, dtype }) => {
    assert.deepEqual([shape, dtype, values.length], [[2, 3], "int", 6]);
    assert.ok(Array.from(values).every((i) => Number.isInteger(i) && i >= 0 && i < 4));
  });
});

test("detection scenes and layouts are accepted by the loss", async () => {
  await checkProperty(fc.tuple(detectionScenes(), defaultBoxLayouts()), ([{ batch, classes, targets }, layout]) => {
    const boxes = new DefaultBoxes(layout);
    const predictions = [zeros([batch, 4, boxes.count]), zeros([batch, classes + 1, boxes.count])] as const;
    assert.deepEqual(new SSDLoss(boxes).forward(predictions, targets).loss.shape, []);
  });
  some(detectionScenes(), ({ targets }) => targets.length === 0);
  some(detectionScenes(), ({ batch, targets }) => targets.length > 0 && new Set(targets.map(([i]) => i)).size < batch);
  some(detectionScenes(), ({ targets }) => new Set(targets.map((row) => row.slice(2).join())).size < targets.length);
  some(detectionScenes(), ({ targets }) => targets.some(([image], i) => i > 0 && targets[i - 1][0] > image));
  some(defaultBoxLayouts(), ({ order }) => order === "cell-major");
});

test("a record's random choices are made by fast-check", async () => {
  const drawn = fc.gen().map((g) => {
    const draw = drawFrom(g);
    return {
      n: draw.int(3, 5),
      yes: draw.bool(),
      word: draw.pick(["a", "b"]),
      two: draw.broadcastable(2),
      s: draw.shape(),
    };
  });
  await checkProperty(drawn, ({ n, yes, word, two }) => {
    assert.ok(n >= 3 && n <= 5 && typeof yes === "boolean" && ["a", "b"].includes(word));
    assert.ok(broadcastShapes(two));
  });
});
