/** The parts that optimisers share: trees of parameters in, trees of parameters out, recorded as ops. */
import { describe, numberIn, Signature } from "../core/options.ts";
import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { tensor } from "../ops/creation.ts";
import { detach } from "../ops/grad.ts";
import { slice } from "../ops/movement.ts";
import { fillTree, type Flat, flattenLike, flattenTree, type TensorsOf } from "../ops/tree.ts";
import type { Schedule } from "./schedules.ts";

/** The state of an optimiser between steps: plain data, so that it can be stored and passed to `step` again. */
export interface OptimiserState<P = unknown> {
  /** The number of steps taken. */
  readonly step: number;
  /** For each name one tensor for each parameter, in the structure of the parameters: `velocity` of SGD, `mean` and `square` of AdamW. */
  readonly moments: Readonly<Record<string, TensorsOf<P>>>;
}

/** A rule that updates parameters. Neither its methods nor its results keep anything: all that changes is the state. */
export interface Optimiser {
  /**
   * The state before the first step.
   *
   * @param params a `float` tensor, the data of one, or arrays and plain objects of them.
   * @throws if a parameter is not `float`, or there is none.
   */
  init<P>(params: P): OptimiserState<P>;
  /**
   * Records one step. `await realize([loss, params, state])` computes it in one plan with the loss and the gradients, and that plan serves
   * every step, whatever the learning rate. The result is detached: no gradient passes through a step. Not for functions under
   * `compile`, which would fix the number of the step.
   *
   * @param params the parameters, as for `init`.
   * @param gradients one for each parameter, in the same structure and of the same shapes.
   * @param state that of the step before.
   * @returns `[params, state]` after the step. If a parameter has `requiresGrad`, so does the new one.
   * @throws if a structure, a shape or a dtype is another, or the schedule returns anything but a number from 0.
   */
  step<P>(
    params: P,
    gradients: TensorsOf<P>,
    state: OptimiserState<P>,
  ): [params: TensorsOf<P>, state: OptimiserState<P>];
}

/** One parameter at one step. */
export interface Update {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly moments: Readonly<Record<string, Tensor>>;
  /** The numbers of this step, as scalars. */
  readonly numbers: readonly Tensor[];
}

/** How an optimiser updates a parameter. */
export interface Rule {
  /** The exported name. */
  readonly name: string;
  /** The names of the moments; all begin with zeros. */
  readonly moments: readonly string[];
  readonly learningRate: number | Schedule;
  /** The numbers that change from step to step, computed here in double precision; `step` counts from 0. */
  numbers(rate: number, step: number): readonly number[];
  /** The new parameter and the new moments. */
  update(update: Update): { readonly parameter: Tensor; readonly moments: Readonly<Record<string, Tensor>> };
}

const rateKind = /* @__PURE__ */ numberIn(0, Infinity);

/** Takes parameters apart. */
function parametersOf(call: Signature, params: unknown): Flat {
  const flat = flattenTree(call, "params", params);
  if (flat.leaves.length === 0) {
    throw call.error(`expected params to hold at least one tensor, got ${describe(params)}`);
  }
  flat.leaves.forEach(({ dtype }, i) => {
    if (dtype !== "float") throw call.error(`expected params${flat.paths[i]} of dtype float, got ${dtype}`);
  });
  return flat;
}

/** Takes a structure apart that has one tensor for each parameter, of the same shape. */
function besides(call: Signature, path: string, tree: unknown, params: Flat): readonly Tensor[] {
  const { leaves, paths } = flattenLike(call, path, tree, params);
  leaves.forEach(({ dtype }, i) => {
    if (dtype !== "float") throw call.error(`expected ${path}${paths[i]} of dtype float, got ${dtype}`);
  });
  return leaves;
}

/** The number of steps taken and the moments of each parameter. */
function openState(
  call: Signature,
  { moments: names }: Rule,
  state: unknown,
  params: Flat,
): { readonly step: number; readonly moments: Readonly<Record<string, readonly Tensor[]>> } {
  const { step, moments } = (state ?? {}) as Partial<OptimiserState>;
  if (!Number.isSafeInteger(step) || step! < 0 || typeof moments !== "object" || moments === null) {
    throw call.wrong("state", "what init or the step before returned", state);
  }
  const opened = names.map((name) => {
    if (!Object.hasOwn(moments, name)) {
      const given = Object.keys(moments);
      throw call.error(
        `expected state.moments to have ${names.join(" and ")}, got ${given.join(" and ") || "none"}; ` +
          `state has to come from an optimiser with the same options`,
      );
    }
    return [name, besides(call, `state.moments.${name}`, moments[name], params)] as const;
  });
  return { step: step!, moments: Object.fromEntries(opened) };
}

/** The learning rate of a step. */
function rateAt(call: Signature, { learningRate }: Rule, step: number): number {
  if (typeof learningRate === "number") return learningRate;
  const rate = learningRate(step);
  if (!rateKind.accepts(rate)) throw call.wrong(`learningRate(${step})`, rateKind.expected, rate);
  return rate;
}

/** Makes an optimiser of a rule. */
export function optimiserOf(rule: Rule): Optimiser {
  const initCall = new Signature(`${rule.name}.init(params)`);
  const stepCall = new Signature(`${rule.name}.step(params, gradients, state)`);
  return {
    init(params) {
      initCall.check(arguments);
      const { leaves } = parametersOf(initCall, params);
      // Leaves rather than constants, so that the first step has the structure of all others.
      const zeros = () => leaves.map(({ shape }) => tensor(new Float32Array(sizeOf(shape)), shape));
      const moments = rule.moments.map((name) => [name, fillTree(initCall, "params", params, zeros())]);
      return { step: 0, moments: Object.fromEntries(moments) };
    },
    step(params, gradients, state) {
      stepCall.check(arguments);
      const flat = parametersOf(stepCall, params);
      const slopes = besides(stepCall, "gradients", gradients, flat);
      const { step, moments } = openState(stepCall, rule, state, flat);
      const values = rule.numbers(rateAt(stepCall, rule, step), step);
      // A leaf, since numbers in calls are compiled in until they change, at whichever step that may be.
      const leaf = tensor([...values]);
      const numbers = values.map((_, i) => slice(leaf, [i]));
      const updates = flat.leaves.map((parameter, i) => {
        const own = Object.fromEntries(rule.moments.map((name) => [name, moments[name][i]]));
        return rule.update({ parameter, gradient: slopes[i], moments: own, numbers });
      });
      const filled = (tensors: readonly Tensor[]) => fillTree(stepCall, "params", params, tensors);
      const next = updates.map(({ parameter }, i) => detach(parameter, { requiresGrad: flat.leaves[i].requiresGrad }));
      const after = rule.moments.map((name) => [name, filled(updates.map((update) => detach(update.moments[name])))]);
      return [filled(next) as never, { step: step + 1, moments: Object.fromEntries(after) }];
    },
  };
}
