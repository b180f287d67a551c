/** The globals of JavaScript that a formula may use: `Math`, `Number` and a few more. */
import { nearest } from "../../core/options.ts";
import type { Tensor } from "../../core/tensor.ts";
import { abs, add, mul, sign, sub } from "../arithmetic.ts";
import { acos, asin, atan2, tan } from "../circular.ts";
import { equal, greaterEqual, logicalAnd } from "../comparison.ts";
import { isFinite, isNaN } from "../finite.ts";
import {
  atan,
  ceil,
  cos,
  exp,
  expm1,
  floor,
  log,
  log10,
  log1p,
  log2,
  pow,
  sin,
  sqrt,
  tanh,
  trunc,
} from "../functions.ts";
import { acosh, asinh, atanh, cosh, sinh } from "../hyperbolic.ts";
import { cbrt, hypot } from "../roots.ts";
import { maximum, minimum, where } from "../selection.ts";
import type { Site } from "./source.ts";
import { Callable, Namespace, numberOf, type Operand, truthOf, type Value } from "./values.ts";

/** Records a function of numbers, at least one of which is not known. */
type Recorded = (...xs: Operand[]) => Tensor;

/** Halves go up, as in JavaScript; adding 0.5 instead would round. The sign stays, that of 0 too. */
function round(x: Operand): Tensor {
  const low = floor(x);
  return mul(sign(x), abs(where(greaterEqual(sub(x, low), 0.5), add(low, 1), low)));
}

/** A function of two numbers, for any number of them. */
const folded = (pair: (a: Operand, b: Operand) => Tensor): Recorded => (...xs) => {
  const known = xs.every((x) => typeof x !== "object");
  return xs.length === 1 || known ? pair(xs[0], xs[0]) : xs.reduce((a, b) => pair(a, b)) as Tensor;
};

/** The functions of `Math`, and how many arguments each takes. */
const recorded: Readonly<Record<string, readonly [count: number, record: Recorded]>> = {
  abs: [1, abs],
  acos: [1, acos],
  acosh: [1, acosh],
  asin: [1, asin],
  asinh: [1, asinh],
  atan: [1, atan],
  atan2: [2, atan2],
  atanh: [1, atanh],
  cbrt: [1, cbrt],
  ceil: [1, ceil],
  cos: [1, cos],
  cosh: [1, cosh],
  exp: [1, exp],
  expm1: [1, expm1],
  floor: [1, floor],
  hypot: [Infinity, (...xs) => xs.length === 1 ? abs(xs[0]) : xs.reduce((a, b) => hypot(a, b)) as Tensor],
  log: [1, log],
  log10: [1, log10],
  log1p: [1, log1p],
  log2: [1, log2],
  max: [Infinity, /* @__PURE__ */ folded(maximum)],
  min: [Infinity, /* @__PURE__ */ folded(minimum)],
  pow: [2, pow],
  round: [1, round],
  sign: [1, sign],
  sin: [1, sin],
  sinh: [1, sinh],
  sqrt: [1, sqrt],
  tan: [1, tan],
  tanh: [1, tanh],
  trunc: [1, trunc],
};

/** Members that cannot be recorded, each for a reason of its own. */
const REASONS: Readonly<Record<string, string>> = {
  random: "it would be drawn once, when the op is recorded, and not for each element",
  fround: "the numbers of most devices are float32 already",
};

/** The members of `Math`; some functions can be computed for known numbers only. */
const known = Math as unknown as Readonly<Record<string, unknown>>;

const has = (name: string) => Object.hasOwn(Math, name);

/** The problem with a member of `Math`; `null` if it can be used. */
export function problemWithMath(name: string): string | null {
  if (Object.hasOwn(recorded, name) || (has(name) && typeof known[name] === "number")) return null;
  if (Object.hasOwn(REASONS, name)) return `cannot compute Math.${name}: ${REASONS[name]}`;
  const near = nearest(name, Object.keys(recorded).filter((other) => other !== name));
  if (has(name)) return `cannot compute Math.${name}, which no op computes`;
  return `there is no Math.${name}${near ? `; did you mean Math.${near}?` : ""}`;
}

/** Checks how many arguments a function was called with. */
function checkCount(name: string, count: number, args: readonly Value[], site: Site): void {
  if (count === Infinity || args.length === count) return;
  site.fail(`expected ${count === 1 ? "one argument" : `${count} arguments`} for ${name}, got ${args.length}`);
}

function mathFunction(name: string): Callable {
  const [count, record] = recorded[name];
  const compute = known[name] as (...xs: number[]) => number;
  return new Callable(`Math.${name}`, (args, site) => {
    checkCount(`Math.${name}`, count, args, site);
    const xs = args.map((x) => numberOf(x, site));
    return xs.every((x) => typeof x === "number") ? compute(...xs) : record(...xs);
  });
}

function math(name: string, site: Site): Value {
  const problem = problemWithMath(name);
  if (problem) return site.fail(problem);
  return typeof known[name] === "number" ? known[name] : mathFunction(name);
}

/** Functions of one number that tell something about it. */
const tests: Readonly<Record<string, readonly [compute: (x: number) => boolean, record: (x: Tensor) => Tensor]>> = {
  isNaN: [(x) => Number.isNaN(x), isNaN],
  isFinite: [(x) => Number.isFinite(x), isFinite],
  isInteger: [(x) => Number.isInteger(x), (x) => logicalAnd(equal(floor(x), x), isFinite(x))],
};

function testFunction(name: string): Callable {
  const [compute, record] = tests[name];
  return new Callable(name, (args, site) => {
    checkCount(name, 1, args, site);
    const x = numberOf(args[0], site);
    return typeof x === "number" ? compute(x) : record(x);
  });
}

function number(name: string, site: Site): Value {
  const constant = Object.hasOwn(Number, name) ? (Number as unknown as Record<string, unknown>)[name] : undefined;
  if (typeof constant === "number") return constant;
  return Object.hasOwn(tests, name) ? testFunction(name) : site.fail(`cannot compute Number.${name}`);
}

/** Functions by the names of globals. */
const conversions: Readonly<Record<string, (x: Value, site: Site) => Value>> = { Number: numberOf, Boolean: truthOf };

/** The names that formulas may use without declaring them. */
export const GLOBALS: readonly string[] = [
  "Math",
  "__pow",
  "Number",
  "Boolean",
  "isNaN",
  "isFinite",
  "NaN",
  "Infinity",
  "undefined",
];

/** Returns the value of a global. */
export function globalValue(name: string): Value {
  switch (name) {
    case "Math":
      return new Namespace("Math", math);
    case "__pow":
      // esbuild writes ** so for targets that lack it.
      return mathFunction("pow");
    case "NaN":
      return NaN;
    case "Infinity":
      return Infinity;
    case "undefined":
      return undefined;
    case "isNaN":
    case "isFinite":
      return testFunction(name);
    case "Number":
      return new Namespace("Number", number, conversion(name));
    default:
      return conversion(name);
  }
}

function conversion(name: string): Callable {
  return new Callable(name, (args, site) => {
    checkCount(name, 1, args, site);
    return conversions[name](args[0], site);
  });
}

/** The name of a function of `Math` that was passed as a constant. */
export function mathNameOf(fn: unknown): string | null {
  return Object.getOwnPropertyNames(Math).find((name) => known[name] === fn) ?? null;
}

/** A function of `Math` by its name. */
export function mathCallable(name: string): Callable | string {
  return problemWithMath(name) ?? mathFunction(name);
}
