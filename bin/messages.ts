/** Messages between the command and the worker that loads the file and runs its checks. */
import type { Block } from "../verify/blocks.ts";
import type { CheckRun, GivenOptions } from "../verify/check.ts";
import type { CheckReport } from "../verify/report/report.ts";

/** Options of the command line that a check is run with. */
export type Given = GivenOptions & { readonly runs?: number; readonly timeout?: number };

/** A request: to load a file, once and first, to run one of its checks, or to end. */
export type Request =
  | { readonly do: "load"; readonly file: string; readonly given: Given }
  | { readonly do: "run"; readonly run: CheckRun; readonly blocks: readonly Block[] | null }
  | { readonly do: "end" };

/** A check that the file exports, with the options that it will be run with. */
export interface LoadedCheck {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>> & { readonly runs: number };
}

/** How far a check is. */
export interface Step {
  readonly phase: "checking" | "shrinking" | "locating";
  readonly runs: number;
  readonly shrinks: number;
  /** The path of the input that is being checked. */
  readonly path: string;
  /** The report so far, now and then. */
  readonly report?: CheckReport;
}

/** An answer; a step comes before it, any number of times. */
export type Answer =
  | { readonly kind: "loaded"; readonly checks: readonly LoadedCheck[] }
  | { readonly kind: "report"; readonly report: CheckReport }
  /** A mistake of the user, explained. */
  | { readonly kind: "refused"; readonly message: string }
  /** A bug. */
  | { readonly kind: "failed"; readonly stack: string };
export type Message = Answer | { readonly kind: "step"; readonly step: Step };
