/**
 * Arithmetic follows IEEE 754, with each operation rounded as written, even with compilers that treat floats as real
 * numbers and would substitute other expressions.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { div, mean, stack, sum, type Tensor, tensor, where } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { kernelsOf } from "../support/cells.ts";
import { devicesUnderTest, type DeviceUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertSame } from "./compare.ts";
import { differences, type Expression, expressions, rewritten, type Rules, tensorOf } from "./ieee.ts";

/** WGSL allows quotients an error of 2.5 units in the last place. */
const QUOTIENT_ULPS = 3;

const rulesOf = ({ single, gpu }: DeviceUnderTest): Rules => ({
  round: single ? Math.fround : (x) => x,
  quotient: gpu ? QUOTIENT_ULPS : 0,
});

/** A kernel costs more than its computation, so several expressions share one, each in its own branch. */
const TOGETHER = 24;

async function valuesOn(device: string, tensors: readonly Tensor[]): Promise<ArrayLike<number>[]> {
  await bring(tensors, { device });
  return tensors.map((t) => t.value!);
}

async function differencesOn(of: DeviceUnderTest, all: readonly Expression[]): Promise<string[]> {
  const groups = Array.from(
    { length: Math.ceil(all.length / TOGETHER) },
    (_, i) => all.slice(i * TOGETHER, (i + 1) * TOGETHER),
  );
  const values = await valuesOn(of.device, groups.map((group) => stack(group.map(tensorOf))));
  return groups.flatMap((group, k) => {
    const size = values[k].length / group.length;
    return group.flatMap((e, i) =>
      differences(e, Array.prototype.slice.call(values[k], i * size, (i + 1) * size), rulesOf(of))
    );
  });
}

for (const of of await devicesUnderTest()) {
  const { device, on, extent } = of;
  test(...on("expressions that compilers rewrite are computed as written"), async () => {
    assert.deepEqual(await differencesOn(of, kernelsOf(extent, rewritten)), []);
  });

  test(...on("random expressions are computed as written"), async () => {
    await checkProperty(
      fc.array(expressions, { minLength: TOGETHER, maxLength: TOGETHER }),
      async (several) => assert.deepEqual(await differencesOn(of, several), []),
      { runs: 6, extent },
    );
  });

  test(...on("the mean of an empty array is NaN"), async () => {
    const nothing = tensor([], [0]);
    const none = tensor([false, false]);
    const values = await valuesOn(device, [
      mean(nothing),
      mean(tensor([], [2, 0]), 1),
      div(sum(where(none, tensor([1, 2]), 0)), sum(none)),
    ]);
    for (const v of values) assertSame(v, Array.from(v, () => NaN), "mean");
  });
}
