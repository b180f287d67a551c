import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { broadcastShapes } from "../../core/shape.ts";
import { DefaultBoxes, SSDLoss, zeros } from "../../mod.ts";
import {
  broadcastableShapes,
  checkProperty as checkGradients,
  defaultBoxLayouts,
  type DetectionScene,
  detectionScenes,
  drawFrom,
  indices,
  permutations,
  shapes,
  type TensorData,
  tensors,
} from "../../verify/mod.ts";
import { checkProperty } from "../support/property.ts";
import { runtime } from "../../core/runtime.ts";
import { skip } from "../support/skip.ts";

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
/** Asserts that a predicate holds for some generated values. */
const some = <T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => boolean) =>
  assert.ok(fc.sample(arbitrary, { numRuns: 300, seed: 1 }).some(holds));

/** Generates two bounds. */
const boundsFrom = (low: number, high: number) =>
  fc.tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

const drawn = <T>(arbitrary: fc.Arbitrary<T>): T[] => fc.sample(arbitrary, { numRuns: 300, seed: 1 });

/** Asserts that numbers are within bounds, and that both bounds are among them. */
function assertReached(numbers: readonly number[], [min, max]: readonly [number, number]): void {
  assert.deepEqual([numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))], [min, max]);
}

/** The values of one generated tensor each. */
const valuesOf = (arbitrary: fc.Arbitrary<TensorData[]>) => drawn(arbitrary).flatMap(([t]) => Array.from(t.values));

test("shapes reach their bounds and never exceed them", async () => {
  await checkProperty(fc.tuple(boundsFrom(0, 8), boundsFrom(0, 40)), ([rank, axis]) => {
    const some = shapes({ minRank: rank[0], maxRank: rank[1], minAxis: axis[0], maxAxis: axis[1] });
    assertReached(drawn(some).map((shape) => shape.length), rank);
    if (rank[1] > 0) assertReached(drawn(some).flat(), axis);
  }, { runs: 20 });
  assertReached(drawn(shapes()).map((shape) => shape.length), [0, 3]);
  assertReached(drawn(shapes()).flat(), [0, 9]);
  assertReached(drawn(shapes({ minRank: 6, minAxis: 12 })).flatMap((shape) => [shape.length, ...shape]), [6, 12]);
});

test("sizes at which errors begin are tried", () => {
  const tried = new Set(fc.sample(shapes({ maxAxis: 40 }), { numRuns: 1000, seed: 1 }).flat());
  for (const n of [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 39, 40]) assert.ok(tried.has(n), String(n));
  // And any other.
  assert.ok([10, 11, 12, 13, 14].some((n) => tried.has(n)));
});

test("shapes are small whatever their bounds, unless these take more", async () => {
  await checkProperty(fc.tuple(boundsFrom(0, 9), boundsFrom(0, 50)), ([rank, axis]) => {
    const options = { minRank: rank[0], maxRank: rank[1], minAxis: axis[0], maxAxis: axis[1] };
    for (const shape of fc.sample(shapes(options), { numRuns: 50, seed: 1 })) {
      const most = Math.max(512, axis[1] * Math.max(1, axis[0]) ** (shape.length - 1));
      assert.ok(sizeOf(shape.map((n) => Math.max(1, n))) <= most, shape.join());
    }
  }, { runs: 20 });
});

const inNode = (name: string) => skip(name, runtime() === "node" ? undefined : "once, under Node: it takes seconds");

test(...inNode("an error from some element on is found with the default number of runs"), async () => {
  // A loop, since checks call it millions of times.
  const squares = ([x]: readonly ArrayLike<number>[]) => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
    return sum;
  };
  const from = (first: number) => ({
    value: squares,
    gradient: ([x]: readonly ArrayLike<number>[]) => [Array.from(x, (v, i) => (i < first ? 2 : 3) * v)],
  });
  for (const [first, options] of [[7, {}], [19, { maxAxis: 20 }]] as const) {
    const vectors = tensors(shapes({ ...options, minRank: 1, maxRank: 1 }).map((shape) => [shape]));
    const { verdict, report } = await checkGradients(from(first), vectors, { seed: 1 });
    assert.equal(verdict, "wrong", `from element ${first} on`);
    assert.deepEqual(report?.inputs[0].shape, [first + 1]);
  }
});

test("broadcastable shapes broadcast, and are not all equal", async () => {
  await checkProperty(broadcastableShapes(3), (list) => {
    assert.equal(list.length, 3);
    assert.ok(broadcastShapes(list));
  });
  await checkProperty(
    fc.tuple(fc.integer({ min: 1, max: 4 }), boundsFrom(0, 6), boundsFrom(0, 20)),
    ([count, rank, axis]) => {
      const options = { minRank: rank[0], maxRank: rank[1], minAxis: axis[0], maxAxis: axis[1] };
      const together = broadcastableShapes(count, options).map((list) => broadcastShapes(list)!);
      assertReached(drawn(together).map((shape) => shape.length), rank);
      if (rank[1] > 0) assertReached(drawn(together).flat(), axis);
    },
    { runs: 20 },
  );
  some(broadcastableShapes(2), ([a, b]) => a.length !== b.length);
  some(broadcastableShapes(2, { minRank: 4, maxRank: 4 }), (list) => list.some((shape) => shape.length === 0));
  some(broadcastableShapes(2), ([a, b]) => a.length === 2 && b.length === 2 && a[0] > b[0] && a[1] < b[1]);
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
  // The ends of the domain are reached: its bounds, and the values beside those to avoid.
  for (const count of [3, 50]) {
    for (const end of [-1, -Math.fround(0.1), Math.fround(0.1), 4]) {
      some(tensors([[count]], domain), ([{ values }]) => Array.from(values).some((x) => Math.abs(x - end) < 1e-6));
    }
  }
  // More elements than are drawn one by one.
  await checkProperty(tensors([[7, 9]], domain), ([{ values }]) => {
    assert.ok(Array.from(values).every((x) => x >= -1 && x <= 4 && Math.abs(x) >= 0.1 && Math.abs(x - 2) >= 0.1));
  });
});

test("whole numbers within the domain are drawn, but for those to avoid and distinct ones", () => {
  for (const count of [3, 50]) {
    for (const at of [1, -2, 4]) {
      some(tensors([[count]], { min: -2.5, max: 4.5 }), ([{ values }]) => Array.from(values).includes(at));
    }
    some(
      tensors([[count]]),
      ([{ values }]) => Array.from(values).every((x) => Number.isInteger(x) && !Object.is(x, -0)),
    );
    some(tensors([[count]]), ([{ values }]) => !Array.from(values).some((x) => x !== 0 && Number.isInteger(x)));
    const avoiding = valuesOf(tensors([[count]], { min: 0.5, max: 4.5, avoid: [1, 2] }));
    assert.ok(!avoiding.includes(1) && !avoiding.includes(2) && avoiding.includes(3));
  }
});

test("values reach their bounds and never exceed them", async () => {
  const ends = fc.float({ min: -1000, max: 1000, noNaN: true });
  const options = fc.record({
    bounds: fc.tuple(ends, ends).filter(([a, b]) => Math.abs(a - b) > 1e-3 * Math.abs(a) + 1e-30),
    count: fc.constantFrom(5, 60),
    distinct: fc.boolean(),
  });
  await checkProperty(options, ({ bounds, count, distinct }) => {
    const [min, max] = [Math.min(...bounds), Math.max(...bounds)];
    assertReached(valuesOf(tensors([[count]], { min, max, distinct })), [min, max]);
  }, { runs: 20 });
  for (const below of [1, 2, 7, 40, 5000, 2 ** 24]) {
    for (const count of [5, 60]) {
      assertReached(valuesOf(indices([count], below).map((t) => [t])), [0, below - 1]);
    }
  }
  assertReached(valuesOf(tensors([[5]], { dtype: "int", min: -2.5, max: 3.5 })), [-2, 3]);
  assertReached(valuesOf(tensors([[5]], { dtype: "bool" })), [0, 1]);
  assertReached(valuesOf(tensors([[5]], { min: -1e300, max: 1e300 })), [
    -(2 - 2 ** -23) * 2 ** 127,
    (2 - 2 ** -23) * 2 ** 127,
  ]);
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

test("what fails shrinks to little, wherever the elements are that matter", () => {
  const pairs = tensors(shapes({ minAxis: 1 }).map((shape) => [shape, shape]));
  const simplest = (holds: (x: number[], y: number[]) => boolean) =>
    [1, 2, 3, 4, 5].map((seed) => {
      const property = fc.property(pairs, ([x, y]) => holds(Array.from(x.values), Array.from(y.values)));
      const { counterexample } = fc.check(property, { seed, numRuns: 1000 });
      return counterexample![0].map(({ values }) => Array.from(values));
    });
  // Numbers that are equal, whichever they are.
  for (const [x, y] of simplest((x, y) => x.every((v, i) => v !== y[i]))) assert.deepEqual([x, y], [[0], [0]]);
  // Several that are large: each as small as it may be, and no more of them than it takes.
  for (const [x, y] of simplest((x) => x.filter((v) => v > 1).length < 2)) {
    assert.deepEqual(x.filter((v) => v !== 0).length, 2);
    for (const v of x) assert.ok(v <= 1 + 6 / 4096, x.join());
    assert.ok(y.every((v) => v === 0));
  }
  // Lengths, though they are not the likeliest.
  const { counterexample } = fc.check(fc.property(shapes({ maxAxis: 40 }), (shape) => !shape.some((n) => n > 10)), {
    seed: 1,
    numRuns: 1000,
  });
  assert.deepEqual(counterexample, [[11]]);
});

test("permutations and indices", async () => {
  await checkProperty(permutations(5), (p) => assert.deepEqual([...p].sort(), [0, 1, 2, 3, 4]));
  some(permutations(3), (p) => p[0] === 2);
  assertReached(drawn(permutations(9)).map((p) => p[0]), [0, 8]);
  assertReached(drawn(permutations(9)).map((p) => p[8]), [0, 8]);
  assert.deepEqual(fc.sample(permutations(0), { numRuns: 1 }), [[]]);
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
  assertReached(drawn(defaultBoxLayouts()).flatMap(({ featSizes }) => [...featSizes]), [1, 4]);
  assertReached(drawn(defaultBoxLayouts({ cells: 19 })).flatMap(({ featSizes }) => [...featSizes]), [1, 19]);
  some(detectionScenes(), ({ batch, targets }) => targets.length > 0 && new Set(targets.map(([i]) => i)).size < batch);
  some(detectionScenes(), ({ targets }) => new Set(targets.map((row) => row.slice(2).join())).size < targets.length);
  some(detectionScenes(), ({ targets }) => targets.some(([image], i) => i > 0 && targets[i - 1][0] > image));
  some(defaultBoxLayouts(), ({ order }) => order === "cell-major");
});

test("scenes reach their bounds and never exceed them", async () => {
  const count = fc.integer({ min: 1, max: 40 });
  await checkProperty(fc.record({ images: count, classes: count, boxes: count }), (most) => {
    const scenes = fc.sample(detectionScenes(most), { numRuns: 200, seed: 1 });
    assertReached(scenes.map(({ batch }) => batch), [1, most.images]);
    assertReached(scenes.map(({ classes }) => classes), [1, most.classes]);
    const perImage = ({ batch, targets }: DetectionScene) =>
      Array.from({ length: batch }, (_, image) => targets.filter(([i]) => i === image).length);
    assertReached(scenes.flatMap(perImage), [0, most.boxes]);
    for (const { classes, targets } of scenes.slice(0, 50)) {
      assert.ok(targets.length <= Math.max(256, most.boxes));
      for (const [, label, cx, cy, w, h] of targets) {
        assert.ok(label >= 0 && label < classes);
        assert.ok(w > 0 && h > 0 && w <= 1.1 && h <= 1.1 && cx <= 1 && cy <= 1, [cx, cy, w, h].join());
      }
    }
  }, { runs: 8 });
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
