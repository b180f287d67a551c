/** Tapes are recognised by their structure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { add, arange, cast, exp, full, mul, reshape, sum, type Tensor, tensor } from "../../mod.ts";
import { Program } from "../../core/program.ts";
import { historyOf } from "../../verify/tape/oracle.ts";
import { layoutOf, Structures } from "../../verify/tape/structures.ts";
import { describeProgram, programs, record, tensorsOf } from "../ops/programs.ts";
import { checkProperty } from "../support/property.ts";

/** A name for the structure of outputs: the same for the same structure. */
function naming(): (outputs: readonly Tensor[]) => number {
  const structures = new Structures<number>();
  let count = 0;
  return (outputs) => {
    const layout = layoutOf(outputs, []);
    const at = outputs.map((t) => layout.positions.get(t)).join();
    return structures.get(layout, at, () => count++, () => true);
  };
}

test("tapes of a program have the same structure, and programs of one structure have plans of the same key", async () => {
  const nameOf = naming();
  const keys = new Map<number, string>();
  await checkProperty(programs("exact", 4), (program) => {
    const names = [0, 1].map(() => {
      const outputs = record(program, tensorsOf(program));
      const { key, entries, leaves } = new Program(outputs);
      const full = `${key} ${[...leaves, ...entries].map(({ dtype }) => dtype[0]).join("")}`;
      const name = nameOf(outputs);
      assert.equal(keys.get(name) ?? full, full, describeProgram(program));
      keys.set(name, full);
      return name;
    });
    assert.equal(names[0], names[1], describeProgram(program));
  }, { runs: 60 });
});

test("what tells structures apart: shapes, dtypes, attributes, inputs, outputs, and what is named besides", () => {
  const nameOf = naming();
  const x = () => tensor([1, 2, 3, 4]);
  const made: (() => readonly Tensor[])[] = [
    () => [exp(x())],
    () => [exp(tensor([1, 2, 3]))],
    () => [exp(tensor([1, 2, 3, 4], [4], { dtype: "int" }))],
    () => [reshape(x(), [2, 2])],
    () => [reshape(x(), [4, 1])],
    () => [mul(x(), 2)],
    () => [mul(x(), 3)],
    () => [mul(x(), full([], -0))],
    () => [mul(x(), full([], 0))],
    () => [sum(reshape(x(), [2, 2]), 0)],
    () => [sum(reshape(x(), [2, 2]), 1)],
    () => {
      const [a, b] = [x(), x()];
      return [add(exp(a), exp(b))];
    },
    () => {
      const a = x(), one = exp(a);
      return [add(one, one)];
    },
    () => {
      const a = x();
      return [add(exp(a), exp(a))];
    },
    () => [arange(4)],
    () => [cast(arange(4), "float")],
    () => {
      const a = exp(x());
      return [a, exp(a)];
    },
    () => {
      const a = exp(x());
      return [exp(a), a];
    },
  ];
  const names = made.map((make) => nameOf(make()));
  assert.equal(new Set(names).size, made.length);
  assert.deepEqual(made.map((make) => nameOf(make())), names);
});

test("a history that leaves out inputs of its entries is not taken for whole", () => {
  const x = tensor([1, 2]);
  const y = mul(exp(x), x);
  const whole = historyOf([y]);
  const { places, positions } = layoutOf([y], whole);
  assert.deepEqual(places, whole);
  const partial = whole.filter((t) => t.op.name !== "exp");
  assert.deepEqual(layoutOf([y], partial).places, whole);
  for (const [i, t] of whole.entries()) assert.equal(positions.get(t), i);
});

test("only so many structures are kept, and the oldest goes", () => {
  const structures = new Structures<number>();
  let made = 0;
  const get = (n: number) =>
    structures.get(layoutOf([exp(tensor(new Array(n).fill(1)))], []), "", () => made++, () => true);
  for (let n = 1; n <= 257; n++) get(n);
  assert.equal(get(257), 256);
  assert.equal(get(2), 1);
  assert.equal(get(1), 257);
});
