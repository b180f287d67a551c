/** Functions of the elements at one position, with NumPy broadcasting. */
import type { Case, Draw, ElementwiseKernel, InputSpec, Op, Vjp, VjpContext } from "../core/op.ts";
import { broadcastOrThrow, record } from "../core/record.ts";
import { defineOp } from "../core/registry.ts";
import { Signature } from "../core/options.ts";
import type { Attributes, DType, Tensor } from "../core/tensor.ts";
import { asTensor, checkDType, type TensorLike } from "./creation.ts";

/** The dtype of a result, from those of the inputs. */
type DTypeRule = (dtypes: readonly DType[], op: string) => DType;

const ORDER: readonly DType[] = ["bool", "int", "float"];

/** bool < int < float. */
const promoted: DTypeRule = (dtypes) => ORDER[Math.max(...dtypes.map((d) => ORDER.indexOf(d)))];
/** Arithmetic counts booleans as 0 and 1. */
const arithmetic: DTypeRule = (dtypes, op) => (promoted(dtypes, op) === "float" ? "float" : "int");
const float: DTypeRule = () => "float";
const truth: DTypeRule = () => "bool";
/** Logic takes truth values alone: whether 0.5 counts as true is for the program to say, with a comparison. */
const logical: DTypeRule = (dtypes, op) => {
  dtypes.forEach((dtype, i) => {
    if (dtype !== "bool") throw new Error(`${op}: expected dtype bool for argument ${i}, got ${dtype}`);
  });
  return "bool";
};

/** Costs, in additions. */
const DIVISION = 3;
const ROOT = 5;
const EXPONENTIAL = 12;
const CALL = 30;

/** What is said of an elementwise op. */
interface Spec {
  readonly dtype: DTypeRule;
  readonly expression: ElementwiseKernel["expression"];
  readonly cost?: number;
  readonly numbers?: ElementwiseKernel["numbers"];
  readonly takes?: ElementwiseKernel["takes"];
  readonly gives?: ElementwiseKernel["gives"];
  readonly choice?: ElementwiseKernel["choice"];
  readonly vjp: readonly (Vjp | null)[] | null;
  readonly selects?: Op["selects"];
  /** One entry an input, the shape aside. */
  readonly values: readonly Omit<InputSpec, "shape">[];
  readonly attributes?: (draw: Draw) => Attributes;
  /** The names of the arguments; `x`, or `a` and `b`, where there is none. */
  readonly parameters?: readonly string[];
}

/** An op and how its function is called. */
interface ElementwiseOp extends Op {
  readonly call: Signature;
  readonly parameters: readonly string[];
}

function elementwise(name: string, spec: Spec): ElementwiseOp {
  const parameters = spec.parameters ?? (spec.values.length === 1 ? ["x"] : ["a", "b"]);
  const op = defineOp({
    name,
    infer: (inputs) => {
      const dtype = spec.dtype(inputs.map((t) => t.dtype), name);
      return { shape: inputs.length === 1 ? inputs[0].shape : broadcastOrThrow(name, inputs), dtype };
    },
    kernel: {
      kind: "elementwise",
      expression: spec.expression,
      cost: spec.cost ?? 1,
      ...(spec.numbers ? { numbers: spec.numbers } : {}),
      ...(spec.takes ? { takes: spec.takes } : {}),
      ...(spec.gives ? { gives: spec.gives } : {}),
      ...(spec.choice ? { choice: spec.choice } : {}),
    },
    vjp: spec.vjp,
    ...(spec.selects ? { selects: spec.selects } : {}),
    domain: (draw): Case => ({
      inputs: draw.broadcastable(spec.values.length).map((shape, i) => ({ shape, ...spec.values[i] })),
      ...(spec.attributes ? { attributes: spec.attributes(draw) } : {}),
    }),
  });
  return Object.assign(op, { call: new Signature(`${name}(${parameters.join(", ")})`), parameters });
}

/** The rule of a function whose derivative is `factor`. */
function chain(factor: (context: VjpContext) => Tensor): Vjp {
  return (context) => context.times(() => factor(context));
}

/** Records an op on what the arguments of its function stand for. */
function call(op: ElementwiseOp, args: readonly TensorLike[], given: IArguments): Tensor {
  op.call.check(given);
  const inputs = new Array<Tensor>(args.length);
  for (let i = 0; i < args.length; i++) inputs[i] = asTensor(op.call, op.parameters[i], args[i]);
  return record(op, inputs);
}

/** Where ops are tested. */
const any = {};
const positive = { min: 0.2, max: 3 };
const kinkAtZero = { avoid: [0] };
const kinkAtWhole = { avoid: [-3, -2, -1, 0, 1, 2, 3] };
const kinkAtHalf = { avoid: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5] };
const bool = { dtype: "bool" as const };

const addOp = elementwise("add", {
  dtype: arithmetic,
  expression: ([a, b], _, lower) => lower.call("add", a, b),
  vjp: [({ cotangent }) => cotangent, ({ cotangent }) => cotangent],
  values: [any, any],
});

/**
 * The sum. Integers stay `int`; booleans count as 0 and 1.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { add, tensor } from "gpugrad";
 *
 * assert.deepEqual(await add(tensor([1, 2]), 0.5).toArray(), [1.5, 2.5]);
 * ```
 */
export function add(a: TensorLike, b: TensorLike): Tensor {
  return call(addOp, [a, b], arguments);
}

const subOp = elementwise("sub", {
  dtype: arithmetic,
  expression: ([a, b], _, lower) => lower.call("sub", a, b),
  vjp: [({ cotangent }) => cotangent, ({ cotangent }) => neg(cotangent)],
  values: [any, any],
});

/**
 * The difference. Integers stay `int`; booleans count as 0 and 1.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sub, tensor } from "gpugrad";
 *
 * assert.deepEqual(await sub(5, tensor([1, 2])).toArray(), [4, 3]);
 * ```
 */
export function sub(a: TensorLike, b: TensorLike): Tensor {
  return call(subOp, [a, b], arguments);
}

const mulOp = elementwise("mul", {
  dtype: arithmetic,
  expression: ([a, b], _, lower) => lower.call("mul", a, b),
  vjp: [chain(({ inputs: [, b] }) => b), chain(({ inputs: [a] }) => a)],
  values: [any, any],
});

/**
 * The product. Integers stay `int`; booleans count as 0 and 1.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { mul, tensor } from "gpugrad";
 *
 * assert.deepEqual(await mul(tensor([[1], [2]]), tensor([3, 4])).toArray(), [[3, 4], [6, 8]]);
 * ```
 */
export function mul(a: TensorLike, b: TensorLike): Tensor {
  return call(mulOp, [a, b], arguments);
}

const divOp = elementwise("div", {
  dtype: float,
  expression: ([a, b], _, lower) => lower.call("div", a, b),
  cost: DIVISION,
  vjp: [
    chain(({ inputs: [, b] }) => div(1, b)),
    chain(({ inputs: [, b], output }) => neg(div(output, b))),
  ],
  values: [any, positive],
});

/**
 * The quotient, always `float`: 1 / 0 is infinite, 0 / 0 is NaN.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { div, tensor } from "gpugrad";
 *
 * assert.deepEqual(await div(tensor([1, 2]), 4).toArray(), [0.25, 0.5]);
 * ```
 */
export function div(a: TensorLike, b: TensorLike): Tensor {
  return call(divOp, [a, b], arguments);
}

const negOp = elementwise("neg", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("neg", x),
  vjp: [({ cotangent }) => neg(cotangent)],
  values: [any],
});

/**
 * The negative.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { neg, tensor } from "gpugrad";
 *
 * assert.deepEqual(await neg(tensor([1, -2])).toArray(), [-1, 2]);
 * ```
 */
export function neg(x: TensorLike): Tensor {
  return call(negOp, [x], arguments);
}

const powOp = elementwise("pow", {
  dtype: float,
  expression: ([a, b], _, lower) => lower.call("pow", a, b),
  cost: CALL,
  vjp: [
    // b * a^(b - 1) is 0 * Infinity at a = 0, b = 0, where the power is constant in a.
    chain(({ inputs: [a, b] }) => where(logicalAnd(equal(a, 0), equal(b, 0)), 0, mul(b, pow(a, sub(b, 1))))),
    chain(({ inputs: [a, b], output }) => where(logicalAnd(equal(a, 0), greaterEqual(b, 0)), 0, mul(output, log(a)))),
  ],
  values: [positive, any],
});

/**
 * `a` to the power of `b`, always `float`. A negative base with an exponent that is not whole gives NaN.
 *
 * The derivative by the base is 0 where the exponent is 0. The derivative by the exponent is 0 where the base is 0 and the
 * exponent is not negative, and NaN where the base is negative.
 *
 * @param a the base; broadcasts with the other.
 * @param b the exponent; broadcasts with the other. The number 2 makes it a {@link square}.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { pow, tensor } from "gpugrad";
 *
 * const x = tensor([1, 2, 3]);
 * assert.deepEqual(await pow(x, 2).toArray(), [1, 4, 9]);
 * ```
 */
export function pow(a: TensorLike, b: TensorLike): Tensor {
  // Squares are common and a product is exact and cheap.
  if (b !== 2) return call(powOp, [a, b], arguments);
  powOp.call.check(arguments);
  return cast(square(asTensor(powOp.call, "a", a)), "float");
}

const expOp = elementwise("exp", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("exp", x),
  cost: EXPONENTIAL,
  vjp: [chain(({ output }) => output)],
  values: [any],
});

/**
 * The exponential, always `float`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { exp, tensor } from "gpugrad";
 *
 * assert.equal(await exp(tensor(0)).item(), 1);
 * ```
 */
export function exp(x: TensorLike): Tensor {
  return call(expOp, [x], arguments);
}

const logOp = elementwise("log", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("log", x),
  cost: CALL,
  vjp: [chain(({ inputs: [x] }) => div(1, x))],
  values: [positive],
});

/**
 * The natural logarithm, always `float`: -Infinity at 0, NaN below.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { log, tensor } from "gpugrad";
 *
 * assert.equal(await log(tensor(1)).item(), 0);
 * ```
 */
export function log(x: TensorLike): Tensor {
  return call(logOp, [x], arguments);
}

const log1pOp = elementwise("log1p", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("log1p", x),
  cost: CALL,
  vjp: [chain(({ inputs: [x] }) => div(1, add(1, x)))],
  values: [{ min: -0.7, max: 3 }],
});

/**
 * `log(1 + x)`, always `float`; accurate near 0.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { log1p, tensor } from "gpugrad";
 *
 * assert.equal(await log1p(tensor(0)).item(), 0);
 * ```
 */
export function log1p(x: TensorLike): Tensor {
  return call(log1pOp, [x], arguments);
}

const expm1Op = elementwise("expm1", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("expm1", x),
  cost: CALL,
  vjp: [chain(({ inputs: [x] }) => exp(x))],
  values: [any],
});

/**
 * `exp(x) - 1`, always `float`; accurate near 0.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { expm1, tensor } from "gpugrad";
 *
 * assert.equal(await expm1(tensor(0)).item(), 0);
 * ```
 */
export function expm1(x: TensorLike): Tensor {
  return call(expm1Op, [x], arguments);
}

const sqrtOp = elementwise("sqrt", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("sqrt", x),
  cost: ROOT,
  vjp: [chain(({ output }) => div(0.5, output))],
  values: [positive],
});

/**
 * The square root, always `float`; NaN below 0. The derivative at 0 is infinite.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sqrt, tensor } from "gpugrad";
 *
 * assert.deepEqual(await sqrt(tensor([4, 9])).toArray(), [2, 3]);
 * ```
 */
export function sqrt(x: TensorLike): Tensor {
  return call(sqrtOp, [x], arguments);
}

const squareOp = elementwise("square", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("mul", x, x),
  vjp: [chain(({ inputs: [x] }) => mul(x, 2))],
  values: [any],
});

/**
 * `x * x`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { square, tensor } from "gpugrad";
 *
 * assert.deepEqual(await square(tensor([-3, 2])).toArray(), [9, 4]);
 * ```
 */
export function square(x: TensorLike): Tensor {
  return call(squareOp, [x], arguments);
}

const absOp = elementwise("abs", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("abs", x),
  vjp: [chain(({ inputs: [x] }) => sign(x))],
  values: [kinkAtZero],
});

/**
 * The absolute value. The derivative at 0 is 0.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { abs, grad, sum, tensor } from "gpugrad";
 *
 * const x = tensor([-1.5, 0]);
 * assert.deepEqual(await abs(x).toArray(), [1.5, 0]);
 * assert.deepEqual(await grad(sum(abs(x)), x).toArray(), [-1, 0]);
 * ```
 */
export function abs(x: TensorLike): Tensor {
  return call(absOp, [x], arguments);
}

const signOp = elementwise("sign", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("sign", x),
  vjp: null,
  values: [kinkAtZero],
});

/**
 * 1, -1 or 0 by sign; NaN stays NaN. It has no derivative.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sign, tensor } from "gpugrad";
 *
 * assert.deepEqual(await sign(tensor([-3, 0, 5])).toArray(), [-1, 0, 1]);
 * ```
 */
export function sign(x: TensorLike): Tensor {
  return call(signOp, [x], arguments);
}

const sinOp = elementwise("sin", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("sin", x),
  cost: CALL,
  vjp: [chain(({ inputs: [x] }) => cos(x))],
  values: [any],
});

/**
 * The sine of an angle in radians, always `float`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sin, tensor } from "gpugrad";
 *
 * assert.equal(await sin(tensor(0)).item(), 0);
 * ```
 */
export function sin(x: TensorLike): Tensor {
  return call(sinOp, [x], arguments);
}

const cosOp = elementwise("cos", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("cos", x),
  cost: CALL,
  vjp: [chain(({ inputs: [x] }) => neg(sin(x)))],
  values: [any],
});

/**
 * The cosine of an angle in radians, always `float`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { cos, tensor } from "gpugrad";
 *
 * assert.equal(await cos(tensor(0)).item(), 1);
 * ```
 */
export function cos(x: TensorLike): Tensor {
  return call(cosOp, [x], arguments);
}

const atanOp = elementwise("atan", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("atan", x),
  cost: CALL,
  vjp: [chain(({ inputs: [x] }) => div(1, add(1, square(x))))],
  values: [any],
});

/**
 * The angle in radians, between -pi / 2 and pi / 2, whose tangent is `x`, always `float`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { atan, tensor } from "gpugrad";
 *
 * assert.equal(await atan(tensor(0)).item(), 0);
 * ```
 */
export function atan(x: TensorLike): Tensor {
  return call(atanOp, [x], arguments);
}

const tanhOp = elementwise("tanh", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("tanh", x),
  cost: CALL,
  vjp: [chain(({ output }) => sub(1, square(output)))],
  values: [any],
});

/**
 * The hyperbolic tangent, always `float`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { tanh, tensor } from "gpugrad";
 *
 * assert.equal(await tanh(tensor(0)).item(), 0);
 * ```
 */
export function tanh(x: TensorLike): Tensor {
  return call(tanhOp, [x], arguments);
}

const sigmoidOp = elementwise("sigmoid", {
  dtype: float,
  expression: ([x], _, lower) => lower.call("sigmoid", x),
  cost: EXPONENTIAL,
  vjp: [chain(({ output }) => mul(output, sub(1, output)))],
  values: [any],
});

/**
 * `1 / (1 + exp(-x))`, always `float`.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { sigmoid, tensor } from "gpugrad";
 *
 * assert.equal(await sigmoid(tensor(0)).item(), 0.5);
 * ```
 */
export function sigmoid(x: TensorLike): Tensor {
  return call(sigmoidOp, [x], arguments);
}

const reluOp = elementwise("relu", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("max", x, lower.literal(0)),
  vjp: [({ cotangent, inputs: [x] }) => where(lessEqual(x, 0), 0, cotangent)],
  // At 0 the input was selected, and its gradient is 0 by convention.
  selects: [({ inputs: [x] }) => logicalNot(less(x, 0))],
  values: [kinkAtZero],
});

/**
 * `max(x, 0)`. The derivative at 0 is 0.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { relu, tensor } from "gpugrad";
 *
 * assert.deepEqual(await relu(tensor([-1, 2])).toArray(), [0, 2]);
 * ```
 */
export function relu(x: TensorLike): Tensor {
  return call(reluOp, [x], arguments);
}

const floorOp = elementwise("floor", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("floor", x),
  vjp: null,
  values: [kinkAtWhole],
});

/**
 * The largest whole number that is not larger. The dtype stays. It has no derivative.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { floor, tensor } from "gpugrad";
 *
 * assert.deepEqual(await floor(tensor([1.7, -1.2])).toArray(), [1, -2]);
 * ```
 */
export function floor(x: TensorLike): Tensor {
  return call(floorOp, [x], arguments);
}

const ceilOp = elementwise("ceil", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("ceil", x),
  vjp: null,
  values: [kinkAtWhole],
});

/**
 * The smallest whole number that is not smaller. The dtype stays. It has no derivative.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { ceil, tensor } from "gpugrad";
 *
 * assert.deepEqual(await ceil(tensor([1.2, 2])).toArray(), [2, 2]);
 * ```
 */
export function ceil(x: TensorLike): Tensor {
  return call(ceilOp, [x], arguments);
}

const roundOp = elementwise("round", {
  dtype: arithmetic,
  expression: ([x], _, lower) => lower.call("roundHalfEven", x),
  cost: DIVISION,
  vjp: null,
  values: [kinkAtHalf],
});

/**
 * The nearest whole number; halves go to the even neighbour. The dtype stays. It has no derivative.
 *
 * @param x any shape.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { round, tensor } from "gpugrad";
 *
 * assert.deepEqual(await round(tensor([0.5, 1.5, 2.4])).toArray(), [0, 2, 2]);
 * ```
 */
export function round(x: TensorLike): Tensor {
  return call(roundOp, [x], arguments);
}

const clampOp = elementwise("clamp", {
  dtype: arithmetic,
  expression: ([x, least, most], { min, max }, lower) => {
    const low = min === -Infinity ? x : lower.call("max", x, least);
    return max === Infinity ? low : lower.call("min", low, most);
  },
  numbers: ["min", "max"],
  cost: 2,
  vjp: [
    ({ cotangent, inputs: [x], attributes: { min, max } }) =>
      where(logicalAnd(greaterEqual(x, min as number), lessEqual(x, max as number)), cotangent, 0),
  ],
  selects: [
    ({ inputs: [x], attributes: { min, max } }) =>
      logicalNot(logicalOr(less(x, min as number), greater(x, max as number))),
  ],
  values: [{ avoid: [-1, 1.5] }],
  attributes: () => ({ min: -1, max: 1.5 }),
  parameters: ["x", "min", "max"],
});

/**
 * Limits values to a range. The derivative is 1 inside and on the bounds, 0 outside.
 *
 * @param x any shape; an `int` becomes `float` where a bound is not whole.
 * @param min the lower bound, -Infinity for none.
 * @param max the upper bound, Infinity for none.
 * @throws on bounds that are no numbers, NaN or out of order. {@link minimum} and {@link maximum} take tensors.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { clamp, tensor } from "gpugrad";
 *
 * assert.deepEqual(await clamp(tensor([-2, 0.5, 9]), 0, 1).toArray(), [0, 0.5, 1]);
 * ```
 */
export function clamp(x: TensorLike, min = -Infinity, max = Infinity): Tensor {
  clampOp.call.check(arguments);
  const input = asTensor(clampOp.call, "x", x);
  if (typeof min !== "number") throw clampOp.call.wrong("min", "a number, -Infinity for none", min);
  if (typeof max !== "number") throw clampOp.call.wrong("max", "a number, Infinity for none", max);
  if (!(min <= max)) throw clampOp.call.error(`expected min <= max, got ${min} and ${max}`);
  const whole = [min, max].every((bound) => Number.isInteger(bound) || Math.abs(bound) === Infinity);
  return record(clampOp, [whole ? input : cast(input, "float")], { min, max });
}

const minimumOp = elementwise("minimum", {
  dtype: arithmetic,
  expression: ([a, b], _, lower) => lower.call("min", a, b),
  vjp: [
    ({ cotangent, inputs: [a, b] }) => shareTies(cotangent, equal(a, b), greater(a, b)),
    ({ cotangent, inputs: [a, b] }) => shareTies(cotangent, equal(a, b), greater(b, a)),
  ],
  selects: [({ inputs: [a, b] }) => logicalNot(greater(a, b)), ({ inputs: [a, b] }) => logicalNot(greater(b, a))],
  values: [{ distinct: true }, { distinct: true }],
});

/**
 * The smaller of two; NaN where either is NaN. Equal elements share the gradient evenly.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, minimum, sum, tensor } from "gpugrad";
 *
 * const x = tensor([1, 2]);
 * assert.deepEqual(await minimum(x, [2, 2]).toArray(), [1, 2]);
 * assert.deepEqual(await grad(sum(minimum(x, [2, 2])), x).toArray(), [1, 0.5]);
 * ```
 */
export function minimum(a: TensorLike, b: TensorLike): Tensor {
  return call(minimumOp, [a, b], arguments);
}

const maximumOp = elementwise("maximum", {
  dtype: arithmetic,
  expression: ([a, b], _, lower) => lower.call("max", a, b),
  vjp: [
    ({ cotangent, inputs: [a, b] }) => shareTies(cotangent, equal(a, b), less(a, b)),
    ({ cotangent, inputs: [a, b] }) => shareTies(cotangent, equal(a, b), less(b, a)),
  ],
  selects: [({ inputs: [a, b] }) => logicalNot(less(a, b)), ({ inputs: [a, b] }) => logicalNot(less(b, a))],
  values: [{ distinct: true }, { distinct: true }],
});

/**
 * The larger of two; NaN where either is NaN. Equal elements share the gradient evenly.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, maximum, sum, tensor } from "gpugrad";
 *
 * const x = tensor([1, 2]);
 * assert.deepEqual(await maximum(x, [2, 2]).toArray(), [2, 2]);
 * assert.deepEqual(await grad(sum(maximum(x, [2, 2])), x).toArray(), [0, 0.5]);
 * ```
 */
export function maximum(a: TensorLike, b: TensorLike): Tensor {
  return call(maximumOp, [a, b], arguments);
}

/** The gradient of the one that was taken: all, half of it among equals, none. */
function shareTies(cotangent: Tensor, tied: Tensor, lost: Tensor): Tensor {
  return where(lost, 0, where(tied, mul(cotangent, 0.5), cotangent));
}

const equalOp = elementwise("equal", {
  dtype: truth,
  expression: ([a, b], _, lower) => lower.call("equal", a, b),
  gives: "condition",
  vjp: null,
  values: [any, any],
});

/**
 * Whether elements are equal; NaN equals nothing. Gives `bool`; it has no derivative.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { equal, tensor } from "gpugrad";
 *
 * assert.deepEqual(await equal(tensor([1, 2]), 2).toArray(), [false, true]);
 * ```
 */
export function equal(a: TensorLike, b: TensorLike): Tensor {
  return call(equalOp, [a, b], arguments);
}

const notEqualOp = elementwise("notEqual", {
  dtype: truth,
  expression: ([a, b], _, lower) => lower.call("notEqual", a, b),
  gives: "condition",
  vjp: null,
  values: [any, any],
});

/**
 * Whether elements differ; NaN differs from everything. Gives `bool`; it has no derivative.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { notEqual, tensor } from "gpugrad";
 *
 * assert.deepEqual(await notEqual(tensor([1, 2]), 2).toArray(), [true, false]);
 * ```
 */
export function notEqual(a: TensorLike, b: TensorLike): Tensor {
  return call(notEqualOp, [a, b], arguments);
}

const lessOp = elementwise("less", {
  dtype: truth,
  expression: ([a, b], _, lower) => lower.call("less", a, b),
  gives: "condition",
  vjp: null,
  values: [any, any],
});

/**
 * Whether the first is less; false where either is NaN. Gives `bool`; it has no derivative.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { less, tensor } from "gpugrad";
 *
 * assert.deepEqual(await less(tensor([1, 2]), 2).toArray(), [true, false]);
 * ```
 */
export function less(a: TensorLike, b: TensorLike): Tensor {
  return call(lessOp, [a, b], arguments);
}

const lessEqualOp = elementwise("lessEqual", {
  dtype: truth,
  expression: ([a, b], _, lower) => lower.call("lessEqual", a, b),
  gives: "condition",
  vjp: null,
  values: [any, any],
});

/**
 * Whether the first is at most the second; false where either is NaN. Gives `bool`; it has no derivative.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { lessEqual, tensor } from "gpugrad";
 *
 * assert.deepEqual(await lessEqual(tensor([1, 2]), 2).toArray(), [true, true]);
 * ```
 */
export function lessEqual(a: TensorLike, b: TensorLike): Tensor {
  return call(lessEqualOp, [a, b], arguments);
}

const greaterOp = elementwise("greater", {
  dtype: truth,
  expression: ([a, b], _, lower) => lower.call("greater", a, b),
  gives: "condition",
  vjp: null,
  values: [any, any],
});

/**
 * Whether the first is greater; false where either is NaN. Gives `bool`; it has no derivative.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { greater, tensor } from "gpugrad";
 *
 * assert.deepEqual(await greater(tensor([1, 2]), 2).toArray(), [false, false]);
 * ```
 */
export function greater(a: TensorLike, b: TensorLike): Tensor {
  return call(greaterOp, [a, b], arguments);
}

const greaterEqualOp = elementwise("greaterEqual", {
  dtype: truth,
  expression: ([a, b], _, lower) => lower.call("greaterEqual", a, b),
  gives: "condition",
  vjp: null,
  values: [any, any],
});

/**
 * Whether the first is at least the second; false where either is NaN. Gives `bool`; it has no derivative.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { greaterEqual, tensor } from "gpugrad";
 *
 * assert.deepEqual(await greaterEqual(tensor([1, 2]), 2).toArray(), [false, true]);
 * ```
 */
export function greaterEqual(a: TensorLike, b: TensorLike): Tensor {
  return call(greaterEqualOp, [a, b], arguments);
}

const logicalAndOp = elementwise("logicalAnd", {
  dtype: logical,
  expression: ([a, b], _, lower) => lower.call("and", a, b),
  takes: ["condition", "condition"],
  gives: "condition",
  vjp: null,
  values: [bool, bool],
});

/**
 * Whether both are true. Takes and gives `bool`; it has no derivative.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together, or a dtype is not bool.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logicalAnd, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logicalAnd(tensor([true, false]), true).toArray(), [true, false]);
 * ```
 */
export function logicalAnd(a: TensorLike, b: TensorLike): Tensor {
  return call(logicalAndOp, [a, b], arguments);
}

const logicalOrOp = elementwise("logicalOr", {
  dtype: logical,
  expression: ([a, b], _, lower) => lower.call("or", a, b),
  takes: ["condition", "condition"],
  gives: "condition",
  vjp: null,
  values: [bool, bool],
});

/**
 * Whether one is true at least. Takes and gives `bool`; it has no derivative.
 *
 * @param a broadcast with the other.
 * @param b broadcast with the other.
 * @throws where the shapes do not broadcast together, or a dtype is not bool.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logicalOr, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logicalOr(tensor([true, false]), true).toArray(), [true, true]);
 * ```
 */
export function logicalOr(a: TensorLike, b: TensorLike): Tensor {
  return call(logicalOrOp, [a, b], arguments);
}

const logicalNotOp = elementwise("logicalNot", {
  dtype: logical,
  expression: ([x], _, lower) => lower.call("not", x),
  takes: ["condition"],
  gives: "condition",
  vjp: null,
  values: [bool],
});

/**
 * Whether an element is false. Takes and gives `bool`; it has no derivative.
 *
 * @param x any shape.
 * @throws where the dtype is not bool.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logicalNot, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logicalNot(tensor([true, false])).toArray(), [false, true]);
 * ```
 */
export function logicalNot(x: TensorLike): Tensor {
  return call(logicalNotOp, [x], arguments);
}

const whereOp = elementwise("where", {
  dtype: ([condition, a, b], name) => {
    if (condition !== "bool") throw new Error(`${name}: expected dtype bool for the condition, got ${condition}`);
    return promoted([a, b], name);
  },
  expression: ([condition, a, b], _, lower) => lower.call("select", condition, a, b),
  takes: ["condition", "number", "number"],
  choice: { taken: 1, otherwise: 2 },
  vjp: [
    null,
    ({ cotangent, inputs: [condition] }) => where(condition, cotangent, 0),
    ({ cotangent, inputs: [condition] }) => where(condition, 0, cotangent),
  ],
  selects: [null, ({ inputs: [condition] }) => condition, ({ inputs: [condition] }) => logicalNot(condition)],
  values: [bool, any, any],
  parameters: ["condition", "a", "b"],
});

/**
 * `a` where the condition holds, `b` elsewhere. The branch that is not taken never reaches the gradient: not even an infinite or
 * undefined derivative in it.
 *
 * @param condition of dtype bool; broadcasts with the others.
 * @param a what is taken where it holds.
 * @param b what is taken elsewhere; the result has the larger dtype of the two.
 * @throws where the shapes do not broadcast together, or the condition's dtype is not bool.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { grad, greater, sqrt, sum, tensor, where } from "gpugrad";
 *
 * const x = tensor([-1, 4]);
 * const root = where(greater(x, 0), sqrt(x), 0);
 * assert.deepEqual(await root.toArray(), [0, 2]);
 * assert.deepEqual(await grad(sum(root), x).toArray(), [0, 0.25]);
 * ```
 */
export function where(condition: TensorLike, a: TensorLike, b: TensorLike): Tensor {
  return call(whereOp, [condition, a, b], arguments);
}

const castOp: Op = defineOp({
  name: "cast",
  infer: ([x], { dtype }) => ({ shape: x.shape, dtype: dtype as DType }),
  kernel: {
    kind: "elementwise",
    expression: ([x], { truncate }, lower) => truncate ? lower.call("trunc", x) : x,
    cost: 1,
  },
  // A cast between float and float is not recorded, and every other one starts or ends at whole numbers.
  vjp: null,
  domain: (draw) => {
    const [from, to] = draw.pick([["bool", "int"], ["bool", "float"], ["int", "float"], ["float", "int"]] as const);
    return { inputs: [{ shape: draw.shape(), dtype: from }], attributes: { dtype: to, truncate: from === "float" } };
  },
});

const castCall = new Signature("cast(x, dtype)");

/**
 * Changes the dtype. A cast to the same dtype is the tensor itself, all others have no derivative.
 *
 * @param x any shape.
 * @param dtype `int` cuts off the fraction, `bool` is whether an element differs from 0.
 * @throws on an unknown dtype.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { cast, tensor } from "gpugrad";
 *
 * assert.deepEqual(await cast(tensor([1.7, -1.7]), "int").toArray(), [1, -1]);
 * ```
 */
export function cast(x: TensorLike, dtype: DType): Tensor {
  castCall.check(arguments);
  const input = asTensor(castCall, "x", x);
  checkDType(castCall, dtype);
  if (input.dtype === dtype) return input;
  if (dtype === "bool") return notEqual(input, 0);
  return record(castOp, [input], { dtype, truncate: input.dtype === "float" });
}
