import assert from "node:assert/strict";
import { test } from "node:test";
import { registry } from "./registry.ts";
import { realize, useDevice } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose, assertSame, largestOf } from "./compare.ts";
import { caseOf, describeCase, inputsFrom, leavesOf, valuesOf } from "./draw.ts";
import { isExact } from "../../verify/tape/tolerances.ts";
import { referenceOf, references } from "./reference.ts";

await useDevice("float64");

for (const entry of registry().values()) {
  test(`${entry.name} agrees with a plain loop [float64]`, async () => {
    const reference = referenceOf(entry.name);
    await checkProperty(caseOf(entry, { ties: true }), async (drawn) => {
      const y = entry.apply(inputsFrom(drawn, leavesOf(drawn)), drawn.attributes);
      const expected = reference(drawn.inputs.map((x) => ({ shape: x.shape, data: valuesOf(x) })), drawn.attributes);
      const what = describeCase(drawn);
      assert.deepEqual([...y.shape], [...expected.shape], `${what}: shape`);
      await realize([y]);
      const data = await y.data();
      if (isExact(entry.accuracy, y.dtype)) assertSame(data, expected.data, what);
      else {
        const scale = 1e-2 * largestOf(expected.data.filter(Number.isFinite));
        assertClose(data, expected.data, (e) => 1e-12 * Math.max(Math.abs(e), scale), what);
      }
    }, { runs: 10 });
  });
}

test("every op has one plain loop, in its record or in tests/ops/reference.ts", () => {
  for (const { name } of registry().values()) referenceOf(name);
  const needed = (name: string) => registry().has(name) && !registry().get(name)!.reference;
  assert.deepEqual(Object.keys(references).filter((name) => !needed(name)), []);
});
