/**
 * Whole programs in separate processes: each exits by itself, and in Deno none needs a permission. Deno and Bun run the sources. Node runs
 * a bundle of them, since it would need a compiler in each process.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { runtime } from "../../core/runtime.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { root } from "../support/source.ts";

const folder = join(root, ".cache", `programs-${process.pid}`);
mkdirSync(folder, { recursive: true });
after(() => rmSync(folder, { recursive: true, force: true }));

/** The module that programs import. */
const library = runtime() === "node" ? "./mod.js" : "../../mod.ts";
if (runtime() === "node") {
  const { bundleForNode } = await import("../../scripts/bundle.ts");
  await bundleForNode(["mod.ts"], folder, { place: (module) => join(folder, module.replace(/\.ts$/, ".js")) });
}

/** A program that computes on its device, small and large enough for threads, and does not call `process.exit`. */
const source = (device: string) => `
import { exp, grad, realize, sum, tensor, useDevice } from "${library}";
const device = await useDevice(${JSON.stringify(device)});
const x = tensor(new Float32Array(100_000));
const y = exp(x);
const total = sum(grad(sum(y), x));
await realize([y, total]);
console.log(device.backend, device.executor, (await y.data())[99_999], await total.item());
`;

/** Without any --allow flag. */
const before = runtime() === "deno" ? ["run", "--no-prompt", "--no-check"] : [];
/** The ending of a program's file. */
const ending = runtime() === "node" ? "mjs" : "ts";

/** The time after which a program is considered hung. */
const PATIENCE_MS = 60_000;

interface Outcome {
  code: number | string | null;
  stdout: string;
  stderr: string;
}

/** Uses Deno's own API to start a process, because its version of Node's grants the permissions of the parent. */
interface DenoGlobal {
  execPath(): string;
  Command: new (
    command: string,
    options: { args: string[]; cwd: string; signal: AbortSignal; env: Record<string, string> },
  ) => {
    output(): Promise<{ code: number; signal: string | null; stdout: Uint8Array; stderr: Uint8Array }>;
  };
}

function run(...args: string[]): Promise<Outcome> {
  return runWith({}, ...args);
}

async function runWith(variables: Record<string, string>, ...args: string[]): Promise<Outcome> {
  const { Deno } = globalThis as { Deno?: DenoGlobal };
  if (Deno) {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const env = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...variables };
    const command = new Deno.Command(Deno.execPath(), { args: [...before, ...args], cwd: root, signal, env });
    const { code, stdout, stderr } = await command.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: signal.aborted ? "did not end" : code, stdout: text(stdout), stderr: text(stderr) };
  }
  return await new Promise((done) => {
    const options = {
      cwd: root,
      timeout: PATIENCE_MS,
      env: { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...variables },
    };
    execFile(process.execPath, [...before, ...args], options, (error, stdout, stderr) => {
      done({ code: error ? (error.killed ? "did not end" : error.code ?? null) : 0, stdout, stderr });
    });
  });
}

const permissions = runtime() === "deno" ? ", without any permission" : "";

for (const { device, on } of await devicesUnderTest()) {
  test(...on(`a program that computes exits by itself${permissions}`), async () => {
    const file = join(folder, `${device}.${ending}`);
    writeFileSync(file, source(device));
    const { code, stdout, stderr } = await run(file);
    assert.equal(code, 0, stderr);
    assert.match(stdout, / 1 100000\n$/, stderr);
    if (device === "webasm") assert.match(stdout, /fused-threaded/);
  });
}

test("the environment variable GPUGRAD_DEBUG has computations reported on stderr [float64]", async () => {
  const file = join(folder, `debug.${ending}`);
  writeFileSync(file, source("float64"));
  const allowed = runtime() === "deno" ? ["--allow-env=GPUGRAD_DEBUG"] : [];
  const { code, stdout, stderr } = await runWith({ GPUGRAD_DEBUG: "1" }, ...allowed, file);
  assert.equal(code, 0, stderr);
  assert.match(stdout, / 1 100000\n$/, "stdout stays as it is");
  assert.match(stderr, /^gpugrad: float64 took [\d.]+ ms for /m);
  const off = await runWith({ GPUGRAD_DEBUG: "0" }, ...allowed, file);
  assert.doesNotMatch(off.stderr, /gpugrad/);
});

if (runtime() === "deno") {
  test("without the permission GPUGRAD_DEBUG is not read, and nobody is asked [float64]", async () => {
    const file = join(folder, "debug.ts");
    writeFileSync(file, source("float64"));
    const { code, stdout, stderr } = await runWith({ GPUGRAD_DEBUG: "1" }, file);
    assert.equal(code, 0, stderr);
    assert.match(stdout, / 1 100000\n$/);
    assert.doesNotMatch(stderr, /gpugrad|permission|access/);
  });

  test("the command only needs permission to read the file", async () => {
    const denied = await run("bin/gpugrad.ts", "check", "examples/checks/right.ts");
    assert.notEqual(denied.code, 0);
    assert.match(denied.stderr, /Requires read access/);
    const { code, stderr } = await run(
      "--allow-read",
      "bin/gpugrad.ts",
      "check",
      "examples/checks/right.ts",
      "--runs",
      "5",
    );
    assert.equal(code, 0, stderr);
  });
}
