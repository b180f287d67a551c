/** Which tests each runtime runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { backends } from "../../core/backends/list.ts";
import { RUNTIMES } from "../../scripts/requirements.ts";
import { filesOf, turnOf } from "../../scripts/turns.ts";
import { checkProperty } from "../support/property.ts";
import { isLeft } from "../support/runner/turn.ts";

const some = { all: false };
const file = "tests/ops/forward.test.ts";

/** The runtimes that run a test. */
function runtimesOf(name: string, path = file, options: { all: boolean; name?: string } = some): string[] {
  return RUNTIMES.filter((runtime) => {
    const turn = turnOf(runtime, path, options);
    return turn === null || !isLeft(name, turn);
  });
}

const devices = (place: "gpu" | "host") => backends.filter((b) => b.computesOn === place).map((b) => b.name);

test("Node and one other runtime run each test on the host, and each runtime some of those of each device", async () => {
  const ran = new Set<string>();
  await checkProperty(fc.string({ minLength: 1, maxLength: 20 }), (text) => {
    for (const end of ["", ...devices("host").map((device) => ` [${device}]`)]) {
      const runtimes = runtimesOf(text + end);
      assert.equal(runtimes.length, 2, text + end);
      assert.equal(runtimes[0], "node");
      ran.add(runtimes[1] + end);
    }
    for (const device of devices("gpu")) assert.deepEqual(runtimesOf(`${text} [${device}]`), RUNTIMES);
    // A test of several devices runs everywhere.
    const together = new Set(devices("host").flatMap((device) => runtimesOf(`${text} [${device}]`)));
    assert.deepEqual([...together].sort(), [...RUNTIMES].sort());
  }, { runs: 100, extent: "full" });
  assert.equal(ran.size, 3 * (1 + devices("host").length));
});

test("files about runtimes, single tests and sweeps are left to none", () => {
  assert.deepEqual(runtimesOf("a test", "tests/core/runtime.test.ts"), RUNTIMES);
  assert.deepEqual(runtimesOf("a test", file, { all: true }), RUNTIMES);
  assert.deepEqual(runtimesOf("a test", file, { all: false, name: "a" }), RUNTIMES);
});

test("Node runs all files, and others leave out those about its programs, with the reason", () => {
  const files = [file, "tests/tooling/api.test.ts", "tests/tooling/examples.test.ts"];
  assert.deepEqual(filesOf("node", files), { chosen: files, left: new Map() });
  for (const runtime of ["deno", "bun"] as const) {
    const { chosen, left } = filesOf(runtime, files);
    assert.deepEqual(chosen, [file, "tests/tooling/examples.test.ts"]);
    assert.deepEqual([...left.values()], [["tests/tooling/api.test.ts"]]);
  }
});
