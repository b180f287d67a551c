/** How losses that stand alone read their arguments. */
import type { Signature } from "../core/options.ts";
import { broadcastShapes, formatShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { cast } from "../ops/cast.ts";
import { asTensor, type TensorLike } from "../ops/creation.ts";
import { pairedShape, refuseClasses } from "../ops/losses.ts";

/**
 * Logits and the targets of as many binary decisions, both as `float`. Class indices in place of targets are noticed where their values are
 * known.
 */
export function logitsAndTargets(call: Signature, logits: TensorLike, targets: TensorLike): [Tensor, Tensor] {
  const x = numbers(call, "logits", logits);
  const t = asTensor(call, "targets", targets);
  pairedShape(call, { logits: x, targets: t });
  refuseClasses(call, t);
  return [x, cast(t, "float")];
}

/** A tensor of numbers, not of truth values. */
export function numbers(call: Signature, name: string, x: TensorLike): Tensor {
  const t = asTensor(call, name, x);
  if (t.dtype === "bool") throw call.error(`expected ${name} to be numbers, got a tensor of dtype bool`);
  return cast(t, "float");
}

/** The shape that two tensors broadcast to. Throws if they do not. */
export function broadcasting(call: Signature, pair: Readonly<Record<string, Tensor>>): number[] {
  const shapes = Object.values(pair).map(({ shape }) => shape);
  const common = broadcastShapes(shapes);
  if (common) return common;
  throw call.error(
    `expected ${Object.keys(pair).join(" and ")} to broadcast together, got shapes ${
      shapes.map(formatShape).join(" and ")
    }`,
  );
}
