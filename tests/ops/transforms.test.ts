/** Transforms against dual numbers, differences, each other, and what JAX returns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  cos,
  detach,
  div,
  exp,
  floor,
  grad,
  hessian,
  hvp,
  jacobian,
  jvp,
  log,
  logSumExp,
  matmul,
  mean,
  mul,
  prod,
  relu,
  sin,
  square,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  useDevice,
  valueAndGrad,
  vjp,
  where,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { greater } from "../../mod.ts";
import { fillSigned, randomFrom } from "../../verify/random.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { dualOf, randomAlong } from "../support/duals.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose, largestOf } from "./compare.ts";
import { describeProgram, programs, record, tensorsOf } from "./programs.ts";

const device = "float64";
const valueOf = async (t: Tensor) => await t.data({ device }) as Float64Array;
const like = (t: Tensor, random: () => number) => tensor(fillSigned(new Float64Array(t.size), random), [...t.shape]);

test("jvp is the tangent of dual numbers, and vjp its transpose, for programs of many ops", async () => {
  await checkProperty(programs("smooth", 10), async (program) => {
    const random = randomFrom(program.seed);
    const leaves = tensorsOf(program);
    const f = (...xs: Tensor[]) => record(program, xs).filter((t) => t.dtype === "float");
    const along = randomAlong(leaves, random);
    const tangents = leaves.map((t) => tensor(along.get(t)!, [...t.shape]));
    const [ys, pushed] = jvp(f, leaves, tangents);
    const [, pullback] = vjp(f, ...leaves);
    const cotangents = ys.map((y) => like(y, random));
    const pulled = pullback(cotangents);
    await bring([...pushed, ...pulled], { device });
    const duals = dualOf(f(...leaves), along).tangents;
    let [forward, backward, terms] = [0, 0, 0];
    for (const [i, y] of ys.entries()) {
      const expected = duals[i] ?? new Float64Array(y.size);
      const tangent = await valueOf(pushed[i]);
      const allowed = 1e-9 * Math.max(1, largestOf(expected));
      assertClose(tangent, expected, () => allowed, `output ${i} of\n${describeProgram(program)}`);
      (await valueOf(cotangents[i])).forEach((w, j) => {
        forward += w * tangent[j];
        terms += Math.abs(w * tangent[j]);
      });
    }
    for (const [k, cotangent] of pulled.entries()) {
      (await valueOf(cotangent)).forEach((g, j) => {
        backward += g * along.get(leaves[k])![j];
        terms += Math.abs(g * along.get(leaves[k])![j]);
      });
    }
    assert.ok(Math.abs(forward - backward) <= 1e-10 * (1 + terms), `${forward} and ${backward}`);
  }, { runs: 30 });
});

/** Functions of a vector of three to one element, and to two, with all sorts of curvature. */
const scalars: Record<string, (x: Tensor) => Tensor> = {
  "logSumExp of a quadratic": (x) => logSumExp(add(square(x), mul(x, x)), 0),
  "product": (x) => prod(x),
  "quotient": (x) => div(sum(sin(x)), add(2, sum(square(x)))),
  "linear": (x) => sum(mul(x, [1, 2, 3])),
  "constant": () => tensor(2),
  "one branch": (x) => sum(where(greater(x, 0), mul(x, exp(x)), square(x))),
  "cut": (x) => sum(mul(detach(x), x)),
  "a step": (x) => sum(floor(x)),
};
const vectors: Record<string, (x: Tensor) => Tensor> = {
  "fewer": (x) => matmul([[1, 2, 3], [0, 1, -1]], tanh(x)),
  "as many": (x) => mul(x, sum(x)),
  "more": (x) => matmul([[1, 0, 1], [2, 1, 0], [0, 0, 1], [1, 1, 1]], sin(x)),
  "none": () => tensor([1, 2]),
};

const point = fc.array(fc.integer({ min: -200, max: 200 }).map((n) => n / 100), { minLength: 3, maxLength: 3 });

test("jacobian has the products with unit vectors as rows, and as columns", async () => {
  await checkProperty(
    fc.record({ name: fc.constantFrom(...Object.keys(vectors)), at: point }),
    async ({ name, at }) => {
      const f = vectors[name];
      const x = tensor(at);
      const all = jacobian(f)(x);
      const [y, pullback] = vjp(f, x);
      const n = y.size;
      assert.deepEqual(all.shape, [n, 3]);
      const values = await valueOf(all);
      const unit = (size: number, i: number) => tensor(Array.from({ length: size }, (_, j) => Number(i === j)));
      for (let i = 0; i < n; i++) {
        const [row] = pullback(unit(n, i));
        assertClose(values.slice(3 * i, 3 * i + 3), await valueOf(row), () => 1e-14, `row ${i} of ${name}`);
      }
      for (let j = 0; j < 3; j++) {
        const [, column] = jvp(f, [x], [unit(3, j)]);
        assertClose(values.filter((_, k) => k % 3 === j), await valueOf(column), () => 1e-14, `column ${j} of ${name}`);
      }
    },
    { runs: 20 },
  );
});

test("hessian agrees with hvp, with differences of the gradient, and with its transpose", async () => {
  await checkProperty(
    fc.record({ name: fc.constantFrom(...Object.keys(scalars)), at: point, v: point }),
    async ({ name, at, v }) => {
      const f = scalars[name];
      // Differences must not step over an edge.
      fc.pre(at.every((x) => Math.abs(x) > 0.01));
      const x = tensor(at);
      const h = await valueOf(hessian(f)(x));
      assert.equal(h.length, 9);
      const [product] = hvp(f, [x], [v]);
      const expected = [0, 1, 2].map((i) => h[3 * i] * v[0] + h[3 * i + 1] * v[1] + h[3 * i + 2] * v[2]);
      const size = Math.max(1, largestOf(h));
      assertClose(await valueOf(product), expected, () => 1e-12 * size, `hvp of ${name}`);
      const step = 1e-5;
      const slope = async (t: number) => {
        const moved = tensor(at.map((x, i) => x + t * v[i]));
        return await valueOf(grad(f(moved), moved, undefined, { allowUnused: true }));
      };
      if (name !== "cut") {
        const [ahead, behind] = [await slope(step), await slope(-step)];
        const differences = ahead.map((a, i) => (a - behind[i]) / (2 * step));
        assertClose(expected, differences, () => 1e-6 * size * 50, `differences of ${name}`);
      }
      for (let i = 0; i < 3; i++) {
        for (let j = 0; j < i; j++) {
          const [a, b] = [h[3 * i + j], h[3 * j + i]];
          assert.ok(name === "cut" || Math.abs(a - b) <= 1e-12 * size, `${name}: ${a} and ${b}`);
        }
      }
    },
    { runs: 20 },
  );
});

test("valueAndGrad keeps the structure of the argument, and passes the others on", async () => {
  const loss = (
    { layers, scale }: { layers: readonly { w: Tensor; b: Tensor }[]; scale: Tensor },
    x: Tensor,
    mode: "mean" | "sum",
  ) => {
    const y = layers.reduce((h, { w, b }) => relu(add(matmul(h, w), b)), x);
    return mul(scale, mode === "mean" ? mean(y) : sum(y));
  };
  const parameters = {
    layers: [{ w: tensor([[1, 2], [3, 4]]), b: tensor([0.5, -100]) }, { w: tensor([[1], [1]]), b: tensor([0]) }],
    scale: tensor(2),
  };
  const [value, gradient] = valueAndGrad(loss)(parameters, tensor([[1, 1]]), "sum");
  assert.equal(await value.item({ device }), 9);
  assert.deepEqual(await gradient.layers[0].w.toArray({ device }), [[2, 0], [2, 0]]);
  assert.deepEqual(await gradient.layers[1].w.toArray({ device }), [[9], [0]]);
  assert.equal(await gradient.scale.item({ device }), 4.5);
});

test("valueAndGrad differentiates with respect to the arguments of argnums, and passes aux on", async () => {
  const f = (x: Tensor, y: Tensor) => mul(square(x), y);
  const [, [dy, dx]] = valueAndGrad(f, { argnums: [1, 0] })(tensor(3), tensor(5));
  assert.deepEqual([await dy.item({ device }), await dx.item({ device })], [9, 30]);
  const [, only] = valueAndGrad(f, { argnums: 1 })(tensor(3), tensor(5));
  assert.equal(await only.item({ device }), 9);
  const aux = { anything: 1 };
  const [[value, passed], slope] = valueAndGrad((x: Tensor) => [square(x), aux] as const, { hasAux: true })(tensor(3));
  assert.deepEqual([await value.item({ device }), passed, await slope.item({ device })], [9, aux, 6]);
});

test("only the argument counts: not a closure over the same tensor, nor another argument that is the same", async () => {
  const x = tensor(3);
  const [, slope] = valueAndGrad((y: Tensor) => mul(x, y))(x);
  assert.equal(await slope.item({ device }), 3);
  const [, pullback] = vjp(mul, x, x);
  const [a, b] = pullback(1);
  assert.deepEqual([await a.item({ device }), await b.item({ device })], [3, 3]);
  const [, tangent] = jvp(mul, [x, x], [1, 0]);
  assert.equal(await tangent.item({ device }), 3);
});

test("transforms nest", async () => {
  const x = tensor([0.5, 2]);
  const f = (y: Tensor) => sum(mul(sin(y), y));
  // The derivative of a directional derivative along itself is the Hessian's quadratic form.
  const along = (y: Tensor) => jvp(f, [y], [[1, -1]])[1];
  const [, second] = jvp(along, [x], [[1, -1]]);
  const curvature = (t: number) => 2 * Math.cos(t) - t * Math.sin(t);
  assertClose(await valueOf(second), [curvature(0.5) + curvature(2)], () => 1e-14, "jvp of jvp");
  const third = valueAndGrad((y: Tensor) => sum(hvp(f, [y], [[1, 1]])[0]))(x)[1];
  assertClose(
    await valueOf(third),
    [0.5, 2].map((t) => -3 * Math.sin(t) - t * Math.cos(t)),
    () => 1e-14,
    "grad of hvp",
  );
  // An outer variable is differentiated through an inner transform.
  const outer = (a: Tensor) => valueAndGrad((y: Tensor) => mul(a, mul(a, square(y))))(tensor(3))[1];
  const a = tensor(2);
  assert.equal(await grad(outer(a), a).item({ device }), 24);
});

test("what has no influence has derivatives of zero, or is an error", async () => {
  const x = tensor([1, 2]);
  assert.deepEqual(await jvp(floor, [x], [[1, 1]])[1].toArray({ device }), [0, 0]);
  assert.deepEqual(await vjp(floor, x)[1]([1, 1])[0].toArray({ device }), [0, 0]);
  assert.throws(
    () => valueAndGrad(({ a }: { a: Tensor; b: Tensor }) => sum(a))({ a: x, b: x }),
    /^Error: valueAndGrad: no gradient for arguments\[0\]\.b of shape \[2\]: y does not depend on it: .*; \{ allowUnused/,
  );
  const [, { b }] = valueAndGrad(({ a }: { a: Tensor; b: Tensor }) => sum(a), { allowUnused: true })({ a: x, b: x });
  assert.deepEqual(await b.toArray({ device }), [0, 0]);
});

test("a result that is no float has a tangent of zeros, and takes any cotangent", async () => {
  const f = (x: Tensor) => ({ value: square(x), sign: greater(x, 0) });
  const [y, tangent] = jvp(f, [tensor([1, -1])], [[1, 1]]);
  assert.deepEqual(await y.sign.toArray({ device }), [true, false]);
  assert.deepEqual(await tangent.value.toArray({ device }), [2, -2]);
  assert.deepEqual(await tangent.sign.toArray({ device }), [0, 0]);
});

for (const { device, on } of await devicesUnderTest()) {
  test(...on("transforms compute on each device"), async () => {
    await useDevice(device);
    const f = (x: Tensor) => sum(log(add(1, mul(square(x), cos(x)))));
    const x = tensor([0.5, -1, 0.25]);
    const results = [hessian(f)(x), jacobian((y: Tensor) => sub(square(y), sum(y)))(x), ...hvp(f, [x], [[1, 2, 3]])];
    await bring(results, { device: "float64" });
    const expected = results.map((t) => t.value!.slice());
    await bring(results, { device });
    results.forEach((t, i) => assertClose(t.value!, expected[i], () => 2e-5, `result ${i}`));
  });
}
