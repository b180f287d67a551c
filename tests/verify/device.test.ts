/** The comparison of a device with the oracle where results are not finite, or not in the range of float32. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import { add, div, exp, log, mul, sub, sum, type Tensor, tensor, useDevice } from "../../mod.ts";
import { gradcheck, type InputLike, reportText, type TensorFunction } from "../../verify/mod.ts";
import { plantFunction } from "../support/functions.ts";

await useDevice("float64");

/** Checks a function on a device. Returns the finding about it, with the verdict. */
async function compared(f: TensorFunction, inputs: readonly InputLike[]) {
  const report = await gradcheck(f, inputs, { device: "cpu", seed: 1, locate: false });
  const found = report.findings.filter(({ check }) => check === "device");
  assert.equal(found.length, 1, reportText(report));
  const [{ severity, message, entry }] = found;
  return { severity, message, verdict: report.verdict, op: entry === undefined ? null : report.tape[entry].op };
}

/** Twice its input, with another function on devices. */
function twice(onDevices: Parameters<typeof plantFunction>[1]): (x: Tensor) => Tensor {
  const name = plantFunction(([x]) => `(${x} * 2.0)`, onDevices);
  const op: Op = {
    name: "twice",
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: { kind: "elementwise", cost: 1, expression: ([x], _, { call }) => call(name, x) },
    vjp: [({ cotangent }) => mul(cotangent, 2)],
  };
  return (x) => record(op, [x]);
}

describe("a kernel that is not finite on a device", () => {
  const cases = { NaN: "((x - x) / (x - x))", Infinity: "(1.0 / (x - x))", "-Infinity": "(-1.0 / (x - x))" };
  for (const [value, text] of Object.entries(cases)) {
    test(`${value} is an error and names the op [cpu]`, async () => {
      const f = twice(([x]) => text.replaceAll("x", `${x}`));
      const { severity, message, verdict, op } = await compared((x) => sum(f(x)), [[1, 2]]);
      assert.deepEqual([severity, verdict, op], ["error", "wrong", "twice"]);
      assert.match(message, new RegExp(`twice\\[0\\] is ${value} on cpu, and 2 on the oracle for the same inputs`));
    });
  }
});

// On this device a value is rounded to float32 where a kernel ends: sums are stored.
const stored = (x: Tensor) => sum(x, 0, { keepDims: true });

test("NaN because of an overflow is an error that names it [cpu]", async () => {
  const f = (x: Tensor) => {
    const large = stored(exp(x));
    return stored(div(large, stored(mul(large, 2))));
  };
  const { severity, message, verdict, op } = await compared(f, [[100]]);
  assert.deepEqual([severity, verdict, op], ["error", "wrong", "exp"]);
  assert.match(message, /the output\[0\] is NaN on cpu, and 0\.5 on the oracle: exp\[0\] overflows: it is 2\.69e\+43/);
});

test("infinity because of an overflow on the way is a warning that says so [cpu]", async () => {
  const f = (x: Tensor) => mul(stored(exp(x)), 1e-30);
  const { severity, message, verdict } = await compared(f, [[100]]);
  assert.deepEqual([severity, verdict], ["warning", "ok"]);
  assert.match(message, /the output\[0\] is Infinity on cpu, and 2\.68812e\+13 on the oracle: exp\[0\] overflows/);
});

test("a result beyond float32 is a warning that says so [cpu]", async () => {
  const { severity, message, verdict } = await compared((x) => exp(x), [[100, 1]]);
  assert.deepEqual([severity, verdict], ["warning", "ok"]);
  assert.match(message, /the output overflows float32: it is 2\.69e\+43, and infinite on cpu/);
});

test("a result below float32 is 0 and no error, and is mentioned [cpu]", async () => {
  const { severity, message, verdict } = await compared((x) => exp(x), [[-100, -90, -200]]);
  assert.deepEqual([severity, verdict], ["info", "ok"]);
  assert.match(message, /the output underflows float32: it is 1\.38e-87 on the oracle, and 0/);
});

test("infinity because of an underflow is a warning that says so [cpu]", async () => {
  const f = (x: Tensor, y: Tensor) => mul(div(x, stored(exp(y))), 1e-30);
  const { severity, message, verdict } = await compared(f, [
    [Math.fround(1e-20)],
    tensor([-110], [1], { dtype: "int" }),
  ]);
  assert.deepEqual([severity, verdict], ["warning", "ok"]);
  assert.match(message, /is Infinity on cpu.*: exp\[0\] underflows: it is 1\.69e-48, and float32 begins at 1\.2e-38/);
});

test("NaN because of an underflow is an error that names it [cpu]", async () => {
  const { severity, message, verdict } = await compared((x) => log(stored(exp(x))), [[-110]]);
  assert.deepEqual([severity, verdict], ["error", "wrong"]);
  assert.match(message, /gradient of x\[0\] is NaN on cpu, and .*: exp\[0\] underflows/);
});

test("a wrong number because of an overflow is not called rounding [cpu]", async () => {
  const f = (x: Tensor, y: Tensor) => mul(div(x, stored(mul(y, y))), 1e30);
  const { severity, message } = await compared(f, [[1e10], [1e20]]);
  assert.equal(severity, "warning");
  assert.match(message, /each entry of the tape is within its own tolerance: mul\[0\] overflows/);
});

test("NaN because of rounding is an error that says so [cpu]", async () => {
  // The sum is 1 in float32, and the difference 0.
  const f = (x: Tensor) => log(sub(stored(add(mul(x, 0), add(x, 1))), 1));
  const { severity, message, verdict } = await compared(f, [[1e-10]]);
  assert.deepEqual([severity, verdict], ["error", "wrong"]);
  assert.match(message, /is NaN on cpu.*log\[0\] is -Infinity once its inputs are rounded to float32/);
});
