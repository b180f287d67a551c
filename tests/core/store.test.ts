/** Only cost decides which values get arrays: any choice computes the same, keeps limits, and is made in linear time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileForHost, float64 } from "../../core/backends/float64.ts";
import { renderLoop } from "../../core/backends/render.ts";
import { webgpu } from "../../core/backends/webgpu.ts";
import { Work } from "../../core/plan/costs.ts";
import { buildGraph, type Graph } from "../../core/plan/graph.ts";
import { makePlan, planWith } from "../../core/plan/plan.ts";
import { chooseStored } from "../../core/plan/store.ts";
import { Program } from "../../core/program.ts";
import {
  add,
  concat,
  erf,
  exp,
  grad,
  greater,
  mul,
  relu,
  reshape,
  sigmoid,
  slice,
  square,
  stack,
  sum,
  tanh,
  type Tensor,
  tensor,
  transpose,
  where,
} from "../../mod.ts";
import { randomFrom } from "../../verify/random.ts";
import { programs, tensorsOf } from "../ops/programs.ts";
import { checkProperty } from "../support/property.ts";

const { costs, limits } = float64;

interface Recorded {
  readonly outputs: readonly Tensor[];
  readonly leaves: readonly Tensor[];
}

/** Outputs with the leaves that they start from. */
function recorded(outputs: readonly Tensor[]): Recorded {
  return { outputs, leaves: new Program(outputs).leaves };
}

function graphOf({ outputs, leaves }: Recorded): Graph {
  return buildGraph(outputs, leaves, { costs, limits });
}

/** A program of random ops, with the gradients of its sum. */
function withGradients(outputs: readonly Tensor[], leaves: readonly Tensor[]): Tensor[] {
  const floats = outputs.filter((t) => t.dtype === "float");
  if (floats.length === 0) return [...outputs];
  const total = floats.map((t) => sum(square(t))).reduce((a, b) => add(a, b));
  return [...outputs, ...grad(total, leaves.filter((t) => t.dtype === "float"), undefined, { allowUnused: true })];
}

test("any choice of what gets an array computes the same values", async () => {
  await checkProperty(fc.tuple(programs("exact", 8), fc.nat(), fc.double({ min: 0, max: 1, noNaN: true })), (drawn) => {
    const [program, seed, share] = drawn;
    const outputs = tensorsOf(program);
    const all = recorded(withGradients(outputs, new Program(outputs).leaves));
    const random = randomFrom(seed);
    const graph = graphOf(all);
    const stored = new Set(
      graph.nodes.filter((node) =>
        node.kernel.kind === "leaf" || graph.outputs.includes(node) || (node.size > 0 && random() < share)
      ),
    );
    const run = (plan: ReturnType<typeof makePlan>) =>
      compileForHost(plan).bind(all.leaves.map((t) => Float64Array.from(t.value!))).run().map((r) => [...r]);
    const any = run(planWith(graph, new Work(stored, { ...costs, copy: 0 }), float64));
    const chosen = run(makePlan(all.outputs, all.leaves, float64));
    any.forEach((values, i) =>
      values.forEach((x, k) => {
        const y = chosen[i][k];
        assert.ok(
          Object.is(x, y) || Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x)),
          `result ${i}[${k}]: ${x}, ${y}`,
        );
      })
    );
  }, { runs: 20 });
});

const leaf = (size: number, seed: number): Tensor => {
  const random = randomFrom(seed);
  return tensor(Float32Array.from({ length: size }, () => random() - 0.5));
};

/** Records that read many arrays, by their number of leaves. */
const wide: Record<string, (n: number) => Tensor[]> = {
  "a sum from the left": (n) => [leaves(n).reduce((a, b) => add(a, b))],
  "a sum in pairs": (n) => [pairs(leaves(n).map((t) => exp(t)))],
  "a product and its gradients": (n) => {
    const all = leaves(n);
    return grad(sum(all.reduce((a, b) => mul(a, b))), all);
  },
  "a stack and its gradients": (n) => {
    const all = leaves(n);
    return grad(sum(square(stack(all))), all);
  },
  "parts of what is joined": (n) => {
    const joined = concat(leaves(n).map((t) => exp(t)));
    return [slice(joined, [[3, 9]]), transpose(reshape(joined, [n, 6])), sum(slice(joined, [[null, null, 5]]))];
  },
  "choices": (n) => [leaves(n).reduce((a, b) => where(greater(a, 0), b, exp(add(a, b))))],
  "everything with everything": (n) => {
    const sums = leaves(n).map((t, i, all) => add(t, all[(i + 3) % all.length]));
    return [sums.reduce((a, b, i) => add(mul(a, b), sums[(i * 7) % sums.length]))];
  },
};

function leaves(n: number): Tensor[] {
  return Array.from({ length: n }, (_, i) => leaf(6, i));
}

function pairs(all: readonly Tensor[]): Tensor {
  if (all.length === 1) return all[0];
  const half = all.length >> 1;
  return add(pairs(all.slice(0, half)), pairs(all.slice(half)));
}

for (const [name, build] of Object.entries(wide)) {
  test(`kernels keep to any limit of arguments: ${name}`, async () => {
    await checkProperty(fc.tuple(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 3, max: 7 })), ([n, most]) => {
      const graph = graphOf(recorded(build(n)));
      const stored = chooseStored(graph, costs, { ...limits, arguments: most });
      for (const { name, args } of planWith(graph, new Work(stored, costs), float64).steps) {
        assert.ok(args.length <= most, `${name} reads ${args.length} arrays, at most ${most}`);
      }
    }, { runs: 12 });
  });
}

test("kernels of random programs keep to any limit of arguments", async () => {
  await checkProperty(fc.tuple(programs("smooth"), fc.integer({ min: 3, max: 7 })), ([program, most]) => {
    const outputs = tensorsOf(program);
    const graph = graphOf(recorded(withGradients(outputs, new Program(outputs).leaves)));
    const stored = chooseStored(graph, costs, { ...limits, arguments: most });
    for (const { name, args } of planWith(graph, new Work(stored, costs), float64).steps) {
      assert.ok(args.length <= most, `${name} reads ${args.length} arrays, at most ${most}`);
    }
  }, { runs: 20 });
});

test("a constant table takes the place of an array where the backend says so", () => {
  const { outputs, leaves: all } = recorded([pairs(leaves(29).map((t) => exp(t)))]);
  const { steps } = makePlan(outputs, all, webgpu);
  assert.ok(steps.some(({ kernel }) => kernel.tables.length > 0));
  for (const { name, args, kernel } of steps) {
    assert.ok(args.length + kernel.tables.length <= webgpu.limits.arguments, name);
  }
});

test("a long computation is written down once, however small its array", () => {
  const x = leaf(6, 1);
  const y = pairs(Array.from({ length: 40 }, (_, i) => tanh(mul(x, i + 1))));
  const linesOf = (outputs: Tensor[]) =>
    makePlan(outputs, [x], float64).steps.reduce((sum, { kernel }) => sum + kernel.lines.length, 0);
  const alone = linesOf([y]);
  // Used in three kernels, and in branches that exclude each other.
  for (const uses of [[exp(y), sum(y), tanh(y)], [concat([sum(exp(y)), sum(y)].map((t) => reshape(t, [1])))]]) {
    const lines = linesOf(uses);
    assert.ok(lines < 1.5 * alone, `${lines} lines for all, ${alone} for the long part`);
  }
});

test("no chain of values that a kernel computes is longer than a backend says", async () => {
  const drawn = fc.tuple(fc.integer({ min: 2, max: 150 }), fc.integer({ min: 4, max: 40 }), fc.nat(2));
  await checkProperty(drawn, ([n, longest, every]) => {
    const xs = leaves(4);
    let y = xs[0];
    // Values that grow, and that each step needs once or twice.
    for (let i = 0; i < n; i++) y = i % 3 < every ? mul(y, xs[i % 4]) : add(exp(y), y);
    const graph = graphOf(recorded([y]));
    const stored = chooseStored(graph, { ...costs, longestChain: longest }, { ...limits, arguments: 7 });
    const chains = new Map<unknown, number>();
    for (const node of graph.nodes) {
      const chain = 1 + Math.max(0, ...node.inputs.map((input) => stored.has(input) ? 0 : chains.get(input)!));
      chains.set(node, chain);
      // An array's own value follows those that its kernel computes for it.
      const most = longest + (stored.has(node) ? 1 : 0);
      assert.ok(chain <= most, `${chain} values in a row, at most ${most}`);
    }
  }, { runs: 20 });
});

/** Loops that are written out, by their number of steps. */
const unrolled: Record<string, (n: number) => Tensor[]> = {
  "a recurrence": (n) => recurrence(n, (h, w, x) => tanh(add(mul(h, w), x))),
  "a recurrence with choices": (n) => recurrence(n, (h, w, x) => relu(add(mul(h, w), x))),
  "a recurrence with gates": (n) => recurrence(n, (h, w, x) => add(mul(sigmoid(add(h, x)), tanh(mul(w, h))), h)),
  "a recurrence with sums": (n) => recurrence(n, (h, w, x) => tanh(add(mul(w, sum(h)), x))),
  "a stack": (n) => {
    const all = leaves(n);
    const y = sum(square(stack(all)));
    return [y, ...grad(y, all)];
  },
  "a sum": (n) => {
    const all = leaves(n);
    const y = all.map((x) => sum(square(x))).reduce((a, b) => add(a, b));
    return [y, ...grad(y, all)];
  },
};

function recurrence(n: number, step: (h: Tensor, w: Tensor, x: Tensor) => Tensor): Tensor[] {
  const [w, ...xs] = leaves(n + 1);
  const last = xs.reduce((h, x) => step(h, w, x), leaf(6, 1000));
  return grad(sum(last), [w, xs[0]]);
}

/** The work of planning a loop of this many steps: the passes over the graph, the demands in one of them, and the lines of text. */
function effortOf(build: (n: number) => Tensor[], n: number): { rounds: number; demands: number; lines: number } {
  const graph = graphOf(recorded(build(n)));
  const effort = { rounds: 0, demands: 0 };
  const stored = chooseStored(graph, costs, limits, { effort });
  const { steps } = planWith(graph, new Work(stored, costs), float64);
  const { rounds, demands } = effort;
  return { rounds, demands: demands / rounds, lines: steps.reduce((sum, { kernel }) => sum + kernel.lines.length, 0) };
}

for (const [name, build] of Object.entries(unrolled)) {
  test(`twice the steps are twice the work: ${name}`, () => {
    const [half, whole] = [effortOf(build, 120), effortOf(build, 240)];
    assert.ok(whole.demands <= 2.6 * half.demands, `${half.demands} demands in a round, then ${whole.demands}`);
    assert.ok(whole.rounds <= 5, `${whole.rounds} rounds`);
    assert.ok(whole.lines <= 2.6 * half.lines, `${half.lines} lines, then ${whole.lines}`);
  });
}

/** V8 optimizes no function of more than 60 KB of bytecode, which is about this many characters. */
const OPTIMIZED = 140_000;

test("kernels of many costly values are short enough for V8 to optimize [float64]", () => {
  const x = tensor(Float64Array.from({ length: 8 }, (_, i) => i / 8));
  for (const f of [erf, tanh, sigmoid, square]) {
    let level = Array.from({ length: 300 }, (_, i) => f(mul(x, 1 + i / 100)));
    while (level.length > 1) {
      level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => level.slice(2 * i, 2 * i + 2).reduce(add));
    }
    for (const { kernel, name } of new Program(level).plan(float64).steps) {
      const { length } = renderLoop(kernel).body;
      assert.ok(length <= OPTIMIZED, `${f.op.name}: a kernel of "${name}" has ${length} characters`);
    }
  }
});
