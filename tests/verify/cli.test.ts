import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parseReport } from "../../verify/report/json.ts";
import type { RunReport } from "../../verify/report/report.ts";
import { extentOf, inputsOf, sampleOf } from "../support/cells.ts";
import { skip } from "../support/skip.ts";
import { readJson, root } from "../support/source.ts";
import { counts, run as sampleRun } from "./reports.ts";

// Runs the command in a separate process, in the runtime of the tests. Deno and Bun run the sources. Node runs a package built from them,
// since it would need a compiler in each process.

const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const folder = `.cache/cli-${runtime}-${process.pid}`;
mkdirSync(join(root, folder), { recursive: true });
after(() => rmSync(join(root, folder), { recursive: true, force: true }));

const before = { node: [], deno: ["run", "--allow-all", "--no-check"], bun: [] }[runtime];
/** The path of a module, relative to the project. */
const built = (module: string) => runtime === "node" ? `${folder}/dist/${module}.js` : `${module}.ts`;
if (runtime === "node") await buildPackage(join(root, folder));
const load = (module: string) => import(pathToFileURL(join(root, built(module))).href);
const { CommandError }: typeof import("../../bin/arguments.ts") = await load("bin/arguments");
const { check }: typeof import("../../bin/check.ts") = await load("bin/check");
const { merge }: typeof import("../../bin/merge.ts") = await load("bin/merge");

/** Skips tests outside Node that start many processes and depend on no runtime. */
const elsewhere = runtime === "node" ? undefined : "the command does the same in every runtime; Node tries it";

/** How many inputs a check tries: fewer where the command runs from its sources. */
const RUNS = Math.max(2, inputsOf(extentOf(), 6));

/** Examples, as a file that this runtime loads without a compiler. */
const [RIGHT, WRONG, KINKS] = await Promise.all(["right", "wrong", "kinks"].map(async (name) => {
  const source = `examples/checks/${name}.ts`;
  if (runtime !== "node") return source;
  const { build } = await import("esbuild");
  await build({ entryPoints: [join(root, source)], outfile: join(root, folder, `${name}.js`) });
  return `${folder}/${name}.js`;
}));

/** Builds the package into a folder, in which files can import it by its name. */
async function buildPackage(target: string): Promise<void> {
  const { bundleForNode } = await import("../../scripts/bundle.ts");
  const bin = ["arguments", "check", "devices", "gpugrad", "hooks", "merge", "worker"].map((name) => `bin/${name}.ts`);
  const dist = join(target, "dist");
  await bundleForNode(
    [...bin, "core/record.ts", "mod.ts", "verify/mod.ts"],
    dist,
    { place: (module) => join(dist, module.replace(/\.ts$/, ".js")) },
  );
  const exports = { ".": "./dist/mod.js", "./verify": "./dist/verify/mod.js" };
  writeFileSync(join(target, "package.json"), JSON.stringify({ name: "gpugrad", type: "module", exports }));
}

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

const env = {
  ...process.env,
  PATH: [dirname(process.execPath), join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter),
  NO_COLOR: "1",
  DENO_NO_UPDATE_CHECK: "1",
};

function execute(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((done) => {
    execFile(command, args, { cwd: root, env }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** Runs the command in the project's folder. */
function gpugrad(...args: string[]): Promise<Outcome> {
  return execute(process.execPath, [...before, built("bin/gpugrad"), ...args]);
}

/** The line that replays a failure. */
function replayIn(stdout: string): string {
  const [, line] = stdout.match(/Replay: (.*)/) ?? [];
  assert.ok(line, stdout);
  return line;
}

/** Runs a line as one types it. */
function typed(line: string): Promise<Outcome> {
  return execute("sh", ["-c", line]);
}

/** A path in the temporary folder of these tests; writes the file if content is given. */
function file(name: string, content?: string): string {
  if (content !== undefined) writeFileSync(join(root, folder, name), content);
  return `${folder}/${name}`;
}

const text = (path: string) => readFileSync(join(root, path), "utf8");

/** A report without the parts that differ between runs. */
function repeatable(run: RunReport): RunReport {
  const checks = run.checks.map((c) => ({
    ...c,
    milliseconds: 0,
    report: c.report && { ...c.report, milliseconds: 0 },
  }));
  return { ...run, checks };
}

const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
  readJson("verify/report/report.schema.json"),
);

describe("gpugrad", () => {
  test(...skip("prints its usage", elsewhere), async () => {
    const general = await gpugrad("--help");
    assert.equal(general.code, 0);
    for (const name of ["check", "merge", "devices"]) assert.match(general.stdout, new RegExp(`^  ${name}`, "m"));
    const help = await gpugrad("check", "--help");
    assert.equal(help.code, 0);
    const options = ["device", "order", "mode", "runs", "seed", "path", "timeout", "json", "html", "shard", "only"];
    for (const name of options) assert.match(help.stdout, new RegExp(`^  --${name} `, "m"));
    // The verdicts with their meanings, and how to write a plain function.
    for (const verdict of ["ok", "wrong", "kink", "noise", "untested"]) {
      assert.match(help.stdout, new RegExp(`^  ${verdict} +\\w+ `, "m"));
    }
    assert.match(help.stdout, /value: \(\[x\]\) => .*\n +gradient: /);
    assert.match(help.stdout, /Exit code: 0 .* 1 .* 2 .* 130 /);
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
    // A page takes as long as all the rest; that other runtimes make them is tested without the command.
    const page = runtime === "node" ? ["--html", html] : [];
    const { code, stdout, stderr } = await gpugrad(
      ...["check", RIGHT, "--runs", String(RUNS), "--seed", "5", "--json", json, ...page],
    );
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /: \d+ checks?: \d+ ok, 0 wrong, 0 undecided \(seed 5\)\n$/);
    assert.match(stdout, new RegExp(`^ok +\\w+ +${RUNS} runs: \\d+ ok.*, [\\d.]+ m?s\\n`));
    // Plain lines instead of a bar, because this is not a terminal.
    assert.match(stderr, new RegExp(`: ${RUNS} runs, [\\d.]+ s\\n`));
    const report = JSON.parse(text(json));
    validate(report);
    assert.equal(validate.errors, null);
    assert.ok(report.checks.every(({ runs }: { runs: number }) => runs === RUNS));
    if (runtime === "node") assert.match(text(html), /^<!doctype html>/);
  });

  test("exits with 1 for a wrong gradient, and says what is wrong and how to replay it", async () => {
    const json = file("wrong.json");
    const { code, stdout } = await gpugrad(
      ...["check", WRONG, "--seed", "-5", "--device", "cpu", "--json", json],
    );
    assert.equal(code, 1);
    assert.match(stdout, /element +order +gradient +\w+( \w+)? +(by +)?error/);
    assert.match(stdout, /To copy into a test:\n +await gradcheck\(f, \[\n/);
    const line = replayIn(stdout);
    assert.match(line, / --seed=-5 --path \d+:\d+ --device cpu$/);
    const again = file("again.json");
    const replayed = await typed(`${line} --json ${again}`);
    assert.equal(replayed.code, 1);
    assert.equal(replayIn(replayed.stdout), line);
    const name = line.match(/--only (\S+)/)![1];
    const [first, second] = [json, again].map((path) =>
      repeatable(parseReport(text(path))).checks.find((c) => c.name === name)!
    );
    assert.deepEqual(second.report, first.report);
    assert.equal(second.runs, 1);
  });

  test(
    ...skip("finds a gradient that is wrong only at order 2 with --order, and repeats it in the replay", elsewhere),
    async () => {
      const path = file(
        "second.js",
        `import { record } from ${JSON.stringify(join(root, built("core/record")))};\n` +
          'import { detach, mul } from "gpugrad";\n' +
          'import { check, tensors } from "gpugrad/verify";\n' +
          'const op = { name: "planted", infer: ([x]) => ({ shape: x.shape, dtype: "float" }), ' +
          'kernel: { kind: "elementwise", cost: 1, expression: ([x], _, { call }) => call("exp", x) }, ' +
          "vjp: [({ cotangent, output }) => mul(cotangent, detach(output))] };\n" +
          "export const second = check((x) => record(op, [x]), tensors([[2, 3]]));\n",
      );
      const first = await gpugrad("check", path, "--seed=3", "--runs=8", "--device=float64");
      assert.equal(first.code, 0, first.stdout);
      const { code, stdout } = await gpugrad("check", path, "--seed=3", "--runs=8", "--device=float64", "--order=2");
      assert.equal(code, 1, stdout);
      const line = replayIn(stdout);
      assert.match(line, / --only second --seed=3 --path \d+:\d+ --order 2 --device float64$/);
      const replayed = await typed(line);
      assert.equal(replayed.code, 1);
      assert.match(replayed.stdout, /Only the second order is wrong/);
      assert.ok(replayed.stdout.includes(line), "the replay prints itself");
    },
  );

  test(...skip("exits with 0 for a function with kinks, and does not count them as right", elsewhere), async () => {
    const json = file("kinks.json");
    const { code, stdout } = await gpugrad(
      "check",
      KINKS,
      "--device=float64",
      "--seed",
      "3",
      "--runs",
      "8",
      "--json",
      json,
    );
    assert.equal(code, 0, stdout);
    const kinks = parseReport(text(json)).checks.reduce((sum, { counts }) => sum + counts.kink, 0);
    assert.ok(kinks > 0);
    assert.match(stdout, /\d+ kink/);
  });

  test(...skip("equals a single run if its shards are merged", elsewhere), async () => {
    const run = (...args: string[]) =>
      gpugrad(
        "check",
        WRONG,
        "--seed",
        "11",
        // Two blocks of each check.
        "--runs",
        "12",
        "--device",
        "cpu",
        ...args,
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

  test("ends a function after --timeout, and goes on with the others", async () => {
    const path = file(
      "endless.mjs",
      'import { detach, exp, mul } from "gpugrad";\nimport { check, tensors } from "gpugrad/verify";\n' +
        'import process from "node:process";\nimport fc from "fast-check";\nconst two = tensors([[2]]);\n' +
        // It waits rather than spins, so that a limit that a busy machine can keep costs no core.
        "const loop = () => { for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); };\n" +
        // Numbers far from 1, which shrinking tries first.
        "const large = fc.noBias(fc.integer({ min: 1, max: 1e9 })).map((n) => [[n]]);\n" +
        "export const a = check((x) => (loop(), exp(x)), two);\n" +
        "export const b = check((x) => (x.value[0] === 1 && loop(), mul(detach(x), x)), large);\n" +
        "export const c = check(() => process.exit(3), two);\n" +
        'export const d = check((x) => (Promise.reject(new Error("lost")), exp(x)), two, { runs: 3 });\n' +
        "export const e = check((x) => exp(x), two, { runs: 3 });\n",
    );
    const json = file("endless.json");
    const { code, stdout } = await gpugrad(
      ...["check", path, "--seed=1", "--device=float64", "--timeout=6", "--json", json],
    );
    assert.equal(code, 1, stdout);
    const [a, b, c, d, e] = parseReport(text(json)).checks;
    assert.deepEqual([a, b, c, d, e].map(({ verdict }) => verdict), ["undecided", "wrong", ...[
      "undecided",
      "undecided",
      "ok",
    ]]);
    assert.match(a.error!, /^a timed out after 6 s, in run 1 of 100$/);
    assert.match(b.error!, /^b timed out after 6 s while the failure was shrunk/);
    assert.equal(b.report!.verdict, "wrong");
    assert.match(c.error!, /^c ended the process that it ran in \(exit code 3\), in run 1 of 100$/);
    assert.match(d.error!, /^d leaves a promise alone that is rejected: lost$/);
    assert.match(stdout, / --only a --seed=1 --path 0:0 --device float64 --timeout 6\n/);
    validate(JSON.parse(text(json)));
    assert.equal(validate.errors, null);
  });

  test("says that it is alive, and prints what there is after Ctrl-C", async () => {
    const path = file(
      "slow.mjs",
      'import { exp } from "gpugrad";\nimport { check, tensors } from "gpugrad/verify";\n' +
        "export const a = check((x) => exp(x), tensors([[2]]), { runs: 3 });\n" +
        "export const b = check(async (x) => (await new Promise(() => {}), x), tensors([[2]]));\n" +
        "export const c = check((x) => exp(x), tensors([[2]]));\n",
    );
    const json = file("slow.json");
    const args = [...before, built("bin/gpugrad"), "check", path, "--seed=1", "--device=float64", "--json", json];
    const child = spawn(process.execPath, args, { cwd: root, env });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (data) => (stdout += data));
    child.stderr.on("data", (data) => {
      stderr += data;
      // Once: a second one would end the command before it has written its report.
      if (/^b: 0 of 100 runs, \d/m.test(stderr) && !child.killed) child.kill("SIGINT");
    });
    // Deno reports the signal in place of the exit code if it sent one to the process.
    const code = await new Promise((done) =>
      child.on("close", (code, signal) => done(signal === "SIGINT" ? 130 : code))
    );
    assert.equal(code, 130, stdout + stderr);
    assert.match(stderr, /^b: 0 runs, \d/m);
    const { checks } = parseReport(text(json));
    assert.deepEqual(checks.map(({ verdict }) => verdict), ["ok", "undecided", "undecided"]);
    assert.match(stdout, /^ok +a +3 runs[^]*b was interrupted, in run 1 of 100[^]*c was not run: interrupted/);
  });

  test("explains a mistake without a stack, and exits with 2", async () => {
    for (
      const [args, said] of [
        [["frobnicate"], /^gpugrad: expected a command: check, merge, devices; got "frobnicate"/],
        [["check", file("broken.mjs", "throw new Error('half done');\n")], /broken\.mjs cannot be loaded: half done/],
      ] as const
    ) {
      const { code, stdout, stderr } = await gpugrad(...args);
      assert.match(stderr, said);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.doesNotMatch(stderr, /^ +at .*node:internal/m);
    }
  });

  // Without a process of their own: an error of this kind is printed by the command as above.
  const MISTAKES: Record<string, [args: () => string[], said: RegExp]> = {
    "an unknown option": [() => ["check", "x.ts", "--fast"], /there is no option --fast; the options are --only, /],
    "a misspelt option": [() => ["check", "x.ts", "--ordr=2"], /there is no option --ordr; did you mean --order\?/],
    "a misspelt option of merge": [() => ["merge", "x.json", "--jsn", "y"], /no option --jsn; did you mean --json\?/],
    "a misspelt option of a check": [
      () => [
        "check",
        file("rns.mjs", 'import { check } from "gpugrad/verify";\nexport const a = check(() => 1, 2, { rns: 5 });\n'),
      ],
      /rns\.mjs cannot be loaded: check: there is no option "rns"; did you mean "runs"\?/,
    ],
    "a syntax error": [
      () => ["check", file("syntax.mjs", "const a = 1;\nexport const b = ;\n")],
      /syntax\.mjs cannot be loaded: [^]*syntax\.mjs:2[^]*export const b = ;|export const b = ;[^]*syntax\.mjs:2/,
    ],
    "a report that cannot be written, before the work": [
      () => ["check", RIGHT, "--html", "no/such/folder.html"],
      /^--html: cannot write no\/such\/folder\.html: /,
    ],
    "a report in place of the file": [
      () => ["check", RIGHT, "--json", join(dirname(RIGHT), "..", basename(dirname(RIGHT)), basename(RIGHT))],
      /--json: .*right\.[jt]s is read by the command/,
    ],
    "an invalid limit": [() => ["check", "x.ts", "--timeout", "0"], /--timeout: expected a number above 0, got "0"/],
    "an invalid path": [() => ["check", "x.ts", "--seed=1", "--path=3"], /--path: expected the path of a .*, got "3"/],
    "no file": [() => ["check"], /expected one file, got 0/],
    "a missing file": [() => ["check", "missing.ts"], /there is no file missing\.ts/],
    "a file without checks": [
      () => ["check", file("none.mjs", "export const loss = (x) => x;\n")],
      /exports loss, but no check[^]*export const sumOfSquares = check/,
    ],
    "a check declared without a function": [
      () => [
        "check",
        file("undefined.mjs", 'import { check } from "gpugrad/verify";\nexport const none = check(undefined, 2);\n'),
      ],
      /cannot be loaded: check: expected f to be a function or \{ value, gradient \}, got undefined/,
    ],
    "an empty domain declared in the file": [
      () => [
        "check",
        file(
          "declared.mjs",
          'import { tensors } from "gpugrad/verify";\nexport const declared = tensors([[2]], { min: 1, max: 0 });\n',
        ),
      ],
      /declared\.mjs cannot be loaded: tensors: expected min <= max, got 1 and 0/,
    ],
    "an invalid order": [() => ["check", "x.ts", "--order", "3"], /--order: expected 1 or 2, got "3"/],
    "a number of runs that is not a number": [
      () => ["check", "x.ts", "--runs", "many"],
      /--runs: expected a whole number of at least 1/,
    ],
    "an invalid shard": [() => ["check", "x.ts", "--seed=1", "--shard", "3/2"], /--shard: expected I\/N/],
    "a shard without a seed": [() => ["check", "x.ts", "--shard", "1/2"], /--shard: needs --seed/],
    "an unknown check": [
      () => ["check", RIGHT, "--only", "left"],
      /has no check left; it has /,
    ],
    "an unknown device": [
      () => ["check", RIGHT, "--device", "abacus"],
      /abacus/,
    ],
    "a file that is not a report": [() => ["merge", file("odd.json", "{}")], /odd\.json: not a report/],
  };
  for (const [name, [args, said]] of sampleOf(extentOf(), Object.entries(MISTAKES))) {
    test(`explains ${name}`, async () => {
      const [command, ...rest] = args();
      await assert.rejects(command === "merge" ? merge(rest) : check(rest), (error) => {
        assert.ok(error instanceof CommandError, String(error));
        assert.match(error.message, said);
        return true;
      });
    });
  }

  /** Functions that cannot be checked, each with its verdict and the message. */
  const USELESS: Record<string, [source: string, verdict: string, said: RegExp]> = {
    noTensor: ["() => 3, two", "undecided", /must return a tensor or an array of tensors, got 3/],
    random: [
      "(x) => mul(x, tensor(calls++)), two",
      "undecided",
      /not deterministic[^]*Make the function deterministic/,
    ],
    mutates: ["(x) => (x.value[0] = 7, exp(x)), two", "wrong", /writes to the values of x[^]*copy an array before/],
    shapes: [
      "(x, y) => add(x, y), tensors([[2], [3]])",
      "undecided",
      /throws for x float \[2\], y float \[3\]: add: expected shapes/,
    ],
    empty: [
      "(x) => exp(x), two.filter(() => false)",
      "undecided",
      /generates nothing to check: one of its filters rejected/,
    ],
    refused: ["(x) => (fc.pre(false), x), two", "undecided", /generates nothing to check: \d+ inputs were rejected/],
    second: [
      "{ value: ([x]) => x[0], gradient: () => [[1, 0]] }, two, { order: 2 }",
      "undecided",
      /is checked in order 1/,
    ],
    domain: ["(x) => log(x), tensors([[2]], { max: -1 })", "undecided", /log\[0\] = NaN.*its input must be above 0/],
  };
  test(...skip("explains each function that cannot be checked", elsewhere), async () => {
    const path = file(
      "useless.mjs",
      'import fc from "fast-check";\nimport { add, exp, log, mul, tensor } from "gpugrad";\n' +
        'import { check, tensors } from "gpugrad/verify";\nlet calls = 0;\nconst two = tensors([[2]]);\n' +
        Object.entries(USELESS).map(([name, [source]]) => `export const ${name} = check(${source});\n`).join(""),
    );
    const { code, stdout, stderr } = await gpugrad("check", path, "--seed=1", "--runs=5", "--device=cpu");
    assert.equal(code, 1);
    assert.doesNotMatch(stdout + stderr, /^ +at /m);
    for (const [name, [, verdict, said]] of Object.entries(USELESS)) {
      const [section] = stdout.match(new RegExp(`^${verdict} +${name} [^]*?(?=^\\S)`, "m")) ?? [];
      assert.ok(section, `${name}\n${stdout}`);
      assert.match(section, said);
    }
  });
});

describe("gpugrad merge", () => {
  test(...skip("exits with the code of the worst verdict", elsewhere), async () => {
    const [ok, , undecided] = sampleRun().checks;
    const nothing = { ...ok, name: "x", counts: counts() };
    for (const [code, checks] of [[0, [nothing]], [2, [nothing, undecided]], [1, sampleRun().checks]] as const) {
      const path = file("sample.json", JSON.stringify({ ...sampleRun(), checks }));
      assert.equal((await gpugrad("merge", path)).code, code);
    }
  });
});
