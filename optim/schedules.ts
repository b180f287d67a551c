/** Learning rates that depend on the number of steps taken. A schedule is any function of that number. */
import { type Kind, kind, numberIn, Signature, whole } from "../core/options.ts";

/** A learning rate, from 0, as a function of the number of steps taken: 0 at the first. */
export type Schedule = (step: number) => number;

const rateKind = /* @__PURE__ */ numberIn(0, Infinity);
const steps = /* @__PURE__ */ whole(1);
const factor = /* @__PURE__ */ numberIn(0, Infinity);
const scheduleKind: Kind<Schedule> = /* @__PURE__ */ kind(
  "a function of the step",
  "schedules.constant(0.1)",
  (v) => typeof v === "function",
);

function check<T>(call: Signature, name: string, kind: Kind<T>, value: unknown): void {
  if (!kind.accepts(value)) throw call.wrong(name, kind.expected, value);
}

const constantCall = /* @__PURE__ */ new Signature("schedules.constant(rate)");

/**
 * The same rate at every step.
 *
 * @param rate from 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { schedules } from "gpugrad";
 *
 * assert.equal(schedules.constant(0.1)(1000), 0.1);
 * ```
 */
export function constant(rate: number): Schedule {
  constantCall.check(arguments);
  check(constantCall, "rate", rateKind, rate);
  return () => rate;
}

/** Options of {@link stepped}. */
export interface SteppedOptions {
  /** How many steps pass between two changes, from 1. */
  readonly every: number;
  /** The factor that the rate is multiplied by, from 0; default 0.1. */
  readonly factor?: number;
}

const steppedCall = /* @__PURE__ */ new Signature<SteppedOptions>("schedules.stepped(rate, options)", {
  every: steps,
  factor,
});

/**
 * A rate that is multiplied by a factor every so many steps, like `torch.optim.lr_scheduler.StepLR`.
 *
 * @param rate the first rate, from 0.
 * @param options `every`: the number of steps between changes. `factor`: from 0; default 0.1.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { schedules } from "gpugrad";
 *
 * const rate = schedules.stepped(1, { every: 10, factor: 0.5 });
 * assert.deepEqual([0, 9, 10, 20].map(rate), [1, 1, 0.5, 0.25]);
 * ```
 */
export function stepped(rate: number, options: SteppedOptions): Schedule {
  steppedCall.check(arguments);
  check(steppedCall, "rate", rateKind, rate);
  const { every, factor: by = 0.1 } = options ?? {};
  check(steppedCall, "every", steps, every);
  return (step) => rate * by ** Math.floor(step / every);
}

/** Options of {@link exponential}. */
export interface ExponentialOptions {
  /** The factor that the rate is multiplied by at each step, from 0. */
  readonly factor: number;
}

const exponentialCall = /* @__PURE__ */ new Signature<ExponentialOptions>("schedules.exponential(rate, options)", {
  factor,
});

/**
 * A rate that is multiplied by a factor at every step, like `torch.optim.lr_scheduler.ExponentialLR`.
 *
 * @param rate the first rate, from 0.
 * @param options `factor`: from 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { schedules } from "gpugrad";
 *
 * assert.deepEqual([0, 1, 2].map(schedules.exponential(1, { factor: 0.5 })), [1, 0.5, 0.25]);
 * ```
 */
export function exponential(rate: number, options: ExponentialOptions): Schedule {
  exponentialCall.check(arguments);
  check(exponentialCall, "rate", rateKind, rate);
  const { factor: by } = options ?? {};
  check(exponentialCall, "factor", factor, by);
  return (step) => rate * by ** step;
}

/** Options of {@link cosine}. */
export interface CosineOptions {
  /** The number of steps until the rate is least, from 1. */
  readonly steps: number;
  /** The least rate, from 0; default 0. */
  readonly minimum?: number;
}

const cosineCall = /* @__PURE__ */ new Signature<CosineOptions>("schedules.cosine(rate, options)", {
  steps,
  minimum: rateKind,
});

/**
 * A rate that falls along half a cosine, like `torch.optim.lr_scheduler.CosineAnnealingLR` until its end (Loshchilov and Hutter, 2017), and
 * then stays at the minimum, where PyTorch's rises again.
 *
 * @param rate the first rate, from 0.
 * @param options `steps`: how long it falls. `minimum`: from 0; default 0.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { schedules } from "gpugrad";
 *
 * const rate = schedules.cosine(1, { steps: 100, minimum: 0.5 });
 * assert.deepEqual([0, 50, 100, 1000].map(rate), [1, 0.75, 0.5, 0.5]);
 * ```
 */
export function cosine(rate: number, options: CosineOptions): Schedule {
  cosineCall.check(arguments);
  check(cosineCall, "rate", rateKind, rate);
  const { steps: end, minimum = 0 } = options ?? {};
  check(cosineCall, "steps", steps, end);
  return (step) => minimum + (rate - minimum) * (1 + Math.cos(Math.PI * Math.min(step / end, 1))) / 2;
}

/** Options of {@link warmUp}. */
export interface WarmUpOptions {
  /** The number of steps before the schedule begins, from 1. */
  readonly steps: number;
  /** The first rate as a part of the schedule's first, from 0 to 1; default 1/3. */
  readonly from?: number;
}

const warmUpCall = /* @__PURE__ */ new Signature<WarmUpOptions>("schedules.warmUp(schedule, options)", {
  steps,
  from: numberIn(0, 1),
});

/**
 * A rate that first rises linearly to the first rate of a schedule, which then begins (Goyal et al., 2017). As
 * `torch.optim.lr_scheduler.LinearLR` followed by the schedule in `SequentialLR`.
 *
 * @param schedule what follows.
 * @param options `steps`: how long it rises. `from`: the first rate as a part of the schedule's first; default 1/3.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { schedules } from "gpugrad";
 *
 * const rate = schedules.warmUp(schedules.stepped(1, { every: 2, factor: 0.5 }), { steps: 4, from: 0 });
 * assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map(rate), [0, 0.25, 0.5, 0.75, 1, 1, 0.5]);
 * ```
 */
export function warmUp(schedule: Schedule, options: WarmUpOptions): Schedule {
  warmUpCall.check(arguments);
  check(warmUpCall, "schedule", scheduleKind, schedule);
  const { steps: end, from = 1 / 3 } = options ?? {};
  check(warmUpCall, "steps", steps, end);
  return (step) => step < end ? schedule(0) * (from + (1 - from) * step / end) : schedule(step - end);
}
