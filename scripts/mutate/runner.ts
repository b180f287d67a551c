/**
 * A test runner for Stryker: all tests are one bundle, which is loaded afresh for each change, in the same process. A process for each
 * change would take longer than the tests that find it.
 */
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { INSTRUMENTER_CONSTANTS, type MutantCoverage, type StrykerOptions } from "@stryker-mutator/api/core";
import {
  determineHitLimitReached,
  type DryRunResult,
  DryRunStatus,
  type MutantRunOptions,
  type MutantRunResult,
  type TestResult,
  type TestRunner,
  type TestRunnerCapabilities,
  TestStatus,
  toMutantRunResult,
} from "@stryker-mutator/api/test-runner";
import { DECLARED, type Declared } from "./node_test.ts";

/** The settings of the runner, among those of Stryker. */
export interface BundleOptions {
  readonly bundle: {
    readonly file: string;
    /** A pattern of the names of tests that are left out. */
    readonly skip: string | null;
  };
}

/** The variables that mutated code and the runner share. */
interface Shared {
  activeMutant?: string;
  currentTestId?: string;
  mutantCoverage?: MutantCoverage;
  hitCount?: number;
  hitLimit?: number;
}

const globals = globalThis as unknown as Record<string, Shared> & Record<symbol, Declared[]>;
const shared = (): Shared => globals[INSTRUMENTER_CONSTANTS.NAMESPACE] ??= {};

/** The options of a run. */
interface Run {
  readonly only?: readonly string[];
  /** Whether to stop at the first failure. */
  readonly bail: boolean;
}

/** The runner. */
export class BundleRunner implements TestRunner {
  readonly #options: BundleOptions["bundle"];
  #loads = 0;

  constructor(options: BundleOptions["bundle"]) {
    this.#options = options;
  }

  capabilities(): TestRunnerCapabilities {
    return { reloadEnvironment: true };
  }

  async dryRun(): Promise<DryRunResult> {
    const ns = shared();
    ns.mutantCoverage = { static: {}, perTest: {} };
    try {
      const tests = await this.#run(await this.#load(), { bail: false });
      return { status: DryRunStatus.Complete, tests, mutantCoverage: ns.mutantCoverage };
    } catch (error) {
      return { status: DryRunStatus.Error, errorMessage: String((error as Error).stack) };
    }
  }

  async mutantRun({ activeMutant, testFilter, hitLimit, disableBail }: MutantRunOptions): Promise<MutantRunResult> {
    const ns = shared();
    ns.mutantCoverage = undefined;
    ns.hitLimit = hitLimit;
    ns.hitCount = hitLimit === undefined ? undefined : 0;
    ns.activeMutant = activeMutant.id;
    try {
      const tests = await this.#results(testFilter, !disableBail);
      const exceeded = determineHitLimitReached(ns.hitCount, hitLimit);
      return toMutantRunResult(exceeded ?? { status: DryRunStatus.Complete, tests });
    } finally {
      ns.activeMutant = undefined;
    }
  }

  /** The results of a changed program. One that does not even load fails all its tests. */
  async #results(only: readonly string[] | undefined, bail: boolean): Promise<TestResult[]> {
    let tests: readonly Declared[];
    try {
      tests = await this.#load();
    } catch (error) {
      const failureMessage = String(error);
      return (only ?? ["load"]).slice(0, 1).map((name) => ({
        ...resultOf(name, 0),
        status: TestStatus.Failed,
        failureMessage,
      }));
    }
    return this.#run(tests, { only, bail });
  }

  async #load(): Promise<readonly Declared[]> {
    const declared: Declared[] = globals[DECLARED] = [];
    await import(`${pathToFileURL(resolve(process.cwd(), this.#options.file))}?load=${this.#loads++}`);
    const { skip } = this.#options;
    return skip === null ? declared : declared.filter(({ name }) => !new RegExp(skip).test(name));
  }

  async #run(tests: readonly Declared[], { only, bail }: Run): Promise<TestResult[]> {
    const wanted = only && new Set(only);
    const results: TestResult[] = [];
    for (const { name, body } of tests) {
      if (wanted && !wanted.has(name)) continue;
      const result = await runTest(name, body);
      results.push(result);
      if (bail && result.status === TestStatus.Failed) break;
    }
    return results;
  }
}

async function runTest(name: string, body: Declared["body"]): Promise<TestResult> {
  const start = performance.now();
  shared().currentTestId = name;
  try {
    await body();
    return { ...resultOf(name, start), status: TestStatus.Success };
  } catch (error) {
    return { ...resultOf(name, start), status: TestStatus.Failed, failureMessage: String(error) };
  } finally {
    shared().currentTestId = undefined;
  }
}

function resultOf(name: string, start: number): { id: string; name: string; timeSpentMs: number } {
  return { id: name, name, timeSpentMs: start === 0 ? 0 : performance.now() - start };
}

/** Makes a runner from Stryker's options. */
export function createRunner(options: StrykerOptions): BundleRunner {
  return new BundleRunner((options as StrykerOptions & BundleOptions).bundle);
}
createRunner.inject = ["options"] as ["options"];
