/** The public API is what docs/api.txt says; and a report shows everything that can change in an API. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createTwoFilesPatch } from "diff";
import { runtime } from "../../core/runtime.ts";
import { apiReport, ENTRIES, REPORT } from "../../scripts/api/report.ts";
import { skip } from "../support/skip.ts";
import { readText, root } from "../support/source.ts";

const elsewhere = runtime() === "node" ? undefined : "the report is the same in every runtime; Node compares it";

test(...skip("the public API is the one of docs/api.txt", elsewhere), () => {
  const [before, now] = [readText(REPORT), apiReport(root, ENTRIES)];
  const changes = createTwoFilesPatch(REPORT, "the source", before, now, "", "", { context: 1 });
  assert.ok(before === now, `The public API changed; npm run api records it.\n${changes}`);
});

const folder = mkdtempSync(join(tmpdir(), "api-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The report of a project with one entry. */
function reportOf(files: Record<string, string>): string {
  writeFileSync(join(folder, "tsconfig.json"), '{ "compilerOptions": { "allowImportingTsExtensions": true } }');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return apiReport(folder, { "it": "mod.ts" });
}

test(...skip("a report has the exports of a file that is exported under a name", elsewhere), () => {
  const report = reportOf({
    "mod.ts": 'export * as terms from "./terms.ts";\n',
    "terms.ts": "export function hardest(ratio: number): Mining;\nexport type Mining = () => boolean;\n",
  });
  assert.match(report, /^# it: terms\n\n.*^export function hardest\(ratio: number\): Mining;/ms);
});

test(...skip("a report has functions, consts, classes and types, from where they are declared", elsewhere), () => {
  const report = reportOf({
    "mod.ts": 'export { f, type Options as FOptions } from "./f.ts";\nexport { Box, log1p } from "./through.ts";\n',
    "through.ts": 'import { Box } from "./box.ts";\nexport { log1p } from "./op.ts";\nexport { Box };\n',
    "f.ts": [
      "/** Not shown. */",
      "export interface Options { /** Nor this. */ readonly beta?: number }",
      "export function f(x: string): string;",
      "export function f(x: number, options?: Options): number;",
      "export function f(x: unknown): unknown { return x; }",
    ].join("\n"),
    "box.ts": [
      'import type { Base as Root } from "./bases.ts";',
      "export class Box implements Root {",
      "  #hidden = 1;",
      "  size = 2;",
      "  get width(): number { return this.#hidden; }",
      "  static of(max = Infinity): Box { return new Box(); }",
      "  /** @internal */ inner(): void {}",
      "}",
    ].join("\n"),
    "bases.ts": 'import type { Base } from "./base.ts";\nexport type { Base };\n',
    "base.ts":
      "export interface Base extends Lower { size: number }\ninterface Lower { width: number | Deep }\ninterface Deep {}\n",
    "op.ts": [
      "interface Unary { readonly record: Kernel; (x: number): number }",
      "interface Kernel { readonly cost: Cost }",
      "type Cost = number;",
      "export const log1p: Unary = Object.assign((x: number) => Math.log1p(x), { record: { cost: 1 } });",
      "export const unseen = 1;",
    ].join("\n"),
  });
  const expected = `# it

export class Box implements Root {
    #private;
    size: number;
    get width(): number;
    static of(max?: number): Box;
}

export interface Options {
    readonly beta?: number;
}
export { Options as FOptions };

export function f(x: string): string;
export function f(x: number, options?: Options): number;

export const log1p: Unary;

# Named by these, and not exported

// base.ts
interface Base extends Lower {
    size: number;
}

// base.ts
interface Lower {
    width: number | Deep;
}

// op.ts
interface Unary {
    readonly record: Kernel;
    (x: number): number;
}
`;
  assert.equal(report, expected);
});

test(
  ...skip("a report has all that a file exports from all of another, unless it has the name itself", elsewhere),
  () => {
    const report = reportOf({
      "mod.ts": 'import { z } from "./f.ts";\nexport * from "./f.ts";\nexport const x: Y = z;\n',
      "f.ts": 'export * from "./g.ts";\nexport * as terms from "./terms.ts";\nexport const x: number = 1;\n',
      "g.ts": "export const z: number = 1;\nexport type Y = number;\n",
      "terms.ts": "export const hardest: number = 1;\n",
    });
    const expected = "# it\n\nexport type Y = number;\n\nexport const x: Y;\n\nexport const z: number;\n\n" +
      "# it: terms\n\nexport const hardest: number;\n";
    assert.equal(report.replace(/^import .*\n/gm, ""), expected);
  },
);

test(...skip("a report that would leave something out is refused", elsewhere), () => {
  for (const text of ['export * from "acorn";', 'export { parse } from "acorn";']) {
    assert.throws(() => reportOf({ "mod.ts": text }), /expected the name of a file of the project, got export /);
  }
});
