// Parameters of any type: functions under a transform take tensors, structures of them, and whatever else they need.
// deno-lint-ignore-file no-explicit-any
/**
 * Functions of functions: gradients, products with Jacobians and Hessians, in JAX's meaning. Results are tensors on the tape, so
 * transforms nest, and nothing is computed before a value is awaited.
 */
import { arrayOf, boolean, describe, describeResult, either, Signature, whole } from "../core/options.ts";
import type { Op } from "../core/op.ts";
import { record } from "../core/record.ts";
import { formatShape, sizeOf } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { cast } from "./cast.ts";
import { equal } from "./comparison.ts";
import { arange, ones, zeros } from "./creation.ts";
import { pullback } from "./grad.ts";
import { reshape, stack } from "./movement.ts";
import { fillTree, type Flat, flattenLike, flattenTree, mapTree, type TensorsOf } from "./tree.ts";

/** The arguments to differentiate with respect to. */
export interface TransformOptions<N extends Argnums = Argnums> {
  /** The number of the argument to differentiate with respect to, or an array of several; default 0. */
  readonly argnums?: N;
}

/** Options of {@link valueAndGrad}. */
export interface ValueAndGradOptions<N extends Argnums = Argnums, H extends boolean = boolean>
  extends TransformOptions<N> {
  /** Whether the function returns `[value, aux]`, with anything as `aux`, which is passed on; default false. */
  readonly hasAux?: H;
  /** Whether the gradient with respect to a part without influence on the value is zeros rather than an error; default false. */
  readonly allowUnused?: boolean;
}

/** The number of an argument, or several. */
export type Argnums = number | readonly number[];

/** The gradients with respect to the arguments of these numbers: one, or an array if an array of numbers was given. */
export type ByArguments<A extends readonly unknown[], N extends Argnums> = N extends number ? TensorsOf<A[N]>
  : { -readonly [K in keyof N]: N[K] extends number ? TensorsOf<A[N[K]]> : never };

const argnums = /* @__PURE__ */ either(whole(0), arrayOf(whole(0), "whole numbers from 0"));

/** The same values as another entry: differentiating by it does not count what else the entry is used for. */
const argument: Op = {
  name: "argument",
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  kernel: { kind: "movement", source: (out) => [...out], identity: true },
  vjp: [({ cotangent }) => cotangent],
};

/** Arguments with their tensors replaced by entries of their own, to differentiate with respect to. */
interface Arguments {
  readonly tensors: readonly Tensor[];
  readonly paths: readonly string[];
  /** The arguments to call the function with. */
  readonly args: readonly unknown[];
}

/** Replaces the tensors of the arguments to differentiate with respect to. */
function openArguments(
  call: Signature<any>,
  args: readonly unknown[],
  numbers: readonly number[],
  name = "arguments",
): Arguments {
  const opened = [...args];
  const tensors: Tensor[] = [];
  const paths: string[] = [];
  for (const n of numbers) {
    if (n >= args.length) {
      throw call.error(`expected an argument ${n} to differentiate with respect to, got ${args.length} arguments`);
    }
    const path = `${name}[${n}]`;
    const flat = flattenTree(call, path, args[n]);
    flat.leaves.forEach(({ dtype }, i) => {
      if (dtype !== "float") throw call.error(`expected ${path}${flat.paths[i]} of dtype float, got ${dtype}`);
    });
    const own = flat.leaves.map((leaf) => record(argument, [leaf]));
    tensors.push(...own);
    paths.push(...flat.paths.map((at) => `${path}${at}`));
    opened[n] = fillTree(call, path, args[n], own);
  }
  return { tensors, paths, args: opened };
}

/** Puts one tensor for each tensor of the opened arguments back into their structure. */
function closeArguments(
  call: Signature<any>,
  args: readonly unknown[],
  numbers: readonly number[],
  tensors: readonly Tensor[],
): unknown[] {
  let at = 0;
  return numbers.map((n) => mapTree(call, `arguments[${n}]`, args[n], () => tensors[at++]));
}

/** The tensors that a function returned; only the tape can be differentiated. */
function resultsOf(call: Signature<any>, result: unknown): Flat {
  if (typeof result !== "object" || result === null || result instanceof Promise) {
    throw call.error(`expected fn to return a tensor, or an array or object of tensors, got ${describeResult(result)}`);
  }
  return flattenTree(call, "fn(...)", result);
}

/** The only result of a function, `float`. */
function resultOf(call: Signature<any>, result: unknown): Tensor {
  if (!(result instanceof Tensor)) throw call.error(`expected fn to return a tensor, got ${describeResult(result)}`);
  if (result.dtype !== "float") {
    throw call.error(
      `expected fn to return a tensor of dtype float, got ${result.dtype} (made by "${result.op.name}")`,
    );
  }
  return result;
}

/** The result of a function with one element. */
function scalarOf(call: Signature<any>, result: unknown): Tensor {
  const y = resultOf(call, result);
  if (y.size !== 1) {
    throw call.error(`expected fn to return one element, got shape ${formatShape(y.shape)}; reduce it, as with sum()`);
  }
  return y;
}

function functionOrThrow(call: Signature<any>, fn: unknown): void {
  if (typeof fn !== "function") throw call.wrong("fn", "a function of tensors", fn);
}

/** Checks which arguments to differentiate with respect to. */
function numbersOf(call: Signature<any>, given: Argnums = 0): readonly number[] {
  const numbers = typeof given === "number" ? [given] : given;
  if (numbers.length === 0) throw call.error("expected argnums to name at least one argument, got []");
  if (new Set(numbers).size !== numbers.length) {
    throw call.error(`expected each number once in argnums, got [${numbers.join(", ")}]`);
  }
  return numbers;
}

/** Returns an array only if an array of numbers was given. */
function byArguments<A extends readonly unknown[], N extends Argnums>(
  closed: readonly unknown[],
  { argnums = 0 as N }: TransformOptions<N>,
): ByArguments<A, N> {
  return (typeof argnums === "number" ? closed[0] : closed) as ByArguments<A, N>;
}

/** Gradients with zeros where there is no influence. */
function orZeros(gradients: readonly (Tensor | null)[], xs: readonly Tensor[]): Tensor[] {
  return gradients.map((g, i) => g ?? zeros(xs[i].shape));
}

const valueAndGradCall = /* @__PURE__ */ new Signature<ValueAndGradOptions>("valueAndGrad(fn, options)", {
  argnums,
  hasAux: boolean,
  allowUnused: boolean,
});

/**
 * A function that returns the value of `fn` and its gradient, for training loops. Like `jax.value_and_grad`.
 *
 * @param fn returns a `float` tensor of one element, or `[value, aux]` with `hasAux`. The arguments to differentiate with respect to are
 * tensors, their data, or arrays and plain objects of them; the others can be anything.
 * @param options `argnums`: the numbers of those arguments, default 0; an array returns an array of gradients. `hasAux`: whether `fn` returns
 * `[value, aux]`; `allowUnused`: whether a part without influence has a gradient of zeros rather than being an error.
 * @returns `[value, gradient]`, or `[[value, aux], gradient]` with `hasAux`. The gradient has the structure of the argument.
 * @throws when called, if an argument is not `float`, if `fn` returns anything else, or if a part has no influence on the value.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { add, mean, mul, square, sub, type Tensor, tensor, valueAndGrad } from "gpugrad";
 *
 * interface Line { slope: Tensor; offset: Tensor }
 * const loss = ({ slope, offset }: Line, x: Tensor, y: Tensor) => mean(square(sub(add(mul(slope, x), offset), y)));
 * const line = { slope: tensor(1), offset: tensor(0) };
 * const [value, gradient] = valueAndGrad(loss)(line, tensor([1, 2]), tensor([2, 4]));
 * assert.equal(await value.item(), 2.5);
 * assert.equal(await gradient.slope.item(), -5);
 * ```
 */
export function valueAndGrad<
  A extends readonly any[],
  R extends Tensor | readonly [Tensor, any],
  const N extends Argnums = 0,
>(
  fn: (...args: A) => R,
  options: ValueAndGradOptions<N> = {},
): (...args: A) => [value: R, gradient: ByArguments<A, N>] {
  valueAndGradCall.check(arguments);
  functionOrThrow(valueAndGradCall, fn);
  const numbers = numbersOf(valueAndGradCall, options.argnums);
  return (...args) => {
    const { tensors, paths, args: opened } = openArguments(valueAndGradCall, args, numbers);
    const result = fn(...opened as unknown as A);
    if (options.hasAux && !(Array.isArray(result) && result.length === 2)) {
      throw valueAndGradCall.error(`expected fn to return [value, aux] with hasAux, got ${describe(result)}`);
    }
    const y = scalarOf(valueAndGradCall, options.hasAux ? (result as readonly unknown[])[0] : result);
    const { gradients, whyNone } = pullback([[y, ones(y.shape)]], tensors);
    const missing = options.allowUnused ? -1 : gradients.indexOf(null);
    if (missing >= 0) {
      throw valueAndGradCall.error(
        `no gradient for ${paths[missing]} of shape ${formatShape(tensors[missing].shape)}: ` +
          `${whyNone(tensors[missing])}; { allowUnused: true } returns zeros instead`,
      );
    }
    const closed = closeArguments(valueAndGradCall, args, numbers, orZeros(gradients, tensors));
    return [result, byArguments<A, N>(closed, options)];
  };
}

const vjpCall = /* @__PURE__ */ new Signature("vjp(fn, ...primals)");

/** The structures of arguments, with tensors. */
export type TensorsOfAll<A extends readonly unknown[]> = { -readonly [K in keyof A]: TensorsOf<A[K]> };

/**
 * Vector-Jacobian products: the value of `fn`, and a function from cotangents of the value to those of the arguments. Like `jax.vjp`.
 *
 * @param fn takes tensors, or arrays and plain objects of them, and returns such.
 * @param primals the arguments of `fn`, `float`, each a tensor, its data, or a structure of them.
 * @returns `[value, pullback]`. `pullback(cotangent)` takes the structure of the value and returns an array with the structure of each
 * argument; zeros for a part without influence. It may be called several times.
 * @throws if an argument is not `float`; when the pullback is called, if the cotangent is not like the value.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { mul, tensor, vjp } from "gpugrad";
 *
 * const [y, pullback] = vjp(mul, tensor([1, 2]), tensor([3, 4]));
 * const [dx, dy] = pullback(tensor([1, 10]));
 * assert.deepEqual(await y.toArray(), [3, 8]);
 * assert.deepEqual([await dx.toArray(), await dy.toArray()], [[3, 40], [1, 20]]);
 * ```
 */
export function vjp<A extends readonly any[], R>(
  fn: (...args: A) => R,
  ...primals: A
): [value: R, pullback: (cotangent: CotangentsOf<R>) => TensorsOfAll<A>] {
  functionOrThrow(vjpCall, fn);
  const numbers = primals.map((_, i) => i);
  const { tensors, args } = openArguments(vjpCall, primals, numbers, "primals");
  const value = fn(...args as unknown as A);
  const results = resultsOf(vjpCall, value);
  const back = (...given: readonly unknown[]) => {
    pullbackCall.check(given);
    const cotangents = tangentsLike(pullbackCall, "cotangent", given[0], results);
    const starts = results.leaves.flatMap((y, i) => y.dtype === "float" ? [[y, cotangents[i]] as const] : []);
    const { gradients } = pullback(starts, tensors);
    return closeArguments(vjpCall, primals, numbers, orZeros(gradients, tensors)) as TensorsOfAll<A>;
  };
  return [value, back];
}

const pullbackCall = /* @__PURE__ */ new Signature("pullback(cotangent)");

/** Cotangents or tangents of a structure of tensors: the same structure, with tensors or their data. */
export type CotangentsOf<T> = T extends Tensor ? any : { readonly [K in keyof T]: CotangentsOf<T[K]> };

/** Reads tangents of tensors: alike in structure and shape, `float`. */
function tangentsLike(call: Signature<any>, path: string, tree: unknown, like: Flat): Tensor[] {
  const { leaves, paths } = flattenLike(call, path, tree, like);
  return leaves.map((t, i) => {
    if (t.dtype === "bool") throw call.error(`expected ${path}${paths[i]} of dtype float, got bool`);
    return cast(t, "float");
  });
}

const jvpCall = /* @__PURE__ */ new Signature("jvp(fn, primals, tangents)");

/** Tangents of results: the transpose of the pullback, which is linear in the cotangents. */
function pushforward(
  results: readonly Tensor[],
  xs: readonly Tensor[],
  tangents: readonly Tensor[],
): Tensor[] {
  const floats = results.filter((y) => y.dtype === "float");
  // Their values are not used: the pullback is linear in them.
  const cotangents = floats.map((y) => zeros(y.shape));
  const { gradients } = pullback(floats.map((y, i) => [y, cotangents[i]]), xs);
  const starts = gradients.flatMap((g, i) => (g ? [[g, tangents[i]] as const] : []));
  const pushed = starts.length === 0 ? cotangents.map(() => null) : pullback(starts, cotangents).gradients;
  const byResult = new Map(floats.map((y, i) => [y, pushed[i]]));
  return results.map((y) => byResult.get(y) ?? zeros(y.shape));
}

/** Reads an array of arguments and an array of tangents that is like it. */
function openPair(call: Signature<any>, primals: unknown, tangents: unknown): Arguments & { readonly moves: Tensor[] } {
  for (const [name, value] of [["primals", primals], ["tangents", tangents]] as const) {
    if (!Array.isArray(value)) throw call.wrong(name, "an array with one entry for each argument of fn", value);
  }
  const args = primals as readonly unknown[];
  const given = tangents as readonly unknown[];
  if (given.length !== args.length) {
    throw call.error(`expected ${args.length} tangents, one for each of the primals, got ${given.length}`);
  }
  const opened = openArguments(call, args, args.map((_, i) => i), "primals");
  const moves = args.flatMap((arg, i) => {
    const like = flattenTree(call, `primals[${i}]`, arg);
    return tangentsLike(call, `tangents[${i}]`, given[i], like);
  });
  return { ...opened, moves };
}

/**
 * A Jacobian-vector product: the value of `fn`, and its derivative along a direction. Like `jax.jvp`. It is recorded as the transpose of
 * the reverse mode, so it costs about two evaluations, and every op with a gradient has one.
 *
 * @param fn takes tensors, or arrays and plain objects of them, and returns such.
 * @param primals an array of the arguments of `fn`, `float`.
 * @param tangents an array of directions, of the structure and shapes of the primals.
 * @returns `[value, tangent]`, the tangent in the structure of the value; zeros where there is no influence.
 * @throws if an argument is not `float`, or the tangents are not like the primals.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { jvp, square, tensor } from "gpugrad";
 *
 * const [y, dy] = jvp(square, [tensor([1, 3])], [tensor([1, 0.5])]);
 * assert.deepEqual(await y.toArray(), [1, 9]);
 * assert.deepEqual(await dy.toArray(), [2, 3]);
 * ```
 */
export function jvp<A extends readonly any[], R>(
  fn: (...args: A) => R,
  primals: Readonly<A>,
  tangents: readonly any[],
): [value: R, tangent: TensorsOf<R>] {
  jvpCall.check(arguments);
  functionOrThrow(jvpCall, fn);
  const { tensors, args, moves } = openPair(jvpCall, primals, tangents);
  const value = fn(...args as unknown as A);
  const { leaves } = resultsOf(jvpCall, value);
  return [value, fillTree(jvpCall, "fn(...)", value, pushforward(leaves, tensors, moves)) as TensorsOf<R>];
}

const hvpCall = /* @__PURE__ */ new Signature("hvp(fn, primals, tangents)");

/**
 * A Hessian-vector product: the derivative of the gradient of `fn` along a direction, without the Hessian. It is computed in reverse over
 * reverse mode and costs a few evaluations of `fn`, whatever the size of the arguments (Pearlmutter, 1994).
 *
 * @param fn takes tensors, or arrays and plain objects of them, and returns a `float` tensor of one element.
 * @param primals an array of the arguments of `fn`, `float`.
 * @param tangents an array of directions, of the structure and shapes of the primals.
 * @returns an array with the structure of each argument; zeros where there is no influence.
 * @throws if an argument is not `float`, the tangents are not like the primals, or `fn` returns several elements.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { hvp, pow, sum, type Tensor, tensor } from "gpugrad";
 *
 * const [product] = hvp((x: Tensor) => sum(pow(x, 3)), [tensor([1, 2])], [tensor([1, 10])]);
 * assert.deepEqual(await product.toArray(), [6, 120]); // 6 x v
 * ```
 */
export function hvp<A extends readonly any[]>(
  fn: (...args: A) => Tensor,
  primals: Readonly<A>,
  tangents: readonly any[],
): TensorsOfAll<A> {
  hvpCall.check(arguments);
  functionOrThrow(hvpCall, fn);
  const { tensors, args, moves } = openPair(hvpCall, primals, tangents);
  const y = scalarOf(hvpCall, fn(...args as unknown as A));
  const { gradients } = pullback([[y, ones(y.shape)]], tensors);
  const starts = gradients.flatMap((g, i) => (g ? [[g, moves[i]] as const] : []));
  const products = starts.length === 0 ? tensors.map(() => null) : pullback(starts, tensors).gradients;
  const numbers = args.map((_, i) => i);
  return closeArguments(hvpCall, primals, numbers, orZeros(products, tensors)) as TensorsOfAll<A>;
}

/** The unit vectors of a shape, each as a tensor. */
function units(shape: readonly number[]): Tensor[] {
  const size = sizeOf(shape);
  const positions = arange(size);
  return Array.from({ length: size }, (_, i) => reshape(cast(equal(positions, i), "float"), shape));
}

/** The Jacobian of one result by several variables: rows where the result is smaller, columns where the variables are. */
function jacobianOf(y: Tensor, xs: readonly Tensor[]): Tensor[] {
  const columns = xs.reduce((sum, x) => sum + x.size, 0);
  if (y.size === 0 || columns === 0) return xs.map((x) => zeros([...y.shape, ...x.shape]));
  if (y.size <= columns) {
    const rows = units(y.shape).map((unit) => orZeros(pullback([[y, unit]], xs).gradients, xs));
    return xs.map((x, k) => reshape(stack(rows.map((row) => row[k])), [...y.shape, ...x.shape]));
  }
  const cotangent = zeros(y.shape);
  const { gradients } = pullback([[y, cotangent]], xs);
  return xs.map((x, k) => {
    const g = gradients[k];
    if (!g || x.size === 0) return zeros([...y.shape, ...x.shape]);
    const all = units(x.shape).map((unit) => pullback([[g, unit]], [cotangent]).gradients[0] ?? zeros(y.shape));
    return reshape(stack(all, -1), [...y.shape, ...x.shape]);
  });
}

const jacobianCall = /* @__PURE__ */ new Signature<TransformOptions>("jacobian(fn, options)", { argnums });

/**
 * A function that returns the Jacobian of `fn`: all derivatives of all elements. Like `jax.jacobian`. It is recorded as one product for
 * each element of the result or of the arguments, whichever are fewer, and is meant for some hundred of them.
 *
 * @param fn returns a `float` tensor. The arguments to differentiate with respect to are tensors, their data, or arrays and plain objects of
 * them; the others can be anything.
 * @param options `argnums`: the numbers of those arguments, default 0; an array returns an array of Jacobians.
 * @returns a function with the arguments of `fn`. For each tensor `x` of the arguments it returns a tensor of shape
 * `[...y.shape, ...x.shape]`, in the structure of the argument; zeros where there is no influence.
 * @throws when called, if an argument is not `float`, or `fn` returns anything but a tensor.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { jacobian, square, tensor } from "gpugrad";
 *
 * assert.deepEqual(await jacobian(square)(tensor([1, 3])).toArray(), [[2, 0], [0, 6]]);
 * ```
 */
export function jacobian<A extends readonly any[], const N extends Argnums = 0>(
  fn: (...args: A) => Tensor,
  options: TransformOptions<N> = {},
): (...args: A) => ByArguments<A, N> {
  jacobianCall.check(arguments);
  functionOrThrow(jacobianCall, fn);
  const numbers = numbersOf(jacobianCall, options.argnums);
  return (...args) => {
    const { tensors, args: opened } = openArguments(jacobianCall, args, numbers);
    const y = resultOf(jacobianCall, fn(...opened as unknown as A));
    const closed = closeArguments(jacobianCall, args, numbers, jacobianOf(y, tensors));
    return byArguments<A, N>(closed, options);
  };
}

const hessianCall = /* @__PURE__ */ new Signature("hessian(fn)");

/**
 * A function that returns the Hessian of `fn`: all second derivatives with respect to its first argument. Like `jax.hessian`. It is recorded as one
 * product for each element; {@link hvp} is cheaper where products are all that is needed.
 *
 * @param fn returns a `float` tensor of one element; its first argument is a tensor or the data of one, the others can be anything.
 * @returns a function with the arguments of `fn`. It returns a tensor of shape `[...x.shape, ...x.shape]`; zeros where there is no
 * influence.
 * @throws when called, if the first argument is not `float`, or `fn` returns anything but one element.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { hessian, prod, tensor } from "gpugrad";
 *
 * assert.deepEqual(await hessian(prod)(tensor([2, 3, 4])).toArray(), [[0, 4, 3], [4, 0, 2], [3, 2, 0]]);
 * ```
 */
export function hessian<A extends readonly any[]>(fn: (...args: A) => Tensor): (...args: A) => Tensor {
  hessianCall.check(arguments);
  functionOrThrow(hessianCall, fn);
  return (...args) => {
    const { tensors, args: opened } = openArguments(hessianCall, args, [0]);
    if (tensors.length !== 1) throw hessianCall.wrong("arguments[0]", "a tensor", args[0]);
    const y = scalarOf(hessianCall, fn(...opened as unknown as A));
    const [gradient] = orZeros(pullback([[y, ones(y.shape)]], tensors).gradients, tensors);
    return jacobianOf(gradient, tensors)[0];
  };
}
