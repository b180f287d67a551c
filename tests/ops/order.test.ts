/**
 * One order everywhere: NaN above infinity, the lower index first among equals. Compared with a plain sort, on every
 * backend.
 */
import { test } from "node:test";
import fc from "fast-check";
import {
  argmax,
  argmin,
  argsort,
  cast,
  grad,
  max,
  mul,
  rank,
  softmax,
  sort,
  sum,
  tanh,
  tensor,
  topK,
  topKMask,
  unsqueeze,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose, assertSame } from "./compare.ts";

/** Few distinct values, so that ties are common, and the largest finite float32, which is not infinity. */
const special = fc.constantFrom(NaN, Infinity, -Infinity, 0, -0, 1, -1, 3.4028234663852886e38, 2);
const row = fc.oneof(
  { weight: 4, arbitrary: fc.array(special, { minLength: 1, maxLength: 9 }) },
  // Beyond 256 elements, ranking does not count all pairs.
  { weight: 1, arbitrary: fc.array(special, { minLength: 257, maxLength: 300 }) },
);

/** The indices in sorted order. */
function ordered(x: readonly number[], descending: boolean): number[] {
  const compare = (a: number, b: number) =>
    Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : a < b ? -1 : Number(a > b);
  return x.map((_, i) => i).sort((i, j) => (descending ? -1 : 1) * compare(x[i], x[j]) || i - j);
}

/** Rows of seven elements that differ clearly, and so do multiples of them. */
const computedRows = fc.array(
  fc.shuffledSubarray([0.31, -0.72, 0.93, -0.24, 0.55, 0.16, -0.47, 0.78, -0.09], { minLength: 7, maxLength: 7 }),
  { minLength: 2, maxLength: 2 },
).map(([first, second]) => [first, second.map((x) => 1.3 * x)]); // Rows of the same elements would tie.

/** The gradient of sorted rows of x T, with T the sum of tanh(x), by the weights of the places. */
function slopesOfSorted(row: readonly number[], weights: readonly number[]): number[] {
  const total = row.reduce((sum, x) => sum + Math.tanh(x), 0);
  const order = ordered(row.map((x) => x * total), false);
  const weightOf = row.map((_, i) => weights[order.indexOf(i)]);
  const moved = row.reduce((sum, x, i) => sum + weightOf[i] * x, 0);
  return row.map((x, i) => weightOf[i] * total + (1 - Math.tanh(x) ** 2) * moved);
}

/** The gradient of the sum over c of the largest p[b, c] along b, with p the softmax of x along c. */
function slopesOfLargest(rows: readonly (readonly number[])[]): number[] {
  const shares = rows.map((row) => {
    const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
    return row.map((x) => Math.exp(x) / total);
  });
  const largest = shares[0].map((_, c) => Math.max(...shares.map((row) => row[c])));
  // Each of a row that is the largest moves with all of the row.
  return shares.flatMap((row) =>
    row.map((p, j) => row.reduce((sum, q, c) => sum + (q === largest[c] ? q * (Number(c === j) - p) : 0), 0))
  );
}

for (const { device, on, extent } of await devicesUnderTest()) {
  test(
    ...on("a sum that a kernel computes in several places is the same number in each, and so has one rank"),
    async () => {
      const weights = [1, -2, 3, 0.5, -1.5, 2.5, 0.7];
      await checkProperty(computedRows, async (rows) => {
        const x = tensor(rows);
        const sums = sum(mul(unsqueeze(x, 1), unsqueeze(tanh(x), 2)), 1);
        const slope = grad(sort(sums, 1), x, tensor([weights, weights]));
        const ofLargest = grad(sum(max(softmax(unsqueeze(x, 0), 2), 1)), x);
        await bring([slope, ofLargest], { device });
        const expected = rows.flatMap((row) => slopesOfSorted(row, weights));
        assertClose(slope.value!, expected, () => 1e-4, JSON.stringify(rows));
        assertClose(ofLargest.value!, slopesOfLargest(rows), () => 1e-4, JSON.stringify(rows));
      }, { runs: 5 });
    },
  );

  test(...on("rank, argsort, sort, topK, topKMask, argmax and argmin share one order"), async () => {
    await checkProperty(fc.tuple(row, fc.nat({ max: 300 })), async ([x, some]) => {
      const k = some % (x.length + 1);
      const [up, down] = [ordered(x, false), ordered(x, true)];
      const first = x.findIndex(Number.isNaN);
      const t = tensor(x);
      const descending = { descending: true };
      const expected = new Map([
        [argsort(t), up],
        [argsort(t, 0, descending), down],
        [rank(t), x.map((_, i) => up.indexOf(i))],
        [rank(t, 0, descending), x.map((_, i) => down.indexOf(i))],
        [sort(t), up.map((i) => x[i])],
        [sort(t, 0, descending), down.map((i) => x[i])],
        [topK(t, k).values, down.slice(0, k).map((i) => x[i])],
        [cast(topKMask(t, k), "int"), x.map((_, i) => Number(down.indexOf(i) < k))],
        [argmax(t), [down[0]]],
        [argmin(t), [first >= 0 ? first : up[0]]],
      ]);
      await bring([...expected.keys()], { device });
      for (const [actual, right] of expected) assertSame(actual.value!, right, `${actual.op.name} of ${x}`);
    }, { runs: 20, extent });
  });
}
