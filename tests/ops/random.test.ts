/** Random numbers: the generator against published vectors, the distributions by fixed keys, and the same numbers on every device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Key, random, type Tensor, useDevice } from "../../mod.ts";
import { threefry } from "../../ops/random.ts";
import { devicesUnderTest } from "../support/devices.ts";

await useDevice("float64");

test("Threefry-2x32 gives the words of its authors' test vectors", () => {
  // The file kat_vectors of Random123: 20 rounds, the counter, the key, the result.
  const vectors = [
    [[0, 0], [0, 0], [0x6b200159, 0x99ba4efe]],
    [[0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], [0x1cb996fc, 0xbb002be7]],
    [[0x243f6a88, 0x85a308d3], [0x13198a2e, 0x03707344], [0xc4923a9c, 0x483df7a0]],
  ] as const;
  for (const [counter, key, expected] of vectors) assert.deepEqual(threefry(key, counter), expected);
});

/** The sum of squared deviations of counts from what is expected, in units of that: about as many as there are counts. */
function chiSquare(counts: readonly number[], expected: (i: number) => number): number {
  return counts.reduce((sum, n, i) => sum + (n - expected(i)) ** 2 / expected(i), 0);
}

/** A bound that chi-square exceeds by chance about once in a billion times. */
const bound = (degrees: number) => degrees + 6 * Math.sqrt(2 * degrees) + 36;

function histogram(values: Iterable<number>, count: number, cell: (value: number) => number): number[] {
  const counts = new Array<number>(count).fill(0);
  for (const value of values) counts[cell(value)]++;
  return counts;
}

/** The distribution function of normal numbers, by a sum of trapezoids. */
function below(z: number): number {
  let sum = 0;
  const step = (z + 10) / 4000;
  for (let i = 0; i < 4000; i++) {
    const [a, b] = [-10 + i * step, -10 + (i + 1) * step];
    sum += (step * (Math.exp((-a * a) / 2) + Math.exp((-b * b) / 2))) / 2;
  }
  return sum / Math.sqrt(2 * Math.PI);
}

const N = 40_000;
const keys: readonly Key[] = [0, 1, [5, 1], 2 ** 40 + 3];

test("uniform numbers fill [0, 1) evenly, alone and in pairs of neighbours, for several keys [float64]", async () => {
  for (const key of keys.slice(0, 3)) {
    const values = await random.uniform(key, [N]).data();
    assert.ok(values.every((x) => x >= 0 && x < 1 && Number.isInteger(x * 2 ** 24)));
    const one = histogram(values, 64, (x) => Math.floor(x * 64));
    assert.ok(chiSquare(one, () => N / 64) < bound(63));
    const pairs = Array.from(
      { length: N - 1 },
      (_, i) => 8 * Math.floor(8 * values[i]) + Math.floor(8 * values[i + 1]),
    );
    assert.ok(chiSquare(histogram(pairs, 64, (x) => x), () => (N - 1) / 64) < bound(63));
    // The lowest bits too.
    const low = histogram(values, 16, (x) => (x * 2 ** 24) % 16);
    assert.ok(chiSquare(low, () => N / 16) < bound(15));
  }
});

test("normal numbers have the distribution that they should, and their tails [float64]", async () => {
  const values = Array.from(await random.normal(3, [N]).data());
  const edges = Array.from({ length: 31 }, (_, i) => below(-3 + i / 5));
  const expected = [edges[0], ...edges.slice(1).map((p, i) => p - edges[i]), 1 - edges[30]];
  const counts = histogram(values, 32, (x) => Math.min(31, Math.max(0, Math.floor((x + 3) * 5) + 1)));
  assert.ok(chiSquare(counts, (i) => N * expected[i]) < bound(31));
  const moment = (k: number) => values.reduce((sum, x) => sum + x ** k, 0) / N;
  [0, 1, 0, 3].forEach((m, i) => assert.ok(Math.abs(moment(i + 1) - m) < 0.15, `moment ${i + 1}`));
  assert.ok(values.every(Number.isFinite));
});

test("bernoulli draws with the probability that is asked for, per element [float64]", async () => {
  const p = [0, 0.01, 0.5, 0.9, 1];
  const drawn = await random.bernoulli(4, [N / 5, 5], { p }).data();
  p.forEach((probability, column) => {
    const hits = Array.from(drawn).filter((x, i) => i % 5 === column && x === 1).length;
    const deviation = Math.sqrt((N / 5) * probability * (1 - probability));
    assert.ok(Math.abs(hits - (N / 5) * probability) <= 6 * deviation, `${hits} hits with ${probability}`);
  });
});

test("permutations are all alike, and are permutations [float64]", async () => {
  const orders = new Map<string, number>();
  const count = 4800;
  for (const key of random.split(5, count)) {
    const order = [...await random.permutation(key, 4).data()];
    assert.deepEqual([...order].sort(), [0, 1, 2, 3]);
    orders.set(order.join(), (orders.get(order.join()) ?? 0) + 1);
  }
  assert.equal(orders.size, 24);
  assert.ok(chiSquare([...orders.values()], () => count / 24) < bound(23));
  assert.deepEqual([...await random.permutation(1, 0).data()], []);
});

test("keys give numbers unlike each other; the same key gives the same, and a longer tensor begins as a shorter one [float64]", async () => {
  const first = async (key: Key) => [...await random.uniform(key, [8]).data()].join();
  const all = [...keys, ...keys.flatMap((key) => random.split(key, 50)), ...keys.map((key) => random.foldIn(key, 9))];
  assert.equal(new Set(await Promise.all(all.map(first))).size, all.length);
  assert.equal(await first(7), await first([0, 7]));
  const [long, short] = [await random.normal(1, [20]).data(), await random.normal(1, [2, 3]).data()];
  assert.deepEqual([...short], [...long.slice(0, 6)]);
});

test("uniform takes its ends [float64]", async () => {
  const [plain, moved] = [
    await random.uniform(1, [50]).data(),
    await random.uniform(1, [50], { min: -2, max: 6 }).data(),
  ];
  moved.forEach((x: number, i: number) => assert.equal(x, Math.fround(-2 + 8 * plain[i])));
});

const drawn: Record<string, () => Tensor> = {
  normal: () => random.normal(1, [30]),
  uniform: () => random.uniform(1, [30], { min: -1, max: 3 }),
  bernoulli: () => random.bernoulli(1, [30], { p: 0.3 }),
  permutation: () => random.permutation(1, 30),
};

for (const { device, on } of await devicesUnderTest()) {
  test(...on("random numbers are the same as on the oracle"), async () => {
    for (const [name, make] of Object.entries(drawn)) {
      assert.deepEqual([...await make().data({ device })], [...await make().data({ device: "float64" })], name);
    }
  });
}

/** Calls that must fail, and what their errors say. */
const bad: readonly (readonly [call: (...args: never[]) => unknown, args: readonly unknown[], says: RegExp])[] = [
  ...Object.values(random).flatMap((call) =>
    [undefined, null, -1, 0.5, NaN, "1", [1], [1, 2, 3], [-1, 0], [0, 2 ** 32], {}].map((key) =>
      [call, [key, 1], /^random\.\w+: expected key to be a whole number from 0 or two of 32 bits, got /] as const
    )
  ),
  ...[random.normal, random.uniform, random.bernoulli].flatMap((call) =>
    [undefined, null, 3, [-1], [0.5], "3", {}].map((shape) =>
      [call, [0, shape], /^random\.\w+: expected shape to be an array of whole numbers from 0, got /] as const
    )
  ),
  ...[random.permutation, random.split].flatMap((call) =>
    [null, -1, 0.5, NaN, "3", [3]].map((count) =>
      [call, [0, count], /^random\.\w+: expected count to be a whole number from 0, got /] as const
    )
  ),
  ...[undefined, null, -1, 0.5, 2 ** 32, "3"].map((data) =>
    [random.foldIn, [0, data], /^random.foldIn: expected data to be a whole number from 0 to 4294967295, got /] as const
  ),
  [random.permutation, [0], /^random.permutation: expected count to be a whole number from 0, got undefined/],
  [random.permutation, [0, 2 ** 25], /^random.permutation: expected a count of at most 2\^24 elements/],
  [random.uniform, [0, [2], { min: 2 }], /^random.uniform: expected min <= max, got 2 and 1/],
  [random.uniform, [0, [2], { max: "1" }], /^random.uniform: expected max to be a finite number, got "1"/],
  [random.uniform, [0, [2], { low: 1 }], /^random.uniform: there is no option "low"/],
  [random.bernoulli, [0, [2], { p: [1, 2, 3] }], /^random.bernoulli: expected p to broadcast to \[2\], got \[3\]/],
  [random.bernoulli, [0, [2], { p: 1.5 }], /^random.bernoulli: expected p to be probabilities from 0 to 1, got 1.5/],
  [random.bernoulli, [0, [2], { p: [0.5, NaN] }], /^random.bernoulli: expected p to be probabilities .*, got NaN/],
  [random.normal, [0, [1e6, 1e6]], /^random.normal: expected a shape that fits into memory, got \[1000000, 1000000\]/],
  [random.bernoulli, [0, [2], { p: null }], /^random.bernoulli: expected p to be a tensor.*, got null/],
  [random.normal, [0, [2], 3], /^random.normal: expected at most 2 arguments, .* got 3/],
];

test("bad calls of random say what is wrong", () => {
  for (const [call, args, says] of bad) assert.throws(() => call(...args as never[]), { message: says });
});
