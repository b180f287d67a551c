/** Kernels: how ops are computed, as the compiler sees them. */
import type { Index } from "./affine.ts";
import type { Builder, Expression } from "./expression.ts";
import type { Routine } from "./routine.ts";
import type { Shape } from "./shape.ts";

/** Whole numbers up to here are exact in float32. */
export const EXACT_IN_SINGLE = 2 ** 24;

/** Attributes of an entry: the parameters of an op other than its inputs. Plain data, since they are part of the structural key. */
export type Attributes = Readonly<Record<string, unknown>>;

/** Returns an attribute that a kernel names as one of its numbers. Throws if it is something else. */
export function numberFrom(attribute: unknown): number {
  if (typeof attribute === "number") return attribute;
  throw new TypeError(`expected an attribute that is a number, got ${typeof attribute}`);
}

/** A function of the elements at one position. */
export interface ElementwiseKernel<A extends Attributes = Attributes> {
  readonly kind: "elementwise";
  /** The result. The arguments are numbers, or conditions according to `takes`. */
  expression(args: readonly Expression[], attributes: A, build: Builder): Expression;
  /** The type of each argument, a number if missing. */
  readonly takes?: readonly ("number" | "condition")[];
  /** The type of the expression. */
  readonly returns?: "number" | "condition";
  /** Rough cost of one evaluation, 1 for an addition. */
  readonly cost: number;
  /** Attributes that are numbers and may change from call to call; as expressions they follow the arguments. */
  readonly numbers?: readonly string[];
  /**
   * For a choice: the numbers of the arguments that are the result if the first argument, a condition, holds and if it does not. `taken`
   * is evaluated only if the condition holds.
   */
  readonly choice?: { readonly taken: number; readonly otherwise: number };
  /** For results that are whole, at least 0 and below a bound: the bound. */
  bound?(attributes: A): number;
}

/** Rewrites indices: computes nothing. */
export interface MovementKernel<A extends Attributes = Attributes> {
  readonly kind: "movement";
  /** Returns the index in the input of the element at `out`; outside the bounds of the input the element is `fill`. */
  source(out: readonly Index[], attributes: A, input: Shape, output: Shape): Index[];
  /** The value of elements whose `source` is outside the input (`pad`). */
  fill?(attributes: A): number;
  /** Whether every element stays where it is. */
  readonly identity?: boolean;
  /** Whether the elements stay in their order, the last index counting fastest, so that an array of the input is one of the output. */
  readonly keepsOrder?: boolean;
  /** Where it begins along each axis of the input, if that may change from call to call. */
  readonly offsets?: Offsets<A>;
  /** In a graph: the axes along which the values of the inputs after the first one are added to the source. */
  readonly along?: readonly number[];
}

/** Whole numbers, one for each axis of the input, that a movement adds to the index in it. */
export interface Offsets<A extends Attributes = Attributes> {
  /** Returns them, each at least 0. */
  of(attributes: A): readonly number[];
  /** Returns the attributes with others: all else stays, the shape of the result too. */
  at(attributes: A, offsets: readonly number[]): A;
  /** Returns the largest that there can be. */
  most(attributes: A, input: Shape): readonly number[];
}

/** Combines the elements along some axes, which the output lacks. */
export interface ReduceKernel<A extends Attributes = Attributes> {
  readonly kind: "reduce";
  /** The axes that are reduced, in order. */
  axes(attributes: A): readonly number[];
  /** The result over no elements, and the initial accumulator. */
  readonly identity: number;
  /** Combines an accumulator and an element. For an arg-reduction: whether the element is better. */
  combine(accumulator: Expression, element: Expression, build: Builder): Expression;
  /** The result is the position (row-major over the axes) of the best element, the lowest among equals. */
  readonly position?: boolean;
}

/**
 * Finds the first place along an axis, which the output lacks, at which a condition, the first input, does not hold. From the place in the
 * second input up to that in the third, which is the result if it holds everywhere, it must hold up to some place and nowhere after it; so
 * halving finds the place, and only the logarithm of the elements are evaluated.
 */
export interface SearchKernel<A extends Attributes = Attributes> {
  readonly kind: "search";
  /** The axis that is searched. */
  axis(attributes: A): number;
  /** The most elements that are searched. */
  most(attributes: A): number;
}

/** Reads the first input at positions that depend on the values of the second. */
export interface GatherKernel<A extends Attributes = Attributes> {
  readonly kind: "gather";
  /** Returns the index in the second input of the position for the element at `out`. */
  position(out: readonly Index[], attributes: A, source: Shape): Index[];
  /** Returns the index of the element in the first input. */
  source(out: readonly Index[], position: Index, attributes: A, source: Shape): Index[];
  /** The axis of the first input that positions count along. */
  axis(attributes: A): number;
}

/** Computes an element from its position. */
export interface PositionKernel<A extends Attributes = Attributes> {
  readonly kind: "position";
  /** `start + step * index`. */
  progression(out: readonly Index[], attributes: A): { start: number; step: number; index: Index };
  /** The attribute that every element equals, which may change from call to call. */
  readonly constant?: string;
  /** The attribute that the progression starts with, which may change from call to call. */
  readonly start?: string;
}

/** A value that the host holds. */
export interface LeafKernel {
  readonly kind: "leaf";
}

/** An op that is computed as other ops; it has a name on the tape because it has a separate derivative. */
export interface LoweredKernel<T, A extends Attributes = Attributes> {
  readonly kind: "lowered";
  /** Records the ops. Tensors with values that are not among the inputs are no part of the plan; they are refused. */
  lower(inputs: readonly T[], attributes: A): T;
  /** The routine that computes the same, from the same inputs, on backends that have it; `null` if lowering costs less there, too. */
  routine?(shapes: readonly Shape[], attributes: A): Routine | null;
}

/** An op that a routine of the backend computes, in place of those that it is lowered to. */
export interface RoutineKernel {
  readonly kind: "routine";
  readonly routine: Routine;
}

/** A loop: its entry has no value of its own, but results. */
export interface RepeatKernel<A extends Attributes = Attributes, L = unknown, T = unknown> {
  readonly kind: "repeat";
  /** The loop, a part of the tape. */
  loop(attributes: A): L;
  /** Unrolls the loop, recording its body once for each iteration, for backends without loops and for gradient checks. */
  unroll(entry: T, options: UnrollOptions<T>): Unrolled<T>;
}

/** How a loop is unrolled. */
export interface UnrollOptions<T> {
  /** Returns what stands for an input. */
  input(number: number): T;
  /** Returns the rows of an input that was unrolled itself; `null` if they have to be read from it. */
  rows?(number: number): readonly T[] | null;
  /** Is told of every entry of the body and its copies. */
  copied?(from: T, to: T): void;
}

/** An unrolled loop. */
export interface Unrolled<T> {
  /** A result as a whole. */
  result(number: number): T;
  /** The rows of a result; `null` if it is not made of them. */
  rows(number: number): readonly T[] | null;
}

/** One of the results of a loop, which is its input. */
export interface ResultKernel<A extends Attributes = Attributes> {
  readonly kind: "result";
  number(attributes: A): number;
}

/** How values of a plan's graph are computed: not as other ops, which are expanded before. */
export type PrimitiveKernel<A extends Attributes = Attributes> =
  | ElementwiseKernel<A>
  | MovementKernel<A>
  | ReduceKernel<A>
  | SearchKernel<A>
  | GatherKernel<A>
  | PositionKernel<A>
  | RoutineKernel
  | LeafKernel;

/** A primitive kernel of one kind. */
export type KernelOf<K extends PrimitiveKernel["kind"]> = Extract<PrimitiveKernel, { kind: K }>;

/** How an op on entries of type `T` is computed. */
export type Kernel<T = unknown, A extends Attributes = Attributes> =
  | PrimitiveKernel<A>
  | LoweredKernel<T, A>
  | RepeatKernel<A, unknown, T>
  | ResultKernel<A>;
