import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRequirements, requiredIn, RUNTIMES } from "../../scripts/requirements.ts";

test("a backend without a runtime is required in each runtime", () => {
  const requirements = parseRequirements("cpu, webasm");
  for (const runtime of RUNTIMES) assert.deepEqual(requiredIn(runtime, requirements), ["cpu", "webasm"]);
});

test("a backend after a runtime is required only there", () => {
  const requirements = parseRequirements("cpu,node:headlessgl,chromium:webgl,chromium:cpu");
  assert.deepEqual(requiredIn("node", requirements), ["cpu", "headlessgl"]);
  assert.deepEqual(requiredIn("chromium", requirements), ["cpu", "webgl"]);
  assert.deepEqual(requiredIn("bun", requirements), ["cpu"]);
});

test("an empty list requires nothing", () => {
  assert.deepEqual(parseRequirements(""), []);
  assert.deepEqual(parseRequirements(" "), []);
});

test("empty names and unknown runtimes are errors", () => {
  for (const text of ["cpu,", ",", "cpu,,webasm", "node:", ":cpu", "node:webgpu:cpu"]) {
    assert.throws(() => parseRequirements(text), /expected a backend or runtime:backend, got "/, text);
  }
  assert.throws(() => parseRequirements("safari:webgpu"), /one of node, deno, bun, chromium .* got "safari:webgpu"/);
});
