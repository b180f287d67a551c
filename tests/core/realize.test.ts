import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import {
  add,
  arange,
  availableDevices,
  compile,
  div,
  exp,
  full,
  grad,
  greater,
  log,
  max,
  mul,
  pow,
  realize,
  reshape,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  useDevice,
  where,
  zeros,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { isSampled, sampleOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { countKernels } from "../support/gpujs.ts";
import { checkProperty } from "../support/property.ts";

const devices = await devicesUnderTest();

/** The loss of a small fit, including its gradients. */
function fit(xs: readonly number[], ys: readonly number[]): Tensor[] {
  const [x, y] = [tensor([...xs]), tensor([...ys])];
  const w = tensor([0.5, -1]);
  const error = sub(add(mul(x, slice(w, [[0, 1]])), slice(w, [[1, 2]])), y);
  const loss = sum(square(error));
  return [loss, grad(loss, w)];
}

/** Sums and differences of earlier arrays, by their numbers; arrays have one element or three. */
type Steps = readonly (readonly [isSum: boolean, a: number, b: number])[];
const step = fc.tuple(fc.boolean(), fc.nat(), fc.nat());
const drawnSteps: fc.Arbitrary<Steps> = fc.array(step, { minLength: 4, maxLength: 24 });

/** The steps, all of them outputs, computed by any kind of sum and difference. */
function arraysOf<T>(steps: Steps, leaves: readonly T[], compute: (isSum: boolean, a: T, b: T) => T): T[] {
  const arrays = [...leaves];
  for (const [isSum, a, b] of steps) {
    arrays.push(compute(isSum, arrays[a % arrays.length], arrays[b % arrays.length]));
  }
  return arrays.slice(leaves.length);
}

for (const { device: name, on, extent } of devices) {
  test(...on("steps that compute the same of other arrays do not mix them up"), async () => {
    await checkProperty(drawnSteps, async (steps) => {
      for (const scale of [1, 10]) {
        const leaves = [[1, 2, 3], [4], [5, 7, 11]].map((values) => values.map((x) => x * scale));
        const outputs = arraysOf<Tensor>(
          steps,
          leaves.map((x) => tensor(x)),
          (isSum, a, b) => (isSum ? add : sub)(a, b),
        );
        const expected = arraysOf(
          steps,
          leaves,
          (isSum, a, b) =>
            Array.from({ length: Math.max(a.length, b.length) }, (_, i) => {
              const [x, y] = [a[i % a.length], b[i % b.length]];
              return Math.fround(isSum ? x + y : x - y);
            }),
        );
        await bring(outputs, { device: name });
        assert.deepEqual(outputs.map((y) => [...y.value!]), expected);
      }
    }, { runs: 20, extent });
  });

  if (name !== "float64") {
    test(...on("steps that compute the same are compiled once"), async () => {
      const chain = (n: number): Tensor[] => {
        const outputs = [add(tensor([1, 2, 3]), n)];
        for (let i = 1; i < n; i++) outputs.push(mul(outputs[i - 1], 2));
        return outputs;
      };
      const few = await countKernels(() => realize(chain(4), { device: name }));
      const many = await countKernels(() => realize(chain(20), { device: name }));
      // gpu.js has two kernels for each that it is given. Where steps run one by one, it has another one for each array that is kept.
      assert.ok(many - few <= 16, `${few} kernels for 4 steps, ${many} for 20`);
    });
  }

  test(...on("elements are read into an array of the program, by each dtype"), async () => {
    await useDevice(name);
    const x = tensor([1, -2, 3]);
    const [float, int, bool] = [mul(x, 0.5), mul(tensor(new Int32Array([1, 2, 3])), 3), greater(x, 0)];
    for (const into of [new Float32Array(3), new Float64Array(3)]) {
      assert.equal(await float.data({ into }), into);
      assert.deepEqual([...into], [0.5, -1, 1.5]);
    }
    const ints = new Int32Array(3), bools = new Uint8Array(3);
    assert.equal(await int.data({ into: ints }), ints);
    assert.equal(await bool.data({ into: bools }), bools);
    assert.deepEqual([[...ints], [...bools]], [[3, 6, 9], [1, 0, 1]]);
    // A part of a buffer, and an array that the tensor knows nothing of afterwards.
    const buffer = new Float32Array(5).fill(7);
    await float.data({ into: buffer.subarray(1, 4) });
    assert.deepEqual([...buffer], [7, 0.5, -1, 1.5, 7]);
    buffer.fill(0);
    assert.deepEqual([...await float.data()], [0.5, -1, 1.5]);
    assert.deepEqual([...await tensor([4, 5]).data({ into: new Float32Array(2) })], [4, 5], "a leaf");
    assert.equal((await sum(tensor([], [0, 2]), 1).data({ into: new Float32Array(0) })).length, 0);
  });

  test(...on("what is disposed of is computed again if it is needed, and refused if it cannot be"), async () => {
    const device = await useDevice(name);
    const x = tensor([1, 2]);
    const y = square(x), z = reshape(y, [2, 1]);
    await realize([y, z]);
    y.dispose();
    assert.deepEqual(await z.toArray(), [[1], [4]], "it shares the elements");
    assert.deepEqual(await y.toArray(), [1, 4]);
    y.dispose();
    y.dispose();
    assert.deepEqual([...await grad(sum(square(y)), x).data()], [4, 32]);
    const tripled = compile((t: Tensor) => mul(add(t, y), 3), { device });
    const result = await tripled(x);
    y.dispose();
    assert.deepEqual(await (await tripled(x)).toArray(), [6, 18], "a function that captured it");
    result.dispose();
    const gone = /^Error: dispose: a tensor of shape \[2\], made by "leaf", was disposed of.* cannot be computed again/;
    await assert.rejects(result.data(), gone);
    await assert.rejects(mul(result, 2).data(), gone);
    x.dispose();
    assert.deepEqual(await z.toArray(), [[1], [4]], "what was computed keeps its value");
    await assert.rejects(mul(y, x).data(), gone);
    await assert.rejects(tripled(x), gone);
  });

  test(...on("the same structure with other values compiles nothing"), async () => {
    const device = await useDevice(name);
    await realize(fit([1, 2, 3], [1, 1, 1]));
    const { compiled } = device;
    const [loss, dw] = fit([4, 5, 6], [2, 0, 1]);
    await realize([loss, dw]);
    assert.equal(device.compiled, compiled);
    // The errors are -1, 1.5 and 1.
    assert.equal(await loss.item(), 1 + 2.25 + 1);
    assert.deepEqual([...await dw.data()], [2 * (-4 + 7.5 + 6), 2 * 1.5]);
  });

  test(...on("a new structure is compiled: shape, dtype, attributes, constants and topology count"), async () => {
    const device = await useDevice(name);
    const [a, b] = [tensor([1, 2, 3, 4]), tensor([5, 6, 7, 8])];
    const i = tensor(new Int32Array([1, 2, 3, 4]));
    const all: (() => Tensor)[] = [
      () => add(a, b),
      () => add(a, a),
      () => sub(a, b),
      () => sub(mul(a, 1), b),
      () => sub(b, mul(a, 1)),
      () => add(reshape(a, [2, 2]), reshape(b, [2, 2])),
      () => add(a, 1.5),
      () => add(a, 2.5),
      () => add(a, tensor(2.5)),
      () => sum(add(a, 1.5)),
      () => add(i, i),
      () => slice(add(a, b), [[0, 2]]),
      () => slice(add(a, b), [[1, 3]]),
      () => slice(add(a, b), [[0, 4, 2]]),
      () => div(1, full([1], 0)),
      () => div(1, full([1], -0)),
    ];
    // Which structures are new is decided before the device sees them; each device has zeros of its own.
    const structures = [...sampleOf(extent, all.slice(0, -2)), ...all.slice(-2)];
    const results = new Map<number, number[]>();
    for (const [n, build] of structures.entries()) {
      const before = device.compiled;
      const y = build();
      await bring([y]);
      results.set(n, [...y.value!]);
      assert.equal(device.compiled, before + 1, `structure ${n} of ${String(build)}`);
    }
    for (const [n, build] of structures.entries()) {
      const before = device.compiled;
      const y = build();
      await bring([y]);
      assert.equal(device.compiled, before, `structure ${n} again`);
      assert.deepEqual([...y.value!], results.get(n));
    }
    assert.deepEqual(results.get(structures.length - 2), [Infinity]);
    assert.deepEqual(results.get(structures.length - 1), [-Infinity]);
  });

  test(...on("the order in which tensors are asked for is no part of the structure"), async () => {
    const device = await useDevice(name);
    await device.dispose();
    const x = tensor([1, 2]);
    const { compiled } = device;
    const once = (swap: boolean) => {
      const [a, b] = [add(x, 1), mul(x, 10)];
      return swap ? [b, a] : [a, b];
    };
    for (const swap of [false, true, false]) {
      const outputs = once(swap);
      await bring(outputs, { device });
      const values = outputs.map((t) => [...t.value!]);
      assert.deepEqual(values, swap ? [[10, 20], [2, 3]] : [[2, 3], [10, 20]]);
    }
    assert.equal(device.compiled, compiled + 1);
  });

  test(...on("two ops with the same name are two structures"), async () => {
    const made = (name: string): Op => ({
      name: "twin",
      infer: ([t]) => ({ shape: t.shape, dtype: "float" }),
      kernel: { kind: "elementwise", cost: 1, expression: ([t], _, { call, literal }) => call(name, t, literal(1)) },
      vjp: null,
    });
    const [up, down] = [made("add"), made("sub")];
    const [a, b] = [record(up, [tensor([1, 2])]), record(down, [tensor([1, 2])])];
    await bring([a], { device: name });
    await bring([b], { device: name });
    assert.deepEqual([...a.value!, ...b.value!], [2, 3, 0, 1]);
  });

  test(...on("the plan cache is bounded"), async () => {
    const device = await useDevice(name);
    await device.dispose();
    const { cachePlans, cacheBytes } = device;
    try {
      device.cachePlans = 3;
      const most = 6;
      for (let n = 1; n <= most; n++) {
        assert.equal(await sum(exp(zeros([n]))).item(), n);
        assert.ok(device.cached.plans <= 3, `${device.cached.plans} plans`);
      }
      // The most recently used stays, the first is gone.
      const before = device.compiled;
      assert.equal(await sum(exp(zeros([most]))).item(), most);
      assert.equal(device.compiled, before);
      assert.equal(await sum(exp(zeros([1]))).item(), 1);
      assert.equal(device.compiled, before + 1);
      device.cacheBytes = 1;
      assert.equal(await sum(exp(zeros([11]))).item(), 11);
      assert.equal(device.cached.plans, 1);
    } finally {
      Object.assign(device, { cachePlans, cacheBytes });
    }
  });

  test(...on("a plan in use stays in the cache, the least recently used is evicted"), async () => {
    const device = await useDevice(name);
    await device.dispose();
    const { cachePlans } = device;
    try {
      device.cachePlans = 2;
      const use = (n: number) => sum(exp(zeros([n]))).item();
      await use(1);
      await use(2);
      await use(1);
      await use(3); // evicts 2
      const before = device.compiled;
      await use(1);
      assert.equal(device.compiled, before);
      await use(2);
      assert.equal(device.compiled, before + 1);
    } finally {
      device.cachePlans = cachePlans;
    }
  });

  test(...on("a disposed device compiles again"), async () => {
    const device = await useDevice(name);
    const once = () => add(tensor([1, 2, 3]), tensor([1, 1, 1])).toArray();
    assert.deepEqual(await once(), [2, 3, 4]);
    await device.dispose();
    assert.deepEqual(device.cached, { plans: 0, bytes: 0 });
    assert.deepEqual(await once(), [2, 3, 4]);
  });

  test(...on("plans that stay compute on after others are dropped, in any order"), async () => {
    const device = await useDevice(name);
    await device.dispose();
    const { cachePlans } = device;
    const times = (n: number, k: number) => mul(tensor(Array.from({ length: n }, (_, i) => i + k)), 3).toArray();
    try {
      for (const order of [[2, 3], [3, 2], [2, 3, 4], [4, 3, 2]]) {
        device.cachePlans = order.length;
        for (const n of order) await times(n, 0);
        // The first one is used last, so the others, compiled after it, are dropped.
        const [first] = order;
        await times(first, 1);
        device.cachePlans = 1;
        for (const k of [7, 8, 9]) {
          assert.deepEqual(await times(first, k), Array.from({ length: first }, (_, i) => 3 * (i + k)), `${order}`);
          assert.equal(device.cached.plans, 1);
        }
      }
    } finally {
      device.cachePlans = cachePlans;
    }
  });

  test(...on("concurrent calls each return their own result"), async () => {
    const device = await useDevice(name);
    await device.dispose();
    const { cachePlans } = device;
    try {
      device.cachePlans = 2; // plans are evicted while others run
      const count = isSampled(extent) ? 12 : 40;
      const calls = Array.from({ length: count }, async (_, i) => {
        const n = 1 + (i % 4);
        const x = tensor(Array.from({ length: n }, () => i));
        const loss = sum(square(x));
        const dx = grad(loss, x);
        await bring([loss, dx], { device });
        assert.equal(loss.value![0], n * i * i);
        assert.deepEqual([...dx.value!], Array.from({ length: n }, () => 2 * i));
      });
      await Promise.all(calls);
    } finally {
      device.cachePlans = cachePlans;
    }
  });

  test(...on("concurrent calls of one compiled function do not mix their inputs"), async () => {
    await useDevice(name);
    const f = compile((x: Tensor, y: Tensor) => [add(x, y), mul(x, y)]);
    await Promise.all(Array.from({ length: 25 }, async (_, i) => {
      const [s, p] = await f(tensor([i, 1]), tensor([2, i]));
      assert.deepEqual([...await s.data(), ...await p.data()], [i + 2, 1 + i, 2 * i, i]);
    }));
  });

  test(...on("results do not change when the plan runs again"), async () => {
    const [first] = [fit([1, 2, 3], [1, 1, 1])];
    await bring(first, { device: name });
    const before = first.map((t) => [...t.value!]);
    await bring(fit([7, 8, 9], [3, 3, 3]), { device: name });
    assert.deepEqual(first.map((t) => [...t.value!]), before);
  });

  test(...on("tensors without elements"), async () => {
    await useDevice(name);
    const empty = tensor([], [0, 3]);
    assert.deepEqual(await add(exp(empty), 1).toArray(), []);
    assert.deepEqual(await sum(empty, 0).toArray(), [0, 0, 0]);
    assert.deepEqual(await sum(empty, 1).toArray(), []);
    assert.equal(await sum(empty).item(), 0);
    assert.deepEqual(await add(sum(empty, 0), tensor([1, 2, 3])).toArray(), [1, 2, 3]);
  });

  test(...on("realize accepts leaves, duplicates, and no tensors"), async () => {
    const x = tensor([1, 2]);
    const y = add(x, 1);
    await realize([], { device: name });
    await bring([x, y, y, x], { device: name });
    assert.deepEqual([...y.value!], [2, 3]);
  });

  test(...on("a compiled function follows the shapes and dtypes of its inputs"), async () => {
    const device = await useDevice(name);
    let recorded = 0;
    const f = compile((x: Tensor) => {
      recorded++;
      return sum(square(x));
    });
    assert.equal(await (await f(tensor([1, 2]))).item(), 5);
    const { compiled } = device;
    assert.equal(await (await f(tensor([3, 4]))).item(), 25);
    assert.equal(await (await f(exp(tensor([0, 0])))).item(), 2);
    // At the first call, and at the second to see whether it is still the same.
    assert.equal(recorded, 2);
    assert.equal(await (await f(tensor([1, 2, 3]))).item(), 14);
    assert.equal(await (await f(tensor(new Int32Array([1, 2])))).item(), 5);
    assert.equal(recorded, 4);
    assert.equal(device.compiled > compiled, true);
  });

  test(
    ...on("a compiled function returns what the function returns: one or more tensors, with shape and dtype"),
    async () => {
      await useDevice(name);
      const captured = tensor([10, 20]);
      const f = compile((x: Tensor) => [greater(x, 1), x, captured, add(x, captured), arange(2)]);
      const results = await f(tensor([1, 2]));
      assert.deepEqual(results.map((t) => t.dtype), ["bool", "float", "float", "float", "int"]);
      assert.deepEqual(await Promise.all(results.map((t) => t.toArray())), [[false, true], [1, 2], [10, 20], [11, 22], [
        0,
        1,
      ]]);
      for (const t of results) assert.equal(t.inputs.length, 0);
      // Results are leaves that further ops accept.
      assert.deepEqual(await mul(results[3], 2).toArray(), [22, 44]);
    },
  );

  test(...on("a compiled gradient of a gradient"), async () => {
    await useDevice(name);
    const f = compile((x: Tensor) => {
      const first = grad(sum(pow(x, 3)), x);
      return [first, grad(sum(first), x)];
    });
    for (const v of [1, 2]) {
      const [first, second] = await f(tensor([v]));
      assert.equal(await first.item(), 3 * v * v);
      assert.equal(await second.item(), 6 * v);
    }
  });

  test(...on("a device reports what it is"), async () => {
    const device = await useDevice(name);
    assert.equal(device.name, name);
    assert.equal(device.backend, name);
    await realize([add(tensor([1]), 1)]);
    assert.equal(typeof device.executor, "string");
    assert.equal(device.fallbackReason === null || typeof device.fallbackReason === "string", true);
    assert.match(String(device), new RegExp(name));
  });

  test(...on("a condition that is false, or true, for all elements"), async () => {
    await useDevice(name);
    const x = tensor([-1, 0, 4]);
    const y = where(greater(x, 0), log(x), 0);
    assert.deepEqual([...await y.data()].slice(0, 2), [0, 0]);
    assert.equal(await max(where(greater(x, 100), x, -1)).item(), -1);
  });
}

test("a value has the precision of the device that computed it, and each device computes its own [float64]", async () => {
  const third = div(tensor(1), 3);
  await realize([third], { device: "cpu" });
  assert.equal(await third.item({ device: "cpu" }), Math.fround(1 / 3));
  assert.equal(await third.item({ device: "float64" }), 1 / 3);
  // Tensors computed from it on the oracle do not see the float32 value.
  const again = div(tensor(1), 3);
  await realize([again], { device: "cpu" });
  assert.equal(await mul(again, 3).item({ device: "float64" }), 1);
});

test("useDevice makes a device the default and returns it", async () => {
  const first = await useDevice("float64");
  assert.equal(first.name, "float64");
  assert.equal(await useDevice("float64"), first);
  const y = div(tensor(1), 3);
  assert.equal(await y.item(), 1 / 3);
  await useDevice("cpu");
  assert.equal(await div(tensor(1), 3).item(), Math.fround(1 / 3));
  assert.equal(await div(tensor(1), 3).item({ device: first }), 1 / 3);
});

test("auto takes a working device, and reports why it passed over the others", async () => {
  const best = await useDevice("auto");
  const known = await availableDevices();
  assert.ok(known.find(({ name }) => name === best.name)!.available);
  assert.notEqual(best.name, "float64");
  const passed = new Map(best.passedOver.map(({ name, reason }) => [name, reason]));
  assert.deepEqual([...passed.keys(), best.name].sort(), known.map(({ name }) => name).sort());
  for (const { name, available, reason } of known) {
    if (name === best.name) continue;
    const why = passed.get(name)!;
    if (available) assert.match(why, /works/, name);
    // Backends after one that works are not tried.
    else if (!/^was not tried: ".*" works and comes first$/.test(why)) assert.equal(why, reason);
  }
  assert.equal((await useDevice("float64")).passedOver.length, 0);
});

test("an unknown device throws, listing the devices, and keeps the default", async () => {
  const before = await useDevice("float64");
  await assert.rejects(useDevice("abacus"), /useDevice: expected name to be "auto".*"float64".*got "abacus"/);
  assert.equal(await div(tensor(1), 3).item(), 1 / 3);
  await assert.rejects(realize([add(tensor(1), 1)], { device: "abacus" }), /abacus/);
  assert.equal(await useDevice("float64"), before);
});

test("availableDevices describes each device, or why it does not work", async () => {
  const known = await availableDevices();
  assert.deepEqual(known.map(({ name }) => name), [
    "webgpu",
    "webgl2",
    "webgl",
    "headlessgl",
    "wasm",
    "webasm",
    "cpu",
    "float64",
  ]);
  for (const { name, available, description, reason } of known) {
    assert.ok(available ? description && !reason : reason && !description, name);
    if (["wasm", "webasm", "cpu", "float64"].includes(name)) assert.ok(available, reason);
  }
});

test("compile refuses anything but tensors", async () => {
  const f = compile((x: Tensor) => exp(x));
  await assert.rejects(
    f(1 as unknown as Tensor),
    /compile: expected arguments\[0\] to be a tensor, or an array or object of tensors, got 1/,
  );
});
