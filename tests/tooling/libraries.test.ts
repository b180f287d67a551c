/** The examples that check gradients of other libraries: each has one that is right and one that is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Check, checkProperty, reportText } from "../../verify/mod.ts";
import { extentOf, sampleOf } from "../support/cells.ts";

const libraries = [
  ["tfjs", () => import("../../examples/libraries/tfjs.ts")],
  ["jax_js", () => import("../../examples/libraries/jax_js.ts")],
] as const;

for (const [name, load] of sampleOf(extentOf(), libraries)) {
  test(`a custom gradient of another library that is right, and one that is not: ${name}`, async () => {
    // These libraries take a second for each input, so none is shrunk.
    const { right, wrong } = await load();
    const run = ({ f, arbitrary, options }: Check) =>
      checkProperty(f, fc.noShrink(arbitrary), { ...options, seed: 1, runs: 1 });
    const rightly = await run(right);
    assert.equal(rightly.verdict, "ok", reportText(rightly.report!));
    assert.equal(rightly.counts.ok, 3);
    const wrongly = await run(wrong);
    assert.equal(wrongly.verdict, "wrong", reportText(wrongly.report!));
  });
}
