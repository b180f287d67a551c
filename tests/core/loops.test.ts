/** The loop form: run as it is, it computes the graph, whatever has arrays; rendered, it computes the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { backendNamed } from "../../core/backends/list.ts";
import { render, renderFunction, renderLoop } from "../../core/backends/render.ts";
import { describe, type Layout, type LoopKernel } from "../../core/plan/form.ts";
import { buildGraph } from "../../core/plan/graph.ts";
import { lowerToLoops } from "../../core/plan/loops.ts";
import { layoutOf, type Target } from "../../core/plan/plan.ts";
import type { Node } from "../../core/plan/node.ts";
import { type Costs, Work } from "../../core/plan/costs.ts";
import { Program } from "../../core/program.ts";
import {
  add,
  broadcastTo,
  concat,
  exp,
  greater,
  log,
  logSumExp,
  mul,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  where,
} from "../../mod.ts";
import { randomFrom } from "../../verify/random.ts";
import { assertSame } from "../ops/compare.ts";
import { describeProgram, interpret, programs, record, tensorsOf } from "../ops/programs.ts";
import { checkProperty } from "../support/property.ts";
import { runLoops } from "./run_loops.ts";

const oracle = backendNamed("float64");

/** How kernels are laid out: on the oracle, on hosts and WebGPU, on textures. */
const layouts: Readonly<Record<string, Layout>> = {
  "flat, in three dimensions": layoutOf(oracle),
  nested: layoutOf(backendNamed("webasm")),
  "flat, in one dimension": layoutOf(backendNamed("webgl2")),
};

/** Costs under which more and other kernels are written than by default. */
const eager: Costs = { ...oracle.costs, lazy: 0, longCondition: 1, unrolled: 0 };
/** Costs under which every loop with a cheap element gets several accumulators, however few elements there are. */
const freeCopies: Costs = { ...oracle.costs, copy: 0 };

/** Computes nodes by kernels that read the stored values. */
class Computation {
  /** Each kernel that ran, with the arrays that it read and the values that it computed. */
  readonly ran: { kernel: LoopKernel; args: Float64Array[]; values: Float64Array }[] = [];
  readonly #values = new Map<Node, Float64Array>();
  readonly #work: Work;
  readonly #layout: Layout;

  constructor(work: Work, layout: Layout) {
    this.#work = work;
    this.#layout = layout;
  }

  set(node: Node, values: ArrayLike<number>): void {
    this.#values.set(node, Float64Array.from(values));
  }

  valueOf(node: Node): Float64Array {
    let values = this.#values.get(node);
    if (values) return values;
    if (node.size === 0) return new Float64Array(0);
    const kernel = lowerToLoops(node, this.#work, this.#layout);
    const args = kernel.args.map((arg) => this.valueOf(arg));
    const run = runLoops(kernel, args, this.#layout);
    values = run.values;
    this.ran.push({ kernel, args, values });
    this.#values.set(node, values);
    assert.ok(run.iterations <= kernel.iterations * node.size + 1e-9, `${run.iterations} iterations`);
    assert.equal(kernel.evaluations.get(node), node.size);
    return values;
  }
}

for (const [what, layout] of Object.entries(layouts)) {
  test(`the loop form computes programs as plain loops do, whatever has arrays: ${what} [float64]`, async () => {
    await checkProperty(programs("exact", 10), (program) => {
      const random = randomFrom(program.seed);
      const outputs = record(program, tensorsOf(program));
      const { leaves } = new Program(outputs);
      const graph = buildGraph(outputs, leaves, oracle);
      const stored = new Set([...graph.leaves, ...graph.nodes.filter(() => random() < 0.3)]);
      const costs = random() < 0.5 ? eager : freeCopies;
      // Short rows need a flat index.
      const tiled = layout.flat && random() < 0.5;
      const computation = new Computation(new Work(stored, { ...costs, tiled }), layout);
      graph.leaves.forEach((node, i) => computation.set(node, leaves[i].value!));
      interpret(program).forEach(({ data }, i) => {
        assertSame(computation.valueOf(graph.outputs[i]), data, describeProgram(program));
      });
      if (!layout.flat) return;
      for (const { kernel, args, values } of computation.ran) {
        assertSame(rendered(kernel, args), values, describe(kernel));
      }
    }, { runs: 10 });
  });
}

/** Renders a kernel for the oracle and runs it. */
function rendered(kernel: LoopKernel, args: readonly Float64Array[]): Float64Array {
  const { parameters, body } = renderLoop(render(kernel, oracle.dialect));
  const out = new Float64Array(kernel.shape.reduce((a, b) => a * b, 1));
  new Function(...parameters, body)(out, ...args);
  return out;
}

function loopsOf(output: Tensor, target: Target = { ...oracle, costs: freeCopies }): LoopKernel {
  const { leaves } = new Program([output]);
  const graph = buildGraph([output], leaves, target);
  return lowerToLoops(graph.outputs[0], new Work(new Set(graph.leaves), target.costs), layoutOf(target));
}

const x = tensor(Array.from({ length: 70 }, (_, i) => i), [7, 10]);

test("the loop form as text: loops, branches, reads", () => {
  const total = sum(x, 1);
  assert.equal(
    describe(loopsOf(where(greater(total, 5), exp(log(total)), 0))),
    `where [7] for each x < 7
  a0 is leaf [7, 10]
  s1 := 0
  s2 := 0
  s3 := 0
  s4 := 0
  s5 := 0
  for i6 < 10 step 5
    v7 = a0[i6 + 10 x]
    s1 := sum(s1, v7)
    v8 = a0[i6 + 10 x + 1]
    s2 := sum(s2, v8)
    v9 = a0[i6 + 10 x + 2]
    s3 := sum(s3, v9)
    v10 = a0[i6 + 10 x + 3]
    s4 := sum(s4, v10)
    v11 = a0[i6 + 10 x + 4]
    s5 := sum(s5, v11)
  v12 = sum(s1, s2)
  v13 = sum(v12, s3)
  v14 = sum(v13, s4)
  v15 = sum(v14, s5)
  v16 = total(v15)
  v17 = 5
  v18 = 0
  t19 := v18
  if greater(v16, v17)
    v20 = log(v16)
    v21 = exp(v20)
    t19 := v21
  result t19`,
  );
});

test("a loop gets several accumulators where it runs often enough to be worth the copies", () => {
  const accumulators = (y: Tensor) => describe(loopsOf(y, oracle)).split(":= 0\n").length - 1;
  const ones = (...shape: number[]) => broadcastTo(tensor(1), shape);
  assert.equal(accumulators(sum(ones(7, 10), 1)), 1);
  assert.equal(accumulators(sum(ones(70_000, 10), 1)), 5);
  assert.equal(accumulators(sum(ones(70_000, 81), 1)), 3);
  // More text has to run more often.
  assert.equal(accumulators(sum(exp(ones(7_000, 10)), 1)), 1);
  assert.equal(accumulators(sum(exp(ones(700_000, 10)), 1)), 5);
});

test("where threads share operands, a sum has one accumulator and is the sum of parts, which leave nothing out", async () => {
  const tiled: Target = {
    ...oracle,
    costs: { ...oracle.costs, tiled: true, fewResults: 0 },
    limits: { ...oracle.limits, iterations: Infinity },
  };
  const layout = layoutOf(tiled);
  const length = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 60, max: 700 }));
  const short = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1) <= 3000;
  await checkProperty(fc.array(length, { minLength: 1, maxLength: 3 }).filter(short), (sizes) => {
    const size = sizes.reduce((a, b) => a * b, 1);
    const [left, right] = [[2, 1, ...sizes], [1, 4, ...sizes]].map((shape, i) => {
      const count = size * 2 * (i + 1);
      return tensor(Float64Array.from({ length: count }, (_, k) => (k * 7 + i) % 5 - 2), shape, { dtype: "float" });
    });
    const kernel = loopsOf(sum(mul(left, right), sizes.map((_, i) => i + 2)), tiled);
    const text = describe(kernel);
    const parts = text.split(":= 0\n").length - 2;
    assert.ok(parts === 0 ? size <= 256 : parts <= 2, text);
    const [a, b] = kernel.args.map((arg) => arg.shape[0] === 2 ? left.value! : right.value!);
    const { values } = runLoops(kernel, [a, b].map((v) => Float64Array.from(v)), layout);
    const [x, y] = [left.value!, right.value!];
    const expected = Float64Array.from({ length: 8 }, (_, cell) => {
      let total = 0;
      for (let k = 0; k < size; k++) total += x[Math.floor(cell / 4) * size + k] * y[cell % 4 * size + k];
      return total;
    });
    assertSame(values, expected, text);
    assertSame(rendered(kernel, [a, b].map((v) => Float64Array.from(v))), expected, text);
  }, { runs: 40 });
});

test("an index is divided exactly where halves are not exact", () => {
  const y = concat([tensor(new Float32Array(3 << 20), [3, 1 << 20]), tensor(new Float32Array(3), [3, 1])], 1);
  const kernel = loopsOf(y, backendNamed("webgl2"));
  const near = renderFunction(
    render(kernel, { ...backendNamed("webgl2").dialect, exactIndex: Number.MAX_SAFE_INTEGER }),
  );
  const exact = renderFunction(render(kernel, backendNamed("webgl2").dialect));
  assert.match(near, /Math\.floor\(\(this\.thread\.x \+ 0\.5\) \/ 1048577\)/);
  assert.match(exact, /Math\.floor\(this\.thread\.x \/ 1048577\)/);
});

test("a kernel says which tables and hidden numbers it reads", () => {
  const read = (y: Tensor) => {
    const { tables, opaque } = render(loopsOf(y, backendNamed("webgpu")), backendNamed("webgpu").dialect);
    return [[...tables], [...opaque]];
  };
  assert.deepEqual(read(add(x, x)), [[], ["always0"]]);
  assert.deepEqual(read(sub(x, x)), [[], ["always0", "always1"]]);
  assert.deepEqual(read(exp(x)), [["numbers"], ["always1"]]);
  assert.deepEqual(read(mul(x, Infinity)), [["numbers"], ["always0"]]);
  assert.deepEqual(read(transpose(x)), [[], []]);
});

test("a function that a backend lacks is an error that names both", () => {
  const kernel = loopsOf(logSumExp(x));
  assert.throws(
    () => render(kernel, { ...oracle.dialect, functions: {} }),
    /backend float64 has no scalar function "\w+"/,
  );
});
