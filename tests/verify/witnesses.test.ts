/** The two witnesses of a gradient, and how the report presents them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  add,
  detach,
  div,
  equal,
  exp,
  greater,
  hold,
  iouMatrix,
  log,
  matmul,
  max,
  mean,
  mul,
  neg,
  pow,
  relu,
  round,
  sigmoid,
  sign,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  useDevice,
  where,
} from "../../mod.ts";
import { abs } from "../../mod.ts";
import {
  gradcheck,
  type GradcheckOptions,
  type InputLike,
  type PlainFunction,
  reportText,
  type TensorFunction,
} from "../../verify/mod.ts";
import { plantFunction } from "../support/functions.ts";
import { record } from "../../core/record.ts";
import { exponential } from "./support.ts";

await useDevice("float64");

function check(f: TensorFunction, at: readonly InputLike[], options: GradcheckOptions = {}) {
  return gradcheck(f, at, { seed: 1, ...options });
}

test("an error of 1e-10 in a smooth function is found, by duals [float64]", async () => {
  const off = exponential(({ cotangent, output }) => mul(mul(cotangent, output), 1 + 1e-10));
  for (const mode of ["full", "fast"] as const) {
    const report = await check(off, [[0.3, -1, 2]], { mode });
    assert.equal(report.verdict, "wrong", reportText(report));
  }
  const { worst: [worst] } = await check(off, [[0.3, -1, 2]]);
  assert.equal(worst.witness, "duals");
  assert.equal(worst.second?.witness, "differences");
});

/** A cube whose kernel calls a function without a known derivative, and whose gradient has a factor. */
function cubed(factor: number): TensorFunction {
  const cube = plantFunction(([x]) => `(${x} * ${x} * ${x})`);
  return (x) =>
    record({
      name: "cube",
      infer: ([t]) => ({ shape: t.shape, dtype: "float" }),
      kernel: { kind: "elementwise", cost: 1, expression: ([t], _, { call }) => call(cube, t) },
      vjp: [({ cotangent, inputs: [t] }) => mul(cotangent, mul(factor, square(t)))],
    }, [x]);
}

test("a function without a known derivative is judged by differences [float64]", async () => {
  const right = await check(cubed(3), [[1, -2]]);
  assert.deepEqual([right.verdict, right.worst[0].witness], ["ok", "differences"]);
  assert.equal((await check(cubed(3.01), [[1, -2]])).verdict, "wrong");
});

test("directions name the witness that judged them [float64]", async () => {
  const witnesses = async (f: TensorFunction | PlainFunction) => {
    const { worst } = await gradcheck(f, [[0.3, -1, 2]], { mode: "fast", seed: 1 });
    return new Set(worst.filter(({ input }) => input < 0).map(({ witness = "differences" }) => witness));
  };
  const cubes: PlainFunction = {
    value: ([x]) => x[0] ** 3 + x[1] ** 3 + x[2] ** 3,
    gradient: ([x]) => [Array.from(x, (a) => 3 * a * a)],
  };
  assert.deepEqual(await witnesses(cubes), new Set(["differences"]));
  assert.deepEqual(await witnesses((x) => sum(square(x))), new Set(["duals"]));
  assert.deepEqual(await witnesses(cubed(3)), new Set(["differences"]));
});

const readBack: Record<string, [f: TensorFunction, found: boolean]> = {
  "an element": [async (x) => sum(mul(x, (await x.data())[0])), true],
  "all values as a constant": [(x) => sum(mul(x, tensor(x.value))), true],
  "the largest": [async (x) => div(sum(square(x)), await max(x).item()), true],
  "a length": [async (x) => mul(sum(x), Math.hypot(...await x.data())), true],
  "a value that is only printed": [async (x) => {
    const y = exp(x);
    String(await y.data());
    return sum(y);
  }, false],
  "a shift without influence": [async (x) => {
    const m = await max(x).item();
    return add(log(sum(exp(sub(x, m)))), m);
  }, false],
  "a branch": [async (x) => ((await x.data())[0] > 0 ? sum(square(x)) : sum(x)), false],
  "a loop that ends when it has converged": [async (x) => {
    let y: Tensor = tensor(1);
    for (let i = 0; i < 50; i++) {
      const next = mul(0.5, add(y, div(sum(x), y)));
      const change = Math.abs(await sub(next, y).item());
      y = next;
      if (change < 1e-14) break;
    }
    return y;
  }, false],
};
for (const [name, [f, found]] of Object.entries(readBack)) {
  test(`reading back ${name} is ${found ? "found" : "harmless"} [float64]`, async () => {
    for (const mode of ["full", "fast"] as const) {
      const report = await check(f, [[2, 1, 3]], { mode });
      assert.equal(report.verdict, found ? "wrong" : "ok", reportText(report));
      assert.equal(report.findings.some(({ check }) => check === "read back"), found);
    }
  });
}

test("what an earlier call computed is no function of the inputs [float64]", async () => {
  let cached: Tensor | null = null;
  const report = await check((x: Tensor) => cached ??= exp(x), [[1, 2]]);
  assert.equal(report.verdict, "wrong");
  assert.match(report.findings.find(({ check }) => check === "read back")!.message, /an earlier call/);
});

test("a rule that changes from recording to recording is found [float64]", async () => {
  let recordings = 0;
  const report = await check(
    exponential(({ cotangent, output }) => mul(mul(cotangent, output), recordings++ === 0 ? 1 : 2)),
    [[1, 2]],
  );
  assert.equal(report.verdict, "undecided");
  assert.match(report.findings.find(({ check }) => check === "determinism")!.message, /recorded again/);
});

test("what is held on purpose is held, and what is made of it [float64]", async () => {
  const held: Record<string, TensorFunction> = {
    "a factor": (x) => sum(mul(hold(x), x)),
    "a square of it": (x) => sum(mul(square(hold(x)), x)),
    "a weight beside a kink": (x) => sum(mul(square(hold(sigmoid(x))), relu(x))),
    "a straight-through estimator": (x) => add(x, hold(sub(round(x), x))),
  };
  for (const [name, f] of Object.entries(held)) {
    for (const options of [{ mode: "full" }, { mode: "fast" }, { order: 2 }] as const) {
      const report = await check(f, [[0.4, 1.7, 0]], options);
      assert.equal(report.verdict, "ok", `${name}: ${reportText(report)}`);
      assert.ok(report.findings.some(({ check }) => check === "held"), name);
    }
    const cut = await check((x: Tensor) => sum(mul(f(x) as Tensor, detach(x))), [[0.4, 1.7]]);
    assert.equal(cut.verdict, "wrong", `${name}, and a factor that is detached`);
  }
});

test("the trade-off of CIoU is held [float64]", async () => {
  const overlap = (a: Tensor, b: Tensor) => iouMatrix(a, b, { kind: "ciou" });
  const at = [[[0, 0, 1, 1]], [[0.3, 0.2, 1.4, 0.9], [2, 3, 4, 4.5], [0.2, 0.3, 0.6, 0.8]]];
  for (const options of [{ mode: "full" }, { mode: "fast" }, { order: 2 }] as const) {
    const report = await check(overlap, at, options);
    assert.equal(report.verdict, "ok", reportText(report));
    assert.ok(report.findings.some(({ check }) => check === "held"), reportText(report));
  }
});

test("the cut that makes a gradient wrong is named, a harmless one is not [float64]", async () => {
  const shifted = (x: Tensor) => {
    const e = exp(sub(x, detach(max(x))));
    return div(e, sum(e));
  };
  const harmless = await check((x: Tensor) => sum(square(shifted(x))), [[1, 2, 4]]);
  assert.equal(harmless.verdict, "ok", reportText(harmless));
  const wrong = exponential(({ cotangent, output }) => mul(mul(cotangent, output), 1.01));
  const other = await check((x: Tensor) => sum(wrong(shifted(x))), [[1, 2, 4]]);
  assert.equal(other.tape.find(({ suspect }) => suspect)?.op, "planted", reportText(other));
  const focal = (x: Tensor) => {
    const p = sigmoid(x);
    const weight = detach(sub(1, p));
    return mean(mul(mul(weight, weight), neg(log(p))));
  };
  const cut = await check(focal, [[0, 0.3]]);
  assert.equal(cut.tape.find(({ suspect }) => suspect)?.op, "detach", reportText(cut));
});

test("an infinite derivative is said to be that, in each mode [float64]", async () => {
  const cubeRoot = (x: Tensor) => sum(mul(sign(x), pow(abs(x), 1 / 3)));
  for (const f of [cubeRoot, (x: Tensor) => sum(sqrt(x))]) {
    for (const mode of ["full", "fast"] as const) {
      const report = await check(f, [[0, 1]], { mode });
      assert.equal(report.verdict, "undecided", reportText(report));
      assert.match(report.findings.find(({ check }) => check === "infinite")!.message, /infinite at this point/);
    }
  }
});

test("a decision exactly on its edge is compared with the slopes on both sides [float64]", async () => {
  const cases: Record<string, [TensorFunction, InputLike[], "ok" | "wrong" | "undecided"]> = {
    "a zero that replaces the value": [(x) => where(equal(x, 0), 0, x), [[0]], "wrong"],
    "a rectifier by a choice": [(x) => where(greater(x, 0), x, 0), [[0, 1]], "ok"],
    "a product with what is equal": [(x, y) => where(equal(x, y), mul(x, x), mul(x, y)), [[2], [2]], "wrong"],
    "a jump": [(x) => add(x, where(greater(x, 0), 1, 0)), [[0]], "undecided"],
  };
  for (const [name, [f, at, verdict]] of Object.entries(cases)) {
    for (const mode of ["full", "fast"] as const) {
      const report = await check(f, at, { mode });
      assert.equal(report.verdict, verdict, `${name}, ${mode}: ${reportText(report)}`);
      assert.ok(report.findings.some(({ check }) => check === "edge"), name);
    }
  }
});

test("layers of rectifiers at zeros are no error, whatever the convention [float64]", async () => {
  const [first, second] = [tensor([[1, -2, 0.5], [0.3, 1, -1], [2, 1, 1]]), tensor([[1], [2], [-1]])];
  const report = await check((x: Tensor) => matmul(relu(matmul(x, first)), second), [[[0, 0, 0]]]);
  assert.notEqual(report.verdict, "wrong", reportText(report));
});

test("saturated values are right at the second order [float64]", async () => {
  const entropy = (x: Tensor) => {
    const p = softmax(x, 0);
    return neg(sum(mul(p, log(p))));
  };
  for (const f of [(x: Tensor) => softmax(x, 0), entropy]) {
    const report = await check(f, [[35, 0, -3, 2]], { order: 2 });
    assert.equal(report.verdict, "ok", reportText(report));
  }
});
