/** What an op is. */
import type { Index } from "./affine.ts";
import type { Ulps } from "./backends/accuracy.ts";
import type { Attributes, DType, TapeOp, Tensor } from "./tensor.ts";
import type { Shape } from "./shape.ts";

/** Names of scalar functions and constants that backends spell differently; `lower.ts` knows how each writes them. */
export interface Lowering {
  /** A call of a scalar function of `lower.ts`. */
  call(name: string, ...args: string[]): string;
  /** Rounds the result of arithmetic to the precision that the backend stores, where it computes in a higher one. */
  round(code: string): string;
  /** A number as source text, infinities and NaN included. */
  literal(value: number): string;
}

/** A function of the elements at one position. */
export interface ElementwiseKernel<A extends Attributes = Attributes> {
  readonly kind: "elementwise";
  /** Source of the result. Arguments are source texts: numbers, or conditions where `takes` says so. */
  expression(args: string[], attributes: A, lower: Lowering): string;
  /** What each argument must be; a missing entry is a number. */
  readonly takes?: readonly ("number" | "condition")[];
  /** What the expression is. */
  readonly gives?: "number" | "condition";
  /** Rough cost of one evaluation, 1 for an addition. */
  readonly cost: number;
  /** Attributes that are numbers and may change from call to call; as source texts they follow the arguments. */
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
  readonly fill?: (attributes: A) => number;
  /** Whether every element stays where it is. */
  readonly identity?: boolean;
  /** Whether the result gets an array of its own, which a planner that looks at one value at a time would not see. */
  readonly stored?: boolean;
}

/** Combines the elements along some axes, which the output lacks. */
export interface ReduceKernel<A extends Attributes = Attributes> {
  readonly kind: "reduce";
  /** The axes that are reduced, in order. */
  axes(attributes: A): readonly number[];
  /** What the result is over nothing, and where accumulation starts. */
  readonly identity: number;
  /** Source that combines an accumulator and an element. For an arg-reduction: whether the element is better. */
  combine(accumulator: string, element: string, lower: Lowering): string;
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
export interface LoweredKernel<A extends Attributes = Attributes> {
  readonly kind: "lowered";
  lower(inputs: readonly Tensor[], attributes: A): Tensor;
}

/** How an op is computed. */
export type Kernel<A extends Attributes = Attributes> =
  | ElementwiseKernel<A>
  | MovementKernel<A>
  | ReduceKernel<A>
  | GatherKernel<A>
  | PositionKernel<A>
  | LeafKernel
  | LoweredKernel<A>;

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
   * whatever the derivative is there; elsewhere it follows IEEE arithmetic. `move` brings the cotangent to the shape of the product.
   */
  times(factor: () => Tensor, move?: (cotangent: Tensor) => Tensor): Tensor;
}

/** The context of a rule that does not see the cotangent. */
export type LocalContext<A extends Attributes = Attributes> = Omit<VjpContext<A>, "cotangent" | "times">;

/**
 * The vector-Jacobian product for one input, written with ops so that it can be differentiated again. Products with local derivatives
 * are `times(() => derivative)`; anything else that a rule does to the cotangent only moves or sums it. The result may have the output's
 * shape where the input was broadcast: the reverse walk sums it.
 */
export type Vjp<A extends Attributes = Attributes> = (context: VjpContext<A>) => Tensor;

/** Where an input influences the output. */
export type Selects<A extends Attributes = Attributes> = (context: LocalContext<A>) => Tensor;

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
 * - `{ ulps }`: units in the last place, by kind of backend.
 */
export type Accuracy =
  | "exact"
  | "sum"
  | "composite"
  | { readonly function: string }
  | { readonly ulps: Ulps };

/** Computes one element from those of the inputs at its position, apart from how the op is written. */
export type ScalarReference<A extends Attributes = Attributes> = (inputs: readonly number[], attributes: A) => number;

/** The facts that ops and composites have in common: enough to test them. */
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
  /** Of a scalar function: the names of its arguments, each of which stands for a tensor. */
  readonly parameters?: readonly string[];
  /** Of a scalar function: what it computes. */
  readonly reference?: ScalarReference<A>;
}

/** An op: everything that is known of it. */
export interface Op<A extends Attributes = Attributes> extends TapeOp {
  /** The output's shape and dtype. Throws if the inputs do not fit. */
  infer(inputs: readonly Tensor[], attributes: A): { shape: Shape; dtype: DType };
  readonly kernel: Kernel<A>;
  /** One rule per input, `null` for an input without derivative; `null` for an op without any. */
  readonly vjp: readonly (Vjp<A> | null)[] | null;
  /**
   * For ops that select: for each input where it influences the output, `bool`, of a shape that broadcasts to the rule's result; `null`
   * for everywhere. Elsewhere its cotangent is absent rather than 0.
   */
  readonly selects?: readonly (Selects<A> | null)[];
  /** Draws a case to test it on. */
  readonly domain?: (draw: Draw) => Case<A>;
  /** In words, what the inputs must satisfy for the result to be finite: `its input must be above 0`. */
  readonly requires?: string;
  /** Default `exact` for kernels that only move elements, `composite` for all others. */
  readonly accuracy?: Accuracy;
  /** Of a scalar function: the names of its arguments, each of which stands for a tensor. */
  readonly parameters?: readonly string[];
  /** Of a scalar function: what it computes. */
  readonly reference?: ScalarReference<A>;
}

/** How exactly an op is computed. */
export function accuracyOf<A extends Attributes>({ accuracy, kernel: { kind } }: Op<A>): Accuracy {
  return accuracy ?? (kind === "movement" || kind === "gather" ? "exact" : "composite");
}

/** Whether an op compares numbers. */
export function isComparison({ kernel }: Op): boolean {
  return kernel.kind === "elementwise" && kernel.gives === "condition" && kernel.takes === undefined;
}

/** The op of an entry. The attributes of an entry are those of its op, since `record` takes no others. */
export function opOf(entry: Tensor): Op {
  return entry.op as Op;
}

const NO_NUMBERS: readonly string[] = [];

/** The attributes of an entry that are numbers and may change from call to call. Truth values belong to the structure. */
export function numbersOf(entry: Tensor): readonly string[] {
  const { kernel } = opOf(entry);
  if (kernel.kind === "elementwise" && kernel.numbers) return kernel.numbers;
  return kernel.kind === "position" && kernel.constant && entry.dtype !== "bool" ? [kernel.constant] : NO_NUMBERS;
}

const opIds = new WeakMap<TapeOp, number>();
let nextOpId = 1;

/** A number for an op: names alone do not tell apart two ops that a program defines. */
export function opId(op: TapeOp): number {
  let id = opIds.get(op);
  if (id === undefined) opIds.set(op, id = nextOpId++);
  return id;
}

/** Attributes as text, the same for the same values. */
export function attributeText(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value)) return `[${value.map(attributeText).join(",")}]`;
  if (value !== null && typeof value === "object") {
    let text = "{";
    for (const key in value) text += `${key}:${attributeText((value as Attributes)[key])},`;
    return `${text}}`;
  }
  return String(value);
}

/** The one op without inputs whose values come from the host. */
export const leafOp: Op = {
  name: "leaf",
  infer: () => {
    throw new Error("leaf: made by tensor(), not recorded");
  },
  kernel: { kind: "leaf" },
  vjp: null,
};
