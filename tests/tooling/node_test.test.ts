// The `node:test` of `npm test` with failing tests; passing tests are in tests/support/node_test.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Declarations } from "../support/runner/node_test.ts";

const shim = new Declarations();

const nothing = () => {};
const fail = (message: string) => () => {
  throw new Error(message, { cause: new Error("deeper") });
};

shim.test("passes", nothing);
shim.test("fails", fail("wrong"));
shim.test("fails later", () => Promise.reject(new RangeError("too late")));
shim.test("throws a text", () => {
  throw "text";
});
shim.test("hangs", { timeout: 5 }, () => new Promise(nothing));
shim.test("declares a test", () => shim.test("inner", nothing));
shim.test("is left out", fail("it ran"));
shim.test("is another's", fail("it ran"));
shim.test("is skipped", { skip: true }, fail("it ran"));
shim.describe("a skipped suite", { skip: "no GPU" }, () => {
  shim.hook("before", fail("it ran"));
  shim.test("inner", fail("it ran"));
});
shim.describe("a suite", () => {
  shim.describe("without a start", () => {
    shim.hook("before", fail("no start"));
    shim.test("inner", nothing);
  });
  shim.describe("without an end", () => {
    shim.hook("after", fail("no end"));
    shim.test("inner", nothing);
  });
  shim.describe("that does not clean up", () => {
    shim.hook("afterEach", fail("not clean"));
    shim.test("inner", nothing);
  });
});

test("failures are reported with their cause, and tests that are filtered out are not", async () => {
  const found: [string, string, string][] = [];
  await shim.run((name) => name !== "is left out", {
    cpu: () => 0,
    left: (name) => name === "is another's" ? "elsewhere" : undefined,
    started: nothing,
    ended: ({ name, status, detail }) => {
      found.push([name, status, detail.split("\n")[0]]);
      if (name === "fails") assert.match(detail, /wrong\n +at [^]*\[cause\]: Error: deeper\n/);
    },
  });
  assert.deepEqual(found, [
    ["passes", "passed", ""],
    ["fails", "failed", "Error: wrong"],
    ["fails later", "failed", "RangeError: too late"],
    ["throws a text", "failed", "threw text"],
    ["hangs", "failed", "Error: test timed out after 5ms"],
    [
      "declares a test",
      "failed",
      "Error: test was called after the file had loaded: tests inside of tests do not run everywhere",
    ],
    ["is another's", "skipped", "elsewhere"],
    ["is skipped", "skipped", ""],
    ["a skipped suite > inner", "skipped", "no GPU"],
    ["a suite > without a start > inner", "failed", "Error: no start"],
    ["a suite > without an end > inner", "passed", ""],
    ["a suite > without an end > after", "failed", "Error: no end"],
    ["a suite > that does not clean up > inner", "failed", "Error: not clean"],
  ]);
});

test("arguments that not all runtimes take are errors", () => {
  const loose = (...args: unknown[]) => (new Declarations() as { test(...args: unknown[]): void }).test(...args);
  assert.throws(() => loose(nothing), /expected a name/);
  assert.throws(() => loose("name"), /expected a name/);
  assert.throws(() => loose("name", (t: unknown) => t), /takes an argument/);
  assert.throws(() => loose("name", { concurrency: 2 }, nothing), /option concurrency/);
});
