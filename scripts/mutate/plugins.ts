/**
 * Plugins for Stryker: the test runner, and a random sample of all changes. Those that are not in the sample count as changes that do not
 * compile, which no score includes.
 */
import { createHash } from "node:crypto";
import { relative } from "node:path";
import process from "node:process";
import { type Checker, type CheckResult, CheckStatus } from "@stryker-mutator/api/check";
import type { Mutant, StrykerOptions } from "@stryker-mutator/api/core";
import { declareFactoryPlugin, PluginKind } from "@stryker-mutator/api/plugin";
import { createRunner } from "./runner.ts";

/** The settings of the sample, among those of Stryker. */
export interface SampleOptions {
  readonly sample: { readonly size: number; readonly seed: string };
}

/** The settings that Stryker accepts because of these plugins. */
export const strykerValidationSchema = {
  properties: {
    bundle: {
      type: "object",
      properties: { file: { type: "string" }, skip: { type: ["string", "null"] } },
      required: ["file", "skip"],
    },
    sample: {
      type: "object",
      properties: { size: { type: "integer", minimum: 1 }, seed: { type: "string" } },
      required: ["size", "seed"],
    },
  },
};

/** A change's place in the random order that a seed stands for. */
function rankOf({ fileName, location, mutatorName, replacement }: Mutant, seed: string): string {
  const place = [relative(process.cwd(), fileName), location.start, location.end];
  return createHash("sha256").update(JSON.stringify([seed, place, mutatorName, replacement])).digest("hex");
}

class Sample implements Checker {
  readonly #options: SampleOptions["sample"];

  constructor(options: SampleOptions["sample"]) {
    this.#options = options;
  }

  async init(): Promise<void> {}

  /** All of them in one group: a sample is drawn from the whole. */
  group(mutants: Mutant[]): Promise<string[][]> {
    return Promise.resolve([mutants.map(({ id }) => id)]);
  }

  check(mutants: Mutant[]): Promise<Record<string, CheckResult>> {
    const { size, seed } = this.#options;
    const ranks = mutants.map((mutant) => ({ id: mutant.id, rank: rankOf(mutant, seed) }));
    ranks.sort((a, b) => (a.rank < b.rank ? -1 : 1));
    return Promise.resolve(Object.fromEntries(ranks.map(({ id }, i): [string, CheckResult] => [
      id,
      i < size ? { status: CheckStatus.Passed } : { status: CheckStatus.CompileError, reason: "not in the sample" },
    ])));
  }
}

function createSample(options: StrykerOptions): Sample {
  return new Sample((options as StrykerOptions & SampleOptions).sample);
}
createSample.inject = ["options"] as ["options"];

/** The plugins that Stryker loads. */
export const strykerPlugins = [
  declareFactoryPlugin(PluginKind.Checker, "sample", createSample),
  declareFactoryPlugin(PluginKind.TestRunner, "bundle", createRunner),
];
