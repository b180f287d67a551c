/** Builders of ops that compute each element from those at its position, with NumPy broadcasting. */
import type {
  Accuracy,
  ElementwiseKernel,
  LocalContext,
  LoweredKernel,
  Op,
  ScalarReference,
  Selects,
  ValueSpec,
  Vjp,
} from "../../core/op.ts";
import { broadcastOrThrow, record } from "../../core/record.ts";
import type { Tensor } from "../../core/tensor.ts";
import { asTensor, type TensorLike } from "../creation.ts";
import { type DTypeRule, float, logical, truth } from "./dtype.ts";
import { structured } from "./op.ts";

/** Costs, in additions. */
export const DIVISION = 3;
export const ROOT = 5;
export const EXPONENTIAL = 12;
export const CALL = 30;

/** A scalar function of one tensor. It is computed for each element. */
export interface Unary {
  /**
   * @param x any shape. A number or nested arrays stand for a tensor.
   * @returns the shape of `x`.
   */
  (x: TensorLike): Tensor;
  /** @internal */
  readonly op: Op;
}

/** A scalar function of two tensors. It is computed for each pair of elements. */
export interface Binary {
  /**
   * @param a any shape, broadcast with `b`. A number or nested arrays stand for a tensor.
   * @param b any shape, broadcast with `a`.
   * @returns the shape that both broadcast to.
   * @throws if the shapes do not broadcast together.
   */
  (a: TensorLike, b: TensorLike): Tensor;
  /** @internal */
  readonly op: Op;
}

/** A comparison of two tensors, element by element, by IEEE 754. */
export interface Comparison {
  /**
   * @param a any shape, broadcast with `b`. A number or nested arrays stand for a tensor.
   * @param b any shape, broadcast with `a`.
   * @returns `bool`, the shape that both broadcast to. It has no derivative.
   * @throws if the shapes do not broadcast together.
   */
  (a: TensorLike, b: TensorLike): Tensor;
  /** @internal */
  readonly op: Op;
}

/** A function of two truth values, element by element. */
export interface Logical {
  /**
   * @param a `bool`, any shape, broadcast with `b`.
   * @param b `bool`, any shape, broadcast with `a`.
   * @returns `bool`, the shape that both broadcast to. It has no derivative.
   * @throws if a dtype is not `bool`, or the shapes do not broadcast together.
   */
  (a: TensorLike, b: TensorLike): Tensor;
  /** @internal */
  readonly op: Op;
}

/** How a scalar op is computed: as one call of a scalar function, or as an expression with a stated accuracy. */
type Computed =
  | {
    /** The scalar function of the backends that computes it; default the op's name. */
    readonly call?: string;
    readonly expression?: undefined;
    readonly accuracy?: undefined;
  }
  | {
    readonly call?: undefined;
    /** The result, made of calls of scalar functions. */
    readonly expression: ElementwiseKernel["expression"];
    readonly accuracy: Accuracy;
  };

/** Facts that all scalar ops have. */
interface ScalarFacts {
  /** Default `float`. */
  readonly dtype?: DTypeRule;
  /** In additions, default 1. */
  readonly cost?: number;
  /** The condition, in words, under which the result is finite. */
  readonly requires?: string;
}

/** A scalar op of any number of inputs. */
export type ScalarSpec =
  & ScalarFacts
  & Computed
  & Pick<ElementwiseKernel, "takes" | "returns" | "choice">
  & {
    readonly parameters: readonly string[];
    readonly vjp: Op["vjp"];
    readonly selects?: Op["selects"];
    /** The values it is tested on, for each input. */
    readonly domain: readonly ValueSpec[];
    readonly reference: ScalarReference;
  };

/** The record of a scalar op. */
export function scalarOp(name: string, spec: ScalarSpec): Op {
  const { parameters, dtype = float, call = name, domain } = spec;
  const single = parameters.length === 1;
  return {
    name,
    infer: (inputs) => ({
      shape: single ? inputs[0].shape : broadcastOrThrow(name, inputs),
      dtype: dtype(inputs.map((t) => t.dtype), name),
    }),
    kernel: {
      kind: "elementwise",
      expression: spec.expression ?? ((args, _, lower) => lower.call(call, ...args)),
      cost: spec.cost ?? 1,
      takes: spec.takes,
      returns: spec.returns,
      choice: spec.choice,
    },
    vjp: spec.vjp,
    selects: spec.selects,
    domain: (draw) => ({
      inputs: draw.broadcastable(parameters.length).map((shape, i) => ({ shape, ...domain[i] })),
    }),
    requires: spec.requires,
    accuracy: spec.accuracy ?? { function: call },
    parameters,
    reference: spec.reference,
  };
}

/** A local derivative: the walk multiplies the cotangent by it. */
type Local = (context: LocalContext) => Tensor;

/** The derivatives of an op by its inputs: local ones, or whole rules if the cotangent is only moved or selected. */
type Rules<L, V> =
  | { readonly vjp: L | null; readonly pullback?: undefined }
  | { readonly vjp?: undefined; readonly pullback: V };

/** The rule of a function with this local derivative. */
function chain(derivative: Local): Vjp {
  return (context) => context.times(() => derivative(context));
}

/** A scalar op of one input. */
export type UnarySpec =
  & ScalarFacts
  & Computed
  & Rules<Local, Vjp>
  & {
    /** The condition under which the input influences the output; default always. */
    readonly selects?: Selects;
    /** The values it is tested on, default from -3 to 3. */
    readonly domain?: ValueSpec;
    /** Computes the same value independently of the kernel. */
    readonly reference: (x: number) => number;
  };

function unaryFunction(op: Op): Unary {
  return structured(op, `${op.name}(x)`, (op, call) =>
    function (x: TensorLike): Tensor {
      call.check(arguments);
      return record(op, [asTensor(call, "x", x)]);
    });
}

function binaryFunction(op: Op, [first, second]: readonly string[] = ["a", "b"]): Binary {
  return structured(
    op,
    `${op.name}(${first}, ${second})`,
    (op, call) =>
      function (a: TensorLike, b: TensorLike): Tensor {
        call.check(arguments);
        return record(op, [asTensor(call, first, a), asTensor(call, second, b)]);
      },
  );
}

/** Defines a scalar function of one tensor. */
export function unary(name: string, spec: UnarySpec): Unary {
  const { vjp = null, pullback, selects, domain = {}, reference, ...facts } = spec;
  return unaryFunction(scalarOp(name, {
    ...facts,
    parameters: ["x"],
    vjp: pullback ? [pullback] : vjp && [chain(vjp)],
    selects: selects && [selects],
    domain: [domain],
    reference: ([x]) => reference(x),
  }));
}

/** The record of a scalar function that is computed as other ops but has a separate derivative. */
function loweredOp(
  name: string,
  { lower, vjp, domain, ...facts }: Pick<ScalarSpec, "parameters" | "requires" | "domain" | "reference"> & {
    readonly lower: LoweredKernel["lower"];
    readonly vjp: readonly Local[];
  },
): Op {
  return {
    ...facts,
    name,
    infer: (inputs) => ({ shape: broadcastOrThrow(name, inputs), dtype: "float" }),
    kernel: { kind: "lowered", lower },
    vjp: vjp.map(chain),
    domain: (draw) => ({ inputs: draw.broadcastable(domain.length).map((shape, i) => ({ shape, ...domain[i] })) }),
  };
}

/** Defines a scalar function of one tensor that is computed as other ops but has a separate derivative. */
export function lowered(
  name: string,
  { lower, vjp, reference, requires, domain = {} }: {
    readonly lower: (x: Tensor) => Tensor;
    readonly vjp: Local;
    readonly reference: (x: number) => number;
    /** The condition, in words, under which the result is finite. */
    readonly requires?: string;
    /** The values it is tested on, default from -3 to 3. */
    readonly domain?: ValueSpec;
  },
): Unary {
  return unaryFunction(loweredOp(name, {
    parameters: ["x"],
    lower: ([x]) => lower(x),
    vjp: [vjp],
    domain: [domain],
    requires,
    reference: ([x]) => reference(x),
  }));
}

/** The same of two tensors. */
export function loweredPair(
  name: string,
  { parameters = ["a", "b"], lower, vjp, reference, domain = [{}, {}] }: {
    /** The names of its arguments. */
    readonly parameters?: readonly [string, string];
    readonly lower: (a: Tensor, b: Tensor) => Tensor;
    readonly vjp: readonly [Local, Local];
    readonly reference: (a: number, b: number) => number;
    /** For each input, the values it is tested on, default from -3 to 3. */
    readonly domain?: readonly [ValueSpec, ValueSpec];
  },
): Binary {
  const op = loweredOp(name, {
    parameters,
    lower: ([a, b]) => lower(a, b),
    vjp,
    domain,
    reference: ([a, b]) => reference(a, b),
  });
  return binaryFunction(op, parameters);
}

/** A scalar op of two inputs. */
export type BinarySpec =
  & ScalarFacts
  & Computed
  & Rules<readonly [Local | null, Local | null], readonly [Vjp | null, Vjp | null]>
  & {
    /** For each input, where it influences the output; default everywhere. */
    readonly selects?: readonly [Selects | null, Selects | null];
    /** For each input, the values it is tested on, default from -3 to 3. */
    readonly domain?: readonly [ValueSpec, ValueSpec];
    /** Computes the same value independently of the kernel. */
    readonly reference: (a: number, b: number) => number;
  };

/** The record of a scalar function of two tensors. */
export function binaryOp(name: string, spec: BinarySpec): Op {
  const { vjp = null, pullback, domain = [{}, {}], reference, ...facts } = spec;
  return scalarOp(name, {
    ...facts,
    parameters: ["a", "b"],
    vjp: pullback ?? (vjp && vjp.map((derivative) => derivative && chain(derivative))),
    domain,
    reference: ([a, b]) => reference(a, b),
  });
}

/** Defines a scalar function of two tensors. */
export function binary(name: string, spec: BinarySpec): Binary {
  return binaryFunction(binaryOp(name, spec));
}

/** Defines a comparison of two tensors. */
export function comparison(name: string, reference: (a: number, b: number) => boolean): Comparison {
  return binaryFunction(scalarOp(name, {
    parameters: ["a", "b"],
    dtype: truth,
    returns: "condition",
    vjp: null,
    domain: [{}, {}],
    reference: ([a, b]) => Number(reference(a, b)),
  }));
}

const bool: ValueSpec = { dtype: "bool" };

/** The record of a function of truth values. */
function logicalOp(name: string, call: string, parameters: readonly string[], reference: ScalarReference): Op {
  return scalarOp(name, {
    call,
    parameters,
    dtype: logical,
    takes: parameters.map(() => "condition"),
    returns: "condition",
    vjp: null,
    domain: parameters.map(() => bool),
    reference,
  });
}

/** Defines a function of one truth value. */
export function logicalUnary(name: string, call: string, reference: (x: boolean) => boolean): Unary {
  return unaryFunction(logicalOp(name, call, ["x"], ([x]) => Number(reference(x !== 0))));
}

/** Defines a function of two truth values. */
export function logicalBinary(name: string, call: string, reference: (a: boolean, b: boolean) => boolean): Logical {
  return binaryFunction(logicalOp(name, call, ["a", "b"], ([a, b]) => Number(reference(a !== 0, b !== 0))));
}
