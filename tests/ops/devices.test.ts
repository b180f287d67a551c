import { test } from "node:test";
import { registry } from "./registry.ts";
import { grad, type Tensor, tensor, useDevice } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { checkProperty } from "../support/property.ts";
import { extentOf, isSampled } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { assertClose, largestOf } from "./compare.ts";
import { caseOf, describeCase, type DrawnCase, inputsFrom, leavesOf, valuesOf } from "./draw.ts";
import { randomFrom } from "../../verify/random.ts";
import { toleranceOf } from "../../verify/tape/tolerances.ts";
import { referenceOf } from "./reference.ts";

const ULP = 2 ** -23;
/** Half the smallest float32: the finest resolution. */
const SMALLEST = 2 ** -150;
/** Gradients are whole graphs of ops; relative to the largest element. */
const GRADIENT_ULPS = 64;

/** The magnitudes of the terms that results are sums of. */
function magnitudes(drawn: DrawnCase): readonly number[] {
  const inputs = drawn.inputs.map((x) => ({
    shape: x.shape,
    data: x.dtype === "float" ? valuesOf(x).map(Math.abs) : valuesOf(x),
  }));
  return referenceOf(drawn.op)(inputs, drawn.attributes).data;
}

async function valuesOn(device: string, tensors: readonly Tensor[]): Promise<ArrayLike<number>[]> {
  await bring(tensors, { device });
  return tensors.map((t) => t.value!.slice());
}

/** Asserts that the values of an op are the oracle's, as far as its accuracy goes. */
function assertValues(
  drawn: DrawnCase,
  { y, actual, expected }: { y: Tensor; actual: ArrayLike<number>; expected: ArrayLike<number> },
  device: string,
): void {
  const { ulps, floor } = toleranceOf(registry().get(drawn.op)!.accuracy, y.dtype, device);
  const least = floor === "one" ? 1 : floor === "magnitudes" ? largestOf(magnitudes(drawn)) : 0;
  assertClose(
    actual,
    expected,
    (e) => ulps * ULP * Math.max(Math.abs(e), least) + (ulps > 0 ? SMALLEST : 0),
    describeCase(drawn),
  );
}

/** The tests that leave their plans behind: more of them slow down the next one, in Bun above all, and to begin anew costs a GPU's context. */
const TOGETHER = 16;
let begun = 0;

/** Drops the plans that the tests before left, now and then. */
async function forgetPlans(device: string): Promise<void> {
  if (begun++ % TOGETHER === 0) await (await useDevice(device)).dispose();
}

for (const { device, on, onEach, single, gpu } of await devicesUnderTest()) {
  if (!single) continue;
  const extent = extentOf(device, "cpu");
  // A GPU's compiler of kernels differs by runtime and driver; what a host device runs is the same in all of them.
  const where = gpu ? onEach : on;
  for (const entry of registry().values()) {
    // Where few inputs are tried, the gradient's plan has the values, too: a kernel takes longer to compile than to run.
    const both = isSampled(extent) && entry.differentiable;
    if (!both) {
      test(...where(`${entry.name} agrees with the oracle`), async () => {
        await forgetPlans(device);
        await checkProperty(caseOf(entry, { ties: true }), async (drawn) => {
          const y = entry.apply(inputsFrom(drawn, leavesOf(drawn)), drawn.attributes);
          const expected = (await valuesOn("float64", [y]))[0];
          const actual = (await valuesOn(device, [y]))[0];
          assertValues(drawn, { y, actual, expected }, device);
        }, { runs: 6, extent });
      });
    }

    if (!entry.differentiable) continue;
    test(
      ...where(`the gradient of ${entry.name} agrees with the oracle${both ? ", and so does its value" : ""}`),
      async () => {
        await forgetPlans(device);
        await checkProperty(caseOf(entry), async (drawn) => {
          const leaves = leavesOf(drawn);
          const y = entry.apply(inputsFrom(drawn, leaves), drawn.attributes);
          const random = randomFrom(drawn.seed);
          const cotangent = tensor(Array.from({ length: y.size }, () => Math.fround(random() * 4 - 2)), [...y.shape]);
          const gradients = grad(y, leaves.filter((t) => t.dtype === "float"), cotangent, { allowUnused: true });
          const expected = await valuesOn("float64", gradients);
          const actual = await valuesOn(device, both ? [...gradients, y] : gradients);
          if (both) {
            assertValues(drawn, { y, actual: actual.at(-1)!, expected: (await valuesOn("float64", [y]))[0] }, device);
          }
          expected.forEach((values, i) => {
            const allowed = GRADIENT_ULPS * ULP * Math.max(1, largestOf(values));
            assertClose(actual[i], values, () => allowed, `gradient ${i} of ${describeCase(drawn)}`);
          });
        }, { runs: 4, extent });
      },
    );
  }
}
