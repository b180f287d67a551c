/** Gradients: the reverse walk over the tape. */
import { beginWalk, hasRule } from "../core/entry.ts";
import { dependenciesOf, type Loop, loopOf, resultNumber } from "../core/loop.ts";
import { type Cotangent, opOf } from "../core/op.ts";
import { record, tensorOrThrow } from "../core/record.ts";
import { boolean, Signature } from "../core/options.ts";
import { broadcastAxes, broadcastShapes, formatShape, sameShape, sizeOf } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { mapTensors } from "../core/tree.ts";
import { both, conditionBehind, either, summed, timesOf } from "./condition.ts";
import { asTensor, ones, type TensorLike, zeros } from "./creation.ts";
import { add } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { type OpFunction, structured } from "./define/op.ts";
import { reshape } from "./movement.ts";
import { sum } from "./reduce.ts";
import type { TensorsOf } from "./tree.ts";

/** Options of {@link grad}. */
export interface GradOptions {
  /** Whether the gradient with respect to an input without influence on `y` is zeros rather than an error; default false. */
  readonly allowUnused?: boolean;
}

/** Options of {@link detach}. */
export interface DetachOptions {
  /** Whether `backward` accumulates a gradient for the result; `float` only. Default false. */
  readonly requiresGrad?: boolean;
}

/**
 * The same values without their history: gradients end here. In a training loop it lets go of the steps before.
 *
 * @param x any shape and dtype.
 * @param options `requiresGrad`: whether `backward` accumulates a gradient for the result, as for a parameter that was updated.
 * @throws with `requiresGrad` if `x` is not `float`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { detach, grad, mul, tensor } from "gpugrad";
 *
 * const x = tensor(3);
 * const dx = grad(mul(detach(x), x), x); // the first factor counts as a constant
 * assert.equal(await dx.item(), 3);
 * ```
 */
export const detach: OpFunction<(x: TensorLike, options?: DetachOptions) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "detach",
    infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
    kernel: { kind: "movement", source: (out) => [...out], identity: true },
    vjp: null,
  },
  ["detach(x, options)", { requiresGrad: boolean }],
  (op, call) =>
    function detach(x, options) {
      call.check(arguments);
      const input = asTensor(call, "x", x);
      if (!options?.requiresGrad) return record(op, [input]);
      if (input.dtype !== "float") throw call.error(`expected dtype float with requiresGrad, got ${input.dtype}`);
      return new Tensor(op, [input], {}, { shape: input.shape, dtype: input.dtype, requiresGrad: true });
    },
);

/**
 * The same values, held constant: gradients end here on purpose. Where a definition says that a part counts as a constant (the trade-off
 * weight of the CIoU loss, the residual of a straight-through estimator), `hold` says so; a gradient check then holds the values, too, and
 * reports that it did. {@link detach} computes the same, but a check takes a dependence that it cuts off for a mistake.
 *
 * @param x any shape and dtype.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { add, grad, hold, round, sub, sum, tensor } from "gpugrad";
 *
 * // Bengio et al., arXiv:1308.3432: the value is rounded, the derivative is that of x.
 * const straightThrough = (x: typeof t) => add(x, hold(sub(round(x), x)));
 * const t = tensor([0.4, 1.7]);
 * assert.deepEqual(await straightThrough(t).toArray(), [0, 2]);
 * assert.deepEqual(await grad(sum(straightThrough(t)), t).toArray(), [1, 1]);
 * ```
 */
export const hold: OpFunction<(x: TensorLike) => Tensor> = /* @__PURE__ */ structured(
  {
    name: "hold",
    infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
    kernel: { kind: "elementwise", expression: ([x], _, build) => build.call("held", x), cost: 0 },
    vjp: null,
    holds: true,
    domain: (draw) => ({ inputs: [{ shape: draw.shape() }] }),
    accuracy: "exact",
    parameters: ["x"],
    reference: ([x]) => x,
  },
  "hold(x)",
  (op, call) =>
    function hold(x) {
      call.check(arguments);
      return record(op, [asTensor(call, "x", x)]);
    },
);

/** Sums a cotangent over broadcast axes. Only this function undoes broadcasting. */
function unbroadcast({ value: cotangent, condition }: Cotangent, input: Tensor, op: string): Cotangent {
  if (sameShape(cotangent.shape, input.shape)) return { value: cotangent, condition };
  const common = broadcastShapes([cotangent.shape, input.shape]);
  if (!common || !sameShape(common, cotangent.shape)) {
    throw new Error(
      `grad: the rule of "${op}" returned a gradient of shape ${formatShape(cotangent.shape)} for an input of shape ${
        formatShape(input.shape)
      }`,
    );
  }
  const { added, stretched } = broadcastAxes(input.shape, cotangent.shape);
  return {
    value: reshape(sum(cotangent, [...added, ...stretched]), input.shape),
    condition: summed(condition, cotangent.shape, input.shape),
  };
}

/** The cotangent that an entry passes on to one of its inputs. */
function passedOn(entry: Tensor, own: Cotangent, k: number): Cotangent {
  const { name, kernel, vjp, selects } = opOf(entry);
  const { inputs, attributes } = entry;
  const context = { cotangent: own.value, times: timesOf(own), output: entry, inputs, attributes };
  const rule = vjp![k]!;
  const selected = selects?.[k];
  const condition = both(
    conditionBehind(entry, kernel.kind === "elementwise", (given) => rule({ ...context, ...given }), own.condition),
    selected ? () => selected(context) : null,
  );
  return unbroadcast({ value: rule(context), condition }, inputs[k], name);
}

/** Whether a gradient can flow from an entry to its input of this number. */
export function flows(entry: Tensor, input: number): boolean {
  return hasRule(entry.op, input) && entry.inputs[input].dtype === "float" && entry.dtype === "float";
}

/**
 * The entries that `ys` are made of, `ys` included, with the last on the tape first. Iterative: tapes are long.
 *
 * @param leads whether to go on to an input of an entry.
 */
function history(ys: readonly Tensor[], leads: (entry: Tensor, input: number) => boolean): Tensor[] {
  const walk = beginWalk();
  const found: Tensor[] = [];
  const stack = [...ys];
  while (stack.length > 0) {
    const entry = stack.pop()!;
    if (entry.walk === walk) continue;
    entry.walk = walk;
    found.push(entry);
    const { inputs } = entry;
    for (let k = 0; k < inputs.length; k++) if (inputs[k].walk !== walk && leads(entry, k)) stack.push(inputs[k]);
  }
  return found.sort((a, b) => b.id - a.id);
}

function oldestOf(entries: Iterable<Tensor>): number {
  let oldest = Infinity;
  for (const { id } of entries) oldest = Math.min(oldest, id);
  return oldest;
}

/** Returns the history back to the oldest of some entries; older entries do not depend on any of them. */
function historySince(ys: readonly Tensor[], entries: readonly Tensor[]): Tensor[] {
  const oldest = oldestOf(entries);
  return history(ys, (entry, k) => entry.inputs[k].id >= oldest);
}

/** The part of the history through which gradients flow to tensors made with `requiresGrad`, and what rules of the user's do not know of. */
function trackedHistory(y: Tensor): Tensor[] {
  return history([y], (entry, k) => entry.inputs[k].tracked && (flows(entry, k) || opOf(entry).custom !== undefined));
}

/** Adds a part to the cotangent of an entry. */
function accumulate(cotangents: Map<Tensor, Cotangent>, entry: Tensor, part: Cotangent): void {
  const known = cotangents.get(entry);
  cotangents.set(
    entry,
    known ? { value: add(known.value, part.value), condition: either(known.condition, part.condition) } : part,
  );
}

/** The start of a walk: an entry and its cotangent. */
type Start<C = Tensor> = readonly [y: Tensor, cotangent: C];

/**
 * Returns a target that the value of an entry depends on other than through the inputs of its rule; `null` if there is none, as for every op
 * but a function with a rule of the user's own, whose first input is its value as a function of the others.
 */
function unruled(entry: Tensor, targets: ReadonlySet<Tensor>, oldest: number): Tensor | null {
  if (!opOf(entry).custom) return null;
  const [y, ...inputs] = entry.inputs;
  const ruled = new Set(inputs);
  const seen = new Set(ruled.has(y) ? [] : [y]);
  for (const inner of seen) {
    if (targets.has(inner)) return inner;
    const isRuled = opOf(inner).custom !== undefined;
    inner.inputs.forEach((input, k) => {
      if (input.id >= oldest && !ruled.has(input) && (flows(inner, k) || isRuled)) seen.add(input);
    });
  }
  return null;
}

function missing({ op }: Tensor, { shape }: Tensor): Error {
  return new Error(
    `grad: "${op.name}" has a rule for its inputs, but also depends on the tensor of shape ${
      formatShape(shape)
    } that is differentiated ` +
      "by: pass it as an input, or detach it within the function if it counts as constant there",
  );
}

/** Returns the cotangents of those `targets` that gradients reach. */
function walk(
  starts: readonly Start<Cotangent>[],
  entries: readonly Tensor[],
  targets: ReadonlySet<Tensor>,
): Map<Tensor, Cotangent> {
  // Only entries between a start and a target need a cotangent.
  const wanted = new Set<Tensor>(targets);
  /** The functions with a rule that does not know of a target. */
  const missed = new Map<Tensor, Tensor>();
  const oldest = oldestOf(targets);
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i], { inputs } = entry;
    const target = unruled(entry, targets, oldest);
    if (target) missed.set(entry, target);
    let reached = target !== null;
    for (let k = 0; k < inputs.length && !reached; k++) reached = wanted.has(inputs[k]) && flows(entry, k);
    if (reached) wanted.add(entry);
  }
  const cotangents = new Map<Tensor, Cotangent>();
  /** The cotangents of the results of loops, by the loop. */
  const results = new Map<Tensor, Map<number, Cotangent>>();
  const leads = (entry: Tensor, k: number) => wanted.has(entry.inputs[k]) && flows(entry, k);
  for (const [y, cotangent] of starts) if (wanted.has(y)) accumulate(cotangents, y, cotangent);
  for (const entry of entries) {
    const { pull } = opOf(entry);
    const ofResults = pull && results.get(entry);
    if (ofResults) {
      results.delete(entry);
      const asked = entry.inputs.map((_, k) => leads(entry, k));
      pull({ entry, cotangents: ofResults, wanted: asked }).forEach((part, k) => {
        if (part && asked[k]) accumulate(cotangents, entry.inputs[k], part);
      });
    }
    const own = cotangents.get(entry);
    if (!own || entry.inputs.length === 0) continue;
    const target = missed.get(entry);
    if (target) throw missing(entry, target);
    if (!targets.has(entry)) cotangents.delete(entry);
    const number = resultNumber(entry);
    if (number !== null) {
      const [loop] = entry.inputs;
      results.set(loop, (results.get(loop) ?? new Map()).set(number, own));
      continue;
    }
    const { inputs } = entry;
    for (let k = 0; k < inputs.length; k++) {
      if (leads(entry, k)) accumulate(cotangents, inputs[k], passedOn(entry, own, k));
    }
  }
  return new Map([...targets].flatMap((t) => {
    const found = cotangents.get(t);
    return found ? [[t, found] as const] : [];
  }));
}

/** Pulls cotangents of results back to variables, with the conditions under which they count; `null` where none arrives. */
export function pullConditionally(starts: readonly Start<Cotangent>[], xs: readonly Tensor[]): (Cotangent | null)[] {
  const cotangents = walk(starts, historySince(starts.map(([y]) => y), xs), new Set(xs));
  return xs.map((x) => cotangents.get(x) ?? null);
}

/** The gradients of a weighted sum of several results, and why a variable has none. */
export interface Pullback {
  /** For each variable the gradient; `null` if none reaches it. */
  readonly gradients: readonly (Tensor | null)[];
  /** Returns why no gradient reaches a variable. */
  whyNone(x: Tensor): string;
}

function everywhere([y, value]: Start): Start<Cotangent> {
  return [y, { value, condition: null }];
}

/** Pulls cotangents of results back to variables. */
export function pullback(starts: readonly Start[], xs: readonly Tensor[]): Pullback {
  const entries = historySince(starts.map(([y]) => y), xs);
  const cotangents = walk(starts.map(everywhere), entries, new Set(xs));
  return { gradients: xs.map((x) => cotangents.get(x)?.value ?? null), whyNone: (x) => whyUnused(entries, x) };
}

/** Returns why no gradient reaches x: the end of each path from y to it. */
function whyUnused(entries: readonly Tensor[], x: Tensor): string {
  const cuts = new Set<string>();
  addCuts(entries, new Set([x]), cuts);
  if (cuts.size === 0) {
    return "y does not depend on it: a number that was read and a result of compile() depend on nothing";
  }
  const names = [...cuts].map((name) => `"${name}"`).join(", ");
  return `every path from y to it is cut by an op without derivative: ${names}`;
}

/**
 * Finds the entries that values lead to, and the ops that cut their gradients off.
 *
 * @param entries the last on the tape first.
 */
function addCuts(entries: readonly Tensor[], leads: Set<Tensor>, cuts: Set<string>): void {
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i];
    const isResult = resultNumber(entry) !== null;
    const inputs = dependenciesOf(entry);
    inputs.forEach((input, k) => {
      if (!leads.has(input)) return;
      leads.add(entry);
      // What is whole or a truth value was cut before.
      if (!isResult && input.dtype === "float" && !flows(entry, k)) cuts.add(entry.op.name);
    });
    if (isResult && leads.has(entry)) {
      const [loop] = entry.inputs;
      addCutsWithin(loopOf(loop)!, loop.inputs.map((input) => leads.has(input) && inputs.includes(input)), cuts);
    }
  }
}

/** @param given whether values lead to the inputs of the loop. */
function addCutsWithin(loop: Loop<Tensor>, given: readonly boolean[], cuts: Set<string>): void {
  const { carries, next } = loop.parts;
  const leads = new Set(loop.arguments.filter((_, k) => given[k]));
  const entries = loop.entries.toReversed();
  for (let before = -1; before < leads.size;) {
    before = leads.size;
    addCuts(entries, leads, cuts);
    next.forEach((t, k) => leads.has(t) && leads.add(carries[k]));
  }
}

function checkCotangent(call: Signature, y: unknown, cotangent?: unknown): Tensor {
  const { shape, dtype, op } = tensorOrThrow(call, "y", y);
  if (dtype !== "float") throw call.error(`expected y of dtype float, got ${dtype} (made by "${op.name}")`);
  if (cotangent === undefined) {
    if (sizeOf(shape) === 1) return ones(shape);
    throw call.error(
      `expected a cotangent for y of shape ${formatShape(shape)}; without one y must have a single element`,
    );
  }
  const given = asTensor(call, "cotangent", cotangent);
  if (!sameShape(given.shape, shape)) {
    throw call.error(`expected a cotangent of y's shape ${formatShape(shape)}, got ${formatShape(given.shape)}`);
  }
  if (cotangent instanceof Tensor && given.dtype !== "float") {
    throw call.error(`expected a cotangent of dtype float, got ${given.dtype}`);
  }
  return cast(given, "float");
}

const gradCall = /* @__PURE__ */ new Signature<GradOptions>("grad(y, x, cotangent, options)", { allowUnused: boolean });

/**
 * The gradient of `y` with respect to one or several tensors, or those of a structure: the vector-Jacobian product with the cotangent, as
 * tensors that can be differentiated again.
 *
 * @param y `float`, any shape; without a cotangent it must have one element.
 * @param x the tensor to differentiate with respect to, `float`, or arrays and plain objects of such, nested, as parameters are kept in.
 * @param cotangent `float`, of the shape of `y`; default ones.
 * @param options `allowUnused`: whether the gradient with respect to an `x` without influence is zeros rather than an error.
 * @throws if `y` does not depend on `x`, or only through ops without derivative, which are named.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { argmax, cast, grad, mul, pow, sum, tensor } from "gpugrad";
 *
 * const x = tensor([1, 2]);
 * const slope = grad(sum(pow(x, 3)), x);
 * const curvature = grad(sum(slope), x);
 * assert.deepEqual(await slope.toArray(), [3, 12]);
 * assert.deepEqual(await curvature.toArray(), [6, 12]);
 * assert.throws(() => grad(cast(argmax(x, 0), "float"), x), /cut by .*argmax/);
 *
 * const params = { w: tensor([3, 4]), layers: [{ b: tensor(5) }] };
 * const slopes = grad(sum(mul(mul(params.w, x), params.layers[0].b)), params);
 * assert.deepEqual([await slopes.w.toArray(), await slopes.layers[0].b.item()], [[5, 10], 11]);
 * ```
 */
export function grad(y: Tensor, x: Tensor, cotangent?: TensorLike, options?: GradOptions): Tensor;
/** The gradients with respect to several tensors, one for each. */
export function grad(y: Tensor, x: readonly Tensor[], cotangent?: TensorLike, options?: GradOptions): Tensor[];
/** The gradients with respect to the tensors of a structure, in the same structure. What is `any` counts as a tensor. */
export function grad<P>(
  y: Tensor,
  x: P & object,
  cotangent?: TensorLike,
  options?: GradOptions,
): 0 extends 1 & P ? Tensor : TensorsOf<P>;
export function grad(y: Tensor, x: object, cotangent?: TensorLike, options: GradOptions = {}): unknown {
  gradCall.check(arguments);
  if (typeof x !== "object" || x === null) {
    throw gradCall.wrong("x", "the tensor or tensors to differentiate with respect to, as in grad(y, x)", x);
  }
  const tree = x instanceof Tensor ? [x] : x;
  const xs: Tensor[] = [];
  const paths: string[] = [];
  mapTensors(gradCall, "x", tree, (t, path) => {
    if (t.dtype !== "float") throw gradCall.error(`expected ${path} of dtype float, got ${t.dtype}`);
    xs.push(t);
    paths.push(path);
  });
  const start = checkCotangent(gradCall, y, cotangent);
  const { gradients: found, whyNone } = pullback([[y, start]], xs);
  const gradients = found.map((gradient, i) => {
    if (gradient) return gradient;
    if (options.allowUnused) return zeros(xs[i].shape);
    throw new Error(
      `grad: no gradient for ${paths[i]} of shape ${formatShape(xs[i].shape)}: ${whyNone(xs[i])}; ` +
        `{ allowUnused: true } returns zeros instead`,
    );
  });
  if (x instanceof Tensor) return gradients[0];
  let at = 0;
  return mapTensors(gradCall, "x", tree, () => gradients[at++]);
}

/** Why `backward` reaches nothing: there is nothing to reach, or each path to it is cut. */
function whyUntracked(y: Tensor): string {
  const entries = history([y], () => true);
  const leaf = entries.find((t) => t.requiresGrad);
  return leaf
    ? `no gradient reaches the leaf of shape ${formatShape(leaf.shape)}: ${whyUnused(entries, leaf)}`
    : `y (made by "${y.op.name}") depends on no tensor made with requiresGrad`;
}

const backwardCall = /* @__PURE__ */ new Signature("backward(y, cotangent)");

/**
 * Adds the gradient of `y` to `grad` of every tensor made with `requiresGrad` that `y` depends on.
 *
 * @param y `float`; without a cotangent it must have one element.
 * @param cotangent `float`, of the shape of `y`; default ones.
 * @throws if no leaf with `requiresGrad` gets a gradient.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { backward, square, sum, tensor } from "gpugrad";
 *
 * const x = tensor([1, 2], [2], { requiresGrad: true });
 * backward(sum(square(x)));
 * backward(sum(square(x)));
 * assert.deepEqual(await x.grad!.toArray(), [4, 8]); // added up
 * x.grad = null;
 * ```
 */
export function backward(y: Tensor, cotangent?: TensorLike): void {
  backwardCall.check(arguments);
  const start = checkCotangent(backwardCall, y, cotangent);
  const entries = trackedHistory(y);
  const leaves = entries.filter((t) => t.requiresGrad);
  if (leaves.length === 0) throw new Error(`backward: ${whyUntracked(y)}`);
  const cotangents = walk([everywhere([y, start])], entries, new Set(leaves));
  for (const leaf of leaves) {
    const found = cotangents.get(leaf)?.value;
    if (found) leaf.grad = leaf.grad ? add(leaf.grad, found) : found;
  }
}
