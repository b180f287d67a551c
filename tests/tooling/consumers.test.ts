/**
 * Uses of the package once npm has installed it: bundlers, pages, workers, test runners, executables, and pages whose
 * Content-Security-Policy forbids things. Everything is offline; one folder has the package as npm packs it and what it depends on.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { findChromium, launchChromium } from "../../scripts/browser.ts";
import { listen } from "../../scripts/server.ts";
import { packed } from "../support/packed.ts";
import { skip } from "../support/skip.ts";
import { readJson, readText, root } from "../support/source.ts";

const npm = readJson("package.json");
const onlyNode = "Bun" in globalThis || "Deno" in globalThis ? "under Node, which starts the others" : undefined;
const chromium = findChromium();
const noBrowser = onlyNode ?? ("missing" in chromium ? chromium.missing : undefined);

const [example] = [...readText("README.md").matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code);
/** The output of the README's example: the loss, three slopes, three curvatures. */
const computed = /^[\d.]+ \[[^\]]*\] \[[^\]]*\]\s*$/;

const parent = onlyNode ? "" : mkdtempSync(join(tmpdir(), "gpugrad-consumers-"));
const folder = join(parent, "folder");
const modules = join(folder, "node_modules");

/** The devices that a page can have, tried one after the other, or those in its address alone; `auto` says which it took. */
const DEVICES = ["float64", "cpu", "wasm", "webasm", "webgl", "webgl2", "webgpu", "auto"] as const;
const tried = `import { elementwise, sum, tensor, useDevice } from "gpugrad";
const square = elementwise((x) => x * x);
const found = {};
for (const name of location.hash ? location.hash.slice(1).split(",") : ${JSON.stringify(DEVICES)}) {
  try {
    const { backend } = await useDevice(name);
    const total = await sum(square(tensor([1, 2, 3]))).item();
    found[name] = total === 14 ? backend : \`\${total} instead of 14\`;
  } catch (error) {
    found[name] = error.message;
  }
}
`;

/** Sources of the page, its worker and a test. The page prints what the example prints there and in the worker. */
const SOURCES: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({ name: "folder", version: "1.0.0", type: "module" }),
  "program.ts": example,
  "index.html": `<!doctype html><link rel="icon" href="data:,"><script type="module" src="./page.ts"></script>`,
  "page.ts": `const lines = [];
console.log = (...args) => lines.push(args.map((x) => typeof x === "object" ? JSON.stringify(x) : x).join(" "));
const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
globalThis.printed = Promise.all([
  import("./program.ts").then(() => lines.join("\\n")),
  new Promise((done, fail) => {
    worker.onmessage = ({ data }) => done(data);
    worker.onerror = ({ message }) => fail(new Error(message));
  }),
]);
`,
  "worker.ts":
    `console.log = (...args) => postMessage(args.map((x) => typeof x === "object" ? JSON.stringify(x) : x).join(" "));
await import("./program.ts");
`,
  "policy.html": `<!doctype html><link rel="icon" href="data:,"><script type="module" src="./policy.ts"></script>`,
  "policy.ts": `globalThis.found = (async () => {\n${tried.replace(/^import.*$/m, "")}return found;\n})();
import { elementwise, sum, tensor, useDevice } from "gpugrad";
`,
  "example.test.ts": `import { expect, test } from "vitest";
import { grad, square, sum, tensor } from "gpugrad";
import { assertGradients } from "gpugrad/verify";
test("a gradient", async () => {
  const x = tensor([1, 2]);
  const [slope] = grad(sum(square(x)), [x]);
  expect(await slope.toArray()).toEqual([2, 4]);
  await assertGradients((x) => sum(square(x)), [[1, 2]]);
});
`,
};

before(async () => {
  if (onlyNode) return;
  mkdirSync(modules, { recursive: true });
  cpSync((await packed()).folder, join(modules, "gpugrad"), { recursive: true });
  // Its dependency, the peer that npm installs too, and the test runner that the user has.
  for (const name of [...Object.keys(npm.dependencies), "fast-check", "vitest"]) {
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  for (const [name, text] of Object.entries(SOURCES)) writeFileSync(join(folder, name), text);
});
after(async () => {
  await opened?.close();
  if (parent) rmSync(parent, { recursive: true, force: true });
});

/** Runs a program in the folder and returns what it printed. */
async function run(program: string, ...args: string[]): Promise<string> {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/.test(name));
  const env = { ...Object.fromEntries(own), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  return (await promisify(execFile)(program, args, { cwd: folder, env })).stdout;
}

test(...skip("esbuild: the README's example as one file for Node, as a module and as CommonJS", onlyNode), async () => {
  const { build } = await import("esbuild");
  for (const [format, file] of [["esm", "out/program.mjs"], ["cjs", "out/program.cjs"]] as const) {
    const contents = format === "esm"
      ? example
      : `(async () => {\n${example.replace(/^import (\{.*\}) from (".*");$/m, "const $1 = await import($2);")}\n})();`;
    const { warnings } = await build({
      stdin: { contents, resolveDir: folder, loader: "ts" },
      outfile: join(folder, file),
      bundle: true,
      platform: "node",
      format,
      logLevel: "silent",
      // CommonJS has no import.meta, by which the addon gl is found; the package must not fail for want of it.
      logOverride: { "empty-import-meta": "silent" },
    });
    assert.deepEqual(warnings, []);
    assert.match(await run(process.execPath, file), computed);
  }
});

test(...skip("bun build --compile: the README's example as an executable", onlyNode), async () => {
  const bun = join(root, "node_modules", ".bin", "bun");
  await run(bun, "build", "--compile", "program.ts", "--outfile", "compiled");
  assert.match(await run(join(folder, "compiled")), computed);
});

test(...skip("vitest: a test of a gradient", onlyNode), async () => {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  assert.match(await run(process.execPath, vitest, "run", "--root", folder, "example.test.ts"), /1 passed/);
});

/** The pages as Vite builds them, a server that sends them with a policy, and a browser. */
interface Opened {
  readonly browser: Browser;
  readonly address: string;
  /** Headers of what is sent from now on. */
  headers: Record<string, string>;
  close(): Promise<void>;
}
let opened: Opened | undefined;

async function open(): Promise<Opened> {
  if (opened) return opened;
  const { build } = await import("vite");
  await build({
    root: folder,
    logLevel: "error",
    configFile: false,
    worker: { format: "es" },
    build: { rollupOptions: { input: [join(folder, "index.html"), join(folder, "policy.html")] } },
  });
  const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript" };
  const server = await listen((request, response) => {
    const path = request.url!.split("?")[0];
    response.writeHead(200, { ...opened!.headers, "Content-Type": types[extname(path)] ?? "text/plain" });
    response.end(readFileSync(join(folder, "dist", path)));
  });
  const browser = await launchChromium((chromium as { path: string }).path);
  return opened = {
    browser,
    address: server.origin,
    headers: {},
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** The page that tries devices, on those of the host that need to make code: GPUs need nothing else than in the page that tries all. */
const HOSTS = "policy.html#cpu,wasm,webasm";

/** Opens a page and returns what one of its globals resolves to. */
async function visit<T>(path: string, global: string, headers: Record<string, string> = {}): Promise<T> {
  const site = await open();
  site.headers = headers;
  const page = await site.browser.newPage();
  try {
    await page.goto(`${site.address}/${path}`);
    return await page.evaluate(
      (name) => (globalThis as unknown as Record<string, Promise<unknown>>)[name],
      global,
    ) as T;
  } finally {
    await page.close();
  }
}

test(...skip("Vite: the README's example in a page and in a worker", noBrowser), async () => {
  const printed = await visit<string[]>("index.html", "printed");
  assert.equal(printed.length, 2);
  for (const line of printed) assert.match(line, computed);
});

const isolated = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const policy = (text: string) => ({ "Content-Security-Policy": text });

test(...skip("a page without eval: which devices work, and why others do not", noBrowser), async () => {
  const { float64, cpu, wasm, webasm, ...gpus } = await visit<Record<string, string>>(
    "policy.html",
    "found",
    policy("script-src 'self'"),
  );
  for (const reason of [float64, cpu]) {
    assert.match(reason, /Content-Security-Policy forbids making functions from text; .* allows 'unsafe-eval'$/);
  }
  for (const reason of [wasm, webasm]) {
    assert.match(reason, /Content Security policy directive.*; it needs .* allows 'wasm-unsafe-eval'/s);
  }
  assert.deepEqual(gpus, { webgl: "webgl", webgl2: "webgl2", webgpu: "webgpu", auto: "webgpu" });
});

test(...skip("a page without eval but with WebAssembly: threads need workers from blob:", noBrowser), async () => {
  const alone = await visit<Record<string, string>>(
    HOSTS,
    "found",
    policy("script-src 'self' 'wasm-unsafe-eval'"),
  );
  assert.deepEqual([alone.wasm, alone.webasm], ["wasm", "webasm"]);
  assert.match(alone.cpu, /'unsafe-eval'$/);

  const headers = { ...policy("script-src 'self' 'wasm-unsafe-eval'"), ...isolated };
  const blocked = await visit<Record<string, string>>(HOSTS, "found", headers);
  assert.equal(blocked.wasm, "wasm", "one thread computes");
  assert.match(blocked.webasm, /workers from blob: if it is isolated$/);

  const allowed = policy("script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:");
  const threads = await visit<Record<string, string>>(HOSTS, "found", { ...allowed, ...isolated });
  assert.deepEqual([threads.wasm, threads.webasm], ["wasm", "webasm"]);
});

test(...skip("npm's file has no file that it should not have", onlyNode), async () => {
  const { tarball } = await packed();
  const names = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).trim().split("\n");
  const others = names.filter((name) => !/^package\/(dist|core|ops|loss|optim|verify|bin)\//.test(name));
  assert.deepEqual(
    others.sort(),
    ["CHANGELOG.md", "LICENSE", "README.md", "mod.ts", "package.json"].map((name) => `package/${name}`),
  );
  assert.ok(names.includes("package/dist/bundled/LICENSES.md"));
  assert.equal(dirname(join("package", npm.exports["."].types)), "package/dist");
});
