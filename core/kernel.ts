/** How ops are computed, as far as the compiler knows. */
import type { Index } from "./affine.ts";
import type { Builder, Expression } from "./expression.ts";
import type { Shape } from "./shape.ts";

/** Attributes of an entry: what an op needs to know besides its inputs. Plain data, since they are part of the structural key. */
export type Attributes = Readonly<Record<string, unknown>>;

/** A function of the elements at one position. */
export interface ElementwiseKernel<A extends Attributes = Attributes> {
  readonly kind: "elementwise";
  /** The result of arguments that are numbers, or conditions if `takes` says so. */
  expression(args: readonly Expression[], attributes: A, build: Builder): Expression;
  /** What each argument must be; a missing entry is a number. */
  readonly takes?: readonly ("number" | "condition")[];
  /** What the expression is. */
  readonly gives?: "number" | "condition";
  /** Rough cost of one evaluation, 1 for an addition. */
  readonly cost: number;
  /** Attributes that are numbers and may change from call to call; as expressions they follow the arguments. */
  readonly numbers?: readonly string[];
  /**
   * For a choice: the numbers of the arguments that the result is where the first one, a condition, holds, and where it does not. The
   * one that is taken where it holds is not evaluated elsewhere.
   */
  readonly choice?: { readonly taken: number; readonly otherwise: number };
}

/** Rewrites indices: computes nothing. */
export interface MovementKernel<A extends Attributes = Attributes> {
  readonly kind: "movement";
  /** Where in the input the element at `out` comes from; outside the bounds of the input it is `fill`. */
  source(out: readonly Index[], attributes: A, input: Shape, output: Shape): Index[];
  /** The value of elements whose `source` is outside the input (`pad`). */
  fill?(attributes: A): number;
  /** Whether every element stays where it is. */
  readonly identity?: boolean;
}

/** Combines the elements along some axes, which the output lacks. */
export interface ReduceKernel<A extends Attributes = Attributes> {
  readonly kind: "reduce";
  /** The axes that are reduced, in order. */
  axes(attributes: A): readonly number[];
  /** What the result is over nothing, and where accumulation starts. */
  readonly identity: number;
  /** Combines an accumulator and an element. For an arg-reduction: whether the element is better. */
  combine(accumulator: Expression, element: Expression, build: Builder): Expression;
  /** The result is the position (row-major over the axes) of the best element, the lowest among equals. */
  readonly position?: boolean;
}

/** Reads the first input at positions that depend on the values of the second. */
export interface GatherKernel<A extends Attributes = Attributes> {
  readonly kind: "gather";
  /** Where in the second input the position stands for the element at `out`. */
  position(out: readonly Index[], attributes: A, source: Shape): Index[];
  /** Where in the first input the element comes from. */
  source(out: readonly Index[], position: Index, attributes: A, source: Shape): Index[];
  /** The axis of the first input that positions count along. */
  axis(attributes: A): number;
}

/** Computes an element from its own position. */
export interface PositionKernel<A extends Attributes = Attributes> {
  readonly kind: "position";
  /** `start + step * index`. */
  progression(out: readonly Index[], attributes: A): { start: number; step: number; index: Index };
  /** The attribute that every element equals, which may change from call to call. */
  readonly constant?: string;
}

/** A value that the host holds. */
export interface LeafKernel {
  readonly kind: "leaf";
}

/** An op that is computed as other ops; it has a name on the tape for the sake of a derivative of its own. */
export interface LoweredKernel<T, A extends Attributes = Attributes> {
  readonly kind: "lowered";
  lower(inputs: readonly T[], attributes: A): T;
}

/** How values of a plan's graph are computed: not as other ops, which are expanded before. */
export type PrimitiveKernel<A extends Attributes = Attributes> =
  | ElementwiseKernel<A>
  | MovementKernel<A>
  | ReduceKernel<A>
  | GatherKernel<A>
  | PositionKernel<A>
  | LeafKernel;

/** A primitive kernel of one kind. */
export type KernelOf<K extends PrimitiveKernel["kind"]> = Extract<PrimitiveKernel, { kind: K }>;

/** How an op on entries of type `T` is computed. */
export type Kernel<T = unknown, A extends Attributes = Attributes> = PrimitiveKernel<A> | LoweredKernel<T, A>;
