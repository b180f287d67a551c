/** Formulas survive what compilers and minifiers do to functions. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { transform, type TransformOptions } from "esbuild";
import ts from "typescript";
import { runtime } from "../../core/runtime.ts";
import { elementwise, type Tensor, tensor, type TensorLike, useDevice } from "../../mod.ts";
import { skip } from "../support/skip.ts";

const elsewhere = runtime() === "node" ? undefined : "compilers write the same in every runtime; Node tries them";

const folder = mkdtempSync(join(tmpdir(), "formulas-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A module that makes ops, as TypeScript. Its functions have what compilers rewrite. */
const source = `
import type { Tensor, TensorLike } from "gpugrad";

type Op = (...args: TensorLike[]) => Tensor;
type Elementwise = (fn: (...args: any[]) => number, options?: object) => Op;

declare const delta: number;

const unused: number = 1;
const scale = 3;

export function make(elementwise: Elementwise): Record<string, Op> {
  const limit = 2;
  return {
    huber: elementwise((x: number, y: number): number => {
      const d = Math.abs(x - y);
      return d < delta ? 0.5 * d ** 2 : delta * (d - 0.5 * delta);
    }, { constants: { delta: 1.5 } }),
    branches: elementwise(function branches(x: number, y: number) {
      let [low, high] = [x, y];
      if (low > high) [low, high] = [high, low];
      if (low > 1) return low;
      else if (high < -1 || low === -0.5) {
        high -= 1;
        return -high;
      }
      const width = high - low;
      if (!(width > 0)) return Infinity;
      return width > 2 ? 1 / width : width;
    }),
    loops: elementwise((x: number, y: number) => {
      let sum = 0;
      for (let i = 0; i < 4; i++) {
        if (sum > 5) break;
        if (i === 1) continue;
        sum += x * i + y;
      }
      for (const w of [0.25, 0.5]) sum += w * x;
      return sum;
    }),
    helpers: elementwise((x: number, y: number) => {
      function softly(v: number, by = 2) {
        return v / (1 + Math.abs(v) * by);
      }
      const sharply = (v: number) => {
        if (v < 0) return -1;
        return v;
      };
      return softly(x) + softly(y, 0.5) * sharply(x - y);
    }),
    patterns: elementwise((x: number, y: number) => {
      const { PI, max } = Math;
      const box = { x0: x, x1: y, size: { w: y - x } };
      const { x0, size: { w: width = 0 } } = box;
      let area = 0;
      x0 > 0 ? area = width : area -= width;
      area ||= 7;
      return max(area, x0, -PI) + (undefined ?? 1);
    }),
    truth: elementwise((x: number, y: number) => {
      const inside = x > -1 && x < 1;
      const either = inside || y > 0;
      return (inside ? 1 : 0) + (either && !inside ? 2 : 0) + Number(x === y) * 4 + unused;
    }, { constants: { unused } }),
    constants: elementwise((x: number, y: number) => scale * x + y, { constants: { scale } }),
    taken: elementwise((x: number, y: number) => x * 2 + Math.min(y, 1) * 1e3 + limit, { constants: { limit } }),
  };
}

`;

type Module = {
  make(elementwise: (fn: (...args: number[]) => number, options?: object) => unknown): Record<string, unknown>;
};

/** Imports the text of a module. */
async function load(name: string, text: string): Promise<Module> {
  const path = join(folder, `${name.replace(/\W+/g, "-")}.mjs`);
  writeFileSync(path, text);
  return await import(pathToFileURL(path).href);
}

const esbuild = (options: TransformOptions, text = source) => async () =>
  (await transform(text, { loader: "ts", format: "esm", ...options })).code;

const typescript = (target: ts.ScriptTarget) => () =>
  ts.transpileModule(source, { compilerOptions: { target, module: ts.ModuleKind.ESNext } }).outputText;

const vite = (minify: boolean) => async () => {
  // Other runtimes load this file, and need not load Vite.
  const { build } = await import("vite");
  const entry = join(folder, "entry.ts");
  writeFileSync(entry, source);
  const built = await build({
    root: folder,
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      minify,
      rolldownOptions: { input: entry, preserveEntrySignatures: "strict" },
    },
  });
  const [{ output }] = [built].flat() as { output: { code: string }[] }[];
  return output[0].code;
};

const compilers: Record<string, () => string | Promise<string>> = {
  esbuild: esbuild({}),
  "esbuild with names": esbuild({ keepNames: true }),
  "esbuild, minified": esbuild({ minify: true }),
  "esbuild, minified with names": esbuild({ minify: true, keepNames: true }),
  "esbuild for ES2015": esbuild({ target: "es2015" }),
  // ** becomes a helper there, which minifiers rename.
  "esbuild, minified for ES2015": esbuild(
    { minify: true, target: "es2015" },
    source.replace("d ** 2", "Math.pow(d, 2)"),
  ),
  "TypeScript for ES2015": typescript(ts.ScriptTarget.ES2015),
  "TypeScript for ES5": typescript(ts.ScriptTarget.ES5),
  "TypeScript for ESNext": typescript(ts.ScriptTarget.ESNext),
  "Vite": vite(false),
  "Vite, minified": vite(true),
};

const points = [-2.5, -1.2, -0.5, 0, 0.7, 1.5, 4];
const pairs = points.flatMap((x) => points.map((y) => [x, y] as const));

for (const [name, compile] of Object.entries(compilers)) {
  test(...skip(`formulas survive ${name}`, elsewhere), async () => {
    await useDevice("float64");
    const { make } = await load(name, await compile());
    const [xs, ys] = [0, 1].map((i) => tensor(pairs.map((pair) => pair[i])));
    const plain = new Map<unknown, (...args: number[]) => number>();
    // Functions see a constant that nothing declares where they are called, too.
    (globalThis as { delta?: number }).delta = 1.5;
    const ops = make((fn, options) => {
      const op = elementwise(fn, options as { constants?: Record<string, number> });
      plain.set(op, fn);
      return op;
    });
    assert.equal(Object.keys(ops).length, 8);
    for (const [formula, op] of Object.entries(ops)) {
      const actual = await (op as (x: TensorLike, y: TensorLike) => Tensor)(xs, ys).toArray();
      assert.deepEqual(actual, pairs.map(([x, y]) => plain.get(op)!(x, y)), formula);
    }
  });
}

test(...skip("a helper that a minifier renames is refused, not mistaken", elsewhere), async () => {
  const text = `
    function squared(x) { return x * x; }
    function halved(x) { return x / 2; }
    export const make = (elementwise) => ({ op: elementwise((x) => squared(x) + halved(x), { constants: { squared, halved } }) });
  `;
  const { code } = await transform(text, { minify: true, format: "esm" });
  const { make } = await load("helpers", code);
  assert.throws(
    () => make(elementwise as never),
    /the constants are squared, halved. A bundler that renames variables/,
  );
});
