/** Adam with decoupled weight decay. */
import { type Kind, kind, numberIn, Signature } from "../core/options.ts";
import { add, div, mul, square, sub } from "../ops/arithmetic.ts";
import { sqrt } from "../ops/functions.ts";
import { type Optimiser, optimiserOf } from "./optimiser.ts";
import type { Schedule } from "./schedules.ts";
import { learningRateKind } from "./sgd.ts";

/** Options of {@link adamW}. */
export interface AdamWOptions {
  /** The learning rate, from 0, or a function of the number of steps taken; default 0.001. */
  readonly learningRate?: number | Schedule;
  /** How much of the mean of gradients remains from step to step, from 0 and below 1; default 0.9. */
  readonly beta1?: number;
  /** How much of the mean of their squares remains, from 0 and below 1; default 0.999. */
  readonly beta2?: number;
  /** Added to the root of the mean of squares, from 0; default 1e-8. */
  readonly eps?: number;
  /** At each step parameters shrink by this multiple of the learning rate, from 0; default 0.01. */
  readonly weightDecay?: number;
}

const beta: Kind<number> = /* @__PURE__ */ kind(
  "a number from 0 and below 1",
  "0.9",
  (v) => numberIn(0, 1).accepts(v) && v !== 1,
);

const adamWCall = /* @__PURE__ */ new Signature<AdamWOptions>("adamW(options)", {
  learningRate: learningRateKind,
  beta1: beta,
  beta2: beta,
  eps: numberIn(0, Infinity),
  weightDecay: numberIn(0, Infinity),
});

/**
 * Adam with decoupled weight decay, like `torch.optim.AdamW` (Loshchilov and Hutter, 2019): steps along the mean of gradients, divided by the
 * root of the mean of their squares, both corrected for their start at 0. With `weightDecay` 0 it is Adam (Kingma and Ba, 2015).
 *
 * @param options `learningRate`: from 0, or a {@link Schedule}; default 0.001. `beta1`, `beta2`: how much of the two means remains from
 * step to step; default 0.9 and 0.999. `eps`: added to the divisor; default 1e-8. `weightDecay`: parameters are multiplied by
 * 1 - learningRate weightDecay; default 0.01.
 * @returns an optimiser of trees of `float` tensors of any shapes; its state has the moments `mean` and `square`.
 * @throws if an option is out of range.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { adamW, add, mean, mul, realize, square, sub, type Tensor, tensor, valueAndGrad } from "gpugrad";
 *
 * const [x, y] = [tensor([0, 1, 2]), tensor([1, 3, 5])];
 * const loss = valueAndGrad(({ slope, offset }: { slope: Tensor; offset: Tensor }) =>
 *   mean(square(sub(add(mul(slope, x), offset), y)))
 * );
 * const optimiser = adamW({ learningRate: 0.1, weightDecay: 0 });
 * let line = { slope: tensor(0), offset: tensor(0) };
 * let state = optimiser.init(line);
 * for (let step = 0; step < 200; step++) {
 *   const [value, gradient] = loss(line);
 *   [line, state] = optimiser.step(line, gradient, state);
 *   await realize([value, line, state]); // one plan
 * }
 * assert.ok(Math.abs(await line.slope.item() - 2) < 0.05);
 * ```
 */
export function adamW(options: AdamWOptions = {}): Optimiser {
  adamWCall.check(arguments);
  const { learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01 } = options;
  return optimiserOf({
    name: "adamW",
    moments: ["mean", "square"],
    learningRate,
    numbers: (rate, step) => [
      rate / (1 - beta1 ** (step + 1)),
      Math.sqrt(1 - beta2 ** (step + 1)),
      1 - rate * weightDecay,
    ],
    update: ({ parameter, gradient, moments, numbers: [rate, correction, remaining] }) => {
      const mean = add(mul(moments.mean, beta1), mul(gradient, 1 - beta1));
      const squares = add(mul(moments.square, beta2), mul(square(gradient), 1 - beta2));
      const along = div(mean, add(div(sqrt(squares), correction), eps));
      return {
        parameter: sub(mul(parameter, remaining), mul(rate, along)),
        moments: { mean, square: squares },
      };
    },
  });
}
