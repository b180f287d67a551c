/**
 * The first steps after installation: each command of the README and of the command's help, in a folder with nothing
 * else in it, under each Node, Deno and Bun, with the package as npm packs it.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { readJson, readText, root } from "../support/source.ts";
import { packed } from "../support/packed.ts";
import { skip } from "../support/skip.ts";

const npm = readJson("package.json");
const onlyNode = "Bun" in globalThis || "Deno" in globalThis
  ? "under Node, where it starts each runtime itself"
  : undefined;

/** The Nodes, by major version: the one that runs the tests, and those in `nodes/`. */
const nodes = [20, 22, 24].map((major) => {
  const own = Number(process.versions.node?.split(".")[0]) === major;
  const binary = own
    ? process.execPath
    : join(root, "tests", "tooling", "nodes", "node_modules", `node${major}`, "bin", "node");
  return { major, binary, reason: existsSync(binary) ? undefined : "npm ci --prefix tests/tooling/nodes installs it" };
});

/** An environment without npm's variables, with the given runtime first in the path. */
function environment(binary: string): Record<string, string | undefined> {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INIT_CWD$)/.test(name));
  return {
    ...Object.fromEntries(own),
    PATH: [dirname(binary), join(modules, ".bin"), process.env.PATH].join(delimiter),
    // The registry must not be asked: the installed packages have to do.
    npm_config_offline: "true",
    npm_config_update_notifier: "false",
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
  };
}

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

const parent = onlyNode ? "" : mkdtempSync(join(tmpdir(), "gpugrad-first-steps-"));
after(() => parent && rmSync(parent, { recursive: true, force: true }));

/**
 * The folder: a package.json as written by `npm init`, the package as installed by npm, and the programs of the README.
 */
const folder = join(parent, "folder");
const modules = join(folder, "node_modules");
const [example, , checks] = [...readText("README.md").matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code);

/** A plain function with a wrong gradient. */
const wrong = `import { check, tensors } from "gpugrad/verify";

const square = { value: ([x]: ArrayLike<number>[]) => x[0] ** 2, gradient: ([x]: ArrayLike<number>[]) => [[x[0]]] };
export const wrong = check(square, tensors([[1]]));
`;

/** Installs a package, in place of one of this name, from where this repository has it. */
function install(name: string, from = name): void {
  mkdirSync(dirname(join(modules, name)), { recursive: true });
  rmSync(join(modules, name), { force: true });
  symlinkSync(join(root, "node_modules", from), join(modules, name));
}

before(async () => {
  if (onlyNode) return;
  mkdirSync(join(modules, ".bin"), { recursive: true });
  cpSync((await packed()).folder, join(modules, "gpugrad"), { recursive: true });
  // The peer that npm installs too.
  for (const name of [...Object.keys(npm.dependencies), "fast-check"]) install(name);
  chmodSync(join(modules, "gpugrad", npm.bin.gpugrad), 0o755);
  symlinkSync(join("..", "gpugrad", npm.bin.gpugrad), join(modules, ".bin", "gpugrad"));
  const manifest = { name: "folder", version: "1.0.0", type: "commonjs", dependencies: { gpugrad: `^${npm.version}` } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "program.mjs"), example);
  writeFileSync(join(folder, "program.ts"), example);
  writeFileSync(join(folder, "losses.ts"), checks);
  writeFileSync(join(folder, "wrong.ts"), wrong);
  writeFileSync(join(folder, "mistake.ts"), "const a: number = 1;\nexport const b: number = ;\n");
});

/** Runs a line as a shell would, without support for quotes. */
function run(line: string, binary = process.execPath): Promise<Outcome> {
  const [command, ...args] = line.split(" ");
  const options = { cwd: folder, env: environment(binary) };
  return new Promise((done) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** Runs a line that must succeed. */
async function succeed(line: string, binary = process.execPath): Promise<string> {
  const { code, stdout, stderr } = await run(line, binary);
  assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
  assert.doesNotMatch(stderr, /warning/i, line);
  return stdout;
}

/** Runs the command on the wrong gradient, and then the line that replays it, which must begin like the line given. */
async function replay(command: string, binary = process.execPath): Promise<void> {
  const found = await run(`${command} check wrong.ts`, binary);
  assert.equal(found.code, 1, found.stdout + found.stderr);
  const [, line] = found.stdout.match(/^ +Replay: (.*)$/m) ?? [];
  assert.match(line, new RegExp(`^${command} check wrong\\.ts --only wrong --seed=\\d+ --path \\d+:\\d+$`));
  const again = await run(line, binary);
  assert.equal(again.code, 1);
  const input = /To copy into a test:[^]*?\]/;
  assert.equal(again.stdout.match(input)![0], found.stdout.match(input)![0]);
}

/** The output of the command if the gradient of the README, or that of its help, is right. */
const right = /^ok +sumOfSquares [^\n]*\n.*: 1 check: 1 ok, /;
/** The output of the README's program: the loss, three slopes, three curvatures. */
const computed = /^[\d.]+ \[[^\]]*\] \[[^\]]*\]\s*$/;

for (const { major, binary, reason } of nodes) {
  test(...skip(`Node ${major}: the README's program and its gradient check`, onlyNode ?? reason), async () => {
    const printed = await succeed("node program.mjs", binary);
    assert.match(printed, computed);
    const digits = (text: string) => [...text.matchAll(/-?\d+\.\d+/g)].map(([x]) => Number(x).toFixed(4));
    assert.deepEqual(
      digits(printed),
      digits(example.split("\n").at(-2)!),
      "the README's program ends with what it prints",
    );
    // Each command takes a second or more, so the Nodes share what can go wrong. The oldest may lack what a page needs.
    const line = "npx gpugrad check losses.ts";
    if (major === 20) {
      // TypeScript 7 is in the folder, as npm installs it by default: it has no compiler that a program could call.
      install("typescript", "typescript-7");
      const { code, stderr } = await run(line, binary);
      assert.equal(code, 2);
      assert.match(stderr, /does not load TypeScript[^]*install --save-dev esbuild[^]*deno run[^]*bunx --bun/);
      install("esbuild");
      assert.match(await succeed(`${line} --html report.html`, binary), right);
      for (const name of ["esbuild", "typescript"]) {
        install(name);
        const { code, stderr } = await run("npx gpugrad check mistake.ts", binary);
        assert.equal(code, 2);
        assert.match(stderr, /mistake\.ts cannot be loaded: [^]*mistake\.ts:2[^]*export const b: number = ;/, name);
      }
      assert.match(await succeed(`${line} --runs 1`, binary), right);
      assert.ok(existsSync(join(folder, "report.html")));
    } else if (major === 22) assert.match(await succeed(line, binary), right);
    else await replay("npx gpugrad", binary);
  });
}

test(...skip("Node: the commands of the help", onlyNode), async () => {
  const version = await succeed("gpugrad --version");
  assert.equal(version, `${npm.version}\n`);
  assert.match(await succeed("gpugrad devices"), /^ +cpu +available: [^]*The default is /m);

  const help = await succeed("gpugrad check --help");
  const [first, second] = help.match(/^ {2}import [^]*?\);$/gm)!;
  writeFileSync(join(folder, "FILE.js"), first);
  writeFileSync(join(folder, "plain.js"), second);
  assert.match(await succeed("gpugrad check plain.js --runs 5"), /^ok +byHand +5 runs/);
  const options = "--only sumOfSquares --device cpu --runs 2 --seed 7";
  for (const shard of [1, 2]) {
    await succeed(`gpugrad check FILE.js ${options} --shard ${shard}/2 --json REPORT${shard}.json`);
  }
  const merged = await succeed("gpugrad merge REPORT1.json REPORT2.json --json merged.json");
  assert.match(merged, /^ok +sumOfSquares +2 runs/);
});

test(...skip("Deno: the README's program, without a permission, and its gradient check", onlyNode), async () => {
  const binary = join(root, "node_modules", "deno", "deno");
  assert.match(await succeed("deno run program.ts", binary), computed);
  await replay("deno run -A npm:gpugrad", binary);
});

test(...skip("Bun: the README's program and its gradient check", onlyNode), async () => {
  const binary = join(root, "node_modules", ".bin", "bun");
  assert.match(await succeed("bun program.ts", binary), computed);
  assert.match(await succeed("bunx --bun gpugrad check losses.ts", binary), right);
});

test(...skip("every command of the README and of the help is tried here", onlyNode), async () => {
  const helps = await Promise.all(["", "check ", "merge ", "devices "].map((of) => succeed(`gpugrad ${of}--help`)));
  const shown = [readText("README.md"), ...helps].join("\n")
    .matchAll(/(?:npx )?gpugrad (?:check|merge|devices)\b[^`'\n]*|(?:deno run|bunx --bun) [^`'\n]*/g);
  // A new or changed line must be tried above.
  assert.deepEqual([...new Set([...shown].map(([line]) => line.trim()))].sort(), [
    "bunx --bun gpugrad check FILE",
    "deno run -A npm:gpugrad check FILE",
    "deno run program.ts",
    "gpugrad check --help",
    "gpugrad check FILE --seed S --shard i/n --json REPORT.json",
    "gpugrad check FILE [options]",
    "gpugrad devices",
    "gpugrad devices [options]",
    "gpugrad merge REPORT.json... [options]",
    "npx gpugrad check --help",
    "npx gpugrad check losses.ts --html report.html",
    "npx gpugrad devices",
  ]);
});
