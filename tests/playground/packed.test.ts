import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { packedPredictions, unpackedPredictions } from "../../playground/packed.ts";
import { checkProperty } from "../support/property.ts";

/** Two arrays of a length, which share some of their elements. */
const pair = fc.array(fc.tuple(fc.float(), fc.float(), fc.boolean()), { maxLength: 20 }).map((rows) => ({
  before: Float32Array.from(rows, ([x]) => x),
  after: Float32Array.from(rows, ([x, y, same]) => (same ? x : y)),
}));

test("predictions come back from the address bit for bit, and only with what they differ from", () =>
  checkProperty(fc.tuple(pair, pair), ([locations, logits]) => {
    const before = { locations: locations.before, logits: logits.before };
    const after = { locations: locations.after, logits: logits.after };
    const text = packedPredictions(before, after);
    // As it is in an address.
    assert.equal(new URLSearchParams([["x", text]]).toString(), `x=${text}`);
    const found = unpackedPredictions(before, text)!;
    for (const name of ["locations", "logits"] as const) {
      assert.ok(found[name].every((value, i) => Object.is(value, after[name][i])));
    }
    const longer = { ...before, logits: new Float32Array(before.logits.length + 8) };
    assert.equal(unpackedPredictions(longer, text), null);
  }));

test("text that is no predictions is none", () =>
  checkProperty(fc.string(), (text) => {
    const before = { locations: new Float32Array(9), logits: new Float32Array(17) };
    const found = unpackedPredictions(before, text);
    assert.ok(found === null || found.locations.length === 9);
  }));
