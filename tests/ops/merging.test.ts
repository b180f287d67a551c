/** Sorting by merging, selecting by brackets and searches, as devices without routines do, at every length, compared with plain loops. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { arange, less, sort, squeeze, tensor, topK, where } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { mergeSorted, placeAmong } from "../../ops/merging.ts";
import { firstUnmet } from "../../ops/searching.ts";
import { selected } from "../../ops/selecting.ts";
import { gradcheck } from "../../verify/mod.ts";
import { extentOf, sampleOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertSame } from "./compare.ts";

const device = "float64";
const special = [NaN, Infinity, -Infinity, 0, -0, 1, -1];

/** Numbers of which many are equal, from a number. */
function values(n: number, seed: number): number[] {
  let state = seed + 1;
  return Array.from({ length: n }, () => {
    state = (state * 48271) % 2147483647;
    return state % 3 === 0 ? special[state % special.length] : (state % (n + 2)) / 2;
  });
}

/** The indices in sorted order. */
function ordered(x: readonly number[], descending: boolean): number[] {
  const compare = (a: number, b: number) =>
    Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : a < b ? -1 : Number(a > b);
  return x.map((_, i) => i).sort((i, j) => (descending ? -1 : 1) * compare(x[i], x[j]) || i - j);
}

async function checkOrder(x: readonly number[], descending: boolean): Promise<void> {
  const order = ordered(x, descending);
  const ranks = new Array<number>(x.length);
  order.forEach((i, place) => (ranks[i] = place));
  const t = tensor(x, [x.length]);
  const merged = mergeSorted(t, descending);
  // Ranks are found in what is sorted.
  const results = [merged.places, merged.keys, ...(x.length % 7 === 1 ? [placeAmong(merged, t, descending)] : [])];
  await bring(results, { device });
  [order, order.map((i) => x[i]), ranks].slice(0, results.length).forEach((right, k) =>
    assertSame(results[k].value!, right, `${["places", "keys", "ranks"][k]} of ${x.length} elements`)
  );
}

test(
  "places, keys and ranks at all lengths of a short run, and around powers of two [float64]",
  async () => {
    const lengths = [...Array(36).keys(), ...[64, 128, 256, 1024].flatMap((n) => [n - 1, n, n + 1])];
    for (const n of sampleOf(extentOf(), lengths)) await checkOrder(values(n, n), n % 2 === 1);
  },
);

test("places and keys beyond the loop iterations of a thread [float64]", async () => {
  await checkOrder(values(70_001, 3), true);
});

test(
  "the largest are selected by counting, by brackets and by sorting, in each row as many as are asked for [float64]",
  async () => {
    for (const n of [250, 700, 32_770]) {
      const rows = (n < 1000 ? [1, 77, -1, n + 1, 0.5] : [77, 0.5]).map((k) => ({
        k,
        x: values(n, Math.abs(Math.ceil(k))),
      }));
      const mask = selected(tensor(rows.map(({ x }) => x)), tensor(rows.map(({ k }) => [k])));
      await bring([mask], { device });
      const expected = rows.flatMap(({ k, x }) => {
        const selected = new Array<number>(n).fill(0);
        for (const i of ordered(x, true).slice(0, Math.max(0, Math.ceil(k)))) selected[i] = 1;
        return selected;
      });
      assertSame(mask.value!, expected, `masks of ${n}`);
    }
  },
);

test(
  "the first elements are those of the whole order, also where blocks are chosen first [float64]",
  async () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 0, max: 12 }), fc.nat());
    await checkProperty(shape, async ([n, some, seed]) => {
      const k = Math.min(n, some);
      const x = values(n, seed);
      for (const descending of [false, true]) {
        const { keys, places } = mergeSorted(tensor([x], [1, n]), descending, k);
        await bring([keys, places], { device });
        const order = ordered(x, descending).slice(0, k);
        assertSame(places.value!, order, `places of the first ${k} of ${n}`);
        assertSame(keys.value!, order.map((i) => x[i]), `keys of the first ${k} of ${n}`);
      }
    }, { runs: 25 });
  },
);

test("gradients of sort and topK to the second order [float64]", async () => {
  const x = Array.from({ length: 70 }, (_, i) => ((i * 29) % 70) / 10);
  for (const f of [(t) => sort(t), (t) => topK(t, 40).values] satisfies Parameters<typeof gradcheck>[0][]) {
    assert.equal((await gradcheck(f, [x], { order: 2, device })).verdict, "ok");
  }
});

for (const { device, on, extent } of await devicesUnderTest()) {
  test(...on("a search finds the first place that does not hold, in the range that it is given"), async () => {
    const problem = fc.record({
      length: fc.integer({ min: 1, max: 40 }),
      ends: fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 40 }), fc.nat({ max: 40 })), {
        minLength: 1,
        maxLength: 9,
      }),
    });
    await checkProperty(problem, async ({ length, ends }) => {
      const rows = ends.map((row) => row.map((n) => Math.min(n, length)).sort((a, b) => a - b));
      const column = (k: number) => tensor(rows.map((row) => [row[k]]), undefined, { dtype: "int" });
      const [from, unmet, to] = [column(0), column(1), column(2)];
      const at = arange(length);
      // Before the range nothing holds and behind it all does, the wrong way round.
      const holds = where(less(at, from), false, where(less(at, to), less(at, unmet), true));
      const all = firstUnmet(less(at, unmet));
      const most = Math.max(...rows.map(([first, , last]) => last - first));
      const some = firstUnmet(holds, { from: squeeze(from, 1), to: squeeze(to, 1), most });
      await bring([all, some], { device });
      for (const found of [all, some]) assertSame(found.value!, rows.map(([, place]) => place), "places");
    }, { runs: 20, extent });
  });
}
