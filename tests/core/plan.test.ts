import assert from "node:assert/strict";
import { test } from "node:test";
import {
  add,
  arange,
  argmax,
  argmin,
  broadcastTo,
  concat,
  cos,
  div,
  exp,
  flip,
  full,
  grad,
  greater,
  inspect,
  log,
  logSumExp,
  matmul,
  max,
  mean,
  min,
  mul,
  pad,
  realize,
  reshape,
  scan,
  sin,
  slice,
  softmax,
  sort,
  square,
  stack,
  sub,
  sum,
  take,
  type Tensor,
  tensor,
  transpose,
  unsqueeze,
  useDevice,
  where,
  zeros,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import type { Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import { sampleOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { assertClose } from "../ops/compare.ts";
import { randomFrom } from "../../verify/random.ts";

const devices = await devicesUnderTest();
await useDevice("float64");

const MAX_ARGUMENTS = 7;
const MAX_ITERATIONS = 65_535;

function randomTensor(shape: readonly number[], seed = 1): Tensor {
  const random = randomFrom(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, () => random() * 2 - 1), [...shape]);
}

async function steps(...outputs: Tensor[]) {
  const shown = await inspect(outputs);
  for (const step of shown.steps) {
    assert.ok(step.args.length <= MAX_ARGUMENTS, `${step.name} has ${step.args.length} arguments`);
    assert.ok(step.iterations <= MAX_ITERATIONS, `${step.name} loops ${step.iterations} times`);
  }
  return shown.steps;
}

const x = randomTensor([6, 5]);

const oneKernel: Record<string, () => Tensor> = {
  "elementwise ops": () => add(mul(exp(x), sin(x)), square(cos(x))),
  "an elementwise op over broadcast inputs": () => mul(add(x, tensor([1, 2, 3, 4, 5])), tensor(3)),
  "a chain of movements": () => reshape(flip(transpose(slice(x, [[1, 5], [0, 5, 2]])), 0), [2, 6]),
  "movement between elementwise ops": () => exp(reshape(transpose(add(x, 1)), [3, 10])),
  "padding": () => mul(pad(exp(x), [[1, 0], [2, 2]], 0), 2),
  "concat": () => exp(concat([x, mul(x, 2)], 1)),
  "stack": () => stack([x, mul(x, 2), exp(x)], 1),
  "a comparison": () => where(greater(x, 0), log(x), 1),
  "a sum over elementwise ops": () => sum(mul(exp(x), x), 1),
  "an elementwise op over a sum": () => mul(log(sum(exp(x), 1)), 2),
  "log-sum-exp": () => logSumExp(x, 1),
  "log-sum-exp written out": () => {
    const top = max(x, 1, { keepDims: true });
    return add(log(sum(exp(sub(x, top)), 1)), reshape(top, [6]));
  },
  "several reductions over one axis": () => div(sub(max(x, 1), min(x, 1)), add(mean(x, 1), 9)),
  "log-sum-exp over the first axis": () => logSumExp(x, 0),
  "log-sum-exp over both axes": () => logSumExp(x),
  "argmax": () => argmax(exp(x), 1),
  "a progression": () => mul(x, arange(5)),
};

for (const [name, build] of Object.entries(oneKernel)) {
  test(`one kernel: ${name}`, async () => {
    const made = await steps(build());
    assert.equal(made.length, 1, made.map((s) => s.name).join(", "));
  });
}

test("log-sum-exp of SSD's logits is one kernel", async () => {
  for (const [shape, axis] of [[[8732, 81], 1], [[8, 81, 8732], 1], [[8, 8732, 81], 2]] as const) {
    const made = await steps(logSumExp(zeros(shape), axis));
    assert.equal(made.length, 1, `${shape}: ${made.map((step) => step.name).join(", ")}`);
  }
});

test("softmax of long rows does not recompute the sum for each element", async () => {
  const wide = randomTensor([8732, 81]);
  const made = await steps(softmax(wide, 1));
  assert.ok(made.length <= 4, made.map((step) => step.name).join(", "));
  // The sum over 81 classes is not in the kernel of the elements, which has no loop.
  assert.equal(made.at(-1)!.iterations, 0);
});

test("a value shared by several results is computed once", async () => {
  const expensive = exp(sin(exp(cos(randomTensor([100_000])))));
  const made = await steps(...[1, 2, 3, 4].map((k) => flip(mul(expensive, k), 0)));
  const total = made.map((s) => s.source.match(/Math\.sin/g)?.length ?? 0).reduce((a, b) => a + b, 0);
  assert.equal(total, 1, `Math.sin occurs ${total} times`);
});

test("an elementwise function of few elements, broadcast to many, is not computed for each of them", async () => {
  const few = exp(sin(randomTensor([1000, 1])));
  const made = await steps(mul(broadcastTo(few, [1000, 1000]), randomTensor([1000, 1000])));
  assert.equal(made.length, 2);
});

test("tensors that are not requested are not computed", async () => {
  const wide = randomTensor([8, 8]);
  const made = await steps(slice(exp(wide), [[0, 2]]));
  assert.equal(made.length, 1);
  assert.deepEqual([...made[0].shape], [2, 8]);
});

test("a value whose reshape is asked for has the threads of its own shape, and both are results with an array each", async () => {
  const y = mul(x, 2);
  const flat = reshape(sum(mul(unsqueeze(y, 1), unsqueeze(y, 0)), 2), [36]);
  assert.deepEqual((await steps(flat)).map(({ shape }) => shape), [[6, 6]]);
  assert.deepEqual(await steps(reshape(x, [30])).then((found) => found.map(({ name }) => name)), ["reshape"]);
  const twice = reshape(y, [30]), thrice = reshape(y, [10, 3]);
  await realize([y, twice, thrice]);
  const [a, b, c] = await Promise.all([y, twice, thrice].map((t) => t.data({ copy: false })));
  assert.deepEqual([a, b], [b, c]);
  assert.equal(new Set([a, b, c].map(({ buffer }) => buffer)).size, 3);
});

test("rows that are taken and read again and again in a product have an array on wasm", async () => {
  const places = tensor(Int32Array.from({ length: 40 }, (_, i) => i % 30), [40], { dtype: "int" });
  const product = matmul(take(reshape(x, [30]), reshape(places, [8, 5])), randomTensor([5, 200_000]));
  const shown = await inspect(product, { device: "wasm" });
  assert.deepEqual(shown.steps.map(({ name }) => name), ["take", "sum"]);
});

test("values that a step needs several times have an array in its body if it runs often", async () => {
  const step = (carry: Tensor): [Tensor, null] => {
    const waves = sin(exp(cos(carry)));
    return [add(waves, flip(waves)), null];
  };
  const kernelsOf = async (count: number) => {
    const [{ steps: [...own] }] = (await inspect(scan(step, randomTensor([1000]), count)[0])).loops;
    return own.length;
  };
  assert.equal(await kernelsOf(3), 1);
  assert.equal(await kernelsOf(3000), 2);
});

test("rows of threads on wasm are short where long ones would divide", async () => {
  const wide = randomTensor([40, 20]);
  const rowsOf = async (y: Tensor) => (await inspect(y, { device: "wasm" })).steps[0].loops.match(/for each (.*)/)![1];
  assert.equal(await rowsOf(exp(wide)), "x < 800");
  assert.equal(await rowsOf(exp(sub(wide, unsqueeze(randomTensor([40]), 1)))), "x < 20, y < 40");
  assert.equal(await rowsOf(pad(slice(wide, [null, [1, null]]), [[0, 0], [0, 1]])), "x < 20, y < 40");
  assert.equal(await rowsOf(exp(sub(randomTensor([40, 3]), unsqueeze(randomTensor([40]), 1)))), "x < 120");
});

test("a sum of 20 leaves binds at most seven arrays per kernel", async () => {
  const leaves = Array.from({ length: 20 }, (_, i) => randomTensor([4, 3], i));
  const made = await steps(leaves.reduce((a, b) => add(a, b)));
  assert.ok(made.length >= 3 && made.length <= 5, `${made.length} kernels`);
  await steps(concat(leaves, 0));
  await steps(sum(stack(leaves, 1)));
  await steps(exp(concat(leaves.map((t) => mul(t, 2)), 1)));
});

test("a sum over a million elements loops at most 65,535 times per thread", async () => {
  const million = zeros([1_000_000]);
  assert.equal((await steps(sum(add(million, 1)))).length >= 2, true);
  await steps(sum(add(zeros([1000, 1000]), 1)));
  await steps(max(add(zeros([1000, 1000]), 1), 0));
  await steps(argmax(add(million, 1)));
  await steps(argmax(add(zeros([2, 500_000]), 1), 1));
  await steps(logSumExp(add(zeros([3, 100_000]), 1), 1));
  await steps(sum(mul(zeros([100, 100, 100]), 2), [0, 2]));
});

test("a kernel that would loop over two long axes is split", async () => {
  const [a, b] = [randomTensor([400]), randomTensor([400, 1])];
  const pairs = mul(square(sub(a, b)), 0.5);
  await steps(sum(mul(pairs, sum(exp(pairs), 0))));
  await steps(sort(randomTensor([2, 400]), 1));
});

test("inspect shows tape, plan and source without computing", async () => {
  const device = await useDevice("float64");
  const { compiled } = device;
  const y = logSumExp(add(tensor([[1, 2], [3, 4]]), 1), 1);
  const shown = await inspect(y);
  assert.equal(y.value, null);
  assert.equal(device.compiled, compiled);
  assert.match(shown.tape, /leaf/);
  assert.match(shown.tape, /add/);
  assert.match(shown.steps[0].source, /^function/);
  assert.match(shown.steps[0].source, /Math\.exp/);
  for (const part of [shown.tape, shown.plan, shown.steps[0].source]) {
    assert.equal(String(shown).includes(part.trim()), true);
  }
});

/** A composite that is computed as this. */
function composite(name: string, lower: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  const op: Op = {
    name,
    infer: ([{ shape, dtype }]) => ({ shape, dtype }),
    kernel: { kind: "lowered", lower: ([x]) => lower(x) },
    vjp: null,
  };
  return (x) => record(op, [x]);
}

test("a composite may be made of numbers and filled tensors, but not of tensors with values", async () => {
  const input = tensor([1, 2, 3]);
  const filled = composite("filled", (x) => add(mul(x, 2), add(full([3], 0.5), arange(3))));
  assert.deepEqual(await filled(input).toArray(), [2.5, 5.5, 8.5]);
  const weights = tensor([10, 20, 30]);
  const inner = composite("inner", (x) => mul(x, weights));
  const refused = (name: string) => new RegExp(`^Error: plan: the kernel of "${name}" reads a tensor .* shape \\[3\\]`);
  await assert.rejects(inner(input).toArray(), refused("inner"));
  await assert.rejects(composite("outer", (x) => exp(inner(add(x, 1))))(input).toArray(), refused("inner"));
  await assert.rejects(composite("new", (x) => add(filled(x), tensor([1, 2, 3])))(input).toArray(), refused("new"));
  // The same tensor as an input has its values.
  assert.deepEqual(await mul(input, weights).toArray(), [10, 40, 90]);
});

test("forward and backward share one plan", async () => {
  const w = randomTensor([5, 4]);
  const logits = sum(mul(unsqueeze(x, 2), w), 1);
  const loss = mean(logSumExp(logits, 1));
  const made = await steps(loss, grad(loss, w));
  assert.ok(made.length <= 8, made.map((s) => s.name).join(", "));
});

// Plans with stages, cut arguments and shared values, compared with plain loops.

const large: Record<string, (random: () => number) => { y: Tensor; expected: () => ArrayLike<number> }> = {};

for (const n of [511, 512, 513, 1000, 4096, 4099, 70_001]) {
  large[`the sum, the mean and the extremes of ${n} elements`] = (random) => {
    const data = Float32Array.from({ length: n }, () => Math.round(random() * 200 - 100));
    const t = tensor(data);
    const places = [argmax(t, 0), sum(where(greater(t, 0), 1, 0))];
    return {
      y: stack([sum(t), max(t), min(t), ...places.map((p) => add(p, 0.5))], 0),
      expected: () => {
        let [total, high, low, positive] = [0, -Infinity, Infinity, 0];
        for (const v of data) {
          total += v;
          high = Math.max(high, v);
          low = Math.min(low, v);
          if (v > 0) positive++;
        }
        return [total, high, low, data.indexOf(high) + 0.5, positive + 0.5];
      },
    };
  };
}

for (const shape of [[3, 1000], [1000, 3], [2, 700, 2], [1, 40_000], [2500, 600]]) {
  for (const axis of shape.keys()) {
    large[`the sum and the place of the maximum of [${shape}] along axis ${axis}`] = (random) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: size }, () => Math.floor(random() * 50));
      const t = tensor(data, shape);
      return {
        y: add(
          mul(argmax(t, axis), 2 ** 12),
          sum(square(slice(t, shape.map((_, i) => i === axis ? [0, 500, 7] : null))), axis),
        ),
        expected: () => {
          const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
          const n = shape[axis];
          return Float64Array.from({ length: size / n }, (_, i) => {
            const start = Math.floor(i / stride) * stride * n + (i % stride);
            let [best, total] = [0, 0];
            for (let k = 0; k < n; k++) {
              const v = data[start + k * stride];
              if (v > data[start + best * stride]) best = k;
              if (k % 7 === 0 && k < 500) total += v * v;
            }
            return best * 2 ** 12 + total;
          });
        },
      };
    };
  }
}

for (const shape of [[60, 70], [3, 700], [700, 3], [1, 2000], [20, 30, 40]]) {
  large[`the places of the extremes of [${shape}] over all axes`] = (random) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: size }, () => Math.floor(random() * 300));
    const t = tensor(data, shape);
    return {
      y: stack([argmax(t), argmin(t)], 0),
      expected: () => [data.indexOf(Math.max(...data)), data.indexOf(Math.min(...data))],
    };
  };
}

large["a sum of 20 leaves"] = (random) => {
  const data = Array.from({ length: 20 }, () => Float32Array.from({ length: 12 }, () => Math.round(random() * 100)));
  return {
    y: data.map((d) => tensor(d, [4, 3])).reduce<Tensor>((a, b) => add(a, b), zeros([4, 3])),
    expected: () => data[0].map((_, i) => data.reduce((s, d) => s + d[i], 0)),
  };
};

large["a sum of 20 leaves, every other transposed"] = (random) => {
  const data = Array.from({ length: 20 }, () => Float32Array.from({ length: 9 }, () => Math.round(random() * 100)));
  const at = (d: Float32Array, k: number, i: number) => d[k % 2 ? (i % 3) * 3 + Math.floor(i / 3) : i];
  return {
    y: data.map((d, k) => k % 2 ? transpose(tensor(d, [3, 3])) : tensor(d, [3, 3])).reduce<Tensor>(
      (a, b) => add(a, b),
      zeros([3, 3]),
    ),
    expected: () => data[0].map((_, i) => data.reduce((s, d, k) => s + at(d, k, i), 0)),
  };
};

large["twelve leaves side by side, padded and summed"] = (random) => {
  const data = Array.from({ length: 12 }, () => Float32Array.from({ length: 5 }, () => Math.round(random() * 100)));
  return {
    y: sum(pad(concat(data.map((d) => tensor(d)), 0), [[3, 3]], 1)),
    expected: () => [6 + data.reduce((s, d) => s + d.reduce((a, b) => a + b, 0), 0)],
  };
};

for (const { device, on, extent } of devices) {
  for (const [name, build] of sampleOf(extent, Object.entries(large))) {
    test(...on(name), async () => {
      const { y, expected } = build(randomFrom(7));
      await bring([y], { device });
      assertClose(y.value!, expected(), (e) => 1e-7 * Math.abs(e), name);
    });
  }
}
