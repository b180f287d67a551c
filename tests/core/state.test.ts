import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Program } from "../../core/program.ts";
import {
  adamW,
  add,
  backward,
  clamp,
  compile,
  detach,
  div,
  full,
  grad,
  greater,
  matmul,
  mean,
  mul,
  realize,
  reshape,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  useDevice,
  valueAndGrad,
  where,
  zeros,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { assertClose } from "../ops/compare.ts";
import { sampleOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import process from "node:process";
import { runtime } from "../../core/runtime.ts";
import { findCollector, garbageCollector } from "../support/garbage.ts";
import { checkProperty } from "../support/property.ts";
import { skip } from "../support/skip.ts";

const devices = await devicesUnderTest();
const STEPS = 24;
const RATE = 0.05;
const START = [1, -2, 3];
const inputs = Array.from({ length: 6 }, (_, i) => [Math.sin(i), Math.cos(3 * i), 1]);
const targets = inputs.map(([a, b]) => [a - 2 * b]);

/** A training loop: the recording of one step, and the loss to read. */
interface Loop {
  /** Records a step, reading values as the loop does; returns the loss and the parameters after the step. */
  step(): Promise<{ loss: number; w: Tensor }>;
}

/** Fits `w` to minimise the sum of its squares. */
const loops: Record<string, () => Loop> = {
  "a loop that reads its loss"() {
    let w = tensor(START);
    return {
      async step() {
        const loss = sum(square(w));
        w = sub(w, mul(grad(loss, w), RATE));
        return { loss: await loss.item(), w };
      },
    };
  },
  "a loop that reads its loss before it records the gradient"() {
    let w = tensor(START);
    return {
      async step() {
        const loss = sum(square(w));
        const value = await loss.item();
        w = sub(w, mul(grad(loss, w), RATE));
        return { loss: value, w };
      },
    };
  },
  "a loop that reads two values"() {
    let w = tensor(START);
    return {
      async step() {
        const loss = sum(square(w));
        const unrelated = sum(tensor([1, 2]));
        w = sub(w, mul(grad(loss, w), RATE));
        assert.equal(await unrelated.item(), 3);
        return { loss: await loss.item(), w };
      },
    };
  },
  "a loop that reads its loss while it records the gradient"() {
    let w = tensor(START);
    return {
      async step() {
        const loss = sum(square(w));
        const value = loss.item();
        w = sub(w, mul(grad(loss, w), RATE));
        return { loss: await value, w };
      },
    };
  },
  "a loop that reads its loss and its gradient at a time"() {
    let w = tensor(START);
    return {
      async step() {
        const loss = sum(square(w));
        const values = [loss.item(), grad(loss, w).data()] as const;
        w = sub(w, mul(grad(loss, w), RATE));
        const [value, gradient] = await Promise.all(values);
        assert.equal(gradient.length, 3);
        return { loss: value, w };
      },
    };
  },
  "a loop with realize"() {
    let w = tensor(START);
    return {
      async step() {
        const loss = sum(square(w));
        w = sub(w, mul(grad(loss, w), RATE));
        await realize([loss, w]);
        return { loss: await loss.item(), w };
      },
    };
  },
  "a loop with backward"() {
    let w = tensor(START, [3], { requiresGrad: true });
    return {
      async step() {
        const loss = sum(square(w));
        backward(loss);
        w = detach(sub(w, mul(w.grad!, RATE)), { requiresGrad: true });
        return { loss: await loss.item(), w };
      },
    };
  },
};

/** The losses of the plain loop. */
function plainLosses(steps: number): number[] {
  let w = START.slice();
  return Array.from({ length: steps }, () => {
    const loss = w.reduce((total, x) => total + x * x, 0);
    w = w.map((x) => x - 2 * x * RATE);
    return loss;
  });
}

/** Momentum, with parameters recorded before or after the velocity. */
function momentum(first: "w" | "v", memory = () => tensor([0, 0, 0])): Loop {
  const made = [tensor(START), memory()];
  let [w, v] = first === "w" ? made : [tensor(START), made[1]];
  return {
    async step() {
      const loss = sum(square(w));
      v = add(mul(v, 0.5), grad(loss, w));
      w = sub(w, mul(v, RATE));
      return { loss: await loss.item(), w };
    },
  };
}

function plainMomentum(steps: number): number[] {
  let w = START.slice();
  let v = [0, 0, 0];
  return Array.from({ length: steps }, () => {
    const loss = w.reduce((total, x) => total + x * x, 0);
    v = v.map((m, i) => 0.5 * m + 2 * w[i]);
    w = w.map((x, i) => x - RATE * v[i]);
    return loss;
  });
}

/** A regression on constant data; `after` is applied to the parameters of each step. */
function regression(after: (w: Tensor) => Tensor, data = { x: tensor(inputs), y: tensor(targets) }): Loop {
  let w = tensor(START.map((x) => [x]));
  return {
    async step() {
      const loss = mean(square(sub(matmul(data.x, w), data.y)));
      w = after(sub(w, mul(grad(loss, w), RATE)));
      return { loss: await loss.item(), w };
    },
  };
}

function plainRegression(steps: number): number[] {
  let w = START.slice();
  return Array.from({ length: steps }, () => {
    const errors = inputs.map((row, i) => row.reduce((total, x, k) => total + x * w[k], 0) - targets[i][0]);
    w = w.map((x, k) => x - RATE * errors.reduce((total, e, i) => total + 2 * e * inputs[i][k], 0) / errors.length);
    return errors.reduce((total, e) => total + e * e, 0) / errors.length;
  });
}

const all: Record<string, { make: () => Loop; losses: (steps: number) => number[] }> = {
  ...Object.fromEntries(
    Object.entries(loops).map(([name, make]) => [name, { make, losses: plainLosses }]),
  ),
  "momentum, parameters first": { make: () => momentum("w"), losses: plainMomentum },
  "momentum, memory first": { make: () => momentum("v"), losses: plainMomentum },
  "momentum from a constant": { make: () => momentum("w", () => zeros([3])), losses: plainMomentum },
  "a regression that never detaches": { make: () => regression((w) => w), losses: plainRegression },
  "a regression that detaches": { make: () => regression((w) => detach(w)), losses: plainRegression },
};

for (const { device: name, on, single, extent } of devices) {
  for (const [loop, { make, losses }] of sampleOf(extent, Object.entries(all))) {
    test(...on(`${loop} costs the same in every step and compiles nothing after the third`), async () => {
      const device = await useDevice(name);
      const { step } = make();
      const expected = losses(STEPS);
      const actual: number[] = [];
      const planned: number[] = [];
      let compiled = 0;
      for (let i = 0; i < STEPS; i++) {
        const { loss, w } = await step();
        actual.push(loss);
        planned.push(new Program([w], { on: name }).entries.length);
        if (i === 2) compiled = device.compiled;
      }
      assert.equal(device.compiled, compiled);
      assert.deepEqual(new Set(planned.slice(3)).size, 1, String(planned));
      const allowed = single ? 1e-4 : 1e-12;
      assertClose(actual, expected, (e) => allowed * (1 + Math.abs(e)), loop);
    });
  }

  test(...on("a rate that changes every step is compiled once, as an argument"), async () => {
    const device = await useDevice(name);
    let w = tensor([1, 2]);
    let plain = [1, 2];
    let compiled = 0;
    for (let i = 1; i <= 12; i++) {
      const loss = sum(square(clamp(w, -i, 10 * i)));
      // The first rates are whole numbers.
      const rate = i < 3 ? i : 1 / (8 * i);
      w = sub(w, mul(grad(loss, w), rate));
      const value = await loss.item();
      const clamped = plain.map((x) => Math.max(x, -i));
      assert.ok(Math.abs(value - clamped[0] ** 2 - clamped[1] ** 2) <= 1e-4 * (1 + value), `step ${i}: ${value}`);
      plain = plain.map((x, k) => x - rate * (x === clamped[k] ? 2 * x : 0));
      if (i === 3) compiled = device.compiled;
    }
    assert.equal(device.compiled, compiled);
  });

  test(
    ...on("a loop that reads its loss alone has one plan after the first step, which takes no step twice"),
    async () => {
      const device = await useDevice(name);
      const [x, y] = [tensor(inputs), tensor(targets)];
      const lossOf = valueAndGrad(({ w, b }: { w: Tensor; b: Tensor }) => mean(square(sub(add(matmul(x, w), b), y))));
      const train = async (
        read: (values: unknown[]) => Promise<unknown>,
      ): Promise<{ plans: number[]; w: number[] }> => {
        // With settings of its own, so that no other test has its plans.
        const optimiser = adamW({ learningRate: 0.1, beta1: 0.8 });
        let params = { w: tensor([[0.5], [0], [-0.5]]), b: tensor([0]) };
        let state = optimiser.init(params);
        const plans: number[] = [];
        for (let step = 0; step < 6; step++) {
          const before = device.compiled;
          const [loss, gradients] = lossOf(params);
          [params, state] = optimiser.step(params, gradients, state);
          await read([loss, params, state]);
          plans.push(device.compiled - before);
        }
        return { plans, w: [...await params.w.data()] };
      };
      const alone = await train(([loss]) => (loss as Tensor).item());
      assert.deepEqual(alone.plans, [1, 1, 0, 0, 0, 0]);
      const together = await train((values) => realize(values as Tensor[]));
      assert.deepEqual(together.plans, [1, 0, 0, 0, 0, 0]);
      assertClose(together.w, alone.w, (w) => 1e-5 * Math.abs(w), "the weights");
    },
  );

  test(...on("numbers passed as arguments compute the same as numbers compiled in"), async () => {
    const special = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 2 ** -130, 3.4e38, 1 / 3];
    const number = fc.oneof(fc.constantFrom(...special), fc.float({ noNaN: true }));
    const x = tensor([-2, -0.5, 0, 1.5, 1e10]);
    const f = (a: number, b: number, c: number): Tensor[] => {
      const bounds = [b, c].map((n) => (Number.isNaN(n) ? 0 : n)).sort((p, q) => p - q);
      return [add(mul(x, a), b), div(a, x), where(greater(x, b), c, x), clamp(x, bounds[0], bounds[1]), full([2], c)];
    };
    // A compiled recording has its numbers compiled in.
    await checkProperty(fc.tuple(number, number, number), async ([a, b, c]) => {
      const outputs = f(a, b, c);
      await bring(outputs, { device: name });
      const expected = await compile((t: Tensor) => [mul(t, 1), ...f(a, b, c)], { device: name })(x);
      await bring(expected, { device: name });
      for (const [i, y] of outputs.entries()) {
        const [actual, right] = [y.value!, expected[i + 1].value!];
        for (let k = 0; k < right.length; k++) {
          const close = Math.abs(actual[k] - right[k]) <= 1e-6 * Math.abs(right[k]);
          assert.ok(Object.is(actual[k], right[k]) || close, `output ${i}[${k}] is ${actual[k]}, not ${right[k]}`);
        }
      }
    }, { runs: 12, extent });
  });
}

test("a kept value is recomputed on another device, and stays on the first [float64]", async () => {
  const third = div(tensor(1), 3);
  const w = mul(third, 1);
  await sum(tensor([1])).item({ device: "cpu" });
  const y = mul(w, 3);
  await y.item({ device: "cpu" });
  assert.equal(w.computedOn, "cpu");
  assert.equal(await mul(w, 3).item({ device: "float64" }), 1);
  const kept = w.value;
  assert.equal(await w.item({ device: "cpu" }), Math.fround(1 / 3));
  assert.equal(await w.item({ device: "float64" }), 1 / 3);
  assert.notEqual(kept, null);
});

test("entries older than a target are not visited by the gradient walk [float64]", async () => {
  await useDevice("float64");
  let w = tensor(START);
  const visited: number[] = [];
  for (let i = 0; i < 20; i++) {
    const from = w;
    const loss = sum(square(w));
    const { inputs } = from;
    let reads = 0;
    Object.defineProperty(from, "inputs", { configurable: true, get: () => (reads++, inputs) });
    w = sub(w, mul(grad(loss, w), RATE));
    Reflect.deleteProperty(from, "inputs");
    visited.push(reads);
    await loss.item();
  }
  assert.equal(new Set(visited.slice(1)).size, 1, String(visited));
});

test("backward visits only entries on a path to a leaf that requires a gradient [float64]", () => {
  let old = tensor([1]);
  for (let i = 0; i < 100; i++) old = add(old, 1);
  const w = detach(old, { requiresGrad: true });
  const loss = sum(mul(w, old));
  Object.defineProperty(old.inputs[0], "inputs", {
    get: () => {
      throw new Error("visited");
    },
  });
  backward(loss);
  assert.ok(w.grad);
});

const collect = garbageCollector();
const collected = (text: string) => skip(text, collect ? undefined : "the garbage collector cannot be called here");

const collectAtOnce = runtime() === "node" ? findCollector() : null;
const collectedAtOnce = (text: string) =>
  skip(text, collectAtOnce ? undefined : "under Node: it counts the bytes of arrays");

// All loops in one test, since a collection takes longer than the steps of a loop.
test(...collected("parameters that a loop releases are garbage-collected, in every loop [float64]"), async () => {
  await useDevice("float64");
  // A collector that scans the stack may consider an old value held, and with it everything computed from it, but not
  // each time.
  let left = Object.keys(all).filter((loop) => loop !== "a regression that never detaches");
  for (let attempt = 0; attempt < 5 && left.length > 0; attempt++) {
    const running = left.map((loop) => ({ loop, ...all[loop].make(), held: [] as WeakRef<Tensor>[] }));
    for (const { step, held } of running) for (let i = 0; i < 120; i++) held.push(new WeakRef((await step()).w));
    await collect!();
    left = running.filter(({ held }) => held.filter((ref) => ref.deref() !== undefined).length > 24)
      .map(({ loop }) => loop);
    for (const { step } of running) await step();
  }
  assert.deepEqual(left, [], "more than 24 of 120 are alive");
});

test(...collected("what a program drops is not kept for computations to come [float64]"), async () => {
  await useDevice("float64");
  /** A batch on its way to a loss, in forms from which computations start: moved, moved and used again, and computed. */
  const step = async (): Promise<WeakRef<Tensor>[]> => {
    const batch = tensor(START);
    const moved = reshape(batch, [1, 3]), features = square(moved);
    await realize([features]);
    const loss = add(sum(features), sum(reshape(moved, [3, 1])));
    await realize([loss, grad(loss, moved)]);
    return [batch, moved, features, loss].map((t) => new WeakRef(t));
  };
  // A collector that scans the stack may consider a value of the last steps held.
  const held: WeakRef<Tensor>[] = [];
  for (let i = 0; i < 6; i++) held.push(...await step());
  await collect!();
  const alive = held.filter((ref) => ref.deref() !== undefined).length;
  assert.ok(alive <= 8, `${alive} of ${held.length} are alive`);
});

test(
  ...collectedAtOnce("what a program drops is collected while it computes without ending a task [wasm]"),
  async () => {
    const size = 1 << 16, steps = 64, bytes: number[] = [];
    await useDevice("wasm");
    for (let i = 0; i < steps; i++) {
      const moved = reshape(tensor(new Float32Array(size), [size], { copy: false }), [1, size]);
      await realize([sum(moved)]);
      if (i % 8 !== 7) continue;
      collectAtOnce!();
      bytes.push(process.memoryUsage().arrayBuffers);
    }
    const batches = (Math.max(...bytes) - bytes[0]) / (4 * size);
    assert.ok(batches < 32, `${batches} of ${steps} batches at once`);
  },
);

test(
  ...collected("gradients with respect to tensors that the program holds work after any number of steps [float64]"),
  async () => {
    await useDevice("float64");
    const rate = tensor(RATE);
    const start = tensor(START);
    let w: Tensor = start;
    let middle: Tensor | null = null;
    let gradient: Tensor | null = null;
    let loss: Tensor = sum(w);
    for (let i = 0; i < 40; i++) {
      loss = sum(square(w));
      const slope = grad(loss, w);
      w = sub(w, mul(slope, rate));
      if (i === 15) [middle, gradient] = [w, slope];
      await loss.item();
      if (i % 20 === 19) await collect!();
    }
    const [byRate, byStart, byMiddle, bySlope] = grad(loss, [rate, start, middle!, gradient!]);
    // The last loss is that of the start, shrunk by 1 - 2 rate in each of 39 steps; `middle` is the result of 16 steps.
    const squares = START.reduce((total, x) => total + x * x, 0);
    const shrink = 1 - 2 * RATE;
    const close = (actual: ArrayLike<number>, expected: number[]) =>
      assertClose(actual, expected, (e) => 1e-9 * Math.abs(e), "gradient");
    close(await byRate.data(), [-4 * 39 * squares * shrink ** 77]);
    close(await byStart.data(), START.map((x) => 2 * x * shrink ** 78));
    close(await byMiddle.data(), START.map((x) => 2 * x * shrink ** 16 * shrink ** 46));
    close(await bySlope.data(), START.map((x) => -RATE * 2 * x * shrink ** 16 * shrink ** 46));
  },
);

test(
  ...collected("parameters held without the tensors they were computed from can still be read [float64]"),
  async () => {
    await useDevice("float64");
    const { step } = loops["a loop that reads its loss"]();
    const some: Tensor[] = [];
    for (let i = 0; i < 50; i++) {
      const { w } = await step();
      if (i % 10 === 0) some.push(w);
    }
    await collect!();
    for (const [k, w] of some.entries()) {
      const factor = (1 - 2 * RATE) ** (10 * k + 1);
      assertClose(await w.data(), START.map((x) => x * factor), (e) => 1e-12 * Math.abs(e), "parameters");
      assertClose(
        await grad(sum(square(w)), w).data(),
        START.map((x) => 2 * x * factor),
        (e) => 1e-12 * Math.abs(e),
        "",
      );
    }
  },
);
