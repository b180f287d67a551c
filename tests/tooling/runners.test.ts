/** A file that crashes, hangs or leaves an error behind is named, and costs no other file its results. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { runtime } from "../../core/runtime.ts";
import { openRunner } from "../../scripts/runners.ts";
import { root } from "../support/source.ts";
import { skip } from "../support/skip.ts";

const inNode = (name: string) => skip(name, runtime() === "node" ? undefined : "under Node, which runs the tests");
const folder = `.cache/runners-${process.pid}`;
after(() => rmSync(join(root, folder), { recursive: true, force: true }));

/** Writes test files, which import `test` and `process`, and runs them one after the other; returns what was reported, as text. */
async function report(files: Readonly<Record<string, string>>, minutes: number): Promise<Record<string, string[]>> {
  mkdirSync(join(root, folder), { recursive: true });
  const head = 'import { test } from "node:test";\nimport process from "node:process";\n';
  const paths = Object.entries(files).map(([name, text]) => {
    writeFileSync(join(root, folder, name), head + text);
    return `${folder}/${name}`;
  });
  const opened = await openRunner("node", paths, { minutes, soak: false, all: true });
  assert.ok("suite" in opened);
  try {
    const reported: Record<string, string[]> = {};
    for (const path of paths) {
      const { results, problems, text } = await opened.suite.runFile(path);
      const tests = results.map(({ name, status, detail }) => `${name}: ${status}${detail && ` (${detail})`}`);
      const again = text.includes("it was run again") ? ["run again"] : [];
      reported[path.slice(folder.length + 1)] = [...tests, ...problems, ...again].map((line) =>
        line.replaceAll(`${folder}/`, "")
      );
    }
    return reported;
  } finally {
    await opened.close();
  }
}

test(...inNode("a crash names the file and the test, and the files after it run"), async () => {
  const reported = await report({
    "first.test.ts": 'test("passes", () => {});\ntest("fails", () => { throw new Error("wrong"); });',
    "crash.test.ts": 'test("passes", () => {});\ntest("aborts", () => process.abort());\ntest("is lost", () => {});',
    "late.test.ts": 'test("passes", () => void setTimeout(() => process.abort(), 0));\n' +
      'test("waits", { skip: "as its driver does" }, () => {});\nawait 0;',
    "rejected.test.ts": 'test("leaves a promise", () => void Promise.reject(new Error("lost")));\n',
    "broken.test.ts": 'throw new Error("half done");\n',
    "empty.test.ts": "export {};\n",
    "last.test.ts": 'test("passes", () => {});\n',
  }, 5);
  assert.deepEqual(reported, {
    "first.test.ts": ["passes: passed", "fails: failed (Error: wrong)"],
    "crash.test.ts": ["passes: passed", 'crash.test.ts, in "aborts": the process was ended by SIGABRT'],
    // Between tests: once more in a process of its own, in which it crashes again.
    "late.test.ts": [
      "passes: passed",
      "waits: skipped (as its driver does)",
      "late.test.ts: the process was ended by SIGABRT",
      "run again",
    ],
    "rejected.test.ts": ["leaves a promise: passed", "rejected.test.ts: unhandled rejection: Error: lost"],
    "broken.test.ts": ["broken.test.ts: did not load: Error: half done"],
    "empty.test.ts": ["empty.test.ts has no test"],
    "last.test.ts": ["passes: passed"],
  });
});

test(...inNode("a file that hangs is ended, and the next one runs"), async () => {
  const reported = await report({
    "hang.test.ts": 'test("hangs", () => { for (;;); });\n',
    "next.test.ts": 'test("passes", () => {});\n',
  }, 0.05);
  assert.deepEqual(reported["hang.test.ts"], ['hang.test.ts, in "hangs": the process did not end within 0.05 minutes']);
});
