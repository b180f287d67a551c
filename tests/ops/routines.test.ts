/** Devices with routines that order rows and add up updates: compared with plain loops at all shapes and values that lead another way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileAdjoint } from "../../core/backends/adjoint.ts";
import { compileDual } from "../../core/backends/dual.ts";
import { float64 } from "../../core/backends/float64.ts";
import { backendNamed } from "../../core/backends/list.ts";
import { Program } from "../../core/program.ts";
import { add, cast, grad, inspect, mul, scan, scatterAdd, sort, sum, take, tensor, topK, zeros } from "../../mod.ts";
import { occursAt } from "../../ops/scattering.ts";
import { largestMask, ranks, sorted } from "../../ops/sorting.ts";
import { bring } from "../support/bring.ts";
import { extentOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose, assertSame } from "./compare.ts";

const special = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 3.4028234663852886e38, 1e-45, -1e-45];

/** Pseudo-random whole numbers. */
function randomNumbers(seed: number): () => number {
  let state = seed % 2147483646 + 1;
  return () => state = (state * 48271) % 2147483647;
}

/** How numbers are drawn, so that digits of keys are all equal, few, or many. */
const draws: readonly ((next: () => number) => number)[] = [
  (next) => special[next() % special.length],
  (next) => next() % 5,
  (next) => (next() - 1e9) / 2 ** (next() % 60),
  (next) => next() % 50 === 0 ? special[next() % special.length] : 1 + (next() % 1e6) / 2 ** 23,
  () => 0,
];

/** The indices in sorted order. */
function ordered(x: readonly number[], descending: boolean): number[] {
  const compare = (a: number, b: number) =>
    Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : a < b ? -1 : Number(a > b);
  return x.map((_, i) => i).sort((i, j) => (descending ? -1 : 1) * compare(x[i], x[j]) || i - j);
}

/** Rows of one length: many short ones, or few long ones. */
const rowsAndLength = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 9, max: 48 })),
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 40, max: 3000 })),
);

const orders = fc.record({
  shape: rowsAndLength,
  draw: fc.constantFrom(...draws),
  seed: fc.nat(),
  some: fc.nat(),
  descending: fc.boolean(),
});

const scatterings = fc.record({
  outer: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
  places: fc.integer({ min: 1, max: 200 }),
  inner: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 2 }),
  updates: fc.integer({ min: 80, max: 900 }),
  /** For each axis beside that of the places whether its places share their indices. */
  shared: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  hasSpecial: fc.boolean(),
  seed: fc.nat(),
});

/** The index of an element in an array of this shape, whose axes of length 1 are repeated. */
function flatIndex(index: readonly number[], shape: readonly number[]): number {
  return shape.reduce((flat, n, axis) => flat * n + (n === 1 ? 0 : index[axis]), 0);
}

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

for (const { device, on } of await devicesUnderTest()) {
  const { routines = [] } = backendNamed(device);
  if (routines.length === 0) continue;
  const extent = extentOf(device, device);

  test(...on("rows of any length and number are ordered, ranked and masked as by a plain sort"), async () => {
    await checkProperty(orders, async ({ shape: [rows, n], draw, seed, some, descending }) => {
      const next = randomNumbers(seed);
      const x = Array.from({ length: rows }, () => Array.from({ length: n }, () => Math.fround(draw(next))));
      const keep = 1 + (some >> 1) % (some % 2 === 0 ? n : Math.min(n, 10));
      const counts = x.map((_, i) => [NaN, -Infinity, Infinity, -3, 0, 0.5, keep, n - 1, n, n + 5][(i + some) % 10]);
      const t = tensor(x);
      const first = sorted(t, descending, keep);
      const all = sorted(t, descending);
      const results = [
        first.places,
        first.keys,
        all.places,
        all.keys,
        ranks(t, descending),
        ranks(t, descending, keep),
        cast(largestMask(t, tensor(counts.map((k) => [k]))), "int"),
      ];
      await bring(results, { device });
      const up = x.map((row) => ordered(row, descending));
      const ranked = up.map((order) => order.reduce<number[]>((to, i, k) => (to[i] = k, to), []));
      const down = x.map((row) => ordered(row, true));
      const expected = [
        up.map((order) => order.slice(0, keep)),
        up.map((order, r) => order.slice(0, keep).map((i) => x[r][i])),
        up,
        up.map((order, r) => order.map((i) => x[r][i])),
        ranked,
        ranked.map((own) => own.map((k) => Math.min(k, keep))),
        down.map((order, r) => x[r].map((_, i) => Number(order.indexOf(i) < counts[r]))),
      ];
      expected.forEach((right, k) => assertSame(results[k].value!, right.flat(), `result ${k} of ${rows} x ${n}`));
    }, { runs: 20, extent });
  });

  test(
    ...on("updates are added up, and counted, where indices are shared along some axes and not along others"),
    async () => {
      await checkProperty(scatterings, async ({ outer, places, inner, updates, shared, hasSpecial, seed }) => {
        const next = randomNumbers(seed);
        const axis = outer.length;
        const shape = [...outer, places, ...inner];
        const all = shape.with(axis, updates);
        const own = all.map((n, a) => (a !== axis && shared[a < axis ? a : a - 1] ? 1 : n));
        // Indices that lie outside, and NaN, are known to nobody before they are computed.
        const at = Array.from(
          { length: size(own) },
          () => next() % 40 === 0 ? [-1, places, NaN][next() % 3] : next() % places,
        );
        const amounts = Array.from(
          { length: size(all) },
          () => hasSpecial && next() % 90 === 0 ? [NaN, Infinity][next() % 2] : next() % 99 / 4,
        );
        const indices = cast(tensor(at, own), "int");
        // Quarters, as the updates are: sums are exact in any order.
        const base = Array.from({ length: size(shape) }, () => seed % 2 === 0 ? 0 : next() % 9 / 4);
        const onto = seed % 2 === 0 ? zeros(shape) : tensor(base, shape);
        const sums = scatterAdd(onto, indices, tensor(amounts, all), axis);
        const occurs = occursAt(indices, { shape: own.with(axis, places), axis });
        await bring([sums, occurs], { device });
        const right = [...base];
        const seen = new Array<number>(size(own.with(axis, places))).fill(0);
        amounts.forEach((amount, flat) => {
          const index = all.map((n, a) => Math.floor(flat / size(all.slice(a + 1))) % n);
          const place = at[flatIndex(index, own)];
          if (!(place >= 0 && place < places)) {
            return;
          }
          right[flatIndex(index.with(axis, place), shape)] += amount;
          const among = own.with(axis, places);
          seen[flatIndex(index.with(axis, places === 1 ? 0 : place), among)] = 1;
        });
        assertSame(sums.value!, right, `sums of ${all} at ${shape}`);
        assertSame(occurs.value!, seen, `whether there is an index of each of ${shape}`);
      }, { runs: 20, extent });
    },
  );

  test(...on("many updates of one place lose no digits"), async () => {
    const n = 60_000;
    const updates = Float32Array.from({ length: n }, (_, i) => 0.1 + (i % 7) / 1000);
    const at = tensor(new Float32Array(n), [n], { dtype: "int" });
    const sums = scatterAdd(zeros([50]), at, tensor(updates, [n]), 0);
    await bring([sums], { device });
    const total = updates.reduce((sum, x) => sum + x, 0);
    assertSame(Float32Array.from(sums.value!), [Math.fround(total), ...new Array<number>(49).fill(0)], "sums");
  });

  test(...on("what a routine computes is one kernel"), async () => {
    const x = tensor(Array.from({ length: 500 }, (_, i) => (i * 7) % 13));
    const { steps } = await inspect(sorted(x, false).places, { device });
    assert.deepEqual(steps.map(({ name, args }) => [name, args]), [["sortedPlaces", ["leaf 0"]]]);
    assert.match(steps[0].loops, /^order result=places rows=1 length=500/);
  });
}

test("tangents of sums are sums of tangents, and adjoints go back to where updates were [float64]", async () => {
  await checkProperty(fc.record({ lanes: fc.constantFrom(1, 3, 4), seed: fc.nat() }), ({ lanes, seed }) => {
    const next = randomNumbers(seed);
    const [outer, places, inner, updates] = [2, 60, 1 + seed % 3, 300];
    const shape = [outer, updates, inner];
    const shared = seed % 2 === 0;
    const at = Float64Array.from({ length: shared ? updates : size(shape) }, () => next() % places);
    const numbers = (length: number) => Float64Array.from({ length }, () => next() % 9 - 4);
    const x = numbers(size(shape));
    const leaves = [
      tensor(at, shared ? [1, updates, 1] : shape, { dtype: "int" }),
      tensor(x, shape),
    ];
    const program = new Program([scatterAdd(zeros([outer, places, inner]), leaves[0], leaves[1], 1)]);
    const plan = program.plan(float64);
    assert.ok(plan.steps.some(({ routine }) => routine?.name === "scatter"));
    const own = program.leaves.map((leaf) => leaf === leaves[1]);
    const values = program.leaves.map((leaf) => leaf === leaves[1] ? x : at);
    const placeOf = (i: number): number => {
      const [o, j, k] = [Math.floor(i / inner / updates), Math.floor(i / inner) % updates, i % inner];
      return (o * places + at[shared ? j : i]) * inner + k;
    };
    const along = numbers(lanes * x.length);
    const dual = compileDual(plan, { moving: own, lanes }).bind(values, own.map((is) => is ? along : null));
    dual.run();
    const right = new Float64Array(outer * places * inner * lanes);
    along.forEach((t, i) => (right[placeOf(Math.floor(i / lanes)) * lanes + i % lanes] += t));
    assertSame(dual.tangents[0]!, right, "tangents");
    const weights = numbers(outer * places * inner);
    const adjoint = compileAdjoint(plan, { moving: own }).bind(values);
    adjoint.run([weights]);
    assertSame(adjoint.adjoints[own.indexOf(true)]!, x.map((_, i) => weights[placeOf(i)]), "adjoints");
  }, { runs: 8 });
});

test("routines compute within loops what they compute for the oracle [wasm]", async () => {
  const numbers = (length: number) => Array.from({ length }, (_, i) => Math.sin(i * i));
  const places = (by: number) => tensor(Array.from({ length: 400 }, (_, i) => (i * by) % 60), [400], { dtype: "int" });
  const computed: ArrayLike<number>[] = [];
  for (const device of ["float64", "wasm"]) {
    const x = tensor(numbers(5 * 60), [5, 60]);
    const [last, all] = scan(
      (carry, row) => {
        const next = mul(0.1, scatterAdd(zeros([60]), places(31), take(sort(add(carry, row)), places(37)), 0));
        return [next, topK(next, 3).values];
      },
      zeros([60]),
      x,
    );
    const loss = add(sum(last), sum(mul(all, all)));
    const results = [loss, all, grad(loss, x)];
    await bring(results, { device });
    computed.push(results.flatMap(({ value }) => [...value!]));
  }
  assertClose(computed[1], computed[0], (x) => 1e-5 * (1 + Math.abs(x)), "loss, rows and gradient");
});
