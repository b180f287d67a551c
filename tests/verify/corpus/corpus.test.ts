/** Wrong gradients are found, and right ones called right: every case of both corpora, in each of its modes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useDevice } from "../../../mod.ts";
import { gradcheck, reportText } from "../../../verify/mod.ts";
import { extentOf, isSampled } from "../../support/cells.ts";
import type { Case } from "./case.ts";
import { right } from "./right.ts";
import { wrong } from "./wrong.ts";

await useDevice("float64");

/** The cases by kind. One of each is tried where the same checker has tried all of them in another runtime. */
function byKind(cases: readonly Case[]): readonly (readonly [kind: string, cases: readonly Case[]])[] {
  const kinds = new Map<string, Case[]>();
  for (const one of cases) kinds.set(one.kind, [...(kinds.get(one.kind) ?? []), one]);
  return [...kinds].map(([kind, all]) => [kind, isSampled(extentOf()) ? all.slice(0, 1) : all]);
}

/** The first report with an unexpected verdict, as text; `null` if there is none. */
async function mistakeIn({ name, f, inputs, checks, accepts }: Case): Promise<string | null> {
  for (const options of checks) {
    const report = await gradcheck(f, inputs, { seed: 1, locate: false, name, ...options });
    if (!accepts.includes(report.verdict)) return `${JSON.stringify(options)}\n${reportText(report)}`;
  }
  return null;
}

const corpora = [
  ["wrong gradients", "wrong gradients on the tape are found", wrong],
  ["right gradients", "right gradients on the tape are called right", right],
] as const;
for (const [title, claim, cases] of corpora) {
  const mistaken: string[] = [];
  describe(title, () => {
    for (const [kind, all] of byKind(cases)) {
      test(`${kind} [float64]`, async () => {
        const texts: string[] = [];
        for (const one of all) {
          const mistake = await mistakeIn(one);
          if (mistake === null) continue;
          mistaken.push(`${kind}: ${one.name}`);
          texts.push(mistake);
        }
        assert.equal(texts.length, 0, texts.join("\n\n"));
      });
    }
  });
  // The summary shows tests whose names begin with counts.
  if (!isSampled(extentOf())) {
    test(`${cases.length} of ${cases.length} ${claim}`, () => {
      const found = cases.length - mistaken.length;
      assert.ok(found === cases.length, `${found} of ${cases.length}; not: ${mistaken.join(", ")}`);
    });
  }
}

test("cases have names of their own", () => {
  for (const [, , cases] of corpora) {
    const names = cases.map(({ kind, name }) => `${kind}: ${name}`);
    assert.equal(new Set(names).size, names.length);
    for (const { name, accepts, because } of cases) assert.ok(accepts.length === 1 || because, `${name}: why several?`);
  }
});
