/** Functions with a derivative of one's own: values, gradients of any order, and what a gradient check says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  backward,
  cos,
  customVjp,
  type CustomVjpContext,
  detach,
  exp,
  flip,
  grad,
  greater,
  log,
  log1p,
  mul,
  neg,
  round,
  scan,
  sigmoid,
  sin,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  useDevice,
  where,
  zeros,
} from "../../mod.ts";
import { gradcheck } from "../../verify/mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose } from "./compare.ts";

const device = "float64";
const items = async (...tensors: Tensor[]) => await Promise.all(tensors.map((t) => t.item({ device })));

const sine = customVjp((x) => sin(x), ({ inputs: [x], times }) => times(() => cos(x)), { name: "sine" });
const wrongSine = customVjp((x) => sin(x), ({ inputs: [x], times }) => times(() => sin(x)), { name: "wrongSine" });
const straightThrough = customVjp(round, ({ cotangent }) => cotangent, { surrogate: true });
const reversed = customVjp((x) => x, ({ cotangent }) => neg(cotangent), { name: "reversed", surrogate: true });
const product = customVjp(
  (a, b) => mul(a, b),
  ({ inputs: [a, b], times }) => [times(() => b), times(() => a)],
  { name: "product" },
);

const vector = fc.array(fc.integer({ min: -300, max: 300 }).map((n) => n / 100), { minLength: 1, maxLength: 5 });

test("a rule that is right leads to the gradients of the ops, to the third order", async () => {
  await checkProperty(fc.record({ at: vector, by: vector }), async ({ at, by }) => {
    fc.pre(at.length === by.length);
    const orders = (f: (x: Tensor) => Tensor, times: typeof mul): Tensor[] => {
      const x = tensor(at);
      const first = grad(sum(times(f(x), mul(x, by) as Tensor)), x);
      const second = grad(sum(mul(first, x)), x);
      return [first, second, grad(sum(mul(second, by)), x)];
    };
    const own = orders(sine as (x: Tensor) => Tensor, product as typeof mul);
    const expected = orders(sin, mul);
    for (const [i, t] of own.entries()) {
      assertClose(await t.data({ device }), await expected[i].data({ device }), () => 1e-12, `order ${i + 1}`);
    }
  }, { runs: 20 });
});

test("the rule is used where the ops of the value have another derivative, or none", async () => {
  const x = tensor(800);
  const stable = customVjp((x) => log1p(exp(x)), ({ inputs: [x], times }) => times(() => sigmoid(x)));
  assert.deepEqual(await items(grad(stable(x), x), grad(log1p(exp(x)), x)), [1, NaN]);
  const y = tensor(1.7);
  assert.deepEqual(await items(straightThrough(y), grad(straightThrough(y), y)), [2, 1]);
  assert.deepEqual(await items(reversed(square(y)), grad(reversed(square(y)), y)), [1.7 ** 2, -3.4]);
});

/** Ways in which a function uses a tensor that is no input of its rule. */
const uses: Record<string, (x: Tensor, w: Tensor) => Tensor> = {
  "as it is": (x, w) => mul(x, w),
  "behind other ops": (x, w) => mul(x, sum(exp(mul(w, 2)))),
  "only there": (_x, w) => exp(w),
  "in a loop": (x, w) => scan((c: Tensor, row: Tensor) => [mul(add(c, row), w), null], x, zeros([3, 2]))[0],
  "within another such function": (x, w) => customVjp((a) => mul(a, w), ({ cotangent }) => cotangent)(x),
};

for (const [name, use] of Object.entries(uses)) {
  test(`a tensor that a rule does not know of has no gradient, not a part of one: ${name}`, async () => {
    const [x, w] = [1, 2].map((by) => tensor([by, by + 0.5], [2], { requiresGrad: true }));
    const rule = ({ cotangent }: CustomVjpContext) => cotangent;
    const f = customVjp((x) => use(x, w), rule, { name: "partial" });
    const message = /"partial" has a rule for its inputs, but also depends on the tensor of shape \[2\]/;
    for (const y of [sum(f(x)), add(sum(f(x)), sum(square(w)))]) {
      assert.throws(() => grad(y, w), message);
      assert.throws(() => grad(y, [x, w]), message);
      assert.throws(() => backward(y), message);
      assert.deepEqual(await grad(y, x).toArray({ device }), [1, 1]);
    }
    const held = customVjp((x) => use(x, detach(w)), rule);
    const y = add(sum(held(x)), sum(square(w)));
    assert.deepEqual(await grad(y, w).toArray({ device }), [4, 5]);
    assert.deepEqual(await grad(sum(held(x)), w, undefined, { allowUnused: true }).toArray({ device }), [0, 0]);
    assert.deepEqual(await grad(sum(where(greater(x, 9), f(x), square(w))), x).toArray({ device }), [0, 0]);
  });
}

test("what was not selected is absent behind an elementwise rule, and counts behind any other", async () => {
  const guarded = (f: (x: Tensor) => Tensor) => (x: Tensor) => sum(where(greater(x, 0), f(sqrt(x)), 0));
  const x = tensor([-1, 4]);
  assert.deepEqual(await grad(guarded(sine)(x), x).toArray({ device }), [0, Math.cos(2) / 4]);
  // Each element of this gradient is made of another one's cotangent, and one of a difference that happens to be 0.
  const turned = customVjp((x) => flip(x, 0), ({ cotangent }) => flip(cotangent, 0));
  const y = tensor([9, 4]);
  const selected = sum(where(tensor([true, false]), turned(sqrt(y)), 0));
  assert.deepEqual(await grad(selected, y).toArray({ device }), [0, 0.25]);
  const differences = customVjp(
    (x) => sub(x, flip(x, 0)),
    ({ cotangent }) => sub(cotangent, flip(cotangent, 0)),
  );
  const both = sum(mul(where(greater(y, 0), differences(mul(y, y)), 0), 1));
  assert.deepEqual(await grad(both, y).toArray({ device }), [0, 0]);
});

test("a check finds a rule that is wrong, and names it", async () => {
  const right = await gradcheck((x) => sum(mul(sine(square(x)), x)), [[0.5, 2]], { order: 2, device });
  assert.equal(right.verdict, "ok");
  const wrong = await gradcheck((x) => sum(mul(wrongSine(square(x)), exp(x))), [[0.5, 2]], { device });
  assert.equal(wrong.verdict, "wrong");
  const suspect = wrong.tape.find(({ suspect }) => suspect);
  assert.equal(suspect?.op, "wrongSine");
  // The fault is elsewhere: what a user wrote is not blamed.
  const other = await gradcheck((x) => sum(mul(sine(x), detach(log(x)))), [[0.5, 2]], { device });
  assert.equal(other.verdict, "wrong");
  assert.notEqual(other.tape.find(({ suspect }) => suspect)?.op, "sine");
});

test("a surrogate is taken at its word, and what is around it is checked, at both orders", async () => {
  for (const surrogate of [straightThrough, reversed]) {
    const f = (x: Tensor) => sum(mul(square(surrogate(mul(x, x))), sin(x)));
    for (const mode of ["full", "fast"] as const) {
      const report = await gradcheck(f, [[0.4, 1.3, -0.7]], { order: 2, mode, device });
      assert.equal(report.verdict, "ok", JSON.stringify(report.findings));
      assert.match(JSON.stringify(report.findings), /meant to differ from that of its value, by customVjp/);
    }
    const wrong = await gradcheck((x) => sum(mul(surrogate(x), wrongSine(x))), [[0.4, 1.3]], { device });
    assert.equal(wrong.verdict, "wrong");
  }
  const undeclared = customVjp(round, ({ cotangent }) => cotangent);
  assert.equal((await gradcheck((x) => sum(mul(undeclared(x), x)), [[0.4, 1.3]], { device })).verdict, "wrong");
});

test("a rule that is not linear in the cotangent is found", async () => {
  const clipped = customVjp((x) => x, ({ cotangent }) => where(greater(cotangent, 0.1), 0.1, cotangent), {
    surrogate: true,
  });
  const report = await gradcheck((x) => sum(mul(clipped(x), x)), [[0.4, 1.3]], { device });
  assert.equal(report.verdict, "wrong");
});

test("rules that return something else are refused, by name", () => {
  const x = tensor([1, 2]);
  const bad = (vjp: (context: { cotangent: Tensor }) => unknown) =>
    customVjp((x) => sin(x), vjp as () => Tensor, { name: "f" });
  assert.throws(() => grad(sum(bad(() => 1)(x)), x), /^Error: f: expected vjp to return a tensor.*, got 1$/);
  assert.throws(() => grad(sum(bad(() => [])(x)), x), /expected vjp to return a tensor/);
  assert.throws(() => grad(sum(bad(() => [undefined])(x)), x), /got undefined as number 0/);
  assert.throws(
    () => grad(sum(bad(({ cotangent }) => sum(cotangent))(x)), x),
    /expected the gradient with respect to input 0 of its shape \[2\], got \[\]/,
  );
  assert.throws(
    () => grad(sum(bad(({ cotangent }) => greater(cotangent, 0))(x)), x),
    /expected the gradient with respect to input 0 of dtype float, got bool/,
  );
  assert.throws(() => grad(sum(bad(async () => await x)(x)), x), /recorded, not run: it cannot be async/);
  const two = customVjp((a, b) => add(a, b), ({ cotangent }) => cotangent, { name: "two" });
  assert.throws(() => grad(sum(two(x, x)), x), /two: expected vjp to return an array of 2 tensors/);
  assert.throws(
    () => customVjp((_x) => 1 as unknown as Tensor, () => x, { name: "g" })(x),
    /^Error: g: expected forward/,
  );
});

test("softplus with a rule of its own passes the check that its parts fail at large numbers", async () => {
  const own = customVjp((x) => softplus(x), ({ inputs: [x], times }) => times(() => sigmoid(x)));
  assert.equal((await gradcheck((x) => sum(own(x)), [[-40, 0, 40, 800]], { device })).verdict, "ok");
});

for (const { device, on } of await devicesUnderTest()) {
  test(...on("functions with a rule of their own compute on each device"), async () => {
    await useDevice(device);
    const x = tensor([0.5, -1.25]);
    const y = sum(product(straightThrough(mul(x, 3)), sine(x)));
    assertClose(
      await grad(y, x).data({ device }),
      [
        3 * Math.sin(0.5) + 2 * Math.cos(0.5),
        3 * Math.sin(-1.25) + -4 * Math.cos(-1.25),
      ],
      () => 1e-5,
      "the gradient",
    );
  });
}
