/** What an op is. */
import type { Index } from "./affine.ts";
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
export interface ElementwiseKernel {
  readonly kind: "elementwise";
  /** Source of the result. Arguments are source texts: numbers, or conditions where `takes` says so. */
  expression(args: string[], attributes: Attributes, lower: Lowering): string;
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
export interface MovementKernel {
  readonly kind: "movement";
  /** Where in the input the element at `out` comes from; outside the bounds of the input it is `fill`. */
  source(out: readonly Index[], attributes: Attributes, input: Shape, output: Shape): Index[];
  /** What stands where `source` points outside the input (`pad`). */
  readonly fill?: (attributes: Attributes) => number;
  /** Whether every element stays where it is. */
  readonly identity?: boolean;
}

/** Combines the elements along `attributes.axes`, which the output lacks. */
export interface ReduceKernel {
  readonly kind: "reduce";
  /** What the result is over nothing, and where accumulation starts. */
  readonly identity: number;
  /** Source that combines an accumulator and an element. For an arg-reduction: whether the element is better. */
  combine(accumulator: string, element: string, lower: Lowering): string;
  /** The result is the position (row-major over the axes) of the best element, the lowest among equals. */
  readonly position?: boolean;
}

/** Reads the first input at positions that depend on the values of the second. */
export interface GatherKernel {
  readonly kind: "gather";
  /** Where in the second input the position stands for the element at `out`. */
  position(out: readonly Index[], attributes: Attributes, source: Shape): Index[];
  /** Where in the first input the element comes from. */
  source(out: readonly Index[], position: Index, attributes: Attributes, source: Shape): Index[];
  /** The axis of the first input that positions count along. */
  axis(attributes: Attributes): number;
}

/** Computes an element from its own position. */
export interface PositionKernel {
  readonly kind: "position";
  /** `start + step * index`. */
  progression(out: readonly Index[], attributes: Attributes): { start: number; step: number; index: Index };
  /** The attribute that every element equals, which may change from call to call. */
  readonly constant?: string;
}

/** A value that the host holds. */
export interface LeafKernel {
  readonly kind: "leaf";
}

/** An op that is computed as other ops; it has a name on the tape for the sake of a derivative of its own. */
export interface LoweredKernel {
  readonly kind: "lowered";
  lower(inputs: readonly Tensor[], attributes: Attributes): Tensor;
}

/** How an op is computed. */
export type Kernel =
  | ElementwiseKernel
  | MovementKernel
  | ReduceKernel
  | GatherKernel
  | PositionKernel
  | LeafKernel
  | LoweredKernel;

/** A kernel of one kind. */
export type KernelOf<K extends Kernel["kind"]> = Extract<Kernel, { kind: K }>;

/** How a value of a plan is computed: composites are expanded before. */
export type PrimitiveKernel = Exclude<Kernel, LoweredKernel>;

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
  readonly kernel: Kernel;
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

/** The op of an entry. */
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
