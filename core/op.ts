/** What an op is. */
import type { TapeOp } from "./entry.ts";
import type { Attributes, Kernel } from "./kernel.ts";
import type { Shape } from "./shape.ts";
import type { DType, Tensor } from "./tensor.ts";

export { leafOp } from "./entry.ts";
export type * from "./kernel.ts";

/** What a rule of differentiation knows. */
export interface VjpContext {
  /** The cotangent of the output, of its shape. */
  readonly cotangent: Tensor;
  /** The output. */
  readonly output: Tensor;
  /** The inputs. */
  readonly inputs: readonly Tensor[];
  /** The attributes. */
  readonly attributes: Attributes;
  /**
   * The cotangent times a local derivative: 0 where the cotangent is absent, since something selected another branch, whatever the
   * derivative is there; the product of IEEE arithmetic elsewhere. `move` brings the cotangent to where the product is taken.
   */
  times(factor: () => Tensor, move?: (cotangent: Tensor) => Tensor): Tensor;
}

/**
 * The vector-Jacobian product for one input, written with ops, so that it can be differentiated again. Products with local derivatives
 * are `times(() => derivative)`; all else that a rule does to the cotangent only moves or sums it. The result may have the output's shape
 * where the input was broadcast: the walk sums it.
 */
export type Vjp = (context: VjpContext) => Tensor;

/** A source of random decisions for drawing test cases; fast-check or a seeded generator stand behind it. */
export interface Draw {
  /** A whole number in `[min, max]`. */
  int(min: number, max: number): number;
  /** True or false. */
  bool(): boolean;
  /** One of several. */
  pick<T>(values: readonly T[]): T;
  /** A shape, axes of length 0 and 1 included; `minAxis: 1` excludes empty ones. */
  shape(options?: { minRank?: number; maxRank?: number; minAxis?: number; maxAxis?: number }): number[];
  /** Shapes that broadcast together. */
  broadcastable(count: number): number[][];
}

/** One input of a drawn case. */
export interface InputSpec {
  readonly shape: readonly number[];
  /** Default `float`. */
  readonly dtype?: DType;
  /** Bounds of the values, default -3 and 3. */
  readonly min?: number;
  readonly max?: number;
  /** Values to keep away from: kinks and ends of the domain. */
  readonly avoid?: readonly number[];
  /** Whether any two values must differ clearly, so that a small step does not change an order. */
  readonly distinct?: boolean;
}

/** A drawn case: inputs and the further arguments of {@link Entry.apply}. */
export interface Case {
  readonly inputs: readonly InputSpec[];
  readonly attributes?: Attributes;
}

/** What the registry knows of an op or a composite: enough to test it. */
export interface Entry {
  readonly name: string;
  /** Records it. */
  apply(inputs: readonly Tensor[], attributes: Attributes): Tensor;
  /** Whether a gradient exists. */
  readonly differentiable: boolean;
  /** Draws a case inside the domain. */
  readonly domain: (draw: Draw) => Case;
}

/** An op: everything that is known of it. */
export interface Op extends TapeOp {
  /** The output's shape and dtype. Throws where the inputs do not fit. */
  infer(inputs: readonly Tensor[], attributes: Attributes): { shape: Shape; dtype: DType };
  readonly kernel: Kernel<Tensor>;
  /** One rule an input, `null` for an input without derivative; `null` for an op without any. */
  readonly vjp: readonly (Vjp | null)[] | null;
  /**
   * For ops that select: for each input where it has an influence on the output, `bool`, of a shape that broadcasts to the rule's result;
   * `null` for everywhere. Elsewhere its cotangent is absent rather than 0.
   */
  readonly selects?: readonly (((context: Omit<VjpContext, "cotangent" | "times">) => Tensor) | null)[];
  /** The domain to test it on. */
  readonly domain?: (draw: Draw) => Case;
}

/** Returns the op of an entry. */
export function opOf(entry: Tensor): Op {
  return entry.op as Op;
}
