/**
 * Conditions of cotangents. If an op selects, as `where` does, an input that was not selected has no influence: its cotangent is absent,
 * which is not the same as a computed cotangent that happens to be 0. Along with each cotangent the reverse walk carries the condition
 * under which it counts, and products with local derivatives are taken only where the condition holds.
 */
import type { Condition, Cotangent, VjpContext } from "../core/op.ts";
import { broadcastAxes, type Shape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import { logicalAnd, logicalOr, notEqual } from "./comparison.ts";
import { broadcastTo, reshape } from "./movement.ts";
import { any } from "./reduce.ts";
import { where } from "./selection.ts";

/** Records once, however often it is asked. */
export function once<T>(make: () => T): () => T {
  let made: T | null = null;
  return () => (made ??= make());
}

/** Both conditions. */
export function both(a: Condition, b: Condition): Condition {
  if (!a || !b) return a ?? b;
  return once(() => (a() === b() ? a() : logicalAnd(a(), b())));
}

/** The condition of a sum of two cotangents. */
export function either(a: Condition, b: Condition): Condition {
  if (!a || !b) return null;
  return once(() => (a() === b() ? a() : logicalOr(a(), b())));
}

/** The condition of a cotangent of shape `from` that is summed to shape `to`, which broadcasts to it. */
export function summed(condition: Condition, from: Shape, to: Shape): Condition {
  if (!condition) return null;
  return once(() => {
    const narrow = condition();
    const { added, stretched } = broadcastAxes(to, from);
    const wide = reshape(narrow, [...from.slice(narrow.shape.length).map(() => 1), ...narrow.shape]);
    // Along an axis of length 1 the condition is the same everywhere.
    const axes = [...added, ...stretched].filter((axis) => wide.shape[axis] !== 1);
    const reduced = axes.length === 0 ? wide : any(wide, axes, { keepDims: true });
    return reshape(reduced, reduced.shape.slice(added.length));
  });
}

type Times = VjpContext["times"];

/** The product of a rule: skipped where the cotangent is absent, IEEE arithmetic elsewhere. */
export function timesOf({ value, condition }: Cotangent): Times {
  return (factor, move) => {
    const product = mul(move ? move(value) : value, factor());
    if (!condition) return product;
    return where(move ? move(broadcastTo(condition(), value.shape)) : condition(), product, 0);
  };
}

/**
 * The condition behind an entry: that of its output, moved as the rule for the input moves the cotangent. Elementwise rules leave it
 * unchanged; every other rule is linear in the cotangent apart from its products, so it is applied to the condition without them.
 */
export function conditionBehind(
  entry: Tensor,
  elementwise: boolean,
  rule: (own: Partial<VjpContext>) => Tensor,
  condition: Condition,
): Condition {
  if (!condition || elementwise) return condition;
  return once(() => {
    const cotangent = broadcastTo(condition(), entry.shape);
    const moved = rule({ cotangent, times: (_, move) => (move ? move(cotangent) : cotangent) });
    return moved.dtype === "bool" ? moved : notEqual(moved, 0);
  });
}
