/**
 * Values from another copy of a package, or another realm: accepted if they behave the same, otherwise refused by name.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import type fc from "fast-check";
import { exp, iouMatrix, sum } from "../../mod.ts";
import { assertProperty, check, checkProperty, gradcheck, tensors } from "../../verify/mod.ts";
import { root } from "../support/source.ts";

const other: typeof fc = createRequire(import.meta.url)("fast-check").default;

test("arbitraries of fast-check's CommonJS copy are accepted, and shrink", async () => {
  const shapes = other.array(other.integer({ min: 1, max: 3 }), { maxLength: 2 }).map((shape) => [shape]);
  await assertProperty((x) => sum(exp(x)), tensors(shapes), { runs: 5, device: "float64" });
  const inputs = other.array(other.integer({ min: -2, max: 2 }), { minLength: 1, maxLength: 4 }).map((x) => [x]);
  assert.equal((await checkProperty((x) => exp(x), inputs, { runs: 5, device: "float64" })).verdict, "ok");
  const wrong = { value: ([x]: readonly ArrayLike<number>[]) => x[0] ** 2, gradient: () => [[1]] };
  const one = other.integer({ min: 1, max: 100 }).map((x) => [[x]]);
  const { verdict, report } = await checkProperty(wrong, one, { runs: 5, seed: 1 });
  assert.equal(verdict, "wrong");
  // The smallest value at which 2 x is not 1.
  assert.equal(report?.worst[0].numeric.toFixed(3), "2.000");
  assert.ok(check((x) => exp(x), inputs));
});

test("arrays of another realm are accepted", async () => {
  const boxes = runInNewContext("[[0, 0, 2, 2]]");
  assert.ok(Math.abs(await iouMatrix(boxes, boxes).item({ device: "float64" }) - 1) < 1e-6);
  assert.equal((await gradcheck((x) => exp(x), runInNewContext("[[1, 2]]"), { device: "float64" })).verdict, "ok");
});

test("a tensor of another copy of gpugrad is refused as such", async () => {
  const folder = `.cache/copy-${process.pid}`;
  try {
    const { bundleForNode } = await import("../../scripts/bundle.ts");
    await bundleForNode(["mod.ts"], folder);
    const { tensor, zeros } = await import(pathToFileURL(join(root, folder, "mod.js")).href);
    for (const call of [() => sum(tensor([1])), () => iouMatrix(zeros([1, 4]), zeros([1, 4]))]) {
      assert.throws(call, /expected \w+ to be a tensor.*, got a tensor of .* of another copy of gpugrad/);
    }
    await assert.rejects(
      gradcheck(() => tensor([1]), [[1]]),
      /must return a tensor.*, got a tensor of shape .* of another copy/,
    );
  } finally {
    rmSync(join(root, folder), { recursive: true, force: true });
  }
});
