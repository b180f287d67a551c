/** The package as JSR has it: its published files alone, in Deno. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildForJsr } from "../../scripts/build/jsr.ts";
import { skip } from "../support/skip.ts";
import { readJson, readText, root } from "../support/source.ts";

const onlyNode = "Bun" in globalThis || "Deno" in globalThis ? "under Node, which starts Deno" : undefined;
const deno = join(root, "node_modules", ".bin", "deno");
const folder = onlyNode ? "" : mkdtempSync(join(tmpdir(), "gpugrad-jsr-"));
after(() => folder && rmSync(folder, { recursive: true, force: true }));

function run(cwd: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  return new Promise((done) => {
    execFile(deno, args, { cwd, env, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** The output of `npm run build:jsr`. */
const built = join(folder, "built");

/** Lists the files that would be published. */
async function published(): Promise<string[]> {
  await buildForJsr(built);
  // The packages that importers get from npm, at the versions that are installed here, so that nothing is downloaded.
  const imports = JSON.parse(readFileSync(join(built, "deno.json"), "utf8")).imports as Record<string, string>;
  const packages = Object.keys(imports).filter((name) => imports[name].startsWith("npm:"));
  assert.deepEqual(packages, ["acorn", "fast-check"]);
  mkdirSync(join(folder, "node_modules"));
  for (const name of packages) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  const { code, stderr } = await run(built, "publish", "--dry-run", "--allow-dirty", "--no-check");
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /^warning\b|^error\b/m);
  return [...stderr.matchAll(/^ +(file:\S+) \(/gm)].map(([, url]) => relative(built, fileURLToPath(url)));
}

test(...skip("deno publish finds nothing to warn of, and what it would publish runs alone", onlyNode), async () => {
  const files = await published();
  for (const path of ["mod.ts", "verify/mod.ts", "loss/mod.ts", "optim/mod.ts", "bin/gpugrad.ts", "bundled/gpu.js"]) {
    assert.ok(files.includes(path), path);
  }
  const folders = new Set(files.filter((path) => path.includes("/")).map((path) => path.split("/")[0]));
  assert.deepEqual([...folders].sort(), ["bin", "bundled", "core", "loss", "ops", "optim", "verify"]);
  for (const path of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(built, path), join(folder, path));
  }
  const [example, , checks] = [...readText("README.md").matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code);
  // gpu.js is one of the packages that are brought along.
  const onGpuJs = 'import { useDevice } from "./mod.ts";\nawait useDevice("cpu");\nconsole.log(await loss.item());\n';
  writeFileSync(join(folder, "program.ts"), example + onGpuJs);
  writeFileSync(join(folder, "losses.ts"), checks);
  assert.ok(!existsSync(join(folder, "tests")));

  const { code, stdout, stderr } = await run(folder, "run", "--no-prompt", "program.ts");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^([\d.]{6})[\d.]* \[[^\]]*\] \[[^\]]*\]\n\1[\d.]*\n$/);
  const checked = await run(
    folder,
    "run",
    "--allow-read",
    "--allow-write",
    "bin/gpugrad.ts",
    "check",
    "losses.ts",
    "--html",
    "page.html",
  );
  assert.equal(checked.code, 0, checked.stderr);
  assert.match(checked.stdout, /^ok +sumOfSquares /m);
  assert.ok(existsSync(join(folder, "page.html")));
});

test(...skip("deno doc misses no documentation and no type of what is public", onlyNode), async () => {
  const entries = Object.values(readJson("deno.json").exports as Record<string, string>);
  // Without the packages of npm, whose own types would be asked for documentation as well.
  const { code, stderr } = await run(root, "doc", "--lint", "--no-npm", ...entries);
  assert.equal(code, 0, stderr);
  assert.match(stderr, new RegExp(`Checked ${entries.length} files`));
});
