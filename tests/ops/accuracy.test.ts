/**
 * The accuracy of each device: a coarse sample of the measurements of `npm run accuracy`. Each function is within its
 * tolerance over its whole range, and special cases have JavaScript's result, or the alternative listed in
 * docs/backends.md.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  composites,
  exactFunctions,
  type Measured,
  roundedFunctions,
  type Special,
  specials,
} from "../../bench/accuracy/functions.ts";
import { type Figures, measureFunctions, measureSpecials, text } from "../../bench/accuracy/measure.ts";
import { toleranceOf } from "../../verify/tape/tolerances.ts";
import { kernelsOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";

/** The number of points per range. */
const POINTS = 600;

/** Composites without a tolerance of their own, in units in the last place of the largest input or of 1. */
const COMPOSITE = 8;

function describe({ range, worst, wrong, wrongAt }: Figures): string {
  const [found, right] = (wrong > 0 ? wrongAt : worst).slice(-2);
  return `${range}: ${found} where ${right} is right, for ${(wrong > 0 ? wrongAt : worst).slice(0, -2).join("; ")}`;
}

function assertWithin(figures: Figures, ulps: number): void {
  assert.equal(figures.wrong, 0, describe(figures));
  assert.equal(figures.subnormal.wrong, 0, `${figures.range}: subnormal results are neither right nor 0`);
  assert.ok(figures.relative <= ulps, `${figures.relative} units of 2^-23, allowed ${ulps}; ${describe(figures)}`);
}

function tolerated({ accuracy, units }: Measured, range: string, device: string): number {
  if (accuracy !== null) return toleranceOf(accuracy, "float", device).ulps;
  return units?.(range) ?? COMPOSITE;
}

function same(actual: readonly number[], expected: readonly number[]): boolean {
  return actual.length === expected.length && actual.every((x, i) => Object.is(x, Math.fround(expected[i])));
}

/** How the results of a special case differ from the documented ones; null if they do not. */
function problemOf(special: Special, actual: readonly number[], gpu: boolean): string | null {
  const { name, expected, instead = [], between: [low, high] = [0, -1], everywhere } = special;
  const allowed = gpu || everywhere ? [expected, ...instead] : [expected];
  if (allowed.some((values) => same(actual, values))) return null;
  if (gpu && actual.every((x) => x >= low && x <= high)) return null;
  return `${name}: [${actual.map(text).join(", ")}] instead of [${expected.map(text).join(", ")}]`;
}

for (const { device, on, single, gpu, extent } of await devicesUnderTest()) {
  if (!single) continue;
  const functions = kernelsOf(extent, [...exactFunctions, ...roundedFunctions, ...composites]);
  let measured: Promise<Figures[][]> | undefined;
  for (const [i, one] of functions.entries()) {
    test(...on(`${one.name} is within its tolerance over its whole range`), async () => {
      // In one plan, which takes less time than one for each.
      measured ??= measureFunctions(device, functions, POINTS, (sample) => !sample.beyond);
      for (const part of (await measured)[i]) assertWithin(part, tolerated(one, part.range, device));
    });
  }

  test(...on("special cases have JavaScript's result or a documented alternative"), async () => {
    const tried = kernelsOf(extent, specials);
    const results = await measureSpecials(device, tried);
    const problems = tried.map((special, i) => problemOf(special, results[i], gpu));
    assert.deepEqual(problems.filter((problem) => problem !== null), []);
  });

  if (!gpu) {
    test(...on("subnormal results are kept"), async () => {
      const mul = roundedFunctions.find(({ name }) => name === "mul")!;
      const [figures] = await measureFunctions(device, [mul], POINTS);
      assert.ok(figures.some(({ subnormal }) => subnormal.kept > 0));
      assert.ok(figures.every(({ subnormal }) => subnormal.flushed === 0));
    });
  }
}
