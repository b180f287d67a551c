/** A small error in the rule of any op is found. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Op } from "../../../core/op.ts";
import { record } from "../../../core/record.ts";
import { mul, type Tensor, useDevice } from "../../../mod.ts";
import { gradcheck, reportText } from "../../../verify/mod.ts";
import { caseOf, inputsFrom } from "../../ops/draw.ts";
import { entryOf, modules, recordOf } from "../../ops/registry.ts";
import { extentOf, sampleOf } from "../../support/cells.ts";

await useDevice("float64");

/** The relative error of a rule. */
const ERROR = 1e-8;
/** Cases that are drawn of an op; its gradient may be 0 in some of them, or nothing may depend on an input. */
const CASES = 12;

const ops = Object.values(modules).flatMap((exported) => Object.values(exported))
  .flatMap((value) => recordOf(value)?.op ?? [])
  .filter(({ vjp, domain }) => domain && vjp?.some((rule) => rule !== null));

for (const op of sampleOf(extentOf(), ops)) {
  test(`a rule of ${op.name} that is off by ${ERROR} is found [float64]`, async () => {
    const off: Op = {
      ...op,
      vjp: op.vjp!.map((rule) => rule && ((context) => mul(rule(context), 1 + ERROR))),
    };
    const entry = entryOf(Object.assign(() => {}, { op }))!;
    const texts: string[] = [];
    for (const drawn of fc.sample(caseOf(entry), { numRuns: CASES, seed: 1 })) {
      const f = (...leaves: Tensor[]) => record(off, inputsFrom(drawn, leaves), drawn.attributes);
      const inputs = drawn.inputs.map(({ leaf, dtype }) => ({ ...leaf, dtype }));
      const report = await gradcheck(f, inputs, { seed: 1, locate: false, mode: "full", name: op.name });
      if (report.verdict === "wrong") return;
      texts.push(reportText(report));
    }
    assert.fail(`not found:\n${texts.join("\n\n")}`);
  });
}
