/** Which elements threads compute and reductions read, and how costs are counted: compared with plain loops. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add as plus, constant, type Index, variable } from "../../core/affine.ts";
import { broadcastIndex, elementIndex, movedIndex, spread, threadIndex, tripsOf } from "../../core/plan/access.ts";
import { float64 } from "../../core/backends/float64.ts";
import { type Costs, mostArguments, Work } from "../../core/plan/costs.ts";
import { buildGraph } from "../../core/plan/graph.ts";
import { Node } from "../../core/plan/node.ts";
import { Program } from "../../core/program.ts";
import { add, exp, gather, greater, mul, relu, reshape, sum, type Tensor, tensor, where } from "../../mod.ts";
import { randomFrom } from "../../verify/random.ts";
import { programs, tensorsOf } from "../ops/programs.ts";
import { checkProperty } from "../support/property.ts";

const shapes = fc.array(fc.constantFrom(1, 2, 3, 7, 63, 64, 65), { maxLength: 4 });
const extents = fc.constantFrom<number[]>([], [Infinity, Infinity, Infinity], [64, 65, 3], [130, 7, 2]);
const sizeOf = (shape: readonly number[], axes: readonly number[]) => axes.reduce((n, axis) => n * shape[axis], 1);

test("the axes of a shape are spread over x, y and z, in order, the last ones over x, as far as they fit", async () => {
  await checkProperty(fc.tuple(shapes, extents), ([shape, most]) => {
    const groups = spread(shape, most);
    assert.deepEqual([...groups].reverse().flat(), shape.map((_, axis) => axis));
    const row = (from: number) => sizeOf(shape, shape.map((_, axis) => axis).slice(from));
    // As few axes as make a row of 64, the one before them, and all others.
    let first = shape.length;
    while (first > 0 && row(first) < 64) first--;
    const wished = [shape.length - first, Math.min(1, first), Math.max(0, first - 1)].filter((n, k) =>
      k === 0 || n > 0
    );
    const sizes = [row(first), first > 0 ? shape[first - 1] : 1, first > 1 ? row(0) / row(first - 1) : 1];
    const fits = wished.every((_, k) => sizes[k] <= (most[k] ?? 0));
    assert.deepEqual(groups.map(({ length }) => length), fits ? wished : [shape.length]);
  });
});

/** The value of an index expression whose variables are x, y and z. */
function at(index: Index, values: readonly number[]): number {
  return index.terms.reduce((total, { atom, coefficient }) => {
    if (atom.kind === "variable") return total + coefficient * values["xyz".indexOf(atom.key)];
    const of = at(atom.of, values);
    return total + coefficient * (atom.kind === "quotient" ? Math.floor(of / atom.by) : of % atom.by);
  }, index.base);
}

test("the threads of an array compute each of its elements once, in row-major order", async () => {
  const small = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 });
  await checkProperty(fc.tuple(small, extents), ([shape, most]) => {
    const lengths: number[] = [];
    const index = threadIndex(shape, { extents: most }, (k, length) => {
      lengths[k] = length;
      return variable("xyz"[k], 0, length - 1, 0);
    });
    const [nx, ny = 1, nz = 1] = lengths;
    assert.equal(nx * ny * nz, shape.reduce((a, b) => a * b, 1));
    for (let cell = 0; cell < nx * ny * nz; cell++) {
      const values = [cell % nx, Math.floor(cell / nx) % ny, Math.floor(cell / nx / ny)];
      const flat = index.reduce((sum, i, axis) => sum * shape[axis] + at(i, values), 0);
      assert.equal(flat, cell);
    }
  });
});

test("an axis of length 1 is read at 0, and those that an input lacks are left out", async () => {
  const drawn = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()), { maxLength: 4 });
  await checkProperty(fc.tuple(drawn, fc.nat(4)), ([axes, missing]) => {
    const index = axes.map(([n], i) => (n === 1 ? constant(0) : variable(`v${i}`, 0, n - 1, 0)));
    const shape = axes.map(([n, isOne]) => (isOne ? 1 : n)).slice(missing);
    const read = broadcastIndex(shape, index);
    const kept = index.slice(Math.min(missing, axes.length));
    assert.deepEqual(read.map(({ key }) => key), kept.map(({ key }, i) => (shape[i] === 1 ? constant(0).key : key)));
  });
});

test("an element of a reduction has the reduced indices and the kept ones in their places", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => variable(name, 0, 9, 0));
  assert.deepEqual(elementIndex([false, true, true, false], [a, b], [c, d]), [c, a, b, d]);
});

const noOffset = (): never => assert.fail("no offset is read");

test("a movement checks those bounds of its input that its indices may be beyond, and reads nothing where all are", async () => {
  const int = (min: number, max: number) => fc.integer({ min, max });
  await checkProperty(fc.tuple(int(1, 9), int(1, 9), int(-12, 12)), ([length, size, shift]) => {
    const kernel = { kind: "movement", source: ([i]: readonly Index[]) => [plus(i, constant(shift))] } as const;
    const leaf = new Node("leaf", { kind: "leaf" }, [], { shape: [length] });
    const moved = movedIndex(
      new Node("shift", kernel, [leaf], { shape: [size] }),
      kernel,
      [variable("x", 0, size - 1, 0)],
      noOffset,
    );
    const read = Array.from({ length: size }, (_, i) => i + shift);
    const [low, high] = [read.some((i) => i < 0), read.some((i) => i >= length)];
    if (read.every((i) => i < 0) || read.every((i) => i >= length)) assert.equal(moved, null);
    else {
      const { source: [source], bounds } = moved!;
      assert.deepEqual(
        bounds.map(({ axis, low, high }) => ({ axis, low, high })),
        low || high ? [{ axis: 0, low, high }] : [],
      );
      // Where they hold, the index is within the input, so that a movement back checks nothing.
      assert.ok(source.min >= 0 && source.max < length);
      const back = { kind: "movement", source: () => [plus(source, constant(-shift))] } as const;
      const wide = new Node("leaf", { kind: "leaf" }, [], { shape: [size] });
      const again = movedIndex(new Node("back", back, [wide], { shape: [length] }), back, [source], noOffset)!;
      assert.deepEqual(again.bounds, []);
    }
  });
});

test("a loop has as many trips as accumulators fit into it, and none if that is one", () => {
  assert.deepEqual([[10, 5], [11, 5], [9, 5], [5, 5], [3, 5], [1, 1], [2, 1]].map(([n, w]) => tripsOf(n, w)), [
    2,
    2,
    0,
    0,
    0,
    0,
    2,
  ]);
});

/** A graph's output, and its work where some values have arrays. */
function workOf(y: Tensor, isStored: (node: Node) => boolean = () => false, costs: Partial<Costs> = {}) {
  const { leaves } = new Program([y]);
  const { outputs: [root], nodes } = buildGraph([y], leaves, float64);
  const stored = new Set(nodes.filter((node) => node.kernel.kind === "leaf" || isStored(node)));
  return { root, work: new Work(stored, { ...float64.costs, ...costs }) };
}

const named = (name: string) => (node: Node) => node.name === name;
const x = tensor(Array.from({ length: 12 }, (_, i) => i), [3, 4]);
const costOf = (y: Tensor, isStored?: (node: Node) => boolean) => {
  const { root, work } = workOf(y, isStored);
  return work.costOf(root);
};
/** The cost of an op, apart from reading its leaf. */
const EXP = costOf(exp(x)) - 1;

test("a cost counts each value once, each array that is read, and what reductions repeat", () => {
  const e = exp(x);
  assert.equal(costOf(add(x, 1)), 2);
  assert.equal(costOf(add(e, e)), 1 + EXP + 1);
  assert.equal(costOf(add(e, mul(e, x))), 2 + EXP + 1);
  assert.equal(costOf(add(e, mul(e, x)), named("exp")), 2 + 1 + 1);
  assert.equal(costOf(reshape(exp(x), [12])), EXP + 1);
  assert.equal(costOf(sum(x, 1)), 4 * (1 + 1));
  assert.equal(costOf(sum(exp(x), 1)), 4 * (1 + EXP + 1));
  assert.equal(costOf(sum(sum(exp(x), 1), 0)), 3 * (1 + 4 * (1 + EXP + 1)));
  assert.equal(costOf(sum(sum(exp(x), 1), 0), named("exp")), 3 * (1 + 4 * (1 + 1)));
  assert.equal(costOf(gather(x, tensor([0, 1, 0], [3, 1], { dtype: "int" }), 1)), 1 + 1 + 1);
});

test("reading may cost something else, by how often it happens", () => {
  const seen: [string, number][] = [];
  const { root, work } = workOf(add(sum(exp(x), 1), tensor([1, 2, 3])));
  const readCost = (node: Node, times: number): number | null => {
    seen.push([node.name, times]);
    return node.name === "exp" ? 100 : null;
  };
  const cost = 1 + 4 * (1 + 100);
  assert.equal(work.isAbove(root, cost, readCost), false);
  assert.deepEqual(seen, [["sum", 1], ["leaf", 1], ["exp", 4]]);
  assert.equal(work.isAbove(root, cost - 1, readCost), true);
});

test("whether a cost is above a limit is what the cost says, in whatever order it is asked", async () => {
  const drawn = fc.tuple(programs("smooth", 10), fc.nat(), fc.constantFrom(0, 12, 1000));
  await checkProperty(drawn, ([program, seed, lazy]) => {
    const random = randomFrom(seed);
    const outputs = tensorsOf(program);
    const { leaves } = new Program(outputs);
    const { nodes } = buildGraph(outputs, leaves, float64);
    const stored = new Set(nodes.filter((node) => node.kernel.kind === "leaf" || random() < 0.2));
    const work = () => new Work(stored, { ...float64.costs, lazy });
    const asked = work();
    for (let time = 0; time < 60; time++) {
      const node = nodes[Math.floor(random() * nodes.length)];
      const cost = work().costOf(node);
      const near = nodes[Math.floor(random() * nodes.length)];
      for (const most of [cost - 1, cost, work().costOf(near), cost * random()]) {
        assert.equal(asked.isAbove(node, most), cost > most, `${node.name}: ${cost}, ${most}`);
      }
      assert.equal(asked.isLazy(node), work().isLazy(node));
      assert.equal(asked.needsThreads(node), work().needsThreads(node));
      if (random() < 0.2) assert.equal(asked.costOf(node), cost);
    }
  }, { runs: 60 });
});

test("a choice is a branch if what it guards alone costs enough", () => {
  const [condition, guarded] = [greater(x, 0), exp(exp(x))];
  const isLazy = (y: Tensor, lazy: number, isStored?: (node: Node) => boolean) => {
    const { root, work } = workOf(y, isStored, { lazy });
    return work.isLazy(root);
  };
  const choice = where(condition, guarded, 0);
  assert.equal(isLazy(choice, 2 * EXP - 1), true);
  assert.equal(isLazy(choice, 2 * EXP + 1), false);
  // The inner one is needed anyway, or an array; what is no choice guards nothing.
  assert.equal(isLazy(where(condition, guarded, exp(x)), EXP + 1), false);
  assert.equal(isLazy(choice, 0, named("exp")), false);
  assert.equal(isLazy(guarded, 0), false);
  // To know that it is enough does not take all of it, which counts later.
  const { root, work } = workOf(choice, undefined, { lazy: 1 });
  assert.equal(work.isLazy(root), true);
  assert.equal(work.costOf(root), costOf(choice));
});

test("a loop inside another one, or a branch that guards much, gets threads of its own", () => {
  const needs = (y: Tensor, costs: Partial<Costs>) => {
    const { root, work } = workOf(y, undefined, costs);
    return work.needsThreads(root);
  };
  assert.deepEqual([4, 5].map((longInner) => needs(sum(x, 1), { longInner })), [true, false]);
  const choice = where(greater(x, 0), exp(x), 0);
  assert.deepEqual([EXP - 1, EXP].map((muchGuarded) => needs(choice, { muchGuarded })), [true, false]);
  assert.equal(needs(relu(x), { muchGuarded: 0 }), false);
});

test("a loop gets accumulators that divide it, three of them at best, where there are enough elements", () => {
  const { root, work } = workOf(exp(x), undefined, { copy: 0, unrolled: 1000 });
  const widths = [1, 2, 3, 4, 6, 8, 10, 14, 11].map((length) => work.accumulators(root, length));
  assert.deepEqual(widths, [1, 2, 3, 4, 3, 4, 5, 2, 3]);
  // Two more copies, and two elements that are left over, each as costly as the element.
  const least = (2 + 11 % 3) * (EXP + 1);
  const many = [least, least + 1].map((n) =>
    workOf(exp(tensor(new Float32Array(n))), undefined, { copy: 1, wait: 1, unrolled: 1000 })
  );
  assert.deepEqual(many.map(({ root, work }) => work.accumulators(root, 11)), [1, 3]);
  const costly = workOf(exp(x), undefined, { copy: 0, unrolled: EXP });
  assert.equal(costly.work.accumulators(costly.root, 6), 1);
  const read = workOf(exp(x), named("exp"), { copy: 0, unrolled: 1 });
  assert.equal(read.work.accumulators(read.root, 6), 3);
});

test("tables count as arrays where a backend says so", () => {
  const { limits } = float64;
  assert.equal(mostArguments({ ...limits, arguments: 7, tablesAreArguments: true }, 2), 5);
  assert.equal(mostArguments({ ...limits, arguments: 7, tablesAreArguments: false }, 2), 7);
});
