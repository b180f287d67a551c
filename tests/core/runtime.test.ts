/** Changes of the environment for gpu.js are in place while needed, and undone afterwards. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  homesOf,
  importGpuJs,
  needsOf,
  runtime,
  threadsWork,
  whileWorkersStart,
  withWebGpu,
} from "../../core/runtime.ts";
import { availableDevices } from "../../mod.ts";
import { skip } from "../support/skip.ts";

const here = runtime();
const globals = globalThis as { Worker?: unknown; navigator?: { gpu?: unknown } };

test("gpu.js sees no Worker in Deno while it loads; before and after, it is there", async () => {
  const before = Object.getOwnPropertyDescriptor(globals, "Worker");
  const seen = await importGpuJs(() => Promise.resolve(typeof globals.Worker));
  assert.equal(
    seen,
    here === "deno" ? "undefined" : typeof before?.value === "undefined" ? typeof globals.Worker : "function",
  );
  assert.deepEqual(Object.getOwnPropertyDescriptor(globals, "Worker"), before);
  await assert.rejects(importGpuJs(() => Promise.reject(new Error("no such module"))), /no such module/);
  assert.deepEqual(Object.getOwnPropertyDescriptor(globals, "Worker"), before);
});

test("worker URLs are revoked immediately, in Bun only after all calls are done", async () => {
  const original = URL.revokeObjectURL;
  const revoked: string[] = [];
  const spy = (url: string) => void revoked.push(url);
  URL.revokeObjectURL = spy;
  try {
    let endFirst = () => {};
    const first = whileWorkersStart(async () => {
      URL.revokeObjectURL("blob:first");
      await new Promise<void>((done) => (endFirst = done));
      return 1;
    });
    const second = whileWorkersStart(() => {
      URL.revokeObjectURL("blob:second");
      return Promise.reject(new Error("failed"));
    });
    await assert.rejects(second, /failed/);
    assert.deepEqual(revoked, here === "bun" ? [] : ["blob:first", "blob:second"]);
    endFirst();
    assert.equal(await first, 1);
    assert.deepEqual(revoked, ["blob:first", "blob:second"]);
    assert.equal(URL.revokeObjectURL, spy);
  } finally {
    URL.revokeObjectURL = original;
  }
});

test(
  ...skip("Node's WebGPU is at navigator.gpu during a call", here === "node" ? undefined : "only Node lacks it"),
  async () => {
    const before = Object.getOwnPropertyDescriptor(globals, "navigator");
    const same = () => assert.deepEqual(Object.getOwnPropertyDescriptor(globals, "navigator"), before);
    const call = () => globals.navigator?.gpu;
    await assert.rejects(
      withWebGpu(call, () => Promise.reject(new Error("libstdc++ is too old\nand more"))),
      /cannot load the package "webgpu": libstdc\+\+ is too old$/,
    );
    same();
    const gpu = {};
    assert.equal(
      await withWebGpu(call, () => Promise.resolve({ create: () => gpu })),
      gpu,
      "a failed attempt is retried",
    );
    same();
    await assert.rejects(withWebGpu(() => Promise.reject(new Error("no adapter"))), /no adapter/);
    same();
  },
);

test("threads work everywhere except on pages that are not isolated", () => {
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated;
  assert.equal(threadsWork(), here === "browser" ? isolated : true);
});

test("a missing device says what it needs", async () => {
  for (const { name, available, reason } of await availableDevices()) {
    if (available) continue;
    if (homesOf(name)!.includes(here)) assert.ok(reason!.endsWith(needsOf(name)!), reason);
    else assert.match(reason!, new RegExp(`runs only in .*, and this is ${here}`));
  }
});
