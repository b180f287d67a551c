/** Checks of what the parts of a loss return, since users write some of them. */
import { describe, type Signature } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { type DType, Tensor } from "../core/tensor.ts";

/** The result that a part should return. */
interface Expected {
  readonly shapes: readonly (readonly number[])[];
  /** Default `float`. */
  readonly dtype?: DType;
}

/** Returns the result of a part. Throws if it is something else than expected. */
export function checkPart<O extends object>(
  call: Signature<O>,
  name: string,
  result: unknown,
  { shapes, dtype = "float" }: Expected,
): Tensor {
  const expected = `a tensor of dtype ${dtype} and shape ${shapes.map(formatShape).join(" or ")}`;
  if (!(result instanceof Tensor)) {
    throw call.error(`expected ${name} to return ${expected}, got ${describe(result)}`);
  }
  if (result.dtype === dtype && shapes.some((shape) => sameShape(shape, result.shape))) return result;
  throw call.error(`expected ${name} to return ${expected}, got ${result.dtype} ${formatShape(result.shape)}`);
}

/** Throws if a matching returned something else than targets for these default boxes, `[batch, a]`. */
export function checkMatches<O extends object>(call: Signature<O>, matches: unknown, shape: readonly number[]): void {
  if (typeof matches !== "object" || matches === null) {
    throw call.error(`expected matching to return { target, positive }, got ${describe(matches)}`);
  }
  const { target, positive, ignored } = matches as Record<string, unknown>;
  const shapes = [shape];
  checkPart(call, "matching, as target,", target, { shapes, dtype: "int" });
  checkPart(call, "matching, as positive,", positive, { shapes, dtype: "bool" });
  if (ignored !== undefined) checkPart(call, "matching, as ignored,", ignored, { shapes, dtype: "bool" });
}
