/** The records of ops. */
import type { TapeOp } from "./entry.ts";
import type { Attributes, Kernel as KernelOf, LoweredKernel as LoweredKernelOf } from "./kernel.ts";
import type { Shape } from "./shape.ts";
import type { DType, Tensor } from "./tensor.ts";

export { leafOp } from "./entry.ts";
export type {
  Attributes,
  ElementwiseKernel,
  GatherKernel,
  LeafKernel,
  MovementKernel,
  PositionKernel,
  ReduceKernel,
  SearchKernel,
} from "./kernel.ts";

/** A composite op, computed as other ops. */
export type LoweredKernel<A extends Attributes = Attributes> = LoweredKernelOf<Tensor, A>;
/** How an op is computed. */
export type Kernel<A extends Attributes = Attributes> = KernelOf<Tensor, A>;

/** The arguments of a rule of differentiation. */
export interface VjpContext<A extends Attributes = Attributes> {
  /** The cotangent of the output, of its shape. */
  readonly cotangent: Tensor;
  /** The output. */
  readonly output: Tensor;
  /** The inputs. */
  readonly inputs: readonly Tensor[];
  /** The attributes. */
  readonly attributes: A;
  /**
   * Multiplies the cotangent by a local derivative. The product is 0 where the cotangent is absent because another branch was selected,
   * regardless of the derivative there; elsewhere it follows IEEE arithmetic. `move` brings the cotangent to the shape of the product.
   */
  times(factor: () => Tensor, move?: (cotangent: Tensor) => Tensor): Tensor;
}

/** The context of a rule that does not see the cotangent. */
export type LocalContext<A extends Attributes = Attributes> = Omit<VjpContext<A>, "cotangent" | "times">;

/**
 * The vector-Jacobian product for one input, written with ops so that it can be differentiated again. Products with local derivatives
 * are `times(() => derivative)`; anything else that a rule does to the cotangent only moves or sums it. The result may have the output's
 * shape if the input was broadcast: the reverse walk sums it.
 */
export type Vjp<A extends Attributes = Attributes> = (context: VjpContext<A>) => Tensor;

/** The condition under which an input influences the output. */
export type Selects<A extends Attributes = Attributes> = (context: LocalContext<A>) => Tensor;

/**
 * The condition under which a cotangent counts: `bool`, of a shape that broadcasts to the cotangent's; `null` if it counts everywhere.
 * Most conditions are never needed, so they are recorded on demand.
 */
export type Condition = (() => Tensor) | null;

/** A cotangent and the condition under which it counts. The cotangent is 0 where the condition is false. */
export interface Cotangent {
  readonly value: Tensor;
  readonly condition: Condition;
}

/** The arguments of a rule for all results of a loop together. */
export interface PullContext {
  /** The loop. */
  readonly entry: Tensor;
  /** The cotangents of its results, by their numbers; those without are missing. */
  readonly cotangents: ReadonlyMap<number, Cotangent>;
  /** For each input whether its cotangent is asked for. */
  readonly wanted: readonly boolean[];
}

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

/** The values of one input of a drawn case. */
export interface ValueSpec {
  /** Default `float`. */
  readonly dtype?: DType;
  /** Bounds of the values, default -3 and 3. */
  readonly min?: number;
  readonly max?: number;
  /** Values to keep away from: kinks and ends of the domain. */
  readonly avoid?: readonly number[];
  /** Whether any two values must differ clearly, so that a small step does not change their order. */
  readonly distinct?: boolean;
}

/** One input of a drawn case. */
export interface InputSpec extends ValueSpec {
  readonly shape: readonly number[];
}

/** A drawn case: inputs and attributes. */
export interface Case<A extends Attributes = Attributes> {
  readonly inputs: readonly InputSpec[];
  readonly attributes?: A;
}

/**
 * How exactly an op is computed. Results that are not `float` are always exact.
 *
 * - `exact`: each result is an element of an input or a whole number.
 * - `sum`: a sum or a product of many elements, off by a few units relative to the sum of their magnitudes.
 * - `composite`: made of several roundings, off by a few units relative to numbers about 1.
 * - `{ function }`: as exact as the backends compute this scalar function.
 */
export type Accuracy =
  | "exact"
  | "sum"
  | "composite"
  | { readonly function: string };

/** Computes one element from those of the inputs at its position, independently of the op's kernel. */
export type ScalarReference<A extends Attributes = Attributes> = (inputs: readonly number[], attributes: A) => number;

/** The facts that ops and composites share, enough to test them. */
export interface Entry<A extends Attributes = Attributes> {
  readonly name: string;
  /** Records it. */
  apply(inputs: readonly Tensor[], attributes: A): Tensor;
  /** Whether it has a gradient. */
  readonly differentiable: boolean;
  /** Draws a case inside the domain. */
  readonly domain: (draw: Draw) => Case<A>;
  /** Default `composite`. */
  readonly accuracy?: Accuracy;
  /** For a scalar function: the names of its arguments, each of which is a tensor. */
  readonly parameters?: readonly string[];
  /** For a scalar function: its value, computed independently. */
  readonly reference?: ScalarReference<A>;
}

/** An op whose value is that of its first input, which a user's function made of the others; the rule is for these. */
export interface CustomRule {
  /**
   * Where the derivative is meant to differ from that of the value: records a function with the value of an entry and that derivative.
   * A gradient check takes it in place of the entry.
   */
  readonly meant?: (entry: Tensor) => Tensor;
}

/** An op, with all facts about it. */
export interface Op<A extends Attributes = Attributes> extends TapeOp {
  /** The output's shape and dtype. Throws if the inputs do not fit. */
  infer(inputs: readonly Tensor[], attributes: A): { shape: Shape; dtype: DType };
  readonly kernel: Kernel<A>;
  /** One rule per input, `null` for an input without derivative; `null` for an op without any. */
  readonly vjp: readonly (Vjp<A> | null)[] | null;
  /** For a loop, instead of `vjp`: the cotangents of the inputs, `null` where there is none. */
  readonly pull?: (context: PullContext) => readonly (Cotangent | null)[];
  /**
   * For ops that select: for each input where it influences the output, `bool`, of a shape that broadcasts to the rule's result; `null`
   * for everywhere. Elsewhere its cotangent is absent rather than 0.
   */
  readonly selects?: readonly (Selects<A> | null)[];
  /** Whether the result counts as a constant on purpose: a gradient check holds it while inputs move. */
  readonly holds?: boolean;
  /** For an op with a rule that a user wrote. */
  readonly custom?: CustomRule;
  /** Draws a case to test it on. */
  readonly domain?: (draw: Draw) => Case<A>;
  /** The condition, in words, under which the result is finite: `its input must be above 0`. */
  readonly requires?: string;
  /** Default `exact` for kernels that only move elements, `composite` for all others. */
  readonly accuracy?: Accuracy;
  /** For a scalar function: the names of its arguments, each of which is a tensor. */
  readonly parameters?: readonly string[];
  /** For a scalar function: its value, computed independently. */
  readonly reference?: ScalarReference<A>;
}

/** Returns how exactly an op is computed. */
export function accuracyOf<A extends Attributes>({ accuracy, kernel: { kind } }: Op<A>): Accuracy {
  return accuracy ?? (kind === "movement" || kind === "gather" ? "exact" : "composite");
}

/** Whether an op compares numbers. */
export function isComparison({ kernel }: Op): boolean {
  return kernel.kind === "elementwise" && kernel.returns === "condition" && kernel.takes === undefined;
}

/** Returns the op of an entry. The attributes of an entry are those of its op, since `record` takes no others. */
export function opOf(entry: Tensor): Op {
  return entry.op as Op;
}
