/** Long reductions in stages: the same results, however they are split, and no thread loops too long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileForHost, float64 } from "../../core/backends/float64.ts";
import { Work } from "../../core/plan/costs.ts";
import { buildGraph } from "../../core/plan/graph.ts";
import { makePlan, planWith } from "../../core/plan/plan.ts";
import { add, arange, argmax, argmin, max, min, prod, sum, type Tensor, tensor } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";

type Reduce = (x: Tensor, axes: number[]) => Tensor;

/** Each with the result for the elements in row-major order. */
const reductions: Readonly<Record<string, readonly [Reduce, (values: readonly number[]) => number]>> = {
  sum: [(x, axes) => sum(x, axes), (values) => values.reduce((a, b) => a + b, 0)],
  prod: [(x, axes) => prod(x, axes), (values) => values.reduce((a, b) => a * b, 1)],
  max: [(x, axes) => max(x, axes), (values) => Math.max(...values)],
  min: [(x, axes) => min(x, axes), (values) => Math.min(...values)],
  argmax: [(x, [axis]) => argmax(x, axis), (values) => values.indexOf(Math.max(...values))],
  argmin: [(x, [axis]) => argmin(x, axis), (values) => values.indexOf(Math.min(...values))],
};

const anyShape = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 3 });
/** With rows that neighbouring threads may read together, perhaps of more elements than there are rows. */
const withRows = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 1, max: 130 }),
  fc.integer({ min: 60, max: 140 }),
);
const drawn = fc.record({
  shape: fc.oneof({ arbitrary: anyShape, weight: 3 }, withRows).filter((shape) =>
    shape.reduce((a, b) => a * b, 1) <= 4000
  ),
  axes: fc.array(fc.nat(2), { minLength: 1, maxLength: 3 }),
  factors: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
  fewResults: fc.constantFrom(0, 4, 1000),
  longReduction: fc.constantFrom(2, 8, 30, 64, 2000),
  enoughThreads: fc.integer({ min: 1, max: 64 }),
  iterations: fc.constantFrom(16, 20, 33, 65_535),
}).map((all) => all.shape.at(-1)! > 30 ? { ...all, iterations: 65_535 } : all);

/** The elements along the reduced axes, in row-major order, for each of the others. */
function groups(shape: readonly number[], reduced: readonly number[], values: readonly number[]): number[][] {
  const found = new Map<string, number[]>();
  values.forEach((value, i) => {
    let rest = i;
    const at = shape.map((_, axis) => {
      const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
      const coordinate = Math.floor(rest / stride);
      rest -= coordinate * stride;
      return coordinate;
    });
    const key = at.filter((_, axis) => !reduced.includes(axis)).join();
    if (!found.has(key)) found.set(key, []);
    found.get(key)!.push(value);
  });
  return [...found.values()];
}

for (const [name, [reduce, definition]] of Object.entries(reductions)) {
  test(`${name} in stages is that of a plain loop, and every thread's loops are short`, async () => {
    await checkProperty(drawn, ({ shape, axes, factors, ...splitting }) => {
      const isPosition = name.startsWith("arg");
      const reduced = [...new Set(axes.map((axis) => axis % shape.length))].slice(0, isPosition ? 1 : 3);
      // Whole numbers, many of them equal; factors of 1 and -1 keep products small.
      const size = shape.reduce((a, b) => a * b, 1);
      const [a, b, c] = factors;
      const values = Array.from(
        { length: size },
        (_, i) => name === "prod" ? (i * a) % 3 - 1 || 1 : (i * a * b) % (7 + c),
      );
      const x = tensor(values, shape);
      const y = reduce(x, reduced);
      const { iterations, ...costs } = { ...splitting };
      const target = {
        ...float64,
        costs: { ...float64.costs, ...costs },
        limits: { ...float64.limits, iterations },
      };
      const graph = buildGraph([y], [x], target);
      const stored = new Set(
        graph.nodes.filter((node) => node.kernel.kind === "leaf" || node.isStage || graph.outputs.includes(node)),
      );
      const plan = planWith(graph, new Work(stored, target.costs), target);
      const [actual] = compileForHost(plan).bind([Float64Array.from(values)]).run();
      assert.deepEqual([...actual].map((v) => v + 0), groups(shape, reduced, values).map((v) => definition(v) + 0));
      for (const { kernel } of plan.steps) assert.ok(kernel.iterations <= iterations, `${kernel.iterations}`);
      const length = reduced.reduce((n, axis) => n * shape[axis], 1);
      const isLong = length >= costs.longReduction && size / length < costs.fewResults;
      const isSplit = length >= 4 && (isLong || length > Math.ceil(iterations / 2));
      assert.equal(plan.steps.length > 1, isSplit, `${plan.steps.length} kernels`);
    }, { runs: 120 });
  });
}

test("a reduction is split evenly where a length allows, so that no thread compares indices", () => {
  const stages = (n: number) => {
    const x = tensor(new Float32Array(n));
    return makePlan([sum(x)], [x], float64).steps.map(({ kernel }) => kernel.lines.join("\n"));
  };
  for (const n of [4096, 70_000, 3 * 5 * 7 * 11 * 13]) {
    const texts = stages(n);
    assert.ok(texts.length > 1 && texts.every((text) => !/if \(/.test(text)), `${n}:\n${texts.join("\n\n")}`);
  }
  // A prime has no divisors: the last part is shorter.
  assert.match(stages(70_001)[0], /if \(/);
});

test("a progression starts where it says, and rises or falls by its steps", async () => {
  // Whole numbers are index expressions; quarters are computed, exactly.
  const int = fc.integer({ min: -9, max: 9 });
  const drawn = fc.tuple(int, int.filter((step) => step !== 0), fc.integer({ min: 1, max: 9 }), fc.constantFrom(1, 4));
  await checkProperty(drawn, ([a, b, n, parts]) => {
    const [start, step] = [a / parts, b / parts];
    const y = add(arange(start, start + n * step, step), 0.5);
    const [actual] = compileForHost(makePlan([y], [], float64)).bind([]).run();
    assert.deepEqual([...actual], Array.from({ length: n }, (_, i) => start + i * step + 0.5));
  });
});
