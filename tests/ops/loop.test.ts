/** Loops on the tape: what `scan` records is what its steps are, one after the other, and does not grow with their number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { opOf } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import {
  add,
  broadcastTo,
  cast,
  compile,
  customVjp,
  full,
  grad,
  greater,
  hold,
  inspect,
  type Inspection,
  jvp,
  log,
  maximum,
  mul,
  random,
  scan,
  sin,
  slice,
  sqrt,
  square,
  stack,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  useDevice,
  where,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { gradcheck } from "../../verify/mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";

const oracle = await useDevice("float64");

type Step = (carry: readonly Tensor[], x: readonly Tensor[]) => readonly [Tensor[], Tensor[]];
type Scan = (step: Step, initial: readonly Tensor[], xs: readonly Tensor[], reverse: boolean) => [Tensor[], Tensor[]];

/** The definition: each step recorded after the other. */
const oneByOne: Scan = (step, initial, xs, reverse) => {
  const n = xs[0].shape[0];
  let carry = [...initial];
  const rows: Tensor[][] = new Array(n);
  for (let i = 0; i < n; i++) {
    const place = reverse ? n - 1 - i : i;
    [carry, rows[place]] = step(carry, xs.map((x) => slice(x, [place])));
  }
  return [carry, rows[0].map((_, k) => stack(rows.map((row) => row[k])))];
};

const looped: Scan = (step, initial, xs, reverse) => {
  const [carry, ys] = scan(step, initial, xs, { reverse });
  return [[...carry], [...ys]];
};

/** Names of the values that a step is made of: carries a and b, an int c, a row x, and tensors v and w from outside. */
type Make = (values: Record<string, Tensor>, by: Scan) => Tensor;

const makers: Record<string, Make> = {
  smooth: ({ a, x, w }) => sin(add(mul(a, w), x)),
  product: ({ a, b, v }) => mul(tanh(a), add(b, v)),
  larger: ({ a, b }) => maximum(a, b),
  choice: ({ a, x, v }) => where(greater(a, v), mul(a, 0.5), x),
  counted: ({ a, c }) => mul(a, add(0.3, mul(0.1, cast(c, "float")))),
  total: ({ a, b, w }) => tanh(add(a, sum(mul(b, w)))),
  turned: ({ a, x }) => add(mul(0.4, slice(a, [[null, null, -1]])), x),
  held: ({ b, x }) => sub(mul(b, hold(sin(b))), x),
  same: ({ b }) => b,
  outside: ({ v }) => v,
  slope: ({ a, x }) => mul(0.2, grad(sum(mul(sin(a), x)), a)),
  pushed: ({ a, x, v }) => mul(0.3, jvp((t: Tensor) => mul(t, sin(t)), [a], [add(x, v)])[1]),
  nested: ({ a, b, x, w }, by) => {
    const rows = stack([a, x, mul(b, 0.5)]);
    const [[last], [ys]] = by(
      ([s], [r]) => {
        const next = sin(add(mul(s, w), r));
        return [[next], [mul(next, a)]];
      },
      [b],
      [rows],
      true,
    );
    return add(last, mul(0.1, sum(ys, 0)));
  },
};

const kinds = Object.keys(makers);

interface Case {
  readonly nextA: string;
  readonly nextB: string;
  readonly row: string;
  readonly steps: number;
  readonly reverse: boolean;
  readonly seed: number;
}

function cases(names: readonly string[], most: number): fc.Arbitrary<Case> {
  const name = fc.constantFrom(...names);
  const seed = fc.integer({ min: 1, max: 1000 });
  const steps = fc.integer({ min: 3, max: most });
  return fc.record({ nextA: name, nextB: name, row: name, steps, reverse: fc.boolean(), seed });
}

function leavesFor({ steps, seed }: Case): Tensor[] {
  const draw = (shape: number[], key: number) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tensor(Float32Array.from({ length: size }, (_, i) => Math.sin(seed * 7.1 + key * 3.7 + i * 1.9)), shape);
  };
  return [draw([2], 1), draw([2], 2), draw([steps, 2], 3), draw([2], 4), draw([], 5)];
}

/** The last carries and the rows, and gradients of a weighted sum of them, of as many orders as asked for. */
function resultsOf(by: Scan, given: Case, leaves: readonly Tensor[], order: number): Tensor[] {
  const [a, b, x, v, w] = leaves;
  const step: Step = ([a, b, c], [x]) => {
    const values = { a, b, c, x, v, w };
    return [[makers[given.nextA](values, by), makers[given.nextB](values, by), add(c, 1)], [
      makers[given.row](values, by),
      c,
    ]];
  };
  const [[lastA, lastB, count], [ys, counts]] = by(step, [a, b, tensor(0, [], { dtype: "int" })], [x], given.reverse);
  const results = [lastA, lastB, count, ys, counts];
  let y = add(sum(mul(lastA, v)), sum(square(ys)));
  for (let i = 0; i < order; i++) {
    const slopes = grad(y, leaves, undefined, { allowUnused: true });
    results.push(...slopes);
    y = slopes.map((g, k) => sum(mul(g, 0.3 + k))).reduce(add);
  }
  return results;
}

function assertNear(actual: readonly Tensor[], expected: readonly Tensor[], off: number): void {
  actual.forEach((t, k) => {
    assert.deepEqual([t.shape, t.dtype], [expected[k].shape, expected[k].dtype]);
    const values = expected[k].value!;
    const size = Math.max(1, ...values.map(Math.abs));
    t.value!.forEach((v, i) => {
      assert.ok(Math.abs(v - values[i]) <= off * size, `result ${k}: ${v} instead of ${values[i]} at ${i}`);
    });
  });
}

async function checkSecondOrder(given: Case): Promise<void> {
  const leaves = leavesFor(given);
  const [actual, expected] = [looped, oneByOne].map((by) => resultsOf(by, given, leaves, 2));
  await bring([actual, expected]);
  assertNear(actual, expected, 1e-10);
}

test("a loop is its steps: values, gradients and second derivatives [float64]", async () => {
  await checkProperty(cases(kinds, 5), checkSecondOrder, { runs: 8 });
});

test("loops run in the order of what they need, however they are reached [float64]", async () => {
  await checkSecondOrder({ nextA: "nested", nextB: "smooth", row: "nested", steps: 3, reverse: false, seed: 1 });
});

for (const { device, on, single, extent } of await devicesUnderTest()) {
  test(...on("a loop is its steps on every device: values and gradients"), async () => {
    await checkProperty(
      cases(["smooth", "product", "total", "turned", "counted", "same", "nested"], 3),
      async (given) => {
        const leaves = leavesFor(given);
        const expected = resultsOf(oneByOne, given, leaves, 1);
        await bring(expected, { device: "float64" });
        const actual = resultsOf(looped, given, leaves, 1);
        await bring(actual, { device });
        assertNear(actual, expected, single ? 1e-4 : 1e-10);
      },
      { runs: 4, extent },
    );
  });
}

/** The kernels and loops of a plan, those within loops included. */
function countOf({ steps, loops }: Pick<Inspection, "steps" | "loops">): number {
  return steps.length + loops.reduce((n, loop) => n + 1 + countOf(loop), 0);
}

test("neither the tape nor the plan of a gradient grows with the number of steps [float64]", async () => {
  const shown = (steps: number) => {
    const given: Case = { nextA: "smooth", nextB: "total", row: "product", steps, reverse: false, seed: 1 };
    return inspect(resultsOf(looped, given, leavesFor(given), 2), { device: "float64" });
  };
  const [few, many] = [await shown(4), await shown(4000)];
  assert.equal(countOf(many), countOf(few));
  assert.equal(many.tape.split("\n").length, few.tape.split("\n").length);
  assert.ok(few.loops.length >= 3, "a loop for the values and at least one for each order");
});

test("a step that records something else each time is recorded each time, and called once for each element", async () => {
  const xs = tensor([1, 2, 3, 4]);
  let calls = 0;
  const [counted] = scan((c: Tensor, x: Tensor) => [add(c, mul(x, 10 ** calls++)), null], tensor(0), xs);
  assert.equal(await counted.item(), 4321);
  assert.equal(calls, 4);
  let key = 3;
  const [noisy, draws] = scan(
    (c: Tensor, x: Tensor) => {
      const noise = random.normal(key++, []);
      return [add(c, mul(x, noise)), noise];
    },
    tensor(0),
    xs,
  );
  const [sums, values] = [await noisy.item(), Array.from(await draws.data())];
  assert.equal(new Set(values).size, 4);
  assert.ok(Math.abs(sums - values.reduce((s, z, i) => s + z * (i + 1), 0)) < 1e-12);
  let odd = 0;
  assert.throws(
    () => scan((c: Tensor) => [c, odd++ % 2 ? tensor([1, 2]) : tensor(1)], tensor(0), 5),
    /expected each step to return a y like the first, \[\], got \[2\]/,
  );
});

test("numbers in a step are lifted: one that changes each call makes no new plan for ever [float64]", async () => {
  const fit = async (rate: number) => {
    const w = tensor(1);
    const [last] = scan((p: Tensor, x: Tensor) => [sub(p, mul(rate, mul(p, x))), null], w, tensor([1, 2, 3, 4]));
    const slope = grad(last, w);
    await bring([last, slope]);
    return [last.value![0], slope.value![0]];
  };
  const expected = (rate: number) => [1, 2, 3, 4].reduce((p, x) => p * (1 - rate * x), 1);
  for (const rate of [0.1, 0.11]) await fit(rate);
  const before = oracle.compiled;
  for (const rate of [0.12, 0.05, 0.2]) {
    const [value, slope] = await fit(rate);
    assert.ok(Math.abs(value - expected(rate)) < 1e-12 && Math.abs(slope - expected(rate)) < 1e-12);
  }
  assert.equal(oracle.compiled, before);
});

test("a value that is read before its gradient is recorded, and a compiled loop, are the same [float64]", async () => {
  const given: Case = { nextA: "smooth", nextB: "same", row: "product", steps: 6, reverse: true, seed: 2 };
  const leaves = leavesFor(given);
  const value = (x: Tensor) => {
    const [a, b, , v, w] = leaves;
    const [[last], [ys]] = looped(
      ([a, b], [x]) => {
        const next = sin(add(mul(a, w), x));
        return [[next, b], [mul(tanh(a), add(b, v))]];
      },
      [a, b],
      [x],
      true,
    );
    return add(sum(last), sum(ys));
  };
  const whole = grad(value(leaves[2]), leaves[2]);
  const expected = await whole.toArray();
  const y = value(leaves[2]);
  await y.item();
  assert.deepEqual(await grad(y, leaves[2]).toArray(), expected);
  const slope = compile((x) => grad(value(x), x));
  assert.deepEqual(await (await slope(leaves[2])).toArray(), expected);
});

/** Values whose slopes are infinite or NaN at 0, selected or not. */
const edges: Record<string, (values: Record<string, Tensor>) => Tensor> = {
  guardedRoot: ({ x, a }) => where(greater(x, 0), sqrt(x), a),
  guardedLog: ({ x, b }) => where(greater(x, 0), log(x), b),
  root: ({ a, x }) => sqrt(mul(square(a), x)),
  half: ({ a, x }) => stack([slice(a, [1]), slice(x, [0])]),
  choice: ({ a, b, x }) => where(greater(x, 0.5), a, mul(b, x)),
  larger: ({ a, x }) => maximum(a, mul(2, x)),
  same: ({ b }) => b,
  next: ({ x }) => x,
};

test(
  "what steps did not select is absent from the gradient, as it is from that of each step [float64]",
  async () => {
    const name = fc.constantFrom(...Object.keys(edges));
    const input = fc.record({
      names: fc.tuple(name, name, name),
      x: fc.array(fc.tuple(fc.constantFrom(0, 0.25, 1), fc.constantFrom(0, 0.25, 1)), { minLength: 3, maxLength: 4 }),
      uses: fc.constantFrom("carry", "rows", "both", "one row", "one element"),
      reverse: fc.boolean(),
    });
    await checkProperty(input, async ({ names, x, uses, reverse }) => {
      const leaves = [tensor([0.5, 0]), tensor([0, 2]), tensor(x)];
      const gradients = (by: Scan) => {
        const [a, b, xs] = leaves;
        const step: Step = ([a, b], [x]) => {
          const [nextA, nextB, row] = names.map((name) => edges[name]({ a, b, x }));
          return [[nextA, nextB], [row]];
        };
        const [[last], [ys]] = by(step, [a, b], [xs], reverse);
        const [carry, rows] = [sum(mul(last, 3)), sum(mul(ys, 2))];
        const used = {
          carry,
          rows,
          both: add(carry, rows),
          "one row": sum(slice(ys, [1])),
          "one element": slice(last, [0]),
        };
        return grad(used[uses as keyof typeof used], leaves, undefined, { allowUnused: true });
      };
      const [actual, expected] = [looped, oneByOne].map(gradients);
      await bring([actual, expected]);
      actual.forEach((t, k) => {
        t.value!.forEach((v, i) => {
          const e = expected[k].value![i];
          assert.ok(
            v === e || (Number.isNaN(v) && Number.isNaN(e)) || Math.abs(v - e) <= 1e-12 * Math.abs(e),
            `${v} instead of ${e} at ${i} of ${k}`,
          );
        });
      });
    }, { runs: 15 });
  },
);

test("a tensor that a step uses can be differentiated with respect to, though it is a constant [float64]", async () => {
  const bias = full([2], 0.5);
  const step: Step = ([c], [x]) => [[add(mul(c, bias), x)], [broadcastTo(bias, [3, 2])]];
  const results = (by: Scan) => {
    const [[last], [rows]] = by(step, [tensor([1, 2])], [tensor([[1, 2], [3, 4], [5, 6]])], false);
    return grad(add(sum(last), sum(rows)), bias);
  };
  assert.deepEqual(await results(looped).toArray(), await results(oneByOne).toArray());
});

test("a gradient that is cut within a step says by what, and one without influence that there is none", () => {
  const [w, u, xs] = [tensor(2), tensor(3), tensor([1, 2, 3, 4])];
  const [[a, b]] = scan(
    ([a, b]: readonly Tensor[], x: Tensor): [Tensor[], null] => {
      return [[add(a, cast(greater(mul(w, x), 1), "float")), add(b, mul(u, x))], null];
    },
    [tensor(0), tensor(0)],
    xs,
  );
  assert.throws(() => grad(a, w), /every path from y to it is cut by an op without derivative: "greater"/);
  assert.throws(() => grad(a, u), /y does not depend on it/);
  assert.throws(() => grad(b, w), /y does not depend on it/);
});

test(
  "a check looks into loops: wrong rules within a step and of the loop itself are found [float64]",
  async () => {
    const network = (rule: (x: Tensor) => Tensor) => (w: Tensor, xs: Tensor) =>
      scan((h: Tensor, x: Tensor) => [tanh(add(mul(w, rule(h)), x)), null], tensor([0.3, 0.1]), xs)[0];
    const inputs = [[0.5, -1], [[1, 2], [0.5, -1], [0.3, 1], [0, 1]]];
    const right = await gradcheck(network((x) => sin(x)), inputs, { mode: "fast", order: 2 });
    assert.equal(right.verdict, "ok");
    const off = customVjp((x: Tensor) => sin(x), ({ cotangent }) => mul(cotangent, 0.9), { name: "off" });
    const wrong = await gradcheck(network(off), inputs, { mode: "fast" });
    assert.equal(wrong.verdict, "wrong");
    assert.deepEqual(wrong.tape.filter(({ suspect }) => suspect).map(({ op }) => op), ["off"]);
    // The rule of the loop, off by a thousandth.
    const broken = (w: Tensor, xs: Tensor) => {
      const last = network((x) => sin(x))(w, xs);
      const [loop] = last.inputs;
      const op = opOf(loop);
      const pull: NonNullable<typeof op.pull> = (context) =>
        op.pull!(context).map((part) => part && { ...part, value: mul(part.value, 1.001) });
      return record(opOf(last), [record({ ...op, pull }, loop.inputs, loop.attributes)], last.attributes);
    };
    const report = await gradcheck(broken, inputs, { mode: "fast" });
    assert.equal(report.verdict, "wrong");
    assert.ok(report.findings.some(({ message }) => /loop/.test(message)), JSON.stringify(report.findings));
  },
);
