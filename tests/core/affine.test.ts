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
  resolved,
  scale,
  unflatten,
  variable,
  within,
} from "../../core/affine.ts";
import { extentOf } from "../support/cells.ts";
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
  if (atom.kind === "variable" && atom.of) return valueOf(atom.of, values);
  if (atom.kind === "variable") return values[Number(atom.key.slice(1))];
  const of = valueOf(atom.of, values);
  const quotient = floor(of, atom.by);
  return atom.kind === "quotient" ? quotient : of - atom.by * quotient;
}

/** Ranges of variables, values within them, and expressions over them. */
const casesOf = (count: number, deepest: number) =>
  fc.gen().map((g) => {
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
    const expressions = Array.from({ length: count }, () => build(int(0, deepest)));
    const points = Array.from({ length: 12 }, () => variables.map(({ min, max }) => int(min, max)));
    const text = expressions.map((e) => e.text).join(" and ");
    return { expressions, variables, points, toString: () => `${text} with ${JSON.stringify(variables)}` };
  });
const cases = casesOf(1, 5);

/** A sum of constants and of multiples of different variables: the numbers of these, and the order of the summands. */
const sums = fc.record({
  base: fc.integer({ min: -9, max: 9 }),
  variables: fc.array(
    fc.record({
      factor: fc.integer({ min: -4, max: 4 }).filter((n) => n !== 0),
      min: fc.integer({ min: -3, max: 3 }),
      length: fc.integer({ min: 1, max: 4 }),
      depth: fc.nat(3),
    }),
    { minLength: 1, maxLength: 5 },
  ),
}).chain(({ base, variables }) =>
  fc.record({
    base: fc.constant(base),
    variables: fc.constant(variables),
    order: fc.shuffledSubarray(variables.map((_, i) => i), { minLength: variables.length }),
  })
);

test("a sum of variables has one key in any order, its exact range, and the largest depth", async () => {
  await checkProperty(sums, ({ base, variables, order }) => {
    const summands = variables.map(({ factor, min, length, depth }, i) =>
      scale(variable(`v${i}`, min, min + length, depth), factor)
    );
    const index = summands.reduce(add, constant(base));
    const [low, high] = [Math.min, Math.max].map((extreme) =>
      variables.reduce((sum, { factor, min, length }) => sum + extreme(factor * min, factor * (min + length)), base)
    );
    assert.deepEqual([index.min + 0, index.max + 0], [low + 0, high + 0]);
    assert.equal(index.depth, Math.max(...variables.map(({ depth }) => depth)));
    const shuffled = order.map((i) => summands[i]).reduce(add);
    assert.equal(add(shuffled, constant(base)).key, index.key);
    // Taking all summands away again leaves the constant.
    assert.equal(summands.reduce((rest, term) => add(rest, scale(term, -1)), index).key, constant(base).key);
    assert.equal(scale(index, 0).key, constant(0).key);
  });
});

/** A short range and two divisions with what is between them: small enough to try every value of the variable. */
const divisions = fc.record({
  min: fc.integer({ min: -9, max: 9 }),
  length: fc.integer({ min: 1, max: 24 }),
  factor: fc.constantFrom(-3, -2, -1, 1, 2, 3, 4, 6),
  base: fc.integer({ min: -9, max: 9 }),
  by: fc.integer({ min: 1, max: 8 }),
  then: fc.record({
    factor: fc.integer({ min: 1, max: 3 }),
    base: fc.integer({ min: -4, max: 4 }),
    by: fc.integer({ min: 1, max: 8 }),
  }),
});

test("quotients and remainders are right for every value of a variable, and so are their ranges", async () => {
  await checkProperty(divisions, ({ min, length, factor, base, by, then }) => {
    const values = Array.from({ length: length + 1 }, (_, i) => min + i);
    const of = (x: number) => factor * x + base;
    const line = add(scale(variable("v0", min, min + length, 0), factor), constant(base));
    const expect = (index: Index, evaluate: (x: number) => number, isExact: boolean): void => {
      const expected = values.map((x) => evaluate(x) + 0);
      assert.deepEqual(values.map((x) => valueOf(index, [x]) + 0), expected);
      const [low, high] = [Math.min(...expected), Math.max(...expected)];
      if (isExact) assert.deepEqual([index.min + 0, index.max + 0], [low, high]);
      else {assert.ok(
          index.min <= low && high <= index.max,
          `[${index.min}, ${index.max}] is not around [${low}, ${high}]`,
        );}
    };
    const quotient = floorDiv(line, by);
    expect(quotient, (x) => floor(of(x), by), true);
    const remainder = modulo(line, by);
    expect(remainder, (x) => of(x) - by * floor(of(x), by), false);
    assert.ok(0 <= remainder.min && remainder.max < by);
    // Every step of these rises or falls with the variable, so that ranges stay exact.
    const between = add(scale(quotient, then.factor), constant(then.base));
    const inner = (x: number) => then.factor * floor(of(x), by) + then.base;
    expect(floorDiv(between, then.by), (x) => floor(inner(x), then.by), true);
    expect(modulo(between, then.by), (x) => inner(x) - then.by * floor(inner(x), then.by), false);
  }, { runs: 100 });
});

test("what is known to lie within bounds is divided as such, and stands for what it was", async () => {
  await checkProperty(fc.tuple(divisions, fc.integer({ min: 1, max: 20 })), ([drawn, size]) => {
    const { min, length, factor, base, by } = drawn;
    const line = add(scale(variable("v0", min, min + length, 0), factor), constant(base));
    const inside = within(line, size);
    assert.ok(inside.min === 0 && inside.max === size - 1);
    const row = variable("v1", -3, 3, 1);
    const flat = add(scale(row, size), inside);
    assert.equal(floorDiv(flat, size).key, row.key);
    assert.equal(modulo(flat, size).key, inside.key);
    if (size > 1) assert.equal(resolved(inside).key, line.key);
    assert.equal(resolved(row), row);
    const moved = add(inside, constant(by));
    for (let x = min; x <= min + length; x++) {
      const value = factor * x + base;
      if (value < 0 || value >= size) continue;
      const [quotient, rest] = [floorDiv(moved, by), modulo(moved, by)];
      assert.equal(valueOf(quotient, [x]), floor(value, by) + 1);
      assert.equal(valueOf(rest, [x]), value - by * floor(value, by));
      // A quotient and a remainder of what was narrowed, themselves narrowed: they meet only when both are resolved.
      const met = add(scale(within(quotient, size + by), by), within(rest, by));
      for (const index of [flat, moved, quotient, met]) {
        assert.equal(valueOf(resolved(index), [x, 2]), valueOf(index, [x, 2]));
        assert.equal(resolved(index).isNarrowed, false);
      }
    }
  });
});

test("quotients of sums are right for all values of their variables, and different ones have different keys", async () => {
  const small = fc.integer({ min: 1, max: 6 });
  const drawn = fc.record({
    by: small,
    then: small,
    factor: small,
    base: fc.integer({ min: -4, max: 4 }),
    other: small,
  });
  await checkProperty(drawn, ({ by, then, factor, base, other }) => {
    const [x, y] = [variable("v0", 0, 11, 0), variable("v1", 0, 5, 1)];
    const line = add(add(floorDiv(x, by), scale(y, factor)), constant(base));
    const [quotient, remainder] = [floorDiv(line, then), modulo(line, then)];
    const difference = add(floorDiv(x, by), scale(floorDiv(y, other), -1));
    for (let a = 0; a <= 11; a++) {
      for (let b = 0; b <= 5; b++) {
        const value = floor(a, by) + factor * b + base;
        assert.equal(valueOf(quotient, [a, b]) + 0, floor(value, then) + 0);
        assert.equal(valueOf(remainder, [a, b]) + 0, value - then * floor(value, then));
        assert.equal(valueOf(difference, [a, b]) + 0, floor(a, by) - floor(b, other) + 0);
      }
    }
  });
});

test("a quotient and its remainder put an expression together again, beside others and many times over", async () => {
  const others = fc.integer({ min: -3, max: 3 });
  await checkProperty(fc.tuple(divisions, others, others), ([{ min, length, factor, base, by }, times, beside]) => {
    const line = add(scale(variable("v0", min, min + length, 0), factor), constant(base));
    const other = add(scale(variable("v1", 0, 9, 1), beside), constant(beside));
    const parts = [scale(modulo(line, by), times), other, scale(floorDiv(line, by), by * times)];
    const whole = add(scale(line, times), other);
    for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0]]) {
      assert.equal(order.map((i) => parts[i]).reduce(add).key, whole.key);
    }
  }, { runs: 100 });
});

test("an index expression has the value of the arithmetic it was built from", async () => {
  await checkProperty(cases, ({ expressions: [expression], points }) => {
    for (const values of points) {
      // Adding 0 turns -0 into 0.
      assert.equal(valueOf(expression.index, values) + 0, expression.evaluate(values) + 0, expression.text);
    }
  }, { runs: 100 });
});

test("an index expression stays in the range that it claims", async () => {
  await checkProperty(cases, ({ expressions: [{ index, text, evaluate }], points }) => {
    for (const values of points) {
      const value = evaluate(values);
      assert.ok(index.min <= value && value <= index.max, `${text} = ${value} is not in [${index.min}, ${index.max}]`);
    }
  }, { runs: 80 });
});

test("an index expression is as deep as the variables that it reads", async () => {
  const deepest = (index: Index, variables: readonly Variable[]): number =>
    Math.max(
      0,
      ...index.terms.map(({ atom }) =>
        atom.kind === "variable" ? variables[Number(atom.key.slice(1))].depth : deepest(atom.of, variables)
      ),
    );
  await checkProperty(cases, ({ expressions: [{ index }], variables }) => {
    assert.equal(index.depth, deepest(index, variables));
  }, { runs: 80 });
});

test("expressions with the same key have the same value", async () => {
  let pairs = 0;
  await checkProperty(casesOf(24, 2), ({ expressions, points }) => {
    const first = new Map<string, Expression>();
    for (const expression of expressions) {
      const { key } = expression.index;
      const known = first.get(key);
      if (!known) {
        first.set(key, expression);
        continue;
      }
      if (known.text !== expression.text) pairs++;
      for (const values of points) assert.equal(expression.evaluate(values) + 0, known.evaluate(values) + 0);
    }
  }, { runs: 80 });
  if (extentOf() === "full") assert.ok(pairs > 0, "no two expressions had the same key");
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

test("an axis of length 1 has the coordinate 0, whatever range a position claims", () => {
  assert.equal(unflatten(variable("v0", 0, 9, 0), [1, 5])[0].key, constant(0).key);
});
