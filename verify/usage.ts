/** Errors of use, as opposed to wrong gradients. */

/**
 * Thrown if a call cannot be carried out; the message says why and what to do. Wrong gradients are reported, not
 * thrown.
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
  /** The name of the class. */
  override readonly name: string = "UsageError";
}

/** The message of a thrown value, which can be anything. */
export function messageOf(thrown: unknown): string {
  // Not instanceof: errors of another realm have a message too.
  const { message } = (thrown ?? {}) as { message?: unknown };
  return typeof message === "string" ? message : String(thrown);
}
