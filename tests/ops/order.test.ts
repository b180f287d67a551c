/**
 * One order everywhere: NaN above infinity, the lower index first among equals. Compared with a plain sort, on every
 * backend.
 */
import { test } from "node:test";
import fc from "fast-check";
import { argmax, argmin, argsort, cast, rank, sort, tensor, topK, topKMask } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertSame } from "./compare.ts";

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

for (const { device, on, extent } of await devicesUnderTest()) {
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
