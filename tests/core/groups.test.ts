/** Groups on `wasm`: kernels that run part by part, with parts of a thread's own in place of what nobody else reads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wasm } from "../../core/backends/wasm.ts";
import { type Group, groupsOf } from "../../core/backends/wasm/groups.ts";
import { writeKernel } from "../../core/backends/wasm/kernel.ts";
import { makePlan, sizeOfSource } from "../../core/plan/plan.ts";
import { sizeOf } from "../../core/shape.ts";
import { Program } from "../../core/program.ts";
import {
  add,
  clamp,
  exp,
  flip,
  inspect,
  max,
  min,
  mul,
  reshape,
  softmax,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { checkProperty } from "../support/property.ts";
import { placed } from "./own_memory.ts";

/** Whole numbers from -3 to 3, in no order. */
function whole(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, (_, i) => (i * 31 + (i % 101) * seed) % 7 - 3), shape);
}

function planOf(outputs: readonly Tensor[]): { groups: readonly Group[]; own: number } {
  const { leaves } = new Program(outputs);
  const groups = groupsOf(makePlan(outputs, leaves, wasm));
  return { groups, own: groups.flatMap(({ columns }) => columns).filter(({ out }) => out !== null).length };
}

/** One step of a program over columns. `column` is one of the values so far, as a reduction along rows or not. */
interface Step {
  readonly kind: "reduce" | "combine" | "shift" | "mix";
  readonly of: number;
  readonly with: number;
}

/** Values of shape [batch, rows, columns] or [batch, 1, columns], small whole numbers all of them, the first one given. */
function columnProgram(x: Tensor, steps: readonly Step[]): Tensor[] {
  const values = [x];
  for (const { kind, of, with: other } of steps) {
    const [a, b] = [values[of % values.length], values[other % values.length]];
    const reduce = [sum, max, min][other % 3];
    if (kind === "reduce") values.push(clamp(reduce(a, 1, { keepDims: true }), -3, 3));
    else if (kind === "combine") values.push(clamp(add(mul(a, b), sub(b, x)), -3, 3));
    // What other columns or rows have, which no part knows of.
    else if (kind === "shift") values.push(flip(a, 2));
    else values.push(sub(flip(a, 1), clamp(b, -1, 1)));
  }
  return values.slice(1);
}

test("programs over columns are those of the oracle, whatever is grouped [wasm]", async () => {
  const drawn = fc.record({
    shape: fc.constantFrom([1, 130, 2049], [3, 41, 2200], [2, 33, 4100], [8, 64, 530], [70, 40, 100], [1, 700, 400]),
    steps: fc.array(
      fc.record({
        kind: fc.constantFrom("reduce", "reduce", "reduce", "combine", "combine", "combine", "shift", "mix"),
        of: fc.nat(9),
        with: fc.nat(9),
      }),
      { minLength: 3, maxLength: 7 },
    ) as fc.Arbitrary<Step[]>,
    outputs: fc.array(fc.nat(9), { minLength: 1, maxLength: 2 }),
  });
  await checkProperty(drawn, async ({ shape, steps, outputs }) => {
    const x = whole(shape, 5);
    const results = () => {
      const values = columnProgram(x, steps);
      return [values.at(-1)!, ...outputs.map((k) => values[k % values.length])];
    };
    const [actual, expected] = [results(), results()];
    await bring(actual, { device: "wasm" });
    await bring(expected, { device: "float64" });
    actual.forEach((result, i) => {
      const [a, b] = [result.value!, expected[i].value!];
      assert.equal(a.length, b.length);
      const wrong = a.findIndex((v, k) => v !== b[k]);
      assert.equal(wrong, -1, `output ${i}, element ${wrong}: ${a[wrong]}, not ${b[wrong]}`);
    });
  }, { runs: 10 });
});

test("a softmax runs part by part over any axis that is not the last one [wasm]", async () => {
  const cases: (readonly [shape: number[], axis: number])[] = [
    [[81, 5000], 0],
    [[3, 64, 3073], 1],
    [[1, 2, 90, 3000], 2],
    [[2, 3, 50, 2000], 2],
    [[8, 40, 1100], 1],
  ];
  for (const [shape, axis] of cases) {
    const x = whole(shape, 5);
    const result = softmax(x, axis);
    const { groups, own } = planOf([result]);
    assert.deepEqual([groups.length, groups[0].count, own], [1, 4, 3], `${shape}`);
    await bring([result], { device: "wasm" });
    const [given, values] = [x.value!, result.value!];
    const [rows, columns] = [shape[axis], shape.at(-1)!];
    for (let first = 0; first < given.length; first += rows * columns) {
      const totals = new Float64Array(columns);
      for (let k = 0; k < rows * columns; k++) totals[k % columns] += Math.exp(given[first + k]);
      for (let k = 0; k < rows * columns; k++) {
        const expected = Math.exp(given[first + k]) / totals[k % columns];
        if (Math.abs(values[first + k] / expected - 1) > 1e-6) {
          assert.fail(`${shape}: element ${first + k} is ${values[first + k]}, not ${expected}`);
        }
      }
    }
  }
});

test("units of a group write their part of an array or memory of their own, and nothing else", () => {
  const x = whole([4, 40, 2100], 1);
  const shifted = exp(sub(x, max(x, 1, { keepDims: true })));
  const outputs = [mul(shifted, sum(shifted, 1, { keepDims: true }))];
  const plan = makePlan(outputs, new Program(outputs).leaves, wasm);
  const [group] = groupsOf(plan);
  assert.ok(group.columns.some(({ out }) => out !== null) && group.columns.some(({ out }) => out === null));
  group.columns.forEach((columns, k) => {
    const step = plan.steps[group.first + k];
    const sizes = step.args.map((source) => sizeOfSource(plan, source));
    const { iterations } = step.kernel;
    const kernel = writeKernel("k", step.form!, { sizes, iterations, columns });
    const { units, scratch = 0 } = kernel;
    const size = sizeOf(step.shape);
    const { numbers, result, own, run } = placed(kernel, [size, ...sizes]);
    const before = numbers.slice();
    // No result is the same as what was there.
    numbers.fill(-7, result, result + size).fill(-7, own, own + scratch);
    run(0, units);
    const isArray = columns.out === null;
    const untouched = numbers.findIndex((v, i) => {
      const [inArray, inOwn] = [i >= result && i < result + size, i >= own && i < own + scratch];
      if (inArray) return isArray ? v === -7 : v !== -7;
      return inOwn ? false : !Object.is(v, before[i]);
    });
    assert.equal(untouched, -1, `${step.name}: element ${untouched - result} of ${size}`);
  });
});

test("kernels are grouped that read their own columns of one another and share something large", () => {
  const x = whole([2, 64, 2100], 1);
  const shifted = (t: Tensor) => exp(sub(t, max(t, 1, { keepDims: true })));
  const counts = (output: Tensor) => planOf([output]).groups.map(({ count }) => count);
  assert.deepEqual(counts(softmax(x, 1)), [4]);
  // Other columns, and other rows of which some are outside.
  assert.deepEqual(counts(add(flip(shifted(x), 2), sum(shifted(x), 1, { keepDims: true }))).some((n) => n > 3), false);
  // All of it fits into the cache.
  assert.deepEqual(counts(softmax(whole([2, 64, 2000], 1), 1)), []);
  // Rows are read whole.
  assert.deepEqual(counts(softmax(reshape(x, [4, 2100 * 8, 4]), 2)), []);
});

test("each kernel of a group has a time [wasm]", async () => {
  const { steps } = await inspect(softmax(whole([2, 64, 2100], 1), 1), { device: "wasm", time: true });
  assert.equal(steps.length, 4);
  for (const { time } of steps) assert.ok(time!.milliseconds! > 0);
});
