import assert from "node:assert/strict";
import { test } from "node:test";
import * as gpugrad from "../../mod.ts";
import { entryOf, modules, registry } from "../ops/registry.ts";
import { readText, sourcesIn } from "../support/source.ts";

/** Ops that other functions record: crossEntropy the first, convolution and pooling the others. */
const INNER: readonly string[] = ["softmaxCrossEntropy", "windows", "shifted"];

test("the registry has every op and composite that mod.ts exports", () => {
  const exported = Object.values(gpugrad).flatMap((value) => entryOf(value) ?? []);
  assert.ok(exported.length > 60);
  for (const { name } of exported) assert.ok(registry().has(name), name);
});

test("mod.ts exports every op and composite of the registry under its name", () => {
  const exported: Record<string, unknown> = { ...gpugrad };
  for (const name of registry().keys()) {
    if (INNER.includes(name)) continue;
    assert.equal(entryOf(exported[name])?.name, name);
    assert.equal((exported[name] as { name: string }).name, name);
  }
});

test("the registry looks into every module of ops/ that defines ops", () => {
  const defining = sourcesIn("ops").filter((path) =>
    /^\w+\/\w+\.ts$/.test(path) && /from "\.\/define\//.test(readText(path))
  );
  assert.ok(defining.length > 8);
  for (const path of defining) assert.ok(path.slice("ops/".length, -".ts".length) in modules, path);
});

test("every function of tensors in modules that define ops has a record", () => {
  // Functions that make tensors or gradients have none, and neither have those that check and convert arguments.
  const without = Object.entries(modules).filter(([module]) => module !== "creation" && module !== "grad").flatMap(
    ([module, exported]) =>
      Object.entries(exported)
        .filter(([name, value]) => typeof value === "function" && name in gpugrad && !entryOf(value))
        .map(([name]) => `${module}.${name}`),
  );
  assert.deepEqual(without, []);
});
