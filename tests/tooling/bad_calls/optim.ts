/** Bad calls of optimisers, schedules and clipping. */
import * as g from "../../../mod.ts";
import { type Callable, options, other, type Parameter, type Row, rows, rowsOf } from "./rows.ts";

const x = g.tensor([[1, 2, 3], [4, 5, 6]]);
// deno-lint-ignore no-explicit-any
const any = (value: unknown) => value as any;

const rates = { learningRate: [-1, NaN, "0.1", null, Infinity] };
const decays = { weightDecay: [-1, NaN, "0.1", null, Infinity] };
const rate = other("rate", 0.1, ["undefined", undefined], ["null", null], ["-1", -1], ["NaN", NaN], ['"0.1"', "0.1"]);
/** Options without which a function cannot be called. */
const needed = (...given: Parameters<typeof options>): Parameter => ({ ...options(...given), optional: false });

/** Each function with its parameters. */
export const optimSignatures: Record<string, readonly [fn: Callable, parameters: readonly Parameter[]]> = {
  sgd: [g.sgd, [options({ learningRate: 0.1, momentum: 0.9 }, {
    ...rates,
    ...decays,
    momentum: [-1, NaN, "0.9", null],
    dampening: [NaN, "0", null],
    nesterov: [1, "yes", null],
  }, { learning_rate: "learningRate", weight_decay: "weightDecay", moment: "momentum" })]],
  adamW: [g.adamW, [options({ learningRate: 0.1 }, {
    ...rates,
    ...decays,
    beta1: [-0.1, 1, NaN, null],
    beta2: [-0.1, 1, NaN, null],
    eps: [-1, NaN, null],
  }, { learning_rate: "learningRate" })]],
  clipByNorm: [g.clipByNorm, [
    other("gradients", x, ["undefined", undefined], ["null", null], ['"x"', "x"], ["a Map", new Map()]),
    other("maxNorm", 1, ["undefined", undefined], ["null", null], ["-1", -1], ["NaN", NaN], ["a tensor", x]),
    options({ p: 1 }, { p: [0, -1, NaN, "2", null] }),
  ]],
};

export const scheduleSignatures: typeof optimSignatures = {
  "schedules.constant": [g.schedules.constant, [rate]],
  "schedules.stepped": [g.schedules.stepped, [
    rate,
    needed({ every: 3 }, { every: [0, 0.5, "3", null], factor: [-1, NaN, null] }),
  ]],
  "schedules.exponential": [g.schedules.exponential, [rate, needed({ factor: 0.9 }, { factor: [-1, NaN, "1", null] })]],
  "schedules.cosine": [g.schedules.cosine, [
    rate,
    needed({ steps: 10 }, { steps: [0, 0.5, "3", null], minimum: [-1, NaN, null] }),
  ]],
  "schedules.warmUp": [g.schedules.warmUp, [
    other("schedule", g.schedules.constant(1), ["undefined", undefined], ["null", null], ["0.1", 0.1], ["a tensor", x]),
    needed({ steps: 10 }, { steps: [0, 0.5, "3", null], from: [-1, 2, NaN, null] }),
  ]],
};

const plain = g.sgd();
const adam = g.adamW();
const state = adam.init({ w: x });
const ints = g.arange(3);

/** Rows of an optimiser's methods. */
const method = (
  name: "sgd" | "adamW",
  method: "init" | "step",
  ...list: readonly (readonly [text: string, call: () => unknown, says: RegExp])[]
): Row[] => list.map(([text, call, says]) => ({ name, blames: `${name}.${method}`, text, call, says }));

export const optimRows: Row[] = [
  ...Object.entries({ ...optimSignatures, ...scheduleSignatures }).flatMap(([name, [fn, parameters]]) =>
    rowsOf(name, fn, parameters)
  ),
  ...rows(
    "sgd",
    ["nesterov alone", () => g.sgd({ nesterov: true }), /^expected momentum above 0 and no dampening with nesterov/],
    ["nesterov, damped", () => g.sgd({ nesterov: true, momentum: 0.9, dampening: 0.1 }), /got .* dampening 0.1$/],
    ["a number", () => g.sgd(any(0.1)), /^expected options to be an object of options, got 0.1; write sgd\(/],
  ),
  ...rows("clipByNorm", [
    "nothing",
    () => g.clipByNorm({}, 1),
    /^expected gradients to hold at least one tensor, got {}/,
  ]),
  ...rows(
    "schedules.constant",
    ["null", () => g.schedules.constant(any(null)), /^expected rate to be a finite number/],
    [
      "a tensor",
      () => g.schedules.constant(any(x)),
      /^expected rate to be .*, got a tensor/,
    ],
    ["true", () => g.schedules.constant(any(true)), /got true/],
    ["Infinity", () => g.schedules.constant(Infinity), /got Inf/],
  ),
  ...rows("schedules.stepped", ["alone", () => any(g.schedules.stepped)(1), /^expected every to be .*, got undefined/]),
  ...rows("schedules.cosine", ["alone", () => any(g.schedules.cosine)(1), /^expected steps to be .*, got undefined/]),
  ...method(
    "sgd",
    "init",
    ["nothing", () => plain.init({ layers: {} }), /^expected params to hold at least one tensor/],
    ["a string", () => plain.init("w"), /^expected params to be a tensor, or an array or object of tensors, got "w"/],
    ["a part that is null", () => plain.init({ w: x, b: null }), /^expected params\.b to be a tensor.*, got null/],
    ["whole numbers", () => plain.init({ w: [ints, x] }), /^expected params\.w\[0\] of dtype float, got int/],
    ["two arguments", () => any(plain).init(x, x), /^expected one argument, sgd\.init\(params\), got 2/],
  ),
  ...method(
    "adamW",
    "step",
    ["no gradients", () => any(adam).step({ w: x }), /^expected gradients to be a tensor, .*, got undefined/],
    [
      "other names",
      () => adam.step({ w: x }, any({ v: x }), state),
      /^expected gradients to be like params, .* at gradients\.w/,
    ],
    [
      "more",
      () => adam.step({ w: x }, any({ w: x, b: x }), state),
      /^expected .*, got a tensor at gradients\.b besides/,
    ],
    [
      "another shape",
      () => adam.step({ w: x }, { w: g.ones([3]) }, state),
      /^expected gradients\.w of shape \[2, 3\], got \[3\]/,
    ],
    ["a bool", () => adam.step({ w: x }, { w: g.isNaN(x) }, state), /^expected gradients\.w of dtype float, got bool/],
    ["no state", () => any(adam).step({ w: x }, { w: x }), /^expected state to be what init .*, got undefined/],
    ["moments alone", () => adam.step({ w: x }, { w: x }, any(state.moments)), /^expected state to be what init/],
    ["a broken count", () => adam.step({ w: x }, { w: x }, { ...state, step: 0.5 }), /^expected state to be what init/],
    [
      "the state of another optimiser",
      () => adam.step({ w: x }, { w: x }, plain.init({ w: x })),
      /^expected state\.moments to have mean and square, got none; state has to come from an optimiser with the same/,
    ],
    [
      "the state of other parameters",
      () => adam.step({ w: x }, { w: x }, any(adam.init({ w: [x] }))),
      /^expected state\.moments\.mean to be like params, with a tensor at state\.moments\.mean\.w/,
    ],
    [
      "a schedule of nothing",
      () => g.adamW({ learningRate: any(() => undefined) }).step({ w: x }, { w: x }, state),
      /^expected learningRate\(0\) to be a finite number from 0, got undefined/,
    ],
    [
      "a schedule that ends",
      () => g.adamW({ learningRate: (step) => [0.1][step] }).step({ w: x }, { w: x }, { ...state, step: 1 }),
      /^expected learningRate\(1\) to be a finite number from 0, got undefined/,
    ],
  ),
];
