/** Values of kernels before they are written: plain data that each backend renders in its dialect. */

/** A variable of a kernel. */
export interface Local {
  readonly kind: "local";
  /** Counts the locals of a kernel. */
  readonly id: number;
  readonly role: Role;
}

/**
 * The meaning of a local: a thread's coordinate, a loop's counter, a value, a reduction's accumulator, the position of the best
 * element so far, or the result of a branch. The first three do not change once they are set.
 */
export type Role = "thread" | "counter" | "value" | "accumulator" | "position" | "choice";

/** Prefixes of the names of locals. */
export const PREFIX: Readonly<Record<Role, string>> = {
  thread: "u",
  counter: "i",
  value: "v",
  accumulator: "s",
  position: "p",
  choice: "t",
};

/** A whole number: `base + sum(coefficient * local)`. Its locals are coordinates, counters, quotients and positions that were read. */
export interface Linear {
  readonly base: number;
  readonly terms: readonly { readonly local: Local; readonly coefficient: number }[];
}

/** A number, or a condition if it is `within` or a call of a function of truth values. */
export type Expression =
  | Local
  /** A number as it is. */
  | { readonly kind: "literal"; readonly value: number }
  /** An element of one of the kernel's arguments: at one flat index, or at one index for each of z, y and x. */
  | { readonly kind: "read"; readonly argument: number; readonly at: readonly Linear[] }
  /** A whole number. */
  | { readonly kind: "index"; readonly of: Linear }
  /** `floor(of / by)` for `of` up to `most`. */
  | { readonly kind: "quotient"; readonly of: Linear; readonly by: number; readonly most: number }
  /** `of - by * quotient`. */
  | { readonly kind: "remainder"; readonly of: Linear; readonly by: number; readonly quotient: Linear }
  /** Whether a whole number is at least 0 (if `low`) and below `end` (unless it is `null`). */
  | { readonly kind: "within"; readonly of: Linear; readonly low: boolean; readonly end: number | null }
  /** A scalar function by its name in `core/backends/functions.ts`. */
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] };

/** Makes expressions in the kernels of ops. */
export interface Builder {
  /** A call of a scalar function. */
  call(name: string, ...args: Expression[]): Expression;
  /** A number, infinities and NaN included. */
  literal(value: number): Expression;
}

/** The only builder: expressions are plain data. */
export const build: Builder = {
  call: (name, ...args) => ({ kind: "call", name, args }),
  literal: (value) => ({ kind: "literal", value }),
};
