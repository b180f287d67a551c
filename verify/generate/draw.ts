/** The random choices of ops' records, made by fast-check. */
import fc from "fast-check";
import { callable, Signature } from "../../core/options.ts";
import type { Draw } from "../../core/op.ts";
import { UsageError } from "../usage.ts";
import { requireKind } from "./arguments.ts";
import { broadcastableShapes, shapes } from "./shapes.ts";

export type { Draw } from "../../core/op.ts";

const drawFromCall = new Signature("drawFrom(g)", undefined, UsageError);

/**
 * Lets fast-check make the random choices of an op's record, so that they shrink.
 *
 * @param g the value that `fc.gen()` generates.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import fc from "fast-check";
 * import { drawFrom } from "gpugrad/verify";
 *
 * const shape = fc.gen().map((g) => drawFrom(g).shape({ maxRank: 2 }));
 * fc.assert(fc.property(shape, (drawn) => assert.ok(drawn.length <= 2)));
 * ```
 */
export function drawFrom(g: fc.GeneratorValue): Draw {
  drawFromCall.check(arguments);
  requireKind(drawFromCall, "g", callable, g);
  const int = (min: number, max: number): number => g(fc.integer, { min, max });
  return {
    int,
    bool: () => g(fc.boolean),
    pick: (values) => values[int(0, values.length - 1)],
    shape: (options) => g(shapes, options),
    broadcastable: (count) => g(broadcastableShapes, count),
  };
}
