/** The examples that check gradients of other libraries: each has one that is right and one that is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { type Check, checkProperty, reportText } from "../../verify/mod.ts";
import { extentOf, sampleOf } from "../support/cells.ts";
import { root } from "../support/source.ts";

for (const name of sampleOf(extentOf(), ["tfjs", "jax_js"])) {
  test(`a custom gradient of another library that is right, and one that is not: ${name}`, async () => {
    const examples = await import(pathToFileURL(`${root}/examples/libraries/${name}.ts`).href);
    // These libraries take a second for each input.
    const run = ({ f, arbitrary, options }: Check) => checkProperty(f, arbitrary, { ...options, seed: 1, runs: 3 });
    const right = await run(examples.right);
    assert.equal(right.verdict, "ok", reportText(right.report!));
    assert.equal(right.counts.ok, 3 * right.runs);
    const wrong = await run(examples.wrong);
    assert.equal(wrong.verdict, "wrong", reportText(wrong.report!));
  });
}
