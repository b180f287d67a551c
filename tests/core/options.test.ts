/** Checks of calls, independent of the function. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { boolean, describe, nearest, numberIn, oneOf, Signature, whole } from "../../core/options.ts";
import { tensor } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";

interface Options {
  readonly keepDims?: boolean;
  readonly iouThreshold?: number;
  readonly requiresGrad?: boolean;
  readonly negPosRatio?: number;
  readonly reduction?: "none" | "mean";
}

const names = ["keepDims", "iouThreshold", "requiresGrad", "negPosRatio", "reduction"] as const;
const call = new Signature<Options>("f(x, axis, options)", {
  keepDims: boolean,
  iouThreshold: numberIn(0, 1),
  requiresGrad: boolean,
  negPosRatio: numberIn(0, Infinity),
  reduction: oneOf("none", "mean"),
});
const options = (value: unknown) => () => call.check([1, 0, value]);

test("known options, or none, pass", () => {
  call.check([]);
  call.check([1, 0, undefined]);
  for (const good of [{}, { keepDims: false, reduction: "none" }, { iouThreshold: undefined }, Object.create(null)]) {
    call.check([1, 0, good]);
  }
});

test("anything else in place of options is refused, with the call", () => {
  assert.throws(
    options(null),
    /^Error: f: expected options to be an object of options, got null; write f\(x, axis, \{ keepDims: /,
  );
  assert.throws(options("none"), /got "none"; write f\(x, axis, \{ reduction: "none" \}\)/);
  for (const bad of [true, 0.5, "sum", [1], [], () => 1, 1n, Symbol("s"), new Map([[1, 2]]), new Float32Array(2)]) {
    assert.throws(options(bad), /f: expected options to be an object of options, got .*; write f\(x, axis, \{ /);
  }
  assert.throws(options(tensor([1])), /expected options to be an object of options, got a tensor of shape/);
});

test("a value of another kind is refused", () => {
  assert.throws(options({ iouThreshold: "0.5" }), /f: expected iouThreshold to be a number from 0 to 1, got "0.5"/);
  assert.throws(options({ iouThreshold: 50 }), /expected iouThreshold to be a number from 0 to 1, got 50/);
  assert.throws(options({ reduction: true }), /expected reduction to be "none" or "mean", got true/);
  assert.throws(options({ keepDims: null }), /expected keepDims to be true or false, got null/);
  assert.throws(options({ keepDims: 0 }), /expected keepDims to be true or false, got 0/);
});

test("an unknown option is refused, with the closest match or a list of all", () => {
  const known = /f: there is no option "eps"; the options are "keepDims", .* and "reduction"/;
  assert.throws(options({ eps: 1 }), known);
  for (
    const [written, meant] of [
      ["keepdims", "keepDims"],
      ["keepdim", "keepDims"],
      ["requires_grad", "requiresGrad"],
      ["neg_pos_ratio", "negPosRatio"],
      ["iou_thresh", "iouThreshold"],
      ["reduce", "reduction"],
    ]
  ) assert.throws(options({ [written]: 1 }), new RegExp(`no option "${written}"; did you mean "${meant}"\\?`));
  for (const none of ["ignore_index", "dim", "constructor", "toString", ""]) {
    assert.throws(options({ [none]: 1 }), /the options are /);
  }
});

test("a name with a typo, in another case or with underscores is recognised", async () => {
  const snake = (name: string) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
  const edited = fc.tuple(fc.constantFrom(...names), fc.nat(), fc.constantFrom("swap", "drop", "double"), fc.boolean());
  await checkProperty(edited, ([name, at, how, snaked]) => {
    const i = at % (name.length - 1);
    const text = how === "drop"
      ? name.slice(0, i) + name.slice(i + 1)
      : how === "double"
      ? name.slice(0, i + 1) + name.slice(i)
      : name.slice(0, i) + name[i + 1] + name[i] + name.slice(i + 2);
    assert.equal(nearest(snaked ? snake(text) : text.toUpperCase(), names), name);
  });
});

test("surplus arguments are refused, except those added by map and reduce", () => {
  const one = new Signature("exp(x)");
  const two = new Signature("add(a, b)");
  assert.throws(() => one.check([1, 2]), /exp: expected one argument, exp\(x\), got 2, with 2 as number 2/);
  assert.throws(() => two.check([1, 2, 3]), /add: expected at most 2 arguments, add\(a, b\), got 3/);
  assert.throws(() => new Signature("now()").check([1]), /now: expected no arguments, now\(\), got 1/);
  assert.throws(() => call.check([1, 2, {}, {}]), /f: expected at most 3 arguments/);
  one.check([1, undefined]);
  assert.equal([3, 4].map((...args: unknown[]) => one.check(args)).length, 2);
  [3, 4].reduce((...args: unknown[]) => (two.check(args), 0));
  assert.throws(() => one.check([1, 0, [2]]), /expected one argument/);
});

test("errors have the given class, and the name without new", () => {
  const made = new Signature<{ size?: number }>("new Box(at, options)", { size: whole(1, 8) }, RangeError);
  assert.throws(() => made.check([0, { size: 9 }]), {
    name: "RangeError",
    message: "Box: expected size to be a whole number from 1 to 8, got 9",
  });
  assert.throws(() => made.check([0, 3]), /write new Box\(at, \{ size: 3 \}\)/);
});

test("values are described briefly", () => {
  const words: [value: unknown, words: string][] = [
    [-0, "-0"],
    [NaN, "NaN"],
    [3n, "3n"],
    ["x".repeat(99), `"${"x".repeat(56)}...`],
    [[1, [2, "a"]], '[1, [2, "a"]]'],
    // deno-lint-ignore no-sparse-arrays
    [[1, , 2], "[1, undefined, 2]"],
    [{ a: 1 }, "{ a }"],
    [new Float32Array(3), "a Float32Array of 3 elements"],
    [new Map(), "a Map"],
    [Promise.resolve(), "a promise, which has to be awaited"],
    [tensor([1, 2]), "a tensor of shape [2] and dtype float"],
  ];
  for (const [value, text] of words) assert.equal(describe(value), text);
});
