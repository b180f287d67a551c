/** Calls every public function with bad arguments; the error must say what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as gpugrad from "../../../mod.ts";
import { messageOf } from "../../../verify/usage.ts";
import { coreRows, methods, signatures } from "./core_ops.ts";
import { detectionRows, detectionSignatures } from "./detection.ts";
import { optimRows, optimSignatures, scheduleSignatures } from "./optim.ts";
import type { Row } from "./rows.ts";

const allRows = [...coreRows, ...detectionRows, ...optimRows];

/** These have rows elsewhere: their methods have names of their own. */
const elsewhere = ["iouMatrix", "DefaultBoxes", "HardMiningCrossEntropyLoss", "SSDLoss"];

/** The exported functions; error classes are thrown, not called. */
const exported = Object.entries(gpugrad)
  .filter(([name, value]) => {
    return typeof value === "function" && !(value.prototype instanceof Error) && !elsewhere.includes(name);
  })
  .map(([name]) => name)
  .concat(Object.keys(gpugrad.schedules).map((name) => `schedules.${name}`));

/** The problem with a row; `null` if the call is refused as expected. */
async function complaint({ name, blames = name, text, call, says }: Row): Promise<string | null> {
  try {
    await call();
  } catch (error) {
    const message = messageOf(error);
    const start = `${blames}: `;
    if (message.startsWith(start) && says.test(message.slice(start.length))) return null;
    return `${name}, ${text}: expected ${start}${says}, got ${message}`;
  }
  return `${name}, ${text}: expected ${blames}: ${says}, but nothing was thrown`;
}

test("every public function has bad calls", () => {
  for (const name of exported) {
    const count = allRows.filter((row) => row.name === name).length;
    assert.ok(count >= 10, `${name} has ${count} rows in tests/tooling/bad_calls`);
  }
  for (const { name } of allRows) assert.ok(exported.includes(name), `${name} has rows and is not exported`);
});

for (const name of exported) {
  test(`bad calls of ${name} say what is wrong`, async () => {
    const complaints: string[] = [];
    for (const row of allRows.filter((row) => row.name === name)) {
      const found = await complaint(row);
      if (found) complaints.push(found);
    }
    assert.equal(complaints.join("\n"), "");
  });
}

test("the good arguments of each function are accepted", async () => {
  await gpugrad.useDevice("float64");
  for (
    const [fn, parameters] of [
      ...Object.values(signatures),
      ...Object.values(detectionSignatures),
      ...Object.values(optimSignatures),
      ...Object.values(scheduleSignatures),
      ...Object.values(methods),
    ]
  ) {
    await fn(...parameters.map(({ good }) => good));
    const needed = parameters.filter(({ optional }) => !optional);
    await fn(...needed.map(({ good }) => good));
  }
});
