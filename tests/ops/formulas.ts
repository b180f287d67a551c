/** Random formulas of two numbers, as source: expressions and statements that JavaScript and `elementwise` both evaluate. */
import fc from "fast-check";

/** The choices for the parts of a formula. */
interface Grammar {
  /** Functions of one number. */
  readonly functions: readonly string[];
  /** Functions of several. */
  readonly pairs: readonly string[];
  readonly operators: readonly string[];
  readonly numbers: readonly string[];
}

/** Functions that the oracle computes as JavaScript does, to the last digit. */
export const exact: Grammar = {
  functions: [
    ...["abs", "sign", "sqrt", "exp", "log", "log1p", "expm1", "sin", "cos", "tanh", "atan", "floor", "ceil", "round"],
    "trunc",
  ].map((name) => `Math.${name}`),
  pairs: ["Math.max", "Math.min", "Math.pow"],
  operators: ["+", "-", "*", "/", "**"],
  numbers: ["0", "(-0)", "1", "0.5", "3", "(-1.5)", "1e-9", "NaN", "Infinity", "Math.PI", "(2 * 0.1)"],
};

/** Functions with derivatives that differences see. */
export const smooth: Grammar = {
  functions: ["sin", "cos", "tanh", "atan", "abs", "sinh", "cosh", "asinh"].map((name) => `Math.${name}`),
  pairs: ["Math.max", "Math.min", "Math.hypot", "Math.atan2"],
  operators: ["+", "-", "*"],
  numbers: ["1", "0.5", "3", "(-1.5)", "Math.PI", "(2 * 0.1)"],
};

const { constantFrom, tuple, oneof, option, array } = fc;

/** The variables that may be changed. */
const VARIABLES = ["a", "b"] as const;

const comparisons = ["<", "<=", ">", ">=", "===", "!=="] as const;

interface Sorts {
  /** A number. */
  readonly number: string;
  /** A truth value. */
  readonly truth: string;
  /** A number or a truth value, by the value of a condition. */
  readonly either: string;
  readonly statement: string;
  /** A statement in a loop. */
  readonly repeated: string;
}

type Tie = fc.LetrecTypedTie<Sorts>;

function numbers(tie: Tie, { functions, pairs, operators, numbers }: Grammar): fc.Arbitrary<string> {
  return oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 4, arbitrary: constantFrom("x", "y", ...VARIABLES) },
    { weight: 2, arbitrary: constantFrom(...numbers) },
    { weight: 6, arbitrary: tuple(tie("number"), constantFrom(...operators), tie("number")).map(infix) },
    { weight: 1, arbitrary: tuple(tie("either"), constantFrom("+", "*"), tie("number")).map(infix) },
    { weight: 1, arbitrary: tie("either").map((x) => `(+${x})`) },
    { weight: 1, arbitrary: tie("number").map((x) => `(-${x})`) },
    { weight: 2, arbitrary: tuple(constantFrom(...functions), tie("number")).map(([f, x]) => `${f}(${x})`) },
    {
      weight: 1,
      arbitrary: tuple(constantFrom(...pairs), tie("number"), tie("number")).map(([f, x, y]) => `${f}(${x}, ${y})`),
    },
    {
      weight: 2,
      arbitrary: tuple(tie("truth"), tie("number"), tie("number")).map(([c, x, y]) => `(${c} ? ${x} : ${y})`),
    },
    { weight: 1, arbitrary: tuple(tie("number"), constantFrom("&&", "||", "??"), tie("number")).map(infix) },
    { weight: 1, arbitrary: tuple(tie("number"), tie("number")).map(([x, y]) => `helper(${x}, ${y})`) },
    {
      weight: 1,
      arbitrary: tuple(constantFrom(...VARIABLES), constantFrom("=", "+=", "-=", "*="), tie("number")).map(infix),
    },
    {
      weight: 1,
      arbitrary: tuple(constantFrom(...VARIABLES), constantFrom("++", "--")).map((parts) => parts.join("")),
    },
    { weight: 1, arbitrary: tuple(tie("number"), tie("number")).map(([x, y]) => `[${x}, ${y}][1]`) },
    { weight: 1, arbitrary: tuple(tie("number"), tie("number")).map(([x, y]) => `(${x}, ${y})`) },
  );
}

const infix = (parts: readonly string[]) => `(${parts.join(" ")})`;

function truths(tie: Tie): fc.Arbitrary<string> {
  return oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 6, arbitrary: tuple(tie("number"), constantFrom(...comparisons), tie("number")).map(infix) },
    { weight: 1, arbitrary: tie("either").map((x) => `(!${x})`) },
    { weight: 1, arbitrary: tuple(tie("truth"), constantFrom("&&", "||"), tie("truth")).map(infix) },
    { weight: 1, arbitrary: tuple(tie("either"), constantFrom("==", "!=", "<"), tie("number")).map(infix) },
    { weight: 1, arbitrary: constantFrom("true", "false") },
  );
}

function eithers(tie: Tie): fc.Arbitrary<string> {
  return oneof(
    { maxDepth: 3, withCrossShrink: true },
    tie("number"),
    tie("truth"),
    tuple(tie("truth"), constantFrom("&&", "||"), tie("number")).map(infix),
    tuple(tie("truth"), tie("truth"), tie("number")).map(([c, x, y]) => `(${c} ? ${x} : ${y})`),
  );
}

/** Loops of few iterations; they are not nested further, since each doubles what is recorded. */
const loops = [
  (body: string) => `for (let i = 0; i < 3; i++) { ${body} }`,
  (body: string) => `for (const w of [x, 0.5, y]) { a += w; ${body} }`,
  (body: string) => `{ let i = 3; while (i-- > 0 && a < y) { ${body} } }`,
  (body: string) => `{ let i = 0; do { ${body} } while (++i < 2); }`,
  (body: string) =>
    `outer: for (let i = 0; i < 2; i++) { for (let k = 0; k < 2; k++) { b -= 1; ${body} if (b > 4) continue outer; } }`,
];

/** A switch over numbers that meet those of its cases, some of which fall through; the default may stand anywhere. */
function switches(tie: Tie, blocks: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const value = oneof(
    { weight: 3, arbitrary: constantFrom("Math.sign(x)", "Math.sign(y - x)", "(x > y ? 2 : 0)", "2") },
    tie("number"),
  );
  const test = oneof({ weight: 4, arbitrary: constantFrom("0", "1", "-1", "2", "(a += 1, 1)") }, tie("number"));
  const body = tuple(blocks, constantFrom(" break;", "")).map((parts) => parts.join(""));
  const cases = array(tuple(test, body).map(([x, lines]) => `case ${x}: ${lines}`), { maxLength: 3 });
  return tuple(value, cases, option(body), cases).map(([x, before, last, after]) =>
    `switch (${x}) { ${[...before, ...(last === null ? [] : [`default: ${last}`]), ...after].join(" ")} }`
  );
}

function statements(tie: Tie, inLoop: boolean): fc.Arbitrary<string> {
  const inner = inLoop ? tie("repeated") : tie("statement");
  const blocks = array(inner, { minLength: 1, maxLength: 3 }).map((lines) => lines.join(" "));
  return oneof(
    { maxDepth: 3, withCrossShrink: true },
    {
      weight: 6,
      arbitrary: tuple(constantFrom(...VARIABLES), constantFrom("=", "+=", "-=", "*=", "||=", "&&="), tie("number"))
        .map((
          parts,
        ) => `${parts.join(" ")};`),
    },
    { weight: 1, arbitrary: tuple(tie("number"), tie("number")).map(([x, y]) => `[a, b] = [${x}, ${y}];`) },
    { weight: 1, arbitrary: tuple(tie("truth"), tie("number")).map(([c, x]) => `${c} && (b = ${x});`) },
    {
      weight: 4,
      arbitrary: tuple(tie("either"), blocks, option(blocks)).map(([c, yes, no]) =>
        `if (${c}) { ${yes} }${no === null ? "" : ` else { ${no} }`}`
      ),
    },
    { weight: 2, arbitrary: tuple(tie("truth"), tie("number")).map(([c, x]) => `if (${c}) return ${x};`) },
    inLoop
      ? {
        weight: 3,
        arbitrary: tuple(tie("truth"), constantFrom("break", "continue")).map(([c, exit]) => `if (${c}) ${exit};`),
      }
      : {
        weight: 1,
        arbitrary: tuple(constantFrom(...loops), array(tie("repeated"), { minLength: 1, maxLength: 2 })).map(
          ([loop, lines]) => loop(lines.join(" ")),
        ),
      },
    { weight: 2, arbitrary: switches(tie, blocks) },
    { weight: 1, arbitrary: tie("number").map((x) => `{ const t = ${x}; { let a = t; a *= 2; b = a + t; } }`) },
  );
}

/** Formulas as source: of `x` and `y`, with two variables, a helper with early returns, and a result. */
export function formulas(grammar: Grammar): fc.Arbitrary<string> {
  const sorts = fc.letrec<Sorts>((tie) => ({
    number: numbers(tie, grammar),
    truth: truths(tie),
    either: eithers(tie),
    statement: statements(tie, false),
    repeated: statements(tie, true),
  }));
  const body = array(sorts.statement, { maxLength: 4 });
  return tuple(body, sorts.truth, sorts.either).map(([lines, leaves, result]) =>
    [
      "(x, y) => {",
      "  let a = x, b = 1;",
      `  function helper(p, q) { const a = p; if (p > q) { b += 1; return p - q; } return a * 0.5; }`,
      ...lines.map((line) => `  ${line}`),
      `  if (${leaves}) return a;`,
      `  return ${result};`,
      "}",
    ].join("\n")
  );
}
