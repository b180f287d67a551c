/** Siblings on `wasm`: reductions over the same elements, which one kernel computes together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Expression, Local, Role } from "../../core/expression.ts";
import { joined, type Joint } from "../../core/backends/wasm/joint.ts";
import { writeKernel } from "../../core/backends/wasm/kernel.ts";
import { wasm } from "../../core/backends/wasm.ts";
import { siblingsOf } from "../../core/backends/wasm/siblings.ts";
import type { LoopForm, Statement } from "../../core/plan/form.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { Program } from "../../core/program.ts";
import {
  abs,
  add,
  argmax,
  exp,
  greater,
  log,
  max,
  min,
  mul,
  realize,
  scan,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  where,
} from "../../mod.ts";
import { checkProperty } from "../support/property.ts";
import { MARGIN, placed } from "./own_memory.ts";

/** Numbers from -2 to 2, in no order. */
function numbers(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, (_, i) => 2 * Math.sin(i * 1.7 + seed * (i % 13))), shape);
}

/** For each kernel that computes several steps, how many these are. */
function siblings(outputs: readonly Tensor[]): number[] {
  const { leaves } = new Program(outputs);
  return siblingsOf(makePlan(outputs, leaves, wasm)).map(({ steps }) => steps.length);
}

/** What is reduced, of elements and of what is the same along the reduced axis. */
const ELEMENTS: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
  (a) => a,
  (_, b) => b,
  (a, b) => mul(a, b),
  (a) => square(a),
  (a, b) => exp(sub(a, b)),
  (a, b) => abs(sub(a, b)),
  (a, b) => where(greater(a, b), log(add(square(a), 1)), b),
  (a) => transpose(a),
];

/** One of the reductions of a program; `after` says that it needs the result of the one before it. */
interface Reduction {
  readonly reduce: number;
  readonly of: number;
  readonly after: boolean;
}

function reductions(a: Tensor, b: Tensor, all: readonly Reduction[], axis: number | number[]): Tensor[] {
  const results: Tensor[] = [];
  for (const { reduce, of, after } of all) {
    const before = results.at(-1);
    const elements = ELEMENTS[of](a, b);
    const input = after && before ? mul(elements, sum(before)) : elements;
    results.push(
      reduce === 3 ? argmax(input, typeof axis === "number" ? axis : axis[0]) : [sum, max, min][reduce](input, axis),
    );
  }
  return results;
}

test("reductions have the same bits together as alone [wasm]", async () => {
  const drawn = fc.record({
    shape: fc.constantFrom([7, 5], [1, 9], [64, 64], [130, 31], [33, 600], [600, 33]),
    axis: fc.constantFrom<number | number[]>(0, 1, [0, 1]),
    all: fc.array(fc.record({ reduce: fc.nat(3), of: fc.nat(ELEMENTS.length - 1), after: fc.boolean() }), {
      minLength: 2,
      maxLength: 6,
    }),
  });
  await checkProperty(drawn, async ({ shape, axis, all }) => {
    const [a, b] = [numbers(shape, 3), numbers(shape, 5)];
    const together = reductions(a, b, all, axis);
    await realize(together, { device: "wasm" });
    const alone = reductions(a, b, all, axis);
    for (const [k, result] of together.entries()) {
      const [actual, expected] = [await result.data({ device: "wasm" }), await alone[k].data({ device: "wasm" })];
      assert.deepEqual(actual, expected, `reduction ${k}`);
    }
  }, { runs: 8 });
});

/** Threads of generated kernels, and the turns of their loop. */
const [THREADS, TURNS] = [20, 3];

/** A statement that is drawn: what it is, and which values it takes among those that are known where it stands. */
type Draw = readonly [what: number, first: number, second: number];

/** A kernel of statements before, in and after a loop, over two arrays of whole numbers. */
function generated(parts: readonly (readonly Draw[])[]): LoopForm {
  let next = 0;
  const local = (role: Role): Local => ({ kind: "local", id: next++, role });
  const [x, counter] = [local("thread"), local("counter")];
  const [outside, accumulators] = [[] as Local[], [] as Local[]];
  const block = (draws: readonly Draw[], isLoop: boolean): Statement[] => {
    const values = isLoop ? [...outside] : outside;
    const body: Statement[] = [];
    for (const [what, first, second] of draws) {
      const known = [...accumulators, ...values];
      const own = accumulators[first % accumulators.length];
      const pick = (k: number): Expression => known[k % known.length] ?? { kind: "literal", value: k };
      if (what === 3 && own) {
        body.push({ kind: "assign", local: own, value: { kind: "call", name: "add", args: [own, pick(second)] } });
      } else if (what === 2 && !isLoop) {
        body.push({
          kind: "let",
          local: accumulators[accumulators.push(local("accumulator")) - 1],
          value: pick(first),
        });
      } else {
        const terms = [{ local: x, coefficient: 1 }, ...(isLoop ? [{ local: counter, coefficient: THREADS }] : [])];
        const at = [{ base: THREADS * (first % 2), terms }];
        const value: Expression = what === 1 && known.length > 0
          ? { kind: "call", name: ["add", "sub", "min"][first % 3], args: [pick(first), pick(second)] }
          : { kind: "read", argument: second % 2, at };
        body.push({ kind: "const", local: values[values.push(local("value")) - 1], value });
      }
    }
    return body;
  };
  const [before, inside, after] = parts;
  const body = [
    ...block(before, false),
    { kind: "loop", counter, end: TURNS, step: 1, body: block(inside, true) } as const,
    ...block(after, false),
  ];
  const result = [...outside, ...accumulators].reduce<Expression>(
    (sum, value) => ({ kind: "call", name: "add", args: [sum, value] }),
    { kind: "literal", value: 0 },
  );
  return { extent: [THREADS], threads: [x], body, result };
}

/** Runs a kernel over arrays of whole numbers, of which it reads two, and returns its results. */
function resultsOf(form: Joint, args: readonly number[], results: number): Float32Array[] {
  const size = THREADS * (TURNS + 1);
  const kernel = writeKernel("k", form, { sizes: args.map(() => size), iterations: TURNS });
  const { numbers, result, run } = placed(kernel, [...Array(results).fill(THREADS), ...args.map(() => size)]);
  const of = (k: number, elements: number) => {
    const from = result + k * (THREADS + MARGIN);
    return numbers.subarray(from, from + elements);
  };
  const first = result + results * (THREADS + MARGIN);
  args.forEach((seed, i) => {
    for (let k = 0; k < size; k++) numbers[first + i * (size + MARGIN) + k] = (k * 7 + k * k * seed) % 11 - 5;
  });
  run(0, kernel.units);
  return Array.from({ length: results }, (_, k) => of(k, THREADS).slice());
}

test("joined kernels compute what each of them computes", async () => {
  // Few, so that the same is computed twice, before and after an assignment.
  const draw = fc.tuple(fc.nat(3), fc.nat(2), fc.nat(2));
  const part = fc.array(draw, { maxLength: 7 });
  const kernel = fc.tuple(part, part, part);
  // The arrays that they read, by their seeds: both read the second one.
  const seeds = [1, 2, 3];
  await checkProperty(fc.tuple(kernel, kernel, fc.boolean()), ([one, two, isSame]) => {
    const forms = [generated(one), generated(isSame ? one : two)];
    const parts = [{ form: forms[0], args: [0, 1] }, { form: forms[1], args: isSame ? [0, 1] : [2, 1] }];
    const together = resultsOf(joined(parts)!, seeds, 2);
    parts.forEach(({ form, args }, k) => {
      const [alone] = resultsOf(form, args.map((i) => seeds[i]), 1);
      assert.deepEqual(together[k], alone);
    });
  }, { runs: 100 });
});

test("what reads the same elements is computed by one kernel, if nothing of it needs the rest [wasm]", () => {
  const [a, b] = [numbers([300, 40], 3), numbers([300, 40], 5)];
  const sums = [sum(mul(a, b), 0), sum(square(a), 0), sum(square(b), 0)];
  assert.deepEqual(siblings(sums), [3], "a cosine");
  assert.deepEqual(siblings([sum(mul(a, b), 1), sum(add(a, b), 1)]), [2], "rows");
  assert.deepEqual(siblings([sum(a, 0), sum(b, 0)]), [], "other arrays");
  assert.deepEqual(siblings([sum(a, 0), sum(a, 1)]), [], "other axes");
  const first = sum(a, 0);
  assert.deepEqual(siblings([first, sum(mul(a, first), 0)]), [], "one after the other");
});

test("siblings in the body of a loop write the rows of its results [wasm]", async () => {
  const rows = numbers([6, 20, 500], 3);
  const scales = numbers([20, 500], 5);
  const run = () =>
    scan(
      (carry, row) => {
        const moved = mul(row, scales);
        return [add(carry, sum(mul(moved, moved), 0)), [sum(row, 0), sum(mul(row, carry), 0), max(row, 0)]];
      },
      numbers([500], 7),
      rows,
    );
  const all = () => {
    const [carry, stacked] = run();
    return [carry, ...stacked];
  };
  const together = all();
  await realize(together, { device: "wasm" });
  for (const [k, result] of together.entries()) {
    // What nobody asks for is not computed.
    const alone = await all()[k].data({ device: "wasm" });
    assert.deepEqual(await result.data({ device: "wasm" }), alone, `result ${k}`);
  }
});
