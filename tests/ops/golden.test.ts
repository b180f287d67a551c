/** Functions compared with PyTorch, whose numbers golden/functions.py wrote down: also where there is no derivative. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as gpugrad from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { sampleOf } from "../support/cells.ts";
import { assertClose, largestOf } from "./compare.ts";
import golden from "./golden/functions.json" with { type: "json" };

const { einsum, grad, tensor } = gpugrad;

/** An array in the file; JSON has no infinities. */
interface Written {
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

type Argument = string | number | number[] | Record<string, unknown>;

const numbersOf = ({ data }: Written) => data.map((x) => Number(String(x).replace("inf", "Infinity")));
const read = (written: Written) => tensor(numbersOf(written), written.shape);
/** Options as they are passed. */
const optionsOf = (argument: Argument) =>
  typeof argument === "object" && !Array.isArray(argument)
    ? Object.fromEntries(Object.entries(argument).map(([k, v]) => [k, v === "inf" ? Infinity : v]))
    : argument;

/** Calls a function as PyTorch was called. */
function apply(name: string, inputs: readonly gpugrad.Tensor[], given: readonly Argument[]): gpugrad.Tensor {
  if (name === "einsum") return einsum(given[0] as string, inputs);
  const fn = (gpugrad as unknown as Record<string, (...args: unknown[]) => gpugrad.Tensor>)[name];
  return fn(...inputs, ...given.map(optionsOf));
}

const names = [...new Set(golden.cases.map((each) => each.function))];

for (const { device, on, single, extent } of await devicesUnderTest()) {
  for (const name of names) {
    test(...on(`${name} is PyTorch's, values and gradients`), async () => {
      for (const each of sampleOf(extent, golden.cases.filter((each) => each.function === name))) {
        const inputs = each.inputs.map(read);
        const y = apply(name, inputs, each.arguments);
        const results = [y, ...grad(y, inputs, read(each.cotangent))];
        await bring(results, { device });
        [each.value, ...each.gradients].forEach((expected, i) => {
          assert.deepEqual(results[i].shape, expected.shape);
          const values = numbersOf(expected);
          const allowed = (single ? 2e-5 : each.precision) * Math.max(1, largestOf(values.filter(Number.isFinite)));
          assertClose(
            results[i].value!,
            values,
            () => allowed,
            `${name} ${JSON.stringify(each.arguments)}, result ${i}`,
          );
        });
      }
    });
  }
}
