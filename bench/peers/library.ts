/** A library under test, as the program that measures it sees it. */
import { type Case, type Data, type Input, type Mode, permuted, type Sizes, type Written } from "../cases/case.ts";

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

/** The code for a library, unless it has none, over arrays in the layout that it likes best. */
export function written<F>(code: Written<F> | undefined, library: string, problem: Problem): Adapted<F> {
  if (code === undefined) throw new Cannot(`this is not written for ${library}`);
  if (typeof code === "object" && code !== null && "cannot" in code) throw new Cannot(code.cannot);
  if (typeof code === "object" && code !== null && "layout" in code) {
    const { run, layout } = code;
    const back = layout.map((_, axis) => layout.indexOf(axis));
    const calls = problem.calls.map((inputs) =>
      inputs.map((input) => input.shape.length === layout.length ? permuted(input, layout) : input)
    );
    return {
      run,
      calls,
      original: ({ shape, data }) => shape.length === layout.length ? permuted({ shape, data }, back).data : data,
    };
  }
  return { run: code as F, calls: problem.calls, original: ({ data }) => data };
}

/** Code, with arrays as it wants them. */
export interface Adapted<F> {
  readonly run: F;
  readonly calls: Problem["calls"];
  /** A result in the layout of all peers. */
  readonly original: (result: Input) => Data;
}

/** The version of the runtime. */
export function engine(): string {
  const { process, navigator } = globalThis as { process?: { version?: string }; navigator?: { userAgent: string } };
  return process?.version ?? navigator?.userAgent ?? "unknown";
}
