import assert from "node:assert/strict";
import { test } from "node:test";
import {
  abs,
  add,
  argmax,
  backward,
  broadcastTo,
  cast,
  clamp,
  compile,
  concat,
  detach,
  div,
  exp,
  floor,
  gather,
  grad,
  greater,
  hold,
  less,
  log,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  pow,
  prod,
  realize,
  relu,
  sin,
  sort,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  topK,
  useDevice,
  where,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { gradcheck } from "../../verify/mod.ts";
import { assertClose, assertSame } from "./compare.ts";

await useDevice("float64");

const near = (actual: ArrayLike<number>, expected: ArrayLike<number>, what = "") =>
  assertClose(actual, expected, (e) => 1e-12 * Math.max(1, Math.abs(e)), what);

test("the gradient of a polynomial, to the fourth order [float64]", async () => {
  const x = tensor([1, -2, 0.5]);
  let y: Tensor = pow(x, 4);
  for (const expected of [[4, -32, 0.5], [12, 48, 3], [24, -48, 12], [24, 24, 24]]) {
    y = grad(sum(y), x);
    near(await y.data(), expected);
  }
});

test("the gradient of a gradient is that of the function differentiated twice [float64]", async () => {
  const x = tensor([0.3, 1.1]);
  const first = grad(sum(mul(exp(x), sin(x))), x);
  const second = grad(sum(first), x);
  near(await second.data(), [0.3, 1.1].map((v) => 2 * Math.exp(v) * Math.cos(v)));
});

test("a mixed second derivative [float64]", async () => {
  const [x, y] = [tensor([1, 2, 3]), tensor([4, 5, 6])];
  const dx = grad(sum(mul(square(x), y)), x);
  near(await grad(sum(dx), y).data(), [2, 4, 6]);
});

test("the gradient with respect to an entry in the middle of the tape [float64]", async () => {
  const x = tensor([1, 2]);
  const middle = exp(x);
  const [dMiddle, dx] = grad(sum(square(middle)), [middle, x]);
  near(await dMiddle.data(), [2 * Math.E, 2 * Math.E ** 2]);
  near(await dx.data(), [2 * Math.E ** 2, 2 * Math.E ** 4]);
});

test("the gradient of an entry by itself is the cotangent [float64]", async () => {
  const x = tensor([1, 2]);
  assertSame(await grad(x, x, tensor([3, -4])).data(), [3, -4], "leaf");
  const y = exp(x);
  assertSame(await grad(y, y, tensor([3, -4])).data(), [3, -4], "entry");
});

test("an entry that is used several times sums its gradients [float64]", async () => {
  const x = tensor([1, 2, 3]);
  const y = add(add(mul(x, 2), mul(x, x)), sum(x));
  near(await grad(sum(y), x).data(), [1, 2, 3].map((v) => 2 + 2 * v + 3));
});

test("a broadcast input sums its gradient [float64]", async () => {
  const [scalar, row, column] = [tensor(2), tensor([1, 2, 3]), tensor([[1], [2]])];
  const cotangent = tensor([[1, 2, 3], [4, 5, 6]]);
  const [dScalar, dRow, dColumn] = grad(mul(scalar, add(row, column)), [scalar, row, column], cotangent);
  assert.deepEqual([dScalar, dRow, dColumn].map((t) => [...t.shape]), [[], [3], [2, 1]]);
  // The factors are [[2, 3, 4], [3, 4, 5]].
  near(await dScalar.data(), [2 + 6 + 12 + 12 + 20 + 30]);
  near(await dRow.data(), [10, 14, 18]);
  near(await dColumn.data(), [12, 30]);
});

test("a gradient without elements has the shape of its input [float64]", async () => {
  const [x, b] = [tensor([], [0, 3]), tensor([[1, 2, 3]])];
  const [dx, db] = grad(sum(mul(x, b)), [x, b]);
  assert.deepEqual([...dx.shape], [0, 3]);
  assert.equal((await dx.data()).length, 0);
  assertSame(await db.data(), [0, 0, 0], "b");
});

test("the gradients with respect to a structure are in its structure [float64]", async () => {
  interface Params {
    w: Tensor;
    readonly layers: readonly { readonly b: Tensor }[];
  }
  const params: Params = { w: tensor([3, 4]), layers: [{ b: tensor(5) }, { b: tensor(7) }] };
  const [first, second] = params.layers;
  const y = sum(mul(mul(params.w, params.w), mul(first.b, second.b)));
  const slopes: Params = grad(y, params);
  const flat = [slopes.w, ...slopes.layers.map(({ b }) => b)];
  const read = (tensors: Tensor[]) => Promise.all(tensors.map(async (t) => [...await t.data({ device: "float64" })]));
  assert.deepEqual(Object.keys(slopes), ["w", "layers"]);
  assert.deepEqual(await read(flat), [[210, 280], [175], [125]]);
  assert.deepEqual(await read(grad(y, [params.w, first.b, second.b])), await read(flat));
  assert.deepEqual([grad(y, {}), grad(y, [])], [{}, []]);
  const { more } = grad(y, { more: [tensor([1])] }, undefined, { allowUnused: true });
  assert.deepEqual(await read(more), [[0]]);
  // What is `any` counts as a tensor.
  // deno-lint-ignore no-explicit-any
  const w: any = params.w;
  assert.deepEqual(await read([mul(grad(y, w), 1)]), [[210, 280]]);
  // @ts-expect-error a number is not on the tape
  assert.throws(() => grad(y, 3));
});

test("recording a gradient computes nothing", async () => {
  const device = await useDevice("float64");
  const before = device.compiled;
  const x = tensor([1, 2]);
  const dx = grad(grad(sum(exp(x)), x), x, tensor([1, 1]));
  assert.equal(dx.value, null);
  assert.equal(device.compiled, before);
});

// Ties, kinks and poles

test("max and min share the gradient evenly among ties [float64]", async () => {
  const x = tensor([[3, 1, 3], [2, 2, 2]]);
  near(await grad(max(x, 1), x, tensor([6, 9])).data(), [3, 0, 3, 3, 3, 3]);
  near(await grad(min(x, 1), x, tensor([6, 9])).data(), [0, 6, 0, 3, 3, 3]);
  near(await grad(max(x), x).data(), [0.5, 0, 0.5, 0, 0, 0]);
  near(await grad(max(x, 0), x, tensor([1, 1, 1])).data(), [1, 0, 1, 0, 1, 0]);
});

test("maximum and minimum share the gradient evenly at equality [float64]", async () => {
  const [a, b] = [tensor([1, 2, 3]), tensor([1, 3, 2])];
  for (const [op, da, db] of [[maximum, [2, 0, 4], [2, 4, 0]], [minimum, [2, 4, 0], [2, 0, 4]]] as const) {
    const [ga, gb] = grad(op(a, b), [a, b], tensor([4, 4, 4]));
    near(await ga.data(), da, `${op.name} a`);
    near(await gb.data(), db, `${op.name} b`);
  }
  const x = tensor([1, -1]);
  near(await grad(maximum(x, x), x, tensor([1, 5])).data(), [1, 5], "both are the same entry");
});

test("abs has the gradient 0 at 0 [float64]", async () => {
  const x = tensor([-2, 0, 3]);
  assertSame(await grad(sum(abs(x)), x).data(), [-1, 0, 1], "abs");
});

test("clamp passes the gradient inside and on its bounds, relu passes none at 0 [float64]", async () => {
  const x = tensor([-2, -1, 0, 1.5, 2]);
  assertSame(await grad(sum(clamp(x, -1, 1.5)), x).data(), [0, 1, 1, 1, 0], "clamp");
  assertSame(await grad(sum(clamp(x, 0)), x).data(), [0, 0, 1, 1, 1], "clamp from below");
  assertSame(await grad(sum(relu(x)), x).data(), [0, 0, 0, 1, 1], "relu");
});

test("a power is differentiable where its base or its exponent is 0 [float64]", async () => {
  const [a, b] = [tensor([0, 0, 0, 2]), tensor([0, 1, 3, 0])];
  const [da, db] = grad(sum(pow(a, b)), [a, b]);
  assertSame(await da.data(), [0, 1, 0, 0], "by the base");
  assertSame(await db.data(), [0, 0, 0, Math.log(2)], "by the exponent");
  const x = tensor([-2, 0, 3]);
  const first = grad(sum(pow(x, 3)), x);
  assertSame(await first.data(), [12, 0, 27], "a negative base");
  assertSame(await grad(sum(first), x).data(), [-12, 0, 18], "twice");
});

test("sort and topK assign the gradient to the lower index among ties [float64]", async () => {
  const x = tensor([2, 5, 5, 1]);
  assertSame(await grad(sort(x, 0), x, tensor([1, 2, 3, 4])).data(), [2, 3, 4, 1], "sort");
  assertSame(await grad(topK(x, 2).values, x, tensor([10, 20])).data(), [0, 10, 20, 0], "topK");
  assertSame(await grad(topK(x, 1).values, x, tensor([10])).data(), [0, 10, 0, 0], "topK, one of two");
});

test("the gradient of a product with zero factors is right, at both orders [float64]", async () => {
  const x = tensor([[2, 0, 3], [0, 0, 5], [1, 2, 4]]);
  const c = tensor([1, 1, 1]);
  const first = grad(prod(x, 1), x, c);
  near(await first.data(), [0, 6, 0, 0, 0, 0, 8, 4, 2]);
  // For each row, the derivative of the sum of its gradient: sums of products without two of the factors.
  const second = grad(sum(first), x);
  near(await second.data(), [3, 5, 2, 5, 5, 0, 6, 5, 3]);
});

/** Functions with an infinite or undefined derivative at 0, guarded by where. */
const poles: Record<string, (x: Tensor) => Tensor> = {
  "sqrt(x)": sqrt,
  "log(x)": log,
  "1 / x": (x) => div(1, x),
  "x ** 0.5": (x) => pow(x, 0.5),
  "0 / x": (x) => div(mul(x, 0), x),
  "log(sqrt(x))": (x) => log(sqrt(x)),
  "exp(1000 - 1e6 * x)": (x) => exp(add(1000, mul(x, -1e6))),
};

for (const [name, f] of Object.entries(poles)) {
  for (const device of ["float64", "cpu"]) {
    test(`where(x > 0, ${name}, 7) does not let 0 poison derivatives of order 1 and 2 [${device}]`, async () => {
      const x = tensor([0, 4, 0]);
      const safe = where(greater(x, 0), f(x), 7);
      const otherWay = where(less(x, 1), 7, f(x));
      for (const y of [safe, otherWay]) {
        const c = tensor([1, 2, 3]);
        const first = grad(y, x, c);
        const second = grad(first, x, c, { allowUnused: true });
        const free = tensor([4]);
        const expected1 = grad(f(free), free, tensor([2]));
        const expected2 = grad(expected1, free, tensor([2]), { allowUnused: true });
        await bring([first, second, expected1, expected2], { device });
        for (const [actual, expected] of [[first, expected1], [second, expected2]]) {
          const right = [0, expected.value![0], 0];
          assertClose(actual.value!, right, (e) => 1e-5 * Math.abs(e) + 1e-30, `${name} on ${device}`);
        }
      }
    });
  }
}

test("where passes the gradient to the branch that was taken, infinite or not [float64]", async () => {
  const x = tensor([0, 4]);
  assertSame(await grad(sum(where(greater(x, -1), sqrt(x), 7)), x).data(), [Infinity, 0.25], "taken");
});

test("where sums the gradient of a broadcast branch [float64]", async () => {
  const [a, b] = [tensor([1, 2, 3]), tensor(5)];
  const [da, db] = grad(where(tensor([true, false, false]), a, b), [a, b], tensor([10, 20, 30]));
  assertSame(await da.data(), [10, 0, 0], "a");
  assertSame(await db.data(), [50], "b");
});

test("NaN in an element that counts reaches the gradient [float64]", async () => {
  const x = tensor([NaN, 2]);
  assertSame(await grad(sum(square(x)), x).data(), [NaN, 4], "square");
});

// Inputs without a gradient

test("an input that y does not depend on is an error [float64]", () => {
  const [x, other] = [tensor([1, 2]), tensor([1, 2, 3])];
  assert.throws(
    () => grad(sum(x), other),
    /^Error: grad: no gradient for x\[0\] of shape \[3\]: y does not depend on it/,
  );
  assert.throws(() => grad(sum(x), [x, other]), /x\[1\] of shape \[3\]/);
});

test("a loop that updates what is no leaf any more says how to make one [float64]", () => {
  const w = tensor([1, 2], [2], { requiresGrad: true });
  backward(sum(square(w)));
  const next = sub(w, mul(w.grad!, 0.1));
  backward(sum(square(next)));
  // As in PyTorch, the gradient is with the leaf that the parameter was computed from.
  assert.equal(next.grad, null);
  assert.throws(
    () => mul(next.grad!, 0.1),
    /^Error: mul: expected a to be a tensor, .* got null; if it is grad of a tensor, .* detach\(x, \{ requiresGrad: true \}\)/,
  );
});

test("an input behind an op without derivative is an error that names the op [float64]", () => {
  const x = tensor([[1, 2], [3, 4]]);
  assert.throws(() => grad(sum(floor(x)), x), /cut by an op without derivative: "floor"/);
  // What counts truth values only passes on what was cut.
  assert.throws(() => grad(mean(greater(x, 1)), x), /cut by an op without derivative: "greater"; /);
  assert.throws(() => grad(sum(cast(greater(x, 2), "float")), x), /"greater"/);
  assert.throws(() => grad(sum(cast(argmax(x, 1), "float")), x), /"argmax"/);
  assert.throws(() => grad(sum(detach(x)), x), /"detach"/);
  assert.throws(() => grad(sum(exp(floor(mul(x, 2)))), x), /"floor"/, "with ops before and after it");
  assert.throws(() => grad(sum(where(greater(x, 2), 1.5, 2.5)), x), /"greater"/);
  // If there are two paths, both are named.
  assert.throws(
    () => grad(sum(add(floor(x), detach(x))), x),
    (error: Error) => /"floor"/.test(error.message) && /"detach"/.test(error.message),
  );
});

test("one path with a derivative is enough [float64]", async () => {
  const x = tensor([1.5, 2.5]);
  assertSame(await grad(sum(mul(floor(x), x)), x).data(), [1, 2], "floor counts as a constant");
  assertSame(await grad(sum(mul(detach(x), x)), x).data(), [1.5, 2.5], "detach");
});

test("allowUnused returns zeros of the input's shape [float64]", async () => {
  const [x, other, cut] = [tensor([1, 2]), tensor([[1, 2, 3]]), tensor(4)];
  const [dx, dOther, dCut] = grad(sum(mul(x, floor(cut))), [x, other, cut], undefined, { allowUnused: true });
  assertSame(await dx.data(), [4, 4], "x");
  assertSame(await dOther.data(), [0, 0, 0], "other");
  assert.deepEqual([...dOther.shape], [1, 3]);
  assertSame(await dCut.data(), [0], "cut");
});

test("gradients of non-float tensors and for wrong cotangents are errors [float64]", () => {
  const x = tensor([1, 2]);
  const indices = tensor(new Int32Array([1]));
  assert.throws(() => grad(argmax(x, 0), x), /grad: expected y of dtype float, got int \(made by "argmax"\)/);
  assert.throws(() => grad(sum(gather(x, indices, 0)), indices), /expected x\[0\] of dtype float, got int/);
  assert.throws(() => grad(x, x), /cotangent for y of shape \[2\]/);
  assert.throws(() => grad(x, x, tensor([1, 2, 3])), /y's shape \[2\], got \[3\]/);
  assert.throws(() => grad(1 as unknown as Tensor, x), /grad: expected y to be a tensor, got 1/);
  assert.throws(() => grad(sum(x), [1 as unknown as Tensor]), /grad: expected x\[0\] to be a tensor, or .*, got 1/);
});

// backward

test("backward adds to the gradient of each leaf that requires one [float64]", async () => {
  const a = tensor([1, 2], [2], { requiresGrad: true });
  const b = tensor([3, 4], [2], { requiresGrad: true });
  const plain = tensor([5, 6]);
  assert.equal(a.grad, null);
  backward(sum(mul(mul(a, b), plain)));
  assertSame(await a.grad!.data(), [15, 24], "a");
  assertSame(await b.grad!.data(), [5, 12], "b");
  assert.equal(plain.grad, null);
  backward(sum(square(a)));
  assertSame(await a.grad!.data(), [17, 28], "a, twice");
  assertSame(await b.grad!.data(), [5, 12], "b is unchanged");
  a.grad = null;
  backward(mul(a, 2), tensor([1, 10]));
  assertSame(await a.grad!.data(), [2, 20], "a, anew");
});

test("backward throws if no leaf gets a gradient [float64]", () => {
  assert.throws(() => backward(sum(tensor([1, 2]))), /backward: .*"sum".*requiresGrad/);
  const x = tensor([1, 2], [2], { requiresGrad: true });
  assert.throws(() => backward(sum(floor(x))), /backward: no gradient reaches .*"floor"/);
  assert.equal(x.grad, null);
});

// detach

test("detach keeps values and stops gradients, computed or not [float64]", async () => {
  for (const computed of [false, true]) {
    const x = tensor([1, 2]);
    const y = exp(x);
    if (computed) await realize([y]);
    const d = detach(y);
    assert.deepEqual([...d.shape], [2]);
    near(await d.data(), [Math.E, Math.E ** 2]);
    assert.throws(() => grad(sum(d), x));
    near(await grad(sum(mul(d, x)), x).data(), [Math.E, Math.E ** 2]);
  }
});

test("hold keeps values, dtype and shape, and stops gradients [float64]", async () => {
  const x = tensor([1, 2]);
  const y = hold(exp(x));
  near(await y.data(), [Math.E, Math.E ** 2]);
  assert.throws(() => grad(sum(y), x), /"hold"/);
  near(await grad(sum(mul(y, x)), x).data(), [Math.E, Math.E ** 2]);
  const b = hold(greater(tensor([[1, 2]]), 1.5));
  assert.equal(b.dtype, "bool");
  assert.deepEqual(await b.toArray(), [[false, true]]);
});

test("detach keeps dtype and shape [float64]", async () => {
  const d = detach(greater(tensor([[1, 2]]), 1.5));
  assert.equal(d.dtype, "bool");
  assert.deepEqual(await d.toArray(), [[false, true]]);
});

test("detach inside a compiled function sees each call's values [float64]", async () => {
  const f = compile((x: Tensor) => grad(sum(mul(detach(x), x)), x));
  assertSame(await (await f(tensor([1, 2]))).data(), [1, 2], "first");
  assertSame(await (await f(tensor([3, 4]))).data(), [3, 4], "second");
});

test("detach records the same entry whether or not its input was read, and reuses an existing value [float64]", async () => {
  const made = async (read: boolean) => {
    const y = exp(tensor([0, 1]));
    if (read) await y.data();
    const d = detach(y);
    assert.equal(d.op.name, "detach");
    assert.deepEqual(d.inputs, [y]);
    assert.equal(d.requiresGrad, false);
    const { compiled } = await useDevice("float64");
    assertSame(await d.data(), [1, Math.E], "the values");
    if (read) assert.equal((await useDevice("float64")).compiled, compiled, "nothing is computed");
  };
  await made(false);
  await made(true);
});

test("a debug print does not change the check [float64]", async () => {
  for (const prints of [0, 1, 2]) {
    const report = await gradcheck(async (x: Tensor) => {
      const p = exp(x);
      if (prints > 0) await p.data();
      const d = detach(p);
      if (prints > 1) await d.data();
      return sum(mul(d, x));
    }, [[0.3, 0.7]]);
    assert.equal(report.verdict, "wrong", `with ${prints} prints`);
    assert.equal(report.tape.find(({ suspect }) => suspect)?.op, "detach");
  }
});

test("backward accumulates a gradient in the result of detach with requiresGrad [float64]", async () => {
  const x = tensor([1, 2], [2], { requiresGrad: true });
  const y = detach(mul(x, 3), { requiresGrad: true });
  backward(sum(square(y)));
  assertSame(await y.grad!.data(), [6, 12], "by y");
  assert.equal(x.grad, null);
  assert.throws(() => detach(greater(x, 0), { requiresGrad: true }), /detach: expected dtype float.*got bool/);
});

test("a gradient through movement returns to where elements came from [float64]", async () => {
  const x = tensor([[1, 2, 3], [4, 5, 6]]);
  const y = concat([broadcastTo(sum(x, 0), [2, 3]), relu(x)], 1);
  assert.deepEqual([...y.shape], [2, 6]);
  const c = tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]);
  assertSame(await grad(y, x, c).data(), [8 + 4, 10 + 5, 12 + 6, 8 + 10, 10 + 11, 12 + 12], "concat");
});

test("a chain of 10,000 entries is differentiated without recursion [float64]", async () => {
  const x = tensor(1);
  let y: Tensor = x;
  for (let i = 0; i < 10_000; i++) y = add(y, x);
  assert.equal(await grad(y, x).item(), 10_001);
});
