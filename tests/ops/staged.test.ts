/**
 * A program is one plan, or a few; the same ops computed one at a time, on the oracle, are many plans of one op each. Both have the same
 * values and gradients. The oracle's plan of the whole program would not do: it fuses as the devices' plans do, with their faults.
 */
import { test } from "node:test";
import fc from "fast-check";
import { grad, type Tensor, useDevice } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { isSampled } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose, largestOf } from "./compare.ts";
import { describeProgram, lossOf, type Program, programs, record, tensorsOf } from "./programs.ts";
import { inStages, type Staged } from "./staged.ts";

/**
 * The noise of a stage: 16 steps of float32, since a sum of some terms and a function of the device are off by a few. Rounding that moves a
 * result by more than `STEADY` of the largest one decides something, as which of two numbers is above the other, or cancels: such
 * programs have no result to compare. It moves those of others less, and devices, which round once, are allowed ten times as much.
 */
const NOISE = 16 * 2 ** -24;
const STEADY = 1e-4;
const ALLOWED = 10 * STEADY;

/** Four disturbances, so that two numbers that rounding could exchange stay in order by chance in one of 16 programs. */
const DISTURBANCES = 4;

/** Values beyond this come from products that overflow soon. */
const LARGEST = 1e4;

const resultsOf = ({ outputs, gradients }: Staged) => [...outputs, ...gradients];

/** Whether rounding alone leaves the results as they are. */
async function isSteady(program: Program, staged: Staged): Promise<boolean> {
  if (!(staged.largest <= LARGEST)) return false;
  for (let seed = 1; seed <= DISTURBANCES; seed++) {
    const moved = resultsOf(await inStages(program, NOISE, seed));
    const within = resultsOf(staged).every((data, i) => {
      const allowed = STEADY * Math.max(1, largestOf(data));
      return data.every((x, j) => Math.abs(x - moved[i][j]) <= allowed);
    });
    if (!within) return false;
  }
  return true;
}

/** How the last of a program's results, or all of them, differ from those in stages; `null` if they agree. */
function differenceOf(program: Program, results: readonly Tensor[], staged: Staged): unknown {
  const names = [...program.outputs.map((i) => `v${i}`), ...program.leaves.map((_, i) => `the gradient by v${i}`)];
  try {
    resultsOf(staged).slice(-results.length).forEach((expected, i) => {
      const allowed = ALLOWED * Math.max(1, largestOf(expected));
      const what = `${names.slice(-results.length)[i]} of\n${describeProgram(program)}`;
      assertClose(results[i].value!, expected, () => allowed, what);
    });
    return null;
  } catch (error) {
    return error;
  }
}

for (const { device, on, gpu, extent } of await devicesUnderTest()) {
  // A gradient of ten ops is up to twenty kernels, each of which a software driver compiles for 100 ms; the plans are made as the host's are.
  const why = gpu && isSampled(extent) ? "on the host; npm run sweep tries all" : undefined;
  test(...on("programs and their gradients agree with the same ops one at a time", why), async () => {
    await (await useDevice(device)).dispose();
    await checkProperty(programs("real", 9), async (program) => {
      const leaves = tensorsOf(program);
      const outputs = record(program, leaves);
      const loss = lossOf(program, outputs);
      fc.pre(loss !== null);
      const gradients = grad(loss, leaves, undefined, { allowUnused: true });
      // What else is asked for is stored, so that less is computed twice.
      const wanted = program.seed % 2 === 0 ? [...outputs, ...gradients] : gradients;
      await bring(wanted, { device });
      const staged = await inStages(program);
      const difference = differenceOf(program, wanted, staged);
      // Only where they disagree does it matter whether rounding explains it.
      fc.pre(difference === null || await isSteady(program, staged));
      if (difference !== null) throw difference;
    }, { runs: 10, extent });
  });
}
