/** Bad calls of transforms, and of functions with a derivative of one's own. */
import * as g from "../../../mod.ts";
import { type Callable, options, other, type Parameter, type Row, rows } from "./rows.ts";

const x = g.tensor([[1, 2, 3], [4, 5, 6]]);
const total = (t: g.Tensor) => g.sum(t);
// deno-lint-ignore no-explicit-any
const any = (value: unknown) => value as any;

const fn = (name: string, good: Callable) =>
  other(name, good, ["undefined", undefined], ["null", null], ["a tensor", x], ['"exp"', "exp"], ["[]", []]);
const argnums = { argnums: [-1, 0.5, "0", null, [0.5]] };
const arrays = (name: string) =>
  other(name, [x], ["undefined", undefined], ["null", null], ["a tensor", x], ["1", 1], ["{}", {}]);

/** Each function with its parameters. */
export const transformSignatures: Record<string, readonly [fn: Callable, parameters: readonly Parameter[]]> = {
  valueAndGrad: [g.valueAndGrad, [
    fn("fn", total),
    options({ argnums: [0] }, { ...argnums, hasAux: [1, "yes"], allowUnused: [1, null] }, { has_aux: "hasAux" }),
  ]],
  jacobian: [g.jacobian, [fn("fn", g.exp), options({ argnums: 0 }, argnums, { argnum: "argnums" })]],
  hessian: [g.hessian, [fn("fn", total)]],
  jvp: [g.jvp, [fn("fn", g.exp), arrays("primals"), arrays("tangents")]],
  hvp: [g.hvp, [fn("fn", total), arrays("primals"), arrays("tangents")]],
  customVjp: [g.customVjp, [
    fn("forward", g.exp),
    fn("vjp", ({ cotangent }) => cotangent),
    options({ surrogate: true }, { surrogate: [1, "yes", null], name: [1, null] }, { names: "name" }),
  ]],
};

const ints = g.arange(3);
const result = (name: string, call: (fn: unknown) => unknown): Row[] =>
  rows(
    name,
    ["fn returns a number", () => call(() => 1), /^expected fn to return a tensor.*, got 1/],
    ["fn returns nothing", () => call(() => undefined), /^expected fn to return a tensor.*, got undefined/],
    [
      "fn is async",
      // deno-lint-ignore require-await
      () => call(async (t: g.Tensor) => g.sum(t)),
      /^expected fn to return a tensor.*, got a promise.*; fn is recorded, not run/,
    ],
  );
const scalar = (name: string, call: (fn: unknown) => unknown): Row[] => [
  ...result(name, call),
  ...rows(
    name,
    ["fn returns several", () => call((t: g.Tensor) => t), /^expected fn to return one element, got shape \[2, 3\]/],
    ["fn returns an int", () => call((t: g.Tensor) => g.argmax(g.reshape(t, [6]), 0)), /dtype float, got int/],
  ),
];
const argument = (name: string, call: (x: unknown) => unknown): Row[] =>
  rows(
    name,
    ["of an int", () => call(ints), /^expected (?:arguments|primals)\[0\] of dtype float, got int/],
    ["of a string", () => call("x"), /^expected (?:arguments|primals)\[0\] to be a tensor, or an array.*, got "x"/],
    ["of a Map", () => call(new Map()), /^expected (?:arguments|primals)\[0\] to be a tensor.*, got a Map/],
  );

export const transformRows: Row[] = [
  ...scalar("valueAndGrad", (f) => g.valueAndGrad(any(f))(x)),
  ...argument("valueAndGrad", (t) => g.valueAndGrad(total)(any(t))),
  ...rows(
    "valueAndGrad",
    [
      "of no argument",
      () => any(g.valueAndGrad(total))(),
      /^expected an argument 0 to differentiate with respect to, got 0/,
    ],
    ["argnums [0, 0]", () => g.valueAndGrad(total, { argnums: any([0, 0]) }), /^expected each number once in argnums/],
    ["argnums []", () => g.valueAndGrad(total, { argnums: any([]) }), /^expected argnums to name at least one/],
    ["no aux", () => g.valueAndGrad(total, { hasAux: true })(x), /^expected fn to return \[value, aux\] with hasAux/],
    ["without influence", () => g.valueAndGrad((_: g.Tensor) => g.tensor(1))(x), /^no gradient for arguments\[0\]/],
    ["a part that is an int", () => g.valueAndGrad(any(total))({ a: [x, ints] }), /^expected arguments\[0\]\.a\[1\]/],
  ),
  ...result("jacobian", (f) => g.jacobian(any(f))(x)),
  ...argument("jacobian", (t) => g.jacobian(g.exp)(any(t))),
  ...scalar("hessian", (f) => g.hessian(any(f))(x)),
  ...argument("hessian", (t) => g.hessian(total)(any(t))),
  ...rows("hessian", [
    "of two tensors",
    () => g.hessian(any(total))([x, x]),
    /^expected arguments\[0\] to be a tensor/,
  ]),
  ...result("jvp", (f) => g.jvp(any(f), [x], [x])),
  ...argument("jvp", (t) => g.jvp(g.exp, [any(t)], [x])),
  ...rows(
    "jvp",
    ["two tangents", () => g.jvp(g.exp, [x], [x, x]), /^expected 1 tangents, one for each of the primals, got 2/],
    ["another shape", () => g.jvp(g.exp, [x], [[1, 2]]), /^expected tangents\[0\] of shape \[2, 3\], got \[2\]/],
    ["a bool", () => g.jvp(g.exp, [1], [true]), /^expected tangents\[0\] of dtype float, got bool/],
    [
      "another structure",
      () => g.jvp(any(total), [{ a: x }], [{ b: x }]),
      /^expected tangents\[0\] to be like primals\[0\], with a tensor at tangents\[0\]\.a, got \{ b \}/,
    ],
    ["more", () => g.jvp(any(total), [{ a: x }], [{ a: x, b: x }]), /^expected .*, got a tensor at tangents\[0\]\.b/],
  ),
  ...scalar("hvp", (f) => g.hvp(any(f), [x], [x])),
  ...argument("hvp", (t) => g.hvp(total, [any(t)], [x])),
  ...rows("hvp", [
    "another shape",
    () => g.hvp(total, [x], [1]),
    /^expected tangents\[0\] of shape \[2, 3\], got \[\]/,
  ]),
  ...result("vjp", (f) => g.vjp(any(f), x)),
  ...argument("vjp", (t) => g.vjp(g.exp, any(t))),
  ...rows(
    "vjp",
    ["vjp(x)", () => any(g.vjp)(x), /^expected fn to be a function of tensors, got a tensor/],
    ["vjp()", () => any(g.vjp)(), /^expected fn to be a function of tensors, got undefined/],
    ['vjp("exp", x)', () => any(g.vjp)("exp", x), /^expected fn to be a function of tensors, got "exp"/],
    ["vjp(null, x)", () => any(g.vjp)(null, x), /^expected fn to be a function of tensors, got null/],
  ),
  ...([
    ["pullback(x) of another shape", () => g.vjp(g.exp, x)[1]([1]), /^expected cotangent of shape \[2, 3\], got \[1\]/],
    ["pullback()", () => any(g.vjp(g.exp, x)[1])(), /^expected cotangent to be a tensor, .*, got undefined/],
    ["pullback(x, x)", () => any(g.vjp(g.exp, x)[1])(x, x), /^expected one argument, pullback\(cotangent\), got 2/],
  ] as const).map(([text, call, says]): Row => ({ name: "vjp", blames: "pullback", text, call, says })),
  ...([
    ["an int alone", () => g.customVjp(g.exp, ({ cotangent }) => cotangent)(ints), /^expected an input of dtype float/],
    [
      "a string",
      () => g.customVjp(g.exp, ({ cotangent }) => cotangent)(any("x")),
      /^expected inputs\[0\] to be a tensor/,
    ],
  ] as const).map(([text, call, says]): Row => ({ name: "customVjp", blames: "exp", text, call, says })),
];
