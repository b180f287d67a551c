import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { styleText } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { advice, numberText, replayCommand } from "../../verify/report/advice.ts";
import { type Block, mergeRuns, NOTHING, runBlocks, seedOf, shareOut } from "../../verify/blocks.ts";
import { parseReport, reportJson } from "../../verify/report/json.ts";
import type { CheckReport, GradcheckReport, InputReport, RunReport } from "../../verify/report/report.ts";
import { reportText, runText } from "../../verify/report/text.ts";
import { callText } from "../../verify/report/values.ts";
import { checkProperty } from "../support/property.ts";
import { readJson } from "../support/source.ts";
import {
  counts,
  failing,
  fast,
  input,
  large,
  notFinite,
  passing,
  reports,
  run,
  slightlyWrong,
  twoWitnesses,
  untested,
} from "./reports.ts";

describe("the text of a report", () => {
  test("shows the input, the index, both numbers, the error, its estimate and what to do next", () => {
    const text = reportText(failing());
    assert.match(text, /^wrong {2}SSD loss\n {2}The gradient is wrong: \d+ elements of 894 tested and 1 finding/);
    assert.match(text, /locations\[1, 0, 12\] +1 +0\.410021 +0\.820043 +0\.41 +2\.46e-11 +wrong/);
    assert.match(text, /error: linearity: For twice the cotangent .*\(entry %8\)/);
    assert.match(text, /Next:\n.*0\.5 times the expected value.*\n.*entry %8 = square .*vjp/);
  });

  test("shows enough digits to see a difference", () => {
    assert.match(reportText(slightlyWrong()), /2\.721004 +2\.718285/);
    assert.match(reportText(passing()), /-0\.13402557431 +-0\.13402557425/);
  });

  test("lists at most the requested number of elements, and says how many are left", () => {
    const text = reportText(failing(), { worst: 1 });
    assert.match(text, /locations\[1, 0, 12\]/);
    assert.doesNotMatch(text, /locations\[1, 0, 3\]/);
    assert.match(text, /and \d+ more that are wrong/);
  });

  test("never counts an untested element as passed", () => {
    assert.match(reportText(fast()), /3 are right|3 of 27 are right/);
    assert.match(reportText(fast()), /3 ok, 24 untested of 27/);
    assert.match(reportText(fast()), /direction 1 through all inputs/);
    assert.match(
      reportText(untested()),
      /^undecided .*\n {2}Undecided: nothing was tested\.\n {2}0 ok, 2 untested of 2/,
    );
  });

  test("shows its duration in a suitable unit", () => {
    assert.match(reportText({ ...passing(), milliseconds: 12.34 }), /; 12\.3 ms\n/);
    assert.match(reportText({ ...passing(), milliseconds: 3730 }), /; 3\.73 s\n/);
  });

  test("names what is not finite", () => {
    const text = reportText(notFinite());
    assert.match(text, /<x>\[1\] +2 +Infinity +1 +Infinity/);
    assert.match(text, /not finite: look for a division by zero/);
    assert.match(text, /Only the second order is wrong/);
  });

  test("shows what the second witness says, and whether it disagrees", () => {
    const text = reportText(twoWitnesses());
    assert.match(text, /element +order +gradient +dual numbers +error/);
    assert.match(text, /x\[1\] +1 +1\.25 +0\.5 .*wrong\n +differences: 1\.25 ± 1e-7, which disagrees\n/);
    assert.match(text, /x\[0\] .*\n +differences: 2 ± 1e-7, which agrees\n/);
    assert.match(reportText(slightlyWrong()), /element +order +gradient +differences +error/);
    const [one, two] = twoWitnesses().worst;
    const mixed = { ...twoWitnesses(), worst: [one, { ...two, witness: "differences" as const }] };
    assert.match(reportText(mixed), /gradient +witness +by +error.*\n.*dual numbers.*\n.*\n.* differences /);
  });

  test("explains the verdicts that it shows", () => {
    const text = reportText(failing());
    for (const verdict of ["wrong", "kink", "noise"]) assert.match(text, new RegExp(`^  ${verdict}: `, "m"));
    assert.doesNotMatch(text, /^ {2}untested: /m);
  });

  test("speaks of the gradient of a plain function as the user's, and of no tape", () => {
    const report = slightlyWrong();
    const infinite = { ...report, worst: [{ ...report.worst[0], analytic: Infinity }] };
    const zero = { ...report, worst: [{ ...report.worst[0], analytic: 0 }] };
    const checks = ["shape", "mutation", "determinism", "missing gradient", "non-finite", "domain", "ties", "taylor"];
    const findings = checks.map((check) => ({ check, severity: "error", message: "it is wrong" }) as const);
    for (const one of [report, infinite, zero, { ...report, findings }]) {
      assert.match(reportText(one), /your gradient/i);
      assert.doesNotMatch(reportText(one), /tape|oracle|decision|vjp|detach|cotangent/);
    }
  });

  test("is plain without colours", () => {
    for (const make of Object.values(reports)) {
      const plain = reportText(make());
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(plain, /\x1b/);
      const marked = reportText(make(), { style: (style, text) => `<${style}>${text}</${style}>` });
      assert.match(marked, /<bold>/);
      assert.equal(marked.replace(/<\/?(bold|dim|red|green|yellow|cyan)>/g, ""), plain);
    }
    assert.equal(typeof reportText(passing(), { style: styleText }), "string");
  });

  test("of a run has a line for each check, and the replay of a failure", () => {
    const text = runText(run());
    assert.match(text, /^ok +ssd loss {2}20 runs: 896 ok of 896, 1\.23 s\nwrong +focal loss/);
    assert.match(text, /Replay: npx gpugrad check examples\/losses\.ts --only 'focal loss' --seed=42 --path 0:2\n/);
    // One seed, that of the run; the other is an option of the call to copy.
    assert.equal(text.match(/seed/g)!.length, text.match(/--seed=42|\{ seed: 42|\(seed 42\)/g)!.length);
    assert.match(text, /undecided +random.*\n {2}random: the function returns different results/);
    assert.match(text, /examples\/losses\.ts: 3 checks: 1 ok, 1 wrong, 1 undecided \(seed 42\)$/);
    assert.match(runText({ ...run(), shard: { index: 2, count: 3 } }), /shard 2 of 3: not all runs/);
  });
});

describe("advice", () => {
  test("says what wrong elements have in common", () => {
    const report = failing();
    const wrong = (factor: number) => ({
      ...report,
      worst: report.worst.filter(({ verdict }) => verdict === "wrong").map((e) => ({
        ...e,
        analytic: factor * e.numeric,
      })),
    });
    assert.match(advice(wrong(-1))[0], /wrong sign/);
    assert.match(advice(wrong(1.001))[0], /1\.001 times/);
    assert.match(advice(wrong(0))[0], /is 0 at each/);
  });

  test("is empty if everything is right", () => {
    assert.deepEqual(advice(passing()), []);
  });
});

test("numbers are short and keep their digits", () => {
  assert.deepEqual([0, 1, -2.5, 1 / 3, 1e-7, 123456789, NaN, -Infinity, 0.1 + 0.2].map((v) => numberText(v)), [
    ...["0", "1", "-2.5", "0.333333", "1e-7", "1.23457e+8", "NaN", "-Infinity", "0.3"],
  ]);
  assert.equal(numberText(100000), "100000");
});

test("the replay command is quoted for a shell", () => {
  const [, check] = run().checks;
  assert.match(replayCommand({ ...run(), file: "it's.ts" }, check)!, /^npx gpugrad check 'it'\\''s\.ts' /);
});

test("the replay command is that which was started, with the options that matter", () => {
  const [, check] = run().checks;
  assert.doesNotMatch(replayCommand(run(), check)!, /--order|--device|--mode|--runs|--timeout/);
  const finding = { check: "device", severity: "error" as const, message: "exp[0] is 1 on cpu" };
  const report = { ...failing(), order: 2 as const, device: "cpu", findings: [finding] };
  assert.match(replayCommand(run(), { ...check, report })!, / --path 0:2 --order 2 --device cpu$/);
  const given = { runs: 5, order: 1, mode: "fast", device: "float64", timeout: 3 } as const;
  const asked = { ...run(), command: "deno run -A npm:gpugrad", options: { given, checks: {} } };
  const line = replayCommand(asked, check)!;
  assert.match(line, /^deno run -A npm:gpugrad check .* --path 0:2 --order 1 --mode fast --device float64$/);
  assert.equal(replayCommand(asked, { ...check, error: "focal loss timed out" }), `${line} --timeout 3`);
  assert.equal(replayCommand(asked, { ...check, verdict: "ok" }), null);
  assert.equal(replayCommand(asked, { ...check, replay: null }), null);
});

describe("the values of a report's inputs", () => {
  /** The inputs that the call in a report passes, by running it. */
  async function passed(report: GradcheckReport, most = Infinity): Promise<[inputs: InputReport[], options: object]> {
    const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
    const tensor = (values: unknown[], shape: number[], { dtype = "float" } = {}) => ({
      values: values.map(Number),
      shape,
      dtype,
    });
    let seen: [InputReport[], object] | null = null;
    const gradcheck = (_: unknown, inputs: InputReport[], options: object) => void (seen = [inputs, options]);
    const program = callText(report, most, "elsewhere")!.join("\n");
    await new AsyncFunction("f", "tensor", "gradcheck", program)(null, tensor, gradcheck);
    return seen!;
  }

  test("can be copied into a test, exactly", async () => {
    const values = (dtype: string) =>
      dtype === "bool" ? fc.constantFrom(0, 1) : dtype === "int" ? fc.integer({ min: -9, max: 9 }) : fc.double();
    const inputs = fc.array(
      fc.tuple(fc.array(fc.nat({ max: 3 }), { maxLength: 3 }), fc.constantFrom("float", "int", "bool"))
        .chain(([shape, dtype]) => {
          const size = shape.reduce((a, b) => a * b, 1);
          return fc.array(values(dtype), { minLength: size, maxLength: size }).map((values) => ({
            ...input("x // y\n*/", shape),
            values,
            dtype,
          }));
        }),
      { minLength: 1, maxLength: 3 },
    );
    await checkProperty(inputs, async (inputs) => {
      const [found, options] = await passed({ ...passing(), inputs, seed: 7, order: 2, mode: "fast" });
      assert.deepEqual(found, inputs.map(({ values, shape, dtype }) => ({ values, shape, dtype })));
      assert.deepEqual(options, { seed: 7, order: 2, mode: "fast" });
    }, { runs: 40 });
  });

  test("are arrays for a plain function", async () => {
    const [vector, matrix] = [input("x", [3]), input("y", [2, 2])];
    const [found] = await passed({ ...slightlyWrong(), inputs: [vector, matrix] });
    assert.deepEqual(found, [vector.values, { shape: [2, 2], values: matrix.values }] as never);
  });

  test("are in the text of a report that is not right, folded where there are many", async () => {
    const report = failing();
    const lines = (most: number, where: string) =>
      callText(report, most, where)!.map((line) => `    ${line}`).join("\n");
    const text = reportText(report);
    assert.ok(text.endsWith(`To copy into a test:\n${lines(32, "reportJson and reportHtml have them")}`), text);
    assert.match(text, /416 more: reportJson/);
    assert.ok(reportText(report, { values: Infinity }).endsWith(lines(Infinity, "")));
    const [found] = await passed(report, 32);
    assert.deepEqual(found.map(({ values }) => values), report.inputs.map(({ values }) => values!.slice(0, 32)));
    assert.ok(text.split("\n").every((line) => !/^ {6}/.test(line) || line.length <= 110));
    assert.doesNotMatch(reportText(passing()), /To copy/);
    assert.match(runText(run()), /416 more: --json and --html write them/);
  });

  test("are all in the JSON", () => {
    const [first] = parseReport(reportJson({ ...run(), checks: [{ ...run().checks[0], report: large(300) }] })).checks;
    assert.deepEqual(first.report!.inputs[0].values, large(300).inputs[0].values);
  });
});

describe("the JSON of a report", () => {
  const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true })
    .compile(readJson("verify/report/report.schema.json"));

  for (const [name, make] of [...Object.entries(reports), ["run", run] as const]) {
    test(`of ${name} conforms to the schema`, () => {
      validate(JSON.parse(reportJson(make())));
      assert.deepEqual(validate.errors, null);
    });
  }

  test("the schema rejects anything but a report", () => {
    const { counts: _, ...lacking } = passing();
    for (
      const wrong of [{}, lacking, { ...passing(), verdict: "fine" }, { ...passing(), passed: true }, {
        ...run(),
        version: 2,
      }]
    ) {
      assert.equal(validate(wrong), false);
    }
  });

  test("round-trips, including numbers that JSON lacks", () => {
    const all: RunReport = {
      ...run(),
      checks: Object.entries(reports).map(([name, make]) => ({ ...run().checks[0], name, report: make() })),
    };
    assert.deepEqual(parseReport(reportJson(all)), all);
  });

  test("keeps lists of numbers on one line and strings as they are", () => {
    const report = { ...passing(), name: "[\n1,\n 2\n]" };
    const text = reportJson(report);
    assert.equal(JSON.parse(text).name, report.name);
    assert.ok(text.split("\n").length < 400);
  });

  test("other text is refused with a reason", () => {
    assert.throws(() => parseReport("no"), /not a report: not JSON/);
    assert.throws(() => parseReport(reportJson(passing())), /no list of checks/);
    assert.throws(() => parseReport('{"version":2,"checks":[]}'), /expected version 1, got 2/);
  });
});

describe("shards", () => {
  const CHECKS = [{ name: "a", runs: 35 }, { name: "b", runs: 5 }, { name: "c", runs: 100 }];

  test("have seeds of their own for each block and run", () => {
    const seeds = [1, 2, -3, 2 ** 40].flatMap((seed) => Array.from({ length: 50 }, (_, block) => seedOf(seed, block)));
    assert.equal(new Set(seeds).size, seeds.length);
  });

  test("distribute every block once", () => {
    const listed = (shared: ReadonlyMap<string, readonly Block[]>) =>
      [...shared].flatMap(([name, blocks]) =>
        blocks.map(({ index, runs }) => `${name}${String(index).padStart(3, "0")}: ${runs}`)
      );
    const whole = listed(shareOut(CHECKS, null));
    assert.equal(whole.reduce((sum, block) => sum + Number(block.split(": ")[1]), 0), 140);
    for (const count of [1, 2, 3, 20]) {
      const parts = Array.from({ length: count }, (_, i) => shareOut(CHECKS, { index: i + 1, count }));
      assert.deepEqual(parts.flatMap(listed).sort(), whole);
    }
  });

  /** A run in which some blocks are not right. */
  async function runOf(
    special: Record<string, "wrong" | "undecided" | "error">,
    shard: RunReport["shard"],
  ): Promise<RunReport> {
    const checks: CheckReport[] = [];
    for (const [name, blocks] of shareOut(CHECKS, shard)) {
      const { milliseconds: _, ...check } = await runBlocks(name, blocks, ({ index, runs }) => {
        const kind = new Map(Object.entries(special)).get(`${name}${index}`);
        const verdict = kind === "error" ? "undecided" : kind ?? "ok";
        const tried = kind === undefined ? runs : 1 + index;
        return Promise.resolve({
          name,
          verdict,
          runs: tried,
          counts: counts({ ok: runs, ...(kind === "wrong" ? { wrong: index } : {}) }),
          undecided: kind === "undecided" ? tried : 0,
          open: kind === "undecided" ? runs : 0,
          report: { ...passing(), name: `${name}${index}` },
          replay: kind === "wrong" || kind === "undecided" ? { seed: 7, path: `${index}:0` } : null,
          error: kind === "error" ? `block ${index} cannot be checked` : null,
        });
      });
      checks.push({ ...check, milliseconds: 0 });
    }
    const options = { given: {}, checks: Object.fromEntries(CHECKS.map(({ name, runs }) => [name, { runs }])) };
    return { version: 1, file: shard ? `there/f.ts` : "f.ts", seed: 7, shard, options, checks };
  }

  const CASES: Record<string, Record<string, "wrong" | "undecided" | "error">> = {
    "all right": {},
    "one wrong": { c4: "wrong" },
    "several wrong": { a1: "wrong", c7: "wrong", c5: "wrong", c6: "wrong" },
    "an error before a wrong block": { c3: "error", c4: "wrong", c2: "undecided" },
    "undecided, then wrong": { a0: "undecided", a2: "undecided", c1: "undecided", c9: "wrong" },
    "undecided twice": { c1: "undecided", c3: "undecided", c8: "undecided" },
    "mostly undecided": Object.fromEntries([0, 2, 4, 5, 7, 8, 9].map((i) => [`c${i}`, "undecided" as const])),
  };
  for (const [name, special] of Object.entries(CASES)) {
    test(`merge into one run: ${name}`, async () => {
      const whole = await runOf(special, null);
      for (const count of [1, 2, 3, 5]) {
        const parts: RunReport[] = [];
        for (let index = count; index >= 1; index--) parts.push(await runOf(special, { index, count }));
        const merged = mergeRuns(parts.map((part) => parseReport(reportJson(part))));
        assert.deepEqual({ ...merged, file: "f.ts" }, whole);
      }
    });
  }

  test("of a check that was not finished merge, and keep its error", async () => {
    const [one, two] = await Promise.all([1, 2].map((index) => runOf({}, { index, count: 2 })));
    const checks = two.checks.map((check) =>
      check.name !== "c" ? check : {
        ...check,
        ...NOTHING,
        verdict: "undecided" as const,
        error: "c timed out",
        blocks: [{ ...NOTHING, index: check.blocks![0].index, verdict: "undecided" as const }],
      }
    );
    const merged = mergeRuns([one, { ...two, checks }]).checks.find(({ name }) => name === "c")!;
    assert.deepEqual([merged.verdict, merged.error], ["undecided", "c timed out"]);
  });

  test("that do not belong together are not merged", async () => {
    const part = (index: number, count: number) => runOf({}, { index, count });
    const [one, two] = [await part(1, 2), await part(2, 2)];
    assert.throws(() => mergeRuns([one]), /shard 2 of 2 is missing/);
    assert.throws(() => mergeRuns([one, one]), /shard 1 of 2 is given twice/);
    assert.throws(() => mergeRuns([one, { ...two, seed: 8 }]), /the seeds 7 and 8/);
    const other = await part(2, 3);
    assert.throws(() => mergeRuns([one, other]), /one of 2 and one of 3/);
    assert.throws(() => mergeRuns([one, { ...two, file: "g.ts" }]), /checks of there\/f\.ts and of g\.ts/);
    const asked = (options: Record<string, unknown>) => ({
      ...two,
      options: { given: {}, checks: { ...two.options!.checks, a: options } },
    });
    assert.throws(() => mergeRuns([one, asked({ runs: 36 })]), /got a once with runs 35 and once with runs 36/);
    assert.throws(
      () => mergeRuns([asked({ runs: 35, order: 2 }), one]),
      /got a once with order 2 and once without order/,
    );
    const { a: _, ...rest } = two.options!.checks;
    const lacking = { ...two, options: { given: {}, checks: rest } };
    assert.throws(() => mergeRuns([one, lacking]), /a is not checked by all of them/);
  });
});
