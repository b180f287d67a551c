/** Sums at indices, found by sorting them, compared with plain loops. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cast, scatterAdd, square, sum, take, tensor } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { sumSorted } from "../../ops/scattering.ts";
import { gradcheck } from "../../verify/mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertSame } from "./compare.ts";

/** Adds each update where its index says, if that is one of the places; rows are along the second axis. */
function expected(indices: readonly number[], updates: readonly number[][], places: number): number[] {
  const width = updates[0]?.length ?? 1;
  const sums = new Array<number>(places * width).fill(0);
  indices.forEach((to, i) => {
    if (to >= 0 && to < places) updates[i].forEach((x, k) => (sums[to * width + k] += x));
  });
  return sums;
}

for (const { device, on, extent } of await devicesUnderTest()) {
  test(...on("updates at sorted indices add up, and no place sees those of another"), async () => {
    // Sums of quarters are exact in any order.
    const update = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: -99, max: 99 }).map((x) => x / 4) }, {
      weight: 1,
      arbitrary: fc.constantFrom(NaN, Infinity),
    });
    const problem = fc.record({
      places: fc.integer({ min: 1, max: 12 }),
      rows: fc.array(fc.tuple(fc.integer({ min: -2, max: 13 }), fc.tuple(update, update)), {
        minLength: 1,
        maxLength: 40,
      }),
    });
    await checkProperty(problem, async ({ places, rows }) => {
      const [indices, updates] = [rows.map(([index]) => index), rows.map(([, x]) => [...x])];
      const at = cast(tensor(indices.map((i) => [i])), "int");
      const both = sumSorted(at, tensor(updates), { shape: [places, 2], axis: 0 });
      const last = sumSorted(
        cast(tensor([indices, indices]), "int"),
        tensor([0, 1].map((k) => updates.map((row) => row[k]))),
        { shape: [2, places], axis: 1 },
      );
      await bring([both, last], { device });
      const right = expected(indices, updates, places);
      assertSame(both.value!, right, "along the first axis");
      assertSame(last.value!, [0, 1].flatMap((k) => right.filter((_, i) => i % 2 === k)), "along the last axis");
    }, { runs: 20, extent });
  });
}

test("many updates, all at one place or spread, are added exactly [float64]", async () => {
  for (const spread of [1, 977]) {
    const indices = Array.from({ length: 70_001 }, (_, i) => (i * 7919) % spread);
    const updates = indices.map((_, i) => [i % 8]);
    const at = tensor(indices, undefined, { dtype: "int" });
    const sums = sumSorted(at, tensor(updates.map(([x]) => x)), { shape: [977], axis: 0 });
    await bring([sums], { device: "float64" });
    assertSame(sums.value!, expected(indices, updates, 977), `${spread} places`);
  }
});

test("gradients of take and scatterAdd of many elements [float64]", async () => {
  const n = 1250;
  const at = tensor(Array.from({ length: n }, (_, i) => (i * i) % n), [n], { dtype: "int" });
  const x = Array.from({ length: n }, (_, i) => Math.sin(i));
  const { device, mode } = { device: "float64", mode: "fast" } as const;
  for (
    const f of [
      (t) => sum(square(take(square(t), at))),
      (t) => sum(square(scatterAdd(t, at, square(t), 0))),
    ] satisfies Parameters<typeof gradcheck>[0][]
  ) assert.equal((await gradcheck(f, [x], { order: 2, device, mode })).verdict, "ok");
});
