import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { styleText } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { advice, numberText, replayCommand } from "../../verify/report/advice.ts";
import { mergeRuns, runBlocks, shareOut } from "../../verify/blocks.ts";
import { parseReport, reportJson } from "../../verify/report/json.ts";
import type { CheckReport, RunReport } from "../../verify/report/report.ts";
import { reportText, runText } from "../../verify/report/text.ts";
import { readJson } from "../support/source.ts";
import { counts, failing, fast, notFinite, passing, reports, run, slightlyWrong, untested } from "./reports.ts";

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
    assert.match(text, /^ok +ssd loss {2}20 runs: 896 ok of 896\nwrong +focal loss/);
    assert.match(
      text,
      /Replay: gpugrad check examples\/losses\.ts --only 'focal loss' --seed=-337936031 --path 0:1:0:5\n/,
    );
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
  assert.match(replayCommand("it's.ts", check)!, /^gpugrad check 'it'\\''s\.ts' /);
});

test("the replay command includes the order, and the device if it is the cause", () => {
  const [, check] = run().checks;
  assert.doesNotMatch(replayCommand("f.ts", check)!, /--order|--device/);
  const finding = { check: "device", severity: "error" as const, message: "exp[0] is 1 on cpu" };
  const report = { ...failing(), order: 2 as const, device: "cpu", findings: [finding] };
  assert.match(replayCommand("f.ts", { ...check, report })!, / --path 0:1:0:5 --order 2 --device cpu$/);
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

  test("distribute every block once, with the same seeds as a single run", () => {
    const whole = [...shareOut(CHECKS, 7, null).values()].flat();
    assert.equal(whole.reduce((sum, { runs }) => sum + runs, 0), 140);
    assert.equal(new Set(whole.map(({ seed }) => seed)).size, whole.length);
    for (const count of [1, 2, 3, 20]) {
      const parts = Array.from({ length: count }, (_, i) => shareOut(CHECKS, 7, { index: i + 1, count }));
      const key = (b: { name: string; index: number }) => `${b.name}${String(b.index).padStart(3, "0")}`;
      const all = parts.flatMap((part) => [...part.values()].flat()).sort((a, b) => (key(a) < key(b) ? -1 : 1));
      assert.deepEqual(all, whole);
    }
    assert.notDeepEqual([...shareOut(CHECKS, 8, null).values()].flat(), whole);
  });

  /** A run in which some blocks are not right. */
  async function runOf(
    special: Record<string, "wrong" | "undecided" | "error">,
    shard: RunReport["shard"],
  ): Promise<RunReport> {
    const checks: CheckReport[] = [];
    for (const [name, blocks] of shareOut(CHECKS, 7, shard)) {
      checks.push(
        await runBlocks(blocks, ({ index, runs, seed }) => {
          const kind = new Map(Object.entries(special)).get(`${name}${index}`);
          const verdict = kind === "error" ? "undecided" : kind ?? "ok";
          return Promise.resolve({
            name,
            verdict,
            runs: kind === undefined ? runs : 1 + index,
            counts: counts({ ok: runs, ...(kind === "wrong" ? { wrong: index } : {}) }),
            report: { ...passing(), name: `${name}${index}` },
            replay: kind === "wrong" ? { seed, path: `0:${index}` } : null,
            error: kind === "error" ? `block ${index} cannot be checked` : null,
          });
        }),
      );
    }
    return { version: 1, file: "f.ts", seed: 7, shard, checks };
  }

  const CASES: Record<string, Record<string, "wrong" | "undecided" | "error">> = {
    "all right": {},
    "one wrong": { c4: "wrong" },
    "several wrong": { a1: "wrong", c7: "wrong", c5: "wrong", c6: "wrong" },
    "an error before a wrong block": { c3: "error", c4: "wrong", c2: "undecided" },
    "undecided, then wrong": { a0: "undecided", a2: "undecided", c1: "undecided", c9: "wrong" },
    "undecided twice": { c1: "undecided", c3: "undecided", c8: "undecided" },
  };
  for (const [name, special] of Object.entries(CASES)) {
    test(`merge into one run: ${name}`, async () => {
      const whole = await runOf(special, null);
      for (const count of [1, 2, 3, 5]) {
        const parts: RunReport[] = [];
        for (let index = count; index >= 1; index--) parts.push(await runOf(special, { index, count }));
        assert.deepEqual(mergeRuns(parts.map((part) => parseReport(reportJson(part)))), whole);
      }
    });
  }

  test("that do not belong together are not merged", async () => {
    const part = (index: number, count: number) => runOf({}, { index, count });
    const [one, two] = [await part(1, 2), await part(2, 2)];
    assert.throws(() => mergeRuns([one]), /shard 2 of 2 is missing/);
    assert.throws(() => mergeRuns([one, one]), /shard 1 of 2 is given twice/);
    assert.throws(() => mergeRuns([one, { ...two, seed: 8 }]), /the seeds 7 and 8/);
    const other = await part(2, 3);
    assert.throws(() => mergeRuns([one, other]), /one of 2 and one of 3/);
  });
});
