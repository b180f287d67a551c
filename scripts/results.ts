/** Test results, independent of the runner. */

export interface Result {
  name: string;
  /** The backend at the end of the name, as in `exp agrees with the oracle [webasm]`; empty if there is none. */
  backend: string;
  status: "passed" | "failed" | "skipped";
  /** The reason for skipping, or the first line of the failure. */
  detail: string;
  /** How long it took. */
  seconds: number;
}

/** The outcome of running test files in a runtime. */
export interface Outcome {
  results: Result[];
  /** Problems outside of tests, as texts. */
  problems: string[];
  seconds: number;
}

/** A result with the backend and the reason parsed from its name. */
export function resultOf(name: string, status: Result["status"], detail: string, seconds: number): Result {
  // skip() of tests/support/skip.ts puts the reason into the name, since only Node's report carries it.
  const [, , backend = "", reason = ""] = name.match(/^(.*?)(?: \[(\w+)\])?(?: \(skipped: (.*)\))?$/s) ?? [];
  if (status === "failed") return { name, backend, status, detail: detail.split("\n")[0].slice(0, 160), seconds };
  return { name, backend, status, detail: status === "skipped" ? detail || reason : "", seconds };
}
