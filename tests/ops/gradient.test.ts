/**
 * Derivatives of first and second order of every registered op, at generated inputs, compared with finite differences.
 */
import { test } from "node:test";
import { registry } from "./registry.ts";
import { type Tensor, useDevice } from "../../mod.ts";
import { checkGradients } from "../support/property.ts";
import { caseOf, type DrawnCase, inputsFrom } from "./draw.ts";

await useDevice("float64");

for (const entry of registry().values()) {
  if (!entry.differentiable) continue;
  for (const order of [1, 2] as const) {
    test(`derivative ${order} of ${entry.name} agrees with differences [float64]`, async () => {
      const samples = caseOf(entry).map((drawn) => ({
        inputs: drawn.inputs.map(({ leaf, dtype }) => ({ ...leaf, dtype })),
        context: drawn,
      }));
      const f = (...args: [...Tensor[], DrawnCase]) => {
        const drawn = args.pop() as DrawnCase;
        return entry.apply(inputsFrom(drawn, args as Tensor[]), drawn.attributes);
      };
      await checkGradients(f, samples, { runs: order === 1 ? 5 : 3, order, name: entry.name });
    });
  }
}
