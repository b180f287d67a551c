/** Changes of the environment for gpu.js are in place while needed, and undone afterwards. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { importGpuJs, runtime, threadsWork, whileWorkersStart } from "../../core/runtime.ts";
import { backendNamed } from "../../core/backends/list.ts";
import { webGpuFrom } from "../../core/backends/addon.ts";
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

const lacks = here === "node" || here === "bun" ? undefined : "only Node and Bun lack it";

test(...skip("navigator.gpu is the package webgpu during calls, and is removed afterwards", lacks), async () => {
  const before = Object.getOwnPropertyDescriptor(globals, "navigator");
  const rest = Object.keys(Object.getPrototypeOf(globals.navigator ?? {}));
  const same = () => {
    assert.deepEqual(Object.getOwnPropertyDescriptor(globals, "navigator"), before);
    assert.ok(!globals.navigator || !("gpu" in globals.navigator));
  };
  const call = () => globals.navigator?.gpu;
  const gpu = {};
  let loads = 0;
  const withWebGpu = webGpuFrom(() =>
    ++loads === 1 ? Promise.reject(new Error("libstdc++ is too old\nand more")) : Promise.resolve({ create: () => gpu })
  );
  await assert.rejects(withWebGpu(call), /cannot load the package "webgpu": libstdc\+\+ is too old$/);
  same();
  assert.equal(await withWebGpu(call), gpu, "a failed attempt is retried");
  same();
  await assert.rejects(withWebGpu(() => Promise.reject(new Error("no adapter"))), /no adapter/);
  same();
  await withWebGpu(() => assert.deepEqual(Object.keys(Object.getPrototypeOf(globals.navigator)), rest));

  let endFirst = () => {};
  const first = withWebGpu(() => new Promise<void>((done) => (endFirst = done)).then(call));
  let endSecond = () => {};
  const second = withWebGpu(() => new Promise<void>((done) => (endSecond = done)).then(call));
  await withWebGpu(() => {});
  endFirst();
  assert.equal(await first, gpu);
  endSecond();
  assert.equal(await second, gpu, "a call that ends does not affect one in progress");
  same();
  assert.equal(loads, 2);
});

test("threads work everywhere except on pages that are not isolated", () => {
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated;
  assert.equal(threadsWork(), here === "browser" ? isolated : true);
});

test("a missing device says what it needs", async () => {
  for (const { name, available, reason } of await availableDevices()) {
    if (available) continue;
    const { runsIn, needs } = backendNamed(name);
    if (runsIn.includes(here)) assert.ok(reason!.endsWith(needs(here)!), reason);
    else assert.match(reason!, new RegExp(`runs only in .*, and this is ${here}`));
  }
});
