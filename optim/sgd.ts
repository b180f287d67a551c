/** Stochastic gradient descent. */
import { boolean, either, finite, type Kind, kind, numberIn, Signature } from "../core/options.ts";
import { add, mul, sub } from "../ops/arithmetic.ts";
import { type Optimiser, optimiserOf, type Update } from "./optimiser.ts";
import type { Schedule } from "./schedules.ts";

/** Options of {@link sgd}. */
export interface SgdOptions {
  /** The learning rate, from 0, or a function of the number of steps taken; default 0.001. */
  readonly learningRate?: number | Schedule;
  /** How much of the velocity remains from step to step, from 0; default 0: no velocity is kept. */
  readonly momentum?: number;
  /** The part of the gradient that does not enter the velocity, after the first step; default 0. */
  readonly dampening?: number;
  /** Whether the step looks ahead, as Nesterov's: default false. */
  readonly nesterov?: boolean;
  /** This multiple of a parameter is added to its gradient, from 0; default 0. */
  readonly weightDecay?: number;
}

/** A learning rate, or a schedule of them. */
export const learningRateKind: Kind<number | Schedule> = /* @__PURE__ */ either(
  numberIn(0, Infinity),
  kind<Schedule>("a function of the step that returns one", "0.1", (v) => typeof v === "function"),
);

const sgdCall = /* @__PURE__ */ new Signature<SgdOptions>("sgd(options)", {
  learningRate: learningRateKind,
  momentum: numberIn(0, Infinity),
  dampening: finite,
  nesterov: boolean,
  weightDecay: numberIn(0, Infinity),
});

/**
 * Stochastic gradient descent with momentum, like `torch.optim.SGD`: v = momentum v + (1 - dampening) g, or g at the first step, and
 * p = p - learningRate v. With `nesterov` the step is along g + momentum v (Sutskever et al., 2013).
 *
 * @param options `learningRate`: from 0, or a {@link Schedule}; default 0.001. `momentum`: from 0; default 0. `dampening`: default 0.
 * `nesterov`: default false. `weightDecay`: this multiple of a parameter is added to its gradient; default 0.
 * @returns an optimiser of trees of `float` tensors of any shapes; with momentum, its state has the moment `velocity`.
 * @throws if an option is out of range, or `nesterov` has no momentum or is damped.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { realize, sgd, square, sum, type Tensor, tensor, valueAndGrad } from "gpugrad";
 *
 * const optimiser = sgd({ learningRate: 0.1, momentum: 0.9 });
 * let w = tensor([1, 2]);
 * let state = optimiser.init(w);
 * for (let step = 0; step < 100; step++) {
 *   const [loss, gradient] = valueAndGrad((w: Tensor) => sum(square(w)))(w);
 *   [w, state] = optimiser.step(w, gradient, state);
 *   await realize([loss, w, state]); // one plan
 * }
 * assert.ok(await sum(square(w)).item() < 1e-3);
 * ```
 */
export function sgd(options: SgdOptions = {}): Optimiser {
  sgdCall.check(arguments);
  const { learningRate = 0.001, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 } = options;
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw sgdCall.error(
      `expected momentum above 0 and no dampening with nesterov, got momentum ${momentum} and dampening ${dampening}`,
    );
  }
  return optimiserOf({
    name: "sgd",
    moments: momentum === 0 ? [] : ["velocity"],
    learningRate,
    numbers: (rate, step) => dampening === 0 || momentum === 0 ? [rate] : [rate, step === 0 ? 1 : 1 - dampening],
    update: ({ parameter, gradient, moments, numbers: [rate, part] }: Update) => {
      const slope = weightDecay === 0 ? gradient : add(gradient, mul(parameter, weightDecay));
      if (momentum === 0) return { parameter: sub(parameter, mul(rate, slope)), moments };
      const velocity = add(mul(moments.velocity, momentum), part ? mul(slope, part) : slope);
      const along = nesterov ? add(slope, mul(velocity, momentum)) : velocity;
      return { parameter: sub(parameter, mul(rate, along)), moments: { velocity } };
    },
  });
}
