import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { checkProperty } from "../support/property.ts";

/** The message of a property that must fail. */
async function failureOf(check: Promise<void>): Promise<string> {
  const error = await check.then(() => undefined, (error: Error) => error);
  assert.ok(error, "the property should fail");
  return error.message;
}

const small = (n: number) => assert.ok(n < 1000, `${n} is not small`);

test("a failing property prints a command that replays it", async () => {
  const message = await failureOf(checkProperty(fc.nat(), small));
  const [, seed, path] = message.match(/Replay: GPUGRAD_SEED=(\S+) GPUGRAD_PATH=(\S+) npm test/) ?? [];
  assert.match(message, /1000 is not small/);
  const before = { ...process.env };
  try {
    Object.assign(process.env, { GPUGRAD_SEED: seed, GPUGRAD_PATH: path });
    const replayed = await failureOf(checkProperty(fc.nat(), small));
    assert.match(replayed, /failed after 1 tests/);
    assert.match(replayed, /1000 is not small/);
  } finally {
    for (const name of ["GPUGRAD_SEED", "GPUGRAD_PATH"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
});

test("a property fails if its predicate returns false", async () => {
  assert.match(await failureOf(checkProperty(fc.nat(), (n) => n < 5)), /Counterexample: \[5\]/);
});

test("a property runs the given number of times, or until its time is up", async () => {
  const factor = Number(process.env.GPUGRAD_RUNS ?? 1);
  let tried = 0;
  await checkProperty(fc.nat(), () => void tried++, { runs: 7 });
  assert.equal(tried, 7 * factor);
  await checkProperty(fc.nat(), () => new Promise((done) => setTimeout(done, 5)), { runs: 1e6, timeMs: 30 });
});
