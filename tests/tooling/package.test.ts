import assert from "node:assert/strict";
import { test } from "node:test";
import ts from "typescript";
import { BUNDLED } from "../../scripts/build/bundled.ts";
import { readJson, readText, sourcesIn } from "../support/source.ts";

const npm = readJson("package.json");
const deno = readJson("deno.json");

test("package.json and deno.json agree on name, version and license", () => {
  assert.equal(deno.name, `@gpugrad/${npm.name}`);
  assert.equal(deno.version, npm.version);
  assert.equal(deno.license, npm.license);
});

test("package.json exports the builds of deno.json's exports", () => {
  const { "./cli": command, ...entries } = deno.exports as Record<string, string>;
  const built = (source: string) => source.replace(/^\.\/(.*)\.ts$/, "./dist/$1");
  assert.deepEqual(npm.exports, {
    ...Object.fromEntries(
      Object.entries(entries).map(([entry, source]) => {
        return [entry, { types: `${built(source)}.d.ts`, default: `${built(source)}.js` }];
      }),
    ),
    "./report.schema.json": "./verify/report/report.schema.json",
    "./package.json": "./package.json",
  });
  // JSR has no commands, so the command is an entry point there.
  assert.equal(npm.bin.gpugrad, `${built(command)}.js`);
});

test("package.json and deno.json agree on the versions of packages", () => {
  const declared = { ...npm.dependencies, ...npm.devDependencies };
  for (const [name, target] of Object.entries<string>(deno.imports)) {
    if (name.split("/")[0] !== npm.name) assert.equal(target, `npm:${name}@${declared[name]}`);
  }
  // Deno has no peers: what npm takes from the user, it resolves like any other package.
  const peers = Object.keys(npm.peerDependencies).filter((name) => !npm.peerDependenciesMeta[name]?.optional);
  for (const name of [...Object.keys(npm.dependencies), ...Object.keys(BUNDLED), ...peers]) {
    assert.ok(name in deno.imports, `deno.json lacks ${name}`);
  }
  // gpugrad looks into pipelines, which a new minor version may change.
  assert.match(declared["gpu.js"], /^~2\.24\.\d+$/);
});

test("only core/runtime.ts touches the globals of a runtime", () => {
  const found: string[] = [];
  for (const path of [...["core", "ops", "loss", "optim"].flatMap(sourcesIn), "mod.ts"]) {
    if (path === "core/runtime.ts") continue;
    const file = ts.createSourceFile(path, readText(path), ts.ScriptTarget.Latest);
    const visit = (node: ts.Node): void => {
      if (ts.isIdentifier(node) && ["Deno", "Bun", "process"].includes(node.text)) {
        found.push(`${path}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1} ${node.text}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  assert.deepEqual(found, []);
});

test("the published files include all exports", () => {
  const inFiles = (path: string) =>
    npm.files.some((file: string) => path === `./${file}` || path.startsWith(`./${file}/`));
  const paths = Object.values<string | Record<string, string>>(npm.exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : Object.values(entry)
  );
  assert.deepEqual([...paths, npm.bin.gpugrad].filter((path) => path !== "./package.json" && !inFiles(path)), []);
});

test("the command prints the version of the package", async () => {
  const { version } = await import("../../bin/version.ts");
  assert.equal(version, npm.version);
});

test("the main entry point exports all of those of losses and optimisers, and nothing else of their folders", async () => {
  const all = await import("../../mod.ts") as Record<string, unknown>;
  for (const entry of ["loss", "optim"]) {
    const part = await import(`../../${entry}/mod.ts`) as Record<string, unknown>;
    for (const [name, value] of Object.entries(part)) assert.equal(value, all[name], `${entry}: ${name}`);
    const taken = [...readText("mod.ts").matchAll(/^export ([^;]*) from "([^"]+)";/gm)]
      .filter(([, , from]) => from.startsWith(`./${entry}/`))
      .map(([, names, from]) => `${names} ${from}`);
    assert.deepEqual(taken, [`* ./${entry}/mod.ts`]);
  }
});

test("nothing that the package for npm brings along is compiled or downloaded when it is installed", () => {
  assert.deepEqual(Object.keys(npm.dependencies), ["acorn"]);
  for (const optional of ["gl", "webgpu"]) assert.equal(npm.peerDependenciesMeta[optional].optional, true);
  for (const script of ["preinstall", "install", "postinstall"]) assert.ok(!(script in npm.scripts), script);
});
