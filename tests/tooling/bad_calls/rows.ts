/**
 * Rows of bad calls. A row is one call and the message of its error; a function is declared with its parameters, each
 * of a kind, and gets the rows that parameters of these kinds share.
 */
import { tensor } from "../../../mod.ts";

/** A call that must fail. */
export interface Row {
  /** The export, or the class of the method, that the row counts for. */
  readonly name: string;
  /** The start of the message, default the name. */
  readonly blames?: string;
  /** The call as text. */
  readonly text: string;
  /** Throws, or returns a promise that rejects. */
  readonly call: () => unknown;
  /** The rest of the message, after the name. */
  readonly says: RegExp;
}

/** A bad value of a parameter, and what the error says about it. */
type Bad = readonly [text: string, value: unknown, says: RegExp];

/** A parameter: a good value, and bad ones. */
export interface Parameter {
  readonly good: unknown;
  readonly bad: readonly Bad[];
  /** Whether it can be omitted. */
  readonly optional?: boolean;
}

// deno-lint-ignore no-explicit-any
export type Callable = (...args: any[]) => unknown;

const escaped = (text: string) => text.replace(/[[\]().^$*+?{}|\\]/g, "\\$&");
const got = (name: string, what: string) => new RegExp(`^expected ${escaped(name)} to be .*, got ${what}`);

/** Values that no function of this package accepts. */
const nothings = (name: string): Bad[] => [
  ["null", null, got(name, "null")],
  ['"text"', "text", got(name, '"text"')],
  ["{ b: 1 }", { b: 1 }, got(name, "\\{ b \\}")],
  ["() => 1", () => 1, got(name, "(?:a|the) function")],
  ["new Map()", new Map(), got(name, "a Map")],
  ["1n", 1n, got(name, "1n")],
  ["Promise.resolve(1)", Promise.resolve(1), got(name, "a promise, which has to be awaited")],
];

const missing = (name: string): Bad => ["undefined", undefined, got(name, "undefined")];

/** Bad values of a parameter that accepts a number or an array of numbers as a tensor. */
export function tensorLike(name: string, good: unknown = [[1, 2, 3], [4, 5, 6]]): Parameter {
  const at = (i: number) => `${escaped(name)}\\[${i}\\]`;
  return {
    good,
    bad: [
      missing(name),
      ...nothings(name),
      ['[1, "a"]', [1, "a"], new RegExp(`^expected numbers or booleans, got "a" as ${at(1)}`)],
      ["[1, null]", [1, null], new RegExp(`^expected numbers or booleans, got null as ${at(1)}`)],
      // deno-lint-ignore no-sparse-arrays
      ["[1, , 2]", [1, , 2], new RegExp(`^expected numbers or booleans, got undefined as ${at(1)}`)],
      ["[[1], [2, 3]]", [[1], [2, 3]], new RegExp(`^expected an array of 1 elements as ${at(1)}`)],
      ["[1, [2]]", [1, [2]], new RegExp(`^expected nesting of depth 1 everywhere, got an array as ${at(1)}`)],
      ["[1, true]", [1, true], new RegExp(`^expected every element to be a number, got true as ${at(1)}`)],
      ["new BigInt64Array(2)", new BigInt64Array(2), /^expected numbers, got a typed array of bigints/],
      ["[tensor(1)]", [tensor(1)], /^expected numbers or booleans, got a tensor of shape .*stack\(\) joins tensors/],
    ],
  };
}

/** Bad values of a parameter that accepts numbers as indices. */
export function indices(name: string, good: unknown): Parameter {
  const like = tensorLike(name, good);
  const bad = like.bad.filter(([text]) => text !== "[tensor(1)]");
  return {
    good,
    bad: [
      ...bad,
      ["[0.5]", [0.5], /^expected whole numbers of at most 2\^24 for dtype int, got 0.5 at position 0/],
      ["[NaN]", [NaN], /^expected whole numbers of at most 2\^24 for dtype int, got NaN/],
    ],
  };
}

/** Bad values of a parameter that only accepts a tensor. */
export function tensorOnly(name: string, good: unknown): Parameter {
  return {
    good,
    bad: [missing(name), ...nothings(name), ["1", 1, got(name, "1")], ["[1, 2]", [1, 2], got(name, "\\[1, 2\\]")]],
  };
}

/** An array of tensors. */
export function tensorArray(name: string, good: unknown): Parameter {
  return {
    good,
    bad: [
      missing(name),
      ...nothings(name),
      ["1", 1, got(name, "1")],
      [
        "tensor(1)",
        tensor(1),
        new RegExp(`^expected ${name} to be an array of tensors, got a tensor.*; write .*\\[x\\]`),
      ],
      // deno-lint-ignore no-sparse-arrays
      ["[tensor(1), ,]", [tensor(1), ,], got(`${name}[1]`, "undefined")],
      ['[tensor(1), "a"]', [tensor(1), "a"], got(`${name}[1]`, '"a"')],
    ],
  };
}

/** One axis; `several` if an array of axes is accepted too. */
export function axis(good: unknown, { several = false, optional = true, name = "axis" } = {}): Parameter {
  const array: Bad[] = several
    ? [
      ["[0, 0]", [0, 0], /^expected each axis once, got \[0, 0\]/],
      ['["0"]', ["0"], got(`${name}[0]`, '"0"')],
      // deno-lint-ignore no-sparse-arrays
      ["[, 0]", [, 0], got(`${name}[0]`, "undefined")],
    ]
    : [["[0]", [0], got(name, "\\[0\\]")]];
  return {
    good,
    optional,
    bad: [
      ...(optional ? [] : [missing(name)]),
      ...nothings(name),
      ["true", true, got(name, "true")],
      ['"0"', "0", got(name, '"0"')],
      ["NaN", NaN, got(name, "NaN")],
      ["0.5", 0.5, got(name, "0.5")],
      ["9", 9, /^expected an axis .*, got 9/],
      ["-9", -9, /^expected an axis .*, got -9/],
      ...array,
    ],
  };
}

/** A whole number. */
export function count(name: string, good: number): Parameter {
  return {
    good,
    bad: [
      missing(name),
      ...nothings(name),
      ["true", true, got(name, "true")],
      ["-1", -1, got(name, "-1")],
      ["0.5", 0.5, got(name, "0.5")],
      ["NaN", NaN, got(name, "NaN")],
      ["Infinity", Infinity, got(name, "Infinity")],
    ],
  };
}

/** A shape. */
export function shape(good: unknown, optional = false): Parameter {
  const name = "shape";
  return {
    good,
    optional,
    bad: [
      ...(optional ? [] : [missing(name)]),
      ...nothings(name),
      ["2", 2, got(name, "2")],
      ['["2"]', ["2"], got(name, '\\["2"\\]')],
      ["[-2]", [-2], got(name, "\\[-2\\]")],
      ["[0.5]", [0.5], got(name, "\\[0.5\\]")],
      ["[NaN]", [NaN], got(name, "\\[NaN\\]")],
      ["[Infinity]", [Infinity], got(name, "\\[Infinity\\]")],
      ["[[2]]", [[2]], got(name, "\\[\\[2\\]\\]")],
      // deno-lint-ignore no-sparse-arrays
      ["[, 2]", [, 2], got(name, "\\[undefined, 2\\]")],
    ],
  };
}

/** A parameter with its own bad values. */
export function other(
  name: string,
  good: unknown,
  ...bad: readonly (readonly [text: string, value: unknown])[]
): Parameter {
  return { good, bad: bad.map(([text, value]) => [text, value, got(name, "")]) };
}

/**
 * Options, with bad values for each; `near` has likely misspellings, with the option that is meant. Other values in
 * place of the options object are tried too.
 */
export function options(
  good: Record<string, unknown>,
  bad: Record<string, readonly unknown[]>,
  near: Record<string, string> = {},
  name = "options",
): Parameter {
  const no = (what: string) => new RegExp(`^expected ${name} to be an object of options, got ${what}.*; write `);
  return {
    good,
    optional: true,
    bad: [
      ["null", null, no("null")],
      ["true", true, no("true")],
      ["0", 0, no("0")],
      ['"text"', "text", no('"text"')],
      ["[1]", [1], no("\\[1\\]")],
      ["() => 1", () => 1, no("(?:a|the) function")],
      ["tensor(1)", tensor(1), no("a tensor")],
      ["{ quux: 1 }", { quux: 1 }, /^there is no option "quux"; the options are "/],
      ["{ constructor: 1 }", { constructor: 1 }, /^there is no option "constructor"/],
      ...Object.entries(near).map(([written, meant]): Bad => [
        `{ ${written}: 1 }`,
        { [written]: 1 },
        new RegExp(`^there is no option "${written}"; did you mean "${meant}"\\?`),
      ]),
      ...Object.entries(bad).flatMap(([option, values]) =>
        values.map((value): Bad => [`{ ${option}: ${String(value)} }`, { [option]: value }, got(option, "")])
      ),
    ],
  };
}

/** The rows that parameters share, for each position, and a call with a surplus argument. */
export function rowsOf(name: string, fn: Callable, parameters: readonly Parameter[], blames = name): Row[] {
  const good = parameters.map((parameter) => parameter.good);
  const rows = parameters.flatMap(({ bad }, i) =>
    bad.map(([text, value, says]): Row => {
      const args = [...good.slice(0, i), value, ...good.slice(i + 1)];
      return { name, blames, text: `argument ${i + 1} as ${text}`, call: () => fn(...args), says };
    })
  );
  const says = /^expected (no arguments|one argument|at most \d arguments), .*, got \d/;
  return [...rows, { name, blames, text: "one argument too many", call: () => fn(...good, 7), says }];
}

/** Hand-written rows of a function: the call as text, the call, and the message after the name. */
export function rows(
  name: string,
  ...list: readonly (readonly [text: string, call: () => unknown, says: RegExp])[]
): Row[] {
  return list.map(([text, call, says]) => ({ name, text, call, says }));
}
