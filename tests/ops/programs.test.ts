import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { grad, type Tensor, useDevice } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { checkGradients, checkProperty } from "../support/property.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { assertClose, assertSame, largestOf } from "./compare.ts";
import { describeProgram, interpret, lossOf, type Program, programs, record, tensorsOf } from "./programs.ts";

for (const { device, on, extent } of await devicesUnderTest()) {
  test(...on("programs over whole numbers agree with plain loops"), async () => {
    await (await useDevice(device)).dispose();
    await checkProperty(programs("exact"), async (program) => {
      const outputs = record(program, tensorsOf(program));
      const expected = interpret(program);
      await bring(outputs, { device });
      expected.forEach(({ shape, data }, i) => {
        assert.deepEqual([...outputs[i].shape], [...shape], describeProgram(program));
        assertSame(outputs[i].value!, data, `v${program.outputs[i]} of\n${describeProgram(program)}`);
      });
    }, { runs: device === "float64" ? 80 : 60, extent });
  });

  if (device === "float64") continue;
  test(...on("gradients of programs agree with the oracle"), async () => {
    await (await useDevice(device)).dispose();
    await checkProperty(programs("exact"), async (program) => {
      const leaves = tensorsOf(program);
      const loss = lossOf(program, record(program, leaves));
      fc.pre(loss !== null);
      const gradients = grad(loss, leaves, undefined, { allowUnused: true });
      await bring(gradients, { device: "float64" });
      const expected = gradients.map((t) => t.value!.slice());
      await bring(gradients, { device });
      expected.forEach((values, i) => {
        // Sums of hundreds of terms cancel: this test is about correctness, not rounding.
        const allowed = 1e-4 * Math.max(1, largestOf(values));
        assertClose(gradients[i].value!, values, () => allowed, `by v${i} of\n${describeProgram(program)}`);
      });
    }, { runs: 25, extent });
  });
}

for (const order of [1, 2] as const) {
  test(`derivative ${order} of smooth programs agrees with differences [float64]`, async () => {
    const samples = programs("smooth", 10).map((program) => ({ inputs: program.leaves, context: program }));
    const f = (...args: [...Tensor[], Program]) => {
      const program = args.pop() as Program;
      return lossOf(program, record(program, args as Tensor[]))!;
    };
    await checkGradients(f, samples, { runs: order === 1 ? 20 : 8, order, device: "float64" });
  });
}
