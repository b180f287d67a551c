/** What a test comes to, whichever program ran it. */

export interface Result {
  name: string;
  /** The backend that the name ends with, `exp agrees with the oracle [webasm]`; empty where there is none. */
  backend: string;
  status: "passed" | "failed" | "skipped";
  /** Why it was skipped, or the first line of the failure. */
  detail: string;
  /** How long it took. */
  seconds: number;
}

/** What running test files in a runtime came to. */
export interface Outcome {
  results: Result[];
  /** What went wrong outside of tests; a text for each. */
  problems: string[];
  seconds: number;
}

/** A result with what its name says. */
export function resultOf(name: string, status: Result["status"], detail: string, seconds: number): Result {
  // skip() of tests/support/skip.ts puts the reason into the name, since only Node's report carries it.
  const [, , backend = "", reason = ""] = name.match(/^(.*?)(?: \[(\w+)\])?(?: \(skipped: (.*)\))?$/s) ?? [];
  if (status === "failed") return { name, backend, status, detail: detail.split("\n")[0].slice(0, 160), seconds };
  return { name, backend, status, detail: status === "skipped" ? detail || reason : "", seconds };
}
