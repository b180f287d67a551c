/**
 * Lost devices, dying workers, failed allocations, kernels that do not compile: the error says so, and the next call is
 * correct.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device } from "../../core/device.ts";
import { build } from "../../core/expression.ts";
import { runtime, threadsWork } from "../../core/runtime.ts";
import { DeviceLostError, exp, mul, realize, sum, tensor, useDevice } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { type AnyWorker, catchContexts, gpuJs, takeAway, watchWorkers } from "../support/gpujs.ts";

const contexts = await catchContexts();
const workers: AnyWorker[] = [];
watchWorkers((worker) => workers.push(worker));
const devices = await devicesUnderTest();

/**
 * How a worker can end: by throwing on a message that it cannot handle, or by termination, which only Node and Deno
 * report.
 */
const deaths: [string, (worker: AnyWorker) => void][] = [
  ["throws", (worker) => worker.postMessage({ type: "run", id: "no such entry" })],
];
if (runtime() === "node" || runtime() === "deno") deaths.push(["is terminated", (worker) => void worker.terminate()]);

/** Enough elements that threads share the work. */
const SIZE = 1 << 16;

/** The same structure each time, so that it reuses the plan that the fault has hit. */
async function compute(device: string | Device, factor: number, size = SIZE): Promise<void> {
  const numbers = new Float32Array(size);
  for (let i = 0; i < size; i++) numbers[i] = i % 5;
  const y = mul(tensor(numbers), tensor(factor));
  await bring([y], { device });
  const values = y.value!;
  for (let i = 0; i < size; i++) if (values[i] !== (i % 5) * factor) assert.fail(`element ${i} is ${values[i]}`);
}

/** Makes the device's next allocations fail; returns a function that undoes it. */
async function refuseMemory(device: string): Promise<() => void> {
  if (device === "webasm") {
    const { Memory } = WebAssembly;
    WebAssembly.Memory = class {
      constructor() {
        throw new RangeError("WebAssembly.Memory(): could not allocate memory");
      }
    } as unknown as typeof Memory;
    return () => (WebAssembly.Memory = Memory);
  }
  if (device === "wasm") {
    const { prototype } = WebAssembly.Memory;
    const { grow } = prototype;
    prototype.grow = () => {
      throw new RangeError("WebAssembly.Memory.grow(): Unable to grow instance memory");
    };
    return () => (prototype.grow = grow);
  }
  if (device === "webgpu") {
    const { device: gpu } = await (await gpuJs()).WebGPUContext.acquire();
    const create = gpu.createBuffer.bind(gpu);
    gpu.createBuffer = (descriptor) =>
      create(descriptor.mappedAtCreation ? descriptor : { ...descriptor, size: gpu.limits.maxBufferSize + 16 });
    return () => (gpu.createBuffer = create);
  }
  const context = contexts.at(-1)!;
  const upload = context.texImage2D;
  context.texImage2D = (...[target, level, format, , , ...rest]) =>
    upload.call(context, target, level, format, 1 << 20, 1 << 20, ...rest);
  return () => (context.texImage2D = upload);
}

// On each device, since drivers differ in what they lose.
for (const { device, onEach: on, gpu } of devices) {
  if (gpu) {
    test(...on("a device lost between calls rejects, and the next call restarts it"), async () => {
      const used = await useDevice(device);
      await used.dispose();
      await compute(device, 2);
      const before = exp(tensor([0, 1]));
      await realize([before]);
      const read = await exp(tensor([1, 2])).data();
      await takeAway(device, contexts);
      await assert.rejects(compute(device, 3), (error: Error) => {
        assert.ok(error instanceof DeviceLostError, String(error.stack));
        assert.match(error.message, new RegExp(`^${device}: the (device|context) was lost`));
        return true;
      });
      assert.deepEqual(read.slice(0, 1), (await before.data()).slice(1), "computed before the loss, or again");
      await compute(device, 3);
      await compute(device, 4);
    });

    test(...on("calls in flight when a device is lost reject or are correct, and later ones are correct"), async () => {
      await compute(device, 2);
      const calls = [3, 4, 5].map((factor) => compute(device, factor).then(() => null, (error: unknown) => error));
      await takeAway(device, contexts);
      for (const error of await Promise.all(calls)) {
        if (error !== null) assert.ok(error instanceof DeviceLostError, String((error as Error).stack));
      }
      await compute(device, 6).catch((error) => assert.ok(error instanceof DeviceLostError, String(error.stack)));
      await Promise.all([7, 8, 9].map((factor) => compute(device, factor)));
    });
  }

  test(...on("a kernel that does not compile rejects and names the device"), async () => {
    const used = await useDevice(device);
    const bad = {
      leaves: [],
      results: [{ from: "step" as const, index: 0 }],
      steps: [{
        name: "bad",
        shape: [4],
        args: [],
        form: { extent: [4], threads: [], body: [], result: build.call("noSuchName") },
        kernel: {
          parameters: [],
          lines: [],
          result: "noSuchName + 1.0",
          extent: [4],
          iterations: 0,
          tables: [],
          opaque: [],
        },
      }],
    };
    await assert.rejects(used.run({ key: "bad", plan: () => bad }, []), (error: Error) => {
      assert.match(error.message, /noSuchName/);
      if (device !== "float64") assert.ok(error.message.startsWith(device), error.message);
      return true;
    });
    await compute(device, 2);
  });

  test(...on("concurrent calls each get their own results"), async () => {
    await Promise.all(Array.from({ length: 12 }, (_, i) => compute(device, i + 1)));
    const sums = await Promise.all(
      Array.from({ length: 12 }, (_, i) => sum(mul(tensor([1, 2, 3]), i)).item({ device })),
    );
    assert.deepEqual(sums, sums.map((_, i) => 6 * i));
  });

  if (device === "float64" || device === "cpu") continue;
  test(...on("a failed allocation rejects, and the next call is correct"), async () => {
    // The memory of wasm only grows: what fits into it is never refused.
    const size = device === "wasm" ? 32 * SIZE : SIZE / 2;
    await compute(device, 2);
    const restore = await refuseMemory(device);
    try {
      await assert.rejects(compute(device, 2, size), (error: Error) => {
        assert.ok(error.message.startsWith(device), String(error.stack));
        assert.match(error.message, /memory|refused/);
        return true;
      });
    } finally {
      restore();
    }
    await compute(device, 3, size);
    await compute(device, 3);
  });

  if (device !== "webasm" || !threadsWork()) continue;
  test(...on("plans share worker threads, also once one of them is freed"), async () => {
    const used = await useDevice(device);
    const { cachePlans } = used;
    await used.dispose();
    workers.length = 0;
    try {
      await compute(device, 2);
      assert.equal(used.executor, "fused-threaded");
      const started = workers.length;
      assert.ok(started > 0, "no worker was seen");
      await compute(device, 2, SIZE / 2);
      used.cachePlans = 1;
      await Promise.all([SIZE / 2, SIZE / 4, SIZE].map((size) => compute(device, 3, size)));
      assert.equal(used.cached.plans, 1);
      await compute(device, 4);
      assert.equal(workers.length, started);
    } finally {
      used.cachePlans = cachePlans;
    }
  });

  for (const [how, kill] of deaths) {
    test(...on(`a worker that ${how} rejects the call, and the next one is correct`), async () => {
      const used = await useDevice(device);
      await used.dispose();
      workers.length = 0;
      await compute(device, 2);
      assert.equal(used.executor, "fused-threaded");
      assert.ok(workers.length > 0, "no worker was seen");
      const call = compute(device, 3);
      kill(workers.at(-1)!);
      await assert.rejects(call, /^Error: webasm \(WebAssembly\) failed/);
      await compute(device, 4);
    });
  }
}

test("two devices in one program do not interfere", async () => {
  const names = devices.filter(({ available }) => available).map(({ device }) => device);
  assert.ok(names.length >= 3, names.join());
  await Promise.all(
    names.flatMap((device) => [2, 3, 4].map((factor) => compute(device, factor))),
  );
});
