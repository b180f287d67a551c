/** Properties: statements that hold for generated inputs. */
import process from "node:process";
import fc from "fast-check";
import { assertProperty, type PropertyOptions as GradientOptions } from "../../verify/property.ts";
import { type Extent, extentOf, inputsOf } from "./cells.ts";

/** How many times a property is tried. */
export interface PropertyOptions {
  /** The number of inputs in cells that try all of them, default 100. */
  runs?: number;
  /** How many of them are tried; of a device, the `extent` that it is under test with. Default what this runtime tries without a device. */
  extent?: Extent;
}

/**
 * Asserts that the predicate holds for generated inputs; it fails by throwing or by returning `false`. A failure prints
 * a command that replays it. `GPUGRAD_SEED` and `GPUGRAD_PATH` replay one failure, `GPUGRAD_RUNS` multiplies the number of inputs.
 */
export async function checkProperty<T>(
  arbitrary: fc.Arbitrary<T>,
  predicate: (input: T) => void | boolean | Promise<void | boolean>,
  { runs = 100, extent }: PropertyOptions = {},
): Promise<void> {
  const { seed, path } = environment();
  const property = fc.asyncProperty(arbitrary, async (input) => await predicate(input));
  const result = await fc.check(property, {
    includeErrorInReport: true,
    numRuns: numberOf(runs, extent),
    ...(seed === undefined ? {} : { seed }),
    ...(path === undefined ? {} : { path }),
  });
  if (!result.failed) return;
  throw new Error(
    `${await fc.asyncDefaultReportMessage(result)}\n\n${replayLine(result.seed, result.counterexamplePath ?? "")}`,
    { cause: result.errorInstance },
  );
}

/** Asserts that gradients are right at generated inputs; replayed and multiplied as {@link checkProperty} is. */
export async function checkGradients(
  f: Parameters<typeof assertProperty>[0],
  arbitrary: Parameters<typeof assertProperty>[1],
  { runs = 100, ...options }: Omit<GradientOptions, "seed" | "path">,
): Promise<void> {
  const { seed, path } = environment();
  try {
    await assertProperty(f, arbitrary, { ...options, runs: numberOf(runs), seed, path });
  } catch (error) {
    const { message } = error as Error;
    const [, failedSeed, failedPath] = /Replay: \{ seed: (\S+), path: "(\S*)" \}/.exec(message) ?? [];
    throw failedSeed === undefined
      ? error
      : new Error(`${message}\n\n${replayLine(Number(failedSeed), failedPath)}`, { cause: error });
  }
}

/** How many inputs a property draws. */
function numberOf(runs: number, extent = extentOf()): number {
  return Math.ceil(inputsOf(extent, runs) * environment().factor);
}

/** Settings of properties from the environment. */
function environment(): { seed?: number; path?: string; factor: number } {
  const { GPUGRAD_SEED: seed, GPUGRAD_PATH: path, GPUGRAD_RUNS: factor = "1" } = process.env;
  return { seed: seed ? Number(seed) : undefined, path: path || undefined, factor: Number(factor) };
}

function replayLine(seed: number, path: string): string {
  return `Replay: GPUGRAD_SEED=${seed} GPUGRAD_PATH=${path} npm test -- --name "<name of this test>"`;
}
