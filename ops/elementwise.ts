/** Ops from plain functions of numbers. */
import { callable, kind, Signature } from "../core/options.ts";
import { broadcastOrThrow } from "../core/record.ts";
import { Tensor } from "../core/tensor.ts";
import { sameShape } from "../core/shape.ts";
import { cast } from "./cast.ts";
import { full, type TensorLike } from "./creation.ts";
import { Formula } from "./elementwise/formula.ts";
import { Arguments, Either, Given, nameOf, Torn, type Value } from "./elementwise/values.ts";
import { broadcastTo } from "./movement.ts";

/** The values that a formula may use beside its arguments: numbers, functions of numbers, and arrays and objects of them. */
export type FormulaConstant =
  | number
  | boolean
  // deno-lint-ignore no-explicit-any
  | ((...args: any[]) => unknown)
  | readonly FormulaConstant[]
  | { readonly [name: string]: FormulaConstant };

/** Options of {@link elementwise}. */
export interface ElementwiseOptions {
  /** Values that the function uses without declaring them, by name. */
  readonly constants?: { readonly [name: string]: FormulaConstant };
}

/** The argument for a parameter of a formula: a tensor for a number, arrays and objects of tensors for those of numbers. */
export type ElementwiseArgument<T> = T extends number | boolean ? TensorLike
  : T extends object ? { readonly [K in keyof T]: ElementwiseArgument<T[K]> }
  : T;

/** The arguments of an op, for the parameters of its formula. */
export type ElementwiseArguments<A extends readonly unknown[]> = { [K in keyof A]: ElementwiseArgument<A[K]> };

const constants = /* @__PURE__ */ kind<{ readonly [name: string]: FormulaConstant }>(
  "an object of numbers and functions",
  "{ eps: 1e-6 }",
  (v) => typeof v === "object" && v !== null && !Array.isArray(v),
);

const elementwiseCall = /* @__PURE__ */ new Signature<ElementwiseOptions>("elementwise(fn, options)", { constants });

/** Functions that {@link elementwise} has made. */
const made: WeakSet<object> = /* @__PURE__ */ new WeakSet();

/** Whether a function records scalar ops: an op that has no axes, or an op made of a formula. */
function isRecorder(fn: object): boolean {
  const { op, composite } = fn as { op?: { parameters?: unknown }; composite?: { parameters?: unknown } };
  return made.has(fn) || op?.parameters !== undefined || composite?.parameters !== undefined;
}

/**
 * Makes an op of tensors of a plain function of numbers, which is applied to each element. The function is not called: its source is read,
 * and each call of the op records ops. So the result is fused with what is around it, broadcasts, and has derivatives of any order.
 *
 * The source may have arithmetic, comparisons, `? :`, `&&`, `||`, `!`, variables, `if` and `else`, early `return`, destructuring, loops whose
 * length is known when the op is called, and calls of `Math` and of other functions. Where a condition depends on a tensor both branches are
 * recorded, and {@link where} selects: the one that is not taken never reaches a gradient. See `docs/elementwise.md` for all that can be
 * written, and for derivatives at kinks.
 *
 * @param fn returns a number or a truth value, for numbers, or arrays and objects of them that it takes apart.
 * @param options `constants`: what the function uses without declaring it, by name: numbers, functions of numbers, scalar ops such as
 * {@link sigmoid}, and arrays and objects of these.
 * @returns a function that takes a tensor, nested arrays or a number for each number that `fn` takes; arrays and objects of them for those of
 * numbers. All broadcast together. A number is known when the op is recorded, so a loop may count up to it. The result is `float`, or `bool`
 * if `fn` returns a truth value.
 * @throws if the source cannot be read or has something that is no formula: the error shows the line and the column of the function.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { elementwise, grad, sum, tensor } from "gpugrad";
 *
 * const huber = elementwise((x, y) => {
 *   const d = Math.abs(x - y);
 *   return d < 1 ? 0.5 * d * d : d - 0.5;
 * });
 * const x = tensor([0.5, 3, -2]);
 * const losses = huber(x, 0);
 * assert.deepEqual(await losses.toArray(), [0.125, 2.5, 1.5]);
 * assert.deepEqual(await grad(sum(losses), x).toArray(), [0.5, 1, -1]);
 * ```
 */
export function elementwise<F extends (...args: number[]) => number | boolean>(
  fn: F,
  options?: ElementwiseOptions,
): (...args: ElementwiseArguments<Parameters<F>>) => Tensor;
/** The same for functions with parameters that are objects or arrays; see above. */
export function elementwise<F extends (...args: never[]) => number | boolean>(
  fn: F,
  options?: ElementwiseOptions,
): (...args: ElementwiseArguments<Parameters<F>>) => Tensor;
export function elementwise(
  fn: (...args: never[]) => number | boolean,
  options?: ElementwiseOptions,
): (...args: unknown[]) => Tensor {
  elementwiseCall.check(arguments);
  if (!callable.accepts(fn)) throw elementwiseCall.wrong("fn", "a function of numbers", fn);
  const formula = new Formula(elementwiseCall, fn, options?.constants ?? {}, isRecorder);
  const { parameters, isVariadic } = formula;
  const name = fn.name || "elementwise";
  const call = new Signature(`${name}(${parameters.join(", ")})`);
  const op = (...args: unknown[]): Tensor => {
    if (!isVariadic) call.check(args);
    const reader = new Arguments(call);
    const count = isVariadic ? Math.max(args.length, parameters.length - 1) : parameters.length;
    const values = Array.from({ length: count }, (_, i) => reader.read(args[i], parameters[i] ?? `arguments[${i}]`));
    broadcastOrThrow(name, reader.tensors);
    const result = formula.call(values);
    // An argument that was not used has its part in the shape all the same.
    for (const value of values) if (value instanceof Given && !value.isRead && !value.isGroup) value.tensor();
    return resultOf(formula, result, broadcastOrThrow(name, reader.tensors));
  };
  Object.defineProperty(op, "name", { value: name, configurable: true });
  made.add(op);
  return op;
}

/** The result of a formula as a tensor of a shape: a number is `float`. */
function resultOf(formula: Formula, result: Value, shape: readonly number[]): Tensor {
  const value = result instanceof Given && !result.isGroup ? result.tensor() : result;
  if (typeof value === "number" || typeof value === "boolean") return full(shape, value);
  if (value instanceof Torn) return formula.refuse(value.got);
  const tensor = value instanceof Either ? value.tensor : value;
  if (!(tensor instanceof Tensor)) return formula.refuse(nameOf(value));
  const number = tensor.dtype === "int" ? cast(tensor, "float") : tensor;
  return sameShape(number.shape, shape) ? number : broadcastTo(number, shape);
}
