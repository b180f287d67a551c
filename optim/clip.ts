/** Limits on gradients. */
import { describe, type Kind, kind, numberAbove, numberIn, Signature } from "../core/options.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul } from "../ops/arithmetic.ts";
import { stack } from "../ops/movement.ts";
import { norm } from "../ops/norms.ts";
import { minimum } from "../ops/selection.ts";
import { fillTree, flattenTree, type TensorsOf } from "../ops/tree.ts";

/** Options of {@link clipByNorm}. */
export interface ClipByNormOptions {
  /** The exponent of the norm, above 0: default 2; `Infinity` for the largest size. */
  readonly p?: number;
}

const exponent: Kind<number> = /* @__PURE__ */ kind(
  "a number above 0, or Infinity",
  "2",
  (p) => p === Infinity || numberAbove(0).accepts(p),
);
const limit: Kind<number> = /* @__PURE__ */ kind(
  "a number from 0, or Infinity",
  "1",
  (v) => v === Infinity || numberIn(0, Infinity).accepts(v),
);

const clipCall = /* @__PURE__ */ new Signature<ClipByNormOptions>("clipByNorm(gradients, maxNorm, options)", {
  p: exponent,
});

/** Keeps the divisor from 0. */
const EPSILON = 1e-6;

/**
 * Scales gradients together so that their norm, as of one vector, is at most `maxNorm`. Like `torch.nn.utils.clip_grad_norm_`: the factor is
 * maxNorm / (norm + 1e-6), at most 1 (Pascanu et al., 2013).
 *
 * @param gradients a tensor, or arrays and plain objects of tensors, of any shapes.
 * @param maxNorm the largest norm, from 0; `Infinity` only measures.
 * @param options `p`: the exponent of the norm, above 0; default 2, `Infinity` for the largest size.
 * @returns `[clipped, norm]`: the gradients in the same structure, and their norm before, a `float` scalar. An element that is NaN makes
 * all of them NaN.
 * @throws if there is no gradient, or an argument is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { clipByNorm, tensor } from "gpugrad";
 *
 * const [clipped, norm] = clipByNorm({ weight: tensor([3, 0]), bias: tensor(4) }, 1);
 * assert.equal(await norm.item(), 5);
 * assert.ok(Math.abs(await clipped.bias.item() - 0.8) < 1e-6);
 * ```
 */
export function clipByNorm<G>(
  gradients: G,
  maxNorm: number,
  options: ClipByNormOptions = {},
): [clipped: TensorsOf<G>, norm: Tensor] {
  clipCall.check(arguments);
  const { leaves } = flattenTree(clipCall, "gradients", gradients);
  if (leaves.length === 0) {
    throw clipCall.error(`expected gradients to hold at least one tensor, got ${describe(gradients)}`);
  }
  if (!limit.accepts(maxNorm)) throw clipCall.wrong("maxNorm", limit.expected, maxNorm);
  const { p = 2 } = options;
  const total = norm(stack(leaves.map((g) => norm(g, undefined, { p }))), undefined, { p });
  const factor = minimum(div(maxNorm, add(total, EPSILON)), 1);
  const clipped = fillTree(clipCall, "gradients", gradients, leaves.map((g) => mul(g, factor)));
  return [clipped as TensorsOf<G>, total];
}
