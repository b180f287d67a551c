/** Wrong gradients of plain functions are found, and right ones are not called wrong, in each mode. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { gradcheck, reportText } from "../../verify/mod.ts";
import { randomFrom } from "../../verify/random.ts";
import { extentOf, sampleOf } from "../support/cells.ts";
import { type PlainCase, rightPlain, wrongPlain } from "./plain_cases.ts";

/** Random inputs, and directions, are drawn this many times; a number below 1 is the share of the cases that are tried. */
const SEEDS = Number(process.env.GPUGRAD_RUNS ?? 1);
const SHARE = Math.min(1, SEEDS);

async function checkCase({ name, value, gradient, inputs, options, modes, expected }: PlainCase): Promise<void> {
  for (const mode of modes ?? ["full", "fast"] as const) {
    for (let seed = 1; seed <= Math.max(1, SEEDS); seed++) {
      const at = typeof inputs === "function" ? inputs(randomFrom(77 * seed)) : inputs;
      const report = await gradcheck({ value, gradient }, at.map((x) => Float64Array.from(x)), {
        ...options,
        mode,
        seed,
        name,
      });
      const isRight = expected === "not wrong" ? report.verdict !== "wrong" : report.verdict === expected;
      assert.ok(isRight, `expected ${expected}, mode ${mode}, seed ${seed}\n${reportText(report)}`);
    }
  }
}

const claims = [
  ["wrong", "wrong gradients of plain functions are found", wrongPlain],
  ["right", "right gradients of plain functions are not called wrong", rightPlain],
] as const;
for (const [what, claim, cases] of claims) {
  const tried = sampleOf(extentOf(), cases).filter((_, i) => Math.floor((i + 1) * SHARE) > Math.floor(i * SHARE));
  let passed = 0;
  for (const one of tried) {
    test(`a plain function whose gradient is ${what}: ${one.name}, ${one.kind} [float64]`, async () => {
      await checkCase(one);
      passed++;
    });
  }
  // The summary shows tests whose names begin with counts.
  if (tried.length < cases.length) continue;
  test(`${cases.length} of ${cases.length} ${claim}`, () => {
    assert.ok(passed === cases.length, `${passed} of ${cases.length}`);
  });
}
