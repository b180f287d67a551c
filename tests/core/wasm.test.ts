/** The backend `wasm`: its assembler, the same bits with any number of threads, its memory, and threads that do not start or end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { base } from "../../core/backends/functions.ts";
import { wasm } from "../../core/backends/wasm.ts";
import { openWasm } from "../../core/backends/wasm/driver.ts";
import { assemble } from "../../core/backends/wasm/assembler.ts";
import {
  Code,
  extract,
  f32,
  f32x4,
  f64,
  i32,
  load,
  loadLane,
  op,
  replace,
  select,
  shuffle,
  type Value,
} from "../../core/backends/wasm/code.ts";
import { Memory } from "../../core/backends/wasm/memory.ts";
import { fuses } from "../../core/backends/wasm/multiply_add.ts";
import { OPCODES, type Type } from "../../core/backends/wasm/opcodes.ts";
import { Operands } from "../../core/backends/wasm/operands.ts";
import { Scalars } from "../../core/backends/wasm/scalars.ts";
import { codeText } from "../../core/backends/wasm/text.ts";
import { WasmPlan } from "../../core/backends/wasm/plan.ts";
import { Team } from "../../core/backends/wasm/team.ts";
import { Device } from "../../core/device.ts";
import { Program } from "../../core/program.ts";
import { runtime, startThread, type Thread, threadsWork } from "../../core/runtime.ts";
import {
  add,
  argsort,
  div,
  exp,
  grad,
  log,
  matmul,
  mul,
  realize,
  reshape,
  scan,
  scatterAdd,
  softmax,
  sum,
  type Tensor,
  tensor,
  where,
  zeros,
} from "../../mod.ts";
import { checkProperty } from "../support/property.ts";

const MEMORY = { initial: 1, maximum: 2, shared: false };

function moduleOf(code: Code): Uint8Array<ArrayBuffer> {
  return assemble({ memory: MEMORY, imports: [], functions: [code] });
}

/** Runs a function of a module alone, over the memory that is returned. */
function run(code: Code, ...args: number[]): { result: unknown; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory(MEMORY);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleOf(code)), { host: { memory } });
  return { result: (exports[code.name] as (...args: number[]) => unknown)(...args), memory };
}

/** The instructions that the engine has: not every one has those of relaxed SIMD. */
const known = [...OPCODES].filter(([name]) => fuses() || !name.includes("relaxed"));

/** Values of a type, made of instructions that are drawn one after the other. */
function randomValue(code: Code, type: Type, draw: (end: number) => number, depth: number): Value {
  const inner = (wanted: Type) => randomValue(code, wanted, draw, depth - 1);
  if (depth > 0 && draw(4) > 0) {
    const names = known.filter(([, { returns }]) => returns === type).map(([name]) => name);
    const name = names[draw(names.length)];
    const value = op(name, ...OPCODES.get(name)!.takes.map(inner));
    return draw(2) === 0 ? code.bind(value) : value;
  }
  if (depth > 0 && draw(3) === 0) return select(inner("i32"), inner(type), inner(type));
  switch (type) {
    case "i32":
      return depth > 0 && draw(2) === 0 ? extract("i32x4", inner("v128"), draw(4)) : i32(draw(2 ** 31) - 2 ** 30);
    case "i64":
      return { kind: "number", type: "i64", value: draw(2 ** 50) - 2 ** 49 };
    case "f32":
      return depth > 0 && draw(2) === 0 ? load("f32.load", i32(draw(100)), draw(300)) : f32(draw(1000) / 8 - 60);
    case "f64":
      return f64(draw(1000) / 7);
    case "v128":
      if (depth <= 0) return code.keep(f32x4(draw(1000), draw(1000), 1, -0));
      return [
        () => load("v128.load", i32(draw(100)), draw(300)),
        () => loadLane(i32(draw(100)), inner("v128"), draw(4), draw(300)),
        () => shuffle(inner("v128"), inner("v128"), [draw(8), draw(8), draw(8), draw(8)]),
        () => replace("f32x4", inner("v128"), draw(4), inner("f32")),
      ][draw(4)]();
    default:
      return type satisfies never;
  }
}

test("random functions are valid modules, and have a text", async () => {
  const types: readonly Type[] = ["i32", "i64", "f32", "f64", "v128"];
  await checkProperty(fc.infiniteStream(fc.nat(2 ** 31 - 1)), (numbers) => {
    const draw = (end: number) => numbers.next().value! % end;
    const code = new Code("f", ["i32", "f32"], "i32");
    const counter = code.variable("i32", i32(draw(5)));
    code.count(i32(0), counter, 1, (i) => {
      code.if(op("i32.lt_s", i, i32(draw(9))), () => {
        for (const type of types) {
          const variable = code.variable(type);
          code.set(variable, randomValue(code, type, draw, 4));
        }
      }, () => code.store("v128.store", i32(draw(64)), randomValue(code, "v128", draw, 3), draw(300)));
    });
    code.return(randomValue(code, "i32", draw, 4));
    assert.ok(WebAssembly.validate(moduleOf(code)), codeText(code));
    assert.match(codeText(code), /^\(func \$f/);
  });
});

test("numbers of any size are encoded as they are", async () => {
  await checkProperty(fc.tuple(fc.integer(), fc.float()), ([whole, single]) => {
    const code = new Code("f", [], "i32");
    code.return(i32(whole));
    assert.equal(run(code).result, whole);
    const other = new Code("g", [], "f32");
    other.return(f32(single));
    assert.ok(Object.is(run(other).result, single));
  });
});

test(
  "operands of the wrong type, and instructions that there are not, are refused when they are written",
  () => {
    const code = new Code("f", ["i32"]);
    const [x] = code.parameters;
    assert.throws(() => op("f32.add", x, x), /operand 0 of f32.add takes f32, got i32/);
    assert.throws(() => op("f32.neg"), /takes 1 operands, got 0/);
    assert.throws(() => op("f32x4.fma", x), /no instruction "f32x4.fma"/);
    assert.throws(() => extract("f32x4", code.keep(f32x4(1)), 4), /no instruction "f32x4.extract_lane 4"/);
    assert.throws(() => code.set(x as never, i32(1)), /a bound local cannot be set/);
    assert.throws(() => moduleOf(new Code("g", [], "i32")), /g lacks its result/);
  },
);

test("every scalar function that kernels can call is there", () => {
  for (const name of Object.keys(base)) {
    const isOfConditions = ["select", "and", "or", "not", "truth"].includes(name);
    // How many operands a function takes is not written down; with another number it is refused.
    const written = [1, 2, 3].some((count) => {
      const scalars = new Scalars(new Code("f", ["i32", "f32"]), 1);
      const [i, x] = scalars.code.parameters;
      const [condition, number] = [scalars.scalar("condition", i), scalars.scalar("number", x)];
      const operands = [0, 1, 2].slice(0, count).map((k) =>
        isOfConditions && (k === 0 || name !== "select") ? condition : number
      );
      try {
        return scalars.call(name, ...operands).parts.length > 0;
      } catch (error) {
        assert.doesNotMatch((error as Error).message, /no scalar function/);
        return false;
      }
    });
    assert.ok(written, name);
  }
  assert.throws(() => new Scalars(new Code("f", []), 1).call("none"), /no scalar function "none"/);
});

test("arrays that are allocated do not overlap, and what is freed is used again", async () => {
  await checkProperty(fc.array(fc.tuple(fc.nat(5000), fc.nat(10)), { maxLength: 60 }), (orders) => {
    const memory = new Memory(false);
    const held: { address: number; size: number }[] = [];
    let most = 0;
    for (const [size, which] of orders) {
      if (which > 4 && held.length > 0) {
        const [{ address, size }] = held.splice(which % held.length, 1);
        memory.free(address, size);
      } else held.push({ address: memory.allocate(size), size });
      most = Math.max(most, memory.allocated);
      const sorted = [...held].sort((a, b) => a.address - b.address);
      sorted.forEach(({ address, size }, i) => {
        assert.equal(address % 64, 0);
        const next = sorted[i + 1]?.address ?? memory.floats.byteLength;
        assert.ok(address + 4 * size <= next, `${address} of ${size} elements reaches ${next}`);
      });
    }
    for (const { address, size } of held) memory.free(address, size);
    assert.equal(memory.allocated, 0);
    assert.equal(memory.allocate(1), new Memory(false).allocate(1), "the memory is whole again");
  });
});

test("a vector of a scalar is made where the scalar is known", () => {
  const code = new Code("f", ["f32"], "v128");
  const operands = new Operands(code, 1);
  const x = operands.scalar("number", code.parameters[0], code.root);
  code.if(i32(0), () => void operands.vector(x, 0));
  code.return(operands.vector(x, 0));
  const instance = codeText(code);
  assert.equal(instance.match(/f32x4.splat/g)?.length, 1, instance);
  assert.ok(instance.indexOf("f32x4.splat") < instance.indexOf("(if"), instance);
});

/** Computations over enough elements that threads share them, and kernels are grouped, with odd sizes. */
function computations(): Tensor[] {
  const n = 4363;
  const numbers = Float32Array.from({ length: 61 * n }, (_, i) => Math.fround(Math.sin(i) * 4));
  const x = tensor(numbers, [61, n]);
  const loss = sum(log(sum(exp(x), 0)));
  const whole = { dtype: "int" } as const;
  const chosen = where(tensor(numbers.map((v) => (v > 3.5 ? 1 : 0)), [61, n], { dtype: "bool" }), div(1, x), 0);
  return [
    softmax(x, 0),
    grad(loss, x),
    sum(mul(x, x), 1),
    sum(chosen, 0),
    matmul(x, tensor(numbers.subarray(0, n * 7), [n, 7])),
    // More rows than units.
    argsort(x),
    scatterAdd(zeros([61, 1000]), tensor(numbers.map((v) => Math.floor(Math.abs(v) * 249)), [61, n], whole), x, 1),
  ];
}

async function valuesOn(device: Device): Promise<readonly ArrayLike<number>[]> {
  const tensors = computations();
  await realize(tensors, { device });
  return await Promise.all(tensors.map((t) => t.data({ device })));
}

/** Opens a device of its own with this many threads. */
async function opened(
  threads: number,
  used: (device: Device) => Promise<void>,
  start: typeof startThread = startThread,
): Promise<void> {
  const device = new Device(wasm, openWasm(threads, start));
  try {
    await used(device);
  } finally {
    await device.dispose();
  }
}

/** Calls until all threads take part. */
async function joined(device: Device, threads: number): Promise<readonly ArrayLike<number>[]> {
  // Calls, rather than seconds: a busy machine starts threads later, and computes as much later.
  for (let i = 0; i < 2000; i++) {
    const values = await valuesOn(device);
    if (device.executor === `${threads} threads`) return values;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`${device.executor} instead of ${threads}: ${device.fallbackReason}`);
}

test("results have the same bits with any number of threads", async () => {
  if (!threadsWork()) return;
  await opened(1, async (alone) => {
    const expected = await valuesOn(alone);
    assert.equal(alone.executor, "1 thread");
    for (const threads of [2, 3]) {
      await opened(threads, async (device) => assert.deepEqual(await joined(device, threads), expected));
    }
  });
});

test("threads take part before anything is heard of them, as in a program that never ends a task", async () => {
  // A page starts no worker before the task ends.
  if (!threadsWork() || runtime() === "browser") return;
  const unheard: typeof startThread = (script, hooks) => startThread(script, { ...hooks, message: () => {} });
  await opened(2, async (device) => {
    const x = tensor(Float32Array.from({ length: 300_000 }, (_, i) => i % 7), [300, 1000]);
    for (let i = 0; i < 20_000 && device.executor !== "2 threads"; i++) await sum(exp(x)).data({ device });
    assert.equal(device.executor, "2 threads");
  }, unheard);
});

test("threads that do not start leave one, and the device says why", async () => {
  if (!threadsWork()) return;
  const refused = () => Promise.reject(new Error("no threads today"));
  await opened(2, async (device) => {
    const expected = await valuesOn(device);
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.deepEqual(await valuesOn(device), expected);
    assert.equal(device.executor, "1 thread");
    assert.match(device.fallbackReason!, /could not be started: no threads today/);
  }, refused);
});

test("a thread that ends is missed by no later call, and the device says that it ended", async () => {
  // Bun reports no termination.
  if (!threadsWork() || (runtime() !== "node" && runtime() !== "deno")) return;
  const started: Thread[] = [];
  const watched: typeof startThread = async (...args) => {
    const thread = await startThread(...args);
    started.push(thread);
    return thread;
  };
  await opened(2, async (device) => {
    const expected = await joined(device, 2);
    started[0].end();
    // The call during which it is noticed may reject.
    await valuesOn(device).catch((error: Error) => assert.match(error.message, /^wasm: a thread ended/));
    while (device.fallbackReason === null) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.match(device.fallbackReason, /a thread ended/);
    assert.deepEqual(await valuesOn(device), expected);
    assert.equal(device.executor, "1 thread");
  }, watched);
});

test("values stay in the memory until they are read, and what is dropped makes room", async () => {
  await opened(1, async (device) => {
    const x = tensor(Float32Array.from({ length: 1000 }, (_, i) => i % 7));
    const twice = mul(x, 2);
    await realize([twice], { device });
    assert.equal(twice.value, null);
    assert.equal(device.holds.values, 2, "the leaf and the result");
    const sums = [sum(mul(twice, x)), sum(twice)];
    await realize(sums, { device });
    assert.equal(twice.value, null, "it was taken where it is");
    let [products, all] = [0, 0];
    for (let i = 0; i < 1000; i++) [products, all] = [products + 2 * (i % 7) ** 2, all + 2 * (i % 7)];
    assert.deepEqual(await Promise.all(sums.map((t) => t.item({ device }))), [products, all]);
    device.valueBytes = 0;
    await realize([mul(x, 3)], { device });
    assert.equal(device.holds.bytes, 0);
    assert.equal(twice.value?.[3], 6, "it moved to the host");
    assert.equal(await sum(twice).item({ device }), all);
  });
});

test("a run frees all that it allocates, and uses arrays again", async () => {
  const memory = new Memory(false);
  const plans = {
    memory,
    team: new Team(memory, 1),
    multiplyAdd: wasm.dialect.multiplyAdd,
    inTurn: <T>(call: () => Promise<T>) => call(),
  };
  const x = tensor(Float32Array.from({ length: 100_000 }, (_, i) => i % 7));
  // Each of them reads the whole of the one before it.
  let y: Tensor = x;
  for (let i = 0; i < 6; i++) y = mul(x, sum(sum(reshape(y, [10, 10_000]), 0)));
  const program = new Program([y]);
  const plan = new WasmPlan(program.plan(wasm), plans);
  let most = 0;
  const { allocate } = memory;
  memory.allocate = (size) => {
    const address = allocate.call(memory, size);
    most = Math.max(most, memory.allocated);
    return address;
  };
  await plan.run([Float32Array.from({ length: x.size }, (_, i) => i % 7)]);
  assert.equal(memory.allocated, 0);
  assert.ok(most < 4 * 4 * x.size, `${most} bytes at once`);
});

/** The bytes of the arrays of a megabyte or more that are made during a call, by size. */
async function largeArrays(call: () => Promise<unknown>): Promise<number[]> {
  const made: number[] = [];
  const kinds = { ArrayBuffer, Float32Array, Float64Array };
  const counted = Object.entries(kinds).map(([name, kind]) => [
    name,
    new Proxy(kind, {
      construct(target, args: unknown[], newTarget) {
        const array = Reflect.construct(target, args, newTarget) as ArrayBuffer | Float32Array;
        // A view of a memory takes none.
        if (array.byteLength >= 1 << 20 && typeof args[0] !== "object") made.push(array.byteLength);
        return array;
      },
    }),
  ]);
  Object.assign(globalThis, Object.fromEntries(counted));
  try {
    await call();
  } finally {
    Object.assign(globalThis, kinds);
  }
  return made;
}

test("a call makes no large array but the results that are read", async () => {
  await opened(2, async (device) => {
    const size = 1 << 19;
    const numbers = new Float32Array(size).fill(0.5);
    const call = async (): Promise<void> => {
      const x = tensor(numbers, [8, size / 8], { copy: false });
      const y = mul(exp(x), 2);
      const loss = sum(y);
      const dx = grad(loss, x);
      await realize([loss, dx, y], { device });
      await loss.item({ device });
      await dx.data({ device, copy: false });
    };
    for (let i = 0; i < 3; i++) await call();
    const sizes: number[] = [];
    for (let i = 0; i < 4; i++) sizes.push(...await largeArrays(call));
    assert.deepEqual(sizes, new Array(4).fill(4 * size));
  });
});

/** Counts the arrays of a device that are sent, and the bytes that its memory grows by. */
async function memoryUsed(call: () => Promise<void>): Promise<{ sent: number; grown: number }> {
  const { allocate, send } = Memory.prototype;
  const used = { sent: 0, grown: 0 };
  Memory.prototype.allocate = function (elements) {
    const before = this.memory.buffer.byteLength;
    const address = allocate.call(this, elements);
    used.grown += this.memory.buffer.byteLength - before;
    return address;
  };
  Memory.prototype.send = function (values) {
    used.sent++;
    return send.call(this, values);
  };
  try {
    await call();
  } finally {
    Object.assign(Memory.prototype, { allocate, send });
  }
  return used;
}

test("calls take the memory of those before them, with no help of the garbage collector", async () => {
  const size = 1 << 18;
  const values = new Float32Array(size).fill(0.5), into = new Float32Array(size);
  const fixed = tensor(values);
  const calls: Record<string, (device: Device) => Promise<void>> = {
    "leaves are new, results are read": async (device) => {
      const [x, y] = [1, 2].map((factor) => mul(tensor(values, [size], { copy: false }), factor));
      await realize([x, y], { device });
      for (const result of [x, y]) await result.data({ device, copy: false });
    },
    "results are read into an array and disposed of": async (device) => {
      const x = mul(tensor(values, [size], { copy: false }), 3);
      assert.equal((await x.data({ device, into }))[7], 1.5);
      x.dispose();
    },
    "results stay and are disposed of": async (device) => {
      const x = mul(fixed, 3);
      await realize([x], { device });
      x.dispose();
    },
  };
  for (const [name, call] of Object.entries(calls)) {
    await opened(1, async (device) => {
      for (let i = 0; i < 4; i++) await call(device);
      const { grown } = await memoryUsed(async () => {
        for (let i = 0; i < 8; i++) await call(device);
      });
      assert.equal(grown, 0, name);
    });
  }
});

test("what is needed again and again is sent twice at most, however much passes through the memory", async () => {
  await opened(1, async (device) => {
    const size = 1 << 16, cycle = 4;
    const batches = Array.from({ length: cycle }, (_, i) => tensor(new Float32Array(size).fill(i)));
    const { sent } = await memoryUsed(async () => {
      for (let i = 0; i < 10 * cycle; i++) {
        const x = add(batches[i % cycle], tensor(new Float32Array(size).fill(i)));
        assert.equal((await x.data({ device, copy: false }))[i], i % cycle + i);
      }
    });
    // One new leaf a call, and the batches.
    assert.ok(sent <= 10 * cycle + 2 * cycle, `${sent} were sent`);
  });
});

/** The loops of one case: carries that are swapped, kept or computed, and rows that are carries, inputs or computed. */
interface Recurrence {
  readonly size: number;
  readonly count: number;
  readonly reverse: boolean;
  readonly swap: boolean;
  readonly row: "carry" | "input" | "computed" | "both";
}

/** The last carries and the rows, by plain loops over numbers of float32. */
function looped(xs: readonly Float32Array[], { count, reverse, swap, row }: Recurrence): number[][] {
  let [a, b] = [xs[0].map((x) => x + 1), xs[0].map((x) => x * 2)];
  const rows: Float32Array[] = [];
  for (let t = 0; t < count; t++) {
    const x = xs[reverse ? count - 1 - t : t];
    const mixed = a.map((v, i) => Math.fround(Math.fround(v * 0.5) + x[i]));
    rows[reverse ? count - 1 - t : t] = { carry: a, input: x, computed: mixed, both: mixed }[row];
    [a, b] = swap ? [b, a] : [mixed, b];
  }
  return [a, b, rows.flatMap((values) => [...values])].map((values) => [...values]);
}

test("loops hand arrays on as they are, and free all that they allocate", async () => {
  const drawn = fc.record({
    size: fc.constantFrom(1, 3, 4, 17, 70),
    count: fc.integer({ min: 3, max: 6 }),
    reverse: fc.boolean(),
    swap: fc.boolean(),
    row: fc.constantFrom("carry", "input", "computed", "both"),
  });
  await checkProperty(drawn, async (drawnCase) => {
    const { size, count, reverse, swap, row } = drawnCase as Recurrence;
    const values = Float32Array.from({ length: count * size }, (_, i) => (i * 7) % 11 - 5);
    const xs = tensor(values, [count, size]);
    const first = tensor(values.subarray(0, size));
    const start = [add(first, 1), mul(first, 2)];
    const [last, ys] = scan(
      ([a, b]: Tensor[], x: Tensor): [Tensor[], Tensor[]] => {
        const mixed = add(mul(a, 0.5), x);
        const rows = { carry: [a], input: [x], computed: [mixed], both: [mixed, mixed] }[row];
        return [swap ? [b, a] : [mixed, b], rows];
      },
      start,
      xs,
      { reverse },
    );
    const program = new Program([...last, ...ys]);
    const planned = program.plan(wasm);
    assert.equal(planned.loops?.length, 1);
    const memory = new Memory(false);
    const plan = new WasmPlan(planned, {
      memory,
      team: new Team(memory, 1),
      multiplyAdd: wasm.dialect.multiplyAdd,
      inTurn: <T>(call: () => Promise<T>) => call(),
    });
    const found = await plan.run(program.leaves.map((leaf) => leaf.value!));
    const rows = Array.from({ length: count }, (_, t) => values.subarray(t * size, (t + 1) * size));
    const [a, b, all] = looped(rows, drawnCase as Recurrence);
    assert.deepEqual(found.map((array) => [...array]), [a, b, ...ys.map(() => all)]);
    assert.equal(memory.allocated, 0);
  }, { runs: 25 });
});

test("a loop takes no more memory the more often it runs", async () => {
  const most = async (count: number): Promise<number> => {
    const x = tensor(new Float32Array(4000).fill(1));
    const [last] = scan((carry: Tensor) => [mul(carry, sum(add(carry, x))), null], x, count);
    const program = new Program([last]);
    const memory = new Memory(false);
    let reached = 0;
    const { allocate } = memory;
    memory.allocate = (size) => {
      const address = allocate.call(memory, size);
      reached = Math.max(reached, memory.allocated);
      return address;
    };
    const shared = {
      memory,
      team: new Team(memory, 1),
      multiplyAdd: wasm.dialect.multiplyAdd,
      inTurn: <T>(call: () => Promise<T>) => call(),
    };
    await new WasmPlan(program.plan(wasm), shared).run(program.leaves.map((leaf) => leaf.value!));
    return reached;
  };
  // Beside the addresses that calls take.
  assert.ok(await most(40) - await most(4) < 16_000);
});
