import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { build, type Plugin } from "esbuild";
import { runtime } from "../../core/runtime.ts";
import { registry } from "../ops/registry.ts";
import { skip } from "../support/skip.ts";
import { root } from "../support/source.ts";

const elsewhere = runtime() === "node" ? undefined : "the bundler is a program of its own; Node starts it";

/** Makes bundlers take every module for one that must be kept, so that only statements without effect are dropped. */
const keepModules: Plugin = {
  name: "keep modules",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => ({ path: join(resolveDir, path), sideEffects: true }));
  },
};

/** The bundle of a program. */
async function bundleOf(program: string, plugins: Plugin[] = []): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: root, loader: "ts" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    external: ["gpu.js", "node:*"],
    logLevel: "silent",
    plugins,
  });
  return outputFiles[0].text;
}

/** The names of the ops and composites whose definitions are in the bundle of a program. */
async function opsIn(program: string, plugins: Plugin[] = []): Promise<string[]> {
  const text = await bundleOf(program, plugins);
  return [...registry().keys()].filter((name) => new RegExp(`^var ${name}\\d* = /\\* @__PURE__ \\*/`, "m").test(text))
    .sort();
}

test(...skip("importing defines nothing that a bundler has to keep", elsewhere), async () => {
  const used = await opsIn(`import * as all from "./mod.ts"; export const names = Object.keys(all);`, [keepModules]);
  assert.deepEqual(used, [...registry().keys()].sort());
  assert.deepEqual(await opsIn(`import "./mod.ts";`, [keepModules]), []);
});

test(...skip("a bundle of an op has the ops of its rules alone", elsewhere), async () => {
  assert.deepEqual(await opsIn(`export { floor } from "./mod.ts";`), ["floor"]);
  // The derivative of tanh is 1 - square(tanh), whose rule is a product; that of a difference is a negative.
  assert.deepEqual(await opsIn(`export { tanh } from "./mod.ts";`), ["mul", "neg", "square", "sub", "tanh"]);
});

test(
  ...skip("a bundle of the gradient of add has no ops but those that any gradient may need", elsewhere),
  async () => {
    const ops = await opsIn(`import { add, grad } from "./mod.ts"; export const f = (x) => grad(add(x, 1), x);`);
    assert.deepEqual(ops, [
      "add", // also sums the cotangents of an entry that is used twice
      "any", // a condition summed over what was broadcast
      "broadcastTo", // the rule of sum; a condition spread over a cotangent
      "cast", // of the cotangent that a program passes
      "logicalAnd", // two conditions
      "logicalNot", // where a branch was not taken
      "logicalOr", // the conditions of two cotangents that are added
      "mul", // cotangent times derivative
      "notEqual", // casts to bool; conditions of cotangents
      "reshape", // a cotangent summed to the shape of the input
      "sum", // over what was broadcast
      "where", // where a cotangent is absent
    ]);
  },
);

test(...skip("the parser of formulas is only in bundles with elementwise", elsewhere), async () => {
  const has = async (name: string) => /parseExpressionAt/.test(await bundleOf(`export { ${name} } from "./mod.ts";`));
  assert.ok(await has("elementwise"));
  for (const name of ["add", "grad", "SSDLoss"]) assert.ok(!(await has(name)), name);
});

/** The packages and files that are loaded with an entry point, before anything is called. */
async function loadedWith(entry: string): Promise<string[]> {
  const { metafile: { outputs } } = await build({
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    metafile: true,
    write: false,
    format: "esm",
    platform: "node",
    packages: "external",
    outdir: "out",
  });
  const found = new Set<string>();
  const queue = Object.keys(outputs).filter((path) => outputs[path].entryPoint === entry);
  for (const path of queue) {
    for (const input of Object.keys(outputs[path].inputs)) found.add(input);
    for (const { path: imported, kind, external } of outputs[path].imports) {
      if (kind !== "import-statement") continue;
      if (external) found.add(imported);
      else if (!queue.includes(imported)) queue.push(imported);
    }
  }
  return [...found];
}

test(...skip("the libraries of pages are loaded when a page is made", elsewhere), async () => {
  const loaded = await loadedWith("verify/mod.ts");
  const packages = loaded.filter((name) => !/[.]ts$|^node:/.test(name)).sort();
  assert.deepEqual(packages, ["fast-check"]);
});

test(...skip("the command checks without loading the library, which its worker does", elsewhere), async () => {
  const loaded = [...await loadedWith("bin/gpugrad.ts"), ...await loadedWith("bin/check.ts")];
  assert.ok(loaded.includes("verify/report/text.ts"));
  assert.deepEqual(
    loaded.filter((name) => /^(core\/(tensor|devices)|ops\/|verify\/(gradcheck|property))/.test(name)),
    [],
  );
});

/** The most bytes of a program's bundle, minified, without what is loaded when it is first needed. */
const BUDGETS: Readonly<Record<string, number>> = {
  'export { add } from "./mod.ts";': 131_000,
  'export { grad } from "./mod.ts";': 145_000,
  'export { SSDLoss } from "./loss/mod.ts";': 194_000,
  'export { gradcheck } from "./verify/mod.ts";': 290_000,
};

test(...skip("bundles of parts keep to their sizes, and gpu.js is apart", elsewhere), async () => {
  for (const [program, budget] of Object.entries(BUDGETS)) {
    const { outputFiles, metafile } = await build({
      stdin: { contents: program, resolveDir: root, loader: "ts" },
      bundle: true,
      splitting: true,
      minify: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "neutral",
      mainFields: ["module", "main"],
      // The reader of pages that a report is drawn with asks for a module of Node, the tests' library is the user's own.
      external: ["@observablehq/plot", "@dagrejs/dagre", "linkedom", "fast-check", "os", "worker_threads", "gl"],
      outdir: "out",
      logLevel: "silent",
    });
    const first = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint)!;
    const apart = first[1].imports.filter(({ kind }) => kind === "dynamic-import").map(({ path }) => path);
    const gpuJs = apart.filter((path) => {
      return Object.keys(metafile.outputs[path]?.inputs ?? {}).some((input) => input.includes("node_modules/gpu.js/"));
    });
    assert.equal(gpuJs.length, 1, `${program} ${apart}`);
    // The files that load before anything is called: its own, and those that it imports.
    const names = [
      first[0],
      ...first[1].imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => path),
    ];
    const bytes = names.reduce((sum, name) => sum + (metafile.outputs[name]?.bytes ?? 0), 0);
    assert.ok(bytes <= budget && outputFiles.length > 1, `${program} ${bytes} bytes, at most ${budget}`);
    assert.ok(bytes > 0.8 * budget, `${program} ${bytes} bytes; its budget of ${budget} can be lower`);
  }
});
