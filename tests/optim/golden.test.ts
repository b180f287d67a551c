/** Optimisers, clipping and schedules compared with PyTorch's, whose numbers golden/optimisers.py wrote down. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { adamW, clipByNorm, type Optimiser, type Schedule, schedules, sgd, tensor } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { assertClose, largestOf } from "../ops/compare.ts";
import { sampleOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import golden from "./golden/optimisers.json" with { type: "json" };

const SHAPES = [[2, 3], [3], []];
const tensorsOf = (data: readonly (readonly number[])[]) => data.map((values, i) => tensor([...values], SHAPES[i]));

const makers: Record<string, (options: object) => Optimiser> = { sgd, adamW };

/** JSON has no infinities. */
const numberOf = (written: number | string) => Number(written);

for (const { device, on, single, extent } of await devicesUnderTest()) {
  test(...on("optimisers are PyTorch's, step by step"), async () => {
    for (const { optimiser: name, options, start, steps, rates } of sampleOf(extent, golden.optimisers)) {
      const optimiser = makers[name]({ ...options, ...(rates && { learningRate: (step: number) => rates[step] }) });
      let params = tensorsOf(start);
      let state = optimiser.init(params);
      for (const [i, { gradients, params: expected }] of steps.entries()) {
        [params, state] = optimiser.step(params, tensorsOf(gradients), state);
        await bring([params, state], { device });
        assert.equal(state.step, i + 1);
        expected.forEach((values, k) => {
          const allowed = (single ? 1e-5 : 1e-12) * Math.max(1, largestOf(values));
          const what = `${name} ${JSON.stringify(options)}, step ${i}, parameter ${k}`;
          assertClose(params[k].value!, values, () => allowed, what);
        });
      }
    }
  });

  test(...on("clipping is PyTorch's"), async () => {
    for (const { maxNorm, p, gradients, norm, clipped } of sampleOf(extent, golden.clips)) {
      const [found, size] = clipByNorm(tensorsOf(gradients), numberOf(maxNorm), { p: numberOf(p) });
      await bring([found, size], { device });
      const allowed = (single ? 1e-5 : 1e-12) * Math.max(1, norm);
      assertClose(size.value!, [norm], () => allowed, `the norm, p ${p}`);
      clipped.forEach((values, k) =>
        assertClose(found[k].value!, values, () => allowed, `at most ${maxNorm}, p ${p}, gradient ${k}`)
      );
    }
  });
}

test("schedules are PyTorch's", () => {
  const stepped = schedules.stepped(0.2, { every: 3, factor: 0.5 });
  const constant = schedules.constant(0.2);
  const ours: Record<keyof typeof golden.schedules, Schedule> = {
    stepped,
    exponential: schedules.exponential(0.2, { factor: 0.8 }),
    cosine: schedules.cosine(0.2, { steps: 11 }),
    cosineToMinimum: schedules.cosine(0.2, { steps: 11, minimum: 0.05 }),
    warmUp: schedules.warmUp(constant, { steps: 4 }),
    warmUpFrom: schedules.warmUp(constant, { steps: 4, from: 0.1 }),
    warmUpThenStepped: schedules.warmUp(stepped, { steps: 4 }),
  };
  for (const [name, { rates }] of Object.entries(golden.schedules)) {
    const found = rates.map((_, i) => ours[name as keyof typeof ours](i));
    assertClose(found, rates, () => 1e-15, name);
  }
});
