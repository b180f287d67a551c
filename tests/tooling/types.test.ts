/** The package's types as users see them: each supported version of TypeScript, and the tools that find what packages get wrong. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { BUNDLED } from "../../scripts/build/bundled.ts";
import { packed } from "../support/packed.ts";
import { skip } from "../support/skip.ts";
import { readJson, root } from "../support/source.ts";

const npm = readJson("package.json");
const onlyNode = "Bun" in globalThis || "Deno" in globalThis ? "the package is the same; Node looks at it" : undefined;

const folder = onlyNode ? "" : mkdtempSync(join(tmpdir(), "gpugrad-types-"));
const modules = join(folder, "node_modules");
let tarball = "";

/** Uses each entry point; the last line is the one mistake. */
const PROGRAM = `import { type Device, grad, SSDLoss, type Tensor, tensor, useDevice } from "gpugrad";
import { smoothL1 } from "gpugrad/loss";
import { type Optimiser, sgd } from "gpugrad/optim";
import { assertGradients, check, tensors } from "gpugrad/verify";

const x: Tensor = tensor([1, 2]);
export const [slope]: Tensor[] = grad(smoothL1(x, 0), [x]);
export const optimiser: Optimiser = sgd({ learningRate: 0.1 });
export const device: Promise<Device> = useDevice("auto");
export const checked = check((x: Tensor) => smoothL1(x, 0), tensors([[2]]));
export const done: Promise<unknown> = assertGradients((x) => smoothL1(x, 0), [[1, 2]]);
export const Loss: typeof SSDLoss = SSDLoss;
export const mistake: string = tensor([1]);
`;

before(async () => {
  if (onlyNode) return;
  const { folder: built, tarball: file } = await packed();
  tarball = file;
  mkdirSync(modules, { recursive: true });
  cpSync(built, join(modules, "gpugrad"), { recursive: true });
  for (const name of [...Object.keys(npm.dependencies), "fast-check"]) {
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "folder", type: "module" }));
  writeFileSync(join(folder, "program.ts"), PROGRAM);
});
after(() => folder && rmSync(folder, { recursive: true, force: true }));

/** Runs a program of a package; returns its status and output. */
function run(program: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const path = join(root, "node_modules", program);
  return new Promise((done) => {
    execFile(process.execPath, [path, ...args], { cwd: folder, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

/** The oldest that is supported, and each major version since. */
const COMPILERS: Readonly<Record<string, string>> = {
  "5.4": "typescript-5.4/bin/tsc",
  "6.0": "typescript/bin/tsc",
  "7.0": "typescript-7/bin/tsc",
};

/** Neither the types of Node nor those of browsers are there. */
const OPTIONS = { noEmit: true, strict: true, skipLibCheck: false, target: "es2022", lib: ["es2022"], types: [] };

for (const [version, compiler] of Object.entries(COMPILERS)) {
  for (const [module, resolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    test(
      ...skip(`TypeScript ${version} reads the types, strictly and with those of libraries: ${resolution}`, onlyNode),
      async () => {
        const compilerOptions = { ...OPTIONS, module, moduleResolution: resolution };
        writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
        const { output } = await run(compiler, ["--project", "."]);
        assert.match(
          output,
          /^program\.ts\(13,14\): error TS2322: Type 'Tensor' is not assignable to type 'string'\.\s*$/,
        );
      },
    );
  }
}

test(...skip("publint finds nothing", onlyNode), async () => {
  const { publint } = await import("publint");
  const { messages } = await publint({
    pkgDir: join(modules, "gpugrad"),
    level: "suggestion",
    strict: true,
    pack: false,
  });
  assert.deepEqual(messages, []);
});

test(...skip("are-the-types-wrong finds nothing, for ES modules", onlyNode), async () => {
  const { code, output } = await run("@arethetypeswrong/cli/dist/index.js", [
    tarball,
    "--profile",
    "esm-only",
    "--no-color",
  ]);
  assert.equal(code, 0, output);
  for (const entry of ["verify", "loss", "optim"]) assert.ok(output.includes(`"gpugrad/${entry}"`), output);
});

test(...skip("the types name no package that is bundled", onlyNode), () => {
  const dist = join(modules, "gpugrad", "dist");
  const names = Object.keys(BUNDLED);
  const found = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((path) => {
    if (!/\.(d\.ts|js)$/.test(path) || path.startsWith("bundled")) return false;
    const text = readFileSync(join(dist, path), "utf8");
    return [...text.matchAll(/(?:^import [^;]*? from |\bimport\()"([^"]+)"/gm)].some(([, name]) =>
      names.includes(name)
    );
  });
  assert.deepEqual(found, []);
});

test(...skip("maps lead to sources that are in the package", onlyNode), () => {
  const dist = join(modules, "gpugrad", "dist");
  const maps = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".map"));
  assert.ok(maps.some((path) => path.endsWith(".d.ts.map")) && maps.some((path) => path.endsWith(".js.map")));
  for (const path of maps) {
    const { sources } = JSON.parse(readFileSync(join(dist, path), "utf8")) as { sources: string[] };
    assert.ok(sources.length > 0, path);
    for (const source of sources) assert.ok(existsSync(resolve(dist, dirname(path), source)), `${path}: ${source}`);
  }
});
