/** The bench's tables in the documents: how they are made from a run, and that they are those of the run that is kept. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mediansPart, ratiosPart } from "../../bench/harness/markdown.ts";
import { RECORD, type Report, type ReportRow } from "../../bench/harness/report.ts";
import { generatedPart } from "../../scripts/generated.ts";
import { skip } from "../support/skip.ts";
import { root } from "../support/source.ts";

const COMMAND = "npm run bench:record";

/** A row with the median of each contestant, in the order of `entrants` below; null if it cannot. */
function row(group: string, subject: string, [mode, batch]: [string, number], medians: (number | null)[]): ReportRow {
  return {
    name: `${subject} ${batch}, ${mode}`,
    group,
    subject,
    sizes: { batch },
    mode,
    mismatches: [],
    outcomes: medians.map((median, i) =>
      median === null
        ? { label: entrants[i].label, cannot: "has no such op" }
        : { label: entrants[i].label, median, lower: 0, upper: 0, min: 0, samples: 9, cpu: null, first: 1 }
    ),
  };
}

const entrants: Report["entrants"] = [
  { label: "wasm, 2 threads", kind: "gpugrad", script: false, threads: 2, version: "1", configuration: "w" },
  { label: "PyTorch, 2 threads", kind: "peer", script: false, threads: 2, version: "2", configuration: "p" },
  { label: "PyTorch, 1 thread", kind: "peer", script: false, threads: 1, version: "2", configuration: "p" },
  { label: "tfjs", kind: "peer", script: true, threads: 1, version: "4", configuration: "t" },
  { label: "plain", kind: "peer", script: true, threads: 1, version: "0", configuration: "j" },
  { label: "absent", kind: "peer", script: true, threads: 1, cannot: "is not installed" },
];

const report: Report = {
  format: 1,
  date: "2026-01-02T03:04:05Z",
  commit: "abc",
  quick: false,
  machine: { cpu: "A processor", cores: 2, system: "linux" },
  entrants,
  rows: [
    // Neither PyTorch on fewer threads nor the slower of two libraries is what gpugrad is compared with.
    row("loss", "loss", ["read", 1], [3, 2, 1, null, null]),
    row("loss", "loss", ["read", 8], [10, 40, 1, null, null]),
    row("loss", "loss", ["recording", 1], [0.5]),
    row("ops", "exp", ["resident", 1], [1, 4, 1, 2, 8]),
    row("ops", "sort", ["resident", 1], [9, 9, 1, 18, 3]),
    row("ops", "odd", ["resident", 1], [8, 2, 1, null, null]),
  ],
  growth: [],
  memory: [],
};

test("the table of ratios compares with PyTorch on as many threads and the fastest JavaScript library", () => {
  const [where, , ...table] = ratiosPart(report).split("\n").map(withoutPadding);
  assert.equal(
    where,
    "Ratios of medians, side by side, of 2026-01-02, commit abc, on 2 cores of A processor (linux); below 1, gpugrad (wasm, 2 threads) " +
      "is faster.",
  );
  assert.deepEqual(table, [
    "| measurement | / PyTorch | / best JavaScript library |",
    "| --- | --- | --- |",
    "| SSD loss and gradients, batches 1, 8; new inputs, results read | 1.5, 0.25 | |",
    "| 3 ops: geometric mean; least to most; inputs and results stay on the device | 1.0; 0.25 (exp) to 4.0 (odd) | " +
    "1.2; 0.50 (exp) to 3.0 (sort) |",
  ]);
});

test("the page of all medians has every row of every contestant that took part", () => {
  const lines = mediansPart(report).split("\n").map(withoutPadding);
  for (
    const line of [
      "| plain | 0 | j |",
      "## The SSD loss with both gradients",
      "| | wasm, 2 threads | PyTorch, 2 threads | PyTorch, 1 thread | tfjs | plain |",
      "| loss 8, read | 10.0 | 40.0 | 1.0 |",
      "| loss 1, recording | 0.50 |",
      "## Ops",
      "| exp 1, resident | 1.0 | 4.0 | 1.0 | 2.0 | 8.0 |",
      "| odd 1, resident | 8.0 | 2.0 | 1.0 | | |",
    ]
  ) assert.ok(lines.includes(line), line);
  assert.ok(!lines.some((line) => line.includes("absent")));
  assert.equal(lines.filter((line) => line.startsWith("## ")).length, 2);
});

test("a run of two devices of gpugrad is refused, whose table would compare neither", () => {
  const two = { ...report, entrants: [...entrants, { ...entrants[0], label: "webasm" }] };
  assert.throws(() => ratiosPart(two), /expected one device of gpugrad, got wasm, 2 threads; webasm/);
});

const missing = existsSync(join(root, RECORD)) ? undefined : `no run is recorded; ${COMMAND} makes ${RECORD}`;

test(
  ...skip("the README and docs/performance.md show the run that is kept, which does not name the machine", missing),
  () => {
    const kept = JSON.parse(readFileSync(join(root, RECORD), "utf8")) as Report;
    assert.equal(generatedPart("README.md", COMMAND), ratiosPart(kept));
    assert.equal(generatedPart("docs/performance.md", COMMAND), mediansPart(kept));
    assert.deepEqual(kept.rows.flatMap(({ mismatches }) => mismatches), []);
    assert.deepEqual(Object.keys(kept.machine).sort(), ["cores", "cpu", "gigabytes", "node", "system"]);
    assert.doesNotMatch(JSON.stringify(kept), /\/(home|root|work|tmp|Users)\//);
  },
);

/** A line of a table without what aligns it. */
function withoutPadding(line: string): string {
  return line.startsWith("|") ? line.replace(/ {2,}/g, " ").replace(/-{4,}/g, "---") : line;
}
