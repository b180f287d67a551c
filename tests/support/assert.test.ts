// Assertions must behave the same in every runtime; browsers use those of a package.
import assert, { AssertionError } from "node:assert/strict";
import { test } from "node:test";

class Point {
  constructor(readonly x: number) {}
}

/** Pairs that are deeply equal, and pairs that are not. */
const equal: [unknown, unknown][] = [
  [NaN, NaN],
  [[1, [2, { a: "b" }]], [1, [2, { a: "b" }]]],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }],
  [Float32Array.of(0.1, NaN), Float32Array.of(0.1, NaN)],
  [new Map([["a", [1]]]), new Map([["a", [1]]])],
  [new Set([1, 2]), new Set([2, 1])],
  [new Point(1), new Point(1)],
  [[, 1], [, 1]],
];
const different: [unknown, unknown][] = [
  [0, -0],
  [1, "1"],
  [null, undefined],
  [[0], [-0]],
  [[1, 2], [1]],
  [[undefined], []],
  [{ a: undefined }, {}],
  [Float32Array.of(1), Float64Array.of(1)],
  [Float32Array.of(1), Float32Array.of(1.0000001)],
  [Float64Array.of(0), Float64Array.of(-0)],
  [Float32Array.of(1), [1]],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [new Set([1]), new Set([2])],
  [new Point(1), { x: 1 }],
  [new Point(1), new Point(2)],
];

const fails = (body: () => void) => assert.throws(body, AssertionError);

test("deepEqual and notDeepEqual compare strictly", () => {
  for (const [a, b] of equal) {
    assert.deepEqual(a, b);
    fails(() => assert.notDeepEqual(a, b));
  }
  for (const [a, b] of different) {
    assert.notDeepEqual(a, b);
    fails(() => assert.deepEqual(a, b));
  }
});

test("equal and notEqual are Object.is", () => {
  assert.equal(NaN, NaN);
  fails(() => assert.equal(0, -0));
  fails(() => assert.equal<unknown>(1, "1"));
  fails(() => assert.notEqual(NaN, NaN));
});

test("ok, match, doesNotMatch and fail", () => {
  for (const nothing of [0, "", null, undefined, NaN, false]) fails(() => assert.ok(nothing));
  assert.match("abc", /b/);
  assert.doesNotMatch("abc", /d/);
  fails(() => assert.match("abc", /d/));
  fails(() => assert.doesNotMatch("abc", /b/));
  assert.throws(() => assert.fail("said"), { message: "said" });
  assert.throws(() => assert.ok(false, "said"), { message: "said" });
});

test("throws and rejects ask for the right error", async () => {
  const body = () => {
    throw new TypeError("no number");
  };
  const later = () => Promise.reject(new TypeError("no number"));
  for (const right of [/number$/, TypeError, { message: "no number" }, (e: Error) => e instanceof TypeError]) {
    assert.throws(body, right);
    await assert.rejects(later, right);
    await assert.rejects(later(), right);
  }
  for (const wrong of [/string/, RangeError, { message: "number" }, () => false]) {
    assert.throws(() => assert.throws(body, wrong));
    await assert.rejects(assert.rejects(later, wrong));
  }
  fails(() => assert.throws(() => {}));
  await assert.rejects(assert.rejects(Promise.resolve()), AssertionError);
});
