import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  broadcastAxes,
  broadcastShapes,
  dropAxes,
  formatShape,
  normalizeAxis,
  sameShape,
  sizeOf,
  stridesOf,
} from "../../core/shape.ts";
import { checkProperty } from "../support/property.ts";

const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });

/** Two or three compatible shapes, with their broadcast shape. */
const fitting = fc.tuple(
  shapes,
  fc.array(fc.tuple(fc.nat(4), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 })), {
    minLength: 1,
    maxLength: 3,
  }),
).map(([full, choices]) => ({
  full,
  parts: choices.map(([drop, ones]) => full.slice(Math.min(drop, full.length)).map((n, i) => (ones[i] ? 1 : n))),
}));

test("the size of a shape is the number of its elements, one for a scalar", async () => {
  assert.equal(sizeOf([]), 1);
  await checkProperty(shapes, (shape) => {
    let count = 0;
    const visit = (axis: number): void => {
      if (axis === shape.length) count++;
      else for (let i = 0; i < shape[axis]; i++) visit(axis + 1);
    };
    visit(0);
    assert.equal(sizeOf(shape), count);
  });
});

test("strides count the elements of a shape in row-major order", async () => {
  await checkProperty(shapes, (shape) => {
    const strides = stridesOf(shape);
    assert.equal(strides.length, shape.length);
    let next = 0;
    const visit = (axis: number, offset: number): void => {
      if (axis === shape.length) assert.equal(offset, next++);
      else for (let i = 0; i < shape[axis]; i++) visit(axis + 1, offset + i * strides[axis]);
    };
    visit(0, 0);
  });
});

test("shapes broadcast to the larger of each pair of axes, aligned at the last axis", async () => {
  await checkProperty(fitting, ({ full, parts }) => {
    const rank = Math.max(...parts.map((p) => p.length));
    const expected = full.slice(full.length - rank).map((n, i) => {
      const present = parts.some((p) => p[i - (rank - p.length)] === n && n !== 1);
      return present ? n : 1;
    });
    assert.deepEqual(broadcastShapes(parts), expected);
    // Neither the order of the shapes nor repetition matters.
    assert.deepEqual(broadcastShapes([...parts].reverse()), expected);
    assert.deepEqual(broadcastShapes([...parts, parts[0]]), expected);
  });
});

test("shapes with two different axes, neither of them 1, do not broadcast", async () => {
  assert.equal(broadcastShapes([[2], [3]]), null);
  assert.equal(broadcastShapes([[0], [3]]), null);
  assert.equal(broadcastShapes([[4, 2], [1], [3, 1, 3]]), null);
  await checkProperty(fc.tuple(shapes, shapes), ([a, b]) => {
    const rank = Math.max(a.length, b.length);
    const at = (s: number[], i: number) => s[i - (rank - s.length)] ?? 1;
    const fits = Array.from({ length: rank }).every((_, i) =>
      at(a, i) === at(b, i) || at(a, i) === 1 || at(b, i) === 1
    );
    assert.equal(broadcastShapes([a, b]) !== null, fits);
  });
});

test("an axis of 1 broadcasts to an empty one", () => {
  assert.deepEqual(broadcastShapes([[1, 3], [0, 1]]), [0, 3]);
  assert.deepEqual(broadcastShapes([[0], []]), [0]);
});

test("the axes of a broadcast are those that were added and those that were stretched", async () => {
  assert.deepEqual(broadcastAxes([1, 3], [2, 4, 3]), { added: [0], stretched: [1] });
  await checkProperty(fitting, ({ full, parts }) => {
    for (const part of parts) {
      const { added, stretched } = broadcastAxes(part, full);
      assert.deepEqual(added, Array.from({ length: full.length - part.length }, (_, i) => i));
      const back = full.map((n, i) => (stretched.includes(i) ? 1 : n)).slice(added.length);
      assert.deepEqual(back, part);
      for (const axis of stretched) assert.notEqual(full[axis], 1);
    }
  });
});

test("an axis counts from the front, or from the end if it is negative", async () => {
  await checkProperty(fc.tuple(fc.integer({ min: -6, max: 6 }), fc.nat(4)), ([axis, rank]) => {
    const axes = Array.from({ length: rank }, (_, i) => i);
    assert.equal(normalizeAxis(axis, rank), axes.at(axis) ?? null);
  });
  assert.equal(normalizeAxis(0.5, 2), null);
  assert.equal(normalizeAxis(NaN, 2), null);
});

test("dropping axes keeps the others in order", () => {
  assert.deepEqual(dropAxes([2, 3, 4], [1]), [2, 4]);
  assert.deepEqual(dropAxes([2, 3, 4], [2, 0]), [3]);
  assert.deepEqual(dropAxes([2, 3], []), [2, 3]);
  assert.deepEqual(dropAxes([2, 3], [0, 1]), []);
});

test("shapes are equal if every axis is", () => {
  assert.equal(sameShape([], []), true);
  assert.equal(sameShape([2, 0], [2, 0]), true);
  assert.equal(sameShape([2], [2, 1]), false);
  assert.equal(sameShape([2, 3], [3, 2]), false);
});

test("a shape is printed as a list", () => {
  assert.equal(formatShape([]), "[]");
  assert.equal(formatShape([2, 0, 3]), "[2, 0, 3]");
});
