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

test("a property draws the given number of inputs, and fewer in cells that sample", async () => {
  const factor = Number(process.env.GPUGRAD_RUNS ?? 1);
  for (
    const [extent, runs, expected] of [
      ["full", 7, 7],
      ["some", 100, 10],
      ["some", 6, 3],
      ["few", 200, 4],
      ["few", 9, 1],
      ["few", 1, 1],
      ["least", 100, 2],
      ["least", 9, 1],
    ] as const
  ) {
    let tried = 0;
    await checkProperty(fc.nat(), () => void tried++, { runs, extent });
    assert.equal(tried, expected * factor, `${extent} of ${runs}`);
  }
});
