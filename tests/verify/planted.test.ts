import assert from "node:assert/strict";
import { test } from "node:test";
import { extentOf, sampleOf } from "../support/cells.ts";
import { useDevice } from "../../mod.ts";
import { checkProperty, reportText } from "../../verify/mod.ts";
import { planted } from "./planted.ts";

await useDevice("float64");

const found: string[] = [];

const tried = sampleOf(extentOf(), Object.entries(planted));
for (const [name, { f, inputs, op, smallest, options }] of tried) {
  test(`found, named and shrunk: ${name} [${options?.device ?? "float64"}]`, async () => {
    const check = await checkProperty(f, inputs, { ...options, runs: 60, seed: 1, name });
    assert.equal(check.verdict, "wrong", "not found");
    const text = reportText(check.report!);
    assert.equal(check.report!.verdict, "wrong", text);
    const { tape, findings } = check.report!;
    const suspect = tape.find((entry) => entry.suspect)?.op ??
      tape[findings.find(({ severity, entry }) => severity === "error" && entry !== undefined)?.entry ?? -1]?.op;
    assert.equal(suspect, op, text);
    const elements = check.report!.inputs.slice(0, f.length).reduce((sum, { relative }) => sum + relative.length, 0);
    assert.ok(elements <= smallest, `${elements} elements, ${smallest} suffice\n${text}`);
    // The replay leads to the same failure directly.
    const again = await checkProperty(f, inputs, { ...options, ...check.replay!, name });
    assert.equal(again.verdict, "wrong");
    assert.equal(again.runs, 1);
    assert.deepEqual(again.report!.worst, check.report!.worst);
    found.push(name);
  });
}

// The summary shows tests whose names begin with counts.
const count = Object.keys(planted).length;
if (tried.length === count) {
  test(`${count} of ${count} planted errors are found, named and shrunk`, () => {
    assert.deepEqual(found, Object.keys(planted));
  });
}
