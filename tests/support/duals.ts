/** Outputs over dual numbers: values and tangents on the oracle, independent of the rules of ops. */
import { type BoundDual, compileDual, type DualOptions } from "../../core/backends/dual.ts";
import { float64 } from "../../core/backends/float64.ts";
import { Program } from "../../core/program.ts";
import type { Tensor } from "../../mod.ts";
import { fillSigned } from "../../verify/random.ts";

/** A direction: the tangents of the leaves that move. */
export type Along = ReadonlyMap<Tensor, Float64Array>;

/** Values and tangents of outputs, `null` where nothing that moves reaches one. */
export interface Duals {
  readonly values: readonly Float64Array[];
  readonly tangents: readonly (Float64Array | null)[];
  /** Whether operands tied whose tangents differ. */
  readonly tied: boolean;
}

/** Values and tangents of outputs. */
export function dualOf(outputs: readonly Tensor[], along: Along, options: Omit<DualOptions, "moving"> = {}): Duals {
  const bound = boundDualOf(outputs, along, options);
  bound.run();
  return { values: bound.results, tangents: bound.tangents, tied: bound.tied };
}

/** The plan over dual numbers that computes them. */
export function boundDualOf(outputs: readonly Tensor[], along: Along, options: Omit<DualOptions, "moving">): BoundDual {
  const program = new Program(outputs);
  const { leaves } = program;
  const dual = compileDual(program.plan(float64), { ...options, moving: leaves.map((leaf) => along.has(leaf)) });
  return dual.bind(leaves.map(valueOf), leaves.map((leaf) => along.get(leaf) ?? null));
}

/** The tangent of an output; zeros if nothing that moves reaches it. */
export function tangentOf(output: Tensor, along: Along, options?: Omit<DualOptions, "moving">): Float64Array {
  return dualOf([output], along, options).tangents[0] ?? new Float64Array(output.size);
}

/** The value of a leaf, in float64. */
export const valueOf = (t: Tensor): Float64Array => Float64Array.from(t.value!);

/** Random directions of leaves, with this many lanes. */
export function randomAlong(leaves: readonly Tensor[], random: () => number, lanes = 1): Map<Tensor, Float64Array> {
  return new Map(
    leaves.filter(({ dtype }) => dtype === "float").map((leaf) => {
      return [leaf, fillSigned(new Float64Array(leaf.size * lanes), random)];
    }),
  );
}
