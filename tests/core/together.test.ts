/** Calls of one tick are one computation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Device } from "../../core/device.ts";
import type { Program } from "../../core/program.ts";
import { Together } from "../../core/together.ts";
import {
  add,
  argmax,
  compile,
  DeviceLostError,
  exp,
  grad,
  matmul,
  max,
  maximum,
  mul,
  realize,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  useDevice,
  zeros,
} from "../../mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";

/** Waits until what is due `count` times over has run, within the same task. */
async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await null;
}

/** What became of promises. */
function outcomesOf<T>(promises: readonly Promise<T>[]): Promise<(T | Error)[]> {
  return Promise.all(promises.map((promise) => promise.catch((error: Error) => error)));
}

test("a group that cannot be answered is halved until what fails is alone", async () => {
  const request = fc.record({
    fails: fc.constantFrom(false, false, false, true),
    size: fc.integer({ min: 1, max: 9 }),
  });
  const drawn = fc.record({
    requests: fc.array(request, { minLength: 1, maxLength: 40 }),
    most: fc.constantFrom(9, 30, 1e9),
  });
  await checkProperty(drawn, async ({ requests, most }) => {
    const attempts: number[][] = [];
    let running = 0;
    const together = new Together<string, number, number>({
      group: (_, all) => Promise.resolve([all]),
      async answer(_, group) {
        attempts.push([...group]);
        assert.equal(++running, 1, "attempts follow each other");
        await microtasks(3);
        running--;
        const bad = group.find((i) => requests[i].fails);
        if (bad !== undefined) throw new Error(`request ${bad}`);
        if (group.reduce((all, i) => all + requests[i].size, 0) > most) throw new Error("too much");
        return group.map((i) => i * i);
      },
      isFinal: () => false,
    });
    const outcomes = await outcomesOf(requests.map((_, i) => together.ask("key", i)));
    outcomes.forEach((outcome, i) => {
      if (!requests[i].fails) assert.equal(outcome, i * i);
      else assert.equal((outcome as Error).message, `request ${i}`);
    });
    assert.deepEqual(attempts[0], [...requests.keys()], "all at once at first");
    const bad = requests.filter(({ fails }) => fails).length;
    if (most < 1e9) return;
    assert.ok(attempts.length <= 1 + 2 * bad * Math.ceil(Math.log2(requests.length)), `${attempts.length} for ${bad}`);
  });
});

test("requests are collected by key until all that was due has run, and an error of all is not tried again", async () => {
  const attempts: [string, readonly number[]][] = [];
  const together = new Together<string, number, string>({
    group: (_, all) => Promise.resolve([all.filter((i) => i % 2 === 0), all.filter((i) => i % 2 === 1)]),
    answer(key, group) {
      attempts.push([key, group]);
      return key === "bad" ? Promise.reject(new Error("final")) : Promise.resolve(group.map((i) => `${key}${i}`));
    },
    isFinal: (error) => (error as Error).message === "final",
  });
  const asked = [4, 1, 2].map(async (i) => {
    await null;
    return together.ask("a", i);
  });
  assert.deepEqual(await Promise.all([together.ask("b", 8), ...asked, together.ask("b", 6)]), [
    "b8",
    "a4",
    "a1",
    "a2",
    "b6",
  ]);
  assert.deepEqual(attempts.map(([key, group]) => `${key}: ${group}`), ["b: 8,6", "b: ", "a: 4,2", "a: 1"]);
  attempts.length = 0;
  const errors = await outcomesOf([2, 4, 6].map((i) => together.ask("bad", i)));
  assert.ok(errors.every((error) => error instanceof Error && error === errors[0]));
  assert.equal(attempts.length, 2);
  const broken = new Together<string, number, string>({
    group: () => Promise.reject(new Error("no groups")),
    answer: () => assert.fail(),
    isFinal: () => true,
  });
  for (const error of await outcomesOf([1, 2].map((i) => broken.ask("a", i)))) assert.match(String(error), /no groups/);
});

/** Steps of a program: which op of which earlier arrays. */
type Steps = readonly (readonly [op: number, a: number, b: number])[];
type Numbers = readonly number[];
const OPS: readonly [(a: Tensor, b: Tensor) => Tensor, (a: Numbers, b: Numbers) => number[]][] = [
  [add, (a, b) => a.map((x, i) => x + b[i])],
  [sub, (a, b) => a.map((x, i) => x - b[i])],
  [maximum, (a, b) => a.map((x, i) => Math.max(x, b[i]))],
  [(a, b) => sub(a, max(b)), (a, b) => a.map((x) => x - Math.max(...b))],
];

/** Ways to ask for a tensor; each returns its elements. */
const WAYS: readonly ((x: Tensor, device: string) => Promise<unknown>)[] = [
  async (x, device) => [...await x.data({ device })],
  async (x, device) => [...await x.data({ device, into: new Float64Array(x.size) })],
  (x, device) => x.toArray({ device }),
  async (x, device) => [await sum(x).item({ device })],
  async (x, device) => (await realize([[x], { x }], { device }), [...await x.data({ device })]),
];

/** What a program does with one of its arrays, after some microtasks. */
interface Act {
  readonly array: number;
  readonly way: number;
  readonly after: number;
  readonly disposes: boolean;
}

const steps: fc.Arbitrary<Steps> = fc.array(fc.tuple(fc.nat(OPS.length - 1), fc.nat(), fc.nat()), {
  minLength: 3,
  maxLength: 14,
});
const acts: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.record({
    array: fc.nat(),
    way: fc.nat(WAYS.length - 1),
    after: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(12)),
    disposes: fc.constantFrom(false, false, true),
  }),
  { minLength: 1, maxLength: 12 },
);

/** All arrays of a program, as tensors and as numbers; the leaves first. */
function arraysOf(program: Steps, leaves: readonly number[][]): { tensors: Tensor[]; numbers: number[][] } {
  const tensors = leaves.map((values) => tensor(values));
  const numbers = leaves.map((values) => [...values]);
  for (const [op, i, k] of program) {
    const [a, b] = [i % tensors.length, k % tensors.length];
    const [record, compute] = OPS[op];
    tensors.push(record(tensors[a], tensors[b]));
    numbers.push(compute(numbers[a], numbers[b]));
  }
  return { tensors, numbers };
}

/** Counts the computations of a device while a function runs. */
async function runsOf(device: Device, run: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const { runHere } = device;
  device.runHere = (...call) => (count++, runHere.apply(device, call));
  try {
    await run();
  } finally {
    Reflect.deleteProperty(device, "runHere");
  }
  return count;
}

/** Many tensors that need the same entry, and the elements of each. */
function family(count: number, from = 1): { x: Tensor; shared: Tensor; tensors: Tensor[]; expected: number[][] } {
  const x = tensor([from, from + 1]);
  const shared = square(x);
  const tensors = Array.from({ length: count }, (_, i) => add(shared, i));
  return { x, shared, tensors, expected: tensors.map((_, i) => [from ** 2 + i, (from + 1) ** 2 + i]) };
}

const elements = (tensors: readonly Tensor[]) => Promise.all(tensors.map(async (t) => [...await t.data()]));

const devices = await devicesUnderTest();

for (const { device: name, on, extent } of devices) {
  test(...on("whatever is asked for, and disposed of, in whatever order: the numbers are right"), async () => {
    await checkProperty(fc.tuple(steps, acts), async ([program, all]) => {
      const { tensors, numbers } = arraysOf(program, [[1, 2, 3], [7, 5, -2]]);
      await Promise.all(all.map(async ({ array, way, after, disposes }) => {
        const i = array % tensors.length;
        await microtasks(after);
        const found = WAYS[way](tensors[i], name);
        // Leaves cannot be computed again.
        if (disposes && i >= 2) tensors[i].dispose();
        const expected = way === 3 ? [numbers[i].reduce((a, b) => a + b)] : numbers[i];
        assert.deepEqual(await found, expected);
      }));
    }, { runs: 40, extent });
  });

  test(
    ...on("calls of one tick that share an entry are one computation; their order is no part of its plan"),
    async () => {
      const device = await useDevice(name);
      const plans: number[] = [];
      const count = 7;
      for (let turn = 0; turn < count; turn++) {
        const { shared, tensors, expected } = family(count);
        const order = tensors.map((_, i) => (3 * i + turn) % count);
        const { compiled } = device;
        const found: unknown[] = [];
        const runs = await runsOf(device, () =>
          Promise.all([
            ...order.map(async (i) => found[i] = await WAYS[[0, 1, 2, 4][i % 4]](tensors[i], name)),
            sum(shared).item().then((total) => assert.equal(total, 5)),
          ]));
        assert.deepEqual(found, expected);
        assert.equal(runs, 1);
        plans.push(device.compiled - compiled);
      }
      assert.deepEqual(plans, [plans[0], ...Array(count - 1).fill(0)]);
    },
  );

  test(...on("calls of different ticks may compute the same at the same time"), async () => {
    // Every sixteenth computation waits for the next task, and thus for a later one.
    for (let round = 0; round < 64; round++) {
      const { tensors, expected } = family(1);
      const found = await Promise.all([0, 1, 2].map(async (delay) => {
        await microtasks(delay);
        if (delay === round % 3) await realize(tensors);
        return await elements(tensors);
      }));
      assert.deepEqual(found, [expected, expected, expected], `round ${round}`);
    }
  });

  test(...on("calls that share nothing have plans of their own, which serve any number of them"), async () => {
    const device = await useDevice(name);
    const one = (n: number) => sum(exp(tensor(Array.from({ length: n }, () => 0))));
    const read = (sizes: readonly number[]) => Promise.all(sizes.map((n) => one(n).item()));
    assert.deepEqual(await read([3, 4]), [3, 4]);
    const { compiled } = device;
    assert.equal(await runsOf(device, async () => assert.deepEqual(await read([4, 3, 4]), [4, 3, 4])), 3);
    assert.equal(device.compiled, compiled);
  });

  test(...on("a gradient that is recorded after its loss was asked for has the plan of both"), async () => {
    const device = await useDevice(name);
    const recordLoss = (w: Tensor) => sum(exp(square(mul(w, 0.25))));
    const start = [1, -2];
    const w = tensor(start);
    const loss = recordLoss(w);
    await realize([loss, grad(loss, w)]);
    const { compiled } = device;
    for (const turn of [1, 2]) {
      const w = tensor(start);
      const loss = recordLoss(w);
      const read: [Promise<number>, Promise<unknown>] = [loss.item(), grad(loss, w).data()];
      await Promise.all(read);
      assert.equal(device.compiled, compiled, `turn ${turn}`);
      assert.equal(loss.inputs[0].held, null, "nothing more is kept");
    }
  });

  test(...on("one call that cannot be computed fails alone and says why"), async () => {
    const device = await useDevice(name);
    const { shared, tensors, expected } = family(6);
    const gone = tensor([1, 2]), given: Tensor[] = [];
    await compile((x: Tensor) => (given.push(x), x), { device })(gone);
    const bad = [mul(shared, gone), add(shared, given[0])];
    gone.dispose();
    const [first, lost, ...rest] = await outcomesOf(
      [tensors[0], bad[0], ...tensors.slice(1, 4), bad[1], ...tensors.slice(4)].map(async (t) => [...await t.data()]),
    );
    const [undefinedInput] = rest.splice(3, 1);
    assert.deepEqual([first, ...rest], expected);
    assert.match(String(lost), /^Error: dispose: a tensor of shape \[2\], made by "leaf", was disposed of/);
    assert.match(String(undefinedInput), /^Error: realize: an input of a function under compile\(\)/);
  });

  test(
    ...on("what one device refuses of many is computed in parts, and a lost device is not tried again"),
    async () => {
      const device = await useDevice(name);
      const { tensors, expected } = family(9);
      const { runHere } = device;
      const sizes: number[] = [];
      let failing = (outputs: number): Error | null => outputs > 3 ? new Error("too large") : null;
      device.runHere = async (program, leaves) => {
        const { outputs } = program as Program;
        sizes.push(outputs.length);
        const error = failing(outputs.length);
        if (error) throw error;
        return await runHere.call(device, program, leaves);
      };
      try {
        assert.deepEqual(await elements(tensors), expected);
        assert.deepEqual(sizes, [9, 4, 2, 2, 5, 2, 3]);
        sizes.length = 0;
        failing = () => new DeviceLostError("gone");
        const errors = await outcomesOf(family(4).tensors.map((t) => t.data()));
        assert.ok(errors.every((error) => error instanceof DeviceLostError), String(errors));
        assert.deepEqual(sizes, [4]);
      } finally {
        Reflect.deleteProperty(device, "runHere");
      }
    },
  );

  test(...on("a value that is there does not wait for others"), async () => {
    const device = await useDevice(name);
    const { shared, tensors: [y, z] } = family(2);
    assert.deepEqual([...await y.data()], [1, 4]);
    const order: string[] = [];
    await Promise.all([
      z.data().then(() => order.push("computed")),
      y.data().then(() => order.push("there")),
      shared.data({ device }).then(() => order.push("computed")),
    ]);
    assert.deepEqual(order, ["there", "computed", "computed"]);
  });
}

// About the tape, whatever the device.
for (const { device: name, on } of devices.filter(({ device }) => device === "float64" || device === "wasm")) {
  test(...on("what is read one by one is computed from the start four times at most"), async () => {
    const device = await useDevice(name);
    const layers = 9;
    const slopesOf = () => {
      const weights = Array.from(
        { length: layers },
        (_, i) => tensor([[1 + i, 2], [-i, 0.5]].map((row) => row.map((x) => x / 8))),
      );
      const y = weights.reduce((h, w) => square(matmul(h, w)), tensor([[1, -1]]));
      return grad(sum(y), weights);
    };
    const expected = slopesOf();
    await realize(expected);
    // From the last layer on each slope is part of the way to the next one: that way is new three times over.
    const orders: [order: (slopes: Tensor[]) => Tensor[], most: number][] = [[(t) => t, 16], [(t) => t.reverse(), 64]];
    for (const [order, most] of orders) {
      const slopes = order(slopesOf());
      const wanted = await elements(order([...expected]));
      const costs: number[] = [];
      const { runHere } = device;
      device.runHere = (program, leaves) => {
        costs.push((program as Program).entries.length);
        return runHere.call(device, program, leaves);
      };
      try {
        for (const [i, slope] of slopes.entries()) {
          const found = [...await slope.data()];
          found.forEach((x, k) => assert.ok(Math.abs(x - wanted[i][k]) <= 1e-5 * Math.abs(wanted[i][k]), `slope ${i}`));
        }
      } finally {
        Reflect.deleteProperty(device, "runHere");
      }
      assert.equal(costs.length, layers);
      assert.ok(Math.max(...costs.slice(4)) <= most, `${costs} entries`);
    }
  });
}

test("each device computes what it is asked for, at one time", async () => {
  const [one, other] = [await useDevice("float64"), await useDevice("cpu")];
  const { tensors, expected } = family(3);
  const thirds = mul(tensors[0], 1 / 3);
  const found = await Promise.all(
    [...tensors, thirds].flatMap((t) => [one, other].map((device) => t.data({ device }))),
  );
  for (const i of [0, 1, 2]) for (const k of [0, 1]) assert.deepEqual([...found[2 * i + k]], expected[i]);
  assert.deepEqual([...found[6]], [1 / 3, 4 / 3]);
  assert.deepEqual([...found[7]], [1 / 3, 4 / 3].map(Math.fround));
});

test("positions that a device cannot store are refused for the one call that needs them", async () => {
  await useDevice("cpu");
  const x = mul(tensor([1]), 2);
  const long = argmax(mul(zeros([2 ** 24 + 2]), x));
  const [position, value] = await outcomesOf<number>([long.item(), add(x, 1).item()]);
  assert.match(String(position), /^Error: argmax/);
  assert.equal(value, 3);
  await useDevice("auto");
});
