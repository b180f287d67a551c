// The behaviour of `node:test` that test files rely on, in each runtime's implementation.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it, test } from "node:test";

const log: string[] = [];
await Promise.resolve();

before(() => void log.push("before"));

test("tests run in order, after the file's top-level awaits", { timeout: 10_000 }, async () => {
  assert.deepEqual(log, ["before"]);
  await new Promise((done) => setTimeout(done, 5));
  log.push("first");
});

describe("a suite", () => {
  before(() => void log.push("before the suite"));
  after(() => void log.push("after the suite"));
  beforeEach(() => void log.push("before a test"));
  afterEach(() => void log.push("after a test"));

  it("runs its hooks around its tests", () => {
    assert.deepEqual(log, ["before", "first", "before the suite", "before a test"]);
  });

  describe("inside of another", () => {
    beforeEach(() => void log.push("before an inner test"));

    test("runs the hooks of both, the outer first", () => {
      assert.deepEqual(log.slice(-3), ["after a test", "before a test", "before an inner test"]);
    });
  });
});

test("a suite runs its after hooks before the next test", () => {
  assert.deepEqual(log.slice(-2), ["after a test", "after the suite"]);
});
