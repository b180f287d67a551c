import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parseReport } from "../../verify/report/json.ts";
import type { RunReport } from "../../verify/report/report.ts";
import { extentOf, sampleOf } from "../support/cells.ts";
import { readJson, root } from "../support/source.ts";
import { counts, run as sampleRun } from "./reports.ts";

// Runs the command in a separate process, in the runtime of the tests.

const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const before = { node: ["--import", "tsx"], deno: ["run", "--allow-all", "--no-check"], bun: [] }[runtime];
const folder = `.cache/cli-${runtime}-${process.pid}`;
mkdirSync(join(root, folder), { recursive: true });
after(() => rmSync(join(root, folder), { recursive: true, force: true }));

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the command in the project's folder. */
function gpugrad(...args: string[]): Promise<Outcome> {
  const env = { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  return new Promise((done) => {
    execFile(process.execPath, [...before, "bin/gpugrad.ts", ...args], { cwd: root, env }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** A path in the temporary folder of these tests; writes the file if content is given. */
function file(name: string, content?: string): string {
  if (content !== undefined) writeFileSync(join(root, folder, name), content);
  return `${folder}/${name}`;
}

const text = (path: string) => readFileSync(join(root, path), "utf8");

/** A report without the parts that differ between runs. */
function repeatable(run: RunReport): RunReport {
  const checks = run.checks.map((c) => ({ ...c, report: c.report && { ...c.report, milliseconds: 0 } }));
  return { ...run, checks };
}

const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
  readJson("verify/report/report.schema.json"),
);

describe("gpugrad", () => {
  test("prints its usage", async () => {
    const general = await gpugrad("--help");
    assert.equal(general.code, 0);
    for (const name of ["check", "merge", "devices"]) assert.match(general.stdout, new RegExp(`^  ${name}`, "m"));
    const help = await gpugrad("check", "--help");
    assert.equal(help.code, 0);
    for (const name of ["device", "order", "runs", "seed", "path", "json", "html", "shard", "only"]) {
      assert.match(help.stdout, new RegExp(`^  --${name} `, "m"));
    }
    assert.match(help.stdout, /Exit code: 0 .* 1 .* 2 /);
  });

  test("lists devices", async () => {
    const { code, stdout } = await gpugrad("devices", "--json");
    assert.equal(code, 0);
    const { devices, default: chosen, passedOver } = JSON.parse(stdout);
    const names = devices.map(({ name }: { name: string }) => name);
    assert.ok(names.includes("float64"));
    assert.deepEqual([chosen, ...passedOver.map(({ name }: { name: string }) => name)].sort(), [...names].sort());
  });
});

describe("gpugrad check", () => {
  test("exits with 0 for right gradients, and writes JSON and a page", async () => {
    const [json, html] = [file("right.json"), file("right.html")];
    const { code, stdout, stderr } = await gpugrad(
      ...["check", "examples/checks/right.ts", "--runs", "12", "--seed", "5", "--json", json, "--html", html],
    );
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /ok \d|: \d+ checks?: \d+ ok, 0 wrong, 0 undecided \(seed 5\)\n$/);
    // Plain lines instead of a bar, because this is not a terminal.
    assert.match(stderr, /: 12 runs, [\d.]+ s\n/);
    const report = JSON.parse(text(json));
    validate(report);
    assert.equal(validate.errors, null);
    assert.ok(report.checks.every(({ runs }: { runs: number }) => runs === 12));
    assert.match(text(html), /^<!doctype html>/);
  });

  test("exits with 1 for a wrong gradient, and says what is wrong and how to replay it", async () => {
    const json = file("wrong.json");
    const { code, stdout } = await gpugrad("check", "examples/checks/wrong.ts", "--seed", "-5", "--json", json);
    assert.equal(code, 1);
    assert.match(stdout, /element +order +gradient +numeric +error/);
    const [, line] = stdout.match(/Replay: gpugrad (.*)/) ?? [];
    assert.ok(line, stdout);
    const again = file("again.json");
    const replayed = await gpugrad(...line.split(" "), "--json", again);
    assert.equal(replayed.code, 1);
    const name = line.match(/--only (\S+)/)![1];
    const [first, second] = [json, again].map((path) =>
      repeatable(parseReport(text(path))).checks.find((c) => c.name === name)!
    );
    assert.deepEqual(second.report, first.report);
    assert.equal(second.runs, 1);
  });

  test("finds a gradient that is wrong only at order 2 with --order, and repeats it in the replay", async () => {
    const path = file(
      "second.ts",
      'import { record } from "../../core/record.ts";\nimport { detach, mul } from "gpugrad";\n' +
        'import { check, tensors } from "gpugrad/verify";\n' +
        'const op = { name: "planted", infer: ([x]: any) => ({ shape: x.shape, dtype: "float" }), ' +
        'kernel: { kind: "elementwise", cost: 1, expression: ([x]: any, _: any, { call }: any) => call("exp", x) }, ' +
        "vjp: [({ cotangent, output }: any) => mul(cotangent, detach(output))] } as any;\n" +
        "export const second = check((x) => record(op, [x]), tensors([[2, 3]]));\n",
    );
    const first = await gpugrad("check", path, "--seed=3", "--runs=20", "--device=float64");
    assert.equal(first.code, 0, first.stdout);
    const { code, stdout } = await gpugrad("check", path, "--seed=3", "--runs=20", "--device=float64", "--order=2");
    assert.equal(code, 1, stdout);
    const [, line] = stdout.match(/Replay: gpugrad (.* --only second --seed=\S+ --path \d+ --order 2)\n/) ?? [];
    assert.ok(line, stdout);
    const replayed = await gpugrad(...line.split(" "));
    assert.equal(replayed.code, 1);
    assert.match(replayed.stdout, /Only the second order is wrong/);
    assert.ok(replayed.stdout.includes(line), "the replay prints itself");
  });

  test("exits with 0 for a function with kinks, and does not count them as right", async () => {
    const json = file("kinks.json");
    const { code, stdout } = await gpugrad(
      "check",
      "examples/checks/kinks.ts",
      "--seed",
      "3",
      "--runs",
      "20",
      "--json",
      json,
    );
    assert.equal(code, 0, stdout);
    const kinks = parseReport(text(json)).checks.reduce((sum, { counts }) => sum + counts.kink, 0);
    assert.ok(kinks > 0);
    assert.match(stdout, /\d+ kink/);
  });

  test("equals a single run if its shards are merged", async () => {
    const run = (...args: string[]) =>
      gpugrad(
        "check",
        "examples/checks/wrong.ts",
        "--seed",
        "11",
        // Two blocks of each check.
        "--runs",
        "12",
        "--device",
        "cpu",
        ...args,
        "--html",
        file("unused.html"),
      );
    await run("--json", file("whole.json"));
    const parts = [1, 2].map((i) => file(`part${i}.json`));
    for (const [i, part] of parts.entries()) await run("--shard", `${i + 1}/2`, "--json", part);
    const merged = await gpugrad(
      "merge",
      ...parts.toReversed(),
      "--json",
      file("merged.json"),
      "--html",
      file("merged.html"),
    );
    assert.equal(merged.code, 1);
    const [a, b] = ["whole.json", "merged.json"].map((name) => repeatable(parseReport(text(`${folder}/${name}`))));
    assert.deepEqual(b, a);
    const lacking = await gpugrad("merge", ...parts.slice(1));
    assert.equal(lacking.code, 2);
    assert.match(lacking.stderr, /shard 1 of 2 is missing/);
  });

  const MISTAKES: Record<string, [args: () => string[], said: RegExp]> = {
    "no command": [() => ["frobnicate"], /expected a command: check, merge, devices; got "frobnicate"/],
    "an unknown option": [() => ["check", "x.ts", "--fast"], /--fast/],
    "no file": [() => ["check"], /expected one file, got 0/],
    "a missing file": [() => ["check", "missing.ts"], /there is no file missing\.ts/],
    "a file without checks": [
      () => ["check", file("none.mjs", "export const loss = (x) => x;\n")],
      /exports loss, but no check[^]*export const sumOfSquares = check/,
    ],
    "a file that cannot be loaded": [
      () => ["check", file("broken.mjs", "throw new Error('half done');\n")],
      /broken\.mjs cannot be loaded: half done/,
    ],
    "an invalid order": [() => ["check", "x.ts", "--order", "3"], /--order: expected 1 or 2, got "3"/],
    "a number of runs that is not a number": [
      () => ["check", "x.ts", "--runs", "many"],
      /--runs: expected a whole number of at least 1/,
    ],
    "an invalid shard": [() => ["check", "x.ts", "--seed=1", "--shard", "3/2"], /--shard: expected I\/N/],
    "a shard without a seed": [() => ["check", "x.ts", "--shard", "1/2"], /--shard: needs --seed/],
    "an unknown check": [
      () => ["check", "examples/checks/right.ts", "--only", "left"],
      /has no check left; it has /,
    ],
    "an unknown device": [
      () => ["check", "examples/checks/right.ts", "--device", "abacus"],
      /abacus/,
    ],
    "a file that is not a report": [() => ["merge", file("odd.json", "{}")], /odd\.json: not a report/],
  };
  for (const [name, [args, said]] of sampleOf(extentOf(), Object.entries(MISTAKES))) {
    test(`explains ${name}, and exits with 2`, async () => {
      const { code, stdout, stderr } = await gpugrad(...args());
      assert.match(stdout + stderr, said);
      assert.equal(code, 2);
      assert.doesNotMatch(stderr + stdout, /^ +at .*node:internal/m);
    });
  }

  /** Functions that cannot be checked, each with the exit code and the message. */
  const USELESS: Record<string, [source: string, code: number, said: RegExp]> = {
    noTensor: [
      "() => 3, two",
      2,
      /undecided +noTensor .*\n.*must return a tensor or an array of tensors, got 3/,
    ],
    random: ["(x) => mul(x, tensor(calls++)), two", 2, /not deterministic[^]*Make the function deterministic/],
    mutates: [
      "(x) => (x.value[0] = 7, exp(x)), two",
      1,
      /writes to the values of x[^]*copy an array before writing to it/,
    ],
    shapes: [
      "(x, y) => add(x, y), tensors([[2], [3]])",
      2,
      /throws for x float \[2\], y float \[3\]: add: expected shapes/,
    ],
    empty: ["(x) => exp(x), two.filter(() => false)", 2, /generates nothing to check: one of its filters rejected/],
    refused: ["(x) => (fc.pre(false), x), two", 2, /generates nothing to check: \d+ inputs were rejected/],
    second: ["{ value: ([x]) => x[0], gradient: () => [[1, 0]] }, two, { order: 2 }", 2, /is checked in order 1/],
    domain: ["(x) => log(x), tensors([[2]], { max: -1 })", 2, /log\[0\] = NaN.*its input must be above 0/],
  };
  for (const [name, [source, code, said]] of sampleOf(extentOf(), Object.entries(USELESS))) {
    test(`explains a function that cannot be checked, and exits with ${code}: ${name}`, async () => {
      const path = file(
        `${name}.mjs`,
        'import fc from "fast-check";\nimport { add, exp, log, mul, tensor } from "gpugrad";\n' +
          'import { check, tensors } from "gpugrad/verify";\nlet calls = 0;\nconst two = tensors([[2]]);\n' +
          `export const ${name} = check(${source});\n`,
      );
      const found = await gpugrad("check", path, "--seed=1", "--runs=5", "--device=cpu");
      assert.match(found.stdout, said);
      assert.equal(found.code, code, found.stdout + found.stderr);
      assert.doesNotMatch(found.stdout + found.stderr, /^ +at /m);
    });
  }

  test("explains a check declared without a function, and exits with 2", async () => {
    const path = file(
      "undefined.mjs",
      'import { check, tensors } from "gpugrad/verify";\nexport const none = check(undefined, tensors([[2]]));\n',
    );
    const { code, stderr } = await gpugrad("check", path);
    assert.match(
      stderr,
      /cannot be loaded: check: expected f to be a function or \{ value, gradient \}, got undefined/,
    );
    assert.equal(code, 2);
  });

  test("explains an empty domain declared in the file, and exits with 2", async () => {
    const path = file(
      "declared.mjs",
      'import { exp } from "gpugrad";\nimport { check, tensors } from "gpugrad/verify";\n' +
        "export const declared = check((x) => exp(x), tensors([[2]], { min: 1, max: 0 }));\n",
    );
    const { code, stderr } = await gpugrad("check", path);
    assert.match(stderr, /declared\.mjs cannot be loaded: tensors: expected min <= max, got 1 and 0/);
    assert.equal(code, 2);
  });
});

describe("gpugrad merge", () => {
  test("exits with the code of the worst verdict", async () => {
    const [ok, , undecided] = sampleRun().checks;
    const nothing = { ...ok, name: "x", counts: counts() };
    for (const [code, checks] of [[0, [nothing]], [2, [nothing, undecided]], [1, sampleRun().checks]] as const) {
      const path = file("sample.json", JSON.stringify({ ...sampleRun(), checks }));
      assert.equal((await gpugrad("merge", path)).code, code);
    }
  });
});
