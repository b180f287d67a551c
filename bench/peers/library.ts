/** A library under test, as the program that measures it sees it. */
import type { Case, Input, Mode, Sizes } from "../cases/case.ts";

/** A case over certain arrays. */
export interface Problem {
  readonly subject: Case;
  readonly sizes: Sizes;
  readonly mode: Mode;
  /** The inputs of calls, which take turns. */
  readonly calls: readonly (readonly Input[])[];
}

/** A case that is ready to be timed. */
export interface Prepared {
  /**
   * One call with the inputs of that number, up to the point where all results are computed; in mode `read` inputs are sent and results
   * read.
   */
  step(call: number): unknown;
  /** The results of the first call. */
  results(): Promise<readonly ArrayLike<number>[]>;
  release(): void;
}

export interface Library {
  readonly version: string;
  readonly configuration: string;
  prepare(problem: Problem): Promise<Prepared> | Prepared;
}

/** Says why a library does not take part in a case. */
export class Cannot extends Error {}

/** The code for a library, unless it has none. */
export function written<F>(code: F | { readonly cannot: string } | undefined, library: string): F {
  if (code === undefined) throw new Cannot(`has no version for ${library}`);
  if (typeof code === "object" && code !== null && "cannot" in code) throw new Cannot(code.cannot);
  return code as F;
}
