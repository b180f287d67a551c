/** Helpers for the tests of verify/. */
import assert from "node:assert/strict";
import type { Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import type { Tensor } from "../../mod.ts";
import { UsageError } from "../../verify/usage.ts";

/** The exponential with a custom rule. */
export function exponential(rule: NonNullable<NonNullable<Op["vjp"]>[number]>): (x: Tensor) => Tensor {
  const op: Op = {
    name: "planted",
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: { kind: "elementwise", cost: 10, expression: ([x], _, lower) => lower.call("exp", x) },
    vjp: [rule],
  };
  return (x) => record(op, [x]);
}

/** Asserts that a usage error is explained in these words. */
export async function assertExplained(run: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(run, (error) => {
    assert.ok(error instanceof UsageError, String(error));
    assert.match(error.message, message);
    return true;
  });
}
