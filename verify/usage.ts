/** What is wrong with a call rather than with a gradient. */

/**
 * An error of use: the call cannot be carried out, and the message says why and what to do. It is not about a gradient; those are
 * reported, never thrown.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { gradcheck, UsageError } from "gpugrad/verify";
 *
 * await assert.rejects(gradcheck(() => 3 as never, [[1, 2]]), UsageError);
 * ```
 */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** What was thrown, in words: anything can be. */
export function messageOf(thrown: unknown): string {
  // Not instanceof: errors of another realm have a message too.
  const { message } = (thrown ?? {}) as { message?: unknown };
  return typeof message === "string" ? message : String(thrown);
}
