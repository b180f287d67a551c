/** Properties: statements that hold for generated inputs. */
import process from "node:process";
import fc from "fast-check";

/** How often a property is tried. */
export interface PropertyOptions {
  /** Number of inputs; 100 unless told. */
  runs?: number;
  /** Stops early, with success, after this many milliseconds. */
  timeMs?: number;
}

/**
 * Requires that the predicate holds for generated inputs: it fails by throwing or by returning `false`. A failure prints what
 * replays it. `GPUGRAD_SEED` and `GPUGRAD_PATH` replay one failure, `GPUGRAD_RUNS` multiplies the number of inputs and the time.
 */
export async function checkProperty<T>(
  arbitrary: fc.Arbitrary<T>,
  predicate: (input: T) => void | boolean | Promise<void | boolean>,
  { runs = 100, timeMs }: PropertyOptions = {},
): Promise<void> {
  const { GPUGRAD_SEED: seed, GPUGRAD_PATH: path, GPUGRAD_RUNS: factor = "1" } = process.env;
  const property = fc.asyncProperty(arbitrary, async (input) => await predicate(input));
  const result = await fc.check(property, {
    includeErrorInReport: true,
    numRuns: Math.ceil(runs * Number(factor)),
    ...(seed ? { seed: Number(seed) } : {}),
    ...(path ? { path } : {}),
    ...(timeMs === undefined ? {} : { interruptAfterTimeLimit: timeMs * Number(factor) }),
  });
  if (!result.failed) return;
  const replay = `GPUGRAD_SEED=${result.seed} GPUGRAD_PATH=${result.counterexamplePath ?? ""}`;
  throw new Error(
    `${await fc.asyncDefaultReportMessage(result)}\n\nReplay: ${replay} npm test -- --name "<name of this test>"`,
    { cause: result.errorInstance },
  );
}
