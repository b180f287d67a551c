/** Values that stay on the device that computed them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Residents } from "../../core/residents.ts";
import { type DeviceArray, Value } from "../../core/value.ts";
import { type MemoryContext, reuseBuffers } from "../../core/backends/webgpu_buffers.ts";
import { add, compile, mul, realize, reshape, sum, type Tensor, tensor, useDevice } from "../../mod.ts";
import { wasm } from "../../core/backends/wasm.ts";
import { openWasm } from "../../core/backends/wasm/driver.ts";
import { Memory } from "../../core/backends/wasm/memory.ts";
import { Device } from "../../core/device.ts";
import { nextTurn, runtime } from "../../core/runtime.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { garbageCollector } from "../support/garbage.ts";
import { gpuJs, takeAway } from "../support/gpujs.ts";
import { checkProperty } from "../support/property.ts";

/** Counts the arrays that go to the GPU and come back during a call. */
async function copiesIn(call: () => Promise<unknown>): Promise<{ sent: number; read: number }> {
  const { device } = await (await gpuJs()).WebGPUContext.acquire();
  const { createCommandEncoder, queue } = device;
  const { writeBuffer } = queue;
  const copies = { sent: 0, read: 0 };
  queue.writeBuffer = function (...args) {
    // The uniforms of kernels are smaller.
    if (args[2].byteLength >= 256) copies.sent++;
    return writeBuffer.apply(this, args);
  };
  device.createCommandEncoder = function () {
    const encoder = createCommandEncoder.call(this);
    const copy = encoder.copyBufferToBuffer;
    encoder.copyBufferToBuffer = function (...args) {
      copies.read++;
      return copy.apply(this, args);
    };
    return encoder;
  };
  try {
    await call();
  } finally {
    Object.assign(device, { createCommandEncoder });
    Object.assign(queue, { writeBuffer });
  }
  return copies;
}

const numbers = Array.from({ length: 64 }, (_, i) => i - 20);
const times = (factor: number) => numbers.map((x) => x * factor);

const pick = fc.nat({ max: 1000 });
const two = (kind: "add" | "realize" | "read" | "compile" | "dispose") =>
  fc.record({ kind: fc.constant(kind), a: pick, b: pick });
const one = (kind: "fold" | "into" | "large" | "budget" | "lose") => fc.record({ kind: fc.constant(kind), a: pick });

/** A sequence of operations on values. */
const orders = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: two("add") },
    { weight: 2, arbitrary: one("fold") },
    { weight: 3, arbitrary: two("realize") },
    { weight: 3, arbitrary: two("read") },
    { weight: 2, arbitrary: one("into") },
    { weight: 3, arbitrary: two("dispose") },
    { weight: 2, arbitrary: two("compile") },
    { weight: 2, arbitrary: one("large") },
    { weight: 1, arbitrary: one("budget") },
    { weight: 1, arbitrary: one("lose") },
  ),
  { minLength: 5, maxLength: 40 },
);

/** A tensor with what it should be. */
interface Known {
  readonly t: Tensor;
  readonly right: number[];
  /** Whether it can be computed again. */
  readonly lasts: boolean;
}

/** The call that finds the device lost rejects; the next one is right. */
function surely<T>(call: () => Promise<T>): Promise<T> {
  return call().catch((error: Error) => error.name === "DeviceLostError" ? call() : Promise.reject(error));
}

/** Takes the steps with tensors of 64 elements and compares all that is read. `lose` also drops the oldest tensor that can go. */
async function inOrder(
  steps: typeof orders extends fc.Arbitrary<infer S> ? S : never,
  device: Device,
  lose: () => Promise<void>,
): Promise<void> {
  const pool: Known[] = [1, 2].map((factor) => ({ t: tensor(times(factor)), right: times(factor), lasts: false }));
  /** One of the newest. */
  const at = (i: number) => pool[pool.length - 1 - i % Math.min(pool.length, 6)];
  const check = async ({ t, right }: Known) => assert.deepEqual(await t.toArray({ device }), right);
  const into = new Float32Array(64);
  const added = compile((x: Tensor, y: Tensor) => [add(x, y), x] as const, { device });
  for (const step of steps) {
    const a = at(step.a), b = "b" in step ? at(step.b) : a;
    const right = a.right.map((x, i) => x + b.right[i]);
    const small = right.every((x) => Math.abs(x) < 2 ** 20);
    if (step.kind === "add") {
      if (small) pool.push({ t: add(a.t, b.t), right, lasts: true });
    } else if (step.kind === "compile") {
      if (!small) continue;
      const [t, same] = await surely(() => added(a.t, b.t));
      pool.push({ t, right, lasts: false }, { t: same, right: a.right, lasts: false });
    } else if (step.kind === "fold") {
      pool.push({ t: reshape(reshape(a.t, [8, 8]), [64]), right: a.right, lasts: true });
    } else if (step.kind === "realize") await surely(() => realize([a.t, b.t], { device }));
    else if (step.kind === "read") await surely(() => Promise.all([check(a), check(b)]));
    else if (step.kind === "large") {
      // Others make room for it.
      const factor = step.a % 5, x = mul(tensor(new Float32Array(4096).fill(3)), factor);
      assert.ok((await surely(() => x.data({ device, copy: false }))).every((v) => v === 3 * factor));
    } else if (step.kind === "into") {
      await surely(() => a.t.data({ device, into }));
      assert.deepEqual([...into], a.right);
    } else if (step.kind === "dispose") {
      // While others wait for their turn, perhaps with it. It is computed again, unless it cannot be.
      const waiting = surely(() =>
        Promise.all([realize([b.t], { device }), realize([sum(add(a.t, b.t))], { device })])
      );
      for (let i = 0; i < step.a % 16; i++) await null;
      if (a.lasts) a.t.dispose();
      await waiting;
    } else if (step.kind === "budget") device.valueBytes = (step.a % 4) * 256;
    else {
      if (pool.length > 8) pool.splice(2, 1);
      await lose();
    }
  }
  for (const each of pool) await surely(() => check(each));
}

for (const { device, available, on, extent } of await devicesUnderTest()) {
  if (device !== "webgpu") continue;
  const used: Device | null = available ? await useDevice(device) : null;
  await useDevice("auto");

  test(...on("nothing is copied but leaves, once, and what is read, once"), async () => {
    const x = tensor(numbers);
    const y = mul(x, 2);
    // Kernels and their constants are made first.
    await realize([y, add(mul(tensor(numbers), 2), tensor(numbers))], { device });
    const z = tensor(numbers), twice = mul(z, 2);
    assert.deepEqual(await copiesIn(() => realize([twice], { device })), { sent: 1, read: 0 });
    assert.equal(twice.value, null, "it is on the device alone");
    const both = add(twice, z);
    assert.deepEqual(await copiesIn(() => realize([both], { device })), { sent: 0, read: 0 });
    assert.deepEqual(await copiesIn(async () => assert.deepEqual(await both.toArray({ device }), times(3))), {
      sent: 0,
      read: 1,
    });
    assert.deepEqual(await copiesIn(async () => assert.deepEqual(await both.toArray({ device }), times(3))), {
      sent: 0,
      read: 0,
    });
  });

  test(...on("arrays of all sizes are sent and read as they are, again and again"), async () => {
    // Around the size from which they go through buffers that stay mapped, in an order in which larger ones are used for smaller ones.
    const sizes = [1, 2 ** 16 - 1, 2 ** 16, 2 ** 16 + 1, 200_000, 2 ** 16 + 2, 120_000, 1, 200_000];
    for (let time = 0; time < 3; time++) {
      const arrays = sizes.map((size) => Float32Array.from({ length: size }, (_, i) => (i * 7 + size + time) % 1021));
      const results = arrays.map((array) => mul(tensor(array), 2));
      await realize(results, { device });
      for (const [k, result] of results.entries()) {
        const values = await result.data({ device });
        assert.equal(values.length, sizes[k]);
        assert.ok(values.every((x, i) => x === 2 * arrays[k][i]), `[${sizes[k]}], time ${time}`);
      }
    }
  });

  test(...on("a new tensor over the same array is another leaf"), async () => {
    const array = Float32Array.from(numbers);
    assert.deepEqual(await mul(tensor(array, [64], { copy: false }), 2).toArray({ device }), times(2));
    array.forEach((x, i) => (array[i] = 3 * x));
    assert.deepEqual(await mul(tensor(array, [64], { copy: false }), 2).toArray({ device }), times(6));
  });

  test(...on("an array is read in each shape that shares it"), async () => {
    const x = mul(tensor(numbers), 2);
    await realize([x], { device });
    for (const shape of [[8, 8], [2, 4, 8], [64, 1], [1, 64], [4, 2, 2, 4]]) {
      const seen = reshape(x, shape);
      await realize([seen], { device });
      const each = await sum(mul(seen, 1), [shape.length - 1]).data({ device });
      const wide = shape.at(-1)!;
      const right = Array.from(each, (_, i) => times(2).slice(i * wide, (i + 1) * wide).reduce((a, b) => a + b, 0));
      assert.deepEqual([...each], right, `[${shape}]`);
    }
  });

  test(...on("values beyond the budget move to the host, the least recently used first"), async () => {
    const { valueBytes } = used!;
    await used!.dispose();
    try {
      const [a, b, c] = [2, 3, 4].map((factor) => mul(tensor(numbers), factor));
      await realize([a], { device });
      await realize([b], { device });
      used!.valueBytes = 4 * 64;
      await realize([c], { device });
      assert.deepEqual([a.value?.length, b.value?.length, c.value], [64, 64, null]);
      assert.ok(used!.holds.bytes <= 4 * 64);
      const all = await Promise.all([a, b, c].map((t) => add(t, t).toArray({ device })));
      assert.deepEqual(all, [4, 6, 8].map(times));
      used!.valueBytes = 0;
      assert.deepEqual(await mul(c, 2).toArray({ device }), times(8));
      assert.equal(used!.holds.bytes, 0);
    } finally {
      used!.valueBytes = valueBytes;
    }
  });

  const collect = garbageCollector();
  if (collect) {
    test(...on("memory of values that the program dropped is freed"), async () => {
      const before = used!.holds.bytes;
      for (let i = 0; i < 4; i++) await realize([mul(tensor(new Float32Array(4096)), i)], { device });
      assert.ok(used!.holds.bytes >= before + 4 * 4 * 4096, "they are held");
      for (let i = 0; i < 10 && used!.holds.bytes > before + 4 * 4096; i++) await collect();
      assert.ok(used!.holds.bytes <= before + 4 * 4096, `${used!.holds.bytes} bytes, ${before} before`);
    });
  }

  // Other collectors may take their time.
  const why = runtime() === "node" ? undefined : "under Node: collectors differ";
  test(...on("values that a loop drops are freed before others would move to the host", why), async () => {
    const { valueBytes } = used!;
    await used!.dispose();
    try {
      used!.valueBytes = 160e6;
      const x = tensor(Float32Array.from({ length: 1 << 20 }, (_, i) => i));
      await realize([mul(x, -1)], { device });
      const { read } = await copiesIn(async () => {
        for (let i = 0; i < 80; i++) await realize([mul(x, i)], { device });
      });
      assert.equal(read, 0);
    } finally {
      used!.valueBytes = valueBytes;
      await used!.dispose();
    }
  });

  test(...on("what was only on a lost device is computed again, state of a long loop included"), async () => {
    const x = tensor(numbers);
    let state = mul(x, 1);
    const kept: Tensor[] = [];
    for (let step = 0; step < 12; step++) {
      state = add(state, x);
      await realize([state], { device });
      if (step % 4 === 0) kept.push(state);
    }
    const tripled = await compile((t: Tensor) => mul(t, 3), { device })(state);
    await takeAway(device, []);
    await assert.rejects(mul(state, 2).data({ device }), /DeviceLostError/);
    assert.deepEqual(await state.toArray({ device }), times(13));
    assert.deepEqual(await Promise.all(kept.map((t) => t.toArray({ device }))), [2, 6, 10].map(times));
    assert.deepEqual(await add(tripled, state).toArray({ device }), times(52));
  });

  test(...on("a value that is lost while it is read rejects, and is there at the next call"), async () => {
    const y = mul(tensor(numbers), 2);
    await realize([y], { device });
    await takeAway(device, []);
    await assert.rejects(y.data({ device }), /DeviceLostError/);
    assert.deepEqual(await y.toArray({ device }), times(2));
  });

  test(...on("in any order of computing, reading, moving, disposing and losing, values are right"), async () => {
    const { valueBytes } = used!;
    try {
      await checkProperty(orders, (steps) =>
        inOrder(steps, used!, async () => {
          // Only a device that works can be lost.
          await surely(() => mul(tensor(numbers), 2).data({ device }));
          await takeAway(device, []);
        }), { runs: 200, extent });
    } finally {
      used!.valueBytes = valueBytes;
    }
  });
}

test("in any order of computing, reading, moving, disposing and dropping, values are right [wasm]", async () => {
  const collect = garbageCollector();
  Memory.poisons = true;
  try {
    await checkProperty(orders, async (steps) => {
      const device = new Device(wasm, openWasm(1));
      // A collection takes longer than all steps of an order.
      const drop = collect && steps.length % 16 === 0 ? collect : nextTurn;
      try {
        await inOrder(steps, device, drop);
      } finally {
        await device.dispose();
      }
    }, { runs: 25 });
  } finally {
    Memory.poisons = false;
  }
});

/** An array of a device that needs no GPU. */
class FakeArray implements DeviceArray {
  readonly device = "fake";
  readonly bytes: number;
  lives = true;
  reads = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  read(): Promise<Float32Array> {
    this.reads++;
    return this.lives ? Promise.resolve(new Float32Array(this.bytes / 4)) : Promise.reject(new Error("lost"));
  }

  free(): void {
    this.lives = false;
  }
}

test("a value is read once, and a failed read can be repeated", async () => {
  const array = new FakeArray(8);
  const value = new Value(null, array);
  const [one, other] = await Promise.all([value.read(), value.read()]);
  assert.equal(one, other);
  assert.equal(array.reads, 1);
  const lost = new FakeArray(8);
  const failing = new Value(null, lost);
  lost.lives = false;
  assert.equal(failing.isLost, true);
  await assert.rejects(failing.read(), /lost/);
  await assert.rejects(failing.read(), /lost/);
  assert.equal(lost.reads, 2);
});

test("the least recently used values go first, and no more than have to", async () => {
  const residents = new Residents();
  const values = [1, 2, 3, 4].map(() => new Value(null, new FakeArray(100)));
  for (const value of [...values, values[0]]) residents.touch(value.arrayOn("fake")!, value);
  assert.equal(residents.bytes, 400);
  await residents.trim(250);
  assert.deepEqual(values.map((value) => value.host !== null), [false, true, true, false]);
  assert.equal(residents.bytes, 200);
  await residents.trim(0);
  assert.deepEqual([residents.bytes, residents.count], [0, 0]);
});

test("buffers that were destroyed are given out again, each to one owner, and only for the same size and usage", async () => {
  const [OUTPUT, SENT] = [0x84, 0x8c];
  const step = { destroy: fc.boolean(), pick: fc.nat({ max: 99 }), size: fc.integer({ min: 1, max: 3 }) };
  await checkProperty(
    fc.tuple(fc.constantFrom(OUTPUT, SENT), fc.array(fc.record(step))),
    ([usage, steps]) => {
      let made = 0, gone = 0;
      const device = {
        createBuffer: (
          { size, usage }: { size: number; usage: number },
        ) => (made++, { size, usage, destroy: () => gone++ }),
      } as unknown as MemoryContext["device"];
      reuseBuffers(device);
      reuseBuffers(device);
      const owned: { size: number; destroy(): void }[] = [];
      /** The most buffers of each size that had an owner at once. */
      const most = [0, 0, 0, 0];
      for (const { destroy, pick, size } of steps) {
        if (destroy && owned.length > 0) {
          const [buffer] = owned.splice(pick % owned.length, 1);
          buffer.destroy();
          buffer.destroy();
          continue;
        }
        const buffer = device.createBuffer({ size: 1024 * size, usage });
        assert.equal(buffer.size, 1024 * size);
        assert.ok(!owned.includes(buffer), "it has an owner");
        owned.push(buffer);
        most[size] = Math.max(most[size], owned.filter((other) => other.size === buffer.size).length);
      }
      assert.ok(made <= most[1] + most[2] + most[3], `${made} were made`);
      const before = made;
      for (const other of [0x88, usage === SENT ? OUTPUT : SENT]) device.createBuffer({ size: 1024, usage: other });
      assert.equal(made, before + 2, "another usage");
      assert.equal(gone, 0, "all fit into what is kept");
    },
  );
});
