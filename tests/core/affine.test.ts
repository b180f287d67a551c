import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  type Atom,
  constant,
  flatten,
  floorDiv,
  type Index,
  modulo,
  scale,
  unflatten,
  variable,
} from "../../core/affine.ts";
import { checkProperty } from "../support/property.ts";

/** An expression in plain arithmetic, and the same in index algebra. */
interface Expression {
  text: string;
  index: Index;
  evaluate(values: readonly number[]): number;
}

interface Variable {
  min: number;
  max: number;
  depth: number;
}

const floor = (a: number, n: number) => Math.floor(a / n);

/** The value of an index expression, by definition. */
function valueOf(index: Index, values: readonly number[]): number {
  let sum = index.base;
  for (const { atom, coefficient } of index.terms) sum += coefficient * valueOfAtom(atom, values);
  return sum;
}

function valueOfAtom(atom: Atom, values: readonly number[]): number {
  if (atom.kind === "variable") return values[Number(atom.key.slice(1))];
  const of = valueOf(atom.of, values);
  const quotient = floor(of, atom.by);
  return atom.kind === "quotient" ? quotient : of - atom.by * quotient;
}

/** Ranges of variables, values within them, and an expression over them. */
const cases = fc.gen().map((g) => {
  const int = (min: number, max: number) => g(fc.integer, { min, max });
  const variables: Variable[] = Array.from({ length: int(1, 3) }, () => {
    const min = int(-4, 4);
    return { min, max: min + int(0, 40), depth: int(0, 2) };
  });
  const build = (budget: number): Expression => {
    const kind = budget === 0 ? int(0, 1) : int(0, 6);
    switch (kind) {
      case 0: {
        const n = int(-20, 20);
        return { text: String(n), index: constant(n), evaluate: () => n };
      }
      case 1: {
        const i = int(0, variables.length - 1);
        const { min, max, depth } = variables[i];
        return { text: `v${i}`, index: variable(`v${i}`, min, max, depth), evaluate: (values) => values[i] };
      }
      case 2: {
        const a = build(budget - 1);
        const n = int(-6, 12);
        return { text: `${n} * ${a.text}`, index: scale(a.index, n), evaluate: (values) => n * a.evaluate(values) };
      }
      case 3: {
        const a = build(budget - 1);
        const n = int(1, 12);
        return {
          text: `(${a.text}) / ${n}`,
          index: floorDiv(a.index, n),
          evaluate: (values) => floor(a.evaluate(values), n),
        };
      }
      case 4: {
        const a = build(budget - 1);
        const n = int(1, 12);
        return {
          text: `(${a.text}) % ${n}`,
          index: modulo(a.index, n),
          evaluate: (values) => a.evaluate(values) - n * floor(a.evaluate(values), n),
        };
      }
      default: {
        const a = build(budget - 1);
        const b = build(budget - 1);
        return {
          text: `(${a.text} + ${b.text})`,
          index: add(a.index, b.index),
          evaluate: (values) => a.evaluate(values) + b.evaluate(values),
        };
      }
    }
  };
  const expression = build(int(0, 5));
  const points = Array.from({ length: 12 }, () => variables.map(({ min, max }) => int(min, max)));
  return { expression, variables, points, toString: () => `${expression.text} with ${JSON.stringify(variables)}` };
});

test("an index expression has the value of the arithmetic it was built from", async () => {
  await checkProperty(cases, ({ expression, points }) => {
    for (const values of points) {
      // Adding 0 turns -0 into 0.
      assert.equal(valueOf(expression.index, values) + 0, expression.evaluate(values) + 0, expression.text);
    }
  }, { runs: 800 });
});

test("an index expression stays in the range that it claims", async () => {
  await checkProperty(cases, ({ expression: { index, text, evaluate }, points }) => {
    for (const values of points) {
      const value = evaluate(values);
      assert.ok(index.min <= value && value <= index.max, `${text} = ${value} is not in [${index.min}, ${index.max}]`);
    }
  }, { runs: 300 });
});

test("an index expression is as deep as the variables that it reads", async () => {
  const deepest = (index: Index, variables: readonly Variable[]): number =>
    Math.max(
      0,
      ...index.terms.map(({ atom }) =>
        atom.kind === "variable" ? variables[Number(atom.key.slice(1))].depth : deepest(atom.of, variables)
      ),
    );
  await checkProperty(cases, ({ expression: { index }, variables }) => {
    assert.equal(index.depth, deepest(index, variables));
  }, { runs: 300 });
});

test("expressions with the same key have the same value", async () => {
  await checkProperty(fc.tuple(cases, cases), ([a, b]) => {
    // The ranges of variables may differ between the two, so only expressions over the same variables are compared.
    if (JSON.stringify(a.variables) !== JSON.stringify(b.variables)) return;
    if (a.expression.index.key !== b.expression.index.key) return;
    for (const values of a.points) assert.equal(a.expression.evaluate(values), b.expression.evaluate(values));
  }, { runs: 300 });
  // A key identifies an expression, whatever the order in which it was built.
  const [x, y] = [variable("v0", 0, 9, 0), variable("v1", 0, 9, 1)];
  assert.equal(add(x, scale(y, 3)).key, add(scale(y, 3), x).key);
  assert.equal(add(add(x, y), scale(y, -1)).key, x.key);
});

const shapes = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 });

test("a position and its coordinates convert into each other without any division left", async () => {
  await checkProperty(shapes, (shape) => {
    const axes = shape.map((n, i) => variable(`v${i}`, 0, n - 1, 0));
    const flat = flatten(axes, shape);
    assert.deepEqual(unflatten(flat, shape).map((i) => i.key), axes.map((i) => i.key));
    const size = shape.reduce((a, b) => a * b, 1);
    const position = variable("v0", 0, size - 1, 0);
    assert.equal(flatten(unflatten(position, shape), shape).key, position.key);
  });
});

test("coordinates match plain arithmetic", async () => {
  await checkProperty(shapes, (shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const index = unflatten(variable("v0", 0, size - 1, 0), shape);
    let position = 0;
    const visit = (axis: number, at: number[]): void => {
      if (axis < shape.length) {
        for (let i = 0; i < shape[axis]; i++) visit(axis + 1, [...at, i]);
        return;
      }
      assert.deepEqual(index.map((i) => valueOf(i, [position])), at);
      position++;
    };
    visit(0, []);
  });
});

test("a chain of reshapes and their inverses leaves the index unchanged", async () => {
  const chain = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.array(fc.nat(1000), { maxLength: 4 }));
  await checkProperty(chain, ([size, choices]) => {
    const position = variable("v0", 0, size - 1, 0);
    let flat = position;
    for (const choice of choices) {
      const divisors = Array.from({ length: size }, (_, i) => i + 1).filter((d) => size % d === 0);
      const d = divisors[choice % divisors.length];
      flat = flatten(unflatten(flat, [d, size / d]), [d, size / d]);
    }
    assert.equal(flat.key, position.key);
  });
});

test("dividing twice divides by the product", () => {
  const x = variable("v0", 0, 999, 0);
  assert.equal(floorDiv(floorDiv(x, 4), 5).key, floorDiv(x, 20).key);
  assert.equal(floorDiv(add(scale(x, 6), constant(3)), 6).key, x.key);
  assert.equal(floorDiv(scale(x, 6), 4).key, floorDiv(scale(x, 3), 2).key);
  assert.equal(modulo(add(scale(x, 8), constant(3)), 8).key, constant(3).key);
  assert.equal(modulo(variable("v0", 0, 6, 0), 7).key, "0+1*v0");
});

test("a variable with one value is a constant", () => {
  assert.equal(variable("v0", 5, 5, 2).key, constant(5).key);
  assert.equal(variable("v0", 5, 5, 2).depth, 0);
});
