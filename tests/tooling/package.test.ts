import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { readJson, readText, root, sourcesIn } from "../support/source.ts";
import { skip } from "../support/skip.ts";

const npm = readJson("package.json");
const deno = readJson("deno.json");
const onlyNode = "Bun" in globalThis || "Deno" in globalThis ? "what is built for Node is tried under Node" : undefined;

test("package.json and deno.json agree on name, version and license", () => {
  assert.equal(deno.name, `@gpugrad/${npm.name}`);
  assert.equal(deno.version, npm.version);
  assert.equal(deno.license, npm.license);
});

test("package.json exports the build of what deno.json exports", () => {
  const { "./cli": command, ...entries } = deno.exports as Record<string, string>;
  const built = (source: string) => source.replace(/^\.\/(.*)\.ts$/, "./dist/$1");
  assert.deepEqual(npm.exports, {
    ...Object.fromEntries(
      Object.entries(entries).map(([entry, source]) => {
        return [entry, { types: `${built(source)}.d.ts`, default: `${built(source)}.js` }];
      }),
    ),
    "./report.schema.json": "./verify/report.schema.json",
    "./package.json": "./package.json",
  });
  // JSR has no commands: there the command is an entry.
  assert.equal(npm.bin.gpugrad, `${built(command)}.js`);
});

test("package.json and deno.json agree on the versions of packages", () => {
  const declared = { ...npm.dependencies, ...npm.devDependencies };
  for (const [name, target] of Object.entries<string>(deno.imports)) {
    if (name.split("/")[0] !== npm.name) assert.equal(target, `npm:${name}@${declared[name]}`);
  }
  for (const name of Object.keys(npm.dependencies)) assert.ok(name in deno.imports, `deno.json lacks ${name}`);
  assert.match(npm.dependencies["gpu.js"], /^~2\.24\.\d+$/);
});

test("only core/runtime.ts touches the globals of a runtime", () => {
  const found: string[] = [];
  for (const path of [...["core", "ops", "loss"].flatMap(sourcesIn), "mod.ts"]) {
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

test("what npm publishes includes all that it exports", () => {
  const inFiles = (path: string) =>
    npm.files.some((file: string) => path === `./${file}` || path.startsWith(`./${file}/`));
  const paths = Object.values<string | Record<string, string>>(npm.exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : Object.values(entry)
  );
  assert.deepEqual([...paths, npm.bin.gpugrad].filter((path) => path !== "./package.json" && !inFiles(path)), []);
});

test("the command says the version of the package", async () => {
  const { version } = await import("../../bin/version.ts");
  assert.equal(version, npm.version);
});

test(...skip("the build can be imported, and its command runs", onlyNode), async () => {
  const dist = join(root, ".cache", `dist-${process.pid}`);
  try {
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    execFileSync(process.execPath, [compiler, "--project", "tsconfig.build.json", "--outDir", dist], {
      cwd: root,
      stdio: "inherit",
    });
    assert.notDeepEqual(Object.keys(await import(pathToFileURL(join(dist, "mod.js")).href)), []);
    const command = join(dist, npm.bin.gpugrad.replace("./dist/", ""));
    const output = (...args: string[]) => execFileSync(process.execPath, [command, ...args], { encoding: "utf8" });
    assert.equal(output("--version"), `${npm.version}\n`);
    assert.match(output("--help"), /^Usage: gpugrad/);
    const { devices } = JSON.parse(output("devices", "--json"));
    assert.ok(devices.some(({ name, available }: { name: string; available: boolean }) => name === "cpu" && available));

    const file = join(dist, "checks.mjs");
    writeFileSync(
      file,
      `import { exp } from "./mod.js";\nimport { check, tensors } from "./verify/mod.js";\n` +
        `export const exponential = check((x) => exp(x), tensors([[3]]), { runs: 3 });\n`,
    );
    assert.match(output("check", file), /^ok +exponential {2}3 runs: 9 ok of 9\n/);
    // A Node that does not strip types says what can load TypeScript.
    if (!("typescript" in process.features)) {
      const typed = join(dist, "checks.ts");
      writeFileSync(typed, "export {};\n");
      const { status, stderr } = spawnSync(process.execPath, [command, "check", typed], { encoding: "utf8" });
      assert.equal(status, 2);
      assert.match(stderr, /does not load TypeScript[^]*--import tsx[^]*deno run[^]*bunx --bun/);
    }
  } finally {
    rmSync(dist, { recursive: true, force: true });
  }
});
