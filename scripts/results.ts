/** Test results, independent of the runtime. */
import type { TestReport } from "../tests/support/runner/node_test.ts";

export interface Result {
  name: string;
  /** The backend at the end of the name, as in `exp agrees with the oracle [webasm]`; empty if there is none. */
  backend: string;
  status: "passed" | "failed" | "skipped";
  /** The reason for skipping, or the first line of the failure. */
  detail: string;
  /** How long it took, and the processor's time of all threads; the latter is 0 where it is unknown. */
  seconds: number;
  cpu: number;
}

/** The outcome of running a test file in a runtime. */
export interface Outcome {
  results: Result[];
  /** Problems outside of tests, as texts. */
  problems: string[];
  /** Failures in full; empty if there are none. */
  text: string;
  /** The processor's time, of all threads of the process; 0 where it is unknown. */
  cpu: number;
}

/** How test files are run. */
export interface TestOptions {
  /** Only run tests whose names contain this. */
  readonly name?: string;
  /** The time after which a file is considered hung. */
  readonly minutes: number;
  /** Whether tests may trigger garbage collection and take their time; their output is printed as it comes. */
  readonly soak: boolean;
  /** Whether each runtime runs all tests, those included that runtimes share. */
  readonly all: boolean;
}

/** A runtime that is ready to run test files. */
export interface Suite {
  /** Such as `node 20.20.2`. */
  readonly label: string;
  /** The only backend whose tests run; all if not set. */
  readonly only?: string;
  runFile(file: string): Promise<Outcome>;
}

/** A result with the backend and the reason parsed from its name. */
export function resultOf({ name, status, detail, ...times }: TestReport): Result {
  // skip() of tests/support/skip.ts puts the reason into the name, too.
  const [, , backend = "", reason = ""] = name.match(/^(.*?)(?: \[(\w+)\])?(?: \(skipped: (.*)\))?$/s) ?? [];
  if (status === "failed") return { name, backend, status, detail: detail.split("\n")[0].slice(0, 160), ...times };
  return { name, backend, status, detail: status === "skipped" ? detail || reason : "", ...times };
}
