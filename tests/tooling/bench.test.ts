/** The bench: what it catches, what it says has changed, and one row of it from end to end. */
import { strict as assert } from "node:assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import type { Case } from "../../bench/cases/case.ts";
import { changesOf, changesText } from "../../bench/harness/changes.ts";
import type { Contestant } from "../../bench/harness/contestant.ts";
import type { Report, ReportRow } from "../../bench/harness/report.ts";
import { Shared } from "../../bench/harness/row.ts";
import { exponent, geometricMean, summarise } from "../../bench/harness/statistics.ts";
import { measureRow } from "../../bench/harness/turns.ts";
import { run } from "../../scripts/processes.ts";
import { runtime } from "../../core/runtime.ts";
import { skip } from "../support/skip.ts";

const subject: Case = {
  group: "ops",
  name: "double",
  title: ({ n }) => `double of [${n}]`,
  sizes: [{ n: 3 }],
  inputs: () => [{ shape: [3], data: Float32Array.of(1, 2, 3) }],
  code: { gpugrad: () => ([x]) => x, torch: "" },
};

const effort = { rounds: 3, turn: 1, most: 1000, warmUp: 0 };

/** Puts a folder at the disposal of a function. */
async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "gpugrad-bench-test-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A contestant that gives these results, and notes in what order contestants run. */
function contestant(
  label: string,
  results: readonly number[] | string,
  folder: string,
  log: string[] = [],
): Contestant {
  return {
    label,
    kind: "peer",
    script: true,
    threads: 1,
    about: () => Promise.resolve({ version: "1", configuration: "" }),
    async prepare({ prefix }) {
      if (typeof results === "string") return { cannot: results };
      await writeFile(join(folder, `${prefix}0`), new Uint8Array(Float32Array.from(results).buffer));
      return { results: [`${prefix}0`], first: 1 };
    },
    run(times) {
      log.push(label);
      return Promise.resolve({ samples: Array.from({ length: times }, () => 2), cpu: 1 });
    },
    release: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}

const row = { subject, sizes: { n: 3 }, mode: "read" as const };

describe("the bench", () => {
  test("times contestants that agree in turns", () =>
    inFolder(async (folder) => {
      const log: string[] = [];
      const all = ["a", "b", "c"].map((label) => contestant(label, [2, 4, 6], folder, log));
      const { outcomes, mismatches } = await measureRow(row, all, new Shared(folder), effort);
      assert.deepEqual(mismatches, []);
      assert.deepEqual(outcomes.map((one) => "median" in one && [one.label, one.median, one.samples]), [
        ["a", 2, 3],
        ["b", 2, 3],
        ["c", 2, 3],
      ]);
      assert.deepEqual(log, ["a", "b", "c", "c", "b", "a", "a", "b", "c"]);
    }));

  test("says which results are wrong, and times nothing", () =>
    inFolder(async (folder) => {
      const log: string[] = [];
      const all = [contestant("right", [2, 4, 6], folder, log), contestant("wrong", [2, 4.1, 6], folder, log)];
      const { outcomes, mismatches } = await measureRow(row, all, new Shared(folder), effort);
      assert.equal(mismatches.length, 1);
      assert.match(
        mismatches[0],
        /^wrong and right differ: result 0: 1 of 3 elements, first element 1: 4\.0999.* and 4$/,
      );
      assert.deepEqual(outcomes, []);
      assert.deepEqual(log, []);
    }));

  test("says why a peer does not take part, and times the others", () =>
    inFolder(async (folder) => {
      const all = [contestant("right", [2, 4, 6], folder), contestant("other", "has no such op", folder)];
      const { outcomes } = await measureRow(row, all, new Shared(folder), effort);
      assert.deepEqual(outcomes[1], { label: "other", cannot: "has no such op" });
      assert.ok("median" in outcomes[0]);
    }));

  test("statistics", () => {
    assert.deepEqual(summarise([4, 1, 3, 2, 5]), { median: 3, lower: 2, upper: 4, min: 1, samples: 5 });
    assert.ok(Math.abs(geometricMean([0.5, 2]) - 1) < 1e-12);
    assert.ok(Math.abs(exponent([[1, 3], [2, 12], [4, 48]]) - 2) < 1e-12);
  });

  test("shows what changed beyond the spread", () => {
    const before = report([["a", 10], ["b", 10], ["gone", 1]]);
    const after = report([["a", 20], ["b", 10.1], ["new", 1]]);
    assert.deepEqual(changesOf(before, after).map(({ row, clear }) => [row, clear]), [["a", true], ["b", false]]);
    const text = changesText(before, after);
    assert.match(text, /1 of 2 times changed/);
    assert.match(text, /│ a +│ wasm +│ +10\.0 │ +20\.0 │ +2\.00 │/);
    assert.match(text, /not measured this time: gone/);
  });

  const reason = runtime() === "node" ? undefined : "it starts a program of Node";
  test(...skip("a row from end to end", reason), () =>
    inFolder(async (folder) => {
      const json = join(folder, "results.json");
      const args = ["loss", "--sizes", "boxes=60,classes=3", "--batch", "2", "--device", "cpu", "--peers", "limit"];
      const options = ["--mode", "read", "--quick", "--rounds", "2", "--json", json];
      const main = ["--import", "tsx", "bench/main.ts", ...args, ...options];
      const { problem, text } = await run(process.execPath, main, { minutes: 2 });
      assert.equal(problem, null, text);
      const { rows, entrants }: Report = JSON.parse(await readFile(json, "utf8"));
      assert.deepEqual(entrants.map(({ label }) => label), ["cpu", "limit"]);
      assert.equal(rows[0].name, "SSD, 60 boxes, 3 classes, 8 targets an image, batch 2, read");
      for (const outcome of rows[0].outcomes) {
        assert.ok("median" in outcome && outcome.median > 0, JSON.stringify(outcome));
      }
    }));
});

/** A report of rows in which one contestant took so long. */
function report(times: readonly (readonly [name: string, median: number])[]): Report {
  const rows = times.map(([name, median]): ReportRow => ({
    name,
    group: "ops",
    subject: name,
    sizes: {},
    mode: "read",
    mismatches: [],
    outcomes: [{
      label: "wasm",
      median,
      lower: 0.95 * median,
      upper: 1.05 * median,
      min: 0.9 * median,
      samples: 9,
      cpu: null,
      first: 1,
    }],
  }));
  return {
    format: 1,
    date: "2026-01-01",
    commit: null,
    quick: true,
    machine: {},
    entrants: [],
    rows,
    growth: [],
    memory: [],
  };
}
