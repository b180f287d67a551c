/** Bad calls of `elementwise`: functions that cannot be read, and calls of the ops that it makes. */
import * as g from "../../../mod.ts";
import { other, type Row, rows, rowsOf } from "./rows.ts";

// deno-lint-ignore no-explicit-any
const any = (value: unknown) => value as any;
const { elementwise, tensor } = g;
const x = tensor([1, 2, 3]);

/** A row of a function from source, since compilers would refuse or rewrite it. */
const source = (text: string, says: RegExp, given?: g.ElementwiseOptions): Row => ({
  name: "elementwise",
  text,
  call: () => elementwise(any(new Function(`return ${text}`)()), given)(x),
  says,
});

export const elementwiseRows: Row[] = [
  ...rowsOf("elementwise", elementwise, [
    other("fn", (a: number) => a, ["undefined", undefined], ["null", null], ['"x => x"', "x => x"], ["a tensor", x]),
    other("options", {}, ["null", null], ["1", 1], ["[1]", [1]], ["a tensor", x]),
  ]),
  ...rows(
    "elementwise",
    [
      "constants as the options",
      () => elementwise((a: number) => a, any({ eps: 1 })),
      /got { eps }; write elementwise\(fn, { constants: { eps: 1e-6 } }\)/,
    ],
    ...[null, 1, [1], "eps"].map((value) =>
      [
        `{ constants: ${value} }`,
        () => elementwise((a: number) => a, any({ constants: value })),
        /^expected constants to be an object of numbers and functions, got /,
      ] as const
    ),
  ),
  source(
    "(x) => x + eps",
    /^expected eps to be declared in the function or passed as { constants: { eps } } \(line 1, column 12/,
  ),
  source("(x) => x + epsi", /; did you mean eps\?/, { constants: { eps: 1 } }),
  source("(x) => foo(x)", /^expected foo to be declared/),
  source("function (x) { return this.a * x; }", /^cannot read this; pass what is needed as an argument or a constant/),
  source(
    "(x) =>\n  Math.floor(x) +\n  Math.sgn(x)",
    /^there is no Math.sgn; did you mean Math.sign\?.* \(line 3, column 3/,
  ),
  source("(x) => Math.random() * x", /^cannot compute Math.random: it would be drawn once/),
  source("(x) => Math.abs(x, 1)", /^expected one argument for Math.abs, got 2/),
  source("(x) => { while (x > 0) x -= 1; return x; }", /^expected a loop that ends within 1000 iterations/),
  source(
    "(x) => { while (true) { if (x > 9) break; x += 1; } return x; }",
    /^expected a loop that ends within 1000 iterations/,
  ),
  source(
    "(x) => { if (x > 0) return 1; }",
    /^expected a function that returns a number .* 1 where a condition holds and undefined/,
  ),
  source("(x) => {}", /^expected a function that returns a number for every element, got undefined/),
  source("(x) => [x]", /^expected a function that returns a number for every element, got an array of 1/),
  source("(x) => x.toFixed(2)", /^expected an array or an object to read "toFixed" of, got a tensor/),
  source("(x) => { const a = 1; a = x; return a; }", /^cannot assign to a, which is constant/),
  source("(x) => { const a = [x]; a[0] = 2; return a[0]; }", /^cannot assign to a part of an array or an object/),
  source("(x) => { const f = (n) => f(n); return f(x); }", /^expected at most 200 calls within each other/),
  source("(x) => { let a; return a + x; }", /^expected a number, got undefined/),
  source("(x) => (x > 0) === x", /^cannot compare a number and a truth value with ===/),
  source("(x) => `${x}`", /^cannot read a template/),
  source("(x) => { switch (x) {} }", /^expected a function that returns a number for every element, got undefined/),
  source("(x) => { switch (x) { case 'a': return x; } }", /^cannot read a string.*\(line 1, column 28 /),
  source("(x) => { switch (x > 0) { case 1: return x; } }", /^cannot compare a number and a truth value with ===/),
  source(
    "(x) => { switch (Math.sign(x)) { case 1: return x; } }",
    /got a tensor where a condition holds and undefined elsewhere/,
  ),
  source(
    "(x) => { switch (x) { case 1: const d = 2 * x; default: return d; } }",
    /^cannot use d before its declaration/,
  ),
  source("(x) => x & 1", /^cannot compute & of tensors/),
  source("(x) => { cov_1abc().s[0]++; return x; }", /counters that a coverage tool wrote/),
  source("async (x) => x", /^cannot read an async function/),
  source("function* (x) { yield x; }", /^cannot read a generator function/),
  source("class A {}", /^cannot read the function A: it is a class/),
  source("Math.abs.bind(null)", /: it has no source, as native and bound functions have none/),
  source(
    "(x) => x + w",
    /^expected constants.w to be a number, a function .*; pass tensors as arguments/,
    any({ constants: { w: x } }),
  ),
  source("(x) => x + w", /^expected constants.w\[1\] to be a number.*, got "a"/, any({ constants: { w: [1, "a"] } })),
  source("(x) => Math.abs(x)", /^expected constants with names other than Math/, { constants: { Math: 1 } }),
  ...rows(
    "elementwise",
    [
      "too many arguments",
      () => any(elementwise((a: number) => a))(x, 1),
      /^expected one argument, elementwise\(a\), got 2/,
    ],
    ["no argument", () => any(elementwise((a: number) => a * 2))(), /^expected a to be a tensor, .* got undefined/],
    ["a string", () => any(elementwise((a: number) => a * 2))("1"), /^expected a to be a tensor, .* got "1"/],
    [
      "shapes",
      () => elementwise((a: number, b: number) => a + b)(x, tensor([1, 2])),
      /^expected shapes that broadcast together .*, got \[3\] and \[2\]/,
    ],
    [
      "a part that is missing",
      () => any(elementwise(({ a }: { a: number }) => a * 2))({ b: x }),
      /^expected arguments\[0\].a to be a tensor, .* got undefined/,
    ],
  ),
];
